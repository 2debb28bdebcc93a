"""How long `make demo` takes from an empty clone: seconds of its parts by the clock.

    python -m benchmarks.demo [--out results/benchmarks/demo-cpu.json]

Clones the checkout's commit into a folder of its own and runs `make demo` there, with an empty pip cache: the *environment*, the
*trainings* of the demo's runs, its *chapters* and the *site*. A part ends where the command of the next is printed, and the
trainings where the first chapter that ends began. An idle machine, please.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks import figures
from gcaf_lib.book import runner

ENDED = re.compile(r" *1 of \d+  .+  (\d+) s")  # the runner's line of the first chapter that has ended


def parts(lines: Iterable[tuple[float, str]], whole: float) -> dict[str, float]:
    """Seconds of each part of `make demo` from what it printed, each line with the second at which it came; whole: of all.

    Raises `ValueError` where a part's command or the chapters' first line is missing.
    """
    ends: dict[str, float] = {}
    for second, line in lines:
        if "gcaf chapters --profile demo" in line:
            ends.setdefault("environment", second)
        elif found := ENDED.match(line):
            ends.setdefault("trainings", second - int(found[1]))
        elif "jupyter-book build" in line:
            ends.setdefault("chapters", second)
    if missing := [name for name in ("environment", "trainings", "chapters") if name not in ends]:
        raise ValueError(f"make demo printed no line that ends its {missing[0]}")
    edges = [0.0, *ends.values(), whole]
    return dict(zip((*ends, "site"), (end - start for start, end in itertools.pairwise(edges))))


def main(arguments: list[str] | None = None) -> int:
    """Run the demo, print its output and its parts, and keep the figures."""
    parser = figures.parser("demo", __doc__)
    figures.add_out(parser)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(runner.root()), str(clone)], check=True)
        path = os.pathsep.join(
            p for p in os.environ["PATH"].split(os.pathsep) if p != os.path.dirname(sys.executable)
        )
        alone = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS")}
        alone |= {"PATH": path, "PIP_CACHE_DIR": str(Path(folder) / "pip")}
        start, lines = time.perf_counter(), []
        with subprocess.Popen(
            ["make", "demo"], cwd=clone, env=alone, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as made:  # fmt: skip
            for line in made.stdout:
                lines.append((time.perf_counter() - start, line))
                print(line, end="", flush=True)
        clock = time.perf_counter() - start
    if made.returncode:
        return made.returncode
    seconds = parts(lines, clock)
    print(*(f"{name} {spent:.0f} s" for name, spent in seconds.items()), sep="  ")
    figures.keep(args, {"seconds": seconds, "clock": clock})
    return 0


if __name__ == "__main__":
    sys.exit(main())
