"""The shape of what Slack sends, as far as anybody reads it: our listeners, and Bolt on its way to them.

The same over HTTP and Socket Mode. Ids are matched whole and in ASCII. What nobody reads may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from bot.strict import Reason, Refused, may, need, object_of, objects_of

Kind = Literal["event", "interaction", "command", "url_verification", "ssl_check"]
Json = Mapping[str, Any]
Check = Callable[[Json], None]

_USER = re.compile(r"[UW][A-Z0-9]{1,30}")
_TEAM = re.compile(r"[TE][A-Z0-9]{1,30}")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{1,30}")
_VIEW = re.compile(r"V[A-Z0-9]{1,30}")
_EVENT = re.compile(r"Ev[A-Z0-9]{1,30}")
_STAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")  # a message's ts
_TYPE = re.compile(r"[a-z][a-z0-9_.]{0,79}")
_NAME = re.compile(r".{1,255}", re.DOTALL)  # action_id, block_id, callback_id
_TEXT = re.compile(r".*", re.DOTALL)
_COMMAND = re.compile(r"/[^\s/]{1,32}")
_TICKET = re.compile(r"[!-~]{1,300}")  # trigger_id
_LINK = re.compile(r"https?://[!-~]{1,500}")  # response_url
_CHALLENGE = re.compile(r"[A-Za-z0-9._~+/=-]{1,256}")  # we say it back, so it is never markup

#: Where Bolt goes on looking for who and where. Each may hold the next.
_INSIDE = ("event", "message", "previous_message", "item", "assistant_thread")
_OBJECTS: tuple[tuple[str, Reason], ...] = (
    ("user", "user"), ("team", "team"), ("enterprise", "team"), ("channel", "channel"), ("view", "view"),
)  # fmt: skip
_IDS: tuple[tuple[str, Reason], ...] = (
    ("user_id", "user"), ("team_id", "team"), ("enterprise_id", "team"), ("user_team", "team"),
    ("channel_id", "channel"), ("bot_id", "user"),
)  # fmt: skip


def kind_of(payload: Json) -> Kind:
    """Which kind of payload this is, if its shape is right. Raises Refused(400)."""
    type = payload.get("type")
    if "command" in payload and "type" not in payload and "event" not in payload:
        kind, check = _COMMAND_FORM
    elif isinstance(type, str) and type in _KINDS and "command" not in payload:
        kind, check = _KINDS[type]
    else:
        raise Refused(400, "kind")
    if "event" in payload and type != "event_callback":
        raise Refused(400, "kind")
    _findable(payload)
    check(payload)
    return kind


def _findable(payload: Json) -> None:
    """Bolt looks for ids before it calls anybody, and stumbles over what is neither text nor object."""
    nodes = [payload]
    while nodes:
        node = nodes.pop()
        for name, reason in _OBJECTS:
            found = node.get(name)
            if not (found is None or isinstance(found, str)):
                may(object_of(found, reason), "id", _TEXT, reason)
                _plain_ids(found)
        _plain_ids(node)
        may(node, "thread_ts", _STAMP, "message")
        nodes += [object_of(node[name], "shape") for name in _INSIDE if node.get(name) is not None]
        if node.get("authorizations") is not None:
            nodes += objects_of(node["authorizations"], "shape")
        if "response_urls" in node:  # null would do for nobody
            nodes += objects_of(node["response_urls"], "shape")


def _plain_ids(node: Json) -> None:
    for name, reason in _IDS:
        if not isinstance(node.get(name, ""), str | None):
            raise Refused(400, reason)


def _event(payload: Json) -> None:
    need(payload, "team_id", _TEAM, "team")
    need(payload, "event_id", _EVENT, "event")
    event = object_of(payload.get("event"), "event")
    need(event, "type", _TYPE, "event")
    for name, pattern in (("subtype", _TYPE), ("bot_id", _NAME), ("tab", _TYPE), ("channel_type", _TYPE)):
        may(event, name, pattern, "event")
    may(event, "ts", _STAMP, "message")
    may(event, "text", _TEXT, "message")
    if event["type"] == "message":
        need(event, "channel", _CHANNEL, "channel")
        need(event, "ts", _STAMP, "message")
        may(event, "team", _TEAM, "team")
        may(event, "user_team", _TEAM, "team")
        if event.get("subtype") in (None, "file_share") and event.get("bot_id") is None:
            need(event, "user", _USER, "user")
    elif event["type"] == "app_home_opened":
        need(event, "user", _USER, "user")
        need(event, "channel", _CHANNEL, "channel")
    elif event["type"].startswith("assistant_thread_"):
        thread = object_of(event.get("assistant_thread"), "event")
        need(thread, "user_id", _USER, "user")
        need(thread, "channel_id", _CHANNEL, "channel")


def _rate_limited(payload: Json) -> None:
    need(payload, "team_id", _TEAM, "team")


def _url_verification(payload: Json) -> None:
    need(payload, "challenge", _CHALLENGE, "shape")


def _command(payload: Json) -> None:
    for value in payload.values():
        if not isinstance(value, str):
            raise Refused(400, "command")
    need(payload, "command", _COMMAND, "command")
    need(payload, "team_id", _TEAM, "team")
    need(payload, "user_id", _USER, "user")
    need(payload, "channel_id", _CHANNEL, "channel")
    _tickets(payload)


def _block_actions(payload: Json) -> None:
    _by_somebody(payload)
    actions = objects_of(payload.get("actions"), "actions")
    if not actions:
        raise Refused(400, "actions")
    for action in actions:
        need(action, "action_id", _NAME, "actions")
        need(action, "type", _TYPE, "actions")
        may(action, "block_id", _NAME, "actions")
        may(action, "value", _TEXT, "actions")
        if action.get("selected_option") is not None:
            need(object_of(action["selected_option"], "actions"), "value", _TEXT, "actions")
    if payload.get("container") is not None:
        container = object_of(payload["container"], "shape")
        may(container, "message_ts", _STAMP, "message")
        may(container, "channel_id", _CHANNEL, "channel")
    _on_message(payload)
    if payload.get("view") is not None:
        _view(payload)
    elif payload.get("state") is not None:
        _state(payload["state"])


def _view_sent(payload: Json) -> None:
    _by_somebody(payload)
    _view(payload)
    for found in payload.get("response_urls", ()):
        may(found, "response_url", _LINK, "shape")


def _shortcut(payload: Json) -> None:
    _by_somebody(payload)
    need(payload, "callback_id", _NAME, "shape")


def _message_shortcut(payload: Json) -> None:
    _shortcut(payload)
    need(object_of(payload.get("channel"), "channel"), "id", _CHANNEL, "channel")
    need(object_of(payload.get("message"), "message"), "ts", _STAMP, "message")
    _on_message(payload)


_KINDS: Mapping[str, tuple[Kind, Check]] = {
    "event_callback": ("event", _event),
    "app_rate_limited": ("event", _rate_limited),
    "url_verification": ("url_verification", _url_verification),
    "block_actions": ("interaction", _block_actions),
    "view_submission": ("interaction", _view_sent),
    "view_closed": ("interaction", _view_sent),
    "shortcut": ("interaction", _shortcut),
    "message_action": ("interaction", _message_shortcut),
}
_COMMAND_FORM: tuple[Kind, Check] = ("command", _command)


# -- parts of an interaction --------------------------------------------------------------------


def _by_somebody(payload: Json) -> None:
    """Who, and of which workspace. `team` is null where the app is installed for a whole organisation."""
    user = object_of(payload.get("user"), "user")
    need(user, "id", _USER, "user")
    may(user, "team_id", _TEAM, "team")
    if payload.get("team") is not None:
        need(object_of(payload["team"], "team"), "id", _TEAM, "team")
    else:
        need(user, "team_id", _TEAM, "team")
    if payload.get("channel") is not None:
        need(object_of(payload["channel"], "channel"), "id", _CHANNEL, "channel")
    _tickets(payload)


def _tickets(payload: Json) -> None:
    may(payload, "trigger_id", _TICKET, "shape")
    may(payload, "response_url", _LINK, "shape")


def _on_message(payload: Json) -> None:
    if payload.get("message") is not None:
        may(payload["message"], "ts", _STAMP, "message")
        may(payload["message"], "text", _TEXT, "message")


def _view(payload: Json) -> None:
    view = object_of(payload.get("view"), "view")
    need(view, "id", _VIEW, "view")
    need(view, "type", _TYPE, "view")
    may(view, "callback_id", _TEXT, "view")
    may(view, "private_metadata", _TEXT, "view")
    may(view, "app_installed_team_id", _TEAM, "view")
    if view.get("state") is not None:
        _state(view["state"])
    if payload["type"] != "block_actions":
        need(view, "callback_id", _TEXT, "view")


def _state(state: object) -> None:
    """{"values": {block: {action: {…}}}}"""
    for block in object_of(object_of(state, "view").get("values", {}), "view").values():
        for answer in object_of(block, "view").values():
            may(object_of(answer, "view"), "value", _TEXT, "view")
