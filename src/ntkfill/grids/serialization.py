"""Inpainters on disk: an .npz of plain arrays and one line of JSON, never a pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io.files import replacing
from ..nn.networks import Mixture, Sequential
from ..nn.parsing import parse, parse_prior
from ..observed import Mask
from ..priors import Features, Prior

# The parameters that are stored as JSON; network, prior and mask are stored beside them.
OPTIONS = (
    "channel_axis",
    "shift_average",
    "boundary",
    "ridge",
    "centre",
    "refine",
    "rtol",
    "memory_limit",
)

# What reading a file that is damaged, or of another kind, may raise.
UNREADABLE = (
    OSError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    EOFError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
)


def write(
    path: Path,
    options: dict[str, Any],
    network: Sequential | Mixture,
    prior: Prior,
    missing: Mask,
) -> None:
    """Write what an inpainter is made of; `Inpainter.save` says what is raised."""
    text = {"format": 1, "options": options, "network": repr(network), "prior": repr(prior)}
    # NumPy's numbers are written as plain ones.
    line = json.dumps(text, default=lambda number: number.item())
    arrays: dict[str, NDArray[Any]] = {"missing": missing, "options": np.array(line)}
    if isinstance(prior, Features):
        arrays["features"] = prior.values
    try:
        with replacing(path) as place, open(place, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(f"{path} cannot be written", got=str(error)) from error


def read(path: Path) -> tuple[dict[str, Any], Sequential | Mixture, Prior, Mask]:
    """Options, network, prior and mask; `Inpainter.load` says what is raised."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = arrays["missing"]
            text = json.loads(str(arrays["options"]))
            prior = (
                Features(arrays["features"])
                if "features" in arrays
                else parse_prior(str(text["prior"]))
            )
        return dict(text["options"]), parse(str(text["network"])), prior, missing
    except FileNotFoundError as error:
        raise InputError(f"{path} is not a saved inpainter", got="no such file") from error
    except UNREADABLE as error:
        raise InputError(
            f"{path} is not a saved inpainter",
            expected="what Inpainter.save wrote",
            got="a damaged file, or one of another kind",
        ) from error
