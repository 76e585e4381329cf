"""A ruling: what the company's rules say about one act, and which of them said it. The core takes it as a fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fired:
    """One rule that had a say: its name, the sentence that people read, and what it did.

    `effect` is `permits`, `forbids`, `raises`, or `unknown` where a fact that it asks about couldn't be found out.
    """

    id: str
    reason: str
    effect: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether somebody may, and from which tier on. `facts`: what the rules that fired saw, by its name."""

    permitted: bool
    tier: int = 0
    rules: tuple[Fired, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """The sentences of whatever stood in the way, or raised the tier; empty where nothing did."""
        decisive = [rule.reason for rule in self.rules if rule.effect != "permits"]
        return " ".join(dict.fromkeys(decisive))
