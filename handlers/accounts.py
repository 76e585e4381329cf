"""Whose chat account is whose: connected and disconnected by request, sealed and on record, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import bindparam, select

import flows.errors as no
from flows import accounts
from flows.accounts import Account, AccountConnected, AccountDisconnected, Binding, Change
from flows.events import Refused
from handlers.ports import Rejected
from storage import codec
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store

_BINDINGS, _EVENTS = TABLES["bindings"], TABLES["audit_events"]
_binding = select(_BINDINGS).where(_BINDINGS.c.id == bindparam("id"))
_of = select(_BINDINGS).where(_BINDINGS.c.person == bindparam("person")).order_by(_BINDINGS.c.bound_at)
_told = (
    select(_EVENTS.c.type, _EVENTS.c.body)
    .where(
        _EVENTS.c.person == bindparam("person"),
        (_EVENTS.c.type == AccountConnected.__name__) | (_EVENTS.c.type == AccountDisconnected.__name__),
    )
    .order_by(_EVENTS.c.seq)
)


class Accounts:
    """Bindings over the store. Also the `Bindings` port of our own connector."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- reading ----------------------------------------------------------------------------

    async def owner(self, account: Account) -> str | None:
        """The person this account belongs to now, or None."""
        found = await self._live(await self._store.fetch(_binding, id=account.name))
        return found[0].person if found else None

    async def of(self, person: str, platform: str = "") -> list[Account]:
        """A person's accounts, on one platform or on all, the oldest first."""
        bindings = await self.bindings(person)
        return [each.account for each in bindings if platform in ("", each.account.platform)]

    async def bindings(self, person: str) -> list[Binding]:
        """The same, each with the request that ordered it."""
        return await self._live(await self._store.fetch(_of, person=person))

    async def _live(self, found: list[Row]) -> list[Binding]:
        """Those that count. A seal doesn't tell an old row that was put back; the log does, and it is noticed."""
        live = []
        for row in await self._store.believed("bindings", found):
            if row["unbound_at"] is not None:
                continue
            if await self._connected_last(row["person"], row["id"]):
                live.append(_read(row))
            else:
                await self._store.notice("bindings", row["id"], bytes(row["mac"]))
        return live

    async def _connected_last(self, person: str, account: str) -> bool:
        last = ""
        for event in await self._store.fetch(_told, person=person):
            if codec.said(event["body"])["account"] == account:
                last = event["type"]
        return last == AccountConnected.__name__

    # -- changing, for our own connector ------------------------------------------------------

    async def connect(self, person: str, account: str, request: str) -> bool:
        """Give an account to a person on a request's authority. False if it is theirs already. Raises Rejected."""
        named = _named(account)

        def decision(before: Binding | None, now: datetime) -> Change:
            return accounts.connect(before, named, person, request, now)

        return await self._decide("ConnectAccount", person, account, decision)

    async def disconnect(self, person: str, account: str, request: str) -> bool:
        """Take an account from a person. False if that was done already. Raises Rejected."""

        def decision(before: Binding | None, now: datetime) -> Change:
            return accounts.disconnect(before, person, request, now)

        return await self._decide("DisconnectAccount", person, account, decision)

    async def connected(self, person: str, account: str) -> bool:
        """Whether this account belongs to this person now."""
        return await self.owner(_named(account)) == person

    async def _decide(
        self,
        command: str,
        person: str,
        account: str,
        decision: Callable[[Binding | None, datetime], Change],
    ) -> bool:
        def run(book: Book) -> Outcome:
            row = book.row("bindings", account)
            change = decision(None if row is None else _read(row), book.now)
            puts = [] if change.binding is None else [("bindings", _row(change.binding))]
            return Outcome(value=bool(change.events), events=[(None, e) for e in change.events], puts=puts)

        def refused(refusal: no.Refusal, book: Book) -> Outcome:
            return Outcome(events=[(None, Refused(command, person, refusal.kind))])

        try:
            changed: bool = await self._store.write(Work(run, (Need("bindings", "id", account),), refused))
        except (no.AccountTaken, no.UnknownAccount) as refusal:
            raise Rejected(refusal.sentence) from None
        return changed


def _named(account: str) -> Account:
    platform, workspace, id = account.split("/")
    return Account(platform, workspace, id)


def _read(row: Row) -> Binding:
    account = Account(row["platform"], row["workspace"], row["account"])
    return Binding(account, row["person"], row["request"], row["bound_at"], row["unbound_at"])


def _row(binding: Binding) -> Row:
    account = binding.account
    return {
        "id": account.name,
        "person": binding.person,
        "platform": account.platform,
        "workspace": account.workspace,
        "account": account.id,
        "request": binding.request,
        "bound_at": binding.bound_at,
        "unbound_at": binding.unbound_at,
    }
