"""Arrays as files: .npy and .npz, whose declared sizes are checked before they are read."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime import resources


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an .npy; mapped first, so that a header cannot declare more than there is."""
    mapped = np.lib.format.open_memmap(path, mode="r")
    resources.require("reading it", mapped.nbytes)
    return np.array(mapped)


@contextlib.contextmanager
def open_npz(path: Path, copies: int = 2) -> Iterator[NpzFile]:
    """The arrays of an .npz, refused where so many copies of them do not fit into memory."""
    if not zipfile.is_zipfile(path):
        raise InputError("the file is not an .npz", expected="what numpy.savez wrote")
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
        size = sum(entry.file_size for entry in stored.zip.infolist())
        resources.require("reading it", copies * size)
        yield stored
