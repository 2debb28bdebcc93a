"""Machines that are not ours: what Linux has and others haven't is asked in one room, which does without."""

import os
import re
import threading
import time
from pathlib import Path

import pytest

from gcaf_lib import machine
from gcaf_lib.training import environment, sweep

LINUX = (
    ("os", "sched_getaffinity"), ("os", "sched_setaffinity"), ("os", "fork"), ("os", "mkfifo"), ("os", "getuid"),
    ("os", "getpgid"), ("os", "killpg"), ("os", "statvfs"), ("os", "getloadavg"),
)  # fmt: skip


@pytest.fixture
def elsewhere(monkeypatch):
    """No affinity, no process file system, none of the other words that only some systems know."""
    for _, name in LINUX:
        monkeypatch.delattr(os, name, raising=False)
    read = Path.read_text

    def no_proc(self, *args, **kwargs):
        if str(self).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return read(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", no_proc)


def test_a_run_record_s_device_and_workers_do_without_linux(elsewhere):
    assert re.fullmatch(rf"{os.cpu_count()} CPU cores \(.*\)", environment.device())
    assert sweep._local(10**6) is not None
    assert machine.cores() == os.cpu_count() and machine.processor() == []


def test_with_linux_it_is_asked():
    if hasattr(os, "sched_getaffinity"):
        assert machine.cores() == len(os.sched_getaffinity(0))
    if Path("/proc/cpuinfo").is_file():
        assert machine.processor()


def test_no_other_room_uses_what_only_some_systems_have():
    words = re.compile(
        rf"os\.({'|'.join(name for _, name in LINUX)}|kill)\b|/proc/|import (fcntl|pwd|resource|msvcrt)\b"
    )
    found = {}
    for path in Path(machine.__file__).parent.rglob("*.py"):
        # kernels.py is for Linux alone (tests/test_kernels.py)
        if path.name not in ("machine.py", "kernels.py") and (
            hit := words.search(path.read_text(encoding="utf-8"))
        ):
            found[path.name] = hit[0]
    assert found == {}
    assert words.search("len(os.sched_getaffinity(0))") and words.search("import fcntl")


def test_a_process_is_gone_or_not(monkeypatch):
    assert not machine.gone(os.getpid()) and not machine.gone(10**30)
    if os.name == "posix":
        assert machine.gone(2**22 - 1) or Path(f"/proc/{2**22 - 1}").exists()
    monkeypatch.setattr(machine.os, "name", "nt")
    assert not machine.gone(2**22 - 1)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "table.csv"
    machine.write_text(path, "a\nb\n")
    assert path.read_bytes() == b"a\nb\n"
    with pytest.raises(ZeroDivisionError), machine.whole(path) as part:
        part.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_bytes() == b"a\nb\n" and os.listdir(path.parent) == ["table.csv"]
    with machine.whole(path) as part:
        assert part.parent == path.parent and part.suffix == ".csv" and part.name.startswith(".")
        part.write_text("c")
        assert path.read_bytes() == b"a\nb\n"
    assert path.read_bytes() == b"c"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError) as error, machine.whole(tmp_path):
        raise AssertionError("nothing is written")
    assert error.value.filename == str(tmp_path) and not list(tmp_path.parent.glob(".part-*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is Unix's")
def test_a_device_or_pipe_is_refused_and_stays(tmp_path, monkeypatch):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="a device or pipe, which a file would replace") as error:
            machine.write_text(path, "x")
        assert error.value.filename == str(path)
    assert pipe.is_fifo() and link.is_symlink() and sorted(os.listdir(tmp_path)) == ["link", "pipe"]
    # the folder of devices, a link in it as /dev/stdout is: to a plain file
    monkeypatch.setattr(machine.os, "devnull", str(tmp_path / "dev" / "null"))
    (tmp_path / "dev").mkdir()
    (tmp_path / "out.txt").write_text("kept")
    (tmp_path / "dev" / "stdout").symlink_to(tmp_path / "out.txt")
    with pytest.raises(OSError, match="a device or pipe"):
        machine.write_text(tmp_path / "dev" / "stdout", "x")
    assert (tmp_path / "dev" / "stdout").is_symlink() and (tmp_path / "out.txt").read_text() == "kept"


def test_a_place_that_takes_no_file_is_said_beforehand(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    machine.demand_place(tmp_path / "new" / "folder" / "table.csv")
    machine.demand_place(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"], "nothing is made"
    with pytest.raises(NotADirectoryError) as error:
        machine.demand_place(tmp_path / "file" / "table.csv")
    assert error.value.filename == str(tmp_path / "file" / "table.csv")
    monkeypatch.setattr(machine.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError):
        machine.demand_place(tmp_path / "table.csv")


def test_what_native_code_says_is_held_back_and_shown_where_it_fails(capfd):
    with machine.hushed():
        os.write(2, b"chatter\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    with pytest.raises(ZeroDivisionError), machine.hushed():
        os.write(2, b"why it failed\n")
        1 / 0  # noqa: B018
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why it failed\nafter\n"


def test_text_that_somebody_gave_is_read_or_refused_by_name(tmp_path):
    class Odd(ValueError):
        pass

    path = tmp_path / "given.csv"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_text("für κ", encoding=encoding)
        assert machine.read_text(path, 100, Odd, "give a table") == "für κ"
    for encoding, said in (
        ("utf-16", "is UTF-16, as PowerShell"),
        ("latin-1", r"is not text in UTF-8 \(byte 1\): give a table"),
    ):
        path.write_text("für", encoding=encoding)
        with pytest.raises(Odd, match=rf"given\.csv {said}"):
            machine.read_text(path, 100, Odd, "give a table")
    path.write_bytes(bytes(101))
    with pytest.raises(Odd, match=r"given\.csv has 101 bytes: give a table"):
        machine.read_text(path, 100, Odd, "give a table")
    with pytest.raises(Odd, match="is a folder: give a table"):
        machine.read_text(tmp_path, 100, Odd, "give a table")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # to read it would wait for ever
        with pytest.raises(Odd, match=r"is no file \(a pipe or a device\): give a table"):
            machine.read_text(tmp_path / "pipe", 100, Odd, "give a table")


def test_names_of_any_length_are_written(tmp_path):
    name = "ä" * 120 + ".weights.h5"
    machine.write_text(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]


def test_what_killed_processes_left_is_removed_and_what_others_write_is_not(tmp_path, monkeypatch):
    parts = []
    with machine.whole(tmp_path / "a.txt") as part:
        part.write_text("a")
        parts = [part.name.replace(f"-{os.getpid()}-", f"-{n}-") for n in (111, 222)]
        parts.append(part.name.replace(f"-{os.getpid()}-", "-111-").replace("a.txt", "now.txt"))
        for name in parts:
            (tmp_path / name).write_text("left")
        for name in parts[:2]:
            os.utime(tmp_path / name, (time.time() - 4000,) * 2)
        monkeypatch.setattr(machine, "gone", lambda process: process == 111)
        machine.write_text(tmp_path / "b.txt", "b")
        assert part.is_file(), "one that is being written"
    assert sorted(os.listdir(tmp_path)) == sorted([*parts[1:], "a.txt", "b.txt"])


def test_many_threads_write_one_file(tmp_path):
    threads = [
        threading.Thread(target=machine.write_text, args=(tmp_path / "a", str(n) * 1000)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.listdir(tmp_path) == ["a"] and len(set((tmp_path / "a").read_text())) == 1
