"""Accounts as real directories keep them: locked, with odd passwords, and while somebody else is at work."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.connectors.active_directory import ActiveDirectory
from handlers.connectors.ldap import OpenLdap
from handlers.ldap.accounts import Accounts
from handlers.ldap.config import LdapDirectory
from handlers.ldap.dialect import PASSWORDS
from handlers.ldap.session import Changes, Entry, Overtaken
from handlers.ports import PolicyRefused, Rejected
from tests.contracts.test_connectors import a_request
from tests.contracts.test_ldap_people import BOTH, connected
from tests.peers import samba, slapd
from tests.peers.directory import FIRST_PASSWORD

KEY = "CS-7F3KQ:carry_out"
CHOSEN = "teal otter quarry Kite 7"


@dataclass(frozen=True)
class Staff:
    """A real directory, its connector, and people who were hired today."""

    server: Any
    connector: Accounts

    @property
    def peer(self) -> Any:
        return slapd if isinstance(self.server, slapd.Slapd) else samba

    def hire(self) -> tuple[str, str]:
        """Somebody new: their name and their lasting id."""
        name = f"kim{secrets.token_hex(4)}"
        return name, self.server.hire(name)

    async def locked(self) -> tuple[str, str]:
        """Somebody new who was guessed at too often."""
        name, id = self.hire()
        for _ in range(6):
            self.server.signs_in(name, "a wrong one")
        _, state = await self.connector.account(id)
        assert state.locked
        return name, id


@pytest.fixture(params=BOTH)
async def staff(request: pytest.FixtureRequest) -> AsyncIterator[Staff]:
    server = request.getfixturevalue(request.param)
    connector = connected(server)
    yield Staff(server, connector)
    await connector.close()


# -- locked -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", sorted(PASSWORDS))
async def test_a_new_password_opens_a_locked_account(staff: Staff, verb: str) -> None:
    name, id = await staff.locked()
    receipt = await staff.connector.carry_out(a_request(verb, id), KEY, CHOSEN)
    assert receipt.observed.startswith("The password is set")
    _, state = await staff.connector.account(id)
    assert not state.locked
    assert staff.server.signs_in(name, CHOSEN)
    assert not staff.server.signs_in(name, FIRST_PASSWORD)
    assert staff.server.changes(staff.peer.dn(name)) == 1


# -- odd passwords ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["{SSHA}", "{CLEARTEXT}", "{SASL}", "{CRYPT}", "{x-odd}", "{}"])
@pytest.mark.parametrize("verb", sorted(PASSWORDS))
@pytest.mark.slapd
async def test_a_password_that_the_server_would_take_for_a_stored_one_is_refused(
    openldap: slapd.Slapd, verb: str, scheme: str
) -> None:
    staff = Staff(openldap, connected(openldap))
    name, id = staff.hire()
    hashed = slapd.hashed("a") if scheme == "{SSHA}" else f"{scheme}purple tractor owl"
    with pytest.raises(PolicyRefused, match="curly brackets"):
        await staff.connector.carry_out(a_request(verb, id), KEY, hashed)
    assert openldap.changes(slapd.dn(name)) == 0
    assert openldap.signs_in(name, FIRST_PASSWORD)
    await staff.connector.close()


@pytest.mark.parametrize(
    "odd",
    [
        "Correct… horse battery 9 staple",
        "Purple ½ tractor singing owl",
        "m² Purple tractor owl sings",
        "Purple ﬁgment tractor owl 9",
        "Purple\u00a0tractor singing owls 9",
        "שלום Purple tractor owl 9",
        "Purple tractor owl 🫨 sings 9",
        "tractor {Purple} owl sings 9",
    ],
)
async def test_every_letter_of_a_password_counts_as_it_was_typed(staff: Staff, odd: str) -> None:
    name, id = staff.hire()
    receipt = await staff.connector.carry_out(a_request("set_password", id), KEY, odd)
    assert receipt.observed == "The password is set."
    assert staff.server.signs_in(name, odd)
    assert staff.server.changes(staff.peer.dn(name)) == 1


@pytest.mark.slapd
async def test_the_service_accounts_own_password_may_be_odd_too(openldap: slapd.Slapd) -> None:
    odd, service = "Correct… ½ horse", f"cn=odd-{secrets.token_hex(4)},ou=services,{slapd.BASE}"
    openldap.change(
        f"dn: {service}\nchangetype: add\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
        f"cn: {service[3:].partition(',')[0]}\nuserPassword: {slapd.hashed(odd)}"
    )
    connector = connected(openldap, bind_as=service, password=odd)
    assert len(await connector.people.find("name", "maya")) == 1
    await connector.close()


@pytest.mark.slapd
async def test_what_may_be_set_already_is_not_chosen_again(openldap: slapd.Slapd) -> None:
    """It was set, somebody locked the account before it was read back, and its history refuses the same again."""
    staff = Staff(openldap, connected(openldap))
    name, id = staff.hire()
    request = a_request("set_password", id)
    await staff.connector.carry_out(request, KEY, CHOSEN)
    for _ in range(6):
        openldap.signs_in(name, "a wrong one")
    with pytest.raises(RuntimeError, match="an earlier attempt may have set it"):
        await staff.connector.carry_out(request, KEY, CHOSEN)
    for _ in range(2):
        with pytest.raises(PolicyRefused):  # nothing of this one can have been set
            await staff.connector.carry_out(request, KEY, "short")
    await staff.connector.close()


# -- somebody else at the same moment -----------------------------------------------------------


class Late(OpenLdap):
    """OpenLDAP, where somebody else is faster: they act when we have read and haven't written yet."""

    def __init__(self, acts: Callable[[], None]) -> None:
        self._acts = acts

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        self._acts()
        return super().changes(verb, entry, secret)


@pytest.mark.slapd
@pytest.mark.parametrize("verb", ["unlock", *sorted(PASSWORDS)])
async def test_an_account_that_is_disabled_at_this_moment_stays_so(openldap: slapd.Slapd, verb: str) -> None:
    late = Late(lambda: openldap.change(slapd.disabled(name)))
    staff = Staff(openldap, Accounts(LdapDirectory.model_validate(openldap.entry()), late))
    name, id = await staff.locked()
    with pytest.raises(Rejected, match="is disabled") as refused:
        await staff.connector.carry_out(a_request(verb, id), KEY, CHOSEN)
    assert not isinstance(refused.value, Overtaken), "it was looked at again"
    assert not openldap.signs_in(name, FIRST_PASSWORD)
    assert not openldap.signs_in(name, CHOSEN)
    assert (await staff.connector.account(id))[1].disabled
    await staff.connector.close()


@pytest.mark.slapd
async def test_an_account_that_is_opened_at_this_moment_counts_as_open(openldap: slapd.Slapd) -> None:
    late = Late(
        lambda: openldap.change(f"dn: {slapd.dn(name)}\nchangetype: modify\ndelete: pwdAccountLockedTime")
    )
    staff = Staff(openldap, Accounts(LdapDirectory.model_validate(openldap.entry()), late))
    name, id = await staff.locked()
    receipt = await staff.connector.carry_out(a_request("unlock", id), KEY, None)
    assert receipt.observed == "The account is not locked."
    assert openldap.changes(slapd.dn(name)) == 0
    await staff.connector.close()


class Gone(OpenLdap):
    """OpenLDAP, where somebody else is faster still: between our looking and our reading."""

    def __init__(self, acts: Callable[[], None]) -> None:
        self._acts, self._asked = acts, 0

    def whose(self, id: str) -> str:
        self._asked += 1
        if self._asked == 2:
            self._acts()
        return super().whose(id)


@pytest.mark.slapd
@pytest.mark.parametrize("verb", ["unlock", "enable"])
async def test_a_lock_that_is_gone_before_it_is_read_needs_no_change(
    openldap: slapd.Slapd, verb: str
) -> None:
    opened = "changetype: modify\ndelete: pwdAccountLockedTime"
    gone = Gone(lambda: openldap.change(f"dn: {slapd.dn(name)}\n{opened}"))
    staff = Staff(openldap, Accounts(LdapDirectory.model_validate(openldap.entry()), gone))
    name, id = staff.hire()
    if verb == "enable":
        openldap.change(slapd.disabled(name))
    else:
        for _ in range(6):
            openldap.signs_in(name, "a wrong one")
    receipt = await staff.connector.carry_out(a_request(verb, id), KEY, None)
    assert receipt.observed in ("The account is not locked.", "The account is enabled.")
    assert openldap.changes(slapd.dn(name)) == 0
    await staff.connector.close()


class Faster(ActiveDirectory):
    """Active Directory, where somebody else makes the same change when we have looked and haven't written yet."""

    def __init__(self, acts: Callable[[], None], group: str) -> None:
        self._acts, self._group = acts, group.casefold()

    def holding(self, dn: str) -> str:
        if dn.casefold() == self._group:
            self._group = ""
            self._acts()
        return super().holding(dn)


@pytest.mark.samba
@pytest.mark.parametrize(("verb", "does"), [("add_to_group", "add"), ("remove_from_group", "delete")])
async def test_a_membership_that_somebody_else_just_changed_stands(
    domain: samba.Samba, verb: str, does: str
) -> None:
    """Active Directory says that there is such an entry already, or that it is unwilling, and means this."""
    cn = f"group-{secrets.token_hex(4)}"
    group, name = f"CN={cn},{samba.GROUPS}", f"kim{secrets.token_hex(4)}"
    id = domain.hire(name)
    domain.change(f"dn: {group}\nobjectClass: group\ncn: {cn}")
    change = f"dn: {group}\nchangetype: modify\n%s: member\nmember: {samba.dn(name)}"
    if verb == "remove_from_group":
        domain.change(change % "add")
    faster = Faster(lambda: domain.change(change % does), group)
    connector = Accounts(LdapDirectory.model_validate(domain.entry()), faster)
    receipt = await connector.carry_out(a_request(verb, id, group=cn), KEY, None)
    assert receipt.observed == f"The account is {'' if does == 'add' else 'not '}in {cn}."
    assert domain.changes(group) == 0
    await connector.close()


# -- the present password -----------------------------------------------------------------------


async def test_the_present_password_is_no_new_one(staff: Staff) -> None:
    """Also when it was set a little before the request, and while it is still a temporary one."""
    name, id = staff.hire()
    later = datetime.now(UTC) + timedelta(minutes=1)
    asked = a_request("set_password", id).but({"opened_at": later})
    with pytest.raises(PolicyRefused, match="present password"):
        await staff.connector.carry_out(asked, KEY, FIRST_PASSWORD)
    assert staff.server.changes(staff.peer.dn(name)) == 0
    await staff.connector.carry_out(a_request("reset_password", id), "CS-00001:carry_out", CHOSEN)
    with pytest.raises(PolicyRefused, match="present password"):
        await staff.connector.carry_out(asked, KEY, CHOSEN)
    assert staff.server.changes(staff.peer.dn(name)) == 1
    other = "gray heron lantern Moss 4"
    await staff.connector.carry_out(asked, KEY, other)
    assert staff.server.signs_in(name, other)


@pytest.mark.slapd
async def test_a_password_of_which_nobody_knows_since_when_is_no_new_one(openldap: slapd.Slapd) -> None:
    told = openldap.look(slapd.dn("sam"), "entryUUID", "pwdChangedTime")
    assert "pwdChangedTime" not in told
    connector = connected(openldap)
    with pytest.raises(PolicyRefused, match="present password"):
        await connector.carry_out(a_request("set_password", told["entryUUID"]), KEY, FIRST_PASSWORD)
    assert openldap.changes(slapd.dn("sam")) == 0
    await connector.close()


async def test_a_password_that_was_set_by_a_process_that_is_gone_is_found(staff: Staff) -> None:
    name, id = staff.hire()
    asked = a_request("set_password", id).but({"opened_at": datetime.now(UTC)})
    await staff.connector.carry_out(asked, KEY, CHOSEN)
    after = connected(staff.server)
    assert (await after.carry_out(asked, KEY, CHOSEN)).observed == "The password is set."
    await after.close()
    assert staff.server.changes(staff.peer.dn(name)) == 1
