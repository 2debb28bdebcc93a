"""The computed part of the model card: what was trained, and what it scored, from the scorecard's frame and, of the model that
travels with the package, from its own record."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from gcaf_lib import settings as _settings
from gcaf_lib.data import splits
from gcaf_lib.data.dataset import DataError, open_dataset
from gcaf_lib.display import elsewhere_charts, names, tables
from gcaf_lib.display.names import metric_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import folds, outside_sets, units, worth
from gcaf_lib.findings import outside_recall, scorecard, words
from gcaf_lib.training import environment, runs, shipped

METRICS = (
    ("Abstract", "accuracy"), ("Abstract", "macro_f1"), ("Abstract", "macro_auc"), ("§5.4", "recall_glioma"),
    ("§5.4", "recall_meningioma"), ("§5.4", "recall_notumor"), ("§5.4", "f1_pituitary"), ("Table 7", "kappa"), ("Table 7", "ece"),
)  # fmt: skip


def settings_table(profile: str) -> pd.DataFrame:
    """The settings that a reader asks for first."""
    s = _settings.load(profile)
    rows = [
        ("Backbones", " and ".join(s.model.backbones) + f" ({s.model.scale})"),
        ("Fusion", s.model.fusion),
        ("Starting weights", s.model.weights),
        ("Input", f"{s.data.image_size}×{s.data.image_size} pixels, three channels, one slice"),
        ("Output", f"probabilities of {len(s.data.classes)} classes: {', '.join(s.data.classes)}"),
        ("Epochs", f"{s.training.stage1_epochs} with frozen backbones, {s.training.stage2_epochs} after"),
        ("Evaluated weights", f"moving average, decay {s.training.ema:g}"),
    ]
    return pd.DataFrame(rows, columns=["What", f"Profile {profile}"])


def performance(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean ± sd (n) and 95% interval of the main metrics under both protocols, percentages as in `own_home`."""
    rows = []
    for place, metric in METRICS:
        part = frame[(frame["place"] == place) & (frame["metric"] == metric) & (frame["n"] > 0)]
        cells = {}
        for protocol, split in folds.NAMES.items():
            found = part[part["protocol"] == protocol]
            shown = ("{:.2%}" if metric in worth.BY_PICTURE else "{:.4f}").format
            cell = measured(found.iloc[0], shown) if len(found) else names.ABSENT
            cells[split.capitalize()] = cell
        rows.append({"Metric": metric_name(metric), **cells})
    return pd.DataFrame(rows)


def tested_said(frame: pd.DataFrame) -> str:
    """` Random split: 5 seeds, 703 images (…); patient-disjoint: ….`: what `performance` rests on; "" of nothing."""
    run = frame[(frame["place"] == METRICS[0][0]) & (frame["n"] > 0)].drop(columns="pairs")
    lines = run.drop_duplicates("protocol").set_index("protocol", drop=False)
    said = [
        f"{split}: {words.basis_said(lines.loc[p])}" for p, split in folds.NAMES.items() if p in lines.index
    ]
    return f" {'; '.join(said).capitalize()}." if said else ""


def measured(row: pd.Series, shown: Callable[[float], str]) -> str:
    """The numbers of a scorecard's row, each as `shown`: mean ± sd, interval, how often trained, and by picture."""
    spread = f" ± {shown(row.sd)}" if np.isfinite(row.sd) else ""
    text = f"{shown(row.measured)}{spread} ({shown(row.low)} to {shown(row.high)}; {names.repeats(row)})"
    return words.beside(text, row.picture, shown)


def travelling() -> str:
    """Which run's weights the package carries."""
    one = shipped.read()
    return (
        f"One model travels with the package and answers `gcaf predict slice.jpg`: run `{one.key}` ({one.words()}), its averaged weights "
        f"in half precision, which may move a probability by less than {shipped.MOVED:g} (a test holds that where the images are at hand); `{shipped.PATH.name}`, SHA-256 `{runs.sha256(shipped.PATH)}`. Chapter 23 tells what it is worth at home and elsewhere.\n\n"
    )


def own() -> str:
    """MyST text: what the record of the model that travels scored, at home and elsewhere; "" where the record is not at hand."""
    try:
        record = runs.resolve(shipped.read().key)
        recall = outside_sets.read("recall")
    except (runs.RunError, DataError):
        return ""
    said = "Its own scores are those of its record, made before the weights were shortened to half precision"
    code = made_with(record.info["provenance"].get("fingerprint"), environment.fingerprint())
    return f"{said}{code}.\n\n" + own_home(record) + "\n" + own_elsewhere(recall, record.key) + "\n"


def made_with(then: str | None, now: str) -> str:
    """What it means for a training of the same settings that a record's code is not today's (`environment.fingerprint`)."""
    if then == now:
        return ""
    return (
        f", and with an earlier version of the training code (`{then or 'not recorded'}`; today's is `{now}`), so that a run of the same settings "
        "trained today need not have its weights bit for bit"
    )


def own_home(record: runs.Record) -> str:
    """A run's scores on its own test part, with how many images and patient groups each rests on."""
    data = open_dataset(record.settings.data, need_images=False)
    groups, pictures = splits.clusters(data), units.pictures(data)
    classes, labels, tested = record.settings.data.classes, record.labels(), groups[record.rows()]
    scores = worth.of_runs([record], groups, [*worth.OF_ALL, *(f"recall_{name}" for name in classes)])
    copied = worth.by_picture([record], groups, pictures)
    rows = []
    for metric, one in scores.items():
        of = np.array([metric in (*worth.OF_ALL, f"recall_{classes[k]}") for k in labels])
        row = {"Metric": metric_name(metric), "Images": int(of.sum()), "Groups": len(np.unique(tested[of]))}
        for head, found in (("By image", one), ("By picture", copied.get(metric))):
            row[head] = _band(found.value, found.low, found.high) if found else "–"
        rows.append(row)
    return tables.numbered(
        pd.DataFrame(rows),
        "tab-card-own",
        f"The model that travels, run `{record.key}`, on the test part of its own split, with 95% intervals over groups. "
        "Groups: patients where they are known, else a picture with its copies; few groups make a rough figure, whatever the number of images. "
        "One run: the interval does not include the variation between trainings. Chapter 23's intervals "
        "draw the groups of one class alone; with few groups the two lie points apart, and neither is to be relied on.",
    )


def _band(value: float, low: float, high: float) -> str:
    """`84.5% (77.6% to 91.0%)`; without an interval where there is none."""
    return f"{value:.1%}" + (f" ({low:.1%} to {high:.1%})" if np.isfinite(low) else "")


def own_elsewhere(recall: pd.DataFrame, key: str) -> str:
    """A run's recall on images from elsewhere, from `outside_sets.read("recall")`; key: of the run."""
    called = recall.loc[recall["runs"] == key, "model"].unique()
    if not len(called):
        return "This run was not scored on images from elsewhere; chapter 23 says which models were.\n"
    levels = outside_recall.recall_with_home(recall, called[0])
    table = pd.DataFrame(
        {
            "Class": levels["class"].map(CLASS_NAMES),
            "Set": levels["set"].map(elsewhere_charts.set_name),
            "Images": levels["images"],
            "Cases": levels["cases"],
            "Recall": [_band(*ends) for ends in levels[["recall", "low", "high"]].to_numpy()],
        }
    )
    return tables.numbered(
        table,
        "tab-card-elsewhere",
        f"The same run on images from elsewhere: recall with 95% intervals over cases. Chapter 23, where it is called *{called[0]}*, "
        "tells what the sets are and why there is no overall accuracy.",
    )


def text(frame: pd.DataFrame, profile: str, travels: str = "") -> str:
    """MyST text: the model that travels with its scores (travels: of `own`), and the profile's two tables."""
    return (
        travelling()
        + travels
        + (
            tables.numbered(
                settings_table(profile), "tab-card-settings", f"The model of profile `{profile}`."
            )
            + "\n"
            + tables.numbered(
                performance(frame),
                "tab-card-performance",
                f"Test results under profile `{profile}`: mean ± standard deviation over seeds, the 95% interval, and how often it was "
                f"trained.{tested_said(frame)} {scorecard.SCORES}",
            )
        )
    )
