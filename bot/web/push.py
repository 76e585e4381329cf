"""Being notified on a device: the page as an installed app, its service worker, and the device's subscription."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from bot.web.page import HOUSE, json_body, reader
from bot.web.session import SESSION
from flows.digest import key_name
from handlers.subscriptions import offered

routes = web.RouteTableDef()

_STATIC = Path(__file__).parent / "static"
REFUSED = "This browser's push service can't be used: its address isn't one that Countersign would send to."
OFF = "Countersign isn't set up to notify devices. Your chat tells you when something waits for you."


@routes.get("/manifest.webmanifest")
async def manifest(request: web.Request) -> web.StreamResponse:
    """What a browser needs to install the page as an app (W3C Web Application Manifest)."""
    return _file("manifest.webmanifest", "application/manifest+json")


@routes.get("/worker.js")
async def worker(request: web.Request) -> web.StreamResponse:
    """The service worker, here because it may speak for what is below its own path."""
    return _file("worker.js", "text/javascript")


@routes.get("/push")
async def terms(request: web.Request) -> web.Response:
    """What the service worker needs to subscribe again on its own: our key, its form token, and what it signs with.

    None of it is worth anything without the browser's key, so it isn't signed for.
    """
    house, session = request.app[HOUSE], request[SESSION]
    if session.claimed is None:
        raise web.HTTPForbidden
    told = {"key": house.settings.push_key, "csrf": session.csrf, "signing": key_name(session.claimed.key)}
    return web.json_response({**told, "now": house.store.clock().isoformat()})


@routes.post("/push")
async def subscribe(request: web.Request) -> web.Response:
    """Notify this device from now on, at the place its browser names."""
    house, (_, device) = request.app[HOUSE], reader(request)
    if not house.settings.push_key:
        return web.json_response({"error": OFF}, status=409)
    given = offered(device, await json_body(request), local=house.settings.rp_id == "localhost")
    if given is None:
        return web.json_response({"error": REFUSED}, status=422)
    await house.subscriptions.keep(given)
    return web.json_response({"on": True})


@routes.post("/push/stop")
async def stop(request: web.Request) -> web.Response:
    """Notify this device no longer."""
    house, (_, device) = request.app[HOUSE], reader(request)
    await house.subscriptions.stop(device.id)
    return web.json_response({"on": False})


def _file(name: str, kind: str) -> web.FileResponse:
    return web.FileResponse(_STATIC / name, headers={"Content-Type": f"{kind}; charset=utf-8"})
