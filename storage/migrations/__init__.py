"""How the schema came to be, step by step; run at every start. ``python -m storage.migrations`` adds a step."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config() -> Config:
    """Make the configuration that would otherwise stand in an alembic.ini."""
    settings = Config()
    settings.set_main_option("script_location", "storage:migrations")
    settings.set_main_option("path_separator", "os")
    return settings


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the database to a revision, the newest one, inside the transaction that ``connection`` is in."""
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)
