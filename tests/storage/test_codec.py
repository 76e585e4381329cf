"""Values of the core become JSON and come back the same, and nothing else comes back at all."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.effects import Effect
from flows.events import Event
from flows.model import Request
from storage import codec
from tests.flows.stories import ACCESS, Story, collectable, considered, handed_over, proved

# -- canonical JSON -------------------------------------------------------------------------

#: Keys are names of fields and roles of ours; the two encoders sort alike only for characters below U+10000.
KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=12)
#: Whatever people can type: control characters, line separators, astral and right-to-left letters; no half of one.
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_canonical_json_is_that_of_rfc_8785(value: dict[str, Any]) -> None:
    assert codec.canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "code", [*range(0x20), 0x22, 0x2F, 0x5C, 0x7F, 0x80, 0x2028, 0x2029, 0xFEFF, 0x1F600]
)
def test_each_awkward_character_is_written_as_rfc_8785_says(code: int) -> None:
    value = {"text": f"a{chr(code)}b", f"k{chr(code & 0x7F)}": 0}
    assert codec.canonical(value) == rfc8785.dumps(value)


def test_half_a_character_is_refused_by_both() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        codec.canonical({"text": "\ud800"})
    with pytest.raises(rfc8785.CanonicalizationError):
        rfc8785.dumps({"text": "\ud800"})


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_canonical_json_says_what_it_was_given(value: dict[str, Any]) -> None:
    assert json.loads(codec.canonical(value)) == value


# -- there and back -------------------------------------------------------------------------

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
WORDS = st.dictionaries(KEYS, NAMES, max_size=3)
st.register_type_strategy(datetime, TIMES)

#: There are many kinds, and each has few fields.
FEW = settings(max_examples=max(20, settings.default.max_examples // 5))

EVENTS = [*codec.EVENTS.values()]
EFFECTS = [*codec.EFFECTS.values()]


def values(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a kind, its fields filled by their types."""
    return st.builds(kind, **{name: _of(kind, name) for name in kind.__dataclass_fields__})


def _of(kind: type, name: str) -> st.SearchStrategy[Any]:
    annotation = str(kind.__dataclass_fields__[name].type)  # type: ignore[attr-defined]
    if annotation.startswith("Mapping[str, int]"):
        return st.dictionaries(KEYS, st.integers(0, 50), max_size=3)
    if annotation.startswith("Mapping"):
        return WORDS
    if annotation == "int":
        return st.integers(0, 2**53 - 1)
    if annotation == "int | None":
        return st.none() | st.integers(0, 2**53 - 1)
    if annotation == "str":
        return NAMES
    return st.from_type(get_type_hints(kind)[name])


def test_every_event_and_effect_has_its_name() -> None:
    assert {kind.__name__ for kind in get_args(Event)} <= set(codec.EVENTS)
    assert {kind.__name__ for kind in get_args(Effect)} == set(codec.EFFECTS)
    assert {name for name in codec.EVENTS if codec.is_request_event(name)} == {
        kind.__name__ for kind in get_args(Event)
    }


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@FEW
@given(data=st.data())
def test_an_event_comes_back_from_the_log(kind: type, data: st.DataObject) -> None:
    event = data.draw(values(kind))
    kept = codec.canonical(codec.plain(event))
    assert kept == rfc8785.dumps(codec.plain(event))
    back = codec.event(kind.__name__, json.loads(kept))
    assert type(back) is kind
    assert back == event
    assert codec.canonical(codec.plain(back)) == kept


@pytest.mark.parametrize("kind", EFFECTS, ids=lambda kind: kind.__name__)
@FEW
@given(data=st.data())
def test_an_effect_comes_back_from_the_outbox(kind: type, data: st.DataObject) -> None:
    effect = data.draw(values(kind))
    back = codec.effect(kind.__name__, codec.effect_body(effect))
    assert type(back) is kind
    assert back == effect


@given(values(Request))
def test_a_request_comes_back_from_its_row(request: Request) -> None:
    state = codec.request_state(request)
    assert codec.request(state) == request
    assert codec.request_state(codec.request(state)) == state


@pytest.mark.parametrize(
    "story",
    [collectable(), handed_over(), proved(ACCESS), considered("sam")],
    ids=lambda story: story.it.stage.value,
)
def test_a_request_that_was_lived_through_comes_back(story: Story) -> None:
    assert codec.request(codec.request_state(story.it)) == story.it


# -- what never existed ---------------------------------------------------------------------


def test_an_unknown_name_is_refused() -> None:
    for name in ("Reopened", "Refusal", "opened", "", "Request", "Tell"):
        with pytest.raises(KeyError):
            codec.event(name, {})
        assert not codec.is_request_event(name)
    with pytest.raises(KeyError):
        codec.effect("Opened", "{}")


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=3)
@given(data=st.data())
def test_an_event_with_a_field_missing_is_refused(kind: type, data: st.DataObject) -> None:
    kept = json.loads(codec.canonical(codec.plain(data.draw(values(kind)))))
    optional = {field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING}
    for name in kept.keys() - optional:
        with pytest.raises(ValueError, match="this is no"):
            codec.event(kind.__name__, {field: kept[field] for field in kept if field != name})


def test_a_value_that_is_of_no_kind_is_refused() -> None:
    good = {"person": "maya", "wrong": "code", "count": 1}
    assert codec.event("ChallengeFailed", good)
    for wrong in ({"wrong": "guess"}, {"person": None}, {"person": 7}, {"count": "many"}, {"count": None}):
        with pytest.raises(ValueError, match="this is no"):
            codec.event("ChallengeFailed", {**good, **wrong})


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"key": 1}', "{}"])
def test_an_effect_that_is_not_whole_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="this is no"):
        codec.effect("CarryOut", body)


@pytest.mark.parametrize("extra", [{"x": 1}, {"seq": 3}])
def test_an_event_with_a_field_too_many_is_refused(extra: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="has no"):
        codec.event("Cancelled", {"person": "maya", **extra})


def test_an_effect_with_a_field_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="has no x"):
        codec.effect("CarryOut", '{"key": "k", "x": 1}')


@pytest.mark.parametrize("wrong", [{"count": "3"}, {"count": True}, {"count": 3.5}])
def test_an_event_with_a_value_of_another_kind_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="count"):
        codec.event("ChallengeFailed", {"person": "maya", "wrong": "code", "count": 3, **wrong})
