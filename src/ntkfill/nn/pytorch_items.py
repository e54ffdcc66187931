"""Layers of items in PyTorch, of finite width: inputs of shape (n, channels, items)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..kernels.table import Array
from .items import Attention, GraphConvolution, Items, Recurrent

Function = Callable[[torch.Tensor], torch.Tensor]


class OfItems(torch.nn.Module):
    """Recurrent, GraphConvolution or Attention.

    Softmax attention has one head of `width` channels, which is the limit of any number of heads;
    linear attention has `width` heads of one channel.
    """

    def __init__(
        self,
        layer: Recurrent | GraphConvolution | Attention,
        channels: int,
        width: int,
        draw: torch.Generator,
        activation: Function | None = None,
        weights: Array | None = None,
    ) -> None:
        super().__init__()
        self.layer, self.activation = layer, activation
        inputs = {"inputs": channels}
        if isinstance(layer, Recurrent):
            inputs["recurrent"] = width
        if isinstance(layer, Attention):
            inputs |= {"of_values": channels, "outputs": width}
            inputs |= {"queries": channels} if layer.scores == "linear" else {}
        drawn = {
            name: torch.randn((width, count), generator=draw, dtype=torch.float64)
            for name, count in inputs.items()
        }
        self.weights = torch.nn.ParameterDict(drawn)
        if isinstance(layer, GraphConvolution):
            if weights is None:
                raise InputError("GraphConvolution needs the weights of a graph", hint="weights=")
            means = Items(
                np.empty((len(weights), 0)), [len(weights)], [weights]
            ).neighbours.toarray()
            self.register_buffer("means", torch.tensor(means))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(self.layer, Recurrent):
            return self._recurrent(x)
        if isinstance(self.layer, GraphConvolution):
            return self._times("inputs", x @ self.means.T)
        keys, values = self._times("inputs", x), self._times("of_values", x)
        if self.layer.scores == "linear":
            inner = (keys * values).mean(dim=2, keepdim=True)
            return self._times("outputs", self.layer.scale * self._times("queries", x) * inner)
        scores = self.layer.scale * keys.mT @ keys / keys.shape[1]
        return self._times("outputs", values @ torch.softmax(scores, dim=2).mT)

    def _times(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weight = self.weights[name]
        return torch.einsum("oc,nc...->no...", weight, x) / math.sqrt(weight.shape[1])

    def _recurrent(self, x: torch.Tensor) -> torch.Tensor:
        layer: Any = self.layer
        assert self.activation is not None
        state: torch.Tensor | None = None
        for step in x.unbind(dim=2):
            new = math.sqrt(layer.inputs) * self._times("inputs", step)
            if state is not None:
                before = self._times("recurrent", self.activation(state))
                new = new + math.sqrt(layer.recurrent) * before
            state = new
        assert state is not None
        return state
