"""Chapters' kernels on Linux: forked with their imports done, and otherwise like any other."""

import json
import os
import subprocess
import sys
import time

import nbformat
import pytest

from gcaf_lib.book import kernels, runner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

CELL = """
import json, os, sys
print(json.dumps([os.getpid(), {"scipy.stats", "keras"} <= sys.modules.keys(), os.environ["GCAF_WORD"], os.getcwd()]))
assert not hasattr(sys, "left_behind")
sys.left_behind = True
"""
ASKER = """
import time
from jupyter_client import KernelManager
from gcaf_lib.book import runner
with runner.kernel():
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    print(manager.provisioner.pid, flush=True)
    time.sleep(600)
"""


def told(folder, name: str) -> list:
    """What a kernel says of itself, which also leaves something behind in its process."""
    source, executed = folder / f"{name}.ipynb", folder / f"{name}_out.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), source)
    with runner.kernel():
        runner._papermill(source, executed, {}, folder)
    (out,) = nbformat.read(executed, as_version=4).cells[0].outputs
    return json.loads(out.text)


def test_a_kernel_has_imported_and_has_nothing_of_another(tmp_path, monkeypatch):
    words = {}
    for name in ("first", "second"):
        monkeypatch.setenv("GCAF_WORD", name)
        words[name] = told(tmp_path, name)
    for name, (pid, imported, word, place) in words.items():
        assert imported and (word, place) == (name, str(tmp_path))
        assert not os.path.isdir(f"/proc/{pid}"), "it has ended"
    assert words["first"][0] != words["second"][0]


def test_without_a_server_a_kernel_begins_as_ever(tmp_path, monkeypatch):
    """As where the folder of temporary files has too long a name for a socket."""

    def refused(child):
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(kernels._Child, "start", refused)
    monkeypatch.setenv("GCAF_WORD", "alone")
    _, imported, word, place = told(tmp_path, "alone")
    assert not imported and (word, place) == ("alone", str(tmp_path))


def test_a_kernel_ends_with_the_process_that_asked_for_it():
    with subprocess.Popen([sys.executable, "-c", ASKER], stdout=subprocess.PIPE, text=True) as asker:
        place = f"/proc/{int(asker.stdout.readline())}"
        assert os.path.isdir(place)
        asker.kill()
    for _ in range(600):
        if not os.path.isdir(place):
            break
        time.sleep(0.1)
    assert not os.path.isdir(place), "a kernel is left behind"
