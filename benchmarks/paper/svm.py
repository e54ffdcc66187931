"""Classification of small tables: support vector machines with the NTK (Arora et al., ICLR 2020,
arXiv:1910.01663), with the RBF kernel, and random forests; each tuned on its training folds."""

import numpy as np
from common import Steps, arguments, harness
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ntkfill import nn

CLAIM = "The NTK's support vector machine is ahead of forests on average, and within 1 % of RBF's."
DATA = {"iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer, "digits": load_digits}
COSTS = [0.01, 0.1, 1, 10, 100, 1000]


def methods(full: bool) -> dict[str, GridSearchCV]:
    """As many settings for each: 24, or 12 at the reduced size."""
    each = 1 if full else 2
    kernels = [nn.as_kernel(nn.fully_connected(d), bias=b) for d in (1, 3) for b in (0.1, 1.0)]
    folds = StratifiedKFold(3, shuffle=True, random_state=1)
    svm = make_pipeline(StandardScaler(), SVC())
    widths = [factor / 15 for factor in (0.1, 0.3, 1.0, 3.0)]  # around scikit-learn's rule
    forest = {
        "max_features": ["sqrt", 0.3, 0.6, 1.0],
        "min_samples_leaf": [1, 2, 3, 5, 8, 12][::each],
    }
    return {
        "NTK": GridSearchCV(svm, {"svc__C": COSTS[::each], "svc__kernel": kernels}, cv=folds),
        "RBF": GridSearchCV(svm, {"svc__C": COSTS[::each], "svc__gamma": widths}, cv=folds),
        "forest": GridSearchCV(
            RandomForestClassifier(100 // each, random_state=0), forest, cv=folds
        ),
    }


def main() -> None:
    options = arguments(__doc__)
    steps, rows = Steps("paper_svm", options.again), None if options.full else 200
    figures: dict[str, dict[str, float]] = {}
    for name, load in DATA.items():
        data, labels = load(return_X_y=True)
        chosen = np.random.default_rng(0).permutation(len(data))[:rows]
        outer = StratifiedKFold(5 if options.full else 3, shuffle=True, random_state=0)
        for method, search in methods(options.full).items():

            def score(
                search=search, data=data[chosen], labels=labels[chosen], outer=outer
            ) -> float:
                return float(cross_val_score(search, data, labels, cv=outer).mean())

            figures.setdefault(name, {})[method] = steps.run(f"{name} {rows} {method}", score)
    mean = {m: float(np.mean([f[m] for f in figures.values()])) for m in figures["iris"]}
    holds = mean["NTK"] > mean["forest"] and mean["NTK"] > mean["RBF"] - 0.01
    harness.write("paper_svm", CLAIM, {"rows": rows, "mean": mean, **figures}, bool(holds))


if __name__ == "__main__":
    main()
