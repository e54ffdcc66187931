"""Should networks with skip connections be among those that hidden pixels choose from?

The same fills with `network="auto"`, with the family of candidates as it is and with two more: its
default network with Deep Image Prior's share of skips, and with a quarter. The pictures are those
of scikit-image, on which nothing in ntkfill was chosen. Kernels are in a cache after the first use.
"""

import statistics
import time

import numpy as np
from common import Steps, arguments, harness
from skips import NAMES, masks, picture

from ntkfill import Cache, Inpainter, nn
from ntkfill.grids import selection
from ntkfill.priors import IID

CLAIM = (
    "Eight pictures of scikit-image: with two hourglasses with skip connections among the "
    'candidates, network="auto" gains at least 0.1 dB on average over all masks, loses more than '
    "0.1 dB on none of them, and takes at most 1.5 times the processor time."
)
SHARES = 4 / 132, 0.25
AS_IT_IS = selection.family
CACHE = Cache(harness.ROOT / "build" / "kernels")


def with_skips(shape, deepest, boundary, ridge=None):
    """The candidates, and two more of as many levels as the default."""
    members = AS_IT_IS(shape, deepest, boundary, ridge)
    levels = int(np.log2(members[0].network.receptive_radius))
    more = (nn.hourglass(levels, convs_up=2, skips=share) for share in SHARES)
    given = {} if ridge is None else {"ridge": ridge}
    return members + tuple(nn.Member(network, **given) for network in more)


def cost() -> dict[str, float]:
    """The processor time of a table of six levels with skips, over that of the plain one."""

    def taken(network: nn.Sequential, average: bool) -> float:
        runs = []
        for _ in range(3):
            started = time.process_time()
            network.table((128, 128), IID(), shift_average=average)
            runs.append(time.process_time() - started)
        return min(runs)

    return {
        f"{convs} up, {'shift-averaged' if average else 'exact'}": taken(
            nn.hourglass(6, convs_up=convs, skips=SHARES[0]), average
        )
        / taken(nn.hourglass(6, convs_up=convs), average)
        for convs in (1, 2)
        for average in (True, False)
    }


def main() -> None:
    options = arguments(__doc__)
    side, steps = 256, Steps("paper_skips_choice", options.again)
    names = NAMES if options.full else NAMES[::2]
    table: dict[str, dict[str, dict[str, float]]] = {}
    for kind, mask in masks(side).items():
        for name in names:
            truth = picture(name, side)
            for family in (AS_IT_IS, with_skips):

                def fill(truth: np.ndarray = truth, mask: np.ndarray = mask, family=family) -> dict:
                    selection.family = family
                    started = time.process_time()
                    done = Inpainter(cache=CACHE).fill(truth, mask)
                    taken = time.process_time() - started
                    found = done.info.network
                    members = getattr(found, "members", None) or (nn.Member(found),)
                    skips = [m.weight for m in members if "Branches" in repr(m.network)]
                    psnr = harness.psnr(truth, done.values, mask)
                    return {"psnr": psnr, "cpu_seconds": taken, "weight": float(sum(skips))}

                key = f"{kind} {name} {family.__name__}"
                table.setdefault(kind, {}).setdefault(name, {})[family.__name__] = steps.run(
                    key, fill
                )
    figures = {}
    ratios_of_tables = steps.run("tables", cost)
    for kind, rows in table.items():
        pairs = [(row["family"], row["with_skips"]) for row in rows.values()]
        gains = [new["psnr"] - old["psnr"] for old, new in pairs]
        ratios = [new["cpu_seconds"] / old["cpu_seconds"] for old, new in pairs]
        figures[kind] = {
            "psnr": statistics.mean(old["psnr"] for old, _ in pairs),
            "gain": statistics.mean(gains),
            "worst": min(gains),
            "best": max(gains),
            "pictures_that_use_skips": sum(new["weight"] != 0 for _, new in pairs),
            "pictures": len(pairs),
            "cpu_ratio": statistics.median(ratios),
            "gains": dict(zip(rows, gains, strict=True)),
        }
    mean = statistics.mean(of["gain"] for of in figures.values())
    holds = (
        mean >= 0.1
        and all(of["gain"] > -0.1 for of in figures.values())
        and max(of["cpu_ratio"] for of in figures.values()) <= 1.5
    )
    harness.write(
        "paper_skips_choice",
        CLAIM,
        {"mean_gain": mean, **figures, "six_levels": ratios_of_tables},
        bool(holds),
    )


if __name__ == "__main__":
    main()
