"""Plots of kernels and weights, drawn into matplotlib axes: ``pip install 'ntkfill[plots]'``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, import_package
from .explanation import Explanation
from .nn.architectures import hourglass
from .nn.evaluate import Kind
from .priors import IID, Features, MeshGrid, Prior

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def heatmap(
    values: ArrayLike,
    ax: Axes | None = None,
    *,
    at: tuple[int, int] | None = None,
    signed: bool = False,
    colorbar: bool = True,
) -> Axes:
    """Draw an array over a grid, such as a kernel row or the weights of a pixel.

    Parameters
    ----------
    values : array of shape (height, width)
        NaN is left blank.
    ax : matplotlib Axes, optional
        Where to draw; the default is the current axes.
    at : tuple of int, optional
        A pixel to mark, as row and column.
    signed : bool
        Colours around zero, blue below and red above, on a square-root scale, so that small weights
        are seen beside large ones; otherwise one scale from the smallest to the largest value.
    colorbar : bool

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If the values do not have two axes, or matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import ntkfill
    >>> mask = np.zeros((16, 16), bool)
    >>> mask[4:9, 5:10] = True
    >>> inpainter = ntkfill.Inpainter(ntkfill.nn.hourglass(2)).fit(mask=mask)
    >>> figure, axes = plt.subplots(ncols=2)
    >>> _ = heatmap(inpainter.kernel_row((6, 7)), axes[0], at=(6, 7))
    >>> ax = heatmap(inpainter.weights((6, 7)), axes[1], at=(6, 7), signed=True)
    >>> ax.images[0].get_cmap().name
    'RdBu_r'
    >>> plt.close(figure)
    """
    plt = _pyplot()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise InputError("values must have two axes", got=f"shape {array.shape}")
    ax = plt.gca() if ax is None else ax
    if signed:
        from matplotlib.colors import FuncNorm

        bound = float(np.nanmax(np.abs(array), initial=0.0)) or 1.0
        functions = (lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.sign(x) * x**2)
        image = ax.imshow(array, cmap="RdBu_r", norm=FuncNorm(functions, -bound, bound))
    else:
        image = ax.imshow(array, cmap="magma")
    if at is not None:
        ax.scatter([at[1]], [at[0]], s=60, facecolors="none", edgecolors="limegreen")
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.04)
        if signed:
            bar.set_ticks([-bound, -bound / 9, 0.0, bound / 9, bound])
    return ax


def explanation(
    explained: Explanation,
    shape: tuple[int, int],
    ax: Axes | None = None,
    *,
    kernel: bool = False,
) -> Axes:
    """Draw the weights of a filled entry over the image or table that it is part of.

    Parameters
    ----------
    explained : Explanation
        Of a grid with two axes (`Inpainter.explain`) or of a table (`NTKImputer.explain`).
    shape : tuple of int
        Of the image, without channels, or of the table.
    ax : matplotlib Axes, optional
        Where to draw; the default is the current axes.
    kernel : bool
        Draw the kernel between the entry and the known ones instead of the weights.

    Returns
    -------
    matplotlib Axes
        Missing entries are left blank. Weights of several channels are summed; of their kernels
        the largest is drawn.

    Raises
    ------
    InputError
        If the explanation holds no kernel and one is asked for, is not of two axes, or matplotlib
        is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import ntkfill
    >>> table = np.add.outer(np.arange(12.0), np.arange(4.0))
    >>> table[3, 1] = np.nan
    >>> imputer = ntkfill.NTKImputer(row_features=np.arange(12.0)[:, None]).fit(table)
    >>> explanation(imputer.explain(3, 1), table.shape).get_title()
    'weights in entry (3, 1)'
    >>> plt.close()
    """
    if len(explained.at) != 2 or len(shape) != 2:
        raise InputError(
            "the explanation must be of an image or a table",
            expected="two axes",
            got=f"entry {explained.at} and shape {tuple(shape)}",
        )
    if explained.channels is None:
        spread = explained.as_array(tuple(shape), kernel=kernel)
    else:
        channels = (*shape, int(explained.channels.max()) + 1)
        spread = explained.as_array(channels, kernel=kernel)
        spread = spread.max(axis=-1) if kernel else spread.sum(axis=-1)
    known = np.zeros(shape, dtype=bool)
    known[tuple(explained.coordinates.T)] = True
    spread = np.where(known, spread, np.nan)
    row, column = explained.at
    ax = heatmap(spread, ax, at=(row, column), signed=not kernel)
    ax.set_title(f"{'kernel with' if kernel else 'weights in'} entry ({row}, {column})")
    return ax


def kernel_rows(
    levels: Sequence[int] = (1, 2, 3, 4),
    priors: Mapping[str, Prior] | None = None,
    axes: NDArray[Any] | None = None,
    *,
    side: int = 32,
    at: tuple[int, int] | None = None,
    kind: Kind = "ntk",
) -> NDArray[Any]:
    """Draw kernel rows of one pixel over depths and priors.

    This is Figure 4 of Radhakrishnan et al. (2022, doi:10.1073/pnas.2115064119).

    Parameters
    ----------
    levels : sequence of int
        Of `ntkfill.nn.hourglass`; one column each.
    priors : mapping from name to Prior, optional
        One row each. The default is i.i.d., mesh grid and identity.
    axes : array of matplotlib Axes of shape (len(priors), len(levels)), optional
        Where to draw; the default is a new figure.
    side : int
        Of the grid, divisible by 2**levels.
    at : tuple of int, optional
        The pixel; by default a little off the middle.
    kind : {"ntk", "nngp"}

    Returns
    -------
    array of matplotlib Axes of shape (len(priors), len(levels))

    Raises
    ------
    InputError
        If the axes do not fit, or matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> axes = kernel_rows((1, 2), {"i.i.d.": IID()}, side=8)
    >>> axes[0, 1].get_title()
    'i.i.d., 2 levels'
    >>> plt.close()
    """
    plt = _pyplot()
    if priors is None:
        identity = Features(np.eye(side)[None])
        priors = {"i.i.d.": IID(), "mesh grid": MeshGrid(), "identity": identity}
    at = (side * 3 // 8, side * 5 // 8) if at is None else at
    shape = (len(priors), len(levels))
    if axes is None:
        size = (3.2 * shape[1], 3.0 * shape[0])
        _, axes = plt.subplots(*shape, squeeze=False, figsize=size, layout="constrained")
    axes = np.asarray(axes)
    if axes.shape != shape:
        raise InputError("axes cannot be used", expected=f"shape {shape}", got=f"{axes.shape}")
    flat, every = np.array([at[0] * side + at[1]]), np.arange(side * side)
    for line, (name, prior) in zip(axes, priors.items(), strict=True):
        for ax, depth in zip(line, levels, strict=True):
            kernel = hourglass(depth).kernel((side, side), prior, kind=kind)
            heatmap(kernel.block(flat, every).reshape(side, side), ax, at=at)
            ax.set_title(f"{name}, {depth} level{'s' if depth > 1 else ''}")
            ax.set_axis_off()
    return axes


def _pyplot() -> Any:
    hint = "pip install 'ntkfill[plots]'"
    return import_package("matplotlib.pyplot", "plots need the package matplotlib", hint)
