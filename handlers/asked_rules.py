"""Puts the rules their question: gathers what they ask about an act, and has them judge it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows.events import Ruled
from flows.model import DEVICE_PAGE, Origin, Person, Playbook, Request
from flows.ruling import Ruling
from handlers.circumstances import Circumstances, local
from handlers.policy import Rules
from handlers.rules.facts import Around, Place, Who

_FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody is about to do: which action, about what. `request` is empty where there is none yet.

    `at` is when the principal does it; `place` where their device page was opened, if it was and that can be told.
    """

    action: str
    playbook: Playbook
    principal: Person
    requester: Person
    subject: Person
    origin: Origin
    at: datetime
    place: Place | None = None
    request: str = ""

    def ruled(self, ruling: Ruling) -> Ruled:
        """What goes on record of it."""
        tier = max(self.playbook.tier, ruling.tier)
        return Ruled(
            self.action,
            self.principal.id,
            self.playbook.name,
            ruling.permitted,
            tier,
            ruling.rules,
            ruling.facts,
        )


class AskedRules:
    """The rules with everything that they may ask about at hand."""

    def __init__(self, rules: Rules, circumstances: Circumstances) -> None:
        self.rules = rules
        self._circumstances = circumstances

    async def about(self, act: Act) -> Ruling:
        """What the rules say about this act, as things are now."""
        asked = self.rules.asks_about(act.action, act.playbook.name)
        people: dict[str, Who] = {}
        for person in {p.id: p for p in (act.principal, act.requester, act.subject)}.values():
            people[person.id] = await self._who(act, person, asked)
        there = local(act.at, act.principal.timezone)
        around = Around(
            requester=people[act.requester.id],
            subject=people[act.subject.id],
            hour=there.hour if there else None,
            weekend=there.weekday() > _FRIDAY if there else None,
            place=act.place,
            chat=await self._circumstances.chat(asked, act.origin, act.requester.id),
        )
        return self.rules.judge(act.action, people[act.principal.id], act.playbook, around)

    async def _who(self, act: Act, person: Person, asked: frozenset[str]) -> Who:
        """One person, with what is asked about them in any of the places where they stand."""
        places = {
            "principal": act.principal,
            "context.requester": act.requester,
            "context.subject": act.subject,
        }
        theirs = {place for place, each in places.items() if each.id == person.id}
        names = {name.rpartition(".")[2] for name in asked if name.rpartition(".")[0] in theirs}
        return await self._circumstances.who(person, names, act.request)


def asking(
    playbook: Playbook, requester: Person, subject: Person, origin: Origin, at: datetime, place: Place | None
) -> Act:
    """Somebody asks. On a device page there is a place, and what isn't known of it is unknown; elsewhere is none."""
    where = place or Place() if origin.platform == DEVICE_PAGE else None
    return Act("ask", playbook, requester, requester, subject, origin, at, where)


def approving(
    playbook: Playbook, request: Request, approver: Person, requester: Person, subject: Person, at: datetime
) -> Act:
    """Somebody consents, or shortens a wait, on whichever device page."""
    return Act("approve", playbook, approver, requester, subject, request.origin, at, request=request.id)


def acting(playbook: Playbook, request: Request, requester: Person, subject: Person) -> Act:
    """The change is about to be made. The worker is at no place, and the hour is the one when it was asked."""
    at = request.opened_at
    return Act("act", playbook, requester, requester, subject, request.origin, at, request=request.id)
