"""Settings: profiles load, overrides are typed and checked, and every error names its cure."""

import dataclasses

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
