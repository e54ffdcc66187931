"""Inpainters on disk: what is read back, what is refused, and what an interruption leaves."""

import gc
import json
import os
import pickle
import warnings

import numpy as np
import pytest

from ntkfill import Inpainter, InputError
from ntkfill.nn import hourglass
from ntkfill.priors import IID, Features, MeshGrid

NET = hourglass(2)
RNG = np.random.default_rng(0)
WRAPPED = {"boundary": "wrap", "shift_average": False}
OPTIONS = {
    "as it comes": {},
    "exact": {"shift_average": False, "network": NET},
    "wrap": {"boundary": "wrap"},
    "mesh grid": {"prior": MeshGrid(), "network": NET, **WRAPPED},
    "features": {"prior": Features(RNG.normal(size=(3, 16, 12))), "network": NET, **WRAPPED},
    "own numbers": {"network": NET, "prior": IID(0.0, 2.0), "ridge": 0.1, "rtol": 1e-6},
    "little memory": {"memory_limit": 10**6, "network": NET},
}
every = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)

IMAGE = np.add.outer(np.sin(np.linspace(0, 3, 16)), np.linspace(0, 1, 12))
HOLES = RNG.random(IMAGE.shape) < 0.3
MISSING = tuple(map(int, np.argwhere(HOLES)[0]))


@every
def test_round_trip(options, tmp_path):
    inpainter = Inpainter(**options).fit(mask=HOLES)
    inpainter.save(tmp_path / "saved.npz")
    loaded = Inpainter.load(str(tmp_path / "saved.npz"))
    assert os.listdir(tmp_path) == ["saved.npz"]
    for name in ("channel_axis", "shift_average", "boundary", "ridge", "rtol", "memory_limit"):
        assert getattr(loaded, name) == getattr(inpainter, name)
    assert repr(loaded.network_) == repr(inpainter.network_)
    assert repr(loaded.model_.components[0].plan) == repr(inpainter.model_.components[0].plan)
    assert loaded.transform(IMAGE).tobytes() == inpainter.transform(IMAGE).tobytes()
    assert loaded.weights(MISSING).tobytes() == inpainter.weights(MISSING).tobytes()
    loaded.save(tmp_path / "saved.npz")
    again = Inpainter.load(tmp_path / "saved.npz")
    assert again.transform(IMAGE).tobytes() == inpainter.transform(IMAGE).tobytes()


def saved(path, **changes):
    """The bytes of a saved inpainter, with some of its entries replaced or (None) left out."""
    Inpainter(network=NET).fit(mask=HOLES).save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    with open(path, "wb") as file:
        np.savez(file, **{name: x for name, x in arrays.items() if x is not None})
    return path.read_bytes()


def options_text(**changes):
    text = {"format": 1, "prior": "IID()", "options": {"network": repr(NET)}}
    return np.array(json.dumps(text | changes))


BROKEN = {
    "garbage": lambda path: b"no archive at all" * 20,
    "empty": lambda path: b"",
    "pickle": lambda path: pickle.dumps({"missing": HOLES}),
    "pickled mask": lambda path: saved(path, missing=np.array([object()])),
    "no mask": lambda path: saved(path, missing=None),
    "no options": lambda path: saved(path, options=None),
    "not JSON": lambda path: saved(path, options=np.array("{")),
    "a list": lambda path: saved(path, options=np.array("[1]")),
    "code for a network": lambda path: saved(
        path, options=options_text(options={"network": "__import__('os').getcwd()"})
    ),
    "code for a prior": lambda path: saved(path, options=options_text(prior="print(1)")),
    "unknown option": lambda path: saved(
        path, options=options_text(options={"network": repr(NET), "colour": 1})
    ),
    "negative ridge": lambda path: saved(
        path, options=options_text(options={"network": repr(NET), "ridge": -1})
    ),
    "nothing known": lambda path: saved(path, missing=np.ones((4, 4), bool)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_inpainter_is_refused(kind, tmp_path):
    path = tmp_path / "broken.npz"
    content = BROKEN[kind](path)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.npz is (not a saved inpainter|empty)"):
        Inpainter.load(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("changes", [{"options": "x"}, {"options": {"network": 3}}, {"prior": 3}])
def test_options_of_another_kind_are_refused(changes, tmp_path):
    path = tmp_path / "broken.npz"
    saved(path, options=options_text(**changes))
    with pytest.raises(InputError):
        Inpainter.load(path)


@pytest.mark.slow
def test_a_file_cut_in_half_is_refused_and_closed(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(saved(path)[:500])
    with pytest.raises(InputError, match="not a saved inpainter"):
        Inpainter.load(path)
    gc.collect()


@pytest.mark.slow
def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "broken.npz"
    Inpainter(network=NET).fit(mask=HOLES).save(path)
    whole, rng, others = path.read_bytes(), np.random.default_rng(0), set()
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = Inpainter.load(path)
            assert np.array_equal(loaded.missing_, HOLES)
        except InputError:
            pass
        except Exception as error:
            others.add(type(error).__name__)
    assert not others


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("missing.npz", "there is no file"),
        (".", "is a folder"),
        ("no/such/folder.npz", "there is no file"),
    ],
)
def test_missing_files_are_refused(place, said, tmp_path):
    with pytest.raises(InputError, match=said):
        Inpainter.load(tmp_path / place)


@pytest.mark.parametrize("place", [".", "no/such/folder.npz", "file/inside.npz"])
def test_places_that_cannot_be_written(place, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="cannot be written"):
        Inpainter(network=NET).fit(mask=HOLES).save(tmp_path / place)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_interrupted_while_saving(error, tmp_path, monkeypatch):
    path = tmp_path / "saved.npz"
    inpainter = Inpainter(network=NET).fit(mask=HOLES)
    inpainter.save(path)
    before = path.read_bytes()

    def stop(file, **arrays):
        file.write(b"half")
        raise error

    monkeypatch.setattr(np, "savez_compressed", stop)
    with pytest.raises(InputError if isinstance(error, OSError) else error):
        inpainter.save(path)
    assert os.listdir(tmp_path) == ["saved.npz"]
    assert path.read_bytes() == before
