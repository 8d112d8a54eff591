"""Every setting, typed, from the environment and ``.env``; ``.env.example`` tells what each one is for."""

import difflib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.capacity import workers_that_fit
from bot.errors import StartError
from inference.backends import BackendName
from inference.card import MODELS_DIR
from storage.vault import derived_key, read_keys

_log = logging.getLogger(__name__)
TELEGRAM = "https://api.telegram.org"
WEBHOOK_PATH = "/telegram"
"""Where updates come in when WEBHOOK_URL names no path."""
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{30,64}")
_ALIKE = 0.8  # difflib's ratio: WORKRES and LOGLEVEL are caught, LOG_FILE and other programs' names are not
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")
_CLUSTER = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}", re.ASCII)
_DSN = re.compile(r"https?://\w+@[^\s/@]+(/[^\s?#@]+)?/\d+", re.ASCII)
_WANTED = {
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
    "bool_parsing": "write true or false",
    "greater_than": "write a number above {gt:g}",
    "greater_than_equal": "write {ge:g} or more",
    "less_than": "write a number below {lt:g}",
    "less_than_equal": "write {le:g} or less",
    "literal_error": "write {expected}",
}
"""What pydantic finds wrong -> what an operator is told to do about it."""
_REPORT_SEAL, _GROUPS = b"TumorScan report seal", b"TumorScan groups of an export"
"""What keys are derived for."""
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(|[KMGT]?B)", re.IGNORECASE)
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
        raise ValueError("write a web address such as https://bot.example.org")
    return value.rstrip("/")


def _web_path(value: str) -> str:
    if not re.fullmatch(r"/[\w./~%-]*", value, re.ASCII):
        raise ValueError("write a path such as /telegram")
    return value.rstrip("/") or "/"


def _data_key(value: SecretStr) -> SecretStr:
    read_keys(value.get_secret_value())
    return value


def is_cluster(executor: str) -> bool:
    """Whether this value of EXECUTOR is the address of a Dask scheduler."""
    return _CLUSTER.fullmatch(executor) is not None


def _executor(value: str) -> str:
    if value != "local" and not is_cluster(value):
        raise ValueError("write local, or the address of a Dask scheduler such as tcp://scheduler:8786")
    return value


def _dsn(value: SecretStr) -> SecretStr:
    if not _DSN.fullmatch(value.get_secret_value()):
        raise ValueError("write the DSN as Sentry shows it, such as https://KEY@sentry.example.org/1")
    return value


def _numbers(value: object) -> object:
    """Telegram ids as an operator writes them: "123456789, 987654321"."""
    if not isinstance(value, str):
        return value
    words = re.split(r"[,;\s]+", value.strip(" ,;\t"))
    if not all(re.fullmatch(r"[0-9]{1,18}", word) for word in words):
        raise ValueError("write numbers with commas between them, such as 123456789, 987654321")
    return frozenset(map(int, words))


def _bytes(value: object) -> object:
    """A size as an operator writes it: "500MB", "2 GB", or bytes."""
    if not isinstance(value, str):
        return value
    size = _SIZE.fullmatch(value.strip())
    if size is None:
        raise ValueError("write a size such as 500MB or 2GB")
    return int(float(size[1]) * _UNITS[size[2].upper()])


Ids = Annotated[frozenset[int], NoDecode, BeforeValidator(_numbers)]
Size = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
WebPath = Annotated[str, AfterValidator(_web_path)]
DataKey = Annotated[SecretStr, AfterValidator(_data_key)]


class Settings(BaseSettings):
    """What an operator can choose. Field names are the environment variables in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: WebAddress = TELEGRAM
    webhook_url: WebAddress | None = None
    webhook_host: str = "127.0.0.1"
    webhook_port: Annotated[int, Field(ge=1, le=65535)] = 8443
    webhook_path: WebPath | None = None
    webhook_secret: SecretStr | None = None
    messages_per_second: Annotated[int, Field(ge=1, le=1000)] = 30
    database_url: Annotated[str, Field(repr=False)] = "sqlite+aiosqlite:///data/tumorscan.db"  # may hold a password
    replicas: bool = False
    data_key: DataKey | None = None
    report_key: DataKey | None = None
    paper: Literal["a4", "letter"] | None = None
    executor: Annotated[str, AfterValidator(_executor)] = "local"
    model_backend: BackendName = "litert"
    # After the backend, which is what it depends on.
    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        default_factory=lambda given: workers_that_fit(given.get("model_backend", "litert"))
    )
    models_dir: Path = MODELS_DIR
    access: Literal["open", "invite", "allowlist"] = "open"
    admin_ids: Ids = frozenset()
    allowed_ids: Ids = frozenset()
    scans_per_day: Annotated[int, Field(ge=1)] | None = None
    bytes_per_person: Annotated[Size, Field(ge=1)] | None = None
    min_free_disk: Size = 200_000_000
    operator_contact: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    consent_wait_days: Annotated[float, Field(gt=0, le=365)] = 7
    protect_content: bool = False
    retention_days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    stop_grace: Annotated[float, Field(ge=0, le=3600)] = 8.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    status_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    status_host: str = "127.0.0.1"
    backup_every: Annotated[float, Field(gt=0, le=24 * 365)] | None = None
    backup_keep: Annotated[int, Field(ge=1, le=10_000)] = 14
    backup_dir: Path = Path("data/backups")
    audit_dir: Path | None = None
    audit_keep_days: Annotated[int, Field(ge=1, le=3650)] = 90
    sentry_dsn: Annotated[SecretStr, AfterValidator(_dsn)] | None = None

    def require_token(self) -> str:
        """The bot's token, for the commands that talk to Telegram. Raises StartError when there is none."""
        if self.telegram_bot_token is None:
            raise StartError(
                "TELEGRAM_BOT_TOKEN is not set: write the token from @BotFather into .env (see .env.example), "
                "or try the bot without one: tumorscan demo"
            )
        return self.telegram_bot_token.get_secret_value()

    @property
    def data_keys(self) -> tuple[bytes, ...]:
        """The keys of what is kept: the first one seals, all of them open."""
        return () if self.data_key is None else read_keys(self.data_key.get_secret_value())

    @property
    def report_keys(self) -> tuple[bytes, ...]:
        """The keys of the reports' seals: the first one seals, all of them are known.

        Those derived from DATA_KEY stay known when REPORT_KEY is set later, so that older reports can still be checked.
        """
        own = () if self.report_key is None else read_keys(self.report_key.get_secret_value())
        return (*own, *(derived_key(key, _REPORT_SEAL) for key in self.data_keys))

    @property
    def group_key(self) -> bytes | None:
        """The key of what people are called in ``outcomes export``; None without DATA_KEY and REPORT_KEY."""
        given = self.data_key or self.report_key
        return None if given is None else derived_key(read_keys(given.get_secret_value())[0], _GROUPS)

    @property
    def webhook_address(self) -> str:
        """Where Telegram is told to send updates: WEBHOOK_URL as it is, or with /telegram when it names no path."""
        url = self.webhook_url or ""
        return url if urlsplit(url).path else url + WEBHOOK_PATH

    @property
    def webhook_served_path(self) -> str:
        """The path of what comes in: that which was announced, unless a proxy changes it."""
        return self.webhook_path or urlsplit(self.webhook_address).path

    @model_validator(mode="after")
    def _token_looks_like_one(self) -> Self:
        token = self.telegram_bot_token
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("TELEGRAM_BOT_TOKEN does not look like a token: copy it whole from @BotFather")
        return self

    @model_validator(mode="after")
    def _somebody_may_use_it(self) -> Self:
        if self.access == "invite" and not self.admin_ids:
            raise ValueError("ADMIN_IDS is required with ACCESS=invite: name whoever is to write the invitations")
        if self.access == "allowlist" and not self.admin_ids | self.allowed_ids:
            raise ValueError("ALLOWED_IDS is required with ACCESS=allowlist: name those who may use the bot")
        return self

    @model_validator(mode="after")
    def _replicas_can_share(self) -> Self:
        if not self.replicas:
            return self
        if not self.database_url.startswith("postgres"):
            raise ValueError("DATABASE_URL must be a PostgreSQL with REPLICAS=true: replicas can't share a SQLite file")
        if self.webhook_url is None:
            raise ValueError(
                "WEBHOOK_URL is required with REPLICAS=true: Telegram lets one program alone fetch updates, so have it "
                "send them to your balancer"
            )
        return self

    @model_validator(mode="after")
    def _webhook_has_a_secret(self) -> Self:
        if self.webhook_url is None:
            return self
        if self.webhook_secret is None:
            raise ValueError("WEBHOOK_SECRET is required with WEBHOOK_URL: set it to 16 or more letters and digits")
        if not _SECRET.fullmatch(self.webhook_secret.get_secret_value()):
            raise ValueError("WEBHOOK_SECRET must be 16 to 256 letters, digits, _ or -: choose another one")
        return self


def load_settings(**overrides: object) -> Settings:
    """Read the settings; ``overrides`` go before the environment.

    Raises StartError with one line that names the setting and the fix; no value is repeated in it. A name in ``.env``
    or in the environment that looks like a mistyped setting is logged with the one that was probably meant.
    """
    for name, nearest in mistyped_names((*dotenv_values(".env", interpolate=False), *os.environ)):
        _log.warning("%s is not a setting and has no effect: did you mean %s?", name, nearest)
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise StartError(_one_line(error)) from None


def mistyped_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """The names that are no setting but close to one, each with the nearest setting; letter case does not count."""
    known = [name.upper() for name in Settings.model_fields]
    unknown = sorted({name for name in names if name.upper() not in known})
    nearest = ((name, difflib.get_close_matches(name.upper(), known, n=1, cutoff=_ALIKE)) for name in unknown)
    return [(name, match[0]) for name, match in nearest if match]


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    name = str(first["loc"][0]).upper() if first["loc"] else ""
    wanted = _WANTED.get(first["type"], "").format_map(first.get("ctx", {}))
    message = wanted or first["msg"].removeprefix("Value error, ")
    return f"{name}: {message} (see .env.example)" if name else f"{message} (see .env.example)"
