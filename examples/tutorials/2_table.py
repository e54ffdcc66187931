"""
Fill a table
============

From a data frame with gaps to a full one, with error bars, as a step of a scikit-learn pipeline.
"""

# %%
# 1. A table with gaps
# --------------------
# The wine data of scikit-learn: 178 wines, 13 measurements each. We remove three entries in ten.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ntkfill

truth, kind = load_wine(return_X_y=True, as_frame=True)
gaps = np.random.default_rng(0).random(truth.shape) < 0.3
table = truth.mask(gaps)
table.iloc[:5, :6]

# %%
# 2. Fill it
# ----------
# :class:`ntkfill.NTKImputer` is a scikit-learn transformer. A data frame goes in, a data frame with
# the same labels comes out. Every column is regressed on the others, repeatedly; columns may have
# any scale.

filled = ntkfill.NTKImputer().fit_transform(table)
filled.iloc[:5, :6].round(2)

# %%
# How good is it? One dot is one missing entry, in units of the standard deviation of its column.

scaled = StandardScaler().fit(truth)
expected = scaled.transform(truth)[gaps]
found = scaled.transform(filled)[gaps]
column_mean = scaled.transform(table.fillna(table.mean()))[gaps]

figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for axis, guess, name in (
    (axes[0], column_mean, "column mean"),
    (axes[1], found, "NTKImputer"),
):
    rmse = np.sqrt(np.mean((guess - expected) ** 2))
    axis.axline((0, 0), slope=1, color="0.7")
    axis.scatter(expected, guess, s=8, alpha=0.6)
    axis.set(title=f"{name}, RMSE {rmse:.2f}", xlabel="truth", aspect="equal")
axes[0].set_ylabel("filled")
figure.tight_layout()

# %%
# 3. Ask for error bars
# ---------------------
# ``impute`` returns the values together with standard deviations and intervals. With
# ``interval=0.9`` about nine in ten of the missing entries lie within.

result = ntkfill.NTKImputer().impute(table, return_std=True, interval=0.9)
lower, upper = (
    np.asarray(result.interval.lower),
    np.asarray(result.interval.upper),
)
inside = (lower <= truth) & (truth <= upper)
print(
    f"{inside.to_numpy()[gaps].mean():.0%} of the missing entries lie within their interval"
)

column = list(truth.columns).index("flavanoids")
rows = np.flatnonzero(gaps[:, column])
rows = rows[np.argsort(truth.iloc[rows, column])]
figure, axis = plt.subplots(figsize=(8, 3.5))
places = np.arange(len(rows))
axis.vlines(
    places,
    lower[rows, column],
    upper[rows, column],
    color="tab:blue",
    alpha=0.4,
    lw=3,
)
axis.plot(
    places,
    np.asarray(result.values)[rows, column],
    ".",
    color="tab:blue",
    label="filled",
)
axis.plot(places, truth.iloc[rows, column], "k_", label="truth")
axis.set(
    xlabel="wines whose flavanoids are missing, in order", ylabel="flavanoids"
)
axis.legend()
figure.tight_layout()

# %%
# 4. Use it in a pipeline
# -----------------------
# Cross-validation fits the imputer on the training rows only, and fills new rows from them.

pipeline = make_pipeline(
    ntkfill.NTKImputer(), StandardScaler(), LogisticRegression()
)
accuracy = cross_val_score(pipeline, table, kind, cv=3)
print(f"the kind of wine is found for {accuracy.mean():.0%} of the wines")

# %%
# 5. Rows or columns with features
# --------------------------------
# If something else is known of the rows, pass it as ``row_features``: then whole rows may be
# missing. Here the first six measurements are features, and three rows of the others are unknown.

features, targets = truth.iloc[:, :6], truth.iloc[:, 6:].copy()
targets.iloc[[3, 80, 150]] = np.nan
from_features = ntkfill.NTKImputer(row_features=features).fit_transform(
    targets
)
from_features.iloc[[3, 80, 150]].round(2)

# %%
# 6. See what a value is made of
# ------------------------------
# A filled value is a weighted sum of observed ones.

imputer = ntkfill.NTKImputer(row_features=features).fit(targets)
explanation = imputer.explain(80, 0)
strongest = explanation.rows[np.argsort(-np.abs(explanation.weights))[:10]]
print(
    "kinds of the ten wines that count most:",
    kind.to_numpy()[strongest].tolist(),
)
print("kind of the wine that was filled:", int(kind.iloc[80]))

# %%
# Where to go from here
# ---------------------
# :doc:`/guide/tables` has more on features, sparse matrices and the choice of the network; on the
# command line the same is ``ntkfill impute table.csv -o filled.csv --std std.csv --interval 0.9``.
