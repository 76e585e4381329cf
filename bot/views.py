"""Every word people read about a request: a request, its playbook and a reader in, a Card out.

Each card answers four things: what this is, who has the next move, until when, and what happens then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from bot.cards import Button, Card, Input, Status, Verb, Weight
from bot.facts import NOTHING, facts, small, wait
from bot.reading import Beside, Reading, grouped
from bot.words import undone, untold, words
from flows.digest import JUSTIFICATION
from flows.model import Field, Method, Person, Playbook, Request, Stage
from flows.proving import usable
from flows.state import LAPSED

S = Stage
OPEN_DEVICE_PAGE = (
    "Open my device page"  # the label of verbs that work only there, wherever else they are drawn
)

_STATUS = {
    S.AWAITING_FULFILMENT: (Status.CHECKING, "being made"),
    S.AWAITING_OPERATOR: (Status.NEEDED, "needs someone"),
    S.FULFILLED: (Status.DONE, "done"),
    S.DENIED: (Status.REFUSED, "not approved"),
    S.CANCELLED: (Status.REFUSED, "cancelled"),
    S.EXPIRED: (Status.REFUSED, "expired"),
    S.DISOWNED: (Status.DANGER, "stopped"),
    S.LOCKED: (Status.DANGER, "stopped"),
    S.FAILED: (Status.REFUSED, "not made"),
    S.OBSERVED: (Status.REFUSED, "nothing changed"),
}


def request_card(
    request: Request,
    playbook: Playbook,
    people: Mapping[str, Person],
    viewer: str,
    now: datetime,
    beside: Beside = NOTHING,
) -> Card:
    """How one request looks to one reader, now. `viewer` is a person's id, or empty for a room."""
    return _card(Reading(request, playbook, people, viewer, now, beside))


def _card(seen: Reading) -> Card:
    request = seen.request
    buttons = sorted(_buttons(seen), key=lambda button: list(Weight).index(button.weight))
    moves = not request.stage.closed and any(
        button.weight is Weight.PRIMARY or button.verb is Verb.OBJECT for button in buttons
    )
    status, word = _STATUS.get(request.stage, (Status.WAITING, "waiting"))
    heading, stage, note = words(seen)
    shows = request.stage is S.AWAITING_PROOF and seen.viewer in ("", request.requester)
    return Card(
        status=Status.NEEDED if moves else status,
        word="needs you" if moves else word,
        heading=heading,
        title=seen.title,
        name=request.id,
        stage=stage,
        wait=wait(seen),
        until=seen.when(request.due_at) if request.due_at else None,
        facts=facts(seen),
        note=f"{note} {untold(seen)}".strip(),
        number=grouped(seen.beside.number) if shows else "",
        buttons=tuple(buttons),
        small=small(seen),
        over=request.stage.closed,
    )


def mark(request: Request) -> str:
    """Changes whenever what a page shows has changed: where the request stands and how many have agreed."""
    return f"{request.stage.value}.{len(request.approvals)}"


def form(
    playbook: Playbook,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    references: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> tuple[Input, ...]:
    """The fields of a request's form. What was typed is kept; `errors` say what to change, by field name.

    `references` holds, for each reference field, what can be picked: id → what people call it.
    """
    fields = list(playbook.fields)
    if playbook.justification and all(f.name != JUSTIFICATION for f in fields):
        why = "Whoever has to agree reads this. Leave out passwords and anything private."
        fields.append(Field(JUSTIFICATION, "Why is it needed?", why))
    inputs = []
    for f in fields:
        choices = references.get(f.name) or {choice: choice for choice in f.choices}
        kept, wrong = typed.get(f.name, ""), errors.get(f.name, "")
        pairs = tuple(choices.items())
        inputs.append(Input(f.name, f.label, f.help, f.required, f.max_length, pairs, kept, wrong))
    return tuple(inputs)


# -- notices: one function for each name in flows.consequence.react -----------------------------------


def opened(seen: Reading) -> Card:
    """To whoever asked for somebody else, and for security to read: it is asked."""
    return _card(seen)


def challenge(seen: Reading) -> Card:
    """To the prover: something waits on their device page."""
    return _card(seen)


def ask_approvers(seen: Reading) -> Card:
    """To each approver: their consent is asked for."""
    return replace(_card(seen), heading=f"{seen.name(seen.request.requester)} asks for your approval")


def objections_invited(seen: Reading) -> Card:
    """To whom it is about, their manager, whoever agreed, and security: it goes on unless somebody objects."""
    return _card(seen)


def objected(seen: Reading) -> Card:
    """To security: somebody who was told said no."""
    return _card(seen)


def password_asked(seen: Reading) -> Card:
    """To the prover: the others agreed, and the new password is theirs to choose, on the device they used."""
    return replace(_card(seen), heading="Choose your new password on your device page")


def password_refused(seen: Reading) -> Card:
    """To the prover: the system refused the password they chose, so another one is asked for."""
    return replace(_card(seen), heading="Choose another password on your device page")


def secret_ready(seen: Reading) -> Card:
    """To the prover: the change is made, and a secret waits on the device they used. It is never in here."""
    return replace(_card(seen), heading=f"Your {seen.secret} is ready on your device page")


def handed_over(seen: Reading) -> Card:
    """To those concerned, and to the role that has the next move."""
    return replace(_card(seen), heading=f"{seen.title} couldn't be confirmed")


def closed(seen: Reading) -> Card:
    """To those concerned, and for security to read: it is over, and how."""
    return _card(seen)


def review_due(seen: Reading) -> Card:
    """To those concerned, whoever agreed, and security: the day has come to look again at what was given for good."""
    what = "If not, ask the desk to take it away; if so, ask for it again, so that somebody agrees anew."
    return replace(
        _card(seen),
        status=Status.NEEDED,
        word="needs someone",
        heading=f"Is this still needed? {seen.title}",
        stage="Waiting for whoever agreed, or their manager: look at it again today",
        note=f"It was given for good, on condition that somebody looks at it again. {what}",
        buttons=(),
    )


def alarm(seen: Reading) -> Card:
    """To security: somebody may be after this account. Severity leads, in shape and word."""
    request, name = seen.request, seen.name(seen.request.subject)
    what, rests = "stopped after too many wrong answers", ""
    if request.stage is not S.LOCKED:
        what = "was reported: one of the people it concerns didn't ask for it"
        rests = "Everything in the name of whoever reported it rests until you let them go on. "
    asked = request.origin
    return replace(
        _card(seen),
        status=Status.DANGER,
        word="danger",
        heading=f"Somebody may be after the account of {name}",
        stage=f"Waiting for security: find out who asked. {seen.playbook.title} {what}",
        note=f"{undone(seen)} {rests}Call {name} on a number you already have, and look at the recent sign-ins of "
        f"the account it was asked from: {asked.account} of {asked.workspace} ({asked.platform}, in "
        f"{asked.channel}), {seen.when(request.opened_at).full}.",
        buttons=(),
    )


NOTICES: Mapping[str, Callable[[Reading], Card]] = {
    notice.__name__: notice
    for notice in (
        opened,
        challenge,
        ask_approvers,
        objections_invited,
        objected,
        password_asked,
        password_refused,
        secret_ready,
        handed_over,
        closed,
        review_due,
        alarm,
    )
}


# -- buttons ----------------------------------------------------------------------------------


def _buttons(seen: Reading) -> list[Button]:
    """What this reader may press now. Whoever has the next move gets the one primary action."""
    request, playbook, viewer = seen.request, seen.playbook, seen.viewer
    party = bool(viewer) and viewer in (request.requester, request.subject)
    buttons = []
    match request.stage:
        case S.AWAITING_PROOF if viewer == request.prover and viewer:
            methods = seen.beside.methods
            allowed = usable(playbook, frozenset(Method) if methods is None else methods)
            yes = "I asked for this" if viewer == request.requester else "I know about this"
            if Method.PASSKEY in allowed:
                buttons.append(Button(f"{yes} — use my passkey", Verb.BEGIN_PASSKEY, Weight.PRIMARY))
            if Method.CODE in allowed:
                weight = Weight.PLAIN if buttons else Weight.PRIMARY
                label = (
                    "Use a number and my sign-in app instead" if buttons else f"{yes} — use my sign-in app"
                )
                buttons.append(Button(label, Verb.ANSWER_CODE, weight))
        case S.AWAITING_APPROVAL if viewer in seen.approvers:
            buttons.append(Button("Approve — use my passkey", Verb.APPROVE, Weight.PRIMARY))
            no = f"Deny “{seen.title}”? It closes at once, nothing is changed, and whoever asked is told."
            buttons.append(Button("Deny", Verb.DENY, Weight.DANGER, no))
        case S.AWAITING_OBJECTION:
            buttons += _of_the_wait(seen)
        case S.AWAITING_PASSWORD if viewer == request.prover and viewer and not seen.elsewhere:
            buttons.append(Button("Choose my new password", Verb.CHOOSE_PASSWORD, Weight.PRIMARY))
        case S.AWAITING_COLLECTION if viewer == request.prover and viewer and not seen.elsewhere:
            buttons.append(Button("Show it now, once", Verb.SHOW_SECRET, Weight.PRIMARY))
        case S.AWAITING_OPERATOR if seen.settles:
            buttons.append(Button("Look again and retry", Verb.RETRY, Weight.PRIMARY))
            no = f"Close “{seen.title}” as not made? It can't be retried after that."
            buttons.append(Button("Close as not made", Verb.GIVE_UP, Weight.DANGER, no))
        case S.CANCELLED | S.EXPIRED | S.FAILED if viewer == request.requester and viewer:
            buttons.append(Button("Ask again", Verb.ASK_AGAIN, Weight.PRIMARY))
        case S.FULFILLED if request.reason == LAPSED and viewer == request.requester:
            buttons.append(Button("Ask again", Verb.ASK_AGAIN, Weight.PRIMARY))
    waiting = (S.AWAITING_PROOF, S.AWAITING_APPROVAL, S.AWAITING_OBJECTION, S.AWAITING_PASSWORD)
    if request.stage in waiting and (party or (viewer and viewer == request.prover)):
        if party and not seen.objects:
            no = f"Cancel “{seen.title}”? It closes at once and nothing is changed. You can ask again."
            buttons.append(Button("Cancel", Verb.CANCEL, Weight.DANGER, no))
        no = f"Stop “{seen.title}”? Nothing is changed, and security is told that you didn't ask for it."
        buttons.append(Button("I didn't ask for this", Verb.DISOWN, Weight.DANGER, no))
    return buttons


def _of_the_wait(seen: Reading) -> list[Button]:
    """What whoever was told may press. Stopping is never smaller than going on."""
    buttons = []
    if seen.hurries:
        buttons.append(Button("Shorten the wait — use my passkey", Verb.HURRY))
    if seen.objects:
        lost = seen.viewer == seen.request.subject
        no = f"Stop “{seen.title}”? It closes at once, nothing is changed, and security is told."
        label = "Object: I didn't lose anything" if lost else "Object: stop this"
        buttons.append(Button(label, Verb.OBJECT, Weight.DANGER, no))
    return buttons
