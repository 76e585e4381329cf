"""Schedules in files: turns, shifts, summer time, and everything that can be written wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.on_call import schedules
from handlers.rota import Rota, Rotation, read
from handlers.settings import SettingsError

TURNS = """\
timezone: Europe/Stockholm
rotation:
  people: [nina, sam, omar.haddad]
  begins: 2026-01-05 09:00
  each: 7 days
"""
SHIFTS = """\
timezone: Europe/Stockholm
shifts:
  - person: nina
    from: 2026-12-24 09:00
    until: 2026-12-27 09:00
  - person: sam
    from: 2026-12-26 09:00
    until: 2026-12-28 09:00
    timezone: Africa/Lagos
  - person: omar
    from: 2026-12-30T00:00+00:00
    until: "2026-12-31"
"""


def rota(folder: Path, text: str) -> Rota:
    path = folder / "on-call.yaml"
    path.write_text(text)
    return read(path)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_people_take_turns_by_the_clock_on_the_wall(tmp_path: Path) -> None:
    turns = rota(tmp_path, TURNS)
    assert turns.at(at("2026-01-05T08:59:59+01:00")) == set(), "nobody before the first turn"
    assert turns.at(at("2026-01-05T09:00:00+01:00")) == {"nina"}
    assert turns.at(at("2026-01-12T08:59:59+01:00")) == {"nina"}
    assert turns.at(at("2026-01-12T09:00:00+01:00")) == {"sam"}
    assert turns.at(at("2026-01-26T09:00:00+01:00")) == {"nina"}, "and it begins anew"
    # Clocks went forward on 29 March: turns still change at nine.
    assert turns.at(at("2026-03-30T08:59:59+02:00")) == {"omar.haddad"}
    assert turns.at(at("2026-03-30T09:00:00+02:00")) == {"nina"}


def test_shifts_may_overlap_and_leave_gaps(tmp_path: Path) -> None:
    shifts = rota(tmp_path, SHIFTS)
    assert shifts.at(at("2026-12-24T07:59:59Z")) == set()
    assert shifts.at(at("2026-12-24T08:00:00Z")) == {"nina"}
    assert shifts.at(at("2026-12-26T09:00:00Z")) == {"nina", "sam"}
    assert shifts.at(at("2026-12-27T08:00:00Z")) == {"sam"}, "the end isn't part of a shift"
    assert shifts.at(at("2026-12-29T12:00:00Z")) == set(), "a gap is nobody's"
    assert shifts.at(at("2026-12-30T22:59:59Z")) == {"omar"}
    assert shifts.at(at("2026-12-30T23:00:00Z")) == set()


def test_an_hour_that_comes_twice_is_whole(tmp_path: Path) -> None:
    text = SHIFTS.partition("  - person: sam")[0]
    text = text.replace("2026-12-24 09:00", "2026-10-25 02:30").replace(
        "2026-12-27 09:00", "2026-10-25 02:31"
    )
    shifts = rota(tmp_path, text)
    for moment in ("00:30", "01:00", "01:30"):
        assert shifts.at(at(f"2026-10-25T{moment}:00Z")) == {"nina"}
    assert shifts.at(at("2026-10-25T01:31:00Z")) == set()


@given(st.integers(0, 10**9), st.integers(1, 400))
def test_somebody_is_on_call_at_every_moment_of_a_rotation(seconds: int, hours: int) -> None:
    begins = datetime.fromisoformat("2026-01-05T09:00")
    turns = Rotation(("nina", "sam"), begins, timedelta(hours=hours), ZoneInfo("Europe/Stockholm"))
    assert len(turns.at(at("2026-01-05T08:00:00Z") + timedelta(seconds=seconds))) == 1


# What is written instead of what → line, field, a piece of what is said, a piece of the remedy.
WRONG: Mapping[str, tuple[str, str, str, int, str, str, str]] = {
    "no zone": (TURNS, "timezone: Europe/Stockholm\n", "", 1, "timezone", "is missing", "`Europe/Stockholm`"),
    "an unknown zone": (TURNS, "Europe/Stockholm", "Europe/Acme", 1, "timezone", "no time zone", "`Europe/"),
    "a folder's name": (TURNS, "Europe/Stockholm", "Europe", 1, "timezone", "no time zone", "`Europe/"),
    "a path": (TURNS, "Europe/Stockholm", "../../etc/passwd", 1, "timezone", "no time zone", "`Europe/"),
    "an unknown key": (TURNS, "each:", "every:", 5, "rotation.every", "not a key here", ""),
    "nobody": (TURNS, "[nina, sam, omar.haddad]", "[]", 3, "rotation.people", "is empty", "who takes turns"),
    "a number": (TURNS, "nina, sam", "7, sam", 3, "rotation.people.1", "is not text", "person id"),
    "a name with a space": (TURNS, "nina,", "nina k,", 3, "rotation.people.1", "doesn't fit", "person id"),
    "no time": (TURNS, "2026-01-05 09:00", "monday", 4, "rotation.begins", "no time", "`2026-01-05 09:00`"),
    "a time out of time": (TURNS, "2026-01-05 09:00", "0001-01-01T00:00+14:00", 4, "rotation.begins", "no time", ""),
    "a day that YAML reads": (TURNS, "2026-01-05 09:00", "2026-01-05", 4, "rotation.begins", "own way", "quotes"),
    "a short turn": (TURNS, "7 days", "5 minutes", 5, "rotation.each", "an hour or more", "`7 days`"),
    "no duration": (TURNS, "7 days", "a week", 5, "rotation.each", "an hour or more", "`7 days`"),
    "both": (SHIFTS, "shifts:", "rotation: {people: [a], begins: 2026-01-05 09:00, each: 1 day}\nshifts:", 1,
             "the file", "either", "Keep one"),
    "neither": ("timezone: UTC\n#\n", "#\n", "", 1, "the file", "either", "Keep one"),
    "no shifts": ("timezone: UTC\nshifts: []\n#", "#", "", 2, "shifts", "is empty", "List shifts"),
    "a shift that ends first": (SHIFTS, "until: 2026-12-27 09:00", "until: 2026-12-24 09:00", 5, "shifts.1.until",
                                "not later", "later than it begins"),
    "a shift of an unknown zone": (SHIFTS, "Africa/Lagos", "Mars", 9, "shifts.2.timezone", "no time zone", ""),
    "a skipped time": (SHIFTS, "2026-12-24 09:00", "2026-03-29 02:30", 4, "shifts.1.from", "skips", "or after"),
    "a shift of nobody": (SHIFTS, "person: nina", "persons: nina", 3, "shifts.1.person", "is missing", "person id"),
    "no YAML": (TURNS, "rotation:", "rotation: [", 4, "the file", "is not YAML", ""),
    "nothing": ("#", "#", "", 1, "the file", "has no keys", "`timezone:`"),
    "an alias": (TURNS, "[nina, sam,", "[&a nina, *a,", 3, "the file", "anchor", "itself"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_file_line_and_remedy(what: str, tmp_path: Path) -> None:
    text, old, new, line, field, wrong, remedy = WRONG[what]
    assert text.count(old) == 1
    with pytest.raises(SettingsError) as refused:
        rota(tmp_path, text.replace(old, new))
    said = [each for each in str(refused.value).splitlines() if f": {field} " in each]
    assert said, str(refused.value)
    assert said[0].startswith(f"{tmp_path / 'on-call.yaml'}:{line}: {field} ")
    assert wrong in said[0]
    assert remedy in said[0]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"among": "role:security"}, "on_call.night: file: Field required"),
        ({"file": "x.yaml"}, "on_call.night: among: Field required"),
        ({"file": "x.yaml", "among": "manager"}, "on_call.night: among"),
        ({"file": "x.yaml", "among": "on_call:night"}, "on_call.night: among"),
        ({"file": "x.yaml", "among": "owner"}, "on_call.night: among"),
        ({"file": "/nowhere.yaml", "among": "role:security"}, "/nowhere.yaml:1: the file can't be read"),
        ({"url": "http://pager.example.com", "among": "role:a", "secret": "whsec_" + "QUFB" * 8}, "https://"),
        ({"url": "https://pager.example.com", "among": "role:a"}, "on_call.night: secret: Field required"),
        ({"url": "https://pager.example.com", "among": "role:a", "secret": "short"}, "24 to 64 random bytes"),
        ({"url": "https://pager.example.com", "file": "x.yaml", "among": "role:a"}, "on_call.night: file"),
    ],
)
def test_a_schedule_that_cant_be_one_stops_the_start(entry: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        schedules({"night": entry, "Night": {}})
    assert said in str(refused.value)
    assert "on_call.Night: a schedule's name" in str(refused.value), "everything is told at once"
    assert "short" not in str(refused.value)


async def test_a_file_tells_who_is_on_call_now(tmp_path: Path) -> None:
    path = tmp_path / "on-call.yaml"
    path.write_text(TURNS)
    entry = {"file": str(path), "among": "group:security-team"}
    made = schedules({"security": entry}, lambda: at("2026-01-13T12:00:00Z"))["security"]
    assert (made.among, await made.on_call()) == ("group:security-team", {"sam"})
