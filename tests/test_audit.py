"""The audit: its functions on made-up files, and the committed tables against the manifest."""

import re

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.book import datasheet
from gcaf_lib.book.chapter import checkout
from gcaf_lib.data import exposure, keypoints, splits, twins
from gcaf_lib.data.dataset import Dataset, data_hash, index
from gcaf_lib.display import copies, sortable
from gcaf_lib.evaluation import dataset_audit, floors, hints
from gcaf_lib.findings import dataset_audited
from gcaf_lib.paper import literature
from gcaf_lib.settings import CLASSES


def test_copies_and_examples():
    names = ["Training/glioma/a.jpg", "Testing/glioma/b.jpg", "Training/pituitary/c.jpg"]
    frame = pd.DataFrame(
        {
            "file": names,
            "folder": [n.split("/")[0] for n in names],
            "label": [0, 0, 3],
            "sha256": ["x", "x", "y"],
        }
    )
    copies = dataset_audit.identical_contents(frame)
    assert copies[["files", "training", "testing", "classes"]].to_numpy().tolist() == [[2, 1, 1, 1]]
    table = pd.DataFrame(
        {"file": names, "group": 7, "turn": ["as it is", "as it is", "both"], "similarity": 1.0}
    )
    facts = dataset_audit.Audit(table, pd.DataFrame(columns=["file", "class", "mirrored"]), *[None] * 5)
    assert dataset_audit.examples(frame, facts)["kind"].tolist() == ["identical", "both"]
    assert dataset_audit.families(frame, facts) == [names]
    assert dataset_audit.contradictions(facts).to_numpy().tolist() == [[names[2], names[0]]]
    assert dataset_audit.divided(facts)["file"].tolist() == names
    assert dataset_audited.labels_said(facts, True).startswith(
        "Of 1 picture (3 files) there are copies in the folders of two classes, so one of its labels is wrong."
    )
    group = dataset_audit.group_list(frame, facts).iloc[0]
    assert (group["files"], group["identical"], group["classes"]) == (3, 2, "glioma, pituitary")


def test_pairs_are_counted_by_their_kind_and_mixed_ones_nowhere():
    labels = np.array([0, 3, 2, 2])
    found = pd.DataFrame(
        {"left": [0, 1, 2], "right": [1, 2, 3], "similarity": [0.7, 0.8, 0.9], "turn": [0, 1, 2]}
    )
    table = dataset_audit.similarity_table(found, found, labels, None, None)
    counts = {kind: part[list(twins.TURNS)].sum().tolist() for kind, part in table.groupby("kind")}
    assert counts == {"tumour": [1, 0, 0, 0], "notumor": [0, 0, 1, 0], "re-cropped": [1, 1, 1, 0]}


def test_pairs_around_the_bars_are_of_the_bar_that_holds_for_them():
    """Patients are known of files 0 and 4: their pairs are held to the upper bar, whoever the other file is of."""
    pairs = [
        (0, 1, 0.82),
        (4, 5, 0.78),
        (2, 3, 0.67),
        (6, 7, 0.62),
        (8, 9, 0.75),
        (9, 10, 0.75),
        (8, 10, 0.63),
    ]
    found = pd.DataFrame(pairs, columns=["left", "right", "similarity"]).assign(turn=0)
    known = np.isin(np.arange(11), [0, 4])
    files, bar = np.array(list("abcdefghijk")), keypoints.THRESHOLD
    groups = twins.groups(pd.DataFrame({"sha256": files}), twins.copies(found, known))
    cut = pd.DataFrame(
        [(0, 6, bar + 0.01), (3, 7, bar - 0.01), (2, 3, bar - 0.01)], columns=["left", "right", "similarity"]
    )
    table = dataset_audit.around_table(files, groups, known, found, cut)
    rows = {(r.kind, r.side, r.left + r.right) for r in table.itertuples()}
    assert rows == {
        ("patients known", "above", "ab"), ("patients known", "below", "ef"),
        ("patients unknown", "above", "cd"), ("patients unknown", "below", "gh"),
        ("re-cropped", "above", "ag"), ("re-cropped", "below", "dh"),
    }  # fmt: skip  # i and k are joined through j, so their own pair below the bar is none to show


def test_phantoms_are_audited_on_the_spot(phantom_root):
    frame = index(phantom_root)
    dataset = Dataset(phantom_root, frame, data_hash(frame), "PHANTOM DATA")
    facts = dataset_audit.read(dataset)
    assert (facts.twins["turn"] == "left-right").any() and not len(facts.slices)
    assert (facts.patients["patients"] > 0).all() and set(facts.similarity["kind"]) == {"notumor", "tumour"}
    assert facts.pictures["pictures"].iloc[-1] < facts.pictures["files"].iloc[-1] == len(frame)
    table, tracks = floors.read(dataset), hints.read(dataset)
    assert set(table["protocol"]) == set(splits.MANIFESTS)
    assert set(tracks["track"]) == {"three classes", "tumour or not", "canonical"}


# --- the committed tables ---


@pytest.fixture(scope="module")
def facts() -> dataset_audit.Audit:
    return dataset_audit.read(dataset_audit.published())


def test_committed_audit_agrees_with_manifest_and_splits(facts):
    data = dataset_audit.published()
    assert len(facts.slices) == 4750 and facts.slices["mirrored"].sum() == 3064
    assert len(dataset_audit.mislabelled(facts)) == 4 and len(dataset_audit.contradictions(facts)) == 4
    assert dataset_audit.divided(facts)["group"].value_counts().tolist() == [2] * 4
    group = splits.read("twins", data)[0].set_index("file")["group"]
    assert (facts.twins.set_index("file")["group"] == group[facts.twins["file"]]).all()
    alone = group[~group.index.isin(facts.twins["file"])]
    assert not alone.duplicated().any() and not alone.isin(facts.twins["group"]).any()
    sums = facts.patients.groupby("protocol")["files"].sum()
    assert (sums == len(data.frame)).all() and set(sums.index) == set(splits.MANIFESTS)


def test_committed_tables_hold_no_patient_numbers(facts):
    assert list(facts.twins) == ["file", "group", "turn", "similarity"]
    assert list(facts.slices) == ["file", "class", "mirrored", "similarity"]
    assert set(facts.slices["class"]) <= set(CLASSES)


def test_committed_exposure_falls_to_nothing_where_patients_are_apart():
    table = exposure.read(dataset_audit.published())
    assert exposure.read(dataset_audit.published(), protocols=["paper"]).equals(
        table[table["protocol"] == "paper"]
    )
    total = table[table["class"] == "all"].set_index("protocol")
    assert list(table) == exposure.COLUMNS and (table.groupby("protocol")["images"].max() > 700).all()
    assert total.loc["paper", "with_copy"] > 0.5 and total.loc["paper", "with_patient"] > 0.5
    # three neighbouring slices of one patient are as alike as copies are
    assert total.loc["twins", "with_copy"] < 0.005 < total.loc["twins", "with_patient"]
    assert not total.loc[["patients", splits.FIVEFOLD], ["with_copy", "with_patient"]].to_numpy().any()


def test_committed_pictures_are_the_groups_of_the_manifest(facts):
    data = dataset_audit.published()
    group = splits.read("twins", data)[0]["group"]
    table = facts.pictures.set_index("class")
    assert table["pictures"]["all"] == group.nunique() and table["files"]["all"] == len(data.frame)
    free = (data.frame["label"] == CLASSES.index("notumor")).to_numpy()
    assert table["pictures"]["notumor"] == group[free].nunique() < 330
    assert len(facts.twins["group"].unique()) == (group.value_counts() > 1).sum()


def test_what_the_eye_saw_is_of_the_committed_pairs(facts):
    seen = dataset_audited.looked_at(facts)
    assert (seen["same"] != "").all() and set(seen["same"]) <= {"yes", "no", "unsure"}
    assert set(dataset_audited.candidates(dataset_audit.published().frame, facts)["file"]) == set(
        dataset_audit.candidates()["file"]
    )


def test_sentences_of_the_audit_at_their_turning_points(facts):
    frame = dataset_audit.published().frame
    assert "notumor" in dataset_audited.pictures_said(frame, facts)
    once = dataset_audit.replace(
        facts,
        twins=facts.twins[:0],
        pictures=facts.pictures.assign(files=facts.pictures["pictures"]),
    )
    assert "A picture is repeated most often in" not in dataset_audited.pictures_said(frame, once)
    seen = dataset_audited.looked_at(facts)
    said, joined = (
        dataset_audited.eye_said(seen, facts),
        "The 4 just above 0.8 are the neighbouring slices of one patient",
    )
    assert "(patients known) 0 of 4" in said and joined in said and "not radiologists" in said
    assert dataset_audited.eye_said(seen.assign(same=""), facts) == "Nobody has looked at these pairs."
    one_right = seen["same"].where((seen["kind"] != "patients known") | (seen["side"] != "above"), "yes")
    assert "joined in error" not in dataset_audited.eye_said(seen.assign(same=one_right), facts)
    parted = dataset_audit.replace(facts, twins=facts.twins.assign(group=facts.twins.index))
    assert "joined in error" not in dataset_audited.eye_said(seen, parted), "not one family"
    assert (
        dataset_audited.candidates_said(dataset_audited.candidates(frame[:0], facts))
        == "The phantoms have none."
    )
    known = np.ones(len(frame), bool)
    assert "Every phantom" in dataset_audited.patients_said(frame, facts, known)
    assert "2,000 notumor files" in dataset_audited.patients_said(
        frame, facts, (frame["label"] != 2).to_numpy()
    )
    sizes = frame["file"].map(facts.twins.set_index("file")["group"])
    copied = sizes.duplicated(keep=False) & (frame["label"] == 0)
    less = (frame["label"] != 2).to_numpy() & (frame.index != copied.idxmax())
    assert "(of 1 more only by a copy of theirs)" in dataset_audited.patients_said(frame, facts, less)
    groups = splits.clusters(dataset_audit.published())
    told = dataset_audited.groups_said(groups, dataset_audited.patient_known(frame, facts, False))
    assert "resample groups of files (on images from elsewhere cases, chapter 23). Of 628" in told
    assert "Of 628 groups in all 209 hold a known patient; 419 (2,269 files) are one picture" in told
    told = dataset_audited.groups_said(np.array([0, 0, 1]), np.array([True, False, False]))
    assert "Of 2 groups in all 1 holds a known patient; 1 (1 file) is one picture" in told
    assert dataset_audited.groups_said(groups, known).endswith(" 628 groups in all 628 hold a known patient.")
    alike = dataset_audit.replace(facts, twins=facts.twins[:0])
    assert dataset_audited.labels_said(alike, False).startswith(
        "No picture has copies in the folders of two classes. By"
    )
    assert "4 pictures (8 files) there are copies" in dataset_audited.labels_said(facts, False)
    assert "each counted once" in dataset_audited.candidates_said(dataset_audited.candidates(frame, facts))
    shares = pd.Series([0.9, 0.95, 0.1, 0.9], index=CLASSES)
    assert "nearly answers" in dataset_audited.image_sizes_said(shares.to_frame("512×512"))
    assert "a hint" in dataset_audited.image_sizes_said(shares.to_frame("512×512") * 0 + 0.5)


def test_committed_audit_follows_from_the_images(
    real_dataset, real_pairs, figshare_tables, facts, keypoints_from_the_table
):
    fresh = dataset_audit.compute(real_dataset, figshare_tables)
    pd.testing.assert_frame_equal(fresh.twins, facts.twins, check_dtype=False, atol=2e-4)
    pd.testing.assert_frame_equal(fresh.pictures, facts.pictures, check_dtype=False)
    pd.testing.assert_frame_equal(fresh.slices, facts.slices, check_dtype=False, atol=2e-4)
    pd.testing.assert_frame_equal(fresh.patients, facts.patients, check_dtype=False)


def test_committed_shortcuts_are_whole():
    table = pd.read_csv(splits.folder().parent / "shortcuts.csv")
    assert tuple(table.columns) == hints.COLUMNS
    assert set(table["protocol"]) == set(hints.PROTOCOLS)
    presence = table[(table["track"] == "tumour or not") & (table["floor"] == "size")]
    assert (presence["accuracy"] > 0.9).all()


def test_datasheet_is_todays():
    for name, text in datasheet.text().items():
        path = checkout() / "book" / "_generated" / f"datasheet_{name}.md"
        assert path.read_text(encoding="utf-8") == text, "run `python -m gcaf_lib.book.datasheet`"


# --- what shows them ---


def test_browser_needs_no_network_and_escapes():
    frame = pd.DataFrame({"n": [2, 10], "what": ["a</script><b>", "c"], "names": ["x y", "z"]})
    page = sortable.browse(frame, "tab-x", "Two & more", ("names",))
    assert not re.search(r"https?:|src=|@import|fetch\(", page)
    assert page.count("</script>") == 1 and "Two &amp; more" in page
    opened = sortable.browse(frame.assign(what="<!--<script>"), "tab-x", "", ("names",))
    assert (
        opened.count("<!--") == 0 and opened.count("<script>") == 1 and "\\u003c!--\\u003cscript>" in opened
    )
    assert "p < 0.05" in sortable.browse(frame.assign(what="p < 0.05"), "tab-x", "").partition("DATA=")[2]
    assert page.count('aria-sort="none"') == 3 and 'role="status"' in page
    with pytest.raises(ValueError, match="too many"):
        sortable.browse(pd.DataFrame({"x": ["y" * 100] * 20_000}), "big", "")


def test_literature_prints_what_was_reported():
    table = literature.table().set_index("Method")["Accuracy (%)"]
    assert table.tolist() == ["91.28"]
    assert literature.table()["Source"].str.contains(r"\(?\d{4}").all()  # none without a reference


def test_files_stand_eight_a_line_and_families_ten_at_most(monkeypatch):
    monkeypatch.setattr(copies, "file_rows", lambda folder, rows, **options: (rows, options.get("names")))
    lines, _ = copies.files(None, pd.Series(list("abcdefghijk")))
    assert [len(line) for line in lines] == [8, 3]
    rows, names = copies.families(None, [list(range(25)), list(range(3))])
    assert rows == [list(range(0, 20, 2)), [0, 1, 2]] and names == ["25 files", "3 files"]
