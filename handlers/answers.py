"""What a server elsewhere answers: all of it, and never more than is allowed."""

from __future__ import annotations

import aiohttp


async def whole(content: aiohttp.StreamReader, most: int) -> bytes:
    """Every byte of an answer. Raises ValueError as soon as there are more than `most`."""
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > most:
            raise ValueError(f"the answer has more than {most} bytes")
    return bytes(body)
