"""Left and right: told where a DICOM file tells them, and where it does not, nothing is made up."""

import numpy as np
import pytest

from inference.study import tags
from inference.study.opening import open_album
from tests import dicom_files

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
SERIES = {"SeriesInstanceUID": "1.2.840.99999.5", "Modality": "MR"}


@pytest.mark.parametrize(
    ("orientation", "edges"),
    [
        ((1, 0, 0, 0, 1, 0), ("R", "L")),  # axial, as radiologists look at it
        ((-1, 0, 0, 0, 1, 0), ("L", "R")),
        ((1, 0, 0, 0, 0, -1), ("R", "L")),  # coronal
        ((0, 1, 0, 0, 0, -1), ("A", "P")),  # sagittal
        ((0, 0, 1, 1, 0, 0), ("F", "H")),  # lying on its side
        ((0.97, 0.2, 0.1, -0.2, 0.97, 0.1), ("R", "L")),  # a head that is tilted
        ((0.7, 0.7, 0, 0, 0, -1), ()),  # between two axes
        ((0, 0, 0, 0, 1, 0), ()),
        ((float("nan"),) * 6, ()),
        (None, ()),
    ],
)
def test_edges_follow_from_the_direction_of_the_rows(
    orientation: tuple[float, ...] | None, edges: tuple[str, ...]
) -> None:
    assert tags.edges(orientation) == edges


def test_a_series_has_sides_only_where_all_slices_agree() -> None:
    def sides(*rows: int) -> tuple[str, ...]:
        files = [
            dicom_files.native(
                PIXELS + number * 97 % 255, **SERIES, InstanceNumber=number,
                ImageOrientationPatient=[row, 0, 0, 0, row, 0], ImagePositionPatient=[0, 0, 5 * number],
            )
            for number, row in enumerate(rows)
        ]  # fmt: skip
        study = open_album(files)
        assert study is not None
        return study.series[0].edges

    assert sides(1, 1, 1) == ("R", "L")
    assert sides(-1, -1, -1) == ("L", "R")
    assert sides(1, -1, 1) == ()
