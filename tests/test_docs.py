"""The reference names everything that is public, and links lead somewhere."""

import contextlib
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PUBLIC = (
    "ntkfill",
    *(f"ntkfill.{name}" for name in ("kernels", "nn", "ratings", "screens", "solvers")),
)
PUBLIC = (*PUBLIC, "ntkfill.tables", "ntkfill.uncertainty")


def documented():
    """Full names in the tables of the reference, and what they stand for."""
    found = {}
    for page in (ROOT / "docs" / "api").glob("*.md"):
        module = None
        for line in page.read_text().splitlines():
            if line.startswith(".. currentmodule::"):
                module = importlib.import_module(line.split()[-1])
            elif re.fullmatch(r"   \w+", line):
                with contextlib.suppress(ImportError):  # names of extras that are not installed
                    found[f"{module.__name__}.{line.strip()}"] = getattr(module, line.strip())
    return found


@pytest.mark.parametrize("module", PUBLIC)
def test_all_public_names_are_in_the_reference(module):
    reference = set(map(id, documented().values()))
    home = importlib.import_module(module)
    objects = {name: getattr(home, name) for name in home.__all__}
    absent = {name for name, value in objects.items() if id(value) not in reference}
    assert {name for name in absent if hasattr(objects[name], "__qualname__")} <= {"Coordinates"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        made_at_build = target.startswith(("http", "gallery/", "tutorials/"))
        assert made_at_build or (page.parent / target).exists(), target
