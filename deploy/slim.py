"""Take out of an installed environment what the bot never loads, and see that it still works: see the Dockerfile.

``ENVIRONMENT/bin/python deploy/slim.py ENVIRONMENT`` works on an environment that is thrown away when it fails. It
ends with an error when something that is to stay is not there, so that a new release of a library is noticed.
"""

import ast
import ctypes
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("bot", "inference", "reports", "storage")
USELESS_FOLDERS = ("tests", "test", "test_files")
USELESS_ENDINGS = (".pyi", ".pyx", ".pxd", ".h", ".a")
CODECS = (
    # What our own code calls: the deep, lossless and newer JPEGs, and the packed bits of DICOM's RLE.
    "imcd", "jpeg2k", "jpeg8", "jpegls", "jpegxl", "ljpeg",
    # What tifffile calls for the compressions that a TIFF may have.
    "bitshuffle", "ccitt", "deflate", "jpegsof3", "jpegxr", "lerc", "lzma", "pixarlog", "png", "webp", "zlib", "zstd",
    # What these import.
    "shared", "shared_cython",
)  # fmt: skip
"""Extension modules of imagecodecs that stay; the others are for formats that nobody sends a scan in."""
LITERT = ("libLiteRtWebGpuAccelerator.so", "libLiteRt.so", "tools", "vendors", "aot")
"""Of LiteRT: graphics processors, other firms' accelerators and compilers. The interpreter needs none of it."""
EXTRAS = frozenset({"asyncpg", "dask", "distributed", "jax", "keras", "sentry_sdk", "sklearn", "tensorflow"})
"""What an image may lack: the extras that its lock file does not have."""


def slim(site: Path) -> dict[str, int]:
    """Remove what is not needed from a folder of packages: bytes by what they were. Raises SystemExit."""
    kinds = {
        "tests, stubs and headers": [
            *(found for name in USELESS_FOLDERS for found in site.rglob(name) if found.is_dir()),
            *(found for ending in USELESS_ENDINGS for found in site.rglob(f"*{ending}")),
        ],
        "compiled": list(site.rglob("__pycache__")),
        "training": [site / "inference" / "training"],
        "codecs": _codecs(site),
        "languages": _locales(site),
        "accelerators": [site / "ai_edge_litert" / name for name in LITERT],
    }
    return {kind: sum(map(_remove, places)) for kind, places in kinds.items()}


def _codecs(site: Path) -> list[Path]:
    """Modules of imagecodecs beside ``CODECS``, and libraries that none of these names, nor what they name."""
    modules, libraries = (list((site / name).glob("*.so*")) for name in ("imagecodecs", "imagecodecs.libs"))
    needed = [module for module in modules if module.name.partition(".")[0].removeprefix("_") in CODECS]
    if len(needed) != len(CODECS):
        raise SystemExit(
            f"imagecodecs has other modules than {', '.join(CODECS)}: mend CODECS in {Path(__file__).name}"
        )
    for file in needed:  # it grows meanwhile
        data = file.read_bytes()
        needed += [other for other in libraries if other not in needed and other.name.encode() in data]
    return [file for file in (*modules, *libraries) if file not in needed]


def _locales(site: Path) -> list[Path]:
    """Unicode's data of the languages that the bot does not speak. Regions of those that it speaks stay."""
    spoken = {folder.name for folder in (site / "bot" / "languages").iterdir() if (folder / "interface.toml").is_file()}
    data = site / "babel" / "locale-data"
    missing = [name for name in (*spoken, "root") if not (data / f"{name}.dat").is_file()]
    if missing or not spoken:
        raise SystemExit(f"Babel has no data of {', '.join(missing) or 'any language'}: mend {Path(__file__).name}")
    return [file for file in data.glob("*.dat") if file.stem.partition("_")[0] not in {*spoken, "root"}]


def _remove(place: Path) -> int:
    """Remove a file or a folder, if it is there: the bytes that it took."""
    if place.is_dir():
        size = sum(file.lstat().st_size for file in place.rglob("*") if not file.is_dir())
        shutil.rmtree(place)
        return size
    size = place.lstat().st_size if place.exists() else 0
    place.unlink(missing_ok=True)
    return size


def strip(site: Path) -> int:
    """Take the symbols that only debuggers read out of compiled modules: bytes saved. Raises SystemExit.

    The libraries beside them, in folders that end in ".libs", have none. Each module is then opened, as Python does it.
    """
    modules = [file for file in sorted(site.rglob("*.so")) if not file.parent.name.endswith(".libs")]
    before = sum(file.stat().st_size for file in modules)
    try:
        subprocess.run(["strip", "--strip-unneeded", *modules], check=True)
        for module in modules:
            ctypes.CDLL(str(module), os.RTLD_NOW | os.RTLD_LOCAL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"a compiled module can't be stripped, or not be opened then: {error}") from None
    return before - sum(file.stat().st_size for file in modules)


def compile_what_is_loaded(site: Path) -> None:
    """Import all that the bot imports anywhere, so that Python keeps it compiled; the rest of it is not kept."""
    sys.dont_write_bytecode = False
    for name in sorted(set(_imported(site))):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in EXTRAS:
                raise
    for codec in CODECS:  # they are imported when they are asked for, and one that can't be is one that is not there
        importlib.import_module(f"imagecodecs._{codec}")
    from PIL import Image

    Image.init()  # its formats, each of which is a module


def _imported(site: Path) -> Iterator[str]:
    """Names of our modules, and of all modules that these import, at their top or in a function."""
    for file in (found for room in PACKAGES for found in (site / room).rglob("*.py")):
        parts = file.relative_to(site).with_suffix("").parts
        if "migrations" in parts or parts[-1] == "__main__":  # Alembic runs the one, Python the other
            continue
        yield ".".join(parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def try_out(environment: Path, site: Path) -> None:
    """Create a database and read the samples with reports, in English and from right to left. Raises SystemExit."""
    program = environment / "bin" / "tumorscan"
    with tempfile.TemporaryDirectory() as folder:
        settings = {"DATABASE_URL": f"sqlite+aiosqlite:///{folder}/tried.db", "PATH": os.environ["PATH"]}
        drawn = site / "bot" / "sandbox" / "samples"
        samples = [str(file) for name in ("brain-*", "smear-*") for file in sorted(drawn.glob(name))]
        scans = (["scan", "--out", folder, "--language", code, *samples] for code in ("en", "ar"))
        for words in (["db", "upgrade"], *scans):
            done = subprocess.run([program, *words], env=settings, cwd=folder, check=False)
            if done.returncode:
                raise SystemExit(f"tumorscan {words[0]} ended with {done.returncode}: something that it needs is gone")


def main(environment: Path) -> None:
    """Slim an environment, and print what that saved."""
    (site,) = environment.glob("lib/python3*/site-packages")
    for kind, size in slim(site).items():
        print(f"{size / 1e6:6.1f} MB  {kind}", flush=True)
    print(f"{strip(site) / 1e6:6.1f} MB  symbols", flush=True)
    compile_what_is_loaded(site)
    try_out(environment, site)
    left = sum(file.lstat().st_size for file in environment.rglob("*") if not file.is_dir())
    print(f"{left / 1e6:6.1f} MB  are left")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
