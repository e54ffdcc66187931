"""The layout of the package: siblings over one core, without circles.

`grids`, `tables`, `screens` and `ratings` are siblings: none imports another, except that screens
and ratings use the features of tables. The core imports none of them.
"""

import ast
import inspect
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ntkfill
from ntkfill.nn.structure import LAYERS

ROOT = Path(ntkfill.__file__).parent
SIBLINGS = {"grids", "tables", "screens", "ratings"}
# Packages and modules that stand above the siblings.
ABOVE = {"", "app", "cli", "__main__", "screening"}
ALLOWED = {("screens", "tables.features"), ("ratings", "tables.features")}


def modules(root: Path) -> dict[str, str]:
    """Dotted name, relative to the package, and source of every module."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


@cache
def imported(name: str, source: str, names: frozenset[str]) -> set[str]:
    """The modules of the package that a module imports, wherever in its text."""
    is_package = not name or any(other.startswith(f"{name}.") for other in names)
    package = f"ntkfill.{name if is_package else name.rpartition('.')[0]}".rstrip(".")
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            target = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                inner = f"{target}.{alias.name}"
                found.add(inner if inner.partition(".")[2] in names else target)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    inside = {full for full in found if full.split(".")[0] == "ntkfill"}
    return {full.partition(".")[2] for full in inside} - {name}


def graph(sources: dict[str, str]) -> dict[str, set[str]]:
    names = frozenset(sources)
    return {name: imported(name, source, names) for name, source in sources.items()}


def top(name: str) -> str:
    return name.split(".")[0]


def forbidden(sources: dict[str, str]) -> list[str]:
    """Imports that break the layout."""
    found = []
    for name, others in graph(sources).items():
        for other in sorted(others):
            between = {top(name), top(other)} <= SIBLINGS and top(name) != top(other)
            upward = top(name) not in SIBLINGS | ABOVE and top(other) in SIBLINGS | ABOVE - {""}
            if (between or upward) and (top(name), other) not in ALLOWED:
                found.append(f"{name} imports {other}")
    return found


def check_no_circle(sources: dict[str, str], of) -> None:
    edges: dict[str, set[str]] = {}
    for name, others in graph(sources).items():
        if name:
            edges.setdefault(of(name), set()).update({of(x) for x in others if x} - {of(name)})
    TopologicalSorter(edges).prepare()


SOURCES = modules(ROOT)


@pytest.mark.slow
def test_siblings_and_core():
    assert forbidden(SOURCES) == []


@pytest.mark.slow
@pytest.mark.parametrize("of", [top, str], ids=["packages", "modules"])
def test_no_circle(of):
    check_no_circle(SOURCES, of)


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("tables.imputer", "from ..grids.plan import Plan", "tables.imputer imports grids.plan"),
        ("grids.plan", "from ntkfill import tables", "grids.plan imports tables"),
        ("grids.plan", "import ntkfill.screens.screen", "grids.plan imports screens.screen"),
        ("nn.layers", "from .. import grids", "nn.layers imports grids"),
        ("solvers.cg", "def f():\n    from ..tables import features", "imports tables.features"),
        ("screens.screen", "from ..tables import imputer", "screens.screen imports tables.imputer"),
        ("completion", "from .cli import main", "completion imports cli"),
    ],
)
def test_a_bad_import_is_found(module, line, complaint):
    """The check of the check: one line that is not allowed, anywhere in a module."""
    broken = {**SOURCES, module: f"{SOURCES[module]}\n{line}\n"}
    assert any(complaint in found for found in forbidden(broken))


@pytest.mark.parametrize(
    ("of", "module", "line"),
    [
        (top, "errors", "from .nn import layers"),
        (top, "kernels.table", "from ..solvers import base"),
        (str, "nn.layers", "from .networks import Sequential"),
    ],
)
def test_a_circle_is_found(of, module, line):
    broken = {**SOURCES, module: f"{SOURCES[module]}\n{line}\n"}
    with pytest.raises(CycleError):
        check_no_circle(broken, of)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_a_layer_is_short(layer):
    assert len(inspect.getsource(layer).splitlines()) < 60


def test_files_of_networks_are_short():
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in ROOT.glob("nn/*.py")}
    assert {name: count for name, count in lines.items() if count > 300} == {}


# Benchmarks are run by hand, seldom: what they import must not vanish in between.
BENCHMARKS = ROOT.parents[1] / "benchmarks"


def missing_names(source: str, beside: Path) -> list[str]:
    """The names that a script imports from the package or from scripts beside it in vain."""
    missing = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        other = next((p for p in (beside, BENCHMARKS) if (p / f"{node.module}.py").exists()), None)
        if other is not None:
            text = (other / f"{node.module}.py").read_text(encoding="utf-8")
            bound = {name for each in ast.parse(text).body for name in _bound(each)}
        elif node.module.split(".")[0] == "ntkfill":
            bound = set(dir(import_module(node.module)))
            bound |= {path.stem for path in ROOT.joinpath(*node.module.split(".")[1:]).glob("*")}
        else:
            continue
        missing += [f"{node.module}.{a.name}" for a in node.names if a.name not in bound]
    return missing


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


@pytest.mark.slow
@pytest.mark.skipif(not BENCHMARKS.exists(), reason="installed without the benchmarks")
def test_benchmarks_import_what_there_is():
    for path in BENCHMARKS.rglob("*.py"):
        assert missing_names(path.read_text(encoding="utf-8"), path.parent) == [], path
    wrong = "from harness import write, nothing\nfrom ntkfill.nn import hourglass, sandglass"
    assert missing_names(wrong, BENCHMARKS) == ["harness.nothing", "ntkfill.nn.sandglass"]
