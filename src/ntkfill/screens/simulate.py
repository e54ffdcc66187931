"""A small simulated screen with known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from .screen import Screen


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated screen; every label says that it is simulated.

    Parameters
    ----------
    screen : Screen
        Measurements with noise, and rows of NaN where a condition was not measured.
    truth : Screen
        All conditions, without noise.
    signature : dict of str to float
        A disease signature: genes and their changes.
    cures : tuple of str
        The drugs that reverse it.
    """

    screen: Screen
    truth: Screen
    signature: dict[str, float]
    cures: tuple[str, ...]


def simulate(
    cells: int = 8,
    drugs: int = 24,
    genes: int = 60,
    *,
    measured: float = 0.6,
    noise: float = 0.4,
    random_state: int = 0,
) -> Simulated:
    """Cell effect plus drug effect times the sensitivity of the cell line, plus noise.

    Drugs come in four families of similar effects. The disease is the opposite of the effect of the
    first family. Every cell line has at least two measured drugs, and every drug is measured in at
    least one cell line.

    Parameters
    ----------
    cells, drugs, genes : int
    measured : float
        The fraction of conditions that is measured.
    noise : float
        Standard deviation of the measurements; cell effects have 1.
    random_state : int

    Examples
    --------
    >>> made = simulate(cells=3, drugs=6, genes=8)
    >>> made.screen.labels[0].tolist(), made.cures
    (['simulated-cell-1', 'simulated-drug-1'], ('simulated-drug-1', 'simulated-drug-5'))
    """
    if cells < 2 or drugs < 4 or genes < 2 or not 0 < measured <= 1 or noise < 0:
        raise InputError(
            "a screen cannot be simulated with these parameters",
            expected="2 cells, 4 drugs, 2 genes, 0 < measured <= 1, noise >= 0",
            got=f"{cells}, {drugs}, {genes}, {measured}, {noise}",
        )
    rng = np.random.default_rng(random_state)
    family = np.arange(drugs) % 4
    programmes = rng.normal(size=(4, genes))
    effect = 0.8 * programmes[family] + 0.3 * rng.normal(size=(drugs, genes))
    sensitivity = np.exp(0.5 * rng.normal(size=(cells, 4)))[:, family, None]
    truth = rng.normal(size=(cells, 1, genes)) + sensitivity * effect
    known = _pattern(rng, cells, drugs, measured)
    seen = np.where(known[..., None], truth + noise * rng.normal(size=truth.shape), np.nan)
    names = _names("cell", cells), _names("drug", drugs), _names("gene", genes)
    return Simulated(
        Screen.from_tensor(seen, *names),
        Screen.from_tensor(truth, *names),
        dict(zip(names[2], (-programmes[0]).round(6).tolist(), strict=True)),
        tuple(name for name, kind in zip(names[1], family, strict=True) if kind == 0),
    )


def _pattern(rng: np.random.Generator, cells: int, drugs: int, measured: float) -> Array:
    """Some cell lines have most drugs, others few."""
    frequency = np.linspace(1.5, 0.5, cells)
    known = rng.random((cells, drugs)) < measured * frequency[:, None]
    known[np.arange(drugs) % cells, np.arange(drugs)] = True
    for row in known:
        row[rng.permutation(drugs)[:2]] = True
    return known


def _names(kind: str, count: int) -> list[str]:
    width = len(str(count))
    return [f"simulated-{kind}-{k + 1:0{width}d}" for k in range(count)]
