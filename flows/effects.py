"""What is owed to the world once a decision is committed. The worker pays it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows.news import News


@dataclass(frozen=True, slots=True)
class SendChallenge:
    """Tell the prover that something waits on their device page."""

    person: str


@dataclass(frozen=True, slots=True)
class AskApprovers:
    """Tell each approver that their consent is asked for."""

    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Make the change, under this effect key."""

    key: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the people concerned what happened. `notice` names a function in bot/views.py."""

    people: tuple[str, ...]
    notice: str


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell the people concerned, and security's channel, on a later day. `notice` as in Tell."""

    people: tuple[str, ...]
    notice: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell a role or the security channel what happened."""

    audience: str
    notice: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StopOthers:
    """Stop whatever else is open for this person."""

    person: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Say it in chat, wherever the person it concerns is there."""

    news: News


@dataclass(frozen=True, slots=True)
class Write:
    """Say it by e-mail, to the address that the directory has of the person it concerns."""

    news: News


Effect = SendChallenge | AskApprovers | CarryOut | Tell | Remind | Announce | StopOthers | Notify | Write
