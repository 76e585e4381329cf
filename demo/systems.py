"""The pretend company's other systems, which speak no directory's language: what was ordered of them, and when."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from flows.model import Receipt, Request
from handlers.ports import Rejected

SYSTEMS = frozenset({"billing", "portal"})


class DemoSystems:
    """A Connector that writes each change down in a file of its own, once for its key, and reads it back."""

    demo = True  # production refuses connectors that say so
    verbs = frozenset({"change_system"})

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Order the change of this key, once. Raises Rejected for a system that isn't there."""
        system, change, window = (request.parameters.get(name, "") for name in ("system", "change", "window"))
        if system not in SYSTEMS:
            raise Rejected(f"There is no system `{system}`.")
        async with self._turn:
            await asyncio.to_thread(self._order, key, f"{system}: {change}, {window}.")
        return Receipt(key, self.ordered()[key])

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """What was ordered under this key; None if nothing was."""
        known = await asyncio.to_thread(self.ordered)
        return Receipt(key, known[key]) if key in known else None

    async def undo(self, request: Request, key: str) -> Receipt:
        """Raises Rejected: the way back stands in the request, and its owners go it."""
        raise Rejected("The owners of the system take this back themselves, as the request says.")

    def ordered(self) -> dict[str, str]:
        """Every change by its key."""
        found: dict[str, str] = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}
        return found

    def _order(self, key: str, what: str) -> None:
        known = self.ordered()
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps({**known, key: known.get(key, what)}), "utf-8")
        draft.replace(self._path)
