"""Recovery codes: for the day on which a phone is gone. Ten, each for one use, replaced as a set.

A code alone opens nothing: it goes with another factor that is bound already (SP 800-63B-4 section 4.2.2.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flows.spoken import ALPHABET, heard

CODES = 10
LENGTH = 16  # characters: 80 random bits, above the 64 of SP 800-63B-4 section 4.2.1.1
_TYPED = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Code:
    """One code, known by its salted hash (hex), and when it was used."""

    hash: str
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A person's codes. `salt` is theirs alone (hex); `request` ordered them."""

    person: str
    request: str
    salt: str
    codes: tuple[Code, ...]
    made_at: datetime

    @property
    def left(self) -> int:
        """How many can still be used."""
        return sum(code.used_at is None for code in self.codes)

    def unused(self, hash: str) -> bool:
        """Whether this is one of them that wasn't used yet."""
        return any(code.hash == hash and code.used_at is None for code in self.codes)


# -- what happened ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecoveryCodesMade:
    """A person has new codes, and the old ones are worth nothing. `request` ordered it."""

    person: str
    request: str


@dataclass(frozen=True, slots=True)
class RecoveryCodeUsed:
    """A code was used to register a browser, `beside` another factor: `sign_in_app` or `sign_on`.

    `left` can still be used.
    """

    person: str
    invitation: str
    left: int
    beside: str = "sign_in_app"


RecoveryEvent = RecoveryCodesMade | RecoveryCodeUsed


# -- codes --------------------------------------------------------------------------------------


def typed(text: str) -> str | None:
    """A code as it is hashed, however it was typed: small letters, hyphens, O for 0. None if it can't be one."""
    plain = heard(re.sub(r"[\s-]", "", text)[: LENGTH + 1])
    return plain if plain.isascii() and _TYPED.fullmatch(plain) else None


def shown(code: str) -> str:
    """A code as people read it: in groups of four."""
    return "-".join(code[at : at + 4] for at in range(0, LENGTH, 4))


def spend(codes: CodeSet, hash: str, now: datetime) -> CodeSet:
    """The set after this code was used. KeyError unless it was unused."""
    if not codes.unused(hash):
        raise KeyError("that code isn't an unused one")
    after: Sequence[Code] = [
        replace(code, used_at=now) if code.hash == hash else code for code in codes.codes
    ]
    return replace(codes, codes=tuple(after))
