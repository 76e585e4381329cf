"""The running demo, and somebody who takes its tours: what the guide says, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, FrameLocator, Locator, Page, expect

from demo import directory

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds; a shared machine has slow moments


@dataclass(frozen=True)
class Demo:
    """The running demo: where its page is, and where it keeps everything."""

    url: str
    folder: Path
    trial: tuple[str, ...] = ()  # the command that the terminal offers for a sign-in at a real directory

    async def signs_in(self, password: str) -> bool:
        """Whether Maya's account takes this password."""
        if self.trial:
            asked = await asyncio.create_subprocess_exec(*self.trial[:-1], "-w", password)
            return await asked.wait() == 0
        return await directory.create(self.folder / "directory.db").bind("maya.lindqvist", password)


@contextlib.asynccontextmanager
async def running(folder: Path, kind: str = "pretend") -> AsyncIterator[Demo]:
    """`app.py demo`, in a process of its own, from its start to its end, with this kind of directory."""
    port = two_free_ports()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    command = (sys.executable, str(ROOT / "app.py"), "demo", "--port", str(port), "--folder", str(folder))
    program = await asyncio.create_subprocess_exec(
        *command,
        env={**kept, "DIRECTORY": kind},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert program.stdout is not None
    try:
        said = await _started(program.stdout)
        rest = asyncio.create_task(program.stdout.read())  # so that its pipe never fills
        trial = next((line for line in said.splitlines() if "ldapsearch" in line), "")
        yield Demo(f"http://localhost:{port}", folder, tuple(shlex.split(trial)))
    finally:
        if program.returncode is None:
            program.terminate()
        await asyncio.wait_for(program.wait(), PATIENCE)
    await rest


async def _started(output: asyncio.StreamReader) -> str:
    """What it says until everything in it is up."""
    said = b""
    async with asyncio.timeout(PATIENCE):
        while b"slack_connected" not in said:
            line = await output.readline()
            assert line, said.decode()
            said += line
    return said.decode()


def two_free_ports() -> int:
    """A port that nobody listens on, and nobody on the next one either."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@dataclass(frozen=True)
class Tourist:
    """Somebody who does what the guide says and nothing else."""

    page: Page

    @property
    def guide(self) -> Locator:
        return self.page.locator("#guide .guide-body")

    @property
    def chat(self) -> Locator:
        return self.page.locator("#messages")

    @property
    def security(self) -> Locator:
        return self.page.locator("#security-messages")

    @property
    def phone(self) -> FrameLocator:
        return self.page.frame_locator("#screen")

    async def reads(self, title: str) -> None:
        """The guide has come to this."""
        await expect(self.guide.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=15_000)

    async def presses(self, name: str) -> None:
        """What the guide itself offers."""
        await self.guide.get_by_role("button", name=name, exact=True).click()

    async def lets_it_write(self) -> None:
        await self.presses("Write it for me")
        await expect(self.page.get_by_role("textbox", name="Message to Countersign")).to_be_focused()
        await self.page.keyboard.press("Enter")

    async def types_number(self, code: str) -> None:
        """On the phone: the number that the guide repeats from the chat, and this code."""
        number = await self.guide.locator("strong", has_text=re.compile(r"^\d{3}.\d{3}$")).inner_text()
        await self.phone.get_by_label("Number from where you asked").fill(number.replace("\u00a0", " "))
        await self.phone.get_by_label("Code from your sign-in app").fill(code)
        await self.phone.get_by_role("button", name="Confirm with these").click()

    async def fails(self, lesson: str) -> None:
        """The attempt came to nothing, and the guide says why and what security saw."""
        await self.reads(lesson)
        await expect(self.guide.locator(".verdict", has_text="It didn't work")).to_be_visible()
        await expect(self.guide.get_by_role("heading", name="Security saw")).to_be_visible()


async def tourist(demo: Demo, chromium: Browser, **look: Any) -> Tourist:
    """A browser in front of the demo's page, with Maya's phone beside the chat."""
    context = await chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **look})
    page = await context.new_page()
    await page.goto(demo.url)
    name = page.frame_locator("#screen").get_by_text("Maya Lindqvist").first
    await expect(name).to_be_attached(timeout=15_000)
    return Tourist(page)
