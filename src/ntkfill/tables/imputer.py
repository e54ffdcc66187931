"""The door for tables: a scikit-learn transformer that fills in what is missing."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from ..errors import InputError
from ..explanation import Explanation
from ..kernels.table import Array
from ..nn import Sequential
from ..uncertainty.posterior import PosteriorModel
from .checks import (
    checked_auto,
    checked_network,
    checked_ridge,
    checked_scale,
    checked_sweeps,
    position,
    refuse_infinity,
    refuse_nothing,
    refuse_text,
    refuse_twins,
    relu,
    warn_of_empty,
    warn_of_shortfall,
)
from .features import Side, matched, of_new_rows
from .frames import kind, labelled, like, numbers, row_labels, unstored_missing
from .kernel_row import alike
from .models import Columns, Model, fitted
from .result import Doubt, Imputed
from .selection import Choice, chosen
from .uncertainty import deviations


class NTKImputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill in the gaps of a table by regression with neural tangent kernels.

    Without features every column is regressed on the others, in sweeps. With row features every
    column is regressed on them, so that whole rows may be missing; with column features every row;
    with both an entry is regressed on the features of its row and its column at once.

    Parameters
    ----------
    missing_values : number or NaN
        What stands for a missing entry, besides NaN. In a sparse matrix, what is not stored.
    row_features : array of shape (n_rows, k) or data frame, optional
        A pandas frame is matched by its index with that of the table, and may hold rows that only
        `transform` will ask for.
    column_features : array of shape (n_columns, k) or data frame, optional
        A pandas frame is matched by its index with the names of the columns.
    network : Sequential or "auto", optional
        Of Dense layers and activations. The default has `depth` hidden layers of ReLU; "auto"
        tries one to three of them, and features that count half or twice as much, by leaving
        entries out (in closed form where there are features of one side, by hiding some where
        there are none or of both).
    depth : int
    feature_scale : float
        How much features count beside the constant that is appended to them: less is smoother.
    ridge : "loo" or float
        Relative to the kernel's mean diagonal; "loo" chooses it by leaving entries out.
    max_iter : int
        Without features: how often each column is regressed.
    tol : float
        Without features: stop when a sweep changes less than this share of the variance.
    add_indicator : bool
        Append one column per column with gaps, 1 where something was missing.
    keep_empty_features : bool
        Whether a column without any entry and without features of its own is filled with zeros,
        with a warning, or dropped.
    copy : bool
        There for scikit-learn's sake: the input is never changed.
    random_state : int, RandomState or None
        Which entries are hidden, where ridge or network are chosen by hidden ones. None stands
        for 0.

    Attributes
    ----------
    n_iter_ : int
        Sweeps that were made; 1 with features and where nothing was missing.
    converged_ : bool
        Whether the last sweep changed less than `tol`, or with both kinds of features the solve
        ended with the residual that was asked for; else there is a `ConvergenceWarning`.
    choice_ : Choice or None
        What was tried, where ``network="auto"``, and how each did.
    model_ : what was fitted, factors included
    statistics_ : array of shape (n_columns,)
        The mean of the known entries; NaN where there are none.

    See Also
    --------
    ntkfill.inpaint : The same for images, signals and volumes.

    Examples
    --------
    >>> table = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, np.nan], [4.0, 8.0], [5.0, 10.0]])
    >>> NTKImputer(ridge=1e-4).fit_transform(table)[2].round(1)
    array([3., 6.])
    """

    def __init__(
        self,
        *,
        missing_values: Any = np.nan,
        row_features: Any = None,
        column_features: Any = None,
        network: Sequential | Literal["auto"] | None = None,
        depth: int = 1,
        feature_scale: float = 1.0,
        ridge: float | Literal["loo"] = "loo",
        max_iter: int = 10,
        tol: float = 1e-3,
        add_indicator: bool = False,
        keep_empty_features: bool = True,
        copy: bool = True,
        random_state: Any = None,
    ) -> None:
        self.missing_values = missing_values
        self.row_features = row_features
        self.column_features = column_features
        self.network = network
        self.depth = depth
        self.feature_scale = feature_scale
        self.ridge = ridge
        self.max_iter = max_iter
        self.tol = tol
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.copy = copy
        self.random_state = random_state

    def fit(self, X: Any, y: None = None) -> Self:  # noqa: N803
        """Learn from a table, NaN where missing.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_rows, n_columns)
        y : None

        Returns
        -------
        NTKImputer
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: None = None, **params: Any) -> Any:  # noqa: N803
        """Learn from a table and fill it in.

        Returns
        -------
        array or data frame of shape (n_rows, n_columns)
            A frame of the same library, labels and types where a frame was given.
        """
        values = self._fit(X)
        return self._finished(X, values, self.model_.filled if self._columns.any() else None)

    def impute(
        self,
        X: Any,  # noqa: N803
        *,
        return_std: bool = False,
        interval: float | None = None,
        under: PosteriorModel = "ntk",
        seed: int = 0,
    ) -> Imputed:
        """Learn from a table, fill it in, and say how sure every filled entry is.

        Standard deviations and intervals are calibrated on known entries that are hidden in the
        pattern of the missing ones, which takes five more fits.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_rows, n_columns)
        return_std : bool
        interval : float, optional
            The share of missing entries that intervals should hold, e.g. 0.9.
        under : {"ntk", "nngp", "ensemble"}
            What the truth is taken for, as in `ntkfill.Confidence`; here the ridge is noise, so
            the default is the posterior that knows noise and fits with the tangent kernel.
        seed : int
            Says which entries are hidden.

        Returns
        -------
        Imputed

        Raises
        ------
        InputError
            If too little is known to hide some of it.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> table = rng.normal(size=(100, 1)) + rng.normal(0, 0.1, (100, 3))
        >>> table[::4, 1] = np.nan
        >>> done = NTKImputer().impute(table, return_std=True, interval=0.9)
        >>> bool(0.05 < done.std[::4, 1].mean() < 0.2), bool(done.std[1::4].any())
        (True, False)
        """
        doubt = Doubt(interval, under, seed)
        values = self._fit(X)
        some, kept = self._columns, self._kept
        inner, found = values[:, some], self.model_.filled if some.any() else None
        filled = self._finished(X, values, found)
        if not (return_std or interval is not None):
            return Imputed(filled)

        def completed(table: Array) -> tuple[Array, Array]:
            model = self.model_ if table is inner else copy(self)._model(table)
            return model.filled, deviations(model, table, under, seed)

        def formed(numbers: Array) -> Any:
            whole = np.full(values.shape, np.nan)
            whole[:, some] = numbers
            return labelled(X, whole[:, kept], getattr(filled, "columns", [])[: kept.sum()])

        std, bounds = doubt.weigh(completed, inner, sided=self.row_features is not None)
        if bounds is not None:
            bounds = replace(bounds, lower=formed(bounds.lower), upper=formed(bounds.upper))
        return Imputed(filled, formed(std), bounds)

    def transform(self, X: Any, row_features: Any = None) -> Any:  # noqa: N803
        """Fill in a table: that of `fit` or new rows.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n, n_columns)
        row_features : array or data frame, optional
            Those of the new rows, where `fit` had row features and the labels do not say which.

        Returns
        -------
        array or data frame of shape (n, n_columns)
        """
        check_is_fitted(self)
        values = self._read(X, reset=False)
        if not self._columns.any():
            return self._finished(X, values, None)
        features = self._features(X, values, row_features)
        return self._finished(X, values, self.model_.transform(values[:, self._columns], features))

    def explain(
        self,
        row: Any,
        column: Any,
        X: Any = None,  # noqa: N803
        row_features: Any = None,
    ) -> Explanation:
        """The observed entries that a filled value is made of, and their weights.

        Parameters
        ----------
        row : int, or a label of the index
        column : int, or a name
        X : array, data frame or sparse matrix of shape (n, n_columns), optional
            The table that the row is of, as it was given to `transform`; the default is the one
            that was fitted.
        row_features : array or data frame, optional
            As for `transform`.

        Returns
        -------
        Explanation
            Of entries of the table that was fitted; where only columns have features, of `X`.

        Raises
        ------
        InputError
            If there is no such row or column, or nothing to explain the value with.
        """
        check_is_fitted(self)
        values = self._values if X is None else self._read(X, reset=False)
        labels = self._labels if X is None else row_labels(X)
        i = position(row, labels, values.shape[0], "row")
        j = position(column, self._names, values.shape[1], "column")
        kernel = None
        if not np.isnan(values[i, j]):
            at, weights = np.array([i * values.shape[1] + j]), np.ones(1)
        elif not self._columns[j]:
            raise InputError(f"nothing is known of the column {column!r}")
        else:
            used = np.flatnonzero(self._columns)
            place = int(np.searchsorted(used, j))
            if X is None:
                flat, weights = self.model_.weights(i, place)
                kernel = alike(self.model_, i, place, np.transpose(np.divmod(flat, len(used))))
            else:
                features = self._features(X, values, row_features)
                flat, weights = self.model_.weights_of_new(values[:, used], features, i, place)
                values = values if isinstance(self.model_, Columns) else self._values
            rows, columns = np.divmod(flat, len(used))
            at = rows * values.shape[1] + used[columns]
        places = np.transpose(np.divmod(at, values.shape[1]))
        shares = values[tuple(places.T)]
        return Explanation((i, j), places, shares, weights, float(weights @ shares), kernel)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """The names of the columns that `transform` gives back."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names[self._kept]
        if not self.add_indicator:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    @property
    def _names(self) -> NDArray[Any] | None:
        return getattr(self, "feature_names_in_", None)

    def _features(self, table: Any, values: Array, given: Any) -> Array | None:
        """Those of the rows of a table to transform, where rows have features."""
        if self.row_features is None:
            return None
        same = np.array_equal(values, self._values, equal_nan=True)
        return of_new_rows(given, self.row_features, table, len(values), same)

    def _fit(self, table: Any) -> Array:
        values = self._read(table, reset=True)
        self._labels, self._values = row_labels(table), values
        known = ~np.isnan(values)
        some = np.asarray(known.any(axis=0))
        self.statistics_ = np.full(values.shape[1], np.nan)
        self.statistics_[some] = np.nanmean(values[:, some], axis=0)
        # A column with features of its own needs no entry, as long as there are any at all.
        self._columns = some if self.column_features is None else np.full(len(some), some.any())
        self._kept = self._columns | self.keep_empty_features
        warn_of_empty(
            ~self._columns,
            self._names,
            "filled with zeros" if self.keep_empty_features else "dropped",
        )
        if self.add_indicator:
            self.indicator_ = MissingIndicator(error_on_new=False).fit(values)
        self.n_iter_, self.converged_ = 1, True
        self.choice_: Choice | None = None
        if self._columns.any():
            self.model_: Model = self._model(values[:, self._columns])
            self.n_iter_, self.converged_ = max(self.model_.sweeps, 1), not self.model_.shortfall
            warn_of_shortfall(self.model_.shortfall)
        return values

    def _model(self, values: Array) -> Model:
        checked_sweeps(self.max_iter, self.tol)
        ridge, scale = checked_ridge(self.ridge), checked_scale(self.feature_scale)
        rows = columns = None
        if self.row_features is not None:
            rows = matched(self.row_features, self._labels, len(values), "row")
        if self.column_features is not None:
            columns = matched(self.column_features, self._names, values.shape[1], "column")
        state = 0 if self.random_state is None else self.random_state
        seed = int(check_random_state(state).randint(2**31))

        def fit(values: Array, network: Sequential, scale: float) -> Model:
            left = None if rows is None else Side.of(rows, network, scale)
            right = None if columns is None else Side.of(columns, network, scale)
            return fitted(values, network, left, right, ridge, self.max_iter, self.tol, seed)

        if isinstance(self.network, str):
            checked_auto(self.network)
            choice = chosen(values, rows, columns, scale, ridge, seed, fit)
            network, scale = choice.network, choice.feature_scale
            self.choice_ = choice
        else:
            network = relu(self.depth) if self.network is None else checked_network(self.network)
        return fit(values, network, scale)

    def _read(self, table: Any, *, reset: bool) -> Array:
        """The table as floats, NaN where missing; checks and remembers names and shape."""
        if kind(table) in ("pandas", "polars"):
            # Names first, so that messages may use them; scikit-learn would not say which column
            # holds text.
            refuse_twins(list(table.columns))
            validate_data(self, table, reset=reset, skip_check_array=True)
            values = numbers(table)
            refuse_nothing(values)
        else:
            refuse_text(table)
            values = validate_data(
                self, table, reset=reset, dtype=(np.float64, np.float32), accept_sparse=True,
                ensure_all_finite=False,
            )  # fmt: skip
            if kind(values) == "sparse":
                values = unstored_missing(values)
        values = values.astype(np.float64)
        if isinstance(self.missing_values, int | float) and not np.isnan(self.missing_values):
            values[values == self.missing_values] = np.nan
        refuse_infinity(values, row_labels(table), self._names)
        return values

    def _finished(self, table: Any, values: Array, found: Array | None) -> Any:
        """Known entries as they were, the others as they were found, in the form of the input."""
        filled = np.zeros_like(values)
        if found is not None:
            filled[:, self._columns] = found
        filled = np.where(np.isnan(values), filled, values)[:, self._kept]
        if self.add_indicator:
            filled = np.hstack([filled, self.indicator_.transform(values)])
        asked = getattr(self, "_sklearn_output_config", {}).get("transform")
        asked = asked or get_config()["transform_output"]
        if kind(table) in ("pandas", "polars") and asked in ("default", kind(table)):
            names = list(table.columns)
            return like(
                table, filled, list(self.get_feature_names_out(np.array(names, dtype=object)))
            )
        dtype = getattr(table, "dtype", np.float64)
        return filled.astype(np.float32) if dtype == np.float32 else filled

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
