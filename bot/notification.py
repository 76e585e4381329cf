"""What a notification says: what is asked and from where, and nothing that a locked screen shouldn't show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.times import ago
from flows.model import Playbook, Request, Stage

_PLACES = {
    "slack": "in Slack",
    "teams": "in Teams",
    "terminal": "on the command line",
    "device page": "on a device page",
}


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification. `name` is the request's: a newer one about it takes this one's place, and it leads there."""

    title: str
    body: str
    name: str


def notification(
    request: Request, playbook: Playbook, person: str, notice: str, now: datetime
) -> Notification | None:
    """What this person's devices say about a notice; None for what waits for nobody, or no longer for them."""
    asked = f"{_PLACES.get(request.origin.platform, 'somewhere else')}, {ago(request.opened_at, now)}"
    match notice, request.stage:
        case "challenge", Stage.AWAITING_PROOF if person == request.prover:
            whose = "Asked" if person == request.requester else "Somebody else asked"
            body = f"{whose} {asked}. Nothing happens until you confirm."
        case "ask_approvers", Stage.AWAITING_APPROVAL:
            body = f"Your approval is asked for. Asked {asked}. Nothing happens until you decide."
        case "objections_invited", Stage.AWAITING_OBJECTION if person == request.subject:
            body = "Somebody says that you lost every device. If you didn't, object: it stops at once."
        case "objections_invited", Stage.AWAITING_OBJECTION if person != request.requester:
            body = f"You can still object. Asked {asked}. Otherwise it is done when the wait is over."
        case _:
            return None
    return Notification(playbook.title, body, request.id)
