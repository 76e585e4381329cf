"""What Slack would never post, over a real socket: always a plain no, nothing run, nothing kept.

Whoever can't sign is told so before anything is read. Whoever holds a secret and sends the same again has no effect.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.web.slack_door import PATH, Door
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
    signed,
)
from tests.web.slack_probes import BODY, NO, fresh

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    door = Door(tmp_path_factory.mktemp("door"))
    await door.open()
    yield door
    await door.close()


@pytest.mark.parametrize("name", NO)
async def test_a_hostile_post_gets_a_plain_no_and_runs_nothing(door: Door, name: str) -> None:
    probe, status = NO[name]
    before = list(door.ran), await door.kept()
    assert await door.post(*probe()) == status
    assert (list(door.ran), await door.kept()) == before


async def test_malformed_http_never_reaches_the_gate(door: Door) -> None:
    before = list(door.ran), await door.kept()
    start = b"POST /slack/events HTTP/1.1\r\nHost: desk.example.com\r\n"
    for request in (
        start + b"X-Slack-Signature : v0=0\r\nContent-Length: 0\r\n\r\n",
        start + b"X-Slack-Signature: v0=\x00\r\nContent-Length: 0\r\n\r\n",
        start + b"X-Slack-Signature: v0=\r\n 0\r\nContent-Length: 0\r\n\r\n",
        start + b"Content-Length: 1, 2\r\n\r\nab",
        start + b"Content-Length: 0x10\r\n\r\n",
        start + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /slack/events HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ):
        assert 400 <= await door.raw(request + b"\r\n") < 500, request
    assert (list(door.ran), await door.kept()) == before


async def test_only_a_post_to_this_address_is_one(door: Door) -> None:
    headers = list(signed(b"", FORM, time.time()).items())
    for method, path, status in (
        ("GET", PATH, 405),
        ("GET", PATH + "?ssl_check=1", 405),
        ("PUT", PATH, 405),
        ("DELETE", PATH, 405),
        ("OPTIONS", PATH, 405),
        ("POST", PATH + "/", 404),
        ("POST", "/" + PATH, 404),
        ("POST", PATH + "%00", 404),
    ):
        assert await door.post(headers, b"", method, path) == status, (method, path)


async def test_what_slack_sends_is_answered_and_run_one_time_each(door: Door) -> None:
    before = len(door.ran)
    for payload, kind in GENUINE.values():
        assert await door.genuine(payload) == 200
        assert await door.genuine(payload) == 200, kind
    assert len(door.ran) - before == len(GENUINE) - 1  # a challenge is answered and nothing more
    body = json.dumps(CHALLENGE).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(body, JSON, time.time()).items())
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}".encode())
    writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert (await reader.read()).endswith(CHALLENGE["challenge"].encode())
    writer.close()


async def test_the_certificate_check_is_answered_and_leads_nowhere(door: Door) -> None:
    before = list(door.ran), await door.kept()
    assert await door.post([("Content-Type", FORM)], b"ssl_check=1&token=abc") == 200
    assert (list(door.ran), await door.kept()) == before


async def test_a_press_replayed_at_once_has_one_effect(door: Door) -> None:
    payload = {**PRESS, "trigger_id": "replayed.at.once"}
    before = len(door.ran)
    answers = await asyncio.gather(*(door.genuine(payload) for _ in range(50)))
    assert set(answers) == {200}
    assert len(door.ran) - before == 1


async def test_a_press_signed_anew_is_still_the_same_press(door: Door) -> None:
    """Whoever holds the secret can sign old bytes again. They were taken already."""
    payload = {**PRESS, "trigger_id": "signed.anew"}
    before = len(door.ran)
    for seconds in (-200, -100, 0, 30):
        assert await door.genuine(payload, at=time.time() + seconds) == 200
    assert len(door.ran) - before == 1


async def test_an_event_delivered_again_is_known_by_its_id(door: Door) -> None:
    first = {**MESSAGE, "event_id": "Ev0AGAIN"}
    before = len(door.ran)
    for number, payload in enumerate((first, {**first, "event_time": 1}, {**first, "event_context": "4-x"})):
        body, form = encoded(payload)
        retry = [("X-Slack-Retry-Num", str(number)), ("X-Slack-Retry-Reason", "http_timeout")]
        assert await door.post([*signed(body, form, time.time()).items(), *retry], body) == 200
    assert len(door.ran) - before == 1


async def test_a_press_replayed_after_a_restart_has_no_effect(tmp_path: Path) -> None:
    door = Door(tmp_path)
    await door.open()
    body, form = encoded(PRESS)
    captured = list(signed(body, form, time.time()).items())
    assert await door.post(captured, body) == 200
    await door.close()
    await door.open()
    assert await door.post(captured, body) == 200
    assert await door.genuine(PRESS) == 200
    assert len(door.ran) == 1
    await door.deliveries.finish(door.ran[0])
    await door.close()
    await door.open()
    assert await door.post(captured, body) == 200
    assert (len(door.ran), await door.kept()) == (1, 0)
    await door.close()


async def test_a_secret_is_good_until_it_is_retired(tmp_path: Path) -> None:
    door = Door(tmp_path, secrets=(SECRET, RETIRED))
    await door.open()
    one, two, three = ({**PRESS, "trigger_id": f"{n}.rotate"} for n in "abc")
    assert await door.genuine(one, RETIRED) == 200
    assert await door.genuine(two, SECRET) == 200
    await door.close()
    door.secrets = (SECRET,)
    await door.open()
    assert await door.genuine(three, RETIRED) == 401
    assert await door.genuine(one, RETIRED) == 401
    assert await door.genuine(three, SECRET) == 200
    assert len(door.ran) == 3
    await door.close()


async def test_a_caller_who_hangs_up_leaves_nothing_behind(door: Door) -> None:
    before = list(door.ran), await door.kept()
    for part in (b"", b"payload=", BODY[:200]):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        stamp, by = fresh()
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nX-Slack-Signature: {by}\r\n"
            f"X-Slack-Request-Timestamp: {stamp}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
            + part
        )
        await writer.drain()
        writer.transport.abort()
    assert await door.genuine({**PRESS, "trigger_id": "after.hanging.up"}) == 200
    assert (len(door.ran), await door.kept()) == (len(before[0]) + 1, before[1] + 1)


async def test_many_who_send_nothing_keep_nobody_waiting(door: Door) -> None:
    """200 callers announce a body and hold it back. A press in between is answered all the same."""
    idle = []
    for _ in range(200):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 9\r\n\r\n".encode()
        )
        idle.append(writer)
    async with asyncio.timeout(3):
        assert await door.genuine({**PRESS, "trigger_id": "in.between"}) == 200
    for writer in idle:
        writer.close()
