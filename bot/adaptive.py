"""Cards, replies, forms and a person's own page for Teams: values in, Adaptive Cards out, by Microsoft's own models.

Parts keep their places through every stage, as in bot/block_kit.py: title and next mover, the number, facts, what
happens then, buttons, the quiet last line. No card is larger than Teams takes, whatever is put into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microsoft_teams.cards import (
    AdaptiveCard,
    CardElement,
    Column,
    ColumnSet,
    Container,
    ExecuteAction,
    RefreshDefinition,
    RichTextBlock,
    SubmitAction,
    TextRun,
)

from bot import lines
from bot.adaptive_parts import VERSION, Color, fields, line, rows, run, sentence
from bot.cards import Card, Fact, Form, Home, HomeLine, Reply, Status, Verb
from bot.lines import DEVICES, MINE, OFFERS, RECENT, WAITING, List
from bot.texts import NOTHING, clean, cut, paired
from bot.verbs import HOME

LARGEST = 27 * 1024  # bytes; Teams takes 28 KB, the message around it included
MOST_READERS = 60  # who may see a card of their own in one place
SCHEMA = "https://adaptivecards.io/schemas/adaptive-card.json"
_FALLBACK = 500
#: Names that a press carries besides its fields.
_OURS = frozenset({"verb", "handle", "at", "msteams"})
_COLORS: Mapping[Status, Color] = {
    Status.DONE: "Good",
    Status.NEEDED: "Accent",  # Teams' own yellow can't be read on white
    Status.REFUSED: "Attention",
    Status.DANGER: "Attention",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything is drawn: characters of a text, lines of a list, buttons.

    `kept`: characters of an answer that stands in its field again; half of one would say something else.
    """

    text: int
    lines: int
    buttons: int
    kept: int


_SIZES = (
    Size(1000, 30, 24, kept=3000),
    Size(400, 12, 18, kept=3000),
    Size(150, 6, 12, kept=1000),
    Size(60, 3, 6, kept=300),
    Size(20, 1, 3, kept=60),
)

Body = Iterator[CardElement]


# -- a request's card -------------------------------------------------------------------------


def message(card: Card, handle: str, link: str) -> dict[str, Any]:
    """A request's card. `handle` is what every button carries; without one, in a room, there is the link alone.

    `link` is the request's device page, if this reader has anything to do there.
    """

    def body(size: Size) -> Body:
        if lines.alarms(card, handle):
            severity = f"{lines.status(card)} · {card.heading}"
            yield line(run(severity, 150, size="Large", weight="Bolder", color=_color(card)))
        yield _heading(card, led=not lines.alarms(card, handle))
        yield line(run(lines.stage(card), size.text), spacing="Small")
        if card.number and handle:
            yield line(run(card.number, 20, size="ExtraLarge", weight="Bolder"), spacing="Medium")
            yield from sentence(lines.number_note(card), 300, size="Small", is_subtle=True)
        if card.facts:
            yield _facts(card.facts, size)
        yield from sentence(card.note, size.text)
        yield from rows(lines.choices(card, handle, link)[: size.buttons], {})
        yield from sentence(card.small, size.text, size="Small", is_subtle=True)

    return _fitted(lines.spoken(card), body)


def personal(content: Mapping[str, Any], handle: str, users: Sequence[str]) -> dict[str, Any]:
    """A room's card that these users, as Teams names them, see as their own: their clients ask for it.

    As many of them as there is room for.
    """
    data = {"verb": Verb.LOOK.value, "handle": handle}
    look = ExecuteAction(title="Look again", verb=Verb.LOOK.value, data=data)
    for most in range(min(len(users), MOST_READERS), 0, -1):
        refresh = RefreshDefinition(action=look, user_ids=list(users[:most]))
        drawn = {**content, "refresh": refresh.model_dump(by_alias=True, exclude_none=True)}
        if weight(drawn) <= LARGEST:
            return drawn
    return dict(content)


def _heading(card: Card, *, led: bool = True) -> ColumnSet:
    status = [run(lines.status(card), 40, color=_color(card), weight="Bolder")] if led else []
    title = line(*status, run(card.title, 150, weight="Bolder"))
    name = line(run(card.name, 20, font_type="Monospace", is_subtle=True), horizontal_alignment="Right")
    return ColumnSet(columns=[Column(width="stretch", items=[title]), Column(width="auto", items=[name])])


def _color(card: Card) -> Color:
    return _COLORS.get(card.status, "Default")


def _facts(facts: Sequence[Fact], size: Size) -> Container:
    """Two columns, read line by line."""
    pairs = [facts[start : start + 2] for start in range(0, len(facts), 2)]
    table = [
        ColumnSet(columns=[Column(width="stretch", items=_fact(fact, size)) for fact in pair])
        for pair in pairs
    ]
    return Container(items=list(table), spacing="Medium")


def _fact(fact: Fact, size: Size) -> list[CardElement]:
    label = line(run(fact.label, 60, size="Small", is_subtle=True))
    return [label, line(run(fact.text, size.text), spacing="None")]


# -- beside a card ----------------------------------------------------------------------------


def reply(said: Reply) -> dict[str, Any]:
    """What is said beside a card. What the person wrote is quoted, never read."""

    def body(size: Size) -> Body:
        yield line(run(said.status.shape, 2), run(said.title, 200, weight="Bolder"))
        if clean(said.quoted):
            quoted = RichTextBlock(inlines=[run(said.quoted, size.text, italic=True)])
            yield Container(items=[quoted], style="emphasis", spacing="Small")
        yield from sentence(said.text, size.text)
        for each in said.lines[: size.lines]:
            yield line(TextRun(text="•"), run(each, size.text), spacing="Small")
        yield from rows(said.choices[: size.buttons], {})
        yield from sentence(said.small, size.text, size="Small", is_subtle=True)

    return _fitted(f"{said.status.shape} {said.title}", body)


# -- a form -----------------------------------------------------------------------------------


def form(asked: Form) -> dict[str, Any]:
    """A form as a dialog's card. It comes back with its verb and its handle beside what was filled in."""
    data = {"verb": asked.verb.value, "handle": asked.handle}

    def body(size: Size) -> Body:
        yield from sentence(asked.intro, size.text)
        yield from fields(asked.inputs, size.text, size.kept)

    send = SubmitAction(title=cut(clean(paired(asked.submit)), 40) or NOTHING, style="positive", data=data)
    return _fitted(asked.title, body, actions=[send])


def filled(value: Mapping[str, Any]) -> dict[str, str]:
    """What was filled in, by input name. Fields left empty are left out; anything odd gives {}."""
    found = {name: text for name, text in value.items() if name not in _OURS and text is not None}
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in found.items()):
        return {}
    return {name: paired(text) for name, text in found.items() if text}


# -- a person's own page ----------------------------------------------------------------------


def home(page: Home) -> dict[str, Any]:
    """A person's own page, as a card: what waits for them, what they can ask for, what is under way and over."""
    link = next((choice.url for choice in page.links if choice.url), "")
    at = {"at": HOME}

    def listed(kind: List, entries: tuple[HomeLine, ...], size: Size) -> Body:
        most = min(kind.most, size.lines)
        yield _section(kind.heading)
        if not entries:
            yield from sentence(kind.empty, size.text, is_subtle=True)
        for entry in entries[:most]:
            yield _heading(entry.card)
            yield line(run(lines.stage(entry.card), size.text), spacing="None")
            yield from rows(lines.choices(entry.card, entry.handle, entry.link or link), at)
        yield from sentence(lines.more(entries, most), 100, size="Small", is_subtle=True)

    def body(size: Size) -> Body:
        known = bool(page.waiting or page.mine or page.recent or page.offers)
        yield line(run(page.greeting, 150, size="Large", weight="Bolder"))
        if not known:
            yield from sentence(page.small, size.text)
        yield from rows(page.links, at)
        if known:
            yield from listed(WAITING, page.waiting, size)
            if page.offers:
                yield _section(OFFERS)
                yield from rows(page.offers[: size.buttons], at)
            yield from listed(MINE, page.mine, size)
            yield from listed(RECENT, page.recent, size)
            if page.devices:
                yield _section(DEVICES)
                for each in lines.devices(page):
                    yield from sentence(each, 150, size="Small", is_subtle=True)
            yield from sentence(page.small, size.text, size="Small", is_subtle=True)

    return _fitted(page.greeting, body)


def _section(words: str) -> RichTextBlock:
    return line(run(words, 60, weight="Bolder"), separator=True, spacing="Medium")


# -- inside -----------------------------------------------------------------------------------


def _fitted(said: str, body: Callable[[Size], Body], **more: Any) -> dict[str, Any]:
    """The card as plain values, drawn as fully as it may be large."""
    drawn: dict[str, Any] = {}
    for size in _SIZES:
        card = AdaptiveCard(
            version=VERSION,
            fallback_text=cut(clean(paired(said)), _FALLBACK),
            body=list(body(size)),
            **more,
        )
        drawn = {"$schema": SCHEMA, **card.model_dump(by_alias=True, exclude_none=True)}
        if weight(drawn) <= LARGEST:
            break
    return drawn


def written(value: Any) -> str:
    """As it is sent to Teams: an emoji takes four bytes then, and not twelve."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def weight(drawn: Mapping[str, Any]) -> int:
    """How many bytes a card takes."""
    return len(written(drawn).encode())
