"""Error against width: tangent kernels and trained fills of finite networks, and their limit."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import PICTURES, Steps, arguments, harness

from ntkfill import nn
from ntkfill.priors import Identity

CLAIM = (
    "Kernels and trained fills approach the limit as 1 / sqrt(width): slopes of -0.35 or steeper."
)
SIDE = 16
NETWORKS = {
    "flat": nn.Sequential(nn.Conv(3), nn.ReLU(), nn.Conv(3)),
    "hourglass": nn.hourglass(2),
    "with skips": nn.hourglass(2, skips=0.25),
}


def errors(network: nn.Sequential, width: int, seeds: int) -> list[float]:
    """Relative error of the kernel, and root mean square error of the trained fill."""
    limit, z = network.ntk((SIDE,), Identity()), nn.draw(Identity(), (SIDE,))[None]
    values, known = np.sin(np.arange(SIDE) * 0.7), np.arange(SIDE) % 3 != 1
    found = []
    for seed in range(seeds):
        module = nn.finite(network, z.shape[1:], width, seed=seed)
        kernel = nn.tangent_kernel(module, z)
        with torch.no_grad():
            start = module(torch.tensor(z)).numpy().ravel()
        trained = nn.train(module, z, values[None, None], known[None, None], steps=600).ravel()
        solved = np.linalg.solve(limit[np.ix_(known, known)], (values - start)[known])
        fill = start + limit[:, known] @ solved
        kernel_error = np.linalg.norm(kernel - limit) / np.linalg.norm(limit)
        found.append((kernel_error, np.sqrt(np.mean((trained - fill)[~known] ** 2))))
    return np.mean(found, axis=0).tolist()


def main() -> None:
    options = arguments(__doc__)
    widths = [16, 32, 64, 128, 256, 512, 1024] if options.full else [16, 64, 256]
    steps, seeds = Steps("paper_width", options.again), 10 if options.full else 3
    figures: dict[str, dict] = {}
    _, axes = plt.subplots(1, 2, figsize=(8, 3), constrained_layout=True)
    for name, network in NETWORKS.items():
        rows = [steps.run(f"{name} {w} {seeds}", lambda: errors(network, w, seeds)) for w in widths]  # noqa: B023
        for axis, what, column in zip(
            axes, ("kernel", "fill"), zip(*rows, strict=True), strict=True
        ):
            slope = float(np.polyfit(np.log(widths), np.log(column), 1)[0])
            figures[f"{name}, {what}"] = {
                **dict(zip(map(str, widths), column, strict=True)),
                "slope": slope,
            }
            axis.loglog(widths, column, "o-", label=name)
            axis.set(xlabel="width", title=f"error of the {what}")
    for axis in axes:
        bottom = axis.get_ylim()[0]
        line = [bottom * np.sqrt(widths[-1] / w) for w in widths]
        axis.loglog(widths, line, "k--", label="1 / sqrt(width), to the limit at 0")
        axis.set_xticks(widths, map(str, widths))
        low, high = axis.get_ylim()
        ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0) if low <= t <= high]
        axis.set_yticks(ticks, map(str, ticks))
        axis.minorticks_off()
    axes[1].legend(fontsize=7)
    plt.savefig(PICTURES / "paper_width.png", dpi=80)
    harness.write("paper_width", CLAIM, figures, all(f["slope"] < -0.35 for f in figures.values()))


if __name__ == "__main__":
    main()
