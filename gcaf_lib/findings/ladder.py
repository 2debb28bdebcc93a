"""The ladder's rows: the model's records and the floors on one scale, with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.data import exposure, groups, splits
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import folds, intervals, worth
from gcaf_lib.evaluation.hints import TUMOURS
from gcaf_lib.findings import ablation, words
from gcaf_lib.paper import literature
from gcaf_lib.settings import CLASSES, PROTOCOLS

MODEL = "Proposed model"
IMAGENET = "With ImageNet weights"  # the proposed model of the profile `transfer`, beside that of another
TRANSFER = "transfer"
FLOOR_NAMES = {
    "1nn": "1-NN on pixels",
    "1nn-mirror": "1-NN, mirror-aware",
    "size": "file size and mode",
    "border": "image border",
    "masked": "tumour masked out",
}
LOOK_UPS = (FLOOR_NAMES["1nn"], FLOOR_NAMES["1nn-mirror"])


def ladder_records(chapter: Any) -> dict[str, list[Any]]:
    """Records of the experiment "ladder" by protocol."""
    found = chapter.records("ladder")
    return {protocol: found[protocol] for protocol in PROTOCOLS if protocol in found}


def imagenet_records(chapter: Any) -> dict[str, list[Any]]:
    """`ladder_records` of the profile `transfer`, with all folds, to stand beside miniatures; none beside phantoms."""
    if chapter.phantoms or chapter.settings.model.scale != "mini":
        return {}
    return whole(ladder_records(chapter.under(TRANSFER)))


def whole(records: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Those of the seeds that have all folds of their split, where there are any; by whatever name they stand."""
    kept = {name: ablation.whole(group) for name, group in records.items()}
    return {name: group for name, group in kept.items() if group}


def single_records(chapter: Any) -> list[Any]:
    """Runs of the proposed model on the single split `patients`, whose training part is larger than a fold's."""
    found = chapter.under(chapter.profile, {"data.protocol": "patients"}).records()
    return [one for group in found.values() for one in group]


def three_class_records(chapter: Any) -> list[Any]:
    """Runs of the proposed model on the three tumour classes, on patient-disjoint folds."""
    return chapter.records("shortcuts").get("patients, three classes", [])


def three_classes(chapter: Any) -> dict[str, list[Any]]:
    """Model to its `three_class_records`, of `chapter` and of the profile `transfer`."""
    sides = {MODEL: chapter} | ({IMAGENET: chapter.under(TRANSFER)} if imagenet_records(chapter) else {})
    return {name: three_class_records(side) for name, side in sides.items()}


SCORES = {"accuracy": ("accuracy", "low", "high"), "macro_f1": ("macro_f1", "f1_low", "f1_high")}
BY_PICTURE = {
    "accuracy": ("picture", "picture_low", "picture_high"),
    "macro_f1": ("picture_f1", "picture_f1_low", "picture_f1_high"),
}
COLUMNS = [name for scores in (SCORES, BY_PICTURE) for three in scores.values() for name in three]
# accuracy minus that of the better look-up on the same images: by file, by picture
AHEAD = (("ahead", "ahead_low", "ahead_high"), ("picture_ahead", "picture_ahead_low", "picture_ahead_high"))
BETTER = ("look_up", "picture_look_up")  # the look-up that `AHEAD` is beside


TOGETHER = (*splits.GROUPED, splits.FIVEFOLD, folds.NAMES["patients"])  # splits that keep copies together


def both(line: Any) -> str:
    """`85.9 (84.0 to 87.6), by picture 86.4`: accuracy of a line with protocol and `COLUMNS`; by picture on `TOGETHER`."""
    text = words.band(line.accuracy, line.low, line.high)
    return words.beside(text, line.picture) if line.protocol in TOGETHER else text


def pooled(
    records: Sequence[Any],
    clusters: np.ndarray,
    pictures: np.ndarray,
    keep: Sequence[str] | None = None,
) -> dict[str, float | int]:
    """`COLUMNS` (accuracy and macro-F1 with intervals, by image and by picture), seeds, folds, images of some runs.

    What `worth.row` says, so that the digits are the scorecard's. clusters (N,): patient groups. pictures (N,):
    `worth.pictures`. keep: only test images of these classes are judged.
    """
    out: dict[str, float | int] = {}
    answers = worth.of_records(records, keep)
    for names, weights in ((SCORES, None), (BY_PICTURE, pictures)):
        levels = worth.scores(answers, clusters, list(names), pictures=weights)
        for metric, three in names.items():
            out |= dict(zip(three, _ends(levels[metric])))
    rows = np.concatenate([fold.rows for one in answers for fold in one])
    return out | {
        "seeds": len(answers),
        "folds": len(answers[0]),
        **worth.sizes(rows, clusters, pictures),
    }


def levels(
    found: Mapping[str, Sequence[Any]],
    clusters: np.ndarray,
    pictures: np.ndarray,
    keep: Sequence[str] | None = None,
) -> pd.DataFrame:
    """`pooled`, a line each, of runs by whatever name they stand; without a run there is no line."""
    known = {name: pooled(group, clusters, pictures, keep) for name, group in found.items() if group}
    return pd.DataFrame.from_dict(known, orient="index")


def rests(line: Any) -> str:
    """`words.rests` of a line with `pooled`'s columns, on which one part is a split without folds."""
    basis = {"n": line.seeds, "folds": line.folds if line.folds > 1 else 0}
    return words.rests(basis | {name: getattr(line, name) for name in ablation.SIZES})


def rows(
    records: Mapping[str, list[Any]],
    floors: pd.DataFrame,
    clusters: np.ndarray,
    pictures: np.ndarray,
    imagenet: Mapping[str, list[Any]] | None = None,
    said: Mapping[tuple[str, str], worth.Answers] | None = None,
) -> pd.DataFrame:
    """method, kind, protocol, and `pooled`'s columns: floors on every split, the model where it has records, on each split of all
    seeds run there (in all folds), as on other pages; of the model also `AHEAD` and `BETTER`.

    imagenet: of `imagenet_records`; said: of `floors.read_answers` (without it `AHEAD` is unknown). On `patients` the floors
    are those of the five folds, as the model's runs are.
    """
    kept = floors[floors["protocol"] != "patients"].replace({"protocol": {splits.FIVEFOLD: "patients"}})
    out = kept.assign(
        method=kept["floor"].map(FLOOR_NAMES),
        kind="floor",
        images=kept["n"],
        folds=np.where(kept["protocol"] == "patients", splits.FOLDS, 1),
    )
    rows = [
        {"method": method, "kind": "model", "protocol": protocol, **pooled(group, clusters, pictures)}
        | ahead(group, protocol, said or {}, clusters, pictures)
        for method, known in ((MODEL, records), (IMAGENET, imagenet or {}))
        for protocol, group in known.items()
        if group
    ]
    basis = ["seeds", "folds", *ablation.SIZES]
    columns = ["method", "kind", "protocol", *COLUMNS, *AHEAD[0], *AHEAD[1], *BETTER, *basis]
    return pd.concat([pd.DataFrame(rows), out], ignore_index=True).reindex(columns=columns)


def ahead(
    records: Sequence[Any],
    protocol: str,
    said: Mapping[tuple[str, str], worth.Answers],
    clusters: np.ndarray,
    pictures: np.ndarray,
) -> dict[str, float | str]:
    """`AHEAD` and `BETTER` of some runs on a split, beside the better of the look-ups whose answers there are known; else nothing."""
    own, place = worth.of_records(records), splits.FIVEFOLD if protocol == "patients" else protocol
    tested, out = np.concatenate([part.rows for part in own[0]]), {}
    others = {floor: [[_only(one, tested)]] for (floor, split), one in said.items() if split == place}
    for names, better, weights in zip(AHEAD, BETTER, (None, pictures)) if others else ():
        leads = {
            floor: worth.minus(own, other, clusters, pictures=weights)["accuracy"]
            for floor, other in others.items()
        }
        least = min(leads, key=lambda floor: leads[floor].value)
        out |= dict(zip(names, _ends(leads[least]))) | {better: FLOOR_NAMES[least]}
    return out


def distances(frame: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `AHEAD` in `rows`: a line a model and split, with what it rests on and the look-up."""
    order = {protocol: k for k, protocol in enumerate(PROTOCOLS)}
    models = frame[frame["kind"] == "model"]
    lines = []
    for _, r in models.sort_values("protocol", key=lambda one: one.map(order), kind="stable").iterrows():
        file, picture = (r[name] if isinstance(r[name], str) else "–" for name in BETTER)
        look_up = file if file == picture else f"{file}; by picture {picture}"
        leads = (words.shift(lead, 1, 100) for lead in _leads(r))
        lines.append((r.method, _split(r.protocol), rests(r), look_up, *leads))
    heads = ["Model", "Split", "Compared", "Look-up", "Minus it", "By picture"]
    return pd.DataFrame(lines or [("no run yet", *"–––––")], columns=heads)


def wide(
    frame: pd.DataFrame, metric: str = "accuracy", scores: Mapping[str, Sequence[str]] = SCORES
) -> pd.DataFrame:
    """A reader's table of `rows`: methods down, protocols across, `band`s in the cells; scores: `SCORES` or `BY_PICTURE`."""
    out = {}
    for protocol in PROTOCOLS:
        part = frame[frame["protocol"] == protocol].set_index("method")
        cells = part[list(scores[metric])].to_numpy(float)
        out[_split(protocol)] = dict(zip(part.index, (words.band(*row) for row in cells)))
    table = pd.DataFrame(out, list(dict.fromkeys(frame["method"])), dtype=object).fillna("no run yet")
    return table.rename_axis("Method").reset_index()


def exposed(dataset: Any) -> pd.DataFrame:
    """`data.exposure.read`, and with_either: share of the test images with a copy or a slice of the same patient in training.

    with_either is by the groups of the split `patients`, so on that split it is 0 by construction.
    """
    shares, clusters = exposure.read(dataset), splits.clusters(dataset)
    names = np.array(CLASSES)[dataset.frame["label"].to_numpy(int)]
    seen = []
    for protocol in shares["protocol"].unique():
        for part in exposure.parts(protocol, dataset):
            test, known = part == "test", clusters[part == "train"]
            one = {"protocol": protocol, "class": names[test], "with_either": np.isin(clusters[test], known)}
            seen.append(pd.DataFrame(one))
    table = pd.concat(seen)
    both = pd.concat([table, table.assign(**{"class": "all"})])
    return shares.join(both.groupby(["protocol", "class"])["with_either"].mean(), on=["protocol", "class"])


def wide_exposure(shares: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `exposed`: splits down; test images, share with a copy (of all and by class), with a slice of the
    same patient, and with either in training."""
    whole = shares[shares["class"] == "all"].set_index("protocol")
    out = pd.DataFrame({"Test images": whole["images"], "A copy": whole["with_copy"].map("{:.1%}".format)})
    for name in CLASSES:
        own = shares[shares["class"] == name].set_index("protocol")["with_copy"]
        out[f"A copy, {CLASS_NAMES[name].lower()}"] = own.map("{:.1%}".format)
    out["Same patient"] = whole["with_patient"].map("{:.1%}".format)
    out["A copy or the same patient"] = whole["with_either"].map("{:.1%}".format)
    return out.reindex([p for p in splits.MANIFESTS if p in out.index]).rename_axis("Split").reset_index()


def _made(line: Any) -> str:
    """`this book, 2 seeds, 5 of 5 folds`: where a line's score on patient-disjoint folds is from."""
    return f"this book, {words.plural(line.seeds, 'seed')}, {line.folds:.0f} of {splits.FOLDS} folds"


def beside_others(
    frame: pd.DataFrame, tracks: pd.DataFrame, three: Mapping[str, Mapping[str, float] | None]
) -> pd.DataFrame:
    """`literature.table`, and below what others report this book's scores on patient-disjoint folds.

    frame: `rows`; tracks: `hints.table`; three: `MODEL` and, where it is to be shown, `IMAGENET` to `pooled` of their
    three-class runs, or None.
    """
    lines = []
    for method, known in three.items():
        text, made = "no run yet under this profile", "this book"
        if known is not None:
            one = pd.Series({**known, "protocol": "patients"})
            text, made = both(one), _made(one)
        lines.append((f"{method}, three classes, here", "image", text, made))
    model = frame[(frame["kind"] == "model") & (frame["protocol"] == "patients")]
    lines += [(f"{r.method}, four classes, here", "image", both(r), _made(r)) for r in model.itertuples()]
    floors = tracks[(tracks["track"] == "three classes") & (tracks["protocol"] == splits.FIVEFOLD)]
    lines += [
        (FLOOR_NAMES[r.floor] + ", three classes, here", "image", both(r), "this book, 5 folds")
        for r in floors.itertuples()
        if r.floor in ("1nn", "1nn-mirror", "masked")
    ]
    others = literature.table()
    return pd.concat([others, pd.DataFrame(lines, columns=others.columns)], ignore_index=True)


# --- memory: look-up, falls and the control ---

PAPER_NETWORKS = {
    "demo": " These are phantoms: they show the mechanism, not its size in patients.",
    "cpu": " The model of this profile has miniature networks and small images. What is known of the paper's own networks, under the profile `paper`, is in "
    "chapter 25, and is not drawn here, because it was not run on every split. The floors are the same for both.",
}


def look_up(frame: pd.DataFrame, protocol: str) -> pd.Series:
    """Accuracy on a split of the better of `LOOK_UPS`: by file and by picture, each of the one that is better so."""
    own = frame[frame["method"].isin(LOOK_UPS) & (frame["protocol"] == protocol)]
    return pd.concat(
        [
            own.loc[own[three[0]].idxmax(), list(three)]
            for three in (SCORES["accuracy"], BY_PICTURE["accuracy"])
        ]
    )


def at_equal_seeds(
    records: Mapping[str, Sequence[Any]], clusters: np.ndarray, pictures: np.ndarray
) -> pd.DataFrame | None:
    """`pooled` on `paper` and on `patients`, of the seeds that both have; None where these are all of them, or none."""
    sides = {protocol: ablation.whole(records.get(protocol, ())) for protocol in ("paper", "patients")}
    seeds = [{r.seed for r in side} for side in sides.values()]
    common = set.intersection(*seeds)
    if not common or seeds[0] == seeds[1]:
        return None
    kept = {protocol: [r for r in side if r.seed in common] for protocol, side in sides.items()}
    return levels(kept, clusters, pictures)


def falls(
    frame: pd.DataFrame, published: float | None, equal: Mapping[str, pd.DataFrame | None] | None = None
) -> str:
    """What changes from the random split to patient-disjoint folds, from `rows`. published: the paper's accuracy, or None;
    equal: a model's `at_equal_seeds`."""
    score = frame.set_index(["method", "protocol"])
    near = {protocol: look_up(frame, protocol) for protocol in ("paper", "patients")}
    said = [_goes(name, score.loc[(name, "paper")], score.loc[(name, "patients")]) for name in LOOK_UPS]
    text = f"Two look-ups, without a network, from the random split to patient-disjoint folds: {'; '.join(said)}. "
    if published is not None:
        text += (
            f"The paper's {published:.2%} lies {words.where(published, near['paper'].low, near['paper'].high)} the interval of "
            "the better one on the random split. "
        )
    text += (
        "The two splits differ in what training has seen of the pictures and patients tested, in the images tested, and in how many "
        "images training has."
    )
    lines = [text]
    for method, name in ((MODEL, "The model"), (IMAGENET, "With ImageNet weights (chapter 25) it")):
        if not {(method, "paper"), (method, "patients")} <= set(score.index):
            continue
        a, b = score.loc[(method, "paper")], score.loc[(method, "patients")]
        same = (equal or {}).get(method)
        kept = (
            ""
            if same is None
            else f" Of the seeds that both have ({same.loc['paper', 'seeds']:.0f}): {changed(same.loc['paper'], same.loc['patients'])}."
        )
        lines.append(
            f"{_goes(name, a, b)} ({_seeds(a, b)}).{kept} On patient-disjoint folds "
            f"its distance to the better look-up is {words.points(*_leads(b))}; on the random split {words.points(*_leads(a))}."
        )
    lines.append(
        "In brackets behind a change from split to split is an interval put together from those of its two sides as if they had no image and no "
        "patient in common (Zou and Donner 2008). They have, so it is rather too wide."
    )
    if len(lines) > 2:  # a model
        lines[-1] += (
            f" A distance to a look-up is of answers to the same images, in pairs; its interval is {words.OVER}."
        )
    missing = [p for p in PROTOCOLS if (MODEL, p) not in score.index]
    if missing:
        lines.append(
            f"No run of the model under this profile yet on: {', '.join(map(_split, missing))}. Its line leaves them out."
        )
    return "\n\n".join(lines)


def fallen(frame: pd.DataFrame) -> bool:
    """Whether every look-up's interval on patient-disjoint folds lies below its interval on the random split."""
    score = frame.set_index(["method", "protocol"])
    return all(score.high[name, "patients"] < score.low[name, "paper"] for name in LOOK_UPS)


def _seeds(a: Any, b: Any) -> str:
    """`3 seeds`, or `5 seeds on the random split, 3 on the folds`."""
    one = words.plural(a.seeds, "seed")
    return one if a.seeds == b.seeds else f"{one} on the random split, {b.seeds:.0f} on the folds"


def _goes(name: str, a: Any, b: Any) -> str:
    """`1-NN goes from 95.3% (93.4% to 97.0%, by picture 94.7%) to 73.4% (…): −21.9 points, by picture −20.8`."""
    one, other = (f"{x.accuracy:.1%} ({x.low:.1%} to {x.high:.1%}{_copied(x)})" for x in (a, b))
    return f"{name} goes from {one} to {other}: {changed(a, b)}"


def changed(a: Any, b: Any) -> str:
    """`−21.9 points (−25.9 to −18.1), by picture −20.8 points (…)`: from one line to another, of `pooled`'s columns."""
    file, picture = changes(b, a)
    return words.points(file, picture if np.isfinite(picture.value) else None)


def changes(one: Any, other: Any) -> list[intervals.Interval]:
    """Accuracy of a line less another's by file and by picture, from the intervals of both."""
    return [
        intervals.minus(*(intervals.Interval(*side[list(three)]) for side in (one, other)))
        for three in (SCORES["accuracy"], BY_PICTURE["accuracy"])
    ]


def _leads(line: Any) -> list[intervals.Interval]:
    """`AHEAD` of a line of `rows`: by file and by picture."""
    return [intervals.Interval(*line[list(three)]) for three in AHEAD]


class Control(NamedTuple):
    """Accuracy on the same images by file and by picture, trained on a single split and on folds, and the first minus the second."""

    own: Sequence[worth.Worth]
    other: Sequence[worth.Worth]
    change: worth.Change


def control(
    folded: Sequence[Any], single: Sequence[Any], clusters: np.ndarray, pictures: np.ndarray
) -> Control | None:
    """`Control` on the test images of the single split `patients`, trained there (`single`) and on folds that test them, of the
    seeds that both have. Where that is one, it stands against all that the folds have (each has its own stage 0, so none is
    nearer). None where none is in common."""
    sides = [{one.seed: one for one in folds.pool(side)} for side in (single, ablation.whole(folded))]
    common = sorted(sides[0].keys() & sides[1].keys())
    if not common:
        return None
    tested = sides[0][common[0]].rows()
    seeds = (common, common if len(common) > 1 else sorted(sides[1]))
    both = [
        {seed: [_only(worth.answers(side[seed]), tested)] for seed in some}
        for side, some in zip(sides, seeds)
    ]
    levels = (
        [
            worth.scores(list(side.values()), clusters, ["accuracy"], pictures=weights)["accuracy"]
            for weights in (None, pictures)
        ]
        for side in both
    )
    return Control(*levels, worth.against(*both, clusters, pictures))


def _only(one: worth.Answers, tested: np.ndarray) -> worth.Answers:
    """The answers to the images `tested` (rows of the dataset). Raises `ValueError` where one was not tested."""
    kept = np.isin(one.rows, tested)
    if kept.sum() != len(tested):
        raise ValueError("two sides to be compared have different test images; compare runs of one split")
    return one._replace(rows=one.rows[kept], labels=one.labels[kept], probs=one.probs[kept])


def training_parts(dataset: Any, known: Control | None, sizes: Mapping[str, int]) -> str:
    """How many images training has on the two splits, and what a larger part changes. known: of `control`; sizes: `worth.sizes`
    of its test images."""
    random, single, fold = (_trained(dataset, p) for p in ("paper", "patients", splits.FIVEFOLD))
    text = (
        f"Training has {random} images on the random split and {fold} on a fold; how much of the "
        "differences above is due to that, these runs don't tell."
    )
    if known is None:
        return f"{text} A control would be the single split `patients`, with {single}: it was not run with the folds' seeds."
    (own, own1), (other, other1), change = known
    said = words.outcome(change, "fewer right", "more right")
    if change.each:
        against, copies = (
            ", ".join(words.signed(100 * value, 1) for value in some)
            for some in zip(*(one.values() for one in change.each.values()))
        )
        said += f". That is against the mean of the folds' {len(change.each)} seeds; against each: {against} points (by picture {copies})"
    return (
        f"{text} A control: on the single split `patients` training has {single}. There the model is right on {words.band(*_ends(own))}%, "
        f"by picture {words.percent(own1.value)}%; on the same images the models of the folds ({words.plural(other.n, 'seed')}) are right on {words.band(*_ends(other))}%, "
        f"by picture {words.percent(other1.value)}%; {words.rests({'n': own.n, 'folds': 0, 'protocol': 'patients', **sizes})}. With the larger part: {said}."
    )


def _ends(one: worth.Worth) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def _trained(dataset: Any, protocol: str) -> str:
    """`4,915 to 4,917`: images in the training part of a split, from the fewest to the most of its folds."""
    counts = [int((part == "train").sum()) for part in exposure.parts(protocol, dataset)]
    return " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))


def _split(protocol: str) -> str:
    """On patient-disjoint folds this page is about all five folds: a run of the single split, which the scorecard has, is none."""
    return "patients (five folds)" if protocol == "patients" else protocol


def _copied(line: Any) -> str:
    """`, by picture 86.4%`, where it is known."""
    return words.beside("", line.picture, "{:.1%}".format)


def by_picture(frame: pd.DataFrame) -> str:
    """What weighing each picture 1 changes where copies are kept together, for the model where it was run and for the look-ups."""
    known = frame[frame["picture"].notna()].set_index(["protocol", "method"])
    said = {}
    for protocol, where in {"patients": "On patient-disjoint folds", "twins": "On `twins`"}.items():
        found = [
            f"{name} is right on {r.accuracy:.1%} of the files and {r.picture:.1%} of the pictures ({r.picture_low:.1%} to {r.picture_high:.1%})"
            for method, name in zip((MODEL, *LOOK_UPS), ("the model", *LOOK_UPS))
            if (protocol, method) in known.index
            for r in [known.loc[(protocol, method)]]
        ]
        if found:
            said[protocol] = f" {where} {'; '.join(found)}."
    if "twins" in said:
        said["twins"] += (
            " There the copies of a picture are all in one part, and a picture with many of them can fill much of a small test part: the two "
            "scores may lie far apart."
        )
    return (
        "*By picture*: a picture that the dataset holds many times is one picture, so each counts as one, with the share of its "
        "copies answered rightly." + "".join(said.values())
    )


def persons_parted(records: Sequence[Any], dataset: Any) -> str:
    """The model's accuracy with and without the files of persons who by eye stand in two folds (`groups.persons`)."""
    seeds = folds.pool(records, splits.FOLDS)
    if dataset.banner or not seeds:
        return ""
    table = groups.load().set_index("file").loc[dataset.frame["file"]]
    parted = table.groupby("person")["fold"].transform("nunique").to_numpy() > 1
    right = [(one.probabilities().argmax(1) == one.labels(), parted[one.rows()]) for one in seeds]
    whole, less = np.mean([(hits.mean(), hits[~gone].mean()) for hits, gone in right], axis=0)
    return (
        f"Some persons stand in two folds all the same, as eyes see ([Use our splits](/use_splits.md)): without their {parted.sum():,} files the model's accuracy over "
        f"the folds is {less:.2%} in place of {whole:.2%} (mean over {words.plural(len(seeds), 'seed')})."
    )


def copies_left(shares: pd.DataFrame) -> str:
    """What `data.exposure.read` finds on the splits that keep copies together."""
    whole = shares[shares["class"] == "all"].set_index("protocol")
    said = []
    for protocol in [p for p in (*splits.GROUPED, splits.FIVEFOLD) if p in whole.index]:
        line = shares[(shares["protocol"] == protocol) & (shares["class"] != "all")]
        worst = line.loc[line["with_copy"].idxmax()]
        share = whole.loc[protocol, "with_copy"]
        said.append(
            f"on `{protocol}` it finds no test image with a copy in training"
            if not share
            else f"on `{protocol}` it still finds a copy in training for {share:.1%} of the test images (most often among "
            f"{worst['class']}: {worst['with_copy']:.1%})"
        )
    return (
        "A copy detector that played no part in making the splits says: "
        + "; ".join(said)
        + ". It has errors of its own: it takes some pictures that are only alike for copies, and misses some copies."
    )


def runs(frame: pd.DataFrame, floors: pd.DataFrame) -> str:
    """Seeds, folds and images behind the model's line, and how wide a single patient-disjoint split would be."""
    runs, beside = (
        "; ".join(
            f"{r.protocol}: {words.plural(r.seeds, 'seed')}"
            + (f" on {r.folds:.0f} of {splits.FOLDS} folds" if r.protocol == "patients" else "")
            + f", {r.images:,.0f} test images"
            for r in frame[frame["method"] == method].itertuples()
        )
        for method in (MODEL, IMAGENET)
    )
    single = floors[(floors["floor"] == "1nn-mirror") & (floors["protocol"] == "patients")].iloc[0]
    return (
        (f"Runs of the model: {runs}. " if runs else "The model has not been run under this profile. ")
        + (f"With ImageNet weights: {beside}. " if beside else "")
        + "A score of several seeds is their mean; of several folds, that of all folds' answers together; the interval draws all "
        "answers to a patient's images together. A single patient-disjoint split (80/10/10) is too small to tell much: there "
        f"mirror-aware 1-NN has {both(single)}%."
    )


def end(frame: pd.DataFrame, published: float | None, profile: str) -> str:
    """The model on patient-disjoint folds beside the paper's figure and beside 1-NN."""
    score = frame.set_index(["method", "protocol"])
    if (MODEL, "patients") not in score.index:
        return (
            "Without runs over the five folds of `patients` nothing is concluded about the model itself."
            + PAPER_NETWORKS.get(profile, "")
        )
    b = score.loc[(MODEL, "patients")]
    text = f"On patient-disjoint folds the model measured here has {words.band(b.accuracy, b.low, b.high)}%{_copied(b)}"
    if published is not None:
        text += f"; the published {published:.2%}, of another split and another model, lies {words.where(published, b.low, b.high)} that interval"
    text += (
        f". Beside the better look-up, on the same images, that is {words.points(*_leads(b))}: {_learnt(b)}"
    )
    if (IMAGENET, "patients") in score.index:
        c = score.loc[(IMAGENET, "patients")]
        text += (
            f" With small networks with ImageNet weights and larger images (chapter 25) it is {words.band(c.accuracy, c.low, c.high)}%"
            f"{_copied(c)}, beside the better look-up {words.points(*_leads(c))}."
        )
    return text + PAPER_NETWORKS.get(profile, "")


def _learnt(line: Any) -> str:
    """What the distance to the better look-up says: the same by file and by picture, or nothing."""
    level = "by file and by picture together this does not tell whether one is better."
    found = {
        words.change(
            lead,
            "worse than repeating the label of the nearest picture.",
            "it has learnt something that carries over to new patients, of the tumour or of the shortcuts of chapter 18.",
            level,
        )
        for lead in _leads(line)
    }
    return found.pop() if len(found) == 1 else level


def reported(others: pd.DataFrame) -> str:
    """How many results of others (`literature.table`) stand in the table beside this book's."""
    return (
        f"On the figshare slices alone (three tumour classes, no image without tumour) the table holds {words.plural(len(others), 'result')} "
        "of others on patient-disjoint folds: only what was read in the source itself."
    )


# files that show a slice of the figshare archive: it stands mirrored once for each slice, and some a second time as they are
ARCHIVE = {"each slice once": ["figshare mirrored"], "all their files": ["figshare mirrored", "figshare"]}


def archive(dataset: Any) -> dict[str, np.ndarray]:
    """`ARCHIVE`'s names to the rows of the dataset (N,) that are meant."""
    source = groups.load().set_index("file")["source"].reindex(dataset.frame["file"])
    return {name: source.isin(which).to_numpy() for name, which in ARCHIVE.items()}


def same_slices(models: Mapping[str, Sequence[Any]], dataset: Any) -> str:
    """What models of the three tumour classes score on the very slices that the reported figure is of, and where that lies.

    models: name to records on patient-disjoint folds. "" where none has all folds, and of phantoms.
    """
    known = {name: worth.of_records(own, TUMOURS) for name, own in whole(models).items()}
    if dataset.banner or not known:
        return ""
    clusters, pictures = splits.clusters(dataset), worth.pictures(dataset)
    reported, said, places = literature.PATIENT_LEVEL[0].accuracy, [], []
    for name, wanted in archive(dataset).items():
        scores, bases, sizes = [], [], worth.sizes(np.flatnonzero(wanted), clusters, pictures)
        for model, seeds in known.items():
            parts = [[_only(one, one.rows[wanted[one.rows]]) for one in seed] for seed in seeds]
            level = worth.scores(parts, clusters, ["accuracy"])["accuracy"]
            scores.append(f"{model} {words.band(*_ends(level))}%")
            bases.append(words.rests({"n": len(parts), "folds": len(parts[0])} | sizes))
            places.append(words.where(reported, level.low, level.high))
        said.append(f"{name}: {_with_bases(scores, bases)}")
    above, count = places.count("above"), len(places)
    which = "all" if above == count else f"{above or 'none'} of these"
    return (
        f"All slices of the archive that the reported {reported:.2%} is of are in this dataset. Scored on these alone, trained on the three classes' files in the other folds, less a validation part:\n\n- "
        + "\n- ".join(said)
        + f"\n\nThe reported figure lies above {which} {count} intervals"
        + (", so the choice of test images does not explain the distance" * (above == count))
        + ". What else may differ: the folds (the archive's own are not used), which numbers are read as one patient (chapter 16), and how much of the "
        "data trains."
    )


def _with_bases(scores: Sequence[str], bases: Sequence[str]) -> str:
    """Scores, and what they rest on: said once where that is the same of all, else behind each."""
    if len(set(bases)) == 1:
        return f"{', '.join(scores)}; {bases[0]}"
    return "; ".join(f"{score}, {basis}" for score, basis in zip(scores, bases))
