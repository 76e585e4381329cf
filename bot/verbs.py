"""What people write and press in a chat, and what it comes to: one table for every platform.

A chat account proves at most that somebody holds a session. So a press may ask, stop and look; what takes a proof is
a link to the device page. Who may do what is for the desk to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol

import flows.errors as no
from bot import replies
from bot.asking import SUBJECT, demanded, for_others, inputs, meant, offers, references
from bot.cards import Card, Click, Form, Home, HomeLine, Reply, Said, Verb
from bot.handles import Handle, Handles
from bot.phrases import Phrases
from bot.seen import read
from bot.views import request_card
from flows.accounts import Account
from flows.commands import Cancel, Deny, Disown, GiveUp, Retry
from flows.events import Refused
from flows.model import Origin, Person, Playbook, Request
from flows.request import may_ask
from handlers.desk import Along
from handlers.forms import read_form
from handlers.house import House
from handlers.posted import Place

#: What is pressed about a request, and what it asks of it.
COMMANDS: Mapping[Verb, type[Cancel | Disown | Deny | Retry | GiveUp]] = {
    Verb.CANCEL: Cancel,
    Verb.DISOWN: Disown,
    Verb.DENY: Deny,
    Verb.RETRY: Retry,
    Verb.GIVE_UP: GiveUp,
}
FORM = "form"  # the conversation that a form's handle is bound to: it stands in a window of its own
HOME = "home"  # and that of a person's own page


@dataclass(frozen=True, slots=True)
class Profile:
    """What a platform says of an account. `insider`: a full member of the company's own workspace, and a person."""

    name: str
    insider: bool


class Members(Protocol):
    """Who is behind an account, as the platform says now."""

    async def profile(self, account: Account) -> Profile | None:
        """The account's profile, or None if the platform doesn't know it."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said. `instead`: in the place of the message that was pressed; `aside`: for this person's eyes only."""

    reply: Reply
    instead: bool = False
    aside: bool = False


class Chat:
    """One platform's conversations, in front of the one door."""

    def __init__(self, house: House, members: Members) -> None:
        self._house = house
        self._members = members
        self._phrases = Phrases(house.playbooks.values())
        self.handles = Handles(house.store.keys)

    # -- who it is ----------------------------------------------------------------------------

    async def person(self, account: Account) -> Person:
        """Whose account this is, by what our own rows say. Raises NotConnected or InactivePerson."""
        owner = await self._house.accounts.owner(account)
        if owner is None:
            raise no.NotConnected
        person = await self._house.people.person(owner)
        if person is None or not person.active:
            raise no.InactivePerson
        return person

    async def _insider(self, account: Account) -> Person:
        """The same, after asking the platform who is there. Raises Outsider, too."""
        profile = await self._members.profile(account)
        if profile is None or not profile.insider:
            raise no.Outsider
        return await self.person(account)

    # -- what was written -----------------------------------------------------------------------

    async def said(self, said: Said) -> Answer:
        """The answer to a text. It proposes and helps; it opens nothing. Raises what the platform raises."""
        try:
            person = await self._insider(said.who)
        except no.NotConnected as refusal:
            await self._recorded("Say", said.who, refusal)
            return Answer(replies.connect(await self._link(said.who)))
        except no.Refusal as refusal:
            await self._recorded("Say", said.who, refusal)
            return Answer(replies.refused(refusal))
        return Answer(await self._reply(said, person))

    async def _reply(self, said: Said, person: Person) -> Reply:
        handle = partial(self._handle, person, _place(said.who, said.conversation))
        known = {playbook.name: playbook for playbook in await offers(self._house, person)}
        understood = self._phrases.read(said.text)
        found = [known[name] for name in understood.playbooks if name in known]
        match understood.kind:
            case "disowned":
                return replies.disowned(await self._stoppable(said, person), self._devices)
            case "called":
                return replies.called(await self._stoppable(said, person), self._devices)
            case "one" | "several" if len(found) == 1:
                return await self._proposal(found[0], person, said.text, handle)
            case "several" if found:
                return replies.several(found, said.text, handle)
            case kind:
                every = list(known.values())
                return replies.offered(every, handle, quoted=said.text, greeted=kind == "list")

    async def _proposal(
        self, playbook: Playbook, person: Person, quoted: str, handle: Callable[[str], str]
    ) -> Reply:
        proposed = replies.proposal(playbook, person, _needs_form(playbook, person), quoted, handle)
        if _needs_form(playbook, person) or not await for_others(self._house, playbook, person):
            return proposed
        return replies.also_for_others(proposed, handle(playbook.name))

    async def _stoppable(self, said: Said, person: Person) -> list[tuple[Card, str]]:
        """The open requests that this person can say they didn't ask for, each with its handle."""
        place = _place(said.who, said.conversation)
        found = []
        for request in await self._house.desk.concerning(person.id):
            card = await self._card(request, person)
            if card.button(Verb.DISOWN):
                found.append((card, self.handles.make(Handle(person.id, request.id), place)))
        return found

    # -- what was pressed -----------------------------------------------------------------------

    async def pressed(self, click: Click, delivery: str) -> Answer | None:
        """What a press comes to. None where a request's own card says it all. Raises what the platform raises."""
        try:
            person = await self._insider(click.who)
            handle = self._read(click, person)
        except no.Refusal as refusal:
            await self._recorded(click.verb.value, click.who, refusal)
            return Answer(replies.refused(refusal), aside=True)
        try:
            return await self._done(click, person, handle, delivery)
        except no.Refusal as refusal:
            return Answer(replies.refused(refusal), aside=True)

    async def _done(self, click: Click, person: Person, handle: Handle, delivery: str) -> Answer | None:
        place = _place(click.who, click.conversation)
        make = partial(self._handle, person, place)
        match click.verb:
            case verb if verb in COMMANDS:
                await self._house.desk.submit(
                    handle.request, COMMANDS[verb](person.id), Along(delivery=delivery)
                )
            case Verb.ASK:
                await self._open(click, person, handle, {}, delivery)
            case Verb.SEND_FORM:
                await self._open(click, person, handle, click.values, delivery)
            case Verb.ASK_AGAIN:
                before = await self._before(handle, person)
                again = Handle(person.id, playbook=before.playbook, subject=before.subject)
                await self._open(click, person, again, {}, delivery, fresh=True)
            case Verb.PICK:
                playbook = self._playbook(handle.playbook)
                return Answer(await self._proposal(playbook, person, "", make), instead=True)
            case Verb.LIST:
                every = await offers(self._house, person)
                return Answer(replies.offered(every, make), instead=True)
        return None

    async def _open(
        self,
        click: Click,
        person: Person,
        handle: Handle,
        values: Mapping[str, str],
        delivery: str,
        *,
        fresh: bool = False,
    ) -> None:
        """Open the request. The message it was asked from becomes its card; else one is sent with the challenge."""
        who, (conversation, message) = click.who, (click.conversation, click.message)
        if handle.message:
            conversation, _, message = handle.message.partition(":")
        answers = {name: value for name, value in values.items() if name != SUBJECT}
        subject = await meant(self._house, values.get(SUBJECT, "").strip() or handle.subject or person.id)

        def card(id: str) -> dict[str, object]:
            return Place(id, person.id, who.platform, who.workspace, conversation, message).row()

        await self._house.desk.open(
            handle.playbook,
            person.id,
            subject,
            answers,
            Origin(who.platform, who.workspace, who.id, "" if conversation in (FORM, HOME) else conversation),
            delivery=delivery,
            card=card if message and not fresh else None,
        )

    # -- windows: before the platform is answered, so nothing here asks anybody but our own rows --------

    async def window(self, click: Click) -> Form | None:
        """The form that a press opens, or None. Raises a Refusal, which is on record by then."""
        try:
            person = await self.person(click.who)
            return await self._window(click, person, self._read(click, person))
        except no.Refusal as refusal:
            await self._recorded(click.verb.value, click.who, refusal)
            raise

    async def _window(self, click: Click, person: Person, handle: Handle) -> Form | None:
        match click.verb:
            case Verb.ASK_FORM:
                message = f"{click.conversation}:{click.message}" if click.message else ""
                return await self._form(click.who, person, handle.playbook, message=message)
            case Verb.PICK if click.conversation == FORM:
                return await self._form(click.who, person, click.values.get("playbook", ""))
            case Verb.ASK_AGAIN:
                before = await self._before(handle, person)
                if not _needs_form(self._playbook(before.playbook), person) and before.subject == person.id:
                    return None
                whom = await self._house.people.person(before.subject)
                typed = {**before.parameters, **await self._house.desk.texts(before.id)}
                typed[SUBJECT] = whom.account if whom else before.subject
                return await self._form(click.who, person, before.playbook, typed)
        return None

    async def _form(
        self,
        account: Account,
        person: Person,
        playbook: str,
        typed: Mapping[str, str] = MappingProxyType({}),
        *,
        message: str = "",
    ) -> Form:
        found = self._playbook(playbook)
        fields = await inputs(self._house, found, person, typed, {})
        handle = Handle(person.id, playbook=playbook, message=message)
        return replies.asking(found, fields, self.handles.make(handle, _place(account, FORM)))

    async def wrong(self, click: Click) -> dict[str, str]:
        """What has to be changed in a filled form, by field. Raises a Refusal that concerns no field."""
        person = await self.person(click.who)
        playbook = self._playbook(self._read(click, person).playbook)
        typed = click.values.get(SUBJECT, "").strip()
        subject = await self._house.people.person(await meant(self._house, typed or person.id))
        if subject is None:
            return {SUBJECT: no.UnknownPerson().sentence}
        answers = {name: value for name, value in click.values.items() if name != SUBJECT}
        try:
            read_form(playbook, answers, await references(self._house, subject.id))
        except no.WrongAnswer as refusal:
            if not refusal.field:
                raise
            return {refusal.field: refusal.sentence}
        return {}

    async def picking(self, account: Account) -> Form:
        """The window in which one chooses what to ask for. Raises a Refusal."""
        person = await self.person(account)
        handle = self.handles.make(Handle(person.id), _place(account, FORM))
        return replies.picking(await offers(self._house, person), handle)

    # -- a person's own page ----------------------------------------------------------------------

    async def home(self, account: Account) -> Home:
        """What waits for a person, what is under way, what is over, and what they can ask for."""
        try:
            person = await self._insider(account)
        except no.NotConnected:
            return replies.stranger_home(await self._link(account))
        except no.Refusal as refusal:
            return Home(greeting="Countersign", small=refusal.sentence)
        place = _place(account, HOME)
        house = self._house
        found = {request.id: request for request in await house.desk.concerning(person.id, most=30)}
        found |= {request.id: request for request in await house.desk.awaiting_approval_by(person.id)}
        for role in person.roles:
            found |= {request.id: request for request in await house.desk.awaiting_operator(role)}
        lines = []
        for request in found.values():
            handle = self.handles.make(Handle(person.id, request.id), place)
            lines.append(HomeLine(await self._card(request, person), handle))
        make = partial(self._handle, person, place)
        return replies.home(person, lines, await offers(house, person), make, self._devices)

    # -- small ------------------------------------------------------------------------------------

    @property
    def _devices(self) -> str:
        return self._house.settings.public_url

    def _handle(self, person: Person, place: str, playbook: str) -> str:
        return self.handles.make(Handle(person.id, playbook=playbook), place)

    def _read(self, click: Click, person: Person) -> Handle:
        return self.handles.read(click.handle, _place(click.who, click.conversation), person.id)

    def _playbook(self, name: str) -> Playbook:
        found = self._house.playbooks.by_name.get(name)
        if found is None:
            raise no.UnknownPlaybook
        return found

    async def _before(self, handle: Handle, person: Person) -> Request:
        """The request that is asked again, by whoever asked it."""
        before = await self._house.desk.get(handle.request)
        if before.requester != person.id:
            raise no.StrangeCard
        return before

    async def _card(self, request: Request, person: Person) -> Card:
        seen = await read(self._house, request, person.id)
        return request_card(request, seen.playbook, seen.people, person.id, seen.now, seen.beside)

    async def _link(self, account: Account) -> str:
        profile = await self._members.profile(account)
        shown = profile.name if profile else account.id
        token = self.handles.connecting(account, shown, self._house.store.clock())
        return f"{self._devices}/connect/{token}"

    async def _recorded(self, command: str, account: Account, refusal: no.Refusal) -> None:
        await self._house.desk.record([(None, Refused(command, account.name, refusal.kind))])


def _needs_form(playbook: Playbook, person: Person) -> bool:
    """Whether there is something to fill in before this person can ask it for themself."""
    return bool(demanded(playbook)) or playbook.justification or not may_ask(playbook, person, person)


def _place(account: Account, conversation: str) -> str:
    return f"{account.platform}/{account.workspace}/{conversation}"
