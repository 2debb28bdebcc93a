"""`gcaf leaks`: the committed splits as controls, a split mended, folders recognised by content, bad input named."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib import cli
from gcaf_lib.data import groups, leaks, outside
from gcaf_lib.data.dataset import DataError

SPLITS = groups.PATH.parents[2] / "results" / "splits"


@pytest.fixture(scope="module")
def table():
    return groups.load()


def drawn(table, seed, share=0.1):
    """A random split of some of the files as CSV, a few of them named by hash or with another folder."""
    rng = np.random.default_rng(seed)
    some = table.iloc[rng.choice(len(table), int(rng.integers(50, 800)), replace=False)]
    part = rng.choice(["train", "val", "test"], len(some), p=[0.6, 0.2, 0.2])
    name = np.where(
        rng.random(len(some)) < 0.3, some["sha256"], "some/where/" + some["file"].str.split("/").str[-1]
    )
    return pd.DataFrame({"path": name, "split": part}), some


def by_hand(some, part, there="train", asked="test"):
    """The same counts, an image at a time."""
    train = some[part == there]
    out = {}
    for kind, columns in {
        "bytes": ["sha256"],
        "copy": ["sha256", "picture"],
        "patient": ["sha256", "picture", "patient"],
        "person": ["sha256", "picture", "patient", "person"],
    }.items():
        known = [set(train[c]) for c in columns]
        out[kind] = sum(
            any(row[c] in k for c, k in zip(columns, known)) for _, row in some[part == asked].iterrows()
        )
    return out


def test_counts_are_those_of_a_look_at_every_image(table):
    for seed in range(10):
        frame, some = drawn(table, seed)
        part = frame["split"].replace("val", "validation").to_numpy()
        counts = leaks.counts(leaks.parse(frame.to_csv(index=False)))
        assert list(counts) == ["test", "validation", "test_in_validation"]
        for name, parts in leaks.CHECKS.items():
            last = counts[name].iloc[-1]
            assert {k: last[k] for k in leaks.KINDS} == by_hand(some, part, *parts), name
            assert last["images"] == (part == parts[1]).sum()


def words(found):
    return " ".join(leaks.said(leaks.counts(found), found))


def split_of(**parts):
    return "file,part\n" + "".join(f"{file},{part}\n" for part, files in parts.items() for file in files)


def test_a_validation_that_leaks_is_no_clean_split(table, tmp_path, capsys):
    """Early stopping and calibration look at validation: it is asked too, both for training and for the test."""
    pairs = table[table["picture"].map(table["picture"].value_counts()) == 2].drop_duplicates("patient")
    twins = [table.loc[table["picture"] == number, "file"].tolist() for number in pairs["picture"].head(4)]
    (a, b), (c, d), (e, _), (f, _) = twins
    cases = {
        "validation": split_of(train=[a, e], val=[b], test=[f]),
        "test_in_validation": split_of(train=[a], val=[c, e], test=[d, f]),
    }
    for leaking, text in cases.items():
        (tmp_path / "split.csv").write_text(text)
        assert cli.main(["leaks", str(tmp_path / "split.csv"), "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert [name for name in leaks.CHECKS if told[name][-1]["copy"]] == [leaking]
        assert cli.main(["leaks", str(tmp_path / "split.csv")]) == 1
        out = capsys.readouterr().out
        assert "none has a copy, or a slice of a known patient, in training." in out
        assert {"validation": "1 of 1 validation image (100.0%) has a copy in training, 1 (100.0%) a copy or a slice",
                "test_in_validation": "1 of 2 test images (50.0%) has a copy in validation"}[leaking] in out  # fmt: skip
    (tmp_path / "split.csv").write_text(split_of(train=[a], val=[c], test=[e, f]))
    assert cli.main(["leaks", str(tmp_path / "split.csv")]) == 0
    out = capsys.readouterr().out
    assert "Of 1 validation image none has" in out and "Of 2 test images none has" in out
    assert out.count("in training.") == 2 and "known patient, in validation." in out
    (tmp_path / "split.csv").write_text(split_of(train=[a], test=[e]))
    assert cli.main(["leaks", str(tmp_path / "split.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["validation"] == []


def test_names_are_known_whatever_their_ending(table):
    name = table["file"].str.split("/").str[-1].str[:-4]
    some = pd.DataFrame({"file": table["file"], "part": np.where(np.arange(len(table)) % 2, "train", "test")})
    counts = leaks.count(leaks.parse(some.to_csv(index=False)))
    for ending in (".png", "", ".npy", ".TIFF", ".nii.gz", ".jpg.npy"):
        text = some.assign(file="d\\" + name + ending).to_csv(index=False)
        pd.testing.assert_frame_equal(leaks.count(leaks.parse(text)), counts)
    odd = leaks.parse(split_of(train=[some["file"][0]], test=[some["file"][1], name[2] + ".txt"]))
    assert leaks.unknown(odd) == [name[2] + ".txt"]


def test_folders_that_hold_each_other_are_refused(tmp_path):
    (tmp_path / "data" / "test").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data" / "test")
    data = tmp_path / "data"
    for train, test in (
        (data, data / "test"),
        (data / "test", data),
        (data, tmp_path / "link"),
        (data, data),
    ):
        with pytest.raises(
            DataError, match=r"lies in .* and would count for both: name the folders that hold"
        ):
            leaks.scan(train, test, progress=False)


def test_links_to_folders_are_followed(tmp_path):
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (100, 100), np.uint8))[1].tobytes()
    for place in ("train/a.png", "far/b.png", "test/c.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(image)
    (tmp_path / "test" / "glioma").symlink_to(tmp_path / "far")
    found = leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)
    assert leaks.count(found).iloc[-1][["images", "bytes"]].tolist() == [2, 2]
    (tmp_path / "far" / "up").symlink_to(tmp_path / "test")
    with pytest.raises(DataError, match="are the same folder: take the link out"):
        leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)


def test_an_output_is_judged_before_the_work(table, tmp_path, capsys, monkeypatch):
    path = tmp_path / "split.csv"
    table.head(40)[["file", "part"]].assign(part=["train", "test"] * 20).to_csv(path, index=False)
    (tmp_path / "old.csv").write_text("somebody's")
    assert cli.main(["leaks", str(path), "--fix", str(tmp_path / "old.csv")]) == 1
    assert "old.csv (the file of that name was replaced)" in capsys.readouterr().err
    assert cli.main(["leaks", str(path), "--fix", str(tmp_path / "new.csv")]) == 1
    assert "replaced" not in capsys.readouterr().err
    monkeypatch.setattr(leaks, "read", lambda *_: pytest.fail("the work is done"))
    for out, told in ((tmp_path, "Is a directory"), (path / "x.csv", "Not a directory")):
        assert cli.main(["leaks", str(path), "--fix", str(out)]) == 2
        assert told in capsys.readouterr().err


def test_the_committed_splits_leak_what_their_names_say():
    held = {"bytes": "bytes", "twins": "copy", "patients": "patient"}
    for name, kind in held.items():
        counts = leaks.count(leaks.read(SPLITS / f"{name}.csv")).iloc[-1]
        assert counts[kind] == 0
    counts = leaks.count(leaks.read(SPLITS / "paper.csv")).iloc[-1]
    assert 0 < counts["bytes"] < counts["copy"] < counts["patient"] < counts["images"]


def test_a_mended_split_loses_no_row_and_keeps_its_line_ends():
    """Marks of byte order and blanks on lines of their own, Excel's first line, and line ends of Windows."""
    one, other = "Te-gl_0010.jpg", "Te-gl_0011.jpg"
    text = f"\ufeff\ufefffile,part\n\ufeff,\n{one},train\n\ufeff\n{other},test\n"
    table = leaks.parse(text)
    again = leaks.parse(leaks.rewritten(table.attrs["text"], table, np.array(["test", "train"])))
    assert again["name"].tolist() == [one, other] and again["part"].tolist() == ["test", "train"]
    excel = f"sep=;\r\nfile;part\r\n{one};train\r\n{other};test\r\n"
    table = leaks.parse(excel)
    assert leaks.rewritten(table.attrs["text"], table, table["part"].to_numpy()) == excel


def test_persons_told_by_eye_are_said_of_our_own_split_too(table, tmp_path, capsys):
    """By hand: files of the test part whose person, but not whose patient, is in training."""
    path = SPLITS / "patients.csv"
    left, right = (table[table["part"] == name] for name in ("train", "test"))
    eye = right["person"].isin(left["person"]) & ~right["patient"].isin(left["patient"])
    assert leaks.shared(leaks.read(path)).sum().to_dict() == {
        "bytes": 0,
        "copy": 0,
        "patient": 0,
        "person": eye.sum(),
    }
    assert cli.main(["leaks", str(path)]) == 1 and eye.sum() == 18
    assert (
        "none has a copy, or a slice of a known patient, in training; 18 (2.6%) show a person who by eye is there"
        in capsys.readouterr().out
    )
    one = table[table["person"] != table["patient"]].iloc[0]
    other = table[(table["person"] == one["person"]) & (table["patient"] != one["patient"])].iloc[0]
    assert "; 1 (100.0%) shows a person who by eye" in words(
        leaks.parse(split_of(train=[one["file"]], test=[other["file"]]))
    )
    twin = table[(table["picture"] == one["picture"]) & (table["file"] != one["file"])].iloc[0]
    both = leaks.parse(split_of(train=[one["file"]], test=[twin["file"], other["file"]]))
    assert "a copy or a slice of the same patient, 2 (100.0%) with persons told by eye." in words(both)


def test_what_is_whole_stays_where_it_is(table):
    clean = leaks.parse(
        table.assign(part=np.where(table["person"] % 5, "train", "test"))[["file", "part"]].to_csv()
    )
    assert (leaks.mend(clean) == clean["part"]).all()
    straddling = clean.copy()
    many = clean["person"].value_counts()
    person = clean.loc[
        clean["person"].isin(many.index[many == 9]) & (clean["part"] == "train"), "person"
    ].iloc[0]
    straddling.loc[straddling.index[clean["person"] == person][0], "part"] = "test"
    parts = leaks.mend(straddling)
    assert leaks.count(straddling.assign(part=parts))["person"].sum() == 0
    assert (parts != straddling["part"]).sum() <= 30, "one group astray does not stir 7,023 files"


def test_a_foreign_file_in_two_parts_is_in_two_parts(table):
    found = leaks.parse(
        split_of(train=[table["file"][0], "my/x.png"], test=[table["file"][3000], "my/x.png"])
    )
    assert leaks.count(found).iloc[-1][["bytes", "copy", "person"]].tolist() == [1, 1, 1]


def test_shares_round_half_upwards():
    assert [leaks._share(*x) for x in ((1, 8), (1, 16), (1, 2000), (1, 2001))] == [
        "12.5%",
        "6.3%",
        "0.1%",
        "0.0%",
    ]


def test_a_mended_split_keeps_the_words_of_what_stays(table):
    files = table["file"].iloc[[0, 1500, 3000, 4500]].tolist()
    text = f"file,part\n{files[0]},TRAIN\n{files[1]},train\n{files[2]},test\n{files[3]},Test\n"
    found = leaks.parse(text)
    assert leaks.rewritten(text, found, found["part"].to_numpy()) == text


def test_hashes_are_known_in_any_case(table):
    text = f"sha256,part\n{table['sha256'][0].upper()},train\n{table['sha256'][3000]},test\n"
    assert leaks.unknown(leaks.parse(text)) == []


def test_files_listed_twice_are_said(table):
    a, b, c = _alone(table), *table["file"].iloc[[0, 1]]
    assert "more than once" not in words(leaks.parse(split_of(train=[a], test=[b])))
    said = words(leaks.parse(split_of(train=[a, c, "x.png"], test=[b, b, "x.png"])))
    assert (
        "Listed more than once, and counted each time: 2 files (the first: x.png), 1 of them in two parts."
        in said
    )


@pytest.mark.parametrize("name", ["official", "paper", "twins"])
def test_a_mended_split_keeps_groups_whole_and_every_size(name):
    before = leaks.read(SPLITS / f"{name}.csv")
    parts = leaks.mend(before, seed=3)
    after = before.assign(part=parts)
    assert leaks.count(after)[list(leaks.KINDS)].to_numpy().sum() == 0
    assert after.groupby("person")["part"].nunique().max() == 1
    sizes = [pd.crosstab(t["class"], t["part"]) for t in (before, after)]
    assert (sizes[1] - sizes[0]).abs().to_numpy().max() <= 1
    assert (leaks.mend(before, 3) == parts).all() and (leaks.mend(before, 4) != parts).any()


def test_the_command_and_its_fix(table, tmp_path, capsys):
    frame, _ = drawn(table, 5)
    frame["note"] = 'kept; "as it is"'
    path, out = tmp_path / "split.csv", tmp_path / "out.csv"
    frame.to_csv(path, index=False, sep=";")
    assert cli.main(["leaks", str(path), "--fix", str(out)]) == 1
    assert "have a copy in training" in capsys.readouterr().out
    fixed = pd.read_csv(out, sep=";")
    assert set(fixed["split"]) == {"train", "val", "test"}, "in the file's own words"
    assert fixed["path"].tolist() == frame["path"].tolist() and (fixed["note"] == frame["note"]).all()
    assert cli.main(["leaks", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["test"][-1]["person"] == 0 and sum(told["sizes"].values()) == len(frame)
    assert cli.main(["leaks", str(path), str(path), str(path)]) == 2
    assert "one CSV, or a training and a test folder" in capsys.readouterr().err
    assert cli.main(["leaks", str(tmp_path)]) == 2
    assert "is a folder: give the training folder and the test folder" in capsys.readouterr().err


def test_groups_change_places_where_one_after_the_other_misses_the_sizes():
    sizes = np.array([[3], [3], [2], [2], [2]])  # 6 and 6 wanted: the largest first gives 3 + 2 + 2 and 3 + 2
    at, have = np.array([0, 1, 0, 1, 0]), np.array([[7], [5]])
    leaks._settle(at, have, sizes, np.array([[6.0], [6.0]]))
    assert have.tolist() == [[6], [6]]
    assert [sizes[at == part].sum() for part in (0, 1)] == [6, 6]


def persons(*told):
    """A split of files as `leaks.parse` gives it: (person, class, part, files)."""
    rows = [row[:3] for row in told for _ in range(row[3])]
    name = [f"{number}.jpg" for number in range(len(rows))]
    return pd.DataFrame(rows, columns=["person", "class", "part"]).assign(name=name, sha256=name)


def test_the_largest_group_is_placed_first(monkeypatch):
    """6 files are wanted for train and 4 for test; were the small groups first, no room would be left for the large one."""
    monkeypatch.setattr(leaks, "_settle", lambda *_: None)
    astray = persons(
        *((9, "glioma", "train", 4), (9, "glioma", "test", 2)),
        *((person, "glioma", part, 1) for person in (1, 2) for part in ("train", "test")),
    )
    for seed in range(5):
        parts = pd.Series(leaks.mend(astray, seed))
        assert parts.groupby(astray["person"]).unique().map(list).to_dict() == {
            9: ["train"],
            1: ["test"],
            2: ["test"],
        }


@pytest.mark.parametrize("settled", [False, True])
def test_files_too_many_or_too_few_are_relative_to_what_a_part_should_hold(settled, monkeypatch):
    """In train the group is 2 gliomas and 2 meningiomas too many, in test 3 gliomas: more files, but of the large class."""
    if not settled:
        monkeypatch.setattr(leaks, "_settle", lambda *_: None)
    astray = persons(
        *((1, "glioma", "train", 20), (1, "meningioma", "train", 2)),
        *((2, "glioma", "test", 10), (2, "meningioma", "test", 2)),
        *((3, "glioma", "train", 3), (3, "glioma", "test", 2), (3, "meningioma", "test", 2)),
    )
    parts = pd.Series(leaks.mend(astray))
    assert parts.groupby(astray["person"]).unique().map(list).to_dict() == {
        1: ["train"],
        2: ["test"],
        3: ["test"],
    }


def test_a_whole_group_moves_where_the_sizes_ask_for_it():
    """Two files astray leave a part two short; a group of two that was whole makes up for them."""
    astray = persons(
        *((1, "glioma", "train", 6), (1, "glioma", "test", 2)),
        *((person, "glioma", "train", 2) for person in (2, 3)),
        *((4, "glioma", "test", 2),),
    )
    parts = pd.Series(leaks.mend(astray))
    assert parts.value_counts().to_dict() == {"train": 10, "test": 4}
    assert sorted(parts[astray["person"].isin([2, 3])]) == ["test"] * 2 + ["train"] * 2


def test_cells_are_parted_as_in_the_first_line(table):
    """Notes below may hold more semicolons than there are commas."""
    a, b = table["file"].iloc[:2]
    found = leaks.parse(f"file,part,note\n{a},train,x; y; z; u; v; w\n{b},test,x; y; z; u; v; w\n")
    assert found["part"].tolist() == ["train", "test"]


def test_images_of_elsewhere_stay_where_they_are(tmp_path):
    rng = np.random.default_rng(0)
    for side, numbers in (("train", (0, 1, 2)), ("test", (2, 3))):
        (tmp_path / side).mkdir()
        for number in numbers:
            image = np.random.default_rng(number).integers(0, 255, (100, 100), np.uint8)
            cv2.imwrite(str(tmp_path / side / f"{number}-{rng.integers(99)}.png"), image)
    found = leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)
    assert leaks.count(found).iloc[-1][["images", "bytes"]].tolist() == [2, 1]
    assert leaks.mend(found).tolist() == ["train"] * 4 + ["test"], "but those of the same bytes go together"


def test_of_several_columns_that_of_most_files_is_taken(table):
    """A column of other hashes (MD5, say) does not hide the names beside it, nor an id that is a number."""
    some = table.assign(part=np.where(np.arange(len(table)) % 2, "train", "test"))[["file", "sha256", "part"]]
    names = leaks.count(leaks.parse(some[["file", "part"]].to_csv(index=False)))
    for wrong in ("hash", "id"):
        text = some.drop(columns="sha256").assign(**{wrong: range(len(some))}).to_csv(index=False)
        pd.testing.assert_frame_equal(leaks.count(leaks.parse(text)), names)
    few = some.assign(sha256=some["sha256"].where(np.arange(len(some)) < 5, "none"))
    pd.testing.assert_frame_equal(leaks.count(leaks.parse(few.to_csv(index=False))), names)


def test_files_without_a_name_are_not_one_file(table):
    """Blank cells of the column that is taken: the row's next name counts, and they are no copies of each other."""
    a, b = table.loc[~table["patient"].duplicated(keep=False), ["file", "sha256"]].to_numpy()[:2]
    rows = [(a[0], a[1], "train"), ("x.png", "", "train"), (b[0], b[1], "test"), ("y.png", "", "test")]
    text = "file,sha256,part\n" + "\n".join(map(",".join, rows))
    found = leaks.parse(text)
    assert found["name"].tolist() == [a[1], "x.png", b[1], "y.png"]
    assert leaks.count(found).iloc[-1][["images", "bytes"]].tolist() == [2, 0]
    assert leaks.mend(found).tolist() == ["train", "train", "test", "test"]
    # one that is of the dataset after all
    assert leaks.count(leaks.parse(text.replace("y.png", a[0]))).iloc[-1]["bytes"] == 1


def test_a_quote_that_never_closes_loses_no_row_in_silence(table):
    a, b, c = table["file"][:3]
    whole = f'file,part\n"{a}",train\n"{b}",test\n{c},test'
    assert (
        len(leaks.parse(whole)) == len(leaks.parse(f"{whole}\n")) == len(leaks.parse(f"{whole}\r\n\r\n")) == 3
    )
    with pytest.raises(DataError, match="line 3: a quote opens here and is never closed"):
        leaks.parse(whole.replace(f'{b}"', b))
    with pytest.raises(DataError, match="line 1: a quote"):
        leaks.parse('"file,part')


def test_a_slice_of_thousands_of_digits_is_refused(tmp_path):
    """Python turns no text of more than 4,300 digits into a number."""
    (tmp_path / "x.jpg").write_bytes(b"")
    (tmp_path / "other.csv").write_text(f"file,class,slice\nx.jpg,glioma,{'1' * 5000}\n")
    with pytest.raises(DataError, match=r"line 2: slice '1{40}' is no whole number from 0"):
        outside.read(tmp_path / "other.csv")


def test_a_split_is_not_written_over_itself(table, tmp_path, capsys):
    path = tmp_path / "split.csv"
    text = table.head(40)[["file", "part"]].to_csv(index=False)
    path.write_text(text)
    (tmp_path / "link.csv").symlink_to(path)
    for out in ("split.csv", "link.csv"):
        assert cli.main(["leaks", str(path), "--fix", str(tmp_path / out)]) == 2
        assert "would be lost: write to another file" in capsys.readouterr().err
        assert path.read_text() == text


def test_a_part_that_whole_groups_leave_empty_is_said(table, tmp_path, capsys):
    one = table[table["picture"] == table["picture"].value_counts().index[0]].head(3)
    path, out = tmp_path / "split.csv", tmp_path / "out.csv"
    one[["file"]].assign(part=["train", "train", "test"]).to_csv(path, index=False)
    assert cli.main(["leaks", str(path), "--fix", str(out)]) == 2
    said = capsys.readouterr()
    assert "groups whole   train 3, test 0" in said.out
    assert "out.csv was not written: kept whole, the groups leave no file for test" in said.err
    assert not out.exists()


def test_whatever_the_files_of_a_folder_are_called(tmp_path):
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (100, 100), np.uint8))[1].tobytes()
    for place in (
        "train/scan1",
        "test/deep/scan2.dat",
        "test/scan.2024",
        "test/._hidden.png",
        "test/Thumbs.db",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(image)
    (tmp_path / "test" / "readme").write_text("no image")
    found = leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)
    counts = leaks.count(found)
    assert counts.iloc[-1][["images", "bytes"]].tolist() == [2, 2]
    assert found.attrs["aside"] == [str(tmp_path / "test" / "readme")]
    assert "Passed over as no images: 1 file (the first: " in words(found)
    (tmp_path / "test" / "broken.png").write_text("no image")
    with pytest.raises(DataError, match=r"broken\.png is not an image"):
        leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)
    (tmp_path / "test" / "empty.jpg").write_text("")
    with pytest.raises(
        DataError, match=r"2 of 5 files can't be used: \S+broken\.png is not .*\S+empty\.jpg is empty"
    ):
        leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("file,part", "no row below"),
        ("a,b\n1,2", "no column is called part"),
        ("sep=;\n", "it is empty"),
        (
            "sep=;\na;b\n1;2",
            "no column is called part (or split, set, subset, partition, phase): the first line reads `a,b`",
        ),
        (
            'file,part\nTe-gl_0010.jpg,"train\nTe-gl_0011.jpg,test"',
            "line 3: part `train\nTe-gl_0011.jpg,test` is none of",
        ),
        ("file,Fold\nx.jpg,2", "of folds, write test for one and train for the others"),
        ("part,b\ntest,2", "no column is called file"),
        ("file,part\nx.jpg,half", "line 2: part `half` is none of train"),
        ("file,part\nx.jpg", "line 2 has 1 cells"),
        ("file,sha256,part\nTe-gl_0010.jpg,,train\n , ,test", "line 3 names no file"),
        (",,\n,,\n", "it is empty"),
        ("file,part\nx.jpg,test\ny.jpg,train", "of 2 files none is of the Brain Tumor MRI Dataset"),
        ("file,part\nTe-gl_0010.jpg,test\nTe-gl_0011.jpg,test", "no file is in part train"),
        (
            "file,part\nTe-gl_0010.jpg,train\nx.jpg,test\ny.jpg,test",
            "of 2 files for test none is of the",
        ),
        ("file,part\nTe-gl_0010.jpg,test\nx.jpg,train", "of 1 file for training none is of the"),
    ],
)
def test_what_is_no_split_is_named(text, said):
    with pytest.raises(DataError) as error:
        leaks.parse(text)
    assert said in str(error.value)


def test_files_of_elsewhere_are_said(table):
    head = table.iloc[[0, 1]]["file"].tolist()
    found = leaks.parse(f"file,part\n{head[0]},test\n{head[1]},train\nelsewhere.png,test\n")
    assert leaks.unknown(found) == ["elsewhere.png"]
    counts = leaks.count(found)
    assert "elsewhere.png" in words(found)
    assert counts.set_index("class").loc["not recognised", "images"] == 1
    # whoever is unknown is not said to be none of training's
    apart = leaks.parse(f"file,part\n{_alone(table)},test\n{head[1]},train\nelsewhere.png,test\n")
    said = words(apart)
    assert said.startswith(
        "Of the 1 test image recognised none has a copy, or a slice of a known patient, in training."
    )
    assert (
        "Not recognised as images of the Brain Tumor MRI Dataset: 1 file (the first: elsewhere.png)" in said
    )
    assert "Whether such are copies is not known." in said


def test_test_images_of_which_nothing_is_known_are_said_beside_a_clean_answer(table, tmp_path, capsys):
    path = tmp_path / "split.csv"
    path.write_text(
        split_of(train=[table["file"][1]], test=[_alone(table), *(f"{n}.png" for n in range(40))])
    )
    assert cli.main(["leaks", str(path)]) == 0
    assert "careful: not recognised: 40 of 41 test images" in capsys.readouterr().err


def _alone(table) -> str:
    """A file whose patient has no other, and so is known to no training."""
    return table.loc[~table["patient"].duplicated(keep=False) & (table.index > 1), "file"].iloc[0]


def test_of_folders_of_other_images_nothing_is_said(tmp_path):
    for side, seed in (("train", 0), ("test", 1)):
        (tmp_path / side).mkdir()
        noise = np.random.default_rng(seed).integers(0, 255, (120, 90), np.uint8)
        cv2.imwrite(str(tmp_path / side / "slice.png"), noise)
    with pytest.raises(DataError, match="of 1 file for training none is of the Brain Tumor MRI Dataset"):
        leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)


def test_folders_are_recognised_by_content(real_data, table, tmp_path):
    twice = table[table["redundant_with"] != ""].iloc[0]
    copies = table[table["picture"] == table["picture"].value_counts().index[0]].drop_duplicates("sha256")
    patient = table[(table["source"] != "unknown")].drop_duplicates("picture").groupby("patient").head(2)
    pair = patient[patient["patient"].duplicated(keep=False)].sort_values("patient").iloc[:2]
    cases = [(twice["redundant_with"], twice["file"]), tuple(copies["file"][:2]), tuple(pair["file"])]
    for number, (left, right) in enumerate(cases):
        for side, name in (("train", left), ("test", right)):
            target = tmp_path / side / "any" / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            image = cv2.imread(str(real_data / name))
            if number == 0:
                target.write_bytes((real_data / name).read_bytes())
            else:  # another size, another code
                if (number, side) == (1, "test"):  # turned: found by the second look alone
                    image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
                cv2.imwrite(str(target), cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA))
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (200, 200), np.uint8)
    for side in ("train", "test"):  # of no dataset, but the very same on both sides
        cv2.imwrite(str(tmp_path / side / "noise.png"), noise)
    found = leaks.scan(tmp_path / "train", tmp_path / "test", progress=False)
    counts = leaks.count(found).iloc[-1]
    assert counts[["images", "bytes", "copy", "patient"]].tolist() == [4, 2, 3, 4]
    assert [name.rsplit("/", 1)[-1] for name in leaks.unknown(found)] == ["noise.png"] * 2
    with pytest.raises(DataError, match="holds no images"):
        (tmp_path / "empty").mkdir()
        leaks.scan(tmp_path / "train", tmp_path / "empty")
    with pytest.raises(DataError, match="not a folder"):
        leaks.scan(tmp_path / "nowhere", tmp_path / "test")
