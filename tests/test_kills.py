"""A training that is killed again and again gives the very record of the one that was left alone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gcaf_lib.settings import load
from gcaf_lib.training import runs
from tests.test_sweep import SMALL

KILLS = 20
MINIATURE = {**SMALL, "training.stage1_epochs": 2, "training.stage2_epochs": 2}
# `ready` once everything is imported: a kill before that would only test the import
SCRIPT = """
import sys
from gcaf_lib.settings import load
from gcaf_lib.training import train
settings = load("demo", eval(sys.argv[1]))
print("ready", flush=True)
train.get(settings, 0, profile="demo", progress=False)
"""


def start(store: Path) -> subprocess.Popen:
    """The training in a process of its own, past its imports."""
    env = {**os.environ, "GCAF_RESULTS": str(store / "results"), "GCAF_CACHE": str(store / "cache")}
    with (store / "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, repr(MINIATURE)], env=env, stdout=subprocess.PIPE, stderr=log
        )
    assert child.stdout.readline() == b"ready\n", (store / "log").read_text()[-3000:]
    return child


def finish(child: subprocess.Popen, store: Path) -> None:
    assert child.wait() == 0, (store / "log").read_text()[-3000:]
    child.stdout.close()


def the_record(store: Path) -> runs.Record:
    (folder,) = [
        path.parent
        for path in (store / "results" / "runs").glob("*/record.json")
        if '"kind": "main"' in path.read_text()
    ]
    return runs.load(folder)


def compare(record: runs.Record, wanted: runs.Record) -> None:
    columns = [name for name in wanted.history if name != "seconds"]
    np.testing.assert_array_equal(record.history[columns], wanted.history[columns])
    assert record.info["weights"] == wanted.info["weights"], "stage-0 weights differ in some bit"
    for mine, other in ((record.predictions, wanted.predictions), (record.maps, wanted.maps)):
        assert mine.keys() == other.keys()
        for name, values in other.items():
            np.testing.assert_array_equal(mine[name], values, err_msg=name)


@pytest.mark.slow
def test_killed_at_random_moments_it_gives_the_same_record(tmp_path):
    assert load("demo", MINIATURE).training.stage2_epochs == 2
    alone = tmp_path / "alone"
    alone.mkdir()
    child = start(alone)
    began = time.monotonic()
    finish(child, alone)
    length, wanted = time.monotonic() - began, the_record(alone)

    draw, kills, finished = random.Random(20260801), 0, 0
    store = tmp_path / "killed"
    while kills < KILLS:
        store.mkdir(exist_ok=True)
        child = start(store)
        try:
            child.wait(draw.uniform(0, length))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            assert child.wait() in (-signal.SIGKILL, 0)
            child.stdout.close()
            kills += 1
            continue
        # it got through: compare, and start over, so that every kill falls into work to be done
        finish(child, store)
        compare(the_record(store), wanted)
        finished += 1
        shutil.rmtree(store)
    store.mkdir(exist_ok=True)
    finish(start(store), store)
    compare(the_record(store), wanted)
    left = [path.name for path in (store / "results" / "runs").iterdir() if path.name.startswith(".")]
    assert not left, f"leftovers of killed processes: {left}"
    print(f"{kills} kills, {finished + 1} runs finished between them, {length:.1f} s each if left alone")
