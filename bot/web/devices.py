"""My devices: see them, rename them, add one, remove one or a passkey on it. All but renaming are requests."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

import flows.errors as no
from bot.facts import codes_line, device_lines, passkey_name
from bot.seen import account_names
from bot.web.address import place
from bot.web.page import HOUSE, asked_on, begun, reader, render
from flows.model import Method
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
    return await _asked(request, "device_revocation", {"device": request.match_info["device"]})


@routes.get("/devices/passkeys/{passkey}/remove")
async def sure_of_one(request: web.Request) -> web.Response:
    """What removing one passkey means, before it is asked for."""
    house, (person, _) = request.app[HOUSE], reader(request)
    registration = await house.registry.registration(person.id)
    gone = next((key for key in registration.passkeys if key.short == request.match_info["passkey"]), None)
    if gone is None:
        raise no.UnknownPasskey
    if gone not in registration.spare:
        raise no.LastOnDevice
    device = next(each.name for each in registration.live if each.id == gone.device)
    left = [key for key in registration.proofs if key.device == gone.device and key != gone]
    passkeys = [key for key in left if key.method is Method.PASSKEY]
    sentence = (
        f"“{passkey_name(registration, gone)}” can't confirm anything any more. “{device}” stays registered"
    )
    sentence += f" with {'its other passkeys' if passkeys else 'its sign-in app'}. "
    if len(registration.passkeys) == 1:
        sentence += "It is your only passkey: what takes one, you can't confirm until you add another. "
    sentence += (
        "If somebody else may have used it, remove the whole device: where they signed in, they stay so. "
    )
    return render(
        request,
        "confirm.html",
        card=None,
        heading="Remove this passkey?",
        sentence=sentence + "You confirm it with your passkey next.",
        action="Remove it",
        weight="danger",
        back="/devices",
        hidden={},
    )


@routes.post("/devices/passkeys/{passkey}/remove")
async def remove_one(request: web.Request) -> web.Response:
    """Open the request that removes it: the road is the one of a whole device."""
    return await _asked(request, "passkey_revocation", {"passkey": request.match_info["passkey"]})


async def _asked(request: web.Request, playbook: str, answers: Mapping[str, str]) -> web.Response:
    house, (person, here) = request.app[HOUSE], reader(request)
    origin = asked_on(house, here)
    opened = await house.desk.open(playbook, person.id, person.id, answers, origin, place=place(request))
    raise web.HTTPSeeOther(await begun(house, opened))


async def _page(request: web.Request, status: int = 200, **context: object) -> web.Response:
    house, (person, here) = request.app[HOUSE], reader(request)
    registration = await house.registry.registration(person.id)
    lines = device_lines(registration, person, here.id, house.store.clock())
    shown = {
        "devices": lines,
        "codes": codes_line(await codes_of(house.store, person.id), person, house.store.clock()),
        "accounts": await account_names(house, person.id),
        "alone": "passkey_revocation" in house.playbooks.by_name,
        "add": "/ask/add_device",
        "push": {"key": house.settings.push_key, "on": await house.subscriptions.on(here.id)},
        "error": "",
        "errors": {},
        "typed": {},
        "done": "",
        **context,
    }
    return render(request, "devices.html", status, **shown)
