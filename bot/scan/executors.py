"""Where pictures are read, by the setting EXECUTOR: here, or on the machines of a cluster."""

from importlib.util import find_spec

from bot.errors import StartError
from bot.scan import worker_jobs
from bot.settings import Settings, is_cluster
from inference.card import ModelError
from inference.workers.executor import Executor, WorkerDiedError
from inference.workers.local import LocalExecutor
from storage.errors import INSTALL_EXTRAS


def local_executor(settings: Settings, workers: int | None = None) -> LocalExecutor:
    """Worker processes of this machine that know the bot's jobs; as many as the settings say, or fewer."""
    return LocalExecutor(
        workers or settings.workers,
        jobs=worker_jobs.MODULES,
        models_dir=settings.models_dir,
        backend=settings.model_backend,
    )


def executor_of(settings: Settings) -> Executor:
    """What runs the jobs, by the setting EXECUTOR. Raises StartError."""
    if not is_cluster(settings.executor):
        return local_executor(settings)
    require_cluster()
    from inference.workers.cluster import ClusterExecutor

    return ClusterExecutor(settings.executor, models_dir=settings.models_dir, backend=settings.model_backend)


def require_cluster() -> None:
    """Raise StartError where Dask is not installed."""
    if find_spec("distributed") is None:
        raise StartError(f"EXECUTOR: a cluster needs one more package: {INSTALL_EXTRAS}")


async def start_executor(executor: Executor) -> None:
    """Start it. Raises StartError, which names the setting."""
    try:
        await executor.start()
    except ModelError as error:
        raise StartError(f"MODELS_DIR: {error}") from error
    except WorkerDiedError as error:
        raise StartError("WORKERS: the workers could not start: set a lower number, or free memory") from error
