"""``tumorscan model list|verify|card NAME``: the shipped models, their checksums and their cards."""

import argparse
from pathlib import Path
from typing import Any

from bot.chat.languages import load_languages
from bot.errors import StartError
from bot.knowledge.loader import ContentError
from bot.settings import load_settings
from inference.card import ModelCard, ModelError, load_card
from inference.registry import check_models, folders

ALTERED = 1
"""Exit status of ``verify`` when a model is missing or altered."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the three actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="name every model, its version and its classes")
    actions.add_parser("verify", help="compare every weight file with its checksum and open the models")
    card = actions.add_parser("card", help="print what a model says about itself")
    card.add_argument("name", metavar="NAME", help="a name that 'tumorscan model list' shows")
    card.add_argument("--json", action="store_true", help="print the card as it is kept")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises StartError when there is no such model or its card can't be read."""
    models_dir = load_settings().models_dir
    if args.action == "verify":
        return _verify(models_dir)
    try:
        return _list(models_dir) if args.action == "list" else _card(models_dir, args.name, as_json=args.json)
    except ModelError as error:
        raise StartError(str(error)) from None


def _list(models_dir: Path) -> int:
    found = folders(models_dir)
    if not found:
        raise StartError(f"no models in {models_dir}: reinstall the package, or set MODELS_DIR")
    for folder in found:
        card = load_card(folder)
        size = sum((folder / name).stat().st_size for name in card.sha256) / 1e6
        print(f"{folder.name:<14} {card.version:<8} {size:5.1f} MB  {', '.join(card.class_names)}")
    return 0


def _verify(models_dir: Path) -> int:
    """Check each folder by itself, then that all of them together can serve, and that no word for them is missing."""
    problems = []
    for folder in folders(models_dir):
        try:
            card = load_card(folder)
        except ModelError as error:
            problems.append(str(error))
        else:
            print(f"{folder.name}: {len(card.sha256)} files as the card says")
    if not problems:
        try:
            _, models = check_models(models_dir)
            _open_all(models_dir)
            load_languages(models)
        except (ModelError, ContentError) as error:
            problems.append(str(error))
    print("\n".join(problems) or "All models are sound.")
    return ALTERED if problems else 0


def _open_all(models_dir: Path) -> None:
    from inference.analyser import Analyser

    Analyser.load(models_dir).warm_up()


def _card(models_dir: Path, name: str, *, as_json: bool) -> int:
    known = {folder.name: folder for folder in folders(models_dir)}
    if name not in known:
        raise StartError(f"there is no model {name!r}; there are: {', '.join(known) or 'none'}")
    card = load_card(known[name])
    print(card.model_dump_json(indent=2) if as_json else describe(card))
    return 0


def describe(card: ModelCard) -> str:
    """Print-ready text of a card, with every figure that it has."""
    points = card.operating_points
    lines = [
        f"{card.name} {card.version}",
        "",
        f"Intended use: {card.intended_use}",
        f"Out of scope: {card.out_of_scope}",
        "",
        "Classes:",
        *(f"  {c.name}: {c.words}" + (" (tumour)" if c.tumor else "") for c in card.classes),
        "",
        f"Input: {card.input.side} x {card.input.side}, {card.input.channels} channel(s), {card.input.normalisation}",
        f"Temperature {card.temperature:g}; operating points {points.negative:g} and {points.positive:g}",
        "",
        "Known failures:",
        *(f"  - {failure}" for failure in card.known_failures),
        "",
        "Figures:",
        *_tree(card.figures),
        "",
        "Trained on:",
        *(line for part in card.trained_on for line in ["  -", *_tree(part, 2)]),
        "",
        "Weights (SHA-256):",
        *(f"  {name}: {digest}" for name, digest in card.sha256.items()),
        "",
        "Made with: " + ", ".join(f"{name} {version}" for name, version in card.made_with.items()),
    ]
    return "\n".join(lines)


def _tree(values: Any, depth: int = 1) -> list[str]:
    """Indent nested values, one a line."""
    indent = "  " * depth
    if not isinstance(values, dict):
        return [f"{indent}{values}"]
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_tree(value, depth + 1)]
        else:
            lines.append(f"{indent}{name}: {value:.4g}" if isinstance(value, float) else f"{indent}{name}: {value}")
    return lines
