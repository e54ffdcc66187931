"""Layers and networks against dense matrices, written from the definitions, and finite networks."""

import itertools
from functools import reduce

import numpy as np
import pytest
from oracles import relative

from ntkfill.kernels.table import Axis
from ntkfill.nn import (
    GELU,
    AveragePool,
    Bias,
    Branches,
    Conv,
    ConvTranspose,
    Dense,
    Downsample,
    Dropout,
    Erf,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sin,
    TwoSlope,
    Upsample,
    hourglass,
)
from ntkfill.nn.covariance import Covariance, variances
from ntkfill.priors import IID, Features, Identity, MeshGrid

# Every network is evaluated twice: by the package, and by these lines on full matrices.


def down_matrix(side):
    return np.eye(side)[::2]


def up_matrix(side, mode):
    """(2 side, side): the values at the middles of half coordinates, around the circle."""
    if mode == "nearest":
        return np.repeat(np.eye(side), 2, axis=0)
    middles = (np.arange(2 * side) + 0.5) / 2 - 0.5
    columns = [np.interp(middles, np.arange(side), e, period=side) for e in np.eye(side)]
    return np.array(columns).T


def mean_matrix(side):
    return np.repeat(np.eye(side // 2), 2, axis=1) / 2


def tap_matrices(side, size):
    """What each tap of a transposed convolution sees, (2 side, side) each, of stride 2 around the
    circle: output 2 k + t - (size / 2 - 1) sees input k through tap t."""
    taps = np.zeros((size, 2 * side, side))
    for tap, k in itertools.product(range(size), range(side)):
        taps[tap, (2 * k + tap - size // 2 + 1) % (2 * side), k] += 1.0
    return taps / np.sqrt(size / 2)


def resampled(matrix, shape, one_axis):
    a = reduce(np.kron, [one_axis(side) for side in shape])
    return a @ matrix @ a.T


def window_mean(matrix, shape, size):
    """The mean over the window, shifting both coordinates by the same offset."""
    n, full = len(shape), matrix.reshape(shape + shape)
    offsets = list(itertools.product(range(-(size // 2), size // 2 + 1), repeat=n))
    shifted = [np.roll(full, o + o, axis=tuple(range(2 * n))) for o in offsets]
    return np.mean(shifted, axis=0).reshape(matrix.shape)


def activated(phi, sigma):
    """Dual and dual of the derivative."""
    variance = np.diag(sigma)
    if not isinstance(phi, TwoSlope):
        return phi.dual(sigma, variance[:, None], variance[None, :])
    b, scale = phi.slope, np.sqrt(np.outer(variance, variance))
    rho = np.clip(sigma / np.where(scale > 0, scale, 1.0), -1, 1)
    k0 = 1 - np.arccos(rho) / np.pi
    k1 = rho * k0 + np.sqrt(1 - rho**2) / np.pi
    norm = 1 + b**2
    dual = scale * ((1 - b) ** 2 * k1 + 2 * b * rho) / norm
    return dual, ((1 - b) ** 2 * k0 + 2 * b) / norm


def step(layer, sigma, theta, shape):
    """Sigma, Theta and the shape after one layer."""
    if isinstance(layer, Dense):
        return sigma, theta + sigma, shape
    if isinstance(layer, Conv):
        sigma, theta = (window_mean(m, shape, layer.size) for m in (sigma, theta))
        return sigma, theta + sigma, shape
    if isinstance(layer, Downsample):
        sigma, theta = (resampled(m, shape, down_matrix) for m in (sigma, theta))
        return sigma, theta, tuple(side // 2 for side in shape)
    if isinstance(layer, AveragePool):
        sigma, theta = (resampled(m, shape, mean_matrix) for m in (sigma, theta))
        return sigma, theta, tuple(side // 2 for side in shape)
    if isinstance(layer, Upsample):
        one_axis = lambda side: up_matrix(side, layer.mode)  # noqa: E731
        sigma, theta = (resampled(m, shape, one_axis) for m in (sigma, theta))
        return sigma, theta, tuple(2 * side for side in shape)
    if isinstance(layer, ConvTranspose):
        taps = itertools.product(*(tap_matrices(side, layer.size) for side in shape))
        maps = [reduce(np.kron, of_axes) for of_axes in taps]
        sigma, theta = (sum(a @ m @ a.T for a in maps) for m in (sigma, theta))
        return sigma, theta + sigma, tuple(2 * side for side in shape)
    if isinstance(layer, Bias):
        return sigma + layer.variance, theta + layer.variance, shape
    if isinstance(layer, Scale):
        return sigma * layer.variance, theta * layer.variance, shape
    if isinstance(layer, Dropout):
        gain = 1 + np.eye(len(sigma)) * (1 / (1 - layer.rate) - 1)
        return sigma * gain, theta * gain, shape
    if isinstance(layer, LayerNorm):
        own = np.sqrt(np.diag(sigma))
        return sigma / np.outer(own, own), theta / np.outer(own, own), shape
    if isinstance(layer, Branches):
        each = [through(branch, sigma, theta, shape) for branch in layer.branches]
        sigma, theta = (
            sum(share * part[k] for share, part in zip(layer.shares, each, strict=True))
            for k in (0, 1)
        )
        return sigma, theta, each[0][2]
    sigma, derivative = activated(layer, sigma)
    return sigma, theta * derivative, shape


def through(layers, sigma, theta, shape):
    for layer in layers:
        sigma, theta, shape = step(layer, sigma, theta, shape)
    return sigma, theta, shape


def by_matrices(net, sigma, shape, step=step):
    theta = np.zeros_like(sigma)
    for layer in net.layers:
        sigma, theta, shape = step(layer, sigma, theta, shape)
    return {"nngp": sigma, "ntk": theta}


def prior_matrix(prior, shape):
    size = np.prod(shape)
    if isinstance(prior, Features):
        return np.einsum("ci,cj->ij", *[prior.values.reshape(-1, size)] * 2)
    if isinstance(prior, MeshGrid):
        ramps = [i.ravel() / (s - 1) for i, s in zip(np.indices(shape), shape, strict=True)]
        return sum(np.outer(ramp, ramp) for ramp in ramps)
    mean, variance = (0.0, 1.0) if isinstance(prior, Identity) else (prior.mean, prior.variance)
    return mean**2 + variance * np.eye(size)


def features(shape, channels=2, seed=0):
    return Features(np.random.default_rng(seed).normal(size=(channels, *shape)))


def as_state(sigma, theta, shape):
    """Two matrices as tables whose period is the whole grid; nothing may write to them."""
    axes = tuple(Axis(period=side, side=side) for side in shape)
    tables = []
    for matrix in (sigma, theta):
        full, n = matrix.reshape(shape + shape), len(shape)
        index = np.indices(shape + shape)
        places = [(index[k] + index[n + k]) % shape[k] for k in range(n)]
        tables.append(full[(*index[:n], *places)])
    arrays = (*tables, *variances(tables[0], axes))
    for array in arrays:
        array.flags.writeable = False
    return Covariance(*arrays, axes)


def as_matrix(table, shape):
    """The inverse of what `as_state` does to one matrix."""
    n, index = len(shape), np.indices(shape + shape)
    places = [(index[n + k] - index[k]) % shape[k] for k in range(n)]
    return table[(*index[:n], *places)].reshape(np.prod(shape), -1)


def covariance(shape, seed):
    """Some positive definite matrix over the grid."""
    size = np.prod(shape)
    root = np.random.default_rng(seed).normal(size=(size, size + 3))
    return root @ root.T / size


LAYERS = [
    Dense(),
    Conv(1),
    Conv(3),
    Conv(5),
    Bias(0.3),
    Scale(2.0),
    Dropout(0.2),
    LayerNorm(),
    Downsample(),
    AveragePool(),
    Upsample("nearest"),
    Upsample("bilinear"),
    ConvTranspose(2),
    ConvTranspose(4),
    ConvTranspose(6),
    Residual(ReLU(), Conv(3)),
    Branches((ReLU(), Conv(3)), (Dense(),), shares=(0.25, 0.75)),
    Branches((Downsample(), ReLU(), Conv(3), Upsample()), ()),
    ReLU(),
    LeakyReLU(0.2),
    Erf(),
    GELU(),
    Sin(),
]


@pytest.mark.parametrize("shape", [(2,), (6,), (4, 6), (2, 4, 2)], ids=str)
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_one_layer(layer, shape):
    """Any two covariances in; both covariances and both variances out."""
    sigma, theta = covariance(shape, 1), covariance(shape, 2)
    after = layer(as_state(sigma, theta, shape))
    sigma, theta, fine = step(layer, sigma, theta, shape)
    np.testing.assert_allclose(as_matrix(after.nngp, fine), sigma, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(as_matrix(after.ntk, fine), theta, rtol=1e-12, atol=1e-13)
    for side, own in zip((after.left, after.right), variances(after.nngp, after.axes), strict=True):
        np.testing.assert_allclose(*np.broadcast_arrays(side, own), rtol=1e-13)


def net(*layers):
    return Sequential(*layers)


PHI = LeakyReLU(0.1)
NETWORKS = {
    "linear": net(Conv(3), Conv(5), Dense()),
    "one convolution": net(Conv(3)),
    "no layer": net(),
    "ends in an activation": net(Conv(3), PHI),
    "flat": net(Conv(3), PHI, Conv(1), ReLU(), Conv(5)),
    "smooth": net(Conv(3), Erf(), Conv(3), GELU(), Conv(3), Sin(), Conv(3)),
    "pointwise": net(Dense(), PHI, Dense(), ReLU(), Dense()),
    "hourglass(1)": hourglass(1),
    "hourglass(2)": hourglass(2, activation=PHI),
    "double": hourglass(1, convs_down=2, convs_up=2, activation=PHI),
    "wide filters": hourglass(1, size=5, activation=ReLU()),
    "bilinear(1)": hourglass(1, upsample="bilinear"),
    "bilinear(2)": hourglass(2, upsample="bilinear", activation=PHI),
    "bilinear double": hourglass(1, 2, 2, upsample="bilinear", activation=ReLU()),
    "mixed": net(
        *(Conv(3), PHI, Downsample(), Conv(3), PHI, Downsample(), Conv(3), PHI),
        *(Upsample("bilinear"), Conv(3), PHI, Upsample("nearest"), Conv(3)),
    ),
    "linear hourglass": net(Conv(3), Downsample(), Conv(3), Upsample("bilinear"), Conv(3)),
    "linear end": net(Conv(3), Downsample(), PHI, Conv(3), Upsample("bilinear"), Conv(3), Dense()),
    "activation at the bottom": net(Downsample(), Downsample(), PHI, Upsample(), Upsample()),
    "upsampled last": net(Conv(3), Downsample(), PHI, Upsample("bilinear")),
    "activation last": net(Conv(3), Downsample(), Upsample("bilinear"), Conv(3), PHI),
    "w": net(*hourglass(1, activation=PHI).layers, PHI, *hourglass(1).layers),
    "up first": net(Upsample(), Conv(3), PHI, Downsample(), Conv(3)),
    "up first, bilinear": net(Upsample("bilinear"), Conv(3), PHI, Conv(3), Downsample()),
    "not mirrored": net(
        *(Downsample(), Conv(3), PHI, Upsample(), Conv(3), PHI),
        *(Upsample("bilinear"), Conv(3), PHI, Downsample(), Conv(3)),
    ),
    "pooled": net(
        *(Conv(3), PHI, AveragePool(), Conv(3), PHI, AveragePool(), Conv(3), PHI),
        *(Upsample("bilinear"), Conv(3), PHI, Upsample(), AveragePool(), Upsample(), Conv(3)),
    ),
    "transposed": net(
        *(Conv(3), PHI, Downsample(), Conv(3), PHI, Downsample(), Conv(3), PHI),
        *(ConvTranspose(4), PHI, Conv(3), PHI, ConvTranspose(2), PHI, Conv(3)),
    ),
    "transposed at the end": net(Conv(3), PHI, AveragePool(), Conv(3), PHI, ConvTranspose(4)),
    "weights and biases": net(
        *(Conv(3), Scale(1.5), Bias(0.1), ReLU(), Downsample(), Conv(3), Scale(1.5), Bias(0.1)),
        *(ReLU(), Upsample(), Conv(3), Bias(0.2)),
    ),
    "normalised": net(
        *(Conv(3), LayerNorm(), PHI, Downsample(), Conv(3), LayerNorm(), PHI),
        *(Upsample("bilinear"), Conv(3), LayerNorm(), PHI, Conv(3)),
    ),
    "dropout": net(
        Conv(3), PHI, Dropout(0.3), Downsample(), Conv(3), Upsample(), PHI, Dropout(0.1)
    ),
    "residual": net(Conv(3), *[Residual(PHI, Conv(3))] * 3, PHI, Dense()),
    "residual hourglass": net(
        *(Conv(3), Residual(PHI, Downsample(), Conv(3), PHI, Upsample("bilinear"), Conv(3))),
        *(PHI, Conv(3)),
    ),
    "skips": hourglass(2, activation=PHI, skips=0.1),
    "bilinear skips": hourglass(2, 1, 2, upsample="bilinear", activation=PHI, skips=0.3),
    "skips across periods": net(
        Downsample(),
        Branches((Conv(3), PHI, Upsample()), (Upsample(), Conv(3), PHI, Upsample(), Downsample())),
        *(Conv(3), PHI, Conv(3)),
    ),
    "linear branches": net(Conv(3), PHI, Branches((Downsample(), Upsample()), ()), Conv(3)),
    "up and linear down": net(Conv(3), PHI, Upsample("bilinear"), Conv(3), Downsample(), Conv(3)),
}
PRIORS = {
    "iid": lambda shape: IID(),
    "centred": lambda shape: IID(0.0, 2.0),
    "identity": lambda shape: Identity(),
    "mesh": lambda shape: MeshGrid(),
    "features": features,
}
CASES = [
    *itertools.product([(8,), (4, 8)], PRIORS),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in [
            *itertools.product([(4,), (32,), (8, 8)], PRIORS),
            *itertools.product([(4, 4, 4)], ["iid", "features"]),
        ]
    ),
]


def error(expected, network, shape, prior, kind="ntk"):
    """The relative error of the package's kernel."""
    return relative(getattr(network, kind)(shape, prior).reshape(expected.shape), expected)


@pytest.mark.sampled
@pytest.mark.parametrize(("shape", "prior"), CASES, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_network(name, shape, prior):
    network, made = NETWORKS[name], PRIORS[prior](shape)
    expected = by_matrices(network, prior_matrix(made, shape), shape)
    # Mesh grid features are parallel on a line, where acos loses half of the digits.
    tolerance = 3e-8 if prior == "mesh" else 1e-12
    for kind in ("nngp", "ntk"):
        assert error(expected[kind], network, shape, made, kind) < tolerance


def sums(layer, sigma, theta, shape):
    """Mutant: convolutions take sums."""
    factor = layer.size ** len(shape) if isinstance(layer, Conv) else 1
    sigma, theta, shape = step(layer, sigma, theta, shape)
    return sigma * factor, theta * factor, shape


def zero_padded(layer, sigma, theta, shape):
    """Mutant: nothing beyond the border, instead of the other side."""
    if not isinstance(layer, Conv):
        return step(layer, sigma, theta, shape)
    half = layer.size // 2
    larger = tuple(side + 2 * half for side in shape)
    inner = np.ravel_multi_index(np.indices(shape) + half, larger).ravel()
    padded = []
    for matrix in (sigma, theta):
        full = np.zeros((np.prod(larger),) * 2)
        full[np.ix_(inner, inner)] = matrix
        padded.append(window_mean(full, larger, layer.size)[np.ix_(inner, inner)])
    return padded[0], padded[1] + padded[0], shape


def odd_kept(layer, sigma, theta, shape):
    """Mutant: the odd coordinates are kept, not the even ones."""
    if not isinstance(layer, Downsample):
        return step(layer, sigma, theta, shape)
    sigma, theta = (resampled(m, shape, lambda side: np.eye(side)[1::2]) for m in (sigma, theta))
    return sigma, theta, tuple(side // 2 for side in shape)


def swapped(layer, sigma, theta, shape):
    """Mutant: k0 and k1 exchanged."""
    if not isinstance(layer, TwoSlope):
        return step(layer, sigma, theta, shape)
    k1, k0 = activated(layer, sigma)
    return k0, theta * k1, shape


def corners_aligned(layer, sigma, theta, shape):
    """Mutant: the bilinear upsampling that keeps the ends in place."""
    if not isinstance(layer, Upsample):
        return step(layer, sigma, theta, shape)

    def one_axis(side):
        at = np.linspace(0, side - 1, 2 * side)
        return np.array([np.interp(at, np.arange(side), e) for e in np.eye(side)]).T

    sigma, theta = (resampled(m, shape, one_axis) for m in (sigma, theta))
    return sigma, theta, tuple(2 * side for side in shape)


@pytest.mark.parametrize("mutant", [sums, zero_padded, odd_kept, swapped, corners_aligned])
def test_wrong_networks_are_told_apart(mutant):
    network, shape = NETWORKS["bilinear(1)"], (4, 8)
    prior = features(shape)
    expected = by_matrices(network, prior_matrix(prior, shape), shape, mutant)["ntk"]
    assert error(expected, network, shape, prior) > 1e-2


# The same algebra from networks and fields that are drawn at random.


def draws_through(layer, f, g, rng):
    """One layer of width one on Gaussian fields f and gradient features g: (draws, side)."""
    if isinstance(layer, Dense):
        w = rng.normal(size=(len(f), 1))
        return w * f, [w * g, f]
    if isinstance(layer, Conv):
        w = rng.normal(size=(layer.size, len(f), 1))
        taps = range(-(layer.size // 2), layer.size // 2 + 1)
        moved = [[np.roll(h, -k, axis=1) / np.sqrt(layer.size) for k in taps] for h in (f, g)]
        values, gradients = (np.einsum("kdi,kdx->dx", w, h) for h in moved)
        return values, [gradients, *moved[0]]
    if isinstance(layer, Downsample):
        return f[:, ::2], [g[:, ::2]]
    if isinstance(layer, Upsample):
        a = up_matrix(f.shape[1], layer.mode).T
        return f @ a, [g @ a]
    if isinstance(layer, AveragePool):
        a = mean_matrix(f.shape[1]).T
        return f @ a, [g @ a]
    if isinstance(layer, ConvTranspose):
        w = rng.normal(size=(layer.size, len(f), 1))
        seen = [[h @ a.T for a in tap_matrices(f.shape[1], layer.size)] for h in (f, g)]
        values, gradients = (np.einsum("kdi,kdx->dx", w, h) for h in seen)
        return values, [gradients, *seen[0]]
    if isinstance(layer, Bias):
        b = np.sqrt(layer.variance)
        return f + b * rng.normal(size=(len(f), 1)), [g, np.full_like(f, b)]
    if isinstance(layer, Scale):
        return f * np.sqrt(layer.variance), [g * np.sqrt(layer.variance)]
    if isinstance(layer, Dropout):
        kept = (rng.random(f.shape) >= layer.rate) / (1 - layer.rate)
        return f * kept, [g * kept]
    if isinstance(layer, LayerNorm):  # the draws are the channels
        norm = np.sqrt(np.mean(f**2, axis=0))
        return f / norm, [g / norm]
    if isinstance(layer, Branches) and layer.join == "add":  # x + f(x)
        values, gradients = draws_of(layer.branches[1], f, g, rng)
        return f + values, [g + gradients[0], *gradients[1:]]
    if isinstance(layer, Branches):
        each = [draws_of(branch, f, g, rng) for branch in layer.branches]
        chosen = rng.choice(len(each), size=(len(f), 1), p=layer.shares)
        every = itertools.zip_longest(*(gradients for _, gradients in each), fillvalue=0.0 * f)
        return np.choose(chosen, [v for v, _ in each]), [np.choose(chosen, x) for x in every]
    gain = np.sqrt(2 / (1 + layer.slope**2))
    slope = gain * np.where(f > 0, 1.0, layer.slope)
    return f * slope, [g * slope]


def draws_of(layers, f, g, rng):
    """A sequence of layers: the gradients, and those with respect to its own weights."""
    own = []
    for layer in layers:
        before = [draws_through(layer, f, h, np.random.default_rng(7)) for h in (g, *own)]
        f, fields = before[0][0], before[0][1]
        g, own = fields[0], [after[1][0] for after in before[1:]] + fields[1:]
    return f, [g, *own]


SAMPLED = [x for x in LAYERS if not isinstance(x, Erf | GELU | Sin)]


@pytest.mark.slow
@pytest.mark.parametrize("layer", SAMPLED, ids=repr)
def test_one_layer_by_sampling(layer):
    rng, side, count = np.random.default_rng(4), 6, 40_000
    sigma, theta = covariance((side,), 1), covariance((side,), 2)
    f, g = (rng.multivariate_normal(np.zeros(side), m, count) for m in (sigma, theta))
    values, gradients = draws_through(layer, f, g, rng)
    after = layer(as_state(sigma, theta, (side,)))
    for table, fields in ((after.nngp, [values]), (after.ntk, gradients)):
        products = sum(h[:, :, None] * h[:, None, :] for h in fields)
        deviation = products.mean(0) - as_matrix(table, values.shape[1:])
        assert np.max(np.abs(deviation) / products.std(0)) * np.sqrt(count) < 4.5


def finite_ntk(network, h, width, rng):
    """The gradients' inner products of one network of finite width on a circle, from features h
    of shape (channels, side), by back-propagation."""
    tape = []
    for k, layer in enumerate(network.layers):
        if isinstance(layer, Conv):
            out = 1 if k == len(network.layers) - 1 else width
            w = rng.normal(size=(layer.size, out, len(h))) / np.sqrt(len(h) * layer.size)
            saved = w, window_mean(h.T @ h, h.shape[1:], layer.size) / len(h)
            taps = enumerate(w, start=-(layer.size // 2))
            h = sum(v @ np.roll(h, -k, axis=1) for k, v in taps)
        elif isinstance(layer, TwoSlope):
            saved = np.where(h > 0, 1.0, layer.slope) * np.sqrt(2 / (1 + layer.slope**2))
            h = h * saved
        else:
            down = isinstance(layer, Downsample)
            saved = down_matrix(h.shape[1]) if down else up_matrix(h.shape[1], layer.mode)
            h = h @ saved.T
        tape.append((layer, saved))
    gradient, theta = np.eye(h.shape[1])[:, None, :], 0.0  # (output, channel, place)
    for layer, saved in reversed(tape):
        if isinstance(layer, Conv):
            w, gram = saved
            theta += np.einsum("icx,jcy,xy->ij", gradient, gradient, gram, optimize=True)
            back = [
                np.roll(w[k].T @ gradient, k - layer.size // 2, axis=2) for k in range(layer.size)
            ]
            gradient = sum(back)
        else:
            gradient = gradient * saved if isinstance(layer, TwoSlope) else gradient @ saved
    return theta


def three_arrays(network, sigma, shape):
    """Known to be wrong: Theta and the dual of the derivative are resampled one by one."""
    theta, derivative = np.zeros_like(sigma), np.ones_like(sigma)
    for layer in network.layers:
        if isinstance(layer, Conv):
            sigma, theta, _ = step(layer, sigma, theta * derivative, shape)
            derivative = np.ones_like(sigma)
        elif isinstance(layer, TwoSlope):
            sigma, derivative = activated(layer, sigma)
        else:
            _, derivative, _ = step(layer, sigma, derivative, shape)
            sigma, theta, shape = step(layer, sigma, theta, shape)
    return theta


@pytest.mark.slow
def test_bilinear_network_of_finite_width():
    network, side = hourglass(1, upsample="bilinear", activation=ReLU()), 8
    rng, h = np.random.default_rng(0), np.eye(side) * np.sqrt(side)
    drawn = np.array([finite_ntk(network, h, 256, rng) for _ in range(100)])
    deviation = drawn.std(0, ddof=1) / np.sqrt(len(drawn))
    assert np.max(np.abs(drawn.mean(0) - network.ntk((side,), Identity())) / deviation) < 4.0
    wrong = three_arrays(network, np.eye(side), (side,))
    assert np.max(np.abs(drawn.mean(0) - wrong) / deviation) > 6.0
    assert error(wrong, network, (side,), Identity()) > 0.02


def test_three_arrays_are_right_where_nothing_is_averaged():
    shape, prior = (8,), features((8,))
    wrong = three_arrays(NETWORKS["hourglass(2)"], prior_matrix(prior, shape), shape)
    assert error(wrong, NETWORKS["hourglass(2)"], shape, prior) < 1e-12
