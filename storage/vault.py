"""Encryption at rest: what people sent is sealed with a key that is not in the database."""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Row, Table

from storage.columns import RECORD, SEALED, JsonObject
from storage.errors import DataKeyError

KEY_BYTES, NONCE_BYTES = 32, 12
PLAIN = ""
"""In place of a key's id: what is kept as it is."""
_SEALED, _PLAIN_ALL_THE_SAME = "\x01TS1", "\x01TS0"
"""What a sealed value begins with, followed by its key's id; and what goes before a plain one that begins so itself."""
_KEY_ID_LENGTH = 8
_HEAD = len(_SEALED) + _KEY_ID_LENGTH


def new_key() -> str:
    """A fresh key as DATA_KEY takes it: 32 random bytes in Base64 for web addresses."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode().rstrip("=")


def read_keys(text: str) -> tuple[bytes, ...]:
    """The keys of a DATA_KEY, separated by commas. Raises ValueError, which says what is wrong and repeats nothing."""
    keys = tuple(_read_key(part.strip()) for part in text.split(","))
    if len(set(keys)) < len(keys):
        raise ValueError("the same key stands there twice: leave one of them out")
    return keys


def _read_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("each key is 43 letters, digits, - or _: make one with 'tumorscan key', or copy it whole")
    return key


def key_id(key: bytes) -> str:
    """What may be shown of a key: 8 digits that tell it from others."""
    return hashlib.sha256(b"TumorScan data key\0" + key).hexdigest()[:_KEY_ID_LENGTH]


def derived_key(key: bytes, use: bytes) -> bytes:
    """A key for one use alone out of another key: HKDF-SHA256 (RFC 5869), no salt, ``use`` as its info."""
    extracted = hmac.digest(b"\0" * KEY_BYTES, key, "sha256")
    return hmac.digest(extracted, use + b"\1", "sha256")


class Vault:
    """Seals with the first of its keys (AES-256-GCM) and opens what any of them has sealed; without keys all is plain.

    A value is sealed for its place, that is for its table, column and record: put anywhere else, it does not open.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers: dict[str, Any] = {}
        if keys:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # costs a start without a key nothing

            self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.key_ids = tuple(self._ciphers)
        self.seals_with = self.key_ids[0] if keys else PLAIN
        """The id of the key for what is new, or PLAIN."""
        self._of = cache(lambda table: Seal(self, table))

    def of(self, table: Table) -> "Seal":
        """What seals and opens the rows of this table."""
        return self._of(table)

    def seal(self, value: Any, place: bytes) -> Any:
        """Text or bytes, sealed as such; a mapping becomes text. What is empty or None says nothing and stays as it is.

        Without a key the value itself comes back.
        """
        if not value:
            return value
        if not self._ciphers:
            if isinstance(value, Mapping):
                return value
            return _joined(_PLAIN_ALL_THE_SAME, value) if _begins_like_ours(value) else value
        if isinstance(value, Mapping):
            value = json.dumps(dict(value))
        nonce = os.urandom(NONCE_BYTES)
        data = value if isinstance(value, bytes) else value.encode()
        box = nonce + self._ciphers[self.seals_with].encrypt(nonce, data, place)
        return _joined(_SEALED + self.seals_with, box if isinstance(value, bytes) else base64.b64encode(box).decode())

    def open(self, value: Any, place: bytes) -> Any:
        """What was sealed, text or bytes; any plain value as it is.

        Raises DataKeyError for one whose key is not here, and for one that was changed or sealed for another place.
        """
        if not isinstance(value, str | bytes) or not _begins_like_ours(value):
            return value
        known = _key_of(value)
        if known == PLAIN:
            return value[len(_PLAIN_ALL_THE_SAME) :]
        cipher = self._ciphers.get(known)
        if cipher is None:
            raise missing_key(known, has_keys=bool(self._ciphers))
        from cryptography.exceptions import InvalidTag

        try:
            box = value[_HEAD:] if isinstance(value, bytes) else base64.b64decode(value[_HEAD:], validate=True)
            data = cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], place)
        except (InvalidTag, ValueError) as error:
            raise DataKeyError(
                f"DATABASE_URL: a value that was encrypted with key {known} was changed or put elsewhere "
                f"({place.decode(errors='replace').partition('/')[0]}): put back a copy made by 'tumorscan db backup'"
            ) from error
        return data if isinstance(value, bytes) else data.decode()

    def is_current(self, value: Any) -> bool:
        """Whether a value as it is kept is as this vault would keep it now."""
        if not value:
            return True
        sealed_with = _key_of(value) if isinstance(value, str | bytes) else PLAIN
        return sealed_with == self.seals_with


class Seal:
    """The sealed columns of one table, and what names its records."""

    def __init__(self, vault: Vault, table: Table) -> None:
        self._vault = vault
        self._record: tuple[str, ...] = table.info[RECORD]
        self._places = {
            column.name: f"{table.name}.{column.name}/".encode() for column in table.columns if column.info.get(SEALED)
        }
        self._objects = {column.name for column in table.columns if isinstance(column.type, JsonObject)}

    def values(self, values: Mapping[str, Any], **record: object) -> dict[str, Any]:
        """The values to write, by column, with those sealed that are to be.

        ``record`` is what names the record (see the table's definition) as far as ``values`` does not say it.
        """
        name = self._name({**values, **record})
        sealed = {
            column: self._vault.seal(values[column], place + name)
            for column, place in self._places.items()
            if column in values
        }
        return {**values, **sealed}

    def row(self, row: Row[*tuple[Any, ...]], **record: object) -> tuple[Any, ...]:
        """A row as it was read, opened; ``record`` as above. Raises DataKeyError."""
        opened = self.opened(dict(zip(row._fields, row, strict=True)), **record)
        return tuple(opened.values())

    def opened(self, values: Mapping[str, Any], **record: object) -> dict[str, Any]:
        """Values as they are kept, by column, opened. Raises DataKeyError."""
        name = self._name({**values, **record})
        opened = dict(values)
        for column, place in self._places.items():
            value = values.get(column)
            if value:
                opened[column] = value = self._vault.open(value, place + name)
                if column in self._objects and isinstance(value, str):
                    opened[column] = json.loads(value)
        return opened

    def _name(self, values: Mapping[str, Any]) -> bytes:
        return ":".join(str(values[part]) for part in self._record).encode()


def missing_key(known: str, *, has_keys: bool) -> DataKeyError:
    """What to say when something was sealed with the key of this id, and that key is not given."""
    if has_keys:
        return DataKeyError(
            f"DATA_KEY: part of the database is encrypted with key {known}, which is not among those given: "
            f"add that key behind the first one, after a comma"
        )
    return DataKeyError(
        f"DATA_KEY is not set, and the database is encrypted with key {known}: set it to that key (see .env.example)"
    )


def _begins_like_ours(value: str | bytes) -> bool:
    head = value[: len(_SEALED)]
    return head in ((_SEALED, _PLAIN_ALL_THE_SAME) if isinstance(head, str) else _IN_BYTES)


_IN_BYTES = (_SEALED.encode(), _PLAIN_ALL_THE_SAME.encode())


def _key_of(value: str | bytes) -> str:
    head = value[:_HEAD] if isinstance(value, str) else value[:_HEAD].decode("ascii", "replace")
    return head[len(_SEALED) :] if head.startswith(_SEALED) else PLAIN


def _joined(head: str, value: Any) -> Any:
    return head.encode() + value if isinstance(value, bytes) else head + value
