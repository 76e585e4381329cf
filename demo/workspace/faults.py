"""What was called and what goes wrong on purpose: GET /calls, POST and DELETE /faults."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from aiohttp import web

from demo.workspace.people import Json

_NAMES = {429: "ratelimited", 500: "internal_error", 503: "service_unavailable"}


@dataclass(slots=True)
class Fault:
    """The next `times` calls of `method` ("*" is every one) go wrong.

    They wait `delay` seconds; are answered with `status` if one is given, and nothing is done; with `drop` the
    thing is done and the connection cut before the answer.
    """

    method: str
    status: int | None = None
    retry_after: int = 1
    times: int = 1
    delay: float = 0.0
    drop: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or (self.status is not None and self.status not in _NAMES):
            raise ValueError(f"a fault has a method, and a status of {', '.join(map(str, _NAMES))} or none")
        if not (self.status or self.delay or self.drop) or self.times < 1 or self.delay < 0:
            raise ValueError("a fault has a status, a delay or a drop, and happens at least once")

    @property
    def outcome(self) -> str:
        """How a call that met this is noted, if nothing was done."""
        return {429: "ratelimited"}.get(self.status or 0, f"http {self.status}")

    def answer(self) -> web.Response:
        """What is answered in the place of doing it."""
        status = self.status or 500
        headers = {"Retry-After": str(self.retry_after)} if status == 429 else {}
        return web.json_response({"ok": False, "error": _NAMES[status]}, status=status, headers=headers)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Web API: when it came, its method and arguments without the token, and how it ended."""

    at: float
    method: str
    arguments: Json
    outcome: str  # "ok", Slack's error code, or "dropped"


class Calls:
    """The calls so far and the faults to come."""

    def __init__(self, clock: Callable[[], float], announce: Callable[[], None]) -> None:
        self.made: deque[Call] = deque(maxlen=10_000)
        self.faults: list[Fault] = []
        self._clock = clock
        self._announce = announce

    def note(self, at: float, method: str, arguments: Json, outcome: str) -> None:
        """Remember a call."""
        known = {key: value for key, value in arguments.items() if key != "token"}
        self.made.append(Call(at, method, known, outcome))
        self._announce()

    def now(self) -> float:
        """The workspace's time."""
        return self._clock()

    async def fault(self, method: str) -> Fault | None:
        """What goes wrong with this call, if anything; used up one time further, its delay waited for."""
        found = next((fault for fault in self.faults if fault.method in (method, "*")), None)
        if found is None:
            return None
        found.times -= 1
        if not found.times:
            self.faults.remove(found)
        if found.delay:
            await asyncio.sleep(found.delay)
        return found

    def routes(self) -> list[web.RouteDef]:
        """The endpoints of this page."""
        return [
            web.get("/calls", self._list),
            web.get("/faults", self._faults),
            web.post("/faults", self._add),
            web.delete("/faults", self._clear),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(call) for call in self.made])

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(fault) for fault in self.faults])

    async def _add(self, request: web.Request) -> web.Response:
        try:
            self.faults.append(Fault(**await request.json()))
        except (ValueError, TypeError, json.JSONDecodeError) as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        return web.json_response({"ok": True})

    async def _clear(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({"ok": True})
