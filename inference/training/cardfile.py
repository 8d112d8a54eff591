"""``MODEL_CARD.md``: the card as a page that people read, made from ``card.json`` alone."""

from pathlib import Path
from typing import Any

from inference.card import ModelCard


def write_model_card(card: ModelCard, folder: Path) -> None:
    """Write ``folder/MODEL_CARD.md``."""
    lines = [f"# Model card: {card.name} {card.version}", "", card.intended_use, ""]
    lines += [f"**Not for:** {card.out_of_scope}", "", "## Known failures", ""]
    lines += [f"- {failure}" for failure in card.known_failures]
    lines += ["", "## What it was trained on", "", "| class | set | pictures |", "|---|---|---|"]
    lines += [f"| {row['class']} | {row['set']} | {row['pictures']} |" for row in card.trained_on]
    lines += ["", "Licences are mixed or unknown; the pictures are not shipped.", "", "## Figures", ""]
    lines += _figures(card)
    lines += ["## How it answers", ""]
    points = card.operating_points
    if card.organ:
        lines += [
            f"Signs are reported at a probability of {points.positive} or more, no signs at {points.negative} or less, "
            'and only when the prediction set does not hold both; otherwise the answer is "not sure". '
            f"Temperature {card.temperature}; full scale of the heat map {card.heatmap_full_scale} logit units.",
        ]
    else:
        lines += [f"A picture is let in at a probability of {points.positive} or more for one organ."]
    made = ", ".join(f"{name} {version}" for name, version in card.made_with.items())
    lines += ["", f"Made with {made}. Figures: `python -m inference.training evaluate {card.name}`.", ""]
    (folder / "MODEL_CARD.md").write_text("\n".join(lines), encoding="utf-8")


def _figures(card: ModelCard) -> list[str]:
    lines: list[str] = []
    for part in ("test", "val"):
        figures = card.figures.get(part)
        if not figures:
            continue
        counted = ", ".join(f"{count} {name}" for name, count in figures["pictures"].items())
        lines += [f"### {part}: {counted}", "", "| | accuracy | macro F1 | AUC | log loss | calibration error |"]
        lines += ["|---|---|---|---|---|---|"]
        for key, name in (("model", "this model"), ("brightness_or_colour_only", "brightness or colour alone")):
            row = figures[key]
            area = row.get("auc_tumor") or row.get("auc_scan")
            cells = [_span(row["accuracy"]), _span(row["macro_f1"]), _span(area) if area else "-"]
            lines.append(f"| {name} | {' | '.join(cells)} | {row['log_loss']} | {row['calibration_error']} |")
        lines += ["", "Recall: " + ", ".join(f"{k} {v}" for k, v in figures["model"]["recall"].items()) + ".", ""]
        lines += _verdicts(figures.get("verdicts")) + _gate(figures.get("gate")) + _heat(figures.get("heat_map"))
    lines += _looks(card.figures.get("looks_left_out"))
    return [*lines, "", f"One forward pass in LiteRT, one thread: {card.figures.get('speed_ms_one_thread')} ms.", ""]


def _span(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"


def _verdicts(verdicts: dict[str, Any] | None) -> list[str]:
    if not verdicts:
        return []
    lines = ["| what people are told | pictures | signs | no signs | not sure |", "|---|---|---|---|---|"]
    for side in ("with_tumor", "without_tumor"):
        if side in verdicts:
            rows = {f"**{side.replace('_', ' ')}**": verdicts[side]} | verdicts[side]["by_source"]
            lines += [
                f"| {name} | {r['pictures']} | {r['signs']:.3f} | {r['no_signs']:.3f} | {r['not_sure']:.3f} |"
                for name, r in rows.items()
            ]
    sets = verdicts["prediction_sets"]
    return [*lines, "", f"Prediction sets: coverage {sets['coverage']}, mean size {sets['mean_size']}.", ""]


def _gate(gate: dict[str, Any] | None) -> list[str]:
    if not gate:
        return []
    lines = ["| gate | pictures | share | wrong of all, by source or kind |", "|---|---|---|---|"]
    for key, name in (("scans_refused", "refused"), ("others_let_in", "let in")):
        for label, row in gate[key].items():
            sources = ", ".join(f"{s} {wrong}/{count}" for s, (wrong, count) in row["by_source"].items())
            lines.append(f"| {label} {name} | {row['pictures']} | {row['share']:.4f} | {sources} |")
    return [*lines, ""]


def _looks(looks: dict[str, Any] | None) -> list[str]:
    if not looks:
        return []
    lines = [
        "### Looks left out",
        "",
        "Each look (slide or laboratory) as seen by a model of the same recipe that was not trained on it; the "
        "operating points were chosen on these.",
        "",
        "| look | pictures | right class | signs | no signs |",
        "|---|---|---|---|---|",
    ]
    for name, row in looks.items():
        lines.append(
            f"| {name} | {row['pictures']} | {row['right']:.3f} | {row['signs']:.3f} | {row['no_signs']:.3f} |"
        )
    return [*lines, ""]


def _heat(heat: dict[str, Any] | None) -> list[str]:
    if not heat:
        return []
    lines = []
    if heat.get("true_class"):
        p = heat["true_class"]
        lines.append(
            f"Heat map on {p['pictures']} outlined tumours: the highest place lies inside in {p['pointing_game']:.3f} "
            f"(chance {p['pointing_game_by_chance']:.3f}, centre {p['pointing_game_of_the_centre']:.3f}); share of the "
            f"evidence inside {p['energy_inside']:.3f} (chance {p['energy_inside_by_chance']:.3f}, centre "
            f"{p['energy_inside_of_the_centre']:.3f})."
        )
    lines.append(f"Pictures without tumour whose map passes half scale: {heat['healthy_above_half_scale']}.")
    return [*lines, ""]
