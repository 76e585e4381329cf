"""Microsoft's Active Directory, and Samba's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from flows.model import Person
from handlers.ldap.config import LdapDirectory
from handlers.ldap.dialect import State, moment
from handlers.ldap.examine import Examined
from handlers.ldap.session import Changes, Entry, equals, removed, replaced, some, swapped

DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE, of userAccountControl
LOCKED = 0x10  # UF_LOCKOUT, of msDS-User-Account-Control-Computed
IN_CHAIN = "1.2.840.113556.1.4.1941"  # LDAP_MATCHING_RULE_IN_CHAIN ([MS-ADTS] §3.1.1.3.4.4.3)
NEVER = (0, 2**63 - 1)  # of accountExpires
EPOCH = 116_444_736_000_000_000  # 1970 in 100 ns since 1601
#: Groups that hold the domain, the forest, or its domain controllers ([MS-DTYP] §2.4.2.4), by their last number:
#: Domain, Schema and Enterprise Admins, Group Policy Creator Owners, Key Admins and Enterprise Key Admins.
HIGHEST = frozenset({512, 518, 519, 520, 526, 527})
#: Administrators, Account, Server, Print and Backup Operators, Replicator: the same in every domain.
BUILT_IN = frozenset({544, 548, 549, 550, 551, 552})
FIRST_OF_ALL = frozenset({500, 502})  # accounts: Administrator and krbtgt
OF_A_DOMAIN, OF_ALL = 21, 32  # what the numbers of a domain's own names and of the built-in ones begin with
AN_ADMINISTRATOR = (
    "This account is one of the directory's administrators. It is changed by hand, by another of them."
)
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
        "cn",
        "mail",
        "manager",
        "accountExpires",
        "userAccountControl",
        "msDS-User-Account-Control-Computed",
        "pwdLastSet",
        "whenChanged",
        "whenCreated",
        "adminCount",
        "objectSid",
        "primaryGroupID",
    )
    computed = (
        "tokenGroups",
    )  # [MS-ADTS] §3.1.1.4.5.19: every group, also through others and of other domains
    transitive = True
    owner = "managedBy"

    def lasting(self, entry: Entry) -> str:
        """The objectGUID as everybody writes it ([MS-DTYP] §2.3.4.2: its first parts are little-endian)."""
        (raw,) = entry.values.get("objectguid", (b"",))
        return str(uuid.UUID(bytes_le=raw)) if len(raw) == 16 else ""

    def whose(self, id: str) -> str:
        """By objectGUID, which outlasts every renaming."""
        try:
            return equals("objectGUID", uuid.UUID(id).bytes_le)
        except ValueError:
            return equals("objectGUID", id)  # which is nobody's

    def called(self, text: str) -> str:
        """By sAMAccountName, user principal name, displayName or cn."""
        names = ("sAMAccountName", "userPrincipalName", "displayName", "cn")
        return some(*(equals(name, text) for name in names))

    def read(self, entry: Entry, now: datetime) -> Person:
        """Whoever is neither disabled nor past accountExpires is active."""
        account, other = entry.one("sAMAccountName"), entry.one("userPrincipalName")
        return Person(
            self.lasting(entry),
            entry.one("displayName") or entry.one("cn") or account,
            account,
            active=not self.state(entry).disabled and not _expired(entry, now),
            email=entry.one("mail") or None,
            aliases=frozenset({other} if other else ()),
            since=moment(entry.one("whenCreated")),
        )

    def holding(self, dn: str) -> str:
        """Groups that it is in, also through other groups."""
        return equals(f"member:{IN_CHAIN}:", dn)

    def primary(self, entry: Entry) -> str:
        """An account's primary group has the domain's own name and this number ([MS-ADTS] §3.1.1.4.5.19)."""
        sid, number = _sid(entry), _flags(entry, "primaryGroupID")
        return equals("objectSid", sid[:-4] + number.to_bytes(4, "little")) if sid and number else ""

    def inside(self, group: Entry) -> Sequence[str]:
        """Whoever is in it, also through other groups, and whoever's primary group it is, if its number was read."""
        sid = _sid(group)
        primary = equals("primaryGroupID", str(int.from_bytes(sid[-4:], "little"))) if sid else ""
        return [some(equals(f"memberOf:{IN_CHAIN}:", group.dn), primary)]

    def state(self, entry: Entry) -> State:
        """pwdLastSet is 0 while the password has to be changed: then it was set before `whenChanged`."""
        set_at = _flags(entry, "pwdLastSet")
        changed_at = _EPOCH + timedelta(microseconds=set_at // 10) if set_at > 0 else None
        return State(
            locked=bool(_flags(entry, "msDS-User-Account-Control-Computed") & LOCKED),
            disabled=bool(_flags(entry, "userAccountControl") & DISABLED),
            must_change=entry.one("pwdLastSet") == "0",
            changed_at=changed_at or moment(entry.one("whenChanged")),
        )

    def untouchable(self, entry: Entry) -> str:
        """Members of the protected groups: marked with adminCount, which is done once an hour, or not yet."""
        own, tokens = entry.values.get("objectsid", ()), entry.values.get("tokengroups", ())
        marked = bool(_flags(entry, "adminCount")) or _flags(entry, "primaryGroupID") in HIGHEST
        return AN_ADMINISTRATOR if marked or any(_highest(each) for each in (*own, *tokens)) else ""

    administrators = some(
        "(adminCount=1)", *(equals("primaryGroupID", str(each)) for each in sorted(HIGHEST))
    )

    def highest(self, top: Entry) -> str:
        """By their security ids; those of the domain begin with its own."""
        domain = _sid(top)
        own = [_numbered(domain, each) for each in sorted(HIGHEST)] if domain else []
        built_in = [_numbered(_BUILT_IN_DOMAIN, each) for each in sorted(BUILT_IN)]
        return some(*(equals("objectSid", each) for each in (*own, *built_in)))

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        """A reset opens a locked account, too."""
        match verb:
            case "reset_password" | "set_password":
                quoted = f'"{secret}"'.encode("utf-16-le")
                now = (
                    b"0" if verb == "reset_password" else b"-1"
                )  # which is written as the time of the change
                return replaced(unicodePwd=(quoted,), pwdLastSet=(now,), lockoutTime=(b"0",))
            case "unlock":
                return replaced(lockoutTime=(b"0",))
            case _:
                before = _flags(entry, "userAccountControl")
                after = before | DISABLED if verb == "disable" else before & ~DISABLED
                return swapped("userAccountControl", str(before), str(after))

    def only_if(self, verb: str) -> str:
        """A password doesn't enable an account, and flags are swapped for what was read."""
        return ""

    def unfit(self, secret: str) -> str:
        """What is set here is always read as the password itself."""
        return ""

    hashes = ("unicodePwd", "dBCSPwd", "ntPwdHistory", "supplementalCredentials")

    def never(self, verb: str, entry: Entry) -> Sequence[Changes]:
        """A password that isn't quoted is none, and values are taken away that aren't there."""
        lock, flags = removed("lockoutTime", "1"), removed("userAccountControl", "1")
        match verb:
            case "reset_password" | "set_password":
                return [replaced(unicodePwd=(b"no",)), removed("pwdLastSet", "1"), lock]
            case "unlock":
                return [lock]
            case _:
                return [flags]

    def others(self, entry: Entry) -> Sequence[Changes]:
        """It tells them by itself."""
        return ()

    judges_moves = False
    effective = ("allowedAttributesEffective", "allowedChildClassesEffective", "sDRightsEffective")

    def writes(self, entry: Entry) -> Sequence[str]:
        """Attributes, kinds of entries that may be made in it, and its rights ([MS-ADTS] §3.1.1.4.5)."""
        made = [f"new {each} entries" for each in entry.all("allowedChildClassesEffective")]
        rights = ["its own rights"] if _flags(entry, "sDRightsEffective") else []
        return [*entry.all("allowedAttributesEffective"), *made, *rights]

    def login(self, entry: Entry) -> str:
        """Its user principal name; its DN where it has none."""
        return entry.one("userPrincipalName") or entry.dn

    def right(self, accepted: bool, said: str) -> bool:
        """Nobody signs in with a password that has to be changed, but they are told that it is right."""
        return accepted or MUST_CHANGE in said


_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)  # of pwdLastSet, which counts in 100 ns
#: S-1-5-32, as a binary security id ([MS-DTYP] §2.4.2.2).
_BUILT_IN_DOMAIN = bytes((1, 1, 0, 0, 0, 0, 0, 5)) + OF_ALL.to_bytes(4, "little")


def _sid(entry: Entry) -> bytes:
    """Its security id; empty where it has none."""
    return next(iter(entry.values.get("objectsid", ())), b"")


def _numbered(domain: bytes, number: int) -> bytes:
    """The security id with this number in a domain."""
    return bytes((domain[0], domain[1] + 1)) + domain[2:] + number.to_bytes(4, "little")


def _highest(sid: bytes) -> bool:
    """Whether it names one of the groups or accounts that hold everything, in whichever domain."""
    if len(sid) < 16 or len(sid) != 8 + 4 * sid[1]:
        return False
    first, last = (int.from_bytes(each, "little") for each in (sid[8:12], sid[-4:]))
    return (first == OF_ALL and last in BUILT_IN) or (first == OF_A_DOMAIN and last in HIGHEST | FIRST_OF_ALL)


def _expired(entry: Entry, now: datetime) -> bool:
    expires = _flags(entry, "accountExpires")
    return expires not in NEVER and (expires - EPOCH) / 10_000_000 <= now.timestamp()


def _flags(entry: Entry, name: str) -> int:
    value = entry.one(name)
    return int(value) if value.lstrip("-").isdecimal() else 0


def connect(entry: Mapping[str, object]) -> Examined:
    """The connector of the kind `active_directory`. Raises pydantic's ValidationError."""
    return Examined(LdapDirectory.model_validate(entry), ActiveDirectory())
