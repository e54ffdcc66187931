"""
Tables, against other imputers
==============================

Three entries in ten are removed from tables that scikit-learn ships, and filled by its own imputers
and by ntkfill. Errors are relative to the standard deviation of each column; lower is better.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

import ntkfill

warnings.simplefilter("ignore", ConvergenceWarning)
imputers = {
    "column mean": SimpleImputer(),
    "KNNImputer": KNNImputer(),
    "IterativeImputer": IterativeImputer(random_state=0),
    "NTKImputer": ntkfill.NTKImputer(),
}
tables = {
    "iris": load_iris(),
    "wine": load_wine(),
    "diabetes": load_diabetes(),
    "breast cancer": load_breast_cancer(),
}
errors = {name: [] for name in imputers}
for dataset in tables.values():
    truth = StandardScaler().fit_transform(dataset.data)
    gaps = np.random.default_rng(0).random(truth.shape) < 0.3
    for name, imputer in imputers.items():
        filled = imputer.fit_transform(np.where(gaps, np.nan, truth))
        errors[name].append(np.sqrt(np.mean((filled - truth)[gaps] ** 2)))

figure, axis = plt.subplots(figsize=(8, 3.4))
places = np.arange(len(tables))
for k, (name, values) in enumerate(errors.items()):
    axis.bar(places + 0.2 * (k - 1.5), values, 0.18, label=name)
axis.set(xticks=places, xticklabels=list(tables), ylabel="RMSE")
axis.legend(
    ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False
)
figure.tight_layout()
