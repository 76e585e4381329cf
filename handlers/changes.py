"""Changes that are made elsewhere: what a system of the company's own is asked, and what its answers mean.

One document says what is asked, however it gets there, and one flow makes of the answers what the Connector port
promises: a change counts as made once the system has been asked again and shows it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Annotated, Literal, Protocol

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flows.model import Receipt, Request
from handlers.findings import Finding, Level
from handlers.forms import clean
from handlers.ports import MissingRight, Rejected, Unreachable

Operation = Literal["carry_out", "check", "undo"]
VERSION = 1
LARGEST = 64 * 1024  # bytes of an answer
LONGEST = 200  # characters of what an operator reads


class Uncertain(Exception):
    """What was asked may have been done, or may not: nothing that can be relied on came back."""


class Verbs(BaseModel):
    """What the configuration file says that a system can do. Raises pydantic's ValidationError."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    verbs: frozenset[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]] = Field(
        min_length=1, description="What it can do, by the names that playbooks use."
    )
    undoes: frozenset[str] = Field(frozenset(), description="Which of them it can take back.")

    @model_validator(mode="after")
    def _known(self) -> Verbs:
        if unknown := sorted(self.undoes - self.verbs):
            raise ValueError(f"it can't take back what it can't do: {', '.join(unknown)}")
        return self


# -- what is asked ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing asked of a system. The same key is the same change, whatever is asked about it."""

    operation: Operation
    request: Request
    key: str
    secret: str | None = field(default=None, repr=False)

    def document(self) -> bytes:
        """It as JSON, its keys in order (RFC 8785). Nothing personal but who is concerned, by their lasting ids."""
        request = self.request
        opened_at = request.opened_at.astimezone(UTC).isoformat(timespec="microseconds")
        said: dict[str, object] = {
            "version": VERSION,
            "operation": self.operation,
            "key": self.key,
            "verb": request.verb,
            "request": request.id,
            "subject": request.subject,
            "requester": request.requester,
            "parameters": dict(request.parameters),
            "opened_at": opened_at.replace("+00:00", "Z"),
        }
        if self.secret:
            said["secret"] = self.secret
        return rfc8785.dumps(said)  # type: ignore[arg-type]  # its own type of JSON names every container


# -- what is answered -------------------------------------------------------------------------


def receipt(answer: bytes, secret: str | None) -> Receipt | None:
    """The receipt in an answer, or None for a plain no. Raises Uncertain for what can't be read as either."""
    told = read(answer)
    match told.get("done"):
        case False:
            return None
        case True:
            reference, observed = (shown(told.get(name), secret) for name in ("reference", "observed"))
            if reference and observed:
                return Receipt(reference, observed)
    raise Uncertain("the answer has no `done` that is true or false, or lacks `reference` or `observed`")


def read(answer: bytes) -> dict[str, object]:
    """One JSON object in UTF-8, no key twice. Raises Uncertain, which holds nothing of what was answered."""
    try:
        told = json.loads(answer.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Uncertain("the answer isn't one JSON object")
    return told


def shown(said: object, secret: str | None) -> str:
    """What a system said, as an operator may read it: one short line, nothing invisible; empty if it isn't a text.

    The secret is blanked here already: what is cut in the middle of it would be recognised by nobody later on.
    """
    if not isinstance(said, str):
        return ""
    text = clean(said)
    if secret:
        text = text.replace(secret, "[blanked]")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """What stands twice would be read in two ways."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


# -- the flow ---------------------------------------------------------------------------------


class System(Protocol):
    """A system that can be asked."""

    async def ask(self, asked: Asked) -> Receipt | None:
        """Its answer; None when it says that the change isn't in place.

        Raises Rejected or one of its kinds, Unreachable when nothing was done, anything else when it may have been.
        """
        ...

    async def look(self) -> list[Finding]:
        """What can be seen of it with nothing asked."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class Changes:
    """The Connector port over one system that honours keys."""

    def __init__(self, system: System, verbs: Iterable[str], undoes: Iterable[str]) -> None:
        self.verbs = frozenset(verbs)
        self._undoes = frozenset(undoes)
        self._system = system

    async def close(self) -> None:
        """Hang up."""
        await self._system.close()

    async def examine(self, needed: Collection[str], account: str) -> list[Finding]:
        """What can be seen of it, and which verbs playbooks need in vain. What it does when asked can't be tried."""
        found = await self._system.look()
        for verb in sorted(set(needed) - self.verbs):
            remedy = "Add it to `verbs`, if the system can do it, or change the playbook."
            found.append(Finding(verb, Level.FAIL, "a playbook needs it, and it can't be done here", remedy))
        seen = "what it does when it is asked can't be tried without changing something"
        return [*found, Finding("rights", Level.WARN, seen, "Try a request about an account of your own.")]

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Have the change made, and read it back. Raises Rejected or Unreachable."""
        self._known(request)
        await self._system.ask(Asked("carry_out", request, key, secret))
        done = await self._read_back(request, key, secret)
        if done is None:
            raise RuntimeError(f"the system does not show the change of {key}")
        return done

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the system shows the change. Raises Rejected or Unreachable."""
        self._known(request)
        try:
            return await self._system.ask(Asked("check", request, key, secret))
        except MissingRight as no:  # whoever may not ask has learned nothing about the change
            raise Uncertain(f"the system may not be asked: {no}") from None

    async def undo(self, request: Request, key: str) -> Receipt:
        """Have the change taken back, and read that back. Raises Rejected for what has no way back, Unreachable."""
        self._known(request)
        if request.verb not in self._undoes:
            raise Rejected(f"`{request.verb}` can't be taken back: its system has no way to.")
        undone = await self._system.ask(Asked("undo", request, key))
        if undone is None or await self._read_back(request, key, None) is not None:
            raise RuntimeError(f"the system still shows the change of {key}")
        return undone

    async def _read_back(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Ask again after something was done: a no to this question doesn't mean that nothing was."""
        try:
            return await self.check(request, key, secret)
        except (Rejected, Unreachable) as no:
            raise Uncertain(f"it was asked for, but couldn't be read back: {no}") from None

    def _known(self, request: Request) -> None:
        if request.verb not in self.verbs:
            raise Rejected(f"This system has no verb `{request.verb}`.")
