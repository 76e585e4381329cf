"""One mail server over SMTP (RFC 5321): TLS that proves its name, and a look that sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage

import aiosmtplib

from handlers.findings import Finding, Level, certified
from handlers.mail_settings import MailServer
from handlers.ports import Undeliverable

PATIENCE = 15.0  # seconds for each answer
WHOLE = 45.0  # seconds for a letter, which is less than the worker's lease


class Smtp:
    """The server that takes our letters. `name` is what this machine calls itself there."""

    def __init__(self, server: MailServer, name: str) -> None:
        self._server = server
        self._name = name
        self._tls = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)

    async def hand_over(self, letter: EmailMessage, sender: str, to: str) -> None:
        """One letter to one address. Raises Undeliverable, TimeoutError, and what the network or the server does."""
        async with asyncio.timeout(WHOLE), self._connected() as client:
            await self._sign_in(client)
            try:
                await client.sendmail(sender, [to], letter.as_bytes())
            except aiosmtplib.SMTPRecipientsRefused as refused:
                code = max(each.code for each in refused.recipients)
                if code >= 500:  # RFC 5321 section 4.2.1: for good
                    raise Undeliverable(f"the mail server refuses the address, code {code}") from None
                raise

    async def look(self) -> list[Finding]:
        """What a letter would meet on its way: the connection, TLS, the sign-in. Nothing is sent."""
        place = f"{self._server.host}:{self._server.port}"
        try:
            async with asyncio.timeout(WHOLE), self._connected() as client:
                ends = _certificate_ends(client)
                await self._sign_in(client)
                await client.noop()
        except Exception as error:  # noqa: BLE001  whatever the network or the server does, the operator reads one line
            return [_trouble(place, error)]
        signed_in = "signed in" if self._server.user else "without signing in"
        if ends is None:
            return [Finding("mail", Level.PASS, f"{place}, {signed_in}, without TLS on this machine")]
        return [certified("mail", f"{place}, {signed_in}", ends)]

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that is private, and to the server of that name, before anything is said on it."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._name,
            timeout=PATIENCE,
            use_tls=server.implicit,
            start_tls=not (server.implicit or server.plain),
            tls_context=None if server.plain else self._tls,
        )
        async with client:
            yield client

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        if self._server.user:
            await client.login(self._server.user, self._server.password)


def _certificate_ends(client: aiosmtplib.SMTP) -> datetime | None:
    certificate = client.get_transport_info("peercert")
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def _trouble(place: str, error: BaseException) -> Finding:
    """What went wrong, by its kind and code: the server's own words may repeat what it was told."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        seen = f"{place} doesn't take the user and the password (code {error.code})"
        return Finding("mail", Level.FAIL, seen, "Check both in COUNTERSIGN_SMTP_URL, where @ is %40.")
    certificate = _cause(error, ssl.SSLCertVerificationError)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        seen = f"{place} shows a certificate that isn't good: {certificate.verify_message}"
        remedy = (
            "Name the server as its certificate does; name your own authority in COUNTERSIGN_SMTP_CA_FILE."
        )
        return Finding("mail", Level.FAIL, seen, remedy)
    if "STARTTLS extension not supported" in str(error):
        seen = f"{place} offers no STARTTLS"
        remedy = "Write smtps:// and its port, mostly 465; plain:// is for a server on this machine."
        return Finding("mail", Level.FAIL, seen, remedy)
    code = f", code {error.code}" if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    seen = f"{place} can't be used ({type(error).__name__}{code})"
    return Finding(
        "mail", Level.FAIL, seen, "Check the address in COUNTERSIGN_SMTP_URL, the network and the server."
    )


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The first of this kind among what led to an error."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
