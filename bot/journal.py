"""Notices as log lines: what is said where no chat platform is connected. Never a card's text."""

from __future__ import annotations

import structlog

from flows.model import Request

log = structlog.get_logger()


class Journal:
    """A Messenger that writes one structured line a notice, for the log collector that security watches."""

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """One line: who would be told what."""
        log.info("tell", request_id=request.id, person=person, notice=notice, stage=request.stage.value)

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """One line for a role or for security; alarms are of level critical."""
        say = log.critical if notice in ("alarm", "tampering", "not_authorised") else log.info
        say(
            "announce",
            request_id=request.id if request else None,
            audience=audience,
            notice=notice,
            detail=detail,
        )

    async def show(self, request: Request) -> None:
        """Nothing: a log has no cards."""
