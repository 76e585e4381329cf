"""The demo as a visitor starts and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def demo(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`python app.py demo`, ended if it hasn't ended by itself."""
    command = [sys.executable, str(ROOT / "app.py"), "demo", "--folder", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def two_ports() -> int:
    """A port that nobody listens on, and neither on the next one.

    Neither is one that the system gives to whoever connects: a browser that tries again and again would take it.
    """
    while True:
        port = random.randrange(20_000, 32_000, 2)
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


async def looking(process: subprocess.Popen[str], port: int, path: str = "/") -> AsyncIterator[str]:
    """What stands at an address, each time one looks; empty while nobody answers."""
    async with asyncio.timeout(120), aiohttp.ClientSession() as browser:
        while True:
            assert process.poll() is None, process.communicate()[0]
            try:
                async with browser.get(f"http://localhost:{port}{path}") as answer:
                    yield await answer.text()
            except aiohttp.ClientError:
                yield ""
            await asyncio.sleep(0.02)


async def until(process: subprocess.Popen[str], port: int, words: str, path: str = "/") -> None:
    """Wait until these words stand there."""
    async for text in looking(process, port, path):
        if words in text:
            return


async def test_a_first_start_that_was_broken_off_is_gone_on_with(tmp_path: Path) -> None:
    port, notes = two_ports(), tmp_path / "demo.json"
    with demo(tmp_path, port) as first:
        while not (notes.exists() and json.loads(notes.read_text() or "{}").get("people")):
            assert first.poll() is None
            await asyncio.sleep(0.005)
        first.kill()
    assert not json.loads(notes.read_text()).get("registered"), "it was still at it"
    with demo(tmp_path, port) as second:
        await until(second, port + 1, '"code"', "/demo/code/maya")
        assert json.loads(notes.read_text())["registered"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_stops_cleanly(tmp_path: Path, sign: signal.Signals) -> None:
    port = two_ports()
    with demo(tmp_path, port) as process:
        await until(process, port + 1, '"code"', "/demo/code/maya")
        os.kill(process.pid, sign)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"http://localhost:{port}" in said
    assert "Traceback" not in said
