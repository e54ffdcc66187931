"""Every example runs as it stands, says what it should, and writes nowhere but where it is told."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SAYS = {
    "signal_gap.py": "values filled",
    "volume.py": "RMSE",
    "one_mask_many_frames.py": "frame 4",
    "heatmaps.py": "6 heat maps",
}


def test_none_is_forgotten():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_example(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *([tmp_path] if "heat" in name else [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout
    assert {path.suffix for path in tmp_path.iterdir()} <= {".png"}
