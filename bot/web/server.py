"""The web server: one application, hardened the same way for every page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import jinja2
import structlog
from aiohttp import web

import flows.errors as no
from bot.web import (
    accounts,
    devices,
    enrolment,
    health,
    joining,
    pages,
    push,
    recovering,
    session,
    sign_in,
)
from bot.web.page import HOUSE, PAGES, Unregistered, Unsigned, message, remote, render, request_name, scripted
from bot.web.proofs import Asked, Proofs, presented
from bot.web.session import SESSION, Session
from flows.events import Refused
from handlers.house import House

log = structlog.get_logger()

LARGEST_BODY = 64 * 1024
LONGEST_PART = 200  # characters between two slashes of an address
_HERE = Path(__file__).parent
#: A browser's session has nothing to do with these.
_OPEN = (
    "/healthz",
    "/readyz",
    "/static/",
    "/manifest.webmanifest",
    "/worker.js",
    "/slack/",
    "/api/messages",
)

POLICY = web.AppKey("policy", str)
PATIENCE = web.AppKey("patience", float)
PROOFS = web.AppKey("proofs", Proofs)
ELSEWHERE: web.AppKey[tuple[str, ...]] = web.AppKey("elsewhere", tuple)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def make_app(
    house: House,
    *,
    frame_ancestors: str = "'none'",
    elsewhere: tuple[str, ...] = (),
    patience: float = 10.0,
) -> web.Application:
    """The application. The demo alone relaxes `frame_ancestors`, to its page, and guards what is below `elsewhere`.

    `patience` is how many seconds a body may take to arrive.
    """
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_logged, _plain_words, _known])
    app.on_response_prepare.append(_hardened)
    app[HOUSE] = house
    app[PATIENCE] = patience
    app[PROOFS] = Proofs(since=house.store.clock())
    app[ELSEWHERE] = (*_OPEN, *elsewhere)
    app[PAGES] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app[POLICY] = _POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {frame_ancestors}")
    app.router.add_static("/static", _HERE / "static")
    for part in (health, pages, enrolment, joining, recovering, sign_in, devices, push, accounts):
        app.router.add_routes(part.routes)
    app.cleanup_ctx.append(joining.connected)
    return app


@web.middleware
async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line a request: the route's pattern, never its path, which may hold a token."""
    began = time.monotonic()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        resource = request.match_info.route.resource
        log.info(
            "http",
            method=request.method,
            route=resource.canonical if resource else "-",
            status=status,
            remote=remote(request),
            milliseconds=round((time.monotonic() - began) * 1000, 1),
            request_id=request_name(request.match_info.get("id", "")),
        )


async def _hardened(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer carries, as it leaves. Nothing is cached but the stylesheet, script and icon.

    A signal, since some answers pass no middleware, and a file's status is known only here.
    """
    headers = response.headers
    headers["Content-Security-Policy"] = request.app[POLICY]
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = (
        "strict-origin"  # no paths; `no-referrer` would blank the Origin of our forms
    )
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = (
        "publickey-credentials-get=(self), publickey-credentials-create=(self), "
        "camera=(), microphone=(), geolocation=()"
    )
    if request.app[HOUSE].settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    found = request.path.startswith("/static/") and response.status in (200, 206, 304)
    headers["Cache-Control"] = "public, max-age=300" if found else "no-store"
    headers.pop("Server", None)  # nobody needs the versions this runs on


@web.middleware
async def _plain_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is answered with a page that says what to do; a defect never shows its inside."""
    try:
        return await handler(request)
    except no.Refusal as refusal:
        unknown = isinstance(
            refusal,
            no.UnknownRequest | no.UnknownDevice | no.UnknownPlaybook | no.LinkUnknown | no.JoiningClosed,
        )
        return message(request, 404 if unknown else 409, refusal.sentence)
    except Unsigned:
        if request.method in ("GET", "HEAD") and not scripted(request):
            return render(request, "moment.html")
        await _unsigned(request, request[SESSION])
        return message(request, 403, no.UnsignedRequest().sentence, "This browser has to show who it is")
    except Unregistered:
        if request.method == "GET" and request.path != "/":
            raise web.HTTPSeeOther(f"/sign-in?{urlencode({'onward': request.path})}") from None
        answer = render(request, "welcome.html", 200 if request.method == "GET" else 403, onward="/")
        if request.method == "GET":  # never otherwise: a form sent from elsewhere must not sign anybody out
            session.remember(request, answer)
        return answer
    except web.HTTPRedirection:
        raise
    except web.HTTPException as answer:
        return message(request, answer.status)
    except ValueError:  # a body that isn't what it says it is
        return message(request, 400)
    except Exception as defect:
        log.exception("defect", error=type(defect).__name__)
        return message(request, 500)


async def _unsigned(request: web.Request, found: Session) -> None:
    """A device's cookie asked for something without its browser's signature: it may have been copied."""
    house, device = request.app[HOUSE], found.claimed
    if device is None or not request.app[PROOFS].worth_noting(device.id, house.store.clock()):
        return
    log.warning("unsigned", device=device.id, person=device.person, remote=remote(request))
    refusal = no.UnsignedRequest()
    refused = Refused("OpenPage", device.person, refusal.kind, f"with the cookie of {device.id}")
    await house.desk.record([(None, refused)])


@web.middleware
async def _known(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Our own host · the browser's session · for what changes something, a genuine page of ours · its signature."""
    if any(len(part) > LONGEST_PART for part in request.path.split("/")):
        raise web.HTTPNotFound  # no file of ours is called so, and a file system may not even look
    if request.path.startswith(request.app[ELSEWHERE]):
        return await handler(request)
    house = request.app[HOUSE]
    if request.host != house.settings.public_url.partition("://")[2]:
        raise web.HTTPMisdirectedRequest
    found = await session.read(request, house)
    request[SESSION] = found
    if request.method not in ("GET", "HEAD"):
        await _take_in(request)
        if not await session.genuine(request, found, house.settings.public_url):
            raise web.HTTPForbidden
    proof = await _proof(request, found)
    if proof:
        request[SESSION] = found = found.signed()
    try:
        response = await handler(request)
    except web.HTTPSeeOther as onward:
        if proof and found.claimed:
            request.app[PROOFS].lead(proof, found.claimed.key, str(onward.location))
        raise
    session.remember(request, response)
    return response


async def _proof(request: web.Request, found: Session) -> str:
    """The proof that this device's own browser asks this, which is used up; empty if there is none."""
    if found.claimed is None:
        return ""
    body = b"" if request.method in ("GET", "HEAD") else await request.read()
    asked = Asked(request.method, request.raw_path, body)
    proofs, now = request.app[PROOFS], request.app[HOUSE].store.clock()
    good = (each for each in presented(request) if proofs.take(each, found.claimed.key, asked, now))
    return next(good, "")


async def _take_in(request: web.Request) -> None:
    """Take in the body: sent as our own pages send it, no larger than allowed, all of it in good time."""
    if not session.readable(request):
        raise web.HTTPUnsupportedMediaType
    if (request.content_length or 0) > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY)
    try:
        async with asyncio.timeout(request.app[PATIENCE]):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, web.RequestPayloadError):  # it broke off, or isn't put together as it says
        raise web.HTTPBadRequest from None
