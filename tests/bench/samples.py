"""What the benchmarks send: a sample slice as large as a phone's photo, and messages of the greatest length."""

import io
from pathlib import Path

from PIL import Image

import bot.sandbox.samples

SLICE = Path(bot.sandbox.samples.__file__).parent / "brain-drawn-lesion.jpg"
SIZE = (1280, 960)
LONGEST = {
    "one word": "tumour " * 585,
    "one token": "a" * 4096,
    "typos": "gliomx menigoma leukemai tumoour picturre " * 97,
    "words": "can you please tell me what the scan picture of my brain tumour report means doctor " * 48,
    "signs": "?!. " * 1024,
    "emoji": "🧠" * 4096,
    "cyrillic": "что это " * 512,
    "sentences": "x. " * 1365,
    "zeros": "\x00" * 4096,
}
"""Messages as long as Telegram lets them be, each of a kind that a careless search is slow with."""


def bench_scan() -> bytes:
    """JPEG bytes of the sample slice in the middle of a 1280 x 960 picture, which is what Telegram makes of a photo."""
    with Image.open(SLICE) as file:
        slice_ = file.convert("RGB")
    scale = min(SIZE[0] / slice_.width, SIZE[1] / slice_.height)
    slice_ = slice_.resize((round(slice_.width * scale), round(slice_.height * scale)))
    canvas = Image.new("RGB", SIZE)
    canvas.paste(slice_, ((SIZE[0] - slice_.width) // 2, (SIZE[1] - slice_.height) // 2))
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=87)
    return buffer.getvalue()


def varied(picture: bytes, number: int) -> bytes:
    """Make the same picture another file: a JPEG comment changes its hash and nothing that is seen."""
    comment = f"{number}".encode()
    return picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]
