"""The Bot Connector as we use it: few calls, paced, patient with what passes, and never waiting for ever."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

from bot import adaptive
from bot.inbox import Busy, Unreachable
from bot.messenger import Content
from bot.stream import TooMuch, whole
from bot.teams_credentials import Credentials
from bot.verbs import Profile
from flows.accounts import Account
from handlers.conversations import Conversation, Conversations

PLATFORM = "teams"
CARD = "application/vnd.microsoft.card.adaptive"

Limits = Sequence[tuple[int, float]]
#: Messages into one conversation, and the seconds in which no more may be sent, as Teams limits them.
LIMITS: Limits = ((7, 1.0), (8, 2.0), (60, 30.0), (1800, 3600.0))
LONGEST_QUEUE = (
    2.0  # seconds one message may have to wait for its turn, and keep others' work from being done
)
MOST_QUEUES = 1000  # conversations to remember the last hour's messages of
TRIES = 3
AGAIN = frozenset({412, 429, 502, 504})  # what Microsoft says to try again
LONGEST_WAIT = 10.0  # seconds before the next try; beyond that the delivery or the effect comes back later
NOT_MEMBERS = frozenset({"guest", "anonymous", "bot"})
LARGEST_ANSWER = 256 * 1024


UNREADABLE = "Unreadable"


class ConnectorError(Exception):
    """The Bot Connector says no, or nothing that can be read.

    `status` is HTTP's, `code` its own word, such as `BotNotInConversationRoster`, or UNREADABLE.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        self.code = code


class TeamsClient:
    """The bot of one tenant. `service` is where it writes before Teams has named an address itself."""

    def __init__(
        self,
        app_id: str,
        tenant: str,
        service: str,
        conversations: Conversations,
        credentials: Credentials,
        *,
        limits: Limits = LIMITS,
        timeout: float = 10.0,
    ) -> None:
        self.workspace = tenant
        self.conversations = conversations
        self._app_id = app_id
        self._service = service
        self._credentials = credentials
        self._limits = limits
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._web: aiohttp.ClientSession | None = None
        self._sent: dict[str, deque[float]] = {}
        self._names: dict[Account, str] = {}  # as Teams names accounts to us

    async def close(self) -> None:
        """Hang up."""
        if self._web is not None:
            await self._web.close()

    # -- messages -----------------------------------------------------------------------------------

    async def post(self, conversation: str, content: Content, thread: str = "") -> str:
        """A new message; gives its id. Raises Busy, Unreachable, ConnectorError, or what the network does."""
        await self._turn(conversation)
        place = f"v3/conversations/{quote(conversation, safe='')}/activities"
        try:
            sent = await self._call("POST", conversation, place, self._message(conversation, content))
        except ConnectorError as error:
            if error.status in (403, 404):  # not installed any more, or blocked
                raise Unreachable from None
            raise
        return str(sent.get("id", ""))

    async def update(self, conversation: str, message: str, content: Content) -> bool:
        """Put other content in a message's place. False if it isn't there any more."""
        await self._turn(conversation)
        place = f"v3/conversations/{quote(conversation, safe='')}/activities/{quote(message, safe='')}"
        try:
            await self._call("PUT", conversation, place, self._message(conversation, content))
        except ConnectorError as error:
            if error.status in (403, 404):
                return False
            raise
        return True

    async def whisper(self, conversation: str, user: str, content: Content) -> None:
        """A message for one person: Teams has none but those in our conversation with them."""
        await self.post(await self.direct(user), content)

    async def direct(self, user: str) -> str:
        """Our conversation with this user. Raises Unreachable for whoever hasn't installed the app."""
        known = await self.conversations.of(Account(PLATFORM, self.workspace, user))
        if known is None:
            raise Unreachable
        return known.conversation

    async def personal(self, content: Content, handle: str, accounts: Sequence[Account]) -> Content:
        """A room's card that these accounts see as their own, those of them that have the app installed."""
        users: list[str] = []
        for each in accounts:
            if len(users) < adaptive.MOST_READERS and (name := await self._named(each)):
                users.append(name)
        return adaptive.personal(content, handle, users)

    def _message(self, conversation: str, content: Content) -> Mapping[str, Any]:
        return {
            "type": "message",
            "from": {"id": f"28:{self._app_id}"},
            "conversation": {"id": conversation},
            "summary": content.get("fallbackText", ""),
            "attachments": [{"contentType": CARD, "content": content}],
        }

    # -- people -------------------------------------------------------------------------------------

    async def profile(self, account: Account) -> Profile | None:
        """Who is behind an account, as Teams says now: guests, leavers and other tenants' people are no insiders."""
        known = await self.conversations.of(account)
        return await self._member(account, known.conversation) if known else None

    async def meet(self, there: Conversation) -> None:
        """Remember where an account can be written to, once Teams confirms that nobody else is in that conversation.

        A message may name any account and any conversation, and call it personal; so nothing is sent there before.
        Raises Unreachable.
        """
        if await self.conversations.of(there.account) == there:
            return
        if await self._member(there.account, there.conversation, there.service) is None:
            raise Unreachable
        await self.conversations.keep(there)

    async def _named(self, account: Account) -> str:
        """What Teams calls an account in its conversations with us; empty for whoever isn't there."""
        if account not in self._names:
            await self.profile(account)
        return self._names.get(account, "")

    async def _member(self, account: Account, conversation: str, service: str = "") -> Profile | None:
        place = f"v3/conversations/{quote(conversation, safe='')}/pagedmembers?pageSize=50"
        try:
            told = await self._call("GET", conversation, place, service=service)
        except ConnectorError as error:
            if error.status in (400, 403, 404):
                return None
            raise
        members = told.get("members")
        if not isinstance(members, list):
            raise ConnectorError(200, UNREADABLE)
        listed = [each for each in members if isinstance(each, dict)]
        people = {id: each for each in listed if (id := _object_id(each))}
        if people.keys() != {account.id}:  # they aren't there, or others read along
            return None
        found = people[account.id]
        self._names[account] = str(found.get("id") or "")
        role = str(found.get("userRole") or "user").lower()
        tenant = str(found.get("tenantId") or "").lower()
        insider = tenant == self.workspace == account.workspace and role not in NOT_MEMBERS
        name = str(found.get("name") or account.id)
        nick = str(found.get("userPrincipalName") or account.id)
        return Profile(f"{name} ({nick})", insider)

    # -- inside -------------------------------------------------------------------------------------

    async def _call(
        self, method: str, conversation: str, place: str, body: Content | None = None, *, service: str = ""
    ) -> Mapping[str, Any]:
        """One call, tried again as often as it helps. Raises ConnectorError for a no."""
        address = (service or await self._address(conversation)).rstrip("/") + "/" + place
        for attempt in range(1, TRIES + 1):
            token = await self._credentials.token()
            status, told, wait = await self._once(method, address, body, token)
            if status < 300:
                if told is None:
                    raise ConnectorError(status, UNREADABLE)
                return told
            again = status in AGAIN
            if status == 401 and attempt == 1:  # it was good for longer, by what it said itself
                self._credentials.refused(token)
                again, wait = True, 0.0
            wait = wait if wait is not None else 0.5 * 2.0**attempt
            if not again or attempt == TRIES or wait > LONGEST_WAIT:
                error = (told or {}).get("error")
                raise ConnectorError(status, str(error.get("code", "")) if isinstance(error, dict) else "")
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _once(
        self, method: str, address: str, body: Content | None, token: str
    ) -> tuple[int, Mapping[str, Any] | None, float | None]:
        """Status, the object that it comes with, None for anything else, and the seconds to wait if it says so."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if self._web is None:
            self._web = aiohttp.ClientSession(timeout=self._timeout, json_serialize=adaptive.written)
        async with self._web.request(
            method, address, json=body, headers=headers, allow_redirects=False
        ) as answer:
            told = await _object(answer.content)
            wait = answer.headers.get("Retry-After", "")
            return answer.status, told, float(wait) if wait.isdecimal() else None

    async def _address(self, conversation: str) -> str:
        """The address through which a conversation is reached: its own, else the one its tenant used last."""
        known = await self.conversations.named(conversation) or await self.conversations.newest(
            self.workspace
        )
        return known.service if known else self._service

    async def _turn(self, conversation: str) -> None:
        """Wait for this conversation's next turn."""
        now = asyncio.get_running_loop().time()
        if len(self._sent) > MOST_QUEUES:
            horizon = now - LIMITS[-1][1]
            self._sent = {name: sent for name, sent in self._sent.items() if sent[-1] > horizon}
        sent = self._sent.setdefault(conversation, deque(maxlen=LIMITS[-1][0]))
        at = max([now, *(sent[-most] + seconds for most, seconds in self._limits if len(sent) >= most)])
        if at - now > LONGEST_QUEUE:
            raise Busy
        sent.append(at)
        if at > now:
            await asyncio.sleep(at - now)


def _object_id(member: Mapping[str, Any]) -> str:
    """Who it is in the directory. Teams writes it one way, older answers another."""
    return str(member.get("aadObjectId") or member.get("objectId") or "").lower()


async def _object(content: aiohttp.StreamReader) -> Mapping[str, Any] | None:
    """The object in an answer; empty for an empty one, None for what is none or too large."""
    try:
        found = json.loads(await whole(content, LARGEST_ANSWER) or b"{}")
    except (TooMuch, ValueError):
        return None
    return found if isinstance(found, dict) else None
