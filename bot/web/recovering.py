"""For somebody whose device is gone: one recovery code and the sign-in app let a new browser in."""

from __future__ import annotations

from aiohttp import web

import flows.errors as no
from bot.web import session as cookies
from bot.web.page import HOUSE, render
from bot.web.session import SESSION
from storage.seals import token_hash

routes = web.RouteTableDef()


@routes.get("/recover")
async def form(request: web.Request) -> web.Response:
    """What it takes."""
    return render(request, "recover.html", account="", error="")


@routes.post("/recover")
async def recover(request: web.Request) -> web.Response:
    """Both codes at once: which of them was wrong, and whose account it is, stays unsaid."""
    house, typed = request.app[HOUSE], await request.post()
    account, recovery, code = (str(typed.get(name, "")) for name in ("account", "recovery", "code"))
    cookie = cookies.anew(request[SESSION])
    try:
        browser = token_hash(cookies.secret_of(cookie))
        await house.recovery.recover(account.strip()[:120], recovery, code, browser)
    except (no.NotRecovered, no.TooBusy) as refusal:
        status = 429 if isinstance(refusal, no.TooBusy) else 422
        return render(request, "recover.html", status, account=account, error=refusal.sentence)
    response = web.HTTPSeeOther("/enrol")
    cookies.keep(response, cookie)
    raise response
