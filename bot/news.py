"""Every word that tells somebody what was done in their name: in a chat, and in a letter by e-mail.

What happened, when and where, and the way to object, which is theirs to take: their device page, or a call of their
own. Nothing in it proves anything, and a letter repeats no words but ours, the playbook's title and their own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards import Reply, Status
from bot.reading import PLACES
from bot.replies import NEVER
from bot.texts import clean, cut
from bot.times import moment
from flows.model import Person, Playbook, Request, SecretKind
from flows.news import News, What

#: What happened, as a heading, and what it means.
WORDS = {
    What.LINK_MADE: (
        "An enrolment link was made for you",
        "Whoever opens it first can register a device in your name. It works for an hour, once.",
    ),
    What.DEVICE_REGISTERED: (
        "A device was registered for you",
        "It can confirm requests in your name from now on.",
    ),
    What.PASSKEY_ADDED: (
        "A passkey was added to a device of yours",
        "It can confirm requests in your name from now on.",
    ),
    What.APP_ADDED: (
        "A sign-in app was added to a device of yours",
        "Its codes can confirm requests in your name from now on.",
    ),
    What.DEVICE_REVOKED: (
        "A device of yours was removed",
        "It can't confirm anything any more.",
    ),
    What.PASSKEY_REVOKED: (
        "A passkey of yours was removed",
        "It can't confirm anything any more. The device it was on still can, with what is left on it.",
    ),
    What.REQUEST_OPENED: (
        "Somebody else asked for something in your name",
        "Nothing is changed before it has been confirmed on a registered device.",
    ),
    What.CHANGE_MADE: (
        "Something was changed in your name",
        "It was confirmed on a registered device.",
    ),
    What.OBJECTIONS_INVITED: (
        "Somebody says that you lost every device",
        "When the wait is over, all your devices are removed and a new one is enrolled, unless you object.",
    ),
    What.OBJECTED: (
        "A request in your name was stopped",
        "Somebody who was told of it objected. Nothing was changed, and security knows.",
    ),
    What.REQUEST_LOCKED: (
        "A request in your name was stopped",
        "There were too many wrong answers. Nothing was changed, and security knows.",
    ),
    What.REQUEST_DISOWNED: (
        "A request in your name was stopped",
        "Somebody it concerns said that they didn't ask for it. Nothing was changed, and security knows.",
    ),
    What.SIGNED_IN: (
        "A browser signed in as a device of yours",
        "It used that device's passkey, and stands for the device from now on. The browser before it is signed out.",
    ),
    What.RECOVERY_CODE_USED: (
        "One of your recovery codes was used",
        "With it, and your sign-in app or your company account, somebody registers a browser in your name.",
    ),
    What.CODES_LOCKED: (
        "Numbers and codes don't count for you now",
        "Too many were wrong. A passkey works as always; codes count again after a day, or when security says so.",
    ),
    What.PERSON_FROZEN: (
        "Everything in your name rests",
        "Nothing can be asked, confirmed or agreed to in your name for now. Security knows, and can let you go on.",
    ),
    What.FREEZE_LIFTED: (
        "You can go on",
        "Security has looked into it: you can ask, confirm and agree again.",
    ),
}
_PASSWORD = ("Your password was changed", "The change was confirmed on a registered device.")
_PASSWORDS = (SecretKind.TEMPORARY_PASSWORD, SecretKind.CHOSEN_PASSWORD)
_ON_A_DEVICE = (
    What.DEVICE_REGISTERED,
    What.PASSKEY_ADDED,
    What.APP_ADDED,
    What.SIGNED_IN,
    What.RECOVERY_CODE_USED,
    What.CODES_LOCKED,
)
WELCOME = "Register a device for your requests"
_LONGEST = 100  # characters of a name or a title


@dataclass(frozen=True, slots=True)
class Told:
    """What one person is told. `facts` are label and value, a line each."""

    title: str
    meaning: str
    facts: Sequence[tuple[str, str]]


def told(news: News, reader: str, request: Request | None = None, playbook: Playbook | None = None) -> Told:
    """News in words, its time in the zone `reader`, which is named."""
    title, meaning = WORDS[news.what]
    if news.what is What.CHANGE_MADE and playbook is not None and playbook.secret in _PASSWORDS:
        title, meaning = _PASSWORD
    facts = [("When", moment(news.at, news.at, reader).full), ("Where", _where(news, request))]
    if news.what is What.OBJECTIONS_INVITED and request is not None and request.due_at is not None:
        facts.append(("Until", moment(request.due_at, news.at, reader).full))
    if request is not None:
        name = f" ({one_line(playbook.title)})" if playbook is not None else ""
        facts.append(("Request", f"{request.id}{name}"))
    return Told(title, meaning, facts)


def objecting(address: str) -> tuple[str, str]:
    """The way to object. The device page's address is text to be read, the same for everybody."""
    return (
        f"If this wasn't you: open your device page ({address}), or call the desk or security yourself, "
        "on the number you always use.",
        "If it was you, there is nothing to do.",
    )


def in_chat(news: News, said: Told, address: str) -> Reply:
    """News as a message in somebody's own conversation. What they call the device is quoted as plain text."""
    objection, fine = objecting(address)
    return Reply(
        title=said.title,
        text=said.meaning,
        lines=(*(f"{label}: {value}" for label, value in said.facts), objection, fine),
        quoted=news.device,
        small=NEVER[0],
        status=Status.NEEDED,
    )


def in_a_letter(said: Told, person: Person, address: str) -> str:
    """News as the text of a letter. It leaves out the device's name, which may have been chosen to deceive."""
    facts = [f"{label}: {value}" for label, value in said.facts]
    paragraphs = [
        f"Hello {one_line(person.name)},",
        f"{said.title}.\n{said.meaning}",
        "\n".join(facts),
        *objecting(address),
        f"{NEVER[0]} This letter proves nothing and asks for nothing. Nobody reads an answer to it.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def welcoming(person: Person, address: str) -> str:
    """The text of a letter to somebody who has no device yet. The address is the same for everybody, and no proof."""
    paragraphs = [
        f"Hello {one_line(person.name)},",
        "From now on, requests in your name (a new password, an account to unlock) are confirmed on a device of "
        "yours. Register one on the computer or phone that you want to use:",
        address,
        "You sign on with your company account there, and with nothing else. If you'd rather be sure that this "
        "letter is ours, ask the desk for the address, on the number you always use.",
        f"{NEVER[0]} This letter proves nothing. Nobody reads an answer to it.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def one_line(text: str) -> str:
    """Somebody's name or a title as it may stand in a line of ours."""
    return cut(" ".join(clean(text).split()), _LONGEST)


def _where(news: News, request: Request | None) -> str:
    if news.what in _ON_A_DEVICE:
        return "on the device page"
    if request is None:  # the first two links
        return "on the command line"
    if request.origin.platform not in PLACES:
        return "on the device page"
    place = PLACES[request.origin.platform]
    return f"{'on' if request.origin.platform == 'terminal' else 'in'} {place}"
