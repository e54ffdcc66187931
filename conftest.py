"""Modules of the extra `torch`, which the extra `test` does not hold, are collected where it is."""

from importlib.util import find_spec

NEED_TORCH = ("pytorch", "pytorch_items", "training")
collect_ignore = [] if find_spec("torch") else [f"src/ntkfill/nn/{name}.py" for name in NEED_TORCH]
