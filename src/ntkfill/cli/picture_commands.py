"""What the commands for pictures do."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, format_bytes
from ..grids.components import Network, deepest_of
from ..grids.image import picture
from ..grids.inpainter import Inpainter
from ..grids.model import in_any_channel
from ..grids.plan import Plan
from ..grids.result import Info, check_missing, missing_pixels
from ..grids.uncertainty import Filled
from ..io import images
from ..nn.parsing import parse
from ..observed import Mask
from .exits import DONE, FAILED, NOT_CONVERGED
from .messages import complain, say, shows_progress
from .output_paths import spare
from .picture_files import outputs
from .sure_options import check_sure


def fill_files(options: argparse.Namespace) -> int:
    """Fill one picture, or many through one mask, whose factor they share."""
    mask = chosen_mask(options)
    check_sure(options)
    pairs = outputs(options)
    inpainter = chosen_inpainter(options)
    told, failed = [], False
    for source, target in pairs:
        try:
            told.append(fill_file(options, inpainter, mask, source, target))
        except InputError as error:
            if len(pairs) == 1:
                raise
            complain(f"{source}: {error}")
            told.append({"input": str(source), "error": str(error)})
            failed = True
    if len(pairs) > 1:
        bad = sum("error" in entry for entry in told)
        say(options, f"{len(pairs) - bad} done, {bad} failed")
    if options.json:
        print(json.dumps({"files": told}, indent=1))
    if failed:
        return FAILED
    return DONE if all(entry.get("converged", True) for entry in told) else NOT_CONVERGED


def fill_file(
    options: argparse.Namespace,
    inpainter: Inpainter,
    mask: Mask | None,
    source: Path,
    target: Path | None,
) -> dict[str, Any]:
    """Fill one picture; returns its figures."""
    stored = images.read(source)
    axis = stored.channel_axis if options.channel_axis is None else options.channel_axis
    parts = picture(stored.array, axis)
    missing = missing_pixels(parts, mask)
    if mask is None and parts.nan is None:
        raise InputError(f"nothing says what is missing of {source}", hint="--mask MASK")
    anywhere = in_any_channel(missing, parts.grid)
    channels = parts.pixels.shape[-1]
    check_missing(missing)
    if target is None:
        deepest = deepest_of(missing, len(parts.grid))
        return told_plan(options, source, inpainter.planned(anywhere, channels, deepest))
    images.check_target(target, stored.array)
    if options.std is not None:
        images.check_target(options.std, np.zeros((1, *stored.array.shape)))
    say(options, f"{source}: {anywhere.sum():,} of {anywhere.size:,} pixels are missing")
    started = time.perf_counter()
    if options.std is None:
        filled, info = inpainter.fill(stored.array, mask, channel_axis=axis)
        sureness: dict[str, Any] = {}
    else:
        sure = inpainter.sure(stored.array, mask, channel_axis=axis, interval=options.interval)
        filled, info = sure.values, sure.info
        sureness = told_sure(options, sure)
    images.write(target, replace(stored, array=filled, channel_axis=axis))
    seconds = time.perf_counter() - started
    return told_fill(options, source, target, info, seconds) | sureness


def told_sure(options: argparse.Namespace, sure: Filled) -> dict[str, Any]:
    """Write standard deviations and bounds; returns their figures."""
    arrays, where = [sure.std], sure.std > 0
    figures: dict[str, Any] = {
        "std": str(options.std),
        "mean_std": float(sure.std.mean(where=where)) if where.any() else 0.0,
        "std_relative_error": round(sure.relative_error, 3),
        "unsupported": int(sure.unsupported.sum()),
    }
    if sure.interval is not None:
        arrays += [sure.interval.lower, sure.interval.upper]
        width = sure.interval.upper - sure.interval.lower
        figures["interval"] = sure.interval.level
        figures["hidden_to_calibrate"] = sure.interval.scores
        mean = float(width.mean(where=where)) if where.any() else 0.0
        figures["mean_width"] = mean if np.isfinite(mean) else None  # JSON has no infinity
    array = np.stack(arrays) if len(arrays) > 1 else sure.std
    dtype = np.float32 if sure.values.dtype.itemsize <= 2 else np.float64
    images.write(options.std, images.Stored(array.astype(dtype), None))
    say(options, f"{options.std}: standard deviations, {figures['mean_std']:.3g} on average")
    return figures


def told_fill(
    options: argparse.Namespace, source: Path, target: Path, info: Info, seconds: float
) -> dict[str, Any]:
    """The figures of one fill, also in words on stderr."""
    steps = max((report.steps for report in info.reports), default=0)
    residual = max((report.residual for report in info.reports), default=0.0)
    say(
        options,
        f"{target}: {info.missing:,} pixels filled in {seconds:.2f} s "
        f"({steps} steps, residual {residual:.1g})",
    )
    if info.choice is not None:
        say(
            options,
            f"chosen of {len(info.choice.tried)} by {info.choice.hidden:,} hidden known pixels, "
            f"off by {info.choice.error:.3g} there: {info.network!r}",
        )
    if info.refinement is not None:
        say(options, info.refinement.told())
    if not info.missing:
        say(options, "warning: nothing is missing in this mask; white must mean missing")
    if info.beyond_reach:
        say(
            options,
            f"note: {info.beyond_reach:,} pixels lie deeper in a hole than the network "
            "reaches and are filled with one constant",
        )
    if target.suffix.lower() in (".jpg", ".jpeg"):
        say(options, "note: JPEG is lossy, so known pixels change a little; .png keeps them")
    return {
        "input": str(source),
        "output": str(target),
        "missing": info.missing,
        "beyond_reach": info.beyond_reach,
        "network": repr(info.network) if info.network else None,
        "choice": told_choice(info),
        "refinement": told_refinement(info),
        "steps": steps,
        "residual": residual,
        "converged": info.converged,
        "seconds": round(seconds, 3),
    }


def told_choice(info: Info) -> dict[str, Any] | None:
    """What was tried on hidden known pixels, and how each did."""
    if info.choice is None:
        return None
    return {
        "hidden": info.choice.hidden,
        "error": info.choice.error,
        "tried": [
            {"network": repr(tried.network), "ridge": tried.ridge, "error": tried.error}
            for tried in info.choice.tried
        ],
    }


def told_refinement(info: Info) -> dict[str, Any] | None:
    """What patches did to hidden known pixels."""
    if info.refinement is None:
        return None
    return asdict(info.refinement)


def told_plan(options: argparse.Namespace, source: Path, plan: Plan) -> dict[str, Any]:
    """What would be done, on stdout."""
    figures = {
        "input": str(source),
        "network": repr(plan.network),
        "reach": plan.network.reach,
        "torus": list(plan.torus),
        "solver": repr(plan.solver),
        "memory_bytes": plan.memory,
        "seconds": round(plan.seconds, 2),
    }
    if not options.json:
        print(
            f"{source}: {plan.network!r} on a torus {plan.torus}\n"
            f"  {plan.solver!r}\n"
            f"  about {format_bytes(plan.memory)} and {plan.seconds:.1f} s"
        )
    return figures


def heatmap(options: argparse.Namespace) -> int:
    """Kernel row and weights of one pixel, side by side."""
    from .demo import heatmap as drawn

    source = options.inputs[0]
    stored = images.read(source)
    axis = stored.channel_axis if options.channel_axis is None else options.channel_axis
    parts = picture(stored.array, axis)
    if len(parts.grid) != 2:
        raise InputError("a heat map needs a picture with two axes", got=f"grid {parts.grid}")
    missing = in_any_channel(missing_pixels(parts, chosen_mask(options)), parts.grid)
    if options.output.suffix.lower() != ".png":
        raise InputError("a heat map is written as .png", got=str(options.output))
    spare([source, options.mask], [("-o OUT", options.output)])
    images.check_target(options.output, np.zeros((1, 1, 3), np.uint8))
    inpainter = chosen_inpainter(options).fit(missing)
    shown = np.where(missing[..., None], np.nanmax(parts.pixels), parts.pixels)
    canvas = drawn(inpainter, shown, options.at)
    images.write(options.output, images.Stored(canvas, -1))
    say(options, f"{options.output}: kernel row and weights of the pixel {options.at}")
    if options.json:
        print(
            json.dumps(
                {
                    "output": str(options.output),
                    "at": list(options.at),
                    "network": repr(inpainter.network_),
                }
            )
        )
    return DONE


def demo(options: argparse.Namespace) -> int:
    """Damage a photo that scikit-learn ships, fill it in, write pictures of it."""
    from .demo import run as run_demo

    figures = run_demo(options.output, Inpainter(progress=shows_progress(options)))
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        print(
            f"half of a photo's pixels and a 72 x 72 hole, filled in {figures['seconds']} s "
            f"({figures['steps']} steps)"
        )
        print(
            f"  scattered pixels {figures['psnr_scattered_db']} dB, hole "
            f"{figures['psnr_hole_db']} dB, whole picture {figures['psnr_picture_db']} dB"
        )
        print(f"  pictures: {figures['pictures']}/before.png, after.png, truth.png, heatmap.png")
    return DONE if figures["converged"] else NOT_CONVERGED


def chosen_mask(options: argparse.Namespace) -> Mask | None:
    """The mask that was asked for, True where missing."""
    if options.mask is None:
        if options.invert_mask:
            raise InputError("there is no mask to invert", hint="--mask MASK")
        return None
    return images.read_mask(options.mask, invert=options.invert_mask)


def chosen_inpainter(options: argparse.Namespace) -> Inpainter:
    """The inpainter that was asked for."""
    network: Network = "auto"
    if options.network != "auto":
        network = parse(options.network)
    return Inpainter(
        network,
        shift_average=not options.exact,
        boundary=options.boundary,
        ridge=options.ridge,
        refine=options.refine,
        rtol=options.rtol,
        memory_limit=options.memory,
        progress=shows_progress(options),
        cache=None if options.no_cache else "user",
    )
