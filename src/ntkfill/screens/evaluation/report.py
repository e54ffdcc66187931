"""A report of an evaluation: one HTML file that needs nothing else, and its numbers as JSON."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...io.files import check_target, replacing
from ..screen import Screen
from . import charts as drawings
from . import scores
from .protocol import Evaluation

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1f; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
td.best { font-weight: 700 } small { color: #66666e } h2 { margin-top: 2.2rem }
img, svg { max-width: 100%; height: auto } .wide { overflow-x: auto }
"""


def figures(screen: Screen, evaluation: Evaluation) -> dict[str, Any]:
    """Everything that the report shows, as plain numbers for JSON.

    Examples
    --------
    >>> from ntkfill.screens import CellMean, KFold, evaluate, simulate
    >>> made = simulate(cells=3, drugs=6, genes=8)
    >>> result = evaluate(made.screen, {"cell": CellMean()}, KFold(3, rounds=1))
    >>> sorted(figures(made.screen, result))
    ['best', 'by_context', 'folds', 'methods', 'paired', 'screen']
    """
    best = best_method(evaluation)
    known = screen.known
    return {
        "screen": {
            "conditions": len(screen.pairs()),
            "measured": len(known),
            "genes": len(screen.genes),
            "contexts": len(np.unique(screen.contexts)),
            "drugs": len(np.unique(screen.drugs)),
        },
        "folds": len(evaluation.folds),
        "best": best,
        "methods": {name: _method(evaluation, name) for name in evaluation.methods},
        "paired": {
            name: {
                score: {"difference": p.difference, "wins": p.wins, "folds": p.folds, "p": p.p}
                for score, p in evaluation.against(best, name).items()
            }
            for name in evaluation.methods
            if name != best
        },
        "by_context": {
            context: {
                name: None if np.isnan(value) else float(value)
                for name, value in zip(evaluation.methods, column, strict=True)
            }
            for context, column in zip(evaluation.contexts, evaluation.by_context.T, strict=True)
        },
    }


def best_method(evaluation: Evaluation) -> str:
    """The method that is first in most scores; of equals, the one with the greater pooled r."""
    means = evaluation.scores.mean(axis=1) * [-1 if s == "rank" else 1 for s in scores.SCORES]
    firsts = (means == means.max(axis=0)).sum(axis=1)
    order = sorted(range(len(means)), key=lambda k: (-firsts[k], -means[k, 0]))
    return evaluation.methods[order[0]]


def write(path: Path, screen: Screen, evaluation: Evaluation, note: str = "") -> dict[str, Any]:
    """Write the report to `path` and its numbers beside it, as .json; returns the numbers.

    Parameters
    ----------
    path : Path
        A name that ends in .html.
    screen : Screen
    evaluation : Evaluation
        Of this screen.
    note : str
        Said first, e.g. that the data are simulated.

    Raises
    ------
    InputError
        If the name does not end in .html or the folder is not there.
    """
    check(path)
    numbers = figures(screen, evaluation)
    page = document(screen, evaluation, numbers, note)
    with replacing(path) as file:
        file.write_text(page, encoding="utf-8")
    with replacing(numbers_of(path)) as file:
        file.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return numbers


def check(path: Path) -> None:
    """Refuse, before any work, a report that could not be written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path} is no name for a report", expected="a name ending in .html")
    for each in (path, numbers_of(path)):
        check_target(each)


def numbers_of(path: Path) -> Path:
    """Where the numbers of a report go."""
    return path.with_suffix(".json")


def document(
    screen: Screen, evaluation: Evaluation, numbers: dict[str, Any], note: str = ""
) -> str:
    """The whole page."""
    size, best = numbers["screen"], numbers["best"]
    truth, predicted = evaluation.shown[evaluation.methods.index(best)]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'><title>Drug screen</title>",
        f"<style>{STYLE}</style></head><body><h1>Drug screen: held-out predictions</h1>",
        f"<p><strong>{html.escape(note)}</strong></p>" if note else "",
        f"<p>{size['measured']:,} of {size['conditions']:,} conditions measured: "
        f"{size['contexts']} cell lines (with dose and time, where labelled), {size['drugs']:,} "
        f"drugs, {size['genes']:,} genes. {numbers['folds']} folds.</p>",
        "<h2>What was measured</h2>",
        drawings.availability(screen),
        "<h2>Scores</h2><div class='wide'>",
        _score_table(numbers),
        "</div><p><small>Mean over folds, with the 95 % interval corrected for the overlap of "
        "training sets. Rank: the share of the measured profiles of the same cell line that are "
        "nearer to the prediction than the true one; 0.5 is chance.</small></p>",
        f"<h2>{html.escape(best)} against the others</h2><div class='wide'>",
        _paired_table(numbers),
        "</div><p><small>Mean difference, folds won, and p of the paired t test with the same "
        "correction.</small></p>",
        "<h2>By cell line</h2><p>Mean cosine of held-out profiles, cell mean removed.</p>",
        drawings.by_context(numbers["by_context"], evaluation.methods),
        f"<h2>Predicted against measured: {html.escape(best)}</h2>",
        f"<p>Every value held out in the first fold ({truth.size:,}).</p>",
        drawings.density(truth, predicted),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _method(evaluation: Evaluation, name: str) -> dict[str, Any]:
    column = evaluation.scores[evaluation.methods.index(name)]
    return {
        score: {
            "mean": float(column[:, k].mean()),
            "interval": list(scores.interval(column[:, k], evaluation.overlap)),
            "folds": column[:, k].tolist(),
        }
        for k, score in enumerate(scores.SCORES)
    }


def _score_table(numbers: dict[str, Any]) -> str:
    methods = numbers["methods"]
    head = "".join(f"<th>{html.escape(scores.LABELS[score])}</th>" for score in scores.SCORES)
    rows = []
    for name, of in methods.items():
        cells = []
        for score in scores.SCORES:
            every = [other[score]["mean"] for other in methods.values()]
            top = min(every) if score == "rank" else max(every)
            low, high = of[score]["interval"]
            kind = " class='best'" if of[score]["mean"] == top else ""
            cells.append(
                f"<td{kind}>{of[score]['mean']:.3f}<br><small>{low:.3f} to {high:.3f}</small></td>"
            )
        rows.append(f"<tr><td>{html.escape(name)}</td>{''.join(cells)}</tr>")
    return f"<table><tr><th>method</th>{head}</tr>{''.join(rows)}</table>"


def _paired_table(numbers: dict[str, Any]) -> str:
    if not numbers["paired"]:
        return "<p>There is one method only.</p>"
    head = "".join(f"<th>{html.escape(scores.LABELS[score])}</th>" for score in scores.SCORES)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(
            f"<td>{of[score]['difference']:+.3f}<br><small>{of[score]['wins']} of "
            f"{of[score]['folds']} won, p = {of[score]['p']:.1g}</small></td>"
            for score in scores.SCORES
        )
        + "</tr>"
        for name, of in numbers["paired"].items()
    )
    return f"<table><tr><th>against</th>{head}</tr>{rows}</table>"
