"""Tables as people hold them, read into arrays and written back into the same container: arrays,
data frames of either library, sparse matrices.

A result is a copy of what was given in which gaps alone are written, so that labels, types and
known entries stay as they are. pandas and polars are never imported here unless the caller's table
is one of theirs, or the result is to be.
"""

from __future__ import annotations

import importlib
import numbers
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from ..errors import InputError, check_unique, warn
from ..io.text_tables import GAPS, Kinds
from ..kernels.table import Array
from ..observed import LARGEST, SMALLEST, Mask, sentinel_of

# Dates are regressed as days since 1970, durations as days.
DAY = 86_400_000_000  # microseconds
# What arrays of objects may hold that NumPy would turn into a number, or not name.
NO_NUMBER = (
    str,
    bytes,
    complex,
    np.complexfloating,
    np.datetime64,
    np.timedelta64,
    date,
    timedelta,
)
# Dates, in days since 1970, that stand for none: the first, the last, and those of Excel and Unix.
EPOCH = date(1970, 1, 1).toordinal()
NO_DATES = (date(1, 1, 1), date(1900, 1, 1), date(1970, 1, 1), date(9999, 12, 31))
MARKED = tuple(float(day.toordinal() - EPOCH) for day in NO_DATES)
# A number is an outlier if it is so many times as far from the median as half of the others, and
# makes this share of the variance of so many or more.
OUTLYING, OUTLYING_SHARE, MIN_ENTRIES = 30.0, 0.8, 20
# Columns in half precision, which hold other numbers than marks are written as.
AS_LABELS = 'astype("string").astype("category"), if the column holds labels'
HALF = ("float16", "Float16", "halffloat[pyarrow]")


def read(estimator: Any, table: Any, missing_values: Any, *, reset: bool) -> Array:
    """A table as floats, NaN where missing, categories as codes; scikit-learn checks, and remembers
    in the estimator, the number and the names of the columns, and their categories."""
    marks, labels = read_marks(missing_values), column_labels(table)
    if reset:
        estimator._categories = read_categories(table, marks.texts)
    categories = estimator._categories
    if labels is not None:
        check_unique(labels, "column")
        known = None if reset else estimator._names
        texts = all(isinstance(label, str) for label in labels)
        # scikit-learn knows names that are strings, in all columns or in none.
        named = table if texts else np.broadcast_to(0.0, table.shape)
        validate_data(estimator, named, reset=reset, skip_check_array=True)
        if known is not None and known != labels:
            pairs = enumerate(zip(known, labels, strict=False))
            at = next((k for k, (one, other) in pairs if one != other), 0)
            raise InputError(
                "the columns must be those that were fitted, in their order",
                expected=repr(known[at]), got=f"{labels[at]!r} in place {at}",
            )  # fmt: skip
        values = as_numbers(table, marks.texts, categories)
        if not values.size:
            raise InputError("the table must have rows and columns", got=str(values.shape))
    else:
        values = validate_data(
            estimator,
            table if sparse.issparse(table) else as_numbers(table, marks.texts, categories),
            reset=reset, dtype=(np.float64, np.float32), accept_sparse=True,
            ensure_all_finite=False,
        )  # fmt: skip
        values = unstored_missing(values) if sparse.issparse(values) else values
    values = values.astype(np.float64)
    types = column_types(table, values.shape[1])
    coded = np.isin(np.arange(values.shape[1]), list(categories))
    countable = ~(types.truths | types.dates | coded)
    values[np.isin(values, marks.numbers) & countable] = np.nan
    if types.half.any():
        with np.errstate(over="ignore"):
            halves = marks.numbers.astype(np.float16)
        values[np.isin(values, halves[np.isfinite(halves)]) & countable & types.half] = np.nan
    values[np.isin(values, marks.days) & types.dates] = np.nan
    for j, seen in categories.items():
        if (values[:, j] == len(seen)).any():
            name = j if labels is None else labels[j]
            what = f"column {name!r} holds categories that were not fitted"
            warn(f"{what}; they are kept, and count as missing for other columns", UserWarning)
    for i, j in np.argwhere(np.abs(values) > LARGEST)[:1]:
        rows = row_labels(table)
        what = "infinity" if np.isinf(values[i, j]) else "too large a number"
        raise InputError(
            f"the table holds {what}",
            expected=f"numbers up to {LARGEST:g}, and NaN where missing",
            got=f"{values[i, j]:g} in row {i if rows is None else rows[i]}, "
            f"column {j if labels is None else labels[j]}",
        )
    peaks = np.max(np.abs(values), axis=0, initial=0.0, where=~np.isnan(values))
    for j in np.flatnonzero((peaks > 0) & (peaks < SMALLEST))[:1] if reset else ():
        raise InputError(
            f"column {j if labels is None else labels[j]} holds nothing but tiny numbers",
            expected=f"some of {SMALLEST:g} and more",
            got=f"at most {peaks[j]:g}",
            hint="a smaller unit",
        )
    if reset:
        estimator._types = types
        marked = _warn_of_marks(values, countable, categories, types.dates, labels)
        _warn_of_outliers(np.where(countable, values, np.nan), labels, marked)
    return values


class Marks(NamedTuple):
    """What stands for missing entries: numbers, each as single and double precision have it; dates,
    in days; and text."""

    numbers: Array
    days: Array
    texts: frozenset[str]


def read_marks(missing_values: Any) -> Marks:
    """What stands for missing entries, from a scalar or several.

    >>> marks = read_marks([np.int64(-99), None, np.float32(0.1), "?", date(1970, 1, 3)])
    >>> marks.numbers.tolist(), marks.days.tolist(), list(marks.texts)
    ([-99.0, 0.1, 0.10000000149011612], [2.0], ['?'])
    """
    several = isinstance(missing_values, list | tuple | set | frozenset | range | np.ndarray)
    several = several or hasattr(missing_values, "to_list")  # a series, or an index
    given = np.ravel(missing_values) if isinstance(missing_values, np.ndarray) else missing_values
    pandas = sys.modules.get("pandas")
    nothing = (getattr(pandas, "NA", None), getattr(pandas, "NaT", None))
    numbers_: set[float] = set()
    days: set[float] = set()
    texts: set[str] = set()
    for mark in given if several else [missing_values]:
        if mark is None or any(mark is each for each in nothing):
            continue
        if isinstance(mark, str):
            texts.add(str(mark))
            numbers_ |= {float(mark)} if _is_number(mark) else set()
        elif isinstance(mark, date | np.datetime64):
            days.add(_day(mark))
        elif isinstance(mark, numbers.Real | Decimal) and not isinstance(mark, bool | np.bool_):
            # As single and double precision have it, unless it is too large for them.
            with suppress(OverflowError), np.errstate(over="ignore"):
                numbers_ |= {
                    float(mark),
                    float(str(mark) if isinstance(mark, np.floating) else mark),
                }
                single = float(np.float32(mark))
                numbers_ |= {single} if np.isfinite(single) else set()
        else:
            raise InputError(
                "missing_values must be a number, text or a date, or a list of them",
                got=repr(mark),
                hint=f"table.replace({mark!r}, np.nan) first",
            )
    of_numbers, of_days = (sorted(x for x in some if x == x) for some in (numbers_, days))
    return Marks(np.array(of_numbers), np.array(of_days), frozenset(texts))


def _day(stamp: Any) -> float:
    """A date in days since 1970."""
    if getattr(stamp, "tzinfo", None) is not None:
        stamp = stamp.astimezone(UTC).replace(tzinfo=None)
    return float(_days(np.array(stamp, "M8[us]")))


def read_categories(table: Any, marks: frozenset[str]) -> dict[int, list[str]]:
    """The columns of text, by position, and their categories, the most frequent first. Text that is
    nearly all numbers is none; where no two entries are alike there are no categories. A column
    that is declared as text and holds none has none."""
    found: dict[int, list[str]] = {}
    for j, entries in _texts(table, marks):
        held = [entry for entry in entries if isinstance(entry, str) and entry not in marks]
        counts = Counter(held)
        if len(held) > 1 and len(counts) == len(held):
            labels = column_labels(table)
            raise InputError(
                f"the column {j if labels is None else labels[j]!r} holds text of which no two "
                "entries are alike",
                got=f"{held[0]!r}, {held[1]!r}",
                hint="leave the column out, make it the index, or, of numbers, missing_values="
                "where text stands for a gap",
            )
        if held or not (kind(table) == "array" or _is_object(_series(table, j).dtype)):
            found[j] = sorted(counts, key=lambda each: (-counts[each], each))
    return found


def _texts(table: Any, marks: frozenset[str]) -> Iterator[tuple[int, list[Any]]]:
    """The columns of text, by position, and their entries: those that are declared as categories
    that are text, and those all of whose entries are text, of which more than a few are no
    numbers."""

    def text(entries: list[Any], name: Any) -> bool:
        held = [entry for entry in entries if not (_is_nothing(entry) or entry in marks)]
        if not all(isinstance(entry, str) for entry in held):
            return False
        kinds = Kinds.of(held, lambda entry: not _is_number(entry))
        if kinds.are_mixed:
            some = ", ".join(map(repr, kinds.texts[:3])) + ", ..." * (len(kinds.texts) > 3)
            warn(
                f"the column {name!r} holds numbers and {some}, and is taken for categories. Try: "
                f"missing_values={kinds.texts[0]!r}, if that is a gap; {AS_LABELS}.",
                UserWarning,
            )
        return not held or kinds.are_labels

    given = kind(table)
    if given in ("pandas", "polars"):
        for j in range(len(table.columns)):
            series = _series(table, j)
            if given == "pandas":
                what = _type(series)
                named = series.cat.categories if what == "category" else ()
                declared = what == "category" and (not len(named) or _type(named) == "string")
                declared |= _is_arrow_categories(series.dtype)
                maybe = what == "string"
            else:
                polars = sys.modules["polars"]
                declared = series.dtype in (polars.Categorical, polars.Enum)
                maybe = series.dtype == polars.String
            if (declared or maybe) and (
                declared or text(entries := series.to_list(), table.columns[j])
            ):
                yield j, series.to_list() if declared else entries
    elif given == "array" and getattr(table, "ndim", 0) == 2 and table.dtype.kind == "O":
        for j, column in enumerate(table.T):
            entries = column.tolist()
            if any(isinstance(entry, str) for entry in entries) and text(entries, j):
                yield j, entries


def _is_arrow_categories(dtype: Any) -> bool:
    """Whether a pandas column is a dictionary of Arrow, of text."""
    return re.match(r"dictionary<values=(large_)?string", str(dtype)) is not None


def _is_nothing(entry: Any) -> bool:
    """None, NaN, NaT and NA."""
    return (
        entry is None
        or entry is getattr(sys.modules.get("pandas"), "NA", None)
        or bool(
            isinstance(entry, float | np.floating | np.datetime64 | np.timedelta64)
            and entry != entry
        )
    )


def read_bounds(
    bounds: Any,
    values: Array,
    labels: list[Any] | None,
    categories: Mapping[int, list[str]] = MappingProxyType({}),
) -> Array:
    """The least and the greatest value (2, m) of every column, infinite where there is no bound.

    >>> read_bounds((0, None), np.ones((1, 2)), None).tolist()
    [[0.0, 0.0], [inf, inf]]
    """
    names = list(range(values.shape[1])) if labels is None else labels
    result = np.tile([[-np.inf], [np.inf]], len(names))
    if isinstance(bounds, str) and bounds == "data":
        known = ~np.isnan(values)
        sides = ((np.min, np.inf), (np.max, -np.inf))
        result = np.stack([side(values, axis=0, where=known, initial=far) for side, far in sides])
        result[:, list(categories)] = [[-np.inf], [np.inf]]
        return result
    if bounds is None:
        return result
    if kind(bounds) == "pandas":
        bounds = {name: tuple(bounds.loc[name]) for name in bounds.index}
    named = isinstance(bounds, Mapping)
    if not named:
        pairs = np.asarray(bounds, dtype=object)
        pairs = np.tile(pairs, (len(names), 1)) if pairs.shape == (2,) else pairs
        if pairs.shape != (len(names), 2):
            expected = "a pair (low, high), one for every column, or 'data'"
            raise InputError(f"bounds must be {expected}", got=repr(bounds))
        bounds = dict(zip(names, pairs.tolist(), strict=True))
    for name, pair in bounds.items():
        if name not in names:
            raise InputError(f"there is no column {name!r} to bound", expected=_some(names))
        if names.index(name) in categories:
            if named:
                raise InputError(f"the column {name!r} holds text, which has no bounds")
            continue
        try:
            low, high = (_bound(x, side) for x, side in zip(pair, (-np.inf, np.inf), strict=True))
        except (TypeError, ValueError):
            low, high = np.inf, -np.inf
        if not low <= high:
            raise InputError(
                f"the bounds of column {name!r} must be a pair (low, high)", got=repr(pair)
            )
        result[:, names.index(name)] = low, high
    return result


def _bound(given: Any, none: float) -> float:
    """A bound as a number: a date in days, `none` where there is none."""
    if given is None or given != given:
        return none
    if isinstance(given, date | np.datetime64):
        return _day(given)
    if isinstance(given, timedelta | np.timedelta64):
        return float(_days(np.array(given, "m8[us]")))
    return float(given)


def _some(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")


class ColumnTypes(NamedTuple):
    """What columns hold, (m,) each."""

    dates: Mask  # dates or durations
    truths: Mask  # truth values, which no number stands for; (n, m) of objects
    half: Mask  # numbers in half precision
    integers: Mask  # whole numbers, and nothing else can be filled in


def column_types(table: Any, columns: int) -> ColumnTypes:
    """Of a frame column by column; of an array the same for all."""
    given = kind(table)
    if given == "pandas":
        every = [_series(table, j) for j in range(columns)]
        what = [_type(series) for series in every]
        return ColumnTypes(
            np.isin(what, ("date", "duration")),
            np.isin(what, "boolean"),
            np.isin([str(series.dtype) for series in every], HALF),
            np.array([series.dtype.kind in "iu" for series in every]),
        )
    if given == "polars":
        return ColumnTypes(
            np.array([dtype.is_temporal() for dtype in table.dtypes]),
            np.array([str(dtype) == "Boolean" for dtype in table.dtypes]),
            np.isin([str(dtype) for dtype in table.dtypes], HALF),
            np.array([dtype.is_integer() for dtype in table.dtypes]),
        )
    dtype = (table if given == "sparse" else np.asarray(table)).dtype
    dates, truths, half = dtype.kind in "mM", dtype.kind == "b", str(dtype) in HALF
    flags = (np.full(columns, flag) for flag in (dates, truths, half, False))
    types = ColumnTypes(*flags)
    if dtype.kind == "O":
        are_bool = np.frompyfunc(lambda x: isinstance(x, bool | np.bool_), 1, 1)
        types = types._replace(truths=are_bool(np.asarray(table)).astype(bool))
    return types


def _warn_of_outliers(values: Array, labels: list[Any] | None, marked: set[int]) -> None:
    """Warn of one number that makes nearly all of the variance of its column, by which kernels
    measure how far rows are apart: all others are then alike. Marks of missing ones were named."""
    for j, column in enumerate(values.T):
        known = column[~np.isnan(column)]
        if len(known) < MIN_ENTRIES or j in marked:
            continue
        centred = known - np.median(known)
        far = int(np.argmax(np.abs(centred)))
        typical = np.median(np.abs(centred))
        share = (centred[far] / np.linalg.norm(centred)) ** 2 if typical else 0.0
        if abs(centred[far]) > OUTLYING * typical and share > OUTLYING_SHARE:
            name = j if labels is None else labels[j]
            warn(
                f"the column {name!r} holds {known[far]:g}, far from all others (median "
                f"{np.median(known):g}): rows are compared on the scale of it, and fills of the "
                "whole table suffer. Try: NaN in its place if it is a mistake, or a logarithm.",
                UserWarning,
            )


def _warn_of_marks(
    values: Array,
    countable: Mask,
    categories: Mapping[int, list[str]],
    dates: Mask,
    labels: list[Any] | None,
) -> set[int]:
    """Warn of numbers, where these are `countable`, of text and of dates that most often stand for
    a missing entry; in which columns."""
    numeric = np.where(countable, values, np.nan)
    marks = (sentinel_of(column[~np.isnan(column)]) for column in numeric.T)
    found = [(j, f"{mark:g}", repr(mark)) for j, mark in enumerate(marks) if mark is not None]
    found += [
        (j, f"{text!r}", f"{text!r}")
        for j, texts in categories.items()
        for text in texts
        if text.strip().lower() in GAPS
    ]
    for j in map(int, np.flatnonzero(dates)):
        known = values[~np.isnan(values[:, j]), j]
        for mark in {known.min(initial=np.inf), known.max(initial=-np.inf)} & {*MARKED}:
            rest = known[known != mark]
            if rest.size and 0 < np.ptp(rest) < np.abs(rest - mark).min():
                day = date.fromordinal(EPOCH + int(mark))
                found.append((j, day.isoformat(), repr(day)))
    for j, mark, given in found:
        name = j if labels is None else labels[j]
        warn(
            f"{mark} in column {name!r} looks like a mark of missing entries; it was taken for a "
            f"value. Try: missing_values={given}.",
            UserWarning,
        )
    return {j for j, *_ in found}


def is_partitioned(table: Any) -> bool:
    """Whether a table is an array or a data frame of dask, which need not be installed."""
    return type(table).__module__.partition(".")[0] in ("dask", "dask_expr")


def as_table(table: Any) -> Any:
    """A table as it is, a tensor of PyTorch as an array; refuses what is none.

    >>> as_table([[1.0]])
    [[1.0]]
    """
    polars, torch = sys.modules.get("polars"), sys.modules.get("torch")
    if polars is not None and isinstance(table, polars.LazyFrame):
        raise InputError("the table is not read yet", got="LazyFrame", hint="table.collect()")
    if isinstance(table, Mapping) and not sparse.issparse(table):
        raise InputError(
            "the table must be a data frame or an array",
            got=type(table).__name__,
            hint="pandas.DataFrame(table)",
        )
    return np.asarray(table) if torch is not None and isinstance(table, torch.Tensor) else table


def kind(table: Any) -> str:
    """ "pandas", "polars", "sparse" or "array".

    Examples
    --------
    >>> kind([[1.0]])
    'array'
    """
    for library in ("pandas", "polars"):
        module = sys.modules.get(library)
        if module is not None and isinstance(table, module.DataFrame):
            return library
    return "sparse" if sparse.issparse(table) else "array"


def as_numbers(
    table: Any,
    marks: frozenset[str] = frozenset(),
    categories: Mapping[int, list[str]] = MappingProxyType({}),
) -> Any:
    """Values of a frame or an array as floats, categories as codes, NaN where missing or a mark of
    it; refuses what is no number."""
    if kind(table) == "array":
        return _array_numbers(table, marks, categories)
    read_column = _pandas_numbers if kind(table) == "pandas" else _polars_numbers
    columns = []
    for j, name in enumerate(table.columns):
        series = _series(table, j)
        if j in categories:
            columns.append(_codes(series.to_list(), categories[j], marks, name))
            continue
        if marks and read_column is _pandas_numbers and _is_object(series.dtype):
            series = series.mask(series.isin(marks), np.nan)
        try:
            columns.append(np.asarray(read_column(series), np.float64))
        except (ValueError, TypeError) as error:
            strange: dict[str, str] = {}
            for k, entry in enumerate(series.to_list()):
                if not (_is_nothing(entry) or _is_number(entry)):
                    strange.setdefault(repr(entry), f"{entry!r} in row {k}")
            hint = "leave the column out, or turn it into numbers first"
            if strange and all(text[0] in "'\"" for text in strange):
                hint = f"missing_values={next(iter(strange))}, if that is a gap; {AS_LABELS}"
            raise InputError(
                f"the column {name!r} holds something that is no number",
                got=", ".join(list(strange.values())[:3]) or f"dtype {series.dtype}",
                hint=hint,
            ) from error
    return np.stack(columns, axis=1) if columns else np.empty((len(table), 0))


def _codes(entries: list[Any], categories: list[str], marks: frozenset[str], name: Any) -> Array:
    """Categories as codes, NaN where missing; others as one more code."""
    place = {category: float(k) for k, category in enumerate(categories)}
    place |= dict.fromkeys(marks, np.nan)
    for row, entry in enumerate(entries):
        if not (isinstance(entry, str) or _is_nothing(entry)):
            raise InputError(
                f"the column {name!r} was of text when it was fitted",
                expected=f"text such as {categories[0]!r}" if categories else "text",
                got=f"{entry!r} in row {row}",
            )
    others = float(len(categories))
    return np.array([np.nan if _is_nothing(x) else place.get(x, others) for x in entries])


def _type(series: Any) -> str:
    """What a pandas column holds: "date", "duration", "boolean", "category", or anything else."""
    dtype = series.dtype
    found = sys.modules["pandas"].api.types.infer_dtype(series, skipna=True)
    if dtype.kind in "mM":
        return "duration" if dtype.kind == "m" else "date"
    return {"categorical": "category", "date": "object"}.get(found, found)


def _is_object(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _pandas_numbers(series: Any) -> Array:
    found = _type(series)
    if found in ("date", "duration"):
        if str(series.dtype).startswith("date") and hasattr(series.dtype, "pyarrow_dtype"):
            series = series.astype("timestamp[us][pyarrow]")
        code = "m8[us]" if found == "duration" else "M8[us]"
        if series.dtype.kind == "m":
            series = series.astype("timedelta64[us]")
        return _days(series.to_numpy(dtype=code, na_value=np.array("NaT", code)[()]))
    if found == "category" and series.cat.categories.dtype.kind not in "iufb":
        raise TypeError("categories that are no numbers")
    if str(series.dtype).startswith("dictionary"):
        raise TypeError("categories of Arrow, which would come back as other numbers")
    objects = series.dropna() if _is_object(series.dtype) else ()
    if series.dtype.kind == "c" or not all(map(_is_number, objects)):
        raise TypeError("complex numbers, text, or anything else")
    return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))


def _polars_numbers(series: Any) -> Array:
    polars, dtype = sys.modules["polars"], series.dtype
    if dtype in (polars.Date, polars.Datetime):
        series = series.cast(polars.Datetime("us", getattr(dtype, "time_zone", None)))
    elif dtype == polars.Duration:
        series = series.cast(polars.Duration("us"))
    elif not (dtype.is_numeric() or dtype in (polars.Boolean, polars.Null)):
        raise TypeError("text, a time of day or a list")
    if dtype.is_temporal():
        return series.to_physical().cast(polars.Float64).fill_null(np.nan).to_numpy() / DAY
    return series.cast(polars.Float64).fill_null(np.nan).to_numpy()


def _days(stamps: NDArray[Any]) -> Array:
    """Dates or durations as days, NaN for NaT."""
    counts = stamps.astype(f"{stamps.dtype.kind}8[us]").view(np.int64) / DAY
    return np.where(np.isnat(stamps), np.nan, counts)


def rounded(table: Any, values: Array, how: Any = np.rint) -> Array:
    """Values (n, m), whole by `how`; in columns of dates with a time zone the days of that zone,
    which begin at its midnights, or where its clocks skip these, as soon as they go on."""
    result = how(values)
    for j in range(values.shape[1]) if kind(table) in ("pandas", "polars") else ():
        dtype, some = _series(table, j).dtype, np.isfinite(values[:, j])
        of_pandas = getattr(dtype, "tz", getattr(getattr(dtype, "pyarrow_dtype", None), "tz", None))
        zone = getattr(dtype, "time_zone", None) or of_pandas
        if zone is not None:
            at_midnights = _midnights if kind(table) == "pandas" else _polars_midnights
            result[some, j] = at_midnights(values[some, j], zone, how)
    return result


def _midnights(days: Array, zone: Any, how: Any) -> Array:
    pandas = sys.modules["pandas"]
    local = pandas.DatetimeIndex(_stamps(days, "M")).tz_localize("UTC").tz_convert(zone)
    whole = pandas.DatetimeIndex(_stamps(how(_days(local.tz_localize(None).to_numpy())), "M"))
    first = np.ones(len(whole), bool)  # of two midnights
    moved = whole.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return _days(moved.tz_convert("UTC").tz_localize(None).to_numpy())


def _polars_midnights(days: Array, zone: str, how: Any) -> Array:
    polars = sys.modules["polars"]

    def moved(stamps: Any, start: str, end: str) -> Any:
        given = stamps.dt.replace_time_zone(start, ambiguous="earliest", non_existent="null")
        return given.dt.convert_time_zone(end).dt.replace_time_zone(None)

    local = moved(polars.Series(_stamps(days, "M")), "UTC", zone)
    whole = polars.Series(_stamps(how(_days(local.to_numpy())), "M"))
    day = timedelta(days=1)
    skipped = moved(whole - day, zone, "UTC") + day  # by the clocks before
    return _days(moved(whole, zone, "UTC").fill_null(skipped).to_numpy())


def _stamps(days: Array, code: str) -> NDArray[Any]:
    """Dates ("M") or durations ("m") of these days."""
    stamps = as_whole(np.nan_to_num(days * DAY), np.int64).view(f"{code}8[us]")
    return np.where(np.isnan(days), np.array("NaT", stamps.dtype), stamps)


def _array_numbers(table: Any, marks: frozenset[str], categories: Mapping[int, list[str]]) -> Any:
    array = np.asarray(table)
    if array.dtype.names is not None:
        raise InputError(
            "the table is an array of records",
            expected="rows and columns",
            got=str(array.dtype),
            hint="pandas.DataFrame(table), whose columns keep their types",
        )
    if array.dtype.kind in "mM":
        return _days(array)
    if array.dtype.kind == "c":  # in the words of scikit-learn
        raise InputError("Complex data not supported", got=f"dtype {array.dtype}")
    if array.dtype.kind in "SV":
        raise InputError("the table holds something that is no number", got=f"dtype {array.dtype}")
    if array.ndim == 2 and array.dtype.kind == "O":
        if marks or categories:
            array = array.copy()
            for j in range(array.shape[1]):
                entries = array[:, j].tolist()
                array[:, j] = (
                    _codes(entries, categories[j], marks, j)
                    if j in categories
                    else [np.nan if isinstance(x, str) and x in marks else x for x in entries]
                )
            table = array
        for (i, j), entry in np.ndenumerate(array):
            if isinstance(entry, NO_NUMBER) and not _is_number(entry):
                raise InputError(
                    "the table holds something that is no number",
                    got=f"{entry!r} in row {i}, column {j}",
                )
    whole = array.dtype.kind in "iu" and array.dtype.itemsize == 8
    for where in np.argwhere((array > 2**53) | (array < -(2**53)) if whole else [])[:1]:
        raise InputError(
            "the table holds an integer that floating-point numbers cannot hold",
            got=f"{array[tuple(where)]} in row {where[0]}",
            hint="a data frame, whose columns keep their types; or table.astype(float)",
        )
    if isinstance(table, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(table), np.nan, table.data)
    return table


def _is_number(entry: Any) -> bool:
    if isinstance(entry, NO_NUMBER) and not isinstance(entry, str):
        return False
    try:
        float(entry)
    except (ValueError, TypeError):
        return False
    return True


def unstored_missing(matrix: Any) -> Array:
    """A sparse matrix as an array: what is not stored is missing, a stored zero is a value.

    Examples
    --------
    >>> unstored_missing(sparse.csr_array(([0.0, 2.0], ([0, 1], [0, 1])), shape=(2, 2)))
    array([[ 0., nan],
           [nan,  2.]])
    """
    entries = sparse.coo_array(matrix)
    entries.sum_duplicates()
    values = np.full(entries.shape, np.nan)
    values[entries.coords] = entries.data
    return values


def as_objects(labels: Sequence[Any]) -> NDArray[Any]:
    """Labels of any kind, tuples too, as a flat array."""
    result = np.empty(len(labels), dtype=object)
    result[:] = labels
    return result


def row_labels(table: Any) -> list[Any] | None:
    """The index of a pandas frame; nothing else has labels for its rows."""
    return list(table.index) if kind(table) == "pandas" else None


def column_labels(table: Any) -> list[Any] | None:
    """The names of the columns of a frame."""
    return list(table.columns) if kind(table) in ("pandas", "polars") else None


def position(label: Any, labels: Sequence[Any] | None, count: int, what: str) -> int:
    """Where a label is; numbers are positions where there are no labels, or none is a number."""
    given = range(count) if labels is None else labels
    found = [k for k, known in enumerate(given) if known == label]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise InputError(f"{len(found)} {what}s are called {label!r}", hint="its position")
    labelled = any(isinstance(known, numbers.Integral) for known in given)
    positions = not labelled or list(given) == list(range(count))
    if isinstance(label, numbers.Integral) and positions and -count <= int(label) < count:
        return int(label) % count
    raise InputError(
        f"there is no {what} {label!r}",
        expected=f"a label, or 0 to {count - 1}" if positions else f"a label such as {given[0]!r}",
    )


def write(
    table: Any,
    filled: Array,  # (n, m)
    missing: Mask,  # (n, m)
    kept: Mask,  # (m,)
    names: NDArray[Any],  # of the columns that are kept, and of those that are appended
    appended: Array | None = None,  # (n, k), further columns
    library: str = "default",
    categories: Mapping[int, list[str]] = MappingProxyType({}),  # of which some columns hold codes
) -> Any:
    """A copy of the table in which gaps are filled in, in its own library or the one asked for.

    Whole numbers, truth values and categories of numbers get the nearest that there is, within the
    range of their type.
    """
    given, places = kind(table), np.flatnonzero(kept)
    if given not in ("pandas", "polars"):
        array = _array_filled(table, filled, missing, categories)[:, kept]
        return _frame(array if appended is None else np.hstack([array, appended]), names, library)
    result = table.copy() if given == "pandas" else table.clone()
    for j in np.flatnonzero(missing.any(axis=0)):
        series, gaps = _series(table, j), missing[:, j]
        if j in categories:
            new = _category_column(series, filled[:, j], categories[int(j)], gaps)
        else:
            new = _column(series, filled[:, j], gaps)
        _replace(result, j, new)
    result = result.iloc[:, places] if given == "pandas" else result[:, places.tolist()]
    if appended is not None:
        extra = _frame(appended, names[len(places) :], given, getattr(table, "index", None))
        if given == "pandas":
            if result.columns.nlevels > 1:
                extra.columns = type(result.columns).from_tuples(names[len(places) :])
            extra.columns.names = result.columns.names
            result = sys.modules["pandas"].concat([result, extra], axis=1)
        else:
            result = result.hstack(extra)
    return _in_library(result, names, library)


def write_amounts(
    table: Any, values: Array, kept: Mask, names: NDArray[Any], library: str, *, spans: bool
) -> Any:
    """Floats under the labels of a table; in columns of dates as dates, or as durations (`spans`).

    >>> write_amounts([[0.0]], np.ones((1, 1)), np.array([True]), np.array(["x"]), "", spans=True)
    array([[1.]])
    """
    given, dates = kind(table), column_types(table, values.shape[1]).dates[kept]
    values = values[:, kept]
    if given == "array" and dates.any():
        code = "m" if spans else np.asarray(table).dtype.kind
        return _frame(_stamps(values, code), names, library)
    if given not in ("pandas", "polars"):
        return _frame(values, names, library)
    result = _frame(values, names, given, getattr(table, "index", None))
    if given == "pandas":
        result.columns = table.columns[kept]
    for j in np.flatnonzero(dates):
        whole = _stamps(values[:, j], "m")
        series = _series(table, np.flatnonzero(kept)[j])
        new = type(series)(whole)
        if not spans:
            new = _column(series, values[:, j], np.ones(len(whole), bool))
        if given == "pandas":
            new.index = table.index
        _replace(result, j, new)
    return _in_library(result, names, library)


def _frame(values: NDArray[Any], names: Any, library: str, index: Any = None) -> Any:
    """An array as a frame of a library, or as it is."""
    if library == "pandas":
        return importlib.import_module(library).DataFrame(values, index=index, columns=names)
    if library == "polars":
        return importlib.import_module(library).DataFrame(values, schema=[str(x) for x in names])
    return values


def _in_library(frame: Any, names: Any, library: str) -> Any:
    if library == "polars" and kind(frame) == "pandas":
        named = frame.set_axis([str(name) for name in names], axis=1)
        return importlib.import_module(library).from_pandas(named)
    return frame.to_pandas() if library == "pandas" and kind(frame) == "polars" else frame


def _series(frame: Any, j: int | np.intp) -> Any:
    return frame.iloc[:, j] if kind(frame) == "pandas" else frame.to_series(int(j))


def _replace(frame: Any, j: int | np.intp, series: Any) -> None:
    if kind(frame) == "pandas":
        frame.isetitem(j, series)
    else:
        frame.replace_column(int(j), series.alias(frame.columns[j]))


def _array_filled(
    table: Any, filled: Array, missing: Mask, categories: Mapping[int, list[str]]
) -> NDArray[Any]:
    """Floating-point numbers, dates and objects that are categories keep their type; anything else
    comes as double precision."""
    array = table if sparse.issparse(table) else np.asarray(table)
    if categories:
        array = array.copy()
        array[missing] = filled[missing]
        for j, names in categories.items():
            gaps = missing[:, j]
            array[gaps, j] = [names[int(code)] for code in filled[gaps, j]]
        return array
    dtype = array.dtype if array.dtype.kind in "fmM" else np.dtype(np.float64)
    if dtype.kind in "mM":
        return np.where(missing, _stamps(filled, dtype.kind).astype(dtype), array)
    new = nearest_float(filled, dtype)
    return new if sparse.issparse(table) else np.where(missing, new, array.astype(dtype))


def _column(series: Any, values: Array, gaps: Mask) -> Any:
    """A column of a frame with its gaps filled in its own type, by the nearest that there is."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(series, pandas.Series):
        return series.zip_with(type(series)(~gaps), _polars_column(series, values))
    new = _pandas_column(series, values)
    if _is_object(series.dtype) and not any(isinstance(x, str) for x in series):
        new = new.astype(object)
    if new.dtype == series.dtype:
        return series.where(~gaps, new)
    known = series.where(~gaps).astype(new.dtype)  # numbers that were text, and marks
    return new.where(gaps, known)


def _category_column(series: Any, codes: Array, categories: list[str], gaps: Mask) -> Any:
    """A column of text with its gaps filled in, or missing where there are no categories."""
    filled = gaps & bool(categories)
    names = [categories[int(c)] if fill else None for c, fill in zip(codes, filled, strict=True)]
    if kind(series.to_frame()) == "pandas":
        return series.where(~gaps, type(series)(names, index=series.index, dtype=series.dtype))
    return series.zip_with(type(series)(~gaps), type(series)(names, dtype=series.dtype))


def _pandas_column(series: Any, values: Array) -> Any:
    pandas, dtype, index = sys.modules["pandas"], series.dtype, series.index
    found, plain = _type(series), getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))
    if found in ("date", "duration"):
        stamps = pandas.Series(_stamps(values, "Mm"[found == "duration"]), index)
        if getattr(dtype, "tz", None) is not None:
            stamps = stamps.dt.tz_localize("UTC")
        return stamps.astype(dtype)
    if found == "category":
        distance = np.abs(values[:, None] - np.asarray(dtype.categories, np.float64))
        codes = distance.argmin(axis=1)
        return pandas.Series(pandas.Categorical.from_codes(codes, dtype=dtype), index)
    if found == "boolean":
        return pandas.Series(values >= 0.5, index, dtype)
    if found == "decimal":
        places = getattr(getattr(dtype, "pyarrow_dtype", None), "scale", None)
        digits = ".15g" if places is None else f".{places}f"
        texts = [format(value, digits) for value in values.tolist()]
        return pandas.Series(list(map(Decimal, texts)), index, dtype)
    if dtype.kind in "iu":
        return pandas.Series(as_whole(values, plain), index, dtype)
    return pandas.Series(nearest_float(values, plain), index, dtype if dtype.kind == "f" else None)


def _polars_column(series: Any, values: Array) -> Any:
    polars, dtype = sys.modules["polars"], series.dtype
    if dtype.is_temporal():
        stamps = polars.Series(_stamps(values, "Mm"[dtype == polars.Duration]))
        if getattr(dtype, "time_zone", None) is not None:
            stamps = stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
        return stamps.cast(dtype)
    if dtype == polars.Boolean:
        return polars.Series(values >= 0.5)
    if dtype.is_integer() and "128" in str(dtype):
        most = 2.0**127 * (1 - 2.0**-53)
        return polars.Series(np.rint(values).clip(-most * dtype.is_signed_integer(), most)).cast(
            dtype
        )
    if dtype.is_integer():
        values = as_whole(values, np.dtype(str(dtype).lower()))
    return polars.Series(values).cast(dtype) if dtype.is_numeric() else polars.Series(values)


def as_whole(values: Array, dtype: Any) -> NDArray[Any]:
    """The nearest integers that a type holds.

    >>> as_whole(np.array([-3.0, 2.6, 300.0]), np.uint8)
    array([  0,   3, 255], dtype=uint8)
    """
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    top = float(high) if float(high) == high else np.nextafter(float(high), 0)
    return np.rint(values).clip(low, top).astype(dtype)


def nearest_float(values: Array, dtype: Any) -> NDArray[Any]:
    """The nearest finite numbers that a floating-point type holds; double precision for others."""
    dtype = np.dtype(dtype if getattr(dtype, "kind", "") == "f" else np.float64)
    top = min(float(np.finfo(dtype).max), np.finfo(np.float64).max)
    return values.clip(-top, top).astype(dtype)
