"""Forms in windows of their own, and a person's own page: what a chat shows beside its messages.

A window opens before the platform is answered, so nothing there asks anybody but our own rows. What is filled in is
decided afterwards like any press.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import flows.errors as no
from bot import replies
from bot.asking import SUBJECT, apart, for_others, inputs, meant, offers, references
from bot.cards import Click, Form, Home, HomeLine, Verb
from bot.facts import codes_line, device_lines, home_lines
from bot.handles import Handle, place_of
from bot.verbs import FORM, HOME, Chat, needs_form
from flows.accounts import Account
from flows.model import Person, Playbook
from handlers.forms import read_form
from handlers.recovery import codes_of


class Windows:
    """The windows and pages of one platform's conversations."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._house = chat.house

    async def opened(self, click: Click) -> Form | None:
        """The form that a press opens, or None. Raises a Refusal, which is on record by then."""
        chat = self._chat
        try:
            person = await chat.person(click.who)
            return await self._asked(click, person, chat.read(click, person))
        except no.Refusal as refusal:
            await chat.recorded(click.verb.value, click.who, refusal)
            raise

    async def _asked(self, click: Click, person: Person, handle: Handle) -> Form | None:
        match click.verb:
            case Verb.ASK_FORM:
                message = f"{click.conversation} {click.message}" if click.message else ""
                return await self._form(
                    click.who, person, self._chat.playbook(handle.playbook), message=message
                )
            case Verb.PICK if click.conversation == FORM:
                picked = self._chat.playbook(click.values.get("playbook", ""))
                return (
                    await self._form(click.who, person, picked) if await self._asks(picked, person) else None
                )
            case Verb.ASK_AGAIN:
                before = await self._chat.before(handle, person)
                playbook = self._chat.playbook(before.playbook)
                if not needs_form(playbook, person) and before.subject == person.id:
                    return None
                whom = await self._house.people.person(before.subject)
                typed = {**before.parameters, **await self._house.desk.texts(before.id)}
                typed[SUBJECT] = whom.account if whom else before.subject
                return await self._form(click.who, person, playbook, typed)
        return None

    async def _asks(self, playbook: Playbook, person: Person) -> bool:
        """Whether this person has anything to fill in or to choose."""
        return needs_form(playbook, person) or await for_others(self._house, playbook, person)

    async def _form(
        self,
        account: Account,
        person: Person,
        playbook: Playbook,
        typed: Mapping[str, str] = MappingProxyType({}),
        *,
        message: str = "",
    ) -> Form:
        fields = await inputs(self._house, playbook, person, typed, {})
        handle = Handle(person.id, playbook=playbook.name, message=message)
        return replies.asking(playbook, fields, self._chat.handles.make(handle, place_of(account, FORM)))

    async def wrong(self, click: Click) -> dict[str, str]:
        """What has to be changed in a filled form, by field. Raises a Refusal that concerns no field."""
        person = await self._chat.person(click.who)
        playbook = self._chat.playbook(self._chat.read(click, person).playbook)
        whom, answers = apart(click.values)
        subject = await self._house.people.person(await meant(self._house, whom or person.id))
        if subject is None:
            return {SUBJECT: no.UnknownPerson().sentence}
        try:
            read_form(playbook, answers, await references(self._house, subject.id))
        except no.WrongAnswer as refusal:
            if not refusal.field:
                raise
            return {refusal.field: refusal.sentence}
        return {}

    async def again(self, click: Click, wrong: Mapping[str, str]) -> Form:
        """A filled form with what has to be changed, for a platform that doesn't keep it standing itself."""
        person = await self._chat.person(click.who)
        playbook = self._chat.playbook(self._chat.read(click, person).playbook)
        fields = await inputs(self._house, playbook, person, click.values, wrong)
        return replies.asking(playbook, fields, click.handle)

    async def picking(self, account: Account) -> Form:
        """The window in which one chooses what to ask for. Raises a Refusal."""
        person = await self._chat.person(account)
        handle = self._chat.handles.make(Handle(person.id), place_of(account, FORM))
        return replies.picking(await offers(self._house, person), handle)

    async def home(self, account: Account) -> Home:
        """What waits for a person, what is under way, what is over, and what they can ask for."""
        chat, house = self._chat, self._house
        try:
            person = await chat.insider(account)
        except no.NotConnected:
            return replies.stranger_home(await chat.link(account))
        except no.Refusal as refusal:
            return Home(greeting="Countersign", small=refusal.sentence)
        place = place_of(account, HOME)
        lines = []
        for each in await house.desk.before(person, most=30):
            handle = chat.handles.make(Handle(person.id, each.id), place)
            lines.append(
                HomeLine(await chat.card(each, person), handle, f"{chat.devices}/requests/{each.id}")
            )
        offered = [(each, await self._asks(each, person)) for each in await offers(house, person)]
        registration, now = await house.registry.registration(person.id), house.store.clock()
        devices = home_lines(
            device_lines(registration, person, "", now),
            codes_line(await codes_of(house.store, person.id), person, now),
        )
        handing = partial(chat.handle, person, place)
        return replies.home(person, lines, offered, handing, chat.devices, devices)
