"""Starts the processes: one for the plan, one to see what PyTorch can do, one for each measurement."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTENDERS = ("ours", "ours-fused", "plain", "torch", "torch-compile")
# TensorFlow then has XLA compile chains of element-wise operations into one pass each, and leaves oneDNN the rest
FUSED = {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_ops_to_cluster=PW"}


class BenchmarkError(RuntimeError):
    """The benchmark can't start here."""


class ChildError(RuntimeError):
    """A process failed; the text is what it said last."""


@dataclass
class Outcome:
    """Everything a run of the benchmark learnt."""

    plan: dict
    contenders: list[str]
    rounds: int
    measured: list[dict] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    torch: dict = field(default_factory=dict)


def child(python: str, module: str, words: list[str], scratch: Path, limit: float, **variables: str) -> None:
    """Run one module of `benchmarks` in a fresh process; raises `ChildError` with its last line where it fails.

    Compilation caches are empty ones below `scratch`: every process compiles for itself. variables: of its environment.
    """
    caches = Path(tempfile.mkdtemp(prefix="caches-", dir=scratch))
    # TMPDIR too: torch.compile keeps its precompiled headers there, whatever its cache folder
    places = dict.fromkeys(("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TMPDIR"), str(caches))
    environment = {**os.environ, **places}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    environment.pop("TF_XLA_FLAGS", None)  # a cache, or fusing, which only one contender is to have
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    environment |= variables
    try:
        done = subprocess.run(
            [python, "-m", f"benchmarks.{module}", *words],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", timeout=limit,
        )  # fmt: skip
    except OSError as error:
        raise ChildError(f"{python} can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ChildError(f"took longer than {limit:g} s (--limit)") from error
    finally:
        shutil.rmtree(caches, ignore_errors=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        ended = (
            f"ended with {done.returncode}" if done.returncode > 0 else f"killed by signal {-done.returncode}"
        )
        raise ChildError(f"{ended}: {said[-1].strip() if said else 'it said nothing'}")


def measure(
    python: str, module: str, name: str, stage: str, scratch: Path, limit: float, **variables: str
) -> dict:
    """What one process of `module` reads of a stage under the plan in `scratch`; raises `ChildError`."""
    result = scratch / "result.json"
    words = [name, stage, str(scratch / "plan.json"), repr(time.monotonic()), str(result)]
    child(python, module, words, scratch, limit, **variables)
    return json.loads(result.read_text())


def module(contender: str) -> str:
    """The module whose process measures a contender."""
    return "throughput.torch_child" if contender.startswith("torch") else "throughput.keras_child"


def plan(request: dict, scratch: Path, limit: float) -> dict:
    """What the contenders share; see plan.py. Raises `BenchmarkError` where Keras can't even do that."""
    asked = scratch / "request.json"
    asked.write_text(json.dumps(request), encoding="utf-8")
    try:
        child(sys.executable, "throughput.plan", [str(scratch), str(asked)], scratch, limit)
    except ChildError as error:
        raise BenchmarkError(str(error)) from error
    return json.loads((scratch / "plan.json").read_text())


def probe(python: str, accelerator: bool, scratch: Path, limit: float = 300) -> dict:
    """What PyTorch can do in that Python: contender → reason why not (None: it can), and versions."""
    answer = scratch / "probe.json"
    try:
        child(python, "throughput.torch_child", ["probe", str(answer)], scratch, limit)
    except ChildError as error:
        reason = f"{error}; name a Python that has torch, torchvision and timm with --torch-python"
        return {"torch": reason, "torch-compile": reason, "versions": {}, "cuda": False}
    found = json.loads(answer.read_text())
    if accelerator and not found["cuda"] and found["torch"] is None:
        reason = "this PyTorch sees no GPU, and the others run on one: install torch's CUDA build"
        found |= {"torch": reason, "torch-compile": reason}
    return found


def hold(request: dict, contenders: list[str], rounds: int, torch_python: str, limit: float) -> Outcome:
    """All rounds, interleaved. A contender that fails once is out of later rounds, with its reason."""
    from tqdm import tqdm

    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        scratch = Path(folder)
        outcome = Outcome(plan(request, scratch, limit), contenders, rounds)
        pythons = {name: sys.executable for name in contenders}
        wanted = [name for name in contenders if name.startswith("torch")]
        if wanted:
            outcome.torch = probe(torch_python, outcome.plan["accelerator"], scratch)
            pythons |= dict.fromkeys(wanted, torch_python)
            outcome.missing = {name: outcome.torch[name] for name in wanted if outcome.torch[name]}
        if "ours-fused" in contenders and (
            outcome.plan["accelerator"] or outcome.plan["machine"]["backend"] != "tensorflow"
        ):
            outcome.missing["ours-fused"] = "XLA compiles all of a step there: the same as ours"
        stages = outcome.plan["stages"]
        turns = [(r, stage, name) for r in range(1, rounds + 1) for stage in stages for name in contenders]
        with tqdm(turns, unit="process", disable=None) as bar:
            for turn, stage, name in bar:
                if name in outcome.missing:
                    continue
                bar.set_description(f"round {turn} stage {stage} {name}")
                fused = FUSED if name == "ours-fused" else {}
                try:
                    read = measure(pythons[name], module(name), name, stage, scratch, limit, **fused)
                except ChildError as error:
                    outcome.missing[name] = f"stopped in round {turn}, stage {stage}: {error}"
                    continue
                outcome.measured.append({"contender": name, "stage": stage, "round": turn, **read})
        return outcome
