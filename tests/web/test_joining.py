"""Joining with a company account: Maya gets her first device; whoever shouldn't gets a plain page, on record."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import select

from storage.sql import TABLES
from tests.authenticator import SoftAuthenticator
from tests.browser.site import Site
from tests.company import Hands
from tests.oidc_issuer import Issuer, issuing
from tests.web.test_access import creates, leaves, pages
from tests.web.wire import Answer, Wire


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
async def issuer(hands: Hands) -> AsyncIterator[Issuer]:
    async with issuing(lambda: hands().timestamp()) as made:
        yield made


@pytest.fixture
async def desk(tmp_path: Path, issuer: Issuer, hands: Hands) -> AsyncIterator[Site]:
    async with pages(tmp_path, hands=hands, **issuer.settings) as running:
        yield running


async def begins(wire: Wire) -> str:
    """Press the button; gives the address of the sign-on that the page goes to."""
    await wire.get("/join")
    answer = await wire.post("/join/begin")
    assert answer.status == 200, answer
    found = re.search(r'<a class="button primary" href="([^"]+)">', answer.text)
    assert found
    address = unescape(found[1])
    assert answer.header("refresh") == f"0;url={address}"
    return address


async def joins(desk: Site, issuer: Issuer, who: str) -> tuple[Wire, Answer]:
    """A new browser in which somebody signs on, and what it sees then."""
    wire = Wire(desk)
    query = issuer.signs_on(await begins(wire), who)
    return wire, await wire.get(f"/join/return?{query}")


def let_in(answer: Answer) -> bool:
    return (answer.status, answer.header("location")) == (303, "/enrol")


async def refused(desk: Site) -> list[tuple[str, str]]:
    """Every refusal to join on record: the reason, and what was wrong."""
    events = TABLES["audit_events"]
    told = select(events.c.body).where(events.c.type == "Refused").order_by(events.c.seq)
    found = [json.loads(bytes(row["body"]))["data"] for row in await desk.acme.store.fetch(told)]
    return [(each["reason"], each["asked"]) for each in found if each["command"] == "Join"]


async def invitations(desk: Site) -> int:
    return len(await desk.acme.store.fetch(select(TABLES["invitations"])))


# -- the way it goes ---------------------------------------------------------------------------


async def test_maya_signs_on_and_registers_the_browser_she_did_it_in(desk: Site, issuer: Issuer) -> None:
    wire, answer = await joins(desk, issuer, "maya")
    assert let_in(answer)
    assert "Name this device and create its passkey" in (await wire.get("/enrol")).text
    made = await creates(wire, SoftAuthenticator(desk.url), "Maya's laptop")
    assert made.json["location"] == "/enrol"
    assert "It is new until" in (await wire.get("/enrol/done")).text
    registration = await desk.acme.house.registry.registration("maya")
    assert [device.name for device in registration.live] == ["Maya's laptop"]
    events = TABLES["audit_events"]
    told = [
        row["type"] for row in await desk.acme.store.fetch(select(events).where(events.c.person == "maya"))
    ]
    assert told == ["InvitationIssued", "InvitationOpened", "DeviceRegistered", "AuthenticatorRegistered"]
    assert await refused(desk) == []


async def test_without_a_sign_on_nobody_joins_this_way(tmp_path: Path) -> None:
    async with pages(tmp_path) as desk:
        wire = await Wire.stranger(desk)
        assert "/join" not in (await wire.get("/sign-in")).text
        for answer in (
            await wire.get("/join"),
            await wire.post("/join/begin"),
            await wire.get("/join/return?state=x&code=y"),
        ):
            assert answer.status == 404
            assert "Ask an administrator for an enrolment link" in answer.text


async def test_who_isnt_signed_in_is_shown_the_way_to_join(desk: Site) -> None:
    assert 'href="/join"' in (await Wire.stranger(desk)).answers[-1].text


async def test_a_form_from_elsewhere_begins_nothing(desk: Site, issuer: Issuer) -> None:
    wire = Wire(desk)
    await wire.get("/join")
    wire.token = "0" * 64
    assert (await wire.post("/join/begin")).status == 403
    assert issuer.looked == []


async def test_another_claim_may_say_who_it_is(tmp_path: Path, issuer: Issuer, hands: Hands) -> None:
    async with pages(tmp_path, hands=hands, oidc_claim="oid", **issuer.settings) as desk:
        issuer.changed = {"oid": "omar"}
        assert let_in((await joins(desk, issuer, "maya"))[1])
        rows = await desk.acme.store.fetch(select(TABLES["invitations"]))
        assert [row["person"] for row in rows] == ["omar"]


# -- who shouldn't -----------------------------------------------------------------------------


async def test_who_had_a_device_doesnt_get_another_by_signing_on(desk: Site, issuer: Issuer) -> None:
    await desk.acme.enrolled("maya")
    before = await invitations(desk)
    _, answer = await joins(desk, issuer, "maya")
    assert answer.status == 409
    assert "never had a device" in answer.text
    assert [reason for reason, _ in await refused(desk)] == ["HadADevice"]
    assert await invitations(desk) == before


async def test_strangers_and_leavers_read_the_same(desk: Site, issuer: Issuer, tmp_path: Path) -> None:
    leaves(tmp_path, "omar")
    odd = ("nobody", "omar", "Maya", "maya.lindqvist@example.com")
    answers = [(await joins(desk, issuer, who))[1] for who in odd]
    assert {answer.status for answer in answers} == {409}
    assert len({re.sub(r'(content|value)="[^"]*"|data-now="[^"]*"', "", each.text) for each in answers}) == 1
    assert {reason for reason, _ in await refused(desk)} == {"NotToJoin"}
    assert await invitations(desk) == 0


async def test_a_link_that_came_of_it_is_good_for_an_hour_in_that_browser_alone(
    desk: Site, issuer: Issuer, hands: Hands
) -> None:
    wire, answer = await joins(desk, issuer, "maya")
    assert let_in(answer)
    thief = await Wire.stranger(desk)
    assert (await thief.get("/enrol")).status == 404
    hands.forward(hours=1)
    late = await wire.get("/enrol")
    assert late.status == 409
    assert "it lasts an hour" in late.text
    assert (await wire.json("/enrol/begin", {"name": "A phone"})).status == 409


async def test_of_two_browsers_that_signed_on_only_one_is_registered(desk: Site, issuer: Issuer) -> None:
    (one, first), (two, second) = await joins(desk, issuer, "maya"), await joins(desk, issuer, "maya")
    assert let_in(first)
    assert let_in(second)
    assert (await creates(one, SoftAuthenticator(desk.url))).status == 200
    assert (await creates(two, SoftAuthenticator(desk.url))).status == 409
    assert len((await desk.acme.house.registry.registration("maya")).devices) == 1


# -- answers that were tampered with -------------------------------------------------------------


async def test_an_answer_counts_once_whoever_brings_it(desk: Site, issuer: Issuer) -> None:
    wire = Wire(desk)
    query = issuer.signs_on(await begins(wire), "maya", code="the-same")
    again, before = issuer.codes["the-same"], Wire(desk, wire.cookie)
    answers = await asyncio.gather(*(wire.get(f"/join/return?{query}") for _ in range(5)))
    assert [let_in(answer) for answer in answers].count(True) == 1
    issuer.codes["the-same"] = again
    assert "used already" in (await before.get(f"/join/return?{query}")).text
    assert [reason for reason, _ in await refused(desk)] == ["SignOnUsed"] * 5
    assert issuer.looked.count("token") == 1


async def test_an_answer_from_another_browser_is_nobodys(desk: Site, issuer: Issuer) -> None:
    """Eve signs on and sends Maya the way back, or takes hers: neither browser gets anything."""
    eves, mayas = Wire(desk), await Wire.stranger(desk)
    query = issuer.signs_on(await begins(eves), "eve")
    assert "wasn't begun in this browser" in unescape((await mayas.get(f"/join/return?{query}")).text)
    assert (await Wire(desk).get(f"/join/return?{query}")).status == 409
    assert {reason for reason, _ in await refused(desk)} == {"SignOnUnknown"}
    assert await invitations(desk) == 0
    assert "token" not in issuer.looked


async def test_a_code_of_another_sign_on_is_worth_nothing(desk: Site, issuer: Issuer) -> None:
    """Eve's own way back, with a code that she took from Maya: it was made for another verifier."""
    mayas, eves = Wire(desk), Wire(desk)
    stolen = parse_qs(issuer.signs_on(await begins(mayas), "maya"))["code"][0]
    state = parse_qs(urlsplit(await begins(eves)).query)["state"][0]
    answer = await eves.get(f"/join/return?{urlencode({'code': stolen, 'state': state})}")
    assert answer.status == 409
    assert await refused(desk) == [("SignOnUntrue", "code")]


async def test_an_answer_after_ten_minutes_is_too_late(desk: Site, issuer: Issuer, hands: Hands) -> None:
    wire = Wire(desk)
    query = issuer.signs_on(await begins(wire), "maya")
    hands.forward(minutes=10)
    assert "longer than ten minutes" in (await wire.get(f"/join/return?{query}")).text
    assert await refused(desk) == [("SignOnExpired", "")]


@pytest.mark.parametrize("state", ["", "x", "A" * 200, "%00", "%C3%A9", "A" * 5000])
async def test_what_is_no_state_of_ours_is_answered_and_left(desk: Site, issuer: Issuer, state: str) -> None:
    wire = await Wire.stranger(desk)
    assert (await wire.get(f"/join/return?code=x&state={state}")).status == 409
    assert await refused(desk) == []
    assert issuer.looked == []


async def test_the_same_word_twice_is_no_answer(desk: Site, issuer: Issuer) -> None:
    wire = Wire(desk)
    query = issuer.signs_on(await begins(wire), "maya")
    assert (await wire.get(f"/join/return?{query}&code=other")).status == 409
    assert "token" not in issuer.looked


async def test_who_leaves_the_sign_on_can_begin_again(desk: Site, issuer: Issuer) -> None:
    wire = Wire(desk)
    state = parse_qs(urlsplit(await begins(wire)).query)["state"][0]
    answer = await wire.get(f"/join/return?{urlencode({'error': 'access_denied', 'state': state})}")
    assert "Begin again" in answer.text
    assert await refused(desk) == [("SignOnLeft", "access_denied")]
    assert let_in((await joins(desk, issuer, "maya"))[1])


async def test_an_answer_of_another_issuer_is_refused(desk: Site, issuer: Issuer) -> None:
    issuer.announced = {"authorization_response_iss_parameter_supported": True}
    for more, good in (("", False), ("&iss=https://evil.example", False), (f"&iss={issuer.url}", True)):
        wire = Wire(desk)
        query = issuer.signs_on(await begins(wire), "maya")
        assert let_in(await wire.get(f"/join/return?{query}{more}")) is good
    assert await refused(desk) == [("SignOnUntrue", "iss")] * 2


async def test_a_token_with_another_nonce_lets_nobody_in(desk: Site, issuer: Issuer) -> None:
    issuer.changed = {"nonce": "another"}
    answer = (await joins(desk, issuer, "maya"))[1]
    assert "an answer that we can't rely on" in unescape(answer.text)
    assert await refused(desk) == [("SignOnUntrue", "nonce")]
    assert await invitations(desk) == 0


async def test_an_old_session_at_the_sign_on_isnt_enough(desk: Site, issuer: Issuer, hands: Hands) -> None:
    """Whoever finds an open laptop has a session there; what they haven't is the password."""
    issuer.changed = {"auth_time": hands().timestamp() - 120}
    assert (await joins(desk, issuer, "maya"))[1].status == 409
    assert await refused(desk) == [("SignOnUntrue", "auth_time")]


async def test_a_key_that_is_new_is_found(desk: Site, issuer: Issuer, hands: Hands) -> None:
    assert let_in((await joins(desk, issuer, "maya"))[1])
    hands.forward(seconds=61)
    issuer.signer, issuer.names = "tomorrow", ["today", "tomorrow"]
    assert let_in((await joins(desk, issuer, "omar"))[1])


# -- a sign-on that is away ----------------------------------------------------------------------


async def test_a_sign_on_that_doesnt_answer_says_so(desk: Site, issuer: Issuer) -> None:
    issuer.broken = "500"
    wire = Wire(desk)
    await wire.get("/join")
    answer = await wire.post("/join/begin")
    assert answer.status == 409
    assert "doesn't answer" in unescape(answer.text)


async def test_a_sign_on_that_goes_away_between_is_on_record(desk: Site, issuer: Issuer) -> None:
    wire = Wire(desk)
    query = issuer.signs_on(await begins(wire), "maya")
    issuer.broken = "500"
    assert "doesn't answer" in unescape((await wire.get(f"/join/return?{query}")).text)
    assert await refused(desk) == [("SignOnAway", "")]
