"""What is done about an activity from Teams: before its answer only dialogs, everything else after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog

import flows.errors as no
from bot import adaptive, replies, teams_reading
from bot.cards import Click, Form, Verb
from bot.handles import place_of
from bot.inbox import Inbox, Step, Unreachable
from bot.messenger import ChatMessenger, Content
from bot.teams_client import CARD, TeamsClient
from bot.teams_shape import Kind
from bot.verbs import Chat
from bot.windows import Windows
from bot.work import ChatWork
from flows.accounts import Account
from handlers.conversations import Conversation

Json = Mapping[str, Any]
Judge = Callable[[Click], Awaitable[Form | None]]

TAKEN = "I'm on it."
ASKED = "It's asked. Look at our chat for what happens next."
LATE = "That took too long on my side, so nothing was done. Please try again in a minute."
PATIENCE = 3.0
#: What shows a person's own page, as the app's suggestions write it.
PAGE = frozenset({"home", "my requests", "my devices"})

log = structlog.get_logger()


class TeamsWork:
    """One tenant's activities. What it gives is the answer that Teams waits for, if it waits for one.

    `patience`: seconds in which such an answer is ready, or a plain sentence in its place.
    """

    def __init__(
        self,
        chat: Chat,
        messenger: ChatMessenger,
        client: TeamsClient,
        inbox: Inbox,
        patience: float = PATIENCE,
    ) -> None:
        self._chat = chat
        self._messenger = messenger
        self._windows = Windows(chat)
        self._client = client
        self._inbox = inbox
        self._patience = patience
        self._after = ChatWork(chat, client, adaptive, inbox, self._home)

    def written(self, key: str, activity: Json) -> None:
        """Answer what somebody wrote, in our conversation with them."""
        said = teams_reading.said(activity)
        page = said.text.casefold() in PAGE
        then = partial(self._home, said.who, "") if page else self._after.saying(said)
        self._inbox.put(key, self._met(activity, then))

    def arrived(self, key: str, activity: Json) -> None:
        """Greet whoever has just installed the app with their own page."""
        self._inbox.put(key, self._met(activity, partial(self._home, teams_reading.account(activity), "")))

    def left(self, key: str, activity: Json) -> None:
        """The app was removed: nothing is written there any more."""
        self._inbox.put(key, partial(self._forget, activity))

    def nothing(self, key: str) -> None:
        """Nothing we do anything about."""
        self._after.nothing(key)

    def pressed(self, key: str, activity: Json, kind: Kind) -> Json | None:
        """Do what was pressed."""
        click = teams_reading.click(activity, kind)
        if click is None:
            self._after.nothing(key)
        else:
            self._inbox.put(key, self._met(activity, self._after.pressing(click, key)))
        if kind != "execute":
            return None
        return _words(TAKEN if click else no.StrangeCard().sentence)

    async def looked(self, key: str, activity: Json) -> Json:
        """A room's card as whoever looks at it may see it. It decides nothing, so nothing is left to do."""
        self._after.nothing(key)
        click = teams_reading.click(activity, "look")
        who = teams_reading.account(activity)
        try:
            async with asyncio.timeout(self._patience):
                return _card(await self._view(who, click))
        except no.Refusal as refusal:
            await self._chat.recorded(Verb.LOOK.value, who, refusal)
            return _words(refusal.sentence)
        except Exception as failure:  # noqa: BLE001  whatever it is, somebody waits for a sentence
            log.warning("not_looked", delivery=key, error=type(failure).__name__)
            return _words(LATE)

    async def _view(self, who: Account, click: Click | None) -> Content:
        if click is None:
            raise no.StrangeCard
        person = await self._chat.insider(who)
        about = self._chat.handles.read(click.handle, place_of(who, click.conversation), "")
        return await self._messenger.view(about.request, click.conversation, person.id)

    async def fetched(self, key: str, activity: Json) -> Json:
        """The dialog that a press asks for; where it asks for none, the press itself is done."""
        return await self._asked(key, activity, "fetch", self._windows.opened)

    async def filled(self, key: str, activity: Json) -> Json:
        """What a filled dialog comes to: the same with what to change, the next one, or the end."""
        return await self._asked(key, activity, "filled", self._judged)

    async def _asked(self, key: str, activity: Json, kind: Kind, judge: Judge) -> Json:
        click = teams_reading.click(activity, kind)
        try:
            async with asyncio.timeout(self._patience):
                form = None if click is None else await judge(click)
        except no.Refusal as refusal:
            self._after.nothing(key)
            return _message(refusal.sentence)
        except Exception as failure:  # noqa: BLE001  whatever it is, somebody waits for a sentence
            log.warning("dialog_failed", delivery=key, error=type(failure).__name__)
            self._after.nothing(key)
            return _message(LATE)
        if click is None or form is not None:
            self._after.nothing(key)
            return _dialog(form) if form else _message(no.StrangeCard().sentence)
        self._inbox.put(key, self._met(activity, self._after.pressing(click, key)))
        return _message(ASKED)

    async def _judged(self, click: Click) -> Form | None:
        if click.verb is Verb.PICK:
            return await self._windows.opened(click)
        wrong = await self._windows.wrong(click)
        return await self._windows.again(click, wrong) if wrong else None

    # -- step by step -------------------------------------------------------------------------------

    def _met(self, activity: Json, then: Step) -> Step:
        """First make sure whose conversation it is, then go on."""
        there = teams_reading.there(activity)
        return partial(self._publicly, activity, then) if there is None else partial(self._meet, there, then)

    async def _meet(self, there: Conversation, then: Step) -> Step:
        try:
            await self._client.meet(there)
        except Unreachable:
            await self._chat.recorded("Say", there.account, no.Outsider())
            raise
        return then

    async def _publicly(self, activity: Json, then: Step) -> Step | None:
        """What came from a room is answered in private; whoever can't be written to there reads why, in the room."""
        try:
            return await then()
        except Unreachable:
            if activity["type"] == "message":
                await self._client.post(activity["conversation"]["id"], adaptive.reply(replies.uninstalled()))
            raise

    async def _forget(self, activity: Json) -> None:
        """The conversation is forgotten once Teams says itself that there is none."""
        there = teams_reading.there(activity)
        if there is None or await self._client.conversations.of(there.account) != there:
            return
        if await self._client.profile(there.account) is None:
            await self._client.conversations.forget(there.account)

    async def _home(self, account: Account, message: str) -> None:
        """Their own page as it is now: in the message in which they look at it, or in a new one."""
        where, page = await self._client.direct(account.id), adaptive.home(await self._windows.home(account))
        if not message or not await self._client.update(where, message, page):
            await self._client.post(where, page)


# -- the answers that Teams waits for ------------------------------------------------------------------


def _words(sentence: str) -> Json:
    """To a button: a sentence beside it."""
    return {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": sentence}


def _card(content: Content) -> Json:
    """To whoever looks at a card: another in its place, for their eyes."""
    return {"statusCode": 200, "type": CARD, "value": content}


def _message(sentence: str) -> Json:
    """To a dialog: a sentence in its place, and its end."""
    return {"task": {"type": "message", "value": sentence}}


def _dialog(form: Form) -> Json:
    """To a dialog: a form in it."""
    card = {"contentType": CARD, "content": adaptive.form(form)}
    shown = {"title": form.title, "height": "medium", "width": "medium", "card": card}
    return {"task": {"type": "continue", "value": shown}}
