"""Run keys and records: what decides a run decides its key; records are whole or absent."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.settings import load
from gcaf_lib.training import experiments, runs


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path):
    """Every test has an empty store of its own."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))


def test_key_follows_everything_that_decides_a_run():
    s = load("demo")
    base = runs.key(s, 0, "d", "s")
    assert base == runs.key(load("demo"), 0, "d", "s")
    others = [
        runs.key(s, 1, "d", "s"),
        runs.key(s, 0, "e", "s"),
        runs.key(s, 0, "d", "t"),
        runs.key(s.replace({"loss.gamma": 1}), 0, "d", "s"),
    ]
    assert len({base, *others}) == 5


def test_stage0_is_shared_by_runs_that_differ_later():
    s = load("demo")
    first = runs.stage0_key(s, "convnext-tiny", "d", "s")
    for change in ({"model.fusion": "concat"}, {"loss.gamma": 1}, {"training.mixup": 0}):
        assert runs.stage0_key(s.replace(change), "convnext-tiny", "d", "s") == first
    assert runs.stage0_key(s.replace({"data.protocol": "twins"}), "convnext-tiny", "d", "s") != first


def _predictions():
    return {"test_rows": np.arange(3, dtype=np.int32), "test_ema": np.full((3, 4), 0.25, np.float32)}


def test_record_round_trip_and_never_rewritten():
    info = {"key": "abc", "kind": "main", "seed": 0, "settings": load("demo").to_dict(), "x": 1}
    history = pd.DataFrame({"stage": [1], "epoch": [1], "loss": [0.5]})
    record = runs.write(info, history, _predictions())
    assert record.settings == load("demo")
    assert record.probabilities().shape == (3, 4)
    assert record.maps is None
    pd.testing.assert_frame_equal(record.history, history)
    again = runs.write({**info, "x": 2}, history, _predictions())
    assert again.info["x"] == 1, "a finished record must not be replaced"
    assert [p.name for p in runs.runs_dir().iterdir()] == ["abc"]
    assert runs.resolve("ab").key == "abc"
    with pytest.raises(runs.RunError, match="no run 'zz'"):
        runs.resolve("zz")


def test_interrupted_write_leaves_nothing(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="No space"):
        runs.write({"key": "abc", "kind": "main"}, pd.DataFrame({"a": [1]}), _predictions())
    assert list(runs.runs_dir().iterdir()) == []
    assert runs.find("abc") is None


def test_what_a_killed_writer_left_is_cleared_by_the_next():
    for name in (".tmp-abc-killed", ".tmp-other-writing"):
        (runs.runs_dir() / name).mkdir(parents=True)
    runs.write({"key": "abc", "kind": "main"}, pd.DataFrame({"a": [1]}), _predictions())
    assert sorted(p.name for p in runs.runs_dir().iterdir()) == [".tmp-other-writing", "abc"]


def test_unwritable_results_folder_is_named(monkeypatch, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("GCAF_RESULTS", str(blocker))
    with pytest.raises(runs.RunError, match="GCAF_RESULTS"):
        runs.write({"key": "abc"}, pd.DataFrame(), {})


def test_unreadable_and_foreign_records_are_refused():
    folder = runs.runs_dir() / "bad"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{")
    with pytest.raises(runs.RunError, match="bad"):
        runs.load(folder)
    (folder / "record.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(runs.RunError, match="schema 99"):
        runs.load(folder)


@pytest.mark.parametrize("profile", ["demo", "cpu", "paper"])
@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_every_row_of_every_experiment_is_valid_and_distinct(name, profile):
    rows = experiments.experiment(name).settings(profile)
    # Table 8 shows the chosen value once for every parameter it varies
    assert len({s.hash() for _, s in rows}) == len(rows) or name == "table-8"
    # a row stands once, or once in each of the five folds of `patients`
    folds: dict[str, list] = {}
    for label, chosen in rows:
        folds.setdefault(label, []).append(chosen.data.fold)
    assert all(len(found) == 1 or found == list(range(5)) for found in folds.values())


def test_seeds_come_outermost_and_rows_may_ask_for_fewer():
    ladder = list(experiments.experiment("ladder").runs("cpu"))
    assert [seed for _, _, seed in ladder] == sorted(seed for _, _, seed in ladder)
    folds = [(s.data.fold, seed) for label, s, seed in ladder if label == "patients"]
    assert folds == [(fold, 0) for fold in range(5)]
    assert sum(label == "twins" for label, _, _ in ladder) == 3
    assert len(list(experiments.experiment("ladder").runs("cpu", seeds=1))) == 9


def test_the_proposed_row_of_each_table_is_the_main_run():
    for name in ("table-4", "table-5", "table-6", "table-8", "loss", "ladder"):
        main = load("cpu").hash()
        assert main in {s.hash() for _, s in experiments.experiment(name).settings("cpu")}, name


@pytest.mark.parametrize(("table", "rows"), [("table-4", 7), ("table-6", 6)])
def test_with_patients_apart_a_table_differs_in_the_split_alone(table, rows):
    here = dict(experiments.experiment(table).settings("cpu"))
    apart = experiments.experiment(f"{table}-patients").settings("cpu")
    assert len(apart) == 5 * rows and {label for label, _ in apart} == set(here)
    for label, chosen in apart:
        assert chosen.replace({"data.protocol": "paper", "data.fold": None}) == here[label]
    folds = {chosen.hash() for label, chosen in experiments.experiment("ladder").settings("cpu")}
    own = [chosen.hash() for label, chosen in apart if here[label] == load("cpu")]
    assert set(own) <= folds, "the proposed model's own folds are those of the ladder"


def test_committed_runs_of_one_split_start_from_the_stage_0_on_record():
    """Runs that a table compares by seed must have begun alike, or their difference is the beginning's too."""
    store = Path(__file__).resolve().parents[1] / "results" / "runs"
    records = [json.loads(path.read_text()) for path in sorted(store.glob("*/record.json"))]
    made = {r["key"]: r["weights_sha256"] for r in records if r["kind"] == "stage0"}
    begun = [(r["key"], w) for r in records if r["kind"] == "main" for w in r["weights"].values()]
    assert begun and made
    other = {key for key, w in begun if w["source"] == "in-domain" and made.get(w["stage0"]) != w["sha256"]}
    assert not other, f"started from weights that are not those of their stage-0 record: {sorted(other)}"
