"""`ntkfill rate`: predict ratings, recommend items."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..io.files import check_target, naming
from .common import (
    DONE,
    add_excel_safe,
    add_messages,
    add_output,
    argument,
    check_outputs,
    print_json,
    print_message,
    shows_progress,
)

if TYPE_CHECKING:
    from ..io.text_tables import Table
    from ..ratings import Recommender


def add(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill rate`."""
    command.set_defaults(run=rate)
    text = "columns user, item, rating and, optionally, timestamp; .csv, .tsv or .parquet"
    command.add_argument("input", type=Path, metavar="RATINGS", help=text)
    add_output(command, "users, items and predicted ratings: a .csv or .tsv")
    add = command.add_argument
    text = (
        "the pairs to predict: columns user, item (default: the rows of RATINGS without a rating)"
    )
    add("--pairs", type=Path, metavar="FILE", help=text)
    text = "instead of pairs: the N best items for every user that they have not rated"
    add("--recommend", type=int, metavar="N", help=text)
    text = "numbers of the items; the first column holds their ids"
    add("--item-features", type=Path, metavar="FILE", help=text)
    add("--user-features", type=Path, metavar="FILE", help="the same of the users")
    text = "clip predictions to these (default: the range of the ratings)"
    add("--bounds", type=_bounds, metavar="LOW,HIGH", help=text)
    add("--std", action="store_true", help="also a column of standard deviations")
    add("--save", type=Path, metavar="MODEL", help="write the fitted recommender to this .npz")
    add_excel_safe(command)
    add_messages(command)


def rate(options: argparse.Namespace) -> int:
    """Fit, predict and write one file."""
    import numpy as np

    from ..io import text_tables
    from ..ratings import Recommender
    from ..ratings.frames import NAMES

    if options.recommend is not None and (options.pairs is not None or options.std):
        raise InputError("--recommend takes neither --pairs nor --std")
    inputs = [options.input, options.pairs, options.item_features, options.user_features]
    check_outputs(inputs, [("-o OUT", options.output), ("--save MODEL", options.save)])
    check_target(options.output, list(text_tables.DELIMITERS))
    if options.save is not None:
        check_target(options.save, [".npz"])
    users, items, times, ratings = read_pairs(options.input)
    if ratings is None:
        expected = ", ".join(NAMES["ratings"])
        raise InputError(f"{options.input}: there is no column rating", expected=expected)
    known = ~np.isnan(ratings)
    wanted = users[~known], items[~known], None if times is None else times[~known]
    if options.pairs is not None:
        wanted = read_pairs(options.pairs)[:3]
    if options.recommend is None and not len(wanted[0]):
        raise InputError(
            f"{options.input}: every row has a rating, so that nothing is to be predicted",
            hint="--pairs FILE or --recommend N",
        )
    if times is not None and np.isnan(times[known]).any():
        raise InputError(f"{options.input}: some ratings have no timestamp")
    print_message(options, f"{options.input}: {known.sum():,} ratings")
    started = time.perf_counter()
    model = Recommender(
        read_vectors(options.item_features),
        read_vectors(options.user_features),
        bounds=options.bounds or "data",
        progress=shows_progress(options),
    )
    when = None if times is None else times[known]
    model.fit(users[known], items[known], ratings[known], times=when)
    if options.recommend is None:
        when = wanted[2] if times is not None else None
        table = predicted(model, wanted[0], wanted[1], when, options.std)
    else:
        table = recommended(model, options.recommend)
    text_tables.write(options.output, table.excel_safe() if options.excel_safe else table)
    if options.save is not None:
        model.save(options.save)
    seconds = time.perf_counter() - started
    count = len(table.rows)
    print_message(options, f"{options.output}: {count:,} predictions in {seconds:.2f} s")
    if options.json:
        figures = {
            "input": str(options.input),
            "output": str(options.output),
            "users": len(model.users_),
            "items": len(model.items_),
            "ratings": int(known.sum()),
            "predictions": count,
            "held_out_rmse": round(model.held_out_rmse_, 5),
            "seconds": round(seconds, 3),
        }
        print_json(figures)
    return DONE


def predicted(model: Recommender, users: Any, items: Any, times: Any, with_std: bool) -> Table:
    """Users, items and ratings of pairs."""
    from ..io.text_tables import Table

    columns = [model.predict(users, items, times=times, return_std=with_std)]
    if with_std:
        columns = list(columns[0])
    cells = [[f"{value:.6g}" for value in column] for column in columns]
    header = ["user", "item", "rating", *(["std"] if with_std else [])]
    return Table(header, list(zip(users, items, *cells, strict=True)))


def recommended(model: Recommender, count: int) -> Table:
    """The best items of every user."""
    from ..io.text_tables import Table

    rows = []
    for user in model.users_:
        items, values = model.recommend(user, count)
        rows += [[user, item, f"{value:.6g}"] for item, value in zip(items, values, strict=True)]
    return Table(["user", "item", "rating"], rows)


def read_pairs(path: Path) -> tuple[Any, Any, Any, Any]:
    """Users, items, times and ratings of a table; times and ratings None where not there."""
    import numpy as np

    from ..io import text_tables
    from ..ratings.frames import NAMES

    table = text_tables.read(path)
    lower = [name.lower() for name in table.names]
    place = {
        what: next((table.names[k] for k, name in enumerate(lower) if name in usual), None)
        for what, usual in NAMES.items()
    }
    with naming(path):
        for what in ("users", "items"):
            if place[what] is None:
                expected = ", ".join(NAMES[what])
                got = ", ".join(table.names[:8])
                raise InputError(f"there is no column {what[:-1]}", expected=expected, got=got)
        users, items = (
            np.array(table.column(str(place[what])), dtype=object) for what in ("users", "items")
        )
        for what, names in (("user", users), ("item", items)):
            for k in np.flatnonzero(names == "")[:1]:
                raise InputError(
                    f"row {k + 1} has no {what}", hint="give it an id, or leave it out"
                )
        ratings, times = place["ratings"], place["times"]
        return (
            users,
            items,
            None if times is None else read_times(table, times),
            None if ratings is None else table.numbers([ratings])[:, 0],
        )


def read_times(table: Table, name: str) -> Any:
    """A column of numbers or of dates."""
    from ..ratings.frames import as_times

    try:
        return table.numbers([name])[:, 0]
    except InputError:
        return as_times(table.column(name), gaps=True)


def read_vectors(path: Path | None) -> dict[str, Any] | None:
    """The numbers of a table by the labels in its first column."""
    from ..errors import check_unique
    from ..io import text_tables

    if path is None:
        return None
    table = text_tables.read(path)
    with naming(path):
        labels = table.column(table.names[0])
        check_unique(labels, "row")
        return dict(zip(labels, table.numbers(table.names[1:]), strict=True))


@argument("LOW,HIGH")
def _bounds(text: str) -> tuple[float, float]:
    low, high = map(float, text.split(","))
    return low, high
