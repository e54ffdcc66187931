"""Known wrong versions: each check passes on the program as it is and fails on the wrong one."""

import numpy as np
import pytest
from oracles import regression

import ntkfill
from ntkfill.nn import Conv, Dense, LeakyReLU, ReLU, Sequential, TwoSlope, hourglass
from ntkfill.priors import IID, Features

RNG = np.random.default_rng(0)
HOLES = RNG.random(16) < 0.4
FEATURES = RNG.normal(size=(4, 16))


def inpaint(image, mask, **options):
    # Without a cache, which a wrong version could fill or be hidden by.
    return ntkfill.inpaint(image, mask, **{"cache": None, "rtol": 1e-8} | options)


def kappa(gram, theta, slope=0.0):
    """Both arrays after a (leaky) ReLU: Cho and Saul's arc-cosine kernels, normalised."""
    scale = np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    rho = np.clip(gram / scale, -1, 1)
    k0 = (np.pi - np.arccos(rho)) / np.pi
    k1 = rho * k0 + np.sqrt(1 - rho**2) / np.pi
    a, b = (1 - slope) ** 2 / (1 + slope**2), 2 * slope / (1 + slope**2)
    return scale * (a * k1 + b * rho), theta * (a * k0 + b)


def reference(image, missing, slope, ridge=1e-3):
    """Conv(3), leaky ReLU, Conv(3), leaky ReLU, Dense on a circle, with matrices only."""
    n = len(image)
    mean = sum(np.roll(np.eye(n * n).reshape(n, n, n, n), (s, s), (0, 1)) for s in (-1, 0, 1)) / 3
    sigma, theta = FEATURES.T @ FEATURES, np.zeros((n, n))
    for _ in range(2):
        sigma, theta = np.einsum("ijkl,kl", mean, sigma), np.einsum("ijkl,kl", mean, theta)
        theta = theta + sigma
        sigma, theta = kappa(sigma, theta, slope)
    theta = theta + sigma
    return regression(image[:, None], ~missing, theta, ridge)[:, 0]


def missing_pixels_change():
    """Only missing pixels change, and they come near what was hidden."""
    image = np.sin(np.linspace(0, 3, 64))
    holes = RNG.random(64) < 0.3
    given = np.where(holes, 100.0, image)
    filled = inpaint(given, holes)
    return np.array_equal(filled[~holes], image[~holes]) and abs(filled - image).max() < 0.1


def borders_do_not_meet():
    """Left of a step nothing is filled with what lies right of it, around the border."""
    image = np.where(np.arange(40) < 20, 0.0, 1.0) * np.ones((40, 40))
    holes = np.zeros((40, 40), bool)
    holes[:, [0, 1, 2, 37, 38, 39]] = True
    filled = inpaint(image, holes)
    return abs(filled - image).max() < 0.1


def crop_of_a_torus_is_the_same():
    """More unknown pixels around a picture tell it nothing."""
    image, holes = RNG.random((9, 11)), RNG.random((9, 11)) < 0.3
    wide = np.pad(holes, ((0, 13), (0, 10)), constant_values=True)
    network = hourglass(2)
    filled = inpaint(np.pad(image, ((0, 13), (0, 10))), wide, network=network)[:9, :11]
    return np.allclose(filled, inpaint(image, holes, network=network), atol=1e-5)


def as_the_formula(slope):
    network = Sequential(*[Conv(3), LeakyReLU(slope) if slope else ReLU()] * 2, Dense())
    image = RNG.random(16)
    options = {"prior": Features(FEATURES), "boundary": "wrap", "shift_average": False}
    filled = inpaint(image, HOLES, network=network, **options)
    expected = reference(image, HOLES, slope)
    return np.allclose(filled, expected, atol=1e-4 * np.ptp(image))


def units_of_the_prior_cancel():
    """A prior a hundred times as large makes a kernel ten thousand times as large: a ridge that is
    relative does not notice."""
    image = RNG.random(16)
    options = {"network": hourglass(1), "ridge": 0.1}
    large = inpaint(image, HOLES, prior=IID(5.0, 10000 / 1200), **options)
    return np.allclose(large, inpaint(image, HOLES, **options), atol=1e-5)


def absolute(monkeypatch):
    for solver in ("cg", "base"):
        monkeypatch.setattr(f"ntkfill.solvers.{solver}.absolute_ridge", lambda ridge, _: ridge)


def inverted(monkeypatch):
    right = ntkfill.inpaint
    monkeypatch.setattr(ntkfill, "inpaint", lambda image, mask, **rest: right(image, ~mask, **rest))


def swapped(monkeypatch):
    right = TwoSlope.dual

    def dual(self, nngp, left, right_):
        k1, k0 = right(self, nngp, left, right_)
        scale = np.sqrt(left * right_)
        return k0 * scale, k1 / scale

    monkeypatch.setattr(TwoSlope, "dual", dual)


def unpadded(monkeypatch):
    def padded(shape, network, shift_average):
        whole = network.stride
        return tuple(-(-side // whole) * whole for side in shape)

    monkeypatch.setattr("ntkfill.grids.plan.padded", padded)


def without_its_own_weights(monkeypatch):
    """A layer that forgets to add its own gradient."""
    right = Conv.__call__

    def forget(self, state):
        after = right(self, state)
        return type(after)(after.nngp, after.ntk - after.nngp, after.left, after.right, after.axes)

    monkeypatch.setattr(Conv, "__call__", forget)


MUTANTS = {
    "inverted mask": (missing_pixels_change, inverted),
    "padding forgotten, at a step": (borders_do_not_meet, unpadded),
    "padding forgotten": (crop_of_a_torus_is_the_same, unpadded),
    "k0 and k1 swapped": (lambda: as_the_formula(0.0), swapped),
    "k0 and k1 swapped, leaky": (lambda: as_the_formula(0.2), swapped),
    "gradient forgotten": (lambda: as_the_formula(0.0), without_its_own_weights),
    "absolute ridge": (units_of_the_prior_cancel, absolute),
}


@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore::ntkfill.errors.InvertedMaskWarning")
@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
@pytest.mark.parametrize(("check", "mutate"), MUTANTS.values(), ids=MUTANTS)
def test_check_tells_right_from_wrong(check, mutate, wrong, monkeypatch):
    if wrong:
        mutate(monkeypatch)
    assert check() is not wrong
