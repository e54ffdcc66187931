"""Numbers that were made once with other implementations; see golden/README.md."""

from pathlib import Path

import numpy as np
import pytest

from ntkfill import Observed, complete
from ntkfill.nn import (
    GELU,
    Attention,
    AveragePool,
    Bias,
    Branches,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Erf,
    Flatten,
    GlobalAveragePool,
    Graph,
    GraphConvolution,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sin,
    TwoSlope,
    hourglass,
)
from ntkfill.nn.covariance import Covariance, run
from ntkfill.priors import Features, Identity, MeshGrid
from ntkfill.solvers import CG, Cholesky

GOLDEN = Path(__file__).parent


def load(name):
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def convs(count, activation, size=3):
    return Sequential(*[Conv(size), activation] * count, Conv(size))


AUTHORS = {
    "down1_leaky_conv3_d4": hourglass(1),
    "down2_leaky_conv3_d8": hourglass(2),
    "down3_leaky_conv3_d16": hourglass(3),
    "down2_relu_conv3_d8": hourglass(2, activation=ReLU()),
    "down1_relu_conv5_d16": hourglass(1, size=5, activation=ReLU()),
    "flat_relu_conv3x3_d8": convs(2, ReLU()),
    "double_conv_down1_leaky_d8": hourglass(1, convs_down=2, convs_up=2),
    "prior_uniform5_flat_relu_d8": convs(1, ReLU()),
    "prior_uniform5_down1_leaky_d8": hourglass(1),
    "prior_meshgrid_down1_leaky_d8": hourglass(1),
    "prior_identity_down2_leaky_d8": hourglass(2),
}


def authors_kernel(name, net):
    """The authors' kernel in our units, and the features it was made with, if any."""
    golden = load(name)
    return golden["kernel"] / net.layers[-1].size ** 2, golden.get("prior")


def test_every_file_is_compared():
    others = {
        "complete_down3_leaky_64x64",
        "nt_conv_relu_6x6",
        "nt_dense",
        "nt_layers",
        "nt_objects",
    }
    assert {path.stem for path in GOLDEN.glob("*.npz")} == AUTHORS.keys() | others


@pytest.mark.parametrize("name", AUTHORS)
def test_authors_kernel(name):
    net = AUTHORS[name]
    expected, features = authors_kernel(name, net)
    kernel = net.ntk(expected.shape[:2], None if features is None else Features(features))
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "prior"),
    [("prior_identity_down2_leaky_d8", Identity()), ("prior_meshgrid_down1_leaky_d8", MeshGrid())],
)
def test_named_prior_is_the_one_the_authors_stored(name, prior):
    net = AUTHORS[name]
    expected, _ = authors_kernel(name, net)
    np.testing.assert_allclose(net.ntk(expected.shape[:2], prior), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("down2_leaky_conv3_d8", hourglass(2, activation=ReLU())),
        ("down1_relu_conv5_d16", hourglass(1, activation=ReLU())),
        ("double_conv_down1_leaky_d8", hourglass(1)),
    ],
)
def test_authors_kernel_of_another_network_is_told_apart(name, net):
    expected, _ = authors_kernel(name, net)
    assert np.max(np.abs(net.ntk(expected.shape[:2]) / expected - 1)) > 1e-3


@pytest.mark.parametrize("kind", ["nngp", "ntk"])
@pytest.mark.parametrize(("size", "count"), [(3, 2), (3, 3), (5, 2)])
def test_neural_tangents_convolutions(size, count, kind):
    golden = load("nt_conv_relu_6x6")
    prior = Features(golden["prior"] / np.sqrt(len(golden["prior"])))  # its mean over channels
    ours = getattr(convs(count, ReLU(), size), kind)((6, 6), prior)
    expected = golden[f"conv{size}_relu_x{count}_{kind}"] * 2**count  # its ReLU is half of ours
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


DENSE = {
    "relu": ReLU(),
    "leaky0.1": LeakyReLU(0.1),
    "leaky0.01": LeakyReLU(0.01),
    "abs": TwoSlope(-1.0),
    "erf": Erf(),
    "gelu": GELU(),
    "sin": Sin(),
}


@pytest.mark.parametrize("hidden", [1, 2, 4])
@pytest.mark.parametrize("name", DENSE)
def test_neural_tangents_dense(name, hidden):
    golden, phi = load("nt_dense"), DENSE[name]
    gram = golden["features"] @ golden["features"].T / golden["features"].shape[1]
    own = np.diagonal(gram)
    net = Sequential(*[Dense(), phi] * hidden, Dense())
    state = run(net.layers, Covariance.of_pairs(gram, own[:, None], own[None, :]))
    gain = 2 / (1 + phi.slope**2) if isinstance(phi, TwoSlope) else 1.0  # theirs is not normalised
    for kind in ("nngp", "ntk"):
        expected = golden[f"{name}_hidden{hidden}_{kind}"] * gain**hidden
        np.testing.assert_allclose(getattr(state, kind), expected, rtol=1e-12, atol=1e-14)


def scaled(layer, deviation, bias):
    return (layer, Scale(deviation**2), Bias(bias**2))


# neural-tangents' ReLU halves the variance.
RELU = ReLU(), Scale(0.5)
LAYERS = {
    "gap": [Conv(), *RELU, Conv(), *RELU, GlobalAveragePool(), Dense()],
    "flatten": [Conv(), *RELU, Conv(), *RELU, Flatten(), Dense()],
    "pool": [Conv(), *RELU, AveragePool(), Conv(), *RELU, GlobalAveragePool(), Dense()],
    "dropout": [
        *(Conv(), *RELU, Dropout(0.3), Conv(), *RELU, Dropout(0.1)),
        *(GlobalAveragePool(), Dense()),
    ],
    "dropout_flat": [Conv(), *RELU, Dropout(0.3), Flatten(), Dense()],
    # It divides by all taps, we by those that act on one coordinate: a quarter of them.
    "transposed2": [
        *(Conv(), *RELU, ConvTranspose(2), Scale(0.25), *RELU, Conv(), *RELU),
        *(GlobalAveragePool(), Dense()),
    ],
    "transposed4": [
        *(Conv(), *RELU, ConvTranspose(4), Scale(0.25), *RELU, Conv(), *RELU),
        *(GlobalAveragePool(), Dense()),
    ],
    "residual": [
        *(Conv(), Residual(*RELU, Conv()), Residual(*RELU, Conv())),
        *(*RELU, GlobalAveragePool(), Dense()),
    ],
    "layernorm": [
        *(Conv(), LayerNorm(), *RELU, Conv(), LayerNorm(), *RELU),
        *(GlobalAveragePool(), Dense()),
    ],
    "bias": [
        *(*scaled(Conv(), 1.3, 0.4), *RELU, *scaled(Conv(), 0.7, 0.2), *RELU),
        *(Flatten(), Dense()),
    ],
    "dense_bias": [*scaled(Dense(), 1.3, 0.4), *RELU, *scaled(Dense(), 0.7, 0.2)],
    "dense_residual": [Dense(), Residual(*RELU, Dense()), *RELU, Dense()],
    "dense_layernorm": [Dense(), LayerNorm(), *RELU, Dense()],
    "dense_concat": [Branches((Dense(), *RELU), (Dense(), Erf())), Dense()],
}


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["nngp", "ntk"])
@pytest.mark.parametrize("name", LAYERS)
def test_neural_tangents_layers(name, kind):
    golden = load("nt_layers")
    features = golden["vectors" if name.startswith("dense") else "pictures"]
    features = features / np.sqrt(features.shape[1])  # its mean over channels
    network, expected = Sequential(*LAYERS[name]), golden[f"{name}_{kind}"]
    # Of equal features theirs loses half of the digits of acos; ours has a test of its own.
    rtol = np.where(np.eye(len(features)), 5e-9, 1e-10)
    assert np.all(abs(network.between(features, kind=kind) / expected - 1) < rtol)
    ours = network.between(features[:2], features[2:], kind=kind)
    np.testing.assert_allclose(ours, expected[:2, 2:], rtol=1e-10)


OBJECTS = {
    "attention": [Attention(), *RELU, GlobalAveragePool(), Dense()],
    "attention_sharp": [
        *(Attention(scale=3.0), *RELU, Dense(), Residual(*RELU, Attention(scale=0.5))),
        *(*RELU, GlobalAveragePool(), Dense()),
    ],
    "graph": [
        *(GraphConvolution(), *RELU, GraphConvolution(), *RELU, GlobalAveragePool(), Dense()),
    ],
}


@pytest.mark.parametrize("kind", ["nngp", "ntk"])
@pytest.mark.parametrize("name", OBJECTS)
def test_neural_tangents_objects(name, kind):
    golden = load("nt_objects")
    objects = list(golden["sequences"] / np.sqrt(golden["sequences"].shape[2]))
    if name == "graph":
        objects = [Graph(x, weights) for x, weights in zip(objects, golden["weights"], strict=True)]
    ours = Sequential(*OBJECTS[name]).between(objects, kind=kind)
    np.testing.assert_allclose(ours, golden[f"{name}_{kind}"], rtol=1e-10)


@pytest.fixture(scope="module")
def kernel64():
    return hourglass(3).kernel((64, 64))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "solver"),
    [
        ("scattered", Cholesky(ridge=1e-3)),
        ("scattered", CG(ridge=1e-3, rtol=1e-6)),
        ("scattered", Cholesky(ridge=0)),  # the hole without a ridge is singular
        ("hole", Cholesky(ridge=1e-3)),
        ("hole", CG(ridge=1e-3, rtol=1e-6)),
    ],
)
def test_authors_completion(kernel64, pattern, solver):
    golden = load("complete_down3_leaky_64x64")
    missing = golden[f"{pattern}_missing"].ravel()
    values = golden["image"].reshape(3, -1).T.astype(np.float64)
    seen = Observed(np.where(missing[:, None], np.nan, values), ~missing)
    filled = complete(seen, kernel64, solver)
    expected = golden[f"{pattern}_filled_ridge{solver.ridge:g}"].reshape(3, -1).T
    assert all(report.converged for report in filled.reports)
    np.testing.assert_allclose(filled.values[missing], expected[missing], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(filled.values[~missing], values[~missing])
