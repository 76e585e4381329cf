"""Text, JSON and forms, read as strictly as their standards allow: one way to read a body, or none.

Two programs that read the same bytes differently are how a signed request comes to mean something else. So what
may be read in two ways (a key twice, a number too large, half a character) isn't read at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn
from urllib.parse import unquote_to_bytes

DEEPEST: Final = 32  # containers within containers
MOST_FIELDS: Final = 64  # of a form
LARGEST_NUMBER: Final = 2**53  # beyond it a reader that counts in doubles sees another number

#: Why something was refused: these words, and nothing of what was sent, may be logged.
Reason = Literal[
    "content type", "packed", "too large", "too slow", "broken off",
    "header missing", "header twice", "header shape", "too old", "too early", "signature",
    "encoding", "json", "form", "depth", "key twice", "number", "text",
    "host", "token", "key unknown", "keys unavailable", "service url", "tenant",
    "kind", "user", "team", "channel", "event", "actions", "message", "view", "command", "shape",
]  # fmt: skip


class Refused(Exception):
    """This request is refused. `status` is a 4xx; `reason` a fixed word that holds nothing of what was sent."""

    def __init__(self, status: int, reason: Reason) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


def read_text(body: bytes) -> str:
    """The body as text. Raises Refused(400) unless it is UTF-8 (RFC 3629: no overlong forms, no surrogates)."""
    try:
        return body.decode("utf-8", "strict")
    except UnicodeDecodeError:
        pass  # raised below, so that no exception that holds the body travels with the refusal
    raise Refused(400, "encoding")


def read_json(text: str) -> dict[str, Any]:
    """One JSON object (RFC 8259): no key twice, no NaN, at most 32 deep. Raises Refused(400)."""
    if text.count("[") + text.count("{") > DEEPEST and _too_deep(text):
        raise Refused(400, "depth")
    try:
        found = _DECODER.decode(text)
    except ValueError:  # JSONDecodeError, or a whole number of thousands of digits
        found = None
    if not isinstance(found, dict):
        raise Refused(400, "json")
    return found


def read_form(text: str) -> dict[str, str]:
    """A form's fields (application/x-www-form-urlencoded): each once, at least one. Raises Refused(400).

    Names are plain, never escaped; values are UTF-8 behind their escapes.
    """
    if _FORM.fullmatch(text) is None:
        raise Refused(400, "form")
    pairs = [pair.partition("=") for pair in text.split("&")]
    fields = {name: _unescaped(value) for name, _, value in pairs}
    if len(fields) != len(pairs):
        raise Refused(400, "key twice")
    return fields


def check_values(payload: Mapping[str, Any]) -> None:
    """Every text a text, every number a number, at most 32 deep; looked at level by level. Raises Refused(400)."""
    level: list[Any] = [payload]
    for depth in range(1, DEEPEST + 2):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if not _is_text(value):
                    raise Refused(400, "text")
            elif isinstance(value, dict | list):
                if depth > DEEPEST:
                    raise Refused(400, "depth")
                if isinstance(value, dict):
                    below += value
                    below += value.values()
                else:
                    below += value
            elif not _is_plain(value):
                raise Refused(400, "number")
        level = below


def _unescaped(value: str) -> str:
    value = value.replace("+", " ")
    if "%" not in value:
        return value
    try:
        return unquote_to_bytes(value).decode("utf-8", "strict")
    except UnicodeDecodeError:
        pass
    raise Refused(400, "form")


def _is_text(value: str) -> bool:
    """Characters only: a lone surrogate (`\\ud800`) can't be stored, and neither can NUL."""
    if value.isascii():
        return "\0" not in value
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _is_plain(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return True
    return isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER  # infinite and NaN aren't either


def _too_deep(text: str) -> bool:
    """Whether the brackets outside strings go deeper than they may. A string that never ends swallows the rest."""
    depth = 0
    for found in _BRACKET.finditer(text):
        depth += 1 if found[1] in "[{" else -1
        if depth > DEEPEST:
            return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(400, "key twice")
    return found


def _no_such_number(name: str) -> NoReturn:
    raise Refused(400, "number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_such_number)
# possessive, so that no text makes it try twice
_BRACKET = re.compile(r"""(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}])""", re.DOTALL)
_FIELD = r"[a-z][a-z0-9_]{0,39}=(?:[!-$'-~]++|%[0-9A-Fa-f]{2})*+"
_FORM = re.compile(rf"{_FIELD}(?:&{_FIELD}){{0,{MOST_FIELDS - 1}}}")


# -- shapes: the smallest steps -----------------------------------------------------------------


def object_of(value: object, reason: Reason) -> dict[str, Any]:
    """A value that has to be an object. Raises Refused(400)."""
    if not isinstance(value, dict):
        raise Refused(400, reason)
    return value


def objects_of(value: object, reason: Reason) -> list[dict[str, Any]]:
    """A value that has to be a list of objects. Raises Refused(400)."""
    if not isinstance(value, list):
        raise Refused(400, reason)
    return [object_of(each, reason) for each in value]


def need(of: Mapping[str, Any], name: str, pattern: re.Pattern[str], reason: Reason) -> str:
    """A text of this pattern, which has to be there. Raises Refused(400)."""
    value = of.get(name)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise Refused(400, reason)
    return value


def may(of: Mapping[str, Any], name: str, pattern: re.Pattern[str], reason: Reason) -> None:
    """The same, if it is there at all. Raises Refused(400)."""
    if of.get(name) is not None:
        need(of, name, pattern, reason)
