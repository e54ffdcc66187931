"""Which drugs turn a disease's signature round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, check_unique
from ..io import text_tables
from ..io.files import naming
from ..kernels.table import Array
from .completion import Completed
from .evaluation import scores
from .methods.baselines import group_means

By = Literal["cosine", "connectivity"]


@dataclass(frozen=True)
class Ranked:
    """One drug's place.

    Parameters
    ----------
    rank : int
        1 reverses the signature most.
    drug : str
    cosine, connectivity : float
        The mean over contexts; -1 is full reversal.
    source : str
        "measured", "predicted", or "mixed" where only some contexts were measured.
    measured, contexts : int
        In how many contexts of how many.
    """

    rank: int
    drug: str
    cosine: float
    connectivity: float
    source: str
    measured: int
    contexts: int


@dataclass(frozen=True)
class Ranking:
    """Drugs in order, and how many genes of the signature the screen has."""

    drugs: tuple[Ranked, ...]
    genes: int
    absent: int


def rank(
    completed: Completed,
    signature: Mapping[str, float],
    *,
    by: By = "cosine",
    cells: Sequence[str] | None = None,
    centre: bool = True,
    top: int = 150,
) -> Ranking:
    """Order drugs by how much their profiles reverse a disease signature.

    Parameters
    ----------
    completed : Completed
        As by `complete`.
    signature : mapping of gene to number
        How the disease changes genes; genes that the screen does not have are counted.
    by : {"cosine", "connectivity"}
    cells : sequence of str, optional
        Only these cell lines.
    centre : bool
        Subtract the mean over the drugs of each context first, so that what all drugs do there
        does not count.
    top : int
        The connectivity score takes at most this many of the most raised and the most lowered
        genes of the signature.

    Raises
    ------
    InputError
        If screen and signature share no gene, or a cell line is not in the screen.

    Examples
    --------
    >>> from ntkfill.screens import complete, simulate
    >>> made = simulate()
    >>> first = rank(complete(made.screen), made.signature).drugs[:6]
    >>> {ranked.drug for ranked in first} == set(made.cures)
    True
    """
    if by not in ("cosine", "connectivity") or top < 1:
        raise InputError(
            "drugs are ranked by cosine or by connectivity, with top >= 1", got=f"{by!r}, {top}"
        )
    screen, measured = completed.screen, completed.measured
    profiles = screen.profiles
    if centre:
        profiles = profiles - group_means(profiles, screen.contexts, screen.contexts)
    if cells is not None:
        absent = sorted(set(cells) - set(screen.cells.tolist()))
        if absent or not cells:
            raise InputError(f"the screen has no cell line {', '.join(absent)}")
        rows = np.isin(screen.cells, list(cells))
        screen, measured, profiles = screen.take(rows), measured[rows], profiles[rows]
    genes, change = _shared(screen.genes, signature)
    both = {
        "cosine": scores.cosines(profiles[:, genes], change),
        "connectivity": connectivity(profiles, *_sets(genes, change, top)),
    }
    return Ranking(
        _ordered(screen.drugs, measured, both, by), len(genes), len(signature) - len(genes)
    )


def connectivity(
    profiles: Array, raised: NDArray[np.integer], lowered: NDArray[np.integer]
) -> Array:
    """The weighted connectivity score of the Connectivity Map, one per profile.

    Half the enrichment of the raised genes less that of the lowered, if the two have different
    signs, else 0; of one set alone, its own (Subramanian et al. 2017,
    doi:10.1016/j.cell.2017.10.049).

    Parameters
    ----------
    profiles : array of shape (conditions, genes)
    raised, lowered : int arrays
        Genes that the signature raises and lowers.

    Examples
    --------
    >>> connectivity(np.array([[3.0, 1.0, -1.0, -3.0]]), np.array([0]), np.array([3]))
    array([1.])
    """
    up, down = enrichment(profiles, raised), enrichment(profiles, lowered)
    if not len(raised) or not len(lowered):
        return up - down
    return np.where(np.sign(up) != np.sign(down), (up - down) / 2, 0.0)


def enrichment(profiles: Array, genes: NDArray[np.integer]) -> Array:
    """The weighted Kolmogorov-Smirnov statistic of a set of genes, in each profile's order.

    Walking down the genes from the most raised, the sum grows by |value| (of the set, as a share)
    at genes of the set and falls evenly at the others; its greatest deviation from 0, with sign.

    Examples
    --------
    >>> enrichment(np.array([[4.0, 2.0, 1.0, -1.0]]), np.array([0, 2]))
    array([0.8])
    """
    count = profiles.shape[1]
    if len(genes) == 0:
        return np.zeros(len(profiles))
    inside = np.zeros(count, dtype=bool)
    inside[genes] = True
    order = np.argsort(-profiles, axis=1, kind="stable")
    hit = inside[order]
    weight = np.where(hit, np.abs(np.take_along_axis(profiles, order, axis=1)), 0.0)
    total = weight.sum(axis=1, keepdims=True)
    # A set without any weight counts its genes alike.
    weight = np.where(total > 0, weight, hit)
    steps = weight / np.where(total > 0, total, len(genes))
    walk = np.cumsum(steps - ~hit / max(count - len(genes), 1), axis=1)
    high, low = walk.max(axis=1), walk.min(axis=1)
    return np.where(high >= -low - 1e-12, np.maximum(high, 0.0), np.minimum(low, 0.0))


def read_signature(path: Path) -> dict[str, float]:
    """Genes and how the disease changes them: the first two columns of a table.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "signature.csv"
    >>> _ = file.write_text("gene,change\\nTP53,-1.5\\nMYC,2\\n")
    >>> read_signature(file)
    {'TP53': -1.5, 'MYC': 2.0}
    """
    table = text_tables.read(path)
    with naming(path):
        if len(table.names) < 2:
            raise InputError("a signature has two columns", expected="gene, change")
        genes = table.column(table.names[0])
        changes = table.numbers(table.names[1:2])[:, 0]
        check_unique(genes, "gene")
        for k in np.flatnonzero(np.isnan(changes))[:1]:
            raise InputError(f"the gene {genes[k]!r} has no change", expected="a number")
    return dict(zip(genes, changes.tolist(), strict=True))


def as_table(ranking: Ranking) -> text_tables.Table:
    """The ranking as rows and columns."""
    names = ["rank", "drug", "cosine", "connectivity", "source", "measured", "contexts"]
    return text_tables.Table(names, [[getattr(drug, n) for n in names] for drug in ranking.drugs])


def _shared(
    genes: NDArray[np.str_], signature: Mapping[str, float]
) -> tuple[NDArray[np.intp], Array]:
    at = np.flatnonzero([name in signature for name in genes.tolist()])
    change = np.array([signature[str(genes[k])] for k in at], dtype=np.float64)
    if not len(at):
        raise InputError(
            "signature and screen share no gene",
            expected=f"names such as {', '.join(genes[:3].tolist())}",
            got=", ".join(list(signature)[:3]),
        )
    if not np.isfinite(change).all() or not change.any():
        raise InputError("the signature changes none of the screen's genes, or not by a number")
    return at, change


def _sets(
    genes: NDArray[np.intp], change: Array, top: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = np.argsort(-change, kind="stable")
    raised = [k for k in order[:top] if change[k] > 0]
    lowered = [k for k in order[::-1][:top] if change[k] < 0]
    return genes[raised], genes[lowered]


def _ordered(
    drugs: NDArray[np.str_], measured: NDArray[np.bool_], both: dict[str, Array], by: By
) -> tuple[Ranked, ...]:
    found = []
    for drug in dict.fromkeys(drugs.tolist()):
        rows = drugs == drug
        share = int(measured[rows].sum()), int(rows.sum())
        source = {0: "predicted", share[1]: "measured"}.get(share[0], "mixed")
        means = {name: float(values[rows].mean()) for name, values in both.items()}
        found.append((means[by], drug, means, source, share))
    found.sort(key=lambda entry: (entry[0], entry[1]))
    return tuple(
        Ranked(k, drug, means["cosine"], means["connectivity"], source, *share)
        for k, (_, drug, means, source, share) in enumerate(found, start=1)
    )
