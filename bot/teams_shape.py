"""The shape of what Teams sends, as far as anybody reads it. What nobody reads may be anything.

An activity names its conversation, its tenant (twice) and, where a person did something, that person's object id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from bot.cards import Verb
from bot.strict import may, need, object_of
from handlers.chat_settings import GUID

#: What somebody wrote · a button of the older kind · a button · a client asks for its reader's own view of a card ·
#: a dialog is wanted · a dialog was filled in ·
#: the app was installed · it was removed · anything else, which is acknowledged and left.
Kind = Literal["message", "submit", "execute", "look", "fetch", "filled", "arrived", "left", "other"]
Json = Mapping[str, Any]

_GUID = re.compile(GUID, re.IGNORECASE)
#: Of an activity, a conversation, an account of the channel's own: none of them a step in an address.
_ID = re.compile(r"(?!\.{1,2}\Z)[!-~]{1,400}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9/_.-]{0,99}")  # of an activity's type, of an invoke
_TEXT = re.compile(r".*", re.DOTALL)
_LINK = re.compile(r"https?://[!-~]{1,300}")
_INVOKES: Mapping[str, Kind] = {
    "adaptiveCard/action": "execute",
    "task/fetch": "fetch",
    "task/submit": "filled",
}
_INSTALLED: Mapping[str, Kind] = {"add": "arrived", "remove": "left"}


def kind_of(activity: Json) -> Kind:
    """Which kind of activity this is, if its shape is right. Raises Refused(400)."""
    type = need(activity, "type", _NAME, "kind")
    need(activity, "channelId", _NAME, "shape")
    need(activity, "serviceUrl", _LINK, "shape")
    conversation = object_of(activity.get("conversation"), "channel")
    need(conversation, "id", _ID, "channel")
    may(conversation, "tenantId", _GUID, "team")
    may(conversation, "conversationType", _NAME, "channel")
    data = activity.get("channelData")
    if data is not None and (tenant := object_of(data, "shape").get("tenant")) is not None:
        need(object_of(tenant, "team"), "id", _GUID, "team")
    sender = object_of(activity.get("from"), "user")
    need(sender, "id", _ID, "user")
    may(sender, "aadObjectId", _GUID, "user")
    for name in ("id", "replyToId"):
        may(activity, name, _ID, "message")
    kind = _kind(activity, type)
    if kind != "other":
        need(sender, "aadObjectId", _GUID, "user")
    return kind


def _kind(activity: Json, type: str) -> Kind:
    match type:
        case "message":
            may(activity, "text", _TEXT, "message")
            if activity.get("value") is None:
                return "message"
            _pressed(object_of(activity["value"], "actions"))
            return "submit"
        case "invoke":
            return _invoked(activity)
        case "installationUpdate":  # `add-upgrade` and `remove-upgrade` change nothing about who has it
            return _INSTALLED.get(str(activity.get("action")), "other")
        case _:
            return "other"


def _invoked(activity: Json) -> Kind:
    kind = _INVOKES.get(need(activity, "name", _NAME, "kind"))
    if kind is None:
        return "other"
    value = object_of(activity.get("value"), "actions")
    if kind == "execute":
        action = object_of(value.get("action"), "actions")
        need(action, "verb", _NAME, "actions")
        _pressed(object_of(action.get("data"), "actions"))
        may(value, "trigger", _NAME, "actions")
        if value.get("trigger") == "automatic" or action["verb"] == Verb.LOOK.value:
            return "look"  # nobody pressed anything
    else:
        _pressed(object_of(value.get("data"), "actions"))
    return kind


def _pressed(data: Json) -> None:
    need(data, "verb", _NAME, "actions")
    may(data, "handle", _TEXT, "actions")
