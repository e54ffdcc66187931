"""Tables and screens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import Container

FRAME = pd.DataFrame(
    np.add.outer(np.arange(12.0), [1, 20, 300]) % 7,
    index=[f"row {k}" for k in range(12)],
    columns=["a", "b", "c"],
)
GAPS = np.zeros(FRAME.shape, bool)
GAPS[[2, 5, 7], [0, 1, 2]] = True


def impute(source: Path, target: Path) -> list[str]:
    return ["impute", str(source), "-o", str(target)]


def read_csv(path: Path) -> dict[str, Any]:
    frame = pd.read_csv(path, index_col=0)
    values = frame.to_numpy()
    return {
        "known values": values[~GAPS],
        "gaps": values[GAPS],
        "index": frame.index.tolist(),
        "columns": frame.columns.tolist(),
    }


CONTAINERS = (
    Container(".csv", "pandas", ".csv", FRAME.mask(GAPS).to_csv, read_csv, impute),
)  # fmt: skip
