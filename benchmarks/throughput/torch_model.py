"""The classifier in PyTorch: timm's backbones, the head and fusion of Eqs 6-13, the loss of Eq 14."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import timm
import torch
from timm.layers import LayerNorm2d
from timm.models._efficientnet_builder import decode_arch_def
from timm.models.convnext import ConvNeXtStage
from timm.models.efficientnet import EfficientNet
from torch import nn
from torch.nn import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# The miniatures of gcaf_lib.model.backbones in timm's notation
MINI_V2 = [
    ["cn_r1_k3_s1_e1_c16_skip"],
    ["er_r1_k3_s2_e4_c32"],
    ["er_r1_k3_s2_e4_c48"],
    ["ir_r2_k3_s1_e4_c64_se0.25"],
    ["ir_r2_k3_s1_e4_c96_se0.25"],
]
MINI_CONVNEXT = ((2, 40, 1), (2, 80, 2), (2, 128, 1))  # depth, width, stride of the step before


def efficientnet(scale: str) -> nn.Module:
    """EfficientNetV2-S as Keras has it (timm's tf_: padding "same"), or its miniature."""
    if scale == "full":
        return timm.create_model("tf_efficientnetv2_s", num_classes=0, global_pool="", drop_path_rate=0.2)
    return EfficientNet(
        decode_arch_def(MINI_V2), num_classes=0, num_features=256, stem_size=16, pad_type="same",
        round_chs_fn=int, act_layer=nn.SiLU, norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
        drop_path_rate=0.1, global_pool="",
    )  # fmt: skip


class MiniConvNeXt(nn.Module):
    """timm's ConvNeXt fixes four stages; this is three of its stages between its stem and its norm."""

    def __init__(self):
        super().__init__()
        width = MINI_CONVNEXT[0][1]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 4, 4), LayerNorm2d(width))
        stages = []
        for depth, out, stride in MINI_CONVNEXT:
            stages.append(
                ConvNeXtStage(
                    width, out, stride=stride, depth=depth, ls_init_value=0.1,
                    norm_layer=LayerNorm2d, norm_layer_cl=partial(nn.LayerNorm, eps=1e-6),
                )
            )  # fmt: skip
            width = out
        self.stages, self.norm_pre = nn.Sequential(*stages), LayerNorm2d(width)
        self.num_features = width

    def forward_features(self, x):
        return self.norm_pre(self.stages(self.stem(x)))


def convnext(scale: str) -> nn.Module:
    """ConvNeXt-Tiny with the norm on its last map, as Keras's without a top, or its miniature."""
    if scale == "full":
        return timm.create_model("convnext_tiny", num_classes=0, global_pool="", head_norm_first=True)
    return MiniConvNeXt()


def units(backbone: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Parameters of each layer with weights, in Keras's order, BatchNormalization left out.

    A block's own parameter (ConvNeXt's LayerScale) comes after the block's layers.
    """
    for part in backbone.children():
        yield from units(part)
    own = list(backbone.parameters(recurse=False))
    if own and not isinstance(backbone, nn.BatchNorm2d):
        yield own


class GCAF(nn.Module):
    """Gated cross-attention between two vectors (B, d), as gcaf_lib.model.fusion.GCAF: (B, 2d)."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        for name in ("query_a", "key_b", "value_b", "query_b", "key_a", "value_a"):
            setattr(self, name, nn.Linear(width, width, bias=False))
        self.gate_a, self.gate_b = nn.Linear(2 * width, width), nn.Linear(2 * width, width)

    def attend(self, query, key, value):
        score = (query * key).sum(-1, keepdim=True) / math.sqrt(self.width)
        return F.log_softmax(score, -1).exp() * value

    def forward(self, a, b):
        from_b = self.attend(self.query_a(a), self.key_b(b), self.value_b(b))
        from_a = self.attend(self.query_b(b), self.key_a(a), self.value_a(a))
        ga = self.gate_a(torch.cat([a, from_b], -1)).sigmoid()
        gb = self.gate_b(torch.cat([b, from_a], -1)).sigmoid()
        return torch.cat([ga * a + (1 - ga) * from_b, gb * b + (1 - gb) * from_a], -1)


BACKBONES = {"efficientnetv2-s": efficientnet, "convnext-tiny": convnext}


class Classifier(nn.Module):
    """Images (B, 3, S, S) in 0..255 → logits (B, K), float32; backbones in `precision`.

    Two backbones are projected and fused; one alone (stage 0) is pooled.
    """

    def __init__(self, model: dict, classes: int, precision: torch.dtype):
        super().__init__()
        self.backbones = nn.ModuleDict({key: BACKBONES[key](model["scale"]) for key in model["backbones"]})
        width, self.precision = model["width"], precision
        widths = [b.num_features for b in self.backbones.values()]
        self.fusion = GCAF(width) if model["fusion"] == "gcaf" else None
        fused = widths if self.fusion else []
        norm = partial(nn.LayerNorm, eps=1e-6) if model["projection_norm"] else nn.Identity
        self.project = nn.ModuleList(nn.Sequential(nn.Linear(w, width), norm(width)) for w in fused)
        self.dropout = nn.Dropout(model["dropout"])
        self.logits = nn.Linear(2 * width if self.fusion else sum(widths), classes)
        self.register_buffer("mean", 255 * torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(STD)[:, None, None])

    def forward(self, image):
        x = (image - self.mean) / self.std
        with torch.autocast(x.device.type, self.precision, enabled=self.precision != torch.float32):
            maps = [backbone.forward_features(x) for backbone in self.backbones.values()]
        pooled = [m.float().mean((2, 3)) for m in maps]
        if self.fusion:
            pooled = [self.fusion(*(project(p) for project, p in zip(self.project, pooled)))]
        return self.logits(self.dropout(pooled[0]))

    def enter(self, layers: dict[str, int]) -> None:
        """Train the head and each backbone's last `layers[key]` layers; BatchNorm infers throughout."""
        self.train()
        for key, backbone in self.backbones.items():
            backbone.requires_grad_(False)
            found = list(units(backbone))
            for unit in found[len(found) - layers[key] :]:
                for parameter in unit:
                    parameter.requires_grad_(True)
            for part in backbone.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()


def augment(image, label, lambdas, settings: dict):
    """Flips, brightness, contrast, Mixup on the device (Figs 4, 5; Eq 3), a draw for each image."""
    count = len(image)

    def draw(low, high):
        return torch.empty((count, 1, 1, 1), device=image.device).uniform_(low, high)

    x = image.float()
    if settings["flips"]:
        x = torch.where(draw(0, 1) < 0.5, x.flip(3), x)
        x = torch.where(draw(0, 1) < 0.5, x.flip(2), x)
    if f := settings["brightness"]:
        x = (x + 255 * draw(-f, f)).clamp(0, 255)
    if f := settings["contrast"]:
        mean = x.mean((2, 3), keepdim=True)
        x = ((x - mean) * draw(1 - f, 1 + f) + mean).clamp(0, 255)
    if not settings["mixup"]:
        return x, label
    lam = lambdas[torch.randint(len(lambdas), (count,), device=x.device)]
    order = torch.rand(count, device=x.device).argsort()
    w, v = lam[:, None, None, None], lam[:, None]
    return w * x + (1 - w) * x[order], v * label + (1 - v) * label[order]


def focal(logits, label, alpha, loss: dict):
    """Eq 14 in the reading that the settings name, as gcaf_lib.model.losses: mean over the batch."""
    target = (1 - loss["smoothing"]) * label + loss["smoothing"] / label.shape[-1]
    log_p = F.log_softmax(logits, -1)
    if loss["reading"] == "per-class":
        rest = (1 - log_p.exp()).clamp_min(1e-7)
        return -(alpha * target * rest ** loss["gamma"] * log_p).sum(-1).mean()
    log_pt = (log_p + target.log()).logsumexp(-1)
    log_rest = (log_p + (1 - target).log()).logsumexp(-1)
    return -((target * alpha).sum(-1) * (loss["gamma"] * log_rest).exp() * log_pt).mean()
