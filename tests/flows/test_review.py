"""When somebody looks again at what was given for good: days after it was given, and never for what wasn't."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.consequence import react
from flows.effects import Remind
from flows.events import Fulfilled
from flows.model import Origin, Receipt, Request, Stage
from flows.review import days, review_at

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GIVEN = Request(
    id="CS-7F3KQ",
    playbook="group_access",
    playbook_version=2,
    playbook_hash="0" * 64,
    connector="directory",
    verb="add_to_group",
    requester="omar",
    subject="maya",
    prover="omar",
    origin=Origin("terminal", "desk-1", "root", ""),
    parameters={"group": "finance-share", "review": "90 days"},
    commitments={},
    stage=Stage.FULFILLED,
    version=6,
    opened_at=NOW - timedelta(hours=1),
    due_at=None,
    receipt=Receipt("1", "It is so."),
    closed_at=NOW,
)


def test_whoever_it_concerns_is_reminded_when_the_days_have_passed() -> None:
    *_, last = react(GIVEN, Fulfilled(), NOW)
    assert last == Remind(("omar", "maya"), "review_due", NOW + timedelta(days=90))


@pytest.mark.parametrize(
    "other",
    [{"parameters": {"group": "finance-share"}}, {"receipt": None}, {"closed_at": None}],
    ids=["nobody was asked", "nothing was given", "it isn't over"],
)
def test_nothing_else_is_looked_at_again(other: dict[str, object]) -> None:
    request = GIVEN.but(other)
    assert review_at(request) is None
    assert not any(isinstance(effect, Remind) for effect in react(request, Fulfilled(), NOW))


@pytest.mark.parametrize(
    ("answer", "length"),
    [
        ("1 day", 1),
        ("90 days", 90),
        ("365 days", 365),
        ("366 days", None),
        ("0 days", None),
        ("3 months", None),
        ("٩٠ days", None),
        ("", None),
    ],
)
def test_it_is_days_and_never_more_than_a_year(answer: str, length: int | None) -> None:
    assert days(answer) == (None if length is None else timedelta(days=length))
