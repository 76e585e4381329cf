"""The payloads Slack sends, field by field. Nothing here sends anything."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from demo.workspace.installed import APP_ID, VERIFICATION
from demo.workspace.people import APP, HOME, Channel, Json, Member


def event_callback(event: Json, now: float, *, channel: Channel | None, by: Member | None) -> Json:
    """The envelope around an event. In a shared channel it says so, with the team of whoever acted."""
    shared = bool(channel and channel.shared)
    return {
        "token": VERIFICATION,
        "team_id": HOME.id,
        "context_team_id": HOME.id,
        "context_enterprise_id": None,
        "enterprise_id": None,
        "api_app_id": APP_ID,
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev0{secrets.token_hex(5).upper()}",
        "event_time": int(now),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": HOME.id,
                "user_id": APP.id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": shared,
        "event_context": f"4-{secrets.token_urlsafe(36)}",
    }


def message_event(message: Json, channel: Channel, by: Member) -> Json:
    """A message event: a plain one, whoever wrote it."""
    kind = "im" if channel.is_im else "channel"
    event = {**message, "channel": channel.id, "event_ts": message["ts"], "channel_type": kind}
    if by.team is not HOME:
        event |= {"user_team": by.team.id, "source_team": by.team.id}
    return event


def hidden_event(subtype: str, channel: Channel, at: str, **more: Json | str) -> Json:
    """message_changed and message_deleted: an event about another message."""
    kind = "im" if channel.is_im else "channel"
    event = {"type": "message", "subtype": subtype, "hidden": True, "channel": channel.id, "ts": at}
    return {**event, "event_ts": at, "channel_type": kind, **more}


def home_opened(member: Member, tab: str, at: str, view: Json | None) -> Json:
    """app_home_opened; `view` is the Home tab as it stands, if there is one."""
    event = {"type": "app_home_opened", "user": member.id, "channel": member.im, "tab": tab, "event_ts": at}
    return event | ({"view": view} if view and tab == "home" else {})


def slash_command(
    member: Member, channel: Channel, words: tuple[str, str], tickets: Mapping[str, str]
) -> Json:
    """The form of a slash command. `words`: the command and what follows; `tickets`: trigger_id, response_url."""
    command, text = words
    return {
        "token": VERIFICATION,
        "team_id": member.team.id,
        "team_domain": member.team.domain,
        "channel_id": channel.id,
        "channel_name": channel.name,
        "user_id": member.id,
        "user_name": username(member),
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        **tickets,
    }


def interaction(kind: str, member: Member, **more: object) -> Json:
    """What every interactive payload has, and more."""
    return {
        "type": kind,
        "user": {
            "id": member.id,
            "username": username(member),
            "name": username(member),
            "team_id": member.team.id,
        },
        "api_app_id": APP_ID,
        "token": VERIFICATION,
        "team": {"id": member.team.id, "domain": member.team.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        **more,
    }


def in_channel(channel: Channel) -> Json:
    """The short form of a conversation in a payload."""
    return {"id": channel.id, "name": channel.name}


def in_message(ts: str, channel: Channel, *, ephemeral: bool) -> Json:
    """Where a click happened: on a message."""
    return {"type": "message", "message_ts": ts, "channel_id": channel.id, "is_ephemeral": ephemeral}


def made_up_click(
    channel: Channel | None, ts: str, message: Json | None, where: tuple[str, str, str]
) -> Json:
    """A press that nobody was offered, for acts.Acts.forge. `where`: block id, action id and the button's value.

    Without a channel it claims to be on a Home tab.
    """
    block_id, action_id, value = where
    button: Json = {"type": "button", "block_id": block_id, "action_id": action_id, "value": value}
    button |= {"action_ts": ts, "text": {"type": "plain_text", "text": "Button", "emoji": True}}
    if channel is None:
        view = {"type": "home", "id": "V0NONE", "blocks": [], "private_metadata": "", "callback_id": ""}
        place: Json = {"container": {"type": "view", "view_id": "V0NONE"}, "view": view}
    else:
        place = {"container": in_message(ts, channel, ephemeral=False), "channel": in_channel(channel)}
        place["message"] = message or {"type": "message", "user": APP.id, "ts": ts, "text": ""}
    return {"type": "block_actions", "actions": [button], **place}


def username(member: Member) -> str:
    """The account's name, which is neither the display name nor the real one."""
    return member.email.partition("@")[0] or member.person


def bot_profile() -> Json:
    """What stands beside the app's messages."""
    return {"id": APP.bot_id, "app_id": APP_ID, "name": APP.name, "deleted": False, "team_id": HOME.id}
