"""What a DATA_KEY costs a scan: all that is sealed and opened of it from its receipt to its PDF."""

import io
import json
import secrets
import statistics
import time
from typing import Any

from PIL import Image

from inference.decode.imaging import encode_jpeg
from storage import schema
from storage.vault import Vault
from tests.bench.samples import bench_scan

RUNS = 200
LOOKED_AT = 4
"""How often the row of a scan is read on its way: whether it is known, when kept, for the chat and for the PDF."""
PAYLOAD = 2_000
"""Characters of an update with a photo; Telegram's are 1,000 to 2,000."""


def sealing_cost() -> float:
    """Median milliseconds over RUNS scans on the benchmark's picture, beside the same work without a key."""
    with_key, without = Vault([secrets.token_bytes(32)]), Vault()
    with Image.open(io.BytesIO(bench_scan())) as opened:
        picture = encode_jpeg(opened.convert("RGB"))
    return statistics.median(_one(with_key, picture) - _one(without, picture) for _ in range(RUNS)) * 1e3


def _one(vault: Vault, picture: bytes) -> float:
    began = time.perf_counter()
    update = {"update_id": 1, "payload": json.dumps({"text": "x" * PAYLOAD})}
    _there_and_back(vault, schema.INBOX, update, 1)
    _there_and_back(vault, schema.PEOPLE, {"chat_id": 7, "name": ""}, LOOKED_AT)
    scan = {"public_id": "A7K2-Q9", "patient_label": "Left side, March", "study": None}
    _there_and_back(vault, schema.SCANS, scan, LOOKED_AT)
    _there_and_back(vault, schema.PICTURES, {"scan_id": 1, "original": picture, "overlay": picture}, 1)
    return time.perf_counter() - began


def _there_and_back(vault: Vault, table: Any, values: dict[str, Any], reads: int) -> None:
    seal = vault.of(table)
    kept = seal.values(values)
    for _ in range(reads):
        seal.opened(kept)
