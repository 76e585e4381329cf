"""What an onlooker of random lives knows: who holds which browser, what each link was for, who stands for whom.

Their account is in their own words. Before each act they say whether it may come about, and the core has to agree;
neither reads the other's values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from flows.model import Asker, Assurance, Method, Party, SecretKind
from tests.flows.stories import ENROLMENT, PEOPLE, RESET, a_playbook, agreed_by

PASSKEY, CODE = Method.PASSKEY, Method.CODE
PERSONS = sorted(PEOPLE)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OURS: dict[str, Any] = {"connector": "countersign", "tier": 2}
BY_ADMINISTRATORS: dict[str, Any] = {
    "askers": frozenset({Asker.ADMINISTRATOR}),
    "prover": Party.REQUESTER,
    "assurance": Assurance.PHISHING_RESISTANT,
    "proof_lasts": timedelta(hours=25),
}
SELF = frozenset({Asker.SELF})
ADD = a_playbook("add_device", **OURS, askers=SELF)
CODES = a_playbook("recovery_codes", **OURS, askers=SELF, secret=SecretKind.RECOVERY_CODES)
REMOVE = a_playbook("device_revocation", **OURS, askers=SELF, prover=Party.REQUESTER, protects=True)
RECALL = a_playbook(
    "device_recall",
    **OURS | BY_ADMINISTRATORS,
    protects=True,
    consent=agreed_by(1, ("manager", "role:administrator"), DAY),
)
ONE = a_playbook("passkey_revocation", **OURS, askers=SELF, prover=Party.REQUESTER, protects=True)
RECALL_ONE = replace(RECALL, name="passkey_recall")
SECOND = a_playbook(
    "second_device",
    **OURS | BY_ADMINISTRATORS | {"tier": 3},
    consent=agreed_by(1, ("role:administrator",), DAY),
)
ACCESS = a_playbook("group_access", tier=2)
DISABLE = a_playbook("disable", **BY_ADMINISTRATORS | {"tier": 3})


@dataclass(frozen=True)
class Demand:
    """What the model knows that a playbook takes, in its own words."""

    own: bool = True  # asked by the person it is about, and by nobody else; otherwise by an administrator
    strongest: bool = True  # with a passkey by everyone who has one
    passkey: bool = False  # with a passkey by everyone
    settled: bool = False  # not with what is new
    consent: frozenset[str] | None = None  # whose: manager, administrator
    urgent: bool = False  # also while people rest


ADMINISTRATORS = frozenset({"administrator"})
OTHERS = frozenset({"administrator", "manager"})
DEMANDS = {
    RESET.name: Demand(strongest=False),
    ADD.name: Demand(),
    CODES.name: Demand(settled=True),
    REMOVE.name: Demand(urgent=True),
    ACCESS.name: Demand(settled=True),
    ONE.name: Demand(urgent=True),
    RECALL_ONE.name: Demand(own=False, passkey=True, settled=True, consent=OTHERS, urgent=True),
    RECALL.name: Demand(own=False, passkey=True, settled=True, consent=OTHERS, urgent=True),
    SECOND.name: Demand(own=False, passkey=True, settled=True, consent=ADMINISTRATORS),
    ENROLMENT.name: Demand(own=False, passkey=True, settled=True, consent=OTHERS),
    DISABLE.name: Demand(own=False, passkey=True, settled=True),
}
#: Resets may be asked for others, too; here everybody asks for themself.
MAY = {"nina": ADMINISTRATORS, "sam": ADMINISTRATORS}
BOSS = {person.id: person.manager for person in PEOPLE.values()}


@dataclass
class Kept:
    """A device as the model remembers it: whose it is, under which cookie it answers, what is on it and what was."""

    person: str
    cookie: str
    since: datetime
    keys: dict[str, Method] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    gone: bool = False

    @property
    def counting(self) -> dict[str, Method]:
        """What can be proved with on it now."""
        return {id: how for id, how in self.keys.items() if id not in self.lost and not self.gone}


@dataclass
class Link:
    """A link as the model remembers it. `stands_for`: somebody else vouches for what it binds."""

    person: str
    first: bool
    until: datetime
    stands_for: bool
    cookie: str | None = None
    used: datetime | None = None


@dataclass
class Model:
    """What happened, as an onlooker would tell it."""

    devices: dict[str, Kept] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    codes: dict[str, set[str]] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    resting: dict[str, datetime] = field(default_factory=dict)
    vouched: dict[str, datetime] = field(default_factory=dict)
    recovered: dict[str, list[datetime]] = field(default_factory=dict)

    def ever(self, person: str) -> list[Kept]:
        return [kept for kept in self.devices.values() if kept.person == person]

    def keys(self, person: str) -> dict[str, Method]:
        """What somebody can prove with now."""
        return {id: how for kept in self.ever(person) for id, how in kept.counting.items()}

    def new(self, person: str, now: datetime) -> bool:
        """Within three days of a first device, or of a recovery code: unless others stood for them since."""
        ever, stood = self.ever(person), self.vouched.get(person)
        first = [min(kept.since for kept in ever)] if ever and stood is None else []
        back = [at for at in self.recovered.get(person, []) if stood is None or at >= stood]
        return any(now < at + timedelta(hours=72) for at in (*first, *back))

    def rests(self, person: str, now: datetime) -> bool:
        return now < self.resting.get(person, now)

    def good(self, person: str, key: str, demand: Demand) -> bool:
        """Whether this key proves it is this person, strongly enough."""
        mine = self.keys(person)
        if key not in mine:
            return False
        weak = demand.passkey or (demand.strongest and PASSKEY in mine.values())
        return mine[key] is PASSKEY or not weak

    def allows(
        self, name: str, asker: str, subject: str, key: str, ally: tuple[str, str], now: datetime
    ) -> bool:
        """Whether this comes about: asked by one, proved with a key, agreed to by an ally with theirs."""
        demand = DEMANDS[name]
        if demand.own != (asker == subject) and (demand.own or asker not in MAY):
            return False
        if not demand.own and asker not in MAY:
            return False
        if self.rests(asker, now):
            return False
        if self.rests(subject, now) and not demand.urgent:
            return False
        if demand.settled and self.new(asker, now):
            return False
        if not self.good(asker, key, demand):
            return False
        if demand.consent is None:
            return True
        other, with_key = ally
        entitled = (other in MAY and "administrator" in demand.consent) or (
            "manager" in demand.consent and BOSS[subject] == other
        )
        return (
            entitled
            and other not in (asker, subject)
            and not self.rests(other, now)
            and not self.new(other, now)
            and self.good(other, with_key, Demand(passkey=True))
        )


# -- who lost everything ----------------------------------------------------------------------------

DESK, SECURITY = "ravi", "vera"
GUARDED = frozenset({"nina", "sam", SECURITY})  # for whom nothing is hurried, and who may always object
PATIENCE, MINUTE = 4 * HOUR, timedelta(minutes=1)


@dataclass
class Plea:
    """Somebody asks that another be enrolled anew, as an onlooker remembers it."""

    asker: str
    subject: str
    proved: datetime
    agreed: str | None = None
    agreed_at: datetime | None = None
    ends: datetime | None = None
    hurried: bool = False
    objected: bool = False
    over: bool = False  # expired, or stopped
    ordered: bool = False
    done: bool = False
    misses: dict[str, int] = field(default_factory=dict)

    @property
    def spoken_for(self) -> set[str]:
        """Who gave their passkey for it."""
        return {self.asker} | ({self.agreed} if self.agreed else set())

    @property
    def waits(self) -> bool:
        """Whether it stands where others can object."""
        return self.ends is not None and not (self.over or self.ordered)


def may_plead(asker: str, subject: str) -> bool:
    """A manager, an administrator, the desk; as long as somebody is left who could agree."""
    asks = asker in MAY or asker == DESK or BOSS[subject] == asker
    return asks and bool(allies_of(asker, subject))


def allies_of(asker: str, subject: str) -> set[str]:
    """Who has to agree: the manager, or where the manager asks, an administrator."""
    boss = BOSS[subject]
    wanted = set(MAY) if boss == asker else {boss} if boss else set()
    return wanted - {asker, subject}


def quiet_until(agreed: datetime) -> datetime:
    """A day later, and four hours of somebody at work: counted minute by minute."""
    at, left = agreed, PATIENCE
    while left:
        if at.weekday() < 5 and 9 <= at.hour < 17:
            left -= MINUTE
        at += MINUTE
    return max(at, agreed + DAY)
