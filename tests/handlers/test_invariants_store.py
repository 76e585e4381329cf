"""Random sequences through the real desk, store and worker: what is kept, what happened and what changed agree.

Each example begins with a copy of one company whose people have their devices already.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from demo.directory import DemoDirectory
from flows.commands import Cancel, Command, Deny, Disown, GiveUp, Retry
from flows.errors import Refusal
from flows.model import Method, Receipt, Request, Stage
from handlers.evidence import Auditor
from handlers.findings import Level
from handlers.ports import Rejected, Unreachable
from storage import codec
from storage.sql import TABLES
from tests.company import Company, Hands, Phone, company

SHIPPED = Path(__file__).resolve().parents[2] / "playbooks"
#: Two consents, and answers of every kind in an order that isn't the alphabet's.
ACCESS = """\
name: access
version: 1
title: Access
phrase: Let {subject} into a group
tier: 2
ask:
  who: [self, manager]
proof:
  by: subject
  assurance: multi_factor
  within: 10 minutes
  lasts: 3 days
consent:
  quorum: 2
  from: [manager, role:administrator]
  within: 2 days
form:
  - name: purpose
    label: What for?
  - name: how_long
    label: For how long?
    choices: [a day, a week]
  - name: group
    label: Which group?
    choices: [finance-share, board]
justification: true
change:
  connector: directory
  verb: add_to_group
handed_to: desk_agent
"""
WANTED = {"purpose": "Quarter end", "how_long": "a day", "group": "board", "justification": "An audit"}
PHONES = ("maya", "omar", "nina", "sam", "ravi")
USUAL = [
    ("account_unlock", "maya", "maya"),
    ("account_unlock", "omar", "maya"),
    ("password_reset", "maya", "maya"),
    ("password_reset", "ravi", "omar"),
    ("access", "maya", "maya"),
    ("access", "omar", "maya"),
    ("device_enrolment", "nina", "eve"),
    ("add_device", "omar", "omar"),
]
_requests, _proofs = select(TABLES["requests"]), select(TABLES["verifications"])
_events = select(TABLES["audit_events"]).order_by(TABLES["audit_events"].c.seq)

which = st.integers(0, 23)
turn = st.sampled_from([*[""] * 12, *PHONES])


class Moody:
    """The directory behind a line that fails, a system that says no, or neither."""

    demo = True
    verbs = DemoDirectory.verbs

    def __init__(self, directory: DemoDirectory) -> None:
        self._directory = directory
        self.mood = "well"

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        if self.mood == "away":
            raise Unreachable("nobody answers")
        if self.mood == "no":
            raise Rejected("not today")
        receipt = await self._directory.carry_out(request, key, secret)
        if self.mood == "lost":
            raise TimeoutError("the answer was lost on its way")
        return receipt

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        if self.mood in ("away", "lost"):
            raise Unreachable("nobody answers")
        return await self._directory.check(request, key, secret)

    async def undo(self, request: Request, key: str) -> Receipt:
        return await self._directory.undo(request, key)


class Acme(RuleBasedStateMachine):
    """A company with its desk, its worker and its directory."""

    seen: ClassVar[Counter[str]] = Counter()
    examples: ClassVar[Any] = count()

    def __init__(self, template: Path, phones: dict[str, Phone], began: Hands) -> None:
        super().__init__()
        self.phones = phones
        self.folder = template.parent / f"example-{next(self.examples)}"
        shutil.copytree(template, self.folder)
        self.moody = Moody(DemoDirectory(self.folder / "directory.db"))
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.acme: Company = self.run(self.stack.enter_async_context(self.open(Hands(began.now))))
        self.auditor = Auditor(self.acme.store, self.acme.desk.verifiers)
        self.known: list[str] = []
        self.answered: list[tuple[str, str, dict[str, str]]] = []

    def open(self, hands: Hands) -> contextlib.AbstractAsyncContextManager[Company]:
        return company(
            f"sqlite:///{self.folder / 'desk.db'}",
            self.folder,
            connectors={"directory": self.moody},
            hands=hands,
            playbooks=self.folder / "playbooks",
        )

    def teardown(self) -> None:
        for finding in self.run(self.auditor.verify(None)):
            assert finding.level is Level.PASS, finding
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(doing)

    def tries(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """What comes of it, or None when it is refused."""
        try:
            return self.run(doing)
        except Refusal as refusal:
            self.seen[refusal.kind] += 1
            return None

    def pick(self, n: int) -> Request:
        """Mostly a request that is open, now and then one that is over; a new one when all are."""
        requests = [self.run(self.acme.desk.get(id)) for id in self.known]
        going = [request for request in requests if not request.stage.closed]
        if not going and n % 6 < 5:
            self.asks(USUAL[n % len(USUAL)])
            going = [self.run(self.acme.desk.get(id)) for id in self.known[-1:]]
        chosen: Request = going[n % len(going)] if going and n % 6 < 5 else requests[n % len(requests)]
        return chosen

    def whose_turn(self, request: Request) -> Phone:
        if request.stage is Stage.AWAITING_APPROVAL:
            left = self.run(self.acme.desk.consenting(request))
            return self.phones[min(left & set(PHONES), default="omar")]
        return self.phones.get(request.prover, self.phones["nina"])

    # -- the world --------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([10, 30, 30, 60, 120, 300, 900, 7200, 90000]))
    def time_passes(self, seconds: int) -> None:
        self.acme.hands.forward(seconds=seconds)
        self.run(self.acme.house.clock.tick())

    @rule(mood=st.sampled_from(["well", "well", "well", "away", "no", "lost"]))
    def the_directory_has_a_mood(self, mood: str) -> None:
        self.moody.mood = mood

    @rule(person=st.sampled_from(PHONES), active=st.sampled_from([True, True, False]))
    def somebody_leaves_or_returns(self, person: str, active: bool) -> None:
        self.tell_the_directory("UPDATE people SET active = ? WHERE id = ?", active, person)

    @rule(person=st.sampled_from(PHONES), manager=st.sampled_from(PHONES))
    def somebody_gets_another_manager(self, person: str, manager: str) -> None:
        self.tell_the_directory("UPDATE people SET manager = ? WHERE id = ?", manager, person)

    def tell_the_directory(self, statement: str, *values: object) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / "directory.db")) as directory:
            directory.execute(statement, values)
            directory.commit()

    # -- what people do ---------------------------------------------------------------------

    @initialize(usual=st.sampled_from(USUAL))
    def the_first_request(self, usual: tuple[str, str, str]) -> None:
        self.asks(usual)

    @rule(usual=st.sampled_from(USUAL))
    def somebody_asks(self, usual: tuple[str, str, str]) -> None:
        self.asks(usual)

    def asks(self, usual: tuple[str, str, str]) -> None:
        playbook, requester, subject = usual
        answers = WANTED if playbook == "access" else {}
        if request := self.tries(self.acme.asks(playbook, subject, requester, answers)):
            self.known.append(request.id)
        elif not self.known:  # whoever is away at the very beginning is back at once
            for person in PHONES:
                self.tell_the_directory("UPDATE people SET active = 1 WHERE id = ?", person)
            self.tell_the_directory("UPDATE people SET manager = 'omar' WHERE id = 'maya'")

    @rule(n=which, steps=st.integers(1, 4), slips=st.booleans())
    def everybody_does_their_part(self, n: int, steps: int, slips: bool) -> None:
        """The next right thing, a few times over, after a slip of the finger perhaps."""
        id = self.pick(n).id
        if slips:
            self.tries(self.acme.types(self.pick(n), self.whose_turn(self.pick(n)), code="000000"))
        for _ in range(steps):
            request = self.run(self.acme.desk.get(id))
            match request.stage:
                case Stage.AWAITING_PROOF | Stage.AWAITING_APPROVAL:
                    self.tries(self.answers(request, self.whose_turn(request)))
                case Stage.AWAITING_FULFILMENT:
                    self.the_worker_works()
                case Stage.AWAITING_COLLECTION:
                    phone = self.whose_turn(request)
                    self.tries(self.acme.desk.show_secret(id, phone.person, phone.device))
                case Stage.AWAITING_OPERATOR:
                    self.tries(self.acme.desk.submit(id, Retry("ravi" if n % 2 else "nina")))
                case _:
                    return

    async def answers(self, request: Request, phone: Phone) -> None:
        """The passkey's answer to a question just put, kept for whoever wants to use it again."""
        assert phone.passkeys is not None
        _, asked = await self.acme.desk.begin(request.id, phone.person, Method.PASSKEY)
        answer = {"credential": phone.passkeys.get(asked)}
        self.answered.append((request.id, phone.person, answer))
        await self.acme.desk.answer(request.id, phone.person, phone.device, Method.PASSKEY, answer)

    @rule(n=which, person=turn)
    def somebody_answers(self, n: int, person: str) -> None:
        request = self.pick(n)
        self.tries(self.answers(request, self.phones[person] if person else self.whose_turn(request)))

    @rule(n=which, number=st.sampled_from(["", "000000"]), code=st.sampled_from(["", "000000"]))
    def somebody_types(self, n: int, number: str, code: str) -> None:
        request = self.pick(n)
        self.tries(self.acme.types(request, self.whose_turn(request), number, code))

    @rule(n=which, back=st.integers(1, 3), begins=st.booleans())
    def somebody_answers_with_an_old_answer(self, n: int, back: int, begins: bool) -> None:
        request, phone = self.pick(n), self.whose_turn(self.pick(n))
        if len(self.answered) < back:
            return
        _, _, answer = self.answered[-back]
        if begins:
            self.tries(self.acme.desk.begin(request.id, phone.person, Method.PASSKEY))
        self.tries(self.acme.desk.answer(request.id, phone.person, phone.device, Method.PASSKEY, answer))

    @rule(n=which)
    def the_same_answer_comes_three_times_at_once(self, n: int) -> None:
        request = self.pick(n)
        phone = self.whose_turn(request)
        assert phone.passkeys is not None
        begun = self.tries(self.acme.desk.begin(request.id, phone.person, Method.PASSKEY))
        if begun is None:
            return
        answer = {"credential": phone.passkeys.get(begun[1])}

        async def thrice() -> list[Any]:
            once = self.acme.desk.answer
            given = (request.id, phone.person, phone.device, Method.PASSKEY, answer)
            return await asyncio.gather(once(*given), once(*given), once(*given), return_exceptions=True)

        results = self.run(thrice())
        assert sum(not isinstance(result, Exception) for result in results) <= 1, "S7: one answer won twice"

    @rule(n=which, person=turn, kind=st.sampled_from([Cancel, Disown, Deny, Retry, GiveUp]))
    def somebody_says(self, n: int, person: str, kind: type) -> None:
        request = self.pick(n)
        by = person or ("ravi" if kind in (Retry, GiveUp) else self.whose_turn(request).person)
        command: Command = kind(by)
        self.tries(self.acme.desk.submit(request.id, command))

    @rule(n=which, person=turn)
    def somebody_else_wants_to_see(self, n: int, person: str) -> None:
        request = self.pick(n)
        phone = self.phones[person or "omar"]
        self.tries(self.acme.desk.show_secret(request.id, phone.person, phone.device))

    @rule()
    def the_worker_works(self) -> None:
        self.run(self.acme.worker.drain())

    @rule(times=st.integers(1, 9))
    def the_worker_tries_again_and_again(self, times: int) -> None:
        for _ in range(times):
            self.acme.hands.forward(seconds=130)
            self.run(self.acme.worker.drain())

    @rule()
    def the_worker_works_twice_at_once(self) -> None:
        async def twice() -> None:
            await asyncio.gather(self.acme.worker.drain(), self.acme.worker.drain())

        self.run(twice())

    # -- what must always hold --------------------------------------------------------------

    @invariant()
    def what_is_kept_is_what_happened(self) -> None:
        self.run(self._agrees())

    async def _agrees(self) -> None:
        store = self.acme.store
        rows = {row["id"]: row for row in await store.fetch(_requests)}
        happened = [(row["request"], row["type"], _data(row)) for row in await store.fetch(_events)]
        told = Counter(id for id, kind, _ in happened if codec.is_request_event(kind))
        assert told == {id: row["version"] for id, row in rows.items()}, "S6: a change without its event"
        for id, row in rows.items():
            folded = await self.auditor.fold(id)
            assert folded is not None
            assert codec.request_state(folded) == row["state"], "S6: the events don't lead to the row"
            assert (folded.stage, folded.version) == (row["stage"], row["version"])
        self._each_question_once(happened, [row["nonce"] for row in await store.fetch(_proofs)])
        await self._each_change_once(happened)
        type(self).seen.update(kind for _, kind, _ in happened[self._counted :])
        self._counted = len(happened)

    _counted = 0

    def _each_question_once(self, happened: list[tuple[str, str, dict[str, Any]]], kept: list[str]) -> None:
        put = [(data["nonce"], id) for id, kind, data in happened if kind == "ChallengeIssued"]
        met = [(data["nonce"], id) for id, kind, data in happened if kind in ("Verified", "Approved")]
        assert len(dict(put)) == len(put), "S7: a nonce was given out twice"
        assert len(dict(met)) == len(met), "S7: a question was met twice"
        assert set(met) <= set(put), "S7: a question was met that this request never put"
        assert sorted(nonce for nonce, _ in met) == sorted(kept), "S6: a proof without its event"

    async def _each_change_once(self, happened: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Every change in the directory is a confirmed one, but for those whose answer is still out."""
        said: dict[str, list[str]] = {}
        for id, kind, _ in happened:
            said.setdefault(id or "", []).append(kind)
        opened = {id: data for id, kind, data in happened if kind == "Opened"}
        confirmed: Counter[str] = Counter()
        unsettled: Counter[str] = Counter()
        for id, ask in opened.items():
            if ask["connector"] != "directory":
                continue
            assert said[id].count("FulfilmentOrdered") <= 1, "S3: ordered twice"
            assert said[id].count("ChangeConfirmed") <= 1, "S3: confirmed twice"
            account = ACCOUNTS[ask["subject"]]
            confirmed[account] += said[id].count("ChangeConfirmed")
            if "FulfilmentOrdered" in said[id] and not {"ChangeConfirmed", "ChangeRejected"} & set(said[id]):
                unsettled[account] += 1  # the worker still looks, or the desk closed it without an answer
        for account in ACCOUNTS.values():
            made = await self.acme.directory.changes(account)
            assert confirmed[account] <= made <= confirmed[account] + unsettled[account], (
                f"S3: {made} changes to {account}, {confirmed[account]} of them confirmed"
            )


def _data(row: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(bytes(row["body"]))["data"]
    return data


ACCOUNTS = {
    "maya": "maya.lindqvist",
    "omar": "omar.haddad",
    "nina": "nina.kowalski",
    "ravi": "ravi.menon",
    "eve": "eve.mallory",
    "sam": "sam.okafor",
}


@pytest.fixture
def somewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: thousands of commits needn't wait for a disk to say they are safe."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def template(somewhere: Path) -> tuple[Path, dict[str, Phone], Hands]:
    """A folder to begin every example from, with everybody's devices in it, and when that was."""
    folder, hands = somewhere / "template", Hands()
    shutil.copytree(SHIPPED, folder / "playbooks")
    (folder / "playbooks" / "access.yaml").write_text(ACCESS)

    async def enrolled() -> dict[str, Phone]:
        url = f"sqlite:///{folder / 'desk.db'}"
        async with company(url, folder, hands=hands, playbooks=folder / "playbooks") as acme:
            return {person: await acme.enrolled(person) for person in PHONES}

    return folder, asyncio.run(enrolled()), hands


def test_rows_events_and_changes_agree_through_any_sequence(
    template: tuple[Path, dict[str, Phone], Hands],
) -> None:
    Acme.seen.clear()
    many = max(60, settings.default.max_examples // 10)
    run_state_machine_as_test(
        lambda: Acme(*template), settings=settings(max_examples=many, stateful_step_count=25)
    )
    for kind in ("Verified", "Approved", "ChallengeFailed", "ChangeConfirmed", "Refused"):
        assert Acme.seen[kind], f"{kind} never happened, so nothing was shown about it: {Acme.seen}"
