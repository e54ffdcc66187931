"""Figure 4: which pixels fill a missing one, for three feature priors and all numbers of levels;
and the picture that the identity prior repeats, by the CNTK and by a network of finite width.

The identity prior is the paper's: one channel that is 1 on the diagonal of the picture.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import PICTURES, Steps, arguments, harness
from PIL import Image

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
    levels = range(1, side.bit_length())
    shape, at = (side, side), (side // 3) * side + 2 * side // 3
    priors = {"uniform": IID(), "mesh grid": MeshGrid(), "identity": Features(np.eye(side)[None])}
    figures: dict[str, dict] = {"side": side, "around_the_pixel": {}}
    _, axes = plt.subplots(3, len(levels), figsize=(2 * len(levels), 6.4), constrained_layout=True)
    place = (
        np.stack(np.unravel_index(np.arange(side**2), shape)) - np.array(divmod(at, side))[:, None]
    )
    distance = np.abs((place + side // 2) % side - side // 2).max(axis=0)
    for row, (name, prior) in zip(axes, priors.items(), strict=True):
        for axis, level in zip(row, levels, strict=True):
            kernel = nn.hourglass(level).kernel(shape, prior)
            values = kernel.block(np.array([at]), np.arange(side**2))[0]
            largest = np.argsort(values)[::-1][1:10]
            figures["around_the_pixel"][f"{name}, {level}"] = int(distance[largest].max())
            axis.imshow(values.reshape(shape), cmap="viridis")
            axis.plot(at % side, at // side, "r+")
            axis.set_axis_off()
            axis.set_title(f"{name}, {level}", fontsize=9)
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
    strip = np.clip(np.hstack([picture, shown, cntk, trained]), 0, 1)
    strip = np.kron(np.rint(strip * 255).astype(np.uint8), np.ones((6, 6, 1), np.uint8))
    Image.fromarray(strip).save(PICTURES / "paper_identity.png")
    around = figures["around_the_pixel"]
    local = all(around[f"uniform, {level}"] <= 2 for level in levels)
    harness.write(
        "paper_figure4", CLAIM, figures, bool(local and figures["correlation_of_fills"] > 0.5)
    )


if __name__ == "__main__":
    main()
