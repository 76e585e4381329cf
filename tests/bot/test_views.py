"""Whatever stage a request is in and whoever looks: a card answers what, who is next, until when, and what then."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bot.cards import MOST_FACTS, Button, Card, Status, Verb, Weight
from bot.facts import device_lines, home_lines, question
from bot.reading import Beside, Reading, plain
from bot.terminal import draw
from bot.times import ago, left, moment, spell
from bot.views import NOTICES, form, mark, request_card
from bot.words import LAPSED
from flows.consequence import react
from flows.effects import Announce, Remind, Tell
from flows.events import Event, Fulfilled, SecretLapsed
from flows.model import Cause, Method, Mode, Origin, Playbook, Stage
from flows.registration import Authenticator, Device, Registration
from flows.state import evolve
from tests.bot.people import (
    ACCESS,
    CHOSEN,
    EVE,
    LOST,
    MAYA,
    NINA,
    NOW,
    OMAR,
    PEOPLE,
    PHASED,
    RAVI,
    RESET,
    WHY,
    a_request,
    events_of_every_kind,
    looked_up,
    proof,
)
from tests.flows.stories import agreed_by

VIEWERS = [MAYA, OMAR, NINA, RAVI, EVE, ""]
S = Stage


def card(
    playbook: Playbook,
    stage: Stage,
    viewer: str,
    beside: Beside = Beside(),  # noqa: B008  a frozen value
    **request: object,
) -> Card:
    known = replace(beside, selected={**looked_up(playbook), **beside.selected})
    return request_card(a_request(playbook, stage, **request), playbook, PEOPLE, viewer, NOW, known)  # type: ignore[arg-type]


def words(card: Card) -> str:
    parts = [card.word, card.heading, card.title, card.stage, card.wait, card.note, card.small, card.number]
    parts += [f"{fact.label} {fact.text} {fact.detail}" for fact in card.facts]
    parts += [f"{button.label} {button.confirm}" for button in card.buttons]
    return "\n".join(parts)


def verbs(card: Card) -> list[str]:
    return [button.verb.value for button in card.buttons]


# -- every stage, every reader --------------------------------------------------------------------


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("playbook", [RESET, ACCESS], ids=lambda playbook: playbook.name)
@pytest.mark.parametrize("requester", [MAYA, RAVI])
def test_every_card_answers_the_four_questions(
    playbook: Playbook, stage: Stage, viewer: str, requester: str
) -> None:
    seen = card(playbook, stage, viewer, requester=requester)
    assert seen.title == f"{playbook.title} for Maya Lindqvist"
    assert re.fullmatch(r"CS-[0-9A-HJKMNP-TV-Z]{5}", seen.name)
    assert re.match(r"Over: |Done" if stage.closed else r"Waiting for |Countersign is ", seen.stage)
    assert seen.wait
    assert seen.note.endswith((".", "?"))
    assert len(seen.facts) <= MOST_FACTS
    assert [fact.label for fact in seen.facts[:4]] == ["Asked by", "Proof", "Why", "Then"]
    assert all(fact.text for fact in seen.facts)
    assert [b.weight for b in seen.buttons].count(Weight.PRIMARY) <= 1
    assert seen.over is stage.closed


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("playbook", [RESET, ACCESS], ids=lambda playbook: playbook.name)
def test_no_card_shows_an_id_a_secret_or_a_silly_word(playbook: Playbook, stage: Stage, viewer: str) -> None:
    request = a_request(playbook, stage)
    text = words(request_card(request, playbook, PEOPLE, viewer, NOW, Beside(texts=WHY)))
    assert not any(id in text for id in PEOPLE)
    assert not any(hidden in text for hidden in ("0" * 64, "a" * 64, request.origin.account, "U061", "d-1"))
    assert not re.search(
        r"oops|sorry|error|invalid|TOTP|authenticator|None|\{|\}|please", text, re.IGNORECASE
    )
    assert "  " not in text
    assert ".." not in text


def test_whoever_has_the_next_move_is_told_so_and_nobody_else() -> None:
    moves: list[tuple[Playbook, Stage, set[str]]] = [
        (RESET, S.AWAITING_PROOF, {MAYA}),
        (ACCESS, S.AWAITING_APPROVAL, {OMAR, NINA}),
        (RESET, S.AWAITING_FULFILMENT, set()),
        (RESET, S.AWAITING_COLLECTION, {MAYA}),
        (CHOSEN, S.AWAITING_PASSWORD, {MAYA}),
        (RESET, S.AWAITING_OPERATOR, {RAVI}),
    ]
    for playbook, stage, people in moves:
        for viewer in VIEWERS:
            seen = card(playbook, stage, viewer)
            assert (seen.word == "needs you") == (viewer in people), (stage, viewer)
            assert ("Waiting for you" in seen.stage) == (viewer in people), (stage, viewer)


def test_buttons_are_for_whom_they_work() -> None:
    assert verbs(card(RESET, S.AWAITING_PROOF, MAYA)) == ["begin_passkey", "answer_code", "cancel", "disown"]
    assert verbs(card(RESET, S.AWAITING_PROOF, RAVI, requester=RAVI)) == ["cancel", "disown"]
    assert verbs(card(ACCESS, S.AWAITING_APPROVAL, OMAR)) == ["approve", "deny"]
    assert verbs(card(ACCESS, S.AWAITING_APPROVAL, MAYA)) == ["cancel", "disown"]
    assert verbs(card(RESET, S.AWAITING_COLLECTION, MAYA)) == ["show_secret"]
    assert verbs(card(RESET, S.AWAITING_OPERATOR, RAVI)) == ["retry", "give_up"]
    assert verbs(card(RESET, S.AWAITING_OPERATOR, RAVI, requester=RAVI)) == []
    assert verbs(card(RESET, S.EXPIRED, MAYA)) == ["ask_again"]
    for stage in Stage:
        assert verbs(card(RESET, stage, EVE)) == []
        assert verbs(card(ACCESS, stage, "")) == []


def test_whoever_is_told_can_object_and_whoever_may_can_shorten_the_wait() -> None:
    waits, hurries = S.AWAITING_OBJECTION, Beside(selected={"role:security": frozenset({NINA, OMAR, RAVI})})
    lost = partial(card, LOST, waits, requester=RAVI, approved=(OMAR,))
    assert verbs(lost(viewer=MAYA)) == ["object", "disown"]
    assert lost(viewer=MAYA).buttons[0].label == "Object: I didn't lose anything"
    assert verbs(lost(viewer=OMAR, beside=hurries)) == ["object"], "who agreed shortens nothing"
    assert verbs(lost(viewer=RAVI, beside=hurries)) == ["cancel", "disown"]
    assert verbs(lost(viewer=NINA, beside=hurries)) == ["hurry"]
    assert "If you shorten the wait, the change is made at once" in lost(viewer=NINA, beside=hurries).note
    assert "shorten" not in lost(viewer=OMAR, beside=hurries).note
    assert verbs(lost(viewer=EVE, beside=hurries)) == []
    for viewer, asked in ((MAYA, True), (OMAR, True), (RAVI, False), (EVE, False), ("", False)):
        seen = lost(viewer=viewer)
        assert (seen.word == "needs you") is ("Waiting for you" in seen.stage) is asked
    agreed = card(LOST, S.AWAITING_APPROVAL, OMAR, requester=RAVI)
    assert "others have 24 hours to object" in agreed.note
    over = card(LOST, S.DENIED, MAYA, requester=RAVI, approved=(OMAR,))
    assert over.stage == "Over: somebody who was told objected"


@pytest.mark.parametrize("viewer", [MAYA, RAVI])
def test_whoever_is_only_observed_reads_that_nothing_was_changed_and_where_to_turn(viewer: str) -> None:
    seen = card(PHASED, S.OBSERVED, viewer, requester=RAVI)
    assert seen.note.startswith(
        "Nothing was changed, and nobody was asked for anything: Group access isn't switched"
    )
    assert seen.note.endswith("Call the desk on 4444, as before.")
    assert (seen.over, seen.buttons, seen.number) == (True, (), "")
    assert [fact.text for fact in seen.facts if fact.label == "Then"] == ["nobody was asked to agree"]
    assert "only observed" in seen.small
    unsaid = card(ACCESS, S.OBSERVED, viewer, requester=RAVI)
    assert unsaid.note.endswith("yet. Turn to the desk.")


def test_what_is_offered_says_that_the_old_way_still_works() -> None:
    request = replace(a_request(PHASED, S.AWAITING_PROOF, requester=RAVI), mode=Mode.OFFER)
    optional = "This way is optional for now, and the old one still works. Call the desk on 4444, as before."
    for viewer in (MAYA, RAVI):
        assert request_card(request, PHASED, PEOPLE, viewer, NOW).note.endswith(optional)
    for viewer in (OMAR, EVE, ""):
        assert "optional" not in request_card(request, PHASED, PEOPLE, viewer, NOW).note
    assert "optional for now" in request_card(request, PHASED, PEOPLE, "", NOW).small
    required = request_card(replace(request, mode=Mode.REQUIRE), PHASED, PEOPLE, MAYA, NOW)
    assert "optional" not in words(required)


def test_a_stopped_request_is_not_asked_again_with_one_press() -> None:
    for stage in (S.DISOWNED, S.LOCKED, S.DENIED):
        assert verbs(card(ACCESS, stage, MAYA)) == []


def test_a_passkey_is_the_only_way_where_the_change_takes_one() -> None:
    both = Beside(methods=frozenset(Method))
    assert "answer_code" not in verbs(card(ACCESS, S.AWAITING_PROOF, MAYA, both))
    app_only = card(RESET, S.AWAITING_PROOF, MAYA, Beside(methods=frozenset({Method.CODE})))
    assert verbs(app_only)[0] == "answer_code"
    assert app_only.buttons[0].weight is Weight.PRIMARY


def test_a_secret_is_offered_on_the_device_that_gave_the_proof() -> None:
    assert verbs(card(RESET, S.AWAITING_COLLECTION, MAYA, Beside(device="d-1"))) == ["show_secret"]
    elsewhere = card(RESET, S.AWAITING_COLLECTION, MAYA, Beside(device="d-2"))
    assert verbs(elsewhere) == []
    assert "the device that confirmed this" in elsewhere.stage


def test_a_password_is_chosen_on_the_device_that_gave_the_proof() -> None:
    here = card(CHOSEN, S.AWAITING_PASSWORD, MAYA, Beside(device="d-1"))
    assert verbs(here) == ["choose_password", "cancel", "disown"]
    assert here.heading == "Choose your new password"
    elsewhere = card(CHOSEN, S.AWAITING_PASSWORD, MAYA, Beside(device="d-2"))
    assert verbs(elsewhere) == ["cancel", "disown"]
    assert "the device that confirmed this" in elsewhere.stage


def test_a_refused_password_and_one_never_chosen_are_told() -> None:
    refused = replace(a_request(CHOSEN, S.AWAITING_PASSWORD), cause=Cause.POLICY)
    seen = request_card(refused, CHOSEN, PEOPLE, MAYA, NOW, Beside(device="d-1"))
    assert seen.heading == "Choose another password"
    assert "refused that password" in seen.note
    late = replace(a_request(CHOSEN, S.EXPIRED), verification=proof(MAYA, NOW))
    assert request_card(late, CHOSEN, PEOPLE, MAYA, NOW).stage == "Over: you chose no password in time"
    assert card(CHOSEN, S.FULFILLED, MAYA).note == "Sign in with the password you chose."


def test_the_number_stands_only_where_it_was_asked() -> None:
    number = Beside(number="482913")
    assert card(RESET, S.AWAITING_PROOF, RAVI, number, requester=RAVI).number == "482 913"
    assert card(RESET, S.AWAITING_PROOF, MAYA, number, requester=RAVI).number == ""
    assert card(RESET, S.AWAITING_COLLECTION, RAVI, number, requester=RAVI).number == ""


def test_somebody_in_chat_is_never_called_you_as_the_one_who_asked() -> None:
    assert card(RESET, S.AWAITING_PROOF, MAYA).facts[0].text.startswith("Your Slack account, 14:00")
    assert card(RESET, S.AWAITING_PROOF, OMAR).facts[0].text.startswith("Maya Lindqvist, in Slack, 14:00")


def test_a_request_from_a_registered_device_names_that_device() -> None:
    asked = replace(
        a_request(RESET, S.AWAITING_PROOF),
        origin=Origin("device page", "desk.example.com", "d-2", "Work laptop"),
    )
    assert request_card(asked, RESET, PEOPLE, MAYA, NOW).facts[0].text == "You, on Work laptop, 14:00"
    shell = replace(asked, origin=Origin("terminal", "host", "root", "command line"))
    assert (
        request_card(shell, RESET, PEOPLE, OMAR, NOW)
        .facts[0]
        .text.endswith("on the command line (root on host), 14:00")
    )


def test_two_approvals_count_people_in_words() -> None:
    two = replace(ACCESS, consent=agreed_by(2, ("manager", "role:finance_owner")))
    assert card(two, S.AWAITING_APPROVAL, MAYA).stage == "Waiting for Nina and Omar: approve or deny"
    first = card(two, S.AWAITING_APPROVAL, OMAR)
    assert "After you, 1 more person has to agree." in first.note
    agreed = card(two, S.AWAITING_APPROVAL, OMAR, approved=(OMAR,))
    assert agreed.stage == "Waiting for Nina: approve or deny"
    assert agreed.heading == "Group access: you agreed"
    assert agreed.facts[3].text == "you agreed; Nina must agree"
    assert verbs(agreed) == []


def test_many_approvers_are_counted_not_listed() -> None:
    crowd = {f"x-{n}": replace(PEOPLE[NINA], id=f"x-{n}", name=f"Person {n}") for n in range(5)}
    request = a_request(ACCESS, S.AWAITING_APPROVAL)
    everybody = {**PEOPLE, **crowd}
    seen = request_card(request, ACCESS, everybody, MAYA, NOW, Beside(selected=looked_up(ACCESS, everybody)))
    assert seen.stage == "Waiting for 1 of 7 people: approve or deny"


def test_people_who_share_a_first_name_get_their_whole_name() -> None:
    other = replace(PEOPLE[EVE], name="Maya Brandt")
    seen = request_card(a_request(RESET, S.AWAITING_PROOF), RESET, {**PEOPLE, EVE: other}, OMAR, NOW)
    assert seen.stage == "Waiting for Maya Lindqvist: confirm on their registered device"


def test_somebody_the_directory_no_longer_knows_is_not_shown_by_id() -> None:
    gone = {id: person for id, person in PEOPLE.items() if id != MAYA}
    for stage in Stage:
        assert MAYA not in words(request_card(a_request(RESET, stage), RESET, gone, OMAR, NOW))


def test_an_operator_s_reason_is_for_the_operator() -> None:
    assert "didn't answer in time" in card(RESET, S.AWAITING_OPERATOR, RAVI).note
    assert "didn't answer in time" not in words(card(RESET, S.AWAITING_OPERATOR, MAYA))
    assert "managed elsewhere" not in words(card(RESET, S.FAILED, MAYA))


@pytest.mark.parametrize(
    ("cause", "said"),
    [(Cause.RIGHT, "tell the desk"), (Cause.ACCOUNT, "no account"), (Cause.POLICY, "rules")],
)
def test_whoever_asked_is_told_what_they_can_do_after_a_no(cause: Cause, said: str) -> None:
    over = replace(a_request(RESET, S.FAILED), cause=cause)
    note = request_card(over, RESET, PEOPLE, MAYA, NOW).note
    assert said in note
    assert over.reason not in note


def test_a_lapsed_secret_is_told_from_a_seen_one() -> None:
    waiting = a_request(RESET, S.AWAITING_COLLECTION)
    lapsed = evolve(evolve(waiting, SecretLapsed(), NOW), Fulfilled(), NOW)
    assert lapsed.reason == LAPSED
    assert "nobody looked at the temporary password" in request_card(lapsed, RESET, PEOPLE, MAYA, NOW).stage


def test_peoples_own_words_can_hide_and_reorder_nothing() -> None:
    assert plain("pay\u202eroll\u200b\n now\x07") == "pay roll now"
    assert len(plain("x" * 900)) == 500
    sly = Beside(texts={"justification": "ok\u202e [bold]<b>"})
    seen = card(ACCESS, S.AWAITING_APPROVAL, OMAR, sly)
    assert seen.facts[2].text == "ok [bold]<b>"


def test_what_is_confirmed_is_read_from_the_top() -> None:
    lines = question(
        a_request(ACCESS, S.AWAITING_PROOF),
        ACCESS,
        PEOPLE,
        MAYA,
        NOW,
        Beside(texts={**WHY, "ticket": "FIN-204"}),
    )
    assert [line.label for line in lines] == [
        "What",
        "For",
        "Asked by",
        "When",
        "Why",
        "Group",
        "For how long",
        "Ticket or project",
    ]
    assert lines[0].text == "Let Maya Lindqvist read finance-share until next Friday"
    assert lines[3].text == "14:00, 2 minutes ago"


def test_a_page_reloads_only_for_what_it_shows() -> None:
    waiting = a_request(ACCESS, S.AWAITING_APPROVAL)
    assert mark(waiting) == mark(replace(waiting, version=9))
    assert mark(waiting) != mark(a_request(ACCESS, S.AWAITING_APPROVAL, approved=(OMAR,)))


def test_a_form_keeps_what_was_typed_and_says_what_is_wrong() -> None:
    inputs = form(
        ACCESS, {"group": "payroll"}, {"until": "Choose one."}, {"ticket": {"t-1": "Close the books"}}
    )
    assert [i.name for i in inputs] == ["group", "until", "ticket", "justification"]
    assert inputs[0].value == "payroll"
    assert inputs[1].error == "Choose one."
    assert inputs[2].choices == (("t-1", "Close the books"),)


def test_a_card_that_breaks_the_rules_cannot_be_built() -> None:
    seen = card(RESET, S.AWAITING_PROOF, MAYA)
    primary, danger = seen.buttons[0], seen.buttons[-1]
    with pytest.raises(ValueError, match="one primary"):
        replace(seen, buttons=(primary, primary))
    with pytest.raises(ValueError, match="last"):
        replace(seen, buttons=(danger, primary))
    with pytest.raises(ValueError, match="at most"):
        replace(seen, facts=seen.facts * 2)
    with pytest.raises(ValueError, match="before it does"):
        Button("Deny", Verb.DENY, Weight.DANGER)


# -- notices --------------------------------------------------------------------------------------


def test_every_notice_that_the_core_names_has_its_function() -> None:
    named = {"challenge", "ask_approvers"}
    for stage in Stage:
        for event in events_of_every_kind():
            request = a_request(ACCESS, stage, approved=(OMAR,))
            reviewed = request.but({"parameters": {**request.parameters, "review": "90 days"}})
            for effect in react(reviewed, event, NOW):
                if isinstance(effect, Tell | Announce | Remind):
                    named.add(effect.notice)
    assert {type(event) for event in events_of_every_kind()} == set(get_args(Event))
    assert named == set(NOTICES)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("notice", NOTICES)
def test_every_notice_can_be_read_in_80_columns_without_colour(notice: str, stage: Stage) -> None:
    for viewer in (MAYA, ""):
        seen = NOTICES[notice](
            Reading(a_request(ACCESS, stage), ACCESS, PEOPLE, viewer, NOW, Beside(texts=WHY))
        )
        out = io.StringIO()
        Console(file=out, width=80, no_color=True).print(draw(seen))
        lines = out.getvalue().splitlines()
        assert all(len(line) <= 80 for line in lines)
        assert f"{seen.status.shape} {seen.word.capitalize()}" in lines[0]
        assert seen.name in lines[0]


def test_an_alarm_leads_with_severity_and_names_the_next_mover() -> None:
    seen = NOTICES["alarm"](Reading(a_request(RESET, S.DISOWNED), RESET, PEOPLE, "", NOW))
    assert (seen.status, seen.word, seen.buttons) == (Status.DANGER, "danger", ())
    assert seen.stage.startswith("Waiting for security: ")
    assert "Maya Lindqvist" in seen.heading
    origin = a_request(RESET, S.DISOWNED).origin
    for where in (origin.account, origin.workspace, origin.platform, origin.channel):
        assert where in seen.note
    assert "rests until you let them go on" in seen.note
    locked = NOTICES["alarm"](Reading(a_request(RESET, S.LOCKED), RESET, PEOPLE, "", NOW))
    assert "rests" not in locked.note


def test_markup_in_somebody_s_words_stays_text_in_a_terminal() -> None:
    out = io.StringIO()
    seen = card(ACCESS, S.AWAITING_APPROVAL, OMAR, Beside(texts={"justification": "[red]now[/red]"}))
    Console(file=out, width=80, no_color=True).print(draw(seen))
    assert "[red]now[/red]" in out.getvalue()


# -- devices --------------------------------------------------------------------------------------


def test_devices_say_what_they_can_and_when_they_last_did() -> None:
    phone = Device("d-1", MAYA, "Phone", "", NOW - timedelta(days=80))
    laptop = Device("d-2", MAYA, "Laptop", "", NOW - timedelta(days=3))
    key = Authenticator("a-1", MAYA, "d-2", Method.PASSKEY, b"", 0, NOW, used_at=NOW - timedelta(hours=2))
    app = replace(key, id="a-2", method=Method.CODE, used_at=None)
    first, second = device_lines(Registration(MAYA, (phone, laptop), (key, app)), PEOPLE[MAYA], "d-2", NOW)
    assert (first.name, first.here, first.can) == ("Laptop", True, "a passkey and sign-in app codes")
    assert [each.own for each in first.passkeys] == [False], "the app can go on without it"
    assert first.used is not None
    assert first.used.relative == "2 hours ago"
    assert (second.can, second.used, second.only) == ("nothing yet", None, False)


def test_devices_say_which_passkeys_stay_on_them_and_name_them_where_there_are_several() -> None:
    laptop = Device("d-2", MAYA, "Laptop", "", NOW - timedelta(days=3))
    key = Authenticator("a-1", MAYA, "d-2", Method.PASSKEY, b"", 0, NOW, synced=True)
    spare = replace(key, id="a-2", synced=False, name="Spare key", used_at=NOW - timedelta(hours=2))
    (alone,) = device_lines(Registration(MAYA, (laptop,), (key,)), PEOPLE[MAYA], "", NOW)
    assert (alone.can, alone.passkeys) == ("a synced passkey", ()), "the last goes only with the device"
    (bound,) = device_lines(Registration(MAYA, (laptop,), (spare,)), PEOPLE[MAYA], "", NOW)
    assert bound.can == "a passkey on this device only"
    (both,) = device_lines(Registration(MAYA, (laptop,), (key, spare)), PEOPLE[MAYA], "", NOW)
    assert both.can == "2 passkeys"
    assert [(each.name, each.kind) for each in both.passkeys] == [
        ("Laptop", "a synced passkey"),
        ("Spare key", "a passkey on this device only"),
    ]
    assert [each.used.relative if each.used else None for each in both.passkeys] == [None, "2 hours ago"]
    assert home_lines([both], None) == (
        "Laptop: 2 passkeys · last used 2 hours ago",
        "Laptop, Laptop: a synced passkey · never used",
        "Laptop, Spare key: a passkey on this device only · last used 2 hours ago",
        "No recovery codes yet",
    )


# -- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (539, "8 minutes"),
        (3600, "1 hour"),
        (4800, "1 hour 20 minutes"),
        (8 * 3600 + 1800, "8 hours"),
        (47 * 3600, "47 hours"),
        (50 * 3600, "2 days"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: int, text: str) -> None:
    assert spell(timedelta(seconds=seconds)) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=900)))
def test_no_duration_promises_more_than_there_is(span: timedelta) -> None:
    units = {"minute": 60, "hour": 3600, "day": 86400}
    said = sum(
        int(number.replace(",", "")) * units[unit]
        for number, unit in re.findall(r"([\d,]+) (minute|hour|day)", spell(span))
    )
    assert said <= span.total_seconds()
    assert span.total_seconds() - said < 86400


def test_time_that_is_up_is_not_counted_below_nothing() -> None:
    assert left(NOW, NOW) == "time is up"
    assert ago(NOW + timedelta(seconds=3), NOW) == "just now"


def test_the_zone_is_named_when_somebody_s_clock_differs() -> None:
    alone = moment(NOW, NOW, "Europe/Stockholm", ["Europe/Stockholm", "Europe/Paris"])
    assert alone.short == "14:02"
    assert moment(NOW, NOW, "Europe/Stockholm", ["Asia/Kolkata"]).short == "14:02 CET"
    assert moment(NOW, NOW, "America/Sao_Paulo", ["Europe/Paris"]).short == "10:02 UTC−3"  # noqa: RUF001
    assert alone.full == "Friday 27 March 2026, 14:02 (CET, UTC+1)"
    assert moment(NOW, NOW, "Asia/Kathmandu").full.endswith("(UTC+5:45)")


def test_days_are_named_when_they_are_not_today() -> None:
    later = NOW + timedelta(days=3)
    assert moment(later, NOW, "UTC").short == "Mon 13:02"
    assert moment(NOW + timedelta(days=20), NOW, "UTC").short == "16 Apr 13:02"
    assert moment(NOW + timedelta(days=400), NOW, "UTC").short == "1 May 2027 13:02"
    assert moment(datetime(2026, 3, 27, 23, 30, tzinfo=UTC), NOW, "Europe/Stockholm").short == "Sat 00:30"


def test_clocks_put_forward_move_the_hour_and_not_the_length_of_a_wait() -> None:
    before = datetime(2026, 3, 29, 0, 50, tzinfo=UTC)  # 01:50 in Stockholm, ten minutes before the change
    after = before + timedelta(minutes=20)
    seen = moment(after, before, "Europe/Stockholm")
    assert seen.short == "03:10"
    assert seen.relative == "20 minutes left"
    assert "CEST, UTC+2" in seen.full


def test_an_hour_that_comes_twice_is_told_apart() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    again = first + timedelta(hours=1)
    shown = [moment(at, first, "Europe/Stockholm").short for at in (first, again)]
    assert shown == ["02:30 CEST", "02:30 CET"]


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "x\x00y"])
def test_a_zone_nobody_knows_is_utc_and_says_so(name: str) -> None:
    assert moment(NOW, NOW, name).short == "13:02 UTC"
