"""The paper's own configuration on a CPU: it builds, takes a training step, and explains itself."""

import numpy as np
import pytest

from gcaf_lib.model import classifier, gradcam, losses
from gcaf_lib.settings import load
from gcaf_lib.training import loop


@pytest.fixture(scope="module")
def model():
    # ImageNet's weights come over a network; the graph is the same without them. At random EfficientNetV2-S hands
    # on next to nothing (its norms have seen no image), a gradient below Adam's epsilon: LayerNorm lifts it again.
    settings = load("paper", {"model.weights": "none", "model.projection_norm": True})
    return classifier.build(settings.model, settings.data.image_size)


def test_feature_maps_have_the_shapes_of_equations_4_and_5(model):
    assert model.get_layer("features_efficientnetv2-s").output.shape[1:] == (7, 7, 1280)
    assert model.get_layer("features_convnext-tiny").output.shape[1:] == (7, 7, 768)


def test_one_step_of_stage_2_moves_the_top_and_only_the_top(model, tmp_path):
    settings = load("paper", {"training.batch_size": 2, "training.stage2_rate": 1e-3})
    images = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3)).astype(np.uint8)
    rows, labels = np.arange(2), np.array([0, 3])
    part = loop.Part(rows, labels)
    free = classifier.unfreeze(model, settings.training.unfrozen)
    before = {layer.name: [w.copy() for w in layer.get_weights()] for layer in model.layers}
    loss = losses.FocalLoss("target-probability", 2.0, 0.05, np.ones(4))
    stage = loop.Stage(
        model, images, part, loop.Part(np.array([2, 3]), labels), number=2, epochs=1, rate=1e-3,
        loss=loss, settings=settings.training, seed=0, checkpoint=tmp_path / "stage2.npz",
    )  # fmt: skip
    for half in stage.halves:  # of the validation; the step itself is traced, as it is for users
        half.run_eagerly = True
    stage.run()
    stage.assign("raw")
    assert np.isfinite(stage.rows[0]["loss"])
    moved = {
        layer.name
        for layer in model.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights()))
    }
    frozen = {layer.name for layers in classifier.parts(model)["backbones"].values() for layer in layers}
    frozen -= {name for names in free.values() for name in names}
    assert not moved & frozen
    for key, names in free.items():
        assert moved & set(names), f"nothing of {key} was trained"
    assert "logits" in moved


# Keras's, where nothing is traced
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_grad_cam_at_full_size(model):
    images = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    _, body, _ = gradcam.split(model)
    body.run_eagerly = True  # of one image: tracing the whole network takes longer than running it
    maps, target, _ = gradcam.maps(model, images)
    assert {k: v.shape for k, v in maps.items()} == {
        "efficientnetv2-s": (1, 7, 7),
        "convnext-tiny": (1, 7, 7),
    }
    assert all(m.min() >= 0 and m.max() <= 1 for m in maps.values()) and target.shape == (1,)
