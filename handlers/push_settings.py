"""The settings of notifications to registered devices: a key and a contact, or neither."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from handlers import vapid

_CONTACT = re.compile(r"mailto:[^@\s]+@[^@\s]+\.[^@\s]+|https://[^\s/@]+(/\S*)?", re.ASCII)


class PushSettings(BaseSettings):
    """What it takes to be known to push services (RFC 8292)."""

    vapid_key: str | None = Field(
        None,
        description="The private key that push services know this installation by. Make one with "
        "`python app.py push-key`. Without it no device is notified.",
    )
    vapid_contact: str | None = Field(
        None,
        description="Whom a push service writes to when something is wrong with what we send: "
        "mailto:desk@example.com, or an https address.",
    )

    @field_validator("vapid_key")
    @classmethod
    def _key(cls, value: str | None) -> str | None:
        if value is not None:
            vapid.private(value)
        return value

    @field_validator("vapid_contact")
    @classmethod
    def _whom(cls, value: str | None) -> str | None:
        if value is not None and not _CONTACT.fullmatch(value):
            raise ValueError("it is neither like mailto:desk@example.com nor an https address")
        return value

    @model_validator(mode="after")
    def _push(self) -> PushSettings:
        """Push is set up wholly or not at all."""
        if self.vapid_key and not self.vapid_contact:
            raise ValueError(
                "COUNTERSIGN_VAPID_KEY is set, but COUNTERSIGN_VAPID_CONTACT isn't. Name whom a push service may "
                "write to"
            )
        if self.vapid_contact and not self.vapid_key:
            raise ValueError(
                "COUNTERSIGN_VAPID_CONTACT is set, but COUNTERSIGN_VAPID_KEY isn't. Make a key with "
                "`python app.py push-key`, or unset the contact"
            )
        return self

    @property
    def push_key(self) -> str:
        """The public half of the key, as browsers take it; empty while no device is notified."""
        return vapid.public(self.vapid_key) if self.vapid_key else ""
