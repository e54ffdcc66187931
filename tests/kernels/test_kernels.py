"""Every kernel answers like its matrix."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from ntkfill import InputError
from ntkfill.kernels import (
    Blocks,
    Coregionalised,
    DenseKernel,
    Kronecker,
    Periodic,
    Stationary,
    periodic,
)
from ntkfill.kernels.table import Axis
from ntkfill.nn import Conv, Downsample, LeakyReLU, Sequential, Upsample, hourglass
from ntkfill.priors import Features

# Sides that repeat after four, of which only neighbours are near; mirror symmetric.
HAND_MADE = np.array([[2.0, 0.5, 0.1], [3.0, 0.7, 0.1], [3.0, 0.5, 0.1], [2.0, 0.2, 0.1]])
NEAREST = hourglass(1, activation=LeakyReLU(0.1))
BILINEAR = hourglass(1, upsample="bilinear")
W = Sequential(Upsample("bilinear"), Conv(3), LeakyReLU(), *NEAREST.layers, Downsample())


def made(net, shape, **options):
    return net.kernel(shape, dtype=np.float64, **options)


def dense(*shape):
    noise = np.random.default_rng(0).normal(size=(3, *shape))
    return made(hourglass(1), shape, prior=Features(noise))


def blocks(count, size):
    root = np.random.default_rng(0).normal(size=(count, size, size))
    return Blocks(root @ root.transpose(0, 2, 1))


def kronecker(n, m, **options):
    roots = (np.random.default_rng(k).normal(size=(k, k)) for k in (n, m))
    return Kronecker(*(DenseKernel(root @ root.T, (len(root),)) for root in roots), **options)


def coregionalised(channels, shape):
    root = np.random.default_rng(0).normal(size=(channels, channels))
    return Coregionalised(made(NEAREST, shape, shift_average=True), root @ root.T)


def hand_made(side):
    return Periodic(HAND_MADE, (Axis(4, None, 2),), (side,))


KERNELS = {
    "dense 1": lambda: dense(6),
    "dense 2": lambda: dense(4, 6),
    "dense 3": lambda: dense(2, 4, 2),
    "blocks 2": lambda: blocks(3, 5),
    "kronecker 2": lambda: kronecker(3, 5),
    "kronecker 2, with nuggets": lambda: kronecker(4, 3, nuggets=(0.3, 0.1)),
    "kronecker 2, with effects": lambda: kronecker(4, 3, nuggets=(0.0, 0.2), effects=(0.5, 0.25)),
    "periodic 1, one tile": lambda: hand_made(4),
    "periodic 1, two tiles": lambda: hand_made(8),
    "periodic 1, three tiles": lambda: hand_made(12),
    "periodic 1": lambda: made(hourglass(2), (24,)),
    "periodic 2": lambda: made(NEAREST, (4, 10)),
    "periodic 3": lambda: made(NEAREST, (4, 6, 4)),
    "periodic 1, with a tail": lambda: made(hourglass(2, upsample="bilinear"), (28,)),
    "periodic 2, with a tail": lambda: made(BILINEAR, (8, 10)),
    "periodic 1, torus": lambda: made(hourglass(2, upsample="bilinear"), (16,)),
    "periodic 2, torus": lambda: made(BILINEAR, (4, 6)),
    "periodic 3, torus": lambda: made(BILINEAR, (4, 4, 6)),
    "periodic 2, not mirrored": lambda: made(W, (4, 6)),
    "stationary 1": lambda: made(hourglass(2), (13,), shift_average=True),
    "stationary 2": lambda: made(NEAREST, (5, 8), shift_average=True),
    "stationary 3": lambda: made(NEAREST, (4, 5, 6), shift_average=True),
    "stationary 2, with a tail": lambda: made(BILINEAR, (8, 10), shift_average=True),
    "stationary 2, torus": lambda: made(BILINEAR, (4, 6), shift_average=True),
    "stationary 1, by hand": lambda: Stationary(HAND_MADE[0], (Axis(1, None, 2),), (3,)),
    "coregionalised 2": lambda: coregionalised(3, (7,)),
    "coregionalised 3": lambda: coregionalised(2, (5, 4)),
}
TILED = [name for name in KERNELS if name.startswith("periodic")]


def place(axis, side, i, j):
    """Where the pair stands along one axis, in plain words."""
    period, forward = axis.period, (j - i) % side
    if axis.side is not None:
        return i % period, forward
    backward = side - forward
    r, d = (i % period, forward) if forward <= backward else (period - 1 - i % period, backward)
    while d >= axis.radius + axis.tail_period:
        d -= axis.tail_period
    return r, d


def by_definition(kernel):
    """The matrix, one entry after the other."""
    if isinstance(kernel, DenseKernel):
        return kernel.values
    if isinstance(kernel, Kronecker):
        eyes = tuple(np.eye(n) for n in kernel.shape)
        sides = zip((kernel.left.values, kernel.right.values), kernel.nuggets, eyes, strict=True)
        product = np.kron(*(side + nugget * eye for side, nugget, eye in sides))
        product += kernel.effects[0] * np.kron(eyes[0], np.ones((kernel.shape[1],) * 2))
        return product + kernel.effects[1] * np.kron(np.ones((kernel.shape[0],) * 2), eyes[1])
    if isinstance(kernel, Coregionalised):
        return np.kron(kernel.covariance, by_definition(kernel.space))
    periodic = isinstance(kernel, Periodic)
    table = kernel.table if periodic else kernel.values[(None,) * len(kernel.shape)]
    if isinstance(kernel, Blocks):
        return scipy.linalg.block_diag(*kernel.values)
    coordinates = list(np.ndindex(*kernel.shape))
    result = np.empty((len(coordinates),) * 2)
    for (a, i), (b, j) in itertools.product(enumerate(coordinates), repeat=2):
        at = [place(*each) for each in zip(kernel.axes, kernel.shape, i, j, strict=True)]
        result[a, b] = table[(*(r for r, _ in at), *(d for _, d in at))]
    return result


@pytest.fixture(scope="module", params=KERNELS)
def pair(request):
    kernel = KERNELS[request.param]()
    return kernel, by_definition(kernel)


def close(ours, expected, digits=12):
    scale = np.max(np.abs(expected), initial=1e-30)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=10.0**-digits * scale)


class TestContract:
    def test_is_of_the_kind_that_its_name_says(self, request, pair):
        name = request.node.callspec.params["pair"]
        assert type(pair[0]).__name__.lower().removesuffix("kernel") == name.split()[0]
        assert len(pair[0].shape) == int(name.split()[1].rstrip(","))

    def test_block(self, pair):
        kernel, expected = pair
        every = np.arange(len(expected))
        np.testing.assert_array_equal(kernel.block(every, every), expected)
        rows, cols = every[::-2], np.array([1, 0, 1, 2])
        np.testing.assert_array_equal(kernel.block(rows, cols), expected[np.ix_(rows, cols)])
        assert kernel.block(rows, every[:0]).shape == (len(rows), 0)
        assert kernel.block(every[:0], cols).shape == (0, 4)

    def test_diagonal(self, pair):
        kernel, expected = pair
        diagonal = kernel.diagonal()
        assert diagonal.shape == kernel.shape
        np.testing.assert_array_equal(diagonal.ravel(), np.diagonal(expected))

    @pytest.mark.parametrize("lead", [(), (1,), (3,), (2, 2)])
    def test_matvec(self, pair, lead):
        kernel, expected = pair
        x = np.random.default_rng(1).normal(size=lead + kernel.shape)
        x.flags.writeable = False
        product = kernel.matvec(x)
        assert product.shape == x.shape
        close(product, (x.reshape(-1, len(expected)) @ expected.T).reshape(x.shape))

    def test_matvec_of_a_view(self, pair):
        kernel, expected = pair
        x = np.random.default_rng(2).normal(size=(*kernel.shape[::-1], 2)).T
        close(kernel.matvec(x), (x.reshape(2, -1) @ expected).reshape(x.shape))

    def test_matvec_in_single_precision(self, pair):
        kernel, expected = pair
        x = np.random.default_rng(3).normal(size=(2, *kernel.shape)).astype(np.float32)
        close(kernel.matvec(x), (x.reshape(2, -1) @ expected).reshape(x.shape), digits=5)

    def test_matvec_of_zero_and_of_units(self, pair):
        kernel, expected = pair
        np.testing.assert_array_equal(kernel.matvec(np.zeros(kernel.shape)), 0.0)
        units = np.eye(len(expected)).reshape(-1, *kernel.shape)
        close(kernel.matvec(units).reshape(expected.shape), expected)

    def test_symmetric(self, pair):
        kernel, expected = pair
        close(expected, expected.T, digits=14)
        assert f"shape={kernel.shape}" in repr(kernel)


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("route", ["banded", "fourier"])
def test_routes_of_the_product(name, route):
    kernel = KERNELS[name]()
    operator = getattr(periodic, route)(kernel.table, kernel.axes, kernel.shape)
    near = "tail" not in name and "torus" not in name and "mirrored" not in name
    assert (operator is not None) == (near or route == "fourier")
    if operator is not None:
        x = np.random.default_rng(4).normal(size=(2, 3, *kernel.shape))
        x.flags.writeable = False
        expected = x.reshape(6, -1) @ by_definition(kernel)
        close(operator(x), expected.reshape(x.shape))


def test_spectrum_is_of_the_matrix():
    kernel = KERNELS["stationary 2"]()
    waves = np.fft.fft2(by_definition(kernel)[0].reshape(kernel.shape)).real
    close(kernel.spectrum, waves[:, : kernel.spectrum.shape[1]])
    assert kernel.spectrum.min() >= 0


def test_a_restricted_product_is_the_kernel_of_what_is_left():
    kernel = KERNELS["kronecker 2, with effects"]()
    rows, columns = np.array([1, 0, 1, 1], bool), np.array([0, 1, 1], bool)
    left = kernel.restricted(rows, columns)
    at = np.flatnonzero(np.outer(rows, columns))
    every = np.arange(len(at))
    np.testing.assert_array_equal(left.block(every, every), kernel.block(at, at))
    assert kernel.restricted(rows | True, columns | True) is kernel


def test_eigenvalues_of_a_product():
    kernel = KERNELS["kronecker 2, with nuggets"]()
    (a, first), (b, second) = kernel.eigen
    vectors = np.kron(first, second)
    close((vectors * np.outer(a, b).ravel()) @ vectors.T, by_definition(kernel))


def test_matvec_does_not_depend_on_the_companions():
    """All channels at once, and one by one."""
    for name in ("periodic 2", "periodic 2, with a tail", "stationary 2"):
        kernel = KERNELS[name]()
        x = np.random.default_rng(5).normal(size=(4, *kernel.shape))
        close(kernel.matvec(x), np.stack([kernel.matvec(one) for one in x]), digits=14)


ENDLESS, CIRCLE = Axis(4, None, 4), Axis(4, 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DenseKernel(np.eye(5), (2, 3)), r"must have shape \(6, 6\); got shape \(5, 5\)"),
        (lambda: DenseKernel(np.ones((4, 6)), (2, 2)), r"must have shape \(4, 4\)"),
        (lambda: Kronecker(dense(2, 2), dense(6)), "one axis each"),
        (lambda: Coregionalised(None, np.ones((2, 3))), "must be square"),
        (lambda: kronecker(2, 2, nuggets=(-1.0, 0.0)), ">= 0; got Kronecker"),
        (lambda: kronecker(2, 2, effects=(0.0, float("nan"))), ">= 0"),
        (lambda: Periodic(np.ones((4, 5)), (ENDLESS,), (10,)), "multiple of 4, at least 7; got 10"),
        (lambda: Periodic(np.ones((4, 5)), (ENDLESS,), (4,)), "at least 7; got 4"),
        (lambda: Periodic(np.ones((4, 8)), (CIRCLE,), (16,)), "must be 8; got 16"),
        (lambda: Periodic(np.ones((2, 8)), (Axis(2, None, 4, 4),), (10,)), "multiple of 4.*got 10"),
        (lambda: Stationary(np.ones(5), (Axis(1, None, 4),), (6,)), "at least 7; got 6"),
        (lambda: Stationary(np.ones(8), (Axis(1, 8),), (7,)), "must be 8; got 7"),
        (lambda: Stationary(np.ones((5, 5)), (Axis(1, None, 4),) * 2, (7, 6)), "at least 7; got 6"),
    ],
)
def test_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
