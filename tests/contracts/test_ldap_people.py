"""Who works here, as real directories say: ids that last, managers, roles by group, and who left."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ldap3.utils.dn import escape_rdn

from flows.model import Person
from handlers.connectors import active_directory, ldap
from handlers.ldap.accounts import Accounts
from handlers.ports import Directory, Rejected, Unreachable
from tests.contracts.test_connectors import a_request
from tests.peers import samba, slapd
from tests.peers.directory import Server

ROLES = {"desk_agent": ["desk-agents"], "security": ["finance-share"]}
BOTH = [pytest.param("openldap", marks=pytest.mark.slapd), pytest.param("domain", marks=pytest.mark.samba)]


@dataclass(frozen=True)
class Company:
    """A real directory, and its people as we read them."""

    server: Any
    connector: Accounts
    peer: Any

    @property
    def people(self) -> Directory:
        return self.connector.people

    async def called(self, name: str) -> Person:
        """The only one with this account."""
        (found,) = await self.people.find("name", name)
        return found


def connected(server: Server, **more: object) -> Accounts:
    """The connector of a server's kind."""
    kind = ldap if isinstance(server, slapd.Slapd) else active_directory
    return kind.connect(server.entry(**more))


@pytest.fixture(params=BOTH)
async def acme(request: pytest.FixtureRequest) -> AsyncIterator[Company]:
    server = request.getfixturevalue(request.param)
    peer = slapd if request.param == "openldap" else samba
    connector = connected(server, roles=ROLES, timezone="Europe/Stockholm")
    yield Company(server, connector, peer)
    await connector.close()


async def test_a_person_is_read_with_manager_and_roles(acme: Company) -> None:
    ravi, omar = await acme.called("ravi"), await acme.called("omar")
    assert (ravi.name, ravi.account, ravi.email) == ("Ravi of Acme", "ravi", "ravi@acme.test")
    assert (ravi.active, ravi.privileged, ravi.timezone) == (True, False, "Europe/Stockholm")
    assert ravi.manager == omar.id
    assert (ravi.roles, omar.roles) == ({"desk_agent"}, {"security"})
    assert await acme.people.person(ravi.id) == ravi
    assert (await acme.called("nina")).manager is None
    assert [each.id for each in await acme.people.find("name", "Ravi of Acme")] == [ravi.id]


async def test_roles_and_reports_are_found(acme: Company) -> None:
    ravi, omar = await acme.called("ravi"), await acme.called("omar")
    assert [each.id for each in await acme.people.find("role", "desk_agent")] == [ravi.id]
    assert await acme.people.find("role", "no-such-role") == []
    led = {each.account for each in await acme.people.find("manager", omar.id)}
    assert {"maya", "ravi", "eve"} <= led
    assert await acme.people.find("manager", ravi.id) == []


async def test_whoever_isnt_there_is_nobody(acme: Company) -> None:
    for id in ("", "*", "maya", "0" * 36, "00000000-0000-0000-0000-000000000000", "\0", "é" * 300):
        assert await acme.people.person(id) is None
    assert await acme.people.find("name", "nobody.at.all") == []
    assert await acme.people.find("manager", "nobody.at.all") == []


async def test_a_renamed_person_is_the_same_and_one_who_leaves_isnt_active(acme: Company) -> None:
    name = f"kim{secrets.token_hex(4)}"
    id = acme.server.hire(name)
    before = await acme.people.person(id)
    assert before is not None
    rdn = f"{'uid' if acme.peer is slapd else 'CN'}={name}-berg"
    dn = acme.peer.dn(name)
    acme.server.change(f"dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1")
    moved = await acme.people.person(id)
    assert moved is not None
    assert (moved.id, moved.active) == (id, True)
    parent = dn.partition(",")[2]
    disabled = acme.peer.disabled(name).replace(dn, f"{rdn},{parent}")
    acme.server.change(disabled)
    gone = await acme.people.person(id)
    assert gone is not None
    assert not gone.active
    acme.server.change(f"dn: {rdn},{parent}\nchangetype: delete")
    assert await acme.people.person(id) is None


async def test_a_group_says_who_is_never_changed(acme: Company) -> None:
    name = f"kim{secrets.token_hex(4)}"
    id = acme.server.hire(name, "finance-share")
    cn = "cn" if acme.peer is slapd else "CN"
    guarded = connected(acme.server, untouchable=[f"{cn}=finance-share,{acme.peer.GROUPS}"])
    person = await guarded.people.person(id)
    assert person is not None
    assert person.privileged
    with pytest.raises(Rejected, match="never changed by request"):
        await guarded.carry_out(a_request("disable", subject=id), "CS-7F3KQ:carry_out", None)
    person = await guarded.people.person(id)
    assert person is not None
    assert person.active
    await guarded.close()


@pytest.mark.parametrize("verb", ["add_to_group", "remove_from_group"])
async def test_no_request_gives_or_takes_a_role(acme: Company, verb: str) -> None:
    id = acme.server.hire(f"kim{secrets.token_hex(4)}")
    cn = "cn" if acme.peer is slapd else "CN"
    guarded = connected(acme.server, untouchable=[f"{cn}=Everyone,{acme.peer.GROUPS}"])
    for connector, group in ((acme.connector, "Desk-Agents"), (guarded, "everyone")):
        asked = a_request(verb, subject=id, group=group)
        before = acme.server.changes(f"{cn}={group.lower()},{acme.peer.GROUPS}")
        with pytest.raises(Rejected, match="never changed by request"):
            await connector._change(asked, "k", "")
        assert acme.server.changes(f"{cn}={group.lower()},{acme.peer.GROUPS}") == before
    await guarded.close()


# -- groups -------------------------------------------------------------------------------------------------


def found(acme: Company, name: str, *listed: str, owner: str = "", below: str = "") -> str:
    """A new group with these names in it, made by an administrator; gives its own name."""
    server = acme.server
    cn, kind, whose = ("cn", "groupOfNames", "owner") if acme.peer is slapd else ("CN", "group", "managedBy")
    dn = f"{cn}={escape_rdn(name)},{below or acme.peer.GROUPS}"
    lines = [f"dn:: {in_ldif(dn)}", "changetype: add", f"objectClass: {kind}", f"cn:: {in_ldif(name)}"]
    lines += [f"member:: {in_ldif(each)}" for each in listed]
    if owner:
        lines.append(f"{whose}:: {in_ldif(owner)}")
    if acme.peer is samba:
        lines.append(f"sAMAccountName: {secrets.token_hex(8)}")
    server.change("\n".join(lines))
    return dn


def in_ldif(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_person_is_read_with_their_groups_and_with_the_age_of_their_account(acme: Company) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    acme.server.hire(name := f"kim{secrets.token_hex(4)}", "finance-share", "everyone")
    kim, ravi = await acme.called(name), await acme.called("ravi")
    assert kim.groups >= {"finance-share", "everyone"}
    assert kim.since is not None
    assert before < kim.since < before + timedelta(minutes=5)
    assert ravi.groups & {"finance-share", "everyone", "desk-agents"} == {"desk-agents"}
    members = {each.id for each in await acme.people.find("group", "Finance-Share")}
    assert members >= {kim.id, (await acme.called("omar")).id}
    assert ravi.id not in members
    assert await acme.people.find("group", "no-such-group") == []


async def test_groups_within_groups_are_followed_where_the_server_does_it_by_itself(acme: Company) -> None:
    acme.server.hire(name := f"kim{secrets.token_hex(4)}")
    inner, outer = f"inner-{secrets.token_hex(4)}", f"outer-{secrets.token_hex(4)}"
    found(acme, outer, found(acme, inner, acme.peer.dn(name)))
    kim = await acme.called(name)
    both = {inner, outer} if acme.peer is samba else {inner}
    assert kim.groups & {inner, outer} == both
    for group in (inner, outer):
        members = [each.id for each in await acme.people.find("group", group)]
        assert members == ([kim.id] if group in both else []), "the list and the person say the same"


async def test_a_groups_owner_is_found_and_a_group_that_owns_another_is_nobody(acme: Company) -> None:
    owned, ruled = f"owned-{secrets.token_hex(4)}", f"ruled-{secrets.token_hex(4)}"
    maya, outside = acme.peer.dn("maya"), f"CN=countersign,CN=Users,{acme.peer.BASE}"
    if acme.peer is slapd:
        outside = f"cn={owned},ou=services,{slapd.BASE}"
        acme.server.change(f"dn: {outside}\nobjectClass: inetOrgPerson\ncn: {owned}\nsn: {owned}")
    dn = found(acme, owned, maya, owner=acme.peer.dn("sam"))
    found(acme, ruled, maya, owner=dn)
    assert [each.account for each in await acme.people.find("owner", owned)] == ["sam"]
    assert await acme.people.find("owner", ruled) == []
    assert await acme.people.find("owner", "everyone") == []
    found(acme, f"away-{owned}", maya, owner=outside)
    assert await acme.people.find("owner", f"away-{owned}") == [], "not one of the people served"


async def test_a_name_that_two_groups_share_is_no_groups(acme: Company) -> None:
    name, ou = f"twin-{secrets.token_hex(4)}", "ou" if acme.peer is slapd else "OU"
    part = f"{ou}=part-{secrets.token_hex(4)},{acme.peer.GROUPS}"
    acme.server.change(f"dn: {part}\nchangetype: add\nobjectClass: organizationalUnit")
    dn = acme.peer.dn("nina")
    found(acme, name, dn, owner=dn)
    assert [each.account for each in await acme.people.find("group", name)] == ["nina"]
    found(acme, name, acme.peer.dn("eve"), owner=acme.peer.dn("eve"), below=part)
    assert await acme.people.find("group", name) == []
    assert await acme.people.find("owner", name) == []


@pytest.mark.parametrize("name", ["*)(cn=finance-share", "a, (b) \\ c + d", "#x=y;<z>", "Straße 9"])
async def test_a_groups_name_is_never_read_as_a_filter(acme: Company, name: str) -> None:
    name = f"{name}{secrets.token_hex(4)}"
    acme.server.hire(who := f"kim{secrets.token_hex(4)}")
    found(acme, name, acme.peer.dn(who), owner=acme.peer.dn(who))
    kim = await acme.called(who)
    assert name in kim.groups
    assert "finance-share" not in kim.groups
    assert await acme.people.find("group", name) == [kim]
    assert await acme.people.find("owner", name) == [kim]


async def test_without_a_part_for_groups_nobody_is_in_one(acme: Company) -> None:
    plain = connected(acme.server, groups="")
    (omar,) = await plain.people.find("name", "omar")
    assert omar.groups == frozenset()
    assert await plain.people.find("group", "finance-share") == []
    assert await plain.people.find("owner", "finance-share") == []
    await plain.close()


@pytest.mark.slapd
async def test_a_group_that_gives_a_role_by_its_second_name_is_left_alone_too() -> None:
    with slapd.running() as server:
        dn = f"cn=helpers,{slapd.GROUPS}"
        server.change(
            f"dn: {dn}\nobjectClass: groupOfNames\ncn: helpers\ncn: desk\nmember: {slapd.dn('ravi')}"
        )
        connector = connected(server, roles={"desk_agent": ["desk"]})
        (ravi,) = await connector.people.find("role", "desk_agent")
        assert (ravi.account, ravi.roles) == ("ravi", {"desk_agent"})
        eve = server.look(slapd.dn("eve"), "entryUUID")["entryUUID"]
        with pytest.raises(Rejected, match="never changed by request"):
            await connector.carry_out(a_request("add_to_group", eve, group="helpers"), "k", None)
        await connector.close()


# -- hostile ------------------------------------------------------------------------------------------------

HOSTILE = (
    "*",
    "ra*",
    "ravi)(uid=*",
    ")(|(uid=*",
    "ravi\\",
    "\\2a",
    "a" * 2000,
    "(",
    "ravi\0",
    "*)(objectClass=*",
)


async def test_no_text_is_read_as_a_filter(acme: Company) -> None:
    for text in HOSTILE:
        for kind in ("name", "role", "manager", "group", "owner"):
            assert await acme.people.find(kind, text) == []  # type: ignore[arg-type]
        assert await acme.people.person(text) is None


@pytest.mark.parametrize("base", ["ou=gone", "ou=gone,dc=elsewhere,dc=test"])
async def test_nobody_left_because_their_part_of_the_directory_isnt_there(acme: Company, base: str) -> None:
    id = (await acme.called("maya")).id
    whole = base if "dc=" in base else f"{base},{acme.peer.BASE}"
    lost = connected(acme.server, people=whole)
    with pytest.raises(Unreachable):
        await lost.people.person(id)
    with pytest.raises(Unreachable):
        await lost.people.find("name", "maya")
    for asked in (lost.carry_out, lost.check):
        with pytest.raises(Unreachable):
            await asked(a_request("disable", id), "CS-7F3KQ:carry_out", None)
    await lost.close()
    lost = connected(acme.server, groups=whole, roles=ROLES)
    with pytest.raises(Unreachable):
        await lost.people.person(id)
    with pytest.raises(Unreachable):
        await lost.carry_out(a_request("add_to_group", id, group="everyone"), "CS-7F3KQ:carry_out", None)
    await lost.close()


@pytest.mark.slapd
async def test_nobody_left_because_we_may_not_read_them_any_more() -> None:
    blind = f'access to dn.subtree="{slapd.PEOPLE}" by dn.exact="{slapd.SERVICE.name}" none by * break\n'
    for first, there in (("", True), (blind, False)):
        with slapd.running(first=first) as server:
            id = server.look(slapd.dn("maya"), "entryUUID")["entryUUID"]
            connector = connected(server)
            if there:
                assert await connector.people.person(id)
            else:
                with pytest.raises(Unreachable):
                    await connector.people.person(id)
            await connector.close()
