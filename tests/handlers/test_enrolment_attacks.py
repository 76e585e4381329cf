"""Enrolment links in the wrong hands, at the wrong time, for the wrong person: refused, and on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import flows.errors as no
from flows.model import Stage
from tests.company import Company, company


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    async with company(sqlite_url, tmp_path) as running:
        yield running


async def test_a_stolen_link_opens_in_no_second_browser(acme: Company) -> None:
    registry = acme.house.registry
    token = await registry.first_link("maya")
    await registry.open_invitation(token, "hers")
    with pytest.raises(no.LinkTaken):
        await registry.open_invitation(token, "a thief's")
    assert await acme.refusals() == ["LinkTaken"]


async def test_a_link_after_an_hour_opens_nothing(acme: Company) -> None:
    token = await acme.house.registry.first_link("maya")
    acme.hands.forward(hours=1)
    with pytest.raises(no.LinkExpired):
        await acme.house.registry.open_invitation(token, "hers")
    assert await acme.refusals() == ["LinkExpired"]


async def test_a_link_for_someone_who_had_a_device_is_never_made_nor_opened(acme: Company) -> None:
    nina, sam = [await acme.enrolled(who) for who in ("nina", "sam")]
    token = await acme.house.registry.first_link("maya")
    await acme.enrolled("maya")
    with pytest.raises(no.HadADevice):
        await acme.house.registry.open_invitation(token, "a thief's")
    request = await acme.asks("device_enrolment", "maya", by="nina")
    await acme.proves(request, nina)
    await acme.proves(request, sam)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FAILED
    assert await acme.refusals() == ["HadADevice"] * 2


async def test_whoever_issues_a_link_cant_be_the_one_who_confirms_it(acme: Company) -> None:
    nina, _ = [await acme.enrolled(who) for who in ("nina", "sam")]
    request = await acme.asks("device_enrolment", "maya", by="nina")
    await acme.proves(request, nina)
    with pytest.raises(no.SelfApproval):
        await acme.proves(request, nina)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
    assert await acme.refusals() == ["SelfApproval"]
