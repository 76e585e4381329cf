"""Who is on call, as a YAML file says: people who take turns, or a list of shifts. Judged whole when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from handlers.playbooks.page import duration
from handlers.playbooks.sheet import Loc, Sheet
from handlers.settings import SettingsError

#: What is to be written under each key: the remedy where it is missing or wrong.
REMEDIES: Mapping[str, str] = {
    "timezone": "Write where these times are meant, such as `Europe/Stockholm`.",
    "rotation": "Say below it which `people` take turns, since when (`begins`) and how long `each` of them.",
    "people": "List who takes turns, in order, by person id or account.",
    "begins": "Write when the first turn begins, such as `2026-01-05 09:00`.",
    "each": "Write how long a turn is, from `1 hour` on, such as `7 days`.",
    "shifts": "List shifts, each with `person`, `from` and `until`.",
    "person": "Write who, by person id or account; in quotes if it looks like a number.",
    "from": "Write when the shift begins, such as `2026-01-05 09:00`.",
    "until": "Write when the shift ends, later than it begins, such as `2026-01-12 09:00`.",
}
Who = Annotated[str, Field(pattern=r"^\S{1,256}$")]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Rotation(_Block):
    people: Annotated[list[Who], Field(min_length=1, max_length=100)]
    begins: str
    each: str


class _Shift(_Block):
    person: Who
    begins: str = Field(alias="from")
    until: str
    timezone: str | None = None


class _Page(_Block):
    timezone: str
    rotation: _Rotation | None = None
    shifts: Annotated[list[_Shift], Field(min_length=1)] | None = None


class Rota(Protocol):
    """Whose turn it is."""

    def at(self, now: datetime) -> frozenset[str]:
        """Ids or accounts of those on call at a moment; nobody's in a gap."""
        ...


@dataclass(frozen=True, slots=True)
class Rotation:
    """People in turn since `begins`. Turns change by the clock on the wall of `zone`, also across summer time."""

    people: Sequence[str]
    begins: datetime  # without a zone: what that clock shows
    each: timedelta
    zone: ZoneInfo

    def at(self, now: datetime) -> frozenset[str]:
        """The one whose turn it is; nobody before the first."""
        turn = (now.astimezone(self.zone).replace(tzinfo=None) - self.begins) // self.each
        return frozenset() if turn < 0 else frozenset({self.people[turn % len(self.people)]})


@dataclass(frozen=True, slots=True)
class Shifts:
    """Who is on call from when until when. They may overlap, and leave gaps."""

    shifts: Sequence[tuple[str, datetime, datetime]]

    def at(self, now: datetime) -> frozenset[str]:
        """Everybody whose shift it is."""
        return frozenset(person for person, begins, ends in self.shifts if begins <= now < ends)


def read(path: Path) -> Rota:
    """The schedule of a file. Raises SettingsError with file, line and remedy of all that is wrong."""
    sheet = Sheet(str(path), _remedy, "`timezone:` and `rotation:`, or `shifts:`")
    raw = sheet.read(path)
    rota = None if raw is None else _rota(sheet, raw)
    if rota is None or sheet.problems:
        raise SettingsError("\n".join(map(str, sorted(sheet.problems, key=lambda problem: problem.line))))
    return rota


def _rota(sheet: Sheet, raw: Mapping[str, Any]) -> Rota | None:
    try:
        page = _Page.model_validate(raw)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            if error["loc"] not in sheet.unread:
                sheet.note(error["loc"], _said(error))
        return None
    zone = _zone(sheet, ("timezone",), page.timezone)
    if (page.rotation is None) == (page.shifts is None):
        sheet.note((), "has to hold either a rotation or shifts", "Keep one of `rotation` and `shifts`.")
        return None
    if zone is None:
        return None
    if page.rotation is not None:
        return _rotation(sheet, page.rotation, zone)
    return Shifts(tuple(_shifts(sheet, page.shifts or [], zone)))


def _rotation(sheet: Sheet, said: _Rotation, zone: ZoneInfo) -> Rotation | None:
    begins = _moment(sheet, ("rotation", "begins"), said.begins, zone)
    try:
        each = duration(said.each)
    except ValueError:
        each = timedelta(0)
    if each < timedelta(hours=1):
        sheet.note(("rotation", "each"), "is no duration of an hour or more")
    if begins is None or sheet.problems:
        return None
    return Rotation(tuple(said.people), begins.astimezone(zone).replace(tzinfo=None), each, zone)


def _shifts(sheet: Sheet, said: Sequence[_Shift], zone: ZoneInfo) -> Iterator[tuple[str, datetime, datetime]]:
    for index, shift in enumerate(said):
        here: Loc = ("shifts", index)
        own = _zone(sheet, (*here, "timezone"), shift.timezone) if shift.timezone else zone
        if own is None:
            continue
        begins = _moment(sheet, (*here, "from"), shift.begins, own)
        ends = _moment(sheet, (*here, "until"), shift.until, own, last=True)
        if begins and ends and ends <= begins:
            sheet.note((*here, "until"), "is not later than the shift begins")
        elif begins and ends:
            yield shift.person, begins, ends


def _zone(sheet: Sheet, loc: Loc, name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such key, not a key, or a folder's name
        sheet.note(loc, "is no time zone")
        return None


def _moment(sheet: Sheet, loc: Loc, text: str, zone: ZoneInfo, *, last: bool = False) -> datetime | None:
    """A time in UTC, None for what is none. Of an hour that comes twice the first is meant, or the `last`."""
    try:
        said = datetime.fromisoformat(text)
        local = said if said.tzinfo else said.replace(tzinfo=zone, fold=int(last))
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        sheet.note(loc, "is no time")
        return None
    if said.tzinfo is None and moment.astimezone(zone).replace(tzinfo=None) != said:
        sheet.note(loc, f"is a time that {zone.key} skips", "Write a time before or after the clocks change.")
        return None
    return moment


def _remedy(loc: Loc) -> str:
    words = [part for part in loc if isinstance(part, str)]
    return REMEDIES.get(words[-1], "") if words else ""


def _said(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a key here"
        case "string_type":
            return "is not text"
        case "list_type":
            return "is not a list"
        case "model_type" | "model_attributes_type":
            return "has no keys below it"
        case "too_short":
            return "is empty"
        case "too_long":
            return "is too long"
        case _:
            return "doesn't fit"
