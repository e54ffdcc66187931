"""The documentation names everything that is public, and its links lead somewhere."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PUBLIC = (
    "ntkfill",
    "ntkfill.kernels",
    "ntkfill.nn",
    "ntkfill.screens",
    "ntkfill.screens.features",
    "ntkfill.solvers",
    "ntkfill.uncertainty",
)


def documented():
    """Full names in the autosummary tables."""
    names = set()
    for page in (ROOT / "docs" / "api").glob("*.md"):
        module = ""
        for line in page.read_text().splitlines():
            if line.startswith(".. currentmodule::"):
                module = line.split()[-1]
            elif re.fullmatch(r"   [\w.]+", line):
                names.add(f"{module}.{line.strip()}")
    return names


@pytest.mark.parametrize("module", PUBLIC)
def test_all_public_names_are_in_the_reference(module):
    home = importlib.import_module(module)
    members = {f"{module}.{name}" for name in home.__all__}
    modules = {name for name in members if type(getattr(home, name.rsplit(".")[-1])) is type(re)}
    assert members - modules <= documented()


def test_the_reference_names_nothing_else():
    for name in documented():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        made_by_gallery = re.match(r"(\.\./)?(gallery|tutorials)/", target)
        assert target.startswith("http") or made_by_gallery or (page.parent / target).exists(), (
            target
        )
