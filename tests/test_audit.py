"""The audit: its functions on made-up files, and the committed tables against the manifest."""

import re

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import splits
from gcaf_lib.data.dataset import Dataset, data_hash, index, open_dataset
from gcaf_lib.evaluation import audit, shortcuts
from gcaf_lib.report import browser, datasheet, literature
from gcaf_lib.report.chapter import checkout
from gcaf_lib.settings import CLASSES, DataSettings


def test_twin_table_tells_mirrored_from_plain():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 64, 64), dtype=np.uint8)
    thumbs = np.stack([one, other, one[:, ::-1], one])
    table = audit.twin_table(np.array(list("abcd")), np.array([5, 3, 5, 5]), thumbs)
    assert table["file"].tolist() == ["a", "c", "d"] and set(table["group"]) == {5}
    assert table["mirrored"].tolist() == [0, 1, 0]
    assert table["similarity"].to_numpy() == pytest.approx(1, abs=1e-4)


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
    copies = audit.copies(frame)
    assert copies[["files", "training", "testing", "classes"]].to_numpy().tolist() == [[2, 1, 1, 1]]
    twins = pd.DataFrame({"file": names, "group": 7, "mirrored": [0, 0, 1], "similarity": 1.0})
    facts = audit.Audit(twins, pd.DataFrame(columns=["file", "class", "mirrored"]), None, None)
    assert audit.examples(frame, facts)["kind"].tolist() == ["identical", "mirrored"]
    assert audit.contradictions(facts).to_numpy().tolist() == [[names[2], names[0]]]
    group = audit.group_list(frame, facts).iloc[0]
    assert (group["files"], group["identical"], group["classes"]) == (3, 2, "glioma, pituitary")


def test_phantoms_are_audited_on_the_spot(phantom_root):
    frame = index(phantom_root)
    dataset = Dataset(phantom_root, frame, data_hash(frame), "PHANTOM DATA")
    facts = audit.read(dataset)
    assert facts.twins["mirrored"].sum() > 0 and not len(facts.slices)
    assert (facts.patients["patients"] > 0).all() and set(facts.similarity["kind"]) == {"files"}
    patients = audit.exposure(dataset, "patients")
    assert patients == {"bytes": 0, "twins": 0, "patients": 0}
    assert audit.exposure(dataset, "paper")["patients"] > 0.5
    table, tracks = shortcuts.read(dataset)
    assert set(table["protocol"]) == set(splits.MANIFESTS)
    assert set(tracks["track"]) == {"three classes", "tumour or not", "canonical"}


# --- the committed tables ---


@pytest.fixture(scope="module")
def facts() -> audit.Audit:
    return audit.read(datasheet.published())


def test_committed_audit_agrees_with_manifest_and_splits(facts):
    data = datasheet.published()
    assert len(facts.slices) == 4750 and facts.slices["mirrored"].sum() == 3064
    assert len(audit.mislabelled(facts)) == 4 and len(audit.contradictions(facts)) == 4
    group = splits.read("twins", data)[0].set_index("file")["group"]
    assert (facts.twins.set_index("file")["group"] == group[facts.twins["file"]]).all()
    alone = group[~group.index.isin(facts.twins["file"])]
    assert not alone.duplicated().any() and not alone.isin(facts.twins["group"]).any()
    sums = facts.patients.groupby("protocol")["files"].sum()
    assert (sums == len(data.frame)).all() and set(sums.index) == set(splits.MANIFESTS)


def test_committed_tables_hold_no_patient_numbers(facts):
    assert list(facts.twins) == ["file", "group", "mirrored", "similarity"]
    assert list(facts.slices) == ["file", "class", "mirrored", "similarity"]
    assert set(facts.slices["class"]) <= set(CLASSES)


def test_ladder_counts_what_training_knows():
    data = datasheet.published()
    paper, apart = (audit.exposure(data, name) for name in ("paper", "patients"))
    assert paper["bytes"] <= paper["twins"] <= paper["patients"] and paper["twins"] > 0.4
    assert apart == {"bytes": 0, "twins": 0, "patients": 0}


def test_committed_audit_follows_from_the_images(real_data, figshare_tables, facts):
    fresh = audit.compute(open_dataset(DataSettings(), real_data), figshare_tables)
    pd.testing.assert_frame_equal(fresh.twins, facts.twins, check_dtype=False, atol=2e-4)
    pd.testing.assert_frame_equal(fresh.slices, facts.slices, check_dtype=False, atol=2e-4)
    pd.testing.assert_frame_equal(fresh.patients, facts.patients, check_dtype=False)


def test_committed_shortcuts_are_whole():
    table = pd.read_csv(splits.folder().parent / "shortcuts.csv")
    assert tuple(table.columns) == shortcuts.COLUMNS
    assert set(table["protocol"]) == set(shortcuts.PROTOCOLS)
    presence = table[(table["track"] == "tumour or not") & (table["floor"] == "size")]
    assert (presence["accuracy"] > 0.9).all()


def test_datasheet_is_todays():
    for name, text in datasheet.text().items():
        path = checkout() / "book" / "_generated" / f"datasheet_{name}.md"
        assert path.read_text(encoding="utf-8") == text, "run `python -m gcaf_lib.report.datasheet`"


# --- what shows them ---


def test_browser_needs_no_network_and_escapes():
    frame = pd.DataFrame({"n": [2, 10], "what": ["a</script><b>", "c"], "names": ["x y", "z"]})
    page = browser.browse(frame, "tab-x", "Two & more", ("names",))
    assert not re.search(r"https?:|src=|@import|fetch\(", page)
    assert page.count("</script>") == 1 and "Two &amp; more" in page
    assert page.count('aria-sort="none"') == 3 and 'role="status"' in page
    with pytest.raises(ValueError, match="too many"):
        browser.browse(pd.DataFrame({"x": ["y" * 100] * 20_000}), "big", "")


def test_literature_prints_what_was_reported():
    table = literature.table().set_index("Method")["Accuracy (%)"]
    assert table.tolist() == ["91.28"]
    assert literature.table()["Source"].str.contains(r"\(?\d{4}").all()  # none without a reference
