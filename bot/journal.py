"""Notices as log lines, and notices to several places at once. A log line never holds a card's text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from flows.model import Request
from flows.news import News
from handlers.ports import Messenger, Welcoming
from handlers.together import every

log = structlog.get_logger()


class Everywhere:
    """Several Messengers as one. All are asked, whichever fails; then all again, which the port says is harmless."""

    def __init__(self, *messengers: Messenger, beside: Sequence[Welcoming] = ()) -> None:
        self._messengers = messengers
        self._beside = beside  # who can welcome people, and nothing else

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """Tell one person, wherever they are."""
        await every(each.tell(person, notice, request) for each in self._messengers)

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """Tell a role or security, everywhere."""
        await every(each.announce(audience, notice, request, detail) for each in self._messengers)

    async def notify(self, news: News, request: Request | None) -> bool:
        """Tell one person, wherever they are. True when they were told anywhere."""
        return any(await every(each.notify(news, request) for each in self._messengers))

    async def welcome(self, person: str, address: str) -> bool:
        """Tell somebody that they can register a device, in each place that can. False where none can."""
        able = [*(each for each in self._messengers if isinstance(each, Welcoming)), *self._beside]
        told = await asyncio.gather(*(each.welcome(person, address) for each in able), return_exceptions=True)
        if True in told:
            return True
        for each in told:
            if isinstance(each, BaseException):
                raise each
        return False

    async def show(self, request: Request) -> None:
        """Bring every card up to date."""
        await every(each.show(request) for each in self._messengers)


class Journal:
    """A Messenger that writes one structured line a notice, for the log collector that security watches."""

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """One line: who would be told what."""
        log.info("tell", request_id=request.id, person=person, notice=notice, stage=request.stage.value)

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """One line for a role or for security; alarms are of level critical."""
        say = log.critical if notice in ("alarm", "recovered", "tampering", "not_authorised") else log.info
        say(
            "announce",
            request_id=request.id if request else None,
            audience=audience,
            notice=notice,
            detail=detail,
        )

    async def notify(self, news: News, request: Request | None) -> bool:
        """One line, which the person it concerns doesn't read."""
        log.info(
            "notify", request_id=request.id if request else None, person=news.person, what=news.what.value
        )
        return False

    async def show(self, request: Request) -> None:
        """Nothing: a log has no cards."""
