"""What is worth saying once in a while: the first time, and not again for the same thing until that time is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Seldom:
    """Remembers in this process what was said lately, of at most so many things."""

    span: timedelta
    most: int
    _said: dict[str, datetime] = field(default_factory=dict)

    def due(self, name: str, now: datetime) -> bool:
        """Whether this may be said now; then it counts as said."""
        if name in self._said and now < self._said[name] + self.span:
            return False
        if len(self._said) >= self.most:
            self._said.clear()
        self._said[name] = now
        return True
