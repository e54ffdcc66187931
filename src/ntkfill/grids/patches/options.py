"""Options of a refinement by patches, and the candidates of the automatic choice."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError, check_number

# The time of a small solve grows with the cube of the channels.
MAX_CHANNELS = 16

# Allowed values: (fields, whole numbers only, smallest, largest, in words).
RANGES = (
    ("width step search_radius n_neighbours passes", True, 1, math.inf, "a whole number >= 1"),
    ("ring_passes", True, 0, math.inf, "a whole number >= 0"),
    ("first_step", False, 1, math.inf, "a number >= 1"),
    ("first_ridge last_ridge", False, np.nextafter(0, 1), math.inf, "a number > 0"),
    ("imputed_weight", False, 0, math.inf, "a number >= 0"),
    ("initial_scale", False, np.nextafter(0, 1), 1, "a number in (0, 1]"),
    ("shrinkage", False, 0, 1, "a number in [0, 1]"),
)


@dataclass(frozen=True)
class PatchOptions:
    """Options of a refinement by patches.

    Parameters
    ----------
    width : int
        Side of the patches of the last pass, in pixels.
    initial_scale : float
        Width of the patches of the first pass, relative to `width`; small patches find close
        neighbours more often.
    step : int
        Distance between patches of the last pass, in pixels; shorter where patches are smaller.
        Patches overlap, and their positions differ from pass to pass.
    first_step : float
        Distance in all passes but the last two, relative to `step`.
    search_radius : int
        Largest distance to a neighbour along each axis, in pixels.
    n_neighbours : int
        Number of nearest neighbours that complete a patch.
    shrinkage : float
        Shrinkage of each patch kernel towards the neighbourhood mean, in [0, 1], in all passes but
        the last, whose kernels also make the standard deviations (ring-wise passes do both).
    passes : int
    first_ridge, last_ridge : float
        Ridge of the first and of the last pass, relative to the mean square error of the fill.
    imputed_weight : float
        Weight of an imputed pixel in the distance between patches; that of a known one is 1.
    ring_passes : int
        How often holes deeper than a patch are completed ring by ring from their rim ("onion
        peel"), after the other passes; 0 leaves what no patch reaches as it was.

    Raises
    ------
    InputError
        If a value is out of range.

    Examples
    --------
    >>> for options, ridge in PatchOptions(passes=3).schedule(100.0):
    ...     print(options.width, options.step, ridge)
    5 3 100.0
    6 3 10.0
    8 4 1.0
    """

    width: int = 8
    initial_scale: float = 0.6
    step: int = 4
    first_step: float = 1.0
    search_radius: int = 12
    n_neighbours: int = 50
    shrinkage: float = 0.2
    passes: int = 8
    first_ridge: float = 1.0
    last_ridge: float = 0.01
    imputed_weight: float = 0.3
    ring_passes: int = 0

    def __post_init__(self) -> None:
        for names, whole, smallest, largest, expected in RANGES:
            for name in names.split():
                given = getattr(self, name)
                value = check_number(f"{name} of the patches", given)
                if not smallest <= value <= largest or (whole and value != int(value)):
                    raise InputError(
                        f"{name} of the patches cannot be used", expected=expected, got=repr(given)
                    )
        if self.step > self.width:
            raise InputError(
                "step of the patches leaves gaps between them",
                expected=f"at most their width, {self.width}",
                got=repr(self.step),
            )

    def schedule(self, mse: float) -> list[tuple[PatchOptions, float]]:
        """Options and ridge of each pass, for a fill with this mean square error.

        Patches grow, and the ridge falls as the fill becomes better.
        """
        first = math.ceil(self.initial_scale * self.width)
        widths = np.linspace(self.width, first, self.passes)[::-1].round().astype(int).tolist()
        ridges = mse * np.geomspace(self.last_ridge, self.first_ridge, self.passes)[::-1]
        passes = []
        for left, w in zip(range(self.passes)[::-1], widths, strict=True):
            step = self.step * w / self.width * (self.first_step if left > 1 else 1.0)
            passes.append(replace(self, width=w, initial_scale=1.0, step=min(math.ceil(step), w)))
        passes[-1] = replace(passes[-1], shrinkage=0.0)
        return list(zip(passes, map(float, ridges), strict=True))

    def ringwise(self) -> PatchOptions:
        """Options of ring-wise passes: rings a quarter of a patch wide, so that most of each
        patch is known, and a larger search radius, since near patches are missing."""
        thickness = max(min(2, self.width // 2), math.ceil(self.width / 4))
        return replace(self, step=thickness, search_radius=max(self.search_radius, 2 * self.width))


def candidates(axes: int, channels: int = 1) -> tuple[PatchOptions, ...]:
    """The options to choose from on a grid with so many axes, the default first.

    >>> [options.n_neighbours for options in candidates(2)]
    [50, 60]
    """
    if channels > MAX_CHANNELS:
        raise InputError(
            "too many channels to compare patches",
            expected=f"at most {MAX_CHANNELS}",
            got=str(channels),
            hint="refine=None, or the channels in groups",
        )
    if axes == 1:
        return (PatchOptions(width=16, initial_scale=1, step=4, search_radius=256),)
    if axes > 2:
        return (PatchOptions(width=4, initial_scale=1, step=2, search_radius=4),)
    if channels > 1:
        return (PatchOptions(width=6, step=3, search_radius=10),)
    quick = PatchOptions(first_step=1.25, search_radius=10)
    return (quick, replace(quick, initial_scale=1, n_neighbours=60))
