"""Rows of an ablation (Tables 4 and 8): closed forms, absent rows, the paper's figures where they belong."""

import functools
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import charts, names, table_charts, tables
from gcaf_lib.evaluation import bootstrap, clustered, intervals, units, worth
from gcaf_lib.findings import (
    ablation,
    ablation_summary,
    ablation_tables,
    calibration_effects,
    comparison,
    difference_intervals,
    first_place,
    fusion,
    fusion_gradients,
    matched,
    mixup_ema,
    reliability,
    row_lists,
    scorecard,
    sensitivity,
    stages,
    table_rows,
    words,
)
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import load
from gcaf_lib.training import experiments
from tests.told import Told

N = 120
LABELS = np.repeat(np.arange(4), N // 4)
GROUPS = np.arange(N + 1) // 3
PICTURES = np.maximum(np.arange(N + 1), 29)  # the first class is one picture


@functools.cache
def chosen(fold=None):
    """Settings, which are read a thousand times: of the random split, or of a fold."""
    return load("cpu", {} if fold is None else {"data.protocol": "patients", "data.fold": fold})


class Run(Told):
    """What an ablation needs of a run record: `errors` answers are wrong, moved by the seed."""

    rows_ = np.arange(N)

    @property
    def key(self):
        return f"{self.errors}-{self.seed}"

    @property
    def settings(self):
        return chosen()

    def labels(self, part="test"):
        return LABELS

    def rows(self, part="test"):
        return self.rows_

    def probabilities(self, part="test", which="ema"):
        wrong = (np.arange(self.errors) * 7 + 11 * self.seed) % N
        answer = LABELS.copy()
        answer[wrong] = (answer[wrong] + 1) % 4
        return 0.1 + 0.6 * np.eye(4)[answer]


def runs(errors, seeds=3):
    return [Run(errors=errors, seed=s) for s in range(seeds)]


def twins(errors, seeds=3):
    return [Twin(errors=errors, seed=s) for s in range(seeds)]


@pytest.fixture(autouse=True)
def patients(monkeypatch):
    monkeypatch.setattr(splits, "clusters", lambda dataset: GROUPS)
    monkeypatch.setattr(units, "pictures", lambda dataset: PICTURES)


def page(records=(), show_published=True, **more):
    """What `ablation_summary.summary_said` and chapter 13's question need of a chapter."""
    return SimpleNamespace(
        records=dict(records).get,
        show_published=show_published,
        sweep="gcaf sweep {}".format,
        dataset=None,
        **more,
    )


def of(frame, row, metric="accuracy"):
    return frame[(frame["row"] == row) & (frame["metric"] == metric)].iloc[0]


def test_rows_are_compared_at_equal_n():
    """One row has a seed more: its levels are of the others' seeds, as its best or worst seed is no property of it."""
    found = {"a": runs(6), "b": runs(12, 2), "c": runs(18, 2)[1:], "d": []}
    kept = matched.equal_seeds(found)
    assert {row: [r.seed for r in group] for row, group in kept.items()} == {
        "a": [1],
        "b": [1],
        "c": [1],
        "d": [],
    }
    apart = matched.equal_seeds({"a": runs(6, 2), "b": runs(12, 1), "c": runs(18, 2)[1:], "d": runs(20, 1)})
    assert [len(group) for group in apart.values()] == [1, 1, 0, 1], "no seed of all: the one that most have"
    odd = matched.equal_seeds({"a": runs(6), "b": runs(12), "c": runs(18)[2:], "d": [Run(errors=1, seed=5)]})
    assert [[r.seed for r in group] for group in odd.values()] == [[2], [2], [2], []], (
        "no row more than need be"
    )
    odd = matched.equal_seeds(
        {"a": runs(6), "b": runs(12), "c": [Run(errors=1, seed=5), Run(errors=1, seed=6)]}
    )
    assert [len(group) for group in odd.values()] == [3, 3, 0], "nor a seed"
    with pytest.raises(ValueError, match="rows of different seeds"):
        ablation.measure("table-4", {"gcaf-split": runs(12, 1), "gcaf-token": runs(12, 2)[1:]}, None, runs(6))
    assert matched.equal_seeds({}) == {} and matched.equal_seeds({"a": []}) == {"a": []}
    rows = {experiments.PROPOSED_FUSION: runs(6), "gcaf-split": runs(12, 1)}
    with pytest.raises(ValueError, match=r"table-4: rows of different seeds .*equal_seeds"):
        ablation.measure("table-4", rows, None, runs(6))
    frame = ablation.measure("table-4", matched.equal_seeds(rows), None, runs(6), ("accuracy",))
    assert of(frame, experiments.PROPOSED_FUSION)["reference"] and set(frame.loc[frame["n"] > 0, "n"]) == {1}


def test_the_tables_of_every_page_are_at_equal_n():
    """On the runs of record, of which the proposed model has more than the others."""
    page = open_chapter("19_calibration", "cpu")
    tested, tables = calibration_effects.records_by_setting(page), {}
    for name in (
        "table-5",
        "loss",
        "table-8",
    ):  # each by itself: the one with fewest seeds drags no other down
        rows = [row.label for row in experiments.experiment(name).rows]
        tables[f"tested {name}"] = {row: tested[row] for row in rows if row in tested}
    for row, group in matched.table_records(page, "table-5").items():
        assert [r.key for r in tested[row]] == [r.key for r in group], (
            "chapter 19 has the seeds of chapter 12"
        )
    for name in (*table_rows.TABLES.values(), "projection-norm"):
        tables[name] = matched.table_records(page, name)
    for name in table_rows.TABLES.values():
        tables[f"{name} apart"] = matched.fold_records(page, name)
    for name, found in tables.items():
        assert len({tuple(sorted({r.seed for r in group})) for group in found.values() if group}) <= 1, name
    assert len(page.records("main")[paper.PROPOSED]) > 1, "else nothing is tested"


def test_what_equals_the_proposed_differs_by_exactly_nothing():
    main = runs(6)
    found = {experiments.PROPOSED_FUSION: main, "gcaf-split": [Twin(errors=6, seed=s) for s in range(3)]}
    frame = ablation.measure("table-4", found, None, main)
    for row, same in ((experiments.PROPOSED_FUSION, True), ("gcaf-split", False)):
        part = frame[frame["row"] == row]
        assert (part[["difference", "difference_sd"]] == 0).all(axis=None) and (part["pairs"] == 3).all()
        # the very runs differ by nothing, for certain; other runs with the same answers on so few images need not
        ends = part.set_index("metric").loc["accuracy", ["difference_low", "difference_high"]].tolist()
        assert (ends == [0, 0]) == same and ends[0] == -ends[1] and (part["reference"] == same).all()
        assert not any(difference_intervals.separated(r) for _, r in part.iterrows())
    assert (
        row_lists.difference_said(of(frame, "gcaf-split"))
        == f"0.00 (−{100 * ends[1]:.2f} to +{100 * ends[1]:.2f})"
    )
    assert row_lists.difference_said(of(frame, experiments.PROPOSED_FUSION)) == table_rows.PROPOSED


class Twin(Run):
    """Another run that answers alike."""

    @property
    def key(self):
        return f"twin {self.seed}"


def test_values_agree_with_the_scorecard_and_with_the_bootstrap_of_differences():
    main, other = runs(6), runs(18)
    frame = ablation.measure("table-4", {"gcaf-split": other}, None, main)
    known = scorecard.measure(other, None)
    for metric in ablation.METRICS:
        line = of(frame, "gcaf-split", metric)
        assert tuple(line[["mean", "sd", "n", "low", "high"]]) == pytest.approx(known[metric][:5], rel=1e-12)
    assert frame["folds"].eq(0).all()
    line = of(frame, "gcaf-split")
    assert line["difference"] == pytest.approx(-12 / N) and line["difference_sd"] == pytest.approx(
        0, abs=1e-12
    )
    assert difference_intervals.separated(line) and line["difference_high"] < 0
    single = ablation.measure("table-4", {"gcaf-split": other[:1]}, None, main)
    right = [(r.probabilities().argmax(1) == LABELS).astype(float) for r in (other[0], main[0])]
    plain = clustered.mean_draws(right[0] - right[1], GROUPS[:N], bootstrap.DRAWS)
    wanted = worth.of_sample(
        "accuracy", bootstrap.Sample(np.array([-12 / N]), plain), least=-np.inf, answer=1 / N
    )
    line = of(single, "gcaf-split")
    found_ = tuple(line[["difference", "difference_low", "difference_high"]])
    assert found_ == pytest.approx((wanted.value, wanted.low, wanted.high), abs=0.005)
    assert line["pairs"] == line["n"] == 1 and np.isnan(line["sd"]) and np.isnan(line["difference_sd"])


def test_only_shared_seeds_are_compared():
    frame = ablation.measure("table-4", {"gcaf-split": runs(18)}, None, runs(6)[1:], ("accuracy",))
    assert of(frame, "gcaf-split")["n"] == 3 and of(frame, "gcaf-split")["pairs"] == 2
    alone = ablation.measure("table-4", {"gcaf-split": runs(18)}, None, (), ("accuracy",))
    assert row_lists.difference_said(of(alone, "gcaf-split")) == "–"


def test_a_row_is_on_the_side_of_its_interval():
    """A corrected interval of an ECE need not hold the value."""
    line = {"pairs": 2, "difference": 0.001, "difference_low": -0.012, "difference_high": -0.002}
    below, above, level = difference_intervals.below_above_undecided(pd.DataFrame([line]))
    assert (len(below), len(above), len(level)) == (1, 0, 0)


def test_every_row_with_a_run_is_below_above_or_undecided():
    found = {"Feature Concatenation": runs(40), "gcaf-split": runs(20), "gcaf-token": runs(1)}
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",))
    below, above, undecided = (
        list(part["row"]) for part in difference_intervals.below_above_undecided(frame)
    )
    assert (below, above, undecided) == (["Feature Concatenation"], ["gcaf-token"], ["gcaf-split"])
    assert all(part.empty for part in difference_intervals.below_above_undecided(frame[frame["n"] == 0]))


def test_other_test_images_are_refused():
    with pytest.raises(ValueError, match="one split"):
        ablation.measure(
            "table-4", {"gcaf-split": [Run(errors=1, seed=0, rows_=np.arange(N) + 1)]}, None, runs(1)
        )


@pytest.mark.parametrize(("name", "place"), [("table-4", "Table 4"), ("table-8", "Table 8")])
def test_every_published_figure_stands_in_its_row(name, place):
    frame = ablation.measure(name, {}, None)
    rows = [row.label for row in experiments.experiment(name).rows]
    assert list(dict.fromkeys(frame["row"])) == rows and (frame["n"] == 0).all()
    placed = {
        (r.row.replace(" = ", " "), r.metric): r.published
        for r in frame.dropna(subset=["published"]).itertuples()
    }
    assert placed == {(f.row, f.metric): f.fraction for f in paper.find(place)}
    text = ablation_tables.table(frame)
    assert text.iloc[0, 2] == f"{names.ABSENT} [{paper.find(place)[0].value:.2f}]"
    assert ablation_tables.table(frame, show_published=False).iloc[0, 2] == names.ABSENT
    seeds = ablation_tables.over_seeds(False)
    assert ablation_tables.over_seeds(True) == f"{seeds}, the paper's figure in square brackets"
    assert (text["n"] == "none").all() and (text["95% interval"] == "–").all()
    assert not text.astype(str).apply(lambda c: c.str.contains("nan")).any(axis=None)


def test_proposed_rows_and_the_papers_gaps():
    assert table_rows.proposed_rows("table-4") == [experiments.PROPOSED_FUSION]
    assert [row.partition(" = ")[2] for row in table_rows.proposed_rows("table-8")] == [
        "32", "0.2", "2", "0.05", "inverse-frequency"
    ]  # fmt: skip
    frame = ablation.measure("table-4", {}, None, metrics=("accuracy",))
    theirs = paper.table(4).set_index("Fusion Strategy")["Accuracy (%)"]
    for row, value in theirs.items():
        assert 100 * of(frame, row)["published_difference"] == pytest.approx(value - theirs.max())
    table = ablation_tables.difference_table(frame)
    assert len(table) == 6 and (table["Measured"] == names.ABSENT).all()


def test_a_number_has_its_sign():
    assert [words.signed(v) for v in (-0.004, -10, 0.5, 0.004, 0)] == [
        "0.00",
        "−10.00",
        "+0.50",
        "0.00",
        "0.00",
    ]
    assert [words.number(v) for v in (-0.004, -0.0, -0.005001, np.nan)] == ["0.00", "0.00", "−0.01", "–"]


def test_an_end_of_an_interval_tells_on_which_side_of_0_it_lies():
    """Whatever the digits: −0.0004 printed as 0.000 is read as an interval that holds 0."""
    off = worth.Worth(-0.0286, 0, 3, -0.0569, -0.00041)
    assert words.shift(off, 3) == "−0.029 (−0.057 to −0.0004)"
    assert words.span(*off[:1], *off[3:5], 3) == "−0.029 (−0.057 to −0.0004)"
    assert words.points(off._replace(low=0.00002, high=0.2)) == "−2.9 points (+0.002 to +20.0)"
    assert (
        words.ends(-0.00041, 0.5, 2) == "−0.0004 to 0.50"
        and words.band(0.5, 0.0001, 1) == "50.0 (0.01 to 100.0)"
    )
    exact = off._replace(value=-0.00003, low=-1e-17, high=0.0)
    assert words.shift(exact) == "0.0000 (0.0000 to 0.0000)", (
        "rounding is no side, and a value has no sign of its own"
    )


@pytest.mark.parametrize(
    ("n", "folds", "words"),
    [(0, 0, "none"), (1, 0, "one run"), (3, 0, "3"), (1, 5, "one seed of 5 folds"), (2, 5, "2 seeds of 5 folds"),
     (1, 1, "one seed of one fold"), (0, 2, "2 of 5 folds")],
)  # fmt: skip
def test_how_often_a_row_was_trained(n, folds, words):
    assert names.runs_text(pd.Series({"n": n, "folds": folds})) == words
    assert names.runs_text(pd.Series({"n": n, "folds": folds, "protocol": "paper"})) == words
    apart = names.runs_text(pd.Series({"n": n, "folds": folds, "protocol": "patients"}))
    single = {"one run": "one run of a single split", "3": "3 runs of a single split"}
    assert apart == single.get(words, words)


class Fold(Run):
    """A fold of a run: a fifth of the images."""

    @property
    def key(self):
        return f"{self.errors}-{self.seed}-{self.fold}"

    @property
    def settings(self):
        return chosen(self.fold)

    def labels(self, part="test"):
        return super().labels()[self.fold :: 5]

    def rows(self, part="test"):
        return np.arange(N)[self.fold :: 5]

    def probabilities(self, part="test", which="ema"):
        return super().probabilities()[self.fold :: 5]


def folds_of(errors, seed=0, count=5, kind=Fold):
    return [kind(errors=errors, seed=seed, fold=k) for k in range(count)]


class Single(Fold):
    """A fold of a network with one backbone, and so with a stage 0 of its own."""

    @property
    def settings(self):
        return load(
            "cpu",
            {
                "model.backbones": ("vgg19",),
                "model.fusion": "none",
                "data.protocol": "patients",
                "data.fold": self.fold,
            },
        )


def test_scaling_is_told_of_the_seeds_that_chapter_19_takes_where_these_are_fewer(monkeypatch):
    given = {"patients": folds_of(6) + folds_of(6, 1) + folds_of(6, 2, 3)}  # the last seed lacks two folds
    monkeypatch.setattr(
        worth, "difference", lambda a, b, *_, scaled: {"ece": ([r.seed for r in a], a is b, scaled)}
    )

    def fewer(count, found):
        return reliability.fewer_seeds(SimpleNamespace(records=lambda name: found), runs(6, count), GROUPS)

    assert fewer(3, given) == ([0, 1], True, (True, False))
    assert fewer(2, given) is None and fewer(3, {}) is None, "they are all"


def test_rows_of_some_folds_keep_what_they_have_and_decide_nothing():
    found = {
        "a": folds_of(6) + folds_of(6, 1, 2),
        "b": folds_of(12) + folds_of(12, 1),
        "c": folds_of(18, 1, 3),
    }
    kept = matched.equal_seeds(found)
    seeds = {row: [r.seed for r in group] for row, group in kept.items()}
    assert seeds == {"a": [0] * 5, "b": [0] * 5, "c": [1] * 3}


def test_with_patients_apart_seeds_count_once_they_have_all_folds():
    main = folds_of(6) + folds_of(6, seed=1)
    given = ("table-4", None, main, ("accuracy",), ("cpu", "patients"))
    found = {"Feature Concatenation": folds_of(40) + folds_of(40, seed=1), "gcaf-token": folds_of(1, count=2)}
    frame = ablation.measure(given[0], found, *given[1:])
    assert [names.runs_text(of(frame, row)) for row in (*found, "gcaf-sigmoid")] == [
        "2 seeds of 5 folds", "2 of 5 folds", "none"
    ]  # fmt: skip
    once = ablation.measure(given[0], {"gcaf-split": folds_of(20) + folds_of(20, 1, 3)}, *given[1:])
    assert names.runs_text(of(once, "gcaf-split")) == "one seed of 5 folds"
    # all folds together test every image once, as one run without folds would
    plain = ablation.measure("table-4", {"gcaf-split": runs(20, 1)}, None, runs(6, 1), ("accuracy",))
    assert of(once, "gcaf-split")["difference"] == pytest.approx(of(plain, "gcaf-split")["difference"])
    assert of(frame, "gcaf-token")["verdict"] == "not measured"
    # by picture, where copies are kept together and nowhere else: the first class is one picture of 91
    right, ours = (
        np.array([one.probabilities().argmax(1) == LABELS for one in runs(errors, 2)]).mean(0)
        for errors in (40, 6)
    )
    weight = np.r_[np.full(30, 1 / 30), np.ones(90)] / 91
    line = of(frame, "Feature Concatenation")
    assert line["picture"] == pytest.approx(weight @ right) and line["picture_low"] < line["picture_high"]
    assert line["picture_difference"] == pytest.approx(weight @ (right - ours)) != line["difference"]
    both = [
        f"{words.signed(100 * line[name])} ({words.signed(100 * line[f'{name}_low'])} to {words.signed(100 * line[f'{name}_high'])})"
        for name in ("difference", "picture_difference")
    ]
    cells = ablation_tables.difference_table(frame).set_index("Row")
    assert cells.loc[line["row"], ["Measured", "By picture"]].tolist() == both
    assert cells.loc["gcaf-split", ["Measured", "By picture"]].tolist() == [names.ABSENT, "–"]
    assert "By picture" not in ablation_tables.difference_table(plain), "asked of grouped splits only"
    assert row_lists.difference_said(line) == ", by picture ".join(both)
    assert line["picture_difference_high"] < 0
    assert (
        f"weighted equally, however many copies it has, distinguishable from it: Feature Concatenation {both[1]}"
        in ablation_summary.differences_said(frame)
    )
    level = ablation_tables.table(frame).set_index("Row").loc[line["row"]]
    assert f"by picture {100 * line['picture']:.2f}" in level["Accuracy (%)"]
    ends = f", by picture {100 * line['picture_low']:.2f} to {100 * line['picture_high']:.2f}"
    assert level["95% interval"].endswith(ends)
    assert "picture" not in str(ablation_tables.table(plain).to_dict())
    assert plain[ablation.PICTURE].isna().all(
        axis=None
    ) and "picture" not in ablation_summary.differences_said(plain)
    text = ablation_summary.differences_said(frame, "gcaf sweep table-4-patients")
    assert text.startswith(
        "1 of 6 other rows has been trained. `gcaf sweep table-4-patients` trains what is missing."
    )
    assert "by one seed" not in text and "by one seed: all of them" in ablation_summary.differences_said(once)


def test_what_all_seeds_of_the_proposed_model_would_change():
    row, own = "VGG19", table_rows.proposed_rows("table-6")[0]

    def said(errors, count=1, kind=Single):
        """With seeds 0, 1, … of so many errors; rows have the first `count` of them."""
        known = [r for seed, wrong in enumerate(errors) for r in folds_of(wrong, seed)]
        seeds = [r for seed in range(count) for r in folds_of(40, seed, kind=kind)]
        found = matched.equal_seeds({row: seeds, own: known})
        return matched.which_seeds("table-6", found, known, None)

    text = said((24, 12, 12))
    assert text.startswith(
        "Compared is the proposed model's seed 0, 80.0%: the one that all rows compared here have on all 5 folds (other tables' rows "
        "may have other seeds). Over its 3 seeds it scores 86.7%: "
        "against that each difference would change by −6.7 points, by picture by −"
    )
    shifted = said((12, 24))
    weight = np.r_[np.full(30, 1 / 30), np.ones(90)] / 91
    one, other = (
        weight @ (r.probabilities().argmax(1) == LABELS)
        for r in (Run(errors=12, seed=0), Run(errors=24, seed=1))
    )
    assert shifted.endswith(f", by picture by {words.signed(100 * (one - other) / 2, 1)}.")
    assert "seed 0, 90.0%: " in shifted and "Over its 2 seeds it scores 85.0%" in shifted
    assert "change by +5.0 points" in shifted
    assert "Compared are the proposed model's seeds 0 and 1, 80.0%: those that all" in said((24, 24, 12), 2)
    assert said((24, 12), 2) == "" and said((24, 12), 0) == ""
    assert matched.which_seeds("table-6", {}, folds_of(6), None) == ""
    alike = said((24, 12), kind=Fold)
    assert (
        "these rows start from the same stage 0 as that seed, so what another would do to the differences is not known from it."
        in alike
    )
    assert "would change by" not in alike and "it scores 85.0%: " in alike
    assert "would change by 0.0 points" in said((6, 6))


NO_CLAIM = "None of these is distinguishable from 0, so none supports the claim."
OF_ONE = "None of these has two seeds or more and is distinguishable from 0, so none supports the claim."


def test_what_the_differences_say():
    names = {row: f"`{name}`" for row, name in table_rows.FUSION_NAMES.items()}
    nothing = ablation.measure("table-4", {}, None, runs(6), ("accuracy",))
    assert "nothing is compared. `gcaf x`" in ablation_summary.differences_said(nothing, "gcaf x")
    found = {"Feature Concatenation": runs(40), "gcaf-split": twins(20), "gcaf-token": runs(1)}
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",), ("cpu", "paper"))
    text = ablation_summary.differences_said(frame, names=names)
    assert "(in points): `concat` −16.67 (" in text and "Better: `gcaf-token` +15.83 (" in text
    assert "Not distinguishable from it: `gcaf-split`." in text and "with one seed" not in text
    assert (
        "The paper prints one of these differences; it lies inside our interval for: none." in text
    )  # −2.89
    near = ablation.measure("table-4", {"Feature Concatenation": runs(24)}, None, runs(20), ("accuracy",))
    said = ablation_summary.differences_said(near, names=names)
    for seeds in (2, 3, 4):  # simulated in tests/test_coverage.py
        said_so = ablation_summary.differences_said(near.assign(pairs=seeds))
        assert " about one interval in twenty still excludes it." in said_so
        assert ("Of two trainings an interval reaches at least 6.3 times" in said_so) == (seeds == 2)
    told = "`concat`" if difference_intervals.separated(of(near, "Feature Concatenation")) else "none"
    assert (
        f"`concat`. That supports the claim only where ours is also distinguishable from 0: {told}."
        if told != "none"
        else f"`concat`. {NO_CLAIM}"
    ) in said
    assert "paper" not in ablation_summary.differences_said(near, show_published=False)


def test_every_sentence_of_settings_names_their_default():
    """Chapter 14's rows are settings: whatever it prints of their differences, with runs or without."""
    own, *rows = table_rows.proposed_rows("table-8")[0], "Batch Size = 16", "Batch Size = 64"
    assert table_rows.called({"row": own}) == table_rows.DEFAULT and table_rows.called({"row": "VGG19"}) == (
        table_rows.PROPOSED
    )
    found = dict(zip((own, *rows), (folds_of(20), folds_of(40), folds_of(1))))
    frame = ablation.measure("table-8", found, None, found[own], ("accuracy", "ece"), ("cpu", "patients"))
    nothing = ablation.measure("table-8", {}, None, found[own], ("accuracy", "ece"))
    chapter = page({"patients": {own: [*folds_of(20), *folds_of(12, 1)]}})
    answers = sensitivity.moved_said(frame), sensitivity.ece_said(frame, found)
    text = ablation_summary.summary_said(chapter, "table-8", frame, *answers, fold_records=found)
    assert "\n\nCompared is the default's seed 0, " in text
    assert (
        "Worse in accuracy than the default, with" in text
        and "chapter 15 sets the default beside itself" in text
    )
    assert "is better than the default (after" in text and "Below the default by value" in text
    said = [
        text,
        ablation_summary.summary_said(chapter, "table-8", nothing),
        ablation_tables.difference_caption(frame),
        sensitivity.chosen_said(frame, found),
    ]
    assert said[1].startswith("No row but the default's has been trained")
    assert said[2].startswith("Accuracy minus that of the default, in points")
    said += [row_lists.difference_said(line) for _, line in frame.iterrows()]
    assert table_rows.DEFAULT in said and not [one for one in said if "proposed" in one]
    methods = frame.assign(row=frame["row"].str.replace(" = ", " "))
    assert "Worse in accuracy than the proposed model" in ablation_summary.summary_said(
        chapter, "table-8", methods
    )


def test_what_stands_over_the_differences():
    row = "Feature Concatenation"
    given = "Accuracy minus that of the proposed model, in points, on the same test images and seeds"
    plain = ablation.measure("table-4", {row: runs(24)}, None, runs(20), ("accuracy",))
    one = ", with its 95% interval; the verdict says where the published difference lies."
    assert ablation_tables.difference_caption(plain) == f"{given}{one}{ablation_tables.basis_said(plain)}"
    apart = ablation.measure("table-4", {row: folds_of(24)}, None, folds_of(20), ("accuracy",))
    text = ablation_tables.difference_caption(apart)
    assert text.startswith(f"{given}: over all 5 patient-disjoint folds, with 95% intervals, and by picture")
    assert text.endswith(f"the verdict is on this split.{ablation_tables.basis_said(apart)}")
    nothing = ablation.measure("table-4", {}, None, (), ("accuracy",))
    assert ablation_tables.difference_caption(nothing) == given + one


def test_all_that_stands_under_a_table_is_told_once():
    found = dict(zip(PRINTED, map(runs, (24, 26, 28))))
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",))
    text = ablation_summary.summary_said(page(), "table-4", frame, "An answer.", "")
    names = table_rows.FUSION_NAMES
    ranked_, *answers, says = text.split("\n\n")
    assert ranked_ == first_place.ranking_said(frame, names) and answers == ["An answer."], (
        "what is empty leaves no gap"
    )
    assert says == ablation_summary.differences_said(frame, "gcaf sweep table-4", names)
    assert "`gcaf sweep table-4` trains" in says
    quiet = ablation_summary.summary_said(page(show_published=False), "table-4", frame)
    assert quiet == ablation_summary.differences_said(
        frame, "gcaf sweep table-4", names, show_published=False
    )
    assert "paper" not in quiet


def test_under_a_table_on_folds_stands_which_seeds_it_compares_and_what_trains_the_rest():
    """Behind the answers, where the proposed model has a seed more than the rows."""
    row, own = "VGG19", table_rows.proposed_rows("table-6")[0]
    every = [*folds_of(24), *folds_of(12, 1)]
    found = matched.equal_seeds({row: folds_of(40, kind=Single), own: every})
    frame = ablation.measure("table-6", found, None, found[own], ("accuracy",))
    chapter = page({"patients": {own: every}})
    said = ablation_summary.summary_said(chapter, "table-6", frame, "An answer.", fold_records=found)
    answer, which, says = said.split("\n\n")
    assert answer == "An answer." and which == matched.which_seeds("table-6", found, every, None) != ""
    assert says == ablation_summary.differences_said(frame, "gcaf sweep table-6-patients")
    assert "`gcaf sweep table-6-patients` trains" in says
    one = page({"patients": {own: found[own]}})
    assert ablation_summary.summary_said(one, "table-6", frame, fold_records=found) == says, (
        "all are compared"
    )
    nothing = ablation.measure("table-6", {}, None, (), ("accuracy",))
    assert "nothing is compared. `gcaf sweep table-6-patients`" in ablation_summary.summary_said(
        page({"patients": {}}), "table-6", nothing, fold_records={}
    )


def test_a_table_on_the_page_s_split_is_measured_beside_all_runs_of_the_proposed_model():
    page = SimpleNamespace(dataset=None, proposed_runs=lambda: runs(6), profile_and_split=("cpu", "paper"))
    found = {"gcaf-split": runs(18, 2)}
    known = ablation.measure_on_split(page, "table-4", found, ("accuracy",))
    given = (found, None, runs(6), ("accuracy",), ("cpu", "paper"))
    pd.testing.assert_frame_equal(known, ablation.measure("table-4", *given))
    real = open_chapter("11_fusion", "demo")
    assert (ablation.measure_on_split(real, "table-4", {})["pairs"] == 0).all()


def test_runs_of_tables_and_lists_are_named_once():
    one, two = runs(6, 1), runs(12, 2)
    known = matched.distinct_runs({"a": one, "b": two}, two, [], {}, {"c": one})
    assert [r.key for r in known] == ["6-0", "12-0", "12-1"]


def test_the_differences_are_shown_under_their_caption(monkeypatch):
    frame = ablation.measure("table-5", {}, None, runs(6), ("accuracy",))
    shown = []
    monkeypatch.setattr(tables, "show", lambda *given, **more: shown.append((given, more)))
    names = ablation_tables.ROW_NAMES["table-5"]
    ablation_tables.show_differences(frame, "tab-x", "Training", names)
    [((table, *given), more)] = shown
    assert table.equals(ablation_tables.difference_table(frame, "Training", names))
    assert given == ["tab-x", ablation_tables.difference_caption(frame)] and more["data"] is frame


def test_the_papers_differences_are_told_by_image_and_by_picture():
    """Of the same row, with the paper's −2.89 inside one interval, both or none; told from 0 by one, both or none."""
    name = "Feature Concatenation"
    frame = ablation.measure(
        "table-4", {name: folds_of(24) + folds_of(24, 1)}, None, folds_of(20) + folds_of(20, 1), ("accuracy",)
    )
    frame = frame[frame["row"] == name]

    def said(one, two, **more):
        ends = {f"{name}_{end}": value for names, interval in zip(ablation.COUNTED.values(), (one, two))
                for name in names for end, value in zip(("low", "high"), interval)}  # fmt: skip
        text = ablation_summary.differences_said(frame.assign(**ends, **more))
        return text.partition("interval for: ")[2].partition(" By its row")[0]

    claim = " That supports the claim only where ours is also distinguishable from 0: "
    inside, level, far = (-0.03, -0.01), (-0.03, 0.01), (-0.02, 0.01)
    assert said(inside, inside) == f"{name}.{claim}{name}."
    assert said(inside, inside, pairs=1) == f"{name}. {OF_ONE}"
    assert said(inside, level) == f"{name}.{claim}{name}; by picture: none."
    assert said(level, level) == f"{name}. {NO_CLAIM}"
    assert said(far, inside) == f"none; by picture: {name}.{claim}none; by picture: {name}."
    assert said(level, far) == f"{name}; by picture: none. {NO_CLAIM}"
    assert said(far, far) == "none."
    # its rounding allowed for: two figures to 0.01 are known to within 0.01 points together
    for low, high, place in ((-0.02881, 0, 0), (-0.02879, 0, -1), (-0.05, -0.02899, 0), (-0.05, -0.02901, 1)):
        assert (
            difference_intervals.beside_paper(frame.assign(difference_low=low, difference_high=high)) == place
        )


def test_what_a_table_rests_on_is_counted_and_what_it_could_show():
    rows = ["Feature Concatenation", "Gated Fusion (No Attention)"]
    once = ablation.measure("table-4", {rows[0]: folds_of(40)}, None, folds_of(6), ("accuracy",))
    # of 120 images, in threes of a group, the first thirty are copies of one picture
    assert ablation_tables.basis_said(once) == (
        " Compared: one seed of 5 folds, 120 images (91 pictures, 40 patient groups)."
    )
    assert ablation_tables.basis_said(ablation.measure("table-4", {}, None, runs(6), ("accuracy",))) == ""
    assert once["images"].tolist()[1:] == [0] * (len(once) - 1), "what is not trained rests on nothing"
    frame = ablation.measure("table-4", dict(zip(rows, (runs(24), runs(26)))), None, runs(20), ("accuracy",))
    assert (
        ablation_tables.basis_said(frame)
        == " Compared: 3 seeds, 120 images (91 pictures, 40 patient groups)."
    )
    assert ablation_tables.basis_said(frame.assign(pairs=1)).startswith(" Compared: one run, 120 images")

    def said(low, high, **more):
        ends = {"difference_low": low, "difference_high": high}
        ends["difference_error"] = (np.array(high) - np.array(low)) / 2 / 1.96
        ends |= {"difference_freedom": np.inf, "picture_difference_freedom": np.inf}
        return ablation_summary.visible_said(frame.head(2).assign(**ends, **more))

    # half a width of 2 points, times 1 + 0.84/1.96, is 2.86 points; the paper's are −2.89 and −1.61
    text, large = said(-0.02, 0.02), "The paper's is as large as its row's for"
    assert f" with a power of 80% from 2.86 points on. {large} 1 of 2: Feature" in text
    assert "for 0 of 2: none." in said(-0.0205, 0.0205) and "another training's" not in text
    # rows of unlike widths, each by its own: the paper's is beside its row's
    assert f"from 1.44 to 2.86 points on. {large} 2 of 2" in said([-0.02, 0], [0.02, 0.0202])
    wide = f"from 1.42 to 2.86 points on (the widest interval: {rows[0]}). {large} 2 of 2"
    assert wide in said([-0.02, 0], [0.02, 0.0198])
    other = f"from 0.71 to 2.86 points on (the widest interval: {rows[1]}). {large} 1 of 2: {rows[0]}."
    assert other in said([0, -0.02], [0.01, 0.02])
    assert "; where there is one seed, another training's chance comes on top" in said(-0.02, 0.02, pairs=1)
    copied = said(
        -0.02,
        0.02,
        picture_difference_low=[-0.01, -0.05],
        picture_difference_high=[0.01, 0.05],
        picture_difference_error=[0.01 / 1.96, 0.05 / 1.96],
    )
    assert f"points on, by picture from 1.43 to 7.15 points on (the widest interval: {rows[1]})." in copied
    assert "picture" not in text
    assert "paper" not in ablation_summary.visible_said(frame.head(2), show_published=False)


@pytest.mark.parametrize(
    ("ends", "copied", "pairs", "said"),
    [
        ((-0.03, -0.01), None, 3, "Yes. `concat` minus proposed: −2.0 points (−3.0 to −1.0); 3 seeds, 120"),
        ((-0.03, 0.001), None, 3, "Not shown. "),
        ((-0.03, 0.0), None, 3, "Not shown, by an end so near 0 that other draws might tell otherwise. "),
        ((-0.03, -0.0005), None, 3, "Yes, by an end so near 0 that other draws might tell otherwise. "),
        ((0.001, 0.03), None, 3, "No, it is worse. "),
        (
            (-0.03, -0.01),
            None,
            1,
            "As trained once it is better (one training of each; another may reverse it). ",
        ),
        ((0.001, 0.03), None, 1, "As trained once it is worse (one"),
        (
            (-0.03, -0.01),
            (-0.02, 0.01),
            2,
            "Counting each image: yes. Counting each picture once: not shown. ",
        ),
        ((-0.03, -0.01), (-0.02, -0.01), 2, "Yes. "),
    ],
)
def test_a_question_is_answered_by_the_interval(ends, copied, pairs, said):
    found = {"Feature Concatenation": runs(24)}
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",)).assign(pairs=pairs)
    frame = frame.assign(difference=-0.02, difference_low=ends[0], difference_high=ends[1])
    frame = frame.assign(adjusted_low=ends[0], adjusted_high=ends[1])
    if copied:
        ends = dict(zip(("picture_difference_low", "picture_difference_high"), copied))
        frame = frame.assign(
            picture_difference=-0.005,
            picture_difference_error=0.004,
            picture_difference_freedom=np.inf,
            **ends,
        )
    names = {row: f"`{name}`" for row, name in table_rows.FUSION_NAMES.items()}
    text = first_place.answer(frame, "Feature Concatenation", "Is it?", names)
    assert text.startswith(f"**Is it?** {said}")
    least = 100 * float(difference_intervals.detectable(frame.iloc[0]))
    one = worth.difference(runs(24), runs(20), GROUPS)["accuracy"]
    low, high = frame[["difference_low", "difference_high"]].iloc[0]
    assert least == pytest.approx(100 * intervals.detectable_by_interval(low, high, one.error, one.freedom))
    assert f"one would see a true difference of {least:.2f} points or more" in text
    assert text.endswith("; the paper's is −2.89.") and ("or more, by picture" in text) == bool(copied)
    assert "paper" not in first_place.answer(
        frame, "Feature Concatenation", "Is it?", names, show_published=False
    )
    wider = first_place.answer(
        frame.assign(adjusted_low=-1, adjusted_high=1), "Feature Concatenation", "Is it?"
    )
    lost = ", only before the adjustment for the number of rows"
    assert lost not in text and wider.count(lost) == (not ends_hold_0(frame))


def ends_hold_0(frame) -> bool:
    line = frame.set_index("row").loc["Feature Concatenation"]
    return line["difference_low"] <= 0 <= line["difference_high"]


PRINTED = ["Feature Concatenation", "Gated Fusion (No Attention)", "Cross-Attention (No Gating)"]


@functools.cache
def printed_rows():
    found = {row: runs(21 + k) for k, row in enumerate([*PRINTED, "gcaf-split"])}
    return ablation.measure("table-4", found, None, runs(20), ("accuracy",)).set_index("row", drop=False)


def ranked(*differences, copied=(), pairs=3, half=0.004, adjusted=None, setting="", **more):
    """`first_place.ranking_said` of Table 4's printed rows (concat, gate, cross; the paper's −2.89, −1.61, −1.05), `half` an interval;
    setting: before each row's name."""
    rows, frame = PRINTED, printed_rows()
    frame = frame.assign(pairs=frame["pairs"].clip(upper=pairs))
    for (name, wide), values in zip(ablation.COUNTED.values(), (differences, copied)):
        for row, value in zip(rows, values):
            frame.loc[row, [name, f"{name}_low", f"{name}_high"]] = value, value - half, value + half
            far = adjusted or half
            frame.loc[row, [f"{wide}_low", f"{wide}_high"]] = value - far, value + far
    for row in rows[len(differences) :]:
        frame.loc[row, "pairs"] = 0
    frame.loc["gcaf-split", ["difference_low", "difference_high"]] = -half, half
    names = {row: f"`{name}`" for row, name in table_rows.FUSION_NAMES.items()}
    frame = frame.reset_index(drop=True)
    return first_place.ranking_said(frame.assign(row=setting + frame["row"]), names=names, **more)


ADJUSTED = f"after {ablation.ADJUSTMENT}"
OPEN = f"Not decided ({ADJUSTED}, the intervals of all 3 differences hold 0)."


@pytest.mark.parametrize(
    ("given", "more", "said"),
    [
        # all the intervals say so: no adjustment
        ((-0.029, -0.016, -0.005), {"adjusted": 0.1}, "Yes, as to its first place, the proposed model is better than each of the 3 other rows."),
        ((-0.029, -0.016, -0.004), {}, f"In part, the proposed model is better than `concat`, `gate`, not told so of the rest ({ADJUSTED})."),
        ((-0.029, -0.016, -0.004), {"adjusted": 0.017}, f"In part, the proposed model is better than `concat`, not told so of the rest ({ADJUSTED})."),
        ((-0.029, -0.016, -0.004), {"adjusted": 0.03}, OPEN),
        ((-0.003, -0.002, 0.001), {}, OPEN),
        ((-0.029, -0.016, 0.005), {}, f"No, `cross` is better than the proposed model ({ADJUSTED})."),
        ((0.006, -0.016, 0.005), {}, f"No, `concat`, `cross` are better than the proposed model ({ADJUSTED})."),
        ((0.001, 0.002, 0.005), {"adjusted": 0.006}, OPEN),
        ((-0.029, -0.016, -0.005), {"pairs": 1}, "Yes (as trained once), as to its first place,"),
        ((0.001, 0.002, 0.005), {"pairs": 1}, "No (as trained once), `cross`"),
        ((0.001, 0.002, 0.003), {"pairs": 1}, OPEN),
        ((-0.029, -0.016, -0.005), {"copied": (0.0, 0.0, 0.005)}, "Counting each image: yes, as to its first place, the proposed model is better than each of the 3 other rows. Counting each picture once: no, `cross`"),
    ],
)  # fmt: skip
def test_whether_the_papers_ranking_survives(given, more, said):
    text = ranked(*given, **more)
    assert text.startswith(f"**Does the paper's ranking by accuracy hold on this split?** {said}")
    assert ("excluded (as trained once) for" in text) == (more.get("pairs") == 1)
    setting = ranked(*given, **more, setting="Fusion = ")
    assert setting.startswith(
        "**Is the paper's default the best of its settings by accuracy on this split?**"
    )
    assert "proposed model" not in setting and "first place" not in setting


def test_which_leads_are_excluded_and_how_near_the_next_row_is():
    same = ranked(-0.029, -0.016, -0.0105)
    assert (
        "excluded for 0 of 3, each by its own interval. Below the proposed model by value alone: 3 of 3 rows; "
        in same
    )
    assert "the nearest is 1.05 points away. This rests on 3 seeds, 120 images" in same
    # the paper's −2.89, −1.61 and −1.05: below an interval of ± 0.4 about −1 only the first, ± 0.4 about 0 all
    for differences, half, count in (((-0.01, -0.013, -0.01), 0.004, 1), ((0.0, 0.0, 0.0), 0.004, 3),
                                     ((0.0, 0.0, 0.0), 0.012, 2), ((0.0, 0.0, 0.0), 0.03, 0)):  # fmt: skip
        assert f"are excluded for {count} of 3, each" in ranked(*differences, half=half)
    # an interval on the other side: the lead is larger than the paper's, which excludes no lead
    assert "are excluded for 0 of 3, each" in ranked(-0.05, -0.05, -0.05)
    copied = ranked(-0.029, -0.016, -0.0105, copied=(0.003, 0.002, -0.00004))
    assert "excluded for 0 of 3, by picture 3, each" in copied
    assert "3 of 3 rows, by picture 1; the nearest is 1.05 points away, by picture 0.004." in copied
    alike = ranked(-0.029, -0.016, -0.0105, copied=(-0.029, -0.016, -0.0105))
    assert alike == same, "by picture is told where it differs"
    assert "by value alone: 1 of 3 rows; the nearest is 0.00 points" in ranked(0.001, -0.001, -1e-12)
    two = ranked(-0.029, -0.016)
    assert "of 2 rows; the" in two and "each of the 2 other rows" in two
    assert ranked(-0.029) == ranked() == ranked(-0.029, -0.016, -0.005, show_published=False) == ""
    for place, name in table_rows.TABLES.items():
        figures = ablation.measure(name, {}, None, metrics=("accuracy",))
        assert (ablation.others(figures)["published_difference"].dropna() < 0).all(), place


def test_the_ranking_on_folds_is_of_patients_not_shared():
    rows = ("Feature Concatenation", "Gated Fusion (No Attention)")
    frame = ablation.measure("table-4", {row: folds_of(60) for row in rows}, None, folds_of(6), ("accuracy",))
    text = first_place.ranking_said(frame)
    assert text.startswith("**Does the paper's ranking by accuracy hold where no known patient is shared?** ")
    assert "This rests on one seed of 5 folds, 120 images" in text and "points away, by picture" in text


def test_no_question_is_answered_without_runs():
    frame = ablation.measure("table-4", {}, None, runs(6), ("accuracy",))
    assert "shared?** Not measured" in fusion.beside_concatenation_said(frame)
    frame = ablation.measure("table-5", {}, None, runs(6), ("accuracy",))
    assert "Not measured" in mixup_ema.beside_no_mixup_said(frame)


def test_the_proposed_model_stands_beside_itself_by_the_intervals_of_one_seed():
    frame = mixup_ema.seed_against_seed(
        [*folds_of(20), *folds_of(60, 1), *folds_of(20, 2), *folds_of(1, 3, 4)], None
    )
    assert len(frame) == 3 * 4 and frame["metric"].value_counts().tolist() == [6, 6], (
        "a seed of 4 folds is left out"
    )
    first = frame[(frame["metric"] == "accuracy") & ~frame["by_picture"]]
    gap = 40 / N
    assert first["value"].tolist() == pytest.approx([gap, 0, -gap]) and first["low"].iloc[0] > 0
    rows = pd.DataFrame(
        {"row": ["a", "b"], "metric": "accuracy", "reference": [False, True], "pairs": [1, 2]}
    )
    text = mixup_ema.seed_against_seed_said(frame, rows)
    apart = ((frame["low"] > 0) | (frame["high"] < 0)).sum()
    assert 0 < apart < 12 and f"by the same intervals: {apart} of 12 of accuracy and NLL exclude 0" in text
    assert f"of up to {100 * gap:.2f} points (by picture " in text
    assert "0 of 12 of accuracy and NLL exclude 0" in mixup_ema.seed_against_seed_said(
        frame.assign(low=-1.0, high=1.0), rows
    )
    several = mixup_ema.seed_against_seed_said(frame, rows.assign(pairs=2))
    assert "An effect of one seed" in text and "single seeds" not in text
    assert "An effect of one seed" not in several and several.endswith(
        "This is of single seeds; the effects above are means over more, and their intervals allow for another training."
    )
    for some in ([], folds_of(20)):
        assert "No two seeds of the proposed model" in mixup_ema.seed_against_seed_said(
            mixup_ema.seed_against_seed(some, None), rows
        )


@pytest.mark.parametrize(
    ("alone", "which"), [((40, 30), "both"), ((40, 21), "one of the two only"), ((21, 19), "neither")]
)
def test_two_backbones_are_set_beside_each_of_them_alone(monkeypatch, alone, which):
    starts = {"efficientnetv2-s": folds_of(alone[0]), "convnext-tiny": folds_of(alone[1])}
    monkeypatch.setattr(stages, "stage0_records", lambda records: starts if records else {})
    chapter = page(profile="cpu", overrides={})
    found = {"VGG19": folds_of(60), "DenseNet": folds_of(21)}
    own = folds_of(20)
    frame = ablation.measure("table-6", found, None, own, ("accuracy", "macro_f1"))
    text = comparison.two_backbones_said(chapter, frame, own)
    better = "After the adjustment for the number of rows the proposed model{} is better than 1 (VGG19), by picture than 1 (VGG19) of 2 single networks; "
    plain = "before it than 1, by picture than 1. "
    assert (
        f"shared?** {better.format(', as trained once,')}{plain}That rests on one seed of 5 folds, 120 images"
        in text
    )
    assert "another training may reverse it." in text and "Above it" not in text
    other, first = frame["row"] == "DenseNet", frame["row"] == "VGG19"
    score = other & (frame["metric"] == "macro_f1")
    turned = frame.copy()
    turned.loc[score, [f"picture_difference{end}" for end in ablation.ENDS]] = 0.0182, 0.0007, 0.0354
    said = comparison.two_backbones_said(chapter, turned, own)
    assert (
        "than 1, by picture than 1. Above it by value: in macro-F1 by picture DenseNet +0.0182 (+0.0007 to +0.0354), an interval that excludes 0 before any adjustment. That"
        in said
    )
    level = other & (frame["metric"] == "accuracy")
    turned.loc[level, [f"difference{end}" for end in ablation.ENDS]] = 0.018, -0.001, 0.035
    said = comparison.two_backbones_said(chapter, turned, own)
    assert (
        "Above it by value: DenseNet +1.80 (−0.10 to +3.50); in macro-F1 by picture DenseNet +0.0182" in said
    )
    lost = frame.copy()
    lost.loc[first, "adjusted_high"] = 0.001
    said = comparison.two_backbones_said(chapter, lost, own)
    assert "is better than none, by picture than 1 (VGG19) of 2 single networks; " + plain in said
    lost.loc[first, "picture_difference_high"] = 0.001
    assert "before it than 1, by picture than 0. " in comparison.two_backbones_said(chapter, lost, own)
    twice = comparison.two_backbones_said(chapter, frame.assign(pairs=2), own)
    assert "the proposed model is better than 1 (VGG19), by" in twice and "may reverse" not in twice
    assert "None of these is one of the proposed model's own two" in text
    assert f"So it is shown to be better than {which}. Stages" in text and "Chapter 25 does the same" in text
    both = comparison.two_backbones_said(chapter, frame, own, folds_of(19))
    halves = ("EfficientNetV2-S (mini)", "ConvNeXt-Tiny (mini)")
    gains = [
        f"{half} {words.signed(100 * (wrong - 19) / 120, 1)} points" for half, wrong in zip(halves, alone)
    ]
    there = both.partition(f"better than {which}. On the random split, of 1 seed: minus ")[2]
    assert [there.index(gain) for gain in gains] == sorted(there.index(gain) for gain in gains)
    assert there.partition(" Stages 1 and 2 ")[1] and "On the random split" not in text
    none = comparison.two_backbones_said(chapter, frame.assign(pairs=0), [])
    assert "No single network has been trained on these folds." in none and "Chapter 25 sets" in none
    half = page(profile="cpu", overrides={"model.backbones": ("vgg19", "convnext-tiny")})
    assert comparison.two_backbones_said(half, frame, own).endswith(
        "One of its own backbones alone is VGG19."
    )


def test_a_single_network_is_compared_as_its_stage_0_left_it_too(monkeypatch):
    """folds_of(k) has k of 120 answers wrong: stages 1 and 2 spoilt the first network, which was the better one before."""
    spoilt, steady, own = folds_of(40), folds_of(60), folds_of(30)
    starts = {id(spoilt[0]): folds_of(6), id(steady[0]): folds_of(60), id(own[0]): folds_of(1)}
    monkeypatch.setattr(stages, "stage0_records", lambda records: {"one": starts[id(records[0])]})
    found = {"DenseNet": spoilt, "VGG19": steady, comparison.OWN: own}
    text = comparison.after_stage0_said(found, None)
    first, second = re.findall(r"^- .*$", text, re.M)
    assert (
        first.startswith("- DenseNet: −20.0 points (")
        and "; stages 1 and 2 changed it by −28.3 points (" in first
    )
    assert second.startswith("- VGG19: +25.0 points (+") and "changed it by 0.0 points (" in second
    assert (
        ": 1 (DenseNet), by picture 1 (DenseNet). Of one seed such" in text
        and "left it (one seed of 5 folds, 120 images (" in text
    )
    assert comparison.after_stage0_said({comparison.OWN: own}, None) == ""
    starts[id(spoilt[0])] = []
    assert "DenseNet" not in comparison.after_stage0_said(
        found, None
    ) and ": none, by picture none." in comparison.after_stage0_said(found, None)


def test_intervals_are_adjusted_for_the_rows_that_are_compared():
    rows = ["Feature Concatenation", "gcaf-split"]
    found = {rows[0]: runs(40), rows[1]: twins(20), experiments.PROPOSED_FUSION: runs(20)}
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",))
    line = of(frame, rows[0])
    wide = worth.difference(runs(40), runs(20), GROUPS, level=0.975)["accuracy"]  # two rows: its own is none
    assert (line["adjusted_low"], line["adjusted_high"]) == (wide.low, wide.high)
    assert wide.low < line["difference_low"] and np.isnan(line["picture_adjusted_low"])
    apart = ablation.measure("table-4", {rows[0]: folds_of(40), rows[1]: folds_of(20)}, None, folds_of(6))
    copied = worth.by_picture(folds_of(40), GROUPS, PICTURES, ["accuracy"], against=folds_of(6), level=0.975)
    assert of(apart, rows[0])["picture_adjusted_high"] == copied["accuracy"].high


def test_what_is_left_after_the_adjustment():
    rows = ["Feature Concatenation", "Gated Fusion (No Attention)"]
    found = dict(zip(rows, (runs(24), runs(26))))
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",))

    def said(high, adjusted, count=2, **more):
        ends = {"difference": -0.02, "difference_low": -0.03, "difference_high": high, "adjusted_low": -0.04}
        verdict = "inside our interval"
        return ablation_summary.differences_said(
            frame.assign(**ends, adjusted_high=adjusted, verdict=verdict, **more).iloc[:count]
        )

    both = ", ".join(rows)
    adjusted = (
        "After the adjustment for the number of rows (Bonferroni: 2 intervals at 97.5%), these exclude 0:"
    )
    claim = "is also distinguishable from 0"
    left = said(-0.01, [-0.001, 0.001] + [0.0] * (len(frame) - 2))
    some = f"{rows[0]} (only before it: {rows[1]})"
    assert f"{adjusted} {some}. Chapter 15 tests the rows of Tables 4 to 6, adjusted by Holm." in left
    assert f"{claim} after the adjustment for the number of rows: {some}." in left
    assert f"{adjusted} none (only before it: {both}). Chapter" in said(-0.01, 0.001)
    level = said(0.01, 0.02)
    assert "adjust" not in level and NO_CLAIM in level
    copied = {"picture_difference": -0.02, "picture_difference_low": -0.03, "picture_difference_high": -0.01}
    copied |= {"picture_adjusted_low": -0.04, "picture_adjusted_high": -0.001}
    alike = f"by picture {both}. Chapter"
    assert f"{adjusted} {alike}" in said(0.01, 0.02, **copied)
    assert f"{adjusted} none (only before it: {both}); {alike}" in said(-0.01, 0.001, **copied)
    alone = said(-0.01, -0.001, 1)  # one row: nothing to adjust for
    assert "adjust" not in alone and f"{claim}: {rows[0]}." in alone


def lines_of(*highs, **more):
    """Rows a, b, … whose interval ends below at −3 points and above at these; −4 and `adjusted_high` after the adjustment."""
    rows = list("abcdef"[: len(highs)])
    ends = {"difference": -0.02, "difference_low": -0.03, "difference_high": highs, "adjusted_low": -0.04}
    ends |= {"picture_difference": -0.02, "picture_difference_low": np.nan, "picture_difference_high": np.nan}
    ends |= {"adjusted_high": highs, "picture_adjusted_low": np.nan, "picture_adjusted_high": np.nan}
    return pd.DataFrame({"row": rows, "pairs": 2, **ends, **more})


def test_seeds_are_known_of_rows_that_have_all_folds_of_one():
    found = {"a": runs(6, 2), "b": folds_of(6), "c": folds_of(6, count=4), "d": []}
    assert matched.seeds_known(found) == {"a": {0, 1}, "b": {0}}


def test_nothing_is_adjusted_for_one_row_or_where_no_interval_excludes_0():
    said = ablation_summary.after_adjustment
    assert said(lines_of(-0.01)) == "", "one row"
    assert said(lines_of(-0.01).iloc[:0]) == "", "none"
    assert said(lines_of(0.0, 0.01)) == "", "an end at 0 holds it"
    assert said(lines_of(-0.01, -0.01).assign(pairs=0)) == "", "nothing was run"
    text = said(lines_of(-0.001, 0.01), {"a": "`first`"})
    start = f" After {ablation.ADJUSTMENT} (Bonferroni: 2 intervals at 97.5%), these exclude 0: "
    end = ". Chapter 15 tests the rows of Tables 4 to 6, adjusted by Holm."
    assert text == f"{start}`first`{end}"
    assert said(lines_of(-0.001, 0.01, adjusted_high=0.0)) == f"{start}none (only before it: a){end}"
    assert "3 intervals at 98.33%" in said(lines_of(-0.01, 0.01, 0.02))
    copied = {"picture_difference_low": [-0.03, 0.01], "picture_difference_high": [-0.01, 0.03]}
    copied |= {"picture_adjusted_low": [-0.04, 0.0], "picture_adjusted_high": [0.0001, 0.04]}
    alone = said(lines_of(0.01, 0.01, **copied))
    assert alone == f"{start}by picture none (only before it: a, b){end}"
    assert said(lines_of(-0.01, 0.01, **copied)).startswith(f"{start}a; by picture none (only")


@pytest.mark.parametrize(
    ("pairs", "alone", "two"),
    [((1, 1), "all", False), ((1, 2), "1", False), ((1, 3, 1), "2", False), ((2, 3), None, True),
     ((3, 4), None, False)],
)  # fmt: skip
def test_how_much_chance_makes_of_a_table_turns_with_its_seeds(pairs, alone, two):
    """Of two values the interval's half width is t/√2 of their standard deviation: 6.353 of their distance, so at least 6.3."""
    text = ablation_summary.false_alarms(lines_of(*(0.01,) * len(pairs)).assign(pairs=pairs))
    assert ("Where the true difference is 0, about one interval in twenty" in text) == (alone is None)
    assert (f" Compared by one seed: {alone} of them; another seed" in text) == (alone is not None)
    assert (" Of two trainings an interval reaches at least 6.3 times" in text) == two
    of_two = words.over_runs([0.0, 1.0])
    assert (of_two.high - of_two.low) / 2 == pytest.approx(6.353, abs=0.001)
    once = lines_of(0.01).assign(pairs=1)
    assert f"sets {table_rows.PROPOSED} beside itself" in ablation_summary.false_alarms(once)
    default = ablation_summary.false_alarms(once.assign(row="rate = 0.1"))
    assert f"sets {table_rows.DEFAULT} beside itself" in default


def test_rows_are_listed_by_name_and_difference_or_as_none():
    lines = lines_of(-0.01, -0.00002).assign(picture_difference=[0.05, np.nan])
    one = "−2.00 (−3.00 to −1.00)"
    assert row_lists.shifts(lines, "difference", {"b": "B"}) == f"a {one}; B −2.00 (−3.00 to −0.002)"
    assert row_lists.shifts(lines[:1], "picture_difference", None) == "a +5.00", "no interval is known"
    assert row_lists.shifts(lines[:0], "difference", None) == "none"


def test_left_and_lost_turn_where_an_interval_meets_0():
    name, wide = two = ablation.COUNTED["Counting each picture once"]
    ends = (
        (0.1, 0.2, 0.01, 0.3),
        (0.1, 0.2, 0.0, 0.3),
        (-0.2, -0.1, -0.3, 0.0),
        (-0.1, 0.1, -0.3, 0.3),
        (0.1, 0.2, 0.01, 0.3),
    )
    columns = [f"{one}{end}" for one in two for end in ablation.ENDS[1:]]
    lines = pd.DataFrame(ends, columns=columns).assign(row=list("abcde"), pairs=[2, 2, 2, 2, 0])
    assert difference_intervals.lost(lines, name, wide).tolist() == [False, True, True, False, False]
    assert [list(side["row"]) for side in difference_intervals.below_above_undecided(lines, name)] == [
        ["c"],
        ["a", "b"],
        ["d"],
    ]
    assert [list(side["row"]) for side in difference_intervals.below_above_undecided(lines, wide)] == [
        [],
        ["a"],
        ["b", "c", "d"],
    ]
    assert row_lists.left(lines[:3], name, wide, {"a": "A"}) == "A (only before it: b, c)"
    assert row_lists.left(lines[1:2], name, wide) == "none (only before it: b)"
    assert row_lists.left(lines[:1], name, wide) == "a" and row_lists.left(lines[:0], name, wide) == "none"


def test_the_verdict_is_on_the_difference_and_the_proposed_row_has_none():
    found = {"Feature Concatenation": runs(40), experiments.PROPOSED_FUSION: runs(20)}
    for made in (("cpu", "paper"), ("paper", "paper")):
        frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",), made)
        words = [of(frame, row)["verdict"] for row in (*found, "gcaf-split", "Gated Fusion (No Attention)")]
        assert words == [
            "above our interval; ours is distinguishable from 0",
            "–",
            "not measured",
            "not measured",
        ]


def test_what_the_paper_says_otherwise_of_its_choice(monkeypatch):
    assert sensitivity.chosen_otherwise() == (
        " The paper contradicts itself on what that part chose: label smoothing ε = 0.1 in Section 5.2, 0.05 in Section 5.8; "
        "the default here is Table 3's (chapter 22)."
    )
    balance = " Of focal α the default is Table 3's, inverse-frequency, which neither section chose (they have 0.5): "
    assert sensitivity._balance().startswith(balance)
    later = sensitivity.paper.find("§5.8", sensitivity.paper.PROPOSED)
    monkeypatch.setattr(sensitivity.paper, "find", lambda *_: later)
    assert sensitivity.chosen_otherwise() == ""
    chose = [s._replace(says="inverse-frequency") if s.place == "§5.8" else s for s in sensitivity.paper.SAID]
    monkeypatch.setattr(sensitivity.paper, "SAID", tuple(chose))
    assert sensitivity._balance() == ""


def test_equal_functions_repairs_and_the_norm():
    rows = {name: row for row, name in table_rows.FUSION_NAMES.items()}
    assert "not both trained" in fusion.equal_functions_said({rows["cross"]: runs(6)}, None)
    equal = fusion.equal_functions_said({rows["cross"]: runs(6), rows["concat"]: runs(6)}, None)
    assert "+1.84 points in the paper; here 0.00 (0.00 to 0.00), not distinguishable from 0" in equal
    assert "distinguishable from 0: what differs" in fusion.equal_functions_said(
        {rows["cross"]: runs(6), rows["concat"]: runs(40)}, None
    )
    for errors, said in (
        (1, "is better than the reconstruction, with an interval that excludes 0, in gcaf-split"),
        (20, "is not shown to be better"),
        (40, "is not shown"),
    ):
        frame = ablation.measure("table-4", {"gcaf-split": twins(errors)}, None, runs(20), ("accuracy",))
        assert said in fusion.repaired_said(frame) and "trained once" not in fusion.repaired_said(frame)
    once = ablation.measure("table-4", {"gcaf-split": twins(1, 1)}, None, runs(20, 1), ("accuracy",))
    assert "(trained with one seed, so another may reverse it), of 1 variant." in fusion.repaired_said(once)
    assert fusion.repaired_said(ablation.measure("table-4", {}, None)).startswith("No fusion whose")
    line = pd.DataFrame({"row": ["with"], "metric": ["accuracy"], "reference": [False], "pairs": [0]})
    assert "`gcaf sweep projection-norm --profile demo`" in fusion.norm_cost_said(
        line, "gcaf sweep projection-norm --profile demo"
    )
    for low, high, side in (
        (-0.02, -0.01, "a loss"),
        (0.01, 0.02, "a gain"),
        (-0.01, 0.01, "not distinguishable from 0"),
    ):
        made = line.assign(pairs=1, difference=(low + high) / 2, difference_low=low, difference_high=high,
                           **dict.fromkeys(ablation.PICTURE, np.nan))  # fmt: skip
        said = fusion.norm_cost_said(made, "gcaf sweep projection-norm")
        assert f"{side}" in said and "one run of each" in said


def test_cheaper_baselines_and_their_inputs():
    frame = ablation.measure(
        "table-6", {"VGG19": runs(40), "ResNet50": twins(20)}, None, runs(20), ("accuracy",)
    )
    flops = {row: 10.0 for row in frame["row"]} | {"Proposed Method": 20.0}
    costs = pd.DataFrame({"row": flops.keys(), "flops": flops.values()})
    said = comparison.cheaper_said(frame, costs)
    gap = row_lists.difference_said(of(frame, "ResNet50"))
    assert f"VGG19, ResNet50. On this split not shown to be worse (points): ResNet50 {gap}; down to" in said
    assert comparison.cheaper_said(frame, costs.assign(flops=30.0 - costs["flops"])).startswith(
        "No trained baseline"
    )
    alone = ablation.measure("table-6", {"VGG19": runs(40)}, None, runs(20), ("accuracy",))
    assert comparison.cheaper_said(alone, costs).endswith("On this split all of them are shown to be worse.")
    # worse by picture alone is worse, too, and better by picture is not
    for low, high, word in ((-0.03, -0.01, "all of them are"), (0.01, 0.03, "not"), (-0.01, 0.0, "not")):
        ends = {"picture_difference_low": low, "picture_difference_high": high}
        copied = frame.assign(picture_difference=(low + high) / 2, **ends)
        assert f"On this split {word} shown to be worse" in comparison.cheaper_said(copied, costs)
    both = comparison.cheaper_said(frame, costs, alone)
    assert both.startswith(said) and both.endswith(
        "On patient-disjoint folds all of them are shown to be worse."
    )
    assert comparison.cheaper_said(alone, costs, frame).endswith("folds all of them are shown to be worse.")
    nothing = ablation.measure("table-6", {}, None, runs(20), ("accuracy",))
    assert comparison.cheaper_said(nothing, costs).startswith("No baseline has been trained")
    assert comparison.cheaper_said(frame, costs, nothing).endswith("folds none of them has been trained.")
    once = ablation.measure("table-6", {"ResNet50": twins(20, 1)}, None, runs(20, 1), ("accuracy",))
    assert f"ResNet50 {row_lists.difference_said(of(once, 'ResNet50'))} (one seed); down to" in (
        comparison.cheaper_said(frame, costs, once)
    )
    assert "one seed" not in said
    assert "none starts from ImageNet" in comparison.native_said([])
    assert "VGG19 start from ImageNet weights" in comparison.native_said(["VGG19"])


def test_the_ece_by_value():
    rows = ["Batch Size = 16", "Batch Size = 64"]
    found = {rows[0]: runs(8), rows[1]: twins(20), table_rows.proposed_rows("table-8")[0]: runs(20)}
    frame = ablation.measure("table-8", found, None, runs(20), ("ece",))
    ends = {"difference": -0.02, "difference_low": -0.03, "adjusted_low": -0.04, "adjusted_high": -0.001}

    def said(high=-0.01, pairs=3):
        made = frame.assign(difference_high=high, **ends)
        made.loc[frame["pairs"] > 0, "pairs"] = pairs
        return sensitivity.ece_said(made, found)

    assert said(0.01) == "No value changes the ECE with an interval that excludes 0."
    both = "; ".join(f"{row} −0.0200 (−0.0300 to −0.0100)" for row in rows)
    text = said()
    assert text.startswith(
        f"The ECE changes (interval excluding 0; compared seed by seed: 0, 1, 2) for {both}; smaller"
    )
    assert (
        f"After {ablation.ADJUSTMENT} (Bonferroni: 2 intervals at 97.5%), these exclude 0: {', '.join(rows)}."
        in text
    )
    assert "one interval in twenty still excludes it. How often that is, is simulated for accuracies" in text
    assert "one seed" not in said(pairs=2)
    once = said(pairs=1)
    assert once.count("(one seed)") == 2 and "Compared by one seed: all of them;" in once
    trained = frame.index[(frame["pairs"] > 0) & ~frame["reference"].astype(bool)]
    mixed = frame.assign(difference_high=-0.01, **ends)
    mixed.loc[trained[0], "pairs"] = 1
    text = sensitivity.ece_said(mixed, found)
    assert (
        f"{rows[0]} −0.0200 (−0.0300 to −0.0100) (one seed); {rows[1]} −0.0200 (−0.0300 to −0.0100); smaller"
        in text
    )
    assert "Compared by one seed: 1 of them;" in text


def test_ends_that_other_draws_might_put_on_the_other_side_of_0_are_named():
    frame = ablation.measure("table-5", {}, None, [])
    lines = frame[frame["metric"] == "accuracy"].assign(pairs=1)
    lines[["difference_low", "difference_high"]] = -0.1, -0.05
    lines[["picture_difference_low", "picture_difference_high"]] = np.nan
    assert ablation_summary._borderline(lines, None) == ""
    first, second = lines.index[:2]
    for low, high, near in (
        (0.0001, 0.015, True),
        (-0.0001, 0.015, True),
        (-0.015, -0.0004, True),
        (0.0006, 0.015, False),
    ):
        lines.loc[first, ["difference_low", "difference_high"]] = low, high
        assert (lines.loc[first, "row"] in ablation_summary._borderline(lines, None)) == near, (low, high)
    copied = ["picture_difference", "picture_difference_low", "picture_difference_high"]
    lines.loc[second, copied] = 0.0169, -0.0002, 0.0341
    said = ablation_summary._borderline(lines, None)
    assert said.endswith(f"otherwise: by picture {lines.loc[second, 'row']} +1.69 (−0.02 to +3.41).")


def test_sentences_on_the_settings():
    name = "Batch Size = 16"
    nothing = ablation.measure("table-8", {}, None, runs(20))
    assert sensitivity.moved_said(nothing) == "" and "Nothing can be chosen" in sensitivity.chosen_said(
        nothing, {}
    )
    assert sensitivity.ece_said(nothing, {}).startswith("Nothing is said")
    assert sensitivity.constants_said({}, []).startswith("No two constants")
    default = table_rows.proposed_rows("table-8")[0]
    found = {name: runs(8), default: runs(20)}
    frame = ablation.measure("table-8", found, None, found[default])
    assert (
        sensitivity.moved_said(frame)
        == "- Batch Size: 10.00 points between the best value (16) and the worst (32); the paper has 0.91"
    )
    places = "strictly best in {} of 1 settings, tied for best in {}, beaten in {}"
    rest = f" None of these differences is tested.{sensitivity.chosen_otherwise()}"
    assert sensitivity.chosen_said(frame, found).endswith(places.format(0, 0, f"1: most by {name}.") + rest)
    assert sensitivity.chosen_said(frame, {name: twins(20), default: runs(20)}).endswith(
        places.format(0, 1, "0.") + rest
    )
    assert sensitivity.chosen_said(frame, {name: runs(20), default: runs(8)}).endswith(
        places.format(1, 0, "0.") + rest
    )
    level = {name: runs(8), "Batch Size = 64": twins(8), default: runs(20)}
    assert f"beaten in 1: most by {name} or Batch Size = 64." in sensitivity.chosen_said(frame, level)
    balance = {"Focal α = 0.5": runs(8), "Focal α = inverse-frequency": runs(20)}
    assert sensitivity.chosen_said(frame, balance).endswith(sensitivity._balance())
    del level[default]
    assert sensitivity.chosen_said(frame, level).startswith("Nothing can be chosen by the validation part")
    constants = {f"Focal α = {a}": twins(e) for a, e in ((0.25, 20), (0.5, 20))}
    alike = sensitivity.constants_said(constants, [])
    assert "give no test image a different class" in alike and alike.endswith(
        "one setting under three names; where intervals are adjusted for the number of rows, they count as three, which errs on the wide side."
    )
    constants["Focal α = 0.75"] = runs(30)
    assert "give 0.0% to " in sensitivity.constants_said(constants, [])
    assert "nothing to measure that by" in sensitivity.constants_said(constants, runs(20, 1))
    assert "no more than another seed does" in sensitivity.constants_said(constants, runs(20))
    assert "more than another seed does: where" in sensitivity.constants_said(constants, runs(0))
    steps = sensitivity.batch_steps(found, load("cpu").training, 320)
    assert steps["Batch size"].tolist() == [16, 32, 64] and steps["Steps, stage 1"].tolist() == [100, 50, 25]
    drawn, band = sensitivity.accuracy_panels(frame)
    first = drawn.iloc[0]
    assert f"{first['parameter']} = {first['value']}".lower() == first["row"].lower()
    assert drawn["value"].notna().all(), "the ticks of a panel are its setting's values"
    assert band == tuple(of(frame, default)[["low", "high"]]) and "Batch size" in set(drawn["parameter"])
    assert sensitivity.accuracy_panels(frame, show_published=False)[0]["published"].isna().all()
    assert (
        sensitivity.accuracy_panels(nothing)[1] is None
        and "10 of the 10 settings' figures" in sensitivity.published_span_said()
    )


@pytest.mark.parametrize("found", [{}, {experiments.PROPOSED_FUSION: runs(6, 1)}, {"gcaf-split": runs(18)}])
@pytest.mark.parametrize("published", [True, False])
def test_the_figure_with_whatever_there_is(found, published):
    frame = ablation.measure("table-4", found, None, runs(6), ("accuracy", "ece"))
    for metric in ("accuracy", "ece"):
        svg = table_charts.dots(frame, metric, show_published=published).svg()
        assert "prefers-color-scheme" in svg and "<text" not in svg


def test_sensitivity_with_a_band_and_missing_values():
    frame = pd.DataFrame({"parameter": ["a", "a"], "value": [1, 2], "measured": [0.9, np.nan]})
    frame = frame.assign(low=np.nan, high=np.nan, published=np.nan)
    assert "<svg" in charts.sensitivity(frame, (0.89, 0.93)).svg()
    assert "<svg" in charts.sensitivity(frame.assign(measured=np.nan)).svg()


@pytest.fixture(scope="module")
def given():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 64, 64, 3)).astype("float32")
    settings = load("demo")
    return fusion.streams(settings.model, settings.data.image_size, images), settings


@pytest.mark.parametrize("scale", [1, 1e-2])
def test_only_queries_and_keys_of_the_reconstruction_are_dead(given, scale):
    """Whatever the vectors' lengths: noise through an untrained network leaves short ones, and of unlike lengths."""
    streams, settings = given
    width, (a, b) = settings.model.width, streams["vectors"]
    streams = {**streams, "vectors": [scale * a / a.std(), b / b.std()] if scale != 1 else [a, b]}
    found = fusion_gradients.gradients(streams, width)
    dead = found[found["dead"]]
    assert set(zip(dead["variant"], dead["kind"])) == {
        (variant, kind) for variant in ("cross", "gcaf") for kind in ("queries", "keys")
    }
    table = fusion.gradient_table(found).set_index("Gradient of the")
    assert (table.loc[["queries", "keys"], ["cross", "gcaf"]] == "0").all(axis=None)
    assert (table["concat"] == "–").all()
    sizes = fusion.weight_counts(width, [m.shape[1:] for m in streams["maps"]])
    assert sizes["dead"].to_dict() == {
        name: 4 * width**2 if name in ("cross", "gcaf") else 0 for name in sizes.index
    }


def test_sizes_are_those_of_built_models(given):
    from gcaf_lib.model import classifier

    streams, settings = given
    sizes = fusion.weight_counts(settings.model.width, [m.shape[1:] for m in streams["maps"]])
    for name in ("gate", "gcaf-token"):
        model = classifier.build(settings.replace({"model.fusion": name}).model, 64)
        assert classifier.parameters(model)["head"] == sizes.loc[name, "head"]


def test_the_reconstruction_is_what_the_chapter_says(given):
    streams, settings = given
    width, (a, b) = settings.model.width, [v / v.std() for v in streams["vectors"]]
    layer, _ = fusion_gradients.build("gcaf", width, streams)
    np.testing.assert_allclose(np.asarray(layer([a, b])), fusion.without_attention(layer, a, b), atol=1e-5)
    layer, _ = fusion_gradients.build("gcaf-sigmoid", width, streams)  # here attention matters
    assert np.abs(np.asarray(layer([a, b])) - fusion.without_attention(layer, a, b)).max() > 1e-2
    layer, _ = fusion_gradients.build("cross", width, streams)
    kernel = np.random.default_rng(1).normal(size=(2 * width, 4))
    folded = np.concatenate([a, b], -1) @ fusion.as_concatenation(layer, kernel)
    np.testing.assert_allclose(np.asarray(layer([a, b])) @ kernel, folded, atol=1e-4)


@pytest.mark.parametrize(
    ("room", "cpu"), [(fusion, "The algebra"), (mixup_ema, "to smooth"), (sensitivity, "holds at any size"), (comparison, "(stage 0)")]
)  # fmt: skip
def test_what_a_profile_can_not_say(room, cpu):
    """Of phantoms and of miniatures a room says so, of other profiles it does not."""
    # comparison's goes on, whatever the profile
    caveat = room.caveat_said if room is comparison else functools.partial(words.of_profile, room.CAVEAT)
    demo, small, paper_ = map(caveat, ("demo", "cpu", "paper"))
    assert "phantoms" in demo and cpu in small and "phantoms" not in small
    on = "Whether a lead on this split means skill or memory is the question of chapter 17."
    assert paper_ == (on if room is comparison else "")
    assert (demo.endswith(f". {on}") and small.endswith(f". {on}")) == (room is comparison)
