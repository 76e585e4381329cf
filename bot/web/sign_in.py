"""Signing in again: a device's own passkey renews its cookie and binds this browser's key."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta

from aiohttp import web

import flows.errors as no
from bot.web import session as cookies
from bot.web.page import HOUSE, json_body, render
from bot.web.proofs import usable_point
from bot.web.session import SESSION, Session, browser_of
from flows.authority import Evidence
from flows.digest import key_name, passkey_challenge, sign_in_digest
from flows.model import Checked
from handlers.house import House
from handlers.ports import Question
from handlers.verifiers.passkey import credential_id
from storage.seals import token_hash

routes = web.RouteTableDef()

SIGN_IN = timedelta(minutes=2)


@routes.get("/sign-in")
async def welcome(request: web.Request) -> web.Response:
    """This browser isn't known: sign in with its passkey."""
    return render(request, "welcome.html", onward=_onward(request.query.get("onward", "/")))


@routes.post("/sign-in/begin")
async def sign_in_options(request: web.Request) -> web.Response:
    """A challenge for whichever passkey this browser has."""
    house, session = request.app[HOUSE], request[SESSION]
    key = key_name(usable_point((await json_body(request)).get("key")))
    challenge = passkey_challenge(_nonces(house, session)[0], sign_in_digest(browser_of(session), key))
    asked = await house.passkeys.ask_anyone(challenge)
    return web.json_response({"publicKey": asked})


@routes.post("/sign-in/finish")
async def signed_in(request: web.Request) -> web.Response:
    """The passkey's own device gets a fresh cookie, and this browser's key, which its passkey signed for."""
    house, session = request.app[HOUSE], request[SESSION]
    body = await json_body(request)
    browser_key = usable_point(body.get("key"))
    answer = json.dumps(body.get("credential"))
    key = await house.registry.authenticator(credential_id(answer) or "")
    owner = await house.people.person(key.person) if key else None
    if key is None or owner is None or not owner.active:
        raise no.UnknownDevice
    now, digest = house.store.clock(), sign_in_digest(browser_of(session), key_name(browser_key))
    for nonce in _nonces(house, session):
        question = Question(key.person, nonce, digest, [key])
        verdict = await house.passkeys.check(question, {"credential": answer}, now)
        if verdict.alarm:
            await house.desk.alarm(verdict.alarm, key.person)
        checked = verdict.answer
        if isinstance(checked, Checked) and verdict.used is not None:
            cookie = cookies.new_cookie(key.device)
            evidence = Evidence(
                nonce,
                f"sign-in:{nonce[:16]}",
                "sign_in",
                key.person,
                checked.method,
                checked.assurance,
                digest,
                key.device,
                key.id,
                now,
                now + SIGN_IN,
                verdict.signed or {},
            )
            secret = token_hash(cookies.secret_of(cookie))
            await house.registry.sign_in(verdict.used, evidence, secret, browser_key)
            onward = _onward(str(body.get("onward", "/")))
            response = web.json_response({"location": onward, "key": key_name(browser_key)})
            cookies.keep(response, cookie)
            return response
    raise no.UnknownDevice


def _nonces(house: House, session: Session) -> list[str]:
    """This two-minute slot's nonce of this browser and the one before: no state to keep, and used at most once."""
    slot = int(house.store.clock().timestamp() // SIGN_IN.total_seconds())
    key = house.store.keys.derive("sign-in nonce")
    return [hmac.digest(key, f"{browser_of(session)}:{n}".encode(), "sha256").hex() for n in (slot, slot - 1)]


def _onward(path: str) -> str:
    """A place on our own pages, whatever somebody put into the link."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"
