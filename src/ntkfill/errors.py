"""What goes wrong, said as a sentence to a person: what, expected, got, try."""

from __future__ import annotations

import math
import numbers
import sys
import warnings
from collections.abc import Hashable, Iterable
from types import FrameType


class InputError(ValueError):
    """An argument or a file cannot be used as it is.

    Parameters
    ----------
    what : str
        What is wrong.
    expected, got : str, optional
        What would have been right, and what was there instead.
    hint : str, optional
        What to try next.

    Examples
    --------
    >>> print(InputError("the mask has another size than the image",
    ...                  expected="(4, 4)", got="(4, 5)", hint="crop the mask"))
    the mask has another size than the image; expected (4, 4); got (4, 5). Try: crop the mask.
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", hint: str = "") -> None:
        super().__init__(sentence(what, expected, got, hint))


def check_number(name: str, value: object) -> float:
    """A finite real number as a float, so that its repr can be read back.

    >>> check_number("the slope", 1)
    1.0
    """
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise InputError(f"{name} cannot be used", expected="a finite number", got=repr(value))
    return float(value)


def check_integer(name: str, value: object, minimum: int, maximum: int) -> int:
    """A whole number between two others.

    >>> check_integer("levels", 3, 0, 30)
    3
    """
    if not isinstance(value, numbers.Integral) or not minimum <= int(value) <= maximum:
        raise InputError(
            f"{name} cannot be used",
            expected=f"a whole number from {minimum} to {maximum}",
            got=repr(value),
        )
    return int(value)


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


class MemoryLimitError(MemoryError):
    """The work would take more memory than it may; nothing was allocated."""

    def __init__(self, what: str, *, needed: int, limit: int, hint: str = "") -> None:
        super().__init__(
            sentence(
                f"{what} needs {format_bytes(needed)}", f"at most {format_bytes(limit)}", "", hint
            )
        )
        self.needed = needed
        self.limit = limit


class InvertedMaskWarning(UserWarning):
    """The mask looks as if it marked the known entries instead of the missing ones."""


class ConvergenceWarning(UserWarning):
    """A solve stopped before it reached the accuracy that was asked for."""


class PatternWarning(UserWarning):
    """Nothing that could be hidden is like what is missing, so what is calibrated may be wrong."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into this package."""
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "ntkfill":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def sentence(what: str, expected: str, got: str, hint: str) -> str:
    """Put the parts of a message together, leaving out those that are empty."""
    parts = [what, expected and f"expected {expected}", got and f"got {got}"]
    text = "; ".join(part for part in parts if part)
    return f"{text}. Try: {hint}." if hint else f"{text}."


def format_bytes(size: float) -> str:
    """Bytes as a person reads them.

    >>> format_bytes(3_500_000)
    '3.5 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
