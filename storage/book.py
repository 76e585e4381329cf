"""One batch: load what the waiting commands need, decide them one by one, write everything in one commit.

The whole of it is one generator that yields operations, several at a time where none needs another's rows, and
is sent the rows of each, so that SQLite and PostgreSQL run the very same code.
State, audit events and owed effects are in that one commit, or nothing is (S6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.effects import Announce
from flows.errors import Refusal, Tampered
from flows.events import TamperingNoticed
from flows.model import Request
from storage import codec
from storage.merkle import Frontier, leaf_hash
from storage.recent import Recent
from storage.rows import announcement_row
from storage.seals import Keys
from storage.sql import TABLES, Delete, Insert, Load, Operation, Row, Run, Steps, Update, primary_key
from storage.tables import SEALED, iso

#: How many waiting commands are decided and committed together at most.
BATCH = 64

_KEY = {name: primary_key(table).name for name, table in TABLES.items()}


@dataclass(frozen=True, slots=True)
class Need:
    """Rows a command has to see before it is decided: those whose column has this value."""

    table: str
    column: str
    value: str


@dataclass(slots=True)
class Outcome:
    """What a decided command writes. `events` are (request or None, event) pairs.

    Whoever puts a row of `requests` gives the state it holds as `request`.
    """

    value: Any = None
    request: Request | None = None
    events: list[tuple[str | None, Any]] = field(default_factory=list)
    puts: list[tuple[str, Row]] = field(default_factory=list)
    drops: list[tuple[str, str]] = field(default_factory=list)
    tampered: list[tuple[str, str]] = field(default_factory=list)  # (table, row) found changed from outside


@dataclass(frozen=True, slots=True)
class Work:
    """One command's turn. `run` decides against the book; `refused` says which events a refusal leaves."""

    run: Callable[[Book], Outcome]
    needs: tuple[Need, ...] = ()
    refused: Callable[[Refusal, Book], Outcome] = lambda refusal, book: Outcome()
    runs: tuple[Run, ...] = ()


class Book:
    """The rows of one batch, as they are after every command decided so far."""

    def __init__(self, now: datetime, recent: Recent) -> None:
        self.now = now
        self._recent = recent
        self._rows: dict[tuple[str, str], Row] = {}
        self._stored: set[tuple[str, str]] = set()
        self._found: dict[Need, list[str]] = {}
        self._broken: set[tuple[str, str]] = set()
        self._requests: dict[str, Request] = {}
        self._changed: dict[tuple[str, str], None] = {}
        self._dropped: dict[tuple[str, str], None] = {}

    # -- reading, for commands --------------------------------------------------------------

    def row(self, table: str, key: str) -> Row | None:
        """One row by primary key, or None. Raises Tampered when its seal doesn't hold."""
        if (table, key) in self._broken:
            raise Tampered
        return self._rows.get((table, key))

    def rows(self, need: Need) -> list[Row]:
        """The rows that a search by another column than the key finds now. Raises Tampered for a broken one."""
        found = [self.row(need.table, key) for key in self._found.get(need, ())]
        return [row for row in found if row is not None and row[need.column] == need.value]

    def request(self, id: str) -> Request | None:
        """A request's state, or None."""
        known = self._requests.get(id)
        if known is None and (row := self.row("requests", id)) is not None:
            known = self._requests[id] = self._recent.request(row)
        return known

    # -- writing, for the batch -------------------------------------------------------------

    def take(self, need: Need, rows: Iterable[Row]) -> None:
        """Remember loaded rows; a sealed one whose seal doesn't hold is remembered as broken."""
        search = need.column != _KEY[need.table]
        found = self._found.setdefault(need, []) if search else []
        for row in rows:
            name = (need.table, row[_KEY[need.table]])
            found.append(name[1])
            if name in self._stored:
                continue
            self._stored.add(name)
            self._rows[name] = row
            if need.table in SEALED and not self._recent.holds(need.table, row):
                self._broken.add(name)

    @property
    def broken(self) -> list[tuple[str, str]]:
        """Rows that were written from outside."""
        return sorted(self._broken)

    def apply(self, outcome: Outcome) -> None:
        """What a command writes is there for the next one in the batch."""
        for table, row in outcome.puts:
            name = (table, row[_KEY[table]])
            self._rows[name] = row
            self._changed[name] = None
            self._dropped.pop(name, None)
            for need, found in self._found.items():
                if need.table == table and row[need.column] == need.value and name[1] not in found:
                    found.append(name[1])
        if outcome.request is not None:
            self._requests[outcome.request.id] = outcome.request
        for name in outcome.drops:
            self._rows.pop(name, None)
            self._changed.pop(name, None)
            self._dropped[name] = None

    def operations(self) -> list[Operation]:
        """Everything that changed, table by table."""
        inserts: dict[str, list[Row]] = {}
        updates: dict[str, list[Row]] = {}
        for name in self._changed:
            table, row = name[0], self._rows[name]
            if table in SEALED:
                row = {**row, "mac": self._recent.keys.seal(table, row)}
                if table == "requests" and name[1] in self._requests:
                    self._recent.keep(row, self._requests[name[1]])
            (updates if name in self._stored else inserts).setdefault(table, []).append(row)
        drops: dict[str, list[str]] = {}
        for table, key in self._dropped:
            if (table, key) in self._stored:
                drops.setdefault(table, []).append(key)
        return [
            *(Insert(table, rows) for table, rows in inserts.items()),
            *(Update(table, rows) for table, rows in updates.items()),
            *(Delete(table, keys) for table, keys in drops.items()),
        ]


Result = Any | Exception


def commit(works: Sequence[Work], recent: Recent, now: datetime) -> Steps[list[Result]]:
    """Decide and write one batch; gives each work's value or exception, in order.

    Nobody else writes meanwhile: SQLite's transaction and the lock on PostgreSQL's tree head see to that.

    1. Load the tree head and what the works need.
    2. Decide each against what is loaded and what those before it did; a refusal concerns it alone.
    3. Write rows, audit events and the new head.
    """
    # 1
    keys = recent.keys
    wanted: dict[tuple[str, str], dict[str, Need]] = {}
    for work in works:
        for need in work.needs:
            wanted.setdefault((need.table, need.column), {})[need.value] = need
    loads = [Load(table, column, list(needs)) for (table, column), needs in wanted.items()]
    (head,), *found = yield [Load("tree_head", "id", [1]), *loads]
    if not keys.holds("tree_head", head):
        raise Tampered("The audit log's head was changed from outside.")
    now = max(now, head["last_at"])
    book = Book(now, recent)
    for ((_, column), needs), rows in zip(wanted.items(), found, strict=True):
        by_value: dict[str, list[Row]] = {}
        for row in rows:
            by_value.setdefault(row[column], []).append(row)
        for value, need in needs.items():
            book.take(need, by_value.get(value, ()))
    # 2
    events: list[tuple[str | None, Any]] = []
    results: list[Result] = []

    def notice(tampered: Iterable[tuple[str, str]]) -> None:
        for table, key in tampered:
            book.apply(_alarm(table, key, head["size"] + len(events), now))
            events.append((None, TamperingNoticed(table, key)))

    notice(book.broken)
    for work in works:
        outcome, result = _decide(work, book)
        book.apply(outcome)
        events += outcome.events
        notice(outcome.tampered)
        if work.runs and not isinstance(result, Exception):
            result = []
            for run in work.runs:
                result += yield [run]
        results.append(result)
    # 3
    owed = book.operations()
    if events:
        owed += _record(head, events, keys, now)
    if owed:
        yield owed
    return results


def _alarm(table: str, key: str, seq: int, now: datetime) -> Outcome:
    effect = Announce("security", "tampering", f"{table}: {key}")
    return Outcome(puts=[("outbox", announcement_row(effect, f"tampering:{seq}", "", now))])


def _decide(work: Work, book: Book) -> tuple[Outcome, Result]:
    try:
        outcome = work.run(book)
    except Refusal as refusal:
        return work.refused(refusal, book), refusal
    except Exception as defect:  # noqa: BLE001  a defect in one command must not take the others with it
        return Outcome(), defect
    return outcome, outcome.value


def _record(
    head: Mapping[str, Any], events: Sequence[tuple[str | None, Any]], keys: Keys, now: datetime
) -> list[Operation]:
    size, at = head["size"], iso(now)
    rows: list[Row] = []
    for seq, (request, event) in enumerate(events, start=size):
        kind = type(event).__name__
        body = codec.canonical({"seq": seq, "at": at, "request": request, "type": kind, "data": event})
        person = getattr(event, "person", None) if request is None else None
        rows.append(
            {
                "seq": seq,
                "request": request,
                "person": person,
                "type": kind,
                "at": now,
                "body": body,
                "leaf": leaf_hash(body),
            }
        )
    frontier = Frontier.from_bytes(size, bytes(head["peaks"])).extend(row["leaf"] for row in rows)
    after = {
        "id": 1,
        "size": frontier.size,
        "peaks": frontier.to_bytes(),
        "root": frontier.root(),
        "last_at": now,
    }
    return [
        Insert("audit_events", rows),
        Update("tree_head", [{**after, "mac": keys.seal("tree_head", after)}]),
    ]
