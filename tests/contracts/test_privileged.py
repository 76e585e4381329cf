"""Passwords of privileged accounts: their own connector sets theirs, nobody else's, and does nothing besides."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from app import connected as configured
from flows.model import Request
from handlers.connectors import scim as scim_connector
from handlers.ports import Connector, Examined, Peopled, Rejected
from handlers.privileged import VERB, Privileged
from handlers.settings import SettingsError
from tests.contracts.test_connectors import a_request
from tests.contracts.test_ldap_groups import KEY, founded
from tests.contracts.test_ldap_groups import site as site
from tests.contracts.test_ldap_people import connected
from tests.contracts.test_ldap_rights import Site
from tests.peers import slapd
from tests.peers.scim import ScimPeer

CHOSEN = "seven-Quiet-herons-9"


def the_reset(subject: str, verb: str = VERB) -> Request:
    return a_request(verb, subject)


def through(site: Site, **more: object) -> Connector:
    """The connector as the configuration file makes it."""
    kind = "ldap" if site.peer is slapd else "active_directory"
    return configured("privileged_directory", {"kind": kind, **site.server.entry(**more)})


async def test_a_member_of_a_listed_group_gets_a_password_also_through_another_group(site: Site) -> None:
    name, id = site.hire()
    inner = founded(site, site.peer.dn(name))
    outer = founded(site, site.group(inner))
    ordinary = connected(site.server, untouchable=[site.group(outer)])
    with pytest.raises(Rejected, match="never changed by request"):
        await ordinary.carry_out(the_reset(id, "set_password"), KEY, CHOSEN)
    person = await ordinary.people.person(id)
    assert person is not None
    assert person.privileged
    system = through(site, only_members_of=[site.group(outer)])
    receipt = await system.carry_out(the_reset(id), KEY, CHOSEN)
    assert receipt.observed == "The password is set."
    assert await system.check(the_reset(id), KEY, CHOSEN) == receipt
    assert site.server.signs_in(name, CHOSEN)
    with pytest.raises(Rejected, match="can't be taken back"):
        await system.undo(the_reset(id), KEY)
    await closed(ordinary, system)


async def test_nobody_else_gets_one(site: Site) -> None:
    listed, (name, id) = founded(site, site.peer.dn("omar")), site.hire()
    system = through(site, only_members_of=[site.group(listed)])
    before = site.server.changes(site.peer.dn(name))
    with pytest.raises(Rejected, match="isn't one of those"):
        await system.carry_out(the_reset(id), KEY, CHOSEN)
    assert site.server.changes(site.peer.dn(name)) == before
    await closed(system)


async def test_an_untouchable_group_wins_over_a_listed_one(site: Site) -> None:
    name, id = site.hire()
    listed, highest = founded(site, site.peer.dn(name)), founded(site, site.peer.dn(name))
    system = through(site, only_members_of=[site.group(listed)], untouchable=[site.group(highest)])
    with pytest.raises(Rejected, match="never changed by request"):
        await system.carry_out(the_reset(id), KEY, CHOSEN)
    await closed(system)


async def test_while_a_listed_group_isnt_there_nobody_is_in_it(site: Site) -> None:
    _, id = site.hire()
    system = through(site, only_members_of=[site.group("no-such-group")])
    with pytest.raises(Rejected, match="isn't one of those"):
        await system.carry_out(the_reset(id), KEY, CHOSEN)
    await closed(system)


async def test_it_does_nothing_else_and_nobody_is_read_from_it(site: Site) -> None:
    name, id = site.hire()
    system = through(site, only_members_of=[site.group(founded(site, site.peer.dn(name)))])
    assert system.verbs == {VERB}
    assert not isinstance(system, Peopled)
    for verb in ("set_password", "reset_password", "unlock", "disable"):
        with pytest.raises(Rejected, match="Here only"):
            await system.carry_out(the_reset(id, verb), KEY, CHOSEN)
        with pytest.raises(Rejected, match="Here only"):
            await system.check(the_reset(id, verb), KEY, CHOSEN)
    assert isinstance(system, Examined)
    assert {each.check for each in await system.examine({VERB}, name)} >= {"account", "set_password"}
    await closed(system)


def test_a_group_isnt_both_listed_and_untouchable(site: Site) -> None:
    group = site.group("finance-share")
    with pytest.raises(SettingsError, match="keep one"):
        through(site, only_members_of=[group], untouchable=[group])


@pytest.mark.scim
async def test_over_scim_it_is_the_same(scim: ScimPeer) -> None:
    kim, lee = (scim.hire(f"{name}{secrets.token_hex(4)}") for name in ("kim", "lee"))
    listed, highest = (f"group-{secrets.token_hex(4)}" for _ in range(2))
    scim.found(listed, kim, lee)
    scim.found(highest, lee)
    ordinary = scim_connector.connect(scim.entry(untouchable_groups=[listed]))
    with pytest.raises(Rejected, match="never changed by request"):
        await ordinary.carry_out(the_reset(kim, "set_password"), KEY, CHOSEN)
    more = {"only_members_of": [listed], "untouchable_groups": [highest]}
    system = configured("privileged_directory", {"kind": "scim", **scim.entry(**more)})
    await system.carry_out(the_reset(kim), KEY, CHOSEN)
    assert scim.password(kim)
    with pytest.raises(Rejected, match="never changed by request"):
        await system.carry_out(the_reset(lee), KEY, CHOSEN)
    with pytest.raises(Rejected, match="isn't one of those"):
        await system.carry_out(the_reset(scim.hire(f"sol{secrets.token_hex(4)}")), KEY, CHOSEN)
    with pytest.raises(SettingsError, match="keep one"):
        configured("p", {"kind": "scim", **scim.entry(only_members_of=[listed], untouchable_groups=[listed])})
    assert isinstance(system, Privileged)
    await closed(ordinary, system)


async def closed(*systems: Any) -> None:
    for system in systems:
        await system.close()
