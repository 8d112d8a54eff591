"""The words that every report has in common, one file a language."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Words:
    """Headings and lines of a report; ``{number}`` and its like are filled in by the report."""

    title: str
    patient: str
    no_patient: str
    received: str
    scan: str
    number: str
    result: str
    original: str
    overlay: str
    weak: str
    strong: str
    scores: str
    scores_note: str
    figure: str
    limits: str
    seek_help: str
    sources: str
    made_by: str
    model: str
    model_line: str
    weights: str
    picture: str
    picture_hash: str
    not_a_diagnosis: str
    page: str


@lru_cache(maxsize=64)
def words(language: str) -> Words:
    """Read a language's words: ``pt-BR`` takes its own file, or that of ``pt``, or English."""
    known = {path.stem: path for path in FOLDER.glob("*.toml")}
    name = next((name for name in (language, language.split("-")[0]) if name in known), "en")
    return Words(**tomllib.loads(known[name].read_text(encoding="utf-8")))
