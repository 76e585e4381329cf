"""Migrations: bring a database to this version's schema, and say where it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from storage.store import Place

_HERE = Path(__file__).parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision this version of the program needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def upgrade(url: str) -> None:
    """Migrate to the newest revision, in one transaction. Nothing happens where it stands there already."""

    def run(connection: Connection) -> None:
        command.upgrade(_config(connection), "head")

    await _with_connection(url, run)


async def revision(url: str) -> str | None:
    """The revision a database stands at; None for an empty one."""
    found: list[str | None] = []

    def run(connection: Connection) -> None:
        found.append(MigrationContext.configure(connection).get_current_revision())

    await _with_connection(url, run)
    return found[0]


async def _with_connection(url: str, run: Callable[[Connection], None]) -> None:
    place = Place.parse(url)
    if place.path is not None:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(URL.create("sqlite", database=str(place.path)))
        with engine.begin() as connection:
            run(connection)
        engine.dispose()
        return
    asynchronous = create_async_engine(make_url(place.url).set(drivername="postgresql+asyncpg"))
    async with asynchronous.begin() as pooled:
        await pooled.run_sync(run)
    await asynchronous.dispose()
