"""Interventions: what is painted over and where, models of which it is known what they go by, and what is said of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import preprocess, splits
from gcaf_lib.data.dataset import DataError, open_dataset
from gcaf_lib.display import painting
from gcaf_lib.display.style import Note
from gcaf_lib.evaluation import clustered, tumours
from gcaf_lib.evaluation import interventions as iv
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.findings import intervention_control, intervention_effects, painted_over, tumour_alone
from gcaf_lib.settings import CLASSES, DataSettings, load, results_dir
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


def test_grown_is_larger_on_every_side_or_smaller():
    one = np.zeros((SIDE, SIDE), bool)
    one[10, 20] = True
    assert [tuple(at) for at in np.argwhere(iv.grown(one, 1))] == [(9, 20), (10, 19), (10, 20), (10, 21), (11, 20)]  # fmt: skip
    assert np.ptp(np.argwhere(iv.grown(one)), axis=0).tolist() == [4, 4]  # two pixels a side
    assert (iv.grown(iv.grown(one), -2) == one).all()
    assert not iv.grown(np.ones_like(one), -4)[[3, -4]].any(), "nothing lies beyond the image"
    assert iv.grown(np.ones_like(one), -4)[4:-4, 4:-4].all()
    assert not iv.grown(np.zeros_like(one)).any()
    large = np.zeros((224, 224), bool)
    large[100, 100] = True
    assert np.ptp(np.argwhere(iv.grown(large)), axis=0).tolist() == [14, 14]  # seven pixels of 224 a side


def test_head_is_what_is_not_air_with_its_dark_inside():
    found = iv.head_mask(picture()[0])
    assert (found == HEAD).mean() > 0.95
    assert found[27, 48] and not found[:3].any()
    assert iv.head_mask(np.full((SIDE, SIDE, 3), 90, np.uint8)).all()


def test_elsewhere_keeps_the_shape_in_the_head_and_off_the_mask():
    for seed in range(5):
        mask = picture(seed=seed)[1]
        others = iv.elsewhere(mask, HEAD, np.random.default_rng(seed), 40)
        assert len(others) == 40 and len(np.unique(others, axis=0)) > 20
        assert not (others & iv.grown(mask, 1)).any()
        inner = np.hypot(y - 32, x - 32) < 26 - 4
        assert ((others & inner).sum((1, 2)) >= (iv.INSIDE - 0.06) * mask.sum()).all()
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


def test_flat_is_one_colour_in_the_mask_alone():
    image, mask = picture()
    out = iv.flat(image, mask, np.array([90, 80, 70]))
    assert (out[~mask] == image[~mask]).all()
    assert (out[mask] == [90, 80, 70]).all()
    assert (image == picture()[0]).all()


def test_step_is_how_much_brighter_the_place_is_than_the_head_around_it():
    flat = np.full((SIDE, SIDE, 3), 100, np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[30:34, 30:34] = True
    flat[mask] = 130
    assert iv.step(flat, mask, HEAD) == 30
    flat[iv.grown(mask, 1) & ~mask] = 0  # the rim itself isn't asked
    assert iv.step(flat, mask, HEAD) == 30
    flat[~iv.grown(mask, 4)] = 0  # nor what lies further
    assert iv.step(flat, mask, HEAD) == 30
    flat[:, :32] = 0
    assert iv.step(flat, mask, HEAD) == pytest.approx(65 - 50, abs=5)
    assert np.isnan(iv.step(flat, mask, mask))


def test_variants_are_each_kind_once_and_elsewhere_as_often_as_there_are_places():
    image, mask = picture()
    others = iv.elsewhere(mask, HEAD, np.random.default_rng(0))
    found = iv.variants(image, mask, HEAD, others)
    counts = {iv.WHOLE: 1} | dict.fromkeys(iv.KINDS, 1) | {iv.elsewhere_kind(k): iv.PLACES for k in iv.KINDS}
    assert pd.Series([kind for kind, _, _ in found]).value_counts().to_dict() == counts
    made = {(kind, place): picture for kind, place, picture in found}
    assert (made[iv.WHOLE, 0] == image).all()
    places = {("", 0): mask, (" elsewhere", 0): others[0], (" elsewhere", 1): others[1]}
    for (suffix, k), place in places.items():
        for kind in (iv.PAINTED, iv.FLAT):
            changed = (made[kind + suffix, k] != image).any(2)
            assert not changed[~place].any() and changed[place].mean() > 0.8
        alone = made[iv.ALONE + suffix, k]
        kept = place | ~HEAD
        assert (alone[kept] == image[kept]).all()
        assert len(np.unique(alone[~kept])) == 1
        if k == 0 and not suffix:
            assert (made[iv.FLAT, 0][mask] == alone[~kept][0]).all()  # one colour for both


def test_the_tumour_does_not_colour_the_head_in_which_something_else_stands_alone():
    """A tumour of another brightness leaves no trace in the picture that it was painted out of."""
    seen = []
    for bright in (0, 160, 255):
        image, mask = picture(bright)
        others = iv.elsewhere(mask, HEAD, np.random.default_rng(0))
        seen.append(
            [
                p
                for kind, _, p in iv.variants(image, mask, HEAD, others)
                if kind == iv.elsewhere_kind(iv.ALONE)
            ]
        )
    assert (np.array(seen) == np.array(seen[0])).all()


def test_borrowed_masks_lie_in_the_head():
    known = np.stack([picture(seed=s)[1] for s in range(4)])
    outside = np.roll(known[:1], 30, 1)
    rng = np.random.default_rng(0)
    every = np.concatenate([outside, known])
    drawn = {iv.borrowed(HEAD, every, rng) for _ in range(40)}
    assert drawn == {1, 2, 3, 4}
    assert iv.borrowed(HEAD, outside, rng) is None
    most = np.zeros((1, SIDE, SIDE), bool)
    most[0, 30, 5:15] = True  # eight of ten in the head
    assert 0.7 < (most & HEAD).sum() / most.sum() < 0.9 and iv.borrowed(HEAD, most, rng) is None


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
        iv.WHOLE: 1, iv.PAINTED: 0, iv.FLAT: 0, iv.ALONE: 1,
        iv.elsewhere_kind(iv.PAINTED): 1, iv.elsewhere_kind(iv.FLAT): 1, iv.elsewhere_kind(iv.ALONE): 0,
    }  # fmt: skip
    assert set(rates(out, 0).values()) == {0}
    right = out["answer"] == out["label"]
    assert (out["probability"] > 0.99).equals(right) and (out["probability"] < 0.01).equals(~right)


def test_a_model_that_goes_by_the_air_is_found():
    """Negative control: the air stays as it is, so nothing changes, whatever is painted over."""
    out = asked(lambda image: image[:3, :3].mean() > 10)
    assert (out.groupby("row")["answer"].nunique() == 1).all()
    assert set(out["answer"]) == {0, 1}


def test_steps_are_of_the_place_that_was_painted_over():
    out = asked(lambda image: True)
    steps = out[out["label"] == 1].groupby("kind")["step"].mean()
    assert steps[iv.WHOLE] > 60  # a bright wedge, with what it is grown by
    assert (
        abs(steps[[iv.PAINTED, iv.elsewhere_kind(iv.PAINTED), iv.FLAT, iv.elsewhere_kind(iv.FLAT)]]).max()
        < 12
    )
    assert steps[[iv.ALONE, iv.elsewhere_kind(iv.ALONE)]].isna().all()
    image, mask = picture()
    image[:, :32] = np.where(HEAD[:, :32, None], 200, 0)  # half of the head is bright
    mask[:] = False
    mask[30:34, 24:30], image[30:34, 24:30] = True, 0
    out = iv.of_model(Sees(np.any), image[None], np.array([1]), mask[None])
    steps = out.groupby("kind")["step"].mean()
    assert steps[iv.WHOLE] < -20 and steps[iv.FLAT] < -20 < steps[iv.PAINTED]


def test_masks_are_borrowed_from_several():
    """Images without a tumour do not all get the same border, or the one of the first."""
    made = [picture(seed=k) for k in range(8)]
    images, masks = (np.stack(part) for part in zip(*made))
    masks[4:] = False
    shown = []

    def keep(image):
        shown.append(image)
        return True

    iv.of_model(Sees(keep), images, (np.arange(8) < 4).astype(int), masks)
    each = len(shown) // 8
    flats = [
        shown[each * k + 1 + 1 + iv.PLACES] for k in range(4, 8)
    ]  # whole, painted and elsewhere go before
    places = [(one != image).any(2) for one, image in zip(flats, images[4:])]
    assert len({place.tobytes() for place in places}) > 1
    grown = [iv.grown(mask) for mask in masks[:4]]
    assert all(any((place <= mask).all() for mask in grown) for place in places)


def test_borders_are_named_by_the_class_they_are_of():
    made = [picture(seed=k) for k in range(6)]
    images, masks = (np.stack(part) for part in zip(*made))
    masks[4:] = False
    out = iv.of_model(Sees(np.any), images, np.array([1, 1, 1, 1, 0, 0]), masks)
    assert (out["border"] == 1).all() and set(out["label"]) == {0, 1}


def test_a_mask_is_grown_before_it_is_painted():
    """What shines just outside the border goes, too."""
    image, mask = picture(100)
    image[iv.grown(mask) & ~mask] = 255
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


def test_compute_draws_places_by_the_seed_of_the_run(demo, monkeypatch):
    record, dataset = demo
    monkeypatch.setattr("gcaf_lib.training.train.load_model", lambda record: Four())
    seeds = []

    def asked(model, images, labels, masks, seed=0):
        seeds.append(seed)
        return pd.DataFrame({"row": [0]}).reindex(columns=iv.COLUMNS[1:])

    monkeypatch.setattr(iv, "of_model", asked)
    known = tumours.masks(dataset, record.settings.data.image_size)
    for seed in (3, 5):
        iv.compute(SimpleNamespace(**{**vars(record), "seed": seed}), dataset, known)
    assert seeds == [3, 5]


class Four:
    def predict_on_batch(self, batch):
        return np.tile([0.0, 1.0, 2.0, 3.0], (len(batch), 1)).astype(np.float32)


def test_read_takes_what_is_committed_with_the_control_and_asks_only_otherwise(demo, tmp_path, monkeypatch):
    record, _ = demo
    line = dict(row=0, label=0, border=0, kind=iv.WHOLE, place=0, answer=0, probability=0.5, step=np.nan)
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
    assert (counts[[iv.WHOLE, *iv.KINDS]] == 1).all(axis=None)
    assert (counts[[iv.elsewhere_kind(kind) for kind in iv.KINDS]] == iv.PLACES).all(axis=None)
    real = table[~table["run"].str.startswith(iv.MARKS)].drop_duplicates("row")
    area = pd.read_csv(results_dir() / "tumours.csv")["area"]
    tumour = real["label"] != CLASSES.index("notumor")
    assert area[real.loc[tumour, "row"]].notna().all()
    assert (~tumour).sum() > 0.98 * 2000


def test_images_that_were_not_asked_have_no_room_elsewhere(real_dataset, figshare_tables):
    """Of the border's shape, grown, no place inside the head."""
    known = tumours.masks(real_dataset, SIDE, figshare_tables)
    left = sorted(set(known) - set(committed()["row"][~committed()["run"].str.startswith(iv.MARKS)]))
    assert 0 < len(left) < 0.03 * len(known)
    room = dict.fromkeys(left, 0) | dict.fromkeys(sorted(set(known) - set(left))[::40], iv.PLACES)
    for row, count in room.items():
        file = real_dataset.root / real_dataset.frame["file"][row]
        image = preprocess.preprocess(file, DataSettings(image_size=SIDE))
        places = iv.elsewhere(iv.grown(known[row]), iv.head_mask(image), np.random.default_rng(0))
        assert len(places) == count, row


# --- what is said ---

ASKED = (iv.WHOLE, *(kind for one in iv.KINDS for kind in (one, iv.elsewhere_kind(one))))


def answers(
    name: str, label: int, count: int, other: int | None = None, border: int | None = None, **right: float
) -> pd.DataFrame:
    """`COLUMNS` of `count` images: the share of each kind that is answered with the class, the rest with another (the next) class."""
    border = (0 if label == 2 else label) if border is None else border
    lines = []
    for kind in ASKED:
        share = right.get(kind.replace(" ", "_"), 1.0)
        for row in range(count):
            hit = row < round(share * count)
            answer = label if hit else (label + 1) % 4 if other is None else other
            lines.append((name, 100 * label + row, label, border, kind, 0, answer, 0.9 if hit else 0.1, 20.0))
    return pd.DataFrame(lines, columns=list(iv.COLUMNS))


def framed(*parts: pd.DataFrame) -> pd.DataFrame:
    return intervention_effects.answers_by_kind(
        pd.concat(parts, ignore_index=True), CLASSES, np.arange(1000) // 2
    )


GLIOMA, MENINGIOMA, NOTUMOR, PITUITARY = range(4)
MARKED = answers("marks 0", 1, 60, painted=0.25, flat=0.25, alone_elsewhere=0.25)
BARE = answers("a", NOTUMOR, 60)


def run(key: str, seed: int = 0, right: tuple[int, ...] = ()) -> SimpleNamespace:
    """A record that was right on rows 0 to 999, but for these; a hundred of each class, by `answers`' rows."""
    rows = np.arange(1000)
    return SimpleNamespace(
        key=key, seed=seed, rows=lambda: rows, right=lambda: ~np.isin(rows, right), labels=lambda: rows // 100
    )


RUN = [run("a")]
IMAGES = pd.DataFrame({"area": np.where(np.arange(1000) // 100 == 2, np.nan, 0.01)})


def words(*parts: pd.DataFrame, runs=RUN, **options) -> str:
    asked = framed(*parts)
    return painted_over.painted_said(intervention_effects.all_effects(asked), asked, runs, IMAGES, **options)


def alone_words(*parts: pd.DataFrame) -> str:
    return tumour_alone.alone_said(intervention_effects.all_effects(framed(*parts)))


def test_effects_are_shares_of_images_and_their_difference():
    frame = framed(answers("a", GLIOMA, 40, painted=0.25, painted_elsewhere=0.9), MARKED)
    found = intervention_effects.effects_by_class(frame, "changed", iv.PAINTED)
    assert list(found.index) == [intervention_effects.CONTROL, "Glioma", intervention_effects.TUMOURS]
    glioma = found.loc["Glioma"]
    shares = [round(glioma[k].value, 6) for k in intervention_effects.PARTS]
    assert shares == [0, 0.75, 0.1, 0.65]
    assert glioma["images"] == 40 and glioma["groups"] == 20
    assert glioma["difference"].low < 0.65 < glioma["difference"].high
    assert found.loc[intervention_effects.CONTROL, "groups"] == 60  # of the control each picture is its own
    assert found.loc[intervention_effects.TUMOURS, "tumour"] == glioma["tumour"]
    assert np.isnan(
        found["beyond"].map(lambda one: one.value).astype(float)
    ).all()  # nothing without a tumour


def test_effects_as_cells_of_a_table():
    ones = [Interval(0.1, 0.05, 0.15), Interval(np.nan, np.nan, np.nan)]
    ones.append(Interval(-0.1, np.nan, np.nan))
    assert intervention_effects.shifts(ones) == ["+10.0 (+5.0 to +15.0)", "–", "−10.0"]
    assert intervention_effects.shifts([]) == []
    names = [
        intervention_effects.CONTROL,
        "Glioma",
        intervention_effects.HEALTHY,
        "Pituitary",
        intervention_effects.TUMOURS,
    ]
    table = pd.DataFrame({"x": range(5)}, index=names)
    assert [(name, one["x"]) for name, one in intervention_effects.tumour_lines(table)] == [
        ("Glioma", 1),
        ("Pituitary", 3),
    ]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.001, 0.1, "not nil"), (0.0, 0.1, "not told from 0"), (-0.1, 0.1, "not told from 0"),
     (-0.1, 0.0, "not told from 0"), (-0.1, -0.001, "not nil"), (np.nan, np.nan, "not told from 0")],
)  # fmt: skip
def test_the_negative_control_is_off_0_to_either_side_or_not_told_from_it(low, high, said):
    one = {"difference": [Interval(9, 8, 10), Interval(0.02, low, high)]}
    table = pd.DataFrame(one, index=[intervention_effects.TUMOURS, intervention_effects.HEALTHY])
    text = intervention_control.negative_control(table)
    assert text.startswith("+2.0 points") and text.endswith(f", {said}")


def test_intervals_of_effects_are_those_of_the_mean_over_groups():
    """Beside the closed form: the standard error of a mean of group means, all of one size."""
    rng = np.random.default_rng(0)
    table = answers("a", GLIOMA, 100)
    hit = np.repeat(rng.random(50) < 0.5, 2)  # both images of a group alike
    table.loc[table["kind"] == iv.PAINTED, "answer"] = np.where(hit, GLIOMA, MENINGIOMA)
    one = intervention_effects.effects_by_class(framed(table), "changed", iv.PAINTED).loc[
        "Glioma", "difference"
    ]
    share = 1 - hit.mean()
    error = np.sqrt(share * (1 - share) / 50)
    assert one.value == pytest.approx(share)
    assert (one.high - one.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.08)


def test_all_that_is_measured_draws_the_groups_once_and_as_each_by_itself(monkeypatch):
    frame = framed(answers("a", GLIOMA, 40, painted=0.25, painted_elsewhere=0.9, flat=0.5), MARKED, BARE)
    drawn, calls = clustered.drawn, []

    def counted(*args):
        calls.append(args)
        return drawn(*args)

    monkeypatch.setattr(clustered, "drawn", counted)
    clustered._times.cache_clear()
    found = intervention_effects.all_effects(frame)
    assert len(calls) == 1
    for kind, value in ((iv.PAINTED, "changed"), (iv.FLAT, "right"), (iv.ALONE, "right")):
        pd.testing.assert_frame_equal(
            found[kind, value], intervention_effects.effects_by_class(frame, value, kind)
        )


def test_beyond_is_the_difference_of_differences_against_no_tumour():
    frame = framed(
        answers("a", GLIOMA, 60, painted=0.5, painted_elsewhere=0.9),
        answers("a", NOTUMOR, 40, painted=0.7, painted_elsewhere=0.8),
        MARKED,
    )
    found = intervention_effects.effects_by_class(frame, "changed", iv.PAINTED)
    beyond = found.loc["Glioma", "beyond"]
    assert beyond.value == pytest.approx(0.4 - 0.1)
    assert found.loc[intervention_effects.TUMOURS, "beyond"] == beyond
    assert np.isnan(found.loc[intervention_effects.HEALTHY, "beyond"].value)
    assert np.isnan(found.loc[intervention_effects.CONTROL, "beyond"].value)
    widths = [
        one.high - one.low
        for one in (beyond, *found.loc[["Glioma", intervention_effects.HEALTHY], "difference"])
    ]
    assert widths[0] == pytest.approx(np.hypot(*widths[1:]), rel=0.1)  # groups apart: variances add


def test_effects_weigh_places_within_an_image():
    table = answers("a", GLIOMA, 10)
    extra = table[table["kind"] == iv.elsewhere_kind(iv.PAINTED)].assign(place=1, answer=1)
    found = intervention_effects.effects_by_class(framed(table, extra), "changed", iv.PAINTED)
    assert found.loc["Glioma", "elsewhere"].value == 0.5 and found.loc["Glioma", "images"] == 10


def test_nothing_is_known_of_the_spread_of_like_values():
    found = intervention_effects.effects_by_class(
        framed(answers("a", GLIOMA, 20, painted=0), BARE), "changed", iv.PAINTED
    )
    glioma = found.loc["Glioma"]
    assert glioma["tumour"].low < 1 and glioma["elsewhere"].high > 0  # of as many trials as groups
    assert np.isnan(glioma["difference"].low) and np.isnan(glioma["beyond"].low)
    assert "none**" not in words(answers("a", GLIOMA, 20, painted=0.5, flat=0.5), BARE, MARKED)
    assert "either fill: none" in words(answers("a", GLIOMA, 20, painted=0, flat=0), BARE, MARKED)


def test_a_kind_that_was_not_asked_has_no_effect():
    table = answers("a", GLIOMA, 20, painted=0.5)
    found = intervention_effects.all_effects(framed(table[~table["kind"].str.startswith(iv.FLAT)], MARKED))
    assert np.isnan(found[iv.FLAT, "changed"].loc["Glioma", "tumour"].value)
    assert found[iv.PAINTED, "changed"].loc["Glioma", "tumour"].value == 0.5
    painted_over.painted_table(found)


def test_all_tumours_leave_no_tumour_and_the_control_out():
    healthy = answers("a", NOTUMOR, 30, painted=0.5)
    found = intervention_effects.effects_by_class(
        framed(answers("a", GLIOMA, 20), healthy, MARKED), "changed", iv.PAINTED
    )
    assert (
        found.loc[intervention_effects.TUMOURS, "images"] == 20
        and found.loc[intervention_effects.HEALTHY, "tumour"].value == 0.5
    )
    assert (
        intervention_effects.TUMOURS
        not in intervention_effects.effects_by_class(framed(healthy), "changed", iv.PAINTED).index
    )


def test_the_answer_no_tumour_is_counted_of_runs_alone():
    frame = framed(
        answers("a", MENINGIOMA, 20, painted=0.4, painted_elsewhere=0.9),  # the next class is no tumour
        answers("a", NOTUMOR, 20),
        answers("marks 0", MENINGIOMA, 20, painted=0.0),
    )
    found = intervention_effects.effects_by_class(frame, intervention_effects.HEALTHY, iv.PAINTED)
    line = found.loc["Meningioma"]
    assert [one.value for one in line[["whole", "tumour", "elsewhere"]]] == pytest.approx([0, 0.6, 0.1])
    assert found.loc[intervention_effects.HEALTHY, "tumour"].value == 1
    assert np.isnan(found.loc[intervention_effects.CONTROL, "tumour"].value)


def test_words_rest_on_the_positive_control_by_both_fills():
    tumour = answers("a", GLIOMA, 60, painted=0.3, flat=0.3)
    good = words(tumour, MARKED, BARE)
    assert (
        "1 model of the marks: without the mark 25.0% of their answers are right (flat: 25.0%; guessing: 25.0%), "
        "without as much elsewhere 100.0% (flat: 100.0%): the removal works" in good
    )
    one = "(without the mark right or wrong alike in {}% of them): this is one control, not three."
    assert one.format("100.0") in good
    other = answers(
        "marks 0", 1, 60, painted=0.25, flat=0.2, alone_elsewhere=0.25
    )  # three of sixty otherwise
    assert one.format("95.0") in words(tumour, other, BARE)
    assert "still right with the tumour painted over: glioma 30.0% (" in good
    assert "; elsewhere 100.0%), flat 30.0% (elsewhere 100.0%), of 60.**" in good
    fine = dict(painted=0.25, flat=0.25)
    for wrong in (
        dict(painted=0.4), dict(flat=0.4), dict(painted_elsewhere=0.9), dict(flat_elsewhere=0.9)
    ):  # fmt: skip
        bad = words(tumour, answers("marks 0", 1, 60, **(fine | wrong)), BARE)
        assert "nothing is concluded" in bad and "still right" not in bad and "either fill" not in bad
        assert "one control" not in bad
    none = words(tumour, BARE)
    assert "No positive control" in none and "still right" not in none
    assert "Nothing was asked" in words(MARKED)


def test_words_tell_what_is_still_right_of_what_was_right():
    """Answers that were wrong as it is do not count, and what is called no tumour is so with the tumour painted over."""
    table = answers(
        "a", MENINGIOMA, 60, whole=0.5, painted=0.75, flat=0.25, painted_elsewhere=0.1, flat_elsewhere=0.4
    )
    text = words(table, MARKED, BARE)
    assert (
        "meningioma 100.0% (" in text and "; elsewhere 20.0%), flat 50.0% (elsewhere 80.0%), of 30.**" in text
    )
    assert "25.0% of the tumour images asked are then called *no tumour*; as they are, 50.0% (of " in text


def test_a_class_changes_for_its_tumour_only_beyond_no_tumour_and_by_either_fill():
    hangs = "**Classes in which painting the tumour over changes more answers, beyond both controls and by either fill: "
    glioma = answers("a", GLIOMA, 60, painted=0.5, flat=0.5)
    text = words(glioma, answers("a", MENINGIOMA, 60), MARKED, BARE)
    looked = "This looks at {} intervals of 95% (both differences, by both fills, of {} of the classes), "
    assert hangs + "1 (glioma).** " + looked.format(8, 2) in text
    assert "only where all 4 of its own lie above 0" in text
    assert looked.format(4, 1) in words(glioma, MARKED, BARE)
    assert "glioma +50.0 points (" in text and "(+0.0 points" not in text
    one_fill = answers("a", GLIOMA, 60, painted=0.5)
    assert hangs + "none.**" in words(one_fill, MARKED, BARE)
    other_fill = answers("a", GLIOMA, 60, flat=0.5)
    assert hangs + "none.**" in words(other_fill, MARKED, BARE)
    as_without = answers("a", NOTUMOR, 60, painted=0.5, flat=0.5)  # a place does it, not a tumour
    text = words(glioma, MARKED, as_without)
    assert hangs + "none.**" in text
    assert text.count("of all classes painted +50.0 points (") == text.count("; flat +50.0 points (") == 1
    assert text.count("), not nil") == 2
    by_flat = words(glioma, MARKED, answers("a", NOTUMOR, 60, flat=0.5))
    assert "of all classes painted 0.0 points" in by_flat and by_flat.count(", not told from 0; flat") == 1
    assert by_flat.count("), not nil): glioma") == 1
    other_border = answers("a", NOTUMOR, 60, border=MENINGIOMA, painted=0.5, flat=0.5)
    text = words(glioma, MARKED, BARE, other_border.assign(row=other_border["row"] + 60))
    assert hangs + "1 (glioma).**" in text, "borders of other classes are no control of this one"
    few = answers("a", GLIOMA, 60, painted=1 - 2 / 60, flat=1 - 2 / 60)  # 3.3 points more, from 0 to 8
    assert hangs + "none.**" in words(few, MARKED, BARE)
    healing = answers("a", NOTUMOR, 60, painted_elsewhere=0.5, flat_elsewhere=0.5)  # less at the border
    same = answers("a", GLIOMA, 60, painted=0.5, flat=0.5, painted_elsewhere=0.5, flat_elsewhere=0.5)
    assert hangs + "none.**" in words(same, MARKED, healing)
    elsewhere = answers("a", GLIOMA, 60, painted=0.5, flat=0.5, painted_elsewhere=0.5, flat_elsewhere=0.5)
    assert hangs + "none.**" in words(elsewhere, MARKED, BARE)
    assert "nothing is said by class" in words(glioma, MARKED)


def test_words_tell_the_spread_over_runs():
    text = words(
        answers("a", GLIOMA, 20, painted=0.9), answers("b", GLIOMA, 20, painted=0.4), BARE, MARKED,
        runs=[run("a"), run("b", 1)],
    )  # fmt: skip
    assert "(before either is subtracted, painted: 10.0% to 60.0% over runs)" in text
    assert "before either" not in words(answers("a", GLIOMA, 20, painted=0.9), BARE, MARKED)


def test_words_tell_where_right_answers_turn_to():
    wrong = answers(
        "a", GLIOMA, 20, MENINGIOMA, whole=0.5, painted=0.5
    )  # ten wrong ones turn to another wrong class
    wrong.loc[(wrong["kind"] == iv.PAINTED) & (wrong["answer"] == MENINGIOMA), "answer"] = PITUITARY
    text = words(
        answers("a", MENINGIOMA, 20, GLIOMA, whole=0.9, painted=0.5, flat=0.8, alone_elsewhere=0),
        answers("a", PITUITARY, 20, NOTUMOR, painted=0.25, alone_elsewhere=0.5),
        wrong, BARE, MARKED,
    )  # fmt: skip
    assert (
        "most of them: meningioma, painted, 100.0% of 8 to glioma; meningioma, flat, 100.0% of 2 to glioma; "
        "pituitary, painted, 100.0% of 15 to no tumour." in text
    )
    # answers to a piece that is no tumour: glioma 40 of 120, pituitary 10, no tumour 70
    assert "is named no tumour in 58.3% (58.3% to 58.3% over runs)" in text
    assert painted_over._turned_to(framed(MARKED)) == ""


def test_words_tell_how_the_fill_stands_out():
    table = answers("a", GLIOMA, 20)
    steps = {
        iv.WHOLE: 51,
        iv.PAINTED: -8,
        iv.elsewhere_kind(iv.PAINTED): 2,
        iv.FLAT: 7,
        iv.elsewhere_kind(iv.FLAT): 1,
    }
    table["step"] = table["kind"].map(steps)
    text = words(table, BARE, MARKED)
    assert (
        "as it is: glioma +51; after it (in brackets elsewhere), painted: glioma −8 (+2); flat: glioma +7 (+1)."
        in text
    )
    assert "not the tissue around the tumour" in text and "a limit of all differences here" in text


def test_words_name_the_runs_and_that_phantoms_are_none():
    text = words(answers("a", GLIOMA, 20), MARKED, phantoms=True)
    assert (
        "Asked: 1 run (1 seed), whose answers to whole images are right or wrong as on record; "
        "of the test images with a border or without a tumour 20 of 100 glioma, 0 of 100 meningioma, 0 of 100 no tumour, 0 of 100 pituitary, the others having no room elsewhere "
        "(tumours left out take up 1.0% of the image in the median, those asked 1.0%)."
        in text
        and "variation between seeds" in text
        and "phantoms" in text
    )
    two = [*RUN, run("b", 1, (3, 500)), run("unasked", 2)]
    text = words(answers("a", GLIOMA, 20), answers("b", GLIOMA, 20), MARKED, runs=two)
    assert (
        "Asked: 2 runs (2 seeds), whose answers to whole images are right or wrong as on record but for 1 of 40; "
        "of the test images with a border or without a tumour 40 of 200 glioma" in text
    )
    assert "variation between seeds" not in text


def test_words_tell_how_large_the_tumours_are_that_were_not_asked():
    rows, asked = np.arange(1000), framed(answers("a", GLIOMA, 20), MARKED)
    found = intervention_effects.all_effects(asked)
    area = np.where(rows // 100 == NOTUMOR, np.nan, np.where(rows < 20, 0.02, 0.07))

    def text(area, record=RUN[0]) -> str:
        return painted_over.painted_said(found, asked, [record], pd.DataFrame({"area": area}))

    left = "no room elsewhere (tumours left out take up {}% of the image in the median, those asked 2.0%{})."
    assert left.format("7.0", ": of large tumours less is known") in text(area)
    assert left.format("1.0", "") in text(np.where(rows < 20, area, area / 7))
    few = SimpleNamespace(key="a", seed=0, **{k: lambda v=v: v[:20] for k, v in (
        ("rows", rows), ("labels", rows // 100), ("right", rows >= 0)
    )})  # fmt: skip
    assert "20 of 20 glioma" in text(area, few) and "no room elsewhere. " in text(area, few)


def test_alone_words_say_where_the_tumour_tells_more_than_the_rest():
    parts = [
        answers("a", GLIOMA, 60, alone=1, alone_elsewhere=1),
        answers("a", MENINGIOMA, 60, alone=0.6, alone_elsewhere=0.1),
        BARE,
        answers("a", NOTUMOR, 30, border=MENINGIOMA).assign(row=lambda t: t["row"] + 60),
    ]
    text = alone_words(*parts, MARKED)
    assert "Of marks alone, 100.0% are named rightly, of as much elsewhere 25.0%" in text
    assert (
        "glioma 100.0% (0.0 points beside as much elsewhere, 0.0 points beyond no tumour: no difference shown)"
        in text
    )
    assert "meningioma 60.0% (+50.0 points (" in text and "beyond no tumour: more)" in text
    assert "borrowed place minus elsewhere 0.0 points, not told from 0. Named" in text
    assert "rests on its interval beyond no tumour (2 of 95%, not corrected for their number)" in text
    bare = answers("a", NOTUMOR, 60, border=MENINGIOMA, alone=0.6, alone_elsewhere=0.1)
    assert "beyond no tumour: more)" not in alone_words(*parts[:2], bare, MARKED)
    assert "), not nil. Named" in alone_words(
        *parts[:2], bare.assign(answer=bare["answer"].where(bare["kind"] != iv.ALONE, NOTUMOR)), MARKED
    )
    for wrong in (dict(alone=0.9, alone_elsewhere=0.25), dict(alone_elsewhere=0.5)):
        bad = alone_words(*parts, answers("marks 0", 1, 60, **wrong))
        assert "nothing is concluded" in bad and "glioma" not in bad
    assert alone_words(*parts) == "" == alone_words(MARKED)


def test_tables_and_pictures_of_nothing_and_of_something():
    asked = framed(answers("a", GLIOMA, 20, painted=0.5), MARKED)
    found = intervention_effects.all_effects(asked)
    pictures = np.arange(asked["row"].max() + 1) // 4
    told = intervention_effects.asked_said(found, asked, [run("a"), run("unasked", 2)], pictures)
    assert told == (
        "Asked of 1 run (1 seed): Glioma 20 images (5 pictures, 10 groups); "
        f"{intervention_effects.CONTROL}, of 1 model made for it: 60 images (60 groups)."
    )
    assert list(painted_over.painted_table(found)["Class"]) == [
        intervention_effects.CONTROL,
        "Glioma",
        intervention_effects.TUMOURS,
    ]
    assert (
        painted_over.painted_table(found).shape[1] == 10 and len(painted_over.RIGHT) == 4
    )  # a phone holds no more
    assert painted_over.painted_table(found)[painted_over.RIGHT].iloc[1, 2].startswith("50.0 (")
    alone = tumour_alone.alone_table(found)
    assert (
        alone["Tumour alone"].str.contains("100.0").all()
        and list(alone[intervention_effects.COMPARED[1]]) == ["–"] * 3
    )
    assert len(painting.effect_panels(found[iv.PAINTED, "changed"], found[iv.ALONE, "right"]).axes) == 2
    empty = intervention_effects.all_effects(framed(MARKED.iloc[:0]))
    assert (
        painted_over.painted_table(empty)[painted_over.RIGHT].empty and tumour_alone.alone_table(empty).empty
    )
    assert painted_over.changed_table(empty).empty
    assert isinstance(painting.effect_panels(empty[iv.PAINTED, "changed"], empty[iv.ALONE, "right"]), Note)
    assert isinstance(painting.examples({}), Note)


def test_changed_table_holds_both_differences_by_both_fills():
    table = painted_over.changed_table(
        intervention_effects.all_effects(
            framed(
                answers("a", GLIOMA, 60, painted=0.5, painted_elsewhere=0.9, flat=0.4),
                answers("a", NOTUMOR, 60, painted=0.8, flat=0.7),
            )
        )
    ).set_index("Class, fill")
    assert list(table.index) == [f"{name}, {kind}" for name in ("Glioma", "No tumour", "All tumours") for kind in (iv.PAINTED, iv.FLAT)]  # fmt: skip
    cells = table.map(lambda cell: cell.split(" (")[0])
    assert cells.loc["Glioma, painted"].tolist() == ["+40.0", "+20.0"]
    assert cells.loc["Glioma, flat"].tolist() == ["+60.0", "+30.0"]
    assert cells.loc["No tumour, flat"].tolist() == ["+30.0", "–"]


def test_examples_are_of_every_class_with_borders(demo):
    record, dataset = demo
    data = record.settings.data
    small = np.zeros((len(dataset.frame), data.image_size, data.image_size, 3), np.uint8) + 90
    found = intervention_effects.example_pictures(dataset, data, tumours.read_images(dataset), small)
    assert set(found) == {"Glioma", "Meningioma", "Pituitary"}
    assert all(len(kinds) == 7 for kinds in found.values())
    assert len(painting.examples(found).axes) == 21
    nowhere = SimpleNamespace(frame=dataset.frame, root=None, banner=None)
    assert intervention_effects.example_pictures(nowhere, data, tumours.read_images(dataset), small) == {}


def test_examples_are_the_tumours_of_middle_size(demo):
    record, dataset = demo
    data, label = record.settings.data, dataset.frame["label"].to_numpy(int)
    small = np.zeros((len(label), data.image_size, data.image_size, 3), np.uint8) + 90
    small[:, 0, 0, 0], small[:, 0, 0, 1] = np.divmod(np.arange(len(label)), 256)  # which picture it is
    area, middle = tumours.read_images(dataset)["area"].to_numpy(copy=True), {}
    for k in (GLIOMA, MENINGIOMA, PITUITARY):
        rows = np.flatnonzero((label == k) & np.isfinite(area))
        area[rows[3:]] = np.nan
        area[rows[:3]] = np.roll([0.1, 0.2, 0.9], k)
        middle[CLASSES[k]] = rows[(1 + k) % 3]
    assert len(set(middle.values())) == 3
    found = intervention_effects.example_pictures(dataset, data, pd.DataFrame({"area": area}), small)
    shown = {name: pictures[iv.WHOLE][0, 0].astype(int) @ [256, 1, 0] for name, pictures in found.items()}
    assert shown == {name.capitalize(): row for name, row in middle.items()}
