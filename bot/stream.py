"""A body as it arrives: all of it or nothing, and never more than it may be."""

from __future__ import annotations

from aiohttp import StreamReader


class TooMuch(ValueError):
    """There is more of it than there may be."""


async def whole(content: StreamReader, most: int) -> bytes:
    """Every byte, up to the end. Raises TooMuch, after at most one piece beyond `most` bytes."""
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > most:
            raise TooMuch
    return bytes(body)
