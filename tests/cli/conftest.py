"""What the tests of commands share: a folder with an image and a mask, and how commands fail."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ntkfill.cli import main
from ntkfill.cli.common import FAILED


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A folder with a grey image, a mask, and nothing else, as the working directory."""
    monkeypatch.chdir(tmp_path)
    rows, columns = np.indices((24, 31))
    image = np.uint8(120 + 80 * np.sin(rows / 4) * np.cos(columns / 5))
    missing = np.random.default_rng(0).random(image.shape) < 0.4
    Image.fromarray(image).save("in.png")
    Image.fromarray(np.uint8(255 * missing)).save("mask.png")
    return image, missing


@pytest.fixture
def fails(capsys):
    """Run a command that fails: its one sentence; nothing on stdout, no file changed."""

    def run(*arguments):
        before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
        assert main([str(argument) for argument in arguments]) == FAILED
        assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        last = err.splitlines()[-1]
        assert last.startswith("ntkfill: ")
        assert last.endswith(".")
        return last

    return run
