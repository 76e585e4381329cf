"""Every view, drawn for each chat, beside the golden files that keep how it looks. `--write` draws them anew."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bot import adaptive, block_kit
from bot.cards import Card, Choice, Form, Home, HomeLine, Reply, Status, Verb, Weight
from bot.reading import Beside, Reading
from bot.replies import stranger_home
from bot.views import NOTICES, form, request_card
from flows.model import Method, Mode, Playbook, Stage
from tests.bot.people import (
    ACCESS,
    CHOSEN,
    LOST,
    MAYA,
    NOW,
    OMAR,
    PEOPLE,
    PHASED,
    RAVI,
    RESET,
    WHY,
    a_request,
    looked_up,
)

GOLDEN = Path(__file__).parent / "golden"
HANDLE = "v1.sealed-handle"
LINK = "https://desk.example.com/requests/CS-7F3KQ"
NUMBER = "482913"
Drawings = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Look:
    """One chat's drawer, where its golden files are, and what its drawings keep their parts in."""

    message: Callable[[Card, str, str], dict[str, Any]]
    reply: Callable[[Reply], dict[str, Any]]
    form: Callable[[Form], dict[str, Any]]
    home: Callable[[Home], dict[str, Any]]
    folder: Path
    parts: str


SLACK = Look(block_kit.message, block_kit.reply, block_kit.modal, block_kit.home, GOLDEN / "slack", "blocks")
TEAMS = Look(adaptive.message, adaptive.reply, adaptive.form, adaptive.home, GOLDEN / "teams", "body")


def beside(playbook: Playbook, viewer: str) -> Beside:
    """What stands beside a request for this reader: the number where it was asked, the reasons given."""
    return Beside(
        selected=looked_up(playbook),
        texts=WHY if playbook.justification else {},
        methods=frozenset({Method.CODE}) if playbook is RESET else frozenset(Method),
        number=NUMBER if playbook is RESET and viewer else "",
        rules=("own account", "known device"),
        audit=4312,
    )


def card(playbook: Playbook, stage: Stage, viewer: str, requester: str = MAYA) -> Card:
    """The card of a request in this stage, as this reader sees it. An empty viewer is a room."""
    agreed = (Stage.FULFILLED, Stage.AWAITING_FULFILMENT, Stage.AWAITING_OBJECTION)
    over = playbook is LOST and stage is Stage.DENIED  # by an objection
    approved = (OMAR,) if (stage in agreed or over) and playbook.consent else ()
    request = a_request(playbook, stage, requester=requester, approved=approved)
    return request_card(request, playbook, PEOPLE, viewer, NOW, beside(playbook, viewer))


def notices(playbook: Playbook, stage: Stage, viewer: str, look: Look = SLACK) -> Drawings:
    """Every notice's card about one request."""
    seen = Reading(a_request(playbook, stage), playbook, PEOPLE, viewer, NOW, beside(playbook, viewer))
    carried = (HANDLE, LINK) if viewer else ("", "")
    return {name: look.message(notice(seen), *carried) for name, notice in NOTICES.items()}


def stages(playbook: Playbook, viewer: str, requester: str = MAYA, look: Look = SLACK) -> Drawings:
    """One reader's message through every stage that such a request can be in."""
    carried = (HANDLE, LINK) if viewer else ("", "")
    never = {Stage.AWAITING_COLLECTION if playbook in (ACCESS, CHOSEN) else Stage.AWAITING_PASSWORD}
    never.add(Stage.OBSERVED)  # neither is phased in
    if not playbook.consent:
        never |= {Stage.AWAITING_APPROVAL, Stage.DENIED}
    if playbook is ACCESS:
        never.add(Stage.AWAITING_PASSWORD)
    if playbook is not LOST:
        never.add(Stage.AWAITING_OBJECTION)
    return {
        stage.value: look.message(card(playbook, stage, viewer, requester), *carried)
        for stage in Stage
        if stage not in never
    }


def phased(look: Look = SLACK) -> Drawings:
    """A request where the playbook only observes, and one where it is offered: whoever asks, and an agent."""
    drawn = {}
    for who, viewer in (("requester", MAYA), ("agent", RAVI)):
        for name, stage, mode in (
            ("observed", Stage.OBSERVED, Mode.OBSERVE),
            ("offered", Stage.AWAITING_PROOF, Mode.OFFER),
        ):
            request = replace(a_request(PHASED, stage, requester=viewer), mode=mode)
            seen = request_card(request, PHASED, PEOPLE, viewer, NOW, beside(PHASED, viewer))
            drawn[f"{name}, {who}"] = look.message(seen, HANDLE, LINK)
    return drawn


PROPOSAL = Reply(
    "Reset your password?",
    "Before it is reset, let's make sure it's you: you confirm on your registered device. It takes a minute.",
    quoted="i forgot my pasword <!channel> & *all* of it",
    choices=(
        Choice("Yes, reset my password", Verb.ASK, "v1.reset", Weight.PRIMARY),
        Choice("Something else", Verb.LIST, "v1.list"),
    ),
    small="Password reset v3 · nobody else needs to agree",
    status=Status.NEEDED,
)
AMBIGUOUS = Reply(
    "Which of these do you mean?",
    choices=(
        Choice("Password reset", Verb.ASK, "v1.reset"),
        Choice("Account unlock", Verb.ASK, "v1.unlock"),
        Choice("Group access", Verb.ASK_FORM, "v1.access"),
        Choice("Something else", Verb.LIST, "v1.list"),
    ),
)
HELP = Reply(
    "Good that you say so",
    "Nothing was changed because of that call.",
    lines=(
        "The desk never calls to ask for a number or a code.",
        "If you typed one already, press the red button: every open request of yours is closed at once.",
    ),
    choices=(
        Choice(
            "I didn't ask for this",
            Verb.DISOWN,
            "v1.disown",
            Weight.DANGER,
            "Close every open request of yours? Security is told.",
        ),
        Choice("Open my device page", Verb.OPEN, url="https://desk.example.com"),
    ),
    status=Status.DANGER,
)
REFUSAL = Reply(
    "That isn't yours to press",
    "This card was drawn for somebody else. Ask for a card of your own.",
    status=Status.REFUSED,
)


def replies(look: Look = SLACK) -> Drawings:
    """What is said beside a card."""
    said = {"proposal": PROPOSAL, "ambiguous": AMBIGUOUS, "help": HELP, "refusal": REFUSAL}
    return {name: look.reply(each) for name, each in said.items()}


def forms(look: Look = SLACK) -> Drawings:
    """A form, empty and after an error."""
    typed, wrong = {"until": "for 30 days", "ticket": "FIN-88 & 89"}, {"ticket": "There is no such ticket."}
    return {
        "empty": look.form(
            Form("Group access", HANDLE, form(ACCESS, {}, {}), intro=ACCESS.guidance["requester"])
        ),
        "after an error": look.form(
            Form("Group access", HANDLE, form(ACCESS, typed, wrong), submit="Ask again")
        ),
    }


def entry(playbook: Playbook, stage: Stage, viewer: str) -> HomeLine:
    """One request in a list."""
    return HomeLine(card(playbook, stage, viewer), f"v1.{stage.value}")


def homes(look: Look = SLACK) -> Drawings:
    """The Home tab of somebody busy, of somebody new, and of an account that is nobody's."""
    offers = tuple(
        Choice(title, Verb.ASK, f"v1.{title[:1]}") for title in ("Password reset", "Account unlock", "Access")
    )
    links = (Choice("Open my device page", Verb.OPEN, url="https://desk.example.com"),)
    busy = Home(
        "Good afternoon, Omar",
        waiting=(entry(ACCESS, Stage.AWAITING_APPROVAL, OMAR),),
        mine=(entry(RESET, Stage.AWAITING_PROOF, MAYA), entry(ACCESS, Stage.AWAITING_FULFILMENT, MAYA)),
        recent=(entry(RESET, Stage.FULFILLED, MAYA), entry(ACCESS, Stage.EXPIRED, MAYA)),
        offers=offers,
        links=links,
        small="This account is Omar Haddad's.",
        devices=(
            "Work laptop: 2 passkeys · last used 2 hours ago",
            "Omar's phone: a synced passkey and sign-in app codes · never used",
            "7 of 10 recovery codes left",
        ),
    )
    new = Home("Hello, Eve", offers=offers, links=links)
    stranger = stranger_home("https://desk.example.com/accounts/connect")
    return {"busy": look.home(busy), "new": look.home(new), "stranger": look.home(stranger)}


@cache
def drawings(look: Look = SLACK) -> Mapping[str, Drawings]:
    """Golden file → name → drawing."""
    return {
        "reset-requester": stages(RESET, MAYA, look=look),
        "reset-agent": stages(RESET, RAVI, requester=RAVI, look=look),
        "reset-room": stages(RESET, "", look=look),
        "chosen-requester": stages(CHOSEN, MAYA, look=look),
        "access-requester": stages(ACCESS, MAYA, look=look),
        "access-approver": stages(ACCESS, OMAR, look=look),
        "access-room": stages(ACCESS, "", look=look),
        "lost-requester": stages(LOST, RAVI, requester=RAVI, look=look),
        "lost-subject": stages(LOST, MAYA, requester=RAVI, look=look),
        "phased": phased(look),
        "notices-security": notices(RESET, Stage.DISOWNED, "", look=look),
        "notices-approver": notices(ACCESS, Stage.AWAITING_APPROVAL, OMAR, look=look),
        "replies": replies(look),
        "forms": forms(look),
        "homes": homes(look),
    }


def written(drawn: Drawings, look: Look = SLACK) -> str:
    """One line a part, so that a change shows what changed."""
    parts = []
    for name, each in drawn.items():
        rest = {key: value for key, value in each.items() if key != look.parts}
        drawn_parts = ",\n".join(f"   {_line(part)}" for part in each[look.parts])
        whole = f'  "rest": {_line(rest)},\n  "{look.parts}": [\n{drawn_parts}\n  ]'
        parts.append(f" {_line(name)}: {{\n{whole}\n }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    for look in (SLACK, TEAMS):
        look.folder.mkdir(exist_ok=True)
        for file, drawn in drawings(look).items():
            (look.folder / f"{file}.json").write_text(written(drawn, look), encoding="utf-8")
