"""Is it alive, and is it ready to serve?"""

from __future__ import annotations

import structlog
from aiohttp import web
from sqlalchemy import func, select

from bot.web.page import HOUSE
from handlers.deliveries import Deliveries
from storage.sql import TABLES

log = structlog.get_logger()

routes = web.RouteTableDef()

_events = select(func.count().label("events")).select_from(TABLES["tree_head"])


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """200 as long as the process answers at all."""
    return web.json_response({"status": "ok"})


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """200 when the database answers, 503 otherwise. It says what is waiting, never what it is about."""
    house = request.app[HOUSE]
    try:
        await house.store.fetch(_events)
        waiting, oldest = await house.worker.outbox.waiting()
        undone = await Deliveries(house.store).waiting()
    except Exception as failure:  # noqa: BLE001  any driver's error means the same to a load balancer
        log.error("not ready", error=type(failure).__name__)  # for operators, not for whoever asks
        return web.json_response({"status": "unavailable"}, status=503)
    answers = {} if house.recent is None else {"directory_seconds": round(house.recent.age)}
    late = (house.store.clock() - oldest).total_seconds() if oldest else 0.0
    return web.json_response(
        {
            "status": "ready",
            "effects_waiting": waiting,
            "oldest_seconds": max(0, round(late)),
            "deliveries_waiting": undone,
            **answers,
        }
    )
