"""What Slack would never post, over a real socket: always a plain no, nothing run, nothing kept.

Whoever can't sign is told so before anything is read. Whoever holds a secret and sends the same again has no effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import structlog.testing

from demo.workspace.deliver import encoded as as_slack_does
from demo.workspace.world import World
from tests.browser.site import Now
from tests.office import SIGNING, Office, office
from tests.web.hostile import malformed
from tests.web.slack_door import PATH, Caller, Door
from tests.web.slack_posts import (
    CHALLENGE,
    FORM,
    GENUINE,
    JSON,
    MESSAGE,
    PRESS,
    RETIRED,
    SECRET,
    encoded,
    passed,
    signature,
    signed,
)
from tests.web.slack_probes import BODY, LATE, NO
from tests.web.wire import ALWAYS, state

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Of all that is sent, what no log may hold.
WRITTEN = ("legacy", "opaque", "handle", "forgot", "U0MAYA", "Password", "on call", "payload=")


@dataclass(frozen=True)
class House:
    """The real app on its port, and the folder that everything is kept in."""

    acme: Office
    caller: Caller
    folder: Path

    def kept(self) -> str:
        return state(self.folder)


def caller_of(acme: Office) -> Caller:
    url = acme.workspace.post.installed.request_url
    assert url is not None
    return Caller(int(url.split(":")[2].split("/")[0]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    secrets = (SECRET, SIGNING)  # ours, and the one with which the workspace signs what it delivers itself
    async with office(f"sqlite:///{folder / 'desk.db'}", folder, hands=Now(), secrets=secrets) as acme:
        await acme.connected("maya")
        yield House(acme, caller_of(acme), folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Door, Caller]]:
    door = Door(tmp_path_factory.mktemp("door"))
    yield door, await door.open()
    await door.close()


# -- nobody gets in ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NO)
async def test_a_hostile_post_gets_a_plain_no_and_changes_nothing(house: House, name: str) -> None:
    probe, status = NO[name]
    before = house.kept()
    headers, body = probe()
    with structlog.testing.capture_logs() as lines:
        answer = await house.caller.post(headers, body)
    assert answer.status == status
    assert house.kept() == before
    assert [word for word in WRITTEN if word in json.dumps(lines, default=repr)] == []
    if not answer.header("server"):  # with one, the HTTP itself was no good, and no code of ours was asked
        assert answer.body == b""
        assert {header: answer.header(header) for header in ALWAYS} == ALWAYS
        assert [line["event"] for line in lines] == ["slack_refused", "http"]


@pytest.mark.parametrize("name", [*NO, *LATE])
async def test_a_hostile_post_runs_nothing(door: tuple[Door, Caller], name: str) -> None:
    probe, status = (NO | LATE)[name]
    before = list(door[0].ran), await door[0].kept()
    assert (await door[1].post(*probe())).status == status
    assert (list(door[0].ran), await door[0].kept()) == before


async def test_malformed_http_never_reaches_the_gate(house: House) -> None:
    before = house.kept()
    for request in malformed(PATH):
        assert 400 <= (await house.caller.raw(request + b"\r\n")).status < 500, request
    assert house.kept() == before


async def test_only_a_post_to_this_address_is_one(house: House) -> None:
    before = house.kept()
    headers = list(signed(b"", FORM, time.time()).items())
    for method, path, status in (
        ("GET", PATH, 405),
        ("GET", PATH + "?ssl_check=1", 405),
        ("PUT", PATH, 405),
        ("DELETE", PATH, 405),
        ("OPTIONS", PATH, 405),
        ("POST", PATH + "/", 404),
        ("POST", PATH + "%00", 404),
    ):
        assert (await house.caller.post(headers, b"", method, path)).status == status, (method, path)
    assert house.kept() == before


# -- Slack does -------------------------------------------------------------------------------


async def test_what_slack_sends_runs_one_time_each(door: tuple[Door, Caller]) -> None:
    before = len(door[0].ran)
    for payload, kind in GENUINE.values():
        for _ in range(2):
            assert (await door[1].says(payload)).status == 200, kind
    assert len(door[0].ran) - before == len(GENUINE) - 1  # a challenge is answered and nothing more


async def test_what_slack_sends_is_acknowledged_and_done(house: House) -> None:
    for name, (payload, _) in GENUINE.items():
        assert (await house.caller.says(payload)).status == 200, name
    await house.acme.settled()
    waiting = set(await house.acme.slack.inbox.deliveries.undone("slack"))
    assert waiting.isdisjoint(passed(payload).key for payload, _ in GENUINE.values())


async def test_a_challenge_is_said_back_as_plain_text(house: House) -> None:
    answer = await house.caller.says(CHALLENGE)
    assert answer.body.decode() == CHALLENGE["challenge"]
    assert answer.header("content-type").startswith("text/plain")


async def test_the_certificate_check_is_answered_and_leads_nowhere(house: House) -> None:
    before = house.kept()
    answer = await house.caller.post([("Content-Type", FORM)], b"ssl_check=1&token=abc")
    assert (answer.status, answer.body) == (200, b"")
    assert house.kept() == before


# -- again and again --------------------------------------------------------------------------


async def test_a_press_replayed_at_once_or_after_a_restart_opens_one_request(
    tmp_path: Path, sqlite_url: str
) -> None:
    """A recorded press, sent fifty times at once, most of them signed anew, and again to the next process."""

    def start() -> contextlib.AbstractAsyncContextManager[Office]:
        world = World(tmp_path / "world.db")
        return office(sqlite_url, tmp_path, hands=Now(), secrets=(SECRET, SIGNING), world=world)

    async def replay(acme: Office) -> None:
        anew = [list(signed(body, form, time.time() - seconds).items()) for seconds in range(9)]
        caller = caller_of(acme)
        answers = await asyncio.gather(*(caller.post(each, body) for each in [recorded, *anew] * 5))
        assert {answer.status for answer in answers} == {200}
        await acme.settled()

    async with start() as acme:
        await acme.company.enrolled("maya", passkey=False)
        await acme.connected("maya")
        await acme.says("maya", "I forgot my password")
        await acme.press("maya", "Yes, ask for it")
        sent = acme.workspace.post.deliveries
        (press,) = [each for each in sent if each.payload["type"] == "block_actions"]
        body, form = as_slack_does(press.kind, press.payload)
        recorded = list(signed(body, form, press.at, SIGNING).items())
        before = state(tmp_path)
        await replay(acme)
        assert state(tmp_path) == before
    async with start() as acme:
        await acme.settled()
        before, messages = state(tmp_path), len(acme.messages("maya"))
        await replay(acme)
        assert (state(tmp_path), len(acme.messages("maya"))) == (before, messages)
        assert len(await acme.company.desk.concerning("maya")) == 1


async def test_a_press_replayed_at_once_runs_once(door: tuple[Door, Caller]) -> None:
    payload = {**PRESS, "trigger_id": "replayed.at.once"}
    before = len(door[0].ran)
    answers = await asyncio.gather(*(door[1].says(payload) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len(door[0].ran) - before == 1


async def test_a_press_signed_anew_is_still_the_same_press(door: tuple[Door, Caller]) -> None:
    """Whoever holds the secret can sign old bytes again. They were taken already."""
    payload = {**PRESS, "trigger_id": "signed.anew"}
    before = len(door[0].ran)
    for seconds in (-200, -100, 0, 30):
        assert (await door[1].says(payload, at=time.time() + seconds)).status == 200
    assert len(door[0].ran) - before == 1


async def test_an_event_delivered_again_is_known_by_its_id(door: tuple[Door, Caller]) -> None:
    first = {**MESSAGE, "event_id": "Ev0AGAIN"}
    before = len(door[0].ran)
    for number, payload in enumerate((first, {**first, "event_time": 1}, {**first, "event_context": "4-x"})):
        body, form = encoded(payload)
        retry = [("X-Slack-Retry-Num", str(number)), ("X-Slack-Retry-Reason", "http_timeout")]
        answer = await door[1].post([*signed(body, form, time.time()).items(), *retry], body)
        assert answer.status == 200
    assert len(door[0].ran) - before == 1


async def test_a_press_is_remembered_after_a_restart_and_after_it_is_done(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for _ in range(3):
        caller = await door.open()
        assert (await caller.says(PRESS)).status == 200
        await door.done()
        await door.close()
    assert len(door.ran) == 1


async def test_a_secret_is_good_until_it_is_retired(tmp_path: Path) -> None:
    door = Door(tmp_path, secrets=(SECRET, RETIRED))
    one, two, three = ({**PRESS, "trigger_id": f"{n}.rotate"} for n in "abc")
    caller = await door.open()
    assert (await caller.says(one, RETIRED)).status == 200
    assert (await caller.says(two, SECRET)).status == 200
    await door.close()
    door.secrets = (SECRET,)
    caller = await door.open()
    assert (await caller.says(three, RETIRED)).status == 401
    assert (await caller.says(one, RETIRED)).status == 401
    assert (await caller.says(three, SECRET)).status == 200
    assert len(door.ran) == 3
    await door.close()


# -- half a request ---------------------------------------------------------------------------


async def test_a_caller_who_hangs_up_leaves_nothing_behind(house: House) -> None:
    before = house.kept()
    for part in (b"", b"payload=", BODY[:200]):
        stamp = str(int(time.time()))
        writer = await house.caller.begins(
            f"Content-Type: {FORM}\r\nContent-Length: {len(BODY)}\r\nX-Slack-Request-Timestamp: {stamp}\r\n"
            f"X-Slack-Signature: {signature(BODY, stamp)}",
            part,
        )
        writer.transport.abort()
    assert (await house.caller.says(CHALLENGE)).status == 200
    assert house.kept() == before


async def test_many_who_send_nothing_keep_nobody_waiting(house: House) -> None:
    """200 callers announce a body and hold it back. Slack is answered all the same."""
    head = f"Content-Type: {JSON}\r\nContent-Length: 9"
    idle = [await house.caller.begins(head, b"") for _ in range(200)]
    async with asyncio.timeout(3):
        assert (await house.caller.says(MESSAGE)).status == 200
    for writer in idle:
        writer.transport.abort()
