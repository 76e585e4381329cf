"""Where the cards stand: one message a request and conversation, updated in place as the request goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import bindparam, delete, select

from flows.model import Request
from storage.book import Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store

_POSTED, _REQUESTS = TABLES["posted"], TABLES["requests"]
_of = select(_POSTED).where(
    _POSTED.c.request == bindparam("request"), _POSTED.c.platform == bindparam("platform")
)
_behind = (
    select(_POSTED.c.request)
    .join(_REQUESTS, _REQUESTS.c.id == _POSTED.c.open_request)
    .where(_POSTED.c.drawn < _REQUESTS.c.version)
    .distinct()
)
_gone = delete(_POSTED).where(_POSTED.c.id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class Place:
    """One message in one conversation. `person` is whose eyes the card is drawn for; empty for a room."""

    request: str
    person: str
    platform: str
    workspace: str
    conversation: str
    message: str
    drawn: int = 0

    @property
    def id(self) -> str:
        """One card a request and conversation."""
        return f"{self.request}/{self.platform}/{self.workspace}/{self.conversation}"

    def row(self, *, over: bool = False) -> Row:
        """As it is kept. `over`: it shows the end, so nobody looks at it again after a restart."""
        return {"id": self.id, "open_request": None if over else self.request, **asdict(self)}


class Posted:
    """The places of every card, over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, request: str, platform: str) -> Sequence[Place]:
        """Every message about a request on one platform."""
        names = Place.__dataclass_fields__
        found = await self._store.fetch(_of, request=request, platform=platform)
        return [Place(**{name: row[name] for name in names}) for row in found]

    async def keep(self, place: Place, request: Request) -> None:
        """Remember a message and the state it shows."""
        row = {**place.row(over=request.stage.closed), "drawn": request.version}
        need = Need("posted", "id", place.id)
        await self._store.write(Work(lambda book: Outcome(puts=[("posted", row)]), (need,)))

    async def forget(self, place: Place) -> None:
        """The message is gone, or can't be updated any more."""
        await self._store.run(_gone, id=place.id)

    async def behind(self) -> Sequence[str]:
        """Requests that went on after their cards were drawn last: looked for once, at start."""
        return [row["request"] for row in await self._store.fetch(_behind)]
