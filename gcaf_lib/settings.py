"""Settings: one frozen dataclass per concern, read from a profile and overridden by name.

`load("cpu", {"training.batch_size": "64"})` gives a `Settings`. Every field carries its
help, its unit and the values it may take, so that `gcaf settings`, the validation
and the reference page all say the same thing.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import types
import typing
from dataclasses import dataclass, field
from importlib import resources
from numbers import Real
from pathlib import Path
from typing import Any

import yaml

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
PROTOCOLS = ("official", "paper", "bytes", "twins", "patients")
FUSIONS = ("none", "concat", "gate", "cross", "gcaf", "gcaf-sigmoid", "gcaf-split", "gcaf-token")
BACKBONES = (
    "efficientnetv2-s",
    "convnext-tiny",
    "vgg19",
    "resnet50",
    "densenet121",
    "efficientnet-b0",
    "resnet50-cbam",
    "efficientnet-lite0",
    "efficientnet-lite2",
)
PROFILES = ("demo", "cpu", "transfer", "paper")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class SettingsError(ValueError):
    """A setting is unknown, malformed or out of its range."""


def _f(default: Any, help: str, *, choices: tuple | None = None, low=None, high=None) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices, "low": low, "high": high})


class _Checked:
    """Validate every field against the bounds in its metadata."""

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            value, limits = getattr(self, spec.name), spec.metadata
            items = value if isinstance(value, tuple) else (value,)
            for item in items:
                if limits["choices"] and item not in limits["choices"]:
                    near = difflib.get_close_matches(str(item), map(str, limits["choices"]), 1)
                    hint = f"; did you mean {near[0]!r}?" if near else ""
                    raise SettingsError(
                        f"{spec.name}={item!r} is not one of {', '.join(map(str, limits['choices']))}{hint}"
                    )
                if isinstance(item, (int, float)) and not isinstance(item, bool):
                    low, high = limits["low"], limits["high"]
                    if not ((low is None or item >= low) and (high is None or item <= high)):
                        raise SettingsError(
                            f"{spec.name}={item} is out of range: from "
                            f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
                        )


@dataclass(frozen=True)
class DataSettings(_Checked):
    source: str = _f("mri", "the real images or phantoms", choices=("mri", "phantom"))
    phantoms: int = _f(0, "phantoms made per class (source=phantom)", low=0, high=5000)
    image_size: int = _f(224, "side of the square input, pixels (Table 3)", low=32, high=512)
    clahe_clip: float = _f(2.0, "CLAHE clip limit (Eq 1)", low=0.1, high=40)
    clahe_tiles: int = _f(8, "CLAHE tiles per side (Eq 1)", low=1, high=64)
    encoding: str = _f(
        "original",
        "files as they are, or re-encoded alike for every class (chapter 18)",
        choices=("original", "canonical"),
    )
    classes: tuple[str, ...] = _f(
        CLASSES, "classes in use; leave notumor out for the three-class track", choices=CLASSES
    )
    protocol: str = _f("paper", "how the images are split (the leakage ladder)", choices=PROTOCOLS)
    fold: int | None = _f(None, "fold of the patient-grouped 5-fold split; none for 80/10/10", low=0, high=4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise SettingsError(
                f"classes={','.join(self.classes)}: give two or more that differ, of {', '.join(CLASSES)}"
            )


@dataclass(frozen=True)
class ModelSettings(_Checked):
    scale: str = _f(
        "full", "the paper's backbones, or miniatures of the same families", choices=("full", "mini")
    )
    backbones: tuple[str, ...] = _f(
        ("efficientnetv2-s", "convnext-tiny"), "one or two feature extractors", choices=BACKBONES
    )
    fusion: str = _f("gcaf", "how two feature maps become one vector (Table 4)", choices=FUSIONS)
    width: int = _f(512, "dimension d of the projected features (Eqs 6-8)", low=8, high=4096)
    projection_norm: bool = _f(
        False, "LayerNorm behind each projection: ours, not the paper's (chapter 11 shows what it costs)"
    )
    dropout: float = _f(0.3, "dropout before the classifier", low=0, high=0.9)
    weights: str = _f(
        "imagenet", "backbone weights: imagenet, in-domain (stage 0), none, or a folder of .weights.h5 files"
    )
    normalisation: str = _f(
        "explicit",
        "one explicit ImageNet normalisation (Eq 2), or Keras's own in each backbone",
        choices=("explicit", "native"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.backbones) not in (1, 2) or len(set(self.backbones)) != len(self.backbones):
            raise SettingsError(f"backbones={self.backbones}: give one, or two that differ")
        if (len(self.backbones) == 1) != (self.fusion == "none"):
            raise SettingsError(
                f"fusion={self.fusion!r} with {len(self.backbones)} backbone(s): one backbone "
                "goes with fusion='none', two with any other"
            )


@dataclass(frozen=True)
class LossSettings(_Checked):
    reading: str = _f(
        "target-probability",
        "which reading of Eq 14 meets soft labels",
        choices=("target-probability", "per-class"),
    )
    gamma: float = _f(2.0, "focusing parameter (Eq 14)", low=0, high=10)
    smoothing: float = _f(0.05, "label smoothing epsilon (Eq 15)", low=0, high=0.5)
    balance: str | float = _f(
        "inverse-frequency", "alpha of Eq 14: inverse-frequency (mean 1) or a constant", low=0, high=10
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.balance, str) and self.balance != "inverse-frequency":
            raise SettingsError(f"balance={self.balance!r}: give 'inverse-frequency' or a number")


@dataclass(frozen=True)
class TrainingSettings(_Checked):
    batch_size: int = _f(32, "images a step (Table 3)", low=1, high=4096)
    stage0_epochs: int = _f(20, "epochs of in-domain pre-training of a backbone", low=0, high=1000)
    stage0_rate: float = _f(1e-3, "peak learning rate of stage 0", low=0, high=1)
    stage0_batch_size: int = _f(32, "images a step of stage 0, whatever the run's own", low=1, high=4096)
    stage0_seed: str = _f(
        "own",
        "seed of stage 0: the run's own, so that a spread over seeds is one of the whole training; or seed 0 for "
        "all (shared), which saves most of the time (stage 0 is the longest part) and hides that part of the spread",
        choices=("own", "shared"),
    )
    stage1_epochs: int = _f(20, "epochs with frozen backbones (Table 3)", low=0, high=1000)
    stage1_rate: float = _f(3e-4, "learning rate of stage 1 (Table 3)", low=0, high=1)
    stage2_epochs: int = _f(10, "epochs of fine-tuning (Table 3)", low=0, high=1000)
    stage2_rate: float = _f(1e-5, "learning rate of stage 2 (Table 3)", low=0, high=1)
    unfrozen: float = _f(0.2, "share of each backbone's layers trained in stage 2", low=0, high=1)
    mixup: float = _f(0.2, "alpha of the Beta distribution (Eq 3); 0 turns Mixup off", low=0, high=10)
    ema: float = _f(0.999, "decay beta (Eq 18); 0 turns EMA off", low=0, high=0.99999)
    flips: bool = _f(True, "random horizontal and vertical flips")
    brightness: float = _f(0.1, "brightness jitter, share of the value range", low=0, high=1)
    contrast: float = _f(0.1, "contrast jitter, relative", low=0, high=0.99)
    stop_patience: int = _f(
        8, "epochs without a better validation loss before a stage stops", low=1, high=1000
    )
    plateau_patience: int = _f(
        4, "epochs without a better validation loss before the rate is reduced", low=1, high=1000
    )
    plateau_factor: float = _f(0.5, "factor by which the rate is reduced", low=0.01, high=1)
    dtype: str = _f("float32", "Keras dtype policy", choices=("float32", "mixed_bfloat16"))


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run, besides its seed and the data's hash."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        t = self.training
        if not t.stage1_epochs and not t.stage2_epochs:
            raise SettingsError("stage1_epochs and stage2_epochs are both 0: there is nothing to train")
        if self.model.weights == "in-domain" and not t.stage0_epochs:
            raise SettingsError(
                "stage0_epochs=0 with model.weights=in-domain: there is no stage 0 to take weights from; "
                "give model.weights=none for backbones that start at random"
            )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Nested plain dictionary, tuples as lists: what goes into JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, tree: dict[str, dict[str, Any]]) -> Settings:
        """Inverse of `to_dict`; unknown names raise `SettingsError` naming the nearest."""
        flat = {f"{room}.{name}": value for room, part in tree.items() for name, value in part.items()}
        return cls().replace(flat)

    def replace(self, overrides: dict[str, Any]) -> Settings:
        """New settings with `overrides` ({"training.batch_size": 64}) applied and checked."""
        parts: dict[str, dict[str, Any]] = {}
        known = names()
        for name, value in overrides.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.4)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
                raise SettingsError(f"unknown setting {name!r}{hint}")
            room, leaf = name.split(".")
            parts.setdefault(room, {})[leaf] = _parse(value, known[name], name)
        # one dataclasses.replace per concern: fields that must agree are checked together
        return dataclasses.replace(
            self, **{r: dataclasses.replace(getattr(self, r), **p) for r, p in parts.items()}
        )

    def hash(self, *, room: str | None = None) -> str:
        """First 12 hex digits of the SHA-256 of the sorted JSON form (of one concern, if named)."""
        tree = self.to_dict() if room is None else self.to_dict()[room]
        return digest(tree)


def digest(tree: Any) -> str:
    """First 12 hex digits of the SHA-256 of `tree` as sorted, compact JSON."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def names() -> dict[str, dataclasses.Field]:
    """Every dotted setting name, with its dataclass field (type, default, help, bounds)."""
    out = {}
    for room in dataclasses.fields(Settings):
        for leaf in dataclasses.fields(room.default_factory):
            out[f"{room.name}.{leaf.name}"] = leaf
    return out


def _parse(value: Any, spec: dataclasses.Field, name: str) -> Any:
    """Turn text from the command line or YAML into the field's type."""
    kinds = typing.get_type_hints(
        next(
            c
            for c in (DataSettings, ModelSettings, LossSettings, TrainingSettings)
            if spec in dataclasses.fields(c)
        )
    )[spec.name]
    if not all(one is None or isinstance(one, str | Real) for one in _items(value)):
        raise SettingsError(f"{name}: give one value, or a list of plain ones ({spec.metadata['help']})")
    options = typing.get_args(kinds) if isinstance(kinds, types.UnionType) else (kinds,)
    if isinstance(value, str) and type(None) in options and value.lower() in ("none", "null", ""):
        return None
    if value is None and type(None) in options:
        return None
    for kind in sorted(options, key=lambda k: k is str):  # str last: it accepts anything
        try:
            if typing.get_origin(kind) is tuple:
                parts = value.split(",") if isinstance(value, str) else value
                return tuple(str(part).strip() for part in parts)
            if kind is bool:
                return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
            if kind is int:
                if float(value) != int(float(value)):
                    raise ValueError
                return int(float(value))
            if kind is float:
                return float(value)
            if kind is str:
                return str(value)
        except (ValueError, TypeError, KeyError, OverflowError):
            continue
    wanted = " or ".join(getattr(k, "__name__", str(k)) for k in options)
    raise SettingsError(f"{name}={value!r} is not a valid {wanted} ({spec.metadata['help']})")


def _items(value: Any) -> list | tuple:
    return value if isinstance(value, list | tuple) else (value,)


def load(profile: str = "cpu", overrides: dict[str, Any] | None = None) -> Settings:
    """Settings of a profile (`demo`, `cpu`, `transfer`, `paper`, or a YAML file's path) with overrides."""
    if profile in PROFILES:
        data = (resources.files("gcaf_lib") / "profiles" / f"{profile}.yaml").read_bytes()
    elif Path(profile).suffix in (".yaml", ".yml") and os.path.isfile(profile):
        data = Path(profile).read_bytes()
    else:
        near = difflib.get_close_matches(profile, PROFILES, 1)
        hint = f"did you mean {near[0]!r}?" if near else "or the path of a YAML file"
        raise SettingsError(
            f"unknown profile {profile!r}: give {', '.join(PROFILES[:-1])} or {PROFILES[-1]}; {hint}"
        )
    try:
        tree = yaml.safe_load(_text(data)) or {}
    except UnicodeDecodeError as error:
        said = "UTF-16, as PowerShell's > writes it" if data[:2] in _UTF16 else f"no UTF-8 ({error})"
        raise SettingsError(f"profile {profile!r} is {said}: save it as UTF-8") from error
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # YAML's own, and of the values it makes
        raise SettingsError(f"profile {profile!r} is not valid YAML: {error}") from error
    if not isinstance(tree, dict) or not all(isinstance(part, dict) for part in tree.values()):
        raise SettingsError(f"profile {profile!r}: expected lines such as `training: {{batch_size: 32}}`")
    return Settings.from_dict(tree).replace(overrides or {})


def _text(data: bytes) -> str:
    if data[:2] in _UTF16:
        raise UnicodeDecodeError("utf-8", data, 0, 2, "a mark of UTF-16")
    return data.decode("utf-8-sig")


def named_folder(variable: str) -> Path | None:
    """The folder that an environment variable names, `~` being the home folder; None where it is unset or empty.

    Raises `SettingsError` where there is no home folder.
    """
    named = os.environ.get(variable)
    try:
        return Path(named).expanduser() if named else None
    except RuntimeError:
        raise SettingsError(f"{variable}={named}: there is no home folder; give a whole path") from None


def cache_dir() -> Path:
    """Where caches and weights live: `GCAF_CACHE`, else gcaf in `XDG_CACHE_HOME`, else ~/.cache/gcaf.

    Raises `SettingsError` where none is named and there is no home folder.
    """
    named, shared = named_folder("GCAF_CACHE"), named_folder("XDG_CACHE_HOME")
    if named is not None:
        return named
    if shared is not None and shared.is_absolute():  # its standard: a relative path counts as none
        return shared / "gcaf"
    try:
        return Path.home() / ".cache" / "gcaf"
    except RuntimeError:
        raise SettingsError("there is no home folder for the cache: set GCAF_CACHE to a folder") from None


def results_dir() -> Path:
    """Where run records live: `GCAF_RESULTS`, else `results/` of the checkout around the
    working folder, else `results/` of the checkout that holds this file, else the cache."""
    named = named_folder("GCAF_RESULTS")
    if named is not None:
        return named
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[1]):
        if (folder / "gcaf_lib").is_dir() and (folder / "pyproject.toml").is_file():
            return folder / "results"
    return cache_dir() / "results"
