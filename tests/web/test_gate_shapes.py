"""What a payload must say to reach anybody, and that nothing else ever comes out of the gate."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from slack_bolt.request import payload_utils
from slack_bolt.request.async_request import AsyncBoltRequest

from bot import gate
from bot.gate import Refused, SlackPost
from tests.web.slack_posts import (
    CHALLENGE,
    CHANGED,
    COMMAND,
    FORM,
    GENUINE,
    HOME,
    HOME_PRESS,
    JSON,
    MESSAGE,
    NOW,
    ON_MESSAGE,
    PRESS,
    SECRET,
    SENT,
    SHORTCUT,
    THREAD,
    WORDS,
    Json,
    but,
    encoded,
    headers,
    in_a_field,
    refused,
    signed,
)

BODY, _ = encoded(PRESS)
GOOD = signed(BODY, FORM)
STAMP, SIGNED = GOOD["X-Slack-Request-Timestamp"], GOOD["X-Slack-Signature"]


# -- what it says -------------------------------------------------------------------------------

SHAPES: dict[str, tuple[Json, str]] = {
    # any payload
    "no type": (but(PRESS, "type"), "kind"),
    "an unknown type": (but(PRESS, "type", "block_suggestion"), "kind"),
    "a list for a type": (but(PRESS, "type", ["block_actions"]), "kind"),
    "a command's field in a press": ({**PRESS, "command": "/desk"}, "kind"),
    "an event in a press": ({**PRESS, "event": {"bot_id": 1}}, "kind"),
    "authorizations that are none": ({**PRESS, "authorizations": "U0MAYA"}, "shape"),
    "authorizations of numbers": ({**PRESS, "authorizations": [1]}, "shape"),
    "a team of a number within": ({**PRESS, "authorizations": [{"team": 1}]}, "team"),
    "addresses that are none": ({**PRESS, "response_urls": {"0": 1}}, "shape"),
    "an address of another kind": (but(PRESS, "response_url", "file:///etc/passwd"), "shape"),
    "an address with a new line": (but(PRESS, "response_url", "https://a\r\nX: y"), "shape"),
    "a ticket of a number": (but(PRESS, "trigger_id", 1), "shape"),
    # who and where
    "nobody": (but(PRESS, "user"), "user"),
    "a name for a user": (but(PRESS, "user", "U0MAYA"), "user"),
    "a user without an id": (but(PRESS, "user.id"), "user"),
    "a number for a user": (but(PRESS, "user.id", 1), "user"),
    "a channel for a user": (but(PRESS, "user.id", "C0MAYA"), "user"),
    "a user in small letters": (but(PRESS, "user.id", "u0maya"), "user"),
    "a user in Greek": (but(PRESS, "user.id", "U0\u039c\u0391\u03a5\u0391"), "user"),
    "a user with a new line": (but(PRESS, "user.id", "U0MAYA\n"), "user"),
    "a user with a path": (but(PRESS, "user.id", "U0MAYA/../U0OMAR"), "user"),
    "a long user": (but(PRESS, "user.id", "U" + "0" * 99), "user"),
    "no team": (but(but(PRESS, "team", None), "user.team_id"), "team"),
    "a name for a team": (but(PRESS, "team", "T0ACME"), "team"),
    "a number for a team": (but(PRESS, "team.id", 7), "team"),
    "a user of no team's": (but(PRESS, "user.team_id", "ACME"), "team"),
    "an enterprise of a number": (but(PRESS, "enterprise", 7), "team"),
    "a channel of a list": (but(PRESS, "channel", ["D0MAYA"]), "channel"),
    "a channel without an id": (but(PRESS, "channel.id"), "channel"),
    "a user for a channel": (but(PRESS, "channel.id", "U0MAYA"), "channel"),
    # presses
    "no actions": (but(PRESS, "actions"), "actions"),
    "empty actions": (but(PRESS, "actions", []), "actions"),
    "an object for actions": (but(PRESS, "actions", {"0": {}}), "actions"),
    "null actions": (but(PRESS, "actions", [None]), "actions"),
    "an empty action": (but(PRESS, "actions", [{}]), "actions"),
    "a second, broken action": (but(PRESS, "actions", [*PRESS["actions"], 7]), "actions"),
    "a number for an action": (but(PRESS, "actions.0.action_id", 7), "actions"),
    "an empty action's name": (but(PRESS, "actions.0.action_id", ""), "actions"),
    "a very long action's name": (but(PRESS, "actions.0.action_id", "a" * 256), "actions"),
    "an object for a value": (but(PRESS, "actions.0.value", {}), "actions"),
    "a block of a list": (but(PRESS, "actions.0.block_id", []), "actions"),
    "an option of a text": (but(HOME_PRESS, "actions.0.selected_option", "handle"), "actions"),
    "an option of a number": (but(HOME_PRESS, "actions.0.selected_option.value", 1), "actions"),
    "a message of a text": (but(PRESS, "message", "x"), "shape"),
    "a message's number": (but(PRESS, "message.ts", 1.5), "message"),
    "a message's word": (but(PRESS, "message.ts", "now"), "message"),
    "a thread of a number": (but(PRESS, "message.thread_ts", 1), "message"),
    "a container of a text": (but(PRESS, "container", "x"), "shape"),
    "a container's number": (but(PRESS, "container.message_ts", 1), "message"),
    "a container's user": (but(PRESS, "container.channel_id", "U0MAYA"), "channel"),
    "a state of a list": (but(PRESS, "state", []), "view"),
    # forms
    "no view": (but(SENT, "view"), "view"),
    "a text for a view": (but(SENT, "view", "V0"), "view"),
    "a view without a name": (but(SENT, "view.callback_id"), "view"),
    "a number for a view's name": (but(SENT, "view.callback_id", 1), "view"),
    "a view without an id": (but(SENT, "view.id"), "view"),
    "a number for what is kept": (but(SENT, "view.private_metadata", 1), "view"),
    "a list for the state": (but(SENT, "view.state", []), "view"),
    "a text for the values": (but(SENT, "view.state.values", "x"), "view"),
    "a text for a block": (but(SENT, "view.state.values.reason", "x"), "view"),
    "a text for an answer": (but(SENT, "view.state.values.reason.value", "x"), "view"),
    "a number for an answer's text": (but(SENT, "view.state.values.reason.value.value", 1), "view"),
    "addresses of texts": (but(SENT, "response_urls", ["https://x"]), "shape"),
    "an address of a number": (but(SENT, "response_urls", [{"response_url": 1}]), "shape"),
    # shortcuts
    "a shortcut without a name": (but(SHORTCUT, "callback_id"), "shape"),
    "a message's shortcut without it": (but(ON_MESSAGE, "message"), "message"),
    "a message's shortcut nowhere": (but(ON_MESSAGE, "channel"), "channel"),
    # events
    "no event": (but(MESSAGE, "event"), "event"),
    "a list for an event": (but(MESSAGE, "event", []), "shape"),
    "an event without a type": (but(MESSAGE, "event.type"), "event"),
    "an event's type of a number": (but(MESSAGE, "event.type", 1), "event"),
    "no event's id": (but(MESSAGE, "event_id"), "event"),
    "a number for an event's id": (but(MESSAGE, "event_id", 1), "event"),
    "another key for an event's id": (but(MESSAGE, "event_id", "0" * 64), "event"),
    "an event of no team": (but(MESSAGE, "team_id"), "team"),
    "a message from nobody": (but(MESSAGE, "event.user"), "user"),
    "a message from a number": (but(MESSAGE, "event.user", 7), "user"),
    "a file from nobody": (but(but(MESSAGE, "event.user"), "event.subtype", "file_share"), "user"),
    "a message of a team of an object": (but(MESSAGE, "event.team", {"id": "T0ACME"}), "team"),
    "a message of another team of a number": (but(MESSAGE, "event.user_team", 7), "team"),
    "a message from a list": (but(MESSAGE, "event.user", []), "user"),
    "a message from an object": (but(MESSAGE, "event.user", {"id": "U0MAYA"}), "user"),
    "a message nowhere": (but(MESSAGE, "event.channel"), "channel"),
    "a message of a number": (but(MESSAGE, "event.text", 7), "message"),
    "a message of a list": (but(MESSAGE, "event.text", ["x"]), "message"),
    "a message at no time": (but(MESSAGE, "event.ts"), "message"),
    "a subtype of a list": (but(MESSAGE, "event.subtype", ["x"]), "event"),
    "a change of a text": (but(CHANGED, "event.message", "x"), "shape"),
    "a change by a number": (but(CHANGED, "event.message.user", 7), "user"),
    "a change of a change by a number": (but(CHANGED, "event.message.message", {"user": 7}), "user"),
    "a former text of a number": (but(CHANGED, "event.previous_message", 7), "shape"),
    "a Home of nobody": (but(HOME, "event.user"), "user"),
    "a thread of nobody": (but(THREAD, "event.assistant_thread.user_id"), "user"),
    "a thread of a text": (but(THREAD, "event.assistant_thread", "x"), "shape"),
    "a challenge of a number": (but(CHALLENGE, "challenge", 7), "shape"),
    "a challenge of markup": (but(CHALLENGE, "challenge", "<script>"), "shape"),
    "a long challenge": (but(CHALLENGE, "challenge", "a" * 257), "shape"),
    # commands
    "a command of nobody": (but(COMMAND, "user_id"), "user"),
    "a command of no team": (but(COMMAND, "team_id"), "team"),
    "a command nowhere": (but(COMMAND, "channel_id"), "channel"),
    "a command without its slash": (but(COMMAND, "command", "desk"), "command"),
    "a command of two words": (but(COMMAND, "command", "/desk now"), "command"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_payload_of_another_shape_reaches_nobody(name: str) -> None:
    payload, word = SHAPES[name]
    body, form = encoded(payload)
    if "type" in payload and not isinstance(payload["type"], str):
        body, form = in_a_field(json.dumps(payload)), FORM
    assert refused(signed(body, form), body) == (400, word)
    with pytest.raises(Refused) as caught:
        gate.shape(payload)
    assert caught.value.reason == word


def test_a_command_over_socket_mode_is_all_text() -> None:
    with pytest.raises(Refused, match="command"):
        gate.shape({**COMMAND, "text": 7})


# -- whatever else there is -----------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(), max_size=12)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(ANY_TEXT, inside, max_size=3),
    max_leaves=8,
)
NAMES = ("Content-Type", "X-Slack-Signature", "X-Slack-Request-Timestamp", "Content-Encoding")
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), ANY_TEXT | st.sampled_from([JSON, FORM, STAMP, SIGNED])), max_size=6
)


def judged(given: object, body: bytes) -> SlackPost | Refused:
    """The only two things that may come out. Anything else is an error here."""
    try:
        return gate.slack(headers(given), body, [SECRET], NOW)  # type: ignore[arg-type]
    except Refused as caught:
        refusal = caught
    assert 400 <= refusal.status < 500
    assert refusal.reason in WORDS
    assert refusal.__context__ is None
    return refusal


@given(HEADERS, st.binary(max_size=80))
def test_whatever_comes_unsigned_is_refused(given: list[tuple[str, str]], body: bytes) -> None:
    assert isinstance(judged(given, body), Refused)


@given(st.binary(max_size=200) | ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_is_signed_passes_or_is_refused(body: bytes) -> None:
    for form in (JSON, FORM):
        judged(signed(body, form), body)
    for inside in (in_a_field(body), b"payload=" + body, b'{"type":"event_callback","event":' + body + b"}"):
        judged(signed(inside, FORM), inside)
        judged(signed(inside, JSON), inside)


@given(ANY_JSON)
def test_any_json_passes_or_is_refused(value: object) -> None:
    body = json.dumps(value).encode()
    judged(signed(body, JSON), body)
    inside = in_a_field(body)
    judged(signed(inside, FORM), inside)


def places(payload: Any, way: tuple[str, ...] = ()) -> Iterator[str]:
    """Every place in a payload, as `but` names it."""
    steps: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(payload, dict):
        steps = iter(payload.items())
    elif isinstance(payload, list):
        steps = iter(enumerate(payload))
    for step, inside in steps:
        yield ".".join((*way, str(step)))
        yield from places(inside, (*way, str(step)))


#: What Bolt looks at somewhere, and what decides which kind a payload is.
LOOKED_AT = """
    user team channel enterprise event message previous_message item assistant_thread authorizations thread_ts
    response_url response_urls command view actions state callback_id function_data is_ext_shared_channel
    function_execution_id bot_access_token inputs user_id team_id channel_id text type ssl_check
"""


@st.composite
def forged(draw: st.DrawFn) -> Json:
    """A genuine payload with something else in a few of its places, or something more."""
    payload: Json = copy.deepcopy(draw(st.sampled_from([payload for payload, _ in GENUINE.values()])))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(places(payload))))
        value = draw(ANY_JSON | st.just(...) | st.sampled_from([{}, [], "", {"id": 1}, {"user": 1}]))
        if draw(st.booleans()):
            path = ".".join([*path.split(".")[:-1], draw(st.sampled_from(LOOKED_AT.split()))])
        try:
            payload = but(payload, path, value)
        except (KeyError, ValueError):  # there is no such place to leave out, or it is a list
            continue
        if not payload:
            break
    return payload


@given(forged())
@example(but(MESSAGE, "event.event", {"authorizations": 5}))
@example({**PRESS, "view": {**HOME_PRESS["view"], "app_installed_team_id": 5}})
def test_whatever_passes_bolt_can_read(payload: Json) -> None:
    """Bolt looks for ids all over a payload before any listener runs. Here it finds nothing to fall over."""
    try:
        gate.shape(payload)
    except Refused:
        return
    request = AsyncBoltRequest(body=payload, mode="socket_mode")
    for look in ("event", "message", "command", "action", "options", "shortcut", "view", "step"):
        getattr(payload_utils, f"to_{look}")(payload)
    payload_utils.is_assistant_event(payload)
    payload_utils.is_other_message_sub_event_in_assistant_thread(payload)
    who = request.context.user_id, request.context.team_id, request.context.channel_id
    assert all(each is None or isinstance(each, str) for each in who)
