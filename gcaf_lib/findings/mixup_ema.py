"""Table 5 as a two-by-two design: Mixup on or off, EMA on or off, and what each factor does.

Every run holds its predictions with raw and with averaged weights. A run without EMA has raw weights only. The
average never feeds back into training, so a run with EMA is also, by its raw weights, a run without: up to the
first reduction of the rate and the epoch that is kept, which follow the weights that are reported.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import folds, worth
from gcaf_lib.evaluation.metrics import summary
from gcaf_lib.findings import (
    ablation,
    ablation_tables,
    difference_intervals,
    first_place,
    matched,
    training,
    words,
)
from gcaf_lib.paper import published as paper
from gcaf_lib.paper import verdicts
from gcaf_lib.terminal import cut
from gcaf_lib.training import experiments

PLACE, EXPERIMENT = "Table 5", "table-5"
METRICS = ("accuracy", "macro_f1", "ece", "nll")
CAVEAT = {  # by profile: what its page can't say of the paper's networks (`words.of_profile`)
    "demo": "These are phantoms and miniature networks, with a moving average that forgets faster than the paper's: they show the "
    "mechanism, not its size in patients.",
    "cpu": "These are miniature networks whose stages are shorter than the paper's and start from backbones that already know these "
    "classes: there is less to regularise, and the average has less to smooth and more of its start in it.",
}
COLUMNS = [
    "contrast",
    "metric",
    "value",
    "sd",
    "low",
    "high",
    "n",
    "lift",
    *ablation.PICTURE[:3],
    "published",
    "step",
]
Cell = tuple[bool, bool]  # (Mixup, EMA)


@functools.cache
def cells() -> dict[Cell, str]:
    """(Mixup, EMA) to the row's label in Table 5."""
    rows = experiments.experiment(EXPERIMENT).settings("paper")
    return {(s.training.mixup > 0, s.training.ema > 0): label for label, s in rows}


Part = tuple[float, Cell, str]  # weight, cell, weights of the network
OFF, MIXUP, EMA, BOTH = (False, False), (True, False), (False, True), (True, True)
# each is a difference, or the mean of two differences; the last two compare two weights of the same runs
CONTRASTS: dict[str, tuple[Part, ...]] = {
    "Mixup, without EMA": ((1, MIXUP, "ema"), (-1, OFF, "ema")),
    "Mixup, with EMA": ((1, BOTH, "ema"), (-1, EMA, "ema")),
    "Mixup, mean of both": ((0.5, MIXUP, "ema"), (-0.5, OFF, "ema"), (0.5, BOTH, "ema"), (-0.5, EMA, "ema")),
    "EMA, without Mixup": ((1, EMA, "ema"), (-1, OFF, "ema")),
    "EMA, with Mixup": ((1, BOTH, "ema"), (-1, MIXUP, "ema")),
    "EMA, mean of both": ((0.5, EMA, "ema"), (-0.5, OFF, "ema"), (0.5, BOTH, "ema"), (-0.5, MIXUP, "ema")),
    "Interaction": ((1, BOTH, "ema"), (-1, MIXUP, "ema"), (-1, EMA, "ema"), (1, OFF, "ema")),
    "Averaged − raw weights, same runs, without Mixup": ((1, EMA, "ema"), (-1, EMA, "raw")),
    "Averaged − raw weights, same runs, with Mixup": ((1, BOTH, "ema"), (-1, BOTH, "raw")),
}


def _mixed(
    metric: str, parts: Sequence[tuple[float, Mapping[str, worth.Sample]]], answer: float
) -> worth.Worth:
    """The weighted sum of a metric's samples over the same seeds and the same draws; nothing where none was drawn.

    answer: by how much one answer moves it.
    """
    if metric not in parts[0][1]:
        return ablation.NONE
    both = (np.sum([weight * drawn[metric][k] for weight, drawn in parts], axis=0) for k in range(2))
    return worth.summed(metric, worth.Sample(*both), least=-np.inf, answer=answer)


def _published(parts: Sequence[Part], metric: str) -> dict[str, float]:
    """The paper's own contrast, of averaged weights, and by how much its rounding can move it (step); NaN where it has no
    such figure."""
    figures = [paper.find(PLACE, cells()[cell], metric) for _, cell, _ in parts]
    if not all(figures) or any(which == "raw" for *_, which in parts):
        return {"published": np.nan, "step": np.nan}
    weighed = [(weight, figure[0]) for (weight, *_), figure in zip(parts, figures)]
    return {
        "published": sum(weight * figure.fraction for weight, figure in weighed),
        "step": sum(abs(weight) * figure.half_step for weight, figure in weighed),
    }


def _theirs(contrast: float, scale: float) -> str:
    """The paper's contrast in the digits of its figures. A mean of two differences may end in a half of the last one: that
    goes away from 0, whichever side of it a float lies."""
    decimals = 2 if scale == 100 else 3
    exact = Decimal(str(round(scale * contrast, 9)))
    return words.signed(float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)), decimals)


def effects(
    found: Mapping[str, Sequence[Any]],
    dataset: Any,
    metrics: Sequence[str] = METRICS,
    published: bool = True,
) -> pd.DataFrame:
    """Every contrast of the design (`COLUMNS`; fractions), over the seeds that all its cells have, with all their folds.

    Reported weights: averaged where EMA is on. Intervals: `evaluation.worth`'s, of the mean over seeds, the same
    images drawn for all cells. picture…: the same with each picture weighing 1, where copies are kept together.
    Lines that lack a run have n = 0. Two more contrasts compare averaged and raw weights of the same runs. published: whether
    the paper's contrasts stand beside ours (else NaN).
    """
    groups, lines = splits.clusters(dataset), []
    # a lift is of this split's test parts, and the paper's figures are of the random one
    lifted = {} if not any(map(worth.grouped, found.values())) else {"lift": 0.0}
    by = {cell: folds.by_seed(matched.whole(found.get(label, ()))) for cell, label in cells().items()}

    def runs(cell: Cell, seeds: Sequence[int]) -> list[Any]:
        return [record for seed in seeds for record in by[cell][seed]]

    def drawn(cell: Cell, seeds: Sequence[int], which: str, copied: bool) -> dict[str, worth.Sample]:
        """Metric to sample of a cell's runs; copied: each picture weighing 1, where that is asked of a split."""
        records = runs(cell, seeds)
        if not records or (copied and not worth.grouped(records)):
            return {}
        chosen = [m for m in metrics if not (copied and worth.per_fold(m))]
        answers = worth.of_records(records, which=which)
        return worth.samples(answers, groups, chosen, pictures=worth.pictures(dataset) if copied else None)

    for contrast, parts in CONTRASTS.items():
        seeds = sorted(set.intersection(*(set(by[cell]) for _, cell, _ in parts)))
        plain, by_picture = (
            [(weight, drawn(cell, seeds, which, copied)) for weight, cell, which in parts]
            for copied in (False, True)
        )
        first = worth.of_records(runs(parts[0][1], seeds[:1])) if seeds else []
        copies = worth.pictures(dataset) if lifted else None
        lines += [
            {"contrast": contrast, "metric": metric}
            | (_published(parts, metric) if published else {"published": np.nan, "step": np.nan})
            | _mixed(metric, plain, worth.answer(first, metric=metric))._asdict()
            | lifted
            | ablation.held(_mixed(metric, by_picture, worth.answer(first, copies, metric)), "picture")
            for metric in metrics
        ]
    return pd.DataFrame(lines, columns=COLUMNS)


def effects_caption(rows: pd.DataFrame, theirs: bool = True) -> str:
    """What stands over `effects_text`; rows: `ablation.measure`'s of the same runs, theirs: whether the paper's contrasts are in it."""
    apart = bool(rows["folds"].any())
    where = f" over all {splits.FOLDS} patient-disjoint folds" * apart
    split = ", which are of its random split" * apart
    brackets = f"; in square brackets the same difference of the paper's figures{split}" * theirs
    return (
        f"Effect of Mixup and of EMA{where}, with 95% cluster-bootstrap intervals {words.OVER}{brackets}. n: seeds that all combinations of the "
        f"line have. The ECE's intervals are corrected for its upward bias on a finite test part.{ablation_tables.rests(rows)}"
    )


def effects_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`effects` for readers: one line a contrast, `value (low to high), by picture … [the paper's]` for each metric."""
    lines = []
    for contrast, part in frame.groupby("contrast", sort=False):
        line: dict[str, Any] = {"Effect of": contrast, "n": int(part["n"].iloc[0])}
        for _, r in part.iterrows():
            scale, decimals, _ = ablation_tables.shown(r["metric"])
            text = words.shift(r, decimals, scale) if r["n"] else "–"
            if r["n"] and np.isfinite(r["picture"]):
                text += f", by picture {words.shift(ablation.read(r, 'picture'), decimals, scale)}"
            if np.isfinite(r["published"]):
                text += f" [{_theirs(r['published'], scale)}]"
            line[names.metric_name(r["metric"]) + (" (points)" if scale == 100 else "")] = text
        lines.append(line)
    return pd.DataFrame(lines)


def weights(found: Mapping[str, Sequence[Any]], metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """One line a row and kind of weights, mean ± sd over seeds: raw everywhere, averaged where EMA is on."""
    lines = []
    for (_, ema), label in cells().items():
        records = found.get(label, ())
        for which in ("raw", "ema") if ema else ("raw",):
            word = {"raw": "raw", "ema": "averaged"}[which]
            line: dict[str, Any] = {"Row": label, "Weights": word, "n": len(records)}
            scores = [summary(r.labels(), r.probabilities("test", which)) for r in records]
            for metric in metrics:
                scale, decimals, unit = ablation_tables.shown(metric)
                values = pd.Series([score[metric] for score in scores], dtype=float)
                text = words.mean_sd(values.mean(), values.std(), decimals, scale)
                line[names.metric_name(metric) + unit] = text if scores else names.ABSENT
            lines.append(line)
    return pd.DataFrame(lines)


def same_course(found: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """A run with EMA beside the run without, same Mixup and seed: do they go through the same raw weights?

    mixup, seed; epochs of stage 1 that both have, and how many of them agree in training loss and in the raw
    weights' validation loss to six digits; kept_without, kept_with (epochs kept, by stage); images, answers (of
    the raw weights, that differ), largest (difference of a probability).
    """
    names, lines = cells(), []
    columns = ["loss", "val_loss_raw"]
    for mixup in (False, True):
        pair = [{r.seed: r for r in found.get(names[mixup, ema], ())} for ema in (False, True)]
        for seed in sorted(set(pair[0]) & set(pair[1])):
            runs = [side[seed] for side in pair]
            a, b = (r.history[r.history["stage"] == 1][columns].to_numpy() for r in runs)
            both = min(len(a), len(b))
            p, q = (r.probabilities("test", "raw") for r in runs)
            lines.append(
                {
                    "mixup": mixup,
                    "seed": seed,
                    "epochs": both,
                    "agree": int(np.isclose(a[:both], b[:both], rtol=1e-6, atol=0).all(axis=1).sum()),
                    "kept_without": [s["best_epoch"] for s in runs[0].info["stages"]],
                    "kept_with": [s["best_epoch"] for s in runs[1].info["stages"]],
                    "images": len(p),
                    "answers": int((p.argmax(1) != q.argmax(1)).sum()),
                    "largest": float(np.abs(p - q).max()),
                }
            )
    return pd.DataFrame(lines)


def course_text(frame: pd.DataFrame) -> str:
    """`same_course` as a list; empty where there is no pair."""
    out = []
    for r in frame.itertuples():
        text = f"{'With' if r.mixup else 'Without'} Mixup, seed {r.seed}: in stage 1 "
        text += (
            f"the losses of the two runs agree in all {r.epochs} epochs, to the last digit kept; "
            if r.agree == r.epochs
            else f"the losses agree in {r.agree} of {r.epochs} epochs only; "
        )
        kept = [
            "epochs " + " and ".join(f"{epoch} (stage {k})" for k, epoch in enumerate(epochs, 1))
            for epochs in (r.kept_without, r.kept_with)
        ]
        text += (
            f"both kept {kept[0]}"
            if kept[0] == kept[1]
            else f"without EMA {kept[0]} were kept, with it {kept[1]}"
        )
        text += (
            f"; the final raw weights of the two runs give the same answers on all {r.images} test images."
            if not r.answers
            else f"; the final raw weights of the two runs answer {r.answers} of {r.images} test images differently."
        )
        out.append(f"- {text}")
    return "\n".join(out)


def remains(found: Mapping[str, Sequence[Any]], images: int) -> pd.DataFrame:
    """One line a row and stage: β, steps up to the kept epoch, and the share of the start left in the average there.

    images: size of the training part, which gives the steps an epoch.
    """
    lines = []
    for row, records in found.items():
        chosen = records[0].settings.training
        for stage, part in pd.concat([training.kept(r) for r in records]).groupby("stage"):
            ends, left = training.average_left(chosen, sorted(part["best_epoch"]), images)
            # from fewest steps, which leave the largest share, to most
            cells = words.extent(ends, "{:,}".format), words.extent(left, words.percent)
            lines.append((row, int(stage), len(records), f"{chosen.ema:g}", *cells))
    heads = ["Row", "Stage", "n", "β", "Steps", "Start remaining (%)"]
    return pd.DataFrame(lines or [(names.ABSENT, *"–" * 5)], columns=heads)


def verdict(effects_: pd.DataFrame, rows: pd.DataFrame) -> str:
    """What the runs say of the paper's three claims about Table 5, as a list; claims without runs say so.

    effects_: of `effects`; rows: of `ablation.measure("table-5", …)`.
    """
    known, out = effects_.set_index(["contrast", "metric"]), []
    measures = (("accuracy", "accuracy", 1), ("ece", "the ECE", -1), ("nll", "the NLL", -1))
    for factor, contrast in (
        ("Mixup alone", "Mixup, without EMA"),
        ("EMA alone", "EMA, without Mixup"),
        ("Mixup added to EMA", "Mixup, with EMA"),
        ("EMA added to Mixup", "EMA, with Mixup"),
    ):
        said = [_word(known.loc[contrast, metric], name, good) for metric, name, good in measures]
        none = not known.loc[contrast, "accuracy"]["n"]
        out.append(
            f"{factor}: "
            + ("not both trained on this split under this profile." if none else "; ".join(said) + ".")
        )
    copied = effects_.assign(low=effects_["picture_low"], high=effects_["picture_high"])
    if counted := words.by_chance((r.metric, r) for part in (effects_, copied) for r in part.itertuples()):
        out.append(
            f"The table of effects shows {counted} Chapter 15 sets each row beside the proposed model by a permutation over "
            "patients, adjusted by Holm; that knows nothing of other trainings, so it may find what these intervals leave open."
        )
    trained = rows[rows["n"] > 0]
    if trained["row"].nunique() > 1:
        own = cells()[True, True]
        for metric, name, best in (("accuracy", "accuracy", "max"), ("ece", "ECE", "min")):
            part = trained[trained["metric"] == metric].set_index("row")
            tops = [_top(part[column], best) for column in ("mean", "picture") if part[column].notna().all()]
            said = ", by picture ".join(
                dict.fromkeys(
                    " and ".join(top) + ", equal to the digits printed" * (len(top) > 1) for top in tops
                )
            )
            theirs = ", as the paper has it" if tops.count([own]) == len(tops) else f"; the paper has {own}"
            out.append(
                f"Best {name} of the {len(part)} trained rows, distinguishable or not: {said} ({names.repeats(part.iloc[0])})"
                f"{theirs * bool(effects_['published'].notna().any())}."
            )
    return "\n".join(f"- {line}" for line in out)


def _top(values: pd.Series, best: str) -> list[str]:
    """The rows with the best value as the tables print it: those that are equal there share the place. best: max or min."""
    printed = values.round(4)
    return list(printed.index[printed == getattr(printed, best)()])


def _told(one: Any, good: int) -> str:
    """Whether a difference is to the better; good: 1 where more is, −1 where less is."""
    lower, higher = (f"{word}, the interval excludes 0" for word in ("worse", "better")[::good])
    return words.change(one, lower, higher, verdicts.UNDECIDED) + difference_intervals.warned(one)


def _word(line: pd.Series, name: str, good: int) -> str:
    if not line["n"]:
        return f"{name}: no runs"
    scale, decimals, _ = ablation_tables.shown(name)
    value, *interval = words.shift(line, decimals, scale).split(" ", 1)
    text = f"{' '.join([name, value, *['points'] * (scale == 100), *interval])}, {_told(line, good)}"
    once = " (one seed)" if line["n"] == 1 else ""
    if np.isfinite(line["published"]):
        theirs = _theirs(line["published"], scale)
        place = verdicts.level(line["published"] - line["lift"], line["low"], line["high"], line["step"])
        text += f" ({'one seed; ' if once else ''}the paper's {theirs} lies {place})"
    else:
        text += once
    if np.isfinite(line["picture"]):
        copied = ablation.read(line, "picture")
        text += f", by picture {words.shift(copied, decimals, scale)}, {_told(copied, good)}"
        text += once
    return text


def itself(records: Sequence[Any], dataset: Any) -> pd.DataFrame:
    """metric, by_picture, value, low, high: the proposed model beside itself on the folds, every two of its seeds, with the
    intervals over patients that `effects` has for one seed.

    Chapter 15 does the same by a permutation, for the accuracy. records: all its runs over the folds.
    """
    groups, pictures = splits.clusters(dataset), worth.pictures(dataset)
    by, lines = folds.by_seed(matched.whole(records)), []
    for copied, metric in itertools.product((False, True), ("accuracy", "nll")):
        weighed = pictures if copied else None
        drawn = {
            seed: worth.samples(worth.of_records(part), groups, ("accuracy", "nll"), pictures=weighed)
            for seed, part in by.items()
        }
        for a, b in itertools.combinations(by, 2):
            answer = worth.answer(worth.of_records(by[a]), weighed, metric)
            one = _mixed(metric, [(1, drawn[a]), (-1, drawn[b])], answer)
            lines.append((metric, copied, one.value, one.low, one.high))
    return pd.DataFrame(lines, columns=["metric", "by_picture", "value", "low", "high"])


def itself_text(frame: pd.DataFrame, rows: pd.DataFrame) -> str:
    """How much two seeds of one method differ, and how often an interval of one seed takes that for more than 0.

    frame: of `itself`; rows: of `ablation.measure`, whose effects stand above.
    """
    if frame.empty:
        return "- No two seeds of the proposed model on all folds: how much of this is another training's chance is not known."
    apart = int(((frame["low"] > 0) | (frame["high"] < 0)).sum())
    most = frame["value"].abs().groupby([frame["metric"], frame["by_picture"]]).max()
    single = (
        "An effect of one seed that is no larger is not told from the method's own spread, whatever its interval. (Rows of one seed start from the "
        "same stage 0, two seeds do not: for the rows this is strict. Chapter 15 has the same by another test.)"
        if (ablation.others(rows)["pairs"] == 1).any()
        else "This is of single seeds; the effects above are means over more, and their intervals allow for another training."
    )
    return (
        f"- The control: the proposed model beside itself, every two of its seeds, by the same intervals: {apart} of {len(frame)} of accuracy and NLL "
        f"{words.verb(apart, 'excludes', 'exclude')} 0, for differences of up to {100 * most['accuracy', False]:.2f} points (by picture "
        f"{100 * most['accuracy', True]:.2f}) and of {most['nll', False]:.3f} of NLL ({most['nll', True]:.3f}). {single}"
    )


def asked(frame: pd.DataFrame, theirs: bool = True) -> str:
    """Whether Mixup is better than none where no known patient is shared, EMA on both times; frame: of `ablation.apart`."""
    question = "Is Mixup better than none where no known patient is shared (both with EMA)?"
    return f"{first_place.answer(frame, cells()[EMA], question, theirs=theirs)} What Mixup changes without EMA stands among the effects below."


def design(found: Mapping[str, Sequence[Any]], dataset: Any, published: bool = True) -> pd.DataFrame:
    """series, mixup, metric, value, low, high, published: accuracy (percent) and ECE of the four combinations, those with
    EMA by raw weights as well. NaN: not run, or (also without `published`) no figure of the paper."""
    groups, names = splits.clusters(dataset), cells()
    series = (
        ("without EMA", False, "raw"),
        ("EMA, raw weights", True, "raw"),
        ("EMA, averaged weights", True, "ema"),
    )
    lines = []
    for metric, (word, ema, which), mixup in itertools.product(("accuracy", "ece"), series, (False, True)):
        records, (scale, *_) = found.get(names[mixup, ema], ()), ablation_tables.shown(metric)
        one = worth.row(records, groups, [metric], which=which)[metric] if records else ablation.NONE
        shown = published and (which == "ema" or not ema)
        theirs = paper.find(PLACE, names[mixup, ema], metric)[0].fraction if shown else np.nan
        values = (scale * value for value in (one.value, one.low, one.high, theirs))
        lines.append((word, mixup, metric, *values))
    return pd.DataFrame(lines, columns=["series", "mixup", "metric", "value", "low", "high", "published"])


def leaves() -> str:
    """What the average still holds of each stage's start under the paper's own settings."""
    names = ("ema", "batch_size", "stage1_epochs", "stage2_epochs")
    beta, batch, *epochs = (paper.published("Table 3", metric=f"training.{name}") for name in names)
    steps = int(paper.published("Table 2", "Total", "training") // batch)
    most = cut(0.01 ** (1 / (epochs[1] * steps - 1)), 4)
    stages = "; ".join(
        f"stage {k}: {n:.0f} epochs of {steps} steps leave {training.remaining(beta, int(n) * steps):.1%} of the start"
        for k, n in enumerate(epochs, 1)
    )
    return (
        f"By the paper's own settings ($\\beta = {beta:g}$, batches of {batch:g}; an epoch's last partial batch dropped, as here), {stages}. The start of stage 1 is a fusion and a classifier "
        "one step from random ones; that of stage 2 is where stage 1 ended. To keep 1% or less of the start after stage 2, $\\beta$ may be "
        f"at most {most}, within the range that the paper gives."
    )
