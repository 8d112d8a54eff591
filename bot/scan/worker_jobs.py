"""What the bot has workers do. The bot's own process names these jobs and does without what they need."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from inference.analysis import Analysis, JudgedCell, PictureWords
from inference.study import worker_jobs as study_jobs
from inference.study.study import Study, Tile
from inference.study.worker_jobs import read_or_open
from inference.workers.job_table import job
from reports.data import ChartData, DicomData, ReportData

MODULES: Final = (__name__, study_jobs.MODULE)
"""What an executor has to know to do these jobs."""


@job
def analyse_for_chat(data: bytes, words: PictureWords) -> tuple[Analysis, bytes | None] | Study:
    """What the models see in a picture and, unless it was refused, the picture for the chat: one way there and back.

    A study is only opened. The bare heat map, which the chat does not show, is not made. Raises PictureError.
    """
    analysis = read_or_open(data, None, bare_map=False)
    if isinstance(analysis, Study):
        return analysis
    drawn = None if analysis.overlay is None else compose(analysis.shown, analysis.overlay, words, list(analysis.cells))
    return analysis, drawn


@job
def compose(original: bytes, overlay: bytes, words: PictureWords, cells: list[JudgedCell]) -> bytes:
    """See ``inference.chat_picture.compose_chat_picture``; the words are in a font that has their letters."""
    from inference.chat_picture import compose_chat_picture

    return compose_chat_picture(original, overlay, words, _font_for(words), cells)


@job
def compose_slice(shown: bytes, heat: bytes, words: PictureWords) -> bytes:
    """One slice of a study above its kept heat map, for the chat."""
    from inference.study.pictures import blend

    return compose(shown, blend(shown, heat), words, [])


@job
def compose_study(best: Tile, tiles: list[Tile], words: PictureWords) -> bytes:
    """See ``inference.study.pictures.study_picture``; the words are in a font that has their letters."""
    from inference.study.pictures import study_picture

    return study_picture(best, tiles, words, _font_for(words))


@job
def draw_maps(original: bytes, organ: str, alone: str, titles: dict[str, str], words: PictureWords) -> bytes:
    """See ``inference.kind_maps.draw_kind_maps``: reads a kept picture once more for the map of each kind."""
    from inference.kind_maps import draw_kind_maps
    from inference.workers.worker import analyser

    font = _font_for(words, alone, *titles.values())
    return draw_kind_maps(analyser(), original, organ, alone, titles, words, font)


def _font_for(words: PictureWords, *more: str) -> Path | None:
    from reports.typefaces import file_for

    return file_for("".join((*(getattr(words, field.name) for field in fields(words)), *more)))


@job
def draw_cells(original: bytes, cells: list[JudgedCell]) -> bytes | None:
    """See ``inference.chat_picture.cell_strip``."""
    from inference.chat_picture import cell_strip

    return cell_strip(original, cells)


@job
def draw_chart(data: ChartData) -> bytes:
    """See ``reports.chart.draw_chart``."""
    from reports import chart

    return chart.draw_chart(data)


@job
def draw_pair(panels: list[bytes], lines: list[str]) -> bytes:
    """See ``inference.chat_picture.side_by_side``: left and right, each picture and overlay, name and date."""
    from inference.chat_picture import side_by_side
    from reports.lettering import typeset

    return side_by_side(panels, lines, typeset)


@job
def draw_thumbnails(panels: list[bytes], titles: list[str]) -> bytes:
    """See ``inference.chat_picture.thumbnails``."""
    from inference.chat_picture import thumbnails
    from reports.lettering import typeset

    return thumbnails(panels, titles, typeset)


@job
def identity(source: bytes) -> dict[str, str]:
    """See ``inference.study.identity.identity_in``."""
    from inference.study.identity import identity_in

    return dict(identity_in(source))


@job
def as_dicom(data: DicomData) -> tuple[bytes, bytes]:
    """See ``reports.dicom.as_dicom``."""
    from reports import dicom

    return dicom.as_dicom(data)


@job
def draw(data: ReportData) -> bytes:
    """See ``reports.render``."""
    from reports import render

    return render(data)
