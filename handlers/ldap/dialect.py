"""What one kind of LDAP server spells in its own way, and the verbs that there are words for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.ldap.people import Reader
from handlers.ldap.session import Changes, Entry

OPPOSITE = {
    "add_to_group": "remove_from_group",
    "remove_from_group": "add_to_group",
    "disable": "enable",
    "enable": "disable",
}
#: A temporary password, to be changed at the next sign-in, and one that the person chose.
PASSWORDS = frozenset({"reset_password", "set_password"})
GROUPS = frozenset({"add_to_group", "remove_from_group"})
VERBS = frozenset({*PASSWORDS, "unlock", *OPPOSITE})


@dataclass(frozen=True, slots=True)
class State:
    """How an account stands. `changed_at`: its password was set then or before; None where that isn't told."""

    locked: bool
    disabled: bool
    must_change: bool
    changed_at: datetime | None


class Dialect(Reader, Protocol):
    """How one kind of server spells what is done to an account. `person` and `group` match what it is done to."""

    def state(self, entry: Entry) -> State:
        """How an account stands."""
        ...

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        """What one of PASSWORDS, `unlock`, `disable` or `enable` writes; nothing where that stands there already."""
        ...

    def only_if(self, verb: str) -> str:
        """A filter that the account still has to match when the change is made; empty for any."""
        ...

    def unfit(self, secret: str) -> str:
        """Why a password may not even be sent there; empty for most. It never holds the password."""
        ...

    def never(self, verb: str, entry: Entry) -> Sequence[Changes]:
        """For each right that a verb takes a change that can't be made, whoever asks for it."""
        ...

    def others(self, entry: Entry) -> Sequence[Changes]:
        """Changes that can't be made either, of attributes that no verb writes."""
        ...

    @property
    def judges_moves(self) -> bool:
        """Whether we may move an entry is judged before where to."""
        ...

    @property
    def effective(self) -> Sequence[str]:
        """Attributes in which the server tells what we may write; none where it doesn't."""
        ...

    def writes(self, entry: Entry) -> Sequence[str]:
        """What those say."""
        ...

    @property
    def hashes(self) -> Sequence[str]:
        """Attributes that hold what passwords are checked against."""
        ...

    def login(self, entry: Entry) -> str:
        """The name with which this account signs in."""
        ...

    def right(self, accepted: bool, said: str) -> bool:
        """Whether that answer to a sign-in means that the password is right."""
        ...


def moment(text: str) -> datetime | None:
    """A generalised time (RFC 4517 §3.3.13) in UTC; None for what isn't one."""
    digits = text.removesuffix("Z").partition(".")[0]
    try:
        return datetime.strptime(f"{digits}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        return None
