"""Teams' drawer: the same words and verbs as Slack's, valid cards, none too large, and no markup of people's."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from bot.adaptive import LARGEST, filled, form, home, message, personal, reply, weight
from bot.cards import Card, Form, Home, Reply
from tests.bot.drawings import LINK, SLACK, TEAMS, Look, drawings, written
from tests.bot.test_block_kit import _CARD, _FORM, _HOME, _REPLY

_SCHEMA = json.loads((files("adaptive_cards") / "schemas" / "schema-1.5.json").read_text("utf-8"))
_VALID = Draft7Validator(_SCHEMA)
#: What one of the two says beside the other, and why.
SLACKS_OWN = (
    "Are you sure?",  # Slack's dialog before a dangerous press has a title
    "Leave it as it is",  # and a way out; in Teams what opened is closed again
    "Cancel",  # closes Slack's window; Teams' has a cross
)
TEAMS_OWN = (
    "This needs an answer.",  # said by the client; Slack says its own words
    "There is no such ticket.",  # Slack draws a form's errors itself
    "Choose one.",
    "•",
)
EVERY = [(file, name) for file, drawn in drawings(TEAMS).items() for name in drawn]


def objects(thing: Any) -> Iterator[dict[str, Any]]:
    """Every object in a drawing."""
    if isinstance(thing, dict):
        yield thing
        for value in thing.values():
            yield from objects(value)
    elif isinstance(thing, list):
        for each in thing:
            yield from objects(each)


def words(drawn: Mapping[str, Any], look: Look) -> set[str]:
    """Every word that people read."""
    names = ("text", "title", "label", "errorMessage", "placeholder")
    shown = [each.get(name) for each in objects(drawn[look.parts]) for name in names]
    said = [text for text in shown if isinstance(text, str)]
    said += [
        drawn[name]["text"] for name in ("title", "submit", "close") if isinstance(drawn.get(name), dict)
    ]
    said += [each["title"] for each in drawn.get("actions", ())]
    return set(html.unescape(" ".join(said)).split())


def pressed(drawn: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Every verb with its handle, every link with its address."""
    found = set()
    for each in objects(drawn):
        match each.get("type"):
            case "button":
                found.add((each["action_id"].partition(":")[0], each.get("url") or each["value"]))
            case "modal":
                found.add((each["callback_id"], each["private_metadata"]))
            case "Action.OpenUrl":
                found.add(("open", each["url"]))
            case "Action.Submit":
                found.add((each["data"]["verb"], each["data"]["handle"]))
            case "Action.Execute":
                found.add((each["verb"], each["data"]["handle"]))
                assert each["fallback"]["data"] == each["data"]
    return found


@pytest.mark.parametrize("file", drawings(TEAMS))
def test_cards_look_as_they_are_kept(file: str) -> None:
    kept = (TEAMS.folder / f"{file}.json").read_text(encoding="utf-8")
    assert kept == written(drawings(TEAMS)[file], TEAMS), (
        "look at it, then: python -m tests.bot.drawings --write"
    )


@pytest.mark.parametrize(("file", "name"), EVERY)
def test_both_chats_say_the_same_words_and_offer_the_same_verbs(file: str, name: str) -> None:
    slack, teams = drawings(SLACK)[file][name], drawings(TEAMS)[file][name]
    here, there = words(slack, SLACK), words(teams, TEAMS)
    if file == "forms":
        there |= words({**teams, "body": []}, TEAMS) | set(
            slack["title"]["text"].split()
        )  # the dialog's own title
    assert here - there <= set(" ".join(SLACKS_OWN).split())
    assert there - here <= set(" ".join(TEAMS_OWN).split())
    assert pressed(slack) == pressed(teams)


def accepted(drawn: Mapping[str, Any]) -> None:
    """What Microsoft's schema and Teams itself take."""
    sent = json.loads(json.dumps(drawn))
    error = next(iter(_VALID.iter_errors(sent)), None)
    assert error is None, error
    assert weight(drawn) <= LARGEST
    json.dumps(drawn, ensure_ascii=False).encode("utf-8")
    assert not any(each.get("type") == "TextBlock" for each in objects(sent)), "Teams reads it as markdown"
    for each in objects(sent):
        if each.get("type") == "ActionSet":
            assert 1 <= len(each["actions"]) <= 6


@pytest.mark.parametrize(("file", "name"), EVERY)
def test_every_view_is_a_card_that_teams_takes(file: str, name: str) -> None:
    accepted(drawings(TEAMS)[file][name])


@given(_CARD, st.sampled_from(["", "v1." + "h" * 200]), st.sampled_from(["", LINK]))
def test_any_card_is_one_that_teams_takes(about: Card, handle: str, link: str) -> None:
    accepted(message(about, handle, link))


@given(_CARD, st.lists(st.text("0123456789abcdef:", min_size=1, max_size=400), max_size=80))
def test_any_card_that_some_see_as_their_own_is_one_that_teams_takes(about: Card, users: list[str]) -> None:
    drawn = personal(message(about, "", ""), "v1." + "h" * 200, users)
    accepted(drawn)
    assert (
        drawn.get("refresh", {}).get("userIds", [])
        == users[: len(drawn.get("refresh", {}).get("userIds", []))]
    )


@given(_REPLY)
def test_any_reply_is_a_card_that_teams_takes(said: Reply) -> None:
    accepted(reply(said))


@settings(max_examples=300)
@given(_FORM)
def test_any_form_is_a_card_that_teams_takes(asked: Form) -> None:
    accepted(form(asked))


@given(_HOME)
def test_any_page_is_a_card_that_teams_takes(page: Home) -> None:
    accepted(home(page))


HOSTILE = (
    "**bold** [a link](https://evil.example) <at>Omar</at> {{DATE(2026-01-01T00:00:00Z)}} ${x} # x \u202egnp"
)


def test_what_people_write_is_shown_as_it_is_written() -> None:
    drawn = reply(Reply("Which of these do you mean?", quoted=HOSTILE))
    shown = [each["text"] for each in objects(drawn) if each.get("type") == "TextRun"]
    assert HOSTILE.replace("\u202e", " ").replace("  ", " ") in shown


def test_a_room_is_never_shown_the_number_nor_a_button() -> None:
    for drawn in drawings(TEAMS)["reset-room"].values():
        assert "482 913" not in json.dumps(drawn)
        assert pressed(drawn) == set()


def test_a_dangerous_button_says_first_what_it_will_do() -> None:
    (show,) = [e for e in objects(drawings(TEAMS)["replies"]["help"]) if e.get("type") == "Action.ShowCard"]
    assert "Close every open request of yours? Security is told." in json.dumps(show["card"])
    assert pressed(show["card"]) == {("disown", "v1.disown")}


def test_what_opens_a_dialog_asks_for_one() -> None:
    asks = [e for e in objects(drawings(TEAMS)["replies"]["ambiguous"]) if e.get("type") == "Action.Submit"]
    (dialog,) = [each["data"] for each in asks if each["data"]["verb"] == "ask_form"]
    assert dialog["msteams"] == {"type": "task/fetch"}


def test_what_was_filled_in_comes_back_by_name() -> None:
    sent = {"verb": "send_form", "handle": "v1.x", "msteams": {"type": "task/submit"}, "at": "home"}
    assert filled({**sent, "ticket": "FIN-88", "until": ""}) == {"ticket": "FIN-88"}
    assert filled({**sent, "ticket": ["FIN-88"]}) == {}


@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.lists(st.text())))
def test_anything_can_come_back(value: dict[str, Any]) -> None:
    assert all(isinstance(text, str) and text for text in filled(value).values())
