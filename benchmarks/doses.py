"""TG-GATEs with a dose or a time hidden whole: contexts as numbers, as names, and interpolation.

The three doses of a drug are in the ratio 1 : 5 : 25 (Igarashi et al. 2015,
doi:10.1093/nar/gku955). Nothing was chosen on these data.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import screens as shared
from harness import write

from ntkfill.screens import (
    NTK,
    Additive,
    CellMean,
    ColdStart,
    Interpolation,
    MatrixNormal,
    evaluate,
)
from ntkfill.screens.evaluation.metrics import SCORES
from ntkfill.screens.evaluation.splits import LeaveOneOut

CLAIM = (
    "With a dose or a time hidden whole, doses and times as numbers are ahead of the same method "
    "with doses and times as names and of interpolation, in the mean of every score."
)
DOSES = {"Low": "1", "Middle": "5", "High": "25"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="30 drugs; nothing is written")
    parser.add_argument("--data", type=Path, default=shared.DATA, help="folder of the screens")
    options = parser.parse_args()
    shared.DATA = options.data
    screen = shared.tggates()
    labels = screen.labels.copy()
    labels[:, 2] = [DOSES[dose] for dose in labels[:, 2]]
    screen = replace(screen, labels=labels)
    if options.quick:
        screen = screen.take(np.isin(screen.drugs, np.unique(screen.drugs)[:30]))
    figures: dict[str, Any] = {}
    for field in ("dose", "time"):
        methods = {
            "numbers": ColdStart(),
            "names": ColdStart(NTK(MatrixNormal(numeric=False))),
            "interpolation": Interpolation(),
            "cell + drug sums": Additive(),
            "cell mean": CellMean(),
        }
        found = evaluate(screen, methods, LeaveOneOut(field))
        figures[field] = {
            name: {s: None if v != v else round(v, 4) for s, v in found.mean(name).items()}
            for name in methods
        }
        print(field, figures[field], flush=True)
    signs = {score: -1 if score == "rank" else 1 for score in SCORES}
    holds = all(
        sign * of["numbers"][score] > sign * of[name][score]
        for of in figures.values()
        for name in ("names", "interpolation")
        for score, sign in signs.items()
    )
    write("doses", CLAIM, figures, holds, options.quick)


if __name__ == "__main__":
    main()
