"""What a message looks like and what was pressed on it, before any platform has its say.

A Card is drawn by the device page, the terminal and each chat alike. A Click is what comes back. Neither
holds a secret: secrets are shown once, on the device page, and never through a Card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from flows.accounts import Account

MOST_FACTS = 6


class Status(StrEnum):
    """How things stand: a shape and a word first. Colour only repeats them."""

    WAITING = "waiting"
    CHECKING = "checking"
    DONE = "done"
    NEEDED = "needs someone"
    REFUSED = "refused"
    DANGER = "danger"

    @property
    def shape(self) -> str:
        """One character that is told apart without colour."""
        return dict(zip(Status, "○◐●◇■▲", strict=True))[self]


class Verb(StrEnum):
    """What a button asks for. Stored names are for ever."""

    ASK = "ask"  # open the request that was proposed
    ASK_FORM = "ask_form"  # fill in its form first
    SEND_FORM = "send_form"  # the filled form
    PICK = "pick"  # which request is meant, out of all there are
    LIST = "list"  # what can be asked for
    OPEN = "open"  # a link: the platform tells us that it was followed, and nothing more happens
    LOOK = "look"  # a reader's own view of a room's card: their client asks, and nothing more happens

    BEGIN_PASSKEY = "begin_passkey"
    ANSWER_CODE = "answer_code"
    APPROVE = "approve"
    CHOOSE_PASSWORD = "choose_password"  # noqa: S105  a verb, not a secret
    SHOW_SECRET = "show_secret"  # noqa: S105  a verb, not a secret
    RETRY = "retry"
    ASK_AGAIN = "ask_again"
    CANCEL = "cancel"
    DENY = "deny"
    OBJECT = "object"
    HURRY = "hurry"
    GIVE_UP = "give_up"
    DISOWN = "disown"

    @property
    def on_device(self) -> bool:
        """True when only the device page can do it: elsewhere the button is a link to that page."""
        return self in (
            Verb.BEGIN_PASSKEY,
            Verb.ANSWER_CODE,
            Verb.APPROVE,
            Verb.HURRY,
            Verb.CHOOSE_PASSWORD,
            Verb.SHOW_SECRET,
        )


class Weight(StrEnum):
    """How much a button stands out."""

    PRIMARY = "primary"
    PLAIN = "plain"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as one reader sees it. `short` names the zone only where it could be mistaken, `full` always."""

    at: datetime
    relative: str
    short: str
    full: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One label and what stands beside it. `detail` is the exact term or time, for whoever looks closer."""

    label: str
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """One thing the reader may do. A dangerous one repeats its consequence in `confirm` before it happens."""

    label: str
    verb: Verb
    weight: Weight = Weight.PLAIN
    confirm: str = ""

    def __post_init__(self) -> None:
        if self.weight is Weight.DANGER and not self.confirm:
            raise ValueError("a dangerous button says what it will do before it does it")


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form, with what was typed so far and what is wrong with it.

    `choices` are pairs: what is sent and what people read.
    """

    name: str
    label: str
    help: str = ""
    required: bool = True
    max_length: int = 500
    choices: tuple[tuple[str, str], ...] = ()
    value: str = ""
    error: str = ""

    @property
    def long(self) -> bool:
        """True when the answer deserves several lines."""
        return not self.choices and self.max_length > 120


@dataclass(frozen=True, slots=True)
class Card:
    """One message about one request. Every part keeps its place while the words change.

    `word` is the status in this reader's words, `stage` who has the next move, `wait` how long that may take
    (`until` is the exact time, if there is one), `note` what happens next or what pressing means,
    `number` the six digits to type on the registered device, `small` the quiet last line, `over` that nobody has
    a next move.
    """

    status: Status
    word: str
    heading: str
    title: str
    name: str
    stage: str
    wait: str
    until: Moment | None = None
    facts: tuple[Fact, ...] = ()
    note: str = ""
    number: str = ""
    buttons: tuple[Button, ...] = ()
    small: str = ""
    over: bool = False

    def __post_init__(self) -> None:
        weights = [button.weight for button in self.buttons]
        if len(self.facts) > MOST_FACTS:
            raise ValueError(f"a card holds at most {MOST_FACTS} facts")
        if weights.count(Weight.PRIMARY) > 1:
            raise ValueError("a card has one primary action")
        if weights != sorted(weights, key=list(Weight).index):
            raise ValueError("the primary action comes first and dangerous ones last")

    @property
    def moves(self) -> bool:
        """True while this reader has the next move, or can object to what goes on without them."""
        asked = any(button.weight is Weight.PRIMARY or button.verb is Verb.OBJECT for button in self.buttons)
        return asked and not self.over

    def button(self, verb: Verb | str) -> Button | None:
        """The button for this verb, if this reader has it."""
        return next((button for button in self.buttons if button.verb == verb), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to press on a Reply or a Home, with the opaque handle it sends; with `url`, a link."""

    label: str
    verb: Verb
    handle: str = ""
    weight: Weight = Weight.PLAIN
    confirm: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said beside a request's card: a proposal, what there is to ask for, help, a refusal.

    `text` and `lines` are sentences of ours. `quoted` is what the person wrote, and is shown as plain text only.
    """

    title: str
    text: str = ""
    lines: tuple[str, ...] = ()
    quoted: str = ""
    choices: tuple[Choice, ...] = ()
    small: str = ""
    status: Status = Status.WAITING

    def with_link(self, label: str, url: str) -> Reply:
        """The same, and a link after everything that can be pressed."""
        return replace(self, choices=(*self.choices, Choice(label, Verb.OPEN, url=url)))


@dataclass(frozen=True, slots=True)
class Form:
    """A form in a window of its own. `handle` comes back with what was filled in."""

    title: str
    handle: str
    inputs: tuple[Input, ...]
    verb: Verb = Verb.SEND_FORM
    intro: str = ""
    submit: str = "Ask"


@dataclass(frozen=True, slots=True)
class HomeLine:
    """One request in a list: how it stands, what can be pressed there, and its own page."""

    card: Card
    handle: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Home:
    """A person's own page in a chat: what waits for them, what is under way, what they can ask for, their devices.

    `devices` has a line for each of them, and one for their recovery codes.
    """

    greeting: str
    mine: tuple[HomeLine, ...] = ()
    waiting: tuple[HomeLine, ...] = ()
    recent: tuple[HomeLine, ...] = ()
    offers: tuple[Choice, ...] = ()
    links: tuple[Choice, ...] = ()
    small: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What an account wrote to us. `conversation` is where it is answered.

    `thread` is the message that it was written under, if it was.
    """

    text: str
    who: Account
    conversation: str = ""
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Click:
    """What an account pressed or filled in. `handle` is opaque: it says which card, never which person.

    `message` is the message it stands on, if it can be updated later.
    """

    verb: Verb
    handle: str
    who: Account
    conversation: str
    message: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CodesLine:
    """A person's recovery codes, as their page tells of them."""

    left: int
    of: int
    made: Moment


@dataclass(frozen=True, slots=True)
class PasskeyLine:
    """A passkey that isn't alone on its device: its name, what it is and when it was last used.

    `short` stands for it in addresses; `own` is False where its name is the device's.
    """

    short: str
    name: str
    own: bool
    kind: str
    used: Moment | None


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """One registered device in its owner's list. `here` is the one this is read on.

    `passkeys` lists them where something else on the device can confirm, too, so that each can go alone.
    """

    id: str
    name: str
    can: str
    registered: Moment
    used: Moment | None
    here: bool
    only: bool
    passkeys: tuple[PasskeyLine, ...] = ()
