"""What the hall has its workers do. The bot's own process names these jobs and does without what they need."""

from reports.data import ReportData


def compose(original: bytes, overlay: bytes, labels: tuple[str, str]) -> bytes:
    """See ``inference.explain.side_by_side``."""
    from inference.explain import side_by_side

    return side_by_side(original, overlay, labels)


def draw(data: ReportData) -> bytes:
    """See ``reports.render``."""
    from reports import render

    return render(data)
