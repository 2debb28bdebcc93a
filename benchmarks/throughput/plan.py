"""What all contenders share, written once into a folder: images, labels, and the plan in numbers.

    python -m benchmarks.throughput.plan FOLDER REQUEST.json

Runs in a process of its own, because it needs Keras, which the process that starts the others
must not hold in memory.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.throughput import child
from gcaf_lib.data import dataset, preprocess
from gcaf_lib.model import augment, backend, classifier, losses
from gcaf_lib.settings import Settings, SettingsError, load
from gcaf_lib.training import environment, train


def layer_flops(layer: keras.Layer) -> int:
    """2 x multiplications-with-addition of one layer for one image; 0 for what has no kernel.

    A kernel's every entry is used once at each place of the output. A layer that is neither a
    convolution nor Dense (the fusion) holds kernels of vectors: one place.
    """
    plain = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    places = math.prod(layer.output.shape[1:-1]) if isinstance(layer, plain) else 1
    return 2 * places * sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)


def step_flops(model: keras.Model) -> int:
    """FLOPs of a training step for one image: forward x 3 for layers that train, x 1 for frozen ones."""
    return sum(layer_flops(layer) * (3 if layer.trainable_weights else 1) for layer in model.layers)


def stages(settings: Settings) -> dict:
    """What is trained, by name: stage 0 of each backbone ("0 vgg19"), "1", "2".

    Each with its number and settings, FLOPs of a step and of its forward pass, weights, trained weights and
    trained layers of each backbone.
    """
    plain = {"loss.reading": "per-class", "loss.gamma": 0, "loss.smoothing": 0, "loss.balance": 1}
    named = {
        f"0 {key}": train._stage0_settings(settings, key).replace(plain) for key in settings.model.backbones
    }
    named |= {"1": settings, "2": settings}
    out = {}
    for name, chosen in named.items():
        number = int(name[0])
        model = classifier.build(chosen.model, chosen.data.image_size, len(chosen.data.classes))
        enter(model, number, chosen)
        parts = classifier.parts(model)["backbones"]
        out[name] = {
            "number": number,
            "settings": chosen.to_dict(),
            "flops": step_flops(model),
            "forward": sum(map(layer_flops, model.layers)),
            "weights": classifier.parameters(model)["total"],
            "trained": classifier.parameters(model)["trainable"],
            "layers": {key: sum(bool(la.trainable_weights) for la in part) for key, part in parts.items()},
        }
    return out


def enter(model: keras.Model, stage: int, settings: Settings) -> None:
    """Thaw, freeze or unfreeze as the stage does."""
    if stage == 0:
        classifier.thaw(model)
    elif stage == 1:
        classifier.freeze(model)
    else:
        classifier.unfreeze(model, settings.training.unfrozen)


def open_images(settings: Settings, data: str | None, phantoms: bool) -> tuple[Settings, dataset.Dataset]:
    """The real images where they are; phantoms where they aren't or are asked for."""
    if not phantoms and settings.data.source == "mri":
        try:
            return settings, dataset.open_dataset(settings.data, data)
        except dataset.DataError:
            if data:
                raise
    count = settings.data.phantoms or 150
    settings = settings.replace({"data.source": "phantom", "data.phantoms": count})
    return settings, dataset.open_dataset(settings.data)


def choose(labels: np.ndarray, count: int, classes: int) -> np.ndarray:
    """About `count` rows, as many of each class as there are, in an order that mixes the classes."""
    rng = np.random.default_rng(0)
    each = max(1, count // classes)
    rows = [rng.permutation(np.flatnonzero(labels == c))[:each] for c in range(classes)]
    return rng.permutation(np.concatenate(rows))


def make(folder: Path, request: dict) -> dict:
    """Write images.npy, labels.npy, lambdas.npy and plan.json into `folder`; returns the plan."""
    settings = load(request["profile"])
    if settings.model.fusion != "gcaf" or settings.training.mixup == 0:
        raise SettingsError("the benchmark measures the main model: fusion gcaf, with Mixup")
    accelerator = bool(backend.accelerators())
    batch = request["batch"] or settings.training.batch_size
    large = settings.model.scale == "full" and not accelerator
    steps = request["steps"] or (3 if large else 100 if accelerator else 30)
    warm = request["warm"] or (1 if large else 10 if accelerator else 5)
    precision = request["precision"]
    if precision == "auto":
        precision = "bfloat16" if accelerator else "float32"
    dtype = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    sizes = {"training.batch_size": batch, "training.stage0_batch_size": batch}
    settings = settings.replace({"model.weights": "none", "training.dtype": dtype, **sizes})
    settings, opened = open_images(settings, request["data"], request["phantoms"])
    classes = len(settings.data.classes)
    labels = opened.frame["label"].to_numpy()
    rows = choose(labels, request["images"], classes)
    if len(rows) < batch:
        raise SettingsError(f"{len(rows)} images are fewer than a batch of {batch}: give more --images")
    files = [str(opened.root / name) for name in opened.frame["file"].iloc[rows]]
    start = time.perf_counter()
    images = np.stack([preprocess.preprocess(file, settings.data) for file in files])
    seconds = time.perf_counter() - start
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels[rows])
    np.save(folder / "lambdas.npy", augment.beta_quantiles(settings.training.mixup))
    counts = np.bincount(labels[rows], minlength=classes)
    trained = stages(settings)
    for one in trained.values():
        one["alpha"] = losses.class_weights(counts, one["settings"]["loss"]["balance"]).tolist()
    plan = {
        "profile": request["profile"],
        "settings": settings.to_dict(),
        "folder": str(folder),
        "files": files,
        "images": len(rows),
        "pictures": opened.banner or "the real images",
        "batch": batch,
        "steps": steps,
        "warm": warm,
        "precision": precision,
        "compile_mode": request["compile_mode"],
        "accelerator": accelerator,
        "decode_ms": 1e3 * seconds / len(rows),
        "stages": trained,
        "machine": environment.describe(),
    }
    child.write(folder / "plan.json", plan)
    return plan


if __name__ == "__main__":
    make(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
