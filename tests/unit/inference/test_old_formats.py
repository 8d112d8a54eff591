"""Netpbm, Targa, PCX and the merged picture of a PSD, as dcm2pnm, FSL and old Windows programs write them."""

import struct
import zipfile
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.signatures import recognise
from inference.study.opening import open_study
from tests import pictures
from tests.decoding import difference, outcomes_of_damage, reason_of

BRAIN = (pictures.brain_array(160) * 255).astype(np.uint8)
SMEAR = np.asarray(pictures.smear_image(200, 150))
INK = np.asarray(BRAIN < 90)
ALPHA = np.full((150, 200, 1), 255, np.uint8)


def in_text(values: NDArray[Any]) -> bytes:
    return b"\n".join(b" ".join(b"%d" % value for value in row) for row in values.reshape(len(values), -1))


def head(form: int, pixels: NDArray[Any], most: int | None = None) -> bytes:
    sizes = b"P%d\n# made by a test: 1 2 3\n%d %d\n" % (form, pixels.shape[1], pixels.shape[0])
    return sizes if most is None else sizes + b"%d\n" % most


def pam(pixels: NDArray[Any], kind: bytes, most: int) -> bytes:
    height, width, depth = (*pixels.shape, 1)[:3]
    lines = b"P7\n# a note\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n"
    return lines % (width, height, depth, most, kind) + pixels.tobytes()


def deep(pixels: NDArray[np.uint8], shift: int) -> NDArray[Any]:
    return (pixels.astype(np.uint16) << shift).astype(">u2")


NETPBM: dict[str, tuple[bytes, NDArray[np.uint8]]] = {
    "PBM": (head(4, INK) + np.packbits(INK, axis=1).tobytes(), np.where(INK, 0, 255).astype(np.uint8)),
    "PBM in text": (
        head(1, INK) + in_text(INK).replace(b" ", b"") + b"# the end",
        np.where(INK, 0, 255).astype(np.uint8),
    ),
    "PGM": (head(5, BRAIN, 255) + BRAIN.tobytes(), BRAIN),
    "PGM of 100 levels": (head(5, BRAIN, 100) + (BRAIN * (100 / 255) + 0.5).astype(np.uint8).tobytes(), BRAIN),
    "PGM of 12 bits": (head(5, BRAIN, 4095) + deep(BRAIN, 4).tobytes(), BRAIN),
    "PGM of 12 of 16 bits": (head(5, BRAIN, 65535) + deep(BRAIN, 4).tobytes(), BRAIN),
    "PGM in text": (head(2, BRAIN, 255) + in_text(BRAIN), BRAIN),
    "PGM of 12 bits in text": (head(2, BRAIN, 4095) + in_text(BRAIN.astype(int) << 4), BRAIN),
    "PPM": (head(6, SMEAR, 255) + SMEAR.tobytes(), SMEAR),
    "PPM of 12 of 16 bits": (head(6, SMEAR, 65535) + deep(SMEAR, 4).tobytes(), SMEAR),
    "PPM in text": (head(3, SMEAR, 255) + in_text(SMEAR), SMEAR),
    "PAM": (pam(BRAIN, b"GRAYSCALE", 255), BRAIN),
    "PAM of 16 bits": (pam(deep(SMEAR, 8), b"RGB", 65535), SMEAR),
    "PAM with alpha": (pam(np.dstack([SMEAR, ALPHA]), b"RGB_ALPHA", 255), SMEAR),
    "PAM of two levels": (
        pam(1 - INK.astype(np.uint8), b"BLACKANDWHITE", 1),
        np.where(INK, 0, 255).astype(np.uint8),
    ),
}


@pytest.mark.parametrize("name", NETPBM)
def test_netpbm_of_every_form_is_read(name: str) -> None:
    data, shown = NETPBM[name]
    assert difference(data, shown) < (3 if "bits" in name or "levels" in name else 1e-9)


@pytest.mark.parametrize("name", NETPBM)
def test_netpbm_without_its_last_rows_is_damaged(name: str) -> None:
    data, _ = NETPBM[name]
    assert reason_of(data[: len(data) * 2 // 3]) is Reason.BROKEN


@pytest.mark.parametrize("name", ["PBM", "PGM of 12 bits in text", "PPM", "PAM with alpha"])
def test_any_damage_of_netpbm_gives_a_reason(name: str) -> None:
    assert len(outcomes_of_damage(NETPBM[name][0], name, 60)) >= 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P5 9000 9000 255\n" + bytes(99), Reason.TOO_MANY_PIXELS),
        (b"P3 9000 9000 255\n1 2 3", Reason.TOO_MANY_PIXELS),
        (b"P7\nWIDTH 9000\nHEIGHT 9000\nDEPTH 1\nMAXVAL 255\nENDHDR\n", Reason.TOO_MANY_PIXELS),
        (b"P5 16 16 255\n" + bytes(256), Reason.TOO_SMALL),
        (b"P5 0 64 255\n", Reason.BROKEN),
        (b"P5 64 64 0\n" + bytes(4096), Reason.BROKEN),
        (b"P5 64 64 70000\n" + bytes(8192), Reason.BROKEN),
        (b"P2 64 64 255\n" + b"300 " * 4096, Reason.BROKEN),
        (b"P2 64 64 255\n" + b"-30 " * 4096, Reason.BROKEN),
        (b"P7\nWIDTH 64\nHEIGHT 64\nDEPTH 9\nMAXVAL 255\nENDHDR\n" + bytes(9 * 4096), Reason.FORM_UNSUPPORTED),
        (b"P7\nWIDTH x\nHEIGHT 64\nDEPTH 1\nMAXVAL 255\nENDHDR\n" + bytes(4096), Reason.BROKEN),
        (b"P5 is the name of a patient", Reason.UNKNOWN_FORMAT),
        (b"P2#" * 30_000, Reason.UNKNOWN_FORMAT),
    ],
)
def test_what_is_no_sound_netpbm_is_named(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


# --- Targa, PCX, PSD ---


def psd(pixels: NDArray[np.uint8], mode: int, *, packed: bool = False, bits: int = 8) -> bytes:
    """A file of Photoshop with nothing but its merged picture, plane by plane."""
    planes = np.moveaxis(np.atleast_3d(pixels), -1, 0)
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, len(planes), *pixels.shape[:2], bits, mode) + bytes(12)
    if not packed:
        return header + b"\0\0" + planes.tobytes()
    rows = [bytes(imagecodecs.packbits_encode(row)) for plane in planes for row in np.ascontiguousarray(plane)]
    return header + b"\0\1" + struct.pack(f">{len(rows)}H", *map(len, rows)) + b"".join(rows)


def targa(pixels: NDArray[np.uint8], alpha: int | None = None, **options: Any) -> bytes:
    shown = pixels if alpha is None else np.dstack([pixels, np.full((150, 200, 1), alpha, np.uint8)])
    return pictures.encode(Image.fromarray(shown), "TGA", **options)


def pcx(pixels: NDArray[np.uint8]) -> bytes:
    return pictures.encode(Image.fromarray(pixels), "PCX")


OLD: dict[str, tuple[bytes, NDArray[np.uint8]]] = {
    "Targa": (targa(SMEAR), SMEAR),
    "Targa in runs": (targa(SMEAR, compression="tga_rle"), SMEAR),
    "Targa in grey": (targa(BRAIN), BRAIN),
    "Targa from the top": (targa(BRAIN, orientation=1), BRAIN),
    "Targa without alpha": (targa(SMEAR, 0), SMEAR),
    "Targa with alpha": (targa(SMEAR, 255), SMEAR),
    "PCX": (pcx(SMEAR), SMEAR),
    "PCX in grey": (pcx(BRAIN), BRAIN),
    "PSD": (psd(SMEAR, 3), SMEAR),
    "PSD in runs": (psd(SMEAR, 3, packed=True), SMEAR),
    "PSD in grey": (psd(BRAIN, 1, packed=True), BRAIN),
    "PSD with a selection": (psd(np.dstack([SMEAR, ALPHA * 0]), 3), SMEAR),
}


@pytest.mark.parametrize("name", OLD)
def test_targa_pcx_and_psd_are_read(name: str) -> None:
    data, shown = OLD[name]
    assert recognise(data) == {"Targa": "TGA"}.get(name.split()[0], name.split()[0])
    assert difference(data, shown) == 0


@pytest.mark.parametrize("name", ["PCX", "PSD", "PSD in runs"])
def test_half_of_an_old_format_is_damaged(name: str) -> None:
    data, _ = OLD[name]
    assert reason_of(data[: len(data) // 2]) is Reason.BROKEN


@pytest.mark.parametrize("name", ["Targa in runs", "PCX", "PSD in runs"])
def test_any_damage_of_old_formats_gives_a_reason(name: str) -> None:
    assert len(outcomes_of_damage(OLD[name][0], name, 60)) >= 2


def test_a_targa_is_known_by_its_end_alone() -> None:
    assert reason_of(targa(SMEAR)[:-26]) is Reason.UNKNOWN_FORMAT


def test_a_large_targa_in_an_archive_is_found() -> None:
    large = np.asarray(pictures.smear_image(400, 300))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", pictures.encode(Image.fromarray(large), "TGA"))
    assert len(open_study(buffer.getvalue()).slices) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (psd(np.dstack([BRAIN, BRAIN]), 1, bits=16), Reason.FORM_UNSUPPORTED),
        (pcx(BRAIN)[:3] + b"\4" + pcx(BRAIN)[4:], Reason.FORM_UNSUPPORTED),
        (b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9000, 9000, 8, 3) + bytes(14), Reason.TOO_MANY_PIXELS),
        (b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 99_000, 9000, 8, 3) + bytes(14), Reason.TOO_MANY_PIXELS),
        (pcx(BRAIN)[:8] + b"\xff\x7f\xff\x7f" + pcx(BRAIN)[12:], Reason.TOO_MANY_PIXELS),
        (targa(BRAIN)[:12] + b"\xff\x7f\xff\x7f" + targa(BRAIN)[16:], Reason.TOO_MANY_PIXELS),
        (targa(BRAIN)[:12] + b"\x10\0\x10\0" + targa(BRAIN)[16:], Reason.TOO_SMALL),
    ],
)
def test_old_formats_are_bounded_and_named(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


def test_a_text_behind_an_empty_line_is_no_pcx() -> None:
    with pytest.raises(PictureError) as refused:
        recognise(b"\n\5 a letter" + b" to a patient" * 20)
    assert refused.value.reason is Reason.UNKNOWN_FORMAT
