"""What Teams sends, read into what we mean: Said and Click. The gate has looked at its shape before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from bot import adaptive
from bot.cards import Click, Said, Verb
from bot.teams_client import PLATFORM
from bot.teams_shape import Kind
from bot.verbs import FORM, HOME
from flows.accounts import Account
from handlers.conversations import Conversation

Json = Mapping[str, Any]

_VERBS = {verb.value: verb for verb in Verb}
LONGEST = 4000  # characters of a message that are read
#: A name as Teams writes it into a text; every part has a limit, so that no text makes it try for long.
_MENTION = re.compile(r"<at(?: [^<>]{0,100})?>([^<>]{0,200})</at>")


def account(activity: Json) -> Account:
    """The account that did it, as the activity says: nothing rests on it alone."""
    tenant = activity["conversation"].get("tenantId") or activity["channelData"]["tenant"]["id"]
    return Account(PLATFORM, tenant.lower(), activity["from"]["aadObjectId"].lower())


def there(activity: Json) -> Conversation | None:
    """The conversation with one person that this came from. None for rooms."""
    conversation = activity["conversation"]
    if conversation.get("conversationType") != "personal":
        return None
    return Conversation(account(activity), conversation["id"], activity["serviceUrl"])


def said(activity: Json) -> Said:
    """What a person wrote, without the mention of us that rooms demand. Others who are mentioned keep their names."""
    ours = {
        str(each.get("text", ""))
        for each in _listed(activity.get("entities"))
        if each.get("type") == "mention" and _id(each.get("mentioned")) == _id(activity.get("recipient"))
    }
    text = (activity.get("text") or "")[:LONGEST]
    text = _MENTION.sub(lambda found: " " if found[0] in ours or not ours else found[1], text)
    return Said(unescape(text).replace("\u00a0", " ").strip(), account(activity))


def _listed(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else None


def click(activity: Json, kind: Kind) -> Click | None:
    """What was pressed or filled in. None for what isn't ours."""
    data = _data(activity, kind)
    verb = _VERBS.get(data["verb"])
    if verb in (None, Verb.OPEN):
        return None
    place = FORM if kind == "filled" else HOME if data.get("at") == HOME else _place(activity)
    message = "" if kind == "filled" else activity.get("replyToId") or ""
    handle = data.get("handle") or ""
    return Click(verb, handle, account(activity), place, message, adaptive.filled(data))


def _place(activity: Json) -> str:
    """The conversation's own name: in a channel, Teams adds which of its threads it was."""
    id: str = activity["conversation"]["id"]
    return id.partition(";messageid=")[0]


def _data(activity: Json, kind: Kind) -> Json:
    value: Json = activity["value"]
    match kind:
        case "execute" | "look":
            found: Json = {**value["action"]["data"], "verb": value["action"]["verb"]}
            return found
        case "submit":
            return value
        case _:
            dialog: Json = value["data"]
            return dialog
