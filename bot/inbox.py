"""What a chat delivered and we acknowledged: worked on until it is done, in this process or the next.

The delivery's row is on the disk by then. The decision's commit marks it done, or, where nothing was decided, its end
does. Whatever fails on the way is tried again after a pause; what is still undone when we stop resumes at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from handlers.deliveries import Deliveries, Delivery
from handlers.worker import backoff

log = structlog.get_logger()

AT_ONCE = 16
MOST = 40  # attempts, over about an hour; after that it waits for the next start

#: A step of the work. What it gives is the next one, and a step that was taken isn't taken again.
Step = Callable[[], Awaitable["Step | None"]]


class Unreachable(Exception):
    """The platform has nobody there whom we could answer. It won't be otherwise a moment later."""


class Busy(Exception):
    """Too much waits for this conversation already: come back later."""


class Inbox:
    """The deliveries of one platform, on the disk and under way."""

    def __init__(
        self, deliveries: Deliveries, platform: str, pause: Callable[[int], float] = backoff
    ) -> None:
        self.deliveries = deliveries
        self._platform = platform
        self._pause = pause
        self._free = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._begun: set[str] = set()
        self._open = False

    # -- coming in ----------------------------------------------------------------------------------

    async def take(self, delivery: Delivery) -> bool:
        """Put a delivery on the disk. True: begin with it. It was there before, or comes too early: `resume` will."""
        new = await self.deliveries.take(delivery)
        return new and self._open and self._first(delivery.key)

    async def resume(self, begin: Callable[[Delivery], Awaitable[object]]) -> None:
        """From now on what comes is begun at once; what is undone on the disk is begun here, each of it once."""
        self._open = True
        for key in await self.deliveries.undone(self._platform):
            delivery = await self.deliveries.read(key)
            if delivery is not None and self._first(key):
                await begin(delivery)

    def _first(self, key: str) -> bool:
        first = key not in self._begun
        self._begun.add(key)
        return first

    # -- at work ------------------------------------------------------------------------------------

    def put(self, key: str, work: Step) -> None:
        """Begin to work on a delivery that is on the disk. Returns at once."""
        task = asyncio.create_task(self._finish(key, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def stop(self, patience: float = 5.0) -> None:
        """Give what is under way a moment, then leave it for the next start."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _finish(self, key: str, work: Step) -> None:
        step: Step | None = work
        for attempt in range(1, MOST + 1):
            try:
                async with self._free:
                    while step is not None:
                        step = await step()
                    await self.deliveries.finish(key)
                self._begun.discard(key)
                return
            except Unreachable:
                log.info("unreachable", delivery=key)
                step = None
                continue
            except Exception as failure:  # noqa: BLE001  whatever it is, the delivery is still undone
                log.warning("delivery_failed", delivery=key, attempt=attempt, error=type(failure).__name__)
            await asyncio.sleep(self._pause(attempt))
        log.error("delivery_left", delivery=key)
