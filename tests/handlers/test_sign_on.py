"""A sign-on counts when it is genuine, fresh and meant for us; whatever else calls itself one is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from handlers.settings import SettingsError, load_settings
from handlers.sign_on.provider import Away, Client, Provider
from handlers.sign_on.token import Untrue
from tests.company import SECRET_KEY, Hands
from tests.oidc_issuer import CLIENT, SECRET, Issuer, issuing, key

RETURN = "http://localhost:8080/join/return"
NONCE, VERIFIER = "n" * 64, "v" * 64


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
async def issuer(hands: Hands) -> AsyncIterator[Issuer]:
    async with issuing(lambda: hands().timestamp()) as made:
        yield made


@pytest.fixture
async def provider(issuer: Issuer, hands: Hands) -> AsyncIterator[Provider]:
    client = Client(issuer.url, CLIENT, SECRET, "sub")
    made = Provider(client, RETURN, lambda: hands().timestamp())
    yield made
    await made.close()


async def signed_on(provider: Provider, issuer: Issuer, who: str = "maya", verifier: str = VERIFIER) -> str:
    """Who has signed on, by what the provider tells us for their code."""
    at = issuer.clock()
    answer = parse_qs(issuer.signs_on(await provider.address("state", NONCE, VERIFIER), who))
    return await provider.who(answer["code"][0], verifier, NONCE, at)


async def refused(provider: Provider, issuer: Issuer) -> str:
    """Which check it fails."""
    with pytest.raises(Untrue) as untrue:
        await signed_on(provider, issuer)
    return str(untrue.value)


async def test_a_genuine_token_says_who_has_signed_on(provider: Provider, issuer: Issuer) -> None:
    assert await signed_on(provider, issuer) == "maya"
    assert issuer.looked == ["config", "keys", "token"]


async def test_an_elliptic_key_and_a_secret_in_the_form_will_do(provider: Provider, issuer: Issuer) -> None:
    issuer.signer, issuer.names = "ec", ["small", "ec"]
    issuer.announced = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert await signed_on(provider, issuer) == "maya"


async def test_a_code_is_worth_nothing_without_its_verifier(provider: Provider, issuer: Issuer) -> None:
    with pytest.raises(Untrue, match="code"):
        await signed_on(provider, issuer, verifier="w" * 64)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another-client"}, "aud"),
        ({"aud": ["countersign", "another-client"], "azp": "countersign"}, "aud"),
        ({"aud": None}, "aud"),
        ({"azp": "another-client"}, "azp"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": "9999999999"}, "exp"),
        ({"iat": None}, "iat"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": -301}, "auth_time"),
        ({"auth_time": 61}, "auth_time"),
        ({"exp": -61}, "exp"),
        ({"iat": -61}, "iat"),
        ({"iat": 61}, "iat"),
        ({"nbf": 61}, "nbf"),
        ({"sub": ""}, "claim"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": ["maya"]}, "sub"),
    ],
)
async def test_a_token_that_says_something_else_lets_nobody_in(
    provider: Provider, issuer: Issuer, hands: Hands, changed: dict[str, Any], why: str
) -> None:
    times = {"exp", "iat", "auth_time", "nbf"}
    at = hands().timestamp()
    issuer.changed = {
        name: at + value if name in times and type(value) is int else value for name, value in changed.items()
    }
    assert await refused(provider, issuer) == why


async def test_clocks_may_differ_a_minute(provider: Provider, issuer: Issuer, hands: Hands) -> None:
    at = hands().timestamp()
    issuer.changed = {"iat": at + 59, "auth_time": at - 59, "exp": at - 59}
    assert await signed_on(provider, issuer) == "maya"


async def test_signing_on_counts_for_five_minutes(provider: Provider, issuer: Issuer, hands: Hands) -> None:
    begun = hands().timestamp()
    for late, good in ((360, True), (361, False)):
        answer = parse_qs(issuer.signs_on(await provider.address("state", NONCE, VERIFIER), "maya"))
        issuer.changed = {"auth_time": begun}
        hands.now = type(hands.now).fromtimestamp(begun + late, hands.now.tzinfo)
        if good:
            assert await provider.who(answer["code"][0], VERIFIER, NONCE, begun) == "maya"
        else:
            with pytest.raises(Untrue, match="auth_time"):
                await provider.who(answer["code"][0], VERIFIER, NONCE, begun)


# -- signatures and keys ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ({"crit": ["exp"]}, "algorithm"),
        ({"alg": "none"}, "algorithm"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": "RS512"}, "algorithm"),
        ({"alg": 1}, "algorithm"),
        ({"alg": "ES256"}, "key"),
        ({"kid": "yesterday"}, "key"),
        ({"kid": ""}, "key"),
        ({"kid": 7}, "key"),
        ({"kid": "k" * 300}, "key"),
    ],
)
async def test_a_head_that_is_odd_is_refused(
    provider: Provider, issuer: Issuer, head: dict[str, Any], why: str
) -> None:
    issuer.token = forged(issuer, head)
    assert await refused(provider, issuer) == why


async def test_a_token_that_another_key_signed_is_refused(provider: Provider, issuer: Issuer) -> None:
    issuer.signer = "eves"
    issuer.head = {"kid": "today"}
    assert await refused(provider, issuer) == "signature"


@pytest.mark.parametrize("token", [" ", "x", "a.b", "e30.e30.", "é.b.c", "A" * 30_000])
async def test_what_is_no_token_is_refused(provider: Provider, issuer: Issuer, token: str) -> None:
    issuer.token = token
    assert await refused(provider, issuer) == "shape"


async def test_a_new_key_is_found_and_another_not_before_a_minute(
    provider: Provider, issuer: Issuer, hands: Hands
) -> None:
    assert await signed_on(provider, issuer) == "maya"
    hands.forward(seconds=61)
    issuer.signer, issuer.names = "tomorrow", ["today", "tomorrow"]
    assert await signed_on(provider, issuer) == "maya"
    issuer.signer, issuer.names = "later", ["tomorrow", "later"]
    looked = len(issuer.looked)
    for _ in range(5):
        assert await refused(provider, issuer) == "key"
    assert issuer.looked[looked:] == ["token"] * 5, "nobody is bothered for it"
    hands.forward(seconds=61)
    assert await signed_on(provider, issuer) == "maya"


async def test_a_key_that_is_withdrawn_counts_no_more_after_an_hour(
    provider: Provider, issuer: Issuer, hands: Hands
) -> None:
    assert await signed_on(provider, issuer) == "maya"
    issuer.names = ["tomorrow"]
    hands.forward(seconds=3601)
    assert await refused(provider, issuer) == "key"


async def test_keys_that_are_too_short_are_none(provider: Provider, issuer: Issuer) -> None:
    issuer.names = ["small"]
    with pytest.raises(Away):
        await provider.address("state", NONCE, VERIFIER)


# -- a sign-on that is away or odd ---------------------------------------------------------------


@pytest.mark.parametrize("broken", ["500", "garbage", "elsewhere", "huge"])
async def test_a_sign_on_that_doesnt_answer_is_left_in_peace(
    provider: Provider, issuer: Issuer, hands: Hands, broken: str
) -> None:
    issuer.broken = broken
    for _ in range(5):
        with pytest.raises(Away):
            await provider.address("state", NONCE, VERIFIER)
    assert issuer.looked == ["config"]
    issuer.broken = ""
    hands.forward(seconds=6)
    assert await signed_on(provider, issuer) == "maya"


@pytest.mark.parametrize(
    "announced",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
async def test_an_announcement_that_isnt_safe_is_none(
    provider: Provider, issuer: Issuer, announced: dict[str, Any]
) -> None:
    issuer.announced = announced
    with pytest.raises(Away):
        await provider.address("state", NONCE, VERIFIER)
    assert issuer.looked == ["config"]


# -- settings ------------------------------------------------------------------------------------

WHOLE = {
    "oidc_issuer": "https://login.example.com",
    "oidc_client_id": "countersign",
    "oidc_client_secret": "secret",
}


@pytest.mark.parametrize(
    "changed",
    [
        {"oidc_issuer": None},
        {"oidc_client_id": None},
        {"oidc_client_secret": None},
        {"oidc_issuer": "http://login.example.com"},
        {"oidc_issuer": "https://login.example.com?x=1"},
        {"oidc_claim": "email"},
        {"oidc_claim": "preferred_username"},
        {"oidc_claim": "upn"},
        {"oidc_claim": ""},
    ],
)
def test_settings_that_are_in_part_or_go_by_a_name_are_refused(changed: dict[str, str | None]) -> None:
    load_settings(secret_key=(SECRET_KEY,), **WHOLE)
    with pytest.raises(SettingsError, match=r"COUNTERSIGN_OIDC|The settings"):
        load_settings(secret_key=(SECRET_KEY,), **{**WHOLE, **changed})


def forged(issuer: Issuer, head: dict[str, Any]) -> str:
    """A token that no library would make, signed with the right key as if it were RS256."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    said = {"iss": issuer.url, "aud": "countersign", "sub": "maya"}
    content = f"{part({'alg': 'RS256', 'kid': 'today', **head})}.{part(said)}"
    private: Any = key("today").private_key
    signature = private.sign(content.encode(), PKCS1v15(), SHA256())
    return f"{content}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
