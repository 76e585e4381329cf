"""Every page in every state, with pretend people: HTML files to open, and screenshots to look at.

    python -m tests.browser.preview FOLDER [NAME …]

writes FOLDER/NAME.html, and light, dark and narrow pictures of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bot.cards import Card, CodesLine
from bot.facts import device_lines, question
from bot.reading import Beside
from bot.times import moment
from bot.views import form, mark, request_card
from bot.words import LAPSED
from flows.errors import NotRecovered
from flows.model import Cause, Method, Mode, Playbook, Request, Stage
from flows.registration import Authenticator, Device, Registration
from tests.bot.people import (
    ACCESS,
    CHOSEN,
    EVE,
    LOST,
    MAYA,
    NINA,
    NOW,
    OMAR,
    PEOPLE,
    PHASED,
    RAVI,
    RESET,
    WHY,
    a_request,
    looked_up,
)

WEB = Path(__file__).resolve().parents[2] / "bot" / "web"
PHONE = Device("d-1", MAYA, "Maya's phone", "", NOW - timedelta(days=80))
LAPTOP = Device("d-2", MAYA, "Work laptop", "", NOW - timedelta(days=12))
BOTH = frozenset(Method)


@cache
def environment() -> Environment:
    """Templates as the pages use them: escaped, and strict about names nobody gave."""
    loader = FileSystemLoader(WEB / "templates")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def qr(text: str) -> Markup:
    """A QR code as inline SVG without any style attribute."""
    return Markup(segno.make(text, error="m").svg_inline(border=4, omitsize=True))  # noqa: S704  made by us


def device_of(viewer: str) -> Device:
    """The device that somebody reads the page on."""
    return replace(PHONE, name=f"{PEOPLE[viewer].name.split()[0]}'s phone")


def frame(viewer: str | None = MAYA) -> dict[str, Any]:
    return {
        "csrf": "preview",
        "now": NOW,
        "person": PEOPLE[viewer] if viewer else None,
        "device": device_of(viewer) if viewer else None,
        "joins": True,
        "signing": "",
    }


def card(request: Request, playbook: Playbook, viewer: str, **beside: Any) -> Card:
    known = Beside(
        texts=WHY if playbook is ACCESS else {},
        selected=looked_up(playbook),
        rules=("own account", "known device"),
        audit=4312,
    )
    return request_card(request, playbook, PEOPLE, viewer, NOW, replace(known, **beside))


def request_page(
    request: Request, playbook: Playbook, viewer: str, **more: Any
) -> tuple[str, dict[str, Any]]:
    beside = Beside(texts=WHY if playbook is ACCESS else {}, selected=looked_up(playbook))
    context = {
        **frame(viewer),
        "card": card(request, playbook, viewer, **more.pop("beside", {"methods": BOTH})),
        "lines": question(request, playbook, PEOPLE, viewer, NOW, beside),
        "mark": mark(request),
        "error": "",
        "errors": {},
        "typed": {},
        "again": f"/ask/{playbook.name}",
        "account": "",
        **more,
    }
    return "request.html", context


def pages() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, template and context of each state worth looking at."""

    def one(name: str, page: tuple[str, dict[str, Any]]) -> tuple[str, str, Mapping[str, Any]]:
        return name, *page

    reset = {stage: a_request(RESET, stage) for stage in Stage}
    access = {stage: a_request(ACCESS, stage) for stage in Stage}
    yield one("request-confirm", request_page(reset[Stage.AWAITING_PROOF], RESET, MAYA))
    wrong = {
        "errors": {
            "code": "That code doesn't match. Wait for the next one and type it here; 3 tries are left."
        }
    }
    wrong |= {"typed": {"number": "482 913"}}
    yield one("request-confirm-wrong-code", request_page(reset[Stage.AWAITING_PROOF], RESET, MAYA, **wrong))
    only = {"beside": {"methods": frozenset({Method.CODE})}}
    yield one("request-confirm-code-only", request_page(reset[Stage.AWAITING_PROOF], RESET, MAYA, **only))
    yield one("request-confirm-access", request_page(access[Stage.AWAITING_PROOF], ACCESS, MAYA))
    theirs = a_request(RESET, Stage.AWAITING_PROOF, requester=RAVI)
    number = {"beside": {"number": "482913"}}
    yield one("request-waiting-number", request_page(theirs, RESET, RAVI, **number))
    yield one("request-confirm-for-agent", request_page(theirs, RESET, MAYA))
    yield one("request-approve", request_page(access[Stage.AWAITING_APPROVAL], ACCESS, OMAR))
    yield one("request-waiting-approval", request_page(access[Stage.AWAITING_APPROVAL], ACCESS, MAYA))
    lost = a_request(LOST, Stage.AWAITING_OBJECTION, requester=RAVI, approved=(OMAR,))
    yield one("request-object", request_page(lost, LOST, MAYA))
    yield one("request-object-manager", request_page(lost, LOST, OMAR))
    hurry = {"beside": {"methods": BOTH, "selected": {"role:security": frozenset({NINA})}}}
    yield one("request-hurry", request_page(lost, LOST, NINA, **hurry))
    yield one("request-waiting-objection", request_page(lost, LOST, RAVI))
    stopped = a_request(LOST, Stage.DENIED, requester=RAVI, approved=(OMAR,))
    yield one("request-objected", request_page(stopped, LOST, MAYA))
    yield one("request-being-made", request_page(reset[Stage.AWAITING_FULFILMENT], RESET, MAYA))
    choosing = a_request(CHOSEN, Stage.AWAITING_PASSWORD)
    here = {"beside": {"device": "d-1"}, "account": "maya"}
    yield one("request-choose", request_page(choosing, CHOSEN, MAYA, **here))
    short = "That password can't be used. Choose another one. It is too short: use at least 15 characters."
    wrong = {**here, "errors": {"password": short}}
    yield one("request-choose-wrong", request_page(choosing, CHOSEN, MAYA, **wrong))
    refused = replace(choosing, cause=Cause.POLICY)
    yield one("request-choose-refused", request_page(refused, CHOSEN, MAYA, **here))
    yield one("request-secret-waiting", request_page(reset[Stage.AWAITING_COLLECTION], RESET, MAYA))
    other = {"beside": {"device": "d-2"}}
    yield one(
        "request-secret-elsewhere", request_page(reset[Stage.AWAITING_COLLECTION], RESET, MAYA, **other)
    )
    yield one("request-handed-over", request_page(reset[Stage.AWAITING_OPERATOR], RESET, MAYA))
    yield one("request-operator", request_page(reset[Stage.AWAITING_OPERATOR], RESET, RAVI))
    done = a_request(ACCESS, Stage.FULFILLED, approved=(OMAR,))
    yield one("request-done", request_page(done, ACCESS, MAYA))
    lapsed = replace(reset[Stage.FULFILLED], reason=LAPSED)
    yield one("request-secret-lapsed", request_page(lapsed, RESET, MAYA))
    observed = a_request(PHASED, Stage.OBSERVED)
    yield one("request-over-observed", request_page(observed, PHASED, MAYA))
    offered = replace(a_request(PHASED, Stage.AWAITING_PROOF), mode=Mode.OFFER)
    yield one("request-confirm-offered", request_page(offered, PHASED, MAYA))
    for stage in (Stage.DENIED, Stage.CANCELLED, Stage.EXPIRED, Stage.DISOWNED, Stage.LOCKED, Stage.FAILED):
        playbook = ACCESS if stage is Stage.DENIED else RESET
        yield one(f"request-{stage.value}", request_page(a_request(playbook, stage), playbook, MAYA))
    late = {"error": "That confirmation took too long. Start it again on your device page."}
    yield one("request-confirm-refused", request_page(reset[Stage.AWAITING_PROOF], RESET, MAYA, **late))

    mine = [card(reset[Stage.AWAITING_PROOF], RESET, MAYA)]
    waiting = [card(access[Stage.AWAITING_APPROVAL], ACCESS, MAYA)]
    past = (("CS-2J8VD", Stage.FULFILLED), ("CS-9QW4T", Stage.EXPIRED))
    recent = [card(replace(a_request(RESET, stage), id=id), RESET, MAYA) for id, stage in past]
    home = {
        **frame(),
        "mine": mine,
        "waiting": waiting,
        "recent": recent,
        "offers": [RESET, ACCESS],
    }
    yield "home", "home.html", home
    yield "home-empty", "home.html", {**home, "mine": [], "waiting": [], "recent": [], "offers": []}

    over = card(reset[Stage.FULFILLED], RESET, MAYA)
    secret = {**frame(), "card": over, "kind": "temporary_password", "secret": "Teal-Otter-91-Quarry-Kite"}
    secret |= {"qr": "", "name": "Maya Lindqvist", "mine": True, "steps": []}
    yield "secret-password", "secret.html", secret
    link = "https://desk.example.com/enrol#vK2o9sXw3mQe7Rk1Tn5bYc8uHd0aLf4gZj6pSi2oUxE"
    enrolment = {
        "kind": "enrolment_link",
        "secret": link,
        "qr": qr(link),
        "name": "Nina Okafor",
        "mine": False,
    }
    yield "secret-link", "secret.html", {**secret, **enrolment}
    ten = "\n".join(f"7F3K-Q2M9-XB4T-{number:04}" for number in range(1010, 1020))
    yield "secret-codes", "secret.html", {**secret, "kind": "recovery_codes", "secret": ten}

    ask = {**frame(), "playbook": ACCESS, "before": "", "inputs": form(ACCESS, {}, {}), "error": ""}
    yield "ask", "ask.html", ask
    typed = {"group": "payroll", "ticket": "FIN-204"}
    wrong_form = {
        "until": "Choose for how long you need it.",
        "justification": "Say in a few words why it is needed.",
    }
    yield "ask-errors", "ask.html", {**ask, "inputs": form(ACCESS, typed, wrong_form)}

    closed = "You have a request like this already. Cancel it first, or wait for its end."
    yield "ask-refused", "ask.html", {**ask, "inputs": form(ACCESS, typed, {}), "error": closed}

    until = moment(NOW + timedelta(minutes=52), NOW, "Europe/Stockholm")
    enrol = {
        **frame(None),
        "owner": "Nina Okafor",
        "until": until,
        "name": "",
        "qr": "",
        "key": "",
        "error": "",
        "errors": {},
        "alone": False,
        "here": "",
        "settles": None,
    }
    yield "enrol-begin", "enrol.html", {**enrol, "step": "begin"}
    yield "enrol-device", "enrol.html", {**enrol, "step": "device", "name": "Nina's phone"}
    seed = qr("otpauth://totp/Countersign:nina?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Countersign")
    app = {**enrol, "step": "app", "qr": seed, "key": "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"}
    yield "enrol-app", "enrol.html", app
    yield "enrol-app-alone", "enrol.html", {**app, "alone": True, "name": "Nina's phone"}
    mistyped = {
        "code": "That isn't the app's current code. Check the phone's clock, then type the next code.",
        "name": "A device's name has between 1 and 40 characters. Choose another.",
    }
    yield "enrol-app-alone-errors", "enrol.html", {**app, "alone": True, "errors": mistyped}
    more = {**enrol, **frame(NINA), "here": "Nina's laptop", "name": "Nina's security key"}
    yield "enrol-more", "enrol.html", {**more, "step": "begin"}
    yield "enrol-more-name", "enrol.html", {**more, "step": "device"}
    yield "enrol-done", "enrol.html", {**enrol, **frame(NINA), "step": "done", "name": "Nina's phone"}

    new = {**enrol, **frame(NINA), "step": "done", "name": "Nina's phone"}
    settles = moment(NOW + timedelta(hours=72), NOW, "Europe/Stockholm")
    yield "enrol-done-new", "enrol.html", {**new, "settles": settles}

    join = {**frame(None), "sentence": "", "address": "", "host": "", "owner": ""}
    yield "join", "join.html", {**join, "step": "welcome"}
    yield "join-registered", "join.html", {**join, **frame(), "step": "welcome", "owner": "Maya Lindqvist"}
    there = {"address": "https://login.example.com/authorize?state=x", "host": "login.example.com"}
    yield "join-leaving", "join.html", {**join, **there, "step": "leaving"}
    late = "That sign-on took longer than ten minutes, so it doesn't count. Begin again here."
    yield "join-again", "join.html", {**join, "step": "again", "sentence": late}

    passkey = Authenticator(
        "a-1", MAYA, "d-1", Method.PASSKEY, b"", 0, NOW, used_at=NOW - timedelta(minutes=4)
    )
    others = (
        replace(passkey, id="a-2", method=Method.CODE, used_at=None),
        replace(passkey, id="a-3", device="d-2", used_at=NOW - timedelta(days=3), synced=True),
        replace(passkey, id="a-4", device="d-2", used_at=None, synced=False, name="Key on my key ring"),
    )
    registration = Registration(MAYA, (PHONE, LAPTOP), (passkey, *others))
    lines = device_lines(registration, PEOPLE[MAYA], "d-1", NOW)
    devices = {
        **frame(),
        "devices": lines,
        "codes": CodesLine(2, 10, moment(NOW - timedelta(days=40), NOW, "Europe/Stockholm")),
        "accounts": {"slack/T0ACME/U0MAYA": "Maya Lindqvist (@maya) in Slack"},
        "alone": True,
        "add": "/ask/add_device",
        "push": {"key": "", "on": False},
        "error": "",
        "errors": {},
        "typed": {},
        "done": "",
    }
    yield "devices", "devices.html", devices
    bad = {
        "errors": {"d-2": "A device's name has between 1 and 40 characters. Choose another."},
        "typed": {"d-2": ""},
    }
    yield "devices-error", "devices.html", {**devices, **bad}
    yield (
        "devices-renamed",
        "devices.html",
        {**devices, "devices": lines[:1], "done": "Old tablet was removed."},
    )
    for shown in ("off", "on", "blocked", "unsupported"):
        notify = {"push": {"key": "B" + "A" * 86, "on": shown == "on"}, "shown": shown}
        yield f"devices-notify-{shown}", "devices.html", {**devices, "devices": lines[:1], **notify}
    yield (
        "devices-empty",
        "devices.html",
        {**devices, "devices": (), "accounts": {}, "codes": None, "add": ""},
    )

    sure = {**frame(), "card": mine[0], "back": "/requests/CS-7F3KQ", "hidden": {}, "weight": "danger"}
    disown = {"heading": "You didn't ask for this?", "action": "Stop it and tell security"}
    yield "confirm-disown", "confirm.html", {**sure, **disown, "sentence": mine[0].buttons[-1].confirm}
    remove = {"card": None, "heading": "Remove Work laptop?", "action": "Remove it", "back": "/devices"}
    loses = "It can't confirm anything from then on. To use it again, you'd have to add it again."
    yield "confirm-remove", "confirm.html", {**sure, **remove, "sentence": loses}
    one = {**remove, "heading": "Remove this passkey?"}
    loses = "“Key on my key ring, on Work laptop” can't confirm anything any more. “Work laptop” stays registered "
    loses += "with its other passkeys. You confirm it with your passkey next."
    yield "confirm-remove-passkey", "confirm.html", {**sure, **one, "sentence": loses}

    yield "moment", "moment.html", frame(None)
    yield "welcome", "welcome.html", {**frame(None), "onward": "/requests/CS-7F3KQ"}
    there = {"address": "https://login.example.com/authorize", "host": "login.example.com"}
    plain = {"step": "form", "sign_on": True, "signed_on": "", **there}
    yield "recover", "recover.html", {**frame(None), **plain, "account": "", "error": ""}
    wrong = {"account": "maya.lindqvist", "error": NotRecovered().sentence}
    yield "recover-error", "recover.html", {**frame(None), **plain, **wrong}
    yield "recover-code", "recover.html", {**frame(None), **plain, **wrong, "step": "code"}
    yield "recover-leaving", "recover.html", {**frame(None), **plain, "error": "", "step": "leaving"}
    none = {"heading": "", "sentence": "", "back": "", "label": "", "retry": 0}
    for status in (403, 404, 405, 413, 429, 500):
        yield f"message-{status}", "message.html", {**frame(EVE), **none, "status": status, "retry": 300}


def render(name: str, template: str, context: Mapping[str, Any], folder: Path) -> Path:
    """One page as a file that finds its style sheet without a server."""
    html = environment().get_template(template).render(context)
    html = html.replace(" data-show", "")  # stay, to be looked at
    if shown := context.get("shown"):  # what push.js would find out of a browser, said by us
        html = html.replace(f'data-state="{shown}" hidden', f'data-state="{shown}"')
        html = html.replace('<script src="/static/push.js" defer></script>', "")
    path = folder / f"{name}.html"
    path.write_text(html.replace('"/static/', f'"{(WEB / "static").as_uri()}/'), encoding="utf-8")
    return path


async def shoot(paths: list[Path]) -> None:
    """Light, dark and narrow pictures beside each file; says where a page is wider than a phone."""
    from tests.peers.chromium import running

    looks = {
        "light": {"color_scheme": "light", "viewport": {"width": 1024, "height": 760}},
        "dark": {"color_scheme": "dark", "viewport": {"width": 1024, "height": 760}},
        "narrow": {
            "color_scheme": "light",
            "viewport": {"width": 360, "height": 740},
            "device_scale_factor": 2,
        },
    }
    async with running() as browser:
        for look, options in looks.items():
            page = await (await browser.new_context(**options, reduced_motion="no-preference")).new_page()
            page.on("pageerror", lambda error: print(f"script: {error}"))  # noqa: T201
            for path in paths:
                await page.goto(path.as_uri())
                await page.screenshot(path=path.with_name(f"{path.stem}.{look}.png"), full_page=True)
                wide, view = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                if wide > view:
                    print(f"{path.stem} is {wide} wide in {look}")  # noqa: T201


def main(folder: str, *names: str) -> None:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = [render(*page, target) for page in pages() if not names or page[0] in names]
    asyncio.run(shoot(paths))


if __name__ == "__main__":
    main(*sys.argv[1:])
