"""Images: what a worker does with them, and what is read from its files for the page.

A document's folder holds `array.npy`, the image as its file holds it; `mask.npy` (pages, height,
width), True where missing; and of the last fill `values.npy`, `std.npy`, ...
"""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ..errors import InputError
from ..io import images as files
from ..io.files import suffix_of
from ..observed import Mask
from .jobs import Figures

if TYPE_CHECKING:
    from ..grids.inpainter import Inpainter
    from ..nn import Mixture, Sequential
    from ..selection import Choice

Report = Callable[[Figures], None]

TILE = 512
# Of images with more, no model is kept for explanations.
KEPT_PIXELS = 4_000_000
LAYERS = ("image", "fill", "std", "outside", "weights", "kernel")
CHANNELS = ("array", "values", "std", "lower", "upper")
RESULTS = ("values", "std", "lower", "upper", "outside")
# Colours from the least to the greatest: dark to light, and blue over white to red.
SEQUENTIAL = ((13, 8, 60), (90, 20, 125), (180, 50, 110), (240, 110, 70), (253, 235, 150))
DIVERGING = ((25, 80, 180), (140, 185, 230), (245, 245, 245), (240, 160, 120), (190, 30, 45))
OUTSIDE = (255, 120, 0)


@dataclass(frozen=True)
class Layout:
    """How the axes of an array make pages of height x width, with channels or without."""

    shape: tuple[int, ...]
    channel_axis: int | None

    @property
    def grid(self) -> tuple[int, ...]:
        """The axes without channels."""
        if self.channel_axis is None:
            return self.shape
        axis = self.channel_axis % len(self.shape)
        return self.shape[:axis] + self.shape[axis + 1 :]

    @property
    def pages(self) -> tuple[int, int, int]:
        """Number, height and width of the pages."""
        *leading, height, width = self.grid
        return int(np.prod(leading, dtype=int)), height, width

    def page(self, array: NDArray[Any], number: int) -> NDArray[Any]:
        """A view of one page (height, width, channels)."""
        last = array[..., None] if self.channel_axis is None else array
        if self.channel_axis is not None:
            last = np.moveaxis(array, self.channel_axis, -1)
        return last[np.unravel_index(number, self.grid[:-2])] if len(self.grid) > 2 else last


# What workers do: each takes the folder of a document and `report`, and returns figures.


def open_image(folder: Path, source: Path, report: Report) -> Figures:
    """Read an image and what its file says is missing."""
    from ..grids.image import read_image
    from ..grids.options import GridOptions

    stored = files.read(source)
    array, axis = stored.array, stored.channel_axis
    # An .npy does not say what its axes are: a short last one holds colours.
    if source.suffix.lower() == ".npy" and array.ndim > 2 and array.shape[-1] in (3, 4):
        axis = -1
    layout = Layout(array.shape, axis)
    if len(layout.grid) < 2:
        raise InputError(
            "the page shows pictures and volumes",
            got=f"an array of shape {array.shape}",
            hint="ntkfill.inpaint, which fills signals too",
        )
    options = GridOptions(
        channel_axis=axis, alpha=stored.alpha, missing_values=stored.missing_values
    )
    gaps = read_image(array, options).missing(None)
    missing = np.asarray(gaps.reshape(*layout.grid, -1).any(axis=-1))
    pages, height, width = layout.pages
    np.save(folder / "array.npy", array)
    np.save(folder / "mask.npy", missing.reshape(pages, height, width))
    return {
        "shape": list(array.shape),
        "channel_axis": axis,
        "alpha": stored.alpha,
        "missing_values": list(stored.missing_values),
        "pages": pages,
        "height": height,
        "width": width,
        "channels": 1 if axis is None else array.shape[axis],
        "dtype": str(array.dtype),
        "window": window(array, missing, layout),
        "missing": int(missing.sum()),
        "suffix": suffix_of(source),
    }


def window(array: NDArray[Any], missing: Mask, layout: Layout) -> list[float]:
    """The values that are shown black and white."""
    if array.dtype in (np.uint8, np.bool_):
        return [0.0, 255.0 if array.dtype == np.uint8 else 1.0]
    axis = layout.channel_axis
    values = array if axis is None else np.moveaxis(array, axis, -1)
    known = values[~missing].ravel()
    known = known[:: max(1, known.size // 1_000_000)].astype(float)
    known = known[np.isfinite(known)]
    if not known.size:
        return [0.0, 1.0]
    low, high = np.quantile(known, [0.001, 0.999]).tolist()
    return [low, high if high > low else low + 1.0]


def fill(folder: Path, info: Figures, options: Figures, stage: str, report: Report) -> Figures:
    """Fill through the mask as it was when the fill began; `stage` is "filled", "uncertain" or
    "refined"."""
    from ..nn.parsing import shorten

    array = np.load(folder / "array.npy")
    layout = Layout(array.shape, info["channel_axis"])
    first = stage == "filled"
    mask = np.load(folder / ("next-mask.npy" if first else "filled-mask.npy"))
    refine = options["refine"] if stage == "refined" else None
    inpainter = _inpainter(info, options, options["network"], refine)
    inpainter.progress = lambda share: report({"progress": round(share, 3)})
    level = None if stage == "filled" else options["interval"]
    done = inpainter.fill(array, mask.reshape(layout.grid), interval=level)
    arrays = {"values": done.values, "outside": done.info.outside_receptive_field}
    if done.interval is not None:
        arrays |= {"std": done.std, "lower": done.interval.lower, "upper": done.interval.upper}
    for name in RESULTS:
        if name in arrays:
            whole = arrays[name]
            if name == "outside":
                whole = whole.reshape(layout.pages)
            elif name != "values":
                whole = whole.astype(np.float32 if array.itemsize <= 2 else np.float64)
            _replace(folder / f"{name}.npy", whole)
        else:
            (folder / f"{name}.npy").unlink(missing_ok=True)
    if first:
        os.replace(folder / "next-mask.npy", folder / "filled-mask.npy")
    if mask.size <= KEPT_PIXELS and hasattr(inpainter, "model_"):
        _keep(options["version"], refine, inpainter)
    refinement = done.info.refinement
    sure = done.std is None or not (done.std > 0).any()
    return {
        "stage": stage,
        "version": options["version"],
        "missing": done.info.missing,
        "outside": done.info.n_outside_receptive_field,
        "network": repr(done.info.network) if done.info.network else "",
        "network_name": shorten(done.info.network) if done.info.network else "",
        "chosen": describe(done.info.network, done.info.choice),
        "refinement": "" if refinement is None else refinement.report(),
        "refined": refinement is not None and refinement.patches is not None,
        "converged": done.info.converged,
        "level": level,
        "std_max": None if sure else float(np.quantile(done.std[done.std > 0], 0.995)),
    }


def describe(network: Sequential | Mixture | None, choice: Choice | None) -> str:
    """The network of a fill and why it was taken, on one short line."""
    from ..nn import Downsample, Spline

    if network is None:
        return "nothing is missing"
    members = getattr(network, "members", None)
    weights = [1.0] if members is None else [member.weight for member in members]
    networks: list[Any] = [network] if members is None else [member.network for member in members]
    names = [
        "a spline"
        if isinstance(one, Spline)
        else f"{sum(isinstance(layer, Downsample) for layer in one.layers)} levels"
        for one in networks
    ]
    parts = [
        name + (f" ({weight:.0%})" if len(weights) > 1 else "")
        for name, weight in zip(names, weights, strict=True)
        if weight
    ]
    line = f"{' + '.join(parts)}, sees {network.receptive_radius} pixels far"
    if choice is None:
        return line
    return f"{line}; best of {len(choice.candidates)} on {choice.n_held_out:,} hidden known pixels"


def explain(
    folder: Path, info: Figures, options: Figures, network: str, at: tuple[int, int, int],
    traced: bool, report: Report,
) -> Figures:  # fmt: skip
    """What a filled pixel (page, row, column) is made of; `traced` through the refinement, which
    takes as long as a fill."""
    array = np.load(folder / "array.npy", mmap_mode="r")
    layout = Layout(array.shape, info["channel_axis"])
    mask = np.load(folder / "filled-mask.npy").reshape(layout.grid)
    refine = options["refine"] if traced else None
    inpainter = _kept.get((options["version"], refine))
    if inpainter is None:
        inpainter = _inpainter(info, options, network, refine).fit(mask=mask)
        _keep(options["version"], refine, inpainter)
    flat = np.ravel_multi_index(at, layout.pages)
    place = tuple(int(k) for k in np.unravel_index(flat, layout.grid))
    if traced:
        found = inpainter.explain(np.asarray(array), place)
        weights = found.as_array(
            (*layout.grid, info["channels"]) if found.channels is not None else layout.grid
        )
        weights = weights.sum(axis=-1) if found.channels is not None else weights
    else:
        weights = inpainter.weights(place)
    weights, row = weights.reshape(layout.pages), inpainter.kernel_row(place).reshape(layout.pages)
    _replace(folder / "weights.npy", weights.astype(np.float32))
    _replace(folder / "kernel.npy", row.astype(np.float32))
    order = np.argsort(-np.abs(weights), axis=None, kind="stable")[:8]
    top = np.stack(np.unravel_index(order, weights.shape), axis=-1)
    distance = np.linalg.norm(np.argwhere(weights) - np.array(at), axis=1)
    from ..explanation import mass_radius

    return {
        "at": list(at),
        "traced": traced,
        "largest": [
            {
                "at": place,
                "weight": float(weights[tuple(place)]),
                "value": layout.page(array, place[0])[place[1], place[2]].tolist(),
            }
            for place in top.tolist()
            if weights[tuple(place)]
        ],
        "sum": float(weights.sum()),
        "radius": mass_radius(distance, np.abs(weights[weights != 0]), 0.5),
        "weight_max": float(np.quantile(np.abs(weights[weights != 0]), 0.998)),
        "kernel": [float(row.min()), float(row.max())],
    }


def save(folder: Path, source: Path, target: Path, what: str, report: Report) -> Figures:
    """Write the result as a file of this format; returns what it cannot keep."""
    if what == "filled":
        stored = files.read(source)
        image = replace(stored, array=np.load(folder / "values.npy"))
        files.write(target, image)
        lossy = target.suffix.lower() in (".jpg", ".jpeg")
        return {"lost": [*files.lost(stored, target), *(["exact known pixels"] if lossy else [])]}
    if what == "mask":
        mask = np.load(folder / "mask.npy")
        array = 255 * (mask[0] if len(mask) == 1 else mask).astype(np.uint8)
    else:
        names = ("std", "lower", "upper")
        array = np.stack([np.load(folder / f"{name}.npy") for name in names])
    files.write(target, files.Stored(array, None))
    return {"lost": []}


def write_example(target: Path, report: Report) -> Figures:
    """A photo that comes with scikit-learn, scratched, and the mask of the scratches beside it."""
    from PIL import ImageDraw
    from sklearn.datasets import load_sample_image

    photo = Image.fromarray(load_sample_image("china.jpg")[:, 64:576])
    mask = Image.new("L", photo.size, 0)
    for picture, ink, wider in ((photo, (235, 232, 226), 0), (mask, 255, 2)):
        draw = ImageDraw.Draw(picture)
        for line in (((20, 40), (180, 160), (330, 390)), ((500, 60), (420, 200), (440, 300))):
            draw.line(line, fill=ink, width=6 + wider, joint="curve")
        draw.ellipse((228 - wider, 262 - wider, 268 + wider, 302 + wider), fill=ink)
    files.write(target, files.Stored(np.array(photo), -1))
    files.write(target.with_name("example-mask.png"), files.Stored(np.array(mask), None))
    return {}


def import_mask(
    folder: Path, info: Figures, image: Path, source: Path, invert: bool, report: Report
) -> Figures:
    """Read a mask of an image from a file; one page is for all pages."""
    stored = files.read_stored_mask(source, invert=invert)
    if stored.place is not None:
        stored.check_place(files.read(image))
    mask = stored.array
    pages, height, width = Layout(tuple(info["shape"]), info["channel_axis"]).pages
    grid = (height, width)
    if mask.shape[-2:] != grid or mask.size not in (height * width, pages * height * width):
        turned = mask.shape[-2:] == grid[::-1]
        raise InputError(
            "the mask has another size than the picture",
            expected=f"{width} x {height}",
            got=" x ".join(map(str, mask.shape[::-1])),
            hint="the mask turned by 90 degrees" if turned else "",
        )
    whole = np.broadcast_to(mask.reshape(-1, height, width), (pages, height, width))
    np.save(folder / "imported.npy", whole)
    return {"missing": int(whole.sum())}


# The models of the last fill, for explanations; in each worker those of one document alone.
_kept: dict[tuple[str, str | None], Inpainter] = {}


def _keep(version: str, refine: str | None, inpainter: Inpainter) -> None:
    for key in [key for key in _kept if key[0] != version]:
        del _kept[key]
    _kept[version, refine] = inpainter


def _inpainter(info: Figures, options: Figures, network: str, refine: Any) -> Inpainter:
    from ..grids.inpainter import Inpainter
    from ..nn.parsing import parse

    return Inpainter(
        "auto" if network == "auto" else parse(network),
        channel_axis=info["channel_axis"],
        alpha=info["alpha"],
        missing_values=info["missing_values"] or None,
        bounds=options["bounds"],
        refine=refine,
    )


def _replace(path: Path, array: NDArray[Any]) -> None:
    """Write an array that the server may be reading."""
    draft = path.with_suffix(".new.npy")
    np.save(draft, array)
    os.replace(draft, path)


# What the server reads for the page, in a moment and without a worker.


def tile(
    folder: Path, info: Figures, layer: str, page: int, level: int, row: int, column: int
) -> tuple[bytes, str]:
    """A tile of a layer at 1 / 2**level of its size, as the bytes and the type of a picture."""
    layout = Layout(tuple(info["shape"]), info["channel_axis"])
    side = TILE << level
    name = {"image": "array", "fill": "values"}.get(layer, layer)
    array = np.load(folder / f"{name}.npy", mmap_mode="r")
    whole = layout.page(array, page) if array.shape == layout.shape else array[page][..., None]
    region = np.asarray(whole[row * side : (row + 1) * side, column * side : (column + 1) * side])
    if layer in ("image", "fill"):
        picture = _shown(region, info["window"], info["alpha"])
    else:
        mask = np.load(folder / "filled-mask.npy", mmap_mode="r")[page]
        around = mask[row * side : (row + 1) * side, column * side : (column + 1) * side]
        picture = _coloured(region.max(axis=-1), around, layer, info["scales"])
    if level:
        picture = picture.reduce(1 << level)
    file = io.BytesIO()
    plain = picture.mode != "RGBA"
    picture.save(file, "BMP") if plain else picture.save(file, "PNG", compress_level=1)
    return file.getvalue(), "image/bmp" if plain else "image/png"


def _shown(region: NDArray[Any], window: list[float], alpha: bool) -> Image.Image:
    """Pixels (height, width, channels) as a picture of 8 bits: the first three channels, or one."""
    channels = region.shape[-1]
    if region.dtype != np.uint8:
        low, high = window
        share = (np.nan_to_num(region.astype(np.float32), nan=low) - low) / (high - low)
        region = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    opacity = region[..., -1] if alpha else None
    colours = region[..., :3] if channels >= 3 else region[..., 0]
    picture = Image.fromarray(np.ascontiguousarray(colours))
    if opacity is not None:
        picture = picture.convert("RGB")
        picture.putalpha(Image.fromarray(np.ascontiguousarray(opacity)))
    return picture


def _coloured(values: NDArray[Any], mask: Mask, layer: str, scales: Figures) -> Image.Image:
    """Values (height, width) as colours; transparent where there is nothing to say."""
    opacity: NDArray[Any] = mask
    if layer == "outside":
        colours = np.broadcast_to(np.array(OUTSIDE, np.uint8), (*values.shape, 3))
        opacity = values != 0
    elif layer == "weights":
        size = np.sqrt(np.abs(values) / (scales["weights"] or 1.0)).clip(0, 1)
        colours = _mapped(0.5 + 0.5 * size * np.sign(values), DIVERGING)
        opacity = (1.5 * size).clip(0, 1)
    elif layer == "kernel":
        low, high = scales["kernel"]
        colours, opacity = _mapped((values - low) / ((high - low) or 1.0), SEQUENTIAL), mask | True
    else:
        colours = _mapped(values / (scales["std"] or 1.0), SEQUENTIAL)
    return Image.fromarray(np.dstack([colours, np.uint8(255 * opacity)]))


def _mapped(share: NDArray[Any], anchors: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint8]:
    """Colours (..., 3) of values from 0 to 1."""
    places = np.linspace(0.0, 1.0, 256)
    knots = np.linspace(0.0, 1.0, len(anchors))
    table = np.stack([np.interp(places, knots, one) for one in zip(*anchors, strict=True)], -1)
    return table.astype(np.uint8)[np.rint(255 * share.clip(0, 1)).astype(np.uint8)]


def pixel(folder: Path, info: Figures, filled: bool, at: tuple[int, int, int]) -> Figures:
    """What is known of a pixel (page, row, column)."""
    layout = Layout(tuple(info["shape"]), info["channel_axis"])
    page, row, column = at

    def read(name: str) -> Any:
        array = np.load(folder / f"{name}.npy", mmap_mode="r")
        values = layout.page(array, page)[row, column] if name in CHANNELS else array[at]
        values = np.asarray(values)
        return [one if np.isfinite(one) else None for one in np.ravel(values).tolist()]

    answer = {"value": read("array"), "filled": False}
    if not filled or not np.load(folder / "filled-mask.npy", mmap_mode="r")[at]:
        return answer
    answer |= {"filled": True, "value": read("values"), "outside": read("outside")}
    for name in ("std", "lower", "upper"):
        if (folder / f"{name}.npy").exists():
            answer[name] = read(name)
    return answer


def select(
    folder: Path, info: Figures, at: tuple[int, int, int], tolerance: float, contiguous: bool
) -> Mask:
    """The pixels of a page whose values are within a tolerance, a share of what is shown between
    black and white, of one of them; `contiguous` takes those that touch it only."""
    layout = Layout(tuple(info["shape"]), info["channel_axis"])
    page = np.asarray(layout.page(np.load(folder / "array.npy", mmap_mode="r"), at[0]))
    low, high = info["window"]
    with np.errstate(invalid="ignore"):
        off = np.abs(page.astype(np.float32) - page[at[1], at[2]].astype(np.float32)).max(axis=-1)
        near = ~(off > tolerance * (high - low))
    near[at[1], at[2]] = True
    if not contiguous:
        return near
    labels, _ = ndimage.label(near)
    return np.asarray(labels == labels[at[1], at[2]])


def grow(mask: Mask, pixels: int) -> Mask:
    """What is within so many pixels of a mask; less than zero takes off its rim."""
    if pixels < 0:
        return ~grow(~mask, -pixels)
    if not mask.any() or not pixels:
        return mask.copy()
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    inside = tuple(
        slice(max(0, int(k[0]) - pixels), int(k[-1]) + pixels + 1) for k in (rows, columns)
    )
    result = mask.copy()
    result[inside] = ndimage.distance_transform_edt(~mask[inside]) <= pixels
    return result


def recipe(name: str, info: Figures, options: Figures) -> dict[str, str]:
    """The command line and the Python that do the same."""
    suffix = info["suffix"]
    stem = name[: -len(suffix)]
    mask = f"{stem}-mask{'.png' if info['pages'] == 1 else '.tif'}"
    words = ["ntkfill", "inpaint", name, "--mask", mask, "-o", f"{stem}-filled{suffix}"]
    arguments = ["mask"]
    axis = info["channel_axis"]
    if suffix == ".npy" and axis is not None:
        words.append(f"--channel-axis={axis}")
    if axis is not None:
        arguments.append(f"channel_axis={axis}")
    if info["alpha"]:
        arguments.append(f"alpha={info['alpha']!r}")
    if info["missing_values"]:
        marks = [
            repr(mark) if np.isfinite(mark) else f'float("{mark}")'
            for mark in info["missing_values"]
        ]
        arguments.append(f"missing_values=[{', '.join(marks)}]")
    for key, option in (("network", "--network"), ("refine", "--refine"), ("bounds", "--bounds")):
        value = options[key]
        if (value is not None and value != "auto") or (key == "refine" and value):
            text = (
                value
                if isinstance(value, str)
                else ",".join("" if end is None else f"{end:g}" for end in value)
            )
            words.append(f"{option}={text}")
            code = value if key == "network" else repr(value)
            arguments.append(f"{key}={code}")
    if options["refine"] is None:
        words.append("--fast")  # the command line refines by default
    words += ["--std", f"{stem}-std.npy", f"--interval={options['interval']:g}"]
    command = " ".join(shlex.quote(word) for word in words)
    network = "from ntkfill.nn import *\n" if options["network"] != "auto" else ""
    code = (
        "from pathlib import Path\n\nimport ntkfill\nfrom ntkfill.io import images\n"
        f"{network}\n"
        f"stored = images.read(Path({name!r}))\n"
        f"mask = images.read_mask(Path({mask!r}))\n"
        f"inpainter = ntkfill.Inpainter({', '.join(arguments[1:])})\n"
        f"done = inpainter.fill(stored.array, mask, interval={options['interval']:g})\n"
        "print(done.values, done.std, done.interval)\n"
    )
    return {"command": command, "python": code}
