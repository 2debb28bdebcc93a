"""Splits: the committed manifests and the promise that no group straddles parts."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from gcaf_lib.data import figshare, keypoints, splits, thumbnails, twins
from gcaf_lib.data.dataset import DataError, Dataset, data_hash, published_index
from gcaf_lib.settings import CLASSES, PROTOCOLS, DataSettings, Settings
from gcaf_lib.training.task import Task

TABLE2 = {  # the paper's Table 2: train, validation, test
    "glioma": (1297, 162, 162),
    "meningioma": (1316, 164, 165),
    "notumor": (1600, 200, 200),
    "pituitary": (1405, 176, 176),
}
GROUPED = ("bytes", "twins", "patients")


@pytest.fixture(scope="module")
def published() -> Dataset:
    """The real dataset without its images: what a reader has who only checked the project out."""
    frame = published_index()
    return Dataset(None, frame, data_hash(frame))


def straddling(frame: pd.DataFrame, keys=None) -> int:
    """Number of groups with files in more than one part (or fold); keys in place of the own groups."""
    kind = "fold" if "fold" in frame else "part"
    groups = frame["group"] if keys is None else pd.Series(keys)
    return int((frame[kind].groupby(groups).nunique() > 1).sum())


def counts(frame, labels, part):
    return tuple(np.bincount(labels[frame["part"] == part], minlength=4))


# --- the committed manifests ---


@pytest.mark.parametrize("name", splits.MANIFESTS)
def test_committed_manifest_is_whole_and_of_the_published_data(published, name):
    path = splits.folder() / f"{name}.csv"
    frame, about = splits.read(name, published)
    kind = "fold" if name == splits.FIVEFOLD else "part"
    assert pd.read_csv(path, nrows=0).columns.tolist() == ["file", kind, "group"]
    assert frame["file"].tolist() == published.frame["file"].tolist()
    assert about["data_hash"] == published.hash and about["split_hash"] == splits.hash(frame)
    assert about["seed"] == splits.SEED and about["protocol"] == name
    assert about["thresholds"] == [twins.THRESHOLD, twins.DOUBT, keypoints.THRESHOLD]
    assert sorted(frame["group"].unique()) == list(range(frame["group"].nunique()))


@pytest.mark.parametrize("name", splits.MANIFESTS)
def test_committed_parts_follow_from_the_published_index_and_the_groups(published, name):
    """No image is needed: the groups' own numbers are those that they would be given again."""
    frame, about = splits.read(name, published)
    fresh = splits.manifest(name, published.frame, frame["group"].to_numpy())
    assert splits.hash(fresh) == about["split_hash"]


def test_clusters_are_the_patients_whatever_the_protocol(published):
    frame, _ = splits.read("patients", published)
    assert splits.clusters(published).tolist() == frame["group"].tolist()


@pytest.mark.parametrize("name", splits.MANIFESTS)
def test_no_group_straddles(published, name):
    frame, _ = splits.read(name, published)
    assert straddling(frame) == 0
    if name in (*GROUPED, splits.FIVEFOLD):
        assert straddling(frame, published.frame["sha256"].to_numpy()) == 0  # identical files at least


def test_groups_grow_from_rung_to_rung(published):
    """Files that share a group on one rung share it on all later ones."""
    last = published.frame["sha256"].to_numpy()
    for name in GROUPED:
        frame, _ = splits.read(name, published)
        assert (frame["group"].groupby(last).nunique() == 1).all()
        assert frame["group"].nunique() <= len(np.unique(last))
        last = frame["group"].to_numpy()
    folds, _ = splits.read(splits.FIVEFOLD, published)
    assert (folds["group"].to_numpy() == last).all()


def test_paper_has_the_counts_of_table_2(published):
    frame = splits.load(DataSettings(protocol="paper"), published)
    labels = published.frame["label"].to_numpy()
    for name, want in TABLE2.items():
        mine = frame[labels == CLASSES.index(name)]
        assert tuple((mine["part"] == part).sum() for part in splits.PARTS) == want
        assert splits.paper_counts(sum(want)) == want
    assert [(frame["part"] == part).sum() for part in splits.PARTS] == [5618, 702, 703]


def test_official_keeps_kaggles_test_folder(published):
    frame = splits.load(DataSettings(protocol="official"), published)
    assert ((frame["part"] == "test") == (published.frame["folder"] == "Testing")).all()
    labels = published.frame["label"].to_numpy()
    assert counts(frame, labels, "validation") == (132, 134, 159, 146)  # a tenth of Training, class by class


@pytest.mark.parametrize("name", GROUPED)
def test_grouped_splits_keep_the_size_and_the_mix_of_the_paper(published, name):
    frame = splits.load(DataSettings(protocol=name), published)
    labels = published.frame["label"].to_numpy()
    for part, row in zip(splits.PARTS, np.array(list(TABLE2.values())).T):
        assert np.abs(np.array(counts(frame, labels, part)) - row).max() <= 3


def test_five_folds_test_every_file_once(published):
    tested = np.zeros(len(published.frame), int)
    labels = published.frame["label"].to_numpy()
    for fold in range(splits.FOLDS):
        frame = splits.load(DataSettings(protocol="patients", fold=fold), published)
        tested += frame["part"] == "test"
        assert straddling(frame) == 0
        held = (frame["part"] == "validation").sum() / (frame["part"] != "test").sum()
        assert held == pytest.approx(1 / 8, abs=0.01)
        assert min(counts(frame, labels, part)[k] for part in splits.PARTS for k in range(4)) > 100
    assert (tested == 1).all()


def test_three_class_track_leaves_notumor_out(published):
    chosen = ("glioma", "meningioma", "pituitary")
    full = splits.load(DataSettings(protocol="patients"), published)
    frame = splits.load(DataSettings(protocol="patients", classes=chosen), published)
    out = published.frame["label"] == CLASSES.index("notumor")
    assert (frame["part"][out] == "").all()
    assert (frame["part"][~out] == full["part"][~out]).all()
    assert splits.hash(frame) != splits.hash(full)


def test_a_task_numbers_labels_by_its_own_classes(published):
    chosen = ("pituitary", "glioma")
    data = DataSettings(protocol="patients", classes=chosen)
    work = Task(Settings(data=data), published, splits.load(data, published))
    for name in splits.PARTS:
        part = work.part(name)
        names = published.frame["file"].to_numpy()[part.rows]
        assert [chosen[label] for label in part.labels] == [file.split("/")[1] for file in names]


def test_group_numbers_tell_nothing(published):
    """Neither a figshare or patient number nor the order of the files can be read off the groups."""
    for name in splits.MANIFESTS:
        frame, _ = splits.read(name, published)
        first = frame.drop_duplicates("group")["group"].to_numpy()
        assert abs(np.corrcoef(first, np.arange(len(first)))[0, 1]) < 0.12


def test_manifest_of_other_data_or_altered_is_refused(published, tmp_path):
    other = Dataset(None, published.frame, "0" * 12)
    with pytest.raises(DataError, match="gcaf data check"):
        splits.load(DataSettings(protocol="paper"), other)
    frame, _ = splits.read("paper", published)
    path = splits.write("paper", frame, published, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["paper.csv", "paper.json"]
    path.write_text(path.read_text().replace(",test,", ",train,", 1))
    with pytest.raises(DataError, match="altered"):
        splits.read("paper", published, tmp_path)
    with pytest.raises(DataError, match="no split manifest"):
        splits.read("twins", published, tmp_path)


def test_another_scikit_learn_cannot_silently_change_a_fold(published, monkeypatch):
    real = splits.fold_numbers
    monkeypatch.setattr(splits, "fold_numbers", lambda *a: np.roll(real(*a), 1))
    with pytest.raises(DataError, match=r"constraints\.txt"):
        splits.load(DataSettings(protocol="patients", fold=0), published)


@pytest.mark.parametrize("part", splits.PARTS)
def test_an_empty_part_is_refused(published, monkeypatch, part):
    real = splits.read

    def emptied(*arguments):
        frame, about = real(*arguments)
        return frame.replace({"part": {part: "test" if part == "train" else "train"}}), about

    monkeypatch.setattr(splits, "read", emptied)
    with pytest.raises(DataError, match=f"the {part} part of paper is empty"):
        splits.load(DataSettings(protocol="paper"), published)


def test_fold_goes_with_patients_only(published):
    with pytest.raises(DataError, match="protocol=patients"):
        splits.load(DataSettings(protocol="paper", fold=1), published)


def test_summary_counts_groups_and_patients(published):
    frame, _ = splits.read("patients", published)
    labels = published.frame["label"].to_numpy()
    table = splits.summary(frame, labels, frame["group"].to_numpy())
    assert table["files"].sum() == 7023 and len(table) == 12
    assert (table["groups"] == table["patients"]).all() and (table["groups"] >= 5).all()
    assert table["part"].unique().tolist() == list(splits.PARTS)


# --- the rules, on made-up data ---


def made_up(sizes, rng):
    labels = np.repeat(np.arange(4), sizes)
    names = [f"Training/{CLASSES[label]}/{row}.jpg" for row, label in enumerate(labels)]
    folders = np.where(rng.random(len(labels)) < 0.8, "Training", "Testing")
    sha = [f"{number:03d}" for number in rng.integers(0, max(len(labels) * 3 // 4, 1), len(labels))]
    return pd.DataFrame({"file": names, "folder": folders, "label": labels, "sha256": sha})


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(20, 60), min_size=4, max_size=4),
    st.integers(25, 120),
    st.sampled_from(splits.MANIFESTS),
)
def test_no_random_group_straddles(seed, sizes, many, protocol):
    rng = np.random.default_rng(seed)
    frame = made_up(sizes, rng)
    keys = rng.integers(0, many, len(frame))
    out = splits.manifest(protocol, frame, keys, seed % 1000)
    assert out["file"].tolist() == frame["file"].tolist()
    assert straddling(out) == 0
    same = {"bytes": frame["sha256"].to_numpy(), "official": None, "paper": None}.get(protocol, keys)
    if same is not None:
        assert straddling(out, same) == 0
        assert (
            pd.DataFrame({"a": out["group"], "b": same}).drop_duplicates().shape[0] == out["group"].nunique()
        )
    if protocol == splits.FIVEFOLD:
        for fold in range(splits.FOLDS):
            assert straddling(splits.of_fold(out, frame["label"].to_numpy(), fold)) == 0


@settings(deadline=None)
@given(st.integers(0, 100_000))
def test_paper_counts_are_tenths_rounded_both_ways(size):
    train, validation, test = splits.paper_counts(size)
    assert train + validation + test == size
    assert abs(10 * test - size) <= 5 and abs(10 * validation - size) <= 5
    assert test - validation == (1 if size % 10 == 5 else 0)


def test_two_stratified_calls_give_table_2_too():
    """So the rounding of `paper_counts` is no finding of ours."""
    sizes = [sum(counts) for counts in TABLE2.values()]
    labels = np.repeat(range(4), sizes)
    train, rest = train_test_split(labels, test_size=0.2, stratify=labels, random_state=0)
    parts = train, *train_test_split(rest, test_size=0.5, stratify=rest, random_state=0)
    assert list(zip(*(np.bincount(part) for part in parts))) == list(TABLE2.values())


@pytest.mark.parametrize("protocol", splits.MANIFESTS)
def test_same_seed_same_split_other_seed_another(protocol):
    frame = made_up([40, 40, 40, 40], np.random.default_rng(0))
    keys = np.random.default_rng(1).integers(0, 80, len(frame))
    one, again, other = (splits.manifest(protocol, frame, keys, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one, again)
    assert splits.hash(one) == splits.hash(again) != splits.hash(other)
    assert splits.hash(one.sample(frac=1, random_state=0)) == splits.hash(one)  # rows' order is not content


def test_too_few_groups_and_unknown_protocols_are_told():
    frame = made_up([20, 20, 20, 20], np.random.default_rng(0))
    with pytest.raises(DataError, match="too few for 10 folds"):
        splits.manifest("patients", frame, np.zeros(len(frame)))
    with pytest.raises(DataError, match="needs groups"):
        splits.manifest("twins", frame)
    with pytest.raises(DataError, match="unknown protocol"):
        splits.manifest("random", frame)


# --- phantoms and the real images ---


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_phantoms_are_split_on_the_fly(phantom_dataset, protocol):
    data = DataSettings(source="phantom", protocol=protocol)
    frame = splits.load(data, phantom_dataset)
    pd.testing.assert_frame_equal(frame, splits.load(data, phantom_dataset))
    assert straddling(frame) == 0 and set(frame["part"]) == set(splits.PARTS)
    if protocol == "patients":
        table = pd.read_csv(phantom_dataset.root / "patients.csv", dtype=str).set_index("file")["patient"]
        assert straddling(frame, table.loc[frame["file"]].to_numpy()) == 0


def test_phantom_fold(phantom_dataset):
    data = DataSettings(source="phantom", protocol="patients", fold=2)
    assert straddling(splits.load(data, phantom_dataset)) == 0
    assert len(splits.clusters(phantom_dataset)) == len(phantom_dataset.frame)


@pytest.fixture
def phantom_dataset(phantom_root):
    from gcaf_lib.data.dataset import index

    frame = index(phantom_root)
    return Dataset(phantom_root, frame, data_hash(frame), banner="PHANTOM DATA")


def test_committed_manifests_follow_from_the_images(
    real_dataset, real_pairs, figshare_tables, keypoints_from_the_table
):
    follow(real_dataset, figshare_tables)


@pytest.mark.slow
def test_committed_manifests_follow_from_the_images_with_keypoints(real_dataset, figshare_tables):
    follow(real_dataset, figshare_tables)


def follow(dataset, figshare_tables):
    keys = splits.group_keys(dataset, figshare_tables)
    for name in splits.MANIFESTS:
        fresh = splits.manifest(name, dataset.frame, keys["twins" if name == "twins" else "patients"])
        about = json.loads((splits.folder() / f"{name}.json").read_text())
        assert splits.hash(fresh) == about["split_hash"], name


def test_no_figshare_patient_straddles(real_dataset, figshare_tables):
    """Straight from the published tables, without the code that made the groups."""
    dataset = real_dataset
    patients = pd.read_csv(figshare_tables / "patients.csv", dtype=str).set_index("figshare_id")
    ready = pd.read_csv(figshare_tables / "twins.csv", dtype=str).set_index("file")["figshare_id"]
    ids = dataset.frame["file"].map(ready)
    for name in ("patients", splits.FIVEFOLD):
        frame, _ = splits.read(name, dataset)
        for column in ("pid", "group"):
            assert straddling(frame, ids.map(patients[column]).to_numpy()) == 0
    frame, _ = splits.read("twins", dataset)
    assert straddling(frame, ids.to_numpy()) == 0  # no slice, plain or mirrored, on both sides
    found = figshare.match(dataset.frame, thumbnails.thumbnails(dataset), figshare.read(figshare_tables))
    assert len(found) == ids.notna().sum()
