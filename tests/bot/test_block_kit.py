"""What Slack shows: each view keeps its looks, stays within Slack's limits, and lets nobody's words be markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.block_kit import filled, home, message, modal, reply
from bot.cards import (
    MOST_FACTS,
    Button,
    Card,
    Choice,
    Fact,
    Form,
    Home,
    HomeLine,
    Input,
    Moment,
    Reply,
    Status,
    Verb,
    Weight,
)
from demo.workspace.blocks import checked, checked_view
from demo.workspace.elements import find, first_state, held
from flows.model import Stage
from tests.bot.drawings import HANDLE, LINK, NUMBER, SLACK, card, drawings, stages, written
from tests.bot.people import ACCESS, EVE, MAYA, NOW, OMAR, RAVI, RESET, a_request
from tests.peers import slack_types

S = Stage
Json = dict[str, Any]
EVERY_FILE = pytest.mark.parametrize("file", drawings())


def objects(thing: object) -> Iterator[Json]:
    """Every object in a drawing, itself included."""
    if isinstance(thing, dict):
        yield thing
        for value in thing.values():
            yield from objects(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from objects(value)


def of_type(drawn: object, *types: str) -> list[Json]:
    return [each for each in objects(drawn) if each.get("type") in types]


def texts(drawn: object) -> str:
    return "\n".join(each["text"] for each in objects(drawn) if isinstance(each.get("text"), str))


def pressed(drawn: object) -> list[str]:
    return [button["action_id"] for button in of_type(drawn, "button")]


# -- looks ------------------------------------------------------------------------------------


@EVERY_FILE
def test_every_view_is_drawn_as_it_was_judged(file: str) -> None:
    kept = (SLACK.folder / f"{file}.json").read_text(encoding="utf-8")
    assert kept == written(drawings()[file]), "look at it, then: python -m tests.bot.drawings --write"


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in SLACK.folder.iterdir()} == set(drawings())


@pytest.mark.parametrize("playbook", [RESET, ACCESS], ids=lambda playbook: playbook.name)
@pytest.mark.parametrize("viewer", [MAYA, OMAR, RAVI, EVE])
def test_nothing_jumps_from_stage_to_stage(playbook: Any, viewer: str) -> None:
    always = [
        "rich_text",
        "section",
        "section",
        "context",
    ]  # title and stage, facts, note, the quiet last line
    for drawn in stages(playbook, viewer).values():
        kinds = [block["type"] for block in drawn["blocks"]]
        number, buttons = kinds.count("header"), kinds.count("actions")
        assert number <= 1
        assert buttons <= 1
        places = [
            always[0],
            *["header", "context"] * number,
            *always[1:3],
            *["actions"] * buttons,
            always[3],
        ]
        assert kinds == places


def test_a_card_says_what_for_whom_who_is_next_and_until_when() -> None:
    drawn = message(card(ACCESS, S.AWAITING_APPROVAL, OMAR), HANDLE, LINK)
    title, stage = (texts(part) for part in drawn["blocks"][0]["elements"])
    assert title.split("\n") == ["◇ Needs you", "  ", "Group access for Maya Lindqvist", "  ", "CS-M4T9X"]
    assert stage == "Waiting for you or Nina: approve or deny · 47 hours left, until Sun 15:01"
    assert drawn["text"].startswith("◇ Approve group access? · Waiting for you or Nina")
    assert drawn["text"].endswith("CS-M4T9X")


def test_the_number_stands_alone_and_large_where_it_was_asked() -> None:
    drawn = message(card(RESET, S.AWAITING_PROOF, MAYA), HANDLE, LINK)
    assert [block["text"]["text"] for block in of_type(drawn, "header")] == ["482 913"]
    assert not re.search(r"482.?913", drawn["text"]), "a notification may be read on a locked screen"
    assert NUMBER not in texts(stages(RESET, MAYA)[S.AWAITING_FULFILMENT.value])


def test_a_room_has_nothing_to_press_and_no_number() -> None:
    told = replace(card(RESET, S.AWAITING_PROOF, MAYA), number="482 913")
    drawn = message(told, "", "")
    assert of_type(drawn, "button", "header") == []
    assert "482" not in texts(drawn)
    mover = message(told, "", LINK)
    assert [each["url"] for each in of_type(mover, "button")] == [LINK], "its way to the device page"
    assert "482" not in texts(mover)


def test_what_only_the_device_page_can_do_is_one_link_to_it() -> None:
    both = card(RESET, S.AWAITING_PROOF, MAYA)
    both = replace(both, buttons=(Button("A passkey", Verb.BEGIN_PASSKEY), *both.buttons[1:]))
    both = replace(both, buttons=(Button("A code", Verb.ANSWER_CODE, Weight.PRIMARY), *both.buttons))
    drawn = of_type(message(both, HANDLE, LINK), "button")
    assert [button["action_id"] for button in drawn] == ["open", "cancel", "disown"]
    assert drawn[0]["url"] == LINK
    assert drawn[0]["style"] == "primary"
    assert "value" not in drawn[0]
    assert {button["value"] for button in drawn[1:]} == {HANDLE}


def test_dangerous_buttons_come_last_and_ask_first_and_one_of_them_is_red() -> None:
    cancel, disown = of_type(message(card(RESET, S.AWAITING_PROOF, MAYA), HANDLE, LINK), "button")[1:]
    assert "style" not in cancel
    assert disown["style"] == "danger"
    assert "Nothing is changed" in disown["confirm"]["text"]["text"]
    assert "closes at once" in cancel["confirm"]["text"]["text"]


def test_in_the_security_room_the_severity_leads() -> None:
    alarm = drawings()["notices-security"]["alarm"]
    assert alarm["blocks"][0]["type"] == "header"
    assert texts(alarm["blocks"][0]) == "▲ Danger · Somebody may be after the account of Maya Lindqvist"
    assert "▲ " in alarm["text"]


@EVERY_FILE
def test_there_is_one_shape_a_line_and_no_emoji(file: str) -> None:
    for text in (each["text"] for each in objects(drawings()[file]) if isinstance(each.get("text"), str)):
        assert all(sum(c in "○◐●◇■▲" for c in line) <= 1 for line in text.split("\n"))
        assert not re.search(r":[a-z_]+:|[\U0001F000-\U0001FFFF]", text)


def test_buttons_that_ask_for_the_same_are_told_apart() -> None:
    drawn = drawings()["replies"]["ambiguous"]
    assert pressed(drawn) == ["ask:1", "ask:2", "ask_form", "list"]
    ids = pressed(drawings()["homes"]["busy"])
    assert len(ids) == len(set(ids))
    assert {"open:1", "open:2", "open:3", "ask:1", "deny", "cancel", "disown", "ask_again"} <= set(ids)


def test_nobody_is_shown_more_than_a_hundred_buttons() -> None:
    many = tuple(Choice(f"{i}", Verb.PICK, f"h{i}") for i in range(140))
    assert pressed(reply(Reply("Which?", choices=many))) == [f"pick:{i}" for i in range(1, 101)]
    assert len(pressed(home(Home("Hello", offers=many)))) == 100


def test_a_line_of_the_home_tab_carries_its_own_handle() -> None:
    values = {b["action_id"]: b.get("value") for b in of_type(drawings()["homes"]["busy"], "button")}
    assert values["deny"] == "v1.awaiting_approval"
    assert values["disown"] == "v1.awaiting_proof"


def test_a_long_list_says_how_many_more_there_are() -> None:
    many = (HomeLine(card(ACCESS, S.AWAITING_APPROVAL, OMAR), HANDLE),) * 40
    drawn = home(Home("Hello", many, many, many, links=(Choice("Open", Verb.OPEN, url=LINK),)))
    assert len(drawn["blocks"]) <= 50
    assert "And 34 more, on your device page." in texts(drawn)


def test_an_empty_list_says_what_will_stand_there() -> None:
    assert len(re.findall("stands? here", texts(drawings()["homes"]["new"]))) == 3


def test_whoever_is_nobody_here_yet_is_told_what_to_do_and_nothing_else() -> None:
    stranger = drawings()["homes"]["stranger"]
    assert [block["type"] for block in stranger["blocks"]] == ["header", "section", "actions"]
    assert "Open the link on your registered device" in texts(stranger)


# -- forms ------------------------------------------------------------------------------------


def test_a_form_keeps_what_was_typed_and_leaves_errors_to_slack() -> None:
    drawn = drawings()["forms"]["after an error"]
    group, until, ticket, why = of_type(drawn, "input")
    assert (group["element"]["type"], group["optional"]) == ("static_select", False)
    assert until["element"]["initial_option"]["value"] == "for 30 days"
    assert (ticket["element"]["initial_value"], ticket["optional"]) == ("FIN-88 & 89", True)
    assert ticket["hint"]["text"] == "If there is one."
    assert (ticket["element"]["multiline"], why["element"]["multiline"]) == (False, True)
    assert why["block_id"] == "justification"
    assert {each["element"]["action_id"] for each in (group, until, ticket, why)} == {"value"}
    assert "no such ticket" not in texts(drawn)
    assert (drawn["callback_id"], drawn["private_metadata"]) == ("send_form", HANDLE)


def test_what_was_typed_is_kept_as_far_as_the_field_takes_it() -> None:
    typed = Input("why", "Why?", max_length=10, value="\ud800 two  blanks, & more")
    (block,) = of_type(modal(Form("Access", HANDLE, (typed,))), "input")
    assert block["element"]["initial_value"] == " two  blan"


def test_more_choices_than_slack_shows_in_one_list_are_all_there() -> None:
    choices = tuple((f"g{i}", f"group {i}") for i in range(250))
    (block,) = of_type(modal(Form("Access", HANDLE, (Input("group", "Group", choices=choices),))), "input")
    groups = block["element"]["option_groups"]
    assert [option["value"] for group in groups for option in group["options"]] == [v for v, _ in choices]
    assert [len(group["options"]) for group in groups] == [100, 100, 50]


def test_a_choice_with_a_long_name_can_be_told_from_its_neighbour() -> None:
    names = [
        f"Everything the finance department keeps in its shared folders of {year}, figures too"
        for year in (2025, 2026)
    ]
    (block,) = of_type(
        modal(Form("Access", HANDLE, (Input("g", "G", choices=tuple((n, n) for n in names)),))), "input"
    )
    shown = [texts(option) for option in block["element"]["options"]]
    assert len(set(shown)) == 2
    assert [" ".join(text.split("\n")) for text in shown] == names


def test_what_is_sent_comes_back_by_name() -> None:
    view = checked_view(drawings()["forms"]["empty"], ("modal",))
    values = first_state(view["blocks"])
    for name, answer in (("group", "payroll"), ("justification", "A <b> & c\nd")):
        _, element = find(view["blocks"], name, "value")
        values[name]["value"] = held(element, answer)
    assert filled({"state": {"values": values}}) == {"group": "payroll", "justification": "A <b> & c\nd"}


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"state": None},
        {"state": {"values": [{"group": 1}]}},
        {"state": {"values": {"group": None}}},
        {"state": {"values": {"group": {"other": {"value": "x"}}}}},
        {"state": {"values": {"group": {"value": {"value": ["x"]}}}}},
        {"state": {"values": {"group": {"value": {"selected_option": "x"}}}}},
        {"state": {"values": {"group": {"value": {"selected_option": {"value": 7}}}}}},
        {"state": {"values": {7: {"value": {"value": "x"}}}}},
        {"state": {"values": {"why": {"value": {"value": "fine"}}, "group": {"value": 3}}}},
    ],
)
def test_a_view_that_was_tampered_with_holds_nothing(view: Any) -> None:
    assert filled(view) == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["state", "values", "value"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["state", "values", "value", "selected_option", "x"]), inner)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_no_view_whatever_makes_reading_it_fail(view: Any) -> None:
    found = filled(view)
    assert all(isinstance(name, str) and isinstance(text, str) for name, text in found.items())


def test_half_a_character_from_json_can_be_written_down() -> None:
    values = json.loads('{"why": {"value": {"type": "plain_text_input", "value": "a\\ud800b"}}}')
    assert filled({"state": {"values": values}})["why"].encode() == b"ab"


# -- people's words ---------------------------------------------------------------------------

HOSTILE = "<!channel> <@U0MAYA> & *all* `x` <https://evil.example|desk.example.com> :tada: \u202eevil\u200b"


def test_what_somebody_wrote_calls_nobody_and_links_nowhere() -> None:
    said = reply(Reply("Is it this?", quoted=HOSTILE, choices=(Choice(HOSTILE, Verb.ASK, "h"),)))
    about = replace(card(ACCESS, S.AWAITING_APPROVAL, OMAR), heading=HOSTILE, title=HOSTILE, note=HOSTILE)
    about = replace(about, facts=(Fact("Why", HOSTILE),))
    for drawn in (said, message(about, HANDLE, LINK), message(about, "", LINK)):
        assert of_type(drawn, "mrkdwn", "link", "user", "broadcast", "channel") == []
        assert all(each["emoji"] is False for each in of_type(drawn, "plain_text"))
        assert not re.search(r"[\u202e\u200b]", json.dumps(drawn, ensure_ascii=False))
        read = [drawn["text"], *(each["text"] for each in of_type(drawn, "plain_text"))]
        assert all("<" not in text and not re.search("&(?!amp;|lt;|gt;)", text) for text in read)


def test_words_that_mean_nothing_to_slack_are_shown_as_they_are() -> None:
    quoted = reply(Reply("Is it this?", quoted="R&D says <b>"))["blocks"][0]
    assert texts(quoted["elements"][1]) == "R&D says <b>"


# -- limits -----------------------------------------------------------------------------------

_TEXT = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["&" * 700, "🗝️" * 1600, "word " * 700, "\u200b", "\ud800", "a\nb\n\nc", HOSTILE * 3]
)
_ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
_MOMENT = st.builds(Moment, st.just(NOW), _TEXT, _TEXT, _TEXT)
_STATUS, _VERB = st.sampled_from(Status), st.sampled_from(Verb)
_CHOICE = st.builds(Choice, _TEXT, _VERB, _ASCII, st.sampled_from(Weight), _TEXT, st.just("") | st.just(LINK))


@st.composite
def _buttons(draw: st.DrawFn) -> tuple[Button, ...]:
    first = draw(st.lists(st.builds(Button, _TEXT, _VERB, st.just(Weight.PRIMARY), _TEXT), max_size=1))
    plain = draw(st.lists(st.builds(Button, _TEXT, _VERB, st.just(Weight.PLAIN), _TEXT), max_size=2))
    confirm = _TEXT.filter(bool)
    danger = draw(st.lists(st.builds(Button, _TEXT, _VERB, st.just(Weight.DANGER), confirm), max_size=2))
    return (*first, *plain, *danger)


_CARD = st.builds(
    Card,
    status=_STATUS,
    word=_TEXT,
    heading=_TEXT,
    title=_TEXT,
    name=_TEXT,
    stage=_TEXT,
    wait=_TEXT,
    until=st.none() | _MOMENT,
    facts=st.lists(st.builds(Fact, _TEXT, _TEXT, _TEXT), max_size=MOST_FACTS).map(tuple),
    note=_TEXT,
    number=st.sampled_from(["", "482 913"]),
    buttons=_buttons(),
    small=_TEXT,
    over=st.booleans(),
)
_REPLY = st.builds(
    Reply,
    _TEXT,
    _TEXT,
    st.lists(_TEXT, max_size=40).map(tuple),
    _TEXT,
    st.lists(_CHOICE, max_size=4).map(tuple) | _CHOICE.map(lambda choice: (choice,) * 101),
    _TEXT,
    _STATUS,
)


@st.composite
def _inputs(draw: st.DrawFn) -> tuple[Input, ...]:
    pairs = st.lists(st.tuples(_ASCII, _TEXT), max_size=4, unique_by=lambda pair: pair[0]).map(tuple)
    field = st.builds(
        Input,
        name=_ASCII,
        label=_TEXT,
        help=_TEXT,
        required=st.booleans(),
        max_length=st.integers(1, 5000),
        choices=pairs,
        value=_TEXT | _ASCII,
        error=_TEXT,
    )
    return tuple(draw(st.lists(field, max_size=4, unique_by=lambda each: each.name)))


_FORM = st.builds(Form, _TEXT, _ASCII, _inputs(), _VERB, _TEXT, _TEXT)
_LINES = st.builds(lambda line, times: (line,) * times, st.builds(HomeLine, _CARD, _ASCII), st.integers(0, 2))
_CHOICES = st.lists(_CHOICE, max_size=3).map(tuple)
_HOME = st.builds(Home, _TEXT, _LINES, _LINES, _LINES, _CHOICES, _CHOICES, _TEXT)

_MOST = {"header": 150, "button": 75, "title": 24, "submit": 24, "close": 24}


def accepted(drawn: Mapping[str, Any]) -> None:
    """What Slack's own models and our workspace say, and that the whole can be sent."""
    if "text" in drawn:
        assert drawn["text"].strip()
        for block in drawn["blocks"]:
            parsed = Block.parse(json.loads(json.dumps(block)))
            assert parsed is not None
            parsed.validate_json()
            assert parsed.to_dict() == block
        checked(drawn["blocks"], "message")
    else:
        assert View(**json.loads(json.dumps(drawn))).to_dict() == drawn
        checked_view(drawn, ("modal", "home"))
    for each in of_type(drawn, "plain_text"):
        assert 1 <= len(each["text"]) <= 3000
    for each in of_type(drawn, "header", "button"):
        assert len(each["text"]["text"]) <= _MOST[each["type"]]
    for option in (option for each in objects(drawn) for option in each.get("options") or ()):
        assert len(option["text"]["text"]) <= 75
    assert len(drawn["blocks"]) <= 50
    json.dumps(drawn, ensure_ascii=False).encode("utf-8")


@given(_CARD, _ASCII | st.just(""), st.just("") | st.just(LINK))
def test_any_card_is_a_message_that_slack_takes(about: Card, handle: str, link: str) -> None:
    accepted(message(about, handle, link))


@given(_REPLY)
def test_any_reply_is_a_message_that_slack_takes(said: Reply) -> None:
    accepted(reply(said))


@given(_FORM)
def test_any_form_is_a_view_that_slack_takes(form: Form) -> None:
    accepted(modal(form))


@given(_HOME)
def test_any_home_is_a_view_that_slack_takes(page: Home) -> None:
    accepted(home(page))


@EVERY_FILE
def test_every_view_is_one_that_slack_takes(file: str) -> None:
    for drawn in drawings()[file].values():
        accepted(drawn)


def test_a_text_that_is_too_long_ends_in_an_ellipsis_and_breaks_no_character() -> None:
    long = replace(card(ACCESS, S.AWAITING_APPROVAL, OMAR), note="Tom & Jerry " * 400)
    (note,) = [
        b["text"]["text"]
        for b in message(long, HANDLE, LINK)["blocks"]
        if b["type"] == "section" and "text" in b
    ]
    assert 2900 < len(note) <= 3000
    assert note.endswith("…")
    assert not re.search(r"&(?!amp;)", note)


def test_characters_that_count_twice_in_slack_count_twice_here() -> None:
    (button,) = of_type(reply(Reply("Which?", choices=(Choice("🗝" * 75, Verb.ASK, "h"),))), "button")
    assert button["text"]["text"] == "🗝" * 37 + "…"


def test_a_handle_is_never_cut() -> None:
    with pytest.raises(SlackObjectFormationError, match="value"):
        message(card(RESET, S.AWAITING_PROOF, MAYA), "h" * 2001, LINK)
    with pytest.raises(SlackObjectFormationError, match="private_metadata"):
        modal(Form("Access", "h" * 3001, ()))


def test_the_stories_here_are_told_of_real_requests() -> None:
    assert {a_request(RESET, stage).stage for stage in Stage} == set(Stage)


@pytest.mark.slack_types
def test_slacks_own_types_take_every_view() -> None:
    drawn = [each for file in drawings().values() for each in file.values()]
    blocks = [block for each in drawn if "text" in each for block in each["blocks"]]
    assert slack_types.complaints("KnownBlock", blocks) == []
    assert slack_types.complaints("View", [each for each in drawn if "text" not in each]) == []
    assert slack_types.complaints("KnownBlock", [{"type": "header", "text": "not an object"}]) != []
