"""For somebody whose device is gone: a recovery code lets a new browser in, beside the sign-in app or a sign-on."""

from __future__ import annotations

import asyncio
import math
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

import flows.errors as no
from bot.web import session as cookies
from bot.web.address import counted_by
from bot.web.joining import JOINING
from bot.web.page import HOUSE, render
from bot.web.session import SESSION, browser_of
from handlers.joining import RECOVER
from handlers.recovery import Attempt
from handlers.signed_on import SignedOn, open_pass
from storage.seals import token_hash

routes = web.RouteTableDef()

BEAT = 1.0  # seconds; longer than an attempt takes that comes last, when every place is taken
PACE = web.AppKey("pace", float)


@routes.get("/recover")
async def form(request: web.Request) -> web.Response:
    """What it takes."""
    return _page(request, "form")


@routes.post("/recover")
async def recover(request: web.Request) -> web.Response:
    """Both codes at once: which of them was wrong, and whose account it is, stays unsaid."""
    came, typed = asyncio.get_running_loop().time(), await request.post()
    account, recovery, code = (str(typed.get(name, "")) for name in ("account", "recovery", "code"))
    cookie = cookies.anew(request[SESSION])
    browser = token_hash(cookies.secret_of(cookie))
    attempt = Attempt(account.strip()[:120], recovery, code, browser, counted_by(request))
    refusal = await _refusal(request, attempt, came)
    if refusal is not None:
        return _page(request, "form", _status(refusal), account=account, error=refusal.sentence)
    raise _let_in(cookie)


@routes.post("/recover/begin")
async def begin(request: web.Request) -> web.Response:
    """Off to the company's sign-on, for whoever has no sign-in app: a page that goes there by itself."""
    joining = request.app[JOINING]
    try:
        address = await joining.begin(browser_of(request[SESSION]), RECOVER)
    except no.SignOnAway as refusal:
        return _page(request, "form", 409, error=refusal.sentence)
    answer = _page(request, "leaving", address=address, host=urlsplit(address).hostname or "")
    answer.headers["Refresh"] = f"0;url={address}"
    return answer


@routes.get("/recover/code")
async def ask_code(request: web.Request) -> web.Response:
    """Back from the sign-on: now the recovery code. Who signed on, and whether they have any, stays unsaid."""
    signed_on = request.query.get("signed_on", "")
    _signed_on(request, signed_on)
    return _page(request, "code", signed_on=signed_on)


@routes.post("/recover/code")
async def recover_signed_on(request: web.Request) -> web.Response:
    """The code, beside the sign-on."""
    came, typed = asyncio.get_running_loop().time(), await request.post()
    signed_on, code = str(typed.get("signed_on", "")), str(typed.get("recovery", ""))
    signed, cookie = _signed_on(request, signed_on), cookies.anew(request[SESSION])
    browser = token_hash(cookies.secret_of(cookie))
    attempt = Attempt(signed.person, code, "", browser, counted_by(request), signed)
    refusal = await _refusal(request, attempt, came)
    if refusal is not None:
        return _page(request, "code", _status(refusal), error=refusal.sentence, signed_on=signed_on)
    raise _let_in(cookie)


async def _refusal(request: web.Request, attempt: Attempt, came: float) -> no.Refusal | None:
    """What stands against this attempt, on the beat where it is about a person; None if the browser is let in."""
    try:
        await request.app[HOUSE].recovery.recover(attempt)
    except no.NotRecovered as refusal:
        await _on_the_beat(came, request.app[PACE])
        return refusal
    except no.TooBusy as refusal:
        return refusal
    return None


async def _on_the_beat(came: float, beat: float) -> None:
    """Wait until a whole number of beats has passed since somebody came.

    It takes some milliseconds longer to refuse people whom there is more to know of. Nobody is to see them.
    """
    if beat > 0:
        loop = asyncio.get_running_loop()
        beats = math.ceil((loop.time() - came) / beat)
        await asyncio.sleep(came + beats * beat - loop.time())


def _signed_on(request: web.Request, text: str) -> SignedOn:
    """Who signed on in this browser, a moment ago. Raises SignOnUnknown, SignOnExpired."""
    house = request.app[HOUSE]
    signed, browser, now = (
        open_pass(house.store.keys, text),
        browser_of(request[SESSION]),
        house.store.clock(),
    )
    if not signed.holds(browser, signed.at):
        raise no.SignOnUnknown
    if not signed.holds(browser, now):
        raise no.SignOnExpired
    return signed


def _let_in(cookie: str) -> web.HTTPSeeOther:
    response = web.HTTPSeeOther("/enrol")
    cookies.keep(response, cookie)
    return response


def _status(refusal: no.Refusal) -> int:
    return 429 if isinstance(refusal, no.TooBusy) else 422


def _page(request: web.Request, step: str, status: int = 200, **more: Any) -> web.Response:
    context = {"account": "", "error": "", "address": "", "host": "", "signed_on": ""}
    return render(
        request,
        "recover.html",
        status,
        step=step,
        sign_on=request.app[JOINING].is_open,
        **{**context, **more},
    )
