"""The imputer of tables: a scikit-learn transformer that fills in what is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.random import default_rng
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..errors import ConvergenceWarning, InputError, check_finite, check_integer, counted, warn
from ..explanation import Explanation
from ..kernels.table import Array
from ..nn import Sequential
from ..observed import Mask
from ..result import Filled
from ..runtime.resources import single_blas_thread
from ..selection import Choice
from ..uncertainty import Uncertainty
from ..uncertainty.intervals import check_level
from .categories import Indicators
from .chained import Chained
from .explain import explanation
from .features import of_new_rows, read_features
from .frames import (
    as_objects,
    as_table,
    column_labels,
    is_partitioned,
    position,
    read,
    read_bounds,
    rounded,
    row_labels,
    write,
    write_amounts,
)
from .models import Columns, TableModel, fit_table
from .options import TableOptions
from .partitions import fit_partitions, transform_partitions
from .selection import select_network
from .uncertainty import standard_deviations, uncertainties


@dataclass(frozen=True)
class Info:
    """How a table was filled.

    Parameters
    ----------
    n_missing : int
    n_iter : int
        Rounds over all columns; 1 with features and where nothing was missing.
    converged : bool
    message : str
        What did not converge, and what to try; empty where all did.
    choice : Choice, optional
        What was tried, where ``network="auto"``, and how each did.
    jitter : float
        The largest addition to the diagonal of a kernel besides the ridge, relative to its mean: 0
        unless a kernel is singular.
    """

    n_missing: int
    n_iter: int
    converged: bool
    message: str = ""
    choice: Choice | None = None
    jitter: float = 0.0


class NTKImputer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc, call-arg]
    """Fill in the gaps of a table by regression with neural tangent kernels.

    Without features every column is predicted from the others, round after round, by a stack of
    kernel regressions (the network's and Laplace kernels whose metrics are learned) that takes what
    was filled in as uncertain; fills stay within the range of the known entries of their column.
    With row features every column is regressed on them, so that whole rows may be missing; with
    column features every row; with both an entry is regressed on the features of its row and its
    column at once.

    Parameters
    ----------
    missing_values : number, text or date, or list of them
        What stands for a missing entry, besides NaN: numbers not in columns of dates or truth
        values. In a sparse matrix, what is not stored is missing.
    row_features : array of shape (n_rows, k) or data frame, optional
        A pandas frame is matched by its index with that of the table, and may hold rows that only
        `transform` will ask for.
    column_features : array of shape (n_columns, k) or data frame, optional
        A pandas frame is matched by its index with the names of the columns.
    network : Sequential or "auto", optional
        Of Dense layers and activations. The default has `depth` hidden layers of ReLU; "auto"
        tries one to three of them, and features that count half or twice as much, by leaving
        entries out (in closed form where there are features of one side, by hiding some where
        there are none or of both). Without features it is one kernel of several in a stack.
    depth : int
    feature_scale : float
        How much features count beside the constant that is appended to them: less is smoother.
    ridge : "loo" or float
        Relative to the kernel's mean diagonal; "loo" chooses it by leaving entries out.
    max_iter : int
        Without features: how often each column is regressed.
    tol : float
        Without features: stop when an iteration changes less than this share of the variance.
    bounds : pair, mapping, data frame, array of shape (n_columns, 2) or "data", optional
        What filled values are clipped to: (low, high) for all columns or by name, None where there
        is no bound; "data" is the range of each column's known entries. `explain` is not clipped.
    add_indicator : bool
        Append one column per column with gaps, 1 where something was missing.
    keep_empty_features : bool
        Whether a column without any entry and without features of its own is filled with zeros,
        with a warning, or dropped. Dates and categories stay missing.
    copy : bool
        There for scikit-learn's sake: the input is never changed.
    random_state : int, RandomState or None
        Which entries are hidden, where ridge or network are chosen by hidden ones. None stands
        for 0.

    Attributes
    ----------
    n_iter_ : int
        Rounds over all columns; 1 with features and where nothing was missing.
    converged_ : bool
        Whether the last round changed less than `tol`, or with both kinds of features the solve
        ended with the residual that was asked for; else there is a `ConvergenceWarning`.
    choice_ : Choice or None
        What was tried, where ``network="auto"``, and how each did.
    model_ : TableModel
        What was fitted, factors included.
    statistics_ : array of shape (n_columns,)
        The mean of the known entries; NaN where there are none, and of text.

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
        bounds: Any = None,
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
        self.bounds = bounds
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.copy = copy
        self.random_state = random_state

    @single_blas_thread()
    def fit(self, X: Any, y: None = None) -> Self:  # noqa: N803
        """Learn from a table, NaN where missing.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_rows, n_columns)
            Or a dask array or data frame, of which one partition at a time is in memory: the
            network, the ridges and the landmarks are selected on some of its rows, and the
            regressions are fitted to all.
        y : None

        Returns
        -------
        NTKImputer

        Raises
        ------
        InputError
            If an option is out of range, or the table or its features cannot be used.
        """
        if is_partitioned(X):
            fit_partitions(self, X)
        else:
            self._fit(as_table(X))
        return self

    @single_blas_thread()
    def fit_transform(self, X: Any, y: None = None) -> Any:  # noqa: N803
        """Learn from a table and fill it in.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_rows, n_columns)
        y : None

        Returns
        -------
        array or data frame of shape (n_rows, n_columns)
            Of the container that was given, with its labels and types, or of the library that
            `set_output` asks for.
        """
        if is_partitioned(X):
            return self.fit(X).transform(X)
        X = as_table(X)  # noqa: N806
        values = self._fit(X)
        return self._write(X, values, self.model_.filled if self._used.any() else None)

    @single_blas_thread()
    def impute(
        self,
        X: Any,  # noqa: N803
        *,
        return_std: bool = False,
        interval: float | None = None,
        draws: int = 0,
        uncertainty: Uncertainty | None = None,
    ) -> Filled[Info]:
        """Learn from a table, fill it in, and estimate the uncertainty of every filled entry.

        Standard deviations and intervals are calibrated on known entries that are held out in the
        pattern of the missing ones, which takes five more fits, with all that `fit` selects.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_rows, n_columns)
        return_std : bool
        interval : float, optional
            The share of missing entries that intervals should hold, e.g. 0.9; also returns standard
            deviations.
        draws : int
            So many tables whose gaps are drawn from their distribution given the other entries, for
            multiple imputation; also returns standard deviations. Only without features. The
            regressions are not drawn, so that what is estimated from the draws varies a little less
            than it should.
        uncertainty : Uncertainty, optional
            How standard deviations and intervals are made. The default posterior is "ntk", which
            takes the ridge for noise and fits with the tangent kernel, and is the only one where
            neither or both of rows and columns have features; `samples` counts where both have.

        Returns
        -------
        Filled
            The table as `fit_transform` returns it; standard deviations, zero where known and NaN
            in columns without any entry, intervals (NaN in columns of text, as categories have no
            order; draws hold them in their shares) and draws, where asked for; and `Info`.

        Raises
        ------
        InputError
            If too little is known to hold some of it out, or an argument cannot be used.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> table = rng.normal(size=(100, 1)) + rng.normal(0, 0.1, (100, 3))
        >>> table[::4, 1] = np.nan
        >>> done = NTKImputer().impute(table, return_std=True, interval=0.9)
        >>> bool(0.05 < done.std[::4, 1].mean() < 0.2), bool(done.std[1::4].any())
        (True, False)

        Multiple imputation: an estimate from every draw, and Rubin's rules for the mean and its
        standard error (Rubin 1987, doi:10.1002/9780470316696).

        >>> tables = NTKImputer().impute(table, draws=10).draws
        >>> means = np.array([drawn[:, 1].mean() for drawn in tables])
        >>> within = np.mean([drawn[:, 1].var(ddof=1) / 100 for drawn in tables])
        >>> error = np.sqrt(within + (1 + 1 / 10) * means.var(ddof=1))
        >>> bool(abs(means.mean() - table[:, 0].mean()) < 2 * error)
        True
        """
        if is_partitioned(X):
            raise InputError(
                "uncertainty is estimated of tables in memory",
                got=type(X).__name__,
                hint="impute some of the rows, or fit and transform all",
            )
        X = as_table(X)  # noqa: N806
        check_integer("draws", draws, 0, 10**6)
        if interval is not None:
            check_level(interval)
        uncertainty = Uncertainty() if uncertainty is None else uncertainty
        if not isinstance(uncertainty, Uncertainty):
            raise InputError("uncertainty must be an Uncertainty", got=repr(uncertainty))
        # Standard deviations are calibrated by another fit, beside this one.
        uncertain = return_std or interval is not None or draws > 0
        values = self._fit(X, 1 + uncertain)
        used, some = self._used, self._used.any()
        message, jitter = (self.model_.message, self.model_.jitter) if some else ("", 0.0)
        count = int(np.isnan(values).sum())
        info = Info(count, self.n_iter_, self.converged_, message, self.choice_, jitter)
        if not uncertain:
            return Filled(self._write(X, values, self.model_.filled if some else None), info)
        model = self.model_ if some else None
        if draws and not (model is None or isinstance(model, Chained)):
            raise InputError("draws are of tables without features of rows or columns")
        indicators = self._indicators
        table = indicators.of(values[:, used])

        def completed(holed: Array) -> tuple[Array, Array, Mask]:
            model = self.model_ if holed is table else self._fit_model(holed)[0]
            sure = model.sure if isinstance(model, Chained) else ~np.isnan(holed)
            sure = sure | indicators.text  # shares of categories have no normal errors
            std = standard_deviations(model, holed, uncertainty)
            return model.filled, std, sure

        def in_form(numbers: Array, empty: float, *, spans: bool = False) -> Any:
            whole = np.tile(empty + self._empty, (len(values), 1))
            whole[:, used] = numbers if spans else np.clip(numbers, *self._bounds[:, used])
            names = self.get_feature_names_out()[: self._kept.sum()]
            return write_amounts(X, whole, self._kept, names, self._library, spans=spans)

        whole_rows = self.row_features is not None
        std, bounds = uncertainties(completed, table, uncertainty, interval, whole_rows=whole_rows)
        check_finite("the standard deviation", std)
        # A column without any entry, filled with zeros: as far off as entries of the table are.
        plain = table[:, ~indicators.text]
        far = float(np.sqrt(np.nanmean(np.square(plain)))) if plain.size else np.inf
        if bounds is not None:
            if self._categories:
                names = ", ".join(
                    str(j if self._names is None else self._names[j]) for j in self._categories
                )
                said = f"the interval of categories, which have no order, is NaN: {names}"
                warn(f"{said}. Try: draws=10.", UserWarning)
            wide = max(far, float(np.max(bounds.upper - bounds.lower, initial=0.0)) / 2)
            lower = in_form(indicators.plain(bounds.lower), -wide)
            upper = in_form(indicators.plain(bounds.upper), wide)
            bounds = replace(bounds, lower=lower, upper=upper)
        filled = self._write(X, values, self.model_.filled if some else None)
        drawn = [filled] * draws
        if draws and isinstance(model, Chained):
            # How far the calibration moved the standard deviations of each column.
            moved = (model.std > 0) & ~model.sure
            ratio = np.divide(std, model.std, out=np.zeros_like(std), where=moved)
            factor = np.where(moved.any(axis=0), ratio.max(axis=0), 1.0)
            for k in range(draws):
                rng = default_rng([uncertainty.random_state, k])
                drawn[k] = self._write(X, values, model.draw(factor, rng))
        spread = indicators.plain(std)
        if model is not None and self._categories:
            doubt = np.where(np.isnan(values[:, used]), indicators.doubt(model.filled), 0.0)
            spread = np.where(np.isnan(spread), doubt, spread)
        return Filled(filled, info, in_form(spread, far, spans=True), bounds, tuple(drawn) or None)

    @single_blas_thread()
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
        if is_partitioned(X):
            return transform_partitions(self, X, row_features)
        X = as_table(X)  # noqa: N806
        values = read(self, X, self.missing_values, reset=False)
        if not self._used.any():
            return self._write(X, values, None)
        features = self._features_of(X, values, row_features)
        numbers = self._indicators.of(values[:, self._used])
        seen = self._seen(values, features)
        filled, new = self.model_.filled[seen], seen < 0
        if new.any():
            rows = None if features is None else features[new]
            filled[new], message = self.model_.transform(numbers[new], rows)
            if message:
                warn(message, ConvergenceWarning)
        return self._write(X, values, filled)

    @single_blas_thread()
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
        if is_partitioned(X) or (X is None and self._places is not None):
            raise InputError(
                "a value of a table in partitions is looked up in one of them",
                hint="explain(row, column, X) with X a partition, as an array or frame in memory",
            )
        X = as_table(X)  # noqa: N806
        values = self._values if X is None else read(self, X, self.missing_values, reset=False)
        labels = self._labels if X is None else row_labels(X)
        i = position(row, labels, values.shape[0], "row")
        j = position(column, self._names, values.shape[1], "column")
        if not np.isnan(values[i, j]):
            value = 1.0 if j in self._categories else float(values[i, j])
            itself = np.array([[i, j]])
            return Explanation((i, j), itself, np.array([value]), np.ones(1), value)
        if not self._used[j]:
            raise InputError(f"nothing is known of the column {column!r}")
        fitted = self._indicators.of(self._values[:, self._used])
        given = self._indicators.of(values[:, self._used])
        features = None if X is None else self._features_of(X, values, row_features)
        at = i if X is None else int(self._seen(values, features)[i])
        new = at < 0
        filled = self.model_.transform(given, features)[0][i] if new else self.model_.filled[at]
        columns = np.flatnonzero(self._used)[self._indicators.columns]
        places = np.flatnonzero(columns == j)
        place = int(places[np.argmax(filled[places])])
        entry = self.model_.entry(*((i, place, given, features) if new else (at, place)))
        within = given if new and isinstance(self.model_, Columns) else fitted
        told = explanation(entry, within, columns, i, j)
        if self._places is None or within is not fitted:
            return told
        whole = np.stack([self._places[told.rows], told.columns], axis=1)
        return replace(told, coordinates=whole)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """The names of the columns that `transform` gives back."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if input_features is None and self._names is not None:
            names = as_objects(self._names)  # whatever they are
        if not self.add_indicator:
            return names[self._kept]
        gaps = [
            (f"missingindicator_{name[0]}", *name[1:])
            if isinstance(name, tuple)
            else f"missingindicator_{name}"
            for name in names[self.indicator_.features_]
        ]
        return np.concatenate([names[self._kept], as_objects(gaps)])

    def set_output(self, *, transform: str | None = None) -> Self:
        """In which container `transform`, `fit_transform` and `impute` return a table.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            "default" is that of the input. None changes nothing.
        """
        if transform not in (None, "default", "pandas", "polars"):
            raise InputError(
                "transform must be 'default', 'pandas' or 'polars'", got=repr(transform)
            )
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    @property
    def _library(self) -> str:
        """The container that was asked for."""
        asked = getattr(self, "_sklearn_output_config", {}).get("transform")
        return str(asked or get_config()["transform_output"])

    def _fit(self, table: Any, models: int = 1, places: NDArray[np.intp] | None = None) -> Array:
        """Read the table, fit the model to it, of so many that will be alive at once, and remember
        both, and which rows of a larger table (`places`) it holds; returns the values."""
        self._places = places
        random_state = 0 if self.random_state is None else self.random_state
        self._options = TableOptions(
            self.network, self.depth, self.feature_scale, self.ridge, self.max_iter, self.tol,
            int(check_random_state(random_state).randint(2**31)),
        )  # fmt: skip
        values = read(self, table, self.missing_values, reset=True)
        self._labels, self._values = row_labels(table), values
        self._names = column_labels(table)
        known = ~np.isnan(values)
        filled_in = np.asarray(known.any(axis=0))
        self.statistics_ = np.full(values.shape[1], np.nan)
        self.statistics_[filled_in] = np.nanmean(values[:, filled_in], axis=0)
        # A column with features of its own needs no entry, as long as there are any at all.
        self._used = filled_in
        if self.column_features is not None:
            self._used = np.full(len(filled_in), filled_in.any())
        # What columns without any entry are filled with; no date and no text stands for nothing.
        dates = self._types.dates
        texts = np.isin(np.arange(values.shape[1]), list(self._categories))
        self._empty = np.where(dates | texts, np.nan, 0.0)
        self._kept = self._used | self.keep_empty_features
        self._bounds = read_bounds(self.bounds, values, self._names, self._categories)
        # Columns that are filled with whole numbers: of integers, and of dates that all are days.
        days = ((values == rounded(table, values)) | np.isnan(values)).all(axis=0)
        self._whole = whole = self._types.integers | (days & dates)
        for side, how in enumerate((np.ceil, np.floor)):
            bound = rounded(table, self._bounds[[side]], how)
            self._bounds[side, whole] = bound[0, whole]
        for j in self._categories if self.column_features is not None else ():
            raise InputError(
                f"the column {j if self._names is None else self._names[j]!r} holds text, which "
                "features of columns do not predict",
                hint="leave it out, or column_features=None",
            )
        levels = np.array([len(self._categories.get(j, ())) for j in range(values.shape[1])])
        self.statistics_[levels > 0] = np.nan
        self._indicators = Indicators(levels[self._used])
        empty = np.flatnonzero(~self._used)
        if len(empty):
            names = ", ".join(str(j if self._names is None else self._names[j]) for j in empty[:5])
            done = "filled with zeros" if self.keep_empty_features else "left out"
            kinds = [
                what for what, j in (("dates", dates), ("categories", texts)) if j[empty].any()
            ]
            if self.keep_empty_features and kinds:
                done += f" ({' and '.join(kinds)} stay missing)"
            count = counted(len(empty), "column")
            warn(f"no known entry in {count}, {done}: {names}", UserWarning)
        if self.add_indicator:
            self.indicator_ = MissingIndicator(error_on_new=False).fit(values)
        self._sides: list[Array | None] = [
            None if features is None else read_features(features, labels, count, what)
            for features, labels, count, what in (
                (self.row_features, self._labels, values.shape[0], "row"),
                (self.column_features, self._names, values.shape[1], "column"),
            )
        ]
        self.n_iter_, self.converged_ = 1, True
        self.choice_: Choice | None = None
        if self._used.any():
            numbers = self._indicators.of(values[:, self._used])
            self.model_, self.choice_ = self._fit_model(numbers, models)
            message = self.model_.message
            self.n_iter_, self.converged_ = self.model_.n_iter, not message
            if message:
                warn(message, ConvergenceWarning)
        return values

    def _fit_model(self, values: Array, models: int = 1) -> tuple[TableModel, Choice | None]:
        """Select the network, where asked for, and fit the model."""
        options, (rows, columns) = self._options, self._sides
        if isinstance(options.network, Sequential):
            network, scale = options.network, options.feature_scale
            model = fit_table(
                values, rows, columns, network, scale, options, self._indicators, models
            )
            return model, None

        def fill(holed: Array, network: Sequential, scale: float) -> Array:
            model = fit_table(holed, rows, columns, network, scale, options, self._indicators)
            return model.filled

        choice = select_network(values, rows, columns, options, fill)
        assert isinstance(choice.network, Sequential)
        assert choice.feature_scale is not None
        network, scale = choice.network, choice.feature_scale
        model = fit_table(values, rows, columns, network, scale, options, self._indicators, models)
        return model, choice

    def _features_of(self, table: Any, values: Array, given: Any) -> Array | None:
        """Those of the rows of a table to transform, where rows have features."""
        if self.row_features is None:
            if given is not None:
                raise InputError(
                    "row_features are of no use without those that were fitted",
                    hint="NTKImputer(row_features=...)",
                )
            return None
        same = np.array_equal(values, self._values, equal_nan=True)
        return of_new_rows(given, self.row_features, table, len(values), same)

    def _seen(self, values: Array, features: Array | None) -> NDArray[np.intp]:
        """Where rows, with their features, are in the table that was fitted, -1 where they are not:
        those are filled as they were."""

        def keys(values: Array, features: Array | None) -> list[bytes]:
            whole = values if features is None else np.hstack([values, features])
            return [row.tobytes() for row in np.ascontiguousarray(whole)]

        places = {key: k for k, key in enumerate(keys(self._values, self._sides[0]))}
        return np.array([places.get(key, -1) for key in keys(values, features)], dtype=np.intp)

    def _write(self, table: Any, values: Array, found: Array | None) -> Any:
        """Known entries as they were, the others as they were found, in the form of the input."""
        filled, missing = np.tile(self._empty, (len(values), 1)), np.isnan(values)
        if found is not None:
            check_finite("the fill", found)
            codes = self._indicators.codes(found)
            filled[:, self._used] = np.clip(codes, *self._bounds[:, self._used])
            filled[:, self._whole] = rounded(table, filled)[:, self._whole]
        filled = np.where(missing, filled, values)
        more = self.indicator_.transform(values).astype(float) if self.add_indicator else None
        names = self.get_feature_names_out()
        return write(
            table, filled, missing, self._kept, names, more, self._library, self._categories
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
