"""A user's own pictures: ``DIR/<class>/*.png``, or an ``index.csv`` that names file and label.

With folders alone the parts are drawn by a hash of each picture's group, so that they are the same every time and the
pictures of one person stay together: ``p12_003.png`` and ``p12_004.png`` are of the group ``p12``. What comes before
the last number is a group only if it has a digit itself; ``scan_7.png`` and ``scan_8.png`` are of two groups. An index
may hold the columns ``group``, ``part`` (train, val or test), ``mask``, ``source``, ``slide`` and ``detail`` as well.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from inference.training.data.example import DataError, Example, read_index, stable_share
from inference.training.recipes import Recipe

PARTS = ("train", "val", "test")
SHARES = (0.7, 0.85)
"""Up to the first: train; up to the second: val; above: test."""
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".dcm"})
_NUMBERED = re.compile(r"^(?P<group>.*\d.*?)[ _.()-]+\d+\)?$")


def is_own(root: Path) -> bool:
    """Whether ``root`` holds an index or folders of pictures rather than the sets that the shipped models are of."""
    if not root.is_dir() or (root / "brain" / "index.csv").exists():
        return False
    return (root / "index.csv").exists() or any(_pictures(folder) for folder in root.iterdir() if folder.is_dir())


def own_examples(recipe: Recipe, root: Path) -> list[Example]:
    """The pictures in ``root``, each class as heavy as its number of pictures.

    Raises DataError naming a class that ``recipe`` does not have, a part that is none, or a class without any picture.
    Tumours of no known kind and findings of another kind may be missing: few have pictures of these.
    """
    index = root / "index.csv"
    examples = _from_index(recipe, root, index) if index.exists() else _from_folders(recipe, root)
    needed = [c.name for c in recipe.classes if not c.unknown_kind and c.role != "finding"]
    for name in needed:
        for part in PARTS[:2]:
            if not any(e.label == name and e.part == part for e in examples):
                raise DataError(
                    f"{root} has no picture of {name} for the part {part}: add some (20 people or more a class), or "
                    "name the parts in an index.csv"
                )
    return examples


def name_group(stem: str) -> str:
    """The group of a file name without its ending: see the top of this file."""
    found = _NUMBERED.match(stem)
    return found["group"] if found else stem


def _from_folders(recipe: Recipe, root: Path) -> list[Example]:
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and _pictures(folder))
    for folder in folders:
        _known(recipe, folder.name, folder)
    return [
        _example(recipe, path, folder.name, group=name_group(path.stem))
        for folder in folders
        for path in _pictures(folder)
    ]


def _from_index(recipe: Recipe, root: Path, index: Path) -> list[Example]:
    examples = []
    for number, row in enumerate(read_index(index, ("file", "label")), start=2):
        _known(recipe, row["label"], f"{index}, line {number}")
        part = row.get("part", "")
        if part and part not in PARTS:
            raise DataError(f"{index}, line {number}: the part is {part!r}, not one of {', '.join(PARTS)}")
        example = _example(
            recipe,
            root / row["file"],
            row["label"],
            group=row.get("group") or name_group(Path(row["file"]).stem),
            part=part,
            source=row.get("source") or "own",
            mask=root / row["mask"] if row.get("mask") else None,
            detail=row.get("detail") or "",
            slide=row.get("slide") or "",
        )
        examples.append(example)
    return examples


def _example(
    recipe: Recipe,
    path: Path,
    label: str,
    *,
    group: str,
    part: str = "",
    source: str = "own",
    mask: Path | None = None,
    detail: str = "",
    slide: str = "",
) -> Example:
    share = stable_share(f"{recipe.name} {group}")
    drawn = PARTS[sum(share >= limit for limit in SHARES)]
    return Example(path, label, part or drawn, source, group, 1.0, mask, detail, slide)


def _known(recipe: Recipe, label: str, where: object) -> None:
    if label not in recipe.class_names:
        raise DataError(f"{where}: {label!r} is no class of {recipe.name}; it has {', '.join(recipe.class_names)}")


def _pictures(folder: Path) -> list[Path]:
    return sorted(_with_known_ending(folder.iterdir()))


def _with_known_ending(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in ENDINGS]
