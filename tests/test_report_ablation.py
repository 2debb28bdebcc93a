"""Rows of an ablation (Tables 4 and 8): closed forms, absent rows, the paper's figures where they belong."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.evaluation import significance
from gcaf_lib.report import ablation, figures, fusions, paper, scorecard
from gcaf_lib.settings import load
from gcaf_lib.training import experiments

N = 120
LABELS = np.repeat(np.arange(4), N // 4)
GROUPS = np.arange(N) // 3


class Run(SimpleNamespace):
    """What an ablation needs of a run record: `errors` answers are wrong, moved by the seed."""

    rows_ = np.arange(N)

    @property
    def key(self):
        return f"{self.errors}-{self.seed}"

    @property
    def settings(self):
        return load("cpu")

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


@pytest.fixture(autouse=True)
def patients(monkeypatch):
    monkeypatch.setattr(scorecard, "clusters", lambda dataset: GROUPS)


def of(frame, row, metric="accuracy"):
    return frame[(frame["row"] == row) & (frame["metric"] == metric)].iloc[0]


def test_what_equals_the_proposed_differs_by_exactly_nothing():
    main = runs(6)
    found = {experiments.PROPOSED: main, "gcaf-split": [Twin(errors=6, seed=s) for s in range(3)]}
    frame = ablation.measure("table-4", found, None, main)
    for row, same in ((experiments.PROPOSED, True), ("gcaf-split", False)):
        part = frame[frame["row"] == row]
        zero = part[["difference", "difference_sd", "difference_low", "difference_high"]].to_numpy()
        assert (zero == 0).all() and (part["pairs"] == 3).all() and (part["reference"] == same).all()
        assert not any(ablation.separated(r) for _, r in part.iterrows())
    assert ablation.difference_text(of(frame, "gcaf-split")) == "0.00 (0.00 to 0.00)"
    assert ablation.difference_text(of(frame, experiments.PROPOSED)) == "the same runs"


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
        assert tuple(line[["mean", "sd", "n", "low", "high"]]) == pytest.approx(known[metric], rel=1e-12)
    line = of(frame, "gcaf-split")
    assert line["difference"] == pytest.approx(-12 / N) and line["difference_sd"] == pytest.approx(
        0, abs=1e-12
    )
    assert ablation.separated(line) and line["difference_high"] < 0
    single = ablation.measure("table-4", {"gcaf-split": other[:1]}, None, main)
    wanted = significance.bootstrap_difference(
        LABELS, other[0].probabilities(), main[0].probabilities(), "accuracy", GROUPS, n=scorecard.DRAWS
    )
    line = of(single, "gcaf-split")
    assert tuple(line[["difference", "difference_low", "difference_high"]]) == pytest.approx(tuple(wanted))
    assert line["pairs"] == line["n"] == 1 and np.isnan(line["sd"]) and np.isnan(line["difference_sd"])


def test_only_shared_seeds_are_compared():
    frame = ablation.measure("table-4", {"gcaf-split": runs(18)}, None, runs(6)[1:], ("accuracy",))
    assert of(frame, "gcaf-split")["n"] == 3 and of(frame, "gcaf-split")["pairs"] == 2
    alone = ablation.measure("table-4", {"gcaf-split": runs(18)}, None, (), ("accuracy",))
    assert ablation.difference_text(of(alone, "gcaf-split")) == "–"


def test_every_row_with_a_run_is_below_above_or_undecided():
    found = {"Feature Concatenation": runs(40), "gcaf-split": runs(20), "gcaf-token": runs(1)}
    frame = ablation.measure("table-4", found, None, runs(20), ("accuracy",))
    below, above, undecided = (list(part["row"]) for part in ablation.sides(frame))
    assert (below, above, undecided) == (["Feature Concatenation"], ["gcaf-token"], ["gcaf-split"])
    assert all(part.empty for part in ablation.sides(frame[frame["n"] == 0]))


def test_other_test_images_are_refused():
    with pytest.raises(ValueError, match="one split only"):
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
    text = ablation.table(frame)
    assert text.iloc[0, 2] == f"{ablation.ABSENT} [{paper.find(place)[0].value:.2f}]"
    assert (text["n"] == 0).all() and (text["95 % interval"] == "–").all()
    assert not text.astype(str).apply(lambda c: c.str.contains("nan")).any(axis=None)


def test_proposed_rows_and_the_papers_gaps():
    assert ablation.proposed("table-4") == [experiments.PROPOSED]
    assert [row.partition(" = ")[2] for row in ablation.proposed("table-8")] == [
        "32", "0.2", "2", "0.05", "inverse-frequency"
    ]  # fmt: skip
    frame = ablation.measure("table-4", {}, None, metrics=("accuracy",))
    theirs = paper.table(4).set_index("Fusion Strategy")["Accuracy (%)"]
    for row, value in theirs.items():
        assert 100 * of(frame, row)["published_difference"] == pytest.approx(value - theirs.max())
    table = ablation.gaps(frame)
    assert len(table) == 6 and (table["Measured"] == ablation.ABSENT).all()


def test_what_an_interval_says():
    line = pd.Series(
        {"pairs": 1, "difference_low": -0.02, "difference_high": 0.01, "published_difference": 0.02}
    )
    assert ablation.says(line) == "holds 0; the paper's gap lies outside"
    assert ablation.says(line.replace({-0.02: 0.001})) == "is above 0; the paper's gap lies outside"
    line["difference_high"], line["published_difference"] = -0.01, -0.015
    assert ablation.says(line) == "is below 0; the paper's gap lies inside"
    assert ablation.says(line.replace({1: 0})) == "–"
    assert (ablation.signed(-0.004), ablation.signed(-10), ablation.signed(0.5)) == (
        "0.00",
        "−10.00",
        "+0.50",
    )


@pytest.mark.parametrize("found", [{}, {experiments.PROPOSED: runs(6, 1)}, {"gcaf-split": runs(18)}])
@pytest.mark.parametrize("published", [True, False])
def test_the_figure_with_whatever_there_is(found, published):
    frame = ablation.measure("table-4", found, None, runs(6), ("accuracy", "ece"))
    for metric in ("accuracy", "ece"):
        svg = ablation.dots(frame, metric, published=published).svg()
        assert "prefers-color-scheme" in svg and "<text" not in svg


def test_sensitivity_with_a_band_and_missing_values():
    frame = pd.DataFrame({"parameter": ["a", "a"], "value": [1, 2], "measured": [0.9, np.nan]})
    assert "<svg" in figures.sensitivity(frame, (0.89, 0.93)).svg()
    assert "<svg" in figures.sensitivity(frame.assign(measured=np.nan, low=np.nan, high=np.nan)).svg()


@pytest.fixture(scope="module")
def given():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 64, 64, 3)).astype("float32")
    settings = load("demo")
    return fusions.streams(settings.model, settings.data.image_size, images), settings


def test_only_queries_and_keys_of_the_literal_reading_are_dead(given):
    streams, settings = given
    width = settings.model.width
    found = fusions.gradients(streams, width)
    dead = found[found["dead"]]
    assert set(zip(dead["variant"], dead["kind"])) == {
        (variant, kind) for variant in ("cross", "gcaf") for kind in ("queries", "keys")
    }
    table = fusions.gradient_table(found).set_index("Gradient of the")
    assert (table.loc[["queries", "keys"], ["cross", "gcaf"]] == "0").all(axis=None)
    assert (table["concat"] == "–").all()
    sizes = fusions.sizes(width, [m.shape[1:] for m in streams["maps"]])
    assert sizes["dead"].to_dict() == {
        name: 4 * width**2 if name in ("cross", "gcaf") else 0 for name in sizes.index
    }


def test_sizes_are_those_of_built_models(given):
    from gcaf_lib.model import classifier

    streams, settings = given
    sizes = fusions.sizes(settings.model.width, [m.shape[1:] for m in streams["maps"]])
    for name in ("gate", "gcaf-token"):
        model = classifier.build(settings.replace({"model.fusion": name}).model, 64)
        assert classifier.parameters(model)["head"] == sizes.loc[name, "head"]


def test_the_literal_reading_is_what_the_chapter_says(given):
    streams, settings = given
    width, (a, b) = settings.model.width, streams["vectors"]
    layer, _ = fusions.build("gcaf", width, streams)
    np.testing.assert_allclose(np.asarray(layer([a, b])), fusions.without_attention(layer, a, b), atol=1e-5)
    layer, _ = fusions.build("gcaf-sigmoid", width, streams)  # here attention matters
    assert np.abs(np.asarray(layer([a, b])) - fusions.without_attention(layer, a, b)).max() > 1e-2
    layer, _ = fusions.build("cross", width, streams)
    kernel = np.random.default_rng(1).normal(size=(2 * width, 4))
    folded = np.concatenate([a, b], -1) @ fusions.as_concatenation(layer, kernel)
    np.testing.assert_allclose(np.asarray(layer([a, b])) @ kernel, folded, atol=1e-4)
