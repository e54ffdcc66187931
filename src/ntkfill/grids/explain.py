"""What a filled pixel is made of: back through patches and networks to what is known."""

from __future__ import annotations

import numpy as np

from ..completion import weights
from ..errors import InputError
from ..explanation import Explanation
from ..kernels.table import Array
from .components import Part, Refine
from .model import Canvas
from .patches import trace
from .result import completed


def explained(drawn: Canvas, refining: Refine, at: tuple[int, ...], channel: int) -> Explanation:
    """The known pixels that a filled one is made of, with their weights and the kernel.

    Parameters
    ----------
    drawn : Canvas
        Of a mask of shape (*grid).
    refining : {None, "patches", "auto"}
    at : tuple of int
        The pixel.
    channel : int
        Whose value to explain. A refined one is made of all channels.
    """
    channels = drawn.pixels.shape[-1]
    if not -channels <= channel < channels:
        raise InputError("no such channel", expected=f"below {channels}", got=str(channel))
    plan, known = drawn.parts[0].plan, ~drawn.missing
    inside = tuple(map(int, np.unravel_index(plan.flat(at), plan.torus)))
    done = completed(drawn, refining)
    row = kernel_row(drawn.parts[0], inside)
    how = done.refinement
    if how is None or how.patches is None:
        share = network_weights(drawn.parts, inside, drawn.centre)[known]
        values = drawn.pixels[..., channel][known].astype(np.float64)
        places, of = np.argwhere(known), None
    else:
        entry = (*inside, channel % channels)
        direct, first = trace(done.first, drawn.missing, how.before, how.patches, entry)
        share = (direct + drawn.adjoint(first))[known].ravel()
        values = drawn.pixels[known].astype(np.float64).ravel()
        places = np.repeat(np.argwhere(known), channels, axis=0)
        of = np.tile(np.arange(channels), int(known.sum())) if channels > 1 else None
    kernel = np.repeat(row[known], len(share) // int(known.sum()))
    return Explanation(inside, places, values, share, float(share @ values), kernel, of)


def network_weights(parts: tuple[Part, ...], at: tuple[int, ...], centre: bool) -> Array:
    """What known pixels (*grid) count in one that networks fill in together."""
    total = np.zeros(parts[0].plan.grid)
    for part in parts:
        made = part.plan
        spread = weights(part.factor, made.flat(at), centred=centre)
        total += part.weight * made.window(spread.reshape(made.torus))
    return total


def kernel_row(part: Part, at: tuple[int, ...]) -> Array:
    """The kernel between one pixel and all others (*grid)."""
    plan = part.plan
    every = np.flatnonzero(plan.embed(np.ones(plan.grid, bool)))
    row = part.kernel.block(np.array([plan.flat(at)]), every)
    return row.astype(np.float64).reshape(plan.grid)
