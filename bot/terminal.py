"""A card in a terminal: 80 columns, readable without colour, which only repeats shape and word."""

from __future__ import annotations

from rich.console import RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.cards import Card, Status

_WIDTH = 80
_STYLES = {
    Status.WAITING: "dim",
    Status.CHECKING: "blue",
    Status.DONE: "green",
    Status.NEEDED: "yellow",
    Status.REFUSED: "default",
    Status.DANGER: "bold red",
}


def draw(card: Card) -> RenderableType:
    """The card, part by part in the order every place keeps. `Text` throughout: nobody's words are markup."""
    style = _STYLES[card.status]
    top = Table.grid(expand=True)
    top.add_column(ratio=1)
    top.add_column(justify="right", no_wrap=True)
    head = Text.assemble((f"{card.status.shape} {card.word.capitalize()}", style), "  ", (card.title, "bold"))
    top.add_row(head, Text(card.name))
    exact = f" ({card.until.short})" if card.until else ""
    parts: list[RenderableType] = [top, Text(f"{card.stage} · {card.wait}{exact}")]
    if card.number:
        parts += [
            Padding(Text(card.number, style="bold"), (1, 4, 0, 4))
        ]  # the facts bring the blank line below
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(ratio=1)
    for fact in card.facts:
        facts.add_row(Text(fact.label), Text(fact.text))
    parts += [Padding(facts, (1, 0))]
    if card.note:
        parts.append(Text(card.note))
    also = [button.label for button in card.buttons if not button.verb.on_device]
    if also:  # nothing can be pressed here
        parts.append(Text("On the device page you can also: " + " · ".join(also), style="dim"))
    parts.append(Text(card.small, style="dim"))
    box = Table.grid(expand=True)
    for part in parts:
        box.add_row(part)
    return Constrain(box, _WIDTH)
