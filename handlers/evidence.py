"""Evidence, read and judged from rows alone: the log's tree, every seal, and every proof of a request."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from flows.accounts import AccountConnected, AccountDisconnected
from flows.digest import request_digest
from flows.errors import NotAuthorised, Tampered
from flows.events import FulfilmentOrdered
from flows.model import Method, Request, Stage
from flows.registration import (
    Authenticator,
    AuthenticatorRegistered,
    AuthenticatorRevoked,
    DeviceRegistered,
    DeviceRevoked,
    Registration,
)
from handlers.findings import Finding, Level
from handlers.house import verifiers
from handlers.playbooks import sha256 as playbook_hash
from handlers.ports import Verifier
from handlers.records import fold
from handlers.settings import Settings
from storage import codec, rows
from storage.merkle import Frontier, leaf_hash
from storage.sql import TABLES, Row, primary_key
from storage.store import Store
from storage.tables import SEALED, iso

_EVENTS = TABLES["audit_events"]
_page = select(_EVENTS).where(_EVENTS.c.seq >= bindparam("first")).order_by(_EVENTS.c.seq).limit(2000)
_newest = select(_EVENTS).order_by(_EVENTS.c.seq.desc()).limit(bindparam("last"))
_of_request = select(_EVENTS).where(_EVENTS.c.request == bindparam("request")).order_by(_EVENTS.c.seq)
_registrations = (
    select(_EVENTS.c.type, _EVENTS.c.body)
    .where(
        (_EVENTS.c.type == DeviceRegistered.__name__)
        | (_EVENTS.c.type == AuthenticatorRegistered.__name__)
        | (_EVENTS.c.type == DeviceRevoked.__name__)
        | (_EVENTS.c.type == AuthenticatorRevoked.__name__)
    )
    .order_by(_EVENTS.c.seq)
)
_accounts = (
    select(_EVENTS.c.type, _EVENTS.c.body)
    .where((_EVENTS.c.type == AccountConnected.__name__) | (_EVENTS.c.type == AccountDisconnected.__name__))
    .order_by(_EVENTS.c.seq)
)
_orders = select(_EVENTS.c.body).where(_EVENTS.c.type == FulfilmentOrdered.__name__)
_installed = select(TABLES["installation"])
_head = select(TABLES["tree_head"])
_proofs = select(TABLES["verifications"]).where(TABLES["verifications"].c.request == bindparam("request"))
_ids = select(TABLES["requests"].c.id)
_begun = select(_EVENTS.c.request).where((_EVENTS.c.type == "Opened") | (_EVENTS.c.type == "Observed"))
_request = select(TABLES["requests"]).where(TABLES["requests"].c.id == bindparam("id"))
_devices = (
    select(TABLES["devices"])
    .where(TABLES["devices"].c.person == bindparam("person"))
    .order_by(TABLES["devices"].c.registered_at)
)
_keys = select(TABLES["authenticators"]).where(TABLES["authenticators"].c.person == bindparam("person"))


class Auditor:
    """Reads what the store kept and believes none of it without its seal, its hash or its signature."""

    def __init__(self, store: Store, verifiers: Mapping[Method, Verifier]) -> None:
        self._store = store
        self._verifiers = verifiers

    @classmethod
    def of(cls, settings: Settings, store: Store) -> Auditor:
        """An auditor with the verifiers of an installation."""
        passkeys, codes = verifiers(settings, store.keys)
        return cls(store, {Method.PASSKEY: passkeys, Method.CODE: codes})

    # -- listing ----------------------------------------------------------------------------

    async def events(self, request: str | None, last: int) -> list[tuple[object, ...]]:
        """Events for reading, oldest first: number, time, request, name and what they say."""
        found = (
            await self._store.fetch(_of_request, request=request)
            if request
            else list(reversed(await self._store.fetch(_newest, last=last)))
        )
        return [
            (row["seq"], iso(row["at"]), row["request"] or "", row["type"], _told(bytes(row["body"])))
            for row in found[-last:]
        ]

    async def devices(self, person: str) -> list[tuple[object, ...]]:
        """A person's devices for reading: never a key, a seed or a cookie."""
        registration = await self.registration(person)
        kept: dict[str, list[Authenticator]] = {device.id: [] for device in registration.devices}
        for key in registration.proofs:
            kept[key.device].append(key)
        return [
            (
                device.id,
                device.name,
                ", ".join(_kinds(kept[device.id])) or "nothing",
                max((iso(key.used_at) for key in kept[device.id] if key.used_at), default=""),
                iso(device.registered_at),
                iso(device.revoked_at) if device.revoked_at else "",
            )
            for device in registration.devices
        ]

    async def registration(self, person: str) -> Registration:
        """A person's devices and authenticators as the rows have them, for reading: nobody relies on it."""
        return Registration(
            person,
            tuple([rows.device(row) for row in await self._store.fetch(_devices, person=person)]),
            tuple([rows.authenticator(row) for row in await self._store.fetch(_keys, person=person)]),
        )

    # -- judging ----------------------------------------------------------------------------

    async def verify(self, request: str | None) -> list[Finding]:
        """One request's evidence, or the whole log, every seal and every proof."""
        if request is not None:
            return [await self.proofs(request), await self.history(request)]
        (installed,) = await self._store.fetch(_installed)
        if not self._store.keys.holds("installation", installed):
            seen = "COUNTERSIGN_SECRET_KEY doesn't belong to this database, so no seal can be judged"
            return [Finding("secret key", Level.FAIL, seen, "Set the key that this database was made with.")]
        findings = [await self.tree()]
        findings += [await self.seals(table) for table in SEALED]
        return [
            *findings,
            await self.registered(),
            await self.bindings(),
            await self.ledger(),
            await self.playbooks(),
            *await self.requests(),
        ]

    async def tree(self) -> Finding:
        """The stored bytes give the leaves, the leaves give the sealed root, the numbers have no gap."""
        check, remedy = "audit log", "Stop the service, keep this database as it is, and call security."
        (head,) = await self._store.fetch(_head)
        if not self._store.keys.holds("tree_head", head):
            return Finding(check, Level.FAIL, "the head's seal doesn't hold", remedy)
        frontier, expected = Frontier(), 0
        async for page in self._pages():
            leaves = []
            for row in page:
                body = bytes(row["body"])
                if row["seq"] != expected or leaf_hash(body) != bytes(row["leaf"]):
                    return Finding(check, Level.FAIL, f"event {expected} is missing or was changed", remedy)
                if not _agrees(row, json.loads(body)):
                    return Finding(check, Level.FAIL, f"event {expected} isn't what its columns say", remedy)
                leaves.append(bytes(row["leaf"]))
                expected += 1
            frontier = frontier.extend(leaves)
        if frontier.size != head["size"] or frontier.root() != bytes(head["root"]):
            seen = f"{frontier.size:,} events, but the sealed head says {head['size']:,} with another root"
            return Finding(check, Level.FAIL, seen, remedy)
        return Finding(
            check, Level.PASS, f"{frontier.size:,} events under root {frontier.root().hex()[:16]}…"
        )

    async def registered(self) -> Finding:
        """Devices and authenticators are those that the log says: none missing, none back after it was revoked."""
        known: dict[str, bool] = {}
        owner: dict[str, str] = {}
        for row in await self._store.fetch(_registrations):
            said = codec.said(row["body"])
            device = said["device"]
            if row["type"] == DeviceRevoked.__name__:
                known |= dict.fromkeys([device, *(key for key, of in owner.items() if of == device)], False)
            elif row["type"] == AuthenticatorRegistered.__name__:
                known[said["authenticator"]], owner[said["authenticator"]] = True, device
            elif row["type"] == AuthenticatorRevoked.__name__:
                known[said["authenticator"]] = False
            else:
                known[device] = True
        kept = {
            row["id"]: row["revoked_at"] is None
            for name in ("devices", "authenticators")
            for row in await self._store.fetch(select(TABLES[name]))
        }
        return _as_the_log_says(
            "devices", "device and authenticator", "devices and authenticators", known, kept
        )

    async def bindings(self) -> Finding:
        """Chat accounts belong to whom the log says."""
        known: dict[str, bool] = {}
        for row in await self._store.fetch(_accounts):
            said = codec.said(row["body"])
            if row["type"] == AccountConnected.__name__:
                known = {name: on for name, on in known.items() if not name.startswith(f"{said['account']} ")}
            known[f"{said['account']} of {said['person']}"] = row["type"] == AccountConnected.__name__
        kept = {
            f"{row['id']} of {row['person']}": row["unbound_at"] is None
            for row in await self._store.fetch(select(TABLES["bindings"]))
        }
        return _as_the_log_says("chat accounts", "account", "accounts", known, kept)

    async def ledger(self) -> Finding:
        """Every ordered change has its row in the ledger, and no other has one."""
        ordered = {codec.said(row["body"])["key"]: True for row in await self._store.fetch(_orders)}
        kept = {row["key"]: True for row in await self._store.fetch(select(TABLES["operations"]))}
        return _as_the_log_says("ledger", "change", "changes", ordered, kept)

    async def seals(self, table: str) -> Finding:
        """Every row of a table carries the seal its content demands."""
        key = primary_key(TABLES[table]).name
        broken, count = [], 0
        for row in await self._store.fetch(select(TABLES[table])):
            count += 1
            if not self._store.keys.holds(table, row):
                broken.append(str(row[key]))
        if broken:
            seen = f"{len(broken)} of {count:,} rows were written from outside: {', '.join(broken[:5])}"
            return Finding(
                f"seals of {table}", Level.FAIL, seen, "Nothing believes these rows. Call security."
            )
        return Finding(f"seals of {table}", Level.PASS, count_of(count, "row"))

    async def playbooks(self) -> Finding:
        """Every kept playbook has the content that requests are pinned to."""
        kept = await self._store.fetch(select(TABLES["playbooks"]))
        changed = [
            f"{row['name']} v{row['version']}" for row in kept if playbook_hash(row["content"]) != row["hash"]
        ]
        if changed:
            seen = f"changed from outside: {', '.join(changed)}"
            return Finding("playbooks", Level.FAIL, seen, "Requests under these stop. Restore the rows.")
        return Finding("playbooks", Level.PASS, f"{len(kept):,} versions")

    async def requests(self) -> list[Finding]:
        """Every request that is or ever was: what fails of its proofs and its history, or that nothing does."""
        known = {row["id"] for row in await self._store.fetch(_ids)}
        known |= {row["request"] for row in await self._store.fetch(_begun)}
        failed = [
            finding
            for id in sorted(known)
            for finding in (await self.proofs(id), await self.history(id))
            if finding.level is Level.FAIL
        ]
        return failed or [Finding("proofs and histories", Level.PASS, f"{len(known):,} requests")]

    async def proofs(self, id: str) -> Finding:
        """Each kept proof of a request verifies again, for the digest its row gives today."""
        check, remedy = f"proofs of {id}", "Don't rely on this request. Call security."
        found = await self._store.fetch(_request, id=id)
        if not found:
            return Finding(check, Level.FAIL, "there is no such request", "Check its name.")
        try:
            request = self._sealed(found[0])
        except Tampered:
            return Finding(check, Level.FAIL, "the request's seal doesn't hold", remedy)
        digest, good = request_digest(request), 0
        remembered = {proof.nonce for proof in (request.verification, *request.approvals) if proof}
        for row in await self._store.fetch(_proofs, request=id):
            try:
                await self.recheck(row, digest)
            except (Tampered, NotAuthorised) as refusal:
                return Finding(check, Level.FAIL, refusal.detail or "a proof's seal doesn't hold", remedy)
            good += 1
            remembered.discard(row["nonce"])
        if remembered:
            return Finding(check, Level.FAIL, f"{len(remembered)} of the proofs are gone", remedy)
        return Finding(check, Level.PASS, f"{good} verified again for digest {digest[:16]}…")

    async def recheck(self, row: Row, digest: str) -> None:
        """One proof's row. Raises Tampered for its seal, NotAuthorised for what it says."""
        if not self._store.keys.holds("verifications", row):
            raise Tampered
        proof = rows.evidence(row)
        if proof.digest != digest:
            raise NotAuthorised(f"{proof.person}'s proof is for another request or other parameters")
        if not await self._verifiers[proof.method].recheck(proof):
            raise NotAuthorised(f"{proof.person}'s proof doesn't verify")

    async def history(self, id: str) -> Finding:
        """Folding a request's audit events gives its row."""
        check, remedy = f"history of {id}", "Don't rely on this request. Call security."
        try:
            folded = await self.fold(id)
        except (LookupError, ValueError):
            return Finding(check, Level.FAIL, "the events tell of what can't happen", remedy)
        found = await self._store.fetch(_request, id=id)
        if not found or folded is None or folded != codec.request(found[0]["state"]):
            return Finding(check, Level.FAIL, "the events don't lead to what the row says", remedy)
        return Finding(check, Level.PASS, f"{folded.version} events lead to {Stage(folded.stage).value}")

    async def fold(self, id: str) -> Request | None:
        """A request's state from its audit events alone."""
        return await fold(self._store, id)

    def _sealed(self, row: Row) -> Request:
        if not self._store.keys.holds("requests", row):
            raise Tampered
        return codec.request(row["state"])

    async def _pages(self) -> AsyncIterator[list[Row]]:
        first = 0
        while page := await self._store.fetch(_page, first=first):
            yield page
            first = page[-1]["seq"] + 1


def _as_the_log_says(
    check: str, one: str, many: str, known: Mapping[str, bool], kept: Mapping[str, bool]
) -> Finding:
    wrong = sorted(id for id in known.keys() | kept.keys() if known.get(id) != kept.get(id))
    if wrong:
        seen = f"{len(wrong):,} not as the log says: {', '.join(wrong[:5])}"
        return Finding(check, Level.FAIL, seen, "Somebody wrote into the database. Call security.")
    return Finding(check, Level.PASS, f"{len(known):,} {one if len(known) == 1 else many} as the log says")


def count_of(number: int, thing: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _kinds(keys: Sequence[Authenticator]) -> list[str]:
    """What a device proves with, passkeys first; those with a name of their own say it."""
    ordered = sorted(keys, key=lambda key: (key.method is not Method.PASSKEY, key.registered_at))
    return [f"{key.kind} (“{key.name}”)" if key.name else key.kind for key in ordered]


def _agrees(row: Row, body: dict[str, Any]) -> bool:
    person = None if body["request"] else body["data"].get("person")
    said = (body["seq"], body["type"], body["request"], person, body["at"])
    return said == (row["seq"], row["type"], row["request"], row["person"], iso(row["at"]))


def _told(body: bytes) -> str:
    data = codec.said(body)
    return ", ".join(
        f"{name}={value}" for name, value in data.items() if isinstance(value, str | int) and value != ""
    )
