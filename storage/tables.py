"""The tables, their constraints, and which of their columns a seal covers.

Times are aware UTC everywhere: `timestamptz` on PostgreSQL, fixed-width ISO 8601 text on SQLite, so that
they sort alike. A row that carries authority has a `mac` over the columns listed in SEALED (S10).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from flows.model import Assurance, Method, Stage


@lru_cache(maxsize=1024)  # the rows of a batch share their times, and each is sealed, bound and recorded
def iso(at: datetime) -> str:
    """An aware time as fixed-width UTC text, `2026-11-22T09:09:51.123456Z`: sortable as it stands."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="microseconds")[:-6] + "Z"


class Instant(TypeDecorator[datetime]):
    """An aware UTC time. Naive ones are refused: they have no meaning here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        return iso(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return None if value is None else value.astimezone(UTC)


def _instant(*, nullable: bool = False, index: bool = False) -> Any:
    return Field(sa_column=Column(Instant(), nullable=nullable, index=index))


def _text(*, nullable: bool = False, **more: Any) -> Any:
    return Field(sa_column=Column(Text(), nullable=nullable, **more))


def _binary(*, nullable: bool = False, **more: Any) -> Any:
    return Field(sa_column=Column(LargeBinary(), nullable=nullable, **more))


def _whole(**more: Any) -> Any:
    # On SQLite an INTEGER primary key is the table itself; a BIGINT one is a second index beside it.
    return Field(sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), nullable=False, **more))


def _index_of_some(name: str, column: str) -> Index:
    """An index over those rows only that have a value there."""
    some = text(f"{column} IS NOT NULL")
    return Index(name, column, sqlite_where=some, postgresql_where=some)


def _one_of(column: str, values: list[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class RequestRow(SQLModel, table=True):
    """A request as it stands: `state` is the whole of it, the other columns are there to search by.

    `twin` names the change while the request is open, so that the same change is never open twice.
    """

    __tablename__ = "requests"
    __table_args__ = (
        _one_of("stage", [stage.value for stage in Stage]),
        CheckConstraint("version >= 1", name="version_counts"),
        _index_of_some("requests_due", "due_at"),
    )
    id: str = _text(primary_key=True)
    stage: str = _text()
    version: int = _whole()
    playbook: str = _text()
    requester: str = _text(index=True)
    subject: str = _text(index=True)
    prover: str = _text(index=True)
    twin: str | None = _text(nullable=True, unique=True)
    opened_at: datetime = _instant()
    due_at: datetime | None = _instant(nullable=True)
    closed_at: datetime | None = _instant(nullable=True)
    state: str = _text()
    mac: bytes = _binary()


class ClearTextRow(SQLModel, table=True):
    """What a person wrote, beside the evidence: erasable, because proofs hold only commitments to it."""

    __tablename__ = "clear_texts"
    id: str = _text(primary_key=True)  # request ‖ ":" ‖ field
    request: str = _text(index=True)
    field: str = _text()
    salt: bytes = _binary()
    content: str = _text()


class VerificationRow(SQLModel, table=True):
    """One sealed proof: a challenge that was met, or an approval that was signed. A nonce is used once (S7)."""

    __tablename__ = "verifications"
    __table_args__ = (
        UniqueConstraint("request", "purpose", "person", name="one_proof_each"),
        _one_of("purpose", ["prove", "approve", "hurry", "sign_in"]),
        _one_of("method", [method.value for method in Method]),
        _one_of("assurance", [assurance.value for assurance in Assurance]),
    )
    nonce: str = _text(primary_key=True)
    request: str = _text(index=True)
    purpose: str = _text()
    person: str = _text(index=True)
    method: str = _text()
    assurance: str = _text()
    digest: str = _text()
    device: str = _text()
    authenticator: str = _text()
    at: datetime = _instant()
    until: datetime = _instant()
    signed: str = _text()
    mac: bytes = _binary()


class DeviceRow(SQLModel, table=True):
    """One registered browser of one person."""

    __tablename__ = "devices"
    id: str = _text(primary_key=True)
    person: str = _text(index=True)
    name: str = _text()
    cookie_hash: str = _text()
    registered_at: datetime = _instant()
    revoked_at: datetime | None = _instant(nullable=True)
    key: str = _text()
    mac: bytes = _binary()


class AuthenticatorRow(SQLModel, table=True):
    """A passkey or a sign-in app. Its seal covers the counter, so an old counter can't be put back."""

    __tablename__ = "authenticators"
    __table_args__ = (_one_of("method", [method.value for method in Method]),)
    id: str = _text(primary_key=True)
    person: str = _text(index=True)
    device: str = _text(index=True)
    method: str = _text()
    material: bytes = _binary()
    counter: int = _whole()
    registered_at: datetime = _instant()
    backed_up: bool = False
    used_at: datetime | None = _instant(nullable=True)
    revoked_at: datetime | None = _instant(nullable=True)
    synced: bool | None = None
    name: str = _text(server_default="")
    mac: bytes = _binary()


class InvitationRow(SQLModel, table=True):
    """An enrolment link, known by the hash of its token."""

    __tablename__ = "invitations"
    id: str = _text(primary_key=True)
    person: str = _text(index=True)
    request: str = _text()
    expires_at: datetime = _instant()
    first: bool
    browser_hash: str | None = _text(nullable=True)
    used_at: datetime | None = _instant(nullable=True)
    mac: bytes = _binary()


class SignOnRow(SQLModel, table=True):
    """A company sign-on that was answered, known by the hash of its state: each is answered once.

    It gives nobody anything, so it has no seal; it goes when the sign-on couldn't be answered any more anyway.
    """

    __tablename__ = "sign_ons"
    id: str = _text(primary_key=True)
    answered_at: datetime = _instant(index=True)


class InvitedRow(SQLModel, table=True):
    """Somebody who was told that they can join, so that nobody is told twice. It gives nobody anything."""

    __tablename__ = "invited"
    person: str = _text(primary_key=True)
    wave: str = _text()
    told_at: datetime = _instant()
    times: int = _whole()


class AuditRow(SQLModel, table=True):
    """One audit event: its canonical bytes and their leaf hash in the tree (RFC 9162 section 2.1).

    `request` and `person` say what it is about, to search by; both stand in the bytes as well.
    """

    __tablename__ = "audit_events"
    __table_args__ = (_index_of_some("audit_events_person", "person"),)
    seq: int = _whole(primary_key=True, autoincrement=False)
    request: str | None = _text(nullable=True, index=True)
    person: str | None = _text(nullable=True)
    type: str = _text()
    at: datetime = _instant()
    body: bytes = _binary()
    leaf: bytes = _binary()


class TreeHeadRow(SQLModel, table=True):
    """The audit tree's right edge after the last event. One row; locking it orders all writers."""

    __tablename__ = "tree_head"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)
    id: int = _whole(primary_key=True, autoincrement=False)
    size: int = _whole()
    peaks: bytes = _binary()
    root: bytes = _binary()
    last_at: datetime = _instant()
    mac: bytes = _binary()


class OutboxRow(SQLModel, table=True):
    """One effect owed to the world; the row goes when it is paid. Its seal covers what is owed."""

    __tablename__ = "outbox"
    key: str = _text(primary_key=True)
    request: str = _text()
    kind: str = _text()
    body: str = _text()
    due_at: datetime = _instant(index=True)
    attempts: int = _whole()
    lease_until: datetime | None = _instant(nullable=True)
    mac: bytes = _binary()


class OperationRow(SQLModel, table=True):
    """The ledger of changes: one row an effect key, for ever. `epoch` counts who may speak for it."""

    __tablename__ = "operations"
    __table_args__ = (_one_of("state", ["intended", "sent", "confirmed", "rejected"]),)
    key: str = _text(primary_key=True)
    request: str = _text(index=True)
    connector: str = _text()
    verb: str = _text()
    state: str = _text()
    epoch: int = _whole()
    updated_at: datetime = _instant()
    receipt: str = _text()
    mac: bytes = _binary()


class SecretRow(SQLModel, table=True):
    """A secret on its way to one person: AES-GCM, bound to key and person, gone when shown or lapsed."""

    __tablename__ = "secrets"
    key: str = _text(primary_key=True)
    request: str = _text(index=True)
    person: str = _text()
    sealed: bytes = _binary()
    made_at: datetime = _instant()


class PlaybookRow(SQLModel, table=True):
    """Every version of a playbook that a request was ever pinned to, by the hash of its content."""

    __tablename__ = "playbooks"
    hash: str = _text(primary_key=True)
    name: str = _text()
    version: int = _whole()
    content: str = _text()


class BindingRow(SQLModel, table=True):
    """One chat account that belongs to one person, because that person proved it on a registered device."""

    __tablename__ = "bindings"
    id: str = _text(primary_key=True)  # platform ‖ "/" ‖ workspace ‖ "/" ‖ account
    person: str = _text(index=True)
    platform: str = _text()
    workspace: str = _text()
    account: str = _text()
    request: str = _text()
    bound_at: datetime = _instant()
    unbound_at: datetime | None = _instant(nullable=True)
    mac: bytes = _binary()


class RecoveryCodesRow(SQLModel, table=True):
    """A person's recovery codes as salted hashes: one set a person, replaced as a whole."""

    __tablename__ = "recovery_codes"
    person: str = _text(primary_key=True)
    request: str = _text()
    salt: str = _text()
    codes: str = _text()
    made_at: datetime = _instant()
    mac: bytes = _binary()


class StandingRow(SQLModel, table=True):
    """What is counted about a person, and whether they are frozen: `state` is the whole of it."""

    __tablename__ = "standings"
    person: str = _text(primary_key=True)
    state: str = _text()
    frozen_until: datetime | None = _instant(nullable=True)
    mac: bytes = _binary()


class DeliveryRow(SQLModel, table=True):
    """What a chat platform delivered: on the disk before it is acknowledged, done in the commit that decides it.

    `key` is the platform's own event id, or the hash of the bytes: the same thing twice is one row. `body` is
    sealed (AES-GCM) and emptied when it is done; the row stays for as long as the platform may repeat itself.
    """

    __tablename__ = "deliveries"
    __table_args__ = (_index_of_some("deliveries_open", "open_since"),)
    key: str = _text(primary_key=True)
    received_at: datetime = _instant(index=True)
    open_since: datetime | None = _instant(nullable=True)  # None once it is done
    body: bytes = _binary()


class PostedRow(SQLModel, table=True):
    """Where a request's card stands in a chat, so that the same message is updated as the request goes on.

    `person` is empty for a room. `drawn` is the version of the request that the message shows. It carries no
    authority: whoever changes it only moves a card.
    """

    __tablename__ = "posted"
    __table_args__ = (_index_of_some("posted_open", "open_request"),)
    id: str = _text(primary_key=True)  # request ‖ "/" ‖ platform ‖ "/" ‖ workspace ‖ "/" ‖ conversation
    request: str = _text(index=True)
    open_request: str | None = _text(nullable=True)  # the request's name until its closed state is shown
    person: str = _text()
    platform: str = _text()
    workspace: str = _text()
    conversation: str = _text()
    message: str = _text()
    drawn: int = _whole()


class ConversationRow(SQLModel, table=True):
    """Where one chat account can be written to, on a platform that has to be told: sealed, since cards go there."""

    __tablename__ = "conversations"
    id: str = _text(primary_key=True)  # platform ‖ "/" ‖ workspace ‖ "/" ‖ account
    platform: str = _text()
    workspace: str = _text()
    account: str = _text()
    conversation: str = _text(index=True)
    service: str = _text()
    seen_at: datetime = _instant()
    mac: bytes = _binary()


class SubscriptionRow(SQLModel, table=True):
    """Where one registered device can be notified, as its browser said: sealed, since notifications go there."""

    __tablename__ = "subscriptions"
    device: str = _text(primary_key=True)
    person: str = _text(index=True)
    endpoint: str = _text(index=True)
    p256dh: str = _text()
    auth: str = _text()
    made_at: datetime = _instant()
    mac: bytes = _binary()


class InstallationRow(SQLModel, table=True):
    """Whose database this is: production or demo. Its seal tells whether the key in use belongs to it."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"), _one_of("kind", ["production", "demo"]))
    id: int = _whole(primary_key=True, autoincrement=False)
    kind: str = _text()
    created_at: datetime = _instant()
    mac: bytes = _binary()


def table(row: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a row class."""
    found: Table = row.__table__  # type: ignore[attr-defined]
    return found


#: Columns of a row that never change once it is written: an update leaves them, and their indexes, alone.
FIXED: dict[str, frozenset[str]] = {
    "requests": frozenset({"id", "playbook", "requester", "subject", "prover", "opened_at"}),
    "operations": frozenset({"key", "request", "connector", "verb"}),
}


def _all_but_mac(row: type[SQLModel]) -> tuple[str, ...]:
    return tuple(column.name for column in table(row).columns if column.name != "mac")


#: Which columns of which table the seal covers. Everything that carries authority is here.
SEALED: dict[str, tuple[str, ...]] = {
    str(row.__tablename__): _all_but_mac(row)
    for row in (
        RequestRow,
        VerificationRow,
        DeviceRow,
        AuthenticatorRow,
        InvitationRow,
        TreeHeadRow,
        OperationRow,
        BindingRow,
        StandingRow,
        RecoveryCodesRow,
        ConversationRow,
        SubscriptionRow,
        InstallationRow,
    )
} | {"outbox": ("key", "request", "kind", "body")}

#: Sealed columns that came later, and what a row from before has in them. The seal leaves them out while they hold
#: that, so such a row keeps the seal it has; anything else in them is covered like the rest.
LATER: dict[str, dict[str, Any]] = {
    "devices": {"key": ""},
    "authenticators": {"synced": None, "name": ""},
}
