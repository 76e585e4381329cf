"""One process that does real work until it is killed, and says over a pipe how far it has come.

It is forked from a server that has imported everything already, so it costs some milliseconds and not a
start of Python. Nothing here catches, cleans up or slows down anything for the killer's sake but two short
pauses in the connector, on either side of the change.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import structlog

from demo.directory import DemoDirectory
from flows.commands import Cancel
from flows.model import Method, Receipt, Request
from handlers.connectors import ldap
from handlers.ports import Connector, Directory
from storage.setup import Hold
from tests.company import ON_DEVICE, Company, Hands, company

LINGER = 0.004  # seconds at most
SPREAD = 0.08  # seconds in which eight requests are opened

Say = Callable[..., None]


@dataclass(frozen=True)
class Order:
    """What a child is to work on: an installation that exists, at a certain time."""

    url: str
    folder: Path
    playbooks: Path
    now: datetime
    seed: int
    device: str = ""
    code: str = ""
    person: str = "maya"
    server: Mapping[str, object] | None = (
        None  # the entry of an OpenLDAP server in place of the pretend directory
    )


class Signalling:
    """A directory behind its own port, that says when it is about to be changed and when it has been."""

    def __init__(self, directory: Connector, say: Say, chance: random.Random) -> None:
        self.verbs = directory.verbs
        self._directory = directory
        self._say = say
        self._chance = chance

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        self._say("calling")
        await asyncio.sleep(self._chance.uniform(0, LINGER))
        receipt = await self._directory.carry_out(request, key, secret)
        self._say("changed")
        await asyncio.sleep(self._chance.uniform(0, LINGER))
        return receipt

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        return await self._directory.check(request, key, secret)

    async def undo(self, request: Request, key: str) -> Receipt:
        return await self._directory.undo(request, key)


async def reset(acme: Company, order: Order, say: Say, chance: random.Random) -> None:
    """Somebody asks, answers, and has their password reset."""
    request = await acme.asks("password_reset", order.person, answers={"justification": "Forgot it"})
    _, number = await acme.desk.number(request.id)
    say("answering", request.id)
    answer = {"number": number, "code": order.code}
    await acme.desk.answer(request.id, order.person, order.device, Method.CODE, answer)
    say("ordered")
    await acme.worker.drain()
    say("reported")


async def open_eight(acme: Company, order: Order, say: Say, chance: random.Random) -> None:
    """Two requests each of four people, all at once."""

    async def one(playbook: str, person: str) -> None:
        await asyncio.sleep(chance.uniform(0, SPREAD))
        why = {"justification": f"Because of {person}"}
        request = await acme.asks(playbook, person, answers=why, origin=ON_DEVICE)
        say("opened", request.id)

    why = {"justification": "To warm up"}
    first = await acme.asks("password_reset", "maya", answers=why, origin=ON_DEVICE)
    await acme.desk.submit(first.id, Cancel("maya"))
    await acme.worker.drain()
    people = ("maya", "omar", "nina", "sam")
    asks = [one(playbook, person) for playbook in ("password_reset", "account_unlock") for person in people]
    say("opening")
    await asyncio.gather(*asks)
    say("reported")


def directory(folder: Path, server: Mapping[str, object] | None) -> tuple[Connector, Directory]:
    """Where changes are made and people are read: an OpenLDAP server, or the pretend company's own file."""
    if server is None:
        pretend = DemoDirectory(folder / "directory.db")
        return pretend, pretend
    real = ldap.connect(server)
    return real, real.people


Job = Callable[[Company, Order, Say, random.Random], Awaitable[None]]


def work(job: Job, order: Order, pipe: Connection) -> None:
    """A child's whole life, if it is let live."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    def say(word: str, what: str = "") -> None:
        pipe.send((word, time.monotonic(), what))

    asyncio.run(_work(job, order, say))


async def _work(job: Job, order: Order, say: Say) -> None:
    chance = random.Random(order.seed)
    hold = await Hold.take(order.url)
    connector, people = directory(order.folder, order.server)
    async with company(
        order.url,
        order.folder,
        connectors={"directory": Signalling(connector, say, chance)},
        people=people,
        hands=Hands(order.now),
        playbooks=order.playbooks,
    ) as acme:
        await job(acme, order, say, chance)
    await hold.release()
