"""Lost everything: the manager's passkey, a wait in which whoever was told can object, and what it takes to hurry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flows.errors as no
from flows import registration as registering
from flows.authority import Evidence, authorise
from flows.commands import Approve, Cancel, Deny, Disown, Object, Stop, Tick
from flows.effects import Announce, AskApprovers, CarryOut, StopOthers, Tell, Write
from flows.events import (
    ApprovalRequested,
    Approved,
    Cancelled,
    ChallengeFailed,
    ChallengeIssued,
    Disowned,
    Expired,
    FulfilmentOrdered,
    Hurried,
    Objected,
    ObjectionsInvited,
    Stopped,
    Verified,
)
from flows.model import (
    Assurance,
    Method,
    ObjectionRule,
    Person,
    Request,
    SecretKind,
    Stage,
    Wrong,
)
from flows.news import News, What
from flows.objections import after_working_time, ends_at
from flows.registration import (
    Authenticator,
    Device,
    DeviceRevoked,
    Invitation,
    InvitationIssued,
    InvitationWithdrawn,
    Registration,
)
from tests.flows.stories import (
    CODE,
    LOST,
    MORNING,
    PEOPLE,
    Story,
    a_playbook,
    agreed_by,
    approves,
    begins,
    evidence,
    opened,
    proves,
    waiting,
)

OVER = {"hours": 24}


def hurried(story: Story) -> Story:
    """Security has bought the rest of the wait."""
    story.when(begins("vera")).then(ChallengeIssued)
    return story.when(approves("vera")).then(Hurried, FulfilmentOrdered, does=[CarryOut])


# -- the manager's passkey --------------------------------------------------------------------


def test_when_the_wait_is_over_and_nobody_objected_the_change_is_made() -> None:
    story = waiting().at(hours=23, minutes=59).when(Tick()).then()
    story.at(**OVER).when(Tick()).then(FulfilmentOrdered, does=[CarryOut]).stands(Stage.AWAITING_FULFILMENT)


def test_everybody_concerned_is_told_and_how_long_they_can_object() -> None:
    story = waiting()
    tell, announced, letter = story.owed
    assert tell == Tell(("maya", "ravi", "omar"), "objections_invited")
    assert announced == Announce("security", "objections_invited", "maya")
    assert letter == Write(News("maya", What.OBJECTIONS_INVITED, MORNING))


def test_only_the_manager_is_asked_where_somebody_else_asks() -> None:
    story = opened(LOST, "ravi", "maya").when(begins("ravi")).then(ChallengeIssued)
    asked = ApprovalRequested(1, ("omar",), MORNING + timedelta(days=1))
    story.when(proves("ravi")).then(Verified, asked, does=[AskApprovers])
    story.when(begins("sam")).refused(no.NotAnApprover, "their manager")
    story.when(Approve("sam", Wrong.PASSKEY)).refused(no.NotAnApprover)


def test_a_manager_who_asks_needs_somebody_else_to_agree() -> None:
    story = opened(LOST, "omar", "maya").when(begins("omar")).then(ChallengeIssued)
    asked = ApprovalRequested(1, ("nina", "sam"), MORNING + timedelta(days=1))
    story.when(proves("omar")).then(Verified, asked, does=[AskApprovers])
    story.when(begins("omar")).refused(no.SelfApproval)
    waiting("omar", "sam").at(**OVER).when(Tick()).then(FulfilmentOrdered, does=[CarryOut])


@pytest.mark.parametrize("change", [{"left": ["omar"]}, {"managers": {"maya": None}}], ids=str)
def test_whoever_has_no_manager_cant_be_helped_this_way(change: Any) -> None:
    story = opened(LOST, "ravi", "maya").when(begins("ravi")).then(ChallengeIssued).given(**change)
    story.when(proves("ravi")).refused(no.NotAnApprover, "Nobody is left")


def test_the_last_of_several_places_is_the_managers() -> None:
    two = replace(LOST, consent=agreed_by(2, ("manager", "role:administrator"), timedelta(days=1)))
    story = opened(two, "ravi", "maya").when(begins("ravi")).then(ChallengeIssued)
    story.when(proves("ravi")).then(Verified, ApprovalRequested, does=[AskApprovers])
    story.when(begins("sam")).then(ChallengeIssued).when(approves("sam")).then(Approved)
    story.when(begins("nina")).refused(no.NotAnApprover, "their manager")
    story.when(begins("omar")).then(ChallengeIssued)
    story.when(approves("omar")).then(Approved, ObjectionsInvited, does=[Tell, Announce, Write])


def test_two_others_are_asked_in_vain_where_the_manager_is_gone() -> None:
    two = replace(LOST, consent=agreed_by(2, ("manager", "role:administrator"), timedelta(days=1)))
    story = opened(two, "ravi", "maya").when(begins("ravi")).then(ChallengeIssued).given(left=["omar"])
    story.when(proves("ravi")).refused(no.NotAnApprover, "Nobody is left")


def test_a_manager_who_moved_on_before_the_last_one_agreed_speaks_for_nobody() -> None:
    two = replace(LOST, consent=agreed_by(2, ("manager", "role:administrator"), timedelta(days=1)))
    story = opened(two, "omar", "maya").when(begins("omar")).then(ChallengeIssued)
    story.when(proves("omar")).then(Verified, ApprovalRequested, does=[AskApprovers])
    story.when(begins("sam")).then(ChallengeIssued).when(approves("sam")).then(Approved)
    story.when(begins("nina")).then(ChallengeIssued).given(managers={"maya": "eve"})
    story.when(approves("nina")).refused(no.NotAnApprover, "their manager")


def test_the_silence_of_the_manager_is_no_consent() -> None:
    story = opened(LOST, "ravi", "maya").when(begins("ravi")).then(ChallengeIssued)
    story.when(proves("ravi")).then(Verified, ApprovalRequested, does=[AskApprovers])
    story.at(days=1).when(Tick()).then(Expired, does=[Tell, Announce])


# -- objecting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "who", ["maya", "omar", "vera", "sam", "nina"], ids=["subject", "manager", "security", "an admin", "two"]
)
@pytest.mark.parametrize("hours", [0, 23, 25], ids=["at once", "late", "before the clock looked"])
def test_whoever_was_told_can_object_until_the_change_is_ordered(who: str, hours: int) -> None:
    story = waiting().at(hours=hours)
    story.when(Object(who)).then(Objected(who), does=[Tell, Announce, Write]).stands(Stage.DENIED)
    assert Announce("security", "objected") in story.owed
    story.at(**OVER).when(Tick()).refused(no.AlreadyClosed)


def test_whoever_agreed_can_take_it_back_and_so_can_a_manager_who_asked() -> None:
    waiting("omar", "sam").when(Object("sam")).then(Objected, does=[Tell, Announce, Write])
    waiting("omar", "sam").when(Object("omar")).then(Objected, does=[Tell, Announce, Write])
    moved = waiting().given(managers={"maya": "nina"})
    moved.when(Object("omar")).then(Objected, does=[Tell, Announce, Write])


@pytest.mark.parametrize("who", ["ravi", "eve"])
def test_nobody_else_can(who: str) -> None:
    waiting().when(Object(who)).refused(no.NotYoursToObject).stands(Stage.AWAITING_OBJECTION)


def test_stopping_takes_no_proof_and_a_freeze_stops_nobody_from_it() -> None:
    waiting().given(frozen=["maya", "vera"]).when(Object("maya")).then(Objected, does=[Tell, Announce, Write])
    waiting().given(left=["vera"]).when(Object("vera")).refused(no.InactivePerson)


def test_it_can_be_cancelled_disowned_and_stopped_as_before() -> None:
    waiting().at(hours=25).when(Cancel("ravi")).then(Cancelled, does=[Tell, Announce])
    story = waiting().when(Disown("maya")).then(Disowned, does=[Tell, Announce, StopOthers, Write, Write])
    story.stands(Stage.DISOWNED)
    waiting().when(Stop("maya")).then(Stopped, does=[Tell, Announce])
    waiting().when(Deny("omar")).refused(no.OutOfTurn)


def test_before_and_after_the_wait_there_is_nothing_to_object_to() -> None:
    opened(LOST, "ravi", "maya").when(Object("maya")).refused(no.OutOfTurn)
    waiting().at(**OVER).when(Tick()).then(FulfilmentOrdered, does=[CarryOut]).when(Object("maya")).refused(
        no.OutOfTurn
    )


# -- hurrying ---------------------------------------------------------------------------------


def test_one_more_of_security_buys_the_rest_of_the_wait() -> None:
    hurried(waiting()).stands(Stage.AWAITING_FULFILMENT, due_at=None)


@pytest.mark.parametrize("who", ["maya", "ravi", "omar", "sam", "eve"])
def test_nobody_else_buys_it(who: str) -> None:
    story = waiting().when(begins(who)).refused(no.NotYoursToHurry)
    story.when(Approve(who, Wrong.PASSKEY)).refused(no.NotYoursToHurry)


@pytest.mark.parametrize("acted", ["requester", "approver"])
def test_whoever_acted_before_buys_nothing(acted: str) -> None:
    both = {"sam": replace(PEOPLE["sam"], roles=frozenset({"administrator", "security"}))}
    story = waiting("sam", "omar") if acted == "requester" else waiting("omar", "sam")
    story.given(people=both).when(begins("sam")).refused(no.NotYoursToHurry)


@pytest.mark.parametrize(
    "worth",
    [
        {"privileged": True},
        {"roles": frozenset({"administrator"})},
        {"roles": frozenset({"security"})},
    ],
    ids=str,
)
def test_for_the_privileged_the_wait_is_never_shortened(worth: dict[str, Any]) -> None:
    story = waiting().given(people={"maya": replace(PEOPLE["maya"], **worth)})
    story.when(begins("vera")).refused(no.NeverHurried)
    story.when(Approve("vera", Wrong.PASSKEY)).refused(no.NeverHurried)
    story.at(**OVER).when(Tick()).then(FulfilmentOrdered, does=[CarryOut])


def test_it_takes_a_passkey_on_a_device_that_isnt_new() -> None:
    waiting().when(begins("vera", CODE)).refused(no.ProofTooWeak)
    story = waiting().when(begins("vera")).then(ChallengeIssued)
    story.when(approves("vera", assurance=Assurance.MULTI_FACTOR)).refused(no.ProofTooWeak)
    story.when(Approve("vera", Wrong.PASSKEY)).then(ChallengeFailed).stands(Stage.AWAITING_OBJECTION)
    young = {"vera": MORNING + timedelta(hours=1)}
    waiting().given(young=young).when(begins("vera")).refused(no.DeviceTooYoung)
    waiting().given(frozen=["vera"]).when(begins("vera")).refused(no.Frozen)


def test_it_buys_nothing_where_the_manager_does_not_agree_any_more() -> None:
    story = waiting().when(begins("vera")).then(ChallengeIssued).given(managers={"maya": "nina"})
    story.when(approves("vera")).refused(no.ConsentLapsed)


def test_it_is_too_late_when_the_wait_is_over() -> None:
    waiting().at(**OVER).when(begins("vera")).refused(no.TooLate)


def test_whom_nobody_knows_is_nobody_to_hurry_for() -> None:
    waiting().given(unknown=["maya"]).when(begins("vera")).refused(no.UnknownPerson)


# -- when the wait is over ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"left": ["maya"]},
        {"left": ["ravi"]},
        {"left": ["omar"]},
        {"unknown": ["maya"]},
        {"managers": {"maya": "nina"}},
        {"frozen": ["maya"]},
        {"frozen": ["ravi"]},
        {"frozen": ["omar"]},
        {"playbook": replace(LOST, objection=None)},
    ],
    ids=lambda change: ",".join(f"{key} {getattr(value, 'name', value)}" for key, value in change.items()),
)
def test_what_it_rested_on_has_to_stand_when_the_wait_is_over(change: Any) -> None:
    waiting().given(**change).at(**OVER).when(Tick()).then(Expired, does=[Tell, Announce])


def test_a_manager_who_asked_and_moved_on_meanwhile_speaks_for_nobody() -> None:
    story = waiting("omar", "sam").given(managers={"maya": "nina"}).at(**OVER)
    story.when(Tick()).then(Expired, does=[Tell, Announce])


def test_after_a_long_outage_the_proof_holds_no_more() -> None:
    waiting().at(days=6).when(Tick()).then(Expired, does=[Tell, Announce])


def test_whoever_moved_to_another_time_zone_has_four_working_hours_there() -> None:
    """Agreed on Friday at 14:00 UTC, which was late in the evening in Tokyo: there the working hours are Monday's."""
    friday = datetime(2026, 3, 6, 14, tzinfo=UTC)
    saturday = friday + timedelta(days=1)
    for zone, what in (("America/New_York", [FulfilmentOrdered]), ("Asia/Tokyo", [])):
        story = waiting()
        agreed = tuple(
            replace(each, at=friday, until=friday + timedelta(days=5)) for each in story.it.approvals
        )
        proved = replace(story.it.verification or agreed[0], until=saturday + timedelta(days=2))
        story.given(approvals=agreed, verification=proved, due_at=saturday)
        story.given(people={"maya": replace(PEOPLE["maya"], timezone=zone)})
        story.now = saturday
        story.when(Tick()).then(*what, does=[CarryOut] if what else [])
    story.when(Object("maya")).then(Objected, does=[Tell, Announce, Write])


STEP = timedelta(minutes=15)
HOURS = st.integers(0, 15 * 366 * 24 * 4).map(
    lambda quarters: datetime(2020, 1, 1, tzinfo=UTC) + quarters * STEP
)
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Stockholm",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
    ]
)


def works(at: datetime, zone: str) -> bool:
    there = at.astimezone(ZoneInfo(zone))
    return there.weekday() < 5 and 9 <= there.hour < 17


@given(start=HOURS, zone=ZONES, hours=st.integers(1, 20))
def test_working_time_is_what_counting_quarters_of_an_hour_says(
    start: datetime, zone: str, hours: int
) -> None:
    at, left = start, timedelta(hours=hours)
    while left:
        left -= STEP if works(at, zone) else timedelta(0)
        at += STEP
    assert after_working_time(start, timedelta(hours=hours), zone) == at


@given(start=HOURS, later=st.timedeltas(timedelta(0), timedelta(days=9)), zone=ZONES)
def test_a_wait_is_never_shorter_than_it_says_and_never_ends_earlier_for_having_begun_later(
    start: datetime, later: timedelta, zone: str
) -> None:
    ends = ends_at(start, timedelta(days=1), zone)
    assert ends.tzinfo is UTC
    assert timedelta(days=1) <= ends - start <= ObjectionRule().longest
    assert ends_at(start + later, timedelta(days=1), zone) >= ends


def test_a_weekend_and_a_clock_change_in_between_take_nobodys_time() -> None:
    friday = datetime(2026, 3, 27, 15, tzinfo=UTC)  # 16:00 in Stockholm; the clocks change on Sunday
    monday = datetime(2026, 3, 30, 10, tzinfo=UTC)  # 12:00 there: one hour on Friday, three on Monday
    assert ends_at(friday, timedelta(days=1), "Europe/Stockholm") == monday
    assert ends_at(friday, timedelta(days=4), "Europe/Stockholm") == friday + timedelta(days=4)
    nowhere = ends_at(MORNING, timedelta(hours=4), "Middle-earth/Shire")
    assert nowhere == ends_at(MORNING, timedelta(hours=4), "") == MORNING + timedelta(hours=4)


# -- rules that may not be --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"wait": timedelta(hours=4, seconds=-1)}, "at least 4 hours"),
        ({"hurried_by": ("manager",)}, "never by the manager again"),
    ],
)
def test_a_rule_gives_time_and_never_the_manager_twice(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ObjectionRule(**wrong)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"consent": ()}, "after the manager's consent"),
        ({"consent": agreed_by(1, ("role:administrator",))}, "after the manager's consent"),
        ({"assurance": Assurance.MULTI_FACTOR, "tier": 2}, "confirms with a passkey"),
        ({"secret": SecretKind.CHOSEN_PASSWORD, "prover": "subject"}, "nothing can wait"),
        ({"proof_lasts": timedelta(days=4, minutes=59)}, "time to agree and to object"),
    ],
)
def test_a_playbook_that_others_can_object_to_has_what_that_takes(wrong: dict[str, Any], why: str) -> None:
    wrong = {**wrong, **({"prover": LOST.prover.SUBJECT} if "prover" in wrong else {})}
    with pytest.raises(ValueError, match=why):
        replace(LOST, **wrong)
    assert a_playbook("anything").objection is None


# -- authority ----------------------------------------------------------------------------------


def proof(asked: Request, who: str, why: str, **changed: Any) -> Evidence:
    """It holds for as long as the longest wait."""
    return evidence(asked, who, why, **{"until": MORNING + timedelta(days=5), **changed})


def allowed(
    asked: Request,
    *proofs: Evidence,
    hours: float = 24,
    maya: Person = PEOPLE["maya"],
    by: str = "omar nina sam",
    hurriers: str = "vera",
) -> bool:
    named = dict.fromkeys(LOST.selectors, frozenset(by.split())) | {
        "role:security": frozenset(hurriers.split())
    }
    now = MORNING + timedelta(hours=hours)
    try:
        authorise(asked, LOST, proofs, named, now, {}, maya)
    except no.NotAuthorised:
        return False
    return True


def test_authority_comes_with_the_end_of_the_wait_or_with_one_more_proof() -> None:
    asked = waiting().it
    both = (proof(asked, "ravi", "prove"), proof(asked, "omar", "approve"))
    assert allowed(asked, *both)
    assert not allowed(asked, *both, hours=23.9)
    late = proof(asked, "omar", "approve", at=MORNING + timedelta(hours=1))
    assert not allowed(asked, both[0], late), "the wait begins with the newest consent"
    more = proof(asked, "vera", "hurry")
    assert allowed(asked, *both, more, hours=1)
    assert not allowed(asked, *both, more, hours=1, hurriers="sam"), "whoever left the group buys nothing"
    assert not allowed(asked, *both, replace(more, purpose="approve"), hours=1)
    assert not allowed(asked, *both, replace(more, assurance=Assurance.MULTI_FACTOR), hours=1)
    for person in ("ravi", "maya", "omar"):
        again = proof(asked, person, "hurry")
        assert not allowed(asked, *both, again, hours=1, hurriers="ravi maya omar")


def test_authority_never_comes_early_for_the_privileged() -> None:
    asked = waiting().it
    proofs = [proof(asked, *what) for what in (("ravi", "prove"), ("omar", "approve"), ("vera", "hurry"))]
    for maya in (
        replace(PEOPLE["maya"], privileged=True),
        replace(PEOPLE["maya"], roles=frozenset({"administrator"})),
    ):
        assert not allowed(asked, *proofs, hours=1, maya=maya)
        assert allowed(asked, *proofs, maya=maya)


def test_authority_takes_the_managers_passkey_and_somebody_else_to_be_looked_up() -> None:
    asked = waiting("omar", "sam").it
    both = (proof(asked, "omar", "prove"), proof(asked, "sam", "approve"))
    assert allowed(asked, *both)
    assert not allowed(asked, *both, maya=replace(PEOPLE["maya"], manager="nina"))
    assert not allowed(asked, *both, maya=PEOPLE["eve"])
    with pytest.raises(no.NotAuthorised, match="looked up"):
        authorise(
            asked, LOST, both, {"role:administrator": frozenset({"sam"})}, MORNING + timedelta(days=1), {}
        )
    others = waiting().it
    without = (proof(others, "ravi", "prove"), proof(others, "sam", "approve"))
    assert not allowed(others, *without), "an administrator isn't the manager"


def test_four_working_hours_count_for_authority_too() -> None:
    asked = waiting().it
    friday = datetime(2026, 3, 6, 16, tzinfo=UTC)
    proofs = [proof(asked, "ravi", "prove"), proof(asked, "omar", "approve", at=friday)]
    proofs = [replace(each, until=friday + timedelta(days=5)) for each in proofs]
    monday = datetime(2026, 3, 9, 12, tzinfo=UTC)
    hours = (monday - MORNING) / timedelta(hours=1)
    assert allowed(asked, *proofs, hours=hours)
    assert not allowed(asked, *proofs, hours=hours - 0.1)


# -- what is changed ----------------------------------------------------------------------------


def test_every_device_goes_every_open_link_with_it_and_a_new_link_comes_in_one_change() -> None:
    phone, laptop = (Device(id, "maya", id, "c" * 64, MORNING) for id in ("phone", "laptop"))
    gone = replace(laptop, id="tablet", revoked_at=MORNING)
    keys = [
        Authenticator(f"{d.id}'s", "maya", d.id, Method.PASSKEY, b"", 0, MORNING) for d in (phone, laptop)
    ]
    before = Registration("maya", (phone, laptop, gone), tuple(keys))
    later = MORNING + timedelta(hours=1)
    links = [
        Invitation("open", "maya", "CS-00002", later, False),
        Invitation("used", "maya", "CS-00003", later, False, used_at=MORNING),
        Invitation("over", "maya", "CS-00004", MORNING, False),
    ]
    made = Invitation("new", "maya", "CS-00001", later, False)
    change = registering.re_enrol(before, links, made, MORNING)
    assert change.events == (
        DeviceRevoked("maya", "phone", "CS-00001"),
        DeviceRevoked("maya", "laptop", "CS-00001"),
        InvitationWithdrawn("maya", "open", "CS-00001"),
        InvitationIssued("maya", "new", "CS-00001", later),
    )
    assert {key.id for key in change.authenticators} == {"phone's", "laptop's"}
    assert all(each.revoked_at == MORNING for each in (*change.devices, *change.authenticators))
    withdrawn, new = change.invitations
    assert new == made
    with pytest.raises(no.LinkExpired):
        registering.open_invitation(before, withdrawn, "b" * 64, MORNING)


def test_who_never_had_a_device_is_enrolled_with_a_first_link() -> None:
    """What it binds waits as any first device does; and it binds nothing to whoever has one by then."""
    made = Invitation("new", "maya", "CS-00001", MORNING + timedelta(days=1), False)
    change = registering.re_enrol(Registration("maya"), [], made, MORNING)
    (link,) = change.invitations
    assert link == replace(made, first=True)
    joined = Registration("maya", (Device("phone", "maya", "Phone", "c" * 64, MORNING),))
    with pytest.raises(no.HadADevice):
        registering.open_invitation(joined, link, "b" * 64, MORNING)
