"""The ladder's tables and what the chapters on trust say of them, at the turning points of each sentence."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import splits
from gcaf_lib.evaluation import bootstrap, floors, units, worth
from gcaf_lib.evaluation.worth import Worth
from gcaf_lib.findings import (
    accuracies,
    acting,
    beside_literature,
    beside_look_ups,
    calibration,
    calibration_effects,
    ladder,
    leakage,
    new_patients,
    reliability,
    seed_changes,
    seen_in_training,
    shortcuts,
    split_records,
    temperature_scaling,
    training_size,
    tumour_classes,
    words,
)
from gcaf_lib.paper import literature
from gcaf_lib.settings import CLASSES, PROTOCOLS
from tests.told import Told

NEAR = beside_look_ups.FLOOR_NAMES["1nn-mirror"]


def floor_table(**scores) -> pd.DataFrame:
    one = dict(
        zip(
            floors.COLUMNS,
            ("1nn-mirror", "", 0.9, 0.8, 0.7, 0.95, 10, 0, 0.6, 0.9, 0.5, 0.4, 0.6, 0.5, 0.4, 0.6),
        )
    )
    return pd.DataFrame([one | {"protocol": p} | scores for p in splits.MANIFESTS])


PLAIN = beside_look_ups.FLOOR_NAMES["1nn"]
EVERY = np.arange(100)


def images(monkeypatch, pictures=EVERY):
    """A hundred images, each of a patient of its own, and the pictures that they are copies of."""
    monkeypatch.setattr(splits, "clusters", lambda dataset: EVERY)
    monkeypatch.setattr(units, "pictures", lambda dataset: pictures)


def frame(**levels) -> pd.DataFrame:
    """Look-ups at 96% and 95%, then 74% and 75%; the model at `levels` protocol: (value, low, high). By picture the same."""
    lines = [(NEAR, "floor", "paper", 0.96, 0.94, 0.98), (NEAR, "floor", "patients", 0.74, 0.71, 0.77)]
    lines += [(PLAIN, "floor", "paper", 0.95, 0.93, 0.97), (PLAIN, "floor", "patients", 0.75, 0.72, 0.78)]
    lines += [(split_records.MODEL, "model", p, *three) for p, three in levels.items()]
    out = pd.DataFrame(lines, columns=["method", "kind", "protocol", "accuracy", "low", "high"])
    copied = dict(zip(accuracies.PICTURE_COLUMNS["accuracy"], (out["accuracy"], out["low"], out["high"])))
    apart = {name: value for three in beside_look_ups.AHEAD for name, value in zip(three, (0.05, 0.01, 0.09))}
    return out.assign(seeds=1, folds=5, images=7023, **copied, **apart)


def test_floors_and_model_stand_on_one_scale(monkeypatch):
    images(monkeypatch)
    out = ladder.scores_by_split({}, floor_table(), None)
    assert out["protocol"].tolist() == list(PROTOCOLS)
    table = ladder.table_by_split(out)
    assert list(table) == ["Method", "official", "paper", "bytes", "twins", "patients (five folds)"]
    assert table.iloc[0]["paper"] == "90.0 (70.0 to 95.0)"
    by_picture = ladder.table_by_split(out, by_picture=True)
    assert list(by_picture) == list(table) and (by_picture.iloc[0, 1:] == "50.0 (40.0 to 60.0)").all()
    assert ladder.table_by_split(out, "macro_f1").iloc[0]["paper"] == "80.0 (60.0 to 90.0)"
    both = ladder.table_by_split(out, "macro_f1", by_picture=True)
    assert both.iloc[0]["paper"] == "50.0 (40.0 to 60.0)"


def test_patients_are_the_five_folds(monkeypatch):
    images(monkeypatch)
    table = floor_table()
    table.loc[table["protocol"] == splits.FIVEFOLD, "accuracy"] = 0.75
    out = ladder.scores_by_split({}, table, None).set_index("protocol")
    assert out.loc["patients", "accuracy"] == 0.75 and out.loc["patients", "folds"] == splits.FOLDS
    missing = ladder.table_by_split(ladder.scores_by_split({}, table[table["protocol"] != "twins"], None))
    assert missing.iloc[0]["twins"] == "no run yet"


def falls(scores, published_accuracy=0.9573, records=None):
    """What is said of a frame; records: of the model, where it has several seeds on a split."""
    return leakage.falls_said(scores, records or {}, {}, None, published_accuracy)


def test_the_ladders_words_turn_on_its_numbers(monkeypatch):
    levels = {"paper": (0.94, 0.92, 0.96), "patients": (0.86, 0.84, 0.88)}
    apart = falls(frame(**levels))
    assert (
        f"{PLAIN} goes from 95.0% (93.0% to 97.0%, by picture 95.0%) to 75.0% (72.0% to 78.0%, by picture 75.0%): −20.0 points (−23.6 to −16.4), by picture −20.0 points (−23.6 to −16.4)"
        in apart
    )
    assert (
        "−22.0 points (−25.6 to −18.4), by picture −22.0 points (−25.6 to −18.4). The paper's 95.73% lies inside the interval of the better one"
        in apart
    )
    assert "−8.0 points (−10.8 to −5.2), by picture −8.0 points (−10.8 to −5.2) (1 seed)." in apart
    more = frame(**levels)
    more.loc[more["protocol"] == "paper", "seeds"] = 5
    assert "to −5.2) (5 seeds on the random split, 1 on the folds)." in falls(more)
    more.loc[more["protocol"] == "paper", beside_look_ups.AHEAD[0]] = (-0.02, -0.03, 0.01)
    assert (
        "its distance to the better look-up is +5.0 points (+1.0 to +9.0), by picture +5.0 points (+1.0 to +9.0); on the random split −2.0 points (−3.0 to +1.0), by picture +5.0 points (+1.0 to +9.0)."
        in falls(more)
    )
    assert "they had no image and no patient in common" in apart and "its interval is over patients" in apart
    assert "yet on: official, bytes, twins." in apart and "due to" not in apart
    more[[*beside_look_ups.AHEAD[0], *beside_look_ups.AHEAD[1]]] = (0.0, -0.04, 0.03) * 2
    same = falls(more)
    assert (
        "is 0.0 points (−4.0 to +3.0), by picture 0.0 points (" in same
        and "on the random split 0.0 points (" in same
    )
    touching = falls(frame(paper=(0.94, 0.88, 0.96), patients=(0.86, 0.84, 0.88)), 0.99)
    assert "lies above the interval" in touching
    same = frame().set_index(["method", "protocol"]).loc[PLAIN]
    monkeypatch.setattr(ladder, "at_equal_seeds", lambda records, _: records.get("equal"))
    equal = falls(frame(**levels), records={"equal": same.assign(seeds=3)})
    assert "(1 seed). Of the seeds that both have (3): −20.0 points (−23.6 to −16.4), by picture" in equal
    assert "that both have" not in apart
    better = falls(frame(paper=(0.80, 0.79, 0.81), patients=(0.86, 0.84, 0.88)), 0.5)
    assert (
        "+6.0 points (+3.8 to +8.2), by picture +6.0 points (+3.8 to +8.2) (1 seed)." in better
        and "lies below" in better
    )
    alone = falls(frame(), None)
    assert "patients (five folds). Its line" in alone
    assert "The paper" not in alone and "The model goes" not in alone and "A distance" not in alone


def test_the_better_look_up_is_asked_split_by_split_by_file_and_by_picture():
    known = frame()
    assert (
        beside_look_ups.look_up(known, "paper").accuracy == 0.96
        and beside_look_ups.look_up(known, "patients").accuracy == 0.75
    )
    known.loc[
        (known["method"] == NEAR) & (known["protocol"] == "patients"),
        list(accuracies.PICTURE_COLUMNS["accuracy"]),
    ] = (0.8, 0.7, 0.9)
    line = beside_look_ups.look_up(known, "patients")
    assert (line.accuracy, line.high, line.picture, line.picture_high) == (0.75, 0.78, 0.8, 0.9)


def test_look_ups_have_fallen_only_where_each_ones_intervals_are_apart():
    known = frame()
    assert beside_look_ups.fallen(known)
    plain = (known["method"] == PLAIN) & (known["protocol"] == "patients")
    for high, told in ((0.929, True), (0.93, False), (0.99, False)):
        known.loc[plain, "high"] = high
        assert beside_look_ups.fallen(known) == told
    known.loc[plain, ["accuracy", "low", "high"]] = (0.99, 0.98, 1.0)
    assert not beside_look_ups.fallen(known), "a rise is no fall"


LEARNT, WORSE, OPEN = (
    "it has learnt something that carries over",
    "worse than repeating the label",
    "does not tell",
)


@pytest.mark.parametrize(
    "file, picture, said",
    [
        ((0.1, 1e-9, 0.2), (0.1, 1e-9, 0.2), LEARNT),
        ((0.1, 0.0, 0.2), (0.1, 1e-9, 0.2), OPEN),
        ((0.1, 1e-9, 0.2), (0.1, 0.0, 0.2), OPEN),
        ((-0.1, -0.2, 0.0), (-0.1, -0.2, 0.0), OPEN),
        ((-0.1, -0.2, -1e-9), (-0.1, -0.2, 0.0), OPEN),
        ((-0.1, -0.2, -1e-9), (-0.1, -0.2, -1e-9), WORSE),
        ((0.1, 1e-9, 0.2), (-0.1, -0.2, -1e-9), OPEN),
    ],
)
def test_the_ladders_end_says_only_what_both_ways_to_count_say(file, picture, said):
    known = frame(patients=(0.86, 0.84, 0.88))
    known.loc[
        known["method"] == split_records.MODEL, [*beside_look_ups.AHEAD[0], *beside_look_ups.AHEAD[1]]
    ] = (*file, *picture)
    text = leakage.conclusion_said(known, "cpu", 0.9573)
    one, other = (f"{words.signed(100 * gap[0], 1)} points (" for gap in (file, picture))
    assert f"on the same images, that is {one}" in text and f", by picture {other}" in text
    assert "lies above that interval" in text
    assert [one in text for one in (LEARNT, WORSE, OPEN)] == [one == said for one in (LEARNT, WORSE, OPEN)]
    assert "miniature networks" in text and "nothing is concluded" in leakage.conclusion_said(
        frame(), "paper", 0.9573
    )


def test_the_distance_to_the_better_look_up_is_of_the_same_images(monkeypatch):
    """Positive and negative control: twenty images more are found whatever the levels' intervals, nothing in the same answers."""
    monkeypatch.setattr(splits, "FOLDS", 1)
    base = EVERY % 5 > 0

    def told(right):
        labels = EVERY % 4
        return bootstrap.Answers(EVERY, labels, np.eye(4)[np.where(right, labels, (labels + 1) % 4)], CLASSES)

    worse, best = told(base & (EVERY % 3 > 0)), told(base)
    said = {("1nn", "paper"): worse, ("1nn-mirror", "paper"): best, ("1nn", splits.FIVEFOLD): best}
    images(monkeypatch, np.maximum(EVERY, 50))
    records = {
        "paper": [run(0, None, EVERY >= 0), run(1, None, EVERY >= 0)],
        "twins": [run(0, None, base)],
        "patients": [run(0, 0, base)],
    }
    found = ladder.scores_by_split(records, floor_table(), None, look_up_answers=said)
    line = found[found["kind"] == "model"].set_index("protocol")
    more, same = line.loc["paper"], line.loc["patients"]
    assert more["ahead"] == pytest.approx(0.2) and more["ahead_low"] > 0, "of the better of the two"
    share = 1 - (np.mean(base[:51]) + base[51:].sum()) / 50
    assert more["picture_ahead"] == pytest.approx(share) and share != pytest.approx(0.2)
    assert same["ahead"] == 0 and same["ahead_low"] == -same["ahead_high"] < 0
    assert np.isnan(line.loc["twins", "ahead"]), "no look-up's answers there"
    table = ladder.differences_table(found)
    assert table["Split"].tolist() == ["paper", "twins", "patients (five folds)"]
    size = "100 images (50 pictures, 100 patient groups)"
    assert table["Compared"].tolist() == [f"2 seeds, {size}", *[f"one run, {size}"] * 2]
    assert table["Look-up"].tolist() == [NEAR, "–", PLAIN] and table.iloc[1, 3:].tolist() == ["–"] * 3
    assert table.iloc[0, 4].startswith("+20.0 (+") and table.iloc[2, 4].startswith("0.0 (−")
    apart = ladder.differences_table(found.assign(picture_look_up=PLAIN))
    assert apart["Look-up"].tolist()[0] == f"{NEAR}; by picture {PLAIN}"
    assert len(ladder.differences_table(found[found["kind"] == "floor"])) == 1
    few = {
        name: one._replace(rows=one.rows[1:], labels=one.labels[1:], probs=one.probs[1:])
        for name, one in said.items()
    }
    with pytest.raises(ValueError, match="different test images"):
        ladder.scores_by_split(records, floor_table(), None, look_up_answers=few)


def test_a_larger_training_part_is_judged_on_the_images_that_both_answered(monkeypatch):
    """Of images 50 to 99 the single split's run has ten more right than the fold's; the fold's other answers, all wrong, play no part."""
    monkeypatch.setattr(splits, "FOLDS", 1)
    rows, base = np.arange(100), np.arange(100) % 5 > 0
    fold = run(0, 0, base & (rows >= 50))
    right = np.where(rows % 5 == 0, True, base)[50:]
    single = run(0, None, np.ones(100, bool))
    half = {"rows": rows[50:], "labels": single.labels()[50:]}
    said = np.where(right, half["labels"], (half["labels"] + 1) % 4)
    single.rows, single.labels = (lambda part="test", own=own: own for own in half.values())
    single.probabilities = lambda part="test", which="ema": np.eye(4)[said]
    images(monkeypatch, np.minimum(rows, 95))  # five of one picture, of which the fold's has one wrong
    known = training_size.smaller_training([fold], [single], None)
    (own, own1), (other, other1), (gap, gap1, each), tested = known
    assert tested == {"images": 50, "pictures": 46, "groups": 50}
    assert (
        (own.value, other.value, gap.n) == (1.0, 0.8, 1) and gap.value == pytest.approx(0.2) and gap.low > 0
    )
    by_picture = [one.value for one in (own1, other1, gap1)]
    assert by_picture == pytest.approx([1.0, 36.8 / 46, 9.2 / 46]) and each == {}
    none = [run(1, 0, base)], []
    assert [training_size.smaller_training(some, [single], None) for some in none] == [None, None]
    images(monkeypatch)
    # of one seed there, the folds' other seeds are no farther away: against the mean of all, and against each
    several = training_size.smaller_training([fold, run(1, 0, np.ones(100, bool))], [single], None)
    (_, _), (mean, _), (both, _, each), _ = several
    assert (mean.value, mean.n, both.value) == (pytest.approx(0.9), 2, pytest.approx(0.1))
    assert [one.file.value for one in each.values()] == [pytest.approx(0.2), 0] and list(each) == [0, 1]
    parts = {"paper": [80], "patients": [79], splits.FIVEFOLD: [70, 72]}
    monkeypatch.setattr(training_size, "_trained", lambda _, protocol: " to ".join(map(str, parts[protocol])))
    unsure = worth.Change(gap, gap._replace(low=-0.1))
    text = training_size.larger_part_said(None, known._replace(change=unsure))
    assert "Training has 80 images on the random split and 70 to 72 on a fold" in text
    assert (
        "on the single split `patients` training has 79." in text
        and "; one run of a single split, 50 images (46 pictures, 50 patient groups). With" in text
    )
    assert (
        "With the larger part: +20.0 points" in text
        and ": more right (as trained once), by picture +20.0 points" in text
    )
    assert text.endswith(f": {words._no_difference(1)}.")
    turned = {seed: one._replace(picture=each[1 - seed].file) for seed, one in each.items()}
    against = training_size.larger_part_said(None, several._replace(change=worth.Change(both, both, turned)))
    assert "the models of the folds (2 seeds) are right on 90.0" in against
    assert against.endswith(
        "That is against the mean of the folds' 2 seeds; against each: +20.0, 0.0 points (by picture 0.0, +20.0)."
    )
    less = gap._replace(value=-0.2, low=-0.3, high=-0.1)
    worse = known._replace(change=worth.Change(less, less))
    assert ": fewer right (as trained once), by picture" in training_size.larger_part_said(None, worse)
    assert "A control would be" in training_size.larger_part_said(None, None)


def test_sizes_of_training_parts_are_the_splits(monkeypatch):
    parts = [np.array(["train"] * n + ["test"] * (2000 - n)) for n in (1001, 1000, 1003)]
    monkeypatch.setattr(
        training_size.exposure, "parts", lambda protocol, dataset: parts[:2] if protocol == "x" else parts[2:]
    )
    assert (
        training_size._trained(None, "x") == "1,000 to 1,001" and training_size._trained(None, "y") == "1,003"
    )


def test_where_counts_the_ends_as_inside():
    assert [words.where(v, 1, 2) for v in (0.9, 1, 2, 2.1)] == ["below", "inside", "inside", "above"]
    for unknown in ((np.nan, 1, 2), (1, np.nan, np.nan)):
        assert words.where(*unknown) == "in an unknown place beside"


def test_a_change_is_named_only_where_the_interval_says_so():
    names = ("down", "up", "same")
    three = [(-2, -1e-9), (1e-9, 1), (0, 1), (-1, 0), (-1, 1)]
    found = [words.by_side(Worth(0.0, 0.0, 1, *ends), *names) for ends in three]
    assert found == ["down", "up", "same", "same", "same"]


def test_what_is_taken_away_is_told_by_the_paired_difference():
    changes = {
        ("form", "random split"): worth.Change(Worth(-0.05, np.nan, 1, -0.07, -0.03)),
        ("form", "patient-disjoint"): worth.Change(
            Worth(-0.05, 0.01, 3, -0.11, 0.01), Worth(-0.06, 0.01, 3, -0.12, -0.01)
        ),
        ("class", "patient-disjoint"): None,
    }
    text = shortcuts.changes_said(changes)
    assert "form, random split, 1 seed: −5.0 points (−7.0 to −3.0): a fall (as trained once)\n" in text
    apart = "form, patient-disjoint, 3 seeds: −5.0 points (−11.0 to +1.0): no difference that these images, patients and trainings can resolve, "
    assert apart + "by picture −6.0 points (−12.0 to −1.0): a fall\n" in text
    assert "class, patient-disjoint: no pair of runs" in text and "Where there is one seed" in text
    assert (
        "variation between seeds" in text
        and "over patients and, with two or more seeds, also over trainings" in text
    )
    assert "Where there is one seed" not in shortcuts.changes_said(
        {("form", "x"): worth.Change(Worth(0.1, 0.1, 2, 0.05, 0.2))}
    )


def test_what_re_encoding_changes_for_the_look_ups_is_told_split_by_split():
    before = pd.concat([floor_table(floor=name) for name in floors.LOOK_UPS])
    after = before.assign(accuracy=0.85, picture=0.45)
    text = shortcuts.look_ups_said(before, after, {}).splitlines()
    one = f"- {PLAIN}, random split, 10 images: −5.0 points; in percent from 90.0 (70.0 to 95.0) to 85.0 (70.0 to 95.0)"
    assert one in text, "there copies are no reason to count less"
    assert text[-1] == (
        f"- {NEAR}, patient-disjoint, 5 folds, 10 images: −5.0 points, by picture −5.0; in percent from 90.0 (70.0 to 95.0), "
        "by picture 50.0 to 85.0 (70.0 to 95.0), by picture 45.0"
    )
    assert len(text) == 6


@pytest.mark.parametrize(
    ("file", "picture", "said"),
    [
        (-0.051, -0.061, "larger than"),
        (-0.05, -0.061, "not told apart from"),
        (-0.051, -0.06, "not told apart from"),
        (-0.001, 0.0, "not told apart from"),
        (0.0, 0.0, None),
    ],
)
def test_a_fall_that_look_ups_have_too_is_no_sign_of_a_shortcut(file, picture, said):
    """The look-ups lose 5 and 3 points, by picture 6 and 4; file, picture: upper ends of the model's change."""
    before = pd.concat([floor_table(floor=name) for name in floors.LOOK_UPS])
    after = pd.concat(
        [
            floor_table(floor=name, accuracy=0.9 - lost, picture=0.49 - lost)
            for name, lost in zip(floors.LOOK_UPS, (0.05, 0.03))
        ]
    )
    one = Worth(-0.07, np.nan, 1, -0.09, file), Worth(-0.08, np.nan, 1, -0.09, picture)
    change, key = worth.Change(*one), ("the file's form", "patient-disjoint")
    text = shortcuts.look_ups_said(before, after, {key: change}).splitlines()
    if said is None:
        assert len(text) == 6, "no fall"
    else:
        assert (
            f"the fall of the model (−7.0 points, by picture −8.0) is {said} that of the look-ups" in text[-1]
        )
        assert (
            "(down to −5.0 points, by picture −6.0), which has no interval, so that nothing tests" in text[-1]
        )
        assert text[-1].startswith("Patient-disjoint: ") and "no sign" not in text[-1]
        assert ("Nor would an equal fall show" in text[-1]) == (said != "larger than")
    by_file = {("the file's form", "random split"): worth.Change(change.file)}
    plain = shortcuts.look_ups_said(before, after, by_file)
    assert plain.splitlines()[-1].startswith("Random split: ") == (file < 0) and (
        "down to −5.0 points)" in plain
    ) == (file < 0)
    other = {("the no-tumour class", "patient-disjoint"): change, key: None}
    assert len(shortcuts.look_ups_said(before, after, other).splitlines()) == 6
    mean = worth.Change(*(w._replace(value=w.value - 0.01) for w in one), dict.fromkeys(range(3), change))
    beside = shortcuts.look_ups_said(before, after, {key: mean})
    told = "(−8.0 points, by picture −9.0, against the mean of its 3 seeds)"
    assert (told in beside) == (said is not None)


def test_scores_by_picture_are_said_where_they_are_known():
    assert leakage.by_picture_said(frame().assign(picture=np.nan)).endswith("copies answered rightly.")
    known = frame(patients=(0.86, 0.84, 0.88)).assign(picture=0.8, picture_low=0.7, picture_high=0.9)
    text = leakage.by_picture_said(known)
    assert "the model is right on 86.0% of the files and 80.0% of the pictures (70.0% to 90.0%)" in text
    assert f"{PLAIN} is right on 75.0% of the files" in text and f"{NEAR} is right on 74.0%" in text


def test_chance_and_sign_of_a_calibration_error():
    draws = np.linspace(0.01, 0.03, 1001)
    one = draws[None]
    assert "which a perfectly calibrated model could show." in reliability.chance(
        [np.quantile(draws, 0.975)], one
    )
    assert "more than chance" in reliability.chance([0.0296], one)
    assert reliability.chance([0.0], one).endswith(
        "less than a perfectly calibrated model nearly ever shows."
    )
    assert "underconfident" in reliability.excess_said(Worth(-0.02, 0, 3, -0.03, -0.01))
    assert "overconfident" in reliability.excess_said(Worth(0.02, 0, 3, 0.01, 0.03))
    text = reliability.excess_said(Worth(0.02, 0, 3, -0.01, 0.03))
    assert "confidence minus accuracy is, with its 95% interval, +2.0 points (−1.0 to +3.0): whether" in text
    assert "can't be told. The paper" in text


def test_the_mean_of_several_models_has_a_narrower_band_than_each():
    """Two models whose luck cancels: their mean is 0.02 in every draw, each alone lies between 0.01 and 0.03."""
    draws = np.stack([np.linspace(0.01, 0.03, 1001), np.linspace(0.03, 0.01, 1001)])
    high = np.quantile(draws[0], 0.975)
    text = reliability.chance([high, high + 1e-6], draws)
    assert (
        "would be 0.0200 on average (95% of draws from 0.0200 to 0.0200), for the mean of 2 perfectly" in text
    )
    assert "is 0.0295, more than chance explains. One by one, 1 of the 2 lie above the band" in text
    assert text.endswith("(for the first seed from 0.0105 to 0.0295).")
    assert (
        "which the mean of 2 perfectly calibrated models could show. One by one, 0 of"
        in reliability.chance([0.015, 0.025], draws)
    )
    assert "0.0150, less than the mean of 2 perfectly" in reliability.chance([0.015, 0.015], draws)


def test_the_temperatures_words():
    gap = Worth(-0.01, 0, 3, -0.02, -0.005)
    low = reliability.temperature([0.9], gap, 0.02, True)
    assert "confident, and" not in low and "interval of T" not in low and ": lower." in low, "one seed"
    for middle, said in (  # of three seeds, sd 0.1: the half width of Student's 95% interval is 0.2484
        (
            0.751,
            "0.50 to 1.00, lies below 1: the model is underconfident, and scaling makes its answers surer",
        ),
        (0.752, "0.50 to 1.00, lies on both sides of 1: these temperatures alone don't tell"),
        (1.248, "1.00 to 1.50, lies on both sides of 1"),
        (
            1.249,
            "1.00 to 1.50, lies above 1: the model is overconfident, and scaling makes its answers less sure",
        ),
    ):
        assert said in reliability.temperature(middle + np.array([-0.1, 0, 0.1]), gap, 0.02, True), middle
    held = reliability.temperature(
        [0.9], gap, 0.02, True, "5 seeds, 703 images", gap._replace(n=2, high=0.001)
    )
    assert (
        ": lower (5 seeds, 703 images). Of the 2 seeds that chapter 19 takes, the change is −0.0100" in held
    )
    assert "not distinguishable from 0: the verdict hangs on how many trainings one has. Intervals" in held
    assert "lower, too. " in reliability.temperature([0.9], gap, 0.02, True, "", gap)
    assert "chapter 19 takes" not in low
    other = reliability.temperature([1.2, 1.0], gap._replace(high=0.001), 0.02, False)
    assert (
        "overconfident" not in other
        and "0.0200: not distinguishable from 0. " in other
        and "Equation 14" not in other
    )
    assert "edge" not in other
    ended = reliability.temperature([1.2, 50.0, 0.02], gap, 0.02, False)
    assert "In 2 of 3 runs the search ended at its edge (1/50 or 50): there no temperature fits" in ended


def test_bins_ingredients_and_decisions():
    sweep = pd.DataFrame({"value": [0.02, 0.04], "high": [0.03, 0.03]})
    off = Worth(-0.02, 0, 3, -0.03, -0.001)
    text = calibration.bins_said(sweep, off)
    assert "Whether this ECE exceeds chance depends on the bins" in text
    assert "it is −0.0200 (−0.0300 to −0.0010), below 0 whatever the bins." in text
    assert "not distinguishable from 0." in calibration.bins_said(sweep, off._replace(high=0.0))
    assert "above 0 whatever" in calibration.bins_said(sweep, Worth(0.02, 0, 3, 0.01, 0.03))
    assert "is real" in calibration.bins_said(sweep.assign(high=0.01), off)
    assert "None of them" in calibration.bins_said(sweep.assign(high=0.04), off)
    assert calibration_effects.ingredient("Mixup", {}).endswith("no pair of runs on this split shows it yet.")
    line = calibration_effects.ingredient(
        "Mixup", {"ece": Worth(-0.01, 0, 2, -0.02, -0.001), "nll": Worth(0.1, 0, 2, -0.1, 0.2)}
    )
    assert line.startswith(
        "- **Mixup**, 2 seeds: ECE −0.0100 (−0.0200 to −0.0010; better), NLL"
    ) and line.endswith("not distinguishable from 0).")


def test_how_many_intervals_would_exclude_0_by_chance():
    none, below, above = (("nll", Worth(0, 0, 2, *ends)) for ends in ((-1, 0), (-2, -1), (1, 2)))
    unknown = ("nll", none[1]._replace(low=np.nan))
    assert words.by_chance([]) == words.by_chance([unknown]) == ""
    text = words.by_chance([none] * 30 + [below])
    assert text.startswith("31 intervals of differences, not adjusted for their number; 1 excludes 0. Of two")
    assert text.endswith("more: 31, of which 1 excludes 0; were all true differences 0, about 1.6 would by chance alone (one in twenty).")  # fmt: skip
    once = ("accuracy", above[1]._replace(n=1))
    text = words.by_chance([once, once])
    assert "2 exclude 0. Of one seed: 2, of which 2 exclude 0; far more than one in twenty would" in text
    assert "by chance alone (one" not in text, "no number of chance where it isn't known"
    text = words.by_chance([none, below, once, ("ece", above[1]), ("classwise", none[1]), ("ece", once[1])])
    assert "number; 4 exclude 0. Of calibration errors: 3, of which 2 exclude 0; how often chance" in text
    assert "Of one seed: 1 other, of which 1 excludes 0;" in text
    assert "Of two seeds or more: 2 others, of which 1 excludes 0; were all" in text and "about 0.1" in text


def confident(first: int, right: list[bool], sure: list[float], validation: list[bool]) -> Told:
    """A run whose test images are rows first…, of two classes; validation has the confidences 0.6, 0.7 … upwards."""

    def probs(hits, confidence):
        top = np.where(hits, confidence, 1 - np.array(confidence))
        return np.column_stack([top, 1 - top])

    parts = {"test": (right, sure), "validation": (validation, np.linspace(0.6, 0.9, len(validation)))}
    data = SimpleNamespace(classes=("glioma", "notumor"), fold=None, protocol="patients")
    return Told(
        labels=lambda part="test": np.zeros(len(parts[part][0]), int),
        probabilities=lambda part="test", which="ema": probs(*parts[part]),
        rows=lambda part="test": first + np.arange(len(parts[part][0])),
        settings=SimpleNamespace(data=data),
        seed=0,
    )


def test_a_threshold_is_judged_on_the_answers_given_not_on_the_mean_of_its_runs():
    """A run that answers one image, rightly, weighs one image beside another's hundred."""
    validation = [False, False, True, True]  # of 0.6, 0.7, 0.8, 0.9: right from 0.8 on
    many = confident(0, [True] * 80 + [False] * 20, [0.95] * 100, validation)
    one = confident(100, [True] * 10, [0.95] + [0.55] * 9, validation)
    found = acting.thresholds({"apart": [many, one]}, np.arange(200), np.arange(200) // 2).set_index("goal")
    line = found.loc[0.95]
    assert line["threshold"] == pytest.approx(0.8) and line["coverage"] == pytest.approx(101 / 110)
    assert line["accuracy"] == pytest.approx(81 / 101) and line["low"] < 81 / 101 < line["high"]
    assert (line["reached"], line["runs"], line["silent"]) == (1, 2, 0)
    text = acting.thresholds_text(found.reset_index())
    assert (
        text["Accuracy there (%)"][0].startswith("80.2 (")
        and ", by picture 80." in text["Accuracy there (%)"][0]
    )
    assert text["Reached by"][0] == "1 of 2 runs"
    assert (
        "on the answers given, 0 of the 3 wanted accuracies are reached, 95% and 98% and 99% not; the whole interval lies at or above the goal for none of them; by picture none is reached."
        in acting.thresholds_said(found.reset_index())
    )
    never = confident(0, [True] * 4, [0.95] * 4, [False] * 4)
    mute = acting.thresholds({"x": [never]}, np.arange(4), np.arange(4))
    assert (mute["silent"] == 1).all() and mute["accuracy"].isna().all() and (mute["coverage"] == 0).all()
    assert "3 thresholds let no test image through" in acting.thresholds_said(mute)
    assert acting.thresholds_text(mute)["Threshold"].tolist() == ["–"] * 3
    mixed = acting.thresholds({"x": [never, many]}, np.arange(200), np.arange(200))
    assert mixed["threshold"].tolist() == pytest.approx([0.8] * 3), "of the runs that have one"
    alone = acting.thresholds({"x": [one]}, np.arange(200), np.arange(200))
    assert (
        "3 of the 3 wanted accuracies are reached; the whole interval lies at or above the goal for none of them; by picture 3 are reached."
        in acting.thresholds_said(alone)
    ), "one answer of one patient has no interval"
    one.settings.data.protocol = "paper"  # there copies on both sides are a reason to look at pictures, too
    random = acting.thresholds({"x": [one]}, np.arange(200), np.arange(200))
    assert (random["picture"] == 1).all(), "by picture on the random split, too"
    sure = confident(0, [True] * 2000, [0.95] * 2000, validation)
    good = acting.thresholds({"x": [sure]}, np.arange(2000), np.arange(2000))
    assert "the whole interval lies at or above the goal for 3;" in acting.thresholds_said(good)


def test_net_benefit_is_of_use_only_where_its_interval_says_so():
    """A model that knows the class is of use at every threshold; one that says 0.5 of all, at none."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)

    def beats(probs):
        classes = ("glioma", "notumor")
        told = acting.beats([Told.of(labels, probs, classes=classes)], np.arange(400))
        return told.set_index("what").loc["Any tumour"]

    knows = beats(np.where(labels[:, None] == [0, 1], 0.995, 0.005))
    assert knows["share"] == knows["sure"] == 1
    nothing = beats(np.full((400, 2), 0.5))
    assert nothing["share"] <= 0.5 and nothing["sure"] == 0
    # hardly better than a coin: here and there by chance, but not beyond the interval
    weak = beats(np.where((labels[:, None] == [0, 1]) == (rng.random((400, 1)) < 0.53), 0.52, 0.48))
    assert weak["sure"] <= weak["share"]
    frame = pd.DataFrame({"what": ["Any tumour"], "share": [1.0], "sure": [0.9]})
    assert "- random split: any tumour 100% (90%)" in acting.decision({"random split": frame})


def test_new_patients_and_scaling_are_told_by_their_intervals():
    def at(excess, low, high):
        return {"excess": Worth(excess, 0, 1, low, high), "ece": Worth(0.03, 0, 1, 0.02, 0.04)}

    def told(*states, ends=(-0.005, 0.019), moved=(-0.01, 0.04)):
        gap, other = Worth(0.008, 0, 3, *ends), Worth(0.021, 0, 3, *moved)
        copied = other._replace(value=0.041), gap._replace(value=0.026)
        return new_patients.temperature_said(
            *states, ([0.72, 0.85], [1.73, 1.04, 1.2]), gap, (other, gap), copied
        )

    assert "surer than it is right" in told(at(-0.02, -0.03, -0.01), at(0.02, 0.01, 0.03), at(0, 0, 0))
    level = told(at(-0.02, -0.03, -0.01), at(0.02, 0.0, 0.03), at(0, 0, 0))
    assert (
        "surer" not in level
        and "folds +0.020 (0.000 to +0.030), not distinguishable from 0. The ECE" in level
    )
    assert "Fitted are 0.72 to 0.85 on the random split and 1.04 to 1.73 on the folds. " in level
    assert "the NLL by +0.0080 (−0.0050 to +0.0190), not distinguishable from 0. As trained" in level
    for ends, word in (((0.001, 0.02), "higher"), ((-0.02, -0.001), "lower")):
        assert f"), {word}. As trained" in told(at(0, 0, 0), at(-0.1, -0.2, -0.01), at(0, 0, 0), ends=ends)
    assert "), below 0. The ECE" in told(at(0, 0, 0), at(-0.1, -0.2, -0.01), at(0, 0, 0))
    lifted = {"excess": Worth(0, 0, 1, 0, 0), "ece": Worth(0.04, 0, 1, 0.02, 0.03, 0.013)}
    said = told(at(0, 0, 0), lifted, lifted | {"ece": Worth(0.01, 0, 1, 0, 0.02, 0.02)})
    assert "it is 0.030 on the random split and 0.027 on the folds (0.000 scaled)" in said
    for scaled, first in (
        (at(-0.04, -0.06, -0.03), "Scaled by that of its own validation part, the model is less sure"),
        (at(0.04, 0.03, 0.06), "Even scaled by that of its own validation part, the model is surer"),
        (
            at(0, -0.1, 0.1),
            "Scaled by that of its own validation part, the model is on the test folds as sure",
        ),
    ):
        said = told(at(0.5, 0.4, 0.6), at(0, 0, 0), scaled)
        assert f"). {first}" in said and "new patients" not in said.partition("validation part")[2]
        assert f"accuracy {words.shift(scaled['excess'], 3)}). Fitted are" in said
    for ends, first in (
        (
            (0.01, 0.04),
            "The random split's temperature does not carry over: scaled by it, the model is surer",
        ),
        (
            (-0.04, -0.01),
            "The random split's temperature does not carry over: scaled by it, the model is less",
        ),
        ((-0.01, 0.04), "As far as can be told here, the random split's temperature carries over: scaled"),
    ):
        said = told(at(0, 0, 0), at(0, 0, 0), at(0, 0, 0), moved=ends)
        assert said.startswith(first) and (
            "(one for all runs, 0.78, the mean of those fitted there; confidence minus accuracy +0.021"
            in said
        )
        assert "), by picture +0.041 (" in said and "; the NLL changes by +0.0080" in said
        assert "), by picture +0.0260 (−0.0050 to +0.0190)). " in said
    gaps = {"ece": Worth(-0.01, 0, 3, -0.02, 0.001)}
    text = calibration.scaling(gaps, np.array([0.02, 0.02]), 4)
    assert "+0.0010): not distinguishable from 0." in text and "ECE of 0.0200" in text
    assert "These are the 3 seeds that both splits have. Chapter 9 takes all 4 of the random split" in text
    assert "hapter 9" not in calibration.scaling(gaps, np.array([0.02, 0.02]), 3)


def test_a_value_above_its_own_interval_is_told_of():
    lines = [
        ("ece", 0.06, 0.04, 0.05),
        ("mass", 0.06, 0.04, 0.06),
        ("brier", 0.3, 0.1, 0.2),
        ("ece", *[np.nan] * 3),
    ]
    frame = pd.DataFrame(lines, columns=["measure", "value", "low", "high"])
    assert calibration.corrected_said(frame).endswith("may lie above its own, as 1 of 2 here does.")
    assert calibration.corrected_said(frame[1:]).endswith("may lie above its own.")
    assert calibration.corrected_said(frame.assign(high=0.05)).endswith("as 2 of 2 here do.")


def test_what_a_temperature_of_a_fold_rests_on():
    def run(right, checked):
        probs = {"test": np.where(right, 0.9, 0.2), "validation": np.where(checked, 0.9, 0.2)}
        rows = {"test": np.arange(4) + 4 * run.count, "validation": (np.arange(4) + 2) % 8}
        run.count += 1
        return Told(labels=lambda part="test": np.zeros(4, int), rows=lambda part="test": rows[part], right=lambda: np.array(right), seed=0,
                    probabilities=lambda part="test", which="ema": np.column_stack([probs[part], 1 - probs[part]]),
                    settings=SimpleNamespace(data=SimpleNamespace(classes=("glioma", "notumor"), fold=run.count - 1, protocol="patients")))  # fmt: skip

    run.count = 0
    right, wrong = [True] * 4, [True, False, False, False]
    records, groups = [run(right, wrong), run(wrong, right)], np.arange(8) // 4
    found = new_patients.validation_parts(records, groups, np.arange(8))
    assert found["images"] == [4, 4] and found["groups"] == [2, 2] and found["lower"] == 1
    assert (found["parts"], found["total"], found["distinct"]) == (1, 4, 4)
    # rows 2 to 5: two right of the first run, of the second one right and one wrong
    assert (found["same"], found["other"]) == (0.75, 0.5) and found["right"] == found["test"] == 5 / 8
    assert [new_patients.validation_parts([one], groups, groups)["lower"] for one in records] == [1, 0]
    text = new_patients.validation_said(found)
    assert (
        "of 2 groups only, and the 1 different part has 4 distinct images" in text
        and "In 1 of 2 runs" in text
    )
    assert "(62.5% against 62.5% on average): these are no 2 trials, as the parts share images. When" in text
    # of each group one image is inside and its neighbour not: (3/4 − 1/2), by each group alone (1 − 1) and (1/2 − 0)
    gap, alike = found["apart"]
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.25, 0, 0.5)) == tuple(alike)
    said = "+25.0 points (0.0 to +50.0): not distinguishable from 0"
    assert f"score 75.00%, all others 50.00%: over patients {said}, by picture {said}. *Scaled*" in text
    # rows 0 and 1, and 4 and 5, are copies: of a half each inside (2, 3; 4, 5) or outside (0, 1; 6, 7)
    copied = new_patients.validation_parts(records, groups, np.array([0, 0, 2, 3, 4, 4, 6, 7]))["apart"][1]
    assert copied.value == pytest.approx(2.5 / 3 - 1 / 3)
    told = [
        new_patients.validation_said(found | {"apart": [Worth(x, 0, 1, x - 0.1, x + 0.1)] * 2})
        for x in (0.2, -0.2)
    ]
    assert told[0].count(": higher") == 2 == told[1].count(": lower")
    alone = new_patients.validation_said(new_patients.validation_parts(records[:1], groups, groups))
    assert "In 1 of 1 runs" in alone and "trials" not in alone
    assert words.tested_said(records, groups, np.arange(8) // 2, np.array([0, 1, 1])) == (
        "one seed of 2 folds, 2 images (1 picture, 1 patient group)"
    )
    assert words.tested_said(records, groups, np.arange(8) // 2) == (
        "one seed of 2 folds, 8 images (4 pictures, 2 patient groups)"
    )
    # copies count as one: rows 0 to 3 are one picture, right and sure; the others are one each, of whom one is right
    copies = np.array([0, 0, 0, 0, 1, 2, 3, 4])
    once = temperature_scaling.by_one_temperature(records, groups, 1.0, copies)[0]
    assert once.value == pytest.approx((2 * 0.9 + 3 * 0.8) / 5 - 2 / 5)
    # a temperature of 1 changes nothing, a high one makes every answer less sure
    same, none = temperature_scaling.by_one_temperature(records, groups, 1.0)
    assert none.value == pytest.approx(0) and same.value == pytest.approx((5 * 0.9 + 3 * 0.8) / 8 - 5 / 8)
    flat, gap = temperature_scaling.by_one_temperature(records, groups, 1e6)
    assert flat.value == pytest.approx(0.5 - 5 / 8, abs=1e-4)
    sure = np.array([0.9] * 5 + [0.2] * 3)
    assert gap.value == pytest.approx(np.log(2) + np.log(sure).mean(), abs=1e-4)


def shares(copy: float, patient: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (p, c, 100, copy if c != "glioma" else copy / 2, patient, copy + patient)
            for p in splits.MANIFESTS
            for c in ("all", *CLASSES)
        ],
        columns=["protocol", "class", "images", "with_copy", "with_patient", "with_either"],
    )


def test_exposure_is_shown_split_by_split():
    table = seen_in_training.wide_exposure(shares(0.5, 0.25))
    assert table["Split"].tolist() == list(splits.MANIFESTS)
    first = table.iloc[0]
    assert (first["A copy"], first["A copy, glioma"], first["Same patient"]) == ("50.0%", "25.0%", "25.0%")
    assert first["A copy or the same patient"] == "75.0%"


def test_either_a_copy_or_the_patient_is_counted_by_the_groups_over_all_folds(monkeypatch):
    """Of five images two are tested in each of two folds: all but image 3 have their group in the other's training part."""
    parts = {
        "paper": ["test test train train validation".split()],
        "folds": ["test test train train train".split(), "train train test test train".split()],
    }
    monkeypatch.setattr(
        seen_in_training.exposure, "parts", lambda protocol, _: [np.array(part) for part in parts[protocol]]
    )
    lines = [(p, c) for p in parts for c in ("glioma", "meningioma", "all")]
    monkeypatch.setattr(
        seen_in_training.exposure, "read", lambda _: pd.DataFrame(lines, columns=["protocol", "class"])
    )
    monkeypatch.setattr(seen_in_training.splits, "clusters", lambda _: np.array([7, 1, 7, 3, 1]))
    labels = [CLASSES.index(c) for c in ("glioma", "meningioma", "glioma", "glioma", "meningioma")]
    found = seen_in_training.shares(SimpleNamespace(frame=pd.DataFrame({"label": labels})))
    table = found.set_index(["protocol", "class"])["with_either"]
    assert table["paper"].to_dict() == {"glioma": 1.0, "meningioma": 0.0, "all": 0.5}, (
        "validation is no training"
    )
    assert table["folds"].to_dict() == {"glioma": pytest.approx(2 / 3), "meningioma": 1.0, "all": 0.75}


def test_how_many_others_report_is_counted():
    assert "the table holds 1 result of others" in beside_literature.how_many_said(
        pd.DataFrame({"Method": ["x"]})
    )
    assert "the table holds 2 results of others" in beside_literature.how_many_said(
        pd.DataFrame({"Method": ["x", "y"]})
    )


def test_exposure_of_grouped_splits_is_said_as_a_finding():
    assert seen_in_training.copies_left_said(shares(0.0, 0.0)).count("finds no test image with a copy") == 3
    found = seen_in_training.copies_left_said(shares(0.02, 0.0))
    assert "on `twins` it still finds a copy in training for 2.0%" in found and "finds no test" not in found


# --- with and without a hint, as records ---


def run(seed, fold, right, classes=CLASSES):
    """A record on rows 0..99 whose answer is right where `right`; a fold is one of the patient-disjoint ones."""
    labels = np.arange(100) % len(classes)
    probs = np.eye(len(classes))[np.where(right, labels, (labels + 1) % len(classes))]
    return Told.of(labels, probs, fold=fold, classes=classes, seed=seed, key=f"{seed}{fold}")


def test_a_split_without_runs_is_left_out_of_what_is_told():
    """By picture only where copies are kept together; the answers of all folds of a seed are ranked in one."""
    right = np.arange(100) % 5 > 0
    folded, every = run(0, 0, right), np.arange(100)
    both = {"random split": [run(0, None, right)], "patient-disjoint": [folded]}
    found = acting.accuracy_by_coverage(both, every, every // 2)
    assert list(found) == ["random split", "patient-disjoint", "patient-disjoint, by picture"]
    assert found["random split"]["value"].iloc[-1] == pytest.approx(0.8)
    none = both | {"patient-disjoint": []}
    assert list(acting.accuracy_by_coverage(none, every, every)) == ["random split"]
    assert (
        acting.tested_said(none, every, every)
        == "random split, one run, 100 images (100 pictures, 100 patient groups)"
    )
    assert "; patient-disjoint, " in acting.tested_said(both, every, every)
    assert (
        acting.decision_said(none, every).count("\n- ")
        == 1
        == acting.decision_said(both, every).count("\n- patient")
    )
    assert list(acting.decision_curves(none["random split"])) == [
        "Any tumour",
        "Glioma",
        "Meningioma",
        "Pituitary",
    ]


def test_calibration_class_by_class_and_scaling_take_the_runs_themselves():
    right, every = np.arange(100) % 5 > 0, np.arange(100)
    runs = [run(seed, None, right) for seed in (0, 1)]
    by_class = calibration.by_class(runs, every)
    assert list(by_class) == ["Glioma", "Meningioma", "No tumour", "Pituitary"]
    assert {frame["count"].sum() for frame in by_class.values()} == {200}, "the answers of both"
    sweep = calibration.bins_sweep(runs[0])
    assert sweep["value"].tolist() == pytest.approx([0.2] * 10) and (sweep["high"] < 1e-6).all(), (
        "sure of each"
    )
    assert "Chapter 9 takes all 3 of the random split" in calibration.scaling_said(runs, every, 3)


def test_with_and_without_are_compared_on_the_runs_that_both_have(monkeypatch):
    """Positive and negative control: a fall of ten images is found though the levels overlap, nothing in nothing."""
    monkeypatch.setattr(splits, "FOLDS", 1)  # so that one run is a whole seed
    base = np.arange(100) % 5 > 0
    fallen = base & (np.arange(100) % 10 != 1)
    whole = {"paper": [run(0, None, base), run(1, None, np.ones(100, bool))], "patients": [run(0, 0, base)]}
    changed = {
        "paper, canonical encoding": [run(0, None, fallen), run(2, None, base)],
        "patients, canonical encoding": [run(0, 0, base)],
    }
    pictures = np.maximum(np.arange(100), 50)  # the first half are copies of one, of which 40 in 51 are right
    compared, changes = shortcuts.with_without(whole, changed, np.arange(100), pictures)
    (fall, none), (same, alike) = (
        changes["the file's form", split][:2] for split in ("random split", "patient-disjoint")
    )
    assert none is None and alike[3:5] == (0, 0), "by picture only where copies stay together"
    assert fall.value == pytest.approx(-0.1) and fall.n == 1 and fall.high < 0
    assert same[:2] == (0, pytest.approx(np.nan, nan_ok=True)) and same[3:5] == (0, 0)
    level = compared[(compared["name"] == "the file's form") & (compared["protocol"] == "random split")]
    level = level.set_index("label")
    assert level.loc["as it is", "accuracy"] == pytest.approx(0.8), "seeds 1 and 2 have no partner"
    assert level.loc["taken away", "high"] > level.loc["as it is", "low"], "the levels overlap"
    assert changes["the no-tumour class", "random split"] is None
    table = shortcuts.wide_with_without(compared, changes)
    assert table["Difference"].iloc[0].startswith("−10.0 (") and (table["Compared"] == "–").sum() == 2
    assert table["Compared"].iloc[0] == "one run, 100 images (50 pictures, 100 patient groups)"
    by_picture = table.set_index("Split").loc["patient-disjoint"].iloc[0]
    share = np.mean(base[:51])
    assert by_picture["With it"].endswith(f"by picture {100 * (share + base[51:].sum()) / 50:.1f}")
    assert by_picture["Difference"].endswith("by picture 0.0")
    assert not table.loc[table["Split"] == "random split"].to_string().count("by picture")
    again = {"patients, canonical encoding": [run(0, 0, fallen)]}
    less, change = shortcuts.with_without(whole, again, np.arange(100), pictures)
    lost = np.r_[np.full(51, 1 / 51), np.ones(49)] / 50 @ (base.astype(float) - fallen)
    shown = (
        shortcuts.wide_with_without(less, change)
        .set_index("Split")
        .loc["patient-disjoint", "Difference"]
        .iloc[0]
    )
    assert shown.endswith(f"by picture −{100 * lost:.1f}") and lost > 0
    assert f", by picture −{100 * lost:.1f} points (" in shortcuts.changes_said(change)
    assert (
        worth.difference(whole["paper"], changed["paper, canonical encoding"], np.arange(100))["accuracy"].low
        > 0
    )


def test_one_seed_without_a_hint_is_set_beside_all_seeds_with_it(monkeypatch):
    """Against seed 0 ten images more are right, against seed 1 ten fewer: by itself the first would be a rise."""
    monkeypatch.setattr(splits, "FOLDS", 1)
    rows, every = np.arange(100), np.arange(100)
    base = rows % 5 > 0
    seeds = [run(0, 0, base & (rows % 10 != 1)), run(1, 0, base | (rows % 10 == 0))]
    changed = {"patients, canonical encoding": [run(0, 0, base)]}

    def differences(whole, changed=changed):
        return shortcuts.with_without(whole, changed, every, every)

    compared, changes = differences({"patients": seeds})
    assert [key for key, one in changes.items() if one] == [("the file's form", "patient-disjoint")]
    mean, copied, each = changes["the file's form", "patient-disjoint"]
    assert [round(each[seed].file.value, 3) for seed in (0, 1)] == [0.1, -0.1]
    assert mean.value == pytest.approx(0) == copied.value and mean.n == 2 and mean.low < 0 < mean.high
    text = shortcuts.each_seed_said(changes)
    assert "against seed 0 +10.0 points" not in text.split("Against each:")[0]
    assert (
        "patient-disjoint: seed 0 +10.0 points, by picture +10.0; seed 1 −10.0 points, by picture −10.0; "
        in text
    )
    table = shortcuts.wide_with_without(compared, changes).set_index("Split").loc["patient-disjoint"].iloc[0]
    assert table["With it"].startswith("80.0 (") and table["Difference"].startswith("0.0 (")
    assert table["Compared"].startswith("one seed against the mean of 2 seeds, 100 images")
    told = shortcuts.changes_said(changes)
    assert "the file's form, patient-disjoint, one seed against the mean of 2 seeds: 0.0 points (" in told
    assert "; the sign turns with the seed, by file and by picture\n" in text
    level = {"patients": [seeds[0], run(1, 0, base & (rows % 10 != 2))]}
    assert "seed 1 " in (both := shortcuts.each_seed_said(differences(level)[1]))
    assert "the sign turns" not in both
    random = (
        {"paper": [run(0, None, base), run(1, None, base)]},
        {"paper, canonical encoding": [run(0, None, base)]},
    )
    assert "by picture" not in shortcuts.each_seed_said(differences(*random)[1])
    again = {"patients, canonical encoding": [run(0, 0, base), run(1, 0, base)]}
    for by_seed in (differences({"patients": seeds}, again)[1], differences({"patients": seeds[:1]})[1]):
        assert (
            "the mean of" not in shortcuts.changes_said(by_seed) and shortcuts.each_seed_said(by_seed) == ""
        )


def test_what_hints_are_tested_on_is_counted_split_by_split(monkeypatch):
    tumour, healthy = 0, CLASSES.index("notumor")
    dataset = SimpleNamespace(frame=pd.DataFrame({"label": [tumour, tumour, healthy, tumour]}))
    parts = {"paper": [["test", "test", "test", "train"]], splits.FIVEFOLD: [["test", "test", "train", "train"], ["train", "train", "test", "test"]]}  # fmt: skip
    monkeypatch.setattr(shortcuts.exposure, "parts", lambda protocol, _: map(np.array, parts[protocol]))
    monkeypatch.setattr(splits, "clusters", lambda _: np.array([0, 0, 1, 2]))
    monkeypatch.setattr(units, "pictures", lambda _: np.array([0, 1, 2, 2]))
    assert shortcuts.tested_said(dataset) == (
        "random split, 3 images (3 pictures, 2 patient groups); of them with a tumour 2 images (2 pictures, 1 patient group); "
        "patient-disjoint, 5 folds, 4 images (3 pictures, 3 patient groups); of them with a tumour 3 images (3 pictures, 2 patient groups)"
    )


def test_this_books_rows_beside_others(monkeypatch):
    images(monkeypatch)
    monkeypatch.setattr(accuracies, "line_of_runs", lambda known, *_: known[0])
    tracks = floor_table().assign(track="three classes")
    both, others = pd.concat([tracks, tracks.assign(floor="1nn")]), literature.table()
    none = beside_literature.beside_others(frame(), both, {split_records.MODEL: []}, None)
    assert none.iloc[: len(others)].equals(others)
    none = none.iloc[len(others) :]
    assert none.iloc[0]["Accuracy (%)"] == "no run yet under this profile"
    assert none["Method"][1:].tolist() == [f"{name}, three classes, here" for name in (NEAR, PLAIN)]
    three = {"accuracy": 0.85, "low": 0.8, "high": 0.9, "picture": 0.812, "seeds": 2, "folds": 1}
    runs = {split_records.MODEL: [three], split_records.IMAGENET: []}
    table = beside_literature.beside_others(frame(patients=(0.86, 0.84, 0.88)), tracks, runs, None)
    table = table.iloc[len(others) :]
    assert table.iloc[0]["Source"] == "this book, 2 seeds, 1 of 5 folds"
    assert table.iloc[0]["Accuracy (%)"] == "85.0 (80.0 to 90.0), by picture 81.2"
    assert table.iloc[1]["Method"] == "With ImageNet weights, three classes, here"
    assert table.iloc[3]["Method"] == "1-NN, mirror-aware, three classes, here"
    assert table.iloc[3]["Accuracy (%)"] == "90.0 (70.0 to 95.0), by picture 50.0"
    assert table.iloc[2]["Accuracy (%)"] == "86.0 (84.0 to 88.0), by picture 86.0"
    assert table.iloc[2]["Source"] == "this book, 1 seed, 5 of 5 folds"


def test_what_an_answer_less_gives_is_told_apart_from_what_the_others_change(monkeypatch):
    """Of 75 tumour images ten are called healthy, six of them rightly told without that class; of the others one more is wrong."""
    monkeypatch.setattr(splits, "FOLDS", 1)
    labels = np.arange(100) % 4
    tumour = np.flatnonzero(labels != CLASSES.index("notumor"))
    said = labels.copy()
    said[tumour[:10]] = CLASSES.index("notumor")
    names = [name for name in CLASSES if name != "notumor"]
    three = np.array([names.index(CLASSES[k]) for k in labels[tumour]])
    wrong = np.isin(np.arange(75), [*range(6, 10), 20])

    def made(fold, rows, labels, said, classes):
        return Told.of(labels, np.eye(len(classes))[said], rows, fold, classes, key="x")

    four = {
        p: [made(f, np.arange(100), labels, said, CLASSES)] for p, f in (("paper", None), ("patients", 0))
    }
    less = {
        f"{p}, three classes": [made(f, tumour, three, np.where(wrong, (three + 1) % 3, three), names)]
        for p, f in (("paper", None), ("patients", 0))
    }
    dataset = SimpleNamespace(frame=pd.DataFrame({"file": [f"{i}.jpg" for i in range(100)]}))
    text = shortcuts.answer_gone_said(four, less, dataset, np.arange(100)).splitlines()
    part = "that gives +8.0 points; on the other images accuracy goes from 100.0% to 98.5%"
    assert (
        text[2]
        == f"- random split: of 75 answers (1 seed) on tumour images 10 are *no tumour*, and without that class 6 of these are right; {part}"
    )
    assert text[3].endswith(f"{part}; by picture {part}")
    copies = np.where(
        np.isin(np.arange(100), tumour[10:]), 99, np.arange(100)
    )  # the others are copies of one picture
    weighed = shortcuts.answer_gone_said(four, less, dataset, copies).splitlines()[3]
    assert weighed.endswith(
        f"by picture that gives {600 / 11:+.1f} points; on the other images accuracy goes from 100.0% to 98.5%"
    )
    assert shortcuts.answer_gone_said({}, less, dataset, copies) == ""
    right = made(0, np.arange(100), labels, labels, CLASSES)  # another seed, which never says no tumour
    right.seed = 1
    several = {"patients": [*four["patients"], right]}
    text = shortcuts.answer_gone_said(several, less, dataset, copies)
    assert "of 150 answers (2 seeds) on tumour images 10 are *no tumour*" in text, (
        "each beside the one of three classes"
    )
    assert (
        "that gives +4.0 points; on the other images accuracy goes from 100.0% to 95.7%; by picture" in text
    ), "6 of 140 are wrong now"
    both = pd.DataFrame({"right": [False] * 4, "right_three": [True, False] * 2})
    assert tumour_classes._parted(both, pd.Series([True] * 4), pd.Series([1.0] * 4)) == (
        "that gives +50.0 points; there are no other images"
    )


def test_persons_parted_are_taken_off(monkeypatch):
    """The accuracy without the files of a person whose groups stand in two folds, and of nobody else."""
    monkeypatch.setattr(splits, "FOLDS", 1)
    table = pd.DataFrame({"file": list("abcdef"), "person": [1, 1, 2, 2, 3, 4], "fold": [0, 1, 2, 2, 0, 1]})
    monkeypatch.setattr(leakage.groups, "load", lambda: table)
    dataset = SimpleNamespace(frame=pd.DataFrame({"file": list("fedcba")}), banner=None)
    one = Told.of(np.zeros(6, int), np.eye(2)[[0, 0, 0, 1, 1, 1]], fold=0)
    text = leakage.persons_parted_said([one], dataset)
    assert "without their 2 files" in text and "75.00% in place of 50.00% (mean over 1 seed)" in text
    assert leakage.persons_parted_said([], dataset) == ""


def test_a_level_has_its_score_by_picture_where_copies_are_together():
    line = SimpleNamespace(accuracy=0.859, low=0.84, high=0.876, picture=0.864, protocol="twins")
    assert accuracies.with_picture(line) == "85.9 (84.0 to 87.6), by picture 86.4"
    line.protocol = "bytes"
    assert accuracies.with_picture(line) == "85.9 (84.0 to 87.6)"


def test_the_runs_behind_each_split_are_counted():
    level = (0.9, 0.88, 0.92)
    none = leakage.runs_said(frame(), floor_table())
    assert none.startswith("The model has not been run under this profile. A score of several seeds")
    assert none.endswith("mirror-aware 1-NN has 90.0 (70.0 to 95.0), by picture 50.0%.")
    own = frame(paper=level, patients=level)
    text = leakage.runs_said(own.assign(seeds=2), floor_table())
    counts = "paper: 2 seeds, 7,023 test images; patients: 2 seeds on 5 of 5 folds, 7,023 test images. "
    assert text.startswith(f"Runs of the model: {counts}A score") and "ImageNet" not in text
    larger = own[own["method"] == split_records.MODEL].assign(method=split_records.IMAGENET, seeds=2)
    beside = leakage.runs_said(pd.concat([own, larger]), floor_table())
    assert f"test images. With ImageNet weights: {counts}A score" in beside


def test_what_a_line_rests_on_names_folds_where_there_are_several():
    line = SimpleNamespace(seeds=1, folds=5, images=100, pictures=50, groups=20)
    assert accuracies.basis_said(line) == "one seed of 5 folds, 100 images (50 pictures, 20 patient groups)"
    line.folds = 1
    assert accuracies.basis_said(line) == "one run, 100 images (50 pictures, 20 patient groups)"


def test_the_single_split_of_patients_is_not_what_the_page_calls_so():
    assert [ladder.split_name(one) for one in ("paper", "patients", "random")] == [
        "paper",
        "patients (five folds)",
        "random",
    ]


def test_one_seed_is_told_against_each_of_the_other_side():
    one, other = (worth.Worth(value, 0, 1, np.nan, np.nan) for value in (-0.046, 0.0))
    change = worth.Change(one, None, {0: worth.Change(one, other), 3: worth.Change(other)})
    said = "seed 0 −4.6 points, by picture 0.0; seed 3 0.0 points"
    assert seed_changes.against_each(change) == said
    assert seed_changes.against_each(worth.Change(one)) == "", "of several seeds there is nothing to tell"


def test_records_of_the_ladder_are_in_the_protocols_order_and_of_no_other():
    found = {key: [1] for key in [*PROTOCOLS[::-1], "other"]}
    chapter = SimpleNamespace(records=lambda name: found if name == "ladder" else 1 / 0)
    assert list(split_records.ladder_records(chapter)) == list(PROTOCOLS)
    del found[PROTOCOLS[0]]
    assert PROTOCOLS[0] not in split_records.ladder_records(chapter)
