"""Where the time of the test suite goes: seconds of each file of tests, and of the longest tests.

    python -m benchmarks.suite [--workers 2] [--out results/benchmarks/suite-cpu.json] [-- tests/test_twins.py]

Runs what `make test` runs and reads pytest's own report; a test's seconds hold what was set up for it first, and so may what
is set up once for many. What stands behind `--` goes to pytest. An idle machine, please.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from benchmarks import figures

LONGEST = 15


def seconds(report: Path) -> dict[str, float]:
    """Test → its seconds, set-up included, of a report in JUnit's form. Tests' parameters are added up."""
    spent: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name', '').split('[')[0]}"
        spent[name] = spent.get(name, 0.0) + float(case.get("time", 0))
    return spent


def by_file(spent: dict[str, float]) -> dict[str, float]:
    """File of tests → seconds, the longest first."""
    files: dict[str, float] = {}
    for name, value in spent.items():
        files[name.split("::")[0]] = files.get(name.split("::")[0], 0.0) + value
    return dict(sorted(files.items(), key=lambda item: -item[1]))


def main(arguments: list[str] | None = None) -> int:
    """Run the suite, print the longest tests and keep the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=2, help="processes of pytest (default: 2)")
    parser.add_argument("tests", nargs="*", help="passed on to pytest (default: the whole suite)")
    figures.add_out(parser)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        how = ["-q", "-n", str(args.workers), "--dist", "loadfile", "--no-loadscope-reorder"]
        before, start = os.times(), time.perf_counter()
        rc = subprocess.run(
            [sys.executable, "-m", "pytest", *how, f"--junitxml={report}", *args.tests]
        ).returncode
        clock, after = time.perf_counter() - start, os.times()
        if rc > 1:  # 1: some tests failed, the others have their time
            return rc
        suite, spent = ElementTree.parse(report).find("testsuite"), seconds(report)
    counted = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    processor = sum(after[2:4]) - sum(before[2:4])  # of children, and theirs
    longest = dict(sorted(spent.items(), key=lambda item: -item[1])[:LONGEST])
    for name, value in longest.items():
        print(f"{value:7.1f} s  {name}")
    figures.keep(
        args,
        {
            "counted": counted,
            "clock": clock,
            "processor": processor,
            "files": by_file(spent),
            "longest": longest,
        },
    )
    return rc


if __name__ == "__main__":
    sys.exit(main())
