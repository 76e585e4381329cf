"""A lost device: one recovery code and the sign-in app let a new browser in, and nothing else does."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.commands import Disown
from flows.errors import DeviceTooYoung, NotRecovered, TooBusy
from flows.model import Stage
from flows.registration import YOUNG
from flows.standing import FAILURES
from handlers.recovery import SHARE, WAITING, Attempt, codes_of
from storage.sql import TABLES
from tests.authenticator import SoftAuthenticator
from tests.browser.site import Site
from tests.company import Phone
from tests.intruder import Intruder
from tests.web.test_access import creates, pages
from tests.web.wire import Answer, Wire


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    async with pages(tmp_path) as running:
        yield running


async def made(desk: Site, phone: Phone) -> list[str]:
    """A person's codes, asked for and shown on their device page."""
    wire = await Wire.of(desk, phone)
    await wire.get("/ask/recovery_codes")
    opened = await wire.post("/ask/recovery_codes")
    (request, *_) = await desk.acme.desk.concerning(phone.person)
    await desk.acme.proves(request, phone)
    await desk.acme.worker.drain()
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
    await wire.get(opened.header("location"))
    shown = await wire.post(f"/requests/{request.id}/secret")
    found = re.search(r'<output id="secret"[^>]*>([^<]*)</output>', shown.text)
    assert found is not None
    return unescape(found[1]).split()


async def tried(desk: Site, account: str, code: str, app: str) -> tuple[Wire, Answer]:
    """Somebody in a browser that nobody knows."""
    wire = await Wire.stranger(desk)
    await wire.get("/recover")
    return wire, await wire.post("/recover", {"account": account, "recovery": code, "code": app})


async def test_ten_codes_are_shown_once_and_one_of_them_lets_a_new_browser_in(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    assert len(codes) == 10
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    typed = codes[3].lower().replace("-", " ").replace("0", "o")
    wire, answer = await tried(desk, "maya.lindqvist", typed, maya.code(desk.acme.hands()))
    assert (answer.status, answer.header("location")) == (303, "/enrol")
    assert "Name this device and create its passkey" in (await wire.get("/enrol")).text
    assert "9 of 10 left" in (await (await Wire.of(desk, maya)).get("/devices")).text
    await desk.acme.worker.drain()
    assert ("security", "recovered", "maya: 9 codes left") in desk.acme.mailbox.announced


async def test_each_code_works_once_and_new_ones_replace_the_old(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    old = await made(desk, maya)
    await tried(desk, "maya.lindqvist", old[0], maya.code(desk.acme.hands()))
    desk.acme.hands.forward(minutes=1)
    _, again = await tried(desk, "maya.lindqvist", old[0], maya.code(desk.acme.hands()))
    assert again.status == 422
    desk.acme.hands.forward(hours=72)  # what comes after a recovery is new until then
    new = await made(desk, maya)
    desk.acme.hands.forward(minutes=1)
    _, replaced = await tried(desk, "maya.lindqvist", old[1], maya.code(desk.acme.hands()))
    assert replaced.status == 422
    desk.acme.hands.forward(minutes=1)
    _, fresh = await tried(desk, "maya.lindqvist", new[1], maya.code(desk.acme.hands()))
    assert fresh.status == 303


async def test_whatever_is_wrong_reads_the_same_whoever_it_is(desk: Site) -> None:
    """Half of it right, somebody else's, nobody's: one sentence, and each is on record."""
    maya, omar = await desk.acme.enrolled("maya"), await desk.acme.enrolled("omar", app=False)
    codes = await made(desk, maya)
    now = maya.code(desk.acme.hands())
    said = set()
    for account, code, app in (
        ("maya.lindqvist", codes[0], "000 000"),
        ("maya.lindqvist", "AAAA-AAAA-AAAA-AAAA", now),
        ("omar.haddad", codes[0], now),
        ("nobody", codes[0], now),
        ("", "", ""),
        ("maya.lindqvist", codes[0] + "0", now),
        ("maya.lindqvist", "".join(chr(ord(c) + 0xFEE0) for c in codes[0] if c != "-"), now),
    ):
        _, answer = await tried(desk, account, code, app)
        assert answer.status == 422
        found = re.search(r'id="told"[^>]*>([^<]*)<', answer.text)
        assert found is not None
        said.add(found[1])
    assert len(said) == 1
    assert omar
    assert (await desk.acme.refusals()).count("NotRecovered") == 5, (
        "a guess each time, the rest once a minute"
    )


async def test_whoever_came_back_with_a_code_waits_as_with_a_first_device(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    wire, _ = await tried(desk, "maya.lindqvist", codes[0], maya.code(desk.acme.hands()))
    await wire.get("/enrol")
    assert (await creates(wire, SoftAuthenticator(desk.url), "A new phone")).status == 200
    registry = desk.acme.house.registry
    assert (await registry.registration("maya")).young_until == desk.acme.hands() + YOUNG
    with pytest.raises(DeviceTooYoung):
        await desk.acme.asks("recovery_codes", "maya")
    desk.acme.hands.forward(hours=72)
    assert await desk.acme.asks("recovery_codes", "maya")


async def test_a_code_of_the_app_counts_once_here_too(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    codes, now = await made(desk, maya), maya.code(desk.acme.hands())
    assert (await tried(desk, "maya.lindqvist", codes[0], now))[1].status == 303
    assert (await tried(desk, "maya.lindqvist", codes[1], now))[1].status == 422


async def test_a_stranger_locks_nobody_out_from_here(desk: Site) -> None:
    """Whoever has no recovery code of theirs can try as often as they like: nothing of it is held against anybody."""
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    for _ in range(FAILURES + 1):
        await tried(desk, "maya.lindqvist", "AAAA-AAAA-AAAA-AAAA", "000 000")
    request = await desk.acme.asks("account_unlock", "maya")
    assert await desk.acme.types(request, maya)
    desk.acme.hands.forward(minutes=1)
    _, answer = await tried(desk, "maya.lindqvist", codes[0], maya.code(desk.acme.hands()))
    assert answer.status == 303


async def test_who_has_a_code_and_guesses_the_apps_is_locked_out_and_then_the_right_one_is_refused(
    desk: Site,
) -> None:
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    for _ in range(FAILURES):
        await tried(desk, "maya.lindqvist", codes[0], "000 000")
    _, answer = await tried(desk, "maya.lindqvist", codes[0], maya.code(desk.acme.hands()))
    assert answer.status == 422
    kinds = select(TABLES["audit_events"].c.type)
    assert "CodesLocked" in {row["type"] for row in await desk.acme.store.fetch(kinds)}


async def test_administrators_and_security_come_back_through_others(desk: Site) -> None:
    for person in ("sam", "nina"):
        phone = await desk.acme.enrolled(person)
        codes = await made(desk, phone)
        account = {"sam": "sam.okafor", "nina": "nina.kowalski"}[person]
        _, answer = await tried(desk, account, codes[0], phone.code(desk.acme.hands()))
        assert answer.status == 422


async def test_while_she_is_frozen_nothing_is_bound_not_even_what_was_begun_before(
    desk: Site, tmp_path: Path
) -> None:
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    wire, answer = await tried(desk, "maya.lindqvist", codes[0], maya.code(desk.acme.hands()))
    assert answer.status == 303
    await wire.get("/enrol")
    request = await desk.acme.asks("password_reset", "maya")
    await desk.acme.desk.submit(request.id, Disown("maya"))
    refused = await creates(wire, SoftAuthenticator(desk.url), "Eve's laptop")
    assert refused.status == 409
    assert len((await desk.acme.house.registry.registration("maya")).live) == 1
    desk.acme.hands.forward(minutes=1)
    _, again = await tried(desk, "maya.lindqvist", codes[1], maya.code(desk.acme.hands()))
    assert again.status == 422
    await Intruder(f"sqlite:///{tmp_path / 'desk.db'}").drop("standings", "maya")
    desk.acme.hands.forward(minutes=1)
    _, again = await tried(desk, "maya.lindqvist", codes[1], maya.code(desk.acme.hands()))
    assert again.status == 422, "the log knows better"


async def test_whoever_knew_the_browsers_cookie_before_doesnt_share_what_it_recovered(desk: Site) -> None:
    """Somebody prepared this computer: the cookie it had is worth nothing afterwards."""
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    wire = await Wire.stranger(desk)
    eve = Wire(desk, wire.cookie)
    await wire.get("/recover")
    form = {"account": "maya.lindqvist", "recovery": codes[0], "code": maya.code(desk.acme.hands())}
    assert (await wire.post("/recover", form)).status == 303
    assert "Name this device and create its passkey" in (await wire.get("/enrol")).text
    assert (await eve.get("/enrol")).status == 404


async def test_many_at_once_are_sent_away_and_nobody_else_waits_for_them(desk: Site) -> None:
    recovery = desk.acme.house.recovery
    tries = [recovery.recover(Attempt("nobody", "", "", "b" * 64)) for _ in range(WAITING + 5)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert Counter(type(each) for each in answers) == {NotRecovered: WAITING, TooBusy: 5}


async def test_from_one_address_nobody_takes_every_place(desk: Site) -> None:
    recovery = desk.acme.house.recovery

    async def arrive(*addresses: str) -> list[type]:
        tries = [recovery.recover(Attempt("nobody", "", "", "b" * 64, address)) for address in addresses]
        return [type(each) for each in await asyncio.gather(*tries, return_exceptions=True)]

    eve, maya = ["203.0.113.9"] * WAITING, ["198.51.100.7"]
    sent_away = [TooBusy] * (WAITING - SHARE)
    assert await arrive(*eve, *maya) == [NotRecovered] * SHARE + sent_away + [NotRecovered]
    assert await arrive(*eve[:SHARE]) == [NotRecovered] * SHARE, "the places are free again"


async def test_what_a_trusted_proxy_says_of_the_address_is_counted(tmp_path: Path) -> None:
    """Eve changes her address within what her line is given, and nobody else waits for it."""
    async with pages(tmp_path, trusted_proxies="127.0.0.1") as desk:
        eve, maya = await Wire.stranger(desk), await Wire.stranger(desk)
        form = {"account": "nobody", "recovery": "", "code": ""}

        async def sent(wire: Wire, address: str) -> int:
            return (await wire.post("/recover", form, X_Forwarded_For=address)).status

        hers = [sent(eve, f"2001:db8:1:2::{number:x}") for number in range(WAITING)]
        *refused, other = await asyncio.gather(*hers, sent(maya, "2001:db8:1:3::1"))
        assert (429 in refused, other) == (True, 422)


async def test_an_answer_of_no_comes_on_a_beat_whoever_it_is(tmp_path: Path) -> None:
    """What there is to know of somebody takes time to read. It isn't to be seen how much."""
    beat = 0.5
    async with pages(tmp_path, beat=beat) as desk:
        maya = await desk.acme.enrolled("maya")
        codes = await made(desk, maya)
        for account, code in (("maya.lindqvist", codes[0]), ("omar.haddad", ""), ("nobody", "")):
            began = time.monotonic()
            _, answer = await tried(desk, account, code, "000 000")
            assert answer.status == 422
            assert time.monotonic() - began >= beat


async def test_with_the_last_device_the_codes_go(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    await made(desk, maya)
    await desk.acme.house.registry.revoke("maya", maya.device, "CS-00000")
    assert await codes_of(desk.acme.store, "maya") is None


async def test_only_hashes_are_kept_and_a_set_written_by_hand_lets_nobody_in(
    desk: Site, tmp_path: Path
) -> None:
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    kept = everything_in(tmp_path)
    assert not [code for code in codes if code.encode() in kept or code.replace("-", "").encode() in kept]
    intruder = Intruder(f"sqlite:///{tmp_path / 'desk.db'}")
    row = await intruder.row("recovery_codes", "maya")
    await intruder.change("recovery_codes", "maya", salt="00" + row["salt"][2:])
    _, answer = await tried(desk, "maya.lindqvist", codes[0], maya.code(desk.acme.hands()))
    assert answer.status == 409
    assert "changed from outside" in answer.text


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("desk.db*"))
