"""Recommenders on disk: an .npz of plain arrays and one line of JSON, never a pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import InputError, check_number, check_unique
from ..io.arrays import open_npz
from ..io.files import CheckedFile, check_source, naming, replacing
from ..kernels.table import Array
from ..nn import Sequential
from ..nn.parsing import parse
from ..tables.features import Features
from .covariance import ItemCovariance, Profile
from .features import UserPrior
from .frames import as_ids
from .models import RatingModel

FORMAT = 1
PROFILE = ("items", "residuals", "scales", "times", "coefficients")
REFUSED = "is not a saved recommender"
# The arrays of standardised features.
STANDARD = ("exponent", "level", "scale", "vectors")


@dataclass(frozen=True, eq=False)
class Stored:
    """What a fitted recommender is made of."""

    options: dict[str, Any]
    network: Sequential
    users: list[Hashable]
    items: list[Hashable]
    range: tuple[float, float]
    model: RatingModel
    user_features: dict[Hashable, Array]
    user_prior: UserPrior | None


def write(path: Path, stored: Stored) -> None:
    """Write it; `Recommender.save` says what is raised."""
    for name in [*stored.users, *stored.items, *stored.user_features]:
        if not isinstance(name, str | int | float | bool):
            raise InputError(
                "ids can be saved where they are strings or numbers", got=repr(name), hint="str(id)"
            )
    model = stored.model
    covariance, profiles = model.covariance, model.profiles
    text = {
        "format": FORMAT,
        "options": stored.options,
        "network": repr(stored.network),
        "users": stored.users,
        "items": stored.items,
        "range": stored.range,
        "featured": list(stored.user_features),
        "covariance": [covariance.noise, covariance.session, covariance.duration],
        "model": [model.level, model.std_scale, model.held_out_rmse],
    }
    arrays: dict[str, Any] = {
        "text": np.array(json.dumps(text)),
        "means": model.means,
        "covariance": covariance.values,
        "lengths": np.array([len(profile.items) for profile in profiles]),
    }
    for name in PROFILE:
        parts = [getattr(profile, name) for profile in profiles]
        if parts[0] is not None:
            arrays[name] = np.concatenate(parts)
    if stored.user_prior is not None:
        sides = stored.user_prior.features
        arrays["user_features"] = np.stack(list(stored.user_features.values()))
        arrays["functions"] = stored.user_prior.functions
        arrays |= {f"standard_{name}": getattr(sides, name) for name in STANDARD}
    with replacing(path) as place, CheckedFile(place) as file:
        np.savez(file, **arrays)


def read(path: Path) -> Stored:
    """Read it; `Recommender.load` says what is raised."""
    check_source(path)
    with naming(path, REFUSED), open_npz(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
        text = json.loads(str(arrays["text"]))
        if text["format"] != FORMAT:
            raise InputError("another format", expected=str(FORMAT), got=repr(text["format"]))
        _check(arrays, text)
        options, network = dict(text["options"]), cast(Sequential, parse(str(text["network"])))
        if isinstance(options["bounds"], list):
            options["bounds"] = tuple(options["bounds"])
        ends = np.cumsum(arrays["lengths"])[:-1]
        columns = [
            np.split(arrays[name], ends) if name in arrays else [None] * (len(ends) + 1)
            for name in PROFILE
        ]
        profiles = [Profile(*parts) for parts in zip(*columns, strict=True)]
        covariance = ItemCovariance(arrays["covariance"], *text["covariance"])
        level, std_scale, rmse = text["model"]
        model = RatingModel(level, arrays["means"], covariance, profiles, std_scale, rmse)
        features: dict[Hashable, Array] = {}
        prior = None
        if "functions" in arrays:
            standard = [arrays[f"standard_{name}"] for name in STANDARD]
            prior = UserPrior(Features(network, *standard), arrays["functions"])
            features = dict(zip(text["featured"], arrays["user_features"], strict=True))
        low, high = text["range"]
        return Stored(
            options, network, text["users"], text["items"], (low, high), model, features, prior
        )


def _check(arrays: dict[str, Array], text: dict[str, Any]) -> None:
    """Refuse arrays that do not belong together, names that are none, and numbers out of range."""
    for what in ("user", "item"):
        check_unique(as_ids(text[f"{what}s"], what), what)
    noise, session, duration = text["covariance"]
    level, std_scale, _ = text["model"]
    low, high = text["range"]
    for name, number, least in (
        ("level", level, -math.inf),
        ("noise", noise, 0.0),
        ("session", session, 0.0),
        ("std_scale", std_scale, 0.0),
        ("range", high, check_number("range", low)),
    ):
        check_number(name, number, minimum=least)
    check_number("duration", duration, above=0)
    users, items = len(text["users"]), len(text["items"])
    featured = len(text["featured"])
    ratings = int(arrays["lengths"].sum())
    shapes: dict[str, tuple[int, ...]] = {
        "means": (items,),
        "covariance": (items, items),
        "lengths": (users,),
        **dict.fromkeys(PROFILE, (ratings,)),
    }
    if "functions" in arrays:
        regressed, k = len(arrays["standard_vectors"]), len(arrays["standard_level"])
        shapes |= {
            "user_features": (featured, k),
            "functions": (regressed, items),
            "standard_vectors": (regressed, k + 1),
            **dict.fromkeys(("standard_exponent", "standard_level", "standard_scale"), (k,)),
        }
    for name, shape in shapes.items():
        if name == "times" and name not in arrays:
            continue
        array = arrays[name]
        if array.shape != shape:
            raise InputError(f"{name} has another shape", expected=str(shape), got=str(array.shape))
        whole = name in ("items", "lengths", "standard_exponent")
        if array.dtype.kind not in ("iu" if whole else "f") or not np.isfinite(array).all():
            raise InputError(f"{name} must hold finite numbers", got=str(array.dtype))
    if not np.isin(arrays["items"], np.arange(items)).all():
        raise InputError("ratings of items that are not there")
    if (arrays["lengths"] < 0).any():
        raise InputError("users with fewer than no ratings")
