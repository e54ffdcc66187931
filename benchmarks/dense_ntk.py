"""The kernel of one hidden layer between many feature vectors, against the product alone."""

import argparse
import statistics

import numpy as np
from harness import timed, write

from ntkfill.nn import Dense, ReLU, Sequential

CLAIM = (
    "The NTK of one hidden layer between 5,000 vectors of 1,000 features, float32: within 1.5 "
    "times of the matrix product alone."
)
NET = Sequential(Dense(), ReLU(), Dense())


def textbook(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The formula, on whole matrices."""
    first, second = (np.linalg.norm(x, axis=1) for x in (left, right))
    scale = np.outer(first, second)
    rho = np.clip(left @ right.T / scale, -1, 1)
    k0 = 1 - np.arccos(rho) / np.float32(np.pi)
    return scale * (2 * rho * k0 + np.sqrt(1 - rho**2) / np.float32(np.pi))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 vectors; nothing is written")
    quick = parser.parse_args().quick
    count, runs = (1000, 3) if quick else (5000, 15)
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(count, 1000)).astype(np.float32) for _ in range(2))
    ways = {
        "product_of_one_set": lambda: left @ left.T,
        "product_of_two_sets": lambda: left @ right.T,
        "ntk_of_one_set": lambda: NET.between(left),
        "ntk_of_two_sets": lambda: NET.between(left, right),
        "numpy_of_two_sets": lambda: textbook(left, right),
    }
    seconds = {name: [] for name in ways}
    for _ in range(runs):  # one after the other, so that all share what else the machine does
        for name, way in ways.items():
            seconds[name].append(timed(way)[1])
    fastest = {name: min(times) for name, times in seconds.items()}
    one, two = (
        fastest[f"ntk_of_{k}"] / fastest[f"product_of_{k}"] for k in ("one_set", "two_sets")
    )
    exact = NET.between(left[:500].astype(float), right.astype(float))
    error = np.max(np.abs(NET.between(left[:500], right) / exact - 1))
    figures = {
        "vectors": count,
        "ratio_of_one_set": one,
        "ratio_of_two_sets": two,
        "ratio_of_numpy": fastest["numpy_of_two_sets"] / fastest["product_of_two_sets"],
        "fastest_seconds": fastest,
        "median_seconds": {name: statistics.median(times) for name, times in seconds.items()},
        "largest_relative_error": float(error),
    }
    write("dense_ntk", CLAIM, figures, holds=max(one, two) <= 1.5, quick=quick)


if __name__ == "__main__":
    main()
