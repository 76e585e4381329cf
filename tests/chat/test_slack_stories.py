"""What people live through in Slack, told once for both transports: the real Bolt app in a real workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.workspace.people import PARTNER
from tests.office import Office, buttons, office, words


@pytest.fixture(params=["http", "socket"])
async def acme(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sqlite_url, tmp_path, over=request.param) as made:
        yield made


@pytest.mark.parametrize("change", [{"deleted": True}, {"restricted": True}, {"team": PARTNER}])
async def test_whoever_stops_being_a_member_is_shut_out_with_the_next_press(
    acme: Office, change: dict[str, Any]
) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    (yes, *_) = buttons(acme.last("maya"))
    people = acme.workspace.world.people
    before = people["U0MAYA"]
    click = {"type": "block_actions", "actions": [{"block_id": "b", **yes}], "channel": {"id": before.im}}
    click |= {"container": {"type": "message", "message_ts": acme.last("maya").ts, "channel_id": before.im}}
    people["U0MAYA"] = replace(before, **change)
    await acme.acts.forge("eve", click | {"user": {"id": "U0MAYA", "team_id": "T0ACME"}})
    await acme.settled()
    assert await acme.company.desk.concerning("maya") == []
    assert await acme.refusals() == ["Outsider"]


async def test_guests_apps_leavers_and_strangers_are_refused(acme: Office) -> None:
    for who in ("guest", "ultra"):
        await acme.connected("maya")
        await acme.says(who, "I forgot my password")
        assert "Only full members of this workspace can ask here" in words(acme.last(who))
    assert await acme.company.desk.concerning("maya") == []
