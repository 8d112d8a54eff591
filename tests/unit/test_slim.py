"""What the image leaves out of the installed packages is missed by nobody: the packages here, made as slim as there."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import imagecodecs
import pytest

from bot.chat.languages import load_languages
from tests.conftest import PROJECT

INSTALLED = Path(imagecodecs.__file__).parents[1]
PACKAGES = ("ai_edge_litert", "babel", "imagecodecs", "imagecodecs.libs", "PIL", "pillow.libs", "pydicom", "uharfbuzz")
READS = """
tiffs_of_every_form or every_compression or twelve_bits or avif_jpeg_2000 or a_heic_is_read
or every_lossless_form or palette or languages_that_ship
or letters_are_joined or hindi_signs or seen_in_its_order
"""
WORDS = """
import json, sys
from datetime import UTC, datetime
import ai_edge_litert, babel, imagecodecs, PIL, pydicom, uharfbuzz
from bot.chat.languages import load_languages
loaded = [module.__file__ for module in (ai_edge_litert, babel, imagecodecs, PIL, pydicom, uharfbuzz)]
when = datetime(2026, 3, 4, 15, 6, tzinfo=UTC)
texts = [language.texts for language in load_languages().values()]
said = {one.language: [one.moment(when), one.day(when), one.percent(0.5)] for one in texts}
print(json.dumps([loaded, said]))
"""


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slim", PROJECT / "deploy" / "slim.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SLIM = script()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of copied packages as the image has them; whoever imports from it gets the rest from here."""
    folder = tmp_path_factory.mktemp("site")
    for name in PACKAGES:
        shutil.copytree(INSTALLED / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "bot").mkdir()
    (folder / "bot" / "languages").symlink_to(PROJECT / "bot" / "languages")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def saved(site: Path) -> dict[str, int]:
    """Bytes that went, by what they were."""
    kinds: dict[str, int] = SLIM.slim(site)
    (site / "bot" / "languages").unlink()
    (site / "bot").rmdir()
    return kinds | {"symbols": SLIM.strip(site)}


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (site, PROJECT))), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env=env, cwd=PROJECT, capture_output=True, text=True, check=False
    )


def test_what_nobody_here_needs_is_gone(site: Path, saved: dict[str, int]) -> None:
    assert saved["codecs"] > 40e6
    assert saved["languages"] > 25e6
    assert saved["accelerators"] > 20e6
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) < 110e6


def test_every_language_is_written_as_before(site: Path, saved: dict[str, int]) -> None:
    done = python(site, "-c", WORDS)
    assert done.returncode == 0, done.stderr
    loaded, said = json.loads(done.stdout)
    assert all(Path(file).is_relative_to(site) for file in loaded), loaded
    assert set(said) == {language.code for language in load_languages().values()}
    full = subprocess.run([sys.executable, "-c", WORDS], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert said == json.loads(full.stdout)[1]


def test_every_format_is_read_and_every_script_shaped(site: Path, saved: dict[str, int]) -> None:
    tests = [f"tests/unit/{name}" for name in ("inference/test_formats.py", "inference/test_dicom.py")]
    tests += [f"tests/unit/{name}" for name in ("reports/test_text.py", "bot/test_languages.py")]
    done = python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", " ".join(READS.split()), *tests)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"^(\d+) passed, \d+ deselected", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout[-1000:]
    assert int(passed[1]) >= 50


def test_each_codec_that_stays_can_be_imported(site: Path, saved: dict[str, int]) -> None:
    names = [f"imagecodecs._{name}" for name in SLIM.CODECS]
    done = python(site, "-c", f"import importlib; [importlib.import_module(name) for name in {names}]")
    assert done.returncode == 0, done.stderr


def test_build_ends_where_a_codec_or_language_is_missing(tmp_path: Path) -> None:
    for name in ("imagecodecs", "imagecodecs.libs", "babel/locale-data", "bot/languages/de"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bot" / "languages" / "de" / "interface.toml").touch()
    for name in ("root", "de", "fr", "de_AT"):
        (tmp_path / "babel" / "locale-data" / f"{name}.dat").touch()
    for name in (*SLIM.CODECS, "avif"):
        (tmp_path / "imagecodecs" / f"_{name}.abi3.so").touch()
    SLIM.slim(tmp_path)
    left = {file.name for file in tmp_path.rglob("*.*") if file.is_file()}
    assert {"de.dat", "de_AT.dat", "root.dat", "_imcd.abi3.so"} <= left
    assert not left & {"fr.dat", "_avif.abi3.so"}
    (tmp_path / "babel" / "locale-data" / "de.dat").unlink()
    with pytest.raises(SystemExit, match="de: mend"):
        SLIM.slim(tmp_path)
    (tmp_path / "imagecodecs" / "_imcd.abi3.so").unlink()
    with pytest.raises(SystemExit, match="mend CODECS"):
        SLIM.slim(tmp_path)


def test_image_drops_exactly_what_only_builds_it() -> None:
    """Of either lock: packages that were asked for by the group "build" alone, or by what it asked for."""
    (command,) = re.findall(
        r"uninstall --quiet --yes((?: |\\|\n|[a-z-]+)+?)&&", (PROJECT / "Dockerfile").read_text("utf-8")
    )
    dropped = set(re.findall(r"[a-z][a-z-]+", command))
    only_building = []
    for lock in ("requirements.lock", "requirements-extras.lock"):
        text = (PROJECT / lock).read_text("utf-8")
        wanted = {
            name: {line.strip("# ") for line in via.splitlines() if not re.search(r"-c |via$", line)}
            for name, via in re.findall(r"^([a-z0-9-]+)==[^#]+((?:    #.*\n)+)", text, re.MULTILINE)
        }
        builds = {name for name, by in wanted.items() if all(":build)" in one for one in by)}
        builds |= {name for name, by in wanted.items() if by <= builds}
        only_building.append(builds)
    assert dropped == (only_building[0] & only_building[1]) | {"pip"}
