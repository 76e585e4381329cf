"""Who works here, as a real SCIM server says: by an id that lasts, with manager and roles."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from demo.workspace.serve import listening
from flows.model import Person
from handlers.connectors.scim import Scim, connect
from handlers.ports import Directory, Peopled
from tests.peers.scim import TOKEN, ScimPeer

pytestmark = pytest.mark.scim
ROLES = {"desk_agent": ["desk-agents"], "security": ["finance-share"]}


@pytest.fixture(params=["id", "externalId"])
async def system(request: pytest.FixtureRequest, scim: ScimPeer) -> AsyncIterator[Scim]:
    made = connect(scim.entry(roles=ROLES, person_id=request.param))
    assert isinstance(made, Peopled)
    yield made
    await made.close()


async def test_people_are_found_with_manager_and_roles(system: Scim) -> None:
    people: Directory = system.people
    (ravi,), (omar,) = [await people.find("name", name) for name in ("ravi", "omar")]
    assert (ravi.name, ravi.account, ravi.active) == ("Ravi of Acme", "ravi", True)
    assert ravi.manager == omar.id
    assert (ravi.roles, omar.roles) == ({"desk_agent"}, {"security"})
    assert await people.person(ravi.id) == ravi
    assert await people.find("name", "Ravi of Acme") == [ravi]
    assert await people.find("role", "desk_agent") == [ravi]
    assert {each.account for each in await people.find("manager", omar.id)} == {"maya", "ravi", "eve"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        '" or userName pr',
        "ravi\\",
        "..",
        "ravi\0",
        "a" * 2000,
        "*",
        "/",
        "//",
        "a/b",
        "%",
        "%2e%2e",
        "?",
    ],
)
async def test_whoever_isnt_there_is_nobody_and_no_text_is_a_filter(system: Scim, text: str) -> None:
    assert await system.people.person(text) is None
    for by in ("name", "role", "manager", "group", "owner"):
        assert await system.people.find(by, text) == []  # type: ignore[arg-type]


async def test_whoever_is_renamed_is_the_same_and_whoever_left_isnt_active(scim: ScimPeer) -> None:
    name = f"kim{secrets.token_hex(4)}"
    id = scim.hire(name)
    system = connect(scim.entry())
    scim.change(f"/Users/{id}", {"op": "replace", "path": "userName", "value": f"{name}-berg"})
    renamed = await system.people.person(id)
    assert renamed is not None
    assert (renamed.account, renamed.active) == (f"{name}-berg", True)
    scim.change(f"/Users/{id}", {"op": "replace", "path": "active", "value": False})
    gone = await system.people.person(id)
    assert gone is not None
    assert not gone.active
    await system.close()


async def test_two_who_share_a_lasting_id_are_nobody(scim: ScimPeer) -> None:
    shared, name = f"staff-{secrets.token_hex(4)}", f"kim{secrets.token_hex(4)}"
    for number in range(2):
        scim.hire(f"{name}-{number}", displayName=name, externalId=shared)
    system = connect(scim.entry(person_id="externalId"))
    assert await system.people.find("name", name) == []
    await system.close()


async def test_whoever_is_untouchable_is_privileged_also_through_another_group(scim: ScimPeer) -> None:
    """So they can't come back by a recovery code, nor is a wait shortened for them."""
    inner, outer = f"inner-{secrets.token_hex(4)}", f"tier0-{secrets.token_hex(4)}"
    name = f"kim{secrets.token_hex(4)}"
    id = scim.hire(name)
    scim.found(outer, scim.found(inner, id))
    system = connect(scim.entry(untouchable_groups=[outer]))
    kim, (same,) = await system.people.person(id), await system.people.find("name", name)
    assert kim is not None
    assert kim.privileged
    assert same.privileged
    (ravi,) = await system.people.find("name", "ravi")
    assert not ravi.privileged
    await system.close()
    misspelt = connect(scim.entry(untouchable_groups=["no such group"]))
    assert await misspelt.people.person(id) is not None, "people can be read all the same"
    await misspelt.close()


# -- groups -------------------------------------------------------------------------------------------------


async def test_a_person_is_read_with_their_groups_and_with_the_age_of_their_account(scim: ScimPeer) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    id = scim.hire(f"kim{secrets.token_hex(4)}", "finance-share", "desk-agents")
    plain, searching = connect(scim.entry(roles=ROLES)), connect(scim.entry(search_groups=True))
    first, kim = await plain.people.person(id), await searching.people.person(id)
    assert first is not None
    assert first.groups == {"finance-share", "desk-agents"}, "they are read for the roles anyway"
    assert kim is not None
    assert kim.groups == {"finance-share", "desk-agents"}
    assert kim.since is not None
    assert before < kim.since < before + timedelta(minutes=5)
    (nina,) = await searching.people.find("name", "nina")
    assert nina.groups >= {"everyone"}
    assert "finance-share" not in nina.groups
    members = {each.account for each in await plain.people.find("group", "Finance-Share")}
    assert members >= {"omar", kim.account}
    assert "ravi" not in members
    assert await plain.people.find("owner", "finance-share") == [], "SCIM has no word for it"
    await plain.close()
    await searching.close()


async def test_a_name_that_two_groups_share_is_no_groups(scim: ScimPeer) -> None:
    name, system = f"twin-{secrets.token_hex(4)}", connect(scim.entry())
    scim.found(name, scim.hire(f"kim{secrets.token_hex(4)}"))
    assert len(await system.people.find("group", name)) == 1
    scim.found(name, scim.hire(f"eve{secrets.token_hex(4)}"))
    assert await system.people.find("group", name) == []
    await system.close()


@pytest.mark.parametrize("name", ['" or displayName pr or "', "a\\", "members.value", "Straße 9", "a/../b"])
async def test_a_groups_name_is_never_read_as_a_filter(scim: ScimPeer, name: str) -> None:
    name = f"{name}{secrets.token_hex(4)}"
    scim.found(name, id := scim.hire(f"kim{secrets.token_hex(4)}"))
    system = connect(scim.entry(search_groups=True))
    kim = await system.people.person(id)
    assert kim is not None
    assert kim.groups == {name}
    assert await system.people.find("group", name) == [kim]
    await system.close()


@dataclass
class Telling:
    """A server that tells one person as it likes, and all of its groups whatever is asked."""

    groups: object = None
    created: object = None

    async def answer(self, request: web.Request) -> web.Response:
        person = {"id": "7", "userName": "kim", "active": True, "meta": {"created": self.created}}
        if self.groups is not None:
            person["groups"] = self.groups
        every = [{"id": str(n), "displayName": f"g{n}", "members": [{"value": str(n)}]} for n in (7, 8)]
        lists = request.path.endswith("/Groups")
        return web.json_response({"totalResults": 2, "Resources": every} if lists else person)


async def told(server: Telling, **more: object) -> Person:
    app = web.Application()
    app.router.add_get("/{any:.*}", server.answer)
    async with listening(app) as port:
        entry = {"url": f"http://127.0.0.1:{port}/v2", "token": TOKEN, "search_groups": True, **more}
        system = connect(entry)
        kim = await system.people.person("7")
        await system.close()
    assert kim is not None
    return kim


async def test_groups_that_are_listed_with_a_person_are_taken_and_no_others_are_searched() -> None:
    listed = [{"value": "1", "display": "ops"}, {"value": "2", "type": "indirect", "display": "all"}]
    assert (await told(Telling(listed))).groups == {"ops", "all"}
    assert (await told(Telling([]))).groups == frozenset()
    for odd in ("ops", {"display": "ops"}, [None, "ops", {"display": 7}, {"display": ""}, {"value": "1"}]):
        assert (await told(Telling(odd))).groups == frozenset()


async def test_a_server_that_reads_no_filter_puts_nobody_into_other_peoples_groups() -> None:
    assert (await told(Telling())).groups == {"g7"}
    assert (await told(Telling(), search_groups=False)).groups == frozenset()


@pytest.mark.parametrize(
    ("created", "since"),
    [
        ("2024-03-04T10:00:00+01:00", datetime(2024, 3, 4, 9, tzinfo=UTC)),
        ("2024-03-04T10:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (7, None),
        (None, None),
    ],
)
async def test_the_age_of_an_account_is_unknown_unless_it_is_told(
    created: object, since: datetime | None
) -> None:
    kim = await told(Telling(created=created))
    assert kim.since == since
    assert since is None or (kim.since is not None and kim.since.tzinfo is UTC)
