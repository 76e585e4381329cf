"""Who is in the pretend workspace and which channels it has: the company's people, and odd ones for the tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from demo import directory

Json = dict[str, Any]

SCHEDULE = 1_760_000_000  # when everybody's profile was last changed, in epoch seconds


@dataclass(frozen=True, slots=True)
class Team:
    """A workspace: ours, or the one a shared channel leads to."""

    id: str
    name: str
    domain: str


HOME = Team("T0ACME", "Acme", "acme")
PARTNER = Team("T0PARTNER", "Partner", "partner")


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with an account. `person` is the short name tests and pages use: "maya" for U0MAYA."""

    person: str
    name: str
    about: str = ""
    team: Team = HOME
    timezone: str = "Europe/London"
    email: str = ""
    deleted: bool = False
    restricted: bool = False  # a guest of several channels
    ultra_restricted: bool = False  # a guest of one channel
    bot_id: str = ""

    @property
    def id(self) -> str:
        """The user id, U0…"""
        return f"U0{self.person.upper()}"

    @property
    def im(self) -> str:
        """The id of the conversation this user has with the app, D0…"""
        return f"D0{self.person.upper()}"

    @property
    def human(self) -> bool:
        """True for people, False for apps."""
        return not self.bot_id


@dataclass(frozen=True, slots=True)
class Channel:
    """A conversation. `user` is the other end of an im; `shared` is true for a channel that leads to PARTNER."""

    id: str
    name: str
    user: str = ""
    shared: bool = False

    @property
    def is_im(self) -> bool:
        """True for a direct conversation between one user and the app."""
        return bool(self.user)


APP = Member("countersign", "Countersign", bot_id="B0COUNTERSIGN", timezone="UTC")

_ABOUT = {
    "maya": "an employee who forgot her password",
    "omar": "her manager",
    "nina": "an administrator",
    "sam": "the other administrator",
    "ravi": "an agent of the service desk",
    "eve": "trouble",
}


def _company() -> tuple[Member, ...]:
    people = {person.id: person for person in directory.PEOPLE}
    return tuple(
        Member(
            id,
            people[id].name,
            about,
            timezone=people[id].timezone,
            email=f"{people[id].account}@example.com",
        )
        for id, about in _ABOUT.items()
    )


#: The people a visitor of the demo can be, in the order they are offered.
COMPANY = _company()
#: Accounts that only tests use.
ODD = (
    Member("guest", "Greta Gast", "a guest", email="greta@agency.example", restricted=True),
    Member("ultra", "Ulf Enkel", "a guest of one channel", email="ulf@agency.example", ultra_restricted=True),
    Member("gone", "Dora Departed", "somebody who left", email="dora.departed@example.com", deleted=True),
    Member("robot", "Build Robot", "another app", bot_id="B0ROBOT", timezone="UTC"),
    Member(
        "stranger", "Stan Stranger", "somebody of another workspace", PARTNER, email="stan@partner.example"
    ),
)
CAST = (*COMPANY, *ODD, APP)

SECURITY = Channel("C0SECURITY", "security")
GENERAL = Channel("C0GENERAL", "general")
PARTNERS = Channel("C0PARTNERS", "partners", shared=True)
CHANNELS = (SECURITY, GENERAL, PARTNERS)
#: Who is in which channel at the beginning, by person.
MEMBERS = {
    SECURITY.id: ("nina", "sam", "ravi", "robot", "countersign"),
    GENERAL.id: ("maya", "omar", "nina", "sam", "ravi", "eve", "guest", "ultra", "robot"),
    PARTNERS.id: ("nina", "stranger"),
}


def as_user(member: Member, *, email: bool, stranger: bool) -> Json:
    """The user object as users.info gives it. `email` is whether the token may see addresses."""
    first, _, last = member.name.partition(" ")
    zone = ZoneInfo(member.timezone)
    profile: Json = {
        "title": "",
        "phone": "",
        "skype": "",
        "real_name": member.name,
        "real_name_normalized": member.name,
        "display_name": member.person,
        "display_name_normalized": member.person,
        "first_name": first,
        "last_name": last,
        "status_text": "",
        "status_emoji": "",
        "team": member.team.id,
    }
    if email and member.email and not stranger:
        profile["email"] = member.email
    if member.bot_id:
        profile |= {
            "bot_id": member.bot_id,
            "api_app_id": f"A0{member.person.upper()}",
            "always_active": True,
        }
    user: Json = {
        "id": member.id,
        "team_id": member.team.id,
        "name": member.email.partition("@")[0] or member.person,
        "deleted": member.deleted,
        "profile": profile,
        "is_bot": not member.human,
        "is_app_user": False,
        "updated": SCHEDULE,
    }
    if member.deleted:
        return user
    offset = datetime.fromtimestamp(SCHEDULE, zone).utcoffset()
    user |= {
        "real_name": member.name,
        "tz": member.timezone,
        "tz_label": member.timezone,
        "tz_offset": int(offset.total_seconds()) if offset else 0,
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": member.restricted or member.ultra_restricted,
        "is_ultra_restricted": member.ultra_restricted,
        "is_email_confirmed": True,
    }
    if member.team is not HOME:
        user["is_stranger"] = stranger
    return user


def as_channel(channel: Channel, *, is_member: bool, members: int) -> Json:
    """The conversation object as conversations.info gives it."""
    if channel.is_im:
        return {
            "id": channel.id,
            "created": SCHEDULE,
            "is_archived": False,
            "is_im": True,
            "is_org_shared": False,
            "user": channel.user,
            "is_user_deleted": False,
            "is_open": True,
            "priority": 0,
        }
    teams = [HOME.id, PARTNER.id] if channel.shared else [HOME.id]
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": True,
        "is_group": False,
        "is_im": False,
        "is_mpim": False,
        "is_private": False,
        "is_archived": False,
        "is_general": channel.id == GENERAL.id,
        "is_shared": channel.shared,
        "is_ext_shared": channel.shared,
        "is_org_shared": False,
        "is_pending_ext_shared": False,
        "shared_team_ids": teams,
        "context_team_id": HOME.id,
        "created": SCHEDULE,
        "creator": COMPANY[2].id,
        "is_member": is_member,
        "num_members": members,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }
