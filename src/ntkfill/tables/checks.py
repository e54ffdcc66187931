"""What the imputer asks of a table, and what it tells of it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConvergenceWarning, InputError, check_integer, check_number
from ..kernels.table import Array
from ..nn import Dense, ReLU, Sequential, TwoSlope

LARGEST = 1e150


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


def checked_network(network: Sequential) -> Sequential:
    """One that compares feature vectors."""
    network.between(np.ones((1, 1)))  # says what is wrong with it
    return network


def checked_auto(network: str) -> None:
    """The only word for a network."""
    if network != "auto":
        raise InputError(
            "no such network", expected="None, 'auto' or a Sequential", got=repr(network)
        )


def checked_scale(scale: Any) -> float:
    """How much features count."""
    if check_number("the feature scale", scale) <= 0:
        raise InputError(
            "the feature scale cannot be used", expected="a number above 0", got=repr(scale)
        )
    return float(scale)


def checked_sweeps(max_iter: Any, tol: Any) -> None:
    """How often, and how little a change is none."""
    check_integer("max_iter", max_iter, 1, 1_000_000)
    if check_number("tol", tol) < 0:
        raise InputError("tol cannot be used", expected="a number from 0 up", got=repr(tol))


def refuse_text(table: Any) -> None:
    """Name the first text in an array of objects that is no number."""
    if not isinstance(table, np.ndarray) or table.dtype.kind != "O" or table.ndim != 2:
        return
    for (i, j), entry in np.ndenumerate(table):
        if isinstance(entry, str) and not _reads(entry):
            raise InputError(
                "the table holds something that is no number",
                got=f"{entry!r} in row {i}, column {j}",
            )


def _reads(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def refuse_twins(names: list[Any]) -> None:
    """Columns that cannot be told apart."""
    twins = [name for k, name in enumerate(names) if name in names[:k]]
    if twins:
        raise InputError(f"two columns are called {twins[0]!r}", expected="one")


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
    """Infinity is neither a value nor missing, and squares of what is left must be finite."""
    for i, j in np.argwhere(np.abs(values) > LARGEST)[:1]:
        infinite = np.isinf(values[i, j])
        raise InputError(
            "the table holds infinity" if infinite else "the table holds too large a number",
            expected=f"numbers up to {LARGEST:g}, and NaN where missing",
            got=f"{values[i, j]:g} in row {named(rows, i)}, column {named(columns, j)}",
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


def warn_of_shortfall(told: str) -> None:
    """A fit that did not end as it was asked to is told."""
    if told:
        warnings.warn(told, ConvergenceWarning, stacklevel=5)
