"""HDF5 files are tried in another process before they are read."""

import subprocess

import numpy as np
import pytest

from ntkfill.io import hdf5


@pytest.mark.slow
def test_a_file_is_tried_once_until_it_changes(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    path, runs, run = tmp_path / "a.h5", [], subprocess.run
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: runs.append(path) or run(*a, **k))
    hdf5.check_hdf5(path)
    hdf5.check_hdf5(path)
    assert len(runs) == 1
    path.write_bytes(path.read_bytes()[:100])
    for count in (2, 3):  # what is refused is not remembered
        with pytest.raises(OSError, match="truncated"):
            hdf5.check_hdf5(path)
        assert len(runs) == count
