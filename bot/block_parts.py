"""Block Kit's smallest parts: texts cut to what Slack takes, buttons, fields of a form.

People's words stand in plain_text objects and in the runs of rich text only: there they are never markup. The
control characters `&`, `<` and `>` are escaped wherever Slack would read them.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence

from slack_sdk.models.blocks import (
    ButtonElement,
    ConfirmObject,
    InputBlock,
    Option,
    OptionGroup,
    PlainTextInputElement,
    PlainTextObject,
    RichTextElementParts,
    RichTextSectionElement,
    StaticSelectElement,
)

from bot.cards import Choice, Input, Weight
from bot.texts import NOTHING, clean, cut, paired, within

VALUE = "value"  # the action id of every input: its block id says which one it is
MOST_BUTTONS = 25  # in one actions block

_LONGEST_RUN = 3000
_BUTTON, _CONFIRM, _CONFIRM_BUTTON, _OPTION, _LABEL = 75, 300, 30, 75, 2000
_LONGEST_ANSWER, _MOST_OPTIONS = 3000, 100


# -- texts ------------------------------------------------------------------------------------


def escaped(text: str, most: int) -> str:
    """A text for where Slack reads control characters: cleaned, escaped, cut, never empty."""
    return cut(clean(text), most, escape=True) or NOTHING


def plain(text: str, most: int = 3000) -> PlainTextObject:
    """A plain_text object. `:words:` stay words in it."""
    return PlainTextObject(text=escaped(text, most), emoji=False)


def gap() -> RichTextElementParts.Text:
    """What holds two runs apart."""
    return RichTextElementParts.Text(text="  ")


def run(text: str, *, bold: bool = False, code: bool = False) -> RichTextElementParts.Text:
    """A run of rich text, in which nothing is read as markup."""
    style = {name: True for name, on in (("bold", bold), ("code", code)) if on}
    return RichTextElementParts.Text(text=cut(clean(text), _LONGEST_RUN) or NOTHING, style=style or None)


def line(*runs: RichTextElementParts.Text) -> RichTextSectionElement:
    """One line of rich text."""
    return RichTextSectionElement(elements=list(runs))


# -- buttons ----------------------------------------------------------------------------------


def buttons(*rows: Sequence[Choice]) -> Iterator[list[ButtonElement]]:
    """Each row's buttons. Action ids are the verbs, counted (`ask:1`, `ask:2`) where one stands there again.

    Slack wants one red button in a row at most: the last of the dangerous ones is.
    """
    uses = Counter(choice.verb for row in rows for choice in row)
    used: Counter[str] = Counter()
    for row in rows:
        dangers = [choice for choice in row if choice.weight is Weight.DANGER]
        drawn = []
        for choice in row:
            used[choice.verb] += 1
            id = choice.verb.value if uses[choice.verb] == 1 else f"{choice.verb.value}:{used[choice.verb]}"
            drawn.append(_button(choice, id, red=bool(dangers) and choice is dangers[-1]))
        yield drawn


def _button(choice: Choice, id: str, *, red: bool) -> ButtonElement:
    style = "danger" if red else "primary" if choice.weight is Weight.PRIMARY else None
    return ButtonElement(
        text=plain(choice.label, _BUTTON),
        action_id=id,
        value=choice.handle or None,
        url=choice.url or None,
        style=style,
        confirm=_confirm(choice) if choice.confirm else None,
    )


def _confirm(choice: Choice) -> ConfirmObject:
    return ConfirmObject(
        title=plain("Are you sure?"),
        text=plain(choice.confirm, _CONFIRM),
        confirm=plain(choice.label, _CONFIRM_BUTTON),
        deny=plain("Leave it as it is", _CONFIRM_BUTTON),
        style="danger" if choice.weight is Weight.DANGER else None,
    )


# -- fields of a form -------------------------------------------------------------------------


def field(input: Input) -> InputBlock:
    """One field. What is wrong with it isn't drawn: Slack shows that itself when the form is sent."""
    return InputBlock(
        block_id=input.name,
        label=plain(input.label, _LABEL),
        hint=plain(input.help, _LABEL) if input.help else None,
        optional=not input.required,
        element=_select(input) if input.choices else _text(input),
    )


def _text(input: Input) -> PlainTextInputElement:
    longest = min(input.max_length, _LONGEST_ANSWER)
    typed = within(paired(input.value), longest)
    return PlainTextInputElement(
        action_id=VALUE,
        multiline=input.long,
        max_length=longest,
        initial_value=typed or None,
    )


def _select(input: Input) -> StaticSelectElement:
    options = [_option(value, label) for value, label in input.choices]
    chosen = next((option for option in options if option.value == input.value), None)
    groups = None
    if len(options) > _MOST_OPTIONS:  # as many again in every group, so that none has to be left out
        starts = range(0, len(options), _MOST_OPTIONS)
        groups = [_group(options, start) for start in starts]
    return StaticSelectElement(
        action_id=VALUE,
        placeholder=plain("Choose one"),
        options=None if groups else options,
        option_groups=groups,
        initial_option=chosen,
    )


def _option(value: str, label: str) -> Option:
    """What doesn't fit into the label goes on below it."""
    words, rest = clean(label)[: 4 * _OPTION].split(" "), ""
    while len(words) > 1 and len(html.escape(" ".join(words), quote=False)) > _OPTION:
        rest = f"{words.pop()} {rest}"
    description = plain(rest, _OPTION) if rest else None
    return Option(value=value, text=plain(" ".join(words), _OPTION), description=description)


def _group(options: Sequence[Option], start: int) -> OptionGroup:
    part = options[start : start + _MOST_OPTIONS]
    return OptionGroup(label=plain(f"{start + 1} to {start + len(part)}"), options=list(part))
