"""One passkey is removed, by its owner or by an administrator: what it can't do any more, who is told, what holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.events import ChallengeFailed
from flows.model import Method, Request, Stage, Wrong
from flows.news import What
from flows.registration import Authenticator
from handlers.evidence import Auditor
from handlers.findings import Level
from storage.sql import TABLES
from tests.authenticator import SoftAuthenticator
from tests.company import ON_DEVICE, Company, Phone, company
from tests.intruder import Intruder


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    async with company(sqlite_url, tmp_path) as running:
        yield running


async def with_two(acme: Company, person: str = "maya") -> tuple[Phone, SoftAuthenticator, Authenticator]:
    """Somebody's phone, a second passkey on it, and that passkey as the registry knows it."""
    phone = await acme.enrolled(person, app=False)
    key = await acme.adds(phone, "Key on my key ring")
    await acme.store.run(TABLES["outbox"].delete().where(TABLES["outbox"].c.key.startswith("news:")))
    (kept,) = [each for each in await passkeys(acme, person) if each.name]
    return phone, key, kept


async def passkeys(acme: Company, person: str) -> tuple[Authenticator, ...]:
    return (await acme.house.registry.registration(person)).passkeys


async def removed(acme: Company, phone: Phone, key: Authenticator) -> Request:
    """One of their own passkeys, confirmed with the one on the phone, and made."""
    request = await acme.asks("passkey_revocation", phone.person, answers={"passkey": key.short})
    await acme.proves(request, phone)
    await acme.worker.drain()
    return await acme.desk.get(request.id)


async def log(acme: Company, kind: str) -> list[dict[str, object]]:
    events = TABLES["audit_events"]
    found = await acme.store.fetch(select(events.c.body).where(events.c.type == kind))
    return [json.loads(bytes(row["body"]))["data"] for row in found]


async def test_a_removed_passkey_proves_nothing_and_the_other_goes_on(acme: Company) -> None:
    phone, key, kept = await with_two(acme)
    over = await removed(acme, phone, kept)
    assert (over.stage, over.receipt and over.receipt.observed) == (
        Stage.FULFILLED,
        f"Passkey {kept.short} of maya counts no more.",
    )
    assert await acme.house.registry.authenticator(kept.id) is None, "it signs nobody in"
    reset = await acme.asks("password_reset", "maya")
    _, asked = await acme.desk.begin(reset.id, "maya", Method.PASSKEY)
    assert kept.id not in [each["id"] for each in asked["allowCredentials"]]  # type: ignore[attr-defined]
    answer = {"credential": key.get({**asked, "allowCredentials": []})}
    decision = await acme.desk.answer(reset.id, "maya", phone.device, Method.PASSKEY, answer)
    assert decision.events == (ChallengeFailed("maya", Wrong.PASSKEY, 1),)
    await acme.proves(reset, phone)
    assert (await acme.desk.get(reset.id)).stage is Stage.AWAITING_FULFILMENT


async def test_it_is_on_record_and_told_to_its_owner_and_to_security(acme: Company) -> None:
    phone, _, kept = await with_two(acme)
    over = await removed(acme, phone, kept)
    gone = {"person": "maya", "device": phone.device, "authenticator": kept.id, "by": over.id}
    assert await log(acme, "AuthenticatorRevoked") == [gone]
    told = [(news.person, news.what, news.device) for news in acme.mailbox.notified]
    assert told == [("maya", What.PASSKEY_REVOKED, "maya's phone")]
    assert [said[:2] for said in acme.mailbox.announced] == [("security", "opened"), ("security", "closed")]
    assert (await Auditor(acme.store, {}).registered()).level is Level.PASS


async def test_what_was_signed_before_it_went_comes_too_late(acme: Company) -> None:
    phone, key, kept = await with_two(acme)
    reset = await acme.asks("password_reset", "maya", origin=ON_DEVICE)
    _, asked = await acme.desk.begin(reset.id, "maya", Method.PASSKEY)
    signed = {"credential": key.get({**asked, "allowCredentials": []})}
    request = await acme.asks("passkey_revocation", "maya", "", {"passkey": kept.short}, ON_DEVICE)
    await acme.proves(request, phone)
    await acme.worker.drain()
    decision = await acme.desk.answer(reset.id, "maya", phone.device, Method.PASSKEY, signed)
    assert ChallengeFailed in decision
    assert (await acme.desk.get(reset.id)).stage is Stage.AWAITING_PROOF


async def test_it_can_be_removed_with_itself(acme: Company) -> None:
    phone, key, kept = await with_two(acme)
    request = await acme.asks("passkey_revocation", "maya", answers={"passkey": kept.short})
    _, asked = await acme.desk.begin(request.id, "maya", Method.PASSKEY)
    answer = {"credential": key.get({**asked, "allowCredentials": [{"id": kept.id, "type": "public-key"}]})}
    await acme.desk.answer(request.id, "maya", phone.device, Method.PASSKEY, answer)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
    assert kept.id not in [each.id for each in await passkeys(acme, "maya")]


async def test_the_last_on_a_device_and_somebody_elses_cant_be_asked_for(acme: Company) -> None:
    await acme.enrolled("maya", app=False)
    _, _, eves = await with_two(acme, "eve")
    (alone,) = await passkeys(acme, "maya")
    for named in (alone.short, eves.short, alone.id, "nobody's"):
        with pytest.raises(no.UnreadableAnswer):
            await acme.asks("passkey_revocation", "maya", answers={"passkey": named})
    assert len(await passkeys(acme, "eve")) == 2


async def test_of_two_that_are_asked_for_at_once_the_second_stays_and_says_why(acme: Company) -> None:
    phone, _, kept = await with_two(acme)
    (other,) = [each for each in await passkeys(acme, "maya") if each.id != kept.id]
    both = [
        await acme.asks("passkey_revocation", "maya", "", {"passkey": each.short}, ON_DEVICE)
        for each in (kept, other)
    ]
    for request in both:
        await acme.proves(request, phone)
    await acme.worker.drain()
    first, second = [await acme.desk.get(request.id) for request in both]
    assert {first.stage, second.stage} == {Stage.FULFILLED, Stage.FAILED}
    assert no.LastOnDevice().sentence in (first.reason, second.reason)
    assert len(await passkeys(acme, "maya")) == 1


async def test_an_administrator_recalls_one_with_one_more_person(acme: Company) -> None:
    _, _, kept = await with_two(acme)
    sam, nina = await acme.enrolled("sam"), await acme.enrolled("nina")
    with pytest.raises(no.NotYoursToAsk):
        await acme.asks("passkey_recall", "maya", "omar", {"passkey": kept.short})
    request = await acme.asks("passkey_recall", "maya", "sam", {"passkey": kept.short})
    await acme.proves(request, sam)
    await acme.worker.drain()
    assert len(await passkeys(acme, "maya")) == 2, "one person isn't enough"
    await acme.proves(request, nina)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
    assert kept.id not in [each.id for each in await passkeys(acme, "maya")]
    assert [(news.person, news.what) for news in acme.mailbox.notified] == [("maya", What.PASSKEY_REVOKED)]


@pytest.mark.parametrize("how", ["the older row", "a cleared date"])
async def test_a_removed_passkey_put_back_by_hand_is_believed_by_nobody(
    acme: Company, sqlite_url: str, how: str
) -> None:
    phone, key, kept = await with_two(acme)
    intruder = Intruder(sqlite_url)
    before = await intruder.row("authenticators", kept.id)
    await removed(acme, phone, kept)
    if how == "the older row":
        await intruder.drop("authenticators", kept.id)
        await intruder.put("authenticators", before)
    else:
        await intruder.change("authenticators", kept.id, revoked_at=None)
    assert [each.id for each in await passkeys(acme, "maya") if each.id == kept.id] == []
    assert await acme.house.registry.authenticator(kept.id) is None
    reset = await acme.asks("password_reset", "maya")
    _, asked = await acme.desk.begin(reset.id, "maya", Method.PASSKEY)
    answer = {"credential": key.get({**asked, "allowCredentials": []})}
    assert ChallengeFailed in await acme.desk.answer(reset.id, "maya", phone.device, Method.PASSKEY, answer)
    assert {"table": "authenticators", "row": kept.id} in await log(acme, "TamperingNoticed")
    finding = await Auditor(acme.store, {}).registered()
    assert (finding.level, kept.id in finding.seen) == (Level.FAIL, True)
