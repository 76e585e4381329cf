"""What the workspace remembers, in one SQLite file: messages, who is where, Home tabs, what was read."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from demo.workspace.people import APP, CAST, CHANNELS, MEMBERS, Channel, Json, Member

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    channel TEXT NOT NULL, ts TEXT NOT NULL, only_for TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (channel, ts));
CREATE TABLE IF NOT EXISTS members (channel TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (channel, user));
CREATE TABLE IF NOT EXISTS homes (user TEXT PRIMARY KEY, view TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reads (
    user TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL, PRIMARY KEY (user, channel));
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as Slack would describe it. `only_for` is the one user who sees an ephemeral one, else empty."""

    channel: str
    ts: str
    body: Json
    only_for: str = ""


class World:
    """The workspace's state. Every change is committed before it is announced to `listeners`.

    `path` may be ":memory:". `people` and `channels` are by id; tests may put others in.
    """

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.listeners: list[Callable[[], None]] = []
        self.people: dict[str, Member] = {member.id: member for member in CAST}
        self.channels: dict[str, Channel] = {channel.id: channel for channel in CHANNELS}
        if path != ":memory:":
            Path(path).touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._begin()
        (last,) = self._db.execute("SELECT coalesce(max(ts), '0.0') FROM messages").fetchone()
        self._last = _micros(last)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- who and where

    def find(self, who: str) -> Member | None:
        """Somebody by user id or by short name: "U0MAYA" or "maya"."""
        return self.people.get(who) or self.people.get(f"U0{who.upper()}")

    def channel(self, id: str) -> Channel | None:
        """A conversation by id; a name with or without # finds a channel too. Everybody human has an im."""
        if id.startswith("D"):
            member = next((m for m in self.people.values() if m.im == id and m.human), None)
            return Channel(id, "directmessage", user=member.id) if member else None
        name = id.removeprefix("#")
        return self.channels.get(id) or next((c for c in self.channels.values() if c.name == name), None)

    def members(self, channel: Channel) -> list[str]:
        """The user ids of everybody in it, in a stable order."""
        if channel.is_im:
            return [channel.user, APP.id]
        rows = self._db.execute("SELECT user FROM members WHERE channel = ? ORDER BY rowid", (channel.id,))
        return [row["user"] for row in rows]

    def is_member(self, channel: Channel, user: str) -> bool:
        """Whether this user is in it."""
        return user in self.members(channel)

    def conversations(self, user: str) -> list[Channel]:
        """What this user sees in the sidebar: the im with the app, then channels."""
        member = self.people[user]
        own = [Channel(member.im, "directmessage", user=user)] if member.human and not member.deleted else []
        return own + [channel for channel in self.channels.values() if self.is_member(channel, user)]

    def join(self, channel: Channel, user: str) -> bool:
        """Put somebody into a channel; False if they were there already."""
        with self._writing():
            statement = "INSERT OR IGNORE INTO members (channel, user) VALUES (?, ?)"
            return bool(self._db.execute(statement, (channel.id, user)).rowcount)

    # -- messages

    def next_ts(self) -> str:
        """A timestamp later than every one before: seconds and six digits, as Slack writes them."""
        self._last = max(int(self.clock() * 1_000_000), self._last + 1)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def keep(self, channel: str, body: Json, only_for: str = "") -> Message:
        """Keep a new message; its `ts` is in the body."""
        kept = Message(channel, body["ts"], body, only_for)
        with self._writing():
            values = (channel, kept.ts, only_for, json.dumps(body))
            self._db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", values)
        return kept

    def change(self, message: Message, body: Json) -> Message:
        """Put another body in the place of this message's."""
        with self._writing():
            statement = "UPDATE messages SET body = ? WHERE channel = ? AND ts = ?"
            self._db.execute(statement, (json.dumps(body), message.channel, message.ts))
        return Message(message.channel, message.ts, body, message.only_for)

    def remove(self, message: Message) -> None:
        """Take a message away."""
        with self._writing():
            where = (message.channel, message.ts)
            self._db.execute("DELETE FROM messages WHERE channel = ? AND ts = ?", where)

    def message(self, channel: str, ts: str) -> Message | None:
        """One message, ephemeral ones too."""
        statement = "SELECT * FROM messages WHERE channel = ? AND ts = ?"
        row = self._db.execute(statement, (channel, ts)).fetchone()
        return _message(row) if row else None

    def history(self, channel: str, viewer: str | None = None, limit: int = 200) -> list[Message]:
        """The latest messages, oldest first. Ephemeral ones only for `viewer`."""
        statement = (
            "SELECT * FROM messages WHERE channel = ? AND only_for IN ('', ?) ORDER BY ts DESC LIMIT ?"
        )
        rows = self._db.execute(statement, (channel, viewer or "", limit)).fetchall()
        return [_message(row) for row in reversed(rows)]

    # -- Home tabs and reading

    def home(self, user: str) -> Json | None:
        """The Home tab this user sees, if the app has published one."""
        row = self._db.execute("SELECT view FROM homes WHERE user = ?", (user,)).fetchone()
        return json.loads(row["view"]) if row else None

    def publish(self, user: str, view: Json) -> None:
        """Put up somebody's Home tab."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO homes VALUES (?, ?)", (user, json.dumps(view)))

    def read(self, user: str, channel: str) -> None:
        """Everything in this conversation has been read."""
        with self._writing():
            row = self._db.execute("SELECT max(ts) FROM messages WHERE channel = ?", (channel,)).fetchone()
            self._db.execute("INSERT OR REPLACE INTO reads VALUES (?, ?, ?)", (user, channel, row[0] or "0"))

    def read_until(self, user: str, channel: str) -> str:
        """The timestamp up to which somebody has read."""
        statement = "SELECT ts FROM reads WHERE user = ? AND channel = ?"
        row = self._db.execute(statement, (user, channel)).fetchone()
        return row["ts"] if row else "0"

    def announce(self) -> None:
        """Tell every listener that something changed, here, in what people have open, or in the post."""
        for listener in list(self.listeners):
            listener()

    async def until(self, true: Callable[[], T], patience: float = 10.0) -> T:
        """Wait for `true()` to give something true, looking again after every change. Raises TimeoutError."""
        changed = asyncio.Event()
        self.listeners.append(changed.set)
        try:
            async with asyncio.timeout(patience):
                while not (found := true()):
                    await changed.wait()
                    changed.clear()
                return found
        finally:
            self.listeners.remove(changed.set)

    # -- inside

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        self.announce()

    def _begin(self) -> None:
        with self._writing():
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            if self._db.execute("SELECT 1 FROM members").fetchone() is None:
                rows = [(channel, f"U0{who.upper()}") for channel, all in MEMBERS.items() for who in all]
                self._db.executemany("INSERT INTO members VALUES (?, ?)", rows)


def _message(row: sqlite3.Row) -> Message:
    return Message(row["channel"], row["ts"], json.loads(row["body"]), row["only_for"])


def _micros(ts: str) -> int:
    seconds, _, rest = ts.partition(".")
    return int(seconds) * 1_000_000 + int(rest or 0)
