"""The command line of the benchmark; the method stands in the package's docstring."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import benchmarks.throughput as method
from benchmarks.throughput import contest, summary

EXAMPLES = """
examples
  quick look on a laptop, phantoms, Keras alone:
      python -m benchmarks.throughput --profile demo --rounds 1 --steps 5 --contenders ours plain
  the miniatures on the real images:
      python -m benchmarks.throughput --profile cpu --out throughput.csv --out throughput.json
  the published page, on a GPU, PyTorch in an environment of its own:
      KERAS_BACKEND=jax python -m benchmarks.throughput --profile paper \\
          --torch-python ~/torch/bin/python --out throughput.csv --out throughput.json
  full size on a CPU (3 steps a measurement; tens of minutes):
      python -m benchmarks.throughput --profile paper

Run it from the project's root, on an idle machine: the rounds show how idle it was. Processes, not
counting their start: contenders x 4 (stage 0 of two backbones, stages 1 and 2) x rounds. KERAS_BACKEND (tensorflow or jax) decides what
`ours` and `plain` run on. A contender that can't run here is named with the reason and the cure.
"""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _table_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".csv", ".json"):
        raise argparse.ArgumentTypeError(f"{text}: the name must end in .csv or .json")
    return path


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=method.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--profile", choices=("demo", "cpu", "paper"), default="cpu",
        help="demo, cpu: miniatures, 64 pixels; paper: full backbones, 224 pixels (default cpu)")  # fmt: skip
    add("--contenders", nargs="+", choices=contest.CONTENDERS, default=list(contest.CONTENDERS),
        metavar="NAME", help=f"of {', '.join(contest.CONTENDERS)} (default all); ratios need ours")  # fmt: skip
    add("--batch", type=_positive, help="images a step (default the profile's, 32)")
    add("--steps", type=_positive, help="timed steps (default 30; 100 on a GPU; 3 for paper on a CPU)")
    add("--warm", type=_positive,
        help="steps before the clock (default 5; 10 on a GPU; 1 for paper on a CPU)")  # fmt: skip
    add("--rounds", type=_positive, default=3, help="interleaved repetitions (default 3)")
    add("--images", type=_positive, default=512, help="images that are cycled through (default 512)")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="of the backbones, in all contenders; auto: bfloat16 on an accelerator (default)")  # fmt: skip
    add("--compile-mode", choices=("default", "reduce-overhead", "max-autotune"), default="default",
        help="mode of torch.compile")  # fmt: skip
    add(
        "--data",
        help="folder of the real images (default GCAF_DATA, then the cache; phantoms where neither is)",
    )
    add("--phantoms", action="store_true", help="take phantoms even where the real images are")
    add("--torch-python", default=sys.executable, metavar="PYTHON",
        help="interpreter that has torch, torchvision and timm (default this one)")  # fmt: skip
    add(
        "--limit",
        type=float,
        default=1800,
        metavar="SECONDS",
        help="longest time for one process (default 1800)",
    )
    add("--out", type=_table_file, action="append", default=[], metavar="FILE",
        help=".csv: the table; .json: the table, every single measurement, machine and versions; may be repeated")  # fmt: skip
    return made


def everything(outcome: contest.Outcome, rows: list[dict], given: argparse.Namespace) -> dict:
    """The JSON form: enough to check and redraw the table. No path of this machine goes into it."""
    plan = outcome.plan
    shown = ("profile", "pictures", "images", "batch", "warm", "steps", "precision", "compile_mode",
             "accelerator", "decode_ms", "settings", "stages")  # fmt: skip
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    threads |= {name: value for name, value in os.environ.items() if name.endswith("OP_THREADS")}
    return {
        "schema": 1,
        "method": method.__doc__,
        "plan": {name: plan[name] for name in shown} | {"rounds": given.rounds},
        "machine": plan["machine"] | {"torch": outcome.torch.get("versions", {}), "threads": threads},
        "peak_flops": summary.peak(outcome.measured),
        "table": rows,
        "missing": outcome.missing,
        "measurements": outcome.measured,
    }


def main(words: list[str] | None = None) -> int:
    given = parser().parse_args(words)
    contenders = list(dict.fromkeys(given.contenders))
    names = ("profile", "batch", "steps", "warm", "images", "precision", "compile_mode", "data", "phantoms")
    request = {name: getattr(given, name) for name in names}
    if request["data"]:
        request["data"] = str(Path(request["data"]).resolve())
    try:
        outcome = contest.hold(request, contenders, given.rounds, given.torch_python, given.limit)
    except contest.BenchmarkError as error:
        print(f"throughput: error: {error}", file=sys.stderr)
        return 2
    plan = outcome.plan
    rows = summary.table(outcome.measured, contenders, outcome.missing, plan["stages"])
    best = summary.peak(outcome.measured)
    machine = plan["machine"]
    print(
        f"{machine['device']}, Keras on {machine['backend']}, {plan['precision']}, profile {plan['profile']}"
    )
    print(f"{plan['pictures']}; batch {plan['batch']}, {plan['steps']} steps after {plan['warm']}")
    if best:
        print(f"peak of a matmul, measured: {best / 1e12:.4g} TFLOP/s")
    print(
        f"preprocessing, once for ours, each epoch for plain: {plan['decode_ms']:.3g} ms an image on one thread\n"
    )
    print(summary.as_text(rows))
    for path in given.out:
        tree = everything(outcome, rows, given)
        text = summary.as_csv(rows) if path.suffix == ".csv" else json.dumps(tree, indent=1) + "\n"
        summary.write(path, text)
    return 0 if outcome.measured else 1


if __name__ == "__main__":
    sys.exit(main())
