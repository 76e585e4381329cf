"""What Teams would never post, to the real bot over a real socket: a plain no; nothing run, kept or called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.teams import PATH
from tests.browser.site import Now
from tests.teams_issuer import Issuer, claims, issuing, put_together, signed, with_public_key
from tests.teams_office import TeamsOffice, teams_office
from tests.teams_tenant import TENANT, Json, connector, object_id
from tests.web.hostile import KINDS, SLOW, Caller, Genuine, malformed
from tests.web.wire import FORM, JSON, Headers, state

pytestmark = pytest.mark.asyncio(loop_scope="module")


class BotToken:
    """How the bot signs in here."""

    async def token(self) -> str:
        return "the-bots-own-token"

    def refused(self, token: str) -> None:
        raise AssertionError("it is good")


@dataclass(frozen=True)
class Door:
    """The real app behind its real gate, whoever signs its tokens, and the folder that everything is kept in."""

    acme: TeamsOffice
    issuer: Issuer
    folder: Any

    @property
    def now(self) -> float:
        return Now()().timestamp()

    def token(self, **changed: Any) -> str:
        """A genuine token, but for these claims."""
        return signed(claims(self.now, **{"serviceurl": self.acme.tenant.url, **changed}))

    def headers(self, token: str | None = None, form: str = JSON) -> Headers:
        return [("Authorization", token or self.token()), ("Content-Type", form)]

    @property
    def caller(self) -> Caller:
        return Caller(self.acme.port, PATH)

    @property
    def genuine(self) -> Genuine:
        """A message that passes."""
        return Genuine(self.message(), lambda _, form: self.headers(form=form))

    async def says(self, activity: Json, token: str | None = None) -> int:
        answer = await self.caller.post(self.headers(token), json.dumps(activity).encode())
        return answer.status

    def message(self, **more: Any) -> Json:
        return self.acme.activity("maya", text="I forgot my password", **more)

    def press(self, **data: Any) -> Json:
        value = {
            "action": {
                "type": "Action.Execute",
                "verb": "ask",
                "data": {"handle": "h", "verb": "ask", **data},
            }
        }
        return self.acme.activity("maya", type="invoke", name="adaptiveCard/action", value=value)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("teams")
    async with (
        issuing() as issuer,
        connector() as tenant,
        teams_office(
            f"sqlite:///{folder / 'desk.db'}",
            folder,
            tenant=tenant,
            hands=Now(),  # type: ignore[arg-type]
            signed_in=BotToken(),
            teams_development=False,
            teams_managed_identity="system",
            teams_openid_url=issuer.openid_url,
        ) as acme,
    ):
        await acme.company.enrolled("maya")
        await acme.connected("maya")
        yield Door(acme, issuer, folder)


async def test_a_genuine_activity_is_answered_and_our_own_token_goes_to_teams_alone(door: Door) -> None:
    assert await door.says(door.message()) == 200
    await door.acme.settled()
    assert "Password reset?" in door.acme.read(door.acme.last("maya"))
    assert door.acme.tenant.tokens == {"Bearer the-bots-own-token"}


def changed(path: str, value: Any) -> Callable[[Door], Json]:
    """A message with one value changed; None leaves it out."""

    def make(door: Door) -> Json:
        activity = json.loads(json.dumps(door.message()))
        *outer, last = path.split(".")
        node = activity
        for name in outer:
            node = node[name]
        if value is None:
            node.pop(last)
        else:
            node[last] = value
        return dict(activity)

    return make


OTHER = "0" * 8 + TENANT[8:]
#: A genuine token, and an activity that isn't one of ours.
ACTIVITIES: Mapping[str, tuple[Callable[[Door], Json], int]] = {
    "another channel": (changed("channelId", "webchat"), 403),
    "the emulator's channel": (changed("channelId", "emulator"), 403),
    "no channel": (changed("channelId", None), 400),
    "another tenant": (changed("conversation.tenantId", OTHER), 403),
    "another tenant beside ours": (changed("channelData.tenant.id", OTHER), 403),
    "no tenant": (lambda door: {**changed("conversation.tenantId", None)(door), "channelData": {}}, 403),
    "a tenant's domain": (changed("conversation.tenantId", "acme.example"), 400),
    "no service url": (changed("serviceUrl", None), 400),
    "another's service url": (changed("serviceUrl", "https://evil.example/"), 403),
    "a look-alike": (changed("serviceUrl", "https://smba.trafficmanager.net.evil.example/"), 403),
    "a user in the address": (changed("serviceUrl", "https://smba.trafficmanager.net@evil.example/"), 403),
    "another port": (changed("serviceUrl", "https://smba.trafficmanager.net:8443/"), 403),
    "a port that is none": (changed("serviceUrl", "https://smba.trafficmanager.net:x/"), 403),
    "Microsoft's, but not the token's": (changed("serviceUrl", "https://smba.trafficmanager.net/emea/"), 403),
    "not by https": (changed("serviceUrl", "ftp://smba.trafficmanager.net/"), 400),
    "no type": (changed("type", None), 400),
    "a list for a type": (changed("type", ["message"]), 400),
    "no sender": (changed("from", None), 400),
    "a sender without an object id": (changed("from.aadObjectId", None), 400),
    "an object id that is none": (changed("from.aadObjectId", "maya"), 400),
    "no conversation": (changed("conversation", None), 400),
    "a conversation that is a text": (changed("conversation", "a:maya"), 400),
    "a conversation without an id": (changed("conversation.id", None), 400),
    "a conversation's id with a line break": (changed("conversation.id", "a:\nmaya"), 400),
    "a text that is a number": (changed("text", 7), 400),
    "half a character": (changed("text", "\ud800"), 400),
    "a NUL": (changed("text", "a\0b"), 400),
    "a value that is a list": (changed("value", []), 400),
    "a value without a verb": (changed("value", {"handle": "h"}), 400),
    "an id that is a list": (changed("id", []), 400),
    "a press without an action": (lambda door: {**door.press(), "value": {}}, 400),
    "a press with a list of data": (
        lambda door: {**door.press(), "value": {"action": {"verb": "ask", "data": []}}},
        400,
    ),
    "a press whose verb is an object": (lambda door: door.press(verb={"a": 1}), 400),
    "a press whose handle is a number": (lambda door: door.press(handle=7), 400),
    "a dialog without data": (
        lambda door: {**door.press(), "name": "task/fetch", "value": {"context": {}}},
        400,
    ),
}

#: Addresses that a genuine token names, too, and that aren't Microsoft's for Teams.
FOREIGN = (
    "https://evil.example/",
    "https://smba.trafficmanager.net.evil.example/",
    "https://evilteams.microsoft.com.example/",
    "https://notteams.microsoft.com/",
    "https://smba.trafficmanager.net:8443/",
    "http://smba.trafficmanager.net/",
    "http://localhost:1/",
)


@pytest.mark.parametrize("address", FOREIGN)
async def test_a_token_for_a_foreign_address_leads_nowhere(door: Door, address: str) -> None:
    before, calls = state(door.folder), len(door.acme.tenant.calls)
    assert await door.says(door.message(serviceUrl=address), door.token(serviceurl=address)) == 403
    assert state(door.folder) == before
    assert len(door.acme.tenant.calls) == calls


async def test_a_thousand_unknown_keys_cost_two_looks_at_most(door: Door) -> None:
    before, turns = state(door.folder), asyncio.Semaphore(50)

    async def says(n: int) -> int:
        async with turns:
            head = {"alg": "RS256", "kid": f"key-{n}"}
            return await door.says(door.message(), put_together(head, claims(door.now)))

    assert set(await asyncio.gather(*map(says, range(1000)))) == {401}
    assert door.issuer.looked.count("openid") <= 2
    assert door.issuer.looked.count("keys") <= 2
    assert state(door.folder) == before
    assert await door.says(door.message()) == 200
    await door.acme.settled()


@pytest.mark.parametrize("kind", ACTIVITIES)
async def test_an_activity_that_isnt_ours_is_refused(door: Door, kind: str) -> None:
    make, status = ACTIVITIES[kind]
    before, calls = state(door.folder), len(door.acme.tenant.calls)
    assert await door.says(make(door)) == status
    assert state(door.folder) == before, "nothing is kept of it"
    assert len(door.acme.tenant.calls) == calls, "and nobody is called"


TOKENS: Mapping[str, Callable[[Door], str]] = {
    "garbage": lambda door: "Bearer x",
    "another scheme": lambda door: "Basic bWF5YTpwYXNz",
    "alg none": lambda door: put_together({"alg": "none", "kid": "today"}, claims(door.now)),
    "HS256 with the public key": lambda door: with_public_key(claims(door.now)),
    "another audience": lambda door: door.token(aud="another"),
    "another issuer": lambda door: door.token(iss="https://evil.example"),
    "the emulator's issuer": lambda door: door.token(iss=f"https://login.microsoftonline.com/{TENANT}/v2.0"),
    "expired": lambda door: door.token(exp=door.now - 400),
    "no exp": lambda door: door.token(exp=None),
    "no nbf": lambda door: door.token(nbf=None),
    "an unknown key": lambda door: signed(claims(door.now), "unknown"),
    "too long": lambda door: door.token(extra="x" * 5_000),
}


@pytest.mark.parametrize("kind", TOKENS)
async def test_a_token_that_isnt_genuine_is_refused(door: Door, kind: str) -> None:
    before = state(door.folder)
    assert await door.says(door.message(), TOKENS[kind](door)) == 401
    assert state(door.folder) == before
    assert door.issuer.looked.count("openid") <= 2


PACKED: Mapping[str, tuple[Callable[[Door], tuple[Headers, bytes]], int]] = {
    "no token": (lambda door: ([("Content-Type", JSON)], door.genuine.body), 401),
    "two tokens": (lambda door: door.genuine.other(door.genuine.body, ("Authorization", door.token())), 401),
    "a token of bytes": (lambda door: door.genuine.packed(("Authorization", b"Bearer \xff.\xff.\xff")), 401),
    "a form": (lambda door: door.genuine.other(b"a=b", form=FORM), 415),
    **{
        name: (lambda door, make=make: make(door.genuine), status)  # type: ignore[misc]
        for name, (make, status) in KINDS.items()
    },
}


@pytest.mark.parametrize("kind", PACKED)
async def test_what_is_packed_otherwise_is_refused(door: Door, kind: str) -> None:
    make, status = PACKED[kind]
    before = state(door.folder)
    assert (await door.caller.post(*make(door))).status == status
    assert state(door.folder) == before


async def test_what_doesnt_arrive_in_time_is_refused(door: Door) -> None:
    before = state(door.folder)
    sent = [door.caller.post(*make(door.genuine)) for make, _ in SLOW.values()]
    assert {answer.status for answer in await asyncio.gather(*sent)} == {408}
    assert state(door.folder) == before


async def test_malformed_http_never_reaches_the_gate(door: Door) -> None:
    before = state(door.folder)
    for request in malformed(PATH):
        assert 400 <= (await door.caller.raw(request + b"\r\n")).status < 500, request
    assert state(door.folder) == before


async def test_only_a_post_to_this_address_is_one(door: Door) -> None:
    before = state(door.folder)
    headers, body = door.genuine.packed()
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert (await door.caller.post(headers, body, method)).status == 405, method
    for path in (PATH + "/", PATH + "%00"):
        assert (await door.caller.post(headers, body, path=path)).status == 404, path
    assert state(door.folder) == before


async def test_many_who_send_nothing_keep_nobody_waiting(door: Door) -> None:
    head = f"Content-Type: {JSON}\r\nContent-Length: 9"
    idle = [await door.caller.begins(head, b"") for _ in range(200)]
    async with asyncio.timeout(3):
        assert await door.says(door.message()) == 200
    for writer in idle:
        writer.transport.abort()


async def test_a_press_replayed_at_once_or_after_a_restart_is_one_decision(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with connector() as tenant:
        async with teams_office(sqlite_url, tmp_path, tenant=tenant) as acme:
            await acme.company.enrolled("maya")
            await acme.connected("maya")
            await acme.says("maya", "I forgot my password")
            press = acme.pressing("maya", "Yes, ask for it")
            answers = await asyncio.gather(*(acme.post(press) for _ in range(50)))
            assert {status for status, _ in answers} == {200}
            await acme.settled()
            before = state(tmp_path), len(tenant.messages)
        async with teams_office(sqlite_url, tmp_path, tenant=tenant) as acme:
            for _ in range(3):
                assert (await acme.post(press))[0] == 200
            await acme.settled()
            assert len(await acme.company.desk.concerning("maya")) == 1
            assert (state(tmp_path), len(tenant.messages)) == before


async def test_a_genuine_token_with_another_persons_object_id_proves_nothing(door: Door) -> None:
    door.acme.tenant.installed("eve")
    forged = door.acme.activity("eve", text="I forgot my password")
    forged["from"]["aadObjectId"] = object_id("maya")
    assert await door.says(forged) == 200
    await door.acme.settled()
    assert door.acme.messages("eve") == []


async def test_kinds_that_nobody_needs_are_acknowledged_and_done(door: Door) -> None:
    for type in (
        "conversationUpdate",
        "messageReaction",
        "typing",
        "endOfConversation",
        "event",
        "unheardOf",
    ):
        assert await door.says(door.acme.activity("maya", type=type)) == 200, type
    assert await door.says(door.acme.activity("maya", type="invoke", name="composeExtension/query")) == 200
    await door.acme.settled()
    assert await door.acme.teams.inbox.deliveries.waiting() == 0
