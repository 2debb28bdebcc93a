# ---
# jupyter:
#   colab:
#     provenance: []
#     toc_visible: true
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: accelerator,colab,kernelspec
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 20. Explanations, measured
#
# **Reproduces:** Figure 13 and the claims of Section 5.9: the maps highlight the tumour, and agree across seeds.
# **Takes:** seconds to a minute where the runs are on record; under the `demo` profile a few minutes the first time. The images are
# needed. Weights and tumour borders are not: what they were needed for is on record.
#
# A few pictures in which a map covers a tumour prove little: tumours lie near the middle, and so do many maps. Here every test image
# with a known border counts, and beside the model's maps stand maps that know nothing of the image, or nothing of the model.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"model.fusion": "gcaf-token"}

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.data import preprocess, splits
from gcaf_lib.evaluation import clustered, gradcam, localisation, sanity, tumours
from gcaf_lib.report import book, gallery, overlays, tables
from gcaf_lib.report import trust as pictures
from gcaf_lib.report import trust_tables as tt
from gcaf_lib.report.style import CLASS_NAMES

chapter = book.open_chapter("20_explanations", profile, overrides, need_images=True)
main = chapter.records("main", train=True)["Proposed Method"]
apart = [r for r in chapter.records("ladder").get("patients", []) if r.maps is not None]
runs = apart or main
classes = chapter.settings.data.classes
clusters = splits.clusters(chapter.dataset)
chapter.strip([*main, *apart])

# %% tags=["hide-input"]
images = tumours.read_images(chapter.dataset)
found = tumours.read(runs, chapter.dataset)
runs = [r for r in runs if r.key in set(found["run"])]
scores = tt.judged(found, runs, chapter.dataset, images, clusters)
seen = scores.drop_duplicates("row")
folds = len({r.settings.data.fold for r in runs})
seeds = len({r.seed for r in runs})
display(
    Markdown(
        f"Maps of {len(runs)} run{'s' if len(runs) > 1 else ''} "
        + (f"with patients apart ({folds} of {splits.FOLDS} folds, {seeds} seed{'s' if seeds > 1 else ''}), "
           if apart else f"on the `{chapter.settings.data.protocol}` split ({seeds} seed{'s' if seeds > 1 else ''}), whose test "
           "part may share patients with training, ")
        + f"on {len(seen):,} test images of {seen['group'].nunique():,} patient groups whose tumour border is known"
        + (": the drawn lesions of phantoms." if chapter.phantoms else
           ": as radiologists drew it for the figshare collection, found again by chapter 16 and laid over the files of this "
           f"dataset. Of all files, {images['area'].notna().sum():,} have one.")
        + f" Half of these tumours take less than {seen['area'].median():.1%} of the image; maps and borders meet on "
        f"{tumours.SIDE} × {tumours.SIDE} cells, the maps themselves have "
        + " and ".join(sorted({"{} × {}".format(*m.shape[1:]) for m in tumours.backbone_maps(runs[0]).values()}))
        + "."
    )
)  # fmt: skip

# %% [markdown]
# ## What is measured
#
# - **Pointing game**: is the map's maximum inside the tumour? *With tolerance*: or nearer than 7 % of the image's side.
# - **Energy inside**: the share of the map's sum that lies in the tumour. A flat map scores the tumour's own share of the image.
# - **IoU at matched area**: of the map's highest cells, as many as the tumour has, and the tumour.
#
# The yardsticks: a bell in the middle of the image; random cells; the image's edges; and *the usual place*, the mean border of the
# training images of the class that the model named. The last one knows the answer and where such tumours lie, but not the image:
# a map that looks at *this* tumour must beat it. The maps are Grad-CAM of the named class, right or wrong.

# %% mystnb={"image": {"alt": "Four panels, one a measure: mean score with interval of the model's map, of each backbone's, of the usual place, the centre, a random map and the edges."}, "figure": {"name": "fig-localisation", "caption": "Maps against tumour borders: mean over images and 95 % cluster-bootstrap interval over patient groups. The model's own maps in colour."}}
order = [
    tumours.FUSED,
    *tumours.backbone_maps(runs[0]),
    tumours.PLACE,
    tumours.CENTRE,
    tumours.EDGE,
    tumours.RANDOM,
]
scores["map"] = pd.Categorical(scores["map"], order, ordered=True)
scores = scores.sort_values(["map", "run", "row"])
overall = tt.localisation(scores)
pictures.localisation(overall)

# %%
tables.show(
    tt.wide_localisation(overall),
    name="tab-localisation",
    caption="Maps against tumour borders: mean and 95 % cluster-bootstrap interval. Images are counted once a run.",
    data=overall,
)

# %% [markdown]
# ## Does the model beat the centre prior?

# %%
rivals = {other: tt.against(scores, tumours.FUSED, other) for other in (tumours.CENTRE, tumours.PLACE)}
beaten = pd.concat([d.assign(rival=tt.map_name(name)) for name, d in rivals.items()], ignore_index=True)
tables.show(
    pd.DataFrame(
        {
            "Measure": beaten["measure"].map(tt.MEASURE_NAMES),
            "Against": beaten["rival"],
            "Model minus rival (95 % interval)": [
                tt.span(*v, 3) for v in beaten[["difference", "low", "high"]].to_numpy(float)
            ],
            "Verdict": np.select(
                [beaten["low"] > 0, beaten["high"] < 0], ["model better", "model worse"], "not told apart"
            ),
        }
    ),
    name="tab-against-prior",
    caption="The model's map (both backbones) minus a map that doesn't know the image, on the same images.",
    data=beaten,
)


# %% tags=["hide-input"]
def verdict(name, words):
    d = rivals[name].set_index("measure")
    point = d.loc["pointing"]
    text = (
        f"**The model {'beats' if point.low > 0 else 'does not beat'} {words} in the pointing game** "
        f"({point.difference:+.3f}, {point.low:+.3f} to {point.high:+.3f})"
    )
    better = [tt.MEASURE_NAMES[m].lower() for m in d.index if d.loc[m, "low"] > 0]
    worse = [tt.MEASURE_NAMES[m].lower() for m in d.index if d.loc[m, "high"] < 0]
    text += f"; of the {len(d)} measures it is better in {len(better)}" + (
        f" ({', '.join(better)})" if 0 < len(better) < len(d) else ""
    )
    return (
        text
        + f" and worse in {len(worse)}"
        + (f" ({', '.join(worse)})" if 0 < len(worse) < len(d) else "")
        + ". "
    )


hit = overall.set_index(["map", "measure"])["mean"]
text = verdict(tumours.CENTRE, "the centre prior") + verdict(
    tumours.PLACE, "the usual place of the class it names"
)
text += (
    f"Its map points into the tumour on {hit[tumours.FUSED, 'pointing']:.1%} of the images, and "
    f"{hit[tumours.FUSED, 'energy']:.1%} of its energy lies inside: most of what such a map colours is not tumour."
)
if chapter.phantoms:
    text += " These are phantoms and a model trained for minutes: the page shows the method, not a finding."
display(Markdown(text))

# %% [markdown]
# Where does the rest lie? What is black after preprocessing is no tissue. Over all test images, with a tumour or without, the share of
# the maps' energy on it, beside the share of the image that it takes:

# %% tags=["hide-input"]
small = preprocess.images(chapter.dataset, chapter.settings.data)
on_black, black, which = [], [], []
for r in runs:
    dark = np.asarray(small[r.rows()]).max(3) < 16
    energy = gradcam.fused(tumours.backbone_maps(r), dark.shape[1:])
    on_black.append((energy * dark).sum((1, 2)) / np.maximum(energy.sum((1, 2)), 1e-9))
    black.append(dark.mean((1, 2)))
    which.append(clusters[r.rows()])
on_black, black, which = (np.concatenate(x) for x in (on_black, black, which))
part, area = clustered.mean(on_black, which), clustered.mean(black, which)
extra = clustered.mean(on_black - black, which)
display(
    Markdown(
        f"{part.value:.1%} ({part.low:.1%} to {part.high:.1%}) of the energy lies on black, which takes {area.value:.1%} of the image. "
        + (
            "That is less than a flat map would put there, and still energy that explains nothing by any tissue."
            if extra.high < 0
            else "The maps prefer what is no tissue: outlines, margins and size of the head decide with it, as chapter 18 would have them."
            if extra.low > 0
            else "The maps take no notice of whether there is tissue."
        )
    )
)

# %% [markdown]
# ## By class and by size
#
# Large tumours are easy to hit, and pituitary tumours always lie in the same place: an average over all hides both.

# %% mystnb={"image": {"alt": "Pointing with tolerance, by class: the model, the usual place and the centre, with intervals."}, "figure": {"name": "fig-localisation-class", "caption": "Pointing game with tolerance, by true class, with 95 % cluster-bootstrap intervals."}}
by_class = tt.localisation(scores.assign(map=scores["map"].astype(str)), "class")
pictures.by_group(by_class, "class", "tolerant")

# %% mystnb={"image": {"alt": "Energy inside the tumour, by tercile of its size: the model, the usual place and the centre, with intervals."}, "figure": {"name": "fig-localisation-size", "caption": "Energy inside the tumour, by third of its size, with 95 % cluster-bootstrap intervals. A flat map scores the tumour's share of the image."}}
by_size = tt.localisation(scores.assign(map=scores["map"].astype(str)), "size")
by_size = by_size.sort_values("size", key=lambda s: s.map(dict(zip(tt.TERCILES, range(3)))), kind="stable")
pictures.by_group(by_size, "size")

# %%
cells = scores[scores["map"].isin([tumours.FUSED, tumours.PLACE, tumours.CENTRE])]
cells = cells.assign(cell=cells["class"] + ", " + cells["size"].astype(str), map=cells["map"].astype(str))
both = tt.localisation(cells, "cell")
names = [f"{CLASS_NAMES[c]}, {s}" for c in classes for s in tt.TERCILES]
both = both.sort_values(["cell", "map"], key=lambda s: s.map({v: k for k, v in enumerate([*names, *order])}))
tables.show(
    tt.wide_localisation(both, "cell").rename(columns={"cell": "Class, size"})[
        ["Class, size", "Map", *tt.MEASURE_NAMES.values(), "Images"]
    ],
    name="tab-localisation-cells",
    caption="By class and third of the tumour's size (thirds of all tumours here: up to "
    f"{tt.edges(scores)[0]:.2%} and {tt.edges(scores)[1]:.2%} of the image): "
    "mean and 95 % cluster-bootstrap interval.",
    data=both,
)

# %% [markdown]
# ## Right and wrong answers
#
# If a map told whether the model looked at the tumour, it should lie elsewhere when the answer is wrong.

# %%
own = scores[scores["map"] == tumours.FUSED].assign(map=tumours.FUSED)
outcome = tt.localisation(own.assign(right=np.where(own["right"], "right", "wrong")), "right")
tables.show(
    tt.wide_localisation(outcome, "right"),
    name="tab-localisation-outcome",
    caption="The model's map by whether the answer was right: mean and 95 % cluster-bootstrap interval.",
    data=outcome,
)

# %% [markdown]
# ## Agreement across seeds
#
# The paper says that maps are consistent over its five seeds. Measured on the random split, where all seeds share their test images: the
# correlation of each image's fused maps from every two seeds. The yardstick is the same correlation between maps of *different* images
# of one class: maps that always light up the same place agree without looking.

# %%
if len(main) > 1 and all(r.maps is not None for r in main):
    fused = [gradcam.fused(tumours.backbone_maps(r), 16) for r in main]
    truth = main[0].labels()
    agree = localisation.consistency(fused, truth, [CLASS_NAMES[c] for c in classes])
    turn = np.arange(len(truth))
    for k in np.unique(truth):  # every image gets its neighbour of the same class
        turn[truth == k] = np.roll(turn[truth == k], 1)
    other = localisation.consistency([fused[0], fused[1][turn]], truth, [CLASS_NAMES[c] for c in classes])
    pairs = np.nanmean(
        [localisation.correlation(fused[i], fused[j]) for i in range(len(fused)) for j in range(i)], axis=0
    )
    spans = [
        clustered.mean(pairs[truth == k], clusters[main[0].rows()][truth == k]) for k in np.unique(truth)
    ]
    spans.append(clustered.mean(pairs, clusters[main[0].rows()]))
    tables.show(
        pd.DataFrame(
            {
                "Class": agree["class"].replace("all", "All"),
                "Same image, two seeds": [tt.span(*s, 3) for s in spans],
                "Other image of the class": other["correlation"].round(3),
                "Images": agree["n"],
            }
        ),
        name="tab-consistency",
        caption=f"Mean pairwise correlation of fused maps over {len(main)} seeds, with 95 % cluster-bootstrap intervals, beside that of "
        "maps of different images of one class.",
    )
    gain = spans[-1].low > other["correlation"].iloc[-1]
    text = (
        f"Over all classes {spans[-1].value:.3f}, against {other['correlation'].iloc[-1]:.3f} for different images: "
        + ("seeds agree on more than the usual place. " if gain else
           "seeds agree no more on an image than on any other of its class. ")
    )  # fmt: skip
    if main[0].settings.model.weights == "in-domain":
        text += (
            "These seeds start from the same backbones (stage 0 is trained once and shared), and most layers stay frozen: "
            "what agrees here is partly the same network."
        )
    display(Markdown(text))
else:
    display(
        Markdown(
            "Agreement needs two seeds or more with maps; under this profile there is one run on record."
        )
    )

# %% [markdown]
# ## Sanity: does the map need what was learnt?
#
# Weights are replaced by untrained ones from the top down: logits, fusion, projections, then the backbones, quarter by quarter. A map
# that explains the model must change; one that stays is a picture of the image (Adebayo et al. 2018). The maps are of the class
# that the trained model named, throughout.

# %% mystnb={"image": {"alt": "Correlation of Grad-CAM maps with those of the trained model as weights are replaced from the top down, or a note that this was not computed."}, "figure": {"name": "fig-cascade", "caption": "Cascading weight randomisation on one trained run: mean correlation with the trained maps and 95 % cluster-bootstrap interval."}}
check = sanity.read(main, chapter.dataset)
if check is None:
    display(
        Markdown(
            "No randomisation is on record for this profile, and the weights of its runs are not on this machine."
        )
    )
else:
    unlike = check[(check["step"] == sanity.OTHER) & (check["map"] == tumours.FUSED)]["correlation"].iloc[0]
    display(pictures.cascade(check, unlike))

# %% tags=["hide-input"]
if check is not None:
    steps = check[(check["map"] == tumours.FUSED) & (check["step"] >= 0)].set_index("replaced")
    last, first = steps.iloc[-1], steps.iloc[1]
    drop = last["high"] < unlike
    tables.show(
        pd.DataFrame(
            {
                "Replaced": steps.index.tolist(),
                "Correlation (95 % interval)": [
                    tt.span(*v, 3) for v in steps[["correlation", "low", "high"]].to_numpy()
                ],
                "Rank correlation": steps["rank"].round(3).tolist(),
                "Empty maps (%)": (100 * steps["empty"]).round(1).tolist(),
                "Right answers (%)": (100 * steps["accuracy"]).round(1).tolist(),
            }
        ),
        name="tab-cascade",
        caption=f"Fused maps of {int(steps['n'].iloc[0])} test images of run {check['run'].iloc[0]} after each step.",
        data=check,
    )
    if check["run"].iloc[0] not in {r.key for r in main}:
        display(
            Markdown(
                "The weights of this page's runs are not on this machine: shown is the committed check, of another run."
            )
        )
    display(
        Markdown(
            f"With untrained logits alone the maps correlate at {first['correlation']:.3f} with the trained ones, with nothing "
            f"trained left at {last['correlation']:.3f} ({last['low']:.3f} to {last['high']:.3f}); trained maps of different "
            f"images are at {unlike:.3f}. "
            + (
                "The maps pass: they lose what training gave them, down to below what any two images have in common."
                if drop
                else "The maps do not pass cleanly: a network that has learnt nothing draws maps as much like the trained ones as those of another image are."
            )
        )
    )

# %% [markdown]
# The second check of that work trains the same model from nothing, stage 0 included, on **shuffled labels**: all it can learn is what
# images look like, not which class they are. Its maps, for the same classes of the same images, are compared with the trained ones.

# %% tags=["hide-input"]
shuffled = None if check is None else check[check["step"] == sanity.SHUFFLED].set_index("map")
if shuffled is None or shuffled.empty:
    display(Markdown("No model trained on shuffled labels is on record for this profile."))
else:
    tables.show(
        pd.DataFrame(
            {
                "Map": [tt.map_name(name) for name in shuffled.index],
                "Correlation (95 % interval)": [
                    tt.span(*v, 3) for v in shuffled[["correlation", "low", "high"]].to_numpy()
                ],
                "Rank correlation": shuffled["rank"].round(3).tolist(),
                "Empty maps (%)": (100 * shuffled["empty"]).round(1).tolist(),
            }
        ),
        name="tab-shuffled",
        caption="Maps of a model trained on shuffled labels against those of the trained one (one training each): "
        f"{int(shuffled['n'].iloc[0])} test images.",
        data=shuffled.reset_index(),
    )
    apart = shuffled.loc[tumours.FUSED]
    right = check[(check["step"] == 0) & (check["map"] == tumours.FUSED)]["accuracy"].iloc[0]
    display(
        Markdown(
            f"On these images it is right on {apart['accuracy']:.1%}, the trained model on {right:.1%}. Its fused maps correlate at "
            f"{apart['correlation']:.3f} ({apart['low']:.3f} to {apart['high']:.3f}) with the trained ones; maps of different images "
            f"at {unlike:.3f}. "
            + (
                "The labels decide the maps: without them nothing is left beyond what any two images share."
                if apart["high"] <= unlike
                else "Part of each map does not come from the labels: a model that learnt no class marks some of the same places, "
                "more than the maps of different images have in common."
                if apart["low"] > unlike
                else "The interval holds the correlation of different images: no more is left than any two images share."
            )
        )
    )

# %% [markdown]
# ## Cases to look at
#
# Per class the best, the middle and the worst by energy inside the tumour among the right answers, with the image's border where it
# is at hand; then every misclassified test image of the first seed.

# %% tags=["hide-input"]
shown_runs = [r for r in runs if r.seed == runs[0].seed]
parts = []
for r in shown_runs:
    p = r.probabilities()
    part = pd.DataFrame(
        {"run": r.key, "at": range(len(p)), "row": r.rows(), "label": r.labels(), "named": p.argmax(1)}
    )
    energy = scores[(scores["run"] == r.key) & (scores["map"] == tumours.FUSED)].set_index("row")["energy"]
    parts.append(part.assign(right=part["label"] == part["named"], energy=part["row"].map(energy)))
cases = pd.concat(parts, ignore_index=True)
why = gallery.choose(cases)
record_of = {r.key: r for r in shown_runs}
cams = {r.key: gradcam.fused(tumours.backbone_maps(r), 8) for r in shown_runs}
chosen = cases.loc[sorted(why, key=lambda i: ("misclassified" in why[i], cases.loc[i, "label"], i))]
borders = gallery.borders(chapter.dataset, chosen["row"].tolist())
tiles = [
    gallery.Case(
        chapter.dataset.frame["file"].iloc[c.row].rsplit("/", 1)[-1].rsplit(".", 1)[0],
        small[c.row], c.label, record_of[c.run].probabilities()[c.at], cams[c.run][c.at], borders.get(c.row), c.energy, why[i],
    )
    for i, c in zip(chosen.index, chosen.itertuples())
]  # fmt: skip

# %% mystnb={"image": {"alt": "For each tumour class the right answer whose map lies most, middling and least inside the tumour, under the fused map, with the border where known."}, "figure": {"name": "fig-best-worst", "caption": "Right answers with the map most, middling and least inside the tumour, one of each class: image and fused map, with the border where it is at hand."}}
picks = [
    (t, word)
    for word in ("best", "median", "worst")
    for k in range(len(classes))
    for t in [t for t in tiles if t.label == k and word in t.why][:1]
]
if picks:
    display(
        overlays.gradcam_rows(
            [t.image for t, _ in picks],
            {"fused": [t.map for t, _ in picks]},
            [f"{CLASS_NAMES[classes[t.label]].replace('ingioma', '.')}\n{word}" for t, word in picks],
            [t.border for t, _ in picks],
        )
    )

# %% tags=["hide-input"]
wrong = int((~cases["right"]).sum())
gallery.show(
    tiles,
    classes,
    "gallery-cases",
    f"{len(tiles)} cases: {wrong} wrong answers of {len(cases):,} on the test part{'s' if len(shown_runs) > 1 else ''} of seed "
    f"{shown_runs[0].seed}, and right answers with the map most, middling and least inside the tumour. "
    + ("Borders in light blue." if borders else "Borders are not drawn: the figshare data is not at hand."),
)
