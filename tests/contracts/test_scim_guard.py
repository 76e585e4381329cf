"""What lies outside of every request on a SCIM server: groups that are named, those inside of them, their members."""

from __future__ import annotations

import secrets

import pytest

from handlers.connectors.scim import connect
from handlers.findings import Level
from handlers.ports import Rejected
from tests.contracts.test_connectors import a_request
from tests.peers.scim import ScimPeer

pytestmark = pytest.mark.scim
KEY = "CS-7F3KQ:carry_out"


def founded(scim: ScimPeer, *members: str) -> tuple[str, str]:
    """A new group with these members: its name and its id."""
    name = f"group-{secrets.token_hex(4)}"
    return name, scim.found(name, *members)


def nested(scim: ScimPeer, member: str, *, typed: bool) -> tuple[str, str]:
    """A group with this member, two steps inside of another, which is inside of it, too; gives both names."""
    inner, inner_id = founded(scim, member)
    _, middle_id = founded(scim)
    outer, outer_id = founded(scim)
    for id, holds in ((middle_id, inner_id), (outer_id, middle_id), (inner_id, outer_id)):
        kind = {"type": "Group"} if typed else {}
        scim.change(f"/Groups/{id}", {"op": "add", "path": "members", "value": [{"value": holds, **kind}]})
    return inner, outer


@pytest.mark.parametrize("typed", [True, False])
async def test_a_group_inside_of_one_that_is_left_alone_is_left_alone(scim: ScimPeer, typed: bool) -> None:
    lee, kim = (scim.hire(f"{name}{secrets.token_hex(4)}") for name in ("lee", "kim"))
    inner, outer = nested(scim, lee, typed=typed)
    beside, _ = founded(scim, lee)
    for more in ({"untouchable_groups": [outer]}, {"roles": {"administrator": [outer]}}):
        system = connect(scim.entry(**more))
        before = scim.changes(scim.group(inner))
        with pytest.raises(Rejected, match="never changed by request"):
            await system.carry_out(a_request("add_to_group", kim, group=inner), KEY, None)
        assert scim.changes(scim.group(inner)) == before
        await system.carry_out(a_request("add_to_group", kim, group=beside), KEY, None)
        await system.carry_out(a_request("remove_from_group", kim, group=beside), KEY, None)
        await system.close()


@pytest.mark.parametrize("typed", [True, False])
async def test_whoever_is_in_a_group_inside_of_an_untouchable_one_is_left_alone(
    scim: ScimPeer, typed: bool
) -> None:
    name = f"lee{secrets.token_hex(4)}"
    lee = scim.hire(name)
    _, outer = nested(scim, lee, typed=typed)
    system = connect(scim.entry(untouchable_groups=[outer]))
    with pytest.raises(Rejected, match="never changed by request"):
        await system.carry_out(a_request("disable", lee), KEY, None)
    assert scim.changes(lee) == 0
    (told,) = [each for each in await system.examine({"disable"}, name) if each.check == "account"]
    assert (told.level, "never changed by request" in told.seen) == (Level.PASS, True)
    await system.close()


async def test_while_a_named_group_isnt_there_nothing_that_it_guards_is_changed(scim: ScimPeer) -> None:
    kim = scim.hire(f"kim{secrets.token_hex(4)}")
    system = connect(scim.entry(roles={"administrator": ["no-such-group"]}))
    with pytest.raises(Rejected, match="no group no-such-group"):
        await system.carry_out(a_request("add_to_group", kim, group="everyone"), KEY, None)
    await system.close()
