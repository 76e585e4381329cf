"""The page's own API: what each person sees and does, and who is kept out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSServerHandshakeError

from demo.workspace.answers import SILENT
from demo.workspace.people import Json
from tests.contracts.slack_office import Office, actions, button, field, home, modal, office


@dataclass(frozen=True)
class Browser:
    """One browser tab: what the page would ask for."""

    acme: Office
    session: ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: Json, **headers: str) -> tuple[int, Json]:
        async with self.session.post(path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def act(self, who: str, kind: str, **more: Any) -> Json:
        status, answer = await self.post("/page/act", {"as": who, "kind": kind, **more})
        assert status == 200
        return answer

    @asynccontextmanager
    async def watching(self, who: str) -> AsyncIterator[Watch]:
        async with self.session.ws_connect(f"/page/live?as={who}") as socket:
            yield Watch(socket)


@dataclass(frozen=True)
class Watch:
    """What one person's window shows as it changes."""

    socket: ClientWebSocketResponse

    async def until(self, true: Callable[[Json], Any]) -> Json:
        while True:
            state: Json = await self.socket.receive_json(timeout=10)
            if true(state):
                return state


@pytest.fixture
async def tab() -> AsyncIterator[Browser]:
    async with office() as acme, ClientSession(acme.workspace.url) as session:
        yield Browser(acme, session)


def im(state: Json) -> Json:
    return next(each for each in state["conversations"] if each["kind"] == "im")


# -- looking


async def test_the_page_learns_who_is_there_and_where_the_phone_is(tab: Browser) -> None:
    _, people = await tab.get("/page/people")
    assert [each["person"] for each in people] == ["maya", "omar", "nina", "sam", "ravi", "eve"]
    assert people[0] == {
        "person": "maya",
        "user": "U0MAYA",
        "name": "Maya Lindqvist",
        "about": "an employee who forgot her password",
    }
    _, settings = await tab.get("/page/settings")
    assert settings == {
        "device_page": "http://localhost:9",
        "app": {"user": "U0COUNTERSIGN", "name": "Countersign"},
    }


async def test_a_window_shows_its_person_what_they_may_see(tab: Browser) -> None:
    async with tab.watching("U0SAM") as sam, tab.watching("U0MAYA") as maya:
        first = await maya.until(lambda state: True)
        assert [each["name"] for each in first["conversations"]] == ["Countersign", "general"]
        assert (first["home"], first["modal"], first["busy"], first["notice"]) == (None, None, 0, "")
        assert first["commands"] == [
            {"command": "/desk", "description": "Ask the service desk", "hint": "[what you need]"}
        ]
        assert [(each["callback_id"], each["type"]) for each in first["shortcuts"]] == [
            ("ask_desk", "global"),
            ("report_message", "message"),
        ]
        await tab.acme.client.chat_postMessage(
            channel="U0MAYA", text="For Maya", blocks=[actions(button("go"))]
        )
        state = await maya.until(lambda state: im(state)["messages"])
        (message,) = im(state)["messages"]
        assert (message["name"], message["app"], message["text"]) == ("Countersign", True, "For Maya")
        assert (message["edited"], message["ephemeral"]) == (False, False)
        assert message["blocks"][0]["elements"][0]["action_id"] == "go"
        assert im(state)["unread"] == 1
        assert (await tab.act("U0MAYA", "read", conversation="D0MAYA"))["ok"]
        await maya.until(lambda state: im(state)["unread"] == 0)
        await tab.acme.client.chat_postMessage(channel="C0SECURITY", text="For security")
        seen = await sam.until(lambda state: any(each["messages"] for each in state["conversations"]))
        assert [each["name"] for each in seen["conversations"] if each["messages"]] == ["security"]


@pytest.mark.parametrize("who", ["U0NOBODY", "U0GONE", "U0ROBOT", ""])
async def test_nobody_else_has_a_window(tab: Browser, who: str) -> None:
    with pytest.raises(WSServerHandshakeError):
        async with tab.watching(who):
            pass


# -- doing


async def test_somebody_writes_presses_and_fills_in_a_form(tab: Browser) -> None:
    app = tab.acme.app

    @app.event("message")
    async def greet(say: Any) -> None:
        await say(text="A card", blocks=[actions(button("ask", "handle-1"))])

    @app.action("ask")
    async def ask(ack: Any, body: Json, client: Any) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=modal(field("why")))
        await ack()

    @app.view("form")
    async def sent(ack: Any, view: Json) -> None:
        wrong = view["state"]["values"]["why"]["value"]["value"] == "because"
        await (ack(response_action="errors", errors={"why": "More, please."}) if wrong else ack())

    async with tab.watching("U0MAYA") as maya:
        assert await tab.act("U0MAYA", "message", conversation="D0MAYA", text="I forgot it") == {"ok": True}
        state = await maya.until(lambda state: len(im(state)["messages"]) == 2)
        mine, card = im(state)["messages"]
        assert (mine["app"], mine["name"]) == (False, "Maya Lindqvist")
        pressed = {"conversation": "D0MAYA", "ts": card["ts"], "block_id": "buttons", "action_id": "ask"}
        assert (await tab.act("U0MAYA", "press", **pressed))["ok"]
        shown = (await maya.until(lambda state: state["modal"]))["modal"]
        assert (shown["view"]["title"]["text"], shown["errors"]) == ("A form", {})
        values = {"why": {"value": "because"}}
        assert (await tab.act("U0MAYA", "submit", modal=shown["id"], values=values))["ok"]
        wrong = await maya.until(lambda state: state["modal"] and state["modal"]["errors"])
        assert wrong["modal"]["errors"] == {"why": "More, please."}
        values = {"why": {"value": "I lost my key"}}
        assert (await tab.act("U0MAYA", "submit", modal=shown["id"], values=values))["ok"]
        await maya.until(lambda state: state["modal"] is None)
        late = await tab.act("U0MAYA", "close", modal=shown["id"])
        assert late == {"ok": False, "error": "That form isn't open any more."}


async def test_the_home_tab_is_looked_at_and_pressed(tab: Browser) -> None:
    heard: list[str] = []

    @tab.acme.app.event("app_home_opened")
    async def arrive(event: Json, client: Any) -> None:
        await client.views_publish(user_id=event["user"], view=home(actions(button("ask"))))

    @tab.acme.app.action("ask")
    async def ask(ack: Any) -> None:
        heard.append("ask")
        await ack()

    async with tab.watching("U0MAYA") as maya:
        assert (await tab.act("U0MAYA", "home"))["ok"]
        await maya.until(lambda state: state["home"])
        assert (await tab.act("U0MAYA", "press", view="home", block_id="buttons", action_id="ask"))["ok"]
    assert heard == ["ask"]


async def test_a_wait_is_seen_and_a_silence_is_told(tab: Browser) -> None:
    async with tab.watching("U0MAYA") as maya:
        await tab.acme.workspace.post.sockets.close()  # nobody is there to answer
        answer = await tab.act("U0MAYA", "shortcut", callback_id="ask_desk")
        assert answer == {"ok": False, "error": SILENT}
        await maya.until(lambda state: state["busy"] == 0 and state["notice"] == SILENT)


async def test_what_cannot_be_done_is_a_sentence(tab: Browser) -> None:
    answer = await tab.act("U0MAYA", "command", conversation="D0MAYA", text="/reset")
    assert answer == {"ok": False, "error": "/reset is not a valid command."}
    answer = await tab.act("U0NOBODY", "home")
    assert answer == {"ok": False, "error": "Nobody here is called U0NOBODY."}
    for body in (
        {"as": "U0MAYA"},
        {"as": "U0MAYA", "kind": "reset"},
        {"kind": "home"},
        {"as": 1, "kind": "home"},
    ):
        status, answer = await tab.post("/page/act", body)
        assert (status, answer["ok"]) == (400, False)


async def test_a_forged_press_is_sent_as_the_page_made_it(tab: Browser) -> None:
    heard: list[Json] = []

    @tab.acme.app.action("approve")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    sent = await tab.acme.client.chat_postMessage(
        channel="U0OMAR", text="A card", blocks=[actions(button("no"))]
    )
    forged = {"as": "U0EVE", "conversation": "D0OMAR", "ts": sent["ts"], "block_id": "buttons"}
    _, answer = await tab.post("/page/forge", {**forged, "action_id": "approve", "value": "handle-1"})
    assert answer == {"ok": True}
    (body,) = heard
    assert (body["user"]["id"], body["channel"]["id"], body["message"]["ts"]) == (
        "U0EVE",
        "D0OMAR",
        sent["ts"],
    )
    assert body["actions"][0]["value"] == "handle-1"


async def test_a_forged_press_that_is_refused_says_so() -> None:
    async with office("http") as acme, ClientSession(acme.workspace.url) as session:
        acme.workspace.post.secret = "not the app's"
        forged = {
            "as": "U0EVE",
            "conversation": "D0OMAR",
            "ts": "1.000001",
            "block_id": "b",
            "action_id": "a",
        }
        _, answer = await Browser(acme, session).post("/page/forge", forged)
        assert answer == {"ok": False, "error": "Countersign refused that (HTTP 401)."}


# -- other websites


OTHERS: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example:80"},
]


@pytest.mark.parametrize("headers", OTHERS)
async def test_another_website_is_refused_everywhere(tab: Browser, headers: dict[str, str]) -> None:
    body = {"as": "U0MAYA", "kind": "message", "conversation": "D0MAYA", "text": "hello"}
    for path in ("/page/act", "/page/forge", "/faults"):
        assert (await tab.post(path, body, **headers))[0] == 403
    for path in ("/page/people", "/page/settings", "/calls", "/faults"):
        assert (await tab.get(path, **headers))[0] == 403
    with pytest.raises(WSServerHandshakeError):
        await tab.session.ws_connect("/page/live?as=U0MAYA", headers=headers)
    assert tab.acme.reads("maya") == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_could_send_is_refused(tab: Browser, kind: str) -> None:
    body = b'{"as": "U0MAYA", "kind": "message", "conversation": "D0MAYA", "text": "hello"}'
    async with tab.session.post("/page/act", data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == 415
    assert tab.acme.reads("maya") == []


async def test_the_page_s_own_origin_is_let_in(tab: Browser) -> None:
    own = {"Origin": tab.acme.workspace.url, "Sec-Fetch-Site": "same-origin"}
    body = {"as": "U0MAYA", "kind": "message", "conversation": "D0MAYA", "text": "hello"}
    assert await tab.post("/page/act", body, **own) == (200, {"ok": True})


async def test_the_page_runs_nothing_but_its_own_and_frames_the_phone_alone(tab: Browser) -> None:
    async with tab.session.get("/") as answer:
        assert answer.status == 200
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-src"] == "http://localhost:9"
    assert policy["frame-ancestors"] == "'none'"
    for path in ("/static/../page.py", "/static/%2e%2e/page.py", "/static/"):
        async with tab.session.get(path) as answer:
            assert answer.status in (403, 404)
