"""The model folders that are shipped, found and checked: adding an organ's expert is adding a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.analysis import Organ
from inference.card import GATE, MODELS_DIR, ModelCard, ModelError, load_card


@dataclass(frozen=True, slots=True)
class Entry:
    """One model folder whose files are as its card says."""

    folder: Path
    card: ModelCard


def folders(models_dir: Path = MODELS_DIR) -> tuple[Path, ...]:
    """Every folder with a card, by name."""
    return tuple(sorted(path.parent for path in models_dir.glob("*/card.json")))


def check_models(models_dir: Path = MODELS_DIR) -> tuple[Entry, Mapping[Organ, Entry]]:
    """Verify the gate and the expert of every organ.

    Raises ModelError naming the file and the fix when one is missing, altered or does not fit the others.
    """
    gate = Entry(models_dir / GATE, load_card(models_dir / GATE))
    found = [Entry(folder, load_card(folder)) for folder in folders(models_dir) if folder.name != GATE]
    experts = {Organ(entry.card.organ): entry for entry in found if entry.card.organ is not None}
    for organ in Organ:
        if organ not in experts:
            raise ModelError(f"{models_dir / organ} is missing: reinstall the package")
        if organ not in gate.card.class_names:
            raise ModelError(f"{gate.folder / 'card.json'} does not know {organ}: reinstall the package")
    return gate, experts
