"""Commands that ask a trained model about images."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gcaf_lib.commands.output import columns, demand_output, remark, wrote
from gcaf_lib.machine import write_table
from gcaf_lib.terminal import as_json, many, visible

LOADING = "loading the model: some seconds …"
NOTICE = "gcaf: a research reproduction, not a medical device: not for diagnosis."


def predict(args: argparse.Namespace) -> int:
    """Print class probabilities; write Grad-CAM overlays if asked to."""
    remark(NOTICE)
    from gcaf_lib import predict as room
    from gcaf_lib.data import medical
    from gcaf_lib.training import runs as store
    from gcaf_lib.training import shipped

    names = list(args.images)
    if args.record and not _names_a_file(args.record):
        record = store.resolve(args.record)
        if not args.raw and not store.weights_path(record.key, "ema").is_file():
            travels = shipped.read()
            record = travels if record.key == travels.key else record
    else:
        names[:0] = filter(None, [args.record])
        record = shipped.read()
    if isinstance(record, shipped.Shipped):
        remark(f"model: run {record.key}, which travels with the package: {record.words()}")
    images = [medical.view(name, args.plane, args.slice) for name in names]
    which = "raw" if args.raw else "ema"

    def loading() -> None:
        if not args.json:
            remark(LOADING)

    found = room.classify(record, images, which, args.cam, loading)
    if found.banner:
        remark(found.banner)
    for name in found.blank:
        remark(
            f"gcaf: careful: {visible(name)} is of one brightness and shows nothing: its answer means nothing"
        )
    if args.json:
        print(as_json(found.to_dict()))
    else:
        rows = [
            [name, found.classes[p.argmax()], *(f"{value:.3f}" for value in p)]
            for name, p in zip(found.images, found.probabilities)
        ]
        print(columns(rows, ["image", "class", *found.classes]))
    for path in found.overlays:
        wrote(path, path in found.replaced)
    if found.overlays:
        remark(
            "Grad-CAM as the paper draws it; chapter 20 tests such maps on pictures whose answer is known."
        )
    return 0


def _names_a_file(name: str) -> bool:
    """Whether what may be a run or an image is an image, there or not: a run is a folder, and no key has an ending."""
    return os.path.isfile(name) or (bool(Path(name).suffix) and not os.path.isdir(name))


def external(args: argparse.Namespace) -> int:
    """Name the copies among images from elsewhere, then score runs on the others; exit 1 where there are copies."""
    remark(NOTICE)
    from gcaf_lib.data import listed, outside
    from gcaf_lib.training import runs as store

    records = [store.resolve(name) for name in args.runs]  # a wrong name is said before minutes are spent
    if any(record.settings.data.source == "phantom" for record in records):
        from gcaf_lib.predict import PHANTOM_NOTE

        remark(PHANTOM_NOTE)
    replaced = demand_output(args.csv, [args.place])
    table = outside.read(args.place, args.plane, args.slice)
    if args.csv:
        listed.demand_spared(args.csv, table["path"])
    which = "raw" if args.raw else "ema"
    if records:
        from gcaf_lib.evaluation import outside_scores

        outside_scores.demand(records, which)
    table = outside.find_copies(table, again=True)
    counts, copies = outside.count_copies(table), table[table["copy_of"] != ""]
    scored = outside_scores.score(records, table, which) if records and len(copies) < len(table) else []
    if args.csv:
        report = outside.report(table, scored)
        report = report.assign(path=report["path"].map(visible), case=report["case"].map(visible))
        write_table(args.csv, report)
        wrote(args.csv, replaced)
    if args.json:
        report = outside.report(copies).drop(columns="case").to_dict("records")
        answer = {"images": counts.to_dict("records"), "aside": table.attrs["aside"], "copies": report}
        print(as_json({**answer, "runs": [found.to_dict() for found in scored]}))
    else:
        _print_external(table, counts, scored)
    return 1 if len(copies) else 0


def _print_external(table, counts, scored) -> None:
    heads = ["class", "images", "copies", "of Training", "of Testing", "of another class"]
    print(columns(counts.values.tolist(), heads))
    copies = table[table["copy_of"] != ""]
    for row in copies.head(10).itertuples():
        print(f"copy  {visible(row.path)}  is  {row.copy_of}  ({row.how}, {row.similarity:.2f})")
    if len(copies) > 10:
        print(f"and {len(copies) - 10:,} more: --csv FILE or --json lists all")
    if aside := table.attrs["aside"]:
        remark(f"passed over, no images by their names: {len(aside):,} (the first: {visible(aside[0])})")
    for found in scored:
        left = found.left_out
        copies = "1 copy" if left["copies"] == 1 else f"{left['copies']:,} copies"
        print(f"\nrun {found.run}: {many(len(found.table), 'image')}; left out {copies}, ", end="")
        print(f"{left['classes']:,} of a class that the run doesn't know")
        rows = [
            [
                *(row["class"], row.images, row.cases, f"{100 * row.recall:.1f}", _ends(row.low, row.high)),
                *(
                    f"{value:.2f}" if value == value else "-"
                    for value in (row.confidence, row.confidence_wrong)
                ),
                *found.confusion.loc[row["class"]],
            ]
            for _, row in found.recall.iterrows()
        ]
        heads = ["class", "images", "cases", "recall %", "95% interval", "sure", "sure if wrong"]
        print(columns(rows, [*heads, *(f"-> {name}" for name in found.confusion)]))


def _ends(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}" if low == low else "one case"
