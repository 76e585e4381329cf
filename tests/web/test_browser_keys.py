"""A device's cookie in another browser opens nothing: pages, forms and secrets take the key that stayed behind."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing

from bot.web.proofs import COOKIE as PROOF
from bot.web.server import make_app
from bot.web.session import COOKIE
from flows.model import Stage
from flows.registration import Change
from tests.authenticator import SoftAuthenticator
from tests.browser.site import Site
from tests.browser_key import BrowserKey
from tests.company import Phone
from tests.web.test_access import assertion, creates, enrols, opens, pages
from tests.web.wire import Wire

#: What belongs to nobody, or proves itself: a stranger's browser may ask for these.
OPEN = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in/begin"),
    ("POST", "/sign-in/finish"),
    ("GET", "/enrol/{token}"),
    (
        "POST",
        "/enrol/{token}",
    ),  # its token is what it takes; a device's cookie alone becomes another one there
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/manifest.webmanifest"),
    ("GET", "/worker.js"),
    ("GET", "/push"),  # a key, a form token and a key's name: each is worth nothing without the browser's key
    ("GET", "/recover"),
    ("POST", "/recover"),
    ("POST", "/recover/begin"),
    ("GET", "/recover/code"),
    ("POST", "/recover/code"),
    ("GET", "/join"),
    ("POST", "/join/begin"),
    ("GET", "/join/return"),
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    async with pages(tmp_path) as running:
        yield running


def thief(desk: Site, phone: Phone, key: BrowserKey | None = None) -> Wire:
    """Another browser, with a copy of this device's cookie."""
    return Wire(desk, phone.cookie, key=key)


def personal(desk: Site, request: str, device: str) -> list[tuple[str, str]]:
    """Every page there is, but for those that are open: method and address."""
    found = []
    for route in make_app(desk.acme.house).router.routes():
        path = route.resource.canonical if route.resource else ""
        if route.method == "HEAD" or path.startswith("/static") or (route.method, path) in OPEN:
            continue
        path = path.replace("{id}", request).replace("{device}", device).replace("{action}", "disown")
        path = path.replace("{playbook}", "account_unlock").replace("{passkey}", "A" * 22)
        path = path.replace("/enrol/{token}", "/enrol/" + "A" * 43)
        found.append((route.method, path.replace("{token}", "x")))
    return found


@pytest.mark.parametrize("key", [None, BrowserKey()], ids=["no key", "a key of its own"])
async def test_a_copied_cookie_opens_no_page_and_sends_no_form(desk: Site, key: BrowserKey | None) -> None:
    phone = await desk.acme.enrolled("maya")
    request = await desk.acme.asks("password_reset", "maya")
    await desk.acme.desk.number(request.id)
    eve, before = thief(desk, phone, key), await desk.acme.desk.get(request.id)
    addresses = personal(desk, request.id, phone.device)
    assert len(addresses) >= 25
    for method, path in addresses:
        if method == "GET":
            page = await eve.get(path)
            assert (page.status, "<title>One moment" in page.text) == (200, True), path
            for private in ("Maya", "Password", phone.device):
                assert private not in page.text, (path, private)
            asked = await eve.get(path, Accept="application/json")
            assert asked.status == 403, path
        else:
            assert (await eve.post(path, {"name": "Mine", "code": "123456"})).status == 403, path
            assert (await eve.json(path, {"name": "Mine"})).status == 403, path
    assert await desk.acme.desk.get(request.id) == before
    assert (await desk.acme.house.registry.registration("maya")).live[0].name != "Mine"
    maya = await Wire.of(desk, phone)  # who isn't disturbed by any of this
    assert "Maya" in (await maya.get("/")).text


async def test_a_secret_isnt_shown_to_a_copied_cookie(desk: Site) -> None:
    acme = desk.acme
    phone = await acme.enrolled("maya")
    request = await acme.asks("password_reset", "maya")
    await acme.proves(request, phone)
    await acme.worker.drain()
    eve = thief(desk, phone)
    await eve.get("/")
    refused = await eve.post(f"/requests/{request.id}/secret")
    assert (refused.status, "This browser has to show who it is" in refused.text) == (403, True)
    assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
    maya = await Wire.of(desk, phone)
    assert '<output id="secret"' in (await maya.post(f"/requests/{request.id}/secret")).text


async def test_what_a_copied_cookie_tries_is_on_record_once_a_minute(desk: Site) -> None:
    phone = await desk.acme.enrolled("maya")
    eve = thief(desk, phone)
    await eve.get("/")
    assert await desk.acme.refusals() == [], "a page without a proof is what every reload asks for"
    with structlog.testing.capture_logs() as said:
        for _ in range(3):
            await eve.post("/ask/account_unlock")
    warned = [line for line in said if line["event"] == "unsigned"]
    assert [(line["log_level"], line["person"]) for line in warned] == [("warning", "maya")]
    assert await desk.acme.refusals() == ["UnsignedRequest"]
    desk.acme.hands.forward(minutes=1)
    await eve.post("/ask/account_unlock")
    assert await desk.acme.refusals() == ["UnsignedRequest"] * 2


async def test_a_proof_is_good_for_one_request(desk: Site) -> None:
    """Overheard or replayed: not again, not elsewhere, not with other answers, and not by another device."""
    maya, eve = await desk.acme.enrolled("maya"), await desk.acme.enrolled("eve")
    wire, now = await Wire.of(desk, maya), desk.acme.hands()
    proof = maya.key.proof("GET", "/devices", at=now)

    async def shown(path: str, proof: str, cookie: str = maya.cookie) -> bool:
        answer = await wire.send("GET", path, [("Cookie", f"{COOKIE}={cookie}"), ("X-Proof", proof)])
        return "<title>One moment" not in answer.text

    assert not await shown("/devices?x=1", proof)
    assert not await shown("/", proof)
    assert not await shown("/devices", proof, eve.cookie)
    assert await shown("/devices", proof)
    assert not await shown("/devices", proof)
    assert not await shown("/devices", maya.key.proof("POST", "/devices", at=now))
    assert not await shown("/devices", eve.key.proof("GET", "/devices", at=now))
    fresh = maya.key.proof("GET", "/devices", at=now)
    desk.acme.hands.forward(seconds=61)
    assert not await shown("/devices", fresh)


async def test_a_form_is_signed_with_what_stands_in_it(desk: Site) -> None:
    phone = await desk.acme.enrolled("maya")
    wire, now = await Wire.of(desk, phone), desk.acme.hands()
    path, form = f"/devices/{phone.device}/rename", "application/x-www-form-urlencoded"
    ours = [("Origin", desk.url), ("Content-Type", form), ("Cookie", f"{COOKIE}={phone.cookie}")]
    meant = f"csrf={wire.token}&name=Mine".encode()
    proof = ("X-Proof", phone.key.proof("POST", path, meant, at=now))
    changed = meant.replace(b"Mine", b"Hers")
    assert (await wire.send("POST", path, [*ours, proof], changed)).status == 403
    assert (await wire.send("POST", path, [*ours, proof], meant)).status == 303
    assert (await wire.send("POST", path, [*ours, proof], meant)).status == 403


async def test_the_browser_itself_carries_proofs_in_cookies_of_seconds(desk: Site) -> None:
    """One for each window, and the one for this page among those for others."""
    phone = await desk.acme.enrolled("maya")
    now = desk.acme.hands()
    laid = [phone.key.proof("GET", path, at=now) for path in ("/", "/devices", "/ask/account_unlock")]
    cookies = "; ".join(f"{PROOF}{n}={proof}" for n, proof in enumerate(laid))
    wire = Wire(desk, key=None)
    for path in ("/devices", "/ask/account_unlock", "/"):
        page = await wire.send("GET", path, [("Cookie", f"{COOKIE}={phone.cookie}; {cookies}")])
        assert "Maya" in page.text, path


async def test_the_page_that_a_form_leads_to_takes_no_second_signature(desk: Site) -> None:
    phone = await desk.acme.enrolled("maya")
    wire, now = await Wire.of(desk, phone), desk.acme.hands()
    path, form = "/ask/account_unlock", "application/x-www-form-urlencoded"
    body = f"csrf={wire.token}".encode()
    proof = phone.key.proof("POST", path, body, at=now)
    mine = ("Cookie", f"{COOKIE}={phone.cookie}; {PROOF}a={proof}")
    browser = replace(wire, key=None)
    sent = await browser.send("POST", path, [("Origin", desk.url), ("Content-Type", form), mine], body)
    there = sent.header("location")
    assert re.fullmatch(r"/requests/CS-\w{5}", there)
    assert "<title>One moment" in (await browser.send("GET", "/devices", [mine])).text
    assert "Maya" in (await browser.send("GET", there, [mine])).text
    assert "<title>One moment" in (await browser.send("GET", there, [mine])).text


# -- how a key is bound ------------------------------------------------------------------------------


async def test_a_key_that_the_passkey_didnt_sign_for_is_not_bound(desk: Site) -> None:
    """Somebody in between who puts their own key into the last message gets nowhere."""
    token, evil = await desk.acme.house.registry.first_link("maya"), {"key": BrowserKey().point}
    maya, soft = Wire(desk), SoftAuthenticator(desk.url)
    await opens(maya, token)
    await maya.get("/enrol")
    begun = (await maya.json("/enrol/begin", {"name": "Phone"})).json["publicKey"]
    made = {"name": "Phone", "credential": json.loads(soft.make(begun))}
    assert (await maya.json("/enrol/finish", made | evil)).status == 409
    assert (await desk.acme.house.registry.registration("maya")).devices == ()
    soft = SoftAuthenticator(desk.url)
    assert (await creates(maya, soft)).status == 200
    browser = await Wire.stranger(desk)
    said = await assertion(browser, soft)
    assert (await browser.json("/sign-in/finish", said | evil)).status == 404
    assert (await browser.json("/sign-in/finish", said)).status == 200


@pytest.mark.parametrize("bad", [None, "", "B" + "A" * 86, 7])
async def test_nobody_registers_or_signs_in_without_a_key(desk: Site, bad: object) -> None:
    maya, soft = Wire(desk), SoftAuthenticator(desk.url)
    await opens(maya, await desk.acme.house.registry.first_link("maya"))
    await maya.get("/enrol")
    for path in ("/enrol/begin", "/enrol/finish", "/sign-in/begin", "/sign-in/finish"):
        refused = await maya.json(path, {"name": "Phone", "key": bad})
        assert (refused.status, "key of its own" in refused.json["error"]) == (409, True), path
    assert (await creates(maya, soft)).status == 200


async def test_signing_in_binds_the_browser_that_did(desk: Site) -> None:
    first, soft = await enrols(desk, "maya")
    second = await Wire.stranger(desk)
    assert (await second.json("/sign-in/finish", await assertion(second, soft))).status == 200
    assert "Maya" in (await second.get("/")).text
    assert (await Wire(desk, second.cookie, key=first.key).get("/")).text.count("One moment") >= 1
    assert "This browser isn't signed in" in (await first.get("/")).text


async def test_a_device_from_before_signs_in_once_and_has_a_key(desk: Site) -> None:
    acme = desk.acme
    phone = await acme.enrolled("maya")
    registry = acme.house.registry
    device = replace((await registry.registration("maya")).live[0], key="")
    await registry.decide("Forget", "maya", lambda before, book: Change((), devices=(device,)))
    old = Wire(desk, phone.cookie, key=phone.key)
    assert "This browser isn't signed in" in (await old.get("/")).text
    assert (await old.get("/devices")).header("location") == "/sign-in?onward=/devices"
    assert (await old.post("/ask/account_unlock")).status == 403
    assert phone.passkeys is not None
    assert (await old.json("/sign-in/finish", await assertion(old, phone.passkeys))).status == 200
    assert "Maya" in (await old.get("/")).text
    assert (await registry.registration("maya")).live[0].key == phone.key.point


async def test_a_copied_cookie_takes_no_part_in_a_registration(desk: Site) -> None:
    """Nor in one that its owner began in the registered browser."""
    acme = desk.acme
    maya, _ = await enrols(desk, "maya")
    copy = Wire(desk, maya.cookie, key=BrowserKey())
    page = await copy.get("/enrol")  # where the app's key stands for ten minutes
    assert ("One moment" in page.text, 'id="key"' in page.text) == (True, False)
    assert (await copy.post("/enrol/app", {"code": "123456"})).status == 403
    assert (await copy.json("/enrol/begin", {"name": "Mine"})).status == 403
    assert len((await acme.house.registry.registration("maya")).proofs) == 1
    assert 'id="key"' in (await maya.get("/enrol")).text
