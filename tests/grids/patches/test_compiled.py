"""The compiled pass against the one of NumPy, on every kind of grid."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from ntkfill.grids.patches import PatchOptions, passes
from ntkfill.grids.patches.passes import Pass, all_passes, hole_depths
from ntkfill.runtime import resources

numba = pytest.importorskip("numba")

OPTIONS = PatchOptions(width=5, step=3, search_radius=6, n_neighbours=23)
# Shape, share missing, a hole, the options that differ.
GRIDS = {
    "grey": ((40, 37, 1), 0.5, None, {}),
    "grey, nearly nothing known": ((40, 37, 1), 0.95, None, {}),
    "no shrinkage": ((40, 37, 1), 0.5, None, {"shrinkage": 0.0}),
    "fewer neighbours than entries": ((40, 37, 1), 0.5, None, {"n_neighbours": 3}),
    "colour": ((30, 30, 3), 0.5, None, {}),
    "a hole": ((48, 48, 1), 0.1, np.s_[12:36, 15:35], {"ring_passes": 2}),
    "volume": ((12, 11, 10, 1), 0.5, None, {"width": 3}),
    "line": ((300, 1), 0.5, None, {"width": 16, "search_radius": 64}),
}


def grid(name):
    shape, share, hole, changes = GRIDS[name]
    rng = np.random.default_rng(0)
    missing = rng.random(shape) < share
    if hole is not None:
        missing[hole] = True
    waves = np.sin(1.3 * sum(np.indices(shape)))
    values = (waves + 0.3 * rng.standard_normal(shape)).astype(np.float32)
    options = replace(OPTIONS, **changes)
    known = ~missing
    return values, all_passes(options, known, hole_depths(known, options.width), 0.3, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_a_compiled_pass_is_the_same_to_rounding(name, monkeypatch):
    monkeypatch.setattr(passes, "COMPILED_SIZE", 0)
    values, every = grid(name)
    some = every[:1] + every[-2:]
    assert any(one.targets is not None for one in some) == (name == "a hole")
    for one in some:
        compiled = one.apply(values)
        with monkeypatch.context() as patch:
            patch.setattr(passes, "import_compiled", lambda _: None)
            plain = one.apply(values)
        assert np.array_equal(compiled.weight > 0, plain.weight > 0)
        for ours, theirs in (
            (compiled.values, plain.values),
            (compiled.variance, plain.variance),
            (compiled.weight, plain.weight),
        ):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4 * abs(theirs).max())
        # Negative control: another ridge is told apart.
        other = replace(one, ridge=one.ridge + 0.01).apply(values)
        assert abs(other.variance - plain.variance).max() > 2e-3 * plain.variance.max()
        values = plain.values


@pytest.mark.parametrize(("side", "imported"), [(127, False), (128, True)])
def test_small_grids_do_not_wait_for_the_compiler(side, imported, monkeypatch):
    asked = []
    monkeypatch.setattr(passes, "import_compiled", lambda _: asked.append(True))
    known = np.ones((side, side, 1), bool)
    known[3, 3] = False
    Pass(OPTIONS, known, 0, 0.1, 0.1).apply(np.zeros((side, side, 1), np.float32))
    assert bool(asked) == imported


@pytest.mark.parametrize("package", ["ntkfill.grids.patches", "ntkfill.nn"])
def test_without_numba_nothing_compiled_is_imported(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, f"{package}.compiled", raising=False)
    resources.import_compiled.cache_clear()
    try:
        assert resources.import_compiled(package) is None
    finally:
        resources.import_compiled.cache_clear()
