"""The password reset of the article on human-assisted MFA, step by step, as an auditor reads it in the log.

1 the person asks · 2 the desk opens the case with basic details · 3 a challenge goes to the person's registered
device · 4 the person meets it · 5 only then is the password reset · 6 every step is logged.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from flows.model import Request, Stage
from storage.sql import TABLES
from tests.browser.site import Site
from tests.company import SHIPPED
from tests.web.test_access import confirms, pages
from tests.web.wire import Wire

CHOSEN = "seven Quiet herons 9"
_EVENTS = TABLES["audit_events"]


async def log(desk: Site, request: Request) -> list[tuple[str, dict[str, Any]]]:
    """What the audit log holds about a request, oldest first: each event's name and what it says."""
    told = select(_EVENTS).where(_EVENTS.c.request == request.id).order_by(_EVENTS.c.seq)
    rows = await desk.acme.store.fetch(told)
    return [(row["type"], json.loads(bytes(row["body"]))["data"]) for row in rows]


async def test_a_password_is_reset_in_six_steps_and_each_stands_in_the_log(tmp_path: Path) -> None:
    async with pages(tmp_path, playbooks=SHIPPED) as desk:
        acme = desk.acme
        maya = await acme.enrolled("maya")
        phone = await Wire.of(desk, maya)
        assert maya.passkeys is not None

        # 1, 2: Maya tells the desk; Ravi opens the case for her, with who it is and what she needs, and nothing else.
        request = await acme.asks("password_reset", "maya", by="ravi")
        path = f"/requests/{request.id}"
        (name, opened), (beside, ruled) = await log(desk, request)
        assert (name, beside, ruled["action"], ruled["permitted"]) == ("Opened", "Ruled", "ask", True)
        said = (opened["playbook"], opened["requester"], opened["subject"], opened["prover"])
        assert said == ("password_reset", "ravi", "maya", "maya")
        assert (opened["parameters"], opened["commitments"]) == ({}, {}), "nothing personal is asked"

        # 3: the challenge is Maya's, on the device that she registered, and on no other.
        await acme.worker.drain()
        assert ("maya", "challenge", request.id) in acme.mailbox.told
        assert "Reset the password of Maya Lindqvist" in (await phone.get(path)).text
        ravi = await Wire.of(desk, await acme.enrolled("ravi"))
        assert (await ravi.json(f"{path}/passkey/begin", {})).status == 409
        before = await happened(desk, request)

        # 5 can't come before 4: a password that is sent too early is refused, and the old one still works.
        early = await phone.post(f"{path}/password", {"password": CHOSEN, "again": CHOSEN})
        assert early.status == 409
        assert await acme.directory.changes("maya.lindqvist") == 0
        assert await happened(desk, request) == before

        # 4: she meets it with her passkey; only now may a password be chosen.
        assert (await confirms(phone, maya.passkeys, path)).status == 200
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_PASSWORD
        assert await acme.directory.changes("maya.lindqvist") == 0
        assert await acme.directory.bind("maya.lindqvist", "pretend-password")

        # 5: she chooses it on the device that gave the proof, and the worker sets it.
        await phone.get(path)
        chosen = await phone.post(f"{path}/password", {"password": CHOSEN, "again": CHOSEN})
        assert chosen.status == 303
        await acme.worker.drain()
        assert await acme.directory.bind("maya.lindqvist", CHOSEN)
        assert await acme.directory.changes("maya.lindqvist") == 1

        # 6: every step is in the log, in order, and everything else that was tried as a refusal.
        assert await happened(desk, request) == [
            "Opened",
            "Ruled",  # the company's rules let it be asked
            "ChallengeIssued",
            "Verified",
            "PasswordAsked",
            "PasswordChosen",
            "FulfilmentOrdered",
            "Ruled",  # and they still do, right before it is done
            "ChangeConfirmed",
            "Fulfilled",
        ]
        await the_log_says_who_and_how(desk, request, maya.device)


async def happened(desk: Site, request: Request) -> list[str]:
    """The names of the events, without the refusals, which change nothing."""
    return [name for name, _ in await log(desk, request) if name != "Refused"]


async def the_log_says_who_and_how(desk: Site, request: Request, device: str) -> None:
    """The proof is Maya's, on her device, for this very request; no password is anywhere in it."""
    told = await log(desk, request)
    by_name = dict(told)
    proof = by_name["Verified"]
    assert (proof["person"], proof["device"], proof["method"]) == ("maya", device, "passkey")
    assert proof["assurance"] == "phishing_resistant"
    assert proof["nonce"] == by_name["ChallengeIssued"]["nonce"]
    assert {data["actor"] for name, data in told if name == "Refused" and data.get("actor")} <= {
        "ravi",
        "maya",
    }
    assert CHOSEN not in json.dumps(told)
