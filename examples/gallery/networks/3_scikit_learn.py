"""
Networks as kernels of scikit-learn
===================================

`nn.as_kernel(network)` is one of scikit-learn's kernels. With the tangent kernel, a kernel machine is
what an infinitely wide network becomes when it is trained with the loss of this machine: SVC with the
soft margin, SVR with the epsilon-insensitive loss, KernelRidge with the squared loss.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine, make_moons
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from ntkfill import nn

kernel = nn.as_kernel(nn.fully_connected(2))

# %%
# Support vector classification
# -----------------------------
# Three cultivars of wine by thirteen measurements: accuracy on five folds.
wine, cultivar = load_wine(return_X_y=True)
classifier = make_pipeline(StandardScaler(), SVC(kernel=kernel))
print(f"SVC: {cross_val_score(classifier, wine, cultivar).mean():.3f}")

# %%
# The boundary between two moons.
points, moon = make_moons(80, noise=0.15, random_state=0)
grid = np.stack(
    np.meshgrid(np.linspace(-1.6, 2.6, 80), np.linspace(-1.2, 1.7, 60)),
    axis=-1,
)
height = (
    SVC(kernel=kernel, C=10)
    .fit(points, moon)
    .decision_function(grid.reshape(-1, 2))
)
figure, axes = plt.subplots(figsize=(5, 3.4))
axes.contourf(
    grid[..., 0], grid[..., 1], height.reshape(60, 80), levels=12, cmap="RdBu"
)
axes.contour(
    grid[..., 0], grid[..., 1], height.reshape(60, 80), levels=[0], colors="k"
)
axes.scatter(*points.T, c=moon, cmap="RdBu", edgecolor="k")

# %%
# Regression: SVR and KernelRidge
# -------------------------------
# Alcohol from the other measurements; R2 on five folds.
alcohol, others = wine[:, 0], wine[:, 1:]
folds = KFold(5, shuffle=True, random_state=0)
for machine in (
    SVR(kernel=kernel, epsilon=0.05),
    KernelRidge(kernel=kernel, alpha=1.0),
):
    centred = make_pipeline(StandardScaler(), machine)
    scores = cross_val_score(
        centred, others, alcohol - alcohol.mean(), cv=folds
    )
    print(f"{type(machine).__name__}: {scores.mean():.2f}")

# %%
# Principal components
# --------------------
# The first two eigenfeatures of the kernel separate the cultivars.
scaled = StandardScaler().fit_transform(wine)
components = KernelPCA(2, kernel=kernel).fit_transform(scaled)
figure, axes = plt.subplots(figsize=(5, 3.4))
axes.scatter(*components.T, c=cultivar)
axes.set(xlabel="first component", ylabel="second component")

# %%
# Gaussian processes
# ------------------
# With the kernel of the outputs at initialisation, "nngp", it is Bayesian: the limit of networks
# whose last layer alone is trained. The bias is learned by the marginal likelihood.
x = np.sort(np.random.default_rng(0).uniform(-3, 3, 14))[:, None]
y = np.abs(x[:, 0]) + 0.05 * np.random.default_rng(1).normal(size=14)
prior = nn.as_kernel(nn.fully_connected(3), kind="nngp") + WhiteKernel(0.01)
process = GaussianProcessRegressor(prior, normalize_y=True).fit(x, y)
at = np.linspace(-4, 4, 200)[:, None]
mean, std = process.predict(at, return_std=True)
figure, axes = plt.subplots(figsize=(5, 3.4))
axes.fill_between(at[:, 0], mean - 2 * std, mean + 2 * std, alpha=0.3)
axes.plot(at, mean)
axes.plot(x, y, "k.")
print("GaussianProcessRegressor:", process.kernel_)
