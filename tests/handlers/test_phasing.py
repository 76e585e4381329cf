"""Where a playbook only observes, the whole house changes nothing, bothers nobody, and its evidence says so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.commands import Cancel, Disown, ReportConfirmed
from flows.model import Mode, Receipt, Stage
from handlers.evidence import Auditor
from handlers.findings import Level
from storage.sql import TABLES
from tests.company import TERMINAL, Company, company, handing_out_and

UNLOCK = """\
name: phased_unlock
version: 1
title: Account unlock
phrase: Unlock the account of {subject}
tier: 2
ask: {who: [self, desk_agent]}
proof: {by: subject, assurance: multi_factor, within: 10 minutes, lasts: 3 days}
consent: {quorum: 1, from: [manager], within: 1 day}
change: {connector: directory, verb: unlock}
handed_to: desk_agent
justification: true
modes:
  - {for: person:omar, mode: offer}
  - {for: "person:maya", mode: observe}
guidance: {meanwhile: "Call the desk, as before."}
"""
_EVENTS, _OUTBOX, _OPERATIONS = TABLES["audit_events"], TABLES["outbox"], TABLES["operations"]
WHY = {"justification": "locked out since Monday"}


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Company]:
    playbooks = handing_out_and(tmp_path, "phased_unlock", UNLOCK)
    async with company(f"sqlite:///{tmp_path / 'desk.db'}", tmp_path, playbooks=playbooks) as acme:
        yield acme


async def said(acme: Company, request: str) -> list[tuple[str, dict[str, object]]]:
    found = await acme.store.fetch(
        select(_EVENTS).where(_EVENTS.c.request == request).order_by(_EVENTS.c.seq)
    )
    told = [(row["type"], json.loads(bytes(row["body"]))["data"]) for row in found]
    return [(kind, data) for kind, data in told if kind != "Ruled"]  # what the rules said stands beside it


async def test_who_is_observed_is_told_and_nobody_else_and_nothing_is_changed(acme: Company) -> None:
    await acme.enrolled("maya")
    await acme.directory.lock("maya")
    request = await acme.asks("phased_unlock", "maya", "ravi", WHY)
    assert (request.stage, request.mode, request.due_at) == (Stage.OBSERVED, Mode.OBSERVE, None)
    await acme.worker.drain()
    acme.hands.forward(days=5)
    await acme.worker.drain()
    assert acme.mailbox.told == [("ravi", "closed", request.id)]
    assert acme.mailbox.announced == []
    assert acme.mailbox.notified == []
    assert await acme.store.fetch(select(_OPERATIONS)) == []
    assert await acme.store.fetch(select(_OUTBOX)) == []
    ((kind, would),) = await said(acme, request.id)
    assert kind == "Observed"
    assert would["verb"] == "unlock"
    assert (would["assurance"], would["methods"]) == ("phishing_resistant", ["passkey"])
    assert (would["quorum"], would["approvers"], would["hindrance"]) == (1, ["omar"], "")


async def test_nothing_that_is_tried_afterwards_brings_it_to_the_connector(acme: Company) -> None:
    maya = await acme.enrolled("maya")
    request = await acme.asks("phased_unlock", "maya", answers=WHY)
    with pytest.raises(no.AlreadyClosed):
        await acme.proves(request, maya)
    with pytest.raises(no.AlreadyClosed):
        await acme.desk.number(request.id)
    for command in (Cancel("maya"), Disown("maya"), ReportConfirmed(Receipt("x", "y"))):
        with pytest.raises(no.AlreadyClosed):
            await acme.desk.submit(request.id, command)
    await acme.worker.drain()
    assert await acme.store.fetch(select(_OPERATIONS)) == []
    again = await acme.asks("phased_unlock", "maya", answers=WHY)
    assert again.stage is Stage.OBSERVED, "asking once more is no twin of what is over"


async def test_the_evidence_of_an_observed_request_is_whole(acme: Company) -> None:
    request = await acme.asks("phased_unlock", "maya", answers=WHY)
    findings = await Auditor.of(acme.house.settings, acme.store).verify(None)
    assert [finding for finding in findings if finding.level is not Level.PASS] == []
    proofs, history = await Auditor(acme.store, {}).verify(request.id)
    assert (proofs.level, history.level) == (Level.PASS, Level.PASS)


async def test_whose_turn_it_is_the_log_says_in_which_mode(acme: Company) -> None:
    await acme.enrolled("omar")
    omar = await acme.asks("phased_unlock", "omar", answers=WHY)
    assert (omar.stage, omar.mode) == (Stage.AWAITING_PROOF, Mode.OFFER)
    nina = await acme.enrolled("nina")
    other = await acme.asks("phased_unlock", nina.person, answers=WHY)
    for request, mode in ((omar, "offer"), (other, "require")):
        ((kind, opened),) = await said(acme, request.id)
        assert (kind, opened["mode"]) == ("Opened", mode)


async def test_observing_counts_as_no_prompt(acme: Company) -> None:
    await acme.enrolled("maya")
    for _ in range(5):
        await acme.asks("phased_unlock", "maya", answers=WHY)
    opened = await acme.asks("password_reset", "maya", origin=TERMINAL)
    assert opened.stage is Stage.AWAITING_PROOF
