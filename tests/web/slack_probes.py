"""What Slack would never post → the status it is answered with. Each is made as it is sent, so that it is fresh."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

from tests.web.hostile import KINDS, SLOW, Genuine, Kind
from tests.web.slack_posts import (
    CHALLENGE,
    COMMAND,
    FORM,
    JSON,
    MESSAGE,
    PRESS,
    RETIRED,
    SECRET,
    SENT,
    Json,
    but,
    encoded,
    in_a_field,
    signature,
    signed,
)
from tests.web.wire import Headers

Probe = Callable[[], tuple[Headers, bytes]]

BODY, _ = encoded(PRESS)


def press(*headers: tuple[str, str | bytes], without: str = "", body: bytes = BODY) -> Probe:
    """A signed press, but for these headers: one of a name replaces ours; `without` leaves one out."""

    def make() -> tuple[Headers, bytes]:
        ours = signed(BODY, FORM, time.time())
        for name in [without, *(name for name, _ in headers)]:
            ours.pop(name, None)
        return [*ours.items(), *headers], body

    return make


def twice(name: str, value: str = "") -> Probe:
    """A signed press with one header there twice."""

    def make() -> tuple[Headers, bytes]:
        ours = signed(BODY, FORM, time.time())
        return [*ours.items(), (name, value or ours[name])], BODY

    return make


def said(body: bytes | str | Json, form: str = JSON, *headers: tuple[str, str]) -> Probe:
    """A perfectly signed body that says something else."""
    if isinstance(body, dict):
        body, form = encoded(body)
    content = body.encode() if isinstance(body, str) else body
    return lambda: ([*signed(content, form, time.time()).items(), *headers], content)


def at(seconds: float, secret: str = SECRET, over: bytes = BODY) -> Probe:
    """A press that was signed then, with this secret, over these bytes."""
    return lambda: (list(signed(over, FORM, time.time() + seconds, secret).items()), BODY)


def unsigned(body: bytes, form: str = FORM) -> Probe:
    return lambda: ([("Content-Type", form)], body)


def fresh() -> tuple[str, str]:
    stamp = str(int(time.time()))
    return stamp, signature(BODY, stamp)


NO: dict[str, tuple[Probe, int]] = {
    # nobody signed it
    "no headers": (unsigned(BODY), 401),
    "no signature": (press(without="X-Slack-Signature"), 401),
    "no time": (press(without="X-Slack-Request-Timestamp"), 401),
    "an empty signature": (press(("X-Slack-Signature", "")), 401),
    "a wrong signature": (press(("X-Slack-Signature", "v0=" + "0" * 64)), 401),
    "another version": (press(("X-Slack-Signature", "v1=" + "0" * 64)), 401),
    "a signature of bytes": (press(("X-Slack-Signature", b"v0=\xff\xfe\xfd")), 401),
    "a signature in full-width digits": (press(("X-Slack-Signature", "v0=" + "\uff10" * 64)), 401),
    "a long signature": (press(("X-Slack-Signature", "v0=" + "0" * 7_000)), 401),
    "a signature too long for HTTP": (press(("X-Slack-Signature", "v0=" + "0" * 9_000)), 400),
    "two signatures": (twice("X-Slack-Signature"), 401),
    "two signatures, one wrong": (twice("X-Slack-Signature", "v0=" + "0" * 64), 401),
    "two times": (twice("X-Slack-Request-Timestamp"), 401),
    "two times, one old": (twice("X-Slack-Request-Timestamp", "1"), 401),
    "another time": (press(("X-Slack-Request-Timestamp", str(int(time.time()) + 7))), 401),
    "a time in Arabic digits": (press(("X-Slack-Request-Timestamp", "١٩٠٠٠٠٠٠٠٠")), 401),
    "a time of bytes": (press(("X-Slack-Request-Timestamp", b"\xff")), 401),
    "a negative time": (press(("X-Slack-Request-Timestamp", "-1")), 401),
    "a huge time": (press(("X-Slack-Request-Timestamp", "9" * 4_000)), 401),
    "a time that isn't": (press(("X-Slack-Request-Timestamp", "NaN")), 401),
    "five minutes old": (at(-302), 401),
    "from last year": (at(-31_536_000), 401),
    "two minutes ahead": (at(120), 401),
    "signed with a retired secret": (at(0, RETIRED), 401),
    "signed with an empty secret": (at(0, ""), 401),
    "signed over other bytes": (at(0, over=BODY + b"&"), 401),
    "one byte changed": (press(body=BODY.replace(b"approve", b"Approve")), 401),
    "one byte more": (press(body=BODY + b"\n"), 401),
    "one byte less": (press(body=BODY[:-1]), 401),
    "a certificate check with a payload": (unsigned(b"ssl_check=1&" + BODY), 401),
    "a certificate check with a command": (
        unsigned(b"ssl_check=1&" + urlencode(COMMAND).encode()),
        401,
    ),
    "a certificate check as JSON": (unsigned(b'{"ssl_check":"1"}', JSON), 401),
    "an unsigned challenge": (unsigned(json.dumps(CHALLENGE).encode(), JSON), 401),
    "an unsigned Socket Mode envelope": (unsigned(json.dumps({"payload": PRESS}).encode(), JSON), 401),
    "a lazy listener's header": (
        lambda: ([("Content-Type", FORM), ("X-Slack-Bolt-Lazy-Only", "1")], BODY),
        401,
    ),
    # signed, and unreadable as a form
    "a form in another charset": (press(("Content-Type", FORM + "; charset=utf-16")), 415),
    "a packed form": (said(gzip.compress(BODY), FORM), 400),
    "a form of too much": (said(b"payload=" + b"a" * 66_000, FORM), 413),
    "an empty form": (said(b"", FORM), 400),
    "a lone surrogate in a text": (said(json.dumps(but(MESSAGE, "event.text", "\ud800"))), 400),
    "a NUL in a text": (said(but(MESSAGE, "event.text", "a\0b")), 400),
    "bad UTF-8 in a form": (said(b"payload=%ff%fe", FORM), 400),
    "a form in raw bytes": (said(b"payload=\xf0\x28\x8c\x28", FORM), 400),
    "a NUL in a form": (said(urlencode({**COMMAND, "text": "\0"}).encode(), FORM), 400),
    "10,000 levels in a form": (said(in_a_field("[" * 10_000), FORM), 400),
    "JSON as a form": (said(json.dumps(PRESS), FORM), 400),
    "a form as JSON": (said(BODY, JSON), 400),
    "two payloads": (said(BODY + b"&" + in_a_field("{}"), FORM), 400),
    "two payloads, one escaped": (said(b"%70ayload=%7B%7D&" + BODY, FORM), 400),
    "a payload and a command": (said(BODY + b"&command=%2Fdesk", FORM), 400),
    "a command said twice": (said(urlencode(COMMAND).encode() + b"&user_id=U0OMAR", FORM), 400),
    "a signed certificate check with a payload": (said(b"ssl_check=1&" + BODY, FORM), 400),
    # signed, readable, and no shape of Slack's
    "an empty payload": (said(in_a_field("{}"), FORM), 400),
    "an unknown type": (said(in_a_field(json.dumps({**PRESS, "type": "interactive_message"})), FORM), 400),
    "a press's type of a number": (said(in_a_field(json.dumps({**PRESS, "type": 7})), FORM), 400),
    "no actions": (said(but(PRESS, "actions")), 400),
    "empty actions": (said(but(PRESS, "actions", [])), 400),
    "actions of null": (said(but(PRESS, "actions", [None])), 400),
    "an action of a number": (said(but(PRESS, "actions.0.action_id", 7)), 400),
    "a user of a list": (said(but(PRESS, "user", ["U0MAYA"])), 400),
    "no user": (said(but(PRESS, "user", None)), 400),
    "a user with a path": (said(but(PRESS, "user.id", "U0/../OMAR")), 400),
    "a team of a number": (said(but(PRESS, "team", 7)), 400),
    "a channel of an object": (said(but(MESSAGE, "event.channel", {"id": {}})), 400),
    "a view without values": (said(but(SENT, "view.state.values", [])), 400),
    "a view of null": (said(but(SENT, "view", None)), 400),
    "a message of a list": (said(but(MESSAGE, "event.text", [])), 400),
    "an event of a text": (said(but(MESSAGE, "event", "message")), 400),
    "an event as an interaction": (said(in_a_field(json.dumps(MESSAGE)), FORM), 400),
    "an interaction as an event": (said(json.dumps(PRESS)), 400),
    "an event in a command": (said(urlencode({**COMMAND, "event": "x"}).encode(), FORM), 400),
    "a challenge of markup": (said({**CHALLENGE, "challenge": "<script>alert(1)</script>"}), 400),
    "a command of nobody": (said(but(COMMAND, "user_id")), 400),
}


def event() -> Genuine:
    """An event that passes, signed as it is sent."""
    return Genuine(MESSAGE, lambda body, form: list(signed(body, form, time.time()).items()))


def of_any_chat(kinds: dict[str, tuple[Kind, int]]) -> dict[str, tuple[Probe, int]]:
    """What no chat would post, as Slack's."""
    return {name: (partial(make, event()), status) for name, (make, status) in kinds.items()}


assert NO.keys().isdisjoint(KINDS), "a kind would be lost"
NO |= of_any_chat(KINDS)
LATE = of_any_chat(SLOW)
