"""Kernels of networks for scikit-learn's Gaussian processes and kernel machines."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from ..errors import InputError, check_number
from ..kernels.table import Array
from .evaluate import Kind
from .networks import Sequential

# The step of the central difference along log(bias); its error is of the order of its square.
STEP = 1e-5


class NetworkKernel(Kernel):
    """The kernel of an infinitely wide network, as one of scikit-learn's; see `as_kernel`."""

    def __init__(
        self,
        network: Sequential,
        kind: Kind = "ntk",
        bias: float = 1.0,
        bias_bounds: tuple[float, float] | str = (1e-5, 1e5),
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.network = network
        self.kind = kind
        self.bias = bias
        self.bias_bounds = bias_bounds
        self.shape = shape

    @property
    def hyperparameter_bias(self) -> Hyperparameter:
        return Hyperparameter("bias", "numeric", self.bias_bounds)

    # scikit-learn passes Y by name.
    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:  # noqa: N803
        """The kernel (n, m) and, where asked for, its gradient (n, n, 1) by log(bias)."""
        kernel = self._between(X, Y, self.bias)
        if not eval_gradient:
            return kernel
        if Y is not None:
            raise ValueError("Gradient can only be evaluated when Y is None.")
        if self.hyperparameter_bias.fixed:
            return kernel, np.empty((*kernel.shape, 0))
        above, below = (self._between(X, None, self.bias * np.exp(s)) for s in (STEP, -STEP))
        return kernel, ((above - below) / (2 * STEP))[..., None]

    def diag(self, X: Any) -> Array:  # noqa: N803
        """k(x, x) for each row: (n,)."""
        return np.array([self._between(row[None], None, self.bias)[0, 0] for row in np.asarray(X)])

    def is_stationary(self) -> bool:
        return False

    def _between(self, left: Any, right: Any, bias: float) -> Array:
        others = None if right is None else self._features(right, bias)
        return self.network.between(self._features(left, bias), others, kind=self.kind)

    def _features(self, given: Any, bias: float) -> Array:
        """Rows (n, k) with a constant appended, to pictures as a channel."""
        rows = np.atleast_2d(np.asarray(given, dtype=np.float64))
        rows = rows if self.shape is None else rows.reshape(len(rows), *self.shape)
        constant = np.full((len(rows), 1, *rows.shape[2:]), np.sqrt(bias))
        return np.concatenate([rows, constant], axis=1) if bias > 0 else rows

    def __repr__(self) -> str:
        return f"as_kernel({self.network!r}, kind={self.kind!r}, bias={self.bias:.3g})"


def as_kernel(
    network: Sequential,
    kind: Kind = "ntk",
    *,
    bias: float = 1.0,
    bias_bounds: tuple[float, float] | str = (1e-5, 1e5),
    shape: tuple[int, ...] | None = None,
) -> NetworkKernel:
    """The kernel of a network for scikit-learn.

    A `sklearn.gaussian_process.kernels.Kernel`, which can be added to and multiplied with others,
    and a callable for `SVC`, `SVR`, `KernelRidge` and `KernelPCA`. With "ntk" they are the limits
    of wide networks trained with the losses of these machines (Chen et al., NeurIPS 2021,
    arXiv:2111.06063), with "nngp" of those whose last layer alone is trained.

    Parameters
    ----------
    network : Sequential
        Of feature vectors, or of pictures.
    kind : {"ntk", "nngp"}
    bias : float
        A constant feature of this square is appended, at least 0. The hyperparameter; its gradient
        is a central difference.
    bias_bounds : pair of float, or "fixed"
        The range in which a Gaussian process looks for it.
    shape : tuple of int, optional
        Of one picture, (channels, *grid), where rows are pictures. The default is vectors.

    Returns
    -------
    NetworkKernel

    Raises
    ------
    InputError
        If the network is not a Sequential, the kind unknown, or the bias negative.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.svm import SVC
    >>> from ntkfill import nn
    >>> kernel = nn.as_kernel(nn.fully_connected(2))
    >>> float(cross_val_score(SVC(kernel=kernel), *load_iris(return_X_y=True)).mean()) > 0.95
    True
    """
    if not isinstance(network, Sequential):
        hint = "ntkfill.nn.parse(text)" if isinstance(network, str) else ""
        raise InputError("network must be a Sequential", got=repr(network), hint=hint)
    if kind not in ("ntk", "nngp"):
        raise InputError("kind must be 'ntk' or 'nngp'", got=repr(kind))
    bias = check_number("bias", bias, minimum=0)
    return NetworkKernel(network, kind, bias, "fixed" if bias == 0 else bias_bounds, shape)
