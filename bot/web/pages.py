"""The pages about requests: start one, confirm it, agree to it, see its secret once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import segno
from aiohttp import web

import flows.errors as no
from bot.asking import SUBJECT, inputs, meant, offers, takes
from bot.views import mark
from bot.web.address import place
from bot.web.page import HOUSE, asked_on, begun, drawing, json_body, reader, render, request_name, seen_by
from flows.commands import Cancel, Command, Deny, Disown, GiveUp, Object, Retry
from flows.events import ChallengeFailed, LockedOut
from flows.model import LIMITS, Method, Playbook, Request, SecretKind, Stage, Wrong
from flows.proving import usable
from handlers.desk import Decision

routes = web.RouteTableDef()

# -- the start ----------------------------------------------------------------------------------


@routes.get("/")
async def home(request: web.Request) -> web.Response:
    """Where a person starts: what waits for them, for others, and what they can ask for."""
    house, (person, device) = request.app[HOUSE], reader(request)
    found = await house.desk.before(person)
    cards = [(await seen_by(house, one, person, device))[0] for one in found]
    return render(
        request,
        "home.html",
        mine=[card for card in cards if card.moves],
        waiting=[card for card in cards if not card.moves and not card.over],
        recent=[card for card in cards if card.over][:10],
        offers=await offers(house, person),
    )


# -- asking -------------------------------------------------------------------------------------


@routes.get("/ask/{playbook}")
async def ask(request: web.Request) -> web.Response:
    """The form of a playbook, prefilled from the query for "Ask again"."""
    reader(request)
    playbook = _playbook(request)
    return await _form(request, playbook, dict(request.query), {}, "")


@routes.post("/ask/{playbook}")
async def submit(request: web.Request) -> web.Response:
    """Open the request and go to its page. What was typed is kept after an error."""
    house, (person, device) = request.app[HOUSE], reader(request)
    playbook = _playbook(request)
    typed = {name: str(value) for name, value in (await request.post()).items() if name != "csrf"}
    whom = typed.pop(SUBJECT, "").strip() or person.id
    origin = asked_on(house, device)
    try:
        subject = await meant(house, whom)
        opened = await house.desk.open(playbook.name, person.id, subject, typed, origin, place=place(request))
    except no.WrongAnswer as refusal:
        errors = {refusal.field: refusal.sentence} if refusal.field else {}
        error = "" if refusal.field else refusal.sentence
        return await _form(request, playbook, {**typed, SUBJECT: whom}, errors, error)
    except no.Refusal as refusal:
        return await _form(request, playbook, {**typed, SUBJECT: whom}, {}, refusal.sentence)
    raise web.HTTPSeeOther(await begun(house, opened))


def _playbook(request: web.Request) -> Playbook:
    found = request.app[HOUSE].playbooks.by_name.get(request.match_info["playbook"])
    if found is None:
        raise no.UnknownPlaybook
    return found


async def _form(
    request: web.Request, playbook: Playbook, typed: Mapping[str, str], errors: Mapping[str, str], error: str
) -> web.Response:
    house, (person, _) = request.app[HOUSE], reader(request)
    fields = await inputs(house, playbook, person, typed, errors)
    status = 422 if errors or error else 200
    return render(
        request, "ask.html", status, playbook=playbook, inputs=fields, error=error, before=takes(playbook)
    )


# -- one request --------------------------------------------------------------------------------


@routes.get("/requests/{id}")
async def show(request: web.Request) -> web.Response:
    """One request, for whoever may see it. Strangers aren't told whether it exists."""
    reader(request)
    return await _page(request, await request.app[HOUSE].desk.get(_id(request)))


@routes.get("/requests/{id}/state")
async def state(request: web.Request) -> web.Response:
    """What a waiting page asks once in a while: has anything changed?"""
    house, (person, device) = request.app[HOUSE], reader(request)
    found = await house.desk.get(_id(request))
    await seen_by(house, found, person, device)
    return web.json_response({"mark": mark(found), "closed": found.stage.closed})


@routes.post("/requests/{id}/passkey/begin")
async def passkey_begin(request: web.Request) -> web.Response:
    """A fresh challenge, bound to this request, for the passkeys of whoever asks."""
    house, (person, _) = request.app[HOUSE], reader(request)
    _, asked = await house.desk.begin(_id(request), person.id, Method.PASSKEY)
    return web.json_response({"publicKey": asked})


@routes.post("/requests/{id}/passkey/finish")
async def passkey_finish(request: web.Request) -> web.Response:
    """The passkey's answer."""
    reader(request)
    answer = {"credential": json.dumps((await json_body(request)).get("credential"))}
    decision = await _answer(request, Method.PASSKEY, answer)
    if (wrong := _wrong(decision)) is not None and LockedOut not in decision:
        return web.json_response({"error": wrong_answer(wrong)})
    return web.json_response({"location": f"/requests/{decision.request.id}"})


@routes.post("/requests/{id}/code")
async def code(request: web.Request) -> web.Response:
    """The number from where it was asked, and the sign-in app's code."""
    reader(request)
    typed = await request.post()
    number, digits = str(typed.get("number", "")), str(typed.get("code", ""))
    try:
        decision = await _answer(request, Method.CODE, {"number": number, "code": digits})
    except _GOES_ON as refusal:
        return await _stepped_up(request, refusal, number)
    wrong = _wrong(decision)
    if wrong is None or LockedOut in decision:
        raise web.HTTPSeeOther(f"/requests/{decision.request.id}")
    errors = {wrong.wrong.value: wrong_answer(wrong)}
    return await _page(request, decision.request, status=422, errors=errors, typed={"number": number})


# What ends an answer but not the request: another way to confirm it may stand on the very same page.
_GOES_ON = (no.ProofTooWeak, no.CodesRest, no.UsedAlready, no.ChallengeExpired, no.NoChallenge)


async def _stepped_up(request: web.Request, refusal: no.Refusal, number: str) -> web.Response:
    """The page once more, saying which stronger method to use, with its button. Raises the refusal for all others."""
    house, (person, _) = request.app[HOUSE], reader(request)
    found = await house.desk.get(_id(request))
    if found.prover != person.id or found.stage is not Stage.AWAITING_PROOF:
        raise refusal
    registered = (await house.registry.registration(person.id)).methods
    good = usable(await house.desk.playbook_of(found), registered)
    if Method.CODE not in good:
        refusal = no.ProofTooWeak() if good else no.StrongerProofNeeded()
    sentence = refusal.sentence
    if Method.PASSKEY in good:
        sentence += " Its button is right here, and nothing that you asked for is lost."
    return await _page(request, found, status=409, error=sentence, typed={"number": number})


async def _answer(request: web.Request, method: Method, answer: Mapping[str, str]) -> Decision:
    house, (person, device) = request.app[HOUSE], reader(request)
    return await house.desk.answer(_id(request), person.id, device.id, method, answer)


_WRONG = {
    Wrong.NUMBER: "That isn't the number that stands where this was asked.",
    Wrong.CODE: "That isn't your sign-in app's current code. Wait for the next one, then type it.",
    Wrong.PASSKEY: "That passkey's answer couldn't be used. Try again, with the passkey of this account.",
}


def wrong_answer(failed: ChallengeFailed) -> str:
    """What didn't match and how many tries are left."""
    rest = LIMITS[failed.wrong] - failed.count
    return (
        f"{_WRONG[failed.wrong]} {rest} tries left." if rest != 1 else f"{_WRONG[failed.wrong]} One try left."
    )


def _wrong(decision: Decision) -> ChallengeFailed | None:
    return next((event for event in decision.events if isinstance(event, ChallengeFailed)), None)


@routes.post("/requests/{id}/password")
async def password(request: web.Request) -> web.Response:
    """The new password, typed twice. It is never shown again, here or anywhere."""
    house, (person, device) = request.app[HOUSE], reader(request)
    typed = await request.post()
    chosen, again = str(typed.get("password", "")), str(typed.get("again", ""))
    try:
        decision = await house.desk.choose(_id(request), person.id, device.id, chosen, again)
    except no.UnfitPassword as refusal:
        found = await house.desk.get(_id(request))
        return await _page(request, found, status=422, errors={refusal.field: refusal.sentence})
    raise web.HTTPSeeOther(f"/requests/{decision.request.id}")


@routes.post("/requests/{id}/secret")
async def secret(request: web.Request) -> web.Response:
    """The secret, in this one answer and nowhere else."""
    house, (person, device) = request.app[HOUSE], reader(request)
    shown = await house.desk.show_secret(_id(request), person.id, device.id)
    found = await house.desk.get(_id(request))
    card, _, playbook, _ = await seen_by(house, found, person, device)
    link = playbook.secret is SecretKind.ENROLMENT_LINK
    if link:
        shown = f"{house.settings.public_url}/enrol/{shown}"
    subject = await house.people.person(found.subject)
    return render(
        request,
        "secret.html",
        card=card,
        kind=playbook.secret.value,
        secret=shown,
        qr=drawing(segno.make(shown, error="m").svg_inline(border=4, omitsize=True)) if link else "",
        name=subject.name if subject else found.subject,
        mine=found.subject == person.id,
        steps=[],
    )


# -- what asks first ------------------------------------------------------------------------------

_ACTIONS: Mapping[str, type[Disown | Cancel | Deny | Object | GiveUp]] = {
    "disown": Disown,
    "cancel": Cancel,
    "deny": Deny,
    "object": Object,
    "give_up": GiveUp,
}
_QUESTIONS = {
    "disown": ("You didn't ask for this?", "Stop it and tell security"),
    "cancel": ("Cancel this request?", "Cancel it"),
    "deny": ("Deny this request?", "Deny it"),
    "object": ("Object to this?", "Object: stop it now"),
    "give_up": ("Close it as not made?", "Close it"),
}
_WARNING = (
    "Whoever told you to confirm it may be after your account: the desk never asks you to confirm what you didn't "
    "ask for."
)


@routes.get("/requests/{id}/{action:disown|cancel|deny|object|give_up}")
async def are_you_sure(request: web.Request) -> web.Response:
    """The consequence once more, before it happens."""
    house, (person, device) = request.app[HOUSE], reader(request)
    found = await house.desk.get(_id(request))
    card, *_ = await seen_by(house, found, person, device)
    action = request.match_info["action"]
    button = card.button(action)
    if button is None:
        raise web.HTTPSeeOther(f"/requests/{found.id}")
    heading, label = _QUESTIONS[action]
    sentence = f"{_WARNING} {button.confirm}" if action == "disown" else button.confirm
    weight = "primary" if action == "cancel" else "danger"
    context = {
        "card": card,
        "heading": heading,
        "sentence": sentence,
        "action": label,
        "weight": weight,
    }
    return render(request, "confirm.html", **context, back=f"/requests/{found.id}", hidden={})


@routes.post("/requests/{id}/{action:disown|cancel|deny|object|give_up}")
async def do_it(request: web.Request) -> web.Response:
    """Do it."""
    person, _ = reader(request)
    return await _commanded(request, _ACTIONS[request.match_info["action"]](person.id))


@routes.post("/requests/{id}/retry")
async def retry(request: web.Request) -> web.Response:
    """The role that was handed the case has the worker look again."""
    person, _ = reader(request)
    return await _commanded(request, Retry(person.id))


async def _commanded(request: web.Request, command: Command) -> web.Response:
    decision = await request.app[HOUSE].desk.submit(_id(request), command)
    raise web.HTTPSeeOther(f"/requests/{decision.request.id}")


async def _page(request: web.Request, found: Request, status: int = 200, **context: Any) -> web.Response:
    house, (person, device) = request.app[HOUSE], reader(request)
    card, lines, _, beside = await seen_by(house, found, person, device)
    again = ""
    if found.stage.closed and found.requester == found.subject == person.id:
        again = f"/ask/{found.playbook}"
    filled = {
        "error": "",
        "errors": {},
        "typed": {"number": beside.number},
        "again": again,
        "account": person.account,
        **context,
    }
    return render(request, "request.html", status, card=card, lines=lines, mark=mark(found), **filled)


def _id(request: web.Request) -> str:
    """The request's name. Raises UnknownRequest for what can't be one: nothing of it is looked up or kept."""
    name = request_name(request.match_info["id"])
    if name is None:
        raise no.UnknownRequest
    return name
