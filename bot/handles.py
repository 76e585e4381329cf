"""What a button carries: a sealed word that only we can make and read, good for one person in one conversation.

Whoever holds a platform's signing secret can send any click, but not one on a card that we never put there. A handle
is no authority all the same: who may do what is decided when it is pressed.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import flows.errors as no
from flows.accounts import Account
from handlers.posted import Place
from storage.seals import Keys

CONNECT_WITHIN = timedelta(minutes=15)
LONGEST_NAME = 120  # as playbooks/connect_account.yaml takes it


@dataclass(frozen=True, slots=True)
class Handle:
    """Whom something was offered to, and what: a request that stands, or a playbook to ask for.

    Nobody in particular, on a room's card, which can only be looked at. `subject` is whom it is asked for, `message`
    the message that becomes the request's card, “conversation message”.
    """

    person: str = ""
    request: str = ""
    playbook: str = ""
    subject: str = ""
    message: str = ""


def place_of(at: Account | Place, conversation: str) -> str:
    """What a handle is bound to besides its person: the workspace of an account or a card, and the conversation."""
    return f"{at.platform}/{at.workspace}/{conversation}"


class Handles:
    """Makes and reads handles. `place` is where it stands, as `place_of` writes it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def make(self, handle: Handle, place: str) -> str:
        """A handle as text, about 150 characters."""
        said = {name: value for name, value in asdict(handle).items() if value}
        return _text(self._keys.close(json.dumps(said).encode(), f"card:{place}"))

    def read(self, text: str, place: str, person: str) -> Handle:
        """What this person pressed there. Raises StrangeCard for what we never put there for them."""
        try:
            said = json.loads(self._keys.open(_bytes(text), f"card:{place}"))
        except (no.Tampered, ValueError):
            raise no.StrangeCard from None
        handle = Handle(**said)
        if handle.person != person:
            raise no.StrangeCard
        return handle

    # -- the link that connects an account ------------------------------------------------------

    def connecting(self, account: Account, shown: str, now: datetime) -> str:
        """A token for the link that asks a device whose account this is. `shown` is the name it has in the chat."""
        said = [
            account.platform,
            account.workspace,
            account.id,
            shown[:LONGEST_NAME],
            (now + CONNECT_WITHIN).timestamp(),
        ]
        return _text(self._keys.close(json.dumps(said).encode(), "connect"))

    def connected(self, token: str, now: datetime) -> tuple[Account, str]:
        """The account and its shown name. Raises ConnectionLinkUnknown, also when its time is over."""
        try:
            platform, workspace, id, shown, until = json.loads(self._keys.open(_bytes(token), "connect"))
        except (no.Tampered, ValueError):
            raise no.ConnectionLinkUnknown from None
        if now.timestamp() >= until:
            raise no.ConnectionLinkUnknown
        return Account(platform, workspace, id), shown


def _text(box: bytes) -> str:
    return base64.urlsafe_b64encode(box).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for what isn't base64url."""
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
