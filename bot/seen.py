"""A request with everything that stands beside it, read for one reader: a person, or a room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import flows.errors as no
from bot.facts import passkey_name
from bot.reading import Beside, Reading
from flows.consent import hurriers
from flows.events import Ruled
from flows.model import Method, Request, Stage
from flows.objections import may_object
from flows.registration import Registration
from handlers.house import House

#: Who may agree sees it while that is open, and also what became of it when one of them said no.
_FOR_APPROVERS = (Stage.AWAITING_APPROVAL, Stage.DENIED)


async def read(
    house: House, request: Request, viewer: str, *, device: str | None = None, asked_here: bool = False
) -> Reading:
    """The request as `viewer` sees it, a person's id or empty for a room, on `device` or in a chat.

    `asked_here`: this is where it was asked, so the six-digit number stands here if there is one.
    Raises UnknownRequest for a person whom it doesn't concern.
    """
    playbook = await house.desk.playbook_of(request)
    selected = await house.desk.selection(request)
    asked = await house.desk.consenting(request, selected)
    concerned = {request.requester, request.subject, request.prover}
    concerned |= {approval.person for approval in request.approvals}
    if request.stage in _FOR_APPROVERS:
        concerned |= asked
    people = await house.people.named(*sorted(concerned | asked | ({viewer} if viewer else set())))
    told = playbook.objection is not None and viewer in people
    if told and may_object(request, people.get(request.subject), people[viewer]):
        concerned.add(viewer)
    if request.stage is Stage.AWAITING_OBJECTION:
        concerned |= hurriers(playbook, selected)
    if viewer and viewer not in concerned:
        settles = request.stage is Stage.AWAITING_OPERATOR and viewer in people
        if not settles or playbook.handed_to not in people[viewer].roles:
            raise no.UnknownRequest
    rules, raised = fired(await house.desk.rulings(request.id))
    beside = Beside(
        labels={
            **registered_names(await house.registry.registration(request.subject)),
            **await account_names(house, request.subject),
        },
        audit=await house.desk.audited(request.id),
        texts=await house.desk.texts(request.id),
        methods=(await house.registry.registration(viewer)).methods if viewer else None,
        device=device,
        selected=selected,
        number=_number(house, request) if asked_here else "",
        rules=rules,
        raised=raised,
    )
    seen = Reading(request, playbook, people, viewer, house.store.clock(), beside)
    return replace(seen, beside=replace(beside, unreached=await _unreached(house, seen)))


def fired(rulings: Sequence[Ruled]) -> tuple[list[str], list[str]]:
    """What fired when a request was asked, by name, and the sentences of what raised its tier."""
    found = [rule for ruled in rulings if ruled.action == "ask" for rule in ruled.rules]
    names = [rule.id.replace("-", " ") for rule in found]
    raised = [rule.reason for rule in found if rule.effect in ("raises", "unknown")]
    return list(dict.fromkeys(names)), list(dict.fromkeys(raised))


def registered_names(registration: Registration) -> dict[str, str]:
    """What a person calls their devices, by id, and passkeys, by short name, removed ones too: nobody reads ids."""
    keys = (key for key in registration.authenticators if key.method is Method.PASSKEY)
    return {
        **{device.id: device.name for device in registration.devices},
        **{key.short: passkey_name(registration, key) for key in keys},
    }


async def account_names(house: House, person: str) -> dict[str, str]:
    """How a person's chat accounts are shown, by their name as one word."""
    names = {}
    for binding in await house.accounts.bindings(person):
        account = binding.account
        shown = (await house.desk.texts(binding.request)).get("shown_as") or account.id
        names[account.name] = f"{shown} in {account.platform.capitalize()}"
    return names


async def _unreached(house: House, seen: Reading) -> frozenset[str]:
    """Those with the next move whom no chat can tell: only where there is a chat, and nobody else can be told."""
    if not house.settings.chats:
        return frozenset()
    wanted, movers = 0, list[str]()
    match seen.request.stage:
        case Stage.AWAITING_PROOF:
            wanted, movers = 1, [seen.request.prover]
        case Stage.AWAITING_APPROVAL:
            wanted, movers = seen.missing, seen.approvers
        case Stage.AWAITING_OBJECTION:
            wanted, movers = 1, [seen.request.subject]
    lost = [person for person in movers if not await house.reaches(person)]
    return frozenset(lost) if len(movers) - len(lost) < wanted else frozenset()


def _number(house: House, request: Request) -> str:
    challenge = request.challenge(request.prover, Method.CODE)
    return house.store.keys.number(challenge.nonce) if challenge else ""
