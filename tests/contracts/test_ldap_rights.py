"""Least privilege at real directories: with the documented delegation all works, without it nothing does, by name."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.findings import Level
from handlers.ldap.accounts import Accounts
from handlers.ldap.dialect import VERBS
from handlers.ldap.examine import _administrators
from handlers.ports import Examined, MissingRight, NoAccount, Rejected
from tests.contracts.test_connectors import PARAMETERS, SECRET, a_request
from tests.contracts.test_ldap_people import connected
from tests.peers import samba, slapd
from tests.peers.directory import Server

KINDS = [pytest.param(slapd, marks=pytest.mark.slapd), pytest.param(samba, marks=pytest.mark.samba)]
NEEDED = frozenset({"reset_password", "unlock", "add_to_group"})


@dataclass(frozen=True)
class Site:
    """A directory of one's own, so that rights can be taken away in it."""

    server: Any
    peer: Any

    def group(self, name: str) -> str:
        return f"{'cn' if self.peer is slapd else 'CN'}={name},{self.peer.GROUPS}"

    def hire(self) -> tuple[str, str]:
        """Somebody new: their name and their lasting id."""
        name = f"kim{secrets.token_hex(4)}"
        return name, self.server.hire(name)


@pytest.fixture(scope="module", params=KINDS)
def bare(request: pytest.FixtureRequest) -> Any:
    """A directory in which the service account was given nothing."""
    with request.param.running(delegated=False) as server:
        yield Site(server, request.param)


@pytest.fixture(
    params=[
        pytest.param("openldap", marks=pytest.mark.slapd),
        pytest.param("domain", marks=pytest.mark.samba),
    ]
)
def site(request: pytest.FixtureRequest) -> Site:
    """A directory with the documented delegation."""
    return Site(request.getfixturevalue(request.param), slapd if request.param == "openldap" else samba)


async def found(server: Server, needed: Collection[str], account: str = "", **more: object) -> dict[str, Any]:
    """What a look at it finds, by what was looked at."""
    connector = connected(server, **more)
    assert isinstance(connector, Examined)
    findings = await connector.examine(needed, account)
    await connector.close()
    assert all(each.remedy for each in findings if each.level is not Level.PASS)
    return {each.check: each for each in findings}


async def test_with_the_delegation_nothing_is_missing_and_looking_changes_nothing(site: Site) -> None:
    name, _ = site.hire()
    entries = [site.peer.dn(name), site.group("everyone"), site.group("finance-share")]
    before = site.server.changes(*entries)
    told = await found(site.server, VERBS, name)
    assert {check for check, each in told.items() if each.level is Level.FAIL} == set()
    assert {verb for verb in VERBS if told[verb].level is Level.PASS} == VERBS
    assert "open; its lasting id is" in told["account"].seen
    assert told["hashes"].level is Level.PASS
    assert site.server.changes(*entries) == before
    assert site.server.signs_in(name, "pretend-Password-1"), "nothing was counted as a wrong password"


async def test_what_no_playbook_needs_is_warned_about_right_by_right(site: Site) -> None:
    told = await found(site.server, {"unlock"})
    password, lock = (
        ("userPassword", "pwdAccountLockedTime") if site.peer is slapd else ("unicodePwd", "lockoutTime")
    )
    assert told["excess"].level is Level.WARN
    assert f"{password} of " in told["excess"].seen
    assert "member of " in told["excess"].seen
    assert f"{lock} of " not in told["excess"].seen, "a playbook needs it"
    assert "reset_password" not in told
    assert (await found(site.server, VERBS))["excess"].level is Level.PASS


async def test_without_the_delegation_every_verb_is_a_missing_right(bare: Site) -> None:
    told = await found(bare.server, VERBS)
    assert {verb for verb in VERBS if told[verb].level is Level.FAIL} == VERBS
    assert all("we may not" in told[verb].seen for verb in VERBS)


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_without_the_delegation_a_change_fails_cleanly(bare: Site, verb: str) -> None:
    name, id = bare.hire()
    if verb == "unlock":
        for _ in range(6):
            bare.server.signs_in(name, "a wrong one")
    if verb == "enable":
        bare.server.change(bare.peer.disabled(name))
    if verb == "remove_from_group":
        bare.server.change(
            f"dn: {bare.group('everyone')}\nchangetype: modify\nadd: member\nmember: {bare.peer.dn(name)}"
        )
    connector = connected(bare.server)
    asked = a_request(verb, subject=id, **PARAMETERS.get(verb, {}))
    with pytest.raises(MissingRight):
        await connector.carry_out(asked, "CS-7F3KQ:carry_out", SECRET)
    assert await connector.check(asked, "CS-7F3KQ:carry_out", SECRET) is None
    await connector.close()


async def test_an_administrator_within_reach_fails_the_doctor(site: Site) -> None:
    name, _ = site.hire()
    site.server.change(
        f"dn: {site.group('everyone')}\nchangetype: modify\nadd: member\nmember: {site.peer.dn(name)}"
    )
    told = await found(site.server, NEEDED, untouchable=[site.group("everyone")])
    assert told["administrators"].level is Level.FAIL
    assert "we could change" in told["administrators"].seen


@pytest.mark.slapd
async def test_a_single_right_over_an_administrator_is_enough_to_fail() -> None:
    """Theirs is another part of the directory, in which a forgotten rule lets us write passwords and nothing else."""
    rule = (
        f'access to dn.subtree="ou=services,{slapd.BASE}" attrs=userPassword\n'
        f'  by dn.exact="{slapd.SERVICE.name}" =w\n  by anonymous auth\n'
    )
    boss, admins = f"uid=boss,ou=services,{slapd.BASE}", f"cn=admins,{slapd.GROUPS}"
    entry = slapd.person("boss", "", slapd.hashed("pretend-Password-1")).replace(slapd.dn("boss"), boss)
    for first, level in ((rule, Level.FAIL), ("", Level.PASS)):
        with slapd.running(first=first) as server:
            server.change(entry)
            server.change(f"dn: {admins}\nobjectClass: groupOfNames\ncn: admins\nmember: {boss}")
            told = (await found(server, {"unlock"}, untouchable=[admins]))["administrators"]
            assert told.level is level
            assert ("boss" in told.seen and "(userPassword)" in told.seen) is (level is Level.FAIL)


@pytest.mark.slapd
async def test_what_no_verb_takes_is_looked_for_too() -> None:
    rule = (
        f'access to dn.subtree="{slapd.PEOPLE}" attrs=mail,manager,uid,entry,children\n'
        f'  by dn.exact="{slapd.SERVICE.name}" write\n  by * read\n'
    )
    with slapd.running(first=rule) as server:
        before = server.changes(*map(slapd.dn, ("maya", "omar", "nina", "ravi", "eve", "sam")))
        told = (await found(server, VERBS))["excess"]
        assert server.changes(*map(slapd.dn, ("maya", "omar", "nina", "ravi", "eve", "sam"))) == before
    assert told.level is Level.WARN
    for right in ("mail", "manager", "uid", "the place"):
        assert f"{right} of uid=" in told.seen
    assert "cn of " not in told.seen


@pytest.mark.samba
async def test_active_directory_tells_every_right_itself(domain: samba.Samba) -> None:
    lab, sid = f"OU=Lab,{samba.BASE}", domain.sid("countersign")
    domain.change(f"dn: {lab}\nobjectClass: organizationalUnit")
    entry = samba.person("lee", "")
    domain.change(entry.replace(samba.dn("lee"), f"CN=Lee of Acme,{lab}"))
    mail = "bf967961-0de6-11d0-a285-00aa003049e2"
    for right in (f"(OA;CIIO;WP;{mail};bf967aba-0de6-11d0-a285-00aa003049e2;SID)", "(A;;CC;;;SID)"):
        domain.tool("dsacl", "set", "--objectdn", lab, "--sddl", right.replace("SID", sid))
    told = (await found(domain, {"add_to_group"}, people=lab))["excess"]
    assert told.level is Level.WARN
    assert f"mail of CN=Lee of Acme,{lab}" in told.seen
    assert f"entries of {lab}" in told.seen


async def test_more_administrators_than_are_tried_is_said(site: Site) -> None:
    connector = connected(site.server, untouchable=[site.group("everyone")], people=site.peer.PEOPLE)
    (few,), (all_,) = await _administrators(connector, 2), await _administrators(connector, 100)
    await connector.close()
    assert "only the first 2 were tried, and there are more" in few.seen
    assert "there are more" not in all_.seen


@pytest.mark.samba
async def test_the_domains_own_administrators_are_out_of_reach(domain: Any) -> None:
    told = await found(domain, NEEDED)
    assert told["administrators"].level is Level.PASS
    assert "none of them can be changed by us" in told["administrators"].seen


async def test_an_account_outside_the_part_that_is_served_isnt_there(site: Site) -> None:
    """Somebody whose account is elsewhere: neither found nor within reach."""
    elsewhere = "ou=services" if site.peer is slapd else "CN=Users"
    base = f"{elsewhere},{site.peer.BASE}"
    name = f"kim{secrets.token_hex(4)}"
    entry = site.peer.person(name, "", *([slapd.hashed("pretend-Password-1")] if site.peer is slapd else []))
    dn = site.peer.dn(name)
    moved = f"{dn.partition(',')[0]},{base}"
    site.server.change(entry.replace(dn, moved))
    served = connected(site.server)
    assert await served.people.find("name", name) == []
    wide: Accounts = connected(site.server, people=site.peer.BASE)
    (person,) = await wide.people.find("name", name)
    with pytest.raises((NoAccount, Rejected)):
        await served.carry_out(a_request("disable", subject=person.id), "CS-7F3KQ:carry_out", None)
    with pytest.raises(MissingRight):
        await wide.carry_out(a_request("disable", subject=person.id), "CS-7F3KQ:carry_out", None)
    for each in (served, wide):
        await each.close()


async def test_a_wrong_name_password_or_part_is_said_with_a_remedy(site: Site) -> None:
    for more, check in (
        ({"password": "wrong"}, None),
        ({"people": f"ou=nowhere,{site.peer.BASE}"}, "people"),
        ({"groups": f"ou=nowhere,{site.peer.BASE}"}, "groups"),
        ({"roles": {"security": ["no-such-group"]}}, "roles"),
    ):
        told = await found(site.server, NEEDED, **more)
        failed = {name for name, each in told.items() if each.level is Level.FAIL}
        assert (check in failed) if check else len(failed) == 1, more
    assert (await found(site.server, NEEDED, "nobody.at.all"))["account"].level is Level.FAIL


async def test_a_verb_that_cant_be_done_here_is_said(site: Site) -> None:
    told = await found(site.server, {"end_sessions", "add_to_group"}, groups="")
    assert told["end_sessions"].level is Level.FAIL
    assert "groups aren't configured" in told["add_to_group"].seen
