"""Values of the core to rows and back, for the tables that hold them one to one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from flows.authority import Evidence
from flows.effects import Announce, CarryOut, Effect, Notify, Remind, Write
from flows.model import Assurance, Method, Request
from flows.news import Item
from flows.recovery import CodeSet
from flows.registration import Authenticator, Device, Invitation
from flows.standing import Standing
from storage import codec
from storage.sql import Row


def twin(playbook: str, subject: str, parameters: Mapping[str, str]) -> str:
    """What makes two open requests the same change."""
    content = codec.canonical({"playbook": playbook, "subject": subject, "parameters": dict(parameters)})
    return sha256(content).hexdigest()


def request_row(request: Request, twin: str) -> Row:
    """A request's row. Closed ones give their twin's place free."""
    return {
        "id": request.id,
        "stage": request.stage.value,
        "version": request.version,
        "playbook": request.playbook,
        "requester": request.requester,
        "subject": request.subject,
        "prover": request.prover,
        "twin": None if request.stage.closed else twin,
        "opened_at": request.opened_at,
        "due_at": request.due_at,
        "closed_at": request.closed_at,
        "state": codec.request_state(request),
    }


def clear_text_row(request: str, field: str, content: str, salt: bytes) -> tuple[str, Row]:
    """One erasable answer, as a put."""
    row = {"id": f"{request}:{field}", "request": request, "field": field, "salt": salt, "content": content}
    return "clear_texts", row


def announcement_row(effect: Announce, key: str, request: str, now: datetime) -> Row:
    """An announcement that follows from no decision on a request. `key` is one of its own."""
    return _owed(effect, key, request, now)


def news_rows(item: Item, now: datetime) -> tuple[Row, Row]:
    """News that follows from no decision on a request: two rows, so that neither channel waits for the other."""
    chat, mail = Notify(item.news), Write(item.news)
    return (
        _owed(chat, f"{item.key}:chat", item.request, now),
        _owed(mail, f"{item.key}:mail", item.request, now),
    )


def outbox_row(effect: Effect, request: Request, index: int, now: datetime) -> Row:
    """An owed effect's row. The change itself has the request's effect key; the rest are numbered."""
    key = effect.key if isinstance(effect, CarryOut) else f"{request.id}:{request.version}:{index}"
    return _owed(effect, key, request.id, effect.at if isinstance(effect, Remind) else now)


def _owed(effect: Effect, key: str, request: str, due_at: datetime) -> Row:
    return {
        "key": key,
        "request": request,
        "kind": type(effect).__name__,
        "body": codec.effect_body(effect),
        "due_at": due_at,
        "attempts": 0,
        "lease_until": None,
    }


def operation_row(request: Request, now: datetime) -> Row:
    """The ledger's first word on a change: it is intended, and nobody has spoken for it yet."""
    return {
        "key": request.key,
        "request": request.id,
        "connector": request.connector,
        "verb": request.verb,
        "state": "intended",
        "epoch": 0,
        "updated_at": now,
        "receipt": "",
    }


def standing(row: Row | None, person: str) -> Standing:
    """How a person stands, from their row; without one nothing was counted yet."""
    return codec.standing_of(row["state"]) if row else Standing(person)


def standing_row(value: Standing) -> Row:
    """How a person stands, as their row."""
    return {
        "person": value.person,
        "state": codec.standing_state(value),
        "frozen_until": value.frozen_until,
    }


def code_set(row: Row) -> CodeSet:
    """A person's recovery codes from their row."""
    return CodeSet(row["person"], row["request"], row["salt"], codec.codes_of(row["codes"]), row["made_at"])


def code_set_row(value: CodeSet) -> Row:
    """A person's recovery codes as their row."""
    return {
        "person": value.person,
        "request": value.request,
        "salt": value.salt,
        "codes": codec.codes_state(value.codes),
        "made_at": value.made_at,
    }


def evidence_row(evidence: Evidence) -> Row:
    """A proof's row."""
    fields = {name: getattr(evidence, name) for name in Evidence.__dataclass_fields__}  # asdict copies deeply
    return {
        **fields,
        "method": evidence.method.value,
        "assurance": evidence.assurance.value,
        "signed": json.dumps(dict(evidence.signed), sort_keys=True),
    }


def evidence(row: Mapping[str, Any]) -> Evidence:
    """A proof from its row."""
    fields = {name: row[name] for name in Evidence.__dataclass_fields__}
    return Evidence(
        **{
            **fields,
            "method": Method(row["method"]),
            "assurance": Assurance(row["assurance"]),
            "signed": json.loads(row["signed"]),
        }
    )


def device(row: Mapping[str, Any]) -> Device:
    """A device from its row."""
    return Device(**{name: row[name] for name in Device.__dataclass_fields__})


def authenticator(row: Mapping[str, Any]) -> Authenticator:
    """An authenticator from its row."""
    fields = {name: row[name] for name in Authenticator.__dataclass_fields__}
    return Authenticator(
        **{
            **fields,
            "method": Method(row["method"]),
            "material": bytes(row["material"]),
            "backed_up": bool(row["backed_up"]),
            "synced": None if row["synced"] is None else bool(row["synced"]),
        }
    )


def authenticator_row(value: Authenticator) -> Row:
    """An authenticator's row."""
    fields = {name: getattr(value, name) for name in Authenticator.__dataclass_fields__}
    return {**fields, "method": value.method.value}


def invitation(row: Mapping[str, Any]) -> Invitation:
    """An invitation from its row."""
    fields = {name: row[name] for name in Invitation.__dataclass_fields__}
    return Invitation(**{**fields, "first": bool(row["first"])})
