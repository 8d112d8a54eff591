"""``evaluate --robust``: the same pictures as phones, chats and scanners change them, read as the bot reads them."""

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference.analyser import Analyser
from inference.analysis import PictureError
from inference.card import OTHER
from inference.decision import any_tumor, decide
from inference.training.data.example import Example
from inference.training.drawn import unseen_photos
from inference.training.drawn.screen_photos import CLOSE, FRAMED, film_photo, screen_photo
from inference.training.measure import metrics
from inference.training.predict import MEANING, open_picture
from inference.training.recipes import Recipe

Rgb = NDArray[np.uint8]
Change = Callable[[Rgb, np.random.Generator], Rgb]
SAMPLE = 240
"""Pictures of val and test, each class alike."""
LEEWAY = 0.02
"""How many answers may turn wrong before a change counts as not stood."""
SHEET = "sheet"
"""What a picture is taken for whose parts are taken for slices."""
TELEGRAM_SIDE, TELEGRAM_QUALITY = 1280, 87


def jpeg(quality: int) -> Change:
    """Encode as JPEG of that quality, colours at half resolution."""

    def change(rgb: Rgb, _: np.random.Generator) -> Rgb:
        return _encoded(Image.fromarray(rgb), quality)

    return change


def telegram(rgb: Rgb, _: np.random.Generator) -> Rgb:
    """What a chat makes of a large picture sent as a photo: 1280 pixels at most, JPEG."""
    scale = TELEGRAM_SIDE / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return _encoded(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC), TELEGRAM_QUALITY)


def turned(degrees: float) -> Change:
    """Turn by so much one way or the other; the corners get the colour of the picture's own rim."""

    def change(rgb: Rgb, rng: np.random.Generator) -> Rgb:
        rim = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
        fill = tuple(int(v) for v in np.median(rim, axis=0))
        way = degrees if rng.random() < 0.5 else -degrees
        turned_image = Image.fromarray(rgb).rotate(way, Image.Resampling.BICUBIC, expand=True, fillcolor=fill)
        return np.asarray(turned_image)

    return change


def mirrored(rgb: Rgb, _: np.random.Generator) -> Rgb:
    """Left for right."""
    return np.ascontiguousarray(rgb[:, ::-1])


def cropped(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """Cut a tenth of the height and of the width away, anywhere between one rim and the other."""
    height, width = rgb.shape[:2]
    y, x = int(rng.integers(0, height // 10 + 1)), int(rng.integers(0, width // 10 + 1))
    return np.ascontiguousarray(rgb[y : y + height - height // 10, x : x + width - width // 10])


def gamma(power: float) -> Change:
    """Lift (below 1) or press (above 1) the middle tones."""
    table = np.rint(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return lambda rgb, _: table[rgb]


def blurred(pixels: float) -> Change:
    """Blur by a Gaussian of so many pixels in a picture of 320."""

    def change(rgb: Rgb, _: np.random.Generator) -> Rgb:
        radius = pixels * max(rgb.shape[:2]) / 320
        return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))

    return change


CHANGES: dict[str, Change] = {
    "as it is": lambda rgb, _: rgb,
    **{f"JPEG quality {quality}": jpeg(quality) for quality in (90, 70, 50, 30)},
    "sent as a chat photo (1280 px)": telegram,
    **{f"turned by {degrees} degrees": turned(degrees) for degrees in (5, 10, 15)},
    "mirrored": mirrored,
    "a tenth cut away": cropped,
    **{f"gamma {power}": gamma(power) for power in (0.6, 0.8, 1.25, 1.6)},
    **{f"blurred by {pixels} px": blurred(pixels) for pixels in (1, 2)},
    "photo of a screen, close": lambda rgb, rng: screen_photo(rgb, rng, CLOSE),
    "photo of a screen, framed": lambda rgb, rng: screen_photo(rgb, rng, FRAMED),
    "photo of a film": lambda rgb, rng: film_photo(rgb, rng, FRAMED),
    **{f"another style of photo: {name.replace('_', ' ')}": style for name, style in unseen_photos.STYLES.items()},
}


def sample(recipe: Recipe, examples: Sequence[Example], seed: int) -> list[Example]:
    """The same pictures of val and test each time: every class alike, and within it every source as far as it goes."""
    rng = np.random.default_rng(seed)
    chosen: list[Example] = []
    for name in recipe.class_names:
        rows = sorted((e for e in examples if e.part != "train" and e.label == name), key=lambda e: str(e.path))
        order = rng.permutation(len(rows))
        seen: dict[str, int] = {}
        ranked = []
        for i in order:
            seen[rows[i].source] = seen.get(rows[i].source, 0) + 1
            ranked.append((seen[rows[i].source], int(i)))
        chosen += [rows[i] for _, i in sorted(ranked)[: SAMPLE // len(recipe.class_names)]]
    return chosen


def figures(
    recipe: Recipe,
    analyser: Analyser,
    examples: Sequence[Example],
    seed: int,
    bar: Callable[[int, str], AbstractContextManager[Callable[[], None]]],
) -> dict[str, Any]:
    """What each change does, as a table: see ``_expert_row`` and ``_gate_row``."""
    rows = sample(recipe, examples, seed)
    pictures = [open_picture(e.path) for e in rows]
    result: dict[str, Any] = {}
    clean: NDArray[np.bool_] | None = None
    with bar(len(rows) * len(CHANGES), f"{recipe.name}, changed") as progress:
        for name, change in CHANGES.items():
            rng = np.random.default_rng(seed)
            changed = []
            for picture in pictures:
                changed.append(change(picture, rng))
                progress()
            if recipe.organ:
                row, right = _organ_row(recipe, analyser, rows, changed, clean)
                clean = right if clean is None else clean
                row["stood"] = bool(
                    row["accuracy_change"]["value"] >= -LEEWAY
                    or row["told_wrong"] <= result["as it is"]["told_wrong"] + LEEWAY
                )
                result[name] = row
            else:
                result[name] = _gate_row(recipe, analyser, rows, changed)
    return {"pictures": len(rows), "seed": seed, "changes": result}


def _organ_row(
    recipe: Recipe,
    analyser: Analyser,
    examples: Sequence[Example],
    pictures: Sequence[Rgb],
    clean: NDArray[np.bool_] | None,
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Accuracy (tumour or not) whatever the gate says; told wrong, not sure and refused as people would get it."""
    organ = str(recipe.organ)
    model = analyser.experts[organ]
    ill = recipe.positive(np.array([recipe.class_names.index(e.label) for e in examples]))
    right, told, admitted = [], [], []
    for picture, is_ill in zip(pictures, ill, strict=True):
        found, part = _admitted(analyser, picture)
        admitted.append(found == organ)
        prediction = model.read(part)
        right.append((any_tumor(prediction.probabilities, model.card) >= 0.5) == is_ill)
        told.append(MEANING.get(decide(prediction.probabilities, model.card, prediction.tta_disagreement).verdict, 0))
    correct, said, let_in = np.array(right), np.array(told), np.array(admitted)
    before = correct if clean is None else clean
    wrong = let_in & (((said == 1) & ~ill) | ((said == -1) & ill))
    gained = correct.astype(float) - before
    return {
        "accuracy": round(float(correct.mean()), 4),
        "accuracy_change": metrics.interval(lambda i: float(gained[i].mean()), [e.group for e in examples]),
        "not_sure": round(float((let_in & (said == 0)).mean()), 4),
        "refused": round(float((~let_in).mean()), 4),
        "told_wrong": round(float(wrong.mean()), 4),
    }, correct


def _gate_row(
    recipe: Recipe, analyser: Analyser, examples: Sequence[Example], pictures: Sequence[Rgb]
) -> dict[str, Any]:
    """Share of the scans of each organ that is refused, and of other pictures that is let in."""
    labels = np.array([e.label for e in examples])
    taken = np.array([_admitted(analyser, picture)[0] or "" for picture in pictures])
    row: dict[str, Any] = {}
    for name in recipe.class_names:
        here = labels == name
        if name != OTHER:
            row[f"{name}_refused"] = round(float((taken[here] != name).mean()), 4)
        else:
            row["others_let_in"] = round(float((taken[here] != "").mean()), 4)
    return row


def _admitted(analyser: Analyser, picture: Rgb) -> tuple[str | None, Rgb]:
    """The organ that a picture is taken for and what its model reads, as served; ``SHEET`` where it is cut into many.

    A sheet is no organ of any class: a scan among them counts as refused, another picture as let in.
    """
    try:
        admission = analyser.admit(picture)
    except PictureError:
        return SHEET, picture
    return admission.organ, admission.picture


def _encoded(image: Image.Image, quality: int) -> Rgb:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(buffer).convert("RGB"))
