"""What the app answers, and what comes of it: acknowledgements, a command's reply, a form's outcome, response_url."""

from __future__ import annotations

import json

from aiohttp import web

from demo.workspace.deliver import Answer
from demo.workspace.people import APP, Channel, Json, Member
from demo.workspace.screens import OUTCOMES
from demo.workspace.tickets import ApiError, ReplyTo
from demo.workspace.workspace import Workspace

TROUBLE = "We had some trouble connecting. Try again?"
SILENT = f"{APP.name} isn't answering just now, so nothing happened. Try again in a moment."
LARGEST = 1024 * 1024


def pressed(ws: Workspace, member: Member, answer: Answer) -> None:
    """A press or a shortcut was acknowledged, or wasn't. What the app says beside it isn't looked at."""
    if not answer.good:
        ws.screens.notify(member.id, SILENT)


def commanded(ws: Workspace, member: Member, channel: Channel, command: str, answer: Answer) -> None:
    """A slash command came back. What stands in the acknowledgement is a message, to this person alone or to all."""
    if not answer.good:
        fault = "operation_timeout" if "timeout" in str(answer.body) else "dispatch_failed"
        ws.screens.notify(member.id, f'{command} failed with the error "{fault}"')
        return
    body = answer.body if isinstance(answer.body, dict) else {"text": answer.body.strip()}
    if not body.get("text") and not body.get("blocks"):
        return
    try:
        _write(ws, ReplyTo(member.id, channel.id, "", 0.0, 0), body)
    except ApiError as error:
        ws.screens.notify(member.id, f'{command} failed with the error "{error.code}"')


def submitted(ws: Workspace, member: Member, view: Json, answer: Answer) -> None:
    """A form came back: it closes, or errors stand at its fields, or another form is shown."""
    body = answer.body if isinstance(answer.body, dict) else {}
    action = body.get("response_action") or ""
    if not answer.good or action not in OUTCOMES or (isinstance(answer.body, str) and answer.body.strip()):
        ws.screens.notify(member.id, TROUBLE)
        return
    try:
        ws.screens.outcome(member.id, view["id"], action, body)
    except ApiError:
        ws.screens.notify(member.id, TROUBLE)


class ResponseUrls:
    """The addresses handed out with commands and clicks; whoever knows one may answer a few times."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """The one endpoint."""
        return [web.post("/actions/{team}/{key}", self.respond)]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """One answer: a new message, or a change of the message that was clicked."""
        ws, calls = self.workspace, self.workspace.calls
        at, fault = calls.now(), await calls.fault("response_url")
        given: Json = {}
        if fault and fault.status:
            calls.note(at, "response_url", given, fault.outcome)
            return fault.answer()
        try:
            given = _read(await request.read())
            _write(ws, ws.tickets.redeem(request.match_info["key"]), given)
        except ApiError as error:
            calls.note(at, "response_url", given, error.code)
            status = 404 if error.code in ("used_url", "Expired url", "invalid_url") else 400
            return web.json_response({"ok": False, "error": error.code, **error.more}, status=status)
        calls.note(at, "response_url", given, "dropped" if fault and fault.drop else "ok")
        if fault and fault.drop and request.transport is not None:
            request.transport.abort()
        return web.Response(text="ok")


def _read(body: bytes) -> Json:
    try:
        given = json.loads(body)
    except ValueError:
        raise ApiError("invalid_payload") from None
    if not isinstance(given, dict):
        raise ApiError("invalid_payload")
    return given


def _write(ws: Workspace, to: ReplyTo, given: Json) -> None:
    """Do what an answer says. Raises ApiError."""
    original = ws.world.message(to.channel, to.ts) if to.ts else None
    if given.get("delete_original"):
        if original is None:
            raise ApiError("message_not_found")
        ws.remove(original)
        return
    content = ws.content(given)
    if not content["text"] and not content["blocks"]:
        raise ApiError("no_text")
    if given.get("replace_original") and original is not None:
        ws.change(original, content | {"text": content["text"] or "", "blocks": content["blocks"] or []})
        return
    channel = ws.world.channel(to.channel)
    if channel is None:
        raise ApiError("channel_not_found")
    everybody = given.get("response_type") == "in_channel"
    ws.say(channel, APP, content, only_for="" if everybody else to.user)
