"""A SCIM server that answers wrongly, partly, too much, from elsewhere, or as somebody it isn't."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo.workspace.serve import listening
from handlers.connectors.scim import Scim, connect
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from handlers.scim.client import ERROR, LARGEST, PAUSE, Client, Conflict, Resource, Uncertain
from handlers.scim.config import ScimServer
from tests.contracts.test_connectors import SECRET, a_request
from tests.peers.certificates import Authority
from tests.peers.scim import TOKEN, ScimPeer, running

MAYA = Resource({"id": "7", "meta": {"version": 'W/"1"'}})
Answering = Callable[[web.Request], web.StreamResponse]


def refusal(status: int, scim_type: str = "", detail: str = "No.") -> web.Response:
    body = {"schemas": [ERROR], "status": str(status), "scimType": scim_type, "detail": detail}
    return web.json_response(body, status=status)


def cut(request: web.Request) -> web.Response:
    """Half an answer, and then the line is gone."""
    assert request.transport is not None
    request.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": "7", ')
    request.transport.abort()
    return web.Response()


def always(text: str, status: int = 200) -> Answering:
    return lambda _: web.Response(text=text, status=status, content_type="application/scim+json")


def elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": str(request.url.with_path("/elsewhere/Users/7"))})


@asynccontextmanager
async def there(
    answer: Answering, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[tuple[Client, list[web.Request]]]:
    asked: list[web.Request] = []

    async def answers(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answers)
    async with listening(app, patience=0.1) as port:
        given = ScimServer.model_validate({"url": f"http://127.0.0.1:{port}/v2", "token": TOKEN})
        client = Client(given, clock)
        yield client, asked
        await client.close()


UNREADABLE = {
    "garbage": always("<html>Sign in, please"),
    "another shape": always("[1, 2]"),
    "deep": always('{"id": ' + "[" * 100_000),
    "cut": cut,
    "huge": always("x" * (LARGEST + 1)),
    "elsewhere": elsewhere,
    "a page that isn't there": always("<h1>Not found", 404),
    "busy": lambda _: refusal(429),
    "broken": lambda _: refusal(500),
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cant_be_read_is_no_answer_and_nobody_is_gone_because_of_it(answer: Answering) -> None:
    async with there(answer) as (client, asked):
        with pytest.raises(Unreachable):
            await client.get("Users", "7")
        with pytest.raises(Unreachable, match="a moment ago"):
            await client.get("Users", "7")
    assert len(asked) == 1, "neither followed elsewhere, nor asked again at once"


LOST = {name: answer for name, answer in UNREADABLE.items() if "elsewhere" not in name and "page" not in name}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
async def test_a_change_whose_answer_is_lost_may_have_happened(answer: Answering) -> None:
    async with there(answer) as (client, asked):
        with pytest.raises(Uncertain):
            await client.patch(
                "Users", MAYA, [{"op": "replace", "path": "password", "value": SECRET}], SECRET
            )
    assert [request.headers["If-Match"] for request in asked] == ['W/"1"']


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(401), MissingRight),
        (refusal(403), MissingRight),
        (refusal(404), NoAccount),
        (refusal(412), Conflict),
        (refusal(409), Conflict),
        (refusal(409, "uniqueness"), Rejected),
        (refusal(422), PolicyRefused),
        (refusal(400, "invalidValue", f"{SECRET} is too short"), PolicyRefused),
        (refusal(400, "mutability"), Rejected),
    ],
)
async def test_every_no_has_its_kind_and_never_the_secret(
    answer: web.Response, kind: type[Exception]
) -> None:
    async with there(lambda _: answer) as (client, _):
        with pytest.raises(kind) as caught:
            await client.patch("Users", MAYA, [], SECRET)
        assert type(caught.value) is kind
        assert SECRET not in str(caught.value)


def pages(*given: Mapping[str, Any]) -> Answering:
    left = list(given)
    return lambda _: web.Response(text=json.dumps(left.pop(0) if len(left) > 1 else left[0]))


def page(total: object, *ids: object) -> dict[str, Any]:
    return {"totalResults": total, "Resources": [{"id": id} for id in ids]}


async def test_a_list_is_read_page_by_page() -> None:
    async with there(pages(page(3, "1", "2"), page(3, "3"))) as (client, asked):
        assert [each.id for each in await client.every("Users")] == ["1", "2", "3"]
    assert [request.query["startIndex"] for request in asked] == ["1", "3"]


@pytest.mark.parametrize(
    "given",
    [
        [page(3, "1", "2"), page(3)],
        [page(3, "1", "2"), page(3, "2")],
        [page("3", "1")],
        [page(-1)],
        [page(1, 7)],
        [{}],
    ],
    ids=["a part left out", "shifted", "a total in words", "less than none", "an id that is none", "nothing"],
)
async def test_a_list_with_holes_is_no_list(given: list[dict[str, Any]]) -> None:
    async with there(pages(*given)) as (client, _):
        with pytest.raises(Unreachable):
            await client.every("Users")


async def test_another_entry_than_was_asked_for_is_nobody() -> None:
    async with there(always('{"id": "8"}')) as (client, _):
        with pytest.raises(Unreachable, match="another entry"):
            await client.get("Users", "7")


async def test_a_list_in_the_place_of_an_entry_is_nobody_when_the_id_was_read_as_a_place() -> None:
    async with there(always('{"totalResults": 1, "Resources": [{"id": "8"}]}')) as (client, _):
        for id in ("/", "8/", "%2F"):
            with pytest.raises(NoAccount):
                await client.get("Users", id)
        with pytest.raises(Unreachable, match="another entry"):
            await client.get("Users", "maya@acme.test")


async def test_a_server_that_came_back_is_asked_again_after_the_pause() -> None:
    now = 0.0
    answers = [refusal(500), web.json_response({"id": "7"})]
    async with there(lambda _: answers.pop(0), lambda: now) as (client, _):
        with pytest.raises(Unreachable):
            await client.get("Users", "7")
        now = PAUSE
        assert (await client.get("Users", "7")).id == "7"


@pytest.mark.scim
def test_only_a_verified_server_is_spoken_to(tmp_path: Path) -> None:
    """Another authority, another name: not a byte of the token leaves."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "a stranger")

    async def ask(peer: ScimPeer, ca: Path, host: str = "localhost") -> object:
        system = connect({"url": peer.url.replace("localhost", host), "token": TOKEN, "ca_file": ca})
        try:
            return await system.people.person("nobody")
        finally:
            await system.close()

    with running(identity=authority.sign("localhost"), filled=False) as peer:
        assert asyncio.run(ask(peer, authority.file)) is None
        with pytest.raises(Unreachable, match="Certificate"):
            asyncio.run(ask(peer, stranger.file))
        with pytest.raises(Unreachable, match="Certificate"):
            asyncio.run(ask(peer, authority.file, "127.0.0.1"))


@pytest.mark.scim
async def test_nobody_elses_change_is_written_over(scim: ScimPeer) -> None:
    """The entry changes between our reading and our writing: ours is refused by the server, and begun anew."""
    id = scim.hire("kim-conflict")
    client = Client(ScimServer.model_validate(scim.entry()))
    read = await client.get("Users", id)
    scim.change(f"/Users/{id}", {"op": "replace", "path": "displayName", "value": "Kim Berg"})
    with pytest.raises(Conflict):
        await client.patch("Users", read, [{"op": "replace", "path": "active", "value": False}])
    await client.close()
    system: Scim = connect(scim.entry())
    request = a_request("disable", id)
    await system.carry_out(request, request.key, None)
    kim = await system.people.person(id)
    await system.close()
    assert kim is not None
    assert (kim.name, kim.active) == ("Kim Berg", False)


async def test_a_password_that_was_never_taken_is_refused_as_that() -> None:
    """Also about an account that was changed a moment ago; once an answer was lost, it isn't known any more."""
    user = {"id": "7", "active": True, "meta": {"lastModified": datetime.now(UTC).isoformat()}}
    answers: list[web.Response] = []

    def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(user) if request.method == "GET" else answers.pop(0)

    async with there(answer) as (client, _):
        system = connect({"url": client._given.url, "token": TOKEN})
        asked = a_request("set_password", "7").but({"opened_at": datetime.now(UTC)})
        for _ in range(2):
            answers.append(refusal(422))
            with pytest.raises(PolicyRefused):
                await system.carry_out(asked, "k", SECRET)
        answers += [refusal(500), refusal(422)]
        with pytest.raises(Uncertain):
            await system.carry_out(asked, "k", SECRET)
        system._client._breaker.answered()
        with pytest.raises(RuntimeError, match="an earlier attempt may have set it"):
            await system.carry_out(asked, "k", SECRET)
        await system.close()
