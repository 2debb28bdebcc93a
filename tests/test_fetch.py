"""Fetching against a file server on this machine that cuts connections, lies and sends bombs."""

import hashlib
import http.server
import os
import shutil
import stat
import threading
import time
import zipfile
from concurrent import futures

import numpy as np
import pandas as pd
import pytest
import requests

from gcaf_lib.data import fetch
from gcaf_lib.data.fetch import FetchError, Limits

BODY = np.random.default_rng(0).bytes(1_500_000)
SHA = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `body`; closes the connection after `cut` bytes the first `cuts` times; records ranges asked."""

    daemon_threads = True
    body, cut, cuts, ranges_supported, status = BODY, 0, 0, True, 200
    kind = "application/zip"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/file.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, start = self.server, 0
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.status != 200:
            if server.status < 400:  # accepted, nothing in it, a redirect without a place
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            return self.send_error(server.status)
        if wanted and server.ranges_supported:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.body):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        else:
            self.send_response(200)
        rest = server.body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("Content-Type", server.kind)
        self.end_headers()
        if server.cuts > 0:
            server.cuts -= 1
            rest = rest[: server.cut]
        self.wfile.write(rest)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def get(server, target, **more):
    return fetch.download(server.url, target, **{"checksum": SHA, "pause": 0.0, "progress": False, **more})


def beside(folder):
    """What is in a folder, but for the lock that a download leaves."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".file.zip.lock")


# --- one file ---


def test_download_whole_and_not_again(server, tmp_path):
    target = get(server, tmp_path / "a" / "file.zip")
    assert target.read_bytes() == BODY
    get(server, target)
    assert len(server.asked) == 1
    assert beside(target.parent) == ["file.zip"]


def test_who_fetches_the_same_at_once_waits_and_takes_it(server, tmp_path, monkeypatch):
    plain, inside, most = fetch._continue, [], []

    def slow(*args):
        inside.append(args)
        time.sleep(0.1)  # for the other one to come
        most.append(len(inside))
        try:
            return plain(*args)
        finally:
            inside.pop()

    monkeypatch.setattr(fetch, "_continue", slow)
    with futures.ThreadPoolExecutor() as pool:
        got = [one.result() for one in [pool.submit(get, server, tmp_path / "file.zip") for _ in range(3)]]
    assert set(got) == {tmp_path / "file.zip"} and got[0].read_bytes() == BODY
    assert most == [1] and len(server.asked) == 1 and beside(tmp_path) == ["file.zip"]


def test_cut_connections_are_resumed_where_they_stopped(server, tmp_path):
    server.cut, server.cuts = 400_000, 3
    assert get(server, tmp_path / "file.zip").read_bytes() == BODY
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.asked[1:]]
    assert server.asked[0] is None and starts == sorted(starts) and starts[-1] >= 1_000_000


def test_next_call_goes_on_where_the_last_gave_up(server, tmp_path):
    server.cut, server.cuts = 400_000, 1
    with pytest.raises(FetchError, match="run the same command again to resume"):
        get(server, tmp_path / "file.zip", attempts=1)
    assert not (tmp_path / "file.zip").exists()
    assert get(server, tmp_path / "file.zip").read_bytes() == BODY
    assert server.asked[1].startswith("bytes=")


def test_server_without_ranges_starts_over(server, tmp_path):
    server.ranges_supported = False
    (tmp_path / "file.zip.part").write_bytes(b"half of something")
    assert get(server, tmp_path / "file.zip").read_bytes() == BODY


def test_what_was_begun_anew_and_cut_is_not_kept_beside_what_is_here(server, tmp_path):
    server.ranges_supported, server.cut, server.cuts = False, 400_000, 1
    (tmp_path / "file.zip.part").write_bytes(b"half of something")
    with pytest.raises(FetchError, match="run the same command again to resume"):
        get(server, tmp_path / "file.zip", attempts=1)
    assert beside(tmp_path) == ["file.zip.part"]


def test_without_a_checksum_what_has_nothing_behind_it_is_fetched_anew_or_said(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(BODY)
    with pytest.raises(
        FetchError, match=r"no more than .*file\.zip\.part holds, and without a checksum nothing tells"
    ):
        get(server, tmp_path / "file.zip", checksum=None, attempts=1)
    assert beside(tmp_path) == ["file.zip.part"]
    assert get(server, tmp_path / "file.zip", checksum=None, attempts=2).read_bytes() == BODY


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * (len(BODY) + 5)])
def test_stale_part_of_another_file_is_thrown_away(server, tmp_path, stale):
    (tmp_path / "file.zip.part").write_bytes(stale)
    assert get(server, tmp_path / "file.zip").read_bytes() == BODY


def test_wrong_checksum_leaves_nothing(server, tmp_path):
    server.body = BODY[:-1] + b"!"
    with pytest.raises(FetchError, match="does not have the published sha256"):
        get(server, tmp_path / "file.zip")
    assert beside(tmp_path) == [] and len(server.asked) == 1


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (503, 3)])
def test_refusal_is_told_and_only_a_busy_server_is_asked_again(server, tmp_path, status, tries):
    server.status = status
    with pytest.raises(FetchError, match=str(status)):
        get(server, tmp_path / "file.zip", attempts=3)
    assert len(server.asked) == tries


PAGE = b"<!DOCTYPE html><title>Log in</title>" + bytes(100)
NO_FILE = {
    **{str(status): ({"status": status}, f"answers {status}") for status in (202, 203, 204, 302)},
    "login": ({"body": PAGE, "kind": "text/html; charset=utf-8", "ranges_supported": False}, "a web page"),
    "login that says it is a file": ({"body": PAGE, "ranges_supported": False}, "a web page"),
    "JSON": (
        {"body": b'{"message": "log in"}', "kind": "application/json", "ranges_supported": False},
        "a web page",
    ),
    "login behind a comment": (
        {"body": b"\xef\xbb\xbf<!-- v2 -->" + PAGE, "ranges_supported": False},
        "a web page",
    ),
    "login that is shorter than what is here": ({"body": PAGE}, "a web page"),
    "plain text": ({"body": b"Log in", "kind": "text/plain", "ranges_supported": False}, "a web page"),
    "JSON that says it is a file": ({"body": b' {"error": 1}', "ranges_supported": False}, "a web page"),
    "nothing": ({"body": b"", "ranges_supported": False}, "sends nothing"),
}


@pytest.mark.parametrize("checksum", [SHA, None])
@pytest.mark.parametrize("case", NO_FILE)
def test_what_is_no_file_is_refused_and_what_was_downloaded_stays(server, tmp_path, case, checksum):
    part = tmp_path / "file.zip.part"
    part.write_bytes(BODY[:1000])
    change, said = NO_FILE[case]
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(
        FetchError, match=rf"cannot be fetched \(.*{said}.*run the same command again to resume"
    ):
        get(server, tmp_path / "file.zip", checksum=checksum)
    assert part.read_bytes() == BODY[:1000] and len(server.asked) <= 2
    assert beside(tmp_path) == [part.name]
    for name in change:
        delattr(server, name)
    assert get(server, tmp_path / "file.zip").read_bytes() == BODY


@pytest.mark.parametrize("ranges", [True, False])
def test_another_file_takes_nothing_of_what_was_downloaded(server, tmp_path, ranges):
    part = tmp_path / "file.zip.part"
    part.write_bytes(BODY[:1000])
    server.body, server.ranges_supported = b"PK" + bytes(500), ranges
    with pytest.raises(FetchError, match="does not have the published sha256"):
        get(server, tmp_path / "file.zip")
    assert part.read_bytes() == BODY[:1000] and beside(tmp_path) == [part.name]


def test_a_range_that_was_not_asked_for_is_refused(server, tmp_path):
    server.status = 416
    with pytest.raises(FetchError, match="416"):
        get(server, tmp_path / "file.zip")


@pytest.mark.parametrize(
    "sent", ["bytes 1-{end}/{all}", "bytes 0-{end}/{all}", "bytes 1000-{end}", "", "items 4000-"]
)
def test_another_range_than_was_asked_for_is_never_appended(server, tmp_path, monkeypatch, sent):
    part = tmp_path / "file.zip.part"
    part.write_bytes(BODY[:4000])
    told = sent.format(end=len(BODY) - 1, all=len(BODY))
    plain = Handler.send_header
    monkeypatch.setattr(
        Handler,
        "send_header",
        lambda self, name, value: plain(self, name, told if name == "Content-Range" else value),
    )
    with pytest.raises(FetchError, match="another range than was asked for"):
        get(server, tmp_path / "file.zip", attempts=2, checksum=None)
    assert part.read_bytes() == BODY[:4000] and beside(tmp_path) == [part.name]


# --- archives ---


def bundle(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_unpack_whole(tmp_path):
    archive = bundle(
        tmp_path / "a.zip", [("Training/x/1.jpg", b"one"), ("Testing/2.jpg", b"two"), ("empty/", b"")]
    )
    folder = fetch.unpack(archive, tmp_path / "out")
    assert (folder / "Training/x/1.jpg").read_bytes() == b"one"
    assert (folder / "Testing/2.jpg").read_bytes() == b"two"
    (tmp_path / "plain").mkdir()
    assert folder.stat().st_mode == (tmp_path / "plain").stat().st_mode, "as the umask has it"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "out", "plain"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "C:evil"])
def test_paths_that_leave_the_folder(tmp_path, name):
    archive = bundle(tmp_path / "a.zip", [("good", b"1"), (name, b"2")])
    with pytest.raises(FetchError, match="leaves its folder"):
        fetch.unpack(archive, tmp_path / "in" / "out")
    assert not (tmp_path / "evil").exists() and list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("empty", ["Training\\", "Training/", "Training", "Training\\glioma\\", "none\\"])
def test_folders_packed_on_windows_are_folders(tmp_path, empty):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(empty, b"")
        file.writestr("Training\\glioma\\a.jpg", b"a")
        file.writestr("Training/glioma/b.jpg", b"b")
    out = fetch.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert sorted(p.name for p in (out / "Training" / "glioma").iterdir()) == ["a.jpg", "b.jpg"]
    assert (out / empty.replace("\\", "/")).is_dir()


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(FetchError, match="link"):
        fetch.unpack(bundle(tmp_path / "a.zip", [(link, b"/etc/passwd")]), tmp_path / "out")


def test_zip_bomb_many_files_and_large_archives(tmp_path):
    bomb = bundle(tmp_path / "bomb.zip", [("zeros", bytes(50_000_000))], zipfile.ZIP_DEFLATED)
    with pytest.raises(FetchError, match="zip bomb"):
        fetch.unpack(bomb, tmp_path / "out")
    many = bundle(tmp_path / "many.zip", [(f"{n}", b"") for n in range(11)])
    with pytest.raises(FetchError, match="11 files"):
        fetch.unpack(many, tmp_path / "out", Limits(files=10))
    large = bundle(tmp_path / "large.zip", [("a", BODY), ("b", BODY)])
    with pytest.raises(FetchError, match="zip bomb"):
        fetch.unpack(large, tmp_path / "out", Limits(size=2_000_000))
    assert not (tmp_path / "out").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bomb.zip", "large.zip", "many.zip"]


@pytest.mark.parametrize("damage", ["text", "flipped", "colliding"])
def test_damaged_archives(tmp_path, damage):
    archive = bundle(tmp_path / "a.zip", [("a", BODY[:5000])], zipfile.ZIP_DEFLATED)
    if damage == "text":
        archive.write_bytes(b"<html>login</html>")
    elif damage == "flipped":
        content = bytearray(archive.read_bytes())
        content[1000] ^= 255
        archive.write_bytes(content)
    else:
        archive = bundle(tmp_path / "b.zip", [("a", b"file"), ("a/b", b"inside a file")])
    with pytest.raises(FetchError, match="not a sound zip file"):
        fetch.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the two datasets ---


@pytest.fixture
def published(tmp_path):
    """(what Kaggle gives: a folder around Training and Testing; the manifest of its files)."""
    source = tmp_path / "kaggle" / "versions" / "1"
    rows = []
    for number, name in enumerate(
        ["Training/glioma/a.jpg", "Testing/glioma/b.jpg", "Training/notumor/c.jpg"]
    ):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 100)
        rows.append({"file": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    (source / "Training" / "extra.jpg").write_bytes(b"not published")
    return source, pd.DataFrame(rows)


def never(handle):
    pytest.fail("asked Kaggle although nothing is missing")


def test_dataset_is_copied_verified_and_repaired(published, tmp_path):
    source, wanted = published
    place = fetch.fetch_dataset(tmp_path / "data", None, wanted, lambda handle: str(source))
    found = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    assert found == sorted(wanted["file"])
    fetch.fetch_dataset(place, None, wanted, never)
    (place / wanted["file"][0]).write_bytes(b"rotten")
    fetch.fetch_dataset(place, None, wanted, lambda handle: str(source))
    assert fetch.absent(place, wanted) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "kaggle"]


def test_the_dataset_is_copied_by_several_at_once(published, tmp_path, monkeypatch):
    source, wanted = published
    plain, ready = shutil.copyfile, threading.Barrier(2)

    def together(*args):
        plain(*args)
        ready.wait(timeout=10)  # each has written its copy before one is put in place

    monkeypatch.setattr(fetch.shutil, "copyfile", together)
    with futures.ThreadPoolExecutor() as pool:
        jobs = [pool.submit(fetch.fetch_dataset, tmp_path / "data", source, wanted, never) for _ in range(2)]
        assert {job.result() for job in jobs} == {tmp_path / "data"}
    assert fetch.absent(tmp_path / "data", wanted) == []


def test_dataset_from_a_zip_fetched_by_hand(published, tmp_path):
    source, wanted = published
    archive = bundle(
        tmp_path / "a.zip", [(f"top/{name}", (source / name).read_bytes()) for name in wanted["file"]]
    )
    fetch.fetch_dataset(tmp_path / "data", archive, wanted, never)
    assert fetch.absent(tmp_path / "data", wanted) == []


@pytest.mark.parametrize("beside", ["__MACOSX", "aa", ".hidden", "Testing/deep"])
def test_the_root_is_the_folder_that_holds_the_class_folders(published, tmp_path, beside):
    """Not the first `Training` in the order of names."""
    root, wanted = published
    place = tmp_path / "archive"
    shutil.copytree(root, place / "in" / "the" / "middle")
    (place / beside / "Training" / "glioma").mkdir(parents=True)
    (place / beside / "Training" / "glioma" / "._a.jpg").write_bytes(b"clutter")
    assert fetch.fetch_dataset(tmp_path / "out", archive=place, wanted=wanted) == tmp_path / "out"


def test_of_roots_that_hold_as_much_the_outer_one_counts(tmp_path):
    for place in ("b", "b/inner", "b/inner/most"):
        path = tmp_path / place / "Training" / "glioma" / "a.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a")
    assert fetch._root(tmp_path / "b") == tmp_path / "b" == fetch._root(tmp_path)
    path = tmp_path / "b" / "inner" / "Testing" / "glioma" / "a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a")
    assert fetch._root(tmp_path) == tmp_path / "b" / "inner"
    assert fetch._root(path.parent) == path.parent, "where none holds any"
    several = tmp_path / "several"
    for name in "abcd":
        (several / name).mkdir(parents=True)
    *others, last = several.iterdir()  # the outer one is come upon last
    for place in (last, *(other / "deep" for other in others)):
        path = place / "Training" / "glioma" / "a.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a")
    assert fetch._root(several) == last


def test_the_root_is_told_by_all_classes(tmp_path):
    for name in ("a/Training/glioma", "deep/b/Training/glioma", "deep/b/Training/pituitary"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.jpg").write_bytes(b"a")
    assert fetch._root(tmp_path) == tmp_path / "deep" / "b"


def test_a_cure_names_no_folder_that_is_gone(published, tmp_path):
    _, wanted = published
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("Training/glioma/other.jpg", b"other")
    with pytest.raises(FetchError, match="another variant") as caught:
        fetch.fetch_dataset(tmp_path / "out", archive=tmp_path / "other.zip", wanted=wanted)
    assert "gcaf data check" not in str(caught.value)
    (tmp_path / "mine" / "Training" / "glioma").mkdir(parents=True)
    with pytest.raises(FetchError, match=r"`gcaf data check .*mine` says which"):
        fetch.fetch_dataset(tmp_path / "out", archive=tmp_path / "mine", wanted=wanted)


def test_altered_files_are_named_and_not_taken(published, tmp_path):
    source, wanted = published
    (source / wanted["file"][1]).write_bytes(b"re-encoded")
    with pytest.raises(FetchError, match=r"1 of 3 files .*Testing/glioma/b\.jpg.*gcaf data check"):
        fetch.fetch_dataset(tmp_path / "data", None, wanted, lambda handle: str(source))
    assert not (tmp_path / "data" / wanted["file"][1]).exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_an_archive_that_is_neither_file_nor_folder_is_named(published, tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(FetchError, match=r"pipe\.zip is neither a zip file nor a folder"):
        fetch.fetch_dataset(tmp_path / "to", tmp_path / "pipe.zip", wanted=published[1])


def test_no_network_tells_the_manual_way(published, tmp_path):
    def dead(handle):
        raise requests.ConnectionError("Name or service not known")

    with pytest.raises(FetchError, match=r"By hand: .*kaggle\.com.*GCAF_DATA"):
        fetch.fetch_dataset(tmp_path / "data", None, published[1], dead)
    with pytest.raises(FetchError, match=r"By hand: .*doi\.org.*GCAF_FIGSHARE"):
        fetch.fetch_figshare(tmp_path / "figshare", dead)


def test_figshare_files_are_fetched_by_their_record(server, tmp_path):
    md5 = "md5:" + hashlib.md5(BODY).hexdigest()
    place = fetch.fetch_figshare(
        tmp_path, lambda doi: {"a.zip": (server.url, md5), "b.zip": (server.url, md5)}
    )
    assert (place / "a.zip").read_bytes() == (place / "b.zip").read_bytes() == BODY
    with pytest.raises(FetchError, match="leaves its folder"):
        fetch.fetch_figshare(tmp_path, lambda doi: {"../a.zip": (server.url, md5)})
    with pytest.raises(FetchError, match="no zip files"):
        fetch.fetch_figshare(tmp_path, lambda doi: {})


def test_fetch_names_both_places(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "fetch_dataset", lambda destination, archive: destination)
    monkeypatch.setattr(fetch, "fetch_figshare", lambda destination: destination)
    assert fetch.fetch(tmp_path / "x") == f"images: {tmp_path / 'x'}"
    assert str(tmp_path / "figshare") in fetch.fetch(tmp_path / "x", figshare=True)
