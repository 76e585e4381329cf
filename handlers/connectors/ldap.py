"""OpenLDAP, and any directory of RFC 4511 with the password policy of draft-behera-ldap-password-policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from flows.model import Person
from handlers.ldap.config import LdapDirectory
from handlers.ldap.dialect import PASSWORDS, State, moment
from handlers.ldap.examine import Examined
from handlers.ldap.people import in_parts
from handlers.ldap.session import Changes, Entry, equals, removed, replaced, some

#: As the draft, §5.3.3, writes an account that only an administrator opens again.
FOR_GOOD = "000001010000Z"
#: How a stored password begins: with the name of the way in which it was hashed.
SCHEME = re.compile(r"\{[^}]*\}")
TAKEN_FOR_A_HASH = (
    "The password begins with a word in curly brackets, which the directory takes for a stored one."
)


class OpenLdap:
    """Locks, resets and disabled accounts as the `ppolicy` overlay keeps them."""

    person = "(objectClass=inetOrgPerson)"
    group = "(objectClass=groupOfNames)"
    attributes = (
        "entryUUID",
        "uid",
        "cn",
        "displayName",
        "mail",
        "manager",
        "pwdChangedTime",
        "pwdReset",
        "pwdAccountLockedTime",
        "createTimestamp",
    )
    owner = "owner"

    def lasting(self, entry: Entry) -> str:
        """entryUUID (RFC 4530)."""
        return entry.one("entryUUID")

    def whose(self, id: str) -> str:
        """By entryUUID (RFC 4530), which outlasts every renaming."""
        return equals("entryUUID", id)

    def called(self, text: str) -> str:
        """By uid, of which there may be several, cn or displayName."""
        return some(*(equals(name, text) for name in ("uid", "cn", "displayName")))

    def read(self, entry: Entry, now: datetime) -> Person:
        """Whoever isn't disabled is active."""
        account, *others = entry.all("uid") or [entry.dn]
        return Person(
            self.lasting(entry),
            entry.one("displayName") or entry.one("cn") or account,
            account,
            active=not self.state(entry).disabled,
            email=entry.one("mail") or None,
            aliases=frozenset(others),
            since=moment(entry.one("createTimestamp")),
        )

    def holding(self, dn: str) -> str:
        """Groups that list it."""
        return equals("member", dn)

    def primary(self, entry: Entry) -> str:
        """Groups list all of their members."""
        return ""

    def inside(self, group: Entry) -> Sequence[str]:
        """Those it lists; whoever is in a group among them is found by following that one."""
        return in_parts(group.all("member"))

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

    computed = ()
    transitive = False
    administrators = ""

    def highest(self, top: Entry) -> str:
        """It marks no groups."""
        return ""

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        """A reset opens a locked account, too: the policy does that by itself, and whoever asks for it is refused.

        A lock is taken away by its value, so that one which somebody else put there meanwhile stays.
        """
        match verb:
            case "reset_password" | "set_password":
                flag = b"TRUE" if verb == "reset_password" else b"FALSE"
                return replaced(userPassword=(secret.encode(),), pwdReset=(flag,))
            case "disable":
                return replaced(pwdAccountLockedTime=(FOR_GOOD.encode(),))
            case _:
                locked = entry.one("pwdAccountLockedTime")
                meant = bool(locked) and (verb == "unlock" or locked == FOR_GOOD)
                return removed("pwdAccountLockedTime", locked) if meant else {}

    def only_if(self, verb: str) -> str:
        """A new password takes every lock away: one that was put there for good meanwhile has to stay."""
        return f"(!(pwdAccountLockedTime={FOR_GOOD}))" if verb in PASSWORDS else ""

    def unfit(self, secret: str) -> str:
        """Servers keep what begins so as a hash that was made elsewhere (RFC 2307 §5.3), past every rule."""
        return TAKEN_FOR_A_HASH if SCHEME.match(secret) else ""

    hashes = ("userPassword",)

    def never(self, verb: str, entry: Entry) -> Sequence[Changes]:
        """Values taken away that aren't there: a hash in clear text, a lock from 1970, the opposite of a flag."""
        if verb not in PASSWORDS:
            return [removed("pwdAccountLockedTime", "19700101000000Z")]
        flag = "FALSE" if self.state(entry).must_change else "TRUE"
        return [removed("userPassword", "no-such-password"), removed("pwdReset", flag)]

    def others(self, entry: Entry) -> Sequence[Changes]:
        """Who somebody is, is called and reports to: names that nobody has, and a manager who isn't there."""
        text = [removed(name, str(uuid4())) for name in ("uid", "cn", "mail")]
        return [*text, removed("manager", f"cn={uuid4()},{entry.dn}")]

    judges_moves = True
    effective = ()

    def writes(self, entry: Entry) -> Sequence[str]:
        """It doesn't tell."""
        return ()

    def login(self, entry: Entry) -> str:
        """Its DN."""
        return entry.dn

    def right(self, accepted: bool, said: str) -> bool:
        """Whoever has to change it may sign in until then."""
        return accepted


def connect(entry: Mapping[str, object]) -> Examined:
    """The connector of the kind `ldap`. Raises pydantic's ValidationError."""
    return Examined(LdapDirectory.model_validate(entry), OpenLdap())
