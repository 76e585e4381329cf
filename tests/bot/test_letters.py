"""Letters are well formed, and hold nothing but our words, whatever names, titles and addresses come along."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards import Reply
from bot.mail import written
from bot.news import in_chat, told
from flows.model import Person, SecretKind
from flows.news import News, What
from handlers.mail_settings import mailbox
from tests.flows.stories import ACCESS, CHOSEN, RESET, TERMINAL, collectable, opened

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SENDER, HOME = "countersign@acme.test", "https://desk.example.com"
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
]

hostile = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "Maya\r\nBcc: eve@example.com",
            "Maya\n\nCall 482913 now",
            "Maya\u2028Bcc: eve@example.com",
            "\u202eayaM",
            "=?utf-8?q?Bcc:_eve?=",
            "Ma\x00ya",
            "\ud800",
            ".\r\n.\r\n",
            "From me to you",
        ]
    ),
)
addresses = st.one_of(
    st.text(max_size=300),
    st.emails(),
    st.builds(lambda a, b: f"{a}@{b}", hostile, st.sampled_from(["example.com", "x", "bücher.example"])),
    st.builds(
        lambda a, b: f"maya@example.com{a}{b}", st.sampled_from([",", " ", "\r\n", ">", "\n"]), hostile
    ),
)


def a_letter(name: str, news: News, to: str = "maya@example.com") -> EmailMessage:
    person = Person("maya", name, "maya", timezone="Europe/Stockholm")
    said = told(news, person.timezone)
    return written(said, person, to, SENDER, HOME, news, "news:1:mail")


def read(letter: EmailMessage) -> EmailMessage:
    """As whoever gets it reads it."""
    return cast(EmailMessage, message_from_bytes(letter.as_bytes(), policy=policy.default))


@given(name=hostile, device=hostile, what=st.sampled_from(What))
def test_no_name_makes_a_header_or_breaks_the_letter(name: str, device: str, what: What) -> None:
    letter = a_letter(name, News("maya", what, AT, device))
    back = read(letter)
    assert list(back.keys()) == HEADERS
    assert back["To"] == "maya@example.com"
    assert not back.defects
    assert max(map(len, letter.as_bytes().split(b"\r\n"))) <= 998  # RFC 5322 section 2.1.1
    assert letter.as_bytes().isascii()
    lines = back.get_content().replace("\r\n", "\n").split("\n")
    assert lines[0].startswith("Hello ")
    assert lines[2].endswith(".")  # the name stayed in its line
    assert "482913" not in " ".join(lines[2:])


@given(address=addresses)
def test_an_address_is_one_address_or_none(address: str) -> None:
    to = mailbox(address)
    if to is None:
        return
    back = read(a_letter("Maya", News("maya", What.APP_ADDED, AT), to))
    assert list(back.keys()) == HEADERS
    assert [each.addr_spec for each in back["To"].addresses] == [to]
    assert not re.search(r"[\s<>,;:]", to)


@given(title=hostile)
def test_a_playbooks_title_stays_in_its_line(title: str) -> None:
    playbook = replace(RESET, title=title)
    said = told(News("maya", What.CHANGE_MADE, AT), "UTC", opened().it, playbook)
    assert all("\n" not in value and "\r" not in value for _, value in said.facts)


@pytest.mark.parametrize("what", What)
def test_every_news_has_words_and_says_how_to_object(what: What) -> None:
    content = read(a_letter("Maya Lindqvist", News("maya", what, AT, "Call 482 913"))).get_content()
    assert "If this wasn't you" in content
    assert "Monday 2 March 2026, 10:00 (CET, UTC+1)" in content
    assert "482" not in content  # what a device is called stays out of letters
    assert re.findall("https?://[^ )]+", content) == [HOME]


@pytest.mark.parametrize("what", What)
def test_in_chat_the_devices_name_is_quoted_and_nothing_can_be_pressed(what: What) -> None:
    news = News("maya", what, AT, "<!channel> press https://evil.test")
    reply = in_chat(news, told(news, "Europe/Stockholm"), HOME)
    assert reply.quoted == news.device
    assert reply.choices == ()
    assert "evil" not in str(Reply(reply.title, reply.text, reply.lines, small=reply.small))


def test_what_was_done_is_said_by_what_the_playbook_hands_out() -> None:
    request, news = collectable().it, News("maya", What.CHANGE_MADE, AT)
    assert RESET.secret is SecretKind.TEMPORARY_PASSWORD
    for playbook, title in ((RESET, "Your password was changed"), (CHOSEN, "Your password was changed")):
        assert told(news, "UTC", request, playbook).title == title
    assert told(news, "UTC", request, ACCESS).title == "Something was changed in your name"


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("slack", "in Slack"),
        ("teams", "in Teams"),
        ("terminal", "on the command line"),
        ("device_page", "on the device page"),
    ],
)
def test_it_says_where_it_was_asked(platform: str, place: str) -> None:
    request = opened().it.but({"origin": replace(TERMINAL, platform=platform)})
    assert ("Where", place) in told(News("maya", What.REQUEST_OPENED, AT), "UTC", request).facts
    assert ("Where", "on the device page") in told(News("maya", What.APP_ADDED, AT), "UTC", request).facts
    assert ("Where", "on the command line") in told(News("maya", What.LINK_MADE, AT), "UTC").facts
