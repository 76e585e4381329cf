"""Groups that no request joins or leaves, and accounts that none touches: by every spelling, and through others."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from handlers.findings import Level
from handlers.ldap.dialect import OPPOSITE
from handlers.ports import Rejected
from tests.contracts.test_connectors import a_request
from tests.contracts.test_ldap_people import BOTH, connected
from tests.contracts.test_ldap_rights import Site, found
from tests.peers import samba, slapd

KEY = "CS-7F3KQ:carry_out"
MOVES = ("add_to_group", "remove_from_group")


@pytest.fixture(params=BOTH)
def site(request: pytest.FixtureRequest) -> Site:
    server = request.getfixturevalue(request.param)
    return Site(server, slapd if isinstance(server, slapd.Slapd) else samba)


def founded(site: Site, *members: str) -> str:
    """A new group with these members; gives its name."""
    name = f"group-{secrets.token_hex(4)}"
    kind = "groupOfNames" if site.peer is slapd else "group"
    listed = "".join(f"\nmember: {each}" for each in members)
    site.server.change(f"dn: {site.group(name)}\nobjectClass: {kind}\ncn: {name}{listed}")
    return name


async def refused(site: Site, verb: str, subject: str, group: str, **more: Any) -> None:
    """A request of this kind is refused, and nothing happens to the group."""
    connector = connected(site.server, **more)
    before = site.server.changes(site.group(group))
    with pytest.raises(Rejected, match="never changed by request"):
        # Where the change stands already there is nothing to refuse, so that is not looked at here.
        await connector._change(a_request(verb, subject, group=group), KEY, "")
    assert site.server.changes(site.group(group)) == before
    await connector.close()


@pytest.mark.parametrize("verb", MOVES)
async def test_a_group_inside_of_one_that_is_left_alone_is_left_alone(site: Site, verb: str) -> None:
    """Two steps below one that gives a role, and below an untouchable one; a group beside them is anybody's."""
    name, id = site.hire()
    inner = founded(site, site.peer.dn(name))
    middle = founded(site, site.group(inner))
    outer = founded(site, site.group(middle))
    beside = founded(site, site.peer.dn("maya"))
    await refused(site, verb, id, inner, roles={"security": [outer.upper()]})
    await refused(site, verb, id, inner, untouchable=[site.group(outer)])
    connector = connected(site.server, roles={"security": [outer]}, untouchable=[site.group("finance-share")])
    asked = a_request("add_to_group", id, group=beside)
    await connector.carry_out(asked, KEY, None)
    await connector.carry_out(asked.but({"verb": OPPOSITE["add_to_group"]}), KEY, None)
    await connector.close()


async def test_groups_that_are_in_each_other_are_asked_once(site: Site) -> None:
    _, id = site.hire()
    one = founded(site, site.peer.dn("maya"))
    other = founded(site, site.group(one))
    site.server.change(f"dn: {site.group(one)}\nchangetype: modify\nadd: member\nmember: {site.group(other)}")
    connector = connected(site.server, roles={"security": ["finance-share"]})
    await connector.carry_out(a_request("add_to_group", id, group=one), KEY, None)
    await connector.close()


async def test_an_untouchable_name_counts_however_it_is_spelled(site: Site) -> None:
    name, id = site.hire()
    group = founded(site, site.peer.dn(name))
    for spelled in (site.group(group).upper(), site.group(group).replace(",", " , ").replace("=", " = ")):
        await refused(site, "add_to_group", id, group, untouchable=[spelled])
        connector = connected(site.server, untouchable=[spelled])
        with pytest.raises(Rejected, match="never changed by request"):
            await connector.carry_out(a_request("disable", id), KEY, None)
        await connector.close()


async def test_while_an_untouchable_group_isnt_there_nothing_is_changed(site: Site) -> None:
    name, id = site.hire()
    missing = site.group("finance-shares")
    connector = connected(site.server, untouchable=[site.group("everyone"), missing])
    with pytest.raises(Rejected, match="Mend the settings"):
        await connector.carry_out(a_request("disable", id), KEY, None)
    assert site.server.changes(site.peer.dn(name)) == 0
    await connector.close()
    told = (await found(site.server, {"unlock"}, untouchable=[missing]))["administrators"]
    assert told.level is Level.FAIL
    assert "finance-shares" in told.seen


@pytest.mark.samba
async def test_what_active_directory_marks_as_protected_is_left_alone(domain: Any) -> None:
    site = Site(domain, samba)
    _, id = site.hire()
    group = founded(site)
    domain.change(f"dn: {site.group(group)}\nchangetype: modify\nreplace: adminCount\nadminCount: 1")
    await refused(site, "add_to_group", id, group)
