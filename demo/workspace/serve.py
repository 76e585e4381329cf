"""Serves the workspace on the loopback interface: Web API, WebSocket link, response_url, faults, and the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from demo.workspace.answers import LARGEST, ResponseUrls
from demo.workspace.guard import headers, own_page_only
from demo.workspace.page import Page
from demo.workspace.web_api import WebApi
from demo.workspace.workspace import Workspace


def application(workspace: Workspace) -> web.Application:
    """Everything in one application."""
    app = web.Application(client_max_size=LARGEST, middlewares=[own_page_only])
    page, told = Page(workspace), headers(workspace.device_page)
    app.add_routes(page.routes())
    app.add_routes(WebApi(workspace).routes())
    app.add_routes(ResponseUrls(workspace).routes())
    app.add_routes(workspace.calls.routes())
    app.router.add_get("/link/", workspace.post.sockets.serve)

    async def dress(request: web.Request, response: web.StreamResponse) -> None:
        if request.path == "/" or request.path.startswith("/static/"):
            response.headers.update(told)

    async def let_go(_: web.Application) -> None:
        await page.close()

    app.on_response_prepare.append(dress)
    app.on_shutdown.append(let_go)
    return app


@asynccontextmanager
async def serving(workspace: Workspace, port: int = 0) -> AsyncIterator[str]:
    """Serve until left, and give the address: http://localhost:PORT. The Web API is below it at /api/.

    Port 0 takes a free one. What is under way when it is left is dropped, and the world is closed.
    """
    runner = web.AppRunner(application(workspace), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        workspace.url = f"http://localhost:{runner.addresses[0][1]}"
        yield workspace.url
    finally:
        await workspace.post.close()
        await no_one_new(runner)
        await runner.cleanup()
        workspace.world.close()


async def no_one_new(runner: web.AppRunner) -> None:
    """Stop listening, and let those in who were already at the door, so that the clean-up finds and closes them.

    asyncio takes a few turns from accepting a connection to telling its server of it; aiohttp waits for one.
    """
    for site in list(runner.sites):
        await site.stop()
    for _ in range(5):
        await asyncio.sleep(0)
