"""Slack's Web API as we use it: few methods, paced, patient with 429 and 5xx, and never waiting for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.inbox import Busy, Unreachable
from bot.verbs import Profile
from flows.accounts import Account

PLATFORM = "slack"
PACE = 1.0  # seconds between two messages into one conversation, as Slack asks
MOST_TURNS = 1000  # conversations to remember the last message's time of
LONGEST_QUEUE = 10.0  # seconds one message may have to wait for its turn
#: Slack's words for a message that can't be updated any more, so that another has to be posted.
GONE = frozenset({"message_not_found", "channel_not_found", "cant_update_message", "edit_window_closed"})

#: And for a conversation where this person and we aren't together.
ELSEWHERE = frozenset({"channel_not_found", "not_in_channel", "user_not_in_channel"})

#: For a conversation that nobody reads any more.
CLOSED = frozenset({"channel_not_found", "is_archived"})

#: And for somebody whom we can't write to: it won't be otherwise a moment later.
NOBODY = frozenset(
    {"user_disabled", "user_not_found", "user_not_visible", "cannot_dm_bot", "account_inactive"}
)


def said(error: SlackApiError) -> str:
    """Slack's word for what went wrong; empty when the answer wasn't Slack's own, such as a gateway's page."""
    answer = error.response.data if isinstance(error.response, AsyncSlackResponse) else error.response
    return str(answer.get("error", "")) if isinstance(answer, dict) else ""


class SlackClient:
    """One installation of the app, in one workspace.

    `directs` are our conversations with people, by user, as far as they are known.
    """

    def __init__(self, token: str, api_url: str, *, pace: float = PACE, timeout: int = 10) -> None:
        patience = [
            AsyncRateLimitErrorRetryHandler(max_retry_count=3),
            AsyncServerErrorRetryHandler(max_retry_count=2),
            AsyncConnectionErrorRetryHandler(max_retry_count=2),
        ]
        self.web = AsyncWebClient(token=token, base_url=api_url, timeout=timeout, retry_handlers=patience)
        self.identity: Mapping[str, Any] = {}
        self._pace = pace
        self._turns: dict[str, float] = {}
        self.directs: dict[str, str] = {}

    @property
    def team(self) -> str:
        """The id of the workspace; empty until `identify` has been answered."""
        return str(self.identity.get("team_id") or "")

    @property
    def workspace(self) -> str:
        """The same, for whoever can't go on without it. Raises ConnectionError."""
        if not self.team:
            raise ConnectionError("Slack hasn't told yet which workspace this is")
        return self.team

    async def identify(self) -> None:
        """Ask Slack who we are."""
        said = (await self.web.auth_test()).data
        self.identity = said if isinstance(said, dict) else {}

    # -- messages -----------------------------------------------------------------------------

    async def post(self, channel: str, content: Mapping[str, Any], thread: str = "") -> str:
        """A new message; gives its `ts`. Raises Busy, Unreachable, SlackApiError, or whatever the network does."""
        await self._turn(channel)
        try:
            sent = await self.web.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                mrkdwn=False,
                unfurl_links=False,
                unfurl_media=False,
                **content,
            )
        except SlackApiError as error:
            if said(error) in CLOSED:
                raise Unreachable from None
            raise
        return str(sent["ts"])

    async def whisper(self, channel: str, user: str, content: Mapping[str, Any]) -> None:
        """A message that one person alone sees; in our direct messages, where we can't say it there. Raises both."""
        await self._turn(channel)
        try:
            await self.web.chat_postEphemeral(channel=channel, user=user, **content)
        except SlackApiError as error:
            if said(error) not in ELSEWHERE:
                raise
            await self.post(await self.direct(user), content)

    async def update(self, channel: str, ts: str, content: Mapping[str, Any]) -> bool:
        """Put other content in a message's place. False if it isn't there any more."""
        try:
            await self.web.chat_update(channel=channel, ts=ts, **content)
        except SlackApiError as error:
            if said(error) in GONE:
                return False
            raise
        return True

    async def direct(self, user: str) -> str:
        """The conversation between this user and us. Raises Unreachable."""
        if user not in self.directs:
            try:
                opened = await self.web.conversations_open(users=user)
            except SlackApiError as error:
                if said(error) in NOBODY:
                    raise Unreachable from None
                raise
            self.directs[user] = str(opened["channel"]["id"])
        return self.directs[user]

    async def publish(self, user: str, view: dict[str, Any]) -> None:
        """Put up somebody's Home tab."""
        await self.web.views_publish(user_id=user, view=view)

    async def open(self, trigger: str, view: dict[str, Any]) -> None:
        """Open a window. The trigger is good for three seconds, so this is tried once and not waited for long."""
        await asyncio.wait_for(self.web.views_open(trigger_id=trigger, view=view), 2.5)

    async def _turn(self, channel: str) -> None:
        """Wait for this conversation's next turn."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._turns.get(channel, 0.0))
        if at - now > LONGEST_QUEUE:
            raise Busy
        if len(self._turns) >= MOST_TURNS:
            self._turns = {other: then for other, then in self._turns.items() if then > now}
        self._turns[channel] = at + self._pace
        if at > now:
            await asyncio.sleep(at - now)

    # -- people -------------------------------------------------------------------------------

    async def profile(self, account: Account) -> Profile | None:
        """Who is behind an account, as Slack says now: guests, apps, leavers and strangers are no insiders."""
        try:
            user = dict((await self.web.users_info(user=account.id))["user"])
        except SlackApiError as error:
            if said(error) in ("user_not_found", "user_not_visible"):
                return None
            raise
        odd = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_workflow_bot")
        insider = (
            account.workspace == self.team and self._ours(user) and not any(user.get(each) for each in odd)
        )
        shown = user.get("profile") or {}
        name = shown.get("real_name") or user.get("real_name") or user.get("name") or account.id
        nick = shown.get("display_name") or user.get("name") or account.id
        return Profile(f"{name} (@{nick})", insider)

    def _ours(self, user: Mapping[str, Any]) -> bool:
        """A member of this workspace, or of the organisation that it belongs to."""
        org = self.identity.get("enterprise_id")
        member = user.get("enterprise_user") or {}
        return user.get("team_id") == self.team or bool(org and member.get("enterprise_id") == org)
