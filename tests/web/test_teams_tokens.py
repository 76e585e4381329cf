"""A token of the Bot Framework's passes; whatever else calls itself one is refused, and nobody is bothered for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.strict import Refused
from bot.teams_tokens import PATIENCE, Claims, Tokens
from tests.teams_issuer import (
    APP,
    SERVICE,
    Clock,
    Issuer,
    claims,
    issuing,
    put_together,
    signed,
    with_public_key,
)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tokens(issuer: Issuer, clock: Clock) -> AsyncIterator[Tokens]:
    made = Tokens(APP, issuer.openid_url, clock)
    yield made
    await made.close()


async def refused(tokens: Tokens, header: str) -> str:
    """Why it is refused."""
    with pytest.raises(Refused) as refusal:
        await tokens.verify(header)
    assert refusal.value.status == 401
    return refusal.value.reason


async def test_a_genuine_token_says_where_the_conversation_is(tokens: Tokens, clock: Clock) -> None:
    said = claims(clock.now)
    assert await tokens.verify(signed(said)) == Claims(SERVICE, said["exp"])


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic bWF5YTo=", "Bearer a.b", "bearer a.b.c", "Bearer ä.b.c"]
)
async def test_what_is_no_token_is_looked_at_no_further(tokens: Tokens, issuer: Issuer, header: str) -> None:
    assert await refused(tokens, header) in ("header missing", "header shape")
    assert issuer.looked == []


async def test_what_is_too_long_is_looked_at_no_further(tokens: Tokens, issuer: Issuer, clock: Clock) -> None:
    assert await refused(tokens, signed(claims(clock.now, extra="x" * 60_000))) == "header shape"
    assert await refused(tokens, signed(claims(clock.now), kid="k" * 10_000)) == "header shape"
    assert issuer.looked == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"aud": "another-app"}, "token"),
        ({"aud": [APP]}, "token"),
        ({"aud": None}, "token"),
        ({"iss": "https://evil.example"}, "token"),
        ({"iss": "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"}, "token"),  # the emulator's
        ({"iss": None}, "token"),
        ({"exp": None}, "token"),
        ({"nbf": None}, "token"),
        ({"exp": True}, "token"),
        ({"serviceurl": None}, "service url"),
        ({"serviceurl": ""}, "service url"),
        ({"serviceurl": [SERVICE]}, "service url"),
    ],
)
async def test_a_token_that_says_something_else_is_refused(
    tokens: Tokens, clock: Clock, changed: dict[str, object], reason: str
) -> None:
    assert await refused(tokens, signed(claims(clock.now, **changed))) == reason


async def test_times_are_ours_give_or_take_five_minutes(tokens: Tokens, clock: Clock) -> None:
    now = clock.now
    assert await refused(tokens, signed(claims(now, exp=now - 301))) == "too old"
    assert await refused(tokens, signed(claims(now, nbf=now + 301))) == "too early"
    await tokens.verify(signed(claims(now, exp=now - 290)))
    await tokens.verify(signed(claims(now, nbf=now + 290)))


async def test_other_signatures_are_none(tokens: Tokens, clock: Clock) -> None:
    said = claims(clock.now)
    assert await refused(tokens, put_together({"alg": "none", "kid": "today"}, said)) == "token"
    assert await refused(tokens, put_together({"alg": "RS256", "kid": "today"}, said)) == "signature"
    assert await refused(tokens, with_public_key(said)) == "token"
    forged = signed(said, "another")
    assert (
        await refused(tokens, forged.replace(forged.split(".")[0], signed(said).split(".")[0])) == "signature"
    )


@pytest.mark.parametrize(
    "head", [{"kid": ["today"]}, {"kid": ""}, {"kid": "k" * 200}, {"crit": ["exp"], "exp": 1}]
)
async def test_a_head_that_is_odd_is_refused(tokens: Tokens, clock: Clock, head: dict[str, object]) -> None:
    whole = {"alg": "RS256", "kid": "today", **head}
    assert await refused(tokens, put_together(whole, claims(clock.now))) == "token"


async def test_nobody_looks_where_a_token_says_its_key_is(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    there = f"http://localhost:{issuer.port}/keys?from=token"
    for name in ("jku", "x5u"):
        await tokens.verify(signed(claims(clock.now, jti=name), **{name: there}))
    assert issuer.looked == ["openid", "keys"]


async def test_a_thousand_unknown_keys_are_looked_for_once(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    unknown = [put_together({"alg": "RS256", "kid": f"key-{n}"}, claims(clock.now)) for n in range(1000)]
    reasons = await asyncio.gather(*(refused(tokens, header) for header in unknown))
    assert set(reasons) == {"key unknown"}
    for header in unknown[:50]:
        assert await refused(tokens, header) == "key unknown"
    assert issuer.looked.count("openid") <= 2
    await tokens.verify(signed(claims(clock.now)))


async def test_a_key_that_is_new_is_found_and_another_not_before_an_hour(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    await tokens.verify(signed(claims(clock.now)))
    issuer.names = ["today", "tomorrow"]
    await tokens.verify(signed(claims(clock.now), "tomorrow"))
    issuer.names.append("later")
    assert await refused(tokens, signed(claims(clock.now), "later")) == "key unknown"
    clock.now += 3601
    await tokens.verify(signed(claims(clock.now), "later"))


async def test_keys_are_fetched_again_after_a_day_and_used_for_three_without_an_answer(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    await tokens.verify(signed(claims(clock.now)))
    clock.now += 24 * 3600 + 1
    issuer.asked.clear()
    await asyncio.gather(*(tokens.verify(signed(claims(clock.now, jti=n))) for n in range(5)))
    await issuer.asked.wait()
    assert issuer.looked.count("keys") == 2
    issuer.broken = "silent"
    clock.now += 2 * 24 * 3600
    async with asyncio.timeout(PATIENCE / 2):
        await tokens.verify(signed(claims(clock.now)))  # nobody waits for newer keys
    issuer.broken = "500"
    clock.now += 24 * 3600 + 1
    assert await refused(tokens, signed(claims(clock.now))) == "keys unavailable"


@pytest.mark.parametrize("trouble", ["500", "garbage", "elsewhere", "huge"])
async def test_without_keys_everything_is_refused_and_nobody_is_asked_at_every_request(
    tokens: Tokens, issuer: Issuer, clock: Clock, trouble: str
) -> None:
    issuer.broken = trouble
    for _ in range(20):
        assert await refused(tokens, signed(claims(clock.now))) == "keys unavailable"
    assert issuer.looked == ["openid"]
    issuer.broken = ""
    clock.now += 31
    await tokens.verify(signed(claims(clock.now)))


@pytest.mark.parametrize(
    "announced",
    ["http://evil.example/keys", "ftp://localhost/keys", "", "http://localhost.evil.example/keys"],
)
async def test_keys_announced_at_an_unsafe_address_arent_fetched(
    tokens: Tokens, issuer: Issuer, clock: Clock, announced: str
) -> None:
    issuer.jwks_uri = announced or "javascript:1"
    assert await refused(tokens, signed(claims(clock.now))) == "keys unavailable"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_for_other_channels_and_a_short_key_are_no_keys(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    issuer.endorsements = ["webchat"]
    assert await refused(tokens, signed(claims(clock.now))) == "keys unavailable"
    issuer.endorsements, issuer.bits = ["msteams"], 1024
    clock.now += 31
    assert await refused(tokens, signed(claims(clock.now), bits=1024)) == "keys unavailable"


async def test_a_token_that_passed_is_remembered_and_not_beyond_its_end(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    header = signed(claims(clock.now))
    await tokens.verify(header)
    issuer.names = ["another"]
    clock.now += 3600 + 299
    await tokens.verify(header)
    clock.now += 2
    assert await refused(tokens, header) == "too old"
