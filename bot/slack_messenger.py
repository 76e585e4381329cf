"""Countersign's voice in Slack: one card a request and conversation, updated in place, and security's channel."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

import flows.errors as no
from bot import block_kit, replies
from bot.handles import Handle, Handles, place_of
from bot.inbox import Unreachable
from bot.seen import read
from bot.slack_client import SlackClient
from bot.views import alarm, request_card
from flows.model import Method, Request, Stage
from flows.request import usable
from handlers.house import House
from handlers.posted import Place, Posted

log = structlog.get_logger()

PLATFORM = "slack"


class SlackMessenger:
    """The Messenger port over one Slack workspace. Nothing is said before the workspace is known."""

    def __init__(self, house: House, client: SlackClient, security: str) -> None:
        self._house = house
        self._client = client
        self._security = security
        self.handles = Handles(house.store.keys)
        self._posted = Posted(house.store)
        self._drawing: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    # -- the port -------------------------------------------------------------------------------

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """See that this person has the request's card, up to date. Whoever isn't in Slack reads the device page."""
        if notice == "challenge":
            request = await self._with_number(request)
        for account in await self._house.accounts.of(person, PLATFORM):
            if account.workspace != self._team:
                continue
            try:
                where = await self._client.direct(account.id)
                await self._draw(Place(request.id, person, PLATFORM, self._team, where, ""))
            except Unreachable:
                log.warning("unreachable", request_id=request.id, person=person, platform=PLATFORM)

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """Security's channel has one card a request; what must not be missed is said beside it, too."""
        if audience != "security":
            if request is not None:
                for person in await self._house.people.people():
                    if audience in person.roles and person.active:
                        await self.tell(person.id, notice, request)
            return
        if request is not None:
            await self._draw(Place(request.id, "", PLATFORM, self._team, self._security, ""))
        if notice in replies.ALARMS:
            said = replies.alarmed(notice, detail, request.id if request else "")
            await self._client.post(self._security, block_kit.reply(said))

    async def show(self, request: Request) -> None:
        """Bring every card about this request up to date."""
        for place in await self._posted.of(request.id, PLATFORM):
            await self._draw(place)

    # -- drawing ----------------------------------------------------------------------------------

    async def _draw(self, wanted: Place) -> None:
        """One card as it should be now: updated where it stands, posted where it doesn't. One at a time."""
        lock = self._drawing.setdefault(wanted.id, asyncio.Lock())
        async with lock:
            kept = {place.id: place for place in await self._posted.of(wanted.request, PLATFORM)}
            place = kept.get(wanted.id, wanted)
            request = await self._house.desk.get(place.request)
            if place.message and place.drawn >= request.version:
                return
            content = await self._content(request, place)
            message = place.message
            if not message or not await self._client.update(place.conversation, message, content):
                message = await self._client.post(place.conversation, content)
            await self._posted.keep(replace(place, message=message), request)

    async def _content(self, request: Request, place: Place) -> Mapping[str, Any]:
        house, person = self._house, place.person
        origin = request.origin
        here = (origin.platform, origin.workspace, request.requester) == (PLATFORM, place.workspace, person)
        try:
            seen = await read(house, request, person, asked_here=here)
        except no.UnknownRequest:  # it concerned them while it was open; what is over they may still see end
            person = ""
            seen = await read(house, request, person)
        if not place.person and request.stage in (Stage.DISOWNED, Stage.LOCKED):
            return block_kit.message(alarm(seen), "", "")
        card = request_card(request, seen.playbook, seen.people, person, seen.now, seen.beside)
        handle, link = "", ""
        if person:
            handle = self.handles.make(Handle(person, request.id), place_of(place, place.conversation))
            link = f"{house.settings.public_url}/requests/{request.id}"
        return block_kit.message(card, handle, link)

    async def _with_number(self, request: Request) -> Request:
        """Where no passkey can answer, the six digits are made now: the card where it was asked shows them."""
        if request.origin.platform != PLATFORM or request.stage is not Stage.AWAITING_PROOF:
            return request
        playbook = await self._house.desk.playbook_of(request)
        registered = (await self._house.registry.registration(request.prover)).methods
        if usable(playbook, registered) != (Method.CODE,) or request.challenge(request.prover, Method.CODE):
            return request
        return (await self._house.desk.number(request.id))[0]

    @property
    def _team(self) -> str:
        if not self._client.team:
            raise ConnectionError("Slack hasn't told yet which workspace this is")
        return self._client.team
