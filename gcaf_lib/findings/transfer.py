"""Chapter 25: networks with ImageNet weights beside the miniatures that start from none, on the same splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import groups as known_groups
from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.display.cost_chart import amount
from gcaf_lib.evaluation import costs, folds, worth
from gcaf_lib.evaluation.hints import TUMOURS
from gcaf_lib.findings import ablation, accuracies, comparison, shortcuts, split_records, training, words
from gcaf_lib.paper import literature
from gcaf_lib.settings import CLASSES
from gcaf_lib.training import experiments

SIDES = ("miniatures", "ImageNet")
PROFILES = ("cpu", split_records.TRANSFER)  # of `SIDES`
FULL = ("miniatures", "full-size")
STAGE_0 = {"model.weights": "in-domain"}  # in place of ImageNet's, for the paper's own networks
METRICS = ("accuracy", "macro_f1", "macro_auc", "ece", "nll")
RECALLS = tuple(f"recall_{name}" for name in CLASSES)
SCORE = ("value", "low", "high", "picture")
SHARE = "accuracy or recall"
GOAL = 0.93  # three classes, patients apart: what this project was to exceed
CHANGE = [
    *(f"{name}{end}" for name in ("difference", "picture") for end in ablation.ENDS),
    "seeds",
    "folds",
    *ablation.SIZES,
]


def sides(chapter: Any) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Records of the proposed model by protocol, under each of `PROFILES`, whatever the page's; none beside phantoms."""
    if chapter.phantoms:
        return {}, {}
    return tuple(split_records.ladder_records(chapter.under(profile)) for profile in PROFILES)


def three_classes(chapter: Any) -> tuple[list[Any], list[Any]]:
    """`sides`, trained on the three tumour classes, on patient-disjoint folds."""
    if chapter.phantoms:
        return [], []
    return tuple(split_records.three_class_records(chapter.under(profile)) for profile in PROFILES)


def standing(small: Mapping[str, Sequence[Any]], large: Mapping[str, Sequence[Any]], phantoms: bool) -> str:
    """What has been trained of both sides, split by split."""
    if phantoms:
        return "Beside phantoms, which are drawings, no network with ImageNet weights was trained: under the profile `demo` nothing is compared here."
    said = []
    for protocol, split in folds.NAMES.items():
        counts = [words.plural(len(side.get(protocol, ())), "run") for side in (small, large)]
        said.append(f"{split}: {counts[0]} of the miniatures, {counts[1]} with ImageNet weights")
    return f"On record: {'; '.join(said)}. A patient-disjoint run is one of five folds. The table pairs the seeds that both sides have, so its miniatures' figures may differ from chapter 17's, which are means over all their seeds; below it, where the recipe was trained once and the miniatures several times, the one is set against the mean of all."


def full_size(chapter: Any) -> tuple[dict[str, list[Any]], dict[str, dict[str, list[Any]]]]:
    """By protocol: records of the proposed miniature, and of Table 4's rows with the paper's own networks from a stage 0.

    Splits of 80/10/10, the patient-disjoint one too; none beside phantoms.
    """
    if chapter.phantoms:
        return {}, {}
    small, tables = {}, {}
    for protocol in folds.NAMES:
        split = {"data.protocol": protocol}
        small[protocol] = chapter.under("cpu", split).records("table-4").get(experiments.PROPOSED, [])
        tables[protocol] = chapter.under("paper", STAGE_0 | split).records("table-4")
    return small, tables


def compare(
    small: Mapping[str, Sequence[Any]],
    large: Mapping[str, Sequence[Any]],
    dataset: Any,
    sides: tuple[str, str] = SIDES,
) -> pd.DataFrame:
    """One line a split and metric: both sides' levels, and large minus small on the same images.

    small, large: records of the proposed model by protocol (`split_records.ladder_records`); sides: what they are called, in
    the columns `<side>_value`, `_low`, `_high`, `_picture` too, which `CHANGE` follows. Compared are the seeds that both
    have, with all folds of the split; where there is none, seeds is 0. folds, and images, pictures,
    groups: tested (`worth.sizes`; of a recall, of its class). Fractions; picture…:
    each picture weighing 1, where copies are kept together.
    """
    groups, pictures, lines = splits.clusters(dataset), worth.pictures(dataset), []
    wanted = [*METRICS, *RECALLS]
    for protocol in folds.NAMES:
        first, second = worth.paired(*(ablation.whole(side.get(protocol, ())) for side in (large, small)))
        changes = worth.difference(first, second, groups, wanted) if first else {}
        copied = worth.by_picture(first, groups, pictures, wanted, against=second)
        levels = {}
        for side, records in zip(sides, (second, first)):
            found = worth.row(records, groups, wanted) if records else {}
            levels[side] = found, worth.by_picture(records, groups, pictures, wanted)
        tested = pd.Series(dict(pair for r in first for pair in zip(r.rows(), _classes(r))), dtype=object)
        for metric in wanted:
            rows = (tested[tested == metric.removeprefix("recall_")] if metric in RECALLS else tested).index
            sizes = {"folds": ablation.folds_known(first), **worth.sizes(rows, groups, pictures)}
            change, picture = (some.get(metric, ablation.NONE) for some in (changes, copied))
            line = {"protocol": protocol, "metric": metric, "seeds": change.n, **sizes}
            line |= ablation.held(change, "difference") | ablation.held(picture, "picture")
            for side, (found, beside) in levels.items():
                level, own = (some.get(metric, ablation.NONE) for some in (found, beside))
                three = (level.value, level.low, level.high)
                line |= dict(zip((f"{side}_{name}" for name in SCORE), (*three, own.value)))
            lines.append(line)
    levels = [f"{side}_{one}" for side in sides for one in SCORE]
    return pd.DataFrame(lines, columns=["protocol", "metric", *levels, *CHANGE])


def _classes(record: Any) -> np.ndarray:
    """The name of each tested image's class."""
    return np.array(record.settings.data.classes)[record.labels()]


def compared_text(frame: pd.DataFrame, sides: tuple[str, str] = SIDES) -> pd.DataFrame:
    """`compare` for readers: one line a split and metric; shares in percent, their differences in points."""
    lines = []
    for r in frame.to_dict("records"):
        scale, decimals, unit = (100, 1, " (%)") if _share(r["metric"]) else (1, 4, "")
        number, signed = (partial(one, decimals=decimals) for one in (words.number, words.signed))
        line = {"Split": folds.NAMES[r["protocol"]], "Metric": names.metric_name(r["metric"]) + unit}
        for side in sides:
            *three, picture = (scale * r[f"{side}_{one}"] for one in SCORE)
            text = words.span(*three, decimals) if r["seeds"] else "no pair of runs"
            line[_head(side)] = words.beside(text, picture, number)
        change = words.shift(ablation.read(r, "difference"), decimals, scale) if r["seeds"] else "–"
        line["Difference"] = words.beside(change, scale * r["picture"], signed)
        lines.append(line | {"Compared": words.rests(r | {"n": r["seeds"]}) if r["seeds"] else "none"})
    return pd.DataFrame(lines)


def once(frame: pd.DataFrame) -> str:
    """Why a table of `compare` has one run a side, where it has."""
    return f" {words.ONE_RUN} {words.SAME_SEED}" if frame["seeds"].max() == 1 else ""


def _head(side: str) -> str:
    """A side's name at the head of a column or row."""
    return side[0].upper() + side[1:]


def _share(metric: str) -> bool:
    return metric == "accuracy" or metric.startswith("recall_")


def by_class(frame: pd.DataFrame) -> pd.DataFrame:
    """`compare`'s accuracy and recalls as `split_ladder.with_without` draws them: one line a score and side."""
    lines = []
    for r in frame[(frame["seeds"] > 0) & frame["metric"].map(_share)].to_dict("records"):
        name = names.metric_name(r["metric"])
        for side in SIDES:
            scores = dict(zip((SHARE, *SCORE[1:]), (r[f"{side}_{one}"] for one in SCORE)))
            lines.append({"protocol": folds.NAMES[r["protocol"]], "name": name, "label": side, **scores})
    return pd.DataFrame(lines, columns=["protocol", "name", "label", SHARE, *SCORE[1:]])


def _change(line: pd.Series) -> worth.Change:
    """A line's difference in accuracy, by picture too where copies are kept together."""
    file, picture = (
        ablation.read(line, name)._replace(n=int(line["seeds"])) for name in ("difference", "picture")
    )
    return worth.Change(file, picture if np.isfinite(picture.value) else None)


def _told(change: worth.Change) -> str:
    """A difference, by picture too where it has that, and which of three words it is."""
    return words.outcome(change, "a loss", "a gain")


def one_trained(
    small: Mapping[str, Sequence[Any]], large: Mapping[str, Sequence[Any]], dataset: Any
) -> dict[str, worth.Change]:
    """By protocol on which ImageNet's recipe has one seed and the miniatures several: accuracy minus that of their mean, and of each."""
    groups, pictures, changes = splits.clusters(dataset), worth.pictures(dataset), {}
    for protocol in folds.NAMES:
        sides = [ablation.whole(side.get(protocol, ())) for side in (small, large)]
        if shortcuts.one_against_several(*sides):
            changes[protocol] = shortcuts.change_of(*sides, groups, pictures)
    return changes


def bought(frame: pd.DataFrame, single: Mapping[str, worth.Change]) -> str:
    """What the recipe with ImageNet weights changes on each split, and whether that is more where no known patient is shared.

    frame: `compare`; single: `one_trained`.
    """
    known = frame[frame["seeds"] > 0].set_index(["protocol", "metric"])
    said, gains, each = [], {}, ""
    for protocol, split in folds.NAMES.items():
        if (protocol, "accuracy") not in known.index:
            said.append(f"- {split}: not trained with all its folds, on both sides, so nothing is said")
            continue
        line = known.loc[(protocol, "accuracy")]
        change = single.get(protocol, _change(line))
        gains[protocol] = change.file
        counts = words.plural(int(line["seeds"]), "seed")
        if change.each:
            counts = f"one seed against the mean of {len(change.each)}"
            each = (
                f"On the {split} split the recipe was trained once. It has no stage 0, so that no seed of the miniatures is nearer to it than the "
                f"others. Against each: {shortcuts.against_each(change)}; the table has the seed of the same number. The "
                "interval of the mean holds how the miniatures' seeds vary, not how the recipe's would."
            )
        ece = ablation.read(known.loc[(protocol, "ece")], "difference")
        said.append(
            f"- {split}, {counts}: accuracy {_told(change)}; ECE (pairs of the table) {words.shift(ece)}"
        )
    if len(gains) == len(folds.NAMES):
        random, apart = (gains[p] for p in ("paper", "patients"))
        where = words.beside_interval(apart, random, "lies below", "lies above", "overlaps")
        room = 1 - known.loc[("paper", "accuracy"), "miniatures_value"]
        said.append(
            f"- the interval of the difference on patient-disjoint folds {where} that on the random split, where at most "
            f"{100 * room:.1f} points could be gained"
        )
    once = any(line["seeds"] == 1 and protocol not in single for (protocol, _), line in known.iterrows())
    return (
        "The recipe with ImageNet weights as a whole (larger networks and images, other epochs and rates) minus the miniatures', on the same images "
        f"(95% interval {words.OVER}); no run differs in the weights alone:\n\n"
        + "\n".join(said)
        + (f"\n\n{each}" if each else "")
        + (f"\n\n{words.ONE_SEED}" if once else "")
    )


def grown(frame: pd.DataFrame) -> str:
    """What the paper's own networks change on each split (`compare` of `FULL`), and where the paper's accuracy lies."""
    known = frame[(frame["metric"] == "accuracy") & (frame["seeds"] > 0)].set_index("protocol")
    if known.empty:
        return "The paper's own networks have no run on record here."
    said = []
    for protocol, line in known.iterrows():
        counts = words.rests(line.to_dict() | {"n": line["seeds"], "protocol": protocol})
        said.append(f"{folds.NAMES[protocol]} {_told(_change(line))}; {counts}")
    text = "Full size minus miniatures in accuracy, on the same images:\n\n- " + "\n- ".join(said) + "\n\n"
    if "paper" in known.index:
        claim = ablation.published("table-4", experiments.PROPOSED)["accuracy"].fraction
        low, high = (known.loc["paper", f"full-size_{end}"] for end in ("low", "high"))
        once = ", of one seed" if known.loc["paper", "seeds"] == 1 else ""
        text += f"The paper's {claim:.2%} lies {words.where(claim, low, high)} the interval of the full-size networks on the random split{once}."
    return text


def fallen_full(own: Mapping[str, Sequence[Any]], dataset: Any) -> str:
    """What the paper's own networks lose from the random split to the single patient-disjoint one; "" where one was not run."""
    known = accuracies.levels(own, splits.clusters(dataset), worth.pictures(dataset))
    if not set(folds.NAMES) <= set(known.index):
        return ""
    a, b = known.loc["paper"], known.loc["patients"]
    return (
        f"From the random split to the patient-disjoint one the full-size networks change by {accuracies.changed(a, b)} "
        f"({words.plural(min(a.seeds, b.seeds), 'seed')}; {words.plural(int(b.groups), 'patient group')} tested on the second). In brackets is an interval put together from those of "
        "both sides, as in chapter 17."
    )


def before_fusion(rows: Mapping[str, Mapping[str, Sequence[Any]]], dataset: Any) -> str:
    """How often each network of a stage 0 is right alone, what fusing adds to it, and how many answers other fusions change.

    rows: Table 4's records by protocol (`full_size`). What fusing adds: on the same images, with its interval over patients.
    """
    groups, pictures, said = splits.clusters(dataset), worth.pictures(dataset), []
    for protocol, found in rows.items():
        for own in found.get(experiments.PROPOSED, ()):
            text = f"- {folds.NAMES[protocol]}, seed {own.seed}, {words.rested([own], groups, pictures)}: fused as proposed {_right(own)}"
            for key, (start,) in training.stage0_records([own]).items():
                added = worth.change([own], [start], groups, pictures)
                text += f"; {names.backbone_name(key, start)} alone, after stage 0, {_right(start)}"
                if added:  # none between two seeds, as where all share one stage 0
                    text += f": the fused model minus this backbone {words.points(*added.ways())}"
            answers = own.answers()
            differ = [
                int((one.answers() != answers).sum())
                for row, others in found.items()
                for one in others
                if row != experiments.PROPOSED and one.seed == own.seed
            ]
            if differ:
                counts = " to ".join(map(str, sorted({min(differ), max(differ)})))
                fusions = words.plural(len(differ), "other fusion")
                gives = f"give{'s' if len(differ) == 1 else ''} another answer on {counts} of the {len(answers)} images"
                text += f"; {fusions} {gives}"
            said.append(text)
    return "Accuracy on the test images, of one run each:\n\n" + "\n".join(said) if said else ""


def _right(record: Any) -> str:
    return f"{words.percent(record.right().mean())}%"


def tumours(four: Sequence[Sequence[Any]], three: Sequence[Sequence[Any]], dataset: Any) -> pd.DataFrame:
    """model, and accuracy on the three tumour classes on patient-disjoint folds (`accuracies.COLUMNS`), seeds, folds, `ablation.SIZES`.

    four, three: records of the miniatures and of the networks with ImageNet weights that were trained on four classes, and
    on three; those of four are judged on tumour images alone. Of the seeds that all of them have, with all folds.
    """
    models = {
        f"{_head(side)}, {word} classes": records
        for word, both in (("four", four), ("three", three))
        for side, records in zip(SIDES, both)
    }
    equal, groups = split_records.whole(ablation.equal_seeds(models)), splits.clusters(dataset)
    found = accuracies.levels(equal, groups, worth.pictures(dataset), TUMOURS)
    scores = [*accuracies.SCORES["accuracy"], *accuracies.BY_PICTURE["accuracy"]]
    columns = [*scores, "seeds", "folds", *ablation.SIZES]
    return found.reindex(models, columns=columns).rename_axis("model").reset_index()


def tumours_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`tumours` for readers, below what others report."""
    lines = [(f"{r.method} ({r.source})", f"{100 * r.accuracy:.2f}", "–") for r in literature.PATIENT_LEVEL]
    for r in frame.itertuples():
        done = np.isfinite(r.accuracy)
        text = words.beside(words.band(r.accuracy, r.low, r.high), r.picture) if done else names.ABSENT
        lines.append((r.model, text, accuracies.rests(r) if done else "–"))
    return pd.DataFrame(lines, columns=["Model", "Accuracy (%)", "Of"])


def beside_reported(frame: pd.DataFrame) -> str:
    """Where the reported accuracy lies beside those of `tumours`, and why the two can't be compared strictly."""
    reported = literature.PATIENT_LEVEL[0].accuracy
    known = frame[frame["accuracy"].notna()]
    places = [words.where(reported, r.low, r.high) for r in known.itertuples()]
    if not places:
        return "None of these has been trained on all five folds yet."
    if len(places) > 1 and len(set(places)) == 1:
        lies = f"{places[0]} the intervals of all {len(places)}"
    else:
        each = [f"{where} that of *{model}*" for model, where in zip(known["model"], places)]
        lies = ", ".join(each).replace("that of", "the interval of", 1)
    table = known_groups.load()
    traced = table.loc[table["source"] != "unknown", "patient"]
    unknown = (~table["patient"].isin(traced) & (table["class"] != "notumor")).sum()
    return f"The reported {reported:.2%} lies {lies}. The method was given the tumour's outline. Here {unknown} tumour images are of unknown patients, and no outline is given."


def fewer_classes(three: Sequence[Any], four: Sequence[Any], dataset: Any) -> str:
    """What leaving the no-tumour class out of training changes on the tumour images, with ImageNet weights."""
    three, four = worth.paired(ablation.whole(three), ablation.whole(four))
    if not three:
        return ""
    pictures = worth.pictures(dataset)
    change = worth.change(three, four, splits.clusters(dataset), pictures, TUMOURS)
    said = words.outcome(change, "a fall", "a rise")
    return (
        f"With ImageNet weights, trained on three classes minus trained on four, on the same tumour images: {said}. "
        f"To leave the class out also takes an answer away that is always wrong on these images: {shortcuts.gone(four, three, dataset, pictures)}."
    )


PRICED = ["n", "seconds", "low", "high", "epochs", "devices"]  # columns of `comparison.training`


def price(small: Sequence[Any], large: Sequence[Any]) -> pd.DataFrame:
    """One line a side: size (pixels), parameters, macs and flops of one image, n runs, seconds of stages 1 and 2 (mean, and low
    to high), devices, and the seconds of its stage 0 (0 where it has none)."""
    lines = []
    for side, records in zip(SIDES, (small, large)):
        if not records:
            continue
        chosen = records[0].settings
        spent = comparison.training({side: records}).iloc[0]
        starts = [r for found in training.stage0_records(records).values() for r in found]
        before = sum(stage["seconds"] for r in starts for stage in r.info["stages"]) / len(records)
        lines.append({"side": side, "size": chosen.data.image_size, **costs.of_settings(chosen),
                      **spent[PRICED], "stage0": before})  # fmt: skip
    columns = ["side", "size", "parameters", "macs", "flops", *PRICED, "stage0"]
    return pd.DataFrame(lines, columns=columns)


def price_words(frame: pd.DataFrame) -> str:
    """What ImageNet networks cost beside miniatures, and how far seconds compare; "" where one side has no run. frame: of `price`."""
    if len(frame) < 2:
        return ""
    small, large = frame.iloc[0], frame.iloc[1]
    more, weights = (large[name] / small[name] for name in ("macs", "parameters"))
    return (
        f"For one image the networks with ImageNet weights take {more:.3g} times the multiply-adds of the miniatures, with {weights:.3g} times the parameters; they need "
        f"no stage 0. Their stages 1 and 2 took {large['seconds'] / small['seconds']:.2g} times as long in the mean, "
        f"{(large['seconds'] + large['stage0']) / (small['seconds'] + small['stage0']):.2g} times with the miniatures' stage 0. Seconds are of unlike machines and loads (the runs "
        f"of one row differ by a factor of up to {max(small['high'] / small['low'], large['high'] / large['low']):.2g}), so only the multiply-adds compare."
    )


def price_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`price` for readers."""
    if frame.empty:
        return pd.DataFrame([{"Model": names.ABSENT}])
    return pd.DataFrame(
        {
            "Model": _head(r.side),
            "Image": f"{r.size}×{r.size}",
            "Parameters": f"{r.parameters:,}",
            "Multiply-adds": amount(r.macs),
            "Stage 0 (s)": f"{r.stage0:,.0f}" if r.stage0 else "–",
            "Stages 1 and 2 (s)": f"{r.seconds:,.0f} ({r.low:,.0f} to {r.high:,.0f})",
            "Runs": r.n,
            "On": r.devices,
        }
        for r in frame.itertuples()
    )


def on_tumours(large: Mapping[str, Sequence[Any]], dataset: Any) -> dict[str, pd.Series]:
    """Protocol to `accuracies.pooled` of four-class runs on tumour images alone, of the seeds that have all folds."""
    known = split_records.whole({protocol: large.get(protocol, ()) for protocol in folds.NAMES})
    found = accuracies.levels(known, splits.clusters(dataset), worth.pictures(dataset), TUMOURS)
    return dict(found.assign(protocol=found.index).iterrows())


def not_more(
    alone: pd.DataFrame,
    three: Sequence[Any],
    four: Mapping[str, pd.Series],
    counts: pd.DataFrame,
    chosen: Any,
    theirs: Any,
) -> str:
    """Why the three-class accuracy with ImageNet weights is not higher: what the runs tell, and what is a guess, called one.

    alone: of `tumours`; three: the runs with ImageNet weights that were trained on three classes; four: of `on_tumours`; counts:
    `ablation.measure("transfer", …)`; chosen, theirs: settings of the profiles `transfer` and `paper`.
    """
    best, reported = alone.iloc[-1], literature.PATIENT_LEVEL[0].accuracy
    if not np.isfinite(best["accuracy"]):
        return "Three classes with ImageNet weights have not been trained on all five folds, so there is nothing to explain."
    level = "{:.1%} ({:.1%} to {:.1%}, by picture {:.1%})".format(
        *best[["accuracy", "low", "high", "picture"]]
    )
    text = (
        f"Trained on three classes with ImageNet weights, the model is right on {level} of the tumour images"
    )
    goal = "reached" if best["accuracy"] > GOAL else "not reached"
    text += f" with patients apart. The goal set for it, above {GOAL:.0%}, is {goal}: {GOAL:.0%} lies {words.where(GOAL, best['low'], best['high'])} that interval"
    if reported <= best["high"]:
        return f"{text}; the reported {reported:.2%} is not above that interval, so no shortfall is shown."
    said = []
    if set(folds.NAMES) <= set(four):
        random, apart = (four[p] for p in ("paper", "patients"))
        more = "where copies and patients are shared, the same networks get further at the same image size"
        said.append(
            f"the same recipe, trained on four classes and judged on the same three, is right, in percent, on {accuracies.both(random)} of the random split's "
            f"tumour images ({words.plural(random.seeds, 'seed')}) and on {accuracies.both(apart)} of the folds' ({words.plural(apart.seeds, 'seed')})"
            + words.beside_interval(apart, random, f": {more}", "", "; the two intervals meet")
        )
    last = pd.concat([training.kept(r) for r in three]).query("stage == 2") if len(three) else pd.DataFrame()
    if len(last):
        end = int((last["best_epoch"] == last["epochs"]).sum())
        said.append(
            f"at the kept epoch of stage 2, three classes, training answers {last['accuracy'].mean():.1%} of its augmented and mixed images and validation "
            f"{last['val_accuracy'].mean():.1%} of plain images of other patients; the last epoch was the one kept in {end} of {words.plural(len(last), 'run')}"
            + (", where more epochs might have gone further" if end else "")
        )
    guesses = [
        f"images of {chosen.data.image_size} pixels in place of {theirs.data.image_size}",
        f"smaller networks ({' and '.join(chosen.model.backbones)}) in place of {' and '.join(map(names.backbone_name, theirs.model.backbones))}",
        f"{chosen.training.stage1_epochs} and {chosen.training.stage2_epochs} epochs in place of up to {theirs.training.stage1_epochs} and {theirs.training.stage2_epochs}",
    ]
    free = ablation.others(counts).set_index("row")["pairs"].get("All layers free in stage 2", 0)
    if not free:
        guesses.append(
            f"no more than {chosen.training.unfrozen:.0%} of the layers set free in stage 2, which is the paper's share too"
        )
    once = (
        " It is one seed, and what another would give is not known."
        if best["seeds"] == 1
        else f" It is the mean over {best['seeds']:.0f} seeds."
    )
    return (
        f"{text}, and so does the reported {reported:.2%}. {'What the runs tell' if said else 'The runs tell nothing of it'}"
        + (": " + "; ".join(said) if said else "")
        + f".{once} The reported figure used the tumour's outline, which the model is not given; how much that is worth is not measured here.\n\n"
        f"What could be the cause besides is a guess, since no run here differs from these in that alone: {'; '.join(guesses)}."
        + (" How many layers stage 2 sets free is measured above." if free else "")
    )
