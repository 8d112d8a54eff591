"""DICOM files built for the tests, as bytes; their patient is invented."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PATIENT = "Doe^Jane^Secret"
GDCM_SYNTAXES = {
    "jpeg_lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "jpeg_ls": gdcm.TransferSyntax.JPEGLSLossless,
}

Pixels = NDArray[Any]
Change = Callable[[Dataset], None]


def dataset(pixels: Pixels, syntax: str = EXPLICIT, **tags: Any) -> Dataset:
    """Build a dataset around native pixels (rows x columns, or rows x columns x 3); ``tags`` override."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    meta.TransferSyntaxUID = syntax
    built = Dataset()
    built.file_meta = meta
    built.SOPClassUID, built.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    built.PatientName, built.Modality = PATIENT, "MR"
    built.Rows, built.Columns = pixels.shape[:2]
    built.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        built.PlanarConfiguration = 0
    built.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    bits = pixels.dtype.itemsize * 8
    built.BitsAllocated, built.BitsStored, built.HighBit = bits, bits, bits - 1
    built.PixelRepresentation = int(pixels.dtype.kind == "i")
    little = pixels.astype(pixels.dtype.newbyteorder("<"))
    built.PixelData = (little.byteswap() if syntax == BIG_ENDIAN else little).tobytes()
    built["PixelData"].VR = "OW" if bits > 8 else "OB"
    for keyword, value in tags.items():
        setattr(built, keyword, value)
    return built


def save(built: Dataset, *, preamble: bool = True) -> bytes:
    """Write a dataset as a file, or bare as very old archives did."""
    buffer = io.BytesIO()
    if preamble:
        built.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()
    syntax = built.file_meta.TransferSyntaxUID
    bare = Dataset(built)
    bare.save_as(buffer, implicit_vr=syntax == IMPLICIT, little_endian=True)
    return buffer.getvalue()


def parse(data: bytes) -> Dataset:
    """Read a file back."""
    return dcmread(io.BytesIO(data))


def native(pixels: Pixels, syntax: str = EXPLICIT, **tags: Any) -> bytes:
    """Write uncompressed pixels."""
    return save(dataset(pixels, syntax, **tags))


def rle(pixels: Pixels, **tags: Any) -> bytes:
    """Write RLE-compressed pixels (pydicom's own encoder)."""
    built = dataset(pixels, **tags)
    built.compress(RLELossless, encoding_plugin="pydicom")
    return save(built)


def jpeg(pixels: Pixels, **tags: Any) -> bytes:
    """Write baseline JPEG pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return encapsulated(pixels, buffer.getvalue(), JPEGBaseline8Bit, **tags)


def jpeg2000(pixels: Pixels, **tags: Any) -> bytes:
    """Write lossless JPEG 2000 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
    return encapsulated(pixels, buffer.getvalue(), JPEG2000Lossless, **tags)


def by_gdcm(name: str, pixels: Pixels, **tags: Any) -> bytes:
    """Write pixels as GDCM encodes them: "jpeg_lossless" or "jpeg_ls"."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.dcm", Path(folder) / "target.dcm"
        source.write_bytes(native(pixels, **tags))
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(GDCM_SYNTAXES[name]))
        if not reader.Read():
            raise RuntimeError("GDCM can't read the file")
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise RuntimeError(f"GDCM can't write {name}")
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise RuntimeError("GDCM can't write the file")
        return target.read_bytes()


def palette(indices: NDArray[np.uint8]) -> bytes:
    """Write a palette picture whose colours are: 0 black, 255 red, and the steps between."""
    ramp = (np.arange(256, dtype="<u2") * 257).tobytes()
    none = np.zeros(256, "<u2").tobytes()
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, table in (("Red", ramp), ("Green", none), ("Blue", none)):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = table
    return native(indices, **tags)


def without_picture() -> bytes:
    """Write a report-like file: a patient, no pixels."""
    built = dataset(np.zeros((64, 64), np.uint8))
    for keyword in ("PixelData", "Rows", "Columns", "PhotometricInterpretation"):
        delattr(built, keyword)
    return save(built)


def several_frames(pixels: Pixels) -> bytes:
    """Write three frames."""
    built = dataset(pixels, NumberOfFrames=3)
    built.PixelData = built.PixelData * 3
    return save(built)


def film() -> bytes:
    """Write a file that says that it holds MPEG-4."""
    return encapsulated(np.zeros((64, 64), np.uint8), b"\0\0\0\x18ftypmp42" + bytes(200), MPEG4HP41)


def encapsulated(pixels: Pixels, stream: bytes, syntax: str, **tags: Any) -> bytes:
    """Write a compressed stream; the tags are those of ``pixels``."""
    built = dataset(pixels, **tags)
    built.file_meta.TransferSyntaxUID = syntax
    built.PixelData = encapsulate([stream])
    built["PixelData"].VR = "OB"
    built["PixelData"].is_undefined_length = True
    return save(built)
