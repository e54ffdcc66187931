"""Errors, warnings and checks of single arguments; messages say what to try."""

from __future__ import annotations

import importlib
import math
import numbers
import sys
import warnings
from collections.abc import Hashable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the help of the command line does without NumPy
    from numpy.typing import NDArray


class InputError(ValueError):
    """An argument or a file cannot be used as it is.

    Parameters
    ----------
    what : str
        What is required: "ridge must be >= 0 or 'loo'".
    expected, got : str, optional
        What would be valid, and what was passed.
    hint : str, optional
        What to try next.

    Examples
    --------
    >>> print(InputError("ridge must be >= 0 or 'loo'", got="-1", hint="ridge=1e-3"))
    ridge must be >= 0 or 'loo'; got -1. Try: ridge=1e-3.
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", hint: str = "") -> None:
        super().__init__(sentence(what, expected, got, hint))


class MemoryLimitError(MemoryError):
    """The work would take more memory than it may; nothing was allocated."""

    def __init__(self, what: str, *, needed: int, limit: int, hint: str = "") -> None:
        needs = f"{what} needs {format_bytes(needed)}"
        super().__init__(sentence(needs, f"at most {format_bytes(limit)}", "", hint))
        self.needed = needed
        self.limit = limit


class InvertedMaskWarning(UserWarning):
    """The mask looks as if it marked the known entries instead of the missing ones."""


class ConvergenceWarning(UserWarning):
    """A solve stopped before it reached the requested accuracy."""


class PatternWarning(UserWarning):
    """The missingness pattern cannot be reproduced on known entries; calibration may be invalid."""


def check_number(
    name: str,
    value: object,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """A finite number within bounds, as a float, so that its repr can be read back.

    >>> check_number("holdout", 1, above=0, below=1)
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: holdout must be a number > 0 and < 1; got 1.
    """
    number = as_float(value)
    if not (math.isfinite(number) and number >= minimum and above < number < below):
        given = ((">=", minimum), (">", above), ("<", below))
        bounds = " and ".join(f"{sign} {bound:g}" for sign, bound in given if math.isfinite(bound))
        valid = f"a number {bounds}" if bounds else "a finite number"
        raise InputError(f"{name} must be {valid}", got=repr(value))
    return number


def as_float(value: object) -> float:
    """A number as a float; NaN for anything else, also an integer that is too large.

    >>> as_float(3), as_float("3"), as_float(10**400)
    (3.0, nan, nan)
    """
    try:
        return float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:
        return math.nan


def check_integer(name: str, value: object, minimum: int, maximum: int) -> int:
    """An integer within bounds.

    >>> check_integer("levels", 40, 0, 32)
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: levels must be an integer from 0 to 32; got 40.
    """
    if not isinstance(value, numbers.Integral) or not minimum <= int(value) <= maximum:
        raise InputError(f"{name} must be an integer from {minimum} to {maximum}", got=repr(value))
    return int(value)


def check_finite(what: str, *results: NDArray[Any]) -> None:
    """Refuse to return NaN or infinity: the end of every public function that predicts.

    >>> import numpy as np
    >>> check_finite("the fill", np.array([1.0, np.nan]))
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: the fill is not finite. Try: a larger ridge, or another unit.
    """
    import numpy as np

    if not all(np.isfinite(result).all() for result in results):
        raise InputError(f"{what} is not finite", hint="a larger ridge, or another unit")


def finite(what: str, result: NDArray[Any]) -> NDArray[Any]:
    """The same result, which is refused where it is not finite.

    >>> import numpy as np
    >>> finite("the fill", np.ones(2))
    array([1., 1.])
    """
    check_finite(what, result)
    return result


def check_unique(names: Iterable[Hashable], what: str) -> None:
    """Names that all differ.

    >>> check_unique(["a", "b", "a"], "column")
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: two columns are called 'a'; expected one.
    """
    seen: set[Hashable] = set()
    for name in names:
        if name in seen:
            raise InputError(f"two {what}s are called {name!r}", expected="one")
        seen.add(name)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into this package."""
    level = 1
    frame: FrameType | None = sys._getframe()
    ours = ("ntkfill", "contextlib")  # where decorators of ours run
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ours:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def sentence(what: str, expected: str, got: str, hint: str) -> str:
    """The parts of a message put together, without those that are empty."""
    parts = [what, expected and f"expected {expected}", got and f"got {printable(got, 200)}"]
    text = "; ".join(part for part in parts if part)
    return printable(f"{text}. Try: {hint}." if hint else f"{text}.")


def printable(text: str, longest: int = 2000) -> str:
    """Text for a terminal, on one line: control characters escaped, the middle of long text cut.

    >>> printable("two\\nlines", 100), printable("abcdefghij", 7)
    ('two\\\\nlines', 'ab...ij')
    """
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def import_package(name: str, what: str, hint: str) -> Any:
    """A module that need not be installed; the error where it is not says `what` needs it.

    >>> import_package("unheard_of", "this needs unheard_of", "pip install it")
    Traceback (most recent call last):
    ntkfill.errors.InputError: this needs unheard_of. Try: pip install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(what, hint=hint) from None


def counted(count: int, one: str, many: str = "") -> str:
    """A number of things.

    >>> counted(1, "row"), counted(2000, "entry", "entries")
    ('1 row', '2,000 entries')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def format_bytes(size: float) -> str:
    """A number of bytes in decimal units.

    >>> format_bytes(3_500_000)
    '3.5 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
