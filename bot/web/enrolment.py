"""Registering this browser through an enrolment link.

The link's token is in an address once. The first browser that begins takes the link: from then on the
browser's own cookie leads to the invitation, and the token is worth nothing anywhere else.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from typing import Any

import segno
from aiohttp import web

import flows.errors as no
from bot.times import moment
from bot.web import session as cookies
from bot.web.page import HOUSE, Unregistered, Unsigned, drawing, json_body, render
from bot.web.proofs import usable_point
from bot.web.session import SESSION, Session, browser_of
from flows.digest import key_name
from flows.model import Method
from flows.registration import CEREMONY, Authenticator, Device, Invitation, named
from handlers.house import House, seed_binding
from handlers.verifiers.code import first_step, provisioning_uri
from storage.seals import token_hash

routes = web.RouteTableDef()


@routes.get("/enrol/{token:[A-Za-z0-9_-]{43}}")
async def arrive(request: web.Request) -> web.Response:
    """What the link shows. Looking takes nothing: chat programs look at links on their own."""
    house = request.app[HOUSE]
    invitation = await house.registry.invitation(request.match_info["token"])
    if invitation is None or invitation.used_at is not None:
        raise no.LinkUnknown
    return await _step(request, house, invitation, "begin")


@routes.post("/enrol/{token:[A-Za-z0-9_-]{43}}")
async def begin(request: web.Request) -> web.Response:
    """This browser takes the link; the token leaves the address."""
    house, session, token = request.app[HOUSE], request[SESSION], request.match_info["token"]
    found = await house.registry.invitation(token)
    before = token_hash(cookies.secret_of(session.cookie))
    pressed_twice = found is not None and found.browser_hash == before
    cookie = session.cookie if pressed_twice else cookies.anew(session)
    await house.registry.open_invitation(token, cookies.secret_of(cookie))
    response = web.HTTPSeeOther("/enrol")
    cookies.keep(response, cookie)
    raise response


@routes.get("/enrol")
async def enrolling(request: web.Request) -> web.Response:
    """Where this browser stands with its link."""
    house, invitation = request.app[HOUSE], await _mine(request)
    return await _step(request, house, invitation, "app" if invitation.used_at else "device")


@routes.post("/enrol/begin")
async def passkey_options(request: web.Request) -> web.Response:
    """What the browser needs to create a passkey for this device."""
    house, session, invitation = request.app[HOUSE], request[SESSION], await _mine(request)
    body = await json_body(request)
    named(str(body.get("name", "")))
    key = usable_point(body.get("key"))
    owner = await house.people.person(invitation.person)
    if owner is None or not owner.active:
        raise no.InactivePerson
    registration = await house.registry.registration(owner.id)
    asked = await house.passkeys.offer(
        owner.id, owner.name, _creation_challenge(house, session, invitation, key), registration.proofs
    )
    return web.json_response({"publicKey": asked})


@routes.post("/enrol/finish")
async def passkey_created(request: web.Request) -> web.Response:
    """The new passkey and, with it, this device."""
    house, session, invitation = request.app[HOUSE], request[SESSION], await _mine(request)
    body = await json_body(request)
    credential, browser_key = json.dumps(body.get("credential")), usable_point(body.get("key"))
    challenge = _creation_challenge(house, session, invitation, browser_key)
    made = await house.passkeys.register(credential, challenge)
    device, cookie = _device(house, session, invitation, str(body.get("name", "")), browser_key)
    key = Authenticator(
        made.id,
        invitation.person,
        device.id,
        Method.PASSKEY,
        made.material,
        made.counter,
        house.store.clock(),
        backed_up=made.backed_up,
        synced=made.synced,
        name=_own_name(session, device, str(body.get("name", ""))),
    )
    await house.registry.enrol(invitation.id, browser_of(session), device, key)
    response = web.json_response({"location": "/enrol", "key": key_name(device.key)})
    cookies.keep(response, cookie)
    return response


@routes.post("/enrol/app")
async def app_added(request: web.Request) -> web.Response:
    """A sign-in app that has shown its first code: beside the passkey, or instead of one."""
    house, session, invitation = request.app[HOUSE], request[SESSION], await _mine(request)
    typed = await request.post()
    seed = _seed(house, invitation)
    step = first_step(seed, str(typed.get("code", "")), house.store.clock())
    if step is None:
        errors = {
            "code": "That isn't the app's current code. Check the phone's clock, then type the next code."
        }
        return await _step(
            request, house, invitation, "app", 422, errors=errors, name=str(typed.get("name", ""))
        )
    device, cookie = _device(
        house, session, invitation, str(typed.get("name", "")), str(typed.get("key", ""))
    )
    sealed = house.store.keys.close(seed, seed_binding(invitation.person))
    id = "app-" + secrets.token_urlsafe(16)
    key = Authenticator(id, invitation.person, device.id, Method.CODE, sealed, step, house.store.clock())
    await house.registry.enrol(invitation.id, browser_of(session), device, key)
    response = web.HTTPSeeOther("/enrol/done")
    cookies.keep(response, cookie)
    raise response


@routes.get("/enrol/app")
async def app_only(request: web.Request) -> web.Response:
    """For browsers without passkeys: the sign-in app comes first and alone."""
    house, invitation = request.app[HOUSE], await _mine(request)
    return await _step(request, house, invitation, "app")


@routes.get("/enrol/done")
async def done(request: web.Request) -> web.Response:
    """It is registered."""
    session, house = _signed(request), request.app[HOUSE]
    if session.device is None or session.person is None:
        raise Unregistered
    owner, now = session.person, house.store.clock()
    young = (await house.registry.registration(owner.id)).young_until
    settles = moment(young, now, owner.timezone) if young is not None and now < young else None
    context = {"owner": owner.name, "until": None, "name": session.device.name, "alone": False, "here": ""}
    return render(
        request, "enrol.html", step="done", qr="", key="", error="", errors={}, settles=settles, **context
    )


def _signed(request: web.Request) -> Session:
    """This browser's session. A device's cookie takes part only with that device's signature."""
    session: Session = request[SESSION]
    if session.unsigned:
        raise Unsigned
    return session


async def _mine(request: web.Request) -> Invitation:
    """The link this browser took, while it can still be used: the app's key is never shown again after that.

    Unused and in time · or its passkey was made minutes ago, on this device, which has no sign-in app yet.
    """
    house, session = request.app[HOUSE], _signed(request)
    found, now = await house.registry.invitation_of(browser_of(session)), house.store.clock()
    if found is None:
        raise no.LinkUnknown
    if now >= (found.expires_at if found.used_at is None else found.used_at + CEREMONY):
        raise no.LinkExpired
    if found.used_at is not None:
        proofs = (await house.registry.registration(found.person)).proofs
        here = [proof.method for proof in proofs if session.device and proof.device == session.device.id]
        if not here:
            raise no.LinkUnknown
        if Method.CODE in here:
            raise web.HTTPSeeOther("/enrol/done")
    owner = await house.people.person(found.person)
    if owner is None or not owner.active:
        raise no.InactivePerson
    return found


def _device(
    house: House, session: Session, invitation: Invitation, name: str, key: str
) -> tuple[Device, str]:
    """The device this browser is, with its own key, or becomes, with this one; and the cookie it keeps."""
    if session.device is not None and session.device.person == invitation.person:
        return session.device, session.cookie
    id = secrets.token_urlsafe(16)
    cookie = cookies.new_cookie(id)
    secret = token_hash(cookies.secret_of(cookie))
    now = house.store.clock()
    return Device(id, invitation.person, named(name), secret, now, key=usable_point(key)), cookie


def _own_name(session: Session, device: Device, name: str) -> str:
    """A passkey's own name, where it joins others on a device; the first one needs none. Raises BadName."""
    return named(name) if session.device is not None and session.device.id == device.id else ""


def _creation_challenge(house: House, session: Session, invitation: Invitation, key: str) -> bytes:
    """One for this invitation in this browser with this key; the invitation is used up with it."""
    bound_to = f"{invitation.id}:{browser_of(session)}:{key_name(key)}".encode()
    return hmac.digest(house.store.keys.derive("passkey creation"), bound_to, "sha256")


def _seed(house: House, invitation: Invitation) -> bytes:
    """160 bits for this invitation's sign-in app in this browser: the same while its page is open, never again."""
    bound_to = f"{invitation.id}:{invitation.browser_hash}"
    return hmac.digest(house.store.keys.derive("sign-in app seed"), bound_to.encode(), "sha256")[:20]


async def _step(
    request: web.Request, house: House, invitation: Invitation, step: str, status: int = 200, **more: Any
) -> web.Response:
    owner = await house.people.person(invitation.person)
    if owner is None:
        raise no.LinkUnknown
    session: Session = request[SESSION]
    # A link from elsewhere comes without a signature; what is pressed next carries one, where there is a key.
    device = session.device or (session.claimed if step == "begin" else None)
    known = device is not None and device.person == invitation.person
    qr, key = "", ""
    if step == "app":
        seed = _seed(house, invitation)
        uri = provisioning_uri(seed, owner.account, "Countersign")
        qr = drawing(segno.make(uri, error="m").svg_inline(border=4, omitsize=True))
        text = base64.b32encode(seed).decode()
        key = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    context = {
        "step": step,
        "owner": owner.name,
        "until": moment(invitation.expires_at, house.store.clock(), owner.timezone),
        "name": f"{owner.name.split()[0]}'s security key" if known else f"{owner.name.split()[0]}'s device",
        "here": device.name if known and device else "",
        "alone": step == "app" and not known,
        "settles": None,
        "qr": qr,
        "key": key,
        "error": "",
        "errors": {},
    }
    return render(request, "enrol.html", status, **{**context, **more})
