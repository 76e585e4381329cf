"""The clock: once a second it asks what is due. Due times are our rows, so a tick that is missed loses nothing."""

from __future__ import annotations

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

import flows.errors as no
from flows.commands import Tick
from handlers.deliveries import Deliveries
from handlers.desk import Desk
from handlers.worker import Worker

log = structlog.get_logger()


class Clock:
    """APScheduler as a metronome only: memory store, one interval, nothing pickled, nothing remembered."""

    def __init__(self, desk: Desk, worker: Worker) -> None:
        self._desk = desk
        self._worker = worker
        self._tampered: set[str] = set()
        self._deliveries = Deliveries(desk.store)
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._scheduler.add_job(
            self.tick, "interval", seconds=1, coalesce=True, max_instances=1, misfire_grace_time=None
        )
        self._scheduler.add_job(
            self._deliveries.sweep, "interval", hours=1, coalesce=True, misfire_grace_time=None
        )

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking."""
        self._scheduler.shutdown(wait=False)

    async def tick(self) -> None:
        """Wake the worker; let every request whose time has run out find out in its own commit."""
        self._worker.wake()
        for id in await self._desk.overdue():
            if id in self._tampered:
                continue
            try:
                await self._desk.submit(id, Tick())
            except no.Tampered:
                self._tampered.add(id)  # on record once; it stays as it is
            except no.Refusal as refusal:
                log.info("tick_refused", request_id=id, reason=refusal.kind)
