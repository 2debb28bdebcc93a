"""What chapters 6 to 10 read off run records: notes, tables of training and results, overlays."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib import settings
from gcaf_lib.display import curves, overlays
from gcaf_lib.evaluation import calibration_measures, confidence
from gcaf_lib.findings import overlap, performance, reliability, stages, temperature_scaling, training
from gcaf_lib.paper import published as paper
from gcaf_lib.paper import verdicts
from gcaf_lib.training import runs
from tests.told import Told

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A small invented run record: three classes right, the fourth half wrong."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    labels = np.repeat(np.arange(4), 10)
    guess = np.where((labels == 3) & (np.arange(40) % 2 == 0), 0, labels)
    probs = np.full((40, 4), 0.05) + 0.8 * np.eye(4)[guess]
    parts = {f"{p}_{w}": probs.astype(np.float32) for p in ("validation", "test") for w in ("raw", "ema")}
    parts |= {f"{p}_rows": np.arange(40, dtype=np.int32) for p in ("validation", "test")}
    parts |= {f"{p}_labels": labels.astype(np.int8) for p in ("validation", "test")}
    line = dict(loss=1, accuracy=0.8, val_loss_raw=1, val_accuracy_raw=0.9, val_loss=1, val_accuracy=0.7)
    history = pd.DataFrame(
        [dict(stage=s, epoch=e, rate=1e-3, seconds=1, **line) for s in (1, 2) for e in (1, 2, 3)]
    )
    stages = [dict(stage=s, epochs=3, best_epoch=2, stopped=False, seconds=3.0) for s in (1, 2)]
    chosen = settings.load("demo").to_dict()
    info = dict(
        key="abc", kind="main", seed=0, settings=chosen, stages=stages, weights={}, parameters={"a": 9},
        data_hash="d", profile="demo", provenance={"fingerprint": "f"},
    )  # fmt: skip
    return runs.write(info | {"unfrozen": {"a": ["x", "y"]}}, history, parts)


@pytest.mark.parametrize(
    "copy, patient, said",
    [
        (
            0.653,
            0.67,
            "703 test images, 65.3% have a copy in the training part (by chapter 17's own search), and 67.0% another slice of the same "
            "patient there: the figures",
        ),
        (
            0.0,
            0.5,
            "none has a copy in the training part that chapter 17's search finds, and 50.0% have another slice",
        ),
        (0.1, 0.0, "10.0% have a copy in the training part (by chapter 17's own search): the figures"),
        (0.0, 0.0, "none has a copy in the training part that chapter 17's search finds; what such sharing"),
    ],
)
def test_the_note_says_what_is_so(copy, patient, said):
    found = pd.Series({"images": 703, "with_copy": copy, "with_patient": patient})
    assert said in overlap.split_said(found, "paper")


def test_remaining_share_is_beta_to_the_steps():
    assert stages.remaining(0.999, 1761) == pytest.approx(0.999**1760)
    assert stages.remaining(0, 10) == 0


def test_table_3_is_the_same_under_the_paper_profile():
    assert set(training.beside_table_3(settings.load("paper"))["Compared"]) == {"same"}
    cpu = training.beside_table_3(settings.load("cpu")).set_index("Parameter")
    assert cpu.loc["Input Size", "Compared"] == "differs"
    assert cpu.loc["Class Balance Factor", "Compared"] == "same"


def test_tables_of_training(record):
    assert stages.stages_table([record])["Epoch kept"].tolist() == ["2", "2"]
    table = training.moving_averages([record], images=320)
    assert table["Start remaining (%)"].tolist() == [f"{100 * 0.95**19:.1f} (n = 1)"] * 2
    assert table["Steps up to the kept epoch"].tolist() == ["20", "20"]
    assert table["EMA − raw on validation (points)"].tolist() == ["−20.00 (n = 1)"] * 2
    assert training.unfrozen_layers(record)["layer"].tolist() == ["x", "y"]
    assert (training.raw_history(record)["val_accuracy"] == 0.9).all()
    assert training.stage0_table([record]).empty
    assert len(curves.ema_curves([record.history]).axes) == 2


def test_stage_0_of_several_seeds_is_one_row_a_backbone(record):
    """Two runs with a stage 0 each, a third that shares the second's: mean and spread over the two."""
    begun = []
    for seed, accuracy in ((0, 0.8), (1, 0.9), (1, 0.9)):
        history = record.history.assign(stage=0, val_accuracy=accuracy)[:3]
        info = {
            **record.info,
            "kind": "stage0",
            "key": f"stage0-{seed}",
            "seed": seed,
            "weights_sha256": None,
        }
        info["stages"] = [{**record.info["stages"][0], "stage": 0, "best_epoch": 2 + seed}]
        runs.write(info, history, record.predictions)
        start = {"vgg19": {"source": "in-domain", "stage0": f"stage0-{seed}"}}
        begun.append(SimpleNamespace(info={"weights": start}))
    found = stages.stage0_records(begun)
    assert [r.seed for r in found["vgg19"]] == [0, 1]
    row = training.stage0_table(begun).iloc[0]
    assert row["Validation accuracy (%)"] == "85.00 ± 7.07 (n = 2)"
    assert (row["Epoch kept"], row["Epochs"], row["Backbone"]) == ("2 to 3", "3", "vgg19 (mini)")


def test_tables_of_results(record):
    mean, sd = performance.class_report([record])
    assert mean.loc["pituitary", "recall"] == 0.5 and sd.isna().all(axis=None)
    text = performance.class_report_text(mean, sd)
    assert text.loc["No tumour", "Recall (%)"].endswith(" [97.00]")
    assert text.loc["Macro mean", "F1 (%)"].endswith(" [95.7]"), "with the decimals that the paper prints"
    errors = performance.errors_by_image([record, record])
    assert errors["wrong"].sum() == 10 and (errors["seeds"] == 2).all()
    table = performance.calibrations([record])
    assert table["T"].iloc[0] == "1.00" and len(table) == 4


def test_answers_are_counted_over_all_runs(record):
    assert performance.confusion([record, record])[3].tolist() == [10, 0, 0, 10]


def test_one_run_before_and_after_its_own_temperature(record):
    bins, eces = reliability.before_and_after_scaling(record)
    t = temperature_scaling.fitted([record])[0]
    assert list(bins) == list(eces) == ["As trained", f"T = {t:.2f}"]
    labels, probs = record.labels(), record.probabilities()
    assert list(eces.values()) == [
        calibration_measures.ece(labels, p) for p in (probs, calibration_measures.scale(probs, t))
    ]
    assert all(frame["count"].sum() == 40 for frame in bins.values())


def test_what_a_temperature_from_validation_costs_on_test():
    grid = np.array([1.0, 2.0])
    run = SimpleNamespace(
        labels=lambda part: np.array([0]), probabilities=lambda part: np.array([[0.8, 0.2]])
    )
    root = np.sqrt([0.8, 0.2])  # at the temperature 2
    curve = -np.log([0.8, root[0] / root.sum()])
    said = temperature_scaling.temperature_cost_said([run, run], [2.0, 2.0], grid, [curve, curve])
    assert "Fitted: 2.00 ± 0.00 (n = 2). Best on test, which nobody may use: 1.00 ± 0.00 (n = 2)." in said
    assert f"costs {curve[1] - curve[0]:.4f} ± 0.0000 (n = 2) of" in said
    free = temperature_scaling.temperature_cost_said([run], [1.0], grid, [curve])
    assert "costs 0.0000 (n = 1) of" in free


def test_the_ece_is_set_beside_chance_and_scaling_run_by_run(record):
    plain = calibration_measures.ece(record.labels(), record.probabilities())
    assert f"measured is {plain:.4f}, " in reliability.ece_by_chance_said([record])
    chapter = SimpleNamespace(settings=record.settings, records=lambda name: {})
    said = reliability.scaling_said(chapter, [record], np.arange(40), "1 seed")
    left = calibration_measures.ece(
        record.labels(),
        calibration_measures.scale(record.probabilities(), temperature_scaling.fitted([record])[0]),
    )
    assert f"leaving {left:.4f}: " in said and " (1 seed). " in said and "chapter 19 takes" not in said


def test_place_of_a_published_figure():
    figure = paper.Figure("§5.4", "x", "accuracy", 95.73, 2, "%")
    known = pd.DataFrame(
        {"mean": 0.9, "sd": 0.01, "n": 3, "low": 0.88, "high": 0.92, "lift": 0.0}, index=["accuracy"]
    )
    line = performance.beside_published(known, [figure]).iloc[0]
    assert line["Verdict"] == "above our interval" and line["Measured"] == "90.00 ± 1.00"


def test_what_chance_adds_is_taken_off_the_ece_as_the_scorecard_does():
    """It is the random split's, whichever split the interval is of; the runs' own says nothing of the paper's figure."""
    figure = paper.Figure("Table 7", "x", "ece", 0.0441, 4, "")
    known = pd.DataFrame(
        {"mean": 0.03, "sd": 0.001, "n": 3, "low": 0.0, "high": 0.035, "lift": 0.5}, index=["ece"]
    )
    for lift, verdict in ((0.01, "inside our interval"), (0.0, "above our interval")):
        for split in ("paper", "patients"):
            told = performance.beside_published(known, [figure], ("cpu", split), lift).iloc[0]["Verdict"]
            assert (
                told
                == verdict
                == verdicts.level(0.0441, 0.0, 0.035, figure.half_step, ("cpu", split), lift, 3)
            )


def test_what_cannot_be_true_is_called_so_as_on_the_scorecard():
    """Whatever interval it lies in, and only in the place where it stands."""
    known = pd.DataFrame(
        {"mean": 0.9, "sd": 0.01, "n": 3, "low": 0.0, "high": 1.0, "lift": 0.0}, index=["kappa", "mcc", "ece"]
    )
    for place, word in (("Table 7", "can't be true"), ("elsewhere", "inside our interval")):
        figures = [f._replace(place=place) for f in paper.find("Table 7")]
        found = performance.beside_published(known, figures, ("cpu", "paper")).set_index("Metric")["Verdict"]
        assert (
            found["Cohen's κ"] == found["Matthews correlation"] == word
            and found["ECE"] == "inside our interval"
        )


def test_published_report_is_keyed_by_class():
    known = performance.published_report()
    assert known["glioma", "recall"].value == 94.44 and known["macro avg", "f1"].decimals == 1


def test_perfect_calibration_measures_more_than_zero_and_what_ece_measures():
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, 400)
    probs = np.column_stack([top, 1 - top])
    found = confidence.perfect_ece(probs, draws=300)
    plain = [calibration_measures.ece((rng.random(400) >= top).astype(int), probs) for _ in range(300)]
    assert found.min() > 0 and found.mean() == pytest.approx(np.mean(plain), rel=0.1)


def test_outline_of_a_phantom_surrounds_its_mask(tmp_path):
    mask = np.zeros((40, 80), np.uint8)
    mask[10:20, 20:60] = 255
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), mask)
    frame = pd.DataFrame({"file": ["Testing/x/a.jpg", "Testing/x/b.jpg"]})
    data = SimpleNamespace(root=tmp_path, banner="PHANTOM", frame=frame)
    outline, nothing = overlays.outlines(data, [0, 1])
    assert nothing is None
    assert outline.min(0) == pytest.approx([20.5 / 80, 10.5 / 40])
    assert outline.max(0) == pytest.approx([59.5 / 80, 19.5 / 40])


def test_outlines_are_quiet_without_images():
    data = SimpleNamespace(root=None, banner=None, frame=pd.DataFrame({"file": ["a"]}))
    assert overlays.outlines(data, [0]) == [None]


def test_rows_of_maps_keep_the_outline_on_the_reduced_image():
    image, border = np.zeros((512, 256, 3), np.uint8), np.array([[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]])
    fig = overlays.gradcam_rows([image], {"one": [np.ones((4, 4))]}, ["x"], [border])
    assert overlays.reduced(image).shape == (256, 128, 3)
    assert fig.axes[0].lines[0].get_xdata().max() == pytest.approx(0.75 * 128 - 0.5)


def test_who_is_confused_and_by_whom(record):
    text = performance.confused_said([record])
    assert "Summed over 1 seed, 5 of 40 answers are wrong." in text and "This is a single run" in text
    assert (
        "confused: glioma with pituitary (5 answers, 100% of the wrong ones), where the paper names glioma with m"
        in text
    )
    both = performance.confused_said([record, record])
    assert "Of 40 test images 5 were wrong at least once and 5 with every seed; as many errors" in both
    assert "would leave 0.6 wrong with every seed" in both, "40 · (5 / 40)²"
    perfect = SimpleNamespace(
        labels=record.labels, settings=record.settings, probabilities=lambda *_: np.eye(4)[record.labels()]
    )
    assert performance.confused_said([perfect]) == "Summed over 1 seed, 0 of 40 answers are wrong."


def test_pairs_confused_equally_often_are_all_named(record):
    """And only one that is alone at the top can be the paper's."""
    labels = np.array([0, 1, 2, 3, 3])
    for named, said in (
        ([1, 1, 0, 3, 3], "pairs most often confused: glioma with meningioma and glioma with no tumor (1 answer each, 50%"),
        ([1, 1, 2, 3, 3], "pair most often confused: glioma with meningioma (1 answer, 100% of the wrong ones), as in the paper"),
    ):  # fmt: skip
        told = Told.of(labels, np.eye(4)[named], settings=record.settings)
        text = performance.confused_said([told]).replace("tumour", "tumor")
        assert said in text and ("as in the paper" in text) == ("pair most" in text), text


def test_the_papers_headline_and_the_hardest_class(record):
    text = performance.published_headline_said(performance.class_report([record])[0])
    assert "673 right answers of 703" in text and "94.0 to 97.0%" in text
    assert "if those are independent. Images of one patient are not" in text
    assert "pituitary 97.16%, which is above the 97.00%" in text
    classes = ("glioma", "meningioma", "notumor", "pituitary")
    areas = {f"{kind}_{c}": 0.9 for kind in ("auc", "ap") for c in classes} | {
        "auc_notumor": 0.5,
        "ap_glioma": 0.4,
    }
    said = performance.hardest(pd.DataFrame({"mean": areas}), classes)
    assert (
        "By ROC-AUC the hardest class here is no tumour (0.5000), in the paper meningioma (0.9922)." in said
    )
    assert (
        "By average precision the hardest class here is glioma (0.4000), in the paper meningioma (0.972)."
        in said
    )


def test_chapters_8_and_22_give_one_verdict_on_the_papers_means():
    from gcaf_lib.paper import checks, registry

    found = registry.registry().set_index("claim")["verdict"]
    assert all(found[f.claim] == f.verdict for f in checks.averages())
    source = (ROOT / "notebooks" / "08_roc_pr.py").read_text()
    assert "performance.mean_areas_said()" in source and "agrees" not in source
    told = performance.mean_areas_said().splitlines()
    assert [line.rpartition("**.")[0].rpartition("**")[2] for line in told] == [
        f.verdict for f in checks.averages()
    ]
