"""The company's rules through the desk: who is refused and why, what a raised tier takes, what a later no stops."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from bot.seen import fired, read
from bot.views import request_card
from flows.events import Ruled
from flows.model import Assurance, Method, Stage
from handlers.evidence import Auditor
from handlers.rules.facts import Place
from storage import codec
from storage.sql import TABLES
from tests.company import ON_DEVICE, TERMINAL, Company, company, handing_out

RAISED = """
raised:
  quorum: 2
  from: [manager, role:administrator]
  within: 1 hour
"""
NEW_DEVICE = """
@id("new-device")
@reason("A device was registered within the last 7 days.")
@tier("3")
permit (principal, action in [Action::"ask", Action::"act"], resource == Playbook::"password_reset")
when { context.subject.new_devices > 0 };
"""
GUESSING = """
@id("guessing")
@reason("Wrong numbers or codes were given lately.")
@tier("3")
permit (principal, action in [Action::"ask", Action::"act"], resource == Playbook::"password_reset")
when { context.subject.failures > 1 };
"""
NOT_AT_A_TERMINAL = """
@id("device-pages-only")
@reason("A password is reset from a device page inside the office. Ask there.")
forbid (principal, action == Action::"ask", resource == Playbook::"password_reset")
unless { context has place && context.place.network == "office" };
"""
NO_OMAR = """
@id("no-omar")
@reason("Omar agrees to nothing this week. Ask Nina.")
forbid (principal == Person::"omar", action == Action::"approve", resource);
"""
NOT_TWICE = """
@id("not-twice")
@reason("Somebody who was frozen lately is helped at the desk only. Go there.")
forbid (principal, action == Action::"act", resource) when { context.subject.freezes > 0 };
"""
WHY = {"group": "finance-share", "review": "90 days", "justification": "Closing the quarter"}
_EVENTS = TABLES["audit_events"]
_ruled = (
    select(_EVENTS.c.request, _EVENTS.c.body).where(_EVENTS.c.type == Ruled.__name__).order_by(_EVENTS.c.seq)
)


@asynccontextmanager
async def ruled(url: str, folder: Path, *rules: str, raised: str = RAISED) -> AsyncIterator[Company]:
    """A company with these rules beside the house's, and a password reset that says who agrees once it is raised."""
    playbooks = folder / "playbooks"
    shutil.copytree(handing_out(), playbooks)
    (playbooks / "rules" / "ours.cedar").write_text("".join(rules), encoding="utf-8")
    reset = playbooks / "password_reset.yaml"
    reset.write_text(reset.read_text(encoding="utf-8") + raised, encoding="utf-8")
    async with company(url, folder, playbooks=playbooks) as acme:
        yield acme


async def on_record(acme: Company) -> list[tuple[str | None, Ruled]]:
    """What the rules said, oldest first, with the request it is about."""
    found = await acme.store.fetch(_ruled)
    return [(row["request"], codec.event("Ruled", codec.said(row["body"]))) for row in found]


async def test_what_a_rule_forbids_is_refused_with_its_reason_and_on_record(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with ruled(sqlite_url, tmp_path, NOT_AT_A_TERMINAL) as acme:
        await acme.enrolled("maya")
        with pytest.raises(no.NotPermitted, match="Ask there") as told:
            await acme.asks("password_reset", "maya", origin=TERMINAL)
        assert told.value.sentence.startswith("The company's rules don't allow this")
        assert await acme.refusals() == ["NotPermitted"]
        ((request, said),) = await on_record(acme)
        assert request is None
        assert (said.action, said.person, said.playbook) == ("ask", "maya", "password_reset")
        assert not said.permitted
        assert [(rule.id, rule.effect) for rule in said.rules] == [("device-pages-only", "forbids")]
        assert said.facts == {"context.place.network": "not told there"}
        told = [row for row in await Auditor(acme.store, {}).events(None, 9) if row[3] == "Ruled"]
        assert "device-pages-only forbids: A password is reset from a device page" in str(told[0][-1])
        assert "context.place.network=not told there" in str(told[0][-1])


async def test_a_device_page_whose_place_is_unknown_is_no_better_than_a_wrong_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with ruled(sqlite_url, tmp_path, NOT_AT_A_TERMINAL) as acme:
        await acme.enrolled("maya")
        for place in (None, Place(), Place("elsewhere", "DE")):
            with pytest.raises(no.NotPermitted):
                await acme.desk.open("password_reset", "maya", "maya", {}, ON_DEVICE, place=place)
        inside = await acme.desk.open("password_reset", "maya", "maya", {}, ON_DEVICE, place=Place("office"))
        assert inside.stage is Stage.AWAITING_PROOF
        (*_, (_, said)) = await on_record(acme)
        assert "10." not in str(said.facts)


async def test_a_raised_tier_takes_a_passkey_and_two_others(sqlite_url: str, tmp_path: Path) -> None:
    async with ruled(sqlite_url, tmp_path, NEW_DEVICE) as acme:
        maya = await acme.enrolled("maya")
        omar, nina = await acme.enrolled("omar"), await acme.enrolled("nina")
        request = await acme.asks("password_reset", "maya")
        assert request.tier == 3
        playbook = await acme.desk.playbook_of(request)
        assert (playbook.assurance, playbook.hash) == (Assurance.PHISHING_RESISTANT, request.playbook_hash)
        with pytest.raises(no.ProofTooWeak):
            await acme.desk.begin(request.id, "maya", Method.CODE)
        await acme.proves(request, maya)
        await acme.proves(request, omar)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
        seen = await read(acme.house, await acme.desk.get(request.id), "nina")
        card = request_card(seen.request, seen.playbook, seen.people, "nina", seen.now, seen.beside)
        assert "A device was registered within the last 7 days." in card.note
        assert "rules: house ask, new device" in card.small
        await acme.proves(request, nina)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
        said = [(ruled.action, ruled.person, ruled.tier) for _, ruled in await on_record(acme)]
        assert said == [
            ("ask", "maya", 3),
            ("approve", "omar", 1),
            ("approve", "nina", 1),
            ("act", "maya", 3),
        ]


async def test_where_too_few_are_named_a_raised_tier_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    async with ruled(sqlite_url, tmp_path, NEW_DEVICE, raised="") as acme:
        await acme.enrolled("maya")
        with pytest.raises(no.TooFewToAgree, match="A device was registered within the last 7 days"):
            await acme.asks("password_reset", "maya")
        ((_, said),) = await on_record(acme)
        assert (said.permitted, said.tier, said.facts) == (True, 3, {"context.subject.new_devices": "1"})


async def test_a_tier_that_rose_after_the_proof_stops_the_change(sqlite_url: str, tmp_path: Path) -> None:
    async with ruled(sqlite_url, tmp_path, GUESSING) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("password_reset", "maya", origin=ON_DEVICE)
        assert request.tier == 1
        await acme.proves(request, maya)
        unlocking = await acme.asks("account_unlock", "maya", origin=ON_DEVICE)
        for _ in range(2):
            await acme.types(unlocking, maya, code="000000")
        await acme.worker.drain()
        stopped = await acme.desk.get(request.id)
        assert stopped.stage is Stage.FAILED
        assert not await acme.directory.must_change("maya.lindqvist")
        assert ("security", "not_authorised") in [told[:2] for told in acme.mailbox.announced]
        *_, (_, said) = await on_record(acme)
        assert (said.action, said.tier) == ("act", 3)


async def test_what_is_forbidden_after_consent_is_not_done(sqlite_url: str, tmp_path: Path) -> None:
    async with ruled(sqlite_url, tmp_path, NOT_TWICE) as acme:
        maya, omar = await acme.enrolled("maya"), await acme.enrolled("omar")
        await acme.house.desk.standings.freeze("maya", "vera", "CS-00000", confirmed=False)
        acme.hands.forward(hours=2)
        request = await acme.asks("group_access", "maya", answers=WHY)
        await acme.proves(request, maya)
        await acme.proves(request, omar)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.FAILED
        assert "finance-share" not in await acme.directory.groups("maya.lindqvist")


async def test_whoever_may_not_approve_is_told_before_they_sign(sqlite_url: str, tmp_path: Path) -> None:
    async with ruled(sqlite_url, tmp_path, NO_OMAR) as acme:
        maya, omar = await acme.enrolled("maya"), await acme.enrolled("omar")
        request = await acme.asks("group_access", "maya", answers=WHY)
        await acme.proves(request, maya)
        with pytest.raises(no.NotPermitted, match="Ask Nina"):
            await acme.proves(request, omar)
        names, raised = fired([said for _, said in await on_record(acme)])
        assert (names, raised) == (["house ask"], [])
        (*_, (about, said)) = await on_record(acme)
        assert (about, said.action, said.person, said.permitted) == (request.id, "approve", "omar", False)


async def test_what_is_asked_in_a_hurry_counts_and_so_does_what_came_before(
    sqlite_url: str, tmp_path: Path
) -> None:
    many = """
    @id("many")
    @reason("That is a lot for one day. Go on tomorrow.")
    forbid (principal, action == Action::"ask", resource)
    when { principal.requests >= 2 || principal.failures >= 2 || principal.account_days < 0 };
    """.replace("principal.account_days < 0", "principal.device_days > 900")
    async with ruled(sqlite_url, tmp_path, many) as acme:
        await acme.enrolled("maya")
        nina = await acme.enrolled("nina")
        for group in ("finance-share", "everyone"):
            await acme.asks("group_access", "maya", answers={**WHY, "group": group}, origin=ON_DEVICE)
        with pytest.raises(no.NotPermitted, match="a lot for one day"):
            await acme.asks("account_unlock", "maya", origin=ON_DEVICE)
        acme.hands.forward(hours=25)
        asked = await acme.asks("account_unlock", "nina", origin=ON_DEVICE)
        for _ in range(2):
            await acme.types(asked, nina, code="000000")
        with pytest.raises(no.NotPermitted):
            await acme.asks("password_reset", "nina", origin=ON_DEVICE)
