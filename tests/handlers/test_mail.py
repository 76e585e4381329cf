"""Telling people elsewhere: what is done in somebody's name reaches their mailbox and chat, once, in time."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from bot.journal import Everywhere
from bot.mail import Mail
from bot.news import WELCOME, WORDS
from flows.commands import Disown
from flows.model import Origin, Person, Request, Stage
from flows.news import What
from flows.standing import FAILURES
from handlers.people import Roster
from handlers.recovery import Attempt
from handlers.worker import AT_ONCE
from storage.sql import TABLES
from tests.company import ON_DEVICE, Company, Phone, company
from tests.peers.certificates import Authority
from tests.peers.mail import MailServer

MAYA, OMAR = "maya.lindqvist@example.com", "omar.haddad@example.com"
OUTBOX = TABLES["outbox"]
TWO_MINUTES = timedelta(minutes=2)
SENDER = "countersign@acme.test"
SLACK = Origin("slack", "T0ACME", "U0MAYA", "D1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def mail(authority: Authority) -> AsyncIterator[MailServer]:
    async with MailServer(authority.sign("localhost")) as found:
        yield found


@contextlib.asynccontextmanager
async def posted(
    database_url: str, folder: Path, mail: MailServer, authority: Authority, **more: object
) -> AsyncIterator[Company]:
    """The company, with its letters going through this server."""
    given = {"smtp_url": mail.url(), "mail_from": SENDER, "smtp_ca_file": authority.file}
    async with company(database_url, folder, **given, **more) as acme:  # type: ignore[arg-type]
        acme.worker.postman = Mail(acme.house)
        yield acme


@pytest.fixture
async def acme(
    database_url: str, tmp_path: Path, mail: MailServer, authority: Authority
) -> AsyncIterator[Company]:
    async with posted(database_url, tmp_path, mail, authority) as found:
        yield found


def to(mail: MailServer, address: str) -> list[str]:
    """The subjects of what came to a mailbox."""
    return [letter["Subject"] for letter in mail.letters if letter["To"] == address]


def text(letter: EmailMessage) -> str:
    """A letter's words."""
    content: str = letter.get_content()
    return content.replace("\r\n", "\n")


async def letters_owed(acme: Company) -> int:
    return len(await acme.store.fetch(select(OUTBOX).where(OUTBOX.c.kind == "Write")))


async def asked(acme: Company, playbook: str, by: Phone, **answers: str) -> Request:
    """Asked for in Slack, proved and carried out."""
    request = await acme.asks(playbook, by.person, answers=answers, origin=SLACK)
    await acme.proves(request, by)
    await acme.worker.drain()
    return await acme.desk.get(request.id)


# -- what is told ---------------------------------------------------------------------------------


async def test_a_device_that_is_registered_is_told_in_both_places(acme: Company, mail: MailServer) -> None:
    await acme.enrolled("maya", told=True)
    await acme.worker.drain()
    expected = [
        "An enrolment link was made for you",
        "A device was registered for you",
        "A sign-in app was added to a device of yours",
    ]
    assert sorted(to(mail, MAYA)) == sorted(expected)
    assert {news.what for news in acme.mailbox.notified} == {
        What.LINK_MADE,
        What.DEVICE_REGISTERED,
        What.APP_ADDED,
    }
    assert {news.person for news in acme.mailbox.notified} == {"maya"}
    assert acme.mailbox.announced == []


async def test_a_device_that_is_removed_is_told(acme: Company, mail: MailServer) -> None:
    maya, other = await acme.enrolled("maya"), await acme.enrolled("nina")
    over = await asked(acme, "device_revocation", maya, device=maya.device)
    assert over.stage is Stage.FULFILLED
    (letter,) = mail.letters
    assert letter["Subject"] == "A device of yours was removed"
    assert f"Request: {over.id} (Device removal)" in text(letter)
    assert "Where: in Slack" in text(letter)
    assert [(news.what, news.device) for news in acme.mailbox.notified] == [
        (What.DEVICE_REVOKED, "maya's phone")
    ]
    assert "phone" not in text(letter)  # its name may have been chosen to deceive
    assert other.person == "nina"


async def test_a_link_to_another_device_is_told(acme: Company, mail: MailServer) -> None:
    await asked(acme, "add_device", await acme.enrolled("maya"))
    assert to(mail, MAYA) == ["An enrolment link was made for you"]
    assert "/enrol/" not in text(mail.letters[0])


async def test_a_request_that_somebody_else_opened_is_told(acme: Company, mail: MailServer) -> None:
    await acme.enrolled("maya")
    await acme.asks("password_reset", "maya", by="omar")
    await acme.worker.drain()
    assert to(mail, MAYA) == ["Somebody else asked for something in your name"]
    assert to(mail, OMAR) == []
    assert "Omar" not in text(mail.letters[0])


async def test_what_one_asks_for_oneself_is_told_once_it_is_done(acme: Company, mail: MailServer) -> None:
    maya = await acme.enrolled("maya")
    request = await acme.asks("password_reset", "maya", origin=SLACK)
    await acme.worker.drain()
    assert mail.letters == []
    await acme.proves(request, maya)
    await acme.worker.drain()
    password = await acme.desk.show_secret(request.id, "maya", maya.device)
    await acme.worker.drain()
    assert to(mail, MAYA) == ["Your password was changed"]
    assert password.encode() not in mail.raw[0]


async def test_another_change_is_told_by_its_title(acme: Company, mail: MailServer) -> None:
    await asked(acme, "account_unlock", await acme.enrolled("maya"))
    assert to(mail, MAYA) == ["Something was changed in your name"]
    assert "(Account unlock)" in text(mail.letters[0])


async def test_a_request_that_is_disowned_is_told_to_both(acme: Company, mail: MailServer) -> None:
    await acme.enrolled("maya")
    request = await acme.asks("account_unlock", "maya", by="omar")
    await acme.worker.drain()
    mail.letters.clear()
    await acme.desk.submit(request.id, Disown("maya"))
    await acme.worker.drain()
    stopped = "A request in your name was stopped"
    assert sorted(to(mail, MAYA)) == [stopped, "Everything in your name rests"]
    assert to(mail, OMAR) == [stopped]
    told = [text(letter) for letter in mail.letters if letter["Subject"] == stopped]
    assert all("said that they didn't ask for it" in each for each in told)


async def test_a_request_that_is_locked_is_told(acme: Company, mail: MailServer) -> None:
    maya = await acme.enrolled("maya", passkey=False)
    request = await acme.asks("account_unlock", "maya")
    _, number = await acme.desk.number(request.id)
    wrong = f"{(int(number) + 1) % 10**6:06d}"
    for _ in range(3):
        await acme.types(request, maya, number=wrong)
        acme.hands.forward(seconds=30)
    assert (await acme.desk.get(request.id)).stage is Stage.LOCKED
    await acme.worker.drain()
    assert to(mail, MAYA) == ["A request in your name was stopped"]
    assert "too many wrong answers" in text(mail.letters[0])
    assert number.encode() not in mail.raw[0]


async def test_a_letter_says_when_where_and_how_to_object(acme: Company, mail: MailServer) -> None:
    acme.hands.now = datetime(2031, 7, 1, 12, 0, tzinfo=UTC)
    await asked(acme, "account_unlock", await acme.enrolled("maya"))
    (letter,) = mail.letters
    said = text(letter)
    assert said.startswith("Hello Maya Lindqvist,\n")
    assert "When: Tuesday 1 July 2031, 14:00 (CEST, UTC+2)" in said  # where Maya is
    assert "If this wasn't you: open your device page (http://localhost:8080)" in said
    assert "call the desk or security yourself" in said
    assert re.findall(r"https?://\S+", said) == ["http://localhost:8080),"]
    assert not re.search(r"(?<![\w-])\d{3} ?\d{3}(?![\w-])", said)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["From"] == f"Countersign <{SENDER}>"
    assert parsedate_to_datetime(letter["Date"]) == acme.hands.now
    assert letter.get_content_type() == "text/plain"
    assert letter.get_content_charset() == "utf-8"


# -- once, and in time -----------------------------------------------------------------------------


async def test_a_server_that_was_away_gets_the_letter_later(acme: Company, mail: MailServer) -> None:
    await mail.stop()
    over = await asked(acme, "account_unlock", await acme.enrolled("maya"))
    assert over.stage is Stage.FULFILLED  # a request never waits for a letter
    assert mail.letters == []
    await mail.start()
    await acme.worker.drain()
    assert mail.letters == []  # not before its pause is over
    acme.hands.forward(minutes=3)
    await acme.worker.drain()
    assert to(mail, MAYA) == ["Something was changed in your name"]
    acme.hands.forward(minutes=3)
    await acme.worker.drain()
    assert len(mail.letters) == 1
    assert await acme.worker.outbox.waiting() == (0, None)


async def test_a_letter_that_is_sent_twice_is_the_same_letter(acme: Company, mail: MailServer) -> None:
    """As after a crash between the server's yes and our commit."""
    await acme.enrolled("maya")
    await acme.asks("account_unlock", "maya", by="omar")
    (row,) = await acme.worker.outbox.claim(9, TWO_MINUTES, letters=True)
    await acme.worker.pay(row)
    await acme.store.run(OUTBOX.insert().values(**row))
    acme.hands.forward(minutes=3)
    await acme.worker.drain()
    first, second = mail.raw
    assert first == second
    assert len({letter["Message-ID"] for letter in mail.letters}) == 1


async def test_different_news_are_different_letters(acme: Company, mail: MailServer) -> None:
    await acme.enrolled("maya", told=True)
    await acme.enrolled("omar", told=True)
    await acme.worker.drain()
    assert len({letter["Message-ID"] for letter in mail.letters}) == len(mail.letters) == 6


async def test_news_are_owed_in_the_commit_that_makes_them_so(acme: Company) -> None:
    await acme.enrolled("maya", told=True)
    owed = [row["key"] for row in await acme.store.fetch(select(OUTBOX))]
    assert len(owed) == 6
    assert {key.rpartition(":")[2] for key in owed} == {"chat", "mail"}


async def test_a_silent_server_keeps_no_request_waiting(acme: Company, mail: MailServer) -> None:
    mail.silent = True
    maya = await acme.enrolled("maya")
    for person in ("nina", "sam", "omar", "ravi", "eve"):  # each of these letters hangs
        await acme.enrolled(person, told=True)
    for person in ("eve", "ravi", "maya"):
        await acme.asks("password_reset", person, by="omar")
    assert await letters_owed(acme) > AT_ONCE
    task = asyncio.create_task(acme.worker.run())
    try:
        request = await acme.asks("account_unlock", "maya", origin=ON_DEVICE)
        await acme.proves(request, maya)
        acme.worker.wake()
        async with asyncio.timeout(12):
            while (await acme.desk.get(request.id)).stage is not Stage.FULFILLED:  # noqa: ASYNC110  as its page would poll
                await asyncio.sleep(0.02)
        assert mail.letters == []
    finally:
        task.cancel()
        await mail.stop()


# -- who can't be told ------------------------------------------------------------------------------


async def test_somebody_without_chat_and_mail_is_named_to_security(acme: Company, mail: MailServer) -> None:
    acme.mailbox.read = False
    mail.refused.add(MAYA)
    await acme.enrolled("maya", told=True)
    await acme.worker.drain()
    told = {detail for _, notice, detail in acme.mailbox.announced if notice == "untold"}
    assert "maya: device_registered (the mail server refuses the address, code 550)" in told
    assert not any("@" in detail for detail in told)
    assert await acme.worker.outbox.waiting() == (0, None)  # asking again won't help


@pytest.mark.parametrize("address", [None, "maya@example.com, eve@example.com", "maya"])
async def test_an_address_that_is_none_is_not_written_to(
    database_url: str, tmp_path: Path, mail: MailServer, authority: Authority, address: str | None
) -> None:
    people = Roster([Person("maya", "Maya Lindqvist", "maya.lindqvist", email=address)])
    async with posted(database_url, tmp_path, mail, authority, people=people) as acme:
        acme.mailbox.read = False
        await acme.enrolled("maya", told=True)
        await acme.worker.drain()
        told = [detail for _, notice, detail in acme.mailbox.announced if notice == "untold"]
        assert "maya: device_registered (no chat, no address)" in told
        assert mail.visits == 0


async def test_a_chat_alone_is_enough(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:  # without mail
        await acme.enrolled("maya", told=True)
        await acme.worker.drain()
        assert len(acme.mailbox.notified) == 3
        assert acme.mailbox.announced == []
        acme.mailbox.read = False
        await acme.enrolled("omar", told=True)
        await acme.worker.drain()
        assert {detail for _, _, detail in acme.mailbox.announced} >= {
            "omar: device_registered (no chat, no address)"
        }


# -- joining ----------------------------------------------------------------------------------------


async def test_a_wave_goes_by_letter_to_whoever_has_no_device_and_an_address(
    acme: Company, mail: MailServer
) -> None:
    address = "http://localhost:8080/join"
    everywhere = Everywhere(acme.worker.messenger, beside=[Mail(acme.house)])
    assert await everywhere.welcome("maya", address)
    (letter,) = [each for each in mail.letters if each["To"] == MAYA]
    assert letter["Subject"] == WELCOME
    assert address in text(letter)
    assert "Hello Maya Lindqvist," in text(letter)
    assert not re.search(r"[0-9]{6}|token|[A-Za-z0-9_-]{43}", text(letter)), "nothing in it proves anything"
    acme.mailbox.nobody.add("nobody")
    assert not await everywhere.welcome("nobody", address)


async def test_a_used_recovery_code_a_lock_and_a_freeze_are_told_by_letter(
    acme: Company, mail: MailServer
) -> None:
    maya = await acme.enrolled("maya")
    request = await acme.asks("recovery_codes", "maya")
    await acme.proves(request, maya)
    await acme.worker.drain()
    (code, other, *_) = (await acme.desk.show_secret(request.id, "maya", maya.device)).split()
    acme.hands.forward(minutes=1)
    await acme.house.recovery.recover(Attempt("maya.lindqvist", code, maya.code(acme.hands()), "b" * 64))
    for _ in range(FAILURES):
        with pytest.raises(no.NotRecovered):
            await acme.house.recovery.recover(Attempt("maya.lindqvist", other, "000 000", "b" * 64))
    reset = await acme.asks("password_reset", "maya")
    await acme.desk.submit(reset.id, Disown("maya"))
    await acme.worker.drain()
    told = to(mail, MAYA)
    for what in (What.RECOVERY_CODE_USED, What.CODES_LOCKED, What.PERSON_FROZEN):
        assert told.count(WORDS[what][0]) == 1
