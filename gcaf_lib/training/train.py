"""One run from settings to record (Algorithm 1): stage 0 where asked for, stages 1 and 2, record.

How it differs from the paper: backbone weights may come from stage 0 (in-domain pre-training, trained on
the training part alone) where ImageNet's can't be had; of each stage, stage 0 included, the best epoch by
validation loss is kept; raw and EMA weights are both evaluated. Each of these stands in the run record.
"""

from __future__ import annotations

import shutil
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from gcaf_lib.model import backbones, backend, classifier, gradcam, losses
from gcaf_lib.settings import ModelSettings, Settings, SettingsError, TrainingSettings, cache_dir
from gcaf_lib.training import environment, feed, runs
from gcaf_lib.training.loop import Stage, probabilities
from gcaf_lib.training.task import Task, task

__all__ = ["Task", "changed", "ensure_weights", "get", "load_model", "stage0", "task"]
WHICH = ("raw", "ema")


def get(
    settings: Settings,
    seed: int = 0,
    *,
    profile: str = "",
    data: str | Path | None = None,
    work: Task | None = None,
    progress: bool = True,
    maps: bool = True,
) -> runs.Record:
    """The record of a run: loaded if it exists, else trained (resuming where it stopped).

    settings, seed: what decides the run; profile: its name, for the record alone; data: the
    dataset's folder; maps: whether its record keeps heat maps of the test images, which take a fifth of the time and
    most of the space. Two processes that ask for the same run train it once: the second waits.
    """
    work = work or task(settings, data, need_images=False)
    run_key = runs.key(settings, seed, work.dataset.hash, work.split_hash)
    found = runs.find(run_key)
    if found is not None:
        return found
    with runs.lock(run_key):
        return runs.find(run_key) or _train(settings, seed, work, run_key, profile, progress, maps)


def ensure_weights(record: runs.Record, data: str | Path | None = None, progress: bool = True) -> Path:
    """The EMA weights of a record, trained again where this machine has none, or others than the run's.

    What comes out is compared with the record: a difference is a warning.
    """

    def ready() -> bool:
        return all(_trouble(record, which) is None for which in WHICH)

    if not ready():
        work = task(record.settings, data)
        with runs.lock(record.key):
            if not ready():
                profile = record.info["profile"]
                _train(record.settings, record.seed, work, record.key, profile, progress, maps=False)
    return runs.weights_path(record.key, "ema")


def load_model(record: runs.Record, which: str = "ema") -> keras.Model:
    """The trained classifier of a record, from the weights in this machine's cache.

    Raises `RunError` where the file is not there, damaged or of another run; warns where this machine
    made the run again and other weights came out.
    """
    path, trouble = runs.weights_path(record.key, which), _trouble(record, which)
    if not trouble:
        model = classifier_of(record.settings, record.seed)
        trouble = _put(model, path)
    if trouble:
        sets = " ".join(f"--set {name}={value}" for name, value in changed(record).items())
        raise runs.RunError(
            f"the weights of run {record.key}: {trouble} ({path}). "
            f"Make them: gcaf train --profile {record.info['profile']} --seed {record.seed} --weights {sets}".rstrip()
        )
    if runs.sha256(path) != _recorded(record, which):
        warnings.warn(_otherwise(f"run {record.key}"), stacklevel=2)
    return model


def classifier_of(settings: Settings, seed: int) -> keras.Model:
    """The untrained classifier that a run with these settings and this seed starts from, in the run's own precision."""
    s = settings
    return classifier.build(s.model, s.data.image_size, len(s.data.classes), seed, s.training.dtype)


def _trouble(record: runs.Record, which: str) -> str | None:
    """What is wrong with a weight file of a record, or None: it is the record's, or was made again here."""
    path = runs.weights_path(record.key, which)
    if not path.is_file():
        return "there are none on this machine; records carry none"
    if _foreign(path, _recorded(record, which)):
        return "the file is damaged or another run's, neither the record's nor made again here"
    return None


def _recorded(record: runs.Record, which: str) -> str | None:
    """SHA-256 of a weight file as the record has it."""
    return record.info["weights_sha256"].get(which)


def _put(model: keras.Model, path: Path) -> str | None:
    """Load a weight file; returns what is wrong with it, or None."""
    try:
        with (
            warnings.catch_warnings()
        ):  # of layers for which the file has nothing, which would stay at random
            warnings.filterwarnings("error", message="Skipping")
            model.load_weights(path)
    except Exception:  # h5py and Keras raise many kinds, some a page long
        return "the file is damaged, or of another model"
    if not all(np.isfinite(value).all() for value in model.get_weights()):
        return "the file holds values that are no numbers"
    return None


def _foreign(path: Path, recorded: str | None) -> bool:
    """Whether a weight file is neither the one on record nor, by the note beside it, one made on this machine."""
    note = _note(path)
    noted = note.read_text(encoding="ascii", errors="replace").strip() if note.is_file() else None
    known = {recorded, noted} - {None}
    return bool(known) and runs.sha256(path) not in known


def _note(path: Path) -> Path:
    """Beside a weight file that this machine made: its SHA-256."""
    return path.with_name(f"{path.name}.sha256")


def _otherwise(name: str) -> str:
    return (
        f"the weights of {name} on this machine are not those of its record (trained again on another device or with "
        "other versions): answers and maps made from them can differ from the record's"
    )


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
def _train(
    settings: Settings, seed: int, work: Task, run_key: str, profile: str, progress: bool, maps: bool = True
):
    started = time.perf_counter()
    _prepare(seed)
    batch = _batch(settings.training.batch_size, work)
    with backend.precision(settings.training.dtype), backend.data_parallel(batch) as several:
        model, stage, history, about = _stages(settings, seed, work, run_key, profile, progress)
    # one device is enough for what follows, and a model made for several stays theirs
    shown = classifier_of(settings, seed) if several > 1 else model
    predictions, made = {}, {}
    for which in WHICH:
        stage.assign(which)
        if shown is not model:
            shown.set_weights(model.get_weights())
        made[which] = _save_weights(shown, runs.weights_path(run_key, which))
        for name in ("validation", "test"):
            part = work.part(name)
            p = probabilities(shown, work.images, part.rows)
            predictions[f"{name}_{which}"] = p.astype(np.float32)
            predictions[f"{name}_rows"] = part.rows.astype(np.int32)
            predictions[f"{name}_labels"] = part.labels.astype(np.int8)
    shown_at = gradcam.record(shown, work.images, predictions["test_rows"]) if maps else None
    info = _info("main", run_key, settings, seed, work, profile, started, about.pop("stages"))
    info |= about | {"weights_sha256": made}
    record = runs.write(info, pd.DataFrame(history), predictions, shown_at)
    if record.info["weights_sha256"] != made:
        warnings.warn(_otherwise(f"run {run_key}"), stacklevel=2)
    shutil.rmtree(_scratch(run_key), ignore_errors=True)
    return record


def _prepare(seed: int) -> None:
    """What must stand before a model is built."""
    keras.utils.set_random_seed(seed)
    backend.deterministic()
    backend.compilation_cache(cache_dir() / "xla")


def _stages(settings: Settings, seed: int, work: Task, run_key: str, profile: str, progress: bool):
    """Build the model and run stages 1 and 2: (model, last stage, history, what the record says of it)."""
    t = settings.training
    model = classifier_of(settings, seed)
    weights = _backbone_weights(model, settings, seed, work, profile, progress)
    loss = focal_loss(settings, work)
    train, validation = work.part("train"), work.part("validation")
    steps = len(train.rows) // _batch(t.batch_size, work)
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
    about = {
        "stages": summaries,
        "weights": weights,
        "unfrozen": unfrozen,
        "cam_layers": classifier.cam_layers(model),
        "parameters": classifier.parameters(model),
    }
    return model, stage, history, about


def stage0(
    settings: Settings, seed: int, key: str, work: Task, profile: str = "", progress: bool = True
) -> Path:
    """In-domain pre-training of one backbone for a run's `settings` and `seed`; returns the path of its weights.

    A plain classifier (cross-entropy, no Mixup, no smoothing) trained from scratch on the training
    part of the protocol in use, never on validation or test images; its epoch is chosen by validation
    loss, like every stage's. Shared by hash by every run whose `runs.stage0_key` is the same.
    Learning rate: linear warm-up over a tenth of the steps, then cosine to zero.
    """
    run_key = runs.stage0_key(settings, seed, key, work.dataset.hash, work.split_hash)
    path = runs.weights_path(run_key, "backbone")

    def ready() -> bool:
        record = runs.find(run_key)
        return path.is_file() and not _foreign(path, record and record.info["weights_sha256"])

    if ready():
        return path
    with runs.lock(run_key):
        if not ready():
            if path.is_file():
                warnings.warn(f"{path} is damaged or another run's: stage 0 is trained again", stacklevel=2)
            batch = _batch(settings.training.stage0_batch_size, work)
            with (
                backend.precision(settings.training.dtype),
                backend.data_parallel(batch, setting="training.stage0_batch_size"),
            ):
                _train_stage0(settings, seed, key, work, run_key, profile, progress)
    return path


def _stage0_settings(settings: Settings, key: str) -> Settings:
    """What stage 0 of one backbone is trained with: of a run's settings those in its key, and no others."""
    chosen = {name: getattr(settings.model, name) for name in runs.STAGE0_MODEL}
    model = ModelSettings(backbones=(key,), fusion="none", weights="none", **chosen)
    chosen = {name: getattr(settings.training, name) for name in runs.STAGE0_TRAINING}
    training = TrainingSettings(**chosen, batch_size=settings.training.stage0_batch_size, mixup=0.0)
    return Settings(settings.data, model, training=training)


def _train_stage0(
    settings: Settings, seed: int, key: str, work: Task, run_key: str, profile: str, progress: bool
):
    started = time.perf_counter()
    seed, plain = runs.stage0_seed(settings, seed), _stage0_settings(settings, key)
    _prepare(seed)
    t, classes = plain.training, len(plain.data.classes)
    model = classifier_of(plain, seed)
    classifier.thaw(model)
    loss = losses.FocalLoss("per-class", 0.0, 0.0, np.ones(classes))
    train = work.part("train")

    def rate(steps: int):
        return keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - steps // 10), warmup_target=t.stage0_rate, warmup_steps=max(1, steps // 10)
        )

    with tqdm(
        total=t.stage0_epochs * (len(train.rows) // _batch(t.batch_size, work)),
        desc=f"stage 0 {key}",
        unit="step",
        disable=None if progress else True,
    ) as bar:
        stage = Stage(
            model, work.images, train, work.part("validation"),
            number=0, epochs=t.stage0_epochs, rate=rate, loss=loss,
            settings=t, seed=seed, checkpoint=_scratch(run_key) / "stage0.npz", bar=bar,
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
    info = _info("stage0", run_key, plain, seed, work, profile, started, [_stage_summary(stage)]) | {
        "backbone": key,
        "parameters": classifier.parameters(model),
    }
    made = _save_weights(classifier.backbone(model, key), path)
    record = runs.write(info | {"weights_sha256": made}, pd.DataFrame(stage.rows), predictions)
    if record.info["weights_sha256"] != made:
        warnings.warn(
            f"{_otherwise(f'stage 0 of {key}, {run_key},')}; runs made from now on start elsewhere than those on "
            "record. Each run's record names the weights it took",
            stacklevel=2,
        )
    shutil.rmtree(_scratch(run_key), ignore_errors=True)


# -- small pieces ----------------------------------------------------------------------------------
def focal_loss(settings: Settings, work: Task) -> losses.FocalLoss:
    """The loss of Eq 14 with alpha from the class counts of the training part."""
    counts = np.bincount(work.part("train").labels, minlength=len(settings.data.classes))
    s = settings.loss
    return losses.FocalLoss(s.reading, s.gamma, s.smoothing, losses.class_weights(counts, s.balance))


def _backbone_weights(model, settings: Settings, seed: int, work: Task, profile: str, progress: bool) -> dict:
    """Load every backbone's weights as `settings.model.weights` says; returns what was loaded."""
    source, loaded, files = settings.model.weights, {}, runs.weight_files(settings)
    for key in settings.model.backbones:
        if source == "none":
            loaded[key] = {"source": "none"}
        elif source == "imagenet":
            backbones.load_imagenet(model, key)
            loaded[key] = {"source": "imagenet"}
        else:
            if source == "in-domain":
                path = stage0(settings, seed, key, work, profile, progress)
                where = {"source": "in-domain", "stage0": path.parent.name}
            else:
                path = files[key]
                where = {"source": "file", "file": path.name}
            trouble = _put(classifier.backbone(model, key), path)
            if trouble:
                raise backbones.WeightsError(
                    f"{path} can't be used for backbone {key}: {trouble}. Expected are the weights of this backbone "
                    "alone, as a stage 0 of the same model.scale leaves them (backbone.weights.h5 in the folder "
                    "weights of the cache)"
                )
            loaded[key] = where | {"sha256": runs.sha256(path)}
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


def _save_weights(model: keras.Model, path: Path) -> str:
    """Write a model's weights whole or not at all; returns the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{path.name}")  # Keras insists on the ending .weights.h5
    model.save_weights(temporary)
    made = runs.sha256(temporary)
    _note(path).write_text(made, encoding="ascii")
    temporary.replace(path)
    return made


def _scratch(run_key: str) -> Path:
    """Where a run's checkpoints lie until its record is written."""
    return cache_dir() / "work" / run_key


def _batch(size: int, work: Task) -> int:
    """Images a step: a training part smaller than the batch is one batch."""
    return min(size, len(work.part("train").rows))
