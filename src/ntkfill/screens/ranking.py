"""Rank drugs by how much they reverse a disease signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, check_finite, check_integer, check_unique
from ..io import text_tables
from ..io.files import naming
from ..kernels.table import Array
from ..result import Filled
from ..runtime.resources import single_blas_thread
from ..uncertainty.intervals import check_level
from .completion import Info
from .features import group_means, unit_rows

By = Literal["cosine", "connectivity"]


@dataclass(frozen=True)
class RankedDrug:
    """The rank of one drug.

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
    p : float or None
        The share of permuted signatures that the drug reverses as much; None without permutations.
        Drugs are many: correct for that before you call one significant.
    low, high : float or None
        An interval for the score that drugs are ordered by, if predicted profiles were measured;
        None without standard deviations. Measured profiles are noisier, which draws scores towards
        0: the interval need not hold the score of the prediction.
    """

    rank: int
    drug: str
    cosine: float
    connectivity: float
    source: str
    measured: int
    contexts: int
    p: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Ranking:
    """Drugs in order, and how many genes of the signature the screen has."""

    drugs: tuple[RankedDrug, ...]
    genes: int
    absent: int


@single_blas_thread()
def rank(
    filled: Filled[Info],
    signature: Mapping[str, float],
    *,
    by: By = "cosine",
    cells: Sequence[str] | None = None,
    centre: bool = True,
    top: int = 150,
    permutations: int = 0,
    draws: int = 100,
    level: float = 0.9,
    random_state: int = 0,
) -> Ranking:
    """Order drugs by how much their profiles reverse a disease signature.

    Parameters
    ----------
    filled : Filled
        A completed screen, from `complete`; with standard deviations (`return_std=True`) the
        scores have intervals.
    signature : mapping of gene to number
        Changes of genes in the disease; those that are not in the screen are counted.
    by : {"cosine", "connectivity"}
    cells : sequence of str, optional
        Only these cell lines.
    centre : bool
        Subtract the mean over the drugs of each context first, so that effects that all drugs
        share do not count.
    top : int
        The connectivity score uses at most this many of the most raised and of the most lowered
        genes of the signature.
    permutations : int
        Also score this many signatures whose changes are permuted among the genes, for `p`. Genes
        are correlated, so p is too small where a signature and a profile share a pathway.
    draws : int
        Profiles that are drawn for the intervals: the prediction, plus its standard deviations
        times the relative errors of hidden conditions of the same novelty. Those of one drug stand
        for those of another, so that genes and contexts err together as they did there.
    level : float
        Of the intervals.
    random_state : int
        Of the permutations and draws.

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
    if by not in ("cosine", "connectivity"):
        raise InputError("by must be 'cosine' or 'connectivity'", got=repr(by))
    check_integer("top", top, 1, 10**9)
    check_integer("permutations", permutations, 0, 10**9)
    check_integer("draws", draws, 2, 10**6)
    check_level(level)
    screen, measured = filled.values, filled.info.measured
    rows = np.ones(len(screen), dtype=bool)
    if cells is not None:
        absent = sorted(set(cells) - set(screen.cells.tolist()))
        if absent or not cells:
            raise InputError(f"the screen has no cell line {', '.join(absent)}")
        rows = np.isin(screen.cells, list(cells))
    genes, change = _shared_genes(screen.genes, signature)

    def centred(profiles: Array) -> Array:
        """The profiles that are scored."""
        if centre:
            profiles = profiles - group_means(profiles, screen.contexts, screen.contexts)
        return profiles[rows]

    def score(profiles: Array, of: Array, kind: By) -> Array:
        if kind == "cosine":
            # Each cosine is a sum of its own, the same for any number of threads.
            unit = unit_rows(profiles[:, genes])
            return np.asarray(np.einsum("ij,j->i", unit, unit_rows(of[None])[0]))
        # Of equal changes the first by name, in whatever order the genes are.
        raised = [k for k in np.lexsort((screen.genes[genes], -of))[:top] if of[k] > 0]
        lowered = [k for k in np.lexsort((screen.genes[genes], of))[:top] if of[k] < 0]
        return connectivity(profiles, genes[raised], genes[lowered])

    profiles = centred(screen.profiles)
    scores = {kind: score(profiles, change, kind) for kind in get_args(By)}
    check_finite("the score", *scores.values())
    random = np.random.default_rng(random_state)
    permuted = [score(profiles, random.permutation(change), by) for _ in range(permutations)]
    drawn = []
    for _ in range(draws if filled.std is not None else 0):
        possible = screen.profiles.copy()
        for kind, hidden in filled.info.errors.items():
            at = ~measured & (filled.info.novelty == kind)
            errors = hidden.profiles[_drawn(random, hidden.drugs, screen.drugs[at])]
            possible[at] += filled.std[at] * errors
        drawn.append(score(centred(possible), change, by))
    drugs = _sorted_drugs(
        screen.drugs[rows], measured[rows], scores, by, np.array(permuted), np.array(drawn), level
    )
    return Ranking(drugs, len(genes), len(signature) - len(genes))


def connectivity(
    profiles: Array, raised: NDArray[np.integer], lowered: NDArray[np.integer]
) -> Array:
    """The weighted connectivity score of the Connectivity Map, one per profile.

    Half the difference of the enrichments of the raised and the lowered genes if they have
    different signs, else 0; if one set is empty, the enrichment of the other (Subramanian et al.
    2017, doi:10.1016/j.cell.2017.10.049).

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
    """The weighted Kolmogorov-Smirnov statistic of a set of genes in each profile.

    In descending order of the values, the sum grows by |value| (relative to the set's total) at
    genes of the set and falls evenly at the others; the statistic is its largest deviation from 0.
    Genes with equal values are passed at once, so that the order of the columns does not count.

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
    # If all values of the set are zero, its genes have equal weights.
    weight = np.where(total > 0, weight, hit)
    steps = weight / np.where(total > 0, total, len(genes))
    # The digits that hang on the order of the genes are rounded away.
    walk = np.round(np.cumsum(steps - ~hit / max(count - len(genes), 1), axis=1), 12)
    ordered = np.take_along_axis(profiles, order, axis=1)
    walk[:, :-1][ordered[:, :-1] == ordered[:, 1:]] = 0.0
    high, low = walk.max(axis=1), walk.min(axis=1)
    return np.where(high >= -low - 1e-12, np.maximum(high, 0.0), np.minimum(low, 0.0))


def read_signature(path: Path) -> dict[str, float]:
    """A signature, gene to change, from the first two columns of a table.

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
    names = [field.name for field in fields(RankedDrug)]
    return text_tables.Table(names, [[getattr(drug, n) for n in names] for drug in ranking.drugs])


def _shared_genes(
    genes: NDArray[np.str_], signature: Mapping[str, float]
) -> tuple[NDArray[np.intp], Array]:
    """The columns of the genes of the signature, and their changes."""
    at = np.flatnonzero([name in signature for name in genes.tolist()])
    change = np.array([signature[str(genes[k])] for k in at], dtype=np.float64)
    if not len(at):
        raise InputError(
            "signature and screen share no gene",
            expected=f"names such as {', '.join(genes[:3].tolist())}",
            got=", ".join(list(signature)[:3]),
        )
    if not np.isfinite(change).all() or not change.any():
        raise InputError("the changes of the screen's genes must be finite and not all 0")
    return at, change


def _drawn(
    random: np.random.Generator, hidden: NDArray[np.str_], drugs: NDArray[np.str_]
) -> NDArray[np.intp]:
    """Numbers of hidden conditions: of one drug at random for all conditions of a drug."""
    _, of, counts = np.unique(hidden, return_inverse=True, return_counts=True)
    names, drug = np.unique(drugs, return_inverse=True)
    chosen = random.integers(len(counts), size=len(names))[drug]
    within = (random.random(len(drugs)) * counts[chosen]).astype(np.intp)
    return np.asarray(np.argsort(of, kind="stable")[(np.cumsum(counts) - counts)[chosen] + within])


def _sorted_drugs(
    drugs: NDArray[np.str_],
    measured: NDArray[np.bool_],
    scores: dict[By, Array],
    by: By,
    permuted: Array,
    drawn: Array,
    level: float,
) -> tuple[RankedDrug, ...]:
    entries = []
    for drug in dict.fromkeys(drugs.tolist()):
        rows = drugs == drug
        counts = int(measured[rows].sum()), int(rows.sum())
        source = {0: "predicted", counts[1]: "measured"}.get(counts[0], "mixed")
        means = {name: float(values[rows].mean()) for name, values in scores.items()}
        p = None
        if len(permuted):
            # The observed signature is one of the permutations.
            as_good = np.count_nonzero(permuted[:, rows].mean(axis=1) <= means[by])
            p = (1 + as_good) / (1 + len(permuted))
        low = high = None
        if len(drawn):
            ends = [(1 - level) / 2, (1 + level) / 2]
            low, high = np.quantile(drawn[:, rows].mean(axis=1), ends).tolist()
        entries.append((means[by], drug, means, source, counts, (p, low, high)))
    entries.sort(key=lambda entry: (entry[0], entry[1]))
    return tuple(
        RankedDrug(k, drug, means["cosine"], means["connectivity"], source, *counts, *rest)
        for k, (_, drug, means, source, counts, rest) in enumerate(entries, start=1)
    )
