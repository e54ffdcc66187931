"""The command line as a whole: usage, help, exit codes, and what it needs."""

import json
import os
import subprocess
import sys

import pytest

from ntkfill.cli import main, parser
from ntkfill.cli.common import INTERRUPTED, USAGE, print_json


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["inpaint"],
        ["heatmap", "in.png", "--at", "1;2", "-o", "h.png"],
        ["inpaint", "in.png", "--memory", "lots"],
        ["inpaint", "in.png", "--boundary", "glue"],
    ],
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_help_is_light():
    """The help waits for neither NumPy nor SciPy."""
    code = (
        "import sys; from ntkfill.cli import parser; parser().format_help(); "
        "print([m for m in ('numpy', 'scipy', 'sklearn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ntkfill", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ntkfill ")


@pytest.mark.slow
def test_core_works_without_extras(tmp_path):
    """With every optional library hidden, the core imports and fills."""
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'pandas', 'skimage', 'torch', 'jax', 'numba'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np, ntkfill\n"
        "hole = np.eye(8, dtype=bool)\n"
        "assert np.isfinite(ntkfill.inpaint(np.ones((8, 8)), hole)).all()\n"
    )
    environment = {**os.environ, "NTKFILL_CACHE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.slow
def test_nobody_reads_stderr(scene):
    code = (
        "import sys; sys.stderr = None; from ntkfill.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, check=True)
    assert json.loads(done.stdout)["files"][0]["converged"]


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2 * 10**9), ("500M", 5 * 10**8), ("1 GiB", 2**30), ("10", 10)]
)
def test_sizes(text, size):
    assert parser().parse_args(["inpaint", "in.png", "--memory", text]).memory == size


def test_interrupted_while_loading(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ntkfill.cli.images.read_mask", stop)
    assert main(["inpaint", "in.png"]) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("impute", "t.csv", "-o", "o.csv", "--max", "3"),
        ("screen", "evaluate", "s.csv", "--round", "2"),
    ],
)
def test_options_are_not_abbreviated(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_without_its_libraries_the_page_names_the_extra(module, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["app", "--no-browser"]) != 0
    assert "pip install 'ntkfill[app]'" in capsys.readouterr().err


def test_figures_that_are_not_finite_are_null(capsys):
    print_json({"error": float("nan"), "tried": [{"error": float("inf")}, 1.5]})
    assert json.loads(capsys.readouterr().out) == {"error": None, "tried": [{"error": None}, 1.5]}
