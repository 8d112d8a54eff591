"""White cells are found, measured at the scale of the red cells, judged one by one and shown where they lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.analyser import draw_heat, judged_cells
from inference.analysis import Verdict
from inference.card import ModelError
from inference.cells import measures
from inference.cells.finder import CELL, GRID, LARGEST, MOST, RED_RADIUS, Cell, Field, crops, find, soften
from inference.cells.measures import CHANNELS, MEASURES, cell_tensor, chromatin, measure
from inference.cells.textures import TEXTURES_FILE, TextureReader, in_usual_colours
from inference.decision import decide
from inference.model import Model, Prediction
from inference.registry import check_models
from tests.smears import SIDE, VIOLET, Nucleus, smear

PLACES = [(50, 60), (170, 50), (120, 130), (60, 190), (190, 180)]
SIZE, PALE, RIM = MEASURES.index("size"), MEASURES.index("pale"), MEASURES.index("rim")
GRAIN, CLUMPS = MEASURES.index("grain"), MEASURES.index("clumps")


def scaled(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def nearest(field: Field, x: float, y: float) -> tuple[float, Cell]:
    """The cell that lies nearest to a place of the smear, and how far off (in shares of the picture's width)."""
    width = field.density.shape[2]
    found = [(float(np.hypot(c.x / width - x / SIDE, c.y / width - y / SIDE)), c) for c in field.cells]
    return min(found, key=lambda pair: pair[0])


@pytest.fixture(scope="module")
def expert() -> Model:
    return Model.load(check_models()[1]["blood_smear"])


FIVE = smear([Nucleus(x, y) for x, y in PLACES])


@pytest.mark.parametrize("side", [160, 240, 900])
def test_every_nucleus_is_found_at_any_picture_size(side: int) -> None:
    field = find(scaled(FIVE, side))

    assert len(field.cells) == len(PLACES)
    for x, y in PLACES:
        distance, cell = nearest(field, x, y)
        assert distance < 0.02
        assert cell.radius / RED_RADIUS == pytest.approx(15 / 9, rel=0.15)  # in radii of a red cell


def test_small_nucleus_among_large_red_cells_measures_small() -> None:
    small = measure(find(smear([Nucleus(x, y, 12) for x, y in PLACES], red=14)))[:, SIZE]
    large = measure(find(smear([Nucleus(x, y, 20) for x, y in PLACES], red=9)))[:, SIZE]

    assert np.median(small) == pytest.approx(np.log(12 / 14), abs=0.15)
    assert np.median(large) == pytest.approx(np.log(20 / 9), abs=0.15)


def test_lobed_nucleus_is_one_cell_and_paler_than_round() -> None:
    lobed, round_ = (find(smear([Nucleus(120, 120, 14, lobes=n)])) for n in (3, 1))

    assert len(lobed.cells) == len(round_.cells) == 1
    assert measure(lobed)[0, PALE] < measure(round_)[0, PALE]


def clumped(picture: NDArray[np.uint8], depth: int = 45) -> NDArray[np.uint8]:
    """The smear with small dark clumps scattered over its nuclei."""
    rng = np.random.default_rng(2)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    dark = tuple(level - depth for level in VIOLET)
    for x, y in PLACES:
        for _ in range(14):
            across, down = x + rng.uniform(-9, 9), y + rng.uniform(-9, 9)
            draw.ellipse((across - 1.5, down - 1.5, across + 1.5, down + 1.5), fill=dark)
    return np.asarray(image)


def test_clumped_chromatin_is_told_from_smooth() -> None:
    smooth, coarse = (np.median(measure(find(p)), axis=0) for p in (FIVE, clumped(FIVE)))

    assert coarse[GRAIN] > smooth[GRAIN] + 0.3
    assert coarse[CLUMPS] > smooth[CLUMPS] + 0.1


def test_weaker_lens_reduces_grain_less_than_contrast() -> None:
    shares = (1 + 0.2 * np.random.default_rng(0).normal(size=(1, CELL, CELL))).astype(np.float32)
    away = np.hypot(*np.meshgrid(*[np.arange(CELL) - CELL // 2] * 2))[None]
    nucleus, near = away < 14, away < 16
    sharp = soften(shares * nucleus)
    contrast, grain = zip(
        *(((p - soften(p))[away < 11].std(), chromatin(p, nucleus, near)[0][0]) for p in (sharp, soften(sharp))),
        strict=True,
    )

    assert abs(grain[1] - grain[0]) < 0.7 * abs(np.log(contrast[1] / contrast[0]))


def test_neighbours_that_touch_are_two_cells() -> None:
    assert len(find(smear([Nucleus(105, 120), Nucleus(134, 120)])).cells) == 2


@pytest.mark.parametrize(("gains", "gamma"), [((0.8, 0.9, 1.0), 1.0), ((1.0, 0.95, 0.8), 1.3), ((0.9, 1.0, 0.95), 0.8)])
def test_lamp_and_stain_strength_hardly_change_the_measures(gains: tuple[float, float, float], gamma: float) -> None:
    other = (255 * (FIVE / 255.0) ** gamma * gains).clip(0, 255).astype(np.uint8)
    plain, changed = (measures.tensor(p)[..., :-1].sum((0, 1, 2)) / len(PLACES) for p in (FIVE, other))

    assert np.abs(plain - changed).max() < 0.8  # in usual spreads from cell to cell


def test_no_nuclei_mean_no_evidence_and_no_verdict(expert: Model) -> None:
    reading = expert.read(smear([]))

    assert reading.outline is not None
    assert not reading.outline.cells
    assert list(reading.probabilities.values()) == [0.5, 0.5]
    assert decide(reading.probabilities, expert.card, reading.tta_disagreement).verdict is Verdict.NOT_SURE
    assert not np.asarray(draw_heat(expert, reading, (300, 300))).any()


def test_logit_averages_the_cells_and_one_neutral_cell(expert: Model) -> None:
    reading = expert.read(FIVE)
    said = reading.evidence.reshape(MOST, -1)

    assert np.abs(reading.outputs.logits - reading.outputs.maps.mean((0, 1))).max() < 1e-4
    assert np.abs(reading.outputs.logits - said.sum(0) / (len(PLACES) + 1)).max() < 1e-4
    assert not said[len(PLACES) :].any()


def test_cell_says_the_same_anywhere_on_the_sheet(expert: Model) -> None:
    tensor = expert.tensor(FIVE)
    turned = np.ascontiguousarray(tensor.reshape(MOST, -1)[::-1].reshape(tensor.shape))
    plain, other = expert.backend.run(tensor), expert.backend.run(turned)

    assert np.allclose(plain.logits, other.logits, atol=1e-5)
    assert np.allclose(plain.maps.reshape(MOST, -1)[::-1], other.maps.reshape(MOST, -1), atol=1e-5)


def test_textures_stand_between_measures_and_part(expert: Model) -> None:
    field = find(FIVE)
    assert expert.textures is not None
    textures = expert.textures.read(field)
    sheet = cell_tensor(field, textures).reshape(MOST, -1)

    assert np.array_equal(sheet[:, [*range(len(MEASURES)), -1]], cell_tensor(field).reshape(MOST, -1))
    assert np.array_equal(sheet[: len(PLACES), len(MEASURES) : -1], textures)
    assert not sheet[len(PLACES) :].any()
    assert expert.tensor(np.full((90, 90, 3), 240, np.uint8)).shape == expert.tensor(FIVE).shape


def test_stain_of_laboratory_does_not_reach_the_net() -> None:
    plain = find(FIVE)
    other = Field(plain.density * np.array([0.8, 1.3, 1.1], np.float32)[:, None, None], plain.cells)

    assert np.abs(in_usual_colours(plain) - in_usual_colours(other)).max() <= 0.02


def test_darker_nucleus_than_its_neighbours_stays_darker() -> None:
    field = find(FIVE)
    dark = field.density.copy()
    x, y = round(field.cells[0].x), round(field.cells[0].y)
    dark[:, y - 8 : y + 8, x - 8 : x + 8] *= 1.3
    crops_of = in_usual_colours(Field(dark, field.cells))

    assert crops_of[0, 28:36, 28:36].mean() < crops_of[1, 28:36, 28:36].mean() - 0.05


def test_file_that_reads_no_cells_is_refused(tmp_path: Path) -> None:
    folder = check_models()[1]["blood_smear"].folder
    for name, data in (("broken", b"no model"), ("other", (folder / "model.tflite").read_bytes())):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=f"{name} .*reinstall the package"):
            TextureReader.load(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"channels": 9}, "9 channels, or 49 with 40 textures"), ({"textures": 3, "channels": 12}, "9 channels, or 49")],
)
def test_card_of_other_channels_is_refused(changes: dict[str, int], said: str) -> None:
    entry = check_models()[1]["blood_smear"]
    spec = entry.card.input.model_copy(update=changes)

    with pytest.raises(ModelError, match=said):
        Model.load(replace(entry, card=entry.card.model_copy(update={"input": spec})))


def test_textures_without_a_checksum_are_refused() -> None:
    entry = check_models()[1]["blood_smear"]
    kept = {name: digest for name, digest in entry.card.sha256.items() if name != TEXTURES_FILE}

    with pytest.raises(ModelError, match=r"no checksum for textures\.tflite"):
        Model.load(replace(entry, card=entry.card.model_copy(update={"sha256": kept})))


@pytest.mark.parametrize("way", ["turned", "mirrored", "upside down"])
def test_smear_orientation_does_not_change_the_answer(expert: Model, way: str) -> None:
    held = {"turned": np.rot90(FIVE), "mirrored": FIVE[:, ::-1], "upside down": FIVE[::-1]}[way]

    assert expert.read(np.ascontiguousarray(held)).probabilities == pytest.approx(
        expert.read(FIVE).probabilities, abs=0.05
    )


def test_the_heat_lies_on_the_nuclei_and_nowhere_else(expert: Model) -> None:
    reading = expert.read(FIVE)
    outline = reading.outline
    assert outline is not None
    values = np.zeros((GRID, GRID), np.float32)
    values.ravel()[: len(PLACES)] = 1
    drawn = np.asarray(measures.heat_image(values, outline, (SIDE, SIDE)))
    ys, xs = np.mgrid[:SIDE, :SIDE]
    distance = np.min([np.hypot(xs - x, ys - y) for x, y in PLACES], axis=0)

    assert drawn[distance < 12].min() > 200
    assert drawn[distance > 24].max() == 0


def test_edge_cell_is_cut_out_with_nothing_beyond() -> None:
    field = Field(np.ones((3, 20, 30), np.float32), (Cell(0.0, 0.0, 5.0),))
    cut = crops(field)

    assert cut.shape == (1, 3, CELL, CELL)
    assert not cut[0, :, : CELL // 2].any()
    assert cut[0, :, CELL // 2 :, CELL // 2 :].sum() == 3 * 20 * 24


def hostile() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    columns = np.arange(600)
    return {
        "noise": rng.integers(0, 256, (300, 400, 3), np.uint8),
        "violet noise": (rng.random((400, 400, 1)) > 0.5).astype(np.uint8) * np.array([110, 10, 140], np.uint8) + 90,
        "stripes": np.repeat(np.where(columns % 8 < 4, 255, 60)[None, :, None], 500, 0).repeat(3, 2).astype(np.uint8),
        "a hundred nuclei": smear([Nucleus(x, y, 8) for x in range(12, 240, 23) for y in range(12, 240, 23)]),
        "black": np.zeros((64, 64, 3), np.uint8),
        "white": np.full((64, 64, 3), 255, np.uint8),
        "one line": rng.integers(0, 256, (1, 3000, 3), np.uint8),
        "one pixel": np.full((1, 1, 3), 120, np.uint8),
        "one nucleus and nothing else": np.full((90, 90, 3), VIOLET, np.uint8),
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_any_picture_gives_bounded_work_and_finite_measures(expert: Model, name: str) -> None:
    picture = hostile()[name]
    field = find(picture)
    tensor = measures.tensor(picture)
    reading: Prediction = expert.read(picture)

    assert max(field.density.shape[1:]) <= LARGEST
    assert len(field.cells) <= MOST
    assert tensor.shape == (1, GRID, GRID, CHANNELS)
    assert np.isfinite(tensor).all()
    assert sum(reading.probabilities.values()) == pytest.approx(1)
    assert draw_heat(expert, reading, (70, 50)).size == (70, 50)


def test_every_cell_has_its_place_and_heat(expert: Model) -> None:
    prediction = expert.read(FIVE)
    told = judged_cells(expert, prediction)

    assert len(told) == len(PLACES)
    for x, y in PLACES:
        cell = min(told, key=lambda c: float(np.hypot(c.x - x / SIDE, c.y - y / SIDE)))
        assert np.hypot(cell.x - x / SIDE, cell.y - y / SIDE) < 0.02
        assert cell.radius == pytest.approx(15 / SIDE, rel=0.15)
    heat = np.asarray(draw_heat(expert, prediction, (SIDE, SIDE)), np.float32) / 255
    for cell in told:
        seen = heat[int(cell.y * SIDE), int(cell.x * SIDE)]
        assert seen == pytest.approx(cell.heat, abs=0.12)  # the map is softened at the edge of a nucleus
