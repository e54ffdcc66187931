"""A feature of one's own for every condition, written as the explicit ridge that it is.

Radhakrishnan et al., PNAS 2022, append 1.5 times the identity to the features. Two conditions share
none of it, so it only enters their variances: off the diagonal the kernel is that of the features
without it, under larger variances, and all it does to the diagonal is a ridge.
"""

from __future__ import annotations

import numpy as np

from ...kernels.table import Array
from ...nn.evaluate import run
from ...nn.layers import of_pairs
from ...nn.networks import Sequential
from ...solvers.linalg import product


def kernel_and_ridge(
    network: Sequential, features: Array, size: float = 1.5
) -> tuple[Array, Array]:
    """The kernel that the appended `size` * identity leaves, and the ridge that it is.

    Parameters
    ----------
    network : Sequential
        Dense layers and activations.
    features : float array of shape (n, k)
    size : float

    Returns
    -------
    kernel : array of shape (n, n)
        Between conditions that share no nugget.
    ridge : array of shape (n,)
        ``kernel + diag(ridge)`` is the kernel of the features with the identity appended.

    Examples
    --------
    >>> from ntkfill.nn import Dense, ReLU
    >>> net, features = Sequential(Dense(), ReLU(), Dense()), np.array([[0.6, 0.8], [1.0, 0.0]])
    >>> kernel, ridge = kernel_and_ridge(net, features)
    >>> appended = net.between(np.hstack([features, 1.5 * np.eye(2)]))
    >>> bool(np.allclose(kernel + np.diag(ridge), appended))
    True
    """
    gram = product(features, features.T)
    variance = np.diagonal(gram) + size**2
    kernel = run(network.layers, of_pairs(gram, variance[:, None], variance[None])).ntk
    whole = run(network.layers, of_pairs(variance.copy(), variance, variance)).ntk
    return kernel, whole - np.diagonal(kernel)
