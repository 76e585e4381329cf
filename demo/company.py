"""A pretend company in a box: people, their directory, their registered devices, and a page to be any of them."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pyotp
from aiohttp import web
from rich.console import Console
from rich.text import Text

from bot.web import session as cookies
from bot.web.page import PAGES, render
from demo import directory
from demo.directory import DemoDirectory
from flows.model import Method
from flows.registration import Authenticator, Device
from handlers.house import House, seed_binding
from handlers.settings import Settings, load_settings, new_secret
from storage.seals import token_hash

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Visitor:
    """One of the people a visitor can be: the cookie of their device and their sign-in app's key."""

    id: str
    name: str
    about: str
    cookie: str
    seed: str

    @property
    def code(self) -> str:
        """What their sign-in app shows now."""
        return pyotp.TOTP(self.seed).now()


_ABOUT = {
    "maya": "an employee who forgot her password",
    "omar": "her manager",
    "nina": "an administrator",
    "sam": "the other administrator",
    "ravi": "an agent of the service desk",
    "eve": "trouble",
}


def settle(folder: Path, port: int, *, reset: bool) -> tuple[Settings, DemoDirectory]:
    """The demo's own settings and directory, kept in one folder. `reset` begins anew."""
    if reset and (folder / "demo.json").exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    notes = folder / "demo.json"
    if not notes.exists():
        notes.write_text(json.dumps({"secret_key": new_secret(), "people": []}))
        notes.chmod(0o600)
    home = folder.resolve()
    settings = load_settings(
        database_url=f"sqlite:///{home}/desk.db",
        public_url=f"http://localhost:{port}",
        bind=f"127.0.0.1:{port}",
        secret_key=(json.loads(notes.read_text())["secret_key"],),
        socket=home / "desk.sock",
        config=None,
        trusted_proxies=(),
        log_format="console",
    )
    return settings, directory.create(home / "directory.db")


async def register(house: House, folder: Path) -> list[Visitor]:
    """Everybody's device, bound through an enrolment link like any other; done once and then remembered."""
    notes = folder / "demo.json"
    kept = json.loads(notes.read_text())
    if not kept["people"]:
        kept["people"] = [await _enrolled(house, person.id) for person in await house.people.people()]
        notes.write_text(json.dumps(kept))
    found = []
    for entry in kept["people"]:
        person = await house.people.person(entry["id"])
        if person is not None:
            found.append(Visitor(**entry, name=person.name, about=_ABOUT.get(person.id, "an employee")))
    return sorted(found, key=lambda visitor: list(_ABOUT).index(visitor.id) if visitor.id in _ABOUT else 99)


async def _enrolled(house: House, person: str) -> dict[str, str]:
    token, browser = await house.registry.first_link(person), secrets.token_urlsafe(32)
    invitation = await house.registry.open_invitation(token, browser)
    seed, now = secrets.token_bytes(20), house.store.clock()
    id = secrets.token_urlsafe(16)
    cookie = cookies.new_cookie(id)
    device = Device(id, person, "Demo phone", token_hash(cookies.secret_of(cookie)), now)
    sealed = house.store.keys.close(seed, seed_binding(person))
    key = Authenticator("app-" + secrets.token_urlsafe(16), person, id, Method.CODE, sealed, 0, now)
    await house.registry.enrol(invitation.id, token_hash(browser), device, key)
    return {"id": person, "cookie": cookie, "seed": base64.b32encode(seed).decode()}


VISITORS: web.AppKey[list[Visitor]] = web.AppKey("visitors", list)


def add_pages(app: web.Application, people: list[Visitor]) -> None:
    """The page on which a visitor chooses who to be. It exists in the demo alone."""
    app[VISITORS] = people
    pages = app[PAGES]
    assert pages.loader is not None  # noqa: S101  the pages have one, or nothing could be drawn
    pages.loader = jinja2.ChoiceLoader([pages.loader, jinja2.FileSystemLoader(_HERE / "templates")])
    app.router.add_get("/demo", _choose)
    app.router.add_post("/demo/be/{person}", _be)


async def _choose(request: web.Request) -> web.Response:
    return render(request, "demo.html", visitors=request.app[VISITORS])


async def _be(request: web.Request) -> web.Response:
    chosen = next((v for v in request.app[VISITORS] if v.id == request.match_info["person"]), None)
    if chosen is None:
        raise web.HTTPNotFound
    response = web.HTTPSeeOther("/")
    cookies.keep(response, chosen.cookie)
    raise response


def welcome(settings: Settings, out: Console) -> None:
    """What a visitor reads in the terminal."""
    python = _near(Path(sys.executable))
    program = python.name if python.is_absolute() else python
    out.print(
        Text.assemble(
            ("\n  Countersign, with a pretend company\n\n", "bold"),
            "  Open  ",
            (f"{settings.public_url}/demo", "underline"),
            "  and choose who to be.\n\n  Or ask from a second terminal in this folder:\n\n",
            f"    export COUNTERSIGN_SOCKET={shlex.quote(str(_near(settings.socket_path)))}\n",
            f"    {program} app.py request password_reset --for maya\n\n",
            f"  Everything it keeps is in {_near(settings.socket_path.parent)}/. Ctrl-C stops it; ",
            "RESET=1 begins anew.\n",
        ),
        soft_wrap=True,
    )


def _near(path: Path) -> Path:
    """A path as it is shortest to type from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
