"""Training networks of finite width, and their tangent kernels (extra `torch`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from ..kernels.table import Array
from ..priors import IID, Features, Identity, MeshGrid, Prior
from .pytorch import torch  # says what to install where there is no PyTorch


def draw(prior: Prior, shape: Sequence[int], channels: int = 128, seed: int = 0) -> Array:
    """Features of coordinates, drawn from a prior: (channels, *shape), Sigma0 their inner product.

    Only `IID` is random and has this many channels.

    Examples
    --------
    >>> draw(IID(), (4, 4), channels=8).shape
    (8, 4, 4)
    """
    if isinstance(prior, IID):
        random = np.random.default_rng(seed).normal(size=(channels, *shape))
        return (prior.mean + math.sqrt(prior.variance) * random) / math.sqrt(channels)
    if isinstance(prior, Identity):
        return np.eye(math.prod(shape)).reshape(-1, *shape)
    if isinstance(prior, MeshGrid):
        ramps = [np.linspace(0.0, 1.0, side) if side > 1 else np.zeros(1) for side in shape]
        return np.stack(np.meshgrid(*ramps, indexing="ij"))
    if isinstance(prior, Features):
        return prior.values
    raise InputError("prior must be IID, Identity, MeshGrid or Features", got=repr(prior))


def tangent_kernel(module: torch.nn.Module, features: ArrayLike) -> Array:
    """The empirical tangent kernel of a module's first output: (n, n), coordinates of all inputs.

    Parameters
    ----------
    module : torch.nn.Module
    features : array of shape (n, *shape)
        As the module takes them.

    Returns
    -------
    array of shape (coordinates, coordinates)
    """
    output = module(torch.tensor(np.asarray(features)))[:, 0].flatten()
    parameters = list(module.parameters())
    rows = []
    for value in output:
        gradients = torch.autograd.grad(value, parameters, retain_graph=True)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    jacobian = torch.stack(rows)
    return (jacobian @ jacobian.T).numpy()


def train(
    module: torch.nn.Module,
    features: ArrayLike,
    values: ArrayLike,
    known: ArrayLike,
    *,
    steps: int = 1000,
    rate: float | None = None,
    optimizer: str = "gradient descent",
    head: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Array:
    """Fit a module to known entries by full gradients, and return all of its outputs.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place.
    features : array of shape (n, *shape)
    values : array of the shape of the outputs
        Those that are not known are not read.
    known : bool array of the shape of the outputs
    steps : int
    rate : float, optional
        The default is 0.01 for Adam, and for gradient descent the largest stable one at the start.
    optimizer : {"gradient descent", "adam"}
    head : callable, optional
        Applied to the outputs, such as ``torch.sigmoid``.

    Returns
    -------
    array of the shape of the outputs

    Raises
    ------
    InputError
        If the optimizer is unknown.
    """
    if optimizer not in ("gradient descent", "adam"):
        raise InputError("optimizer must be 'gradient descent' or 'adam'", got=repr(optimizer))
    dtype = next(module.parameters()).dtype
    inputs, truth = (torch.tensor(np.asarray(x), dtype=dtype) for x in (features, values))
    where = torch.tensor(np.asarray(known))
    last = head or (lambda outputs: outputs)

    def predict() -> torch.Tensor:
        return last(module(inputs))

    if optimizer == "adam":
        chosen: Any = torch.optim.Adam(module.parameters(), lr=0.01 if rate is None else rate)
    else:
        rate = 1 / _sharpness(module, predict, where) if rate is None else rate
        chosen = torch.optim.SGD(module.parameters(), lr=rate)
    for _ in range(steps):
        chosen.zero_grad()
        loss = ((predict() - truth)[where] ** 2).sum() / 2
        loss.backward()
        chosen.step()
    with torch.no_grad():
        return predict().numpy()


def _sharpness(
    module: torch.nn.Module, predict: Callable[[], torch.Tensor], where: torch.Tensor
) -> float:
    """The largest eigenvalue of the tangent kernel of known entries, by power iteration."""
    parameters = list(module.parameters())
    outputs = predict()[where]
    vector = torch.ones_like(outputs).requires_grad_()
    pulled = torch.autograd.grad(outputs, parameters, vector, create_graph=True)
    value, size = vector.detach() / vector.norm().detach(), 1.0
    for _ in range(30):
        back = torch.autograd.grad(outputs, parameters, value, retain_graph=True)
        # The Jacobian times a vector, as the derivative of its transpose's product.
        product = torch.autograd.grad(pulled, vector, back, retain_graph=True)[0]
        size = float(product.norm())
        value = product / size
    return size
