"""Wearing people down, and resting: counted for each person, in the database, whatever was asked and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.commands import BeginProof, Cancel, Disown
from flows.events import Disowned
from flows.model import DEVICE_PAGE, Method, Origin, Stage
from flows.standing import FAILURES, FAILURES_IN_ALL
from storage.sql import TABLES
from tests.company import ON_DEVICE, TERMINAL, Company, Hands, Phone, company
from tests.intruder import Intruder

ORIGINS = [
    TERMINAL,
    Origin("slack", "T1", "U1", "D1"),
    Origin("teams", "tenant", "maya", "a:1"),
]
SECURITY = "sam"
ANOTHER = {"password_reset": "account_unlock", "account_unlock": "password_reset"}


async def mistype(acme: Company, phone: Phone, playbook: str, times: int) -> None:
    """So many wrong numbers, in as many requests as that takes: three close one."""
    wrong = 0
    while wrong < times:
        request = await acme.asks(playbook, phone.person)
        await acme.desk.number(request.id)
        while wrong < times and not (await acme.desk.get(request.id)).stage.closed:
            await acme.types(request, phone, number="000 000")
            wrong += 1
        if not (await acme.desk.get(request.id)).stage.closed:
            await acme.desk.submit(request.id, Cancel(phone.person))
        acme.hands.forward(minutes=11)  # or asking again would be too often
        playbook = ANOTHER[playbook]


async def alarms(acme: Company) -> list[str]:
    await acme.worker.drain()
    return [detail for audience, notice, detail in acme.mailbox.announced if notice == "alarm" and detail]


async def events(acme: Company, kind: str) -> list[dict[str, object]]:
    table = TABLES["audit_events"]
    told = select(table.c.body).where(table.c.type == kind).order_by(table.c.seq)
    return [json.loads(bytes(row["body"]))["data"] for row in await acme.store.fetch(told)]


# -- prompts --------------------------------------------------------------------------------


async def test_a_hundred_starts_from_three_channels_are_three_prompts_and_one_alert(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        opened = 0
        for number in range(100):
            origin, playbook = ORIGINS[number % 3], ("password_reset", "account_unlock")[number % 2]
            try:
                request = await acme.asks(playbook, "maya", origin=origin)
            except no.PromptedEnough:
                continue
            opened += 1
            await acme.desk.submit(request.id, Cancel("maya"))
            acme.hands.forward(seconds=0.6)
        assert opened == 3
        assert len([person for person, notice, _ in await told(acme) if notice == "challenge"]) <= 3
        assert len(await alarms(acme)) == 1
        assert set(await acme.refusals()) == {"PromptedEnough"}


async def told(acme: Company) -> list[tuple[str, str, str]]:
    await acme.worker.drain()
    return acme.mailbox.told


async def test_no_more_than_ten_a_day_until_they_succeed_or_start_it_themselves(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        for _ in range(10):
            request = await acme.asks("password_reset", "maya")
            await acme.desk.submit(request.id, Cancel("maya"))
            acme.hands.forward(minutes=11)
        with pytest.raises(no.PromptedEnough):
            await acme.asks("account_unlock", "maya")
        here = Origin(DEVICE_PAGE, "localhost", maya.device, "Maya's phone")
        own = await acme.asks("account_unlock", "maya", origin=here)
        await acme.proves(own, maya)
        assert await acme.asks("password_reset", "maya"), "a success forgets what was counted before"


async def test_another_initiator_has_a_count_of_their_own(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        for _ in range(3):
            request = await acme.asks("password_reset", "maya", by="ravi")
            await acme.desk.submit(request.id, Cancel("maya"))
        with pytest.raises(no.NotForThem):
            await acme.asks("password_reset", "maya", by="ravi")
        assert await acme.asks("password_reset", "maya")


async def test_one_request_at_a_time_asks_a_person_to_confirm(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        first = await acme.asks("password_reset", "maya")
        with pytest.raises(no.AnotherWaits, match=first.id):
            await acme.asks("account_unlock", "maya")
        await acme.proves(first, maya)
        second = await acme.asks("account_unlock", "maya")
        acme.hands.forward(minutes=10)
        await acme.house.clock.tick()
        assert (await acme.desk.get(second.id)).stage is Stage.EXPIRED
        assert await acme.asks("account_unlock", "maya")


async def test_approvers_and_others_are_asked_ten_and_thirty_times_an_hour_by_the_same_person(
    sqlite_url: str, tmp_path: Path
) -> None:
    """On one's own device page as well, and whatever succeeded in between."""
    async with company(sqlite_url, tmp_path) as acme:
        maya, omar = await acme.enrolled("maya"), await acme.enrolled("omar")
        why = {"group": "finance-share", "review": "90 days", "justification": "Closing the quarter"}
        for _ in range(10):
            request = await acme.asks("group_access", "maya", answers=why, origin=ON_DEVICE)
            await acme.proves(request, maya)
            await acme.desk.submit(request.id, Cancel("maya"))
        with pytest.raises(no.AskedEnough):
            await acme.asks("group_access", "maya", answers=why, origin=ON_DEVICE)
        assert await acme.asks("account_unlock", "maya", origin=ON_DEVICE)
        worry = {"justification": "She sounds odd."}
        for _ in range(30):
            request = await acme.asks("freeze_person", "eve", by="omar", answers=worry, origin=ON_DEVICE)
            await acme.desk.submit(request.id, Cancel("omar"))
        with pytest.raises(no.AskedEnough):
            await acme.asks("freeze_person", "eve", by="omar", answers=worry, origin=ON_DEVICE)
        acme.hands.forward(hours=1)
        assert await acme.asks("freeze_person", "eve", by="omar", answers=worry, origin=ON_DEVICE)
        assert omar


# -- wrong answers --------------------------------------------------------------------------


async def test_two_hundred_wrong_answers_lock_and_then_the_right_one_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    """Over restarted requests of two types: the tenth within a day locks, and nothing is counted after it."""
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya", passkey=False)
        tried = taken = 0
        for _ in range(20):
            try:
                request = await acme.asks("password_reset", "maya")
            except no.CodesRest:
                tried += 10
                continue
            await acme.desk.number(request.id)
            for _ in range(10):
                tried += 1
                try:
                    await acme.types(request, maya, number="000 000")
                    taken += 1
                except no.Refusal:
                    pass
            if not (await acme.desk.get(request.id)).stage.closed:
                await acme.desk.submit(request.id, Cancel("maya"))
            acme.hands.forward(minutes=11)
        assert (tried, taken) == (200, FAILURES)
        with pytest.raises(no.CodesRest):
            await acme.asks("account_unlock", "maya")
        assert len(await events(acme, "CodesLocked")) == 1
        assert len(await alarms(acme)) == 1
        acme.hands.forward(days=1)
        request = await acme.asks("password_reset", "maya")
        assert await acme.types(request, maya), "after a day the right one counts"


async def test_the_right_number_and_code_are_refused_on_a_request_that_was_open_before_the_lock(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        await mistype(acme, maya, "password_reset", FAILURES - 2)
        request = await acme.asks("password_reset", "maya")
        _, number = await acme.desk.number(request.id)
        for _ in range(2):
            await acme.types(request, maya, number="000 000")
        with pytest.raises(no.CodesRest):
            await acme.types(request, maya, number=number)
        await acme.proves(request, maya)
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_FULFILMENT, "a passkey always counts"


async def test_fifty_in_all_lock_until_security_lifts_it(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, security = await acme.enrolled("maya", passkey=False), await acme.enrolled(SECURITY)
        for _ in range(FAILURES_IN_ALL // (FAILURES - 1) + 1):
            left = FAILURES_IN_ALL - await failed(acme)
            await mistype(acme, maya, "password_reset", min(FAILURES - 1, left))
            acme.hands.forward(days=1, hours=1)
        assert await failed(acme) == FAILURES_IN_ALL
        acme.hands.forward(days=30)
        with pytest.raises(no.CodesRest):
            await acme.asks("password_reset", "maya")
        await lift(acme, security)
        assert await acme.asks("password_reset", "maya")


async def failed(acme: Company) -> int:
    table = TABLES["standings"]
    (row,) = await acme.store.fetch(select(table).where(table.c.person == "maya")) or [
        {"state": '{"failed":0}'}
    ]
    return int(json.loads(row["state"])["failed"])


async def lift(acme: Company, phone: Phone) -> None:
    why = {"justification": "I spoke with Maya in person."}
    request = await acme.asks("lift_freeze", "maya", by=phone.person, answers=why)
    await acme.proves(request, phone)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED


# -- "I didn't ask for this" ----------------------------------------------------------------


async def test_disowning_closes_everything_freezes_every_role_and_alarms(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, security = await acme.enrolled("maya"), await acme.enrolled(SECURITY)
        access = await acme.asks(
            "group_access",
            "maya",
            answers={"group": "finance-share", "review": "90 days", "justification": "Quarter"},
        )
        await acme.proves(access, maya)
        reset = await acme.asks("password_reset", "maya", origin=ORIGINS[1])
        decision = await acme.desk.submit(reset.id, Disown("maya"))
        assert Disowned in decision
        await acme.worker.drain()
        assert (await acme.desk.get(reset.id)).stage is Stage.DISOWNED
        assert (await acme.desk.get(access.id)).stage is Stage.CANCELLED
        assert ("security", "alarm", "") in acme.mailbox.announced
        with pytest.raises(no.Frozen):
            await acme.asks("account_unlock", "maya")
        with pytest.raises(no.NotForThem):
            await acme.asks("account_unlock", "maya", by="ravi")
        assert (await acme.refusals())[-1] == "PersonRests"
        frozen = await events(acme, "PersonFrozen")
        assert [(each["person"], each["by"]) for each in frozen] == [("maya", "maya")]
        await lift(acme, security)
        assert await acme.asks("account_unlock", "maya")


async def test_a_change_that_wasnt_sent_yet_is_halted(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("password_reset", "maya")
        await acme.proves(request, maya)
        await acme.desk.submit(request.id, Disown("maya"))
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.FAILED
        assert await acme.directory.changes("maya.lindqvist") == 0


async def test_a_lost_device_is_removed_all_the_same_and_nobody_lifts_their_own(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, security = await acme.enrolled("maya"), await acme.enrolled(SECURITY)
        lost = await acme.asks("device_revocation", "maya", answers={"device": maya.device})
        await acme.proves(lost, maya)
        for phone in (maya, security):
            request = await acme.asks("password_reset", phone.person, origin=ON_DEVICE)
            await acme.desk.submit(request.id, Disown(phone.person))
        await acme.worker.drain()
        assert (await acme.desk.get(lost.id)).stage is Stage.FULFILLED
        with pytest.raises(no.Frozen):  # nor anything else: security recalls devices for her
            await acme.asks("add_device", "maya")
        why = {"justification": "It's fine."}
        with pytest.raises(no.NotYoursToAsk):
            await acme.asks("lift_freeze", SECURITY, by=SECURITY, answers=why)
        with pytest.raises(no.Frozen):
            await acme.asks("lift_freeze", "maya", by=SECURITY, answers=why)


async def test_whoever_lifts_freezes_is_frozen_by_themselves_alone(database_url: str, tmp_path: Path) -> None:
    """Or one desk agent could put all of security to rest."""
    async with company(database_url, tmp_path) as acme:
        security, ravi = await acme.enrolled(SECURITY), await acme.enrolled("ravi")
        why = {"justification": "He sounds odd."}
        for person in (SECURITY, "nina"):
            with pytest.raises(no.NotYoursToAsk):
                await acme.asks("freeze_person", person, by="ravi", answers=why)
        own = await acme.asks("freeze_person", SECURITY, answers=why)
        await acme.proves(own, security)
        await acme.worker.drain()
        acme.hands.forward(hours=23)
        with pytest.raises(no.Frozen):
            await acme.asks("password_reset", SECURITY)
        assert ravi


async def test_a_lift_is_halted_with_whoever_asked_for_it_and_lifts_nothing_that_came_later(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, security = await acme.enrolled("maya"), await acme.enrolled(SECURITY)
        why = {"justification": "I spoke with Maya in person."}
        first = await acme.asks("password_reset", "maya")
        lift = await acme.asks("lift_freeze", "maya", by=SECURITY, answers=why)
        acme.hands.forward(seconds=1)
        await acme.desk.submit(first.id, Disown("maya"))
        await acme.proves(lift, security)
        await acme.worker.drain()
        assert (await acme.desk.get(lift.id)).stage is Stage.FAILED, "it was asked before she was frozen"
        lift = await acme.asks("lift_freeze", "maya", by=SECURITY, answers=why)
        await acme.proves(lift, security)
        await acme.desk.submit(lift.id, Disown(SECURITY))
        await acme.worker.drain()
        assert (await acme.desk.get(lift.id)).stage is Stage.FAILED
        with pytest.raises(no.Frozen):
            await acme.asks("password_reset", "maya")
        assert maya


async def test_a_freeze_by_somebody_else_lapses_after_an_hour_unless_security_confirms_it(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        omar, security = await acme.enrolled("omar"), await acme.enrolled(SECURITY)
        why = {"justification": "She says that somebody writes in her name."}
        for confirmed in (False, True):
            acme.hands.forward(days=2)
            request = await acme.asks("freeze_person", "maya", by="omar", answers=why)
            await acme.proves(request, omar)
            await acme.worker.drain()
            with pytest.raises(no.Frozen):
                await acme.asks("password_reset", "maya")
            if confirmed:
                kept = await acme.asks("keep_frozen", "maya", by=SECURITY, answers=why)
                await acme.proves(kept, security)
                await acme.worker.drain()
            acme.hands.forward(hours=1)
            if confirmed:
                with pytest.raises(no.Frozen):
                    await acme.asks("password_reset", "maya")
                acme.hands.forward(hours=23)
            request = await acme.asks("password_reset", "maya")
            await acme.desk.submit(request.id, Cancel("maya"))
            again = await acme.asks("freeze_person", "maya", by="omar", answers=why)
            await acme.proves(again, omar)
            await acme.worker.drain()
            assert (await acme.desk.get(again.id)).stage is Stage.FAILED, "security has had its time to look"


async def test_a_freeze_that_was_written_away_is_noticed_and_still_halts_the_change(
    database_url: str, tmp_path: Path
) -> None:
    """An old row with a good seal is put back: the log knows better."""
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("password_reset", "maya")
        intruder = Intruder(database_url)
        before = await intruder.row("standings", "maya")
        await acme.proves(request, maya)
        await acme.desk.submit(request.id, Disown("maya"))
        await intruder.drop("standings", "maya")
        await intruder.put("standings", before)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.FAILED
        assert "standings" in {each["table"] for each in await events(acme, "TamperingNoticed")}


async def test_what_was_counted_survives_a_restart(database_url: str, tmp_path: Path) -> None:
    hands = Hands()
    async with company(database_url, tmp_path, hands=hands) as acme:
        maya = await acme.enrolled("maya")
        await mistype(acme, maya, "password_reset", FAILURES)
    async with company(database_url, tmp_path, hands=hands) as acme:
        request = await acme.asks("password_reset", "maya")
        with pytest.raises(no.CodesRest):
            await acme.desk.submit(request.id, BeginProof("maya", Method.CODE))
