"""Passwords of privileged accounts: one system under one verb, which no ordinary playbook can name.

The connector behind it has a service account of its own and a list of groups whose members alone it changes. What
it could do besides is out of reach: there is no other verb here, and nobody is read from it.
"""

from __future__ import annotations

from collections.abc import Collection

from flows.model import Receipt, Request
from handlers.findings import Finding
from handlers.ports import Closing, Connector, Examined, Rejected

#: A playbook for this verb is of tier 3 and takes two people's consent: handlers/playbooks/judge.py.
VERB = "set_privileged_password"
_PLAIN = "set_password"  # what the system itself calls it


class Privileged:
    """The Connector port over a system that refuses whoever isn't in the groups that its settings list."""

    verbs = frozenset({VERB})

    def __init__(self, system: Connector) -> None:
        self._system = system

    async def close(self) -> None:
        """Hang up."""
        if isinstance(self._system, Closing):
            await self._system.close()

    async def examine(self, needed: Collection[str], account: str) -> list[Finding]:
        """What the system lets us do, and nothing is changed."""
        if not isinstance(self._system, Examined):
            return []
        return await self._system.examine({_PLAIN} if VERB in needed else (), account)

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Set the password, once for this key. Raises Rejected or Unreachable."""
        return await self._system.carry_out(_plainly(request), key, secret)

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the system shows the change. Raises Rejected or Unreachable."""
        return await self._system.check(_plainly(request), key, secret)

    async def undo(self, request: Request, key: str) -> Receipt:
        """Raises Rejected: the password before it is not kept."""
        return await self._system.undo(_plainly(request), key)


def _plainly(request: Request) -> Request:
    """The request as the system knows it. Raises Rejected for any other verb."""
    if request.verb != VERB:
        raise Rejected(f"Here only `{VERB}` can be done, not `{request.verb}`.")
    return request.but({"verb": _PLAIN})
