"""A proof, judged years later from rows alone: it holds for exactly what was asked, and for nothing else.

Every change below is sealed again with the real key, as if the seal had failed us too: the digest and the
signature have to catch it by themselves.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from flows.model import Method, Request
from handlers.evidence import Auditor
from handlers.findings import Finding, Level
from storage.seals import Keys
from storage.sql import TABLES
from storage.store import Store
from tests.authenticator import b64, unb64
from tests.company import SECRET_KEY, SHIPPED, company, settings_for
from tests.intruder import Intruder

PLAYBOOK = """\
name: group_access
version: 3
title: Access to a share
phrase: Give {subject} access to a share
tier: 1
ask: {who: [self]}
proof: {by: subject, assurance: multi_factor, within: 10 minutes, lasts: 2 days}
consent: {quorum: 1, from: [manager], within: 1 day}
form:
  - {name: group, label: "Which share?", choices: [finance-share, sales-share]}
  - {name: note, label: "What else should we know?"}
justification: true
change: {connector: directory, verb: add_to_group}
handed_to: desk_agent
"""
ANSWERS = {"group": "finance-share", "note": "Until the audit is over", "justification": "I close the books"}


@dataclass(frozen=True)
class Kept:
    """A database with one finished request in it, and nothing around it."""

    url: str
    folder: Path
    request: str

    @asynccontextmanager
    async def auditor(self) -> AsyncIterator[Auditor]:
        """An auditor that has the rows and the key: no directory, no registry, no service."""
        settings = settings_for(self.url, self.folder)
        store = await Store.open(self.url, Keys(settings.secret_key), read_only=True)
        try:
            yield Auditor.of(settings, store)
        finally:
            await store.close()

    async def proofs(self) -> Finding:
        async with self.auditor() as auditor:
            return await auditor.proofs(self.request)

    async def reseal(
        self, table: str, where: str, value: str, change: Callable[[dict[str, Any]], None]
    ) -> None:
        """Change the rows that are found so, and seal them with the real key."""
        keys, found = Keys((SECRET_KEY,)), TABLES[table]
        store = await Store.open(self.url, keys)
        try:
            for row in await store.fetch(select(found).where(found.c[where] == value)):
                change(row)
                changed = {**row, "mac": keys.seal(table, row)}
                key = next(iter(found.primary_key.columns))
                clause = found.update().where(found.c[where] == value, key == changed[key.name])
                if key.name == "nonce":  # the key itself may be what changed
                    clause = found.update().where(
                        found.c[where] == value, found.c.purpose == changed["purpose"]
                    )
                await store.run(clause.values(**changed))
        finally:
            await store.close()

    async def restate(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what the request says."""

        def within(row: dict[str, Any]) -> None:
            state = json.loads(row["state"])
            change(state)
            row["state"] = json.dumps(state)

        await self.reseal("requests", "id", self.request, within)


async def finished(url: str, folder: Path, method: Method) -> Kept:
    """Maya asks, proves herself by this method, Omar agrees with his passkey, the change is made."""
    playbooks = folder / "playbooks"
    playbooks.mkdir()
    (playbooks / "group_access.yaml").write_text(PLAYBOOK)
    shutil.copytree(SHIPPED / "rules", playbooks / "rules")
    async with company(url, folder, playbooks=playbooks) as acme:
        maya, omar = await acme.enrolled("maya"), await acme.enrolled("omar")
        request = await acme.asks("group_access", "maya", answers=ANSWERS)
        await (acme.proves if method is Method.PASSKEY else acme.types)(request, maya)
        await acme.proves(request, omar)
        await acme.worker.drain()
        assert "finance-share" in await acme.directory.groups("maya.lindqvist")
    return Kept(url, folder, request.id)


@pytest.fixture(scope="module", params=list(Method), ids=lambda method: f"proved by {method}")
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Made once for each method, on SQLite, where a copy of the file is a copy of the database."""
    folder = tmp_path_factory.mktemp("kept")
    return asyncio.run(finished(f"sqlite:///{folder / 'desk.db'}", folder, request.param))


@pytest.fixture
def kept(once: Kept, tmp_path: Path) -> Kept:
    shutil.copy(once.folder / "desk.db", tmp_path / "desk.db")
    return Kept(f"sqlite:///{tmp_path / 'desk.db'}", tmp_path, once.request)


# -- what was asked -------------------------------------------------------------------------------


def other(name: str) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        value = state[name]
        state[name] = value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1] != "0" else "1")

    return change


def inside(name: str, key: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        if value is None:
            del state[name][key]
        else:
            state[name][key] = value

    return change


def swapped(state: dict[str, Any]) -> None:
    """The two commitments change places."""
    texts = state["commitments"]
    texts["note"], texts["justification"] = texts["justification"], texts["note"]


def disguised(state: dict[str, Any]) -> None:
    """An answer in clear in place of a commitment, with the same characters."""
    state["parameters"]["note"] = state["commitments"].pop("note")


#: Each single thing that is asked, under the field of a request that holds it.
ASKED: Mapping[str, Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "id": {"": other("id")},
    "playbook": {"": other("playbook")},
    "playbook_version": {"": other("playbook_version")},
    "playbook_hash": {"": other("playbook_hash")},
    "connector": {"": other("connector")},
    "verb": {"": other("verb")},
    "requester": {"": other("requester")},
    "subject": {"": other("subject")},
    "prover": {"": other("prover")},
    "parameters": {
        "changed": inside("parameters", "group", "sales-share"),
        "added": inside("parameters", "owner", "eve"),
        "removed": inside("parameters", "group", None),
    },
    "commitments": {
        "note changed": inside("commitments", "note", "0" * 64),
        "note removed": inside("commitments", "note", None),
        "justification changed": inside("commitments", "justification", "0" * 64),
        "justification removed": inside("commitments", "justification", None),
        "added": inside("commitments", "other", "0" * 64),
        "swapped": swapped,
        "disguised": disguised,
    },
}
#: What happens to a request after it was asked, and where it was asked: not what is asked.
LIVED = {
    "origin",
    "stage",
    "version",
    "opened_at",
    "due_at",
    "challenges",
    "failures",
    "verification",
    "approvals",
    "receipt",
    "reason",
    "cause",
    "closed_at",
    "tier",
    "mode",
    "step",
}
CASES = [(f"{field} {how}".strip(), change) for field, ways in ASKED.items() for how, change in ways.items()]


def test_every_field_of_a_request_is_either_asked_or_lived() -> None:
    """A new field has to be put into one of the two lists, and so into the digest or deliberately not."""
    assert {field.name for field in fields(Request)} == ASKED.keys() | LIVED
    assert not ASKED.keys() & LIVED


async def test_proofs_verify_again_from_rows_alone(kept: Kept) -> None:
    found = await kept.proofs()
    assert (found.level, found.seen.partition(" for ")[0]) == (Level.PASS, "2 verified again")


@pytest.mark.parametrize("change", [case[1] for case in CASES], ids=[case[0] for case in CASES])
async def test_a_proof_holds_for_nothing_but_what_was_asked(
    kept: Kept, change: Callable[[dict[str, Any]], None]
) -> None:
    await kept.restate(change)
    found = await kept.proofs()
    assert found.level is Level.FAIL
    assert "for another request or other parameters" in found.seen  # the digest saw it, and no seal did


async def test_what_happens_later_is_no_part_of_it(kept: Kept) -> None:
    def later(state: dict[str, Any]) -> None:
        state |= {"stage": "failed", "version": 99, "reason": "later", "due_at": state["opened_at"]}

    await kept.restate(later)
    assert (await kept.proofs()).level is Level.PASS


async def test_erasing_what_people_wrote_breaks_no_proof(kept: Kept) -> None:
    intruder = Intruder(kept.url)
    assert len(await intruder.run("SELECT * FROM clear_texts")) == 2
    await intruder.run("DELETE FROM clear_texts")
    found = await kept.proofs()
    assert (found.level, found.seen.partition(" for ")[0]) == (Level.PASS, "2 verified again")


@pytest.mark.parametrize("person", ["maya", "omar"])
async def test_a_proof_that_is_gone_is_missed(kept: Kept, person: str) -> None:
    await Intruder(kept.url).run("DELETE FROM verifications WHERE person = ?", person)
    found = await kept.proofs()
    assert (found.level, found.seen) == (Level.FAIL, "1 of the proofs are gone")


async def test_evidence_is_worth_nothing_under_another_key(kept: Kept) -> None:
    settings = settings_for(kept.url, kept.folder, secret_key=("another-key-" * 4,))
    store = await Store.open(kept.url, Keys(settings.secret_key), read_only=True)
    try:
        assert (await Auditor.of(settings, store).proofs(kept.request)).level is Level.FAIL
    finally:
        await store.close()


# -- what a passkey signed ------------------------------------------------------------------------


def flipped(part: str) -> Callable[[dict[str, str]], None]:
    def change(signed: dict[str, str]) -> None:
        data = bytearray(unb64(signed[part]))
        data[len(data) // 2] ^= 1
        signed[part] = b64(bytes(data))

    return change


def said(part: str, value: str) -> Callable[[dict[str, str]], None]:
    def change(signed: dict[str, str]) -> None:
        signed[part] = value

    return change


def unsaid(part: str) -> Callable[[dict[str, str]], None]:
    def change(signed: dict[str, str]) -> None:
        del signed[part]

    return change


BINARY = ("credential_id", "authenticator_data", "client_data", "signature", "public_key")
PARTS = (*BINARY, "rp_id", "origin")
SIGNED = {
    **{f"{part} flipped": flipped(part) for part in BINARY},
    "rp_id of another": said("rp_id", "desk.example"),
    "origin of another": said("origin", "https://desk.example"),
    **{f"{part} left out": unsaid(part) for part in PARTS},
    "something added": said("comment", "trust me"),
}


@pytest.mark.parametrize("change", SIGNED.values(), ids=SIGNED.keys())
async def test_a_signature_holds_for_every_part_of_what_was_signed(
    kept: Kept, change: Callable[[dict[str, str]], None]
) -> None:
    """Omar's consent is always a passkey's."""

    def within(row: dict[str, Any]) -> None:
        signed = json.loads(row["signed"])
        assert set(signed) == set(PARTS)
        change(signed)
        row["signed"] = json.dumps(signed, sort_keys=True)

    await kept.reseal("verifications", "person", "omar", within)
    found = await kept.proofs()
    assert (found.level, found.seen) == (Level.FAIL, "omar's proof doesn't verify")


COLUMNS = {
    "nonce": "ab" * 32,
    "digest": "ab" * 32,
    "authenticator": "QUJD",
    "method": "code",
    "assurance": "multi_factor",
}


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_signature_holds_under_its_own_challenge_key_and_method(kept: Kept, column: str) -> None:
    await kept.reseal("verifications", "person", "omar", lambda row: row.update({column: COLUMNS[column]}))
    assert (await kept.proofs()).level is Level.FAIL


async def test_two_codes_claim_no_more_than_they_are(kept: Kept) -> None:
    """Nothing was signed, so the seal vouches alone; a row that claims a passkey's strength is none of ours."""
    async with kept.auditor() as auditor:
        events = [event for event in await auditor.events(kept.request, 50) if event[3] == "Verified"]
    assert len(events) == 1
    claimed = {"assurance": "phishing_resistant", "method": "code", "signed": "{}"}
    await kept.reseal("verifications", "person", "maya", lambda row: row.update(claimed))
    assert (await kept.proofs()).seen == "maya's proof doesn't verify"


# -- on the other store ---------------------------------------------------------------------------


async def test_the_same_holds_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    kept = await finished(postgres_url, tmp_path, Method.PASSKEY)
    intruder = Intruder(postgres_url)
    await intruder.run("DELETE FROM clear_texts")
    assert (await kept.proofs()).level is Level.PASS
    good = await intruder.row("requests", kept.request)
    for name, change in CASES:
        await kept.restate(change)
        assert (await kept.proofs()).level is Level.FAIL, name
        await intruder.change("requests", kept.request, state=good["state"], mac=good["mac"])
        assert (await kept.proofs()).level is Level.PASS, name
