"""Run keys and records: what decides a run decides its key; records are whole or absent."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gcaf_lib import settings
from gcaf_lib.settings import load
from gcaf_lib.training import environment, experiments, runs


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

    def key(change=None, seed=0, backbone="convnext-tiny", data="d", split="s"):
        return runs.stage0_key(s.replace(change or {}), seed, backbone, data, split)

    later = {
        "model.fusion": "concat", "model.projection_norm": True, "loss.gamma": 1, "training.mixup": 0,
        "training.batch_size": 16, "training.ema": 0, "training.stage2_rate": 1e-4,
    }  # fmt: skip
    assert {key({name: value}) for name, value in later.items()} == {key()}
    own = {
        "data.protocol": "twins", "data.fold": 1, "model.scale": "full", "model.dropout": 0.1,
        "training.stage0_batch_size": 16, "training.stage0_epochs": 1, "training.flips": False,
        "training.dtype": "mixed_bfloat16", "training.stage0_rate": 1e-4, "training.brightness": 0.2,
        "training.contrast": 0.2, "model.normalisation": "native",
    }  # fmt: skip
    others = [key({name: value}) for name, value in own.items()]
    others += [key(backbone="vgg19"), key(data="e"), key(split="t"), key(seed=1)]
    assert len({key(), *others}) == 1 + len(others)


def test_stage0_takes_the_run_s_seed_unless_it_is_shared():
    own, shared = (load("demo", {"training.stage0_seed": word}) for word in ("own", "shared"))
    assert [runs.stage0_seed(own, n) for n in (0, 3)] == [0, 3]
    assert [runs.stage0_seed(shared, n) for n in (0, 3)] == [0, 0]
    keys = [runs.stage0_key(s, seed, "vgg19", "d", "s") for s in (own, shared) for seed in (0, 3)]
    assert keys[0] == keys[2] == keys[3] != keys[1], "seed 0 is one stage 0, however it is asked for"


def test_what_stage_0_is_given_is_what_its_key_holds():
    """Nothing of a run that its stage 0's key leaves out may reach stage 0: two runs would share what differs."""
    from gcaf_lib.training import train

    far = load(
        "demo",
        {
            "model.fusion": "concat", "model.width": 32, "model.projection_norm": True, "loss.gamma": 1,
            "loss.smoothing": 0.1, "training.batch_size": 16, "training.mixup": 0.6, "training.ema": 0,
            "training.stop_patience": 2, "training.plateau_factor": 0.1, "training.stage1_rate": 1e-4,
            "training.stage0_seed": "shared",
        },
    )  # fmt: skip
    near = load("demo")
    assert runs.stage0_key(far, 0, "vgg19", "d", "s") == runs.stage0_key(near, 0, "vgg19", "d", "s")
    given = train._stage0_settings(far, "vgg19")
    assert given == train._stage0_settings(near, "vgg19")
    assert (given.training.batch_size, given.training.mixup) == (32, 0)
    assert given.training.stage0_epochs == near.training.stage0_epochs != load("paper").training.stage0_epochs


def test_a_key_holds_what_is_in_the_weight_files_and_not_where_they_lie(tmp_path):
    def files(name, *contents):
        for backbone, content in zip(load("demo").model.backbones, contents):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{backbone}.weights.h5").write_bytes(content)
        return load("demo", {"model.weights": str(tmp_path / name)})

    def key(settings):
        return runs.key(settings, 0, "d", "s")

    first, moved, other = files("a", b"1", b"2"), files("b", b"1", b"2"), files("c", b"1", b"3")
    assert key(first) == key(moved) != key(other)
    assert key(first) not in {
        key(load("demo", {"model.weights": w})) for w in ("imagenet", "in-domain", "none")
    }
    (tmp_path / "a" / "convnext-tiny.weights.h5").write_bytes(b"changed")
    assert key(first) != key(moved)
    with pytest.raises(settings.SettingsError, match=r"there is no .*vgg19\.weights\.h5; expected one file"):
        key(first.replace({"model.backbones": ("vgg19",), "model.fusion": "none"}))


def test_weights_of_known_names_need_no_file(monkeypatch):
    monkeypatch.setattr(runs, "sha256", None)
    for source in ("imagenet", "in-domain", "none"):
        runs.key(load("demo", {"model.weights": source}), 0, "d", "s")


INFO = {
    "key": "abc",
    "kind": "main",
    "profile": "demo",
    "seed": 0,
    "data_hash": "d",
    "provenance": {"fingerprint": "f"},
    "stages": [],
    "weights": {},
}
INFO["settings"] = load("demo").to_dict()


def _predictions():
    return {"test_rows": np.arange(3, dtype=np.int32), "test_ema": np.full((3, 4), 0.25, np.float32)}


def test_record_round_trip_and_never_rewritten():
    info = {**INFO, "x": 1}
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


@pytest.mark.parametrize("profile", settings.PROFILES)
def test_settings_of_a_record_are_those_it_was_trained_with(profile, tmp_path):
    own = load(profile, {"training.batch_size": 7, "data.classes": "glioma,pituitary", "loss.gamma": 0})
    tree = json.loads(json.dumps(own.to_dict()))
    assert runs.Record(tmp_path, {**INFO, "settings": tree}).settings == own
    for room, name in (("training", "bach_size"), ("nowhere", "fold")):
        other = {**tree, room: {**tree.get(room, {}), name: 1}}
        with pytest.raises(runs.RunError, match="damaged: its settings can't be read"):
            _ = runs.Record(tmp_path, {**INFO, "settings": other}).settings


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
    runs.write(INFO, pd.DataFrame({"a": [1]}), _predictions())
    assert sorted(p.name for p in runs.runs_dir().iterdir()) == [".tmp-other-writing", "abc"]


def test_unwritable_results_folder_is_named(monkeypatch, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("GCAF_RESULTS", str(blocker))
    with pytest.raises(runs.RunError, match="GCAF_RESULTS"):
        runs.write({"key": "abc"}, pd.DataFrame(), {})


def _store(name: str, text: str) -> Path:
    folder = runs.runs_dir() / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(text)
    return folder


GOOD = {"schema": runs.SCHEMA, **INFO}
UNUSABLE = {
    "cut off": ('{"schema": 2,', r"can't be read"),
    "of an older version": (
        json.dumps({**GOOD, "schema": 1}),
        r"is of schema 1, this version reads 2: train",
    ),
    "of a newer version": (json.dumps({**GOOD, "schema": 99}), r"is of schema 99"),
    "a list": ("[1, 2]", r"is no run record: a list"),
    "null": ("null", r"is no run record: a NoneType"),
    "empty": ("", r"can't be read"),
    "not text": ("\udcff", r"can't be read"),
    "without a seed": (json.dumps({k: v for k, v in GOOD.items() if k != "seed"}), r"damaged: seed missing"),
    "without a profile": (
        json.dumps({k: v for k, v in GOOD.items() if k != "profile"}),
        r"damaged: profile missing",
    ),
    "without stages": (
        json.dumps({k: v for k, v in GOOD.items() if k != "stages"}),
        r"damaged: stages missing",
    ),
    "without its code": (
        json.dumps({**GOOD, "provenance": {}}),
        r"damaged: provenance's fingerprint missing",
    ),
    "of wrong types": (json.dumps({**GOOD, "seed": "0", "settings": []}), r"damaged: seed, settings"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_record_that_cannot_be_used_is_named_and_left_aside(kind):
    text, message = UNUSABLE[kind]
    folder = _store("bad", "")
    (folder / "record.json").write_bytes(text.encode(errors="surrogateescape"))
    _store("abc", json.dumps(GOOD))
    for ask in (lambda: runs.load(folder), lambda: runs.resolve("bad"), lambda: runs.resolve(str(folder))):
        with pytest.raises(runs.RunError, match=message) as caught:
            ask()
        assert "bad" in str(caught.value) and "delete" not in str(caught.value)
    with pytest.warns(UserWarning, match=message):
        assert [r.key for r in runs.all_records()] == ["abc"]
    with pytest.warns(UserWarning, match=message):
        assert runs.find("bad") is None
    assert runs.find("abc").key == "abc" and runs.find("never made") is None


@pytest.mark.parametrize("name", ["test_labels", "test_rows", "test_ema"])
def test_arrays_of_another_shape_are_damage_and_no_score(name):
    """Labels (n, 1) beside answers (n,) would be compared each with each."""
    arrays = _predictions() | {"test_labels": np.zeros(3, np.int8)}
    history = pd.DataFrame({"stage": [1], "epoch": [1], "loss": [0.5]})
    sound = runs.write(INFO, history, arrays)
    assert sound.right().shape == sound.rows().shape == (3,)
    other = arrays[name][..., None] if arrays[name].ndim == 1 else arrays[name][:, 0]
    damaged = runs.write({**INFO, "key": "other"}, history, arrays | {name: other})
    with pytest.raises(runs.RunError, match=f"no sound {name[5:]} of part test"):
        damaged.right(), damaged.rows()


def test_many_unusable_records_are_one_warning():
    for number in range(5):
        _store(f"old{number}", json.dumps({**GOOD, "schema": 1}))
    with pytest.warns(UserWarning, match=r"^5 of the run records are left aside: .*; and 2 more$") as said:
        assert runs.all_records() == []
    assert len(said) == 1


def test_training_again_keeps_a_record_that_could_not_be_used_beside_the_new_one():
    _store("abc", "what somebody may still want")
    with pytest.warns(UserWarning, match="left aside"):
        record = runs.write(INFO, pd.DataFrame({"a": [1]}), _predictions())
    assert record.key == "abc" and runs.find("abc") is not None
    (kept,) = runs.runs_dir().glob(".aside-abc-*")
    assert (kept / "record.json").read_text() == "what somebody may still want"
    assert [r.key for r in runs.all_records()] == ["abc"], "what was put aside is in no list"


def test_names_that_are_no_run_are_explained(tmp_path, monkeypatch):
    _store("abc", json.dumps(GOOD))
    _store("abd", json.dumps(GOOD))
    other = tmp_path / "photos"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("/", str(other), "photos", "."):
        with pytest.raises(runs.RunError, match=r"is no run: it holds no record\.json; `gcaf runs` lists"):
            runs.resolve(name)
    for name in ("/no/such/place", "zz", "*", "a*", "../..x", "a" * 300):
        with pytest.raises(runs.RunError, match="no run "):
            runs.resolve(name)
    with pytest.raises(runs.RunError, match="fits 2 runs: abc, abd"):
        runs.resolve("ab")
    assert runs.resolve(str(runs.runs_dir() / "abd")).folder.name == "abd"
    (tmp_path / "abc").mkdir()
    assert runs.resolve("abc").key == "abc", "a folder of the same name here doesn't hide a run"


@pytest.mark.parametrize("profile", settings.PROFILES)
@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_every_row_of_every_experiment_is_valid_and_distinct(name, profile):
    rows = experiments.experiment(name).settings(profile)
    # Table 8 shows the chosen value once for every parameter it varies
    assert len({s.hash() for _, s in rows}) == len(rows) or name.startswith("table-8")
    # a row stands once, or once in each of the five folds of `patients`
    folds: dict[str, list] = {}
    for label, chosen in rows:
        folds.setdefault(label, []).append(chosen.data.fold)
    assert all(len(found) == 1 or found == list(range(5)) for found in folds.values())


def test_seeds_come_outermost_and_rows_may_ask_for_fewer():
    ladder = list(experiments.experiment("ladder").runs("cpu"))
    assert [seed for _, _, seed in ladder] == sorted(seed for _, _, seed in ladder)
    folds = [(s.data.fold, seed) for label, s, seed in ladder if label == "patients"]
    assert folds == [(fold, seed) for seed in range(3) for fold in range(5)]
    for rung in ("official", "paper", "bytes", "twins"):
        assert [seed for label, _, seed in ladder if label == rung] == list(range(5))
    assert len(list(experiments.experiment("ladder").runs("cpu", seeds=1))) == 9


@pytest.mark.parametrize("table", ["table-4", "table-5", "table-6", "table-8", "ladder"])
def test_a_row_varies_what_its_label_says(table):
    fusions = {"Feature Concatenation": "concat", "Gated Fusion (No Attention)": "gate",
               "Cross-Attention (No Gating)": "cross", experiments.PROPOSED_FUSION: "gcaf"}  # fmt: skip
    backbones = {"VGG19": "vgg19", "ResNet50": "resnet50", "DenseNet": "densenet121",
                 "EfficientNet-B0": "efficientnet-b0", "CNN with Attention": "resnet50-cbam"}  # fmt: skip
    parameters = {"Batch Size": "training.batch_size", "Mixup α": "training.mixup", "Focal γ": "loss.gamma",
                  "Label Smoothing ε": "loss.smoothing", "Focal α": "loss.balance"}  # fmt: skip
    base = load("cpu")
    for label, chosen in experiments.experiment(table).settings("cpu"):
        wanted = {}
        if table == "table-4":
            wanted = {"model.fusion": fusions.get(label, label)}
        elif table == "table-5":
            off = {
                "With Mixup Only": ("ema",),
                "With EMA Only": ("mixup",),
                "Without Mixup & EMA": ("mixup", "ema"),
            }
            wanted = {f"training.{name}": 0 for name in off.get(label, ())}
        elif table == "table-6" and label in backbones:
            wanted = {"model.backbones": (backbones[label],), "model.fusion": "none"}
        elif table == "table-8":
            name, value = label.split(" = ")
            wanted = {parameters[name]: value}
        elif table == "ladder":
            wanted = {"data.protocol": label, "data.fold": chosen.data.fold}
        assert chosen == base.replace(wanted), label


def test_the_proposed_row_of_each_table_is_the_main_run():
    for name in ("table-4", "table-5", "table-6", "table-8", "loss", "projection-norm", "ladder"):
        main = load("cpu").hash()
        assert main in {s.hash() for _, s in experiments.experiment(name).settings("cpu")}, name


@pytest.mark.parametrize("profile", ["cpu", "paper"])
@pytest.mark.parametrize(("table", "rows"), [("table-4", 7), ("table-5", 4), ("table-6", 6), ("table-8", 13)])
def test_with_patients_apart_a_table_differs_in_the_split_alone(table, rows, profile):
    here = dict(experiments.experiment(table).settings(profile))
    apart = experiments.experiment(f"{table}-patients").settings(profile)
    assert len(apart) == 5 * rows and {label for label, _ in apart} <= set(here)
    for label, chosen in apart:
        assert chosen.replace({"data.protocol": "paper", "data.fold": None}) == here[label]
    folds = {chosen.hash() for label, chosen in experiments.experiment("ladder").settings(profile)}
    own = [chosen.hash() for label, chosen in apart if here[label] == load(profile)]
    assert own and set(own) <= folds, "the proposed model's own folds are those of the ladder"


@pytest.mark.parametrize("profile", ["demo", "cpu"])
@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_what_a_row_varies_is_all_that_it_varies(name, profile):
    """Rows on one split start from one stage 0 a backbone and seed, but for what changes the images themselves."""
    begun: dict[tuple, set[str]] = {}
    for _, chosen in experiments.experiment(name).settings(profile):
        for backbone in chosen.model.backbones:
            key = runs.stage0_key(chosen, 1, backbone, "d", "s")
            begun.setdefault((backbone, chosen.hash(room="data")), set()).add(key)
    assert all(len(keys) == 1 for keys in begun.values())


def test_imagenet_baselines_get_the_inputs_of_their_weights_and_others_eq_2():
    for table in ("table-6", "table-6-patients"):
        rows = dict.fromkeys(label for label, _ in experiments.experiment(table).settings("paper"))
        assert experiments.native(table, "paper") == [label for label in rows if label != "Proposed Method"]
        assert experiments.native(table, "cpu") == []
        assert experiments.native(table, "paper", {"model.weights": "in-domain"}) == []
    for name in set(experiments.EXPERIMENTS) - {"table-6", "table-6-patients"}:
        assert experiments.native(name, "paper") == []


def test_seeds_of_the_grid():
    counts = {
        name: [sum(1 for _, _, seed in one.runs("cpu") if seed == n) for n in range(5)]
        for name, one in experiments.EXPERIMENTS.items()
    }
    for name in ("main", "table-4", "table-5", "table-6", "projection-norm"):
        assert len(set(counts[name])) == 1, name
    for name in ("table-8", "loss", "patients", *(n for n in counts if n.endswith("-patients"))):
        assert len(set(counts[name][:3])) == 1 and counts[name][3:] == [0, 0], name
    assert all(len(list(one.runs("demo"))) == len(one.rows) for one in experiments.EXPERIMENTS.values())


def test_committed_runs_of_one_split_start_from_the_stage_0_on_record():
    """Runs that a table compares by seed must have begun alike, or their difference is the beginning's too."""
    store = Path(__file__).resolve().parents[1] / "results" / "runs"
    records = [json.loads(path.read_text()) for path in sorted(store.glob("*/record.json"))]
    assert len({r["schema"] for r in records}) == 1
    made = {r["key"]: r["weights_sha256"] for r in records if r["kind"] == "stage0"}
    begun = [(r["key"], w) for r in records if r["kind"] == "main" for w in r["weights"].values()]
    assert begun and made
    other = {key for key, w in begun if w["source"] == "in-domain" and made.get(w["stage0"]) != w["sha256"]}
    assert not other, f"started from weights that are not those of their stage-0 record: {sorted(other)}"


def test_committed_records_are_of_the_training_code_that_is_here():
    """As book/rerun.md says: who changes that code trains them again, or shows what another version's runs are worth."""
    store = Path(__file__).resolve().parents[1] / "results" / "runs"
    records = [json.loads(path.read_text()) for path in sorted(store.glob("*/record.json"))]
    older = {r["key"] for r in records if r["provenance"]["fingerprint"] != environment.fingerprint()}
    assert records and not older, f"of another version of the training code: {sorted(older)}"
    assert all(r["provenance"]["device"] and r["provenance"]["threads"] for r in records)


def test_committed_records_keep_maps_only_where_a_chapter_shows_them():
    store = Path(__file__).resolve().parents[1] / "results" / "runs"
    kept = [json.loads((path.parent / "record.json").read_text()) for path in store.glob("*/maps.npz")]
    assert kept
    shown = [experiments.maps_shown(settings.Settings.from_dict(r["settings"]), r["profile"]) for r in kept]
    unread = [r["key"] for r, page in zip(kept, shown) if not page]
    assert not unread, f"maps that no page reads: {sorted(unread)}"
