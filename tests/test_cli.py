"""The command line: what it understands, what it prints, and how it fails."""

import ast
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gcaf_lib import cli, commands, terminal
from gcaf_lib.training import remaking

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("keras", "tensorflow", "jax", "numpy", "pandas", "cv2", "matplotlib", "sklearn")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Empty results and cache folders."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GCAF_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def record(store):
    """One finished main run on phantoms, without its weights."""
    from gcaf_lib.settings import load
    from gcaf_lib.training import runs

    chosen = load("demo", {"model.fusion": "gate"})
    info = {
        "key": "3f2a11223344",
        "kind": "main",
        "profile": "demo",
        "seed": 7,
        "settings": chosen.to_dict(),
        "data_hash": "d",
        "provenance": {"fingerprint": ""},
        "stages": [],
        "weights": {},
        "weights_sha256": {"raw": "1" * 64, "ema": "2" * 64},
    }
    predictions = {}
    for part in ("validation", "test"):
        labels = np.array([0, 1, 2, 3], np.int8)
        predictions[f"{part}_rows"], predictions[f"{part}_labels"] = np.arange(4, dtype=np.int32), labels
        right = np.eye(4, dtype=np.float32)[[0, 1, 2, 2]]  # three of four
        predictions[f"{part}_ema"] = predictions[f"{part}_raw"] = right
    history = pd.DataFrame({"stage": [1], "epoch": [1], "loss": [1.0]})
    return runs.write(info, history, predictions)


def fails(argv, capsys) -> str:
    """Run a command that must fail with status 2 and one line; return the line."""
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    lines = [
        line for line in err.splitlines() if line not in (commands.models.NOTICE, commands.models.LOADING)
    ]
    assert out == "" and len(lines) == 1 and lines[0].startswith("gcaf: error: ")
    return lines[0]


def test_help_names_every_command_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom gcaf_lib import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("HEAVY []\n")
    for word in (
        "data",
        "train",
        "sweep",
        "chapters",
        "predict",
        "runs",
        "settings",
        "examples:",
        "GCAF_DATA",
    ):
        assert word in done.stdout


@pytest.mark.parametrize(
    "command",
    "data check,data fetch,train,sweep,chapters,predict,runs,settings,splits,floors,audit,external,sync".split(
        ","
    ),
)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*command.split(), "--help"])
    assert stop.value.code == 0
    assert f"usage: gcaf {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        *([], ["nonsense"], ["data"], ["predict"], ["chapters", "--only"]),
        *(["train", "--seed", bad] for bad in ("-1", "1.5", "x", str(2**31), "")),
        *(["sweep", "--workers", "0"], ["sweep", "--seeds", "none"]),
    ],
)
def test_wrong_arguments_exit_with_2_and_a_usage_line(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert "usage: gcaf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "cure"),
    [
        (["--profile", "cpuu"], "did you mean 'cpu'"),
        (["--profile", "nowhere.yaml"], "path of a YAML file"),
        (["--set", "model.fuson=gate"], "did you mean 'model.fusion'"),
        (["--set", "model.fusion=gat"], "did you mean 'gate'"),
        (["--set", "model.fusion=gat"], "error: model.fusion='gat' is not one of"),
        (["--set", "model.fusion=width=3"], "error: model.fusion='width=3' is not"),
        (["--set", "model.backbones=vgg19"], "one backbone goes with model.fusion='none'"),
        (["--set", "data.classes=glioma"], "error: data.classes=glioma: give two"),
        (["--set", "loss.balance=x"], "error: loss.balance='x': give"),
        (["--set", "training.stage0_epochs=0"], "error: training.stage0_epochs=0 with model.weights="),
        (
            ["--set", "training.stage1_epochs=0", "--set", "training.stage2_epochs=0"],
            "error: training.stage1_epochs and training.stage2_epochs are both 0",
        ),
        (
            ["--set", "stage1_epochs=1", "--set", "stage1_epochs=2"],
            "error: --set stage1_epochs is given twice",
        ),
        (["--set", "fusion=gate"], "error: unknown setting 'fusion'; did you mean 'model.fusion'?"),
        (["--set", "training.batch_size=0"], "from 1 to"),
        (["--set", "training.batch_size=many"], "not a valid int"),
        (["--set", "model.fusion"], "name=value"),
        (["--set", "=gate"], "name=value"),
        (["--set", "loss.gamma=1", "--set", "loss.gamma=2"], "given twice"),
    ],
)
def test_wrong_settings_fail_in_one_line_with_the_cure(argv, cure, store, capsys):
    assert cure in fails(["train", *argv], capsys)


def test_a_refused_choice_is_named_as_set_wants_it(store, capsys):
    from gcaf_lib.settings import names

    for name, field in names().items():
        if field.metadata["choices"]:
            for command in (["train"], ["sweep", "table-4", "--status"]):
                line = fails([*command, "--set", f"{name}=nope"], capsys)
                assert line.startswith(f"gcaf: error: {name}='nope' is not one of"), line


@pytest.mark.parametrize("command", ["floors", "splits"])
def test_a_folder_that_is_a_file_is_refused_before_the_work(store, tmp_path, capsys, command):
    (tmp_path / "taken").write_text("")
    assert "Not a directory" in fails([command, "--out", str(tmp_path / "taken")], capsys)


def test_sweep_wants_a_known_table_and_a_scheduler_for_dask(store, capsys):
    assert "go together" in fails(["sweep", "--engine", "dask"], capsys)
    assert "table-4" in fails(["sweep", "tabel-4", "--profile", "demo"], capsys)


def test_an_image_that_is_not_there_is_named_whatever_model_answers(store, tmp_path, capsys):
    assert cli.main(["predict", "run-without-image"]) == 2
    assert "gcaf: error: run-without-image does not exist" in capsys.readouterr().err
    assert cli.main(["predict", "nosuch.jpg", "b.jpg"]) == 2
    assert "nosuch.jpg does not exist: check the path; b.jpg does not exist" in capsys.readouterr().err
    assert "no run 'nosuch'" in fails(["predict", "nosuch", "b.jpg"], capsys)
    assert cli.main(["predict", str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder: give the images in it" in capsys.readouterr().err


def test_debug_shows_the_traceback(store, monkeypatch):
    monkeypatch.setenv("GCAF_DEBUG", "1")
    with pytest.raises(ValueError, match="cpuu"):
        cli.main(["train", "--profile", "cpuu"])


def test_an_operating_system_error_is_one_line(store, capsys, monkeypatch):
    def full(_args):
        raise OSError(28, "No space left on device", "/somewhere/images.npy")

    monkeypatch.setattr(commands, "runs", full)
    assert fails(["runs"], capsys).endswith("/images.npy: No space left on device: free some space")


def test_a_bug_is_not_dressed_up_as_wrong_input(store, monkeypatch):
    def broken(_args):
        raise KeyError("a bug")

    monkeypatch.setattr(commands, "runs", broken)
    with pytest.raises(KeyError):
        cli.main(["runs"])


def test_interrupt_is_130(store, capsys, monkeypatch):
    def interrupted(_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "runs", interrupted)
    assert cli.main(["runs"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_settings_lists_every_setting(capsys):
    from gcaf_lib.settings import load, names

    assert cli.main(["settings"]) == 0
    text = capsys.readouterr().out
    for name, field in names().items():
        assert f"{name} = " in text and field.metadata["help"] in text
    assert cli.main(["settings", "--profile", "demo", "--json"]) == 0
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert set(listed) == set(names())
    assert listed["model.width"]["demo"] == load("demo").model.width
    assert listed["training.batch_size"]["low"] == 1


def test_runs_of_an_empty_store(store, capsys):
    assert cli.main(["runs"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "gcaf train" in err
    assert cli.main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_runs_lists_records(record, capsys):
    assert cli.main(["runs"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["run", "kind", "profile", "seed"]
    assert row.split()[:4] == ["3f2a11223344", "main", "demo", "7"]
    assert "gate" in row and "0.7500" in row and row.endswith("no")
    assert cli.main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["key"] == "3f2a11223344"


def test_predict_says_it_is_no_medical_device_and_knows_no_such_run(store, capsys):
    assert cli.main(["predict", "abc", "x.jpg"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[0] == commands.models.NOTICE and "not a medical device" in err[0]
    assert "no run 'abc'" in err[1] and "gcaf runs" in err[1]


@pytest.mark.parametrize("command", [["reproduce"], ["predict"]])
def test_what_is_no_run_is_explained_and_nobody_is_told_to_delete_it(command, record, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    image = ["x.jpg"] if command == ["predict"] else []
    for name in ("/", str(Path.home()), str(tmp_path / "photos")):
        line = fails([*command, name, *image], capsys)
        assert "is no run: it holds no record.json" in line and "gcaf runs" in line
        assert not {"delete", "remove"} & set(line.lower().split())
    for name in ("/no/such/place", str(tmp_path / "absent"), "*"):
        assert f"no run '{name}'" in fails([*command, name, *image], capsys)


def test_runs_leaves_aside_what_it_cannot_read(record, capsys):
    for name, text in (("old", '{"schema": 1}'), ("broken", "null")):
        (record.folder.parent / name).mkdir()
        (record.folder.parent / name / "record.json").write_text(text)
    with pytest.warns(UserWarning, match=r"2 of the run records are left aside: .*broken.*old.*schema 1"):
        assert cli.main(["runs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", "3f2a11223344"]


def test_no_message_tells_a_user_to_delete_what_is_theirs():
    """Strings of the code, not its comments: what a message or a help text may say."""
    # a link that leads to itself holds nothing that could be lost
    pattern = re.compile(r"\b(delete|remove|erase|rm) (it|the(?! link)|them|this|that|your)\b", re.IGNORECASE)
    for path in (ROOT / "gcaf_lib").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                assert not pattern.search(node.value), f"{path.name}:{node.lineno}: {node.value}"


def test_an_average_that_has_not_caught_up_is_said(record):
    """EMA 0.999 over a few dozen steps reported 0.37 where the raw weights had 0.75, without a line."""
    assert commands.training._lag(record) is None
    record.predictions["validation_ema"] = np.eye(4, dtype=np.float32)[[0, 0, 0, 0]]
    assert "averaged weights score 0.2500, the raw ones 0.7500" in commands.training._lag(record)
    record.predictions["validation_raw"] = np.eye(4, dtype=np.float32)[[1, 1, 1, 0]]
    assert commands.training._lag(record) is None, "ahead of the raw weights is no lag"


def test_answers_that_are_no_numbers_are_refused(trained, tmp_path, monkeypatch, capsys):
    from gcaf_lib.training import loop

    image = tmp_path / "slice.png"
    cv2.imwrite(str(image), np.full((80, 80, 3), 90, np.uint8))
    monkeypatch.setattr(loop, "probabilities", lambda *_, **__: np.full((1, 4), np.nan))
    for more in ([], ["--json"]):
        line = fails(["predict", trained.key, str(image), "--cam", str(tmp_path / "cam"), *more], capsys)
        assert "answer with values that are no numbers: train the run again" in line.replace("PHANTOM", "")
    assert not (tmp_path / "cam").exists(), "what fails leaves no folder behind"


def test_no_picture_replaces_another(tmp_path):
    from gcaf_lib.predict import _names

    files = [
        "a/s.jpg",
        "b/s.jpg",
        "a/s-2.jpg",
        "S.png",
        "c/s.jpg",
        "x" * 300 + ".png",
        "y/" + "x" * 300 + ".png",
    ]
    names = [path.name for path in _names(tmp_path, files)]
    assert names[:5] == ["s-cam.png", "s-2-cam.png", "s-2-2-cam.png", "S-3-cam.png", "s-4-cam.png"]
    assert len({name.casefold() for name in names}) == len(files) and max(map(len, names)) < 200
    # a name may have 255 bytes, of which a letter takes up to four
    wide = [path.name for path in _names(tmp_path, [f"{'脑' * 83}.png", f"x/{'脑' * 83}.png"])]
    assert len({*wide}) == 2 and max(len(os.fsencode(name)) for name in wide) <= 255
    (odd,) = _names(tmp_path, [f"a{'脑' * 83}.png"])  # 180 bytes end within a letter
    assert odd.name == f"a{'脑' * 59}-cam.png"


def test_predict_refuses_what_is_no_image(record, tmp_path, capsys):
    text = tmp_path / "notes.jpg"
    text.write_text("not an image")
    assert "notes.jpg" in fails(["predict", "3f2a", str(text)], capsys)
    assert "absent.jpg" in fails(["predict", "3f2a", str(tmp_path / "absent.jpg")], capsys)


def test_images_that_are_wrong_are_all_named(record, tmp_path, capsys):
    bad = [tmp_path / "notes.jpg", tmp_path / "absent.jpg", tmp_path / "empty.png"]
    bad[0].write_text("not an image")
    bad[2].write_text("")
    line = fails(["predict", "3f2a", *map(str, bad)], capsys)
    assert "3 of 3 files can't be used: " in line
    assert "notes.jpg is not an image" in line and "empty.png is empty" in line
    assert "absent.jpg does not exist: check the path;" in line and "data fetch`" not in line


def test_an_image_that_claims_to_be_huge_is_refused_in_one_line(store, tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "huge.png")
    command = [sys.executable, "-m", "gcaf_lib.cli", "predict", str(tmp_path / "huge.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ))
    assert done.returncode == 2 and "DecompressionBomb" not in done.stderr and "DOS attack" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith("leave it out, or scale it down")
    assert len(done.stderr.splitlines()) == 3, "the notice, the model, the error"


def test_an_answer_to_a_picture_of_nothing_is_said_to_be_none(trained, tmp_path, capsys):
    names = [str(tmp_path / f"{name}.png") for name in ("black", "slice")]
    cv2.imwrite(names[0], np.zeros((200, 200), np.uint8))
    cv2.imwrite(names[1], np.random.default_rng(0).integers(0, 255, (80, 80), np.uint8))
    assert cli.main(["predict", trained.key, *names, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["blank"] == names[:1] and "loading" not in err
    assert "careful: " in err and "black.png is of one brightness and shows nothing" in err
    assert "slice.png" not in err


def test_what_is_not_installed_is_said_in_a_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "filelock", None)
    monkeypatch.delitem(sys.modules, "gcaf_lib.training.runs", raising=False)
    monkeypatch.delattr("gcaf_lib.training.runs", raising=False)
    assert "filelock is not installed: `pip install .`" in fails(["runs"], capsys)
    assert not terminal.expected(ModuleNotFoundError("a bug", name="gcaf_lib.nowhere"))


def test_the_example_report_of_the_help_can_be_true(capsys):
    from gcaf_lib.paper import report_check, report_file

    with pytest.raises(SystemExit):
        cli.main(["audit", "--help"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    example = lines[lines.index("class,precision,recall,f1,support") :]
    assert report_check.check(report_file.parse("\n".join(example))).impossible.empty


def test_no_example_names_a_run_that_is_none(capsys):
    for command in ([], ["predict"], ["external"], ["reproduce"]):
        with pytest.raises(SystemExit):
            cli.main([*command, "--help"])
        assert "3f2a" not in capsys.readouterr().out


def test_the_backend_says_nothing_where_it_works(store, tmp_path):
    """TensorFlow's own words, eight lines around one of answer."""
    cv2.imwrite(str(tmp_path / "s.png"), np.random.default_rng(0).integers(0, 255, (80, 80), np.uint8))
    command = [sys.executable, "-m", "gcaf_lib.cli", "predict", str(tmp_path / "s.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ))
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
    told = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert told == ["gcaf", "model", "loading the model"], done.stderr


def test_predict_without_weights_says_how_to_make_them(record, tmp_path, capsys, monkeypatch):
    from gcaf_lib.training import environment, runs, train

    image = tmp_path / "slice.png"
    cv2.imwrite(str(image), np.full((80, 80, 3), 90, np.uint8))
    line = fails(["predict", "3f2", str(image), "--cam", str(tmp_path / "cam")], capsys)
    assert "gcaf train --profile demo --seed 7 --weights --set model.fusion=gate" in line
    assert not (tmp_path / "cam").exists(), "what fails leaves no folder behind"
    line = fails(["predict", "3f2", str(image), "--cam", str(image)], capsys)
    assert line.endswith(f"{image}: Not a directory: a part of this path is a file; check it")
    # in seconds less: the backend is not loaded for weights that are not there
    monkeypatch.setattr(environment, "open_backend", lambda: pytest.fail("the backend is loaded"))
    said = fails(["predict", "3f2", str(image)], capsys)
    with pytest.raises(runs.RunError) as error:
        train.load_model(record, "ema")
    assert said == f"gcaf: error: {error.value}", "the same words as where it is loaded"
    assert remaking.changed(record) == train.changed(record)


@pytest.fixture
def trained(record):
    """The record with (untrained) weights in the cache."""
    from gcaf_lib.model import classifier
    from gcaf_lib.training import runs, train

    s = record.settings
    model = classifier.build(s.model, s.data.image_size, len(s.data.classes), seed=7)
    path = runs.weights_path(record.key, "ema")
    made = train._save_weights(model, path)
    written = json.loads((record.folder / "record.json").read_text())
    written["weights_sha256"]["ema"] = made
    (record.folder / "record.json").write_text(json.dumps(written))
    return runs.find(record.key)


def test_predict_prints_probabilities_and_writes_overlays(trained, tmp_path, capsys):
    pictures = []
    for folder in ("a", "b"):  # two images of one name must not overwrite each other's picture
        (tmp_path / folder).mkdir()
        pictures.append(str(tmp_path / folder / "slice.png"))
        cv2.imwrite(pictures[-1], np.random.default_rng(0).integers(0, 255, (80, 70, 3), np.uint8))
    out = tmp_path / "maps"
    assert cli.main(["predict", trained.key, *pictures, "--cam", str(out)]) == 0
    table, err = capsys.readouterr()
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["image", "class", *trained.settings.data.classes]
    assert [row[0] for row in rows[1:]] == pictures
    assert all(abs(sum(map(float, row[2:])) - 1) < 0.01 for row in rows[1:])
    assert rows[1][1:] == rows[2][1:]  # the same pixels, the same answer
    assert "PHANTOM DATA" in err
    assert sorted(p.name for p in out.iterdir()) == ["slice-2-cam.png", "slice-cam.png"]
    assert cv2.imread(str(out / "slice-cam.png")).shape[2] == 3
    assert "replaced" not in err
    assert cli.main(["predict", trained.key, pictures[0], "--cam", str(out)]) == 0
    assert "slice-cam.png (the file of that name was replaced)" in capsys.readouterr().err

    assert cli.main(["predict", trained.key, *pictures, "--cam", str(out), "--json"]) == 0
    told, err = capsys.readouterr()
    assert json.loads(told)["overlays"] == [str(out / "slice-cam.png"), str(out / "slice-2-cam.png")]
    assert err.count("(the file of that name was replaced)") == 2

    given = tmp_path / "a" / "slice-cam.png"  # a picture that is called as the other one's map would be
    given.write_bytes(Path(pictures[0]).read_bytes())
    assert cli.main(["predict", trained.key, pictures[0], str(given), "--cam", str(tmp_path / "a")]) == 2
    assert "slice-cam.png was given to be read and would be lost" in capsys.readouterr().err
    assert given.read_bytes() == Path(pictures[0]).read_bytes()

    assert cli.main(["predict", str(trained.folder), pictures[0], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["overlays"] == []
    assert answer["run"] == trained.key and answer["weights"] == "ema"
    assert abs(sum(answer["images"][0]["probabilities"].values()) - 1) < 1e-4


def test_chapters_names_the_chapters_there_are(store, capsys):
    assert "no chapter '99'" in fails(["chapters", "--profile", "demo", "--only", "99"], capsys)


@pytest.mark.parametrize(
    "text", ['{"cells": [', '{"cells": []}', "[]", '{"metadata": {"gcaf": {"chapter": ""}}}']
)
def test_chapters_names_a_page_that_cannot_be_read_as_stale(store, tmp_path, capsys, text):
    (tmp_path / "nb").mkdir()
    (tmp_path / "nb" / "01_dataset.ipynb").write_text(text)
    assert cli.main(["chapters", "--stale", "--out", str(tmp_path / "nb")]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("01_dataset: can't be read (") and second.endswith(": never executed")


def test_chapters_that_may_be_stale_are_chosen_by_name(store, tmp_path, capsys):
    asked = ["chapters", "--stale", "--out", str(tmp_path), "--only"]
    assert "no chapter 'x'" in fails([*asked, "x"], capsys)
    assert cli.main([*asked, "02"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("02_") and line.endswith(": never executed")


def test_leaks_mends_the_text_that_it_judged(store, tmp_path, capsys, monkeypatch):
    from gcaf_lib.data import groups, leaks

    table = groups.load().drop_duplicates("person")["file"]
    path, out, plain = tmp_path / "split.csv", tmp_path / "out.csv", leaks.mend
    text = f"file,part\n{table.iloc[0]},train\n{table.iloc[1]},test\n"
    path.write_text(text)

    def meanwhile(*args):
        path.write_text("file,part\nother.jpg,test\nanother.jpg,train\n")
        return plain(*args)

    monkeypatch.setattr(leaks, "mend", meanwhile)
    assert cli.main(["leaks", str(path), "--fix", str(out)]) == 0
    assert out.read_text() == text


def test_data_check_of_a_path_that_is_not_there(store, tmp_path, capsys):
    pytest.importorskip("gcaf_lib.data.check")
    assert "nowhere" in fails(["data", "check", str(tmp_path / "nowhere")], capsys)


def test_the_installed_command_is_this_one(store):
    command = Path(sys.executable).parent / "gcaf"
    if not command.is_file():
        pytest.skip("gcaf is not installed in this environment (make env installs it)")
    done = subprocess.run([command, "runs"], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0 and "no run records" in done.stderr


def test_every_command_of_the_model_card_is_understood():
    """What the card says trains larger weights: each line parses, and names settings, an extra and a module that exist."""
    from gcaf_lib.settings import load

    card = (ROOT / "book" / "model_card.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", card, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    trained = [cli.build_parser().parse_args(line[1:]) for line in lines if line[0] == "gcaf"]
    profiles = [
        load(one.profile, commands.training._overrides(one.set)) for one in trained if one.command == "train"
    ]
    assert {one.model.scale for one in profiles} == {"mini", "full"} and len(profiles) > 2
    assert {one.data.protocol for one in profiles} == {"patients"}, (
        "only there does a score speak of new patients"
    )
    shipped_ = next(line for line in lines if line[:2] == ["python", "-m"])
    assert importlib.util.find_spec(shipped_[2]) and shipped_[3:] == ["RUN"]
    extra = next(line[-1] for line in lines if line[0] == "pip").strip(".[]")
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
