"""What the configuration file says of a directory: where it is, as whom it is spoken to, and which part is served."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from handlers.ldap.names import readable, written
from handlers.reach import address, authority


class LdapDirectory(BaseModel):
    """One directory. Raises pydantic's ValidationError for what can't be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    servers: tuple[str, ...] = Field(
        min_length=1,
        description="ldaps://HOST, or ldap://HOST, which is turned to TLS before anything is said; in order.",
    )
    ca_file: Path | None = Field(None, description="A PEM file with your own authority; else the system's.")
    bind_as: str = Field(
        min_length=1, description="The service account: its DN, in Active Directory its UPN."
    )
    password: SecretStr = Field(min_length=1, description="Its password, as `{env: NAME}`.")
    connect_within: float = Field(5.0, gt=0, le=15, description="Seconds to connect within.")
    answer_within: int = Field(10, gt=0, le=60, description="Seconds for each answer.")
    pause: float = Field(
        2.0, ge=0, le=60, description="Seconds in which a server that failed isn't asked; doubled, up to 60."
    )
    people: str = Field(min_length=3, description="The DN below which people's accounts are.")
    groups: str = Field("", description="The DN below which the groups are that may be joined and left.")
    roles: Mapping[str, tuple[str, ...]] = Field(
        {}, description="Roles that groups give: administrator, desk_agent, security and your own, by cn."
    )
    untouchable: tuple[str, ...] = Field(
        (), description="DNs of groups whose members are never changed by request: your administrators."
    )
    only_members_of: tuple[str, ...] = Field(
        (), description="DNs of groups: then their members' passwords are set, and nobody else's is."
    )
    timezone: str = Field("UTC", description="Where most people work, such as Europe/Stockholm.")
    only: str = Field(
        "", description="A filter that people's accounts have to match besides, such as (o=Acme)."
    )

    def gives_a_role(self, cn: str) -> bool:
        """Whether a group of this name gives its members a role here."""
        return cn.casefold() in {name.casefold() for names in self.roles.values() for name in names}

    @field_validator("servers")
    @classmethod
    def _with_tls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for server in value:
            url = address(server, ("ldap", "ldaps"), "ldaps://dc1.example.com")
            if url.path.strip("/") or url.query or url.fragment:
                raise ValueError(f"{server!r} isn't an address such as ldaps://dc1.example.com")
        return value

    @field_validator("people", "groups")
    @classmethod
    def _named(cls, value: str) -> str:
        return written(value) if value else value

    @field_validator("untouchable", "only_members_of")
    @classmethod
    def _all_named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(written(each) for each in value)

    @field_validator("only")
    @classmethod
    def _filter(cls, value: str) -> str:
        if value and not readable(value):
            raise ValueError(f"{value!r} isn't a filter such as (employeeType=staff)")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {value!r}; an example is Europe/Stockholm") from None
        return value

    @model_validator(mode="after")
    def _by_groups(self) -> LdapDirectory:
        if self.roles and not self.groups:
            raise ValueError("roles come from groups, so name the DN below which those are as `groups`")
        return self

    @model_validator(mode="after")
    def _one_or_the_other(self) -> LdapDirectory:
        if both := sorted(set(self.untouchable) & set(self.only_members_of)):
            raise ValueError(f"{both[0]} is named under both `untouchable` and `only_members_of`: keep one")
        return self

    _authority = field_validator("ca_file")(authority)
