"""What asking for the groups costs: `python -m benchmarks.imports`.

Runs `python -X importtime` in fresh processes and prints the fastest of several: milliseconds for the import alone, and the seconds from
the start of Python to the table in hand. Other people's scripts import this room; it should cost them nothing worth noting.
"""

from __future__ import annotations

import subprocess
import sys
import time

from gcaf_lib.terminal import arguments

RUNS = 5
IMPORT = "from gcaf_lib.data import groups"


def import_ms() -> float:
    """Milliseconds that the import takes in a fresh process, by Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", IMPORT], capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stderr.splitlines() if line.endswith(" gcaf_lib.data.groups"))
    return int(line.split("|")[1]) / 1000


def table_seconds() -> float:
    """Seconds from nothing to the table."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"{IMPORT}; groups.load()"], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    arguments(__doc__)
    print(f"import  {min(import_ms() for _ in range(RUNS)):.0f} ms")
    print(f"table   {min(table_seconds() for _ in range(RUNS)):.2f} s, Python's start and pandas included")
