"""The public names of the package, and the old ones, which work for one release."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import ntkfill

OLD = {
    "Confidence": "ntkfill.uncertainty:Uncertainty",
    "conditions": "ntkfill.screens.features:",
    "posterior": "ntkfill.uncertainty:",
    "screening": "ntkfill.screens:",
}


def load(name):
    module, _, attribute = name.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def fresh(code):
    """What a new interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("name", ntkfill.__all__)
def test_every_public_name_is_there(name):
    assert name in dir(ntkfill)
    found = getattr(ntkfill, name)
    assert found.__name__ == f"ntkfill.{name}" if isinstance(found, ModuleType) else callable(found)


@pytest.mark.slow
def test_modules_are_reached_by_one_import():
    code = "import ntkfill; print(ntkfill.explanation.neighbourhood.__name__, ntkfill.plots)"
    assert fresh(code).startswith("neighbourhood <module 'ntkfill.plots'")


@pytest.mark.slow
def test_numpy_is_loaded_only_when_needed():
    loaded = "print('numpy' in sys.modules)"
    code = f"import sys, ntkfill; {loaded}; ntkfill.nn; {loaded}"
    assert fresh(code).split() == ["False", "True"]


@pytest.mark.slow
def test_finite_networks_name_their_extra():
    code = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from ntkfill import nn
try:
    nn.finite
except ImportError as error:
    print(error)
"""
    assert fresh(code).endswith("pip install 'ntkfill[torch]'.")


@pytest.mark.parametrize("name", OLD)
def test_old_names_warn(name):
    with pytest.warns(
        DeprecationWarning, match=f"ntkfill.{name} is deprecated; use ntkfill"
    ) as seen:
        found = getattr(ntkfill, name)
    assert found is load(OLD[name])
    assert seen[0].filename == __file__
    assert name not in ntkfill.__all__


@pytest.mark.slow
def test_the_old_module_can_be_imported():
    code = """
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import ntkfill.screening as old
import ntkfill
print(old is ntkfill.screens, [warning.category.__name__ for warning in seen])
"""
    assert fresh(code) == "True ['DeprecationWarning']"


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ntkfill.nothing  # noqa: B018
