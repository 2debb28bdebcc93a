"""The built pages agree: every number that stands on several of them is one number, rounded (slow, needs a site).

`make test-site` runs this over the demo's site (SITE=_build/demo/_build/html) or the book's own (SITE=_build/html).
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import bs4
import pytest

from gcaf_lib.findings import table_rows
from gcaf_lib.paper import published as paper
from gcaf_lib.training import experiments

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(os.environ.get("GCAF_SITE") or ROOT / "_build" / "html")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SITE / "index.html").is_file(), reason=f"no site in {SITE}: run `make book`, or set GCAF_SITE"
    ),
]

NUMBER = r"([+−-]?\d+(?:\.\d+)?)"
CELL = re.compile(
    rf"{NUMBER}%?(?: ± [\d.]+%?)?(?: \[[\d.]+\])?(?: \({NUMBER}%? to {NUMBER})?(?:.*by picture {NUMBER})?"
)
ENDS = ("value", "low", "high", "picture")
SPLITS = {"Random split": "paper", "Patient-disjoint": "patients", "paper": "paper", "patients": "patients"}
METRICS = {"Accuracy": "accuracy", "Accuracy (%)": "accuracy", "Macro F1": "macro_f1", "Macro F1 (%)": "macro_f1",
           "ECE": "ece"}  # fmt: skip
CALIBRATION = {"Accuracy": "accuracy", "ECE, equal width": "ece"}  # chapter 19's names
# chapter, its tables of Tables 4, 5, 6 and 8: levels, differences, differences on patient-disjoint folds
CHAPTERS = {
    "Table 4": ("11_fusion", "tab-fusion", "tab-fusion-gaps", "tab-fusion-patients"),
    "Table 5": ("12_mixup_ema", "tab-table-5", "tab-table-5-gaps", "tab-table-5-patients"),
    "Table 6": ("13_comparison", "tab-table-6", "tab-table-6-gaps", "tab-table-6-patients"),
    "Table 8": ("14_sensitivity", "tab-sensitivity", "tab-sensitivity-gaps", "tab-table-8-patients"),
}


class Printed(NamedTuple):
    """A number as a page prints it: fractions, known to within `half`."""

    where: str
    value: float
    half: float


def printed(where: str, text: str, points: bool = False) -> Printed:
    """The number in `text`; percentages (above 1) and points become fractions."""
    value, decimals = float(text.replace("−", "-")), len(text.partition(".")[2])
    scale = 100 if points or abs(value) > 1 else 1
    return Printed(where, value / scale, 0.5 * 10.0**-decimals / scale)


def plain(path: Path) -> bs4.BeautifulSoup:
    """A page without its pictures and data, which are most of it and hold nothing to compare."""
    text = re.sub(r"(?s)<(svg|script|style)\b.*?</\1>|base64,[^\"]*", "", path.read_text("utf-8"))
    text = text.replace("\u00a0", " ").replace("&#160;", " ").replace("&nbsp;", " ")
    return bs4.BeautifulSoup(text, "html.parser")


class Pages:
    """Every number of the site that others repeat: (what, split, end) to its printings."""

    def __init__(self, site: Path):
        self.site, self.found = site, defaultdict(list)
        self.soups: dict[str, bs4.BeautifulSoup] = {}

    def soup(self, page: str) -> bs4.BeautifulSoup:
        if page not in self.soups:
            self.soups[page] = plain(self.site / f"{page}.html")
        return self.soups[page]

    def table(self, page: str, name: str) -> list[dict[str, str]]:
        """Rows of a table as head to text; the test fails where the page has no such table."""
        table = self.soup(page).find("table", id=name)
        assert table is not None, f"{page} has no table {name}"
        heads = [cell.get_text(" ", strip=True) for cell in table.find("thead").find_all("th")]
        rows = table.find("tbody").find_all("tr")
        return [
            dict(zip(heads, (c.get_text(" ", strip=True) for c in row.find_all(["td", "th"]))))
            for row in rows
        ]

    def add(self, what: str, split: str, where: str, cell: str, points: bool = False) -> None:
        """`94.50 ± 0.08 (92.63 to 96.16; n = 3), by picture 93.10`, or less of it; cells without a number hold nothing to compare."""
        match = CELL.match(cell)
        for end, text in zip(ENDS, match.groups() if match else ()):
            if text:
                self.found[what, split, end].append(printed(where, text, points))


def columns(pages: Pages, page: str, name: str, rows: dict[str, str], heads: dict[str, str]) -> None:
    """A table with metrics down (rows: label to metric) and splits across (heads: column to split)."""
    for row in pages.table(page, name):
        label = next(iter(row.values()))
        for head, split in heads.items():
            if label in rows and head in row:
                pages.add(rows[label], split, f"{page}#{name}", row[head])


def interval(pages: Pages, what: str, where: str, cell: str, split: str = "paper") -> None:
    """The column `95% interval` on the random split."""
    ends = re.match(rf"{NUMBER} to {NUMBER}", cell)
    for end, text in zip(("low", "high"), ends.groups() if ends else ()):
        pages.found[what, split, end].append(printed(where, text))


def at_n(pages: Pages, split: str, text: str) -> str:
    """A split's name for scores of so many seeds (`2 seeds`, `one run`): its own where the headline has as many.

    Rows and splits that are compared are of the seeds that all have, which may be fewer than the model's own.
    """
    card = pages.soup("index").select(".gcaf-lead > div")[1 + (split == "patients")].get_text(" ", strip=True)
    own, here = (re.search(r"n = (\d+)|\b(\d+|one) (?:seed|run)|^(\d+)$", one) for one in (card, text))
    assert here and (own or "not yet run" in card), (card, text)
    count, most = (next(filter(None, one.groups())).replace("one", "1") if one else "" for one in (here, own))
    return split if count == most else f"{split}, n = {count}"


def levels(pages: Pages) -> None:
    """The proposed model's accuracy, macro-F1 and ECE, wherever they stand."""
    two = {name: SPLITS[name] for name in ("Random split", "Patient-disjoint")}
    for page, names in {
        "index": ["tab-scorecard"],
        "scorecard": ["tab-score-abstract", "tab-score-section-5-4", "tab-score-table-7"],
        "model_card": ["tab-card-performance"],
    }.items():
        for name in names:
            columns(pages, page, name, METRICS, two)
    cards = [card.get_text(" ", strip=True) for card in pages.soup("index").select(".gcaf-lead > div")]
    for split, text in zip(("paper", "patients"), cards[1:]):
        found = re.match(rf"{NUMBER}%.*: {NUMBER} to {NUMBER}%(?:.*by picture {NUMBER}%)?", text)
        for end, number in zip(ENDS, found.groups() if found else ()):
            if number:
                pages.found["accuracy", split, end].append(printed("index, first lines", number))
    said = pages.soup("notebooks/17_leakage_ladder").get_text(" ")
    rungs = {name: re.search(rf"\b{name}: (\d+ seeds?)", said) for name in ("paper", "patients")}
    rungs = {name: at_n(pages, name, found[1]) for name, found in rungs.items() if found}
    heads = {name.replace("patients", "patients (five folds)"): split for name, split in rungs.items()}
    columns(
        pages, "notebooks/17_leakage_ladder", "tab-ladder-accuracy", {"Proposed model": "accuracy"}, heads
    )
    columns(pages, "notebooks/17_leakage_ladder", "tab-ladder-f1", {"Proposed model": "macro_f1"}, heads)
    for name, metric in (("tab-ladder-accuracy-picture", "accuracy"), ("tab-ladder-f1-picture", "macro_f1")):
        for row in pages.table("notebooks/17_leakage_ladder", name):
            if row["Method"] == "Proposed model" and (
                number := re.match(NUMBER, row["patients (five folds)"])
            ):
                where = f"notebooks/17_leakage_ladder#{name.removesuffix('-picture')}"  # the table above it
                pages.found[metric, rungs["patients"], "picture"].append(printed(where, number[1]))
    for page, name in (("07_classification", "tab-headline"), ("09_reliability", "tab-reliability")):
        for row in pages.table(f"notebooks/{page}", name):
            if (metric := METRICS.get(row["Metric"])) is not None:
                pages.add(metric, "paper", f"{page}#{name}", row["Measured"])
                interval(pages, metric, f"{page}#{name}", row["95% interval"])
    for page, name, heads in (
        ("19_calibration", "tab-calibration-intervals", {"as trained": "paper"}),
        (
            "19_calibration",
            "tab-calibration-patients",
            {"random split": "paper", "patient-disjoint": "patients"},
        ),
    ):
        if (
            name == "tab-calibration-patients"
            and pages.soup(f"notebooks/{page}").find("table", id=name) is None
        ):
            continue  # no run on patient-disjoint folds
        seeds = (
            pages.soup(f"notebooks/{page}").find("table", id="tab-calibration-intervals").caption.get_text()
        )
        for row in pages.table(f"notebooks/{page}", name):
            for head, cell in row.items():
                split = heads.get(re.sub(r" \(.*", "", head))
                split = split and at_n(pages, split, seeds)
                if row["Measure"] in CALIBRATION and split:
                    pages.add(CALIBRATION[row["Measure"]], split, f"{page}#{name}", cell)
                number = re.match(NUMBER, cell)
                if row["Measure"] == "Accuracy, by picture" and split and number:
                    pages.found["accuracy", split, "picture"].append(printed(f"{page}#{name}", number[1]))
    for place, (page, name, *_) in CHAPTERS.items():
        own = next(iter(table_rows.proposed_rows(table_rows.TABLES[place])))
        own = {"Table 4": "gcaf", "Table 5": "Mixup and EMA (proposed)"}.get(place, own)
        row = next(r for r in pages.table(f"notebooks/{page}", name) if next(iter(r.values())) == own)
        if row["n"] == "none":
            continue
        split = at_n(pages, "paper", row["n"])
        for head in row:
            if head in METRICS:
                pages.add(METRICS[head], split, f"{page}#{name}", row[head])
        interval(pages, "accuracy", f"{page}#{name}", row["95% interval"], split)


def chance(pages: Pages) -> None:
    """The ECE that chance alone gives a perfectly calibrated model: chapters 9 (mean over seeds) and 19 (first seed)."""
    if len(pages.table("notebooks/07_classification", "tab-accuracy-intervals")) != 1:
        return  # of several seeds the two are not of the same probabilities
    for page, before in (
        ("09_reliability", "By chance alone that would be"),
        ("19_calibration", "would show an ECE of"),
    ):
        text = " ".join(pages.soup(f"notebooks/{page}").get_text(" ").split())
        found = re.search(rf"{before} {NUMBER}[^(]*\(95% of draws (?:from )?{NUMBER} to {NUMBER}", text)
        assert found, f"{page} says nothing of chance"
        for end, number in zip(ENDS, found.groups()):
            pages.found["ECE by chance", "paper", end].append(printed(page, number))


def differences(pages: Pages) -> None:
    """Accuracy of the rows of Tables 4, 5, 6 and 8 minus the proposed model's."""
    fusions = experiments.experiment("table-4").rows
    names = {row.overrides.get("model.fusion", "gcaf"): row.label for row in fusions}
    for place, (page, _, random, apart) in CHAPTERS.items():
        published = {f.row for f in paper.find(place)}
        score = f"tab-score-{place.lower().replace(' ', '-')}-differences"
        for row in pages.table("scorecard", score):
            for head in ("Random split", "Patient-disjoint"):
                if row["Metric"] == "Accuracy":
                    pages.add(
                        f"{place}: {row['Row']}", SPLITS[head], f"scorecard#{score}", row[head], points=True
                    )
        for name, split in ((random, "paper"), (apart, "patients")):
            for row in pages.table(f"notebooks/{page}", name):
                label = names.get(next(iter(row.values())), next(iter(row.values()))).replace(" = ", " ")
                if label in published:
                    cell = row["Measured"] + (
                        f", by picture {row['By picture']}" if "By picture" in row else ""
                    )
                    pages.add(f"{place}: {label}", split, f"{page}#{name}", cell, points=True)
    for name, split in (("tab-tests", "paper"), ("tab-tests-patients", "patients")):
        for row in pages.table("notebooks/15_significance", name):
            what = f"Table {row['Table']}: {row['Row']}"
            pages.add(what, split, f"15_significance#{name}", row["Measured"], points=True)


def contradictions(found: dict[tuple[str, str, str], list[Printed]]) -> list[str]:
    """Numbers that no single value rounds to."""
    out = []
    for name, seen in found.items():
        low, high = max(seen, key=lambda p: p.value - p.half), min(seen, key=lambda p: p.value + p.half)
        if low.value - low.half > high.value + high.half - 1e-9:  # ends that only touch are two numbers
            out.append(
                f"{', '.join(name)}: {high.value:.4f} ({high.where}) against {low.value:.4f} ({low.where})"
            )
    return out


@pytest.fixture(scope="module")
def pages() -> Pages:
    made = Pages(SITE)
    levels(made)
    chance(made)
    differences(made)
    return made


def test_numbers_that_stand_on_several_pages_agree(pages):
    assert not (wrong := contradictions(pages.found)), "\n".join(wrong)


def test_the_comparison_has_something_to_compare(pages):
    if "not yet run" in pages.soup("index").select(".gcaf-lead > div")[1].get_text():
        pytest.skip("no run of the proposed model is on these pages")
    for what, least in (("accuracy", 8), ("macro_f1", 7), ("ece", 6)):
        where = {p.where for p in pages.found[what, "paper", "value"]}
        assert len(where) >= least, f"{what} on the random split was found on {sorted(where)} only"
        ends = {p.where for p in pages.found[what, "paper", "low"]}
        assert len(ends) >= 4, f"the interval of {what} was found on {sorted(ends)} only"


def test_every_grouped_score_stands_beside_the_one_by_picture(pages):
    """Wherever a level or a difference on patient-disjoint folds is read, the one that weighs each picture 1 is, too."""
    grouped = [name for name in pages.found if name[1:] == ("patients", "value") and name[0] != "ece"]
    for what, split, _ in grouped:
        alone = {p.where for p in pages.found[what, split, "value"]}
        alone -= {p.where for p in pages.found[what, split, "picture"]}
        assert not alone, f"{what} on patient-disjoint folds stands by image alone on {sorted(alone)}"


def test_two_printings_that_no_number_rounds_to_are_found():
    good = [printed("a", "94.5"), printed("b", "0.9450"), printed("c", "94.50")]
    assert contradictions({("accuracy", "paper", "value"): good}) == []
    for wrong in ("94.56", "0.9451", "94.6"):
        bad = contradictions({("accuracy", "paper", "value"): [*good, printed("d", wrong)]})
        assert len(bad) == 1 and "(d)" in bad[0], wrong


def test_no_page_gives_a_miniature_the_word_reproduced(pages):
    if "(profile paper," in pages.soup("index").get_text():
        pytest.skip("the pages show the paper's own model")
    # the scorecard says whose word it is; what changed may name the old words, and the reference the code's
    allowed = {"scorecard.html": "the word reproduced is kept for"}
    for path in sorted(SITE.rglob("*.html")):
        if (
            "_static" in path.parts
            or "_modules" in path.parts
            or path.name in ("changelog.html", "reference.html")
        ):
            continue
        text = " ".join(plain(path).get_text(" ").split())
        text = text.replace(allowed.get(path.name) or "\0", "").replace("reproduced.csv", "")
        near = re.search(r".{60}\breproduced\b.{60}", text, re.IGNORECASE)
        assert not near, f"{path.name}: {near[0]}"
