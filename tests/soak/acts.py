"""What people do in a soak: who sends what when, drawn from a seed; and pictures of which no two are the same."""

import io
import random
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image

from bot.sandbox.page_site import SAMPLES

SCANS = ("brain-t1.jpg", "brain-drawn-lesion.jpg", "smear-drawn.jpg", "smear-drawn-blasts.jpg")
NO_SCAN = "cat-drawn.jpg"
QUESTIONS = ("/help", "/scan", "/privacy", "/info", "/faq", "/info glioma", "/info leukaemia", "What is a meningioma?")
TEXT_SHARE = 0.4
NO_SCAN_SHARE = 0.04
ALBUM_SHARE = 0.12
LARGEST_ALBUM = 4
SHY_SHARE = 8
"""Every eighth person, and at least one, sends a picture before saying yes to pictures being read."""


class Kind(StrEnum):
    """One act of a person."""

    PHOTO = "photo"
    DOCUMENT = "document"
    PHOTO_ALBUM = "photo album"
    DOCUMENT_ALBUM = "document album"
    NO_SCAN = "no scan"
    UNASKED_PHOTO = "photo before the yes"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does ``at`` seconds after the beginning; ``pictures`` are the seeds of what is sent."""

    at: float
    person: int
    kind: Kind
    pictures: tuple[int, ...] = ()
    text: str = ""


def shy_people(people: int) -> range:
    """Those who have not agreed when they send their first picture."""
    return range(people - -(-people // SHY_SHARE), people)


def draw_acts(scans: int, people: int, seconds: float, seed: int) -> list[Act]:
    """Acts with ``scans`` scans in all, in the order of their times, at random moments over ``seconds``."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    first = {person: chance.uniform(0, seconds / 2) for person in shy_people(people)}
    acts = [Act(at, person, Kind.UNASKED_PHOTO, (sent,)) for sent, (person, at) in enumerate(first.items())]
    sent = len(acts)
    while sent < scans:
        person = chance.randrange(people)
        at = max(first.get(person, 0.0), chance.uniform(0, seconds))
        kind = _draw_kind(chance, left=scans - sent)
        if kind is Kind.TEXT:
            acts.append(Act(at, person, kind, text=chance.choice(QUESTIONS)))
            continue
        if kind is Kind.NO_SCAN:
            acts.append(Act(at, person, kind, (len(acts),)))
            continue
        album = kind in {Kind.PHOTO_ALBUM, Kind.DOCUMENT_ALBUM}
        count = chance.randint(2, min(LARGEST_ALBUM, scans - sent)) if album else 1
        acts.append(Act(at, person, kind, tuple(range(sent, sent + count))))
        sent += count
    return sorted(acts, key=lambda act: act.at)


def _draw_kind(chance: random.Random, left: int) -> Kind:
    draw = chance.random()
    if draw < TEXT_SHARE:
        return Kind.TEXT
    draw = (draw - TEXT_SHARE) / (1 - TEXT_SHARE)
    if draw < NO_SCAN_SHARE:
        return Kind.NO_SCAN
    if draw < NO_SCAN_SHARE + ALBUM_SHARE and left >= 2:
        return chance.choice((Kind.PHOTO_ALBUM, Kind.DOCUMENT_ALBUM))
    return chance.choice((Kind.PHOTO, Kind.DOCUMENT))


def picture(seed: int, *, scan: bool = True) -> bytes:
    """A sample picture with a little noise of its own, so that no two have the same bytes."""
    name = SCANS[seed % len(SCANS)] if scan else NO_SCAN
    with Image.open(SAMPLES / name) as file:
        pixels = np.asarray(file.convert("RGB"), np.int16)
    noise = np.random.default_rng(seed).integers(-2, 3, pixels.shape, np.int16)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
