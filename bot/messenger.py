"""Countersign's voice in a chat: one card a request and conversation, updated in place, and security's channel."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog

import flows.errors as no
from bot import replies
from bot.cards import Card, Reply
from bot.handles import Handle, Handles, place_of
from bot.inbox import Unreachable
from bot.news import in_chat, told
from bot.seen import read
from bot.views import alarm, request_card
from flows.accounts import Account
from flows.model import Method, Request, Stage
from flows.news import News
from flows.proving import usable
from handlers.house import House
from handlers.posted import Place, Posted
from handlers.together import every

log = structlog.get_logger()

Content = Mapping[str, Any]


class Line(Protocol):
    """One platform's messages, as its client sends them. Each raises what the network does."""

    @property
    def workspace(self) -> str:
        """Whose company it is there: a workspace, a tenant. Raises ConnectionError while that isn't known."""
        ...

    async def direct(self, user: str) -> str:
        """Our conversation with one person. Raises Unreachable."""
        ...

    async def post(self, conversation: str, content: Content, thread: str = "") -> str:
        """A new message; gives its name there. Raises Unreachable where nobody reads it."""
        ...

    async def update(self, conversation: str, message: str, content: Content) -> bool:
        """Put other content in a message's place. False if it isn't there any more."""
        ...


class OwnViews(Protocol):
    """A platform on which one message in a room can look otherwise for some of its readers."""

    async def personal(self, content: Content, handle: str, accounts: Sequence[Account]) -> Content:
        """A room's content that these accounts see as their own: they ask for it with `handle`."""
        ...


class Drawer(Protocol):
    """How one platform's messages look: pure functions."""

    def message(self, card: Card, handle: str, link: str) -> Content:
        """A request's card."""
        ...

    def reply(self, said: Reply) -> Content:
        """What is said beside a card."""
        ...


class ChatMessenger:
    """The Messenger port over one platform. `security` is the conversation that security reads there, if any.

    With `own_views`, whoever has the next move finds the way to it there.
    """

    def __init__(
        self,
        house: House,
        platform: str,
        line: Line,
        drawer: Drawer,
        security: str,
        own_views: OwnViews | None = None,
    ) -> None:
        self._house = house
        self._platform = platform
        self._line = line
        self._drawer = drawer
        self._security = security
        self._own_views = own_views
        self.handles = Handles(house.store.keys)
        self._posted = Posted(house.store)
        self._drawing: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    # -- the port -------------------------------------------------------------------------------

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """See that this person has the request's card, up to date. Whoever isn't there reads the device page."""
        if notice == "challenge":
            request = await self._with_number(request)
        await every([self._reach(account, person, request) for account in await self._accounts(person)])

    async def notify(self, news: News, request: Request | None) -> bool:
        """A message of its own in our conversation with each of this person's accounts here."""
        accounts = await self._accounts(news.person)
        person = await self._house.people.person(news.person) if accounts else None
        playbook = await self._house.desk.playbook_of(request) if request else None
        said = told(news, person.timezone if person else "", request, playbook)
        content = self._drawer.reply(in_chat(news, said, self._house.settings.public_url))
        return any(await every([self._said(account, news.person, content) for account in accounts]))

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """Security's channel has one card a request; what must not be missed is said beside it, too."""
        if audience != "security":
            if request is not None:
                holding = await self._holding(audience)
                await every([self.tell(person, notice, request) for person in holding])
            return
        if not self._security:
            return
        try:
            if request is not None:
                room = Place(request.id, "", self._platform, self._line.workspace, self._security, "")
                await self._draw(room)
        finally:  # whatever is wrong with the card
            if notice in replies.ALARMS:
                said = replies.alarmed(notice, detail, request.id if request else "")
                await self._line.post(self._security, self._drawer.reply(said))

    async def welcome(self, person: str, address: str) -> bool:
        """Tell somebody that they can register a device. False where they have no account that we can write to."""
        said = self._drawer.reply(replies.joining(address))
        told = False
        for account in await self._accounts(person):
            try:
                await self._line.post(await self._line.direct(account.id), said)
                told = True
            except Unreachable:
                log.warning("unreachable", person=person, platform=self._platform)
        return told

    async def show(self, request: Request) -> None:
        """Bring every card about this request up to date."""
        await every([self._shown(place) for place in await self._posted.of(request.id, self._platform)])

    async def view(self, request: str, conversation: str, reader: str) -> Content:
        """A room's card as one of its readers sees it: whoever has the next move has the way to it there.

        It says nothing that the room's own doesn't, and nothing can be decided by it: who asks for it is what a
        platform says, and no more. Raises UnknownRequest.
        """
        asked = await self._house.desk.get(request)
        place = Place(asked.id, "", self._platform, self._line.workspace, conversation, "")
        return await self._content(asked, place, reader)

    # -- who reads it -----------------------------------------------------------------------------

    async def _accounts(self, person: str) -> list[Account]:
        """A person's accounts here."""
        every = await self._house.accounts.of(person, self._platform)
        return [account for account in every if account.workspace == self._line.workspace]

    async def _holding(self, role: str) -> list[str]:
        """Who has this role now."""
        return [person.id for person in await self._house.people.holding(role) if person.active]

    async def _next(self, request: Request) -> list[str]:
        """Who has the next move by their office: those who may consent, and those who settle what went wrong."""
        match request.stage:
            case Stage.AWAITING_APPROVAL:
                return sorted(await self._house.desk.consenting(request))
            case Stage.AWAITING_OPERATOR:
                return await self._holding((await self._house.desk.playbook_of(request)).handed_to)
        return []

    # -- drawing ----------------------------------------------------------------------------------

    async def _reach(self, account: Account, person: str, request: Request) -> None:
        """A person's card, in our conversation with this account of theirs, if there is one."""
        try:
            where = await self._line.direct(account.id)
            await self._draw(Place(request.id, person, self._platform, self._line.workspace, where, ""))
        except Unreachable:
            log.warning("unreachable", request_id=request.id, person=person, platform=self._platform)

    async def _said(self, account: Account, person: str, content: Content) -> bool:
        """A message in our conversation with this account. False where there is none."""
        try:
            await self._line.post(await self._line.direct(account.id), content)
        except Unreachable:
            log.warning("unreachable", person=person, platform=self._platform)
            return False
        return True

    async def _shown(self, place: Place) -> None:
        """A card that stood somewhere. Where nobody is left to read it, it is forgotten."""
        try:
            await self._draw(place)
        except Unreachable:
            log.warning("unreachable", request_id=place.request, person=place.person, platform=self._platform)
            await self._posted.forget(place)

    async def _draw(self, wanted: Place) -> None:
        """One card as it should be now: updated where it stands, posted where it doesn't. One at a time."""
        lock = self._drawing.setdefault(wanted.id, asyncio.Lock())
        async with lock:
            kept = {place.id: place for place in await self._posted.of(wanted.request, self._platform)}
            place = kept.get(wanted.id, wanted)
            request = await self._house.desk.get(place.request)
            if place.message and place.drawn >= request.version:
                return
            content = await self._content(request, place)
            message = place.message
            if not message or not await self._line.update(place.conversation, message, content):
                message = await self._line.post(place.conversation, content)
            await self._posted.keep(replace(place, message=message), request)

    async def _content(self, request: Request, place: Place, reader: str = "") -> Content:
        """A card as it should be at a place; in a room, a `reader` who has the next move finds the way to it."""
        views = self._own_views if place.conversation == self._security else None
        movers = await self._next(request) if views else []
        house, person = self._house, place.person
        origin = request.origin
        asked = (origin.platform, origin.workspace, request.requester)
        here = asked == (self._platform, place.workspace, person)
        try:
            seen = await read(house, request, person, asked_here=here)
        except no.UnknownRequest:  # it concerned them while it was open; what is over they may still see end
            person = ""
            seen = await read(house, request, person)
        if not place.person and request.stage in (Stage.DISOWNED, Stage.LOCKED):
            return self._drawer.message(alarm(seen), "", "")
        card = request_card(request, seen.playbook, seen.people, person, seen.now, seen.beside)
        handle = link = ""
        if person:
            handle = self.handles.make(Handle(person, request.id), place_of(place, place.conversation))
        if person or reader in movers:
            link = f"{house.settings.public_url}/requests/{request.id}"
        content = self._drawer.message(card, handle, link)
        if views is None:
            return content
        readers = [each for who in movers for each in await self._accounts(who)]
        asking = self.handles.make(Handle("", request.id), place_of(place, place.conversation))
        return await views.personal(content, asking, readers)

    async def _with_number(self, request: Request) -> Request:
        """Where no passkey can answer, the six digits are made now: the card where it was asked shows them."""
        if request.origin.platform != self._platform or request.stage is not Stage.AWAITING_PROOF:
            return request
        playbook = await self._house.desk.playbook_of(request)
        registered = (await self._house.registry.registration(request.prover)).methods
        if usable(playbook, registered) != (Method.CODE,) or request.challenge(request.prover, Method.CODE):
            return request
        return (await self._house.desk.number(request.id))[0]
