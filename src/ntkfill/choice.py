"""The network that the picture asks for: known entries are hidden, and networks predict them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .cache import Cache, Kept
from .completion import complete
from .grid import Array
from .hiding import hide
from .kernels import Kernel
from .nn.activations import Abs
from .nn.architectures import hourglass
from .nn.mixture import RIDGE, Member, Mixture
from .nn.sequential import Sequential
from .observed import Mask, Observed
from .plan import Plan, plan
from .rule import Boundary, automatic, automatic_network, depth
from .solvers.base import Progress
from .threads import spread

# On larger grids this many entries, in four windows, stand for all of them.
AREA = {1: 1 << 14, 2: 1 << 16, 3: 1 << 18}
# A window must show a hole with as much around it.
ROOM = 4
# Kernels of up to 4**12 pairs are made in no time: on n axes, 12 / n levels.
QUICK = 12
# Predictions need fewer digits than a fill.
RTOL = 1e-2
# A mixture of more networks is not worth its time.
MOST = 3
# One network more, or another than the rule's, must be better by this share of the mean square;
# where few entries were hidden, by this many over their number.
GAIN, DOUBT = 0.01, 3.0
# The ridge on the weights, over the number of hidden entries, relative to the mean square error.
SHRINKAGE = 6.0
# Fewer hidden entries say nothing.
LEAST = 24


@dataclass(frozen=True)
class Tried:
    """One network and how it did.

    Parameters
    ----------
    network : Sequential
    ridge : float
    error : float
        Root mean square error on the hidden entries, in units of the values.
    """

    network: Sequential
    ridge: float
    error: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, and from what.

    Parameters
    ----------
    network : Mixture
        Its repr is what ``network=`` and ``--network`` take to choose the same again.
    error : float
        Its root mean square error on the hidden entries, in units of the values.
    tried : tuple of Tried
        The networks that were tried; the first is the one that the size of the holes asks for.
    hidden : int
        How many known entries they were tried on.
    """

    network: Mixture
    error: float
    tried: tuple[Tried, ...]
    hidden: int


def family(
    shape: tuple[int, ...], deepest: int, boundary: Boundary, ridge: float | None = None
) -> tuple[Member, ...]:
    """The networks to try on a grid whose deepest hole is this deep.

    The rule's network first, then rougher and smoother ones, as far as they see across the hole,
    fit the torus where there is no padding, and have kernels that are made in no time.
    """
    n = len(shape)
    rule = automatic(shape, deepest, boundary, shift_average=True)
    levels = int(math.log2(rule.reach))
    quick = max(QUICK // n, 1)
    smooth = next(s for s in itertools.count(2) if 3 * 2**s - 2 > 2 * deepest)
    members = [Member(rule)]
    if levels <= quick:
        members.append(Member(hourglass(levels, convs_up=3)))
    if levels < quick:
        members.append(Member(hourglass(levels + 1), ridge=3 * RIDGE))
    if deepest > 2 ** (levels - 3):
        members.append(Member(automatic_network(levels - 1, n)))
    if smooth <= quick // 2:
        kink = hourglass(smooth, upsample="bilinear", activation=Abs())
        members += [Member(kink, ridge=3 * RIDGE), Member(kink, ridge=10 * RIDGE)]
        members.append(Member(hourglass(smooth + 1, convs_up=2, upsample="bilinear")))
    found: dict[str, Member] = {}
    for member in members:
        made = member if ridge is None else Member(member.network, ridge)
        if made.network.reach > deepest and _fits(made.network, shape, boundary):
            found.setdefault(repr(made), made)
    return tuple(found.values()) or (Member(rule, RIDGE if ridge is None else ridge),)


def choose(
    values: Array,
    missing: Mask,
    *,
    ridge: float | None = None,
    boundary: Boundary = "pad",
    cache: Cache | Kept | None = None,
    memory_limit: int | None = None,
    told: Progress | None = None,
) -> Choice | None:
    """Choose networks, ridges and their weights by how well they predict hidden known entries.

    Entries are hidden in the pattern of the missing ones; on large grids, in some windows. The best
    one to three networks are weighted by least squares, shrunk where few entries were hidden.

    Parameters
    ----------
    values : float array of shape (*grid)
        What stands at missing entries is never read.
    missing : bool array of shape (*grid)
    ridge : float, optional
        One for all networks; the default is each network's own.
    boundary : {"pad", "wrap"}
    cache : Cache or Kept, optional
        Where kernels are kept.
    memory_limit : int, optional
        Bytes.
    told : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    Choice or None
        None where too little is known to choose, or a single network sees across the holes.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(np.arange(1000) / 5.0)
    >>> gaps = np.random.default_rng(0).random(1000) < 0.5
    >>> choice = choose(wave, gaps)
    >>> choice.error < min(tried.error for tried in choice.tried) + 1e-9
    True
    """
    if not missing.any() or missing.all():
        return None
    members = family(missing.shape, depth(missing), boundary, ridge)
    hidden = hide(missing)
    level, scale = _level_and_scale(values[~missing])
    if len(members) < 2 or len(hidden) < LEAST or not 0 < scale < math.inf:
        return None
    values = ((np.where(missing, level, values) - level) / scale).astype(np.float32)
    windows = list(_windows(missing, hidden.weight))
    weight = np.concatenate([hidden.weight[w][hidden.mask[w]] for w in windows])
    kept = cache if isinstance(cache, Kept) else Kept(cache)
    errors = np.empty((len(members), len(weight)))
    jobs = _jobs(members, windows, missing | hidden.mask, kept, memory_limit)
    ends = np.cumsum([0, *(int(hidden.mask[w].sum()) for w in windows)])

    def score(job: tuple[int, int, Plan, Kernel]) -> None:
        k, w, made, kernel = job
        window, at = windows[w], hidden.mask[windows[w]]
        gaps = missing[window] | at
        filled = _filled(values[window], gaps, made, kernel)
        errors[k, ends[w] : ends[w + 1]] = (filled - values[window])[at]

    spread(score, jobs, told)
    gram = (errors * weight) @ errors.T / weight.sum()
    depths = [
        ndimage.distance_transform_cdt(missing[w] | hidden.mask[w], "chessboard")[hidden.mask[w]]
        for w in windows
    ]
    # Neighbours in a hole are predicted well or badly together: a patch of it counts as one.
    count = float(sum(np.sum(1.0 / d.astype(np.float64) ** missing.ndim) for d in depths))
    shares = mixed(gram, count)
    order = sorted(np.flatnonzero(shares), key=lambda k: (-abs(shares[k]), k))
    chosen = [Member(members[k].network, members[k].ridge, float(shares[k])) for k in order]
    tried = [
        Tried(member.network, member.ridge, scale * math.sqrt(square))
        for member, square in zip(members, np.diag(gram), strict=True)
    ]
    error = scale * math.sqrt(max(float(shares @ gram @ shares), 0.0))
    return Choice(Mixture(tuple(chosen)), error, tuple(tried), len(weight))


def mixed(gram: NDArray[np.float64], count: float) -> NDArray[np.float64]:
    """Weights, summing to one and mostly zero, under which hidden entries are predicted best.

    Parameters
    ----------
    gram : array of shape (k, k)
        Mean products of the errors of k networks.
    count : float
        How many independent errors they are the means of.

    Returns
    -------
    array of shape (k,)
        The first network alone, unless others gain more than chance would.
    """
    size = len(gram)
    needed = 1 - max(GAIN, min(DOUBT / count, 0.5))
    best, least = np.eye(size)[0], float(gram[0, 0])
    for members in range(1, min(MOST, size) + 1):
        found, square = best, least
        for chosen in itertools.combinations(range(size), members):
            part = gram[np.ix_(chosen, chosen)]
            ridge = SHRINKAGE / count * float(np.trace(part)) / members * (members > 1)
            weights = _summing_to_one(part + ridge * np.eye(members))
            value = float(weights @ part @ weights) + ridge * float(weights @ weights)
            if value < min(square, needed * least):
                found, square = np.zeros(size), value
                found[list(chosen)] = weights
        best, least = found, square
    # Few digits, so that the repr can be read; the largest takes what rounding leaves.
    best = np.round(best, 4)
    best[np.argmax(np.abs(best))] += 1 - best.sum()
    return np.round(best, 4)


def _summing_to_one(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """w with the least w^T gram w among those that sum to one."""
    tiny = 1e-12 * np.trace(gram) + np.finfo(np.float64).tiny
    weights = np.linalg.solve(gram + tiny * np.eye(len(gram)), np.ones(len(gram)))
    return np.asarray(weights / weights.sum())


def _level_and_scale(known: Array) -> tuple[float, float]:
    """The mean and the largest distance from it; a scale of 0 or infinity says that it is of no
    use."""
    with np.errstate(over="ignore", invalid="ignore"):
        level = float(np.mean(known, dtype=np.float64))
        scale = float(np.max(np.abs(known - level)))
    return level, scale if math.isfinite(scale) else math.inf


def _windows(missing: Mask, weight: NDArray[np.float64]) -> Iterator[tuple[slice, ...]]:
    """The parts of a grid that stand for all of it: where the most weight is hidden."""
    n = missing.ndim
    area = AREA.get(n, AREA[3])
    if missing.size <= 1.5 * area:
        yield (slice(None),) * n
        return
    deepest = depth(missing | (weight > 0))
    side = max(math.ceil((area / 4) ** (1 / n)), ROOM * deepest)
    sides = tuple(min(side, whole) for whole in missing.shape)
    left = weight.copy()
    for _ in range(max(1, area // math.prod(sides))):
        corner = _heaviest(left, sides)
        window = tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))
        if not left[window].any():
            return
        yield window
        left[window] = 0


def _heaviest(weight: NDArray[np.float64], sides: tuple[int, ...]) -> tuple[int, ...]:
    """The corner, in steps of half a side, of the window that holds the most."""
    sums = np.pad(weight, [(1, 0)] * weight.ndim)
    places = []
    for axis, side in enumerate(sides):
        sums = np.cumsum(sums, axis=axis)
        last = weight.shape[axis] - side
        starts = np.unique(np.append(np.arange(0, last, max(side // 2, 1)), last))
        places.append(starts)
        sums = np.take(sums, starts + side, axis=axis) - np.take(sums, starts, axis=axis)
    best = np.unravel_index(int(np.argmax(np.round(sums, 6))), sums.shape)
    return tuple(int(places[axis][k]) for axis, k in enumerate(best))


def _jobs(
    members: tuple[Member, ...],
    windows: list[tuple[slice, ...]],
    gaps: Mask,
    cache: Kept,
    memory_limit: int | None,
) -> list[tuple[int, int, Plan, Kernel]]:
    """Every member on every window, with the kernels made once; all windows are of one size."""
    jobs = []
    for k, member in enumerate(members):
        made = plan(
            gaps[windows[0]],
            network=member.network,
            ridge=member.ridge,
            rtol=RTOL,
            memory_limit=memory_limit,
        )
        kernel = made.kernel(cache)
        jobs += [(k, w, made, kernel) for w in range(len(windows))]
    return jobs


def _filled(values: Array, gaps: Mask, made: Plan, kernel: Kernel) -> Array:
    """One window, filled by one network."""
    pixels = made.embed(np.where(gaps, 0, values).astype(np.float32))
    observed = Observed(pixels.reshape(-1, 1), made.embed(~gaps).ravel())
    done = complete(observed, kernel, made.solver, centre=True)
    return made.window(done.values.reshape(made.torus))


def _fits(network: Sequential, shape: tuple[int, ...], boundary: Boundary) -> bool:
    """Whether a torus of exactly this shape takes the network's shift average."""
    if boundary == "pad":
        return True
    return all(side % network.stride == 0 and side >= 2 * network.reach for side in shape)
