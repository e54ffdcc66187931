"""Do skip connections fill better? Networks of the same levels, with and without them.

The pictures are those of scikit-image, on which nothing in ntkfill was chosen.
"""

import statistics

import numpy as np
from common import Steps, arguments, harness
from skimage import color, data

from ntkfill import Inpainter, nn

CLAIM = (
    "Eight pictures of scikit-image, which chose nothing: hourglasses with skip connections, as "
    "shares of the channels of each level, against the same without, in PSNR over the missing "
    "pixels; 4 / 132 is Deep Image Prior's share."
)
NAMES = "astronaut", "coffee", "chelsea", "rocket", "coins", "moon", "grass", "brick"
SHARES = 0.0, 4 / 132, 0.25, 0.5


def picture(name: str, side: int) -> np.ndarray:
    """The grey middle of a picture."""
    image = np.asarray(getattr(data, name)())
    grey = color.rgb2gray(image) if image.ndim == 3 else image / 255
    top, left = ((size - side) // 2 for size in grey.shape)
    return grey[top : top + side, left : left + side]


def masks(side: int) -> dict[str, np.ndarray]:
    hole = np.zeros((side, side), bool)
    hole[side // 3 : side // 3 + side // 4, side // 2 : side // 2 + side // 4] = True
    return {
        "half missing": harness.half_missing((side, side)),
        "90 % missing": harness.scattered((side, side), 0.1),
        "one hole": hole,
    }


def main() -> None:
    options = arguments(__doc__)
    side, steps = (256, Steps("paper_skips_full" if options.full else "paper_skips", options.again))
    names = NAMES if options.full else NAMES[::2]
    table: dict[str, dict[str, list[float]]] = {}
    for kind, mask in masks(side).items():
        for levels, convs in ((3, 1), (5, 1), (5, 2)):
            of = f"{kind}, {levels} levels" + ", two convolutions up" * (convs == 2)
            for share in SHARES:
                network = nn.hourglass(levels, convs_up=convs, skips=share)
                row = table.setdefault(of, {}).setdefault(f"{share:.3f}", [])
                for name in names:
                    truth = picture(name, side)

                    def fill(truth: np.ndarray = truth, mask: np.ndarray = mask) -> float:
                        filled = Inpainter(network, cache=None).fill(truth, mask).values  # noqa: B023
                        return harness.psnr(truth, filled, mask)

                    row.append(steps.run(f"{of} {share:.3f} {name}", fill))
    figures = {
        kind: {
            share: {
                "mean_psnr": statistics.mean(values),
                "gain": statistics.mean(np.subtract(values, rows["0.000"])),
                "better": int(np.sum(np.greater(values, rows["0.000"]))),
                "pictures": len(values),
            }
            for share, values in rows.items()
        }
        for kind, rows in table.items()
    }
    gains = [of[share]["gain"] for of in figures.values() for share in of if share != "0.000"]
    harness.write("paper_skips", CLAIM, figures, holds=bool(max(gains) > 0.1))


if __name__ == "__main__":
    main()
