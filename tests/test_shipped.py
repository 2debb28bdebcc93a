"""The model that travels with the package answers as the run that it is from."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gcaf_lib import cli, predict
from gcaf_lib.data.dataset import open_dataset
from gcaf_lib.data.files import paths
from gcaf_lib.settings import load
from gcaf_lib.training import loop, runs, shipped, train
from tests import stages

TINY = {
    "data.phantoms": 20,
    "data.image_size": 32,
    "model.backbones": ("vgg19",),
    "model.fusion": "none",
    "model.width": 8,
    "model.weights": "none",
    "training.stage1_epochs": 1,
    "training.stage2_epochs": 1,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny run and its travelling form."""
    folder = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCAF_RESULTS", str(folder / "results"))
        patch.setenv("GCAF_CACHE", str(folder / "cache"))
        stages.shallow(patch.setattr)
        record = train.get(load("demo", TINY), 0, profile="demo", progress=False)
        path = shipped.write(record, folder / "one.npz")
    yield record, path  # the other tests look into the store of the project


def test_half_precision_answers_as_the_run(made, monkeypatch):
    stages.shallow(monkeypatch.setattr)
    record, path = made
    found = shipped.read(path)
    assert (found.key, found.settings) == (record.key, record.settings)
    images = train.task(record.settings).images
    p = loop.probabilities(found.model(), images, record.rows())
    assert np.abs(p - record.probabilities()).max() < shipped.MOVED
    assert not np.array_equal(p.astype("float32"), record.probabilities()), "half precision rounds"


def test_a_damaged_file_is_named(made, tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK" + made[1].read_bytes()[:900])
    with pytest.raises(runs.RunError, match=r"bad\.npz.*install the package anew"):
        shipped.read(path)


def test_weights_of_another_model_are_refused(made, monkeypatch):
    stages.shallow(monkeypatch.setattr)
    found = shipped.read(made[1])
    found.weights[0] = found.weights[0][:1]
    with pytest.raises(runs.RunError, match="another version"):
        found.model()


def test_the_package_s_model_is_a_run_on_record():
    found = shipped.read()
    record = runs.find(found.key)
    assert record is not None and found.info == {name: record.info.get(name) for name in shipped.KEPT}
    assert (found.settings.data.protocol, found.settings.data.fold) == ("patients", None)
    assert shipped.PATH.stat().st_size < 5e6


def test_the_package_s_model_answers_as_its_record(real_data):
    found = shipped.read()
    record = runs.find(found.key)
    files = np.array(paths(open_dataset(record.settings.data, real_data), "the test needs"))[record.rows()]
    p = predict.classify(found, list(files)).probabilities
    assert np.abs(p - record.probabilities()).max() < shipped.MOVED


def test_predict_needs_no_run(tmp_path):
    """As in a fresh clone: no record, no weights, no dataset."""
    image = tmp_path / "slice.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 80), dtype=np.uint8)).save(image)
    env = {"GCAF_RESULTS": str(tmp_path / "none"), "GCAF_CACHE": str(tmp_path / "cache"), "PATH": ""}
    command = [sys.executable, "-m", "gcaf_lib.cli", "predict", str(image), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["run"] == shipped.read().key and len(answer["images"]) == 1
    assert sum(answer["images"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert f"run {answer['run']}" in done.stderr, "it says which model answers"


def test_the_run_that_travels_needs_no_weights_when_it_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    image, key = tmp_path / "slice.png", shipped.read().key
    Image.fromarray(np.zeros((90, 80), np.uint8)).save(image)
    assert cli.main(["predict", key, str(image), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["run"] == key and f"run {key}, which travels" in told.err
    assert cli.main(["predict", key, str(image), "--raw"]) == 2
    assert f"the weights of run {key}: there are none" in capsys.readouterr().err, "raw ones don't travel"
