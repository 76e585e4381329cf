"""Values of the core to JSON and back, checked on the way in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args

from pydantic import TypeAdapter

from flows import effects, events, registration
from flows.effects import Effect
from flows.events import Event
from flows.model import Request


def _named(*unions: UnionType) -> dict[str, type]:
    return {kind.__name__: kind for union in unions for kind in get_args(union)}


EVENTS = _named(events.Event, events.Notice, registration.RegistrationEvent)
EFFECTS = _named(effects.Effect)


_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (*EVENTS.values(), *EFFECTS.values())
}


def _adapter(kind: type) -> TypeAdapter[Any]:
    return _ADAPTERS[kind]


_request = TypeAdapter(Request)


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785 canonical JSON of strings, whole numbers, booleans, null and containers of them.

    For that subset, with ASCII keys, the standard encoder gives the same bytes as the rfc8785 library at a
    quarter of its cost; tests/storage/test_codec.py holds the two against each other.
    """
    return _CANONICAL(value).encode()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def plain(value: object) -> dict[str, Any]:
    """An event or effect as JSON-ready fields."""
    fields: dict[str, Any] = _adapter(type(value)).dump_python(value, mode="json")
    return fields


def event(kind: str, fields: Mapping[str, Any]) -> Any:
    """An event from its stored name and fields. KeyError or ValueError for what was never written."""
    return _exact(EVENTS[kind], json.dumps(fields))


def _exact(kind: type, body: str) -> Any:
    """A value from its JSON: no field too many, every type as it was written."""
    value = _adapter(kind).validate_json(body, strict=True)
    surplus = json.loads(body).keys() - {field.name for field in dataclasses.fields(kind)}
    if surplus:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(surplus))}")
    return value


def is_request_event(kind: str) -> bool:
    """True for events that a request's state is folded from."""
    return kind in _REQUEST_EVENTS


_REQUEST_EVENTS = {kind.__name__ for kind in get_args(Event)}


def effect(kind: str, body: str) -> Effect:
    """An effect from its stored name and JSON body."""
    found: Effect = _exact(EFFECTS[kind], body)
    return found


def effect_body(value: Effect) -> str:
    """An effect's JSON body."""
    return _adapter(type(value)).dump_json(value).decode()


def request(state: str) -> Request:
    """A request from its stored state."""
    return _request.validate_json(state)


def request_state(value: Request) -> str:
    """A request's whole state as JSON."""
    return _request.dump_json(value).decode()
