"""`ntkfill rate`: files in, files out."""

import csv
import json

import numpy as np
import pytest

from ntkfill import Recommender
from ntkfill.cli import main
from ntkfill.ratings import simulate

MADE = simulate(users=30, items=20, count=300, rank=2)
ROWS = [
    [f"u{user}", f"i{item}", str(rating), str(k)]
    for k, (user, item, rating) in enumerate(
        zip(MADE.users, MADE.items, MADE.ratings.astype(int), strict=True)
    )
]
HEADER = ["user", "item", "rating", "timestamp"]


def write(name, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def read(name):
    with open(name, newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("ratings.csv", [HEADER, *ROWS])


def fitted():
    users, items, ratings, times = zip(*ROWS, strict=True)
    return Recommender().fit(users, items, np.array(ratings, float), times=np.array(times, float))


@pytest.mark.slow
def test_rows_without_a_rating_are_predicted(capsys):
    gaps = [[ROWS[0][0], ROWS[5][1], "", "7"], [ROWS[9][0], ROWS[2][1], "", ""]]
    write("gaps.csv", [HEADER, *ROWS, *gaps])
    assert main(["rate", "gaps.csv", "-o", "out.csv", "--std", "--json", "--save", "m.npz"]) == 0
    header, *rows = read("out.csv")
    assert header == ["user", "item", "rating", "std"]
    assert [row[:2] for row in rows] == [row[:2] for row in gaps]
    pairs = [row[0] for row in gaps], [row[1] for row in gaps]
    values, std = fitted().predict(*pairs, return_std=True)
    np.testing.assert_allclose([float(row[3]) for row in rows], std, rtol=0.1)
    np.testing.assert_allclose([float(row[2]) for row in rows], values, atol=0.5)
    figures = json.loads(capsys.readouterr().out)
    assert (figures["ratings"], figures["predictions"]) == (len(ROWS), 2)
    assert Recommender.load("m.npz").users_ == fitted().users_


@pytest.mark.slow
def test_pairs_of_a_file_and_recommendations():
    write("pairs.csv", [["item", "user"], *[[row[1], row[0]] for row in ROWS[:4]]])
    assert main(["rate", "ratings.csv", "--pairs", "pairs.csv", "-o", "out.csv", "--quiet"]) == 0
    found = [float(row[2]) for row in read("out.csv")[1:]]
    users, items = zip(*[row[:2] for row in ROWS[:4]], strict=True)
    np.testing.assert_allclose(found, fitted().predict(users, items), rtol=1e-4)
    assert main(["rate", "ratings.csv", "--recommend", "2", "-o", "best.csv", "--quiet"]) == 0
    best = read("best.csv")[1:]
    user = ROWS[0][0]
    assert [row[1] for row in best if row[0] == user] == fitted().recommend(user, 2)[0]


def test_features_serve_new_items():
    items = sorted({row[1] for row in ROWS}) + ["new"]
    write("items.csv", [["item", "f"], *[[name, str(k % 3)] for k, name in enumerate(items)]])
    write("pairs.csv", [["user", "item"], [ROWS[0][0], "new"]])
    command = ["rate", "ratings.csv", "--pairs", "pairs.csv", "-o", "out.csv"]
    assert main([*command, "--item-features", "items.csv", "--bounds", "1,5"]) == 0
    assert 1 <= float(read("out.csv")[1][2]) <= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ratings.csv", "-o", "out.csv"], "every row has a rating"),
        (["ratings.csv", "-o", "ratings.csv", "--recommend", "2"], "overwrite its own input"),
        (
            ["other.csv", "-o", "out.csv", "--recommend", "2"],
            "no column item; expected item, items, itemid",
        ),
        (["ratings.csv", "-o", "out.csv", "--recommend", "2", "--std"], "takes neither"),
        (["unrated.csv", "-o", "out.csv"], "no column rating; expected rating, ratings"),
        (["nobody.csv", "-o", "out.csv", "--recommend", "2"], "row 2 has no user"),
        (["nothing.csv", "-o", "out.csv", "--recommend", "2"], "row 1 has no item"),
    ],
)
def test_what_cannot_be_rated(fails, arguments, message):
    write("other.csv", [["user", "score"], ["a", "1"]])
    write("unrated.csv", [["user", "item"], ["a", "x"]])
    write("nobody.csv", [HEADER[:3], ["a", "x", "1"], ["", "y", "2"]])
    write("nothing.csv", [HEADER[:3], ["a", "", "1"], ["b", "y", "2"]])
    assert message in fails("rate", *arguments)
