"""What the doctor finds out about Slack, asked of a workspace that is well and of ones that aren't."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import yaml
from aiohttp import web

from bot.slack_doctor import MANIFEST, findings, wanted
from demo.workspace.installed import Installed
from demo.workspace.people import GENERAL, SECURITY
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from handlers.findings import Finding, Level
from handlers.settings import Settings, load_settings
from tests.company import SECRET_KEY

BOT, APP, SIGNING = "xoxb-of-this-test", "xapp-of-this-test", "0123456789abcdef" * 2
NEEDED, _ = wanted()


def connected(**changes: Any) -> Settings:
    """Settings of an installation whose Slack is set up, with these changes."""
    slack = {
        "slack_bot_token": BOT,
        "slack_app_token": APP,
        "slack_signing_secret": SIGNING,
        "security_channel": SECURITY.id,
    }
    return load_settings(secret_key=SECRET_KEY, **{**slack, **changes})


class Clinic:
    """Workspaces by the way they are installed, and what the doctor says of each."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.workspace: Workspace | None = None

    async def examine(self, installed: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Finding]:
        """Check → finding, of a workspace installed like this and settings changed like that."""
        given = {"scopes": NEEDED, **(installed or {})}
        self.workspace = Workspace(
            World(":memory:"), Installed("secret", BOT, APP, **given), "http://localhost:9"
        )
        url = await self._stack.enter_async_context(serving(self.workspace))
        found = await findings(connected(slack_api_url=f"{url}/api/", **changes))
        assert len({finding.check for finding in found}) == len(found)
        return {finding.check: finding for finding in found}


@pytest.fixture
async def clinic() -> AsyncIterator[Clinic]:
    async with AsyncExitStack() as stack:
        yield Clinic(stack)


def test_the_manifest_is_where_the_doctor_looks() -> None:
    asked = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["oauth_config"]["scopes"]["bot"]
    assert wanted() == (frozenset(asked), frozenset({"assistant:write"}))
    assert Path(__file__).resolve().parents[2] / "manifest.yml" == MANIFEST


async def test_without_slack_there_is_nothing_to_look_at() -> None:
    assert await findings(load_settings(secret_key=SECRET_KEY)) == []


async def test_a_well_installed_app_is_well(clinic: Clinic) -> None:
    found = await clinic.examine()
    assert {finding.level for finding in found.values()} == {Level.PASS}
    assert list(found) == [
        "slack",
        "slack scopes",
        "slack clock",
        "security channel",
        "slack socket",
        "slack signing secret",
    ]
    assert found["slack"].seen == "countersign in Acme (T0ACME)"
    assert all(secret not in finding.seen for finding in found.values() for secret in (BOT, APP, SIGNING))


async def test_nobody_sees_the_doctor_come_by(clinic: Clinic) -> None:
    await clinic.examine()
    assert clinic.workspace is not None
    world = clinic.workspace.world
    for channel in (SECURITY, GENERAL):
        for member in world.people.values():
            assert member.id == "U0COUNTERSIGN" or world.history(channel.id, member.id) == []


async def test_a_wrong_token_is_all_there_is_to_say(clinic: Clinic) -> None:
    found = await clinic.examine(slack_bot_token="xoxb-of-somebody-else", slack_signing_secret=())
    assert list(found) == ["slack"]
    assert (found["slack"].level, found["slack"].seen) == (Level.FAIL, "Slack says no: invalid_auth")
    assert "COUNTERSIGN_SLACK_BOT_TOKEN" in found["slack"].remedy


async def test_nobody_answers() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/api/"  # bound, and nobody listens
        (found, *_) = await findings(connected(slack_api_url=url))
    assert found.level is Level.FAIL
    assert found.seen.startswith("it doesn't answer")


@pytest.mark.parametrize("scope", sorted(NEEDED))
async def test_a_token_can_be_good_and_lack_a_scope(clinic: Clinic, scope: str) -> None:
    found = (await clinic.examine({"scopes": NEEDED - {scope}}))["slack scopes"]
    assert (found.level, found.seen) == (Level.FAIL, f"missing: {scope}")
    assert "reinstall" in found.remedy


async def test_more_scopes_than_needed_are_a_risk(clinic: Clinic) -> None:
    found = (await clinic.examine({"scopes": NEEDED | {"channels:history", "assistant:write"}}))[
        "slack scopes"
    ]
    assert (found.level, found.seen) == (Level.WARN, "more than it needs: channels:history")


async def test_what_slack_grants_an_agent_by_itself_is_no_surprise(clinic: Clinic) -> None:
    found = (await clinic.examine({"scopes": NEEDED | {"assistant:write"}}))["slack scopes"]
    assert found.level is Level.PASS


@pytest.mark.parametrize(
    ("channel", "seen"),
    [(GENERAL.id, "the bot isn't in it"), ("C0NOWHERE", "there is no such channel")],
)
async def test_the_bot_has_to_be_in_the_security_channel(clinic: Clinic, channel: str, seen: str) -> None:
    found = (await clinic.examine(security_channel=channel))["security channel"]
    assert found.level is Level.FAIL
    assert seen in found.seen
    assert "COUNTERSIGN_SECURITY_CHANNEL" in found.remedy


async def test_what_cant_be_told_is_a_warning(clinic: Clinic) -> None:
    found = (await clinic.examine({"scopes": NEEDED - {"chat:write"}}))["security channel"]
    assert found.level is Level.WARN
    assert "missing_scope" in found.seen


async def test_an_app_that_is_spoken_to_over_http_offers_no_socket(clinic: Clinic) -> None:
    found = (await clinic.examine({"request_url": "http://localhost:9/slack/events"}))["slack socket"]
    assert (found.level, found.seen) == (Level.FAIL, "Slack says no: socket_mode_not_enabled")
    assert "connections:write" in found.remedy


async def test_without_an_app_token_no_socket_is_asked_for(clinic: Clinic) -> None:
    assert "slack socket" not in await clinic.examine(slack_app_token=None)


@pytest.mark.parametrize(
    ("secret", "level", "seen"),
    [
        (f"{SIGNING},{'f' * 32}", Level.WARN, "two are in use: a rotation is under way"),
        ("not what Slack gives out", Level.WARN, "it isn't 32 hexadecimal characters as Slack's are"),
    ],
)
async def test_the_signing_secret_is_looked_at(clinic: Clinic, secret: str, level: Level, seen: str) -> None:
    found = (await clinic.examine(slack_signing_secret=secret))["slack signing secret"]
    assert (found.level, found.seen) == (level, seen)


# -- the clock ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def a_slack_whose_clock_is_off_by(seconds: float) -> AsyncIterator[str]:
    """Answers auth.test as Slack does, from another time and without a word about scopes."""

    async def auth_test(_: web.Request) -> web.Response:
        who = {"ok": True, "user": "desk", "user_id": "U1", "team": "Acme", "team_id": "T1"}
        return web.json_response(who, headers={"Date": formatdate(time() + seconds, usegmt=True)})

    app = web.Application()
    app.router.add_post("/api/auth.test", auth_test)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("seconds", "level", "seen"),
    [
        (0, Level.PASS, "within a minute of Slack's"),
        (50, Level.PASS, "within a minute of Slack's"),
        (600, Level.FAIL, "behind Slack"),
        (-600, Level.FAIL, "ahead of Slack"),
    ],
)
async def test_a_clock_that_is_off_makes_signed_requests_fail(
    seconds: float, level: Level, seen: str
) -> None:
    async with a_slack_whose_clock_is_off_by(seconds) as url:
        found = {each.check: each for each in await findings(connected(slack_api_url=url))}
    assert found["slack clock"].level is level
    assert seen in found["slack clock"].seen
    assert found["slack scopes"].level is Level.WARN
    assert "SlackApiError" in found["security channel"].seen, "a page isn't Slack's JSON"
