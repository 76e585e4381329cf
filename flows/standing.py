"""How a person stands: who prompted them lately, how often an answer was wrong, and whether they are frozen.

It is counted for each person, whatever was asked, where, and under how many requests: a new challenge, another
channel or another request type forgets nothing. Only their own success does (SP 800-63B-4 section 3.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.model import GUESSES, Changing, Wrong

PROMPTS = {timedelta(minutes=10): 3, timedelta(days=1): 10}  # the most by one initiator in such a time
FAILURES = 10  # wrong numbers and codes within a day, then codes wait
#: Since the last success; then codes are locked until security lifts it. The standard allows 100.
FAILURES_IN_ALL = 50
HOUR = timedelta(hours=1)
#: The most that one person may ask of others within an hour: to agree, or by asking in somebody else's name.
OF_OTHERS = {"approvers": 10, "others": 30}
DAY = timedelta(days=1)
#: What a person's own "I didn't ask for this" comes to, unless the settings say otherwise.
FREEZE = timedelta(hours=24)
UNCONFIRMED = timedelta(hours=1)  # a freeze by somebody else, unless security confirms it
QUIET = timedelta(hours=1)  # security hears of the same person's prompts once in this time


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request that somebody started for this person to confirm."""

    by: str
    at: datetime


@dataclass(frozen=True)
class Standing(Changing):
    """One person's counters and freeze. Times are aware UTC; `waiting` is the request that asks them to confirm."""

    person: str
    prompts: tuple[Prompt, ...] = ()
    failures: tuple[datetime, ...] = ()
    failed: int = 0
    bothered: tuple[Prompt, ...] = ()  # what this person asked of others; `by` is one of OF_OTHERS
    waiting: str = ""
    waiting_until: datetime | None = None
    alarmed_at: datetime | None = None
    frozen_until: datetime | None = None
    frozen_by: str = ""
    frozen_at: datetime | None = None  # when somebody said so last
    ordered: str = ""  # the request that froze them or let them go on last

    def frozen(self, now: datetime) -> bool:
        """True while this person can neither ask, confirm, agree nor be asked for."""
        return self.frozen_until is not None and now < self.frozen_until

    def prompted_enough(self, by: str, now: datetime) -> bool:
        """True when this initiator may not start another request for them yet."""
        times = [prompt.at for prompt in self.prompts if prompt.by == by]
        return any(sum(now - at < span for at in times) >= most for span, most in PROMPTS.items())

    def bothered_enough(self, whom: str, now: datetime) -> bool:
        """True when this person has asked enough of others for now."""
        return sum(now - each.at < HOUR for each in self.bothered if each.by == whom) >= OF_OTHERS[whom]

    def locked(self, now: datetime) -> bool:
        """True while numbers and codes don't count, the right ones included."""
        return self.failed >= FAILURES_IN_ALL or sum(now - at < DAY for at in self.failures) >= FAILURES

    def asked_elsewhere(self, now: datetime) -> str:
        """The request that waits for them already, or empty: one challenge at a time."""
        return self.waiting if self.waiting_until is not None and now < self.waiting_until else ""


# -- what happened ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonFrozen:
    """Every role of this person rests until then. `by` froze them, through the request named."""

    person: str
    by: str
    request: str
    until: datetime


@dataclass(frozen=True, slots=True)
class FreezeLifted:
    """Security let this person go on, by a request that says why: freeze and lock are gone."""

    person: str
    request: str


@dataclass(frozen=True, slots=True)
class CodesLocked:
    """Too many wrong numbers or codes: they don't count for now. `failed`: how many since the last success."""

    person: str
    failed: int


StandingEvent = PersonFrozen | FreezeLifted | CodesLocked


# -- how it changes -----------------------------------------------------------------------------


def prompted(standing: Standing, by: str, request: str, until: datetime, now: datetime) -> Standing:
    """Somebody started a request that waits for this person until then."""
    prompts = (*_within(DAY, standing.prompts, now), Prompt(by, now))
    return standing.but({"prompts": prompts, "waiting": request, "waiting_until": until})


def bothers(standing: Standing, whom: str, now: datetime) -> Standing:
    """This person asked something of others. No success forgets it."""
    return standing.but({"bothered": (*_within(HOUR, standing.bothered, now), Prompt(whom, now))})


def answered(standing: Standing, request: str) -> Standing:
    """The request that waited for them waits no more."""
    if standing.waiting != request:
        return standing
    return standing.but({"waiting": "", "waiting_until": None})


def failed(standing: Standing, wrong: Wrong, now: datetime) -> Standing:
    """One more wrong answer."""
    if wrong not in GUESSES:
        return standing
    lately = [at for at in standing.failures if now - at < DAY][-FAILURES + 1 :]
    return standing.but({"failures": (*lately, now), "failed": standing.failed + 1})


def succeeded(standing: Standing) -> Standing:
    """They proved themself: what was counted before is over."""
    return standing.but({"prompts": (), "failures": (), "failed": 0})


def frozen(standing: Standing, by: str, request: str, until: datetime, now: datetime) -> Standing:
    """Frozen until then, or longer if they were already."""
    said = standing.but({"ordered": request, "frozen_at": now})
    if standing.frozen_until is not None and standing.frozen_until >= until:
        return said
    return said.but({"frozen_until": until, "frozen_by": by})


def lifted(standing: Standing, request: str) -> Standing:
    """Security looked into it: freeze, lock and counts are gone."""
    return succeeded(standing).but(
        {"frozen_until": None, "frozen_at": None, "frozen_by": "", "ordered": request}
    )


def _within(span: timedelta, prompts: Iterable[Prompt], now: datetime) -> tuple[Prompt, ...]:
    return tuple(prompt for prompt in prompts if now - prompt.at < span)
