"""What each `gcaf` command does: call the library, print the answer, return the exit status.

The answer goes to standard output, everything else to standard error. Imports stand inside
the functions: Keras takes seconds to load and most commands don't need it.
"""

from __future__ import annotations

import argparse
import operator
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gcaf_lib.machine import demand_place, variables, write_table
from gcaf_lib.paper import report_cells
from gcaf_lib.terminal import as_json, lines, many, visible

WEIGHTS = ("ema", "raw", "backbone")
LOADING = "loading the model: some seconds …"
NOTICE = "gcaf: a research reproduction, not a medical device: not for diagnosis."


def train(args: argparse.Namespace) -> int:
    """Train one run and say where its record is."""
    from gcaf_lib.settings import load

    chosen = load(args.profile, _overrides(args.set))  # a wrong setting is said before Keras loads
    from gcaf_lib.predict import PHANTOM_NOTE
    from gcaf_lib.training import environment

    environment.open_backend()
    from gcaf_lib.training import train as room

    if chosen.data.source == "phantom":
        _aside(PHANTOM_NOTE)
    record = room.get(chosen, args.seed, profile=args.profile, data=args.data)
    if args.weights:
        print(f"weights   {visible(room.ensure_weights(record, args.data))}")
    print(f"run       {record.key}")
    print(f"record    {visible(record.folder)}")
    print(f"test      {len(record.labels())} images, accuracy {_accuracy(record):.4f} (EMA weights)")
    if note := _lag(record):
        _aside(note)
    return 0


def _lag(record) -> str | None:
    """A line where the averaged weights, which are reported, still hold so much of their start that it shows."""
    averaged, raw = (_accuracy(record, "validation", which) for which in ("ema", "raw"))
    if raw - averaged < 0.05:
        return None
    return (
        f"note      on validation the averaged weights score {averaged:.4f}, the raw ones {raw:.4f}: the average has not "
        f"caught up. With few steps a smaller training.ema (now {record.settings.training.ema:g}) follows sooner"
    )


def sweep(args: argparse.Namespace) -> int:
    """Run what is missing of some tables; exit 1 where a run failed."""
    from gcaf_lib.settings import SettingsError, load

    base = _overrides(args.set)
    load(args.profile, base)
    if (args.engine == "dask") != bool(args.scheduler):
        raise SettingsError("--engine dask and --scheduler tcp://host:port go together")
    if args.scheduler and args.workers != 1:
        raise SettingsError(
            "--workers is for this machine; with --engine dask the cluster says how many there are"
        )
    from gcaf_lib.training import experiments
    from gcaf_lib.training import sweep as room

    names = args.tables or list(experiments.EXPERIMENTS)
    for name in names:
        experiments.experiment(name)
    asked = {"seeds": args.seeds, "data": args.data, "rows": args.row, "base": base}
    if args.status:
        plan = room.plan(names, args.profile, **asked)
    else:
        plan = room.sweep(names, args.profile, **asked, workers=args.workers, scheduler=args.scheduler)
    states = ["done", "stale", "running", "failed", "missing"]
    counts = [
        [name, len(group), *(int((group["state"] == state).sum()) for state in states)]
        for name, group in plan.groupby("experiment", sort=False)
    ]
    print(_table(counts, ["table", "runs", *states]))
    failed = plan[plan["state"] == "failed"]
    for job in failed["job"]:
        _aside(f"failed: {job.label} (log: {visible(job.log)})")
    return 1 if len(failed) else 0


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


def predict(args: argparse.Namespace) -> int:
    """Print class probabilities; write Grad-CAM overlays if asked to."""
    _aside(NOTICE)
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
        _aside(f"model: run {record.key}, which travels with the package: {record.words()}")
    images = [medical.view(name, args.plane, args.slice) for name in names]
    which = "raw" if args.raw else "ema"

    def loading() -> None:
        if not args.json:
            _aside(LOADING)

    found = room.classify(record, images, which, args.cam, loading)
    if found.banner:
        _aside(found.banner)
    for name in found.blank:
        _aside(
            f"gcaf: careful: {visible(name)} is of one brightness and shows nothing: its answer means nothing"
        )
    if args.json:
        print(as_json(found.to_dict()))
    else:
        rows = [
            [name, found.classes[p.argmax()], *(f"{value:.3f}" for value in p)]
            for name, p in zip(found.images, found.probabilities)
        ]
        print(_table(rows, ["image", "class", *found.classes]))
    for path in found.overlays:
        _wrote(path, path in found.replaced)
    if found.overlays:
        _aside(
            "Grad-CAM as the paper draws it; chapter 20 tests such maps on pictures whose answer is known."
        )
    return 0


def _names_a_file(name: str) -> bool:
    """Whether what may be a run or an image is an image, there or not: a run is a folder, and no key has an ending."""
    return os.path.isfile(name) or (bool(Path(name).suffix) and not os.path.isdir(name))


def reproduce(args: argparse.Namespace) -> int:
    """Train a recorded run again and compare; exit 1 where a bit differs."""
    from gcaf_lib.training import runs as store

    record = store.resolve(args.record)
    from gcaf_lib.training import reproduce as room

    if not args.dry:
        room.read()  # a table that is damaged is said before hours are spent
    with variables(**room.rounding(record)):  # before Keras is imported: oneDNN asks once
        found = room.reproduce(record, args.data, own_stage0=args.stage0)
        noted = None if args.dry else room.note(record, found)
    table = found.differences[~found.differences["identical"]]
    print(f"run       {record.key} ({record.info['profile']}, seed {record.seed})")
    print(f"arrays    {len(found.differences)}, bit for bit the same: {len(found.differences) - len(table)}")
    for row in table.itertuples():
        print(f"differs   {row.array}: by at most {row.largest_difference:.3g}")
    print(f"answers   {found.changed_answers} of {len(record.labels())} test images changed")
    print(f"accuracy  recorded {found.accuracy:.4f}, again {found.accuracy_again:.4f}")
    if not found.identical:
        print(
            "Other instructions of the processor (ONEDNN_MAX_CPU_ISA), numbers of threads (TF_NUM_INTRAOP_THREADS), devices "
            "and versions round differently, and training lets it grow."
        )
    if noted:
        print(f"noted in  {visible(noted)}")
    return 0 if found.identical else 1


def runs(args: argparse.Namespace) -> int:
    """List run records."""
    from gcaf_lib.training import runs as store

    records = store.all_records(None if args.all else "main")
    if args.json:
        print(as_json([{"folder": str(r.folder), **r.info} for r in records]))
        return 0
    if not records:
        _aside(f"no run records in {visible(store.runs_dir())}; `gcaf train` makes one")
        return 0
    rows = []
    for record in records:
        try:
            rows.append(_line(record))
        except store.RunError as error:  # one damaged record does not hide the others
            _aside(f"gcaf: left aside: {visible(error)}")
    header = ["run", "kind", "profile", "seed", "protocol", "backbones", "fusion", "accuracy", "weights"]
    print(_table(rows, header))
    return 0


def _line(record) -> list[object]:
    from gcaf_lib.training import runs as store

    chosen, main = record.settings, record.info["kind"] == "main"
    return [
        record.key,
        record.info["kind"],
        record.info.get("profile", ""),
        record.seed,
        chosen.data.protocol,
        " + ".join(chosen.model.backbones),
        chosen.model.fusion if main else "",
        f"{_accuracy(record):.4f}" if main else "",
        "yes" if any(store.weights_path(record.key, w).is_file() for w in WEIGHTS) else "no",
    ]


def _accuracy(record, part: str = "test", which: str = "ema") -> float:
    return float(record.right(part, which).mean())


def settings(args: argparse.Namespace) -> int:
    """List settings, each with its values under the profiles, its range and its meaning."""
    from gcaf_lib.settings import PROFILES, Settings, load, names

    profiles = (args.profile,) if args.profile else PROFILES
    chosen = {"default": Settings(), **{p: load(p) for p in profiles}}
    listing = []
    for name, field in names().items():
        values = {p: operator.attrgetter(name)(s) for p, s in chosen.items()}
        limits = {key: field.metadata[key] for key in ("choices", "low", "high", "help")}
        listing.append({"name": name, **values, **limits})
    if args.json:
        print(as_json(listing))
        return 0
    for item in listing:
        shown = {p: _shown(item[p]) for p in chosen}
        changed = [f"{p}: {shown[p]}" for p in profiles if shown[p] != shown["default"]]
        print(f"{item['name']} = {shown['default']}{'   (' + '; '.join(changed) + ')' if changed else ''}")
        print(f"    {item['help']}{_range(item)}")
    return 0


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def _range(item: dict) -> str:
    if item["choices"]:
        return f" [{', '.join(map(str, item['choices']))}]"
    if item["low"] is None and item["high"] is None:
        return ""
    return f" [{item['low']} to {item['high']}]"


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

    _output(args.out and os.path.join(args.out, f"{room.MANIFESTS[0]}.csv"), [])
    images = dataset.open_dataset(DataSettings(), args.data)
    keys = room.group_keys(images, args.figshare)
    for protocol in room.MANIFESTS:
        groups = keys["twins" if protocol == "twins" else "patients"]
        frame = room.manifest(protocol, images.frame, groups)
        print(visible(room.write(protocol, frame, images, Path(args.out) if args.out else None)))
    return 0


def floors(args: argparse.Namespace) -> int:
    """Write the floors' table and the look-ups' answers."""
    _output(args.out and os.path.join(args.out, "floors.csv"), [])
    from gcaf_lib.data import dataset
    from gcaf_lib.evaluation import floors as room
    from gcaf_lib.settings import DataSettings

    images = dataset.open_dataset(DataSettings(), args.data)
    seen = room.features(images, args.figshare)
    for path in room.make(seen, images, Path(args.out) if args.out else None):
        print(visible(path))
    return 0


def audit(args: argparse.Namespace) -> int:
    """Audit a report of somebody's (exit 1 where a figure can't be true), or this paper: its contradiction registry."""
    if args.report:
        return _audit_report(args)
    from gcaf_lib.paper import registry
    from gcaf_lib.settings import results_dir

    replaced = _output(args.out, [])
    frame = registry.registry()
    print(as_json(frame.to_dict("records")) if args.json else registry.text(frame))
    path = Path(args.out) if args.out else results_dir() / "audit.csv"
    write_table(path, frame)
    _wrote(path, replaced)
    if not args.out:  # else no page is made, whose imports take longer than the audit
        from gcaf_lib.book import contradictions

        for path in contradictions.write(frame):
            _wrote(path, False)
    return 1 if args.strict and len(registry.errors(frame)) else 0


def _audit_report(args: argparse.Namespace) -> int:
    from gcaf_lib.paper import report_check, report_file

    replaced = _output(args.out, [] if args.report == "-" else [args.report])
    if args.report == "-":
        report = report_file.parse(_typed(report_file.LARGEST, report_cells.ReportError))
    else:
        report = report_file.read(args.report)
    answer = report_check.check(report)
    print(as_json(answer.to_dict()) if args.json else lines(answer.text()))
    if args.out:
        write_table(args.out, answer.figures)
        _wrote(args.out, replaced)
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
    replaced = _output(args.fix, args.split)
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
        print(_table(counts["test"].values.tolist(), ["class", "test images", *room.HEADS]))
        print("\n".join(map(visible, room.said(counts, table))))
        moved = many(int((parts != table["part"]).sum()), "file")
        print(f"the split      {_sizes(sizes)}\ngroups whole   {_sizes(mended)}: {moved} in another part")
    lost = int(((table["part"] == "test") & table["class"].isna()).sum())
    if lost:
        whole = many(int(counts["test"]["images"].iloc[-1]), "test image")
        _aside(
            f"gcaf: careful: not recognised: {lost:,} of {whole}; whether training knows them is not known"
        )
    if args.fix:
        if empty := [name for name, files in mended.items() if not files]:
            raise DataError(
                f"{args.fix} was not written: kept whole, the groups leave no file for {', '.join(empty)}: "
                "give a split of more groups"
            )
        room.write_mended(Path(args.fix), table, parts, table.attrs.get("text"))
        _wrote(args.fix, replaced)
    return 1 if any(frame["person"].iloc[-1] for frame in counts.values()) else 0


def external(args: argparse.Namespace) -> int:
    """Name the copies among images from elsewhere, then score runs on the others; exit 1 where there are copies."""
    _aside(NOTICE)
    from gcaf_lib.data import listed, outside
    from gcaf_lib.training import runs as store

    records = [store.resolve(name) for name in args.runs]  # a wrong name is said before minutes are spent
    if any(record.settings.data.source == "phantom" for record in records):
        from gcaf_lib.predict import PHANTOM_NOTE

        _aside(PHANTOM_NOTE)
    replaced = _output(args.csv, [args.place])
    table = outside.read(args.place, args.plane, args.slice)
    if args.csv:
        listed.demand_spared(args.csv, table["path"])
    which = "raw" if args.raw else "ema"
    if records:
        from gcaf_lib.evaluation import outside as scoring

        scoring.demand(records, which)
    table = outside.find_copies(table, again=True)
    counts, copies = outside.count_copies(table), table[table["copy_of"] != ""]
    scored = scoring.score(records, table, which) if records and len(copies) < len(table) else []
    if args.csv:
        report = outside.report(table, scored)
        report = report.assign(path=report["path"].map(visible), case=report["case"].map(visible))
        write_table(args.csv, report)
        _wrote(args.csv, replaced)
    if args.json:
        report = outside.report(copies).drop(columns="case").to_dict("records")
        answer = {"images": counts.to_dict("records"), "aside": table.attrs["aside"], "copies": report}
        print(as_json({**answer, "runs": [found.to_dict() for found in scored]}))
    else:
        _print_external(table, counts, scored)
    return 1 if len(copies) else 0


def _print_external(table, counts, scored) -> None:
    heads = ["class", "images", "copies", "of Training", "of Testing", "of another class"]
    print(_table(counts.values.tolist(), heads))
    copies = table[table["copy_of"] != ""]
    for row in copies.head(10).itertuples():
        print(f"copy  {visible(row.path)}  is  {row.copy_of}  ({row.how}, {row.similarity:.2f})")
    if len(copies) > 10:
        print(f"and {len(copies) - 10:,} more: --csv FILE or --json lists all")
    if aside := table.attrs["aside"]:
        _aside(f"passed over, no images by their names: {len(aside):,} (the first: {visible(aside[0])})")
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
        print(_table(rows, [*heads, *(f"-> {name}" for name in found.confusion)]))


def _ends(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}" if low == low else "one case"


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{part} {n:,}" for part, n in sizes.items())


def sync(args: argparse.Namespace) -> int:
    """Write the clean notebooks; print those that changed."""
    from gcaf_lib.book import runner

    for path in runner.sync():
        print(visible(path))
    return 0


# --- helpers ---


def _aside(text: str) -> None:
    """What is no answer: to standard error."""
    print(text, file=sys.stderr)


def _output(path: str | None, given: Sequence[str]) -> bool:
    """Whether a file stands where the answer will be written (None: it won't be).

    Raises, before minutes are spent, where none can be written, or one of `given` would be lost.
    """
    if path is None:
        return False
    from gcaf_lib.data import listed

    demand_place(path)
    listed.demand_spared(path, given)
    return os.path.exists(path)


def _wrote(path: str | Path, replaced: bool) -> None:
    _aside(f"wrote {visible(path)}{' (the file of that name was replaced)' if replaced else ''}")


def _overrides(pairs: Sequence[str]) -> dict[str, str]:
    """`["a.b=c"]` as `{"a.b": "c"}`."""
    from gcaf_lib.settings import SettingsError

    out: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set {pair}: write it as name=value, for instance training.batch_size=64")
        if name.strip() in out:
            raise SettingsError(f"--set {name.strip()} is given twice")
        out[name.strip()] = value.strip()
    return out


def _table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Plain columns, two spaces apart; numbers to the right."""
    cells = [list(header), *([visible(c) for c in row] for row in rows)]
    numeric = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(header))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = (
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric)) for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
