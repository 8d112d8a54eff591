"""``python -m tests.goldens``: draw the golden pictures of twelve reports anew; look at each before it is committed.

Their texts are a snapshot (``tests/data/goldens/reports.json``), so that a better wording or another model changes no
picture of how texts are drawn; ``--texts`` takes the snapshot anew from the languages and models that ship.
"""

import argparse
import dataclasses
import io
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image, ImageDraw

from bot.chat.languages import Language, open_models
from bot.scan.report_data import Issuer, report_data
from bot.scan.study_facts import StudyFacts
from inference.card import MODELS_DIR
from inference.registry import Entry
from reports import Bar, ReportData, Source, Words, render
from reports.data import ContactSheet, Provenance, Sides, Verification
from reports.seal import Sealer
from storage.records import Pictures, Scan
from tests.conftest import PROJECT
from tests.unit.reports.examples import drawn

FOLDER = PROJECT / "tests" / "data" / "goldens"
TEXTS = FOLDER / "reports.json"
DENSITY = 0.5
"""Pixels a point: enough to see a letter out of its place, and little to keep."""
SCRIPTS = "বাংলা தமிழ் తెలుగు မြန်မာ አማርኛ ខ្មែរ"
LONG = (
    "Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine the younger, second look after the third course of treatment 🧠"
)
BRAIN = {"glioma": 0.93, "meningioma": 0.04, "pituitary": 0.02, "no_tumor": 0.01}
CLEAR = {"glioma": 0.002, "meningioma": 0.004, "pituitary": 0.001, "no_tumor": 0.993}
TORN = {"glioma": 0.41, "meningioma": 0.33, "pituitary": 0.05, "no_tumor": 0.21}
"""Of the classes that a model has beside these nothing is left."""
STUDY = StudyFacts("zip", 24, ("T1c axial", "FLAIR coronal"), (11, 12, 13), 12, 1, {"scout": 3, "unreadable": 1})
CASES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "signs-en": ("en", "brain_mri", {"probabilities": BRAIN, "label": "glioma"}),
    "none-de": ("de", "brain_mri", {"probabilities": CLEAR, "label": "no_tumor", "verdict": "no_tumor_signs"}),
    "unsure-es": ("es", "brain_mri", {"probabilities": TORN, "label": "glioma", "verdict": "not_sure"}),
    "study-en": ("en", "brain_mri", {"probabilities": BRAIN, "label": "glioma", "study": STUDY.to_json()}),
    "study-ru": ("ru", "brain_mri", {"probabilities": BRAIN, "label": "glioma", "study": STUDY.to_json()}),
    "smear-ru": ("ru", "blood_smear", {}),
    "smear-none-hi": ("hi", "blood_smear", {"label": "no_leukemia", "verdict": "no_tumor_signs"}),
    "signs-hi": ("hi", "brain_mri", {"probabilities": BRAIN, "label": "glioma", "patient_label": "क्षत्रिय श्रीमती"}),
    "signs-ar": ("ar", "brain_mri", {"probabilities": BRAIN, "label": "glioma", "patient_label": "ليلى (Layla) 2"}),
    "unsure-ar": ("ar", "blood_smear", {"label": "leukemia", "verdict": "not_sure"}),
    "long-en": ("en", "brain_mri", {"probabilities": BRAIN, "label": "glioma", "patient_label": LONG}),
    "scripts-en": ("en", "brain_mri", {"probabilities": BRAIN, "label": "glioma", "patient_label": SCRIPTS}),
}
"""Name -> language, organ, and what of the scan is not as usual."""


def reports() -> dict[str, ReportData]:
    """The twelve, with their texts as they are kept and pictures that are drawn."""
    return {name: _with_pictures(name, fields) for name, fields in json.loads(TEXTS.read_text("utf-8")).items()}


def pages(data: ReportData, density: float = DENSITY) -> list[Image.Image]:
    """Each page as it is seen, in grey."""
    document = pypdfium2.PdfDocument(render(data))
    return [page.render(scale=density, grayscale=True).to_pil().convert("L") for page in document]


def golden(name: str) -> Iterator[Image.Image]:
    """The pages as they were looked at."""
    for path in sorted(FOLDER.glob(f"{name}-*.png")):
        yield Image.open(path).convert("L")


def a_scan(organ: str, entry: Entry, **changes: Any) -> Scan:
    """What the bot would keep of a picture that the model of an organ has read."""
    smear = {"leukemia": 0.3, "no_leukemia": 0.7}
    fields: dict[str, Any] = {
        "verdict": "tumor_signs", "reason": "read", "probabilities": smear, "label": "leukemia",
        "patient_label": None, "study": None, **changes,
    }  # fmt: skip
    probabilities = fields["probabilities"] = dict.fromkeys(entry.card.class_names, 0.0) | fields["probabilities"]
    return Scan(
        id=1, person_id=1, public_id="A7K2-Q9", number=12, source_key="1:a", organ=organ,
        confidence=probabilities[fields["label"]], gate={},
        prediction_set=tuple(name for name, probability in probabilities.items() if probability > 0.1),
        model_name=entry.card.name, model_version=entry.card.version,
        model_sha256=next(iter(entry.card.sha256.values())), picture_sha256="b" * 64, received_as="document",
        width=640, height=640, cells=(), created_at=datetime(2026, 3, 29, 14, 7, 9, tzinfo=UTC), **fields,
    )  # fmt: skip


def as_told(
    name: str, models: Mapping[str, Entry], languages: Mapping[str, Language], language: str | None = None
) -> ReportData:
    """One of the twelve as the languages and models that ship tell it, in its own language or another one."""
    code, organ, changes = CASES[name]
    scan = a_scan(organ, models[organ], **changes)
    issuer = Issuer(Sealer([b"golden" * 5 + b"!!"]), "tumorscan_bot", "letter" if name == "long-en" else "a4")
    sheet, series = (_sheet(), "T1c axial") if scan.study else (None, "")
    pictures = Pictures(*_pictures(organ))
    return report_data(
        scan, pictures, languages[language or code], models.values(), sheet, issuer=issuer, series=series
    )


def snapshot() -> dict[str, Any]:
    """The texts of the twelve as the languages and models that ship tell them now."""
    models, languages = open_models(MODELS_DIR)
    return {name: _without_pictures(as_told(name, models, languages)) for name in CASES}


def _without_pictures(data: ReportData) -> dict[str, Any]:
    fields = dataclasses.asdict(dataclasses.replace(data, original=b"", overlay=b""))
    del fields["original"], fields["overlay"]
    if fields["slices"]:
        del fields["slices"]["picture"]
    return {**fields, "created_at": data.created_at.isoformat()}


def _with_pictures(name: str, fields: Mapping[str, Any]) -> ReportData:
    original, overlay = _pictures(CASES[name][1])
    slices, sides, verification = fields["slices"], fields["sides"], fields["verification"]
    read = {
        **fields,
        "created_at": datetime.fromisoformat(fields["created_at"]),
        "bars": tuple(Bar(**bar) for bar in fields["bars"]),
        "sources": tuple(Source(**source) for source in fields["sources"]),
        "provenance": Provenance(**fields["provenance"]),
        "words": Words(**fields["words"]),
        "slices": ContactSheet(picture=_sheet(), **slices) if slices else None,
        "sides": Sides(**sides) if sides else None,
        "verification": Verification(**verification) if verification else None,
        **{key: tuple(fields[key]) for key in ("limits", "seek_help", "strength")},
    }
    return ReportData(original=original, overlay=overlay, **read)


@cache
def _pictures(organ: str) -> tuple[bytes, bytes]:
    """A drawn head, or a drawn smear of the usual shape of a photo."""
    size = (640, 640) if organ == "brain_mri" else (640, 480)
    return drawn(size), drawn(size, heat=True)


@cache
def _sheet() -> bytes:
    """A contact sheet: twelve small heads with their numbers, three of them framed."""
    sheet = Image.new("RGB", (1000, 760))
    pen = ImageDraw.Draw(sheet)
    for number in range(12):
        x, y = number % 4 * 250, number // 4 * 250
        sheet.paste(Image.open(io.BytesIO(drawn((240, 240), heat=3 < number < 7))), (x, y))
        if 3 < number < 7:
            pen.rectangle((x, y, x + 239, y + 239), outline=(240, 190, 60), width=5)
        pen.text((x + 8, y + 8), str(number + 7), fill=(255, 255, 255))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=85)
    return file.getvalue()


def main() -> None:
    """Draw them anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.goldens", description=__doc__)
    parser.add_argument("--texts", action="store_true", help="take the texts anew too")
    parser.add_argument("--large", type=Path, metavar="FOLDER", help="also write pages to look at, in colour")
    args = parser.parse_args()
    if args.texts:
        TEXTS.write_text(json.dumps(snapshot(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for name, data in reports().items():
        for number, page in enumerate(pages(data), 1):
            page.quantize(32).save(FOLDER / f"{name}-{number}.png", optimize=True)
        if args.large:
            for number, sheet in enumerate(pypdfium2.PdfDocument(render(data)), 1):
                sheet.render(scale=1.25).to_pil().save(args.large / f"{name}-{number}.png")
    sys.stdout.write(f"{len(list(FOLDER.glob('*.png')))} pages of {len(CASES)} reports in {FOLDER}\n")


if __name__ == "__main__":
    main()
