"""The database itself: its schema, what Countersign refuses to run on, the one who may write, keys and backups."""

from __future__ import annotations

import asyncio
import hmac
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, column, create_engine, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from flows.accounts import Account
from flows.errors import Tampered
from flows.model import Method, Stage
from handlers.conversations import Conversation, Conversations
from handlers.evidence import Auditor
from handlers.findings import Level
from handlers.house import seed_binding
from handlers.recovery import RecoveryCodes, new_codes
from handlers.subscriptions import Subscription
from storage import migrate, setup
from storage.seals import Keys
from storage.setup import DEMO, PRODUCTION, Hold, NotReady
from storage.sql import TABLES, Insert, Run, Steps, primary_key
from storage.sqlite import SqliteDriver
from storage.store import Place, Store
from storage.tables import SEALED, iso
from tests.company import SECRET_KEY, Company, Hands, Phone, company
from tests.intruder import Intruder

NEW_KEY = "the-key-that-comes-after-it-0123456789-abcdefgh"
OLD, NEW, BOTH = (SECRET_KEY,), (NEW_KEY,), (NEW_KEY, SECRET_KEY)


async def resets(acme: Company, phone: Phone, method: Method = Method.PASSKEY) -> None:
    """The main job, from the first word to the new password."""
    request = await acme.asks("password_reset", phone.person)
    await (acme.proves if method is Method.PASSKEY else acme.types)(request, phone)
    await acme.worker.drain()
    password = await acme.desk.show_secret(request.id, phone.person, phone.device)
    person = await acme.directory.person(phone.person)
    assert person is not None
    assert await acme.directory.bind(person.account, password)


async def failing(acme: Company) -> set[str]:
    findings = await Auditor.of(acme.house.settings, acme.store).verify(None)
    return {finding.check for finding in findings if finding.level is Level.FAIL}


# -- the schema -----------------------------------------------------------------------------------


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, SQLModel.metadata))


def missing_checks(connection: Connection) -> set[tuple[str, object]]:
    """CHECK constraints of the models that the database doesn't have: Alembic doesn't compare these."""
    found = inspect(connection)
    wanted = {
        (name, check.name)
        for name, table in TABLES.items()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert wanted
    return wanted - {(name, check["name"]) for name in TABLES for check in found.get_check_constraints(name)}


async def asked(url: str, question: Any) -> Any:
    place = Place.parse(url)
    if place.path is not None:
        engine = create_engine(f"sqlite:///{place.path}")
        with engine.connect() as connection:
            answer = question(connection)
        engine.dispose()
        return answer
    server = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with server.connect() as pooled:
        answer = await pooled.run_sync(question)
    await server.dispose()
    return answer


async def test_migrating_from_nothing_gives_what_the_models_say(database_url: str) -> None:
    assert await migrate.revision(database_url) is None
    await migrate.upgrade(database_url)
    assert await migrate.revision(database_url) == migrate.newest()
    assert await asked(database_url, differences) == []
    assert await asked(database_url, missing_checks) == set()


async def test_a_comparison_would_see_a_difference(database_url: str) -> None:
    await migrate.upgrade(database_url)
    await Intruder(database_url).run("ALTER TABLE devices ADD COLUMN colour TEXT")
    await Intruder(database_url).run("DROP INDEX requests_due")
    assert len(await asked(database_url, differences)) == 2


async def test_migrating_and_preparing_twice_is_harmless(database_url: str, tmp_path: Path) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        await resets(acme, await acme.enrolled("maya"))
        before = [await acme.store.fetch(select(table)) for table in TABLES.values()]
        await migrate.upgrade(database_url)
        await setup.prepare(database_url, acme.store.keys, DEMO, hands())
        assert [await acme.store.fetch(select(table)) for table in TABLES.values()] == before


async def test_sqlite_waits_for_the_disk_at_every_commit(sqlite_url: str) -> None:
    await migrate.upgrade(sqlite_url)
    path = Place.parse(sqlite_url).path
    assert path is not None
    driver = SqliteDriver(path)
    for pragma, value in (("synchronous", 2), ("journal_mode", "wal")):  # 2 is FULL
        asked = Run(select(column(pragma)).select_from(text(f"pragma_{pragma}")), {})

        def steps(asked: Run = asked) -> Steps[str | int]:
            ((row,),) = yield [asked]
            return next(iter(row.values()))

        assert await driver.transact(steps()) == value
    await driver.close()


@pytest.mark.parametrize(("fast", "meanwhile"), [(60.0, 0), (0.0, 1)])
async def test_only_a_slow_disk_is_waited_for_in_a_thread(
    sqlite_url: str, fast: float, meanwhile: int
) -> None:
    """In line nothing else happens meanwhile; with a thread the event loop goes on. Both keep the row."""
    await migrate.upgrade(sqlite_url)
    path = Place.parse(sqlite_url).path
    assert path is not None
    driver = SqliteDriver(path, fast=fast)
    happened: list[None] = []
    asyncio.get_running_loop().call_soon(happened.append, None)

    def steps() -> Steps[None]:
        yield [Insert("playbooks", [{"hash": "h", "name": "n", "version": 1, "content": "c"}])]

    await driver.transact(steps())
    assert len(happened) == meanwhile
    assert len(await driver.fetch(Run(select(TABLES["playbooks"]), {}))) == 1
    await driver.close()


def open_to_others(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("desk.db*") if path.stat().st_mode & 0o077]


async def test_the_file_is_its_owners_alone(sqlite_url: str, tmp_path: Path) -> None:
    async with company(sqlite_url, tmp_path) as acme:
        await acme.enrolled("maya")
        assert (tmp_path / "desk.db-wal").exists()
        assert open_to_others(tmp_path) == []
    assert open_to_others(tmp_path) == []


# -- what it refuses to run on --------------------------------------------------------------------


async def test_another_key_is_refused_with_the_remedy_and_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        maya = await acme.enrolled("maya")
        before = [await acme.store.fetch(select(table)) for table in TABLES.values()]
    with pytest.raises(NotReady, match=r"COUNTERSIGN_SECRET_KEY doesn't belong .* Put back the key"):
        async with company(database_url, tmp_path, hands=hands, secret_key=NEW):
            pass
    async with company(database_url, tmp_path, hands=hands) as acme:  # it is put back
        assert [await acme.store.fetch(select(table)) for table in TABLES.values()] == before
        await resets(acme, maya)


@pytest.mark.parametrize(("made", "run"), [(DEMO, PRODUCTION), (PRODUCTION, DEMO)])
async def test_demo_and_production_never_share_a_database(database_url: str, made: str, run: str) -> None:
    keys, hands = Keys(OLD), Hands()
    await setup.prepare(database_url, keys, made, hands())
    store = await Store.open(database_url, keys, clock=hands)
    await setup.examine(store, made)
    with pytest.raises(NotReady, match=f"made by the {made}; {run} never runs on it"):
        await setup.examine(store, run)
    await store.close()


async def test_a_kind_written_by_hand_is_refused(database_url: str) -> None:
    keys, hands = Keys(OLD), Hands()
    await setup.prepare(database_url, keys, DEMO, hands())
    await Intruder(database_url).change("installation", 1, kind=PRODUCTION)
    store = await Store.open(database_url, keys, clock=hands)
    with pytest.raises(NotReady):
        await setup.examine(store, PRODUCTION)
    await store.close()


async def test_a_clock_before_the_newest_event_is_refused(database_url: str, tmp_path: Path) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        await acme.enrolled("maya")
    early = Hands(hands() - timedelta(minutes=5))
    with pytest.raises(NotReady, match="Set the clock first"):
        async with company(database_url, tmp_path, hands=early):
            pass
    async with company(database_url, tmp_path, hands=Hands(hands() - timedelta(seconds=4))):
        pass  # clocks that are set by the network jitter


async def test_an_empty_database_says_what_to_run(database_url: str) -> None:
    await migrate.upgrade(database_url)
    store = await Store.open(database_url, Keys(OLD))
    with pytest.raises(NotReady, match="db upgrade"):
        await setup.examine(store, PRODUCTION)
    await store.close()


# -- who may write --------------------------------------------------------------------------------


async def test_one_process_at_a_time_may_write(database_url: str) -> None:
    first = await Hold.take(database_url)
    with pytest.raises(NotReady, match="another `serve` or command works"):
        await Hold.take(database_url)
    await first.release()
    second = await Hold.take(database_url)
    await second.release()


async def test_a_store_opened_to_read_cannot_write(database_url: str, tmp_path: Path) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        await acme.enrolled("maya")
        reader = await Store.open(database_url, acme.store.keys, clock=hands, read_only=True)
        before = await reader.fetch(select(TABLES["devices"]))
        assert len(before) == 1
        async with asyncio.timeout(5):
            with pytest.raises((PermissionError, asyncpg.ReadOnlySQLTransactionError)):
                await reader.run(TABLES["devices"].delete())
        assert await acme.store.fetch(select(TABLES["devices"])) == before
        await reader.close()


# -- another key ----------------------------------------------------------------------------------


async def reseal(url: str, hands: Hands) -> list[tuple[int, int]]:
    store = await Store.open(url, Keys(BOTH), clock=hands)
    try:
        return [step async for step in setup.reseal(store, seed_binding)]
    finally:
        await store.close()


async def test_the_whole_job_runs_under_two_keys_while_they_rotate(database_url: str, tmp_path: Path) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        maya = await acme.enrolled("maya")
    hands.forward(minutes=1)
    async with company(database_url, tmp_path, hands=hands, secret_key=BOTH) as acme:
        await resets(acme, maya)
        await resets(acme, maya, Method.CODE)
        assert await failing(acme) == set()


async def test_resealing_moves_everything_to_the_newest_key(database_url: str, tmp_path: Path) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        phones = {person: await acme.enrolled(person) for person in ("maya", "omar", "eve", "nina", "sam")}
        await resets(acme, phones["omar"])
        waiting = await acme.asks("password_reset", "maya")  # its secret waits to be collected
        await acme.proves(waiting, phones["maya"])
        await acme.worker.drain()
        consenting = await acme.asks("device_enrolment", "ravi", by="nina")  # half of its proofs are there
        await acme.proves(consenting, phones["nina"])
        ordered = await acme.asks("account_unlock", "omar")  # its order is owed
        await acme.proves(ordered, phones["omar"])
        await acme.house.accounts.connect("maya", "slack/T0ACME/U0MAYA", "CS-00000")
        teams = Account("teams", "tenant-acme", "aad-maya")
        await Conversations(acme.store).keep(Conversation(teams, "a:maya-and-us", "https://smba.example/"))
        place = Subscription(phones["maya"].device, "maya", "https://push.example/1", "p256dh", "auth")
        await acme.house.subscriptions.keep(place)
        await RecoveryCodes(acme.store).keep("maya", new_codes(), "CS-00000")

    steps = await reseal(database_url, hands)
    assert steps[-1][0] == steps[-1][1] > 20
    assert await reseal(database_url, hands) == []

    old, new = Keys(OLD), Keys(NEW)
    store = await Store.open(database_url, new, clock=hands)
    for table in SEALED:
        kept = await store.fetch(select(TABLES[table]))
        assert kept, f"nothing in {table} was put to the test"
        assert all(new.holds(table, row) and not old.holds(table, row) for row in kept)
    (secret,) = await store.fetch(select(TABLES["secrets"]))
    apps = await store.fetch(select(TABLES["authenticators"]).where(column("method") == "code"))
    assert len(apps) == len(phones)
    boxes = [(bytes(secret["sealed"]), f"{secret['key']}:{secret['person']}")]
    boxes += [(bytes(app["material"]), seed_binding(app["person"])) for app in apps]
    for box, bound_to in boxes:
        assert new.open(box, bound_to)
        with pytest.raises(Tampered):
            old.open(box, bound_to)
    await store.close()

    with pytest.raises(NotReady):
        async with company(database_url, tmp_path, hands=hands):
            pass
    hands.forward(minutes=1)
    async with company(database_url, tmp_path, hands=hands, secret_key=NEW) as acme:
        assert await failing(acme) == set()
        password = await acme.desk.show_secret(waiting.id, "maya", phones["maya"].device)
        assert await acme.directory.bind("maya.lindqvist", password)
        await acme.proves(consenting, phones["sam"])
        await acme.worker.drain()
        assert (await acme.desk.get(consenting.id)).stage is Stage.AWAITING_COLLECTION
        assert (await acme.desk.get(ordered.id)).stage is Stage.FULFILLED
        await resets(acme, phones["maya"])
        await resets(acme, phones["eve"], Method.CODE)
        assert await failing(acme) == set()


def test_a_seal_from_before_a_column_came_holds_and_covers_it_from_then_on() -> None:
    keys, at = Keys([SECRET_KEY]), datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    device = {"id": "d-1", "person": "maya", "name": "Phone", "cookie_hash": "c", "registered_at": at}
    row: dict[str, Any] = {**device, "revoked_at": None, "key": ""}
    content = ["devices", "d-1", "maya", "Phone", "c", iso(at), None]
    old = hmac.digest(keys.derive("row seal"), json.dumps(content, separators=(",", ":")).encode(), "sha256")
    row["mac"] = keys.seal("devices", row)[:4] + old
    assert keys.holds("devices", row)
    assert not keys.holds("devices", {**row, "key": "another"})
    bound = {**row, "key": "hers"}
    bound["mac"] = keys.seal("devices", bound)
    assert keys.holds("devices", bound)
    for other in ("", "another"):
        assert not keys.holds("devices", {**bound, "key": other})


async def test_resealing_mends_nothing_that_was_broken(database_url: str, tmp_path: Path) -> None:
    hands, intruder = Hands(), Intruder(database_url)
    async with company(database_url, tmp_path, hands=hands) as acme:
        maya, eve = await acme.enrolled("maya"), await acme.enrolled("eve")
        waiting = await acme.asks("password_reset", "eve")
        await acme.proves(waiting, eve)
        await acme.worker.drain()
    app = (await intruder.run("SELECT * FROM authenticators WHERE person = 'eve' AND method = 'code'"))[0]
    box = bytearray((await intruder.row("secrets", waiting.key))["sealed"])
    box[-1] ^= 1
    await intruder.change("devices", eve.device, name="Maya's phone")
    await intruder.change("authenticators", app["id"], counter=app["counter"] + 1)
    await intruder.change("secrets", waiting.key, sealed=bytes(box))
    broken = [
        await intruder.row(table, key)
        for table, key in (("devices", eve.device), ("authenticators", app["id"]), ("secrets", waiting.key))
    ]

    await reseal(database_url, hands)

    assert broken == [
        await intruder.row(table, key)
        for table, key in (("devices", eve.device), ("authenticators", app["id"]), ("secrets", waiting.key))
    ]
    async with company(database_url, tmp_path, hands=hands, secret_key=NEW) as acme:
        assert await failing(acme) == {"seals of devices", "seals of authenticators"}
        with pytest.raises(Tampered):
            await acme.desk.show_secret(waiting.id, "eve", eve.device)
        assert (await acme.house.registry.registration("eve")).proofs == ()
        await resets(acme, maya)


# -- a copy ---------------------------------------------------------------------------------------


@contextmanager
def copied(url: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Another database with the same content: a copy of the one file, or PostgreSQL's own."""
    place = Place.parse(url)
    if place.path is None:
        with request.getfixturevalue("postgres_cluster").database(make_url(url).database) as copy:
            yield copy
    else:
        shutil.copy(place.path, folder / "copy.db")
        yield f"sqlite:///{folder / 'copy.db'}"


async def test_a_copy_and_the_key_are_a_backup(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        maya = await acme.enrolled("maya")
        await resets(acme, maya)
        waiting = await acme.asks("password_reset", "maya")
        before = [await acme.store.fetch(select(table)) for table in TABLES.values()]
    with copied(database_url, tmp_path, request) as copy:
        with pytest.raises(NotReady):
            async with company(copy, tmp_path, hands=hands, secret_key=NEW):
                pass
        async with company(copy, tmp_path, hands=hands) as acme:
            assert [await acme.store.fetch(select(table)) for table in TABLES.values()] == before
            assert await failing(acme) == set()
            await acme.proves(waiting, maya)
            await acme.worker.drain()
            assert await acme.desk.show_secret(waiting.id, "maya", maya.device)
            await resets(acme, maya)


async def test_a_copy_taken_while_it_runs_is_whole(sqlite_url: str, tmp_path: Path) -> None:
    """As docs/operations.md says: with SQLite's own backup, which waits for nobody."""
    hands = Hands()
    async with company(sqlite_url, tmp_path, hands=hands) as acme:
        maya = await acme.enrolled("maya")
        await resets(acme, maya)
        path = Place.parse(sqlite_url).path
        assert path is not None
        with closing(sqlite3.connect(path)) as running, closing(sqlite3.connect(tmp_path / "hot.db")) as copy:
            running.backup(copy)
        await resets(acme, maya)
    async with company(f"sqlite:///{tmp_path / 'hot.db'}", tmp_path, hands=hands) as acme:
        assert await failing(acme) == set()
        assert len([r for r in await acme.desk.concerning("maya") if r.stage is Stage.FULFILLED]) == 1


def test_every_table_with_authority_is_sealed() -> None:
    """A table with a seal has a key of one column, so that a broken row can be named."""
    assert {name for name, table in TABLES.items() if "mac" in table.columns} == set(SEALED)
    for name in SEALED:
        assert primary_key(TABLES[name]).name not in ("", "mac")
