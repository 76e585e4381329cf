"""The system's Chromium, driven through Playwright. Passkeys need http://localhost:PORT, not 127.0.0.1."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Browser

# No sandbox: in a container, and as root, Chromium's own cannot start; only our own pages are opened.
# The rest keeps it from calling out on its own.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    packaged = Path("/usr/bin/chromium")
    return str(packaged) if packaged.exists() else shutil.which("chromium")


def missing() -> str | None:
    """Why Chromium cannot be driven here, or None when it can."""
    if executable() is None:
        return "no /usr/bin/chromium, and none on PATH"
    if find_spec("playwright") is None:
        return "the playwright package is not installed"
    return None


@asynccontextmanager
async def running() -> AsyncIterator[Browser]:
    # Imported late, so that a test run that opens no browser does not pay for loading it.
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(), args=list(FLAGS), headless=True
        )
        try:
            yield browser
        finally:
            await browser.close()
