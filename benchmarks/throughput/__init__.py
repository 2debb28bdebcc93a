"""How fast the stages train, against the plain Keras way and against PyTorch with timm.

    python -m benchmarks.throughput --profile cpu --out throughput.csv

**Stages**: `0 NAME` is the pre-training of one backbone, all of it, BatchNormalization by the batch, with
cross-entropy, without Mixup and moving average, at a constant rate (training has a schedule); `1` and `2`
are the classifier's, with the backbones frozen, and with their top layers trained.

**Contenders**, all with the same backbones, head, loss, optimiser (Adam), moving average of the
weights, batch and precision:

- `ours`: the library's own `Stage`, as training uses it: an array of preprocessed uint8 images (on an
  accelerator it lies there), augmentation and Mixup inside the compiled step, several steps per
  execution on an accelerator, deterministic operations.
- `ours-fused`: the same, where TensorFlow on a CPU lets XLA compile the element-wise operations (`contest.FUSED` is the
  environment that asks for it). It rounds otherwise, so it is a choice and not the default.
- `plain`: the same classifier and Keras's `fit` with its defaults, fed by a tf.data pipeline that
  decodes and equalises every image (Eq 1) anew each time, and augments and mixes on the host.
- `torch`: PyTorch with timm, eager; channels-last, autocast to bfloat16 where that is the precision,
  fused Adam. It is given what `ours` has (the uint8 array, on the device where that is a GPU;
  augmentation and Mixup there too), so that it shows the framework and not its input pipeline.
- `torch-compile`: the same, its forward pass, augmentation and loss under `torch.compile`.

**The same models.** Under `paper` timm's `tf_efficientnetv2_s` and `convnext_tiny`; under `cpu` and
`demo` timm's own blocks, put together after the miniatures' tables of layers. timm has no miniatures:
those are ports of the same shape. In stage 2 as many layers with weights are trained as in Keras, counted
from the top. Each contender reports its numbers of weights, all and trained; where they differ from `ours`,
the table says so. Weights are random everywhere: speed doesn't depend on them.

**One process each.** Each measurement (contender, stage, round) has a fresh process, so that peak
memory and time to first step are its own, and empty compilation caches. Rounds are interleaved
(ours, plain, torch, torch-compile, ours, plain, ...): a drift of the machine hits all alike.

**Images per second**: after `--warm` steps (compilation, filling of queues) the clock runs over
`--steps` steps, between two points where the device has finished all it was given. Validation and
checkpoints are in no contender. Given are the median over rounds, the lowest and highest; the ratio
is taken to `ours` of the same round, and of those ratios the median, lowest and highest.
`plain` pays for decoding in every epoch, `ours` once: what that costs stands beside the table.

**Time to first step**: from the start of the process (interpreter, imports, building, compilation)
to the end of the first optimiser step; of the first execution where that is several steps.

**Peak memory**: the process's resident set (VmHWM, memory-mapped pages included) and, on an
accelerator, the framework's own count of the device's.

**Fraction of the peak**: arithmetic done over the best this machine does. Arithmetic: two for each
multiplication with addition in convolutions and dense layers, from the shapes of the Keras model's
layers (normalisation, activations, attention's single score left out); times 3 for layers that train
(forward, gradient of the input, gradient of the weights), times 1 for frozen ones. The first layer that
trains needs no gradient of its input, so stage 2 is counted a touch too high. `forward_check` is
PyTorch's own count of its forward pass (FlopCounterMode), beside `forward_flops`, ours. The peak is a
measured one, no vendor's: a large square matmul, same device, same precision, in each process after
its steps; the best framework's median is the denominator for all.
"""
