"""The mail server: reached over TLS that proves its name, or not at all; and what the doctor says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import aiosmtplib
import pytest
from pydantic import SecretStr, ValidationError

from bot.mail import findings
from bot.smtp import Smtp
from handlers.findings import Level
from handlers.mail_settings import MailSettings, mailbox, server
from handlers.ports import Undeliverable
from handlers.settings import SettingsError
from tests.company import settings_for
from tests.peers.certificates import Authority
from tests.peers.mail import PASSWORD, MailServer

MAYA, SENDER = "maya.lindqvist@example.com", "countersign@acme.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=["from the first byte", "by STARTTLS"])
async def mail(request: pytest.FixtureRequest, authority: Authority) -> AsyncIterator[MailServer]:
    implicit = request.param == "from the first byte"
    async with MailServer(authority.sign("localhost"), implicit=implicit) as found:
        yield found


def letter() -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = SENDER, MAYA, "News"
    made.set_content("Hello Maya", cte="quoted-printable")
    return made


def smtp(url: str, ca_file: Path | None) -> Smtp:
    return Smtp(server(url, ca_file), "desk.acme.test")


async def hands_over(there: Smtp, to: str = MAYA) -> None:
    await there.hand_over(letter(), SENDER, to)


async def test_a_letter_is_handed_over_to_the_server_of_that_name(
    mail: MailServer, authority: Authority
) -> None:
    await hands_over(smtp(mail.url(), authority.file))
    assert mail.envelopes == [(SENDER, [MAYA])]
    (finding,) = await smtp(mail.url(), authority.file).look()
    assert finding.level is Level.WARN  # it is good for a day
    assert "signed in; its certificate is good for" in finding.seen
    assert len(mail.letters) == 1  # looking sends nothing


async def test_a_certificate_of_an_unknown_authority_is_refused(mail: MailServer, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Another authority")
    for ca_file in (None, other.file):
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await hands_over(smtp(mail.url(), ca_file))
        (finding,) = await smtp(mail.url(), ca_file).look()
        assert finding.level is Level.FAIL
        assert "certificate that isn't good" in finding.seen
        assert "COUNTERSIGN_SMTP_CA_FILE" in finding.remedy
    assert mail.letters == []


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("wrong", ["name", "date"])
async def test_a_certificate_of_another_name_or_time_is_refused(
    authority: Authority, implicit: bool, wrong: str
) -> None:
    name = "mail.elsewhere.test" if wrong == "name" else "localhost"
    identity = authority.sign(name, expired=wrong == "date")
    async with MailServer(identity, implicit=implicit) as mail:
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await hands_over(smtp(mail.url(), authority.file))
        (finding,) = await smtp(mail.url(), authority.file).look()
        assert finding.level is Level.FAIL
        assert "certificate that isn't good" in finding.seen
        assert mail.letters == []


async def test_a_wrong_password_is_told_and_not_repeated(mail: MailServer, authority: Authority) -> None:
    wrong = smtp(mail.url(password="Xanadu-4711"), authority.file)
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await hands_over(wrong)
    (finding,) = await wrong.look()
    assert finding.level is Level.FAIL
    assert "doesn't take the user and the password (code 535)" in finding.seen
    assert "Xanadu" not in f"{finding}{server(mail.url(password='Xanadu-4711'))!r}"
    assert mail.letters == []


async def test_without_starttls_nothing_is_said(authority: Authority) -> None:
    """A server, or somebody before it, that doesn't offer TLS hears neither the password nor the letter."""
    async with MailServer() as mail:
        there = smtp(mail.url().replace("plain://", "smtp://"), authority.file)
        with pytest.raises(aiosmtplib.SMTPException):
            await hands_over(there)
        (finding,) = await there.look()
        assert (finding.level, "no STARTTLS" in finding.seen) == (Level.FAIL, True)
        assert mail.letters == []


async def test_a_server_on_this_machine_may_speak_in_the_clear() -> None:
    async with MailServer() as mail:
        await hands_over(smtp(mail.url(), None))
        (finding,) = await smtp(mail.url(), None).look()
        assert (finding.level, "without TLS on this machine" in finding.seen) == (Level.PASS, True)
        assert len(mail.letters) == 1


async def test_an_address_that_is_refused_for_good_is_told_apart(
    mail: MailServer, authority: Authority
) -> None:
    mail.refused.add(MAYA)
    with pytest.raises(Undeliverable, match="code 550"):
        await hands_over(smtp(mail.url(), authority.file))
    mail.refused.clear()
    mail.busy = True
    with pytest.raises(aiosmtplib.SMTPResponseException):
        await hands_over(smtp(mail.url(), authority.file))


async def test_the_doctor_says_when_nobody_is_there(
    sqlite_url: str, tmp_path: Path, authority: Authority
) -> None:
    mail = MailServer(authority.sign("localhost"))
    await mail.start()
    await mail.stop()
    given = {"smtp_url": mail.url(), "mail_from": SENDER, "smtp_ca_file": authority.file}
    (finding,) = await findings(settings_for(sqlite_url, tmp_path, **given))
    assert finding.level is Level.FAIL
    assert f"localhost:{mail.port} can't be used" in finding.seen
    assert PASSWORD not in str(finding)
    assert await findings(settings_for(sqlite_url, tmp_path)) == []


# -- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port", "implicit"),
    [
        ("smtps://desk:p%40ss@mail.acme.test", "mail.acme.test", 465, True),
        ("smtp://desk:p%40ss@mail.acme.test:2525", "mail.acme.test", 2525, False),
    ],
)
def test_an_address_is_read(url: str, host: str, port: int, implicit: bool) -> None:
    found = server(url)
    assert (found.host, found.port, found.implicit, found.plain) == (host, port, implicit, False)
    assert (found.user, found.password) == ("desk", "p@ss")


@pytest.mark.parametrize(
    "url",
    [
        "https://desk:Xanadu@mail.acme.test",
        "mail.acme.test",
        "smtps://desk:Xa/nadu@mail.acme.test",  # a sign in the password that should have been written %2F
        "smtps://desk:Xa#nadu@mail.acme.test",
        "smtps://desk:Xanadu@mail.acme.test:nadu",
        "smtps://desk:Xanadu@mail.acme.test/path",
        "smtps://desk@mail.acme.test",
        "smtps://:Xanadu@mail.acme.test",
        "plain://mail.acme.test",
        "plain://10.0.0.5:25",
        "smtps://[mail:Xanadu",
    ],
)
def test_a_wrong_address_is_refused_without_repeating_it(sqlite_url: str, tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_for(sqlite_url, tmp_path, smtp_url=url, mail_from=SENDER)
    said = str(refused.value)
    assert "COUNTERSIGN_SMTP_URL" in said
    assert "nadu" not in said
    with pytest.raises(ValidationError) as raw:
        MailSettings(smtp_url=SecretStr(url), mail_from=SENDER)
    assert "nadu" not in str(raw.value)


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_url": "smtps://mail.acme.test"},
        {"mail_from": SENDER},
        {"smtp_url": "smtps://mail.acme.test", "mail_from": "Countersign <desk@acme.test>"},
        {"smtp_url": "smtps://mail.acme.test", "mail_from": SENDER, "smtp_ca_file": "/nowhere.pem"},
    ],
)
def test_mail_is_set_up_wholly_or_not_at_all(
    sqlite_url: str, tmp_path: Path, given: dict[str, object]
) -> None:
    with pytest.raises(SettingsError, match=r"COUNTERSIGN_(SMTP_URL|MAIL_FROM|SMTP_CA_FILE)"):
        settings_for(sqlite_url, tmp_path, **given)


def test_settings_never_show_the_password(sqlite_url: str, tmp_path: Path) -> None:
    url = "smtps://desk:Xanadu@mail.acme.test"
    found = settings_for(sqlite_url, tmp_path, smtp_url=url, mail_from=SENDER)
    assert found.mail_server is not None
    assert found.mail_server.password == "Xanadu"
    assert "Xanadu" not in f"{found!r} {found} {found.mail_server!r} {found.model_dump()}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("maya@example.com", "maya@example.com"),
        (" maya+desk@example.com ", "maya+desk@example.com"),
        ("maya@bücher.example", "maya@xn--bcher-kva.example"),
        ("maya@example.com, eve@example.com", None),
        ("maya@example.com\r\nBcc: eve@example.com", None),
        ("Maya <maya@example.com>", None),
        ('"maya eve"@example.com', None),
        ("måya@example.com", None),
        ("maya@example.com>", None),
        ("maya@", None),
        ("@example.com", None),
        ("maya", None),
        (f"{'m' * 65}@example.com", None),
        (f"maya@{'a.' * 130}com", None),
        ("", None),
        (None, None),
    ],
)
def test_what_can_be_written_to(text: str | None, address: str | None) -> None:
    assert mailbox(text) == address
