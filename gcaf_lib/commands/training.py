"""Commands that train or show runs."""

from __future__ import annotations

import argparse
import operator
from collections.abc import Sequence

from gcaf_lib.commands.output import columns, remark
from gcaf_lib.machine import variables
from gcaf_lib.terminal import as_json, visible

WEIGHTS = ("ema", "raw", "backbone")


def train(args: argparse.Namespace) -> int:
    """Train one run and say where its record is."""
    from gcaf_lib.settings import load

    chosen = load(args.profile, _overrides(args.set))  # a wrong setting is said before Keras loads
    from gcaf_lib.predict import PHANTOM_NOTE
    from gcaf_lib.training import environment

    environment.open_backend()
    from gcaf_lib.training import train as room

    if chosen.data.source == "phantom":
        remark(PHANTOM_NOTE)
    record = room.get(chosen, args.seed, profile=args.profile, data=args.data)
    if args.weights:
        print(f"weights   {visible(room.ensure_weights(record, args.data))}")
    print(f"run       {record.key}")
    print(f"record    {visible(record.folder)}")
    print(f"test      {len(record.labels())} images, accuracy {_accuracy(record):.4f} (EMA weights)")
    if note := _lag(record):
        remark(note)
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
    print(columns(counts, ["table", "runs", *states]))
    failed = plan[plan["state"] == "failed"]
    for job in failed["job"]:
        remark(f"failed: {job.label} (log: {visible(job.log)})")
    return 1 if len(failed) else 0


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
        remark(f"no run records in {visible(store.runs_dir())}; `gcaf train` makes one")
        return 0
    rows = []
    for record in records:
        try:
            rows.append(_line(record))
        except store.RunError as error:  # one damaged record does not hide the others
            remark(f"gcaf: left aside: {visible(error)}")
    header = ["run", "kind", "profile", "seed", "protocol", "backbones", "fusion", "accuracy", "weights"]
    print(columns(rows, header))
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
