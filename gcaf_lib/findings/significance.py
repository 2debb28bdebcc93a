"""Chapter 15's frames: the records of Tables 4, 5 and 6 under every test, and how far accuracies scatter.

Differences are row minus the proposed model, as in `findings.ablation`; reader's tables are in points.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, comparing, folds, intervals, worth
from gcaf_lib.findings import ablation, words
from gcaf_lib.paper import published_gaps
from gcaf_lib.training import experiments

PLACES = {place: name for place, name in ablation.TABLES.items() if place != "Table 8"}  # what §5.7 may mean
NAMES = {"t": "Paired t", "corrected": "Corrected t", "mcnemar": "McNemar", "permutation": "Permutation"}
ROUNDING = 1e-9  # of a difference of two means that are equal
ALONE = "Only this row right : only the proposed right (lowest seed)"
_SAME = "What is computed from the paper's own figures holds all the same."
CAVEAT = {  # by profile: what its runs are too small to say (`words.of_profile`)
    "demo": f"These are phantoms and miniature networks: the p-values above say nothing of patients. {_SAME}",
    "cpu": f"These are miniature networks on small images: their gaps and spreads need not be those of the full networks. {_SAME}",
}


def method(records: Sequence[Any]) -> dict[int, comparing.Run]:
    """Run records of one row as `comparing` takes them, by seed."""
    return {r.seed: comparing.Run(r.rows(), r.labels(), r.probabilities()) for r in records}


def rivals(experiment: str, found: Mapping[str, Sequence[Any]]) -> dict[str, dict[int, comparing.Run]]:
    """Rows of an experiment but the proposed model's own, trained or not, in the experiment's order."""
    own = ablation.proposed(experiment)
    rows = [row.label for row in experiments.experiment(experiment).rows if row.label not in own]
    return {row: method(found.get(row, ())) for row in rows}


def tests(
    found: Mapping[str, Mapping[str, Sequence[Any]]],
    reference: Sequence[Any],
    groups: np.ndarray,
    test_to_train: float,
    n: int = intervals.PERMUTATIONS,
    pictures: np.ndarray | None = None,
) -> pd.DataFrame:
    """`comparing.table` of every rival of Tables 4, 5 and 6 with the proposed model, and what the paper prints.

    found: table ("Table 4") to `chapter.records` of its experiment; reference: records of the proposed model.
    Columns before those of `comparing.compare`: place, row, published (the paper's difference as a fraction,
    NaN for a row that it doesn't have), picture (the difference with each picture weighing 1, where pictures
    (N,) of `worth.pictures` are given and the split is a grouped one). Holm's adjustment is over the rows of one table.
    """
    base, frames = method(reference), []
    for place, name in PLACES.items():
        records = found.get(place, {})
        frame = comparing.table(base, rivals(name, records), groups, test_to_train, n)
        theirs = published_gaps.published(place).set_index("row")["gap"]
        frame.insert(0, "place", place)
        frame.insert(2, "published", [-theirs.get(row, np.nan) for row in frame["row"]])
        copied = [_by_picture(records.get(row, ()), base, groups, pictures, n) for row in frame["row"]]
        frame.insert(3, "picture", [difference for difference, _ in copied])
        frame["picture_p"] = [p for _, p in copied]
        frame["picture_holm"] = intervals.holm(frame["picture_p"])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _by_picture(records, second, groups, pictures, n: int) -> tuple[float, float]:
    """Difference of records and the method `second` with each picture weighing 1, and the p of its permutation by patient;
    NaN where that is not asked."""
    first = method(records)
    seeds = comparing.shared(first, second)
    if pictures is None or not seeds or not worth.grouped(records):
        return np.nan, np.nan
    rows = first[seeds[0]].rows
    weight = _weights(rows, pictures)
    hits = (np.mean([one[s].right for s in seeds], axis=0) for one in (first, second))
    test = intervals.cluster_permutation(*(weight * hit for hit in hits), groups[rows], n)
    return test.difference, test.p


def _weights(rows: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Weights (n,) of tested rows, 1 in the mean, with which each picture weighs the same."""
    weight = worth.picture_weights(rows, pictures)
    return weight / weight.mean()


def tests_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`tests` for readers: the difference in points, then each test's p with Holm's in brackets."""
    lines = []
    for r in frame.itertuples():
        line = {"Table": r.place.removeprefix("Table "), "Row": r.row, "n": r.seeds}
        line["The paper"] = _points(r.published)
        measured = words.beside(_points(r.difference), r.picture, _points)
        line["Measured"] = measured if r.seeds else names.ABSENT
        line[ALONE] = f"{r.only_first:.0f} : {r.only_second:.0f}" if r.seeds else "–"
        for test, name in NAMES.items():
            p, adjusted = getattr(r, f"{test}_p"), getattr(r, f"{test}_holm")
            needs = test in ("t", "corrected") and r.seeds == 1
            line[name] = "needs two runs" if needs else p_pair(p, adjusted)
        if frame["picture_p"].notna().any():
            line["Permutation, by picture"] = p_pair(r.picture_p, r.picture_holm)
        lines.append(line)
    return pd.DataFrame(lines)


def _points(value: float) -> str:
    return words.signed(100 * value)


def p_pair(p: float, adjusted: float) -> str:
    """`0.031 (0.094)`: a p-value, and Holm's."""
    return f"{p_text(p)} ({p_text(adjusted)})" if np.isfinite(p) else "–"


def p_text(p: float) -> str:
    """A p-value to three decimals, or `< 0.001`."""
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.0005 else f"{p:.3f}"


def verdict(frame: pd.DataFrame) -> str:
    """What the tests of `tests` say after Holm's adjustment, one sentence a table, whatever the outcome."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on this split under this profile, so nothing is tested."
            )
            continue
        worse, level = known[known["difference"] < -ROUNDING], (known["difference"].abs() <= ROUNDING).sum()
        text = f"{place}: {len(worse)} of {len(known)} trained rows {words.verb(len(worse))} measured below the proposed model"
        text += f", {level} level with it" if level else ""
        many = known[known["seeds"] > 1]
        for test in NAMES:
            group = many if test in ("t", "corrected") else known
            # McNemar is about one seed's two models: which of them is better is a question to that seed
            way = group["only_first"] - group["only_second"] if test == "mcnemar" else group["difference"]
            hit, back = (
                group[(group[f"{test}_holm"] < comparing.ALPHA) & (sign * way > 0)] for sign in (-1, 1)
            )
            if group.empty:
                continue
            text += f"; {NAMES[test]}: {len(hit)} of {len(group)} significantly worse"
            text += f", {len(back)} significantly better" if len(back) else ""
        out.append(text + ("." if len(many) else "; the t-tests need a second run."))
    return "\n".join(f"- {line}" for line in out)


def auc_tests(found: Mapping[str, Mapping[str, Sequence[Any]]], reference: Sequence[Any]) -> pd.DataFrame:
    """DeLong's tests of each class's AUC in Table 4, first common seed: row, seed, class, first (row), second (proposed),
    p, holm.

    The adjustment runs over all rows and classes of the table. Empty where no row has been trained.
    """
    base, frames = method(reference), []
    classes = reference[0].settings.data.classes if reference else None
    for row, runs in rivals("table-4", found.get("Table 4", {})).items():
        for seed in comparing.shared(runs, base)[:1]:
            frames.append(comparing.aucs(runs[seed], base[seed], classes).assign(row=row, seed=seed))
    if not frames:
        return pd.DataFrame(columns=["row", "seed", "class", "first", "second", "p", "holm"])
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(holm=intervals.holm(frame["p"]))


def auc_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`auc_tests` for readers: one line a row, one column a class: difference, p, Holm's p."""
    lines = []
    for row, part in frame.groupby("row", sort=False):
        line = {"Row": row, "Seed": int(part["seed"].iloc[0])}
        for _, r in part.iterrows():
            change = words.signed(r["first"] - r["second"], 4)
            line[CLASS_NAMES.get(r["class"], r["class"])] = f"{change}, p = {p_pair(r['p'], r['holm'])}"
        lines.append(line)
    return pd.DataFrame(lines or [{"Row": names.ABSENT, "Seed": "–"}])


# --- spreads ---


def same_start(records: Sequence[Any]) -> bool:
    """Whether all runs began with the same backbone weights (ImageNet's, or those of one stage 0)."""
    return len({str(sorted(r.info["weights"].items())) for r in records}) == 1


SAME, SETTING, OTHER = "same backbones", "same network, one setting changed", "other backbones"
KINDS = {SAME: ("Table 4", "Table 5"), SETTING: ("Table 8",), OTHER: ("Table 6",)}  # pooled


def chances(reference: Sequence[Any], groups: np.ndarray) -> dict[str, float]:
    """How far one run's accuracy moves (fractions): seeds, its sd over the proposed model's runs (NaN with one), and
    images, its sd over test images drawn by patient (mean over runs)."""
    right = [r.right() for r in reference]
    single = [float(hits.mean()) for hits in right]
    scatter = [
        clustered.mean_draws(hits, groups[r.rows()], 1000).std(ddof=1) for hits, r in zip(right, reference)
    ]
    return {
        "seeds": float(np.std(single, ddof=1)) if len(single) > 1 else np.nan,
        "images": float(np.mean(scatter)) if scatter else np.nan,
    }


def printed_rivals(found: Mapping[str, Mapping[str, Sequence[Any]]]) -> Iterator[tuple[str, str, dict]]:
    """Place, row and runs (`method`) of every rival that the paper's Tables 4, 5, 6 and 8 print an accuracy of."""
    for place, name in ablation.TABLES.items():
        printed = set(published_gaps.published(place)["row"])
        for row, runs in rivals(name, found.get(place, {})).items():
            if row.replace(" = ", " ") in printed:
                yield place, row, runs


def scatter(found: Mapping[str, Mapping[str, Sequence[Any]]], reference: Sequence[Any]) -> pd.DataFrame:
    """place, row, seeds, sd: how far each printed row's accuracy minus the proposed model's scatters over common seeds."""
    base, lines = method(reference), []
    for place, row, runs in printed_rivals(found):
        gaps = [runs[s].right.mean() - base[s].right.mean() for s in comparing.shared(runs, base)]
        lines.append((place, row, len(gaps), np.std(gaps, ddof=1) if len(gaps) > 1 else np.nan))
    return pd.DataFrame(lines, columns=["place", "row", "seeds", "sd"])


def spreads(frame: pd.DataFrame, own: float, runs: int) -> pd.DataFrame:
    """How far paired differences scatter over seeds, one line of `KINDS` each: sd (fraction), df, source, low, high, and
    narrow and wide, the least and the most of one row.

    Rows with the proposed model's backbones share stage 0 with it seed by seed, rows with others share nothing, and settings
    scatter by what is set (narrow, wide): each kind has a pooled spread of its own. frame:
    of `scatter`; own: sd of the proposed model's accuracy over its `runs` runs. source: "pairs", pooled over the rows of
    that kind with two seeds or more; "runs", √2 · own, as if runs of one seed had nothing in common; "", one run only.
    low, high: 95% interval of sd.
    """
    lines = {}
    for kind, places in KINDS.items():
        part = frame[frame["place"].isin(places)]
        sd, df = comparing.pooled_sd(part["sd"], part["seeds"])
        source = "pairs" if df else ""
        # every row is compared with the same runs, so the rows' differences go up and down together: as many
        # degrees of freedom as one row has
        df = min(df, int(part["seeds"].max()) - 1) if df else 0
        if not df and runs > 1:
            sd, df, source = np.sqrt(2) * own, runs - 1, "runs"
        if not sd > 0:
            sd, df, source = np.nan, 0, ""
        low, high = comparing.sd_interval(sd, df) if df else (np.nan, np.nan)
        lines[kind] = {"sd": float(sd), "df": df, "source": source, "low": low, "high": high}
        lines[kind] |= {"narrow": part["sd"].min(), "wide": part["sd"].max()}
    return pd.DataFrame.from_dict(lines, orient="index")


def with_spread(lines: pd.DataFrame, spread: pd.DataFrame | None) -> pd.DataFrame:
    """The paper's gaps (`published_gaps.published`) with sd and sd_high of their table's kind; None: NaN, none measured."""
    if spread is None:
        return lines.assign(sd=np.nan, sd_high=np.nan)
    kind = lines["place"].map({place: kind for kind, places in KINDS.items() for place in places})
    return lines.assign(sd=kind.map(spread["sd"]), sd_high=kind.map(spread["high"]))


def chances_text(chance: Mapping[str, float], reference: Sequence[Any]) -> str:
    """What `chances` says of the two kinds of chance; reference: records of the proposed model."""
    if not len(reference):
        return "The proposed model has not been run under this profile: what follows needs no runs of ours."
    said = [
        f"Resampling the patients of the test part moves the proposed model's accuracy by {100 * chance['images']:.2f} points (standard deviation)."
    ]
    if len(reference) == 1:
        said.append(
            "With one run there is no spread over seeds: the t-tests can't be done, and what follows is in multiples of it."
        )
        return " ".join(said)
    said.append(f"Another seed moves it by {100 * chance['seeds']:.2f} points (n = {len(reference)}).")
    if chance["seeds"] > 0:
        times = chance["images"] / chance["seeds"]
        said.append(
            f"The scatter over patients, which the t-test over seeds does not see, is {times:.1f} times the scatter over seeds, which it sees."
        )
    said.append(
        "A *difference* of two models that scatter alike scatters less than one of them only where the two err together (a correlation above ½), and more where they don't."
    )
    if same_start(reference):
        said.append(
            "All seeds start from the same backbone weights, so that even the training's chance is only partly in it."
        )
    return " ".join(said)


def spread_text(spread: pd.DataFrame, runs: int) -> str:
    """What `spreads` says, as a list; empty where nothing was measured. runs: of the proposed model."""
    out = []
    for kind, line in spread[spread["source"] != ""].iterrows():
        places = ", ".join(place.removeprefix("Table ") for place in KINDS[kind])
        where = {
            "pairs": "pooled over the rows with two seeds or more (all are compared with the same runs of the proposed model, so it counts as "
            f"{words.plural(line['df'], 'degree')} of freedom, those of a single row; row by row {100 * line['narrow']:.2f} to {100 * line['wide']:.2f})",
            "runs": f"√2 times the standard deviation of the proposed model's own {runs} seeds, that is, as if two runs of one seed had nothing in "
            "common, because no row has a second seed",
        }[line["source"]]
        out.append(
            f"- {kind.capitalize()} (Table{'s' if len(KINDS[kind]) > 1 else ''} {places}): the paired differences scatter by {100 * line['sd']:.2f} points, {where}. "
            f"95% interval of that: {100 * line['low']:.2f} to {100 * line['high']:.2f}."
        )
    return "\n".join(out)


def overlaps(found: Mapping[str, Mapping[str, Sequence[Any]]], reference: Sequence[Any]) -> pd.DataFrame:
    """place, row, share: of the proposed model's errors how many each trained row makes as well."""
    base = method(reference)
    lines = [
        (place, row, comparing.overlap(base, runs))
        for place, row, runs in printed_rivals(found)
        if comparing.shared(base, runs)
    ]
    return pd.DataFrame(lines, columns=["place", "row", "share"]).dropna(ignore_index=True)


def mean_overlap(shares: pd.DataFrame) -> dict[str, float]:
    """Table to the mean share of common errors among the rows of its kind (`KINDS`); kinds without a row are left out."""
    means = {kind: shares.loc[shares["place"].isin(places), "share"] for kind, places in KINDS.items()}
    return {place: float(means[kind].mean()) for kind in KINDS if len(means[kind]) for place in KINDS[kind]}


def auc_verdict(frame: pd.DataFrame) -> str:
    """How many AUC differences stand after the adjustment; frame: of `auc_tests`."""
    if frame.empty:
        return "No other row of Table 4 has been trained on this split under this profile yet."
    hits = frame[frame["holm"] < comparing.ALPHA]
    favour = f", {(hits['first'] < hits['second']).sum()} of them in favour of the proposed fusion"
    return f"{len(hits)} of {len(frame)} differences stand after the adjustment{favour if len(hits) else ''}."


def by_patient(frame: pd.DataFrame, sweep: Callable[[str], str]) -> str:
    """What the permutation over patients says of each table on patient-disjoint folds; frame: of `tests` over five folds,
    sweep: `Chapter.sweep`."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on all folds; `{sweep(PLACES[place] + '-patients')}` "
                "does it."
            )
            continue
        said = []
        for words_, test, value in (("", "permutation", "difference"), ("by picture ", "picture", "picture")):
            if known[f"{test}_holm"].isna().all():
                continue  # not asked
            hit = known[known[f"{test}_holm"] < comparing.ALPHA]
            worse, better = hit[hit[value] < 0]["row"], hit[hit[value] > 0]["row"]
            said.append(
                f"{words_}{len(worse)} of {len(known)} significantly worse after Holm's adjustment"
                f"{' (' + ', '.join(worse) + ')' if len(worse) else ''}, better: {', '.join(better) or 'none'}"
            )
        once = ", one training of each" if known["seeds"].max() == 1 else ""
        missing = ", ".join(part.loc[part["seeds"] == 0, "row"])
        out.append(
            f"{place}: on {int(known['images'].max()):,} images, these trained models{once}: {'; '.join(said)}."
            + (f" Not trained: {missing}." if missing else "")
        )
    return "\n".join(f"- {line}" for line in out)


def frames(
    chapter: Any,
    found: Mapping[str, Mapping[str, Sequence[Any]]],
    main: Sequence[Any],
    apart: Mapping[str, Mapping[str, Sequence[Any]]],
) -> dict[str, dict[str, pd.DataFrame]]:
    """Split to table to `ablation.measure` in accuracy: on the page's split (found, with `main`) and on five folds (apart)."""
    own = folds.NAMES.get(chapter.made[1], chapter.made[1])
    metrics = ["accuracy"]
    return {
        own: {
            place: ablation.measure(name, found[place], chapter.dataset, main, metrics, chapter.made)
            for place, name in ablation.TABLES.items()
        },
        "five patient-disjoint folds": {
            place: ablation.apart(chapter, name, apart[place], metrics)
            for place, name in ablation.TABLES.items()
        },
    }


SEEN = ("least", "most", "picture_least", "picture_most")


def could_show(frames: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """What the comparisons of each split and table rest on, and which true differences they could have shown.

    frames: split to table ("Table 4") to `ablation.measure`'s. split, place, pairs, folds, `ablation.SIZES`; least, most: the true
    difference from which on the narrowest and the widest row's interval excludes 0 with a power of 80% (`ablation.visible`), picture_…;
    gaps: the paper's differences of trained rows, as_large: those that are as large as their row's.
    """
    lines = []
    for (split, tables_), place in itertools.product(frames.items(), ablation.TABLES):
        run = ablation.others(tables_[place])
        run = run[run["pairs"] > 0]
        line = {"split": split, "place": place, "pairs": 0}
        if len(run):
            line |= run.iloc[0][["pairs", "folds", *ablation.SIZES]].to_dict()
        seen, copied = (ablation.visible(run, name) for name, _ in ablation.WAYS.values())
        line |= dict(zip(SEEN, (seen.min(), seen.max(), copied.min(), copied.max())))
        gaps = run["published_difference"].abs()
        line |= {"gaps": int(gaps.notna().sum()), "as_large": int((gaps >= seen).sum())}
        lines.append(line)
    seen = [*SEEN, "gaps", "as_large"]
    return pd.DataFrame(lines).reindex(columns=["split", "place", "pairs", "folds", *ablation.SIZES, *seen])


def could_show_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`could_show` for readers, in points."""
    return pd.DataFrame(
        {
            "Split": r.split,
            "Table": r.place.removeprefix("Table "),
            "Compared": words.rests(r._asdict()) if r.pairs else names.ABSENT,
            "Seen from (points)": words.extent((100 * r.least, 100 * r.most)),
            "By picture": words.extent((100 * r.picture_least, 100 * r.picture_most)),
            "The paper's as large": f"{r.as_large} of {r.gaps}",
        }
        for r in frame.itertuples()
    )


def could_show_said(frame: pd.DataFrame) -> str:
    """How many of the paper's gaps each split's comparisons could have shown; frame: of `could_show`."""
    known, once = frame[frame["pairs"] > 1], frame[frame["pairs"] == 1]
    if known.empty:
        return "No row but the proposed model's has been trained twice, so there is no interval over trainings to tell from."
    said = [
        f"{split} {part['as_large'].sum()} of {part['gaps'].sum()}"
        for split, part in known.groupby("split", sort=False)
    ]
    alone = "; ".join(
        f"{words.some(list(part['place']))} on {split}" for split, part in once.groupby("split", sort=False)
    )
    return (
        f"Of the paper's gaps, these are as large as what their row's comparison would have shown with a power of 80%: {'; '.join(said)}. Where a smaller one is not "
        "distinguishable from 0 here, that is no sign that it isn't there."
        + (
            f" Left out, because one seed knows nothing of another training's chance: {alone}."
            if alone
            else ""
        )
    )


def itself(
    records: Sequence[Any], groups: np.ndarray, pictures: np.ndarray, n: int = intervals.PERMUTATIONS
) -> pd.DataFrame:
    """The control: the proposed model against itself, every two of its seeds: first, second, difference, p, picture,
    picture_p.

    The same permutations by patient as `tests` does with a row, of images and with each picture weighing 1 (pictures
    (N,): `worth.pictures`). Two trainings of one method are not two methods, so how small p is here tells what a small p
    between rows is worth. records: pooled over folds, one a seed.
    """
    runs, lines = method(records), []
    for a, b in itertools.combinations(sorted(runs), 2):
        rows = runs[a].rows
        tests_ = [
            intervals.cluster_permutation(weight * runs[a].right, weight * runs[b].right, groups[rows], n)
            for weight in (np.ones(len(rows)), _weights(rows, pictures))
        ]
        lines.append((a, b, *(value for test in tests_ for value in (test.difference, test.p))))
    return pd.DataFrame(lines, columns=["first", "second", "difference", "p", "picture", "picture_p"])


def _p(value: float) -> str:
    """`p = 0.031`, or `p < 0.001`."""
    return f"p {'' if value < 0.0005 else '= '}{p_text(value)}"


def itself_text(frame: pd.DataFrame, sweep: Callable[[str], str]) -> str:
    """What the control says, whatever it finds; frame: of `itself`, sweep: `Chapter.sweep`."""
    if frame.empty:
        return (
            "The proposed model has fewer than two seeds of all folds, so it can't be set beside itself, and how much of these differences is "
            f"another training's chance is not known: `{sweep('patients')} --seeds 2` trains a second."
        )
    pairs = "; ".join(
        f"seed {r.first} minus seed {r.second} {_points(r.difference)} points, {_p(r.p)}, by picture {_points(r.picture)}, {_p(r.picture_p)}"
        for r in frame.itertuples()
    )
    hits, copied = (int((frame[name] < comparing.ALPHA).sum()) for name in ("p", "picture_p"))
    told = (
        f"In {hits} of {len(frame)}, by picture in {copied}, that test calls the method different from itself. It speaks of two trained models "
        "and not of two methods: where a row was trained once, it can't show that one method is worse than another."
        if hits or copied
        else "The test does not call the method different from itself in these; it still speaks of trained models, and not of methods."
    )
    most = (f"{100 * frame[name].abs().max():.2f}" for name in ("difference", "picture"))
    return (
        f"**The control:** the proposed model beside itself, by the permutation by patient, without an adjustment: {pairs}. {told} Two of its seeds "
        f"differ by up to {' points, by picture '.join(most)}: an effect of one seed that is no larger is not told from the method's own spread. "
        "(Rows of Tables 4, 5 and 8 start from the same stage 0 as the proposed model of that seed, two seeds of one method do not: for those rows this is strict.)"
    )
