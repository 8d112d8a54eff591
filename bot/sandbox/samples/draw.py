"""Make the sample pictures anew: ``python -m bot.sandbox.samples.draw --template ch2.nii.gz``.

The brain slices come from the Colin 27 average brain (see README.md for where it is and what its licence says);
everything else is drawn by this code, and so is the lesion in the second slice. Same input, same pictures.
"""

import argparse
import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from bot.sandbox.samples.smear import blast_field, normal_field

HERE = Path(__file__).parent
Plane = NDArray[np.float64]
_SLICE_CLEAR, _SLICE_LESION, _SLICE_DICOM = 86, 92, 78
_WIDTH, _HEIGHT = 434, 520


def read_nifti(path: Path) -> Plane:
    """The voxels of an 8-bit NIfTI-1 file as ``[x, y, z]``, 0 to 1; raises ValueError for other kinds."""
    raw = gzip.decompress(path.read_bytes())
    dims = np.frombuffer(raw, "<i2", 8, 40)
    if dims[0] != 3 or np.frombuffer(raw, "<i2", 1, 70)[0] != 2:
        raise ValueError(f"{path}: not a three-dimensional 8-bit NIfTI-1 file")
    offset = int(np.frombuffer(raw, "<f4", 1, 108)[0])
    voxels = np.frombuffer(raw, np.uint8, int(np.prod(dims[1:4], dtype=np.int64)), offset)
    return voxels.reshape(tuple(int(side) for side in dims[1:4]), order="F").astype(np.float64) / 255


def axial(volume: Plane, level: int) -> Plane:
    """One slice, nose up, brightness stretched as a scanner's console does, and enlarged."""
    plane = np.rot90(volume[:, :, level])
    plane = np.clip(plane / np.percentile(volume, 99.7), 0, 1)
    picture = Image.fromarray(np.uint8(plane * 255)).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float64) / 255


def smooth(plane: Plane, radius: float) -> Plane:
    """Gaussian blur of values around 0 to 1."""
    low, high = float(plane.min()), float(plane.max())
    scaled = Image.fromarray(np.uint8((plane - low) / max(high - low, 1e-9) * 255))
    blurred: Plane = np.asarray(scaled.filter(ImageFilter.GaussianBlur(radius)), np.float64)
    result: Plane = blurred / 255 * (high - low) + low
    return result


def with_lesion(plane: Plane, centre: tuple[float, float], radius: float) -> Plane:
    """A drawn ring-enhancing lesion: bright uneven rim, dark core, darker swelling around, tissue pushed aside."""
    chance = np.random.default_rng(7)
    rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]].astype(np.float64)
    down, right = rows - centre[0], columns - centre[1]
    distance, angle = np.hypot(down, right), np.arctan2(down, right)
    push = 1 - 0.42 * np.exp(-((distance / (2.1 * radius)) ** 2))
    source_rows = np.clip(centre[0] + down * push, 0, plane.shape[0] - 1).astype(int)
    source_columns = np.clip(centre[1] + right * push, 0, plane.shape[1] - 1).astype(int)
    plane = plane[source_rows, source_columns]
    wobble = sum(
        chance.uniform(0.02, 0.09) / order**0.5 * np.cos(order * angle + chance.uniform(0, 2 * np.pi))
        for order in range(2, 8)
    )
    outline = distance / (radius * (1 + wobble))
    swelling = np.exp(-(np.clip(outline - 1, 0, None) ** 2) / 0.55) * (plane > 0.2)
    texture = smooth(chance.normal(0, 1, plane.shape), 2.2) * 2
    plane = plane * (1 - 0.34 * swelling)
    core = 1 / (1 + np.exp((outline - 0.74) * 22))
    plane = plane * (1 - core) + core * (0.2 + 0.05 * texture)
    thickness = 0.12 + 0.05 * np.cos(3 * angle + 1.1) + 0.03 * np.cos(5 * angle)
    rim = np.exp(-(((outline - 0.9) / thickness) ** 2))
    result: Plane = np.clip(plane * (1 - rim) + rim * (0.9 + 0.12 * texture), 0, 1)
    return result


def scanned(plane: Plane, seed: int) -> Image.Image:
    """The plane as a scanner shows it: Rician noise, 8-bit grey."""
    chance = np.random.default_rng(seed)
    noisy = np.hypot(plane + chance.normal(0, 0.012, plane.shape), chance.normal(0, 0.012, plane.shape))
    return Image.fromarray(np.uint8(np.clip(noisy, 0, 1) * 255))


def dicom(plane: Plane, path: Path) -> None:
    """The slice as a 12-bit MR image of nobody: no name, no birth date, a date long ago."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.10.543.27.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientID = "Sample^Colin27", "SAMPLE"
    file.Modality, file.SeriesDescription = "MR", "T1 axial sample slice"
    file.StudyDate = datetime(1998, 1, 1, tzinfo=UTC).strftime("%Y%m%d")
    small = Image.fromarray(np.uint8(plane * 255)).resize((217, 260), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.uint16) * 16
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelSpacing = [0.83, 0.83]
    file.WindowCenter, file.WindowWidth = 2040, 4080
    file.PixelData = pixels.tobytes()
    file.save_as(path, enforce_file_format=True)


def cat() -> Image.Image:
    """A cat on a sofa: the bot has to say that this is no scan."""
    picture = Image.new("RGB", (960, 720), "#f2d9b8")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 470, 960, 720), fill="#4f8a8b")
    draw.rounded_rectangle((60, 300, 900, 560), 60, fill="#5f9ea0")
    draw.rounded_rectangle((60, 460, 900, 660), 50, fill="#6fb3b5")
    fur, dark, pale = "#e8923c", "#b3621b", "#ffe3c2"
    draw.ellipse((330, 330, 650, 640), fill=fur)
    draw.arc((560, 420, 820, 640), 300, 120, fill=fur, width=46)
    for ear in ([(392, 240), (372, 100), (480, 178)], [(588, 240), (608, 100), (500, 178)]):
        draw.polygon(ear, fill=fur)
    for ear in ([(402, 205), (392, 140), (446, 178)], [(578, 205), (588, 140), (534, 178)]):
        draw.polygon(ear, fill="#f6b6a6")
    draw.ellipse((350, 150, 630, 400), fill=fur)
    for stripe in ((462, 160, 478, 222), (486, 152, 500, 230), (508, 160, 524, 222)):
        draw.rounded_rectangle(stripe, 8, fill=dark)
    draw.ellipse((425, 290, 555, 392), fill=pale)
    draw.ellipse((420, 470, 560, 640), fill=pale)
    for left in (402, 520):
        draw.ellipse((left, 232, left + 58, 296), fill="#f8fff0")
        draw.ellipse((left + 18, 236, left + 40, 292), fill="#22331f")
        draw.ellipse((left + 30, 246, left + 38, 256), fill="white")
    draw.polygon([(476, 312), (504, 312), (490, 328)], fill="#d4667a")
    draw.arc((458, 318, 490, 352), 0, 160, fill=dark, width=4)
    draw.arc((490, 318, 522, 352), 20, 180, fill=dark, width=4)
    for side, reach in ((-1, 170), (1, 170)):
        for drop in (-16, 4, 24):
            draw.line((490 + side * 44, 336, 490 + side * reach, 330 + drop), fill="#fff6ea", width=3)
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def main() -> None:
    """Write every sample beside this file."""
    parser = argparse.ArgumentParser(description="Make the sample pictures anew.")
    parser.add_argument("--template", type=Path, help="ch2.nii.gz; without it the brain slices stay as they are")
    args = parser.parse_args()
    if args.template:
        brain = read_nifti(args.template)
        scanned(axial(brain, _SLICE_CLEAR), 1).save(HERE / "brain-t1.jpg", quality=90)
        lesion = with_lesion(axial(brain, _SLICE_LESION), (330, 300), 40)
        scanned(lesion, 2).save(HERE / "brain-drawn-lesion.jpg", quality=90)
        dicom(axial(brain, _SLICE_DICOM), HERE / "brain-t1.dcm")
    normal_field().save(HERE / "smear-drawn.jpg", quality=88)
    blast_field().save(HERE / "smear-drawn-blasts.jpg", quality=88)
    cat().save(HERE / "cat-drawn.jpg", quality=85)


if __name__ == "__main__":
    main()
