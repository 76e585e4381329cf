"""A Slack Web API and a company sign-on that aren't ours: emulate, with strict scopes and one token for each set.

The Slack answers POST only, knows neither Socket Mode nor presses, and keeps everything in memory. The sign-on is
Okta's shape of OpenID Connect: a page of people, to press one's own name on.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from tests.peers import npm_folder

PATIENCE = 30.0  # seconds until it has to answer
APP, BOT = "A0COUNTERSIGN", "U0COUNTERSIGN"
_LOOKER = "xoxb-looks-around"  # a token of our own: to look which ids everybody was given, and to join


@dataclass(frozen=True)
class Team:
    """A running workspace: its Web API and who is there. The bot is in `channel`, and not in `elsewhere`."""

    url: str
    id: str
    bot: str
    maya: str
    email: str
    channel: str
    elsewhere: str


def missing() -> str | None:
    """Why emulate can't be started here, or None when it can."""
    return npm_folder.missing("emulate")


@contextmanager
def running(tokens: Mapping[str, Sequence[str]]) -> Iterator[Team]:
    """A workspace in which these tokens are good: token → scopes. Stopped at the end by its process id."""
    node = npm_folder.node()
    assert node is not None, missing()
    with tempfile.TemporaryDirectory(prefix="countersign-emulate-") as folder:
        seed = Path(folder) / "seed.json"
        seed.write_text(json.dumps({"slack": _seed(tokens)}), encoding="utf-8")
        process, port = _started(node, seed)
        try:
            yield _team(port)
        finally:
            process.terminate()
            process.wait(timeout=10)


@dataclass(frozen=True)
class SignOn:
    """A sign-on to come: its address is known before it runs, as a client of it has to name its own first."""

    port: int
    client: str = "countersign"
    secret: str = "pretend secret"

    @property
    def settings(self) -> dict[str, str]:
        """What an installation that uses it is set to."""
        issuer = f"http://localhost:{self.port}/oauth2/default"
        return {"oidc_issuer": issuer, "oidc_client_id": self.client, "oidc_client_secret": self.secret}


@contextmanager
def signing_on(sign_on: SignOn, returning: str, people: Mapping[str, str]) -> Iterator[None]:
    """The sign-on at work, for these people: subject → name. Stopped at the end by its process id."""
    node = npm_folder.node()
    assert node is not None, missing()
    users = [
        {"okta_id": id, "login": id, "first_name": first, "last_name": last}
        for id, name in people.items()
        for first, _, last in [name.partition(" ")]
    ]
    client = {"client_id": sign_on.client, "client_secret": sign_on.secret, "name": "Countersign"}
    seed = {"users": users, "oauth_clients": [{**client, "redirect_uris": [returning]}]}
    with tempfile.TemporaryDirectory(prefix="countersign-emulate-") as folder:
        file, log = Path(folder) / "seed.json", Path(folder) / "log"
        file.write_text(json.dumps({"okta": seed}), encoding="utf-8")
        with log.open("wb") as output:
            process = _start(node, "okta", sign_on.port, file, output)
        try:
            if not _answers(process, lambda: _announced(sign_on.port)):
                raise RuntimeError(f"emulate doesn't start: {log.read_text(errors='replace')}")
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


def _announced(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/oauth2/default/.well-known/openid-configuration")
        connection.getresponse().read()
    finally:
        connection.close()


def _start(node: str, service: str, port: int, seed: Path, output: BinaryIO) -> subprocess.Popen[bytes]:
    program = str(npm_folder.MODULES / "emulate" / "dist" / "index.js")
    command = [node, program, "start", "--service", service, "--port", str(port), "--seed", str(seed)]
    return subprocess.Popen(command, cwd=seed.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _started(node: str, seed: Path) -> tuple[subprocess.Popen[bytes], int]:
    # Between choosing a free port and listening on it somebody else may take it: try again.
    log = seed.with_name("log")
    for _ in range(4):
        port = free_port()
        with log.open("wb") as output:
            process = _start(node, "slack", port, seed, output)
        if _answers(process, partial(_call, port, "auth.test")):
            return process, port
        process.kill()
        process.wait(timeout=10)
    raise RuntimeError(f"emulate doesn't start: {log.read_text(errors='replace')}")


def _answers(process: subprocess.Popen[bytes], ask: Callable[[], object]) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            ask()
        except OSError:
            try:
                process.wait(timeout=0.05)  # it ends, or it gets a little more time
            except subprocess.TimeoutExpired:
                continue
            return False
        else:
            return True
    return False


def _call(port: int, method: str, **arguments: str) -> Any:
    headers = {"Authorization": f"Bearer {_LOOKER}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", f"/api/{method}", json.dumps(arguments), headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _team(port: int) -> Team:
    channels = {found["name"]: found["id"] for found in _call(port, "conversations.list")["channels"]}
    _call(port, "conversations.join", channel=channels["security"])
    maya = next(user for user in _call(port, "users.list")["members"] if user["name"] == "maya")
    return Team(
        url=f"http://127.0.0.1:{port}/api/",
        id=_call(port, "auth.test")["team_id"],
        bot=BOT,
        maya=maya["id"],
        email=maya["profile"]["email"],
        channel=channels["security"],
        elsewhere=channels["lunch"],
    )


def _seed(tokens: Mapping[str, Sequence[str]]) -> dict[str, object]:
    good = {**tokens, _LOOKER: ("users:read", "users:read.email", "channels:read", "channels:join")}
    app = {
        "app_id": APP,
        "client_id": "1.2",
        "client_secret": "s",
        "name": "Countersign",
        "redirect_uris": [],
    }
    return {
        "team": {"name": "Acme", "domain": "acme"},
        "users": [{"name": "maya", "real_name": "Maya Lindqvist", "email": "maya.lindqvist@example.com"}],
        "channels": [{"name": "security"}, {"name": "lunch"}],
        "oauth_apps": [{**app, "bot_id": "B0COUNTERSIGN", "bot_user_id": BOT, "bot_name": "countersign"}],
        "tokens": [
            {"token": token, "type": "bot", "user_id": BOT, "app_id": APP, "scopes": list(scopes)}
            for token, scopes in good.items()
        ],
        "strict_scopes": True,
    }


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
