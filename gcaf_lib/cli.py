"""The command `gcaf`: check the data, train, run the chapters, predict.

Only the standard library is imported before a command runs, so that `gcaf --help` answers at
once. What each command does stands in commands/.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import sys
from collections.abc import Sequence

from gcaf_lib import __version__, commands, terminal

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
  gcaf reproduce RUN                        train that run again: the same, bit for bit?
  gcaf predict RUN slice.jpg --cam maps/    probabilities, and where the model looked
  gcaf chapters --profile cpu --only 07 08  execute two chapters of the book
  gcaf audit                                which of the paper's numbers can't be true
  gcaf audit report.txt                     and which of any other report
  gcaf leaks split.csv                      does somebody's split of these images leak?
  gcaf external other/ --run RUN            a model on images from elsewhere, copies left out

RUN is a run's key or the start of it, as `gcaf runs` lists them.

where things are:
  images    --data DIR, else GCAF_DATA, else the cache folder
  cache     GCAF_CACHE, else ~/.cache/gcaf (images, weights, checkpoints)
  records   GCAF_RESULTS, else results/ of the checkout

exit status: 0 done; 1 a check found something wrong; 2 wrong input (one line says what);
130 interrupted. GCAF_DEBUG=1 shows the traceback behind an error.
"""


LIMIT = """\
copies are recognised by content, changed ones not always: cut or moved by 5% one in ten to one in five was missed on
trial, sheared by 10% nearly all. What is missed counts among the images of which nothing is known."""


# keeps the examples' lines as written, and has one column width for every option
_formatter = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=26)


# --- parser --------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says where its help can't be written; argparse would pass over it."""

    def _print_message(self, message: str, file=None) -> None:
        (file or sys.stderr).write(terminal.lines(message or ""))


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; each subcommand's function stands in `run`."""
    parser = _Parser(prog="gcaf", description=DESCRIPTION, epilog=EPILOG, formatter_class=_formatter)
    parser.add_argument("--version", action="version", version=f"gcaf {__version__}")
    rooms = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    images = argparse.ArgumentParser(add_help=False)
    _place_of(images, "--data", "DIR", "the images' folder (else GCAF_DATA, else cache)")
    medical = argparse.ArgumentParser(add_help=False)
    medical.add_argument(
        "--plane",
        default="axial",
        choices=("axial", "coronal", "sagittal"),
        help="of NIfTI volumes (default: axial)",
    )
    _number(
        medical,
        "--slice",
        "of NIfTI volumes (default: the middle one), or frame of DICOM files; counted from 0",
        _natural,
    )
    profile = argparse.ArgumentParser(add_help=False)
    profile.add_argument(
        "--profile",
        default="cpu",
        metavar="P",
        help="demo, cpu, transfer, paper, or a YAML file (default: cpu)",
    )

    data = rooms.add_parser(
        "data",
        help="get or check the images",
        epilog="example:\n  gcaf data check ~/Downloads/archive",
        formatter_class=_formatter,
    )
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name, help, parents=(), example=None):
        room, _, word = name.rpartition(" ")
        command = (actions if room else rooms).add_parser(
            word,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=f"example:\n  {example}" if example else None,
            parents=parents,
            formatter_class=_formatter,
        )
        command.set_defaults(run=getattr(commands, name.replace(" ", "_")))
        return command

    check = add(
        "data check",
        "compare a folder with the published dataset, file by file",
        example="gcaf data check ~/Downloads/archive",
    )
    _place_of(check, "directory", "DIR", "the folder that holds Training/ and Testing/")
    _flag(check, "--json", "the whole report as JSON")
    fetch = add(
        "data fetch",
        "download and verify the images (resumes where it stopped)",
        example="gcaf data fetch --to ~/brain-tumor-mri",
    )
    _flag(fetch, "--figshare", "also the figshare archive (tumour borders)")
    _place_of(fetch, "--archive", "FILE", "a zip file or folder that you downloaded: nothing is fetched")
    _place_of(fetch, "--to", "DIR", "where to (default: the cache folder)")

    train = add(
        "train",
        "train one model, or load it if its record exists",
        [profile, images],
        "gcaf train --profile cpu --seed 1 --set model.fusion=gate",
    )
    _number(train, "--seed", "random seed (default: 0)", _natural, 0)
    _settings(train)
    _flag(train, "--weights", "train again where the record is here but its weights are not, or are damaged")

    sweep = add(
        "sweep",
        "train what is missing of some tables (all of them, if none is named)",
        [profile, images],
        "gcaf sweep table-4 table-5 --profile cpu --seeds 3 --workers 2",
    )
    sweep.add_argument("tables", nargs="*", metavar="TABLE", help="tables by name; a wrong one lists them")
    _number(sweep, "--seeds", "seeds a row (default: the profile's)")
    _several(sweep, "--row", "ROW", "only this row of the tables; may be repeated")
    _settings(sweep, " of every row that does not decide it itself")
    _flag(sweep, "--status", "train nothing; say what is there")
    _number(sweep, "--workers", "processes here (default: 1)", default=1)
    sweep.add_argument("--engine", choices=("joblib", "dask"), default="joblib", help="one machine, or many")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="Dask's scheduler, tcp://host:port")

    chapters_ = add(
        "chapters",
        "execute the book's chapters, several at a time",
        [profile, images],
        "gcaf chapters --profile cpu --only 07 08",
    )
    chapters_.add_argument("--only", nargs="+", default=None, metavar="NN", help="only these chapters")
    _place_of(chapters_, "--out", "DIR", "where to (default: book/notebooks; demo: below _build/demo)")
    _flag(chapters_, "--stale", "execute nothing; name the pages that are not today's")
    _number(chapters_, "--workers", "chapters at a time (default: one a core)")

    predict_ = add(
        "predict",
        "classify images with a trained model",
        [medical],
        "gcaf predict slice.jpg\n  gcaf predict RUN slice.jpg --cam maps/",
    )
    _place_of(
        predict_,
        "record",
        "RUN",
        "a run's key, the start of it, or its folder (default: the model that travels with the package)",
        nargs="?",
    )
    _place_of(predict_, "images", "IMAGE", "image files, DICOM and NIfTI too", nargs="+")
    _flag(predict_, "--json", "JSON in place of a table")
    _place_of(
        predict_,
        "--cam",
        "OUT",
        "write Grad-CAM overlays (PNG) into this folder: of the last maps, which fail a test here (chapter 20)",
    )
    _flag(predict_, "--raw", "the raw weights in place of the EMA weights")

    runs_ = add("runs", "list the run records", example="gcaf runs --json")
    _flag(runs_, "--all", "stage-0 runs too")
    _flag(runs_, "--json", "JSON in place of a table")

    again = add(
        "reproduce", "train a recorded run again and compare it bit for bit", [images], "gcaf reproduce RUN"
    )
    _place_of(again, "record", "RUN", "a run's key, the start of it, or its folder")
    _flag(again, "--stage0", "also the backbones' stage 0, from nothing")
    _flag(again, "--dry", "compare only; don't note it in the results folder")

    settings_ = add(
        "settings", "list every setting: value, range, meaning", example="gcaf settings --profile cpu"
    )
    settings_.add_argument("--profile", metavar="P", help="only this profile's values")
    _flag(settings_, "--json", "JSON in place of a table")

    splits_ = add("splits", "recompute the split manifests", [images], "gcaf splits --out /tmp/splits")
    _place_of(splits_, "--figshare", "DIR", "folder of patients.csv and thumbnails.npz")
    _place_of(splits_, "--out", "DIR", "where to (default: results/splits)")
    floors_ = add(
        "floors",
        "recompute the floors: scores without a network",
        [images],
        "gcaf floors --out /tmp/floors",
    )
    _place_of(floors_, "--figshare", "DIR", "folder of patients.csv and twins.csv")
    _place_of(floors_, "--out", "DIR", "where to write floors.csv and floors_answers.npz (default: results)")
    audit_ = add(
        "audit",
        "which figures of a classification report can't be true, alone or together (of this paper, if none is given: "
        "then results/audit.csv is written anew)",
        example=(
            "gcaf audit report.txt    scikit-learn's classification_report, a CSV or JSON file; - reads what you paste\n"
            "  gcaf audit --strict      this paper's own numbers, against each other and the data\n\n"
            "a CSV of a paper's table (every figure with the decimals it was printed with):\n"
            "  class,precision,recall,f1,support\n"
            "  glioma,93.2%,91.0%,92.1%,300\n"
            "  meningioma,91.4%,,92.4%,306\n"
            "  accuracy,,,92.2%,"
        ),
    )
    _place_of(audit_, "report", "REPORT", "text, CSV or JSON; - for standard input", nargs="?")
    _flag(audit_, "--strict", "of this paper: exit 1 where something contradicts")
    _flag(audit_, "--json", "JSON in place of text")
    _place_of(audit_, "--out", "FILE", "the table as CSV (default: results/audit.csv for this paper)")
    leaks_ = add(
        "leaks",
        "which test (or validation) images of a split have a copy, or the same patient, in training (any split of this dataset)",
        example=(
            "gcaf leaks split.csv --fix better.csv    a CSV with the columns file (or sha256) and part\n"
            "  gcaf leaks data/train data/test          two folders, whatever the files are called or encoded\n\n"
            f"{LIMIT}\n"
            "Exit status 1: test or validation images are known to training, or test images to validation."
        ),
    )
    _place_of(leaks_, "split", "SPLIT", "one CSV, or a training and a test folder", nargs="+")
    _place_of(leaks_, "--fix", "OUT", "write the split with groups kept whole as CSV")
    _number(leaks_, "--seed", "of --fix (default: 0)", _natural, 0)
    _flag(leaks_, "--json", "JSON in place of a table")
    external_ = add(
        "external",
        "find copies of this dataset among images from elsewhere, then score runs on those that are none",
        [medical],
        "gcaf external other/ --run RUN     other/glioma/, other/No Tumor/, ...; a folder below is a case\n"
        "  gcaf external other.csv --csv out.csv     columns file, class and, where known, case\n\n"
        f"{LIMIT}",
    )
    _place_of(external_, "place", "DIR", "a folder of class folders, or a CSV")
    _several(external_, "--run", "RUN", "a run to score (repeatable; none: copies only)", dest="runs")
    _flag(external_, "--raw", "the raw weights in place of the EMA weights")
    _place_of(external_, "--csv", "FILE", "write a row an image: copy, and each run's answer")
    _flag(external_, "--json", "JSON in place of tables, every copy listed")
    add("sync", "write the clean notebooks from their .py sources")
    return parser


def _flag(command: argparse.ArgumentParser, name: str, help: str) -> None:
    command.add_argument(name, action="store_true", help=help)


def _several(command: argparse.ArgumentParser, name: str, metavar: str, help: str, **more) -> None:
    """An option that may be given again."""
    command.add_argument(name, action="append", default=[], metavar=metavar, help=help, **more)


def _settings(command: argparse.ArgumentParser, of: str = "") -> None:
    """The option that changes settings; of: whose, where it isn't plain."""
    _several(command, "--set", "a.b=c", f"change one setting{of} (repeatable; `gcaf settings` lists them)")


def _place_of(command: argparse.ArgumentParser, name: str, metavar: str, help: str, **more) -> None:
    """An argument that names a file or folder, or several."""
    command.add_argument(name, metavar=metavar, type=_place, help=help, **more)


def _place(text: str) -> str:
    """A file or folder: `~` is the home folder also where no shell has put it in (`--to=~/x`)."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name: give a file or folder (is a variable unset?)")
    return os.path.expanduser(text)


def _natural(text: str, least: int = 0) -> int:
    digits = text.lstrip("0") or text[-1:]  # int() takes no thousands of them
    if not text.isdecimal() or len(digits) > 10 or not least <= int(digits) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {2**31 - 1}")
    return int(digits)


_positive = functools.partial(_natural, least=1)


def _number(command: argparse.ArgumentParser, name: str, help: str, kind=_positive, default=None) -> None:
    command.add_argument(name, type=kind, default=default, metavar="N", help=help)


# --- entry ---------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    terminal.prepare()
    status = 0
    try:
        try:
            status = _run(argv)
        finally:
            terminal.finish()
    except BrokenPipeError:  # `gcaf runs | head`: nobody reads any more
        terminal.let_go()
    except OSError as error:  # of the output: a command's own are answered
        terminal.let_go()
        status = status or _refuse(error)
    return status


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the backend's chatter is no answer
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("gcaf: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of the output, which `main` knows about
        raise
    except Exception as error:
        # The project's own errors say what is wrong and what to do; others show where they come from.
        if os.environ.get("GCAF_DEBUG") or not terminal.expected(error):
            raise
        return _refuse(error)


def _refuse(error: Exception) -> int:
    print(f"gcaf: error: {_with_rooms(error, terminal.message(error))}", file=sys.stderr)
    return 2


def _with_rooms(error: Exception, text: str) -> str:
    """The settings that a message names, as --set wants them: a concern that refuses a value (`fusion='nope'`) knows
    only its own field."""
    from gcaf_lib.settings import SettingsError, names

    if not isinstance(error, SettingsError):
        return text
    full = {name.partition(".")[2]: name for name in names()}
    # what the user wrote stays: behind --set, in quotes, or with its concern
    field = rf"(?<!--set )(?<![\w.'\"])({'|'.join(full)})(?==|(?<=_epochs) )"
    return re.sub(field, lambda found: full[found[1]], text)


if __name__ == "__main__":
    sys.exit(main())
