"""What every container keeps, loses and says: each is written by a library, filled by `ntkfill`,
and read back by the same library."""

import argparse
import tempfile
from pathlib import Path

from containers import grids, measure, row, tables
from harness import write

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "containers.md"
CLAIM = "Of every container all that its library reads is kept, or said not to be."
KINDS = {"Pictures, volumes and maps": grids.CONTAINERS, "Tables and screens": tables.CONTAINERS}
INTRODUCTION = """# What is kept

Each container was written by the library beside it, filled by `ntkfill`, and read back by the same
library. What was equal before and after is kept; with the rest, what is said on stderr. The tables
are made by `python benchmarks/roundtrip.py --page`; the tests compare them with what they measure.
"""
HEAD = "| container | library | kept | not kept, and said |\n|---|---|---|---|\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help=f"also write {PAGE}")
    with_page = parser.parse_args().page
    page, figures = INTRODUCTION, {}
    for title, containers in KINDS.items():
        page += f"\n## {title}\n\n{HEAD}"
        for container in containers:
            with tempfile.TemporaryDirectory() as folder:
                outcome = measure(container, Path(folder))
            page += row(container, outcome) + "\n"
            names = {"kept": outcome.kept, "said": outcome.said, "lost": outcome.lost}
            figures[f"{container.name} ({container.library})"] = names
            if outcome.lost:
                print(f"{container.name} lost {', '.join(outcome.lost)}: {outcome.printed}")
    if with_page:
        PAGE.write_text(page)
    write("roundtrip", CLAIM, figures, not any(each["lost"] for each in figures.values()))


if __name__ == "__main__":
    main()
