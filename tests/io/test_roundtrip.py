"""Every container keeps what the documentation says, by benchmarks/containers, which makes it."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "containers.md").read_text()


def load(name):
    if name not in sys.modules:
        place = ROOT / "benchmarks" / name / "__init__.py"
        spec = importlib.util.spec_from_file_location(name, place)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    modules = (importlib.import_module(f"{name}.{kind}") for kind in ("grids", "tables"))
    return sys.modules[name], [each for module in modules for each in module.CONTAINERS]


module, CONTAINERS = load("containers")


@pytest.mark.sampled
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each.name)
def test_what_is_kept_and_said_is_what_the_page_says(container, tmp_path):
    outcome = module.measure(container, tmp_path)
    assert outcome.lost == (), outcome.printed
    assert module.row(container, outcome) in PAGE.splitlines()


def test_a_loss_in_silence_is_found(tmp_path):
    """Of a container that says nothing of its gamma."""
    from dataclasses import replace

    silent = replace(next(each for each in CONTAINERS if each.said), said={})
    assert module.measure(silent, tmp_path).lost
