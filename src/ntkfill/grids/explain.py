"""Attribution of a filled pixel, through patches and networks, to the known pixels."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..explanation import Explanation
from ..kernels.table import Array
from .model import GridModel
from .options import Refine
from .patches import attribution


def explain(
    model: GridModel, pixels: Array, refine: Refine, at: tuple[int, ...], channel: int
) -> Explanation:
    """Weights and kernel of the known pixels, for a mask (*grid); of all channels where the fill is
    refined."""
    channels = pixels.shape[-1]
    if not -channels <= channel < channels:
        raise InputError(f"channel must be below {channels}", got=str(channel))
    plan, known = model.components[0].plan, ~model.missing
    inside = tuple(map(int, np.unravel_index(plan.index(at), plan.torus)))
    done = model.complete_and_refine(pixels, refine)
    refinement = done.refinement
    if refinement is None or refinement.patches is None:
        weights = model.weights(inside)[known]
        values = pixels[..., channel][known].astype(np.float64)
        places, of = np.argwhere(known), None
    else:
        entry = (*inside, channel % channels)
        direct, first = attribution(
            done.by_networks, model.missing, refinement.before, refinement.patches, entry
        )
        weights = (direct + model.adjoint(first))[known].ravel()
        values = pixels[known].astype(np.float64).ravel()
        places = np.repeat(np.argwhere(known), channels, axis=0)
        of = np.tile(np.arange(channels), int(known.sum())) if channels > 1 else None
    row = np.repeat(model.kernel_row(inside)[known], len(weights) // int(known.sum()))
    return Explanation(inside, places, values, weights, float(weights @ values), row, of)
