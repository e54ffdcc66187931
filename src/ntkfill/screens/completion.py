"""Complete a screen: predict the conditions that were not measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, PatternWarning, check_finite, warn
from ..io.parts import in_parts
from ..kernels.table import Array
from ..observed import Mask
from ..result import Filled
from ..runtime.progress import Progress
from ..runtime.resources import require, single_blas_thread
from ..uncertainty import Interval, Uncertainty
from ..uncertainty.intervals import check_level
from .features import encode
from .holdout import GRID, NOVELTIES, novelty
from .methods.baselines import Method, check_method
from .methods.cold_start import ColdStart
from .methods.low_rank import BLOCK, LowRank
from .screen import (
    Conditions,
    Screen,
    check_trainable,
    condition_name,
    one_spelling,
    split_constant,
)
from .uncertainty import FEW, Cover, ErrorModel, fit_error_model, scale_features


@dataclass(frozen=True, eq=False)
class Info:
    """Which profiles of a completed screen are predicted, and what their intervals hold.

    Parameters
    ----------
    known : bool array of shape (conditions, genes)
        Which values are the measured ones, bit for bit; the others are predicted.
    novelty : str array of shape (conditions,)
        What is new to the measured conditions: "in the grid" (drug and context were both measured),
        "new drug", "new cell", "new dose", "new time", "new context" (a combination of known
        ones), or "new drug and cell", "new drug and context".
    covers : tuple of Cover
        How many values of hidden conditions of the same novelty the intervals hold, by stratum;
        empty unless an interval was asked for.
    errors : dict of Screen
        For each novelty, the errors of hidden conditions over their standard deviations; empty
        unless standard deviations or an interval were asked for.
    """

    known: Mask
    novelty: NDArray[np.str_]
    covers: tuple[Cover, ...] = ()
    errors: dict[str, Screen] = field(default_factory=dict)

    @property
    def measured(self) -> Mask:
        """Where all genes were measured, bool of shape (conditions,)."""
        return np.asarray(self.known.all(axis=1))

    @property
    def partly(self) -> Mask:
        """Where some genes were measured, and the others are predicted from them too."""
        return np.asarray(self.known.any(axis=1) & ~self.measured)


@single_blas_thread()
def complete(
    screen: Screen,
    method: Method | None = None,
    conditions: Conditions | None = None,
    *,
    return_std: bool = False,
    interval: float | None = None,
    uncertainty: Uncertainty | None = None,
) -> Filled[Info]:
    """Predict every pair of context and drug that was not measured.

    Of conditions of which some genes were measured, the others are predicted from these genes too.

    Parameters
    ----------
    screen : Screen
    method : Method, optional
        The default is `ColdStart()`: `NTK()` in the grid, and a weighted sum of methods for drugs,
        cell lines and contexts of which nothing was measured.
    conditions : str array of shape (n, fields), optional
        Which conditions to return, new drugs and cell lines too; the default is every context with
        every drug.
    return_std : bool
        Also return standard deviations, estimated from the errors of the same method on hidden
        conditions that are like the predicted ones: ten more fits for each novelty of `Info`.
    interval : float, optional
        The share of predicted values that intervals should hold, e.g. 0.9. The intervals are not
        symmetric: large true values are missed more rarely than equal tails would miss them.
    uncertainty : Uncertainty, optional
        Its `random_state` is the seed of the folds; its other options do not apply to screens.

    Returns
    -------
    Filled
        `values` is a Screen of all conditions, `info` an `Info`; `std` and the bounds of `interval`
        are arrays of shape (conditions, genes).

    Raises
    ------
    InputError
        If a condition is repeated or has other labels than the screen, or `interval` is not between
        0 and 1.
    MemoryLimitError
        If the result does not fit into memory.

    Warns
    -----
    PatternWarning
        If there is nothing alike to hide, so that errors of other conditions stand in, or little.

    Examples
    --------
    >>> screen = Screen([[1.0, 0.0], [3.0, 1.0], [8.0, 2.0]],
    ...                 [["A", "x"], ["A", "y"], ["B", "x"]], ["g", "h"])
    >>> filled = complete(screen)
    >>> filled.values.labels[~filled.info.measured].tolist()
    [['B', 'y']]
    """
    if interval is not None:
        check_level(interval)
    method = ColdStart() if method is None else method
    check_method(method)
    varying, constant, values = split_constant(screen)
    if constant.any():
        options = {"return_std": return_std, "interval": interval, "uncertainty": uncertainty}
        filled = complete(varying, method, conditions, **options)  # type: ignore[arg-type]
        return _with_constant(filled, screen, constant, values)
    known = check_trainable(screen)
    labels = screen.pairs()
    if conditions is not None:
        labels = one_spelling(np.array(conditions, dtype=str), screen.fields, screen.labels)
    if labels.ndim != 2 or labels.shape[1] != len(screen.fields):
        raise InputError(
            "conditions have other labels than the screen",
            expected=", ".join(screen.fields),
            got=str(labels.shape),
        )
    # With uncertainty also standard deviations and bounds, and of profiles that are hidden the
    # predictions, errors and scales.
    arrays = 6 + 8 * (return_std or interval is not None)
    needed = arrays * 8 * len(labels) * len(screen.genes)
    require("all profiles", needed, hint="fewer conditions, or complete_to_file")
    _, rows, _ = encode(map(tuple, screen.labels.tolist()), map(tuple, labels.tolist()))
    profiles = np.where((rows >= 0)[:, None], screen.profiles[rows], np.nan)
    known_values = np.asarray(~np.isnan(profiles))
    measured = np.asarray(known_values.all(axis=1))
    partly = np.asarray(known_values.any(axis=1) & ~measured)
    missing, given = ~measured, profiles[partly]
    if missing.any():
        profiles[missing] = method.predict(known, labels[missing])
        for row in np.flatnonzero(~np.isfinite(profiles).all(axis=1))[:1]:
            raise InputError(f"the prediction of {condition_name(labels[row])} is not finite")
    info = Info(known_values, np.where(measured, GRID, novelty(known, labels)))
    std, lower, upper = np.zeros(profiles.shape), profiles.copy(), profiles.copy()
    covers: list[Cover] = []
    relative: dict[str, Screen] = {}
    count = 0
    for kind in np.unique(info.novelty[missing]).tolist():
        at = missing & (info.novelty == kind)
        if not (return_std or interval or partly[at].any()):
            continue
        errors = error_model(method, known, kind, (uncertainty or Uncertainty()).random_state)
        features = scale_features(known, labels[at], profiles[at])
        _, std[at] = errors.scales(features, labels[at])
        relative[kind] = replace(errors.hidden, profiles=errors.relative())
        bounds = None
        if interval is not None:
            bounds = errors.bounds(interval)
            covers += errors.covers(interval)
            count += errors.predicted.size
        also = at & partly
        if also.any():
            some = given[also[partly]]
            profiles[also], std[also] = errors.given(some, profiles[also], std[also])
        if bounds is not None:
            whole = at & ~partly
            lower[whole], upper[whole] = bounds.around(profiles[whole], std[whole])
            for seen in np.unique(known_values[also], axis=0):
                rows = np.flatnonzero(also & (known_values == seen).all(axis=1))
                rest = np.ix_(rows, ~seen)
                lower[rows], upper[rows] = profiles[rows], profiles[rows]
                within = errors.bounds_given(seen, interval or 0.0)
                lower[rest], upper[rest] = within.around(profiles[rest], std[rest])
    completed = Screen(profiles, labels, screen.genes, screen.fields)
    filled = Filled(completed, replace(info, covers=tuple(covers), errors=relative))
    if not return_std and interval is None:
        return filled
    check_finite("the completion", profiles, std)
    if interval is None:
        return replace(filled, std=std)
    return replace(filled, std=std, interval=Interval(lower, upper, interval, count))


def _with_constant(
    filled: Filled[Info], screen: Screen, constant: Mask, values: Array
) -> Filled[Info]:
    """A completion of the other genes with those that have one value, which is sure."""
    labels = filled.values.labels
    _, rows, _ = encode(map(tuple, screen.labels.tolist()), map(tuple, labels.tolist()))
    known = (rows >= 0)[:, None] & ~np.isnan(screen.profiles[rows])
    completed = Screen(
        _joined(filled.values.profiles, constant, values), labels, screen.genes, screen.fields
    )
    errors = {
        kind: Screen(_joined(each.profiles, constant), each.labels, screen.genes, screen.fields)
        for kind, each in filled.info.errors.items()
    }
    std, bounds = filled.std, filled.interval
    if bounds is not None:
        lower, upper = (_joined(end, constant, values) for end in (bounds.lower, bounds.upper))
        bounds = replace(bounds, lower=lower, upper=upper)
    info = replace(filled.info, known=known, errors=errors)
    std = None if std is None else _joined(std, constant)
    return Filled(completed, info, std, bounds)


def _joined(others: Array, constant: Mask, values: Array | float = 0.0) -> Array:
    """Values of all genes (..., genes), from those of the others and of the constant ones."""
    whole = np.empty((*others.shape[:-1], len(constant)), others.dtype)
    whole[..., ~constant], whole[..., constant] = others, values
    return whole


@single_blas_thread()
def complete_to_file(
    screen: Screen,
    path: Path,
    method: LowRank | None = None,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Predict every pair of context and drug into a file, some drugs at a time.

    For screens whose completion does not fit into memory. Nothing is under `path` before all of it
    is; `resume` goes on with what an interrupted call of the same screen and method left.

    Parameters
    ----------
    screen : Screen
    path : Path
        A new .zarr, whose attributes are the names of drugs, contexts and genes; or a .npy, with
        these in a .json beside it. The array is float32 of shape (drugs, contexts, genes).
        Profiles that were measured are kept to the precision of it.
    method : LowRank, optional
    resume : bool
    progress : callable, optional

    Raises
    ------
    InputError
        If the file cannot be written, or what is to be resumed is of another screen or method.

    Examples
    --------
    >>> import tempfile
    >>> from ntkfill.screens import simulate
    >>> made = simulate(cells=3, drugs=6, genes=8)
    >>> path = Path(tempfile.mkdtemp()) / "all.npy"
    >>> complete_to_file(made.screen, path)
    >>> np.load(path).shape
    (6, 3, 8)
    """
    method = LowRank() if method is None else method
    varying, constant, values = split_constant(screen)
    known = check_trainable(varying)
    fitted = method.fit(known, screen.pairs())
    shape = len(fitted.drugs), len(fitted.contexts), len(screen.genes)
    content = hashlib.sha256(screen.known.profiles.tobytes() + known.labels.tobytes())
    job = {"method": repr(method), "screen": content.hexdigest()}
    names = {
        "drugs": list(fitted.drugs),
        "contexts": list(fitted.contexts),
        "genes": screen.genes.tolist(),
    }
    chunks = (BLOCK, *shape[1:])
    with in_parts(path, shape, np.float32, chunks, job, names, resume=resume) as parts:
        blocks = [np.arange(k, min(k + BLOCK, shape[0])) for k in range(0, shape[0], BLOCK)]
        left = [k for k in range(len(blocks)) if k not in parts.done]
        todo = np.concatenate([blocks[k] for k in left]) if left else np.arange(0)
        for k, (drugs, block) in zip(left, fitted.blocks(todo), strict=True):
            rows = np.flatnonzero(np.isin(fitted.pairs.drug, drugs))
            at = fitted.pairs.drug[rows] - drugs[0], fitted.pairs.context[rows]
            block[at] = known.profiles[fitted.pairs.order[rows]]
            if constant.any():
                block = _joined(block, constant, values)
            parts.write(k, slice(drugs[0], drugs[-1] + 1), block)
            if progress is not None:
                progress((k + 1) / len(blocks))


def error_model(method: Method, known: Screen, kind: str, random_state: int) -> ErrorModel:
    """The errors for a novelty; where nothing alike can be hidden, others and a warning."""
    found = fit_error_model(method, known, kind, random_state)
    if found is not None and found.groups >= FEW:
        return found
    if found is None:
        kinds = [k for k in reversed(NOVELTIES) if k not in ("new dose", "new time")]
        others = (fit_error_model(method, known, k, random_state) for k in kinds)
        found = next((model for model in others if model is not None), None)
        text = "errors of other conditions stand in; intervals may be too narrow"
    else:
        text = f"{found.groups} could be hidden; intervals are rough"
    if found is None:
        raise InputError(
            "no condition of this screen can be held out, so errors cannot be estimated",
            hint="complete() without std and interval, of conditions with all genes or none",
        )
    warn(f"conditions of {kind!r}: {text}", PatternWarning)
    return found
