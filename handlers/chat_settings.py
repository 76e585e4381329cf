"""The settings of the chat platforms: each is connected wholly or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SlackSettings(BaseSettings):
    """What it takes to be an app in one Slack workspace."""

    slack_bot_token: str | None = Field(
        None,
        pattern="^xoxb-",
        description="Slack's bot token, which begins with xoxb-. Without it Slack isn't connected.",
    )
    slack_app_token: str | None = Field(
        None,
        pattern="^xapp-",
        description="Slack's app-level token, which begins with xapp- and has connections:write: for Socket Mode.",
    )
    slack_signing_secret: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        max_length=2,
        description="The signing secret of Slack's app: for requests over HTTP. Two, separated by a comma and newest "
        "first, while it is being rotated.",
    )
    slack_api_url: str = Field(
        "https://slack.com/api/",
        description="Where Slack's Web API is: https, except on this machine's loopback.",
    )
    security_channel: str | None = Field(
        None,
        pattern="^[CG][A-Z0-9]{2,20}$",
        description="The id of the Slack channel security reads, such as C0123456789. The bot is a member of it.",
    )

    @field_validator("slack_signing_secret", mode="before")
    @classmethod
    def _signing(cls, value: Any) -> Any:
        found = several(value)
        if any(len(part) < 16 for part in found):
            raise ValueError("a signing secret has at least 16 characters")
        return found

    @field_validator("slack_api_url")
    @classmethod
    def _api(cls, value: str) -> str:
        return address(value).rstrip("/") + "/"

    @model_validator(mode="after")
    def _slack(self) -> SlackSettings:
        """Slack is set up wholly or not at all."""
        ways = bool(self.slack_app_token or self.slack_signing_secret)
        if self.slack_bot_token and not ways:
            raise ValueError(
                "COUNTERSIGN_SLACK_BOT_TOKEN is set, but neither COUNTERSIGN_SLACK_APP_TOKEN (Socket Mode) nor "
                "COUNTERSIGN_SLACK_SIGNING_SECRET (HTTP). Set one of them"
            )
        if ways and not self.slack_bot_token:
            raise ValueError("Slack's other settings are set, but COUNTERSIGN_SLACK_BOT_TOKEN isn't. Set it")
        if self.slack_bot_token and not self.security_channel:
            raise ValueError(
                "COUNTERSIGN_SECURITY_CHANNEL is missing. Name the Slack channel that security reads"
            )
        return self


class TeamsSettings(BaseSettings):
    """What it takes to be a bot in Microsoft Teams: of one tenant, with a certificate or a managed identity."""

    teams_app_id: str | None = Field(
        None,
        pattern=f"^{GUID}$",
        description="The Microsoft App ID of the bot. Without it Teams isn't connected.",
    )
    teams_tenant: str | None = Field(
        None,
        pattern=f"^{GUID}$",
        description="The tenant (directory) whose people use the bot. Whatever comes from another one is refused.",
    )
    teams_certificate: Path | None = Field(
        None,
        description="A PEM file with the private key and the certificate that the bot's app registration knows. "
        "Instead of it: COUNTERSIGN_TEAMS_MANAGED_IDENTITY.",
    )
    teams_managed_identity: str | None = Field(
        None,
        pattern=f"^system$|^{GUID}$",
        description="The client id of the managed identity that the bot is registered as, or `system`, on Azure.",
    )
    teams_channel: str | None = Field(
        None,
        pattern=r"^19:[A-Za-z0-9_.@-]{10,120}$",
        description="The id of the Teams channel security reads, such as 19:0123456789abcdef@thread.tacv2.",
    )
    teams_service_url: str = Field(
        "https://smba.trafficmanager.net/teams/",
        description="Where Teams is written to before it has said so itself: https, except on this machine.",
    )
    teams_openid_url: str = Field(
        "https://login.botframework.com/v1/.well-known/openidconfiguration",
        description="Where the keys of Teams' tokens are announced: https, except on this machine's loopback.",
    )
    teams_development: bool = Field(
        False,
        description="Believe whoever writes without a token, for Microsoft's Agents Playground on this machine. "
        "Refused unless COUNTERSIGN_PUBLIC_URL is on localhost.",
    )

    @field_validator("teams_service_url", "teams_openid_url")
    @classmethod
    def _addresses(cls, value: str) -> str:
        return address(value)

    @model_validator(mode="after")
    def _teams(self) -> TeamsSettings:
        """Teams is set up wholly or not at all."""
        ways = [self.teams_certificate, self.teams_managed_identity, self.teams_development or None]
        given = [self.teams_tenant, self.teams_channel, *ways]
        if not self.teams_app_id:
            if any(given):
                raise ValueError("Teams' other settings are set, but COUNTERSIGN_TEAMS_APP_ID isn't. Set it")
            return self
        if not self.teams_tenant:
            raise ValueError("COUNTERSIGN_TEAMS_TENANT is missing. Name the tenant whose people use the bot")
        if sum(way is not None for way in ways) != 1:
            raise ValueError(
                "COUNTERSIGN_TEAMS_APP_ID is set, but how the bot signs in isn't. Set either "
                "COUNTERSIGN_TEAMS_CERTIFICATE or COUNTERSIGN_TEAMS_MANAGED_IDENTITY"
            )
        if not self.teams_channel:
            raise ValueError(
                "COUNTERSIGN_TEAMS_CHANNEL is missing. Name the Teams channel that security reads"
            )
        return self


def address(value: str) -> str:
    """An address that secrets may be sent to: https, or this machine's loopback."""
    url = urlsplit(value)
    here = url.hostname in LOOPBACK
    if url.scheme != "https" and not (url.scheme == "http" and here):
        raise ValueError("it must begin with https:// (http is for this machine only)")
    return value


def several(value: Any) -> Any:
    """Secrets separated by commas, newest first. Empty is no value: it is most often a variable that got lost."""
    if not isinstance(value, str):
        return value
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not found:
        raise ValueError("it is empty")
    return found
