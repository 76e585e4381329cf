"""The registry of devices: who is registered with what, and every change to it, sealed and on record."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select

import flows.errors as no
from flows import news
from flows import registration as registering
from flows.authority import Evidence
from flows.events import Refused
from flows.news import Item
from flows.recovery import RecoveryCodeUsed
from flows.registration import (
    Authenticator,
    AuthenticatorRevoked,
    Change,
    Device,
    DeviceRevoked,
    Invitation,
    Registration,
)
from handlers.ports import Rejected, Used
from handlers.standings import Standings
from storage import codec, rows
from storage.book import Book, Need, Outcome, Work
from storage.seals import token_hash
from storage.sql import TABLES, Row
from storage.store import Store
from storage.tables import Instant

INVITATION_LASTS = timedelta(hours=1)
BINDING = frozenset({"OpenInvitation", "Enrol", "Join"})  # what is done to nobody who is frozen
#: How much longer than a device is new it matters who vouched for it: no proof is relied on for as long as that.
PROOF_LASTS = timedelta(days=31)

_DEVICES = TABLES["devices"]
_AUTHENTICATORS = TABLES["authenticators"]
_INVITATIONS = TABLES["invitations"]
_devices_of = (
    select(_DEVICES).where(_DEVICES.c.person == bindparam("person")).order_by(_DEVICES.c.registered_at)
)
_authenticators_of = select(_AUTHENTICATORS).where(_AUTHENTICATORS.c.person == bindparam("person"))
_device = select(_DEVICES).where(_DEVICES.c.id == bindparam("id"))
_authenticator = select(_AUTHENTICATORS).where(_AUTHENTICATORS.c.id == bindparam("id"))
_invitation = select(_INVITATIONS).where(_INVITATIONS.c.id == bindparam("id"))
_taken = (
    select(_INVITATIONS)
    .where(_INVITATIONS.c.browser_hash == bindparam("browser_hash"))
    .order_by(_INVITATIONS.c.expires_at.desc())
)
_used_by = select(_INVITATIONS).where(
    _INVITATIONS.c.person == bindparam("person"), _INVITATIONS.c.used_at.is_not(None)
)
_REQUESTS = TABLES["requests"]
_ordering = select(_REQUESTS).where(_REQUESTS.c.id == bindparam("id"))
_owners = select(_DEVICES.c.person).distinct().limit(2)
_EVENTS, _PROOFS = TABLES["audit_events"], TABLES["verifications"]
_told = select(_EVENTS.c.type, _EVENTS.c.at, _EVENTS.c.body).where(
    _EVENTS.c.person == bindparam("person"),
    (_EVENTS.c.type == DeviceRevoked.__name__)
    | (_EVENTS.c.type == AuthenticatorRevoked.__name__)
    | (_EVENTS.c.type == RecoveryCodeUsed.__name__),
)
#: What the log says is gone, and what its event calls it by.
_GONE = {DeviceRevoked.__name__: "device", AuthenticatorRevoked.__name__: "authenticator"}
_uses = (
    select(_PROOFS.c.authenticator, func.max(_PROOFS.c.at, type_=Instant()).label("at"))
    .where(_PROOFS.c.person == bindparam("person"))
    .group_by(_PROOFS.c.authenticator)
)

Decision = Callable[[Registration, Book], Change]


class DeviceRegistry:
    """Devices, authenticators and invitations, over the store. Also the `Registry` port of our own connector."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- reading ----------------------------------------------------------------------------

    async def registration(self, person: str) -> Registration:
        """What is registered for a person. What isn't sealed, or is older than its history, doesn't count.

        A seal alone doesn't tell an old row that was put back: the log says what was revoked since, and a kept
        proof says when an authenticator was used last. Each such row is noticed. The log, too, says when a recovery
        code let a browser in.
        """
        devices = await self._store.believed("devices", await self._store.fetch(_devices_of, person=person))
        keys = await self._store.believed(
            "authenticators", await self._store.fetch(_authenticators_of, person=person)
        )
        told = await self._store.fetch(_told, person=person)
        gone: dict[str, set[str]] = {"device": set(), "authenticator": set()}
        for row in told:
            if (what := _GONE.get(row["type"])) is not None:
                gone[what].add(codec.said(row["body"])[what])
        used = {row["authenticator"]: row["at"] for row in await self._store.fetch(_uses, person=person)}
        found = Registration(
            person,
            tuple([rows.device(row) for row in devices if await self._device_is_now(row, gone["device"])]),
            tuple([rows.authenticator(row) for row in keys if await self._key_is_now(row, gone, used)]),
            recovered=tuple(row["at"] for row in told if row["type"] == RecoveryCodeUsed.__name__),
        )
        until = found.young_until  # nobody has to vouch for what is old
        asked = until is not None and self._store.clock() < until + PROOF_LASTS
        return replace(found, vouched=await self._vouched(person)) if asked else found

    async def _vouched(self, person: str) -> datetime | None:
        """When a link was last used that says that somebody else stands for this person's devices.

        `init` made their first one; or a later one was ordered by a request of somebody else's, and proved by them.
        """
        stood: list[datetime] = []
        for row in await self._store.believed(
            "invitations", await self._store.fetch(_used_by, person=person)
        ):
            link = rows.invitation(row)
            if link.used_at is None:
                continue
            if link.first:
                stood += [link.used_at] if link.request == registering.INIT else []
                continue
            ordered = await self._store.fetch(_ordering, id=link.request)
            for request in await self._store.believed("requests", ordered):
                if person not in (request["requester"], request["prover"]):
                    stood.append(link.used_at)
        return max(stood, default=None)

    async def _device_is_now(self, row: Row, revoked: Collection[str]) -> bool:
        if row["revoked_at"] is not None or row["id"] not in revoked:
            return True
        await self._store.notice("devices", row["id"], bytes(row["mac"]))
        return False

    async def _key_is_now(
        self, row: Row, gone: Mapping[str, Collection[str]], used: Mapping[str, datetime]
    ) -> bool:
        revoked = row["device"] in gone["device"] or row["id"] in gone["authenticator"]
        brought_back = row["revoked_at"] is None and revoked
        last = used.get(row["id"])
        forgetful = last is not None and (row["used_at"] is None or row["used_at"] < last)
        if brought_back or forgetful:
            await self._store.notice("authenticators", row["id"], bytes(row["mac"]))
            return False
        return True

    async def device_of(self, cookie: str) -> Device | None:
        """The live device that holds this cookie (`device.secret`), or None."""
        id, _, secret = cookie.partition(".")
        found = await self._store.believed("devices", await self._store.fetch(_device, id=id))
        if not found or not secret:
            return None
        known = (await self.registration(found[0]["person"])).live
        device = next((d for d in known if d.id == id), None)
        if device is None or not hmac.compare_digest(device.cookie_hash, token_hash(secret)):
            return None
        return device

    async def authenticator(self, id: str) -> Authenticator | None:
        """An authenticator that counts, by its id (a passkey's credential id), or None."""
        found = await self._store.believed("authenticators", await self._store.fetch(_authenticator, id=id))
        if not found:
            return None
        registration = await self.registration(found[0]["person"])
        return next((a for a in registration.proofs if a.id == id), None)

    async def invitation(self, token: str) -> Invitation | None:
        """The invitation of this token, or None."""
        found = await self._store.believed(
            "invitations", await self._store.fetch(_invitation, id=token_hash(token))
        )
        return rows.invitation(found[0]) if found else None

    async def begun(self) -> bool:
        """True once two people have had a device: from then on every link takes two of them."""
        return len(await self._store.fetch(_owners)) >= 2

    # -- changing ---------------------------------------------------------------------------

    async def decide(self, command: str, person: str, decision: Decision, *needs: Need) -> Change:
        """Decide and commit one change to a person's registration, against the rows as the commit finds them."""
        devices, keys = Need("devices", "person", person), Need("authenticators", "person", person)
        codes, standing = Need("recovery_codes", "person", person), Need("standings", "person", person)

        def run(book: Book) -> Outcome:
            before = Registration(
                person,
                tuple(rows.device(row) for row in book.rows(devices)),
                tuple(rows.authenticator(row) for row in book.rows(keys)),
            )
            if command in BINDING and rows.standing(book.row("standings", person), person).frozen(book.now):
                raise no.Frozen
            change = decision(before, book)
            outcome = _written(change, news.of_registration(before, change, book.now), book.now)
            if any(isinstance(event, DeviceRevoked) for event in change.events):
                gone = {device.id for device in change.devices if device.revoked_at is not None}
                if not {device.id for device in before.live} - gone:
                    outcome.drops.append(("recovery_codes", person))  # they went with what is lost
            return outcome

        def refused(refusal: no.Refusal, book: Book) -> Outcome:
            return Outcome(events=[(None, Refused(command, person, refusal.kind))])

        change: Change = await self._store.write(Work(run, (devices, keys, codes, standing, *needs), refused))
        return change

    async def _not_resting(self, command: str, person: str) -> None:
        """Nothing is bound to whoever is frozen, by whatever link. Raises Frozen, on record."""
        if await Standings(self._store).frozen_among([person]):
            refused = Refused(command, person, no.Frozen.__name__)
            await self._store.write(Work(lambda book: Outcome(events=[(None, refused)])))
            raise no.Frozen

    async def open_invitation(self, token: str, browser: str) -> Invitation:
        """Bind an enrolment link to the browser that opened it first; `browser` is that browser's own secret."""
        found = await self.invitation(token)
        if found is None:
            raise no.LinkUnknown
        await self._not_resting("OpenInvitation", found.person)
        await self.decide(
            "OpenInvitation",
            found.person,
            lambda before, book: registering.open_invitation(
                before, _invited(book, found.id), token_hash(browser), book.now
            ),
            Need("invitations", "id", found.id),
        )
        return found

    async def invitation_of(self, browser_hash: str) -> Invitation | None:
        """The newest invitation that this browser has taken, or None."""
        found = await self._store.believed(
            "invitations", await self._store.fetch(_taken, browser_hash=browser_hash)
        )
        return rows.invitation(found[0]) if found else None

    async def enrol(
        self, invitation: str, browser_hash: str, device: Device, authenticator: Authenticator
    ) -> None:
        """Bind what came through an enrolment link: a new device, or one more authenticator on this one."""
        await self._not_resting("Enrol", device.person)
        await self.decide(
            "Enrol",
            device.person,
            lambda before, book: registering.enrol(
                before, _invited(book, invitation), browser_hash, device, authenticator, book.now
            ),
            Need("invitations", "id", invitation),
        )

    async def rename(self, person: str, device: str, name: str) -> None:
        """Give one of the person's devices another name."""
        await self.decide(
            "RenameDevice", person, lambda before, book: registering.rename(before, device, name)
        )

    async def sign_in(self, used: Used, evidence: Evidence, cookie_hash: str, browser_key: str) -> None:
        """Renew a device's cookie and browser key with its own passkey.

        The nonce is used once; the counter compared and set.
        """
        key = used.authenticator

        def decision(before: Registration, book: Book) -> Change:
            after = compare_and_set(book, used)
            change = registering.sign_in(before, key, cookie_hash, browser_key)
            return Change(change.events, change.devices, (after,), evidence=(evidence,))

        await self.decide("SignIn", key.person, decision, Need("authenticators", "id", key.id))

    # -- for our own connector --------------------------------------------------------------

    async def invite(self, person: str, token: str, request: str, *, first: bool) -> bool:
        """Make an enrolment link valid for an hour. False if this very token stands already."""
        id = token_hash(token)

        def decision(before: Registration, book: Book) -> Change:
            if book.row("invitations", id) is not None:
                return Change(())
            return registering.invite(
                before, Invitation(id, person, request, book.now + INVITATION_LASTS, first)
            )

        try:
            change = await self.decide("Invite", person, decision, Need("invitations", "id", id))
        except no.HadADevice as refusal:
            raise Rejected(refusal.sentence) from None
        return bool(change.events)

    async def re_enrol(self, person: str, token: str, request: str) -> bool:
        """Revoke every device, withdraw every open link and make a new one, in one commit.

        For whoever never had a device it is a first link. False if this very token stands already.
        """
        id, links = token_hash(token), Need("invitations", "person", person)

        def decision(before: Registration, book: Book) -> Change:
            standing = [rows.invitation(row) for row in book.rows(links)]
            if any(link.id == id for link in standing):
                return Change(())
            made = Invitation(id, person, request, book.now + INVITATION_LASTS, False)
            return registering.re_enrol(before, standing, made, book.now)

        return bool((await self.decide("ReEnrol", person, decision, links)).events)

    async def first_link(self, person: str) -> str:
        """A token for one of the first two people of an empty installation."""
        token = secrets.token_urlsafe(32)
        await self.invite(person, token, registering.INIT, first=True)
        return token

    async def invited(self, person: str, token: str) -> bool:
        """Whether this token was made into a link for this person."""
        found = await self.invitation(token)
        return found is not None and found.person == person

    async def revoke(self, person: str, device: str, request: str) -> bool:
        """Revoke a device because a request ordered it. False if it is revoked already."""
        return await self._revoke(
            "RevokeDevice",
            person,
            lambda before, book: registering.revoke(before, device, request, book.now),
            lambda: self.revoked(person, device),
        )

    async def revoked(self, person: str, device: str) -> bool:
        """Whether this device is on record and counts no more."""
        registration = await self.registration(person)
        return any(d.id == device and d.revoked_at is not None for d in registration.devices)

    async def revoke_passkey(self, person: str, passkey: str, request: str) -> bool:
        """Revoke one passkey because a request ordered it. False if it is revoked already."""
        return await self._revoke(
            "RevokePasskey",
            person,
            lambda before, book: registering.revoke_passkey(before, passkey, request, book.now),
            lambda: self.passkey_revoked(person, passkey),
        )

    async def passkey_revoked(self, person: str, passkey: str) -> bool:
        """Whether the passkey of this short name is on record and counts no more."""
        registration = await self.registration(person)
        return any(a.short == passkey and a.revoked_at is not None for a in registration.authenticators)

    async def _revoke(
        self, command: str, person: str, decision: Decision, done: Callable[[], Awaitable[bool]]
    ) -> bool:
        if await done():
            return False
        try:
            await self.decide(command, person, decision)
        except (no.UnknownDevice, no.LastOnDevice) as refusal:
            if await done():
                return False  # somebody else was faster
            raise Rejected(refusal.sentence) from None
        return True


def compare_and_set(book: Book, used: Used) -> Authenticator:
    """The authenticator after this use. Raises UsedAlready unless it still is as the verifier saw it."""
    row = book.row("authenticators", used.authenticator.id)
    if row is None or rows.authenticator(row) != used.authenticator:
        raise no.UsedAlready
    return registering.used(used.authenticator, used.counter, used.backed_up, book.now, used.synced)


def _invited(book: Book, id: str) -> Invitation | None:
    row = book.row("invitations", id)
    return None if row is None else rows.invitation(row)


def _written(change: Change, told: Sequence[Item], now: datetime) -> Outcome:
    return Outcome(
        value=change,
        events=[(None, event) for event in change.events],
        puts=[
            *(("devices", asdict(device)) for device in change.devices),
            *(("authenticators", rows.authenticator_row(key)) for key in change.authenticators),
            *(("invitations", asdict(invitation)) for invitation in change.invitations),
            *(("verifications", rows.evidence_row(evidence)) for evidence in change.evidence),
            *(("outbox", row) for item in told for row in rows.news_rows(item, now)),
        ],
    )
