"""Drug screens: what a worker does with them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..io import text_tables
from ..io.files import replacing
from .jobs import Figures

Report = Callable[[Figures], None]

FOLDS = 5  # at most; no more than there are drugs
SHOWN = 200  # drugs of a ranking; the file has all


def is_screen(source: Path, report: Report) -> Figures:
    """Whether a table has columns of cells and drugs."""
    from ..screens.io.reading import ALIASES

    if source.suffix.lower() in text_tables.DELIMITERS:
        with source.open("rb") as file:
            line = file.readline(1_000_000).decode("utf-8-sig", "replace")
        found = re.split("[,\t;]", line)
    else:
        found = text_tables.read(source).names
    names = {str(name).lower().strip(' \r\n"') for name in found}
    return {"screen": bool(names & set(ALIASES["cell"]) and names & set(ALIASES["drug"]))}


def open_screen(folder: Path, source: Path, report: Report) -> Figures:
    """Read a screen, and where it was measured."""
    from .. import screens

    screen = screens.read(source, replicates="mean")
    rows, row = np.unique(screen.contexts, return_inverse=True)
    columns, column = np.unique(screen.drugs, return_inverse=True)
    known = np.zeros((len(rows), len(columns)), bool)
    known[row[screen.measured], column[screen.measured]] = True
    down = np.argsort(-known.sum(axis=1), kind="stable")
    across = np.argsort(-known.sum(axis=0), kind="stable")
    availability = {
        "cells": rows[down].tolist(),
        "drugs": columns[across].tolist(),
        "measured": ["".join("01"[k] for k in line) for line in known[down][:, across].tolist()],
    }
    with replacing(folder / "availability.json") as file:
        file.write_text(json.dumps(availability), encoding="utf-8")
    return {
        "genes": len(screen.genes),
        "cells": len(rows),
        "drugs": len(columns),
        "measured": int(known.sum()),
        "pairs": known.size,
        "suffix": source.suffix.lower(),
        "signature": (folder / "signature.csv").exists(),
    }


def complete(folder: Path, source: Path, report: Report) -> Figures:
    """Predict every pair that was not measured."""
    from ..screens.io import writing

    done = _completed(source)
    writing.write(folder / "completed.csv", done)
    predicted = int((~done.info.measured).sum())
    return {"predicted": predicted, "conditions": len(done.info.measured)}


def evaluate(folder: Path, source: Path, report: Report) -> Figures:
    """Hold out a fifth of what was measured, five times, and score what is predicted."""
    from .. import screens
    from ..screens.evaluation import metrics
    from ..screens.evaluation import report as reports

    screen = screens.read(source, replicates="mean")
    methods: dict[str, Any] = {
        "NTK": screens.ColdStart(),
        "DNPP": screens.DNPP(),
        "additive": screens.Additive(),
        "cell mean": screens.CellMean(),
    }
    evaluation = screens.evaluate(
        screen, methods, screens.KFold(folds(len(np.unique(screen.drugs))), rounds=1),
        lambda share: report({"progress": round(share, 3)}),
    )  # fmt: skip
    figures = reports.figures(screen, evaluation)
    rendered = reports.can_render()
    if rendered:
        reports.write(folder / "report.html", screen, evaluation)
    scores = {
        name: {score: value["mean"] for score, value in of.items()}
        for name, of in figures["methods"].items()
    }
    return {
        "folds": figures["folds"],
        "best": figures["best"],
        "scores": scores,
        "labels": metrics.LABELS,
        "report": rendered,
    }


def folds(drugs: int) -> int:
    """Into how many parts the drugs of a screen are taken."""
    return min(FOLDS, max(2, drugs))


def rank(folder: Path, source: Path, signature: Path, report: Report) -> Figures:
    """Order drugs by how much they reverse a signature."""
    from .. import screens
    from ..screens import ranking

    changes = screens.read_signature(signature)
    ranked = screens.rank(_completed(source), changes)
    text_tables.write(folder / "ranked.csv", ranking.as_table(ranked))
    drugs = [asdict(drug) for drug in ranked.drugs]
    figures = {"genes": ranked.genes, "absent": ranked.absent, "count": len(drugs)}
    return figures | {"drugs": drugs[:SHOWN]}


def write_example(target: Path, report: Report) -> Figures:
    """A simulated screen, and the signature of its disease beside it."""
    from .. import screens

    made = screens.simulate()
    screen = made.screen
    rows = [
        [*labels, *("" if value != value else f"{value:.5g}" for value in profile)]
        for labels, profile in zip(screen.labels.tolist(), screen.profiles.tolist(), strict=True)
    ]
    text_tables.write(target, text_tables.Table([*screen.fields, *screen.genes.tolist()], rows))
    signature = text_tables.Table(["gene", "change"], list(made.signature.items()))
    text_tables.write(target.with_name("signature.csv"), signature)
    return {}


def recipe(name: str, info: Figures) -> dict[str, str]:
    """The command lines and the Python that do the same."""
    file, stem = f"{shlex.quote(name)} --replicates mean", Path(name).stem
    command = (
        f"ntkfill screen evaluate {file} --methods ntk,dnpp,additive,cell-mean "
        f"--folds {folds(info['drugs'])} --rounds 1 --report {shlex.quote(f'{stem}.html')}\n"
        f"ntkfill screen complete {file} -o {shlex.quote(f'{stem}-completed.csv')}\n"
        f"ntkfill screen rank {file} --signature signature.csv"
    )
    code = (
        "from ntkfill import screens\n\n"
        f'screen = screens.read({name!r}, replicates="mean")\n'
        "completed = screens.complete(screen)\n"
        'ranked = screens.rank(completed, screens.read_signature("signature.csv"))\n'
    )
    return {"command": command, "python": code}


def _completed(source: Path) -> Any:
    from .. import screens

    return screens.complete(screens.read(source, replicates="mean"))
