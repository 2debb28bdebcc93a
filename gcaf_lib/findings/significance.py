"""Chapter 15's frames: the records of Tables 4, 5 and 6 under every test, and how far accuracies scatter.

Differences are row minus the proposed model, as in `findings.ablation`; reader's tables are in points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, comparing, intervals, worth
from gcaf_lib.findings import ablation, words
from gcaf_lib.paper import published_gaps
from gcaf_lib.training import experiments

PLACES = {place: name for place, name in ablation.TABLES.items() if place != "Table 8"}  # what §5.7 may mean
NAMES = {"t": "Paired t", "corrected": "Corrected t", "mcnemar": "McNemar", "permutation": "Permutation"}
METRIC = "accuracy"
ALONE = "Right alone in the lowest seed, row : proposed"


def method(records: Sequence[Any], which: str = "ema") -> dict[int, comparing.Run]:
    """Run records of one row as `comparing` takes them, by seed."""
    return {r.seed: comparing.Run(r.rows(), r.labels(), r.probabilities("test", which)) for r in records}


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
    n: int = 9999,
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
        frame = comparing.table(base, rivals(name, found.get(place, {})), groups, test_to_train, n)
        theirs = published_gaps.published(place).set_index("row")["gap"]
        frame.insert(0, "place", place)
        frame.insert(2, "published", [-theirs.get(row, np.nan) for row in frame["row"]])
        known = found.get(place, {}) if pictures is not None else {}
        copied = [
            worth.by_picture(known.get(row, ()), groups, pictures, (METRIC,), against=reference)
            for row in frame["row"]
        ]
        frame.insert(3, "picture", [one.get(METRIC, ablation.NONE).value for one in copied])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


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
    """What the tests of `tests` say, one sentence a table, whatever the outcome."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on this split under this profile, so nothing is tested."
            )
            continue
        worse = known[known["difference"] < 0]
        text = f"{place}: {len(worse)} of {len(known)} trained rows {words.verb(len(worse))} measured below the proposed model"
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
            text += f"; {NAMES[test]}: {len(hit)} of {len(group)} significantly worse after Holm"
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


def spreads(frame: pd.DataFrame, reference: Sequence[Any], groups: np.ndarray) -> dict[str, float]:
    """How far accuracies scatter, as fractions: sd of paired differences over seeds, and of one run over images.

    sd, df, source ("pairs": pooled over the rows of `tests`; "runs": √2 times the proposed model's own sd
    over its seeds, as if runs of one seed had nothing in common; "": one run only), low, high (95 % of sd);
    seeds_sd (of the proposed model's accuracy over its runs, NaN with one), images_sd (of one run's
    accuracy over test images drawn by patient, mean over runs).
    """
    right = [r.right() for r in reference]
    single = [float(hits.mean()) for hits in right]
    own = float(np.std(single, ddof=1)) if len(single) > 1 else np.nan
    sd, df = comparing.pooled_sd(frame["sd"], frame["seeds"])
    source = "pairs" if df else ""
    # every row is compared with the same runs, so the rows' differences go up and down together: as many
    # degrees of freedom as one row has
    df = min(df, int(frame["seeds"].max()) - 1) if df else 0
    if not df and len(single) > 1:
        sd, df, source = np.sqrt(2) * own, len(single) - 1, "runs"
    if not sd > 0:
        sd, df, source = np.nan, 0, ""
    low, high = comparing.sd_interval(sd, df) if df else (np.nan, np.nan)
    scatter = [
        clustered.mean_draws(hits, groups[r.rows()], 1000).std(ddof=1) for hits, r in zip(right, reference)
    ]
    return {
        "sd": float(sd),
        "df": df,
        "source": source,
        "low": low,
        "high": high,
        "seeds_sd": own,
        "images_sd": float(np.mean(scatter)) if scatter else np.nan,
    }


def spread_text(spread: Mapping[str, float], reference: Sequence[Any]) -> str:
    """What `spreads` says of the two kinds of chance; reference: records of the proposed model."""
    if not len(reference):
        return "The proposed model has not been run under this profile: what follows needs no runs of ours."
    said = [
        f"Resampling the patients of the test part moves the proposed model's accuracy by {100 * spread['images_sd']:.2f} points (standard deviation)."
    ]
    if len(reference) == 1:
        said.append(
            "With one run there is no spread over seeds: the t-tests can't be done, and what follows is in multiples of it."
        )
    else:
        said.append(f"Another seed moves it by {100 * spread['seeds_sd']:.2f} points (n = {len(reference)}).")
        if spread["seeds_sd"] > 0:
            times = spread["images_sd"] / spread["seeds_sd"]
            said.append(f"What the t-test over seeds does not see is {times:.1f} times what it sees.")
        said.append("In a *difference* both are smaller, as far as the two models err on the same images.")
        if same_start(reference):
            said.append(
                "All seeds start from the same backbone weights, so that even the training's chance is only partly in it."
            )
    if spread["source"]:
        where = {
            "pairs": "pooled over the rows with two seeds or more (all are compared with the same runs of the proposed model, so it counts as "
            f"{spread['df']} degrees of freedom, those of a single row)",
            "runs": f"from the proposed model's own {len(reference)} seeds, as √2 times their standard deviation, that is, as if two runs of one seed had "
            "nothing in common",
        }[spread["source"]]
        said.append(
            f"The standard deviation of the paired differences is taken as {100 * spread['sd']:.2f} points, {where}. Its own 95 % interval is "
            f"{100 * spread['low']:.2f} to {100 * spread['high']:.2f}."
        )
    return " ".join(said)


def overlaps(found: Mapping[str, Mapping[str, Sequence[Any]]], reference: Sequence[Any]) -> list[float]:
    """For each trained row the share of the proposed model's errors that it makes as well."""
    base = method(reference)
    rows = [runs for place, name in PLACES.items() for runs in rivals(name, found[place]).values()]
    shares = [comparing.overlap(base, runs) for runs in rows if comparing.shared(base, runs)]
    return [share for share in shares if np.isfinite(share)]


def auc_verdict(frame: pd.DataFrame) -> str:
    """How many AUC differences stand after the adjustment; frame: of `auc_tests`."""
    if frame.empty:
        return "No other row of Table 4 has been trained on this split under this profile yet."
    hits = frame[frame["holm"] < comparing.ALPHA]
    favour = f", {(hits['first'] < hits['second']).sum()} of them in favour of the proposed fusion"
    return f"{len(hits)} of {len(frame)} differences stand after the adjustment{favour if len(hits) else ''}."


def by_patient(frame: pd.DataFrame) -> str:
    """What the permutation over patients says of each table on patient-disjoint folds; frame: of `tests` over five folds."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on all folds; `gcaf sweep {PLACES[place]}-patients` does it."
            )
            continue
        hit = known[known["permutation_holm"] < comparing.ALPHA]
        worse, better = hit[hit["difference"] < 0], hit[hit["difference"] > 0]
        missing = ", ".join(part.loc[part["seeds"] == 0, "row"])
        out.append(
            f"{place}: on {int(known['images'].max()):,} images {len(worse)} of {len(known)} trained rows "
            f"{words.verb(len(worse))} significantly worse than the proposed model by the permutation over patients after Holm's adjustment"
            f"{': ' + ', '.join(worse['row']) if len(worse) else ''}; better: {', '.join(better['row']) or 'none'}."
            + (f" Not trained: {missing}." if missing else "")
        )
    return "\n".join(f"- {line}" for line in out)


CAVEAT = {
    "demo": "These are phantoms and miniature networks: the p-values above say nothing of patients. What is computed from the paper's own "
    "figures holds all the same.",
    "cpu": "These are miniature networks on small images: their gaps and spreads need not be those of the full networks. What is computed "
    "from the paper's own figures holds all the same.",
}
