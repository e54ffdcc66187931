"""Damaged files, every command: one sentence that names the file, nothing written."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.io import hdf5 as checks
from ntkfill.screens import read

pytestmark = [
    pytest.mark.usefixtures("samples"),
    pytest.mark.filterwarnings("ignore"),  # of libraries about damaged files
]


@pytest.mark.parametrize("tries", [11, pytest.param(1000, marks=pytest.mark.slow)])
def test_mutations_of_every_format_by_every_command(attack, tries):
    assert attack.attack_readers(tries, seed=1) == (tries, {})


@pytest.mark.parametrize("tries", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_mutations_of_saved_inpainters(attack, tries):
    assert attack.attack_load(tries, seed=1) == (tries, {})


@pytest.mark.parametrize("tries", [6, pytest.param(300, marks=pytest.mark.slow)])
def test_mutations_of_the_cache(attack, tries):
    assert attack.attack_cache(tries, seed=1) == (tries, {})


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def flipped(data):
    """One bit of what is stored, so that its checksum is wrong."""
    at = data.index(b"NUMPY") + 140
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as stored:
        for name, data in members.items():
            stored.writestr(name, data)
    return file.getvalue()


def hdf5(**datasets):
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        for name, data in datasets.items():
            stored[name.replace("_", "/")] = data
    return file.getvalue()


def damaged(name):
    data = bytearray(Path(name).read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    return bytes(data)


GENES, PROFILES = np.array(["g", "h"]), np.ones((2, 2))
LABELS = {"cell": np.array(["A", "A"]), "drug": np.array(["x", "y"])}
SCREEN = ["screen", "complete", "INPUT", "-o", "out.csv"]
MASK = ["inpaint", "in.png", "--mask", "INPUT", "-o", "out.png"]
DAMAGE = {
    "half an npz": ("bad.npz", lambda: Path("screen.npz").read_bytes()[:300], SCREEN),
    "another checksum": (
        "bad.npz",
        lambda: flipped(npz(genes=GENES, profiles=PROFILES, **LABELS)),
        SCREEN,
    ),
    "an array, not an archive": ("bad.npz", lambda: npy(PROFILES), SCREEN),
    "text in an archive": ("bad.npz", lambda: archive(genes="g", profiles="1"), SCREEN),
    "genes of no axis": ("bad.npz", lambda: npz(genes="g", profiles=PROFILES, **LABELS), SCREEN),
    "profiles of no axis": (
        "bad.npz",
        lambda: npz(genes=GENES, profiles=1.0, **LABELS),
        SCREEN,
    ),
    "no columns": ("bad.gct", lambda: b"#1.3\n1\t0\t0\t0\nid\ng\n", SCREEN),
    "no rows": ("bad.gct", lambda: b"#1.2\n0\t0\n", SCREEN),
    "half of an HDF5 file": ("bad.gctx", lambda: damaged("screen.gctx"), SCREEN),
    "another HDF5 file": ("bad.gctx", lambda: hdf5(x=[1.0]), SCREEN),
    "groups for arrays": ("bad.gctx", lambda: hdf5(**{"0_DATA_0_matrix_x": [1.0]}), SCREEN),
    "half of an AnnData": ("bad.h5ad", lambda: damaged("screen.h5ad"), SCREEN),
    "an HDF5 file, not AnnData": ("bad.h5ad", lambda: hdf5(x=[1.0]), SCREEN),
    "metadata of parquet": ("bad.parquet", lambda: damaged("screen.parquet"), SCREEN),
    "an archive, not an array": ("bad.npy", lambda: npz(mask=PROFILES), MASK),
    "objects": ("bad.npy", lambda: npy(np.array([{}])), MASK),
    "structures": ("bad.npy", lambda: npy(np.zeros((12, 12), "i4,f4")), MASK),
    "a mask of no axis": ("bad.npy", lambda: npy(np.bool_(True)), MASK),
}


@pytest.mark.sampled
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_decoders_trip_over(attack, damage, capsys):
    name, make, command = DAMAGE[damage]
    Path(name).write_bytes(make())
    words = [name if word == "INPUT" else word for word in command]
    try:
        assert attack.what_is_wrong(words, set()) == ""
        assert attack.main(words) == 1
    finally:
        Path(name).unlink()
    assert name in capsys.readouterr().err or damage == "a mask of no axis"
    assert not list(Path().glob("out.*"))


def endless(place):
    """An HDF5 file of which the library searches a heap of texts forever: an entry of no length."""
    with h5py.File("endless.gctx", "w", libver="earliest") as file:
        file["0/META/COL/cell"] = ["a", "b"]
        if place == "attribute":
            file.attrs["encoding"] = "text"
            del file["0/META/COL/cell"]
    data = bytearray(Path("endless.gctx").read_bytes())
    entry = data.index(b"GCOL") + 16
    data[entry : entry + 2] = b"\7\0"
    data[entry + 8 : entry + 16] = (2**64 - 16).to_bytes(8, "little")
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gctx", ".h5ad"])
@pytest.mark.parametrize("place", ["attribute", "dataset"])
def test_hdf5_files_without_an_end(place, suffix, monkeypatch):
    monkeypatch.setattr(checks, "START", 1)
    path = Path(f"bad{suffix}")
    path.write_bytes(endless(place))
    with pytest.raises(InputError, match=f"bad{suffix} cannot be read; got a loop"):
        read(path)
    path.unlink()
    Path("endless.gctx").unlink()


def test_an_image_of_truth_values_has_a_heat_map(attack):
    np.save("truth.npy", np.load("in.npy") > 17)
    assert attack.what_is_wrong(["heatmap", "truth.npy", *attack.PIXEL], {"out.png"}) == ""
