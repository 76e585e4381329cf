"""A playbook is phased in: for some it only observes, for some it is offered, for the rest it is the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flows.errors as no
from flows.authority import authorise
from flows.consequence import react
from flows.effects import CarryOut, Tell
from flows.events import Event, FulfilmentOrdered, Observed, Opened
from flows.law import TRANSITIONS
from flows.model import Assurance, Method, Mode, Person, Phase, Stage
from flows.phasing import mode_for
from flows.request import decide
from flows.state import evolve
from tests.flows.stories import (
    MORNING,
    PEOPLE,
    RESET,
    TERMINAL,
    WATCHED,
    Story,
    a_playbook,
    a_request,
    asks,
    begins,
    every_command,
    evidence,
    opened,
    proved,
)

MAYA = replace(PEOPLE["maya"], groups=frozenset({"pilot"}), roles=frozenset({"analyst"}))
TOLD = [Tell(("maya",), "closed")]


def phased(*modes: tuple[str, Mode]) -> tuple[Phase, ...]:
    return tuple(Phase(people, mode) for people, mode in modes)


# -- for whom -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "mode"),
    [
        ((), Mode.REQUIRE),
        ((("everyone", Mode.OBSERVE),), Mode.OBSERVE),
        ((("group:pilot", Mode.OFFER), ("everyone", Mode.OBSERVE)), Mode.OFFER),
        ((("everyone", Mode.OBSERVE), ("group:pilot", Mode.OFFER)), Mode.OBSERVE),
        ((("role:analyst", Mode.OFFER),), Mode.OFFER),
        ((("person:maya", Mode.OFFER),), Mode.OFFER),
        ((("group:others", Mode.OBSERVE), ("role:pilot", Mode.OBSERVE)), Mode.REQUIRE),
        ((("person:omar", Mode.OBSERVE), ("group:analyst", Mode.OBSERVE)), Mode.REQUIRE),
        ((("team:pilot", Mode.OBSERVE), ("pilot", Mode.OBSERVE)), Mode.REQUIRE),
    ],
    ids=str,
)
def test_the_first_phase_that_fits_the_subject_counts(
    modes: tuple[tuple[str, Mode], ...], mode: Mode
) -> None:
    assert mode_for(replace(RESET, modes=phased(*modes)), MAYA) is mode


def test_what_counts_is_whom_it_is_about_and_not_who_asks() -> None:
    pilot = replace(RESET, modes=phased(("group:pilot", Mode.OBSERVE)))
    a_request(pilot).given(people={"maya": MAYA}).when(asks("omar", "maya")).then(
        Observed, does=[Tell(("omar",), "closed")]
    )
    people = {"omar": replace(PEOPLE["omar"], groups=frozenset({"pilot"}))}
    story = a_request(pilot).given(people=people).when(asks("omar", "maya"))
    story.then(Opened, does=story.owed)


# -- observe --------------------------------------------------------------------------------


def test_whoever_is_observed_is_asked_for_nothing_and_it_says_what_would_have_been() -> None:
    story = a_request(WATCHED).when(asks("maya", why="old"))
    would = Observed(
        id="CS-00001",
        playbook="disable",
        playbook_version=1,
        playbook_hash=WATCHED.hash,
        connector="directory",
        verb="disable",
        requester="maya",
        subject="maya",
        prover="maya",
        origin=TERMINAL,
        parameters={"why": "old"},
        commitments={},
        assurance=Assurance.PHISHING_RESISTANT,
        methods=(Method.PASSKEY,),
        quorum=1,
        approvers=("nina", "omar"),
    )
    story.then(would, does=TOLD).stands(Stage.OBSERVED, due_at=None, closed_at=MORNING, mode=Mode.OBSERVE)


@pytest.mark.parametrize("asker", ["maya", "ravi"])
def test_what_would_have_stopped_the_prover_is_recorded_and_told_to_nobody(asker: str) -> None:
    story = a_request(WATCHED).given(methods={"maya": ()}).when(asks(asker, "maya"))
    (event,) = story.happened
    assert isinstance(event, Observed)
    assert (event.hindrance, event.methods) == ("NoRegisteredDevice", ())
    story.then(Observed, does=[Tell((asker,), "closed")])


def test_where_nobody_has_to_agree_nobody_would_have_been_asked() -> None:
    story = a_request(replace(RESET, modes=phased(("everyone", Mode.OBSERVE)))).when(asks("maya"))
    (event,) = story.happened
    assert isinstance(event, Observed)
    assert (event.quorum, event.approvers, event.hindrance) == (0, (), "")
    assert event.methods == (Method.PASSKEY, Method.CODE)
    story.then(Observed, does=TOLD)


def test_observing_opens_no_way_around_who_may_ask() -> None:
    a_request(WATCHED).when(asks("eve", "maya")).refused(no.NotYoursToAsk)
    a_request(WATCHED).given(frozen=["maya"]).when(asks("maya")).refused(no.Frozen)
    a_request(WATCHED).given(left=["maya"]).when(asks("maya")).refused(no.InactivePerson)
    a_request(WATCHED).given(asked_enough="others").when(asks("ravi", "maya")).refused(no.AskedEnough)


# -- never anything more --------------------------------------------------------------------


def observing() -> Story:
    return a_request(WATCHED).when(asks("maya")).then(Observed, does=TOLD)


def test_the_law_leads_from_observing_nowhere_and_to_it_from_nowhere() -> None:
    assert [row for row, to in TRANSITIONS.items() if to is Stage.OBSERVED] == [(None, Observed)]
    assert [row for row in TRANSITIONS if row[0] is Stage.OBSERVED] == []


@pytest.mark.parametrize("actor", ["maya", "omar", "nina", "ravi", "vera"])
def test_nothing_that_anybody_does_goes_on_from_there(actor: str) -> None:
    for command in every_command(observing(), actor):
        with pytest.raises(no.Conflict if type(command).__name__ == "Submit" else no.AlreadyClosed):
            decide(observing().it, command, observing().facts(command))


@given(
    modes=st.lists(
        st.builds(
            Phase,
            st.sampled_from(["everyone", "person:maya", "group:pilot", "role:analyst", "group:none"]),
            st.sampled_from(Mode),
        ),
        max_size=4,
    ),
    groups=st.frozensets(st.sampled_from(["pilot", "none"])),
    roles=st.frozensets(st.sampled_from(["analyst", "approver"])),
    requester=st.sampled_from(["maya", "omar", "ravi"]),
    later=st.integers(0, 10),
)
def test_no_observed_request_ever_owes_a_change(
    modes: list[Phase], groups: frozenset[str], roles: frozenset[str], requester: str, later: int
) -> None:
    """Whatever the phases are and whoever asks, and whatever is tried on what comes of it, now and days later."""
    maya: Person = replace(PEOPLE["maya"], groups=groups, roles=roles)
    playbook = replace(WATCHED, modes=tuple(modes))
    story = a_request(playbook).given(people={"maya": maya}).when(asks(requester, "maya"))
    observed = mode_for(playbook, maya) is Mode.OBSERVE
    assert [type(event) for event in story.happened] == [Observed if observed else Opened]
    assert story.it.mode is mode_for(playbook, maya)
    assert story.it.stage is (Stage.OBSERVED if observed else Stage.AWAITING_PROOF)
    if not observed:
        return
    assert not any(isinstance(effect, CarryOut) for effect in story.owed)
    story.at(days=later)
    for actor in PEOPLE:
        for command in every_command(story, actor):
            with pytest.raises(no.Refusal):
                decide(story.it, command, story.facts(command))


@pytest.mark.parametrize(
    "event", [FulfilmentOrdered("CS-00001:carry_out"), *opened(WATCHED, "omar", "eve").happened], ids=str
)
def test_an_event_that_was_put_behind_it_leads_nowhere(event: Event) -> None:
    with pytest.raises(LookupError):
        evolve(observing().it, event, MORNING)


def test_evidence_carries_no_change_that_was_only_observed() -> None:
    plain = replace(WATCHED, modes=())
    asked = proved(plain).it
    proofs = [evidence(asked, "maya"), evidence(asked, "omar", "approve")]
    now, people = MORNING + timedelta(minutes=30), dict.fromkeys(plain.selectors, frozenset({"omar", "nina"}))
    authorise(asked, plain, proofs, people, now, {})
    with pytest.raises(no.NotAuthorised, match="only observes"):
        authorise(replace(asked, mode=Mode.OBSERVE), plain, proofs, people, now, {})


# -- offer and require ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.OFFER, Mode.REQUIRE])
def test_offered_and_required_are_the_same_way_and_the_log_tells_them_apart(mode: Mode) -> None:
    story = proved(a_playbook("unlock", tier=0, modes=phased(("everyone", mode))))
    assert story.it.mode is mode
    assert story.it.stage is Stage.AWAITING_FULFILMENT


def test_a_request_keeps_the_mode_that_it_was_opened_in() -> None:
    offered = replace(RESET, modes=phased(("group:pilot", Mode.OFFER)))
    story = a_request(offered).given(people={"maya": MAYA}).when(asks("maya"))
    story.then(*story.happened, does=story.owed)
    gone = {"maya": replace(MAYA, groups=frozenset())}
    story.given(people=gone, playbook=replace(offered, modes=phased(("everyone", Mode.OBSERVE))))
    story.when(begins("maya"))
    assert [type(event).__name__ for event in story.happened] == ["ChallengeIssued"]
    assert story.it.mode is Mode.OFFER


def test_what_was_opened_before_there_were_modes_is_required() -> None:
    story = opened()
    (event,) = story.happened
    assert isinstance(event, Opened)
    assert event.mode is Mode.REQUIRE
    assert not any(isinstance(effect, CarryOut) for effect in react(story.it, event, MORNING))
