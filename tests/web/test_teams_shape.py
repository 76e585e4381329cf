"""Whatever an activity looks like, it is a kind or refused; and in development this machine alone is believed."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bot.strict import Refused
from bot.teams_gate import Allowed, Anyone, teams
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


@pytest.mark.parametrize("address", ["http://localhost:9/", "http://127.0.0.1:56150/_connector"])
async def test_in_development_this_machine_alone_is_believed(address: str) -> None:
    activity = {
        "type": "message",
        "channelId": "msteams",
        "serviceUrl": address,
        "from": {"id": "29:maya", "aadObjectId": object_id("maya")},
        "conversation": {"id": "a:maya", "tenantId": TENANT},
    }
    headers = CIMultiDict({"Content-Type": JSON})
    allowed = Allowed(TENANT, "https://smba.trafficmanager.net/teams/")
    post = await teams(headers, json.dumps(activity).encode(), Anyone(), allowed)
    assert post.kind == "message"
    activity["serviceUrl"] = "http://evil.example/"
    with pytest.raises(Refused):
        await teams(headers, json.dumps(activity).encode(), Anyone(), allowed)
