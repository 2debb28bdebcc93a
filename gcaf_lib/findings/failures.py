"""Chapter 21: where a model fails, by patient, source, size, view and copy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, dataset_audit, units, worth
from gcaf_lib.findings import image_answers, map_localisation, words

SHARES = ("lowest third", "middle third", "highest third")


def answers_with_covariates(
    records: Sequence[Any], dataset: Any, images: pd.DataFrame, facts: dataset_audit.Audit
) -> pd.DataFrame:
    """One row a test image and run: `image_answers.of_run`, run, group, twin (group of copies), source, area, symmetry
    and wrong (1.0 or 0.0). images: of `tumours.read_images`."""
    parts = [image_answers.of_run(r, dataset).assign(run=r.key) for r in records]
    out = pd.concat(parts, ignore_index=True)
    groups, twins = splits.clusters(dataset), units.pictures(dataset)
    of_images = {"group": groups, "twin": twins, "source": file_sources(dataset, facts)}
    of_images |= {name: images[name].to_numpy() for name in ("area", "symmetry")}
    found = {name: values[out["row"]] for name, values in of_images.items()}
    return out.assign(**found, wrong=(~out["right"]).astype(float))


def file_sources(dataset: Any, facts: dataset_audit.Audit) -> np.ndarray:
    """Where each file (N,) comes from, as far as it was found out: `dataset_audit.SOURCES`, or "phantom"."""
    if dataset.banner:
        return np.full(len(dataset.frame), "phantom", dtype=object)
    flag = dataset.frame["file"].map(facts.slices.set_index("file")["mirrored"])
    *known, other = dataset_audit.SOURCES
    return np.select([flag == 1, flag == 0], known, other).astype(object)


def rates(frame: pd.DataFrame, column: str, order: Sequence[Any]) -> pd.DataFrame:
    """label, mean, low, high, n, groups of the error rate by a column, patient groups drawn whole."""
    out = clustered.by(frame, [column], "wrong", kind=clustered.share).set_index(column).rename_axis("label")
    return out.reindex([label for label in order if label in out.index]).reset_index()


def rates_within(
    frame: pd.DataFrame, column: str, order: Sequence[Any], classes: Sequence[str]
) -> pd.DataFrame:
    """`rates` in each class, with a column class; no row where there is no answer."""
    found = [
        rates(part, column, order).assign(**{"class": CLASS_NAMES[classes[label]]})
        for label, part in frame.groupby("label")
    ]
    return pd.concat(found, ignore_index=True) if found else rates(frame, column, ()).assign(**{"class": ""})


def thirds(values: pd.Series, names: Sequence[str] = SHARES) -> pd.Series:
    """Which third each value lies in, by name; NaN stays unknown (None)."""
    edges = np.nanquantile(values, [1 / 3, 2 / 3])
    number = np.searchsorted(edges, values.to_numpy(float))
    out = pd.Series(np.asarray(names, dtype=object)[np.minimum(number, 2)], index=values.index)
    return out.where(values.notna(), None)


def spread(wrong: np.ndarray, groups: np.ndarray, draws: int = 300) -> pd.DataFrame:
    """groups, errors, low, high: share of all errors in the share of groups with most of them.

    low and high: 95% of draws in which as many errors fall on images at random, whatever their patient.
    Groups without errors count as well. Without any error the frame has no rows.
    """
    wrong, code = np.asarray(wrong, float), pd.factorize(np.asarray(groups))[0]
    if not wrong.sum():
        return pd.DataFrame(columns=["groups", "errors", "low", "high", "chance"])

    def curve(values: np.ndarray) -> np.ndarray:
        count = np.sort(np.bincount(code, weights=values))[::-1]
        return np.r_[0, np.cumsum(count) / count.sum()]

    own, rng = curve(wrong), np.random.default_rng(0)
    chance = np.stack([curve(rng.permutation(wrong)) for _ in range(draws)])
    low, high = np.quantile(chance, [0.025, 0.975], axis=0)
    x = np.arange(len(own)) / (len(own) - 1)
    return pd.DataFrame({"groups": x, "errors": own, "low": low, "high": high, "chance": chance.mean(0)})


def copy_pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """Pairs of copies of one picture that one run judged: run, twin, group, same (answer).

    What differs between copies is no medicine. Within a set of copies the first is paired with each other one.
    """
    first = frame.drop_duplicates(["run", "twin"])
    pairs = first.merge(frame.drop(first.index), on=["run", "twin"], suffixes=("_first", ""))
    same = (pairs["predicted"] == pairs["predicted_first"]).astype(float)
    return pairs[["run", "twin"]].assign(group=pairs["group_first"], same=same)


def confusions(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Kinds of error, most frequent first: True class, Named, Errors, Share, Mean confidence."""
    wrong = frame[~frame["right"]]
    by = wrong.groupby(["label", "predicted"])["confidence"].agg(errors="size", mean="mean").reset_index()
    out = by.sort_values("errors", ascending=False, ignore_index=True)
    names = [CLASS_NAMES[c] for c in classes]
    columns = {
        "True class": [names[k] for k in out["label"]],
        "Named": [names[k] for k in out["predicted"]],
        "Errors": out["errors"],
        "Share of all errors": [f"{v:.1%}" for v in out["errors"] / max(len(wrong), 1)],
        "Mean confidence": out["mean"].round(3),
    }
    return pd.DataFrame(columns)


# --- the chapter's tables and sentences, in its order ---


def used_said(answers: pd.DataFrame, records: Sequence[Any], dataset: Any) -> str:
    """Which runs the page looks at, and how many of their answers are wrong, by image and, where copies stay together, by picture."""
    groups, split = splits.clusters(dataset), records[0].settings.data.protocol
    right = worth.of_runs(records, groups, ["accuracy"])["accuracy"]
    copied = worth.by_picture(records, groups, units.pictures(dataset), ["accuracy"]).get("accuracy")
    where = f"on the `{split}` split, as there is none over the five patient-disjoint folds"
    return (
        f"Used here: {words.plural(len(records), 'run')} {'on patient-disjoint folds' if split == 'patients' else where}. "
        f"{int(answers['wrong'].sum()):,} of {len(answers):,} answers on "
        f"{answers['row'].nunique():,} images are wrong: {1 - right.value:.1%} ({1 - right.high:.1%} to "
        f"{1 - right.low:.1%}, {words.OVER}{'' if copied is None else f'; by picture {1 - copied.value:.1%}'})."
    )


def of_tumours(answers: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The answers on images of a tumour class."""
    return answers[answers["label"].map(lambda k: classes[k] != "notumor")]


def by_patient(tumour: pd.DataFrame) -> pd.DataFrame:
    """Patient groups (index): answers, wrong ones, images, and the label of most of them."""
    frame = tumour.groupby("group").agg(
        answers=("wrong", "size"), wrong=("wrong", "sum"), images=("row", "nunique")
    )
    return frame.assign(label=tumour.groupby("group")["label"].agg(lambda s: s.mode().iloc[0]))


def concentration(tumour: pd.DataFrame) -> pd.DataFrame:
    """`spread` of the images' errors in all runs over their patient groups."""
    each = tumour.groupby("row").agg(wrong=("wrong", "sum"), group=("group", "first"))
    return spread(each["wrong"].to_numpy(), each["group"].to_numpy())


def patients_said(by_group: pd.DataFrame, shares: pd.DataFrame) -> str:
    """How few patients hold the errors; by_group: `by_patient`; shares: `concentration`."""
    several = by_group["images"] >= 5
    throughout = several & (by_group["wrong"] == by_group["answers"])
    text = (
        f"{len(by_group):,} groups hold the {by_group['images'].sum():,} tumour images; {(by_group['wrong'] == 0).mean():.0%} of them "
        f"have no error at all, and {throughout.sum()} of the {several.sum()} with five images or more are wrong throughout. "
    )
    if shares.empty:
        return text
    tenth = shares.iloc[round(0.1 * (len(shares) - 1))]
    return (
        f"{text}The tenth of the groups with the most errors holds {tenth.errors:.0%} of all errors; if errors fell on images at random it would hold {tenth.chance:.0%} "
        f"({tenth.low:.0%} to {tenth.high:.0%}): "
    ) + (
        "errors cluster in patients, so that images are no independent samples and intervals over images are too narrow."
        if tenth.errors > tenth.high
        else "no more than chance explains."
    )


def worst(by_group: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The ten patient groups with the most wrong answers, for readers."""
    top = by_group.sort_values(["wrong", "images"], ascending=False).head(10).reset_index()
    return pd.DataFrame(
        {
            "Group": [f"no. {g}" for g in top["group"]],
            "Class": [CLASS_NAMES[classes[k]] for k in top["label"]],
            "Images": top["images"],
            "Wrong answers": top["wrong"].astype(int),
            "Of": top["answers"],
        }
    )


def rates_text(frame: pd.DataFrame, head: str) -> pd.DataFrame:
    """`rates` for readers, after a column `class` where the frame has one."""
    heads = {"class": "Class", "label": head, "n": "Answers", "groups": "Patient groups"}
    table = frame[[name for name in heads if name in frame]].rename(columns=heads)
    return table.assign(**{"Wrong (%)": words.spans(frame, "mean", 1, 100)})


def copy_pairs_said(pairs: pd.DataFrame) -> str:
    """How often two copies of one picture get the same answer; pairs: `copy_pairs`."""
    if pairs.empty:
        return "No run judged two copies of one picture."
    same = clustered.share(pairs["same"], pairs["group"])
    ends = f" ({same.low:.1%} to {same.high:.1%})" if np.isfinite(same.low) else ""
    return (
        f"**One picture, two files.** The first file of each picture beside each other copy of it (turned, brightened or cut out anew ones included) that the same "
        f"run judged: {words.plural(len(pairs), 'pair')}. "
        f"The model gives both the same answer in {same.value:.1%}{ends}: where it doesn't, "
        "what changed its mind is how a file shows the picture, or what little two nearly identical slices differ in."
    )


def by_size(tumour: pd.DataFrame) -> pd.DataFrame:
    """`rates` by fifths of the tumour's share of the image, where the border is known."""
    sized = tumour[tumour["area"].notna()]
    cuts = np.quantile(sized["area"], [0.2, 0.4, 0.6, 0.8])
    ranges = [f"{a:.1%} to {b:.1%}" for a, b in itertools.pairwise([0, *cuts, sized["area"].max()])]
    fifth = np.asarray(ranges, dtype=object)[np.searchsorted(cuts, sized["area"])]
    return rates(sized.assign(fifth=fifth), "fifth", ranges)


def by_size_within(tumour: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """`rates` by thirds of the tumour's size within each class, with a column class."""
    sized = tumour[tumour["area"].notna()]
    third = sized.groupby("label")["area"].transform(thirds, map_localisation.TERCILES)
    return rates_within(sized.assign(third=third), "third", map_localisation.TERCILES, classes)


def tumour_sizes_said(within: pd.DataFrame) -> str:
    """In which classes small or large tumours fail more often ("": all of one size); within: `by_size_within`."""
    said = []
    for name, part in within.groupby("class", sort=False):
        third = part.set_index("label")
        if not {map_localisation.TERCILES[0], map_localisation.TERCILES[2]} <= set(third.index):
            continue  # tumours of one size
        small, large = (third.loc[map_localisation.TERCILES[k]] for k in (0, 2))
        word = words.beside_interval(
            small,
            large,
            "large ones fail more often",
            "small ones fail more often",
            "no detectable difference between small and large",
            "can't be told, of one patient",
        )
        said.append(f"{name.lower()}: {word}")
    if not said:
        return ""
    return f"Within the classes (comparing intervals, a cautious test): {'; '.join(said)}."


def by_source(tumour: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """`rates` by source within each class, with the column class and how often the answer is *no tumour*: none, none_low, none_high."""
    order = [*dataset_audit.SOURCES, "phantom"]
    own, none = (
        rates_within(tumour.assign(wrong=counted), "source", order, classes)
        for counted in (tumour["wrong"], _called_none(tumour, classes))
    )
    return own.join(none[["mean", "low", "high"]].set_axis(["none", "none_low", "none_high"], axis=1))


def _called_none(answers: pd.DataFrame, classes: Sequence[str]) -> pd.Series:
    return answers["predicted"].map(lambda k: classes[k] == "notumor").astype(float)


def by_source_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`by_source` for readers."""
    none = frame[["none", "none_low", "none_high"]].set_axis(["mean", "low", "high"], axis=1)
    return rates_text(frame, "Source").assign(**{"Named no tumour (%)": words.spans(none, "mean", 1, 100)})


def sources_said(tumour: pd.DataFrame, classes: Sequence[str]) -> str:
    """Whether tumours of unknown origin are taken for *no tumour* more often than the archive's, mirrored or not."""
    other = dataset_audit.SOURCES[-1]
    said, compared, more = [], 0, False
    for label, part in tumour.groupby("label"):
        unknown, called = part["source"] == other, _called_none(part, classes)
        if unknown.all() or not unknown.any():
            continue
        a, b = (clustered.share(called[side], part.loc[side, "group"]) for side in (~unknown, unknown))
        compared += 1
        more |= b.low > a.high
        if b.low > a.high or b.high < a.low:
            said.append(
                f"{CLASS_NAMES[classes[label]].lower()}: {words.percent(b.value)}% of the answers on files of unknown origin are *no tumour* ({words.percent(b.low)} to "
                f"{words.percent(b.high)}), and {words.percent(a.value)}% on the archive's ({words.percent(a.low)} to {words.percent(a.high)})"
            )
    if not compared or "notumor" not in classes:
        return ""
    if not said:
        return "In no class is *no tumour* named more or less often on files of one source than on the archive's, as far as these intervals show."
    none = tumour[_called_none(tumour, classes) == 1]
    text = (
        f"Compared within the classes, because the sources hold other classes: {'; '.join(said)}. Of the {len(none):,} answers *no tumour* on tumour images "
        f"{(none['source'] == other).sum():,} fall on files of unknown origin, on which {(tumour['source'] == other).mean():.0%} of all answers on tumour images are."
    )
    if not more:
        return text
    return (
        text
        + " The images without a tumour are not the archive's either: a model that takes where a file comes from for a sign of health would answer like this. By eye most "
        "meningiomas of unknown origin look like T1 with contrast agent, as the archive's are ([datasheet](/datasheet.md)), so sequence and agent alone do not explain it; what "
        "does is not known."
    )


def by_view(tumour: pd.DataFrame) -> pd.DataFrame:
    """`rates` by thirds of the picture's mirror symmetry."""
    return rates(tumour.assign(view=thirds(tumour["symmetry"])), "view", SHARES)


def surest(answers: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers, the surest first, one an image."""
    wrong = answers[~answers["right"]].sort_values("confidence", ascending=False, kind="stable")
    return wrong.drop_duplicates("row")


def pictured(wrong: pd.DataFrame) -> pd.DataFrame:
    """The first eight of `surest`, one a picture: its copies would show it again."""
    return wrong.drop_duplicates("twin").head(8)


def surest_table(top: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Some of `surest` for readers."""
    names = np.array([CLASS_NAMES[c] for c in classes])
    return pd.DataFrame(
        {
            "File": top["file"],
            "True class": names[top["label"]],
            "Named": names[top["predicted"]],
            "Confidence": [f"{c:.3f}" if c < 0.9995 else "> 0.999" for c in top["confidence"]],
            "Source": top["source"],
        }
    ).reset_index(drop=True)


def surest_said(wrong: pd.DataFrame, mislabelled: pd.DataFrame) -> str:
    """How many mistakes were sure ones, and how many of those stand in the wrong folder; wrong: `surest`."""
    sure = wrong[wrong["confidence"] > 0.9]
    text = (
        f"{len(sure):,} of the {words.plural(len(wrong), 'misclassified image')} ({words.plural(sure['twin'].nunique(), 'picture')}) {words.verb(len(sure), 'was', 'were')} given a wrong answer with a "
        "confidence above 0.9 by at least one run"
    )
    if mislabelled.empty:
        return text + "."
    both = sure["file"].isin(mislabelled["file"]).sum()
    return f"{text}; {both} of these are among the mislabelled files below."


def mislabelled_table(
    mislabelled: pd.DataFrame, answers: pd.DataFrame, classes: Sequence[str]
) -> pd.DataFrame:
    """Files whose folder contradicts the archive, with every answer given to them; mislabelled: `dataset_audit.mislabelled`."""
    named = answers["predicted"].map(lambda k: CLASS_NAMES[classes[k]])
    given = named.groupby(answers["file"]).agg(", ".join)
    return pd.DataFrame(
        {
            "File": mislabelled["file"],
            "Folder": mislabelled["here"].map(CLASS_NAMES),
            "The archive": mislabelled["class"].map(CLASS_NAMES),
            "The model, tested on it": mislabelled["file"].map(given).fillna("not in a test part here"),
        }
    )


def mislabelled_said(mislabelled: pd.DataFrame, answers: pd.DataFrame, classes: Sequence[str]) -> str:
    """How often the model sides with the archive against the folder."""
    judged = answers[answers["file"].isin(mislabelled["file"])]
    if mislabelled.empty:
        return "No file of this data contradicts its archive."
    if judged.empty:
        return "None of them stands in the test parts used here."
    truth = judged["file"].map(mislabelled.set_index("file")["class"])
    hits = (judged["predicted"].map(lambda k: classes[k]) == truth).sum()
    return (
        f"In {hits} of {len(judged)} answers on these files the model sides with the archive against the label it is scored by. "
        f"They are {len(judged) / len(answers):.2%} of all answers here and can move the accuracy by no more than that, a class's recall by more; where the archive is right, a score of 100% would be an error."
    )
