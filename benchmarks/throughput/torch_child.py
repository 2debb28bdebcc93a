"""The two PyTorch contenders, `torch` and `torch-compile`: one stage, in this process.

    python -m benchmarks.throughput.torch_child torch|torch-compile STAGE PLAN.json STARTED RESULT.json
    python -m benchmarks.throughput.torch_child probe RESULT.json

`probe` says what is missing. Imports nothing of gcaf_lib, so PyTorch may live in an environment of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.throughput import child

CURES = {
    "torch": "pip install torch (pytorch.org has builds for a CPU alone), or name the Python of an environment "
    "that has it with --torch-python",
    "torchvision": "pip install torchvision, in the version and build (CPU or CUDA) that go with torch; timm needs it",
    "timm": "pip install timm",
}


def probe() -> dict:
    """What stands in the way of each contender (None: nothing), versions, and whether torch sees CUDA."""
    versions = {}
    for name in ("torch", "torchvision", "timm"):
        try:
            versions[name] = importlib.import_module(name).__version__
        except Exception as error:  # a build that doesn't fit raises RuntimeError, OSError, …
            words = str(error).strip().splitlines()
            reason = (
                f"{name} can't be imported ({words[0] if words else type(error).__name__}): {CURES[name]}"
            )
            return {"torch": reason, "torch-compile": reason, "versions": versions, "cuda": False}
    import torch

    cuda = torch.cuda.is_available()
    return {"torch": None, "torch-compile": no_compiler(cuda), "versions": versions, "cuda": cuda}


def no_compiler(cuda: bool) -> str | None:
    """Why torch.compile can't generate code here, or None."""
    named = os.environ.get("CXX")
    if not any(shutil.which(name) for name in ([named] if named else ["g++", "clang++"])):
        return "torch.compile needs a C++ compiler: apt install g++, or name one with CXX=…"
    if cuda and importlib.util.find_spec("triton") is None:
        return "torch.compile needs Triton for this GPU: pip install triton (torch's CUDA builds bring it)"
    return None


def batches(plan: dict, device, total: int) -> Iterator[tuple]:
    """Shuffled uint8 batches as channels-last views (B, 3, S, S) and one-hot labels.

    On a CPU read one ahead by a thread; on a GPU the images lie there and a step is sent row numbers.
    """
    import torch

    images = np.load(Path(plan["folder"]) / "images.npy", mmap_mode="r")
    labels = np.load(Path(plan["folder"]) / "labels.npy")
    one_hot = np.eye(len(plan["settings"]["data"]["classes"]), dtype=np.float32)[labels]
    size, rng = plan["batch"], np.random.default_rng(0)
    each = len(images) // size
    orders = [rng.permutation(len(images)) for _ in range(-(-total // each))]
    stored = torch.from_numpy(np.asarray(images).copy()).to(device) if device.type == "cuda" else None

    def read(step: int):
        epoch, place = divmod(step, each)
        take = orders[epoch][place * size : (place + 1) * size]
        return torch.from_numpy(take if stored is not None else images[take]), torch.from_numpy(one_hot[take])

    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(read, 0)
        for step in range(total):
            image, label = ready.result()
            ready = pool.submit(read, min(step + 1, total - 1))
            image, label = image.to(device, non_blocking=True), label.to(device, non_blocking=True)
            yield (image if stored is None else stored[image]).permute(0, 3, 1, 2), label


def train(name: str, stage: str, plan: dict, started: float) -> dict:
    """Train as many steps as the clock asks for; returns what it read."""
    import torch
    import torch._inductor.config

    from benchmarks.throughput import torch_model

    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")  # TF32 where there is any, as Keras's backends do
    what, device = plan["stages"][stage], torch.device("cuda" if plan["accelerator"] else "cpu")
    settings, number = what["settings"], what["number"]
    t, precision = settings["training"], getattr(torch, plan["precision"])
    net = torch_model.Classifier(settings["model"], len(settings["data"]["classes"]), precision)
    net = net.to(device, memory_format=torch.channels_last)
    if number > 0:  # all of stage 0 trains, as PyTorch makes it
        net.enter(what["layers"])
    trained = [p for p in net.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in trained]
    adam = torch.optim.Adam(trained, lr=t[f"stage{number}_rate"], eps=1e-7, fused=True)
    alpha = torch.tensor(what["alpha"], dtype=torch.float32, device=device)
    lambdas = torch.from_numpy(np.load(Path(plan["folder"]) / "lambdas.npy")).to(device)

    def loss(image, label):
        image, label = torch_model.augment(image, label, lambdas, t)
        image = image.contiguous(memory_format=torch.channels_last)
        return torch_model.focal(net(image), label, alpha, settings["loss"])

    if plan.get("record"):  # generated loops by name, where they would be part of the call around them
        torch._inductor.config.cpp.enable_kernel_profile = True
    run = torch.compile(loss, mode=plan["compile_mode"]) if name == "torch-compile" else loss
    recorder = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    both = (recorder.start, recorder.stop) if plan.get("record") else None
    clock = child.Clock(started, plan["warm"], plan["steps"], recorder=both)
    for step, (image, label) in enumerate(batches(plan, device, clock.total), 1):
        adam.zero_grad(set_to_none=True)
        value = run(image, label)
        value.backward()
        adam.step()
        if t["ema"] > 0 and number > 0:
            with torch.no_grad():
                torch._foreach_lerp_(average, trained, 1 - t["ema"])
        clock.step(step, torch.cuda.synchronize if device.type == "cuda" else lambda: None)
    if not torch.isfinite(value):
        raise FloatingPointError(
            "the loss is no longer finite: this is not the training that was to be timed"
        )
    if plan.get("record"):
        ran = recorder.key_averages()
        return clock.recorded(
            {e.key: e.self_cpu_time_total / 1e6 for e in ran}, {e.key: e.count for e in ran}
        )
    read = clock.result(plan["batch"])
    statistics = [b for key, b in net.named_buffers() if key.endswith(("running_mean", "running_var"))]
    return read | {
        "device_gib": torch.cuda.max_memory_allocated() / child.GIB if device.type == "cuda" else None,
        "weights": sum(x.numel() for x in [*net.parameters(), *statistics]),
        "trained": sum(p.numel() for p in trained),
        "forward_check": counted(loss, image, label) if name == "torch" else None,
        "matmul_flops": matmul_rate(precision, device, plan["accelerator"]),
    }


def counted(loss, image, label) -> float:
    """FLOPs of the forward pass for one image as PyTorch counts them in the operations it runs.

    Not of the backward pass: there its counter takes a depthwise convolution for a full one (torch 2.13).
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        loss(image, label)
    return counter.get_total_flops() / len(image)


def matmul_rate(precision, device, accelerator: bool) -> float:
    """Measured peak of PyTorch, FLOP/s."""
    import torch

    side = child.MATMUL_SIDE[accelerator]
    a, b = (torch.randn(side, side, device=device).to(precision) for _ in range(2))
    return child.matmul_rate(lambda: a @ b, lambda c: c[0, 0].item(), accelerator)


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        child.write(sys.argv[2], probe())
    else:
        _, name, stage, plan, started, result = sys.argv
        child.write(result, train(name, stage, json.loads(Path(plan).read_text()), float(started)))
