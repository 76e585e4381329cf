"""Whatever somebody writes, a directory reads it as a value: never as part of a filter, a name or an address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from handlers.connectors import scim
from handlers.ports import NoAccount, Rejected
from tests.contracts.test_connectors import a_request
from tests.contracts.test_ldap_people import BOTH, HOSTILE, connected
from tests.peers import samba, slapd
from tests.peers.directory import HELD
from tests.peers.scim import ScimPeer

#: What filters, distinguished names, addresses and JSON are made of, and letters of names that exist.
PIECES = (
    *"*()\\/,=+<>#;\"' &|!~:?%@.-_{}\0\n\té",
    "\u200b",
    "uid",
    "cn=",
    "maya",
    "ravi",
    "desk-agents",
    "))(|",
    "%2e%2e/",
)
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join) | st.text(
    min_size=1, max_size=40
)
tries = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[*BOTH, pytest.param("scim", marks=pytest.mark.scim)])
async def there(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, Any]]:
    server = request.getfixturevalue(request.param)
    real = isinstance(server, ScimPeer)
    connector = (
        scim.connect(server.entry()) if real else connected(server, roles={"desk_agent": ["desk-agents"]})
    )
    yield server, connector
    await connector.close()


def whole(server: Any, ravi: str) -> int:
    """How much was changed by us about him, who is named in every attempt, and about the groups that there are."""
    if isinstance(server, ScimPeer):
        return server.changes(ravi)
    peer, cn = (slapd, "cn") if isinstance(server, slapd.Slapd) else (samba, "CN")
    return int(server.changes(peer.dn("ravi"), *(f"{cn}={group},{peer.GROUPS}" for group in HELD)))


@tries
@example(text="*")
@example(text="ravi)(uid=*")
@example(text='" or userName pr or userName eq "')
@given(text=texts)
async def test_a_name_finds_whoever_is_called_so_and_nobody_else(there: tuple[Any, Any], text: str) -> None:
    _, connector = there
    for person in await connector.people.find("name", text):
        called = {person.account, person.name, *person.aliases}
        assert text.casefold().strip() in {each.casefold() for each in called}
    for person in await connector.people.find("manager", text):
        assert person.manager == text
    assert await connector.people.person(text) is None


@tries
@given(text=texts | st.sampled_from(HOSTILE))
async def test_a_change_asked_for_anything_else_is_none(there: tuple[Any, Any], text: str) -> None:
    server, connector = there
    (ravi,) = await connector.people.find("name", "ravi")
    before = whole(server, ravi.id)
    for asked in (
        a_request("add_to_group", ravi.id, group=f"no-such-group {text}"),
        a_request("disable", text),
        a_request("reset_password", f"{ravi.id}{text}"),
        a_request("reset_password", ravi.id.upper()),
    ):
        with pytest.raises((Rejected, NoAccount)):
            await connector.carry_out(asked, "CS-7F3KQ:carry_out", "a-Password-of-23-letters")
    assert whole(server, ravi.id) == before
    assert await connector.people.person(ravi.id) == ravi
