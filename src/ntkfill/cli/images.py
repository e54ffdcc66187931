"""`ntkfill inpaint` and `ntkfill heatmap`: fill the holes of images, and show how."""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, format_bytes, printable
from ..io.files import FOLDERS, check_target, suffix_of
from .common import (
    DONE,
    FAILED,
    NOT_CONVERGED,
    add_force,
    add_messages,
    add_output,
    add_uncertainty,
    argument,
    bounds,
    check_outputs,
    check_uncertainty,
    print_error,
    print_json,
    print_message,
    shows_progress,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..grids.image import ImageArray
    from ..grids.inpainter import Info, Inpainter
    from ..grids.plan import Plan
    from ..io.images import Stored, StoredMask
    from ..kernels.table import Array
    from ..observed import Mask
    from ..result import Filled


# Colour maps as anchors from the smallest to the largest value.
MAGMA = ((0, 0, 8), (60, 15, 110), (150, 45, 125), (230, 90, 85), (252, 170, 80), (252, 250, 200))
BLUE_RED = ((20, 60, 150), (110, 160, 215), (250, 250, 250), (225, 120, 95), (150, 15, 35))
# Pixels of an enlarged heat map, at most.
MAX_ENLARGED = 1 << 20


def add_inpaint(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill inpaint`."""
    command.set_defaults(run=inpaint)
    text = "one exact solve, without refinement"
    command.add_argument("--fast", action="store_true", help=text)
    text = ".png .jpg .tif .bmp .webp .npy .nii(.gz) .fits .nc .zarr .mp4 .mkv, or a folder of them"
    command.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help=text)
    add_output(command, "a file; a folder where there are several inputs", required=False)
    add_force(command)
    text = "white (not zero) = neither filled nor used: land in a map of the sea"
    command.add_argument("--exclude", type=Path, metavar="MASK", help=text)
    text = "tile by tile, N at once: for a .zarr or .npy larger than memory, into such a file"
    command.add_argument("--workers", type=int, metavar="N", help=text)
    text = "with --workers: go on where an interrupted run stopped"
    command.add_argument("--resume", action="store_true", help=text)
    text = "print network, solver, memory and time, and stop"
    command.add_argument("--dry-run", action="store_true", help=text)
    text = ".npy or .tif, of one image; with --interval std, lower and upper stacked"
    add_uncertainty(command, text)
    _add_method(command)
    add_messages(command)


def add_heatmap(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill heatmap`."""
    command.set_defaults(run=heatmap, fast=True)
    text = ".png .jpg .tif .npy with two axes, besides channels"
    command.add_argument("input", type=Path, metavar="INPUT", help=text)
    command.add_argument("--at", type=_pixel, required=True, metavar="ROW,COL", help="the pixel")
    add_output(command, "a .png with kernel row and weights side by side")
    _add_method(command)
    add_messages(command)


def _add_method(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    text = "white (not zero) = missing, or a folder of masks with the names of the images; without "
    add("--mask", type=Path, help=text + "it NaN and what --nodata says is missing")
    add("--invert-mask", action="store_true", help="black (zero) = missing")
    text = "also take what is within N pixels of the mask for missing: soft edges, JPEG halos"
    add("--dilate", type=int, default=0, metavar="N", help=text)
    text = "a value that means missing, or 'nonfinite'; several by several --nodata (GeoTIFF: read)"
    add("--nodata", type=_marker, action="append", default=[], metavar="V", help=text)
    text = "fill within these, e.g. 0,1 or 0, (open above), or 'data': the range of what is known"
    add("--bounds", type=bounds, metavar="LOW,HIGH", help=text)
    text = "leave gaps that hold a box of more than N pixels each way"
    add("--max-gap", type=int, metavar="N", help=text)
    text = "the values are angles, with this period: 360 for degrees"
    add("--period", type=float, metavar="P", help=text)
    text = "for .npy and .tif, e.g. -1 (default: what the file says)"
    add("--channel-axis", type=int, metavar="N", help=text)
    text = (
        "auto, which chooses by hidden known pixels, or the repr of a network or mixture, e.g. "
        "'Sequential(Conv(3), ReLU(), Conv(3))' or 'hourglass(5, convs_up=2)'"
    )
    add("--network", default="auto", metavar="NET", help=text)
    text = "the paper's kernel instead of its shift average"
    add("--exact", action="store_true", help=text)
    text = "pad or wrap (periodic), or one for each axis: pad,wrap"
    add("--boundary", type=_boundary, default="pad", metavar="SIDES", help=text)
    text = (
        "the distance between pixels along each axis, e.g. 3,1,1 for slices that are far apart, or "
        "auto,1,1 for frames of a video, which chooses 1, 3 or 64 by hidden known pixels"
    )
    add("--spacing", type=_spacing, metavar="D,D,...", help=text)
    text = "relative to the kernel's diagonal (default: 1e-3, or what auto chooses)"
    add("--ridge", type=float, metavar="R", help=text)
    text = (
        "complete patches of the fill again from similar patches: better, slower; auto (default of "
        "inpaint, but for --exact and --spacing) only where it predicts hidden known pixels better"
    )
    add("--refine", choices=("patches", "auto"), help=text)
    text = "accuracy of the solve (default: 1e-3)"
    add("--rtol", type=float, default=1e-3, metavar="R", help=text)
    text = "working memory, e.g. 2GB (default: what is free)"
    add("--memory", type=_bytes, metavar="SIZE", help=text)
    add("--no-cache", action="store_true", help="keep no kernels on disk")
    text = "refuse larger images before they are decoded (default: 2^28)"
    add("--max-pixels", type=int, default=2**28, metavar="N", help=text)


def inpaint(options: argparse.Namespace) -> int:
    """Fill one image, or many through one mask, whose factor they share."""
    if options.fast and options.refine:
        raise InputError("--fast is without refinement", got=f"--fast --refine {options.refine}")
    if options.workers is not None or options.resume:
        return inpaint_tiles(options)
    shared = None if _has_masks(options) else read_mask(options)
    check_uncertainty(options)
    pairs = input_output_pairs(options)
    inpainter = make_inpainter(options)
    figures: list[dict[str, Any]] = []
    failed = 0
    for source, target in pairs:
        try:
            mask = read_mask(options, source) if _has_masks(options) else shared
            figures.append(inpaint_file(options, inpainter, mask, source, target))
        except InputError as error:
            if len(pairs) == 1:
                raise
            print_error(f"{source}: {error}")
            figures.append({"input": str(source), "error": str(error)})
            failed += 1
    if len(pairs) > 1:
        print_message(options, f"{len(pairs) - failed} done, {failed} failed")
    if options.json:
        print_json({"files": figures})
    if failed:
        return FAILED
    return DONE if all(entry.get("converged", True) for entry in figures) else NOT_CONVERGED


def inpaint_tiles(options: argparse.Namespace) -> int:
    """Fill one image that does not fit into memory."""
    from ..io.parts import open_array
    from ..runtime.progress import reporter

    unknown = {
        "several inputs": len(options.inputs) > 1,
        "--dry-run": options.dry_run,
        "--exclude": options.exclude,
        "--std": options.std,
        "--interval": options.interval,
        "--dilate": options.dilate,
        "--invert-mask": options.invert_mask,
        "--max-gap": options.max_gap,
        "--period": options.period,
        "no -o OUT": options.output is None,
    }
    for name, given in unknown.items():
        if given:
            raise InputError(f"--workers and --resume cannot be used with {name}")
    source = options.inputs[0]
    check_outputs([source, options.mask], [("-o OUT", options.output)])
    mask = None if options.mask is None else open_array(options.mask)
    inpainter = make_inpainter(options).set_params(
        channel_axis=options.channel_axis, missing_values=options.nodata or None, progress=None
    )
    image, started = open_array(source), time.perf_counter()
    workers, share = options.workers or 1, reporter(shows_progress(options), "tiles")
    inpainter.fill_to_file(
        image, options.output, mask, workers=workers, resume=options.resume, progress=share
    )
    seconds = time.perf_counter() - started
    print_message(options, f"{options.output}: {image.shape} in {seconds:.1f} s")
    if options.json:
        figures = {"input": str(source), "output": str(options.output), "shape": list(image.shape)}
        print_json({"files": [figures]})
    return DONE


def inpaint_file(
    options: argparse.Namespace,
    inpainter: Inpainter,
    mask: StoredMask | None,
    source: Path,
    target: Path | None,
) -> dict[str, Any]:
    """Fill one image, or plan to where there is no target; returns the figures."""
    import numpy as np

    from ..io import images

    exclude = None
    if options.exclude is not None:
        exclude = images.read_stored_mask(options.exclude, max_pixels=options.max_pixels)
    stored, read, missing, left = read_input(options, source, mask, exclude)
    holes = None if mask is None else mask.array
    if mask is None and not missing.any():
        hint = "--mask MASK, or --nodata VALUE"
        if stored.alpha:
            hint = f"--mask {source}, if its transparent pixels are missing"
        raise InputError(f"{source} has no missing pixels: no NaN, no mask", hint=hint)
    inpainter.set_params(
        channel_axis=stored.channel_axis,
        alpha=read.options.alpha,
        missing_values=read.options.missing_values,
    )
    asked = {"return_std": options.std is not None, "interval": options.interval}
    if target is None:
        hidden = holes if left is None else missing | left
        return plan_figures(options, source, inpainter.plan(stored.array, hidden, **asked))
    images.check_target(target, stored.array, stored)
    if options.std is not None:
        images.check_target(options.std, np.zeros((1, *stored.array.shape)))
    print_message(options, f"{source}: {missing.sum():,} of {missing.size:,} pixels are missing")
    pages = np.flatnonzero(missing.reshape(len(missing), -1).all(axis=1))
    if missing.ndim > 2 and pages.size:
        text = f"pages {', '.join(map(str, pages))} hold no known pixel and are filled from others"
        print_message(options, f"note: {text}")
    started = time.perf_counter()
    filled = inpainter.fill(stored.array, holes, exclude=left, **asked)
    uncertainty = {} if options.std is None else write_uncertainty(options, filled)
    images.write(target, replace(stored, array=filled.values))
    if lost := images.lost(stored, target):
        print_message(options, f"note: not kept in {target}: {', '.join(lost)}")
    seconds = time.perf_counter() - started
    return fill_figures(options, source, target, filled.info, seconds) | uncertainty


def write_uncertainty(options: argparse.Namespace, filled: Filled[Info]) -> dict[str, Any]:
    """Write standard deviations and bounds; returns their figures."""
    import numpy as np

    from ..io import images

    arrays, where = [filled.std], filled.std > 0
    figures: dict[str, Any] = {
        "std": str(options.std),
        "mean_std": float(filled.std.mean(where=where)) if where.any() else 0.0,
        "std_relative_error": round(filled.info.relative_error, 3),
        "unsupported": filled.info.n_outside_receptive_field,
    }
    if filled.interval is not None:
        arrays += [filled.interval.lower, filled.interval.upper]
        width = filled.interval.upper - filled.interval.lower
        mean = float(width.mean(where=where)) if where.any() else 0.0
        figures["interval"] = filled.interval.level
        figures["hidden_to_calibrate"] = filled.interval.scores
        figures["mean_width"] = mean if np.isfinite(mean) else None  # JSON has no infinity
    array = np.stack(arrays) if len(arrays) > 1 else filled.std
    dtype = np.float32 if filled.values.dtype.itemsize <= 2 else np.float64
    images.write(options.std, images.Stored(array.astype(dtype), None))
    print_message(
        options, f"{options.std}: standard deviations, {figures['mean_std']:.3g} on average"
    )
    return figures


def fill_figures(
    options: argparse.Namespace, source: Path, target: Path, info: Info, seconds: float
) -> dict[str, Any]:
    """The figures of one fill, also in words on stderr."""
    from ..nn.parsing import shorten

    steps = max((report.steps for report in info.reports), default=0)
    residual = max((report.residual for report in info.reports), default=0.0)
    print_message(
        options,
        f"{target}: {info.missing:,} pixels filled in {seconds:.2f} s "
        f"({steps} steps, residual {residual:.1g})",
    )
    choice = None
    if info.choice is not None:
        choice = {
            "hidden": info.choice.n_held_out,
            "error": info.choice.error,
            "tried": [
                {"network": repr(tried.network), "ridge": tried.ridge, "error": tried.error}
                for tried in info.choice.candidates
            ],
        }
        print_message(
            options,
            f"chosen of {len(info.choice.candidates)} by {info.choice.n_held_out:,} hidden known "
            f"pixels, with an error of {info.choice.error:.3g} there: "
            f"{shorten(info.choice.network)}",
        )
    refinement = None
    if info.refinement is not None:
        refinement = asdict(info.refinement) | {"hidden": info.refinement.n_held_out}
        del refinement["held_out"]
        hint = "" if options.refine else "; --fast fills without trying"
        print_message(options, info.refinement.report() + hint)
    if not info.missing:
        print_message(options, "warning: nothing is missing in this mask; white must mean missing")
    if info.n_outside_receptive_field:
        print_message(
            options,
            f"note: {info.n_outside_receptive_field:,} pixels lie outside the receptive field of "
            "all known pixels and are filled with one constant",
        )
    if target.suffix.lower() in (".jpg", ".jpeg"):
        print_message(
            options, "note: JPEG is lossy, so known pixels change a little; .png keeps them"
        )
    return {
        "input": str(source),
        "output": str(target),
        "missing": info.missing,
        "beyond_reach": info.n_outside_receptive_field,
        "network": repr(info.network) if info.network else None,
        "choice": choice,
        "refinement": refinement,
        "steps": steps,
        "residual": residual,
        "converged": info.converged,
        "seconds": round(seconds, 3),
    }


def plan_figures(options: argparse.Namespace, source: Path, plan: Plan) -> dict[str, Any]:
    """The figures of a dry run, also in words on stdout."""
    from ..nn.parsing import shorten

    if not options.json:
        print(
            f"{printable(str(source))}: {shorten(plan.network)} on a torus {plan.torus}\n"
            f"  {plan.solver!r}\n"
            f"  about {format_bytes(plan.memory)} and {plan.seconds:.1f} s"
        )
    return {
        "input": str(source),
        "network": repr(plan.network),
        "reach": plan.network.receptive_radius,
        "torus": list(plan.torus),
        "solver": repr(plan.solver),
        "memory_bytes": plan.memory,
        "seconds": round(plan.seconds, 2),
    }


def heatmap(options: argparse.Namespace) -> int:
    """Write kernel row and weights of one pixel, side by side."""
    import numpy as np

    from ..grids.image import channels_last
    from ..io import images

    mask = read_mask(options, options.input)
    _, source, missing, _ = read_input(options, options.input, mask)
    if len(source.grid) != 2:
        raise InputError("a heat map needs an image with two axes", got=f"grid {source.grid}")
    check_outputs([options.input, options.mask], [("-o OUT", options.output)])
    check_target(options.output, [".png"])
    inpainter = make_inpainter(options).fit(mask=missing)
    values = channels_last(source.original, source.options.channel_axis)
    shown = np.where(missing[..., None], values[~missing].max(), values)
    images.write(options.output, images.Stored(draw_heatmap(inpainter, shown, options.at), -1))
    print_message(options, f"{options.output}: kernel row and weights of the pixel {options.at}")
    if options.json:
        print_json(
            {
                "output": str(options.output),
                "at": list(options.at),
                "network": repr(inpainter.network_),
            }
        )
    return DONE


def draw_heatmap(inpainter: Inpainter, image: NDArray[Any], at: tuple[int, int]) -> NDArray[Any]:
    """The image, the kernel row and the weights of a pixel side by side, (height, width, 3).

    Drawn with Pillow, as the command has to work without matplotlib; see also `ntkfill.plots`.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    row, weights = inpainter.kernel_row(at), inpainter.weights(at)
    at = at[0] % image.shape[0], at[1] % image.shape[1]
    if image.dtype == np.bool_:
        image = 255 * image.astype(np.uint8)
    root = np.sign(weights) * np.sqrt(np.abs(weights))
    bound = np.quantile(np.abs(root), 0.998) or 1.0
    channels = image[..., None] if image.ndim == 2 else image
    colours = channels[..., :3] if channels.shape[-1] >= 3 else channels[..., :1].repeat(3, -1)
    low, high = (0, 255) if image.dtype == np.uint8 else (np.nanmin(colours), np.nanmax(colours))
    panels = {
        f"known pixels; the pixel {at[0]}, {at[1]}": (colours - low) / ((high - low) or 1.0),
        f"kernel row, {row.min():.3g} to {row.max():.3g}": _coloured(
            (row - row.min()) / (np.ptp(row) or 1.0), MAGMA
        ),
        f"weights (square root), {weights.min():.2g} (blue) to {weights.max():.2g} (red)": (
            _coloured(0.5 + 0.5 * root / bound, BLUE_RED)
        ),
    }
    # Small images are enlarged, but narrow ones that are long only to so many pixels.
    longest = math.isqrt(MAX_ENLARGED // math.prod(image.shape[:2]))
    scale = max(1, min(-(-256 // image.shape[1]), longest))
    height, width = (scale * side for side in image.shape[:2])
    canvas = Image.new("RGB", (3 * (width + 12) + 12, height + 46), "white")
    draw = ImageDraw.Draw(canvas)
    for k, (caption, panel) in enumerate(panels.items()):
        left, top = 12 + k * (width + 12), 34
        pixels = np.rint(255 * np.nan_to_num(panel).clip(0, 1)).astype(np.uint8)
        canvas.paste(Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1)), (left, top))
        draw.text((left, 12), caption, fill="black")
        y, x, r = top + scale * (at[0] + 0.5), left + scale * (at[1] + 0.5), 1.5 * scale + 3
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(0, 230, 120), width=2)
    return np.asarray(canvas)


def _coloured(share: Array, anchors: Sequence[tuple[int, int, int]]) -> Array:
    """Colours from 0 to 1, of shape (*share.shape, 3), for values from 0 to 1."""
    import numpy as np

    places = np.linspace(0.0, 1.0, len(anchors))
    return np.stack([np.interp(share, places, c) for c in np.transpose(anchors) / 255], axis=-1)


def input_output_pairs(options: argparse.Namespace) -> list[tuple[Path, Path | None]]:
    """What is read and where each result goes; a folder for several is made where needed."""
    from ..io import images

    files = input_files(options)
    if options.std is not None and len(files) > 1:
        raise InputError("--std takes one image at a time", got=f"{len(files)} images")
    if options.dry_run:
        return [(file, None) for file in files]
    if options.output is None:
        raise InputError("there is no output file", hint="-o OUT, or --dry-run")
    many = len(files) > 1 or _is_folder(options.inputs[0])
    if many:
        if suffix_of(options.output) in images.SUFFIXES:
            raise InputError("several images need an output folder", got=str(options.output))
        if len({file.name for file in files}) < len(files):
            raise InputError("two inputs have the same name", hint="one folder at a time")
    inside = many or _is_folder(options.output)
    targets = [options.output / file.name if inside else options.output for file in files]
    for target in targets:
        if suffix_of(target) not in images.SUFFIXES:
            raise InputError(
                f"{target} is neither an existing folder nor an image that can be written",
                expected=" ".join(images.SUFFIXES),
            )
    written = [*(("-o OUT", target) for target in targets), ("--std FILE", options.std)]
    unnamed = targets if inside else []
    check_outputs([*files, options.mask], written, unnamed, force=options.force)
    if many:
        options.output.mkdir(parents=True, exist_ok=True)
    return list(zip(files, targets, strict=True))


def input_files(options: argparse.Namespace) -> list[Path]:
    """The images to read; of a folder all that are neither hidden nor the mask."""
    from ..io import images

    mask = options.mask if options.mask is not None and options.mask.exists() else None
    files: list[Path] = []
    for given in options.inputs:
        if not _is_folder(given):
            files.append(given)
            continue
        found = [
            path
            for path in sorted(given.iterdir())
            if suffix_of(path) in images.SUFFIXES
            and (path.is_file() or suffix_of(path) in FOLDERS)
            and not path.name.startswith(".")
            and not (mask is not None and path.samefile(mask))
        ]
        if not found:
            raise InputError(f"no images in the folder {given}", expected=" ".join(images.SUFFIXES))
        files += found
    return files


def _is_folder(path: Path) -> bool:
    """Whether it is a folder of files, not one that holds a single container."""
    return path.is_dir() and suffix_of(path) not in FOLDERS


def read_input(
    options: argparse.Namespace,
    path: Path,
    mask: StoredMask | None,
    exclude: StoredMask | None = None,
) -> tuple[Stored, ImageArray, Mask, Mask | None]:
    """An image file, its array, the pixels (*grid) that are missing in any channel and not
    excluded, and those that are."""
    import numpy as np

    from ..grids.image import check_mask, read_image
    from ..grids.image import read_mask as as_mask
    from ..grids.options import GridOptions
    from ..io import images

    stored = images.read(path, options.max_pixels, None if mask is None else mask.array.size)
    for each in (mask, exclude):
        if each is not None:
            each.check_place(stored)
    if options.channel_axis is not None:
        stored = replace(stored, channel_axis=options.channel_axis, alpha=False)
    source = read_image(
        stored.array,
        GridOptions(
            channel_axis=stored.channel_axis,
            alpha=stored.alpha,
            missing_values=(*options.nodata, *stored.missing_values),
        ),
    )
    out = None if exclude is None else as_mask(exclude.array, source.grid)
    missing = source.missing(None if mask is None else mask.array, out)
    check_mask(missing, inverted=mask is not None)
    anywhere = np.asarray(missing.reshape(*source.grid, -1).any(axis=-1))
    return stored, source, anywhere if out is None else anywhere & ~out, out


def _has_masks(options: argparse.Namespace) -> bool:
    return options.mask is not None and _is_folder(options.mask)


def read_mask(options: argparse.Namespace, source: Path | None = None) -> StoredMask | None:
    """The mask that was given, or that of one image; True where missing."""
    from ..io import images

    if options.mask is None:
        if options.invert_mask or options.dilate:
            option = "--invert-mask" if options.invert_mask else "--dilate"
            raise InputError(f"{option} needs a mask", hint="--mask MASK")
        return None
    path = options.mask
    if source is not None and _is_folder(path):
        name = _without_suffix(source)
        found = [each for each in sorted(path.iterdir()) if _without_suffix(each) == name]
        found = [each for each in found if suffix_of(each) in images.SUFFIXES]
        if len(found) != 1:
            raise InputError(
                f"the folder {path} must hold one mask called {name}", got=str(len(found))
            )
        path = found[0]
    mask = images.read_stored_mask(path, invert=options.invert_mask, max_pixels=options.max_pixels)
    return replace(mask, array=_dilated(mask.array, options.dilate)) if options.dilate else mask


def _without_suffix(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix_of(path))]


def _dilated(mask: Mask, radius: int) -> Mask:
    """What is within a radius of the mask, on each page."""
    import numpy as np
    from scipy import ndimage

    if radius < 0:
        raise InputError("--dilate must be >= 0", got=str(radius))
    pages = mask.reshape(-1, *mask.shape[-2:])
    near = [
        ndimage.distance_transform_edt(~page) <= radius if page.any() else page for page in pages
    ]
    return np.stack(near).reshape(mask.shape)


def make_inpainter(options: argparse.Namespace) -> Inpainter:
    """The inpainter with the options that were given."""
    from ..grids.inpainter import Inpainter
    from ..nn.parsing import parse

    alone = options.fast or options.exact or options.spacing is not None
    return Inpainter(
        "auto" if options.network == "auto" else parse(options.network),
        bounds=options.bounds,
        shift_average=not options.exact,
        max_gap=options.max_gap,
        period=options.period,
        boundary=options.boundary,
        spacing=options.spacing,
        ridge=options.ridge,
        refine=options.refine or (None if alone else "auto"),
        rtol=options.rtol,
        memory_limit=options.memory,
        progress=shows_progress(options),
        cache=None if options.no_cache else "user",
    )


@argument("pad, wrap, or one for each axis")
def _boundary(text: str) -> str | tuple[str, ...]:
    sides = tuple(text.split(","))
    if not set(sides) <= {"pad", "wrap"}:
        raise ValueError
    return text if len(sides) == 1 else sides


@argument("a number for each axis such as 3,1,1")
def _spacing(text: str) -> tuple[Any, ...]:
    return tuple(part if part == "auto" else float(part) for part in text.split(","))


@argument("ROW,COL such as 120,64")
def _pixel(text: str) -> tuple[int, int]:
    row, column = (int(part) for part in text.split(","))
    return row, column


@argument("a number or 'nonfinite'")
def _marker(text: str) -> float | str:
    """A value that means missing; a whole number stays exact."""
    if text == "nonfinite":
        return text
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


@argument("a size such as 2GB or 500MB")
def _bytes(text: str) -> int:
    found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?)(I?B)?\s*", text.upper())
    size = 0
    if found is not None and found[1].count(".") <= 1 and found[1] != ".":
        base = 1024 if found[3] == "IB" else 1000
        size = int(float(found[1]) * base ** " KMGT".index(found[2] or " "))
    if size <= 0:
        raise ValueError
    return size
