"""Chat accounts: which account on which platform belongs to whom, because that person proved it on a device.

An account that nobody connected is nobody's, whatever name or address it shows. A binding is a row of authority
(S10): the store seals it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
