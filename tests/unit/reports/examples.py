"""A report's data as the bot would make it, with a drawn picture."""

import io
import math
from datetime import UTC, datetime

from PIL import Image, ImageDraw, ImageFilter

from reports import Bar, ReportData, Source, Words
from reports.data import Provenance
from reports.style import HEAT


def drawn(size: tuple[int, int] = (640, 640), *, heat: bool = False, mode: str = "RGB") -> bytes:
    """A phantom of a head, no person's picture; with a warm spot where a heat map would have one."""
    width, height = size
    picture = Image.new("L", size, 4)
    pen = ImageDraw.Draw(picture)
    for inset, grey in ((0.08, 190), (0.105, 22), (0.13, 112)):
        pen.ellipse((inset * width, inset * height, (1 - inset) * width, (1 - inset) * height), fill=grey)
    for i in range(26):
        angle = i * 2 * math.pi / 26
        x, y = width * (0.5 + 0.29 * math.cos(angle)), height * (0.5 + 0.29 * math.sin(angle))
        pen.ellipse((x - width * 0.03, y - height * 0.02, x + width * 0.03, y + height * 0.02), fill=86 + 7 * (i % 5))
    for side in (-1, 1):
        x = width * (0.5 + side * 0.07)
        pen.ellipse((x - width * 0.04, height * 0.36, x + width * 0.04, height * 0.6), fill=30)
    pen.ellipse((0.58 * width, 0.28 * height, 0.74 * width, 0.44 * height), fill=205)
    image = picture.filter(ImageFilter.GaussianBlur(width / 110)).convert("RGB")
    if heat:
        spot = Image.new("L", size, 0)
        ImageDraw.Draw(spot).ellipse((0.58 * width, 0.28 * height, 0.74 * width, 0.44 * height), fill=255)
        spot = spot.filter(ImageFilter.GaussianBlur(width / 22))
        colours = spot.convert("P")
        colours.putpalette([channel for level in range(256) for channel in HEAT[level * len(HEAT) // 256]])
        image.paste(colours.convert("RGB"), mask=spot.point(lambda level: level * 0.78))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


WORDS = Words(
    title="TumorScan report", patient="Patient label", no_patient="none given", received="Received", scan="Scan",
    number="No. {number}", result="Result", original="The picture", overlay="The same picture with the heat map",
    weak="no weight", strong="strong weight", scores="Scores",
    scores_note="Dark bars: answers that the model cannot rule out. Pale bars: answers that it finds unlikely.",
    figure="What the heat map shows",
    strength="How good the model is", limits="Limits", seek_help="When to seek help", sources="Sources",
    made_by="How this was made", model="Model", model_line="{name}, version {version}",
    weights="Model file (SHA-256)", picture="Picture", picture_hash="Picture as received (SHA-256)",
    check="Check this report", check_how="Code: {code}. Send the file to the bot, or /verify and the code.",
    square="QR code", notes="Notes",
    not_a_diagnosis="This report is for learning. It is not a diagnosis: only a doctor can make one.",
    page="Page {page} of {pages}",
)  # fmt: skip
ORIGINAL, OVERLAY = drawn(), drawn(heat=True)


def a_report() -> ReportData:
    return ReportData(
        public_id="A7K2-Q9",
        number=12,
        created_at=datetime(2026, 3, 29, 14, 7, 9, tzinfo=UTC),
        created_words="29 March 2026, 14:07 UTC",
        patient_label="Ольга Петренко, follow-up 3",
        organ_words="brain MRI",
        verdict_words="The program sees signs that fit a meningioma",
        explanation=(
            "In this picture the program found a pattern that it has learned from pictures of meningioma. "
            "A meningioma grows from the thin skin around the brain, and most grow slowly. "
            "Of 100 test pictures that got a score like this, about 94 showed one. "
            "The program can be wrong, and it has seen only this one picture."
        ),
        bars=(
            Bar("meningioma", 0.914, "91%", highlighted=True),
            Bar("glioma", 0.066, "7%", highlighted=True),
            Bar("pituitary tumour", 0.0174, "2%", highlighted=False),
            Bar("no tumour signs", 0.0026, "<1%", highlighted=False),
        ),
        figure_words=(
            "The warm colours mark the places that spoke most for the answer, on a fixed scale: the brighter, the more "
            "weight. They do not outline a tumour, and a place without colour is not shown to be healthy."
        ),
        limits=(
            "The program looked at one flat picture. A doctor looks at many slices and at you.",
            "It knows three kinds of brain tumour. It cannot name any other illness.",
            "Screenshots, photos of a screen and other scanners can mislead it.",
            "A score is not the chance that you are ill: it says how sure the program is about this picture.",
        ),
        seek_help=(
            "Show this picture and the full scan to the doctor who ordered it.",
            "Call emergency services now for a seizure, sudden weakness or numbness on one side, trouble speaking, "
            "a sudden very bad headache, or if someone cannot be woken.",
            "See a doctor soon for headaches that grow worse over weeks, trouble with sight, or a change in character.",
        ),
        sources=(
            Source(
                "Meningioma. National Cancer Institute",
                "https://www.cancer.gov/rare-brain-spine-tumor/tumors/meningioma",
            ),
            Source("Brain tumours. NHS", "https://www.nhs.uk/conditions/brain-tumours/"),
            Source(
                "Selvaraju et al. 2017: Grad-CAM, visual explanations from deep networks",
                "https://arxiv.org/abs/1610.02391",
            ),
        ),
        provenance=Provenance(
            model_name="brain_mri",
            model_version="1.0.0",
            model_sha256="3f0c5d2a" * 8,
            picture_sha256="9b1e77c4" * 8,
            picture_words="Sent as a photo (Telegram made it smaller), 1280 × 1280 pixels",
        ),
        original=ORIGINAL,
        overlay=OVERLAY,
        words=WORDS,
        language="en",
    )
