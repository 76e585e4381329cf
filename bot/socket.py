"""The command line's way in: a Unix socket of mode 0600 in front of the one door.

Whoever can open it is the service's own account on this machine. It can ask, look, and tell people that they can
join, nothing more: no verb here proves, approves or fulfils anything.
"""

from __future__ import annotations

import os
import platform
import pwd
import socket as sockets
import struct
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from aiohttp import web
from pydantic import TypeAdapter

import flows.errors as no
from bot.cards import Card
from bot.reading import Beside
from bot.views import request_card
from flows.events import Refused
from flows.model import Method, Origin, Party, Request, Stage
from flows.proving import usable
from handlers.house import House
from handlers.waves import Waves

#: How a card travels to the command line.
CARD: TypeAdapter[Card] = TypeAdapter(Card)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def listen(house: House, path: Path) -> web.AppRunner:
    """Serve the socket until the runner is cleaned up. Raises OSError."""
    app = web.Application(client_max_size=64 * 1024, middlewares=[_refusals])
    app[_HOUSE] = house
    app.add_routes([web.post("/requests", _ask), web.get("/requests/{id}", _look)])
    app.add_routes([web.get("/waves/{group}", _wave), web.post("/waves/{group}/{person}", _welcome)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path.unlink(missing_ok=True)  # noqa: ASYNC240  once, at start; the database's lock says nobody else serves
    before = os.umask(0o177)  # the socket is born 0600, so there is no moment at which it is not
    try:
        await web.UnixSite(runner, str(path)).start()
    finally:
        os.umask(before)
    return runner


_HOUSE = web.AppKey("house", House)


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except no.Refusal as refusal:
        return web.json_response({"refused": refusal.kind, "sentence": refusal.sentence}, status=409)
    except (KeyError, TypeError, ValueError):
        return web.json_response({"refused": "Unreadable", "sentence": "That can't be read."}, status=400)


async def _ask(request: web.Request) -> web.Response:
    house, body = request.app[_HOUSE], await request.json()
    answers = {str(name): str(value) for name, value in dict(body["answers"]).items()}
    origin = Origin("terminal", platform.node(), _operator(request), "command line")
    await _only_what_they_confirm(house, str(body["playbook"]), str(body["requester"]), str(body["subject"]))
    opened = await house.desk.open(
        str(body["playbook"]), str(body["requester"]), str(body["subject"]), answers, origin
    )
    number = ""
    registered = (await house.registry.registration(opened.prover)).methods
    if not opened.stage.closed and Method.CODE in usable(await house.desk.playbook_of(opened), registered):
        opened, number = await house.desk.number(opened.id)
    return await _told(house, opened, number)


async def _only_what_they_confirm(house: House, playbook: str, requester: str, subject: str) -> None:
    """A name given at a terminal is a claim. It is let through where that very person confirms it next."""
    found = house.playbooks.get(playbook)
    if found is not None and found.prover is Party.SUBJECT and requester != subject:
        await house.desk.record([(None, Refused("Submit", requester, no.AskOnYourDevice.__name__, playbook))])
        raise no.AskOnYourDevice


async def _look(request: web.Request) -> web.Response:
    house = request.app[_HOUSE]
    return await _told(house, await house.desk.get(request.match_info["id"]), "")


async def _wave(request: web.Request) -> web.Response:
    """Who of a group can join, and who of them is to be told."""
    waves = await _waves(request.app[_HOUSE])
    wave = await waves.of(request.match_info["group"], remind=request.query.get("remind") == "true")
    return web.json_response(asdict(wave))


async def _welcome(request: web.Request) -> web.Response:
    """Tell one of them. It is the same address for everybody, so whoever is told holds nothing that others don't."""
    waves = await _waves(request.app[_HOUSE])
    told = await waves.tell(request.match_info["person"], request.match_info["group"])
    return web.json_response({"told": told})


async def _waves(house: House) -> Waves:
    if not house.settings.oidc_issuer:
        raise no.NoSignOn
    return Waves(house.desk, lambda: house.worker.messenger, f"{house.settings.public_url}/join")


async def _told(house: House, request: Request, number: str) -> web.Response:
    playbook = await house.desk.playbook_of(request)
    selected = await house.desk.selection(request)
    asked = await house.desk.consenting(request, selected)
    agreed = [approval.person for approval in request.approvals]
    people = await house.people.named(request.requester, request.subject, request.prover, *asked, *agreed)
    texts = await house.desk.texts(request.id)
    beside = Beside(texts=texts, selected=selected, number=number)
    card = request_card(request, playbook, people, request.requester, house.store.clock(), beside)
    return web.json_response(
        {
            "id": request.id,
            "card": CARD.dump_python(card, mode="json"),
            "link": f"{house.settings.public_url}/requests/{request.id}",
            "closed": request.stage.closed,
            "done": request.stage is Stage.FULFILLED,
        }
    )


def _operator(request: web.Request) -> str:
    """The account at the other end of the socket, as the kernel tells it."""
    transport = request.transport
    peer = transport.get_extra_info("socket") if transport else None
    if peer is None:
        return "unknown"
    _, uid, _ = struct.unpack(
        "3i", peer.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
    )
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
