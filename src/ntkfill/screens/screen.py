"""A drug screen: expression profiles of labelled conditions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, check_unique, warn
from ..kernels.table import Array
from ..observed import LARGEST, SMALLEST, Mask
from .features import encode, group_sums

FIELDS = ("cell", "drug", "dose", "time")
REPLICATES = (
    "average replicates (replicates='mean', --replicates mean), or label their dose and time"
)
NUMBER = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?(?![\w.-])")
WITH_UNIT = re.compile(rf"({NUMBER.pattern.partition('(?!')[0]})\s*([^\W\d_]+(?:/[^\W\d_]+)?|%)")
# Micromolar as LINCS writes it, and its neighbours.
MOLAR = {unit: f"{unit[0]}M" for unit in ("pm", "nm", "um", "mm")}
# Units of one kind, and how large they are.
UNITS: tuple[dict[str, float], ...] = (
    {"pM": 1e-12, "nM": 1e-9, "uM": 1e-6, "mM": 1e-3, "M": 1.0},
    {
        f"{mass}/{volume}": size
        for mass, size in (("pg", 1e-6), ("ng", 1e-3), ("ug", 1.0), ("mg", 1e3))
        for volume in ("mL", "ml")
    },
    {"s": 1.0, "sec": 1.0, "min": 60.0}
    | dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0)
    | dict.fromkeys(("d", "day", "days"), 86400.0),
)
# What files write for a label that is not known; LINCS writes -666.
UNKNOWN = (
    *("", "nan", "NaN", "NAN", "NaT", "NA", "N/A", "n/a", "<NA>", "#N/A", "None", "null", "NULL"),
    *("-666", "-666.0"),
)
Conditions = NDArray[np.str_]
"""One row per condition: cell, drug[, dose[, time]]."""


@dataclass(frozen=True, eq=False, repr=False)
class Screen:
    """Profiles of conditions (cell line, drug[, dose, time]).

    A *context* is everything of a condition but its drug: the cell line, with dose and time where
    they are labelled.

    Parameters
    ----------
    profiles : array of shape (conditions, genes)
        A row of NaN is a condition that was not measured; a row with some NaN, one of which some
        genes were.
    labels : str array of shape (conditions, 2 to 4)
        One row per condition, in the order of `fields`.
    genes : str array of shape (genes,)
    fields : tuple of str
        Names of the columns of `labels`: "cell" and "drug" first, then "dose", "time" or both.
        Doses and times that are the same number to six digits have one spelling: 10.0 is 10,
        and 10µM and 10 um are 10 uM.

    Raises
    ------
    InputError
        If shapes do not match, a condition or gene is duplicated, a value is infinite, a gene was
        never measured, or a label is empty.

    Examples
    --------
    >>> screen = Screen([[1.0, 2.0], [np.nan, np.nan]], [["A375", "x"], ["A375", "y"]],
    ...                 ["g1", "g2"])
    >>> screen
    Screen(1 of 2 conditions measured, 2 genes, 1 contexts, 2 drugs)
    >>> screen.measured.tolist()
    [True, False]
    """

    profiles: Array
    labels: Conditions
    genes: NDArray[np.str_]
    fields: tuple[str, ...] = ("cell", "drug")

    def __init__(
        self,
        profiles: ArrayLike,
        labels: ArrayLike | Sequence[Sequence[object]],
        genes: ArrayLike,
        fields: Sequence[str] | None = None,
    ) -> None:
        values = np.array(profiles, dtype=np.float64)
        names = np.array(labels, dtype=str)
        columns = np.array(genes, dtype=str)
        if names.ndim != 2:
            names = names.reshape(len(names), -1) if names.size else np.empty((0, 2), dtype=str)
        kinds = tuple(fields) if fields is not None else FIELDS[: names.shape[1]]
        names = one_spelling(names, kinds)
        _check_shapes(values, names, columns, kinds)
        _check_labels(names, columns, kinds)
        _check_values(values, names, columns)
        for array in (values, names, columns):
            array.setflags(write=False)
        object.__setattr__(self, "profiles", values)
        object.__setattr__(self, "labels", names)
        object.__setattr__(self, "genes", columns)
        object.__setattr__(self, "fields", kinds)

    def __repr__(self) -> str:
        partly = f"{self.partly.sum()} in part, " if self.partly.any() else ""
        return (
            f"Screen({self.measured.sum()} of {len(self)} conditions measured, {partly}"
            f"{len(self.genes)} genes, {len(np.unique(self.contexts))} contexts, "
            f"{len(np.unique(self.drugs))} drugs)"
        )

    def __len__(self) -> int:
        return len(self.profiles)

    @cached_property
    def measured(self) -> Mask:
        """Which conditions have a profile of all genes, bool of shape (conditions,)."""
        return np.asarray(np.isnan(self.profiles).sum(axis=1) == 0)

    @cached_property
    def partly(self) -> Mask:
        """Which conditions have values of some genes alone, bool of shape (conditions,)."""
        gaps = np.isnan(self.profiles).sum(axis=1)
        return np.asarray((gaps > 0) & (gaps < len(self.genes)))

    @property
    def cells(self) -> NDArray[np.str_]:
        """The cell line of every condition."""
        return self.labels[:, 0]

    @property
    def drugs(self) -> NDArray[np.str_]:
        """The drug of every condition."""
        return self.labels[:, 1]

    @cached_property
    def contexts(self) -> NDArray[np.str_]:
        """Cell line, dose and time of every condition, as one label."""
        return contexts(self.labels)

    @property
    def columns(self) -> dict[str, NDArray[np.str_]]:
        """The labels by name, as `ntkfill.screens.features` takes them."""
        return label_columns(self.labels, self.fields)

    @property
    def known(self) -> Screen:
        """The conditions of which all genes were measured."""
        return self if self.measured.all() else self.take(self.measured)

    def take(self, rows: ArrayLike) -> Screen:
        """Some of the conditions, by index or mask.

        Examples
        --------
        >>> screen = Screen([[1.0], [2.0]], [["A", "x"], ["A", "y"]], ["g"])
        >>> screen.take([1]).drugs.tolist()
        ['y']
        """
        picked = object.__new__(Screen)  # checked already
        chosen = np.asarray(rows)
        for name, value in (
            ("profiles", self.profiles[chosen]),
            ("labels", self.labels[chosen]),
            ("genes", self.genes),
            ("fields", self.fields),
        ):
            object.__setattr__(picked, name, value)
        return picked

    def pairs(self) -> Conditions:
        """Labels of every context with every drug, those of this screen first, in their order.

        Examples
        --------
        >>> Screen([[1.0], [2.0]], [["A", "x"], ["B", "y"]], ["g"]).pairs().tolist()
        [['A', 'x'], ['B', 'y'], ['A', 'y'], ['B', 'x']]
        """
        rows = [tuple(row) for row in self.labels.tolist()]
        contexts = dict.fromkeys((cell, *others) for cell, _, *others in rows)
        drugs = dict.fromkeys(self.drugs.tolist())
        pairs = ((cell, drug, *others) for cell, *others in contexts for drug in drugs)
        return np.array(list(dict.fromkeys([*rows, *pairs])), dtype=str)

    @classmethod
    def from_tensor(
        cls,
        tensor: ArrayLike,
        cells: Sequence[object],
        drugs: Sequence[object],
        genes: Sequence[object],
    ) -> Screen:
        """A screen from an array of shape (cells, drugs, genes), NaN where not measured.

        Examples
        --------
        >>> Screen.from_tensor([[[1.0], [np.nan]]], ["A"], ["x", "y"], ["g"])
        Screen(1 of 2 conditions measured, 1 genes, 1 contexts, 2 drugs)
        """
        values = np.asarray(tensor, dtype=np.float64)
        expected = (len(cells), len(drugs), len(genes))
        if values.shape != expected:
            raise InputError(
                "the tensor does not fit its labels", expected=str(expected), got=str(values.shape)
            )
        labels = [(cell, drug) for cell in cells for drug in drugs]
        return cls(values.reshape(len(labels), -1), labels, np.asarray(genes, dtype=str))


def one_spelling(
    labels: Conditions, fields: Sequence[str], like: Conditions | None = None
) -> Conditions:
    """Labels in which a number in a dose or time, and a unit after it, are written in one way: that
    most frequent among these, or among others that they shall be `like`.

    >>> doses = ["10", "10.00 uM", "10µM", "10 um", "9.9999999", "1e1", "high"]
    >>> one_spelling(np.array([["A", "1.0", dose] for dose in doses]), FIELDS)[:, 2].tolist()
    ['10', '10 uM', '10 uM', '10 uM', '10', '10', 'high']
    >>> one_spelling(np.array([["A", "x", dose] for dose in ("2 nM", "1 uM", "7 nM")]), FIELDS)
    array([['A', 'x', '2 nM'],
           ['A', 'x', '1000 nM'],
           ['A', 'x', '7 nM']], dtype='<U7')
    """
    columns = [labels[:, k].tolist() for k in range(labels.shape[1])]
    for k, field in enumerate(fields[: len(columns)]):
        if field in ("dose", "time"):
            spelling = {label: _spelled(label) for label in set(columns[k])}
            spelled = [spelling[label] for label in columns[k]]
            units = Counter(map(_unit, spelled if like is None else like[:, k].tolist()))
            ordered = [unit for unit, _ in units.most_common()]
            found = [(sizes, [unit for unit in ordered if unit in sizes]) for sizes in UNITS]
            usual = [(sizes, of_kind[0]) for sizes, of_kind in found if of_kind]
            same = {label: _in_units(label, usual) for label in set(spelled)}
            columns[k] = [same[label] for label in spelled]
    return np.array(columns, dtype=str).T.reshape(labels.shape)


def _spelled(label: str) -> str:
    whole = WITH_UNIT.fullmatch(label)
    if whole is not None:
        unit = whole.groups()[-1].replace("µ", "u").replace("μ", "u")  # both micro signs
        unit = MOLAR.get(unit, unit)
        label = f"{whole[1]} {unit}"
    return NUMBER.sub(lambda found: f"{float(found[0]):.6g}", label)


def _unit(label: str) -> str:
    """What stands after the number of a label, of which there is one."""
    return label.partition(" ")[2]


def _in_units(label: str, usual: list[tuple[dict[str, float], str]]) -> str:
    """A label in the usual unit of its kind."""
    for sizes, unit in usual:
        if _unit(label) in sizes and NUMBER.match(label):
            number = float(label.split()[0]) * (sizes[_unit(label)] / sizes[unit])
            return f"{number:.6g} {unit}"
    return label


def contexts(labels: Conditions) -> NDArray[np.str_]:
    """Everything of each condition but its drug, as one label.

    >>> contexts(np.array([["A", "x", "10 uM"]])).tolist()
    ['A, 10 uM']
    """
    if labels.shape[1] == 2:
        return labels[:, 0]
    return np.array([", ".join((row[0], *row[2:])) for row in labels.tolist()], dtype=str)


def label_columns(labels: Conditions, fields: tuple[str, ...]) -> dict[str, NDArray[np.str_]]:
    """The columns of the labels by name."""
    return {name: labels[:, k] for k, name in enumerate(fields)}


def condition_name(labels: Iterable[object]) -> str:
    """A condition as people write it: (A375, vorinostat)."""
    return f"({', '.join(map(str, labels))})"


def check_trainable(screen: Screen) -> Screen:
    """The measured conditions; refuses genes that do not vary."""
    if not isinstance(screen, Screen):
        simulated = isinstance(getattr(screen, "screen", None), Screen)
        raise InputError(
            "screen must be a Screen",
            got=type(screen).__name__,
            hint="its attribute screen" if simulated else "ntkfill.screens.read(path)",
        )
    known = screen.known
    if len(known) == 0:
        raise InputError("no condition of the screen is measured in all genes")
    constant = np.ptp(known.profiles, axis=0) == 0
    if len(known) > 1 and constant.any():
        raise InputError(
            f"the same value in every condition: {_listed('gene', known.genes[constant].tolist())}",
            hint="leave it out",
        )
    return known


def split_constant(screen: Screen) -> tuple[Screen, Mask, Array]:
    """A screen without the genes that have one value in all conditions, which are they, and their
    values; a warning names them. All genes stay where none or all are such."""
    if not isinstance(screen, Screen) or len(screen.known) < 2:
        return screen, np.zeros(0, bool), np.empty(0)
    seen = ~np.isnan(screen.profiles)
    low = np.min(screen.profiles, axis=0, where=seen, initial=np.inf)
    constant = np.asarray(low == np.max(screen.profiles, axis=0, where=seen, initial=-np.inf))
    if not constant.any() or constant.all():
        return screen, np.zeros(len(constant), bool), np.empty(0)
    names = _listed("gene", screen.genes[constant].tolist())
    warn(f"the same value in every condition, predicted ones too: {names}", UserWarning)
    rest = Screen(
        screen.profiles[:, ~constant], screen.labels, screen.genes[~constant], screen.fields
    )
    return rest, constant, low[constant]


def averaged(
    profiles: ArrayLike,
    labels: ArrayLike | Sequence[Sequence[object]],
    genes: ArrayLike,
    fields: Sequence[str] | None = None,
) -> Screen:
    """A screen of conditions that were measured more than once: the mean of each one's profiles.

    Conditions are in order of first appearance. Values that were not measured, NaN, are
    left out.

    Parameters
    ----------
    profiles, labels, genes, fields
        As of `Screen`; labels may be repeated.

    Raises
    ------
    InputError
        As `Screen` does.

    Examples
    --------
    >>> labels = [["A375", "x"], ["A375", "y"], ["A375", "x"]]
    >>> averaged([[1.0], [5.0], [2.0]], labels, ["g"]).profiles.tolist()
    [[1.5], [5.0]]
    """
    values, names = np.array(profiles, dtype=np.float64), np.array(labels, dtype=str)
    if values.ndim != 2 or names.ndim != 2 or len(names) != len(values):
        return Screen(values, names, genes, fields)  # its error says what does not match
    names = one_spelling(names, FIELDS if fields is None else fields)
    conditions = list(dict.fromkeys(map(tuple, names.tolist())))
    codes, _, count = encode(map(tuple, names.tolist()), ())
    known = ~np.isnan(values)
    sums = group_sums(np.where(known, values, 0.0), codes, count)[0]
    sizes = group_sums(known.astype(np.float64), codes, count)[0]
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)
    return Screen(means, conditions, genes, fields)


def _listed(kind: str, names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{kind} {shown}{more}"


def _check_shapes(
    values: Array, labels: Conditions, genes: NDArray[np.str_], fields: tuple[str, ...]
) -> None:
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(
            "profiles must have two axes and not be empty",
            expected="(conditions, genes)",
            got=str(values.shape),
        )
    if labels.shape != (len(values), len(fields)) or genes.shape != (values.shape[1],):
        raise InputError(
            "labels, genes and profiles do not match",
            expected=f"labels {(len(values), len(fields))} and {values.shape[1]} genes",
            got=f"labels {labels.shape} and {genes.size} genes",
        )
    if fields not in (FIELDS[:2], FIELDS[:3], FIELDS, ("cell", "drug", "time")):
        raise InputError(
            "unknown labels of conditions",
            expected="cell, drug[, dose][, time]",
            got=", ".join(fields),
        )


def _check_labels(labels: Conditions, genes: NDArray[np.str_], fields: tuple[str, ...]) -> None:
    for row, k in np.argwhere(np.isin(labels, UNKNOWN))[:1]:
        what = f"no {fields[k]}" if labels[row, k] else "an empty label"
        raise InputError(
            f"condition {row + 1} has {what}",
            got=condition_name(labels[row]),
            hint="leave such conditions out, or label them",
        )
    for (row,) in np.argwhere(np.isin(genes, UNKNOWN))[:1]:
        raise InputError(f"gene {row + 1} has no name", got=repr(str(genes[row])))
    seen: set[tuple[str, ...]] = set()
    for condition in map(tuple, labels.tolist()):
        if condition in seen:
            raise InputError(f"duplicate condition {condition_name(condition)}", hint=REPLICATES)
        seen.add(condition)
    check_unique(genes.tolist(), "gene")


def _check_values(values: Array, labels: Conditions, genes: NDArray[np.str_]) -> None:
    peak = np.max(np.abs(values), initial=0.0, where=np.isfinite(values))
    if not (peak == 0 or SMALLEST <= peak <= LARGEST):
        raise InputError(
            "profiles must be in another unit",
            expected=f"a largest value of {SMALLEST:g} to {LARGEST:g}",
            got=f"{peak:g}",
        )
    for row, column in np.argwhere(np.isinf(values))[:1]:
        gene, condition = str(genes[column]), condition_name(labels[row])
        raise InputError(
            f"the value of gene {gene!r} in condition {condition} is infinite",
            expected="a number, or NaN where it was not measured",
        )
    missing = np.isnan(values)
    never = missing.all(axis=0)
    if never.any() and not never.all():
        raise InputError(
            f"not measured in any condition: {_listed('gene', genes[never].tolist())}",
            hint="leave it out",
        )


def log_numbers(labels: NDArray[np.str_]) -> Array:
    """Logarithms of the numbers of doses or times; nothing where one is not a positive number.

    >>> [log_numbers(np.array(doses)).round(1).tolist() for doses in (["1 uM", "10 uM"], ["low"])]
    [[0.0, 2.3], []]
    """
    found = [NUMBER.match(label) for label in labels.tolist()]
    values = np.array([float(match[0]) if match else 0.0 for match in found])
    units = {NUMBER.sub("", label).strip() for label in labels.tolist()}
    return np.log(values) if (values > 0).all() and len(units) == 1 else np.empty(0)
