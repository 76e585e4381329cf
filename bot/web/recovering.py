"""For somebody whose device is gone: one recovery code and the sign-in app let a new browser in."""

from __future__ import annotations

from aiohttp import web

import flows.errors as no
from bot.web.page import HOUSE, render
from bot.web.session import SESSION, secret_of
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
    browser = token_hash(secret_of(request[SESSION].cookie))
    try:
        await house.recovery.recover(account.strip()[:120], recovery, code, browser)
    except no.NotRecovered as refusal:
        return render(request, "recover.html", 422, account=account, error=refusal.sentence)
    raise web.HTTPSeeOther("/enrol")
