"""What one transition of a request costs, beside the same rows committed by a bare driver.

Ours is `Desk.submit` with a passkey's checked answer, its facts looked up beforehand: the request is loaded and
its seal checked; decide, evolve and react; then one commit of Verified and FulfilmentOrdered: the state, two
audit events in the Merkle tree and one owed effect, all sealed, and besides them the evidence, the ledger's first
entry and the tree's head, which the other side doesn't write; then the log line, which goes to /dev/null.

The ceiling is a transaction of its own for the same state, two audit events and effect, without any logic:
sqlite3 (WAL, synchronous=FULL) on one connection, because SQLite has one writer, or asyncpg in six round trips
on one connection a caller (fsync on, loopback, server and client on different cores).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]  # so that `python bench/transition.py` works

import asyncpg
from sqlalchemy import func, select

from bench.measure import Contest, Plan, Sample, alone, apart, compete, options, race, report
from flows.commands import BeginProof, Command, Prove, Submit
from flows.digest import request_digest
from flows.model import Assurance, Checked, Facts, Method, Origin, Person, Playbook, Request
from flows.request import decide, evolve
from handlers import logs, playbooks
from handlers.desk import Desk
from storage import codec, rows, setup
from storage.postgres import PostgresDriver
from storage.seals import Keys
from storage.sql import TABLES, Insert, Operation
from storage.sqlite import SqliteDriver
from storage.store import Place, Store, utc_now
from tests.peers import postgres

EXAMPLE = "python bench/transition.py --quick --check --json"
SECRET_KEY = "a-secret-key-for-benchmarks-only-0123456789"  # noqa: S105  of a database that is thrown away
GOALS = {("SQLite", 1): 0.6, ("SQLite", 32): 3.0, ("PostgreSQL", 1): 0.6, ("PostgreSQL", 32): 2.0}
#: Requests prepared for every second of a run, by callers. A run that uses them all up ends early.
WAITING = {1: 4_000, 32: 15_000}
_LEAD = 1.25  # the run's unmeasured beginning needs requests too


@dataclass(frozen=True, slots=True)
class Case:
    """One side's run on a database of its own. `server` is PostgreSQL's first process, or 0."""

    url: str
    callers: int
    seconds: float
    started: datetime
    server: int = 0

    @property
    def waiting(self) -> int:
        """How many requests it needs at most."""
        return round(WAITING[self.callers] * self.seconds * _LEAD)


# -- what both sides start from ---------------------------------------------------------------------------


async def prepare(case: Case) -> None:
    """Fill an empty database with requests that wait for their proof, and let one of them through."""
    keys = Keys([SECRET_KEY])
    await setup.prepare(case.url, keys, setup.PRODUCTION, case.started)
    playbook = playbooks.load(ROOT / "playbooks").by_name["password_reset"]
    made = (rows.request_row(waiting(n, playbook, case.started)) for n in range(case.waiting + 1))
    sealed = [{**row, "mac": keys.seal("requests", row)} for row in made]

    def steps() -> Generator[Operation, Any, None]:
        yield Insert("requests", sealed)

    place = Place.parse(case.url)
    if place.path is not None:
        driver = SqliteDriver(place.path)
        driver.transact(steps())
        driver.close()
    else:
        server = await PostgresDriver.open(place.url)
        await server.transact(steps())
        await server.close()
    async with _desk(replace(case, callers=1, seconds=0.001)) as (desk, commands):
        await desk.submit(*commands[0])


def waiting(number: int, playbook: Playbook, now: datetime) -> Request:
    """A request as its own person opened it and began to prove themself."""
    person = f"person-{number:05}"
    facts = known(person, playbook, now)
    origin = Origin("slack", "T024BE7LD", "U2147483697", "D024BFF1M")
    (opened,) = decide(None, Submit(f"CS-{number:05}", playbook.name, person, person, origin, {}, {}), facts)
    request = evolve(None, opened, now)
    (issued,) = decide(request, BeginProof(person, Method.PASSKEY), facts)
    return evolve(request, issued, now)


def known(id: str, playbook: Playbook, now: datetime) -> Facts:
    """What the desk would find out about this person, who asks for themself and has a passkey."""
    person, methods = Person(id, f"Maya {id}", id), frozenset({Method.PASSKEY})
    return Facts(now, playbook, person, person, methods, nonce=secrets.token_hex(32), actor=person)


# -- ours -----------------------------------------------------------------------------------------------


class Prefetched(Desk):
    """A desk whose facts were looked up beforehand: the directory's speed isn't what is measured."""

    def __init__(self, store: Store, found: playbooks.Playbooks, facts: Mapping[str, Facts]) -> None:
        super().__init__(store, found, None, None, {})  # type: ignore[arg-type]  nobody else is asked
        self.facts = facts

    async def _facts(self, id: str, command: Command) -> Facts:
        return self.facts[id]


@asynccontextmanager
async def _desk(case: Case) -> AsyncIterator[tuple[Desk, list[tuple[str, Prove]]]]:
    """The desk on its store, and what it will be asked.

    A passkey's challenge lives two minutes, so the store's clock runs from when the database was prepared.
    """
    behind = utc_now() - case.started
    store = await Store.open(case.url, Keys([SECRET_KEY]), clock=lambda: utc_now() - behind)
    found = playbooks.load(ROOT / "playbooks")
    table = TABLES["requests"]
    chosen = select(table.c.state).where(table.c.stage == "awaiting_proof").limit(case.waiting)
    requests = [codec.request(row["state"]) for row in await store.fetch(chosen)]
    facts = {r.id: known(r.prover, found.by_hash[r.playbook_hash], case.started) for r in requests}
    try:
        yield Prefetched(store, found, facts), [(r.id, Prove(r.prover, _checked(r))) for r in requests]
    finally:
        await store.close()


def _checked(request: Request) -> Checked:
    """What the passkey verifier says when the answer is right."""
    nonce, digest = request.challenges[0].nonce, request_digest(request)
    return Checked(
        Method.PASSKEY, nonce, digest, Assurance.PHISHING_RESISTANT, "a-device", "an-authenticator"
    )


async def _ours(case: Case) -> Sample:
    async with _desk(case) as (desk, commands):
        asked, done = iter(commands), 0

        async def step(caller: int) -> bool:
            nonlocal done
            if (command := next(asked, None)) is None:
                return False
            await desk.submit(*command)
            done += 1
            return True

        sample = await race(step, case.callers, case.seconds, case.server)
        for table, each in {"audit_events": 2, "outbox": 1, "verifications": 1, "operations": 1}.items():
            (row,) = await desk.store.fetch(select(func.count().label("kept")).select_from(TABLES[table]))
            assert row["kept"] == each * (done + 1), f"{table} holds {row['kept']} rows of {done} transitions"
        return sample


def ours(case: Case) -> Sample:
    """Desk.submit; afterwards everything that was counted must be in the database."""
    if case.server:
        apart(case.server)
    _log_to_nowhere()
    return asyncio.run(_ours(case))


def _log_to_nowhere() -> None:
    """Every line is made and written as `serve` does it, but to /dev/null."""
    with redirect_stderr(Path(os.devnull).open("w")):  # noqa: SIM115  open as long as the process lives
        logs.configure("json")


# -- the ceiling ----------------------------------------------------------------------------------------

_READ = (
    "SELECT stage, version, due_at, state, mac FROM requests WHERE stage = 'awaiting_fulfilment'",
    "SELECT request, type, at, body, leaf FROM audit_events ORDER BY seq",
    "SELECT request, kind, body, due_at, attempts, lease_until, mac FROM outbox",
    "SELECT id FROM requests WHERE stage = 'awaiting_proof'",
)
_UPDATE = "UPDATE requests SET stage = $1, version = $2, due_at = $3, state = $4, mac = $5 WHERE id = $6"
_EVENT = "INSERT INTO audit_events (request, type, at, body, leaf, seq) VALUES ($1, $2, $3, $4, $5, $6)"
_EFFECT = (
    "INSERT INTO outbox (request, kind, body, due_at, attempts, lease_until, mac, key)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)


def _transactions(read: Sequence[Sequence[Any]]) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """The rows that one transition of ours wrote, again and again, under other keys."""
    (state,), (first, second), (effect,), ids = read
    for number, (id,) in enumerate(itertools.cycle(ids), start=1):
        yield [
            (_UPDATE, (*state, id)),
            (_EVENT, (*first, 2 * number)),
            (_EVENT, (*second, 2 * number + 1)),
            (_EFFECT, (*effect, f"{id}:carry_out:{number}")),
        ]


async def _bare_sqlite(case: Case) -> Sample:
    db = sqlite3.connect(case.url.removeprefix("sqlite:///"), isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    transactions = _transactions([db.execute(text).fetchall() for text in _READ])

    async def step(caller: int) -> bool:
        db.execute("BEGIN IMMEDIATE")
        for text, values in next(transactions):
            db.execute(text, values)
        db.execute("COMMIT")
        return True

    sample = await race(step, case.callers, case.seconds)
    db.close()
    return sample


async def _bare_asyncpg(case: Case) -> Sample:
    connections = [await asyncpg.connect(case.url) for _ in range(case.callers)]
    transactions = _transactions([await connections[0].fetch(text) for text in _READ])

    async def step(caller: int) -> bool:
        db = connections[caller]
        async with db.transaction():
            for text, values in next(transactions):
                await db.execute(text, *values)
        return True

    sample = await race(step, case.callers, case.seconds, case.server)
    for db in connections:
        await db.close()
    return sample


def ceiling(case: Case) -> Sample:
    """Every transition a transaction of its own, through the bare driver."""
    if not case.server:
        return asyncio.run(_bare_sqlite(case))
    apart(case.server)
    return asyncio.run(_bare_asyncpg(case))


# -- the contest ----------------------------------------------------------------------------------------

Copies = Callable[[], AbstractContextManager[str]]  # the URL of a fresh copy of a prepared database


@contextmanager
def sqlite_copies(case: Case, home: Path) -> Iterator[Copies]:
    """A prepared SQLite file, to be copied for each run."""
    original = home / "prepared.db"
    asyncio.run(prepare(replace(case, url=f"sqlite:///{original}")))
    db = sqlite3.connect(original)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that one file is all of it
    db.close()

    @contextmanager
    def copy() -> Iterator[str]:
        with tempfile.TemporaryDirectory(dir=home) as folder:
            path = Path(shutil.copy(original, Path(folder) / "desk.db"))
            with path.open("rb") as file:
                os.fsync(file)  # its pages are on the disk before anybody is measured
            yield f"sqlite:///{path}"

    yield copy


@contextmanager
def postgres_copies(case: Case, cluster: postgres.Cluster) -> Iterator[Copies]:
    """A prepared PostgreSQL database, to be copied for each run."""
    with cluster.database() as original:
        asyncio.run(prepare(replace(case, url=original)))

        @contextmanager
        def copy() -> Iterator[str]:
            with cluster.database(template=original.rpartition("/")[2]) as url:
                asyncio.run(_checkpoint(url))
                yield url

        yield copy


async def _checkpoint(url: str) -> None:
    db = await asyncpg.connect(url)
    await db.execute("CHECKPOINT")
    await db.close()


def run(side: Callable[[Case], Sample], case: Case, copies: Copies) -> Sample:
    """One side, once, in a fresh process on a fresh copy."""
    with copies() as url:
        return alone(side, replace(case, url=url))


def main() -> int:
    """Prepare both stores, let the sides compete, report."""
    plan = options(__doc__ or "", EXAMPLE)
    _log_to_nowhere()
    case = Case("", max(WAITING), plan.seconds, utc_now())
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        stores = {"SQLite": (stack.enter_context(sqlite_copies(case, home)), 0)}
        if absent := postgres.missing():
            print(f"PostgreSQL is left out: {absent}", file=sys.stderr)
        else:
            cluster = stack.enter_context(postgres.running(durable=True))
            stores["PostgreSQL"] = (stack.enter_context(postgres_copies(case, cluster)), cluster.pid)
        contests = []
        for (store, callers), goal in GOALS.items():
            if store in stores:
                copies, server = stores[store]
                its = replace(case, callers=callers, server=server)
                sides = [partial(run, side, its, copies) for side in (ours, ceiling)]
                name = f"{store}, {callers} caller{'s' if callers > 1 else ''}"
                contests.append(Contest(name, *sides, goal))
        return report("transition", plan, contests, compete(plan, contests))


if __name__ == "__main__":
    sys.exit(main())
