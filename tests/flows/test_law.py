"""The law holds for everything decide can say, and the words, orders and numbers beside it are whole."""

from __future__ import annotations

import base64
import inspect
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import get_args

import pytest

from flows import errors
from flows.authority import Evidence, authorise
from flows.commands import Approve, Command, Deny, Prove, ReportRejected, Stop, Tick
from flows.consequence import react
from flows.errors import NotAuthorised, Refusal, SelfApproval
from flows.events import Event, Observed, Opened
from flows.law import TRANSITIONS
from flows.model import (
    LIMITS,
    ApprovalRule,
    Assurance,
    Challenge,
    Facts,
    Field,
    Method,
    Mode,
    Party,
    Phase,
    Playbook,
    Request,
    SecretKind,
    Stage,
    Wrong,
)
from flows.proving import PASSKEY_CHALLENGE
from flows.request import decide
from flows.state import evolve
from tests.flows.stories import (
    ACCESS,
    AGREED,
    CHOSEN,
    CODE,
    ENROLMENT,
    IN_TURN,
    LOST,
    MORNING,
    PASSKEY,
    RESET,
    UNLOCK,
    WATCHED,
    Story,
    a_playbook,
    a_request,
    asks,
    begins,
    collectable,
    every_command,
    evidence,
    handed_over,
    opened,
    proved,
    questioned,
)

EVENTS = set(get_args(Event))
REFUSALS = sorted(
    (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Refusal)),
    key=lambda kind: kind.__name__,
)

# -- the table ------------------------------------------------------------------------------


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    assert {event for _, event in TRANSITIONS} == EVENTS


def test_every_stage_is_reached_and_every_open_one_is_left_for_good() -> None:
    reached: set[Stage | None] = {None}
    ends = {stage for stage in Stage if stage.closed}
    for _ in Stage:
        reached |= {to for (come_from, _), to in TRANSITIONS.items() if come_from in reached}
        ends |= {come_from for (come_from, _), to in TRANSITIONS.items() if to in ends and come_from}
    assert reached == {None, *Stage}
    assert ends == set(Stage)


def test_a_closed_stage_has_no_row() -> None:
    assert not [row for row in TRANSITIONS if row[0] is not None and row[0].closed]
    assert {stage for stage in Stage if not stage.closed} == {stage for stage, _ in TRANSITIONS} - {None}


def test_only_opening_begins_a_request_and_it_begins_once() -> None:
    assert [event for stage, event in TRANSITIONS if stage is None] == [Opened, Observed]
    assert [stage for stage, event in TRANSITIONS if event in (Opened, Observed)] == [None, None]


def test_decide_says_all_that_the_law_knows_and_nothing_else() -> None:
    """every way through nine playbooks, right and wrong, in time and too late: each row is used, none is missing."""
    used: set[tuple[Stage | None, type]] = set()
    subject = "maya"
    for playbook in (UNLOCK, RESET, CHOSEN, AGREED, ACCESS, IN_TURN, ENROLMENT, LOST, WATCHED):
        requester = {ENROLMENT.name: "nina", LOST.name: "ravi"}.get(playbook.name, subject)
        seen: set[object] = set()
        todo: deque[Story] = deque([a_request(playbook)])
        while todo:
            story = todo.popleft()
            for then in _next(story, requester, subject):
                used |= _rows(story, then)
                if (shape := _shape(then.request)) not in seen:
                    seen.add(shape)
                    todo.append(then)
    assert used == set(TRANSITIONS)


def _next(story: Story, requester: str, subject: str) -> list[Story]:
    """The story as it goes on after each thing that could happen now."""
    tried: list[Command] = []
    if story.request is None:
        tried.append(asks(requester, subject)(story))
    else:
        others = ("omar", "vera", subject) if story.playbook in (LOST, IN_TURN) else ("omar", "sam", "ravi")
        for actor in (requester, *others):
            tried += [begins(actor, PASSKEY), begins(actor, CODE), *every_command(story, actor)]
        # One kind of wrong answer each says as much as all of them, and leaves fewer ways to walk.
        tried = [command for command in tried if getattr(command, "answer", None) is not Wrong.CODE]
        tried += [Prove(requester, Wrong.NUMBER), Approve("omar", Wrong.PASSKEY)]
        tried += [Approve("vera", Wrong.PASSKEY)]
    found = []
    much_later = timedelta(days=10)  # when no proof holds any more
    ticks = [(timedelta(0), Tick()), (much_later, Tick())]
    for late, command in [*((None, command) for command in tried), *ticks]:
        after = Story(story.playbook or RESET)
        after.now, after.request = story.now, story.request
        if late is not None and after.request is not None and after.request.due_at is not None:
            after.now = after.request.due_at + late
        try:
            after.happened = decide(after.request, command, after.facts(command))
        except Refusal:
            continue
        for event in after.happened:
            after.request = evolve(after.request, event, after.now)
            react(after.request, event, after.now)
        found.append(after)
    return found


def _rows(before: Story, after: Story) -> set[tuple[Stage | None, type]]:
    rows, state = set(), before.request
    for event in after.happened:
        rows.add((state.stage if state else None, type(event)))
        state = evolve(state, event, after.now)
    return rows


def _shape(request: Request | None) -> object:
    """What decide can tell apart."""
    if request is None:
        return None
    asked = frozenset((c.person, c.method) for c in request.challenges)
    consents = frozenset(a.person for a in request.approvals)
    return request.stage, frozenset(request.failures.items()), asked, consents


# -- unknown means no -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "story",
    [opened(), proved(ACCESS), proved(), collectable(), handed_over()],
    ids=lambda story: story.it.stage.value,
)
def test_whoever_knows_nothing_allows_nothing(story: Story) -> None:
    unknown = Facts(now=MORNING)
    for actor in ("maya", "omar", "ravi"):
        for command in every_command(story, actor):
            if isinstance(command, Tick | Stop | ReportRejected):  # neither gives anybody anything
                continue
            with pytest.raises(Refusal):
                decide(story.it, command, unknown)


def test_facts_that_were_not_found_out_are_none_or_empty() -> None:
    unknown = Facts(now=MORNING)
    assert not any(getattr(unknown, field.name) for field in fields(Facts) if field.name != "now")


@pytest.mark.parametrize("missing", ["playbook", "requester", "subject", "methods", "ruling"])
def test_opening_takes_every_fact(missing: str) -> None:
    story = a_request()
    facts = story.facts(asks("maya")(story))
    empty = getattr(Facts(now=MORNING), missing)
    with pytest.raises(Refusal):
        decide(None, asks("maya")(story), replace(facts, **{missing: empty}))


def test_without_approvers_nobody_consents_and_nobody_denies() -> None:
    story = proved(ACCESS)
    for command in (begins("omar"), Approve("omar", Wrong.PASSKEY), Deny("omar")):
        with pytest.raises(errors.NotAnApprover):
            decide(story.it, command, replace(story.facts(command), selected={}))


# -- refusals -------------------------------------------------------------------------------

#: These leave their reader nothing to do: the next move is somebody else's, or the particular detail follows.
COMPLETE = {"MissingAnswer", "UnreadableAnswer"}


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_a_refusal_says_what_happened_and_what_to_do(kind: type[Refusal]) -> None:
    sentence = kind().sentence
    assert "__doc__" in vars(kind), "a refusal has a sentence of its own"
    assert vars(kind)["__doc__"], "a refusal has a sentence of its own"
    assert re.fullmatch(r"[A-Z`].*[.]", sentence), sentence
    assert "  " not in sentence
    assert "\n" not in sentence
    assert len(sentence) <= 160, "a person reads it on a phone"
    sentences = re.findall(r"[^.:]+[.:](?= |$)", sentence)
    assert len(sentences) >= 2 or kind.__name__ in COMPLETE, "it says what happened but not what to do"


def test_a_refusal_ends_with_its_detail() -> None:
    assert SelfApproval("Ask Nina.").sentence.endswith("Someone else has to. Ask Nina.")
    assert SelfApproval().kind == "SelfApproval"
    assert errors.MissingAnswer("It is: Why?", "why").field == "why"


# -- orders and numbers ---------------------------------------------------------------------


def test_assurance_is_ordered_and_not_by_the_alphabet() -> None:
    order = [
        Assurance.NONE,
        Assurance.SINGLE_FACTOR,
        Assurance.MULTI_FACTOR,
        Assurance.PHISHING_RESISTANT,
    ]
    assert list(Assurance) == order
    assert max(Assurance, key=lambda assurance: assurance.rank) is Assurance.PHISHING_RESISTANT
    for low, weak in enumerate(order):
        for high, strong in enumerate(order):
            assert (weak < strong) is (low < high)
            assert (weak <= strong) is (low <= high)
            assert (weak > strong) is (low > high)
            assert (weak >= strong) is (low >= high)
    assert not any((Assurance.NONE <= "z", Assurance.NONE > "a", Assurance.NONE >= "a"))
    assert Assurance.NONE.__lt__("z") is NotImplemented


def test_each_method_gives_at_most_what_security_allows_it() -> None:
    assert {method: method.assurance for method in Method} == {
        Method.PASSKEY: Assurance.PHISHING_RESISTANT,
        Method.CODE: Assurance.MULTI_FACTOR,
    }


def test_the_limits_are_those_that_are_published() -> None:
    assert dict(LIMITS) == {Wrong.NUMBER: 3, Wrong.CODE: 5, Wrong.PASSKEY: 5}
    assert timedelta(minutes=2) == PASSKEY_CHALLENGE


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"tier": 4}, "a tier is"),
        ({"tier": -1}, "a tier is"),
        ({"tier": 0, "assurance": Assurance.NONE}, "tier 0 needs"),
        ({"tier": 1, "assurance": Assurance.SINGLE_FACTOR}, "tier 1 needs"),
        ({"tier": 2, "assurance": Assurance.SINGLE_FACTOR}, "tier 2 needs"),
        ({"tier": 3, "assurance": Assurance.MULTI_FACTOR}, "tier 3 needs"),
        ({"prove_within": timedelta(minutes=10, seconds=1)}, "at most 10 minutes"),
        ({"prove_within": timedelta(0)}, "at most 10 minutes"),
        ({"secret": SecretKind.CHOSEN_PASSWORD, "prover": Party.REQUESTER}, "whose account it opens"),
        ({"device_bound": True}, "only a passkey stays on one device"),
        ({"protects": True, "modes": (Phase("everyone", Mode.OBSERVE),)}, "no other way"),
        ({"connector": "countersign", "modes": (Phase("role:approver", Mode.OBSERVE),)}, "no other way"),
    ],
)
def test_a_playbook_that_may_not_be_cannot_be_made(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        a_playbook("anything", **wrong)


def test_what_people_write_themselves_is_committed_to_and_never_copied() -> None:
    free, picked = Field("note", "A note"), Field("group", "Which?", choices=("a", "b"))
    assert free.committed
    assert not picked.committed
    assert not Field("device", "Which?", reference=True).committed
    assert replace(picked, personal=True).committed


def test_an_approval_rule_asks_somebody_for_something() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ApprovalRule(0, ("manager",))
    with pytest.raises(ValueError, match="names who may"):
        ApprovalRule(1, ())


# -- authority, step by step ----------------------------------------------------------------


def authorised(
    request: Request,
    playbook: Playbook,
    *proofs: Evidence,
    by: str = "omar nina sam",
    young: Mapping[str, Sequence[tuple[datetime, datetime]]] = MappingProxyType({}),
    named: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    everywhere = dict.fromkeys(playbook.selectors, by) | dict(named)
    selected = {selector: frozenset(people.split()) for selector, people in everywhere.items()}
    try:
        authorise(request, playbook, proofs, selected, MORNING + timedelta(minutes=30), young)
    except NotAuthorised:
        return False
    return True


def test_the_evidence_of_the_person_the_playbook_names_carries_a_change() -> None:
    request = opened(RESET, "omar", "maya").it
    assert authorised(request, RESET, evidence(request, "maya"))
    assert not authorised(request, RESET)
    assert not authorised(request, RESET, evidence(request, "omar"))
    enrolment = opened(ENROLMENT, "nina", "maya").it
    consent = evidence(enrolment, "sam", "approve")
    assert authorised(enrolment, ENROLMENT, evidence(enrolment, "nina"), consent)
    assert not authorised(enrolment, ENROLMENT, evidence(enrolment, "maya"), consent)


@pytest.mark.parametrize(("flags", "carries"), [(0x05, True), (0x0D, False), (0x1D, False)])
def test_a_playbook_that_wants_one_device_believes_what_its_passkey_signed(flags: int, carries: bool) -> None:
    bound = replace(RESET, assurance=Assurance.PHISHING_RESISTANT, device_bound=True)
    request = opened(bound).given(bound=["maya"]).it
    data = base64.urlsafe_b64encode(bytes(32) + bytes([flags]) + bytes(4)).decode().rstrip("=")
    proof = evidence(request, "maya", signed={"authenticator_data": data})
    assert authorised(request, bound, proof) is carries
    assert authorised(request, RESET, proof), "where nothing of the kind is demanded"
    assert not authorised(request, bound, evidence(request, "maya")), "nothing was signed"
    assert not authorised(request, bound, replace(proof, assurance=Assurance.MULTI_FACTOR))


def test_what_a_new_device_proved_carries_nothing_of_tier_2_and_3() -> None:
    enrolment = opened(ENROLMENT, "nina", "maya").it
    proofs = (evidence(enrolment, "nina"), evidence(enrolment, "sam", "approve"))
    later, now = MORNING + timedelta(seconds=1), MORNING
    for person in ("nina", "sam"):
        assert not authorised(enrolment, ENROLMENT, *proofs, young={person: [(MORNING, later)]})
        assert authorised(enrolment, ENROLMENT, *proofs, young={person: [(MORNING - timedelta(days=3), now)]})
    reset = opened(RESET, "omar", "maya").it
    assert authorised(reset, RESET, evidence(reset, "maya"), young={"maya": [(MORNING, later)]}), "tier 1"


@pytest.mark.parametrize(
    "changed",
    [
        {"request": "CS-00002"},
        {"digest": "0" * 64},
        {"purpose": "sign_in"},
        {"purpose": "approve"},
        {"person": "eve"},
        {"assurance": Assurance.SINGLE_FACTOR},
        {"at": MORNING + timedelta(minutes=31)},
        {"until": MORNING + timedelta(minutes=30)},
    ],
    ids=str,
)
def test_evidence_that_is_off_by_anything_carries_nothing(changed: dict[str, object]) -> None:
    request = opened().it
    assert not authorised(request, RESET, evidence(request, "maya", **changed))


@pytest.mark.parametrize(
    "changed", [{"name": "other"}, {"version": 2}, {"hash": "1" * 64}, {"connector": "x"}, {"verb": "x"}]
)
def test_a_playbook_that_is_not_the_pinned_one_carries_nothing(changed: dict[str, object]) -> None:
    request = opened().it
    assert not authorised(request, replace(RESET, **changed), evidence(request, "maya"))  # type: ignore[arg-type]


def test_a_prover_swapped_in_the_row_carries_nothing() -> None:
    request = replace(opened().it, prover="eve")
    assert not authorised(request, RESET, evidence(request, "eve"), evidence(request, "maya"))


def test_consents_are_counted_by_person_entitled_now_and_never_of_those_concerned() -> None:
    request = opened(ACCESS).it
    proof = evidence(request, "maya")
    omar, nina = evidence(request, "omar", "approve"), evidence(request, "nina", "approve")
    assert authorised(request, ACCESS, proof, omar, nina)
    assert not authorised(request, ACCESS, omar, nina)
    assert not authorised(request, ACCESS, proof, omar)
    assert not authorised(request, ACCESS, proof, omar, replace(omar, nonce="another"))
    assert not authorised(request, ACCESS, proof, omar, nina, by="omar sam")
    assert not authorised(request, ACCESS, proof, omar, evidence(request, "maya", "approve"), by="omar maya")
    weak = replace(nina, assurance=Assurance.MULTI_FACTOR)
    assert not authorised(request, ACCESS, proof, omar, weak)
    assert not authorised(request, ACCESS, proof, omar, replace(nina, digest="0" * 64))


def test_a_challenge_is_found_by_person_and_method() -> None:
    request = questioned().it
    assert isinstance(request.challenge("maya", PASSKEY), Challenge)
    assert request.challenge("maya", CODE) is None
    assert request.challenge("omar", PASSKEY) is None
    assert request.key == "CS-00001:carry_out"
