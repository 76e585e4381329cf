"""Who works here, as a real SCIM server says: by an id that lasts, with manager and roles."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from handlers.connectors.scim import Scim, connect
from handlers.ports import Directory, Peopled
from tests.peers.scim import ScimPeer

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
    for by in ("name", "role", "manager"):
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
