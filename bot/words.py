"""What each stage is called, who has the next move in it, and what happens then: in this reader's words."""

from __future__ import annotations

from bot.reading import Reading, listed
from bot.times import spell
from flows.model import Cause, Mode, Request, SecretKind, Stage
from flows.state import LAPSED, STOPPED

S = Stage

#: What whoever asked can do after a no that lasts.
REMEDIES = {
    Cause.OTHER: "Talk to the desk, or ask again.",
    Cause.RIGHT: "Countersign isn't allowed to make it in that system. Asking again won't help: tell the desk.",
    Cause.ACCOUNT: "There is no account for it in that system. Talk to the desk before you ask again.",
    Cause.POLICY: "That system's own rules don't allow it now. Ask again later, or talk to the desk.",
}


REFUSED = "The system's own rules refused that password: it may have been used before, or be too short or too simple."


def words(seen: Reading) -> tuple[str, str, str]:
    """The heading, the stage line (who has the next move) and the note (what happens then)."""
    request, playbook, what = seen.request, seen.playbook, seen.what
    prover = seen.who(request.prover)
    mine = request.prover == seen.viewer
    again = "If it is still needed, ask again."
    match request.stage:
        case S.AWAITING_PROOF:
            then = "Then the change is made."
            if playbook.consent:
                then = f"Then {seen.consenting()} must agree."
            if mine:
                note = _guidance(seen) or f"Before anything changes, let's make sure it's you. {then}"
                note = f"{note} {_optional(seen)}".strip()
                return f"Confirm {what}", "Waiting for you: confirm on your registered device", note
            note = f"{_guidance(seen) or f'{then} Nothing changes before that.'} {_optional(seen)}"
            return (
                f"{playbook.title}: waiting for {prover}",
                f"Waiting for {prover}: confirm on their registered device",
                note.strip(),
            )
        case S.AWAITING_APPROVAL if seen.viewer in seen.approvers:
            meaning = f"If you approve, this is done: {seen.phrase}."
            if playbook.objection is not None:
                span = spell(playbook.objection.wait)
                meaning = (
                    f"If you approve, others have {span} to object, or longer where a weekend is in between. "
                )
                meaning += f"Then this is done: {seen.phrase}."
            after = seen.missing - 1 + seen.later
            if after:
                people = "person has" if after == 1 else "people have"
                meaning = f"After you, {after} more {people} to agree. Then this is done: {seen.phrase}."
            meaning = f"{meaning} {_guidance(seen)}".strip()
            heading = f"Approve {what}?"
            return (
                heading,
                f"Waiting for {seen.consenting()}: approve or deny",
                meaning,
            )
        case S.AWAITING_APPROVAL:
            names = seen.consenting()
            agreed = any(a.person == seen.viewer for a in request.approvals)
            heading = f"{playbook.title}: {'you agreed' if agreed else 'waiting for approval'}"
            note = "Nothing changes before they agree. It will say here what they decide."
            return heading, f"Waiting for {names}: approve or deny", note
        case S.AWAITING_OBJECTION:
            return _objecting(seen)
        case S.AWAITING_PASSWORD if mine and seen.here:
            refused = request.cause is Cause.POLICY
            heading = "Choose another password" if refused else "Choose your new password"
            note = (
                REFUSED if refused else "Your new password is set as you type it here, and shown to nobody."
            )
            return heading, "Waiting for you: choose your new password", note
        case S.AWAITING_PASSWORD:
            on = "the device that confirmed this" if mine else "their registered device"
            stage = f"Waiting for {prover}: choose the new password on {on}"
            return f"{playbook.title}: one step left", stage, "Nothing changes before that."
        case S.AWAITING_FULFILMENT:
            note = "Nobody has to do anything now. You can look away: it will say here how it ends."
            return f"{playbook.title}: being made", "Countersign is making the change", note
        case S.AWAITING_COLLECTION if mine and seen.here:
            note = f"The change is made. The {seen.secret} is shown once, on this device only, then deleted."
            return f"Your {seen.secret} is ready", f"Waiting for you: look at the {seen.secret}", note
        case S.AWAITING_COLLECTION:
            on = "the device that confirmed this" if mine else "their registered device"
            note = f"The change is made. The {seen.secret} is shown once, on that device only, then deleted."
            return (
                f"{playbook.title}: one step left",
                f"Waiting for {prover}: look at the {seen.secret} on {on}",
                note,
            )
        case S.AWAITING_OPERATOR:
            note = "It couldn't be confirmed that the change was made, so it isn't repeated on its own. "
            if seen.settles:
                note += f"Look in the system itself first ({playbook.connector}). {_operator(request)}"
                return f"Settle {what}", "Waiting for you: find out whether the change was made", note.strip()
            note += "There is nothing you have to do; it will say here how it ends."
            return (
                f"{playbook.title}: being looked into",
                f"Waiting for {seen.role}: look into the change",
                note,
            )
        case S.FULFILLED if request.reason == LAPSED:
            stage = f"Done, but nobody looked at the {seen.secret} in time, so it was deleted"
            return f"{playbook.title}: {seen.secret} not collected", stage, "Ask again for a new one."
        case S.FULFILLED if mine and playbook.secret is SecretKind.CHOSEN_PASSWORD:
            stage = "Done: the change is made and confirmed"
            return f"{playbook.title}: done", stage, "Sign in with the password you chose."
        case S.FULFILLED:
            return (
                f"{playbook.title}: done",
                "Done: the change is made and confirmed",
                "Nobody has to do more.",
            )
        case S.DENIED if playbook.objection is not None and not seen.missing:
            note = "Nothing was changed, and security knows. If it is still needed, talk to security first."
            return f"{playbook.title}: stopped", "Over: somebody who was told objected", note
        case S.DENIED:
            note = "Nothing was changed."
            if seen.viewer not in seen.approvers:
                note += " Talk to whoever had to agree before you ask again."
            return f"{playbook.title}: not approved", "Over: one of the approvers said no", note
        case S.CANCELLED if request.reason == STOPPED:
            note = f"{undone(seen)} Everything in the name of whoever reported it rests. Security can let them go on."
            return f"{playbook.title}: stopped", "Over: stopped, because another request was reported", note
        case S.CANCELLED:
            return (
                f"{playbook.title}: cancelled",
                "Over: cancelled by somebody it concerns",
                f"Nothing was changed. {again}",
            )
        case S.EXPIRED:
            late = f"{prover} didn't confirm in time"
            if request.verification is not None:
                late = "too few people agreed in time"
                if playbook.objection is not None and not seen.missing:
                    late = "not everybody who stood for it still did when the wait was over"
                if playbook.secret is SecretKind.CHOSEN_PASSWORD and not seen.missing:
                    late = f"{prover} chose no password in time"
            return f"{playbook.title}: expired", f"Over: {late}", f"Nothing was changed. {again}"
        case S.DISOWNED:
            note = f"{undone(seen)} Security knows. Did somebody tell you to confirm it? Tell the desk."
            return f"{playbook.title}: stopped", "Over: somebody it concerns didn't ask for it", note
        case S.LOCKED:
            note = "Nothing was changed, and security knows. If it was you, ask again or talk to the desk."
            return f"{playbook.title}: stopped", "Over: there were too many wrong answers", note
        case S.OBSERVED:
            note = f"Nothing was changed, and nobody was asked for anything: {playbook.title} isn't switched on for "
            note += f"{seen.who(request.subject)} yet. {_meanwhile(seen)}"
            return (
                f"{playbook.title}: nothing was changed",
                "Over: not switched on yet, only noted",
                note.strip(),
            )
        case _:
            note = f"Nothing was changed by this request. {REMEDIES[request.cause]} {_reason(seen)}"
            return f"{playbook.title}: not made", "Over: the change couldn't be made", note.strip()


def _objecting(seen: Reading) -> tuple[str, str, str]:
    """While a change goes on by itself unless somebody who was told objects."""
    subject, title = seen.who(seen.request.subject), seen.playbook.title
    if seen.viewer == seen.request.subject:
        note = f"Unless you object, this is done when the time is over: {seen.phrase}. {_guidance(seen)}"
        return "Did you lose every device?", "Waiting for you: you can object until then", note.strip()
    if seen.objects:
        note = f"Everybody agreed. When the time is over, this is done: {seen.phrase}. Object if you aren't sure: "
        note += f"it can be asked again, but what a stranger takes can't be given back.{_hurrying(seen)}"
        return f"Object to {seen.what}?", "Waiting for you: you can object until then", note
    note = f"Nothing changes until then. When the time is over, look at the {seen.secret} within the hour."
    if seen.viewer != seen.request.prover:
        note = f"Nothing changes until then. It will say here how it ends.{_hurrying(seen)}"
    stage = f"Waiting for the time to pass: {subject}, their manager and security can object until then"
    return f"{title}: waiting for objections", stage, note


def _hurrying(seen: Reading) -> str:
    """What shortening the wait means, to whoever can."""
    if not seen.hurries:
        return ""
    who = seen.who(seen.request.subject)
    return f" If you shorten the wait, the change is made at once. Do so only if you have spoken with {who} yourself."


def untold(seen: Reading) -> str:
    """That somebody has to be told of their next move by a person, since no chat can tell them. Empty otherwise."""
    names = sorted(seen.short(id) for id in seen.beside.unreached - {seen.viewer})
    if not names:
        return ""
    return f"I can't write to {listed(names, 'or')} here, so tell them: it waits on their device page."


def undone(seen: Reading) -> str:
    """What a request that was stopped had come to."""
    if seen.request.stage is S.AWAITING_FULFILMENT:
        return "The change is halted, unless it was on its way already."
    if seen.request.receipt is None:
        return "Nothing was changed."
    return f"The change was made before that; the {seen.secret} was deleted unseen."


def _guidance(seen: Reading) -> str:
    """The playbook's own words for this reader; the desk's are for an agent who asks for somebody else."""
    request, person = seen.request, seen.people.get(seen.viewer)
    agent = person is not None and "desk_agent" in person.roles
    who = "approver"
    if seen.viewer == request.subject:
        who = "subject"
    elif seen.viewer == request.requester:
        who = "agent" if agent and "agent" in seen.playbook.guidance else "requester"
    elif request.stage is not S.AWAITING_APPROVAL:
        return ""
    return " ".join(seen.playbook.guidance.get(who, "").split())


def _optional(seen: Reading) -> str:
    """That the old way still works, for whoever asked and whom it is about, where the playbook is offered."""
    if seen.request.mode is not Mode.OFFER or seen.viewer not in (
        seen.request.requester,
        seen.request.subject,
    ):
        return ""
    return f"This way is optional for now, and the old one still works. {_meanwhile(seen)}"


def _meanwhile(seen: Reading) -> str:
    """Where people turn while the playbook is phased in, in its own words."""
    return " ".join(seen.playbook.guidance.get("meanwhile", "").split()) or "Turn to the desk."


def _reason(seen: Reading) -> str:
    return _operator(seen.request) if seen.settles else ""


def _operator(request: Request) -> str:
    return f"Last known: {request.reason.rstrip('.')}." if request.reason else ""
