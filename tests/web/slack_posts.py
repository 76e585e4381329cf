"""What Slack posts, and what nobody but an attacker would: payloads, bodies and the headers that sign them."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import urlencode

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from bot import gate
from bot.gate import Refused, SlackPost
from bot.strict import Reason

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
RETIRED = "1d6e4f2a9c8b7e0d5f3a2b1c4d5e6f70"
NOW = 1_900_000_000.0

WORDS = get_args(Reason)

Json = dict[str, Any]

MAYA = {"id": "U0MAYA", "username": "maya", "name": "maya", "team_id": "T0ACME"}
WHO: Json = {"user": MAYA, "team": {"id": "T0ACME", "domain": "acme"}, "enterprise": None, "token": "legacy"}
STATE: Json = {"values": {"reason": {"value": {"type": "plain_text_input", "value": "on call"}}}}
VIEW: Json = {
    "id": "V0000001", "team_id": "T0ACME", "type": "modal", "callback_id": "send_form", "blocks": [],
    "private_metadata": "opaque", "state": STATE, "hash": "1.a",
}  # fmt: skip

MESSAGE: Json = {
    "type": "event_callback", "team_id": "T0ACME", "api_app_id": "A0", "event_id": "Ev0123ABCD",
    "event_time": 1_900_000_000, "is_ext_shared_channel": False,
    "authorizations": [{"enterprise_id": None, "team_id": "T0ACME", "user_id": "U0BOT", "is_bot": True}],
    "event": {
        "type": "message", "channel": "D0MAYA", "channel_type": "im", "user": "U0MAYA", "team": "T0ACME",
        "text": "I forgot my password 🙈", "ts": "1900000000.000100", "event_ts": "1900000000.000100",
    },
}  # fmt: skip
HOME: Json = {
    **MESSAGE,
    "event_id": "Ev0HOME",
    "event": {"type": "app_home_opened", "user": "U0MAYA", "channel": "D0MAYA", "tab": "home"},
}
THREAD: Json = {
    **MESSAGE,
    "event_id": "Ev0THREAD",
    "event": {
        "type": "assistant_thread_started",
        "assistant_thread": {"user_id": "U0MAYA", "channel_id": "D0MAYA", "thread_ts": "1.1", "context": {}},
    },
}
CHANGED: Json = {
    **MESSAGE,
    "event_id": "Ev0CHANGED",
    "event": {
        "type": "message", "subtype": "message_changed", "hidden": True, "channel": "D0MAYA", "ts": "1900000001.0",
        "message": {"type": "message", "user": "U0MAYA", "text": "I forgot", "ts": "1900000000.000100"},
        "previous_message": {"type": "message", "user": "U0MAYA", "text": "I", "ts": "1900000000.000100"},
    },
}  # fmt: skip
LIMITED: Json = {"type": "app_rate_limited", "team_id": "T0ACME", "minute_rate_limited": 1_900_000_000}
CHALLENGE: Json = {
    "type": "url_verification",
    "token": "legacy",
    "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd",
}
PRESS: Json = {
    "type": "block_actions", **WHO, "trigger_id": "12.34.abc", "response_url": "https://hooks.slack.com/actions/x",
    "container": {"type": "message", "message_ts": "1900000000.000200", "channel_id": "D0MAYA"},
    "channel": {"id": "D0MAYA", "name": "directmessage"},
    "message": {"type": "message", "user": "U0BOT", "text": "Password reset", "ts": "1900000000.000200"},
    "state": {"values": {}},
    "actions": [{"type": "button", "action_id": "approve", "block_id": "b1", "value": "handle", "action_ts": "1.2"}],
}  # fmt: skip
HOME_PRESS: Json = {
    "type": "block_actions", **WHO, "trigger_id": "12.34.abc", "container": {"type": "view", "view_id": "V0"},
    "view": {**VIEW, "type": "home", "callback_id": ""},
    "actions": [{
        "type": "static_select", "action_id": "pick", "block_id": "b1",
        "selected_option": {"text": {"type": "plain_text", "text": "Unlock"}, "value": "handle"},
    }],
}  # fmt: skip
SENT: Json = {"type": "view_submission", **WHO, "trigger_id": "1.2.a", "view": VIEW, "response_urls": []}
CLOSED: Json = {"type": "view_closed", **WHO, "view": VIEW, "is_cleared": False}
SHORTCUT: Json = {"type": "shortcut", **WHO, "callback_id": "ask", "trigger_id": "1.2.a", "action_ts": "1.2"}
ON_MESSAGE: Json = {
    **SHORTCUT, "type": "message_action", "message_ts": "1900000000.0", "response_url": "https://hooks.slack.com/x",
    "channel": {"id": "C0GENERAL", "name": "general"},
    "message": {"type": "message", "user": "U0OMAR", "text": "please help", "ts": "1900000000.0"},
}  # fmt: skip
COMMAND: Json = {
    "token": "legacy", "team_id": "T0ACME", "team_domain": "acme", "channel_id": "D0MAYA", "user_id": "U0MAYA",
    "channel_name": "directmessage", "user_name": "maya", "command": "/desk", "text": "what is a payload? {ü}",
    "api_app_id": "A0", "is_enterprise_install": "false", "trigger_id": "12.34.abc",
    "response_url": "https://hooks.slack.com/commands/x",
}  # fmt: skip

#: name → payload, how it comes, what it is
GENUINE: dict[str, tuple[Json, str]] = {
    "a message": (MESSAGE, "event"),
    "the Home tab": (HOME, "event"),
    "a new thread": (THREAD, "event"),
    "an edited message": (CHANGED, "event"),
    "too many events": (LIMITED, "event"),
    "a new request URL": (CHALLENGE, "url_verification"),
    "a press": (PRESS, "interaction"),
    "a choice on the Home tab": (HOME_PRESS, "interaction"),
    "a form": (SENT, "interaction"),
    "a form put away": (CLOSED, "interaction"),
    "a shortcut": (SHORTCUT, "interaction"),
    "a message's shortcut": (ON_MESSAGE, "interaction"),
    "a command": (COMMAND, "command"),
}


def encoded(payload: Json) -> tuple[bytes, str]:
    """The body as Slack would send it, and its content type."""
    if "command" in payload:
        return urlencode(payload).encode(), FORM
    if payload.get("type") in ("event_callback", "url_verification", "app_rate_limited"):
        return json.dumps(payload).encode(), JSON
    return in_a_field(json.dumps(payload)), FORM


def in_a_field(text: str | bytes) -> bytes:
    return urlencode({"payload": text}).encode()


def signature(body: bytes, stamp: str, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, form: str, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers of a perfectly signed request."""
    stamp = str(int(at))
    return {
        "Content-Type": form,
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(body, stamp, secret),
    }


def headers(of: Mapping[str, str] | Sequence[tuple[str, str]]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(of))


def but(payload: Json, path: str, value: Any = ...) -> Json:
    """A copy with another value at "event.user" or "actions.0.value"; without one, that place is left out."""
    changed = copy.deepcopy(payload)
    *way, last = path.split(".")
    place: Any = changed
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return changed


def passed(payload: Json) -> SlackPost:
    body, form = encoded(payload)
    return gate.slack(headers(signed(body, form)), body, [SECRET], NOW)


def refused(
    given: object, body: bytes, secrets: tuple[str, ...] = (SECRET,), now: float = NOW
) -> tuple[int, str]:
    """The status and the word. A refusal carries nothing else, not even the exception it began with."""
    with pytest.raises(Refused) as caught:
        gate.slack(headers(given), body, secrets, now)  # type: ignore[arg-type]
    refusal = caught.value
    assert 400 <= refusal.status < 500
    assert refusal.reason in WORDS
    assert refusal.__cause__ is None
    assert refusal.__context__ is None
    return refusal.status, refusal.reason
