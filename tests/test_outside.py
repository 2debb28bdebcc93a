"""`gcaf external`: folders and lists as people have them, copies found and left out, recall with intervals over cases."""

import json
import os

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib import cli
from gcaf_lib.data import outside
from gcaf_lib.data.dataset import DataError
from gcaf_lib.evaluation import clustered, intervals, outside_scores


def picture(path, seed=0):
    """A smooth random picture, written to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (96, 80), np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(noise, (0, 0), 3))
    return path


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("glioma", "glioma"),
        ("Glioma_Tumor", "glioma"),
        ("no_tumor", "notumor"),
        ("No Tumor", "notumor"),
        ("notumour", "notumor"),
        ("healthy", "notumor"),
        ("4_pituitary-tumours", "pituitary"),
        ("brain_menin", "meningioma"),
        ("Normal Brain", "notumor"),
        ("Glioma Brain", "glioma"),
        ("tumor glioma", "glioma"),
        ("no_tumor_brain", "notumor"),
        ("Brain Tumors: meningioma, brain tumour", "meningioma"),
        ("tumor", None),
        ("brain tumors", None),
        ("", None),
        ("brain", None),
        ("gliosis", None),
        ("schwannoma", None),
    ],
)
def test_other_names_of_the_classes(name, meant):
    assert outside.class_of(name) == meant


def test_a_folder_as_people_have_it(tmp_path):
    seen = [
        "glioma_tumor/1.JPG",
        "Training/No Tumor/2.PNG",
        "glioma_tumor/patient 7/a.jpg",
        "glioma_tumor/images/b.jpg",
    ]
    for name in (*seen, ".git/glioma/x.jpg", "__MACOSX/glioma/._1.JPG", "glioma_tumor/.hidden.jpg"):
        picture(tmp_path / name)
    (tmp_path / "glioma_tumor" / "Thumbs.db").write_text("x")
    (tmp_path / "glioma_tumor" / "notes.txt").write_text("x")
    table = outside.read(tmp_path)
    assert table["path"].tolist() == sorted(str(tmp_path / name) for name in seen)
    of = table.set_index(table["path"].str.removeprefix(f"{tmp_path}/"))
    assert of["class"][seen].tolist() == ["glioma", "notumor", "glioma", "glioma"]
    assert of["case"][seen[2]] == str(tmp_path / "glioma_tumor" / "patient 7")
    assert of["case"][seen[3]] == of["path"][seen[3]], "images/ is no patient"
    assert table.attrs["aside"] == [str(tmp_path / "glioma_tumor" / "notes.txt")]
    assert outside.read(tmp_path / "glioma_tumor")["class"].unique().tolist() == ["glioma"]
    picture(tmp_path / "glioma_tumor" / "pituitary" / "c.jpg")  # the outermost folder that names a class
    assert outside.read(tmp_path).set_index("path")["class"].eq("pituitary").sum() == 0


def test_a_scanner_s_name_is_no_ending(tmp_path):
    names = {"1.2.840.113619.2.5.1762583153.1": True, "IM1": True, "1.2.840.txt": False, "notes.7": False}
    for name, _ in names.items():
        (tmp_path / name).write_bytes(bytes(128) + (b"text" if name == "notes.7" else b"DICM"))
    assert {name: outside.is_image(tmp_path / name) for name in names} == names
    assert not outside.is_image(tmp_path / "gone.1")


def test_what_is_no_set_of_images_is_named(tmp_path):
    for name in ("nowhere", "nowhere.csv"):
        with pytest.raises(
            DataError, match=rf"{name} is not there: give a folder of class folders, or a CSV"
        ):
            outside.read(tmp_path / name)
    with pytest.raises(DataError, match="neither a folder nor a CSV"):
        outside.read(picture(tmp_path / "one.jpg"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        outside.read(tmp_path / "empty")
    picture(tmp_path / "set" / "gliomma" / "1.jpg")
    picture(tmp_path / "set" / "glioma" / "1.jpg")
    with pytest.raises(
        DataError, match=r"folder 'gliomma' holds images \(1.jpg\) and names no class: rename it to glioma"
    ):
        outside.read(tmp_path / "set")
    picture(tmp_path / "set" / "other" / "1.jpg")
    with pytest.raises(DataError, match=r"and 1 more: other"):
        outside.read(tmp_path / "set")
    picture(tmp_path / "set" / "0.jpg")
    with pytest.raises(
        DataError, match=r"set: 0\.jpg lies in no class folder: move it into one called glioma, "
    ):
        outside.read(tmp_path / "set")


def test_links_to_folders_are_followed_and_never_in_circles(tmp_path):
    picture(tmp_path / "far" / "1.jpg")
    place = tmp_path / "set"
    place.mkdir()
    (place / "glioma").symlink_to(tmp_path / "far")
    table = outside.read(place)
    assert table[["path", "class"]].to_numpy().tolist() == [[str(place / "glioma" / "1.jpg"), "glioma"]]
    (tmp_path / "far" / "up").symlink_to(place)
    with pytest.raises(DataError, match=r"up and \S+set are the same folder: take the link out"):
        outside.read(place)


def test_a_list_with_cases(tmp_path):
    picture(tmp_path / "a b" / "1.jpg")
    picture(tmp_path / "2.PNG")
    path = tmp_path / "list.csv"
    path.write_text("\ufeffFile;Label;Patient\na b/1.jpg;No Tumor;p1\n\n2.PNG;glioma;\n", encoding="utf-8")
    table = outside.read(path)
    assert table["class"].tolist() == ["notumor", "glioma"]
    assert table["case"].tolist() == ["p1", str(tmp_path / "2.PNG")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no row below its first line"),
        ("file,class\n", "no row below its first line"),
        ("file,part\n1.jpg,test", "no column called class: its first line reads `file,part`"),
        ("a,class\n1.jpg,glioma", "no column called file"),
        ("file,class\n1.jpg", "line 2 has 1 cells, the first line 2"),
        ("file,class\n1.jpg,glioma\n1.jpg,cyst", "line 3: class 'cyst' is none of glioma"),
        ("file,class\nx.jpg,glioma", "line 2: "),
        ("file,class\n1.jpg,glioma\n1.jpg,glioma", "1.jpg twice"),
    ],
)
def test_what_is_no_list_is_named(tmp_path, text, said):
    picture(tmp_path / "1.jpg")
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError) as error:
        outside.read(tmp_path / "list.csv")
    assert said in str(error.value) and str(tmp_path / "list.csv") in str(error.value)


def test_one_testing_image_renamed_and_compressed_again_is_found(real_data, tmp_path, capsys):
    original = sorted((real_data / "Testing" / "glioma").iterdir())[5]
    image = cv2.imread(str(original), cv2.IMREAD_GRAYSCALE)
    for seed in range(5):
        picture(tmp_path / "set" / "meningioma" / f"{seed}.jpg", seed)
    hidden = tmp_path / "set" / "meningioma" / "scan_42.jpg"
    small = cv2.resize(image, (200, 220), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(hidden), small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    table = outside.find_copies(outside.read(tmp_path / "set"), progress=False)
    assert table.loc[table["copy_of"] != "", "path"].tolist() == [str(hidden)]
    assert table["copy_of"].max() == f"Testing/glioma/{original.name}"
    counts = outside.count_copies(table).set_index("class").loc["all"]
    assert counts.to_dict() == {"images": 6, "copies": 1, "Training": 0, "Testing": 1, "other_class": 1}
    assert cli.main(["external", str(tmp_path / "set"), "--csv", str(tmp_path / "out.csv"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in told["copies"]] == [str(hidden)]
    assert (pd.read_csv(tmp_path / "out.csv")["copy_of"].notna().sum()) == 1
    hidden.unlink()
    odd = (tmp_path / "set" / "meningioma" / "0.jpg").rename(tmp_path / "set" / "meningioma" / "a\nb.jpg")
    assert cli.main(["external", str(tmp_path / "set"), "--csv", str(tmp_path / "out.csv")]) == 0
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert text.count("\n") == 6 and r"a\nb.jpg" in text
    capsys.readouterr()
    odd.rename(odd.with_name(os.fsdecode(b"caf\xe9.jpg")))
    assert cli.main(["external", str(tmp_path / "set")]) == 2
    assert r"caf\udce9.jpg' is a file whose name is not UTF-8: rename it" in capsys.readouterr().err


def test_no_answer_is_written_over_what_was_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    held = picture(tmp_path / "1.jpg").read_bytes()
    (tmp_path / "list.csv").write_text("file,class,age\n1.jpg,glioma,40\n")
    (tmp_path / "link.csv").symlink_to("list.csv")
    for out in ("list.csv", "./link.csv", str(tmp_path / "1.jpg")):
        assert cli.main(["external", "list.csv", "--csv", out]) == 2
        assert f"{out} was given to be read and would be lost" in capsys.readouterr().err
    assert "age" in (tmp_path / "list.csv").read_text() and (tmp_path / "1.jpg").read_bytes() == held


def test_intervals_are_over_cases():
    right = np.repeat([True, False, True, True], 25)
    cases = np.repeat(["a", "b", "c", "d"], 25)
    value, low, high = clustered.share(right, cases)
    assert value == 0.75 and (low, high) == clustered.mean(right, cases)[1:]
    by_image = intervals.wilson(75, 100)
    assert high - low > 2 * (by_image.high - by_image.low), "100 slices of 4 cases are no 100 images"
    assert np.isnan(clustered.share(right[:25], cases[:25])[1:]).all(), "one case has no interval"
    all_right = clustered.share(np.ones(50), cases[:50])
    assert all_right == intervals.wilson(2, 2) and all_right.low < 0.5
    assert clustered.share(np.zeros(50), cases[:50]) == intervals.wilson(0, 2)
    halves = clustered.share([1, 0] * 4, np.repeat([0, 1, 2, 3], 2))
    assert halves == pytest.approx(intervals.wilson(2, 4)), (
        "four patients of the same share: draws are all alike"
    )
    unnamed = clustered.share([1, 1, 0], ["a", np.nan, np.nan])
    assert np.isfinite(unnamed.low), "without a name is a group, too"


def demo_record(store, classes="glioma,meningioma,notumor,pituitary"):
    """A main run on phantoms as a record, with the random weights that it starts from."""
    from gcaf_lib.settings import load
    from gcaf_lib.training import runs, train

    chosen = load("demo", {"data.classes": classes})
    model = train.classifier_of(chosen, 0)
    path = runs.weights_path("3f2a11223344", "ema")
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(path)
    info = {
        "key": "3f2a11223344",
        "kind": "main",
        "profile": "demo",
        "seed": 0,
        "settings": chosen.to_dict(),
        "data_hash": "d",
        "provenance": {"fingerprint": ""},
        "stages": [],
        "weights": {},
        "weights_sha256": {"ema": runs.sha256(path)},
    }
    empty = {f"{part}_{what}": np.zeros(0) for part in ("validation", "test") for what in ("rows", "labels")}
    return runs.write(info, pd.DataFrame({"epoch": [1]}), empty)


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    return demo_record(tmp_path)


def test_scores_are_of_what_is_no_copy_and_is_known(record, monkeypatch):
    from gcaf_lib.training import runs

    table = pd.DataFrame(
        {
            "path": list("abcdef"),
            "class": ["glioma", "glioma", "glioma", "notumor", "pituitary", "pituitary"],
            "case": ["1", "1", "2", "3", "4", "5"],
            "copy_of": ["", "", "", "", "", "Testing/pituitary/x.jpg"],
        }
    )
    three = runs.Record(
        record.folder, {**record.info, "settings": json.loads(json.dumps(record.info["settings"]))}
    )
    three.info["settings"]["data"]["classes"] = ["glioma", "meningioma", "pituitary"]
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2], [0.9, 0.1, 0], [0.1, 0.3, 0.6]])
    monkeypatch.setattr(outside_scores, "probabilities", lambda records, paths, *_: [p[: len(paths)]])
    (found,) = outside_scores.score([three], table, progress=False)
    assert found.left_out == {"copies": 1, "classes": 1}
    assert found.recall["class"].tolist() == ["glioma", "pituitary"]
    glioma = found.recall.iloc[0]
    assert (glioma["images"], glioma["cases"], glioma["right"]) == (3, 2, 2)
    assert glioma["recall"] == pytest.approx(2 / 3) and glioma["confidence"] == pytest.approx(0.7)
    assert (
        glioma["confidence_wrong"] == pytest.approx(0.7)
        and found.to_dict()["classes"][1]["confidence_wrong"] is None
    )
    assert found.confusion.loc["glioma"].tolist() == [2, 1, 0]
    assert len(outside.report(table, [found])["answer 3f2a11223344"].dropna()) == 4
    with pytest.raises(DataError, match="nothing to score"):
        outside_scores.score([three], table.assign(copy_of="x"))


def test_the_command_says_what_predict_says(record, tmp_path, capsys, monkeypatch):
    from gcaf_lib import predict

    monkeypatch.setattr(outside_scores, "BLOCK", 4)
    paths = [
        picture(tmp_path / "set" / ("glioma" if n % 2 else "no_tumor") / f"{n}.PNG", n) for n in range(6)
    ]
    out = tmp_path / "out.csv"
    assert cli.main(["external", str(tmp_path / "set"), "--run", "3f2a", "--csv", str(out)]) == 0
    printed = capsys.readouterr()
    assert (
        "run 3f2a11223344: 6 images; left out 0 copies" in printed.out and "not for diagnosis" in printed.err
    )
    told = pd.read_csv(out).set_index("path").loc[[str(p) for p in paths]]
    p = predict.classify(record, paths).probabilities
    assert told["confidence 3f2a11223344"].to_numpy() == pytest.approx(p.max(1), abs=1e-5)
    classes = np.array(record.settings.data.classes)
    assert told["answer 3f2a11223344"].tolist() == classes[p.argmax(1)].tolist()
    assert cli.main(["external", str(tmp_path / "set"), "--run", "nothing"]) == 2
    assert "no run 'nothing'" in capsys.readouterr().err


def test_a_run_without_weights_is_said_before_copies_are_looked_for(record, tmp_path, capsys, monkeypatch):
    from gcaf_lib.training import runs

    picture(tmp_path / "set" / "glioma" / "1.png", 1)
    runs.weights_path(record.key, "ema").unlink()
    monkeypatch.setattr(outside, "find_copies", lambda *_, **__: pytest.fail("minutes are spent"))
    assert cli.main(["external", str(tmp_path / "set"), "--run", "3f2a"]) == 2
    assert "Make them: gcaf train" in capsys.readouterr().err
