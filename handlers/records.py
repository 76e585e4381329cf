"""What is on record about requests, read for whoever may ask: sealed rows only, and never inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, select

import flows.errors as no
from flows.consent import consenting, hurriers
from flows.digest import commitment
from flows.model import Person, Playbook, Request, Stage
from flows.objections import may_object
from flows.state import evolve
from handlers.people import People
from handlers.playbooks import PlaybookError, Playbooks, from_content
from storage import codec
from storage.sql import TABLES, Row
from storage.store import Store

_REQUESTS = TABLES["requests"]
_request = select(_REQUESTS).where(_REQUESTS.c.id == bindparam("id"))
_theirs = (
    (_REQUESTS.c.requester == bindparam("person"))
    | (_REQUESTS.c.subject == bindparam("person"))
    | (_REQUESTS.c.prover == bindparam("person"))
)
_concerning = select(_REQUESTS).where(_theirs).order_by(_REQUESTS.c.opened_at.desc()).limit(bindparam("most"))
_open_for = select(_REQUESTS).where(_theirs, _REQUESTS.c.closed_at.is_(None))
_in_stage = select(_REQUESTS).where(_REQUESTS.c.stage == bindparam("stage")).order_by(_REQUESTS.c.opened_at)
_overdue = (
    select(_REQUESTS.c.id)
    .where(_REQUESTS.c.due_at.is_not(None), _REQUESTS.c.due_at <= bindparam("now"))
    .order_by(_REQUESTS.c.due_at)
    .limit(500)
)
_EVENTS = TABLES["audit_events"]
_events = select(_EVENTS).where(_EVENTS.c.request == bindparam("request")).order_by(_EVENTS.c.seq)
_newest = select(func.max(_EVENTS.c.seq).label("seq")).where(_EVENTS.c.request == bindparam("request"))
_TEXTS = TABLES["clear_texts"]
_texts = select(_TEXTS).where(_TEXTS.c.request == bindparam("request"))
_PLAYBOOKS = TABLES["playbooks"]
_playbook = select(_PLAYBOOKS).where(_PLAYBOOKS.c.hash == bindparam("hash"))


async def fold(store: Store, id: str) -> Request | None:
    """Evolve a request from its audit events. Raises LookupError or ValueError for what never happened."""
    state: Request | None = None
    for row in await store.fetch(_events, request=id):
        if codec.is_request_event(row["type"]):
            event = codec.event(row["type"], codec.said(row["body"]))
            state = evolve(state, event, row["at"])
    return state


class Records:
    """Requests as they stand, with the people and the pinned playbook each belongs to."""

    def __init__(self, store: Store, playbooks: Playbooks, people: People) -> None:
        self.store = store
        self.playbooks = playbooks
        self.people = people

    async def find(self, id: str) -> Request | None:
        """A request as it stands, or None. Raises Tampered when its row was changed from outside."""
        found = await self.store.fetch(_request, id=id)
        if found and not await self.store.believed("requests", found):
            raise no.Tampered
        return codec.request(found[0]["state"]) if found else None

    async def get(self, id: str) -> Request:
        """A request as it stands. Raises UnknownRequest."""
        found = await self.find(id)
        if found is None:
            raise no.UnknownRequest
        return found

    async def concerning(self, person: str, most: int = 50) -> list[Request]:
        """The person's requests as requester, subject or prover, newest first."""
        return await self._readable(await self.store.fetch(_concerning, person=person, most=most))

    async def open_for(self, person: str) -> list[Request]:
        """The open requests in which this person is requester, subject or prover."""
        return await self._readable(await self.store.fetch(_open_for, person=person))

    async def awaiting_approval_by(self, person: str) -> list[Request]:
        """Requests this person can consent to now, oldest first."""
        waiting = await self._readable(await self.store.fetch(_in_stage, stage=Stage.AWAITING_APPROVAL.value))
        return [request for request in waiting if await self.may_approve(request, person)]

    async def awaiting_objection_by(self, person: Person) -> list[Request]:
        """Requests that this person can still stop, or hurry, because others were asked to agree, oldest first."""
        waiting = await self._readable(
            await self.store.fetch(_in_stage, stage=Stage.AWAITING_OBJECTION.value)
        )
        return [
            request
            for request in waiting
            if may_object(request, await self.people.person(request.subject), person)
            or person.id in await self.hurriers(request)
        ]

    async def awaiting_operator(self, role: str) -> list[Request]:
        """Cases that were handed to a role, oldest first."""
        cases = await self._readable(await self.store.fetch(_in_stage, stage=Stage.AWAITING_OPERATOR.value))
        return [case for case in cases if (await self.playbook_of(case)).handed_to == role]

    async def overdue(self) -> list[str]:
        """Names of requests whose time has run out."""
        return [row["id"] for row in await self.store.fetch(_overdue, now=self.store.clock())]

    async def may_approve(self, request: Request, person: str) -> bool:
        """Whether this person's consent would count now."""
        return request.stage is Stage.AWAITING_APPROVAL and person in await self.consenting(request)

    async def consenting(
        self, request: Request, selected: Mapping[str, frozenset[str]] | None = None
    ) -> frozenset[str]:
        """Those whose consent would count now. `selected`: what `selection` gave a moment ago."""
        playbook, subject = await self.playbook_of(request), await self.people.person(request.subject)
        named = (
            await self.people.selection(playbook, subject, request.parameters)
            if selected is None
            else selected
        )
        return consenting(request, playbook, named, subject.manager if subject else None)

    async def hurriers(self, request: Request) -> frozenset[str]:
        """Whom the pinned playbook lets shorten a wait for objections, as the directory says now."""
        return hurriers(await self.playbook_of(request), await self.selection(request))

    async def selection(self, request: Request) -> Mapping[str, frozenset[str]]:
        """Whom each selector of the pinned playbook names, as the directory says now."""
        playbook = await self.playbook_of(request)
        subject = await self.people.person(request.subject)
        return await self.people.selection(playbook, subject, request.parameters)

    async def before(self, person: Person, most: int = 50) -> list[Request]:
        """What a person's own list holds: their requests, what waits for their consent, and cases of their roles."""
        found = {request.id: request for request in await self.concerning(person.id, most)}
        found |= {request.id: request for request in await self.awaiting_approval_by(person.id)}
        found |= {request.id: request for request in await self.awaiting_objection_by(person)}
        for role in person.roles:
            found |= {request.id: request for request in await self.awaiting_operator(role)}
        return list(found.values())

    async def audited(self, id: str) -> int | None:
        """The number of the newest audit event about a request, or None."""
        found = await self.store.fetch(_newest, request=id)
        return int(found[0]["seq"]) if found and found[0]["seq"] is not None else None

    async def texts(self, id: str) -> dict[str, str]:
        """The free-text answers of a request that haven't been erased, by field: none but what was committed to."""
        request, texts = await self.find(id), {}
        for row in await self.store.fetch(_texts, request=id):
            name, content = row["field"], row["content"]
            if request and request.commitments.get(name) == commitment(name, content, bytes(row["salt"])):
                texts[name] = content
            else:
                await self.store.notice("clear_texts", row["id"], content.encode())
        return texts

    async def playbook_of(self, request: Request) -> Playbook:
        """The version of the playbook that is pinned to this request. Raises Tampered, on record, if it is gone."""
        found = self.playbooks.by_hash.get(request.playbook_hash)
        if found is None:
            kept = await self.store.fetch(_playbook, hash=request.playbook_hash)
            found = _from(kept[0]["content"]) if kept else None
        if found is None or found.hash != request.playbook_hash:
            await self.store.notice("playbooks", request.playbook_hash)
            raise no.Tampered
        return found

    async def _readable(self, found: Sequence[Row]) -> list[Request]:
        return [codec.request(row["state"]) for row in await self.store.believed("requests", found)]


def _from(content: str) -> Playbook | None:
    try:
        return from_content(content)
    except PlaybookError:  # whatever it is now, nothing was ever pinned to it
        return None
