"""A lost device and no sign-in app: a recovery code and a fresh company sign-on let a browser in."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import delete, select

from flows.commands import Disown
from flows.errors import DeviceTooYoung
from flows.registration import YOUNG
from flows.standing import FAILURES
from handlers.recovery import WAITING
from storage.sql import TABLES
from tests.authenticator import SoftAuthenticator
from tests.browser.site import Site
from tests.company import Hands
from tests.oidc_issuer import Issuer, issuing
from tests.web.test_access import creates, pages
from tests.web.test_recover import made
from tests.web.wire import Answer, Wire

WRONG = "AAAA-AAAA-AAAA-AAAA"


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
    await wire.get("/recover")
    answer = await wire.post("/recover/begin")
    found = re.search(r'<a class="button primary" href="([^"]+)">', answer.text)
    assert found, answer
    return unescape(found[1])


async def signs_on(desk: Site, issuer: Issuer, who: str) -> tuple[Wire, str]:
    """A new browser in which somebody has signed on, and the pass that it has for it."""
    wire = Wire(desk)
    back = await wire.get(f"/join/return?{issuer.signs_on(await begins(wire), who)}")
    there = urlsplit(back.header("location"))
    assert (back.status, there.path) == (303, "/recover/code")
    assert (await wire.get(f"{there.path}?{there.query}")).status == 200
    return wire, parse_qs(there.query)["signed_on"][0]


async def types(wire: Wire, signed_on: str, code: str) -> Answer:
    return await wire.post("/recover/code", {"signed_on": signed_on, "recovery": code})


async def tries(desk: Site, issuer: Issuer, who: str, code: str) -> Answer:
    return await types(*await signs_on(desk, issuer, who), code)


async def told(desk: Site, kind: str) -> list[dict[str, str]]:
    events = TABLES["audit_events"]
    found = select(events.c.body).where(events.c.type == kind).order_by(events.c.seq)
    return [json.loads(bytes(row["body"]))["data"] for row in await desk.acme.store.fetch(found)]


async def test_a_code_and_a_sign_on_let_a_browser_in_that_waits_like_a_first_device(
    desk: Site, issuer: Issuer
) -> None:
    maya = await desk.acme.enrolled("maya", app=False)
    codes = await made(desk, maya)
    wire, signed_on = await signs_on(desk, issuer, "maya")
    answer = await types(wire, signed_on, codes[0])
    assert (answer.status, answer.header("location")) == (303, "/enrol")
    await wire.get("/enrol")
    assert (await creates(wire, SoftAuthenticator(desk.url), "A new phone")).status == 200
    registration = await desk.acme.house.registry.registration("maya")
    assert len(registration.live) == 2
    assert registration.young_until == desk.acme.hands() + YOUNG
    (used,) = await told(desk, "RecoveryCodeUsed")
    assert used["beside"] == "sign_on"
    await desk.acme.worker.drain()
    said = "maya: 9 codes left, after a sign-on with the company account"
    assert ("security", "recovered", said) in desk.acme.mailbox.announced


async def test_links_that_are_taken_away_dont_shorten_the_wait(desk: Site, issuer: Issuer) -> None:
    """Whoever may write the database and not the log deletes the link that came of it, and every other of hers."""
    maya = await desk.acme.enrolled("maya", app=False)
    desk.acme.hands.forward(hours=72)
    codes = await made(desk, maya)
    wire, signed_on = await signs_on(desk, issuer, "maya")
    assert (await types(wire, signed_on, codes[0])).status == 303
    await wire.get("/enrol")
    assert (await creates(wire, SoftAuthenticator(desk.url), "A new phone")).status == 200
    registry, until = desk.acme.house.registry, desk.acme.hands() + YOUNG
    assert (await registry.registration("maya")).young_until == until
    links = TABLES["invitations"]
    await desk.acme.store.run(delete(links).where(links.c.person == "maya"))
    desk.acme.hands.forward(hours=71)
    assert (await registry.registration("maya")).young_until == until
    with pytest.raises(DeviceTooYoung):
        await desk.acme.asks("recovery_codes", "maya")


async def test_an_answer_of_no_comes_on_a_beat_here_too(tmp_path: Path, issuer: Issuer, hands: Hands) -> None:
    beat = 0.5
    async with pages(tmp_path, hands=hands, beat=beat, **issuer.settings) as desk:
        await made(desk, await desk.acme.enrolled("maya", app=False))
        for who in ("maya", "nobody"):
            wire, signed_on = await signs_on(desk, issuer, who)
            began = time.monotonic()
            assert (await types(wire, signed_on, WRONG)).status == 422
            assert time.monotonic() - began >= beat


async def test_one_address_has_its_share_of_the_places_here_too(
    tmp_path: Path, issuer: Issuer, hands: Hands
) -> None:
    async with pages(tmp_path, hands=hands, trusted_proxies="127.0.0.1", **issuer.settings) as desk:
        (eve, pass_), maya = await signs_on(desk, issuer, "eve"), await Wire.stranger(desk)
        hers = {"signed_on": pass_, "recovery": WRONG}
        nobodys = {"account": "nobody", "recovery": "", "code": ""}

        async def sent(wire: Wire, path: str, form: dict[str, str], address: str) -> int:
            return (await wire.post(path, form, X_Forwarded_For=address)).status

        many = [sent(eve, "/recover/code", hers, "203.0.113.9") for _ in range(WAITING)]
        *refused, other = await asyncio.gather(*many, sent(maya, "/recover", nobodys, "198.51.100.7"))
        assert (429 in refused, other) == (True, 422)


async def test_each_sign_on_lets_one_browser_in_and_only_the_one_it_was_made_in(
    desk: Site, issuer: Issuer
) -> None:
    codes = await made(desk, await desk.acme.enrolled("maya", app=False))
    wire, signed_on = await signs_on(desk, issuer, "maya")
    eve = await Wire.stranger(desk)
    assert (await eve.get(f"/recover/code?signed_on={signed_on}")).status == 409
    await eve.get("/recover")
    assert (await types(eve, signed_on, codes[0])).status == 409
    before = Wire(desk, wire.cookie)
    await before.get("/recover")
    assert (await types(wire, signed_on, codes[0])).status == 303
    assert (await types(before, signed_on, codes[1])).status == 422
    assert len(await told(desk, "RecoveryCodeUsed")) == 1


async def test_a_sign_on_counts_for_ten_minutes(desk: Site, issuer: Issuer, hands: Hands) -> None:
    codes = await made(desk, await desk.acme.enrolled("maya", app=False))
    wire, signed_on = await signs_on(desk, issuer, "maya")
    hands.forward(minutes=10)
    assert "longer than ten minutes" in (await types(wire, signed_on, codes[0])).text


async def test_an_old_session_at_the_sign_on_recovers_nothing(
    desk: Site, issuer: Issuer, hands: Hands
) -> None:
    wire = Wire(desk)
    issuer.changed = {"auth_time": hands().timestamp() - 120}
    query = issuer.signs_on(await begins(wire), "maya")
    assert (await wire.get(f"/join/return?{query}")).status == 409
    (refused,) = await told(desk, "Refused")
    assert (refused["command"], refused["reason"], refused["asked"]) == (
        "Recover",
        "SignOnUntrue",
        "auth_time",
    )


async def test_whoever_it_is_and_whatever_is_wrong_it_reads_the_same(desk: Site, issuer: Issuer) -> None:
    """Somebody else's code, nobody, an administrator with a good one, and whoever never had any."""
    maya, sam = await desk.acme.enrolled("maya", app=False), await desk.acme.enrolled("sam")
    codes, administrators = await made(desk, maya), await made(desk, sam)
    await desk.acme.enrolled("omar")
    said = set()
    for who, code in (
        ("maya", WRONG),
        ("omar", codes[0]),
        ("nobody", codes[0]),
        ("sam", administrators[0]),
        ("MAYA", codes[0]),
    ):
        answer = await tries(desk, issuer, who, code)
        assert answer.status == 422
        found = re.search(r'id="told"[^>]*>([^<]*)<', answer.text)
        assert found is not None
        said.add(found[1])
    assert len(said) == 1
    assert await told(desk, "RecoveryCodeUsed") == []


async def test_who_guesses_codes_after_a_sign_on_is_locked_out_and_then_the_right_one_is_refused(
    desk: Site, issuer: Issuer
) -> None:
    codes = await made(desk, await desk.acme.enrolled("maya", app=False))
    wire, signed_on = await signs_on(desk, issuer, "maya")
    for _ in range(FAILURES):
        assert (await types(wire, signed_on, WRONG)).status == 422
    assert (await types(wire, signed_on, codes[0])).status == 422
    assert len(await told(desk, "CodesLocked")) == 1


async def test_while_she_is_frozen_she_recovers_nothing(desk: Site, issuer: Issuer) -> None:
    codes = await made(desk, await desk.acme.enrolled("maya", app=False))
    request = await desk.acme.asks("password_reset", "maya")
    await desk.acme.desk.submit(request.id, Disown("maya"))
    assert (await tries(desk, issuer, "maya", codes[0])).status == 422


async def test_without_a_sign_on_it_isnt_offered(tmp_path: Path) -> None:
    async with pages(tmp_path) as desk:
        wire = await Wire.stranger(desk)
        assert "/recover/begin" not in (await wire.get("/recover")).text
        assert (await wire.post("/recover/begin")).status == 404


@pytest.mark.parametrize("signed_on", ["", "x", "%C3%A9", "A" * 150])
async def test_what_is_no_pass_of_ours_is_answered_and_left(desk: Site, signed_on: str) -> None:
    wire = await Wire.stranger(desk)
    assert (await wire.get(f"/recover/code?signed_on={signed_on}")).status == 409
