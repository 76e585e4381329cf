"""SIGKILL at fifty random moments in each window: one change, and the request finishes all the same.

The two windows are those between a commit and the world: from the commit that orders a change to the change
in the directory, and from there to the report on it. Moments are random; the seed is printed, and
CRASH_SEED repeats the draw (not the machine's mood).
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import secrets
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import select

from flows.commands import Cancel
from flows.model import Request, Stage
from handlers.evidence import Auditor
from handlers.findings import Level
from handlers.ports import Closing
from storage.setup import Hold
from storage.sql import TABLES
from storage.store import Place
from tests.company import Company, Hands, Phone, company, handing_out
from tests.crash import child
from tests.crash.child import Job, Order
from tests.peers import slapd
from tests.peers.slapd import Slapd

ROOT = Path(__file__).parents[2]
MOMENTS = 50  # in each window, on each store
ENOUGH = 0.6  # of them have to hit the window; the others fall just before or just after
LANES = 2  # installations that are killed side by side
ROUNDS = 20  # for requests that are being opened

CONTEXT = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> None:
    """A process that has imported what a child needs, and pytest, which multiprocessing has every child import."""
    CONTEXT.set_forkserver_preload(["pytest", "tests.crash.child"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def seed() -> int:
    found = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    sys.stdout.write(f"CRASH_SEED={found}\n")
    return found


@pytest.fixture
def second_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """One more database on the same store."""
    if Place.parse(database_url).path is not None:
        yield f"sqlite:///{tmp_path / 'second.db'}"
        return
    with request.getfixturevalue("postgres_cluster").database() as url:
        yield url


# -- killing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """What a child said before it went: each word's first time, and every name that came with it."""

    at: dict[str, float] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def between(self, one: str, other: str) -> float:
        return self.at[other] - self.at[one]


def killed(job: Job, order: Order, since: str, delay: float, nth: int = 1) -> Heard:
    """Start a child and kill it `delay` seconds after it said a word for the nth time, or let it finish earlier."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=child.work, args=(job, order, theirs))
    process.start()
    theirs.close()
    heard, end = Heard(), time.monotonic() + 60
    with closing(ours):
        while ours.poll(max(0.0, end - time.monotonic())):
            try:
                word, at, name = ours.recv()
            except EOFError:
                break
            heard.names.setdefault(word, []).append(name)
            heard.at.setdefault(word, at)
            if word == since and len(heard.names[word]) == nth:
                end = at + delay
        process.kill()
        process.join()
        while ours.poll(0):  # what it said in its last moment counts as said
            try:
                word, at, name = ours.recv()
            except EOFError:
                break
            heard.at.setdefault(word, at)
            heard.names.setdefault(word, []).append(name)
    assert since in heard.at, f"the child ended with {process.exitcode} after saying {list(heard.at)}"
    return heard


async def disconnected(url: str) -> None:
    """Until PostgreSQL has noticed that the dead don't speak. SQLite knows at once."""
    place = Place.parse(url)
    if place.path is not None:
        return
    db = await asyncpg.connect(place.url)
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(20):
        while await db.fetchval(others):  # noqa: ASYNC110  nobody tells when a backend has gone
            await asyncio.sleep(0.001)
    await db.close()


# -- an installation that is killed again and again -----------------------------------------------


@dataclass
class Lane:
    """One installation, its killer's dice, and how long each window was found to be."""

    url: str
    folder: Path
    chance: random.Random
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    hands: Hands = field(default_factory=Hands)
    phone: Phone | None = None
    person: str = "maya"
    name: str = ""  # of the person's account, where there is a real server
    server: Slapd | None = None
    changes: int = 0
    lengths: dict[str, float] = field(default_factory=dict)

    @property
    def playbooks(self) -> Path:
        return self.folder / "playbooks"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Company]:
        """As `serve` starts: alone on the database, what the one before had claimed is free."""
        await disconnected(self.url)
        hold = await Hold.take(self.url)
        try:
            connector, people = child.directory(self.folder, self.entry)
            at_work = company(
                self.url,
                self.folder,
                connectors={"directory": connector} if self.server else None,
                people=people if self.server else None,
                hands=self.hands,
                playbooks=self.playbooks,
            )
            async with self.starting:  # Alembic migrates one database at a time in a process
                acme = await at_work.__aenter__()
            async with AsyncExitStack() as stack:
                if isinstance(connector, Closing):
                    stack.push_async_callback(connector.close)
                stack.push_async_exit(at_work)
                await acme.worker.outbox.release()
                yield acme
        finally:
            await hold.release()

    async def settle(self, *playbooks: str) -> None:
        self.playbooks.mkdir(parents=True)
        shutil.copytree(handing_out() / "rules", self.playbooks / "rules")
        for name in playbooks:
            shutil.copy(handing_out() / f"{name}.yaml", self.playbooks)
            with (self.playbooks / f"{name}.yaml").open("a") as page:
                page.write("\njustification: true\n")
        async with self.open() as acme:
            people = [self.person] if self.server else ["maya", "omar", "nina", "sam"]
            self.phone, *_ = [await acme.enrolled(person, passkey=False) for person in people]

    def order(self) -> Order:
        """The next thing to do, a minute later: a sign-in app's code works once."""
        self.hands.forward(minutes=1)
        assert self.phone is not None
        seed, code = self.chance.randrange(10**6), self.phone.code(self.hands())
        at = Order(self.url, self.folder, self.playbooks, self.hands(), seed, self.phone.device, code)
        return replace(at, person=self.person, server=self.entry)

    @property
    def entry(self) -> Mapping[str, object] | None:
        return self.server.entry() if self.server else None

    async def made(self, acme: Company) -> int:
        """How many changes were really made to this person's account."""
        if self.server is not None:
            return self.server.changes(slapd.dn(self.name))
        return await acme.directory.changes("maya.lindqvist")

    async def signs_in(self, acme: Company, password: str) -> bool:
        if self.server is not None:
            return self.server.signs_in(self.name, password)
        return await acme.directory.bind("maya.lindqvist", password)

    def draw(self, window: str, word: str, before: tuple[str, str]) -> tuple[str, float]:
        """When to kill: mostly inside the window, sometimes just before, sometimes a little after its end."""
        if self.chance.random() < 0.1:
            return before[0], self.chance.uniform(0, self.lengths[before[1]])
        return word, self.chance.uniform(0, self.lengths[window] * 1.05)

    def learn(self, window: str, *, late: bool) -> None:
        """The machine's pace changes: a kill that came too late makes the next ones earlier."""
        self.lengths[window] *= 0.8 if late else 1.03


async def applied(lane: Lane, acme: Company, request: Request) -> int:
    """How often the directory made this request's change. A real one keeps no keys: its changes are counted."""
    if lane.server is not None:
        return await lane.made(acme) - lane.changes
    folder = lane.folder
    with closing(sqlite3.connect(folder / "directory.db")) as db:
        (count,) = db.execute("SELECT count(*) FROM applied WHERE key = ?", (request.key,)).fetchone()
    return int(count)


async def believed(acme: Company, *requests: str) -> None:
    """The log's tree is whole, and each request's events fold to its row."""
    auditor = Auditor.of(acme.house.settings, acme.store)
    findings = [await auditor.tree(), *[await auditor.history(id) for id in requests]]
    assert [finding for finding in findings if finding.level is not Level.PASS] == []


async def recovered(lane: Lane, heard: Heard) -> str:
    """Start again after the kill, finish, check everything; gives where the kill had hit."""
    (id,) = heard.names["answering"]
    assert lane.phone is not None
    async with lane.open() as acme:
        request = await acme.desk.get(id)
        match request.stage, await applied(lane, acme, request):
            case Stage.AWAITING_PROOF, 0:
                where = "before the order"
                assert "ordered" not in heard.at  # what was acknowledged was kept
                await acme.types(request, lane.phone)
            case Stage.AWAITING_FULFILMENT, 0:
                where = "before the change"
                assert "changed" not in heard.at
            case Stage.AWAITING_FULFILMENT, 1:
                where = "before the report"
                assert "reported" not in heard.at
            case Stage.AWAITING_COLLECTION, 1:
                where = "after the report"
            case found:
                pytest.fail(f"{id} was left as {found}")
        await acme.worker.drain()
        assert (await acme.desk.get(id)).stage is Stage.AWAITING_COLLECTION
        assert await applied(lane, acme, request) == 1
        lane.changes += 1
        assert await lane.made(acme) == lane.changes
        password = await acme.desk.show_secret(id, lane.person, lane.phone.device)
        assert await lane.signs_in(acme, password)
        assert (await acme.desk.get(id)).stage is Stage.FULFILLED
        await acme.worker.drain()
        assert await acme.store.fetch(select(TABLES["outbox"])) == []
        await believed(acme, id)
    return where


WINDOWS = {
    "before the change": ("ordered", ("answering", "answering to ordered")),
    "before the report": ("changed", ("calling", "calling to changed")),
}


async def worked(lane: Lane, window: str, moments: int) -> Counter[str]:
    """One lane's share of the kills in a window; gives where they hit."""
    await lane.settle("password_reset")
    for _ in range(2):  # without a kill, to see how long everything takes
        heard = await asyncio.to_thread(killed, child.reset, lane.order(), "reported", 60)
        lane.lengths = {
            "answering to ordered": heard.between("answering", "ordered"),
            "calling to changed": heard.between("calling", "changed"),
            "before the change": heard.between("ordered", "changed"),
            "before the report": heard.between("changed", "reported") * 0.75,  # the rest is telling people
        }
        assert await recovered(lane, heard) == "after the report"
    word, before = WINDOWS[window]
    hits: Counter[str] = Counter()
    for _ in range(moments):
        since, delay = lane.draw(window, word, before)
        heard = await asyncio.to_thread(killed, child.reset, lane.order(), since, delay)
        where = await recovered(lane, heard)
        hits[where] += 1
        if since == word:
            order = ["before the order", *WINDOWS, "after the report"]
            lane.learn(window, late=order.index(where) > order.index(window))
    return hits


@pytest.mark.parametrize("window", list(WINDOWS))
async def test_a_kill_makes_neither_no_change_nor_two(
    database_url: str, second_url: str, tmp_path: Path, seed: int, window: str
) -> None:
    starting = asyncio.Lock()
    lanes = [
        Lane(url, tmp_path / f"lane-{n}", random.Random(seed + n), starting)
        for n, url in enumerate((database_url, second_url))
    ]
    share = [MOMENTS // LANES] * LANES
    hits = sum(
        await asyncio.gather(*(worked(lane, window, n) for lane, n in zip(lanes, share, strict=True))),
        Counter[str](),
    )
    sys.stdout.write(f"{window}: {dict(hits)}\n")
    assert hits.total() == MOMENTS
    assert hits[window] >= ENOUGH * MOMENTS, f"too few hit: {hits}"


@pytest.mark.slapd
@pytest.mark.parametrize("moments", [MOMENTS, pytest.param(4 * MOMENTS, marks=pytest.mark.slow)])
async def test_a_kill_between_proof_and_done_is_one_change_at_a_real_directory(
    openldap: Slapd, tmp_path: Path, seed: int, moments: int
) -> None:
    starting = asyncio.Lock()
    lanes = []
    for n in range(LANES):
        name, folder = f"kim{secrets.token_hex(4)}", tmp_path / f"lane-{n}"
        url, person = f"sqlite:///{tmp_path / f'{n}.db'}", openldap.hire(name)
        chance = random.Random(seed + n)
        lane = Lane(url, folder, chance, starting, person=person, name=name, server=openldap)
        lane.hands.forward(
            hours=-12
        )  # a minute goes by for each kill, and the server's clock is the real one
        lanes.append(lane)
    hits = sum(await asyncio.gather(*(anywhere(lane, moments // LANES) for lane in lanes)), Counter[str]())
    sys.stdout.write(f"at OpenLDAP: {dict(hits)}\n")
    assert hits.total() == moments
    assert all(hits[window] for window in WINDOWS), f"one was never hit: {hits}"
    assert sum(hits[window] for window in WINDOWS) >= ENOUGH * moments, f"too few hit: {hits}"


async def anywhere(lane: Lane, moments: int) -> Counter[str]:
    """One lane's share of kills at any moment from the order to the report; gives where they hit."""
    await lane.settle("password_reset")
    heard = await asyncio.to_thread(killed, child.reset, lane.order(), "reported", 60)
    whole = heard.between("ordered", "reported")
    assert await recovered(lane, heard) == "after the report"
    hits: Counter[str] = Counter()
    for _ in range(moments):
        delay = lane.chance.uniform(0, whole)
        where = await recovered(
            lane, await asyncio.to_thread(killed, child.reset, lane.order(), "ordered", delay)
        )
        hits[where] += 1
        whole *= 0.9 if where == "after the report" else 1.02
    return hits


# -- a kill while requests are being opened -------------------------------------------------------


async def agreed(acme: Company, heard: Heard) -> int:
    """State, log, what is owed and what was written speak of the same requests; gives how many were just opened."""
    rows = await acme.store.fetch(select(TABLES["requests"]))
    standing = {row["id"] for row in rows if row["closed_at"] is None}
    assert set(heard.names.get("opened", ())) <= standing  # acknowledged is kept
    events = await acme.store.fetch(select(TABLES["audit_events"]))
    told = {json.loads(bytes(e["body"]))["data"]["id"] for e in events if e["type"] == "Opened"}
    assert told == {row["id"] for row in rows}
    owed = await acme.store.fetch(select(TABLES["outbox"]))
    assert {row["key"] for row in owed} == {f"{id}:1:{effect}" for id in standing for effect in (0, 1)}
    assert all(acme.store.keys.holds("outbox", row) for row in owed)
    texts = await acme.store.fetch(select(TABLES["clear_texts"]))
    assert {row["request"] for row in texts} == told
    await believed(acme, *standing)
    return len(standing)


async def test_a_kill_while_requests_are_opened_leaves_each_whole_or_not_at_all(
    database_url: str, tmp_path: Path, seed: int
) -> None:
    lane = Lane(database_url, tmp_path / "lane", random.Random(seed))
    await lane.settle("password_reset", "account_unlock")
    heard = await asyncio.to_thread(killed, child.open_eight, lane.order(), "reported", 60)
    counts: list[int] = []
    for _ in range(ROUNDS + 1):
        async with lane.open() as acme:
            counts.append(await agreed(acme, heard))
            for request in [
                r for person in ("maya", "omar", "nina", "sam") for r in await acme.desk.concerning(person)
            ]:
                if not request.stage.closed:
                    await acme.desk.submit(request.id, Cancel(request.subject))
            await acme.worker.drain()
        nth, delay = lane.chance.randrange(6), lane.chance.uniform(0, 0.004)
        since = "opened" if nth else "opening"
        heard = await asyncio.to_thread(killed, child.open_eight, lane.order(), since, delay, max(nth, 1))
    sys.stdout.write(f"opened before each kill: {counts}\n")
    assert counts[0] == 8  # the one that was let live
    assert sum(0 < count < 8 for count in counts[1:]) >= ROUNDS / 3, f"too few hit in the middle: {counts}"
