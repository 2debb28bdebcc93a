"""The sweep: what is missing is run, once, in processes of its own; what fails says so."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gcaf_lib import machine
from gcaf_lib.settings import SettingsError, cache_dir, load
from gcaf_lib.training import experiments, runs, sweep, worker
from tests.test_training import TINY

SMALL = {**TINY, "model.backbones": ("vgg19",), "model.fusion": "none", "training.stage1_epochs": 1}
SHORT = {**SMALL, "training.stage2_epochs": 0}


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path, lend):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", lend(tmp_path / "cache"))
    grid = (experiments.Row("one", SHORT), experiments.Row("other", {**SHORT, "loss.gamma": 1}))
    small = experiments.Experiment("small", "two rows", grid, {"demo": 1})
    monkeypatch.setitem(experiments.EXPERIMENTS, "small", small)


def test_jobs_survive_the_way_to_another_process():
    job = worker.Job("k", load("demo", SMALL), 3, "demo", None, "vgg19", "label")
    assert worker.Job.from_json(job.to_json()) == job


def test_sweep_runs_what_is_missing_then_nothing(monkeypatch):
    table = sweep.plan(["small"], "demo")
    assert list(table["state"]) == ["missing", "missing"]
    line = sweep.in_order(table["job"])
    assert [job.backbone for job, _ in line.values()] == ["vgg19", None, None], "stage 0 is shared"
    done = sweep.sweep(["small"], "demo", workers=2, progress=False)
    assert list(done["state"]) == ["done", "done"]
    assert len(runs.all_records("main")) == 2
    assert [r.key for r in runs.all_records("stage0")] == [next(iter(line))]
    monkeypatch.setattr(sweep, "run_job", None)  # a complete table starts nothing
    assert list(sweep.sweep(["small"], "demo", progress=False)["state"]) == ["done", "done"]
    # no page shows maps of rows that are not the proposed model
    assert [runs.find(key).maps for key in done["key"]] == [None, None]
    monkeypatch.setattr(sweep.environment, "fingerprint", lambda *_: "other")
    assert list(sweep.plan(["small"], "demo")["state"]) == ["stale", "stale"]


def test_maps_are_kept_where_a_chapter_shows_them():
    kept = {
        name: [experiments.maps_shown(one, "cpu") for _, one in experiments.experiment(name).settings("cpu")]
        for name in ("ladder", "table-4", "table-5-patients")
    }
    ladder = [label for label, _ in experiments.experiment("ladder").settings("cpu")]
    assert [label for label, shown in zip(ladder, kept["ladder"]) if shown] == ["paper", *["patients"] * 5]
    assert kept["table-4"].count(True) == 1
    assert kept["table-5-patients"].count(True) == 5, "the proposed model, once a fold"
    main = experiments.experiment("main").settings("transfer")[0][1]
    assert not experiments.maps_shown(main, "transfer"), "no chapter shows them"
    three = {"data.classes": ("glioma", "meningioma", "pituitary")}
    assert not experiments.maps_shown(load("cpu", three), "cpu"), "no chapter shows those of three classes"


PAIR = {"model.backbones": ("vgg19", "resnet50"), "model.fusion": "gcaf"}


def _jobs(*changes, seeds=(0,)):
    return [
        worker.Job(f"main {i}, seed {seed}", load("demo", {**SMALL, **change}), seed, "demo")
        for seed in seeds
        for i, change in enumerate(changes)
    ]


def test_stage_0_stands_before_the_first_run_that_needs_it():
    jobs = _jobs({}, {**PAIR}, {"loss.gamma": 1}, {"model.weights": "none"}, seeds=(0, 1))
    line = sweep.in_order(jobs)
    order = [job.backbone or job.key for job, _ in line.values()]
    one = ["vgg19", "main 0, seed {}", "resnet50", "main 1, seed {}", "main 2, seed {}", "main 3, seed {}"]
    assert order == [name.format(seed) for seed in (0, 1) for name in one]
    assert [len(needs) for _, needs in line.values()] == [0, 1, 0, 2, 1, 0] * 2
    assert [job.seed for job, _ in line.values()] == [0] * 6 + [1] * 6
    shared = sweep.in_order(_jobs({"training.stage0_seed": "shared"}, seeds=(0, 1)))
    assert [job.backbone or job.key for job, _ in shared.values()] == [
        "vgg19",
        "main 0, seed 0",
        "main 0, seed 1",
    ]
    for job, needs in line.values():
        if not job.backbone:
            wanted = job.settings.model.backbones if job.settings.model.weights == "in-domain" else ()
            keys = {sweep.Keys().stage0(job.settings, job.seed, backbone) for backbone in wanted}
            assert needs == keys
    done = next(iter(line))  # what this machine has is neither made nor waited for
    runs.weights_path(done, "backbone").parent.mkdir(parents=True)
    runs.weights_path(done, "backbone").touch()
    left = sweep.in_order(jobs)
    assert done not in left and done not in left["main 1, seed 0"][1] and len(left) == 11


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_run_starts_after_its_stage_0_and_no_worker_waits_while_there_is_work(monkeypatch, workers):
    """Stage 0 of the first run takes long: other work goes on beside it, none of it too early."""
    line = sweep.in_order(_jobs({}, PAIR, {"loss.gamma": 1}, {"model.weights": "none"}, seeds=(0, 1, 2)))
    slow, lock, began, ended = next(iter(line)), threading.Lock(), [], []
    others = threading.Event()
    free = {key for key, (job, needs) in line.items() if slow not in needs and key != slow}

    def run_job(text, threads, **_):
        job = worker.Job.from_json(text)
        with lock:
            assert line[job.key][1] <= set(ended), f"{job.key} was started too early"
            began.append(job.key)
        if job.key == slow and workers > 1:
            assert others.wait(20), "a worker waited although there was work"
        with lock:
            ended.append(job.key)
            if free <= set(ended):
                others.set()
        return "trouble" if job.key == slow else None

    monkeypatch.setattr(sweep, "run_job", run_job)
    outcome = dict(sweep._local(workers)(line))
    assert outcome == {key: "trouble" if key == slow else None for key in line}, "who fails holds up nobody"
    assert sorted(began) == sorted(line)


@pytest.mark.parametrize(
    ("workers", "order"), [(1, "vrMvrMvrM"), (2, "vrMvrvrMM"), (3, "vrvrvrMMM"), (4, "vrvrvrMMM")]
)
def test_the_last_runs_one_a_worker_come_when_every_stage_0_is_begun(monkeypatch, workers, order):
    line = sweep.in_order(_jobs(PAIR, seeds=(0, 1, 2)))
    began = []
    monkeypatch.setattr(sweep, "run_job", lambda text, threads, **_: began.append(worker.Job.from_json(text)))
    lines, line_ = [], sweep._Line
    monkeypatch.setattr(sweep, "_Line", lambda *given: lines.append(line_(*given)) or lines[0])
    list(sweep._local(workers)({}))  # as a sweep of so many workers makes it
    shared = line_(line, lines[0].workers)
    for _ in line:
        shared.run_next(1)
    assert "".join((job.backbone or "Main")[0] for job in began) == order


def test_stage_0_that_is_not_the_recorded_one_is_said_when_it_is_made(monkeypatch, capsys):
    """As on another kind of machine: the careful note comes with the first such stage 0, not at the end."""
    line = sweep.in_order(sweep.plan(["small"], "demo")["job"])
    stage0 = next(iter(line))
    folder = runs.runs_dir() / stage0
    folder.mkdir(parents=True)
    info = {
        "schema": runs.SCHEMA,
        "key": stage0,
        "kind": "stage0",
        "profile": "demo",
        "seed": 0,
        "settings": {},
        "data_hash": "",
    }
    info |= {"provenance": {"fingerprint": ""}, "weights_sha256": "0" * 64}
    (folder / "record.json").write_text(json.dumps(info))
    said = []

    def run_job(text, threads, **_):
        job = worker.Job.from_json(text)
        if job.backbone:
            path = runs.weights_path(job.key, "backbone")
            path.parent.mkdir(parents=True)
            path.write_bytes(b"other weights")
        else:
            said.append(f"careful: stage 0 {stage0} has other weights here" in capsys.readouterr().err)
        return None

    monkeypatch.setattr(sweep, "run_job", run_job)
    sweep.sweep(["small"], "demo")
    assert len(said) == 2 and any(said)
    del said[:]
    sweep.sweep(["small"], "demo", progress=False)  # and again where it stands there already
    assert any(said)


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


def test_a_split_is_remembered_for_one_set_of_images_and_one_code(monkeypatch):
    from gcaf_lib.data import splits
    from gcaf_lib.data.dataset import Dataset
    from gcaf_lib.training import listing

    drawn = []
    monkeypatch.setattr(splits, "load", lambda room, dataset: drawn.append(dataset.hash))
    monkeypatch.setattr(splits, "hash", lambda frame: str(len(drawn)))
    room, one, other = load("demo", SMALL).data, Dataset(None, None, "one"), Dataset(None, None, "other")
    assert [listing.split_hash(room, data) for data in (one, other, one, other)] == ["1", "2", "1", "2"]
    assert listing.split_hash(load("demo", {**SMALL, "data.protocol": "twins"}).data, one) == "3"
    monkeypatch.setattr(listing.environment, "fingerprint", lambda *_: "other code")
    assert listing.split_hash(room, one) == "4"


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
    job = worker.Job("dead", settings, 0, "cpu", "/no/such/folder", None, "a label")
    trouble = worker.run_job(job.to_json(), threads=1)
    assert trouble.startswith("a label failed twice") and str(job.log) in trouble
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
    info = {"schema": runs.SCHEMA, "key": key, "kind": "main", "profile": "demo", "seed": 0}
    info |= {"settings": {}, "data_hash": "", "stages": [], "weights": {}}
    info["provenance"] = {"fingerprint": environment.fingerprint()}
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

    monkeypatch.setattr(worker.subprocess, "run", run)
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=0")
    job = worker.Job("k", load("demo", SMALL), 3, "demo").to_json()
    worker.run_job(job)
    flags = f"--tf_xla_auto_jit=0 --tf_xla_persistent_cache_directory={cache_dir() / 'xla'}"
    assert seen["TF_XLA_FLAGS"] == flags
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/mine")
    worker.run_job(job)
    assert seen["TF_XLA_FLAGS"] == "--tf_xla_persistent_cache_directory=/mine", "the user's own stays"


def test_a_home_folder_in_the_cache_s_name_is_no_folder_named_so(monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GCAF_CACHE", "~/g")
    seen = {}

    def run(command, env, **_):
        seen.update(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(worker.subprocess, "run", run)
    job = worker.Job("k", load("demo", SMALL), 3, "demo")
    worker.run_job(job.to_json())
    assert job.log.is_file() and job.log.parent == tmp_path / "home" / "g" / "logs"
    assert not list((tmp_path / "here").iterdir()) and "~" not in seen["TF_XLA_FLAGS"]
    worker.run_job(job.to_json(), None, {"GCAF_CACHE": str(tmp_path / "asker")})
    assert (tmp_path / "asker" / "logs" / "k.log").is_file(), (
        "of the one who asked, where another machine did"
    )


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
        if not deaths and command[-1] == "gcaf_lib.training.worker":
            deaths.append(1)
            streams = {name: options[name] for name in ("stdout", "stderr")}
            with subprocess.Popen(command, stdin=subprocess.PIPE, **streams) as child:
                child.kill()
            return subprocess.CompletedProcess(command, child.returncode)
        return real(command, **options)

    monkeypatch.setattr(worker.subprocess, "run", run)
    job = worker.Job("k", load("demo", {**SHORT, "model.weights": "none"}), 0, "demo")
    trouble = worker.run_job(job.to_json(), threads=1)
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
            return None

    asked = []

    class Client:
        def __init__(self, scheduler, timeout):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, function, text, threads, settled, after, pure, priority):
            asked.append((settled, [future.number for future in after], priority))
            return Future(len(asked) - 1)

    monkeypatch.setattr(distributed, "Client", Client)
    monkeypatch.setattr(distributed, "as_completed", list)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("GCAF_RESULTS", "relative/results")
    monkeypatch.setenv("GCAF_DATA", "~/images")
    monkeypatch.setenv("GCAF_FIGSHARE", "")
    first, second = (
        worker.Job(label, load("demo", SMALL), 0, "demo", label=label) for label in ("first", "second")
    )
    line = {"a": (first, frozenset()), "b": (second, frozenset({"a"}))}
    (lost, why), (fine, nothing) = sweep._dask("tcp://nowhere:1")(line)
    assert (
        lost == "a" and why.startswith("first failed on its Dask worker") and (fine, nothing) == ("b", None)
    )
    assert [(after, priority) for _, after, priority in asked] == [([], 0), ([0], -1)]
    sent = asked[0][0]
    assert sent["KERAS_BACKEND"] == "jax" and Path(sent["GCAF_RESULTS"]).is_absolute()
    assert sent["GCAF_DATA"] == str((Path.home() / "images").resolve()), "a home folder is no folder named ~"
    assert not sent["GCAF_FIGSHARE"], "and nothing is not the working folder"


def test_a_scheduler_without_workers_is_said_and_said_again(capsys):
    asked = threading.Event()

    class Client:
        workers, times = {}, 0

        def scheduler_info(self):
            self.times += 1
            if self.times == 3:
                asked.set()
            return {"workers": self.workers}

    idle, busy = Client(), Client()
    busy.workers = {"tcp://a:1": {}}
    for client in (idle, busy):
        asked.clear()
        with sweep._watched(client, "tcp://here:8786", 0.01, 0.01):
            assert asked.wait(30)
    said = capsys.readouterr().err.splitlines()
    assert len(said) >= 2 and set(said) == {
        "waiting: the scheduler tcp://here:8786 has no workers; start some with `dask worker tcp://here:8786`"
    }
    assert len(said) <= idle.times


@pytest.mark.parametrize("error", [ValueError("bad address"), OSError("timed out"), TypeError("port")])
def test_an_address_without_a_scheduler_is_said_in_one_line(error):
    def client(address, timeout):
        assert address == "tcp//x" and timeout <= 60
        raise error

    with pytest.raises(
        sweep.SweepError, match=r"--scheduler tcp//x: no Dask scheduler answers there .*tcp://host:8786"
    ):
        sweep._connected(client, "tcp//x")


def test_without_dask_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(sweep.SweepError, match=r"pip install -e '\.\[dask\]'"):
        sweep._dask("tcp://nowhere:1")


def test_a_sweep_of_one_row_asks_for_its_runs_alone():
    whole = sweep.plan(["table-4-patients"], "transfer", seeds=1)
    chosen = sweep.plan(["table-4-patients"], "transfer", seeds=1, rows=["Feature Concatenation"])
    assert set(chosen["label"]) == {"Feature Concatenation"} and len(chosen) == 5 < len(whole)
    assert set(chosen["key"]) <= set(whole["key"])
    with pytest.raises(SettingsError, match="no row 'Concat' in table-4-patients; their rows: Feature"):
        sweep.plan(["table-4-patients"], "transfer", rows=["Concat"])


def test_a_setting_goes_beneath_the_rows_that_do_not_decide_it():
    stage0 = {"model.weights": "in-domain", "model.fusion": "gate"}
    plan = sweep.plan(["table-4"], "paper", seeds=1, base=stage0)
    plain = sweep.plan(["table-4"], "paper", seeds=1)
    assert {job.settings.model.weights for job in plan["job"]} == {"in-domain"}
    fusions = {row: job.settings.model.fusion for row, job in zip(plan["label"], plan["job"])}
    assert fusions["Feature Concatenation"] == "concat", "the row decides its fusion"
    assert fusions[experiments.PROPOSED_FUSION] == "gate", (
        "the row of the profile's own settings takes the one given"
    )
    assert set(plan["key"]).isdisjoint(plain["key"])
    with pytest.raises(SettingsError, match=r"model\.wights"):
        sweep.plan(["table-4"], "paper", base={"model.wights": "none"})


def test_a_hint_is_taken_away_on_all_five_folds():
    rows = experiments.experiment("shortcuts").settings("cpu")
    apart = [chosen.data.fold for label, chosen in rows if label == "patients, three classes"]
    assert apart == list(range(5))
    assert {chosen.data.fold for label, chosen in rows if label.startswith("paper")} == {None}


@pytest.mark.skipif(not machine.FORKS, reason="only Linux may fork what has been imported")
def test_a_server_s_jobs_are_processes_of_their_own_with_the_same_outcome(tmp_path):
    """One run by a server and by a process of its own: the same bits. What fails, or kills the server, harms no other job."""
    job = worker.Job("k", load("demo", {**SHORT, "model.weights": "none"}), 0, "demo")
    dead = worker.Job(
        "dead", load("cpu", {"model.weights": "none"}), 0, "cpu", "/no/such/folder", None, "dead"
    )
    server = worker.Server()
    assert "dead failed twice (exit status 1)" in worker.run_job(dead.to_json(), 1, begin=server)
    assert "/no/such/folder" in dead.log.read_text()
    first = server.process.pid
    assert worker.run_job(job.to_json(), 1, begin=server) is None and server.process.pid == first
    assert "/no/such/folder" not in job.log.read_text(), "each job has its own log"
    (record,) = runs.all_records("main")
    served = runs.load(shutil.move(record.folder, tmp_path / record.key))
    server.process.kill()
    server.process.wait()
    assert worker.run_job(job.to_json(), 1, begin=server) is None and server.process.pid != first
    assert job.log.read_text().count(", attempt 2") == 1, (
        "the job that met the dead server is tried once more"
    )
    server.close()
    assert server.close() is None
    (again,) = runs.all_records("main")
    shutil.move(again.folder, tmp_path / "again")
    again = runs.load(tmp_path / "again")
    assert worker.run_job(job.to_json(), 1) is None
    (alone,) = runs.all_records("main")
    for other in (served, again):
        assert {n: a.tobytes() for n, a in other.predictions.items()} == {
            n: a.tobytes() for n, a in alone.predictions.items()
        }
        told, its = ({**one.info["provenance"], "seconds": None} for one in (other, alone))
        assert told == its


DYING = """
import os, signal, sys
from gcaf_lib import machine
die, say = (lambda: os.kill(os.getpid(), signal.SIGKILL)), (lambda: print("said"))
print(*(machine.forked(work, sys.argv[1]) for work in (die, say)))
"""


@pytest.mark.skipif(not machine.FORKS, reason="only Linux may fork what has been imported")
def test_a_job_that_is_killed_ends_with_its_signal_and_its_server_goes_on(tmp_path):
    log = tmp_path / "log"
    log.touch()
    done = subprocess.run([sys.executable, "-c", DYING, log], capture_output=True, text=True)
    assert done.stdout.split() == ["-9", "0"], done.stderr
    assert log.read_text() == "said\n"
