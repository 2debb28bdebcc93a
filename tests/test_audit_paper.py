"""The audit of the paper: what it must find, what it must leave alone, and that its files are today's."""

from __future__ import annotations

import csv
import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest

from gcaf_lib import cli
from gcaf_lib.book import checklist, contradictions, frontpage, modelcard, tool_pages
from gcaf_lib.book.chapter import checkout
from gcaf_lib.data import groups, splits
from gcaf_lib.data.dataset import open_dataset
from gcaf_lib.display import attainable
from gcaf_lib.evaluation import outside_sets
from gcaf_lib.findings import audit, scorecard
from gcaf_lib.paper import attainability, checks, claims, registry
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES
from gcaf_lib.training import environment, shipped
from gcaf_lib.training import runs as recorded


@pytest.fixture(scope="module")
def every():
    return registry.registry()


def rows(every, verdict):
    return every[every["verdict"] == verdict]


def test_it_finds_what_cannot_be_true(every):
    wrong = rows(every, checks.IMPOSSIBLE)
    assert wrong["claim"].str.split(" is ").str[0].tolist() == [
        "precision of meningioma",
        "F1 of pituitary",
        "Cohen's κ",
        "MCC",
    ]
    assert "93.94% and 94.51%" in wrong["check"].iloc[0]
    assert "672 right give 0.94087 to 0.94125, 673 right give 0.94278 to 0.94314" in wrong["check"].iloc[2]
    assert "with 673 right κ is at least 0.94278" in wrong["check"].iloc[3], "one number in both rows"


def test_it_finds_the_contradictions(every):
    found = "\n".join(rows(every, checks.CONTRADICTION)["claim"])
    for words in ("label smoothing ε", "class balance α", "by hand", "is the highest"):
        assert words in found
    assert "averaged curve" in every[every["claim"].str.contains("macro ROC-AUC is 0.9967")]["check"].iloc[0]
    mcc = every[every["claim"].str.startswith("MCC is")]["check"]
    assert mcc.str.contains("contradicts accuracy: MCC is never below a positive κ").any()
    table = checks.report_verdicts()
    assert table.set_index("metric")["conflicts"]["mcc"] == "accuracy", "one reason on every page"
    assert "contradicts accuracy: MCC" in mcc.iloc[0] and "fail by one" in audit.report_said(table)
    highest = every[every["claim"].str.contains("highest")]["check"].item()
    assert "171 of 176" in highest and "97.16%" in highest
    data = rows(every, checks.DATA)
    assert data["place"].tolist() == ["§5.1", "§5.1"]
    assert (
        "T1-weighted" in data["claim"].iloc[0]
        and "of the 2,000 no-tumour files 0 do" in data["check"].iloc[0]
    )


def test_it_leaves_alone_what_holds(every):
    holds = rows(every, checks.HOLDS)
    for words in ("accuracy is 95.73%", "recall of glioma", "macro AP", "7,023 images in three parts"):
        assert holds["claim"].str.contains(words, regex=False).any(), words
    assert list(every) == ["place", "claim", "check", "verdict", "default"]
    assert not every.isna().any(axis=None) and every["check"].str.len().min() > 10
    assert len(every) == every[["place", "claim"]].drop_duplicates().shape[0]


def test_single_runs_and_means(every):
    n = 703
    several = rows(every, checks.RUNS).set_index("place")["check"]
    assert "Without Mixup & EMA: 93.47% (mean of 8 runs at least)" in several["Table 5"]
    assert "6 of 13 rows are k/703" in several["Table 8"]
    fewest = claims.common_runs()
    figures = [f for place in claims.TABLES for f in paper.find(place, metric="accuracy")]
    for runs, expected in ((fewest, True), (fewest - 1, False)):
        means = np.arange(runs * n + 1) / (runs * n) * 100
        near = [np.abs(means - f.value).min() <= 0.005 + 1e-9 for f in figures]
        assert all(near) == expected


def test_the_interval_and_the_gaps_inside_it(every):
    interval = every[every["claim"].str.contains("without an interval")]["check"].item()
    assert interval.startswith("673 of 703") and "94.0 to 97.0%" in interval
    inside = rows(every, checks.INSIDE).set_index("place")["check"]
    assert inside["Table 5"].startswith("2 of 3") and inside["Table 8"].startswith("9 of 9")


@pytest.mark.parametrize("kind, places", [("auc", 4), ("ap", 3)])
def test_macro_check_allows_every_true_mean(kind, places, monkeypatch):
    # honest values: four class figures and their rounded mean never contradict
    rng = np.random.default_rng(1)
    original = paper.find
    for _ in range(200):
        exact = rng.uniform(0.9, 1, 4)
        published = dict(zip((f"{kind}_{c}" for c in paper.CLASS_LABELS), exact))
        published[f"macro_{kind}"] = exact.mean()

        def find(place=None, row=None, metric=None, published=published):
            if metric in published:
                return [paper.Figure(place, "x", metric, round(published[metric], places), places)]
            return original(place, row, metric)

        monkeypatch.setattr(paper, "find", find)
        verdicts = {f.claim.split(" is ")[0]: f.verdict for f in checks.averages()}
        assert verdicts[checks.name(f"macro_{kind}")] == checks.HOLDS


@pytest.mark.parametrize(
    ("notumor", "macro", "said", "verdict"),
    [
        (0.996, 0.9960, "and 0.99605", checks.HOLDS),
        (
            1.0,
            0.9971,
            "the mean weighted by class size would fit, but is no macro mean",
            checks.OPEN,
        ),
        (1.0, 0.9900, "the mean weighted by class size would not fit either", checks.OPEN),
    ],
)
def test_a_macro_mean_that_is_no_mean_says_whether_the_weighted_one_fits(
    notumor, macro, said, verdict, monkeypatch
):
    """Classes at 0.996 but one, the largest, whose weight is 200 of 703."""
    published = {f"auc_{c}": 0.996 for c in paper.CLASS_LABELS} | {"auc_notumor": notumor, "macro_auc": macro}
    original = paper.find

    def find(place=None, row=None, metric=None):
        if metric in published:
            return [paper.Figure(place, "x", metric, published[metric], 4)]
        return original(place, row, metric)

    monkeypatch.setattr(paper, "find", find)
    found = next(checks.averages())
    assert found.check.startswith("the unweighted mean of the four classes lies between")
    assert said in found.check and found.verdict == verdict


def test_a_consistent_report_passes(monkeypatch):
    supports = paper.supports()
    right = dict(zip(supports, (153, 155, 194, 171)))
    true = {"accuracy": 673 / 703, **{f"recall_{c}": right[c] / supports[c] for c in supports}}
    figures = [paper.Figure("§5.4", "x", m, round(100 * v, 2), 2, "%") for m, v in true.items()]
    monkeypatch.setattr(paper, "report", lambda: figures)
    found = list(checks.report(checks.attained()))
    assert {f.verdict for f in found} == {checks.HOLDS} and "153 of 162" in found[1].check


def test_a_missing_audit_of_the_dataset_is_said(monkeypatch):
    from gcaf_lib.data.dataset import DataError
    from gcaf_lib.evaluation import dataset_audit as data_audit

    def lost(_dataset):
        raise DataError("twins.csv is missing")

    monkeypatch.setattr(data_audit, "read", lost)
    (totals, modality) = claims.dataset()
    assert totals.verdict == checks.HOLDS
    assert modality.verdict == checks.OPEN and "twins.csv is missing" in modality.check


def test_the_scorecard_says_what_cannot_be_true():
    wrong = registry.impossible()
    assert ("Table 7", "Cohen's Kappa", "kappa") in wrong
    assert ("§5.4", paper.PROPOSED, "precision_meningioma") in wrong
    assert not any(metric.startswith(("accuracy", "recall")) for _, _, metric in wrong)
    known = {(f.place, f.row, f.metric) for f in paper.FIGURES}
    assert wrong <= known


def test_the_front_page_passes_them_on(monkeypatch, tmp_path):
    seen = {}

    def card(profile, dataset, records=None, impossible=(), **_):
        seen["impossible"] = set(impossible)
        raise StopIteration

    monkeypatch.setattr(scorecard, "scorecard", card)
    with pytest.raises(StopIteration):
        frontpage.write("cpu", tmp_path, tmp_path)
    assert seen["impossible"] == registry.impossible()


def test_committed_registry_is_todays(every):
    root = checkout()
    with (root / "results" / "audit.csv").open(encoding="utf-8", newline="") as stream:
        committed = list(csv.DictReader(stream))
    assert committed == every.to_dict("records"), "run `gcaf audit`"
    page = (root / "book" / "_generated" / "audit.md").read_text(encoding="utf-8")
    assert page == contradictions.page(every), "run `gcaf audit`"


def test_pictures_draw_what_was_computed():
    lines = audit.impossible_figures()
    assert [line.published for line in lines] == [94.32, 97.10, 0.9415]
    for line in lines:  # the published value lies in a gap, with neighbours on both sides
        assert not any(low - line.half <= line.published <= high + line.half for low, high, _ in line.spans)
        assert min(s[0] for s in line.spans) < line.published < max(s[1] for s in line.spans)
    table = audit.rival_rows()
    assert (table["accuracy"] < checks.headline_accuracy().value).all() and table["runs"].min() == 1
    for drawing in (
        attainable.number_lines(lines),
        attainable.rival_accuracies(table, audit.main_interval()),
    ):
        assert drawing.svg().lstrip().startswith("<")


# --- the command ---


def test_gcaf_audit_prints_writes_and_passes(tmp_path, monkeypatch, capsys, every):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    page = checkout() / "book" / "_generated" / "audit.md"
    before = page.stat().st_mtime_ns
    assert cli.main(["audit"]) == 0
    out, err = capsys.readouterr()
    assert "CAN'T BE TRUE (4)" in out and out.endswith(registry.summary_said(every) + "\n")
    assert err.strip() == f"wrote {tmp_path / 'audit.csv'}"
    assert max(map(len, out.splitlines()[:-1])) <= 100
    assert (tmp_path / "audit.csv").read_text().startswith("place,claim,check,verdict,default\n")
    assert page.stat().st_mtime_ns == before


def test_gcaf_audit_strict_fails_where_there_is_a_contradiction(tmp_path, monkeypatch, capsys, every):
    target = tmp_path / "registry.csv"
    monkeypatch.setattr(registry, "registry", lambda: every)
    assert cli.main(["audit", "--strict", "--json", "--out", str(target)]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert listed == every.to_dict("records") and target.is_file()
    clean = rows(every, checks.HOLDS).reset_index(drop=True)
    monkeypatch.setattr(registry, "registry", lambda: clean)
    assert cli.main(["audit", "--strict", "--out", str(target)]) == 0


def test_gcaf_audit_where_it_cannot_write(tmp_path, monkeypatch, capsys, every):
    monkeypatch.setattr(registry, "registry", lambda: every)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert cli.main(["audit", "--out", str(blocked / "audit.csv")]) == 2
    assert "gcaf: error: " in capsys.readouterr().err


def test_worked_example_of_the_chapter():
    supports = {"healthy": 40, "benign": 30, "malignant": 20}
    R = attainability.Reported
    figures = [
        R("accuracy", 91.11, 2, True),
        R("recall_healthy", 0.95, 2),
        R("recall_malignant", 0.85, 2),
        R("precision_malignant", 0.93, 2),
    ]
    frame = attainability.check(supports, figures).set_index("metric")
    assert frame["attainable"].tolist() == [True, True, True, False]
    line = frame.loc["precision_malignant"]
    assert (line.below, line.above) == pytest.approx((17 / 19, 17 / 18))


# --- the checklist and the model card ---


def test_checklist_has_every_item_and_its_links_lead_somewhere():
    assert [item.number for item in checklist.ITEMS] == list(range(1, 45))
    root = checkout()
    for item in checklist.ITEMS:
        assert item.answer and item.status in (checklist.YES, checklist.PARTLY, checklist.NO, checklist.NONE)
        for word in re.findall(r"\[(\w+)\]", item.answer):
            assert word.isdecimal() or (root / "book" / f"{checklist.PAGES[word]}.md").is_file(), item
    known = checklist.chapters(root / "notebooks")
    assert checklist.linked("[22], [99]", known) == "{doc}`22 </notebooks/22_audit>`, 99 (not written)"
    assert checklist.standing({})[8].status == checklist.PARTLY  # preprocessing, without its chapter


def test_committed_checklist_is_todays():
    page = checkout() / "book" / "_generated" / "claim.md"
    today = checklist.text(checkout() / "notebooks")
    assert page.read_text(encoding="utf-8") == today, "run `python -m gcaf_lib.book.checklist`"


def test_committed_examples_of_the_tools_are_todays():
    """The dictionary of groups.csv names each of its columns; the paper's report can't be true, the wine's can."""
    folder = checkout() / "book" / "_generated"
    today = {
        "groups_columns": tool_pages.columns(),
        "report_example_paper": tool_pages.example(tool_pages.paper_report(), "paper.csv", "example-paper"),
        "report_example_true": tool_pages.example(tool_pages.true_report(), "wine.txt", "example-true"),
    }
    for name, text in today.items():
        page = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert page == text, f"{name}: run `python -m gcaf_lib.book.tool_pages`"
    assert all(f"| `{column}` |" in today["groups_columns"] for column in groups.load().columns)
    impossible, true = today["report_example_paper"], today["report_example_true"]
    assert "$ gcaf audit paper.csv" in impossible and "CAN'T BE TRUE" in impossible and 'id="example-paper"' in impossible  # fmt: skip
    assert "All figures can be true together." in true


def test_model_card_says_what_was_run_and_what_was_not():
    frame = pd.DataFrame(
        [("Abstract", "accuracy", "paper", 0.9571, 0.0031, 3, 0, 0.94, 0.97, np.nan)],
        columns=["place", "metric", "protocol", "measured", "sd", "n", "folds", "low", "high", "picture"],
    ).assign(pairs=3, images=703, pictures=480, groups=291)
    table = modelcard.performance(frame).set_index("Metric")
    assert table.loc["Accuracy", "Random split"] == "95.71% ± 0.31% (94.00% to 97.00%; n = 3)"
    assert table.loc["Accuracy", "Patient-disjoint"] == "not trained yet" == table.loc["ECE", "Random split"]
    card = modelcard.text(frame, "demo")
    assert "tab-card-performance" in card and "703 images (480 pictures, 291 patient groups). " in card
    named = f"answers `gcaf predict slice.jpg`: run `{shipped.read().key}` ("
    assert named in card and f"SHA-256 `{hashlib.sha256(shipped.PATH.read_bytes()).hexdigest()}`" in card


def test_model_card_gives_the_travelling_models_own_scores():
    """At home as the record has them, elsewhere as results/external has them; without either it says so or keeps silent."""
    record = recorded.resolve(shipped.read().key)
    home = modelcard.own_home(record)
    right = record.probabilities().argmax(1) == record.labels()
    groups = splits.clusters(open_dataset(record.settings.data, need_images=False))[record.rows()]
    rows = {
        line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")
        for line in home.splitlines()
        if line[:2] == "| "
    }
    assert "One run: the interval does not include" in home
    cells = rows["Accuracy"]
    assert cells[1:3] == [f"{len(right)}", f"{len(set(groups))}"] and cells[3].startswith(
        f"{100 * right.mean():.1f}% ("
    )
    for k, name in enumerate(CLASSES):
        of, cells = record.labels() == k, rows[modelcard.metric_name(f"recall_{name}")]
        assert cells[1:3] == [f"{of.sum()}", f"{len(set(groups[of]))}"]
        assert re.fullmatch(rf"{100 * right[of].mean():.1f}% \([\d.]+% to [\d.]+%\)", cells[3])
        assert cells[4][0].isdigit()
    recall = outside_sets.read("recall")
    own = recall[
        (recall["runs"] == record.key) & (recall["plane"] == "all") & (recall["set"] != outside_sets.HOME)
    ]
    page = modelcard.own_elsewhere(recall, record.key)
    assert len(own) and all(f"| {100 * value:.1f}% (" in page for value in own["recall"])
    assert page.count("\n| ") == len(own) + 1
    assert "was not scored" in modelcard.own_elsewhere(recall, "another run")
    code = modelcard.made_with(record.info["provenance"]["fingerprint"], environment.fingerprint())
    assert modelcard.own().endswith(f"half precision{code}.\n\n{home}\n{page}\n")
    assert modelcard.made_with("abc", "abc") == ""
    assert "(`abc`; today's is `def`)" in modelcard.made_with("abc", "def")
    assert "(`None`;" not in modelcard.made_with(None, "def")


def test_model_card_without_the_record_has_no_scores_of_it(monkeypatch):
    def missing(name):
        raise recorded.RunError("no such run")

    monkeypatch.setattr(recorded, "resolve", missing)
    assert modelcard.own() == ""
