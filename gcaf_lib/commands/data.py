"""Commands of the images, their splits and the look-up on them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gcaf_lib.commands.output import demand_output
from gcaf_lib.terminal import as_json, lines, visible


def data_check(args: argparse.Namespace) -> int:
    """Compare a folder with the committed manifest; exit 1 where they differ."""
    from gcaf_lib.data import check

    report = check.compare(Path(args.directory))
    print(as_json(report.to_dict()) if args.json else report.text())
    return 0 if report.ok else 1


def data_fetch(args: argparse.Namespace) -> int:
    """Download the dataset and say where it is."""
    from gcaf_lib.data import fetch

    where, archive = (Path(p) if p else None for p in (args.to, args.archive))
    print(lines(fetch.fetch(where, figshare=args.figshare, archive=archive)))
    return 0


def splits(args: argparse.Namespace) -> int:
    """Write every protocol's manifest."""
    from gcaf_lib.data import dataset
    from gcaf_lib.data import splits as room
    from gcaf_lib.settings import DataSettings

    demand_output(args.out and os.path.join(args.out, f"{room.MANIFESTS[0]}.csv"), [])
    images = dataset.open_dataset(DataSettings(), args.data)
    keys = room.group_keys(images, args.figshare)
    for protocol in room.MANIFESTS:
        groups = keys["twins" if protocol == "twins" else "patients"]
        frame = room.manifest(protocol, images.frame, groups)
        print(visible(room.write(protocol, frame, images, Path(args.out) if args.out else None)))
    return 0


def floors(args: argparse.Namespace) -> int:
    """Write the floors' table and the look-ups' answers."""
    demand_output(args.out and os.path.join(args.out, "floors.csv"), [])
    from gcaf_lib.data import dataset
    from gcaf_lib.evaluation import floors as room
    from gcaf_lib.settings import DataSettings

    images = dataset.open_dataset(DataSettings(), args.data)
    seen = room.features(images, args.figshare)
    for path in room.make(seen, images, Path(args.out) if args.out else None):
        print(visible(path))
    return 0
