"""Fast low-rank tensor completion, a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh, eigvalsh, qr

from ...errors import InputError, check_finite
from ...kernels import product
from ...kernels.table import Array
from ...observed import Mask
from ...runtime.resources import require, single_blas_thread
from ..features import encode
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
        The step is 1 / L; L starts at `start` and is divided by `shrink` until a step descends
        enough.
    max_iter : int

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> cells, drugs = np.arange(1.0, 7), np.arange(1.0, 6)
    >>> truth = cells[:, None, None] * drugs[:, None] * np.ones(4)
    >>> holed = truth.copy()
    >>> holed[2, 3] = np.nan
    >>> screen = Screen.from_tensor(holed, range(6), range(5), range(4))
    >>> filled = FaLRTC(alpha=(1.0, 1.0, 1.0), start=0.1, max_iter=200).predict(
    ...     screen.known, np.array([["2", "3"]]))
    >>> bool(np.abs(filled - truth[2, 3]).max() < 1.0)
    True
    """

    alpha: tuple[float, float, float] = (1.0, 0.01, 1.0)
    smoothing: float = 0.01
    shrink: float = 0.5
    start: float = 1e-5
    max_iter: int = 20

    def __post_init__(self) -> None:
        if (
            self.max_iter < 1
            or not 0 < self.shrink < 1
            or min(self.alpha) < 0
            or not any(self.alpha)
        ):
            raise InputError(
                "FaLRTC cannot be run with these parameters",
                expected="max_iter >= 1, 0 < shrink < 1, alpha >= 0 and not all 0",
                got=repr(self),
            )

    @single_blas_thread()
    def predict(self, train: Screen, conditions: Conditions) -> Array:
        drugs = [*train.drugs.tolist(), *conditions[:, 1].tolist()]
        cells = [*train.contexts.tolist(), *contexts(conditions).tolist()]
        (drug, _, n_drugs), (cell, _, n_cells) = encode(drugs, ()), encode(cells, ())
        shape = (n_drugs, len(train.genes), n_cells)
        # The iterates, their gradient and a candidate, and what is unfolded along an axis.
        require("the tensor of FaLRTC", 12 * 8 * int(np.prod(shape)), hint="the method 'ntk'")
        # All genes of a condition are known together, and singular values do not change under
        # rotation: it is enough to work in the span of the profiles and of the initial values.
        initial = np.full((1, len(train.genes)), train.profiles.mean())
        basis = qr(np.vstack([train.profiles, initial]).T, mode="economic")[0]
        rotated, rotated_initial = train.profiles @ basis, initial @ basis
        tensor = np.empty((n_drugs, basis.shape[1], n_cells))
        tensor[:] = rotated_initial.T
        known = np.zeros(tensor.shape, dtype=bool)
        n = len(train)
        tensor[drug[:n], :, cell[:n]] = rotated
        known[drug[:n], :, cell[:n]] = True
        filled = self.complete(tensor, known, shape)
        predicted = product(filled[drug[n:], :, cell[n:]], basis.T)
        check_finite("the prediction", predicted)
        return predicted

    @single_blas_thread()
    def complete(self, tensor: Array, known: Mask, shape: tuple[int, ...] | None = None) -> Array:
        """A tensor of three axes with its unknown entries filled; `shape` is that before a
        rotation."""
        weights = np.array(self.alpha) / sum(self.alpha)
        smooth = self.smoothing * weights / np.sqrt(tensor.shape if shape is None else shape)
        unknown, inverse_step, sums = ~known, self.start, 0.0
        x = z = tensor
        # Small matrices: more threads would mostly wait for each other.
        value_x = smoothed(x, weights, smooth, None).value
        for _ in range(self.max_iter):
            old = inverse_step
            while True:
                theta = old / (2 * inverse_step) * (1 + np.sqrt(1 + 4 * inverse_step * sums))
                fraction = theta / old / (sums + theta / old)
                w = fraction * z + (1 - fraction) * x
                at = smoothed(w, weights, smooth, unknown)
                goal = at.value - float(np.vdot(at.gradient, at.gradient)) / (2 * inverse_step)
                if value_x <= goal:
                    break
                candidate = w - at.gradient / inverse_step
                value = smoothed(candidate, weights, smooth, None).value
                if value <= goal + 1e-12 * abs(goal):
                    x, value_x = candidate, value
                    break
                inverse_step /= self.shrink
            z = z - theta / old * at.gradient
            sums += theta / old
        return np.where(unknown, x, tensor)


class Smoothed(NamedTuple):
    """The smoothed sum of nuclear norms, and its gradient in the unknown entries."""

    value: float
    gradient: Array


def smoothed(tensor: Array, weights: Array, smooth: Array, unknown: Mask | None) -> Smoothed:
    """Value and gradient of sum_i max over |Y| <= 1 of weight_i <X_(i), Y> - smooth_i |Y|^2 / 2.

    The gradient is zero outside `unknown`; without it, no gradient is computed.

    >>> one = smoothed(np.ones((1, 1, 1)), np.ones(3), 0.5 * np.ones(3), np.ones((1, 1, 1), bool))
    >>> one.value, float(one.gradient.squeeze())
    (2.25, 3.0)
    """
    value, gradient = 0.0, np.zeros_like(tensor)
    for axis in np.flatnonzero(weights):
        flat = np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
        wide = flat.shape[0] <= flat.shape[1]
        gram = flat @ flat.T if wide else flat.T @ flat
        squares, vectors = (eigvalsh(gram), None) if unknown is None else eigh(gram)
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
    return Smoothed(value, gradient if unknown is None else np.where(unknown, gradient, 0.0))
