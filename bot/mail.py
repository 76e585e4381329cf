"""Letters: what was done in somebody's name, by e-mail, to the address that the directory has of them.

A letter carries news and the way to object, never proof. The same effect makes the same letter, byte for byte and
under the same Message-ID, so one that is handed over twice can be recognised.
"""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

import structlog

from bot.news import WELCOME, Told, in_a_letter, told, welcoming
from bot.smtp import Smtp
from flows.model import Person, Request
from flows.news import News
from handlers.findings import Finding
from handlers.house import House
from handlers.mail_settings import mailbox
from handlers.ports import Undeliverable
from handlers.settings import Settings

log = structlog.get_logger()


class Mail:
    """The Postman port over one mail server."""

    def __init__(self, house: House) -> None:
        settings = house.settings
        assert settings.mail_server and settings.mail_from  # noqa: S101,PT018  settings see to it
        self._house = house
        self._sender = settings.mail_from
        self._smtp = Smtp(settings.mail_server, settings.rp_id)

    async def reaches(self, person: str) -> bool:
        """Whether the directory has an address of theirs that can be written to. Raises DirectoryAway."""
        found = await self._house.people.person(person)
        return found is not None and mailbox(found.email) is not None

    async def write(self, news: News, request: Request | None, key: str) -> None:
        """Hand over one letter. Raises DirectoryAway, Undeliverable and what the network does."""
        person = await self._house.people.person(news.person)
        to = mailbox(person.email) if person else None
        if person is None or to is None:
            return
        playbook = await self._house.desk.playbook_of(request) if request else None
        said = told(news, person.timezone, request, playbook)
        letter = written(said, person, to, self._sender, self._house.settings.public_url, news, key)
        await self._smtp.hand_over(letter, self._sender, to)
        id = request.id if request else None
        log.info("written", request_id=id, person=person.id, what=news.what.value)

    async def welcome(self, person: str, address: str) -> bool:
        """Write to somebody that they can register a device at `address`. False where they have no address.

        Raises DirectoryAway and what the network does.
        """
        found = await self._house.people.person(person)
        to = mailbox(found.email) if found else None
        if found is None or to is None:
            return False
        letter = addressed(
            self._sender, to, WELCOME, self._house.store.clock(), f"welcome:{person}:{address}"
        )
        _say(letter, welcoming(found, address))
        try:
            await self._smtp.hand_over(letter, self._sender, to)
        except Undeliverable:
            return False
        log.info("welcomed", person=person)
        return True


def written(
    said: Told, person: Person, to: str, sender: str, address: str, news: News, key: str
) -> EmailMessage:
    """The letter (RFC 5322), in seven bits, so that every server takes it. `to` and `sender` are mailboxes."""
    letter = addressed(sender, to, said.title, news.at, key)
    _say(letter, in_a_letter(said, person, address))
    return letter


def addressed(sender: str, to: str, subject: str, at: datetime, key: str) -> EmailMessage:
    """A letter's headers. The same `key` gives the same Message-ID."""
    letter = EmailMessage(policy=SMTP)
    letter["From"] = Address("Countersign", addr_spec=sender)
    letter["To"] = Address(addr_spec=to)
    letter["Subject"] = subject
    letter["Date"] = format_datetime(at)
    letter["Message-ID"] = f"<{sha256(key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: no holiday replies, please
    return letter


def _say(letter: EmailMessage, text: str) -> None:
    letter.set_content(text, charset="utf-8", cte="quoted-printable")


async def findings(settings: Settings) -> list[Finding]:
    """The doctor's look. Empty where mail isn't set up."""
    if settings.mail_server is None:
        return []
    return await Smtp(settings.mail_server, settings.rp_id).look()
