"""Microsoft's own Teams client for one machine: the Microsoft 365 Agents Playground, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import yaml

from tests.peers import npm_folder

PACKAGE = "@microsoft/m365agentsplayground"
CHAT = "a:maya"


def missing() -> str | None:
    """Why it can't be used here, or None when it can."""
    return npm_folder.missing(PACKAGE)


def settings(tenant: str, bot: str, channel: str, people: dict[str, str]) -> str:
    """What it reads at the start. `people` are names and object ids: whoever sits before it first, then five more."""
    first, *others = [_user(name, id) for name, id in people.items()]
    assert len(others) == 5, "it ends without a word otherwise"
    channels = [{"id": channel, "name": "Security"}]
    team = {"id": "19:team@thread.tacv2", "name": "Desk", "aadGroupId": tenant, "channels": channels}
    return yaml.safe_dump(
        {
            "version": "0.1.1",
            "tenantId": tenant,
            "bot": {"id": bot, "name": "Countersign"},
            "currentUser": first,
            "users": others,
            "personalChat": {"id": CHAT},
            "groupChat": {"id": "19:group@thread.v2", "name": "Group"},
            "team": team,
        }
    )


def _user(name: str, id: str) -> dict[str, str]:
    mail = f"{name}@acme.example"
    shown = name.capitalize()
    return {
        "id": f"29:{name}",
        "name": shown,
        "userPrincipleName": mail,  # as it is spelt there
        "aadObjectId": id,
        "givenName": shown,
        "surname": "Acme",
        "email": mail,
    }


@contextlib.asynccontextmanager
async def running(folder: Path, port: int, bot_port: int, content: str) -> AsyncIterator[str]:
    """Start it in front of a bot, and give its address; it is stopped by its process id."""
    (folder / ".m365agentsplayground.yml").write_text(content, encoding="utf-8")
    node = npm_folder.node()
    assert node is not None, missing()
    command = [
        node,
        str(npm_folder.MODULES / PACKAGE / "cli.js"),
        *("start", "-e", f"http://127.0.0.1:{bot_port}/api/messages", "-c", "msteams", "-p", str(port)),
        "--disable-telemetry",
    ]
    own = {"NODE_OPTIONS": f"-r {npm_folder.FOLDER / 'loopback.cjs'}", "TEAMSAPPTESTER_BROWSER": "none"}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **own},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as browser:
            while not await _answers(browser, port):
                assert process.returncode is None, "it ended at once"
                await asyncio.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(browser: aiohttp.ClientSession, port: int) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with browser.get(f"http://127.0.0.1:{port}/") as answer:
            return answer.status == 200
    return False
