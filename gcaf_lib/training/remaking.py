"""How a run is made again: the settings in which it differs from its profile, and the command that says so."""

from __future__ import annotations

from gcaf_lib.settings import Settings, SettingsError
from gcaf_lib.settings import load as profile
from gcaf_lib.training.runs import Record, RunError, flat, weights_path


def demand_weights(record: Record, which: str) -> None:
    """Raise `RunError` where a record's weights are not on this machine, without the backend's seconds.

    Whether those that are there are the record's is for `train.load_model` to say.
    """
    path = weights_path(record.key, which)
    if not path.is_file():
        sets = " ".join(f"--set {name}={value}" for name, value in changed(record).items())
        raise RunError(
            f"the weights of run {record.key}: there are none on this machine; records carry none ({path}). "
            f"Make them: gcaf train --profile {record.info['profile']} --seed {record.seed} --weights {sets}".rstrip()
        )


def changed(record: Record) -> dict[str, str]:
    """Settings in which a record differs from its profile, as `--set` takes them.

    `train.changed`, which needs the backend and is part of every record's fingerprint; a test holds them equal.
    """
    try:
        base = profile(record.info["profile"])
    except SettingsError:
        base = Settings()
    told, plain = flat(record.settings.to_dict()), flat(base.to_dict())
    return {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in told.items()
        if value != plain[name]
    }
