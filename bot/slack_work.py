"""What is done about a delivery from Slack before its acknowledgement: windows, and for them one call to Slack."""

from __future__ import annotations

import structlog

import flows.errors as no
from bot import block_kit, replies
from bot.cards import Click, Form, Said, Verb
from bot.inbox import Inbox
from bot.slack_client import SlackClient
from bot.verbs import Chat
from bot.windows import Windows
from bot.work import ChatWork
from flows.accounts import Account

log = structlog.get_logger()

WINDOWS = frozenset({Verb.ASK_FORM, Verb.ASK_AGAIN})  # presses that may open a form


class SlackWork:
    """One workspace's deliveries: what comes `after` the acknowledgement is the same on every platform."""

    def __init__(self, chat: Chat, client: SlackClient, inbox: Inbox) -> None:
        self._windows = Windows(chat)
        self._client = client
        self.after = ChatWork(chat, client, block_kit, inbox, self._home)

    async def window(self, key: str, click: Click, trigger: str) -> bool:
        """Open the form that a press asks for. False where it asks for none, and the press itself is to be done."""
        if click.verb not in WINDOWS:
            return False
        try:
            form = await self._windows.opened(click)
        except no.Refusal as refusal:
            self.after.refused(key, click, refusal)
            return True
        if form is not None:
            await self._open(key, click.who, trigger, form)
        return form is not None

    async def picking(self, key: str, account: Account, trigger: str) -> None:
        """Open the window in which one chooses what to ask for."""
        try:
            await self._open(key, account, trigger, await self._windows.picking(account))
        except no.Refusal:
            self.after.said(key, Said("", account))  # it is answered with what to do first

    async def judged(self, key: str, click: Click) -> Form | dict[str, str] | None:
        """What a sent form comes to at once: the next window, or what to change, by field. None: it is being done."""
        verdict: Form | dict[str, str] | None
        try:
            verdict = await (
                self._windows.opened(click) if click.verb is Verb.PICK else self._windows.wrong(click)
            )
        except no.Refusal as refusal:
            self.after.refused(key, click, refusal)
            return None
        if verdict:
            self.after.nothing(key)
            return verdict
        self.after.pressed(key, click)
        return None

    async def _open(self, key: str, account: Account, trigger: str, form: Form) -> None:
        try:
            await self._client.open(trigger, block_kit.modal(form))
            self.after.nothing(key)
        except Exception as failure:  # noqa: BLE001  whatever it is: the trigger is spent, and the person waits
            log.warning("window_failed", delivery=key, error=type(failure).__name__)
            self.after.told(key, account, replies.no_window())

    def answered_here(self, user: str, channel: str) -> bool:
        """Whether a command was written where it will be answered, as far as we know by now."""
        return channel.startswith("D") and self._client.directs.get(user, channel) == channel

    async def _home(self, account: Account, message: str) -> None:
        """Bring their Home tab up to date; there is one, in no message."""
        await self._client.publish(account.id, block_kit.home(await self._windows.home(account)))
