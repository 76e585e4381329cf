"""Where people can be written to on a platform that has to be told: one conversation an account, sealed.

Microsoft Teams lets an app write first only to whom has it installed, into a conversation and through an address that
it has named before. Both are remembered when the platform itself confirms whose conversation it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from flows.accounts import Account
from storage.book import Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store

_CONVERSATIONS = TABLES["conversations"]
_of = select(_CONVERSATIONS).where(_CONVERSATIONS.c.id == bindparam("id"))
_named = select(_CONVERSATIONS).where(_CONVERSATIONS.c.conversation == bindparam("conversation"))
_newest = (
    select(_CONVERSATIONS)
    .where(_CONVERSATIONS.c.workspace == bindparam("workspace"))
    .order_by(_CONVERSATIONS.c.seen_at.desc())
    .limit(1)
)
_gone = delete(_CONVERSATIONS).where(_CONVERSATIONS.c.id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class Conversation:
    """Our conversation with one account. `service` is the address through which it is written to, an https URL."""

    account: Account
    conversation: str
    service: str


class Conversations:
    """Conversations over the store. A row that was written by hand isn't believed, and security is told."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, account: Account) -> Conversation | None:
        """Where this account can be written to, if that is known."""
        return self._first(await self._store.believed("conversations", await self._found(account)))

    async def named(self, conversation: str) -> Conversation | None:
        """Whose conversation this is, if it is one of ours."""
        found = await self._store.fetch(_named, conversation=conversation)
        return self._first(await self._store.believed("conversations", found))

    async def newest(self, workspace: str) -> Conversation | None:
        """The latest conversation of a workspace: what is written to nobody in particular goes by its address."""
        found = await self._store.fetch(_newest, workspace=workspace)
        return self._first(await self._store.believed("conversations", found))

    async def keep(self, there: Conversation) -> None:
        """Remember a conversation, in the place of the account's last one."""
        account = there.account
        need = Need("conversations", "id", account.name)

        def row(now: object) -> Row:
            return {
                "id": account.name,
                "platform": account.platform,
                "workspace": account.workspace,
                "account": account.id,
                "conversation": there.conversation,
                "service": there.service,
                "seen_at": now,
            }

        await self._store.write(Work(lambda book: Outcome(puts=[("conversations", row(book.now))]), (need,)))

    async def forget(self, account: Account) -> None:
        """The app isn't there any more."""
        await self._store.run(_gone, id=account.name)

    async def _found(self, account: Account) -> list[Row]:
        return await self._store.fetch(_of, id=account.name)

    @staticmethod
    def _first(found: list[Row]) -> Conversation | None:
        return next(map(_read, found), None)


def _read(row: Row) -> Conversation:
    account = Account(row["platform"], row["workspace"], row["account"])
    return Conversation(account, row["conversation"], row["service"])
