"""What a check comes to, whoever makes it: the doctor, the auditor, a connector."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

SOON = 30  # days before a certificate's end in which it is time to renew it


class Level(StrEnum):
    """How a check came out."""

    PASS = "pass"  # noqa: S105  a word, not a secret
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it came out, what was seen, and what to do if it isn't well."""

    check: str
    level: Level
    seen: str
    remedy: str = ""


def certified(check: str, seen: str, ends: datetime) -> Finding:
    """A server that was reached, and how long its certificate is still good."""
    days = (ends - datetime.now(UTC)).days
    whole = f"{seen}; its certificate is good for {days} {'day' if days == 1 else 'days'}"
    return (
        Finding(check, Level.PASS, whole) if days > SOON else Finding(check, Level.WARN, whole, "Renew it.")
    )
