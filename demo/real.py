"""A real directory in the demo: OpenLDAP, or a Samba domain controller, out of Debian's packages, on loopback.

It is started and filled as the tests start theirs, and begins anew each time.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from demo.directory import PEOPLE
from handlers.connectors import active_directory, ldap
from handlers.ldap.accounts import Accounts


class Kind(StrEnum):
    """Which directory the pretend company has."""

    PRETEND = "pretend"
    LDAP = "ldap"
    SAMBA = "samba"


class NoServer(ValueError):
    """The server can't be started here. The message says what to do."""


#: role → the group that gives it, and who is in it.
ROLES = {
    role: (f"role-{role}".replace("_", "-"), [each.id for each in PEOPLE if role in each.roles])
    for role in sorted({role for each in PEOPLE for role in each.roles})
}


@dataclass(frozen=True, slots=True)
class Real:
    """A running server with the pretend company in it. `sign_in`: a command that tries Maya's password there."""

    connector: Accounts
    sign_in: str


@contextlib.contextmanager
def started(kind: Kind) -> Iterator[Real | None]:
    """The server, until the block ends; None for the pretend directory. Raises NoServer."""
    if kind is Kind.PRETEND:
        yield None
        return
    from tests.peers import samba, slapd  # a demo of the checkout alone: an installation has no tests

    peer: Any = samba if kind is Kind.SAMBA else slapd
    if reason := peer.missing():
        raise NoServer(f"DIRECTORY={kind} can't be started: {reason}. `make peers` installs what it takes.")
    with peer.running() as server:
        server.change("\n\n".join(_company(peer, kind)))
        roles = {role: [group] for role, (group, _) in ROLES.items()}
        entry = server.entry(roles=roles, timezone="Europe/Stockholm")
        connect = active_directory.connect if kind is Kind.SAMBA else ldap.connect
        login = "maya@ad.acme.test" if kind is Kind.SAMBA else peer.dn("maya")
        trial = ["ldapsearch", "-LLL", "-x", "-H", server.address, "-D", login, "-b", "", "-s", "base", "-W"]
        # Their own tools check the certificate's authority by this variable alone.
        yield Real(connect(entry), shlex.join(["env", f"LDAPTLS_CACERT={server.ca_file}", *trial]))


def _company(peer: Any, kind: Kind) -> Iterator[str]:
    """The names that the workspace calls everybody by, and the groups that give roles, as LDIF."""
    for person in PEOPLE:
        yield f"dn: {peer.dn(person.id)}\nchangetype: modify\nreplace: displayName\ndisplayName: {person.name}"
    cn, kinds = ("CN", "group") if kind is Kind.SAMBA else ("cn", "groupOfNames")
    for group, members in ROLES.values():
        listed = "\n".join(f"member: {peer.dn(member)}" for member in members)
        yield f"dn: {cn}={group},{peer.GROUPS}\nchangetype: add\nobjectClass: {kinds}\ncn: {group}\n{listed}"
