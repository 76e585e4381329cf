"""What OpenLDAP's and Samba's servers have in common here: the pretend company, and an administrator's own tools."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FIRST_PASSWORD = "pretend-Password-1"
#: name → manager; all of them active.
EVERYBODY = {"maya": "omar", "omar": "nina", "nina": "", "ravi": "omar", "eve": "omar", "sam": "nina"}
HELD = {"everyone": ("maya", "omar", "nina"), "finance-share": ("omar",), "desk-agents": ("ravi",)}


@dataclass(frozen=True)
class Account:
    """Who signs in, and with what."""

    name: str
    password: str


@dataclass(frozen=True)
class Parts:
    """Whose accounts and which groups are where, and who is who: the administrator and the service account."""

    people: str
    groups: str
    admin: Account
    service: Account


@dataclass(frozen=True)
class Server:
    """A running directory. `url` is for us, `address` for OpenLDAP's own tools; `audit` tells what was changed."""

    parts: Parts
    url: str
    address: str
    ca_file: Path
    audit: Path

    def entry(self, **more: object) -> dict[str, object]:
        """What a configuration says of it."""
        return {
            "servers": [self.url],
            "ca_file": str(self.ca_file),
            "bind_as": self.parts.service.name,
            "password": self.parts.service.password,
            "people": self.parts.people,
            "groups": self.parts.groups,
            **more,
        }

    def change(self, ldif: str) -> None:
        """What an administrator does by hand."""
        who, environment = self.signing_in(self.parts.admin)
        ask("ldapmodify", *who, "-a", text=ldif, env=environment)

    def look(self, dn: str, *attributes: str) -> dict[str, str]:
        """Attributes of an entry, as an administrator sees them; base64 under a name that ends with a colon."""
        who, environment = self.signing_in(self.parts.admin)
        plain = ("-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base")
        shown = ask("ldapsearch", *who, *plain, *attributes, env=environment)
        return dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)

    def hired(self, entry: str, dn: str, groups: tuple[str, ...]) -> None:
        """Somebody's entry, and that they are in these groups."""
        joined = [
            f"dn: cn={group},{self.parts.groups}\nchangetype: modify\nadd: member\nmember: {dn}"
            for group in groups
        ]
        self.change("\n\n".join([entry, *joined]))

    def answers(self, account: Account) -> tuple[bool, str]:
        """Whether that account signs in, and what is said of it."""
        who, environment = self.signing_in(account)
        done = subprocess.run(
            ["ldapwhoami", *who], check=False, capture_output=True, text=True, env=environment
        )
        return done.returncode == 0, done.stderr

    def signing_in(self, account: Account) -> tuple[list[str], dict[str, str]]:
        """How OpenLDAP's own tools speak to it as somebody."""
        who = ["-x", "-H", self.address, "-D", account.name, "-w", account.password]
        return who, {**os.environ, "LDAPTLS_CACERT": str(self.ca_file)}


def documented(file: str, beginning: str) -> str:
    """The block of a document that begins so: what operators are told is what is tried here."""
    text = (Path(__file__).parents[2] / "docs" / file).read_text("utf-8")
    (block,) = [each for each in text.split("```") if each.partition("\n")[2].startswith(beginning)]
    return block.partition("\n")[2]


def ask(*command: str, text: str = "", env: Mapping[str, str] | None = None) -> str:
    """A command's output."""
    done = subprocess.run(command, check=False, input=text, capture_output=True, text=True, env=env)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return done.stdout


def listening(process: subprocess.Popen[bytes], address: str, port: int, patience: float) -> None:
    """Wait until a server that was just started takes connections."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        assert process.poll() is None, "it ended at once"
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("it doesn't listen")
