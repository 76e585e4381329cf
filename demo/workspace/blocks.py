"""What Slack would refuse in blocks and views: shapes by table, lengths by slack_sdk's own models."""

from __future__ import annotations

import copy
import json
import logging
import secrets
from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block, BlockElement
from slack_sdk.models.views import View

from demo.workspace.people import Json

logging.getLogger("slack_sdk.models").setLevel(logging.ERROR)  # it warns of what is refused here anyway

LARGEST_VIEW = 250 * 1024

_SELECTS = {
    f"{many}{kind}_select"
    for many in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
}
_PICKERS = {"checkboxes", "radio_buttons", "datepicker", "timepicker"}
_ANYWHERE = {"section", "divider", "image", "actions", "context", "header", "input", "rich_text", "video"}
SURFACES = {
    "message": _ANYWHERE | {"markdown", "table", "file", "context_actions", "alert", "card", "carousel"},
    "modal": _ANYWHERE | {"alert"},
    "home": _ANYWHERE | {"alert"},
}
#: Where elements stand in a block, which ones may, and how many.
ELEMENTS = {
    "section": ("accessory", {"button", "overflow", "image", "workflow_button"} | _SELECTS | _PICKERS, 1),
    "actions": (
        "elements",
        {"button", "overflow", "datetimepicker", "workflow_button"} | _SELECTS | _PICKERS,
        25,
    ),
    "context": ("elements", {"image", "plain_text", "mrkdwn"}, 10),
    "input": (
        "element",
        {"plain_text_input", "email_text_input", "url_text_input", "number_input", "datetimepicker"}
        | {"rich_text_input", "file_input"}
        | _SELECTS
        | _PICKERS,
        1,
    ),
}
_REQUIRED = {
    "actions": ("elements",),
    "context": ("elements",),
    "header": ("text",),
    "input": ("label", "element"),
}
_REQUIRED |= {"button": ("text",), "image": ("alt_text",), "markdown": ("text",)}
#: Text under these names has to be plain_text.
_PLAIN = {"label", "hint", "placeholder", "title", "submit", "close", "deny"}
_LENGTHS = {
    "title": 24,
    "submit": 24,
    "close": 24,
    "private_metadata": 3000,
    "callback_id": 255,
    "external_id": 255,
}
_VIEW_KEYS = set(View.attributes) | {"submit_disabled"}


class Refused(Exception):
    """The blocks are wrong. `faults` are pairs: what is wrong, and a JSON pointer to it."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__(faults)
        self.faults = faults

    @property
    def messages(self) -> list[str]:
        """As Slack words them in response_metadata.messages."""
        return [f"[ERROR] {what} [json-pointer:{where}]" for what, where in self.faults]


def checked(blocks: object, surface: str, *, most: int = 50, at: str = "/blocks") -> list[Json]:
    """The blocks as Slack would store them, with the ids it adds. Raises Refused."""
    if not isinstance(blocks, list):
        raise Refused([("must be an array", at)])
    faults = [(f"no more than {most} items allowed", at)] if len(blocks) > most else []
    for i, block in enumerate(blocks):
        faults += _block(block, surface, f"{at}/{i}")
    if not faults:
        faults = list(_doubles(blocks, at))
    if faults:
        raise Refused(faults)
    return [_completed(block) for block in blocks]


def checked_view(view: object, surfaces: tuple[str, ...]) -> Json:
    """The view as Slack would store it, apart from the fields it adds itself. Raises Refused."""
    if not isinstance(view, dict) or view.get("type") not in surfaces:
        raise Refused([(f"must be one of {', '.join(surfaces)}", "/view/type")])
    surface = view["type"]
    faults = [(f"invalid additional property: {key}", "/view") for key in sorted(view.keys() - _VIEW_KEYS)]
    if surface == "modal" and "title" not in view:
        faults.append(("missing required field: title", "/view"))
    if surface == "home":
        faults += [
            (f"invalid additional property: {k}", "/view") for k in ("title", "submit", "close") if k in view
        ]
    for key, most in _LENGTHS.items():
        value = view.get(key)
        text = value.get("text") if isinstance(value, dict) else value
        if isinstance(text, str) and len(text) > most:
            faults.append((f"must be less than {most + 1} characters", f"/view/{key}"))
    faults += _texts({key: view[key] for key in ("title", "submit", "close") if key in view}, "/view")
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or (surface == "modal" and not blocks):
        faults.append(("missing required field: blocks", "/view"))
        raise Refused(faults)
    if surface == "modal" and "submit" not in view and any(_kind(block) == "input" for block in blocks):
        faults.append(("submit is required when an input block is within blocks", "/view/submit"))
    try:
        blocks = checked(blocks, surface, most=100, at="/view/blocks")
    except Refused as refused:
        faults += refused.faults
    if faults:
        raise Refused(faults)
    return {**_emoji(copy.deepcopy(view)), "blocks": blocks}


def too_large(view: object) -> bool:
    """Whether the view is over the 250 kB that views.* take."""
    return len(json.dumps(view)) > LARGEST_VIEW


def elements(block: Json) -> list[Json]:
    """The elements of a block that somebody could use, or none."""
    place = ELEMENTS.get(_kind(block), ("", set(), 0))[0]
    found = block.get(place) or []
    return [e for e in (found if isinstance(found, list) else [found]) if isinstance(e, dict)]


# -- inside


def _kind(thing: object) -> str:
    kind = thing.get("type") if isinstance(thing, dict) else None
    return kind if isinstance(kind, str) else ""


def _block(block: Any, surface: str, at: str) -> Iterator[tuple[str, str]]:
    kind = _kind(block)
    if kind not in SURFACES[surface]:
        yield f"unsupported type: {kind or 'none'}", f"{at}/type"
        return
    yield from ((f"missing required field: {key}", at) for key in _REQUIRED.get(kind, ()) if key not in block)
    if kind == "section" and not block.get("text") and not block.get("fields"):
        yield "missing required field: text", at
    faults = list(_texts(block, at))
    if kind in ELEMENTS:
        faults += _elements(block, kind, at)
    yield from faults
    if not faults:
        yield from _model(Block, block, at)


def _elements(block: Json, kind: str, at: str) -> Iterator[tuple[str, str]]:
    place, allowed, most = ELEMENTS[kind]
    if place not in block:
        return
    given = block[place]
    if isinstance(given, list) != (place == "elements"):
        yield "must be an array" if place == "elements" else "must be an object", f"{at}/{place}"
        return
    if place == "elements" and not given:
        yield "must have at least 1 item", f"{at}/{place}"
    if place == "elements" and len(given) > most:
        yield f"no more than {most} items allowed", f"{at}/{place}"
    for i, element in enumerate(given if isinstance(given, list) else [given]):
        where = f"{at}/{place}/{i}" if place == "elements" else f"{at}/{place}"
        name = _kind(element)
        if name not in allowed:
            yield f"unsupported type: {name or 'none'}", f"{where}/type"
        elif name not in ("plain_text", "mrkdwn"):
            yield from (
                (f"missing required field: {key}", where)
                for key in _REQUIRED.get(name, ())
                if key not in element
            )
            yield from _model(BlockElement, element, where)


def _texts(thing: Any, at: str, name: str = "", parent: str = "") -> Iterator[tuple[str, str]]:
    """Every text object below: not empty, of a known type, plain where it has to be."""
    if isinstance(thing, list):
        for i, item in enumerate(thing):
            yield from _texts(item, f"{at}/{i}", name, parent)
    elif isinstance(thing, dict):
        plain = name in _PLAIN or (name == "text" and parent in ("button", "header"))
        if _kind(thing) in ("plain_text", "mrkdwn"):
            if not isinstance(thing.get("text"), str) or not thing["text"]:
                yield "must be more than 0 characters", f"{at}/text"
            if plain and thing["type"] != "plain_text":
                yield "must be a plain_text object", f"{at}/type"
            yield from (
                (f"invalid additional property: {key}", at)
                for key in thing.keys() - {"type", "text", "emoji", "verbatim"}
            )
            return
        if plain:
            yield "must be a plain_text object", at
        for key, value in thing.items():
            if key not in ("rows", "value", "private_metadata"):
                yield from _texts(value, f"{at}/{key}", key, _kind(thing))
    elif name in _PLAIN and parent not in ("image", "video", "card", "alert", ""):
        yield "must be an object", at


def _model(model: type[Block] | type[BlockElement], thing: Json, at: str) -> Iterator[tuple[str, str]]:
    """What slack_sdk's model of it says, which knows the lengths."""
    try:
        parsed = model.parse(copy.deepcopy(thing))
        if parsed is None:
            yield f"unsupported type: {_kind(thing)}", f"{at}/type"
            return
        parsed.to_dict()
    except SlackObjectFormationError as error:
        yield str(error), at
    except (TypeError, ValueError, AttributeError, KeyError):
        yield "failed to match all allowed schemas", at
    else:
        known = set(parsed.attributes) | {"type", "block_id", "action_id"}
        yield from ((f"invalid additional property: {key}", at) for key in sorted(thing.keys() - known))


def _doubles(blocks: list[Json], at: str) -> Iterator[tuple[str, str]]:
    """Block ids are unique in a message or view, action ids in their block."""
    seen: set[str] = set()
    for i, block in enumerate(blocks):
        id = block.get("block_id")
        if id in seen:
            yield f"`block_id` {id} already exists. The `block_id` needs to be unique", f"{at}/{i}/block_id"
        seen |= {id} if id else set()
        ids = [e["action_id"] for e in elements(block) if e.get("action_id")]
        if len(ids) != len(set(ids)):
            yield "`action_id` already exists. The `action_id` needs to be unique", f"{at}/{i}"


def _completed(block: Json) -> Json:
    """A block with the ids and flags Slack adds."""
    done: Json = _emoji(copy.deepcopy(block))
    done.setdefault("block_id", secrets.token_urlsafe(4)[:5])
    for element in elements(done):
        if element["type"] not in ("plain_text", "mrkdwn", "image"):
            element.setdefault("action_id", secrets.token_urlsafe(4)[:5])
    return done


def _emoji(thing: Any) -> Any:
    if isinstance(thing, list):
        return [_emoji(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    if thing.get("type") == "plain_text":
        return {**thing, "emoji": thing.get("emoji", True)}
    if thing.get("type") == "mrkdwn":
        return {**thing, "verbatim": thing.get("verbatim", False)}
    return {key: _emoji(value) for key, value in thing.items()}
