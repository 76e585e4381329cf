"""Every word that is said beside a request's card: proposals, what there is to ask for, help, a no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import flows.errors as no
from bot.asking import takes
from bot.cards import Card, Choice, Form, Home, HomeLine, Input, Reply, Status, Verb, Weight
from flows.model import Person, Playbook

#: A playbook's name, or empty, to the handle of a button that is about it.
Handing = Callable[[str], str]

NEVER = (
    "Nobody from IT will ever ask you for a number, a code or a password, or tell you to press a button.",
    "If somebody is on the phone now, hang up. Call the desk yourself, on the number you always use.",
)


def proposal(playbook: Playbook, person: Person, needs_form: bool, quoted: str, handle: Handing) -> Reply:
    """What was most likely meant, as a question. Nothing is opened before they say yes."""
    what = playbook.phrase.replace("{subject}", person.name)
    label, verb = ("Fill in the form", Verb.ASK_FORM) if needs_form else ("Yes, ask for it", Verb.ASK)
    return Reply(
        title=f"{playbook.title}?",
        text=f"{what}. It takes {takes(playbook)}.",
        quoted=quoted,
        choices=(
            Choice(label, verb, handle(playbook.name), Weight.PRIMARY),
            Choice("Something else", Verb.LIST, handle("")),
        ),
        small="Nothing has been asked for yet.",
    )


def also_for_others(proposed: Reply, handle: str) -> Reply:
    """The same proposal for somebody who may ask for other people, too."""
    yes, *rest = proposed.choices
    return replace(proposed, choices=(yes, Choice("For somebody else", Verb.ASK_FORM, handle), *rest))


def several(playbooks: Sequence[Playbook], quoted: str, handle: Handing) -> Reply:
    """More than one thing could be meant."""
    return Reply(
        title="Which of these do you mean?",
        quoted=quoted,
        choices=(*_picks(playbooks, handle), Choice("Something else", Verb.LIST, handle(""))),
        small="Nothing has been asked for yet.",
    )


def offered(
    playbooks: Sequence[Playbook], handle: Handing, *, quoted: str = "", greeted: bool = False
) -> Reply:
    """What can be asked for; after a text that nothing fits, it says so first."""
    if not playbooks:
        return Reply(
            title="There is nothing you can ask for here yet",
            text="Talk to the service desk: they know who can help.",
            quoted=quoted,
        )
    title = "What can I do for you?" if greeted or not quoted else "I didn't find that among what I can do"
    return Reply(
        title=title,
        text="Press what you need, or write it in your own words.",
        lines=(
            "Did somebody ask you to confirm something you know nothing about? Write “I didn't ask for this”.",
        ),
        quoted="" if greeted else quoted,
        choices=_picks(playbooks, handle),
        small="Whatever you ask for, you confirm it on your registered device first.",
    )


def disowned(open_ones: Sequence[tuple[Card, str]], devices: str) -> Reply:
    """ "I didn't ask for this": every open request that concerns them, each with a way to stop it."""
    if not open_ones:
        return Reply(
            title="No open request concerns you",
            text="There is nothing to stop: nothing is about to be changed for you.",
            lines=(
                "If you got a message about one, it has ended. If something worries you still, tell the desk.",
                *NEVER,
            ),
            status=Status.DONE,
        )
    return Reply(
        title="Let's stop it",
        text="Press the one you didn't ask for. Nothing is changed, and security looks into it.",
        lines=tuple(f"{card.name} · {card.title} · {card.stage}" for card, _ in open_ones),
        choices=tuple(_stop(card, handle) for card, handle in open_ones),
        small="Not sure? Open your device page: it shows who asked, where and when.",
        status=Status.DANGER,
    ).with_link("Open my device page", devices)


def called(open_ones: Sequence[tuple[Card, str]], devices: str) -> Reply:
    """Somebody says they are from IT."""
    told = "No open request concerns you." if not open_ones else "These requests concern you just now:"
    return Reply(
        title="That wasn't us",
        text=NEVER[0],
        lines=(
            NEVER[1],
            "If you gave them a number or a code, or pressed yes, tell the desk now. You did nothing wrong.",
            told,
            *(f"{card.name} · {card.title} · {card.stage}" for card, _ in open_ones),
        ),
        choices=tuple(_stop(card, handle) for card, handle in open_ones),
        small="Nothing changes for you unless you confirm it on your registered device.",
        status=Status.DANGER,
    ).with_link("Open my device page", devices)


def _stop(card: Card, handle: str) -> Choice:
    button = card.button(Verb.DISOWN)
    confirm = button.confirm if button else f"Stop “{card.title}”? Nothing is changed, and security is told."
    return Choice(f"Stop {card.name}", Verb.DISOWN, handle, Weight.DANGER, confirm)


def connect(link: str) -> Reply:
    """To an account that is nobody's yet."""
    return Reply(
        title="First, whose account is this?",
        text="I can't go by names and addresses. Open the link on your registered device and confirm that this "
        "account is yours. Then write to me again.",
        choices=(Choice("Connect this account", Verb.OPEN, weight=Weight.PRIMARY, url=link),),
        small="The link works for 15 minutes. Don't send it to anyone. No registered device yet? An administrator "
        "gives you an enrolment link.",
        status=Status.NEEDED,
    )


def joining(address: str) -> Reply:
    """To somebody who never had a device. The address is the same for everybody, and opens nothing by itself."""
    return Reply(
        title="You can register your first device",
        text="Then you can ask the service desk for things here and confirm them yourself. Open the page in the "
        "browser you want to use, and sign on with your company account.",
        choices=(Choice("Register my device", Verb.OPEN, weight=Weight.PRIMARY, url=address),),
        small="Nobody will call you about this. If somebody does, hang up and tell the desk.",
        status=Status.NEEDED,
    )


def uninstalled() -> Reply:
    """For somebody who wrote in a room, and whom we can't write to."""
    return Reply(
        title="I answer in private only",
        text="Whoever asked me just now doesn't have me in their chats yet. Add Countersign under Apps, then write "
        "to me there.",
        small="Nothing has been asked for.",
    )


def refused(refusal: no.Refusal) -> Reply:
    """A no, and what to do instead."""
    first, _, rest = refusal.sentence.partition(". ")
    return Reply(title=first.rstrip("."), text=rest, status=Status.REFUSED)


def no_window() -> Reply:
    """A window that a press should have opened didn't open."""
    return Reply(
        title="I couldn't open the form in time",
        text="Nothing was asked for. Press the button again.",
        status=Status.REFUSED,
    )


#: What security must not miss, by the notice that says it.
ALARMS = {
    "alarm": (
        "Somebody may be after an account",
        "Look at the request and call its owner on a known number.",
    ),
    "recovered": (
        "Somebody registered a browser with a recovery code",
        "If its owner doesn't know of it, freeze them and remove the device.",
    ),
    "objections_invited": (
        "Somebody's devices are all to be replaced",
        "Everybody agreed. It is done when the wait is over, unless somebody objects: call its owner, and look.",
    ),
    "objected": (
        "Somebody objected to the replacement of all devices",
        "Nothing was changed. Find out who asked, and call its owner on a known number.",
    ),
    "tampering": (
        "A stored record was changed from outside",
        "It isn't believed any more. Stop the service, keep the database as it is, and run the audit.",
    ),
    "not_authorised": (
        "A request without the evidence it needs",
        "Nothing was changed. Find out who wrote into the database.",
    ),
    "untold": (
        "Somebody couldn't be told what was done in their name",
        "No chat and no mail reaches them. Call them on a known number, and ask whether it was them.",
    ),
}


def alarmed(notice: str, detail: str, request: str) -> Reply:
    """To security, beside the request's card or without one."""
    title, text = ALARMS[notice]
    small = " · ".join(part for part in (request, detail) if part)
    return Reply(
        title=f"{title}{f': {request}' if request else ''}", text=text, small=small, status=Status.DANGER
    )


def asking(playbook: Playbook, fields: tuple[Input, ...], handle: str) -> Form:
    """A playbook's form in a window of its own."""
    guidance = " ".join(playbook.guidance.get("requester", "").split())
    return Form(
        title=playbook.title,
        handle=handle,
        inputs=fields,
        intro=guidance or f"It takes {takes(playbook)}. Nothing changes before that.",
    )


def picking(playbooks: Sequence[Playbook], handle: str) -> Form:
    """The window of the shortcut: what is needed, out of all there is."""
    choices = tuple((playbook.name, playbook.title) for playbook in playbooks)
    return Form(
        title="Ask the service desk",
        handle=handle,
        inputs=(Input("playbook", "What do you need?", choices=choices),),
        verb=Verb.PICK,
        intro="Whatever it is, you confirm it on your registered device before anything changes.",
        submit="Next",
    )


def home(
    person: Person,
    lines: Sequence[HomeLine],
    offered: Sequence[tuple[Playbook, bool]],
    handle: Handing,
    address: str,
    devices: Sequence[str] = (),
) -> Home:
    """A person's own page. `offered`: what they may ask for, and whether there is something to fill in first.

    `address` is the device page's.
    """
    open_ones = [line for line in lines if not line.card.over]
    return Home(
        greeting=f"Hello, {person.name.split(' ')[0]}",
        waiting=tuple(line for line in open_ones if line.card.moves),
        mine=tuple(line for line in open_ones if not line.card.moves),
        recent=tuple(line for line in lines if line.card.over),
        offers=tuple(
            Choice(playbook.title, Verb.ASK_FORM if form else Verb.ASK, handle(playbook.name))
            for playbook, form in offered
        ),
        links=(
            Choice("Open my device page", Verb.OPEN, url=address),
            Choice("Look after my devices", Verb.OPEN, url=f"{address}/devices"),
        ),
        devices=tuple(devices),
        small="Write to me, in your own words, whenever you need something.",
    )


def stranger_home(link: str) -> Home:
    """The page of an account that is nobody's yet."""
    return Home(
        greeting="First, whose account is this?",
        links=(Choice("Connect this account", Verb.OPEN, weight=Weight.PRIMARY, url=link),),
        small="Open the link on your registered device and confirm that this account is yours.",
    )


def _picks(playbooks: Sequence[Playbook], handle: Handing) -> tuple[Choice, ...]:
    return tuple(Choice(playbook.title, Verb.PICK, handle(playbook.name)) for playbook in playbooks)
