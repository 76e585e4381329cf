"""Several things at once, where one that fails mustn't keep the others from being done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def every(asked: Iterable[Awaitable[T]]) -> list[T]:
    """All of them, to their end. Raises the first failure, in the order of asking, when nothing is left to do."""
    results: list[T] = []
    for came in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(came, BaseException):
            raise came
        results.append(came)
    return results
