"""The same twice, many at once, and a process that ends at the worst moment: one decision each, and none lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flows.model import Request, Stage
from handlers.deliveries import Delivery
from tests.chat.child import child, killed
from tests.company import company
from tests.office import free_port
from tests.teams_office import TeamsOffice, teams_office
from tests.teams_tenant import TENANT, Client, actions, connector, object_id, words


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[TeamsOffice]:
    async with teams_office(sqlite_url, tmp_path) as made:
        await made.company.enrolled("maya")
        await made.connected("maya")
        yield made


async def test_the_same_activity_again_is_done_once(acme: TeamsOffice) -> None:
    await acme.says("maya", "I forgot my password")
    press = acme.pressing("maya", "Yes, ask for it")
    for _ in range(4):
        assert (await acme.post(press))[0] == 200
    await acme.settled()
    assert len(await acme.company.desk.concerning("maya")) == 1
    assert await acme.refusals() == []
    assert await acme.teams.inbox.deliveries.waiting() == 0


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.slow)])
async def test_fifty_presses_at_once_are_one_decision(acme: TeamsOffice, rounds: int) -> None:
    for _ in range(rounds):
        request = await asked_anew(acme)
        presses = [acme.pressing("maya", "Cancel") for _ in range(50)]
        answers = await asyncio.gather(*map(acme.post, presses))
        await acme.settled()
        assert {status for status, _ in answers} == {200}
        assert (await acme.company.desk.get(request.id)).stage is Stage.CANCELLED
        refused = await acme.refusals()
        assert set(refused) <= {"AlreadyClosed"}
    assert len(refused) == 49 * rounds


async def asked_anew(acme: TeamsOffice) -> Request:
    """One more request, with a card of its own."""
    before = {request.id for request in await acme.company.desk.concerning("maya")}
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it", acme.last("maya"))
    return next(r for r in await acme.company.desk.concerning("maya") if r.id not in before)


async def test_an_older_client_presses_by_sending_the_same(acme: TeamsOffice) -> None:
    await acme.says("maya", "I forgot my password")
    (yes,) = [each for each in actions(acme.last("maya")) if each["title"] == "Yes, ask for it"]
    data = yes["fallback"]["data"]
    await acme.post(acme.activity("maya", value=data, replyToId=acme.last("maya").id))
    await acme.settled()
    assert len(await acme.company.desk.concerning("maya")) == 1


async def test_what_was_acknowledged_before_a_crash_is_done_after_it(sqlite_url: str, tmp_path: Path) -> None:
    async with teams_office(sqlite_url, tmp_path) as acme:
        await acme.company.enrolled("maya")
        await acme.connected("maya")
        await acme.says("maya", "I forgot my password")
        press = acme.pressing("maya", "Yes, ask for it")
        await acme.teams.inbox.deliveries.take(Delivery("teams:before", json.dumps(press).encode()))
        hands, tenant = acme.company.hands, acme.tenant
        async with teams_office(f"{sqlite_url}", tmp_path, tenant=tenant, hands=hands) as after:
            await after.settled()
            assert len(await after.company.desk.concerning("maya")) == 1
            assert await after.teams.inbox.deliveries.waiting() == 0


async def test_a_press_survives_a_kill_between_acknowledgement_and_decision(
    database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        await acme.house.accounts.connect("maya", f"teams/{TENANT}/{object_id('maya')}", "CS-00000")
    async with connector() as tenant:
        tenant.installed("maya")
        maya = Client(tenant, port)
        async with child(database_url, tmp_path, port, tenant.url, "teams") as first:
            await maya.post(maya.activity("maya", text="I forgot my password"))
            await arrived(maya, "Password reset?")
            tenant.silent.add("GET")  # who she is can't be asked, so nothing can be decided
            status, _ = await maya.post(maya.pressing("maya", "Yes, ask for it"))
            assert status == 200, "it is acknowledged"
            await killed(first)
        tenant.silent.clear()
        async with child(database_url, tmp_path, port, tenant.url, "teams"):
            await arrived(maya, "confirm on your registered device")
    async with company(database_url, tmp_path) as acme:
        (request,) = await acme.desk.concerning("maya")
        assert request.origin.platform == "teams"


async def arrived(maya: Client, text: str) -> None:
    """Wait until a message with this text stands in Maya's conversation."""
    async with asyncio.timeout(30):
        while not any(text in words(message) for message in maya.messages("maya")):
            maya.tenant.changed.clear()
            await maya.tenant.changed.wait()
