"""The main job, from the first word to the new password, on both stores."""

from __future__ import annotations

from pathlib import Path

import pytest

import flows.errors as no
from flows.model import Stage
from tests.company import company


async def test_a_password_is_reset_with_a_passkey_and_shown_once(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("password_reset", "maya")
        await acme.proves(request, maya)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
        password = await acme.desk.show_secret(request.id, "maya", maya.device)
        assert await acme.directory.bind("maya.lindqvist", password)
        assert await acme.directory.must_change("maya.lindqvist")
        assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
        with pytest.raises(no.AlreadyClosed):
            await acme.desk.show_secret(request.id, "maya", maya.device)


async def test_a_password_is_reset_with_the_number_and_the_sign_in_app(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya", passkey=False)
        request = await acme.asks("password_reset", "maya")
        await acme.types(request, maya)
        await acme.worker.drain()
        password = await acme.desk.show_secret(request.id, "maya", maya.device)
        assert await acme.directory.bind("maya.lindqvist", password)


async def test_a_group_is_joined_once_somebody_else_agreed_on_their_own_device(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, omar = await acme.enrolled("maya"), await acme.enrolled("omar")
        why = {"group": "finance-share", "review": "90 days", "justification": "Closing the quarter"}
        request = await acme.asks("group_access", "maya", answers=why)
        await acme.proves(request, maya)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
        with pytest.raises(no.SelfApproval):
            await acme.proves(request, maya)
        assert "finance-share" not in await acme.directory.groups("maya.lindqvist")
        await acme.proves(request, omar)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
        assert "finance-share" in await acme.directory.groups("maya.lindqvist")


async def test_an_enrolment_link_takes_one_administrator_and_another_persons_passkey(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        nina, sam = await acme.enrolled("nina"), await acme.enrolled("sam")
        request = await acme.asks("device_enrolment", "maya", by="nina")
        await acme.proves(request, nina)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
        with pytest.raises(no.SelfApproval):
            await acme.proves(request, nina)
        await acme.proves(request, sam)
        await acme.worker.drain()
        token = await acme.desk.show_secret(request.id, "nina", nina.device)
        assert (await acme.house.registry.open_invitation(token, "browser")).person == "maya"
        with pytest.raises(no.LinkTaken):
            await acme.house.registry.open_invitation(token, "another browser")
