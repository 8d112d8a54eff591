"""What the changes begin with, all of it drawn by our own code."""

import copy
import io
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests import bombs, dicom_files, pictures, studies

JSON: tuple[dict[str, Any], ...] = (
    {
        "update_id": 7,
        "message": {
            "message_id": 3, "date": 1790000000, "text": "/start 5", "chat": {"id": 5, "type": "private"},
            "from": {"id": 5, "is_bot": False, "first_name": "Anna", "language_code": "de"},
            "entities": [{"type": "bot_command", "offset": 0, "length": 6}],
        },
    },
    {
        "update_id": 8,
        "message": {
            "message_id": 4, "date": 1790000000, "caption": "knee", "media_group_id": "9",
            "chat": {"id": 5, "type": "private"}, "from": {"id": 5, "is_bot": False, "first_name": "Anna"},
            "photo": [{"file_id": "a", "file_unique_id": "b", "width": 90, "height": 90, "file_size": 1000}],
        },
    },
    {
        "update_id": 9,
        "message": {
            "message_id": 5, "date": 1790000000, "chat": {"id": 5, "type": "private"},
            "from": {"id": 5, "is_bot": False, "first_name": "Anna"},
            "document": {"file_id": "a", "file_unique_id": "b", "file_name": "x.dcm", "mime_type": "application/dicom"},
            "forward_origin": {"type": "user", "date": 1, "sender_user": {"id": 1, "is_bot": True, "first_name": "B"}},
        },
    },
    {
        "update_id": 10,
        "callback_query": {
            "id": "1", "chat_instance": "2", "data": "agree", "from": {"id": 5, "is_bot": False, "first_name": "Anna"},
            "message": {"message_id": 3, "date": 1790000000, "chat": {"id": 5, "type": "private"}, "text": "?"},
        },
    },
    {
        "update_id": 11,
        "my_chat_member": {
            "chat": {"id": 5, "type": "private"}, "from": {"id": 5, "is_bot": False, "first_name": "Anna"}, "date": 1,
            "old_chat_member": {"status": "member", "user": {"id": 1, "is_bot": True, "first_name": "B"}},
            "new_chat_member": {
                "status": "kicked", "until_date": 0, "user": {"id": 1, "is_bot": True, "first_name": "B"},
            },
        },
    },
)  # fmt: skip


def an_update(rng: random.Random) -> dict[str, Any]:
    """One of these, to be changed."""
    return copy.deepcopy(rng.choice(JSON))


def image_files(width: int = 160, height: int = 120) -> list[bytes]:
    """One small picture in each format that is read."""
    image = pictures.smear_image(160, 120).resize((width, height))
    made = [pictures.encode(image, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG2000", "PPM")]
    made += [pictures.encode(image, "JPEG", progressive=True), pictures.encode(image, "TIFF", compression="tiff_lzw")]
    made += [pictures.brain(max(64, height)), pictures.deep_png(), pictures.cmyk_jpeg(), pictures.animated_gif()]
    made += [pictures.rotated_jpeg(6, width, height), _newer(image, "AVIF")]
    return [file for file in made if file]


def _newer(image: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind)
    except (KeyError, OSError):  # this Pillow was built without it
        return b""
    return buffer.getvalue()


def dicom() -> list[bytes]:
    """DICOM in several encodings, with and without what makes a picture."""
    pixels = (np.linspace(0, 900, 48 * 40).reshape(48, 40)).astype(np.uint16)
    small = (pixels // 4).astype(np.uint8)
    made = [dicom_files.native(pixels), dicom_files.rle(pixels), dicom_files.jpeg2000(pixels), dicom_files.jpeg(small)]
    made += [dicom_files.palette(small), dicom_files.without_picture(), dicom_files.film(), bombs.nested_dicom(20)]
    return [*made, dicom_files.several_frames(small), bombs.elements_dicom(50)]


def archives(slices: int = 6) -> list[bytes]:
    """Everything that holds many slices."""
    volume = studies.head(6, 48)[:slices]
    files = studies.series_files(volume)
    made = [studies.pack(files), studies.pack_tar(files), studies.pack_tar(files, "w"), studies.nrrd(volume)]
    made += [studies.pack(studies.hospital_cd(volume)), studies.multiframe(volume), studies.pages(volume)]
    return [*made, studies.mha(volume), studies.nifti(volume), studies.pages(volume, "PDF")]


FILES: Mapping[str, Callable[[], list[bytes]]] = {"pictures": image_files, "dicom": dicom, "archives": archives}
