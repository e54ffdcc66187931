"""The network that the picture asks for: known entries are hidden, and networks predict them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..completion import complete
from ..errors import MemoryLimitError
from ..io.cache import Cache, MemoryCache
from ..kernels import Kernel
from ..kernels.table import Array
from ..nn.activations import Abs
from ..nn.networks import RIDGE, Member, Mixture, Sequential, hourglass
from ..observed import Mask, Observed
from ..runtime.progress import Progress
from ..runtime.threads import parallel_for
from ..selection import MAX_STACKED, stacked
from .architecture import Boundary, automatic, automatic_network, depth
from .holdout import Crop, Holdout, crops, hold_out_like
from .plan import Plan, plan

# Kernels of up to 4**12 pairs are made in no time: on n axes, 12 / n levels.
QUICK = 12
# Predictions need fewer digits than a fill.
RTOL = 1e-2
# On more values than this a second solve is felt: one network is chosen.
MIXED = 1 << 20
# Where gaps are scattered, so many of the known entries are hidden.
SHARE = 0.2
# Fewer hidden entries say nothing.
LEAST = 50


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
    levels = int(math.log2(rule.receptive_radius))
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
        wider = smooth + (n * (smooth + 1) < 9)
        members.append(Member(hourglass(wider, convs_up=2, upsample="bilinear")))
    found: dict[str, Member] = {}
    for member in members:
        made = member if ridge is None else Member(member.network, ridge)
        sees = made.network.receptive_radius > deepest and _fits(made.network, shape, boundary)
        if sees or member.network == rule:
            found.setdefault(repr(made), made)
    return tuple(found.values())


def choose(
    values: Array,
    missing: Mask,
    *,
    channels: int = 1,
    ridge: float | None = None,
    boundary: Boundary = "pad",
    cache: Cache | MemoryCache | None = None,
    memory_limit: int | None = None,
    told: Progress | None = None,
) -> Choice | None:
    """Choose networks, ridges and their weights by how well they predict hidden known entries.

    Entries are hidden in the pattern of the missing ones; on large grids, in some windows. The best
    one to three networks are weighted by least squares, shrunk where few entries were hidden; on
    more than a million values, where a second solve is felt, the best one is taken.

    Parameters
    ----------
    values : float array of shape (*grid)
        What stands at missing entries is never read.
    missing : bool array of shape (*grid)
    channels : int
        How many such arrays are to be filled: where that is much work, one network is chosen.
    ridge : float, optional
        One for all networks; the default is each network's own.
    boundary : {"pad", "wrap"}
    cache : Cache or MemoryCache, optional
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
    members = _affordable(
        family(missing.shape, depth(missing), boundary, ridge), missing, boundary, memory_limit
    )
    hidden = hold_out_like(missing, share=SHARE)
    level, scale = _level_and_scale(values[~missing])
    if len(members) < 2 or len(hidden) < LEAST or not 0 < scale < math.inf:
        return None
    parts = crops(missing, hidden.weight)
    values = ((np.where(missing, level, values) - level) / scale).astype(np.float32)
    kept = cache if isinstance(cache, MemoryCache) else MemoryCache(cache)
    jobs = _jobs(members, parts, missing | hidden.mask, kept, memory_limit)
    errors = _errors(values, missing, hidden, parts, jobs, told)
    weight = np.concatenate([hidden.weight[part][hidden.mask[part]] for part in parts])
    gram = (errors * weight) @ errors.T / weight.sum()
    most = MAX_STACKED if values.size * channels <= MIXED else 1
    shares = stacked(gram, _independent(missing, hidden, parts), most)
    order = sorted(np.flatnonzero(shares), key=lambda k: (-abs(shares[k]), k))
    chosen = [Member(members[k].network, members[k].ridge, float(shares[k])) for k in order]
    tried = [
        Tried(member.network, member.ridge, scale * math.sqrt(square))
        for member, square in zip(members, np.diag(gram), strict=True)
    ]
    error = scale * math.sqrt(max(float(shares @ gram @ shares), 0.0))
    return Choice(Mixture(tuple(chosen)), error, tuple(tried), len(weight))


def _errors(
    values: Array,
    missing: Mask,
    hidden: Holdout,
    windows: list[Crop],
    jobs: list[Job],
    told: Progress | None,
) -> NDArray[np.float64]:
    """What every network errs by on the hidden entries: shape (networks, entries)."""
    ends = np.cumsum([0, *(int(hidden.mask[window].sum()) for window in windows)])
    errors = np.empty((1 + max(job.network for job in jobs), ends[-1]))

    def score(job: Job) -> None:
        window = windows[job.window]
        at = hidden.mask[window]
        filled = _filled(values[window], missing[window] | at, job.plan, job.kernel)
        place = slice(ends[job.window], ends[job.window + 1])
        errors[job.network, place] = (filled - values[window])[at]

    parallel_for(score, jobs, told)
    return errors


def _independent(missing: Mask, hidden: Holdout, windows: list[Crop]) -> float:
    """How many independent errors there are: neighbours in a hole are predicted well or badly
    together, so as many as are as deep as one of them count as one."""
    count = 0.0
    for window in windows:
        at = hidden.mask[window]
        deep = ndimage.distance_transform_cdt(missing[window] | at, "chessboard")[at]
        count += float(np.sum(deep.astype(np.float64) ** -missing.ndim))
    return count


def _level_and_scale(known: Array) -> tuple[float, float]:
    """The mean and the largest distance from it; a scale of 0 or infinity says that it is of no
    use."""
    with np.errstate(over="ignore", invalid="ignore"):
        level = float(np.mean(known, dtype=np.float64))
        scale = float(np.max(np.abs(known - level)))
    return level, scale if math.isfinite(scale) else math.inf


def _affordable(
    members: tuple[Member, ...], missing: Mask, boundary: Boundary, memory_limit: int | None
) -> tuple[Member, ...]:
    """Those that fit into memory on the whole grid, and the first in any case."""

    def fits(member: Member) -> bool:
        try:
            plan(
                missing,
                network=member.network,
                boundary=boundary,
                ridge=member.ridge,
                memory_limit=memory_limit,
            )
        except MemoryLimitError:
            return False
        return True

    return members[:1] + tuple(filter(fits, members[1:]))


@dataclass(frozen=True, eq=False)
class Job:
    """One network on one window."""

    network: int
    window: int
    plan: Plan
    kernel: Kernel


def _jobs(
    members: tuple[Member, ...],
    windows: list[Crop],
    gaps: Mask,
    cache: MemoryCache,
    memory_limit: int | None,
) -> list[Job]:
    """Every network on every window, with the kernels made once; all windows are of one size."""
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
        jobs += [Job(k, w, made, kernel) for w in range(len(windows))]
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
    return all(
        side % network.stride == 0 and side >= 2 * network.receptive_radius for side in shape
    )
