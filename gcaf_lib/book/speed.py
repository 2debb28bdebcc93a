"""How fast the stages train: the committed results of the benchmarks, as the page that shows them.

The benchmarks (`benchmarks/`) are run by hand, on an idle machine, and leave their figures in results/benchmarks;
each file names its machine and versions. `write()` renews book/_generated/speed.md from them:

    python -m gcaf_lib.book.speed
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from gcaf_lib.book import durations, step_kinds
from gcaf_lib.book.chapter import write_computed
from gcaf_lib.book.durations import machine
from gcaf_lib.data import splits
from gcaf_lib.display import tables
from gcaf_lib.findings import words
from gcaf_lib.terminal import arguments

CONTENDERS = {
    "ours": "this library",
    "ours-fused": "this library, fused by XLA",
    "plain": "plain Keras",
    "torch": "PyTorch and timm, eager",
    "torch-compile": "PyTorch and timm, compiled",
}
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
GPU_COMMANDS = """\
```sh
export KERAS_BACKEND=jax
python -m benchmarks.throughput --profile paper --torch-python ~/torch/bin/python \\
    --out results/benchmarks/throughput-paper.csv --out results/benchmarks/throughput-paper.json
python -m benchmarks.host_loop --profile paper --out results/benchmarks/host_loop-paper-jax.json
python -m gcaf_lib.book.speed
```
"""


def read(name: str, place: Path | None = None) -> dict[str, dict[str, Any]]:
    """File name without its ending → content of every results/benchmarks/<name>-*.json, in order of names."""
    folder = (place or splits.folder().parent) / "benchmarks"
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob(f"{name}-*.json"), key=lambda path: path.stem)
    }


def _cell(row: dict[str, Any], form: str, value: str, *ends: str) -> str:
    """`0.58 (0.55 to 0.60)`, without ends of a single round, or – where nothing was measured."""
    if row[value] is None:
        return "–"
    span = " to ".join(f"{row[end]:{form}}" for end in ends if row["rounds"] > 1)
    return f"{row[value]:{form}}" + (f" ({span})" if span else "")


def throughput(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The throughput benchmark's table for readers: one line a stage and contender."""
    lines = [
        {
            "Stage": row["stage"],
            "Way": CONTENDERS[row["contender"]],
            "Images a second": _cell(row, ".0f", "images_per_second", "low", "high"),
            "of ours": _cell(row, ".2f", "ratio", "ratio_low", "ratio_high"),
            "First step (s)": _cell(row, ".1f", "first_step_s"),
            "Host memory (GiB)": _cell(row, ".2f", "host_gib"),
            "Device memory (GiB)": _cell(row, ".2f", "device_gib"),
            "Share of the peak": _cell(row, ".0%", "fraction_of_peak"),
        }
        for row in rows
    ]
    return pd.DataFrame(lines)


def _throughput_text(stem: str, found: dict[str, Any]) -> str:
    plan, rows = found["plan"], found["table"]
    fixed = f"batch {plan['batch']}, {plan['precision']}, {plan['rounds']} rounds of {plan['steps']} steps after {plan['warm']}"
    missing = "".join(f" Not measured: {CONTENDERS[n]} ({why})." for n, why in found["missing"].items())
    table = tables.numbered(
        throughput(rows),
        f"tab-speed-{stem}",
        f"Training under `{plan['profile']}`: median over rounds (lowest to highest); "
        "*of ours*: the ratio to this library's speed within a round.",
        data=pd.DataFrame(rows),
    )
    products = [
        one["matmul_flops"] / 1e12 for one in found.get("measurements", []) if one.get("matmul_flops")
    ]
    span = products and (
        f" (between {min(products):.3g} and {max(products):.3g} in single processes: so far the machine's own speed varied)"
    )
    return (
        f"Measured on {machine(found['machine'])}; {fixed}. Large matrix products ran at "
        f"{found['peak_flops'] / 1e12:.3g} TFLOP/s{span or ''}, the denominator of the last column: the highest of the frameworks' medians in this table, "
        f"so that shares of two tables do not compare. Preprocessing takes {plan['decode_ms']:.2g} ms an "
        f"image: once in this library, in every epoch in the plain way.{missing}\n\n{table}"
    )


def host_loop(found: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Milliseconds a step of each way to feed a step, one line a measurement and way."""
    lines = [
        {
            "Backend": BACKENDS[one["machine"]["backend"]],
            "Device": one["machine"]["device"],
            "Profile": one["asked"]["profile"],
            "Stage": one["asked"]["stage"],
            "Way": way.removeprefix("... "),
            "ms a step": f"{ms:.2f}",
            "of the first": f"{ms / next(iter(one['ms_a_step'].values())):.2f}",
        }
        for one in found.values()
        for way, ms in one["ms_a_step"].items()
    ]
    return pd.DataFrame(lines)


def loop_cost(ms: dict[str, float]) -> tuple[float, float] | None:
    """What the host's loop over steps costs: (ms a step, share of the fastest way), None without a scan."""
    scan = ms.get("... one scan an epoch")
    if scan is None:
        return None
    best = min(value for name, value in ms.items() if name != "... one scan an epoch")
    return best - scan, 1 - scan / best


def _host_loop_text(found: dict[str, dict[str, Any]]) -> str:
    said = []
    for one in found.values():
        cost = loop_cost(one["ms_a_step"])
        if cost:
            takes, than = ("takes", "less") if cost[0] > 0 else ("saves nothing: it takes", "more")
            said.append(
                f"On {one['machine']['device']} under `{one['asked']['profile']}`, batch {one['asked']['batch']}, an epoch inside one "
                f"`lax.scan` {takes} {100 * abs(cost[1]):.0f}% of a step {than} than the fastest way that Keras's trainer has."
            )
    table = tables.numbered(
        host_loop(found),
        "tab-speed-host-loop",
        "One training step, fed in different ways (median over epochs, one process a backend).",
    )
    return "\n\n".join([*said, table])


def _sweep_text(found: dict[str, dict[str, Any]]) -> str:
    said = []
    for one in found.values():
        asked, workers = one["asked"], str(one["asked"]["workers"])
        said.append(
            f"{asked['runs']} `demo` trainings from an empty store took one worker {one['ratio']:.2f} times as long as {workers} workers "
            f"({len(one['seconds'][workers])} round{'s' if len(one['seconds'][workers]) > 1 else ''}, {one['machine']['device']}): the one has all cores, the others share them. "
            f"Asked again, the sweep spends {1e3 * one['finished_run_s']:.0f} ms on a finished run."
        )
    return "\n\n".join(said) + "\n"


def operations(shares: dict[str, dict[str, float]], least: float = 0.02) -> pd.DataFrame:
    """One row an operation: its share of all operations' time, stage by stage; those below `least` everywhere as one."""
    table = pd.DataFrame(shares).fillna(0.0)
    large = table[(table >= least).any(axis=1)]
    large = large.loc[large.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    large.loc["all others"] = 1 - large.sum()
    return large.map("{:.0%}".format).rename_axis("Operation").add_prefix("Stage ").reset_index()


def _operations_text(stem: str, found: dict[str, Any]) -> str:
    asked, backend = found["asked"], BACKENDS[found["machine"]["backend"]]
    table = tables.numbered(
        operations(found["shares"]),
        f"tab-speed-{stem}",
        f"Where a step's time goes with {backend}: shares of the time in which operations ran; where several did, it is divided among them.",
    )
    layers = f" {largest(**found['largest'])}" if "largest" in found else ""
    return f"Recorded on {machine(found['machine'])}; `{asked['profile']}`, {asked['steps']} steps a stage.{layers}\n\n{table}"


def largest(operation: str, layers: dict[str, dict[str, float]], least: float = 0.1) -> str:
    """By which kinds of layers the largest operation that is no product is written, stage by stage: those from `least` of its time."""
    stages = [
        f"stage {stage}: "
        + ", ".join(
            f"{kind} {share:.0%}"
            for kind, share in sorted(shares.items(), key=lambda one: -one[1])
            if share >= least
        )
        for stage, shares in layers.items()
    ]
    return f"`{operation}`, the largest that is neither convolution nor product, by the layers that it is written in: {'; '.join(stages)}."


def suspects(ratios: dict[str, dict[str, list[float]]], meaning: dict[str, str]) -> pd.DataFrame:
    """One row a change: the ratio of its speed to the library's, stage by stage (median, lowest to highest)."""
    rows = [
        {"Done otherwise": name, "Meaning": about}
        | {
            f"Stage {stage}": "{:.2f} ({:.2f} to {:.2f})".format(*found[name]) if name in found else "–"
            for stage, found in ratios.items()
        }
        for name, about in meaning.items()
    ]
    return pd.DataFrame(rows)


AS_IT_IS, AGAIN = "as it is", "as it is, again"  # the library, and the change that changes nothing


def noise(speeds: dict[str, dict[str, dict[str, Any]]]) -> tuple[float, float]:
    """Lowest and highest ratio of one process of the unchanged library to the one before it, within any stage and round.

    speeds: stage to change to round to images a second, of the changed process or of (unchanged, changed); (1, 1) where
    no round has two unchanged ones.
    """
    own: dict[tuple[str, str], list[float]] = {}
    for stage, changes in speeds.items():
        for name, rounds in changes.items():
            for turn, value in rounds.items():
                pair = value if isinstance(value, list) else [value]
                same = pair if name in (AS_IT_IS, AGAIN) else pair[: len(pair) - 1]
                own.setdefault((stage, turn), []).extend(same)
    ratios = [b / a for found in own.values() for a, b in pairwise(found)]
    return min(ratios, default=1.0), max(ratios, default=1.0)


def gains(found: dict[str, Any]) -> str:
    """In words: how far measurements of the unchanged library differ, and what was faster than that in every round."""
    ratios, meaning = found["ratios"], found["meaning"]
    bounds = [
        name for name, about in meaning.items() if about.startswith("left out") or "no deterministic" in about
    ]
    forms = [name for name in meaning if name not in (*bounds, AGAIN)]
    low, high = noise(found["images_per_second"])

    def listed(names: list[str]) -> str:
        said = []
        for name in names:
            some = [
                f"stage {stage} {words.signed(100 * (one[name][0] - 1), 0)}%"
                for stage, one in ratios.items()
                if name in one and one[name][1] > high
            ]
            said += [f"{name} ({', '.join(some)})"] if some else []
        return "; ".join(said) or "nothing"

    return (
        f"A process of the unchanged library ran at {low:.2f} to {high:.2f} times the speed of the one before it in the same round, so a ratio within that tells nothing. "
        f"Faster than that in every round, with nothing left out, though perhaps rounded otherwise: {listed(forms)}. "
        f"Faster because something is left out, which bounds what a faster form of it could spare: {listed(bounds)}."
    )


def _suspects_text(stem: str, found: dict[str, Any]) -> str:
    asked, meaning = found["asked"], found["meaning"]
    missing = "".join(f" Not measured: {name} ({why})." for name, why in found["missing"].items())
    table = tables.numbered(
        suspects(found["ratios"], {n: m for n, m in meaning.items() if n not in found["missing"]}),
        f"tab-speed-{stem}",
        f"One thing changed at a time with {BACKENDS[found['machine']['backend']]}, each in a process of its own: speed against the library as it is, median of {asked['rounds']} rounds (lowest to highest).",
        data=pd.DataFrame(found["ratios"]).T.rename_axis("stage").reset_index(),
    )
    return (
        f"Measured on {machine(found['machine'])}; `{asked['profile']}`, {asked['steps']} steps after five. "
        f"{gains(found)}{missing}\n\n{table}"
    )


Files = dict[str, dict[str, Any]]  # of `read`
Reader = Callable[[str], Files]


def _each(said: Callable[[str, dict[str, Any]], str], apart: str) -> Callable[[Files, Reader], str]:
    """What is said of all files of a benchmark, by what is said of one."""
    return lambda found, _: apart.join(said(*one) for one in found.items())


def _beside_text(found: Files, others: Reader) -> str:
    said = [step_kinds.text(*one) for one in found.items()]
    for stem, one in others("throughput").items():
        step = found.get(stem.replace("throughput", "beside"))
        rows = {(row["contender"], row["stage"]): row for row in one["table"]}
        if step and "1" in step["milliseconds"]["2"]:
            said.append(
                step_kinds.peak_said(
                    step["milliseconds"]["2"]["1"]["ours"], rows["ours", "1"]["fraction_of_peak"]
                )
            )
    return "\n\n".join(said) + "\n"


def _main_run_text(found: Files, others: Reader) -> str:
    said = []
    for stem, one in found.items():
        said.append(durations.main_run_text(stem, one))
        profile = one["asked"]["profile"]
        commits = others("main_run_two_commits").get(f"main_run_two_commits-{profile}")
        steps = others("beside").get(f"beside-{profile}")
        if commits:
            said.insert(0, durations.change_said(commits["seconds"]))
        if commits and steps:
            of = [sides["ours"] for sides in steps["milliseconds"]["1"].values()]
            shares = [ours[step_kinds.PRODUCTS] / ours[step_kinds.WHOLE] for ours in of]
            said.append(durations.bound_said(commits["seconds"], one["rounds"], shares))
    return "\n\n".join(said) + "\n"


# benchmark to its section's head and text, in the order of the page, below the stages
SECTIONS = {
    "operations": ("Where the time goes", _each(_operations_text, "\n\n")),
    "beside": ("Beside PyTorch, kind by kind", _beside_text),
    "suspects": ("One thing changed at a time", _each(_suspects_text, "\n")),
    "host_loop": ("The loop over steps", lambda found, _: _host_loop_text(found)),
    "main_run": ("A main run, part by part", _main_run_text),
    "chapters": ("The chapters", _each(durations.chapters_text, "\n\n")),
    "demo": ("The demo", _each(durations.demo_text, "\n")),
    "suite": ("The suite", _each(durations.suite_text, "\n\n")),
    "sweep": ("Several runs at once", lambda found, _: _sweep_text(found)),
}


def text(place: Path | None = None) -> str:
    """MyST text of the page's computed part; what has not been measured is named with its command."""
    speeds = read("throughput", place)
    parts = ["## The stages\n", *(_throughput_text(*one) for one in speeds.items())]
    if not any(found["plan"]["profile"] == "paper" for found in speeds.values()):
        parts.append(
            "How fast the full networks train on a GPU (`paper`) has not been measured yet. On such a machine:\n\n"
            + GPU_COMMANDS
        )
    for name, (head, said) in SECTIONS.items():
        if found := read(name, place):
            parts += [f"## {head}\n", said(found, lambda other: read(other, place))]
    return "\n".join(parts)


def write(book: Path | None = None) -> list[Path]:
    """Write book/_generated/speed.md from the checkout's results; nothing where there is no checkout."""
    return write_computed(lambda: {"speed": text()}, book)


if __name__ == "__main__":
    arguments(__doc__)
    for path in write():
        print(path)
