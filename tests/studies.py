"""Studies drawn for the tests, as bytes in every container that people have; their patient is invented."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests import dicom_files
from tests.pictures import brain_array, encode

SPACING = 6.0
"""Millimetres between the slices of ``head``."""
SERIES = generate_uid(prefix=None, entropy_srcs=["a drawn series"])


@cache
def head(slices: int = 20, side: int = 256, *, tumour: bool = True, seed: int = 1) -> NDArray[np.uint8]:
    """Draw a head from its base to its top (slices x side x side); the mass lies in the middle fifth."""
    drawn = []
    for number in range(slices):
        height = (number + 0.5) / slices
        scale = 0.62 + 0.38 * np.sin(np.pi * min(1.0, 0.15 + 0.8 * height))
        has_mass = tumour and 0.4 <= height < 0.65
        plain = Image.fromarray((brain_array(side, tumour=has_mass, seed=seed) * 255).astype(np.uint8))
        small = plain.resize((round(side * scale),) * 2, Image.Resampling.BICUBIC)
        slice_ = Image.new("L", (side, side))
        slice_.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
        drawn.append(np.asarray(slice_))
    return np.stack(drawn)


def pack(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    """Write a ZIP, names as given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, data)
    return buffer.getvalue()


def pack_tar(files: Mapping[str, bytes], mode: Any = "w:gz") -> bytes:
    """Write a TAR, packed by gzip unless told otherwise."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def slice_dicom(pixels: NDArray[np.uint8], number: int, **tags: Any) -> bytes:
    """Write one slice of the drawn series as a scanner does, 16 bits, at its place in millimetres."""
    given = {
        "SeriesInstanceUID": SERIES, "PatientID": "4711", "SeriesDescription": "t1_se_tra", "BodyPartExamined": "HEAD",
        "ImageType": ["ORIGINAL", "PRIMARY", "M"], "InstanceNumber": number + 1, "PixelSpacing": [1, 1],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, SPACING * number],
    }  # fmt: skip
    return dicom_files.native(pixels.astype(np.uint16) * 8, **(given | tags))


def series_files(volume: NDArray[np.uint8], **tags: Any) -> dict[str, bytes]:
    """Write a series as files named so that their names tell nothing of their order."""
    return {f"DICOM/{(7 * n) % 101:03}": slice_dicom(one, n, **tags) for n, one in enumerate(volume)}


def hospital_cd(volume: NDArray[np.uint8]) -> dict[str, bytes]:
    """Write a CD as hospitals burn them: a series, a scout, a knee, a report, a viewer, a directory."""
    scout = slice_dicom(
        volume[0], 0, SeriesInstanceUID=generate_uid(prefix=None), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    knee = slice_dicom(volume[1], 1, SeriesInstanceUID=generate_uid(prefix=None), BodyPartExamined="KNEE")
    return {
        "AUTORUN.INF": b"[autorun]\r\nopen=VIEWER\\viewer.exe\r\n",
        "DICOMDIR": directory(),
        "VIEWER/viewer.exe": b"MZ" + bytes(4000),
        "VIEWER/icons/next.png": encode(Image.new("RGB", (32, 32), (9, 90, 200)), "PNG"),
        "README.TXT": b"Insert this CD",
        **series_files(volume),
        "DICOM/SCOUT": scout,
        "DICOM/KNEE": knee,
        "DICOM/BROKEN": slice_dicom(volume[2], len(volume) + 1)[:-20000],
    }


def directory() -> bytes:
    """Write a DICOMDIR without records."""
    built = dicom_files.dataset(np.zeros((4, 4), np.uint8))
    built.file_meta.MediaStorageSOPClassUID = built.SOPClassUID = "1.2.840.10008.1.3.10"
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(built, keyword)
    return dicom_files.save(built)


def multiframe(volume: NDArray[np.uint8], **tags: Any) -> bytes:
    """Write one DICOM file of several frames, with their places where an enhanced MR has them."""
    built: Dataset = dicom_files.dataset(volume[0].astype(np.uint16), NumberOfFrames=len(volume), **tags)
    built.PixelData = (volume.astype("<u2") * 8).tobytes()
    groups = []
    for number in range(len(volume)):
        plane, position, group = Dataset(), Dataset(), Dataset()
        plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        position.ImagePositionPatient = [0, 0, SPACING * (len(volume) - number)]
        group.PlaneOrientationSequence, group.PlanePositionSequence = [plane], [position]
        groups.append(group)
    built.PerFrameFunctionalGroupsSequence = groups
    return dicom_files.save(built)


def pages(volume: NDArray[np.uint8], kind: str = "TIFF") -> bytes:
    """Write one page a slice: a TIFF, or a PDF."""
    images = [Image.fromarray(one) for one in volume]
    return encode(images[0], kind, save_all=True, append_images=images[1:])


def nifti(
    volume: NDArray[Any], *, packed: bool = True, order: Literal["<", ">"] = "<", affine: Sequence[float] | None = None
) -> bytes:
    """Write NIfTI-1 of a volume [slice, row, column] as ``head`` draws it: row 0 is the front, column 0 the right."""
    voxels = np.ascontiguousarray(volume[:, ::-1, ::-1])  # to the head, to the front, to the right
    code = {"u1": 2, "i2": 4, "f4": 16, "u2": 512}[voxels.dtype.str[1:]]
    steps = affine or (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, SPACING, 0)
    head_ = bytearray(352)
    struct.pack_into(order + "i", head_, 0, 348)
    struct.pack_into(order + "8h", head_, 40, 3, voxels.shape[2], voxels.shape[1], voxels.shape[0], 1, 1, 1, 1)
    struct.pack_into(order + "2h", head_, 70, code, voxels.dtype.itemsize * 8)
    struct.pack_into(order + "8f", head_, 76, 1, 1, 1, SPACING, 0, 0, 0, 0)
    struct.pack_into(order + "f", head_, 108, 352)
    struct.pack_into(order + "2h", head_, 252, 0, 1)
    struct.pack_into(order + "12f", head_, 280, *steps)
    head_[344:348] = b"n+1\0"
    data = bytes(head_) + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()
    return gzip.compress(data, 1) if packed else data


def nrrd(volume: NDArray[np.uint8], encoding: str = "gzip") -> bytes:
    """Write NRRD as 3D Slicer does: steps to the left, the back, the head."""
    z, y, x = volume.shape
    text = (
        f"NRRD0004\n# drawn\ntype: unsigned char\ndimension: 3\nspace: left-posterior-superior\nsizes: {x} {y} {z}\n"
        f"space directions: (1,0,0) (0,1,0) (0,0,{SPACING})\nendian: little\nencoding: {encoding}\n\n"
    )
    raw = volume.tobytes()
    return text.encode() + (gzip.compress(raw, 1) if encoding == "gzip" else raw)


def mha(volume: NDArray[np.uint8]) -> bytes:
    """Write MetaImage as ITK does."""
    z, y, x = volume.shape
    text = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        f"TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementSpacing = 1 1 {SPACING}\nDimSize = {x} {y} {z}\n"
        "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    return text.encode() + volume.tobytes()
