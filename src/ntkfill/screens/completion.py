"""Complete a screen: predict the conditions that were not measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..observed import Mask
from ..result import Filled
from ..runtime.resources import require
from ..uncertainty import Interval, Uncertainty
from ..uncertainty.intervals import check_level
from .features import encode
from .methods.baselines import Method, check_method
from .methods.ntk import NTK
from .screen import Conditions, Screen, check_trainable, condition_name, one_spelling
from .uncertainty import fit_error_model


@dataclass(frozen=True, eq=False)
class Info:
    """Which profiles of a completed screen are predicted.

    Parameters
    ----------
    measured : bool array of shape (conditions,)
        Where the profile is the measured one, bit for bit; elsewhere it is predicted.
    """

    measured: Mask


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

    Parameters
    ----------
    screen : Screen
    method : Method, optional
        The default is `NTK()`.
    conditions : str array of shape (n, fields), optional
        Which conditions to return; the default is every context with every drug.
    return_std : bool
        Also return standard deviations, estimated from the errors of the same method on held-out
        conditions: ten more fits.
    interval : float, optional
        The share of predicted values that intervals should hold, e.g. 0.9.
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
        If a condition is repeated or has other labels than the screen, a cell line was never
        measured, or `interval` is not between 0 and 1.
    MemoryLimitError
        If the result does not fit into memory.

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
    method = NTK() if method is None else method
    check_method(method)
    known = check_trainable(screen)
    labels = screen.pairs()
    if conditions is not None:
        labels = one_spelling(np.array(conditions, dtype=str), screen.fields)
    if labels.ndim != 2 or labels.shape[1] != len(screen.fields):
        raise InputError(
            "conditions have other labels than the screen",
            expected=", ".join(screen.fields),
            got=str(labels.shape),
        )
    require("all profiles", 3 * 8 * len(labels) * len(screen.genes), hint="fewer conditions")
    _, rows, _ = encode(map(tuple, known.labels.tolist()), map(tuple, labels.tolist()))
    missing = rows < 0
    profiles = known.profiles[rows]
    if missing.any():
        profiles[missing] = method.predict(known, labels[missing])
        for row in np.flatnonzero(~np.isfinite(profiles).all(axis=1))[:1]:
            raise InputError(f"the prediction of {condition_name(labels[row])} is not finite")
    completed = Screen(profiles, labels, screen.genes, screen.fields)
    filled = Filled(completed, Info(~missing))
    if not return_std and interval is None:
        return filled
    errors = fit_error_model(method, known, (uncertainty or Uncertainty()).random_state)
    std = np.where(missing[:, None], errors.std(labels), 0.0)
    if interval is None:
        return replace(filled, std=std)
    # Where the std is 0, so is the half-width, also where the quantile is infinite.
    half = np.where(std > 0, errors.scores.quantile(interval), 0.0) * std
    bounds = Interval(profiles - half, profiles + half, interval, len(errors.scores.values))
    return replace(filled, std=std, interval=bounds)
