"""What people can press, choose and type: where it stands, what it holds, and how Slack reports it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from demo.workspace.blocks import elements
from demo.workspace.people import Json


class Cannot(Exception):
    """Slack's own window would not let this person do that. The text is what they read."""


@dataclass(frozen=True, slots=True)
class Holds:
    """How an element reports what it holds: under `name`, beginning with what stands in `first`."""

    name: str
    first: str
    many: bool = False


_TEXT = Holds("value", "initial_value")
_ONE, _MANY = (
    Holds("selected_option", "initial_option"),
    Holds("selected_options", "initial_options", many=True),
)
HOLDS = {
    "plain_text_input": _TEXT,
    "email_text_input": _TEXT,
    "url_text_input": _TEXT,
    "number_input": _TEXT,
    "static_select": _ONE,
    "external_select": _ONE,
    "radio_buttons": _ONE,
    "overflow": _ONE,
    "checkboxes": _MANY,
    "multi_static_select": _MANY,
    "multi_external_select": _MANY,
    "datepicker": Holds("selected_date", "initial_date"),
    "timepicker": Holds("selected_time", "initial_time"),
    "datetimepicker": Holds("selected_date_time", "initial_date_time"),
    "users_select": Holds("selected_user", "initial_user"),
    "channels_select": Holds("selected_channel", "initial_channel"),
    "conversations_select": Holds("selected_conversation", "initial_conversation"),
    "multi_users_select": Holds("selected_users", "initial_users", many=True),
    "multi_channels_select": Holds("selected_channels", "initial_channels", many=True),
    "multi_conversations_select": Holds("selected_conversations", "initial_conversations", many=True),
}
NO_STATE = ("button", "workflow_button", "overflow", "image", "plain_text", "mrkdwn")
PLEASE = "Please complete this required field."

Values = dict[str, dict[str, Json]]


def standing(blocks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Every block with each element somebody can use in it."""
    for block in blocks:
        yield from ((block, element) for element in elements(block) if "action_id" in element)


def find(blocks: Sequence[Json], block_id: str, action_id: str) -> tuple[Json, Json]:
    """The element that stands there, with its block; the first of that action id for no block id. Raises Cannot."""
    for block, element in standing(blocks):
        if block_id in ("", block["block_id"]) and element["action_id"] == action_id:
            return block, element
    raise Cannot("That isn't there any more.")


def first_state(blocks: Sequence[Json]) -> Values:
    """state.values as they are before anybody touches anything."""
    values: Values = {}
    for block, element in standing(blocks):
        kind = element["type"]
        if kind in NO_STATE or kind not in HOLDS:
            continue
        holds = HOLDS[kind]
        begins = element.get(holds.first, [] if holds.many else None)
        values.setdefault(block["block_id"], {})[element["action_id"]] = {"type": kind, holds.name: begins}
    return values


def held(element: Json, given: object) -> Json:
    """What an element holds once `given` was typed or chosen: {"type", …} as in state.values. Raises Cannot."""
    kind = element["type"]
    if kind not in HOLDS:
        raise Cannot(f"Nothing can be typed or chosen in a {kind}.")
    holds = HOLDS[kind]
    if holds.many:
        wanted = given if isinstance(given, list) else [given] if given else []
        value: object = [_option(element, one) if holds is _MANY else one for one in wanted]
    elif given in (None, "", []):
        value = None
    else:
        one = given[0] if isinstance(given, list) else given
        value = _option(element, one) if holds is _ONE else one if kind == "datetimepicker" else str(one)
    return {"type": kind, holds.name: value}


def action(block: Json, element: Json, held_now: Json | None, at: str) -> Json:
    """One entry of a payload's `actions`."""
    kind = element["type"]
    done: Json = {
        "type": kind,
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": at,
    }
    if kind == "button":
        done["text"] = element["text"]
        done |= {key: element[key] for key in ("value", "style", "url", "confirm") if key in element}
        return done
    keep = ("placeholder", "confirm", HOLDS[kind].first if kind in HOLDS else "")
    return done | {key: element[key] for key in keep if key in element} | (held_now or {})


def complaints(blocks: Sequence[Json], values: Values) -> dict[str, str]:
    """What Slack's own window would complain about before it sends a form, by block id."""
    found = {}
    for block, element in standing(blocks):
        if block["type"] == "input" and element["type"] in HOLDS:
            complaint = _complaint(block, element, values[block["block_id"]][element["action_id"]])
            if complaint:
                found[block["block_id"]] = complaint
    return found


def _complaint(block: Json, element: Json, state: Json) -> str:
    value = state[HOLDS[element["type"]].name]
    if not value:
        return "" if block.get("optional") else PLEASE
    if element["type"] == "plain_text_input":
        if len(value) < element.get("min_length", 0):
            return f"This field needs at least {element['min_length']} characters."
        if len(value) > element.get("max_length", 3000):
            return f"This field takes at most {element.get('max_length', 3000)} characters."
    return ""


def _option(element: Json, value: object) -> Json:
    groups = element.get("option_groups") or [{"options": element.get("options") or []}]
    for group in groups:
        for option in group["options"]:
            if option.get("value") == value:
                found: Json = option
                return found
    raise Cannot("That isn't one of the choices.")
