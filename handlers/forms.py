"""What people fill in, read strictly: every answer belongs to a field, fits it, and holds no trick characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flows.digest import JUSTIFICATION
from flows.errors import MissingAnswer, UnreadableAnswer
from flows.model import Field, Playbook

#: The field that a playbook with `justification: true` adds to its form.
WHY = Field(JUSTIFICATION, "Why is this needed?", "One sentence that an approver can judge.", personal=True)

_REFERENCE = re.compile(r"[A-Za-z0-9_.:@/-]{1,100}")


@dataclass(frozen=True, slots=True)
class Form:
    """A read form: `parameters` enter the evidence as they are, `texts` as salted commitments."""

    parameters: Mapping[str, str]
    texts: Mapping[str, str]


def fields(playbook: Playbook) -> tuple[Field, ...]:
    """Every field of a playbook's form, the justification included."""
    return (*playbook.fields, WHY) if playbook.justification else playbook.fields


def read_form(
    playbook: Playbook,
    answers: Mapping[str, str],
    known: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Form:
    """The answers, sorted and cleaned. Raises MissingAnswer or UnreadableAnswer naming the field's label.

    `known`: what may be referred to, by the name of a reference field.
    """
    form = {field.name: field for field in fields(playbook)}
    for name in answers:
        if name not in form:
            raise UnreadableAnswer(f"{name!r} isn't a field of this form.")
    parameters: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, field in form.items():
        answer = clean(answers.get(name, ""))
        if not answer:
            if field.required:
                raise MissingAnswer(f"It is: {field.label}", name)
            continue
        _fits(field, answer, known.get(name))
        (texts if field.committed else parameters)[name] = answer
    return Form(parameters, texts)


def _fits(field: Field, answer: str, known: Collection[str] | None) -> None:
    if len(answer) > field.max_length:
        raise UnreadableAnswer(f"“{field.label}” has at most {field.max_length} characters.", field.name)
    if field.choices and answer not in field.choices:
        raise UnreadableAnswer(f"“{field.label}” is one of: {', '.join(field.choices)}.", field.name)
    if field.reference and (not _REFERENCE.fullmatch(answer) or (known is not None and answer not in known)):
        raise UnreadableAnswer(f"“{field.label}” isn't a known reference.", field.name)


def clean(text: str) -> str:
    """People's text without control, bidirectional and zero-width characters, in one Unicode form."""
    kept = (c if c not in "\r\n\t" else " " for c in unicodedata.normalize("NFC", text))
    return " ".join(
        "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn")).split()
    )
