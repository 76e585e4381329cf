"""A house and its Slack in a process of its own, to be killed: its arguments are those of `main`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.company import company
from tests.office import fronted, settings


async def main(database_url: str, folder: str, port: str, api_url: str, over: str) -> None:
    """Serve until killed."""
    async with (
        company(database_url, Path(folder), **settings(over, api_url)) as acme,
        fronted(acme, int(port)),
    ):
        working = asyncio.create_task(acme.worker.run())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await working


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
