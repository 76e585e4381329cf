"""Values of the core to JSON and back, checked on the way in.

msgspec reads and writes the core's dataclasses as they are, several times faster than anything else at hand, and
sorts names while it writes: what it gives for an event is canonical JSON (RFC 8785). tests/storage/test_codec.py
holds it against the rfc8785 library.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args

import msgspec

from flows import accounts, effects, events, recovery, registration, standing
from flows.effects import Effect
from flows.events import Event
from flows.model import Request
from flows.recovery import Code
from flows.standing import Standing


def _named(*unions: UnionType) -> dict[str, type]:
    return {kind.__name__: kind for union in unions for kind in get_args(union)}


EVENTS = _named(
    events.Event,
    events.Notice,
    registration.RegistrationEvent,
    accounts.AccountEvent,
    standing.StandingEvent,
    recovery.RecoveryEvent,
)
EFFECTS = _named(effects.Effect)

_REQUEST_EVENTS = {kind.__name__ for kind in get_args(Event)}
_NAMES = {
    kind: frozenset(field.name for field in dataclasses.fields(kind))
    for kind in (*EVENTS.values(), *EFFECTS.values())
}
_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_standing: msgspec.json.Decoder[Standing] = msgspec.json.Decoder(Standing)
_codes: msgspec.json.Decoder[tuple[Code, ...]] = msgspec.json.Decoder(tuple[Code, ...])
_encode = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="sorted").encode


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785 canonical JSON of strings, whole numbers, booleans, null, times, and containers of them.

    Names are ASCII. Values of the core may stand anywhere in it.
    """
    return _sorted(value)


def plain(value: object) -> dict[str, Any]:
    """An event or effect as JSON-ready fields."""
    fields: dict[str, Any] = msgspec.to_builtins(value)
    return fields


def event(kind: str, fields: Mapping[str, Any]) -> Any:
    """An event from its stored name and fields. KeyError or ValueError for what was never written."""
    return _exact(EVENTS[kind], _encode(fields))


def said(body: bytes | memoryview) -> dict[str, Any]:
    """What an audit event says, from its canonical bytes."""
    data: dict[str, Any] = json.loads(bytes(body))["data"]
    return data


def is_request_event(kind: str) -> bool:
    """True for events that a request's state is folded from."""
    return kind in _REQUEST_EVENTS


def effect(kind: str, body: str) -> Effect:
    """An effect from its stored name and JSON body. KeyError or ValueError for what was never written."""
    found: Effect = _exact(EFFECTS[kind], body)
    return found


def _exact(kind: type, body: bytes | str) -> Any:
    """A value from its JSON: no field too many, every type as it was written."""
    try:
        value: Any = msgspec.json.decode(body, type=kind)
        surplus = msgspec.json.decode(body).keys() - _NAMES[kind]
    except msgspec.MsgspecError as wrong:
        raise ValueError(f"this is no {kind.__name__}: {wrong}") from None
    if surplus:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(surplus))}")
    return value


def effect_body(value: Effect) -> str:
    """An effect's JSON body."""
    return _encode(value).decode()


def request(state: str) -> Request:
    """A request from its stored state."""
    return _request.decode(state)


def request_state(value: Request) -> str:
    """A request's whole state as JSON."""
    return _encode(value).decode()


def standing_of(state: str) -> Standing:
    """How a person stands, from its stored state."""
    return _standing.decode(state)


def standing_state(value: Standing) -> str:
    """How a person stands, as JSON."""
    return _encode(value).decode()


def codes_of(state: str) -> tuple[Code, ...]:
    """Recovery codes from their stored JSON."""
    return _codes.decode(state)


def codes_state(codes: tuple[Code, ...]) -> str:
    """Recovery codes as JSON."""
    return _encode(codes).decode()
