"""Do standard deviations tell good values from bad ones, and are they what they claim to be?"""

import argparse

import numpy as np
from harness import write
from sureness import averaged, measured

from ntkfill.nn import hourglass
from ntkfill.posterior import Posterior
from ntkfill.solvers import CG

CLAIM = (
    "The tenth of held-out entries with the largest standard deviation has at least twice the mean "
    "error of the tenth with the smallest: on each of the eleven greys, and on average over "
    "l1000_24x20 and the tables of scikit-learn. On small grids the exact posterior agrees with a "
    "dense solve to 1e-6, and the sampled one within its stated error."
)
SHAPE, RIDGE, SAMPLES = (24, 24), 1e-3, 128


def oracle() -> dict[str, float]:
    """The ensemble of trained networks on a small grid, with matrices only."""
    rng = np.random.default_rng(0)
    network, missing = hourglass(3, convs_up=2), rng.random(SHAPE) < 0.5
    missing[8:16, 8:16] = True
    theta, sigma = (network.kernel(SHAPE, kind=k, shift_average=True) for k in ("ntk", "nngp"))
    known, at = np.flatnonzero(~missing), np.flatnonzero(missing)
    gram = theta.block(known, known) + RIDGE * theta.diagonal()[0, 0] * np.eye(len(known))
    smoother = np.linalg.solve(gram, theta.block(known, at)).T
    cross = smoother @ sigma.block(known, at)
    inner = smoother @ sigma.block(known, known) @ smoother.T
    truth = np.sqrt(np.diag(sigma.block(at, at) + inner - cross - cross.T))
    exact = Posterior(sigma, CG(RIDGE, 1e-10).factor(theta, ~missing.ravel()))
    rough = Posterior(sigma, CG(RIDGE, 1e-3).factor(theta, ~missing.ravel()))
    drawn = rough.sampled(at, SAMPLES)
    off = np.sqrt(drawn.variance) / truth - 1
    return {
        "grid": SHAPE[0],
        "pixels": len(at),
        "exact_largest_relative_error": float(
            np.max(np.abs(np.sqrt(exact.variances(at)) / truth - 1))
        ),
        "samples": SAMPLES,
        "sampled_stated_relative_error": drawn.relative_error,
        "sampled_rms_relative_error": float(np.sqrt(np.mean(off**2))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="crops, small tables; no file")
    quick = parser.parse_args().quick
    small = oracle()
    print(small, flush=True)
    figures = measured(quick)
    ratio = averaged(figures, "ratio")
    every = [told["ratio"] for told in figures["greys"].values()]
    holds = bool(
        min(*ratio.values(), *every) >= 2
        and small["exact_largest_relative_error"] <= 1e-6
        and small["sampled_rms_relative_error"] <= 1.3 * small["sampled_stated_relative_error"]
    )
    means = {"oracle": small, "mean_ratio": ratio, "least_ratio_of_greys": min(every)}
    write("std_ranking", CLAIM, means | figures, holds, quick)


if __name__ == "__main__":
    main()
