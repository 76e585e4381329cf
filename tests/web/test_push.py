"""The switch for notifications on a device, from the wire: what it takes, and what it doesn't."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.digest import key_name
from flows.registration import Device
from handlers import subscriptions, vapid
from tests.browser.site import Site
from tests.web.test_access import pages
from tests.web.wire import Wire

KEY = vapid.new()
POINT, SECRET = vapid.public(vapid.new()), "A" * 22
ENDPOINT = "https://push.example.com/send/8Zq"
PHONE = Device("d-1", "maya", "Maya's phone", "", datetime(2026, 11, 30, tzinfo=UTC))
SETTINGS = {"vapid_key": KEY, "vapid_contact": "mailto:desk@example.com"}


def offered(endpoint: object = ENDPOINT, **keys: object) -> dict[str, Any]:
    """What a browser's PushSubscription.toJSON gives."""
    return {"endpoint": endpoint, "expirationTime": None, "keys": {"p256dh": POINT, "auth": SECRET, **keys}}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    async with pages(tmp_path, **SETTINGS) as running:
        yield running


async def test_a_device_is_notified_until_it_says_stop(desk: Site) -> None:
    phone = await desk.acme.enrolled("maya")
    wire, kept = await Wire.of(desk, phone), desk.acme.house.subscriptions
    assert f'data-push="{vapid.public(KEY)}"' in (await wire.get("/devices")).text
    assert 'data-on="no"' in (await wire.get("/devices")).text
    assert (await wire.json("/push", offered())).json == {"on": True}
    (there,) = await kept.of("maya")
    assert (there.device, there.endpoint, there.p256dh, there.auth) == (
        phone.device,
        ENDPOINT,
        POINT,
        SECRET,
    )
    assert 'data-on="yes"' in (await wire.get("/devices")).text
    assert (await wire.json("/push/stop", {})).json == {"on": False}
    assert await kept.of("maya") == []


async def test_a_device_has_one_place_and_a_place_one_device(desk: Site) -> None:
    maya, omar = await desk.acme.enrolled("maya"), await desk.acme.enrolled("omar")
    hers, his = await Wire.of(desk, maya), await Wire.of(desk, omar)
    kept = desk.acme.house.subscriptions
    await hers.json("/push", offered(ENDPOINT + "-first"))
    await hers.json("/push", offered())
    assert [each.endpoint for each in await kept.of("maya")] == [ENDPOINT]
    await his.json("/push", offered())  # the browser that was hers is his now
    assert (await kept.of("maya"), len(await kept.of("omar"))) == ([], 1)


async def test_the_worker_is_told_what_it_needs_to_subscribe_again(desk: Site) -> None:
    wire = await Wire.of(desk, await desk.acme.enrolled("maya"))
    terms = (await wire.get("/push", Accept="application/json")).json
    assert (terms["key"], terms["csrf"]) == (vapid.public(KEY), wire.token)
    assert terms["now"] == desk.acme.hands().isoformat()
    (device,) = (await desk.acme.house.registry.registration("maya")).live
    assert terms["signing"] == key_name(device.key), "what a page of that browser would tell it"
    stranger = await Wire.stranger(desk)
    assert (await stranger.get("/push")).status == 403


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.com/send/8Zq",
        "https://127.0.0.1/x",
        "https://10.0.0.1/x",
        "https://93.184.216.34/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://[::1]/x",
        "https://intranet/x",
        "https://push.example.com:8443/x",
        "https://push.example.com:0/x",
        "https://push.example.com:99999/x",
        "https://maya@push.example.com/x",
        "https://push.example.com/x#y",
        "https://push.example.com/a b",
        "https://push.example.com/\r\nHost: evil",
        "https://push.exämple.com/x",
        "https://push.example.com\\@evil/x",
        "https://[push.example.com/x",
        "ftp://push.example.com/x",
        "javascript:alert(1)",
        "/requests",
        "",
        "https://push.example.com/" + "a" * 1024,
        7,
        None,
        ["https://push.example.com/x"],
    ],
)
def test_an_address_that_is_no_push_services_isnt_taken(endpoint: object) -> None:
    assert subscriptions.offered(PHONE, offered(endpoint), local=False) is None


def test_on_this_machine_alone_a_push_service_may_be_here() -> None:
    here = offered("http://localhost:8090/notify/1")
    assert subscriptions.offered(PHONE, here, local=True) is not None
    assert subscriptions.offered(PHONE, here, local=False) is None
    assert subscriptions.offered(PHONE, offered("http://10.0.0.1:8090/notify/1"), local=True) is None
    assert subscriptions.offered(PHONE, offered(), local=False) is not None


@pytest.mark.parametrize(
    "keys",
    [
        {"p256dh": POINT[:-4]},
        {"p256dh": vapid.base64url(b"\x04" + b"\x01" * 64)},  # a point off the curve
        {"p256dh": vapid.base64url(b"\x00" * 65)},
        {"p256dh": None},
        {"p256dh": "?" * 87},
        {"p256dh": "A" * 60_000},
        {"auth": "A" * 20},
        {"auth": "A" * 44},
        {"auth": 16},
        {"auth": None},
    ],
)
def test_keys_that_nothing_can_be_encrypted_for_arent_taken(keys: dict[str, object]) -> None:
    assert subscriptions.offered(PHONE, offered(**keys), local=False) is None


async def test_what_isnt_taken_is_refused_and_nothing_is_kept(desk: Site) -> None:
    wire = await Wire.of(desk, await desk.acme.enrolled("maya"))
    for keys in (None, [], "x", {}):
        assert (await wire.json("/push", {"endpoint": ENDPOINT, "keys": keys})).status == 422
    for body in (b"", b"[]", b"{", b"null", b'"x"', b"[" * 30_000):
        assert (await wire.json("/push", body)).status == 400
    answer = await wire.json("/push", offered("https://10.0.0.1/x"))
    assert answer.status == 422
    assert "can't be used" in answer.json["error"]
    assert await desk.acme.house.subscriptions.of("maya") == []


@pytest.mark.parametrize("path", ["/push", "/push/stop"])
async def test_nobody_turns_it_on_or_off_from_elsewhere(desk: Site, path: str) -> None:
    wire = await Wire.of(desk, await desk.acme.enrolled("maya"))
    await wire.json("/push", offered())
    sent = json.dumps(offered(ENDPOINT + "-evil")).encode()
    genuine, form = wire.script(), ("Content-Type", "application/json")
    for left_out in ("Origin", "X-CSRF-Token"):
        headers = [*(each for each in genuine if each[0] != left_out), form]
        assert (await wire.send("POST", path, headers, sent)).status == 403
    stranger = await Wire.stranger(desk)
    assert (await stranger.json(path, offered())).status == 403
    assert [each.endpoint for each in await desk.acme.house.subscriptions.of("maya")] == [ENDPOINT]


async def test_without_a_key_nothing_is_offered(tmp_path: Path) -> None:
    async with pages(tmp_path) as desk:
        wire = await Wire.of(desk, await desk.acme.enrolled("maya"))
        page = (await wire.get("/devices")).text
        assert "data-push" not in page
        assert "isn't set up to notify" in page
        answer = await wire.json("/push", offered())
        assert answer.status == 409
        assert "isn't set up" in answer.json["error"]
        assert await desk.acme.house.subscriptions.of("maya") == []


async def test_the_page_can_be_installed(desk: Site) -> None:
    wire = Wire(desk)  # a browser asks for these without a cookie, and is given none
    page = await wire.get("/sign-in")
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page.text
    answer = await Wire(desk).get("/manifest.webmanifest")
    assert answer.header("content-type") == "application/manifest+json; charset=utf-8"
    assert not answer.header("set-cookie")
    told = answer.json
    assert (told["start_url"], told["scope"], told["display"]) == ("/", "/", "standalone")
    for icon in told["icons"]:
        found = await Wire(desk).get(icon["src"])
        assert (found.status, found.header("content-type")) == (200, icon["type"])
        if icon["type"] == "image/png":
            width, height = (
                int.from_bytes(found.body[at : at + 4]) for at in (16, 20)
            )  # PNG, section 11.2.1
            assert icon["sizes"] == f"{width}x{height}"
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in told["icons"]}


async def test_the_worker_is_served_at_the_root_fresh_each_time_and_to_anybody(desk: Site) -> None:
    answer = await Wire(desk).get("/worker.js")
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("cache-control") == "no-store"
    assert not answer.header("set-cookie")
    assert "fetch" not in [
        line.split('"')[1] for line in answer.text.splitlines() if "addEventListener" in line
    ]
