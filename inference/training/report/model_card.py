"""``MODEL_CARD.md``: the card as a page that people read, made from ``card.json`` alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inference import track_record
from inference.card import ModelCard
from inference.training.measure import cells_compare, integers, shortcuts, studies
from inference.training.report import gate_card
from inference.training.report.headline import headline
from inference.training.report.plots import GALLERY, PLOTS

_STORED = {
    "float16": "The weights of `model.tflite` are float16, as those of `weights.npz` are.",
    "int8": "`model.tflite` holds its convolutions in 8-bit integers, one scale a channel, and the rest in float32; "
    "`weights.npz`, of which it is made (`python -m inference.training quantise`), is float16.",
}
PART_TITLES = {
    "extra_test": "Figures on places that chose nothing and trained nothing (extra_test)",
    "left_out": "Figures on places left out of the training, to choose on (left_out)",
}
BASELINES = {
    "model": "this model",
    "brightness_or_colour_only": "brightness or colour alone",
    "thumbnail": "a 12 x 12 grey thumbnail",
}


def write_model_card(card: ModelCard, folder: Path) -> None:
    """Write ``folder/MODEL_CARD.md``."""
    lines = [f"# Model card: {card.name} {card.version}", "", card.intended_use, ""]
    lines += [f"**Not for:** {card.out_of_scope}", ""]
    lines += headline(card)
    lines += ["## Known failures", "", *(f"- {failure}" for failure in card.known_failures), ""]
    lines += _how_it_answers(card)
    if (folder / PLOTS).exists():
        lines += [f"![ROC, reliability, confusion and risk by coverage]({PLOTS})", ""]
        lines += [
            "## Cases, drawn without their pictures",
            "",
            f"![What was said, and where the heat lay]({GALLERY})",
            "",
        ]
    # Of a gate, "left_out" are kinds and places that each fold leaves out, and have a table of their own.
    for part in ("extra_test", "left_out", "test", "val"):
        if part in card.figures and (card.organ or part != "left_out"):
            lines += _part(card.figures[part], part, card)
    if not card.organ:
        lines += gate_card.lines(card.figures)
    lines += _domains_left_out(card.figures.get("domains_left_out"))
    lines += cells_compare.card_lines(card.figures.get("pairs_left_out"))
    lines += _robustness(card.figures.get("robustness"))
    lines += studies.card_lines(card.figures.get("studies"))
    lines += shortcuts.card_lines(card.figures.get("shortcuts"), card.sha256.get("model.tflite"))
    lines += _checks(card.figures)
    lines += ["## What it was trained on", "", "| class | set | pictures |", "|---|---|---|"]
    lines += [f"| {_class(row)} | {row['set']} | {row['pictures']} |" for row in card.trained_on]
    lines += ["", "Licences are mixed or unknown; the pictures are not shipped.", ""]
    lines += [_STORED[card.arithmetic], ""]
    made = ", ".join(f"{name} {version}" for name, version in card.made_with.items())
    again = f"python -m inference.training evaluate {card.name}"
    lines += [f"Made with {made}.", "", f"Figures: `{again}`, and `{again} --robust` for the changed pictures.", ""]
    (folder / "MODEL_CARD.md").write_text("\n".join(lines), encoding="utf-8")


def condition(card: ModelCard) -> str:
    """What the model looks for, by the words of its clear class: "tumour" of "no tumour", "leukaemia" likewise."""
    clear = next((c.words for c in card.classes if c.role == "clear" and c.words.startswith("no ")), "no finding")
    return clear.removeprefix("no ")


def _class(row: dict[str, Any]) -> str:
    return f"{row['class']} ({row['kind'].upper()})" if "kind" in row else str(row["class"])


def span(figure: dict[str, Any] | None) -> str:
    """A figure with its 95 % interval, such as ``0.910 (0.887 to 0.932)``."""
    if figure is None:
        return "-"
    low, high = figure["ci95"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and the empty line after it."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)] + [""]


def _how_it_answers(card: ModelCard) -> list[str]:
    points = card.operating_points
    if not card.organ:
        return ["## How it answers", "", f"A picture is let in at {points.positive} or more for one organ.", ""]
    words = (
        f"Signs are reported at a probability of {points.positive} or more, no signs at {points.negative} or less, and "
        'only when the prediction set does not hold both; otherwise the answer is "not sure". '
    )
    if len(card.views) > 1:
        words += (
            f"It reads each picture in {len(card.views)} views ({', '.join(card.views)}) and takes their mean; views "
            f'that differ by more than {card.max_tta_disagreement} also make the answer "not sure". '
        )
    words += f"Temperature {card.temperature}; full scale of the heat map {card.heatmap_full_scale} logit units."
    lines = ["## How it answers", "", words, ""]
    if card.reliability:
        lines += [
            "What pictures that took no part in its training really showed, by score. The last column is what people "
            f"are told: of as many pictures with {condition(card)} as without, and nothing below "
            f"{track_record.LEAST_ALIKE} pictures.",
            "",
        ]
        rows = [
            (f"{b.low:g} to {b.high:g}", str(b.pictures), str(b.tumors), _told(track_record.of_bin(card, place)))
            for place, b in enumerate(card.reliability)
        ]
        seen = f"with {condition(card)}"
        lines += table((f"score for any {condition(card)}", "pictures", seen, "at an even base"), rows)
    return lines


def _told(rate: track_record.Rate | None) -> str:
    if rate is None:
        return "too few"
    return f"{100 * rate.share:.0f} of 100 ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


def _part(figures: dict[str, Any], part: str, card: ModelCard) -> list[str]:
    sought = condition(card)
    counted = ", ".join(f"{count} {name}" for name, count in figures["pictures"].items())
    title = PART_TITLES.get(part, f"Figures on {part}")
    lines = [f"## {title}", "", f"{counted}. In brackets: 95 % intervals by bootstrap over groups.", ""]
    rows = []
    for key, name in BASELINES.items():
        row = figures.get(key)
        if row:
            area = row.get("auc_tumor") or row.get("auc_scan")
            at = row.get("sensitivity_at_specificity_0.95")
            rows.append((name, *(span(f) for f in (row["accuracy"], row["macro_f1"], area, at)), str(row["log_loss"])))
    lines += table(("", "accuracy", "macro F1", "AUC", "sensitivity at specificity 0.95", "log loss"), rows)
    error = figures["model"]["calibration_error"]
    lines += [
        f"Calibration error (15 bins) {span(error)}; a perfectly calibrated model would show {error['if_perfect']:.3f} "
        "on so few pictures.",
        "",
    ]
    sets = figures.get("prediction_sets")
    recall = figures["model"]["recall"]
    if not sets:
        lines += table(("class", "recall"), [(name, span(share)) for name, share in recall.items()])
    else:
        by_class = [(name, span(share), span(sets["coverage"].get(name))) for name, share in recall.items()]
        lines += table(("class", "recall", "in the prediction set"), by_class)
        lines += [f"Mean size of a prediction set {sets['mean_size']}; empty: {sets['empty']}.", ""]
    lines += _verdicts(figures.get("verdicts"), sought) + _breakdown(figures.get("breakdown"), card)
    lines += _doubt(figures.get("doubt")) + _doubtful(figures.get("doubtful_labels"), sought)
    return lines + _gate(figures.get("gate")) + _heat(figures.get("heat_map"), sought)


def _verdicts(verdicts: dict[str, Any] | None, condition: str) -> list[str]:
    if not verdicts:
        return []
    rows = []
    for side, word in (("with_tumor", "with"), ("without_tumor", "without")):
        if side in verdicts:
            named = {f"**{word} {condition}**": verdicts[side]} | verdicts[side]["by_source"]
            rows += [
                (name, str(r["pictures"]), *(span(r[told]) for told in ("signs", "no_signs", "not_sure")))
                for name, r in named.items()
            ]
    return table(("what people are told", "pictures", "signs", "no signs", "not sure"), rows)


def _breakdown(breakdown: dict[str, Any] | None, card: ModelCard) -> list[str]:
    lines = []
    names = {} if card.slices else {"sequence": "domain"}  # a smear has none: there it is the slide or laboratory
    for name, values in (breakdown or {}).items():
        rows = [
            (
                value,
                f"{row['pictures']} ({row['with_tumor']})",
                *(span(row.get(f)) for f in ("auc", "signs", "no_signs")),
            )
            for value, row in values.items()
        ]
        lines += table(
            (f"by {names.get(name, name)}", f"pictures (with {condition(card)})", "AUC", "signs", "no signs"), rows
        )
    return lines


def _doubtful(doubtful: list[dict[str, Any]] | None, condition: str) -> list[str]:
    if not doubtful:
        return []
    rows = [(row["file"], row["label"], row["finding"] or "-", f"{row['tumor']:.3f}") for row in doubtful]
    words = "Labels that the model is sure are wrong, for somebody to look at again (some are its own mistakes):"
    return [words, "", *table(("file", "label", "finding", f"probability of {condition}"), rows)]


def _doubt(doubt: dict[str, Any] | None) -> list[str]:
    if not doubt:
        return []
    lines = [
        f"Answered with signs or no signs: {span(doubt['answered'])} of all; told wrong: {span(doubt['told_wrong'])}. "
        f"Wrong among the surest 90 %: {span(doubt['risk_at_90_coverage_tumor_or_not'])} for signs or none, "
        f"{span(doubt['risk_at_90_coverage_kind'])} for the kind.",
        "",
    ]
    if "views_disagree" in doubt:
        wrong = doubt.get("views_disagree_where_wrong")
        among = f", and in {span(wrong)} of those where signs or none is wrong" if wrong else ""
        lines += [f"The views disagree in {span(doubt['views_disagree'])} of all{among}.", ""]
    return lines


def _gate(gate: dict[str, Any] | None) -> list[str]:
    if not gate:
        return []
    rows = []
    for key, name in (("scans_refused", "refused"), ("others_let_in", "let in")):
        for label, row in gate[key].items():
            sources = ", ".join(f"{s} {wrong}/{count}" for s, (wrong, count) in row["by_source"].items())
            share = span({"value": row["share"], "ci95": row["ci95"]})
            rows.append((f"{label} {name}", str(row["pictures"]), share, sources))
    return table(("gate", "pictures", "share", "wrong of all, by source or kind"), rows)


def _heat(heat: dict[str, Any] | None, condition: str) -> list[str]:
    if not heat:
        return []
    lines = []
    if "pointing" in heat:
        words = {
            "heat_map": "the heat map",
            "middle_of_the_head": "the middle of the head",
            "everywhere_alike": "chance",
        }
        rows = [
            (words[name], *(span(row[figure]) for figure in ("pointing_game", "energy_inside", "dice")))
            for name, row in heat["pointing"].items()
        ]
        head = ("where it points", "hottest pixel inside", "heat inside", "Dice of the hot area")
        lines += [f"On {heat['pictures_with_outlined_tumor']} outlines of a {condition}, the map that people see:", ""]
        lines += table(head, rows)
        chosen = heat["thresholds_chosen_on_val"]
        lines += [
            f"Hot is above {chosen['heat_map']} of the scale (chosen on val). Above {chosen['own_peak']} of the map's "
            f"own peak Dice is {span(heat['dice_at_a_share_of_the_own_peak'])}.",
            "",
        ]
    if "healthy_with_a_bright_spot" in heat:
        spot = span(heat["healthy_with_a_bright_spot"])
        lines += [f"Pictures without {condition} that show a spot above half of the scale: {spot}.", ""]
    return lines


def _domains_left_out(domains: dict[str, Any] | None) -> list[str]:
    if not domains:
        return []
    lines = [
        "## Domains left out",
        "",
        "Each domain (slide or laboratory) as seen by a model of the same recipe that was not trained on it; the "
        "operating points were chosen on these.",
        "",
    ]
    rows = [
        (name, str(row["pictures"]), f"{row['right']:.3f}", f"{row['signs']:.3f}", f"{row['no_signs']:.3f}")
        for name, row in domains.items()
    ]
    return lines + table(("domain", "pictures", "right class", "signs", "no signs"), rows)


def _robustness(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return []
    changes: dict[str, dict[str, Any]] = found["changes"]
    lines = [
        "## Changed pictures",
        "",
        f"The same {found['pictures']} pictures of val and test, each class alike, changed and read as the bot does.",
    ]
    if "accuracy" not in next(iter(changes.values())):
        names = list(next(iter(changes.values())))
        rows = [(change, *(f"{row[name]:.3f}" for name in names)) for change, row in changes.items()]
        return [*lines, "", *table(("change", *(name.replace("_", " ") for name in names)), rows)]
    lines += [
        "A change is stood when at most 2 of 100 more answers are wrong, or when those that turn wrong are not told "
        "(the gate refuses or the answer is not sure).",
        "",
    ]
    rows = [
        (
            name,
            f"{row['accuracy']:.3f}",
            span(row["accuracy_change"]),
            *(f"{row[told]:.3f}" for told in ("told_wrong", "not_sure", "refused")),
            "yes" if row["stood"] else "**no**",
        )
        for name, row in changes.items()
    ]
    head = ("change", "signs or none", "difference", "told wrong", "not sure", "refused by the gate", "stood")
    return lines + table(head, rows)


def _checks(figures: dict[str, Any]) -> list[str]:
    lines = ["## Checks", ""]
    if "grad_cam_error" in figures:
        alike = figures["map_correlation_with_random_weights"]
        lines += [
            f"- The maps against Grad-CAM by automatic differentiation: largest difference "
            f"{figures['grad_cam_error']} logit units.",
            f"- Correlation of the maps with those of the same net with random weights: {alike['all_weights']}; with a "
            f"random last block alone: {alike['last_block']}.",
        ]
    lines += integers.lines(figures.get("integers"))
    lines.append(
        f"- One thread, processor time: {figures.get('read_ms_one_thread')} ms from the pixels to the answer, of which "
        f"LiteRT takes {figures.get('speed_ms_one_thread')} ms."
    )
    if audited := figures.get("data_audit"):
        lines.append(
            f"- Data audit (`data --audit`): {audited['pictures']} pictures read; {audited['near_duplicates']} "
            "near-duplicates between training, val and test, mirrored and turned copies too; "
            f"{audited['groups_on_two_sides']} people or fields on two sides."
        )
    return [*lines, ""]
