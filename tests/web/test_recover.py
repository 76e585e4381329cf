"""A lost device: one recovery code and the sign-in app let a new browser in, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.model import Stage
from flows.standing import FAILURES
from storage.sql import TABLES
from tests.browser.site import Site
from tests.company import Phone
from tests.intruder import Intruder
from tests.web.test_access import pages
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
    assert "Name it and create its passkey" in (await wire.get("/enrol")).text
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
    assert (await desk.acme.refusals()).count("NotRecovered") == 7


async def test_a_code_of_the_app_counts_once_here_too(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    codes, now = await made(desk, maya), maya.code(desk.acme.hands())
    assert (await tried(desk, "maya.lindqvist", codes[0], now))[1].status == 303
    assert (await tried(desk, "maya.lindqvist", codes[1], now))[1].status == 422


async def test_guessing_locks_like_anywhere_else_and_the_right_ones_are_refused_then(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    codes = await made(desk, maya)
    for _ in range(FAILURES):
        await tried(desk, "maya.lindqvist", "AAAA-AAAA-AAAA-AAAA", "000 000")
    _, answer = await tried(desk, "maya.lindqvist", codes[0], maya.code(desk.acme.hands()))
    assert answer.status == 422
    kinds = select(TABLES["audit_events"].c.type)
    assert "CodesLocked" in {row["type"] for row in await desk.acme.store.fetch(kinds)}


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
