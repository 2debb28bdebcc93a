"""The sweep: what is missing is run, once, in processes of its own; what fails says so."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gcaf_lib.settings import cache_dir, load
from gcaf_lib.training import experiments, runs, sweep
from tests.test_training import TINY

SMALL = {**TINY, "model.backbones": ("vgg19",), "model.fusion": "none", "training.stage1_epochs": 1}


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    grid = (experiments.Row("one", SMALL), experiments.Row("other", {**SMALL, "loss.gamma": 1}))
    small = experiments.Experiment("small", "two rows", grid, {"demo": 1})
    monkeypatch.setitem(experiments.EXPERIMENTS, "small", small)


def test_jobs_survive_the_way_to_another_process():
    job = sweep.Job("k", load("demo", SMALL), 3, "demo", None, "vgg19", "label")
    assert sweep.Job.from_json(job.to_json()) == job


def test_sweep_runs_what_is_missing_then_nothing(monkeypatch):
    table = sweep.plan(["small"], "demo")
    assert list(table["state"]) == ["missing", "missing"]
    assert [job.backbone for job in sweep.stage0_jobs(table["job"])] == ["vgg19"], "stage 0 is shared"
    done = sweep.sweep(["small"], "demo", workers=2, progress=False)
    assert list(done["state"]) == ["done", "done"]
    assert len(runs.all_records("main")) == 2 and len(runs.all_records("stage0")) == 1
    monkeypatch.setattr(sweep, "run_job", None)  # a complete table starts nothing
    assert list(sweep.sweep(["small"], "demo", progress=False)["state"]) == ["done", "done"]
    monkeypatch.setattr(sweep.environment, "fingerprint", lambda *_: "other")
    assert list(sweep.plan(["small"], "demo")["state"]) == ["stale", "stale"]


def test_keys_are_those_of_training_and_a_split_is_drawn_once(monkeypatch):
    from gcaf_lib.data import splits
    from gcaf_lib.training import listing
    from gcaf_lib.training.task import task

    settings = load("demo", SMALL)
    work = task(settings)
    expected = runs.key(settings, 7, work.dataset.hash, splits.hash(work.split))
    assert listing.Keys().key(settings, 7) == expected
    monkeypatch.setattr(splits, "load", None)  # remembered by now
    assert listing.Keys().key(settings, 7) == expected
    memo = next((cache_dir() / "splits").glob("*.json"))
    memo.write_text("{")
    with pytest.raises(TypeError):
        listing.Keys().key(settings, 7)  # what can't be read is drawn again


def test_an_altered_manifest_is_refused_although_its_split_was_remembered(monkeypatch, tmp_path):
    from gcaf_lib.data import splits
    from gcaf_lib.data.dataset import DataError
    from gcaf_lib.training import listing

    kept = tmp_path / "results" / "splits"
    shutil.copytree(Path(splits.__file__).resolve().parents[2] / "results" / "splits", kept)
    settings = load("cpu", {"data.protocol": "patients", "data.fold": 1})
    monkeypatch.delenv("GCAF_DATA", raising=False)  # the published index serves
    first = listing.Keys().key(settings, 0)
    assert listing.Keys().key(settings, 0) == first
    manifest = kept / f"{splits.FIVEFOLD}.csv"
    manifest.write_text(manifest.read_text().replace(",0,", ",1,", 1))
    with pytest.raises(DataError, match="was altered"):
        listing.Keys().key(settings, 0)


def test_a_job_that_dies_is_tried_twice_and_reported_with_its_log(monkeypatch):
    # `data` points nowhere: the child process ends with an error each time
    settings = load("cpu", {"model.weights": "none"})
    job = sweep.Job("dead", settings, 0, "cpu", "/no/such/folder", None, "a label")
    label, trouble = sweep.run_job(job.to_json(), threads=1)
    assert label == "a label" and "failed twice" in trouble and str(job.log) in trouble
    log = job.log.read_text()
    assert log.count("--- a label, attempt") == 2 and "/no/such/folder" in log
    assert job.log.with_suffix(".failed").is_file()


COMPLETE = """
import json, subprocess, sys
from gcaf_lib.training import environment, experiments, runs, sweep
from gcaf_lib import cli
rows = tuple(experiments.Row(name, change) for name, change in json.loads(sys.argv[1]).items())
experiments.EXPERIMENTS["small"] = experiments.Experiment("small", "two rows", rows, {"demo": 1})
for key in sweep.plan(["small"], "demo")["key"]:
    folder = runs.runs_dir() / key
    folder.mkdir(parents=True)
    info = {"schema": runs.SCHEMA, "key": key, "provenance": {"fingerprint": environment.fingerprint()}}
    (folder / "record.json").write_text(json.dumps(info))
subprocess.run = subprocess.Popen = None  # nothing may be started
for arguments in ([], ["--status"], ["--workers", "2"]):
    assert cli.main(["sweep", "small", "--profile", "demo", *arguments]) == 0
heavy = {"tensorflow", "jax", "keras", "torch"} & set(sys.modules)
assert not heavy, f"asking what is done imports {heavy}"
"""


def test_a_complete_table_starts_no_process_and_loads_no_backend():
    small = {k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.items()}
    rows = json.dumps({"one": small, "other": {**small, "loss.gamma": 1}})
    done = subprocess.run([sys.executable, "-c", COMPLETE, rows], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line.split()[1:3] for line in done.stdout.splitlines() if "small" in line] == [["2", "2"]] * 3


def test_a_child_finds_the_compilation_cache(monkeypatch):
    seen = {}

    def run(command, env, **_):
        seen.update(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(sweep.subprocess, "run", run)
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=0")
    job = sweep.Job("k", load("demo", SMALL), 3, "demo").to_json()
    sweep.run_job(job)
    flags = f"--tf_xla_auto_jit=0 --tf_xla_persistent_cache_directory={cache_dir() / 'xla'}"
    assert seen["TF_XLA_FLAGS"] == flags
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/mine")
    sweep.run_job(job)
    assert seen["TF_XLA_FLAGS"] == "--tf_xla_persistent_cache_directory=/mine", "the user's own stays"


@pytest.mark.slow
def test_two_dask_workers_share_a_sweep():
    distributed = pytest.importorskip("dask.distributed", reason="the dask extra is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        table = sweep.sweep(["small"], "demo", scheduler=cluster.scheduler_address, progress=False)
    assert list(table["state"]) == ["done", "done"]


def test_a_child_that_is_killed_is_started_once_more_and_its_sweep_goes_on(monkeypatch):
    """SIGKILL to the training process, as a full memory would do it: the second attempt finishes the run."""
    real, deaths = subprocess.run, []

    def run(command, **options):
        if not deaths and command[-1] == "gcaf_lib.training.sweep":
            deaths.append(1)
            streams = {name: options[name] for name in ("stdout", "stderr")}
            with subprocess.Popen(command, stdin=subprocess.PIPE, **streams) as child:
                child.kill()
            return subprocess.CompletedProcess(command, child.returncode)
        return real(command, **options)

    monkeypatch.setattr(sweep.subprocess, "run", run)
    _, trouble = sweep.run_job(sweep.plan(["small"], "demo")["job"][0].to_json(), threads=1)
    assert deaths and trouble is None and len(runs.all_records("main")) == 1
    (log,) = (cache_dir() / "logs").glob("*.log")
    assert log.read_text().count(", attempt") == 2


def test_a_dask_worker_that_is_lost_is_reported_and_the_others_go_on(monkeypatch):
    distributed = pytest.importorskip("dask.distributed", reason="the dask extra is not installed")

    class Future:
        def __init__(self, number):
            self.number = number

        def result(self):
            if self.number == 0:
                raise distributed.KilledWorker("run", None, [])
            return "second", None

    asked = []

    class Client:
        def __init__(self, scheduler):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, function, text, threads, settled, pure):
            asked.append(settled)
            return Future(len(asked) - 1)

    monkeypatch.setattr(distributed, "Client", Client)
    monkeypatch.setattr(distributed, "as_completed", list)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("GCAF_RESULTS", "relative/results")
    jobs = [
        sweep.Job(str(i), load("demo", SMALL), i, "demo", label=label)
        for i, label in enumerate(["first", "second"])
    ]
    (_, lost), (_, fine) = sweep._dask("tcp://nowhere:1")(jobs)
    assert lost.startswith("first failed on its Dask worker") and fine is None
    sent = asked[0]
    assert sent["KERAS_BACKEND"] == "jax" and Path(sent["GCAF_RESULTS"]).is_absolute()


def test_without_dask_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(sweep.SweepError, match=r"pip install -e '\.\[dask\]'"):
        sweep._dask("tcp://nowhere:1")
