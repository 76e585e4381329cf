"""A real OpenLDAP server for one test run: password policy, groups, TLS, and a service account with few rights."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.office import free_port
from tests.peers.certificates import Authority, Identity
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

BASE = "dc=acme,dc=test"
PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"
ADMIN = Account(f"cn=admin,{BASE}", "the-administrators-own")
SERVICE = Account(f"cn=countersign,ou=services,{BASE}", "the-services-own-9f2c")
#: A company whose name isn't one of the domain name system, and has a comma in it.
ORGANISATION = r"o=Acme\, Inc."
PARTS = Parts(PEOPLE, GROUPS, ADMIN, SERVICE)
PATIENCE = 20.0
SLAPD = "/usr/sbin/slapd"

#: What the service account is given, and nothing else: as docs/ldap.md gives it to operators.
DELEGATION = documented("ldap.md", "access to").replace("dc=example,dc=com", BASE)
OTHERS = """
access to attrs=userPassword by anonymous auth by self =xw by * none
access to * by users read by * none
"""


@dataclass(frozen=True)
class Slapd(Server):
    """A running OpenLDAP server. `plain` is where it may be spoken to before StartTLS."""

    plain: str = ""

    def hire(self, name: str, *groups: str) -> str:
        """Somebody new, in these groups; gives their lasting id."""
        self.hired(person(name, "", hashed(FIRST_PASSWORD)), dn(name), groups)
        return self.look(dn(name), "entryUUID")["entryUUID"]

    def breaks(self, name: str, code: int) -> None:
        """From now on changes of this account are answered with this result, as a server in trouble would."""
        said = {"objectClass": "errAuxObject", "errCode": code, "errOp": "modify"}
        lines = "\n-\n".join(f"add: {name}\n{name}: {value}" for name, value in said.items())
        self.change(f"dn: {dn(name)}\nchangetype: modify\n{lines}")

    def signs_in(self, name: str, password: str) -> bool:
        """Whether this password opens that account."""
        return self.answers(Account(dn(name), password))[0]

    def changes(self, *names: str) -> int:
        """How many changes the service account made to these entries."""
        records = self.audit.read_text().split("\n\n") if self.audit.exists() else []
        made = [
            record
            for record in records
            if record.startswith("# modify") and SERVICE.name in record.split("\n")[0]
        ]
        return sum(any(f"\ndn: {name}\n" in record for name in names) for record in made)


def missing() -> str | None:
    """Why slapd can't be started here, or None when it can."""
    if not Path(SLAPD).exists() or shutil.which("ldapmodify") is None:
        return "/usr/sbin/slapd or ldapmodify isn't there"
    return None


@contextmanager
def running(
    *,
    delegated: bool = True,
    identity: Identity | None = None,
    authority: Authority | None = None,
    first: str = "",
) -> Iterator[Slapd]:
    """A server with the pretend company in it, on loopback alone; stopped by its process id.

    `delegated`: the service account has its rights. `first` are rules before those. `identity` replaces the
    certificate.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-slapd-") as name:
        folder = Path(name)
        authority = authority or Authority(folder)
        identity = identity or authority.sign("localhost", "127.0.0.1")
        (folder / "data").mkdir()
        (folder / "organisation").mkdir()
        config = folder / "slapd.conf"
        config.write_text(_config(folder, authority, identity, first + (DELEGATION if delegated else "")))
        (folder / "seed.ldif").write_text(seed())
        ask("/usr/sbin/slapadd", "-f", str(config), "-l", str(folder / "seed.ldif"))
        plain, tls = free_port(), free_port()
        urls = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}"
        process = subprocess.Popen(
            [SLAPD, "-f", str(config), "-h", urls, "-d", "0"], stdout=subprocess.DEVNULL
        )
        url, address = (
            f"ldaps://localhost:{tls}",
            f"ldaps://127.0.0.1:{tls}",
        )  # the tools take another name for it
        try:
            listening(process, "127.0.0.1", tls, PATIENCE)
            yield Slapd(
                PARTS,
                url,
                address,
                authority.file,
                folder / "audit.ldif",
                f"ldap://localhost:{plain}",
            )
        finally:
            process.terminate()
            process.wait()


def _config(folder: Path, authority: Authority, identity: Identity, rules: str) -> str:
    organisation = ORGANISATION.replace("\\", r"\\")  # as its file has it between quotes
    return f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload memberof
moduleload refint
moduleload auditlog
moduleload retcode
pidfile {folder}/slapd.pid
TLSCACertificateFile {authority.file}
TLSCertificateFile {identity.certificate}
TLSCertificateKeyFile {identity.key}
TLSVerifyClient never
database mdb
maxsize 268435456
suffix "{BASE}"
rootdn "{ADMIN.name}"
rootpw {ADMIN.password}
directory {folder}/data
dbnosync
index objectClass,uid,entryUUID,member eq
{rules}{OTHERS}
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{BASE}"
ppolicy_use_lockout
overlay memberof
overlay retcode
retcode-parent "ou=answers,{BASE}"
retcode-indir
overlay auditlog
auditlog {folder}/audit.ldif
overlay refint
refint_attributes member memberOf manager
database mdb
maxsize 268435456
suffix "{organisation}"
rootdn "{ADMIN.name}"
directory {folder}/organisation
dbnosync
access to * by dn.exact="{SERVICE.name}" write by users read by anonymous auth
"""


def seed() -> str:
    """The pretend company as LDIF, its passwords hashed: a history would keep clear ones."""
    entries = [
        f"dn: {BASE}\nobjectClass: domain\ndc: acme",
        *(
            f"dn: ou={ou},{BASE}\nobjectClass: organizationalUnit\nou: {ou}"
            for ou in ("people", "groups", "services", "policies")
        ),
        f"dn: {SERVICE.name}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
        f"cn: countersign\nuserPassword: {hashed(SERVICE.password)}",
        f"dn: cn=default,ou=policies,{BASE}\nobjectClass: person\nobjectClass: pwdPolicy\ncn: default\n"
        "sn: default\npwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\npwdMustChange: TRUE\n"
        "pwdMinLength: 12\npwdCheckQuality: 1\npwdInHistory: 3\npwdAllowUserChange: TRUE\npwdLockoutDuration: 0\n"
        "pwdSafeModify: FALSE",
    ]
    first = hashed(FIRST_PASSWORD)
    entries += [person(name, manager, first) for name, manager in EVERYBODY.items()]
    for group, members in HELD.items():
        listed = "\n".join(f"member: {dn(member)}" for member in members)
        entries.append(f"dn: cn={group},{GROUPS}\nobjectClass: groupOfNames\ncn: {group}\n{listed}")
    return "\n\n".join(entries) + "\n"


def person(name: str, manager: str, password: str) -> str:
    """Somebody's entry as LDIF."""
    lines = [
        f"dn: {dn(name)}",
        "objectClass: inetOrgPerson",
        f"uid: {name}",
        f"cn: {name.capitalize()} of Acme",
        f"sn: {name.capitalize()}",
        f"mail: {name}@acme.test",
        f"userPassword: {password}",
    ]
    return "\n".join(lines + ([f"manager: {dn(manager)}"] if manager else []))


@cache
def hashed(password: str) -> str:
    """A password as the directory keeps it."""
    return ask("/usr/sbin/slappasswd", "-s", password, "-h", "{SSHA}").strip()


def dn(name: str) -> str:
    """Where somebody's account is."""
    return f"uid={name},{PEOPLE}"


def disabled(name: str) -> str:
    """What disables an account, as LDIF."""
    return f"dn: {dn(name)}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"
