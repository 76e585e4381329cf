"""People and places: whoever belongs to several groups counts once, wherever that helps most."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from flows.quorum import Group, filled, full, places, wanted

PEOPLE = ("eve", "maya", "nina", "omar", "ravi")
groups = st.lists(
    st.builds(Group, st.integers(1, 2), st.sets(st.sampled_from(PEOPLE)).map(frozenset)), max_size=3
).map(tuple)
agreed = st.sets(st.sampled_from(PEOPLE))


def most(asked: tuple[Group, ...], people: set[str]) -> int:
    """How many places can be filled, found out by trying every way of seating these people."""
    seats = [group for group in asked for _ in range(group.places)]
    ways = permutations([*sorted(people), *[""] * len(seats)], len(seats))
    return max(
        sum(person in seat.people for person, seat in zip(way, seats, strict=True)) for way in set(ways)
    )


@given(groups, agreed)
def test_as_many_places_are_filled_as_can_be(asked: tuple[Group, ...], people: set[str]) -> None:
    seated = filled(asked, people)
    assert sum(map(len, seated)) == most(asked, people)
    for group, there in zip(asked, seated, strict=True):
        assert len(there) <= group.places
        assert there <= group.people & people
    assert len(frozenset().union(*seated)) == sum(map(len, seated)), "somebody counts twice"
    assert full(asked, people) is (most(asked, people) == places(asked))


@given(groups, agreed)
def test_whoever_is_wanted_brings_it_one_place_further(asked: tuple[Group, ...], people: set[str]) -> None:
    further = {
        person for person in set(PEOPLE) - people if most(asked, {*people, person}) > most(asked, people)
    }
    assert wanted(asked, people) == further


def test_one_person_in_two_groups_makes_room_for_another() -> None:
    managers, owners = Group(1, frozenset({"omar", "nina"})), Group(1, frozenset({"omar"}))
    assert not full((managers, owners), {"omar"})
    assert wanted((managers, owners), {"omar"}) == {"nina"}
    assert full((managers, owners), {"omar", "nina"})
    assert filled((managers, owners), {"omar", "nina"}) == ({"nina"}, {"omar"})
