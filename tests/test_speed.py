"""The page of speeds: what the benchmarks left is shown as it is, and what they did not measure is named."""

import json

import pytest

from benchmarks.throughput import summary
from gcaf_lib.book import durations, speed, step_kinds
from gcaf_lib.book.chapter import checkout

MACHINE = {
    "backend": "jax", "device": "1 x Some GPU", "versions": {"python": "3.12.1", "keras": "3.15.1", "jax": "0.10"},
    "torch": {"torch": "2.14.1"},
}  # fmt: skip


def reading(name, stage, turn, rate):
    return {
        "contender": name, "stage": stage, "round": turn, "images_per_second": rate, "first_step_s": 2.0,
        "host_gib": 1.0, "device_gib": None, "weights": 10, "trained": 4, "matmul_flops": 1e9,
    }  # fmt: skip


def tree(profile="cpu", rounds=2):
    counts = {stage: {"flops": 1e6, "forward": 500, "weights": 10, "trained": 4} for stage in "12"}
    rates = {"ours": 200.0, "plain": 50.0}
    measured = [
        reading(name, stage, turn, rate * turn)
        for name, rate in rates.items()
        for stage in ("1", "2")
        for turn in range(1, rounds + 1)
    ]
    missing = {"torch": "timm can't be imported"}
    plan = {"profile": profile, "batch": 32, "precision": "float32", "rounds": rounds, "steps": 30, "warm": 5}
    return {
        "plan": plan | {"decode_ms": 1.5},
        "machine": MACHINE,
        "peak_flops": 1e9,
        "missing": missing,
        "table": summary.table(measured, ["ours", "plain", "torch"], missing, counts),
    }


LOOP = {"images from the host": 10.0, "images on the device": 8.0, "... one scan an epoch": 6.0}


def place(tmp_path, **files):
    (tmp_path / "benchmarks").mkdir()
    for name, content in files.items():
        (tmp_path / "benchmarks" / f"{name.replace('__', '-')}.json").write_text(json.dumps(content))
    return tmp_path


def test_a_drift_between_rounds_widens_the_speeds_and_not_the_ratio():
    frame = speed.throughput(tree()["table"])
    plain = frame[(frame["Way"] == "plain Keras") & (frame["Stage"] == "1")].iloc[0]
    assert plain["Images a second"] == "75 (50 to 100)" and plain["of ours"] == "0.25 (0.25 to 0.25)"
    single = speed.throughput(tree(rounds=1)["table"]).iloc[0]
    assert single["Images a second"] == "200" and single["Share of the peak"] == "20%"
    absent = frame[frame["Way"].str.startswith("PyTorch")].drop(columns=["Stage", "Way"])
    assert (absent == "–").all(axis=None)


def test_the_scan_is_judged_against_the_fastest_other_way():
    assert speed.loop_cost(LOOP) == (2.0, pytest.approx(0.25))
    assert speed.loop_cost(LOOP | {"... one scan an epoch": 10.0}) == (-2.0, pytest.approx(-0.25))
    assert speed.loop_cost({"images from the host": 10.0}) is None


def test_page_names_machine_what_is_missing_and_how_to_measure_it(tmp_path):
    loop = {"asked": {"profile": "demo", "stage": 1, "batch": 32}, "ms_a_step": LOOP, "machine": MACHINE}
    several = {
        "asked": {"runs": 8, "workers": 2}, "seconds": {"1": [300.0], "2": [200.0]}, "ratio": 1.5,
        "finished_run_s": 0.02, "machine": MACHINE,
    }  # fmt: skip
    said = speed.text(place(tmp_path, throughput__cpu=tree(), host_loop__jax=loop, sweep__two=several))
    assert "1 x Some GPU; python 3.12.1, keras 3.15.1, jax 0.10, torch 2.14.1" in said
    assert "Not measured: PyTorch and timm, eager (timm can't be imported)." in said
    assert "has not been measured yet" in said and "--profile paper" in said
    assert "takes 25% of a step less" in said
    assert "1.50 times as long as 2 workers (1 round, " in said and "20 ms on a finished run" in said


def test_a_measured_gpu_needs_no_excuse(tmp_path):
    said = speed.text(place(tmp_path, throughput__paper=tree("paper")))
    assert "not been measured yet" not in said and ":name: tab-speed-throughput-paper" in said


def test_committed_page_is_what_the_committed_results_say():
    page = checkout() / "book" / "_generated" / "speed.md"
    assert page.read_text(encoding="utf-8") == speed.text(checkout() / "results"), (
        "run `python -m gcaf_lib.book.speed`"
    )


def test_where_a_step_s_time_goes_adds_up_to_all_of_it(tmp_path):
    shares = {
        "1": {"MatMul": 0.6, "Mul": 0.39, "Neg": 0.01},
        "2": {"Conv2D": 0.5, "MatMul": 0.49, "Neg": 0.01},
    }
    table = speed.operations(shares).set_index("Operation")
    assert list(table.index) == ["MatMul", "Conv2D", "Mul", "all others"]
    assert list(table["Stage 1"]) == ["60%", "0%", "39%", "1%"] and table.loc["Conv2D", "Stage 2"] == "50%"
    one = {"asked": {"profile": "cpu", "steps": 20}, "shares": shares, "machine": MACHINE}
    page = speed.text(place(tmp_path, **{"operations__cpu-jax": one}))
    assert "## Where the time goes" in page and "tab-speed-operations-cpu-jax" in page and "Some GPU" in page


def test_the_lead_of_a_stage_is_the_sum_of_its_kinds(tmp_path):
    names = (
        step_kinds.PRODUCTS, step_kinds.OTHERS, step_kinds.BETWEEN, step_kinds.WHOLE, step_kinds.RECORDED,
    )  # fmt: skip
    sides = {
        "ours": dict(zip(names, (30.0, 40.0, 5.0, 75.0, 78.0))),
        "torch": dict(zip(names, (31.0, 50.0, 3.0, 84.0, 84.0))),
        "torch-compile": dict(zip(names, (33.0, 25.0, 2.0, 60.0, 63.0))),
    }
    frame = step_kinds.beside({"1": sides}).set_index("Kind")
    assert frame["Difference"].tolist() == [-3.0, 15.0, 3.0, 15.0, 15.0]
    assert frame["Ratio"].iloc[[0, 3]].tolist() == [30 / 33, 1.25]
    assert frame.loc[step_kinds.WHOLE, ["This library", "PyTorch, compiled"]].tolist() == [75.0, 60.0]
    assert frame["PyTorch, eager"].tolist() == [31.0, 50.0, 3.0, 84.0, 84.0]
    other = sides | {"ours": dict(zip(names, (20.0, 38.0, 2.0, 60.2, 60.2)))}
    rounds = {"1": {name: [{"step": took[step_kinds.WHOLE]}] for name, took in other.items()}}
    one = {
        "asked": {"profile": "cpu", "steps": 20, "rounds": 3}, "machine": MACHINE, "torch": {"torch": "2.14.1"},
        "milliseconds": {"1": {"1": sides}, "2": {"1": other}}, "rounds": {"1": rounds, "2": rounds},
        "layers": {"1": {"1": {"gelu": 33.0}}, "2": {"1": {"gelu": 38.0}}},
    }  # fmt: skip
    said = speed.text(place(tmp_path, beside__cpu=one))
    assert "- stage 1: 1.00 (1.00 to 1.00). Of a step: " in said
    assert "torch 2.14.1" in said and "within 0.2 ms)" in said, "the most of all tables"
    assert "recorded ones took 1.00 to 1.04 times in this library" in said
    assert "| gelu | 38.0 |" in said and "33.0 |" not in said.split("kind of layer")[-1], (
        "with two threads alone"
    )
    assert f"| 1 | {step_kinds.BETWEEN} | 5.0 | 3.0 | 2.0 | +3.0 | – |" in said


def test_the_chapters_time_is_the_sum_of_its_kinds(tmp_path):
    from benchmarks import chapters

    none = {"records": 0.0, "networks": 0.0}
    clock = {"imports": 4.0, "resampling": 5.0, "figures": 1.0, "all": 12.0} | none
    slow = chapters.split(clock, whole=15.0)
    assert slow == {"start": 3.0, "imports": 4.0, "resampling": 5.0, "figures": 1.0, "the rest": 2.0} | none
    assert tuple(slow) == chapters.KINDS
    quick = chapters.split({**clock, "resampling": 0.0, "all": 7.0}, whole=10.0)
    frame = durations.chapters({"01_quick": quick, "02_slow": slow}).set_index("Chapter")
    assert frame["whole"].to_dict() == {"02_slow": 15.0, "01_quick": 10.0, "all": 25.0}
    one = {
        "asked": {"profile": "cpu"},
        "seconds": {"01_quick": quick, "02_slow": slow},
        "together": [130.0, 119.6, 118.0],
        "machine": MACHINE,
    }
    said = speed.text(place(tmp_path, chapters__cpu=one))
    assert (
        "25 s in all (start 24%, imports 32%, records 0%, resampling 20%, networks 0%, figures 8%, the rest 16%)"
        in said
    )
    assert "imports alone are 7.0 s a chapter" in said and "| 02_slow |" in said
    assert (
        "Side by side, as `gcaf chapters` does it, all took 2:00 minutes by the clock (1:58 to 2:10 in 3 rounds)."
        in said
    )


def test_a_chapter_s_clock_runs_in_the_layers_that_it_calls():
    from benchmarks import chapters

    cell = (
        "import keras, time\n"
        "class Slow(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        time.sleep(0.3)\n"
        "        return x\n"
        "slow, x = Slow(), keras.ops.ones(1)\n"
        "slow(x), slow(x)"
    )
    found = chapters.spent([cell])
    assert 0.6 <= found["networks"] < 2 and found["resampling"] == 0


def test_the_demo_s_parts_are_told_by_what_it_prints(tmp_path):
    from benchmarks import demo

    printed = [
        (1.0, "\tpip install ."),
        (60.0, "\t.venv/bin/gcaf chapters --profile demo --out there"),
        (200.0, "  1 of 26  front page  20 s"),
        (210.0, "  2 of 26  11_fusion  28 s"),
        (300.0, "\t.venv/bin/jupyter-book build there"),
    ]
    found = demo.parts(printed, 330.4)
    assert found == pytest.approx({"environment": 60, "trainings": 120, "chapters": 120, "site": 30.4})
    with pytest.raises(ValueError, match="no line that ends its trainings"):
        demo.parts([*printed[:2], printed[-1]], 330.4)
    one = {"seconds": found, "clock": 330.4, "machine": MACHINE}
    said = speed.text(place(tmp_path, demo__cpu=one))
    assert "5:30 minutes by the clock (environment 1:00, trainings 2:00, chapters 2:00, site 0:30)." in said


def test_what_one_change_gains_is_said_where_every_round_says_so(tmp_path):
    ratios = {
        "1": {"folded": [1.1, 1.05, 1.2], "fused": [1.5, 0.99, 1.6], "no update": [1.2, 1.01, 1.3]},
        "2": {"folded": [1.2, 1.0, 1.3], "slow": [0.5, 0.4, 0.6]},
    }
    meaning = {"folded": "a bias", "fused": "one pass", "slow": "another form", "no update": "left out: Adam"}
    frame = speed.suspects(ratios, meaning).set_index("Done otherwise")
    assert frame.loc["folded", "Stage 1"] == "1.10 (1.05 to 1.20)" and frame.loc["slow", "Stage 1"] == "–"
    one = {
        "ratios": ratios,
        "meaning": meaning,
        "images_per_second": {"1": {"folded": {"1": [100.0, 110.0]}}},
    }
    said = speed.gains(one)
    assert "rounded otherwise: folded (stage 1 +10%)." in said
    # 1.5 was not faster in every round, and leaving something out is no gain
    assert "could spare: no update (stage 1 +20%)." in said
    # what a process of the library is to the one before it in some round is no gain of anything
    own = {"1": {"folded": {"1": [100.0, 110.0], "2": [90.0, 99.0]}, "fused": {"1": [107.0, 150.0], "2": [81.0, 80.0]},
                 speed.AGAIN: {"1": [107.0, 100.0], "2": [81.0, 81.0]}}}  # fmt: skip
    assert speed.noise(own) == pytest.approx((0.9, 1.07)) and speed.noise(one["images_per_second"]) == (1, 1)
    single = {"1": {"as it is": {"1": 100.0}, "fused": {"1": 500.0}, speed.AGAIN: {"1": 104.0}}}
    assert speed.noise(single) == pytest.approx((1.04, 1.04))
    said = speed.gains(one | {"images_per_second": own})
    assert "ran at 0.90 to 1.07 times the speed" in said and "rounded otherwise: nothing" in said

    asked = {"profile": "cpu", "steps": 20, "rounds": 3}
    one = {
        "asked": asked,
        "ratios": ratios,
        "meaning": meaning,
        "missing": {"slow": "no memory"},
        "images_per_second": own,
        "machine": MACHINE | {"backend": "tensorflow"},
    }
    page = speed._suspects_text("suspects-cpu", one)
    assert "Not measured: slow (no memory)." in page
    assert "tab-speed-suspects-cpu" in page and "| slow |" not in page and "at a time with TensorFlow" in page
    assert "at a time with JAX" in speed._suspects_text("suspects-jax", one | {"machine": MACHINE})
