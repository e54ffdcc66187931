"""A small screen that was never measured: simulated, with a truth that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from .screen import Screen


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated screen; every label says so.

    Parameters
    ----------
    screen : Screen
        What was "measured": with noise, and with gaps (rows of NaN).
    truth : Screen
        All conditions, without noise.
    signature : dict of str to float
        A "disease": genes and how much they change.
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
    seed: int = 0,
) -> Simulated:
    """Cell effect plus drug effect, which each cell line feels in its own strength, plus noise.

    Drugs come in families of like effect, a few gene programmes each. The disease is the opposite
    of the first family's effect. Every cell line has at least two measured drugs and every drug
    one cell line.

    Parameters
    ----------
    cells, drugs, genes : int
    measured : float
        The share of conditions that is measured.
    noise : float
        Standard deviation of the measurements; cell effects have 1.
    seed : int

    Examples
    --------
    >>> made = simulate(cells=3, drugs=6, genes=8)
    >>> made.screen.labels[0].tolist(), made.cures
    (['simulated-cell-1', 'simulated-drug-1'], ('simulated-drug-1', 'simulated-drug-5'))
    """
    if cells < 2 or drugs < 4 or genes < 2 or not 0 < measured <= 1 or noise < 0:
        raise InputError(
            "no screen can be simulated like this",
            expected="2 cells, 4 drugs, 2 genes, 0 < measured <= 1, noise >= 0",
            got=f"{cells}, {drugs}, {genes}, {measured}, {noise}",
        )
    random = np.random.default_rng(seed)
    family = np.arange(drugs) % 4
    programmes = random.normal(size=(4, genes))
    effect = 0.8 * programmes[family] + 0.3 * random.normal(size=(drugs, genes))
    sensitivity = np.exp(0.5 * random.normal(size=(cells, 4)))[:, family, None]
    truth = random.normal(size=(cells, 1, genes)) + sensitivity * effect
    known = _pattern(random, cells, drugs, measured)
    seen = np.where(known[..., None], truth + noise * random.normal(size=truth.shape), np.nan)
    names = _names("cell", cells), _names("drug", drugs), _names("gene", genes)
    return Simulated(
        Screen.from_tensor(seen, *names),
        Screen.from_tensor(truth, *names),
        dict(zip(names[2], (-programmes[0]).round(6).tolist(), strict=True)),
        tuple(name for name, kind in zip(names[1], family, strict=True) if kind == 0),
    )


def _pattern(random: np.random.Generator, cells: int, drugs: int, measured: float) -> Array:
    """Some cell lines have most drugs, others few."""
    often = np.linspace(1.5, 0.5, cells)
    known = random.random((cells, drugs)) < measured * often[:, None]
    known[np.arange(drugs) % cells, np.arange(drugs)] = True
    for row in known:
        row[random.permutation(drugs)[:2]] = True
    return known


def _names(kind: str, count: int) -> list[str]:
    width = len(str(count))
    return [f"simulated-{kind}-{k + 1:0{width}d}" for k in range(count)]
