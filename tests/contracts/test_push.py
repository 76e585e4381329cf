"""Notifications of registered devices, against a push service that isn't ours and against some that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import structlog.testing
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from sqlalchemy import update

import app
from bot.journal import Everywhere
from bot.push import Pusher, public
from bot.web.server import make_app
from flows.commands import Cancel
from flows.model import Origin
from handlers import vapid
from handlers.subscriptions import Subscription
from storage.sql import TABLES
from tests.company import ON_DEVICE, Company, Phone, company
from tests.peers.web_push import PushService

KEY, OTHER = vapid.new(), vapid.new()
CONTACT = "mailto:desk@example.com"
IN_SLACK = Origin("slack", "T0ACME", "U0MAYA", "D0MAYA")


@contextlib.asynccontextmanager
async def pushing(
    database_url: str,
    folder: Path,
    *,
    patience: float = 10.0,
    names: AbstractResolver | None = None,
    **settings: Any,
) -> AsyncIterator[Company]:
    """A company that notifies registered devices, beside its mailbox."""
    given = {"vapid_key": KEY, "vapid_contact": CONTACT, **settings}
    async with company(database_url, folder, **given) as acme:
        pusher = Pusher(acme.house, patience=patience, names=names)
        acme.worker.messenger = Everywhere(acme.mailbox, pusher)
        try:
            yield acme
        finally:
            await pusher.close()


async def notified(acme: Company, phone: Phone, there: Mapping[str, Any]) -> None:
    """This phone's browser is to be notified there."""
    keys = there["keys"]
    kept = Subscription(phone.device, phone.person, there["endpoint"], keys["p256dh"], keys["auth"])
    await acme.house.subscriptions.keep(kept)


async def said(acme: Company) -> list[Mapping[str, Any]]:
    """Let the worker pay what is owed; gives the lines about pushes."""
    with structlog.testing.capture_logs() as lines:
        await acme.worker.drain()
    return [line for line in lines if line["event"].startswith("push")]


# -- a service that isn't ours ------------------------------------------------------------------


async def test_whoever_has_to_confirm_is_notified(
    sqlite_url: str, tmp_path: Path, push_service: PushService
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        there = push_service.subscribes(vapid.public(KEY))
        await notified(acme, await acme.enrolled("maya"), there)
        request = await acme.asks("password_reset", "maya", origin=IN_SLACK)
        (line,) = await said(acme)
        assert (line["event"], line["service"]) == ("pushed", "localhost")
        assert push_service.received(there) == [
            {
                "title": "Password reset",
                "body": "Asked in Slack, just now. Nothing happens until you confirm.",
                "name": request.id,
            }
        ]
        assert ("maya", "challenge", request.id) in acme.mailbox.told, "and the chat says it too"


async def test_each_of_a_persons_devices_and_nobody_elses(
    sqlite_url: str, tmp_path: Path, push_service: PushService
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        theirs = {who: push_service.subscribes(vapid.public(KEY)) for who in ("maya", "omar")}
        for who, there in theirs.items():
            await notified(acme, await acme.enrolled(who), there)
        await acme.asks("password_reset", "maya", by="ravi")
        await said(acme)
        (told,) = push_service.received(theirs["maya"])
        assert (
            told["body"]
            == "Somebody else asked on the command line, just now. Nothing happens until you confirm."
        )
        assert push_service.received(theirs["omar"]) == []


async def test_whoever_may_approve_is_notified_without_a_word_of_what_it_is(
    sqlite_url: str, tmp_path: Path, push_service: PushService
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        nina, sam = await acme.enrolled("nina"), await acme.enrolled("sam")
        there = push_service.subscribes(vapid.public(KEY))
        await notified(acme, sam, there)
        request = await acme.asks("device_enrolment", "omar", by="nina")
        await said(acme)
        assert push_service.received(there) == []
        await acme.proves(request, nina)
        await said(acme)
        (told,) = push_service.received(there)
        assert told["name"] == request.id
        assert told["body"].startswith("Your approval is asked for.")
        assert not re.search("(?i)omar|nina", str(told))


async def test_a_subscription_bound_to_another_key_is_refused_logged_and_kept(
    sqlite_url: str, tmp_path: Path, push_service: PushService
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        there = push_service.subscribes(vapid.public(OTHER))
        await notified(acme, maya, there)
        await acme.asks("password_reset", "maya")
        (line,) = await said(acme)
        assert (line["event"], line["log_level"], line["status"]) == ("push_refused", "error", 400)
        assert there["clientHash"] not in str(line), "the address is what it takes to push there"
        assert push_service.received(there) == []
        assert await acme.house.subscriptions.on(maya.device)


async def test_an_expired_subscription_is_dropped(
    sqlite_url: str, tmp_path: Path, push_service: PushService
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        there = push_service.subscribes(vapid.public(KEY))
        push_service.expires(there)
        await notified(acme, maya, there)
        await acme.asks("password_reset", "maya")
        (line,) = await said(acme)
        assert (line["event"], line["status"]) == ("push_dropped", 410)
        assert not await acme.house.subscriptions.on(maya.device)
        assert acme.mailbox.told, "the chat said it all the same"


async def test_a_revoked_device_is_notified_no_more(
    sqlite_url: str, tmp_path: Path, push_service: PushService
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        there = push_service.subscribes(vapid.public(KEY))
        await notified(acme, maya, there)
        await acme.asks("account_unlock", "maya")
        await acme.house.registry.revoke("maya", maya.device, "CS-00000")
        assert await said(acme) == []
        assert push_service.received(there) == []


# -- services that misbehave, on the wire ---------------------------------------------------------


@dataclass
class Stub:
    """A push service of this test's own: keeps what it is sent, and answers as it is told."""

    url: str = ""
    status: int = 201
    headers: Mapping[str, str] = field(default_factory=dict)
    got: list[Mapping[str, str]] = field(default_factory=list)
    hangs: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def browser(self) -> Mapping[str, Any]:
        """A browser's subscription here."""
        point = vapid.public(vapid.new())
        return {"endpoint": f"{self.url}/secret-part", "keys": {"p256dh": point, "auth": "A" * 22}}

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(dict(request.headers))
        self.asked.set()
        if self.hangs:
            await self.hangs.wait()
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    made = Stub()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://localhost:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        if made.hangs:
            made.hangs.set()
        await runner.cleanup()


async def test_what_is_sent_is_urgent_short_lived_and_signed_for_that_service_alone(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        request = await acme.asks("password_reset", "maya")
        await said(acme)
        (sent,) = stub.got
        assert (sent["Urgency"], sent["Content-Encoding"]) == ("high", "aes128gcm")
        assert 0 < int(sent["TTL"]) <= 600
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", sent["Topic"])
        assert request.id not in str(sent), "the push service learns no name of ours"
        found = re.fullmatch(r"vapid t=([^,]+),k=(.+)", sent["Authorization"])
        assert found
        assert found[2] == vapid.public(KEY)
        ours = vapid.private(KEY).public_key()
        claims = jwt.decode(found[1], ours, algorithms=["ES256"], audience=stub.url)
        assert claims["sub"] == CONTACT


async def test_it_is_kept_there_no_longer_than_it_is_of_use(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        request = await acme.asks("password_reset", "maya")
        assert request.due_at is not None
        acme.hands.now = request.due_at
        acme.hands.forward(seconds=-40)
        await said(acme)
        assert [each["TTL"] for each in stub.got] == ["40"]


async def test_the_service_itself_notifies_where_the_settings_have_a_key(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    async with (
        company(sqlite_url, tmp_path, bind=bind, vapid_key=KEY, vapid_contact=CONTACT) as acme,
        app.running(acme.house, make_app(acme.house)),
    ):
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        await acme.asks("password_reset", "maya")
        async with asyncio.timeout(10):
            await stub.asked.wait()


async def test_two_requests_have_two_topics(sqlite_url: str, tmp_path: Path, stub: Stub) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        for playbook in ("password_reset", "account_unlock"):
            await acme.asks(playbook, "maya", origin=ON_DEVICE)
        await said(acme)
        assert len({each["Topic"] for each in stub.got}) == 2


async def test_a_service_that_never_answers_is_given_up_in_time(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    stub.hangs = asyncio.Event()
    async with pushing(sqlite_url, tmp_path, patience=0.3) as acme:
        maya = await acme.enrolled("maya")
        await notified(acme, maya, stub.browser())
        await acme.asks("password_reset", "maya")
        async with asyncio.timeout(5):
            (line,) = await said(acme)
        assert (line["event"], "Timeout" in line["error"]) == ("push_failed", True)
        assert await acme.house.subscriptions.on(maya.device)
        assert acme.mailbox.told, "the chat had said it meanwhile"


@pytest.mark.parametrize("status", [413, 429, 500, 503])
async def test_a_service_that_is_busy_is_left_alone(
    sqlite_url: str, tmp_path: Path, stub: Stub, status: int
) -> None:
    stub.status = status
    async with pushing(sqlite_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        await notified(acme, maya, stub.browser())
        await acme.asks("password_reset", "maya")
        (line,) = await said(acme)
        assert (line["event"], line["status"], len(stub.got)) == ("push_failed", status, 1)
        assert "secret-part" not in str(line)
        assert await acme.house.subscriptions.on(maya.device)


async def test_nobody_is_followed_to_another_address(sqlite_url: str, tmp_path: Path, stub: Stub) -> None:
    stub.status, stub.headers = 307, {"Location": f"{stub.url}/elsewhere"}
    async with pushing(sqlite_url, tmp_path) as acme:
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        await acme.asks("password_reset", "maya")
        (line,) = await said(acme)
        assert (line["event"], line["status"], len(stub.got)) == ("push_failed", 307, 1)


async def test_what_was_pushed_isnt_pushed_again_because_a_chat_was_away(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        request = await acme.asks("password_reset", "maya")
        for _ in range(3):
            await acme.worker.messenger.tell("maya", "challenge", request)
        assert len(stub.got) == 1


async def test_what_is_over_is_pushed_to_nobody(sqlite_url: str, tmp_path: Path, stub: Stub) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        await notified(acme, await acme.enrolled("maya"), stub.browser())
        request = await acme.asks("password_reset", "maya")
        await acme.desk.submit(request.id, Cancel("maya"))
        assert await said(acme) == []
        assert stub.got == []


# -- our own network ------------------------------------------------------------------------------


async def test_a_subscription_written_by_hand_leads_nowhere(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    async with pushing(sqlite_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        await notified(acme, maya, stub.browser())
        await acme.store.run(update(TABLES["subscriptions"]).values(endpoint=f"{stub.url}/evil"))
        await acme.asks("password_reset", "maya")
        assert await said(acme) == []
        assert stub.got == []
        await acme.worker.drain()
        assert any(notice == "tampering" for _, notice, _ in acme.mailbox.announced)


async def test_outside_this_machine_nothing_is_sent_into_our_own_network(
    sqlite_url: str, tmp_path: Path, stub: Stub
) -> None:
    async with pushing(sqlite_url, tmp_path, public_url="https://desk.example.com") as acme:
        maya = await acme.enrolled("maya")
        await notified(acme, maya, stub.browser())
        await acme.asks("password_reset", "maya")
        (line,) = await said(acme)
        assert (line["event"], line["error"]) == ("push_failed", "address")
        assert stub.got == []


class Names(AbstractResolver):
    """A domain whose owner says that it is on this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_public_name_that_leads_into_our_own_network_isnt_connected_to(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The name is judged when it is connected to, since it may lead elsewhere by then."""
    outside = "https://desk.example.com"
    async with pushing(sqlite_url, tmp_path, public_url=outside, names=Names()) as acme:
        there = {**Stub().browser(), "endpoint": "https://push.example.com/secret-part"}
        await notified(acme, await acme.enrolled("maya"), there)
        await acme.asks("password_reset", "maya")
        (line,) = await said(acme)
        assert (line["event"], line["error"]) == ("push_failed", "ClientConnectorDNSError")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "ff02::1",
    ],
)
def test_an_address_of_our_own_network_isnt_public(address: str) -> None:
    assert not public(address)


def test_an_address_of_the_internet_is_public() -> None:
    assert public("93.184.216.34")
    assert public("2606:2800:220:1:248:1893:25c8:1946")
