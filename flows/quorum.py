"""Quorums: whether distinct people fill all the places that several groups have, each person at most one of them.

Somebody who belongs to two groups counts in either, never in both, so this is a matching of people to places. The
groups of a step are few and small: augmenting paths are found at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """So many places, and who may fill one."""

    places: int
    people: frozenset[str]


def filled(groups: Sequence[Group], agreed: Collection[str]) -> tuple[frozenset[str], ...]:
    """Who of those who agreed counts in which group, so that as many places as possible are filled."""
    taken: list[set[str]] = [set() for _ in groups]
    for person in sorted(set(agreed)):
        _seat(person, groups, taken, set())
    return tuple(frozenset(people) for people in taken)


def full(groups: Sequence[Group], agreed: Collection[str]) -> bool:
    """Whether every place is filled by somebody of its own."""
    return sum(map(len, filled(groups, agreed))) == places(groups)


def places(groups: Sequence[Group]) -> int:
    """How many places there are in all."""
    return sum(group.places for group in groups)


def wanted(groups: Sequence[Group], agreed: Collection[str]) -> frozenset[str]:
    """Those whose consent would fill one place more."""
    so_far = sum(map(len, filled(groups, agreed)))
    everybody = frozenset[str]().union(*(group.people for group in groups)) - set(agreed)
    return frozenset(
        person for person in everybody if sum(map(len, filled(groups, {*agreed, person}))) > so_far
    )


def _seat(person: str, groups: Sequence[Group], taken: list[set[str]], tried: set[int]) -> bool:
    """Give this person a place: a free one, or one whose holder can move to another group."""
    for index, group in enumerate(groups):
        if index in tried or person not in group.people:
            continue
        tried.add(index)
        if len(taken[index]) < group.places:
            taken[index].add(person)
            return True
        for holder in sorted(taken[index]):
            taken[index].remove(holder)
            if _seat(holder, groups, taken, tried):
                taken[index].add(person)
                return True
            taken[index].add(holder)
    return False
