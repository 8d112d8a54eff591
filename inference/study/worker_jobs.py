"""What workers do for a study: open it, read a few slices, draw what people see of it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from inference.analysis import Analysis, PictureError, Reason
from inference.decode import dicom_signature
from inference.decode.limits import dicom_errors
from inference.study.study import Slice, SliceFinding, Study, Tile
from inference.workers.job_table import analyse, job

MODULE: Final = __name__
"""What an executor has to know to do these jobs."""


@job
def analyse_or_open(data: bytes, hint: str | None) -> Analysis | Study:
    """See ``read_or_open``; the bare heat map is included."""
    return read_or_open(data, hint, bare_map=True)


def read_or_open(data: bytes, hint: str | None, *, bare_map: bool) -> Analysis | Study:
    """Read one picture, or open what holds several. Runs in a worker. Raises PictureError.

    What holds only one slice after all is read as that one picture.
    """
    from inference.study.opening import holds_several, open_study

    if holds_several(data):
        return _alone_or_study(open_study(data), hint, bare_map=bare_map)
    try:
        return replace(analyse(data, hint, bare_map=bare_map), edges=_edges(data))
    except PictureError as error:
        if error.reason is not Reason.SEVERAL_SLICES or (study := _film_sheet(data)) is None:
            raise
        return study


@job
def analyse_folder(files: list[tuple[str, Path]], hint: str | None) -> Analysis | Study:
    """As ``analyse_or_open``, for files on disk (name within the folder, path) that are slices of one person."""
    from inference.study.opening import open_folder

    return _alone_or_study(open_folder(files), hint, bare_map=True)


@job
def assemble_album(files: list[bytes]) -> Study | None:
    """Put an album together when its files are slices of one series; None otherwise."""
    from inference.study.opening import open_album

    study = open_album(files)
    return study if study is None else _upright(study)


@job
def analyse_slices(slices: list[Slice], hint: str | None) -> list[SliceFinding]:
    """Say what the models see in a few slices."""
    from inference.study.slice_analysis import analyse_slice
    from inference.workers.worker import analyser

    return [analyse_slice(analyser(), one, hint) for one in slices]


@job
def draw_slice(shown: bytes, heat: bytes) -> tuple[bytes, bytes]:
    """The overlay (JPEG) and the bare heat map (PNG) of a slice (JPEG) and its kept heat map."""
    from inference.study.pictures import blend, enlarge

    return blend(shown, heat), enlarge(shown, heat)


@job
def draw_contact_sheet(tiles: list[Tile]) -> bytes:
    """The slices of a study, small: JPEG."""
    from inference.decode.imaging import encode_jpeg
    from inference.study.pictures import contact_sheet

    return encode_jpeg(contact_sheet(tiles, 1000))


def _edges(data: bytes) -> tuple[str, ...]:
    """Which sides a DICOM file tells; its picture was read, so its tags were looked at before."""
    from inference.study import tags
    from inference.study.listing import parse_dicom

    if not dicom_signature.looks_like(data):
        return ()
    faults: tuple[type[Exception], ...] = (PictureError, *dicom_errors())
    try:
        return tags.read(parse_dicom(data, whole=False)).edges
    except faults:
        return ()


def _film_sheet(data: bytes) -> Study | None:
    """A sheet of slices, made upright where all of it lies on a side or upside down."""
    from inference.study.opening import open_film_sheet
    from inference.study.uprighting import lies_of
    from inference.workers.worker import analyser

    study = open_film_sheet(data)
    if study is None:
        return None
    (quarters, _), *_ = Counter(lie.quarters for lie in lies_of(study.slices, analyser().turning)).most_common(1)
    return _upright((open_film_sheet(data, quarters) or study) if quarters else study)


def _upright(study: Study) -> Study:
    from inference.study.uprighting import made_upright
    from inference.workers.worker import analyser

    return made_upright(study, analyser().turning)


def _alone_or_study(study: Study, hint: str | None, *, bare_map: bool) -> Analysis | Study:
    """Give the answer about a study of one slice at once, and make one of several upright; as it lies with a hint."""
    if len(study.slices) != 1:
        return study if hint is not None else _upright(study)
    from inference.decode.imaging import Picture
    from inference.study.slice_analysis import as_rgb
    from inference.workers.worker import analyser

    one = study.slices[0]
    series = next(series for series in study.series if series.slices)
    decoded = Picture(as_rgb(one), one.width, one.height, tells_directions=one.tells_directions)
    answer = analyser().analyse_decoded(decoded, study.sha256, hint, bare_map=bare_map)
    return replace(answer, edges=series.edges)
