"""What each step of one scan costs in a worker: medians in milliseconds, one thread."""

import io
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial

from PIL import Image

from bot.chat.languages import load_language
from bot.knowledge.knowledge import Knowledge
from inference.analyser import Analyser, draw_heat
from inference.analysis import PictureWords
from inference.backends import BackendName
from inference.chat_picture import compose_chat_picture
from inference.decode.imaging import decode, encode_jpeg
from inference.explain import overlay
from inference.model import Model, Prediction
from reports import render
from reports.data import Bar, Provenance, ReportData, Words
from tests.bench.samples import LONGEST, bench_scan
from tests.goldens import reports

RUNS = 60
SHAPED = {"Hindi": "hi", "Arabic": "ar"}
"""Languages whose letters are shaped, which costs most."""
WORDS = PictureWords("Your picture", "What counted for the model", "none", "strong", "No spot stood out.", "Cells")


def step_costs(backend: BackendName) -> dict[str, float]:
    """Name of the step -> median milliseconds over RUNS runs on the benchmark's picture."""
    analyser = Analyser.load(backend=backend)
    analyser.warm_up()
    data = bench_scan()
    picture = decode(data)
    model = analyser.experts["brain_mri"]
    prediction = model.read(picture.rgb)
    shown = Image.fromarray(picture.rgb)
    blended = _draw_heat(model, prediction, shown)
    original_jpeg, overlay_jpeg = encode_jpeg(shown), encode_jpeg(blended)
    report, kept = a_report(original_jpeg, overlay_jpeg), reports()
    return {
        "decode 1280 x 960 JPEG": _median(lambda: decode(data)),
        "gate": _median(lambda: analyser.gate.admit(picture.rgb)),
        "expert with class maps": _median(lambda: model.read(picture.rgb)),
        "heat map and overlay": _median(lambda: _draw_heat(model, prediction, shown)),
        "encode picture and overlay": _median(lambda: (encode_jpeg(shown), encode_jpeg(blended))),
        "all of analyse()": _median(lambda: analyser.analyse(data)),
        "picture above heat map": _median(lambda: compose_chat_picture(original_jpeg, overlay_jpeg, WORDS)),
        "PDF": _median(lambda: render(report)),
        **{
            f"PDF in {name}, with all that it may say": _median(partial(render, kept[f"signs-{code}"]))
            for name, code in SHAPED.items()
        },
    }


def text_costs() -> dict[str, float]:
    """Name of the step -> median milliseconds for the slowest of the longest messages that Telegram lets through."""
    asked = Knowledge.load()
    return {
        "search of the longest message": max(_median(partial(asked.search, text)) for text in LONGEST.values()),
        "red flags of the longest message": max(_median(partial(asked.red_flag, text)) for text in LONGEST.values()),
    }


def _draw_heat(model: Model, prediction: Prediction, shown: Image.Image) -> Image.Image:
    return overlay(shown, draw_heat(model, prediction, shown.size))


def _median(step: Callable[[], object]) -> float:
    step()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


@cache
def _report_words() -> Words:
    """Read once, as the bot does: who asks for a report a scan measures the report alone."""
    return load_language().report


def a_report(original: bytes, overlaid: bytes) -> ReportData:
    with Image.open(io.BytesIO(original)) as picture:
        width, height = picture.size
    return ReportData(
        public_id="A7K2-Q9",
        number=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_words="1 January 2026, 00:00 UTC",
        patient_label="Ann",
        organ_words="brain MRI",
        verdict_words="I am not sure about this picture",
        explanation="The model can't tell.",
        bars=tuple(
            Bar(words, 0.25, "25%", highlighted=True) for words in ("glioma", "meningioma", "pituitary", "none")
        ),
        figure_words="Brighter means that the spot counted more.",
        limits=("It can be wrong.",) * 4,
        seek_help=("See a doctor when you feel unwell.",) * 4,
        sources=(),
        provenance=Provenance("brain_mri", "1", "0" * 64, "0" * 64, f"a file of {width} × {height} pixels"),
        original=original,
        overlay=overlaid,
        words=_report_words(),
        language="en",
    )
