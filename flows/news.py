"""News: what was done in somebody's name, told to them away from where it was done, so that they can object.

It says what happened and when. It holds no link, number, code or secret, so whoever reads it on its way can do
nothing with it, and nobody's own words but what somebody calls their device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flows.model import Method, Request
from flows.registration import (
    AuthenticatorRegistered,
    AuthenticatorRevoked,
    Change,
    DeviceRegistered,
    DeviceRevoked,
    InvitationIssued,
    Registration,
    SignedIn,
)


class What(StrEnum):
    """What there is to tell. Stored names are for ever."""

    LINK_MADE = "link_made"
    DEVICE_REGISTERED = "device_registered"
    PASSKEY_ADDED = "passkey_added"
    APP_ADDED = "app_added"
    DEVICE_REVOKED = "device_revoked"
    PASSKEY_REVOKED = "passkey_revoked"
    SIGNED_IN = "signed_in"
    REQUEST_OPENED = "request_opened"  # by somebody else
    CHANGE_MADE = "change_made"
    OBJECTIONS_INVITED = "objections_invited"
    OBJECTED = "objected"
    REQUEST_LOCKED = "request_locked"
    REQUEST_DISOWNED = "request_disowned"
    RECOVERY_CODE_USED = "recovery_code_used"
    CODES_LOCKED = "codes_locked"
    PERSON_FROZEN = "person_frozen"
    FREEZE_LIFTED = "freeze_lifted"


@dataclass(frozen=True, slots=True)
class News:
    """One thing that was done in a person's name. `device` is what its owner calls it."""

    person: str
    what: What
    at: datetime
    device: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """News under a key of its own, the same whenever it is made, and the request that it goes back to, if any."""

    key: str
    request: str
    news: News


def of_registration(before: Registration, change: Change, at: datetime) -> Sequence[Item]:
    """What a change to somebody's devices makes us tell them: every binding, loss and revocation.

    What came with a new device is part of that device's news.
    """
    names = {device.id: device.name for device in (*before.devices, *change.devices)}
    fresh = {event.device for event in change.events if isinstance(event, DeviceRegistered)}
    items: list[Item] = []

    def tell(what: What, id: str, request: str, device: str = "") -> None:
        news = News(before.person, what, at, names.get(device, ""))
        items.append(Item(f"news:{what}:{id}", request, news))

    for event in change.events:
        match event:
            case InvitationIssued(invitation=id, request=request):
                tell(What.LINK_MADE, id, request)
            case DeviceRegistered(device=device, by=request):
                tell(What.DEVICE_REGISTERED, device, request, device)
            case AuthenticatorRegistered(device=device, authenticator=id, method=method):
                if device not in fresh:
                    added = What.PASSKEY_ADDED if method is Method.PASSKEY else What.APP_ADDED
                    tell(added, id, "", device)
            case SignedIn(device=device):
                tell(What.SIGNED_IN, f"{device}:{at.timestamp():.6f}", "", device)
            case DeviceRevoked(device=device, by=request):
                tell(What.DEVICE_REVOKED, device, request, device)
            case AuthenticatorRevoked(device=device, authenticator=id, by=request):
                tell(What.PASSKEY_REVOKED, id, request, device)
    return items


#: Verbs of our own connector whose change is news already when the registry makes it.
_OF_DEVICES = frozenset(
    {
        "invite",
        "add_device",
        "re_enrol",
        "revoke_device",
        "revoke_passkey",
        "freeze",
        "keep_frozen",
        "lift_freeze",
    }
)


def is_told_by_registry(request: Request) -> bool:
    """True for requests whose change the registry tells of by itself."""
    return request.connector == "countersign" and request.verb in _OF_DEVICES
