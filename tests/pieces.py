"""JSON answers that arrive as they do over a real network: the head, a first piece, and later the rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aiohttp import web

LATER = 0.002  # seconds between the pieces, so that they don't arrive as one


async def in_pieces(
    request: web.Request,
    found: Any,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.StreamResponse:
    """This value, in two pieces. Bytes are sent as they are, whatever they are."""
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    answer = web.StreamResponse(status=status, headers=headers)
    answer.content_type, answer.content_length = "application/json", len(body)
    await answer.prepare(request)
    half = len(body) // 2
    await answer.write(body[:half])
    await asyncio.sleep(LATER)
    await answer.write(body[half:])
    await answer.write_eof()
    return answer
