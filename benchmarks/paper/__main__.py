"""All experiments of the paper at their reduced sizes, one after another, and what each takes.

    python benchmarks/paper [NAME ...]

One that is interrupted starts over, so that its seconds are those of a whole run; those that have
ended are not run again without `--again`. The claim is of the figures of the paper alone. Seconds
are of the processor: what all of it takes on one core; on two it takes less.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

from common import Steps, harness

FIGURES = ("figure2", "figure3", "reconstruction", "figure4")
BEYOND = ("width", "skips", "skips_choice", "molecules", "eigenpro", "svm")
CLAIM = "Every figure of the paper at its reduced size, in one hour of the processor in all."


def processor_seconds(name: str) -> float:
    """What a whole run of an experiment takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = Path(__file__).with_name(f"{name}.py")
    subprocess.run([sys.executable, str(script), "--again"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help="experiments; default: all")
    options.add_argument("--again", action="store_true", help="forget what is done")
    options = options.parse_args()
    steps = Steps("paper", options.again)
    for name in options.names or FIGURES + BEYOND:
        steps.run(name, lambda: processor_seconds(name))  # noqa: B023
    if not steps.done.keys() >= {*FIGURES, *BEYOND}:
        return
    of_paper = sum(steps.done[name] for name in FIGURES)
    figures = {"cpu_seconds": steps.done, "figures_of_the_paper": of_paper,
               "all": sum(steps.done.values())}  # fmt: skip
    harness.write("paper", CLAIM, figures, of_paper <= 3600)


if __name__ == "__main__":
    main()
