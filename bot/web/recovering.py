"""For somebody whose device is gone: one recovery code and the sign-in app let a new browser in."""

from __future__ import annotations

import asyncio
import math

from aiohttp import web

import flows.errors as no
from bot.web import session as cookies
from bot.web.address import counted_by
from bot.web.page import HOUSE, render
from bot.web.session import SESSION
from handlers.recovery import Attempt
from storage.seals import token_hash

routes = web.RouteTableDef()

BEAT = 1.0  # seconds; longer than an attempt takes that comes last, when every place is taken
PACE = web.AppKey("pace", float)


@routes.get("/recover")
async def form(request: web.Request) -> web.Response:
    """What it takes."""
    return render(request, "recover.html", account="", error="")


@routes.post("/recover")
async def recover(request: web.Request) -> web.Response:
    """Both codes at once: which of them was wrong, and whose account it is, stays unsaid."""
    came, typed = asyncio.get_running_loop().time(), await request.post()
    account, recovery, code = (str(typed.get(name, "")) for name in ("account", "recovery", "code"))
    cookie = cookies.anew(request[SESSION])
    browser = token_hash(cookies.secret_of(cookie))
    attempt = Attempt(account.strip()[:120], recovery, code, browser, counted_by(request))
    try:
        await request.app[HOUSE].recovery.recover(attempt)
    except no.NotRecovered as refusal:
        await _on_the_beat(came, request.app[PACE])
        return render(request, "recover.html", 422, account=account, error=refusal.sentence)
    except no.TooBusy as refusal:
        return render(request, "recover.html", 429, account=account, error=refusal.sentence)
    response = web.HTTPSeeOther("/enrol")
    cookies.keep(response, cookie)
    raise response


async def _on_the_beat(came: float, beat: float) -> None:
    """Wait until a whole number of beats has passed since somebody came.

    It takes some milliseconds longer to refuse people whom there is more to know of. Nobody is to see them.
    """
    if beat > 0:
        loop = asyncio.get_running_loop()
        beats = math.ceil((loop.time() - came) / beat)
        await asyncio.sleep(came + beats * beat - loop.time())
