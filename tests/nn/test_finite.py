"""Networks of finite width approach their kernels: layer by layer, and trained."""

from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
prune = pytest.importorskip("torch.nn.utils.prune")
torch.set_num_threads(1)  # threads that wait for each other take minutes beside another process

from ntkfill import InputError  # noqa: E402
from ntkfill.nn import (  # noqa: E402
    GELU,
    Attention,
    AveragePool,
    BatchNorm,
    Bias,
    Branches,
    Conv,
    ConvTranspose,
    Dense,
    Downsample,
    Dropout,
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
from ntkfill.nn.structure import LAYERS  # noqa: E402
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
    "transposed": Sequential(Dense(), PHI, Downsample(), ConvTranspose(4), PHI, Dense()),
    "bias": Sequential(Conv(3), Scale(1.5), Bias(0.3), Sin(), Conv(3), Bias(0.2)),
    "layer norm": Sequential(Conv(3), LayerNorm(), GELU(), Conv(3)),
    "pointwise": Sequential(Dense(), ReLU(), Dense(), PHI, Dense()),
    "dropout": Sequential(Conv(3), PHI, Dropout(0.4), Conv(3), PHI, Dropout(0.2), Conv(1)),
}
WRONG = {
    "conv": Sequential(Conv(3), ReLU(), Conv(1)),
    "nearest": hourglass(1, upsample="bilinear", activation=PHI),
    "bilinear": hourglass(1, activation=PHI),
    "skips": hourglass(1, activation=PHI),
    "residual": Sequential(Conv(3), ReLU(), Conv(3), ReLU(), Conv(3)),
    "concatenated": Sequential(Branches((Conv(3), Erf()), (Conv(1),), join="add"), Conv(3)),
    "pool": Sequential(Conv(3), PHI, Downsample(), Conv(3), PHI, Upsample(), Conv(3)),
    "transposed": Sequential(Dense(), PHI, Downsample(), ConvTranspose(2), PHI, Dense()),
    "bias": Sequential(Conv(3), Scale(1.5), Bias(0.3), Sin(), Conv(3)),
    "layer norm": Sequential(Conv(3), GELU(), Conv(3)),
    "pointwise": Sequential(Dense(), ReLU(), Dense(), Dense()),
    "dropout": Sequential(Conv(3), PHI, Conv(3), PHI, Dropout(0.2), Conv(1)),
}


PRIOR = Features(np.random.default_rng(0).normal(size=(3, SIDE)))


@cache
def empirical(name, width):
    """The tangent kernels of four networks of this width."""
    torch.manual_seed(0)  # of dropout
    z = draw(PRIOR, (SIDE,))[None]
    modules = [finite(NETWORKS[name], z.shape[1:], width, seed=seed) for seed in range(4)]
    return np.array([tangent_kernel(module, z) for module in modules])


def deviations(found, expected):
    """The error of the mean kernel, and the typical error of one."""
    size = np.linalg.norm(expected)
    single = np.mean([np.linalg.norm(kernel - expected) for kernel in found]) / size
    return np.linalg.norm(np.mean(found, axis=0) - expected) / size, single


@pytest.mark.parametrize("name", NETWORKS)
def test_tangent_kernel_approaches_the_limit(name):
    expected = NETWORKS[name].ntk((SIDE,), PRIOR)
    _, narrow = deviations(empirical(name, 32), expected)
    mean, wide = deviations(empirical(name, 512), expected)
    assert wide < 0.15
    assert mean < 0.1
    assert wide < 0.55 * narrow  # 1 / 4 as 1 / sqrt(width)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_wrong_layer_is_caught(name):
    found = empirical(name, 512)
    right, wrong = (deviations(found, n[name].ntk((SIDE,), PRIOR))[0] for n in (NETWORKS, WRONG))
    assert wrong > max(0.05, 2 * right)


def test_pruning_scales_the_kernel():
    """A quarter of the weights of variance 1 are all of variance 0.25 (arXiv:2203.14328)."""
    torch.manual_seed(100)  # not a seed of the weights, by whose numbers the masks would be drawn
    z = draw(PRIOR, (SIDE,))[None]
    found = []
    for seed in range(4):
        module = finite(Sequential(Conv(3), PHI, Conv(3)), z.shape[1:], 1024, seed=seed)
        for step in module.steps:
            if hasattr(step, "weight"):
                prune.random_unstructured(step, "weight", amount=0.75)
        found.append(tangent_kernel(module, z))
    pruned = Sequential(Conv(3), Scale(0.25), PHI, Conv(3), Scale(0.25))
    assert deviations(found, pruned.ntk((SIDE,), PRIOR))[0] < 0.1
    once = Sequential(Conv(3), Scale(0.25), PHI, Conv(3))
    assert deviations(found, once.ntk((SIDE,), PRIOR))[0] > 0.5


ENDS = {"pooled": (GlobalAveragePool(), Flatten()), "flattened": (Flatten(), GlobalAveragePool())}


@pytest.mark.parametrize(("right", "wrong"), ENDS.values(), ids=ENDS)
def test_pictures(right, wrong):
    network, other = (Sequential(Conv(3), ReLU(), end, Dense()) for end in (right, wrong))
    pictures = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    modules = [finite(network, (2, 4, 4), 512, seed=seed) for seed in range(4)]
    found = [tangent_kernel(module, pictures) for module in modules]
    assert deviations(found, network.between(pictures))[0] < 0.1
    assert deviations(found, other.between(pictures))[0] > 0.2


def test_batch_normalisation_approaches_its_limit():
    """On a large circle, from features whose inner products are exactly those of the prior."""

    def network(norm):
        return Sequential(Conv(3), norm, PHI, Conv(3))

    prior, side = IID(), 64
    z = np.linalg.cholesky(prior.mean**2 + prior.variance * np.eye(side)).T[None]
    built = network(BatchNorm())
    found = {
        width: [tangent_kernel(finite(built, z.shape[1:], width, seed=s), z) for s in range(4)]
        for width in (32, 512)
    }
    expected = built.ntk((side,), prior)
    _, narrow = deviations(found[32], expected)
    mean, wide = deviations(found[512], expected)
    assert mean < 0.1
    assert wide < 0.55 * narrow
    assert deviations(found[512], network(LayerNorm()).ntk((side,), prior))[0] > 3 * mean


ITEMS = {
    "softmax": [Attention(scale=1.5), ReLU(), Dense()],
    "linear": [Attention("linear"), ReLU(), Dense()],
    "linear after weights": [Dense(), ReLU(), Attention("linear"), ReLU(), Dense()],
    "blocks": [Dense(), Residual(ReLU(), Attention()), Residual(ReLU(), Dense())],
    "graph": [GraphConvolution(), ReLU(), GraphConvolution()],
    "recurrent": [Recurrent(PHI, recurrent=0.7, inputs=1.3), PHI, Dense()],
}
OBJECTS = np.random.default_rng(0).normal(size=(2, 4, 3)) / 1.5
EDGES = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1) + 2 * np.eye(4)[::-1]


OTHER_ITEMS = {
    "softmax": [Attention("linear"), ReLU(), Dense()],
    "linear": [Attention(), ReLU(), Dense()],
    "linear after weights": [Dense(), ReLU(), Attention(), ReLU(), Dense()],
    "blocks": [Dense(), Residual(ReLU(), Dense()), Residual(ReLU(), Dense())],
    "graph": [Dense(), ReLU(), GraphConvolution()],
    "recurrent": [Recurrent(PHI, recurrent=0.3), PHI, Dense()],
}


def of_items(name, layers=ITEMS):
    """The network of a name."""
    end = [] if name == "recurrent" else [GlobalAveragePool(), Dense()]
    return Sequential(*layers[name], *end)


@cache
def empirical_of_items(name, width):
    """The tangent kernels between two objects, of eight networks of this width."""
    z = OBJECTS.swapaxes(1, 2)
    modules = [finite(of_items(name), (3, 4), width, seed=seed, weights=EDGES) for seed in range(8)]
    return np.array([tangent_kernel(module, z) for module in modules])


def limit(name, layers=ITEMS):
    graphs = [Graph(x, EDGES) for x in OBJECTS] if name == "graph" else list(OBJECTS)
    return of_items(name, layers).between(graphs)


@pytest.mark.parametrize("name", ITEMS)
def test_networks_of_items_approach_the_limit(name):
    _, narrow = deviations(empirical_of_items(name, 16), limit(name))
    mean, wide = deviations(empirical_of_items(name, 256), limit(name))
    assert mean < 0.1
    assert wide < 0.7 * narrow


@pytest.mark.parametrize("name", ITEMS)
def test_wrong_layers_of_items_are_caught(name):
    found = empirical_of_items(name, 256)
    right, wrong = (deviations(found, limit(name, layers))[0] for layers in (ITEMS, OTHER_ITEMS))
    assert wrong > max(0.1, 2 * right)


def types(layers):
    """The types of all layers, in branches too."""
    found = set(map(type, layers))
    return found.union(
        *(types(branch) for x in layers if isinstance(x, Branches) for branch in x.branches)
    )


def test_every_layer_is_compared():
    """By its tangent kernel; batch normalisation, pooling and flattening in tests of their own."""
    compared = {BatchNorm, GlobalAveragePool, Flatten}
    for layers in [network.layers for network in NETWORKS.values()] + list(ITEMS.values()):
        compared |= types(layers)
    assert set(LAYERS) == compared


def test_a_graph_is_needed():
    with pytest.raises(InputError, match="needs the weights of a graph"):
        finite(Sequential(GraphConvolution()), (3, 4), 8)


def regression(kernel, start, values, known):
    """What training to the end makes of the outputs at the start, by kernel regression."""
    solved = np.linalg.solve(kernel[np.ix_(known, known)], (values - start)[known])
    return start + kernel[:, known] @ solved


def fill_error(network, z, values, known, width, *grams):
    """How far the outputs after training are from those of limits, mean of several seeds."""
    errors = []
    for seed in range(3):
        module = finite(network, z.shape[1:], width, seed=seed)
        with torch.no_grad():
            start = module(torch.tensor(z)).numpy()
        given, where = (x.reshape(start.shape) for x in (values, known))
        trained = train(module, z, given, where, steps=400).ravel()
        assert np.abs(trained - values)[known].max() < 0.05
        limits = [regression(gram, start.ravel(), values, known) for gram in grams]
        errors.append([np.abs(trained - limit).mean() for limit in limits])
    return np.mean(errors, axis=0)


def test_trained_image_approaches_the_limit():
    network, prior = Sequential(Conv(3), ReLU(), Conv(3)), Identity()
    values, known = np.sin(np.arange(SIDE) * 0.7), np.arange(SIDE) % 3 != 1
    gram, z = network.ntk((SIDE,), prior), draw(prior, (SIDE,))[None]
    narrow, wide = (fill_error(network, z, values, known, w, gram) for w in (16, 1024))
    assert wide < narrow / 3
    assert wide < 0.05


def test_trained_table_approaches_the_limit():
    network = Sequential(Dense(), ReLU(), Dense())
    rows = np.random.default_rng(0).normal(size=(10, 4))
    values, known = rows[:, 0] * rows[:, 1], np.arange(10) < 7
    gram = network.between(rows)
    narrow, wide = (fill_error(network, rows, values, known, w, gram) for w in (16, 1024))
    assert wide < narrow / 3


# Of a trained network with dropout there is no such limit: its masks differ from step to step.
TRAINED = [name for name in NETWORKS if name != "dropout"]
# Whose other limit fills about the same; their kernels are told apart.
ALIKE = {"residual", "concatenated", "pool", "pointwise"}


@pytest.mark.parametrize("name", TRAINED)
def test_trained_fill_of_every_layer_approaches_the_limit(name):
    """And not that of another layer."""
    prior = Identity() if name == "pointwise" else PRIOR
    values, known = np.sin(np.arange(SIDE) * 0.7), np.arange(SIDE) % 3 != 1
    grams = [networks[name].ntk((SIDE,), prior) for networks in (NETWORKS, WRONG)]
    z = draw(prior, (SIDE,))[None]
    narrow, _ = fill_error(NETWORKS[name], z, values, known, 16, *grams)
    wide, wrong = fill_error(NETWORKS[name], z, values, known, 256, *grams)
    assert wide < 0.5 * narrow  # 1 / 4 as 1 / sqrt(width)
    if name not in ALIKE:
        assert wrong > 1.5 * wide


@pytest.mark.parametrize(("right", "wrong"), ENDS.values(), ids=ENDS)
def test_trained_pictures_approach_the_limit(right, wrong):
    network, other = (Sequential(Conv(3), ReLU(), end, Dense()) for end in (right, wrong))
    pictures = np.random.default_rng(0).normal(size=(6, 2, 4, 4))
    values, known = np.array([1.0, -1.0, 0.5, -0.5, 0.0, 0.0]), np.arange(6) < 4
    grams = [each.between(pictures) for each in (network, other)]
    narrow, _ = fill_error(network, pictures, values, known, 16, *grams)
    near, far = fill_error(network, pictures, values, known, 256, *grams)
    assert near < 0.5 * narrow
    assert far > 3 * near


def test_trained_batch_normalisation_approaches_the_limit():
    network, prior, side = Sequential(Conv(3), BatchNorm(), PHI, Conv(3)), IID(), 64
    z = np.linalg.cholesky(prior.mean**2 + prior.variance * np.eye(side)).T[None]
    values, known = np.sin(np.arange(side) * 0.7), np.arange(side) % 3 != 1
    gram = network.ntk((side,), prior)
    narrow, wide = (fill_error(network, z, values, known, w, gram) for w in (16, 256))
    assert wide < 0.5 * narrow


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
    wide, wrong = trained_items(name, 256, of_items(name, OTHER_ITEMS))
    assert wide < narrow / 2  # a quarter as 1 / sqrt(width)
    if name != "blocks":  # whose other limit is nearer than this width: its kernel is told apart
        assert wrong > 1.5 * wide


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
