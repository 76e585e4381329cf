"""The workspace as a whole: its world, the app installed in it, and the post between them."""

from __future__ import annotations

import uuid

from demo.workspace import payloads
from demo.workspace.blocks import Refused, checked
from demo.workspace.deliver import Post
from demo.workspace.faults import Calls
from demo.workspace.installed import APP_ID, Installed
from demo.workspace.people import APP, HOME, Channel, Json, Member
from demo.workspace.screens import Screens
from demo.workspace.tickets import ApiError, Tickets
from demo.workspace.world import Message, World

LONGEST_TEXT = 40_000
#: Which event a message is, and which scope lets the app have it, by kind of conversation.
_HEARD = {True: ("message.im", "im:history"), False: ("message.channels", "channels:history")}


class Workspace:
    """Everything in one place. What people do is in acts.py, what the app asks for in methods.py."""

    def __init__(self, world: World, installed: Installed, device_page: str) -> None:
        self.world = world
        self.installed = installed
        self.device_page = device_page
        self.screens = Screens(world)
        self.tickets = Tickets(installed.pace, world.clock)
        self.post = Post(installed, world.clock, world.announce)
        self.calls = Calls(world.clock, world.announce)

    @property
    def url(self) -> str:
        """Where the workspace is reached."""
        return self.tickets.url

    @url.setter
    def url(self, url: str) -> None:
        self.tickets.url = url

    # -- messages, whoever writes them

    def say(self, channel: Channel, by: Member, content: Json, only_for: str = "") -> Message:
        """Put a message into a conversation and tell the app. `content`: text, blocks, thread_ts, metadata."""
        body: Json = {"type": "message", "user": by.id, "ts": self.world.next_ts(), "team": by.team.id}
        if by.bot_id:
            body |= {"bot_id": by.bot_id, "app_id": f"A0{by.person.upper()}"}
        else:
            body["client_msg_id"] = str(uuid.uuid4())
        if by.id == APP.id:
            body["bot_profile"] = payloads.bot_profile()
        body |= {"text": content.get("text") or ""}
        body |= {key: content[key] for key in ("blocks", "thread_ts", "metadata") if content.get(key)}
        if only_for:
            body["is_ephemeral"] = True
        kept = self.world.keep(channel.id, body, only_for)
        if only_for:
            return kept
        if by.human:
            self.world.read(by.id, channel.id)
        self._hear(channel, by, payloads.message_event(body, channel, by))
        mention = f"<@{APP.id}>" in body["text"] and not channel.is_im
        if mention and self._hears("app_mention", "app_mentions:read", channel):
            event = payloads.message_event(body, channel, by) | {"type": "app_mention"}
            self._tell(event, channel, by)
        return kept

    def change(self, message: Message, content: Json) -> Message:
        """Edit the app's message. Blocks stay where neither blocks nor a text are given.

        A message that is drawn from blocks isn't marked as edited; one that is read as text is.
        """
        body = {key: value for key, value in message.body.items() if key != "edited"}
        if content.get("text") is not None:
            body["text"] = content["text"]
        if content.get("text") is not None or content.get("blocks") is not None:
            body |= {"blocks": content.get("blocks") or []}
        at = self.world.next_ts()
        if not body.get("blocks"):
            body.pop("blocks", None)
            body["edited"] = {"user": body["user"], "ts": at}
        changed = self.world.change(message, body)
        channel = self.world.channel(message.channel)
        if channel is not None and not message.only_for:
            event = payloads.hidden_event(
                "message_changed", channel, at, message=body, previous_message=message.body
            )
            self._hear(channel, APP, event)
        return changed

    def remove(self, message: Message) -> None:
        """Delete the app's message."""
        self.world.remove(message)
        channel = self.world.channel(message.channel)
        if channel is not None and not message.only_for:
            at = self.world.next_ts()
            event = payloads.hidden_event(
                "message_deleted", channel, at, deleted_ts=message.ts, previous_message=message.body
            )
            self._hear(channel, APP, event)

    def content(self, given: Json) -> Json:
        """What the app wants to say, checked: text and blocks. Raises ApiError."""
        text, blocks = given.get("text"), given.get("blocks")
        if text is not None and not isinstance(text, str):
            raise ApiError("invalid_arguments")
        if len(text or "") > LONGEST_TEXT:
            raise ApiError("msg_too_long")
        checked_blocks = None
        if blocks is not None:
            if not isinstance(blocks, list):
                raise ApiError("invalid_blocks_format")
            try:
                checked_blocks = checked(blocks, "message")
            except Refused as refused:
                raise ApiError(
                    "invalid_blocks",
                    errors=[message.removeprefix("[ERROR] ") for message in refused.messages],
                    response_metadata={"messages": refused.messages},
                ) from None
        return {
            "text": text,
            "blocks": checked_blocks,
            **{k: given.get(k) for k in ("thread_ts", "metadata")},
        }

    # -- events

    def home_opened(self, member: Member, tab: str) -> None:
        """Tell the app that somebody opened its Home tab or its messages."""
        if "app_home_opened" in self.installed.events:
            view = self.world.home(member.id)
            event = payloads.home_opened(member, tab, self.world.next_ts(), view)
            _ = self.post.tell(payloads.event_callback(event, self.world.clock(), channel=None, by=member))

    def _hear(self, channel: Channel, by: Member, event: Json) -> None:
        if self._hears(*_HEARD[channel.is_im], channel):
            self._tell(event, channel, by)

    def _hears(self, event: str, scope: str, channel: Channel) -> bool:
        return (
            event in self.installed.events
            and scope in self.installed.scopes
            and self.world.is_member(channel, APP.id)
        )

    def _tell(self, event: Json, channel: Channel, by: Member) -> None:
        _ = self.post.tell(payloads.event_callback(event, self.world.clock(), channel=channel, by=by))


def identity() -> Json:
    """Who the app is here, as auth.test puts it."""
    return {"user": APP.person, "team_id": HOME.id, "user_id": APP.id, "bot_id": APP.bot_id, "app_id": APP_ID}
