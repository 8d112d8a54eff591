"""``python -m tests.bench.kept [--backend tensorflow]``: what a worker holds beyond what it had when it was ready.

A process opens the models as a worker does, and reads the demo's samples of every organ again and again; see ``KEEPS``
of ``inference/workers/worker.py``.
"""

import argparse
import os
import time
from pathlib import Path
from typing import get_args

import bot.sandbox.samples
from inference.analyser import Analyser
from inference.backends import BackendName
from inference.card import MODELS_DIR
from tests.bench.samples import varied
from tests.processes import resident

SAMPLES = ("brain-drawn-lesion.jpg", "smear-drawn-blasts.jpg", "brain-t1.jpg", "smear-drawn.jpg")


def measure(backend: BackendName, rounds: int) -> None:
    """Print resident megabytes when all is ready, and after each round."""
    folder = Path(bot.sandbox.samples.__file__).parent
    began = time.monotonic()
    analyser = Analyser.load(MODELS_DIR, backend)
    analyser.warm_up()
    ready = resident(os.getpid())
    print(f"ready after {time.monotonic() - began:.1f} s: {ready:.0f} MB", flush=True)
    for number in range(1, rounds + 1):
        for name in SAMPLES:
            analyser.analyse(varied((folder / name).read_bytes(), number))
        held = resident(os.getpid())
        print(f"round {number}: {held:.0f} MB, {held - ready:.0f} MB more than when it was ready", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kept", description=__doc__)
    parser.add_argument("--backend", choices=get_args(BackendName), default="litert")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    measure(args.backend, args.rounds)
