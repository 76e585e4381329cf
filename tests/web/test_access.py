"""Who gets at what: each story is somebody trying a page, a link, a passkey or a secret that isn't theirs."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pyotp
import pytest
from aiohttp import web

import flows.errors as no
from bot.web.server import make_app
from flows.model import Method, Stage
from flows.registration import Authenticator, Device
from handlers.house import seed_binding
from storage.seals import token_hash
from tests.authenticator import SoftAuthenticator, b64
from tests.browser.site import Site
from tests.browser_key import BrowserKey
from tests.company import Company, Phone, company, handing_out
from tests.intruder import Intruder
from tests.web.wire import Answer, Wire

CHOSEN = "teal otter quarry kite"
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}'


@contextlib.asynccontextmanager
async def pages(folder: Path, *, beat: float = 0.0, **settings: Any) -> AsyncIterator[Site]:
    """The pages of a company whose clock stands still; nothing is carried out until the worker is told to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    where: dict[str, Any] = {"public_url": url, "bind": f"127.0.0.1:{port}", **settings}
    async with company(f"sqlite:///{folder / 'desk.db'}", folder, **where) as acme:
        runner = web.AppRunner(make_app(acme.house, beat=beat), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield Site(acme, url, [])
        finally:
            await runner.cleanup()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    async with pages(tmp_path) as running:
        yield running


# -- what browsers do -------------------------------------------------------------------------------


async def opens(wire: Wire, token: str) -> Answer:
    """Follow an enrolment link and begin."""
    await wire.get(f"/enrol/{token}")
    answer = await wire.post(f"/enrol/{token}")
    await wire.get("/enrol")  # the page it leads to, under the cookie that came with it
    return answer


async def creates(wire: Wire, soft: SoftAuthenticator, name: str = "A phone") -> Answer:
    """Create the passkey of the link this browser took; the page it leads to is read as well."""
    await wire.get("/enrol")
    begun = await wire.json("/enrol/begin", {"name": name})
    if begun.status != 200:
        return begun
    made = json.loads(soft.make(begun.json["publicKey"]))
    answer = await wire.json("/enrol/finish", {"name": name, "credential": made})
    await wire.get("/enrol/done")
    return answer


async def enrols(desk: Site, person: str, name: str = "A phone") -> tuple[Wire, SoftAuthenticator]:
    """A browser that went through an enrolment link."""
    wire, soft = Wire(desk), SoftAuthenticator(desk.url)
    await opens(wire, await desk.acme.house.registry.first_link(person))
    assert (await creates(wire, soft, name)).json["location"] == "/enrol"
    return wire, soft


async def assertion(wire: Wire, soft: SoftAuthenticator) -> dict[str, object]:
    """What a passkey says to sign in with here."""
    asked = (await wire.json("/sign-in/begin", {})).json["publicKey"]
    return {"credential": json.loads(soft.get(asked))}


async def confirms(wire: Wire, soft: SoftAuthenticator, path: str) -> Answer:
    """Prove or consent with a passkey."""
    begun = await wire.json(f"{path}/passkey/begin", {})
    if begun.status != 200:
        return begun
    answer = {"credential": json.loads(soft.get(begun.json["publicKey"]))}
    return await wire.json(f"{path}/passkey/finish", answer)


async def of(desk: Site, phone: Phone) -> Wire:
    return await Wire.of(desk, phone)


def leaves(folder: Path, person: str) -> None:
    """They don't work here any more."""
    with contextlib.closing(sqlite3.connect(folder / "directory.db")) as db, db:
        assert db.execute("UPDATE people SET active = 0 WHERE id = ?", [person]).rowcount == 1


def key_on(answer: Answer) -> str:
    """The sign-in app's key, if the page shows one."""
    found = re.search(r'<output id="key" class="mono">([A-Z2-7 ]+)</output>', answer.text)
    return found[1].replace(" ", "") if found else ""


async def refused_everywhere(wire: Wire, path: str) -> None:
    """Not seen, not touched: whatever this browser tries on a request, it gets a no."""
    for page in ("", "/state", "/disown", "/cancel", "/deny", "/give_up"):
        assert (await wire.get(path + page)).status == 404, page
    for act in ("/disown", "/cancel", "/deny", "/give_up", "/retry", "/secret", "/code", "/password"):
        typed = {"number": "123456", "code": "123456", "password": CHOSEN, "again": CHOSEN}
        answer = await wire.post(path + act, typed)
        assert answer.status == 409, act
    for act in ("/passkey/begin", "/passkey/finish"):
        assert (await wire.json(path + act, {"credential": {}})).status == 409, act


# -- requests of others -----------------------------------------------------------------------------


async def test_nobody_sees_or_touches_a_request_of_others(desk: Site) -> None:
    acme = desk.acme
    maya, eve, omar = [await acme.enrolled(person) for person in ("maya", "eve", "omar")]
    request = await acme.asks("password_reset", "maya")
    path = f"/requests/{request.id}"
    _, before = await acme.desk.number(request.id), await acme.desk.get(request.id)
    for other in (eve, omar):  # her manager isn't asked for this, so it is none of his business either
        await refused_everywhere(await of(desk, other), path)
    assert await acme.desk.get(request.id) == before
    await acme.proves(request, maya)
    await acme.worker.drain()
    for other in (eve, omar):
        await refused_everywhere(await of(desk, other), path)
    assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
    assert request.id not in (await (await of(desk, eve)).get("/")).text


async def test_who_said_no_sees_what_became_of_it_and_nobody_else_of_the_company_does(desk: Site) -> None:
    acme = desk.acme
    maya, eve, omar = [await acme.enrolled(person) for person in ("maya", "eve", "omar")]
    answers = {"group": "finance-share", "review": "90 days", "justification": "Closing the quarter"}
    request = await acme.asks("group_access", "maya", answers=answers)
    path = f"/requests/{request.id}"
    await acme.proves(request, maya)
    wire = await of(desk, omar)
    denied = await wire.post(f"{path}/deny")
    assert (denied.status, denied.header("location")) == (303, path)
    page = await wire.get(path)
    assert (page.status, "one of the approvers said no" in page.text) == (200, True)
    assert "Talk to whoever had to agree" not in page.text, "that is for the one who asked"
    assert "Talk to whoever had to agree" in (await (await of(desk, maya)).get(path)).text
    await refused_everywhere(await of(desk, eve), path)


async def test_nobody_approves_what_is_their_own_or_not_theirs_to_approve(desk: Site) -> None:
    nina, nina_key = await enrols(desk, "nina")
    sam, sam_key = await enrols(desk, "sam")
    ravi, ravi_key = await enrols(desk, "ravi")
    asked = await nina.post("/ask/device_enrolment", {"for-whom": "omar"})
    path = asked.header("location")
    assert (await confirms(sam, sam_key, path)).status == 409  # it isn't his turn, nor his to prove
    assert (await confirms(nina, nina_key, path)).json == {"location": path}
    for wire, key in ((nina, nina_key), (ravi, ravi_key)):
        assert (await confirms(wire, key, path)).status == 409
        assert (await wire.post(f"{path}/deny")).status == 409
    stolen = json.loads(
        nina_key.get(
            (await sam.json(f"{path}/passkey/begin", {})).json["publicKey"] | {"allowCredentials": []}
        )
    )
    swapped = await sam.json(f"{path}/passkey/finish", {"credential": stolen})
    assert "couldn't be used" in swapped.json["error"]
    assert (await confirms(sam, sam_key, path)).json == {"location": path}
    assert (await desk.acme.desk.get(path[10:])).stage is Stage.AWAITING_FULFILMENT


async def test_an_approver_who_moved_or_left_meanwhile_is_refused(desk: Site, tmp_path: Path) -> None:
    nina, nina_key = await enrols(desk, "nina")
    sam, sam_key = await enrols(desk, "sam")
    path = (await nina.post("/ask/device_enrolment", {"for-whom": "eve"})).header("location")
    await confirms(nina, nina_key, path)
    begun = await sam.json(f"{path}/passkey/begin", {})
    answer = {"credential": json.loads(sam_key.get(begun.json["publicKey"]))}
    leaves(tmp_path, "sam")
    assert (await sam.json(f"{path}/passkey/finish", answer)).status == 403
    assert (await desk.acme.desk.get(path[10:])).stage is Stage.AWAITING_APPROVAL


async def test_a_device_of_somebody_else_is_neither_renamed_nor_removed(desk: Site) -> None:
    maya, eve = await desk.acme.enrolled("maya"), await desk.acme.enrolled("eve")
    wire = await of(desk, eve)
    assert (await wire.post(f"/devices/{maya.device}/rename", {"name": "Mine"})).status == 404
    assert (await wire.get(f"/devices/{maya.device}/remove")).status == 404
    assert (await wire.post(f"/devices/{maya.device}/remove")).status == 409  # it isn't one of Eve's
    assert await desk.acme.desk.concerning("eve") == []
    for phone in (maya, eve):
        assert (await of(desk, phone)).token
    forged = await wire.post("/ask/device_revocation", {"for-whom": "maya", "device": maya.device})
    assert forged.status == 422


async def test_a_passkey_is_removed_by_its_owner_and_the_last_on_a_device_only_with_it(desk: Site) -> None:
    maya, eve = await desk.acme.enrolled("maya", app=False), await desk.acme.enrolled("eve")
    spare = await desk.acme.adds(maya, "Key on my key ring")
    registration = await desk.acme.house.registry.registration("maya")
    gone = next(key for key in registration.passkeys if key.name)
    path, wire = f"/devices/passkeys/{gone.short}/remove", await of(desk, maya)
    assert path in (await wire.get("/devices")).text
    sure = unescape((await wire.get(path)).text)
    assert "“Key on my key ring, on maya's phone” can't confirm anything any more" in sure
    assert "with its other passkeys" in sure
    stranger = await of(desk, eve)
    assert (await stranger.get(path)).status == 404
    assert (await stranger.post(path)).status == 409
    assert await desk.acme.desk.concerning("eve") == []
    request = (await wire.post(path)).header("location")
    assert "Remove a passkey of Maya Lindqvist" in (await wire.get(request)).text
    assert "Key on my key ring, on maya&#39;s phone" in (await wire.get(request)).text
    assert maya.passkeys is not None
    await confirms(wire, maya.passkeys, request)
    await desk.acme.worker.drain()
    assert "Key on my key ring, on maya&#39;s phone" in (await wire.get(request)).text, "nobody reads ids"
    listed = await wire.get("/devices")
    assert "/devices/passkeys/" not in listed.text
    assert (await wire.get(path)).status == 404
    (last,) = (await desk.acme.house.registry.registration("maya")).passkeys
    refused = await wire.get(f"/devices/passkeys/{last.short}/remove")
    assert (refused.status, no.LastOnDevice().sentence in unescape(refused.text)) == (409, True)
    reset = (await wire.post("/ask/password_reset", {})).header("location")
    begun = await wire.json(f"{reset}/passkey/begin", {})
    late = spare.get({**begun.json["publicKey"], "allowCredentials": []})
    answer = await wire.json(f"{reset}/passkey/finish", {"credential": json.loads(late)})
    assert "couldn't be used" in answer.json["error"]


async def test_with_a_sign_in_app_left_the_only_passkey_can_go_and_the_page_says_what_that_means(
    desk: Site,
) -> None:
    maya = await desk.acme.enrolled("maya")
    (key,) = (await desk.acme.house.registry.registration("maya")).passkeys
    wire = await of(desk, maya)
    said = unescape((await wire.get(f"/devices/passkeys/{key.short}/remove")).text)
    assert "stays registered with its sign-in app" in said
    assert "your only passkey" in said


async def test_an_installation_without_the_playbook_offers_no_passkeys_to_remove(tmp_path: Path) -> None:
    folder = tmp_path / "playbooks"
    shutil.copytree(handing_out(), folder)
    (folder / "passkey_revocation.yaml").unlink()
    async with pages(tmp_path, playbooks=folder) as desk:
        wire = await of(desk, await desk.acme.enrolled("maya"))
        assert "/devices/passkeys/" not in (await wire.get("/devices")).text


# -- enrolment links --------------------------------------------------------------------------------


async def test_a_link_belongs_to_the_first_browser_that_begins(desk: Site) -> None:
    token = await desk.acme.house.registry.first_link("omar")
    omar, thief, soft = Wire(desk), Wire(desk), SoftAuthenticator(desk.url)
    assert (await thief.get(f"/enrol/{token}")).status == 200  # looking takes nothing
    assert (await opens(omar, token)).header("location") == "/enrol"
    assert "another browser" in unescape((await opens(thief, token)).text)
    assert (await thief.get("/enrol")).status == 404
    assert (await thief.json("/enrol/begin", {"name": "Mine"})).status == 404
    assert key_on(await thief.get("/enrol/app")) == ""
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert (await thief.get(f"/enrol/{changed}")).status == 404
    assert (await opens(thief, changed)).status == 404
    before = omar.cookie
    assert (await creates(omar, soft)).status == 200
    for wire in (omar, thief):
        assert (await wire.get(f"/enrol/{token}")).status == 404
        assert (await wire.post(f"/enrol/{token}")).status == 404
    assert omar.cookie != before
    assert (await creates(replace(omar, answers=[]), SoftAuthenticator(desk.url))).status in (404, 409)
    assert len((await desk.acme.house.registry.registration("omar")).devices) == 1


async def test_a_link_lasts_an_hour_even_when_it_was_taken_in_time(desk: Site) -> None:
    registry, hands = desk.acme.house.registry, desk.acme.hands
    late, taken = await registry.first_link("omar"), await registry.first_link("eve")
    eve, soft = Wire(desk), SoftAuthenticator(desk.url)
    await opens(eve, taken)
    options = (await eve.json("/enrol/begin", {"name": "Mine"})).json["publicKey"]
    hands.forward(hours=1)
    assert "has expired" in unescape((await opens(Wire(desk), late)).text)
    finish = {"name": "Mine", "credential": json.loads(soft.make(options))}
    assert (await eve.json("/enrol/finish", finish)).status == 409
    assert key_on(await eve.get("/enrol/app")) == ""
    assert (await registry.registration("eve")).devices == ()


async def test_of_two_first_links_only_one_is_good(desk: Site) -> None:
    one, two = [await desk.acme.house.registry.first_link("omar") for _ in range(2)]
    omar, thief = Wire(desk), Wire(desk)
    await opens(omar, one)
    await opens(thief, two)
    assert (await creates(omar, SoftAuthenticator(desk.url))).status == 200
    answer = await creates(thief, SoftAuthenticator(desk.url))
    assert (answer.status, "never had a device" in answer.json["error"]) == (409, True)
    assert len((await desk.acme.house.registry.registration("omar")).devices) == 1


async def test_whoever_left_registers_nothing(desk: Site, tmp_path: Path) -> None:
    wire = Wire(desk)
    await opens(wire, await desk.acme.house.registry.first_link("eve"))
    options = (await wire.json("/enrol/begin", {"name": "Mine"})).json["publicKey"]
    leaves(tmp_path, "eve")
    made = {"name": "Mine", "credential": json.loads(SoftAuthenticator(desk.url).make(options))}
    assert (await wire.json("/enrol/finish", made)).status == 409
    assert (await desk.acme.house.registry.registration("eve")).devices == ()


async def test_the_apps_key_is_shown_in_its_own_sitting_and_never_again(desk: Site) -> None:
    """Whoever holds only the cookie must not get the second factor out of the page."""
    maya, _ = await enrols(desk, "maya")
    key = key_on(await maya.get("/enrol"))
    now = desk.acme.hands()
    assert (await maya.post("/enrol/app", {"code": "000000"})).status == 422
    assert (await maya.post("/enrol/app", {"code": pyotp.TOTP(key).at(now)})).header(
        "location"
    ) == "/enrol/done"
    for path in ("/enrol", "/enrol/app", "/enrol/done"):
        page = await maya.get(path)
        assert key_on(page) == ""
        assert "<svg" not in page.text
    desk.acme.hands.forward(minutes=1)
    for code in ("000000", pyotp.TOTP(key).at(desk.acme.hands())):
        again = await maya.post("/enrol/app", {"code": code})
        assert (again.status, again.header("location")) == (303, "/enrol/done")
    assert len((await desk.acme.house.registry.registration("maya")).proofs) == 2


async def test_an_app_is_added_within_ten_minutes_or_not_at_all(desk: Site) -> None:
    maya, _ = await enrols(desk, "maya")
    key = key_on(await maya.get("/enrol"))
    desk.acme.hands.forward(minutes=10)
    for path in ("/enrol", "/enrol/app"):
        assert key_on(await maya.get(path)) == ""
    late = await maya.post("/enrol/app", {"code": pyotp.TOTP(key).at(desk.acme.hands())})
    assert late.status == 409
    assert (await desk.acme.house.registry.registration("maya")).methods == {Method.PASSKEY}


async def test_an_app_goes_onto_the_device_that_was_just_made_and_no_other(desk: Site) -> None:
    """Eve took part in nothing of Maya's; the browser from before the registration is nobody any more."""
    eve = await of(desk, await desk.acme.enrolled("eve"))
    old, soft = Wire(desk), SoftAuthenticator(desk.url)
    await opens(old, await desk.acme.house.registry.first_link("maya"))
    maya = replace(old, answers=[])
    await creates(maya, soft)
    code = {"code": pyotp.TOTP(key_on(await maya.get("/enrol"))).at(desk.acme.hands())}
    for wire in (eve, old):
        await wire.get("/sign-in")
        assert (await wire.post("/enrol/app", code)).status in (303, 404)
    registry = desk.acme.house.registry
    assert (await registry.registration("maya")).methods == {Method.PASSKEY}
    assert len((await registry.registration("eve")).proofs) == 2


# -- cookies and signing in -------------------------------------------------------------------------


async def test_a_cookie_from_before_is_worth_nothing_afterwards(desk: Site) -> None:
    """Fixation: whoever planted or copied a cookie before somebody registered or signed in holds an empty one."""
    planted = Wire(desk)
    await opens(planted, await desk.acme.house.registry.first_link("maya"))
    maya, soft = replace(planted, answers=[]), SoftAuthenticator(desk.url)
    await creates(maya, soft)
    assert (await planted.get("/devices")).status == 303
    device = maya.cookie
    browser = await Wire.stranger(desk)
    before = browser.cookie
    signed = await browser.json(
        "/sign-in/finish", await assertion(browser, soft) | {"onward": "//evil.example"}
    )
    assert signed.json["location"] == "/"
    assert (await browser.get("/devices")).status == 200
    for old in (before, device):
        assert (await Wire(desk, old).get("/devices")).status == 303


async def test_a_device_whose_id_begins_with_a_dash_is_a_device_too(desk: Site) -> None:
    """Ids are chance, in base64url: one in 64 begins like the cookie of a browser that isn't registered."""
    house, now = desk.acme.house, desk.acme.hands()
    id, secret, browser = "-" + "a" * 21, "s" * 43, "b" * 43
    invitation = await house.registry.open_invitation(await house.registry.first_link("maya"), browser)
    device = Device(id, "maya", "A phone", token_hash(secret), now, key=(signs := BrowserKey()).point)
    seed = house.store.keys.close(b"s" * 20, seed_binding("maya"))
    key = Authenticator("app-1", "maya", id, Method.CODE, seed, 0, now)
    await house.registry.enrol(invitation.id, token_hash(browser), device, key)
    assert (await Wire(desk, f"{id}.{secret}", key=signs).get("/devices")).status == 200


@pytest.mark.parametrize("stride", [0, 1], ids=["synced passkey, no counter", "counting passkey"])
async def test_a_sign_in_is_good_once_here_and_now(desk: Site, stride: int) -> None:
    _, soft = await enrols(desk, "maya")
    soft.counter, soft.stride = (0, 0) if not stride else (soft.counter, 1)
    browser, other = await Wire.stranger(desk), await Wire.stranger(desk)
    said = await assertion(browser, soft)
    assert (await other.json("/sign-in/finish", said)).status == 404  # asked in another browser
    again = replace(browser, answers=[])
    assert (await browser.json("/sign-in/finish", said)).status == 200
    assert (await again.json("/sign-in/finish", said)).status in (404, 409)
    late = await Wire.stranger(desk)
    said = await assertion(late, soft)
    desk.acme.hands.forward(minutes=4)
    assert (await late.json("/sign-in/finish", said)).status == 404


async def test_nobody_signs_in_with_what_isnt_theirs_or_isnt_any_more(desk: Site, tmp_path: Path) -> None:
    acme = desk.acme
    (_, maya), (_, eve) = await enrols(desk, "maya"), await enrols(desk, "eve")
    browser = await Wire.stranger(desk)
    said = await assertion(browser, eve)
    forged = json.loads(
        json.dumps(said).replace(*_ids(eve, maya))
    )  # her signature under Maya's passkey's name
    assert (await browser.json("/sign-in/finish", forged)).status == 404
    maya.user_verified = False
    assert (await browser.json("/sign-in/finish", await assertion(browser, maya))).status == 404
    maya.user_verified, elsewhere = True, maya.origin
    maya.origin = "https://evil.example"
    assert (await browser.json("/sign-in/finish", await assertion(browser, maya))).status == 404
    maya.origin = elsewhere
    unregistered = SoftAuthenticator(desk.url)
    unregistered.passkeys = [replace(eve.passkeys[0], id=b"x" * 32)]
    assert (await browser.json("/sign-in/finish", await assertion(browser, unregistered))).status == 404
    device = (await acme.house.registry.registration("maya")).live[0].id
    await acme.house.registry.revoke("maya", device, "CS-TEST1")
    leaves(tmp_path, "eve")
    for soft in (maya, eve):
        assert (await browser.json("/sign-in/finish", await assertion(browser, soft))).status == 404
    assert (await browser.get("/devices")).status == 303


async def test_a_removed_device_and_a_leaver_are_out_at_once(desk: Site, tmp_path: Path) -> None:
    acme = desk.acme
    lost, eve = await acme.enrolled("maya"), await acme.enrolled("eve")
    maya_request, eve_request = (
        await acme.asks("password_reset", "maya"),
        await acme.asks("password_reset", "eve"),
    )
    wires = [(await of(desk, lost), maya_request.id), (await of(desk, eve), eve_request.id)]
    await acme.house.registry.revoke("maya", lost.device, "CS-TEST1")
    leaves(tmp_path, "eve")
    for wire, name in wires:
        assert "This browser isn't signed in" in (await wire.get("/")).text
        assert (await wire.get(f"/requests/{name}")).status == 303
        for act in ("cancel", "disown", "secret", "code"):
            assert (await wire.post(f"/requests/{name}/{act}")).status == 403
        assert (await wire.json(f"/requests/{name}/passkey/begin", {})).status == 403
        assert (await wire.post("/ask/account_unlock")).status == 403
        assert (await acme.desk.get(name)).stage is Stage.AWAITING_PROOF


# -- numbers and secrets ----------------------------------------------------------------------------


async def second_device(acme: Company, desk: Site, first: Phone) -> Wire:
    """Another browser of the same person, added the way everybody does it."""
    request = await acme.asks("add_device", first.person)
    await acme.proves(request, first)
    await acme.worker.drain()
    page = await (await of(desk, first)).post(f"/requests/{request.id}/secret")
    link = re.search(r"/enrol/([A-Za-z0-9_-]{43})<", page.text)
    assert link
    wire = Wire(desk)
    await opens(wire, link[1])
    assert (await creates(wire, SoftAuthenticator(desk.url), "Second")).status == 200
    return wire


async def test_a_secret_is_for_the_device_that_proved_and_once(desk: Site) -> None:
    acme = desk.acme
    phone = await acme.enrolled("maya")
    first, second = await of(desk, phone), await second_device(acme, desk, phone)
    request = await acme.asks("password_reset", "maya")
    path = f"/requests/{request.id}"
    assert (await first.post(f"{path}/secret")).status == 409
    await acme.proves(request, phone)
    await acme.worker.drain()
    assert "Show it now" not in (await second.get(path)).text
    refused = await second.post(f"{path}/secret")
    assert (refused.status, "on the device they used" in refused.text) == (409, True)
    shown = await first.post(f"{path}/secret")
    found = re.search(r'<output id="secret"[^>]*>([^<]+)</output>', shown.text)
    assert found
    assert await acme.directory.bind("maya.lindqvist", unescape(found[1]))
    assert await Intruder(acme.house.settings.database_url).run("SELECT key FROM secrets") == []
    for wire in (first, second):
        assert found[1] not in (await wire.get(path)).text
        assert (await wire.post(f"{path}/secret")).status == 409


async def test_the_number_stands_only_where_it_was_asked(desk: Site) -> None:
    acme = desk.acme
    phone, agent = await acme.enrolled("maya"), await acme.enrolled("ravi")
    first, second, ravi = await of(desk, phone), await second_device(acme, desk, phone), await of(desk, agent)
    own = (await first.post("/ask/account_unlock")).header("location")
    others = (await ravi.post("/ask/password_reset", {"for-whom": "maya.lindqvist"})).header("location")
    acme.hands.forward(minutes=1)
    for path, shown, hidden in ((own, [first], [second]), (others, [ravi], [first, second])):
        number = await digits_of(acme, path)
        for wire in (*shown, *hidden):
            page = (await wire.get(path)).text.replace(" ", "")
            assert (number in page) is (wire in shown), path
    answer = {"number": await digits_of(acme, others), "code": phone.code(acme.hands())}
    assert (await first.post(f"{others}/code", answer)).status == 303  # and so Maya can answer what he asked


async def digits_of(acme: Company, path: str) -> str:
    """The number of Maya's open challenge, as nobody but the house knows it."""
    challenge = (await acme.desk.get(path[10:])).challenge("maya", Method.CODE)
    assert challenge is not None
    return acme.store.keys.number(challenge.nonce)


# -- what people write ------------------------------------------------------------------------------


async def test_what_people_write_stays_text_on_every_page(tmp_path: Path) -> None:
    """Names of devices and people, free text, and the playbook's own words."""
    folder = tmp_path / "playbooks"
    shutil.copytree(PLAYBOOKS, folder)
    page = (folder / "password_reset.yaml").read_text()
    page = page.replace("name: password_reset", "name: share\njustification: true")
    page = page.replace("title: Password reset", f"title: 'Share {HOSTILE}'")
    page = page.replace("phrase: Reset the password of {subject}", "phrase: 'Open <b>it</b> \" to {subject}'")
    page = page.replace(
        "guidance:\n", f"form: [{{name: place, label: '{HOSTILE}', help: '{HOSTILE}'}}]\nguidance:\n"
    )
    page = page.replace("Before we reset it", "<script>alert(1)</script> Before")
    (folder / "share.yaml").write_text(page)
    async with pages(tmp_path, playbooks=folder) as desk:
        with contextlib.closing(sqlite3.connect(tmp_path / "directory.db")) as db, db:
            db.execute("UPDATE people SET name = ? WHERE id = 'maya'", [f"Maya {HOSTILE}"])
        phone = await desk.acme.enrolled("maya")
        maya = await of(desk, phone)
        renamed = await maya.post(f"/devices/{phone.device}/rename", {"name": HOSTILE[:40]})
        assert renamed.status == 303
        bad = await maya.post(f"/devices/{phone.device}/rename", {"name": HOSTILE * 3})
        typed = {"place": HOSTILE, "justification": f"{HOSTILE} </textarea>\u202e"}
        wrong = await maya.post("/ask/share", typed | {"place": ""})
        assert (bad.status, wrong.status) == (422, 422)
        path = (await maya.post("/ask/share", typed)).header("location")
        unknown = await maya.post("/ask/share", {HOSTILE: HOSTILE})
        assert "isn&#39;t a field" in unknown.text
        looked = ["/", "/devices", "/ask/share", path, f"{path}/disown", f"/devices/{phone.device}/remove"]
        answers = [bad, wrong, unknown, *[await maya.get(place) for place in looked]]
        await desk.acme.types(await desk.acme.desk.get(path[10:]), phone)
        await desk.acme.worker.drain()
        answers += [await maya.get(path), await maya.post(f"{path}/secret"), await maya.get("/")]
        stranger = Wire(desk)
        token = await desk.acme.house.registry.first_link("eve")
        answers += [
            await stranger.get(f"/enrol/{token}"),
            await opens(stranger, token),
            await stranger.get("/enrol/app"),
        ]
        for answer in answers:
            assert "<img src=x" not in answer.text
            assert "<script>" not in answer.text
        assert sum("&lt;img src=x" in answer.text for answer in answers) >= 9
        assert sum("{{7*7}}" in answer.text for answer in answers) >= 5


async def test_an_address_fills_in_no_more_than_the_form_has(desk: Site) -> None:
    maya = await of(desk, await desk.acme.enrolled("maya"))
    page = await maya.get("/ask/password_reset?csrf=1&for-whom=omar&playbook=add_device&status=500")
    assert page.status == 200
    assert "omar" not in page.text  # she may ask for nobody else, so there is no field to prefill


def _ids(one: SoftAuthenticator, other: SoftAuthenticator) -> tuple[str, str]:
    return b64(one.passkeys[0].id), b64(other.passkeys[0].id)
