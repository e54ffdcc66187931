"""What all tests share: a cache of kernels of their own, never the user's.

Set before anything is collected rather than by a fixture, which would not reach the doctests in
the source.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from typing import Any

import numpy as np
import pytest

folder = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[folder] = tempfile.TemporaryDirectory(prefix="kernels-")
    os.environ["NTKFILL_CACHE"] = config.stash[folder].name


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[folder].cleanup()
    del os.environ["NTKFILL_CACHE"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages of the guide are slow, and nine of ten cases of a table that is `sampled`."""
    cases: Counter[str] = Counter()
    for item in items:
        table = item.nodeid.partition("[")[0]
        left_out = item.get_closest_marker("sampled") and cases[table] % 10
        if left_out or item.path.parent.name == "guide":
            item.add_marker("slow")
        cases[table] += 1


Generators = list[tuple[np.random.Generator, Any]]


@pytest.fixture(scope="module", autouse=True)
def generators(request: pytest.FixtureRequest) -> Generators:
    """The random generators of a module, with the state that each has once it is imported."""
    names = vars(getattr(request, "module", None) or object)
    found = [each for each in names.values() if isinstance(each, np.random.Generator)]
    return [(each, each.bit_generator.state) for each in found]


@pytest.fixture(autouse=True)
def every_test_draws_the_same(generators: Generators) -> None:
    """What a test draws does not depend on which tests ran before it, or in which process."""
    for generator, state in generators:
        generator.bit_generator.state = state
