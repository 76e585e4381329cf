"""S10: a row written by hand moves nothing and gives nobody anything; it is noticed, and the others are served.

Live: the audit log says TamperingNoticed or AuthorityMissing and security is told. Afterwards: `audit verify`
says FAIL. Each test says which of the two it takes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import flows.errors as no
from demo import directory
from flows.model import Method, Request, Stage
from handlers.evidence import Auditor
from handlers.findings import Level
from storage.merkle import leaf_hash
from storage.seals import token_hash
from storage.sql import TABLES
from tests.authenticator import SoftAuthenticator
from tests.company import Company, Hands, Phone, company
from tests.intruder import Intruder

SHIPPED = Path(__file__).parents[2] / "playbooks"
MADE_UP = b"\x00" * 36


@pytest.fixture(scope="module")
def filled_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretend people's directory. Its passwords are hashed slowly, so it is made once and copied."""
    path = tmp_path_factory.mktemp("directory") / "directory.db"
    directory.create(path)
    return path


@pytest.fixture
def intruder(database_url: str, tmp_path: Path, filled_directory: Path) -> Intruder:
    shutil.copy(filled_directory, tmp_path / "directory.db")
    return Intruder(database_url)


@asynccontextmanager
async def opened(
    database_url: str, folder: Path, **more: Any
) -> AsyncIterator[tuple[Company, dict[str, Phone]]]:
    """The company, with Maya, Omar and Eve registered and everything said so far."""
    async with company(database_url, folder, **more) as acme:
        phones = {person: await acme.enrolled(person) for person in ("maya", "omar", "eve")}
        yield acme, phones


# -- what has to follow ---------------------------------------------------------------------------


async def told(acme: Company, kind: str = "TamperingNoticed") -> list[dict[str, Any]]:
    """What the audit log says under one name."""
    events = TABLES["audit_events"]
    found = await acme.store.fetch(select(events).where(events.c.type == kind).order_by(events.c.seq))
    return [json.loads(bytes(row["body"]))["data"] for row in found]


async def noticed_live(acme: Company, *rows: tuple[str, str]) -> None:
    """Each of these rows is on record, and security has heard of it."""
    await acme.worker.drain()
    on_record = {(event["table"], event["row"]) for event in await told(acme)}
    heard = {
        detail for who, what, detail in acme.mailbox.announced if (who, what) == ("security", "tampering")
    }
    assert set(rows) <= on_record
    assert {f"{table}: {row}" for table, row in rows} <= heard


async def failing(acme: Company) -> set[str]:
    """The checks of `audit verify` that fail."""
    findings = await Auditor.of(acme.house.settings, acme.store).verify(None)
    return {finding.check for finding in findings if finding.level is Level.FAIL}


async def changes(acme: Company, *people: str) -> int:
    accounts = [
        person.account for person in await acme.directory.people() if not people or person.id in people
    ]
    return sum([await acme.directory.changes(account) for account in accounts])


async def others_are_served(acme: Company, omar: Phone) -> None:
    """Omar's own request runs from the first word to the change."""
    await acme.directory.lock("omar.haddad")
    request = await acme.asks("account_unlock", "omar")
    await acme.proves(request, omar)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
    assert not await acme.directory.locked("omar.haddad")


async def finished(acme: Company, phone: Phone, playbook: str = "password_reset") -> Request:
    """A request of this person, all the way to its end."""
    request = await acme.asks(playbook, phone.person)
    await acme.proves(request, phone)
    await acme.worker.drain()
    if (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION:
        await acme.desk.show_secret(request.id, phone.person, phone.device)
    await acme.worker.drain()
    return await acme.desk.get(request.id)


# -- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "stage"),
    [
        ("column", "awaiting_fulfilment"),
        ("state", "awaiting_fulfilment"),
        ("both", "awaiting_fulfilment"),
        ("both", "awaiting_collection"),
        ("both", "fulfilled"),
    ],
)
async def test_a_flipped_stage_moves_nothing(
    database_url: str, tmp_path: Path, intruder: Intruder, where: str, stage: str
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("password_reset", "maya")
        if where != "state":
            await intruder.change("requests", request.id, stage=stage)
        if where != "column":
            await intruder.swap("requests", request.id, "state", "awaiting_proof", stage)
        with pytest.raises(no.Tampered):
            await acme.proves(request, phones["maya"])
        with pytest.raises(no.Tampered):
            await acme.desk.show_secret(request.id, "maya", phones["maya"].device)
        await noticed_live(acme, ("requests", request.id))
        assert await changes(acme) == 0
        assert "seals of requests" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_flipped_request_is_noticed_by_the_clock_when_nobody_looks(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, _):
        request = await acme.asks("password_reset", "maya")
        await intruder.change("requests", request.id, stage="awaiting_fulfilment")
        acme.hands.forward(minutes=11)
        await acme.house.clock.tick()
        await noticed_live(acme, ("requests", request.id))
        acme.hands.forward(minutes=1)
        await acme.house.clock.tick()
        assert len(await told(acme)) == 1  # once is enough


async def test_a_flipped_request_is_noticed_by_the_home_page_and_left_out_of_it(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, _):
        request = await acme.asks("password_reset", "maya")
        await intruder.change("requests", request.id, subject="eve")
        assert await acme.desk.concerning("eve") == await acme.desk.concerning("maya") == []
        await noticed_live(acme, ("requests", request.id))


async def test_a_swapped_subject_gets_nothing(database_url: str, tmp_path: Path, intruder: Intruder) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("password_reset", "eve")
        await acme.proves(request, phones["eve"])
        await intruder.change("requests", request.id, subject="maya")
        await intruder.swap("requests", request.id, "state", '"subject":"eve"', '"subject":"maya"')
        await noticed_live(acme, ("requests", request.id))
        assert await changes(acme) == 0
        assert await acme.store.fetch(select(TABLES["secrets"])) == []
        assert "seals of requests" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_an_older_row_of_a_request_put_back_makes_no_second_change(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    """Its seal is genuine: what stops it is the key in the directory, and what shows it is its history."""
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("account_unlock", "maya")
        await acme.proves(request, phones["maya"])
        kept = {
            table: await intruder.row(table, key)
            for table, key in (
                ("requests", request.id),
                ("operations", request.key),
                ("outbox", request.key),
            )
        }
        await acme.worker.drain()
        assert await changes(acme, "maya") == 1
        for table, row in kept.items():
            if table != "outbox":
                await intruder.drop(table, row["id" if table == "requests" else "key"])
            await intruder.put(table, row)
        await acme.worker.drain()
        assert await changes(acme, "maya") == 1
        assert len(await told(acme, "AuthorityMissing")) == 1
        assert f"history of {request.id}" in await failing(acme)
        await others_are_served(acme, phones["omar"])


# -- proofs ---------------------------------------------------------------------------------------


def forged(proof: dict[str, Any], request: Request, **more: Any) -> dict[str, Any]:
    """A proof's row, turned into one for another request."""
    return {**proof, "nonce": "ab" * 32, "request": request.id, **more}


async def proof_of(intruder: Intruder, request: Request) -> dict[str, Any]:
    (found,) = await intruder.run("SELECT * FROM verifications WHERE request = ?", request.id)
    return found


@pytest.mark.parametrize("seal", ["copied", "made up"])
async def test_a_proof_written_by_hand_orders_nothing(
    database_url: str, tmp_path: Path, intruder: Intruder, seal: str
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        proof = await proof_of(intruder, await finished(acme, phones["maya"]))
        request = await acme.asks("account_unlock", "maya")
        more = {"mac": MADE_UP} if seal == "made up" else {}
        await intruder.put("verifications", forged(proof, request, **more))
        before = await changes(acme)
        await acme.worker.drain()
        await acme.house.clock.tick()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF
        assert await changes(acme) == before
        assert "seals of verifications" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_proof_in_place_of_the_real_one_is_no_authority(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        proof = await proof_of(intruder, await finished(acme, phones["maya"]))
        request = await acme.asks("account_unlock", "maya")
        await acme.proves(request, phones["maya"])
        real = await proof_of(intruder, request)
        await intruder.drop("verifications", real["nonce"])
        await intruder.put("verifications", forged(proof, request, digest=real["digest"]))
        before = await changes(acme)
        await noticed_live(acme, ("verifications", "ab" * 32))
        assert (await acme.desk.get(request.id)).stage is Stage.FAILED
        assert await changes(acme) == before
        assert len(await told(acme, "AuthorityMissing")) == 1
        assert ("security", "not_authorised") in {(who, what) for who, what, _ in acme.mailbox.announced}
        await others_are_served(acme, phones["omar"])


@pytest.mark.parametrize("moved", ["nothing but the request's name", "a whole genuine row"])
async def test_a_genuine_proof_carries_no_other_request(
    database_url: str, tmp_path: Path, intruder: Intruder, moved: str
) -> None:
    """Its own seal holds only where it was given; where nothing at all is left, there is no authority."""
    async with opened(database_url, tmp_path) as (acme, phones):
        old = await proof_of(intruder, await finished(acme, phones["maya"]))
        request = await acme.asks("account_unlock", "maya")
        await acme.proves(request, phones["maya"])
        await intruder.run("DELETE FROM verifications WHERE request = ?", request.id)
        if moved != "a whole genuine row":
            await intruder.change("verifications", old["nonce"], request=request.id)
        before = await changes(acme)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.FAILED
        assert await changes(acme) == before
        assert len(await told(acme, "AuthorityMissing")) == 1
        assert f"proofs of {request.id}" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_consent_written_by_hand_is_none(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        nina, sam = await acme.enrolled("nina"), await acme.enrolled("sam")
        request = await acme.asks("device_enrolment", "ravi", by="nina")
        await acme.proves(request, nina)
        proof = await proof_of(intruder, request)
        await intruder.put("verifications", forged(proof, request, purpose="approve", person="omar"))
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
        await acme.proves(request, sam)  # a true one is asked for all the same, and carries it alone
        await noticed_live(acme, ("verifications", "ab" * 32))
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
        await others_are_served(acme, phones["omar"])


# -- devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["made up", "moved from her own"])
async def test_a_device_written_by_hand_proves_nothing(
    database_url: str, tmp_path: Path, intruder: Intruder, how: str
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        eve = phones["eve"]
        (passkey,) = await intruder.run(
            "SELECT * FROM authenticators WHERE person = 'eve' AND method = 'passkey'"
        )
        if how == "made up":
            device = {**await intruder.row("devices", eve.device), "id": "d" * 22, "person": "maya"}
            await intruder.drop("devices", eve.device)
            await intruder.drop("authenticators", passkey["id"])
            await intruder.put("devices", {**device, "mac": MADE_UP})
            await intruder.put(
                "authenticators", {**passkey, "person": "maya", "device": "d" * 22, "mac": MADE_UP}
            )
        else:
            device = await intruder.row("devices", eve.device)
            await intruder.change("devices", eve.device, person="maya")
            await intruder.change("authenticators", passkey["id"], person="maya")
        assert await acme.house.registry.device_of(f"{device['id']}.{eve.cookie.partition('.')[2]}") is None
        request = await acme.asks("password_reset", "maya")
        _, asked = await acme.desk.begin(request.id, "maya", Method.PASSKEY)
        offered = json.dumps(asked)
        assert passkey["id"] not in offered
        assert eve.passkeys is not None
        answer = {"credential": eve.passkeys.get({**asked, "allowCredentials": []})}
        decision = await acme.desk.answer(request.id, "maya", device["id"], Method.PASSKEY, answer)
        assert decision.request.stage is Stage.AWAITING_PROOF
        await noticed_live(acme, ("devices", device["id"]), ("authenticators", passkey["id"]))
        assert await changes(acme) == 0
        assert {"seals of devices", "seals of authenticators"} <= await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_device_written_by_hand_registers_nobody(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    """Ravi has none; with one of Eve's making under his name he still has none."""
    async with opened(database_url, tmp_path) as (acme, phones):
        device = await intruder.row("devices", phones["eve"].device)
        await intruder.put("devices", {**device, "id": "r" * 22, "person": "ravi"})
        with pytest.raises(no.NoRegisteredDevice):
            await acme.asks("password_reset", "ravi")
        await noticed_live(acme, ("devices", "r" * 22))
        await others_are_served(acme, phones["omar"])


async def test_an_enrolment_link_written_by_hand_leads_nowhere(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        row = (await intruder.run("SELECT * FROM invitations WHERE person = 'eve'"))[0]
        token = "t" * 43
        link = {**row, "id": token_hash(token), "person": "ravi", "used_at": None, "browser_hash": None}
        await intruder.put("invitations", link)
        with pytest.raises(no.LinkUnknown):
            await acme.house.registry.open_invitation(token, "a browser")
        await noticed_live(acme, ("invitations", token_hash(token)))
        await others_are_served(acme, phones["omar"])


async def test_a_lowered_counter_brings_no_code_back(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        maya = phones["maya"]
        request = await acme.asks("password_reset", "maya")
        await acme.types(request, maya)
        await acme.worker.drain()
        (app,) = await intruder.run("SELECT * FROM authenticators WHERE person = 'maya' AND method = 'code'")
        await intruder.change("authenticators", app["id"], counter=app["counter"] - 1)
        before = await changes(acme)
        again = await acme.asks("account_unlock", "maya")
        with pytest.raises(no.ProofTooWeak):  # for the app counts no more, and so can't be asked
            await acme.types(again, maya)
        await noticed_live(acme, ("authenticators", app["id"]))
        assert await changes(acme) == before
        assert "seals of authenticators" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_foreign_key_under_her_own_passkeys_name_opens_nothing(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        eves = SoftAuthenticator(origin=acme.house.settings.public_url)
        offered = await acme.house.passkeys.offer("maya", "maya", b"c" * 32, ())
        made = await acme.house.passkeys.register(eves.make(offered), b"c" * 32)
        (hers,) = await intruder.run(
            "SELECT * FROM authenticators WHERE person = 'maya' AND method = 'passkey'"
        )
        await intruder.change("authenticators", hers["id"], material=made.material, id=made.id)
        request = await acme.asks("password_reset", "maya")
        with pytest.raises(no.ProofTooWeak):
            await acme.desk.begin(request.id, "maya", Method.PASSKEY)
        await noticed_live(acme, ("authenticators", made.id))
        await others_are_served(acme, phones["omar"])


# -- what is owed, and the ledger -----------------------------------------------------------------


async def test_an_order_written_by_hand_is_not_carried_out(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("password_reset", "maya")
        sent = await intruder.row("outbox", f"{request.id}:1:0")
        order = {
            **sent,
            "key": request.key,
            "kind": "CarryOut",
            "body": json.dumps({"key": request.key}),
        }
        await intruder.put("outbox", order)
        await noticed_live(acme, ("outbox", request.key))
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF
        assert await changes(acme) == 0
        assert await acme.store.fetch(select(TABLES["outbox"])) == []
        await others_are_served(acme, phones["omar"])


async def test_an_order_written_by_hand_counts_as_found_while_it_stands(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, _):
        request = await acme.asks("password_reset", "maya")
        await intruder.change("outbox", f"{request.id}:1:0", kind="CarryOut")
        assert "seals of outbox" in await failing(acme)


async def test_everything_forged_together_still_makes_no_change(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    """Stage, order, ledger and proof, each copied from a request that was genuine."""
    async with opened(database_url, tmp_path) as (acme, phones):
        earlier = await acme.asks("password_reset", "eve")
        await acme.proves(earlier, phones["eve"])
        order = await intruder.row("outbox", earlier.key)
        ledger = await intruder.row("operations", earlier.key)
        proof = await proof_of(intruder, earlier)
        await acme.worker.drain()
        request = await acme.asks("password_reset", "maya")
        await intruder.change("requests", request.id, stage="awaiting_fulfilment")
        await intruder.swap("requests", request.id, "state", "awaiting_proof", "awaiting_fulfilment")
        body = order["body"].replace(earlier.id, request.id)
        await intruder.put("outbox", {**order, "key": request.key, "request": request.id, "body": body})
        await intruder.put("operations", {**ledger, "key": request.key, "request": request.id})
        await intruder.put("verifications", forged(proof, request, person="maya"))
        await noticed_live(acme, ("outbox", request.key))
        assert await changes(acme, "maya") == 0
        assert {
            f"seals of {table}" for table in ("requests", "operations", "verifications")
        } <= await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_replayed_order_of_a_finished_request_is_not_carried_out_again(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    """Its seal is genuine, because it is the very row that was paid."""
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("account_unlock", "maya")
        await acme.proves(request, phones["maya"])
        order = await intruder.row("outbox", request.key)
        await acme.worker.drain()
        assert await changes(acme) == 1
        await intruder.put("outbox", order)
        await noticed_live(acme, ("outbox", request.key))
        assert await changes(acme) == 1
        assert await acme.store.fetch(select(TABLES["outbox"])) == []
        await others_are_served(acme, phones["omar"])


@pytest.mark.parametrize("state", ["sent", "confirmed", "rejected"])
async def test_a_ledger_changed_before_the_change_stops_it(
    database_url: str, tmp_path: Path, intruder: Intruder, state: str
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("password_reset", "maya")
        await acme.proves(request, phones["maya"])
        await intruder.change("operations", request.key, state=state)
        await noticed_live(acme, ("operations", request.key))
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_FULFILMENT
        assert await changes(acme) == 0
        assert "seals of operations" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_ledger_set_back_after_the_change_makes_no_second_one(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await finished(acme, phones["maya"])
        await intruder.change("operations", request.key, state="intended", epoch=0)
        await acme.worker.drain()
        assert await changes(acme) == 1
        assert "seals of operations" in await failing(acme)
        await others_are_served(acme, phones["omar"])


@pytest.mark.parametrize("how", ["another person's", "cut short"])
async def test_a_secret_changed_on_its_way_is_shown_to_nobody(
    database_url: str, tmp_path: Path, intruder: Intruder, how: str
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        requests = {}
        for person in ("maya", "eve"):
            requests[person] = await acme.asks("password_reset", person)
            await acme.proves(requests[person], phones[person])
        await acme.worker.drain()
        hers = await intruder.row("secrets", requests["maya"].key)
        other = hers["sealed"] if how == "another person's" else hers["sealed"][:20]
        await intruder.change("secrets", requests["eve"].key, sealed=other)
        with pytest.raises(no.Tampered):
            await acme.desk.show_secret(requests["eve"].id, "eve", phones["eve"].device)
        await noticed_live(acme, ("secrets", requests["eve"].key))
        await others_are_served(acme, phones["omar"])


# -- the log --------------------------------------------------------------------------------------


async def edit(intruder: Intruder, seq: int) -> None:
    body = bytes((await intruder.row("audit_events", seq))["body"])
    await intruder.change("audit_events", seq, body=body.replace(b"maya", b"eve!"))


async def edit_with_its_leaf(intruder: Intruder, seq: int) -> None:
    body = bytes((await intruder.row("audit_events", seq))["body"]).replace(b"maya", b"eve!")
    await intruder.change("audit_events", seq, body=body, leaf=leaf_hash(body))


async def rename(intruder: Intruder, seq: int) -> None:
    await intruder.change("audit_events", seq, type="Cancelled")


async def delete(intruder: Intruder, seq: int) -> None:
    await intruder.drop("audit_events", seq)


async def delete_the_newest(intruder: Intruder, seq: int) -> None:
    await intruder.run("DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)")


async def reorder(intruder: Intruder, seq: int) -> None:
    for now, then in ((seq, 10**6), (seq - 1, seq), (10**6, seq - 1)):
        await intruder.change("audit_events", now, seq=then)


async def reorder_with_all_that_says_so(intruder: Intruder, seq: int) -> None:
    await reorder(intruder, seq)
    for at, was in ((seq, seq - 1), (seq - 1, seq)):
        row = await intruder.row("audit_events", at)
        body = bytes(row["body"]).replace(f'"seq":{was}'.encode(), f'"seq":{at}'.encode())
        await intruder.change("audit_events", at, body=body, leaf=leaf_hash(body))


#: Each edit, and what `audit verify` says of it; the number is that of the first event that isn't as it was.
EDITS = {
    edit: "event {n} is missing or was changed",
    edit_with_its_leaf: "with another root",
    rename: "event {n} isn't what its columns say",
    delete: "event {n} is missing or was changed",
    delete_the_newest: "the sealed head says",
    reorder: "event {m} isn't what its columns say",
    reorder_with_all_that_says_so: "with another root",
}


@pytest.mark.parametrize("change", EDITS, ids=lambda edit: edit.__name__)
async def test_a_changed_log_is_found_out(
    database_url: str, tmp_path: Path, intruder: Intruder, change: Any
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        await finished(acme, phones["maya"])
        (row,) = await intruder.run("SELECT seq FROM audit_events WHERE type = 'Verified'")
        assert "audit log" not in await failing(acme)
        await change(intruder, row["seq"])
        found = await Auditor.of(acme.house.settings, acme.store).tree()
        assert found.level is Level.FAIL
        assert EDITS[change].format(n=row["seq"], m=row["seq"] - 1) in found.seen
        await others_are_served(acme, phones["omar"])
        assert "audit log" in await failing(acme)  # what came after covers nothing up


@pytest.mark.parametrize("column", ["size", "peaks", "root", "last_at", "mac"])
async def test_a_changed_head_stops_every_change_until_somebody_looks(
    database_url: str, tmp_path: Path, intruder: Intruder, column: str
) -> None:
    """What can't be put on record doesn't happen (S6): here nobody is served, and reading goes on."""
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("password_reset", "maya")
        head = await intruder.row("tree_head", 1)
        other = {
            "size": 1,
            "peaks": b"\x00" * 32,
            "root": b"\x00" * 32,
            "last_at": acme.hands() - timedelta(days=1),
            "mac": MADE_UP,
        }
        await intruder.change("tree_head", 1, **{column: other[column]})
        with pytest.raises(no.Tampered):
            await acme.proves(request, phones["maya"])
        with pytest.raises(no.Tampered):
            await acme.asks("password_reset", "omar")
        assert (await acme.desk.get(request.id)).version == 1
        assert await changes(acme) == 0
        assert {"audit log", "seals of tree_head"} <= await failing(acme)
        await intruder.change("tree_head", 1, **{column: head[column]})
        assert await failing(acme) == set()
        await others_are_served(acme, phones["omar"])


async def test_an_older_head_put_back_can_be_built_upon_by_nobody(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        head = await intruder.row("tree_head", 1)
        request = await acme.asks("password_reset", "maya")
        await intruder.change("tree_head", 1, **{name: head[name] for name in head if name != "id"})
        with pytest.raises(no.Conflict):
            await acme.proves(request, phones["maya"])
        assert (await acme.desk.get(request.id)).version == 1
        assert "audit log" in await failing(acme)


async def test_a_request_deleted_from_the_rows_is_missed_by_the_log(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await finished(acme, phones["maya"])
        await intruder.drop("requests", request.id)
        assert f"history of {request.id}" in await failing(acme)
        await others_are_served(acme, phones["omar"])


# -- playbooks and what people wrote --------------------------------------------------------------


def newer_playbooks(folder: Path) -> Path:
    """The shipped ones, with a later password reset: the one before is only in the database from then on."""
    shutil.copytree(SHIPPED, folder)
    page = folder / "password_reset.yaml"
    page.write_text(re.sub(r"^version: \d+", "version: 99", page.read_text(), flags=re.MULTILINE))
    return folder


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"assurance":"multi_factor"', '"assurance":"phishing_resistant"'),
        ('"by":"subject"', '"by":"requester"'),
        ("{", "{ "),
        ('"tier":1', '"tier":"none"'),
    ],
    ids=["stricter", "somebody else proves", "not canonical", "not a playbook"],
)
async def test_a_pinned_playbook_changed_by_hand_is_not_followed(
    database_url: str, tmp_path: Path, intruder: Intruder, before: str, after: str
) -> None:
    hands = Hands()
    async with opened(database_url, tmp_path, hands=hands) as (acme, phones):
        asked = await acme.asks("password_reset", "maya")
        ordered = await acme.asks("password_reset", "eve")
        await acme.proves(ordered, phones["eve"])
        assert await failing(acme) == set()
    await intruder.swap("playbooks", asked.playbook_hash, "content", before, after)
    newer = newer_playbooks(tmp_path / "newer")
    async with company(database_url, tmp_path, hands=hands, playbooks=newer) as acme:
        with pytest.raises(no.Tampered):
            await acme.proves(asked, phones["maya"])
        await noticed_live(acme, ("playbooks", asked.playbook_hash))
        assert await changes(acme) == 0
        assert (await acme.desk.get(ordered.id)).stage is Stage.AWAITING_FULFILMENT
        assert "playbooks" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_playbook_in_force_is_what_its_file_says(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    async with opened(database_url, tmp_path) as (acme, phones):
        request = await acme.asks("password_reset", "maya")
        await intruder.swap(
            "playbooks", request.playbook_hash, "content", '"by":"subject"', '"by":"requester"'
        )
        await acme.proves(request, phones["maya"])
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
        assert "playbooks" in await failing(acme)
        await others_are_served(acme, phones["omar"])


async def test_a_reason_changed_by_hand_is_shown_to_nobody(
    database_url: str, tmp_path: Path, intruder: Intruder
) -> None:
    """Somebody would consent to words that were never written."""
    asking_why = tmp_path / "asking-why"
    shutil.copytree(SHIPPED, asking_why)
    page = asking_why / "password_reset.yaml"
    page.write_text(page.read_text() + "\njustification: true\n")
    async with opened(database_url, tmp_path, playbooks=asking_why) as (acme, _):
        request = await acme.asks("password_reset", "maya", answers={"justification": "Forgot it on holiday"})
        field = f"{request.id}:justification"
        assert await acme.desk.texts(request.id) == {"justification": "Forgot it on holiday"}
        await intruder.change("clear_texts", field, content="The board wants it at once")
        assert await acme.desk.texts(request.id) == {}
        await noticed_live(acme, ("clear_texts", field))
        await intruder.drop("clear_texts", field)
        assert await acme.desk.texts(request.id) == {}  # erased, which is nobody's fault
        assert len(await told(acme)) == 1
