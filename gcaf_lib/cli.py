"""The command `gcaf`: check the data, train, run the chapters, predict.

Only argparse and the standard library are imported before a command is known, so that
`gcaf --help` answers at once. The functions below parse, call the library and print;
what they print to standard output is the answer, everything else goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = (
    "Brain-tumour MRI classification by gated cross-attention fusion: the book's library, from a shell."
)
EPILOG = """\
examples:
  gcaf train --profile demo                 train on phantoms: minutes, no data, no network
  gcaf data fetch                           get the real images into the cache folder
  gcaf data check ~/brain-tumor-mri         is this folder the dataset, whole and unaltered?
  gcaf train --profile cpu --seed 1 --set model.fusion=gate --set training.mixup=0
  gcaf settings --profile cpu               every setting: value, range, meaning
  gcaf runs                                 what has been trained
  gcaf predict 3f2a slice.jpg --cam maps/   probabilities, and where the model looked
  gcaf chapters --profile cpu --only 07 08  execute two chapters of the book

where things are:
  images    --data DIR, else GCAF_DATA, else the cache folder
  cache     GCAF_CACHE, else ~/.cache/gcaf (images, weights, checkpoints)
  records   GCAF_RESULTS, else results/ of the checkout

exit status: 0 done; 1 a check found something wrong; 2 wrong input (one line says what);
130 interrupted. GCAF_DEBUG=1 shows the traceback behind an error.
"""
WEIGHTS = ("ema", "raw", "backbone")
NOTICE = "gcaf: a research reproduction, not a medical device: not for diagnosis."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keep the examples' lines as written, use one column width for every option."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)


# --- parser --------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; each subcommand's function stands in `run`."""
    parser = argparse.ArgumentParser(
        prog="gcaf", description=DESCRIPTION, epilog=EPILOG, formatter_class=_Formatter
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    data_option = argparse.ArgumentParser(add_help=False)
    data_option.add_argument("--data", metavar="DIR", help="the images' folder (else GCAF_DATA, else cache)")
    choice = argparse.ArgumentParser(add_help=False)
    choice.add_argument(
        "--profile", default="cpu", metavar="P", help="demo, cpu, paper, or a YAML file (default: cpu)"
    )
    choice.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=c",
        help="change one setting (repeatable; `gcaf settings` lists them)",
    )
    seed = argparse.ArgumentParser(add_help=False)
    seed.add_argument("--seed", type=_natural, default=0, metavar="N", help="random seed (default: 0)")

    def add(where, name, run, help, parents=(), example=None):
        command = where.add_parser(
            name,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=f"example:\n  {example}" if example else None,
            parents=parents,
            formatter_class=_Formatter,
        )
        command.set_defaults(run=run)
        return command

    data = commands.add_parser("data", help="get or check the images", formatter_class=_Formatter)
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = add(
        actions,
        "check",
        data_check,
        "compare a folder with the published dataset, file by file",
        example="gcaf data check ~/Downloads/archive",
    )
    check.add_argument("directory", metavar="DIR", help="the folder that holds Training/ and Testing/")
    check.add_argument("--json", action="store_true", help="the whole report as JSON")
    fetch = add(actions, "fetch", data_fetch, "download and verify the images (resumes where it stopped)")
    fetch.add_argument("--figshare", action="store_true", help="also the figshare archive (tumour borders)")
    fetch.add_argument("--to", metavar="DIR", help="where to (default: the cache folder)")

    add(
        commands,
        "train",
        train,
        "train one model, or load it if its record exists",
        [choice, seed, data_option],
        "gcaf train --profile cpu --seed 1 --set model.fusion=gate",
    )

    chapters_ = add(
        commands,
        "chapters",
        chapters,
        "execute the book's chapters in order",
        [choice, data_option],
        "gcaf chapters --profile cpu --only 07 08",
    )
    chapters_.add_argument("--only", nargs="+", default=None, metavar="NN", help="only these chapters")
    chapters_.add_argument("--out", metavar="DIR", help="where to (default: book/notebooks)")

    predict_ = add(
        commands,
        "predict",
        predict,
        "classify images with a trained model",
        example="gcaf predict 3f2a slice.jpg --cam maps/",
    )
    predict_.add_argument("record", metavar="RUN", help="a run's key, the start of it, or its folder")
    predict_.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    predict_.add_argument("--json", action="store_true", help="JSON in place of a table")
    predict_.add_argument("--cam", metavar="OUT", help="write Grad-CAM overlays (PNG) into this folder")
    predict_.add_argument("--raw", action="store_true", help="the last weights in place of the EMA weights")

    runs_ = add(commands, "runs", runs, "list the run records")
    runs_.add_argument("--all", action="store_true", help="stage-0 runs too")
    runs_.add_argument("--json", action="store_true", help="JSON in place of a table")

    settings_ = add(commands, "settings", settings, "list every setting: value, range, meaning")
    settings_.add_argument("--profile", metavar="P", help="only this profile's values")
    settings_.add_argument("--json", action="store_true", help="JSON in place of a table")

    splits_ = add(commands, "splits", splits, "recompute the split manifests", [data_option, seed])
    splits_.add_argument("--out", metavar="DIR", help="where to (default: results/splits)")
    floors_ = add(commands, "floors", floors, "recompute the floors: scores without a network", [data_option])
    floors_.add_argument("--out", metavar="FILE", help="where to (default: results/floors.csv)")
    sync_ = add(commands, "sync", sync, "write the clean notebooks from their .py sources")
    sync_.add_argument("--check", action="store_true", help="change nothing; exit 1 where a pair has drifted")
    return parser


def _version() -> str:
    from gcaf_lib import __version__

    return f"gcaf {__version__}"


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**31 - 1}")
    return int(text)


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
    cells = [list(header), *([str(c) for c in row] for row in rows)]
    numeric = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(header))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = (
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric)) for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


# --- commands ------------------------------------------------------------------------------


def train(args: argparse.Namespace) -> int:
    """Train one run and say where its record is."""
    from gcaf_lib.settings import load

    chosen = load(args.profile, _overrides(args.set))
    from gcaf_lib.data import dataset
    from gcaf_lib.training import train as room

    images = dataset.open_dataset(chosen.data, args.data)
    _banner(images.banner)
    record = room.get(chosen, args.seed, images, profile=args.profile)
    print(f"run       {record.key}")
    print(f"record    {record.folder}")
    print(f"test      {len(record.labels())} images, accuracy {_accuracy(record):.4f} (EMA weights)")
    return 0


def chapters(args: argparse.Namespace) -> int:
    """Execute chapters and write them where the site reads them."""
    from gcaf_lib.settings import load

    overrides = _overrides(args.set)
    load(args.profile, overrides)  # a wrong setting is said before the first chapter starts
    if args.data:
        os.environ["GCAF_DATA"] = str(Path(args.data).resolve())  # the kernels inherit it
    from gcaf_lib.report import book

    for path in book.execute(
        args.profile, only=args.only, overrides=overrides, out=Path(args.out) if args.out else None
    ):
        print(path)
    return 0


def predict(args: argparse.Namespace) -> int:
    """Print class probabilities; write Grad-CAM overlays if asked to."""
    print(NOTICE, file=sys.stderr)
    from gcaf_lib import predict as room
    from gcaf_lib.training import runs as store

    found = room.classify(store.resolve(args.record), args.images, "raw" if args.raw else "ema", args.cam)
    _banner(found.banner)
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
        return 0
    rows = [
        [name, found.classes[p.argmax()], *(f"{value:.3f}" for value in p)]
        for name, p in zip(found.images, found.probabilities)
    ]
    print(_table(rows, ["image", "class", *found.classes]))
    for path in found.overlays:
        print(f"wrote {path}", file=sys.stderr)
    return 0


def runs(args: argparse.Namespace) -> int:
    """List run records."""
    from gcaf_lib.training import runs as store

    records = store.all_records(None if args.all else "main")
    if args.json:
        print(json.dumps([{"folder": str(r.folder), **r.info} for r in records], indent=1))
        return 0
    if not records:
        print(f"no run records in {store.runs_dir()}; `gcaf train` makes one", file=sys.stderr)
        return 0
    rows = []
    for record in records:
        chosen, main = record.settings, record.info["kind"] == "main"
        rows.append(
            [
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
        )
    header = ["run", "kind", "profile", "seed", "protocol", "backbones", "fusion", "accuracy", "weights"]
    print(_table(rows, header))
    return 0


def _accuracy(record) -> float:
    return float((record.probabilities().argmax(1) == record.labels()).mean())


def settings(args: argparse.Namespace) -> int:
    """List settings, each with its values under the profiles, its range and its meaning."""
    from gcaf_lib.settings import PROFILES, Settings, load, names

    profiles = (args.profile,) if args.profile else PROFILES
    chosen = {"default": Settings(), **{p: load(p) for p in profiles}}

    def value(of: Settings, name: str):
        room, leaf = name.split(".")
        return getattr(getattr(of, room), leaf)

    listing = []
    for name, field in names().items():
        limits = field.metadata
        listing.append(
            {
                "name": name,
                **{p: value(s, name) for p, s in chosen.items()},
                "choices": limits["choices"],
                "low": limits["low"],
                "high": limits["high"],
                "help": limits["help"],
            }
        )
    if args.json:
        print(json.dumps(listing, indent=1))
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


def _banner(text: str | None) -> None:
    if text:
        print(text, file=sys.stderr)


def data_check(args: argparse.Namespace) -> int:
    """Compare a folder with the committed manifest; exit 1 where they differ."""
    from gcaf_lib.data import check

    report = check.compare(Path(args.directory))
    print(json.dumps(report.to_dict(), indent=1) if args.json else report.text())
    return 0 if report.ok else 1


def data_fetch(args: argparse.Namespace) -> int:
    """Download the dataset and say where it is."""
    from gcaf_lib.data import fetch

    print(fetch.fetch(Path(args.to) if args.to else None, figshare=args.figshare))
    return 0


def splits(args: argparse.Namespace) -> int:
    """Write every protocol's manifest."""
    from gcaf_lib.data import splits as room

    for path in room.write(args.data, seed=args.seed, out=Path(args.out) if args.out else None):
        print(path)
    return 0


def floors(args: argparse.Namespace) -> int:
    """Write the floors' table."""
    from gcaf_lib.evaluation import floors as room

    print(room.write(args.data, out=Path(args.out) if args.out else None))
    return 0


def sync(args: argparse.Namespace) -> int:
    """Write, or check, the clean notebooks."""
    from gcaf_lib.report import book

    drifted = book.sync(check=args.check)
    for path in drifted:
        print(path)
    return 1 if args.check and drifted else 0


# --- entry ---------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the backend's chatter is no answer
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("gcaf: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `gcaf runs | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # The project's own errors say what is wrong and what to do; others show where they come from.
        if os.environ.get("GCAF_DEBUG") or not _expected(error):
            raise
        print(f"gcaf: error: {_message(error)}", file=sys.stderr)
        return 2


def _expected(error: Exception) -> bool:
    """The project's own exceptions and the operating system's; a bug elsewhere stays visible."""
    return isinstance(error, OSError) or type(error).__module__.startswith("gcaf_lib.")


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
