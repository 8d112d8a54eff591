"""What each command of ``python -m inference.training`` does for one model."""

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inference.analyser import Analyser
from inference.card import MODELS_DIR, ROLES, ModelCard, OperatingPoints, load_card
from inference.cells.textures import TEXTURES_FILE
from inference.gate.ood_detector import DETECTOR_FILE
from inference.gate.upright import UPRIGHT_FILE
from inference.model import Model
from inference.registry import Entry
from inference.training.data import audit, dataset
from inference.training.data.example import LEFT_OUT, DataError, Example
from inference.training.fit import backbone, cells, export, features, mix, train
from inference.training.fit import gate as gate_fit
from inference.training.fit.loop import BACKUP_FOLDER
from inference.training.measure import (
    calibrate,
    cells_compare,
    compare,
    evaluate,
    gate_figures,
    heatmaps,
    shortcuts,
    studies,
)
from inference.training.predict import PredictionBatch, probabilities_of, read_files
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
    """Train; the blood smears' also keeps what is said of domains that were left out, for ``calibrate``."""
    folder = run_folder(recipe, args)
    if args.resume and not any((folder / BACKUP_FOLDER).glob("*.h5")):
        raise DataError(f"{folder / BACKUP_FOLDER} is empty: there is nothing to go on from, leave --resume out")
    if args.start and not args.start.exists():
        raise DataError(f"{args.start} is missing: name a checkpoint (best.npz) to begin with, or leave --start out")
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
            best = train.fit(recipe, *train.prepare(recipe, root, log), _plan(folder, args, progress), log)
    say(f"{recipe.name}: {best}")


def _plan(folder: Path, args: argparse.Namespace, progress: Callable[[float], None]) -> train.Plan:
    return train.Plan(
        folder,
        steps=args.steps,
        epoch=args.epoch,
        seed=args.seed,
        start=args.start,
        resume=args.resume,
        progress=progress,
    )


def run_export(recipe: Recipe, args: argparse.Namespace) -> None:
    """Write the model folder from the best checkpoint."""
    best, folder = run_folder(recipe, args) / "best.npz", Path(args.models) / recipe.name
    if not best.exists():
        raise DataError(f"{best} is missing: run python -m inference.training train {recipe.name}")
    if args.earlier and not args.earlier.exists():
        raise DataError(f"{args.earlier} is missing: name the checkpoint that the training went on from")
    examples = dataset.examples_for(recipe, dataset.data_root(args.data))
    model = train.restore(recipe, best, args.earlier, args.share)
    if mix.has_parts(recipe):
        model = mix.assemble(recipe, model, args.member or MODELS_DIR / recipe.name / export.WEIGHTS_FILE)
        chosen = choosing(examples)
        weights = mix.fit(recipe, mix.scores(recipe, model, chosen), chosen)
        mix.weigh(recipe, model, weights)
        say(f"{recipe.name}: mixed by {weights}")
    card = export.export(recipe, model, folder, args.version, export.calibration(recipe, examples))
    notes = run_folder(recipe, args) / NOTES_FILE
    made = json.loads(notes.read_text("utf-8")) if notes.exists() else {"data_sha256": audit.fingerprint(examples)}
    learned_from = features.chosen(examples) if recipe.organ is None else examples
    changes: dict[str, Any] = {
        "trained_on": evaluate.provenance(learned_from),
        "made_with": card.made_with | made,
    }
    if recipe.architecture.backbone or recipe.input.textures:
        changes["made_with"] |= {"backbone": backbone.CREDIT}
    beside = [DETECTOR_FILE] if recipe.organ is None else [TEXTURES_FILE] if recipe.input.textures else []
    for name in beside:
        changes["sha256"] = card.sha256 | {name: export.checksum(_copied(run_folder(recipe, args) / name, folder))}
    if (folder / UPRIGHT_FILE).exists():  # made beside the model: see ``fit.upright``
        changes["sha256"] = changes.get("sha256", card.sha256) | {UPRIGHT_FILE: export.checksum(folder / UPRIGHT_FILE)}
    export.write_card(card.model_copy(update=changes), folder)
    say(f"{recipe.name}: exported to {folder}")


def run_quantise(recipe: Recipe, args: argparse.Namespace) -> None:
    """Make the LiteRT file of a model folder anew out of its own ``weights.npz``; the rest of the folder stays."""
    folder = Path(args.models) / recipe.name
    card = load_card(folder)
    pictures = export.calibration(recipe, dataset.examples_for(recipe, dataset.data_root(args.data)))
    if pictures is None:
        say(f"{recipe.name}: measured cells are judged by a few numbers, which stay as they are")
        return
    export.write_card(export.quantised(card, folder, pictures), folder)
    say(f"{recipe.name}: calibrated on {len(pictures)} pictures; calibrate and evaluate it next")


def _copied(made: Path, folder: Path) -> Path:
    if not made.exists():
        raise DataError(f"{made} is missing: run python -m inference.training train {folder.name}")
    return Path(shutil.copy(made, folder))


def choosing(examples: Sequence[Example]) -> list[Example]:
    """What everything after the training is chosen on: val, and the places left out for that."""
    return [e for e in examples if e.part in ("val", LEFT_OUT)]


def run_calibrate(recipe: Recipe, args: argparse.Namespace) -> None:
    """Set temperature, operating points, prediction sets, doubt and the heat map's scale: see ``calibrate``."""
    folder = Path(args.models) / recipe.name
    if recipe.organ is None:
        calibrate_gate(recipe, args)
        return
    card = load_card(folder).model_copy(update={"views": recipe.views})
    chosen = choosing(dataset.examples_for(recipe, dataset.data_root(args.data)))
    labels = evaluate.labels_of(recipe, chosen)
    placed = mix.place_weights(chosen) if any(e.part == LEFT_OUT for e in chosen) else None
    card, answer, scored = _read_at_temperature(recipe, args, card, chosen, placed)
    right = (recipe.score(answer.probabilities) >= 0.5) == recipe.positive(labels)
    scales = [calibrate.full_scale(answer.evidence, labels, recipe.tumors, p) for p in calibrate.PEAK_PERCENTILES]
    changes = _points(recipe, scored, card.temperature, placed) | {
        "temperature": card.temperature,
        "views": card.views,
        "max_tta_disagreement": calibrate.max_tta_disagreement(answer.tta_disagreement, right),
        "heatmap_full_scale": heatmaps.clearest(card, answer, chosen, scales),
    }
    export.write_card(card.model_copy(update=changes), folder)
    say(f"{recipe.name}: " + ", ".join(f"{name} {value}" for name, value in changes.items()))


def _read_at_temperature(
    recipe: Recipe,
    args: argparse.Namespace,
    card: ModelCard,
    chosen: Sequence[Example],
    placed: calibrate.Floats | None,
) -> tuple[ModelCard, PredictionBatch, calibrate.Scored]:
    """The card with its temperature, what the model then says of the pictures, and the logits that it is chosen on."""
    folder, paths = Path(args.models) / recipe.name, [e.path for e in chosen]
    with bar(len(chosen) * len(card.views), recipe.name) as progress:
        answer = read_files(Model.load(Entry(folder, card)), paths, progress)
        sources = tuple(e.part if e.part == LEFT_OUT else e.source for e in chosen)
        scored = calibrate.Scored(answer.logits, evaluate.labels_of(recipe, chosen), sources)
        if recipe.of_cells:
            scored = unseen_domains(recipe, args) or scored
        card = card.model_copy(update={"temperature": calibrate.temperature(scored, placed)})
        if len(card.views) > 1:  # how far views differ depends on the temperature
            answer = read_files(Model.load(Entry(folder, card)), paths, progress)
    return card, answer, scored


def _points(
    recipe: Recipe, scored: calibrate.Scored, temperature: float, placed: calibrate.Floats | None
) -> dict[str, Any]:
    """The fields of the card that say what is told at which probability."""
    probabilities = probabilities_of(scored.logits, temperature)
    weights = calibrate.by_source(scored.sources) if placed is None else placed
    tumor, ill = recipe.score(probabilities), recipe.positive(scored.labels)
    points = calibrate.verdict_points(tumor, ill, scored.sources, recipe.limits, placed)
    bins = calibrate.reliability(tumor, ill, (points.negative, points.positive))
    told: dict[str, Any] = {
        "conformal": calibrate.conformal(probabilities, scored.labels, recipe.class_names, weights),
        "operating_points": calibrate.agreeing(points, bins),
        "reliability": bins,
    }
    roles = np.array([ROLES.index(c.role) for c in recipe.classes])
    if ROLES.index("finding") in roles:
        of_role = roles[scored.labels].astype(np.int32)
        by_role = np.stack([probabilities[:, roles == k].sum(1) for k in range(len(ROLES))], axis=1)
        quantiles = calibrate.conformal(by_role, of_role, ROLES, weights)
        told["role_conformal"] = {name: q for name, q in quantiles.items() if name != "finding"}
        without = by_role[:, [ROLES.index("finding"), ROLES.index("clear")]]
        point = calibrate.finding_point(without[:, 0] / without.sum(1), of_role == ROLES.index("clear"), weights)
        told["operating_points"] = told["operating_points"].model_copy(update={"finding": point})
    return told


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


def unseen_domains(recipe: Recipe, args: argparse.Namespace) -> calibrate.Scored | None:
    """Logits of domains from models without them; None before a training, or where no domain can be left out."""
    file = run_folder(recipe, args) / cells.UNSEEN_FILE
    if not file.exists():
        return None
    with np.load(file, allow_pickle=False) as kept:
        scored = calibrate.Scored(kept["logits"], kept["labels"], tuple(map(str, kept["domains"])))
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
        rule, told = studies.fit_and_measure(recipe, Analyser.load(args.models), root, bar)
        card, found = card.model_copy(update={"study": rule}), {"studies": told}
        print("\n".join(studies.card_lines(found["studies"])))
    else:
        found = _figures(recipe, args, card, examples)
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


def _figures(recipe: Recipe, args: argparse.Namespace, card: ModelCard, examples: Sequence[Example]) -> dict[str, Any]:
    """What the pictures of all parts but the training's show; the plots are drawn, too."""
    folder = Path(args.models) / recipe.name
    with bar(sum(e.part != "train" for e in examples), recipe.name) as progress:
        if not recipe.organ:
            gate = Analyser.load(args.models).gate
            return gate_figures.figures(recipe, gate, folder, examples, run_folder(recipe, args), progress)
        organ_model = Model.load(Entry(folder, card))
        parts = evaluate.read_parts(organ_model, examples, progress)
        found = evaluate.organ_figures(recipe, organ_model, folder, examples, parts)
        plots.write(recipe, card, folder, parts)
    if recipe.of_cells and (unseen := unseen_domains(recipe, args)):
        found["domains_left_out"] = evaluate.domains_left_out(recipe, card, unseen)
        sheets = cells.load(run_folder(recipe, args) / cells.SHEETS_FILE)
        found["pairs_left_out"] = cells_compare.figures(sheets, cells_compare.IN_CARD)
    return found


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


def run_compare(recipe: Recipe, args: argparse.Namespace) -> None:
    """Print what the models in ``--models`` and in ``--against`` say of the same pictures, side by side."""
    if not recipe.organ:
        say(f"{recipe.name}: what its detector says of places left out is compared by evaluate")
        return
    examples = dataset.examples_for(recipe, dataset.data_root(args.data))
    chosen = [e for e in examples if compare.set_of(e)]
    models = {}
    for root in (args.models, args.against):
        folder = Path(root) / recipe.name
        card = load_card(folder)
        with bar(len(chosen) * len(card.views), f"{recipe.name} {card.version}") as progress:
            answer = read_files(Model.load(Entry(folder, card)), [e.path for e in chosen], progress)
        name = card.version if card.version not in models else f"{card.version} of {root}"
        models[name] = (card.class_names, answer)
    print("\n".join(compare.lines(compare.figures(recipe, models, chosen))))


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
    "quantise": run_quantise,
    "calibrate": run_calibrate,
    "evaluate": run_evaluate,
    "shortcuts": run_shortcuts,
    "compare": run_compare,
}
