"""Other systems as the configuration file names them: addresses and authorities judged, and a door knocked at."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from handlers.ports import Unreachable

LONGEST_HOST = 253  # characters of a host's name (RFC 1035 §2.3.4)
SHOWN = 80  # characters of a name that is wrong
GOODBYE = 1.0  # seconds in which the other end may say it


def address(value: str, schemes: Collection[str], example: str) -> SplitResult:
    """An address's parts. Raises ValueError for what is none, which holds no password that stands in it."""
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError(f"its port isn't a number from 1 to 65535; an example is {example}") from None
    if "@" in url.netloc:
        raise ValueError(f"a name or password doesn't belong into the address; an example is {example}")
    if url.scheme not in schemes or not url.hostname or port == 0:
        raise ValueError(f"{value!r} isn't an address such as {example}")
    if not _known_as_host(url.hostname):
        raise ValueError(
            f"{url.hostname!r} can't be the name of a host; an example of an address is {example}"
        )
    return url


def _known_as_host(host: str) -> bool:
    """Whether a name can be looked up: labels of 1 to 63 characters once they are encoded (RFC 5890 §2.3.1)."""
    if ":" in host:  # an IPv6 address, which has been looked at
        return True
    try:
        encoded = host.encode("idna")
    except UnicodeError:
        return False
    return len(encoded.rstrip(b".")) <= LONGEST_HOST and not any(
        each in b" %" or each < 32 for each in encoded
    )


def authority(value: Path | None) -> Path | None:
    """A PEM file with a certificate authority, or None for the system's own. Raises ValueError."""
    if value is None:
        return None
    try:
        there = value.is_file()
    except OSError as error:  # such as a name that is too long
        raise ValueError(f"the file {str(value)[:SHOWN]} can't be looked at ({error.strerror})") from None
    if not there:
        raise ValueError(f"there is no file {value}")
    try:
        ssl.create_default_context(cafile=str(value))
    except OSError:
        raise ValueError(f"{value} isn't a PEM file with a certificate in it") from None
    return value


async def greeted(url: SplitResult, tls: ssl.SSLContext | None, within: float) -> datetime | None:
    """Connect and hang up, with nothing asked; gives the certificate's end, None without TLS. Raises Unreachable."""
    port = url.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(within):
            _, line = await asyncio.open_connection(url.hostname, port, ssl=tls)
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"{url.hostname} can't be reached ({type(error).__name__}).") from None
    shown = line.get_extra_info("peercert") if tls else None
    line.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await line.wait_closed()
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC) if shown else None
