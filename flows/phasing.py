"""Phasing in: in which mode a playbook stands for whom, and what is recorded where it only observes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.consent import groups
from flows.events import Observed
from flows.model import Facts, Mode, Person, Playbook
from flows.proving import demanded, usable


def mode_for(playbook: Playbook, subject: Person) -> Mode:
    """The mode of the first phase that fits the subject; where none does, the playbook is the way."""
    return next((phase.mode for phase in playbook.modes if _fits(phase.people, subject)), Mode.REQUIRE)


def _fits(people: str, subject: Person) -> bool:
    kind, _, name = people.partition(":")
    match kind:
        case "everyone":
            return True
        case "person":
            return name == subject.id
        case "role":
            return name in subject.roles
        case "group":
            return name in subject.groups
        case _:
            return False


def observed(asked: Mapping[str, Any], playbook: Playbook, facts: Facts, hindrance: str) -> Observed:
    """What would have been demanded of whom. `asked` holds what every request begins with, by its name in `Asked`;
    `hindrance` is the name of the refusal that the prover would have met, if any."""
    parties = {asked["requester"], asked["subject"], asked["prover"]}
    places = [place for step in playbook.consent for place in groups(step, facts.selected, parties, ())]
    return Observed(
        **asked,
        assurance=demanded(playbook, facts.methods),
        methods=usable(playbook, facts.methods),
        quorum=playbook.places,
        approvers=tuple(sorted(frozenset[str]().union(*(place.people for place in places)))),
        hindrance=hindrance,
    )
