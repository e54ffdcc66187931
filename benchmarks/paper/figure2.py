"""Figure 2: availability of conditions, and drug imputation in rounds of ten folds: the NTK with
its feature priors, DNPP, FaLRTC and the mean over cell lines.

`--cmap FOLDER` reads the Connectivity Map's subset instead: `profiles.gctx` (or .gct, .h5ad, .csv:
what `ntkfill.screens.read` reads) and, for GCT files, `sig_info.txt` with the labels of columns.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from common import PICTURES, harness
from screens import compared, l1000

from ntkfill import screens
from ntkfill.screens.features import OneHot, Stack

CLAIM = "The NTK with the paper's mixture of priors is ahead of DNPP, FaLRTC and cell means in r."

# Only cell lines are alike: the mean over the cell line.
ONE_HOT = Stack(OneHot("cell"), OneHot("drug"))


def cmap(folder: Path) -> screens.Screen:
    """The screen in a folder of this layout."""
    found = sorted(folder.glob("profiles.*"))
    if not found:
        raise FileNotFoundError(f"{folder} must hold profiles.gctx, .gct, .h5ad, .csv or .npz")
    labels = folder / "sig_info.txt"
    options = {"labels": labels} if labels.exists() else {}
    return screens.read(found[0], replicates="mean", **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="five rounds, not one")
    parser.add_argument("--cmap", type=Path, help="a folder of the Connectivity Map")
    options = parser.parse_args()
    screen = cmap(options.cmap) if options.cmap else l1000()
    labels = screen.labels
    cells, counts = np.unique(labels[:, 0].astype(str), return_counts=True)
    drugs = np.unique(labels[:, 1].astype(str))
    # The paper's line between few and many drugs is 150; in a small screen it is the median.
    methods = {
        "ntk": screens.paper_mixture(
            cells[counts.argmax()], screens.FaLRTC(), min(150, int(np.median(counts)))
        ),
        "ntk, one-hot drugs": screens.NTK(ONE_HOT),
        "ntk, DNPP": screens.NTK(screens.Imputation(screens.DNPP()), ridge=0.1, centre=None),
        "ntk, our default": screens.NTK(),
        "DNPP": screens.DNPP(),
        "FaLRTC": screens.FaLRTC(),
        "cell mean": screens.CellMean(),
    }
    seen = np.zeros((len(cells), len(drugs)), bool)
    seen[np.searchsorted(cells, labels[:, 0]), np.searchsorted(drugs, labels[:, 1])] = True
    plt.figure(figsize=(6, 5))
    plt.imshow(
        seen[np.argsort(-seen.sum(1))][:, np.argsort(-seen.sum(0))], cmap="Blues", aspect="auto"
    )
    plt.xlabel("drugs")
    plt.ylabel("cell lines")
    plt.savefig(PICTURES / "paper_availability.png", dpi=70, bbox_inches="tight")
    rounds = 5 if options.full else 1
    figures = {"screen": repr(screen), "rounds": rounds}
    figures["all"] = compared(screen, methods, screens.KFold(10, rounds))
    figures["sparse"] = compared(screen, methods, screens.Sparse(3, rounds=2 * rounds))
    tests = figures["all"]["ntk_against"]
    holds = all(tests[name]["r"]["difference"] > 0 for name in ("DNPP", "FaLRTC", "cell mean"))
    harness.write(
        "paper_figure2_cmap" if options.cmap else "paper_figure2", CLAIM, figures, bool(holds)
    )


if __name__ == "__main__":
    main()
