"""Whether a password that somebody chose may be set: what any system would refuse later, and what is guessed first.

NIST SP 800-63B-4 section 3.1.1.2: long, unlike what is common, no rules about kinds of characters. What the system
itself demands beyond that (its length, its history) is its own word, which comes back from the change.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata

from zxcvbn import zxcvbn

from flows.errors import UnfitPassword
from flows.model import Person

LEAST = 15  # characters of a password that may be used alone (section 3.1.1.2)
MOST = 128  # Active Directory takes 256 ([MS-SAMR] section 2.2.3.1), and some clients fewer
STRONG = 3  # of zxcvbn's 0 to 4: more than 10^8 guesses
BEYOND_NAMES = 8  # characters that are neither their name nor one of COMPANY
JUDGED = 72  # characters that zxcvbn looks at, whose time grows faster than the length
STORED = re.compile(r"\{[^}]*\}")  # how a directory writes a hash (RFC 2307 section 5.3)
#: Controls, formats, halves of a character, private ones, and ends of lines and paragraphs (UAX #44 §5.7.1).
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
JOINER, COLOURED = "\u200d", "\ufe0f"  # zero width joiner; the sign that what is before it is an emoji
COMPANY = ("countersign", "password", "helpdesk", "servicedesk", "welcome", "company")


async def fit(password: str, again: str, person: Person | None) -> str:
    """The password as it is set, in Unicode's form C. Raises UnfitPassword, which never holds what was typed."""
    chosen = unicodedata.normalize("NFC", password)
    if chosen != unicodedata.normalize("NFC", again):
        raise UnfitPassword("The two aren't the same. Type the new password twice.", "again")
    if any(_unseen(chosen, at) for at in range(len(chosen))):
        raise UnfitPassword(
            "It holds a character that can't be seen. Type it rather than pasting it.", "password"
        )
    if STORED.match(chosen):
        raise UnfitPassword(
            "It begins with curly brackets, which some systems take for a stored password. Begin it otherwise.",
            "password",
        )
    if len(chosen) < LEAST:
        raise UnfitPassword(
            f"It is too short: use at least {LEAST} characters, such as four words.", "password"
        )
    if len(chosen) > MOST:
        raise UnfitPassword(f"It is too long: use at most {MOST} characters.", "password")
    if await asyncio.to_thread(_easy, chosen, person):
        why = "It is too easy to guess: too common, or made of your name. Use four words that don't belong together."
        raise UnfitPassword(why, "password")
    return chosen


def _unseen(text: str, at: int) -> bool:
    """Whether a character shows nothing of itself. One that isn't known here yet does, such as a new emoji."""
    if text[at] == JOINER:  # which makes one emoji of two
        before, after = text[:at].rstrip(COLOURED)[-1:], text[at + 1 : at + 2]
        return not (_emoji(before) and _emoji(after))
    return unicodedata.category(text[at]) in UNSEEN


def _emoji(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in ("So", "Sk", "Cn")


def _easy(password: str, person: Person | None) -> bool:
    names = [person.name, person.account, *person.aliases] if person else []
    own = [word for name in names for word in re.split(r"[\W_]+", name.casefold()) if len(word) > 2]
    rest = password.casefold()
    for word in [*COMPANY, *own]:
        rest = rest.replace(word, "")
    judged = zxcvbn(password[:JUDGED], user_inputs=[*COMPANY, *own])
    return len(rest) < BEYOND_NAMES or int(judged["score"]) < STRONG
