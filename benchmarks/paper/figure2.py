"""Figure 2: availability of conditions, and drug imputation in rounds of ten folds: the NTK with
its feature priors, DNPP, FaLRTC and the mean over cell lines; of all cell lines, of those with many
drugs (dense) and of those with few (sparse); and with three training drugs in every cell line.

`--cmap FOLDER` reads the Connectivity Map instead; the layout is that of `screens.cmap`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from common import PICTURES, Steps, harness, parser
from screens import cmap, compared, l1000

from ntkfill import screens
from ntkfill.screens.evaluation import charts
from ntkfill.screens.features import OneHot, Stack

CLAIM = "The NTK with the paper's mixture of priors is ahead of DNPP, FaLRTC and cell means in r."

# Only cell lines are alike: the mean over the cell line.
ONE_HOT = Stack(OneHot("cell"), OneHot("drug"))


@dataclass(frozen=True)
class Among:
    """The folds of another splitting, of which only some cell lines are scored."""

    folds: screens.KFold
    what: str
    cells: frozenset[str] = field(repr=False)

    def splits(self, screen: screens.Screen) -> Iterator[screens.Split]:
        scored = np.isin(screen.cells, list(self.cells))
        for split in self.folds.splits(screen):
            if (split.test & scored).any():
                yield screens.Split(split.name, split.test & scored, split.train, split.round)


@dataclass(frozen=True, eq=False)
class Once:
    """A method that predicts all held-out conditions of a fold at once, and remembers them."""

    method: screens.Method
    screen: screens.Screen
    known: dict[bytes, np.ndarray] = field(default_factory=dict, repr=False)

    def predict(self, train: screens.Screen, conditions: np.ndarray) -> np.ndarray:
        names = {tuple(row): k for k, row in enumerate(self.screen.labels.tolist())}
        taken = {tuple(row) for row in train.labels.tolist()}
        key = train.labels.tobytes()
        if key not in self.known:
            out = [k for name, k in names.items() if name not in taken]
            profiles = np.full(self.screen.profiles.shape, np.nan)
            profiles[out] = self.method.predict(train, self.screen.labels[out])
            self.known[key] = profiles
        return self.known[key][[names[tuple(row)] for row in conditions.tolist()]]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cmap", type=Path, help="a folder of the Connectivity Map")
    options = options.parse_args()
    screen = cmap(options.cmap) if options.cmap else l1000()
    of = "_cmap" * bool(options.cmap)
    name = f"paper_figure2{of}" + "_full" * options.full
    cells, counts = np.unique(screen.cells, return_counts=True)
    # The paper's line between few and many drugs; in a small screen, half of the drugs.
    few = min(150, len(np.unique(screen.drugs)) // 2)
    methods = {
        "ntk": screens.paper_mixture(cells[counts.argmax()], screens.FaLRTC(), few),
        "ntk, one-hot drugs": screens.NTK(ONE_HOT),
        "ntk, DNPP": screens.NTK(screens.Imputation(screens.DNPP()), ridge=0.1, centre=None),
        "ntk, our default": screens.NTK(),
        "DNPP": screens.DNPP(),
        "FaLRTC": screens.FaLRTC(),
        "cell mean": screens.CellMean(),
    }
    once = {name: Once(method, screen) for name, method in methods.items()}
    axes = plt.figure(figsize=(6, 5)).gca()
    charts.availability(axes, screen)
    plt.savefig(PICTURES / f"paper_availability{of}.png", dpi=70, bbox_inches="tight")
    rounds = 5 if options.full else 1
    steps = Steps(name, options.again)
    figures = {"screen": repr(screen), "rounds": rounds, "dense": f"at least {few} drugs"}
    folds = screens.KFold(10, rounds)
    splittings = {
        "all": Among(folds, "all cell lines", frozenset(cells)),
        "dense": Among(folds, "with many drugs", frozenset(cells[counts >= few])),
        "sparse": Among(folds, "with few drugs", frozenset(cells[counts < few])),
        "three drugs": screens.Sparse(3, rounds=2 * rounds),
    }
    for regime, splitting in splittings.items():
        figures[regime] = compared(screen, once, splitting, run=steps.run)
    tests = figures["all"]["ntk_against"]
    holds = all(tests[name]["r"]["difference"] > 0 for name in ("DNPP", "FaLRTC", "cell mean"))
    harness.write(name, CLAIM, figures, bool(holds))


if __name__ == "__main__":
    main()
