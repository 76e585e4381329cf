"""What every chat draws alike: a card's lines and buttons as values, before a platform gives them its looks."""

from __future__ import annotations

from dataclasses import dataclass

from bot.cards import Card, Choice, Home, HomeLine, Status, Verb, Weight
from bot.views import OPEN_DEVICE_PAGE


@dataclass(frozen=True, slots=True)
class List:
    """One list of a person's own page. `empty` stands there when nothing does; at most so many are drawn."""

    heading: str
    empty: str
    most: int


WAITING = List(
    "Waiting for you", "Nothing waits for you. What you have to confirm or agree to stands here.", 6
)
MINE = List("Under way", "You have nothing under way. What you ask for stands here until it is over.", 6)
RECENT = List("Ended lately", "What has ended stands here for a while.", 4)
OFFERS = "Ask for"
DEVICES = "My devices"
MOST_DEVICES = 6


def choices(card: Card, handle: str, link: str) -> list[Choice]:
    """A card's buttons. What only the device page can do is one link to it, in the first place.

    Without a `handle`, in a room, there is that link alone, for whoever has the next move.
    """
    if not handle:
        return [Choice(OPEN_DEVICE_PAGE, Verb.OPEN, weight=Weight.PRIMARY, url=link)] if link else []
    there = [button for button in card.buttons if button.verb.on_device]
    weight = Weight.PRIMARY if any(b.weight is Weight.PRIMARY for b in there) else Weight.PLAIN
    leads = [Choice(OPEN_DEVICE_PAGE, Verb.OPEN, weight=weight, url=link)] if there and link else []
    here = [button for button in card.buttons if not button.verb.on_device]
    return leads + [Choice(b.label, b.verb, handle, b.weight, b.confirm) for b in here]


def alarms(card: Card, handle: str) -> bool:
    """True in a room that has to look at once: there the severity leads."""
    return card.status is Status.DANGER and not handle


def status(card: Card) -> str:
    """The shape and the word."""
    return f"{card.status.shape} {card.word[:1].upper()}{card.word[1:]}"


def stage(card: Card) -> str:
    """The next mover and the time left. A message stays as it is written, so it names the hour, too."""
    until = f", until {card.until.short}" if card.until else ""
    return f"{card.stage} · {card.wait}{until}"


def number_note(card: Card) -> str:
    """What the digits are good for."""
    return f"It goes into the registered device's page about {card.name}. It is worthless anywhere else."


def spoken(card: Card) -> str:
    """The whole card in a sentence: for notifications and screen readers."""
    return f"{card.status.shape} {card.heading} · {stage(card)} · {card.name}"


def devices(page: Home) -> list[str]:
    """What stands under a person's devices: at most so many, and how many recovery codes they have left."""
    *each, codes = page.devices
    left_out = (
        [f"And {len(each) - MOST_DEVICES} more, on your device page."] if len(each) > MOST_DEVICES else []
    )
    return [*each[:MOST_DEVICES], *left_out, codes]


def more(lines: tuple[HomeLine, ...], most: int) -> str:
    """What stands below a list that is cut; empty where it isn't."""
    return f"And {len(lines) - most} more, on your device page." if len(lines) > most else ""
