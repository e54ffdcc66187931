"""Kernels between sequences and graphs, against finite networks and closed cases."""

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.nn import (
    Attention,
    Bias,
    Branches,
    Conv,
    Dense,
    GlobalAveragePool,
    Graph,
    GraphConvolution,
    LeakyReLU,
    Recurrent,
    ReLU,
    Residual,
    Sequential,
    objects,
    parse,
)

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


@pytest.mark.slow
def test_recurrent_networks_of_finite_width():
    network = Sequential(Recurrent(LeakyReLU(0.2)), LeakyReLU(0.2), Dense())
    drawn = [recurrent_network(SEQUENCES, 300, RNG, 0.2) for _ in range(60)]
    theta = np.array([gram for _, gram in drawn])
    expected = network.between(SEQUENCES)
    deviation = np.abs(theta.mean(axis=0) - expected) / (theta.std(axis=0) / np.sqrt(60))
    assert deviation.max() < 4.5
    reversed_ = network.between([x[::-1] for x in SEQUENCES])
    assert np.abs(reversed_ - expected).max() > 0.05 * expected.max()


def recursion(x, y, recurrent, inputs):
    """The recurrent tangent kernel of two sequences, step by step (arXiv:2006.10246, theorem 1)."""

    def dual(value, own, other):
        angle = np.arccos(value / size) if (size := np.sqrt(own * other)) > 0 else 0.0
        return size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi, 1 - angle / np.pi

    steps = max(len(x), len(y))
    sigma = theta = own = other = 0.0
    for step in range(-steps, 0):
        a, b = (z[step] if -step <= len(z) else np.zeros(z.shape[1]) for z in (x, y))
        value, slope = dual(sigma, own, other)
        sigma = recurrent * value + inputs * a @ b
        theta = sigma + recurrent * theta * slope
        own, other = recurrent * own + inputs * a @ a, recurrent * other + inputs * b @ b
    value, slope = dual(sigma, own, other)
    return value + theta * slope


def test_recurrent_kernel_by_its_recursion():
    network = Sequential(Recurrent(recurrent=0.7, inputs=1.3), ReLU(), Dense())
    found = network.between(SEQUENCES, SEQUENCES[::-1])
    expected = [[recursion(x, y, 0.7, 1.3) for y in SEQUENCES[::-1]] for x in SEQUENCES]
    np.testing.assert_allclose(found, expected, rtol=1e-7)  # of equal ones acos loses half
    apart = ~np.eye(3, dtype=bool)[::-1]
    np.testing.assert_allclose(found[apart], np.array(expected)[apart], rtol=1e-12)


def test_one_step_is_a_dense_layer():
    vectors = RNG.normal(size=(4, 3))
    network = Sequential(Recurrent(), ReLU(), Dense())
    ours = network.between(list(vectors[:, None]))
    np.testing.assert_allclose(ours, Sequential(Dense(), ReLU(), Dense()).between(vectors))
    cross = network.between(list(vectors[:2, None]), list(vectors[2:, None]))
    np.testing.assert_allclose(cross, ours[:2, 2:])


PATH = np.diag(np.ones(2), 1) + np.diag(np.ones(2), -1)
GRAPHS = [
    Graph(RNG.normal(size=(3, 2)), PATH),
    Graph(RNG.normal(size=(4, 2)), np.ones((4, 4)) - np.eye(4)),
]
NETWORK = Sequential(
    GraphConvolution(), ReLU(), GraphConvolution(), ReLU(), GlobalAveragePool(), Dense()
)


def graph_network(graphs, width, rng):
    """The tangent kernel of one finite network."""
    w1, w2 = rng.normal(size=(width, 2)), rng.normal(size=(width, width))
    v = rng.normal(size=width)
    gradients = []
    for graph in graphs:
        x, adjacency = graph.nodes, graph.weights
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


@pytest.mark.slow
def test_graph_networks_of_finite_width():
    drawn = np.array([graph_network(GRAPHS, 400, RNG) for _ in range(60)])
    expected = NETWORK.between(GRAPHS)
    deviation = np.abs(drawn.mean(axis=0) - expected) / (drawn.std(axis=0) / np.sqrt(60))
    assert deviation.max() < 4.5
    unconnected = [Graph(graph.nodes, 0 * graph.weights) for graph in GRAPHS]
    assert np.abs(NETWORK.between(unconnected) / expected - 1).max() > 0.05


def test_graphs_do_not_depend_on_the_order_of_nodes():
    order = RNG.permutation(4)
    x, a = GRAPHS[1].nodes, np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)
    both = NETWORK.between([Graph(x, a), Graph(x[order], a[np.ix_(order, order)])])
    np.testing.assert_allclose(both, both[0, 0])
    assert np.linalg.eigvalsh(NETWORK.between(GRAPHS)).min() > 0


def linear_attention(xs, heads, rng):
    """Outputs of the first channel at every item of every set (sets, items), and the tangent kernel
    of one network of so many heads, each with one channel of queries, keys and values."""
    k = xs[0].shape[1]
    q, c, v = rng.normal(size=(3, heads, k))
    o = rng.normal(size=heads)
    outputs, gradients = [], []
    for x in xs:
        a, b, d = x @ q.T, x @ c.T, x @ v.T  # (items, heads)
        inner = (b * d).mean(axis=0)
        outputs.append((a * inner) @ o / np.sqrt(heads))
        for at in range(len(x)):
            by_q = o[:, None] * inner[:, None] * x[at]
            by_k = o[:, None] * a[at][:, None] * (d.T @ x / len(x))
            by_v = o[:, None] * a[at][:, None] * (b.T @ x / len(x))
            parts = (by_q, by_k, by_v, a[at] * inner)
            gradients.append(np.concatenate([part.ravel() for part in parts]) / np.sqrt(heads))
    return np.concatenate(outputs), np.array(gradients) @ np.array(gradients).T


@pytest.mark.slow
def test_linear_attention_of_many_heads():
    sets = [x / 2 for x in SEQUENCES[1:]]
    graphs = [Graph(np.vstack(sets), np.zeros((6, 6)))]  # all items at once, of one object
    drawn = [linear_attention([graphs[0].nodes], 200, RNG) for _ in range(400)]
    outputs, kernels = (np.array(x) for x in zip(*drawn, strict=True))
    network = Sequential(Attention("linear"))
    for kind, found in (("nngp", outputs[:, :, None] * outputs[:, None]), ("ntk", kernels)):
        expected = network.between(graphs[0], kind=kind)
        deviation = np.abs(found.mean(axis=0) - expected) / (found.std(axis=0) / np.sqrt(400))
        assert deviation.max() < 5
        assert np.abs(found.mean(axis=0) - 1.3 * expected).max() > 0.05 * np.abs(expected).max()


def test_linear_attention_keeps_sets_apart():
    """Of two sets, in one call, by the sums over single entries."""
    one, two = SEQUENCES[1:]
    network = Sequential(Attention("linear"), GlobalAveragePool(), Dense())
    gram = one @ two.T
    nngp = gram * np.mean(gram**2)
    ntk = 4 * nngp  # of the inputs it is zero
    found = network.between([one, two])
    assert abs(found[0, 1] - (nngp + ntk).mean()) < 1e-12
    deeper = Sequential(Dense(), Attention("linear"), GlobalAveragePool())
    through = gram * np.mean(gram**2) + 2 * gram * np.mean(gram * gram)
    assert abs(deeper.between([one, two])[0, 1] - (4 * nngp + through).mean()) < 1e-12


@pytest.mark.slow
def test_softmax_attention_of_many_channels():
    x = SEQUENCES[2] / 1.5
    width, values = 20_000, []
    for _ in range(300):
        keys = x @ RNG.normal(size=(3, width))
        scores = 1.5 * keys @ keys.T / width
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        values.append(shares @ x @ RNG.normal(size=(3, 40)))
    products = [v @ v.T / 40 for v in values]
    network = Sequential(Attention(scale=1.5))
    expected = network.between(Graph(x, np.zeros((4, 4))), kind="nngp")
    error = np.std(products, axis=0) / np.sqrt(300)
    assert np.max(np.abs(np.mean(products, axis=0) - expected) / error) < 5
    flat = Sequential(Attention(scale=1e-9)).between(Graph(x, np.zeros((4, 4))), kind="nngp")
    np.testing.assert_allclose(flat, np.full((4, 4), np.mean(x @ x.T)), atol=1e-7)
    assert np.abs(flat - expected).max() > 0.05


def test_layers_and_branches_between_items():
    """A transformer's block; and all pairs at once are the pairs one by one, in small tiles too."""
    block = [
        *(Dense(), Residual(ReLU(), Attention()), Residual(ReLU(), Dense())),
        *(Dense(), Bias(0.1), Branches((Dense(), ReLU()), (Attention("linear"),)), Dense()),
        *(ReLU(), GlobalAveragePool(), Dense(), ReLU(), Dense()),
    ]
    network = Sequential(*block)
    sets = [RNG.normal(size=(n, 3)) for n in (2, 5, 1, 3)]
    whole = network.between(sets)
    for i, one in enumerate(sets):
        for j, two in enumerate(sets):
            assert abs(network.between([one], [two])[0, 0] / whole[i, j] - 1) < 1e-12
    assert np.linalg.eigvalsh(whole).min() > 0
    assert parse(repr(network)) == network


def test_tiles_do_not_change_the_kernel(monkeypatch):
    whole, cross = NETWORK.between(GRAPHS * 3), NETWORK.between(GRAPHS, GRAPHS * 2)
    monkeypatch.setattr(objects, "TILE", 5)
    np.testing.assert_allclose(NETWORK.between(GRAPHS * 3), whole, rtol=1e-12)
    np.testing.assert_allclose(NETWORK.between(GRAPHS, GRAPHS * 2), cross, rtol=1e-12)


@pytest.mark.parametrize(
    ("layers", "objects", "message"),
    [
        ([Recurrent(), Conv(3)], SEQUENCES, "must not need a grid"),
        ([Recurrent(), Attention()], SEQUENCES, "come first"),
        ([Dense(), Recurrent()], SEQUENCES, "come first"),
        ([GlobalAveragePool(), GraphConvolution()], GRAPHS, "come first"),
        ([Recurrent()], [np.ones(3)], "shape \\(items, features\\)"),
        ([Recurrent()], [np.ones((2, 3)), np.ones((2, 4))], "as many features"),
        ([Recurrent()], [np.full((2, 3), np.nan)], "finite"),
        ([Recurrent()], GRAPHS, "needs sequences"),
        ([Attention(), GlobalAveragePool()], [GRAPHS[0], np.ones((2, 2))], "all graphs"),
        ([Attention(), GlobalAveragePool()], [], "objects must be"),
        ([GraphConvolution()], GRAPHS, "must have GlobalAveragePool"),
        (
            [GraphConvolution(), GlobalAveragePool()],
            GRAPHS[0],
            "single graph not",
        ),
        ([GraphConvolution(), GlobalAveragePool()], SEQUENCES, "needs graphs"),
        ([GraphConvolution()], np.ones((2, 3)), "objects must be"),
    ],
)
def test_refused(layers, objects, message):
    with pytest.raises(InputError, match=message):
        Sequential(*layers).between(objects)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Graph(np.ones((2, 2)), np.ones((2, 3))), r"\(n, n\)"),
        (lambda: Graph(np.ones((2, 2)), [[0, 1], [0, 0]]), "symmetric"),
        (lambda: Graph(np.full((2, 2), np.inf), np.zeros((2, 2))), "finite"),
        (lambda: Attention("sigmoid"), "'softmax' or 'linear'"),
        (lambda: Attention(scale=0), "above 0|> 0"),
        (lambda: Recurrent(inputs=-1), "inputs of Recurrent"),
        (lambda: Sequential(GraphConvolution()).ntk((4,)), "sequences or graphs"),
    ],
)
def test_refused_when_made(make, message):
    with pytest.raises(InputError, match=message):
        make()
