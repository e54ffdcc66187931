"""What all tests share: a cache of kernels of their own, never the user's.

Set before anything is collected rather than by a fixture, which would not reach the doctests in
the source.
"""

from __future__ import annotations

import os
import tempfile

import pytest

folder = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[folder] = tempfile.TemporaryDirectory(prefix="kernels-")
    os.environ["NTKFILL_CACHE"] = config.stash[folder].name


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[folder].cleanup()
    del os.environ["NTKFILL_CACHE"]
