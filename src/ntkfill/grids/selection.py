"""Selection of networks for an image, by how well they predict held-out known pixels."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import ndimage

from ..errors import MemoryLimitError
from ..io.cache import MemoryCache
from ..kernels.table import Array
from ..nn import Sequential
from ..nn.activations import Abs
from ..nn.architectures import hourglass
from ..nn.mixture import RIDGE, Member, Mixture, Spline
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import available, parallel_for
from ..selection import MAX_STACKED, Candidate, Choice, stacked
from .channels import Channels, learn
from .holdout import (
    CROPPED_SIZE,
    Crop,
    Holdout,
    crops,
    depth,
    hold_out_like,
    hold_out_shifted,
    octave_coarser,
)
from .model import Component, GridModel
from .options import Boundary, GridOptions, wrapped_sides
from .plan import (
    ONE,
    Plan,
    Request,
    default_architecture,
    levels_architecture,
    make_plan,
    make_plans,
    steps_of,
)
from .spline import SplineFit, costs
from .windows import LARGE, MAX_MISSING

# Kernels of up to 4**12 pairs are computed in milliseconds: on n axes, 12 / n levels.
MAX_LOG4_PAIRS = 12
# The tolerance of the solves: predictions need fewer digits than a fill.
RTOL = 1e-2
# With more values than this a second solve is felt: one network is selected.
MAX_MIXED_SIZE = 1 << 20
# Splines of more coefficients than this (80 MB while they are made) are not offered, nor those
# whose solves take hundreds of steps: with more by the share of pixels that is known, or in
# volumes, where they are not factored, by the depth of the deepest gap. Networks take far less.
MAX_COEFFICIENTS, MAX_BY_KNOWN, MAX_BY_DEPTH = (1 << 26) // 30, 12e6, 20e6
# Splines along one axis are offered where gaps along another are so many times longer.
MIN_ANISOTROPY = 2.0
# The mean square of a spline of order 3 must be at most this share of that of order 2, where gaps
# are deeper than `THIN`.
THIRD_ORDER, THIN = 1 / 3, 4
# Another candidate than the thin plate must gain this share of the mean square where gaps repeat.
OCTAVE_GAIN = 0.2
# Holes are held out in further rounds until there are so many copies, so many held-out pixels or so
# many rounds. Where crops of all rounds would have more pixels than this, there is one with so many
# copies of each hole.
MIN_COPIES, MAX_REPEATED, MAX_ROUNDS, MAX_READ, COPIES = 16, 1 << 12, 4, 1 << 18, 4
# The share of the known pixels that is held out where gaps are scattered; so many pixels are held
# out, in up to so many rounds, where there are as many; by fewer than the last nothing is selected.
HELD_OUT_SHARE, ENOUGH, MAX_FEW_ROUNDS, MIN_HELD_OUT = 0.2, 50, 16, 20
# Beside holes at the border at most this share of the known pixels.
MAX_FARTHER = 0.5


@dataclass(frozen=True, eq=False)
class Trial:
    """A crop of an image in which known pixels are held out."""

    window: Crop
    values: Array  # float32 (*crop, channels): about their mean and over their scale; 0 at gaps
    gaps: Mask  # (*crop), or (*crop, channels) where channels miss different pixels
    held_out: Mask
    weight: Array  # (n_held_out,)
    independent: float  # errors among those of the held-out pixels


def select(
    pixels: Array,
    missing: Mask,
    options: GridOptions,
    cache: MemoryCache | None = None,
    progress: Progress | None = None,
    together: Channels | None = None,
    request: Request = ONE,
) -> tuple[Choice, tuple[Plan, ...]] | None:
    """Networks, ridges and weights that predict held-out pixels best.

    Pixels (*grid, channels) are averaged over the channels; where channels miss different pixels,
    they are filled `together`, or the one that misses most is taken. One to three networks are
    weighted by least squares, shrunk where few pixels were held out. None where too little is
    known, and for kernels that are not shift averaged.

    >>> wave = np.sin(np.arange(1000) / 5.0)[:, None]
    >>> gaps = np.random.default_rng(0).random(1000) < 0.5
    >>> choice, plans = select(wave, gaps, GridOptions())
    >>> choice.error < min(candidate.error for candidate in choice.candidates) + 1e-9
    True
    """
    stationary = options.prior is None or options.prior.stationary
    if not options.shift_average or not stationary:
        return None
    axes, channel = pixels.ndim - 1, None
    if missing.ndim > axes and together is None:
        channel = int(np.argmax(missing.reshape(-1, missing.shape[-1]).sum(axis=0)))
    gaps = missing if channel is None else missing[..., channel]
    if not gaps.any() or gaps.all():
        return None
    plans, max_stacked = _offered_networks(pixels, missing, gaps, options, request)
    few = has_few_gaps(gaps)
    none = (few and gaps.ndim > 1) or together is not None
    splines = {} if none else offered_splines(gaps, options)
    needed = max(splines.values(), default=0)
    plans = [replace(x, request=replace(x.request, spline=needed)) for x in plans]

    coarser = octave_coarser(gaps) if gaps.ndim == axes else None
    if coarser is None:
        holdouts = _shifted(gaps, axes) if few else _holdouts(gaps, axes)
    else:
        # Held-out pixels of a lattice are like no missing ones; the lattice itself is a picture
        # with the same gaps.
        lattice, pattern = coarser
        pixels, gaps = pixels[lattice], np.zeros_like(pattern)
        holdouts = [Holdout(pattern, pattern.astype(np.float64), np.zeros_like(pattern))]
    windows = [(each, at) for each in holdouts for at in crops(gaps, each.weight, axes, spread=few)]
    trials, scale = _trials(pixels, gaps, windows, channel, together)
    n_held_out = sum(np.count_nonzero(each.weight) for each in trials)
    if len(plans) + len(splines) < 2 or n_held_out < MIN_HELD_OUT:
        return None
    standard = together and replace(together, scale=np.ones_like(together.scale))
    errors = _held_out_errors(trials, plans, splines, options, cache, progress, standard)
    weight = np.concatenate([each.weight for each in trials])
    gram = (errors * weight) @ errors.T / weight.sum()
    # Where gaps are scattered, two ridges of one network extrapolate to a smaller one without its
    # slow solve; across a hole extrapolation invents values that are nowhere around it, and gaps of
    # channels often repeat, so that held-out pixels have nearer neighbours than missing ones.
    offered = [(plan.network, plan.solver.ridge) for plan in plans] + [(s, None) for s in splines]
    thin = coarser is None and depth(gaps, axes) <= THIN
    steady = list(range(len(gram))) if thin else _steady(gram, [member for member, _ in offered])
    shares = np.zeros(len(gram))
    shares[steady] = stacked(
        gram[np.ix_(steady, steady)],
        sum(each.independent for each in trials),
        max_stacked,
        nonnegative=together is not None or bool(holdouts[0].in_holes.any()),
    )
    if coarser is not None and Spline() in splines:
        # A picture is rougher one octave coarser: the thin plate, unless another is far better.
        plate, best = offered.index((Spline(), None)), int(np.argmin(np.diag(gram)))
        far = gram[best, best] < (1 - OCTAVE_GAIN) * gram[plate, plate]
        shares = np.eye(len(gram))[best if far else plate]

    order = np.argsort(-np.abs(shares), kind="stable")[: np.count_nonzero(shares)]
    # Standard deviations are those of a network, even where splines alone fill.
    selected = tuple(
        replace(plans[k], weight=float(shares[k]))
        .mixed(len(order))
        .check_memory(options.memory_limit, missing)
        for k in [k for k in order if k < len(plans)] or [0]
    )
    members = [Member(plan.network, plan.solver.ridge, plan.weight) for plan in selected]
    members += [Member(offered[k][0], weight=float(shares[k])) for k in order if k >= len(plans)]
    used = np.zeros(missing.shape[:axes] if channel is not None else missing.shape, bool)
    for each in trials if coarser is None else []:
        used[each.window] |= each.held_out
    if channel is not None:
        used = used[..., None] & (np.arange(missing.shape[-1]) == channel)
    choice = Choice(
        Mixture(tuple(members)),
        scale * math.sqrt(max(float(shares @ gram @ shares), 0.0)),
        tuple(
            Candidate(network, scale * math.sqrt(square), ridge=ridge)
            for (network, ridge), square in zip(offered, np.diag(gram), strict=True)
        ),
        used,
    )
    return choice, selected


def _offered_networks(
    pixels: Array, missing: Mask, gaps: Mask, options: GridOptions, request: Request
) -> tuple[list[Plan], int]:
    """The plans of the candidate networks, the default first, others where memory allows; and how
    many of them may be stacked."""
    axes = pixels.ndim - 1
    grid = missing.shape[:axes]
    deepest = depth(gaps, axes, steps_of(options, grid))
    request = replace(request, depth=deepest, coupled=missing.ndim > axes)
    plans: list[Plan] = []
    for member in family(grid, deepest, options.boundary, options.ridge):
        assert isinstance(member.network, Sequential)
        plan = make_plan(options, grid, member.network, member.ridge, request=request)
        with contextlib.suppress(MemoryLimitError):
            plans.append(plan.check_memory(options.memory_limit, missing) if plans else plan)
    if pixels.size <= MAX_MIXED_SIZE:
        with contextlib.suppress(MemoryLimitError):
            plans[0].mixed(MAX_STACKED).check_memory(options.memory_limit)
            return plans, MAX_STACKED
    return plans, 1


def _holdouts(gaps: Mask, axes: int) -> list[Holdout]:
    """Pixels held out like the missing ones; where few holes are copied, several times."""
    once = gaps.size >= MAX_READ and CROPPED_SIZE.get(axes, CROPPED_SIZE[3]) >= MAX_READ
    copies = max(COPIES if once else 1, math.ceil(ENOUGH / gaps.sum()))
    found = [hold_out_like(gaps, axes, share=HELD_OUT_SHARE, copies=copies)]
    # One hole says little of another: where few are copied, they are again, at other places.
    n_copies = ndimage.label(found[0].in_holes)[1]
    n_held_out = len(found[0])
    while (
        0 < n_copies * len(found) < MIN_COPIES
        and len(found[0]) * len(found) < MAX_REPEATED
        and not once
        and len(found) < MAX_ROUNDS
    ) or (0 < n_held_out < ENOUGH and len(found) < MAX_FEW_ROUNDS):
        again = hold_out_like(
            gaps, axes, share=HELD_OUT_SHARE, copies=copies, random_state=len(found)
        )
        if n_copies and np.array_equal(again.mask, found[0].mask):
            # Holes at the border are held out beside themselves: a few pixels, then the next ones.
            return found if n_held_out >= ENOUGH else _farther(gaps, found[0])
        found.append(again)
        n_held_out += len(again)
    return found


def _farther(gaps: Mask, first: Holdout) -> list[Holdout]:
    """What is held out beside holes at the border of the grid, then what lies next to it while that
    is missing too, and so on, until there are enough pixels."""
    if gaps.all() or not first.mask.any():
        return [first]
    apart = ndimage.distance_transform_cdt(~gaps, "chessboard")
    width, found, n_held_out = int(apart[first.mask].max()), [first], len(first)
    while n_held_out < ENOUGH and len(found) < MAX_FEW_ROUNDS:
        inner = len(found) * width
        mask = (apart > 0) & (apart <= inner + width)
        new = mask & (apart > inner)
        if not new.any() or mask.sum() > MAX_FARTHER * (~gaps).sum():
            break
        found.append(Holdout(mask, new.astype(np.float64), new))
        n_held_out += int(new.sum())
    return found


def _shifted(gaps: Mask, axes: int) -> list[Holdout]:
    """Pixels held out in the very pattern of few missing ones, moved as often as it takes."""
    count = min(math.ceil(ENOUGH / gaps.sum()), MAX_FEW_ROUNDS)
    return [hold_out_shifted(gaps, axes, share=k / (count + 1)) for k in range(1, count + 1)]


def _trials(
    pixels: Array,
    gaps: Mask,
    windows: list[tuple[Holdout, Crop]],
    channel: int | None,
    together: Channels | None,
) -> tuple[list[Trial], float]:
    """What is filled in each crop, the mean over the channels, one channel, or all together, and
    the scale of the values; no trials where that is zero or no float."""
    axes, parts = pixels.ndim - 1, []
    for _, window in windows:
        part = pixels[window]
        if together is not None:
            parts.append(part / together.scale)
        elif channel is None:
            parts.append(part.mean(axis=-1, dtype=np.float64)[..., None])
        else:
            parts.append(part[..., channel, None].astype(np.float64))
    known = [~gaps[at] if gaps.ndim > axes else ~gaps[at][..., None] for _, at in windows]
    with np.errstate(over="ignore", invalid="ignore"):
        level = _means(parts, known)
        scale = max(
            float(np.max(np.abs(part - level), where=where, initial=0.0))
            for part, where in zip(parts, known, strict=True)
        )
    if not 0 < scale < math.inf:
        return [], scale
    trials = []
    for (each, window), part, where in zip(windows, parts, known, strict=True):
        values = (np.where(where, part - level, 0.0) / scale).astype(np.float32)
        held_out, count = each.mask[window], each.independent(gaps, window, axes)
        weight = each.weight[window][held_out]
        if not weight.any() or (gaps[window] | held_out).all(axis=tuple(range(axes))).any():
            continue  # nothing to predict, or to predict from
        trials.append(Trial(window, values, gaps[window], held_out, weight, count))
    if together is not None:
        largest = together.scale.max()
        scale *= largest * math.sqrt(np.mean((together.scale / largest) ** 2))
    return trials, scale


def _held_out_errors(
    trials: list[Trial],
    plans: list[Plan],
    splines: Iterable[Spline],
    options: GridOptions,
    cache: MemoryCache | None,
    progress: Progress | None,
    together: Channels | None,
) -> Array:
    """The errors of every network and spline on the held-out pixels: (candidates, n)."""
    components: dict[tuple[int, ...], list[Component]] = {}
    for sides in {each.values.shape[:-1] for each in trials}:
        cropped = [plan.crop(sides, RTOL).check_memory(options.memory_limit) for plan in plans]
        components[sides] = [Component(replace(x, weight=1.0), x.kernel(cache)) for x in cropped]
    candidates = [*range(len(plans)), *splines]
    ends = np.cumsum([len(each.weight) for each in trials])
    errors = np.empty((len(candidates), ends[-1]))

    def predict(job: tuple[int, int]) -> None:
        row, number = job
        candidate, trial = candidates[row], trials[number]
        if isinstance(candidate, Spline):
            both, held_out = trial.gaps | trial.held_out, trial.held_out
            spline = SplineFit.of(candidate, both, steps=plans[0].steps)
            filled, _ = spline(trial.values[~both], trial=True)
            found = filled[held_out[both], 0] - trial.values[held_out][:, 0]
        else:
            component = components[trial.values.shape[:-1]][candidate]
            found = _errors(component, trial.values, trial.gaps, trial.held_out, together)
        errors[row, ends[number] - len(found) : ends[number]] = found

    parallel_for(predict, itertools.product(range(len(candidates)), range(len(trials))), progress)
    return errors


def _steady(gram: Array, offered: list[Sequential | Spline]) -> list[int]:
    """All candidates but splines of order 3 that are not far better than those of order 2: they go
    on with curvatures, and where an edge or noise meets the rim of a hole they miss by far more
    than a few held-out holes show."""
    found = []
    for k, candidate in enumerate(offered):
        if isinstance(candidate, Spline) and candidate.order == 3:
            calmer = offered.index(replace(candidate, order=2))
            if gram[k, k] > THIRD_ORDER * gram[calmer, calmer]:
                continue
        found.append(k)
    return found


def couple(
    pixels: Array, missing: Mask, options: GridOptions, cache: MemoryCache | None = None
) -> Channels | None:
    """How channels (*grid, channels) that miss different pixels go together, if they predict
    held-out ones better together than each by itself; None otherwise."""
    axes, count = pixels.ndim - 1, pixels.shape[-1]
    stationary = options.prior is None or options.prior.stationary
    if not options.shift_average or not stationary:
        return None
    plan = make_plans(options, missing, missing.shape[:axes], Request(count))[0]
    holdout = hold_out_like(missing, axes, share=HELD_OUT_SHARE)
    window = crops(missing, holdout.weight, axes)[0]
    gaps, held_out = missing[window], holdout.mask[window]
    known = [pixels[..., k][~missing[..., k]].astype(np.float64) for k in range(count)]
    # Squares of the largest and the smallest floats are no floats.
    peaks = [float(np.abs(each).max(initial=0.0)) or 1.0 for each in known]
    scale = np.array([p * (each / p).std() for p, each in zip(peaks, known, strict=True)])
    if held_out.sum() < MIN_HELD_OUT or (~(gaps | held_out)).sum(axis=tuple(range(axes))).min() < 2:
        return None
    if not 0 < scale.max() < math.inf:
        return None
    scale = np.where(scale > 0, scale, 1.0)
    values = np.where(gaps, 0.0, pixels[window])
    values = np.where(gaps, 0.0, (values - _means([values], [~gaps])) / scale).astype(np.float32)
    cropped = replace(plan.crop(gaps.shape[:axes], RTOL), weight=1.0)
    component = Component(cropped, cropped.kernel(cache))
    filled, _ = GridModel.fit(gaps, plan.network, (component,), centre=True).complete(values)
    covariance = learn(values, filled, gaps, cropped, component.kernel)
    weight = holdout.weight[window][held_out]
    alone, better = (
        weight @ np.square(_errors(component, values, gaps, held_out, together))
        for together in (None, Channels(covariance, np.ones(count)))
    )
    return Channels(covariance, scale) if better < alone else None


def _errors(
    component: Component, values: Array, gaps: Mask, held_out: Mask, together: Channels | None
) -> Array:
    """The errors of a fill of values (*grid, channels) on held-out entries: (n,)."""
    model = GridModel.fit(
        gaps | held_out, component.plan.network, (component,), centre=True, together=together
    )
    return np.asarray((model.complete(values)[0] - values)[held_out].ravel())


def _means(parts: list[Array], known: list[Mask]) -> Array:
    """The mean of the known values of each channel of some crops (*grid, channels): (channels,)."""
    pairs = list(zip(parts, known, strict=True))
    every = range(parts[0].shape[-1])
    return np.array(
        [
            np.concatenate([part[..., k][where[..., k]] for part, where in pairs]).mean(dtype=float)
            for k in every
        ]
    )


def has_few_gaps(gaps: Mask) -> bool:
    """Whether gaps are so few in so large a grid that no spline is offered but on a line."""
    return gaps.size >= LARGE and bool(gaps.mean() <= MAX_MISSING)


def offered_splines(gaps: Mask, options: GridOptions) -> dict[Spline, int]:
    """Splines to choose from, and the bytes that each takes: the thin plate, and linear and cubic
    ones along axes along which gaps are far shorter than along others, such as time, or the axis of
    lost slices."""
    every = [Spline(order) for order in (1, 2, 3)[gaps.ndim > 1 :]]
    starts = (np.diff(gaps, axis=axis, prepend=False) & gaps for axis in range(gaps.ndim))
    lengths = [float(gaps.sum() / max(start.sum(), 1)) for start in starts]  # means of runs
    for axis, length in enumerate(lengths):
        if MIN_ANISOTROPY * length <= max(lengths):
            every += [Spline(order, axis) for order in (1, 2, 3)]
    limit = available() if options.memory_limit is None else options.memory_limit
    most = min(MAX_COEFFICIENTS, MAX_BY_KNOWN * (1 - float(gaps.mean())))
    if gaps.ndim > 2:
        most = min(most, MAX_BY_DEPTH / depth(gaps))
    needed = {each: costs(each, gaps) for each in every}
    return {
        k: cost.memory
        for k, cost in needed.items()
        if cost.coefficients <= most and cost.memory <= limit
    }


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
        assert isinstance(network, Sequential)
        made = member if ridge is None else Member(network, ridge)
        fits = all(
            side % network.stride == 0 and side >= 2 * network.receptive_radius
            for side in wrapped_sides(shape, boundary)
        )
        if network == default or (fits and network.receptive_radius > deepest):
            found[made] = None
    return tuple(found)
