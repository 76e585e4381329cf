"""A real Active Directory domain controller for one test run: Samba, LDAPS, a service account with few rights.

It listens on a loopback address of its own, since a domain controller's ports are fixed.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import Authority
from tests.peers.directory import (
    EVERYBODY,
    FIRST_PASSWORD,
    HELD,
    Account,
    Parts,
    Server,
    ask,
    documented,
    listening,
)

BASE = "DC=ad,DC=acme,DC=test"
PEOPLE, GROUPS = f"OU=Staff,{BASE}", f"OU=Groups,{BASE}"
ADMIN = Account("administrator@ad.acme.test", "the-Administrators-own-1")
SERVICE = Account("countersign@ad.acme.test", "the-Services-own-9f2c")
PARTS = Parts(PEOPLE, GROUPS, ADMIN, SERVICE)
HOST = "dc1.ad.acme.test"
PATIENCE = 60.0

#: What the service account is given below an OU of people, and of groups: as docs/active_directory.md has it.
_RIGHTS = documented("active_directory.md", "# samba-tool").splitlines()
RIGHTS = {
    where: [line for line in _RIGHTS if line.startswith("(") and (kind in line)]
    for where, kind in ((PEOPLE, "bf967aba"), (GROUPS, "bf967a9c"))
}


@dataclass(frozen=True)
class Samba(Server):
    """A running domain controller. `config` is where its own tools find its files."""

    config: Path

    def hire(self, name: str, *groups: str) -> str:
        """Somebody new, in these groups; gives their lasting id."""
        self.hired(person(name, ""), dn(name), groups)
        guid = base64.b64decode(self.look(dn(name), "objectGUID")["objectGUID:"])
        return str(uuid.UUID(bytes_le=guid))

    def signs_in(self, name: str, password: str) -> bool:
        """Whether this password is that account's, be it that it has to be changed.

        Once signed in, Samba doesn't know what the tool asks then.
        """
        good, told = self.answers(Account(f"{name}@ad.acme.test", password))
        return good or "data 773" in told or "Extended Operation" in told

    def changes(self, *names: str) -> int:
        """How many changes the service account made to these entries."""
        service = self.sid("countersign")
        made = 0
        for line in self.audit.read_text().splitlines() if self.audit.exists() else []:
            if line.lstrip().startswith("{"):
                change = json.loads(line).get("dsdbChange", {})
                mine = change.get("userSid") == service and change.get("statusCode") == 0
                made += mine and change.get("operation") == "Modify" and change.get("dn") in names
        return made

    def tool(self, *arguments: str) -> str:
        """samba-tool against its files."""
        return ask("samba-tool", *arguments, "-s", str(self.config))

    def delegate(self) -> None:
        """Give the service account its rights."""
        sid = self.sid("countersign")
        for where, rights in RIGHTS.items():
            for right in rights:
                self.tool("dsacl", "set", "--objectdn", where, "--sddl", right.replace("SID", sid))

    def sid(self, account: str) -> str:
        """An account's security id."""
        shown = self.tool("user", "show", account, "--attributes=objectSid")
        return next(line.split(": ")[1] for line in shown.splitlines() if line.startswith("objectSid"))


def missing() -> str | None:
    """Why Samba can't be started here, or None when it can."""
    if os.geteuid() != 0:
        return "a domain controller's ports are root's alone"
    if not all(map(shutil.which, ("samba-tool", "samba", "ldapadd"))):
        return "samba-tool, samba or ldapadd isn't there"
    return None


@contextmanager
def running(*, delegated: bool = True) -> Iterator[Samba]:
    """A domain with the pretend company in it; stopped by its process id."""
    with tempfile.TemporaryDirectory(prefix="countersign-samba-") as name:
        folder, address = Path(name), f"127.{random.randrange(1, 255)}.{random.randrange(255)}.5"
        authority = Authority(folder)
        identity = authority.sign(HOST, "localhost", address)
        config = _provisioned(folder, address)
        tls = (
            ("tls enabled", "yes"),
            ("tls keyfile", str(identity.key)),
            ("tls certfile", str(identity.certificate)),
            ("tls cafile", str(authority.file)),
        )
        _set(config, [*_places(folder), *tls])
        url = f"ldaps://{address}"
        there = Samba(PARTS, url, url, authority.file, folder / "audit.json", config)
        there.tool(
            "domain", "passwordsettings", "set", "--account-lockout-threshold=5", "--min-pwd-age=0",
            "--account-lockout-duration=0", "--min-pwd-length=12",
        )  # fmt: skip
        there.tool("user", "create", "countersign", SERVICE.password)
        with there.audit.open("wb") as output:  # where its audit goes
            process = subprocess.Popen(
                ["samba", "-s", str(config), "-i", "-M", "single", "--debug-stdout"],
                stdout=output,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
            )
        try:
            listening(process, address, 636, PATIENCE)
            _people(there)
            if delegated:
                there.delegate()
            yield there
        finally:
            process.terminate()
            process.wait()


def _provisioned(folder: Path, address: str) -> Path:
    empty = folder / "empty.conf"
    empty.write_text("[global]\n")
    ask(
        "samba-tool", "domain", "provision", "-s", str(empty), f"--targetdir={folder / 'dc'}",
        "--realm=AD.ACME.TEST", "--domain=ACME", "--server-role=dc", "--dns-backend=NONE",
        f"--adminpass={ADMIN.password}", "--host-name=dc1", f"--host-ip={address}",
        f"--option=interfaces={address}/8", "--option=bind interfaces only=yes",
        "--option=server services=ldap,cldap,kdc",
    )  # fmt: skip
    return folder / "dc" / "etc" / "smb.conf"


def _places(folder: Path) -> Sequence[tuple[str, str]]:
    """Where it would write outside of its folder, it writes inside."""
    names = ("pid directory", "ncalrpc dir", "ntp signd socket directory", "winbindd socket directory")
    made = []
    for name in names:
        place = folder / name.replace(" ", "-")
        place.mkdir(mode=0o755)
        made.append((name, str(place)))
    return [
        *made,
        ("log file", str(folder / "samba.log")),
        ("old password allowed period", "0"),  # as docs/active_directory.md says
        ("log level", "0 dsdb_json_audit:5"),  # to its output, which is kept
    ]


def _set(config: Path, options: Sequence[tuple[str, str]]) -> None:
    text = config.read_text()
    lines = "".join(f"\t{name} = {value}\n" for name, value in options)
    config.write_text(text.replace("[global]\n", f"[global]\n{lines}", 1))


def _people(there: Samba) -> None:
    """Everybody, their managers and groups, at once: each call of samba-tool takes a second."""
    entries = [f"dn: {ou}\nobjectClass: organizationalUnit" for ou in (PEOPLE, GROUPS)]
    entries += [person(name, EVERYBODY[name]) for name in _managers_first()]
    for group, members in HELD.items():
        listed = "\n".join(f"member: {dn(member)}" for member in members)
        entries.append(f"dn: CN={group},{GROUPS}\nobjectClass: group\nsAMAccountName: {group}\n{listed}")
    there.change("\n\n".join(entries))


def _managers_first() -> list[str]:
    """A link to whoever isn't there yet would be refused."""
    done: list[str] = []
    while len(done) < len(EVERYBODY):
        done += [name for name, boss in EVERYBODY.items() if name not in done and boss in ("", *done)]
    return done


def person(name: str, manager: str) -> str:
    """Somebody's entry as LDIF."""
    encoded = base64.b64encode(f'"{FIRST_PASSWORD}"'.encode("utf-16-le")).decode()
    lines = [
        f"dn: {dn(name)}",
        "objectClass: user",
        f"sAMAccountName: {name}",
        f"displayName: {name.capitalize()} of Acme",
        f"userPrincipalName: {name}@ad.acme.test",
        f"mail: {name}@acme.test",
        f"unicodePwd:: {encoded}",
        "userAccountControl: 512",
    ]
    return "\n".join(lines + ([f"manager: {dn(manager)}"] if manager else []))


def dn(name: str) -> str:
    """Where somebody's account is: by their shown name, as in most companies."""
    return f"CN={name.capitalize()} of Acme,{PEOPLE}"


def disabled(name: str) -> str:
    """What disables an account, as LDIF."""
    return f"dn: {dn(name)}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514"
