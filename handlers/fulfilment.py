"""How a change is made: with authority derived again, one turn at a time, read back before any repeat.

A change is attempted until it is confirmed by reading back, rejected by the system, or handed to a person.
What it promises: no change is made twice by us if the connector honours its key.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import bindparam, select

import flows.errors as no
from flows.authority import Evidence, authorise, still_ruled
from flows.commands import ReportConfirmed, ReportRejected, ReportUnconfirmed
from flows.effects import Announce
from flows.events import AuthorityMissing
from flows.model import Method, Playbook, Receipt, Request, SecretKind, Stage
from handlers.desk import Along, Desk
from handlers.ports import Connector, Rejected, Unreachable, Verifier
from handlers.records import fold
from handlers.recovery import new_codes
from storage import rows
from storage.book import Book, Need, Outcome, Work
from storage.outbox.rows import RowOutbox
from storage.sql import TABLES, Row

log = structlog.get_logger()

DEADLINE = 20.0  # seconds for one call to a connector; three of them fit into the worker's lease
ATTEMPTS = 8  # then a person has to look; with the worker's pauses that is after about four minutes

_VERIFICATIONS = TABLES["verifications"]
_evidence = select(_VERIFICATIONS).where(_VERIFICATIONS.c.request == bindparam("request"))


class Later(Exception):
    """Not settled yet: the effect stays owed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt at one change: only the holder of the newest epoch may speak for it."""

    request: Request
    playbook: Playbook
    key: str
    epoch: int
    repeated: bool
    secret: str | None

    def without_secret(self, said: str) -> str:
        """What a system said, as it may be kept and shown: it knows the secret, and may repeat what it was told."""
        return said.replace(self.secret, "[blanked]") if self.secret else said


class Fulfilment:
    """Makes the changes that requests order."""

    def __init__(
        self,
        desk: Desk,
        connectors: Mapping[str, Connector],
        verifiers: Mapping[Method, Verifier],
        outbox: RowOutbox,
        deadline: float,
    ) -> None:
        self.deadline = deadline
        self._desk = desk
        self._store = desk.store
        self._connectors = connectors
        self._verifiers = verifiers
        self._outbox = outbox

    async def attempt(self, row: Row) -> None:
        """Authority from evidence · a turn in the ledger · read back if it was tried before · do · read back.

        Without authority nothing is done any more. But what an earlier turn sent may have arrived, so that turn is
        read back all the same before anybody is told that nothing was changed.
        """
        request = await self._desk.find(row["request"])
        if request is None or request.stage is not Stage.AWAITING_FULFILMENT:
            if await self._outbox.paid(
                row
            ):  # an order goes with the report on it: somebody put this one back
                await self._store.notice("outbox", row["key"])
            return
        playbook = await self._desk.playbook_of(request)
        missing = await self._missing(request, playbook)
        turn = await self._turn(request, playbook)
        if turn is None:
            await self._outbox.paid(row)
            return
        if missing is not None and not turn.repeated:
            await self._without_authority(row, turn, missing, ReportRejected(missing.sentence), "rejected")
            return
        try:
            receipt = await self._confirmed(turn, act=missing is None)
        except Rejected as rejection:
            reason = turn.without_secret(str(rejection))
            await self._report(row, turn, ReportRejected(reason, rejection.cause), "rejected")
            return
        except Exception as failure:  # noqa: BLE001  whatever it is, the change may have happened
            await self._failed(row, turn, failure)
            return
        if receipt is not None:
            receipt = Receipt(turn.without_secret(receipt.reference), turn.without_secret(receipt.observed))
            await self._report(row, turn, ReportConfirmed(receipt), "confirmed", receipt)
        elif missing is not None:
            report = ReportUnconfirmed(
                f"It was tried, isn't there, and may not be tried again. {missing.detail}"
            )
            await self._without_authority(row, turn, missing, report, "sent")
        else:
            await self._failed(row, turn, None)

    async def _confirmed(self, turn: Turn, *, act: bool) -> Receipt | None:
        """The connector's evidence that the change is in place; None when nothing is to be seen.

        `act`: make the change if it isn't there yet; otherwise only look.
        """
        connector = self._connectors.get(turn.request.connector)
        if connector is None or turn.request.verb not in connector.verbs:
            raise Unreachable(f"no connector {turn.request.connector} with the verb {turn.request.verb}")
        async with asyncio.timeout(self.deadline):
            if turn.repeated and (receipt := await connector.check(turn.request, turn.key, turn.secret)):
                return receipt
        if not act:
            return None
        async with asyncio.timeout(self.deadline):
            await connector.carry_out(turn.request, turn.key, turn.secret)
        async with asyncio.timeout(self.deadline):
            return await connector.check(turn.request, turn.key, turn.secret)

    async def _missing(self, request: Request, playbook: Playbook) -> no.NotAuthorised | None:
        """What the authority for this change lacks now, or None."""
        try:
            await self._authorise(request, playbook)
        except no.NotAuthorised as refusal:
            return refusal
        return None

    async def _authorise(self, request: Request, playbook: Playbook) -> None:
        """Derive the authority again: the row is what its events lead to (an old row put back isn't), the evidence
        is sealed and passes its verifier once more, the people are looked up and the rules asked as they are now."""
        try:
            history = await fold(self._store, request.id)
        except (LookupError, ValueError):
            history = None
        if history != request:
            raise no.NotAuthorised("The request isn't what its history leads to.")
        evidence: list[Evidence] = []
        kept = await self._store.fetch(_evidence, request=request.id)
        for row in await self._store.believed("verifications", kept):
            proof = rows.evidence(row)
            if await self._verifiers[proof.method].recheck(proof):
                evidence.append(proof)
        concerned = await self._desk.people.named(request.subject, request.requester, request.prover)
        for id in (request.subject, request.requester, request.prover):
            if id not in concerned or not concerned[id].active:
                raise no.NotAuthorised("Somebody this request concerns doesn't work here any more.")
        resting = await self._resting(request, playbook, evidence)
        named = (await self._desk.selection(request)).items()
        selected = {selector: people - resting for selector, people in named}
        young = await self._young({proof.person for proof in evidence})
        subject = concerned[request.subject]
        authorise(request, playbook, evidence, selected, self._store.clock(), young, subject)
        still_ruled(request, playbook, await self._desk.ruling(request, concerned))

    async def _young(self, people: Collection[str]) -> Mapping[str, Sequence[tuple[datetime, datetime]]]:
        """From when until when their devices are or were new."""
        return {person: (await self._desk.registry.registration(person)).young for person in people}

    async def _resting(
        self, request: Request, playbook: Playbook, evidence: Sequence[Evidence]
    ) -> frozenset[str]:
        """Which of those who agreed are frozen now. Raises NotAuthorised when those concerned are."""
        parties = {request.subject, request.requester, request.prover}
        frozen = await self._desk.standings.frozen_among({*parties, *(proof.person for proof in evidence)})
        asking = {request.requester, request.prover} - {
            request.subject
        }  # protecting others takes whoever is free
        if frozen & (asking if playbook.protects else parties):
            raise no.NotAuthorised("Everything in the name of somebody concerned rests for now.")
        return frozen

    async def _turn(self, request: Request, playbook: Playbook) -> Turn | None:
        """Take the next epoch in the ledger and the secret of this key: chosen, or made on the first turn only."""
        key, now = request.key, self._store.clock()
        made = _new_secret(playbook.secret)

        def run(book: Book) -> Outcome:
            operation = book.row("operations", key)
            if operation is None or operation["state"] in ("confirmed", "rejected"):
                return Outcome()
            turn = {**operation, "state": "sent", "epoch": operation["epoch"] + 1, "updated_at": book.now}
            outcome = Outcome(puts=[("operations", turn)])
            kept = book.row("secrets", key)
            if made and kept is None:
                sealed = self._store.keys.close(made.encode(), f"{key}:{request.prover}")
                kept = {
                    "key": key,
                    "request": request.id,
                    "person": request.prover,
                    "sealed": sealed,
                    "made_at": now,
                }
                outcome.puts.append(("secrets", kept))
            outcome.value = (turn["epoch"], operation["state"] == "sent", kept)
            return outcome

        taken = await self._store.write(
            Work(run, (Need("operations", "key", key), Need("secrets", "key", key)))
        )
        if taken is None:
            return None
        epoch, repeated, kept = taken
        secret = await self._desk.unsealed(kept) if kept else None
        return Turn(request, playbook, key, epoch, repeated, secret)

    async def _report(
        self,
        row: Row,
        turn: Turn,
        report: ReportConfirmed | ReportRejected | ReportUnconfirmed,
        state: str,
        receipt: Receipt | None = None,
    ) -> None:
        """Through the one door: the ledger's last word, the report and the paid effect are one commit."""

        def also(book: Book, outcome: Outcome) -> None:
            operation = book.row("operations", turn.key)
            if operation is None or operation["epoch"] != turn.epoch:
                raise no.Conflict  # a later turn speaks for this change
            said = receipt.reference if receipt else ""
            outcome.puts.append(
                ("operations", {**operation, "state": state, "updated_at": book.now, "receipt": said})
            )
            outcome.drops.append(("outbox", turn.key))

        needs = (Need("operations", "key", turn.key), Need("outbox", "key", turn.key))
        try:
            await self._desk.submit(
                turn.request.id,
                report,
                Along(needs, also=also),
            )
        except (no.Conflict, no.AlreadyClosed, no.OutOfTurn):
            await self._outbox.paid(row)

    async def _failed(self, row: Row, turn: Turn, failure: Exception | None) -> None:
        kind = type(failure).__name__ if failure else "NotConfirmed"
        log.warning("attempt_failed", request_id=turn.request.id, attempt=row["attempts"], error=kind)
        if row["attempts"] < ATTEMPTS:
            raise Later(kind)
        unreachable = isinstance(failure, Unreachable)
        reason = "The system could not be reached." if unreachable else "The change could not be confirmed."
        await self._report(row, turn, ReportUnconfirmed(reason), "sent")

    async def _without_authority(
        self,
        row: Row,
        turn: Turn,
        missing: no.NotAuthorised,
        report: ReportRejected | ReportUnconfirmed,
        state: str,
    ) -> None:
        id = turn.request.id
        log.critical("not_authorised", request_id=id, reason=missing.detail)
        alarm = Announce("security", "not_authorised", missing.detail)
        owed = rows.announcement_row(alarm, f"{turn.key}:{turn.epoch}", id, self._store.clock())
        await self._desk.record([(id, AuthorityMissing(missing.detail))], [owed])
        await self._report(row, turn, report, state)


def _new_secret(kind: SecretKind) -> str | None:
    match kind:
        case SecretKind.NONE | SecretKind.CHOSEN_PASSWORD:
            return None
        case SecretKind.TEMPORARY_PASSWORD | SecretKind.ENROLMENT_PASS:
            return temporary_password()
        case SecretKind.ENROLMENT_LINK:
            return secrets.token_urlsafe(32)
        case SecretKind.RECOVERY_CODES:
            return "\n".join(new_codes())


def temporary_password() -> str:
    """Long and typeable: four groups of four out of letters and digits that can't be mistaken, about 77 bits.

    There is always an upper and a lower case letter, a digit and a hyphen, as directories ask for.
    """
    letters, digits = "abcdefghijkmnpqrstuvwxyz", "23456789"
    while True:
        groups = ["".join(secrets.choice(letters + digits) for _ in range(4)) for _ in range(4)]
        groups[0] = secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") + groups[0][1:]
        if any(c in digits for c in "".join(groups)) and any(c in letters for c in "".join(groups)):
            return "-".join(groups)
