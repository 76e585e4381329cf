"""Microsoft's Active Directory, and Samba's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from handlers.ldap.accounts import Accounts, State, moment
from handlers.ldap.config import LdapDirectory
from handlers.ldap.session import Changes, Entry, equals, replaced, swapped

DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE, of userAccountControl
LOCKED = 0x10  # UF_LOCKOUT, of msDS-User-Account-Control-Computed
MUST_CHANGE = "data 773"  # ERROR_PASSWORD_MUST_CHANGE: the password is right, and has to be changed


class ActiveDirectory:
    """Passwords, locks and flags as Active Directory keeps them ([MS-ADTS] §3.1.1.3)."""

    person = "(&(objectCategory=person)(objectClass=user))"
    group = "(objectClass=group)"
    attributes = (
        "objectGUID",
        "sAMAccountName",
        "userPrincipalName",
        "displayName",
        "userAccountControl",
        "msDS-User-Account-Control-Computed",
        "pwdLastSet",
        "whenChanged",
        "adminCount",
    )

    def whose(self, id: str) -> str:
        """By objectGUID, which outlasts every renaming."""
        try:
            return equals("objectGUID", uuid.UUID(id).bytes_le)
        except ValueError:
            return equals("objectGUID", id)  # which is nobody's

    def state(self, entry: Entry) -> State:
        """`whenChanged` is the earliest that can be told: pwdLastSet is 0 while the password has to be changed."""
        return State(
            locked=bool(_flags(entry, "msDS-User-Account-Control-Computed") & LOCKED),
            disabled=bool(_flags(entry, "userAccountControl") & DISABLED),
            must_change=entry.one("pwdLastSet") == "0",
            changed_at=moment(entry.one("whenChanged")),
        )

    def untouchable(self, entry: Entry) -> str:
        """Members of the protected groups carry adminCount: they are out of every delegation's reach."""
        if _flags(entry, "adminCount"):
            return "This account is one of the directory's administrators. It is changed by hand, by another of them."
        return ""

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        """A reset opens a locked account, too."""
        match verb:
            case "reset_password":
                quoted = f'"{secret}"'.encode("utf-16-le")
                return replaced(unicodePwd=(quoted,), pwdLastSet=(b"0",), lockoutTime=(b"0",))
            case "unlock":
                return replaced(lockoutTime=(b"0",))
            case _:
                before = _flags(entry, "userAccountControl")
                after = before | DISABLED if verb == "disable" else before & ~DISABLED
                return swapped("userAccountControl", str(before), str(after))

    def login(self, entry: Entry) -> str:
        """Its user principal name; its DN where it has none."""
        return entry.one("userPrincipalName") or entry.dn

    def right(self, accepted: bool, said: str) -> bool:
        """Nobody signs in with a password that has to be changed, but they are told that it is right."""
        return accepted or MUST_CHANGE in said


def _flags(entry: Entry, name: str) -> int:
    value = entry.one(name)
    return int(value) if value.lstrip("-").isdecimal() else 0


def connect(entry: Mapping[str, object]) -> Accounts:
    """The connector of the kind `active_directory`. Raises pydantic's ValidationError."""
    return Accounts(LdapDirectory.model_validate(entry), ActiveDirectory())
