"""Chat accounts: which account on which platform belongs to whom, because that person proved it on a device.

An account that nobody connected is nobody's, whatever name or address it shows. A binding is a row of authority
(S10): the store seals it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import flows.errors as no


@dataclass(frozen=True, slots=True)
class Account:
    """One account on one chat platform: the platform's own lasting ids, never a name or an address."""

    platform: str
    workspace: str
    id: str

    @property
    def name(self) -> str:
        """As one word, for keys and references."""
        return f"{self.platform}/{self.workspace}/{self.id}"


@dataclass(frozen=True, slots=True)
class Binding:
    """One account that belongs to one person. `request` is the request that ordered it."""

    account: Account
    person: str
    request: str
    bound_at: datetime
    unbound_at: datetime | None = None


# -- what happened ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountConnected:
    """A chat account belongs to a person from now on; `request` says on whose authority."""

    person: str
    account: str
    request: str


@dataclass(frozen=True, slots=True)
class AccountDisconnected:
    """A chat account is nobody's any more; `request` says on whose authority."""

    person: str
    account: str
    request: str


AccountEvent = AccountConnected | AccountDisconnected


@dataclass(frozen=True, slots=True)
class Change:
    """What a command comes to: the events, and the binding as it is afterwards."""

    events: tuple[AccountEvent, ...] = ()
    binding: Binding | None = None


# -- decisions --------------------------------------------------------------------------------


def connect(before: Binding | None, account: Account, person: str, request: str, now: datetime) -> Change:
    """Nobody's so far, or this very person's already. Raises AccountTaken."""
    if before is not None and before.unbound_at is None:
        if before.person != person:
            raise no.AccountTaken
        return Change()
    connected = AccountConnected(person, account.name, request)
    return Change((connected,), Binding(account, person, request, now))


def disconnect(before: Binding | None, person: str, request: str, now: datetime) -> Change:
    """This person's, and from now on nobody's. Raises UnknownAccount."""
    if before is None or before.person != person:
        raise no.UnknownAccount
    if before.unbound_at is not None:
        return Change()
    gone = AccountDisconnected(person, before.account.name, request)
    return Change((gone,), replace(before, unbound_at=now))
