"""Times and durations as people say them: relative first, exact in the reader's own zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from bot.cards import Moment

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def count(number: int, thing: str) -> str:
    """`1 minute`, `2 minutes`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def spell(span: timedelta) -> str:
    """A duration in one or two units, rounded down: it never promises more time than there is."""
    minutes = int(span.total_seconds()) // 60
    hours, days = minutes // 60, minutes // 1440
    if minutes < 1:
        return "less than a minute"
    if hours < 1:
        return count(minutes, "minute")
    if hours < 3 and minutes % 60:
        return f"{count(hours, 'hour')} {count(minutes % 60, 'minute')}"
    return count(hours, "hour") if days < 2 else count(days, "day")


def took(span: timedelta) -> str:
    """How long something took: `42 seconds`, then in minutes and more."""
    seconds = int(span.total_seconds())
    return count(seconds, "second") if seconds < 60 else spell(span)


def left(until: datetime, now: datetime) -> str:
    """`8 minutes left`."""
    return "time is up" if now >= until else f"{spell(until - now)} left"


def ago(then: datetime, now: datetime) -> str:
    """`5 minutes ago`."""
    return "just now" if now - then < timedelta(minutes=1) else f"{spell(now - then)} ago"


def zone(name: str) -> tzinfo:
    """The zone with this IANA name; UTC, which is then named beside the time, when nobody knows it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def moment(at: datetime, now: datetime, reader: str, others: Iterable[str] = ()) -> Moment:
    """A time for a reader in zone `reader`; `others` are the zones of whoever else is concerned.

    The zone is named when somebody's clock shows something else, or when the reader's own clock shows that
    time twice because it is put back that night.
    """
    here = zone(reader)
    local, today = at.astimezone(here), now.astimezone(here)
    clock = f"{local:%H:%M}"
    short = clock
    if local.date() != today.date():
        near = abs((local.date() - today.date()).days) < 7
        day = _DAYS[local.weekday()][:3] if near else f"{local.day} {_MONTHS[local.month - 1][:3]}"
        short = f"{day} {clock}" if local.year == today.year or near else f"{day} {local.year} {clock}"
    elsewhere = any(at.astimezone(zone(other)).utcoffset() != local.utcoffset() for other in others)
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    unknown = here is UTC and reader != "UTC"
    if elsewhere or twice or unknown:
        short = f"{short} {_abbreviation(local)}"
    date = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    named = (
        _offset(local)
        if _abbreviation(local) == _offset(local)
        else f"{_abbreviation(local)}, {_offset(local)}"
    )
    relative = left(at, now) if at > now else ago(at, now)
    return Moment(at=at, relative=relative, short=short, full=f"{date}, {clock} ({named})")


def _abbreviation(local: datetime) -> str:
    name = local.tzname() or ""
    return name if name.isalpha() else _offset(local)


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '−'}{hours}" + (f":{rest:02}" if rest else "")  # noqa: RUF001  a minus sign
