"""What Slack sends, read into what we mean: Said and Click. The gate has looked at its shape before."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from typing import Any

from bot import block_kit
from bot.cards import Click, Said, Verb
from bot.slack_client import PLATFORM
from bot.verbs import FORM, HOME
from flows.accounts import Account

Json = Mapping[str, Any]

_VERBS = {verb.value: verb for verb in Verb}


def message(body: Json) -> Said | None:
    """What a person wrote to us directly; None for everything else, our own words among it."""
    event = body["event"]
    if (
        event.get("channel_type") != "im"
        or event.get("bot_id")
        or event.get("subtype") not in (None, "file_share")
    ):
        return None
    account = _account(event.get("user_team") or event.get("team") or body["team_id"], event["user"])
    return Said(_text(event.get("text")), account, thread=event.get("thread_ts") or "")


def command(body: Json) -> Said:
    """What a person wrote after `/desk`, anywhere."""
    return Said(_text(body.get("text")), _account(body["team_id"], body["user_id"]))


def shared(body: Json) -> Said:
    """A message that a person wants us to look at: read as if they had written it to us."""
    return Said(_text(body["message"].get("text")), presser(body))


def click(body: Json) -> Click | None:
    """What was pressed on a message, on a Home tab or in a window. None for what isn't ours, and for links."""
    action = body["actions"][0]
    verb = _verb(action["action_id"].partition(":")[0])
    if verb in (None, Verb.OPEN):
        return None
    view = body.get("view")
    if view is not None:
        place = HOME if view["type"] == "home" else FORM
        return Click(verb, action.get("value") or "", presser(body), place)
    container = body.get("container") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or ""
    message = "" if container.get("is_ephemeral") else container.get("message_ts") or ""
    return Click(verb, action.get("value") or "", presser(body), channel, message)


def form(body: Json) -> Click | None:
    """A form that was sent."""
    view = body["view"]
    verb = _verb(view["callback_id"])
    if verb is None:
        return None
    return Click(verb, view.get("private_metadata") or "", presser(body), FORM, "", block_kit.filled(view))


def presser(body: Json) -> Account:
    """The account that did it: of the team that the user belongs to, which need not be ours."""
    user = body["user"]
    return _account(user.get("team_id") or body["team"]["id"], user["id"])


def looker(body: Json) -> Account:
    """The account that opened its Home tab."""
    return _account(body["team_id"], body["event"]["user"])


def _account(team: str, user: str) -> Account:
    return Account(PLATFORM, team, user)


def _verb(name: str) -> Verb | None:
    return _VERBS.get(name)


def _text(text: str | None) -> str:
    """As it was typed: Slack escapes &, < and >."""
    return unescape(text or "")
