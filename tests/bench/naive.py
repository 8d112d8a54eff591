"""The careless way beside ours: what many bots do inside their handler, on the same picture and the same networks.

Keras ``predict`` of the gate and of the expert, a GradientTape built anew for each picture, the colour map "jet", a
PNG, a PDF that takes decoded pictures, and a database engine for each request. It runs in a process of its own, so that
TensorFlow is in nobody else's memory: ``python -m tests.bench.naive FOLDER`` prints what it measured as JSON.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.bench.samples import bench_scan
from tests.bench.table import Row

SCANS = 12
PROJECT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class NaiveFigures:
    """Medians of one scan alone; seconds, megabytes."""

    start: float
    """From the start of the process to the first heat map."""
    picture: float
    report: float
    processor: float
    memory: float


def rows() -> list[Row]:
    """Measure it in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.naive", folder],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the careless way could not be measured: {done.stderr}")
    found = NaiveFigures(**json.loads(done.stdout))
    way = "the careless way (Keras predict, GradientTape, PDF in the handler)"
    return [
        Row(f"{way}, alone: file to heat map, p50", f"{found.picture * 1e3:.0f} ms"),
        Row(f"{way}, alone: file to PDF, p50", f"{found.report * 1e3:.0f} ms"),
        Row(f"{way}: processor time of a scan, all steps", f"{found.processor * 1e3:.0f} ms"),
        Row(f"{way}: process start to the first heat map", f"{found.start:.1f} s"),
        Row(f"{way}: resident memory", f"{found.memory:.0f} MB"),
    ]


def main(folder: Path) -> None:
    """Measure, and print it as JSON."""
    from tests.processes import resident

    models = _models()
    data = bench_scan()
    pictures, reports, spent = [], [], []
    for number in range(SCANS + 1):
        began, used = time.perf_counter(), time.process_time()
        shown, heat_map = _look(models, data)
        if number == 0:
            start = _age()
            continue
        pictures.append(time.perf_counter() - began)
        pdf = _write(shown, heat_map)
        _keep(folder, data, pdf)
        reports.append(time.perf_counter() - began)
        spent.append(time.process_time() - used)
    figures = NaiveFigures(
        start=start,
        picture=statistics.median(pictures),
        report=statistics.median(reports),
        processor=statistics.median(spent),
        memory=resident(os.getpid()),
    )
    sys.stdout.write(json.dumps(asdict(figures)))


def _models() -> list[tuple[Any, Any]]:
    """Gate and expert, with their cards, as Keras models that also give their last activations."""
    import keras

    from inference.architecture import build, load_weights
    from inference.backends import WEIGHTS
    from inference.layers import ACTIVATIONS
    from inference.registry import check_models

    gate, experts = check_models()
    found = []
    for entry in (gate, experts["brain_mri"]):
        card = entry.card
        model = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
        load_weights(model, entry.folder / WEIGHTS["tensorflow"])
        outputs = {**model.output, ACTIVATIONS: model.get_layer(ACTIVATIONS).output}
        found.append((keras.Model(model.input, outputs), card))
    return found


def _look(models: list[tuple[Any, Any]], data: bytes) -> tuple[Image.Image, bytes]:
    """The picture and its heat map, as PNG."""
    import tensorflow as tf

    from inference.layers import ACTIVATIONS, LOGITS
    from inference.preprocess import tensor

    shown = Image.open(io.BytesIO(data)).convert("RGB")
    (gate, gate_card), (expert, card) = models
    gate.predict(tensor(np.asarray(shown), gate_card.input), verbose=0)
    picture = tensor(np.asarray(shown), card.input)
    best = int(expert.predict(picture, verbose=0)[LOGITS][0].argmax())
    with tf.GradientTape() as tape:
        found = expert(picture, training=False)
        score = found[LOGITS][0, best]
    weights = tf.reduce_mean(tape.gradient(score, found[ACTIVATIONS]), axis=(1, 2))
    heat = np.maximum(np.asarray(tf.reduce_sum(found[ACTIVATIONS][0] * weights[0], axis=-1)), 0)
    grey = Image.fromarray(np.uint8(255 * heat / max(float(heat.max()), 1e-6))).resize(shown.size)
    level = np.asarray(grey)[..., None] / 255
    colours = np.uint8(255 * np.clip(1.5 - np.abs(4 * level - (3, 2, 1)), 0, 1))  # "jet"
    buffer = io.BytesIO()
    Image.blend(shown, Image.fromarray(colours), 0.4).save(buffer, "PNG")
    return shown, buffer.getvalue()


def _write(shown: Image.Image, heat_map: bytes) -> bytes:
    """A page with both pictures, as ReportLab's manual shows it."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    page = Canvas(buffer)
    page.drawString(72, 780, "Scan report")
    page.drawImage(ImageReader(shown), 72, 540, 240, 180)
    page.drawImage(ImageReader(Image.open(io.BytesIO(heat_map))), 320, 540, 240, 180)
    page.showPage()
    page.save()
    return buffer.getvalue()


def _keep(folder: Path, picture: bytes, pdf: bytes) -> None:
    """A row, by an engine of its own."""
    from sqlalchemy import create_engine, text

    engine = create_engine(f"sqlite:///{folder}/naive.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS scans (id INTEGER PRIMARY KEY, picture BLOB, report BLOB)"))
        connection.execute(
            text("INSERT INTO scans (picture, report) VALUES (:picture, :pdf)"), {"picture": picture, "pdf": pdf}
        )
    engine.dispose()


def _age() -> float:
    """Seconds since this process was started."""
    started = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text("utf-8").split()[0]) - started


if __name__ == "__main__":
    main(Path(sys.argv[1]))
