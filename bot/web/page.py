"""What every page needs: the house, the templates, and who is reading."""

from __future__ import annotations

import re
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup

from bot.cards import Card, Fact
from bot.facts import question
from bot.reading import Beside
from bot.seen import read
from bot.views import request_card
from bot.web.session import SESSION, Session
from flows.digest import key_name
from flows.model import Method, Origin, Person, Playbook, Request
from flows.proving import usable
from flows.registration import Device
from flows.spoken import heard
from handlers.house import House

HOUSE = web.AppKey("house", House)
PAGES = web.AppKey("pages", jinja2.Environment)

DEVICE_PAGE = "device page"  # the platform's name in a request's origin

_NAME = re.compile(r"CS-[0-9A-HJKMNP-TV-Z]{5}")


def render(request: web.Request, template: str, status: int = 200, /, **context: Any) -> web.Response:
    """A page from its template, with what every page shows."""
    session = request.get(SESSION)
    common = {
        "csrf": session.csrf if session else "",
        "now": request.app[HOUSE].store.clock(),
        "person": session.person if session else None,
        "device": session.device if session else None,
        "joins": bool(request.app[HOUSE].settings.oidc_issuer),
        "signing": key_name(session.claimed.key) if session and session.claimed else "",
    }
    text = request.app[PAGES].get_template(template).render({**common, **context})
    return web.Response(text=text, content_type="text/html", status=status)


def message(request: web.Request, status: int, sentence: str = "", heading: str = "") -> web.Response:
    """A refusal or an error as a page, or as JSON where the script asked."""
    if scripted(request):
        return web.json_response({"error": sentence}, status=status)
    context = {
        "status": status,
        "heading": heading,
        "sentence": sentence,
        "back": "",
        "label": "",
        "retry": 0,
    }
    return render(request, "message.html", status, **context)


def scripted(request: web.Request) -> bool:
    """Whether a script asks, which wants JSON."""
    return "application/json" in request.headers.get("Accept", "")


def reader(request: web.Request) -> tuple[Person, Device]:
    """Whoever this browser is registered for. Anybody else is asked to sign in and sent back here.

    A device's cookie alone isn't enough: the request has to be signed with that browser's key.
    """
    session: Session = request[SESSION]
    if session.unsigned:
        raise Unsigned
    if session.person is None or session.device is None:
        raise Unregistered
    return session.person, session.device


def request_name(typed: str) -> str | None:
    """A request's name as people read it out: small letters, O for 0 and I or L for 1. None if it can't be one."""
    name = heard(typed)
    return name if _NAME.fullmatch(name) else None


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object a script sent. Raises HTTPBadRequest for anything else, however deep or strange."""
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return body


class Unregistered(Exception):
    """This browser isn't registered for anybody."""


class Unsigned(Exception):
    """A device's cookie came without a good signature by that device's browser."""


async def seen_by(
    house: House, request: Request, person: Person, device: Device
) -> tuple[Card, tuple[Fact, ...], Playbook, Beside]:
    """One request as this person sees it. Raises UnknownRequest for those it is none of the business of.

    The six digits stand where the request was asked: on this page only if it was asked on this very device.
    """
    here = (request.origin.platform, request.origin.account) == (DEVICE_PAGE, device.id)
    seen = await read(house, request, person.id, device=device.id, asked_here=here)
    around = (request, seen.playbook, seen.people, person.id, seen.now, seen.beside)
    return request_card(*around), question(*around), seen.playbook, seen.beside


def asked_on(house: House, device: Device) -> Origin:
    """The origin of what is asked on this device's page."""
    return Origin(DEVICE_PAGE, house.settings.rp_id, device.id, device.name)


async def begun(house: House, request: Request) -> str:
    """The page of a request that was just asked here, with its number made where a sign-in app may answer."""
    playbook = await house.desk.playbook_of(request)
    registered = await house.registry.registration(request.prover)
    if not request.stage.closed and Method.CODE in usable(playbook, registered.methods):
        await house.desk.number(request.id)
    return f"/requests/{request.id}"


def drawing(svg: str) -> Markup:
    """An inline SVG of our own making, safe to put into a page as it is."""
    return Markup(svg)  # noqa: S704  segno's output, made from our own text
