"""A SCIM server looked over without a change: what stands between an operator and a working connector is named."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from pathlib import Path

import pytest
from aiohttp import web

from demo.workspace.serve import listening
from handlers.connectors.scim import connect
from handlers.findings import Finding, Level
from tests.peers.certificates import Authority
from tests.peers.scim import ScimPeer, running

pytestmark = pytest.mark.scim


async def looked(
    entry: dict[str, object], name: str = "", needed: Collection[str] = frozenset({"set_password"})
) -> dict[str, Finding]:
    system = connect(entry)
    try:
        return {each.check: each for each in await system.examine(needed, name)}
    finally:
        await system.close()


async def test_a_server_that_is_well_changes_nothing_and_says_what_stays_open(scim: ScimPeer) -> None:
    before = list(scim.changed)
    told = await looked(scim.entry(untouchable_groups=["finance-share"]), "maya")
    assert {each.check for each in told.values() if each.level is Level.FAIL} == set()
    assert told["account"].seen.startswith("maya: open; its lasting id is ")
    assert told["rights"].level is Level.WARN, "nobody can ask what a token may do"
    assert scim.changed == before


async def test_an_accounts_state_is_told(scim: ScimPeer) -> None:
    name = f"kim{secrets.token_hex(4)}"
    scim.hire(name, "finance-share", active=False)
    told = await looked(scim.entry(untouchable_groups=["finance-share"]), name)
    assert told["account"].seen.startswith(f"{name}: disabled, never changed by request;")
    whoever = await looked(scim.entry(person_id="externalId"), name)
    assert "no `externalId`" in whoever["account"].seen


@pytest.mark.parametrize(
    ("more", "check", "level", "said"),
    [
        ({"token": "another"}, "server", Level.FAIL, "our token may not"),
        ({"roles": {"security": ["securty"]}}, "groups", Level.FAIL, "security names securty"),
        ({"untouchable_groups": ["admins"]}, "groups", Level.FAIL, "untouchable_groups names admins"),
        ({}, "administrators", Level.WARN, "nobody is left alone"),
        ({}, "reset_password", Level.FAIL, "it can't be done here"),
        ({"groups": False}, "add_to_group", Level.FAIL, "it can't be done here"),
        ({}, "account", Level.FAIL, "there isn't just one account 'nobody'"),
    ],
)
async def test_what_is_wrong_has_a_name_and_a_remedy(
    scim: ScimPeer, more: dict[str, object], check: str, level: Level, said: str
) -> None:
    told = await looked(scim.entry(**more), "nobody", {"set_password", "reset_password", "add_to_group"})
    assert told[check].level is level
    assert said in told[check].seen
    assert told[check].remedy


def test_its_certificate_is_counted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with running(identity=authority.sign("localhost"), filled=False) as peer:
        told = asyncio.run(looked(peer.entry(ca_file=authority.file)))
        assert "its certificate is good for " in told["server"].seen
        told = asyncio.run(looked(peer.entry()))
    assert told["server"].level is Level.FAIL
    assert "CertVerification" in told["server"].seen


async def test_what_a_server_says_of_itself_counts() -> None:
    """No PATCH, no change of passwords, no versions, and passwords in the open."""

    async def answers(request: web.Request) -> web.Response:
        if request.path.endswith("ServiceProviderConfig"):
            none = {"supported": False}
            return web.json_response({"patch": none, "changePassword": none})
        user = {"id": "7", "userName": "maya", "active": True, "password": "in the open"}
        return web.json_response({"totalResults": 1, "Resources": [user]})

    app = web.Application()
    app.router.add_get("/{any:.*}", answers)
    async with listening(app) as port:
        told = await looked({"url": f"http://127.0.0.1:{port}", "token": "one"})
    levels = {check: finding.level for check, finding in told.items()}
    assert [levels[each] for each in ("patch", "changePassword", "passwords")] == [Level.FAIL] * 3
    assert levels["etag"] is Level.WARN
    assert "in the open" not in str(told)
