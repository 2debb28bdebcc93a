"""Chapter 20's yardsticks, verdicts and sentences, at the numbers where they turn."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.display import control_charts, gallery
from gcaf_lib.evaluation import clustered, control, sanity, tumours
from gcaf_lib.evaluation import localisation as loc
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.findings import (
    agreement,
    explanations,
    map_control,
    map_localisation,
    tumour_localisation,
    words,
)
from gcaf_lib.settings import CLASSES, load

# --- the yardstick: pairs drawn at random ---


def maps_of_classes(labels: np.ndarray, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """Maps that are alike within a class and unlike between classes: 8 cells of 64 each."""
    rng = np.random.default_rng(seed)
    out = rng.random((len(labels), 8, 8)) * noise
    out[np.arange(len(labels)), labels] += 1
    return out


def test_yardstick_takes_pairs_whatever_their_class_and_order():
    labels = np.repeat(np.arange(4), 25)  # sorted, as a test part is
    maps, groups = maps_of_classes(labels), np.arange(100)
    neighbours = np.nanmean(loc.correlation(maps, np.roll(maps, 1, axis=0)))
    value = loc.unlike(maps, maps, groups)
    same, other = (loc.unlike(maps[at], maps[at], groups[at]).value for at in (labels == 0, labels >= 0))
    between = loc.correlation(maps[:25], maps[25:50]).mean()
    expected = (24 * same + 75 * between) / 99  # a random partner is of one's class in 24 of 99 cases
    assert value.value == pytest.approx(expected, abs=0.01) and other == value.value
    assert neighbours > 0.9 > 0.3 > value.value
    assert value.low < value.value < value.high
    shuffled = np.random.default_rng(1).permutation(100)
    assert loc.unlike(maps[shuffled], maps[shuffled], groups).value == pytest.approx(value.value)
    assert loc.unlike(maps, maps, groups, labels).value == pytest.approx(same, abs=0.01)


def test_yardstick_is_the_mean_of_pairs_drawn_at_random():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 60, 4, 4))
    second += 0.5 * first.mean(0)
    first[3] = 0  # a constant map correlates with nothing
    groups = np.arange(60) // 2
    i, j = rng.integers(0, 60, (2, 40_000))
    keep = groups[i] != groups[j]
    drawn = np.nanmean(loc.correlation(first[i[keep]], second[j[keep]]))
    assert loc.unlike(first, second, groups).value == pytest.approx(drawn, abs=0.01)


def test_yardstick_leaves_a_patients_own_pairs_out():
    maps = np.random.default_rng(0).random((6, 4, 4))
    maps[1] = maps[0]  # two copies of one picture
    groups = np.array([0, 0, 1, 2, 3, 4])
    assert loc.unlike(maps, maps, groups).value < loc.unlike(maps, maps, np.arange(6)).value
    assert np.isnan(loc.unlike(maps, maps, np.zeros(6)).value)


def test_interval_of_the_yardstick_covers_the_truth():
    """Maps with a common part: in 95 of 100 samples or nearly so the interval holds the long-run mean."""
    base = np.random.default_rng(99).random((5, 5))

    def sample(seed: int, n: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.normal(0.5, 0.4, (n, 1, 1)) * base + 0.3 * rng.random((n, 5, 5))

    big = sample(1000, 1500)
    truth = loc.unlike(big, big, np.arange(1500)).value
    held = 0
    for seed in range(60):
        maps = sample(seed, 40)
        one = loc.unlike(maps, maps, np.arange(40))
        held += one.low <= truth <= one.high
    assert held >= 50


# --- the control's verdicts ---


def table(**changes) -> pd.DataFrame:
    """A control of one map, two seeds, a model and its backbone right throughout, and one untrained model."""
    base = dict(kind=control.TRAINED, projection_norm=False, seed=0, accuracy=1.0, map="convnext-tiny", alone=1.0,
                method="grad-cam", place="after", n=100, chance=0.03, pointing=0.8, tolerant=0.9, energy=0.3)  # fmt: skip
    rows = [base | changes, base | {"seed": 1} | changes]
    same = {name: changes[name] for name in ("map", "method", "place") if name in changes}
    rows.append(
        base | same | {"kind": control.UNTRAINED, "pointing": changes.get("blind", 0.02), "accuracy": 0.25}
    )
    return pd.DataFrame(rows)[list(control.COLUMNS)]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, control.PASSES),
        ({"pointing": control.ENOUGH}, control.PASSES),
        ({"pointing": control.ENOUGH - 0.01}, control.FAILS),
        ({"blind": control.LEAK + 0.01}, control.FAILS),
        ({"accuracy": control.RIGHT - 0.01}, control.SILENT),
        ({"alone": control.RIGHT - 0.01}, control.SILENT),
        ({"alone": control.RIGHT - 0.01, "pointing": 0.0}, control.SILENT),
        ({"alone": np.nan}, control.PASSES),
    ],
)
def test_verdict_turns_where_it_should(changes, verdict):
    one = control.map_verdicts(table(**changes))
    assert one["verdict"].tolist() == [verdict] and one["seeds"].tolist() == [2]


def test_without_its_negative_control_a_map_passes_nothing():
    trained = table()[lambda t: t["kind"] == control.TRAINED]
    judged = control.map_verdicts(trained)
    assert judged["verdict"].tolist() == [control.SILENT]
    text = map_control.control_said(judged)
    assert "no untrained model was measured" in text and "did not learn" not in text
    text = map_control.control_said(control.map_verdicts(table(alone=control.RIGHT - 0.01)))
    assert "did not learn" in text and "no untrained model" not in text


def test_the_worst_seed_decides():
    two = table()
    two.loc[1, "pointing"] = 0.1
    one = control.map_verdicts(two).iloc[0]
    assert (one["verdict"], one["low"], one["high"], one["pointing"]) == (
        control.FAILS,
        0.1,
        0.8,
        pytest.approx(0.45),
    )


def both(pointing_whole: float = 0.9, **changes) -> pd.DataFrame:
    whole = table(map=control.WHOLE, method="sensitivity", place="", alone=np.nan, pointing=pointing_whole)
    return control.map_verdicts(pd.concat([table(**changes), whole]))


def test_subject_is_the_best_map_that_passes_and_runs_keep():
    kept = ["convnext-tiny", tumours.FUSED, "sensitivity"]
    assert map_control.subject(both(), False, kept) == "sensitivity"
    assert map_control.subject(both(), False, kept[:2]) == "convnext-tiny"
    assert map_control.subject(both(pointing_whole=0.6), False, kept) == "convnext-tiny"
    assert map_control.subject(both(method="layercam"), False, kept[:2]) is None  # not what runs keep
    assert map_control.subject(both(pointing_whole=0.1, pointing=0.1), False, kept) is None
    assert map_control.subject(both(), True, kept) is None  # a control of another model


def test_words_name_what_fails():
    text = map_control.control_said(both(pointing=0.1))
    assert (
        "1 of 2 maps passes: Sensitivity, whole model (90%)" in text
        and "**1 fails**" in text
        and "pointing at the mark on 10%." in text
    )
    assert "at most 2%; chance is 3%" in text and "usual reading" not in text
    assert "both backbones: **fails** (10%)" in map_control.control_said(
        both(pointing=0.1, map=tumours.FUSED)
    )
    assert "both backbones: **passes** (80%)" in map_control.control_said(both(map=tumours.FUSED))
    assert "**None of 2 maps passes.**" in map_control.control_said(both(0.1, pointing=0.1))
    assert "Of 1 nothing can be said" in map_control.control_said(both(alone=0.5))
    assert "too few" in map_control.control_said(both(accuracy=0.5))
    assert "respond to what stands out" in map_control.control_said(both(blind=0.3))
    kept = ["convnext-tiny", "sensitivity"]
    assert "no conclusion about tumours" in map_control.subject_said(both(), True, kept)
    assert "None of the maps" in map_control.subject_said(both(0.1, pointing=0.1), False, kept)
    assert "**Sensitivity of the whole model**" in map_control.subject_said(both(), False, kept)


def test_under_which_name_runs_keep_a_map_of_the_control():
    assert map_control.stored_name((control.WHOLE, "sensitivity", "")) == "sensitivity"
    assert map_control.stored_name(("convnext-tiny", *control.PAPER)) == "convnext-tiny"
    for other in (("layercam", "after"), ("grad-cam", "before")):
        assert other != control.PAPER and map_control.stored_name(("convnext-tiny", *other)) is None


@pytest.mark.parametrize(
    ("blind", "most", "named"),
    [((0.02, 0.02), 2, []), ((0.021, 0.02), 3, []), ((control.LEAK, 0.02), 10, []),
     ((0.104, 0.02), 11, ["LayerCAM"]), ((0.104, np.nan), 11, ["LayerCAM"]), ((0.3, 0.2), 30, ["Grad-CAM", "LayerCAM"])],
)  # fmt: skip
def test_what_maps_of_untrained_models_say(blind, most, named):
    """At most is rounded up, or it would contradict what follows; chance is told where no map is named."""
    columns = {"map": "convnext-tiny", "method": ["layercam", "grad-cam"], "place": "after", "chance": 0.03}
    judged = pd.DataFrame(columns | {"blind": blind})
    text = map_control.blind_said(judged)
    assert f"on at most {most}%" in text and ("; chance is 3%." in text) == (not named)
    assert ("On more than 10%, which no map that passes may: " in text) == bool(named)
    assert [name for name in ("Grad-CAM", "LayerCAM") if name in text] == named
    assert map_control.blind_said(judged.assign(blind=np.nan)) == ""
    twice = pd.concat([judged, judged])  # with LayerNorm and without
    assert map_control.blind_said(twice) == text, "a map is named once"


def test_committed_control_is_of_this_code():
    scores, shown = control.read(), control.read_pictures()
    assert list(scores) == list(control.COLUMNS)
    trained = scores[scores["kind"] == control.TRAINED]
    assert set(trained["seed"]) == set(control.SEEDS) and set(trained["projection_norm"]) == {True, False}
    blind = scores[scores["kind"] != control.TRAINED]
    assert (
        set(blind["seed"]) == set(control.SEEDS)
        and blind["accuracy"].max() < 0.5
        and (blind["map"] == tumours.RANDOM).any()
    )
    assert scores[scores["map"] == tumours.RANDOM]["pointing"].between(0, 0.1).all()
    assert shown["images"].shape[0] == len(shown["masks"]) == 4
    assert control_charts.control_bars(control.map_verdicts(scores)).svg().startswith("<svg")
    key = ("efficientnetv2-s", "grad-cam", "after")
    drawn = map_control.drawn_maps(control.map_verdicts(scores), (key[0], "vgg19"))
    assert drawn[0] == key and len(drawn) == 3, (
        "two of the whole model, none of a backbone that the control lacks"
    )
    assert control_charts.control_maps(shown, drawn).svg().startswith("<svg")
    assert len(map_control.control_table(control.map_verdicts(scores))) == len(control.map_verdicts(scores))


# --- whose maps, and the cases of the gallery ---


def kept_run(seed=0, fold=None, sides=(8, 8)):
    """A run of the random split, or of a fold, that keeps a map of each backbone of so many cells a side."""
    maps = {f"cam_{k}": np.zeros((1, side, side), np.float16) for k, side in enumerate(sides)}
    data = SimpleNamespace(fold=fold, protocol="paper" if fold is None else "patients")
    return SimpleNamespace(seed=seed, settings=SimpleNamespace(data=data), maps=maps)


def source(runs, apart=False, area=(0.01, 0.02, 0.03, 0.04), **options):
    """Of four pictures of two patients, each with the scores of two maps; a fifth file has no border."""
    four = pd.DataFrame({"row": range(4), "group": [0, 0, 1, 1], "area": area})
    images = pd.DataFrame({"area": [*area, np.nan]})
    return explanations.source_said(runs, apart, pd.concat([four, four]), images, **options)


def test_whose_maps_and_borders_are_looked_at():
    text = source([kept_run()])
    assert text.startswith("Maps of 1 run on the `paper` split (1 seed), whose test part may share patients")
    assert "on 4 test images of 2 patient groups" in text and "the drawn lesions" not in text
    assert "(4 of all files have one)" in text and "at most 2.5% of the image" in text
    assert "the maps themselves have 8 × 8. " in text
    folds = [kept_run(seed, fold) for seed in (0, 1) for fold in (0, 3)]
    apart = source(folds, apart=True)
    assert "Maps of 4 runs on patient-disjoint folds (2 of 5 folds, 2 seeds), on 4" in apart
    assert "may share" not in apart
    drawn = source([kept_run()], phantoms=True)
    assert "is known: the drawn lesions of phantoms. " in drawn and "radiologists" not in drawn


def test_a_tumour_as_large_as_a_cell_of_the_finest_map_is_not_smaller_than_one():
    """Of 64 cells each is 1/64 of the image, of 49 more; half of the tumours is rounded up, as at most is said."""
    area = (1 / 64 - 1e-6, 1 / 64, 0.0301, 1)
    text = source([kept_run(sides=(8, 7))], area=area)
    assert "7 × 7 and 8 × 8. 25% of these tumours are smaller" in text
    assert "at most 2.3% of the image" in text, "2.29"
    assert "7 × 7. 50% of these" in source([kept_run(sides=(7, 7))], area=area)


def tile(label=0, *why, border=None):
    return gallery.Case("x", np.zeros((2, 2)), label, np.eye(4)[label], np.zeros((1, 1)), border, 0.5, why)


def test_what_the_gallery_shows():
    known = pd.DataFrame({"run": ["a", "b"] * 2, "right": [True, False, True, True]})
    border = np.zeros((3, 2))
    text = explanations.gallery_caption([tile(), tile(border=border)], known, 7)
    assert text.startswith("2 cases: 1 wrong answer of 4 on the test parts of seed 7, ")
    assert text.endswith("Borders in light blue."), "one of them has a border"
    text = explanations.gallery_caption([tile()], known.assign(run="a", right=False), 0)
    assert text.startswith("1 case: 4 wrong answers of 4 on the test part of seed 0, ")
    assert text.endswith("Borders are not drawn: the figshare data is not at hand.")
    none = explanations.gallery_caption([], known.assign(right=True), 0)
    assert none.startswith("0 cases: 0 wrong answers of 4 on the test parts")


def test_of_each_class_the_best_middle_and_worst_tile_are_shown():
    """By word, then by class; of two of a kind the first, and a class without one has none."""
    tiles = [tile(1, "worst"), tile(1, "best"), tile(0, "best"), tile(0, "best"), tile(3, "misclassified")]
    shown = explanations.best_and_worst(tiles, CLASSES)
    assert CLASSES[:2] == ("glioma", "meningioma")
    assert shown["titles"] == ["Glioma\nbest", "Men.\nbest", "Men.\nworst"]
    order = [tiles[k] for k in (2, 1, 0)]
    assert all(one is t.image for one, t in zip(shown["images"], order, strict=True))
    assert all(one is t.map for one, t in zip(shown["maps"]["map"], order, strict=True))
    assert len(shown["borders"]) == 3
    none = explanations.best_and_worst([tile(3, "misclassified")], CLASSES)
    assert none == {"images": [], "maps": {"map": []}, "titles": [], "borders": []}


# --- sentences about tumours ---


def rival(low: float, high: float) -> pd.DataFrame:
    rows = [(m, (low + high) / 2, low, high) for m in tumours.MEASURES]
    return pd.DataFrame(rows, columns=["measure", "difference", "low", "high"])


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.1, "beats"), (-0.1, 0.1, "is not distinguishable from"), (-0.1, -0.01, "loses to")],
)
def test_tumour_words(low, high, words):
    lines = [("x", "pointing", 0.1), ("x", "energy", 0.05), (tumours.RANDOM, "pointing", 0.02)]
    hit = pd.DataFrame(lines, columns=["map", "measure", "mean"])
    text = tumour_localisation.tumour_said("x", {tumours.CENTRE: rival(low, high)}, hit)
    assert f"the map {words} the centre" in text and "random map on 2.0%" in text
    assert "iou" not in text and ("IoU at matched area" in text) == (low > 0 or high < 0)
    assert ("better in 4" in text) == (low > 0) and ("worse in 4" in text) == (high < 0)
    assert "phantoms" not in text and "phantoms" in tumour_localisation.tumour_said(
        "x", {}, hit, phantoms=True
    )
    assert "neither" in tumour_localisation.tumour_said(None, {tumours.CENTRE: rival(low, high)}, hit)
    verdict = (
        tumour_localisation.rivals_table({tumours.CENTRE: rival(low, high)})["Verdict"].unique().tolist()
    )
    assert verdict == ["map better" if low > 0 else "map worse" if high < 0 else "no detectable difference"]


def test_black_words_and_shares():
    value = Interval(0.2, 0.1, 0.3)
    assert "less than a flat" in tumour_localisation.black_words(value, value, Interval(-0.1, -0.2, -0.01))
    assert "prefer" in tumour_localisation.black_words(value, value, Interval(0.1, 0.01, 0.2))
    assert "no notice" in tumour_localisation.black_words(value, value, Interval(0, -0.1, 0.1))
    images = np.full((1, 8, 8, 3), 200, np.uint8)
    images[0, :, :4] = 0
    left, flat = np.zeros((1, 8, 8)), np.ones((1, 8, 8))
    left[0, :, :4] = 1
    assert tumour_localisation.on_black(left, images).tolist() == [[1, 0.5]]
    assert tumour_localisation.on_black(flat, images) == pytest.approx(np.array([[0.5, 0.5]]))


def test_how_much_of_a_run_s_maps_lies_on_black_is_said():
    images = np.full((3, 8, 8, 3), 200, np.uint8)
    images[1:, :, :4] = 0
    run = SimpleNamespace(key="r", rows=lambda: np.array([1, 2]))
    kept = np.zeros((2, 8, 8))
    kept[:, :, :4] = 1
    maps = map_localisation.Maps([run], pd.DataFrame(), ["x"], "x", {"r": {"x": kept}}, pd.DataFrame())
    said = tumour_localisation.black_said(maps, images, np.array([0, 1, 2]))
    assert (
        said.startswith("100.0% (100.0% to 100.0%)")
        and "which takes 50.0% of the image. The maps prefer" in said
    )
    maps.kept["r"]["x"] = np.roll(kept, 4, axis=2)
    assert "0.0% (0.0% to 0.0%)" in tumour_localisation.black_said(maps, images, np.array([0, 1, 2]))


def test_the_page_on_maps_says_whose_maps_of_which_and_what_random_weights_leave_open(monkeypatch):
    for room, name in (
        (explanations, "source_said"),
        (map_control, "subject_said"),
        (agreement, "untrained_check_said"),
    ):
        monkeypatch.setattr(room, name, lambda *given, name=name: f"{name} {given[-1]}. ")
    settings = load("demo", {"data.protocol": "patients"})
    maps = SimpleNamespace(
        runs=[SimpleNamespace(settings=settings)], scores=None, images=4, names=["x"], chosen="c"
    )
    said = explanations.maps_said(maps, pd.DataFrame(), None, True)
    assert said == "source_said True. \n\nsubject_said ['x']. untrained_check_said c. "


# --- agreement and sanity ---


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((0.3, 0.2, 0.4), "+0.300 (+0.200 to +0.400): seeds agree on more than the place that is usual"),
        ((0.3, -0.1, 0.7), "no more than"),
        ((-0.2, -0.3, -0.1), "less than"),
    ],
)
def test_seeds_words(more, words):
    found = agreement.Agreement(Interval(0.5, 0.1, 0.9), Interval(0.2, 0.15, 0.25), Interval(*more), 10)
    alone = load("cpu")
    shared = alone.replace({"training.stage0_seed": "shared"})
    assert alone.training.stage0_seed != "shared" and alone.model.weights == "in-domain"
    assert words in agreement.seeds_said({"all": found}, alone)
    tops = {"glioma": 0.9, "meningioma": 0.1, "notumor": 0.7, "pituitary": 0.8}

    def by_class(tops):
        each = {
            name: found._replace(same=Interval(top), more=Interval(1 - top)) for name, top in tops.items()
        }
        return agreement.seeds_said({**each, "all": found}, alone)

    ranked = "seeds agree most for glioma and pituitary; beyond what different patients of a class share, most for meningioma and no tumour. "
    assert f"{ranked}The paper names no tumour and pituitary." in by_class(tops)
    assert "agree most for pituitary and no tumour; " in by_class(tops | {"glioma": np.nan})
    assert "The paper names" not in by_class({name: np.nan for name in tops})
    assert "The paper names" not in by_class({name: tops[name] for name in ("glioma", "pituitary")})
    assert "same network" not in agreement.seeds_said({"all": found}, alone)
    assert "partly the same network" in agreement.seeds_said({"all": found}, shared)
    assert "two seeds or more" in agreement.seeds_said({}, alone)


def check(untrained=(0.0, -0.1, 0.1), shuffled=(0.5, 0.4, 0.6), other=(0.2, 0.15, 0.25)) -> pd.DataFrame:
    rows = [(0, "nothing", (1, 1, 1)), (1, "logits", (0.5, 0.4, 0.6)), (2, "all", untrained)]
    rows += [(sanity.OTHER, "other", other), (sanity.SHUFFLED, "shuffled", shuffled)]
    sizes = {"n": 2, "images": 9, "pictures": 8, "groups": 7}
    lines = [
        {"runs": "abc def", "step": k, "replaced": w, "map": "convnext-tiny", "correlation": value, "low": low, "high": high,
         "rank": value, "empty": 0.0, "accuracy": 0.5, "difference": value - other[0],
         "difference_low": low - other[2], "difference_high": high - other[1], **sizes}
        for k, w, (value, low, high) in rows
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=list(sanity.COLUMNS))


def test_sanity_words_turn_on_each_maps_own_yardstick():
    text = agreement.sanity_said(check(), {"abc"})
    assert (
        "untrained 0.000, −0.200 (−0.350 to −0.050) beside the yardstick, less than maps of different patients share on average, so it passes; by rank 0.000 against 0.200."
        in text
    )
    assert (
        "labels 0.500, +0.300 (+0.150 to +0.450) beside the yardstick, more than" in text
        and "does not come from the labels" in text
    )
    assert "of other runs" not in text and "of other runs" in agreement.sanity_said(check(), {"xyz"})
    assert "trained or not" in agreement.sanity_said(check(untrained=(0.4, 0.3, 0.5)), {"abc"})
    level = agreement.sanity_said(check(untrained=(0.24, 0.2, 0.3), shuffled=(0.1, 0.0, 0.16)), {"abc"})
    assert level.count("not shown to differ from what maps of different patients") == 2
    # the classifier's weights are gone, and the map is as alike as before
    assert "alone replaced (50.0% right) it is still 0.500" in text
    gone = check(other=(0.5, 0.45, 0.55), untrained=(0.0, -0.1, 0.1))
    assert "alone replaced" not in agreement.sanity_said(gone, {"abc"})
    low = agreement.sanity_said(check(shuffled=(0.1, 0.0, 0.14)), {"abc"})
    assert low.count("less than maps of different patients") == 2
    assert "shuffled" not in agreement.sanity_said(check().iloc[:4], {"abc"})
    two = pd.concat([check(), check(untrained=(0.4, 0.3, 0.5)).assign(map=tumours.FUSED)])
    assert agreement.sanity_said(two, {"abc"}).count("- **") == 2
    assert [r.untrained.value for r in agreement.sanity_rows(two).itertuples()] == [0.0, 0.4]
    assert len(agreement.sanity_table(two, tumours.FUSED)) == 5
    assert agreement.sanity_table(two, "no such map").equals(agreement.sanity_table(two, tumours.FUSED))
    assert agreement.sanity_table(None, "x").empty and agreement.sanity_said(None, {"abc"}) == ""
    assert "not computed" in agreement.sanity_caption(
        None, "x"
    ) and "2 seeds, 9 images (8 pictures, 7 patient groups)." in agreement.sanity_caption(two, "x")


def test_every_map_that_a_record_keeps_is_read_by_its_kind():
    kept = {"rows": np.arange(3), "target": np.zeros(3), "cam_convnext-tiny": np.ones((3, 8, 8), np.float16),
            "whole_sensitivity": np.zeros((3, 8, 8), np.float16)}  # fmt: skip
    record = type("Record", (), {"maps": kept})
    assert list(tumours.backbone_maps(record)) == ["convnext-tiny"]
    assert tumours.backbone_maps(record, [0, 2])["convnext-tiny"].shape == (2, 8, 8)
    assert list(tumours.whole_maps(record)) == ["sensitivity"]
    del kept["whole_sensitivity"]  # a record of before
    assert tumours.whole_maps(record) == {}


def test_agreement_of_seeds_is_judged_beside_other_patients():
    labels = np.repeat(np.arange(4), 10)
    record = type("Record", (), {})
    record.labels, record.rows = lambda: labels, lambda: np.arange(40)
    record.settings = type(
        "S", (), {"data": type("D", (), {"classes": ("glioma", "meningioma", "notumor", "pituitary")})}
    )
    maps = maps_of_classes(labels, noise=0.2)
    own = maps + np.random.default_rng(5).random(maps.shape)
    found = agreement.agreement([own, own + 0.01, own], record, np.arange(40))
    assert found["all"].same.value == pytest.approx(1) and found["all"].other.value < 0.9
    assert found["all"].other == pytest.approx(loc.unlike(own, own, np.arange(40), labels))
    noisy = np.where(np.arange(40)[:, None, None] % 3, own, np.random.default_rng(6).random(own.shape))
    varied = agreement.agreement([own, noisy], record, np.arange(40))["all"]
    drawn = clustered.weights(np.arange(40))
    same = drawn @ loc.correlation(own, noisy) / drawn.sum(1)  # on the very draws of the yardstick
    by_hand = same - loc.unlike_draws(own, noisy, np.arange(40), labels)[1]
    ends = np.quantile(by_hand, [0.025, 0.975])
    assert [varied.more.low, varied.more.high] == pytest.approx(list(ends))
    assert varied.more.value == pytest.approx(varied.same.value - varied.other.value)
    assert found["glioma"].n == 10 and found["all"].n == 40
    assert "more than the place that is usual" in agreement.seeds_said(found, load("cpu"))
    said = agreement.seeds_caption(tumours.FUSED, "2 seeds")
    assert said.startswith("Model, both backbones: mean pairwise") and said.endswith(
        "patient groups; 2 seeds."
    )
    assert agreement.agreement_table(found)["Class"].tolist() == [
        "Glioma",
        "Meningioma",
        "No tumour",
        "Pituitary",
        "All",
    ]
    usual = [maps_of_classes(labels, 0.2, seed) for seed in (1, 2)]  # nothing but the class's place in common
    level = agreement.agreement(usual, record, np.arange(40))["all"]
    assert agreement.side(level.more) == "level"
    none = agreement.agreement(usual, record, np.zeros(40, int))
    assert "of so few patients nothing can be said" in agreement.seeds_said(none, load("cpu"))
    assert agreement.agreement([own], record, np.arange(40)) == {}


def test_a_map_that_keeps_its_looks_without_training_is_doubted():
    rows = [(name, step, "x", v, v - 0.01, v + 0.01, v, 0.0, 1.0, v - 0.6, v - 0.62, v - 0.58)
            for name, untrained in (("kept", 0.6), ("lost", 0.1))
            for step, v in ((0, 1.0), (1, 0.9), (2, untrained), (sanity.OTHER, 0.6))]  # fmt: skip
    columns = [
        "map",
        "step",
        "replaced",
        "correlation",
        "low",
        "high",
        "rank",
        "empty",
        "accuracy",
        *agreement.APART,
    ]
    check = pd.DataFrame(rows, columns=columns)
    assert (
        "It does not pass" in agreement.untrained_check_said(check, "kept")
        and agreement.untrained_check_said(check, "lost") == ""
    )
    assert agreement.untrained_check_said(None, "kept") == agreement.untrained_check_said(check, None) == ""


def test_in_which_cells_the_map_beats_its_yardsticks():
    """Above only where it beats both; below where it loses to one."""
    rng, lines = np.random.default_rng(0), []
    levels = {  # class, size: the map, the place, the centre
        ("Glioma", "small"): (0.5, 0.3, 0.2),
        ("Glioma", "large"): (0.5, 0.3, 0.5),
        ("Pituitary", "small"): (0.1, 0.3, 0.1),
    }
    for (name, size), three in levels.items():
        for row in range(40):
            for map, level in zip(("x", "place", "centre"), three):
                value = level + rng.normal(0, 0.01)
                scores = dict.fromkeys(tumours.MEASURES, 1 - value) | {"pointing": value}
                lines.append(
                    {"run": "r", "row": row, "group": row, "map": map, "class": name, "size": size, **scores}
                )
    frame = pd.DataFrame(lines)
    said = tumour_localisation.cells_said(frame, ("x", "place", "centre"))
    assert "above both yardsticks in 1 (small glioma); below at least one in 1 (small pituitary)." in said


def scored(**columns) -> pd.DataFrame:
    """Six images of three patients under one map: row 5 is another file of row 4's picture, and row 0 was asked of two runs."""
    rows = [0, 0, 1, 2, 3, 4, 5]
    lines = {"run": ["r", "s", *"rrrrr"], "row": rows, "group": [0, 0, 0, 1, 1, 2, 2], "map": tumours.CENTRE}
    return pd.DataFrame(lines | dict.fromkeys(tumours.MEASURES, 0.5) | columns)


def test_a_table_of_maps_says_of_how_many_pictures_and_patients_each_line_is():
    pictures, count = np.array([0, 1, 2, 3, 4, 4]), "Images (pictures, groups)"
    answers = scored(right=[True, True, True, True, False, False, False])
    found = tumour_localisation.by_answer(answers, pictures)
    table = tumour_localisation.counted(found, "right").set_index("Answer")[count]
    assert table.to_dict() == {"right": "4 (3, 2)", "wrong": "3 (2, 2)"}
    many = found.assign(n=1234, pictures=1100)
    assert tumour_localisation.counted(many, "right")[count].tolist() == ["1,234 (1,100, 2)"] * 2
    known = scored(**{"class": ["Glioma"] * 3 + ["Pituitary"] * 4, "size": ["large"] * 5 + ["small"] * 2})
    both = tumour_localisation.cells(known, (tumours.CENTRE,), pictures)
    table = tumour_localisation.cells_table(both)
    assert list(table)[:2] == ["Class, size", "Map"] and list(table)[-1] == count
    assert list(zip(table["Class, size"], table[count])) == [
        ("Glioma, large", "3 (2, 1)"), ("Pituitary, small", "2 (1, 1)"), ("Pituitary, large", "2 (2, 1)")
    ]  # fmt: skip
    assert {"pictures", "groups"} <= set(both), "in the file, too"
    said = tumour_localisation.cells_caption(known.assign(area=np.linspace(0.01, 0.07, 7)))
    assert "thirds of all tumours here: up to " in said and "% of the image)" in said and "nan" not in said
    assert words.tested_said([], pictures, pictures) == "none, 0 images (0 pictures, 0 patient groups)"
