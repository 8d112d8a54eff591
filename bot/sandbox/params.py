"""The parameters of one Bot API call, whichever way they came: query, form, multipart or JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.errors import bad_request

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the call."""

    name: str
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Parameters:
    """Typed access to a call's parameters; every getter raises ``ApiError`` 400 in Telegram's words."""

    values: Mapping[str, Any]
    uploads: Mapping[str, Upload] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the parameter is there and not empty."""
        return self.values.get(name) not in (None, "") or name in self.uploads

    def text(self, name: str, default: str = "") -> str:
        """A string; numbers are taken as their digits, as Telegram does."""
        value = self.values.get(name)
        if value is None:
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number, also when it was sent as text."""
        value = self.values.get(name)
        if value in (None, ""):
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise bad_request(f"parameter {name} must be of type Integer") from None

    def number(self, name: str, default: float = 0.0) -> float:
        """A number with a fraction."""
        try:
            return float(self.values.get(name) or default)
        except (TypeError, ValueError):
            raise bad_request(f"parameter {name} must be of type Float") from None

    def flag(self, name: str) -> bool:
        """A truth value: ``true``, ``yes`` and ``1`` in any case, or a JSON true."""
        value = self.values.get(name)
        return value is True or str(value).lower() in {"true", "yes", "1"}

    def structure(self, name: str) -> Any:
        """A JSON-serialised parameter, or None when it was not sent."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None

    def objects(self, name: str) -> list[Json]:
        """A JSON array of objects; empty when it was not sent."""
        value = self.structure(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise bad_request(f"can't parse {name}: expected an Array of Objects")
        return value

    def object(self, name: str) -> Json | None:
        """A JSON object, or None when it was not sent."""
        value = self.structure(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise bad_request(f"object expected as {name.replace('_', ' ')}")
        return value

    def file(self, name: str) -> Upload | str | None:
        """An uploaded file, or the text that names one (a file_id or a web address), or None."""
        if name in self.uploads:
            return self.uploads[name]
        return self.reference(self.text(name))

    def reference(self, value: str) -> Upload | str | None:
        """Follow ``attach://NAME`` to the uploaded file of that name."""
        if not value.startswith("attach://"):
            return value or None
        upload = self.uploads.get(value.removeprefix("attach://"))
        if upload is None:
            raise bad_request("wrong file identifier/HTTP URL specified")
        return upload
