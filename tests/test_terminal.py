"""Terminals and pipes that are not ours: any encoding, any name, a reader that leaves early, a device that is full."""

import ast
import io
import json
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from absl import logging as absl_logging
from PIL import Image

import gcaf_lib
from gcaf_lib import cli, terminal
from gcaf_lib.training import runs

PACKAGE = Path(gcaf_lib.__file__).parent
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "C"}


def gcaf(*arguments, cwd=None, **more) -> subprocess.CompletedProcess:
    """The command in a process of its own, its output as bytes."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"} | {
        "PYTHONPATH": str(PACKAGE.parent)
    }
    command = [sys.executable, "-m", "gcaf_lib.cli", *arguments]
    return subprocess.run(command, env=env | more, capture_output=True, cwd=cwd, timeout=300)


@pytest.mark.parametrize("encoding", [PLAIN, {"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii"}])
def test_no_encoding_of_the_output_ends_a_command(tmp_path, encoding):
    done = gcaf("audit", "--out", str(tmp_path / "audit.csv"), **encoding)
    assert done.returncode == 0, done.stderr.decode()
    assert b"checks:" in done.stdout and b"Traceback" not in done.stderr
    assert "§" in (tmp_path / "audit.csv").read_text(encoding="utf-8"), (
        "files are UTF-8 whatever the terminal is"
    )
    assert (tmp_path / "audit.csv").read_bytes() == gcaf_audit()


_KEPT: list[bytes] = []


def gcaf_audit() -> bytes:
    """The same file as a UTF-8 terminal gets it, made once."""
    if not _KEPT:
        import tempfile

        from gcaf_lib.machine import write_table
        from gcaf_lib.paper import registry

        with tempfile.TemporaryDirectory() as folder:
            write_table(Path(folder) / "audit.csv", registry.registry())
            _KEPT.append((Path(folder) / "audit.csv").read_bytes())
    return _KEPT[0]


def test_a_bound_is_cut_so_that_it_stays_true():
    assert terminal.cut(0.91329, 4) == "0.9132" and terminal.cut(0.91321, 4, up=True) == "0.9133"
    assert terminal.cut(0.9973, 4) == terminal.cut(0.9973, 4, up=True) == "0.9973", (
        "not by a float's last bit"
    )
    assert (
        terminal.cut(2, 1) == "2.0" and terminal.cut(-0.05, 1) == "-0.1" and terminal.cut(1e-7, 2) == "0.00"
    )
    assert [terminal.cut(x, 1, scale=100) for x in (0.29, 0.57)] == ["29.0", "57.0"], (
        "100 * 0.29 is less than 29"
    )
    assert terminal.cut(0.07, 1, up=True, scale=100) == "7.0" and terminal.cut(-0.001, 2, up=True) == "0.00"


def test_json_is_valid_in_any_encoding():
    plain, wide = gcaf("settings", "--json", **PLAIN), gcaf("settings", "--json", PYTHONIOENCODING="utf-8")
    assert json.loads(plain.stdout.decode("ascii")) == json.loads(wide.stdout.decode("utf-8"))


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names that are no UTF-8")
def test_names_that_are_no_utf_8_or_hold_escape_codes_are_printed(tmp_path):
    place = tmp_path / "data" / "Training" / "glioma"
    for folder in ("Training", "Testing"):
        for name in ("glioma", "meningioma", "notumor", "pituitary"):
            (tmp_path / "data" / folder / name).mkdir(parents=True)
            Image.fromarray(np.arange(900, dtype=np.uint8).reshape(30, 30)).save(
                tmp_path / "data" / folder / name / "a.png"
            )
    names = (b"caf\xe9.png", b"red\x1b[31m.png", b"two\nlines.png", "\u202egnp.exe.png".encode())
    for name in names:
        os.link(place / "a.png", os.path.join(os.fsencode(place), name))
    for encoding in (PLAIN, {"PYTHONIOENCODING": "utf-8"}):
        done = gcaf("data", "check", str(tmp_path / "data"), **encoding)
        assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr.decode()
        told = done.stdout
        assert b"\x1b" not in told and b"two\nlines" not in told and "\u202e".encode() not in told
        assert rb"\x1b[31m" in told and rb"two\nlines" in told and rb"\udce9" in told
    broken = os.path.join(os.fsencode(tmp_path), b"no\x1b[2Jimage\n.png")
    Path(os.fsdecode(broken)).write_bytes(b"x")
    done = gcaf("predict", "nothing", os.fsdecode(broken))
    assert done.returncode == 2 and b"\x1b" not in done.stderr


@pytest.mark.parametrize("arguments", [["settings"], ["--help"], ["train", "--help"], ["settings", "--json"]])
def test_a_reader_that_leaves_early_is_no_fault(arguments):
    """Through a pipe whose reading end is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "gcaf_lib.cli", *arguments]
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=env, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr.decode()) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["settings"], ["--help"]])
def test_a_full_device_is_said_in_one_line(arguments):
    command = [sys.executable, "-m", "gcaf_lib.cli", *arguments]
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (2, "gcaf: error: No space left on device\n")


def test_what_a_file_or_an_argument_says_is_printed_visibly(tmp_path, capsys):
    report = tmp_path / "report.csv"
    report.write_text("class,precision,recall,f1,support\n\x1b[31mglioma,0.9,0.9,0.9,10\nb,0.5,0.5,0.9,10\n")
    assert cli.main(["audit", str(report)]) == 1
    with pytest.raises(SystemExit):
        cli.main(["runs", "\x1b[31mx\n\u202ey"])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        terminal.prepare()
        print(warnings.formatwarning("of \x1b[31m\n", UserWarning, "file.py", 1), end="", file=sys.stderr)
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err and "\u202e" not in told.err
    assert r"\x1b[31mglioma" in told.out and r"\x1b[31mx" in told.err and "usage:" in told.err
    assert told.err.endswith("gcaf: careful: of \\x1b[31m\\n\n")


@pytest.mark.parametrize("option", ["audit", "leaks", "predict", "reproduce", "external", "data check"])
def test_an_empty_name_is_no_folder(option, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([*option.split(), ""])
    assert end.value.code == 2 and "an empty name" in capsys.readouterr().err


def test_a_home_folder_is_found_where_no_shell_put_it_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    arguments = cli.build_parser().parse_args(["data", "fetch", "--to=~/x", "--archive=~/y.zip"])
    assert (arguments.to, arguments.archive) == (os.path.expanduser("~/x"), os.path.expanduser("~/y.zip"))
    if os.name == "posix":
        assert arguments.to == str(tmp_path / "x")


def test_json_has_no_nan(capsys):
    tree = {"a": [float("nan"), {"b": float("inf")}, 1.5, "NaN", None, True], "c": (1, float("-inf"))}
    assert json.loads(terminal.as_json(tree), parse_constant=lambda _: pytest.fail("NaN")) == {
        "a": [None, {"b": None}, 1.5, "NaN", None, True],
        "c": [1, None],
    }


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a b/ü κ § 図.png", "a b/ü κ § 図.png"),
        ("\x1b[31m\x07\x9b", r"\x1b[31m\x07\x9b"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\udcff", r"\udcff"),
        ("\u202e\u2066\u2028\ufeff", r"\u202e\u2066\u2028\ufeff"),
    ],
)
def test_names_are_one_line_of_printable_characters(text, shown):
    assert terminal.visible(text) == shown


def silent(tree: ast.AST):
    """Calls that open a text file or read a process without saying the encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        said = {keyword.arg for keyword in node.keywords}
        of = getattr(node.func, "value", None)
        ours = isinstance(of, ast.Name) and of.id in ("notebooks", "machine")
        if name in ("read_text", "write_text") and isinstance(node.func, ast.Attribute) and not ours:
            bad = "encoding" not in said
        elif name in ("open", "fdopen") and (
            isinstance(node.func, ast.Name) or (len(node.args) and name == "fdopen")
        ):
            mode = next((a.value for a in node.args[1:2] if isinstance(a, ast.Constant)), "r")
            bad = "b" not in str(mode) and "encoding" not in said
        elif name in ("run", "Popen", "check_output"):
            bad = "text" in said and "encoding" not in said
        else:
            continue
        if bad:
            yield f"{name}, line {node.lineno}"


def test_every_text_file_is_opened_with_its_encoding():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        calls = list(silent(ast.parse(path.read_text(encoding="utf-8"))))
        if calls:
            found[path.relative_to(PACKAGE).as_posix()] = calls
    assert found == {}
    assert len(list(silent(ast.parse("open('x'); p.read_text(); run(c, text=True); open('x', 'rb')")))) == 3


def test_absl_closes_its_stream_but_none_of_pytest(capsys):
    """As happens in the middle of a test whenever an application of Jupyter's sets logging up anew."""
    other = absl_logging.PythonHandler(io.StringIO())
    other.close()
    assert other.stream.closed, "absl does so no more: the fixture in conftest.py can go"
    absl_logging.get_absl_handler().close()
    assert not absl_logging.get_absl_handler().python_handler.stream.closed


def by_hand() -> list[str]:
    """Modules that are run as `python -m …`."""
    found = [p for p in PACKAGE.rglob("*.py") if '__name__ == "__main__"' in p.read_text(encoding="utf-8")]
    return [".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in found]


@pytest.mark.parametrize(
    "name", sorted(set(by_hand()) - {"gcaf_lib.training.worker"})
)  # a sweep's child: no person's
def test_a_module_run_by_hand_explains_itself_and_runs_nothing(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_module(name, run_name="__main__")
    text = capsys.readouterr().out
    assert end.value.code == 0 and "usage:" in text and len(text.splitlines()) > 5, text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (runs.RunError("no run\nof that name"), "it: error: no run of that name\n"),
        (FileNotFoundError(2, "No such file", "a\x1b"), "it: error: a\\x1b: No such file: check the path\n"),
        (ValueError("a bug"), None),
    ],
)
def test_a_module_run_by_hand_says_in_one_line_what_can_be_expected(monkeypatch, capsys, error, said):
    monkeypatch.setattr("sys.argv", ["it"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
    terminal.arguments("What it does.")

    def told() -> str:
        sys.excepthook(type(error), error, None)
        return capsys.readouterr().err

    if said:
        assert told() == said
        monkeypatch.setenv("GCAF_DEBUG", "1")
    assert type(error).__name__ in told()


def test_a_module_run_by_hand_takes_one_value_a_name_or_several(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("sys.argv", ["it", "a", "b", "c"])
    assert terminal.arguments("What it does.", "FIRST", "RUN...") == ["a", ["b", "c"]]
    for given in (["it", "a", "b"], ["it"]):  # too many, too few
        monkeypatch.setattr("sys.argv", given)
        with pytest.raises(SystemExit, match="2"):
            terminal.arguments("What it does.", "RUN")
    assert "RUN" in capsys.readouterr().err
