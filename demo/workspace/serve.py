"""Serves the workspace on the loopback interface: Web API, WebSocket link, response_url, faults, and the page."""

from __future__ import annotations

import asyncio
import socket
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
    try:
        async with listening(application(workspace), port) as taken:
            workspace.url = f"http://localhost:{taken}"
            try:
                yield workspace.url
            finally:
                await workspace.post.close()
    finally:
        workspace.world.close()


@asynccontextmanager
async def listening(app: web.Application, port: int = 0, *, patience: float = 1.0) -> AsyncIterator[int]:
    """Serve an application on loopback until left, and give the port; `patience` is for what is under way then."""
    with socket.create_server(("127.0.0.1", port)) as door:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=patience)
        try:
            await runner.setup()
            await web.SockSite(runner, door).start()
            yield door.getsockname()[1]
        finally:
            await _no_one_new(door)
            await runner.cleanup()


async def _no_one_new(door: socket.socket) -> None:
    """Let nobody in any more, and wait for those whose connection was just accepted.

    asyncio tells a server of a connection a few turns after it has accepted it, and forgets the connection, open as
    it is, when the server was closed in between.
    """
    asyncio.get_running_loop().remove_reader(door)
    for _ in range(5):
        await asyncio.sleep(0)
