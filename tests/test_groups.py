"""The groups as data: what they say, that they are today's, their description, and the page's three examples."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.book import datasheet
from gcaf_lib.data import groups, twins
from gcaf_lib.data.decode import grey

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "use_splits.md"
SNIPPETS = dict(re.findall(r"^## With (\S+)$.*?^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S))


@pytest.fixture(scope="module")
def table():
    return groups.load()


def test_the_committed_table_is_made_of_todays_splits(table):
    pd.testing.assert_frame_equal(table, groups.build(), check_dtype=False)
    written = groups.PATH.read_bytes()
    assert json.loads(groups.DESCRIPTION.read_text()) == json.loads(json.dumps(groups.croissant(written)))


def test_what_the_columns_promise_holds(table):
    assert list(table.columns) == list(groups.COLUMNS)
    # identical bytes are one picture, a picture is of one patient, a patient in one part and one fold
    for inner, outer in [
        ("sha256", "picture"),
        ("picture", "patient"),
        ("patient", "part"),
        ("patient", "fold"),
    ]:
        assert table.groupby(inner)[outer].nunique().max() == 1, (inner, outer)
    again = table[table["redundant_with"] != ""]
    sha = table.set_index("file")["sha256"]
    assert (sha[again["redundant_with"]].to_numpy() == again["sha256"].to_numpy()).all()
    assert len(again) == len(table) - table["sha256"].nunique()
    doubt = table[table["label_doubt"].str.startswith("figshare labels")]
    assert set(doubt["class"]) == {"pituitary"} and (doubt["source"] != "unknown").all()
    assert table["part"].value_counts(normalize=True)["test"] == pytest.approx(0.1, abs=0.01)


def test_persons_known_to_stand_in_two_groups_are_said(table):
    """By eye; the splits keep their groups apart, and the page and the datasheet say the same of it."""
    twice = groups.persons()
    assert not twice["group"].duplicated().any() and set(twice["group"]) <= set(table["patient"])
    assert twice.groupby("person")["group"].agg(["min", "size"]).eval("min == person and size > 1").all()
    assert table.groupby("patient")["person"].nunique().max() == 1
    joined = table[table["person"].isin(twice["person"])]
    assert (table["person"] != table["patient"]).sum() == (joined["person"] != joined["patient"]).sum() > 0
    assert joined.groupby("person")["class"].nunique().max() == 1, "a person has one diagnosis here"
    parted = {
        column: joined.groupby("person").filter(lambda own, column=column: own[column].nunique() > 1)
        for column in ("fold", "part")
    }
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert twice["person"].nunique() == 12 and page.count("Twelve persons stand in two groups or more") == 1
    folds, parts = ((own["person"].nunique(), len(own)) for own in parted.values())
    assert (
        f"{folds[0]} of them ({folds[1]} files) stand in two folds or more, {parts[0]} ({parts[1]} files) in two parts"
        in page
    )
    assert datasheet.persons_twice(table) == (
        f"12 ({len(twice)} groups, {len(joined)} files); {folds[0]} of them in two folds or more ({folds[1]} files); "
        f"{parts[0]} of them in two parts of `part` or more ({parts[1]} files)"
    )


def test_no_bar_joined_those_persons(real_data, table):
    """Two of them measured: they look less alike than any pair that the groups are made of."""
    for left, right, similarity in ((325, 481, 0.61), (252, 257, 0.58)):
        some = table[table["patient"].isin((left, right))].drop_duplicates("sha256").reset_index(drop=True)
        looks = np.stack([twins.looks(grey(real_data / file)) for file in some["file"]])
        pairs = twins.compare(looks, 0.5, progress=False)
        apart = some["patient"][pairs["left"]].to_numpy() != some["patient"][pairs["right"]].to_numpy()
        assert pairs.loc[apart, "similarity"].max() == pytest.approx(similarity, abs=0.01)
        assert similarity < twins.DOUBT


def test_croissant_is_valid_and_reads_the_table(table):
    mlcroissant = pytest.importorskip(
        "mlcroissant", reason="validates the description: pip install mlcroissant"
    )
    dataset = mlcroissant.Dataset(str(groups.DESCRIPTION))
    assert not dataset.metadata.issues.errors and not dataset.metadata.issues.warnings
    rows = list(dataset.records("files"))
    assert len(rows) == len(table)
    row = rows[17]
    assert row["files/file"].decode() == table["file"][17] and row["files/patient"] == table["patient"][17]
    about = json.loads(groups.DESCRIPTION.read_text())
    (file,) = about["distribution"]
    assert file["sha256"] == hashlib.sha256(groups.PATH.read_bytes()).hexdigest()
    assert about["version"] == groups.VERSION and "creativecommons.org/licenses/by" in about["license"]


def test_citation_names_the_table():
    text = (ROOT / "CITATION.cff").read_text()
    assert json.loads(groups.DESCRIPTION.read_text())["name"] in text
    assert f"version: {groups.VERSION}" in text


def test_nothing_heavy_is_imported():
    code = (
        "import sys, gcaf_lib.data.groups as g; light = set(sys.modules); t = g.load();"
        "print(len(t), *[m for m in ('pandas', 'sklearn', 'cv2', 'scipy') if m in light],"
        "*[m for m in ('keras', 'tensorflow', 'jax', 'sklearn', 'cv2') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.split() == ["7023"]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory, table):
    """A folder in which every file of the dataset is there, and is the same small picture."""
    from PIL import Image

    root = tmp_path_factory.mktemp("readers")
    image = root / "one.jpg"
    Image.fromarray(np.full((20, 20, 3), 77, np.uint8)).save(image)
    for file in table["file"]:
        target = root / "brain-tumor-mri" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(image, target)
    return root


def test_the_page_has_an_example_for_each():
    assert list(SNIPPETS) == ["scikit-learn", "Keras", "PyTorch"]


def run(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"__name__": "snippet"}
    exec(compile(SNIPPETS[name], f"{PAGE.name}: {name}", "exec"), names)
    return names


def test_scikit_learns_example_runs(stand_in, monkeypatch, capsys, table):
    names = run("scikit-learn", stand_in, monkeypatch)
    assert len(capsys.readouterr().out.splitlines()) == 5
    train, test = (set(table["patient"].iloc[names[part]]) for part in ("train", "test"))
    assert not train & test


def test_keras_example_runs(stand_in, monkeypatch, table):
    pytest.importorskip("tensorflow")
    names = run("Keras", stand_in, monkeypatch)
    images, labels = next(iter(names["train"]))
    assert images.shape == (32, 224, 224, 3) and set(labels.numpy()) <= set(range(4))
    assert len(names["files"]) == (table["part"] == "train").sum()


def test_pytorchs_example_runs(stand_in, monkeypatch, table):
    pytest.importorskip("torch", reason="PyTorch is no dependency of this project")
    images, labels = next(iter(run("PyTorch", stand_in, monkeypatch)["train"]))
    assert tuple(images.shape) == (32, 3, 224, 224) and set(labels.tolist()) <= set(range(4))


def written(*path):
    """A page's or a chapter's words, on one line."""
    text = ROOT.joinpath(*path).read_text(encoding="utf-8")
    return " ".join(text.replace("\n# ", " ").split())


def test_patients_are_counted_as_the_archive_does_and_as_we_join_them(table, figshare_tables):
    """The datasheet and chapter 16 give both counts."""
    archive = pd.read_csv(figshare_tables / "patients.csv", dtype=str)
    numbers = archive.groupby("group")["pid"].nunique()
    joined = numbers[numbers > 1]
    assert (archive["pid"].nunique(), len(numbers), len(joined), joined.sum()) == (233, 209, 18, 42)
    assert set(archive.loc[archive["group"].isin(joined.index), "label"]) == {"glioma"}
    assert table.loc[table["source"] != "unknown", "patient"].nunique() == 209
    page, chapter = written("book", "datasheet.md"), written("notebooks", "16_dataset_audited.py")
    assert "233 patient numbers" in page and "233 patient numbers" in chapter
    assert (
        "joins 42 numbers, all of gliomas, into 18 groups and leaves 209. That they are one person is an assumption"
        in page
    )
    assert (
        "42 numbers, all of gliomas, become 18 patients, and 209 are left. That is an assumption." in chapter
    )


def test_the_datasheet_counts_the_pictures_that_were_looked_at(table):
    page, own = written("book", "datasheet.md"), table[table["source"] == "unknown"]
    pictures = own.groupby("class")["picture"].nunique()
    for name, words in {
        "notumor": "Without a tumour",
        "meningioma": "Meningiomas",
        "pituitary": "Pituitary tumours",
    }.items():
        assert f"{words} ({pictures[name]} pictures)" in page
    assert set(pictures.index) == {"notumor", "meningioma", "pituitary"}


def test_the_datasheet_points_to_the_candidates_of_chapter_16(table):
    seen = table["label_doubt"].ne("") & ~table["label_doubt"].str.startswith("figshare")
    row = next(line for line in datasheet.text()["defects"].splitlines() if "layman" in line)
    assert f"| {table.loc[seen, 'picture'].nunique()} pictures, {seen.sum()} files (chapter 16 lists" in row
