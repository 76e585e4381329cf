"""What one transition of a request costs, beside the same rows committed by a bare driver.

Ours is `Desk.submit`, its facts looked up beforehand: the request is loaded and its seal checked; decide, evolve
and react; then a commit of the state, two audit events in the Merkle tree, what is owed and the tree's head, all
sealed; then the log line, which goes to /dev/null. Two transitions can be measured:

  report  the connector's receipt: ChangeConfirmed and SecretReady. State, two audit events, one owed effect.
  prove   a passkey's checked answer: Verified and FulfilmentOrdered. The same and the evidence and the ledger's
          first entry; the request's digest is computed anew.

The ceiling writes the same rows, but no tree head, without any logic, each transition a transaction of its own:
sqlite3 (WAL, synchronous=FULL) on one connection, because SQLite has one writer; or asyncpg, a round trip a row
and two more, on one connection a caller (fsync on, loopback, server and client on different cores).
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # `python bench/transition.py` finds the house as -m does

import asyncpg
from sqlalchemy import func, select

from bench.measure import Contest, Plan, Sample, alone, apart, arguments, compete, race
from bench.report import report
from flows.commands import BeginProof, Command, Prove, ReportConfirmed, Submit
from flows.digest import request_digest
from flows.model import Assurance, Checked, Facts, Method, Origin, Person, Playbook, Receipt, Request, Stage
from flows.request import decide
from flows.ruling import Ruling
from flows.state import evolve
from handlers import logs, playbooks
from handlers.desk import Desk, Parties
from storage import codec, rows, setup
from storage.postgres import PostgresDriver
from storage.seals import Keys
from storage.sql import TABLES, Insert, Steps
from storage.sqlite import SqliteDriver
from storage.store import Place, Store, utc_now
from tests.company import handing_out
from tests.peers import postgres

EXAMPLE = "python bench/transition.py --quick --check --json"
SECRET_KEY = "a-secret-key-for-benchmarks-only-0123456789"  # noqa: S105  of a database that is thrown away
GOALS = {("SQLite", 1): 0.6, ("SQLite", 32): 3.0, ("PostgreSQL", 1): 0.6, ("PostgreSQL", 32): 2.0}
#: Requests prepared for every second of a run, by callers. A run that uses them all up ends early.
WAITING = {1: 3_000, 32: 8_000}
BEFORE = {"report": Stage.AWAITING_FULFILMENT.value, "prove": Stage.AWAITING_PROOF.value}
#: What a transition writes besides the state and the tree's head.
WRITTEN = {
    "report": ("audit_events", "outbox"),
    "prove": ("audit_events", "outbox", "verifications", "operations"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One side's run on a database of its own. `server` is PostgreSQL's first process, or 0."""

    transition: str
    url: str
    callers: int
    seconds: float
    started: datetime
    server: int = 0

    @property
    def waiting(self) -> int:
        """How many requests it needs at most."""
        return round(WAITING[self.callers] * self.seconds * 1.25)  # the unmeasured beginning needs some too


# -- what both sides start from ---------------------------------------------------------------------------


async def prepare(case: Case) -> None:
    """Fill an empty database with requests that wait for their proof, and let one of them through."""
    keys = Keys([SECRET_KEY])
    await setup.prepare(case.url, keys, setup.PRODUCTION, case.started)
    playbook = playbooks.load(handing_out()).by_name["password_reset"]
    made = (rows.request_row(waiting(case, n, playbook), f"twin-{n}") for n in range(case.waiting + 1))
    sealed = [{**row, "mac": keys.seal("requests", row)} for row in made]

    def steps() -> Steps[None]:
        yield [Insert("requests", sealed)]

    place = Place.parse(case.url)
    if place.path is not None:
        driver = SqliteDriver(place.path)
        await driver.transact(steps())
        await driver.close()
    else:
        server = await PostgresDriver.open(place.url)
        await server.transact(steps())
        await server.close()
    async with _desk(replace(case, callers=1, seconds=0.001)) as (desk, commands):
        await desk.submit(*commands[0])


def waiting(case: Case, number: int, playbook: Playbook) -> Request:
    """A request as its own person opened it and began to prove themself, or did: each at a time of its own."""
    person, now = f"person-{number:05}", case.started + timedelta(microseconds=number)
    facts = known(person, playbook, now)
    origin = Origin("slack", "T024BE7LD", "U2147483697", "D024BFF1M")
    (opened,) = decide(None, Submit(f"CS-{number:05}", playbook.name, person, person, origin, {}, {}), facts)
    request = evolve(None, opened, now)
    (issued,) = decide(request, BeginProof(person, Method.PASSKEY), facts)
    request = evolve(request, issued, now)
    if case.transition == "report":
        for event in decide(request, proof(request), facts):
            request = evolve(request, event, now)
    return request


def known(id: str, playbook: Playbook, now: datetime) -> Facts:
    """What the desk would find out about this person, who asks for themself and has a passkey."""
    person, methods = Person(id, f"Maya {id}", id), frozenset({Method.PASSKEY})
    return Facts(
        now,
        playbook,
        person,
        person,
        methods,
        nonce=secrets.token_hex(32),
        actor=person,
        unfrozen=frozenset({person.id}),
        codes_count=True,
        may_prompt=True,
        may_ask_others=frozenset({"approvers", "others"}),
        waiting="",
        ruling=Ruling(True),
    )


def proof(request: Request) -> Prove:
    """What the passkey verifier passes on when the answer is right."""
    nonce, digest = request.challenges[0].nonce, request_digest(request)
    sure = Assurance.PHISHING_RESISTANT
    return Prove(request.prover, Checked(Method.PASSKEY, nonce, digest, sure, "a-device", "an-authenticator"))


# -- ours -----------------------------------------------------------------------------------------------


class Prefetched(Desk):
    """A desk whose facts were looked up beforehand: the directory's speed isn't what is measured."""

    def __init__(self, store: Store, found: playbooks.Playbooks, facts: Mapping[str, Facts]) -> None:
        super().__init__(store, found, None, None, None, {})  # type: ignore[arg-type]  nobody else is asked
        self.facts = facts

    async def _facts(self, id: str, command: Command) -> tuple[Facts, Parties]:
        person = self.facts[id].requester.id
        return self.facts[id], Parties(person, person, (person,))


@asynccontextmanager
async def _desk(case: Case) -> AsyncIterator[tuple[Desk, list[tuple[str, Command]]]]:
    """The desk on its store, and what it will be asked.

    A passkey's challenge lives two minutes, so the store's clock runs from when the database was prepared.
    """
    behind = utc_now() - case.started
    store = await Store.open(case.url, Keys([SECRET_KEY]), clock=lambda: utc_now() - behind)
    found = playbooks.load(handing_out())
    table = TABLES["requests"]
    chosen = select(table.c.state).where(table.c.stage == BEFORE[case.transition]).limit(case.waiting)
    requests = [codec.request(row["state"]) for row in await store.fetch(chosen)]
    facts = {r.id: known(r.prover, found.by_hash[r.playbook_hash], case.started) for r in requests}
    receipt = ReportConfirmed(Receipt("reset-0001", "changed at 2026-11-22T09:09:51Z"))
    commands = [(r.id, receipt if case.transition == "report" else proof(r)) for r in requests]
    try:
        yield Prefetched(store, found, facts), commands
    finally:
        await store.close()


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
        for table in WRITTEN[case.transition]:
            (row,) = await desk.store.fetch(select(func.count().label("kept")).select_from(TABLES[table]))
            expected = (done + 1) * (2 if table == "audit_events" else 1)
            assert row["kept"] == expected, f"{table} holds {row['kept']} rows of {done + 1} transitions"
        return sample


def ours(case: Case) -> Sample:
    """Desk.submit; afterwards everything that was counted must be in the database."""
    if case.server:
        apart(case.server)
    _log_to_nowhere()
    return asyncio.run(_ours(case))


def _log_to_nowhere() -> None:
    """Every line is made and written as `serve` does it, but to /dev/null."""
    with redirect_stderr(Path(os.devnull).open("w")):  # stays open as long as the process
        logs.configure("json")


# -- the ceiling ----------------------------------------------------------------------------------------

_UPDATE = "UPDATE requests SET stage = $1, version = $2, due_at = $3, state = $4, mac = $5 WHERE id = $6"

Fetch = Callable[[str], Awaitable[Sequence[Sequence[Any]]]]


async def _transactions(case: Case, fetch: Fetch) -> Iterator[list[tuple[str, Sequence[Any]]]]:
    """The statements of one transaction after the other: the rows that one of ours wrote, under other keys."""
    before = f"stage = '{BEFORE[case.transition]}'"  # names of tables and stages are our own
    ids = [id for (id,) in await fetch(f"SELECT id FROM requests WHERE {before}")]  # noqa: S608
    (state,) = await fetch(
        f"SELECT stage, version, due_at, state, mac FROM requests WHERE NOT {before}"  # noqa: S608
    )
    inserts = []
    for table in WRITTEN[case.transition]:
        names = [column.name for column in TABLES[table].columns]
        places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
        text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608
        written = await fetch(f"SELECT * FROM {table}")  # noqa: S608
        inserts += [(text, names.index("request"), row) for row in written]

    def statements() -> Iterator[list[tuple[str, Sequence[Any]]]]:
        for number, id in enumerate(itertools.cycle(ids), start=1):
            transaction: list[tuple[str, Sequence[Any]]] = [(_UPDATE, (*state, id))]
            for index, (text, request, row) in enumerate(inserts):
                values = list(row)
                values[0] = number * 10 + index if isinstance(row[0], int) else f"{row[0]}:{number}"
                values[request] = id
                transaction.append((text, values))
            yield transaction

    return statements()


async def _bare_sqlite(case: Case) -> Sample:
    db = sqlite3.connect(case.url.removeprefix("sqlite:///"), isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")

    async def fetch(text: str) -> list[Any]:
        return db.execute(text).fetchall()

    transactions = await _transactions(case, fetch)

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
    transactions = await _transactions(case, connections[0].fetch)

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
    parser = arguments(__doc__ or "", EXAMPLE)
    parser.add_argument("--transition", choices=WRITTEN, default="report", help="which one (report)")
    given = parser.parse_args()
    plan = Plan.of(given)
    _log_to_nowhere()
    case = Case(given.transition, "", max(WAITING), plan.seconds, utc_now())
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
        return report(f"transition: {given.transition}", plan, contests, compete(plan, contests))


if __name__ == "__main__":
    sys.exit(main())
