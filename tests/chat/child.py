"""A house and its chat in a process of its own, to be killed: its arguments are those of `main`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests import office, teams_office
from tests.company import company


async def main(database_url: str, folder: str, port: str, address: str, over: str) -> None:
    """Serve until killed. `over`: "http" or "socket" for Slack, whose API is at `address`; or "teams"."""
    if over == "teams":
        tenant = teams_office.Tenant(address)
        settings = teams_office.settings(tenant)
    else:
        settings = office.settings(over, address)
    async with company(database_url, Path(folder), **settings) as acme:
        chat = (
            teams_office.beside(acme, tenant, acme.mailbox, port=int(port))
            if over == "teams"
            else office.fronted(acme, int(port))
        )
        async with chat:
            working = asyncio.create_task(acme.worker.run())
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await working


@asynccontextmanager
async def child(
    database_url: str, folder: Path, port: int, address: str, over: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The house and its chat in a process of their own, which can be killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chat.child", database_url, str(folder), str(port), address, over,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while (line := await process.stdout.readline()) != b"ready\n":
            assert line, "it ended before it was ready"
    try:
        yield process
    finally:
        await killed(process)


async def killed(process: asyncio.subprocess.Process) -> None:
    """It ends at once, wherever it is."""
    if process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
