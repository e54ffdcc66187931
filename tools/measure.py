"""How much there is to read: functions and files that one call runs through, and lines of code.

    python tools/measure.py [--list]

Warm kernel cache; distinct functions of this package, comprehensions and module bodies left out.
With --list every function of each walk is printed too, in the order of its first call: how often it
ran, its lines, and how many places of the package name it.
"""

from __future__ import annotations

import ast
import importlib
import io
import json
import sys
import threading
import tokenize
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import ntkfill

PACKAGE = Path(ntkfill.__file__).parent
# What checks options: the constructors of the two sets of options.
VALIDATORS = ("GridOptions.__post_init__", "TableOptions.__post_init__")
SKIPPED = ("<module>", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")


def walk(call: Callable[[], object]) -> dict[tuple[str, str], int]:
    """How often each function of the package runs in a call, by file and qualified name."""
    runs: dict[tuple[str, str], int] = {}

    def profile(frame: types.FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name in SKIPPED:
            return
        if str(PACKAGE) in code.co_filename:
            place = str(Path(code.co_filename).relative_to(PACKAGE)), code.co_qualname
            runs[place] = runs.get(place, 0) + 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return runs


def code_lines(source: str) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    lines: set[int] = set()
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*skipped, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                lines -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


def show(runs: dict[tuple[str, str], int]) -> None:
    """Print the functions of a walk, and how long and how used each is."""
    trees = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    named = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    for (file, function), count in runs.items():
        *_, name = function.split(".")
        lengths = [
            (node.end_lineno or node.lineno) - node.lineno + 1
            for node in ast.walk(trees[PACKAGE / file])
            if isinstance(node, ast.FunctionDef) and node.name == name
        ]
        print(f"{count:6d} {max(lengths, default=1):4d} {named[name]:4d}  {file}:{function}")


def main() -> None:
    """Measure three calls and the source, and print the figures as JSON."""
    warm = np.add.outer(np.arange(64.0), np.arange(64.0))
    holes = np.random.default_rng(0).random(warm.shape) < 0.3
    network = ntkfill.nn.hourglass(4)
    table = np.random.default_rng(1).normal(size=(60, 5)) @ np.ones((5, 5))
    table[np.random.default_rng(2).random(table.shape) < 0.2] = np.nan
    calls = {
        "inpaint(image, mask)": lambda: ntkfill.inpaint(warm, holes),
        "inpaint(image, mask, network=network)": lambda: ntkfill.inpaint(
            warm, holes, network=network
        ),
        "NTKImputer().fit_transform(X)": lambda: ntkfill.NTKImputer().fit_transform(table),
    }
    result: dict[str, object] = {}
    for name, call in calls.items():
        call()  # kernels are cached, modules loaded
        runs = walk(call)
        validations = [count for (_, function), count in runs.items() if function in VALIDATORS]
        result[name] = {
            "functions": len(runs),
            "files": len({file for file, _ in runs}),
            "validations": sum(validations),
        }
        if "--list" in sys.argv:
            print(f"{name}\n  runs lines names")
            show(runs)
    sources = [path.read_text() for path in sorted(PACKAGE.rglob("*.py"))]
    result["source files"] = len(sources)
    result["lines"] = sum(source.count("\n") for source in sources)
    result["lines of code"] = sum(map(code_lines, sources))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    importlib.import_module("ntkfill.nn")
    main()
