"""Settings: the environment for secrets and endpoints, one YAML file for connectors, roles and people.

Everything is read and judged once, at start. A secret that is missing or empty stops us there, with the remedy.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flows.model import Person
from handlers.chat_settings import SlackSettings, TeamsSettings, several
from handlers.mail_settings import MailSettings
from handlers.push_settings import PushSettings
from handlers.sign_on.settings import SignOnSettings
from storage.store import Place

R = TypeVar("R", bound="Reach")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """Settings we won't start with: one line a problem, each with its remedy."""


class Reach(BaseSettings):
    """What needs no secret: where the service is to be found on this machine, and its playbooks."""

    model_config = SettingsConfigDict(env_prefix="COUNTERSIGN_", extra="ignore", frozen=True)

    database_url: str = Field(
        "sqlite:////var/lib/countersign/desk.db",
        description="Where requests, evidence and devices are kept: sqlite:////absolute/path.db, "
        "or postgresql://user:password@host/name.",
    )
    playbooks: Path = Field(
        Path(__file__).parent.parent / "playbooks",
        description="The folder of request types, one YAML file each.",
    )
    policy_keys: Path | None = Field(
        None,
        description="The YAML file of the maintainers' public keys, outside the folder of playbooks. With it, two of "
        "them must have signed the playbooks and rules.",
    )
    policy_signatures: int | None = Field(
        None,
        ge=0,
        le=9,
        description="How many maintainers must have signed the playbooks and rules, from 0 to 9: with "
        "COUNTERSIGN_POLICY_KEYS two, and without it none, unless it is said here.",
    )
    socket: Path | None = Field(
        None,
        description="The Unix socket (mode 0600) through which the command line reaches `serve`. "
        "Default: beside the SQLite database, or /run/countersign/desk.sock.",
    )

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        Place.parse(value)
        return value

    @property
    def socket_path(self) -> Path:
        """Where the command line finds `serve`."""
        if self.socket is not None:
            return self.socket
        path = Place.parse(self.database_url).path
        return path.with_name(path.name + ".sock") if path else Path("/run/countersign/desk.sock")


class Settings(SlackSettings, TeamsSettings, MailSettings, PushSettings, SignOnSettings, Reach):
    """What the environment says. Each name is `COUNTERSIGN_` and the field's name in capitals."""

    public_url: str = Field(
        "http://localhost:8080",
        description="The address people open, such as https://desk.example.com. Passkeys are bound to its host, "
        "so changing the host later makes every passkey useless. Must be https, except on localhost.",
    )
    bind: str = Field("127.0.0.1:8080", description="Address and port to listen on, behind your TLS proxy.")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Addresses or networks, separated by commas, whose X-Forwarded-For is believed. "
        "Empty: nobody's.",
    )
    secret_key: Annotated[tuple[str, ...], NoDecode] = Field(
        description="The root of every seal and of the encryption of seeds: at least 32 random characters, kept "
        "outside the database and its backups. Several, separated by commas and newest first, while rotating.",
    )
    config: Path | None = Field(
        None, description="The YAML file that names connectors, roles and, for a pilot, people."
    )
    freeze_hours: int = Field(
        24,
        ge=1,
        le=168,
        description="How many hours everything in a person's name rests after they said that they didn't ask for "
        "something. Security can let them go on earlier.",
    )
    log_format: str = Field("json", pattern="^(json|console)$", description="`json` or `console`.")

    @field_validator("secret_key", mode="before")
    @classmethod
    def _secrets(cls, value: Any) -> Any:
        found = several(value)
        if any(len(part) < 32 for part in found):
            raise ValueError("a secret key has at least 32 characters")
        return found

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        url = urlsplit(value.rstrip("/"))
        if url.scheme not in ("http", "https") or not url.hostname or url.path or url.query or url.username:
            raise ValueError("it is not an address like https://desk.example.com")
        if url.scheme == "http" and url.hostname != "localhost":
            raise ValueError("it must begin with https:// (http is for localhost only)")
        port = "" if url.port in (None, {"http": 80, "https": 443}[url.scheme]) else f":{url.port}"
        return f"{url.scheme}://{url.hostname}{port}"  # as a browser writes an origin

    @model_validator(mode="after")
    def _nobody_outside(self) -> Settings:
        """Who writes without a token is believed on this machine only."""
        if self.teams_development and (
            self.rp_id != "localhost" or not ipaddress.ip_address(self.host_and_port[0]).is_loopback
        ):
            raise ValueError(
                "COUNTERSIGN_TEAMS_DEVELOPMENT believes everybody, so it is for this machine alone. Unset it, or "
                "serve on localhost"
            )
        return self

    @field_validator("bind")
    @classmethod
    def _bind(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        ipaddress.ip_address(host.strip("[]"))
        if not port.isdigit() or int(port) > 65535:
            raise ValueError("it is not an address and port like 127.0.0.1:8080")
        return value

    @property
    def chats(self) -> bool:
        """Whether any chat platform is connected."""
        return bool(self.slack_bot_token or self.teams_app_id)

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where to listen."""
        host, _, port = self.bind.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def rp_id(self) -> str:
        """The host that passkeys are bound to."""
        return str(urlsplit(self.public_url).hostname)


class PersonEntry(BaseModel):
    """One person of a pilot's roster."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")
    name: str = Field(min_length=1, max_length=100)
    account: str = ""
    active: bool = True
    manager: str | None = None
    timezone: str = "UTC"
    email: str | None = None
    groups: frozenset[Annotated[str, Field(min_length=1, max_length=100)]] = frozenset()
    since: AwareDatetime | None = None

    @field_validator("since", mode="before")
    @classmethod
    def _whole_day(cls, value: Any) -> Any:
        """A day is the beginning of it."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        return value

    @field_validator("since")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        if value and value.year < 1970:
            raise ValueError("no account is so old; write when it was made, or leave it out")
        return value.astimezone(UTC) if value else None

    def person(self) -> Person:
        """The value the core knows."""
        return Person(**{**self.model_dump(), "account": self.account or self.id})


class Config(BaseModel):
    """What the YAML file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    connectors: Mapping[str, Mapping[str, Any]] = Field(
        {}, description="Systems of record by name; each has a `kind` and that kind's own settings."
    )
    roles: Mapping[str, tuple[str, ...]] = Field(
        {},
        description="Who holds which role: administrator, desk_agent, security and your own, by person id.",
    )
    owners: Mapping[str, tuple[str, ...]] = Field(
        {}, description="Whose a group is, by group and person id, beside what the directory says."
    )
    on_call: Mapping[str, Mapping[str, Any]] = Field(
        {}, description="Schedules by name: a `file` or a `url`, and `among` whom those on call have to be."
    )
    directory: str = Field("", description="The connector that people are read from.")
    people: tuple[PersonEntry, ...] = Field(
        (), description="The people of a pilot. Left out as soon as a directory is connected."
    )
    demo: bool = Field(False, description="True only in what `demo` writes for itself; `serve` refuses it.")

    @model_validator(mode="after")
    def _one_source(self) -> Config:
        if self.directory and self.people:
            raise ValueError(
                f"people are read from the connector `{self.directory}`, so leave the list `people` out"
            )
        return self


def load_settings(**overrides: Any) -> Settings:
    """Read the environment. Raises SettingsError naming every variable that is wrong, and what to do."""
    return _read(Settings, overrides)


def load_reach() -> Reach:
    """Read what it takes to find the service. Raises SettingsError like load_settings."""
    return _read(Reach, {})


def _read(kind: type[R], overrides: Mapping[str, Any]) -> R:
    try:
        return kind(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(problem) for problem in error.errors())) from None


def _problem(problem: Any) -> str:
    name = f"COUNTERSIGN_{str(problem['loc'][0]).upper()}" if problem["loc"] else "The settings"
    if name == "COUNTERSIGN_SECRET_KEY":
        what = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        return (
            f"{name}: {what}. Make one with `python app.py secret`, keep it outside the database and its backups, "
            "and set it in the environment of every command."
        )
    field = Settings.model_fields.get(str(problem["loc"][0]) if problem["loc"] else "")
    remedy = field.description if field else "See docs/settings.md."
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}. {remedy}"


def load_config(path: Path | None) -> Config:
    """Read the YAML file, with `{env: NAME}` replaced by that variable. Raises SettingsError with the place."""
    if path is None:
        return Config()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"COUNTERSIGN_CONFIG: {path} can't be read ({error}). Name a readable file."
        ) from None
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(
            f"{path}: this isn't YAML ({' '.join(str(error).split())}). Mend that line."
        ) from None
    try:
        return Config.model_validate(_referred(content, path))
    except ValidationError as error:
        raise SettingsError(problems(error, str(path))) from None


def _referred(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        if set(value) == {"env"}:
            found = os.environ.get(str(value["env"]), "")
            if not found:
                raise SettingsError(
                    f"{path}: the variable {value['env']} is missing or empty. Set it, then start again."
                )
            return found
        return {key: _referred(inner, path) for key, inner in value.items()}
    if isinstance(value, list):
        return [_referred(inner, path) for inner in value]
    return value


def problems(error: ValidationError, place: str) -> str:
    """What is wrong below a place of the configuration: a line each, with what was meant to stand there."""
    return "\n".join(
        f"{place}: {f'{where}: ' if (where := _dotted(each['loc'])) else ''}"
        f"{each['msg'].removeprefix('Value error, ')}. See docs/settings.md."
        for each in error.errors(include_input=False)
    )


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def new_secret() -> str:
    """A secret key: 256 random bits."""
    return secrets.token_urlsafe(32)
