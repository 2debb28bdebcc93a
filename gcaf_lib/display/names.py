"""Names for people: of backbones, maps and measures."""

from __future__ import annotations

from typing import Any

from gcaf_lib.evaluation import control, tumours

_BACKBONE_NAMES = {"efficientnetv2-s": "EfficientNetV2-S", "convnext-tiny": "ConvNeXt-Tiny"}


def backbone_name(key: str, record: Any = None) -> str:
    """A backbone's name for people; says so where the record's is a miniature of it."""
    small = " (mini)" if record is not None and record.settings.model.scale == "mini" else ""
    return _BACKBONE_NAMES.get(key, key) + small


MAP_NAMES = {
    tumours.FUSED: "Model, both backbones",
    "sensitivity": "Sensitivity of the whole model",
    tumours.PLACE: "Usual place of the named class",
    tumours.CENTRE: "Centre of the image",
    tumours.RANDOM: "Random map",
    tumours.EDGE: "Edges of the image",
}

MEASURE_NAMES = {
    "pointing": "Pointing game",
    "tolerant": "Pointing, 7 % tolerance",
    "energy": "Energy inside",
    "iou": "IoU at matched area",
}


def map_name(name: str) -> str:
    """A map's name for people."""
    return MAP_NAMES[name] if name in MAP_NAMES else backbone_name(name)


METHODS = {
    "grad-cam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "sensitivity": "Sensitivity",
    "occlusion": "Occlusion",
    "": "Random",
}


def control_name(map: str, method: str, place: str) -> str:
    """A map of the control for people: `ConvNeXt-Tiny, LayerCAM before the norm`."""
    if map in (control.WHOLE, tumours.RANDOM):
        return METHODS[method] + (" map" if map == tumours.RANDOM else ", whole model")
    return f"{map_name(map)}, {METHODS[method]} {place} the norm"
