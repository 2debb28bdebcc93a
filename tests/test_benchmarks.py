"""The throughput benchmark's own arithmetic; what it measures is never asserted (speed is no test)."""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import yaml

from benchmarks import figures, suite
from benchmarks.throughput import child, contest, summary
from gcaf_lib.book import durations, speed, step_kinds
from gcaf_lib.settings import load
from tests.test_training import TINY

ROOT = Path(__file__).resolve().parents[1]


def run(*words: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.throughput", *words],
        cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True,
    )  # fmt: skip


def test_help_teaches_method_and_examples():
    told = run("--help")
    assert told.returncode == 0, told.stderr
    for words in ("Fraction of the peak", "--torch-python", "KERAS_BACKEND=jax", "examples"):
        assert words in told.stdout


@pytest.mark.parametrize(
    "words, complaint",
    [
        (("--steps", "0"), "not 1 or more"),
        (("--out", "page.txt"), "must end in .csv or .json"),
        (("--contenders", "oars"), "invalid choice"),
    ],
)
def test_a_wrong_word_is_refused_before_anything_runs(words, complaint):
    told = run(*words)
    assert told.returncode == 2 and complaint in told.stderr


def test_figures_are_kept_with_what_was_asked_and_only_as_json(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int)
    figures.add_out(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", "page.csv"])
    assert "must end in .json" in capsys.readouterr().err
    figures.keep(parser.parse_args(["--steps", "3"]), {"ratio": 2.0})
    path = tmp_path / "new" / "figures.json"
    figures.keep(parser.parse_args(["--steps", "3", "--out", str(path)]), {"ratio": 2.0})
    tree = json.loads(path.read_text())
    assert tree["asked"] == {"steps": 3} and tree["ratio"] == 2.0 and tree["machine"]["versions"]["keras"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_spread_and_paired_ratios_in_closed_form():
    assert summary.spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    with pytest.raises(ValueError, match="nothing was measured"):
        summary.spread([])
    # a machine that gets twice as slow from round to round: the ratio doesn't see it
    assert summary.ratios({1: 50.0, 2: 25.0, 3: 12.5}, {1: 100.0, 2: 50.0, 3: 25.0}) == [0.5, 0.5, 0.5]
    assert summary.ratios({1: 50.0, 3: 10.0}, {1: 100.0, 2: 1.0}) == [0.5]


def reading(name: str, turn: int, speed: float, matmul: float, **more) -> dict:
    return {
        "contender": name, "stage": "1", "round": turn, "images_per_second": speed, "first_step_s": 2.0 * turn,
        "host_gib": 1.0, "device_gib": None, "weights": 10, "trained": 4, "matmul_flops": matmul, **more,
    }  # fmt: skip


STAGES = {stage: {"flops": 1_000, "forward": 500, "weights": 10, "trained": 4} for stage in "12"}


def test_table_takes_one_peak_for_all_and_names_who_could_not_run():
    measured = [reading("ours", r, 100.0 / r, 1e6) for r in (1, 2, 3)]
    measured += [reading("plain", r, 50.0 / r, 2e6, trained=5) for r in (1, 2, 3)]
    rows = summary.table(measured, ["ours", "plain", "torch"], {"torch": "timm can't be imported"}, STAGES)
    ours, plain, torch = rows[:3]
    assert (ours["images_per_second"], ours["low"], ours["high"], ours["rounds"]) == (50.0, 100 / 3, 100.0, 3)
    assert ours["ratio"] == 1 and plain["ratio"] == plain["ratio_low"] == plain["ratio_high"] == 0.5
    assert ours["first_step_s"] == 4.0
    # the better framework's matmul, 2e6 FLOP/s, is the denominator of both
    assert ours["fraction_of_peak"] == 50 * 1_000 / 2e6 and plain["fraction_of_peak"] == 25 * 1_000 / 2e6
    assert "trained: +1" in plain["note"] and ours["note"] == ""
    assert torch["rounds"] == 0 and torch["images_per_second"] is None
    text = summary.as_text(rows)
    assert text.count("torch: timm can't be imported") == 1 and "33.33 to 100" in text
    read = list(csv.DictReader(summary.as_csv(rows).splitlines()))
    assert len(read) == 6 and read[2]["note"] == "timm can't be imported" and read[2]["ratio"] == ""


def test_table_without_our_contender_has_no_ratio():
    rows = summary.table([reading("plain", 1, 50.0, 1e6)], ["plain"], {}, STAGES)
    assert rows[0]["ratio"] is None and rows[0]["images_per_second"] == 50


def test_clock_waits_for_the_device_at_three_steps_only():
    clock, waited = child.Clock(0.0, warm=2, steps=3), []
    for number in range(1, clock.total + 1):
        clock.step(number, lambda number=number: waited.append(number))
    assert waited == [1, 2, 5]
    clock.first, clock.ends = 7.0, {2: 10.0, 5: 16.0}
    read = clock.result(batch=4)
    assert read["images_per_second"] == 2 and read["first_step_s"] == 7 and read["host_gib"] > 0


def test_clock_rounds_up_to_whole_executions():
    clock = child.Clock(0.0, warm=10, steps=100, several=16)
    assert (clock.warm, clock.steps) == (16, 112)


def test_flops_of_known_layers():
    import keras

    from benchmarks.throughput import plan

    image = keras.Input((8, 8, 3))
    convolved = keras.layers.Conv2D(5, 3, padding="same", name="conv")
    x = keras.layers.BatchNormalization()(convolved(image))
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", name="depth")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(7, name="dense")(x))
    by_name = {layer.name: plan.layer_flops(layer) for layer in model.layers}
    conv, depth, dense = 2 * 64 * 9 * 3 * 5, 2 * 16 * 9 * 5, 2 * 5 * 7
    assert (by_name["conv"], by_name["depth"], by_name["dense"]) == (conv, depth, dense)
    assert sum(by_name.values()) == conv + depth + dense
    assert plan.step_flops(model) == 3 * (conv + depth + dense)
    convolved.trainable = False
    assert plan.step_flops(model) == conv + 3 * (depth + dense)


def test_plan_counts_the_fusion_and_what_a_stage_trains():
    from benchmarks.throughput import plan
    from gcaf_lib.settings import load

    from_plan = plan.stages(load("demo", {"model.weights": "none"}))
    first, second = from_plan["1"], from_plan["2"]
    assert list(from_plan) == ["0 efficientnetv2-s", "0 convnext-tiny", "1", "2"]
    for name in ("0 efficientnetv2-s", "0 convnext-tiny"):
        # all that is a weight trains, and every multiplication counts three times
        assert 0 < from_plan[name]["trained"] and from_plan[name]["flops"] == 3 * from_plan[name]["forward"]
        assert (
            from_plan[name]["settings"]["loss"]["gamma"]
            == from_plan[name]["settings"]["training"]["mixup"]
            == 0
        )
    assert set(first["layers"].values()) == {0} and min(second["layers"].values()) > 0
    assert first["weights"] == second["weights"] and first["trained"] < second["trained"]
    assert first["flops"] < second["flops"]


def test_python_without_pytorch_is_named_with_its_cure(tmp_path):
    found = contest.probe(str(tmp_path / "no-python"), False, tmp_path)
    for name in ("torch", "torch-compile"):
        assert "can't be started" in found[name] and "--torch-python" in found[name]


@pytest.mark.parametrize(("backend", "fused"), [("tensorflow", [False, True]), ("jax", [False])])
def test_element_wise_operations_are_fused_for_the_contender_that_is_called_so_alone(
    monkeypatch, backend, fused
):
    """On TensorFlow's CPU; elsewhere the contender is left out, with the reason."""
    seen = []

    def child_process(python, module, words, scratch, limit, **variables):
        seen.append("ops_to_cluster=PW" in variables.get("TF_XLA_FLAGS", ""))
        Path(words[-1]).write_text("{}")

    plan = {"stages": {"1": {}}, "accelerator": False, "machine": {"backend": backend}}
    monkeypatch.setattr(contest, "plan", lambda *_: plan)
    monkeypatch.setattr(contest, "child", child_process)
    outcome = contest.hold({}, ["ours", "ours-fused"], 1, sys.executable, 1)
    assert (
        seen == fused and [m["contender"] for m in outcome.measured] == ["ours", "ours-fused"][: len(fused)]
    )
    assert ("ours-fused" in outcome.missing) == (backend == "jax")


@pytest.mark.parametrize("given", [{}, contest.FUSED])
def test_a_process_finds_the_variables_it_is_given(tmp_path, monkeypatch, given):
    monkeypatch.setenv("TF_XLA_FLAGS", "--another")
    done = {}
    monkeypatch.setattr(
        contest.subprocess, "run", lambda *a, **k: done.update(k) or subprocess.CompletedProcess(a, 0, "", "")
    )
    contest.child(sys.executable, "plan", [], tmp_path, 1, **given)
    assert done["env"].get("TF_XLA_FLAGS") == given.get("TF_XLA_FLAGS")


def test_torch_compile_names_a_missing_compiler(monkeypatch):
    from benchmarks.throughput import torch_child

    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "C++ compiler" in torch_child.no_compiler(cuda=False)


@pytest.mark.slow
def test_both_keras_contenders_run_two_steps_on_phantoms(tmp_path):
    files = tmp_path / "t.csv", tmp_path / "t.json"
    told = run(
        "--profile", "demo", "--rounds", "1", "--steps", "2", "--warm", "1", "--batch", "8", "--images", "32",
        "--contenders", "ours", "ours-fused", "plain", "torch", "--torch-python", str(tmp_path / "no-python"),
        "--out", str(files[0]), "--out", str(files[1]),
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "PHANTOM DATA" in told.stdout
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [(r["stage"], r["contender"]) for r in rows] == [
        (stage, name)
        for stage in ("0 efficientnetv2-s", "0 convnext-tiny", "1", "2")
        for name in ("ours", "ours-fused", "plain", "torch")
    ]
    for row in rows:
        if row["contender"] == "torch":
            assert row["rounds"] == "0" and "can't be started" in row["note"]
        else:
            assert float(row["images_per_second"]) > 0 and 0 < float(row["fraction_of_peak"]) < 1
            assert not row["note"]  # as many weights, all and trained, as the plan counts
    tree = json.loads(files[1].read_text())
    assert len(tree["measurements"]) == 12 and str(tmp_path) not in json.dumps(tree["plan"])


@pytest.mark.parametrize(
    ("event", "backend", "name"),
    [
        ("model/dense/MatMul:MatMul", "tensorflow", "MatMul"),
        ("model/conv:_MklNativeConv2D", "tensorflow", "_MklNativeConv2D"),
        ("model:Run", "tensorflow", None),
        ("multi_step_on_iterator", "tensorflow", None),
        ("ThunkExecutor::Execute", "tensorflow", None),
        ("ynn_fusion.75", "jax", "ynn_fusion"),
        ("dot.3.clone", "jax", "dot"),
        ("wrapped_add", "jax", "wrapped_add"),
        ("while.1", "jax", None),
        ("ThunkExecutor::Execute", "jax", None),
    ],
)
def test_events_of_a_profiler_are_told_by_their_operation(event, backend, name):
    from benchmarks import operations

    assert operations.operation(event, backend) == name


def test_shares_are_of_all_operations():
    from benchmarks import operations

    assert list(operations.shares({"a": 1.0, "b": 3.0}).items()) == [("b", 0.75), ("a", 0.25)]


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("_MklNativeConv2DBackpropFilter", True),
        ("_MklNativeFusedDepthwiseConv2dNative", True),
        ("_MklMatMul", True),
        ("BatchMatMulV2", True),
        ("aten::mkldnn_convolution", True),
        ("aten::convolution_backward", True),
        ("aten::addmm", True),
        ("mkldnn::_linear_pointwise", True),
        ("Mul", False),
        ("AddV2", False),
        ("_MklSwish", False),
        ("aten::baddbmm", True),
        ("ResizeBilinear", False),
        ("aten::_convert_weight", False),
        ("aten::copy_", False),
        ("graph_0_cpp_fused_add_convolution_gelu_28", False),
        ("aten::_foreach_lerp_", False),
    ],
)
def test_convolutions_and_matrix_products_are_told_by_their_names(name, product):
    from benchmarks import operations

    assert operations.is_product(name) is product


def test_kinds_of_work_add_up_to_the_step():
    from benchmarks import beside

    clock = child.Clock(0.0, 1, 2, recorder=(bool, bool))
    clock.ends, clock.begun = {1: 10.0, 3: 10.2, 5: 11.4}, 11.0
    took = {"MatMul": 0.10, "Mul": 0.12, "Sigmoid": 0.06, "CompiledFunction": 0.5}
    read = clock.recorded(took, {"MatMul": 2, "Mul": 6, "Sigmoid": 2, "CompiledFunction": 10})
    assert (read["step"], read["recorded"]) == pytest.approx((0.1, 0.2))
    assert beside.cost(read) == pytest.approx(0.01), "0.1 s more for the ten events of a step"
    found = beside.kinds(read)
    assert list(found.values()) == pytest.approx([40, 50, 10, 100, 200])
    free = read | {"recorded": read["step"]}
    assert list(beside.kinds(free).values()) == pytest.approx([50, 90, -40, 100, 100])
    assert beside.medians([{"a": 1.0}, {"a": 9.0}, {"a": 2.0, "b": 4.0}]) == {"a": 2.0, "b": 0.0}
    layers = {"gelu": {"Mul": 0.06, "MatMul": 1.0}, "Dense": {"MatMul": 1.0}}
    ran = {"gelu": {"Mul": 3, "MatMul": 1}, "Dense": {"MatMul": 1}}
    assert beside.others(read | {"layers": layers, "layer_events": ran}) == pytest.approx(
        {"gelu": 30.0, "Dense": 0.0}
    )


def test_steps_are_timed_before_a_recorder_and_once_more_under_it():
    told = []
    clock = child.Clock(0.0, 2, 3, recorder=(lambda: told.append("on"), lambda: told.append("off")))
    for number in range(1, clock.total + 1):
        clock.step(number, lambda number=number: told.append(number))
    assert told == [1, 2, 5, "on", 8, "off"] and clock.ends[5] <= clock.begun <= clock.ends[8]
    assert clock.seconds_a_step == (clock.ends[5] - clock.ends[2]) / 3


def test_an_instant_is_divided_among_the_operations_that_run_in_it():
    from benchmarks.operations import shared

    one_thread = np.array([[0, 2], [2, 5], [7, 8]])
    assert shared(one_thread).tolist() == [2, 3, 1]
    assert shared(np.array([[0, 4], [2, 4]])).tolist() == [3, 1], "alone for 2, together for 2"
    assert shared(np.array([[0, 6], [0, 6], [0, 6]])).tolist() == [2, 2, 2]
    spans = np.sort(np.random.default_rng(0).integers(0, 50, (40, 2)), axis=1)
    ran = np.zeros(50, bool)
    for start, end in spans:
        ran[start:end] = True
    assert shared(spans).sum() == pytest.approx(ran.sum()), "all seconds in which any ran, and no more"
    assert (shared(spans) <= np.diff(spans)[:, 0] + 1e-9).all() and shared(np.empty((0, 2))).tolist() == []


def test_operations_are_told_by_the_layer_that_they_are_written_in():
    import keras

    from benchmarks.operations import OPTIMISER, OUTSIDE, SUMS, Event, by_layer, seconds

    x = keras.Input((4,))
    inner = keras.Model(
        x, keras.layers.Activation("gelu", name="block_gelu")(keras.layers.Dense(4, name="block_1")(x))
    )
    model = keras.Model(y := keras.Input((4,)), keras.layers.LayerNormalization(name="norm")(inner(y)))
    step = "StatefulPartitionedCall"
    ran = [
        Event("Mul", f"{step}/functional_1/block_gelu_1/mul", 1.0),
        Event("Mul", f"{step}/gradient_tape/functional_1/block_gelu_1/mul/Mul", 2.0),
        Event("MatMul", f"{step}/functional_1/block_1/MatMul", 4.0),
        Event("AddV2", f"{step}/functional_1/norm_1/batchnorm/add", 8.0),
        Event("Mul", f"{step}/adam/Mul_3", 16.0),
        Event("Select", f"{step}/functional_2/flip_1/Select", 32.0),
        Event("AddN", f"{step}/AddN_3", 64.0),
    ]
    assert by_layer(ran, model) == {
        "gelu": {"Mul": 3.0}, "Dense": {"MatMul": 4.0}, "LayerNormalization": {"AddV2": 8.0},
        OPTIMISER: {"Mul": 16.0}, OUTSIDE: {"Select": 32.0}, SUMS: {"AddN": 64.0},
    }  # fmt: skip
    assert seconds(ran) == {"Mul": 19.0, "MatMul": 4.0, "AddV2": 8.0, "Select": 32.0, "AddN": 64.0}


def test_the_largest_operation_is_told_by_its_layers():
    from benchmarks.operations import largest

    first = {"gelu": {"Mul": 3.0, "Erf": 1.0}, "Dense": {"MatMul": 90.0, "Mul": 1.0}}
    assert largest({"1": first, "2": {"norm": {"Erf": 2.0, "Mul": 5.0}}}) == {
        "operation": "Mul",
        "layers": {"1": {"gelu": 0.75, "Dense": 0.25}, "2": {"norm": 1.0}},
    }


def test_an_operation_s_layers_are_said_from_a_tenth_of_its_time():
    said = speed.largest("Mul", {"1": {"Dense": 0.1, "gelu": 0.85, "Add": 0.05}, "2": {"norm": 1.0}})
    assert said.endswith("written in: stage 1: gelu 85%, Dense 10%; stage 2: norm 100%.") and "`Mul`" in said


def test_layers_that_take_little_are_one_row_of_the_speed_page():
    milliseconds = {"1": {"gelu": 5.0, "Dense": 0.4, "Add": 0.3}, "2": {"gelu": 4.0, "norm": 6.0, "Add": 0.1}}
    table = step_kinds.by_layer(milliseconds).set_index("Kind of layer")
    assert table.loc["all others"].tolist() == ["0.7", "0.1"] and table.loc["all"].tolist() == ["5.7", "10.1"]
    assert table.index.tolist() == ["gelu", "norm", "all others", "all"]
    assert table.loc["norm"].tolist() == ["0.0", "6.0"]


def test_the_process_tells_its_kernels_and_whose_memory_it_has():
    """What `benchmarks.suspects` tells a changed process by: this one is as the library is, in whatever allocator."""
    import tensorflow as tf

    from benchmarks import otherwise

    assert "Sum" in otherwise.kernels() and not any("Xla" in name for name in otherwise.kernels())
    between, _ = otherwise.threads()
    assert otherwise.allocator().startswith("malloc, ") and between > 0

    by_xla = tf.function(lambda x: x + 1, jit_compile=True, autograph=False)
    before = otherwise.programs("")["by XLA"]
    by_xla(tf.ones(3))
    assert otherwise.programs("")["by XLA"] == before + 1


def test_a_process_is_seen_to_give_memory_back_after_a_generator():
    """The instrument's two controls: without the operation what is freed stays, and it does not with it."""
    code = "from benchmarks import otherwise as o; print(o.allocator()); o.after_generator(); print(o.allocator())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["malloc, keeps", "malloc, gives back"]


def test_normalisation_at_rest_folded_into_the_convolution_is_the_same_function(monkeypatch):
    import keras
    import numpy as np

    from benchmarks import otherwise
    from gcaf_lib.model import backbones, blocks

    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, backbones.build("efficientnetv2-s", image, "mini", "native"))
    model.trainable = False
    rng = np.random.default_rng(0)
    for norm in (one for one in model.layers if isinstance(one, blocks.BatchNormalization)):
        norm.set_weights([rng.uniform(0.5, 2, w.shape) for w in norm.weights])  # not those of its start
    x = rng.uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    plain = keras.ops.convert_to_numpy(model(x))
    monkeypatch.setattr(blocks.BatchNormalization, "call", blocks.BatchNormalization.call)
    otherwise.folded()
    assert not np.allclose(model(x), plain, rtol=0.1)
    otherwise.fold(model)
    np.testing.assert_allclose(model(x), plain, rtol=1e-3, atol=1e-3 * np.abs(plain).max())


def test_a_suspect_is_measured_where_it_occurs_and_its_ratio_is_taken_within_a_round(monkeypatch, tmp_path):
    from benchmarks import otherwise, suspects
    from gcaf_lib.book import speed

    # two rounds of two pairs in stage 0 and three in stage 1; the machine is five times slower in the second
    first = [100, 110, 90, 90, 50, 40, 50, 50, 60, 60]
    speeds = iter([*first, 20, 28, 18, 18, 10, 9, 10, 10])
    seen = []

    def child_process(python, module, words, scratch, limit, **variables):
        change, stage = words[:2]
        seen.append((stage, change, variables))
        dead = (stage, change) == ("1", "no accuracy")
        state = suspects.AS_IT_IS if dead or change == suspects.AGAIN else change
        Path(words[-1]).write_text(json.dumps({"images_per_second": next(speeds), "state": state}))

    monkeypatch.setattr(contest, "child", child_process)
    monkeypatch.setattr(suspects.ctypes.util, "find_library", lambda name: None)
    plan = {"stages": {"0 efficientnetv2-s": {}, "1": {}}}
    names = ["no average", "jemalloc", "threads 1 × 2", "no accuracy"]
    found, missing = suspects.record(plan, names, 2, tmp_path)
    assert missing == {
        "jemalloc": "there is no libjemalloc here",
        "no accuracy (stage 1)": "its process does not differ from the library's",
    }
    assert next(speeds, None) is None and [one[:2] for one in seen[:3]] == [
        ("0 efficientnetv2-s", "as it is"),
        ("0 efficientnetv2-s", "threads 1 × 2"),
        ("0 efficientnetv2-s", "as it is"),
    ]
    assert seen[1][2]["TF_NUM_INTRAOP_THREADS"] == "1" and not seen[0][2]
    assert suspects.ratios(found["0 efficientnetv2-s"])["threads 1 × 2"] == pytest.approx((1.25, 1.1, 1.4))
    assert "no accuracy" in found["0 efficientnetv2-s"] and "no accuracy" not in found["1"]
    assert (
        speed.AGAIN == suspects.AGAIN
        and speed.AGAIN in suspects.SUSPECTS
        and speed.AGAIN in otherwise.CHANGES
    )
    # the library beside itself must look the same, or what tells processes apart is no good
    monkeypatch.setattr(
        contest, "measure", lambda *words, **_: {"state": next(numbers), "images_per_second": 1}
    )
    numbers = iter(range(2))
    alone = {"stages": {"1": {}}}
    assert suspects.record(alone, [suspects.AGAIN], 1, tmp_path) == (
        {"1": {}},
        {"as it is, again (stage 1)": "its process differs from the library's"},
    )
    # every suspect is a change of the process's environment, or one that the process makes itself
    by_variables = {n for n, one in suspects.SUSPECTS.items() if one.variables or n in suspects.ALLOCATORS}
    assert by_variables ^ set(otherwise.CHANGES) == {*suspects.SUSPECTS, "as it is"}


def test_the_suite_s_seconds_are_its_tests_and_its_files(tmp_path, capsys):
    told = tmp_path / "test_little.py"
    told.write_text(
        "import pytest, time\n\n@pytest.fixture\ndef slow():\n    time.sleep(0.2)\n\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_two(n, slow): pass\n\ndef test_wrong(): assert False\n"
    )
    kept = tmp_path / "suite-x.json"
    given = ["--workers", "1", "--out", str(kept), "--", str(told), "-p", "no:cacheprovider"]
    assert suite.main(given) == 1, "a failed test is told, and the figures are kept all the same"
    found = json.loads(kept.read_text())
    assert found["counted"] == {"tests": 3, "failures": 1, "errors": 0, "skipped": 0}
    two, wrong = (
        next(v for name, v in found["longest"].items() if name.endswith(end)) for end in ("two", "wrong")
    )
    assert two >= 0.4 > wrong, "both parameters, with what was set up for them"
    assert sum(found["files"].values()) == pytest.approx(two + wrong) and found["clock"] > two
    frame = durations.suite(found)
    assert frame["Test"].tolist()[0].endswith(": two") and frame["Test"].tolist()[-2:] == [
        "all others",
        "all",
    ]
    assert frame["Seconds"].iloc[:-1].sum() == pytest.approx(frame["Seconds"].iloc[-1])


def test_a_main_run_s_seconds_are_booked_once_in_the_innermost_part():
    from benchmarks import main_run

    now = {"clock": 10.0, "processor": 1.0}

    class Run:
        def steps(self):
            now["clock"] += 2
            now["processor"] += 4
            return self.validate() + 1

        def validate(self):
            now["clock"] += 1
            now["processor"] += 0.5
            return 1

        def fails(self):
            now["clock"] += 8
            raise OSError

    book = main_run.Book(lambda: now["clock"], lambda: now["processor"])
    for name in ("steps", "validate", "fails"):
        book.watch(Run, name, name)
    run = Run()
    assert run.steps() == 2 and run.validate() == 1
    with pytest.raises(OSError):
        run.fails()
    now["clock"] += 16
    book.turn()
    assert book.open == [main_run.REST]
    assert book.seconds == {
        main_run.REST: [16, 0], "steps": [2, 4], "validate": [2, 1], "fails": [8, 0],
    }  # fmt: skip


@pytest.mark.slow
def test_every_part_of_a_main_run_is_booked(tmp_path, monkeypatch):
    """Of the smallest run there is: each name stands for a function that is called, validation lies within its stage."""
    from benchmarks import main_run

    monkeypatch.setenv("GCAF_CACHE", str(tmp_path))  # `main` sets it, and it is to be as it was
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(load("demo", TINY).to_dict()))
    assert (
        main_run.main(
            ["--profile", str(tmp_path / "tiny.yaml"), "--rounds", "1", "--out", str(tmp_path / "run.json")]
        )
        == 0
    )
    (one,) = json.loads((tmp_path / "run.json").read_text())["rounds"]
    clock = {name: part["clock"] for name, part in one["parts"].items()}
    assert set(clock) == {
        *(part for *_, part in main_run.watched_functions()),
        main_run.IMPORTS,
        main_run.REST,
    }
    assert min(clock.values()) > 0 and sum(clock.values()) == pytest.approx(one["clock"])
    epochs = sum(map(sum, one["epochs"].values()))
    inside = [clock[name] for name in ("steps", "traces", "validation", "checkpoints")]
    assert sum(inside[:3]) > 0.9 * epochs, "what an epoch's seconds are of"
    assert one["user"] + one["system"] == pytest.approx(
        sum(p["processor"] for p in one["parts"].values()), rel=0.1
    )


def test_the_parts_of_a_main_run_are_means_and_add_up():
    rounds = [
        {"parts": {"steps": {"clock": 4, "processor": 8}, "traces": {"clock": 2, "processor": 2}}},
        {"parts": {"steps": {"clock": 6, "processor": 10}}},
    ]
    frame = durations.main_run(rounds)
    assert frame.to_numpy().tolist() == [["steps", 5, 9], ["traces", 1, 1], ["all", 6, 10]]
    assert durations.first_epochs({"1": [9.0, 2.0, 4.0, 3.0], "2": [5.0, 4.0], "0": [7.0]}) == 7.0


def kinds(products: float, others: float, between: float) -> dict[str, float]:
    names = (step_kinds.PRODUCTS, step_kinds.OTHERS, step_kinds.BETWEEN, step_kinds.WHOLE)
    return dict(zip(names, (products, others, between, products + others + between)))


def test_pytorch_s_lead_is_of_the_same_round_and_says_where_it_lies():
    def timed(*steps):
        return [{"step": one, "microseconds an event": 1.0} for one in steps]

    rounds = {"1": {"ours": timed(0.3, 0.2, 0.4), "torch-compile": timed(0.2, 0.2, 0.1)}}
    assert step_kinds.leads(rounds) == {"1": pytest.approx((1.5, 1.0, 4.0))}
    milliseconds = {"1": {"ours": kinds(30, 60, 10), "torch-compile": kinds(25, 20, 5)}}
    said = step_kinds.lead_said(milliseconds, {"1": {"gelu": 40.0, "norm": 20.0, "Add": 0.0}}, rounds)
    assert said.startswith("- stage 1: 1.50 (1.00 to 4.00). Of a step: ")
    assert "all other operations 60 ms here and 20 there" in said and "gelu (67%) and norm (33%)" in said
    # 50 / 1.25 - 30 = 10 ms are left where PyTorch has 25
    assert said.endswith("all else of a step would have to take 60% less than PyTorch's.")


@pytest.mark.parametrize(
    ("products", "said"), [(45, "it can't be 1.25 times"), (10, "no less than PyTorch's.")]
)
def test_what_the_aim_asks_turns_on_convolutions_and_products(products, said):
    milliseconds = {"2": {"ours": kinds(products, 60, 10), "torch-compile": kinds(25, 20, 5)}}
    rounds = {"2": {side: [{"step": 0.1}] for side in ("ours", "torch-compile")}}
    assert said in step_kinds.lead_said(milliseconds, {"2": {"gelu": 1.0}}, rounds)


def test_what_a_larger_share_of_the_peak_would_take():
    said = step_kinds.peak_said(kinds(40, 50, 10), 0.25)
    assert "take 40% of a step" in said and "from 25% to 29%" in said  # 0.25 / 0.85
    assert "shrink to 17% of what it is with them as they are, or to 42% with them at the peak" in said
    assert "to less than nothing with them as they are" in step_kinds.peak_said(kinds(60, 40, 0), 0.25)


def test_a_main_run_beside_an_earlier_one_and_what_its_aim_leaves():
    commits = {
        "aaa": {"clock": 100.0, "user": 180.0, "system": 20.0, "stages": {"1": 90.0}},
        "bbb": {"clock": 80.0, "user": 90.0, "system": 10.0, "stages": {"1": 50.0}},
    }
    said = durations.change_said(commits)
    assert (
        "took 200 s of processor time before these changes (commit aaa) and 100 s with them (bbb): 0.50, 67 s"
        in said
    )
    assert (
        "Epochs took 90 and 50 s by the clock (0.56), what is outside them 10 and 30 s; 20 and 10 s" in said
    )
    parts = {"steps": {"clock": 50, "processor": 80}, "heat maps": {"clock": 20, "processor": 20}}
    said = durations.bound_said(
        commits, [{"parts": parts, "clock": 70, "epochs": {"1": [20, 20], "2": [5]}}], [0.25, 0.5]
    )
    assert (
        "Steps are 80% of the processor's time" in said
        and "Of the 25 s outside the epochs 20 go to the heat maps that a record keeps (20 of" in said
    )
    assert (
        "a run would take 0.40 of the time before" in said
        and "they alone take 0.10 to 0.20 of the time" in said
    )


def test_chapters_demo_and_suite_are_told_with_their_seconds():
    about = {"device": "2 cores", "backend": "tensorflow", "versions": {"python": "3", "keras": "4"}}
    spent = {
        "01": {"start": 1.0, "imports": 2.0, "networks": 1.0},
        "02": {"start": 1.0, "imports": 2.0, "networks": 5.0},
    }
    found = {"machine": about, "asked": {"profile": "cpu"}, "seconds": spent, "together": [70, 61, 65]}
    said = durations.chapters_text("x", found)
    assert (
        "12 s in all (start 17%, imports 33%, networks 50%)" in said and "alone are 3.0 s a chapter" in said
    )
    assert "took 1:05 minutes by the clock (1:01 to 1:10 in 3 rounds)" in said
    assert "by the clock" not in durations.chapters_text("x", found | {"together": None})
    said = durations.demo_text(
        "x", {"machine": about, "seconds": {"environment": 61, "site": 9}, "clock": 70}
    )
    assert "2 cores; python 3, keras 4: 1:10 minutes by the clock (environment 1:01, site 0:09)." in said
    suite_ = {
        "machine": about, "files": {"a": 5.0}, "longest": {"test_a::test_b": 4.0}, "clock": 120, "processor": 240,
        "counted": {"tests": 3, "failures": 0, "errors": 0, "skipped": 1}, "asked": {"workers": 2},
    }  # fmt: skip
    said = durations.suite_text("x", suite_)
    assert (
        "3 tests (0 failed, 1 skipped) in 2.0 minutes by the clock with 2 processes, 4.0 minutes of" in said
    )
    broken = suite_ | {"counted": suite_["counted"] | {"failures": 1, "errors": 1}}
    assert "(2 failed, 1 skipped)" in durations.suite_text("x", broken)


def test_what_recording_costs_is_said_by_contender():
    took = [{step_kinds.WHOLE: 100.0, step_kinds.RECORDED: one} for one in (98.0, 110.0)]
    said = step_kinds.recording_said(
        {"1": {"1": {"ours": took[0]}}, "2": {"1": {"ours": took[1], "torch": took[0]}}}
    )
    assert said.endswith(
        "recorded ones took 0.98 to 1.10 times in this library, 0.98 to 0.98 times in PyTorch, eager."
    )


def test_what_the_speed_page_says_in_words_is_in_the_figures():
    """The page's own arithmetic, made again from the figures that are committed."""
    kept = ROOT / "results" / "benchmarks"
    page = " ".join((ROOT / "book" / "speed.md").read_text().split())
    mul = json.loads((kept / "operations-cpu-tensorflow.json").read_text())["largest"]
    chain = [
        sum(mul["layers"][s][name] for name in ("gelu", "LayerNormalization"))
        for s in ("0 convnext-tiny", "1", "2")
    ]
    theirs = "of `Mul`, the largest of these operations, {:.0%} of the time is theirs in stage 0 of ConvNeXt-Tiny, {:.0%} in stage 1, {:.0%} in stage 2"
    assert mul["operation"] == "Mul" and theirs.format(*chain) in page

    with open(kept / "throughput-cpu.csv", encoding="utf-8", newline="") as file:
        ways = {(r["contender"], r["stage"]): r for r in csv.DictReader(file)}
    two = [float(ways["torch-compile", name]["ratio"]) for name in step_kinds.STAGES]
    heads = (
        "Speed beside compiled PyTorch, stage 0 of EfficientNetV2-S | –",
        "… stage 0 of ConvNeXt-Tiny | –",
        "… stage 1 | 0.69",
        "… stage 2 | 0.85",
    )
    beside_ = json.loads((kept / "beside-cpu.json").read_text())
    later = [middle for middle, _, _ in step_kinds.leads(beside_["rounds"]["2"]).values()]
    for head, lead, other, words in zip(heads, two, later, (" in a later recording", "", "", "")):
        assert f"| {head} | {1 / lead:.2f}; {1 / other:.2f}{words} | 1.25 |" in page
    four = "{:.2f}, {:.2f}, {:.2f} and {:.2f}"
    assert (
        f"compiled PyTorch is {four.format(*two)} times as fast in the first table and {four.format(*later)} in these"
        in page
    )
    low = step_kinds.leads(beside_["rounds"]["2"])["0 efficientnetv2-s"][1]
    assert float(ways["torch-compile", "0 efficientnetv2-s"]["ratio_high"]) < low, "the ranges don't meet"
    before, now = json.loads((kept / "main_run_two_commits-cpu.json").read_text())["seconds"].values()
    spent = [one["user"] + one["system"] for one in (before, now)]
    assert f"| {spent[0]:.0f} s | {spent[1]:.0f} s | {spent[0] / 3:.0f} s |" in page
    suite_ = json.loads((kept / "suite-cpu.json").read_text())
    assert f"has {suite_['clock'] / 60:.1f} minutes by the clock" in page
    assert f"| {suite_['clock'] / 60:.1f} min | 8 min |" in page
    assert (
        f"{suite_['processor']:,.0f} s of processor time are {suite_['processor'] / 120:.1f} minutes" in page
    )
    assert (
        len(suite_["longest"]) == 15
        and round(3 * sum(suite_["longest"].values()) / sum(suite_["files"].values())) == 1
    )
    recorded = json.loads((kept / "chapters-cpu.json").read_text())
    chapters, clock = recorded["seconds"].values(), durations.minutes(median(recorded["together"]))
    assert f"{clock} minutes by the clock on the two cores of that recording's machine" in page
    assert f"by the clock | 4.5 min | {clock} min; 2:48 on the same machine" in page
    paid, all_ = (
        sum(sum(one[k] for k in kinds or one) for one in chapters) for kinds in (("start", "imports"), ())
    )
    rest, drawn = (sum(one[kind] for one in chapters) for kind in ("the rest", "resampling"))
    assert f"were a third of the time and are {paid / all_:.0%}; resampling is {drawn / all_:.0%}" in page
    layers = sum(one["networks"] for one in chapters)
    assert f"networks {layers / all_:.0%}, *the rest*" in page
    assert f"gradients) {rest / all_:.0%}. Shared evenly" in page
    assert f"would take two cores {int(all_ // 120)}:{all_ / 2 % 60:.0f} minutes" in page
    demo = json.loads((kept / "demo-cpu.json").read_text())
    parts = "{} for the environment, {} for its trainings, {} for the chapters, {} for the site"
    assert f"took {durations.minutes(demo['clock'])} minutes there" in page
    assert f"| {durations.minutes(demo['clock'])} min; 10:51 on a slower machine | 5 min |" in page
    assert parts.format(*map(durations.minutes, demo["seconds"].values())) in page
    ratios = json.loads((kept / "suspects-cpu.json").read_text())["ratios"]
    forms = [one[name] for one in ratios.values() for name in one if name.startswith("7×7")]
    own = [one["as it is, again"] for one in ratios.values()]
    least, most = min(low for _, low, _ in own), max(high for *_, high in own)
    assert f"ran at {least:.2f} to {most:.2f} times its own speed there. Effects beyond" in page
    assert max(high for _, _, high in forms) < least and "are slower than TensorFlow's" in page
    spared = {stage: one["no preparation"] for stage, one in ratios.items()}
    assert {stage for stage, (_, low, _) in spared.items() if low > most} == {"1", "0 efficientnetv2-s"}
    for stage, said in (
        ("1", "{:.0f}% faster in stage 1 (+{:.0f} to +{:.0f})"),
        ("0 efficientnetv2-s", "{:.0f}% in stage 0 of EfficientNetV2-S (+{:.0f} to +{:.0f})"),
    ):
        assert said.format(*(100 * (one - 1) for one in spared[stage])) in page
    slow = (
        ratios["1"]["activations by XLA"],
        *(ratios[s]["threads 2 × 1"] for s in ("0 convnext-tiny", "1", "2")),
    )
    assert max(high for *_, high in slow) < least and "({:.2f} to {:.2f})".format(*slow[0][1:]) in page
    assert f"({min(low for _, low, _ in slow[1:]):.2f} to {max(high for *_, high in slow[1:]):.2f})" in page
    once = json.loads((kept / "suspects-cpu-generator.json").read_text())
    middle, low, high = once["ratios"]["1"]["after a generator"]
    own_low, own_high = speed.noise(once["images_per_second"])
    assert f"{middle:.2f} times the speed ({low:.2f} to {high:.2f} in three pairs;" in page
    assert f"before, {own_low:.2f} to {own_high:.2f}). So the factor of 0.40" in page and own_low > 2 * 0.4
    fed = json.loads((kept / "suspects-cpu-fed.json").read_text())["ratios"]
    middle, low, high = fed["1"]["fed by a generator"]
    assert f"stage 1 ran at {middle:.2f} of its speed ({low:.2f} to {high:.2f})" in page
    middle, low, high = fed["0 convnext-tiny"]["fed by a generator"]
    assert f"stage 0 of ConvNeXt-Tiny at {middle:.2f} ({low:.2f} to {high:.2f})" in page and low > 2 * 0.4
    low, high = speed.noise(json.loads((kept / "suspects-cpu-fed.json").read_text())["images_per_second"])
    assert f"process before, {low:.2f} to {high:.2f}; in stage 1 that control was refused" in page
    on_jax = json.loads((kept / "suspects-cpu-jax.json").read_text())["ratios"]["2"]
    both, rows = on_jax["depthwise by rows, 1×1 as products"], on_jax["depthwise by rows"]
    own_low, own_high = speed.noise(
        json.loads((kept / "suspects-cpu-jax.json").read_text())["images_per_second"]
    )
    assert (
        "is {:.1f} times as fast ({:.2f} to {:.2f} in".format(*both) in page and both[1] > rows[1] > own_high
    )
    assert "depthwise form alone {:.1f} times ({:.2f} to {:.2f})".format(*rows) in page
    assert f"the unchanged library beside its own process before, {own_low:.2f} to {own_high:.2f})" in page
    first = json.loads((kept / "suspects-cpu-jax-stage1.json").read_text())
    ways_, speeds = (
        first["ratios"]["1"],
        first["images_per_second"]["1"]["depthwise by rows, 1×1 as products"],
    )
    assert (
        "both is {:.1f} times as fast ({:.2f} to {:.2f} in three pairs".format(
            *ways_["depthwise by rows, 1×1 as products"]
        )
        in page
    )
    low, high = speed.noise(first["images_per_second"])
    assert f"the unchanged library beside its own process before, {low:.2f} to {high:.2f})" in page
    there = [other for _, other in speeds.values()]
    plain = json.loads((kept / "suspects-cpu-fed.json").read_text())["images_per_second"]["1"]
    here = [own for own, _ in plain["fed by a generator"].values()]
    said = f"{min(there):.0f} to {max(there):.0f} images a second, where TensorFlow as it is had {min(here):.0f} to {max(here):.0f} (same"
    assert said in page and min(there) > 0.8 * max(here), "the aim would be met"
    again = json.loads((kept / "suspects-cpu-convnext.json").read_text())["ratios"]["0 convnext-tiny"]
    low, high = speed.noise(
        json.loads((kept / "suspects-cpu-convnext.json").read_text())["images_per_second"]
    )
    assert (
        f"The unchanged library ran there at {low:.2f} to {high:.2f} times the speed of its process before"
        in page
    )
    sevens = {name: one for name, one in again.items() if name.startswith("7×7")}
    slower = [f"{m:.2f}" for m, _, most_ in sevens.values() if most_ < low]
    assert f"slower in every round ({' and '.join(slower)})" in page and len(slower) == 2
    assert "in the median ({:.2f}, {:.2f} to {:.2f})".format(*sevens["7×7 gradient shifted"]) in page
    whole_step = again["whole step by XLA"][0]
    assert f"seven times slower ({whole_step:.2f};" in page and round(1 / whole_step) == 7
    rest = {name: one for name, one in again.items() if not name.startswith(("7×7", "whole"))}
    assert all(low <= a and b <= high for _, a, b in rest.values()), "beyond the noise, and not said"
    speeds = json.loads((kept / "suspects-cpu-convnext.json").read_text())["images_per_second"][
        "0 convnext-tiny"
    ]
    plain = [
        x for name, one in speeds.items() for pair in one.values() for x in pair[: 1 + (name == speed.AGAIN)]
    ]
    assert f"its {len(plain)} processes from {min(plain):.0f} to {max(plain):.0f} images a second" in page
    with open(kept / "throughput-cpu-fused.csv", encoding="utf-8", newline="") as file:
        by_xla = {
            r["stage"]: float(r["ratio"]) for r in csv.DictReader(file) if r["contender"] == "ours-fused"
        }
    reached = [by_xla[name] / float(ways["torch-compile", name]["ratio"]) for name in "12"]
    assert (
        "would be some {:.2f} and {:.2f} by the second table's gains".format(*reached) in page
        and max(reached) < 1.25
    )
    fused = [ratios[stage]["element-wise by XLA"] for stage in "12"]
    reached = [gain / float(ways["torch-compile", name]["ratio"]) for name, (gain, *_) in zip("12", fused)]
    assert "{:.2f} and {:.2f} by those of".format(*reached) in page and max(reached) < 1.25
    assert min(low for _, low, _ in fused) > max(high for *_, high in own)
    assert (
        "gains {:.0f}% in stage 1 and {:.0f}% in stage 2".format(*(100 * (m - 1) for m, *_ in fused)) in page
    )
    peak = float(ways["ours", "1"]["fraction_of_peak"])
    assert f"| 29% | {peak:.0%} | 50% |" in page
    jax, tensorflow = (
        json.loads((kept / f"host_loop-{name}.json").read_text())["ms_a_step"]
        for name in ("jax", "tensorflow")
    )
    device, host = (jax[fed] / tensorflow[fed] for fed in ("images on the device", "images from the host"))
    assert f"JAX takes {device:.1f} times" in page and f"run has them, {host:.1f} times)" in page
    assert f"| 0.27 | {1 / device:.2f} | 0.8 |" in page
    shares = json.loads((kept / "operations-cpu-jax.json").read_text())["shares"].values()
    fused = [one["ynn_fusion"] for one in shares]
    assert f"{100 * min(fused):.0f} to {100 * max(fused):.0f}% of its operations' time" in page
