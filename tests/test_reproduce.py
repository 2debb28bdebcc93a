"""Training a record again: the same bits, a store that is left alone, and a difference that is found."""

import dataclasses
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib import cli
from gcaf_lib.book import provenance
from gcaf_lib.settings import cache_dir, load
from gcaf_lib.training import environment, reproduce, runs, sweep, train
from tests import stages

TINY = {
    "data.phantoms": 24,
    "data.image_size": 32,
    "model.width": 16,
    "model.backbones": ("vgg19",),
    "model.fusion": "none",
    "training.batch_size": 16,
    "training.stage0_epochs": 1,
    "training.stage1_epochs": 1,
    "training.stage2_epochs": 1,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One tiny run in a store of its own."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        stages.shallow(patch.setattr)
        patch.setenv("GCAF_RESULTS", str(folder / "results"))
        patch.setenv("GCAF_CACHE", str(folder / "cache"))
        yield train.get(load("demo", TINY), 0, profile="demo", progress=False)


def files(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def with_predictions(record, **changed):
    """The record with other arrays in place of its own."""
    other = dataclasses.replace(record)
    other.__dict__["predictions"] = {**record.predictions, **changed}
    return other


def test_a_run_made_again_is_the_same_and_the_store_is_left_alone(made, capsys):
    before = files(made.folder.parent)
    assert cli.main(["reproduce", made.key[:6]]) == 0
    said = capsys.readouterr().out
    assert "differs" not in said and "0 of" in said
    assert files(made.folder.parent) == before
    line = reproduce.read().iloc[0]
    assert (line["run"], line["fingerprint"]) == (made.key, environment.fingerprint())
    assert line["identical"] and float(line["largest_difference"]) == 0


@pytest.mark.parametrize(
    ("device", "here", "held"),
    [
        (
            "2 CPU cores (x86_64)",
            "AVX512_CORE",
            "AVX2",
        ),  # a record from before devices named their instructions
        ("2 CPU cores (x86_64, AVX2)", "AVX512_CORE", "AVX2"),
        ("2 CPU cores (x86_64, AVX2)", "AVX2", None),
        ("2 CPU cores (x86_64, AVX512_CORE)", "AVX512_CORE", None),
        ("2 CPU cores (x86_64, AVX2 of AVX512_CORE)", "AVX512_CORE", "AVX2"),
        ("2 CPU cores (arm64)", "", None),
        ("2 CPU cores (arm64)", "AVX512_CORE", None),
        ("1 x Some GPU", "AVX512_CORE", None),
    ],
)
def test_a_processor_is_held_to_the_instructions_of_the_record_s(made, monkeypatch, device, here, held):
    """Seen when training starts; a user's own word stands."""
    other = dataclasses.replace(
        made, info=made.info | {"provenance": made.info["provenance"] | {"device": device}}
    )
    seen = []
    monkeypatch.setattr(environment.machine, "instructions", lambda: here)
    monkeypatch.setattr(runs, "resolve", lambda name: other)
    monkeypatch.setattr(
        train, "get", lambda *a, **k: seen.append(os.environ.get("ONEDNN_MAX_CPU_ISA")) or made
    )
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(reproduce, "note", lambda *_: seen.append(os.environ.get("ONEDNN_MAX_CPU_ISA")))
    for told, found in (("", held or ""), ("SSE41", "SSE41")):  # an empty word is none
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", told)
        seen.clear()
        assert cli.main(["reproduce", made.key]) == 0
        assert seen == [found, found], "while it trains, and while it is noted where"


def test_one_changed_bit_is_found(made):
    name = next(n for n, v in made.predictions.items() if v.dtype == np.float32)
    value = made.predictions[name].copy()
    value.flat[3] = np.nextafter(value.flat[3], np.float32(2))
    found = reproduce.differences(made, with_predictions(made, **{name: value})).set_index("array")
    assert not found.loc[f"predictions: {name}", "identical"]
    assert found["identical"].sum() == len(found) - 1
    assert {f"history: {name}" for name in ("loss", "val_loss")} < set(found.index)
    assert 0 < found["largest_difference"].max() < 1e-6


def test_an_array_of_another_shape_or_without_partner_differs(made):
    name = next(iter(made.predictions))
    short = with_predictions(made, **{name: made.predictions[name][1:]})
    more = with_predictions(made, extra=np.zeros(3))
    for other, row in ((short, f"predictions: {name}"), (more, "predictions: extra")):
        for pair in ((made, other), (other, made)):
            found = reproduce.differences(*pair).set_index("array")
            assert not found.loc[row, "identical"] and np.isnan(found.loc[row, "largest_difference"])


def test_gaps_and_words_of_a_history_are_compared(made):
    def told(first, second):
        both = [dataclasses.replace(made), dataclasses.replace(made)]
        for record, column in zip(both, (first, second)):
            record.__dict__["history"] = pd.DataFrame({"seconds": [1.0, 2.0], "x": column})
        found = reproduce.differences(*both).set_index("array").loc["history: x"]
        return found["identical"], found["largest_difference"]

    assert told([0.5, np.nan], [0.5, np.nan]) == (True, 0)
    identical, gap = told([0.5, np.nan], [0.5, 0.25])
    assert not identical and np.isnan(gap)
    one, other = ["stage 1", "stage 2"], ["".join(["stage ", n]) for n in "12"]  # equal, not the same objects
    for kind in (object, "str"):
        assert told(pd.Series(one, dtype=kind), pd.Series(other, dtype=kind)) == (True, 0)
        identical, gap = told(pd.Series(one, dtype=kind), pd.Series(one[::-1], dtype=kind))
        assert not identical and np.isnan(gap)


def test_two_processes_lose_no_note(made, monkeypatch, tmp_path):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    table = pd.DataFrame([("a", 1, True, 0.0)], columns=["array", "size", "identical", "largest_difference"])
    read = reproduce.read

    def slowly(path):
        found = read(path)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(reproduce, "read", slowly)
    records = [dataclasses.replace(made, info=made.info | {"key": f"k{n}"}) for n in range(6)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda record: reproduce.note(record, reproduce.Outcome(table, 0, 0.5, 0.5)), records))
    assert {f"k{n}" for n in range(6)} <= set(read()["run"])


def test_a_note_replaces_the_one_of_the_same_code_device_threads_and_stage_0(made, monkeypatch):
    table = pd.DataFrame([("a", 1, True, 0.0)], columns=["array", "size", "identical", "largest_difference"])
    good = reproduce.Outcome(table, 0, 0.5, 0.5)
    bad = good._replace(differences=table.assign(identical=False, largest_difference=0.25), changed_answers=2)
    for outcome in (good, bad, good):
        reproduce.note(made, outcome)
        known = reproduce.read()
        assert len(known) == 1 and bool(known["identical"].iloc[0]) is outcome.identical
    reproduce.note(made, good._replace(own_stage0=True))
    monkeypatch.setattr(environment, "threads", lambda: 99)
    reproduce.note(made, good)
    assert reproduce.read()[["threads", "stage0"]].to_numpy().tolist()[1:] == [
        [str(made.info["provenance"]["threads"]), "again"],
        ["99", "as it is here"],
    ]


def test_stage_0_and_changed_images_are_refused(made):
    stage0 = next(r for r in runs.all_records("stage0"))
    with pytest.raises(runs.RunError, match="give a main run"):
        reproduce.reproduce(stage0)
    moved = dataclasses.replace(made, info={**made.info, "key": "0" * 12})
    with pytest.raises(runs.RunError, match="can't be made again"):
        reproduce.reproduce(moved)


def test_a_run_made_again_bit_for_bit_speaks_for_its_code_and_one_made_otherwise_against_it(made):
    """In the strip, and in a sweep's plan: the numbers of other code are today's where today's code shows it."""
    old = dataclasses.replace(made)
    old.info["provenance"]["fingerprint"] = "0" * 12
    table = pd.DataFrame([("a", 1, True, 0.0)], columns=["array", "size", "identical", "largest_difference"])
    same = reproduce.Outcome(table, 0, 0.5, 0.5)

    def state() -> tuple[int, str, str]:
        info = provenance.facts("demo", made.settings, None, [old], None)
        current = {environment.fingerprint(), *reproduce.verdicts(environment.fingerprint())[0]}
        (made.folder / "record.json").write_text(json.dumps(old.info))
        return info["older_code"], provenance.render(info), sweep._state(made.key, current)

    older, page, planned = state()
    assert older == 1 and "as they were recorded" in page and "gcaf-older" in page and planned == "stale"
    reproduce.note(old, same)
    older, page, planned = state()
    assert older == 0 and f"1 of that code&#x27;s runs ({made.key}), retrained" in page and planned == "done"
    assert "gcaf-older" not in page and "earlier version" not in page
    other = dataclasses.replace(old, info={**old.info, "key": "f" * 12})
    reproduce.note(other, same._replace(differences=table.assign(identical=False)))
    older, page, _ = state()
    assert older == 1, "one that came out otherwise outweighs those that came out the same"
    assert f"retrained with today&#x27;s code, run {'f' * 12} came out differently" in page


HEAD = ",".join(reproduce.COLUMNS)


def line(run="a", old="old", now="now", identical="True", device="1 CPU cores"):
    return f"{run},{old},c,{now},c,tensorflow,{device},1,again,{identical},0.0,0,4\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "No columns"),
        ("run,fingerprint,identical\na,now,True\n", "not in index"),
        (HEAD + "\n" + line() + line(identical=""), "line 3"),
        (HEAD + "\n" + line(identical=" False"), "line 2"),
        (HEAD + "\n" + line(identical="no"), "line 2"),
        (HEAD + "\n" + line() + "<<<<<<< HEAD\n", "line 3"),
        (HEAD + "\n" + line() + "b,old,c,now,c,tensorf", "line 3"),
        (HEAD + "\n" + line(old=""), "line 2"),
        (HEAD + "\n" + line().strip() + ",more,and more\n" + line(), "line 2"),
        ("\xff\xfe", "decode"),
    ],
)  # fmt: skip
def test_a_damaged_table_is_named_and_speaks_for_nobody(tmp_path, monkeypatch, text, said, capsys):
    """An empty cell, and the word False behind a blank, would count as true; what is half a line, for nothing."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    (tmp_path / "reproduced.csv").write_text(text, encoding="latin-1")
    for read in (reproduce.read, lambda: reproduce.verdicts("now")):
        with pytest.raises(runs.RunError, match=rf"reproduced\.csv is damaged .*{said}.*check it out again"):
            read()
    assert cli.main(["sweep", "main", "--profile", "demo", "--status"]) == 2
    assert "reproduced.csv is damaged" in capsys.readouterr().err


def test_only_what_this_code_made_of_other_code_speaks(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    table = [
        line("b"), line("a"), line("a"), line("c", "older"), line("d", "older", identical="False"),
        line("e", "now"), line("f", "eldest", "another"), line("g", "NA", "now"), line("007", "123456789012"),
        line("h", identical="False", device="a device that gives nobody's bits"),
    ]  # fmt: skip
    (tmp_path / "reproduced.csv").write_text("\n".join([HEAD, *table]))
    same = {"old": ["a", "b"], "NA": ["g"], "123456789012": ["007"]}
    assert reproduce.verdicts("now") == (same, {"older": ["d"]})
    (tmp_path / "reproduced.csv").write_text("\n".join([HEAD, line(identical="False")]))
    assert reproduce.verdicts("now") == ({}, {"old": ["a"]}), "where nothing came out the same, it is said"


def test_the_strip_is_true_of_several_codes_at_once(tmp_path, monkeypatch):
    """Two made again the same, one otherwise, one never, and today's own."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    now = environment.fingerprint()
    table = [
        line("a", "same", now), line("b", "same", now), line("c", "also", now), line("x", "absent", now),
        line("d", "partly", now), line("e", "partly", now, "False"),
    ]  # fmt: skip
    (tmp_path / "reproduced.csv").write_text("\n".join([HEAD, *table]))
    records = []
    for number, code in enumerate(("same", "same", "also", "partly", "never", now)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "record.json").write_text("{}")
        info = {"key": str(number), "provenance": {"fingerprint": code}}
        records.append(SimpleNamespace(folder=tmp_path / str(number), seed=0, info=info))
    info = provenance.facts("demo", load("demo"), None, records, None)
    same = "from the stage 0 at hand, came out bit for bit the same (gcaf reproduce)"
    assert provenance._older(info, len(info["records"])) == (
        f"1 of 6 runs was trained by code also; 1 of that code's runs (c), retrained with today's code ({now}) {same}; "
        f"2 of 6 runs were trained by code same; 2 of that code's runs (a, b), retrained with today's code ({now}) {same}; "
        f"2 of 6 runs were trained by an earlier version of the training code (now {now}); their numbers are shown as they "
        "were recorded; retrained with today's code, run e came out differently (gcaf reproduce)"
    )
    assert json.loads(json.dumps(info)) == info, "it goes into the notebook's metadata"


def test_the_strip_tells_of_runs_read_that_came_out_otherwise_elsewhere(tmp_path, monkeypatch):
    """Where a device gives nobody's bits, such a run says nothing of its code; of the page that reads it, it does."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    now = environment.fingerprint()
    elsewhere = {"identical": "False", "device": "4 CPU cores"}
    table = [
        line("a", "old", now), line("b", "old", now, **elsewhere), line("c", now, now, **elsewhere),
        line("d", "old", now, **elsewhere), line("d", "old", now), line("e", "old", "another", **elsewhere),
        line("unread", "old", now, **elsewhere),
    ]  # fmt: skip
    (tmp_path / "reproduced.csv").write_text("\n".join([HEAD, *table]))
    records = []
    for key in "abcde":
        (tmp_path / key).mkdir()
        (tmp_path / key / "record.json").write_text("{}")
        info = {"key": key, "provenance": {"fingerprint": now if key == "c" else "old"}}
        records.append(SimpleNamespace(folder=tmp_path / key, seed=0, info=info))
    info = provenance.facts("demo", load("demo"), None, records, None)
    assert provenance._older(info, 5).endswith(
        "; 2 of 5 runs (b, c) were trained again with today's code and their own stage 0 on 4 CPU cores, 1 thread: not bit for bit "
        "the same, with 0 of 8 test answers changed (gcaf reproduce)"
    )
    assert info["older_code"] == 0 and json.loads(json.dumps(info)) == info
    for commit, said in (("c", "(gcaf reproduce); this training is the one on record"), ("another", "")):
        records[1].info["provenance"]["commit"] = commit
        one = provenance.facts("demo", load("demo"), None, records[1:2], None)
        assert provenance._older(one, 1).endswith(said) and bool(one["nearly"]) == bool(said), (
            "of a record since replaced"
        )
    del records[1].info["provenance"]["commit"]
    alone = provenance.facts("demo", load("demo"), None, records[:1], None)
    assert "not bit for bit" not in provenance._older(alone, 1)
    assert provenance._first(list("abcde")) == "a, b, c, d, e"
    assert provenance._first(list("abcdefg")) == "a, b, c, d, e and 2 more in results/reproduced.csv"


def test_a_run_made_again_prepares_its_images_itself(tmp_path, monkeypatch):
    """Taken from the cache, they would be those of the code that made the record."""
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path))
    for name in ("images", "index"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "made before").touch()
    with reproduce.beside_store():
        assert (cache_dir() / "index" / "made before").is_file()
        assert not (cache_dir() / "images").exists()
