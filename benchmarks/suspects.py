"""What a step would gain if one thing were done otherwise: the ratio of speeds, suspect by suspect.

    python -m benchmarks.suspects [--profile cpu] [--rounds 3] [--only "no update" …]
        [--out results/benchmarks/suspects-cpu.json]

Each of the suspects below is measured in a process of its own, on the stages in which it occurs, beside the library as it
is; rounds are interleaved and ratios are taken within a round. Some are other forms of the same sums (tests hold them
to the layers that they stand in for); some leave something out, so that the number says what making it faster
could spare at most; some are settings of the process. One changes nothing: what does not leave its range is noise. XLA for the
whole step is none of them, because Keras refuses it where operations are deterministic. TensorFlow on a CPU. An idle machine, please.
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
ALL = ("0 efficientnetv2-s", "0 convnext-tiny", "1", "2")
CONVNEXT = ("0 convnext-tiny", "1", "2")
LARGE = str(2**32)
ALLOCATORS = ("jemalloc", "tcmalloc_minimal")


class Suspect(NamedTuple):
    """What is done otherwise: in which stages it can count, what it means, and the variables of its process."""

    stages: tuple[str, ...]
    meaning: str
    variables: dict[str, str] | None = None


SUSPECTS = {
    "normalisation at rest folded": Suspect(("1", "2"), "frozen batch normalisation as a bias of the convolution before it"),
    "7×7 depthwise shifted": Suspect(CONVNEXT, "the depthwise convolution as 49 shifted products and sums, by XLA"),
    "7×7 gradient shifted": Suspect(("0 convnext-tiny", "2"), "only the gradient of its filter so, by XLA"),
    "7×7 gradient as products": Suspect(("0 convnext-tiny", "2"), "only the gradient of its filter as products of matrices"),
    "LayerNormalization by XLA": Suspect(CONVNEXT, "each as a program of its own"),
    "activations by XLA": Suspect(ALL, "GELU and swish, each as a program of its own"),
    "LayerScale by XLA": Suspect(CONVNEXT, "each as a program of its own"),
    "element-wise by XLA": Suspect(ALL, "every chain of sums, products and activations that TensorFlow finds", contest.FUSED),
    "as it is, again": Suspect(ALL, "nothing: how far the rounds' noise goes"),
    "no oneDNN": Suspect(ALL, "TensorFlow's own kernels", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "no update": Suspect(ALL, "left out: Adam's moments and the moving average of the weights"),
    "no average": Suspect(("1", "2"), "left out: the moving average of the weights (Eq 18)"),
    "no accuracy": Suspect(ALL, "left out: the accuracy of each step"),
    "no preparation": Suspect(ALL, "left out: augmentation, Mixup and Eq 2"),
    "no determinism": Suspect(ALL, "left out: deterministic operations"),
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
    """Stage to change to round to images a second, and what could not be measured with its reason."""
    found: dict[str, dict[str, dict[int, float]]] = {stage: {} for stage in plan["stages"]}
    missing: dict[str, str] = {}
    turns = [
        (turn, stage, name)
        for turn in range(1, rounds + 1)
        for stage in plan["stages"]
        for name in [AS_IT_IS, *(n for n in names if stage in SUSPECTS[n].stages)]
    ]
    with tqdm(turns, unit="process", disable=None) as bar:
        for turn, stage, name in bar:
            if name in missing:
                continue
            bar.set_description(f"round {turn} stage {stage} {name}")
            try:
                read = contest.measure(
                    sys.executable, "otherwise", name, stage, scratch, limit, **variables(name)
                )
            except contest.ChildError as error:
                missing[name] = str(error)
                continue
            found[stage].setdefault(name, {})[turn] = read["images_per_second"]
    return found, missing


def ratios(speeds: dict[str, dict[int, float]]) -> dict[str, tuple[float, float, float]]:
    """Median, lowest and highest ratio of each change's speed to the library's in the same round."""
    return {
        name: summary.spread(summary.ratios(one, speeds[AS_IT_IS]))
        for name, one in speeds.items()
        if name != AS_IT_IS
    }


def main() -> None:
    parser = operations.command_line(__doc__)
    parser.epilog = "suspects:\n" + "\n".join(f"  {name:30} {one.meaning}" for name, one in SUSPECTS.items())
    parser.add_argument("--rounds", type=int, default=3, help="processes of each (default: 3)")
    parser.add_argument(
        "--only", nargs="+", default=list(SUSPECTS), choices=list(SUSPECTS), metavar="SUSPECT"
    )
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
