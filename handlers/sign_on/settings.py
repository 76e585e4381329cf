"""The settings of the company's own sign-on: it is connected wholly or not at all."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from handlers.chat_settings import address

#: Claims that name or describe somebody. They change, are given to the next person, or are typed by their owner.
PASSING = frozenset(
    {
        "email",
        "mail",
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "unique_name",
        "upn",
        "login",
        "username",
        "phone_number",
    }
)


class SignOnSettings(BaseSettings):
    """What it takes to be a client of the company's OpenID Connect provider."""

    oidc_issuer: str | None = Field(
        None,
        description="The issuer of the company's sign-on, as it writes itself, such as https://login.example.com. "
        "https, except on this machine. Without it nobody joins with a company account.",
    )
    oidc_client_id: str | None = Field(
        None, min_length=1, max_length=255, description="The client id that the sign-on knows Countersign by."
    )
    oidc_client_secret: str | None = Field(
        None, min_length=1, description="The client secret that goes with COUNTERSIGN_OIDC_CLIENT_ID."
    )
    oidc_claim: str = Field(
        "sub",
        pattern="^[A-Za-z][A-Za-z0-9_.:/-]{0,99}$",
        description="The claim whose value is a person's lasting id in the directory, letter by letter. Never an "
        "e-mail address or a name: those change, and go to the next person.",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(address(value))
        if not url.hostname or url.query or url.fragment or url.username:
            raise ValueError("it is not an address like https://login.example.com")
        return value

    @field_validator("oidc_claim")
    @classmethod
    def _claim(cls, value: str) -> str:
        if value.lower() in PASSING:
            raise ValueError(f"`{value}` isn't lasting")
        return value

    @model_validator(mode="after")
    def _sign_on(self) -> SignOnSettings:
        """The sign-on is set up wholly or not at all."""
        parts = {
            "COUNTERSIGN_OIDC_ISSUER": self.oidc_issuer,
            "COUNTERSIGN_OIDC_CLIENT_ID": self.oidc_client_id,
            "COUNTERSIGN_OIDC_CLIENT_SECRET": self.oidc_client_secret,
        }
        missing = [name for name, value in parts.items() if not value]
        if missing and len(missing) < len(parts):
            raise ValueError(f"the company's sign-on is set up in part. Set {' and '.join(missing)}, too")
        return self
