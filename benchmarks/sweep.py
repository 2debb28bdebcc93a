"""Are two workers ever slower than one that has both cores? Eight demo runs, either way, as a ratio.

    python -m benchmarks.sweep [--runs 8] [--workers 2] [--rounds 1] [--small]

Each sweep starts from an empty store that holds the phantoms and their preprocessed images and nothing else,
so that it trains both backbones' stage 0 and all runs. The two ways alternate within one run of this
script: quote the ratio, seconds are the machine's. Then a second call over the full store: what a finished
run costs. Needs an idle machine; --small only shows that the script works.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import figures
from gcaf_lib.settings import load
from gcaf_lib.training import experiments, sweep
from gcaf_lib.training.task import task

NAME = "benchmark"
SMALL = {
    "data.phantoms": 24,
    "data.image_size": 32,
    "model.backbones": ("vgg19",),
    "model.fusion": "none",
    "training.stage0_epochs": 1,
    "training.stage1_epochs": 1,
    "training.stage2_epochs": 1,
}


def one(workers: int, filled: Path) -> tuple[float, float]:
    """Seconds of a sweep with this many workers, and of asking again."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(filled, f"{place}/cache")
        os.environ |= {"GCAF_CACHE": f"{place}/cache", "GCAF_RESULTS": f"{place}/results"}
        start = time.perf_counter()
        done = sweep.sweep([NAME], "demo", workers=workers)
        took = time.perf_counter() - start
        if set(done["state"]) != {"done"}:
            raise SystemExit(f"a run failed:\n{done[['label', 'seed', 'state']]}")
        start = time.perf_counter()
        sweep.sweep([NAME], "demo", workers=workers)
        return took, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=8, help="runs of a sweep")
    parser.add_argument("--workers", type=int, default=2, help="workers, against one")
    parser.add_argument("--rounds", type=int, default=1, help="times that each way is taken")
    parser.add_argument("--small", action="store_true", help="the smallest runs there are")
    figures.add_out(parser)
    given = parser.parse_args()

    overrides = SMALL if given.small else {}
    row = experiments.Row("demo", overrides)
    experiments.EXPERIMENTS[NAME] = experiments.Experiment(NAME, "", (row,), {"demo": given.runs})
    seconds: dict[int, list[float]] = {1: [], given.workers: []}
    again: list[float] = []
    with tempfile.TemporaryDirectory() as filled:
        os.environ["GCAF_CACHE"] = filled
        task(load("demo", overrides)).images.sum()  # phantoms and images, made before the clock starts
        for turn in range(given.rounds):
            for workers in (1, given.workers) if turn % 2 == 0 else (given.workers, 1):
                took, repeated = one(workers, Path(filled))
                seconds[workers].append(took)
                again.append(repeated / given.runs)
                print(f"{workers} worker(s)  {took:8.1f} s")
    ratio = statistics.median(seconds[1]) / statistics.median(seconds[given.workers])
    finished = statistics.median(again)
    figures.keep(given, {"seconds": seconds, "ratio": ratio, "finished_run_s": finished})
    print(f"cores         {len(os.sched_getaffinity(0)):8d}")
    print(
        f"ratio         {ratio:8.2f}   (one worker's time over that of {given.workers}; at least 1 is the goal)"
    )
    print(f"finished run  {finished:8.3f} s each, when the sweep is asked again")


if __name__ == "__main__":
    main()
