"""Networks of finite width approach their kernels: layer by layer, and trained."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from ntkfill import InputError  # noqa: E402
from ntkfill.nn import (  # noqa: E402
    GELU,
    Attention,
    AveragePool,
    Bias,
    Branches,
    Conv,
    ConvTranspose,
    Dense,
    Downsample,
    Erf,
    Flatten,
    GlobalAveragePool,
    Graph,
    GraphConvolution,
    LayerNorm,
    LeakyReLU,
    Recurrent,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sin,
    Upsample,
    draw,
    finite,
    hourglass,
    tangent_kernel,
    train,
)
from ntkfill.priors import IID, Features, Identity, MeshGrid  # noqa: E402

pytestmark = pytest.mark.slow

SIDE = 8
PHI = LeakyReLU(0.1)
NETWORKS = {
    "conv": Sequential(Conv(3), ReLU(), Conv(3)),
    "nearest": hourglass(1, activation=PHI),
    "bilinear": hourglass(1, upsample="bilinear", activation=PHI),
    "skips": hourglass(1, activation=PHI, skips=0.25),
    "residual": Sequential(Conv(3), Residual(ReLU(), Conv(3)), ReLU(), Conv(3)),
    "concatenated": Sequential(Branches((Conv(3), Erf()), (Conv(1),)), Conv(3)),
    "pool": Sequential(Conv(3), PHI, AveragePool(), Conv(3), PHI, Upsample(), Conv(3)),
    "transposed": Sequential(
        Conv(3), PHI, Downsample(), Conv(3), PHI, ConvTranspose(4), PHI, Conv(3)
    ),
    "bias": Sequential(Conv(3), Scale(1.5), Bias(0.3), Sin(), Conv(3), Bias(0.2)),
    "layer norm": Sequential(Conv(3), LayerNorm(), GELU(), Conv(3)),
    "pointwise": Sequential(Dense(), ReLU(), Dense(), PHI, Dense()),
}


def deviation(name, width, seeds, network=None):
    """The error of the mean empirical kernel, and its typical error for one seed."""
    network = NETWORKS[name] if network is None else network
    prior = Features(np.random.default_rng(0).normal(size=(3, SIDE)))
    expected = network.ntk((SIDE,), prior)
    z = draw(prior, (SIDE,))[None]
    built = NETWORKS[name]
    found = [tangent_kernel(finite(built, z.shape[1:], width, seed=s), z) for s in range(seeds)]
    size = np.linalg.norm(expected)
    single = np.mean([np.linalg.norm(k - expected) for k in found]) / size
    return np.linalg.norm(np.mean(found, axis=0) - expected) / size, single


@pytest.mark.parametrize("name", NETWORKS)
def test_tangent_kernel_approaches_the_limit(name):
    _, narrow = deviation(name, 32, 4)
    mean, wide = deviation(name, 512, 4)
    assert wide < 0.15
    assert mean < 0.1
    assert wide < 0.55 * narrow  # 1 / 4 as 1 / sqrt(width)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("conv", Sequential(Conv(3), ReLU(), Conv(1))),
        ("nearest", hourglass(1, upsample="bilinear", activation=PHI)),
        ("skips", hourglass(1, activation=PHI)),
        ("residual", Sequential(Conv(3), ReLU(), Conv(3), ReLU(), Conv(3))),
        ("pool", Sequential(Conv(3), PHI, Downsample(), Conv(3), PHI, Upsample(), Conv(3))),
        ("bias", Sequential(Conv(3), Scale(1.5), Bias(0.3), Sin(), Conv(3))),
        ("layer norm", Sequential(Conv(3), GELU(), Conv(3))),
    ],
)
def test_a_wrong_layer_is_caught(name, wrong):
    right, _ = deviation(name, 512, 4)
    mean, _ = deviation(name, 512, 4, wrong)
    assert mean > max(0.05, 2 * right)


@pytest.mark.parametrize("end", [GlobalAveragePool(), Flatten()], ids=repr)
def test_pictures(end):
    network = Sequential(Conv(3), ReLU(), end, Dense())
    pictures = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    found = [tangent_kernel(finite(network, (2, 4, 4), 512, seed=s), pictures) for s in range(4)]
    expected = network.between(pictures)
    assert np.linalg.norm(np.mean(found, axis=0) - expected) < 0.1 * np.linalg.norm(expected)


ITEMS = {
    "softmax": [Attention(scale=1.5), ReLU(), Dense()],
    "linear": [Attention("linear"), ReLU(), Dense()],
    "linear after weights": [Dense(), ReLU(), Attention("linear"), ReLU(), Dense()],
    "blocks": [Dense(), Residual(ReLU(), Attention()), Residual(ReLU(), Dense())],
    "graph": [GraphConvolution(), ReLU(), GraphConvolution()],
    "recurrent": [Recurrent(PHI, recurrent=0.7, inputs=1.3), PHI, Dense()],
}
EDGES = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1) + 2 * np.eye(4)[::-1]


def of_items(name, first=None):
    """The network of a name, with another first layer if one is given."""
    layers = ITEMS[name] if first is None else [first, *ITEMS[name][1:]]
    return Sequential(*layers, *[GlobalAveragePool(), Dense()] * (name != "recurrent"))


def items_deviation(name, width, right=None):
    """The error of the mean kernel between two objects, and its typical error for one seed."""
    objects = list(np.random.default_rng(0).normal(size=(2, 4, 3)) / 1.5)
    built = of_items(name)
    found = [
        tangent_kernel(
            finite(built, (3, 4), width, seed=seed, weights=EDGES),
            np.stack([x.T for x in objects]),
        )
        for seed in range(8)
    ]
    graphs = [Graph(x, EDGES) for x in objects] if name == "graph" else objects
    expected = (built if right is None else right).between(graphs)
    size = np.linalg.norm(expected)
    single = np.mean([np.linalg.norm(k - expected) for k in found]) / size
    return np.linalg.norm(np.mean(found, axis=0) - expected) / size, single


@pytest.mark.parametrize("name", ITEMS)
def test_networks_of_items_approach_the_limit(name):
    _, narrow = items_deviation(name, 16)
    mean, wide = items_deviation(name, 256)
    assert mean < 0.1
    assert wide < 0.7 * narrow


WRONG = {
    "softmax": Attention("linear"),
    "linear": Attention(),
    "graph": Dense(),
    "recurrent": Recurrent(PHI, recurrent=0.3),
}


@pytest.mark.parametrize(("name", "wrong"), WRONG.items())
def test_wrong_layers_of_items_are_caught(name, wrong):
    right, _ = items_deviation(name, 256)
    other, _ = items_deviation(name, 256, of_items(name, wrong))
    assert other > max(0.1, 2 * right)


def test_a_graph_is_needed():
    with pytest.raises(InputError, match="needs the weights of a graph"):
        finite(Sequential(GraphConvolution()), (3, 4), 8)


def regression(kernel, start, values, known):
    """What training to the end makes of the outputs at the start, by kernel regression."""
    solved = np.linalg.solve(kernel[np.ix_(known, known)], (values - start)[known])
    return start + kernel[:, known] @ solved


def fill_error(network, gram, z, values, known, width):
    """How far the outputs after training are from those of the limit, mean of several seeds."""
    errors = []
    for seed in range(3):
        module = finite(network, z.shape[1:], width, seed=seed)
        with torch.no_grad():
            start = module(torch.tensor(z)).numpy().ravel()
        given, where = (x.reshape(-1, 1, *z.shape[2:]) for x in (values, known))
        trained = train(module, z, given, where, steps=400).ravel()
        assert np.abs(trained - values)[known].max() < 0.05
        errors.append(np.abs(trained - regression(gram, start, values, known)).mean())
    return np.mean(errors)


def test_trained_image_approaches_the_limit():
    network, prior = Sequential(Conv(3), ReLU(), Conv(3)), Identity()
    values, known = np.sin(np.arange(SIDE) * 0.7), np.arange(SIDE) % 3 != 1
    gram, z = network.ntk((SIDE,), prior), draw(prior, (SIDE,))[None]
    narrow, wide = (fill_error(network, gram, z, values, known, w) for w in (16, 1024))
    assert wide < narrow / 3
    assert wide < 0.05


def test_trained_table_approaches_the_limit():
    network = Sequential(Dense(), ReLU(), Dense())
    rows = np.random.default_rng(0).normal(size=(10, 4))
    values, known = rows[:, 0] * rows[:, 1], np.arange(10) < 7
    narrow, wide = (
        fill_error(network, network.between(rows), rows, values, known, w) for w in (16, 1024)
    )
    assert wide < narrow / 3


def trained_items(name, width, *others):
    """How far a trained network's outputs are from those of its limit and of the limits of other
    networks, mean of several seeds: three of five objects are known."""
    objects = np.random.default_rng(1).normal(size=(5, 4, 3))
    objects /= np.linalg.norm(objects, axis=2, keepdims=True)
    graphs = [Graph(x, EDGES) for x in objects] if name == "graph" else list(objects)
    built, z = of_items(name), objects.swapaxes(1, 2)
    kernels = [network.between(graphs) for network in (built, *others)]
    values, known = np.array([1.0, -1.0, 0.5, 0.0, 0.0]), np.arange(5) < 3
    errors = []
    for seed in range(6):
        module = finite(built, (3, 4), width, seed=seed, weights=EDGES)
        with torch.no_grad():
            start = module(torch.tensor(z)).numpy()
        given, where = (x.reshape(start.shape) for x in (values, known))
        trained = train(module, z, given, where, steps=400).ravel()
        assert np.abs(trained - values)[known].max() < 0.05
        limits = [regression(kernel, start.ravel(), values, known) for kernel in kernels]
        errors.append([np.abs(trained - limit)[~known].mean() for limit in limits])
    return np.mean(errors, axis=0)


@pytest.mark.parametrize("name", ITEMS)
def test_trained_items_approach_the_limit(name):
    """And not that of another layer."""
    (narrow,) = trained_items(name, 16)
    others = [of_items(name, WRONG[name])] if name in WRONG else []
    wide, *wrong = trained_items(name, 256, *others)
    assert wide < narrow / 2  # a quarter as 1 / sqrt(width)
    assert all(other > 1.5 * wide for other in wrong)


def test_priors_are_drawn():
    wide = draw(IID(0.5, 2.0), (4,), channels=200_000)
    np.testing.assert_allclose(wide.T @ wide, 0.25 + 2 * np.eye(4), atol=0.05)
    for prior in (Identity(), MeshGrid()):
        z = draw(prior, (3, 4)).reshape(-1, 12)
        gram = Sequential().nngp((3, 4), prior).reshape(12, 12)
        np.testing.assert_allclose(z.T @ z, gram, atol=1e-12)


def test_adam_and_refusals():
    network = Sequential(Conv(3), ReLU(), Conv(3))
    z, known = draw(IID(), (SIDE,))[None], np.ones((1, 1, SIDE), bool)
    module = finite(network, z.shape[1:], 64)
    values = np.full((1, 1, SIDE), 0.25)
    filled = train(module, z, values, known, steps=200, optimizer="adam", head=torch.sigmoid)
    assert np.abs(filled - values).max() < 0.02
    with pytest.raises(InputError, match="'gradient descent' or 'adam'"):
        train(module, z, values, known, optimizer="lbfgs")
    with pytest.raises(InputError, match="end in a layer with weights"):
        finite(Sequential(Conv(3), ReLU()), (1, SIDE), 8)
