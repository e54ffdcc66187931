"""What the paper proves, checked by brute force on small cases."""

import numpy as np
import pytest
from oracles import regression, relative

from ntkfill import InputError, Observed, complete, kernels
from ntkfill.nn import Dense, Identity, ReLU, Sequential, fully_connected, hourglass
from ntkfill.priors import IID, GraphLaplacian
from ntkfill.solvers import Cholesky

RNG = np.random.default_rng(0)


def test_completion_is_regression_on_indicator_matrices():
    """The tangent kernel of W -> tr(M^T f(Z)) between indicator matrices M is that of the columns
    of Z where the rows agree, and zero where they do not: 4 x 3 entries, by one finite network."""
    rows, columns, width = 4, 3, 100_000
    z = RNG.normal(size=(5, columns))
    z /= np.linalg.norm(z, axis=0)
    first, last = RNG.normal(size=(width, 5)), RNG.normal(size=(rows, width))
    before = first @ z
    active = before > 0
    hidden = np.sqrt(2 / width) * before * active
    brute = np.zeros((rows, columns) * 2)
    for i in range(rows):
        for k in range(rows):
            # Of entry (i, j): the gradients by row i of the last weights, and by all first ones.
            through = 2 / width * (active * last[i, :, None]).T @ (active * last[k, :, None])
            brute[i, :, k, :] = through * (z.T @ z) + (i == k) * hidden.T @ hidden
    expected = np.einsum("ik,jl->ijkl", np.eye(rows), fully_connected(1).between(z.T))
    assert np.abs(brute - expected).max() < 0.03
    assert np.abs(brute[0, :, 1]).max() < 0.03 < np.abs(brute[0, :, 0]).min()

    values, known = RNG.normal(size=(rows, columns)), np.ones((rows, columns), bool)
    known[0, 1] = known[2, 0] = known[3, 2] = False
    flat, seen = expected.reshape(12, 12), known.ravel()
    by_indicators = regression(values.reshape(-1, 1), seen, flat, 1e-9).reshape(rows, columns)
    by_columns = regression(values.T, known.T, fully_connected(1).between(z.T), 1e-9).T
    np.testing.assert_allclose(by_indicators, by_columns, rtol=1e-6)


@pytest.mark.parametrize("network", [fully_connected(1), fully_connected(3)])
def test_one_hot_drugs_give_the_mean_over_the_cell(network):
    """Conditions of one cell line are equally similar, so a missing one is their mean (scaled by a
    factor that tends to one with their number)."""
    cells, drugs = 3, 200
    cell, drug = np.divmod(np.arange(cells * drugs), drugs)
    z = np.hstack([3 * np.eye(cells)[cell], np.eye(drugs)[drug]])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    levels = np.array([1.0, -2.0, 0.5])
    values = np.repeat(levels, drugs) + 0.1 * RNG.normal(size=cells * drugs)
    known = drug != 7
    kernel = kernels.DenseKernel(network.between(z), (len(z),))
    filled = complete(Observed(values[:, None], known), kernel, Cholesky(ridge=1e-9)).values
    filled = filled[~known, 0]
    means = [values[known & (cell == c)].mean() for c in range(cells)]
    np.testing.assert_allclose(filled, means, atol=0.03)
    assert np.abs(filled - np.mean(levels)).max() > 0.5


def graph():
    weights = np.zeros((6, 6))
    for i, j, w in [(0, 1, 1), (1, 2, 2), (2, 3, 1), (3, 4, 1), (4, 5, 3), (1, 4, 0.5)]:
        weights[i, j] = weights[j, i] = w
    return weights


def harmonic(weights, values, known):
    laplacian = np.diag(weights.sum(axis=1)) - weights
    filled = values.copy()
    filled[~known] = np.linalg.solve(
        laplacian[np.ix_(~known, ~known)], -laplacian[np.ix_(~known, known)] @ values[known]
    )
    return filled


@pytest.mark.parametrize("layers", [[Dense()], [Dense(), Identity(), Dense()]])
def test_laplacian_learning_is_a_linear_network(layers):
    weights, known = graph(), np.array([1, 0, 0, 1, 0, 1], bool)
    values = RNG.normal(size=6)
    kernel = Sequential(*layers).kernel((6,), GraphLaplacian(weights), dtype=np.float64)
    filled = complete(Observed(values[:, None], known), kernel, Cholesky(ridge=0)).values[:, 0]
    expected = harmonic(weights, values, known)
    np.testing.assert_allclose(filled, expected, atol=1e-5)
    for node in np.flatnonzero(~known):  # the mean of its neighbours
        assert abs(filled[node] - weights[node] @ filled / weights[node].sum()) < 1e-5
    other = Sequential(Dense(), ReLU(), Dense()).kernel((6,), GraphLaplacian(weights))
    curved = complete(Observed(values[:, None], known), other, Cholesky(ridge=1e-9)).values[:, 0]
    assert np.abs(curved - expected).max() > 1e-3


def test_features_of_a_graph_are_its_covariance():
    prior = GraphLaplacian(graph(), shift=0.1)
    z = prior.features()
    laplacian = np.diag(graph().sum(axis=1)) - graph()
    expected = np.linalg.inv(laplacian + 0.1 * graph().sum() / 6 * np.eye(6))
    np.testing.assert_allclose(z @ z.T, expected, atol=1e-12)
    np.testing.assert_allclose(Sequential().nngp((6,), prior), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((2, 3)), "square"),
        (-np.ones((2, 2)), ">= 0"),
        (np.array([[0, 1], [0, 0]]), "symmetric"),
    ],
)
def test_graphs_refused(weights, message):
    with pytest.raises(InputError, match=message):
        GraphLaplacian(weights)
    with pytest.raises(InputError, match="a node for each of 5"):
        Sequential().nngp((5,), GraphLaplacian(graph()))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_beyond_the_receptive_field_everything_is_alike(levels):
    """So a hole that is wider is filled with one number: levels >= log2 of its size are needed."""
    reach, side = 2**levels, 8 * 2**levels
    kernel = hourglass(levels).ntk((side,))
    far = kernel[0, reach : side - reach + 1]
    assert relative(far, far[:1]) < 1e-14
    assert abs(kernel[reach - 1, 2 * reach - 2] / far[0] - 1) > 1e-6
    known = np.ones(side, bool)
    known[2 * reach : 6 * reach] = False
    dense = kernels.DenseKernel(kernel, (side,))
    values = Observed(RNG.normal(size=(side, 1)), known)
    filled = complete(values, dense, Cholesky(ridge=1e-6)).values[:, 0]
    middle = filled[3 * reach : 5 * reach]
    assert np.ptp(middle) < 1e-6 * np.ptp(filled)
    assert np.ptp(filled[2 * reach : 3 * reach]) > 1e-3


def hourglass_by_matrices(levels, side):
    """The tangent kernel on a circle, of uniform features: every layer as in the definition."""
    sigma, theta = 1 / 400 + np.eye(side) / 1200, np.zeros((side, side))

    def convolved(matrix):
        return sum(np.roll(matrix, (k, k), (0, 1)) for k in (-1, 0, 1)) / 3

    for layer in ["conv", "phi", "down"] * levels + ["conv", "phi", "up"] * levels + ["conv"]:
        if layer == "conv":
            sigma, theta = convolved(sigma), convolved(theta)
            theta = theta + sigma
        elif layer == "phi":  # ReLU, scaled so that variances stay
            own = np.sqrt(np.diag(sigma))
            cosine = sigma / np.outer(own, own)
            angle = np.arccos(np.where(cosine > 1 - 1e-13, 1.0, cosine))  # of equal features 0
            theta = theta * (1 - angle / np.pi)
            dual = np.sin(angle) + (np.pi - angle) * np.cos(angle)
            sigma = np.outer(own, own) * dual / np.pi
        elif layer == "down":
            sigma, theta = sigma[::2, ::2], theta[::2, ::2]
        else:
            sigma, theta = (m.repeat(2, axis=0).repeat(2, axis=1) for m in (sigma, theta))
    return theta


def expanded(small, side):
    """A kernel of a larger circle, read off a smaller one: near offsets as they are, all others as
    the farthest."""
    own = len(small)
    first, offset = np.indices((side, side))
    offset = (offset + side // 2) % side - side // 2
    offset = np.where(abs(offset) < own // 2, offset, own // 2)
    kernel = np.empty((side, side))
    kernel[first, (first + np.indices((side, side))[1]) % side] = small[
        first % own, (first + offset) % own
    ]
    return kernel


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_kernels_expand_from_twice_the_receptive_field(levels):
    """From side 2^(levels + 1) on the kernel of every larger grid is known; from half of it not."""
    threshold, side = 2 ** (levels + 1), 2 ** (levels + 4)
    true = hourglass_by_matrices(levels, side)
    for enough in (threshold, 2 * threshold):
        assert relative(expanded(hourglass_by_matrices(levels, enough), side), true) < 1e-13
    assert relative(expanded(hourglass_by_matrices(levels, threshold // 2), side), true) > 0.1
    network = hourglass(levels, activation=ReLU())
    assert relative(network.ntk((side,)), true) < 1e-12
    # On a smaller circle both ways around are seen, and the package does not expand either.
    for small in (threshold // 2, threshold):
        assert relative(network.ntk((small,)), hourglass_by_matrices(levels, small)) < 1e-12
    assert network.table_grid((threshold // 2,), IID()) == (threshold // 2,)
    assert network.table_grid((threshold,), IID()) is None
