"""Commands that check a paper's report (this one's or another's) or a split."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gcaf_lib.commands.output import columns, demand_output, remark, wrote
from gcaf_lib.machine import write_table
from gcaf_lib.terminal import as_json, lines, many, visible


def audit(args: argparse.Namespace) -> int:
    """Audit a report of somebody's (exit 1 where a figure can't be true), or this paper: its contradiction registry."""
    if args.report:
        return _audit_report(args)
    from gcaf_lib.paper import registry
    from gcaf_lib.settings import results_dir

    replaced = demand_output(args.out, [])
    frame = registry.registry()
    print(as_json(frame.to_dict("records")) if args.json else registry.text(frame))
    path = Path(args.out) if args.out else results_dir() / "audit.csv"
    write_table(path, frame)
    wrote(path, replaced)
    if not args.out:  # else no page is made, whose imports take longer than the audit
        from gcaf_lib.book import contradictions

        for path in contradictions.write(frame):
            wrote(path, False)
    return 1 if args.strict and len(registry.failed_checks(frame)) else 0


def _audit_report(args: argparse.Namespace) -> int:
    from gcaf_lib.paper import report_cells, report_check, report_file

    replaced = demand_output(args.out, [] if args.report == "-" else [args.report])
    if args.report == "-":
        report = report_file.parse(_typed(report_file.LARGEST, report_cells.ReportError))
    else:
        report = report_file.read(args.report)
    answer = report_check.check(report)
    print(as_json(answer.to_dict()) if args.json else lines(answer.text()))
    if args.out:
        write_table(args.out, answer.figures)
        wrote(args.out, replaced)
    return 1 if len(answer.impossible) else 0


def _typed(most: int, error: type[Exception]) -> str:
    """Standard input as UTF-8, whatever the locale."""
    if not hasattr(sys.stdin, "buffer"):
        return sys.stdin.read()
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise error("standard input goes on and on: give the report alone")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error("standard input is not text in UTF-8") from None


def leaks(args: argparse.Namespace) -> int:
    """Count what training knows of a split's test images, and validation's part in it; exit 1 where any is known."""
    from gcaf_lib.data import leaks as room
    from gcaf_lib.data import listed
    from gcaf_lib.data.dataset import DataError

    if len(args.split) > 2:
        raise DataError("give one CSV, or a training and a test folder")
    replaced = demand_output(args.fix, args.split)
    table = room.read(args.split[0]) if len(args.split) == 1 else room.scan(*args.split)
    if args.fix and len(args.split) == 2:
        listed.demand_spared(args.fix, table["name"])
    counts = room.counts(table)
    parts = room.mend(table, args.seed)
    sizes, mended = room.sizes(table, table["part"]), room.sizes(table, parts)
    if args.json:
        answer = {name: counts[name].to_dict("records") if name in counts else [] for name in room.CHECKS}
        answer |= {"sizes": sizes, "sizes_with_groups_whole": mended}
        print(as_json({**answer, "unknown": room.unknown(table), "passed_over": table.attrs["aside"]}))
    else:
        print(columns(counts["test"].values.tolist(), ["class", "test images", *room.HEADS]))
        print("\n".join(map(visible, room.said(counts, table))))
        moved = many(int((parts != table["part"]).sum()), "file")
        print(f"the split      {_sizes(sizes)}\ngroups whole   {_sizes(mended)}: {moved} in another part")
    lost = int(((table["part"] == "test") & table["class"].isna()).sum())
    if lost:
        whole = many(int(counts["test"]["images"].iloc[-1]), "test image")
        remark(
            f"gcaf: careful: not recognised: {lost:,} of {whole}; whether training knows them is not known"
        )
    if args.fix:
        if empty := [name for name, files in mended.items() if not files]:
            raise DataError(
                f"{args.fix} was not written: kept whole, the groups leave no file for {', '.join(empty)}: "
                "give a split of more groups"
            )
        room.write_mended(Path(args.fix), table, parts, table.attrs.get("text"))
        wrote(args.fix, replaced)
    return 1 if any(frame["person"].iloc[-1] for frame in counts.values()) else 0


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{part} {n:,}" for part, n in sizes.items())
