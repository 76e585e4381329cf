"""OpenLDAP, and any directory of RFC 4511 with the password policy of draft-behera-ldap-password-policy."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.ldap.accounts import Accounts, State, moment
from handlers.ldap.config import LdapDirectory
from handlers.ldap.session import Changes, Entry, equals, replaced

#: As the draft, §5.3.3, writes an account that only an administrator opens again.
FOR_GOOD = "000001010000Z"


class OpenLdap:
    """Locks, resets and disabled accounts as the `ppolicy` overlay keeps them."""

    person = "(objectClass=inetOrgPerson)"
    group = "(objectClass=groupOfNames)"
    attributes = ("entryUUID", "uid", "cn", "pwdChangedTime", "pwdReset", "pwdAccountLockedTime")

    def whose(self, id: str) -> str:
        """By entryUUID (RFC 4530), which outlasts every renaming."""
        return equals("entryUUID", id)

    def state(self, entry: Entry) -> State:
        """Locked: for a while, or for good, which is how an account is disabled."""
        locked = entry.one("pwdAccountLockedTime")
        return State(
            locked=bool(locked) and locked != FOR_GOOD,
            disabled=locked == FOR_GOOD,
            must_change=entry.one("pwdReset") == "TRUE",
            changed_at=moment(entry.one("pwdChangedTime")),
        )

    def untouchable(self, entry: Entry) -> str:
        """The directory's own rights say so: its administrators lie outside of the part that is served."""
        return ""

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        """A reset opens a locked account, too."""
        match verb:
            case "reset_password":
                return replaced(userPassword=(secret.encode(),), pwdReset=(b"TRUE",), pwdAccountLockedTime=())
            case "disable":
                return replaced(pwdAccountLockedTime=(FOR_GOOD.encode(),))
            case _:
                return replaced(pwdAccountLockedTime=())

    def login(self, entry: Entry) -> str:
        """Its DN."""
        return entry.dn

    def right(self, accepted: bool, said: str) -> bool:
        """Whoever has to change it may sign in until then."""
        return accepted


def connect(entry: Mapping[str, object]) -> Accounts:
    """The connector of the kind `ldap`. Raises pydantic's ValidationError."""
    return Accounts(LdapDirectory.model_validate(entry), OpenLdap())
