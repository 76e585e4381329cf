"""docs/flow.md is drawn from the law, and is what the law draws today."""

from __future__ import annotations

import re

from docs.draw_flow import MOVES, PAGE, diagram, page, table
from flows.law import TRANSITIONS
from flows.model import Stage


def test_the_page_is_what_the_law_draws() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m docs.draw_flow --write`"


def test_the_diagram_shows_every_row_of_the_law_and_no_other() -> None:
    drawn = set()
    for line in diagram():
        if arrow := re.fullmatch(r" +(\S+) --> (\S+): (.+)", line):
            drawn |= {(arrow[1], event, arrow[2]) for event in arrow[3].split("<br/>")}
    law = {
        ("[*]" if before is None else before.value, event.__name__, after.value)
        for (before, event), after in TRANSITIONS.items()
    }
    assert drawn == law


def test_the_diagram_ends_where_a_request_does() -> None:
    ended = {line.split()[0] for line in diagram() if line.endswith("--> [*]")}
    assert ended == {stage.value for stage in Stage if stage.closed}


def test_every_open_stage_says_who_has_the_next_move() -> None:
    assert set(MOVES) == {stage for stage in Stage if not stage.closed}
    assert len(table()) == 2 + len(MOVES)
