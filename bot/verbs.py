"""What people write and press in a chat, and what it comes to: one table for every platform.

A chat account proves at most that somebody holds a session. So a press may ask, stop and look; what takes a proof is
a link to the device page. Who may do what is for the desk to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import flows.errors as no
from bot import replies
from bot.asking import apart, demanded, for_others, meant, offers
from bot.cards import Card, Click, Reply, Said, Verb
from bot.handles import Handle, Handles, place_of
from bot.phrases import Phrases
from bot.seen import read
from bot.views import request_card
from flows.accounts import Account
from flows.asking import may_ask
from flows.commands import Cancel, Deny, Disown, GiveUp, Object, Retry
from flows.events import Refused
from flows.model import Origin, Person, Playbook, Request
from handlers.desk import Along
from handlers.house import House
from handlers.posted import Place

#: What is pressed about a request, and what it asks of it.
COMMANDS: Mapping[Verb, type[Cancel | Disown | Deny | Object | Retry | GiveUp]] = {
    Verb.CANCEL: Cancel,
    Verb.DISOWN: Disown,
    Verb.DENY: Deny,
    Verb.OBJECT: Object,
    Verb.RETRY: Retry,
    Verb.GIVE_UP: GiveUp,
}
#: What else a press may do here. Anything beyond takes a device, and no button of ours sends it.
OTHERS = frozenset({Verb.ASK, Verb.ASK_AGAIN, Verb.SEND_FORM, Verb.PICK, Verb.LIST})
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
    """What is said. `instead`: in the place of the message that was pressed; `aside`: for this person's eyes only.

    `strange`: what was pressed was never put there by us, or not for them; so nothing there is touched.
    """

    reply: Reply
    instead: bool = False
    aside: bool = False
    strange: bool = False


class Chat:
    """One platform's conversations, in front of the one door."""

    def __init__(self, house: House, members: Members) -> None:
        self.house = house
        self._members = members
        self._phrases = Phrases(house.playbooks.values())
        self.handles = Handles(house.store.keys)

    # -- who it is ----------------------------------------------------------------------------

    async def person(self, account: Account) -> Person:
        """Whose account this is, by what our own rows say. Raises NotConnected or InactivePerson."""
        owner = await self.house.accounts.owner(account)
        if owner is None:
            raise no.NotConnected
        person = await self.house.people.person(owner)
        if person is None or not person.active:
            raise no.InactivePerson
        return person

    async def insider(self, account: Account) -> Person:
        """The same, after the platform was asked who is there now. Raises Outsider, too."""
        profile = await self._members.profile(account)
        if profile is None or not profile.insider:
            raise no.Outsider
        return await self.person(account)

    # -- what was written -----------------------------------------------------------------------

    async def said(self, said: Said) -> Answer:
        """The answer to a text. It proposes and helps; it opens nothing. Raises what the platform raises."""
        try:
            person = await self.insider(said.who)
        except no.NotConnected as refusal:
            await self.recorded("Say", said.who, refusal)
            return Answer(replies.connect(await self.link(said.who)))
        except no.Refusal as refusal:
            await self.recorded("Say", said.who, refusal)
            return Answer(replies.refused(refusal))
        return Answer(await self._reply(said, person))

    async def _reply(self, said: Said, person: Person) -> Reply:
        handle = partial(self.handle, person, place_of(said.who, said.conversation))
        known = {playbook.name: playbook for playbook in await offers(self.house, person)}
        understood = self._phrases.read(said.text, known)
        found = [known[name] for name in understood.playbooks]
        match understood.kind:
            case "disowned":
                return replies.disowned(await self._stoppable(said, person), self.devices)
            case "called":
                return replies.called(await self._stoppable(said, person), self.devices)
            case "one":
                return await self._proposal(found[0], person, said.text, handle)
            case "several":
                return replies.several(found, said.text, handle)
            case kind:
                every = list(known.values())
                return replies.offered(every, handle, quoted=said.text, greeted=kind == "list")

    async def _proposal(
        self, playbook: Playbook, person: Person, quoted: str, handle: Callable[[str], str]
    ) -> Reply:
        proposed = replies.proposal(playbook, person, needs_form(playbook, person), quoted, handle)
        if needs_form(playbook, person) or not await for_others(self.house, playbook, person):
            return proposed
        return replies.also_for_others(proposed, handle(playbook.name))

    async def _stoppable(self, said: Said, person: Person) -> list[tuple[Card, str]]:
        """The open requests that this person can say they didn't ask for, each with its handle."""
        place = place_of(said.who, said.conversation)
        found = []
        for request in await self.house.desk.concerning(person.id):
            card = await self.card(request, person)
            if card.button(Verb.DISOWN):
                found.append((card, self.handles.make(Handle(person.id, request.id), place)))
        return found

    # -- what was pressed -----------------------------------------------------------------------

    async def pressed(self, click: Click, delivery: str) -> Answer | None:
        """What a press comes to. None where a request's own card says it all. Raises what the platform raises."""
        try:
            person = await self.insider(click.who)
            handle = self.read(click, person)
            if click.verb not in COMMANDS and click.verb not in OTHERS:
                raise no.StrangeCard
        except no.Refusal as refusal:
            await self.recorded(click.verb.value, click.who, refusal)
            return Answer(replies.refused(refusal), aside=True, strange=True)
        try:
            return await self._done(click, person, handle, delivery)
        except no.Refusal as refusal:
            return Answer(replies.refused(refusal), aside=True)

    async def _done(self, click: Click, person: Person, handle: Handle, delivery: str) -> Answer | None:
        place = place_of(click.who, click.conversation)
        make = partial(self.handle, person, place)
        match click.verb:
            case verb if verb in COMMANDS:
                await self.house.desk.submit(
                    handle.request, COMMANDS[verb](person.id), Along(delivery=delivery)
                )
            case Verb.ASK:
                await self._open(click, person, handle, {}, delivery)
            case Verb.SEND_FORM:
                await self._open(click, person, handle, click.values, delivery)
            case Verb.ASK_AGAIN:
                before = await self.before(handle, person)
                again = Handle(person.id, playbook=before.playbook, subject=before.subject)
                await self._open(click, person, again, {}, delivery, fresh=True)
            case Verb.PICK if click.conversation == FORM:
                picked = Handle(person.id, playbook=click.values.get("playbook", ""))
                await self._open(click, person, picked, {}, delivery)
            case Verb.PICK:
                playbook = self.playbook(handle.playbook)
                return Answer(await self._proposal(playbook, person, "", make), instead=True)
            case Verb.LIST:
                every = await offers(self.house, person)
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
            conversation, _, message = handle.message.partition(" ")
        whom, answers = apart(values)
        subject = await meant(self.house, whom or handle.subject or person.id)

        def card(id: str) -> dict[str, object]:
            return Place(id, person.id, who.platform, who.workspace, conversation, message).row()

        await self.house.desk.open(
            handle.playbook,
            person.id,
            subject,
            answers,
            Origin(who.platform, who.workspace, who.id, "" if conversation in (FORM, HOME) else conversation),
            delivery=delivery,
            card=card if message and not fresh else None,
        )

    # -- small ------------------------------------------------------------------------------------

    @property
    def devices(self) -> str:
        """Where device pages are."""
        return self.house.settings.public_url

    def handle(self, person: Person, place: str, playbook: str) -> str:
        """What a button about a playbook, or about none, carries at a place."""
        return self.handles.make(Handle(person.id, playbook=playbook), place)

    def read(self, click: Click, person: Person) -> Handle:
        """What a press carries. Raises StrangeCard for what we never put there for this person."""
        return self.handles.read(click.handle, place_of(click.who, click.conversation), person.id)

    def playbook(self, name: str) -> Playbook:
        """A playbook by its name. Raises UnknownPlaybook."""
        found = self.house.playbooks.by_name.get(name)
        if found is None:
            raise no.UnknownPlaybook
        return found

    async def before(self, handle: Handle, person: Person) -> Request:
        """The request that is asked again, by whoever asked it."""
        before = await self.house.desk.get(handle.request)
        if before.requester != person.id:
            raise no.StrangeCard
        return before

    async def card(self, request: Request, person: Person) -> Card:
        """A request as this person sees it."""
        seen = await read(self.house, request, person.id)
        return request_card(request, seen.playbook, seen.people, person.id, seen.now, seen.beside)

    async def link(self, account: Account) -> str:
        """The address at which an account's owner connects it."""
        profile = await self._members.profile(account)
        shown = profile.name if profile else account.id
        token = self.handles.connecting(account, shown, self.house.store.clock())
        return f"{self.devices}/connect/{token}"

    async def recorded(self, command: str, account: Account, refusal: no.Refusal) -> None:
        """Put a no on record that the desk wasn't asked about."""
        await self.house.desk.record([(None, Refused(command, account.name, refusal.kind))])


def needs_form(playbook: Playbook, person: Person) -> bool:
    """Whether there is something to fill in before this person can ask it for themself."""
    return bool(demanded(playbook)) or playbook.justification or not may_ask(playbook, person, person)
