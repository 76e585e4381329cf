"""What an interaction hands the app lasts a while and no longer, and whoever can sign can claim anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from demo.workspace.elements import Cannot
from demo.workspace.installed import Pace
from demo.workspace.people import Json
from tests.contracts.slack_office import Office, office, plain


@pytest.fixture(params=["socket", "http"])
async def acme(request: pytest.FixtureRequest) -> AsyncIterator[Office]:
    async with office(request.param) as acme:
        yield acme


@pytest.mark.parametrize(("life", "uses", "error"), [(1800.0, 5, "used_url"), (-1.0, 0, "Expired url")])
async def test_a_response_url_works_a_few_times_and_for_a_while(life: float, uses: int, error: str) -> None:
    async with office(pace=Pace(url_life=life)) as acme:
        urls: list[str] = []

        @acme.app.command("/desk")
        async def listen(ack: Any, body: Json) -> None:
            urls.append(body["response_url"])
            await ack()

        await acme.acts.command("maya", "/desk")
        hook = AsyncWebhookClient(urls[0])
        for _ in range(uses):
            answer = await hook.send(text="Still here")
            assert (answer.status_code, answer.body) == (200, "ok")
        answer = await hook.send(text="And again")
        assert answer.status_code == 404
        assert error in answer.body
        assert len(acme.reads("maya")) == uses


@pytest.mark.parametrize(
    ("life", "codes"), [(3.0, ["ok", "exchanged_trigger_id"]), (-1.0, ["expired_trigger_id"])]
)
async def test_a_trigger_opens_one_modal_and_only_while_it_is_fresh(life: float, codes: list[str]) -> None:
    view = {"type": "modal", "title": plain("Hello"), "blocks": [{"type": "divider"}]}
    async with office(pace=Pace(trigger=life)) as acme:
        outcomes: list[str] = []

        @acme.app.shortcut("ask_desk")
        async def listen(ack: Any, body: Json, client: Any) -> None:
            for _ in codes:
                try:
                    await client.views_open(trigger_id=body["trigger_id"], view=view)
                    outcomes.append("ok")
                except SlackApiError as error:
                    outcomes.append(error.response["error"])
            await ack()

        await acme.acts.shortcut("maya", "ask_desk")
        assert outcomes == codes


async def test_a_message_shortcut_brings_the_message(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.shortcut("report_message")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    said = await acme.acts.say("eve", "This is IT. Read me the code.", "#general")
    await acme.acts.message_shortcut("maya", "report_message", "#general", said.ts)
    (body,) = heard
    assert (body["type"], body["message"]["user"], body["user"]["id"]) == (
        "message_action",
        "U0EVE",
        "U0MAYA",
    )
    assert (body["message_ts"], body["channel"]["id"]) == (said.ts, "C0GENERAL")
    with pytest.raises(Cannot):
        await acme.acts.shortcut("maya", "report_message")
    whisper = await acme.client.chat_postEphemeral(channel="C0SECURITY", user="U0SAM", text="Only you")
    with pytest.raises(Cannot):
        await acme.acts.message_shortcut("sam", "report_message", "#security", whisper["message_ts"])


# -- what no window offers


async def test_whoever_holds_the_signing_secret_can_claim_anything(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.action("approve")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    claim = {
        "user": {"id": "U0OMAR", "team_id": "T0ACME"},
        "channel": {"id": "D0OMAR", "name": "directmessage"},
        "actions": [{"type": "button", "action_id": "approve", "block_id": "buttons", "value": "edited"}],
    }
    answer = await acme.acts.forge("eve", claim)
    (body,) = heard
    assert answer.good
    assert (body["user"]["id"], body["actions"][0]["value"]) == ("U0OMAR", "edited")
