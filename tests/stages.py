"""Checks of single stages, for either backend: on JAX they run in a process of their own.

`python -m tests.stages NAME [ARGUMENT]` runs one of them. The network is the smallest that has
everything a stage deals with: convolution, frozen BatchNormalization, Dropout; the training graph around it is
the whole one. What a check says of miniatures and whole runs stands in the tests that call it.
"""

import json
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from gcaf_lib.model import backbones, backend, blocks, gradients, losses
from gcaf_lib.settings import load
from gcaf_lib.training import feed, loop

SIDE, BATCH, EPOCHS, STEPS = 32, 8, 2, 4
# halves what XLA takes to compile; how fast the program then is matters little for a few steps
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
SETTINGS = load("demo", {"training.batch_size": BATCH, "training.ema": 0.8})


def shallow(put: Callable = setattr) -> None:
    """Miniatures of three blocks and of two, one of each kind, with maps of the size they had.

    What takes the time in tests of whole runs is tracing, block by block.
    """
    first, _, fused, plain, _ = backbones._MINI_V2
    convnext = blocks.convnext
    put(backbones, "_MINI_V2", (first, fused, plain._replace(repeats=1, stride=2)))
    put(blocks, "convnext", lambda x, depths, widths, *a, **k: convnext(x, (1, 1), widths[:2], *a, **k))


def images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (50, SIDE, SIDE, 3), np.uint8)


def network() -> keras.Model:
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="convolution")(image / 128 - 1)
    x = keras.layers.BatchNormalization(name="normalisation", trainable=False)(x)
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Dense(4, name="logits")(x))


def stage(folder: str, kind=loop.Stage, resident: bool = False, **more) -> loop.Stage:
    """A stage of 2 epochs of 4 steps, not yet run; the same start each time."""
    keras.utils.set_random_seed(0)
    backend.deterministic()
    model = network()
    store, labels = images(), np.arange(50) % 4
    train = loop.Part(np.arange(5, 40), labels[5:40])  # 35 rows: three are left out of each epoch
    validation = loop.Part(np.arange(40, 50), labels[40:])
    arguments = dict(number=2, epochs=EPOCHS, rate=1e-3, seed=3, settings=SETTINGS.training)
    return kind(
        model,
        store,
        train,
        validation,
        loss=losses.FocalLoss("target-probability", 2.0, 0.05, np.ones(4)),
        checkpoint=Path(folder) / "stage.npz",
        resident=feed.resident(store, resident),
        **{**arguments, **more},
    )


class Bar:
    """Counts as tqdm does."""

    n = 0

    def update(self, count):
        self.n += count

    def set_postfix_str(self, text):
        pass


class Killed(Exception):
    pass


class Dying(loop.Stage):
    """Dies after its first epoch's checkpoint."""

    def _save(self, raw):
        super()._save(raw)
        raise Killed


def outcome(done: loop.Stage) -> list[np.ndarray]:
    """Everything a stage leaves: weights, averages, history without seconds."""
    history = [[value for name, value in row.items() if name != "seconds"] for row in done.rows]
    return [*done.best["raw"], *done.best["ema"], np.array(history), *done._values()]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a, b)


def alike(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    """Two programs of the same arithmetic: on JAX nothing promises that both round alike on every processor."""
    if keras.backend.backend() == "tensorflow":
        return same(one, other)
    assert len(one) == len(other)
    for a, b in zip(one, other):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def check_resident() -> None:
    """Resident images, several steps an execution, and a death between: the same numbers as fed one by one."""
    with tempfile.TemporaryDirectory() as folder:
        bar = Bar()
        plain = outcome(stage(folder + "/plain", bar=bar).run())
        assert bar.n == EPOCHS * STEPS
        bar = Bar()
        both = stage(folder + "/both", resident=True, steps_per_execution=4, bar=bar).run()
        assert bar.n == EPOCHS * STEPS
        alike(plain, outcome(both))
        with np.load(folder + "/both/stage.npz") as archive:
            assert not any(archive[name].ndim == 4 and len(archive[name]) == 50 for name in archive.files)
        assert all(v.shape != images().shape for v in both.classifier.weights)
        place = folder + "/died"
        try:
            stage(place, Dying, resident=True, steps_per_execution=2).run()
        except Killed:
            resumed = stage(place, resident=True, steps_per_execution=2)
            resumed.run()
            assert resumed.batches.first == 1
        alike(plain, outcome(resumed))


def check_average() -> None:
    """The averaged weights are Eq 18 of the weights after each step, from the first step on."""

    class Watched(loop.Stage):
        after: list

        def on_train_batch_end(self, step, logs=None):
            if hasattr(self.graph, "jax_state_sync"):
                self.graph.jax_state_sync()
            self.after.append(self._values())

    beta = SETTINGS.training.ema
    with tempfile.TemporaryDirectory() as folder:
        watched = stage(folder, Watched, epochs=2)
        watched.after = []
        watched.run()
        assert len(watched.after) == 2 * STEPS
        wanted = [w.astype(np.float64) for w in watched.after[0]]
        for values in watched.after[1:]:
            wanted = [beta * a + (1 - beta) * w for a, w in zip(wanted, values)]
        watched.optimizer.finalize_variable_values(watched.graph.trainable_variables)
        for a, b in zip(watched._values(), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
        last = watched.after[-1]
        assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(wanted, last)), (
            "average and weights must differ"
        )


def check_parallel() -> None:
    """Two devices, each with half of every batch, give what one gives, but for rounding."""
    devices = keras.distribution.list_devices()
    assert devices == ["cpu:0", "cpu:1"], devices
    with backend.data_parallel(BATCH) as several:
        assert several == 1, "CPU devices must never be taken by default"
    with tempfile.TemporaryDirectory() as folder:
        one = stage(folder + "/one").run()
        for resident in (False, True):
            with backend.data_parallel(BATCH, devices) as several:
                assert several == backend.replicas() == 2
                two = stage(f"{folder}/two-{resident}", resident=resident).run()
                spread = two.classifier.trainable_variables[0].value.sharding
                assert len(spread.device_set) == 2
            for a, b in zip(outcome(one), outcome(two), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert backend.replicas() == 1


def check_parallel_run() -> None:
    """A whole run of a miniature on two devices, stage 0 to record; a model for one device takes its weights."""
    from gcaf_lib.training import train
    from tests.test_sweep import SMALL

    backend._devices = lambda batch: keras.distribution.list_devices()
    record = train.get(load("demo", SMALL), 0)
    work = train.task(record.settings)
    p = loop.probabilities(train.load_model(record), work.images, record.rows())
    np.testing.assert_allclose(p, record.probabilities(), atol=1e-5)


def check_run() -> None:
    """A whole run of a miniature from images on the device, two steps an execution: the same record."""
    from gcaf_lib.training import train
    from tests.test_sweep import SMALL

    found = []
    home = Path(os.environ["GCAF_CACHE"])
    for name, switch in (("host", "0"), ("device", "1")):
        for variable in ("GCAF_RESULTS", "GCAF_CACHE"):
            os.environ[variable] = str(home / name / variable)
        os.environ["GCAF_RESIDENT"] = switch
        settings = load("demo", {**SMALL, "training.batch_size": 8})
        work = train.task(settings)
        steps = len(work.part("train").rows) // 8
        os.environ["GCAF_STEPS"] = str(max(k for k in range(1, 5) if steps % k == 0) if switch == "1" else 1)
        found.append(train.get(settings, 0))
    one, other = found
    assert one.info["weights"] == other.info["weights"]
    for name, values in one.predictions.items():
        np.testing.assert_array_equal(values, other.predictions[name], err_msg=name)


def _operations() -> set[str]:
    """Kinds of operations in all functions that TensorFlow holds in this process."""
    from tensorflow.python.eager import context

    known = context.context()
    functions = [known.get_function_def(name) for name in known.list_function_names()]
    return {node.op for function in functions for node in function.node_def}


def _calls_python(operations: set[str]) -> list[str]:
    return sorted(op for op in operations if "PyFunc" in op or "Generator" in op)


def check_no_generator() -> None:
    """A whole run, its weights loaded again, probabilities and maps: no function of the process calls Python."""
    import tensorflow as tf

    from gcaf_lib.model import gradcam
    from gcaf_lib.training import train
    from tests.test_sweep import SMALL

    seen: set[str] = set()

    def watched(plain: Callable) -> Callable:
        def call(*given, **more):
            out = plain(*given, **more)
            seen.update(_operations())  # before the model and its functions are gone
            return out

        return call

    for name in ("fit", "predict_on_batch"):
        setattr(keras.Model, name, watched(getattr(keras.Model, name)))
    shallow()
    record = train.get(load("demo", SMALL), 0)
    work, model = train.task(record.settings), train.load_model(record)
    loop.probabilities(model, work.images, record.rows())
    gradcam.maps(model, work.images[:2].astype("float32"))
    seen |= _operations()
    assert {"Conv2D", "GatherV2"} <= {op.removeprefix("_FusedMkl") for op in seen}, sorted(seen)
    assert not _calls_python(seen), _calls_python(seen)
    kept = tf.data.Dataset.from_generator(lambda: iter([1]), output_signature=tf.TensorSpec((), tf.int32))
    assert len(list(kept)) == 1
    assert _calls_python(_operations()), "one that does is not seen"


def outcome_of(layer: keras.Layer, start: list, **mode: bool) -> list[np.ndarray]:
    """Output of a layer, what it leaves in its statistics, and gradients of a random sum over its output."""
    x = np.random.default_rng(0).normal(1, 2, (6, 5, 4, 3)).astype("float32")
    mix = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    if not layer.built:
        layer.build(x.shape)
    layer.set_weights(start)
    rest = [v.value for v in layer.non_trainable_variables]
    weights = [v.value for v in layer.trainable_variables]

    def run(x, weights):
        return layer.stateless_call(weights, rest, x, **mode)

    def everything_of(x, weights):
        _, slopes = gradients.value_and_gradient(lambda given: ops.sum(run(*given)[0] * mix), [x, weights])
        return *run(x, weights), slopes

    if keras.backend.backend() == "jax":
        import jax  # one program, as in a training step, where each operation would be one of its own

        everything_of = jax.jit(everything_of)
    out, left, slopes = everything_of(x, weights)
    return [ops.convert_to_numpy(value) for value in (out, *left, slopes[0], *slopes[1])]


def check_layers() -> None:
    """The layers written out for speed give what Keras's give, in values, statistics and gradients."""

    def norm(kind, trainable=True):
        return kind(momentum=0.7, epsilon=1e-3, trainable=trainable)

    start = [np.array(v, "float32") for v in ([0.5, 1, 2], [0, 1, -1], [1, 0, 2], [3, 0.5, 1])]
    kinds = blocks.BatchNormalization, keras.layers.BatchNormalization
    pairs = [
        ([norm(kind, trainable) for kind in kinds], start, {"training": training})
        for training, trainable in ((True, True), (False, True), (True, False))
    ]
    pairs.append(([keras.layers.Activation(kind) for kind in (blocks.swish, "swish")], [], {}))
    pairs.append(([keras.layers.Activation(kind) for kind in (blocks.gelu, "gelu")], [], {}))
    for layers, weights, mode in pairs:
        found, wanted = (outcome_of(layer, weights, **mode) for layer in layers)
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def check_other_forms() -> None:
    """What `benchmarks.suspects` measures as another form of the same sums: the layer's own values and gradients."""
    from benchmarks import otherwise

    depthwise = [name for name in otherwise.CHANGES if "7×7" in name or name == "depthwise by rows"]
    forms = [(name, keras.layers.DepthwiseConv2D(7, padding="same")) for name in depthwise]
    forms += [
        ("depthwise by rows", keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)),
        ("1×1 as products", keras.layers.Conv2D(3, 1, activation=blocks.swish)),
    ]
    if keras.backend.backend() == "tensorflow":
        forms += [
            ("LayerNormalization by XLA", keras.layers.LayerNormalization(epsilon=1e-6)),
            ("activations by XLA", keras.layers.Activation(blocks.gelu)),
            ("LayerScale by XLA", blocks.LayerScale(0.3)),
        ]
    for name, layer in forms:
        layer.build((6, 5, 4, 3))
        rng = np.random.default_rng(2)
        start = [rng.normal(size=weight.shape) for weight in layer.weights]
        plain, kind = outcome_of(layer, start), type(layer)
        before = kind.call
        try:
            otherwise.CHANGES[name]()
            assert kind.call is not before, name
            found = outcome_of(layer, start)
        finally:
            kind.call = before
        assert len(found) == len(plain) == 2 + len(layer.weights), name
        for a, b in zip(found, plain):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4, err_msg=name)


def everything():
    """A network with a layer of each kind that some change does otherwise."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Conv2D(6, 3, strides=2)(keras.layers.Rescaling(1 / 128, -1)(image))
    x = keras.layers.Activation(blocks.swish)(blocks.BatchNormalization(trainable=False)(x))
    x = keras.layers.LayerNormalization()(keras.layers.DepthwiseConv2D(7, padding="same")(x))
    x = blocks.LayerScale(0.3)(keras.layers.Conv2D(6, 1)(keras.layers.Activation(blocks.gelu)(x)))
    return keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))


def traced(change: str, folder: str, patch: pytest.MonkeyPatch) -> tuple[Counter, bool, int]:
    """Operations of a training step with that change, whether XLA is to compile it, and how often determinism was asked for."""
    import tensorflow as tf

    from benchmarks import otherwise
    from gcaf_lib.model import augment

    layers = keras.layers
    for kind in (
        layers.DepthwiseConv2D,
        layers.Conv2D,
        layers.LayerNormalization,
        layers.Activation,
        layers.Rescaling,
    ):
        patch.setattr(kind, "call", kind.call)  # and back again afterwards
    for kind in (blocks.BatchNormalization, blocks.LayerScale, augment.Mixup):
        patch.setattr(kind, "call", kind.call)
    for owner, name in (
        (keras.optimizers, "Adam"), (keras.Model, "compile"), (augment, "augmentation"),
        (backend, "deterministic"), (backend, "jit_compile"),
    ):  # fmt: skip
        patch.setattr(owner, name, getattr(owner, name))
    asked = []
    patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append(True))
    patch.setattr(sys.modules[__name__], "network", everything)
    otherwise.CHANGES[change]()
    run = stage(folder)
    batch = tf.nest.map_structure(tf.convert_to_tensor, run.batches[0])
    graph = tf.function(run.graph.train_step, autograph=False).get_concrete_function(batch).graph
    tree = graph.as_graph_def()
    nodes = [*tree.node, *(node for function in tree.library.function for node in function.node_def)]
    return Counter(node.op for node in nodes), run.graph.jit_compile, len(asked)


def check_changes() -> None:
    """Each change of `benchmarks.suspects` changes the step that is traced, and what changes nothing does not."""
    from benchmarks import otherwise, suspects

    def of(change: str) -> tuple[Counter, bool, int]:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            return traced(change, folder, patch)

    plain = of(suspects.AS_IT_IS)
    assert plain[0]["FusedBatchNormV3"] and plain[1:] == (False, 1) and of(suspects.AGAIN) == plain
    assert of("no determinism") == (plain[0], False, 0) and of("whole step by XLA") == (plain[0], True, 0)
    feeds = {"after a generator", "fed by a generator"}  # they change the process, not the step
    assert all(of(change) == plain for change in feeds)
    apart = {suspects.AS_IT_IS, suspects.AGAIN, "no determinism", "whole step by XLA"} | feeds
    others = set(otherwise.CHANGES) - apart
    found = {change: of(change) for change in others}
    assert len(found) == 14 and {one[1:] for one in found.values()} == {plain[1:]}
    assert not [change for change, (operations, *_) in found.items() if operations == plain[0]]
    assert len({frozenset(operations.items()) for operations, *_ in found.values()}) == len(found)


def compiled_with_cache(folder: str) -> dict:
    """One stage with the compilation cache: what was found there, and the bytes of the outcome."""
    import jax

    events: list[str] = []
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rsplit("/", 1)[-1]))
    ops.convert_to_numpy(ops.ones(3) + 1)  # a compilation before the cache is chosen, as in a notebook
    used = backend.compilation_cache(Path(folder))
    with tempfile.TemporaryDirectory() as place:
        values = outcome(stage(place, epochs=1).run())
    return {
        "folder": str(used),
        "hits": events.count("cache_hits"),
        "misses": events.count("cache_misses"),
        "outcome": [value.tobytes().hex() for value in values],
    }


def several(folder: str, *names: str) -> None:
    """Checks one after another in one process, which takes longer to start than each; prints what went wrong in each,
    and of one stage before them all, with the compilation cache in `folder`, which serves the others too, its outcome.
    """
    first, wrong = compiled_with_cache(folder), dict.fromkeys(names, "")
    for name in names:
        try:
            globals()[name]()
        except Exception:
            wrong[name] = traceback.format_exc()
    print(json.dumps({"first": first, "wrong": wrong}))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
