"""What a benchmark keeps with `--out`: what was asked, the figures, and the machine and versions they are of."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.throughput.summary import write
from gcaf_lib.training import environment


def _json_file(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".json":
        raise argparse.ArgumentTypeError(f"{text}: the name must end in .json")
    return path


def add_out(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark's command line its `--out`."""
    parser.add_argument(
        "--out", type=_json_file, metavar="FILE.json", help="keep the figures, machine and versions"
    )


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.<name>`, whose help is the module's text; `add_out` gives it its `--out`."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def keep(given: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write the figures to the file that `--out` names; nothing where it names none."""
    if given.out:
        asked = {name: value for name, value in vars(given).items() if name != "out"}
        tree = {"asked": asked, **figures, "machine": environment.describe()}
        write(given.out, json.dumps(tree, indent=1) + "\n")
