"""Texts as any chat may show them: nothing invisible, nothing broken in two, no longer than it takes."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

NOTHING = "—"  # stands where a text is empty, which a platform would refuse

_INVISIBLE = ("Cf", "Cc", "Co", "Cs")


def clean(text: str) -> str:
    """A text as it may be shown: nothing invisible or reordering, single spaces, its lines kept."""
    if text.isprintable():
        return " ".join(text.split())
    kept = "".join(c if c == "\n" or unicodedata.category(c) not in _INVISIBLE else " " for c in text)
    lines = (" ".join(line.split()) for line in kept.split("\n"))
    return "\n".join(line for line in lines if line)


def cut(text: str, most: int, *, escape: bool = False) -> str:
    """A text of at most `most` UTF-16 units, ended by an ellipsis where something is left out.

    With `escape`, for where Slack reads control characters; none of them is broken in two.
    """
    whole = html.escape(text, quote=False) if escape else text
    if len(whole) <= (most if whole.isascii() else most // 2):
        return whole
    begins = text[: most + 1]
    pieces = [html.escape(c, quote=False) for c in begins] if escape else list(begins)
    if (shown := within(pieces, most)) == whole:
        return whole
    return f"{within(pieces, most - 1).rstrip()}…" if shown else "…"


def within(pieces: Iterable[str], most: int) -> str:
    """As many whole pieces as fit into `most` UTF-16 units."""
    taken = []
    for piece in pieces:
        most -= sum(2 if c > "\uffff" else 1 for c in piece)
        if most < 0:
            break
        taken.append(piece)
    return "".join(taken)


def paired(text: str) -> str:
    """A text without the halves of characters that JSON can carry and UTF-8 can't."""
    return text.encode("utf-8", "ignore").decode("utf-8")
