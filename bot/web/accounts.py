"""Connect a chat account: the link that the bot sent, opened on the device of whoever says it is theirs."""

from __future__ import annotations

from aiohttp import web

import flows.errors as no
from bot.handles import Handles
from bot.web.address import place
from bot.web.page import HOUSE, asked_on, begun, reader, render
from flows.accounts import Account

routes = web.RouteTableDef()


@routes.get("/connect/{token}")
async def are_you_sure(request: web.Request) -> web.Response:
    """Whose account this is, as the chat shows it, and what connecting it means."""
    house, (person, _) = request.app[HOUSE], reader(request)
    account, shown = _named(request)
    owner = await house.accounts.owner(account)
    if owner == person.id:
        raise web.HTTPSeeOther("/devices")
    if owner is not None:
        raise no.AccountTaken
    place = account.platform.capitalize()
    means = (
        f"It is shown as “{shown}”. Whoever uses it can then ask in your name, {person.name}, though nothing changes "
        "without your device. If somebody sent you this link, it isn't yours: go back, and tell the desk."
    )
    return render(
        request,
        "confirm.html",
        card=None,
        heading=f"Is this your {place} account?",
        sentence=means,
        action="Yes, it is mine",
        weight="primary",
        back="/",
        hidden={},
    )


@routes.post("/connect/{token}")
async def connect(request: web.Request) -> web.Response:
    """Open the request that connects it; it waits for the person's proof like any other."""
    house, (person, here) = request.app[HOUSE], reader(request)
    account, shown = _named(request)
    opened = await house.desk.open(
        "connect_account",
        person.id,
        person.id,
        {"new_account": account.name, "shown_as": shown},
        asked_on(house, here),
        known={"new_account": (account.name,)},
        place=place(request),
    )
    raise web.HTTPSeeOther(await begun(house, opened))


def _named(request: web.Request) -> tuple[Account, str]:
    house = request.app[HOUSE]
    return Handles(house.store.keys).connected(request.match_info["token"], house.store.clock())
