"""What people do in the workspace: they write, press, fill in, submit. The app hears of it as it would from Slack."""

from __future__ import annotations

from collections.abc import Mapping

from demo.workspace import answers, payloads
from demo.workspace.composed import as_sent, escaped, rich_text
from demo.workspace.deliver import CLICK, COMMAND, EVENT, Answer
from demo.workspace.elements import NO_STATE, PLEASE, Cannot, action, complaints, find, held, standing
from demo.workspace.people import APP, Channel, Json, Member
from demo.workspace.sockets import NoAnswer
from demo.workspace.workspace import Workspace
from demo.workspace.world import Message


class Acts:
    """Everybody's hands. `who` is a person ("maya") or a user id; `channel` an id, a name, or None for the app's im.

    What Slack's own window would not let somebody do raises Cannot, with a sentence to read. An Answer is what the
    app acknowledged with; status 0 means that it did not, and the body then says why.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._screens = workspace.screens

    # -- writing

    async def say(self, who: str, text: str, channel: str | None = None) -> Message:
        """Write into a conversation."""
        member, place = self._in(who, channel)
        if not text.strip():
            raise Cannot("There is nothing to send.")
        content = {
            "text": as_sent(self.workspace.world, text),
            "blocks": rich_text(self.workspace.world, text),
        }
        return self.workspace.say(place, member, content)

    async def command(self, who: str, text: str, channel: str | None = None) -> Answer:
        """Send a slash command: "/desk I forgot my password"."""
        member, place = self._in(who, channel)
        command, _, rest = text.strip().partition(" ")
        installed = self.workspace.installed
        known = {each.command for each in installed.commands} if "commands" in installed.scopes else set()
        if command not in known:
            raise Cannot(f"{command} is not a valid command.")
        tickets = self.workspace.tickets
        given = {
            "response_url": tickets.response_url(member.id, place.id),
            "trigger_id": tickets.trigger(member.id),
        }
        payload = payloads.slash_command(member, place, (command, escaped(rest.strip())), given)
        answer = await self._ask(member, COMMAND, payload)
        answers.commanded(self.workspace, member, place, command, answer)
        return answer

    async def shortcut(self, who: str, callback_id: str) -> Answer:
        """Use one of the app's global shortcuts."""
        member = self._member(who)
        self._offered(callback_id, "global")
        payload = payloads.interaction("shortcut", member, callback_id=callback_id, **self._stamp(member))
        return await self._click(member, payload)

    async def message_shortcut(self, who: str, callback_id: str, channel: str | None, ts: str) -> Answer:
        """Use one of the app's message shortcuts."""
        member, place = self._in(who, channel)
        self._offered(callback_id, "message")
        message = self._message(member, place, ts)
        if message.only_for:
            raise Cannot("Messages that only you can see have no shortcuts.")
        payload = payloads.interaction(
            "message_action",
            member,
            callback_id=callback_id,
            channel=payloads.in_channel(place),
            message=message.body,
            message_ts=ts,
            response_url=self.workspace.tickets.response_url(member.id, place.id, ts),
            **self._stamp(member),
        )
        return await self._click(member, payload)

    # -- pressing and choosing. `value` is what was chosen or typed, for what isn't a button.

    async def press(
        self,
        who: str,
        channel: str | None,
        ts: str,
        action_id: str,
        value: object = None,
        *,
        block_id: str = "",
    ) -> Answer:
        """Press or choose something on a message of the app's."""
        member, place = self._in(who, channel)
        message = self._message(member, place, ts)
        if message.body.get("bot_id") != APP.bot_id:
            raise Cannot(f"That isn't a message from {APP.name}.")
        blocks = message.body.get("blocks") or []
        done = self._use(member, ts, blocks, (block_id, action_id), value)
        private = bool(message.only_for)
        payload = payloads.interaction(
            "block_actions",
            member,
            container=payloads.in_message(ts, place, ephemeral=private),
            trigger_id=self.workspace.tickets.trigger(member.id),
            channel=payloads.in_channel(place),
            **({} if private else {"message": message.body}),
            state={"values": self._screens.state(member.id, ts, blocks)},
            response_url=self.workspace.tickets.response_url(member.id, place.id, ts),
            actions=[done],
        )
        return await self._click(member, payload)

    async def press_home(
        self, who: str, action_id: str, value: object = None, *, block_id: str = ""
    ) -> Answer:
        """Press or choose something on the app's Home tab."""
        member = self._member(who)
        view = self.workspace.world.home(member.id)
        if view is None:
            raise Cannot("The Home tab is empty.")
        return await self._press_view(member, view, (block_id, action_id), value)

    async def press_modal(
        self, who: str, action_id: str, value: object = None, *, block_id: str = ""
    ) -> Answer:
        """Press or choose something in the modal on top."""
        member = self._member(who)
        return await self._press_view(member, self._modal(member), (block_id, action_id), value)

    # -- forms

    def fill(self, who: str, values: Mapping[str, object]) -> None:
        """Type or choose in the modal on top, by block id."""
        member = self._member(who)
        view = self._modal(member)
        for block_id, value in values.items():
            there = next((pair for pair in standing(view["blocks"]) if pair[0]["block_id"] == block_id), None)
            if there is None:
                raise Cannot("That isn't there any more.")
            now = held(there[1], value)
            self._screens.typed(member.id, view["id"], block_id, there[1]["action_id"], now)

    async def submit(self, who: str) -> Answer:
        """Send the modal on top. What is missing or too long is said at its field and nothing is sent."""
        member = self._member(who)
        view = self._modal(member)
        if view.get("submit") is None and any(block["type"] == "input" for block in view["blocks"]):
            raise Cannot("This form can't be sent.")
        shown = self._shown(member, view)
        errors = complaints(view["blocks"], shown["state"]["values"])
        if errors:
            self._screens.of(member.id).errors = errors
            self.workspace.world.announce()
            raise Cannot(errors[next(iter(errors))] if len(errors) == 1 else PLEASE)
        trigger = self.workspace.tickets.trigger(member.id)
        payload = payloads.interaction(
            "view_submission", member, trigger_id=trigger, view=shown, response_urls=[]
        )
        answer = await self._ask(member, CLICK, payload)
        answers.submitted(self.workspace, member, view, answer)
        return answer

    async def dismiss(self, who: str, *, all: bool = False) -> None:
        """Close the modal on top, or every one. The app hears of those that asked for it."""
        member = self._member(who)
        self._modal(member)
        views = [self._shown(member, view) for view in self._screens.of(member.id).modals]
        gone = {view["id"] for view in self._screens.close(member.id, all=all)}
        for view in reversed(views):
            if view["id"] in gone and view["notify_on_close"]:
                payload = payloads.interaction("view_closed", member, view=view, is_cleared=len(gone) > 1)
                _ = await self._ask(member, CLICK, payload)

    async def open_home(self, who: str, tab: str = "home") -> None:
        """Look at the app's Home tab, or at its "messages"."""
        self.workspace.home_opened(self._member(who), tab)

    def read(self, who: str, channel: str | None = None) -> None:
        """Read everything in a conversation."""
        member, place = self._in(who, channel)
        self.workspace.world.read(member.id, place.id)

    # -- what no window offers

    async def forge(self, who: str, payload: Json) -> Answer:
        """Send a perfectly signed payload of the caller's own making, as whoever holds the signing secret could.

        An "event_callback" goes as an event, one with a "command" as a slash command, anything else as a click by
        `who`, where every field that was given stays as it is.
        """
        member = self._member(who)
        if payload.get("type") == "event_callback":
            return await self._ask(member, EVENT, payload)
        if "command" in payload:
            return await self._ask(member, COMMAND, payload)
        kind = payload.get("type", "block_actions")
        tickets = self.workspace.tickets
        own = payloads.interaction(kind, member, trigger_id=tickets.trigger(member.id))
        if kind == "block_actions":
            own |= {"response_url": tickets.response_url(member.id, member.im), "state": {"values": {}}}
        return await self._ask(member, CLICK, own | payload)

    # -- inside

    async def _press_view(self, member: Member, view: Json, where: tuple[str, str], value: object) -> Answer:
        done = self._use(member, view["id"], view["blocks"], where, value)
        payload = payloads.interaction(
            "block_actions",
            member,
            container={"type": "view", "view_id": view["id"]},
            trigger_id=self.workspace.tickets.trigger(member.id),
            view=self._shown(member, view),
            actions=[done],
        )
        return await self._click(member, payload)

    def _use(
        self, member: Member, container: str, blocks: list[Json], where: tuple[str, str], value: object
    ) -> Json:
        """Press or choose what stands there; gives the entry of `actions`."""
        block, element = find(blocks, *where)
        now = None if element["type"] == "button" else held(element, value)
        if now is not None and element["type"] not in NO_STATE:
            self._screens.typed(member.id, container, block["block_id"], element["action_id"], now)
        return action(block, element, now, self.workspace.world.next_ts())

    async def _click(self, member: Member, payload: Json) -> Answer:
        answer = await self._ask(member, CLICK, payload)
        answers.pressed(self.workspace, member, answer)
        return answer

    async def _ask(self, member: Member, kind: str, payload: Json) -> Answer:
        self._screens.notify(member.id, "")
        with self._screens.waiting(member.id):
            try:
                return await self.workspace.post.ask(kind, payload)
            except NoAnswer as silence:
                return Answer(0, silence.reason)

    def _shown(self, member: Member, view: Json) -> Json:
        """A view as this person sees it now, with what was typed."""
        return view | {"state": {"values": self._screens.state(member.id, view["id"], view["blocks"])}}

    def _stamp(self, member: Member) -> Json:
        trigger = self.workspace.tickets.trigger(member.id)
        return {"action_ts": self.workspace.world.next_ts(), "trigger_id": trigger}

    def _offered(self, callback_id: str, type: str) -> None:
        offered = [(each.callback_id, each.type) for each in self.workspace.installed.shortcuts]
        if (callback_id, type) not in offered or "commands" not in self.workspace.installed.scopes:
            raise Cannot("There is no such shortcut.")

    def _member(self, who: str) -> Member:
        member = self.workspace.world.find(who)
        if member is None or member.deleted or not member.human:
            raise Cannot(f"Nobody here is called {who}.")
        return member

    def _in(self, who: str, channel: str | None) -> tuple[Member, Channel]:
        member, world = self._member(who), self.workspace.world
        place = world.channel(channel or member.im)
        if place is None or not world.is_member(place, member.id):
            raise Cannot("You aren't in that conversation.")
        return member, place

    def _message(self, member: Member, place: Channel, ts: str) -> Message:
        message = self.workspace.world.message(place.id, ts)
        if message is None or message.only_for not in ("", member.id):
            raise Cannot("That message isn't there any more.")
        return message

    def _modal(self, member: Member) -> Json:
        modals = self._screens.of(member.id).modals
        if not modals:
            raise Cannot("No form is open.")
        return modals[-1]
