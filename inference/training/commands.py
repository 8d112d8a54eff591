"""What each command of ``python -m inference.training`` does for one model."""

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inference.analyser import Analyser
from inference.card import ModelCard, OperatingPoints, load_card
from inference.gate.ood_detector import DETECTOR_FILE
from inference.model import Model
from inference.registry import Entry
from inference.training.data import audit, dataset
from inference.training.data.dataset import DataError
from inference.training.fit import backbone, cells, export, features, train
from inference.training.fit import gate as gate_fit
from inference.training.fit.checkpoint import STATE_FILE
from inference.training.measure import (
    calibrate,
    cells_compare,
    evaluate,
    gate_figures,
    heatmaps,
    shortcuts,
    studies,
)
from inference.training.predict import probabilities, read_files
from inference.training.recipes import BRAIN_MRI, Recipe
from inference.training.report import plots
from inference.training.report.model_card import write_model_card

LOG_FILE, NOTES_FILE = "train.log", "notes.json"
"""What a training says while it runs, and what is needed to repeat it: seed, steps and the SHA-256 of its data."""
BAR = "{l_bar}{bar}| {elapsed}, {remaining} to go"


def say(text: str) -> None:
    """One progress line with the time, above the progress bar where there is one."""
    tqdm.write(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stdout)
    sys.stdout.flush()


def show_data(recipe: Recipe, args: argparse.Namespace) -> None:
    """Print what there is to train on, and what lies on two sides; with --audit look at every picture."""
    examples = dataset.examples_for(recipe, dataset.data_root(args.data))
    for (part, label, source), count in sorted(Counter((e.part, e.label, e.source) for e in examples).items()):
        print(f"{recipe.name:12} {part:6} {label:12} {source:20} {count:5}")
    leaks = audit.leaks(examples)
    print(f"{recipe.name}: {len(leaks)} group(s) on two sides", *leaks, sep="\n  ")
    if args.audit:
        audit.check(recipe, examples)
        print(f"{recipe.name}: every picture and mask can be read, none is listed twice")
        with bar(len(examples), f"{recipe.name}, near-duplicates") as progress:
            pairs = audit.near_duplicates(examples, progress)
        print(f"{recipe.name}: {len(pairs)} near-duplicate(s) between the parts")
        for pair in pairs:
            print(
                f"  {pair.one.path} ({pair.one.part}, {pair.one.label}, {pair.one.group}), {pair.way}, is nearly "
                f"{pair.other.path} ({pair.other.part}, {pair.other.label}, {pair.other.group}): "
                f"correlation {pair.correlation:.3f}, of the details {pair.detail:.3f}"
            )
        audit.keep(args.runs, recipe, examples, pairs)


def run_folder(recipe: Recipe, args: argparse.Namespace) -> Path:
    """Where the checkpoints of a training lie."""
    return Path(args.runs) / recipe.name


def run_training(recipe: Recipe, args: argparse.Namespace) -> None:
    """Train; a model of cells also keeps what is said of domains that were left out, for ``calibrate``."""
    folder = run_folder(recipe, args)
    if args.resume and not any((folder / name).exists() for name in (STATE_FILE, "best.npz")):
        raise DataError(f"{folder / 'best.npz'} is missing: there is nothing to go on from, leave --resume out")
    root = dataset.data_root(args.data)
    examples = dataset.examples_for(recipe, root)
    say(f"{recipe.name}: checking {len(examples)} pictures")
    audit.check(recipe, examples)
    folder.mkdir(parents=True, exist_ok=True)
    notes = {"seed": str(args.seed), "data_sha256": audit.fingerprint(examples)}
    if args.steps:
        notes["steps"] = str(args.steps)
    (folder / NOTES_FILE).write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
    with tqdm(total=1000, desc=recipe.name, disable=None, dynamic_ncols=True, bar_format=BAR) as shown:

        def progress(share: float) -> None:
            shown.update(int(1000 * share) - shown.n)

        def log(text: str) -> None:
            say(text)
            with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

        if recipe.of_cells:
            best = cells.train(recipe, examples, folder, progress, log)
        elif recipe.organ is None:
            best = gate_fit.train(recipe, examples, folder, progress, log)
        else:
            arrays, validation = train.prepare(recipe, root, log)
            plan = train.Plan(
                folder, minutes=args.minutes, steps=args.steps, seed=args.seed, resume=args.resume, progress=progress
            )
            best = train.fit(recipe, arrays, validation, plan, log)
    say(f"{recipe.name}: {best}")


def run_export(recipe: Recipe, args: argparse.Namespace) -> None:
    """Write the model folder from the best checkpoint."""
    best = run_folder(recipe, args) / "best.npz"
    if not best.exists():
        raise DataError(f"{best} is missing: run python -m inference.training train {recipe.name}")
    if args.earlier and not args.earlier.exists():
        raise DataError(f"{args.earlier} is missing: name the checkpoint that the training went on from")
    model = train.restore(recipe, best, args.earlier, args.share)
    card = export.export(recipe, model, Path(args.models) / recipe.name, args.version)
    examples = dataset.examples_for(recipe, dataset.data_root(args.data))
    notes = run_folder(recipe, args) / NOTES_FILE
    made = json.loads(notes.read_text("utf-8")) if notes.exists() else {"data_sha256": audit.fingerprint(examples)}
    learned_from = features.chosen(examples) if recipe.organ is None else examples
    changes: dict[str, Any] = {
        "trained_on": evaluate.provenance(learned_from),
        "made_with": card.made_with | made,
    }
    if recipe.architecture.backbone:
        changes["made_with"] |= {"backbone": backbone.CREDIT}
    if recipe.organ is None:
        detector = Path(shutil.copy(run_folder(recipe, args) / DETECTOR_FILE, args.models / recipe.name))
        changes["sha256"] = card.sha256 | {DETECTOR_FILE: export.checksum(detector)}
    export.write_card(card.model_copy(update=changes), args.models / recipe.name)
    say(f"{recipe.name}: exported to {args.models / recipe.name}")


def run_calibrate(recipe: Recipe, args: argparse.Namespace) -> None:
    """Set temperature, operating points, prediction sets, doubt and the heat map's scale in the card, all on val."""
    folder = Path(args.models) / recipe.name
    if recipe.organ is None:
        calibrate_gate(recipe, args)
        return
    card = load_card(folder).model_copy(update={"views": recipe.views})
    examples = dataset.examples_for(recipe, dataset.data_root(args.data))
    validation = [e for e in examples if e.part == "val"]
    labels = evaluate.labels_of(recipe, validation)
    with bar(len(validation) * len(card.views), recipe.name) as progress:
        answer = read_files(Model.load(Entry(folder, card)), [e.path for e in validation], progress)
        scored = calibrate.Scored(answer.logits, labels, tuple(e.source for e in validation))
        if recipe.of_cells:
            scored = unseen_looks(recipe, args) or scored
        heat = calibrate.temperature(scored)
        card = card.model_copy(update={"temperature": heat})
        if len(card.views) > 1:  # how far views differ depends on the temperature
            answer = read_files(Model.load(Entry(folder, card)), [e.path for e in validation], progress)
    chances = probabilities(scored.logits, heat)
    free = recipe.tumor_free
    changes: dict[str, Any] = {
        "conformal": calibrate.conformal(chances, scored.labels, recipe.class_names, scored.sources)
    }
    tumor, ill = 1 - chances[:, free], scored.labels != free
    bins = calibrate.reliability(tumor, ill)
    points = calibrate.expert_points(tumor, ill, scored.sources, recipe.limits)
    changes["operating_points"], changes["reliability"] = calibrate.agreeing(points, bins), bins
    right = (answer.chances[:, free] < 0.5) == (labels != free)
    changes["max_tta_disagreement"] = calibrate.max_tta_disagreement(answer.tta_disagreement, right)
    tumors = np.array([c.tumor for c in recipe.classes])
    scales = [calibrate.full_scale(answer.evidence, labels, tumors, p) for p in calibrate.PEAK_PERCENTILES]
    changes["heatmap_full_scale"] = heatmaps.clearest(card, answer, validation, scales)
    export.write_card(card.model_copy(update=changes), folder)
    say(f"{recipe.name}: temperature {heat}, " + ", ".join(f"{name} {value}" for name, value in changes.items()))


def calibrate_gate(recipe: Recipe, args: argparse.Namespace) -> None:
    """Set the gate's temperature on val; its points lie in the detector, chosen on what was left out."""
    folder = Path(args.models) / recipe.name
    card = load_card(folder)
    validation = [e for e in dataset.examples_for(recipe, dataset.data_root(args.data)) if e.part == "val"]
    gate = Analyser.load(args.models).gate
    with bar(len(validation), recipe.name) as progress:
        answer = read_files(gate.model, [e.path for e in validation], progress)
    scores = gate.detector.scores(answer.features)
    logits = np.concatenate([scores, np.zeros((len(scores), 1), np.float32)], 1)
    labels = evaluate.labels_of(recipe, validation)
    heat = calibrate.temperature(calibrate.Scored(logits, labels, tuple(e.source for e in validation)))
    points = OperatingPoints(positive=gate_fit.POINT, negative=gate_fit.POINT)
    export.write_card(card.model_copy(update={"temperature": heat, "operating_points": points}), folder)
    say(f"{recipe.name}: temperature {heat}")


def unseen_looks(recipe: Recipe, args: argparse.Namespace) -> calibrate.Scored | None:
    """Logits of looks from models that have not seen them; None before a training, or where no look can be left out."""
    file = run_folder(recipe, args) / cells.UNSEEN_FILE
    if not file.exists():
        return None
    with np.load(file, allow_pickle=False) as kept:
        scored = calibrate.Scored(kept["logits"], kept["labels"], tuple(map(str, kept["looks"])))
    return scored if len(scored.labels) else None


def run_evaluate(recipe: Recipe, args: argparse.Namespace) -> None:
    """Measure the shipped files as they serve and write the figures into ``card.json`` and ``MODEL_CARD.md``."""
    folder = Path(args.models) / recipe.name
    card: ModelCard = load_card(folder)
    examples = dataset.examples_for(recipe, dataset.data_root(args.data))
    if args.robust:
        from inference.training.measure import robust

        found = {"robustness": robust.figures(recipe, Analyser.load(args.models), examples, args.seed, bar)}
    elif args.study:
        if recipe.name != BRAIN_MRI:
            say(f"{recipe.name}: several slices of one person are there of the brain alone")
            return
        root = dataset.data_root(args.data)
        found = {"studies": studies.figures(recipe, Analyser.load(args.models), root, bar)}
        print("\n".join(studies.card_lines(found["studies"])))
    else:
        with bar(sum(e.part != "train" for e in examples), recipe.name) as progress:
            if recipe.organ:
                expert = Model.load(Entry(folder, card))
                parts = evaluate.read_parts(expert, examples, progress)
                found = evaluate.expert_figures(recipe, expert, folder, examples, parts)
                plots.write(recipe, card, folder, parts)
            else:
                gate = Analyser.load(args.models).gate
                found = gate_figures.figures(recipe, gate, folder, examples, run_folder(recipe, args), progress)
        if recipe.of_cells and (unseen := unseen_looks(recipe, args)):
            found["looks_left_out"] = evaluate.looks_left_out(recipe, card, unseen)
            sheets = cells.load(run_folder(recipe, args) / cells.SHEETS_FILE)
            found["pairs_left_out"] = cells_compare.figures(sheets, (cells_compare.SHIPPED, cells_compare.COLOUR))
    if audited := audit.kept(args.runs, recipe, examples):
        found["data_audit"] = audited
    updated = card.model_copy(
        update={
            "figures": card.figures | found,
            "intended_use": recipe.card.intended_use,
            "out_of_scope": recipe.card.out_of_scope,
            "known_failures": list(recipe.card.known_failures),
        }
    )
    export.write_card(updated, folder)
    write_model_card(updated, folder)
    say(f"{recipe.name}: figures written to {folder}")


def run_shortcuts(recipe: Recipe, args: argparse.Namespace) -> None:
    """Ask whether an expert has learned where pictures come from, and write the answer into its card."""
    if not recipe.organ:
        say(f"{recipe.name}: the shortcut test is for the experts")
        return
    folder = Path(args.models) / recipe.name
    card = load_card(folder)
    found = {"shortcuts": shortcuts.figures(recipe, folder, dataset.examples_for(recipe, dataset.data_root(args.data)))}
    updated = card.model_copy(update={"figures": card.figures | found})
    export.write_card(updated, folder)
    write_model_card(updated, folder)
    print("\n".join(shortcuts.lines(found["shortcuts"])))


@contextmanager
def bar(total: int, name: str) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing in a log."""
    with tqdm(total=total, desc=name, unit="picture", disable=None, dynamic_ncols=True) as shown:

        def step() -> None:
            shown.update()

        yield step


COMMANDS: dict[str, Callable[[Recipe, argparse.Namespace], None]] = {
    "data": show_data,
    "train": run_training,
    "export": run_export,
    "calibrate": run_calibrate,
    "evaluate": run_evaluate,
    "shortcuts": run_shortcuts,
}
