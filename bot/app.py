"""The composition root: settings in, a bot that listens out."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from httpx import create_ssl_context
from telegram import LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import TelegramError
from telegram.ext import Application, ContextTypes, Defaults
from telegram.request import HTTPXRequest

from bot.chat import menu
from bot.chat.access import Permission, permission_of
from bot.chat.context import BotApplication, BotContext, BotData, Services
from bot.chat.languages import Languages, open_models
from bot.delivery.background import running_in_background
from bot.delivery.backoff import Backoff
from bot.delivery.inbox import Deliveries
from bot.delivery.ordering import PerChatProcessor
from bot.delivery.polling import PollingTimeouts
from bot.delivery.purge import Purge
from bot.delivery.rate_limiter import RateLimiter
from bot.delivery.receiving import connected, listening
from bot.delivery.replica import joined
from bot.delivery.retention import keep_within
from bot.delivery.shutdown import Shutdown, drain
from bot.delivery.storage_health import StorageHealth
from bot.errors import StartError
from bot.handlers import (
    access,
    broadcast,
    compare,
    dicom,
    errors,
    export,
    gatekeeper,
    history,
    knowledge,
    language,
    onboarding,
    other,
    outcomes,
    privacy,
    report,
    scans,
    stats,
    verify,
)
from bot.operations.audit import AuditLog
from bot.operations.backups import Backups
from bot.operations.metrics import Metrics
from bot.scan.drift_watch import watch_drift
from bot.scan.executors import executor_of, start_executor
from bot.settings import Settings
from inference.registry import Entry
from inference.workers.executor import Executor
from inference.workers.job_table import answer
from storage.database import Database
from storage.errors import StorageBusyError, StorageDownError, StorageError
from storage.records import Broadcast

if TYPE_CHECKING:
    from bot.operations.health import Watch

SUBJECTS = (
    verify, onboarding, language, scans, outcomes, history, report, dicom, compare, export, privacy, access, broadcast,
    stats, knowledge, other,
)  # fmt: skip
"""In the order in which their handlers are asked; the last one takes what is left."""
CONNECTIONS = 64
UNTIL_OPEN = Backoff(0.5, 10.0)
"""Before a database that is full or locked at the start is tried again."""
UNTIL_SETTLED = 2.0
"""Seconds after which the start is over, and one thing that is not needed at once may take the processor."""


_log = logging.getLogger(__name__)
if find_spec("sniffio") is None:
    # httpcore imports it if it can, often for each message: known to be missing, it is not searched for in all folders.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@asynccontextmanager
async def open_services(
    settings: Settings,
    executor: Executor | None = None,
    shutdown: Shutdown | None = None,
    content: tuple[Mapping[str, Entry], Languages] | None = None,
) -> AsyncIterator[Services]:
    """Open the database and start the workers; close them at the end. Raises StartError.

    An ``executor`` that runs already is used as it is, and left running; ``content`` that is open already (what
    ``open_models`` gives) is not read again. With a ``shutdown`` the workers start while
    the body runs, where pictures wait for them and nothing else does; that they can't start is then told to it.
    """
    models, languages = content or open_models(settings.models_dir)
    async with AsyncExitStack() as stack:
        if executor is None:
            executor = executor_of(settings)
            stack.push_async_callback(executor.close)
            if shutdown is None:
                await start_executor(executor)
            else:
                await stack.enter_async_context(running_in_background(_start_in_background(executor, shutdown)))
        database = await _open_database(settings)
        stack.push_async_callback(database.close)
        storage, metrics, audit = StorageHealth(database), _metrics(settings), stack.enter_context(audit_log(settings))
        wait = timedelta(days=settings.consent_wait_days)
        yield Services(
            settings=settings,
            database=database,
            storage=storage,
            deliveries=Deliveries(database, storage, wait, metrics, audit, shared=settings.replicas),
            executor=executor,
            models=models,
            languages=languages,
            metrics=metrics,
            purge=Purge(database.scans),
            replica=await stack.enter_async_context(joined(settings, database)),
        )


def _metrics(settings: Settings) -> Metrics:
    if settings.status_port is None:
        return Metrics()
    from bot.operations.prometheus import PrometheusMetrics  # loads what a bot without a status port does without

    return PrometheusMetrics()


@contextmanager
def audit_log(settings: Settings) -> Iterator[AuditLog]:
    """Where what people do is noted, while the body runs. Raises StartError."""
    if settings.audit_dir is None:
        yield AuditLog()
        return
    from bot.operations.audit_file import FileAuditLog

    try:
        log = FileAuditLog(settings.audit_dir, settings.require_token(), settings.audit_keep_days)
    except OSError as error:
        raise StartError(
            f"AUDIT_DIR: {settings.audit_dir} cannot be written ({error.strerror}): choose another folder, or "
            "leave it empty"
        ) from error
    try:
        yield log
    finally:
        log.close()


async def _open_database(settings: Settings) -> Database:
    """The database; one that is full or locked is waited for, as a running bot does. Raises StartError."""
    failures = 0
    while True:
        try:
            return await Database.open(settings.database_url, keys=settings.data_keys)
        except StorageBusyError as error:
            _log.error("%s (trying again until it works)", error)
            await asyncio.sleep(UNTIL_OPEN.pause(failures))
            failures += 1
        except StorageError as error:
            raise StartError(str(error)) from error


async def _start_in_background(executor: Executor, shutdown: Shutdown) -> None:
    try:
        await start_executor(executor)
    except StartError as error:
        shutdown.fail(error)


def build(settings: Settings, services: Services) -> BotApplication:
    """The application with all its handlers, not yet started."""
    tls = _tls()
    application: BotApplication = (
        Application.builder()
        .token(settings.require_token())
        .base_url(f"{settings.telegram_api_url}/bot")
        .base_file_url(f"{settings.telegram_api_url}/file/bot")
        .context_types(ContextTypes(context=BotContext, bot_data=BotData))
        .job_queue(None)
        .concurrent_updates(PerChatProcessor(services.chat_queues, services.albums, services.deliveries))
        .update_queue(services.deliveries.queue)
        .rate_limiter(_rate_limiter(settings, services))
        .request(
            _requests(tls, connection_pool_size=CONNECTIONS, pool_timeout=30, read_timeout=15, media_write_timeout=60)
        )
        .get_updates_request(_requests(tls, connection_pool_size=1))
        .defaults(
            Defaults(
                parse_mode=ParseMode.HTML,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                protect_content=settings.protect_content or None,
            )
        )
        .build()
    )
    application.bot_data.services = services
    services.deliveries.bind(application)
    application.add_handlers(gatekeeper.handlers(), group=gatekeeper.GROUP)
    for subject in SUBJECTS:
        application.add_handlers(gatekeeper.behind_gatekeeper(subject.handlers()))
    application.add_error_handler(errors.on_error)
    return application


@cache
def _tls() -> SSLContext:
    """Read once: all certificates of the world's authorities."""
    return create_ssl_context()


def _requests(tls: SSLContext, **options: Any) -> HTTPXRequest:
    return HTTPXRequest(**options, httpx_kwargs={"verify": tls})


def _rate_limiter(settings: Settings, services: Services) -> RateLimiter:
    overall = services.replica.allowance if services.replica else None
    return RateLimiter(settings.messages_per_second, metrics=services.metrics, overall=overall)


@asynccontextmanager
async def _alive(services: Services, application: BotApplication, shutdown: Shutdown) -> AsyncIterator[None]:
    """Be one of the replicas while the body runs, where there are several."""
    if services.replica is None:
        yield
        return
    processor = application.update_processor
    if not isinstance(processor, PerChatProcessor):
        raise TypeError("this processor can't give up what is in work")
    services.replica.when_all_are_called(services.broadcaster.wake)
    async with services.replica.living(shutdown, processor.cancel_all):
        yield


@asynccontextmanager
async def _claiming(services: Services) -> AsyncIterator[None]:
    """Claim updates while the body runs, where there are several replicas."""
    if services.replica is None:
        yield
        return
    async with services.replica.claiming(services.deliveries):
        yield


@asynccontextmanager
async def running(
    settings: Settings, services: Services, shutdown: Shutdown | None = None, timeouts: PollingTimeouts | None = None
) -> AsyncIterator[BotApplication]:
    """A bot that listens while the body runs; what is in work at the end is finished or put back.

    What makes going on impossible is told to ``shutdown``. Raises StartError.
    """
    application, shutdown = build(settings, services), shutdown or Shutdown()
    queue, storage, apology = services.deliveries.queue, services.storage, errors.apology(application.bot, services)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(application.shutdown)
        watch = await stack.enter_async_context(_watched(settings, services))
        await stack.enter_async_context(_alive(services, application, shutdown))
        await connected(application, settings)
        await application.start()
        stack.push_async_callback(drain, application, shutdown, settings.stop_grace)
        await stack.enter_async_context(_claiming(services))
        await stack.enter_async_context(
            listening(application, queue, storage, settings, apology, shutdown, timeouts, services.metrics)
        )
        if watch:
            stack.enter_context(watch.listening())
        await stack.enter_async_context(running_in_background(_warm_up(services)))
        await stack.enter_async_context(running_in_background(_check_database(services)))
        await stack.enter_async_context(running_in_background(_back_up(settings, services)))
        await stack.enter_async_context(running_in_background(_send_broadcasts(application, services)))
        await stack.enter_async_context(running_in_background(watch_drift(services)))
        await stack.enter_async_context(running_in_background(services.purge.run()))
        if settings.retention_days:
            kept = timedelta(days=settings.retention_days)
            await stack.enter_async_context(
                running_in_background(keep_within(services.database, kept, settings.backup_dir))
            )
        await _introduce(application, services)
        yield application


@asynccontextmanager
async def _watched(settings: Settings, services: Services) -> AsyncIterator["Watch | None"]:
    """The status port, while the body runs, and what it tells; None where it is not wanted. Raises StartError."""
    if settings.status_port is None:
        yield None
        return
    from bot.operations.health import Probes, Watch
    from bot.operations.prometheus import PrometheusMetrics
    from bot.operations.status_server import status_port

    metrics, executor, database = services.metrics, services.executor, services.database
    if not isinstance(metrics, PrometheusMetrics):
        raise TypeError("the services were opened without a status port")
    watch = Watch(Probes(database.prove, lambda: executor.run(answer), database.inbox.backlog), metrics)
    watch.show()
    metrics.gauge("jobs_waiting", "Jobs that wait for a worker", lambda: executor.waiting)
    queues = services.admission, services.long_files
    metrics.gauge("pictures_waiting", "Pictures that wait to be read", lambda: sum(one.waiting for one in queues))
    metrics.gauge(
        "replicas", "Processes that share the database", lambda: services.replica.alive if services.replica else 1
    )
    metrics.gauge("worker_restarts", "Workers that took the place of one that died", lambda: executor.restarts)
    async with (
        status_port(settings.status_host, settings.status_port, watch, metrics),
        running_in_background(watch.run()),
    ):
        yield watch


async def _warm_up(services: Services) -> None:
    """What the first question would have to wait for is made once those are answered who wrote before the start.

    One language at a time: together they would keep a core from pictures for seconds.
    """
    for spoken in services.languages.values():
        await asyncio.sleep(UNTIL_SETTLED)
        await asyncio.to_thread(spoken.knowledge.warm_up)


async def _check_database(services: Services) -> None:
    """Say what is damaged, while the bot goes on with what is not."""
    for problem in await services.database.check():
        _log.error("DATABASE_URL: %s: put back a copy made by 'tumorscan db backup'", problem)


async def _back_up(settings: Settings, services: Services) -> None:
    """Copy the database on a schedule, where that is wanted."""
    if settings.backup_every is None:
        return
    if not services.database.is_file:
        _log.warning("BACKUP_EVERY has no effect on PostgreSQL: copy that with pg_dump")
        return
    every = timedelta(hours=settings.backup_every)
    await Backups(services.database, settings.backup_dir, every, settings.backup_keep).run()


async def _send_broadcasts(application: BotApplication, services: Services) -> None:
    """Send what administrators have confirmed; what another process left, too."""
    bot = application.bot

    async def ended(sent: Broadcast) -> None:
        with suppress(TelegramError, StorageDownError):
            await broadcast.tell_end(bot, services, sent)

    async def may_read(chat_id: int) -> bool:
        return await permission_of(chat_id, services) is Permission.GRANTED

    await services.broadcaster.run(bot, ended, may_read, alone=services.replica is None)


async def _introduce(application: BotApplication, services: Services) -> None:
    """Set the command menu and the descriptions; a bot without them works too."""
    bot = application.bot
    for spoken in services.languages.values():
        texts = spoken.texts
        code = None if spoken is services.languages.default else spoken.code.partition("-")[0]
        try:
            await asyncio.gather(
                bot.set_my_commands(menu.bot_commands(texts), language_code=code),
                bot.set_my_description(texts.plain("bot.description"), language_code=code),
                bot.set_my_short_description(texts.plain("bot.short_description"), language_code=code),
            )
        except TelegramError as error:
            _log.warning("the command menu could not be set: %s", error)
    for chat_id in services.settings.admin_ids:
        # Telegram refuses a menu for a chat that there is not: an administrator who is new gets theirs on arrival.
        if (person := await services.database.people.get(chat_id)) is not None:
            await menu.show_menu(bot, chat_id, services.languages.of(person.language).texts, admin=True)
