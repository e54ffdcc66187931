"""Modules of the extra `torch`, which the extra `test` does not hold, are collected where it is."""

from importlib.util import find_spec

collect_ignore = (
    [] if find_spec("torch") else ["src/ntkfill/nn/pytorch.py", "src/ntkfill/nn/training.py"]
)
