"""Promises about what is learned from: bad data is named before a training, copies are found, own folders just work."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from inference.card import Input
from inference.training import __main__
from inference.training.data import audit, dataset, own_pictures
from inference.training.data.brain_mri import brain_mri_examples
from inference.training.data.example import DataError, Example
from inference.training.recipes import BRAIN, GATE


def drawing(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A smooth drawing that is like no other and like none of its own mirror images."""
    coarse = np.random.default_rng(seed).integers(0, 255, (7, 7), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def as_jpeg(picture: Image.Image, quality: int) -> io.BytesIO:
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=quality)
    return packed


def an_example(path: Path, label: str, part: str, group: str = "", mask: Path | None = None) -> Example:
    return Example(path, label, part, "drawn", group or path.stem, mask=mask)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Three pictures of each class for train, one each for val and test; tumours of train are outlined."""
    found = []
    for i, (label, part) in enumerate(
        (label, part) for label in BRAIN.class_names for part in ("train", "train", "train", "val", "test")
    ):
        path, mask = tmp_path / f"{i:02}.png", tmp_path / f"{i:02}_mask.png"
        drawing(i).save(path)
        Image.fromarray(np.full((64, 64), 255, np.uint8)).save(mask)
        outlined = part == "train" and BRAIN.tumors[BRAIN.class_names.index(label)]
        found.append(an_example(path, label, part, mask=mask if outlined else None))
    return found


def test_sound_data_pass_the_check(examples: list[Example]) -> None:
    audit.check(BRAIN, examples)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda e: e[0].path.write_bytes(b"\x89PNG no picture"), r"00\.png cannot be read as a picture"),
        (lambda e: e[0].path.write_bytes(e[0].path.read_bytes()[:60]), r"00\.png cannot be read as a picture"),
        (lambda e: e[3].path.unlink(), r"03\.png cannot be read"),
        (
            lambda e: e[7].path.write_bytes(e[0].path.read_bytes()),
            r"00\.png \(glioma, train\) and .*07\.png \(meningi.*same",
        ),
        (
            lambda e: e[4].path.write_bytes(e[0].path.read_bytes()),
            r"00\.png \(glioma, train\) and .*04\.png \(glioma, test",
        ),
        (lambda e: e.append(e[4]), r"04\.png is listed twice"),
        (
            lambda e: e.append(an_example(e[0].path.with_name("x.png"), "astrocytoma", "train")),
            "'astrocytoma' is no class",
        ),
        (lambda e: e[1].mask.unlink(), r"01_mask\.png cannot be read"),
        (lambda e: drawing(1, (32, 64)).save(e[1].mask), r"01_mask\.png is no mask of .*01\.png.*64 x 64 and 32 x 64"),
        (lambda e: Image.new("L", (64, 64)).save(e[1].mask), r"01_mask\.png, the mask of .*01\.png, is empty"),
        (lambda e: e.__delitem__(slice(0, 2)), r"1 group\(s\) of glioma in train, .*02\.png, .*at least 2 are needed"),
        (lambda e: e.__setitem__(slice(0, 3), [replace(x, group="one") for x in e[:3]]), r"1 group\(s\) of glioma"),
        (lambda e: e.__delitem__(3), r"0 group\(s\) of glioma in val"),
        (
            lambda e: e.__setitem__(3, replace(e[3], group=e[0].group, row=7)),
            r"group 00 is on two sides: .*00\.png in train, .*03\.png \(row 7 of its index\) in val",
        ),
    ],
)
def test_bad_data_are_named_before_a_training(
    examples: list[Example], spoil: Callable[[list[Example]], object], words: str
) -> None:
    spoil(examples)
    with pytest.raises(DataError, match=words):
        audit.check(BRAIN, examples)


@pytest.mark.parametrize(
    ("copy", "way"),
    [
        (lambda p: p, "as it is"),
        (lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored"),
        (lambda p: p.rotate(90), "turned by 90"),
        (lambda p: p.rotate(180).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored and turned by 180"),
        (lambda p: p.resize((200, 200), Image.Resampling.BICUBIC), "as it is"),
        (lambda p: p.point(lambda v: int(0.9 * v + 10)), "as it is"),
        (lambda p: Image.open(as_jpeg(p, 30)), "as it is"),
        (lambda p: Image.open(as_jpeg(p.rotate(90).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 50)), "mirrored and tu"),
        (lambda p: p.crop((1, 1, 63, 63)), "as it is"),
    ],
)
def test_copy_in_another_part_is_found_however_turned(
    tmp_path: Path, copy: Callable[[Image.Image], Image.Image], way: str
) -> None:
    rows = []
    for i in range(12):
        drawing(i).save(tmp_path / f"{i}.png")
        rows.append(an_example(tmp_path / f"{i}.png", "glioma", "train"))
    copy(drawing(5)).save(tmp_path / "copy.png")
    rows.append(an_example(tmp_path / "copy.png", "no_tumor", "test"))
    (pair,) = audit.near_duplicates(rows)
    assert {pair.one.path.name, pair.other.path.name} == {"5.png", "copy.png"}
    assert pair.correlation > audit.LEAST_COARSE
    assert pair.detail > audit.LEAST_DETAIL
    assert pair.way.startswith(way) or {pair.way, way} <= {"turned by 90", "turned by 270"}


def test_pictures_alike_only_from_afar_are_no_duplicates(tmp_path: Path) -> None:
    for i in range(2):
        grain = np.random.default_rng(i).normal(0, 9, (64, 64))
        alike = (np.asarray(drawing(7), np.float32) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(alike).save(tmp_path / f"{i}.png")
    rows = [an_example(tmp_path / f"{i}.png", "glioma", part) for i, part in enumerate(("train", "test"))]
    thumbnails = np.stack([audit.thumbnail(row.path) for row in rows])
    one, other = audit.standard(thumbnails)
    assert one @ other > audit.LEAST_COARSE
    assert audit.near_duplicates(rows) == []


def test_only_alike_pictures_across_parts_are_duplicates(tmp_path: Path) -> None:
    for i in range(6):
        drawing(i).save(tmp_path / f"{i}.png")
    drawing(0).save(tmp_path / "again.png")
    rows = [an_example(tmp_path / f"{i}.png", "glioma", "train" if i < 3 else "val") for i in range(6)]
    assert audit.near_duplicates([*rows, an_example(tmp_path / "again.png", "glioma", "train")]) == []


def test_a_group_on_two_sides_is_a_leak() -> None:
    rows = [an_example(Path(f"{i}.png"), "glioma", part, group) for i, (part, group) in enumerate(
        [("train", "a"), ("train", "a"), ("test", "a"), ("train", "b"), ("val", "c")]
    )]  # fmt: skip
    assert audit.leaks(rows) == ["group a: 1 in test, 2 in train"]


def test_audit_findings_are_kept_until_the_data_change(examples: list[Example], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert audit.kept(runs, BRAIN, examples) is None
    audit.keep(runs, BRAIN, examples, audit.near_duplicates(examples))
    found = audit.kept(runs, BRAIN, examples)
    assert found is not None
    assert (found["pictures"], found["near_duplicates"], found["groups_on_two_sides"]) == (len(examples), 0, 0)
    assert audit.kept(runs, BRAIN, examples[:-1]) is None
    drawing(99).save(examples[0].path)
    assert audit.kept(runs, BRAIN, examples) is None


def test_training_data_fingerprint_changes_with_the_data(examples: list[Example]) -> None:
    before = audit.fingerprint(examples)
    assert audit.fingerprint(list(reversed(examples))) == before
    drawing(99).save(next(e.path for e in examples if e.part == "test"))
    assert audit.fingerprint(examples) == before
    drawing(99).save(next(e.path for e in examples if e.part == "train"))
    assert audit.fingerprint(examples) != before


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """Sixty people of three pictures each, in a folder for each class."""
    for label in BRAIN.class_names:
        (tmp_path / label).mkdir()
        for person in range(10):
            for number in range(3):
                drawing(crc32(f"{label} {person} {number}".encode())).save(
                    tmp_path / label / f"p{person}_{number:03}.png"
                )
    return tmp_path


def test_own_folders_are_split_by_person_repeatably(own_folder: Path) -> None:
    root = dataset.data_root(str(own_folder))
    found = dataset.examples_for(BRAIN, root)
    assert len(found) == 180
    assert audit.leaks([e for e in found if e.label == "glioma"]) == []
    assert {e.part for e in found} == {"train", "val", "test"}
    assert 0.5 < Counter(e.part for e in found)["train"] / 180 < 0.9
    assert dataset.examples_for(BRAIN, root) == found


def test_own_folders_of_other_names_are_refused_by_name(own_folder: Path) -> None:
    (own_folder / "glioma").rename(own_folder / "astrocytoma")
    with pytest.raises(DataError, match=r"astrocytoma.*is no class of brain_mri; it has glioma, meningioma"):
        dataset.examples_for(BRAIN, own_folder)
    with pytest.raises(DataError, match="no class of gate"):
        dataset.examples_for(GATE, own_folder)


def test_too_few_own_pictures_say_what_to_do(own_folder: Path) -> None:
    for path in list((own_folder / "pituitary").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match=r"no picture of pituitary .* in an index\.csv"):
        dataset.examples_for(BRAIN, own_folder)


def test_an_own_index_names_parts_groups_and_masks(tmp_path: Path) -> None:
    with (tmp_path / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "part", "group", "mask"])
        for i, label in enumerate(BRAIN.class_names * 2):
            drawing(i).save(tmp_path / f"{i}.png")
            writer.writerow([f"{i}.png", label, "train" if i < 6 else "val", f"person {i}", "0.png" if i == 0 else ""])
    found = dataset.examples_for(BRAIN, dataset.data_root(str(tmp_path)))
    assert [e.part for e in found] == ["train"] * 6 + ["val"] * 6
    assert found[0].mask == tmp_path / "0.png"
    assert found[5].group == "person 5"


def test_own_index_with_unknown_part_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,label,part\na.png,glioma,train\nb.png,glioma,holdout\n")
    with pytest.raises(DataError, match=r"index\.csv, line 3: the part is 'holdout'"):
        own_pictures.own_examples(BRAIN, tmp_path)


@pytest.mark.parametrize(
    ("stem", "group"),
    [("p12_003", "p12"), ("IM7 (2)", "IM7"), ("scan_7", "scan_7"), ("0042", "0042"), ("a1.b2-9", "a1.b2"), ("x", "x")],
)
def test_a_name_says_whose_picture_it_is(stem: str, group: str) -> None:
    assert own_pictures.name_group(stem) == group


def test_the_audit_of_own_data_is_one_command(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = own_folder.parent / "runs"
    assert __main__.main(["data", "brain_mri", "--audit", "--data", str(own_folder), "--runs", str(runs)]) == 0
    assert (runs / "audit-brain_mri.json").exists()
    out = capsys.readouterr().out
    assert "every picture and mask can be read" in out
    assert "near-duplicate(s) between the parts" in out


def test_a_broken_picture_ends_the_audit_with_its_name(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_folder / "glioma" / "p3_001.png").write_bytes(b"no picture")
    assert __main__.main(["data", "brain_mri", "--audit", "--data", str(own_folder)]) == 2
    assert "p3_001.png cannot be read as a picture" in capsys.readouterr().err


HEADER = [
    "file",
    "mask",
    "label",
    "source",
    "part",
    "group",
    "sequence",
    "plane",
    "skull_stripped",
    "box",
    "finding",
    "origin",
]


def brain_more(root: Path, rows: list[dict[str, str]]) -> Path:
    """A data folder with ``rows`` in ``brain_more`` and one slice in ``brain``."""
    for name, chosen in (("brain", [{"file": "images/a.png", "label": "glioma"}]), ("brain_more", rows)):
        (root / name / "images").mkdir(parents=True)
        with (root / name / "index.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, HEADER, restval="")
            writer.writeheader()
            writer.writerows({"part": "train", "source": "drawn", "group": row["file"]} | row for row in chosen)
        for row in chosen:
            drawing(crc32(row["file"].encode())).save(root / name / row["file"])
    return root


def test_findings_of_other_kinds_are_neither_tumors_nor_clear(tmp_path: Path) -> None:
    told = {"": "no_tumor", "healthy": "no_tumor", "slice without lesion": "no_tumor", "brain abscess": "other_finding"}
    rows = [{"file": f"images/{i}.png", "label": "no_tumor", "finding": finding} for i, finding in enumerate(told)]
    found = brain_mri_examples(brain_more(tmp_path, rows))

    assert [e.label for e in found[1:]] == list(told.values())
    assert [e.row for e in found[1:]] == [2, 3, 4, 5]


def test_no_picture_of_hospital_left_out_is_trained_on(tmp_path: Path) -> None:
    rows = [
        {"file": f"images/{i}.png", "label": "glioma", "part": part, "origin": origin}
        for i, (part, origin) in enumerate([("train", "TCGA site FG"), ("val", "TCGA site EZ"), ("train", "elsewhere")])
    ]
    found = brain_mri_examples(brain_more(tmp_path, rows))

    assert [e.part for e in found[1:]] == ["left_out", "left_out", "train"]


def test_a_box_is_outlined_as_the_ellipse_in_it(tmp_path: Path) -> None:
    row = {"file": "images/0.png", "label": "glioma", "box": "8 16 24 48;40 40 60 60"}
    found = brain_mri_examples(brain_more(tmp_path, [row]))[1]
    mask = dataset.outline(found, Input(side=64, channels=1, normalisation="percentile"))

    assert found.boxes == ((8, 16, 24, 48), (40, 40, 60, 60))
    assert mask[32, 16] == mask[50, 50] == 255
    assert mask[17, 9] == mask[5, 5] == 0
    assert mask.mean() / 255 == pytest.approx(np.pi / 4 * (16 * 32 + 20 * 20) / 64**2, rel=0.15)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"label": "astrocytoma"}, r"index\.csv, row 2: images/0\.png has the unknown label 'astrocytoma'"),
        ({"label": "glioma", "box": "1 2 3"}, r"index\.csv, row 2: images/0\.png has the box '1 2 3'"),
        ({"label": "glioma", "box": "a b c d"}, r"row 2: images/0\.png has the box 'a b c d'"),
    ],
)
def test_row_that_means_nothing_is_named_with_its_file(row: dict[str, str], words: str, tmp_path: Path) -> None:
    root = brain_more(tmp_path, [{"file": "images/0.png"} | row])

    with pytest.raises(DataError, match=words):
        brain_mri_examples(root)


def test_many_slices_of_one_person_count_less(tmp_path: Path) -> None:
    rows = [{"file": f"images/{i}.png", "label": "glioma", "group": "p" if i < 9 else str(i)} for i in range(18)]
    weights = [e.weight for e in brain_mri_examples(brain_more(tmp_path, rows)) if "brain_more" in str(e.path)]

    assert sum(weights[:9]) == pytest.approx(sum(weights[9:]) / 3)
