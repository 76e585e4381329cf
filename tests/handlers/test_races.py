"""Many at once: whoever comes first wins, the others read why not, and nothing happens twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.commands import Cancel
from flows.events import Refused
from flows.model import Method, Stage
from handlers.deliveries import Deliveries, Delivery
from handlers.desk import Along
from handlers.evidence import Auditor
from handlers.findings import Level
from handlers.ports import Question, Verdict, Verifier
from storage.book import BATCH, Outcome, Work
from storage.sql import TABLES
from storage.store import Store
from tests.company import ON_DEVICE, Company, Hands, company

MANY = 50


async def at_once(attempts: Sequence[Awaitable[Any]]) -> tuple[list[Any], Counter[str]]:
    """What the winners got, and how often each refusal was given. Anything but a refusal is a defect."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    defects = [r for r in results if isinstance(r, BaseException) and not isinstance(r, no.Refusal)]
    if defects:
        raise defects[0]
    refused = Counter(r.kind for r in results if isinstance(r, no.Refusal))
    return [r for r in results if not isinstance(r, no.Refusal)], refused


async def happened(acme: Company, kind: str) -> int:
    events = TABLES["audit_events"]
    return len(await acme.store.fetch(select(events.c.seq).where(events.c.type == kind)))


async def whole(acme: Company) -> None:
    """The log's tree still gives its sealed root."""
    assert (await Auditor.of(acme.house.settings, acme.store).tree()).level is Level.PASS


class Abreast:
    """A verifier whose judgements are given out together, so that every answer is judged before one is committed."""

    def __init__(self, verifier: Verifier, many: int) -> None:
        self.method, self.assurance = verifier.method, verifier.assurance
        self.ask, self.recheck = verifier.ask, verifier.recheck
        self._verifier = verifier
        self._all_here = asyncio.Barrier(many)

    async def check(self, question: Question, answer: Mapping[str, str], now: datetime) -> Verdict:
        verdict = await self._verifier.check(question, answer, now)
        await self._all_here.wait()
        return verdict


def judged_together(acme: Company, method: Method, many: int) -> None:
    acme.desk.verifiers = {method: Abreast(acme.desk.verifiers[method], many)}


# -- people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(Method))
async def test_of_fifty_right_answers_to_one_challenge_one_wins(
    database_url: str, tmp_path: Path, method: Method
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("password_reset", "maya")
        if method is Method.PASSKEY:
            assert maya.passkeys is not None
            _, asked = await acme.desk.begin(request.id, "maya", method)
            answers = [{"credential": maya.passkeys.get(asked)} for _ in range(MANY)]
        else:
            _, number = await acme.desk.number(request.id)
            answers = [{"number": number, "code": maya.code(acme.hands())}] * MANY
        judged_together(acme, method, MANY)
        won, refused = await at_once(
            [acme.desk.answer(request.id, "maya", maya.device, method, answer) for answer in answers]
        )
        assert len(won) == 1
        assert refused == {"OutOfTurn": MANY - 1}
        await acme.worker.drain()
        assert [await happened(acme, kind) for kind in ("Verified", "FulfilmentOrdered")] == [1, 1]
        assert await acme.directory.changes("maya.lindqvist") == 1
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
        await whole(acme)


async def test_one_code_confirms_one_of_two_requests(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya", passkey=False)
        both = ("password_reset", "account_unlock")
        requests = [await acme.asks(playbook, "maya", origin=ON_DEVICE) for playbook in both]
        code = maya.code(acme.hands())
        numbers = [(await acme.desk.number(request.id))[1] for request in requests]
        judged_together(acme, Method.CODE, 2)
        won, refused = await at_once(
            [
                acme.desk.answer(r.id, "maya", maya.device, Method.CODE, {"number": n, "code": code})
                for r, n in zip(requests, numbers, strict=True)
            ]
        )
        assert len(won) == 1
        assert refused == {"UsedAlready": 1}
        await acme.worker.drain()
        assert await happened(acme, "Verified") == 1
        assert await acme.directory.changes("maya.lindqvist") == 1
        (left,) = [r for r in requests if r.id != won[0].request.id]
        assert (await acme.desk.get(left.id)).stage is Stage.AWAITING_PROOF


async def test_of_fifty_asking_for_the_same_change_one_request_is_opened(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        opened, refused = await at_once([acme.asks("password_reset", "maya") for _ in range(MANY)])
        assert len(opened) == 1
        assert refused == {"AlreadyOpen": MANY - 1}
        assert [r.id for r in await acme.desk.concerning("maya")] == [opened[0].id]
        assert await happened(acme, "Opened") == 1
        await whole(acme)


async def test_of_fifty_looks_at_a_secret_one_sees_it(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("password_reset", "maya")
        await acme.proves(request, maya)
        await acme.worker.drain()
        shown, refused = await at_once(
            [acme.desk.show_secret(request.id, "maya", maya.device) for _ in range(MANY)]
        )
        assert len(shown) == 1
        assert refused == {"AlreadyClosed": MANY - 1}
        assert await acme.directory.bind("maya.lindqvist", shown[0])
        assert await happened(acme, "SecretShown") == 1
        assert await acme.store.fetch(select(TABLES["secrets"])) == []


async def test_two_approvers_at_once_make_one_change(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        nina, sam, omar = [await acme.enrolled(person) for person in ("nina", "sam", "omar")]
        request = await acme.asks("device_enrolment", "maya", by="nina")
        await acme.proves(request, nina)
        won, refused = await at_once([acme.proves(request, sam), acme.proves(request, omar)])
        assert len(won) == 1
        assert refused.total() == 1
        await acme.worker.drain()
        assert [await happened(acme, kind) for kind in ("Approved", "FulfilmentOrdered")] == [1, 1]
        assert await happened(acme, "InvitationIssued") == 4  # three for those above, and Maya's


# -- one commit for all that wait -----------------------------------------------------------------


class Ticking(Hands):
    """A clock that moves at every look, so that events of one commit, and only they, share their time."""

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


async def together(store: Store, works: Sequence[Work]) -> list[Any]:
    """Have them all wait before the first is decided, so that they become one batch."""
    return await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)


def note(n: int, id: str = "") -> Work:
    """A command that leaves one row and one event."""
    row = {"id": id or f"note:{n}", "request": "note", "field": str(n), "salt": b"", "content": str(n)}

    def run(_: object) -> Outcome:
        return Outcome(value=n, events=[(None, Refused("Note", "maya", str(n)))], puts=[("clear_texts", row)])

    return Work(run)


async def noted(store: Store) -> list[int]:
    rows = await store.fetch(select(TABLES["clear_texts"]))
    return sorted(int(row["content"]) for row in rows)


async def recorded(store: Store) -> list[dict[str, Any]]:
    events = TABLES["audit_events"]
    return await store.fetch(select(events).where(events.c.type == "Refused").order_by(events.c.seq))


async def test_a_refused_command_among_sixty_three_good_ones_fails_alone(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path, hands=Ticking()) as acme:

        def say_no(_: object) -> Outcome:
            raise no.OutOfTurn

        refusing = Work(
            say_no, refused=lambda r, book: Outcome(events=[(None, Refused("No", "eve", r.kind))])
        )
        works = [note(n) for n in range(BATCH - 1)]
        results = await together(acme.store, [*works[:20], refusing, *works[20:]])
        assert isinstance(results.pop(20), no.OutOfTurn)
        assert results == list(range(BATCH - 1))
        assert await noted(acme.store) == results
        events = await recorded(acme.store)
        assert len(events) == BATCH  # the refusal is on record, in its place
        assert b"OutOfTurn" in bytes(events[20]["body"])
        assert len({event["at"] for event in events}) == 1  # one commit
        await whole(acme)


async def test_a_defect_in_one_command_leaves_the_others_alone(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path, hands=Ticking()) as acme:

        def broken(_: object) -> Outcome:
            raise LookupError("a defect")

        works = [note(n) for n in range(BATCH - 1)]
        results = await together(acme.store, [*works[:20], Work(broken), *works[20:]])
        assert isinstance(results.pop(20), LookupError)
        assert await noted(acme.store) == results == list(range(BATCH - 1))
        assert len({event["at"] for event in await recorded(acme.store)}) == 1
        await whole(acme)


async def test_whoever_is_answered_goes_on_before_the_whole_queue_is_done(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        writes = [asyncio.create_task(acme.store.write(note(n))) for n in range(3 * BATCH)]
        await writes[0]
        assert not writes[-1].done()
        await asyncio.gather(*writes)
        assert await noted(acme.store) == list(range(3 * BATCH))


async def test_a_collision_in_a_batch_fails_alone_and_the_others_happen_once(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path, hands=Ticking()) as acme:
        await acme.store.write(note(1000, id="taken"))
        works = [note(n) for n in range(BATCH - 1)]
        results = await together(acme.store, [*works[:20], note(2000, id="taken"), *works[20:]])
        assert isinstance(results.pop(20), no.Conflict)
        assert results == list(range(BATCH - 1))
        assert await noted(acme.store) == [*results, 1000]
        assert len(await recorded(acme.store)) == BATCH  # with the one before: nothing is on record twice
        await whole(acme)


async def test_what_a_delivery_brought_is_decided_one_time_however_often_it_is_taken_up(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with company(sqlite_url, tmp_path) as acme:
        await acme.enrolled("maya")
        deliveries = Deliveries(acme.store)
        await deliveries.take(Delivery("slack:press", b"{}"))
        both = ("password_reset", "account_unlock")
        first, other = [await acme.asks(each, "maya", origin=ON_DEVICE) for each in both]
        along = Along(delivery="slack:press")
        await acme.desk.submit(first.id, Cancel("maya"), along)
        with pytest.raises(no.Repeated):
            await acme.desk.submit(other.id, Cancel("maya"), along)
        with pytest.raises(no.Repeated):
            await acme.desk.open("add_device", "maya", "maya", {}, other.origin, delivery="slack:press")
        assert (await acme.desk.get(other.id)).stage is Stage.AWAITING_PROOF
