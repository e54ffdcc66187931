"""Selection of networks for an image, by how well they predict held-out known pixels."""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..errors import MemoryLimitError
from ..io.cache import MemoryCache
from ..kernels.table import Array
from ..nn.activations import Abs
from ..nn.architectures import hourglass
from ..nn.mixture import RIDGE, Member, Mixture
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import parallel_for
from ..selection import MAX_STACKED, Candidate, Choice, stacked
from .holdout import crops, hold_out_like
from .model import Component, GridModel
from .options import Boundary, GridOptions, wrapped_sides
from .plan import Plan, default_architecture, depth, levels_architecture, make_plan

# Kernels of up to 4**12 pairs are computed in milliseconds: on n axes, 12 / n levels.
MAX_LOG4_PAIRS = 12
# The tolerance of the solves: predictions need fewer digits than a fill.
RTOL = 1e-2
# With more values than this a second solve is felt: one network is selected.
MAX_MIXED_SIZE = 1 << 20
# The share of the known pixels that is held out where gaps are scattered, and the fewest pixels to
# select by.
HELD_OUT_SHARE, MIN_HELD_OUT = 0.2, 50


def select(
    pixels: Array,
    missing: Mask,
    options: GridOptions,
    cache: MemoryCache | None = None,
    progress: Progress | None = None,
) -> tuple[Choice, tuple[Plan, ...]] | None:
    """Networks, ridges and weights that predict held-out pixels best.

    Pixels (*grid, channels) are averaged over the channels; where channels miss different pixels,
    the one that misses most is taken. One to three networks are weighted by least squares, shrunk
    where few pixels were held out. None where too little is known, and for kernels that are not
    shift averaged.

    >>> wave = np.sin(np.arange(1000) / 5.0)[:, None]
    >>> gaps = np.random.default_rng(0).random(1000) < 0.5
    >>> choice, plans = select(wave, gaps, GridOptions())
    >>> choice.error < min(candidate.error for candidate in choice.candidates) + 1e-9
    True
    """
    stationary = options.prior is None or options.prior.stationary
    if not options.shift_average or not stationary:
        return None
    channel: int | None = None
    if missing.ndim == pixels.ndim:
        channel = int(np.argmax(missing.reshape(-1, missing.shape[-1]).sum(axis=0)))
    gaps = missing if channel is None else missing[..., channel]
    values = pixels.mean(axis=-1, dtype=np.float64) if channel is None else pixels[..., channel]
    if not gaps.any() or gaps.all():
        return None
    members = family(gaps.shape, depth(gaps), options.boundary, options.ridge)
    plans: list[Plan] = []
    for member in members:
        plan = make_plan(
            options, gaps.shape, member.network, member.ridge, channels=pixels.shape[-1]
        )
        with contextlib.suppress(MemoryLimitError):
            plans.append(plan.check_memory(options.memory_limit) if plans else plan)
    holdout = hold_out_like(gaps, share=HELD_OUT_SHARE)
    with np.errstate(over="ignore", invalid="ignore"):
        level = float(np.mean(values[~gaps], dtype=np.float64))
        scale = float(np.max(np.abs(values[~gaps] - level)))
    if len(plans) < 2 or len(holdout) < MIN_HELD_OUT or not 0 < scale < math.inf:
        return None
    values = ((np.where(gaps, level, values) - level) / scale).astype(np.float32)

    # The errors of every network on the held-out pixels of every crop: (networks, pixels).
    windows = crops(gaps, holdout.weight)
    sides = gaps[windows[0]].shape
    counts = [int(holdout.mask[window].sum()) for window in windows]
    errors = np.empty((len(plans), sum(counts)))
    components = []
    for plan in plans:
        cropped = plan.crop(sides, RTOL).check_memory(options.memory_limit)
        components.append(Component(replace(cropped, weight=1.0), cropped.kernel(cache)))

    def predict(job: tuple[int, int]) -> None:
        network, part = job
        window = windows[part]
        held_out = holdout.mask[window]
        component = components[network]
        model = GridModel.fit(
            gaps[window] | held_out, component.plan.network, (component,), centre=True
        )
        filled, _ = model.complete(values[window][..., None])
        first = sum(counts[:part])
        errors[network, first : first + counts[part]] = (filled[..., 0] - values[window])[held_out]

    parallel_for(predict, itertools.product(range(len(plans)), range(len(windows))), progress)

    weights, independent = [], 0.0
    used = np.zeros_like(gaps)
    for window in windows:
        held_out = holdout.mask[window]
        used[window] |= held_out
        weights.append(holdout.weight[window][held_out])
        independent += holdout.independent(gaps, window)
    weight = np.concatenate(weights)
    gram = (errors * weight) @ errors.T / weight.sum()
    # Where gaps are scattered, two ridges of one network extrapolate to a smaller one without its
    # slow solve; across a hole extrapolation invents values that are nowhere around it.
    shares = stacked(
        gram,
        independent,
        MAX_STACKED if pixels.size <= MAX_MIXED_SIZE else 1,
        nonnegative=bool(holdout.in_holes.any()),
    )
    order = np.argsort(-np.abs(shares), kind="stable")[: np.count_nonzero(shares)]
    selected = tuple(
        replace(plans[k], weight=float(shares[k])).check_memory(options.memory_limit) for k in order
    )
    members = tuple(Member(plan.network, plan.solver.ridge, plan.weight) for plan in selected)
    if channel is not None:
        used = used[..., None] & (np.arange(missing.shape[-1]) == channel)
    choice = Choice(
        Mixture(members),
        scale * math.sqrt(max(float(shares @ gram @ shares), 0.0)),
        tuple(
            Candidate(plan.network, scale * math.sqrt(square), ridge=plan.solver.ridge)
            for plan, square in zip(plans, np.diag(gram), strict=True)
        ),
        used,
    )
    return choice, selected


@lru_cache(maxsize=16)
def family(
    shape: tuple[int, ...], deepest: int, boundary: Boundary, ridge: float | None = None
) -> tuple[Member, ...]:
    """The candidate networks for a grid and the depth of its largest hole.

    The default first, then rougher and smoother ones whose receptive field covers the hole, that
    fit the torus where there is no padding, and whose kernels are computed in milliseconds.
    """
    n = len(shape)
    default = default_architecture(shape, deepest, boundary, shift_average=True)
    levels = int(math.log2(default.receptive_radius))
    quick = max(MAX_LOG4_PAIRS // n, 1)
    smooth = next(s for s in itertools.count(2) if 3 * 2**s - 2 > 2 * deepest)
    members = [Member(default)]
    if levels <= quick:
        members.append(Member(hourglass(levels, convs_up=3)))
    if levels < quick:
        members.append(Member(hourglass(levels + 1), ridge=3 * RIDGE))
    if deepest > 2 ** (levels - 3):
        members.append(Member(levels_architecture(levels - 1, n)))
    if smooth <= quick // 2:
        kink = hourglass(smooth, upsample="bilinear", activation=Abs())
        members += [Member(kink, ridge=3 * RIDGE), Member(kink, ridge=10 * RIDGE)]
        wider = smooth + (n * (smooth + 1) < 9)
        members.append(Member(hourglass(wider, convs_up=2, upsample="bilinear")))
    found: dict[Member, None] = {}
    for member in members:
        network = member.network
        made = member if ridge is None else Member(network, ridge)
        fits = all(
            side % network.stride == 0 and side >= 2 * network.receptive_radius
            for side in wrapped_sides(shape, boundary)
        )
        if network == default or (fits and network.receptive_radius > deepest):
            found[made] = None
    return tuple(found)
