"""How far accuracies and paired differences scatter over seeds and patients, and how many errors a row shares with the proposed model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import clustered, paired_tests
from gcaf_lib.findings import p_values, table_rows, words
from gcaf_lib.paper import published_gaps


def same_start(records: Sequence[Any]) -> bool:
    """Whether all runs began with the same backbone weights (ImageNet's, or those of one stage 0)."""
    return len({str(sorted(r.info["weights"].items())) for r in records}) == 1


SAME, SETTING, OTHER = "same backbones", "same network, one setting changed", "other backbones"
KINDS = {SAME: ("Table 4", "Table 5"), SETTING: ("Table 8",), OTHER: ("Table 6",)}  # pooled


def accuracy_spread(reference: Sequence[Any], groups: np.ndarray) -> dict[str, float]:
    """How far one run's accuracy moves (fractions): seeds, its sd over the proposed model's runs (NaN with one), and
    images, its sd over test images drawn by patient (mean over runs)."""
    drawn = [clustered.mean_draws(r.right(), groups[r.rows()], 1000).std(ddof=1) for r in reference]
    return {"seeds": _over_seeds(reference), "images": float(np.mean(drawn)) if drawn else np.nan}


def _over_seeds(reference: Sequence[Any]) -> float:
    """Standard deviation of the accuracy over runs; NaN of one."""
    single = [float(r.right().mean()) for r in reference]
    return float(np.std(single, ddof=1)) if len(single) > 1 else np.nan


def accuracy_spread_said(chance: Mapping[str, float], reference: Sequence[Any]) -> str:
    """What `accuracy_spread` says of the two kinds of chance; reference: records of the proposed model."""
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


def printed_rivals(found: p_values.Tables) -> Iterator[tuple[str, str, dict]]:
    """Place, row and runs (`p_values.method`) of every rival that the paper's Tables 4, 5, 6 and 8 print an accuracy of."""
    for place, name in table_rows.TABLES.items():
        printed = set(published_gaps.rival_gaps(place)["row"])
        for row, runs in p_values.rival_runs(name, found.get(place, {})).items():
            if row.replace(" = ", " ") in printed:
                yield place, row, runs


def scatter(found: p_values.Tables, reference: Sequence[Any]) -> pd.DataFrame:
    """place, row, seeds, sd: how far each printed row's accuracy minus the proposed model's scatters over common seeds."""
    base, lines = p_values.method(reference), []
    for place, row, runs in printed_rivals(found):
        gaps = [runs[s].right.mean() - base[s].right.mean() for s in paired_tests.common_seeds(runs, base)]
        lines.append((place, row, len(gaps), np.std(gaps, ddof=1) if len(gaps) > 1 else np.nan))
    return pd.DataFrame(lines, columns=["place", "row", "seeds", "sd"])


def difference_spread(found: p_values.Tables, reference: Sequence[Any]) -> pd.DataFrame:
    """`pooled` of the printed rows' differences (`scatter`) and of the proposed model's own accuracies."""
    return pooled(scatter(found, reference), _over_seeds(reference), len(reference))


def pooled(frame: pd.DataFrame, own: float, runs: int) -> pd.DataFrame:
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
        sd, df = paired_tests.pooled_sd(part["sd"], part["seeds"])
        source = "pairs" if df else ""
        # every row is compared with the same runs, so the rows' differences go up and down together: as many
        # degrees of freedom as one row has
        df = min(df, int(part["seeds"].max()) - 1) if df else 0
        if not df and runs > 1:
            sd, df, source = np.sqrt(2) * own, runs - 1, "runs"
        if not sd > 0:
            sd, df, source = np.nan, 0, ""
        low, high = paired_tests.sd_interval(sd, df) if df else (np.nan, np.nan)
        lines[kind] = {"sd": float(sd), "df": df, "source": source, "low": low, "high": high}
        lines[kind] |= {"narrow": part["sd"].min(), "wide": part["sd"].max()}
    return pd.DataFrame.from_dict(lines, orient="index")


def difference_spread_said(spread: pd.DataFrame, runs: int) -> str:
    """What `difference_spread` says, as a list; empty where nothing was measured. runs: of the proposed model."""
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


def with_spread(lines: pd.DataFrame, spread: pd.DataFrame, show_published: bool = True) -> pd.DataFrame:
    """The paper's gaps (`published_gaps.rival_gaps`) with their table's kind and its sd, sd_low, sd_high; NaN where the paper's
    gaps, which are of patients' images, have no place beside the spread, which is of phantoms."""
    kind = lines["place"].map({place: kind for kind, places in KINDS.items() for place in places})
    columns = {"sd": "sd", "sd_low": "low", "sd_high": "high"}
    held = {name: kind.map(spread[end]) if show_published else np.nan for name, end in columns.items()}
    return lines.assign(kind=kind, **held)


def shared_errors(found: p_values.Tables, reference: Sequence[Any]) -> pd.DataFrame:
    """place, row, share: of the proposed model's errors how many each trained row makes as well."""
    base = p_values.method(reference)
    lines = [
        (place, row, paired_tests.overlap(base, runs))
        for place, row, runs in printed_rivals(found)
        if paired_tests.common_seeds(base, runs)
    ]
    return pd.DataFrame(lines, columns=["place", "row", "share"]).dropna(ignore_index=True)


def mean_by_table(shares: pd.DataFrame) -> dict[str, float]:
    """Table to the mean share of common errors among the rows of its kind (`KINDS`); kinds without a row are left out."""
    means = {kind: shares.loc[shares["place"].isin(places), "share"] for kind, places in KINDS.items()}
    return {place: float(means[kind].mean()) for kind in KINDS if len(means[kind]) for place in KINDS[kind]}
