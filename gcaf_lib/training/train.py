"""One run from settings to record (Algorithm 1): stage 0 where asked for, stages 1 and 2, record.

How it differs from the paper: backbone weights may come from stage 0 (in-domain pre-training on the
training part alone) where ImageNet's can't be had; the best epoch by validation loss is kept; raw
and EMA weights are both evaluated. Each of these stands in the run record.
"""

from __future__ import annotations

import hashlib
import shutil
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from gcaf_lib.model import backbones, backend, classifier, gradcam, losses
from gcaf_lib.settings import ModelSettings, Settings, SettingsError, cache_dir
from gcaf_lib.training import environment, feed, runs
from gcaf_lib.training.loop import Stage, probabilities
from gcaf_lib.training.task import Task, find, task

__all__ = ["Task", "changed", "ensure_weights", "find", "get", "load_model", "stage0", "task"]


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
    with runs.lock(run_key):
        return runs.find(run_key) or _train(settings, seed, work, run_key, profile, progress)


def ensure_weights(record: runs.Record, data: str | Path | None = None, progress: bool = True) -> Path:
    """The EMA weights of a record, trained again where this machine doesn't have them."""
    path = runs.weights_path(record.key, "ema")
    if not path.is_file():
        work = task(record.settings, data)
        with runs.lock(record.key):
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
    _prepare(settings, seed)
    s, classes = settings, len(settings.data.classes)
    with backend.data_parallel(_batch(settings, work)) as several:
        model, stage, history, about = _stages(settings, seed, work, run_key, profile, progress)
    # one device is enough for what follows, and a model made for several stays theirs
    shown = classifier.build(s.model, s.data.image_size, classes, seed=seed) if several > 1 else model
    predictions, maps = {}, None
    for which in ("raw", "ema"):
        stage.assign(which)
        if shown is not model:
            shown.set_weights(model.get_weights())
        _save_weights(shown, runs.weights_path(run_key, which))
        for name in ("validation", "test"):
            part = work.part(name)
            p = probabilities(shown, work.images, part.rows)
            predictions[f"{name}_{which}"] = p.astype(np.float32)
            predictions[f"{name}_rows"] = part.rows.astype(np.int32)
            predictions[f"{name}_labels"] = part.labels.astype(np.int8)
    rows = predictions["test_rows"]
    maps = gradcam.record(shown, work.images, rows)
    info = _info("main", run_key, settings, seed, work, profile, started, about.pop("stages")) | about
    record = runs.write(info, pd.DataFrame(history), predictions, maps)
    shutil.rmtree(_scratch(run_key), ignore_errors=True)
    return record


def _prepare(settings: Settings, seed: int) -> None:
    """What must stand before a model is built."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings.training.dtype)
    backend.deterministic()
    backend.compilation_cache(cache_dir() / "xla")


def _stages(settings: Settings, seed: int, work: Task, run_key: str, profile: str, progress: bool):
    """Build the model and run stages 1 and 2: (model, last stage, history, what the record says of it)."""
    t, classes = settings.training, len(settings.data.classes)
    model = classifier.build(settings.model, settings.data.image_size, classes, seed=seed)
    weights = _backbone_weights(model, settings, work, profile, progress)
    loss = focal_loss(settings, work)
    train, validation = work.part("train"), work.part("validation")
    steps = max(1, len(train.rows) // _batch(settings, work))
    resident = feed.resident(work.images)
    history, summaries, unfrozen, stage = [], [], {}, None
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
                number=number, epochs=epochs, rate=rate, loss=loss, settings=t, seed=seed,
                checkpoint=_scratch(run_key) / f"stage{number}.npz", bar=bar, resident=resident,
            ).run()  # fmt: skip
            history += stage.rows
            summaries.append(_stage_summary(stage))
    if stage is None:
        raise SettingsError("stage1_epochs and stage2_epochs are both 0: there is nothing to train")
    about = {
        "stages": summaries,
        "weights": weights,
        "unfrozen": unfrozen,
        "cam_layers": classifier.cam_layers(model),
        "parameters": classifier.parameters(model),
    }
    return model, stage, history, about


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
    with runs.lock(run_key):
        if not path.is_file():
            with backend.data_parallel(_batch(settings, work)):
                _train_stage0(settings, key, work, run_key, profile, progress)
    return path


def _train_stage0(settings: Settings, key: str, work: Task, run_key: str, profile: str, progress: bool):
    started = time.perf_counter()
    _prepare(settings, 0)
    t, classes = settings.training, len(settings.data.classes)
    alone = ModelSettings(
        scale=settings.model.scale, backbones=(key,), fusion="none", weights="none",
        normalisation=settings.model.normalisation, dropout=settings.model.dropout,
    )  # fmt: skip
    model = classifier.build(alone, settings.data.image_size, classes, seed=0)
    classifier.thaw(model)
    loss = losses.FocalLoss("per-class", 0.0, 0.0, np.ones(classes))
    plain = Settings(settings.data, alone, settings.loss, t).replace({"training.mixup": 0})
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
            settings=plain.training, seed=0, checkpoint=_scratch(run_key) / "stage0.npz", bar=bar,
            resident=feed.resident(work.images),
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
    made = _sha256(path)
    record = runs.write(info | {"weights_sha256": made}, pd.DataFrame(stage.rows), predictions)
    if record.info["weights_sha256"] != made:
        warnings.warn(
            f"stage 0 of {key} came out with other weights than those of its record {run_key} (another device or "
            "other versions): runs made from now on start elsewhere than those on record. Each run's record names "
            "the weights it took",
            stacklevel=2,
        )
    shutil.rmtree(_scratch(run_key), ignore_errors=True)


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


def _scratch(run_key: str) -> Path:
    """Where a run's checkpoints lie until its record is written."""
    return cache_dir() / "work" / run_key


def _batch(settings: Settings, work: Task) -> int:
    """Images a step: a training part smaller than the batch is one batch."""
    return min(settings.training.batch_size, len(work.part("train").rows))
