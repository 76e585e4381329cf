"""A real SCIM 2.0 server for one test run: scim2-server on loopback, in a thread of its own.

It checks the token, keeps versions, honours If-Match and keeps passwords by itself. All that is added here is a note
of what was really changed, and, where a test asks for it, TLS.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tests.peers.certificates import Identity
from tests.peers.directory import EVERYBODY, FIRST_PASSWORD, HELD

if TYPE_CHECKING:
    from scim2_server.memory import InMemoryStorage

TOKEN, ADMIN = "the-services-own-9f2c", "the-administrators-own"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True)
class ScimPeer:
    """A running server with the pretend company in it. `changed` has the id of what was changed, in order."""

    url: str
    storage: InMemoryStorage
    changed: list[str]

    def entry(self, **more: object) -> dict[str, object]:
        """What a configuration says of it."""
        return {"url": self.url, "token": TOKEN, "groups": True, **more}

    def hire(self, name: str, *groups: str, manager: str = "", **more: object) -> str:
        """Somebody new, in these groups; gives their lasting id."""
        above = {ENTERPRISE: {"manager": {"value": manager}}} if manager else {}
        person = {
            "schemas": [USER, *above],
            "userName": name,
            "displayName": f"{name.capitalize()} of Acme",
            "active": True,
            "password": FIRST_PASSWORD,
            "emails": [{"value": f"{quote(name)}@acme.test", "primary": True}],
            **above,
            **more,
        }
        id = str(self.ask("POST", "/Users", person)["id"])
        for group in groups:
            join = {"op": "add", "path": "members", "value": [{"value": id}]}
            self.change(f"/Groups/{self.group(group)}", join)
        return id

    def found(self, name: str, *members: str) -> str:
        """A new group; gives its id."""
        listed = [{"value": member} for member in members]
        group = {"schemas": [GROUP], "displayName": name, "members": listed}
        return str(self.ask("POST", "/Groups", group)["id"])

    def group(self, name: str) -> str:
        """The id of the one group of this name."""
        (group,) = [each for each in self.storage.resources if getattr(each, "display_name", "") == name]
        return str(group.id)

    def change(self, path: str, *operations: dict[str, object]) -> None:
        """What an administrator does by hand."""
        self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def password(self, id: str) -> str:
        """Somebody's password, which the server keeps and tells nobody."""
        (user,) = [each for each in self.storage.resources if each.id == id]
        return str(user.password)

    def changes(self, *ids: str) -> int:
        """How many changes were really made to these entries."""
        return sum(id in ids for id in self.changed)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One call with an administrator's token."""
        at = urlsplit(self.url)
        line = http.client.HTTPConnection(str(at.hostname), at.port, timeout=10)
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/scim+json"}
        try:
            line.request(method, f"{at.path}{path}", json.dumps(body) if body is not None else None, headers)
            answer = line.getresponse()
            said = answer.read()
        finally:
            line.close()
        assert answer.status < 300, said
        return json.loads(said) if said else {}


class _Threading(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up in the middle, or fails to shake hands, is no news."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what was changed."""


def missing() -> str | None:
    """Why scim2-server can't be started here, or None when it can."""
    return None if importlib.util.find_spec("scim2_server") else "scim2-server isn't installed"


@contextmanager
def running(*, identity: Identity | None = None, filled: bool = True) -> Iterator[ScimPeer]:
    """A server, ended with its thread. `identity`: it speaks TLS, and its address is said as `localhost`."""
    storage, changed, application = _application()
    server = make_server("127.0.0.1", 0, application, _Threading, _Quiet)
    if identity is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        # Each connection shakes hands in its own thread: one that doesn't end keeps nobody waiting.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme, host = ("https", "localhost") if identity else ("http", "127.0.0.1")
    try:
        peer = ScimPeer(f"{scheme}://{host}:{server.server_port}/v2", storage, changed)
        if filled:
            _fill(peer)
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _application() -> tuple[InMemoryStorage, list[str], Any]:
    from scim2_models import ScimProvider
    from scim2_server import utils
    from scim2_server.memory import InMemoryStorage
    from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication

    changed: list[str] = []

    class Noted(InMemoryStorage):
        def update(self, resource_type: Any, resource: Any, **more: Any) -> Any:
            updated = super().update(resource_type, resource, **more)
            changed.append(str(resource.id))
            return updated

    config = utils.load_default_service_provider_config()
    config.authentication_schemes = [BEARER_TOKEN_SCHEME]
    schemas = utils.load_default_schemas().values()
    types = utils.load_default_resource_types().values()
    storage = Noted()
    provider = ScimProvider.from_discovery(schemas, types, config=config)
    return storage, changed, BearerTokenApplication(storage, provider, bearer_tokens=(TOKEN, ADMIN))


def _fill(peer: ScimPeer) -> None:
    """The pretend company, managers first."""
    ids: dict[str, str] = {"": ""}
    waiting = dict(EVERYBODY)
    while waiting:
        for name, manager in list(waiting.items()):
            if manager in ids:
                ids[name] = peer.hire(name, manager=ids[manager], externalId=f"staff-{name}")
                del waiting[name]
    for group, members in HELD.items():
        peer.found(group, *(ids[member] for member in members))
