"""Charts of an evaluation, drawn with matplotlib on given axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...kernels.table import Array
from ..screen import Screen


def availability(axes: Any, screen: Screen) -> None:
    """Which pairs of context (rows) and drug (columns) were measured, the fullest first."""
    rows, row = np.unique(screen.contexts, return_inverse=True)
    columns, column = np.unique(screen.drugs, return_inverse=True)
    known = np.zeros((len(rows), len(columns)))
    known[row[screen.measured], column[screen.measured]] = 1
    known = known[np.argsort(-known.sum(axis=1), kind="stable")]
    known = known[:, np.argsort(-known.sum(axis=0), kind="stable")]
    axes.imshow(known, cmap="Blues", vmin=-0.1, vmax=1.4, aspect="auto", interpolation="nearest")
    axes.set(xlabel=f"{len(columns)} drugs", ylabel=f"{len(rows)} cell lines", xticks=[], yticks=[])
    axes.set_title(f"blue: measured, {int(known.sum()):,} of {known.size:,}")


def by_context(
    axes: Any, values: Mapping[str, Mapping[str, float | None]], methods: Sequence[str]
) -> None:
    """A row of dots per context, one dot per method."""
    places = np.arange(len(values))
    for method in methods:
        # None where there is no value, which is not drawn.
        axes.plot(
            np.array([scores[method] for scores in values.values()], dtype=float),
            places,
            "o",
            alpha=0.85,
            label=method,
        )
    axes.set_yticks(places, list(values), parse_math=False)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.grid(axis="x", color="#e4e4e8")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)


def density(axes: Any, truth: Array, predicted: Array, bins: int = 56) -> None:
    """The number of values at each measured and predicted value, with the diagonal."""
    low, high = np.quantile(np.concatenate([truth.ravel(), predicted.ravel()]), [0.001, 0.999])
    if high <= low:
        low, high = low - 1, high + 1
    edges = np.linspace(low, high, bins + 1)
    measured, estimate = (np.clip(values.ravel(), low, high) for values in (truth, predicted))
    counts = np.histogram2d(measured, estimate, [edges, edges])[0]
    axes.imshow(np.log1p(counts.T), cmap="Blues", origin="lower", extent=(low, high, low, high))
    axes.plot([low, high], [low, high], color="#b2182b", linewidth=1)
    axes.set(xlabel="measured", ylabel="predicted")
