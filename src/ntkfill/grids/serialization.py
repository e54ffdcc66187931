"""Inpainters on disk: an .npz of plain arrays and one line of JSON, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io.arrays import open_npz
from ..io.files import check_source, naming, replacing
from ..nn import Mixture, Sequential
from ..nn.parsing import parse, parse_prior
from ..observed import Mask
from ..priors import Features, Prior

FORMAT = 1

# What a fit takes at least for each byte of the mask.
FIT_BYTES = 16

# The parameters that are stored as JSON; network, prior and mask are stored beside them.
OPTIONS = (
    "channel_axis",
    "alpha",
    "missing_values",
    "bounds",
    "max_gap",
    "period",
    "shift_average",
    "boundary",
    "spacing",
    "ridge",
    "centre",
    "refine",
    "rtol",
    "memory_limit",
)


def write(
    path: Path,
    options: dict[str, Any],
    network: Sequential | Mixture,
    prior: Prior,
    missing: Mask,
) -> None:
    """Write what an inpainter is made of; `Inpainter.save` says what is raised."""
    text = {"format": FORMAT, "options": options, "network": repr(network), "prior": repr(prior)}
    # NumPy's numbers are written as plain ones.
    line = json.dumps(text, default=lambda number: number.tolist())
    arrays: dict[str, NDArray[Any]] = {"missing": missing, "options": np.array(line)}
    if isinstance(prior, Features):
        arrays["features"] = prior.values
    with replacing(path) as place, open(place, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read(path: Path) -> tuple[dict[str, Any], Sequential | Mixture, Prior, Mask]:
    """Options, network, prior and mask; `Inpainter.load` says what is raised."""
    check_source(path)
    with naming(path, "is not a saved inpainter"), open_npz(path, FIT_BYTES) as arrays:
        text = json.loads(str(arrays["options"]))
        if text["format"] != FORMAT:
            raise InputError("another format", expected=str(FORMAT), got=repr(text["format"]))
        features = "features" in arrays
        prior = Features(arrays["features"]) if features else parse_prior(str(text["prior"]))
        return dict(text["options"]), parse(str(text["network"])), prior, arrays["missing"]
