"""Ratings in the shapes of MovieLens 100K to 10M: processor time, memory, the loss by landmarks.

Ratings are simulated with known truth (`ratings.simulate`); a tenth is held out. Each fit runs in a
fresh interpreter. `--sizes` takes a part; 10M takes an hour.
"""

import argparse
import json
import time

import numpy as np
from harness import RESULTS, fresh, write

from ntkfill import Recommender
from ntkfill.ratings import simulate

CLAIM = (
    "1M ratings (6,040 x 3,706) within 360 s of processor time and 3 GB; 10M (70,000 x 10,000) "
    "within 7,200 s; learning from a third of the items costs at most 1 % of RMSE."
)
SIZES = {
    "100K": (943, 1682, 100_000),
    "300K": (2200, 2400, 300_000),
    "1M": (6040, 3706, 1_000_000),
    "10M": (70_000, 10_000, 10_000_000),
}
LIMITS = {"1M": (360, 3000), "10M": (7200, 16_000)}
RUNS = RESULTS / "ratings_scale_runs.json"


def run(size: tuple[int, int, int], landmarks: int) -> dict[str, float]:
    users, items, count = size
    # Repeated pairs are dropped: draw more.
    made = simulate(users=users, items=items, count=int(1.5 * count))
    rng = np.random.default_rng(0)
    order = rng.permutation(len(made.users))[:count]
    test, train = np.split(order, [count // 10])
    test = test[:100_000]
    started = time.process_time()
    model = Recommender(bounds=(1, 5), max_learned_items=landmarks)
    model.fit(made.users[train], made.items[train], made.ratings[train])
    fitted = time.process_time()
    known = np.isin(made.items[test], model.items_) & np.isin(made.users[test], model.users_)
    test = test[known]
    predicted = model.predict(made.users[test], made.items[test])
    done = time.process_time()
    truth = made.truth(made.users[test], made.items[test])
    return {
        "ratings": len(train),
        "fit_cpu_seconds": fitted - started,
        "predict_cpu_seconds": done - fitted,
        "rmse": float(np.sqrt(np.mean((predicted - made.ratings[test]) ** 2))),
        "rmse_of_truth": float(np.sqrt(np.mean((truth - made.ratings[test]) ** 2))),
        "rmse_of_mean": float(np.std(made.ratings[test])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["100K", "300K", "1M"])
    options = parser.parse_args()
    runs = json.loads(RUNS.read_text()) if RUNS.exists() else {}
    for name in options.sizes:
        size = SIZES[name]
        for part in (1, 3):
            if part == 3 and name in ("1M", "10M"):
                continue
            key = f"{name} | {'all items' if part == 1 else 'a third of the items'}"
            if key not in runs:
                done = fresh(run, size, 5000 if part == 1 else size[1] // part)
                runs[key] = done.result | {"process_mb": done.process_mb}
                print(key, runs[key], flush=True)
                RUNS.write_text(json.dumps(runs, indent=0) + "\n")
    holds = True
    for name, (seconds, megabytes) in LIMITS.items():
        found = runs.get(f"{name} | all items")
        if found:
            holds &= found["fit_cpu_seconds"] + found["predict_cpu_seconds"] <= seconds
            holds &= found["process_mb"] <= megabytes
    for name in ("100K", "300K"):
        pair = [runs.get(f"{name} | {part}") for part in ("all items", "a third of the items")]
        if all(pair):
            holds &= pair[1]["rmse"] <= 1.01 * pair[0]["rmse"]
    write("ratings_scale", CLAIM, runs, bool(holds))


if __name__ == "__main__":
    main()
