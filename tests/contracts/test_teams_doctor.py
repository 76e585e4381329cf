"""The doctor tells what keeps Teams from working, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.teams_credentials import SignInFailed
from bot.teams_doctor import findings
from handlers.findings import Level
from handlers.settings import Settings
from tests.company import settings_for
from tests.teams_issuer import Issuer, issuing
from tests.teams_office import settings
from tests.teams_tenant import Tenant, connector


class Signed:
    """How the bot signs in: with this token, or with a no."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self._trouble = trouble

    async def token(self) -> str:
        if self._trouble:
            raise self._trouble
        return "a-token"

    def refused(self, token: str) -> None:
        raise AssertionError("it is good")


def installed(folder: Path, tenant: Tenant, issuer: Issuer, **more: Any) -> Settings:
    way = {"teams_development": False, "teams_managed_identity": "system", **more}
    given = settings(tenant, teams_openid_url=issuer.openid_url, **way)
    return settings_for(f"sqlite:///{folder / 'desk.db'}", folder, **given)


async def seen(
    folder: Path, trouble: Exception | None = None, broken: str = "", **more: Any
) -> dict[str, Level]:
    async with issuing() as issuer, connector() as tenant:
        issuer.broken = broken
        found = await findings(installed(folder, tenant, issuer, **more), Signed(trouble))
        assert all(each.remedy for each in found if each.level is not Level.PASS)
        return {each.check: each.level for each in found}


async def test_a_healthy_installation_passes(tmp_path: Path) -> None:
    assert set((await seen(tmp_path)).values()) == {Level.PASS}


@pytest.mark.parametrize("trouble", [SignInFailed("invalid_client"), OSError("no such file")])
async def test_a_bot_that_cant_sign_in_fails(tmp_path: Path, trouble: Exception) -> None:
    assert (await seen(tmp_path, trouble))["teams sign-in"] is Level.FAIL


async def test_keys_that_cant_be_had_fail(tmp_path: Path) -> None:
    assert (await seen(tmp_path, broken="500"))["teams keys"] is Level.FAIL


async def test_a_channel_that_the_bot_isnt_in_fails(tmp_path: Path) -> None:
    assert (await seen(tmp_path, teams_channel="19:elsewhere01234@thread.tacv2"))[
        "teams channel"
    ] is Level.FAIL


async def test_an_address_that_doesnt_answer_fails(tmp_path: Path) -> None:
    found = await seen(tmp_path, teams_service_url="http://localhost:9/")
    assert found["teams channel"] is Level.FAIL


async def test_believing_everybody_is_warned_of(tmp_path: Path) -> None:
    found = await seen(tmp_path, teams_development=True, teams_managed_identity=None)
    assert found["teams"] is Level.WARN


async def test_without_teams_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert await findings(settings_for(f"sqlite:///{tmp_path / 'desk.db'}", tmp_path)) == []
