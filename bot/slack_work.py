"""What is done about a delivery from Slack: before the acknowledgement only windows, everything else after it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import structlog

import flows.errors as no
from bot import block_kit, replies
from bot.cards import Click, Form, Reply, Said, Verb
from bot.inbox import Inbox, Unreachable, Work
from bot.slack_client import SlackClient
from bot.verbs import FORM, HOME, Answer, Chat
from bot.windows import Windows
from flows.accounts import Account

log = structlog.get_logger()

WINDOWS = frozenset({Verb.ASK_FORM, Verb.ASK_AGAIN})  # presses that may open a form


class SlackWork:
    """One workspace's deliveries on their way to the desk and back into the conversation."""

    def __init__(self, chat: Chat, client: SlackClient, inbox: Inbox) -> None:
        self._chat = chat
        self._windows = Windows(chat)
        self._client = client
        self._inbox = inbox

    # -- before the acknowledgement: our own rows, and one call to Slack ------------------------------

    async def window(self, key: str, click: Click | None, trigger: str) -> bool:
        """Open the form that a press asks for. False where it asks for none, and the press itself is to be done."""
        if click is None or click.verb not in WINDOWS:
            return False
        try:
            form = await self._windows.opened(click)
        except no.Refusal as refusal:
            self.refused(key, click, refusal)
            return True
        if form is not None:
            await self._open(key, click.who, trigger, form)
        return form is not None

    async def picking(self, key: str, account: Account, trigger: str) -> None:
        """Open the window in which one chooses what to ask for."""
        try:
            await self._open(key, account, trigger, await self._windows.picking(account))
        except no.Refusal:
            self.said(key, Said("", account))  # it is answered with what to do first

    async def judged(self, key: str, click: Click | None) -> Form | dict[str, str] | None:
        """What a sent form comes to at once: the next window, or what to change, by field. None: it is being done."""
        if click is None:
            self.pressed(key, None)
            return None
        verdict: Form | dict[str, str] | None
        try:
            verdict = await (
                self._windows.opened(click) if click.verb is Verb.PICK else self._windows.wrong(click)
            )
        except no.Refusal as refusal:
            self.refused(key, click, refusal)
            return None
        self.pressed(key, None if verdict else click)
        return verdict or None

    async def _open(self, key: str, account: Account, trigger: str, form: Form) -> None:
        try:
            await self._client.open(trigger, block_kit.modal(form))
            self._inbox.put(key, _nothing)
        except Exception as failure:  # noqa: BLE001  whatever it is: the trigger is spent, and the person waits
            log.warning("window_failed", delivery=key, error=type(failure).__name__)
            self._inbox.put(key, partial(self._post, account, replies.no_window()))

    # -- after it -----------------------------------------------------------------------------------

    def answered_here(self, user: str, channel: str) -> bool:
        """Whether a command was written where it will be answered, as far as we know by now."""
        return channel.startswith("D") and self._client.directs.get(user, channel) == channel

    def said(self, key: str, said: Said | None) -> None:
        """Answer what was written."""
        self._inbox.put(key, partial(self._answer, said) if said else _nothing)

    def pressed(self, key: str, click: Click | None) -> None:
        """Do what was pressed or filled in."""
        self._inbox.put(key, partial(self._press, click, key) if click else _nothing)

    def refused(self, key: str, click: Click, refusal: no.Refusal) -> None:
        """Say why something that was pressed isn't done."""
        self._inbox.put(key, partial(self._reply, click, Answer(replies.refused(refusal), aside=True)))

    def looked(self, key: str, account: Account, tab: str) -> None:
        """Bring a person's Home tab up to date, since they look at it."""
        self._inbox.put(key, partial(self._home, account) if tab == HOME else _nothing)

    async def _answer(self, said: Said) -> None:
        """In our conversation with them, as Slack knows it: a payload may name any other."""
        try:
            where = await self._client.direct(said.who.id)
        except Unreachable:
            await self._chat.said(said)  # whoever isn't here is told no, on record
            raise
        answer = await self._chat.said(replace(said, conversation=where))
        await self._client.post(where, block_kit.reply(answer.reply), said.thread)

    async def _press(self, click: Click, key: str) -> Work | None:
        answer = await self._chat.pressed(click, key)
        return partial(self._pressed, click, answer)

    async def _pressed(self, click: Click, answer: Answer | None) -> None:
        """What is said after a press. The press isn't decided again when this has to be tried again."""
        if answer is not None:
            await self._reply(click, answer)
        if click.conversation == HOME:
            await self._home(click.who)

    async def _reply(self, click: Click, answer: Answer) -> None:
        content = block_kit.reply(answer.reply)
        if click.conversation in (FORM, HOME):
            await self._post(click.who, answer.reply)
        elif (
            answer.instead
            and click.message
            and await self._client.update(click.conversation, click.message, content)
        ):
            return
        else:
            await self._client.whisper(click.conversation, click.who.id, content)

    async def _post(self, account: Account, reply: Reply) -> None:
        await self._client.post(await self._client.direct(account.id), block_kit.reply(reply))

    async def _home(self, account: Account) -> None:
        await self._client.publish(account.id, block_kit.home(await self._windows.home(account)))


async def _nothing() -> None:
    """There is nothing to do but to mark the delivery done."""
