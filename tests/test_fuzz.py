"""Whatever a file holds, a result comes of it or one refusal that names it: never another error, a hang or half a file.

Cases are drawn from their number, so that a failure can be called again: `case(1234, folder)`. `make test` tries 100 of
them, `make test-slow` 2,000 more.
"""

import io
import json
import os
import random
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gcaf_lib import settings
from gcaf_lib.data import dataset, decode, fetch, figshare, leaks
from gcaf_lib.paper import report_check, report_file
from gcaf_lib.training import runs

SECONDS = 60  # of the processor, that no case may take: a machine under load stands still for longer
GIB = 2**30
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
KINDS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "TGA", "ICO")
SIDES = (1, 2, 15, 16, 17, 31, 64, 200, 20_000)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes as disks, networks and people leave them; half as they were."""
    data = bytearray(data)
    match rng.randrange(16):
        case 0:  # flipped
            for _ in range(rng.choice((1, 3, 30))):
                if data:
                    data[rng.randrange(len(data))] = rng.randrange(256)
        case 1:  # flipped where headers are
            for _ in range(4):
                if data:
                    data[rng.randrange(min(len(data), 64))] = rng.randrange(256)
        case 2:  # cut
            del data[rng.randrange(len(data) + 1) :]
        case 3:  # cut in the middle, the end kept
            if len(data) > 30:
                at = rng.randrange(20, len(data))
                del data[at : max(at, len(data) - 8)]
        case 4:  # another file's beginning
            data[:8] = rng.choice(
                (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"GIF89a", b"PK\3\4", b"%!PS-Ado")
            )
        case 5:  # something between
            at = rng.randrange(len(data) + 1)
            data[at:at] = rng.randbytes(rng.choice((1, 100, 5000)))
        case 6:
            data = bytearray(rng.randbytes(rng.choice((0, 1, 50, 3000))))
        case 7:
            data += rng.randbytes(50)
    return bytes(data)


# --- what is given, and what is made of it: each raises only what the project raises ---


def image(rng: random.Random, place: Path) -> None:
    mode, kind = rng.choice(MODES), rng.choice(KINDS)
    wide, high = rng.choice(SIDES), rng.choice(SIDES)
    if wide * high > 10_000_000:
        high = 17
    pixels = Image.fromarray(np.frombuffer(rng.randbytes(64 * 64), np.uint8).reshape(64, 64)).resize(
        (wide, high)
    )
    made, file = pixels if mode in ("I", "F", "I;16") else pixels.convert("RGB"), io.BytesIO()
    options = rng.choice(({}, {"progressive": True}, {"dpi": (72, 72)}, {"exif": b"Exif\0\0no exif"}))
    try:
        made.convert(mode).save(file, kind, **options)
    except Exception:  # not every mode goes into every kind of file
        file = io.BytesIO()
        pixels.save(file, "PNG")
    path = place / rng.choice(("slice.png", "slice", "Sch\u00f6n \U0001f9e0.jpg", "a" * 200 + ".png"))
    path.write_bytes(damaged(file.getvalue(), rng))
    for read in (decode.decode, decode.grey):
        out = read(path)
        assert out.dtype == np.uint8 and min(out.shape[:2]) >= dataset.MIN_SIDE


def archive(rng: random.Random, place: Path) -> None:
    names = (
        "Training/glioma/a.jpg",
        "Training\\",
        "Training\\glioma\\b.jpg",
        "../out.txt",
        "/etc/out",
        "C:\\out",
        "a/../../b",
    )
    names += (
        "__MACOSX/._a",
        "x" * 300,
        "a",
        "a/b",
        ".",
        "con",
        "caf\u00e9/\u202e.jpg",
        "\x1b[31m.jpg",
        "a\nb",
    )
    path = place / "given.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(
            path, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
        ) as file:
            for _ in range(rng.randrange(6)):
                file.writestr(rng.choice(names), rng.randbytes(rng.choice((0, 0, 10, 1000))))
    path.write_bytes(damaged(path.read_bytes(), rng))
    try:
        fetch.unpack(path, place / "out")
    finally:
        left = {p.name for p in place.iterdir()} - {"given.zip", "out"}
        assert not left, f"half a folder: {left}"


CELLS = (
    "",
    "1",
    "0.93",
    "93,1 %",
    "glioma",
    "Tr-gl_0010.jpg",
    "Training/glioma/Tr-gl_0010.jpg",
    "train",
    "test",
    "-1",
    "nan",
    "1e999",
)
CELLS += (
    "=SUM(A1)",
    '"',
    '"a',
    "a,b",
    "\u202e",
    "\x00",
    "macro avg",
    "accuracy",
    "support",
    "9" * 400,
    "file",
    "part",
)


# a split that `gcaf leaks` takes, and a report that `gcaf audit` takes
SOUND = (
    [
        ["file", "part"],
        ["Training/glioma/Tr-gl_0010.jpg", "train"],
        ["Testing/glioma/Te-gl_0010.jpg", "test"],
    ],
    [
        ["class", "precision", "recall", "f1", "support"],
        ["glioma", "0.9", "0.9", "0.9", "10"],
        ["notumor", "1", "1", "1", "20"],
    ],
)


def table(rng: random.Random, place: Path) -> None:
    path = place / "given.csv"
    heads = [
        ["file", "part"],
        ["class", "precision", "recall", "f1", "support"],
        [rng.choice(CELLS) for _ in range(3)],
    ]
    rows = [rng.choice(heads)]
    rows += [[rng.choice(CELLS) for _ in range(rng.choice((2, 2, 5, 3)))] for _ in range(rng.randrange(8))]
    if rng.random() < 0.5:
        rows = rng.choice(SOUND)
    cut = rng.choice((",", ",", ";", "\t"))
    text = rng.choice(("\n", "\r\n", "\r")).join(cut.join(row) for row in rows)
    path.write_bytes(
        damaged(text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace"), rng)
    )
    if rng.random() < 0.5:
        found = leaks.read(path)
        leaks.said(leaks.counts(found), found)
    else:
        report_check.check(report_file.read(path))


VALUES = (
    None,
    True,
    0,
    -1,
    1,
    1.5,
    10**30,
    float("inf"),
    float("nan"),
    "",
    "x",
    "gcaf",
    "glioma,notumor",
    [],
    ["glioma"],
    {},
    {"a": {}},
)


def profile(rng: random.Random, place: Path) -> None:
    names = [*settings.names(), "data.nothing", "nothing.at", "nothing"]
    tree: dict = {}
    for name in rng.sample(names, rng.randrange(5)):
        room, _, leaf = name.partition(".")
        sound = name in settings.names() and rng.random() < 0.6
        tree.setdefault(room, {})[leaf] = settings.names()[name].default if sound else rng.choice(VALUES)
    text = rng.choice(
        (
            json.dumps(tree),
            "\n".join(f"{k}: {v}" for k, v in tree.items()),
            "a: &a [*a]",
            "- 1",
            "\t:",
            "{" * 3000,
        )
    )
    path = place / "given.yaml"
    path.write_bytes(damaged(text.encode(rng.choice(("utf-8", "utf-8", "utf-16", "utf-8-sig"))), rng))
    settings.load(str(path))


RECORD = {
    "schema": runs.SCHEMA, "key": "abc", "kind": "main", "profile": "demo", "seed": 0, "data_hash": "d", "provenance": {"fingerprint": "f"},
    "settings": settings.Settings().to_dict(), "stages": [], "weights": {}, "weights_sha256": {"raw": "1", "ema": "2"},
}  # fmt: skip
PREDICTIONS = {
    "test_rows": np.arange(4), "test_labels": np.arange(4), "test_ema": np.eye(4), "test_raw": np.eye(4, dtype=np.float32)
}  # fmt: skip


def record(rng: random.Random, place: Path) -> None:
    folder, info = place / "abc", json.loads(json.dumps(RECORD))
    folder.mkdir()
    for _ in range(rng.choice((0, 0, 1, 2))):
        inside = (
            info
            if rng.random() < 0.6
            else rng.choice(
                list(info["settings"].values()) if isinstance(info.get("settings"), dict) else [info]
            )
        )
        if not isinstance(inside, dict) or not inside:
            continue
        name = rng.choice(list(inside))
        if rng.random() < 0.4:
            del inside[name]
        else:
            inside[name] = rng.choice(VALUES)
    text = json.dumps(rng.choice((*[info] * 9, [info], None, 3)))
    (folder / "record.json").write_bytes(damaged(text.encode(), rng))
    arrays = dict(PREDICTIONS)
    if rng.random() < 0.15:
        arrays.pop(rng.choice(list(arrays)))
    if rng.random() < 0.15:
        arrays[rng.choice(list(PREDICTIONS))] = rng.choice(
            (
                np.array("x"),
                np.arange(3),
                np.array(["a"] * 4),
                np.arange(4),
                np.zeros((4, 1)),
                np.zeros((4, 2, 2)),
            )
        )
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    (folder / "predictions.npz").write_bytes(damaged(file.getvalue(), rng))
    pd.DataFrame({"stage": [1], "epoch": [1]}).to_csv(folder / "history.csv", index=False)
    found = runs.load(folder)
    assert isinstance(found.settings, settings.Settings)
    assert (
        found.probabilities().dtype == np.float64
        and len(found.labels()) >= 0
        and len(found.rows("test")) >= 0
    )
    assert found.right().shape == found.rows().shape
    assert isinstance(found.key, str) and isinstance(found.seed, int)


PLACES = (
    "",
    "~",
    "~/x",
    "relative",
    "/nowhere/at/all",
    "\x1b[31m",
    "a" * 300,
    "~nobody-of-this-name/x",
    ".",
    "..",
    "\udcff",
)


def variables(rng: random.Random, place: Path) -> None:
    before = dict(os.environ)
    try:
        for name in ("GCAF_CACHE", "GCAF_RESULTS", "GCAF_DATA", "GCAF_FIGSHARE", "XDG_CACHE_HOME", "HOME"):
            os.environ.pop(name, None)
            if rng.random() < 0.6:
                os.environ[name] = rng.choice(PLACES)
        folders = [settings.cache_dir(), settings.results_dir()]
        assert all(
            (str(folder).strip() and folder != Path(".")) or "." in os.environ.values() for folder in folders
        )
        for locate in (dataset.locate, figshare.locate):
            try:
                assert locate().exists()
            except dataset.DataError as error:
                refused(error)
    finally:
        os.environ.clear()
        os.environ.update(before)


GIVEN = (image, archive, table, profile, record, variables, image)


def refused(error: Exception) -> None:
    """The project's own refusal, or the system's of a file that it names: what `gcaf` answers in one line."""
    own = type(error).__module__.startswith("gcaf_lib.") or (isinstance(error, OSError) and error.filename)
    assert own, f"{type(error).__name__}: {error}"
    assert 10 < len(str(error)) < 3000 and "Traceback" not in str(error)


def case(number: int, place: Path) -> str:
    """One case in a folder of its own; returns `result` or `refused`."""
    rng, started = random.Random(number), time.process_time()
    kind = GIVEN[number % len(GIVEN)]
    place.mkdir()
    try:
        kind(rng, place)
        answer = "result"
    except Exception as error:
        refused(error)
        # a setting out of place is named itself, as a variable is
        named = (
            "slice",
            "Sch",
            "aaa",
            "given",
            "abc",
            "=",
            "unknown setting",
            ": give one value",
            "GCAF_CACHE",
        )
        assert any(name in str(error) for name in named), f"names no file: {error}"
        answer = "refused"
    assert time.process_time() - started < SECONDS
    return answer


def bounded() -> None:
    """At most 4 GiB more than this process has now, where the system can hold it to that."""
    try:
        import resource

        size = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 4 * GIB, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):
        pass


def tried(numbers: range, tmp_path: Path, monkeypatch) -> dict[str, int]:
    """Answers of the cases, tried in a working folder and a home that must stay empty."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    told: dict[str, int] = {}
    for number in numbers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = case(number, tmp_path / str(number))
        except BaseException as error:
            raise AssertionError(f"case({number}): {type(error).__name__}: {error}") from error
        told[answer] = told.get(answer, 0) + 1
        assert not list((tmp_path / "here").iterdir()) and not list((tmp_path / "home").iterdir()), (
            f"case({number})"
        )
    assert {p.name for p in tmp_path.iterdir()} == {"home", "here", *map(str, numbers)}
    return told


def test_a_hundred_cases_end_in_a_result_or_a_refusal(tmp_path, monkeypatch):
    told = tried(range(100), tmp_path, monkeypatch)
    assert sum(told.values()) == 100 and min(told["result"], told["refused"]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 2100, 500))
def test_two_thousand_cases_end_in_a_result_or_a_refusal(tmp_path, monkeypatch, start):
    if hasattr(os, "fork"):  # its memory is bounded for good, so in a process of its own
        child = os.fork()
        if not child:
            try:
                bounded()
                tried(range(start, start + 500), tmp_path, monkeypatch)
            except BaseException as error:
                (tmp_path.with_name(f"{tmp_path.name}-failed")).write_text(
                    str(error), encoding="utf-8", errors="replace"
                )
            os._exit(0)
        os.waitpid(child, 0)
        failed = tmp_path.with_name(f"{tmp_path.name}-failed")
        assert not failed.exists(), failed.read_text(encoding="utf-8")
    else:
        tried(range(start, start + 500), tmp_path, monkeypatch)


def test_the_fuzz_would_find_what_it_looks_for(tmp_path, monkeypatch):
    """A reader that lets another error through, writes beside its folder, or refuses without a name."""

    def other(rng, place):
        raise KeyError("raw")

    def beside(rng, place):
        Path("left.txt").touch()

    def nameless(rng, place):
        raise settings.SettingsError("something is wrong somewhere")

    for number, bad in enumerate((other, beside, nameless)):
        (tmp_path / str(number)).mkdir()
        monkeypatch.setattr(
            "tests.test_fuzz.GIVEN" if __name__ == "tests.test_fuzz" else f"{__name__}.GIVEN", (bad,)
        )
        with pytest.raises(AssertionError, match=r"case\(0\)"):
            tried(range(1), tmp_path / str(number), monkeypatch)
