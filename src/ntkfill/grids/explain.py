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
    """Weights and kernel of the known pixels; of all channels where the fill is refined or they
    miss different pixels."""
    channels = pixels.shape[-1]
    if not -channels <= channel < channels:
        raise InputError(f"channel must be below {channels}", got=str(channel))
    plan, known = model.components[0].plan, ~model.missing
    separate = known.ndim > len(model.grid)
    inside = tuple(map(int, np.unravel_index(plan.index(at), plan.shape)))
    done = model.complete_and_refine(pixels, refine)
    refinement = done.refinement
    if (refinement is None or refinement.patches is None) and not separate:
        weights = model.weights(inside)[known]
        values = pixels[..., channel][known].astype(np.float64)
        places, of = np.argwhere(known), None
    else:
        every = np.broadcast_to(known if separate else known[..., None], pixels.shape)
        if refinement is None or refinement.patches is None:
            whole = model.weights(inside, channel % channels)
        else:
            entry = (*inside, channel % channels)
            direct, first = attribution(
                done.by_networks, model.missing, refinement.error, refinement.patches, entry
            )
            before = np.zeros(first.shape)
            before[entry] = 1.0
            share = refinement.share
            whole = share * direct + model.adjoint(share * first + (1 - share) * before)
        weights, values = whole[every], pixels[every].astype(np.float64)
        places, channel_of = np.argwhere(every)[:, :-1], np.nonzero(every)[-1]
        of = channel_of if channels > 1 else None
    row = model.kernel_row(inside)[tuple(places.T)]
    return Explanation(inside, places, values, weights, float(weights @ values), row, of)
