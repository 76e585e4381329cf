"""A real Active Directory domain controller for one test run: Samba, LDAPS, a service account with few rights.

It listens on a loopback address of its own, since a domain controller's ports are fixed.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import Authority
from tests.peers.slapd import EVERYBODY, FIRST_PASSWORD, HELD, ask

BASE = "DC=ad,DC=acme,DC=test"
PEOPLE, GROUPS = f"OU=Staff,{BASE}", f"OU=Groups,{BASE}"
SERVICE, SERVICE_PASSWORD = "countersign@ad.acme.test", "the-Services-own-9f2c"
ADMIN, ADMIN_PASSWORD = "administrator@ad.acme.test", "the-Administrators-own-1"
HOST = "dc1.ad.acme.test"
PATIENCE = 60.0

RESET = "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;{sid})"
#: What the service account is given below an OU of people, and of groups.
PEOPLE_RIGHTS = (
    RESET,
    # lockoutTime
    "(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;bf967aba-0de6-11d0-a285-00aa003049e2;{sid})",
    # pwdLastSet
    "(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;{sid})",
    # userAccountControl
    "(OA;CIIO;RPWP;bf967a68-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;{sid})",
)
GROUP_RIGHTS = (
    "(OA;CIIO;RPWP;bf9679c0-0de6-11d0-a285-00aa003049e2;bf967a9c-0de6-11d0-a285-00aa003049e2;{sid})",  # member
)


@dataclass(frozen=True)
class Samba:
    """A running domain controller."""

    address: str
    ca_file: Path
    config: Path
    audit: Path

    def entry(self, **more: object) -> dict[str, object]:
        """What a configuration says of it."""
        return {
            "servers": [f"ldaps://{self.address}"],
            "ca_file": str(self.ca_file),
            "bind_as": SERVICE,
            "password": SERVICE_PASSWORD,
            "people": PEOPLE,
            "groups": GROUPS,
            **more,
        }

    def hire(self, name: str, *groups: str) -> str:
        """Somebody new, in these groups; gives their lasting id."""
        ldif = [person(name, "")]
        ldif += [
            f"dn: CN={group},{GROUPS}\nchangetype: modify\nadd: member\nmember: {dn(name)}"
            for group in groups
        ]
        self.change("\n\n".join(ldif))
        guid = base64.b64decode(self.look(dn(name), "objectGUID")["objectGUID:"])
        return str(uuid.UUID(bytes_le=guid))

    def change(self, ldif: str) -> None:
        """What an administrator does by hand."""
        who, environment = self._as(ADMIN, ADMIN_PASSWORD)
        ask("ldapmodify", *who, "-a", text=ldif, env=environment)

    def look(self, dn: str, *attributes: str) -> dict[str, str]:
        """Attributes of an entry, as an administrator sees them; base64 under a name that ends with a colon."""
        who, environment = self._as(ADMIN, ADMIN_PASSWORD)
        plain = ("-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base")
        shown = ask("ldapsearch", *who, *plain, *attributes, env=environment)
        return dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)

    def signs_in(self, name: str, password: str) -> bool:
        """Whether this password is that account's, be it that it has to be changed."""
        who, environment = self._as(f"{name}@ad.acme.test", password)
        done = subprocess.run(
            ["ldapwhoami", *who], check=False, capture_output=True, text=True, env=environment
        )
        return done.returncode == 0 or "data 773" in done.stderr

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

    def _as(self, name: str, password: str) -> tuple[list[str], dict[str, str]]:
        """How OpenLDAP's own tools speak to it."""
        who = ["-x", "-H", f"ldaps://{self.address}", "-D", name, "-w", password]
        return who, {**os.environ, "LDAPTLS_CACERT": str(self.ca_file)}

    def tool(self, *arguments: str) -> str:
        """samba-tool against its files."""
        return ask("samba-tool", *arguments, "-s", str(self.config))

    def delegate(self) -> None:
        """Give the service account what the documentation gives it."""
        sid = self.sid("countersign")
        for rights, where in ((PEOPLE_RIGHTS, PEOPLE), (GROUP_RIGHTS, GROUPS)):
            for right in rights:
                self.tool("dsacl", "set", "--objectdn", where, "--sddl", right.format(sid=sid))

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
        there = Samba(address, authority.file, config, folder / "audit.json")
        there.tool(
            "domain", "passwordsettings", "set", "--account-lockout-threshold=5", "--min-pwd-age=0",
            "--account-lockout-duration=0", "--min-pwd-length=12",
        )  # fmt: skip
        there.tool("user", "create", "countersign", SERVICE_PASSWORD)
        with there.audit.open("wb") as output:  # where its audit goes
            process = subprocess.Popen(
                ["samba", "-s", str(config), "-i", "-M", "single", "--debug-stdout"],
                stdout=output,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
            )
        try:
            _listening(process, address)
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
        f"--adminpass={ADMIN_PASSWORD}", "--host-name=dc1", f"--host-ip={address}",
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


def _listening(process: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, "samba ended at once"
        try:
            socket.create_connection((address, 636), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("samba doesn't listen")


def disabled(name: str) -> str:
    """What disables an account, as LDIF."""
    return f"dn: {dn(name)}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514"
