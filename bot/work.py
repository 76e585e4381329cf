"""What is done about a delivery after it was acknowledged, on every platform: decide, then say what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import flows.errors as no
from bot import replies
from bot.cards import Click, Reply, Said
from bot.inbox import Inbox, Step, Unreachable
from bot.messenger import Content, Drawer, Line
from bot.verbs import FORM, HOME, Answer, Chat
from flows.accounts import Account


class Whispering(Line, Protocol):
    """A platform's messages, one person's own among them."""

    async def whisper(self, conversation: str, user: str, content: Content) -> None:
        """A message that one person alone sees: there, or else in our conversation with them."""
        ...


class ChatWork:
    """One platform's deliveries on their way to the desk and back into the conversation.

    `home` brings a person's own page up to date, where they look at it: in a message of this name, if it is in one.
    """

    def __init__(
        self,
        chat: Chat,
        line: Whispering,
        drawer: Drawer,
        inbox: Inbox,
        home: Callable[[Account, str], Awaitable[Step | None]],
    ) -> None:
        self._chat = chat
        self._line = line
        self._drawer = drawer
        self._inbox = inbox
        self._home = home

    def nothing(self, key: str) -> None:
        """There is nothing to do but to mark the delivery done."""
        self._inbox.put(key, _nothing)

    def said(self, key: str, said: Said) -> None:
        """Answer what was written."""
        self._inbox.put(key, self.saying(said))

    def saying(self, said: Said) -> Step:
        """The step that answers what was written."""
        return partial(self._answer, said)

    def pressed(self, key: str, click: Click) -> None:
        """Do what was pressed or filled in."""
        self._inbox.put(key, self.pressing(click, key))

    def pressing(self, click: Click, key: str) -> Step:
        """The step that does what was pressed or filled in."""
        return partial(self._press, click, key)

    def refused(self, key: str, click: Click, refusal: no.Refusal) -> None:
        """Say why something that was pressed isn't done."""
        self._inbox.put(key, partial(self._reply, click, Answer(replies.refused(refusal), aside=True)))

    def told(self, key: str, account: Account, reply: Reply) -> None:
        """Say something to one person."""
        self._inbox.put(key, partial(self._post, account, reply))

    def looked(self, key: str, account: Account) -> None:
        """Bring a person's own page up to date, since they look at it."""
        self._inbox.put(key, partial(self._home, account, ""))

    # -- step by step -------------------------------------------------------------------------------

    async def _answer(self, said: Said) -> None:
        """In our conversation with them, as the platform knows it: a payload may name any other."""
        try:
            where = await self._line.direct(said.who.id)
        except Unreachable:
            await self._chat.said(said)  # whoever isn't here is told no, on record
            raise
        answer = await self._chat.said(replace(said, conversation=where))
        await self._line.post(where, self._drawer.reply(answer.reply), said.thread)

    async def _press(self, click: Click, key: str) -> Step:
        answer = await self._chat.pressed(click, key)
        return partial(self._pressed, click, answer)

    async def _pressed(self, click: Click, answer: Answer | None) -> None:
        """What is said after a press. The press isn't decided again when this has to be tried again."""
        if answer is not None:
            await self._reply(click, answer)
        if click.conversation == HOME and not (answer and answer.strange):
            await self._home(click.who, click.message)

    async def _reply(self, click: Click, answer: Answer) -> None:
        content = self._drawer.reply(answer.reply)
        if click.conversation in (FORM, HOME):
            await self._post(click.who, answer.reply)
        elif (
            answer.instead
            and click.message
            and await self._line.update(click.conversation, click.message, content)
        ):
            return
        else:
            await self._line.whisper(click.conversation, click.who.id, content)

    async def _post(self, account: Account, reply: Reply) -> None:
        await self._line.post(await self._line.direct(account.id), self._drawer.reply(reply))


async def _nothing() -> None:
    pass
