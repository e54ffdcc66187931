"""Fast low-rank tensor completion, a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh, eigvalsh, qr
from threadpoolctl import threadpool_limits

from ...errors import InputError
from ...kernels.table import Array
from ...observed import Mask
from ...runtime.memory import require
from ...solvers.linalg import product
from ..screen import Conditions, Screen, contexts


@dataclass(frozen=True)
class FaLRTC:
    """Fast low-rank tensor completion of drugs x genes x contexts (Liu et al. 2013).

    The smoothed sum of the weighted nuclear norms of the three unfoldings is made small by
    accelerated gradient steps in the entries that are not known (doi:10.1109/TPAMI.2012.39).

    Parameters
    ----------
    alpha : tuple of float
        Weights of drugs, genes and contexts; divided by their sum. An unfolding with weight 0 is
        left out, which without genes is some twenty times faster.
    smoothing : float
        mu = smoothing * alpha / sqrt(size), per unfolding.
    shrink, start : float
        The step is 1 / L; L starts at `start` and grows by 1 / `shrink` until a step descends
        enough.
    steps : int

    Examples
    --------
    >>> cells, drugs = np.arange(1.0, 7), np.arange(1.0, 6)
    >>> truth = cells[:, None, None] * drugs[:, None] * np.ones(4)
    >>> holed = truth.copy()
    >>> holed[2, 3] = np.nan
    >>> screen = Screen.from_tensor(holed, range(6), range(5), range(4))
    >>> filled = FaLRTC(alpha=(1.0, 1.0, 1.0), start=0.1, steps=200).predict(
    ...     screen.known, np.array([["2", "3"]]))
    >>> bool(np.abs(filled - truth[2, 3]).max() < 1.0)
    True
    """

    alpha: tuple[float, float, float] = (1.0, 0.01, 1.0)
    smoothing: float = 0.01
    shrink: float = 0.5
    start: float = 1e-5
    steps: int = 20

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        drugs = list(dict.fromkeys([*train.drugs.tolist(), *conditions[:, 1].tolist()]))
        wanted = contexts(conditions).tolist()
        cells = list(dict.fromkeys([*train.contexts.tolist(), *wanted]))
        drug, cell = ({name: k for k, name in enumerate(names)} for names in (drugs, cells))
        shape = (len(drugs), len(train.genes), len(cells))
        require("the tensor of FaLRTC", 8 * 8 * int(np.prod(shape)), hint="the method 'ntk'")
        # Genes are known together, and singular values do not change when they are rotated: all
        # that happens is in the span of the profiles and of the start.
        start = np.full((1, len(train.genes)), train.profiles.mean())
        with threadpool_limits(1):
            basis = qr(np.vstack([train.profiles, start]).T, mode="economic")[0]
            turned, level = train.profiles @ basis, start @ basis
        tensor = np.empty((len(drugs), basis.shape[1], len(cells)))
        tensor[:] = level.T
        known = np.zeros((len(drugs), len(cells)), dtype=bool)
        labels = zip(train.drugs.tolist(), train.contexts.tolist(), strict=True)
        for (name, context), profile in zip(labels, turned, strict=True):
            tensor[drug[name], :, cell[context]] = profile
            known[drug[name], cell[context]] = True
        filled = self._run(tensor, np.broadcast_to(known[:, None], tensor.shape), shape)
        rows = [drug[name] for name in conditions[:, 1].tolist()]
        return product(filled[rows, :, [cell[context] for context in wanted]], basis.T)

    def complete(self, tensor: Array, known: Mask) -> Array:
        """Change the unknown entries of a tensor with three axes."""
        return self._run(tensor, known, tensor.shape)

    def _run(self, tensor: Array, known: Mask, shape: tuple[int, ...]) -> Array:
        if self.steps < 1 or not 0 < self.shrink < 1 or min(self.alpha) < 0 or not sum(self.alpha):
            raise InputError(
                "FaLRTC cannot run like this",
                expected="steps >= 1, 0 < shrink < 1, alpha >= 0, not all 0",
                got=repr(self),
            )
        # Small matrices: more threads would mostly wait for each other.
        with threadpool_limits(1):
            return self._descended(tensor, known, shape)

    def _descended(self, tensor: Array, known: Mask, shape: tuple[int, ...]) -> Array:
        weights = np.array(self.alpha) / sum(self.alpha)
        smooth = self.smoothing * weights / np.sqrt(shape)
        free, steep, sums = ~known, self.start, 0.0
        x = z = tensor
        value_x = smoothed(x, weights, smooth, None).value
        for _ in range(self.steps):
            old = steep
            while True:
                theta = old / (2 * steep) * (1 + np.sqrt(1 + 4 * steep * sums))
                share = theta / old / (sums + theta / old)
                w = share * z + (1 - share) * x
                at = smoothed(w, weights, smooth, free)
                goal = at.value - float(np.vdot(at.gradient, at.gradient)) / (2 * steep)
                if value_x <= goal:
                    break
                stepped = w - at.gradient / steep
                value = smoothed(stepped, weights, smooth, None).value
                if value <= goal + 1e-12 * abs(goal):
                    x, value_x = stepped, value
                    break
                steep /= self.shrink
            z = z - theta / old * at.gradient
            sums += theta / old
        return np.where(free, x, tensor)


class Smoothed(NamedTuple):
    """The smoothed sum of nuclear norms, and its gradient in the free entries."""

    value: float
    gradient: Array


def smoothed(tensor: Array, weights: Array, smooth: Array, free: Mask | None) -> Smoothed:
    """Value and gradient of sum_i max over |Y| <= 1 of weight_i <X_(i), Y> - smooth_i |Y|^2 / 2.

    Parameters
    ----------
    tensor : array with three axes
    weights, smooth : arrays of shape (3,)
    free : bool array, optional
        Where the gradient is not zero; without it, no gradient is computed.

    Examples
    --------
    >>> one = smoothed(np.ones((1, 1, 1)), np.ones(3), 0.5 * np.ones(3), np.ones((1, 1, 1), bool))
    >>> one.value, float(one.gradient.squeeze())
    (2.25, 3.0)
    """
    value, gradient = 0.0, np.zeros_like(tensor)
    for axis in np.flatnonzero(weights):
        flat = np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
        wide = flat.shape[0] <= flat.shape[1]
        gram = flat @ flat.T if wide else flat.T @ flat
        squares, vectors = (eigvalsh(gram), None) if free is None else eigh(gram)
        sigma = np.sqrt(np.maximum(squares, 0.0))
        ratio = weights[axis] / smooth[axis]
        inner = sigma * ratio <= 1
        small = (weights[axis] * sigma) ** 2 / (2 * smooth[axis])
        large = weights[axis] * sigma - smooth[axis] / 2
        value += float(np.sum(np.where(inner, small, large)))
        if vectors is None:
            continue
        # U min(ratio sigma, 1) V^T, from one side's singular vectors.
        scale = np.where(inner, ratio, 1 / np.where(inner, 1.0, sigma))
        side = (vectors * (weights[axis] * scale)) @ vectors.T
        part = side @ flat if wide else flat @ side
        moved = [tensor.shape[axis], *np.delete(tensor.shape, axis)]
        gradient += np.moveaxis(part.reshape(moved), 0, int(axis))
    return Smoothed(value, gradient if free is None else np.where(free, gradient, 0.0))
