"""Distinguished names (RFC 4514) and filters (RFC 4515) as an operator writes them: read strictly."""

from __future__ import annotations

import re
from urllib.parse import quote

#: One part's type and value; parts of several values are joined by a plus.
_ONE = r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=\s*(?:\\[0-9A-Fa-f]{2}|\\[ \"#+,;<=>\\]|[^\\\",;<>+\0])+"
_PART = re.compile(rf"{_ONE}(?:\+\s*{_ONE})*")
_SPACES = re.compile(r"(?<!\\) +$")
_OWN = re.compile(r"(?:\\.|[^,\\])*")  # up to the first comma that isn't escaped
_VALUE = re.compile(r"(?:\\.|[^+\\])+")  # up to the first plus that isn't escaped
_ESCAPED = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_TEST = re.compile(
    r"[A-Za-z0-9.;:-]+[~<>]?=(?:\\[0-9A-Fa-f]{2}|[^()\\\0])*"
)  # what stands alone in parentheses


def parted(dn: str) -> tuple[str, str]:
    """A name's own part, and the name of what it is in (RFC 4514 §2.1)."""
    own = _OWN.match(dn)
    first = own[0] if own else dn
    return first, dn[len(first) + 1 :]


def written(dn: str) -> str:
    """A name without spaces around commas and equals signs. Raises ValueError for what is none.

    Those were allowed once (RFC 2253 §4), and not every server takes them.
    """
    parts: list[str] = []
    rest, more = dn.lstrip(), True
    while more:
        own, after = parted(rest)
        more = rest[len(own) : len(own) + 1] == ","
        name, _, value = (own if more else rest).partition("=")
        # A last space that is escaped belongs to the value.
        part = f"{name.strip()}={_SPACES.sub('', value.lstrip())}"
        if not _PART.fullmatch(part):
            raise ValueError(f"{dn!r} isn't a name such as ou=people,dc=example,dc=com")
        parts.append(part)
        rest = after
    return ",".join(parts)


def parts(dn: str) -> tuple[str, ...]:
    """A name's parts as they are compared: without case, escapes and needless spaces, however they were written."""
    found: list[str] = []
    while dn.strip():
        own, dn = parted(dn)
        values = sorted(_compared(each) for each in _VALUE.findall(own) if each)
        found.append("+".join(values))
    return tuple(found)


def within(dn: str, base: str) -> bool:
    """Whether a name is this one, or lies below it."""
    inner, outer = parts(dn), parts(base)
    return inner[len(inner) - len(outer) :] == outer if len(outer) <= len(inner) else False


def _compared(value: str) -> str:
    """One type and value. A plus or an equals sign that belongs to the value can't be taken for one that doesn't."""
    name, _, written = value.partition("=")
    raw = _ESCAPED.sub(lambda it: bytes.fromhex(it[1].decode()) if it[1] else it[2], written.encode())
    text = " ".join(raw.decode("utf-8", "replace").casefold().split())
    return f"{name.strip().casefold()}={quote(text)}"


def readable(filter: str) -> bool:
    """Whether this is one whole filter."""
    return _after(filter, 0) == len(filter)


def _after(text: str, start: int) -> int:
    """Where the filter ends that starts here; -1 for what is none."""
    if text[start : start + 1] != "(":
        return -1
    at, kind = start + 1, text[start + 1 : start + 2]
    if kind and kind in "&|!":
        at, inner = at + 1, 0
        while text[at : at + 1] == "(" and (at := _after(text, at)) > 0:
            inner += 1
        if at < 0 or (inner != 1 if kind == "!" else not inner):
            return -1
    elif test := _TEST.match(text, at):
        at = test.end()
    return at + 1 if text[at : at + 1] == ")" and at > start + 1 else -1
