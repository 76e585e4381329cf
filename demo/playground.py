"""Teams in the demo: Microsoft's own client for one machine, the Microsoft 365 Agents Playground, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

PACKAGE = "@microsoft/m365agentsplayground"
VERSION = "0.2.28"
PLATFORM = "teams"
CHAT = "a:personal"
TENANT = "3c9e1b7d-0f52-4e68-8a14-6d2b5c7f9e03"
BOT = "7f1a4c2e-5d3b-4a86-9c07-2b8e6f4d1a90"
CHANNEL = "19:security0123456789@thread.tacv2"
PEOPLE = ("maya", "omar", "nina", "ravi", "eve", "sam")
PATIENCE = 120  # seconds for npm to fetch it and for it to listen
_LOOPBACK = Path(__file__).parent / "loopback.cjs"


class NoPlayground(ValueError):
    """The Playground can't be started here. The message says what to do."""


def object_id(person: str) -> str:
    """A person's object id in the pretend company's tenant."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{person}.acme.example"))


def account(person: str) -> str:
    """A person's Teams account, as accounts are named."""
    return f"{PLATFORM}/{TENANT}/{object_id(person)}"


def connected(port: int) -> Mapping[str, Any]:
    """The settings of a Countersign in front of which the Playground serves on this port."""
    return {
        "teams_app_id": BOT,
        "teams_tenant": TENANT,
        "teams_channel": CHANNEL,
        "teams_service_url": f"http://127.0.0.1:{port}/_connector",
        "teams_development": True,
    }


def fetched() -> Sequence[str]:
    """The command that fetches and runs it. Raises NoPlayground without Node.js."""
    npx = shutil.which("npx")
    if npx is None:
        raise NoPlayground(
            "Teams in the demo needs Node.js 20 or newer, with npx. Leave TEAMS unset without it."
        )
    return [npx, "--yes", f"{PACKAGE}@{VERSION}"]


def settings() -> str:
    """What it reads at the start. Maya sits before it; it ends without a word unless there are five others."""
    first, *others = [_user(name) for name in PEOPLE]
    channels = [{"id": CHANNEL, "name": "Security"}]
    return yaml.safe_dump(
        {
            "version": "0.1.1",
            "tenantId": TENANT,
            "bot": {"id": BOT, "name": "Countersign"},
            "currentUser": first,
            "users": others,
            "personalChat": {"id": CHAT},
            "groupChat": {"id": "19:group@thread.v2", "name": "Group"},
            "team": {
                "id": "19:team@thread.tacv2",
                "name": "Desk",
                "aadGroupId": TENANT,
                "channels": channels,
            },
        }
    )


def _user(name: str) -> dict[str, str]:
    mail, shown = f"{name}@acme.example", name.capitalize()
    return {
        "id": f"29:{name}",
        "name": shown,
        "userPrincipleName": mail,  # as it is spelt there
        "aadObjectId": object_id(name),
        "givenName": shown,
        "surname": "Acme",
        "email": mail,
    }


@contextlib.asynccontextmanager
async def running(command: Sequence[str], folder: Path, port: int, endpoint: str) -> AsyncIterator[str]:
    """Start it in front of a bot, and give its address; it is stopped by its process id. Raises NoPlayground."""
    _written(folder)
    process = await asyncio.create_subprocess_exec(
        *command,
        *("start", "-e", endpoint, "-c", "msteams", "-p", str(port), "--disable-telemetry"),
        cwd=folder,
        env={**os.environ, "NODE_OPTIONS": f"-r {_LOOPBACK}", "TEAMSAPPTESTER_BROWSER": "none"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is ours to hand on
    )
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as browser:
            while not await _answers(browser, port):
                if process.returncode is not None:
                    raise NoPlayground("Microsoft's Agents Playground ended at once. Leave TEAMS unset.")
                await asyncio.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)  # npx has it as a child
        await process.wait()


def _written(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / ".m365agentsplayground.yml").write_text(settings(), encoding="utf-8")


async def _answers(browser: aiohttp.ClientSession, port: int) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with browser.get(f"http://127.0.0.1:{port}/") as answer:
            return answer.status == 200
    return False
