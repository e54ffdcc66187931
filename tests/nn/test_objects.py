"""Kernels between sequences and graphs, against finite networks and closed cases."""

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.nn import Conv, Dense, GlobalAveragePool, LeakyReLU, ReLU, Sequential
from ntkfill.nn.objects import GraphConvolution, Recurrent, between_objects

RNG = np.random.default_rng(0)
SEQUENCES = [RNG.normal(size=(steps, 3)) for steps in (1, 2, 4)]


def recurrent_network(sequences, width, rng, slope):
    """Outputs, and gradients by all weights through time, of one finite network."""
    gain = np.sqrt(2 / (1 + slope**2))
    w, u, v = rng.normal(size=(width, width)), rng.normal(size=(width, 3)), rng.normal(size=width)
    outputs, gradients = [], []
    for x in sequences:
        states, slopes, h = [], [], np.zeros(width)
        for step in x:
            states.append(h)
            a = w @ h / np.sqrt(width) + u @ step
            slopes.append(gain * np.where(a > 0, 1.0, slope))
            h = a * slopes[-1]
        outputs.append(v @ h / np.sqrt(width))
        dw, du, back = np.zeros_like(w), np.zeros_like(u), v / np.sqrt(width)
        for h_before, step, d in zip(states[::-1], x[::-1], slopes[::-1], strict=True):
            back = back * d
            dw += np.outer(back, h_before) / np.sqrt(width)
            du += np.outer(back, step)
            back = w.T @ back / np.sqrt(width)
        gradients.append(np.concatenate([dw.ravel(), du.ravel(), h / np.sqrt(width)]))
    return np.array(outputs), np.array(gradients) @ np.array(gradients).T


def test_recurrent_networks_of_finite_width():
    layers = [Recurrent(LeakyReLU(0.2)), LeakyReLU(0.2), Dense()]
    drawn = [recurrent_network(SEQUENCES, 300, RNG, 0.2) for _ in range(60)]
    theta = np.array([gram for _, gram in drawn])
    expected = between_objects(layers, SEQUENCES)
    deviation = np.abs(theta.mean(axis=0) - expected) / (theta.std(axis=0) / np.sqrt(60))
    assert deviation.max() < 4.5
    reversed_ = between_objects(layers, [x[::-1] for x in SEQUENCES])
    assert np.abs(reversed_ - expected).max() > 0.05 * expected.max()


def test_one_step_is_a_dense_layer():
    vectors = RNG.normal(size=(4, 3))
    layers = [Recurrent(), ReLU(), Dense()]
    ours = between_objects(layers, list(vectors[:, None]))
    np.testing.assert_allclose(ours, Sequential(Dense(), ReLU(), Dense()).between(vectors))
    cross = between_objects(
        [Recurrent(), ReLU(), Dense()], list(vectors[:2, None]), list(vectors[2:, None])
    )
    np.testing.assert_allclose(cross, ours[:2, 2:])


PATH = np.diag(np.ones(2), 1) + np.diag(np.ones(2), -1)
GRAPHS = [
    (RNG.normal(size=(3, 2)), PATH),
    (RNG.normal(size=(4, 2)), np.ones((4, 4)) - np.eye(4)),
]
NETWORK = [GraphConvolution(), ReLU(), GraphConvolution(), ReLU(), GlobalAveragePool(), Dense()]


def graph_network(graphs, width, rng):
    """The tangent kernel of one finite network."""
    w1, w2 = rng.normal(size=(width, 2)), rng.normal(size=(width, width))
    v = rng.normal(size=width)
    gradients = []
    for x, adjacency in graphs:
        means = (adjacency + np.eye(len(x))) / (1 + adjacency.sum(axis=1, keepdims=True))
        z1 = means @ x
        a1 = z1 @ w1.T
        s1 = np.sqrt(2) * (a1 > 0)
        z2 = means @ (a1 * s1)
        a2 = z2 @ w2.T / np.sqrt(width)
        s2 = np.sqrt(2) * (a2 > 0)
        pooled = (a2 * s2).mean(axis=0)
        back2 = s2 * v / np.sqrt(width) / len(x)
        dw2 = back2.T @ z2 / np.sqrt(width)
        back1 = (means.T @ (back2 @ w2 / np.sqrt(width))) * s1
        gradients.append(
            np.concatenate([pooled / np.sqrt(width), dw2.ravel(), (back1.T @ z1).ravel()])
        )
    return np.array(gradients) @ np.array(gradients).T


def test_graph_networks_of_finite_width():
    drawn = np.array([graph_network(GRAPHS, 400, RNG) for _ in range(60)])
    expected = between_objects(NETWORK, GRAPHS)
    deviation = np.abs(drawn.mean(axis=0) - expected) / (drawn.std(axis=0) / np.sqrt(60))
    assert deviation.max() < 4.5
    unconnected = [(x, np.zeros_like(a)) for x, a in GRAPHS]
    assert np.abs(between_objects(NETWORK, unconnected) / expected - 1).max() > 0.05


def test_graphs_do_not_depend_on_the_order_of_nodes():
    order = RNG.permutation(4)
    x, a = GRAPHS[1][0], np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)
    both = between_objects(NETWORK, [(x, a), (x[order], a[np.ix_(order, order)])])
    np.testing.assert_allclose(both, both[0, 0])
    assert np.linalg.eigvalsh(between_objects(NETWORK, GRAPHS)).min() > 0


@pytest.mark.parametrize(
    ("layers", "objects", "message"),
    [
        ([Recurrent(), Conv(3)], SEQUENCES, "vectors only"),
        ([Recurrent()], [np.ones(3)], "shape \\(steps, features\\)"),
        ([GraphConvolution()], GRAPHS, "one GlobalAveragePool"),
        (NETWORK, [(np.ones((2, 2)), np.ones((2, 3)))], "square"),
    ],
)
def test_refused(layers, objects, message):
    with pytest.raises(InputError, match=message):
        between_objects(layers, objects)
