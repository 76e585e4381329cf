"""What someone asks of a request. A command may be refused; only events are facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flows.model import Cause, Checked, Method, Origin, Receipt, Wrong


@dataclass(frozen=True, slots=True)
class Submit:
    """Open a request. `commitments` are salted hashes of the free text, whose clear text stays outside."""

    id: str
    playbook: str
    requester: str
    subject: str
    origin: Origin
    parameters: Mapping[str, str] = field(default_factory=dict)
    commitments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BeginProof:
    """The actor starts to answer on a registered device: issue a fresh challenge for this method."""

    actor: str
    method: Method


@dataclass(frozen=True, slots=True)
class Prove:
    """The prover's answer, already checked by a verifier."""

    actor: str
    answer: Checked | Wrong


@dataclass(frozen=True, slots=True)
class Approve:
    """Consent by somebody else, signed on their own device."""

    actor: str
    answer: Checked | Wrong


@dataclass(frozen=True, slots=True)
class Deny:
    """A no by somebody who could have approved."""

    actor: str


@dataclass(frozen=True, slots=True)
class Object:
    """A no while everybody who was told can say it: a press is enough, because stopping is always easy."""

    actor: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """The requester or the subject no longer wants it."""

    actor: str


@dataclass(frozen=True, slots=True)
class Disown:
    """ "I didn't ask for this": close it and alarm security."""

    actor: str


@dataclass(frozen=True, slots=True)
class ReportConfirmed:
    """The worker saw the connector's evidence that the change happened."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class ReportRejected:
    """The worker knows that the change was not made and will not be: the connector or the evidence said no."""

    reason: str
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class ReportUnconfirmed:
    """The worker cannot find out whether the change happened: a person has to look."""

    reason: str


@dataclass(frozen=True, slots=True)
class ChoosePassword:
    """The prover chose the new password on the device that gave the proof. The password itself travels sealed."""

    actor: str
    device: str


@dataclass(frozen=True, slots=True)
class ShowSecret:
    """The prover collects the secret on the device that gave the proof."""

    actor: str
    device: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The role that was handed the case asks the worker to look and try once more."""

    actor: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The role that was handed the case closes it: the change was not made."""

    actor: str


@dataclass(frozen=True, slots=True)
class Stop:
    """This person said of another request that they didn't ask for it: stop what else is open for them."""

    person: str


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock looked at this request."""


Command = (
    Submit
    | BeginProof
    | Prove
    | Approve
    | Deny
    | Object
    | Cancel
    | Disown
    | ReportConfirmed
    | ReportRejected
    | ReportUnconfirmed
    | ChoosePassword
    | ShowSecret
    | Retry
    | GiveUp
    | Stop
    | Tick
)
