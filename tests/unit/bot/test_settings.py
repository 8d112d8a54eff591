"""Settings: documented, typed, and refused in one line that never repeats a secret."""

import re
from pathlib import Path

import pytest

from bot.errors import StartError
from bot.scan import executors
from bot.settings import Settings, load_settings
from storage.vault import new_key
from tests.conftest import PROJECT

TOKEN = "123456:" + "t" * 35


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def documented() -> dict[str, str]:
    """Name and value of every line of .env.example that is no comment."""
    lines = (PROJECT / ".env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert set(documented()) == {name.upper() for name in Settings.model_fields}


def test_every_documented_setting_is_explained_above_it() -> None:
    text = (PROJECT / ".env.example").read_text("utf-8")
    for name in documented():
        assert re.search(rf"^#.*\n{name}=", text, re.MULTILINE), f"{name} has no comment above it"


def test_the_documented_values_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_settings()
    for name, value in documented().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == plain


def test_settings_come_from_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\nWORKERS=3\n")
    settings = load_settings()
    assert settings.require_token() == TOKEN
    assert settings.workers == 3


def test_what_settings_say_of_themselves_holds_no_secret() -> None:
    secrets = {
        "telegram_bot_token": TOKEN, "webhook_secret": "s3cr3t" * 4, "data_key": new_key(), "report_key": new_key(),
        "database_url": "postgresql://bot:hunter2@db/tumorscan", "sentry_dsn": "https://k3y@sentry.example.org/1",
    }  # fmt: skip
    settings = load_settings(**secrets)
    assert str(settings.database_url) == secrets["database_url"]
    for name, secret in secrets.items():
        assert secret not in repr(settings), name
        assert secret not in str(settings), name


def test_missing_token_stops_only_commands_that_need_it() -> None:
    with pytest.raises(StartError, match=r"^TELEGRAM_BOT_TOKEN is not set: .*\.env"):
        load_settings().require_token()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", "123:secret"),
        ("TELEGRAM_API_URL", "ftp://secret"),
        ("WEBHOOK_PORT", "secret"),
        ("WORKERS", "0"),
        ("DATA_KEY", "secret"),
        ("MODEL_BACKEND", "secret"),
        ("LOG_LEVEL", "secret"),
    ],
)
def test_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError) as stopped:
        load_settings()
    message = str(stopped.value)
    assert message.startswith(name)
    assert "\n" not in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "DATABASE_URL must be a PostgreSQL with REPLICAS=true"),
        ({"DATABASE_URL": "postgresql://user@host/name"}, "WEBHOOK_URL is required with REPLICAS=true"),
        (
            {"DATABASE_URL": "postgresql+asyncpg://user@host/name", "WEBHOOK_URL": "https://bot.example.org"},
            "WEBHOOK_SECRET is required",
        ),
    ],
)
def test_replicas_without_what_they_need_are_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    for name, value in {"REPLICAS": "true", **given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=f"^{said}"):
        load_settings()


@pytest.mark.parametrize("secret", [None, "short", "with a space in it, long enough"])
def test_a_webhook_without_a_good_secret_is_refused(secret: str | None) -> None:
    with pytest.raises(StartError, match=r"^WEBHOOK_SECRET"):
        load_settings(webhook_url="https://bot.example.org", webhook_secret=secret)


def test_printed_settings_do_not_contain_the_token() -> None:
    settings = load_settings(telegram_bot_token=TOKEN)
    assert TOKEN not in repr(settings)
    assert TOKEN not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("WORKRES", "WORKERS"), ("telegram_bot_tokn", "TELEGRAM_BOT_TOKEN"), ("DATABASE_URI", "DATABASE_URL")],
)
def test_mistyped_setting_is_named_with_nearest_known_one(
    written: str, meant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"{written}=secret\n")
    load_settings()
    assert caplog.messages == [f"{written} is not a setting and has no effect: did you mean {meant}?"]


def test_names_of_other_programs_are_no_mistyped_settings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=secret\nLOG_FILE=a\nWorkers=2\n")
    load_settings()
    assert not caplog.messages


@pytest.mark.parametrize(
    ("url", "path", "announced", "served"),
    [
        ("https://bot.example.org", None, "https://bot.example.org/telegram", "/telegram"),
        ("https://bot.example.org/", None, "https://bot.example.org/telegram", "/telegram"),
        ("https://bot.example.org/scans/hook", None, "https://bot.example.org/scans/hook", "/scans/hook"),
        ("https://bot.example.org/scans/hook", "/hook/", "https://bot.example.org/scans/hook", "/hook"),
        ("https://bot.example.org/scans", "/", "https://bot.example.org/scans", "/"),
    ],
)
def test_the_webhook_is_served_where_it_is_announced(url: str, path: str | None, announced: str, served: str) -> None:
    settings = load_settings(webhook_url=url, webhook_secret="s" * 32, webhook_path=path)
    assert (settings.webhook_address, settings.webhook_served_path) == (announced, served)


def test_a_webhook_path_that_is_none_is_refused() -> None:
    with pytest.raises(StartError, match=r"^WEBHOOK_PATH: write a path such as /telegram"):
        load_settings(webhook_path="telegram?x")


@pytest.mark.parametrize(
    ("written", "ids"),
    [("", set()), ("123", {123}), (" 1, 2,3 ", {1, 2, 3}), ("7 8;9", {7, 8, 9}), ("5,", {5})],
)
def test_ids_are_written_with_commas(monkeypatch: pytest.MonkeyPatch, written: str, ids: set[int]) -> None:
    monkeypatch.setenv("ADMIN_IDS", written)
    assert load_settings().admin_ids == ids


@pytest.mark.parametrize(
    ("written", "size"), [("500MB", 500_000_000), ("2 gb", 2_000_000_000), ("1.5KB", 1500), ("77", 77)]
)
def test_sizes_are_written_with_units(monkeypatch: pytest.MonkeyPatch, written: str, size: int) -> None:
    monkeypatch.setenv("BYTES_PER_PERSON", written)
    assert load_settings().bytes_per_person == size


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_IDS", "secret"), ("ALLOWED_IDS", "1,@secret"), ("ADMIN_IDS", "-100123"), ("ACCESS", "secret"),
        ("BYTES_PER_PERSON", "secret"), ("BYTES_PER_PERSON", "0"), ("MIN_FREE_DISK", "1XB"), ("SCANS_PER_DAY", "0"),
        ("OPERATOR_CONTACT", "secret" * 40),
    ],
)  # fmt: skip
def test_a_wrong_limit_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=rf"^{name}: ") as stopped:
        load_settings()
    assert "secret" not in str(stopped.value)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("WORKERS", "two", "write a whole number"),
        ("WORKERS", "0", "write 1 or more"),
        ("WEBHOOK_PORT", "99999", "write 65535 or less"),
        ("RETENTION_DAYS", "0", "write a number above 0"),
        ("RETENTION_DAYS", "a week", "write a number"),
        ("REPLICAS", "maybe", "write true or false"),
        ("PAPER", "a5", "write 'a4' or 'letter'"),
    ],
)
def test_a_wrong_setting_says_in_words_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fix: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=f"^{name}: {fix} \\(see"):
        load_settings()


def test_a_bot_that_nobody_may_use_is_refused() -> None:
    with pytest.raises(StartError, match=r"^ADMIN_IDS is required"):
        load_settings(access="invite", allowed_ids="5")
    with pytest.raises(StartError, match=r"^ALLOWED_IDS is required"):
        load_settings(access="allowlist")
    assert load_settings(access="allowlist", allowed_ids="5").allowed_ids == {5}


@pytest.mark.parametrize("address", ["local", "tcp://scheduler:8786", "tls://10.0.0.7:8786", "tcp://[::1]:8786"])
def test_executor_is_local_or_the_address_of_a_scheduler(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("EXECUTOR", address)
    assert load_settings().executor == address


@pytest.mark.parametrize(
    "wrong", ["Local", "scheduler:8786", "tcp://scheduler", "http://scheduler:8786", "tcp://a b:1"]
)
def test_other_executors_are_refused_with_an_example(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("EXECUTOR", wrong)
    with pytest.raises(StartError, match=r"^EXECUTOR: write local, or .* such as tcp://scheduler:8786"):
        load_settings()


def test_cluster_without_its_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "find_spec", lambda _: None)
    monkeypatch.setenv("EXECUTOR", "tcp://scheduler:8786")
    with pytest.raises(StartError, match=r"^EXECUTOR: .*-r requirements-extras\.lock\b"):
        executors.executor_of(load_settings())
