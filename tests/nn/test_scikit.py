"""Networks as scikit-learn's kernels: its own checks of kernels, and its estimators."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.gaussian_process.tests import test_kernels as checks
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR

from ntkfill import InputError
from ntkfill.nn import (
    Bias,
    Conv,
    Dense,
    Erf,
    Flatten,
    ReLU,
    Residual,
    Sequential,
    as_kernel,
    fully_connected,
)

KERNELS = {
    "ntk": as_kernel(fully_connected(2)),
    "nngp": as_kernel(fully_connected(1), kind="nngp", bias=0.3),
    "fixed": as_kernel(fully_connected(1), bias_bounds="fixed"),
    "residual": as_kernel(
        Sequential(Dense(), Residual(ReLU(), Dense()), Erf(), Dense(), Bias(0.1))
    ),
    "sum": ConstantKernel(0.5) * as_kernel(fully_connected(3), bias=2.0) + WhiteKernel(0.1),
}
CHECKS = [
    *("test_kernel_diag", "test_kernel_clone", "test_kernel_clone_after_set_params"),
    *("test_kernel_gradient", "test_repr_kernels", "test_set_get_params"),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", KERNELS)
def test_scikit_learn_checks(name, check):
    getattr(checks, check)(KERNELS[name])


@pytest.mark.parametrize("name", ["ntk", "nngp", "residual"])
def test_theta(name):
    checks.test_kernel_theta(KERNELS[name])


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "sum"])
def test_auto_equals_cross(name):
    checks.test_auto_vs_cross(KERNELS[name])


def test_a_wrong_gradient_is_found(monkeypatch):
    monkeypatch.setattr("ntkfill.nn.scikit.STEP", 2.0)
    with pytest.raises(AssertionError):
        checks.test_kernel_gradient(KERNELS["ntk"])


X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.sin(X[:, 0]) + X[:, 1]


def test_kernel_machines_equal_precomputed_ones():
    kernel = as_kernel(fully_connected(2))
    gram, cross = kernel(X[:30]), kernel(X[30:], X[:30])
    labels = Y > 0
    for make in (SVC, SVR, KernelRidge):
        target = labels[:30] if make is SVC else Y[:30]
        ours = make(kernel=kernel).fit(X[:30], target).predict(X[30:])
        theirs = make(kernel="precomputed").fit(gram, target).predict(cross)
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=1e-9)
    with_bias = np.column_stack([X, np.ones(len(X))])
    np.testing.assert_allclose(gram, fully_connected(2).between(with_bias[:30]), rtol=1e-12)
    features = KernelPCA(5, kernel=kernel).fit_transform(X)
    precomputed = KernelPCA(5, kernel="precomputed").fit_transform(kernel(X))
    np.testing.assert_allclose(abs(features), abs(precomputed), atol=1e-8)


def test_gaussian_process_learns_the_bias():
    data = np.random.default_rng(1).normal(size=(40, 2))
    truth = as_kernel(fully_connected(1), bias=5.0)
    draw = np.linalg.cholesky(truth(data) + 1e-8 * np.eye(40)) @ np.random.default_rng(2).normal(
        size=40
    )
    start = as_kernel(fully_connected(1), bias=0.01)
    process = GaussianProcessRegressor(start, alpha=1e-6).fit(data, draw)
    fixed = GaussianProcessRegressor(start, alpha=1e-6, optimizer=None).fit(data, draw)
    assert process.log_marginal_likelihood_value_ > fixed.log_marginal_likelihood_value_ + 1
    assert isinstance(clone(process).kernel, type(start))


@pytest.mark.slow
def test_gaussian_process_classifier():
    data, labels = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimum at a bound
        process = GaussianProcessClassifier(as_kernel(fully_connected(1))).fit(data, labels)
    assert process.score(data, labels) > 0.95


@pytest.mark.slow
def test_convolutional_kernel_of_digits_takes_rows():
    data, labels = load_digits(return_X_y=True)
    network = Sequential(Conv(3), ReLU(), Conv(3), ReLU(), Flatten(), Dense())
    kernel = as_kernel(network, bias=0.01, shape=(1, 8, 8))
    machine = SVC(kernel=kernel, C=1e3).fit(data[:40] / 16, labels[:40])
    assert machine.score(data[40:80] / 16, labels[40:80]) > 0.6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: as_kernel("network"), r"must be a Sequential.*nn\.parse"),
        (lambda: as_kernel(fully_connected(1), kind="cntk"), "'ntk' or 'nngp'; got 'cntk'"),
        (lambda: as_kernel(fully_connected(1), bias=-1), "bias must be"),
        (lambda: as_kernel(Sequential(Conv(3)))(np.eye(3)), "need a grid"),
    ],
)
def test_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
