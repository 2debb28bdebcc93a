"""Settings: profiles load, overrides are typed and checked, and every error names its cure."""

import dataclasses
import pathlib

import pytest

from gcaf_lib import settings
from gcaf_lib.settings import Settings, SettingsError, load


@pytest.mark.parametrize("profile", settings.PROFILES)
def test_profiles_load_and_survive_the_way_through_json(profile):
    loaded = load(profile)
    assert Settings.from_dict(loaded.to_dict()) == loaded
    assert Settings.from_dict(loaded.to_dict()).hash() == loaded.hash()


def test_the_paper_profile_is_table_3():
    s = load("paper")
    t = s.training
    assert (s.data.image_size, t.batch_size, t.stage1_rate, t.stage2_rate) == (224, 32, 3e-4, 1e-5)
    assert (t.mixup, s.loss.gamma, s.loss.balance, s.loss.smoothing) == (0.2, 2, "inverse-frequency", 0.05)
    assert (t.ema, t.stage1_epochs, t.stage2_epochs, t.unfrozen) == (0.999, 20, 10, 0.2)
    assert s.model.backbones == ("efficientnetv2-s", "convnext-tiny") and s.model.weights == "imagenet"


def test_no_profile_has_a_layernorm_behind_the_projection_or_seeds_without_a_stage_0_of_their_own():
    for profile in settings.PROFILES:
        chosen = load(profile)
        assert not chosen.model.projection_norm and chosen.training.stage0_seed == "own"
    assert load("cpu", {"model.projection_norm": "true"}).model.projection_norm is True
    for stop in ({"training.stage1_epochs": 0}, {"training.stage2_epochs": 0}):
        load("cpu", stop)  # one of them is enough
    load("cpu", {"training.stage0_epochs": 0, "model.weights": "none"})


def test_text_from_the_command_line_takes_the_type_of_its_setting():
    s = load(
        "cpu",
        {
            "training.batch_size": "64",
            "training.flips": "false",
            "data.fold": "2",
            "data.classes": "glioma, pituitary",
            "loss.balance": "0.5",
            "training.stage1_rate": "1e-3",
        },
    )
    assert s.training.batch_size == 64 and s.training.flips is False and s.data.fold == 2
    assert s.data.classes == ("glioma", "pituitary") and s.loss.balance == 0.5
    assert s.training.stage1_rate == 1e-3
    assert s.replace({"data.fold": "none"}).data.fold is None


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"training.batchsize": 1},
            r"unknown setting 'training.batchsize'; did you mean 'training.batch_size'",
        ),
        ({"batch_size": 1}, r"did you mean 'training.batch_size'"),
        ({"zzz": 1}, r"known: data.source"),
        ({"training.mixup": -1}, r"mixup=-1.0 is out of range: from 0 to 10"),
        ({"training.ema": 1}, r"ema=1.0 is out of range"),
        ({"training.mixup": "nan"}, r"out of range"),
        ({"training.batch_size": "many"}, r"not a valid int \(images a step"),
        ({"training.batch_size": 1.5}, r"not a valid int"),
        ({"training.flips": "perhaps"}, r"not a valid bool"),
        ({"model.fusion": "gcaff"}, r"did you mean 'gcaf'"),
        ({"model.fusion": "none"}, r"one backbone goes with fusion='none'"),
        ({"model.backbones": "vgg19,vgg19"}, r"give one, or two that differ"),
        ({"data.protocol": "patient"}, r"did you mean 'patients'"),
        ({"data.classes": "glioma,menigioma"}, r"did you mean 'meningioma'"),
        ({"loss.balance": "inverse"}, r"give 'inverse-frequency' or a number"),
        ({"data.classes": "glioma"}, r"classes=glioma: give two or more that differ"),
        ({"data.classes": "glioma,glioma"}, r"give two or more that differ"),
        ({"data.classes": ()}, r"give two or more that differ"),
        ({"training.stage0_epochs": 0}, r"no stage 0 to take weights from; give model.weights=none"),
        ({"training.stage1_epochs": 0, "training.stage2_epochs": 0}, r"nothing to train"),
        ({"training.stage0_seed": "shard"}, r"did you mean 'shared'"),
    ],
)
def test_each_mistake_is_named_with_its_cure(change, message):
    with pytest.raises(SettingsError, match=message):
        load("cpu", change)


def test_profiles_may_be_files_and_mistakes_in_them_are_named(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("training: {batch_size: 8}\n")
    assert load(str(mine)).training.batch_size == 8
    mine.write_text("training: {batch_sise: 8}\n")
    with pytest.raises(SettingsError, match="batch_size"):
        load(str(mine))
    mine.write_text("training: {batch_size: [\n")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load(str(mine))
    for text in ("training\n", "training: 3\n", "- training\n"):
        mine.write_text(text)
        with pytest.raises(SettingsError, match="expected lines such as"):
            load(str(mine))
    with pytest.raises(SettingsError, match="did you mean 'paper'"):
        load("papers")


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "training: {batch_size: 8}".encode("utf-16"),
            "is UTF-16, as PowerShell's > writes it: save it as UTF-8",
        ),
        (b"\xff\xfe", "is UTF-16"),
        ("training: {batch_size: 8} # für".encode("latin-1"), "is no UTF-8.*save it as UTF-8"),
        (b"a: " + b"[" * 5000, "not valid YAML"),
        (b"training: {batch_size: " + b"9" * 5000 + b"}", "not valid YAML|not a valid int|out of range"),
        (b"training: {batch_size: 2024-99-99}", "not valid YAML"),
        (b"training: {batch_size: {8: 8}}", "training.batch_size: give one value"),
        (b"data: {classes: [[glioma], [notumor]]}", "data.classes: give one value, or a list of plain ones"),
        (b"training: {batch_size: .inf}", "not a valid int"),
        (b"? {a: b}\n: c", "not valid YAML"),
        (b"3: {batch_size: 8}", "unknown setting '3.batch_size'"),
        (b"\0", "not valid YAML"),
    ],
)
def test_a_profile_of_any_content_is_refused_in_words(tmp_path, text, message):
    mine = tmp_path / "mine.yaml"
    mine.write_bytes(text)
    with pytest.raises(SettingsError, match=f"(?s){message}"):
        load(str(mine))


def test_a_profile_with_a_mark_of_utf_8_is_read(tmp_path):
    (tmp_path / "mine.yaml").write_text("training: {batch_size: 8} # für", encoding="utf-8-sig")
    assert load(str(tmp_path / "mine.yaml")).training.batch_size == 8


def test_a_profile_that_would_grow_without_end_is_refused(tmp_path):
    """Ten lists, each of nine times the one before: gigabytes where it is written out."""
    lists = ["&a [x, x, x, x, x, x, x, x, x]"]
    lists += [f"&{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij")]
    (tmp_path / "mine.yaml").write_text(f"data: {{classes: [{', '.join(lists)}]}}")
    with pytest.raises(SettingsError, match=r"data\.classes: give one value"):
        load(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text(f"data: [{', '.join(lists)}]")
    with pytest.raises(SettingsError, match="expected lines such as"):
        load(str(tmp_path / "mine.yaml"))


HOME = str(pathlib.Path.home())


@pytest.mark.parametrize(
    "variables, folder",
    [
        ({}, f"{HOME}/.cache/gcaf"),
        ({"XDG_CACHE_HOME": ""}, f"{HOME}/.cache/gcaf"),
        ({"XDG_CACHE_HOME": "here"}, f"{HOME}/.cache/gcaf"),  # its standard: a relative path counts as none
        ({"XDG_CACHE_HOME": "/x"}, "/x/gcaf"),
        ({"GCAF_CACHE": ""}, f"{HOME}/.cache/gcaf"),
        ({"GCAF_CACHE": "", "XDG_CACHE_HOME": "/x"}, "/x/gcaf"),
        ({"GCAF_CACHE": "~/g"}, f"{HOME}/g"),
        ({"GCAF_CACHE": "/y", "XDG_CACHE_HOME": "/x"}, "/y"),
    ],
)
def test_the_cache_is_where_it_was_said_to_be(monkeypatch, variables, folder):
    for name in ("GCAF_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.cache_dir() == pathlib.Path(folder)


def test_without_a_home_folder_what_is_named_works_and_the_rest_says_so(monkeypatch):
    def homeless(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(settings.Path, "home", homeless)
    monkeypatch.setattr(settings.Path, "expanduser", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("GCAF_CACHE", raising=False)
    with pytest.raises(SettingsError, match="no home folder for the cache: set GCAF_CACHE"):
        settings.cache_dir()
    monkeypatch.setenv("GCAF_CACHE", "~/g")
    with pytest.raises(SettingsError, match="GCAF_CACHE=~/g: there is no home folder"):
        settings.cache_dir()
    monkeypatch.undo()
    monkeypatch.setattr(settings.Path, "home", homeless)
    monkeypatch.setenv("GCAF_CACHE", "/y")
    assert settings.cache_dir() == pathlib.Path("/y")


def test_an_empty_results_folder_counts_as_none(monkeypatch):
    monkeypatch.delenv("GCAF_RESULTS", raising=False)
    usual = settings.results_dir()
    monkeypatch.setenv("GCAF_RESULTS", "")
    assert settings.results_dir() == usual
    monkeypatch.setenv("GCAF_RESULTS", "~/r")
    assert settings.results_dir() == pathlib.Path(HOME) / "r"


def test_every_setting_has_help_and_a_default_inside_its_bounds():
    for name, spec in settings.names().items():
        assert spec.metadata["help"], name
        assert spec.default is not dataclasses.MISSING, name
    Settings()


def test_hash_changes_with_every_setting():
    base = load("paper")
    changes = {
        "data.image_size": 64,
        "model.dropout": 0.1,
        "loss.gamma": 1,
        "training.ema": 0,
        "data.protocol": "twins",
    }
    assert len({base.hash(), *(base.replace({k: v}).hash() for k, v in changes.items())}) == 6
