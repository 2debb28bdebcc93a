"""Where a step's time goes, in this library and in compiled PyTorch: milliseconds a step by kind of work.

    python -m benchmarks.beside --torch-python ~/torch/bin/python [--profile cpu] [--steps 20]
        [--out results/benchmarks/beside-cpu.json]

Both train the stages that `benchmarks.throughput` trains, each with one thread: operations then follow one another, and
their times add up to the step's. (A worker of a sweep has one thread too.) Recorded by TensorFlow's and by PyTorch's own
profiler, rounds interleaved. An operation's kind is read from its name: convolutions and matrix products, both
libraries' own; all other operations, which PyTorch's compiler writes as loops that do several at once; and what of the step
no operation takes.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from benchmarks import figures, operations
from benchmarks.throughput import contest

CONTENDERS = ("ours", "torch-compile")
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
PRODUCTS = re.compile(
    r"conv(olution|\d)|matmul|_linear|::linear|einsum|\b(add|b|badd|addb)?mm\b|baddbmm|addbmm", re.IGNORECASE
)
AROUND = re.compile(
    r"## Call CompiledFxGraph|Torch-Compiled Region|TorchDynamo|ProfilerStep|CompiledFunction|Optimizer\."
)  # these call operations


def kinds(step: float, operations: dict[str, float]) -> dict[str, float]:
    """Milliseconds a step by kind, of the step's seconds and those of its operations."""
    own = {name: took for name, took in operations.items() if not AROUND.match(name)}
    products = sum(took for name, took in own.items() if is_product(name))
    others = sum(own.values()) - products
    return {
        "convolutions and matrix products": 1e3 * products,
        "all other operations": 1e3 * others,
        "between operations": 1e3 * (step - products - others),
        "the whole step": 1e3 * step,
    }


def is_product(name: str) -> bool:
    """Whether an operation is a convolution or a matrix product (or a gradient of one); a generated loop is named `fused`."""
    return bool(PRODUCTS.search(name)) and "fused_" not in name


def main() -> None:
    parser = operations.command_line(__doc__)
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PYTHON", help="a Python that has torch and timm"
    )
    parser.add_argument("--rounds", type=int, default=3, help="recordings of each (default: 3)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beside-") as folder:
        scratch = Path(folder)
        plan = operations.plan(given, scratch)
        (scratch / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        torch = contest.probe(given.torch_python, plan["accelerator"], scratch)
        if torch["torch-compile"]:
            sys.exit(f"benchmarks.beside: {torch['torch-compile']}")
        found = record(plan["stages"], given.rounds, given.torch_python, scratch)
    table = {
        stage: {name: medians([kinds(**one) for one in runs]) for name, runs in sides.items()}
        for stage, sides in found.items()
    }
    for stage, sides in table.items():
        for name, row in sides.items():
            print(
                f"stage {stage:20} {name:14} " + ", ".join(f"{kind} {ms:.1f} ms" for kind, ms in row.items())
            )
    given.torch_python = None
    figures.keep(given, {"pictures": plan["pictures"], "milliseconds": table, "torch": torch["versions"],
                         "operations": {s: {n: runs[0]["operations"] for n, runs in sides.items()} for s, sides in found.items()}})  # fmt: skip


def record(stages: dict, rounds: int, torch_python: str, scratch: Path) -> dict[str, dict[str, list[dict]]]:
    """Stage to contender to what each round read: `step` and `operations`, in seconds a step."""
    found: dict[str, dict[str, list[dict]]] = {stage: {name: [] for name in CONTENDERS} for stage in stages}
    turns = [(stage, name) for _ in range(rounds) for stage in stages for name in CONTENDERS]
    for stage, name in tqdm(turns, unit="process", disable=None):
        python = sys.executable if name == "ours" else torch_python
        kept = str(scratch / "inductor")  # compiling is not what is recorded: once is enough
        read = contest.measure(
            python, contest.module(name), name, stage, scratch, 600, **ALONE, TORCHINDUCTOR_CACHE_DIR=kept
        )
        found[stage][name].append(read)
    return found


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each kind over rounds."""
    return {kind: statistics.median(row[kind] for row in rows) for kind in rows[0]}


if __name__ == "__main__":
    main()
