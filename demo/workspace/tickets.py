"""What an interaction hands the app for a while: a trigger_id to open a modal with, a response_url to answer to."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from demo.workspace.installed import Pace
from demo.workspace.people import HOME, Json


class ApiError(Exception):
    """Slack answers {"ok": false, "error": code} and `more` beside it."""

    def __init__(self, code: str, **more: Json | str | list[str]) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


@dataclass(slots=True)
class _Trigger:
    user: str
    until: float
    used: bool = False


@dataclass(slots=True)
class ReplyTo:
    """What a response_url leads to: a conversation, the person who sees the answer, the message it began at."""

    user: str
    channel: str
    ts: str
    until: float
    uses: int


class Tickets:
    """Everything handed out, with its end."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self.pace = pace
        self.url = ""  # where the workspace is reached, http://localhost:…
        self._clock = clock
        self._triggers: dict[str, _Trigger] = {}
        self._replies: dict[str, ReplyTo] = {}

    def trigger(self, user: str) -> str:
        """A new trigger_id for something this user did."""
        id = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**11)}.{secrets.token_hex(16)}"
        self._triggers[id] = _Trigger(user, self._clock() + self.pace.trigger)
        return id

    def exchange(self, trigger_id: object) -> str:
        """The user behind a trigger_id, once. Raises ApiError."""
        found = self._triggers.get(trigger_id) if isinstance(trigger_id, str) else None
        if found is None:
            raise ApiError("invalid_trigger_id")
        if found.used:
            raise ApiError("exchanged_trigger_id")
        if self._clock() > found.until:
            raise ApiError("expired_trigger_id")
        found.used = True
        return found.user

    def response_url(self, user: str, channel: str, ts: str = "") -> str:
        """A new response_url; `ts` is the message it may replace, if any."""
        key = secrets.token_urlsafe(18)
        until = self._clock() + self.pace.url_life
        self._replies[key] = ReplyTo(user, channel, ts, until, self.pace.url_uses)
        return f"{self.url}/actions/{HOME.id}/{key}"

    def redeem(self, key: str) -> ReplyTo:
        """Use a response_url once more. Raises ApiError."""
        found = self._replies.get(key)
        if found is None:
            raise ApiError("invalid_url")
        if self._clock() > found.until:
            raise ApiError("Expired url")
        if found.uses <= 0:
            raise ApiError("used_url")
        found.uses -= 1
        return found
