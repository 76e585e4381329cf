"""What a request is made of: frozen values that cannot be built wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import total_ordering
from typing import Any, Self

from flows.ruling import Ruling


class Stage(StrEnum):
    """Where a request stands, named by who has the next move. Stored names are for ever."""

    AWAITING_PROOF = "awaiting_proof"  # the prover: confirm on a registered device
    AWAITING_APPROVAL = "awaiting_approval"  # the approvers: consent
    AWAITING_OBJECTION = "awaiting_objection"  # whoever was told: object; else the clock goes on
    AWAITING_PASSWORD = "awaiting_password"  # noqa: S105  the prover: choose a new password
    AWAITING_FULFILMENT = "awaiting_fulfilment"  # the worker: make the change
    AWAITING_COLLECTION = "awaiting_collection"  # the prover: see the secret once
    AWAITING_OPERATOR = "awaiting_operator"  # a named role: settle what could not be confirmed
    FULFILLED = "fulfilled"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISOWNED = "disowned"
    LOCKED = "locked"
    FAILED = "failed"
    OBSERVED = "observed"

    @property
    def closed(self) -> bool:
        """True when nobody has a next move: closed stages absorb (S5)."""
        return self not in _OPEN


_OPEN = frozenset(stage for stage in Stage if stage.startswith("awaiting_"))


@total_ordering
class Assurance(StrEnum):
    """How sure a proof makes us, in the order of NIST SP 800-63B-4's authenticator assurance levels."""

    NONE = "none"
    SINGLE_FACTOR = "single_factor"
    MULTI_FACTOR = "multi_factor"
    PHISHING_RESISTANT = "phishing_resistant"

    @property
    def rank(self) -> int:
        """0 for NONE up to 3 for PHISHING_RESISTANT."""
        return list(Assurance).index(self)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Assurance):
            return NotImplemented
        return self.rank < other.rank

    # str brings its own alphabetical comparisons, which total_ordering would leave in place.
    def __le__(self, other: object) -> bool:
        return isinstance(other, Assurance) and self.rank <= other.rank

    def __gt__(self, other: object) -> bool:
        return isinstance(other, Assurance) and self.rank > other.rank

    def __ge__(self, other: object) -> bool:
        return isinstance(other, Assurance) and self.rank >= other.rank


#: The least assurance of each tier, 0 (no change of authority) to 3 (privileged).
LEAST = (
    Assurance.SINGLE_FACTOR,
    Assurance.MULTI_FACTOR,
    Assurance.MULTI_FACTOR,
    Assurance.PHISHING_RESISTANT,
)


class Method(StrEnum):
    """A way to prove oneself on a registered device."""

    PASSKEY = "passkey"
    CODE = "code"  # the six-digit number shown where they asked, plus the sign-in app's code

    @property
    def assurance(self) -> Assurance:
        """The most this method can give."""
        return Assurance.PHISHING_RESISTANT if self is Method.PASSKEY else Assurance.MULTI_FACTOR


class Party(StrEnum):
    """The two people every request has: who asks and whom it is about."""

    REQUESTER = "requester"
    SUBJECT = "subject"


class Asker(StrEnum):
    """Who may ask for somebody, as a playbook says it."""

    SELF = "self"
    MANAGER = "manager"
    ADMINISTRATOR = "administrator"
    DESK_AGENT = "desk_agent"
    SECURITY = "security"


class SecretKind(StrEnum):
    """The secret that goes with a change: one handed over at its end, shown once, or one chosen before it.

    Either is on the device page only, and sealed until it is used.
    """

    NONE = "none"
    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105  a kind, not a password
    ENROLMENT_LINK = "enrolment_link"
    RECOVERY_CODES = "recovery_codes"
    ENROLMENT_PASS = "enrolment_pass"  # noqa: S105  a kind, not a password
    CHOSEN_PASSWORD = "chosen_password"  # noqa: S105  a kind, not a password

    @property
    def shown(self) -> bool:
        """True when it is handed over at the end."""
        return self not in (SecretKind.NONE, SecretKind.CHOSEN_PASSWORD)


class Mode(StrEnum):
    """How far a playbook is phased in for somebody."""

    OBSERVE = (
        "observe"  # nobody is asked for anything and nothing is changed: what would have been is recorded
    )
    OFFER = "offer"  # it works, and the old way still does
    REQUIRE = "require"  # it is the way


class Changing:
    """A frozen value that makes others like itself. `dataclasses.replace` calls `__init__` with every field: for a
    request that was a fifth of what a whole decision costs, and every event makes one."""

    def but(self, changes: Mapping[str, Any]) -> Self:
        """This value with some fields changed. TypeError for a field it hasn't got."""
        if not changes.keys() <= self.__dict__.keys():
            lacking = ", ".join(changes.keys() - self.__dict__.keys())
            raise TypeError(f"{type(self).__name__} has no {lacking}")
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__.update(changes)
        return made


@dataclass(frozen=True, slots=True)
class Person:
    """Someone the directory knows. `id` never changes; `account` is their name in the system of record.

    `aliases` are other names of the same account; `privileged`: one of the directory's own administrators; `groups`
    those they are in, by the name people know them by; `since`: when the account was made, None where nobody knows.
    """

    id: str
    name: str
    account: str
    active: bool = True
    manager: str | None = None
    timezone: str = "UTC"
    email: str | None = None
    roles: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    privileged: bool = False
    groups: frozenset[str] = frozenset()
    since: datetime | None = None


DEVICE_PAGE = "device page"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request was asked: chat platforms tell a bot no network address, so there is none here.

    On a device page `platform` is DEVICE_PAGE and `account` the device's id.
    """

    platform: str
    workspace: str
    account: str
    channel: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a playbook's form. Free text is always committed to, never copied into evidence.

    A `reference` is an id picked from a list that the program makes, such as one of a person's devices.
    """

    name: str
    label: str
    help: str = ""
    required: bool = True
    max_length: int = 500
    choices: tuple[str, ...] = ()
    personal: bool = False
    reference: bool = False

    @property
    def committed(self) -> bool:
        """True when the answer enters the digest as a salted commitment and can be erased later."""
        return self.personal or not (self.choices or self.reference)


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """Some of those whose consent it takes: `quorum` distinct people out of those `approvers` selects.

    `approvers` holds `manager` or `manager_of_manager` (of the subject), `owner` (of the group that the form names),
    `group:NAME`, `role:NAME`, `person:ID` or `on_call:SCHEDULE`.
    `otherwise` selects more people, for where too few of the first are there who may.
    """

    quorum: int
    approvers: tuple[str, ...]
    otherwise: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.quorum < 1:
            raise ValueError("a quorum is at least 1")
        if not self.approvers:
            raise ValueError("an approval rule names who may approve")


@dataclass(frozen=True, slots=True)
class ConsentStep:
    """Everybody who is asked at once: each rule has its quorum, all of them are needed, and nobody counts twice."""

    rules: tuple[ApprovalRule, ...]
    within: timedelta = timedelta(days=2)

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("a step of consent asks somebody")

    @property
    def places(self) -> int:
        """How many different people have to agree."""
        return sum(rule.quorum for rule in self.rules)


#: No wait is shorter, and so much of it is working time of the person whom it is about.
LEAST_WAIT = timedelta(hours=4)
#: From Friday's evening until four working hours have passed it is nearly three days, whatever the wait is.
OVER_THE_WEEKEND = timedelta(days=3)
#: How much longer than everybody has to agree and to object a proof must hold: for the change itself.
MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ObjectionRule:
    """How long those who were told can stop a change that everybody agreed to, and who may shorten that.

    `hurried_by` holds `role:NAME` or `person:ID`; empty when nobody may.
    """

    wait: timedelta = timedelta(days=1)
    hurried_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.wait < LEAST_WAIT:
            raise ValueError("whoever is told has at least 4 hours to object")
        if any(not selector.startswith(("role:", "person:")) for selector in self.hurried_by):
            raise ValueError("a wait is shortened by a role or a person, never by the manager again")

    @property
    def longest(self) -> timedelta:
        """The longest that this wait can take, weekends included."""
        return max(self.wait, OVER_THE_WEEKEND)


@dataclass(frozen=True, slots=True)
class Phase:
    """In which mode a playbook stands for whom: `group:NAME`, `role:NAME`, `person:ID` or `everyone`."""

    people: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Playbook:
    """A request type as data. Loaded from one YAML file; `hash` is SHA-256 of its canonical content."""

    name: str
    version: int
    hash: str
    title: str
    phrase: str
    connector: str
    verb: str
    tier: int
    askers: frozenset[Asker]
    prover: Party
    assurance: Assurance
    prove_within: timedelta
    proof_lasts: timedelta
    handed_to: str
    fields: tuple[Field, ...] = ()
    justification: bool = False
    consent: tuple[ConsentStep, ...] = ()  # one after the other
    objection: ObjectionRule | None = (
        None  # whoever is told can stop it for a while; takes the manager's passkey
    )
    raised: ConsentStep | None = None  # whose consent it takes once a rule raised the tier
    secret: SecretKind = SecretKind.NONE
    collect_within: timedelta = timedelta(minutes=15)
    protects: bool = False  # it takes power away or gives it back, so a freeze doesn't stop it
    device_bound: bool = False  # the proof takes a passkey that stays on one device
    guidance: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()  # what people might write when they want this
    modes: tuple[Phase, ...] = ()  # the first that fits the subject counts; `require` where none does

    def __post_init__(self) -> None:
        if self.tier not in (0, 1, 2, 3):
            raise ValueError("a tier is 0, 1, 2 or 3")
        least = LEAST[self.tier]
        if self.assurance < least:
            raise ValueError(f"tier {self.tier} needs {least} or stronger, not {self.assurance}")
        if self.device_bound and self.assurance < Assurance.PHISHING_RESISTANT:
            raise ValueError(f"only a passkey stays on one device, so {self.assurance} is too little")
        if self.secret is SecretKind.CHOSEN_PASSWORD and self.prover is not Party.SUBJECT:
            raise ValueError("a password is chosen by the person whose account it opens")
        if not timedelta(0) < self.prove_within <= timedelta(minutes=10):
            raise ValueError("a challenge lives at most 10 minutes (SP 800-63B-4 section 3.1.3.2)")
        if not self.observable and any(phase.mode is Mode.OBSERVE for phase in self.modes):
            raise ValueError(
                "there is no other way to what protects people, and to devices, so it is never observed"
            )
        if self.objection is not None:
            self._objectionable(self.objection)

    def _objectionable(self, rule: ObjectionRule) -> None:
        """A wait for objections comes after the manager's consent, and the proof has to outlast both."""
        if not any("manager" in rule.approvers for step in self.consent for rule in step.rules):
            raise ValueError("a wait for objections comes after the manager's consent")
        if len(self.consent) > 1 or len(self.consent[0].rules) > 1:
            raise ValueError("before a wait for objections everybody is asked at once, as one group")
        if self.raised is not None:
            raise ValueError("before a wait for objections the same people are asked from every tier on")
        if self.assurance < Assurance.PHISHING_RESISTANT:
            raise ValueError("where somebody can object, whoever asks confirms with a passkey")
        if self.secret is SecretKind.CHOSEN_PASSWORD:
            raise ValueError("a password is chosen at once, so nothing can wait for objections")
        if self.proof_lasts < self.consent[0].within + rule.longest + MARGIN:
            raise ValueError("the proof ends before everybody has had their time to agree and to object")

    @property
    def places(self) -> int:
        """How many different people have to agree in all."""
        return sum(step.places for step in self.consent)

    @property
    def selectors(self) -> frozenset[str]:
        """Everything by which this playbook names people who may agree, or may shorten a wait."""
        steps = self.consent if self.raised is None else (*self.consent, self.raised)
        rules = [rule for step in steps for rule in step.rules]
        hurried_by = self.objection.hurried_by if self.objection else ()
        return frozenset(hurried_by).union(*(rule.approvers + rule.otherwise for rule in rules))

    @property
    def observable(self) -> bool:
        """True when there is another way while this is only observed: to our devices and freezes there is none."""
        return self.connector != "countersign" and not self.protects

    @property
    def open_to_young(self) -> bool:
        """True when a first device serves for this at once: tier 0 and 1, and what is about one's own registration.

        Another device of one's own inherits the wait, so it gives nothing that the first one doesn't have.
        """
        own = self.connector == "countersign" and self.askers == frozenset({Asker.SELF})
        return self.tier < 2 or (own and self.secret is not SecretKind.RECOVERY_CODES)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One prompt bound to one request and one person: unused, unexpired, answered by one method."""

    person: str
    method: Method
    nonce: str  # 32 random bytes, hex
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """A verifier's yes: which challenge was answered, how, on which device.

    `device_bound`: it was answered by a passkey that stays on the device it was made on.
    """

    method: Method
    nonce: str
    digest: str
    assurance: Assurance
    device: str
    authenticator: str
    device_bound: bool = False


class Wrong(StrEnum):
    """A verifier's no: what didn't match. Each has its own limit per request."""

    NUMBER = "number"
    CODE = "code"
    PASSKEY = "passkey"


#: Wrong answers that may be guesses. A passkey's is none: a signature can't be guessed.
GUESSES = frozenset({Wrong.NUMBER, Wrong.CODE})


class Cause(StrEnum):
    """Why a system's no lasts, as far as it helps the person who is told of it."""

    OTHER = "other"
    RIGHT = "right"
    ACCOUNT = "account"
    POLICY = "policy"


#: Wrong answers of one person on one request before it closes. SP 800-63B-4 section 3.2.2 would allow 100.
LIMITS: Mapping[Wrong, int] = {Wrong.NUMBER: 3, Wrong.CODE: 5, Wrong.PASSKEY: 5}


@dataclass(frozen=True, slots=True)
class Verification:
    """The fact that a challenge was met, as the request remembers it. The evidence stands in its own row."""

    person: str
    method: Method
    assurance: Assurance
    nonce: str
    device: str
    at: datetime
    until: datetime
    step: int = 0  # of a consent: which step asked for it


@dataclass(frozen=True, slots=True)
class Receipt:
    """A connector's evidence that the change happened: its own reference and what was read back."""

    reference: str
    observed: str


@dataclass(frozen=True)
class Request(Changing):
    """One ask by one person about one subject: the aggregate every event belongs to."""

    id: str
    playbook: str
    playbook_version: int
    playbook_hash: str
    connector: str
    verb: str
    requester: str
    subject: str
    prover: str
    origin: Origin
    parameters: Mapping[str, str]
    commitments: Mapping[str, str]
    stage: Stage
    version: int
    opened_at: datetime
    due_at: datetime | None
    challenges: tuple[Challenge, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    verification: Verification | None = None
    approvals: tuple[Verification, ...] = ()
    step: int = 0  # which step of its consent is asked, from 0
    receipt: Receipt | None = None
    reason: str = ""
    cause: Cause = Cause.OTHER
    closed_at: datetime | None = None
    mode: Mode = Mode.REQUIRE
    tier: int | None = None  # from which on it is carried; None for what is older than the rules

    @property
    def key(self) -> str:
        """The effect key of this request's one change: unique in the ledger for ever (S3)."""
        return f"{self.id}:carry_out"

    def challenge(self, person: str, method: Method) -> Challenge | None:
        """The unused challenge of this person and method, or None."""
        return next((c for c in self.challenges if c.person == person and c.method == method), None)


@dataclass(frozen=True)
class Facts(Changing):
    """What the shell looked up before deciding. Anything it could not find out is None or empty: a no."""

    now: datetime
    playbook: Playbook | None = None
    requester: Person | None = None
    subject: Person | None = None
    methods: frozenset[Method] = frozenset()  # what the prover has registered and may use now
    device_bound: bool = False  # one of the prover's passkeys stays on the device it was made on
    young_until: datetime | None = None  # when the devices of whoever proves or consents stop being new
    selected: Mapping[str, frozenset[str]] = field(
        default_factory=dict
    )  # ids of active people by selector, now
    open_twin: str | None = None  # name of an open request for the same change
    nonce: str = ""  # 32 fresh random bytes, hex
    actor: Person | None = None  # whoever gave the command, as the directory says just now
    unfrozen: frozenset[str] = frozenset()  # ids of the people concerned who aren't frozen now
    codes_count: bool = False  # the prover's numbers and codes: not after too many wrong ones
    may_prompt: bool = False  # the requester may ask the prover to confirm something more
    may_ask_others: frozenset[str] = (
        frozenset()
    )  # what the requester hasn't asked too often: approvers, others
    waiting: str | None = None  # another request that waits for the prover; empty when none does
    ruling: Ruling | None = None  # what the company's rules say about this very act
