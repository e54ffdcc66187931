"""What these tests share: benchmarks/attack.py, of which they are a short run, and its samples."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "attack.py"


@pytest.fixture(scope="session")
def attack():
    spec = importlib.util.spec_from_file_location("attack", SCRIPT)
    module = sys.modules["attack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def samples(attack):
    """A folder with one small file of each format, as the working directory."""
    with attack.scene():
        yield Path()


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)
