"""Interventions: what is painted over and where, models of which it is known what they go by, and what is said of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import splits
from gcaf_lib.data.dataset import DataError, open_dataset
from gcaf_lib.display import painting
from gcaf_lib.display.style import Note
from gcaf_lib.evaluation import interventions as iv
from gcaf_lib.evaluation import tumours
from gcaf_lib.findings import painted
from gcaf_lib.settings import CLASSES, load, results_dir
from gcaf_lib.training import runs

SIDE = 64
y, x = np.mgrid[:SIDE, :SIDE]
HEAD = np.hypot(y - 32, x - 32) < 26


def picture(bright: int = 255, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A grey head in grainy air with a bright wedge in it, and the wedge's mask: no symmetry, wider than high."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), bool)
    top, left = rng.integers(20, 36), rng.integers(16, 32)
    for k in range(6):
        mask[top + k, left : left + 14 - 2 * k] = True
    image = np.where(HEAD, 100 + rng.normal(0, 4, HEAD.shape), rng.uniform(0, 20, HEAD.shape))
    image[26:30, 44:52] = 5  # dark, and no air
    image[mask] = bright
    return np.repeat(np.rint(image)[..., None], 3, axis=2).astype(np.uint8), mask


# --- pictures ---


def test_grown_is_a_pixel_larger_on_every_side():
    one = np.zeros((2, SIDE, SIDE), bool)
    one[0, 10, 20] = True
    assert [tuple(at) for at in np.argwhere(iv.grown(one)[0])] == [
        (9, 20),
        (10, 19),
        (10, 20),
        (10, 21),
        (11, 20),
    ]
    assert not iv.grown(one)[1].any()
    large = np.zeros((1, 224, 224), bool)
    large[0, 100, 100] = True
    assert np.ptp(np.argwhere(iv.grown(large)[0]), axis=0).tolist() == [8, 8]  # four pixels of 224 a side


def test_head_is_what_is_not_air_with_its_dark_inside():
    found = iv.head(picture()[0])
    assert (found == HEAD).mean() > 0.95
    assert found[27, 48] and not found[:3].any()
    assert iv.head(np.full((SIDE, SIDE, 3), 90, np.uint8)).all()


def test_elsewhere_keeps_the_shape_in_the_head_and_off_the_mask():
    for seed in range(5):
        mask = picture(seed=seed)[1]
        others = iv.elsewhere(mask, HEAD, np.random.default_rng(seed), 40)
        assert len(others) == 40 and len(np.unique(others, axis=0)) > 20
        assert not (others & mask).any()
        assert ((others & HEAD).sum((1, 2)) >= iv.INSIDE * mask.sum() - 0.5).all()
        corner = np.argwhere(mask).min(0)
        for other in others:
            shift = tuple(np.argwhere(other).min(0) - corner)
            assert (np.roll(mask, shift, (0, 1)) == other).all()


def test_elsewhere_is_nowhere_without_room():
    assert len(iv.elsewhere(HEAD, HEAD, np.random.default_rng(0))) == 0


def test_painting_changes_the_mask_alone_and_fills_it_from_around():
    image, mask = picture()
    out = iv.painted(image, mask)
    assert (out[~mask] == image[~mask]).all()
    assert abs(out[mask].mean() - 100) < 8
    flat = np.full((SIDE, SIDE, 3), 77, np.uint8)
    flat[mask] = 200
    assert (iv.painted(flat, mask) == 77).all()


def test_alone_keeps_the_mask_and_the_air():
    image, mask = picture()
    out = iv.alone(image, mask, HEAD, np.array([90, 80, 70]))
    kept = mask | ~HEAD
    assert (out[kept] == image[kept]).all()
    assert (out[~kept] == [90, 80, 70]).all()
    assert (image == picture()[0]).all()


def test_variants_are_each_kind_once_and_elsewhere_as_often_as_there_are_places():
    image, mask = picture()
    others = iv.elsewhere(mask, HEAD, np.random.default_rng(0))
    found = iv.variants(image, mask, HEAD, others)
    assert pd.Series([kind for kind, _, _ in found]).value_counts().to_dict() == {
        iv.WHOLE: 1, iv.PAINTED: 1, iv.ALONE: 1, iv.PAINTED_ELSEWHERE: iv.PLACES, iv.ALONE_ELSEWHERE: iv.PLACES
    }  # fmt: skip
    assert (found[0][2] == image).all()


def test_the_tumour_does_not_colour_the_head_in_which_something_else_stands_alone():
    """A tumour of another brightness leaves no trace in the picture that it was painted out of."""
    seen = []
    for bright in (0, 160, 255):
        image, mask = picture(bright)
        others = iv.elsewhere(mask, HEAD, np.random.default_rng(0))
        seen.append(
            [p for kind, _, p in iv.variants(image, mask, HEAD, others) if kind == iv.ALONE_ELSEWHERE]
        )
    assert (np.array(seen) == np.array(seen[0])).all()


def test_borrowed_masks_lie_in_the_head():
    known = np.stack([picture(seed=s)[1] for s in range(4)])
    outside = np.roll(known[:1], 30, 1)
    empty, rng = np.zeros_like(HEAD), np.random.default_rng(0)
    every = np.concatenate([outside, known])
    for _ in range(20):
        one = iv.borrowed(empty, HEAD, every, rng)
        assert (one & HEAD).sum() >= iv.INSIDE * one.sum() and one.any()
    assert (iv.borrowed(known[2], HEAD, every, rng) == known[2]).all()
    assert not iv.borrowed(empty, HEAD, outside, rng).any()


# --- models of which it is known what they go by ---


class Sees:
    """Answers 1 where what `look` finds in a picture is true, else 0, and is sure of it."""

    def __init__(self, look):
        self.look = look

    def predict_on_batch(self, batch):
        found = np.array([float(self.look(np.asarray(one))) for one in batch])
        return np.column_stack([np.zeros(len(batch)), np.where(found, 8.0, -8.0)]).astype(np.float32)


def asked(look, count: int = 12) -> pd.DataFrame:
    """`of_model` on pictures with a wedge (class 1) and, every third, without one (class 0)."""
    made = [picture(255 if k % 3 else 100, seed=k) for k in range(count)]
    images, masks = (np.stack(part) for part in zip(*made))
    labels = (np.arange(count) % 3 > 0).astype(int)
    masks[labels == 0] = False
    before = masks.copy()
    out = iv.of_model(Sees(look), images, labels, masks)
    assert (masks == before).all()  # what is given stays
    return out


def rates(out: pd.DataFrame, label: int) -> dict[str, float]:
    part = out[out["label"] == label]
    return part.groupby("kind")["answer"].mean().to_dict()


def test_a_model_that_goes_by_the_mark_is_found():
    """Positive control: only the wedge is bright."""
    out = asked(lambda image: (image > 220).any())
    assert rates(out, 1) == {
        iv.WHOLE: 1, iv.PAINTED: 0, iv.PAINTED_ELSEWHERE: 1, iv.ALONE: 1, iv.ALONE_ELSEWHERE: 0
    }  # fmt: skip
    assert set(rates(out, 0).values()) == {0}
    right = out["answer"] == out["label"]
    assert (out["probability"] > 0.99).equals(right) and (out["probability"] < 0.01).equals(~right)


def test_a_model_that_goes_by_the_air_is_found():
    """Negative control: the air stays as it is, so nothing changes, whatever is painted over."""
    out = asked(lambda image: image[:3, :3].mean() > 10)
    assert (out.groupby("row")["answer"].nunique() == 1).all()
    assert set(out["answer"]) == {0, 1}


def test_pixels_that_have_moved_are_counted_where_something_was_painted_over():
    out = asked(lambda image: True)
    moved = out[out["label"] == 1].groupby("kind")["moved"].mean()
    assert moved[iv.PAINTED] > 80 > 30 > moved[iv.PAINTED_ELSEWHERE] > 0
    assert moved[iv.WHOLE] != moved[iv.WHOLE] and moved[iv.ALONE] != moved[iv.ALONE]


def test_a_mask_is_grown_before_it_is_painted():
    """What shines just outside the border goes, too."""
    image, mask = picture(100)
    image[iv.grown(mask[None])[0] & ~mask] = 255
    out = iv.of_model(Sees(lambda one: (one > 220).any()), image[None], np.array([1]), mask[None])
    assert rates(out, 1)[iv.PAINTED] == 0 and rates(out, 1)[iv.WHOLE] == 1


def test_images_without_room_elsewhere_are_left_out_and_the_rest_is_asked():
    image, mask = picture()
    out = iv.of_model(Sees(np.any), np.stack([image, image]), np.array([1, 1]), np.stack([HEAD, mask]))
    assert set(out["row"]) == {1}
    assert iv.of_model(Sees(np.any), image[None], np.array([1]), HEAD[None]).empty


def test_the_same_seed_asks_the_same():
    first, second = (asked(lambda image: image.mean() > 50) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


@pytest.fixture(scope="module")
def demo():
    """Phantoms, and a stand-in for a run on them: what `compute` reads of a record."""
    settings = load("demo")
    dataset = open_dataset(settings.data)
    label = dataset.frame["label"].to_numpy(int)
    rows = np.concatenate([np.flatnonzero(label == k)[:5] for k in range(len(CLASSES))])
    record = SimpleNamespace(
        key="a", settings=settings, seed=0, rows=lambda: rows, labels=lambda: label[rows], maps=None
    )
    return record, dataset


def test_compute_asks_of_every_image_with_a_border_and_of_those_without_a_tumour(demo, monkeypatch):
    record, dataset = demo
    monkeypatch.setattr("gcaf_lib.training.train.load_model", lambda record: Four())
    known = tumours.masks(dataset, record.settings.data.image_size)
    gone = next(r for r in record.rows() if r in known)
    out = iv.compute(record, dataset, {r: m for r, m in known.items() if r != gone})
    assert list(out.columns) == list(iv.COLUMNS) and set(out["run"]) == {"a"}
    assert set(out["row"]) == set(record.rows()) - {gone}
    assert (out["label"].to_numpy() == dataset.frame["label"].to_numpy(int)[out["row"]]).all()


class Four:
    def predict_on_batch(self, batch):
        return np.tile([0.0, 1.0, 2.0, 3.0], (len(batch), 1)).astype(np.float32)


def test_read_takes_what_is_committed_with_the_control_and_asks_only_otherwise(demo, tmp_path, monkeypatch):
    record, _ = demo
    line = dict(row=0, label=0, kind=iv.WHOLE, place=0, answer=0, probability=0.5, moved=np.nan)
    table = pd.DataFrame([{"run": name, **line} for name in ("a", "b", "marks 0")])
    table.to_csv(tmp_path / "interventions.csv", index=False)
    dataset = SimpleNamespace(banner=None, root=None)
    assert list(iv.read([record], dataset, tmp_path)["run"]) == ["a", "marks 0"]
    other = SimpleNamespace(**{**vars(record), "key": "c"})
    assert list(iv.read([other], dataset, tmp_path)["run"]) == ["marks 0"]
    assert iv.read([other], dataset, tmp_path / "nothing").empty
    monkeypatch.setattr(runs, "weights_path", lambda key, which: tmp_path)  # a folder is no file
    assert list(iv.read([other], dataset, tmp_path)["run"]) == ["marks 0"]

    def absent(*args):
        raise DataError("no images")

    monkeypatch.setattr(runs, "weights_path", lambda key, which: tmp_path / "interventions.csv")
    monkeypatch.setattr(tumours, "masks", absent)
    assert list(iv.read([other], dataset, tmp_path)["run"]) == ["marks 0"]


# --- what is committed ---


def committed() -> pd.DataFrame:
    return pd.read_csv(results_dir() / "interventions.csv", dtype={"run": str})


def test_committed_answers_to_whole_images_are_the_records_own():
    table = committed()
    whole = table[(table["kind"] == iv.WHOLE) & ~table["run"].str.startswith(iv.MARKS)]
    assert whole["run"].nunique() == splits.FOLDS
    folds = set()
    for key, part in whole.groupby("run"):
        record = runs.find(key)
        folds.add(record.settings.data.fold)
        at = pd.Series(np.arange(len(record.rows())), record.rows())[part["row"]].to_numpy()
        assert record.settings.data.protocol == "patients"
        assert (record.labels()[at] == part["label"]).all()
        # trained again: one fold from a stage 0 whose last digits are another machine's
        assert (record.answers()[at] == part["answer"]).mean() > 0.998
        known = record.probabilities()[at, part["label"]]
        assert np.abs(known - part["probability"]).max() < 0.03
    assert folds == set(range(splits.FOLDS))


def test_committed_table_asks_every_kind_of_every_image():
    table = committed()
    counts = table.groupby(["run", "row"])["kind"].value_counts().unstack()
    assert (counts[[iv.WHOLE, iv.PAINTED, iv.ALONE]] == 1).all(axis=None)
    assert (counts[[iv.PAINTED_ELSEWHERE, iv.ALONE_ELSEWHERE]] == iv.PLACES).all(axis=None)
    real = table[~table["run"].str.startswith(iv.MARKS)].drop_duplicates("row")
    borders = pd.read_csv(results_dir() / "tumours.csv")["area"].notna()
    tumour = real["label"] != CLASSES.index("notumor")
    assert borders[real.loc[tumour, "row"]].all()
    assert tumour.sum() > 0.98 * borders.sum()
    assert (~tumour).sum() > 0.98 * 2000


# --- what is said ---


def answers(name: str, label: int, count: int, **right: float) -> pd.DataFrame:
    """`COLUMNS` of `count` images: the share of each kind that is answered with the class, the rest with the next class."""
    lines = []
    for kind in (iv.WHOLE, iv.PAINTED, iv.PAINTED_ELSEWHERE, iv.ALONE, iv.ALONE_ELSEWHERE):
        share = right.get(kind.replace(" ", "_"), 1.0)
        for row in range(count):
            hit = row < round(share * count)
            answer = label if hit else (label + 1) % 4
            lines.append((name, 100 * label + row, label, kind, 0, answer, 0.9 if hit else 0.1, 20.0))
    return pd.DataFrame(lines, columns=list(iv.COLUMNS))


def framed(*parts: pd.DataFrame) -> pd.DataFrame:
    return painted.told(pd.concat(parts, ignore_index=True), CLASSES, np.arange(1000) // 2)


MARKED = answers("marks 0", 1, 50, painted=0.0, alone_elsewhere=0.0)


def run(key: str, seed: int = 0, right: tuple[int, ...] = ()) -> SimpleNamespace:
    """A record that was right on rows 0 to 999, but for these."""
    rows = np.arange(1000)
    return SimpleNamespace(key=key, seed=seed, rows=lambda: rows, right=lambda: ~np.isin(rows, right))


RUN = [run("a")]


def test_effects_are_shares_of_images_and_their_difference():
    found = painted.changed(framed(answers("a", 0, 40, painted=0.25, painted_elsewhere=0.9), MARKED))
    assert list(found.index) == [painted.CONTROL, "Glioma", painted.TUMOURS]
    glioma = found.loc["Glioma"]
    assert [round(glioma[k].value, 6) for k in ("whole", "first", "second", "difference")] == [
        0,
        0.75,
        0.1,
        0.65,
    ]
    assert glioma["images"] == 40 and glioma["groups"] == 20
    assert glioma["difference"].low < 0.65 < glioma["difference"].high
    assert found.loc[painted.CONTROL, "groups"] == 50  # of the control each picture is its own
    assert found.loc[painted.TUMOURS, "first"] == glioma["first"]


def test_effects_weigh_places_within_an_image():
    table = answers("a", 0, 10)
    extra = table[table["kind"] == iv.PAINTED_ELSEWHERE].assign(place=1, answer=1)
    found = painted.changed(framed(table, extra))
    assert found.loc["Glioma", "second"].value == 0.5 and found.loc["Glioma", "images"] == 10


def test_all_tumours_leave_no_tumour_and_the_control_out():
    healthy = answers("a", CLASSES.index("notumor"), 30, painted=0.5)
    found = painted.changed(framed(answers("a", 0, 20), healthy, MARKED))
    assert found.loc[painted.TUMOURS, "images"] == 20 and found.loc[painted.HEALTHY, "first"].value == 0.5
    assert painted.TUMOURS not in painted.changed(framed(healthy)).index


def test_healthy_is_the_answer_no_tumour_of_runs_alone():
    label = CLASSES.index("notumor") - 1  # the next class is no tumour
    frame = framed(answers("a", label, 20, painted=0.4), answers("marks 0", label, 20, painted=0.0))
    found = painted.effects(frame, "healthy", iv.PAINTED, iv.PAINTED_ELSEWHERE)
    assert found.loc[painted.TUMOURS, "first"].value == pytest.approx(0.6)
    assert found.loc[painted.CONTROL, "first"].value == 0


def test_words_rest_on_the_control():
    tumour = answers("a", 0, 60, painted=0.3)
    good = painted.painted_words(framed(tumour, MARKED), RUN)
    assert (
        "the removal works" in good
        and "glioma 30.0% (fewer than with as much elsewhere: 100.0%; as it is 100.0%)" in good
    )
    assert "Of the 60 tumour images answered rightly, 30.0% are still" in good
    for marks in (
        answers("marks 0", 1, 50, painted=0.6),
        answers("marks 0", 1, 50, painted=0, painted_elsewhere=0.8),
    ):
        bad = painted.painted_words(framed(tumour, marks), RUN)
        assert "nothing is concluded" in bad and "are still answered" not in bad
    none = painted.painted_words(framed(tumour), RUN)
    assert "No positive control" in none and "are still answered" not in none
    assert "Nothing was asked" in painted.painted_words(framed(MARKED), RUN)


def test_words_turn_with_the_difference():
    less = painted.painted_words(framed(answers("a", 0, 60, painted_elsewhere=0.3), MARKED), RUN)
    same = painted.painted_words(framed(answers("a", 0, 60, painted=0.5, painted_elsewhere=0.5), MARKED), RUN)
    assert "(more than with as much elsewhere: 30.0%;" in less
    assert "(not detectably other than with as much elsewhere: 50.0%;" in same
    healthy = CLASSES.index("notumor")
    tumour = answers("a", 0, 20)
    null = painted.painted_words(framed(tumour, answers("a", healthy, 60), MARKED), RUN)
    assert "changes the answer not detectably more often than elsewhere" in null
    place = painted.painted_words(framed(tumour, answers("a", healthy, 60, painted=0.5), MARKED), RUN)
    assert "changes the answer more often than elsewhere (+50.0 points" in place


def test_words_name_the_runs_and_that_phantoms_are_none():
    text = painted.painted_words(framed(answers("a", 0, 20), MARKED), RUN, phantoms=True)
    assert (
        "Asked: 1 run (1 seed), whose answers to whole images are right or wrong as on record." in text
        and "variation between seeds" in text
        and "phantoms" in text
    )
    two = [*RUN, run("b", 1, (3, 500)), run("unasked", 2)]
    text = painted.painted_words(framed(answers("a", 0, 20), answers("b", 0, 20), MARKED), two)
    assert (
        "Asked: 2 runs (2 seeds), whose answers to whole images are right or wrong as on record but for 1 of 40."
        in text
    )
    assert "variation between seeds" not in text


def test_alone_words_say_where_the_tumour_tells_more_than_the_rest():
    parts = [
        answers("a", 0, 60, alone=1, alone_elsewhere=1),
        answers("a", 1, 60, alone=0.6, alone_elsewhere=0.1),
        MARKED,
    ]
    text = painted.alone_words(framed(*parts))
    assert "Of marks alone, 100.0% are named rightly" in text
    assert "glioma 100.0% (not detectably more than" in text and "meningioma 60.0% (more than" in text
    assert painted.alone_words(framed(MARKED)) == ""


def test_tables_and_pictures_of_nothing_and_of_something():
    frame = framed(answers("a", 0, 20, painted=0.5), MARKED)
    assert list(painted.painted_table(frame)["Class"]) == [painted.CONTROL, "Glioma", painted.TUMOURS]
    assert painted.alone_table(frame)["Tumour alone"].str.contains("100.0").all()
    assert len(painting.effects(painted.changed(frame), painted.alone(frame)).axes) == 2
    empty = framed(MARKED.iloc[:0])
    assert painted.painted_table(empty).empty and painted.alone_table(empty).empty
    assert isinstance(painting.effects(painted.changed(empty), painted.alone(empty)), Note)
    assert isinstance(painting.pictures({}), Note)


def test_examples_are_of_every_class_with_borders(demo):
    record, dataset = demo
    data = record.settings.data
    small = np.zeros((len(dataset.frame), data.image_size, data.image_size, 3), np.uint8) + 90
    found = painted.examples(dataset, data, tumours.read_images(dataset), small)
    assert set(found) == {"Glioma", "Meningioma", "Pituitary"}
    assert all(len(kinds) == 5 for kinds in found.values())
    assert len(painting.pictures(found).axes) == 15
    nowhere = SimpleNamespace(frame=dataset.frame, root=None, banner=None)
    assert painted.examples(nowhere, data, tumours.read_images(dataset), small) == {}
