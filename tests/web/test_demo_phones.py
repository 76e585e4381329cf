"""The demo lends everybody's phone to its own page, and to nobody else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from demo.company import Visitor, add_phones
from demo.workspace.serve import listening
from tests.browser_key import BrowserKey

PAGE = "http://localhost:8080"
KEY = BrowserKey()


@pytest.fixture
async def phones() -> AsyncIterator[str]:
    app = web.Application()
    maya = Visitor("maya", "device.secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", KEY.jwk)
    add_phones(app, {"maya": maya}, PAGE)
    async with listening(app, patience=0.1) as port:
        yield f"http://localhost:{port}/demo"


async def be(phones: str, onward: str, **headers: str) -> tuple[int, str]:
    """The status, and where one is sent."""
    async with (
        ClientSession() as browser,
        browser.post(
            f"{phones}/be/maya",
            params={"next": onward},
            headers={"Origin": PAGE, **headers},
            allow_redirects=False,
        ) as answer,
    ):
        handed = re.search(r'data-key="(.*?)".* data-next="(.*?)"', await answer.text())
        assert handed is None or handed[1] == KEY.name
        return answer.status, handed[2] if handed else ""


@pytest.mark.parametrize("onward", ["/", "/requests/CS-7F3KQ", "/devices?from=page"])
async def test_the_page_may_be_anybody_and_go_on_to_any_page(phones: str, onward: str) -> None:
    assert await be(phones, onward) == (200, onward)


@pytest.mark.parametrize(
    "onward",
    [
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "https://evil.example",
        "",
        "/ä",
    ],
)
async def test_nobody_is_sent_to_another_site(phones: str, onward: str) -> None:
    assert (await be(phones, onward))[0] == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_another_site_cant_be_anybody(phones: str, origin: str) -> None:
    assert (await be(phones, "/", Origin=origin))[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1"])
async def test_another_name_for_this_machine_reads_no_code(phones: str, host: str) -> None:
    async with (
        ClientSession() as browser,
        browser.get(f"{phones}/code/maya", headers={"Host": host}) as answer,
    ):
        assert answer.status == 421
    assert (await be(phones, "/", Host=host))[0] == 421


async def test_the_page_reads_the_code_and_nobody_elses_is_there(phones: str) -> None:
    async with ClientSession() as browser:
        async with browser.get(f"{phones}/code/maya") as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert len((await answer.json())["code"]) == 6
        async with browser.get(f"{phones}/code/eve") as answer:
            assert answer.status == 404
