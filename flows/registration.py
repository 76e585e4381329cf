"""The registered devices of one person: bound by an invitation or by a stronger device, revoked, never guessed.

A device is one browser that holds our cookie; an authenticator is what it can prove with. Both are rows
of authority (S10): the store seals each, and nothing unsealed is ever believed.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import flows.errors as no
from flows.authority import Evidence
from flows.model import Method

#: How long a first device waits, or a recovered one, before it serves tier 2 and 3: time for its owner to notice that
#: it isn't theirs.
YOUNG = timedelta(hours=72)
#: On whose authority the first two people of an installation have their links.
INIT = "init"


@dataclass(frozen=True, slots=True)
class Device:
    """One registered browser of one person. `cookie_hash` is SHA-256 of the cookie's secret, in hex.

    `key` is the public half of the key it signs with: an uncompressed P-256 point in base64url. Empty on a device
    that was registered before browsers had one: its cookie is worth nothing until somebody signs in there.
    """

    id: str
    person: str
    name: str
    cookie_hash: str
    registered_at: datetime
    revoked_at: datetime | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Authenticator:
    """What a person proves with. `material` is a COSE public key (passkey) or a sealed seed (sign-in app).

    `counter` only grows: the passkey's signature counter, or the last accepted 30-second step.

    `synced` is what a passkey said of itself when it was registered (backup eligibility, WebAuthn Level 3 section
    6.1.3): True for one that may be copied to other devices, False for one that stays where it was made, None where
    that wasn't kept; then its next use tells. `backed_up`: there is such a copy, as far as it last said. `name` is
    its own where a device has several; empty where the device's name will do.
    """

    id: str
    person: str
    device: str
    method: Method
    material: bytes
    counter: int
    registered_at: datetime
    backed_up: bool = False
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    synced: bool | None = None
    name: str = ""

    @property
    def short(self) -> str:
        """What forms, addresses and commands call it: 22 characters. A passkey's id is its maker's, up to 1,364 long.

        They are 128 bits of its SHA-256 in base64url.
        """
        return urlsafe_b64encode(hashlib.sha256(self.id.encode()).digest()[:16]).rstrip(b"=").decode()

    @property
    def device_bound(self) -> bool:
        """True for a passkey that is known to stay on the device it was made on."""
        return self.method is Method.PASSKEY and self.synced is False

    @property
    def kind(self) -> str:
        """What its owner reads that it is."""
        if self.method is Method.CODE:
            return "sign-in app codes"
        return {True: "a synced passkey", False: "a passkey on this device only", None: "a passkey"}[
            self.synced
        ]


@dataclass(frozen=True, slots=True)
class Invitation:
    """One enrolment link. The token itself is never stored: `id` is its SHA-256 in hex.

    `browser_hash` is set by the first browser that opens it, and only that browser goes on. `first`: it is for
    someone who never had a device; otherwise the person ordered it themself, with the strongest proof they have.
    """

    id: str
    person: str
    request: str
    expires_at: datetime
    first: bool
    browser_hash: str | None = None
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """Everything that ever was registered for one person, revoked ones included.

    `vouched`: when somebody else last stood for their devices: their first one began this installation, or another
    was bound through a link that an administrator had ordered. `recovered`: when recovery codes let browsers in.
    """

    person: str
    devices: tuple[Device, ...] = ()
    authenticators: tuple[Authenticator, ...] = ()
    vouched: datetime | None = None
    recovered: tuple[datetime, ...] = ()

    @property
    def young(self) -> tuple[tuple[datetime, datetime], ...]:
        """The times, from and until, in which whatever this person has is new, and nobody has vouched for it since.

        From their first device on, revoked or not, since what a new device binds is no older than it is; and likewise
        from each use of a recovery code on, which lets in whoever has it.
        """
        if not self.devices:
            return ()
        first, stands = min(device.registered_at for device in self.devices), self.vouched
        since = [first] if stands is None or stands < first else []
        since += [at for at in self.recovered if stands is None or stands <= at]
        return tuple((at, at + YOUNG) for at in since)

    @property
    def young_until(self) -> datetime | None:
        """Until when whatever this person has is new; None where that doesn't matter."""
        return max((until for _, until in self.young), default=None)

    @property
    def live(self) -> tuple[Device, ...]:
        """The devices that count: not revoked."""
        return tuple(d for d in self.devices if d.revoked_at is None)

    @property
    def proofs(self) -> tuple[Authenticator, ...]:
        """The authenticators that count: not revoked, on a device that isn't."""
        live = {d.id for d in self.live}
        return tuple(a for a in self.authenticators if a.revoked_at is None and a.device in live)

    @property
    def passkeys(self) -> tuple[Authenticator, ...]:
        """The passkeys that count."""
        return tuple(a for a in self.proofs if a.method is Method.PASSKEY)

    @property
    def spare(self) -> tuple[Authenticator, ...]:
        """The passkeys that can go alone, because something else on the same device can prove, too."""
        on = Counter(a.device for a in self.proofs)
        return tuple(a for a in self.passkeys if on[a.device] > 1)

    @property
    def methods(self) -> frozenset[Method]:
        """The methods this person can prove with now."""
        return frozenset(a.method for a in self.proofs)


# -- what happened ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InvitationIssued:
    """An enrolment link was made for someone; `request` says on whose authority."""

    person: str
    invitation: str
    request: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InvitationOpened:
    """A browser took the link; no other can use it now."""

    person: str
    invitation: str


@dataclass(frozen=True, slots=True)
class InvitationWithdrawn:
    """A link that nobody had used is worth nothing any more. `by` is the request that ordered it."""

    person: str
    invitation: str
    by: str


@dataclass(frozen=True, slots=True)
class DeviceRegistered:
    """A device was bound: by an invitation, or with a proof on the device named in `by`."""

    person: str
    device: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class AuthenticatorRegistered:
    """A passkey or sign-in app was bound to a device."""

    person: str
    device: str
    authenticator: str
    method: Method


@dataclass(frozen=True, slots=True)
class DeviceRenamed:
    """A device has a new name."""

    person: str
    device: str
    name: str


@dataclass(frozen=True, slots=True)
class DeviceRevoked:
    """A device and everything on it counts no more. `by` is the person, or the request that ordered it."""

    person: str
    device: str
    by: str


@dataclass(frozen=True, slots=True)
class AuthenticatorRevoked:
    """One passkey counts no more; its device goes on with the others. `by` is the request that ordered it."""

    person: str
    device: str
    authenticator: str
    by: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A device's cookie and browser key were renewed with its own passkey."""

    person: str
    device: str
    authenticator: str


RegistrationEvent = (
    InvitationIssued
    | InvitationOpened
    | InvitationWithdrawn
    | DeviceRegistered
    | AuthenticatorRegistered
    | DeviceRenamed
    | DeviceRevoked
    | AuthenticatorRevoked
    | SignedIn
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a registration command comes to: the events, and the rows as they are afterwards."""

    events: tuple[RegistrationEvent, ...]
    devices: tuple[Device, ...] = ()
    authenticators: tuple[Authenticator, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    evidence: tuple[Evidence, ...] = ()


# -- decisions --------------------------------------------------------------------------------


def invite(registration: Registration, invitation: Invitation) -> Change:
    """An enrolment link: the first one is only for someone who never had a device."""
    if invitation.first and registration.devices:
        raise no.HadADevice
    issued = InvitationIssued(invitation.person, invitation.id, invitation.request, invitation.expires_at)
    return Change((issued,), invitations=(invitation,))


#: On whose authority somebody has a link who signed on with their company account.
SIGN_ON = "sign-on"


def join(registration: Registration, invitation: Invitation) -> Change:
    """A first link for whoever has just signed on, taken by their browser at once: it has no token to steal."""
    issued = invite(registration, invitation)
    opened = InvitationOpened(invitation.person, invitation.id)
    return replace(issued, events=(*issued.events, opened))


def open_invitation(
    registration: Registration, invitation: Invitation | None, browser_hash: str, now: datetime
) -> Change:
    """The link exists, unused · in time · a first one is for someone without a device · not taken by another."""
    invitation = _open(registration, invitation, now)
    if invitation.browser_hash not in (None, browser_hash):
        raise no.LinkTaken
    opened = InvitationOpened(invitation.person, invitation.id)
    return Change((opened,), invitations=(replace(invitation, browser_hash=browser_hash),))


#: How long the browser that used a link may add a sign-in app beside the passkey it just made.
CEREMONY = timedelta(minutes=10)


def enrol(
    registration: Registration,
    invitation: Invitation | None,
    browser_hash: str,
    device: Device,
    authenticator: Authenticator,
    now: datetime,
) -> Change:
    """What a link binds: a device with its first authenticator, or one more on a device of the same person.

    Right after the passkey the same sitting may add a sign-in app to the same device, and nothing else.
    """
    known = any(each.id == device.id for each in registration.live)
    if invitation is not None and invitation.used_at is not None and known:
        _same_sitting(registration, invitation, device, authenticator, now)
    else:
        invitation = _open(registration, invitation, now)
    if invitation.browser_hash != browser_hash:
        raise no.LinkTaken
    if not device.person == authenticator.person == invitation.person or authenticator.device != device.id:
        raise no.LinkUnknown
    if known:
        change = add_authenticator(registration, authenticator)
    else:
        change = add_device(registration, device, authenticator, by=invitation.request)
    # The cookie changes with the registration; the rest of the sitting is bound to the new one.
    after = replace(invitation, used_at=invitation.used_at or now, browser_hash=device.cookie_hash)
    return replace(change, invitations=(after,))


def _same_sitting(
    registration: Registration,
    invitation: Invitation,
    device: Device,
    authenticator: Authenticator,
    now: datetime,
) -> None:
    if invitation.used_at is None or now >= invitation.used_at + CEREMONY:
        raise no.LinkExpired
    if authenticator.method is not Method.CODE:
        raise no.LinkUnknown
    if any(a.method is Method.CODE and a.device == device.id for a in registration.proofs):
        raise no.LinkUnknown


def _open(registration: Registration, invitation: Invitation | None, now: datetime) -> Invitation:
    if invitation is None or invitation.used_at is not None:
        raise no.LinkUnknown
    if now >= invitation.expires_at:
        raise no.LinkExpired
    if invitation.first and registration.devices:
        raise no.HadADevice
    return invitation


def add_device(registration: Registration, device: Device, authenticator: Authenticator, by: str) -> Change:
    """A device with its first authenticator. Who may order it is checked before: here the values must agree."""
    named(device.name)
    if not device.person == authenticator.person == registration.person or authenticator.device != device.id:
        raise no.UnknownDevice
    return Change(
        (
            DeviceRegistered(device.person, device.id, device.name, by),
            AuthenticatorRegistered(device.person, device.id, authenticator.id, authenticator.method),
        ),
        devices=(device,),
        authenticators=(authenticator,),
    )


def add_authenticator(registration: Registration, authenticator: Authenticator) -> Change:
    """Another way to prove, on a device that counts."""
    _live(registration, authenticator.device)
    registered = AuthenticatorRegistered(
        authenticator.person, authenticator.device, authenticator.id, authenticator.method
    )
    return Change((registered,), authenticators=(authenticator,))


def rename(registration: Registration, device: str, name: str) -> Change:
    """A new name for one of the person's devices."""
    renamed = replace(_live(registration, device), name=named(name))
    return Change((DeviceRenamed(registration.person, device, renamed.name),), devices=(renamed,))


def revoke(registration: Registration, device: str, by: str, now: datetime) -> Change:
    """A device and everything on it counts no more. `by` is the request that ordered it."""
    gone = _live(registration, device)
    return Change(
        (DeviceRevoked(registration.person, device, by),),
        devices=(replace(gone, revoked_at=now, cookie_hash=""),),
        authenticators=tuple(
            replace(a, revoked_at=now)
            for a in registration.authenticators
            if a.device == device and a.revoked_at is None
        ),
    )


def revoke_passkey(registration: Registration, passkey: str, by: str, now: datetime) -> Change:
    """One passkey counts no more, named by its short name. `by` is the request that ordered it.

    A device that nothing could be proved on any more would be none, so the last that is on one goes with it.
    """
    gone = next((a for a in registration.passkeys if a.short == passkey), None)
    if gone is None:
        raise no.UnknownPasskey
    if gone not in registration.spare:
        raise no.LastOnDevice
    revoked = AuthenticatorRevoked(registration.person, gone.device, gone.id, by)
    return Change((revoked,), authenticators=(replace(gone, revoked_at=now),))


def re_enrol(
    registration: Registration, links: Sequence[Invitation], made: Invitation, now: datetime
) -> Change:
    """Everything is lost: every device counts no more, every open link is worth nothing, and there is a new link.

    A link ordered with a lost device would otherwise let whoever has that device back in. For whoever never had any,
    the new one is a first link: nobody who asks learns which of the two it was, and what it binds waits as any first
    device does.
    """
    made = replace(made, first=not registration.devices)
    gone = [revoke(registration, device.id, made.request, now) for device in registration.live]
    open_ = [link for link in links if link.used_at is None and now < link.expires_at]
    issued = InvitationIssued(made.person, made.id, made.request, made.expires_at)
    return Change(
        (
            *(event for change in gone for event in change.events),
            *(InvitationWithdrawn(link.person, link.id, made.request) for link in open_),
            issued,
        ),
        devices=tuple(device for change in gone for device in change.devices),
        authenticators=tuple(key for change in gone for key in change.authenticators),
        invitations=(*(replace(link, expires_at=now) for link in open_), made),
    )


def used(
    authenticator: Authenticator, counter: int, backed_up: bool, now: datetime, synced: bool | None = None
) -> Authenticator:
    """An authenticator after a proof: its counter moved on, and what it is stays, once it is known."""
    known = synced if authenticator.synced is None else authenticator.synced
    return replace(authenticator, counter=counter, backed_up=backed_up, used_at=now, synced=known)


def sign_in(registration: Registration, authenticator: Authenticator, cookie_hash: str, key: str) -> Change:
    """A fresh cookie, and this browser's key, for the device whose own passkey was just used."""
    device = _live(registration, authenticator.device)
    if all(a.id != authenticator.id for a in registration.proofs):
        raise no.UnknownPasskey
    signed_in = SignedIn(registration.person, device.id, authenticator.id)
    return Change((signed_in,), devices=(replace(device, cookie_hash=cookie_hash, key=key),))


def named(name: str) -> str:
    """A device's name as it is kept: trimmed, 1 to 40 printable characters."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 40 or not name.isprintable():
        raise no.BadName
    return name


def _live(registration: Registration, device: str) -> Device:
    found = next((d for d in registration.live if d.id == device), None)
    if found is None:
        raise no.UnknownDevice
    return found
