"""The doctor's command tells of the mail server, too, wherever mail is set up, and never of its password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import Beside, run
from tests.company import SECRET_KEY
from tests.peers.certificates import Authority
from tests.peers.mail import MailServer


@pytest.mark.parametrize(("password", "level"), [("", "warn"), ("Xanadu-4711", "fail")])
def test_the_doctor_looks_at_the_mail_server(tmp_path: Path, password: str, level: str) -> None:
    authority, beside = Authority(tmp_path), Beside()
    mail = MailServer(authority.sign("localhost"))
    try:
        beside.do(mail.start())
        url = mail.url(password=password) if password else mail.url()
        env = {
            "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
            "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
            "COUNTERSIGN_SMTP_URL": url,
            "COUNTERSIGN_SMTP_CA_FILE": str(authority.file),
            "COUNTERSIGN_MAIL_FROM": "countersign@acme.test",
        }
        result = run("doctor", "--json", env=env)
        beside.do(mail.stop())
    finally:
        beside.end()
    found = {finding["check"]: finding for finding in json.loads(result.stdout)}
    assert found["mail"]["level"] == level, "a good certificate ends tomorrow"
    assert mail.letters == []
    assert "Xanadu" not in result.output
