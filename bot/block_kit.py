"""Cards, replies, forms and the Home tab for Slack: values in, Block Kit out, checked by Slack's own models.

A card's blocks keep their places through every stage: title and next mover, the number, facts, what happens then,
buttons, the quiet last line. Only the number and the buttons come and go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    RichTextBlock,
    RichTextElement,
    RichTextListElement,
    RichTextQuoteElement,
    SectionBlock,
)
from slack_sdk.models.views import View

from bot import lines
from bot.block_parts import MOST_BUTTONS, VALUE, buttons, escaped, field, gap, line, plain, run
from bot.cards import Card, Choice, Form, Home, HomeLine, Reply
from bot.lines import DEVICES, MINE, OFFERS, RECENT, WAITING, List
from bot.texts import clean, paired

_HEADER, _FACT, _TITLE, _SUBMIT, _FALLBACK = 150, 1000, 24, 24, 3000
_MOST_LINES, _MOST_ROWS = 30, 4  # of a reply: sentences, and rows of buttons


# -- a request's card -------------------------------------------------------------------------


def message(card: Card, handle: str, link: str) -> dict[str, Any]:
    """A card as a message: `text` for notifications and screen readers, `blocks` for the eye.

    `handle` is what every button carries; without one, in a room, there are none. `link` is the request's device
    page. Raises SlackObjectFormationError for a handle or link that is longer than Slack takes: neither can be cut.
    """
    parts = [
        *_severity(card, handle),
        RichTextBlock(
            elements=[_title(card, led=not lines.alarms(card, handle)), line(run(lines.stage(card)))]
        ),
        *_number(card, handle),
        *_facts(card),
        *_sentence(card.note),
        *_actions(lines.choices(card, handle, link)),
        ContextBlock(elements=[plain(card.small)]),
    ]
    return {"text": escaped(lines.spoken(card), _FALLBACK), "blocks": _drawn(parts)}


def _severity(card: Card, handle: str) -> Iterator[Block]:
    if lines.alarms(card, handle):
        yield HeaderBlock(text=plain(f"{lines.status(card)} · {card.heading}", _HEADER))


def _title(card: Card, *, led: bool = True) -> RichTextElement:
    status = [run(lines.status(card)), gap()] if led else []
    return line(*status, run(card.title, bold=True), gap(), run(card.name, code=True))


def _number(card: Card, handle: str) -> Iterator[Block]:
    """The digits alone and large. A room is never shown them, whatever the card says."""
    if card.number and handle:
        yield HeaderBlock(text=plain(card.number, _HEADER))
        yield ContextBlock(elements=[plain(lines.number_note(card))])


def _facts(card: Card) -> Iterator[Block]:
    if card.facts:
        yield SectionBlock(fields=[plain(f"{fact.label}\n{fact.text}", _FACT) for fact in card.facts])


# -- beside a card ----------------------------------------------------------------------------


def reply(said: Reply) -> dict[str, Any]:
    """A reply as a message: what the person wrote is quoted, never read."""
    top: list[RichTextElement] = [line(run(said.status.shape), gap(), run(said.title, bold=True))]
    if clean(said.quoted):
        top.append(RichTextQuoteElement(elements=[run(said.quoted)]))
    rows = [said.choices[i : i + MOST_BUTTONS] for i in range(0, len(said.choices), MOST_BUTTONS)]
    parts: list[Block] = [RichTextBlock(elements=top), *_sentence(said.text)]
    if said.lines:
        items = [line(run(sentence)) for sentence in said.lines[:_MOST_LINES]]
        parts.append(RichTextBlock(elements=[RichTextListElement(style="bullet", elements=items)]))
    parts += [ActionsBlock(elements=row) for row in buttons(*rows[:_MOST_ROWS])]
    if clean(said.small):
        parts.append(ContextBlock(elements=[plain(said.small)]))
    sentences = [f"{said.status.shape} {said.title}", said.text, *said.lines]
    return {"text": escaped("\n".join(sentences), _FALLBACK), "blocks": _drawn(parts)}


# -- a form -----------------------------------------------------------------------------------


def modal(form: Form) -> dict[str, Any]:
    """A form as a view. It comes back with its verb as callback id and its handle as private metadata."""
    parts: list[Block] = [*_sentence(form.intro), *(field(input) for input in form.inputs)]
    view = View(
        type="modal",
        callback_id=form.verb.value,
        private_metadata=form.handle,
        title=plain(form.title, _TITLE),
        submit=plain(form.submit, _SUBMIT),
        close=plain("Cancel", _SUBMIT),
        blocks=parts or [SectionBlock(text=plain(form.title))],
    )
    drawn: dict[str, Any] = view.to_dict()
    return drawn


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """What was filled in, by input name. Fields left empty are left out; anything odd about the view gives {}."""
    values = _mapping(_mapping(view).get("state")).get("values")
    found = {}
    for name, block in _mapping(values).items():
        element = _mapping(block).get(VALUE)
        chosen = _mapping(element).get("selected_option")
        text = _mapping(chosen).get("value") if chosen is not None else _mapping(element).get("value")
        if not isinstance(name, str) or not isinstance(element, Mapping):
            return {}
        if not isinstance(text, str | None) or not isinstance(chosen, Mapping | None):
            return {}
        if text:
            found[name] = paired(text)
    return found


def _mapping(thing: object) -> Mapping[Any, Any]:
    return thing if isinstance(thing, Mapping) else {}


# -- the Home tab -----------------------------------------------------------------------------


def home(page: Home) -> dict[str, Any]:
    """A person's Home tab: what waits for them, what they can ask for, what is under way, what is over.

    Whoever has nothing there and can ask for nothing isn't shown empty lists, but what to do instead.
    """
    link = next((choice.url for choice in page.links if choice.url), "")
    shown = [*page.waiting[: WAITING.most], *page.mine[: MINE.most], *page.recent[: RECENT.most]]
    pressed = [lines.choices(entry.card, entry.handle, entry.link or link) for entry in shown]
    offers = [page.offers[i : i + MOST_BUTTONS] for i in range(0, len(page.offers), MOST_BUTTONS)][
        :_MOST_ROWS
    ]
    rows = buttons(page.links[:MOST_BUTTONS], *offers, *pressed)
    links, *asks = [next(rows) for _ in range(1 + len(offers))]
    known = bool(shown or offers)
    parts: list[Block] = [HeaderBlock(text=plain(page.greeting, _HEADER))]
    parts += [] if known else _sentence(page.small)
    parts += [ActionsBlock(elements=links)] if links else []
    if known:
        parts += _list(WAITING, page.waiting, rows)
        if asks:
            parts += [DividerBlock(), _heading(OFFERS), *(ActionsBlock(elements=row) for row in asks)]
        parts += [DividerBlock(), *_list(MINE, page.mine, rows)]
        parts += [DividerBlock(), *_list(RECENT, page.recent, rows)]
        if page.devices:
            parts += [DividerBlock(), _heading(DEVICES)]
            parts += [ContextBlock(elements=[plain(each)]) for each in lines.devices(page)]
        if clean(page.small):
            parts += [DividerBlock(), ContextBlock(elements=[plain(page.small)])]
    drawn: dict[str, Any] = View(type="home", blocks=parts).to_dict()
    return drawn


def _list(kind: List, entries: tuple[HomeLine, ...], rows: Iterator[Sequence[Any]]) -> Iterator[Block]:
    yield _heading(kind.heading)
    if not entries:
        yield ContextBlock(elements=[plain(kind.empty)])
    for entry in entries[: kind.most]:
        yield RichTextBlock(elements=[_title(entry.card), line(run(lines.stage(entry.card)))])
        if row := next(rows):
            yield ActionsBlock(elements=row)
    if left_out := lines.more(entries, kind.most):
        yield ContextBlock(elements=[plain(left_out)])


def _heading(words: str) -> Block:
    return RichTextBlock(elements=[line(run(words, bold=True))])


# -- inside -----------------------------------------------------------------------------------


def _sentence(text: str) -> Iterator[Block]:
    if clean(text):
        yield SectionBlock(text=plain(text))


def _actions(row: Sequence[Choice]) -> Iterator[Block]:
    if row:
        (drawn,) = buttons(row[:MOST_BUTTONS])
        yield ActionsBlock(elements=drawn)


def _drawn(parts: Sequence[Block]) -> list[dict[str, Any]]:
    """The blocks as plain values. Each model checks itself, and raises SlackObjectFormationError."""
    return [part.to_dict() for part in parts]
