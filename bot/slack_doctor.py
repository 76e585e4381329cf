"""The doctor's look at Slack: tokens, scopes, security's channel and the clock. Nobody there sees anything of it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import yaml
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_client import said
from handlers.findings import Finding, Level
from handlers.settings import Settings

MANIFEST = Path(__file__).parent.parent / "manifest.yml"
PATIENCE = 10  # seconds for each answer
SKEW = 60  # seconds; a request that Slack signs is good for five minutes

#: Slack grants it by itself to whatever has a place among its agents.
_OF_ITSELF = {"agent_view": "assistant:write"}
_REINSTALL = "Update the app from manifest.yml, then reinstall it: “OAuth & Permissions” on its page."
#: Slack's words for a bot that isn't where it should speak.
_OUTSIDE = {
    "not_in_channel": "the bot isn't in it",
    "user_not_in_channel": "the bot isn't in it",
    "channel_not_found": "there is no such channel, or it is private and the bot isn't in it",
    "is_archived": "it is archived",
}


async def findings(settings: Settings) -> list[Finding]:
    """What can be found out about Slack from here. Empty where Slack isn't connected."""
    if settings.slack_bot_token is None:
        return []
    found = [finding async for finding in _asked(settings)]
    return found + _signing(settings.slack_signing_secret)


async def _asked(settings: Settings) -> AsyncIterator[Finding]:
    """In the order in which they depend on each other: without a good token nothing else can be asked."""
    assert settings.slack_bot_token is not None  # noqa: S101  findings() looked
    client = _client(settings, settings.slack_bot_token)
    try:
        answer = await client.auth_test()
    except Exception as error:  # noqa: BLE001  whatever the network does, the operator reads the same
        yield _refused("slack", error, "COUNTERSIGN_SLACK_BOT_TOKEN")
        return
    yield Finding("slack", Level.PASS, f"{answer['user']} in {answer['team']} ({answer['team_id']})")
    yield _scopes(answer.headers)
    yield _clock(answer.headers)
    if settings.security_channel is not None:
        yield await _channel(client, settings.security_channel, str(answer["user_id"]))
    if settings.slack_app_token is not None:
        yield await _socket(settings, settings.slack_app_token)


def _client(settings: Settings, token: str) -> AsyncWebClient:
    return AsyncWebClient(token, base_url=settings.slack_api_url, timeout=PATIENCE)


def _refused(check: str, error: Exception, variable: str) -> Finding:
    if isinstance(error, SlackApiError):
        seen = f"Slack says no: {_said(error)}"
        return Finding(check, Level.FAIL, seen, f"Copy the token of the app's page into {variable} again.")
    seen = f"it doesn't answer ({type(error).__name__})"
    return Finding(check, Level.FAIL, seen, "Check the network, and COUNTERSIGN_SLACK_API_URL if it is set.")


def _said(error: Exception) -> str:
    """Slack's word for what is wrong; where there is none, the kind of failure."""
    word = said(error) if isinstance(error, SlackApiError) else ""
    return word or type(error).__name__


# -- scopes -----------------------------------------------------------------------------------


def wanted() -> tuple[frozenset[str], frozenset[str]]:
    """What manifest.yml asks for, and what Slack adds to it by itself."""
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    added = (scope for feature, scope in _OF_ITSELF.items() if feature in manifest["features"])
    return frozenset(manifest["oauth_config"]["scopes"]["bot"]), frozenset(added)


def _scopes(headers: Mapping[str, Any]) -> Finding:
    """A token can be good and still hold only part of what the app needs."""
    said = _header(headers, "x-oauth-scopes")
    if said is None:
        return Finding("slack scopes", Level.WARN, "Slack doesn't say which the token has", _REINSTALL)
    has = {scope.strip() for scope in said.split(",") if scope.strip()}
    asked, added = wanted()
    if lacking := sorted(asked - has):
        return Finding("slack scopes", Level.FAIL, f"missing: {', '.join(lacking)}", _REINSTALL)
    if more := sorted(has - asked - added):
        remedy = "Take them away on the app's page and reinstall it: a stolen token could use them."
        return Finding("slack scopes", Level.WARN, f"more than it needs: {', '.join(more)}", remedy)
    return Finding("slack scopes", Level.PASS, ", ".join(sorted(has)))


# -- the clock ----------------------------------------------------------------------------------


def _clock(headers: Mapping[str, Any]) -> Finding:
    said = _header(headers, "date")
    if said is None:
        return Finding("slack clock", Level.WARN, "Slack's answer has no date", "Compare the clock yourself.")
    off = time.time() - parsedate_to_datetime(said).timestamp()
    if abs(off) > SKEW:
        seen = f"this machine is {abs(off):.0f} seconds {'ahead of' if off > 0 else 'behind'} Slack"
        return Finding("slack clock", Level.FAIL, seen, "Set the clock, and let it be kept (NTP).")
    return Finding("slack clock", Level.PASS, "within a minute of Slack's")


def _header(headers: Mapping[str, Any], name: str) -> str | None:
    """A header's value, however its name is written."""
    return next((str(value) for key, value in headers.items() if key.lower() == name), None)


# -- where it speaks ------------------------------------------------------------------------------


async def member(client: AsyncWebClient, channel: str, bot: str) -> str | None:
    """Why the bot can't speak in a channel, or None if it can. Raises SlackApiError for what tells neither.

    It whispers to itself there: nobody else sees that, it leaves nothing behind, and it takes no scope to look
    around with. Both of Slack's words for an absent reader then mean that the bot itself is absent.
    """
    try:
        await client.chat_postEphemeral(
            channel=channel, user=bot, text="Countersign looks whether it is here."
        )
    except SlackApiError as error:
        if said(error) in _OUTSIDE:
            return _OUTSIDE[said(error)]
        raise
    return None


async def _channel(client: AsyncWebClient, channel: str, bot: str) -> Finding:
    check = "security channel"
    try:
        absent = await member(client, channel, bot)
    except Exception as error:  # noqa: BLE001  whatever comes, it can't be told from here
        remedy = "Look into the channel: the bot has to be among its members."
        return Finding(
            check, Level.WARN, f"whether the bot is in {channel} can't be told: {_said(error)}", remedy
        )
    if absent is not None:
        remedy = (
            "Invite the bot there (/invite @countersign), or name another in COUNTERSIGN_SECURITY_CHANNEL."
        )
        return Finding(check, Level.FAIL, f"{channel}: {absent}", remedy)
    return Finding(check, Level.PASS, f"the bot is in {channel}")


async def _socket(settings: Settings, token: str) -> Finding:
    """A socket is asked for and not opened."""
    try:
        await _client(settings, token).apps_connections_open(app_token=token)
    except Exception as error:  # noqa: BLE001  the same
        finding = _refused("slack socket", error, "COUNTERSIGN_SLACK_APP_TOKEN")
        remedy = f"{finding.remedy} It needs connections:write, and Socket Mode has to be on."
        return Finding(finding.check, finding.level, finding.seen, remedy)
    return Finding("slack socket", Level.PASS, "Slack offers one")


# -- over HTTP --------------------------------------------------------------------------------------


def _signing(secrets: tuple[str, ...]) -> list[Finding]:
    check = "slack signing secret"
    if not secrets:
        return []
    if any(re.fullmatch("[0-9a-f]{32}", secret) is None for secret in secrets):
        remedy = (
            "Copy it whole from “Basic Information” on the app's page into COUNTERSIGN_SLACK_SIGNING_SECRET."
        )
        return [Finding(check, Level.WARN, "it isn't 32 hexadecimal characters as Slack's are", remedy)]
    if len(secrets) > 1:
        remedy = "Once Slack signs with the newer one alone, leave the older one out."
        return [Finding(check, Level.WARN, "two are in use: a rotation is under way", remedy)]
    return [Finding(check, Level.PASS, "present, not shown")]
