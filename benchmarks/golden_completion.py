"""A whole completion against an independent dense solve in double precision."""

import argparse

import numpy as np
from harness import ROOT, write

from ntkfill import Observed, complete, inpaint
from ntkfill.nn import hourglass
from ntkfill.solvers import CG

CLAIM = (
    "The paper's exact kernel on the torus, three levels, with a ridge of 1e-3: every filled value "
    "of a 64 x 64 colour picture is within 1e-3 of an independent dense solve."
)
NETWORK, RIDGE, RTOL = hourglass(3), 1e-3, 1e-6


def solved(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The method itself."""
    kernel = NETWORK.kernel(missing.shape)
    observed = Observed(image.reshape(-1, image.shape[-1]), ~missing.ravel())
    return complete(observed, kernel, CG(ridge=RIDGE, rtol=RTOL)).values.reshape(image.shape)


def inpainted(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The door, which takes the mean of the known values out first."""
    return inpaint(
        image,
        missing,
        network=NETWORK,
        channel_axis=-1,
        shift_average=False,
        boundary="wrap",
        ridge=RIDGE,
        rtol=RTOL,
        cache=None,
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    golden = np.load(ROOT / "tests" / "golden" / "complete_down3_leaky_64x64.npz")
    image = np.moveaxis(golden["image"], 0, -1)
    figures: dict[str, dict[str, float]] = {}
    for pattern in ("scattered", "hole"):
        missing = golden[f"{pattern}_missing"]
        expected = np.moveaxis(golden[f"{pattern}_filled_ridge{RIDGE}"], 0, -1)
        figures[pattern] = {
            name: float(np.abs(fill(image, missing) - expected).max())
            for name, fill in (("complete", solved), ("inpaint", inpainted))
        }
    holds = all(figure["complete"] <= 1e-3 for figure in figures.values())
    write("golden_completion", CLAIM, {"largest_difference": figures, "rtol": RTOL}, holds)


if __name__ == "__main__":
    main()
