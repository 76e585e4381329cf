"""The Bot Connector's limits: messages wait for their turn, one conversation never for another, none for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adaptive import MOST_READERS, reply
from bot.cards import Reply
from bot.inbox import Busy, Unreachable
from bot.teams_client import LIMITS, LONGEST_QUEUE, UNREADABLE, ConnectorError, Limits, TeamsClient
from flows.accounts import Account
from handlers.conversations import Conversation, Conversations
from tests.company import Company, company
from tests.teams_tenant import APP, TENANT, Tenant, connector, object_id

HELLO = reply(Reply("Hello"))


class Signed:
    """How the bot signs in here: with a number, the next one after each no."""

    def __init__(self) -> None:
        self.number = 1

    async def token(self) -> str:
        return str(self.number)

    def refused(self, token: str) -> None:
        assert token == str(self.number)
        self.number += 1


class Connector:
    """A house, a tenant, and clients between them."""

    def __init__(self, acme: Company, tenant: Tenant) -> None:
        self.tenant = tenant
        self.known = Conversations(acme.store)
        self.made: list[TeamsClient] = []

    def client(self, limits: Limits = LIMITS, timeout: float = 10.0) -> TeamsClient:
        made = TeamsClient(APP, TENANT, self.tenant.url, self.known, Signed(), limits=limits, timeout=timeout)
        self.made.append(made)
        return made


@pytest.fixture
async def there(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Connector]:
    async with connector() as tenant, company(sqlite_url, tmp_path) as acme:
        for person in ("maya", "omar"):
            tenant.installed(person)
        made = Connector(acme, tenant)
        yield made
        for client in made.made:
            await client.close()


async def test_no_more_is_sent_than_a_conversation_may_be_sent(there: Connector) -> None:
    client, clock = there.client(((3, 0.3),)), asyncio.get_running_loop().time
    began = clock()
    await asyncio.gather(*(client.post("a:maya", HELLO) for _ in range(7)))
    assert clock() - began >= 0.6, "three at once, three after 0.3 s, and the last one after 0.6 s"
    assert len(there.tenant.messages) == 7


async def test_one_conversations_queue_is_its_own(there: Connector) -> None:
    client = there.client(((1, LONGEST_QUEUE - 1),))
    await client.post("a:maya", HELLO)
    waiting = asyncio.create_task(client.post("a:maya", HELLO))
    await client.post("a:omar", HELLO)
    assert not waiting.done()
    waiting.cancel()


async def test_what_would_wait_too_long_comes_back_later(there: Connector) -> None:
    client = there.client(((1, LONGEST_QUEUE + 1),))
    await client.post("a:maya", HELLO)
    with pytest.raises(Busy):
        await client.post("a:maya", HELLO)
    with pytest.raises(Busy):
        await client.update("a:maya", next(iter(there.tenant.messages)), HELLO)
    assert len(there.tenant.messages) == 1


@pytest.mark.parametrize("status", [412, 429, 502, 504])
async def test_a_no_for_now_is_tried_again_and_one_that_lasts_isnt_hidden(
    there: Connector, status: int
) -> None:
    client, again = there.client(), {"Retry-After": "0"}
    there.tenant.faults += [("POST", status, again), ("POST", status, again)]
    assert await client.post("a:maya", HELLO) in there.tenant.messages
    there.tenant.faults += [("POST", status, again)] * 3
    with pytest.raises(ConnectorError) as error:
        await client.post("a:maya", HELLO)
    assert error.value.status == status
    assert len(there.tenant.messages) == 1


async def test_what_teams_wants_to_be_left_alone_for_long_isnt_waited_for(there: Connector) -> None:
    there.tenant.faults.append(("POST", 429, {"Retry-After": "3600"}))
    with pytest.raises(ConnectorError):
        await there.client().post("a:maya", HELLO)
    assert len(there.tenant.calls) == 1


async def test_another_no_is_final(there: Connector) -> None:
    there.tenant.faults.append(("POST", 400, {}))
    with pytest.raises(ConnectorError):
        await there.client().post("a:maya", HELLO)
    with pytest.raises(Unreachable):
        await there.client().post("a:nobody", HELLO)
    with pytest.raises(Unreachable):
        await there.client().direct(object_id("nina"))
    assert await there.client().update("a:maya", "never-posted", HELLO) is False
    assert len(there.tenant.calls) == 3


async def test_a_connector_that_never_answers_is_given_up(there: Connector) -> None:
    there.tenant.silent.add("POST")
    with pytest.raises(TimeoutError):
        await there.client(timeout=0.2).post("a:maya", HELLO)


# -- what comes back ------------------------------------------------------------------------------

UNREAD = [b"<html>a gateway's page</html>", b'{"id": "17', b"[]", json.dumps({"id": "x" * 300_000}).encode()]


@pytest.mark.parametrize("answer", UNREAD, ids=["html", "half", "list", "huge"])
async def test_an_answer_that_cant_be_read_is_an_error_and_never_an_empty_one(
    there: Connector, answer: bytes
) -> None:
    client = there.client()
    account = Account("teams", TENANT, object_id("maya"))
    for method, call in (
        ("POST", lambda: client.post("a:maya", HELLO)),
        ("PUT", lambda: client.update("a:maya", "1", HELLO)),
        ("GET", lambda: client.meet(Conversation(account, "a:maya", there.tenant.url))),
    ):
        there.tenant.garbage.append((method, answer))
        with pytest.raises(ConnectorError) as error:
            await call()
        assert error.value.code == UNREADABLE
    there.tenant.garbage.append(("GET", b"{}"))
    with pytest.raises(ConnectorError):
        await client.meet(Conversation(account, "a:maya", there.tenant.url))
    assert await there.known.of(account) is None


async def test_an_empty_answer_to_a_change_is_one(there: Connector) -> None:
    there.tenant.garbage.append(("PUT", b""))
    assert await there.client().update("a:maya", "1", HELLO) is True


async def test_nobody_follows_where_an_answer_leads(there: Connector) -> None:
    elsewhere = {"Location": there.tenant.url + "v3/conversations/a:omar/activities"}
    there.tenant.faults.append(("POST", 307, elsewhere))
    with pytest.raises(ConnectorError) as error:
        await there.client().post("a:maya", HELLO)
    assert error.value.status == 307
    assert len(there.tenant.calls) == 1


async def test_a_token_that_is_refused_is_replaced_once(there: Connector) -> None:
    there.tenant.faults.append(("POST", 401, {}))
    await there.client().post("a:maya", HELLO)
    assert there.tenant.tokens == {"Bearer 1", "Bearer 2"}
    there.tenant.faults += [("POST", 401, {}), ("POST", 401, {})]
    with pytest.raises(ConnectorError):
        await there.client().post("a:maya", HELLO)
    assert len(there.tenant.calls) == 4


async def test_an_id_that_teams_writes_in_capitals_is_the_same(there: Connector) -> None:
    there.tenant.installed("maya", tenantId=TENANT.upper(), aadObjectId=object_id("maya").upper())
    client, account = there.client(), Account("teams", TENANT, object_id("maya"))
    await client.meet(Conversation(account, "a:maya", there.tenant.url))
    profile = await client.profile(account)
    assert profile is not None
    assert profile.insider


async def test_whoever_hasnt_the_app_takes_no_place_among_those_who_see_their_own_card(
    there: Connector,
) -> None:
    client, omar = there.client(), Account("teams", TENANT, object_id("omar"))
    await client.meet(Conversation(omar, "a:omar", there.tenant.url))
    absent = [Account("teams", TENANT, object_id(f"absent-{n}")) for n in range(MOST_READERS)]
    drawn = await client.personal({"body": []}, "h", [*absent, omar])
    assert drawn["refresh"]["userIds"] == ["29:omar"]
