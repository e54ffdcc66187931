"""What the imputer asks of a table, and what it tells of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConvergenceWarning, InputError
from ..grid import Array
from ..nn import Dense, ReLU, Sequential, TwoSlope


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a filled value is made of: ``value == sum(weights * values)``.

    Parameters
    ----------
    rows, columns : int arrays of shape (k,)
        Where the observed entries stand.
    values, weights : arrays of shape (k,)
    value : float
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: Array
    weights: Array
    value: float


def relu(depth: int) -> Sequential:
    """Dense layers with ReLU between them."""
    if not isinstance(depth, int | np.integer) or depth < 1:
        raise InputError("too few hidden layers", expected="depth of at least 1", got=repr(depth))
    layers: list[Dense | TwoSlope] = [Dense(), ReLU()] * int(depth)
    return Sequential(*layers, Dense())


def checked_ridge(ridge: Any) -> float | None:
    """The ridge as a number; None stands for leave-one-out."""
    if isinstance(ridge, str) and ridge == "loo":
        return None
    if isinstance(ridge, int | float | np.number) and np.isfinite(ridge) and ridge >= 0:
        return float(ridge)
    raise InputError("this is no ridge", expected='"loo" or a number from 0 up', got=repr(ridge))


def refuse_nothing(values: Array) -> None:
    """A table without rows or columns."""
    if not values.size:
        raise InputError("the table is empty", expected="rows and columns", got=str(values.shape))


def named(names: NDArray[Any] | None, position: int) -> Any:
    """The label at a position, or the position itself."""
    return int(position) if names is None else names[position]


def position(name: Any, names: NDArray[Any] | None, count: int, what: str) -> int:
    """Where a label stands; numbers are positions where there are no such labels."""
    found = np.empty(0, np.intp) if names is None else np.flatnonzero(names == name)
    if len(found) == 1:
        return int(found[0])
    if len(found) > 1:
        raise InputError(f"{len(found)} {what}s are called {name!r}", hint="its position")
    if isinstance(name, int | np.integer) and -count <= name < count:
        return int(name) % count
    raise InputError(f"there is no {what} {name!r}", expected=f"a label, or 0 to {count - 1}")


def refuse_infinity(values: Array, rows: NDArray[Any] | None, columns: NDArray[Any] | None) -> None:
    """Infinity is neither a value nor missing."""
    for i, j in np.argwhere(np.isinf(values))[:1]:
        raise InputError(
            "the table holds infinity",
            expected="finite numbers, and NaN where missing",
            got=f"inf in row {named(rows, i)}, column {named(columns, j)}",
        )


def warn_of_empty(empty: NDArray[np.bool_], names: NDArray[Any] | None, done: str) -> None:
    """Columns that nothing is known of are told."""
    if empty.any():
        told = ", ".join(str(named(names, j)) for j in np.flatnonzero(empty)[:5])
        warnings.warn(
            f"no known entry in {int(empty.sum())} columns, which are {done}: {told}",
            UserWarning,
            stacklevel=5,
        )


def warn_of_residual(residual: float, converged: bool) -> None:
    """A solve that stopped early is told."""
    if not converged:
        warnings.warn(
            f"the solve stopped with a residual of {residual:.1e}. Try: a larger ridge.",
            ConvergenceWarning,
            stacklevel=6,
        )
