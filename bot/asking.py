"""What a person can ask for, for whom, and with which form: the same on the device page and in every chat."""

from __future__ import annotations

from collections.abc import Mapping

from bot.cards import Input
from bot.seen import account_names, registered_names
from bot.views import form
from flows.asking import may_ask
from flows.model import Asker, Field, Party, Person, Playbook
from handlers.house import House

SUBJECT = "for-whom"  # can't collide with a playbook's field, whose names have no hyphen
LINKED = "new_account"  # the one reference that nothing lists: it comes with a link


async def offers(house: House, person: Person) -> list[Playbook]:
    """The playbooks this person may ask for, for themself or for others."""
    return [
        playbook
        for playbook in house.playbooks.values()
        if all(field.name != LINKED for field in playbook.fields)
        and (may_ask(playbook, person, person) or await for_others(house, playbook, person))
    ]


async def for_others(house: House, playbook: Playbook, person: Person) -> bool:
    """Whether this person may ask it for somebody else: by a role, or for those they lead."""
    if playbook.askers & person.roles:
        return True
    return Asker.MANAGER in playbook.askers and await house.people.leads(person.id)


async def meant(house: House, typed: str) -> str:
    """Who is meant: by id or account, else by a name that only one person has; what was typed if nobody is."""
    if await house.people.person(typed):
        return typed
    found = await house.people.called(typed)
    exact = [person.id for person in found if typed in (person.account, *person.aliases)]
    named = [person.id for person in found]
    return (exact or named)[0] if len(exact) == 1 or len(named) == 1 else typed


def apart(values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A filled form: whom it is for as it was typed, empty if it wasn't asked, and the playbook's own answers."""
    answers = {name: value for name, value in values.items() if name != SUBJECT}
    return values.get(SUBJECT, "").strip(), answers


async def inputs(
    house: House,
    playbook: Playbook,
    person: Person,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
) -> tuple[Input, ...]:
    """The form's fields, with whom it is for in the first place where they may ask for others."""
    subject = typed.get(SUBJECT, person.id if Asker.SELF in playbook.askers else "")
    fields = form(playbook, typed, errors, await references(house, person.id) if subject == person.id else {})
    if not await for_others(house, playbook, person):
        return fields
    whom = Input(
        SUBJECT,
        "Whom is it for?",
        "Their account or whole name.",
        True,
        100,
        (),
        subject,
        errors.get(SUBJECT, ""),
    )
    return (whom, *fields)


async def references(house: House, person: str) -> dict[str, dict[str, str]]:
    """What a form about this person may refer to, by the field's name: id → what people call it."""
    registration = await house.registry.registration(person)
    names = registered_names(registration)
    return {
        "device": {device.id: names[device.id] for device in registration.live},
        "passkey": {passkey.short: names[passkey.short] for passkey in registration.spare},
        "account": await account_names(house, person),
    }


def demanded(playbook: Playbook) -> tuple[Field, ...]:
    """The fields that have to be filled in."""
    return tuple(field for field in playbook.fields if field.required)


def takes(playbook: Playbook) -> str:
    """What it takes, after “It takes”: `your passkey, then 1 more person who agrees`."""
    by_asker = playbook.prover is Party.REQUESTER
    proof = "your passkey" if by_asker else "a confirmation on the registered device"
    if not playbook.consent:
        return proof
    quorum = playbook.places
    others = f"{proof}, then {quorum} more {'person who agrees' if quorum == 1 else 'people who agree'}"
    return others if playbook.objection is None else f"{others}, and a wait in which others can object"
