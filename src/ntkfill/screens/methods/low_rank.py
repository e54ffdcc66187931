"""Screens of many thousand drugs: the posterior mean under a matrix-normal prior, never dense.

The covariance of two conditions is that of their contexts times that of their drugs. The contexts'
is dense and learned by expectation maximisation, every drug a draw (its likelihood needs matrices
of the contexts of one drug alone); the drugs' is low rank plus diagonal. A product with it gathers,
for every context, the drugs that were measured there, and conjugate gradients are preconditioned by
the blocks of each drug: time and memory grow with the number of measured conditions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ...errors import ConvergenceWarning, InputError, finite, warn
from ...kernels.table import Array
from ...runtime.resources import require, single_blas_thread
from ..features import SideFeatures, group_sums
from ..screen import Conditions, Screen, contexts
from .matrix_normal import noise_scales

# The share of the drugs' covariance that any two have in common, that which profiles tell of, and
# that which features tell of: the first and the last are chosen on drugs that are held out, the
# second on conditions.
COMMON = (0.0, 0.1, 0.3, 0.5)
LEARNED = (0.0, 0.2, 0.4, 0.6, 0.8)
GIVEN = (0.15, 0.3, 0.6)
# The drugs' covariance is learned from so many combinations of genes and of contexts.
GENES, CONTEXTS = 50, 40
# How often it is learned, and the share of conditions that is held out for it.
ROUNDS, HELD_OUT = 2, 0.1
# Drugs are held out a fifth at a time, until there are so many; features are used where errors of
# these are smaller by more than so many standard errors.
FOLDS, ENOUGH, SURE = 5, 200, 2.0
# A context's mean is shrunk as if so many conditions more were at the overall mean.
SHRINKAGE = 1.0
# The initial variance of the noise over that of the profiles, and the contexts' correlation.
NOISE, CORRELATION = 0.1, 0.5
# Drugs whose predictions are in memory at once.
BLOCK = 64


@dataclass(frozen=True)
class LowRank:
    """Profiles from a covariance of contexts, and of drugs that is low rank plus diagonal.

    For screens too large for `NTK`, whose kernel is dense: 78,569 conditions of 8,316 drugs take
    minutes. The network's kernel is linear here, which it nearly is for the learned covariance.

    Parameters
    ----------
    rank : int
        Of the part of the drugs' covariance that is learned from profiles, and of that from
        features.
    max_iter : int
        Iterations of expectation maximisation for the covariance of the contexts.
    rtol : float
        The residual of the conjugate gradients.
    features : SideFeatures, optional
        Fingerprints of drugs: what was never measured is predicted from similar drugs, as far as
        this helps on drugs that are held out.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> from ntkfill import screens
    >>> made = screens.simulate(cells=8, drugs=40, genes=20)
    >>> train, test = made.screen.known, made.truth.take(~made.screen.measured)
    >>> predicted = LowRank(rank=4).predict(train, test.labels)
    >>> mean = screens.CellMean().predict(train, test.labels)
    >>> errors = [np.square(found - test.profiles).mean() for found in (predicted, mean)]
    >>> bool(errors[0] < 0.5 * errors[1])
    True
    """

    rank: int = 64
    max_iter: int = 10
    rtol: float = 1e-3
    features: SideFeatures | None = None

    def __post_init__(self) -> None:
        if not (self.rank >= 1 and self.max_iter >= 0 and 0 < self.rtol < 1):
            raise InputError(
                "rank must be >= 1, max_iter >= 0 and rtol between 0 and 1", got=repr(self)
            )
        if self.features is not None and self.features.by != "drug":
            raise InputError("features must be by 'drug'", got=repr(self.features.by))

    @single_blas_thread()
    def predict(self, train: Screen, conditions: Conditions) -> Array:
        fitted = self.fit(train, conditions)
        labels = contexts(conditions).tolist(), conditions[:, 1].tolist()
        at = (
            np.array([names[label] for label in of], dtype=np.intp)
            for names, of in zip((fitted.contexts, fitted.drugs), labels, strict=True)
        )
        return finite("the prediction", fitted.at(*at))

    def fit(self, train: Screen, conditions: Conditions | None = None) -> FittedScreen:
        """Learn from measured conditions; contexts and drugs of others can be predicted too."""
        labels = train.labels if conditions is None else np.vstack([train.labels, conditions])
        places = [
            {label: k for k, label in enumerate(dict.fromkeys(of.tolist()))}
            for of in (contexts(labels), labels[:, 1])
        ]
        context, drug = (
            np.array([place[label] for label in of.tolist()], dtype=np.intp)
            for place, of in zip(places, (train.contexts, train.drugs), strict=True)
        )
        sizes = len(places[0]), len(places[1])
        require(
            "the solve",
            # Residuals, vectors of conjugate gradients; directions of drugs; sums by context.
            4 * (11 * train.profiles.size + 3 * sizes[1] * CONTEXTS * GENES)
            + 8 * sizes[0] * (8 * sizes[0] + 2 * self.rank * train.profiles.shape[1]),
            hint="fewer genes at a time",
        )
        pairs = Pairs.of(context, drug)
        means = _context_means(train.profiles, context, sizes[0])
        residuals = (train.profiles - means[context])[pairs.order]
        scale = float(np.sqrt(np.mean(residuals**2))) or 1.0
        residuals /= scale
        model = ScreenCovariance.learned(pairs, residuals, sizes, self.max_iter)
        given = None
        if self.features is not None:
            drugs = np.array(list(places[1]))
            rows = self.features.features(np.empty((0, 1)), {}, {"drug": drugs})
            given = _directions(rows - rows.mean(axis=0), self.rank)
        model = self._with_drugs(model, pairs, residuals, given)
        coefficients, residual = model.solve(pairs, residuals.astype(np.float32), self.rtol)
        if residual > self.rtol:
            text = f"the conjugate gradients ended with a residual of {residual:.1e}"
            warn(f"{text}; expected: {self.rtol:g}", ConvergenceWarning)
        return FittedScreen(places[0], places[1], means, scale, model, pairs, coefficients)

    def _with_drugs(
        self, model: ScreenCovariance, pairs: Pairs, residuals: Array, given: Array | None
    ) -> ScreenCovariance:
        """The covariance of the drugs, its shares chosen on conditions that are held out."""
        _, vectors = eigh(residuals.T @ residuals)
        y = residuals @ vectors[:, ::-1][:, :GENES]
        rng, drugs = np.random.default_rng(0), len(model.factor)
        hidden = rng.random(len(y)) < HELD_OUT
        fold = rng.permutation(drugs) % FOLDS

        def errors(tried: ScreenCovariance, held: NDArray[np.bool_]) -> Array:
            """Of conditions that are held out, by drug."""
            if not held.any() or held.all():
                return np.zeros(drugs)
            kept = Pairs.of(pairs.context[~held], pairs.drug[~held])
            model = replace(tried, scales=tried.scales[~held][kept.order])
            coefficients, _ = model.solve(kept, y[~held][kept.order].astype(np.float32), 0.01)
            found = FittedScreen.of(model, kept, coefficients)
            off = np.square(found.at(pairs.context[held], pairs.drug[held]) - y[held]).sum(axis=1)
            return np.bincount(pairs.drug[held], off, minlength=drugs)

        def of_new_drugs(tried: ScreenCovariance) -> Array:
            folds = range(min(FOLDS, -(-ENOUGH * FOLDS // drugs)))
            return np.sum([errors(tried, fold[pairs.drug] == k) for k in folds], axis=0)

        off = {common: of_new_drugs(model.of_drugs(common)) for common in COMMON}
        common, share = min(off, key=lambda one: off[one].sum()), 0.0
        if given is not None:
            without = off[common]
            shares = [tried for tried in GIVEN if common + tried < 1]
            off = {tried: of_new_drugs(model.of_drugs(common, (tried, given))) for tried in shares}
            best = min(off, key=lambda one: off[one].sum())
            gain = (without - off[best])[without > 0]
            if gain.sum() > SURE * np.sqrt(len(gain)) * gain.std():
                share = best
        sides = [] if given is None else [(share, given)]
        model = model.of_drugs(common, *sides)
        for _ in range(ROUNDS):
            coefficients, _ = model.solve(pairs, y.astype(np.float32), 0.01)
            learned = FittedScreen.of(model, pairs, coefficients).drug_directions(self.rank)
            shares = [own for own in LEARNED if own + common + share <= 1]
            candidates = [model.of_drugs(common, (own, learned), *sides) for own in shares]
            model = min(candidates, key=lambda one: float(errors(one, hidden).sum()))
        return model


@dataclass(frozen=True, eq=False)
class Pairs:
    """Conditions, those of a drug next to each other, drugs with equally many too."""

    context: NDArray[np.intp]  # (n,)
    drug: NDArray[np.intp]  # (n,)
    order: NDArray[np.intp]  # (n,), where each was
    groups: tuple[tuple[slice, int], ...]  # with the number of conditions of each drug
    by_context: tuple[tuple[int, NDArray[np.intp]], ...]

    @classmethod
    def of(cls, context: NDArray[np.intp], drug: NDArray[np.intp]) -> Pairs:
        counts = np.bincount(drug)[drug]
        order = np.lexsort((context, drug, counts))
        edges = np.flatnonzero(np.diff(counts[order])) + 1
        starts = [0, *edges.tolist(), len(order)]
        groups = tuple(
            (slice(a, b), int(counts[order[a]])) for a, b in itertools.pairwise(starts) if b > a
        )
        context, drug = context[order], drug[order]
        by = tuple((int(c), np.flatnonzero(context == c)) for c in np.unique(context))
        return cls(context, drug, order, groups, by)


@dataclass(frozen=True, eq=False)
class ScreenCovariance:
    """A covariance of contexts, one of drugs that is F F^T + diag(own), and the noise."""

    contexts: Array  # (c, c)
    factor: Array  # (d, r): F
    own: Array  # (d,)
    noise: float
    scales: Array  # (n,), of the noise of each measured condition

    @classmethod
    def learned(
        cls, pairs: Pairs, residuals: Array, sizes: tuple[int, int], max_iter: int
    ) -> ScreenCovariance:
        """The contexts' by expectation maximisation, with drugs that are independent."""
        covariance = np.where(np.eye(sizes[0], dtype=bool), 1.0, CORRELATION)
        noise, scales = NOISE, noise_scales(residuals)
        grams = []
        for rows, count in pairs.groups:
            y = residuals[rows].reshape(-1, count, residuals.shape[1])
            grams.append(y @ np.swapaxes(y, 1, 2) / residuals.shape[1])
        for _ in range(max_iter):
            gradient, of_noise = np.zeros_like(covariance), 0.0
            for (rows, count), gram in zip(pairs.groups, grams, strict=True):
                at = pairs.context[rows].reshape(-1, count)
                block = covariance[at[:, :, None], at[:, None, :]]
                block[:, range(count), range(count)] += noise * scales[rows].reshape(at.shape)
                inverse = np.linalg.inv(block)
                change = inverse @ gram @ inverse - inverse
                np.add.at(gradient, (at[:, :, None], at[:, None, :]), change)
                diagonal = change[:, range(count), range(count)]
                of_noise += float(np.sum(diagonal * scales[rows].reshape(at.shape)))
            step = covariance @ gradient @ covariance / len(np.unique(pairs.drug))
            covariance = covariance + (step + step.T) / 2
            noise += noise**2 * of_noise / len(scales)
        return cls(covariance, np.zeros((sizes[1], 0)), np.ones(sizes[1]), noise, scales)

    def of_drugs(self, common: float, *parts: tuple[float, Array]) -> ScreenCovariance:
        """With drugs of variance one, of which a share is common and others are of directions
        (d, r), whose rows are no longer than one."""
        sides = [np.full((len(self.own), 1), np.sqrt(common))]
        sides += [np.sqrt(share) * part for share, part in parts if share]
        factor = np.hstack(sides)
        own = np.maximum(1.0 - np.square(factor).sum(axis=1), 0.0)
        return replace(self, factor=factor, own=own)

    def solve(self, pairs: Pairs, y: Array, rtol: float) -> tuple[Array, float]:
        """Conjugate gradients for y (n, g): the coefficients, and the largest residual."""
        system = _System.of(self, pairs, y.dtype)
        solution, rest = np.zeros_like(y), y.copy()
        size = np.sqrt(_dots(y, y))
        size[size == 0] = 1.0
        z = system.precondition(rest)
        direction, power = z.copy(), _dots(rest, z)
        worst = np.inf
        for _ in range(500):
            product = system.product(direction)
            rate = power / np.maximum(_dots(direction, product), 1e-30)
            solution += rate.astype(y.dtype) * direction
            rest -= rate.astype(y.dtype) * product
            worst = float(np.max(np.sqrt(_dots(rest, rest)) / size))
            if worst <= rtol:
                break
            z = system.precondition(rest)
            before, power = power, _dots(rest, z)
            direction *= (power / np.maximum(before, 1e-30)).astype(y.dtype)
            direction += z
        return solution, worst


@dataclass(frozen=True, eq=False)
class _System:
    """The covariance of the measured conditions and their noise."""

    pairs: Pairs
    contexts: Array
    factor: Array
    blocks: tuple[Array, ...]  # (k, m, m) by group, of each drug by itself, with the noise
    inverses: tuple[Array, ...]  # the same with what a drug shares with others

    @classmethod
    def of(cls, model: ScreenCovariance, pairs: Pairs, dtype: Any) -> _System:
        blocks: list[Array] = []
        inverses: list[Array] = []
        shared = np.square(model.factor).sum(axis=1)
        for rows, count in pairs.groups:
            at = pairs.context[rows].reshape(-1, count)
            block = model.contexts[at[:, :, None], at[:, None, :]]
            noise = model.noise * model.scales[rows].reshape(at.shape)
            for total, kept in ((model.own, blocks), (model.own + shared, inverses)):
                own = total[pairs.drug[rows].reshape(at.shape)[:, 0], None, None] * block
                own[:, range(count), range(count)] += noise
                inverted = np.linalg.inv(own) if kept is inverses else own
                kept.append(inverted.astype(dtype))
        return cls(
            pairs, model.contexts.astype(dtype), model.factor.astype(dtype),
            tuple(blocks), tuple(inverses),
        )  # fmt: skip

    def product(self, x: Array) -> Array:
        result = self._by_drug(self.blocks, x)
        sums = shared_sums(self.contexts, self.factor, self.pairs, x)
        for c, rows in self.pairs.by_context:
            result[rows] += self.factor[self.pairs.drug[rows]] @ sums[c]
        return result

    def precondition(self, x: Array) -> Array:
        return self._by_drug(self.inverses, x)

    def _by_drug(self, blocks: tuple[Array, ...], x: Array) -> Array:
        result = np.empty_like(x)
        for (rows, count), block in zip(self.pairs.groups, blocks, strict=True):
            parts = x[rows].reshape(-1, count, x.shape[1])
            result[rows] = (block @ parts).reshape(-1, x.shape[1])
        return result


def shared_sums(contexts: Array, factor: Array, pairs: Pairs, x: Array) -> Array:
    """The contexts' covariance times F^T x: (c, r, g)."""
    sums = np.zeros((len(contexts), factor.shape[1], x.shape[1]), x.dtype)
    for c, rows in pairs.by_context:
        sums[c] = factor[pairs.drug[rows]].T @ x[rows]
    return (contexts @ sums.reshape(len(sums), -1)).reshape(sums.shape)


@dataclass(frozen=True, eq=False)
class FittedScreen:
    """Everything that predicts a profile.

    Parameters
    ----------
    contexts, drugs : dict of str to int
        The number of each context and each drug.
    """

    contexts: dict[str, int]
    drugs: dict[str, int]
    means: Array  # (c, g)
    scale: float
    model: ScreenCovariance
    pairs: Pairs
    coefficients: Array  # (n, g)

    @classmethod
    def of(cls, model: ScreenCovariance, pairs: Pairs, coefficients: Array) -> FittedScreen:
        """Of residuals, without names and means."""
        return cls({}, {}, np.zeros((len(model.contexts), 1)), 1.0, model, pairs, coefficients)

    def at(self, context: NDArray[np.intp], drug: NDArray[np.intp]) -> Array:
        """The profiles of conditions (k,), (k, genes)."""
        result = np.empty((len(context), self.coefficients.shape[1]))
        order = np.argsort(drug, kind="stable")
        for drugs, block in self.blocks(np.unique(drug)):
            first, last = np.searchsorted(drug[order], (drugs[0], drugs[-1] + 1))
            rows = order[first:last]
            result[rows] = block[np.searchsorted(drugs, drug[rows]), context[rows]]
        return result

    def blocks(self, drugs: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], Array]]:
        """Some drugs at a time, in ascending order, and their profiles in all contexts,
        (drugs, contexts, genes)."""
        covariance = self.model.contexts.astype(np.float32)
        factor = self.model.factor.astype(np.float32)
        sums = shared_sums(covariance, factor, self.pairs, self.coefficients)
        order = np.argsort(self.pairs.drug, kind="stable")
        starts = np.searchsorted(self.pairs.drug[order], np.arange(len(factor) + 1))
        for first in range(0, len(drugs), BLOCK):
            some = drugs[first : first + BLOCK]
            block = np.swapaxes(factor[some] @ sums, 0, 1)  # (drugs, contexts, genes)
            for k, d in enumerate(some):
                rows = order[starts[d] : starts[d + 1]]
                own = np.float32(self.model.own[d]) * covariance[:, self.pairs.context[rows]]
                block[k] += own @ self.coefficients[rows]
            yield some, block * np.float32(self.scale) + self.means.astype(np.float32)

    def drug_directions(self, rank: int) -> Array:
        """Of the drugs (d, rank): inner products are their correlations over contexts and genes."""
        values, vectors = np.linalg.eigh(self.model.contexts)
        top = slice(max(len(values) - CONTEXTS, 0), None)
        # Whitened: what contexts have in common counts once.
        turn = (vectors[:, top] / np.sqrt(np.maximum(values[top], 1e-6 * values[-1]))).T
        rows = [
            (turn.astype(np.float32) @ block).reshape(len(block), -1)
            for _, block in self.blocks(np.arange(len(self.model.own)))
        ]
        return _directions(np.concatenate(rows), rank)


def _directions(rows: Array, rank: int) -> Array:
    """Rows (d, k) of length one, in so many directions as explain most of them: (d, rank)."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(length > 0, length, 1.0)
    _, vectors = np.linalg.eigh((unit.T @ unit).astype(np.float64))
    return np.asarray(unit @ vectors[:, ::-1][:, :rank], dtype=np.float64)


def _context_means(profiles: Array, context: NDArray[np.intp], count: int) -> Array:
    """The mean of each context (c, g), shrunk towards that of all."""
    overall = profiles.mean(axis=0)
    sums, sizes = group_sums(profiles - overall, context, count)
    return overall + sums / (sizes[:, None] + SHRINKAGE)


def _dots(a: Array, b: Array) -> Array:
    return np.einsum("ij,ij->j", a, b, dtype=np.float64)
