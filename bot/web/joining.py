"""Joining with a company account: the page that says what happens, the way to the sign-on, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode, urlsplit

from aiohttp import web

import flows.errors as no
from bot.web import session as cookies
from bot.web.page import HOUSE, render
from bot.web.session import SESSION, Session
from handlers.house import House
from handlers.joining import Joining
from handlers.sign_on.provider import Client, Provider
from storage.seals import token_hash

routes = web.RouteTableDef()

JOINING = web.AppKey("joining", Joining)
RETURN = "/join/return"
_ANSWER = ("state", "code", "iss", "error")
LONGEST = 4096  # characters of one part of an answer


async def connected(app: web.Application) -> AsyncIterator[None]:
    """The company's sign-on, as the settings name it, for as long as the application runs."""
    house = app[HOUSE]
    provider = _provider(house)
    app[JOINING] = Joining(house.desk, provider)
    yield
    if provider is not None:
        await provider.close()


def _provider(house: House) -> Provider | None:
    settings = house.settings
    if not (settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret):
        return None
    client = Client(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.oidc_claim
    )
    return Provider(client, settings.public_url + RETURN, lambda: house.store.clock().timestamp())


@routes.get("/join")
async def welcome(request: web.Request) -> web.Response:
    """What joining is, before anything is begun."""
    _open(request)
    return _page(request, "welcome")


@routes.post("/join/begin")
async def begin(request: web.Request) -> web.Response:
    """Off to the sign-on.

    The page goes there by itself; it isn't a redirect, since a browser would hold every further hop of the company's
    sign-on, from one of its hosts to the next, against this page's `form-action`.
    """
    joining = _open(request)
    try:
        address = await joining.begin(_browser(request))
    except no.SignOnAway as refusal:
        return _page(request, "again", 409, refusal.sentence)
    answer = _page(request, "leaving", address=address, host=urlsplit(address).hostname or "")
    answer.headers["Refresh"] = f"0;url={address}"
    return answer


@routes.get(RETURN)
async def returned(request: web.Request) -> web.Response:
    """Back from the sign-on: on to naming the device, or a plain no. The address is left at once either way."""
    joining = _open(request)
    query = request.query
    answer = {name: query[name] for name in _ANSWER if len(query.getall(name, ())) == 1}
    if any(len(query.getall(name, ())) > 1 or len(query.get(name, "")) > LONGEST for name in _ANSWER):
        raise no.SignOnUnknown
    cookie = cookies.anew(request[SESSION])
    try:
        signed = await joining.finish(_browser(request), answer, token_hash(cookies.secret_of(cookie)))
    except no.Refusal as refusal:
        return _page(request, "again", 409, refusal.sentence)
    if signed is not None:
        raise web.HTTPSeeOther(f"/recover/code?{urlencode({'signed_on': signed})}")
    response = web.HTTPSeeOther("/enrol")
    cookies.keep(response, cookie)
    raise response


def _open(request: web.Request) -> Joining:
    joining = request.app[JOINING]
    if not joining.is_open:
        raise no.JoiningClosed
    return joining


def _browser(request: web.Request) -> str:
    return token_hash(cookies.secret_of(request[SESSION].cookie))


def _page(
    request: web.Request, step: str, status: int = 200, sentence: str = "", address: str = "", host: str = ""
) -> web.Response:
    session: Session = request[SESSION]
    owner = session.person.name if session.person else ""
    context = {"step": step, "sentence": sentence, "address": address, "host": host, "owner": owner}
    return render(request, "join.html", status, **context)
