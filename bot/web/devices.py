"""My devices: see them, rename them, add one, remove one. Adding and removing are requests of their own."""

from __future__ import annotations

from aiohttp import web

import flows.errors as no
from bot.facts import codes_line, device_lines
from bot.seen import account_names
from bot.web.page import HOUSE, asked_on, begun, place, reader, render
from handlers.recovery import codes_of

routes = web.RouteTableDef()


@routes.get("/devices")
async def listing(request: web.Request) -> web.Response:
    """The person's devices, this one first."""
    return await _page(request)


@routes.post("/devices/{device}/rename")
async def rename(request: web.Request) -> web.Response:
    """Another name for one of them."""
    house, (person, _) = request.app[HOUSE], reader(request)
    device, name = request.match_info["device"], str((await request.post()).get("name", ""))
    try:
        await house.registry.rename(person.id, device, name)
    except no.BadName as refusal:
        return await _page(request, 422, errors={device: refusal.sentence}, typed={device: name})
    raise web.HTTPSeeOther("/devices")


@routes.get("/devices/app")
async def add_app(request: web.Request) -> web.Response:
    """One more way to prove on this device goes the way of one more device."""
    reader(request)
    raise web.HTTPSeeOther("/ask/add_device")


@routes.get("/devices/{device}/remove")
async def are_you_sure(request: web.Request) -> web.Response:
    """What removing means, before it is asked for."""
    house, (person, here) = request.app[HOUSE], reader(request)
    registration = await house.registry.registration(person.id)
    found = next((d for d in registration.live if d.id == request.match_info["device"]), None)
    if found is None:
        raise no.UnknownDevice
    sentence = f"“{found.name}” can't confirm anything any more, and everything registered on it is void. "
    if len(registration.live) == 1:
        sentence += "It is your only one: after that you can confirm nothing until an administrator helps. "
    elif found.id == here.id:
        sentence += "You are reading this on it, so you will be signed out here. "
    return render(
        request,
        "confirm.html",
        card=None,
        heading=f"Remove {found.name}?",
        sentence=sentence + "You confirm it with your passkey next.",
        action="Remove it",
        weight="danger",
        back="/devices",
        hidden={},
    )


@routes.post("/devices/{device}/remove")
async def remove(request: web.Request) -> web.Response:
    """Open the request that removes it; it waits for the person's proof like any other."""
    house, (person, here) = request.app[HOUSE], reader(request)
    origin = asked_on(house, here)
    answers = {"device": request.match_info["device"]}
    opened = await house.desk.open(
        "device_revocation", person.id, person.id, answers, origin, place=place(request)
    )
    raise web.HTTPSeeOther(await begun(house, opened))


async def _page(request: web.Request, status: int = 200, **context: object) -> web.Response:
    house, (person, here) = request.app[HOUSE], reader(request)
    registration = await house.registry.registration(person.id)
    lines = device_lines(registration, person, here.id, house.store.clock())
    shown = {
        "devices": lines,
        "codes": codes_line(await codes_of(house.store, person.id), person, house.store.clock()),
        "accounts": await account_names(house, person.id),
        "add": "/ask/add_device",
        "push": {"key": house.settings.push_key, "on": await house.subscriptions.on(here.id)},
        "error": "",
        "errors": {},
        "typed": {},
        "done": "",
        **context,
    }
    return render(request, "devices.html", status, **shown)
