"""A line to a server that can be bad: it stalls, breaks, or loses what comes back, when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Line:
    """One line. `stalls` takes effect at once; `cut` breaks every connection there is.

    `deaf`: how many more pieces come back from the server before one is lost, and the connection with it.
    """

    host: str
    port: int
    at: int = 0
    stalls: bool = False  # nothing is passed on any more, in either direction
    deaf: int | None = None
    calls: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The same server, over this line."""
        return f"ldaps://localhost:{self.at}"

    def cut(self) -> None:
        """Break every connection, without a goodbye."""
        for writer in self.open:
            writer.transport.abort()

    async def taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.calls += 1
        self.open.add(writer)
        try:
            there, onward = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self.open.add(onward)
        try:
            await asyncio.gather(self._pump(reader, onward), self._pump(there, writer, back=True))
        except (OSError, asyncio.CancelledError):  # it broke, or the test is over
            pass
        finally:
            for each in (writer, onward):
                self.open.discard(each)
                each.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        while piece := await source.read(65536):
            if self.stalls:
                await self.goes_on.wait()
            if back and self.deaf is not None:
                if self.deaf == 0:
                    self.deaf = None
                    self.cut()
                    return
                self.deaf -= 1
            sink.write(piece)
            await sink.drain()
        sink.transport.abort()


@contextlib.asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    """A line to the server at this address, on a port of this machine."""
    there = urlsplit(url)
    line = Line(str(there.hostname), there.port or 636)
    server = await asyncio.start_server(line.taken, "127.0.0.1", 0)
    line.at = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        line.goes_on.set()
        line.cut()
        server.close()
        await server.wait_closed()
