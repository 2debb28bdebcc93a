"""What a step would gain if one thing were done otherwise: the ratio of speeds, suspect by suspect.

    python -m benchmarks.suspects [--profile cpu] [--rounds 3] [--only "no update" …]
        [--out results/benchmarks/suspects-cpu.json]

Each of the suspects below is measured in a process of its own, on the stages in which it occurs, right after a process
of the library as it is, and the ratio is of these two. Some are other forms of the same sums (tests hold them to the
layers that they stand in for); some leave something out, so that the number says what making it faster could spare at
most; some are settings of the process. One changes nothing: what does not leave its range is noise. A process that
shows no difference from the one beside it (its operations, kernels, allocator, threads, or the switch for deterministic operations) is not counted. A CPU, with TensorFlow
or, some of them, with KERAS_BACKEND=jax. An idle machine, please.
"""

from __future__ import annotations

import ctypes.util
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from benchmarks import figures, operations
from benchmarks.throughput import contest, summary

AS_IT_IS = "as it is"
AGAIN = "as it is, again"
ALLOCATORS = ("jemalloc", "tcmalloc_minimal")
ALL = ("0 efficientnetv2-s", "0 convnext-tiny", "1", "2")
CONVNEXT = ("0 convnext-tiny", "1", "2")
LARGE = str(2**32)


class Suspect(NamedTuple):
    """What is done otherwise: in which stages it can count, what it means, and the variables of its process."""

    stages: tuple[str, ...]
    meaning: str
    variables: dict[str, str] | None = None
    jax: bool = False  # whether it is another way there too


SUSPECTS = {
    "normalisation at rest folded": Suspect(("1", "2"), "frozen batch normalisation as a bias of the convolution before it"),
    "7×7 depthwise shifted": Suspect(CONVNEXT, "the depthwise convolution as 49 shifted products and sums, by XLA", jax=True),
    "7×7 gradient shifted": Suspect(("0 convnext-tiny", "2"), "the gradient of its filter so, by XLA; that of its input by the flipped filter", jax=True),
    "7×7 gradient as products": Suspect(("0 convnext-tiny", "2"), "the gradient of its filter as products of matrices; that of its input by the flipped filter", jax=True),
    "depthwise by rows": Suspect(ALL, "each of stride 1 as shifted products summed row by row, its gradients so too, by XLA", jax=True),
    "1×1 as products": Suspect(ALL, "pointwise convolutions as products of matrices", jax=True),
    "depthwise by rows, 1×1 as products": Suspect(ALL, "both", jax=True),
    "LayerNormalization by XLA": Suspect(CONVNEXT, "each as a program of its own"),
    "activations by XLA": Suspect(ALL, "GELU and swish, each as a program of its own"),
    "LayerScale by XLA": Suspect(CONVNEXT, "each as a program of its own"),
    "element-wise by XLA": Suspect(ALL, "every chain of sums, products and activations that TensorFlow finds", contest.FUSED),
    "whole step by XLA": Suspect(ALL, "the step as one program, and no deterministic operations: Keras allows not both"),
    AGAIN: Suspect(ALL, "nothing: how far the rounds' noise goes", jax=True),
    "no oneDNN": Suspect(ALL, "TensorFlow's own kernels", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "no update": Suspect(ALL, "left out: Adam's moments and the moving average of the weights"),
    "no average": Suspect(("1", "2"), "left out: the moving average of the weights (Eq 18)"),
    "no accuracy": Suspect(ALL, "left out: the accuracy of each step"),
    "no preparation": Suspect(ALL, "left out: augmentation, Mixup and Eq 2"),
    "no determinism": Suspect(ALL, "left out: deterministic operations"),
    "after a generator": Suspect(ALL, "a tf.data generator ran in the process, on which TensorFlow sets malloc to give memory back"),
    "fed by a generator": Suspect(ALL, "every batch comes from one"),
    "malloc that keeps": Suspect(
        ALL, "memory is not given back to the system",
        {"MALLOC_TRIM_THRESHOLD_": LARGE, "MALLOC_MMAP_THRESHOLD_": LARGE, "MALLOC_TOP_PAD_": str(2**26)},
    ),
    **{name: Suspect(ALL, "another allocator, by LD_PRELOAD") for name in ALLOCATORS},
    "threads 1 × 2": Suspect(
        ALL, "one thread within an operation, two between", {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2"}
    ),
    "threads 2 × 1": Suspect(
        ALL, "two threads within an operation, one between", {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "1"}
    ),
}  # fmt: skip


def variables(name: str) -> dict[str, str]:
    """Environment of a suspect's process; raises `ChildError` where its allocator isn't on this machine."""
    if name not in ALLOCATORS:
        return (SUSPECTS[name].variables or {}) if name in SUSPECTS else {}
    library = ctypes.util.find_library(name)
    if library is None:
        raise contest.ChildError(f"there is no lib{name} here")
    return {"LD_PRELOAD": library}


def record(plan: dict, names: list[str], rounds: int, scratch: Path, limit: float = 600) -> tuple[dict, dict]:
    """Stage to change to round to images a second (as it is, otherwise), and what could not be measured with its reason."""
    found: dict[str, dict[str, dict[int, tuple[float, float]]]] = {stage: {} for stage in plan["stages"]}
    missing: dict[str, str] = {}
    turns = [
        (turn, stage, name)
        for turn in range(1, rounds + 1)
        for stage in plan["stages"]
        for name in names
        if stage in SUSPECTS[name].stages
    ]
    with tqdm(turns, unit="pair", disable=None) as bar:
        for turn, stage, name in bar:
            here = f"{name} (stage {stage})"
            if {name, here} & missing.keys():
                continue
            bar.set_description(f"round {turn} stage {stage} {name}")
            try:
                ways = {AS_IT_IS: {}, name: variables(name)}
                own, other = (
                    contest.measure(sys.executable, "otherwise", one, stage, scratch, limit, **environment)
                    for one, environment in ways.items()
                )
            except contest.ChildError as error:
                missing[name] = str(error)
                continue
            if (own["state"] == other["state"]) != (name == AGAIN):
                missing[here] = (
                    f"its process {'differs' if name == AGAIN else 'does not differ'} from the library's"
                )
                continue
            found[stage].setdefault(name, {})[turn] = own["images_per_second"], other["images_per_second"]
    return found, missing


def ratios(speeds: dict[str, dict[int, tuple[float, float]]]) -> dict[str, tuple[float, float, float]]:
    """Median, lowest and highest ratio of each change's speed to that of the library beside it."""
    return {
        name: summary.spread([other / own for own, other in one.values()]) for name, one in speeds.items()
    }


def main() -> None:
    import keras

    parser = operations.command_line(__doc__)
    here = {n: one for n, one in SUSPECTS.items() if one.jax or keras.backend.backend() == "tensorflow"}
    parser.epilog = "suspects:\n" + "\n".join(f"  {name:30} {one.meaning}" for name, one in here.items())
    parser.add_argument("--rounds", type=int, default=3, help="pairs of processes of each (default: 3)")
    parser.add_argument("--only", nargs="+", default=list(here), choices=list(here), metavar="SUSPECT")
    parser.add_argument("--stages", nargs="+", default=list(ALL), choices=ALL, metavar="STAGE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="suspects-") as folder:
        plan = operations.plan(given, Path(folder))
        plan["stages"] = {name: plan["stages"][name] for name in given.stages}
        found, missing = record(plan, given.only, given.rounds, Path(folder))
    table = {stage: ratios(speeds) for stage, speeds in found.items()}
    for stage, rows in table.items():
        for name, (middle, low, high) in rows.items():
            print(f"stage {stage:20} {name:30} {middle:.2f} ({low:.2f} to {high:.2f})")
    for name, why in missing.items():
        print(f"not measured: {name}: {why}")
    figures.keep(
        given,
        {"pictures": plan["pictures"], "ratios": table, "images_per_second": found, "missing": missing,
         "meaning": {name: SUSPECTS[name].meaning for name in given.only}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
