"""Every form that ``docs/FORMATS.md`` names, as small as it is read: a change is then likelier to hit what decides."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests import bombs, data, dicom_files, pictures, studies

WIDTH, HEIGHT = 36, 33
"""Pixels: 32 are the fewest that are read."""
HTJ2K, JPEG_2000, JXL = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.110"
LOSSLESS, JPEG_LS, JPEG_12 = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.51"
SLICES = 2
_TABLE = np.arange(0, 64000, 250, dtype=np.uint16).tobytes()


@cache
def _rgb() -> NDArray[np.uint8]:
    return np.asarray(pictures.smear_image(160, 120).resize((WIDTH, HEIGHT)))


def _grey() -> NDArray[np.uint8]:
    return _rgb()[..., 1].copy()


def _deep() -> NDArray[np.uint16]:
    return _grey().astype(np.uint16) * np.uint16(16)


def picture_files() -> list[bytes]:
    """Pictures, none of which holds several slices."""
    image = Image.fromarray(_rgb())
    return [*_by_pillow(image), *_pngs(image), *_bmps(image), *_tiffs(), *_by_imagecodecs(), *_heic()]


def _by_pillow(image: Image.Image) -> list[bytes]:
    grey, clear = image.convert("L"), image.convert("RGBA")
    clear.putalpha(grey)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    frames: dict[str, Any] = {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]}
    return [
        pictures.encode(image, "JPEG", exif=rotated.tobytes()),
        *(pictures.encode(image, "JPEG", progressive=True, subsampling=sampling) for sampling in (0, 2)),
        *(pictures.encode(image.convert(mode), "JPEG") for mode in ("L", "CMYK")),
        *(pictures.encode(image, "GIF", **options) for options in ({}, frames)),
        pictures.encode(image, "WEBP", lossless=True),
        *(pictures.encode(one, "WEBP", quality=30) for one in (image, clear)),
        pictures.encode(image, "WEBP", **frames),
        *(pictures.encode(one, "AVIF", quality=30, speed=10) for one in (image, clear)),
        pictures.encode(image, "JPEG2000"),
        pictures.encode(grey, "JPEG2000", no_jp2=True, irreversible=True),
    ]


def _pngs(image: Image.Image) -> list[bytes]:
    modes = ("1", "L", "LA", "P", "RGBA")
    return [
        *(pictures.encode(image.convert(mode), "PNG") for mode in modes),
        pictures.encode(Image.fromarray(_deep()), "PNG"),
        pictures.encode(image, "PNG", save_all=True, append_images=[image.rotate(90)]),
        pictures.encode(image.quantize(4), "PNG", transparency=2, bits=2),
        _interlaced_png(),
    ]


def _interlaced_png() -> bytes:
    """Adam7, which Pillow does not write: seven small pictures, one after the other."""
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(
        b"\0" + row.tobytes() for x, y, across, down in steps for row in _rgb()[y::down, x::across] if row.size
    )
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(bombs.chunk(*one) for one in chunks)


def _bmps(image: Image.Image) -> list[bytes]:
    made = [pictures.encode(image.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
    words = (_grey().astype(np.uint16) >> 3) * 0x0421
    head = struct.pack("<IiiHHIIiiII3I", 40, WIDTH, -HEIGHT, 1, 16, 3, words.nbytes, 0, 0, 0, 0, 0x7C00, 0x3E0, 0x1F)
    return [*made, b"BM" + struct.pack("<IHHI", 66 + words.nbytes, 0, 0, 66) + head + words.astype("<u2").tobytes()]


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    """One page of these pixels."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    return buffer.getvalue()


def _tiffs() -> list[bytes]:
    rgb, grey, deep = _rgb(), _grey(), _deep()
    packings = ("zlib", "lzw", "packbits", "zstd", "lzma", "lerc", "jpeg2000", "webp", "png", "jpegxl", "jpeg")
    return [
        *(tiff(rgb, compression=packing) for packing in packings),
        tiff(deep, byteorder=">"),
        tiff(deep, photometric="miniswhite", predictor=True, compression="zlib"),
        tiff(grey.astype(np.float32) / 255, tile=(16, 16)),
        tiff(grey.astype(np.float64), bigtiff=True, byteorder=">"),
        tiff((grey.astype(np.int16) - 90), rowsperstrip=5),
        tiff(np.moveaxis(rgb.astype(np.uint16) << 8, -1, 0), photometric="rgb", planarconfig="separate"),
        tiff(grey > 99, compression="packbits"),
        tiff(rgb, tile=(16, 16), bigtiff=True),
        tiff(grey, photometric="palette", colormap=np.arange(768, dtype=np.uint16).reshape(3, 256) * 80),
        tiff(np.dstack([rgb, grey]), photometric="separated"),
        pictures.encode(Image.fromarray(grey > 99), "TIFF", compression="group4"),
    ]


def _by_imagecodecs() -> list[bytes]:
    """Formats, or forms of them, that Pillow does not write."""
    rgb, grey, deep = _rgb(), _grey(), _deep()
    return [
        bytes(imagecodecs.jpegls_encode(grey)),
        bytes(imagecodecs.jpegls_encode(deep, level=2)),
        bytes(imagecodecs.ljpeg_encode(deep, bitspersample=12)),
        bytes(imagecodecs.jpeg8_encode(deep, level=90, bitspersample=12)),
        bytes(imagecodecs.jpeg8_encode(rgb, lossless=True, predictor=4)),
        bytes(imagecodecs.htj2k_encode(grey)),
        bytes(imagecodecs.jpeg2k_encode(deep, level=0, codecformat="J2K")),
        *(bytes(imagecodecs.jpegxl_encode(rgb, lossless=exact, usecontainer=exact)) for exact in (False, True)),
        bytes(imagecodecs.jpegxl_encode(np.stack([rgb, rgb[::-1]]), photometric="RGB")),
        bytes(imagecodecs.jpegxl_encode(deep)),
    ]


def _heic() -> list[bytes]:
    """Drawn by our own code and packed elsewhere: nothing here writes HEIC."""
    return [Path(data.__file__).with_name("smear.heic").read_bytes()]


def dicom_files_of_all_forms() -> list[bytes]:
    """DICOM in every encoding, and with everything that decides how it is shown."""
    rgb, grey, deep = _rgb(), _grey(), _deep()
    native, coded = dicom_files.native, dicom_files.encapsulated
    signed = deep.astype(np.int16) - 900
    syntaxes = (dicom_files.EXPLICIT, dicom_files.IMPLICIT, dicom_files.BIG_ENDIAN, dicom_files.DEFLATED)
    bare = dicom_files.dataset(deep)
    plain: list[bytes] = [
        *(native(deep, syntax) for syntax in syntaxes),
        dicom_files.save(bare, preamble=False),
        native(
            signed, RescaleSlope="1.5", RescaleIntercept="-10", WindowCenter=["40", "400"], WindowWidth=["80", "900"]
        ),
        native(grey, PhotometricInterpretation="MONOCHROME1", PixelAspectRatio=["1", "2"]),
        native(deep, BitsStored=12, HighBit=11, PixelSpacing=["0.5", "0.6"], VOILUTFunction="SIGMOID"),
        native(np.moveaxis(rgb, -1, 0).reshape(rgb.shape), PlanarConfiguration=1),
        native(rgb, PhotometricInterpretation="YBR_FULL"),
        *(native(grey, **{f"{stage}LUTSequence": Items([_table()])}) for stage in ("VOI", "Modality")),
        _overlaid(),
        _floats(),
        dicom_files.palette(grey),
    ]
    return [
        *plain,
        *(dicom_files.rle(pixels) for pixels in (grey, deep, rgb)),
        *(dicom_files.jpeg(pixels) for pixels in (grey, rgb)),
        coded(deep, bytes(imagecodecs.ljpeg_encode(deep, bitspersample=16)), LOSSLESS),
        coded(deep, bytes(imagecodecs.jpegls_encode(deep)), JPEG_LS),
        coded(deep, bytes(imagecodecs.jpeg8_encode(deep, level=90, bitspersample=12)), JPEG_12, BitsStored=12),
        dicom_files.jpeg2000(deep),
        coded(deep, bytes(imagecodecs.htj2k_encode(deep)), HTJ2K),
        # pydicom does not know this one, and writes what it knows.
        coded(rgb, bytes(imagecodecs.jpegxl_encode(rgb)), HTJ2K).replace(HTJ2K.encode(), JXL.encode()),
        *(dicom_files.without_picture(), dicom_files.film(), studies.directory(), bombs.nested_dicom(20)),
        bombs.elements_dicom(50),
        *(dicom_files.several_frames(grey), _packed_frames(), studies.multiframe(_volume())),
    ]


def _table() -> Dataset:
    table = Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = [256, 0, 16], _TABLE, "US"
    return table


def _overlaid() -> bytes:
    built = dicom_files.dataset(_deep())
    for element, kind, value in ((0x10, "US", HEIGHT), (0x11, "US", WIDTH), (0x40, "CS", "G"), (0x50, "SS", [1, 1])):
        built.add_new((0x6000, element), kind, value)
    built.add_new((0x6000, 0x3000), "OW", bytes(150))
    return dicom_files.save(built)


def _floats() -> bytes:
    built = dicom_files.dataset(_grey(), BitsAllocated=32)
    del built.PixelData
    built.FloatPixelData = _grey().astype("<f4").tobytes()
    return dicom_files.save(built)


def _packed_frames() -> bytes:
    from pydicom.encaps import encapsulate

    built = dicom_files.parse(dicom_files.jpeg(_grey()))
    stream = pictures.encode(Image.fromarray(_grey()), "JPEG")
    built.NumberOfFrames, built.PixelData = 2, encapsulate([stream, stream])
    return dicom_files.save(built)


@cache
def _volume() -> NDArray[np.uint8]:
    return np.stack([_grey()[:, :HEIGHT], _grey()[::-1, :HEIGHT]][:SLICES])


def container_files() -> list[bytes]:
    """Everything that holds several slices; ZIP and TAR also without packing, so that changes reach what they hold."""
    volume = _volume()
    files = studies.series_files(volume)
    photos = {f"{n}.jpg": pictures.encode(Image.fromarray(one)) for n, one in enumerate(volume)}
    made = [stored(files), stored(photos), stored({"a/b.zip": stored(files)}), stored({"c.nii": _nifti_2()})]
    made += [packed(photos, packing) for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)]
    made += [stored({**files, "DICOMDIR": studies.directory(), "VIEWER.EXE": b"MZ" + bytes(99)})]
    made += [studies.pack_tar(photos), studies.pack_tar(files, "w"), gzip.compress(files[next(iter(files))])]
    made += [studies.nifti(volume), studies.nifti(volume, packed=False), studies.nifti(volume, packed=False, order=">")]
    made += [studies.nifti(volume.astype(np.float32), packed=False), _nifti_2()]
    made += [studies.nrrd(volume), studies.nrrd(volume, "raw"), studies.mha(volume), studies.pages(volume)]
    made += [tiff(volume, bigtiff=True, photometric="minisblack"), tiff(volume, compression="zlib", byteorder=">")]
    return [*made, studies.pages(volume, "PDF"), _flate_pdf()]


def packed(files: Mapping[str, bytes], packing: int) -> bytes:
    """A ZIP, packed so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def stored(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of files as they are."""
    return packed(files, zipfile.ZIP_STORED)


def _nifti_2() -> bytes:
    volume = _volume()
    head = bytearray(544)
    struct.pack_into("<i8s", head, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into("<2h8q", head, 12, 2, 8, 3, *volume.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<8dq", head, 104, 1, 1, 1, studies.SPACING, 0, 0, 0, 0, 544)
    return bytes(head) + volume.tobytes()


def _flate_pdf() -> bytes:
    """A turned page: a picture as raw rows, packed, drawn by itself and in a form, and one in strips."""
    body = zlib.compress(_grey().tobytes())
    picture = (
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8"
        b"/Filter/FlateDecode/Length %d>>stream\n" % (WIDTH, HEIGHT, len(body))
    )
    strips = b"".join(
        b"q 90 0 0 9 0 %d cm BI/W 24/H 2/BPC 8/CS/G/F/AHx ID %s> EI Q " % (row, b"80" * 48) for row in (9, 0)
    )
    drawing = b"q 0 40 -40 0 90 30 cm/a Do Q/f Do " + strips
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Matrix[1 0 0 -1 0 99]/Resources<</XObject<</a 4 0 R>>>>"
    parts = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Rotate 90/Contents 5 0 R"
        b"/Resources<</XObject<</a 4 0 R/f 6 0 R>>>>>>",
        picture + body + b"\nendstream",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        form + b"/Length 6>>stream\n/a Do \nendstream",
    )
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj%sendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)
    return out + b"xref\n0 7\n0000000000 65535 f \n" + table + end


SMALL: Mapping[str, Callable[[], list[bytes]]] = {
    "pictures": picture_files, "dicom": dicom_files_of_all_forms, "archives": container_files,
}  # fmt: skip
