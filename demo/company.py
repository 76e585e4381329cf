"""A pretend company in a box: people, their directory, their devices, and the workspace where they chat."""

from __future__ import annotations

import base64
import html
import json
import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from rich.text import Text
from sqlalchemy import delete

from bot.slack_client import PLATFORM
from bot.web import session as cookies
from demo import directory, playground
from demo.directory import DemoDirectory
from demo.systems import DemoSystems
from demo.workspace.guard import local
from demo.workspace.installed import Installed, Pace, asked_for
from demo.workspace.people import COMPANY, HOME, SECURITY
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from flows.digest import key_name
from flows.model import Method
from flows.registration import Authenticator, Device
from handlers.house import House, seed_binding
from handlers.ports import Connector
from handlers.settings import Settings, load_settings, new_secret
from storage.seals import token_hash
from storage.sql import TABLES

_MANIFEST = Path(__file__).parent.parent / "manifest.yml"
SHIPPED = Path(__file__).parent.parent / "playbooks"
_OUTBOX = TABLES["outbox"]
_NEWS = delete(_OUTBOX).where(_OUTBOX.c.key.startswith("news:"))
STEP = 30  # seconds that a sign-in app's code lasts


@dataclass(frozen=True, slots=True)
class Visitor:
    """One of the people a visitor can be: what their device holds, and their sign-in app's key.

    `id` is what they are called here, `person` their id in the directory, `key` the whole key that their browser
    signs with (a JWK, RFC 7517): each visitor's browser is handed it.
    """

    id: str
    cookie: str
    seed: str
    key: Mapping[str, str]
    person: str = ""

    def __post_init__(self) -> None:
        if not self.person:
            object.__setattr__(self, "person", self.id)

    @property
    def code(self) -> str:
        """What their sign-in app shows now."""
        return pyotp.TOTP(self.seed).now()

    @property
    def point(self) -> str:
        """The public half of their browser's key."""
        x, y = (base64.urlsafe_b64decode(self.key[name] + "=") for name in "xy")
        return _text(b"\x04" + x + y)


def settle(
    folder: Path, port: int, *, reset: bool, teams: bool = False, pretend: bool = True
) -> tuple[Settings, DemoDirectory, Workspace]:
    """The demo's own settings, directory and workspace, kept in one folder. `reset` begins anew.

    The workspace is served on `port`, Countersign on the next one, and with `teams` the Playground on the one after.
    The `pretend` directory and the systems beside it can do all that ships; a real directory what directories can.
    """
    if (folder / "demo.json").exists() and (reset or _keyless(folder / "demo.json")):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    notes = folder / "demo.json"
    if not notes.exists():
        tokens = {"bot": f"xoxb-{secrets.token_hex(16)}", "app": f"xapp-{secrets.token_hex(16)}"}
        _keep(notes, {"secret_key": new_secret(), "tokens": tokens, "people": []})
    kept = json.loads(notes.read_text())
    home, page = folder.resolve(), f"http://localhost:{port}"
    settings = load_settings(
        database_url=f"sqlite:///{home}/desk.db",
        public_url=f"http://localhost:{port + 1}",
        bind=f"127.0.0.1:{port + 1}",
        secret_key=(kept["secret_key"],),
        socket=home / "desk.sock",
        config=None,
        trusted_proxies=(),
        log_format="console",
        slack_bot_token=kept["tokens"]["bot"],
        slack_app_token=kept["tokens"]["app"],
        slack_signing_secret=(),
        slack_api_url=f"{page}/api/",
        security_channel=SECURITY.id,
        playbooks=everything(home / "playbooks") if pretend else SHIPPED,
        **(playground.connected(port + 2) if teams else {}),
    )
    manifest: Mapping[str, Any] = yaml.safe_load(_MANIFEST.read_text("utf-8"))
    installed = Installed(
        new_secret(),
        kept["tokens"]["bot"],
        kept["tokens"]["app"],
        pace=Pace(retries=(0.5, 2.0, 10.0)),  # visitors write before the app has connected
        **asked_for(manifest),
    )
    workspace = Workspace(World(home / "workspace.db"), installed, settings.public_url)
    return settings, directory.create(home / "directory.db"), workspace


def everything(folder: Path) -> Path:
    """Everything that ships in one folder, as an operator puts it together who has all of those systems."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (*SHIPPED.glob("*.yaml"), *(SHIPPED / "more").glob("*.yaml")):
        shutil.copy(path, folder)
    shutil.copytree(SHIPPED / "rules", folder / "rules")
    return folder


def systems(pretend: DemoDirectory, folder: Path) -> dict[str, Connector]:
    """The pretend company's systems of record, by the names that playbooks call them."""
    return {
        "directory": pretend,
        "privileged_directory": pretend.privileged,
        "second_factors": pretend,
        "systems": DemoSystems(folder / "systems.json"),
    }


def _keyless(notes: Path) -> bool:
    """Whether these people's phones are from before browsers had keys, so that none of them would open."""
    return any("key" not in entry for entry in json.loads(notes.read_text())["people"])


def _keep(notes: Path, kept: Mapping[str, object]) -> None:
    """Write it down for us alone, wholly or not at all."""
    draft = notes.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(kept))
    draft.replace(notes)


async def register(house: House, folder: Path) -> dict[str, Visitor]:
    """Everybody's device and chat account: the visitors, by their id.

    What is in their hands is remembered first, then registered, so that a start that broke off can be gone on with.
    """
    notes = folder / "demo.json"
    kept = json.loads(notes.read_text())
    if not kept["people"]:
        known = [(each.person, await _known(house, each.person)) for each in COMPANY if each.person]
        kept["people"] = [_hands(name, person) for name, person in known if person]
        _keep(notes, kept)
    visitors = {entry["id"]: Visitor(**entry) for entry in kept["people"]}
    if not kept.get("registered"):
        for visitor in visitors.values():
            await _register(house, visitor)
        await house.store.run(_NEWS)  # nobody has to be told of what was made up for them
        _keep(notes, {**kept, "registered": True})
    for visitor in visitors.values() if house.settings.teams_app_id else ():
        if not await house.accounts.of(visitor.person, playground.PLATFORM):
            await house.accounts.connect(visitor.person, playground.account(visitor.id), "demo")
    return visitors


async def _known(house: House, name: str) -> str:
    """Somebody's id in the directory, which may be their name here or have their account called so; or empty."""
    if await house.people.person(name):
        return name
    found = await house.people.called(name)
    return found[0].id if len(found) == 1 else ""


async def _register(house: House, visitor: Visitor) -> None:
    if not (await house.registry.registration(visitor.person)).devices:
        await _enrol(house, visitor)
    if not await house.accounts.of(visitor.person):
        await house.accounts.connect(visitor.person, f"{PLATFORM}/{HOME.id}/U0{visitor.id.upper()}", "demo")


def _hands(name: str, person: str) -> dict[str, object]:
    """A device's cookie and key, and a sign-in app's key, that nobody has had before."""
    seed = base64.b32encode(secrets.token_bytes(20)).decode()
    cookie = cookies.new_cookie(secrets.token_urlsafe(16))
    return {"id": name, "cookie": cookie, "seed": seed, "person": person, "key": _key()}


def _key() -> dict[str, str]:
    made = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    parts = {"x": made.public_numbers.x, "y": made.public_numbers.y, "d": made.private_value}
    return {"kty": "EC", "crv": "P-256"} | {name: _text(part.to_bytes(32)) for name, part in parts.items()}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def _enrol(house: House, visitor: Visitor) -> None:
    """Register their device through an enrolment link, like any other."""
    token, browser = await house.registry.first_link(visitor.person), secrets.token_urlsafe(32)
    invitation = await house.registry.open_invitation(token, browser)
    now, owner = house.store.clock(), visitor.person
    id, secret = visitor.cookie.partition(".")[0], token_hash(cookies.secret_of(visitor.cookie))
    name = f"{visitor.id.capitalize()}'s phone"
    device = Device(id, owner, name, secret, now, key=visitor.point)
    sealed = house.store.keys.close(base64.b32decode(visitor.seed), seed_binding(owner))
    key = Authenticator("app-" + secrets.token_urlsafe(16), owner, id, Method.CODE, sealed, 0, now)
    await house.registry.enrol(invitation.id, token_hash(browser), device, key)


# -- what the workspace's page asks of the phones: in the demo alone -------------------------------------

PATH = "/demo/"
_HANDED = """<!doctype html>
<html lang="en" {given}>
<head><meta charset="utf-8"><title>One moment · Countersign</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/countersign.css">
<script src="/static/keys.js" defer></script><script src="/demo/hand_over.js" defer></script></head>
<body></body>
</html>
"""
_ONWARD = re.compile(r"/(?![/\\])[!-~]*")  # a path of this site, without what browsers drop from an address
VISITORS: web.AppKey[dict[str, Visitor]] = web.AppKey("visitors", dict)
PAGE: web.AppKey[str] = web.AppKey("page", str)


def add_phones(app: web.Application, visitors: dict[str, Visitor], page: str) -> None:
    """Let the workspace's page, at the origin `page`, hold anybody's phone in a frame and read its codes."""
    app[VISITORS], app[PAGE] = visitors, page
    app.router.add_post(f"{PATH}be/{{person}}", _be)
    app.router.add_get(f"{PATH}code/{{person}}", _code)
    app.router.add_get(f"{PATH}hand_over.js", _script)


async def _be(request: web.Request) -> web.Response:
    """This browser becomes somebody's phone, and opens the page named in `next`."""
    if request.headers.getall("Origin", []) != [request.app[PAGE]]:
        raise web.HTTPForbidden
    onward = request.query.get("next", "/")
    if _ONWARD.fullmatch(onward) is None:
        raise web.HTTPBadRequest
    visitor = _visitor(request)
    now, name = datetime.now(UTC).isoformat(), key_name(visitor.point)
    held = {"now": now, "key": name, "jwk": json.dumps(dict(visitor.key)), "next": onward}
    given = " ".join(f'data-{what}="{html.escape(value)}"' for what, value in held.items())
    response = web.Response(text=_HANDED.replace("{given}", given), content_type="text/html")
    cookies.keep(response, visitor.cookie)
    return response


async def _script(request: web.Request) -> web.FileResponse:
    """What takes the key in."""
    return web.FileResponse(Path(__file__).with_name("hand_over.js"))


async def _code(request: web.Request) -> web.Response:
    """What somebody's sign-in app shows now, and for how many seconds still."""
    body = {"code": _visitor(request).code, "seconds": STEP - time.time() % STEP}
    return web.json_response(body, headers={"Access-Control-Allow-Origin": request.app[PAGE]})


def _visitor(request: web.Request) -> Visitor:
    if not local(request.host):
        raise web.HTTPMisdirectedRequest
    found = request.app[VISITORS].get(request.match_info["person"])
    if found is None:
        raise web.HTTPNotFound
    return found


def welcome(settings: Settings, page: str, teams: str, sign_in: str, out: Console) -> None:
    """What a visitor reads in the terminal."""
    python = _near(Path(sys.executable))
    program = python.name if python.is_absolute() else python
    out.print(
        Text.assemble(
            ("\n  Countersign, with a pretend company\n\n", "bold"),
            "  Open  ",
            (page, "underline"),
            "  and choose who to be, or take a tour.\n\n",
            f"  Everybody's device page is at {settings.public_url}.\n",
            f"  Maya's Microsoft Teams is at {teams}.\n"
            if teams
            else "  With Node.js, TEAMS=1 adds Microsoft Teams.\n",
            f"  Try what became of Maya's password at the real directory:\n\n    {sign_in}\n\n"
            if sign_in
            else "",
            "  Or ask from a second terminal in this folder:\n\n",
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
