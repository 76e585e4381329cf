"""What a playbook's file may say. Each description is the remedy people read when that key is missing or wrong."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)
from pydantic_core import PydanticCustomError

import flows.model
from flows.model import (
    ApprovalRule,
    Asker,
    Assurance,
    ConsentStep,
    Mode,
    ObjectionRule,
    Party,
    Playbook,
    SecretKind,
)

UNITS = {"day": 86400, "hour": 3600, "minute": 60}
DURATION = re.compile(r"([1-9][0-9]{0,3}) (minute|hour|day)s?")


def duration(text: object) -> timedelta:
    """`10 minutes`, `1 hour`, `2 days`. Anything else is refused."""
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PydanticCustomError("duration", "is not a duration")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def spelled(length: timedelta) -> str:
    """The one spelling of a duration, in the largest unit that fits: `60 minutes` is `1 hour`."""
    seconds = int(length.total_seconds())
    unit = next(unit for unit, size in UNITS.items() if seconds % size == 0)
    count = seconds // UNITS[unit]
    return f"{count} {unit}{'s' if count != 1 else ''}"


def _tidy(text: str) -> str:
    if not (tidied := " ".join(text.split())):
        raise PydanticCustomError("empty", "is empty")
    return tidied


def _phrase(text: str) -> str:
    if text.count("{subject}") != 1 or set("{}") & set(text.replace("{subject}", "")):
        raise PydanticCustomError("phrase", "does not name the subject as `{subject}`, once and nothing else")
    return text


def _different(phrases: tuple[str, ...]) -> tuple[str, ...]:
    """Compared as they are read later: capitals and forms of one letter make no other phrase."""
    _distinct(tuple(unicodedata.normalize("NFKC", phrase).casefold() for phrase in phrases))
    return phrases


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(items)) < len(items):
        raise PydanticCustomError("twice", "names something twice")
    return items


def _shown(kind: SecretKind) -> SecretKind:
    if kind is SecretKind.CHOSEN_PASSWORD:
        raise PydanticCustomError("chosen", "is what a person chooses, not what they are handed")
    return kind


def sha256(content: str) -> str:
    """The hash a playbook is pinned by: SHA-256 of its content, in hex."""
    return hashlib.sha256(content.encode()).hexdigest()


Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Line = Annotated[str, Field(max_length=120), AfterValidator(_tidy)]
Example = Annotated[str, AfterValidator(_tidy), Field(max_length=80)]
Text = Annotated[str, Field(max_length=600), AfterValidator(_tidy)]
Hurrier = Annotated[str, Field(pattern=r"^(role:[a-z][a-z0-9_]{0,39}|person:\S{1,64})$")]
Phased = Annotated[
    str, Field(pattern=r"^(everyone|group:\S(.{0,98}\S)?|role:[a-z][a-z0-9_]{0,39}|person:\S{1,64})$")
]
#: Whoever is named by who they are, by what the directory says of them, or by being on call.
Approver = Annotated[
    str,
    Field(
        pattern=r"^(manager|manager_of_manager|owner|group:\S([^\r\n]{0,98}\S)?|(role|on_call):[a-z][a-z0-9_]{0,39}"
        r"|person:\S{1,64})$"
    ),
]
Duration = Annotated[timedelta, PlainValidator(duration), PlainSerializer(spelled)]


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ask(Block):
    who: Annotated[
        tuple[Asker, ...], AfterValidator(_distinct), AfterValidator(lambda w: tuple(sorted(w)))
    ] = Field(min_length=1, description="List who may ask, such as `[self, manager]`.")


class Proof(Block):
    by: Party = Field(description="Write `requester` or `subject`: whoever has to confirm it is really them.")
    assurance: Assurance = Field(
        description="Write how strong it has to be: `multi_factor` or `phishing_resistant`."
    )
    within: Duration = Field(description="Write how long they have, at most `10 minutes`.")
    lasts: Duration = Field(
        description="Write how long the proof holds, such as `1 hour`; longer than others have to agree."
    )
    device_bound: bool = Field(
        default=False,
        description="Write `true`, with `assurance: phishing_resistant`, where a synced passkey isn't enough.",
    )


class Group(Block):
    quorum: Annotated[int, Field(ge=1, le=9)] = Field(
        description="Write how many different people have to agree: 1 or more, and no more than there can be."
    )
    people: Annotated[tuple[Approver, ...], AfterValidator(_distinct)] = Field(
        alias="from",
        min_length=1,
        description="List who may agree, each once: `manager`, `manager_of_manager`, `owner`, `group:NAME`, "
        "`role:NAME`, `person:ID` or `on_call:SCHEDULE`.",
    )
    otherwise: Annotated[tuple[Approver, ...], AfterValidator(_distinct)] = Field(
        default=(),
        description="List who may agree where too few of those in `from` are there, or leave it out.",
    )

    def rule(self) -> ApprovalRule:
        return ApprovalRule(self.quorum, self.people, self.otherwise)


class Consent(Group):
    within: Duration = Field(description="Write how long they have, such as `1 day`, at most `7 days`.")


class Further(Group):
    """One more group: asked together with the one before, or after everybody before has agreed."""

    when: Literal["together", "afterwards"] = Field(
        description="Write `together` to ask them at the same time as the group before, or `afterwards`."
    )
    within: Duration | None = Field(
        default=None,
        description="Where it is `afterwards`, write how long they have, such as `1 day`, at most `7 days`.",
    )


class Objection(Block):
    wait: Duration = Field(
        default=timedelta(days=1),
        description="Write how long everybody who is told can object, from `4 hours` to `7 days`.",
    )
    hurried_by: Annotated[tuple[Hurrier, ...], AfterValidator(_distinct)] = Field(
        default=(),
        description="List who may shorten the wait: `role:NAME` or `person:ID`, each once; leave it out for nobody.",
    )


class FormField(Block):
    name: Word = Field(description="Write a short name of its own, in small letters, digits and underscores.")
    label: Line = Field(description="Write the words beside the field, up to 120 characters.")
    help: Annotated[str, Field(max_length=300)] = Field(
        default="", description="Write a sentence under the field, up to 300 characters, or leave it out."
    )
    required: bool = Field(default=True, description="Write `true` or `false`.")
    max_length: Annotated[int, Field(ge=1, le=500)] = Field(
        default=500, description="Write a number of characters from 1 to 500."
    )
    choices: Annotated[tuple[Line, ...], AfterValidator(_distinct)] = Field(
        default=(),
        description='List the answers to choose from, each once; put quotes around "yes" and "no".',
    )
    personal: bool = Field(
        default=False, description="Write `true` if the answer says something about a person."
    )
    reference: bool = Field(
        default=False,
        description="Write `true` only for an id picked from a list, without choices, not personal.",
    )


class Change(Block):
    connector: Word = Field(description="Write the name of the system that makes the change.")
    verb: Word = Field(description="Write what that system has to do.")
    hands_out: Annotated[SecretKind, AfterValidator(_shown)] = Field(
        default=SecretKind.NONE,
        description="Write `none`, `temporary_password`, `enrolment_link`, `recovery_codes` or `enrolment_pass`.",
    )
    takes: Literal["none", "chosen_password"] = Field(
        default="none",
        description="Write `chosen_password` where the person chooses the password that is set.",
    )
    collect_within: Duration = Field(
        default=timedelta(minutes=15),
        description="Where something is handed out or chosen, write how long that may take, at most `15 minutes`.",
    )

    @property
    def secret(self) -> SecretKind:
        """The secret that goes with this change."""
        return self.hands_out if self.takes == "none" else SecretKind(self.takes)


class Guidance(Block):
    requester: Text | None = Field(default=None, description="Write a sentence or two for whoever asks.")
    subject: Text | None = Field(default=None, description="Write a sentence or two for whom it is about.")
    approver: Text | None = Field(default=None, description="Write a sentence or two for whoever may agree.")
    agent: Text | None = Field(default=None, description="Write a sentence or two for the desk.")
    meanwhile: Text | None = Field(
        default=None, description="Write where people turn as before, such as `Call the desk, as before`."
    )


class Phase(Block):
    people: Phased = Field(
        alias="for",
        description="Write `group:NAME`, `role:NAME`, `person:ID` or, in the last place, `everyone`.",
    )
    mode: Mode = Field(description="Write `observe`, `offer` or `require`.")


class Page(Block):
    name: Word = Field(description="Write a lasting name in small letters, digits and underscores.")
    version: Annotated[int, Field(ge=1, le=999_999)] = Field(
        description="Write a whole number from 1; count up with every change."
    )
    title: Line = Field(description="Write what people see in lists, such as `Password reset`.")
    phrase: Annotated[Line, AfterValidator(_phrase)] = Field(
        description="Write the ask in one line, such as `Reset the password of {subject}`."
    )
    examples: Annotated[tuple[Example, ...], Field(max_length=40), AfterValidator(_different)] = Field(
        default=(),
        description="List at most 40 phrases people might write, up to 80 characters each and each once.",
    )
    tier: Annotated[int, Field(ge=0, le=3)] = Field(
        description="Write 0 (changes no access), 1 (one's own account), 2 (gives access) or 3 (privileged)."
    )
    ask: Ask = Field(description="Say below it `who` may ask.")
    proof: Proof = Field(description="Say below it `by` whom, `assurance`, `within` and `lasts`.")
    consent: Consent | None = Field(default=None, description="Say below it `quorum`, `from` and `within`.")
    further_consent: tuple[Further, ...] = Field(
        default=(),
        max_length=5,
        description="List more groups that have to agree, each with `when` and `quorum`.",
    )
    objection: Objection | None = Field(
        default=None, description="Say below it how long the `wait` is and who it is `hurried_by`."
    )
    form: tuple[FormField, ...] = Field(
        default=(), max_length=20, description="List at most 20 fields, each with a name of its own."
    )
    justification: bool = Field(default=False, description="Write `true` if people have to say why.")
    protects: bool = Field(
        default=False,
        description="Write `true` only for what takes power away or gives it back: a freeze doesn't stop it.",
    )
    change: Change = Field(description="Say below it which `connector` does what: its `verb`.")
    handed_to: Word = Field(description="Write the role that settles what could not be confirmed.")
    modes: tuple[Phase, ...] = Field(
        default=(),
        max_length=20,
        description="List at most 20 times `for` whom which `mode` counts; the first counts.",
    )
    guidance: Guidance = Field(
        default=Guidance(), description="Write texts for `requester`, `subject` and so on."
    )

    def content(self) -> str:
        """Canonical JSON. What came later is left out where it isn't used, so that a page keeps the hash it had."""
        left_out: dict[str, Any] = {} if self.examples else {"examples": True}
        if self.change.takes == "none":
            left_out["change"] = {"takes"}
        if self.consent is not None and not self.consent.otherwise:
            left_out["consent"] = {"otherwise"}
        if not self.further_consent:
            left_out["further_consent"] = True
        if self.objection is None:
            left_out["objection"] = True
        if not self.protects:
            left_out["protects"] = True
        if not self.proof.device_bound:
            left_out["proof"] = {"device_bound"}
        if not self.modes:
            left_out["modes"] = True
        if self.guidance.meanwhile is None:
            left_out["guidance"] = {"meanwhile"}
        return rfc8785.dumps(self.model_dump(mode="json", by_alias=True, exclude=left_out)).decode()

    def playbook(self, content: str) -> Playbook:
        stop = self.objection
        return Playbook(
            name=self.name,
            version=self.version,
            hash=sha256(content),
            title=self.title,
            phrase=self.phrase,
            examples=self.examples,
            connector=self.change.connector,
            verb=self.change.verb,
            tier=self.tier,
            askers=frozenset(self.ask.who),
            prover=self.proof.by,
            assurance=self.proof.assurance,
            prove_within=self.proof.within,
            proof_lasts=self.proof.lasts,
            handed_to=self.handed_to,
            fields=tuple(flows.model.Field(**field.model_dump()) for field in self.form),
            justification=self.justification,
            consent=self._steps(),
            objection=ObjectionRule(stop.wait, stop.hurried_by) if stop else None,
            protects=self.protects,
            device_bound=self.proof.device_bound,
            secret=self.change.secret,
            collect_within=self.change.collect_within,
            modes=tuple(flows.model.Phase(phase.people, phase.mode) for phase in self.modes),
            guidance={who: text for who, text in self.guidance if text},
        )

    def _steps(self) -> tuple[ConsentStep, ...]:
        if self.consent is None:
            return ()
        steps = [([self.consent.rule()], self.consent.within)]
        for group in self.further_consent:
            if group.when == "together":
                steps[-1][0].append(group.rule())
            else:
                steps.append(([group.rule()], group.within or self.consent.within))
        return tuple(ConsentStep(tuple(rules), within) for rules, within in steps)


SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "ask": Ask,
        "proof": Proof,
        "consent": Consent,
        "further_consent": Further,
        "objection": Objection,
        "form": FormField,
        "change": Change,
        "modes": Phase,
        "guidance": Guidance,
    }
)
