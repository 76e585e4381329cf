"""The hatch: connectors that fail, lie, hang or answer late, and authority that lapses in between."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.commands import GiveUp, Retry
from flows.model import Cause, Receipt, Request, Stage
from handlers.fulfilment import ATTEMPTS
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from storage.sql import TABLES
from tests.company import Company, company


@dataclass
class Moody:
    """A connector that does what the test says: raise, lose its answer, lie, or do its job."""

    verbs: frozenset[str] = frozenset({"reset_password", "unlock", "add_to_group"})
    mood: Exception | str = ""
    made: dict[str, str | None] = field(default_factory=dict)
    calls: int = 0

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        self.calls += 1
        if isinstance(self.mood, Exception):
            raise self.mood
        if self.mood == "hangs":
            await asyncio.Event().wait()
        if self.mood != "lies":
            self.made.setdefault(key, secret)
        if self.mood == "loses its answer":
            raise ConnectionResetError
        return Receipt(key, "made")

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        if self.mood == "can't be read":
            raise ConnectionResetError
        return Receipt(key, "seen") if key in self.made else None

    async def undo(self, request: Request, key: str) -> Receipt:
        raise Rejected("not here")


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
async def acme(database_url: str, tmp_path: Path, moody: Moody) -> AsyncIterator[Company]:
    async with company(database_url, tmp_path, connectors={"directory": moody}) as found:
        yield found


async def ordered(acme: Company, playbook: str = "password_reset") -> Request:
    """A request of Maya's with everything it takes."""
    maya = await acme.enrolled("maya")
    request = await acme.asks(playbook, "maya")
    return (await acme.proves(request, maya)).request


async def worked(acme: Company, times: int = 1) -> None:
    """Let the worker try that often, each time after its pause."""
    for _ in range(times):
        await acme.worker.drain()
        acme.hands.forward(minutes=3)


async def stage(acme: Company, request: Request) -> Stage:
    return (await acme.desk.get(request.id)).stage


async def ledger(acme: Company) -> list[str]:
    return [row["state"] for row in await acme.store.fetch(select(TABLES["operations"]))]


async def test_a_lost_answer_is_found_by_reading_back(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    moody.mood = "loses its answer"
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_FULFILMENT
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_COLLECTION
    assert moody.calls == 1


async def test_the_secret_is_made_once_however_often_it_is_tried(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    moody.mood = Unreachable("down")
    await worked(acme, 3)
    moody.mood = ""
    await worked(acme)
    maya = (await acme.desk.get(request.id)).verification
    assert maya is not None
    assert await acme.desk.show_secret(request.id, "maya", maya.device) == moody.made[request.key]


@pytest.mark.parametrize(
    ("no", "cause"),
    [
        (Rejected, Cause.OTHER),
        (MissingRight, Cause.RIGHT),
        (NoAccount, Cause.ACCOUNT),
        (PolicyRefused, Cause.POLICY),
    ],
)
async def test_a_no_from_the_system_ends_it_and_leaves_no_secret(
    acme: Company, moody: Moody, no: type[Rejected], cause: Cause
) -> None:
    request = await ordered(acme)
    moody.mood = no("It is managed elsewhere.")
    await worked(acme)
    assert await stage(acme, request) is Stage.FAILED
    over = await acme.desk.get(request.id)
    assert (over.reason, over.cause) == ("It is managed elsewhere.", cause)
    assert await ledger(acme) == ["rejected"]
    assert await acme.store.fetch(select(TABLES["secrets"])) == []
    assert await acme.worker.outbox.waiting() == (0, None)


@pytest.mark.parametrize("mood", ["lies", "can't be read", Unreachable("down")])
async def test_what_cant_be_confirmed_goes_to_a_person(
    acme: Company, moody: Moody, mood: Exception | str
) -> None:
    request = await ordered(acme)
    moody.mood = mood
    await worked(acme, ATTEMPTS + 2)
    assert await stage(acme, request) is Stage.AWAITING_OPERATOR
    assert moody.calls <= ATTEMPTS
    assert ("desk_agent", "handed_over") in {(who, what) for who, what, _ in acme.mailbox.announced}


async def test_the_person_can_have_it_tried_again_or_close_it(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    moody.mood = Unreachable("down")
    await worked(acme, ATTEMPTS + 1)
    with pytest.raises(no.NotYoursToSettle):
        await acme.desk.submit(request.id, Retry("eve"))
    moody.mood = ""
    await acme.desk.submit(request.id, Retry("ravi"))
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_COLLECTION


async def test_closing_a_case_deletes_its_secret(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    moody.mood = Unreachable("down")
    await worked(acme, ATTEMPTS + 1)
    await acme.desk.submit(request.id, GiveUp("ravi"))
    assert await stage(acme, request) is Stage.FAILED
    assert await acme.store.fetch(select(TABLES["secrets"])) == []


async def test_a_hanging_connector_is_left_at_its_deadline(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    acme.worker.fulfilment.deadline = 0.01
    moody.mood = "hangs"
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_FULFILMENT
    moody.mood = ""
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_COLLECTION


async def test_without_a_valid_proof_nothing_is_done(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    acme.hands.forward(hours=2)  # the proof lasts one
    await worked(acme)
    assert await stage(acme, request) is Stage.FAILED
    assert moody.calls == 0
    assert ("security", "not_authorised") in {(who, what) for who, what, _ in acme.mailbox.announced}


async def test_a_change_that_arrived_is_confirmed_after_its_proof_has_lapsed(
    acme: Company, moody: Moody
) -> None:
    request = await ordered(acme)
    moody.mood = "loses its answer"
    await worked(acme)
    acme.hands.forward(hours=2)
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_COLLECTION
    assert moody.calls == 1


async def test_a_change_that_may_have_arrived_is_never_called_not_made(acme: Company, moody: Moody) -> None:
    request = await ordered(acme)
    moody.mood = "lies"
    await worked(acme)
    acme.hands.forward(hours=2)
    await worked(acme)
    assert await stage(acme, request) is Stage.AWAITING_OPERATOR
    assert moody.calls == 1


async def test_somebody_who_left_gets_no_change(acme: Company, moody: Moody, tmp_path: Path) -> None:
    request = await ordered(acme)
    with sqlite3.connect(tmp_path / "directory.db") as db:
        db.execute("UPDATE people SET active = 0 WHERE id = 'maya'")
    await worked(acme)
    assert await stage(acme, request) is Stage.FAILED
    assert moody.calls == 0
