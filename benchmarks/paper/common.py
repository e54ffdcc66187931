"""What the paper's experiments share: results that survive an interruption, and pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import harness

PICTURES = harness.ROOT / "docs" / "images"


def parser(text: str) -> argparse.ArgumentParser:
    """The options of every experiment."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--full", action="store_true", help="the size of the paper: hours")
    parser.add_argument("--data", type=Path, default=harness.DATA.parent, help="folder of data")
    parser.add_argument("--again", action="store_true", help="forget what is done")
    return parser


def arguments(text: str) -> argparse.Namespace:
    """The options of an experiment that has no others."""
    return parser(text).parse_args()


class Steps:
    """Results of single steps, each written down when it ends; a second run of the same commit goes
    on from there."""

    def __init__(self, name: str, again: bool = False) -> None:
        self.path = harness.ROOT / "build" / f"{name}-{harness.commit()[:7]}.json"
        self.path.parent.mkdir(exist_ok=True)
        known = self.path.exists() and not again
        self.done: dict[str, Any] = json.loads(self.path.read_text()) if known else {}

    def run(self, key: str, step: Callable[[], Any]) -> Any:
        if key not in self.done:
            self.done[key] = step()
            print(f"{key}: {str(self.done[key])[:200]}", flush=True)
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(self.done))
            partial.replace(self.path)
        return self.done[key]


def read(path: Path, side: int | None = None) -> np.ndarray:
    """A picture as floats in [0, 1], reduced to at most this many pixels along its longer side."""
    picture = Image.open(path).convert("RGB")
    if side is not None and max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture) / 255


def save_row(name: str, images: list[np.ndarray], scale: int = 2) -> None:
    """Pictures of one size for the documentation, side by side, white in between."""
    margins = [(0, 0), (0, 4), (0, 0)]
    large = [np.kron(np.clip(image, 0, 1), np.ones((scale, scale, 1))) for image in images]
    row = np.hstack([np.pad(image, margins, constant_values=1.0) for image in large])[:, :-4]
    kind = "png" if scale > 2 else "jpg"
    Image.fromarray(np.rint(row * 255).astype(np.uint8)).save(PICTURES / f"paper_{name}.{kind}")
