"""Where the time of the test suite goes: seconds of each file of tests, and of the longest tests.

    python -m benchmarks.suite [--workers 2] [--out results/benchmarks/suite-cpu.json] [-- tests/test_twins.py]

Runs what `make test` runs and reads pytest's own report; a test's seconds hold what was set up for it first, and so may what
is set up once for many. What stands behind `--` goes to pytest. An idle machine, please.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from benchmarks import figures

LONGEST = 15


def seconds(suite: ElementTree.Element) -> tuple[Counter[str], Counter[str]]:
    """Seconds, set-up included, of each file of tests and of each test (its parameters added up), of a suite in JUnit's form."""
    files, tests = Counter(), Counter()
    for case in suite.iter("testcase"):
        file, spent = case.get("classname", "").removeprefix("tests."), float(case.get("time", 0))
        files[file] += spent
        tests[f"{file}::{case.get('name', '').split('[')[0]}"] += spent
    return files, tests


def main(arguments: list[str] | None = None) -> int:
    """Run the suite, print the longest tests and keep the figures."""
    parser = figures.parser("suite", __doc__)
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
        suite = ElementTree.parse(report).find("testsuite")
    files, tests = seconds(suite)
    counted = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    processor = sum(after[2:4]) - sum(before[2:4])  # of children, and theirs
    longest = dict(tests.most_common(LONGEST))
    for name, value in longest.items():
        print(f"{value:7.1f} s  {name}")
    figures.keep(
        args,
        {
            "counted": counted,
            "clock": clock,
            "processor": processor,
            "files": dict(files.most_common()),
            "longest": longest,
        },
    )
    return rc


if __name__ == "__main__":
    sys.exit(main())
