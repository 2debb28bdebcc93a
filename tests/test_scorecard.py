"""The scorecard, the front page and the model card that are made of it: what stands in a cell, and what the verdict says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.book import frontpage, modelcard
from gcaf_lib.data import splits
from gcaf_lib.evaluation import units, worth
from gcaf_lib.findings import scorecard, table_rows, words
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import load


class Run(SimpleNamespace):
    """What the scorecard needs of a run record."""

    @property
    def key(self):
        return f"{self.settings.hash()}-{self.seed}"

    def labels(self, part="test"):
        return np.repeat(np.arange(4), 30)

    def rows(self, part="test"):
        return np.arange(120)

    def probabilities(self, part="test", which="ema"):
        rng = np.random.default_rng(self.seed)
        logits = rng.normal(size=(120, 4))
        logits[np.arange(120), self.labels()] += 4
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.fixture
def frame(monkeypatch):
    monkeypatch.setattr(splits, "clusters", lambda dataset: np.arange(120) // 4)
    monkeypatch.setattr(units, "pictures", lambda dataset: np.arange(120) // 2)
    settings = load("cpu")
    records = [Run(seed=s, settings=settings, info={"data_hash": "d"}) for s in range(3)]
    records.append(Run(seed=9, settings=settings, info={"data_hash": "of other data"}))
    one = settings.replace({"data.protocol": "patients"})
    records.append(Run(seed=0, settings=one, info={"data_hash": "d"}))
    return scorecard.scorecard(
        "cpu",
        SimpleNamespace(hash="d"),
        records,
        impossible=[("§5.4", paper.PROPOSED, "precision_meningioma")],
    )


def test_rows_of_a_table_are_at_equal_n_and_the_headline_has_all_seeds(monkeypatch):
    monkeypatch.setattr(splits, "clusters", lambda dataset: np.arange(120) // 4)
    monkeypatch.setattr(units, "pictures", lambda dataset: np.arange(120) // 2)
    settings = load("cpu")
    records = [Run(seed=s, settings=settings, info={"data_hash": "d"}) for s in range(3)]
    rival = settings.replace({"model.fusion": "concat"})
    records.append(Run(seed=0, settings=rival, info={"data_hash": "d"}))
    frame = scorecard.scorecard("cpu", SimpleNamespace(hash="d"), records, impossible=[])
    run = frame[(frame["n"] > 0) & (frame["protocol"] == "paper")]
    counts = run.groupby("place")["n"].unique().map(sorted)
    assert counts["Abstract"] == [3] and counts["Table 4"] == [1] and counts["Table 5"] == [3]


def test_scorecard_has_every_published_metric_on_both_protocols(frame):
    assert list(frame.columns) == scorecard.COLUMNS
    assert set(frame.place) == {*scorecard.MAIN_PLACES, *table_rows.TABLES}
    for table in table_rows.TABLES:  # no row of a table is lost for want of a matching label
        assert set(frame[frame.place == table].row) == set(paper.FRAME[paper.FRAME.place == table].row)
    ours = frame[(frame.place == "Abstract") & (frame.metric == "accuracy")].set_index("protocol")
    assert ours.n.tolist() == [3, 1] and np.isnan(ours.sd["patients"])
    assert ours.low["paper"] <= ours.measured["paper"] <= ours.high["paper"]
    # the row of Table 4 that is the proposed model is the very same run, and is what the others are judged by
    same = frame[
        (frame.place == "Table 4") & (frame.row.str.startswith("Proposed")) & (frame.metric == "accuracy")
    ]
    assert same.measured.iloc[0] == ours.measured["paper"] and set(same.verdict) == {"–"}
    impossible = frame[(frame.metric == "precision_meningioma") & (frame.place == "§5.4")]
    assert set(impossible.verdict) == {"can't be true"}
    assert (frame[frame.n == 0].verdict.isin(["not measured", "can't be true"])).all()


def test_no_miniature_reproduces_anything(frame):
    files = [
        frontpage.front(frame, "cpu"),
        frontpage.full(frame, "cpu"),
        modelcard.text(frame, "cpu"),
        frame.to_csv(),
    ]
    assert not any("reproduced" in text.lower() for text in files)
    # the same intervals, had the paper's own model given them on its own split, may
    assert {scorecard.verdicts.level(0.5, 0.4, 0.6, made=("paper", p)) for p in scorecard.PROTOCOLS} == {
        "reproduced", "inside our interval"
    }  # fmt: skip


def test_each_split_has_its_own_verdict(frame):
    picked = (frame.place == "Abstract") & (frame.metric == "accuracy")
    frame.loc[picked & (frame.protocol == "paper"), "verdict"] = "inside our interval"
    frame.loc[picked & (frame.protocol == "patients"), "verdict"] = "above our interval"
    line = frontpage.summary(frame, [("Abstract", "accuracy")]).iloc[0]
    assert "inside our interval" in line["Verdict, random split"]
    assert "above our interval" in line["Verdict, patient-disjoint"]


def test_the_card_says_what_it_rests_on_and_nothing_of_published_figures(frame):
    card = modelcard.text(frame, "cpu")
    assert (
        "trained. Random split: 3 seeds, 120 images (60 pictures, 30 patient groups); patient-disjoint: one run of a single split, "
        "120 images (60 pictures, 30 patient groups). *By picture*" in card
    )
    assert "published" not in card and "published ECE" in frontpage.front(frame, "cpu")
    assert "trained. *By picture*" in modelcard.text(frame.assign(n=0), "cpu")
    front = frontpage.front(frame, "cpu")
    assert (
        "Random split: 3 seeds, 120 images (60 pictures, 30 patient groups); patient-disjoint: one run of a single split"
        in front
    )
    assert "patient groups" not in frontpage.front(frame.assign(n=0), "cpu")


def test_every_grouped_score_stands_beside_the_one_by_picture(frame):
    """In the scorecard, in the model card and on the front page's cards: accuracy, macro-F1 and recalls on patient-disjoint folds, and nothing else."""
    known = frame[frame.picture.notna()]
    assert set(known.protocol) == {"patients"} and set(known.metric) == set(worth.BY_PICTURE) - {
        "recall_pituitary"
    }
    for metric, page in (
        ("accuracy", "100.00"),
        ("macro_f1", "1.0000"),
    ):  # the model card has both in percent
        frame.loc[frame.picture.notna() & (frame.metric == metric), "picture"] = 1.0
        for line in (
            frontpage.summary(frame, [("Abstract", metric)]).iloc[0],
            modelcard.performance(frame).set_index("Metric").loc[frontpage.metric_name(metric)],
        ):
            shown = page if "Published" in line.index else "100.00%"
            assert (
                line["Patient-disjoint"].endswith(f", by picture {shown}")
                and "picture" not in line["Random split"]
            )
    front, full = frontpage.front(frame, "cpu"), frontpage.full(frame, "cpu")
    assert (
        front.split("</div>\n\n")[0].count("by picture") == 1
        and "a single split, by picture 100.00%</span>" in front
        and "by picture 100.00" in full.split(":name: tab-score-abstract")[1]
    )
    gap = frontpage._gap(pd.Series({"metric": "accuracy", "published_difference": 0.01, "step": 0, "difference": 0.01, "difference_low": 0,
                                    "difference_high": 0.02, "pairs": 1, "n": 2, "folds": 5, "picture_difference": -0.005,
                                    "picture_difference_low": -0.02, "picture_difference_high": 0.01}))  # fmt: skip
    assert gap[1] == "+1.00 (0.00 to +2.00; one seed of 5 folds), by picture −0.50"


def test_tables_show_levels_without_a_verdict_and_differences_with_one(frame):
    full = frontpage.full(frame, "cpu")
    for place in table_rows.TABLES:
        name = f"tab-score-{place.lower().replace(' ', '-')}"
        levels, gaps = (full.split(f":name: {n}\n")[1].split("~~~")[0] for n in (name, f"{name}-differences"))
        assert "Verdict" not in levels and "Verdict, patient-disjoint" in gaps
    assert "| Feature Concatenation | Accuracy | −2.89 | not trained yet |" in gaps_of(full, "table-4")


@pytest.mark.parametrize(
    ("file", "picture", "told"),
    [
        ((-0.01, 0.02), (0.001, 0.04), "lies above 0"),
        ((-0.01, 0.02), (-0.04, -0.001), "lies below 0 and lies below the published figure"),
        ((-0.04, -0.001), (-0.01, 0.01), "holds 0 and holds the published figure"),
        ((0.001, 0.02), (-0.001, 0.04), "holds 0"),
        ((-0.01, 0.0098), (-0.01, 0.02), "holds the published figure"),
        ((-0.01, 0.02), (-0.01, 0.0098), "lies below the published figure"),
        ((0.001, 0.02), (0.0102, 0.04), "lies above the published figure"),
        ((0.001, 0.02), (0.01005, 0.04), None),  # within the figure's rounding
        ((0.001, 0.02), (0.001, 0.04), None),
        ((-0.01, 0.02), (-0.01, 0.04), None),
    ],
)
def test_an_interval_by_picture_that_says_otherwise_is_printed_and_leaves_the_row_undecided(
    file, picture, told
):
    ends = {
        f"{name}_{end}": v
        for name, two in (("difference", file), ("picture_difference", picture))
        for end, v in zip(("low", "high"), two)
    }
    line = {"row": "Rival", "metric": "macro_f1", "protocol": "patients", "published_difference": 0.01, "step": 0.0001, "difference": 0.01,
            "picture_difference": 0.02, "pairs": 1, "n": 1, "folds": 5, "verdict": "inside our interval"}  # fmt: skip
    row = frontpage._each(pd.DataFrame([line | ends]), frontpage._gap).iloc[0]
    cell, verdict = row["Patient-disjoint"], row["Verdict, patient-disjoint"]
    ends = " to ".join(words.end(one, 4, words.signed) for one in picture)
    if told:
        assert cell.endswith(f", by picture +0.0200 ({ends}), which {told}")
        assert f">inside our interval; by picture our interval {told}: undecided<" in verdict
    else:
        assert cell.endswith(", by picture +0.0200") and ">inside our interval<" in verdict
    level = frontpage._word(pd.Series({"verdict": "inside our interval"}))
    assert ">inside our interval<" in level, "a level has no difference"


def test_the_scorecards_tables_of_differences_name_what_the_chapters_judge(frame):
    told = gaps_of(frontpage.full(frame, "cpu"), "table-6")
    caption = (
        frontpage.full(frame, "cpu").split(":name: tab-score-table-6-differences")[0].rsplit("~~~", 1)[1]
    )
    assert (
        "where the interval by picture says otherwise, of 0 or of the published figure, it is printed"
        in caption
    )
    assert (
        "Of accuracy chapters 11 to 14 say what the adjustment leaves" in caption and "| Macro F1 |" in told
    )


def gaps_of(full, table):
    return full.split(f":name: tab-score-{table}-differences\n")[1].split("~~~")[0]


def test_the_note_on_levels_counts_what_1nn_holds():
    """Of different rows: the proposed model's own accuracy stands seven times in these tables, and is one figure."""
    rows = pd.MultiIndex.from_tuples([("1nn-mirror", "paper")])
    every = {
        (place, f.row): f.fraction
        for place in table_rows.TABLES
        for f in paper.find(place, metric="accuracy")
    }
    told = [0.9573, *(value for value in every.values() if value != 0.9573)]
    assert len(told) == 21 and len(every) == 27
    for low, high in ((0.0, 1.0), (0.95, 0.96), (0.9573, 0.9573), (0.99, 1.0)):
        known = pd.DataFrame({"accuracy": 0.964, "low": low, "high": high}, index=rows)
        held = sum(low <= v <= high for v in told)
        assert f"holds {held} of the {len(told)} different rows' accuracies" in frontpage.levels_note(known)
    assert "1-NN" not in frontpage.levels_note(None)


def test_front_page_from_the_frame(frame, tmp_path, monkeypatch):
    monkeypatch.setattr(frontpage.first_screen, "write", lambda *_: [])  # it has its own test
    monkeypatch.setattr("gcaf_lib.training.listing.found", lambda *_: iter(()))
    monkeypatch.setattr(modelcard, "own", lambda: "ITS OWN SCORES")  # real ones need the real groups
    files = frontpage.write("cpu", tmp_path / "book", tmp_path / "results", frame)
    front, full, table, card, *_ = (p.read_text() for p in files)
    assert "ITS OWN SCORES" in card
    assert "95.73%" in front and "n = 3" in front and ":name: tab-scorecard" in front
    assert "in-domain" in front and "PHANTOM" not in front
    assert full.count("~~~{table}") == len(set(frame.place)) + len(table_rows.TABLES)
    assert table.splitlines()[0] == ",".join(scorecard.COLUMNS)
    empty = frame.assign(n=0, pairs=0, measured=np.nan, verdict="not measured")
    assert "not yet run" in frontpage.front(empty, "cpu")
    demo = frontpage.write("demo", tmp_path / "d", tmp_path / "r", empty)
    assert "ITS OWN SCORES" not in demo[3].read_text()
    assert "PHANTOM DATA" in demo[0].read_text()
