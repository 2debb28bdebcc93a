"""Chapters' kernels on Linux: forked with their imports done, and otherwise like any other."""

import json
import multiprocessing.spawn
import os
import subprocess
import sys
import time

import nbformat
import pytest

from gcaf_lib.book import kernels, runner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

CELL = """
import json, multiprocessing, os, sys
print(json.dumps([os.getpid(), {"scipy.stats", "keras"} <= sys.modules.keys(), os.environ["GCAF_WORD"], os.getcwd()]))
assert multiprocessing.get_start_method() == "fork", "as in any kernel: a lock of another method has a name to be left behind"
assert not hasattr(sys, "left_behind")
sys.left_behind = True
"""
# a script as a reader writes it, without a guard of its main part
ASKER = """
import sys, time
print("begun", flush=True)
from jupyter_client import KernelManager
from gcaf_lib.book import kernels, runner
kernels.IMPORTS[1:] = []  # what a kernel itself needs is enough here
with runner.kernel():
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    client.execute_interactive(
        "import os, subprocess; print(os.getpid(), subprocess.Popen(['sleep', '600']).pid)"
    )
    sys.stdout.flush()
    if sys.argv[1] == "ends":
        sys.exit()
    if sys.argv[1] == "is killed":
        time.sleep(600)
    if sys.argv[1] == "shuts a dead one down":
        client.execute("import os; os.kill(os.getpid(), 9)")
        while manager.is_alive():
            time.sleep(0.1)
    manager.shutdown_kernel(now=True)
"""


def gone(pid: str) -> bool:
    """Whether a process ends within a minute."""
    for _ in range(600):
        if not os.path.isdir(f"/proc/{pid}"):
            return True
        time.sleep(0.1)
    return False


def told(folder, name: str) -> list:
    """What a kernel says of itself, which also leaves something behind in its process."""
    source, executed = folder / f"{name}.ipynb", folder / f"{name}_out.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), source)
    with runner.kernel():
        runner._papermill(source, executed, {}, folder)
    (out,) = nbformat.read(executed, as_version=4).cells[0].outputs
    return json.loads(out.text)


def test_a_kernel_has_imported_and_has_nothing_of_another(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    words = {}
    monkeypatch.setattr(
        multiprocessing.spawn, "get_start_method", lambda: "spawn"
    )  # as joblib's workers have another
    for name in ("first", "second"):
        monkeypatch.setenv("GCAF_WORD", name)
        words[name] = told(tmp_path, name)
    for name, (pid, imported, word, place) in words.items():
        assert imported and (word, place) == (name, str(tmp_path))
        assert not os.path.isdir(f"/proc/{pid}"), "it has ended"
    assert words["first"][0] != words["second"][0]


def test_elsewhere_than_on_linux_the_room_is_not_even_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcaf_lib.book.kernels", None)  # what would be an ImportError
    monkeypatch.delattr("gcaf_lib.book.kernels", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert runner._forked() == {}
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ImportError):
        runner._forked()


@pytest.mark.parametrize("error", [OSError("AF_UNIX path too long"), EOFError("the server ended")])
def test_without_a_server_a_kernel_begins_as_ever(tmp_path, monkeypatch, error):

    def refused(child):
        raise error

    monkeypatch.setattr(kernels._Child, "start", refused)
    monkeypatch.setenv("GCAF_WORD", "alone")
    _, imported, word, place = told(tmp_path, "alone")
    assert not imported and (word, place) == ("alone", str(tmp_path))


@pytest.mark.parametrize("asker", ["ends", "is killed", "shuts it down", "shuts a dead one down"])
def test_a_kernel_and_what_it_started_end_with_the_process_that_asked_for_it(tmp_path, monkeypatch, asker):
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # nor is Keras imported
    script = tmp_path / "asker.py"
    script.write_text(ASKER)
    with subprocess.Popen([sys.executable, script, asker], stdout=subprocess.PIPE, text=True) as child:
        begun, told = child.stdout.readline(), child.stdout.readline()
        if asker == "is killed" or not told:
            child.kill()
        rest = child.stdout.read()
    assert (begun, rest, child.returncode) == ("begun\n", "", -9 if asker == "is killed" else 0)
    kernel, sleeper = told.split()
    assert gone(kernel), "a kernel is left behind"
    # one that is killed itself takes nobody with it, however it began
    assert asker == "shuts a dead one down" or gone(sleeper), "what a cell started is left behind"
