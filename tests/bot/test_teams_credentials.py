"""How the bot signs in: MSAL itself, with a certificate and as a managed identity, over a wire that answers here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from bot.teams_credentials import PATIENCE, Microsoft, Patient, SignInFailed, as_identity, with_certificate
from handlers.settings import Settings
from tests.company import settings_for
from tests.teams_issuer import APP, key
from tests.teams_tenant import SECURITY, TENANT


class Wire(requests.adapters.HTTPAdapter):
    """Microsoft's end of the wire. It keeps what it was asked."""

    def __init__(self, answer: Callable[[requests.PreparedRequest], Any]) -> None:
        super().__init__()
        self.asked: list[requests.PreparedRequest] = []
        self.patience: set[float | None] = set()
        self._answer = answer

    def send(self, request: requests.PreparedRequest, *_: Any, **given: Any) -> requests.Response:
        self.asked.append(request)
        self.patience.add(given.get("timeout"))
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, str(request.url)
        response._content = json.dumps(self._answer(request)).encode()
        return response


def session(answer: Callable[[requests.PreparedRequest], Any]) -> tuple[requests.Session, Wire]:
    web, wire = Patient(), Wire(answer)
    web.mount("https://", wire)
    web.mount("http://", wire)
    return web, wire


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A private key and its certificate in one file, as docs/teams.md makes it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "countersign")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key("bot").public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key("bot"), hashes.SHA256())
    )
    private = key("bot").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "teams.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def settings(tmp_path: Path, file: Path) -> Settings:
    return settings_for(
        f"sqlite:///{tmp_path / 'desk.db'}",
        tmp_path,
        teams_app_id=APP,
        teams_tenant=TENANT,
        teams_channel=SECURITY,
        teams_certificate=file,
    )


def microsoft(request: requests.PreparedRequest) -> Any:
    """The tenant's announcement, and its token."""
    base = f"https://login.microsoftonline.com/{TENANT}"
    if "openid-configuration" in str(request.url):
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }
    return {"token_type": "Bearer", "expires_in": 3599, "access_token": "a-token"}


async def test_with_a_certificate_the_bot_proves_that_it_holds_the_key(
    tmp_path: Path, certificate: Path
) -> None:
    web, wire = session(microsoft)
    signed_in = Microsoft(with_certificate(settings(tmp_path, certificate), certificate, web))
    assert await signed_in.token() == "a-token"
    assert await signed_in.token() == "a-token"
    (asked,) = [request for request in wire.asked if request.method == "POST"]
    form = {name: value[0] for name, value in parse_qs(str(asked.body)).items()}
    assert form["scope"] == "https://api.botframework.com/.default"
    assert form["grant_type"] == "client_credentials"
    claims = jwt.decode(
        form["client_assertion"],
        key("bot").public_key(),
        algorithms=["PS256", "RS256"],
        audience=f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token",
    )
    assert claims["iss"] == APP
    assert "PRIVATE KEY" not in str(asked.body)
    assert wire.patience == {PATIENCE}, "nothing is waited for without end"
    signed_in.refused("another")
    await signed_in.token()
    assert len([request for request in wire.asked if request.method == "POST"]) == 1
    signed_in.refused("a-token")
    await signed_in.token()
    assert len([request for request in wire.asked if request.method == "POST"]) == 2


async def test_on_azure_the_bot_is_whoever_the_machine_is() -> None:
    web, wire = session(lambda _: {"access_token": "a-token", "expires_in": "3600", "resource": "r"})
    signed_in = Microsoft(as_identity("system", web))
    assert await signed_in.token() == "a-token"
    assert "api.botframework.com" in str(wire.asked[0].url)
    assert wire.patience == {PATIENCE}
    signed_in.refused("a-token")
    await signed_in.token()
    assert len(wire.asked) == 2


async def test_a_no_is_told_by_microsofts_own_word() -> None:
    web, _ = session(lambda _: {"error": "invalid_client", "error_description": "secret stuff"})
    with pytest.raises(SignInFailed, match=r"^invalid_client$"):
        await Microsoft(as_identity(APP, web)).token()


async def test_another_token_is_fetched_before_the_last_one_ends() -> None:
    given = iter(
        [{"access_token": "first", "expires_in": 200}, {"access_token": "second", "expires_in": 3600}]
    )
    signed_in = Microsoft(lambda: next(given))
    assert await signed_in.token() == "first"
    assert await signed_in.token() == "second", "the first has less than five minutes left"
    assert await signed_in.token() == "second"
