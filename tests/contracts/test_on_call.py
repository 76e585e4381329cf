"""A system that says who is on call: what it is asked, what is believed, and who tries to be on call by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from demo.workspace.serve import listening
from flows.model import Person
from handlers.on_call import LARGEST, LONGEST, PAUSE, RECENT, Served, Webhook, findings
from handlers.people import Given, People, Roster
from handlers.ports import Unreachable
from handlers.settings import load_settings, new_secret
from handlers.signed import signature
from tests.contracts.test_webhook import OLDER
from tests.office import free_port
from tests.peers.receiver import SECRET

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
EVES = "whsec_" + "RXZl" * 10
GOOD = {"on_call": ["nina", "sam.okafor"], "until": "2026-11-30T18:00:00+01:00"}


def keys(*written: str) -> list[bytes]:
    return Served.model_validate({"url": "http://localhost", "among": "role:a", "secret": list(written)}).keys


@dataclass
class Pager:
    """Somebody at the other end, who answers as told. What they signed is kept, so that it can be sent again."""

    clock: Callable[[], datetime]
    told: Any = field(default_factory=lambda: dict(GOOD))
    secret: str = SECRET
    late: timedelta = timedelta(0)
    status: int = 200
    changed: Mapping[str, str] = field(default_factory=dict)  # headers written over
    replayed: tuple[Mapping[str, str], bytes] | None = None
    asked: list[Mapping[str, str]] = field(default_factory=list)
    answered: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        if self.replayed:
            headers, body = self.replayed
            return web.Response(body=body, headers=headers)
        body = self.told if isinstance(self.told, bytes) else json.dumps(self.told).encode()
        id, sent = request.headers["webhook-id"], int((self.clock() - self.late).timestamp())
        headers = {
            "webhook-id": id,
            "webhook-timestamp": str(sent),
            "webhook-signature": signature(keys(self.secret), id, sent, body),
            **self.changed,
        }
        self.answered.append((headers, body))
        return web.Response(body=body, headers=headers, status=self.status)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def paged(**answers: Any) -> AsyncIterator[tuple[Webhook, Pager, Clock]]:
    clock = Clock()
    pager = Pager(clock, **answers)
    app = web.Application()
    app.router.add_get("/{any:.*}", pager.answer)
    async with listening(app, patience=0.1) as port:
        entry = {"url": f"http://127.0.0.1:{port}/who", "secret": [SECRET, OLDER], "among": "group:ops"}
        schedule = Webhook("night", Served.model_validate(entry), clock)
        yield schedule, pager, clock
        await schedule.close()


async def test_whoever_is_told_is_on_call_until_then() -> None:
    async with paged() as (schedule, pager, clock):
        assert await schedule.on_call() == {"nina", "sam.okafor"}
        (asked,) = pager.asked
        id, sent = asked["webhook-id"], int(asked["webhook-timestamp"])
        assert id.startswith("on_call:night:")
        assert sent == int(NOW.timestamp())
        assert asked["webhook-signature"] == signature(keys(SECRET, OLDER), id, sent, b"")
        pager.told["on_call"] = ["omar"]
        clock.now += RECENT - timedelta(seconds=1)
        assert await schedule.on_call() == {"nina", "sam.okafor"}, "it isn't asked with every click"
        clock.now += timedelta(seconds=1)
        assert await schedule.on_call() == {"omar"}
        assert len({each["webhook-id"] for each in pager.asked}) == 2


async def test_an_answer_may_be_signed_with_the_older_secret_while_rotating() -> None:
    async with paged(secret=OLDER) as (schedule, _, _):
        assert await schedule.on_call() == {"nina", "sam.okafor"}


async def test_everybody_who_waits_has_one_question() -> None:
    async with paged() as (schedule, pager, _):
        answers = await asyncio.gather(*(schedule.on_call() for _ in range(20)))
        assert set(answers) == {frozenset({"nina", "sam.okafor"})}
        assert len(pager.asked) == 1


FORGED: Mapping[str, tuple[dict[str, Any], str]] = {
    "signed by Eve": ({"secret": EVES}, "signature"),
    "not signed": ({"changed": {"webhook-signature": ""}}, "signature"),
    "signed as another version": ({"changed": {"webhook-signature": "v2,AAAA"}}, "signature"),
    "signed with letters of no alphabet": ({"changed": {"webhook-signature": "v1,é"}}, "signature"),
    "to another question": ({"changed": {"webhook-id": "on_call:day:1"}}, "another question"),
    "of yesterday": ({"late": timedelta(days=1)}, "timestamp"),
    "of six minutes ago": ({"late": timedelta(minutes=6)}, "timestamp"),
    "of the future": ({"late": timedelta(minutes=-6)}, "timestamp"),
    "of no time": ({"changed": {"webhook-timestamp": "soon"}}, "timestamp"),
    "of full-width digits": ({"changed": {"webhook-timestamp": "\uff11"}}, "timestamp"),
    "of a time without end": ({"changed": {"webhook-timestamp": "9" * 4000}}, "timestamp"),
    "with another time": ({"changed": {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}}, "signature"),
    "huge": ({"told": b" " * (LARGEST + 1)}, "can't be asked"),
    "elsewhere": ({"status": 302, "changed": {"Location": "/elsewhere"}}, "HTTP 302"),
    "an error": ({"status": 500}, "HTTP 500"),
    "nothing": ({"status": 204}, "HTTP 204"),
    "garbage": ({"told": b"<html>"}, "isn't `on_call`"),
    "deep": ({"told": b"[" * 9000}, "isn't `on_call`"),
    "a list": ({"told": ["nina"]}, "isn't `on_call`"),
    "nobody's list": ({"told": {"until": GOOD["until"]}}, "isn't `on_call`"),
    "a name for a list": ({"told": {**GOOD, "on_call": "nina"}}, "isn't `on_call`"),
    "numbers": ({"told": {**GOOD, "on_call": [7]}}, "isn't `on_call`"),
    "a crowd": ({"told": {**GOOD, "on_call": [f"p{n}" for n in range(101)]}}, "isn't `on_call`"),
    "two lists": ({"told": b'{"on_call": ["a"], "on_call": ["b"], "until": "2027-01-01T00:00Z"}'}, "isn't"),
    "without an end": ({"told": {"on_call": ["nina"]}}, "isn't `on_call`"),
    "an end without a zone": ({"told": {**GOOD, "until": "2026-11-30T18:00:00"}}, "isn't `on_call`"),
    "an end that is a number": ({"told": {**GOOD, "until": 4102444800}}, "isn't `on_call`"),
    "an end out of time": ({"told": {**GOOD, "until": "0001-01-01T00:00+14:00"}}, "isn't `on_call`"),
    "over": ({"told": {**GOOD, "until": "2026-11-30T12:00:00Z"}}, "over already"),
}


@pytest.mark.parametrize("what", FORGED)
async def test_an_answer_that_isnt_believed_puts_nobody_on_call_and_says_so(what: str) -> None:
    answers, why = FORGED[what]
    async with paged(**answers) as (schedule, pager, _):
        with capture_logs() as logs:
            assert await schedule.on_call() == set()
        (said,) = [each for each in logs if each["event"] == "on_call_not_told"]
        assert said["schedule"] == "night"
        assert why in said["why"]
        assert len(pager.asked) == 1, "nobody is followed, and nothing asked twice"


async def test_an_old_answer_that_is_played_again_is_worth_nothing() -> None:
    async with paged() as (schedule, pager, clock):
        await schedule.on_call()
        pager.replayed = pager.answered[0]
        with pytest.raises(Unreachable, match="another question"):
            await schedule.ask()
        headers, body = pager.replayed
        clock.now += RECENT
        pager.replayed = ({**headers, "webhook-timestamp": str(int(clock.now.timestamp()))}, body)
        with pytest.raises(Unreachable, match="another question"):
            await schedule.ask()


async def test_while_nothing_is_told_the_last_answer_counts_until_its_end_and_no_longer() -> None:
    async with paged() as (schedule, pager, clock):
        await schedule.on_call()
        pager.status = 503
        clock.now = NOW + timedelta(hours=4, minutes=59)
        assert await schedule.on_call() == {"nina", "sam.okafor"}
        clock.now = NOW + timedelta(hours=5)
        assert await schedule.on_call() == set()
        asked = len(pager.asked)
        pager.status = 200
        pager.told["until"] = "2099-01-01T00:00:00Z"
        assert await schedule.on_call() == set()
        assert len(pager.asked) == asked, "it isn't asked again at once"
        clock.now += PAUSE
        assert await schedule.on_call() == {"nina", "sam.okafor"}
        pager.status = 503
        clock.now += LONGEST
        assert await schedule.on_call() == set(), "whatever it says of itself, an answer lasts a day"


async def test_an_answer_that_ends_soon_is_renewed_then() -> None:
    async with paged(told={**GOOD, "until": "2026-11-30T12:00:10Z"}) as (schedule, pager, clock):
        await schedule.on_call()
        pager.told = {"on_call": ["omar"], "until": GOOD["until"]}
        clock.now += timedelta(seconds=10)
        assert await schedule.on_call() == {"omar"}


async def test_where_nobody_answers_nobody_is_on_call() -> None:
    entry = {"url": f"http://127.0.0.1:{free_port()}", "secret": SECRET, "among": "group:ops"}
    schedule = Webhook("night", Served.model_validate(entry), Clock())
    assert await schedule.on_call() == set()
    await schedule.close()


async def test_whoever_is_named_and_not_in_the_group_has_no_say() -> None:
    """Eve may write the schedule, and isn't in the group."""
    nina = Person("nina", "Nina Kowalski", "nina.kowalski", groups=frozenset({"ops"}))
    eve = Person("eve", "Eve Mallory", "eve.mallory")
    async with paged(told={**GOOD, "on_call": ["eve", "eve.mallory", "nina"]}) as (schedule, _, _):
        people = People(Roster([nina, eve]), Given(schedules={"night": schedule}))
        assert await people.selected(["on_call:night"], None) == {"nina"}


async def test_the_doctor_says_who_is_on_call_and_who_doesnt_answer(tmp_path: Path) -> None:
    rota, gap = tmp_path / "rota.yaml", tmp_path / "gap.yaml"
    rota.write_text("timezone: UTC\nrotation: {people: [nina], begins: 2026-01-05 09:00, each: 7 days}\n")
    gap.write_text("timezone: UTC\nshifts: [{person: a, from: 2020-01-01 09:00, until: 2020-01-02 09:00}]\n")
    entries = {
        "day": {"file": str(rota), "among": "role:a"},
        "gap": {"file": str(gap), "among": "role:a"},
        "lost": {"file": "/nowhere.yaml", "among": "role:a"},
        "away": {"url": f"http://127.0.0.1:{free_port()}", "secret": SECRET, "among": "role:a"},
    }
    file = tmp_path / "countersign.yaml"
    file.write_text(json.dumps({"on_call": entries}))
    settings = load_settings(secret_key=(new_secret(),), config=file)
    found = await findings(settings)
    assert {each.check: str(each.level) for each in found} == {
        "on call: day": "pass",
        "on call: gap": "warn",
        "on call: lost": "fail",
        "on call: away": "fail",
    }
    assert found[0].seen == "nina now"
    file.write_text("people: []")
    assert await findings(settings) == []
