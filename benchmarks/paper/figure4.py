"""Figure 4: which pixels fill a missing one, for three feature priors and all numbers of levels;
and the picture that the identity prior repeats, by the CNTK and by a network of finite width.

The identity prior is the paper's: one channel that is 1 on the diagonal of the picture.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import PICTURES, Steps, arguments, harness, save_row

from ntkfill import Observed, complete, nn
from ntkfill.priors import IID, Features, MeshGrid
from ntkfill.solvers import Cholesky

CLAIM = (
    "With the uniform prior the kernel is largest around the missing pixel at every depth, and its "
    "reach doubles with each level; with the identity prior a network of finite width repeats what "
    "the CNTK repeats (correlation of the filled pixels, the mean taken off)."
)


def main() -> None:
    options = arguments(__doc__)
    side, width, count = (64, 128, 2000) if options.full else (32, 48, 300)
    levels = range(1, side.bit_length() - 1)  # up to half of the picture, as 6 of 128 pixels
    shape, at = (side, side), (side // 3) * side + 2 * side // 3
    priors = {"uniform": IID(), "mesh grid": MeshGrid(), "identity": Features(np.eye(side)[None])}
    figures: dict[str, dict] = {"side": side, "heat_maps": {}}
    _, axes = plt.subplots(3, len(levels), figsize=(2 * len(levels), 6.4), constrained_layout=True)
    place = (
        np.stack(np.unravel_index(np.arange(side**2), shape)) - np.array(divmod(at, side))[:, None]
    )
    distance = np.abs((place + side // 2) % side - side // 2).max(axis=0)
    for row, (name, prior) in zip(axes, priors.items(), strict=True):
        for axis, level in zip(row, levels, strict=True):
            kernel = nn.hourglass(level).kernel(shape, prior)
            values = kernel.block(np.array([at]), np.arange(side**2))[0]
            above = values - values.min() > 1e-3 * (np.ptp(values) or 1.0)
            figures["heat_maps"][f"{name}, {level}"] = {
                "largest_at_the_pixel": bool(values[at] >= values.max() and above[at]),
                "reach": int(distance[above].max(initial=0)),
            }
            axis.imshow(values.reshape(shape), cmap="viridis")
            axis.plot(at % side, at // side, "r+")
            axis.set_axis_off()
            axis.set_title(f"{name}, {level} level{'s' * (level > 1)}", fontsize=9)
    plt.savefig(PICTURES / "paper_figure4.png", dpi=70)
    picture = harness.sample(shape) / 255
    missing = np.zeros(shape, bool)
    missing[: side // 2, side // 2 :] = True  # the upper right quadrant
    network, prior = nn.hourglass(len(levels)), priors["identity"]
    kernel = network.kernel(shape, prior)
    flat = np.where(missing[..., None], np.nan, picture).reshape(-1, 3)
    seen = Observed(flat, ~missing.ravel())
    cntk = complete(seen, kernel, Cholesky(ridge=1e-5)).values.reshape(picture.shape)

    def finite() -> list:
        module = nn.finite(network, (1, *shape), width, outputs=3).float()
        given, known = np.moveaxis(picture, -1, 0)[None], np.broadcast_to(~missing, (1, 3, *shape))
        options = {"steps": count, "rate": 0.03, "optimizer": "adam", "head": torch.sigmoid}
        trained = nn.train(module, nn.draw(prior, shape)[None], given, known, **options)
        return np.moveaxis(trained[0], 0, -1).tolist()

    steps = Steps(f"paper_figure4_{side}", options.again)
    trained = np.array(steps.run(f"finite {width} {count}", finite))
    both = [x[missing] - x[missing].mean(axis=0) for x in (cntk, trained)]
    figures["correlation_of_fills"] = float(np.corrcoef(*(x.ravel() for x in both))[0, 1])
    shown = np.where(missing[..., None], 0.0, picture)
    save_row("identity", [picture, shown, cntk, trained], scale=6)
    maps = figures["heat_maps"]
    uniform = [maps[f"uniform, {level}"] for level in levels]
    local = all(x["largest_at_the_pixel"] and x["reach"] < 2**k for k, x in enumerate(uniform, 1))
    holds = bool(local and figures["correlation_of_fills"] > 0.5)
    harness.write("paper_figure4", CLAIM, figures, holds)


if __name__ == "__main__":
    main()
