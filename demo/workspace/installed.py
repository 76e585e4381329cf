"""How the app is installed in the workspace: tokens, scopes, what it listens to, and how patient the workspace is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

APP_ID = "A0COUNTERSIGN"
#: What a payload's deprecated `token` says. Nobody should look at it.
VERIFICATION = "deprecated-verification-token"

SCOPES = frozenset(
    {"chat:write", "commands", "im:history", "im:write", "users:read", "users:read.email", "team:read"}
)
EVENTS = frozenset({"message.im", "app_home_opened"})


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command the app has registered."""

    command: str
    description: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A shortcut the app has registered; `type` is "global" or "message"."""

    callback_id: str
    name: str
    type: str = "global"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds. Tests shorten what Slack makes long."""

    answer: float = 3.0  # an acknowledgement may take this long
    trigger: float = 3.0  # a trigger_id is good for this long
    retries: tuple[float, ...] = (0.0, 60.0, 300.0)  # waits before an event is sent again
    url_life: float = 1800.0  # a response_url is good for this long
    url_uses: int = 5
    messages: float = (
        0.0  # a message sooner than this after another in its channel is refused; Slack's is about 1
    )


@dataclass(frozen=True, slots=True)
class Installed:
    """One installation. With a `request_url` the app is spoken to over signed HTTP, without one over Socket Mode."""

    signing_secret: str
    bot_token: str
    app_token: str = ""
    request_url: str | None = None
    scopes: frozenset[str] = SCOPES
    events: frozenset[str] = EVENTS
    commands: tuple[Command, ...] = (Command("/desk", "Ask the service desk", "[what you need]"),)
    shortcuts: tuple[Shortcut, ...] = (
        Shortcut("ask_desk", "Ask the service desk"),
        Shortcut("report_message", "Report to the desk", "message"),
    )
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        if not self.signing_secret or not self.bot_token.startswith("xoxb-"):
            raise ValueError("an installation has a signing secret and a bot token that begins with xoxb-")
        if self.request_url is None and not self.app_token.startswith("xapp-"):
            raise ValueError("Socket Mode needs an app token that begins with xapp-")

    def scopes_of(self, token: str) -> frozenset[str] | None:
        """What this token may do; None for a token nobody was given."""
        if token == self.bot_token:
            return self.scopes
        return frozenset({"connections:write"}) if self.app_token and token == self.app_token else None


def asked_for(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What an app's manifest asks for, as arguments of Installed: scopes, events, commands and shortcuts."""
    features = manifest.get("features", {})
    return {
        "scopes": frozenset(manifest.get("oauth_config", {}).get("scopes", {}).get("bot", ())),
        "events": frozenset(
            manifest.get("settings", {}).get("event_subscriptions", {}).get("bot_events", ())
        ),
        "commands": tuple(
            Command(entry["command"], entry.get("description", ""), entry.get("usage_hint", ""))
            for entry in features.get("slash_commands", ())
        ),
        "shortcuts": tuple(
            Shortcut(entry["callback_id"], entry["name"], entry["type"])
            for entry in features.get("shortcuts", ())
        ),
    }
