"""The report of an evaluation: one HTML file that needs nothing else, and its numbers as JSON."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...io.files import check_target, replacing
from ...io.text_tables import as_text
from ..screen import Screen
from ..uncertainty import Cover
from . import charts
from .cross_validation import PROFILE_SCORES, Evaluation, Regime
from .metrics import LABELS, SCORES, mean_interval, paired_test

MAX_CONTEXTS = 60


def figures(screen: Screen, evaluation: Evaluation, covers: Sequence[Cover] = ()) -> dict[str, Any]:
    """All numbers of the report, for JSON; `covers` are those of `calibration`.

    Examples
    --------
    >>> from ntkfill.screens import CellMean, KFold, evaluate, simulate
    >>> made = simulate(cells=3, drugs=6, genes=8)
    >>> result = evaluate(made.screen, {"cell": CellMean()}, KFold(3, rounds=1))
    >>> sorted(figures(made.screen, result))
    ['best', 'by_context', 'calibration', 'folds', 'methods', 'paired', 'regimes', 'screen']
    """
    methods, best = evaluation.methods, best_method(evaluation)
    return {
        "screen": {
            "conditions": len(screen.pairs()),
            "measured": len(screen.known),
            "genes": len(screen.genes),
            "contexts": len(np.unique(screen.contexts)),
            "drugs": len(np.unique(screen.drugs)),
        },
        "folds": len(evaluation.folds),
        "best": best,
        "methods": {
            name: {
                score: {
                    "mean": _number(evaluation.mean(name)[score]),
                    "interval": [*map(_number, mean_interval(folds, evaluation.overlap))],
                    "folds": [*map(_number, folds)],
                }
                for score, folds in zip(SCORES, scores.T, strict=True)
            }
            for name, scores in zip(methods, evaluation.scores, strict=True)
        },
        "paired": {
            name: {
                score: vars(test) | {"difference": _number(test.difference), "p": _number(test.p)}
                for score, test in evaluation.against(best, name).items()
            }
            for name in methods
            if name != best
        },
        "by_context": {
            context: {name: _number(value) for name, value in zip(methods, values, strict=True)}
            for context, values in zip(
                evaluation.contexts, evaluation.by_context[..., -1].T, strict=True
            )
        },
        "regimes": {
            name: _regime(regime, methods, methods.index(best))
            for name, regime in evaluation.regimes().items()
        },
        "calibration": [asdict(cover) for cover in covers],
    }


def _regime(regime: Regime, methods: Sequence[str], best: int) -> dict[str, Any]:
    """Scores of the methods in sparse or dense contexts, and the best one against the others."""
    found: dict[str, Any] = {"conditions": regime.conditions, "contexts": regime.contexts}
    found["methods"] = {
        name: dict(zip(PROFILE_SCORES, map(_number, values.tolist()), strict=True))
        for name, values in zip(methods, regime.means, strict=True)
    }
    # A context is one draw: the conditions of one share what is known of it.
    found["p"] = {
        name: {
            score: _number(paired_test(regime.by_context[best, :, k], values[:, k]).p)
            for k, score in enumerate(PROFILE_SCORES)
        }
        for name, values in zip(methods, regime.by_context, strict=True)
        if name != methods[best]
    }
    return found


def best_method(evaluation: Evaluation) -> str:
    """The method that is first in most scores; of equals, the one with the greater pooled r."""
    means = evaluation.means * [-1 if s == "rank" else 1 for s in SCORES]
    means = np.where(np.isnan(means), -np.inf, means)  # undefined is never first
    firsts = (means == means.max(axis=0)).sum(axis=1)
    r = means[:, SCORES.index("r")]
    order = sorted(range(len(means)), key=lambda k: (-firsts[k], -r[k]))
    return evaluation.methods[order[0]]


def _number(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return None if np.isnan(value) else float(value)


def can_render() -> bool:
    """Whether the packages are installed that the HTML file needs."""
    return all(importlib.util.find_spec(name) for name in ("jinja2", "matplotlib"))


def check(path: Path) -> None:
    """Refuse, before any work, a report that could not be written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path} cannot be a report", expected="a name ending in .html")
    if not can_render():
        raise InputError(
            "a report needs the packages jinja2 and matplotlib",
            hint="pip install 'ntkfill[screens]'",
        )
    for each in (path, numbers_path(path)):
        check_target(each)


def numbers_path(path: Path) -> Path:
    """The JSON file beside a report."""
    return path.with_suffix(".json")


def write(
    path: Path,
    screen: Screen,
    evaluation: Evaluation,
    note: str = "",
    covers: Sequence[Cover] = (),
) -> dict[str, Any]:
    """Write the report to `path` and its numbers beside it, as .json; returns the numbers."""
    check(path)
    numbers = figures(screen, evaluation, covers)
    page = render(screen, evaluation, numbers, note)
    with replacing(path) as file:
        file.write_text(page, encoding="utf-8")
    with replacing(numbers_path(path)) as file:
        file.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return numbers


def render(screen: Screen, evaluation: Evaluation, numbers: dict[str, Any], note: str = "") -> str:
    """The whole page; `note` comes first, e.g. that the data are simulated."""
    import jinja2

    methods, best = numbers["methods"], numbers["best"]
    means = {score: {name: of[score]["mean"] for name, of in methods.items()} for score in SCORES}
    top: dict[str, float | None] = {}
    for score, of in means.items():
        defined = [value for value in of.values() if value is not None]
        top[score] = (min if score == "rank" else max)(defined, default=None)
    truth, predicted = evaluation.first_fold[evaluation.methods.index(best)]
    shown = dict(list(numbers["by_context"].items())[:MAX_CONTEXTS])
    contexts, drugs = numbers["screen"]["contexts"], numbers["screen"]["drugs"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        finalize=as_text,
    )
    return environment.get_template("report.html").render(
        **numbers,
        note=note,
        labels=LABELS,
        profile_scores=PROFILE_SCORES,
        first={
            s: [name for name in of if of[name] is not None and of[name] == top[s]]
            for s, of in means.items()
        },
        values=truth.size,
        omitted=len(numbers["by_context"]) - len(shown),
        charts={
            "availability": _svg(
                lambda axes: charts.availability(axes, screen),
                np.clip(0.12 * drugs, 3, 9),
                np.clip(0.12 * contexts, 1, 5),
            ),
            "by_context": _svg(
                lambda axes: charts.by_context(axes, shown, evaluation.methods),
                8,
                1 + 0.2 * len(shown),
            ),
            "density": _svg(lambda axes: charts.density(axes, truth, predicted), 5, 5),
        },
    )


def _svg(draw: Callable[[Any], None], width: float, height: float) -> Any:
    """A chart of so many inches as an SVG element, with its text as text."""
    import matplotlib
    from markupsafe import Markup
    from matplotlib.figure import Figure

    figure, file = Figure(figsize=(width, height), layout="constrained"), io.StringIO()
    draw(figure.subplots())
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ntkfill"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return Markup(text[text.index("<svg") :])
