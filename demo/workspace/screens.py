"""What each person has open: a stack of modals, what they typed so far, whether they wait, what they were told."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from demo.workspace.blocks import Refused, checked_view, too_large
from demo.workspace.elements import Values, first_state
from demo.workspace.installed import APP_ID
from demo.workspace.people import APP, HOME, Json
from demo.workspace.tickets import ApiError
from demo.workspace.world import World

DEEPEST = 3
#: What an app may answer to a form. Nothing closes it.
OUTCOMES = ("", "errors", "update", "push", "clear")


@dataclass(slots=True)
class Screen:
    """One person's window. `typed` is what they chose so far, by container: a view's id or a message's ts."""

    modals: list[Json] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    typed: dict[str, Values] = field(default_factory=dict)
    busy: int = 0
    notice: str = ""


class Screens:
    """Everybody's window, and the views.* methods that reach into it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._screens: dict[str, Screen] = {}

    def of(self, user: str) -> Screen:
        """This user's window."""
        return self._screens.setdefault(user, Screen())

    def state(self, user: str, container: str, blocks: list[Json]) -> Values:
        """state.values of a view or message, as this user sees it now."""
        values = first_state(blocks)
        for block_id, actions in self.of(user).typed.get(container, {}).items():
            for action_id, now in actions.items():
                if action_id in values.get(block_id, {}):
                    values[block_id][action_id] = now
        return values

    def typed(self, user: str, container: str, block_id: str, action_id: str, now: Json) -> None:
        """This user chose or typed something there."""
        self.of(user).typed.setdefault(container, {}).setdefault(block_id, {})[action_id] = now

    # -- what the app may do. All raise ApiError.

    def open(self, user: str, view: object) -> Json:
        """Show a modal, in the place of any other."""
        made = self._made(_checked(view, ("modal",)))
        screen = self.of(user)
        screen.modals, screen.errors = [made | {"root_view_id": made["id"]}], {}
        self.world.announce()
        return screen.modals[-1]

    def push(self, user: str, view: object) -> Json:
        """Show a modal on top of the one that is open."""
        screen = self.of(user)
        if not screen.modals:
            raise ApiError("not_found")
        if len(screen.modals) >= DEEPEST:
            raise ApiError("push_limit_reached")
        made = self._made(_checked(view, ("modal",)))
        below = screen.modals[-1]
        made |= {"root_view_id": below["root_view_id"], "previous_view_id": below["id"]}
        screen.modals.append(made)
        screen.errors = {}
        self.world.announce()
        return made

    def update(self, view: object, *, id: str = "", external_id: str = "", hash: str = "") -> Json:
        """Put another view in the place of one that is open, or of a Home tab."""
        shown = self.shown(id, external_id)
        if shown is None:
            raise ApiError("not_found")
        user, old = shown
        if hash and hash != old["hash"]:
            raise ApiError("hash_conflict")
        made = self._made(_checked(view, (old["type"],)), replaces=old["id"])
        for key in ("id", "root_view_id", "previous_view_id"):
            made[key] = old[key]
        if old["type"] == "home":
            self.world.publish(user, made)
            return made
        screen = self.of(user)
        screen.modals[screen.modals.index(old)] = made
        screen.errors = {}
        self.world.announce()
        return made

    def publish(self, user: str, view: object, hash: str = "") -> Json:
        """Put up somebody's Home tab."""
        old = self.world.home(user)
        if hash and old and hash != old["hash"]:
            raise ApiError("hash_conflict")
        made = self._made(_checked(view, ("home",)), replaces=old["id"] if old else "")
        if old:
            made["id"] = old["id"]
        self.world.publish(user, made | {"root_view_id": made["id"]})
        return made | {"root_view_id": made["id"]}

    # -- what people do

    def shown(self, id: str, external_id: str = "") -> tuple[str, Json] | None:
        """Who has a view open, and the view; Home tabs count."""
        for user in [*self._screens, *self.world.people]:
            home = self.world.home(user)
            for view in [*self.of(user).modals, *([home] if home else [])]:
                if view["id"] == id or (external_id and view["external_id"] == external_id):
                    return user, view
        return None

    def close(self, user: str, *, all: bool = False) -> list[Json]:
        """Take the topmost modal away, or every one; gives those that went, topmost first."""
        screen = self.of(user)
        went = []
        while screen.modals:
            view = screen.modals.pop()
            screen.typed.pop(view["id"], None)
            went.append(view)
            if not all and not view.get("clear_on_close"):
                break
        screen.errors = {}
        self.world.announce()
        return went

    def outcome(self, user: str, id: str, action: str, answer: Json) -> None:
        """What the app answered to the view `id` this user sent: one of OUTCOMES. Raises ApiError."""
        screen = self.of(user)
        if action == "errors":
            screen.errors = _errors(answer.get("errors"), next(v for v in screen.modals if v["id"] == id))
        elif action == "update":
            _ = self.update(answer.get("view"), id=id)
        elif action == "push":
            _ = self.push(user, answer.get("view"))
        elif action == "clear":
            _ = self.close(user, all=True)
        else:
            screen.modals = [view for view in screen.modals if view["id"] != id]
            screen.errors = {}
            screen.typed.pop(id, None)
        self.world.announce()

    def notify(self, user: str, sentence: str) -> None:
        """Tell this user something in passing; empty takes it away."""
        if self.of(user).notice != sentence:
            self.of(user).notice = sentence
            self.world.announce()

    @contextmanager
    def waiting(self, user: str) -> Iterator[None]:
        """While this user waits for the app."""
        self.of(user).busy += 1
        self.world.announce()
        try:
            yield
        finally:
            self.of(user).busy -= 1
            self.world.announce()

    # -- inside

    def _made(self, view: Json, replaces: str = "") -> Json:
        external = view.get("external_id") or ""
        taken = self.shown("-", external) if external else None
        if taken and taken[1]["id"] != replaces:
            raise ApiError("duplicate_external_id")
        added: Json = {
            "id": f"V0{secrets.token_hex(5).upper()}",
            "team_id": HOME.id,
            "app_id": APP_ID,
            "app_installed_team_id": HOME.id,
            "bot_id": APP.bot_id,
            "state": {"values": {}},
            "hash": f"{self.world.next_ts()[:10]}.{secrets.token_hex(4)}",
            "root_view_id": None,
            "previous_view_id": None,
        }
        first: Json = {"private_metadata": "", "callback_id": "", "external_id": ""}
        first |= {"clear_on_close": False, "notify_on_close": False}
        if view["type"] == "modal":
            first |= {"submit": None, "close": None, "submit_disabled": False}
        return first | view | added


def _errors(given: object, view: Json) -> dict[str, str]:
    """What the app finds wrong, by block id: sentences at input blocks of this view, and at least one."""
    fields = {block["block_id"] for block in view["blocks"] if block["type"] == "input"}
    if not isinstance(given, dict) or not given or not fields.issuperset(given):
        raise ApiError("invalid_arguments")
    if not all(isinstance(sentence, str) and sentence for sentence in given.values()):
        raise ApiError("invalid_arguments")
    return dict(given)


def _checked(view: object, surfaces: tuple[str, ...]) -> Json:
    if too_large(view):
        raise ApiError("view_too_large")
    try:
        return checked_view(view, surfaces)
    except Refused as refused:
        raise ApiError("invalid_arguments", response_metadata={"messages": refused.messages}) from None
