"""A password that its owner chooses: what is taken, what becomes of it, and what the system has to say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import func, select

import flows.errors as no
from flows.model import Person, Receipt, Request, Stage
from handlers.passwords import LEAST, MOST, fit
from handlers.ports import PolicyRefused
from storage.sql import TABLES
from tests.company import SHIPPED, Company, Phone, company
from tests.intruder import Intruder

GOOD = "teal otter quarry kite"
MAYA = Person("maya", "Maya Lindqvist", "maya.lindqvist", aliases=frozenset({"m.lindqvist"}))

# -- what is taken --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        "x9$Kq-27.vRw?z4m",
        "fünf müde Känguruhs hüpfen",
        "пять усталых кенгуру прыгают",
        "Maya eats 7 odd teal otters",
        "purple {tractor} owl sings",
        "correct… ½ horse battery",
    ],
)
async def test_long_and_unlike_what_is_common_is_enough(good: str) -> None:
    assert await fit(good, good, MAYA) == good


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "too short"),
        ("x9$Kq-27.vRw?z", "too short"),
        ("y" * (MOST + 1), "too long"),
        ("passwordpassword", "too easy"),
        ("qwertyuiopasdfghjkl", "too easy"),
        ("aaaaaaaaaaaaaaaaaaaaaa", "too easy"),
        ("MayaLindqvist2026!", "too easy"),
        ("m.lindqvist-Maya-77", "too easy"),
        ("Countersign Welcome 1", "too easy"),
        ("{SSHA}mv5J0lCv8v0Z9mTn1yTq", "curly brackets"),
        ("{CLEARTEXT}purple tractor owl", "curly brackets"),
        ("teal otter\x00quarry kite", "can't be seen"),
        ("teal otter\u200bquarry kite", "can't be seen"),
        ("teal otter\nquarry kite", "can't be seen"),
        ("teal otter\u2028quarry kite", "can't be seen"),
        ("teal otter\ue000quarry kite", "can't be seen"),
        ("teal otter\u200dquarry kite", "can't be seen"),
        ("teal otter \U0001f468\u200d quarry kite", "can't be seen"),
        ("teal otter quarry kite\u200d", "can't be seen"),
        ("teal otter\ud800quarry kite", "can't be seen"),
    ],
)
async def test_what_is_guessed_first_is_refused_and_not_repeated(bad: str, why: str) -> None:
    with pytest.raises(no.UnfitPassword, match=why) as refused:
        await fit(bad, bad, MAYA)
    assert refused.value.field == "password"
    assert not bad or bad not in refused.value.sentence
    assert len("x9$Kq-27.vRw?z") == LEAST - 1


@pytest.mark.parametrize(
    "seen",
    [
        "teal otter \U0001fae9 quarry kite",  # an emoji that came after Python 3.11
        "teal otter \U0001f468\u200d\U0001f469\u200d\U0001f467 quarry kite",
        "teal otter \u2764\ufe0f\u200d\U0001f525 quarry kite",
        "teal otter \U0001f468\U0001f3fd\u200d\U0001f692 quarry kite",
    ],
)
async def test_what_can_be_seen_may_be_in_it(seen: str) -> None:
    assert await fit(seen, seen, MAYA) == seen


async def test_a_slip_of_the_fingers_is_noticed_and_two_spellings_of_one_text_are_none() -> None:
    with pytest.raises(no.UnfitPassword, match="aren't the same") as refused:
        await fit(GOOD, GOOD + "s", MAYA)
    assert refused.value.field == "again"
    composed = "fünf müde Känguruhs hüpfen"
    assert await fit("fu\u0308nf müde Känguruhs hüpfen", composed, None) == composed


# -- what becomes of it ---------------------------------------------------------------------


class Picky:
    """A system with rules of its own."""

    verbs = frozenset({"set_password", "unlock", "add_to_group"})

    def __init__(self) -> None:
        self.now: Mapping[str, str] = {}

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        assert secret
        if "kite" in secret:
            raise PolicyRefused(f"{secret} was used before")
        self.now = {key: secret}
        return Receipt(key, "set")

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        return Receipt(key, "set") if secret and self.now.get(key) == secret else None

    async def undo(self, request: Request, key: str) -> Receipt:
        raise NotImplementedError


@pytest.fixture
async def acme(database_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    async with company(database_url, tmp_path, playbooks=SHIPPED) as running:
        yield running


async def proved(acme: Company) -> tuple[Request, Phone]:
    maya = await acme.enrolled("maya")
    request = await acme.asks("password_reset", "maya")
    decision = await acme.proves(request, maya)
    assert decision.request.stage is Stage.AWAITING_PASSWORD
    return decision.request, maya


async def kept(acme: Company) -> int:
    ((row),) = await acme.store.fetch(select(func.count().label("n")).select_from(TABLES["secrets"]))
    return int(row["n"])


async def test_the_chosen_password_is_set_and_kept_nowhere(acme: Company) -> None:
    request, maya = await proved(acme)
    await acme.desk.choose(request.id, "maya", maya.device, GOOD, GOOD)
    assert await kept(acme) == 1, "sealed until it is set"
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
    assert await acme.directory.bind("maya.lindqvist", GOOD)
    assert not await acme.directory.must_change("maya.lindqvist")
    assert await kept(acme) == 0
    with pytest.raises(no.AlreadyClosed):
        await acme.desk.show_secret(request.id, "maya", maya.device)


async def test_only_its_owner_chooses_it_on_that_device_before_it_is_late(acme: Company) -> None:
    request, maya = await proved(acme)
    with pytest.raises(no.NotYoursToSee):
        await acme.desk.choose(request.id, "maya", "another device", GOOD, GOOD)
    with pytest.raises(no.NotYoursToSee):
        await acme.desk.choose(request.id, "eve", maya.device, GOOD, GOOD)
    with pytest.raises(no.UnfitPassword):
        await acme.desk.choose(request.id, "maya", maya.device, "Maya Lindqvist 7", "Maya Lindqvist 7")
    assert await kept(acme) == 0
    acme.hands.forward(minutes=15)
    with pytest.raises(no.TooLate):
        await acme.desk.choose(request.id, "maya", maya.device, GOOD, GOOD)
    assert await acme.directory.changes("maya.lindqvist") == 0


async def test_what_the_system_refuses_is_deleted_and_chosen_again(database_url: str, tmp_path: Path) -> None:
    picky = Picky()
    async with company(database_url, tmp_path, playbooks=SHIPPED, connectors={"directory": picky}) as acme:
        request, maya = await proved(acme)
        await acme.desk.choose(request.id, "maya", maya.device, GOOD, GOOD)
        await acme.worker.drain()
        refused = await acme.desk.get(request.id)
        assert refused.stage is Stage.AWAITING_PASSWORD
        assert refused.reason == "[blanked] was used before"
        assert await kept(acme) == 0
        other = "violet badger harvests oats"
        await acme.desk.choose(request.id, "maya", maya.device, other, other)
        await acme.worker.drain()
        assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
        assert picky.now == {request.key: other}
        (operation,) = await acme.store.fetch(select(TABLES["operations"]))
        assert (operation["state"], operation["epoch"]) == ("confirmed", 2)


async def test_a_password_put_under_a_request_by_hand_is_not_set(acme: Company, database_url: str) -> None:
    request, maya = await proved(acme)
    await acme.desk.choose(request.id, "maya", maya.device, GOOD, GOOD)
    forged = acme.store.keys.close(b"a password of Eve's own", f"{request.key}:eve")
    await Intruder(database_url).run("UPDATE secrets SET sealed = ?", forged)
    await acme.worker.drain()
    assert not await acme.directory.bind("maya.lindqvist", "a password of Eve's own")
