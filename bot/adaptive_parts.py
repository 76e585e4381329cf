"""Adaptive Cards' smallest parts: runs of text that nothing reads as markup, buttons, fields of a form.

Teams reads a TextBlock as markdown, and functions such as {{DATE}} in it. A TextRun is shown as it is written, so
every word stands in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from microsoft_teams.cards import (
    Action,
    ActionSet,
    AdaptiveCard,
    CardElement,
    ChoiceSetInput,
    Container,
    ExecuteAction,
    OpenUrlAction,
    RichTextBlock,
    ShowCardAction,
    SubmitAction,
    TextInput,
    TextRun,
)
from microsoft_teams.cards import (
    Choice as Option,
)

from bot.cards import Choice, Input, Verb, Weight
from bot.texts import NOTHING, clean, cut, paired

VERSION: Literal["1.5"] = "1.5"
MOST_ACTIONS = 6  # that Teams shows in one row
FETCH: Mapping[str, str] = {"type": "task/fetch"}  # how a button asks for a dialog
DIALOGS = frozenset({Verb.ASK_FORM, Verb.ASK_AGAIN})  # presses that may open one
_LABEL, _OPTION, _ANSWER, _MOST_OPTIONS = 75, 100, 3000, 100
_FILTERED = 12  # choices from which on a list can be searched

Style = Literal["default", "positive", "destructive"]
Color = Literal["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]


# -- texts ------------------------------------------------------------------------------------


def run(text: str, most: int, **looks: Any) -> TextRun:
    """A run of text, cut to `most` characters."""
    return TextRun(text=cut(clean(paired(text)), most) or NOTHING, **looks)


def line(*runs: TextRun, **looks: Any) -> RichTextBlock:
    """Runs beside each other."""
    spaced: list[TextRun] = []
    for each in runs:
        spaced += [TextRun(text="  "), each] if spaced else [each]
    return RichTextBlock(inlines=spaced, **looks)


def sentence(text: str, most: int, **looks: Any) -> Iterator[RichTextBlock]:
    """A sentence of its own; nothing where there is none."""
    if clean(text):
        yield RichTextBlock(inlines=[run(text, most, **looks)])


# -- buttons ----------------------------------------------------------------------------------


def rows(choices: Sequence[Choice], extra: Mapping[str, str]) -> Iterator[ActionSet]:
    """Buttons, as many in a row as Teams shows, the last dangerous one red. `extra` goes back with each."""
    dangers = [choice for choice in choices if choice.weight is Weight.DANGER]
    drawn = [_button(choice, extra, red=bool(dangers) and choice is dangers[-1]) for choice in choices]
    for start in range(0, len(drawn), MOST_ACTIONS):
        yield ActionSet(actions=drawn[start : start + MOST_ACTIONS])


def _button(choice: Choice, extra: Mapping[str, str], *, red: bool) -> Action:
    title = cut(clean(paired(choice.label)), _LABEL) or NOTHING
    style: Style = "destructive" if red else "positive" if choice.weight is Weight.PRIMARY else "default"
    if not choice.confirm:
        return _plain(choice, extra, title, style)
    real = _plain(choice, extra, title, style)
    body: list[CardElement] = [*sentence(choice.confirm, 500), ActionSet(actions=[real])]
    return ShowCardAction(title=title, style=style, card=AdaptiveCard(version=VERSION, body=body))


def _plain(choice: Choice, extra: Mapping[str, str], title: str, style: Style) -> Action:
    if choice.url:
        return OpenUrlAction(title=title, style=style, url=choice.url)
    data = {"verb": choice.verb.value, "handle": choice.handle, **extra}
    if choice.verb in DIALOGS:
        return SubmitAction(title=title, style=style, data={**data, "msteams": FETCH})
    older = SubmitAction(title=title, style=style, data=data)
    return ExecuteAction(title=title, style=style, verb=choice.verb.value, data=data, fallback=older)


# -- fields of a form -------------------------------------------------------------------------


def fields(inputs: Iterable[Input], most: int, kept: int) -> Iterator[CardElement]:
    """Every field, what it is for above it, and below it what is wrong with it, in `most` characters each.

    What was typed stands there again if it has no more characters than `kept`.
    """
    for each in inputs:
        parts: list[CardElement] = [_select(each, most) if each.choices else _text(each, most, kept)]
        parts += sentence(each.help, min(most, 500), size="Small", is_subtle=True)
        parts += sentence(each.error, min(most, 500), size="Small", weight="Bolder", color="Attention")
        yield Container(items=parts, spacing="Medium")


def _text(input: Input, most: int, kept: int) -> TextInput:
    longest = min(input.max_length, _ANSWER)
    typed = paired(input.value)[:longest]
    return TextInput(
        id=input.name,
        label=_label(input, most),
        is_required=input.required,
        error_message="This needs an answer.",
        is_multiline=input.long,
        max_length=longest,
        value=typed if 0 < len(typed) <= kept else None,
    )


def _select(input: Input, most: int) -> ChoiceSetInput:
    shown = min(most, _OPTION)
    options = [
        Option(title=cut(clean(label), shown) or NOTHING, value=value) for value, label in input.choices
    ]
    known = {value for value, _ in input.choices}
    return ChoiceSetInput(
        id=input.name,
        label=_label(input, most),
        is_required=input.required,
        error_message="Choose one.",
        style="filtered" if len(options) > _FILTERED else "compact",
        choices=options[:_MOST_OPTIONS],
        placeholder="Choose one",
        value=input.value if input.value in known else None,
    )


def _label(input: Input, most: int) -> str:
    return cut(clean(paired(input.label)), min(most, 200)) or NOTHING
