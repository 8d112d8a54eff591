"""The gate's own part of its model card: places and kinds that it has not seen, and drawings."""

from typing import Any


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures of what was left out and of what was drawn as a part of the model card."""
    return [*_left_out(figures.get("left_out"), in_integers="integers" in figures), *_drawn(figures.get("drawn"))]


def _left_out(found: dict[str, Any] | None, *, in_integers: bool) -> list[str]:
    if not found:
        return []
    text = [
        "## Hospitals, laboratories and kinds left out",
        "",
        "Unseen: by a gate that had nothing of the place or the kind in its training. Known: by one that had others of "
        "it, but not these pictures. Both at the shipped points.",
        "",
    ]
    if in_integers and found.get("arithmetic", "float16") == "float16":
        text += [
            "These were fitted to features of the float net, as the served detector was, and judged on them; what "
            "serves reads features in integers, which the other tables are of.",
            "",
        ]
    for key, words in (("scans_refused", "scans refused"), ("others_let_in", "other pictures let in")):
        text += [f"| {words} | pictures | unseen | known |", "|---|---|---|---|"]
        rows = sorted(found[key].items())
        text += [
            f"| {name} | {row['pictures']} | {_cell(row['unseen'])} | {_cell(row['known'])} |" for name, row in rows
        ]
        means = [_mean([row[name] for _, row in rows]) for name in ("unseen", "known")]
        text += [f"| **mean of these** | {sum(row['pictures'] for _, row in rows)} | {means[0]} | {means[1]} |", ""]
    return text


def _drawn(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return []
    text = ["## Pictures that no training draws", ""]
    for key, words in (("drawings", "Drawings, charts, pages and screens"), ("other", "Bodies, cells and patterns")):
        wrong, shown = (sum(row[i] for row in found[key].values()) for i in (0, 1))
        let_in = ", ".join(f"{kind} {row[0]} of {row[1]}" for kind, row in found[key].items() if row[0])
        text += [f"{words}: {wrong} of {shown} let in ({len(found[key])} kinds){': ' + let_in if let_in else ''}.", ""]
    return text


def _cell(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _mean(shares: list[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return _cell(sum(known) / len(known) if known else None)
