"""Ratings: Recommender against the recommenders that people use, on MovieLens 100K.

Five random folds of `numpy.random.default_rng(0)`. Options of peers and our defaults were chosen
on 8,000 ratings held out of the training ratings of the first fold (`--tune`), which are training
ratings of the other folds in part; nothing was chosen by test errors. Every run is kept in
results/ratings_runs.json, so that a benchmark that was stopped goes on.
Needs scikit-surprise for four of the peers.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np
from harness import RESULTS, ROOT, write

from ntkfill import Recommender

CLAIM = (
    "MovieLens 100K, five random folds, RMSE: at most .905 from ratings alone, and less than that "
    "of every peer; less again with features and times."
)
DATA = ROOT.parent / "shared" / "data" / "ratings" / "ml100k.npz"
RUNS = RESULTS / "ratings_runs.json"


class Data:
    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self.users, self.items = file["user"].astype(int), file["item"].astype(int)
            self.ratings, self.times = file["rating"].astype(float), file["timestamp"].astype(float)
            year = file["year"].astype(float)
            year = np.where(year > 1900, year, 1995)
            age = np.log(1999 - year)[:, None]
            items = np.hstack([file["genres"].astype(float), age])
            jobs = np.unique(file["occupation"])
            users = [file["age"].astype(float), (file["sex"] == file["sex"][0]).astype(float)]
            users += [(file["occupation"] == job).astype(float) for job in jobs]
        self.item_features = dict(enumerate(items))
        self.user_features = dict(enumerate(np.transpose(users)))
        self.sizes = int(self.users.max()) + 1, int(self.items.max()) + 1


Predict = Callable[..., np.ndarray]  # data, train and test (indices), options: ratings of test


# --- Ours.


def ours(data: Data, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    model = Recommender().fit(data.users[train], data.items[train], data.ratings[train])
    return quiet(model.predict, data.users[test], data.items[test])


def ours_with_times(data: Data, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    model = Recommender(data.item_features, data.user_features)
    model.fit(data.users[train], data.items[train], data.ratings[train], times=data.times[train])
    return quiet(model.predict, data.users[test], data.items[test], times=data.times[test])


def quiet(predict: Callable[..., np.ndarray], *args: object, **options: object) -> np.ndarray:
    """Some items of the test were never rated in training."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*neither ratings nor features")
        return predict(*args, **options)


# --- Peers.


def surprise_model(name: str) -> Predict:
    def predict(data: Data, train: np.ndarray, test: np.ndarray, **options: object) -> np.ndarray:
        import pandas as pd
        import surprise

        frame = pd.DataFrame(
            {"user": data.users[train], "item": data.items[train], "rating": data.ratings[train]}
        )
        reader = surprise.Reader(rating_scale=(1, 5))
        rated = surprise.Dataset.load_from_df(frame, reader).build_full_trainset()
        if name == "KNNBaseline":
            similar = {"name": "pearson_baseline", "user_based": False}
            options = {"sim_options": similar, "verbose": False, **options}
        elif name == "BaselineOnly":
            options = {"bsl_options": {"method": "als", **options}, "verbose": False}
        else:
            options = {"random_state": 0, **options}
        model = getattr(surprise, name)(**options)
        model.fit(rated)
        pairs = zip(data.users[test].tolist(), data.items[test].tolist(), strict=True)
        return np.array([model.predict(user, item).est for user, item in pairs])

    return predict


def residuals(
    data: Data, train: np.ndarray, test: np.ndarray, shrinkage: float = 5.0
) -> tuple[np.ndarray, np.ndarray]:
    """What effects of users and items leave of the training ratings, and their sum for the test."""
    users, items, y = data.users[train], data.items[train], data.ratings[train]
    level, of_user, of_item = y.mean(), np.zeros(data.sizes[0]), np.zeros(data.sizes[1])
    for _ in range(15):
        for own, codes, other in (
            (of_item, items, of_user[users]), (of_user, users, of_item[items])
        ):  # fmt: skip
            sums = np.bincount(codes, y - level - other, minlength=len(own))
            own[:] = sums / (np.bincount(codes, minlength=len(own)) + shrinkage)
            if own is of_item:
                continue
    base = level + of_user[data.users] + of_item[data.items]
    return y - base[train], base[test]


def als(
    data: Data, train: np.ndarray, test: np.ndarray, rank: int = 10, ridge: float = 8.0
) -> np.ndarray:
    """Alternating least squares on the residuals of effects (Zhou et al. 2008)."""
    left, base = residuals(data, train, test)
    rng = np.random.default_rng(0)
    sides = [rng.normal(0, 0.1, (size, rank)) for size in data.sizes]
    codes = [data.users[train], data.items[train]]
    for _ in range(15):
        for side in (0, 1):
            order = np.argsort(codes[side], kind="stable")
            ends = np.searchsorted(codes[side][order], np.arange(data.sizes[side] + 1))
            for k, (i, j) in enumerate(itertools.pairwise(ends)):
                other = sides[1 - side][codes[1 - side][order[i:j]]]
                gram = other.T @ other + ridge * np.eye(rank)
                sides[side][k] = np.linalg.solve(gram, other.T @ left[order[i:j]])
    product = np.einsum("ij,ij->i", sides[0][data.users[test]], sides[1][data.items[test]])
    return np.clip(base + product, 1, 5)


def soft_impute(
    data: Data, train: np.ndarray, test: np.ndarray, threshold: float = 12.0
) -> np.ndarray:
    """Mazumder, Hastie and Tibshirani 2010, on the residuals of effects."""
    left, base = residuals(data, train, test)
    z, at = np.zeros(data.sizes), (data.users[train], data.items[train])
    for _ in range(40):
        z[at] = left
        u, s, v = np.linalg.svd(z, full_matrices=False)
        z = (u * np.maximum(s - threshold, 0)) @ v
    return np.clip(base + z[data.users[test], data.items[test]], 1, 5)


def ease(data: Data, train: np.ndarray, test: np.ndarray, ridge: float = 150.0) -> np.ndarray:
    """Steck 2019, on the residuals of effects: items from other items, no item from itself."""
    left, base = residuals(data, train, test)
    x = np.zeros(data.sizes)
    x[data.users[train], data.items[train]] = left
    inverse = np.linalg.inv(x.T @ x + ridge * np.eye(data.sizes[1]))
    weights = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0)
    return np.clip(base + (x @ weights)[data.users[test], data.items[test]], 1, 5)


# What `--tune` tried; the first is what was chosen.
ALS = [(20, 14.0), (20, 8.0), (20, 5.0), (10, 14.0), (10, 8.0), (10, 5.0)]
PEERS: dict[str, tuple[Predict, list[dict[str, object]]]] = {
    "ntkfill": (ours, [{}]),
    "ntkfill, features and times": (ours_with_times, [{}]),
    "BaselineOnly": (surprise_model("BaselineOnly"), [{"reg_u": 5, "reg_i": 3}, {}]),
    "KNNBaseline": (surprise_model("KNNBaseline"), [{"k": k} for k in (40, 20, 80)]),
    "SVD": (
        surprise_model("SVD"),
        [
            {"n_factors": 200, "n_epochs": 80, "reg_all": 0.1, "lr_all": 0.005},
            {"n_factors": 100, "n_epochs": 20},
            {"n_factors": 100, "n_epochs": 50, "reg_all": 0.1, "lr_all": 0.005},
            {"n_factors": 20, "n_epochs": 50, "reg_all": 0.1, "lr_all": 0.005},
        ],
    ),
    "SVD++": (
        surprise_model("SVDpp"),
        [
            {"n_factors": 50, "n_epochs": 30, "reg_all": 0.05},
            {"n_factors": 20, "n_epochs": 20},
        ],
    ),
    "biased ALS": (als, [{"rank": r, "ridge": g} for r, g in ALS]),
    "softImpute": (soft_impute, [{"threshold": t} for t in (12.0, 8.0, 18.0)]),
    "EASE": (ease, [{"ridge": r} for r in (150.0, 400.0, 1000.0)]),
}


def rmse(data: Data, peer: str, train: np.ndarray, test: np.ndarray, options: dict) -> dict:
    started = time.process_time()
    predicted = PEERS[peer][0](data, train, test, **options)
    error = float(np.sqrt(np.mean((predicted - data.ratings[test]) ** 2)))
    return {"rmse": round(error, 5), "cpu_seconds": round(time.process_time() - started, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="MovieLens 100K as an .npz")
    parser.add_argument(
        "--tune", action="store_true", help="the peers' options, on fold 0's training"
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="these alone")
    parser.add_argument("--folds", type=int, nargs="+", default=range(5), help="these alone")
    parser.add_argument("--again", action="store_true", help="do not keep earlier runs of these")
    given = parser.parse_args()
    if not given.data.exists():
        print(f"skipped: {given.data} is not there")
        return
    data = Data(given.data)
    fold = np.random.default_rng(0).permutation(len(data.ratings)) % 5
    runs = json.loads(RUNS.read_text()) if RUNS.exists() else {}
    for peer in given.peers or PEERS:
        for k in given.folds:
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            tried = PEERS[peer][1][:1]
            if given.tune:
                held_out = np.random.default_rng(1).permutation(np.flatnonzero(fold != 0))
                test, train, tried = held_out[:8000], held_out[8000:], PEERS[peer][1]
            for options in tried:
                key = f"{peer} | {options} | {'tune' if given.tune else k}"
                if key not in runs or given.again:
                    runs[key] = rmse(data, peer, train, test, options)
                    print(key, runs[key], flush=True)
                    RUNS.write_text(json.dumps(runs, indent=0) + "\n")
            if given.tune:
                break
    errors: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for peer, (_, tried) in PEERS.items():
        for k in range(5):
            run = runs.get(f"{peer} | {tried[0]} | {k}")
            if run:
                errors.setdefault(peer, []).append(run["rmse"])
                cpu.setdefault(peer, []).append(run["cpu_seconds"])
    means = {peer: mean(of) for peer, of in errors.items() if len(of) == 5}
    first = [means.get(name, np.inf) for name in list(PEERS)[:2]]
    others = [of for peer, of in means.items() if not peer.startswith("ntkfill")]
    holds = first[1] < first[0] <= 0.905 and first[0] < min(others, default=0)
    figures = {
        "mean rmse": means,
        "rmse by fold": errors,
        "processor seconds a fold": {peer: mean(of) for peer, of in cpu.items()},
        "peers that were not run": sorted(set(PEERS) - set(means)),
        "tuning": {key: run["rmse"] for key, run in runs.items() if key.endswith("tune")},
    }
    write("ratings", CLAIM, figures, bool(holds))


if __name__ == "__main__":
    main()
