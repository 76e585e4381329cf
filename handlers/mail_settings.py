"""The settings of e-mail: a server that proves its name over TLS, and the address that letters come from."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

PORTS = {"smtps": 465, "smtp": 587, "plain": 25}
REMEDY = (
    "write smtps://user:password@mail.example.com, or smtp:// for STARTTLS; in user and password, "
    "signs are written as %40 and the like"
)

# RFC 5322's dot-atom and a host name: what any server takes, and nothing that could end a header or begin another.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")


def mailbox(text: str | None) -> str | None:
    """An address that can be written to (RFC 5321 section 4.1.2), in ASCII; None for anything else.

    A host's name may have letters of any script; what stands before the @ may not.
    """
    local, _, host = (text or "").strip().rpartition("@")
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    address = f"{local}@{ascii_host}"
    found = _MAILBOX.fullmatch(address)
    if found is None or len(local) > 64 or len(address) > 254:
        return None
    return address


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are handed over. `implicit`: TLS from the first byte; `plain`: none, on this machine alone."""

    host: str
    port: int
    implicit: bool
    plain: bool
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None


def server(url: str, ca_file: Path | None = None) -> MailServer:
    """Read an SMTP address. Raises ValueError with the remedy, and never repeats a part of what it read."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"it can't be read as an address; {REMEDY}") from None
    if parts.scheme not in PORTS or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"it isn't a mail server's address; {REMEDY}")
    if bool(parts.username) != bool(parts.password):
        raise ValueError(
            "it names a user without a password, or a password without a user. Give both or neither"
        )
    if parts.scheme == "plain" and not _this_machine(host):
        raise ValueError(
            "plain:// speaks without TLS, so it is for this machine only; elsewhere smtps:// or smtp://"
        )
    return MailServer(
        host=host,
        port=port or PORTS[parts.scheme],
        implicit=parts.scheme == "smtps",
        plain=parts.scheme == "plain",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        ca_file=ca_file,
    )


def _this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class MailSettings(BaseSettings):
    """What it takes to write to people by e-mail."""

    smtp_url: SecretStr | None = Field(
        None,
        description="The mail server that takes our letters: smtps://user:password@host (TLS from the start), or "
        "smtp://user:password@host (STARTTLS, demanded); plain:// is for this machine only. Without it: no mail.",
    )
    smtp_ca_file: Path | None = Field(
        None, description="A PEM file with the authority of the mail server's certificate; else the system's."
    )
    mail_from: str | None = Field(
        None,
        description="The address that letters come from, such as countersign@example.com, and bounces go to.",
    )

    @field_validator("smtp_url")
    @classmethod
    def _server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            server(value.get_secret_value())
        return value

    @field_validator("smtp_ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=str(value))
            except (OSError, ValueError):  # an SSLError is an OSError
                raise ValueError(f"{value} isn't a PEM file of certificates that can be read") from None
        return value

    @field_validator("mail_from")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        found = mailbox(value)
        if found is None:
            raise ValueError("it isn't an address such as countersign@example.com, without a name beside it")
        return found

    @model_validator(mode="after")
    def _mail(self) -> MailSettings:
        """Mail is set up wholly or not at all."""
        if self.smtp_url and not self.mail_from:
            raise ValueError(
                "COUNTERSIGN_SMTP_URL is set, but COUNTERSIGN_MAIL_FROM isn't. Name the address letters come from"
            )
        if not self.smtp_url and (self.mail_from or self.smtp_ca_file):
            raise ValueError(
                "Mail's other settings are set, but COUNTERSIGN_SMTP_URL isn't. Set it, or unset them"
            )
        return self

    @property
    def mail_server(self) -> MailServer | None:
        """Where letters are handed over, if anywhere."""
        return server(self.smtp_url.get_secret_value(), self.smtp_ca_file) if self.smtp_url else None
