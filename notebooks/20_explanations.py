# ---
# jupyter:
#   colab:
#     provenance: []
#     toc_visible: true
#   jupytext:
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
# **Takes:** up to a minute where the runs are on record, a few the first time under `demo`. Needs the images
# and runs that keep their maps, but no weights or borders.
#
# A few maps that cover a tumour prove little: tumours lie near the middle, and so do many maps. One that misses it
# proves little too, until somebody shows that such maps point at what decides. So the instrument is tested first.

# %% tags=["parameters"]
profile = "cpu"  # or demo; runs of "transfer" keep no maps
overrides = {}  # only of runs that keep their maps: see "Needs" above

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import preprocess, splits
from gcaf_lib.display import control_charts, gallery, map_scores, names, overlays, painting, tables
from gcaf_lib.evaluation import control, interventions, sanity, tumours, units
from gcaf_lib.findings import agreement, explanations, map_control, split_records, words

chapter = open_chapter("20_explanations", profile, overrides, need_images=True)
runs = chapter.proposed_runs(train=True)
fold_runs = [r for r in split_records.patient_folds(chapter) if r.maps is not None]
classes, clusters = chapter.settings.data.classes, splits.clusters(chapter.dataset)
picture_ids = units.pictures(chapter.dataset)
chapter.strip([*runs, *fold_runs])

# %% [markdown]
# ## The instrument, tested
#
# The control is a set of artificial pictures: grey texture with one coloured mark at a random place. Only the mark gives the class away. **A map
# that doesn't point at the mark is not accepted as evidence here**; and the map of an untrained model must not point at it. Where the line is drawn
# (half of the pictures) is our choice; the column *or near it* shows maps that miss by little. Neither a pass nor a failure carries over by itself to
# grey tumours, or to the paper's networks at 224 pixels. The models are miniatures, trained in the order of all runs but briefly (stage 0, two epochs
# of stage 1, no stage 2), each twice: as built, and with a LayerNorm behind the projections (chapter 11). A backbone's map is judged only where that
# backbone *alone* learnt the marks. Methods: Grad-CAM, HiResCAM and LayerCAM (glossary) on each backbone's last map, before and after its final norm;
# their mean over backbones (*Model, both backbones*; of Grad-CAM after the norm it is the usual reading of the paper's figure, which names neither
# layer nor mean); and two without a layer: occlusion, and sensitivity, the logit's gradient at the input.

# %% mystnb={"image": {"alt": "Four pictures of grey texture with one small coloured disc each, and below them the maps of several methods, with the disc's outline."}, "figure": {"name": "fig-control-maps", "caption": "The control: one picture of each class with its mark outlined, and maps of one model."}}
map_verdicts = control.map_verdicts(control.read())
drawn_maps = map_control.drawn_maps(map_verdicts, chapter.settings.model.backbones)
control_charts.control_maps(control.read_pictures(), drawn_maps)

# %% mystnb={"image": {"alt": "Bars: share of the control's pictures on which each method's map points at the mark, without and with LayerNorm, with a line at chance and one at a half."}, "figure": {"name": "fig-control", "caption": "Share of the control's pictures on which the map's maximum falls on the mark: mean over seeds, thin lines from the worst to the best seed. Dotted: chance, the mark's share of the picture. Dashed: what a map must reach with every seed. Grey: the random map, and maps of which the control says nothing."}}
control_charts.control_bars(map_verdicts)

# %%
tables.show(map_control.control_table(map_verdicts), "tab-control", map_control.CONTROL, data=map_verdicts)
Markdown(map_control.control_said(map_verdicts))

# %% [markdown]
# ## Maps and tumours

# %%
maps = explanations.gather(runs, fold_runs, chapter.dataset, map_verdicts, clusters)
randomised = sanity.read(runs, chapter.dataset)
Markdown(explanations.maps_said(maps, map_verdicts, randomised, chapter.phantoms))

# %% [markdown]
# - **Pointing game**: is the map's maximum inside the tumour? *With tolerance*: inside it or within 7% of the image's side.
# - **Energy inside**: the share of the map's sum that lies in the tumour. A flat map scores the tumour's own share of the image.
# - **IoU at matched area**: the IoU of the tumour and the map's highest cells, as many cells as the tumour has.
#
# The yardsticks: a Gaussian bump in the centre; random cells; the image's edges; and *the usual place*, the
# mean tumour mask of training images of the named class. The last knows the class, not the image: a map that
# looks at *this* tumour must beat it. All maps are of the class the model named, on test images (Section 5.9
# speaks of training and validation samples).

# %% mystnb={"image": {"alt": "Four panels, one a measure: mean score with interval of the model's maps, of the usual place, the centre, a random map and the edges."}, "figure": {"name": "fig-localisation", "caption": "Maps against tumour borders: mean over images and 95% cluster-bootstrap interval over patient groups. The model's own maps in colour."}}
from gcaf_lib.findings import map_localisation, tumour_localisation

scores_by_map = map_localisation.mean_scores(maps.scores)
map_scores.by_measure(scores_by_map)

# %%
tested = words.tested_said(maps.runs, clusters, picture_ids, maps.scores["row"])
tables.show(
    map_localisation.wide(scores_by_map),
    name="tab-localisation",
    caption="Maps against tumour borders: mean and 95% interval over patient groups "
    f"({words.BOOTSTRAP}). Images are counted once per run: {tested}.",
    data=scores_by_map,
)

# %%
blind = (tumours.CENTRE, tumours.PLACE)
score_differences = {m: map_localisation.score_differences(maps.scores, maps.shown, m) for m in blind}
tables.show(
    tumour_localisation.rivals_table(score_differences),
    name="tab-against-prior",
    caption=f"{names.map_name(maps.shown)}: its score minus that of a map that doesn't know the image. "
    f"{tested}; each file counts.",
)
Markdown(tumour_localisation.tumour_said(maps.chosen, score_differences, scores_by_map, chapter.phantoms))

# %% [markdown]
# And the rest? What is black after preprocessing is not tissue. Over all test images, the share of the energy
# on black, beside the share of the image:

# %%
images = preprocess.images(chapter.dataset, chapter.settings.data)
Markdown(tumour_localisation.black_said(maps, images, clusters))

# %% [markdown]
# ## By class, by size, by answer
#
# Large tumours are easy to hit, and pituitary ones lie in one place: averages hide both. And a wrong answer's map should lie
# elsewhere: the last table sets right beside wrong answers, whose difference is not tested.

# %% mystnb={"image": {"alt": "Pointing with tolerance, by class: the model, the usual place and the centre, with intervals."}, "figure": {"name": "fig-localisation-class", "caption": "Pointing game with tolerance, by true class, with 95% cluster-bootstrap intervals over patient groups."}}
compared_maps = (maps.shown, tumours.PLACE, tumours.CENTRE)
map_scores.by_group(map_localisation.mean_scores(maps.scores, "class"), "class", "tolerant", compared_maps)

# %% mystnb={"image": {"alt": "Energy inside the tumour, by tercile of its size: the model, the usual place and the centre, with intervals."}, "figure": {"name": "fig-localisation-size", "caption": "Energy inside the tumour, by third of its size, with 95% cluster-bootstrap intervals over patient groups. A flat map scores the tumour's share of the image."}}
map_scores.by_group(tumour_localisation.by_size(maps.scores), "size", maps=compared_maps)

# %%
cells = tumour_localisation.cells(maps.scores, compared_maps, picture_ids)
caption = tumour_localisation.cells_caption(maps.scores)
tables.show(tumour_localisation.cells_table(cells), "tab-localisation-cells", caption, data=cells)
Markdown(tumour_localisation.cells_said(maps.scores, compared_maps))

# %%
by_answer = tumour_localisation.by_answer(maps.scores[maps.scores["map"] == maps.shown], picture_ids)
tables.show(
    tumour_localisation.counted(by_answer, "right"),
    name="tab-localisation-outcome",
    caption="By the answer: mean and 95% cluster-bootstrap interval over patient groups. An image counts "
    "once a run.",
    data=by_answer,
)

# %% [markdown]
# ## What if the tumour were not there?
#
# A map says where something lies that the model may have used. An intervention takes it away and asks again.  Test images with a known border, and room
# elsewhere, are shown with the tumour *painted* over from its surroundings, *flat* in the mean colour of the rest of the head (a second fill, for what
# the first one does by itself), or *alone*, all else in that colour; beside each the same shape at random places inside the head, off the tumour: what
# painting does by itself. Two controls. Images without a tumour borrow a border: painting there should change as many answers as painting elsewhere. The
# control's models are asked about their mark, which alone tells the class.

# %% mystnb={"image": {"alt": "A tumour of each class in seven pictures: as it is; painted over from its surroundings, flat in one colour, and alone; each beside as much elsewhere."}, "figure": {"name": "fig-painted", "caption": "What the models were asked: the tumour of middle size of each class."}}
from gcaf_lib.findings import intervention_effects, painted_over, tumour_alone

examples = intervention_effects.example_pictures(chapter.dataset, chapter.settings.data, maps.images, images)
painting.examples(examples)

# %% mystnb={"image": {"alt": "By class, two panels: share of answers that change when the tumour, or as much elsewhere, is painted over; share of right answers to the tumour, or as much elsewhere, alone; with intervals."}, "figure": {"name": "fig-interventions", "caption": "Left: answers that change when the tumour, or as much elsewhere, is painted over. Right: right answers when all of the head but the tumour, or as much elsewhere, is painted in one colour. Bars: 95% intervals, as in the tables below."}}
asked_again = interventions.read(maps.runs, chapter.dataset)
answers = intervention_effects.answers_by_kind(asked_again, classes, clusters)
effects = intervention_effects.all_effects(answers)
painting.effect_panels(effects["painted", "changed"], effects["alone", "right"])

# %%
painted_table = painted_over.painted_table(effects)
caption = f"{painted_over.OVER} {intervention_effects.asked_said(effects, answers, maps.runs, picture_ids)}"
tables.show(painted_table[painted_over.RIGHT], "tab-painted", caption, data=painted_table)
tables.show(painted_over.changed_table(effects), "tab-changed", painted_over.CHANGED)
Markdown(painted_over.painted_said(effects, answers, maps.runs, maps.images, chapter.phantoms))

# %%
tables.show(tumour_alone.alone_table(effects), "tab-alone", tumour_alone.CUT_OUT)
Markdown(tumour_alone.alone_said(effects))

# %% [markdown]
# ## Agreement across seeds
#
# The paper says that maps are consistent over training seeds, whose number it does not give, most of all for
# pituitary tumours and no tumour. On the random split all seeds share their test images. The table sets the
# correlation between two seeds' maps of one image, over all pairs of seeds, beside that between maps of
# *different patients* of one class: maps that all mark the usual place agree without looking.

# %%
seed_runs = [r for r in runs if r.key in maps.kept]
seed_maps = [maps.kept[r.key][maps.shown] for r in seed_runs]
agreed = agreement.agreement(seed_maps, runs[0], clusters)
caption = agreement.seeds_caption(maps.shown, words.tested_said(seed_runs, clusters, picture_ids))
tables.show(agreement.agreement_table(agreed), "tab-consistency", caption)
Markdown(agreement.seeds_said(agreed, runs[0].settings))

# %% [markdown]
# ## Sanity: does the map need what was learnt?
#
# The yardstick of both checks: how alike the trained maps of *different patients* are, over all pairs.
# Untrained weights replace the trained ones from the top down, the backbones quarter by quarter. A map that
# explains the model must change; one that stays is a picture of the image (Adebayo et al. 2018). The verdict
# is on the last step, without a trained weight, by the difference to the yardstick on the same runs and
# patients; earlier steps show how far down a map depends on what was learnt. Maps are of the class that the
# trained model named. The second check trains from nothing, stage 0 too, on **shuffled labels**.

# %% mystnb={"image": {"alt": "Correlation of maps with those of the trained model as weights are replaced from the top down, or a note that this was not computed."}, "figure": {"name": "fig-cascade", "caption": "Cascading weight randomisation: mean correlation with the trained maps and 95% interval, over patients and trainings as far as there are several; dotted, in each map's colour, trained maps of different patients."}}
map_scores.cascade(randomised)

# %%
caption = agreement.sanity_caption(randomised, maps.shown)
tables.show(agreement.sanity_table(randomised, maps.shown), "tab-cascade", caption, data=randomised)
Markdown(agreement.sanity_said(randomised, {r.key for r in runs}))

# %% [markdown]
# ## Cases to look at
#
# Per class the best, middle and worst right answers by energy inside the tumour; then every misclassified
# test image of the first seed.

# %% mystnb={"image": {"alt": "For each tumour class the right answer whose map lies most, middling and least inside the tumour, under the map, with the border where known."}, "figure": {"name": "fig-best-worst", "caption": "Right answers with the map most, middling and least inside the tumour, one of each tumour class: image and map, with the border where it is at hand."}}
tiles, cases = explanations.tiles(maps, chapter.dataset, images)
overlays.gradcam_rows(**explanations.best_and_worst(tiles, classes))

# %%
gallery.show(tiles, classes, "gallery-cases", explanations.gallery_caption(tiles, cases, maps.runs[0].seed))
