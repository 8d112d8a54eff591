"""The model folders, found and checked: an organ is what the gate's card lets in and the card of one folder reads."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.card import GATE, MODELS_DIR, ModelCard, ModelError, load_card


@dataclass(frozen=True, slots=True)
class Entry:
    """One model folder whose files are as its card says."""

    folder: Path
    card: ModelCard


def folders(models_dir: Path = MODELS_DIR) -> tuple[Path, ...]:
    """Every folder with a card, by name."""
    return tuple(sorted(path.parent for path in models_dir.glob("*/card.json")))


def fingerprint(models_dir: Path = MODELS_DIR) -> str:
    """What tells two sets of models apart: 16 hexadecimal digits of a hash of all cards, which name their files'."""
    cards = [(folder / "card.json").read_bytes() for folder in folders(models_dir)]
    return hashlib.sha256(b"".join(hashlib.sha256(card).digest() for card in cards)).hexdigest()[:16]


def check_models(models_dir: Path = MODELS_DIR) -> tuple[Entry, Mapping[str, Entry]]:
    """Verify the gate and, by organ, the expert of every organ that it lets in.

    Raises ModelError naming the file and the fix when one is missing, altered or does not fit the others.
    """
    gate = Entry(models_dir / GATE, load_card(models_dir / GATE))
    if gate.card.organ is not None:
        raise ModelError(f"{gate.folder / 'card.json'}: organ: a gate has none: put the expert into another folder")
    experts: dict[str, Entry] = {}
    for folder in folders(models_dir):
        entry = Entry(folder, load_card(folder))
        organ = entry.card.organ
        if organ is None:
            continue
        if organ in experts:
            raise ModelError(f"{folder} and {experts[organ].folder} both read {organ}: take one of them away")
        if organ not in gate.card.organs:
            raise ModelError(
                f"{gate.folder / 'card.json'}: classes: {organ} is missing, so no picture would reach {folder}: "
                "train a gate that knows it, or take that folder away"
            )
        experts[organ] = entry
    for organ in gate.card.organs:
        if organ not in experts:
            raise ModelError(
                f"{models_dir / organ} is missing: the gate lets {organ} in, so reinstall the package or add its model"
            )
    return gate, {organ: experts[organ] for organ in gate.card.organs}
