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


VALUES, KNOWN = np.sin(np.arange(SIDE) * 0.7), np.arange(SIDE) % 3 != 1


def limit_error(network: nn.Sequential) -> float:
    """Root mean square error of what infinitely wide networks fill in, over their random starts
    (Lee et al. 2019, doi:10.1088/1742-5468/abc62b, eq. 16)."""
    ntk, nngp = network.ntk((SIDE,), Identity()), network.nngp((SIDE,), Identity())
    weights = np.linalg.solve(ntk[np.ix_(KNOWN, KNOWN)], ntk[np.ix_(KNOWN, ~KNOWN)])
    every = np.zeros((SIDE, (~KNOWN).sum()))
    every[KNOWN], every[~KNOWN] = -weights, np.eye((~KNOWN).sum())
    wrong = weights.T @ VALUES[KNOWN] - VALUES[~KNOWN]
    return float(np.sqrt(np.mean(wrong**2 + np.diagonal(every.T @ nngp @ every))))


def errors(network: nn.Sequential, width: int, seeds: int) -> list[float]:
    """Of finite networks and their limit: relative error of the kernel, root mean square distance
    of the trained fills, and root mean square error of the trained fill itself."""
    limit, z = network.ntk((SIDE,), Identity()), nn.draw(Identity(), (SIDE,))[None]
    values, known = VALUES, KNOWN
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
        squares = [np.mean((trained - of)[~known] ** 2) for of in (fill, values)]
        found.append((kernel_error, np.sqrt(squares[0]), squares[1]))
    *means, square = np.mean(found, axis=0).tolist()
    return [*means, float(np.sqrt(square))]


def main() -> None:
    options = arguments(__doc__)
    widths = [16, 32, 64, 128, 256, 512, 1024] if options.full else [16, 64, 256]
    steps, seeds = Steps("paper_width", options.again), 10 if options.full else 3
    figures: dict[str, dict] = {}
    _, axes = plt.subplots(1, 3, figsize=(11, 3), constrained_layout=True)
    for k, (name, network) in enumerate(NETWORKS.items()):
        rows = [steps.run(f"{name} {w} {seeds}", lambda: errors(network, w, seeds)) for w in widths]  # noqa: B023
        *distances, wrong = zip(*rows, strict=True)
        for axis, what, column in zip(axes, ("kernel", "fill"), distances, strict=False):
            slope = float(np.polyfit(np.log(widths), np.log(column), 1)[0])
            figures[f"{name}, {what}"] = {
                **dict(zip(map(str, widths), column, strict=True)),
                "slope": slope,
            }
            axis.loglog(widths, column, "o-", label=name)
            axis.set(xlabel="width", title=f"{what}: distance from the limit")
        limit = limit_error(network)
        figures[f"{name}, error"] = {**dict(zip(map(str, widths), wrong, strict=True))}
        figures[f"{name}, error"]["limit"] = limit
        axes[2].loglog(widths, wrong, "o-", color=f"C{k}", label=name)
        axes[2].axhline(limit, color=f"C{k}", linestyle=":")
    axes[2].set(xlabel="width", title="error of the fill; dotted: the limit")
    for axis in axes[:2]:
        bottom = axis.get_ylim()[0]
        line = [bottom * np.sqrt(widths[-1] / w) for w in widths]
        axis.loglog(widths, line, "k--", label="1 / sqrt(width)")
    for axis in axes:
        axis.set_xticks(widths, map(str, widths))
        low, high = axis.get_ylim()
        ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0) if low <= t <= high]
        axis.set_yticks(ticks, map(str, ticks))
        axis.minorticks_off()
    axes[1].legend(fontsize=7)
    plt.savefig(PICTURES / "paper_width.png", dpi=80)
    slopes = [figure["slope"] for figure in figures.values() if "slope" in figure]
    harness.write("paper_width", CLAIM, figures, all(slope < -0.35 for slope in slopes))


if __name__ == "__main__":
    main()
