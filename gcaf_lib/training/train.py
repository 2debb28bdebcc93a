"""One run from settings to record (Algorithm 1): stage 0 where asked for, stages 1 and 2, record.

How it differs from the paper: backbone weights may come from stage 0 (in-domain pre-training on the
training part alone) where ImageNet's can't be had; the best epoch by validation loss is kept; raw
and EMA weights are both evaluated. Each of these stands in the run record.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from filelock import FileLock
from tqdm.auto import tqdm

from gcaf_lib.data import dataset as datasets
from gcaf_lib.data import preprocess, splits
from gcaf_lib.model import backbones, backend, classifier, gradcam, losses
from gcaf_lib.settings import ModelSettings, Settings, SettingsError, cache_dir, results_dir
from gcaf_lib.training import environment, runs
from gcaf_lib.training.loop import Part, Stage, probabilities


@dataclass(frozen=True)
class Task:
    """The data side of a run: dataset, split and, on first use, the preprocessed images."""

    settings: Settings
    dataset: datasets.Dataset
    split: pd.DataFrame

    @property
    def split_hash(self) -> str:
        return splits.hash(self.split)

    @cached_property
    def images(self) -> np.ndarray:
        """uint8 (N, S, S, 3), memory-mapped."""
        return preprocess.images(self.dataset, self.settings.data)

    def part(self, name: str) -> Part:
        """Rows and labels (0..K-1 in the order of `settings.data.classes`) of one part."""
        rows = np.flatnonzero((self.split["part"] == name).to_numpy())
        label = self.dataset.frame["label"].to_numpy()[rows]
        known = np.full(len(datasets.CLASSES), -1)
        known[[datasets.CLASSES.index(c) for c in self.settings.data.classes]] = range(
            len(self.settings.data.classes)
        )
        return Part(rows, known[label])


def task(settings: Settings, data: str | Path | None = None, need_images: bool = True) -> Task:
    """Open the dataset and the split that `settings.data` names."""
    opened = datasets.open_dataset(settings.data, data, need_images=need_images)
    return Task(settings, opened, splits.load(settings.data, opened))


def find(settings: Settings, seed: int, work: Task) -> runs.Record | None:
    """The record of this run, or None where it hasn't been made."""
    return runs.find(runs.key(settings, seed, work.dataset.hash, work.split_hash))


def get(
    settings: Settings,
    seed: int = 0,
    *,
    profile: str = "",
    data: str | Path | None = None,
    work: Task | None = None,
    progress: bool = True,
) -> runs.Record:
    """The record of a run: loaded if it exists, else trained (resuming where it stopped).

    settings, seed: what decides the run; profile: its name, for the record alone; data: the
    dataset's folder. Two processes that ask for the same run train it once: the second waits.
    """
    work = work or task(settings, data, need_images=False)
    run_key = runs.key(settings, seed, work.dataset.hash, work.split_hash)
    found = runs.find(run_key)
    if found is not None:
        return found
    _writable()
    with _lock(run_key):
        return runs.find(run_key) or _train(settings, seed, work, run_key, profile, progress)


def ensure_weights(record: runs.Record, data: str | Path | None = None, progress: bool = True) -> Path:
    """The EMA weights of a record, trained again where this machine doesn't have them."""
    path = runs.weights_path(record.key, "ema")
    if not path.is_file():
        work = task(record.settings, data)
        with _lock(record.key):
            if not path.is_file():
                _train(record.settings, record.seed, work, record.key, record.info["profile"], progress)
    return path


def load_model(record: runs.Record, which: str = "ema") -> keras.Model:
    """The trained classifier of a record, from the weights in this machine's cache."""
    path = runs.weights_path(record.key, which)
    if not path.is_file():
        sets = " ".join(f"--set {name}={value}" for name, value in changed(record).items())
        raise runs.RunError(
            f"the weights of run {record.key} are not on this machine ({path}); records carry none. "
            f"Make them: gcaf train --profile {record.info['profile']} --seed {record.seed} --weights {sets}".rstrip()
        )
    s = record.settings
    model = classifier.build(s.model, s.data.image_size, len(s.data.classes), seed=record.seed)
    model.load_weights(path)
    return model


def changed(record: runs.Record) -> dict[str, str]:
    """Settings in which a record differs from its profile, as `--set` takes them."""
    from gcaf_lib.settings import load

    try:
        base = load(record.info["profile"]).to_dict()
    except SettingsError:
        base = Settings().to_dict()
    out = {}
    for room, part in record.settings.to_dict().items():
        for name, value in part.items():
            if base[room][name] != value:
                out[f"{room}.{name}"] = ",".join(value) if isinstance(value, list) else str(value)
    return out


# -- the two kinds of run ------------------------------------------------------------------------
def _train(settings: Settings, seed: int, work: Task, run_key: str, profile: str, progress: bool):
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings.training.dtype)
    backend.deterministic()
    t, classes = settings.training, len(settings.data.classes)
    model = classifier.build(settings.model, settings.data.image_size, classes, seed=seed)
    weights = _backbone_weights(model, settings, work, profile, progress)
    loss = focal_loss(settings, work)
    train, validation = work.part("train"), work.part("validation")
    scratch = cache_dir() / "work" / run_key
    steps = max(1, len(train.rows) // min(t.batch_size, len(train.rows)))
    history, stages, unfrozen, stage = [], [], {}, None
    with tqdm(
        total=(t.stage1_epochs + t.stage2_epochs) * steps,
        desc=f"run {run_key}",
        unit="step",
        disable=None if progress else True,
    ) as bar:
        for number, epochs, rate in (
            (1, t.stage1_epochs, t.stage1_rate),
            (2, t.stage2_epochs, t.stage2_rate),
        ):
            if epochs == 0:
                continue
            if stage is not None:
                stage.assign("raw")
            if number == 1:
                classifier.freeze(model)
            else:
                unfrozen = classifier.unfreeze(model, t.unfrozen)
            stage = Stage(
                model, work.images, train, validation,
                number=number, epochs=epochs, rate=rate, loss=loss,
                settings=t, seed=seed, checkpoint=scratch / f"stage{number}.npz", bar=bar,
            ).run()  # fmt: skip
            history += stage.rows
            stages.append(_stage_summary(stage))
    if stage is None:
        raise SettingsError("stage1_epochs and stage2_epochs are both 0: there is nothing to train")
    predictions, maps = {}, None
    for which in ("raw", "ema"):
        stage.assign(which)
        _save_weights(model, runs.weights_path(run_key, which))
        for name in ("validation", "test"):
            part = work.part(name)
            p = probabilities(model, work.images, part.rows)
            predictions[f"{name}_{which}"] = p.astype(np.float32)
            predictions[f"{name}_rows"] = part.rows.astype(np.int32)
            predictions[f"{name}_labels"] = part.labels.astype(np.int8)
    rows = predictions["test_rows"]
    cams, target, _ = gradcam.maps(model, work.images, rows)
    maps = {"rows": rows, "target": target.astype(np.int8)}
    maps |= {f"cam_{name}": cam.astype(np.float16) for name, cam in cams.items()}
    info = _info("main", run_key, settings, seed, work, profile, started, stages) | {
        "weights": weights,
        "unfrozen": unfrozen,
        "cam_layers": classifier.cam_layers(model),
        "parameters": classifier.parameters(model),
    }
    record = runs.write(info, pd.DataFrame(history), predictions, maps)
    shutil.rmtree(scratch, ignore_errors=True)
    return record


def stage0(settings: Settings, key: str, work: Task, profile: str = "", progress: bool = True) -> Path:
    """In-domain pre-training of one backbone; returns the path of its weights.

    A plain classifier (cross-entropy, no Mixup, no smoothing) trained from scratch on the training
    part of the protocol in use, never on validation or test images; shared by hash by every run of
    that protocol. Learning rate: linear warm-up over a tenth of the steps, then cosine to zero.
    """
    run_key = runs.stage0_key(settings, key, work.dataset.hash, work.split_hash)
    path = runs.weights_path(run_key, "backbone")
    if path.is_file():
        return path
    _writable()
    with _lock(run_key):
        if not path.is_file():
            _train_stage0(settings, key, work, run_key, profile, progress)
    return path


def _train_stage0(settings: Settings, key: str, work: Task, run_key: str, profile: str, progress: bool):
    started = time.perf_counter()
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings.training.dtype)
    backend.deterministic()
    t, classes = settings.training, len(settings.data.classes)
    alone = ModelSettings(
        scale=settings.model.scale, backbones=(key,), fusion="none", weights="none",
        normalisation=settings.model.normalisation, dropout=settings.model.dropout,
    )  # fmt: skip
    model = classifier.build(alone, settings.data.image_size, classes, seed=0)
    classifier.thaw(model)
    loss = losses.FocalLoss("per-class", 0.0, 0.0, np.ones(classes))
    plain = Settings(settings.data, alone, settings.loss, t).replace({"training.mixup": 0})
    scratch = cache_dir() / "work" / run_key
    train = work.part("train")

    def rate(steps: int):
        return keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - steps // 10), warmup_target=t.stage0_rate, warmup_steps=max(1, steps // 10)
        )

    with tqdm(
        total=t.stage0_epochs * max(1, len(train.rows) // t.batch_size),
        desc=f"stage 0 {key}",
        unit="step",
        disable=None if progress else True,
    ) as bar:
        stage = Stage(
            model, work.images, train, work.part("validation"),
            number=0, epochs=t.stage0_epochs, rate=rate, loss=loss,
            settings=plain.training, seed=0, checkpoint=scratch / "stage0.npz", bar=bar,
        ).run()  # fmt: skip
    stage.assign("raw")
    path = runs.weights_path(run_key, "backbone")
    predictions = {}
    for name in ("validation", "test"):
        part = work.part(name)
        p = probabilities(model, work.images, part.rows).astype(np.float32)
        predictions |= {f"{name}_raw": p, f"{name}_ema": p}
        predictions |= {
            f"{name}_rows": part.rows.astype(np.int32),
            f"{name}_labels": part.labels.astype(np.int8),
        }
    info = _info("stage0", run_key, plain, 0, work, profile, started, [_stage_summary(stage)]) | {
        "backbone": key,
        "parameters": classifier.parameters(model),
    }
    _save_weights(classifier.backbone(model, key), path)
    runs.write(info | {"weights_sha256": _sha256(path)}, pd.DataFrame(stage.rows), predictions)
    shutil.rmtree(scratch, ignore_errors=True)


# -- small pieces ----------------------------------------------------------------------------------
def focal_loss(settings: Settings, work: Task) -> losses.FocalLoss:
    """The loss of Eq 14 with alpha from the class counts of the training part."""
    counts = np.bincount(work.part("train").labels, minlength=len(settings.data.classes))
    s = settings.loss
    return losses.FocalLoss(s.reading, s.gamma, s.smoothing, losses.class_weights(counts, s.balance))


def _backbone_weights(model, settings: Settings, work: Task, profile: str, progress: bool) -> dict:
    """Load every backbone's weights as `settings.model.weights` says; returns what was loaded."""
    source, loaded = settings.model.weights, {}
    for key in settings.model.backbones:
        if source == "none":
            loaded[key] = {"source": "none"}
        elif source == "imagenet":
            backbones.load_imagenet(model, key)
            loaded[key] = {"source": "imagenet"}
        else:
            if source == "in-domain":
                path = stage0(settings, key, work, profile, progress)
                where = {"source": "in-domain", "stage0": path.parent.name}
            else:
                path = Path(source) / f"{key}.weights.h5"
                where = {"source": "file", "file": path.name}
                if not path.is_file():
                    raise SettingsError(
                        f"model.weights={source}: there is no {path}; expected one file a backbone"
                    )
            classifier.backbone(model, key).load_weights(path)
            loaded[key] = where | {"sha256": _sha256(path)}
    return loaded


def _info(kind, run_key, settings, seed, work: Task, profile, started, stages) -> dict:
    return {
        "kind": kind,
        "key": run_key,
        "profile": profile,
        "settings": settings.to_dict(),
        "seed": seed,
        "data_hash": work.dataset.hash,
        "data_source": settings.data.source,
        "split_hash": work.split_hash,
        "stages": stages,
        "provenance": environment.describe() | {"seconds": round(time.perf_counter() - started, 1)},
    }


def _stage_summary(stage: Stage) -> dict:
    return {
        "stage": stage.number,
        "epochs": len(stage.rows),
        "best_epoch": stage.patience.best_epoch + 1,
        "stopped": stage.stopped,
        "seconds": round(sum(row["seconds"] for row in stage.rows), 1),
    }


def _save_weights(model: keras.Model, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{path.name}")  # Keras insists on the ending .weights.h5
    model.save_weights(temporary)
    temporary.replace(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _lock(run_key: str) -> FileLock:
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{run_key}.lock")


def _writable() -> None:
    """Fail before an hour of training, not after it."""
    folder = results_dir() / "runs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".tmp-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise runs.RunError(
            f"the results folder {folder} can't be written ({error.strerror}); give another with GCAF_RESULTS"
        ) from error
