"""A mail server that isn't ours: aiosmtpd over TLS, from the first byte or by STARTTLS, keeping what it is given."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.peers.certificates import Identity

USER, PASSWORD = "countersign", "the mail server's own password"


@dataclass
class MailServer:
    """One server on loopback. `identity`: its certificate; without one it speaks in the clear.

    `refused` are addresses it takes nothing for; `busy` makes it answer "later" to every letter, `silent` not at all.
    """

    identity: Identity | None = None
    implicit: bool = False
    refused: set[str] = field(default_factory=set)
    busy: bool = False
    silent: bool = False
    letters: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    visits: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> MailServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        tls = self._context() if self.implicit else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone."""
        if self._server is not None:
            self._gone.set()
            self._server.close()
            self._server = None

    def url(self, host: str = "localhost", password: str = PASSWORD) -> str:
        """Its address as a setting."""
        scheme = "plain" if self.identity is None else "smtps" if self.implicit else "smtp"
        return f"{scheme}://{USER}:{password.replace(' ', '%20')}@{host}:{self.port}"

    # -- what aiosmtpd asks -------------------------------------------------------------------

    def _protocol(self) -> SMTP:
        self.visits += 1
        secure = self.identity is not None and not self.implicit
        with warnings.catch_warnings(action="ignore"):  # it doesn't know of the TLS around it
            return SMTP(
                self,
                hostname="mail.acme.test",
                tls_context=self._context() if secure else None,
                require_starttls=secure,
                authenticator=self._known,
                auth_required=True,
                auth_require_tls=secure,
                loop=asyncio.get_running_loop(),
            )

    def _context(self) -> ssl.SSLContext:
        assert self.identity is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.identity.certificate, self.identity.key)
        return context

    def _known(
        self, server: object, session: Session, envelope: Envelope, way: str, given: object
    ) -> AuthResult:
        right = isinstance(given, LoginPassword) and given == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.silent:
            await self._gone.wait()
        if address in self.refused:
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.busy:
            return "451 4.3.0 later, please"
        content = bytes(envelope.content or b"")
        self.raw.append(content)
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        self.letters.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"
