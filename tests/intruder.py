"""Somebody with write access to the database and without the key: raw SQL, behind the program's back."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

import asyncpg

from storage.sql import TABLES, primary_key
from storage.store import Place
from storage.tables import iso


class Intruder:
    """Speaks to a database with its own driver, so values stay as that driver gives and takes them."""

    def __init__(self, url: str) -> None:
        self._place = Place.parse(url)

    async def run(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """One statement with `?` placeholders, committed; gives its rows."""
        if self._place.path is not None:
            with closing(sqlite3.connect(self._place.path, timeout=10)) as db, db:
                db.row_factory = sqlite3.Row
                given = [iso(v) if isinstance(v, datetime) else v for v in values]
                return [dict(row) for row in db.execute(statement, given)]
        numbered = "".join(
            f"${n}{part}" if n else part for n, part in enumerate(statement.split("?"))
        )  # asyncpg counts its placeholders
        db = await asyncpg.connect(self._place.url)
        try:
            return [dict(row) for row in await db.fetch(numbered, *values)]
        finally:
            await db.close()

    async def row(self, table: str, key: object) -> dict[str, Any]:
        """One row as it is stored, seal included."""
        (found,) = await self.run(f"SELECT * FROM {table} WHERE {_key(table)} = ?", key)  # noqa: S608
        return found

    async def put(self, table: str, row: Mapping[str, Any]) -> None:
        """Insert a row, whatever its seal is worth."""
        marks = ", ".join("?" for _ in row)
        await self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())  # noqa: S608

    async def change(self, table: str, key: object, **columns: Any) -> None:
        """Give some columns of one row other values."""
        changed = ", ".join(f"{name} = ?" for name in columns)
        where = f"WHERE {_key(table)} = ?"
        await self.run(f"UPDATE {table} SET {changed} {where}", *columns.values(), key)  # noqa: S608

    async def drop(self, table: str, key: object) -> None:
        """Delete one row."""
        await self.run(f"DELETE FROM {table} WHERE {_key(table)} = ?", key)  # noqa: S608

    async def swap(self, table: str, key: object, column: str, before: str, after: str) -> None:
        """Replace a piece of text inside one row's column; it has to be there."""
        text = (await self.row(table, key))[column]
        assert before in text
        await self.change(table, key, **{column: text.replace(before, after)})


def _key(table: str) -> str:
    return primary_key(TABLES[table]).name
