"""Who is on call now, by a file or by a system of the company's own that answers signed.

A schedule alone gives no authority: whoever it names counts only if they are in a group or hold a role as well.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handlers.answers import whole
from handlers.changes import Uncertain, read
from handlers.findings import Finding, Level
from handlers.people import Schedule
from handlers.ports import Unreachable
from handlers.rota import Rota
from handlers.rota import read as rota
from handlers.settings import Settings, SettingsError, load_config, problems
from handlers.signed import Signed, bears, session, signature
from storage.store import utc_now

log = structlog.get_logger()

LARGEST = 16 * 1024  # bytes of one answer
SKEW = timedelta(minutes=5)  # between the other clock and ours
RECENT = timedelta(minutes=1)  # for which an answer isn't asked for again
PAUSE = timedelta(seconds=10)  # in which a system that failed isn't asked
LONGEST = timedelta(days=1)  # for which an answer counts, whatever it says of itself
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
SENT = re.compile(r"[0-9]{1,12}")

Clock = Callable[[], datetime]
Among = Field(
    pattern=r"^(group:\S([^\r\n]{0,98}\S)?|role:[a-z][a-z0-9_]{0,39})$",
    description="Of whom those on call have to be: `group:NAME` or `role:NAME`.",
)


class Listed(BaseModel):
    """A schedule in a file. Raises pydantic's ValidationError for what can't be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    among: Annotated[str, Among]
    file: Path = Field(description="The YAML file with the rotation or the shifts.")


class Served(Signed):
    """A schedule that is asked for. Raises pydantic's ValidationError for what can't be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    among: Annotated[str, Among]


class Told(BaseModel):
    """An answer. `until`: when it counts no more."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    on_call: frozenset[Annotated[str, Field(min_length=1, max_length=256)]] = Field(max_length=100)
    until: str


class File:
    """A schedule that was read from a file at start."""

    def __init__(self, among: str, rota: Rota, clock: Clock) -> None:
        self.among = among
        self._rota = rota
        self._clock = clock

    async def on_call(self) -> frozenset[str]:
        """Whose turn it is now."""
        return self._rota.at(self._clock())


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that was believed, and until when it is."""

    people: frozenset[str]
    until: datetime


class Webhook:
    """A schedule that is asked for by signed GET, and believed when the answer is signed, ours and fresh."""

    def __init__(self, name: str, given: Served, clock: Clock = utc_now) -> None:
        self.among = given.among
        self._name = name
        self._given = given
        self._keys = given.keys
        self._tls: ssl.SSLContext = given.tls
        self._clock = clock
        self._turn = asyncio.Lock()
        self._held: Held | None = None
        self._ask_again = datetime.min.replace(tzinfo=UTC)
        self._web: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Hang up."""
        if self._web is not None:
            await self._web.close()

    async def on_call(self) -> frozenset[str]:
        """Who is on call, as was told within a minute; while nothing is told, by the last answer until that ends."""
        async with self._turn:  # one question for everybody who waits
            if self._clock() >= self._ask_again:
                await self._renew()
        held = self._held
        return held.people if held is not None and self._clock() < held.until else frozenset()

    async def _renew(self) -> None:
        try:
            self._held = await self.ask()
            self._ask_again = min(self._clock() + RECENT, self._held.until)
        except Unreachable as why:
            self._ask_again = self._clock() + PAUSE
            log.error("on_call_not_told", schedule=self._name, why=str(why))

    async def ask(self) -> Held:
        """Ask now. Raises Unreachable for no answer, and for one that isn't believed.

        1 sent by whoever was asked, not from elsewhere · 2 no larger than it may be · 3 the answer to this question,
        of now · 4 signed over all of it · 5 of the right shape · 6 not over yet.
        """
        id = f"on_call:{self._name}:{secrets.token_hex(16)}"
        headers, body = await self._answered(id)  # 1, 2
        sent = headers.get("webhook-timestamp", "")
        now = self._clock()
        if headers.get("webhook-id") != id:  # 3
            raise Unreachable(
                "It is the answer to another question: `webhook-id` has to be the one that was sent."
            )
        if not SENT.fullmatch(sent) or abs(int(sent) - now.timestamp()) > SKEW.total_seconds():
            raise Unreachable("Its `webhook-timestamp` isn't of now. Set the clocks right.")
        if not bears(headers.get("webhook-signature", ""), self._keys, id, int(sent), body):  # 4
            raise Unreachable("Its signature isn't made with our secret. Check `secret` at both ends.")
        held = _read(body)  # 5
        if held.until <= now:  # 6
            raise Unreachable("Its `until` is over already.")
        return Held(held.people, min(held.until, now + LONGEST))

    async def _answered(self, id: str) -> tuple[Mapping[str, str], bytes]:
        if self._web is None:  # made at the first use, since it belongs to a loop
            self._web = session(self._given, self._tls)
        sent = int(self._clock().timestamp())
        asked = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "Countersign",
            "webhook-id": id,
            "webhook-timestamp": str(sent),
            "webhook-signature": signature(self._keys, id, sent, b""),
        }
        try:
            async with self._web.get(self._given.url, headers=asked, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Unreachable(f"It answers HTTP {answer.status}.")
                return answer.headers, await whole(answer.content, LARGEST)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise Unreachable(f"It can't be asked ({type(error).__name__}).") from None


def _read(body: bytes) -> Held:
    try:
        told = Told.model_validate(read(body))
        until = datetime.fromisoformat(told.until)
        if until.tzinfo is not None:
            return Held(told.on_call, until.astimezone(UTC))
    except (Uncertain, ValueError, OverflowError):  # pydantic's error is a ValueError
        pass
    raise Unreachable("It isn't `on_call`, a list of people, and `until`, a time with its zone.")


def schedules(entries: Mapping[str, Mapping[str, Any]], clock: Clock = utc_now) -> dict[str, Schedule]:
    """The schedules that the configuration names. Raises SettingsError with the place of all that is wrong."""
    made: dict[str, Schedule] = {}
    wrong: list[str] = []
    for name, entry in entries.items():
        try:
            made[name] = _schedule(name, entry, clock)
        except SettingsError as error:
            wrong.append(str(error))
    if wrong:
        raise SettingsError("\n".join(wrong))
    return made


def _schedule(name: str, entry: Mapping[str, Any], clock: Clock) -> Schedule:
    place = f"on_call.{name}"
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"{place}: a schedule's name has small letters, digits and underscores. Rename it."
        )
    try:
        if "url" in entry:
            return Webhook(name, Served.model_validate(entry), clock)
        listed = Listed.model_validate(entry)
    except ValidationError as error:
        raise SettingsError(problems(error, place)) from None
    return File(listed.among, rota(listed.file), clock)


async def findings(settings: Settings) -> list[Finding]:
    """The doctor's look at each schedule. Empty where there is none."""
    try:
        entries = load_config(settings.config).on_call
    except SettingsError:  # said elsewhere
        return []
    return [await _looked(f"on call: {name}", name, entry) for name, entry in entries.items()]


async def _looked(check: str, name: str, entry: Mapping[str, Any]) -> Finding:
    try:
        schedule = _schedule(name, entry, utc_now)
    except SettingsError as error:
        return Finding(check, Level.FAIL, str(error), "Mend the place named.")
    if not isinstance(schedule, Webhook):
        return _seen(check, await schedule.on_call())
    try:
        return _seen(check, (await schedule.ask()).people)
    except Unreachable as why:
        return Finding(check, Level.FAIL, str(why), "Until it answers, nobody is on call.")
    finally:
        await schedule.close()


def _seen(check: str, people: frozenset[str]) -> Finding:
    if people:
        return Finding(check, Level.PASS, f"{', '.join(sorted(people))} now")
    return Finding(check, Level.WARN, "nobody is on call now", "Close the gap, if it is one.")
