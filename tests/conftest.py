"""Fixtures of the whole suite: the data, if it is there; phantoms; a cache of the suite's own."""

import os
import sys
from pathlib import Path

import chromium
import pytest
from absl import logging as absl_logging
from filelock import FileLock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is first imported
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several, which share the cores
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

from gcaf_lib.settings import cache_dir

# files of minutes, longest first: begun at the end, one would keep a single worker busy while the others wait
LONG = (
    "test_training", "test_shipped", "test_twins", "test_reproduce", "test_sweep", "test_scale", "test_audit",
    "test_model_classifier", "test_paper_profile", "test_book",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    rank = {name: n for n, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))  # what is equal stays in its order


# looked up before the suite's own cache replaces the user's
REAL_DATA = Path(os.environ.get("GCAF_DATA") or cache_dir() / "brain-tumor-mri")
FIGSHARE = Path(os.environ.get("GCAF_FIGSHARE") or cache_dir() / "figshare")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test reads or fills the user's cache; what is computed once serves the whole suite."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        if "PYTEST_XDIST_WORKER" in os.environ:
            # what follows from the bytes of images alone serves all workers
            for name in ("index", "thumbnails", "twins"):
                shared = tmp_path_factory.getbasetemp().parent / "shared" / name
                shared.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(shared)
        patch.setenv("GCAF_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def lend(own_cache):
    """A function that makes a test's own cache folder, with what the suite has in it: phantoms drawn, the code's fingerprint."""

    def made(cache: Path) -> str:
        cache.mkdir()
        for name in ("phantoms", "code"):
            (own_cache / name).mkdir(exist_ok=True)
            (cache / name).symlink_to(own_cache / name)
        return str(cache)

    return made


@pytest.fixture(scope="session", autouse=True)
def absl_logs_to_no_file_of_pytest():
    """absl, which comes with TensorFlow, closes the stream it logs to where logging is set up anew (as each of
    Jupyter's applications does), unless that is the standard error of that moment. Imported in one test and closed
    in another with `capsys`, it would close the file in which pytest keeps the output of all later ones.
    """
    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the published images, or skip."""
    if not (REAL_DATA / "Training").is_dir():
        pytest.skip("needs the real images: run `gcaf data fetch` or set GCAF_DATA")
    return REAL_DATA


@pytest.fixture(scope="session")
def real_dataset(real_data, own_cache):
    """The published images, with their thumbnails in the cache: made by the first worker that asks."""
    from gcaf_lib.data import thumbnails
    from gcaf_lib.data.dataset import open_dataset
    from gcaf_lib.settings import DataSettings

    (own_cache / "thumbnails").mkdir(exist_ok=True)
    with FileLock((own_cache / "thumbnails").resolve() / "lock"):
        dataset = open_dataset(DataSettings(), real_data)
        thumbnails.thumbnails(dataset, progress=False)
    return dataset


@pytest.fixture(scope="session")
def real_pairs(real_dataset, own_cache):
    """What `twins` finds among the published images: compared by the first worker that asks."""
    from gcaf_lib.data import twins

    (own_cache / "twins").mkdir(exist_ok=True)
    with FileLock((own_cache / "twins").resolve() / "lock"):
        return twins.pairs(real_dataset, progress=False)


@pytest.fixture(scope="session")
def figshare_tables() -> Path:
    """Folder with patients.csv, twins.csv and thumbnails.npz, or skip."""
    if not all((FIGSHARE / name).is_file() for name in ("patients.csv", "twins.csv", "thumbnails.npz")):
        pytest.skip("needs the figshare tables (patients.csv, twins.csv, thumbnails.npz): set GCAF_FIGSHARE")
    return FIGSHARE


@pytest.fixture(scope="session")
def phantom_root(tmp_path_factory) -> Path:
    """Folder of 24 phantoms a class; tests only read it."""
    from gcaf_lib.data import phantom

    return phantom.write(tmp_path_factory.mktemp("phantoms") / "small", 24, seed=3)


@pytest.fixture(scope="module")
def page():
    """A tab of a headless Chromium, one a file of tests."""
    pytest.importorskip("websocket", reason="drives Chromium: pip install websocket-client")
    with chromium.browse(chromium.find()) as tab:
        yield tab


@pytest.fixture
def keypoints_from_the_table(monkeypatch):
    """What keypoints find among the real images, minutes of work, as results/cut.csv has it; a slow test computes it."""
    from gcaf_lib.data import keypoints, twins
    from gcaf_lib.evaluation import dataset_audit

    published = dataset_audit.published()
    row = {file: number for number, file in enumerate(published.frame["file"])}
    cut = dataset_audit.read(published).cut
    cut = cut.assign(
        left=cut["left"].map(row), right=cut["right"].map(row), turn=cut["turn"].map(twins.TURNS.index)
    )
    monkeypatch.setattr(keypoints, "pairs", lambda *_: cut)
