"""What one person sees of the workspace, as the page draws it."""

from __future__ import annotations

from dataclasses import asdict

from demo.workspace.people import APP, COMPANY, Channel, Json, Member
from demo.workspace.workspace import Workspace
from demo.workspace.world import Message

MOST = 100  # messages of a conversation that are shown


def people() -> list[Json]:
    """Everybody a visitor can be, in the order they are offered."""
    return [
        {"person": each.person, "user": each.id, "name": each.name, "about": each.about} for each in COMPANY
    ]


def settings(ws: Workspace) -> Json:
    """Where the device page is, and which of the users is the app."""
    return {"device_page": ws.device_page, "app": {"user": APP.id, "name": APP.name}}


def seen(ws: Workspace, member: Member) -> Json:
    """This person's window: conversations, Home tab, the form on top, what can be asked for, what went wrong."""
    screen = ws.screens.of(member.id)
    top = screen.modals[-1] if screen.modals else None
    may = "commands" in ws.installed.scopes
    return {
        "type": "state",
        "conversations": [_conversation(ws, each, member) for each in ws.world.conversations(member.id)],
        "home": ws.world.home(member.id),
        "modal": {"id": top["id"], "view": top, "errors": screen.errors} if top else None,
        "busy": screen.busy,
        "notice": screen.notice,
        "commands": [asdict(each) for each in ws.installed.commands] if may else [],
        "shortcuts": [asdict(each) for each in ws.installed.shortcuts] if may else [],
    }


def _conversation(ws: Workspace, channel: Channel, member: Member) -> Json:
    until = ws.world.read_until(member.id, channel.id)
    messages = ws.world.history(channel.id, member.id, MOST)
    new = [each for each in messages if each.ts > until and each.body["user"] != member.id]
    return {
        "id": channel.id,
        "kind": "im" if channel.is_im else "channel",
        "name": APP.name if channel.is_im else channel.name,
        "unread": len(new),
        "messages": [_message(ws, each) for each in messages],
    }


def _message(ws: Workspace, message: Message) -> Json:
    body = message.body
    author = ws.world.people.get(body["user"])
    return {
        "ts": message.ts,
        "user": body["user"],
        "name": author.name if author else body["user"],
        "app": bool(author and not author.human),
        "edited": "edited" in body,
        "ephemeral": bool(message.only_for),
        "text": body["text"],
        "blocks": body.get("blocks") or [],
    }
