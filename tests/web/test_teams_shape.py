"""Whatever an activity looks like, it is a kind or refused; and in development this machine alone is believed."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bot.strict import Refused
from bot.teams_gate import Allowed, TeamsPost, teams
from bot.teams_reading import LONGEST, said
from bot.teams_shape import kind_of
from tests.teams_tenant import TENANT, Json, object_id

JSON = "application/json"

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = (
    "type",
    "channelId",
    "serviceUrl",
    "conversation",
    "channelData",
    "from",
    "value",
    "name",
    "id",
    "text",
)


@given(st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=9), _VALUES, max_size=9))
def test_whatever_the_shape_it_is_a_kind_or_refused(activity: Json) -> None:
    with contextlib.suppress(Refused):
        assert kind_of(activity)


def a_message(**changed: object) -> Json:
    """What the Playground posts, but for these."""
    return {
        "type": "message",
        "id": "f:1",
        "channelId": "msteams",
        "serviceUrl": "http://localhost:9/",
        "from": {"id": "29:maya", "aadObjectId": object_id("maya")},
        "conversation": {"id": "a:maya", "tenantId": TENANT},
        **changed,
    }


async def believed(activity: Json, host: str = "localhost:3978") -> TeamsPost:
    """An activity that came without a token, in development."""
    headers = CIMultiDict({"Content-Type": JSON, "Host": host})
    allowed = Allowed(TENANT, "https://smba.trafficmanager.net/teams/")
    return await teams(headers, json.dumps(activity).encode(), None, allowed)


@pytest.mark.parametrize("address", ["http://localhost:9/", "http://127.0.0.1:56150/_connector"])
async def test_in_development_this_machine_alone_is_believed(address: str) -> None:
    assert (await believed(a_message(serviceUrl=address))).kind == "message"
    with pytest.raises(Refused):
        await believed(a_message(serviceUrl="http://evil.example/"))
    assert (await believed(a_message(), "127.0.0.1:3978")).kind == "message"
    for host in ("evil.example", "localhost.evil.example:3978", "", "["):
        with pytest.raises(Refused):
            await believed(a_message(), host)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "f:2"},
        {"text": "something else"},
        {"from": {"id": "29:eve", "aadObjectId": object_id("eve")}},
        {"conversation": {"id": "a:eve", "tenantId": TENANT}},
        {"value": {"verb": "ask"}},
        {"type": "invoke", "name": "task/fetch", "value": {"data": {"verb": "ask"}}},
    ],
)
async def test_nobody_uses_up_another_deliverys_name(changed: Json) -> None:
    first = await believed(a_message(text="I forgot my password"))
    again = await believed(a_message(text="I forgot my password", timestamp="later"))
    assert again.key == first.key
    assert (await believed(a_message(**{"text": "I forgot my password", **changed}))).key != first.key


@pytest.mark.parametrize("name", ["id", "replyToId", "conversation"])
@pytest.mark.parametrize("id", [".", ".."])
def test_no_name_is_a_step_in_an_address(name: str, id: str) -> None:
    given: Json = {"id": id, "tenantId": TENANT} if name == "conversation" else id
    with pytest.raises(Refused):
        kind_of(a_message(**{name: given}))


@pytest.mark.parametrize(
    ("action", "kind"),
    [("add", "arrived"), ("remove", "left"), ("add-upgrade", "other"), ("remove-upgrade", "other")],
)
def test_an_upgrade_is_no_coming_and_no_going(action: str, kind: str) -> None:
    assert kind_of(a_message(type="installationUpdate", action=action)) == kind


# -- what was written -------------------------------------------------------------------------------

BOT = {"id": "28:bot", "name": "Countersign"}
OURS = {"type": "mention", "text": "<at>Countersign</at>", "mentioned": BOT}
OMARS = {"type": "mention", "text": "<at>Omar</at>", "mentioned": {"id": "29:omar", "name": "Omar"}}


@pytest.mark.parametrize(
    ("text", "entities", "read"),
    [
        ("<at>Countersign</at> unlock me", [OURS], "unlock me"),
        ("<at>Countersign</at>&nbsp;unlock me", [OURS], "unlock me"),
        ("<at>Countersign</at> unlock me", [], "unlock me"),
        ('<at id="0">Countersign</at> unlock me', None, "unlock me"),
        ("<at>Countersign</at> <at>Omar</at> lost his phone", [OURS, OMARS], "Omar lost his phone"),
        ("locked &amp; lost", [], "locked & lost"),
        ("<at>never closed", [], "<at>never closed"),
        ("hello", [7, {"type": "mention"}], "hello"),
    ],
)
def test_our_own_mention_isnt_read_and_others_keep_their_names(
    text: str, entities: list[Json] | None, read: str
) -> None:
    assert said(a_message(text=text, entities=entities, recipient=BOT)).text == read


def test_no_more_is_read_than_anybody_writes() -> None:
    assert len(said(a_message(text="<at>" * 15_000)).text) <= LONGEST
