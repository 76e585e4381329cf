"""The Web API's methods: what each needs, and what it does. All raise ApiError with Slack's own codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from demo.workspace.people import APP, HOME, Channel, Json, Member, as_channel, as_user
from demo.workspace.tickets import ApiError
from demo.workspace.workspace import Workspace, identity
from demo.workspace.world import Message

Do = Callable[[Workspace, Json], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it does, the scopes any one of which it needs, whether it may be asked with GET."""

    do: Do
    scopes: tuple[str, ...] = ()
    reads: bool = False
    app_token: bool = False


def post_message(ws: Workspace, given: Json) -> Json:
    """chat.postMessage"""
    channel = _reach(ws, given)
    kept = ws.say(channel, APP, _something(ws.content(given)))
    return {"channel": channel.id, "ts": kept.ts, "message": kept.body}


def post_ephemeral(ws: Workspace, given: Json) -> Json:
    """chat.postEphemeral"""
    channel = _reach(ws, given)
    user = ws.world.people.get(_text(given, "user"))
    if user is None or not ws.world.is_member(channel, user.id):
        raise ApiError("user_not_in_channel")
    kept = ws.say(channel, APP, _something(ws.content(given)), only_for=user.id)
    return {"message_ts": kept.ts}


def update(ws: Workspace, given: Json) -> Json:
    """chat.update"""
    message = _own(ws, given, "cant_update_message")
    content = ws.content(given)
    if content["text"] is None and content["blocks"] is None:
        raise ApiError("no_text")
    kept = ws.change(message, content)
    return {"channel": kept.channel, "ts": kept.ts, "text": kept.body["text"], "message": kept.body}


def delete(ws: Workspace, given: Json) -> Json:
    """chat.delete"""
    message = _own(ws, given, "cant_delete_message")
    ws.remove(message)
    return {"channel": message.channel, "ts": message.ts}


def conversations_open(ws: Workspace, given: Json) -> Json:
    """conversations.open"""
    if channel_id := _text(given, "channel"):
        channel = ws.world.channel(channel_id)
        if channel is None:
            raise ApiError("channel_not_found")
        if not channel.is_im:
            raise ApiError("method_not_supported_for_channel_type")
        return {"channel": {"id": channel.id}, "no_op": True, "already_open": True}
    users = [user.strip() for user in _text(given, "users").split(",") if user.strip()]
    if not users:
        raise ApiError("users_list_not_supplied")
    found = [ws.world.people.get(user) for user in users]
    members = [member for member in found if member is not None]
    if len(members) < len(found):
        raise ApiError("user_not_found")
    if len(members) > 1:
        raise ApiError("missing_scope", needed="mpim:write", provided=_provided(ws))
    member = members[0]
    if not member.human:
        raise ApiError("cannot_dm_bot")
    if member.deleted:
        raise ApiError("user_disabled")
    if _stranger(ws, member):
        raise ApiError("user_not_visible")
    channel = Channel(member.im, "directmessage", user=member.id)
    full = str(given.get("return_im", "")).lower() in ("1", "true")
    shown = as_channel(channel, is_member=True, members=2) if full else {"id": channel.id}
    return {"channel": shown, "no_op": True, "already_open": True}


def conversations_info(ws: Workspace, given: Json) -> Json:
    """conversations.info"""
    channel = _visible(ws, given, "read")
    members = ws.world.members(channel)
    return {"channel": as_channel(channel, is_member=APP.id in members, members=len(members))}


def conversations_members(ws: Workspace, given: Json) -> Json:
    """conversations.members"""
    channel = _visible(ws, given, "read")
    page, cursor = _page(ws.world.members(channel), given, 100)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def conversations_history(ws: Workspace, given: Json) -> Json:
    """conversations.history, newest first"""
    channel = _visible(ws, given, "history")
    if not ws.world.is_member(channel, APP.id):
        raise ApiError("not_in_channel")
    messages = [message.body for message in reversed(ws.world.history(channel.id, limit=1000))]
    oldest, latest = _text(given, "oldest"), _text(given, "latest")
    inclusive = str(given.get("inclusive", "")).lower() in ("1", "true")
    inside = [
        body
        for body in messages
        if (not oldest or body["ts"] > oldest or (inclusive and body["ts"] == oldest))
        and (not latest or body["ts"] < latest or (inclusive and body["ts"] == latest))
    ]
    page, cursor = _page(inside, given, 100)
    return {"messages": page, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}


def conversations_join(ws: Workspace, given: Json) -> Json:
    """conversations.join"""
    channel = _channel(ws, given)
    if channel.is_im:
        raise ApiError("method_not_supported_for_channel_type")
    new = ws.world.join(channel, APP.id)
    warned: Json = {} if new else {"warning": "already_in_channel"}
    return {"channel": as_channel(channel, is_member=True, members=len(ws.world.members(channel))), **warned}


def users_info(ws: Workspace, given: Json) -> Json:
    """users.info"""
    member = ws.world.people.get(_text(given, "user"))
    if member is None:
        raise ApiError("user_not_found")
    return {"user": _user(ws, member)}


def users_list(ws: Workspace, given: Json) -> Json:
    """users.list: the workspace's own people, deactivated ones and apps too"""
    everybody = [_user(ws, member) for member in ws.world.people.values() if member.team is HOME]
    page, cursor = _page(everybody, given, 1000)
    return {"members": page, "cache_ts": int(ws.world.clock()), "response_metadata": {"next_cursor": cursor}}


def team_info(ws: Workspace, given: Json) -> Json:
    """team.info"""
    team = {"id": HOME.id, "name": HOME.name, "domain": HOME.domain, "email_domain": "example.com"}
    return {"team": {**team, "url": f"{ws.url}/", "icon": {"image_default": True}}}


def auth_test(ws: Workspace, given: Json) -> Json:
    """auth.test with the bot's token"""
    who = {key: value for key, value in identity().items() if key != "app_id"}
    return {"url": f"{ws.url}/", "team": HOME.name, **who, "is_enterprise_install": False}


def connections_open(ws: Workspace, given: Json) -> Json:
    """apps.connections.open"""
    if ws.installed.request_url is not None:
        raise ApiError("socket_mode_not_enabled")
    return {"url": f"{ws.url.replace('http', 'ws', 1)}/link/?ticket={ws.post.sockets.ticket()}&app_id=1"}


def views_open(ws: Workspace, given: Json) -> Json:
    """views.open"""
    return {"view": ws.screens.open(_trigger(ws, given), given.get("view"))}


def views_push(ws: Workspace, given: Json) -> Json:
    """views.push"""
    return {"view": ws.screens.push(_trigger(ws, given), given.get("view"))}


def views_update(ws: Workspace, given: Json) -> Json:
    """views.update"""
    which = {"id": _text(given, "view_id"), "external_id": _text(given, "external_id")}
    if not any(which.values()):
        raise ApiError("invalid_arguments")
    return {"view": ws.screens.update(given.get("view"), **which, hash=_text(given, "hash"))}


def views_publish(ws: Workspace, given: Json) -> Json:
    """views.publish"""
    member = ws.world.people.get(_text(given, "user_id"))
    if member is None or member.deleted or not member.human or _stranger(ws, member):
        raise ApiError("invalid_arguments" if member is None else "not_enabled")
    return {"view": ws.screens.publish(member.id, given.get("view"), _text(given, "hash"))}


METHODS = {
    "auth.test": Method(auth_test, reads=True, app_token=True),
    "apps.connections.open": Method(connections_open, ("connections:write",), app_token=True),
    "chat.postMessage": Method(post_message, ("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, ("chat:write",)),
    "chat.update": Method(update, ("chat:write",)),
    "chat.delete": Method(delete, ("chat:write",)),
    "conversations.open": Method(conversations_open, ("im:write", "mpim:write")),
    "conversations.info": Method(conversations_info, ("channels:read", "im:read"), reads=True),
    "conversations.members": Method(conversations_members, ("channels:read", "im:read"), reads=True),
    "conversations.history": Method(conversations_history, ("channels:history", "im:history"), reads=True),
    "conversations.join": Method(conversations_join, ("channels:join",)),
    "users.info": Method(users_info, ("users:read",), reads=True),
    "users.list": Method(users_list, ("users:read",), reads=True),
    "team.info": Method(team_info, ("team:read",), reads=True),
    "views.open": Method(views_open),
    "views.push": Method(views_push),
    "views.update": Method(views_update),
    "views.publish": Method(views_publish),
}


# -- inside


def _text(given: Json, key: str) -> str:
    value = given.get(key)
    return value if isinstance(value, str) else ""


def _provided(ws: Workspace) -> str:
    return ",".join(sorted(ws.installed.scopes))


def _trigger(ws: Workspace, given: Json) -> str:
    if not given.get("trigger_id"):
        raise ApiError("invalid_arguments")
    return ws.tickets.exchange(given["trigger_id"])


def _channel(ws: Workspace, given: Json) -> Channel:
    channel = ws.world.channel(_text(given, "channel"))
    if channel is None:
        raise ApiError("channel_not_found")
    return channel


def _visible(ws: Workspace, given: Json, what: str) -> Channel:
    """The conversation, if the token has the scope that this kind of conversation needs."""
    channel = _channel(ws, given)
    needed = f"{'im' if channel.is_im else 'channels'}:{what}"
    if needed not in ws.installed.scopes:
        raise ApiError("missing_scope", needed=needed, provided=_provided(ws))
    return channel


def _reach(ws: Workspace, given: Json) -> Channel:
    """The conversation to write into. A user id means the im with that user."""
    name = _text(given, "channel")
    member = ws.world.people.get(name) or next((m for m in ws.world.people.values() if m.im == name), None)
    if member is not None:
        if not member.human or member.deleted or _stranger(ws, member):
            raise ApiError("channel_not_found")
        return Channel(member.im, "directmessage", user=member.id)
    channel = _channel(ws, given)
    if not ws.world.is_member(channel, APP.id) and "chat:write.public" not in ws.installed.scopes:
        raise ApiError("not_in_channel")
    return channel


def _own(ws: Workspace, given: Json, not_ours: str) -> Message:
    channel = _channel(ws, given)
    if channel.id != _text(given, "channel"):
        raise ApiError("channel_not_found")  # a name won't do here
    message = ws.world.message(channel.id, _text(given, "ts"))
    if message is None or message.only_for:
        raise ApiError("message_not_found")
    if message.body["user"] != APP.id:
        raise ApiError(not_ours)
    return message


def _something(content: Json) -> Json:
    if not content["text"] and not content["blocks"]:
        raise ApiError("no_text")
    return content


def _stranger(ws: Workspace, member: Member) -> bool:
    """Somebody of another workspace with whom the app shares no channel."""
    shared = [c for c in ws.world.channels.values() if ws.world.is_member(c, APP.id)]
    return member.team is not HOME and not any(ws.world.is_member(c, member.id) for c in shared)


def _user(ws: Workspace, member: Member) -> Json:
    may = "users:read.email" in ws.installed.scopes
    return as_user(member, email=may, stranger=_stranger(ws, member))


def _page(all: list[Json] | list[str], given: Json, most: int) -> tuple[list[Json] | list[str], str]:
    """One page, and the cursor of the next. The cursor is a number here, opaque to the app."""
    try:
        begin = int(str(given.get("cursor") or 0))
        limit = int(given.get("limit") or most)
    except ValueError:
        raise ApiError("invalid_cursor") from None
    end = begin + max(1, min(limit, 1000))
    return all[begin:end], str(end) if end < len(all) else ""
