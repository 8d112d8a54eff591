"""NIfTI, NRRD, MetaImage and MGH: a strict reader of what a scanner's volume needs, without the libraries' generality.

The header says how many bytes of voxels there must be, and is believed only where it fits the limits; nothing is
unpacked before that.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.bit_depth import low_filler, to_levels
from inference.decode.limits import check_size
from inference.study.archives import gunzip
from inference.study.limits import MAX_UNPACKED

_HEAD: Final = 1 << 16
"""Bytes within which a text header must end."""
_NIFTI1, _NIFTI2 = 348, 540
_NIFTI_TYPES: Final = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 128: "rgb", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_NRRD_TYPES: Final = {
    name: code
    for code, names in {
        "i1": "signed char|int8|int8_t", "u1": "uchar|unsigned char|uint8|uint8_t",
        "i2": "short|short int|signed short|signed short int|int16|int16_t",
        "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
        "i4": "int|signed int|int32|int32_t", "u4": "uint|unsigned int|uint32|uint32_t",
        "i8": "long long|long long int|signed long long|int64|int64_t",
        "u8": "ulonglong|unsigned long long|uint64|uint64_t",
        "f4": "float", "f8": "double",
    }.items()
    for name in names.split("|")
}  # fmt: skip
_META_TYPES: Final = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_MGH_HEAD: Final = struct.Struct(">7ih15f")
_MGH_START: Final = 284
_MGH_TYPES: Final = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}
_TEXT_FAULTS: Final = (ValueError, KeyError, IndexError, OverflowError)
_FINEST, _COARSEST = 1e-6, 1e6
"""Millimetres of a voxel: beyond these it is no place in a body, and squares of such numbers are none any more."""
_THICK: Final = 1.3
"""An axis whose voxels are so many times longer than the others is the one that was scanned slice by slice."""
PLANES: Final = ("sagittal", "coronal", "axial")
"""The plane of slices across the axis to the right, to the front, to the head."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Voxels and where they lie."""

    voxels: NDArray[np.generic]
    """[i, j, k], or [i, j, k, 3] in colour (uint8)."""
    affine: NDArray[np.float64]
    """3 x 3: a step along i, j, k (columns) in millimetres to the right, to the front, to the head (RAS)."""
    falling: bool = False
    """Whether larger numbers are darker."""


@dataclass(frozen=True, slots=True)
class VolumeSlice:
    """One slice as a viewer shows it: the person's right on the left, the front or the head at the top."""

    pixels: NDArray[np.uint8]
    """H x W, or H x W x 3."""
    plane: str
    position: float
    """Millimetres along the axis across the plane."""


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as a volume does, packed by gzip or not."""
    head = _peek(data)
    return _nifti_order(head) is not None or head.startswith(b"NRRD000") or _is_meta(head) or _is_mgh(head)


def read(data: bytes) -> Volume:
    """Read a volume. Raises PictureError (VOLUME_BROKEN, VOLUME_UNSUPPORTED, TOO_MANY_PIXELS)."""
    head = _peek(data)
    try:
        if _nifti_order(head) is not None:
            return _nifti(data, head)
        if _is_mgh(head):
            return _mgh(data, head)
        return _nrrd(data, head) if head.startswith(b"NRRD000") else _meta(data, head)
    except _TEXT_FAULTS:
        raise PictureError(Reason.VOLUME_BROKEN, "header") from None


def slices(volume: Volume) -> Iterator[VolumeSlice]:
    """Cut a volume across the axis that was scanned slice by slice; axial where all are alike. Empty ones are left out.

    One window for the whole volume, so that air at its ends stays dark instead of becoming bright noise.
    """
    voxels, steps = _upright(volume)
    axis = _across(steps)
    rows, columns = {0: (2, 1), 1: (2, 0), 2: (1, 0)}[axis]
    check_size(voxels.shape[columns], voxels.shape[rows])
    low, high, filler = _window(voxels, falling=volume.falling)
    for number in range(voxels.shape[axis]):
        flat = np.moveaxis(voxels, (axis, rows, columns), (0, 1, 2))[number]
        # Towards the head or the front is up; the person's right, or front, is on the left.
        shown = flat[::-1, ::-1]
        pixels = np.asarray(shown) if shown.ndim == 3 else to_levels((shown.astype(np.float32) - low) / (high - low))
        pixels = np.where(shown == filler, np.uint8(0), 255 - pixels if volume.falling else pixels)
        if pixels.max() < _FAINT:
            continue
        upright = _square(np.ascontiguousarray(pixels), steps[rows], steps[columns])
        yield VolumeSlice(upright, PLANES[axis], number * steps[axis])


_FAINT: Final = 24
"""Grey levels: a slice without anything brighter shows air."""


def _upright(volume: Volume) -> tuple[NDArray[np.generic], list[float]]:
    """Turn the axes to right, front, head; give their steps in millimetres."""
    affine = volume.affine
    if affine.shape != (3, 3) or not np.abs(affine).max() <= _COARSEST:  # not a number is not smaller either
        raise PictureError(Reason.VOLUME_BROKEN, "geometry")
    lengths = np.linalg.norm(affine, axis=0)
    if lengths.min() < _FINEST:
        raise PictureError(Reason.VOLUME_BROKEN, "geometry")
    toward = np.abs(affine / lengths)
    order = [-1, -1, -1]
    for _ in range(3):  # the clearest axis first, so that each world axis gets one of the volume's
        world, own = divmod(int(toward.argmax()), 3)
        order[world] = own
        toward[world, :] = toward[:, own] = -1
    voxels = volume.voxels.transpose(*order, *range(3, volume.voxels.ndim))
    for world, own in enumerate(order):
        if affine[world, own] < 0:
            voxels = np.flip(voxels, world)
    return voxels, [float(lengths[own]) for own in order]


def _across(steps: Sequence[float]) -> int:
    longest = int(np.argmax(steps))
    others = [step for axis, step in enumerate(steps) if axis != longest]
    return longest if steps[longest] > _THICK * max(others) else 2


def _window(voxels: NDArray[np.generic], *, falling: bool) -> tuple[float, float, float]:
    if voxels.ndim == 4:
        return 0.0, 255.0, np.nan
    step = [max(1, side // 64) for side in voxels.shape]
    sample = voxels[:: step[0], :: step[1], :: step[2]].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise PictureError(Reason.BLANK)
    filler = low_filler(sample)
    sample = sample[sample != filler]
    low, high = (float(level) for level in np.percentile(sample, (0.2, 99.5) if falling else (0.5, 99.8)))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    if high <= low:
        raise PictureError(Reason.BLANK)
    return low, high, filler


def _square(pixels: NDArray[np.uint8], height: float, width: float) -> NDArray[np.uint8]:
    if abs(height / width - 1) < 0.02:
        return pixels
    rows, columns = pixels.shape[:2]
    size = (columns, round(rows * height / width)) if height > width else (round(columns * width / height), rows)
    check_size(*size)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _peek(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b\x08"):
        return data[:_HEAD]
    try:
        return gunzip(data, _HEAD)
    except PictureError:
        return b""


def _load(data: bytes, packed: bool, start: int, size: int) -> memoryview:
    """Read ``size`` bytes of voxels from ``start`` on. Raises PictureError (VOLUME_BROKEN) when there are fewer."""
    try:
        whole = gunzip(data, start + size) if packed else data
    except PictureError:
        raise PictureError(Reason.VOLUME_BROKEN, "packed voxels") from None
    if len(whole) < start + size:
        raise PictureError(Reason.VOLUME_BROKEN, "fewer voxels than promised")
    return memoryview(whole)[start : start + size]  # no copy: it may be all that fits into memory


def _array(raw: memoryview, code: str, order: str, shape: Sequence[int]) -> NDArray[np.generic]:
    if code == "rgb":
        return np.frombuffer(raw, np.uint8).reshape(*reversed(shape), 3).transpose(2, 1, 0, 3)
    return np.frombuffer(raw, np.dtype(order + code)).reshape(*reversed(shape)).T


def _bytes_needed(shape: Sequence[int], code: str) -> int:
    """Bytes of so many voxels. Raises PictureError unless that is a volume which may be read."""
    if len(shape) != 3 or min(shape) < 1:
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "not three axes")
    size = 3 if code == "rgb" else np.dtype(code).itemsize
    for side in shape:
        size *= side
    if size > MAX_UNPACKED:
        raise PictureError(Reason.TOO_MANY_PIXELS, "a volume")
    return size


def _nifti_order(head: bytes) -> str | None:
    """The byte order of a NIfTI header ("<" or ">"); None when it is none."""
    if len(head) < _NIFTI1:
        return None
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0]
        if size == _NIFTI1 and head[344:348] in (b"n+1\0", b"ni1\0"):
            return order
        if size == _NIFTI2 and head[4:7] in (b"n+2", b"ni2"):
            return order
    return None


def _nifti(data: bytes, head: bytes) -> Volume:
    """Read NIfTI-1 or NIfTI-2, the first volume of several (nifti.nimh.nih.gov: nifti1.h, nifti2.h)."""
    order = _nifti_order(head) or "<"
    second = struct.unpack_from(order + "i", head)[0] == _NIFTI2
    if (second and (head[4:7] != b"n+2" or len(head) < _NIFTI2)) or (not second and head[344:348] != b"n+1\0"):
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "header and voxels in two files")
    dims = struct.unpack_from(order + ("8q" if second else "8h"), head, 16 if second else 40)
    (code,) = struct.unpack_from(order + "h", head, 12 if second else 70)
    pixdim = struct.unpack_from(order + ("8d" if second else "8f"), head, 104 if second else 76)
    (start,) = struct.unpack_from(order + ("q" if second else "f"), head, 168 if second else 108)
    if not 2 <= dims[0] <= 7 or not np.isfinite(start) or code not in _NIFTI_TYPES:
        known = 2 <= dims[0] <= 7
        raise PictureError(Reason.VOLUME_UNSUPPORTED if known else Reason.VOLUME_BROKEN, "header")
    shape = [dims[1], dims[2], dims[3] if dims[0] > 2 else 1]
    needed = _bytes_needed(shape, _NIFTI_TYPES[code])
    first = max(int(start), (_NIFTI2 if second else _NIFTI1) + 4)
    if first > _HEAD * 16:
        raise PictureError(Reason.VOLUME_BROKEN, "offset")
    raw = _load(data, data.startswith(b"\x1f\x8b"), first, needed)
    (slope,) = struct.unpack_from(order + ("d" if second else "f"), head, 176 if second else 112)
    affine = _nifti_affine(head, order, second, pixdim)
    return Volume(_array(raw, _NIFTI_TYPES[code], order, shape), affine, falling=slope < 0)


def _nifti_affine(head: bytes, order: str, second: bool, pixdim: Sequence[float]) -> NDArray[np.float64]:
    """The sform if there is one, else the qform, else the voxel sizes alone, as the standard ranks them."""
    real = "d" if second else "f"
    qform, sform = struct.unpack_from(order + ("2i" if second else "2h"), head, 344 if second else 252)
    sizes = [abs(size) if np.isfinite(size) and size else 1.0 for size in pixdim[1:4]]
    if sform > 0:
        at = 400 if second else 280
        rows = np.array(struct.unpack_from(f"{order}12{real}", head, at), np.float64).reshape(3, 4)[:, :3]
        if np.abs(rows).max() <= _COARSEST and np.abs(np.linalg.det(rows)) > 1e-9:
            return rows
    if qform > 0:
        b, c, d = struct.unpack_from(f"{order}3{real}", head, 352 if second else 256)
        if (rest := 1 - (b * b + c * c + d * d)) > -1e-3:
            return _rotation(max(rest, 0.0) ** 0.5, b, c, d) * [*sizes[:2], sizes[2] * (-1 if pixdim[0] < 0 else 1)]
    return np.diag(sizes).astype(np.float64)


def _rotation(a: float, b: float, c: float, d: float) -> NDArray[np.float64]:
    """The matrix of a unit quaternion (nifti1.h, METHOD 2)."""
    return np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip


def _nrrd(data: bytes, head: bytes) -> Volume:
    """Read an NRRD file with its voxels attached, raw or packed by gzip (teem.sourceforge.net/nrrd/format.html)."""
    end = head.replace(b"\r\n", b"\n").find(b"\n\n")
    if end < 0:
        raise PictureError(Reason.VOLUME_BROKEN, "header")
    own = min(at for at in (head.find(b"\n\n"), head.find(b"\r\n\r\n")) if at >= 0)
    start = own + (2 if head[own : own + 2] == b"\n\n" else 4)
    fields = _fields(head[:own], ":", comment="#")
    if "data file" in fields or "datafile" in fields:
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "header and voxels in two files")
    encoding = fields.get("encoding", "raw").lower()
    code = _NRRD_TYPES.get(fields["type"].lower())
    if encoding not in ("raw", "gzip", "gz", "bzip2", "bz2") or code is None:
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "encoding or type")
    shape = [int(side) for side in fields["sizes"].split()]
    needed = _bytes_needed(shape, code)
    packed = encoding in ("gzip", "gz")
    body = _unpacked_bzip2(data[start:], needed + _HEAD) if encoding in ("bzip2", "bz2") else data[start:]
    body, skipped = _skip(body, fields, needed, packed=packed)
    raw = _load(body, packed, skipped, needed)
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    return Volume(_array(raw, code, order, shape), _nrrd_affine(fields))


def _unpacked_bzip2(body: bytes, most: int) -> bytes:
    try:
        from bz2 import BZ2Decompressor
    except ImportError:  # a Python built without it
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "bzip2") from None
    try:
        return BZ2Decompressor().decompress(body, most)
    except (OSError, EOFError):
        raise PictureError(Reason.VOLUME_BROKEN, "packed voxels") from None


def _skip(body: bytes, fields: Mapping[str, str], needed: int, *, packed: bool) -> tuple[bytes, int]:
    """What is left behind the lines that are to be skipped, and how many bytes of that (unpacked) are no voxels."""
    end = 0  # cut once: each cut copies all that is left, and the header may ask for thousands
    for _ in range(min(int(fields.get("line skip", fields.get("lineskip", "0"))), _HEAD)):
        end = body.index(b"\n", end) + 1
    body = body[end:]
    skipped = int(fields.get("byte skip", fields.get("byteskip", "0")))
    if skipped == -1 and not packed:  # all but the last bytes
        return body, max(0, len(body) - needed)
    if not 0 <= skipped <= _HEAD:
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "skips")
    return body, skipped


def _nrrd_affine(fields: Mapping[str, str]) -> NDArray[np.float64]:
    directions = fields.get("space directions")
    if directions is None:
        return np.diag([abs(float(size)) for size in fields.get("spacings", "1 1 1").split()]).astype(np.float64)
    columns = [[float(v) for v in part.strip("( ").split(",")] for part in directions.split(")") if part.strip()]
    affine: NDArray[np.float64] = np.array(columns, np.float64).T
    if affine.shape != (3, 3):
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "directions")
    space = fields.get("space", "right-anterior-superior").lower().replace("_", "-")
    names = {"lps": "left-posterior-superior", "ras": "right-anterior-superior", "las": "left-anterior-superior"}
    parts = names.get(space, space).split("-")
    signs = [-1.0 if part in ("left", "posterior", "inferior") else 1.0 for part in parts[:3]]
    turned: NDArray[np.float64] = affine * np.array(signs)[:, None]
    return turned


def _is_meta(head: bytes) -> bool:
    return head[:256].lstrip().startswith((b"ObjectType", b"NDims")) and b"ElementType" in head


def _meta(data: bytes, head: bytes) -> Volume:
    """Read a MetaImage (.mha) with its voxels attached, raw or packed by zlib (itk.org/Wiki/ITK/MetaIO)."""
    at = head.find(b"ElementDataFile")
    end = head.find(b"\n", at)
    if at < 0 or end < 0:
        raise PictureError(Reason.VOLUME_BROKEN, "header")
    fields = _fields(head[:end], "=")
    code = _META_TYPES.get(fields["elementtype"].upper())
    is_plain = fields.get("elementnumberofchannels", "1") == "1" and fields.get("headersize", "0") == "0"
    is_plain = is_plain and fields.get("binarydata", "true").lower() == "true"
    if fields["elementdatafile"].upper() != "LOCAL" or code is None or not is_plain:
        raise PictureError(Reason.VOLUME_UNSUPPORTED, "two files or an unknown type")
    shape = [int(side) for side in fields["dimsize"].split()]
    needed = _bytes_needed(shape, code)
    body, packed = data[end + 1 :], fields.get("compresseddata", "false").lower() == "true"
    if packed:
        try:
            body = zlib.decompressobj().decompress(body, needed)
        except zlib.error:
            raise PictureError(Reason.VOLUME_BROKEN, "packed voxels") from None
    raw = _load(body, packed=False, start=0, size=needed)
    big = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "false")).lower() == "true"
    sizes = [float(size) for size in fields.get("elementspacing", "1 1 1").split()]
    turned = np.array([float(v) for v in fields.get("transformmatrix", "1 0 0 0 1 0 0 0 1").split()], np.float64)
    affine = turned.reshape(3, 3).T * sizes * np.array([-1.0, -1.0, 1.0])[:, None]  # LPS to RAS
    return Volume(_array(raw, code, ">" if big else "<", shape), affine)


def _is_mgh(head: bytes) -> bool:
    if len(head) < _MGH_START or not head.startswith(b"\0\0\0\1"):
        return False
    _, *sides, kind, _, has_axes, _, _, _ = _MGH_HEAD.unpack_from(head)[:11]
    return all(0 < side < 1 << 15 for side in sides) and kind in _MGH_TYPES and has_axes in (0, 1)


def _mgh(data: bytes, head: bytes) -> Volume:
    """Read MGH or MGZ, the first volume of several (surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat)."""
    _, *shape, _, kind, _, has_axes = _MGH_HEAD.unpack_from(head)[:8]
    code = _MGH_TYPES[kind]
    raw = _load(data, data.startswith(b"\x1f\x8b"), _MGH_START, _bytes_needed(shape, code))
    numbers = np.array(_MGH_HEAD.unpack_from(head)[8:20], np.float64)
    # Where a file has no axes the standard has: to the left, to the feet, to the front.
    axes = numbers[3:] if has_axes else np.array([-1, 0, 0, 0, 0, -1, 0, 1, 0], np.float64)
    steps = numbers[:3] if has_axes else np.ones(3)
    return Volume(_array(raw, code, ">", shape), axes.reshape(3, 3).T * steps)


def _fields(head: bytes, separator: str, comment: str = "\0") -> dict[str, str]:
    lines = (line.partition(separator) for line in head.decode("latin-1").splitlines() if not line.startswith(comment))
    return {name.strip().lower(): value.strip(" =\t\r") for name, found, value in lines if found}
