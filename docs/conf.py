"""How the documentation is built: ``sphinx-build -W --keep-going -b html docs docs/_build/html``.

Nothing is fetched from the network: all pictures come from data that scikit-learn ships.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from ntkfill import __version__

HERE = Path(__file__).parent
os.environ.setdefault("NTKFILL_CACHE", str(HERE / "_build" / "kernels"))

project = "ntkfill"
author = "The ntkfill developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
# The extra `torch` is not needed to read about it.
autodoc_mock_imports = [] if find_spec("torch") else ["torch"]
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = False

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/tutorials", "../examples/gallery"],
    "gallery_dirs": ["tutorials", "gallery"],
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "plot_gallery": "True",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 10**6,
    "backreferences_dir": "api/uses",
    "doc_module": ("ntkfill",),
    "within_subsection_order": "FileNameSortKey",
    "subsection_order": [
        f"../examples/gallery/{name}" for name in ("images", "tables", "networks")
    ],
}

html_theme = "pydata_sphinx_theme"
html_title = "ntkfill"
html_static_path = ["_static"]
html_css_files = ["ntkfill.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
}


def escape_markup(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings write (*grid, channels) and |x|, which reStructuredText takes for markup."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[number] = re.sub(r"(?<=[(\s])\*(?=\w)|(?<!\\)\|(?=\S)", r"\\\g<0>", line)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", escape_markup, priority=900)
