"""POST /api/{method}: reads what the app sends, judges its token, does the method, and says it as Slack would."""

from __future__ import annotations

import json
import math
import uuid

from aiohttp import web

from demo.workspace.faults import Fault
from demo.workspace.installed import APP_ID
from demo.workspace.methods import METHODS, Method
from demo.workspace.people import Json
from demo.workspace.tickets import ApiError
from demo.workspace.workspace import Workspace

_JSON = ("blocks", "view", "metadata", "attachments")  # sent as text inside a form


class _TooSoon(Exception):
    """Somebody posts faster than Slack takes it. `wait` is in whole seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(wait)
        self.wait = wait


class WebApi:
    """The Web API over one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._last: dict[str, float] = {}  # when something was last posted, by channel

    def routes(self) -> list[web.RouteDef]:
        """Its two endpoints; aiohttp answers HEAD with the second."""
        return [web.post("/api/{method}", self.call), web.get("/api/{method}", self.call)]

    async def call(self, request: web.Request) -> web.StreamResponse:
        """One call, from the bytes to the answer; what goes wrong on purpose comes first."""
        calls, name = self.workspace.calls, request.match_info["method"]
        at, fault = calls.now(), await calls.fault(name)
        arguments: Json = {}
        if fault and fault.status:
            calls.note(at, name, arguments, fault.outcome)
            return fault.answer()
        headers = {"X-Slack-Req-Id": uuid.uuid4().hex}
        try:
            arguments = await _arguments(request)
            answer = self._done(request, name, arguments, headers)
        except _TooSoon as soon:
            calls.note(at, name, arguments, "ratelimited")
            return Fault(name, 429, retry_after=soon.wait).answer()
        except ApiError as error:
            answer = {"ok": False, "error": error.code, **error.more}
        calls.note(at, name, arguments, answer.get("error", "dropped" if _drops(fault) else "ok"))
        if _drops(fault) and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer, headers=headers)

    def _done(self, request: web.Request, name: str, arguments: Json, headers: dict[str, str]) -> Json:
        method = METHODS.get(name)
        if method is None:
            raise ApiError("unknown_method", req_method=name)
        if request.method == "GET" and not method.reads:
            raise ApiError("invalid_post_type")
        token = self._token(request, arguments)
        scopes = self.workspace.installed.scopes_of(token)
        if scopes is None:
            raise ApiError("invalid_auth")
        headers["X-OAuth-Scopes"] = ",".join(sorted(scopes))
        if method.scopes:
            headers["X-Accepted-OAuth-Scopes"] = ",".join(method.scopes)
        is_app = token == self.workspace.installed.app_token
        _allowed(method, is_app, scopes)
        if is_app and name == "auth.test":
            return {"ok": True, "app_name": "Countersign", "app_id": APP_ID}
        if name == "chat.postMessage":
            self._pace(str(arguments.get("channel")))
        return {"ok": True, **method.do(self.workspace, arguments)}

    def _pace(self, channel: str) -> None:
        """One message in a channel every so often, where the installation's pace says so. Raises _TooSoon."""
        every, now = self.workspace.installed.pace.messages, self.workspace.world.clock()
        wait = self._last.get(channel, 0.0) + every - now
        if every and wait > 0:
            raise _TooSoon(math.ceil(wait))
        self._last[channel] = now

    def _token(self, request: web.Request, arguments: Json) -> str:
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = bearer.strip() if kind.lower() == "bearer" else arguments.get("token")
        if not token or not isinstance(token, str):
            raise ApiError("not_authed")
        return token


def _allowed(method: Method, is_app: bool, scopes: frozenset[str]) -> None:
    """The right kind of token, with one of the scopes."""
    bot_only = not method.app_token
    app_only = "connections:write" in method.scopes
    if (is_app and bot_only) or (app_only and not is_app):
        raise ApiError("not_allowed_token_type")
    if method.scopes and not scopes.intersection(method.scopes):
        raise ApiError("missing_scope", needed=",".join(method.scopes), provided=",".join(sorted(scopes)))


def _drops(fault: Fault | None) -> bool:
    return bool(fault and fault.drop)


async def _arguments(request: web.Request) -> Json:
    """What was sent, from the query and the body, JSON or form."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise ApiError("invalid_json") from None
        if not isinstance(body, dict):
            raise ApiError("json_not_object")
        return arguments | body
    if request.body_exists:
        if request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
            raise ApiError("invalid_post_type")
        arguments |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    for key in _JSON:
        if isinstance(arguments.get(key), str):
            try:
                arguments[key] = json.loads(arguments[key])
            except ValueError:
                raise ApiError("invalid_blocks_format" if key == "blocks" else "invalid_arguments") from None
    return arguments
