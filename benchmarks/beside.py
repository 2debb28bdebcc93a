"""Where a step's time goes, in this library and in PyTorch: milliseconds a step by kind of work.

    python -m benchmarks.beside --torch-python ~/torch/bin/python [--profile cpu] [--steps 20] [--threads 1 2]
        [--out results/benchmarks/beside-cpu.json]

All train the stages that `benchmarks.throughput` trains, with each number of threads (a worker of a sweep has one).
Each process times its steps twice, first without a recorder, then under TensorFlow's or PyTorch's own profiler, rounds
interleaved. What differs between the halves (the recorder, but also warm-up and the machine) is shared evenly among a step's
events and taken from each, so kinds are known to within some ms. An operation's kind is read from its name: convolutions and
matrix products, both libraries' own; all other operations, which PyTorch's compiler writes as loops that do several at once;
and what is left of the unrecorded step. PyTorch runs one operation after another; where
TensorFlow runs several at once, an instant is divided evenly among them.
For this library the others are told by the kind of layer, too.
"""

from __future__ import annotations

import itertools
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from benchmarks import figures, operations
from benchmarks.throughput import contest
from gcaf_lib.book import step_kinds

CONTENDERS = ("ours", "torch", "torch-compile")
THREADS = "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
AROUND = re.compile(
    r"## Call CompiledFxGraph|Torch-Compiled Region|TorchDynamo|ProfilerStep|CompiledFunction|Optimizer\."
)  # these call operations


def cost(read: dict) -> float:
    """Seconds by which an event is longer in the recorded half than in the other, of what a process read; may be negative."""
    return (read["recorded"] - read["step"]) / sum(read["events"].values())


def kinds(read: dict) -> dict[str, float]:
    """Milliseconds of an unrecorded step by kind, of what a process read."""
    each, ran = cost(read), read["events"]
    own = {name: one - each * ran[name] for name, one in read["operations"].items() if not AROUND.match(name)}
    products = sum(one for name, one in own.items() if operations.is_product(name))
    others = sum(own.values()) - products
    return {
        step_kinds.PRODUCTS: 1e3 * products,
        step_kinds.OTHERS: 1e3 * others,
        step_kinds.BETWEEN: 1e3 * (read["step"] - products - others),
        step_kinds.WHOLE: 1e3 * read["step"],
        step_kinds.RECORDED: 1e3 * read["recorded"],
    }


def main() -> None:
    parser = operations.command_line(__doc__)
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PYTHON", help="a Python that has torch and timm"
    )
    parser.add_argument("--rounds", type=int, default=3, help="recordings of each (default: 3)")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=[1, 2],
        metavar="N",
        help="numbers of threads (default: 1 2)",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beside-") as folder:
        scratch = Path(folder)
        plan = operations.plan(given, scratch)
        (scratch / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        torch = contest.probe(given.torch_python, plan["accelerator"], scratch)
        if torch["torch-compile"]:
            sys.exit(f"benchmarks.beside: {torch['torch-compile']}")
        found = record(plan["stages"], given.rounds, given.threads, given.torch_python, scratch)
    tables = {
        threads: {
            stage: {name: medians([kinds(one) for one in runs]) for name, runs in sides.items()}
            for stage, sides in stages.items()
        }
        for threads, stages in found.items()
    }
    for threads, stages in tables.items():
        for stage, sides in stages.items():
            for name, row in sides.items():
                said = ", ".join(f"{kind} {ms:.1f} ms" for kind, ms in row.items())
                print(f"{threads} threads, stage {stage:20} {name:14} {said}")
    given.torch_python = None
    layers = {
        threads: {stage: medians([others(one) for one in sides["ours"]]) for stage, sides in stages.items()}
        for threads, stages in found.items()
    }  # fmt: skip
    figures.keep(
        given,
        {
            "pictures": plan["pictures"], "milliseconds": tables, "layers": layers, "rounds": found, "torch": torch["versions"],
        },
    )  # fmt: skip


def record(
    stages: dict, rounds: int, threads: list[int], torch_python: str, scratch: Path
) -> dict[int, dict[str, dict[str, list[dict]]]]:
    """Threads to stage to contender to what each round read, seconds and events a step (`Clock.recorded`; of ours by layer too)."""
    found = {count: {stage: {name: [] for name in CONTENDERS} for stage in stages} for count in threads}
    turns = list(itertools.product(range(rounds), stages, threads, CONTENDERS))
    for _, stage, count, name in tqdm(turns, unit="process", disable=None):
        python = sys.executable if name == "ours" else torch_python
        variables = dict.fromkeys(THREADS, str(count))
        variables["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "inductor")  # compiled once: it is not recorded
        read = contest.measure(python, contest.module(name), name, stage, scratch, 600, **variables)
        found[count][stage][name].append(read)
    return found


def others(read: dict) -> dict[str, float]:
    """Milliseconds of an unrecorded step that are neither convolution nor product, by kind of layer."""
    each, ran = cost(read), read["layer_events"]
    return {
        kind: 1e3
        * sum(one - each * ran[kind][name] for name, one in took.items() if not operations.is_product(name))
        for kind, took in read["layers"].items()
    }


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each kind over rounds; what a round lacks took no time in it."""
    every = dict.fromkeys(kind for row in rows for kind in row)
    return {kind: statistics.median(row.get(kind, 0.0) for row in rows) for kind in every}


if __name__ == "__main__":
    main()
