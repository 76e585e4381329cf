"""What stands below the headline: facts, times left, the question to confirm, and a person's devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.cards import MOST_FACTS, CodesLine, DeviceLine, Fact, Moment, PasskeyLine
from bot.reading import Beside, Reading, listed
from bot.times import left, moment, spell, took
from flows.model import Assurance, Method, Mode, Person, Playbook, Request, Stage
from flows.recovery import CodeSet
from flows.registration import Authenticator, Registration

NOTHING = Beside()
_BEFORE_THE_WAIT = (Stage.AWAITING_PROOF, Stage.AWAITING_APPROVAL)

_METHODS = {Method.PASSKEY: "passkey", Method.CODE: "number and sign-in app code"}
_MODES = {Mode.OBSERVE: ["only observed"], Mode.OFFER: ["optional for now"], Mode.REQUIRE: []}
_EXACTLY = {
    Assurance.NONE: "no assurance",
    Assurance.SINGLE_FACTOR: "single-factor",
    Assurance.MULTI_FACTOR: "multi-factor, with access to where it was asked",
    Assurance.PHISHING_RESISTANT: "phishing-resistant, with user verification",
}


def question(
    request: Request,
    playbook: Playbook,
    people: Mapping[str, Person],
    viewer: str,
    now: datetime,
    beside: Beside = NOTHING,
) -> tuple[Fact, ...]:
    """What someone confirms, in the order they need it: what, for whom, who asked and where, when, why."""
    seen = Reading(request, playbook, people, viewer, now, beside)
    subject, at = people.get(request.subject), seen.when(request.opened_at)
    account = f" · account {subject.account}" if subject else ""
    lines = [
        Fact("What", seen.phrase),
        Fact("For", seen.name(request.subject) + account, "You" if request.subject == viewer else ""),
        Fact("Asked by", seen.asked_by()),
        Fact("When", f"{at.short}, {at.relative}", at.full),
        *([Fact("Why", seen.why)] if playbook.justification else []),
    ]
    return (*lines, *seen.parameters())


def facts(seen: Reading) -> tuple[Fact, ...]:
    """At most six, in places that stay."""
    request, asked = seen.request, seen.when(seen.request.opened_at)
    first = [
        Fact("Asked by", f"{seen.asked_by()}, {asked.short}", asked.full),
        Fact("Proof", *_proof(seen)),
        Fact("Why", seen.why),
        Fact("Then", _then(seen)),
    ]
    filled = seen.parameters()
    if len(filled) > MOST_FACTS - len(first):
        filled = [*filled[:1], Fact("And", "; ".join(f"{fact.label}: {fact.text}" for fact in filled[1:]))]
    if request.receipt is not None and len(filled) < 2:
        filled.append(Fact("Receipt", request.receipt.reference))
    return (*first, *filled)


def _proof(seen: Reading) -> tuple[str, str]:
    proof = seen.request.verification
    if proof is not None:
        at = seen.when(proof.at)
        return f"{_METHODS[proof.method]}, {at.short}", f"{_EXACTLY[proof.assurance]} · {at.full}"
    asked = "passkey"
    if seen.playbook.device_bound:
        asked = "passkey that stays on one device"
    if seen.playbook.assurance < Assurance.PHISHING_RESISTANT:
        asked = "passkey, or number and sign-in app code"
    if seen.request.stage is Stage.OBSERVED:
        return f"{asked}, not asked for", ""
    return f"{asked}, {'not given' if seen.request.stage.closed else 'not yet given'}", ""


def _then(seen: Reading) -> str:
    if not seen.playbook.consent:
        return "nobody else needs to agree"
    if seen.playbook.objection is not None and seen.request.stage in _BEFORE_THE_WAIT:
        return f"{_agreeing(seen)}, then others have {spell(seen.playbook.objection.wait)} to object"
    return _agreeing(seen)


def _agreeing(seen: Reading) -> str:
    if seen.request.stage is Stage.OBSERVED:
        return "nobody was asked to agree"
    given = [seen.who(approval.person) for approval in seen.request.approvals]
    if seen.missing == 0:
        return f"{listed(given, 'and')} agreed"
    if seen.request.stage.closed:
        return f"{listed(given, 'and')} agreed, not enough" if given else "nobody agreed"
    waiting = f"{seen.consenting()} must agree"
    return f"{listed(given, 'and')} agreed; {waiting}" if given else waiting


def wait(seen: Reading) -> str:
    """Until when, in words; for what is over, when it ended."""
    request = seen.request
    if request.closed_at is not None:
        ended = seen.when(request.closed_at).short
        return ended if seen.viewer else f"{ended}, after {took(request.closed_at - request.opened_at)}"
    if request.due_at is not None:
        return left(request.due_at, seen.now)
    if request.stage is Stage.AWAITING_OPERATOR:
        return "no time limit"
    proofs = [*request.approvals, *([request.verification] if request.verification else [])]
    begun = max((proof.at for proof in proofs), default=request.opened_at)
    return (
        "usually under a minute"
        if seen.now - begun < timedelta(minutes=2)
        else "longer than usual, still trying"
    )


def small(seen: Reading) -> str:
    """The quiet last line: playbook and version, how far it is phased in, rules that fired, audit number."""
    beside = seen.beside
    parts = [f"{seen.playbook.title} v{seen.request.playbook_version}", *_MODES[seen.request.mode]]
    parts += [f"rules: {', '.join(beside.rules)}"] if beside.rules else []
    parts += [f"audit {beside.audit:,}"] if beside.audit is not None else []
    return " · ".join(parts)


def device_lines(
    registration: Registration, owner: Person, here: str, now: datetime
) -> tuple[DeviceLine, ...]:
    """A person's live devices, this one first: what each can do and when it last did."""

    def last(proofs: Sequence[Authenticator]) -> Moment | None:
        used = max((proof.used_at for proof in proofs if proof.used_at), default=None)
        return moment(used, now, owner.timezone) if used else None

    lines = []
    for device in registration.live:
        proofs = sorted(
            (p for p in registration.proofs if p.device == device.id), key=lambda p: p.registered_at
        )
        passkeys = [proof for proof in proofs if proof.method is Method.PASSKEY]
        apps = [proof for proof in proofs if proof.method is Method.CODE]
        names = [f"{len(passkeys)} passkeys"] if len(passkeys) > 1 else [p.kind for p in passkeys]
        names += [apps[0].kind] if apps else []
        spare = [passkey for passkey in passkeys if passkey in registration.spare]
        lines.append(
            DeviceLine(
                id=device.id,
                name=device.name,
                can=listed(names, "and") if names else "nothing yet",
                registered=moment(device.registered_at, now, owner.timezone),
                used=last(proofs),
                here=device.id == here,
                only=len(registration.live) == 1,
                passkeys=tuple(
                    PasskeyLine(p.short, p.name or device.name, bool(p.name), p.kind, last([p]))
                    for p in spare
                ),
            )
        )
    return tuple(sorted(lines, key=lambda line: not line.here))


def passkey_name(registration: Registration, key: Authenticator) -> str:
    """`Spare key, on Work laptop`; one without a name of its own is its device's: `Work laptop: a passkey`."""
    device = next((d.name for d in registration.devices if d.id == key.device), "a device")
    return f"{key.name}, on {device}" if key.name else f"{device}: {key.kind}"


def home_lines(lines: Sequence[DeviceLine], codes: CodesLine | None) -> tuple[str, ...]:
    """The same in one line each, for a chat, and how many recovery codes are left."""

    def used(line: DeviceLine | PasskeyLine) -> str:
        return f"last used {line.used.relative}" if line.used else "never used"

    said = []
    for line in lines:
        said.append(f"{line.name}: {line.can} · {used(line)}")
        if len(line.passkeys) > 1:
            said += [f"{line.name}, {each.name}: {each.kind} · {used(each)}" for each in line.passkeys]
    left = f"{codes.left} of {codes.of} recovery codes left" if codes else "No recovery codes yet"
    return (*said, left)


def codes_line(codes: CodeSet | None, owner: Person, now: datetime) -> CodesLine | None:
    """How many of a person's recovery codes are left; None when they have none."""
    if codes is None:
        return None
    return CodesLine(codes.left, len(codes.codes), moment(codes.made_at, now, owner.timezone))
