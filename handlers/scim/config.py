"""What the configuration file says of a SCIM server: where it is, with which token, and what is left alone there."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from handlers.reach import address, authority


class ScimServer(BaseModel):
    """One server. Raises pydantic's ValidationError for what can't be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: str = Field(description="The server's base address, such as https://id.example.com/scim/v2.")
    token: SecretStr = Field(min_length=1, description="Its bearer token, as `{env: NAME}`.")
    ca_file: Path | None = Field(None, description="A PEM file with your own authority; else the system's.")
    connect_within: float = Field(5.0, gt=0, le=15, description="Seconds to connect within.")
    answer_within: float = Field(10.0, gt=0, le=60, description="Seconds for each answer.")
    person_id: Literal["id", "externalId"] = Field(
        "id", description="What stays the same of a person for ever: the server's `id`, or `externalId`."
    )
    groups: bool = Field(False, description="Whether groups may be joined and left by request.")
    untouchable_groups: tuple[str, ...] = Field(
        (), description="Groups by displayName: nothing is ever changed about them and their members."
    )
    search_groups: bool = Field(
        False,
        description="Whether the groups somebody is in are searched for where the server doesn't list them.",
    )
    only_members_of: tuple[str, ...] = Field(
        (), description="Groups by displayName: then their members' passwords are set, and nobody else's is."
    )
    roles: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Role → the groups, by displayName, whose members hold it."
    )

    @field_validator("url")
    @classmethod
    def _with_tls(cls, value: str) -> str:
        url = address(value, ("http", "https"), "https://id.example.com/scim/v2")
        if url.query or url.fragment:
            raise ValueError(f"{value!r} isn't an address such as https://id.example.com/scim/v2")
        if url.scheme == "http" and not _loopback(str(url.hostname)):
            raise ValueError("it must begin with https:// (http is for this machine only)")
        return value.rstrip("/")

    @field_validator("token")
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        said = value.get_secret_value()
        if not said.isascii() or not said.isprintable() or " " in said:
            raise ValueError("a token is one word of ASCII characters (RFC 6750 section 2.1)")
        return value

    @model_validator(mode="after")
    def _one_or_the_other(self) -> ScimServer:
        if both := sorted(set(self.untouchable_groups) & set(self.only_members_of)):
            raise ValueError(
                f"{both[0]} is named under both `untouchable_groups` and `only_members_of`: keep one"
            )
        return self

    _authority = field_validator("ca_file")(authority)

    @property
    def left_alone(self) -> frozenset[str]:
        """Groups, in small letters, that no request joins or leaves: the untouchable, and those that give a role."""
        named = [*self.untouchable_groups, *(group for held in self.roles.values() for group in held)]
        return frozenset(group.casefold() for group in named)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
