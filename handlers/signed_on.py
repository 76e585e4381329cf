"""A pass for whoever has just signed on to recover: who they are, in which browser, sealed, for ten minutes."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import flows.errors as no
from storage.seals import Keys

LASTS = timedelta(minutes=10)
_BOUND = "signed on to recover"  # what a sealed pass is bound to


@dataclass(frozen=True, slots=True)
class SignedOn:
    """Who signed on, in which browser (its hash) and when; `invitation` names the one link that may come of it."""

    person: str
    browser: str
    at: datetime
    invitation: str

    def holds(self, browser: str, now: datetime) -> bool:
        """Whether this is the browser it was made for, in time."""
        return self.browser == browser and self.at <= now < self.at + LASTS


def seal_pass(keys: Keys, signed: SignedOn) -> str:
    """As it travels with the page: nobody reads or changes it."""
    text = f"{int(signed.at.timestamp())} {signed.browser} {signed.invitation} {signed.person}"
    return urlsafe_b64encode(keys.close(text.encode(), _BOUND)).decode().rstrip("=")


def open_pass(keys: Keys, text: str) -> SignedOn:
    """What is in a pass of ours. Raises SignOnUnknown for whatever isn't one."""
    try:
        box = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        at, browser, invitation, person = keys.open(box, _BOUND).decode().split(" ", 3)
    except (ValueError, no.Tampered):
        raise no.SignOnUnknown from None
    return SignedOn(person, browser, datetime.fromtimestamp(int(at), UTC), invitation)
