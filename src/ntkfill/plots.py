"""Pictures of kernels and weights, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .explanation import Explanation
from .kernels.table import Array
from .nn.architectures import hourglass
from .nn.evaluate import Kind
from .priors import IID, Features, MeshGrid, Prior

Rgb = NDArray[np.uint8]

# From black through purple and orange to a pale yellow: rises evenly in lightness.
RISING = np.array(
    [[0, 0, 8], [60, 15, 110], [150, 45, 125], [230, 90, 85], [252, 170, 80], [252, 250, 200]]
)
# Blue below zero, white at zero, red above.
SIGNED = np.array([[20, 60, 150], [110, 160, 215], [250, 250, 250], [225, 120, 95], [150, 15, 35]])
MARGIN, CAPTION = 12, 22


def rising(values: Array) -> Rgb:
    """Colours for values from their least to their greatest.

    Examples
    --------
    >>> rising(np.array([[0.0, 1.0]])).tolist()
    [[[0, 0, 8], [252, 250, 200]]]
    """
    low, high = float(values.min()), float(values.max())
    return _coloured((values - low) / (high - low if high > low else 1.0), RISING)


def signed(values: Array, saturated: float = 0.0) -> Rgb:
    """Colours for values around zero; the largest share `saturated` of them get the full colour.

    Examples
    --------
    >>> signed(np.array([[-1.0, 0.0, 1.0]])).tolist()
    [[[20, 60, 150], [250, 250, 250], [150, 15, 35]]]
    """
    bound = float(np.quantile(np.abs(values), 1.0 - saturated))
    return _coloured(0.5 + 0.5 * values / (bound if bound > 0 else 1.0), SIGNED)


def kernel_maps(
    levels: Sequence[int] = (1, 2, 3, 4),
    priors: Mapping[str, Prior] | None = None,
    *,
    side: int = 32,
    at: tuple[int, int] | None = None,
    kind: Kind = "ntk",
) -> Rgb:
    """Kernel rows of one pixel over depths and priors: Figure 4 of Radhakrishnan et al. 2022.

    Parameters
    ----------
    levels : sequence of int
        Of `ntkfill.nn.hourglass`; one column each.
    priors : mapping from name to Prior, optional
        One row each. The default is i.i.d., mesh grid and identity.
    side : int
        Of the grid, divisible by 2**levels.
    at : tuple of int, optional
        The pixel; a little off the middle where it is not given.
    kind : {"ntk", "nngp"}

    Returns
    -------
    uint8 array of shape (height, width, 3)

    Examples
    --------
    >>> kernel_maps((1,), {"i.i.d.": IID()}, side=8).shape
    (302, 280, 3)
    """
    if priors is None:
        priors = {
            "i.i.d.": IID(),
            "mesh grid": MeshGrid(),
            "identity": Features(np.eye(side)[None]),
        }
    at = (side * 3 // 8, side * 5 // 8) if at is None else at
    flat, every = np.array([at[0] * side + at[1]]), np.arange(side * side)
    strips = []
    for name, prior in priors.items():
        rows = [
            hourglass(depth).kernel((side, side), prior, kind=kind).block(flat, every)
            for depth in levels
        ]
        panels = [marked(rising(row.reshape(side, side)), at) for row in rows]
        strips.append(side_by_side(panels, [f"{name}, {depth} levels" for depth in levels]))
    return np.concatenate(strips)


def explained(told: Explanation, shape: tuple[int, int], names: Sequence[str] = ()) -> Rgb:
    """What an entry is made of, over the picture or table: kernel (where there is one) and weights.

    Parameters
    ----------
    told : Explanation
        Of two axes.
    shape : tuple of int
        Of the picture or table.
    names : sequence of str, optional
        Row and column labels of the entry, for the caption.

    Returns
    -------
    uint8 array of shape (height, width, 3)

    Examples
    --------
    >>> told = Explanation((1, 1), np.array([[0, 1]]), np.ones(1), np.ones(1), 1.0)
    >>> explained(told, (4, 8)).shape
    (174, 280, 3)
    """
    entry = ", ".join(names or map(str, told.at))
    pair = (told.at[0], told.at[1])
    share = told.spread(shape)
    panels = [marked(signed(np.sign(share) * np.sqrt(np.abs(share)), 0.002), pair)]
    captions = [f"weights in {entry} (square root): {share.min():.2g} to {share.max():.2g}"]
    if told.kernel is not None:
        row = told.spread(shape, kernel=True)
        panels.insert(0, marked(rising(row), pair))
        captions.insert(0, f"kernel between {entry} and what is known")
    return side_by_side(panels, captions)


def side_by_side(panels: Sequence[Rgb], captions: Sequence[str], *, least: int = 256) -> Rgb:
    """One picture of several, each with a caption above; small ones are enlarged.

    Parameters
    ----------
    panels : sequence of uint8 arrays of shape (height, width, 3)
    captions : sequence of str
    least : int
        Panels narrower than this many pixels are magnified by a whole number.

    Examples
    --------
    >>> side_by_side([np.zeros((4, 8, 3), np.uint8)], ["black"]).shape
    (174, 280, 3)
    """
    scaled = [_magnified(panel, least) for panel in panels]
    height = max(panel.shape[0] for panel in scaled)
    width = sum(panel.shape[1] + MARGIN for panel in scaled) + MARGIN
    canvas = Image.new("RGB", (width, height + CAPTION + 2 * MARGIN), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    left = MARGIN
    for panel, caption in zip(scaled, captions, strict=True):
        draw.text((left, MARGIN), caption, fill=(20, 20, 20))
        canvas.paste(Image.fromarray(panel), (left, MARGIN + CAPTION))
        left += panel.shape[1] + MARGIN
    return np.asarray(canvas)


def marked(panel: Rgb, at: tuple[int, int]) -> Rgb:
    """A small cross of lines around one pixel, which itself stays as it is.

    Examples
    --------
    >>> marked(np.zeros((9, 9, 3), np.uint8), (4, 4))[4, 4].tolist()
    [0, 0, 0]
    """
    result = panel.copy()
    row, column = at
    arm = max(3, min(panel.shape[:2]) // 40)
    colour = np.array([0, 230, 120], np.uint8)
    for reach in range(2, 2 + arm):
        for r, c in (
            (row - reach, column),
            (row + reach, column),
            (row, column - reach),
            (row, column + reach),
        ):
            if 0 <= r < panel.shape[0] and 0 <= c < panel.shape[1]:
                result[r, c] = colour
    return result


def as_rgb(image: NDArray[np.generic]) -> Rgb:
    """Any two-dimensional picture, grey or with channels last, as 8-bit colours."""
    array = np.asarray(image, dtype=np.float64)
    if image.dtype == np.uint8:
        array = array / 255
    else:
        low, high = np.nanmin(array), np.nanmax(array)
        array = (array - low) / (high - low if high > low else 1.0)
    array = np.nan_to_num(array)
    if array.ndim == 2 or array.shape[-1] not in (3, 4):
        array = (array if array.ndim == 2 else array[..., 0])[..., None].repeat(3, axis=-1)
    return np.rint(255 * array[..., :3]).astype(np.uint8)


def _coloured(share: Array, anchors: NDArray[np.integer]) -> Rgb:
    places = np.linspace(0.0, 1.0, len(anchors))
    colours = [np.interp(share, places, anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(colours, axis=-1)).astype(np.uint8)


def _magnified(panel: Rgb, least: int) -> Rgb:
    times = max(1, -(-least // panel.shape[1]))
    return panel.repeat(times, axis=0).repeat(times, axis=1)
