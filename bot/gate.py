"""What an HTTP request must be before an SDK sees it. Whatever isn't is refused with a 4xx and one fixed word.

1 how it is packed and how large it is · 2 who signed these bytes, and when · 3 text, then JSON or a form, read
strictly (`bot/strict.py`) · 4 the shape that is read later (`bot/slack_shape.py`). Nothing unsigned gets past 2,
except Slack's look at our certificate, which says nothing. Each step ends the request when in doubt; none logs.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from multidict import MultiMapping

from bot.slack_shape import Kind, kind_of
from bot.stream import TooMuch, whole
from bot.strict import Refused, check_values, read_form, read_json, read_text

__all__ = ["FORM", "JSON", "LARGEST", "Refused", "SlackPost", "body_of", "shape", "slack", "socket"]

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

LARGEST: Final = 64 * 1024  # bytes of a body
PAST: Final = 300  # seconds since a request was signed
FUTURE: Final = 60  # seconds its signer's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class SlackPost:
    """One delivery of Slack's that passed. `key` is the same each time Slack repeats it.

    `payload` is the event, the interaction or the form of a command, read once: pass it on instead of `body`.
    `form` is JSON or FORM as it was sent. What a person wrote isn't in its repr.
    """

    key: str
    payload: Mapping[str, Any] = field(repr=False)
    kind: Kind
    form: str
    body: bytes = field(repr=False)


# -- for every platform ---------------------------------------------------------------------------


async def body_of(request: web.Request, most: int = LARGEST, patience: float = 10.0) -> bytes:
    """The body's bytes, packed as JSON or a form, within `patience` seconds. Raises Refused(400, 408, 413, 415).

    Nothing is read of a body that announces itself as too large, packed or of another type.
    """
    packing(request.headers)
    if (request.content_length or 0) > most:
        raise Refused(413, "too large")
    body, refusal = b"", None
    try:
        if request.content.is_eof():  # a small body comes along with its headers
            body = request.content.read_nowait()
        else:
            async with asyncio.timeout(patience):
                body = await whole(request.content, most)
    except TooMuch:
        refusal = Refused(413, "too large")
    except TimeoutError:
        refusal = Refused(408, "too slow")
    except (ConnectionError, web.RequestPayloadError):  # it broke off, or isn't put together as it says
        refusal = Refused(400, "broken off")
    if len(body) > most:
        refusal = Refused(413, "too large")
    if refusal is not None:
        raise refusal
    return body


def packing(headers: MultiMapping[str]) -> str:
    """JSON or FORM, as the headers say it; UTF-8, and not compressed. Raises Refused(415)."""
    if "Content-Encoding" in headers:
        raise Refused(415, "packed")
    found = headers.getall("Content-Type", [])
    matched = _CONTENT_TYPE.fullmatch(found[0]) if len(found) == 1 else None
    if matched is None:
        raise Refused(415, "content type")
    return matched[1].lower()


def header(headers: MultiMapping[str], name: str, pattern: re.Pattern[str]) -> str:
    """A header that security rests on: there once, and of this shape. Raises Refused(401)."""
    found = headers.getall(name, [])
    if len(found) != 1:
        raise Refused(401, "header twice" if found else "header missing")
    if pattern.fullmatch(found[0]) is None:
        raise Refused(401, "header shape")
    return found[0]


# -- Slack ----------------------------------------------------------------------------------------


def slack(headers: MultiMapping[str], body: bytes, secrets: Sequence[str], now: float) -> SlackPost:
    """What Slack sent, or Refused(400, 401, 413, 415). `now` is in epoch seconds.

    `secrets` are the signing secrets in force: one, or two while it is being rotated. Without one nothing passes.
    """
    # 1
    form = packing(headers)
    if len(body) > LARGEST:
        raise Refused(413, "too large")
    if form == FORM and _SSL_CHECK.fullmatch(body):  # Slack doesn't sign these
        return SlackPost(_key(body), {"ssl_check": "1"}, "ssl_check", form, body)
    # 2
    _signed(headers, body, secrets, now)
    # 3
    payload, among = _read(form, read_text(body))
    # 4
    kind = shape(payload)
    if kind not in among:
        raise Refused(400, "kind")
    return SlackPost(_key(body, payload), payload, kind, form, body)


def socket(payload: Mapping[str, Any]) -> SlackPost:
    """The payload of a Socket Mode envelope, judged as if it had come over HTTP. Raises Refused(400, 413).

    The connection is authentic as a whole, so there is nothing to check of who sent it.
    """
    kind = shape(payload)
    if kind == "url_verification":
        raise Refused(400, "kind")
    body = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
    if len(body) > LARGEST:
        raise Refused(413, "too large")
    return SlackPost(_key(body, payload), payload, kind, JSON, body)


def shape(payload: Mapping[str, Any]) -> Kind:
    """The kind of a payload whose values and shape are right. Raises Refused(400)."""
    check_values(payload)
    return kind_of(payload)


def _read(form: str, text: str) -> tuple[Mapping[str, Any], Sequence[Kind]]:
    """The payload, and which kinds may come this way: nothing is an event because it says so in a form."""
    if form == JSON:
        return read_json(text), ("event", "url_verification")
    fields = read_form(text)
    if "payload" not in fields:
        return fields, ("command",)
    if len(fields) > 1:
        raise Refused(400, "form")
    return read_json(fields["payload"]), ("interaction",)


def _signed(headers: MultiMapping[str], body: bytes, secrets: Sequence[str], now: float) -> None:
    """Slack's signature, version 0: HMAC-SHA256 over "v0:", the time, ":" and the body. Raises Refused(401)."""
    stamp = header(headers, "X-Slack-Request-Timestamp", _TIME)
    given = header(headers, "X-Slack-Signature", _SIGNATURE).encode()
    if int(stamp) < now - PAST:
        raise Refused(401, "too old")
    if int(stamp) > now + FUTURE:
        raise Refused(401, "too early")
    said = b"v0:" + stamp.encode() + b":" + body
    ours = [b"v0=" + hmac.digest(s.encode(), said, "sha256").hex().encode() for s in secrets if s]
    if not any(hmac.compare_digest(each, given) for each in ours):
        raise Refused(401, "signature")


def _key(body: bytes, payload: Mapping[str, Any] | None = None) -> str:
    """An event has a name that outlasts its repetitions; what else comes is repeated to the byte."""
    if payload and payload.get("type") == "event_callback":
        return f"slack:{payload['event_id']}"
    return f"slack:{hashlib.sha256(body).hexdigest()}"


_CONTENT_TYPE = re.compile(
    rf'({re.escape(JSON)}|{re.escape(FORM)})(?: *; *charset="?utf-8"?)?', re.ASCII | re.IGNORECASE
)
_TIME = re.compile(r"[1-9][0-9]{0,10}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_SSL_CHECK = re.compile(rb"ssl_check=1(?:&token=[A-Za-z0-9]{0,64})?|token=[A-Za-z0-9]{0,64}&ssl_check=1")
