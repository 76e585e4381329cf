"""Every shipped playbook has its page, whose facts are what the playbook says today and whose prose is complete."""

from __future__ import annotations

import pytest

from docs.draw_playbooks import BEGIN, END, HEADINGS, PAGES, drawn, shipped
from tests.docs.pages import page

SHIPPED = shipped()


def test_there_is_a_page_for_each_and_no_other() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_its_facts_are_what_the_playbook_says(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text("utf-8")
    assert text == drawn(text, *SHIPPED[name]), "run `python -m docs.draw_playbooks --write`"


@pytest.mark.parametrize("name", SHIPPED)
def test_it_tells_by_hand_what_a_file_cant(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# {SHIPPED[name][1].title}\n")
    parts = dict(zip(HEADINGS, _parts(text), strict=True))
    assert [heading for heading, part in parts.items() if len(part.split()) < 12] == []


def _parts(text: str) -> list[str]:
    """What stands below each heading, in the order of HEADINGS."""
    marks = [f"\n## {heading}\n" for heading in HEADINGS]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    ends = [*places[1:], len(text)]
    return [text[start + len(mark) : end] for start, mark, end in zip(places, marks, ends, strict=True)]


def test_a_page_whose_playbook_changed_is_seen() -> None:
    path, playbook = SHIPPED["password_reset"]
    text = f"# Password reset\n\n{BEGIN}\n\n| tier | 0 |\n\n{END}\n"
    assert drawn(text, path, playbook) != text
    assert drawn(drawn(text, path, playbook), path, playbook) == drawn(text, path, playbook)
    with pytest.raises(ValueError, match="no place"):
        drawn("# Password reset\n", path, playbook)


def test_the_list_leads_to_every_page() -> None:
    text = page("docs/playbooks.md").text
    assert [name for name in SHIPPED if f"(playbooks/{name}.md)" not in text] == []
