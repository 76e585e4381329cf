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
    return url


def authority(value: Path | None) -> Path | None:
    """A PEM file with a certificate authority, or None for the system's own. Raises ValueError."""
    if value is None:
        return None
    if not value.is_file():
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
