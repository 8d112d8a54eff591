"""A smear whose colours Fiji or Bio-Formats keep as pages of their own is one picture in colours."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from inference.decode import tiff_channels
from inference.decode.imaging import decode
from inference.study.opening import holds_several, open_study
from tests import pictures, studies
from tests.decoding import difference, outcomes_of_damage

SMEAR = np.asarray(pictures.smear_image(200, 150))
PLANES = np.ascontiguousarray(np.moveaxis(SMEAR, -1, 0))


def written(pixels: NDArray[Any], axes: str, *, kind: str = "imagej", **words: Any) -> bytes:
    buffer = io.BytesIO()
    form: dict[str, Any] = {
        "bigtiff": words.pop("bigtiff", False),
        "byteorder": words.pop("byteorder", None),
        kind: True,
    }
    more = {"compression": words.pop("compression", None)} if kind == "ome" else {}
    with tifffile.TiffWriter(buffer, **form) as writer:
        writer.write(pixels, photometric="minisblack", metadata={"axes": axes, **words}, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        written(PLANES, "CYX", mode="composite"),
        written(PLANES, "CYX", mode="color"),
        written(PLANES.astype(np.uint16) * 16, "CYX", mode="composite"),
        written(PLANES, "CYX", kind="ome"),
        written(PLANES.astype(np.uint16) * 257, "CYX", kind="ome", compression="zlib"),
        written(PLANES, "CYX", kind="ome", bigtiff=True, byteorder=">"),
    ],
    ids=["composite", "colour", "12 bits", "OME", "OME, packed", "OME, BigTIFF"],
)
def test_three_channels_are_one_picture_in_colours(data: bytes) -> None:
    assert not holds_several(data)
    assert difference(data, SMEAR) < 2
    in_archive = open_study(studies.pack({"a.tif": data}))
    assert [one.shape for one in in_archive.slices] == [(150, 200, 3)]


def colours(data: bytes) -> list[NDArray[np.uint8]]:
    return [np.frombuffer(one.pixels, np.uint8).reshape(one.shape) for one in open_study(data).slices]


@pytest.mark.parametrize(("kind", "axes"), [("imagej", "ZCYX"), ("ome", "ZCYX"), ("ome", "CZYX"), ("ome", "TCYX")])
def test_each_depth_and_time_is_a_picture(kind: str, axes: str) -> None:
    darker = np.stack([PLANES, PLANES // 2])
    data = written(darker if axes[1] == "C" else darker.swapaxes(0, 1), axes, kind=kind, mode="composite")
    first, second = colours(data)
    assert (first == SMEAR).all()
    assert (second == SMEAR // 2).all()


def test_slices_and_other_channels_stay_slices() -> None:
    assert len(colours(written(PLANES, "ZYX"))) == 3
    assert len(colours(written(PLANES, "CYX", mode="grayscale"))) == 3
    assert len(colours(written(PLANES[:2], "CYX", mode="composite"))) == 2
    assert len(colours(written(PLANES[:2], "CYX", kind="ome"))) == 2


def test_words_that_do_not_fit_the_pages_are_left_out() -> None:
    data = written(np.stack([PLANES] * 2), "ZCYX", mode="composite")
    assert [one.ndim for one in colours(data)] == [3, 3]
    assert [one.ndim for one in colours(data.replace(b"slices=2", b"slices=9"))] == [2] * 6


def test_pages_that_differ_are_not_put_together() -> None:
    data = bytearray(written(PLANES, "CYX", mode="composite"))
    (first,) = struct.unpack_from("<I", data, 4)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * struct.unpack_from("<H", data, first)[0])
    at = data.index(struct.pack("<HHI", 257, 4, 1), second) + 8
    struct.pack_into("<I", data, at, 140)
    assert tiff_channels.groups(bytes(data)) == []


def test_damage_gives_a_picture_or_a_reason() -> None:
    data = written(PLANES, "CYX", mode="composite")
    assert outcomes_of_damage(data, "channels", 150) <= {
        "uint8", "broken", "unknown_format", "form_unsupported", "too_small", "too_many_pixels", "blank", "raw_photo",
    }  # fmt: skip
    assert decode(data).rgb.shape == (150, 200, 3)
