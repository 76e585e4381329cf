"""The doctor's look at Teams: signing in, the keys of tokens, security's channel. Nobody there notices."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp

from bot.strict import Refused
from bot.teams_credentials import Credentials, SignInFailed, credentials
from bot.teams_tokens import Keys
from handlers.findings import Finding, Level
from handlers.settings import Settings

PATIENCE = aiohttp.ClientTimeout(total=10)


async def findings(settings: Settings, signed_in: Credentials | None = None) -> list[Finding]:
    """What can be found out about Teams from here. Empty where Teams isn't connected."""
    if settings.teams_app_id is None:
        return []
    return [finding async for finding in _asked(settings, signed_in or credentials(settings))]


async def _asked(settings: Settings, signed_in: Credentials) -> AsyncIterator[Finding]:
    if settings.teams_development:
        yield Finding(
            "teams",
            Level.WARN,
            "whoever writes without a token is believed",
            "This is for this machine alone: unset COUNTERSIGN_TEAMS_DEVELOPMENT.",
        )
    yield await _keys(settings)
    try:
        token = await signed_in.token()
    except SignInFailed as failure:
        remedy = (
            "Check app id, tenant and certificate (or the managed identity) against the app registration."
        )
        yield Finding("teams sign-in", Level.FAIL, f"Microsoft says no: {failure}", remedy)
        return
    except Exception as error:  # noqa: BLE001  whatever the network or the file does, the operator reads the same
        seen = f"it can't be asked ({type(error).__name__})"
        yield Finding("teams sign-in", Level.FAIL, seen, "Check the network, and that the file can be read.")
        return
    yield Finding("teams sign-in", Level.PASS, f"as {settings.teams_app_id} of {settings.teams_tenant}")
    yield await _channel(settings, token)


async def _keys(settings: Settings) -> Finding:
    """Whether a genuine token could be told from another now."""
    keys = Keys(settings.teams_openid_url, time.time)
    try:
        await keys.find("a name that nobody has")
    except Refused as refused:
        if refused.reason == "key unknown":
            return Finding("teams keys", Level.PASS, "announced, for Teams' channel")
    finally:
        await keys.close()
    remedy = "Let this machine reach COUNTERSIGN_TEAMS_OPENID_URL and the address of the keys that it names."
    return Finding("teams keys", Level.FAIL, "they can't be had", remedy)


async def _channel(settings: Settings, token: str) -> Finding:
    place = f"v3/conversations/{quote(str(settings.teams_channel), safe='')}/pagedmembers?pageSize=1"
    address = settings.teams_service_url.rstrip("/") + "/" + place
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=PATIENCE) as web,
            web.get(address, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        seen = f"it doesn't answer ({type(error).__name__})"
        return Finding(
            "teams channel", Level.FAIL, seen, "Check the network and COUNTERSIGN_TEAMS_SERVICE_URL."
        )
    if status == 200:
        return Finding("teams channel", Level.PASS, str(settings.teams_channel))
    remedy = "Add the app to the team of security's channel, and check COUNTERSIGN_TEAMS_CHANNEL."
    return Finding("teams channel", Level.FAIL, f"the bot can't see it (HTTP {status})", remedy)
