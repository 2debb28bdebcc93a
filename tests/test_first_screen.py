"""The first screen: the finding in computed words, at their turning points, and nothing of patients beside phantoms."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.transforms import Bbox

from gcaf_lib import settings
from gcaf_lib.book import first_screen
from gcaf_lib.book.chapter import Chapter, checkout
from gcaf_lib.data import groups, leaks
from gcaf_lib.data.dataset import open_dataset
from gcaf_lib.findings import words
from gcaf_lib.paper import published as paper


def scores(accuracy, picture):
    """Accuracy on the random split and on patient-disjoint folds, by file and by picture."""
    return pd.DataFrame({"accuracy": accuracy, "picture": picture}, index=["paper", "patients"])


def test_the_title_asks_of_the_figure_that_is_claimed(monkeypatch):
    assert first_screen.title() == "# What is an accuracy of 95.73% worth?\n"
    assert first_screen.claimed().endswith("in MR images with 95.73% accuracy.")
    monkeypatch.setattr(first_screen, "_claim", lambda: 90.0)
    assert "of 90.00% worth" in first_screen.title() and "with 90.00% accuracy" in first_screen.claimed()


@pytest.mark.parametrize(
    ("published", "said"),
    [
        (0.95, "is within a look-up's interval"),
        (0.94, "is within a look-up's interval"),
        (0.939, "below what a look-up reaches"),
        (0.97, "is within a look-up's interval"),
        (0.971, "above what a look-up reaches"),
    ],
)
def test_the_claim_is_placed_beside_the_look_up(published, said):
    look_ups = [scores((0.95, 0.731), (0.94, 0.732)), scores((0.96, 0.712), (0.95, 0.71))]
    text = first_screen.meaning(published, (0.94, 0.97), look_ups)
    assert said in text and text.endswith(
        "It says little about new patients: there look-ups lose 21.9 to 24.8 points (by picture 20.8 to 24.0)."
    )
    own = scores((0.977, 0.901), (0.972, 0.89)).assign(images=703, groups=63, seeds=1)
    networks = [scores((0.94, 0.86), (0.93, 0.826)), own]
    both = first_screen.meaning(published, (0.94, 0.97), look_ups, networks)
    assert both == text[:-1] + ", trained networks 7.6 to 8.0 points (by picture 8.2 to 10.4)."
    up = first_screen.meaning(published, (0.94, 0.97), look_ups, [own, scores((0.94, 0.86), (0.93, 0.94))])
    assert up == text[:-1] + ", not all trained networks do.", "a rise by picture is no loss"
    assert first_screen.lost([scores((0.94, 0.93), (0.94, 0.92))]) == "1.0 points (by picture 2.0)"
    level = first_screen.meaning(published, (0.94, 0.97), ())
    assert said in level and level.endswith("What it says about new patients, the look-ups don't tell.")


def test_what_networks_lose_is_told_apart_by_what_they_tested():
    folded = [scores((0.94, 0.86), (0.93, 0.826))]
    text = first_screen.losses(folded)
    assert (
        text == "With patients apart networks trained on the five folds lose 8.0 points (by picture 10.4).\n"
    )
    own = scores((0.977, 0.901), (0.972, 0.89)).assign(images=703, groups=63, seeds=1)
    alone = "the paper's own (1 seed, one split of 703 images of 63 patient groups) lose 7.6 points (by picture 8.2)"
    assert first_screen.losses(folded, own) == text.replace(").", f"), {alone}."), (
        "in no range with the folds'"
    )
    assert first_screen.losses([], own) == f"With patients apart {alone}.\n"
    equal = [scores((0.94, low), (0.93, 0.825)).assign(seeds=n) for low, n in ((0.859, 3.0), (0.86, 1.0))]
    seeds = "; of as many seeds on both splits, 3 and 1: 8.0 to 8.1, by picture 10.5)."
    assert first_screen.losses(folded, equal=equal) == text.replace(").", seeds)
    assert first_screen.losses(folded, own.assign(picture=[0.9, 0.91])) == "" == first_screen.losses([]), (
        "a rise is no loss"
    )


def test_the_finding_counts_pictures_and_patients():
    table = groups.load()
    shares = pd.DataFrame({"protocol": ["paper"], "class": ["all"], "with_copy": [0.5], "with_either": [0.7]})
    text = first_screen.found(table, shares)
    assert f"{len(table):,} files show about {table['picture'].nunique():,} pictures" in text
    assert "the 4,754 of known patients (4,750 from the figshare collection, 4 known by a copy)" in text
    known = table[table["picture"].isin(table.loc[table["source"] != "unknown", "picture"])]
    assert f"slices of some {known['patient'].nunique()} patients, as chapter 16 reads" in text
    assert "70% of the test images have a copy or their known patient in training" in text
    fewer = first_screen.found(table[table["source"] != "unknown"], shares)
    assert "the 4,750 of known patients (4,750 from the figshare collection, 0 known by a copy)" in fewer


def test_each_accuracy_stands_with_its_interval_its_seeds_and_what_was_tested():
    def scores(random, apart, seeds=(2, 1)):
        lines = [(x, x - 0.02, x + 0.01, x - 0.01, x - 0.04, x + 0.01) for x in (random, apart)]
        columns = ["accuracy", "low", "high", "picture", "picture_low", "picture_high"]
        return pd.DataFrame(lines, ["paper", "patients"], columns).assign(
            seeds=seeds, images=[703, 7023], groups=[291, 628]
        )

    look_ups = [scores(0.9, 0.65), scores(0.95, 0.6)]
    text = first_screen.scored(look_ups)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3 and "Tested" not in text, "without a network nothing is known of groups"
    assert rows[1] == ("| Look-up: 1-NN on pixels | 90.0 / 89.0 | 65.0 / 64.0 | −25.0 (−27.2 to −22.8) |")
    own = scores(0.98, 0.9, (1, 1)).assign(images=703, groups=[291, 63])
    full = first_screen.scored(look_ups, scores(0.8, 0.7), scores(0.9, 0.8, (1, 1)), own)
    assert "| Miniature, 2 and 1 seed | 80.0 / 79.0 | 70.0 / 69.0 |" in full
    assert "| Larger, ImageNet weights, 1 seed | 90.0 / 89.0 |" in full
    assert "| The paper's own, no ImageNet weights, 1 seed | 98.0 / 97.0 |" in full
    more = first_screen.scored(look_ups, None, None, own.assign(seeds=[2, 1]))
    assert (
        "own networks have one run: the GPU time there was went to each fusion once, not to a second seed. Tested: "
        in full
    )
    assert words.SAME_SEED not in full, "the miniature has more seeds here"
    assert words.ONE_RUN not in more
    assert full.rstrip().endswith(
        "Tested: 703 images of 291 patient groups on the random split; 7,023 images of 628 patient groups on the five folds; "
        "703 images of 63 patient groups on the one split.</small>"
    )
    own.loc[first_screen.SAME] = own.loc["patients"].replace(0.9, 0.845)
    beside = first_screen.scored(look_ups, None, None, own)
    assert "on the one split. There a miniature has 84.5 / 89.0 (1 seed).</small>" in beside


def readable(frame):
    """No number of the drawing lies over another or over a mark, a bar or a stroke; none is read as another's."""
    for size in first_screen.PICTURES.values():
        ax = first_screen.drawn(frame, 0.9573, size).axes[0]
        ax.figure.draw_without_rendering()
        texts = {text.get_text(): text.get_window_extent() for text in ax.texts}
        texts |= {text.get_text(): text.get_window_extent() for text in ax.get_legend().get_texts()}
        shown = first_screen.lines_of(frame)
        scores = shown.set_index(["method", "protocol"])["accuracy"]
        look_up, model = first_screen.LOOK_UP, first_screen.split_records.MODEL
        wanted = f"1-NN: {scores[look_up, 'paper']:.1%}", f"{scores[look_up, 'patients']:.1%}"
        assert set(wanted) <= set(texts), "the look-up has its numbers"
        assert not [(a, b) for a, b in itertools.combinations(texts, 2) if texts[a].overlaps(texts[b])]
        dot, marks = ax.figure.dpi / 72, []
        for line in ax.lines:
            if len(line.get_xydata()) and line.get_marker() != "None":
                wide = line.get_markersize() / 2 * dot
                high = wide if line.get_marker() != "_" else 0.75 * dot
                for x, y in ax.transData.transform(line.get_xydata()):
                    if np.isfinite(y):
                        marks.append(Bbox([[x - wide, y - high], [x + wide, y + high]]))
        for bars in ax.collections:
            wide = bars.get_linewidth()[0] / 2 * dot
            for (x, low), (_, high) in map(ax.transData.transform, bars.get_segments()):
                marks.append(Bbox([[x - wide, low], [x + wide, high]]))
        assert len(marks) > 20
        assert not [(name, mark) for name, box in texts.items() for mark in marks if box.overlaps(mark)]
        squares, discs, diamond = ([line for line in ax.lines if line.get_marker() == kind] for kind in "soD")
        across = [dict(zip(*reversed(line.get_xydata().T))) for line in (*squares, *discs, *diamond)]
        assert len({round(x, 2) for one in across for x in one.values() if 0.3 < x < 1.5}) == 4, (
            "four marks of the paper's split stand apart"
        )
        stroke = scores.index.get_loc((model, "patients"))
        foot = ax.transData.transform((0, shown["picture"].iloc[stroke]))[1]
        assert texts[f"{scores[model, 'patients']:.1%}"].y1 > foot, "not below the stroke, as if its label"
        figure = ax.figure.bbox
        assert all(
            figure.x0 <= box.x0 and box.x1 <= figure.x1 and box.y1 <= figure.y1 for box in texts.values()
        )


def test_it_is_written_in_the_order_of_the_argument(tmp_path):
    chosen = settings.load("cpu")
    data = open_dataset(chosen.data, need_images=False)
    page, picture, narrow = first_screen.write(chosen, "cpu", data, tmp_path)
    text = page.read_text()
    order = [
        text.index(part)
        for part in (
            "# What is",
            "**Claimed.",
            "ladder.svg",
            "ladder-narrow.svg",
            "**Found.",
            "**What it means.",
            "Read",
            "Rerun",
            "Check your own",
            "## By how much",
            "| Look-up: ",
        )
    ]
    assert order == sorted(order)
    known = leaks.count(leaks.read(checkout() / "results" / "splits" / "paper.csv")).iloc[-1]
    assert (
        f"{known['patient'] / known['images']:.0%} of the test images have a copy or their known patient in training"
        in text
    )
    assert f"{paper.published('Abstract', paper.PROPOSED, 'accuracy'):.2f}" in text
    # the picture in words names every line that is drawn, with its ends
    frame, _ = first_screen.rows(Chapter("cpu", chosen, data))
    said = first_screen.described(frame, 0.9573)
    assert said in text and said.count(" from ") == 3
    own = frame[frame["method"] == first_screen.split_records.IMAGENET].set_index("protocol")["accuracy"]
    assert (
        f"from {own['paper']:.1%} (random (the paper's)) to {own['patients']:.1%} (no known patient shared)"
        in said
    )
    assert first_screen.caption(frame) in text and "Dotted: " in first_screen.caption(frame)
    whole = frame[frame["method"] != first_screen.split_records.IMAGENET]
    assert "Dotted" not in first_screen.caption(whole) and "Bars" in first_screen.caption(whole)
    levels = frame[frame["method"].isin(first_screen.beside_look_ups.LOOK_UPS)].groupby("protocol")[
        "accuracy"
    ]
    better = first_screen.lines_of(frame).query("method == @first_screen.LOOK_UP")
    assert better.set_index("protocol")["accuracy"].to_dict() == levels.max().to_dict()
    assert len(set(better["kind"])) == 1 and levels.count().min() == 2
    readable(frame)
    for drawing in (picture, narrow):
        assert drawing.read_text().startswith("<svg") and drawing.stat().st_size < 100_000
    css = (checkout() / "book" / "_static" / "gcaf.css").read_text()
    assert all(f'src$="/{name}"' in css for name in first_screen.PICTURES), "each is shown at one width only"


def test_phantoms_stand_beside_no_finding(tmp_path):
    chosen = settings.load("demo")
    (page,) = first_screen.write(chosen, "demo", open_dataset(chosen.data), tmp_path)
    assert "phantoms" in page.read_text() and "**Found" not in page.read_text()
