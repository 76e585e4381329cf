"""What is done about an activity from Teams: before its answer only dialogs, everything else after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import flows.errors as no
from bot import adaptive, teams_reading
from bot.cards import Click, Form, Verb
from bot.handles import place_of
from bot.inbox import Inbox, Step, Unreachable
from bot.messenger import ChatMessenger, Content
from bot.teams_client import CARD, TeamsClient
from bot.teams_shape import Kind
from bot.verbs import HOME, Chat
from bot.windows import Windows
from bot.work import ChatWork
from flows.accounts import Account
from handlers.conversations import Conversation

Json = Mapping[str, Any]
Judge = Callable[[Click], Awaitable[Form | None]]

TAKEN = "I'm on it."
ASKED = "It's asked. Look at our chat for what happens next."


class TeamsWork:
    """One tenant's activities. What it gives is the answer that Teams waits for, if it waits for one."""

    def __init__(self, chat: Chat, messenger: ChatMessenger, client: TeamsClient, inbox: Inbox) -> None:
        self._chat = chat
        self._messenger = messenger
        self._windows = Windows(chat)
        self._client = client
        self._inbox = inbox
        self._after = ChatWork(chat, client, adaptive, inbox, self._home)
        self._homes: dict[Account, str] = {}  # the message in which each looks at their own page

    def written(self, key: str, activity: Json) -> None:
        """Answer what somebody wrote, in our conversation with them."""
        then = self._after.saying(teams_reading.said(activity))
        if teams_reading.wants_home(activity):
            then = partial(self._new_home, teams_reading.account(activity))
        self._inbox.put(key, self._met(activity, then))

    def arrived(self, key: str, activity: Json) -> None:
        """Greet whoever has just installed the app with their own page."""
        then = partial(self._new_home, teams_reading.account(activity))
        self._inbox.put(key, self._met(activity, then))

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
            self._seen(click)
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
            if click is None:
                raise no.StrangeCard
            person = await self._chat.insider(who)
            about = self._chat.handles.read(click.handle, place_of(who, click.conversation), "")
            return _card(await self._messenger.view(about.request, click.conversation, person.id))
        except no.Refusal as refusal:
            await self._chat.recorded(Verb.LOOK.value, who, refusal)
            return _words(refusal.sentence)

    async def fetched(self, key: str, activity: Json) -> Json:
        """The dialog that a press asks for; where it asks for none, the press itself is done."""
        return await self._asked(key, activity, "fetch", self._windows.opened)

    async def filled(self, key: str, activity: Json) -> Json:
        """What a filled dialog comes to: the same with what to change, the next one, or the end."""
        return await self._asked(key, activity, "filled", self._judged)

    async def _asked(self, key: str, activity: Json, kind: Kind, judge: Judge) -> Json:
        click = teams_reading.click(activity, kind)
        try:
            form = None if click is None else await judge(click)
        except no.Refusal as refusal:
            self._after.nothing(key)
            return _message(refusal.sentence)
        if click is None or form is not None:
            self._after.nothing(key)
            return _dialog(form) if form else _message(no.StrangeCard().sentence)
        self._seen(click)
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
        return then if there is None else partial(self._meet, there, then)

    async def _meet(self, there: Conversation, then: Step) -> Step:
        try:
            await self._client.meet(there)
        except Unreachable:
            await self._chat.recorded("Say", there.account, no.Outsider())
            raise
        return then

    async def _forget(self, activity: Json) -> None:
        there = teams_reading.there(activity)
        if there is not None and await self._client.conversations.of(there.account) == there:
            await self._client.conversations.forget(there.account)

    async def _new_home(self, account: Account) -> None:
        where = await self._client.direct(account.id)
        self._homes[account] = await self._client.post(where, await self._drawn(account))

    async def _home(self, account: Account) -> None:
        """Bring the page up to date where they look at it."""
        where, message = await self._client.direct(account.id), self._homes.get(account, "")
        if not message or not await self._client.update(where, message, await self._drawn(account)):
            await self._new_home(account)

    async def _drawn(self, account: Account) -> Json:
        return adaptive.home(await self._windows.home(account))

    def _seen(self, click: Click) -> None:
        if click.conversation == HOME and click.message:
            self._homes[click.who] = click.message


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
