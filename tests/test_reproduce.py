"""Training a record again: the same bits, a store that is left alone, and a difference that is found."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from gcaf_lib import cli
from gcaf_lib.book import provenance
from gcaf_lib.settings import load
from gcaf_lib.training import environment, reproduce, runs, sweep, train
from tests import stages

TINY = {
    "data.phantoms": 24,
    "data.image_size": 32,
    "model.width": 16,
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
    assert line["identical"] and line["largest_difference"] == 0


def test_one_changed_bit_is_found(made):
    name = next(n for n, v in made.predictions.items() if v.dtype == np.float32)
    value = made.predictions[name].copy()
    value.flat[3] = np.nextafter(value.flat[3], np.float32(2))
    found = reproduce.differences(made, with_predictions(made, **{name: value})).set_index("array")
    assert not found.loc[f"predictions: {name}", "identical"]
    assert found["identical"].sum() == len(found) - 1
    assert 0 < found["largest_difference"].max() < 1e-6


def test_an_array_of_another_shape_or_without_partner_differs(made):
    name = next(iter(made.predictions))
    short = with_predictions(made, **{name: made.predictions[name][1:]})
    more = with_predictions(made, extra=np.zeros(3))
    for other, row in ((short, f"predictions: {name}"), (more, "predictions: extra")):
        for pair in ((made, other), (other, made)):
            found = reproduce.differences(*pair).set_index("array")
            assert not found.loc[row, "identical"] and np.isnan(found.loc[row, "largest_difference"])


def test_a_note_replaces_the_one_of_the_same_code_and_device(made):
    table = pd.DataFrame([("a", 1, True, 0.0)], columns=["array", "size", "identical", "largest_difference"])
    good = reproduce.Outcome(table, 0, 0.5, 0.5)
    bad = good._replace(differences=table.assign(identical=False, largest_difference=0.25), changed_answers=2)
    for outcome in (good, bad, good):
        reproduce.note(made, outcome)
        known = reproduce.read()
        assert len(known) == 1 and bool(known["identical"].iloc[0]) is outcome.identical


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
        current = {environment.fingerprint(), *reproduce.again(environment.fingerprint())}
        (made.folder / "record.json").write_text(json.dumps(old.info))
        return info["older_code"], provenance.render(info), sweep._state(made.key, current)

    older, page, planned = state()
    assert older == 1 and "as they were recorded" in page and "gcaf-older" in page and planned == "stale"
    reproduce.note(old, same)
    older, page, planned = state()
    assert older == 0 and f"has made run {made.key} of it again, bit for bit" in page and planned == "done"
    assert "gcaf-older" not in page and "earlier version" not in page
    other = dataclasses.replace(old, info={**old.info, "key": "f" * 12})
    reproduce.note(other, same._replace(differences=table.assign(identical=False)))
    assert state()[0] == 1, "one that came out otherwise outweighs those that came out the same"
