"""The report's pictures: SVG and PNG inside the page."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from ...kernels.table import Array
from ..screen import Screen

# Blue, orange, green, red, purple, brown, pink, grey: told apart by most eyes.
COLOURS = ("#2166ac", "#e08214", "#1b7837", "#b2182b", "#762a83", "#8c510a", "#c51b7d", "#555555")
MEASURED, ABSENT = (33, 102, 172), (236, 238, 242)
MOST_CONTEXTS = 60


def availability(screen: Screen) -> str:
    """Which pairs of context (rows) and drug (columns) were measured, the fullest first.

    Examples
    --------
    >>> availability(Screen([[1.0]], [["A", "x"]], ["g"]))[:32]
    '<img alt="1 of 1 pairs measured,'
    """
    rows, row = np.unique(screen.contexts, return_inverse=True)
    columns, column = np.unique(screen.drugs, return_inverse=True)
    known = np.zeros((len(rows), len(columns)), dtype=bool)
    known[row[screen.measured], column[screen.measured]] = True
    known = known[np.argsort(-known.sum(axis=1), kind="stable")]
    known = known[:, np.argsort(-known.sum(axis=0), kind="stable")]
    pixels = np.array([ABSENT, MEASURED], dtype=np.uint8)[known.astype(np.intp)]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    width = min(900, max(240, 12 * len(columns)))
    height = min(480, max(60, 12 * len(rows)))
    return (
        f'<img alt="{known.sum()} of {known.size} pairs measured, cell lines down, drugs across" '
        f'style="width:{width}px;height:{height}px;image-rendering:pixelated" '
        f'src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
        f"<p><small>Rows: {len(rows)} cell lines, columns: {len(columns)} drugs; "
        "blue: measured.</small></p>"
    )


def by_context(values: Mapping[str, Mapping[str, float | None]], methods: Sequence[str]) -> str:
    """A row of dots per context, one dot per method.

    Examples
    --------
    >>> by_context({"A": {"cell": 0.0, "ntk": 0.5}}, ["cell", "ntk"]).count("<circle")
    4
    """
    shown = list(values.items())[:MOST_CONTEXTS]
    every = [x for _, of in shown for x in of.values() if x is not None] or [0.0]
    low, high = min(0.0, *every) - 0.02, max(*every, 0.1) + 0.02
    left, width, step, top = 190, 560, 18, 34
    height = top + step * len(shown) + 26

    def across(value: float) -> float:
        return left + width * (value - low) / (high - low)

    parts = [_legend(methods, left)]
    for tick in np.linspace(np.ceil(low * 10) / 10, np.floor(high * 10) / 10, 5):
        x = across(float(tick))
        parts.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{top}' y2='{height - 20}' stroke='#e4e4e8'/>"
            f"<text x='{x:.1f}' y='{height - 5}' text-anchor='middle'>{tick:.2f}</text>"
        )
    for k, (context, of) in enumerate(shown):
        y = top + step * (k + 0.5)
        parts.append(
            f"<text x='{left - 8}' y='{y + 4:.1f}' text-anchor='end'>{html.escape(context)}</text>"
        )
        for colour, name in enumerate(methods):
            value = of[name]
            if value is not None:
                parts.append(_dot(across(value), y, colour, f"{context}, {name}: {value:.3f}"))
    more = len(values) - len(shown)
    after = f"<p><small>{more} more are in the JSON file.</small></p>" if more else ""
    return _svg(left + width + 20, height, parts) + after


def density(truth: Array, predicted: Array, bins: int = 56) -> str:
    """How many values lie where, predicted over measured, with the diagonal.

    Examples
    --------
    >>> density(np.array([0.0, 1.0]), np.array([0.0, 1.0]), bins=4).count("<rect")
    2
    """
    both = np.concatenate([truth.ravel(), predicted.ravel()])
    low, high = np.quantile(both, [0.001, 0.999])
    if high <= low:
        low, high = low - 1, high + 1
    edges = np.linspace(low, high, bins + 1)
    counts, _, _ = np.histogram2d(
        np.clip(truth.ravel(), low, high), np.clip(predicted.ravel(), low, high), [edges, edges]
    )
    left, size = 60, 420
    cell = size / bins
    most = np.log1p(counts.max())
    parts = [
        f"<rect x='{left + i * cell:.2f}' y='{10 + size - (j + 1) * cell:.2f}' "
        f"width='{cell:.2f}' height='{cell:.2f}' fill='#2166ac' "
        f"fill-opacity='{np.log1p(counts[i, j]) / most:.2f}'/>"
        for i, j in np.argwhere(counts > 0)
    ]
    parts.append(
        f"<line x1='{left}' y1='{10 + size}' x2='{left + size}' y2='10' stroke='#b2182b'/>"
    )
    for value, share in ((low, 0.0), (high, 1.0)):
        parts.append(
            f"<text x='{left + share * size:.0f}' y='{size + 28}' text-anchor='middle'>"
            f"{value:.2g}</text><text x='{left - 6}' y='{14 + (1 - share) * size:.0f}' "
            f"text-anchor='end'>{value:.2g}</text>"
        )
    parts.append(
        f"<text x='{left + size / 2}' y='{size + 44}' text-anchor='middle'>measured</text>"
    )
    parts.append(f"<text x='6' y='{size / 2}'>predicted</text>")
    return _svg(left + size + 20, size + 50, parts)


def _legend(methods: Sequence[str], left: int) -> str:
    parts, x = [], left
    for colour, name in enumerate(methods):
        parts.append(_dot(x, 12, colour, name))
        parts.append(f"<text x='{x + 9}' y='16'>{html.escape(name)}</text>")
        x += 24 + 7 * len(name)
    return "".join(parts)


def _dot(x: float, y: float, colour: int, title: str) -> str:
    return (
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='{COLOURS[colour % len(COLOURS)]}' "
        f"fill-opacity='.85'><title>{html.escape(title)}</title></circle>"
    )


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' font-size='12' role='img'>{''.join(parts)}</svg>"
    )
