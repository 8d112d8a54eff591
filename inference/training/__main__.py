"""``python -m inference.training data|train|export|quantise|calibrate|evaluate|...``: make a model folder.

``KERAS_BACKEND=jax`` trains on JAX, on an accelerator where there is one; what follows needs TensorFlow again.
"""

import argparse
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

# Before TensorFlow is loaded: no banner in between the progress lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if os.environ.get("KERAS_BACKEND") == "jax" and not find_spec("jax"):
    sys.exit("error: KERAS_BACKEND is jax, and JAX is missing: pip install --require-hashes -r requirements-dev.lock")

import keras

from inference.card import MODELS_DIR, ModelError
from inference.training import commands
from inference.training.data.example import DataError
from inference.training.fit.backbone import BackboneError
from inference.training.recipes import RECIPES, RecipeError, read_recipe

ON_ANY_BACKEND = ("data", "train")
"""Commands that don't need Keras on TensorFlow."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 with one clear line when the data or the model folder did not."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        own = {recipe.name: recipe for recipe in map(read_recipe, args.recipe)}
    except RecipeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    recipes = RECIPES | own
    unknown = set(args.model) - set(recipes)
    if unknown:
        parser.error(f"unknown model {', '.join(sorted(unknown))}: choose from {', '.join(recipes)}")
    backend = keras.backend.backend()
    if backend != "tensorflow" and args.command not in ON_ANY_BACKEND:
        parser.error(f"{args.command} needs Keras on tensorflow, not on {backend}: leave KERAS_BACKEND out")
    try:
        for name in args.model or own or RECIPES:
            commands.COMMANDS[args.command](recipes[name], args)
    except (BackboneError, DataError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference.training", description=__doc__)
    parser.add_argument("command", choices=tuple(commands.COMMANDS))
    parser.add_argument("model", nargs="*", metavar="MODEL", help=f"which of {', '.join(RECIPES)} (default: all)")
    parser.add_argument(
        "--data",
        help="default: TUMORSCAN_DATA, else ../shared/data; or a folder of your own: CLASS/*.png or an index.csv",
    )
    parser.add_argument(
        "--recipe", type=Path, action="append", default=[], metavar="FILE",
        help="a recipe of your own (TOML, see inference/training/recipes.py); a name known already is replaced",
    )  # fmt: skip
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where checkpoints are kept")
    parser.add_argument("--models", type=Path, default=MODELS_DIR, help="where model folders are written")
    parser.add_argument("--steps", type=int, help="train for so many batches (default: the recipe's)")
    parser.add_argument("--epoch", type=int, default=200, help="train: judge and back up after so many batches")
    parser.add_argument("--resume", action="store_true", help="train: go on where a training was interrupted")
    parser.add_argument("--start", type=Path, help="train: begin with these weights (best.npz) instead of ImageNet's")
    parser.add_argument("--audit", action="store_true", help="data: look at every picture, find near-duplicates")
    parser.add_argument("--robust", action="store_true", help="evaluate: on changed pictures (JPEG, turns, photos ...)")
    parser.add_argument("--study", action="store_true", help="evaluate: the answer about several slices of one person")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--earlier", type=Path, help="export: blend in the checkpoint that the training went on from")
    parser.add_argument("--share", type=float, default=0.2, help="export: how much of --earlier (default: 0.2)")
    parser.add_argument("--member", type=Path, help="export: weights of the second net (default: the shipped ones)")
    parser.add_argument(
        "--against", type=Path, default=MODELS_DIR, help="compare: other model folders (default: the shipped ones)"
    )
    parser.add_argument("--version", default=time.strftime("%Y.%m"), help="version that export writes into the card")
    return parser


if __name__ == "__main__":
    sys.exit(main())
