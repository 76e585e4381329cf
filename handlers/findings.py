"""What a check comes to, whoever makes it: the doctor, the auditor, a connector."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
