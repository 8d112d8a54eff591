"""Promises of the figures in the model cards: doubt, reliability, heat maps, and drawings that show no picture."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from inference.card import MODELS_DIR, Input, ModelCard, OperatingPoints, ScoreBin, load_card
from inference.training.data.example import Example
from inference.training.fit.ranking import auc
from inference.training.measure import calibrate, evaluate, heatmaps, metrics
from inference.training.predict import PredictionBatch, said
from inference.training.recipes import Limits
from inference.training.report import headline, model_card, plots, svg
from tests.unit.training.test_training import SMALL

RECIPE = replace(SMALL, input=Input(side=160, channels=1, normalisation="percentile"))
CARD = load_card(MODELS_DIR / "brain_mri").model_copy(
    update={
        "classes": RECIPE.classes,
        "conformal": dict.fromkeys(RECIPE.class_names, 0.9),
        "input": RECIPE.input,
        "operating_points": OperatingPoints(positive=0.7, negative=0.05),
        "heatmap_full_scale": 100.0,
        "views": ("plain",),
    }
)


def predictions(
    probabilities: np.ndarray, card: ModelCard = CARD, hot: Sequence[tuple[int, int]] | None = None
) -> PredictionBatch:
    """Readings with the given probabilities [N, 4]; the glioma map is at full scale in one cell each."""
    n = len(probabilities)
    maps = np.zeros((n, 20, 20, 4), np.float32)
    for i, (y, x) in enumerate(hot or []):
        maps[i, y, x] = card.heatmap_full_scale
    tta_disagreement = np.zeros(n)
    logits = np.log(probabilities.clip(1e-9)).astype(np.float32)
    return PredictionBatch(
        logits,
        probabilities,
        maps,
        maps,
        np.zeros((n, 3), np.float32),
        tta_disagreement,
        said(card, probabilities, tta_disagreement),
    )


def examples(folder: Path, labels: Sequence[str]) -> list[Example]:
    """Drawn slices with a mask in the upper left for each tumour."""
    rows = []
    for i, label in enumerate(labels):
        picture = np.zeros((160, 160), np.uint8)
        picture[20:140, 30:130] = 120
        mask = np.zeros((160, 160), np.uint8)
        mask[40:72, 40:72] = 255
        Image.fromarray(picture).save(folder / f"{i}.png")
        Image.fromarray(mask).save(folder / f"{i}_mask.png")
        masked = folder / f"{i}_mask.png" if label != "no_tumor" else None
        rows.append(Example(folder / f"{i}.png", label, "test", "drawn", str(i), mask=masked, detail="t1"))
    return rows


def test_roc_spans_corners_and_its_area_is_auc() -> None:
    rng = np.random.default_rng(0)
    ill = rng.random(300) < 0.4
    scores = np.round(rng.normal(0, 1, 300) + ill, 1)
    false, true = metrics.roc(scores, ill)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert float(np.trapezoid(true, false)) == pytest.approx(auc(scores, ill))


def test_sensitivity_is_taken_at_the_required_specificity() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.85, *[0.1] * 19])
    ill = np.array([True] * 4 + [False] * 20)
    assert metrics.sensitivity_at(scores, ill, 0.95) == 1  # one of twenty may be taken for ill
    assert metrics.sensitivity_at(scores, ill, 0.96) == 0.25


def test_risk_counts_the_wrong_among_the_surest() -> None:
    confidence = np.linspace(1, 0.5, 10)
    correct = np.array([True] * 8 + [False] * 2)
    assert metrics.risk_at(confidence, correct, 0.8) == 0
    assert metrics.risk_at(confidence, correct, 0.9) == pytest.approx(1 / 9)
    assert metrics.risk_coverage(confidence, correct)[1][-1] == pytest.approx(0.2)


def test_a_share_of_none_is_still_in_doubt() -> None:
    none = metrics.share(np.zeros(90, bool), [str(i) for i in range(90)])
    assert none["value"] == 0
    assert none["ci95"] == [0, pytest.approx(0.0402, abs=1e-3)]
    assert metrics.share(np.zeros(90, bool), ["one"] * 90)["ci95"] == [0, 0.975]


def test_perfect_models_chance_calibration_error_shrinks_with_pictures() -> None:
    confidence = np.random.default_rng(0).uniform(0.5, 1, 6400)
    few, many = (metrics.calibration_error_by_chance(confidence[:n]) for n in (100, 6400))
    assert 0.03 < few < 0.2
    assert many < few / 4


def test_reliability_says_what_pictures_with_such_a_score_showed() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(3000)
    ill = rng.random(3000) < scores
    bins = calibrate.reliability(scores, ill)
    assert (bins[0].low, bins[-1].high) == (0, 1)
    assert all(a.high == b.low for a, b in pairwise(bins))
    assert all(b.pictures >= calibrate.LEAST_IN_BIN for b in bins)
    shares = [b.tumors / b.pictures for b in bins]
    assert shares == sorted(shares)
    assert all(b.low - 0.1 < share < b.high + 0.1 for b, share in zip(bins, shares, strict=True))
    assert sum(b.pictures for b in bins) == 3000


def test_small_place_is_not_drowned_by_a_larger() -> None:
    tumor = np.concatenate([np.full(400, 0.1), np.full(40, 0.9)])  # without a tumour: a strange place looks ill
    ill = np.zeros(440, bool)
    alike = np.concatenate([np.full(400, 1 / 400), np.full(40, 1 / 40)])
    limits = Limits((0.05, 1.0), (0.01, 1.0))

    assert calibrate.verdict_points(tumor, ill, ("",) * 440, limits).positive == pytest.approx(0.9, abs=0.01)
    easy = Limits((0.12, 1.0), (0.01, 1.0))
    assert calibrate.verdict_points(tumor, ill, ("",) * 440, easy).positive == calibrate.LEAST_POSITIVE
    assert calibrate.verdict_points(tumor, ill, ("",) * 440, easy, alike).positive > 0.9


def test_fifth_of_clear_may_look_like_finding() -> None:
    finding = np.concatenate([np.linspace(0, 1, 101), np.full(50, 0.99)])
    clear = np.arange(151) < 101
    point = calibrate.finding_point(finding, clear)
    assert (finding[clear] > point).mean() == pytest.approx(calibrate.WITHHELD_FOR_FINDINGS, abs=0.01)
    one_place = np.where(np.arange(151) < 100, 0.0, 1.0)  # all weight lies on the last clear picture, which scores 1
    assert calibrate.finding_point(finding, clear, one_place + 1e-9) >= 1.0
    assert calibrate.finding_point(finding, np.zeros(151, bool)) == 1.0


def test_reliability_of_few_pictures_is_one_bin() -> None:
    bins = calibrate.reliability(np.linspace(0, 1, 15), np.linspace(0, 1, 15) > 0.5)
    assert [b.pictures for b in bins] == [15]


def test_doubtful_scores_do_not_silence_surer_ones_beside_them() -> None:
    clear = [0.01] * 100 + [0.5] * 8 + [0.65] * 12
    scores, ill = np.array(clear + [0.75] * 12 + [0.97] * 100), np.arange(232) >= len(clear)
    points = OperatingPoints(positive=0.7, negative=0.3, finding=1.0)
    joined = calibrate.reliability(scores, ill)
    bins = calibrate.reliability(scores, ill, (points.negative, points.positive))

    assert calibrate.agreeing(points, joined).positive > 0.75, "these are what the edges are for"
    assert 0.7 in {b.low for b in bins}
    assert calibrate.agreeing(points, bins) == points
    assert sum(b.pictures for b in bins) == 232
    assert min(b.pictures for b in bins) >= 232 // 16


def test_nothing_is_told_where_tests_contradicted_too_often() -> None:
    told = [(0.0, 0.05, 100, 2), (0.05, 0.2, 40, 14), (0.2, 0.8, 40, 30), (0.8, 1.0, 100, 99)]
    bins = tuple(ScoreBin(low=low, high=high, pictures=n, tumors=k) for low, high, n, k in told)
    points = OperatingPoints(positive=0.7, negative=0.3, finding=0.4)
    assert calibrate.agreeing(points, bins) == OperatingPoints(positive=0.8, negative=0.05, finding=0.4)
    assert calibrate.agreeing(points, (bins[0], bins[-1])) == points
    assert calibrate.agreeing(points, ()) == points


def test_views_may_differ_as_far_as_right_answers_do() -> None:
    tta_disagreement = np.concatenate([np.linspace(0, 0.4, 100), np.full(10, 0.9)])
    right = np.arange(110) < 100
    limit = calibrate.max_tta_disagreement(tta_disagreement, right)
    assert 0.38 < limit < 0.4
    assert (tta_disagreement[right] > limit).mean() <= calibrate.WITHHELD_FOR_VIEWS
    assert (tta_disagreement[~right] > limit).all()
    assert calibrate.max_tta_disagreement(np.zeros(10), np.ones(10, bool)) == 1.0


def test_a_small_source_speaks_in_a_quantile_too() -> None:
    scores = np.concatenate([np.full(900, 0.95), np.full(36, 0.2)])  # 36 pictures of another place are hard
    probabilities = np.stack([scores, 1 - scores], 1)
    labels = np.zeros(936, np.int32)
    alike = calibrate.conformal(probabilities, labels, ("a", "b"))["a"]
    by_source = calibrate.conformal(probabilities, labels, ("a", "b"), calibrate.by_source(("x",) * 900 + ("y",) * 36))[
        "a"
    ]
    assert alike == calibrate.LEAST_QUANTILE
    assert by_source == pytest.approx(0.8)


def test_only_heat_on_the_tumor_counts_as_pointing(tmp_path: Path) -> None:
    rows = examples(tmp_path, ["glioma", "glioma"])
    probabilities = np.array([[0.97, 0.01, 0.01, 0.01]] * 2)
    on, beside = (
        heatmaps.figures(
            RECIPE,
            CARD,
            predictions(probabilities, hot=[place] * 2),
            rows,
            {"heat_map": 0.2, "own_peak": 0.5, "middle_of_the_head": 0.5},
        )
        for place in ((6, 6), (15, 15))
    )
    assert on["pointing"]["heat_map"]["pointing_game"]["value"] == 1
    assert on["pointing"]["heat_map"]["energy_inside"]["value"] > 0.9
    assert on["pointing"]["heat_map"]["dice"]["value"] > 0.2
    assert beside["pointing"]["heat_map"]["pointing_game"]["value"] == 0
    assert beside["pointing"]["heat_map"]["dice"]["value"] == 0
    area = 32 * 32 / 160 / 160
    assert on["pointing"]["everywhere_alike"]["pointing_game"]["value"] == pytest.approx(area, abs=1e-3)


def test_a_healthy_picture_with_a_hot_place_is_counted(tmp_path: Path) -> None:
    rows = examples(tmp_path, ["no_tumor"] * 4)
    probabilities = np.array([[0.01, 0.01, 0.01, 0.97]] * 4)
    found = heatmaps.figures(RECIPE, CARD, predictions(probabilities, hot=[(5, 5)]), rows)
    assert found["healthy_with_a_bright_spot"]["value"] == 0.25


def test_the_brightest_scale_is_taken_that_still_points(tmp_path: Path) -> None:
    rows = examples(tmp_path, ["glioma", "glioma"])
    read = predictions(np.array([[0.97, 0.01, 0.01, 0.01]] * 2))
    read.evidence[:, 2:12, 2:12, 0] = 5  # a wide glow that begins outside the outline (cells 5 to 8)
    read.evidence[:, 7, 7, 0] = 8
    assert heatmaps.clearest(CARD, read, rows, (4.0, 8.0, 16.0)) == 8
    read.evidence[:, 2:5, :, 0] = read.evidence[:, :, 2:5, 0] = 0
    read.evidence[:, 9:, :, 0] = read.evidence[:, :, 9:, 0] = 0
    assert heatmaps.clearest(CARD, read, rows, (4.0, 8.0, 16.0)) == 4
    unmarked = [replace(row, mask=None) for row in rows]
    assert heatmaps.clearest(CARD, read, unmarked, (4.0, 8.0, 16.0)) == 16


def test_best_threshold_separates_tumor_from_the_rest() -> None:
    masks = np.zeros((1, 40, 40), bool)
    masks[0, 8:16, 8:16] = True
    heats = np.where(masks, 0.8, 0.4).astype(np.float32)
    chosen = heatmaps.best_threshold(heats, masks)
    assert 0.4 <= chosen < 0.8
    assert heatmaps.dice(heats, masks, chosen)[0] == 1


def test_outline_closes_around_what_exceeds_the_level() -> None:
    grid = np.zeros((20, 20))
    grid[5:10, 8:12] = 1
    numbers = [float(n) for n in re.findall(r"[\d.]+", svg.outline(grid, 0.5, 0, 0, 200))]
    xs, ys = numbers[::2], numbers[1::2]
    assert 75 < min(xs) < 85
    assert 115 < max(xs) < 125
    assert 45 < min(ys) < 55
    assert 95 < max(ys) < 105
    ends = [tuple(numbers[i : i + 2]) for i in range(0, len(numbers), 2)]
    assert all(ends.count(end) % 2 == 0 for end in ends)


def test_drawn_figures_are_small_svg_without_pictures(tmp_path: Path) -> None:
    rows = examples(tmp_path, ["glioma", "meningioma", "pituitary", "no_tumor"] * 5)
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4) / 2, len(rows))
    parts = {
        "val": (rows, predictions(probabilities)),
        "test": (rows, predictions(probabilities, hot=[(6, 6)] * len(rows))),
    }
    plots.write(RECIPE, CARD, tmp_path, parts)
    for name in (plots.PLOTS, plots.GALLERY):
        root = ElementTree.fromstring((tmp_path / name).read_bytes())  # noqa: S314 - written a moment ago
        tags = {element.tag.split("}")[-1] for element in root.iter()}
        assert tags <= {"svg", "title", "style", "path", "rect", "circle", "text", "ellipse"}
        assert (tmp_path / name).stat().st_size < 100_000


def test_doubt_counts_answers_and_view_disagreement_where_wrong(tmp_path: Path) -> None:
    rows = examples(tmp_path, ["glioma", "glioma", "no_tumor", "no_tumor"])
    probabilities = np.array(
        [[0.97, 0.01, 0.01, 0.01], [0.01, 0.01, 0.01, 0.97], [0.01, 0.01, 0.01, 0.97], [0.3, 0.1, 0, 0.6]]
    )
    two = CARD.model_copy(update={"views": ("plain", "mirrored"), "max_tta_disagreement": 0.2})
    read = replace(
        predictions(probabilities, two), tta_disagreement=np.array([0, 0.9, 0, 0]), said=np.array([1, -1, -1, 0])
    )
    labels = np.array([0, 0, 3, 3], np.int32)
    found = evaluate.doubt(RECIPE, two, read, labels, rows)
    assert found["answered"]["value"] == 0.75
    assert found["told_wrong"]["value"] == 0.25
    assert found["views_disagree"]["value"] == 0.25
    assert found["views_disagree_where_wrong"]["value"] == 1
    alone = CARD.model_copy(update={"views": ("plain",)})
    assert "views_disagree" not in evaluate.doubt(RECIPE, alone, read, labels, rows)


def test_headline_says_what_was_met_and_missed() -> None:
    def figures(auc: float) -> dict[str, object]:
        return {
            "model": {"auc_tumor": {"value": auc, "ci95": [auc - 0.01, auc]}},
            "prediction_sets": {"coverage": {}, "mean_size": 1.3},
        }

    figure = figures(0.995)
    figure["prediction_sets"] = {"coverage": {"a": {"value": 0.9, "ci95": [0.8, 1]}}, "mean_size": 1.3}
    lines = headline.headline(CARD.model_copy(update={"figures": {"test": figure}}))
    assert any("ROC" in line and "0.995" in line and "| yes |" in line for line in lines)
    assert any("mean size" in line and "**no**" in line for line in lines)
    assert any("0.900 to 0.900 | **no**" in line for line in lines)
    assert headline.headline(CARD.model_copy(update={"figures": {}})) == []


def test_a_model_card_without_figures_is_still_a_page(tmp_path: Path) -> None:
    model_card.write_model_card(CARD.model_copy(update={"figures": {}}), tmp_path)
    text = (tmp_path / "MODEL_CARD.md").read_text()
    assert CARD.out_of_scope in text
    assert "plots.svg" not in text


@pytest.mark.parametrize("name", ["brain_mri", "blood_smear", "gate"])
def test_shipped_page_is_what_its_card_makes(name: str, tmp_path: Path) -> None:
    for drawing in (plots.PLOTS, plots.GALLERY):
        if (MODELS_DIR / name / drawing).exists():
            (tmp_path / drawing).touch()
    model_card.write_model_card(load_card(MODELS_DIR / name), tmp_path)
    assert (MODELS_DIR / name / "MODEL_CARD.md").read_text("utf-8") == (tmp_path / "MODEL_CARD.md").read_text("utf-8")


def test_page_of_smears_speaks_of_no_tumours() -> None:
    page = (MODELS_DIR / "blood_smear" / "MODEL_CARD.md").read_text("utf-8")
    assert "| **with leukaemia** |" in page
    assert "tumor" not in page.lower()
    assert "tumour" not in page.lower()


def test_what_is_said_of_a_row_follows_the_views() -> None:
    strict = CARD.model_copy(update={"max_tta_disagreement": 0.2})
    probabilities = np.array([[0.97, 0.01, 0.01, 0.01]] * 2)
    assert said(strict, probabilities, np.array([0.1, 0.3])).tolist() == [1, 0]
    assert replace(predictions(probabilities), tta_disagreement=np.ones(2)).said.tolist() == [1, 1]
