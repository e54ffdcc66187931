"""What the benchmarks share: the peers, time and memory, pictures, and the file of results."""

from __future__ import annotations

import datetime
import json
import math
import multiprocessing
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from sklearn.datasets import load_sample_image

import ntkfill
from ntkfill import inpaint

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = ROOT.parent / "shared" / "data" / "images"
LIBRARIES = ("numpy", "scipy", "scikit-learn", "scikit-image", "pillow")
GREYS = (
    *("Cameraman256", "house", "montage", "peppers256", "Lena512", "barbara", "boat", "couple"),
    *("fingerprint", "hill", "man"),
)


def ours(image: np.ndarray, missing: np.ndarray, channel_axis: int | None = None) -> np.ndarray:
    """The default settings, with a cold cache of kernels."""
    return inpaint(image, missing, channel_axis=channel_axis, cache=None)


def biharmonic(
    image: np.ndarray, missing: np.ndarray, channel_axis: int | None = None
) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    return inpaint_biharmonic(image, missing, channel_axis=channel_axis)


PEERS = {"ntkfill": ours, "biharmonic": biharmonic}


@dataclass(frozen=True)
class Run:
    """One call in a process of its own. `peak_mb` is on top of imports and arguments."""

    result: Any
    seconds: float
    peak_mb: float
    process_mb: float


def timed(function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - started


def fresh(function: Callable[..., Any], *args: Any) -> Run:
    """Call a function of a module in a fresh interpreter, with nothing warm but its imports."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, function, args).result()


def alternate(
    functions: dict[str, Callable[..., Any]], runs: dict[str, int], *args: Any
) -> dict[str, list[Run]]:
    """A B A B ..., every call in a fresh interpreter."""
    done: dict[str, list[Run]] = {name: [] for name in functions}
    for k in range(max(runs.values())):
        for name, function in functions.items():
            if k < runs[name]:
                done[name].append(fresh(function, *args))
                print(f"{name}: {done[name][-1].seconds:.2f} s", flush=True)
    return done


def costs(runs: list[Run]) -> dict[str, Any]:
    return {
        "seconds": statistics.median(run.seconds for run in runs),
        "all_seconds": [run.seconds for run in runs],
        "peak_mb": max(run.peak_mb for run in runs),
        "process_mb": max(run.process_mb for run in runs),
    }


def _measured(function: Callable[..., Any], args: tuple[Any, ...]) -> Run:
    before = psutil.Process().memory_info().rss / 1e6
    result, seconds = timed(function, *args)
    return Run(result, seconds, _high_water() - before, _high_water())


def _high_water() -> float:
    """The most memory that this process ever held, in MB."""
    try:  # on Linux ru_maxrss would also count the parent, from before the interpreter started
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def psnr(truth: np.ndarray, filled: np.ndarray, where: Any = ...) -> float:
    """In dB, of values in [0, 1] as they would be shown: clipped."""
    return -10 * math.log10(np.mean((truth - np.clip(filled, 0, 1))[where] ** 2))


def sample(shape: tuple[int, int], mode: str = "RGB") -> np.ndarray:
    """scikit-learn's china.jpg at this size, uint8."""
    picture = Image.fromarray(load_sample_image("china.jpg")).convert(mode)
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.LANCZOS))


def load_pictures(names: Iterable[str], suffix: str = ".png") -> dict[str, np.ndarray]:
    """Pictures that do not come with the project, as floats in [0, 1]."""
    if not DATA.is_dir():
        print("skipped: ../shared/data/images is not there")
        sys.exit(0)
    return {name: np.asarray(Image.open(DATA / f"{name}{suffix}")) / 255 for name in names}


def scattered(shape: tuple[int, ...], known: float) -> np.ndarray:
    """A mask in which this share of the pixels is known."""
    return ~(np.random.default_rng(0).random(shape) < known)


def half_missing(shape: tuple[int, ...]) -> np.ndarray:
    return scattered(shape, 0.5)


def machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gb": psutil.virtual_memory().total / 1e9,
        "load_average": os.getloadavg()[0],
        "os": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def write(name: str, claim: str, figures: dict[str, Any], holds: bool, quick: bool = False) -> None:
    """Print what was measured and, unless it was a quick trial, keep it in results/."""
    report = {
        "claim": claim,
        "holds": holds,
        "figures": figures,
        "machine": machine(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "ntkfill": ntkfill.__version__,
        "commit": _git("rev-parse", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "src")),
    }
    text = json.dumps(_rounded(report), indent=2) + "\n"
    print(text)
    if not quick:
        (RESULTS / f"{name}.json").write_text(text)


def commit() -> str:
    """What is measured."""
    return _git("rev-parse", "HEAD") or "unknown"


def _git(*args: str) -> str | None:
    try:
        done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
