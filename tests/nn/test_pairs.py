"""The kernel between feature vectors, tile by tile, against the layers on the whole matrix."""

import numpy as np
import pytest

from ntkfill.nn import Dense, Erf, LeakyReLU, ReLU, Sequential, TwoSlope, pairs
from ntkfill.nn.covariance import Covariance, run
from ntkfill.nn.pairs import of_gram, of_vectors

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(size=(300, 7)), RNG.normal(size=(290, 7))
NETS = {
    "relu": Sequential(Dense(), ReLU(), Dense()),
    "deep": Sequential(Dense(), LeakyReLU(0.1), Dense(), TwoSlope(-1.0), Dense()),
    "erf": Sequential(Dense(), Erf(), Dense()),
}


def plain(net, left, right, kind="ntk"):
    """All pairs at once."""
    gram = left @ right.T
    first, second = (np.square(x).sum(axis=1) for x in (left, right))
    if left is right:
        np.fill_diagonal(gram, first)
    return getattr(run(net.layers, Covariance.of_pairs(gram, first[:, None], second[None])), kind)


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("sides", [None, ((64, 90), (20, 33))])
def test_tiles_are_the_whole(name, kind, sides, monkeypatch):
    net = NETS[name]
    if sides is not None:
        monkeypatch.setattr(pairs, "STRIP", sides[0])
        monkeypatch.setattr(pairs, "TILE", sides[1])
    for right in (LEFT, RIGHT):
        ours = net.between(LEFT, right, kind=kind)
        np.testing.assert_allclose(ours, plain(net, LEFT, right, kind), rtol=1e-12, atol=1e-12)


def test_another_network_is_told_apart():
    ours = NETS["relu"].between(LEFT, RIGHT)
    assert np.max(np.abs(ours - plain(NETS["deep"], LEFT, RIGHT))) > 1e-2


def test_single_precision():
    net = NETS["relu"]
    left, right = (x.astype(np.float32) for x in (LEFT, RIGHT))
    for other, wide in ((left, LEFT), (right, RIGHT)):
        ours = net.between(left, other)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, plain(net, LEFT, wide), rtol=0, atol=2e-5)
    unit = left / np.linalg.norm(left, axis=1, keepdims=True)
    # acos has an infinite slope at 1: a diagonal that was rounded would be off by 1e-4.
    np.testing.assert_allclose(np.diagonal(net.between(unit)), 2.0, rtol=1e-6)


def test_symmetric_to_the_last_bit_and_the_same_for_any_number_of_threads(monkeypatch):
    net = NETS["deep"]
    monkeypatch.setattr(pairs, "STRIP", (64, 100))
    ours = net.between(LEFT)
    np.testing.assert_array_equal(ours, ours.T)
    monkeypatch.setattr(pairs, "parallel_for", lambda task, items: [task(item) for item in items])
    np.testing.assert_array_equal(ours, net.between(LEFT))


def test_products_made_elsewhere():
    net = NETS["relu"]
    gram, first, second = LEFT @ RIGHT.T, *(np.square(x).sum(axis=1) for x in (LEFT, RIGHT))
    before = gram.copy()
    ours = of_gram(net.layers, gram, first, second)
    np.testing.assert_allclose(ours, net.between(LEFT, RIGHT), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(gram, before)
    assert of_gram(net.layers, gram, first, second, overwrite=True) is gram
    np.testing.assert_array_equal(gram, ours)


def test_half_of_a_symmetric_one_is_mirrored():
    net, gram = NETS["deep"], LEFT @ LEFT.T
    own = np.diagonal(gram).copy()
    gram[250:, :30] = np.nan  # never read
    ours = of_gram(net.layers, gram, own, own, symmetric=True)
    np.testing.assert_allclose(ours, net.between(LEFT), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(ours, ours.T)
    np.testing.assert_array_equal(np.isnan(of_gram(net.layers, gram, own, own)), np.isnan(gram))


def test_networks_without_an_activation_or_without_weights():
    gram = LEFT @ LEFT.T
    own = np.diagonal(gram).copy()
    np.testing.assert_allclose(of_gram([Dense(), Dense()], gram, own, own), 2 * gram)
    for layers in ([ReLU()], []):
        np.testing.assert_array_equal(of_gram(layers, gram, own, own), 0.0)


def test_vectors_of_zeros_are_independent_of_everything():
    left = LEFT[:3].copy()
    left[1] = 0
    ours = of_vectors(NETS["relu"].layers, left)
    assert np.isfinite(ours).all()
    np.testing.assert_array_equal(ours[1], 0.0)
