"""The shape of what Teams sends, as far as anybody reads it. What nobody reads may be anything.

An activity names its conversation, its tenant (twice) and, where a person did something, that person's object id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from bot.cards import Verb
from bot.strict import Reason, Refused

#: What somebody wrote · a button of the older kind · a button · a client asks for its reader's own view of a card ·
#: a dialog is wanted · a dialog was filled in ·
#: the app was installed · it was removed · anything else, which is acknowledged and left.
Kind = Literal["message", "submit", "execute", "look", "fetch", "filled", "arrived", "left", "other"]
Json = Mapping[str, Any]

GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ID = re.compile(r"[!-~]{1,400}")  # of an activity, a conversation, an account of the channel's own
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9/_.-]{0,99}")  # of an activity's type, of an invoke
_TEXT = re.compile(r".*", re.DOTALL)
_LINK = re.compile(r"https?://[!-~]{1,300}")
_INVOKES: Mapping[str, Kind] = {
    "adaptiveCard/action": "execute",
    "task/fetch": "fetch",
    "task/submit": "filled",
}


def kind_of(activity: Json) -> Kind:
    """Which kind of activity this is, if its shape is right. Raises Refused(400)."""
    type = _need(activity, "type", _NAME, "kind")
    _need(activity, "channelId", _NAME, "shape")
    _need(activity, "serviceUrl", _LINK, "shape")
    conversation = _object(activity.get("conversation"), "channel")
    _need(conversation, "id", _ID, "channel")
    _may(conversation, "tenantId", GUID, "team")
    _may(conversation, "conversationType", _NAME, "channel")
    data = activity.get("channelData")
    if data is not None and (tenant := _object(data, "shape").get("tenant")) is not None:
        _need(_object(tenant, "team"), "id", GUID, "team")
    sender = _object(activity.get("from"), "user")
    _need(sender, "id", _ID, "user")
    _may(sender, "aadObjectId", GUID, "user")
    for name in ("id", "replyToId"):
        _may(activity, name, _ID, "message")
    kind = _kind(activity, type)
    if kind != "other":
        _need(sender, "aadObjectId", GUID, "user")
    return kind


def _kind(activity: Json, type: str) -> Kind:
    match type:
        case "message":
            _may(activity, "text", _TEXT, "message")
            if activity.get("value") is None:
                return "message"
            _pressed(_object(activity["value"], "actions"))
            return "submit"
        case "invoke":
            return _invoked(activity)
        case "installationUpdate":
            return "arrived" if str(activity.get("action", "")).startswith("add") else "left"
        case _:
            return "other"


def _invoked(activity: Json) -> Kind:
    kind = _INVOKES.get(_need(activity, "name", _NAME, "kind"))
    if kind is None:
        return "other"
    value = _object(activity.get("value"), "actions")
    if kind == "execute":
        action = _object(value.get("action"), "actions")
        _need(action, "verb", _NAME, "actions")
        _pressed(_object(action.get("data"), "actions"))
        _may(value, "trigger", _NAME, "actions")
        if value.get("trigger") == "automatic" or action["verb"] == Verb.LOOK.value:
            return "look"  # nobody pressed anything
    else:
        _pressed(_object(value.get("data"), "actions"))
    return kind


def _pressed(data: Json) -> None:
    _need(data, "verb", _NAME, "actions")
    _may(data, "handle", _TEXT, "actions")


def _object(found: Any, reason: Reason) -> Json:
    if not isinstance(found, dict):
        raise Refused(400, reason)
    return found


def _need(node: Json, name: str, pattern: re.Pattern[str], reason: Reason) -> str:
    found = node.get(name)
    if not isinstance(found, str) or pattern.fullmatch(found) is None:
        raise Refused(400, reason)
    return found


def _may(node: Json, name: str, pattern: re.Pattern[str], reason: Reason) -> None:
    if node.get(name) is not None:
        _need(node, name, pattern, reason)
