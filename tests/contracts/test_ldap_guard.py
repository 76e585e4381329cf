"""Who lies outside of every request: the directory's own administrators, however they came to be that."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.findings import Level
from handlers.ports import Rejected
from tests.contracts.test_connectors import a_request
from tests.contracts.test_ldap_groups import KEY, founded, refused
from tests.contracts.test_ldap_groups import site as site
from tests.contracts.test_ldap_people import connected
from tests.contracts.test_ldap_rights import Site, found
from tests.peers import samba, slapd


async def left_alone(site: Site, name: str, id: str, **more: Any) -> None:
    """Nothing about this account is changed, and it is read as one that is privileged."""
    connector = connected(site.server, **more)
    with pytest.raises(Rejected, match=r"by hand|never changed by request"):
        await connector.carry_out(a_request("disable", id), KEY, None)
    assert site.server.changes(site.peer.dn(name)) == 0
    person = await connector.people.person(id)
    assert person is not None
    assert person.privileged
    await connector.close()


@pytest.fixture
def own(domain: Any) -> Site:
    return Site(domain, samba)


def joins(site: Site, group: str, member: str) -> None:
    site.server.change(f"dn: {group}\nchangetype: modify\nadd: member\nmember: {member}")


def leaves(site: Site, group: str, member: str) -> None:
    site.server.change(f"dn: {group}\nchangetype: modify\ndelete: member\nmember: {member}")


@pytest.mark.samba
@pytest.mark.parametrize(
    "group",
    [
        "CN=Domain Admins,CN=Users",
        "CN=Schema Admins,CN=Users",
        "CN=Enterprise Admins,CN=Users",
        "CN=Group Policy Creator Owners,CN=Users",
        "CN=Administrators,CN=Builtin",
        "CN=Account Operators,CN=Builtin",
        "CN=Server Operators,CN=Builtin",
        "CN=Print Operators,CN=Builtin",
        "CN=Backup Operators,CN=Builtin",
    ],
)
async def test_an_administrator_is_one_before_the_directory_marks_them(own: Site, group: str) -> None:
    """It does so once an hour, and Samba never: in one of those groups, and in a group that is in it."""
    group = f"{group},{samba.BASE}"
    (name, id), (other, other_id) = own.hire(), own.hire()
    inner = founded(own, own.peer.dn(other))
    mine = (own.peer.dn(name), own.group(inner))
    for each in mine:
        joins(own, group, each)
    try:
        await left_alone(own, name, id)
        await left_alone(own, other, other_id)
        await refused(own, "add_to_group", own.hire()[1], inner)
        told = (await found(own.server, {"unlock"}))["administrators"]
        assert told.level is Level.FAIL
        assert own.peer.dn(name) in told.seen
        assert own.peer.dn(other) in told.seen
    finally:
        for each in mine:
            leaves(own, group, each)


@pytest.mark.samba
async def test_a_primary_group_counts_although_it_doesnt_list_anybody(own: Site) -> None:
    name, id = own.hire()
    group = founded(own)
    joins(own, own.group(group), own.peer.dn(name))
    number = own.server.look(own.group(group), "primaryGroupToken")["primaryGroupToken"]
    own.server.change(
        f"dn: {own.peer.dn(name)}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {number}"
    )
    assert "member" not in own.server.look(own.group(group), "member")
    await left_alone(own, name, id, untouchable=[own.group(group)])
    outer = founded(own, own.group(group))
    await left_alone(own, name, id, untouchable=[own.group(outer)])
    told = (await found(own.server, {"unlock"}, untouchable=[own.group(group)]))["administrators"]
    assert own.peer.dn(name) in told.seen


# -- wherever the directory begins ----------------------------------------------------------------


@pytest.fixture(scope="module")
def organisation(openldap: slapd.Slapd) -> dict[str, Any]:
    """A part of the directory whose name has no domain components, and a comma; gives what settings say of it."""
    top, entries = slapd.ORGANISATION, []
    entries.append(f"dn: {top}\nobjectClass: organization\no: Acme, Inc.")
    entries += [
        f"dn: ou={ou},{top}\nobjectClass: organizationalUnit\nou: {ou}"
        for ou in ("people", "groups", "admins")
    ]
    kim, lee = f"uid=kim,ou=people,{top}", f"uid=lee,ou=people,{top}"
    for name, dn in (("kim", kim), ("lee", lee)):
        entries.append(slapd.person(name, "", slapd.hashed("pretend-Password-1")).replace(slapd.dn(name), dn))
    for group, where, member in (
        ("inner", "groups", lee),
        ("outer", "admins", f"cn=inner,ou=groups,{top}"),
        ("beside", "groups", lee),
    ):
        entries.append(
            f"dn: cn={group},ou={where},{top}\nobjectClass: groupOfNames\ncn: {group}\nmember: {member}"
        )
    openldap.change("\n\n".join(entries))
    return {"people": r"ou=people,o=acme\2c inc.", "groups": rf"ou=groups , {top}"}


@pytest.mark.slapd
async def test_groups_are_followed_in_a_directory_without_domain_components(
    openldap: slapd.Slapd, organisation: dict[str, Any]
) -> None:
    id = openldap.look(f"uid=kim,ou=people,{slapd.ORGANISATION}", "entryUUID")["entryUUID"]
    for more in (
        {"untouchable": [f"CN=outer, ou=admins,{slapd.ORGANISATION}"]},
        {"roles": {"security": ["Outer"]}},
    ):
        connector = connected(openldap, **organisation, **more)
        with pytest.raises(Rejected, match="never changed by request"):
            await connector.carry_out(a_request("add_to_group", id, group="inner"), KEY, None)
        await connector.carry_out(a_request("add_to_group", id, group="beside"), KEY, None)
        await connector.carry_out(a_request("remove_from_group", id, group="beside"), KEY, None)
        await connector.close()


async def test_a_group_that_gives_a_role_and_isnt_there_stops_every_change_of_groups(site: Site) -> None:
    name, id = site.hire()
    group = founded(site, site.peer.dn("maya"))
    connector = connected(site.server, roles={"security": ["finance-share"], "desk_agent": ["no-such-group"]})
    with pytest.raises(Rejected, match="no group no-such-group"):
        await connector.carry_out(a_request("add_to_group", id, group=group), KEY, None)
    assert site.server.changes(site.group(group)) == 0
    await connector.carry_out(a_request("disable", id), KEY, None)
    assert site.server.changes(site.peer.dn(name)) == 1
    await connector.close()


# -- groups within groups, and members of every kind ----------------------------------------------


async def test_whoever_is_in_a_group_inside_of_an_untouchable_one_is_left_alone(site: Site) -> None:
    name, id = site.hire()
    inner = founded(site, site.peer.dn(name))
    middle = founded(site, site.group(inner))
    outer = founded(site, site.group(middle))
    site.server.change(
        f"dn: {site.group(inner)}\nchangetype: modify\nadd: member\nmember: {site.group(outer)}"
    )
    await left_alone(site, name, id, untouchable=[site.group(outer)])
    told = (await found(site.server, {"unlock"}, untouchable=[site.group(outer)]))["administrators"]
    assert told.level is Level.FAIL
    assert site.peer.dn(name) in told.seen


@pytest.mark.slapd
async def test_an_administrator_who_is_no_person_is_tried_and_one_who_cant_be_read_is_said() -> None:
    """Such as an account for programs, whose password a forgotten rule lets us write."""
    root, boss = (f"cn={each},ou=services,{slapd.BASE}" for each in ("root", "boss"))
    admins = f"cn=admins,{slapd.GROUPS}"
    writes = (
        f'access to dn.exact="{root}" attrs=userPassword\n'
        f'  by dn.exact="{slapd.SERVICE.name}" =w\n  by anonymous auth\n'
    )
    hides = f'access to dn.exact="{boss}" by dn.exact="{slapd.SERVICE.name}" none by * read\n'
    for first, level, says in (
        ("", Level.PASS, "2 tried"),
        (writes, Level.FAIL, f"{root} (userPassword)"),
        (hides, Level.WARN, f"1 can't be read, so what we may isn't sure: {boss}"),
    ):
        with slapd.running(first=first) as server:
            for each in (root, boss):
                cn = each[3:].partition(",")[0]
                server.change(
                    f"dn: {each}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: {cn}\n"
                    f"userPassword: {slapd.hashed('pretend-Password-1')}"
                )
            server.change(
                f"dn: {admins}\nobjectClass: groupOfNames\ncn: admins\nmember: {root}\nmember: {boss}"
            )
            told = (await found(server, {"unlock"}, untouchable=[admins]))["administrators"]
            assert (told.level, says in told.seen) == (level, True), told.seen


async def test_a_look_at_an_account_says_that_it_is_never_changed(site: Site) -> None:
    name, _ = site.hire()
    group = founded(site, site.peer.dn(name))
    for untouchable, says in (([], False), ([site.group(group)], True)):
        told = await found(site.server, {"unlock"}, name, untouchable=untouchable)
        assert ("never changed by request" in told["account"].seen) is says
