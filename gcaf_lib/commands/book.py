"""Commands that make the book."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gcaf_lib.terminal import visible


def chapters(args: argparse.Namespace) -> int:
    """Execute chapters, or with --stale only name those whose page is not today's (then exit 1)."""
    from gcaf_lib.settings import load

    load(args.profile)  # a wrong profile is said before anything heavy loads
    if args.data:
        os.environ["GCAF_DATA"] = str(Path(args.data).resolve())  # the kernels inherit it
    from gcaf_lib.book import freshness, runner

    out = Path(args.out) if args.out else None
    if args.stale:
        found = freshness.stale(out, only=args.only)
    else:
        found = runner.run_chapters(args.profile, args.only, out, workers=args.workers)
    for item in found:
        print(visible(item))
    return 1 if args.stale and found else 0


def sync(args: argparse.Namespace) -> int:
    """Write the clean notebooks; print those that changed."""
    from gcaf_lib.book import runner

    for path in runner.sync():
        print(visible(path))
    return 0
