"""Somebody lost every device: others confirm it, everybody who is told can object, and only then is it made good."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import flows.errors as no
from demo import directory
from flows.commands import Disown, Object
from flows.consequence import react
from flows.events import FulfilmentOrdered, Hurried, ObjectionsInvited
from flows.model import Method, Person, Request, Stage
from flows.registration import YOUNG, Authenticator, Device
from flows.state import evolve
from handlers.people import matching
from handlers.ports import By
from storage import rows
from storage.book import Book, Need, Outcome, Work
from storage.seals import token_hash
from tests.authenticator import SoftAuthenticator
from tests.company import Company, Hands, Phone, company

TUESDAY = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
VERA = Person("vera", "Vera Santos", "vera.santos", manager="nina", roles=frozenset({"security"}))


@dataclass
class Staff:
    """A directory whose people change while a request waits."""

    people: dict[str, Person] = field(
        default_factory=lambda: {person.id: person for person in (*directory.PEOPLE, VERA)}
    )

    async def person(self, id: str) -> Person | None:
        return self.people.get(id)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        return matching(self.people.values(), by, value)

    def changes(self, id: str, **fields: object) -> None:
        self.people[id] = replace(self.people[id], **fields)  # type: ignore[arg-type]


@dataclass
class Office:
    """The company, its staff, and a phone for each of them."""

    acme: Company
    staff: Staff
    phones: dict[str, Phone]

    async def waits(self, by: str = "ravi", consent: str = "omar", subject: str = "maya") -> Request:
        """Somebody asked and proved it, somebody else agreed, and now others are told."""
        request = await self.acme.asks("lost_everything", subject, by=by)
        await self.acme.proves(request, self.phones[by])
        decision = await self.acme.proves(request, self.phones[consent])
        assert ObjectionsInvited in decision
        await self.acme.worker.drain()
        return decision.request

    async def later(self, request: Request, **by: float) -> Request:
        """So much time has passed, the clock has looked, and the worker has done what was owed."""
        self.acme.hands.forward(**by)
        await self.acme.house.clock.tick()
        await self.acme.worker.drain()
        return await self.acme.desk.get(request.id)

    async def devices(self, person: str = "maya") -> int:
        return len((await self.acme.house.registry.registration(person)).live)

    def announced(self) -> list[str]:
        return [notice for _, notice, _ in self.acme.mailbox.announced]


@pytest.fixture
async def office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    staff = Staff()
    async with company(sqlite_url, tmp_path, people=staff, hands=Hands(TUESDAY)) as acme:
        phones = {id: await acme.enrolled(id) for id in ("maya", "ravi", "omar", "nina", "sam", "vera")}
        yield Office(acme, staff, phones)


async def test_when_nobody_objects_the_old_devices_go_and_a_new_one_comes(office: Office) -> None:
    acme = office.acme
    request = await office.waits()
    told = {person for person, notice, _ in acme.mailbox.told if notice == "objections_invited"}
    assert told == {"maya", "ravi", "omar"}
    assert "objections_invited" in office.announced()
    assert (await office.later(request, hours=24, seconds=-1)).stage is Stage.AWAITING_OBJECTION
    assert await office.devices() == 1
    assert (await office.later(request, seconds=1)).stage is Stage.AWAITING_COLLECTION
    assert await office.devices() == 0
    token = await acme.desk.show_secret(request.id, "ravi", office.phones["ravi"].device)
    await enrolled_again(acme, token)
    assert await office.devices() == 1
    assert (await acme.asks("group_access", "maya", answers=ACCESS)).prover == "maya", "it serves at once"


ACCESS = {"group": "finance-share", "review": "90 days", "justification": "The quarter's numbers."}


async def enrolled_again(acme: Company, token: str, person: str = "maya") -> None:
    """Somebody goes through the link with a new phone."""
    house, browser = acme.house, secrets.token_urlsafe(32)
    invitation = await house.registry.open_invitation(token, browser)
    soft, id = SoftAuthenticator(origin=house.settings.public_url), secrets.token_urlsafe(16)
    made = await house.passkeys.register(
        soft.make(await house.passkeys.offer(person, person, b"c" * 32, ())), b"c" * 32
    )
    device = Device(id, person, "new phone", token_hash("secret"), acme.hands())
    key = Authenticator(made.id, person, id, Method.PASSKEY, made.material, made.counter, acme.hands())
    await house.registry.enrol(invitation.id, token_hash(browser), device, key)


async def test_over_a_weekend_it_takes_until_four_working_hours_have_passed(office: Office) -> None:
    office.acme.hands.now = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)  # Friday, 16:30 in Stockholm
    request = await office.waits()
    assert request.due_at == datetime(2026, 3, 9, 11, 30, tzinfo=UTC)  # Monday, 12:30 there
    assert (await office.later(request, days=2)).stage is Stage.AWAITING_OBJECTION


@pytest.mark.parametrize("who", ["maya", "omar", "vera", "nina"])
async def test_whoever_was_told_stops_it_with_one_press(office: Office, who: str) -> None:
    request = await office.waits()
    person = office.staff.people[who]
    assert request.id in {each.id for each in await office.acme.desk.before(person)}, (
        "it stands on their page"
    )
    office.acme.hands.forward(hours=23)
    await office.acme.desk.submit(request.id, Object(who))
    assert (await office.later(request, hours=2)).stage is Stage.DENIED
    assert await office.devices() == 1
    assert "objected" in office.announced()


async def test_nobody_else_stops_it_or_finds_it_on_their_page(office: Office) -> None:
    request = await office.waits()
    assert request.id not in {each.id for each in await office.acme.desk.before(office.staff.people["eve"])}
    with pytest.raises(no.NotYoursToObject):
        await office.acme.desk.submit(request.id, Object("eve"))


async def test_whoever_still_has_a_device_can_report_it_and_rests(office: Office) -> None:
    request = await office.waits()
    await office.acme.desk.submit(request.id, Disown("maya"))
    assert await office.acme.desk.standings.frozen_among(["maya", "ravi"]) == {"maya"}
    assert (await office.later(request, hours=24)).stage is Stage.DISOWNED
    assert "alarm" in office.announced()


async def test_security_buys_the_rest_of_the_wait(office: Office) -> None:
    request = await office.waits()
    decision = await office.acme.proves(request, office.phones["vera"])
    assert Hurried in decision
    assert FulfilmentOrdered in decision
    assert (await office.later(request, seconds=1)).stage is Stage.AWAITING_COLLECTION
    assert await office.devices() == 0


@pytest.mark.parametrize("hurried", [True, False], ids=["hurried", "waited for"])
async def test_whose_devices_are_all_gone_already_is_enrolled_like_anybody(
    office: Office, hurried: bool
) -> None:
    acme, registry = office.acme, office.acme.house.registry
    await registry.revoke("maya", office.phones["maya"].device, "CS-00000")
    request = await office.waits()
    if hurried:
        await acme.proves(request, office.phones["vera"])
    assert (await office.later(request, hours=0 if hurried else 24)).stage is Stage.AWAITING_COLLECTION
    await enrolled_again(acme, await acme.desk.show_secret(request.id, "ravi", office.phones["ravi"].device))
    assert (await acme.asks("group_access", "maya", answers=ACCESS)).prover == "maya"


@pytest.mark.parametrize("hurried", [True, False], ids=["hurried", "waited for"])
async def test_who_never_had_a_device_gets_a_first_one_which_waits_as_any_first_one_does(
    office: Office, hurried: bool
) -> None:
    acme, registry = office.acme, office.acme.house.registry
    request = await office.waits(subject="eve")
    if hurried:
        await acme.proves(request, office.phones["vera"])
    assert (await office.later(request, hours=0 if hurried else 24)).stage is Stage.AWAITING_COLLECTION
    token = await acme.desk.show_secret(request.id, "ravi", office.phones["ravi"].device)
    await enrolled_again(acme, token, "eve")
    assert await office.devices("eve") == 1
    assert (await registry.registration("eve")).young_until == acme.hands() + YOUNG
    with pytest.raises(no.DeviceTooYoung):
        await acme.asks("group_access", "eve", answers=ACCESS)


@pytest.mark.parametrize("fields", [{"privileged": True}, {"roles": frozenset({"security"})}], ids=str)
async def test_for_the_privileged_nobody_buys_anything(office: Office, fields: dict[str, object]) -> None:
    office.staff.changes("maya", **fields)
    request = await office.waits()
    with pytest.raises(no.NeverHurried):
        await office.acme.proves(request, office.phones["vera"])
    assert (await office.later(request, hours=24)).stage is Stage.AWAITING_COLLECTION


async def test_without_the_managers_passkey_it_expires(office: Office) -> None:
    request = await office.acme.asks("lost_everything", "maya", by="ravi")
    await office.acme.proves(request, office.phones["ravi"])
    with pytest.raises(no.NotAnApprover):
        await office.acme.proves(request, office.phones["nina"])
    assert (await office.later(request, days=1)).stage is Stage.EXPIRED
    assert await office.devices() == 1


async def test_a_manager_who_asks_needs_an_administrator_or_security(office: Office) -> None:
    request = await office.waits(by="omar", consent="vera")
    with pytest.raises(no.NotYoursToHurry):
        await office.acme.proves(request, office.phones["vera"])
    assert (await office.later(request, hours=24)).stage is Stage.AWAITING_COLLECTION


async def test_a_freeze_by_somebody_else_holds_it_up_for_good(office: Office) -> None:
    request = await office.waits()
    office.acme.hands.forward(hours=23, minutes=30)
    await office.acme.house.desk.standings.freeze("maya", "vera", "CS-00000", confirmed=False)
    assert (await office.later(request, minutes=30)).stage is Stage.EXPIRED
    assert await office.devices() == 1


# -- what the worker sees for itself --------------------------------------------------------------


async def ordered_by_hand(acme: Company, request: Request) -> None:
    """An order that the desk never made, sealed and on record like a real one: whoever did it holds the key."""

    def run(book: Book) -> Outcome:
        before = book.request(request.id)
        event = FulfilmentOrdered(request.key)
        after = evolve(before, event, book.now)
        (effect,) = react(after, event, book.now)
        row = book.row("requests", request.id)
        assert row is not None
        puts = [
            ("requests", rows.request_row(after, row["twin"])),
            ("outbox", rows.outbox_row(effect, after, 0, book.now)),
            ("operations", rows.operation_row(after, book.now)),
        ]
        return Outcome(request=after, events=[(request.id, event)], puts=puts)

    await acme.store.write(Work(run, (Need("requests", "id", request.id),)))


async def test_an_order_made_too_early_is_not_carried_out(office: Office) -> None:
    request = await office.waits()
    office.acme.hands.forward(hours=23)
    await ordered_by_hand(office.acme, request)
    await office.acme.worker.drain()
    assert (await office.acme.desk.get(request.id)).stage is Stage.FAILED
    assert "not_authorised" in office.announced()
    assert await office.devices() == 1


async def test_the_same_order_is_carried_out_when_its_time_has_come(office: Office) -> None:
    request = await office.waits()
    office.acme.hands.forward(hours=24)
    await ordered_by_hand(office.acme, request)
    await office.acme.worker.drain()
    assert (await office.acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION


@pytest.mark.parametrize(
    ("who", "fields"),
    [
        ("vera", {"roles": frozenset()}),
        ("vera", {"active": False}),
        ("maya", {"privileged": True}),
        ("maya", {"manager": "nina"}),
        ("omar", {"active": False}),
    ],
    ids=str,
)
async def test_what_changed_since_it_was_hurried_is_seen(
    office: Office, who: str, fields: dict[str, object]
) -> None:
    request = await office.waits()
    await office.acme.proves(request, office.phones["vera"])
    office.staff.changes(who, **fields)
    assert (await office.later(request, seconds=1)).stage is Stage.FAILED
    assert await office.devices() == 1


async def test_whoever_hurried_it_and_is_frozen_before_it_is_made_counts_no_more(office: Office) -> None:
    request = await office.waits()
    await office.acme.proves(request, office.phones["vera"])
    await office.acme.desk.standings.freeze("vera", "sam", "CS-00000", confirmed=True)
    assert (await office.later(request, seconds=1)).stage is Stage.FAILED
    assert await office.devices() == 1


async def test_a_link_made_on_a_lost_device_is_worth_nothing_any_more(office: Office) -> None:
    registry = office.acme.house.registry
    request = await office.waits()
    office.acme.hands.forward(hours=23, minutes=50)
    token = secrets.token_urlsafe(32)
    await registry.invite("maya", token, "CS-00000", first=False)
    assert (await office.later(request, minutes=10)).stage is Stage.AWAITING_COLLECTION
    with pytest.raises(no.LinkExpired):
        await registry.open_invitation(token, "whoever has the phone")
