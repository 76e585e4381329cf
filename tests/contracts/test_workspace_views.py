"""Modals and Home tabs, opened, filled in and answered by a real Bolt app, over either transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from demo.workspace.answers import TROUBLE
from demo.workspace.elements import PLEASE, Cannot
from demo.workspace.people import Json
from demo.workspace.tickets import ApiError
from tests.contracts.slack_office import Office, actions, button, field, home, modal, office, plain


@pytest.fixture(params=["socket", "http"])
async def acme(request: pytest.FixtureRequest) -> AsyncIterator[Office]:
    async with office(request.param) as acme:
        yield acme


async def opened(acme: Office, view: Json) -> None:
    """Maya has this modal open."""

    @acme.app.shortcut("ask_desk")
    async def listen(ack: Any, body: Json, client: Any) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=view)
        await ack()

    await acme.acts.shortcut("maya", "ask_desk")


def modals(acme: Office) -> list[Json]:
    """What stands in front of Maya, the topmost last."""
    return acme.workspace.screens.of("U0MAYA").modals


def errors(acme: Office) -> dict[str, str]:
    """What stands beside the fields of the topmost."""
    return acme.workspace.screens.of("U0MAYA").errors


# -- forms


async def test_a_form_is_sent_back_with_an_error_at_its_field_until_it_is_right(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.view("form")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        said = body["view"]["state"]["values"]["why"]["value"]["value"]
        wrong = {"response_action": "errors", "errors": {"why": "Say a little more."}}
        await (ack(**wrong) if said == "because" else ack())

    await opened(acme, modal(field("why"), private_metadata="handle-1"))
    acme.acts.fill("maya", {"why": "because"})
    await acme.acts.submit("maya")
    assert errors(acme) == {"why": "Say a little more."}
    (view,) = modals(acme)
    kept = acme.workspace.screens.state("U0MAYA", view["id"], view["blocks"])
    assert kept["why"]["value"]["value"] == "because"
    acme.acts.fill("maya", {"why": "I left my key <at> home"})
    await acme.acts.submit("maya")
    assert (modals(acme), errors(acme)) == ([], {})
    body = heard[-1]
    assert body["view"]["state"]["values"] == {
        "why": {"value": {"type": "plain_text_input", "value": "I left my key <at> home"}}
    }
    assert (body["type"], body["user"]["id"], body["team"]["id"]) == ("view_submission", "U0MAYA", "T0ACME")
    assert (body["view"]["callback_id"], body["view"]["private_metadata"]) == ("form", "handle-1")
    assert body["view"]["root_view_id"] == body["view"]["id"] == view["id"]
    assert (body["response_urls"], "channel" in body) == ([], False)


async def test_what_the_window_itself_refuses_is_never_sent(acme: Office) -> None:
    await opened(acme, modal(field("why"), field("more", optional=True), field("code", min_length=6)))
    before = len(acme.workspace.post.deliveries)
    acme.acts.fill("maya", {"code": "123"})
    with pytest.raises(Cannot, match=PLEASE):
        await acme.acts.submit("maya")
    assert errors(acme) == {"why": PLEASE, "code": "This field needs at least 6 characters."}
    with pytest.raises(Cannot):
        acme.acts.fill("maya", {"elsewhere": "text"})
    assert len(acme.workspace.post.deliveries) == before


async def test_a_form_is_followed_by_another_or_by_none(acme: Office) -> None:
    answers: list[Json] = [
        {"response_action": "push", "view": modal(field("second"), title=plain("Two"))},
        {"response_action": "update", "view": modal(field("second"), title=plain("Three"))},
        {"response_action": "clear"},
    ]

    @acme.app.view("form")
    async def listen(ack: Any) -> None:
        await ack(**answers.pop(0))

    await opened(acme, modal(field("why")))
    acme.acts.fill("maya", {"why": "first"})
    await acme.acts.submit("maya")
    below, above = modals(acme)
    assert (above["title"]["text"], above["previous_view_id"]) == ("Two", below["id"])
    acme.acts.fill("maya", {"second": "second"})
    await acme.acts.submit("maya")
    assert [(each["id"], each["title"]["text"]) for each in modals(acme)] == [
        (below["id"], "A form"),
        (above["id"], "Three"),
    ]
    await acme.acts.submit("maya")
    assert modals(acme) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "errors", "errors": {"elsewhere": "There is no such field."}},
        {"response_action": "errors", "errors": {}},
        {"response_action": "celebrate"},
        {"response_action": "update", "view": {"type": "modal", "title": plain("Empty"), "blocks": []}},
        {"response_action": "push", "view": {"type": "home", "blocks": []}},
    ],
)
async def test_an_answer_that_means_nothing_leaves_the_form_open(acme: Office, answer: Json) -> None:
    @acme.app.view("form")
    async def listen(ack: Any) -> None:
        await ack(**answer)

    await opened(acme, modal(field("why")))
    acme.acts.fill("maya", {"why": "first"})
    await acme.acts.submit("maya")
    assert len(modals(acme)) == 1
    assert acme.notice("maya") == TROUBLE


async def test_errors_without_a_field_are_none(acme: Office) -> None:
    await opened(acme, modal(field("why")))
    (view,) = modals(acme)
    with pytest.raises(ApiError):
        acme.workspace.screens.outcome(
            "U0MAYA", view["id"], "errors", {"errors": {}}
        )  # Bolt leaves these out


@pytest.mark.parametrize("wants", [True, False])
async def test_closing_a_form_is_told_to_whoever_asked(acme: Office, wants: bool) -> None:
    heard: list[Json] = []

    @acme.app.view_closed("form")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    await opened(acme, modal(field("why"), notify_on_close=wants))
    acme.acts.fill("maya", {"why": "half a"})
    await acme.acts.dismiss("maya")
    assert modals(acme) == []
    assert [
        (each["is_cleared"], each["view"]["state"]["values"]["why"]["value"]["value"]) for each in heard
    ] == ([(False, "half a")] if wants else [])


async def test_a_press_in_a_form_keeps_what_was_typed(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.action("more")
    async def listen(ack: Any, body: Json, client: Any) -> None:
        heard.append(body)
        view = modal(actions(button("more")), field("why"), field("extra"))
        await client.views_update(view_id=body["view"]["id"], hash=body["view"]["hash"], view=view)
        await ack()

    await opened(acme, modal(actions(button("more")), field("why")))
    acme.acts.fill("maya", {"why": "half a"})
    await acme.acts.press_modal("maya", "more")
    (body,) = heard
    assert body["container"] == {"type": "view", "view_id": body["view"]["id"]}
    assert body["view"]["state"]["values"]["why"]["value"]["value"] == "half a"
    assert not {"channel", "message", "response_url"} & body.keys()
    (view,) = modals(acme)
    state = acme.workspace.screens.state("U0MAYA", view["id"], view["blocks"])
    assert [state[each]["value"]["value"] for each in ("why", "extra")] == ["half a", None]


# -- views as the app handles them


async def test_the_stack_is_three_high_and_names_are_unique(acme: Office) -> None:
    outcomes: list[str] = []

    @acme.app.action("deeper")
    async def listen(ack: Any, body: Json, client: Any) -> None:
        try:
            view = modal(actions(button("deeper")), external_id=f"view-{len(outcomes)}")
            await client.views_push(trigger_id=body["trigger_id"], view=view)
            outcomes.append("ok")
        except SlackApiError as error:
            outcomes.append(error.response["error"])
        await ack()

    await opened(acme, modal(actions(button("deeper")), external_id="view-0"))
    await acme.acts.press_modal("maya", "deeper")
    outcomes.append("renamed")
    for _ in range(3):
        await acme.acts.press_modal("maya", "deeper")
    assert outcomes == ["duplicate_external_id", "renamed", "ok", "ok", "push_limit_reached"]


async def test_a_stale_view_is_not_written_over(acme: Office) -> None:
    await opened(acme, modal(field("why")))
    (view,) = modals(acme)
    await acme.client.views_update(view_id=view["id"], hash=view["hash"], view=modal(field("new")))
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await acme.client.views_update(view_id=view["id"], hash=view["hash"], view=modal(field("newer")))
    with pytest.raises(SlackApiError, match="not_found"):
        await acme.client.views_update(view_id="V0NONE", view=modal(field("newer")))


# -- Home tabs


async def test_the_home_tab_is_published_when_it_is_looked_at_and_can_be_pressed(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.event("app_home_opened")
    async def arrive(event: Json, client: Any) -> None:
        heard.append(event)
        view = home(actions(button("ask", "handle-1")))
        await client.views_publish(user_id=event["user"], view=view)

    @acme.app.action("ask")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    with pytest.raises(Cannot):
        await acme.acts.press_home("maya", "ask")
    await acme.acts.open_home("maya")
    view = await acme.until(lambda: acme.workspace.world.home("U0MAYA"))
    await acme.acts.press_home("maya", "ask")
    event, press = heard
    assert (event["tab"], event["user"], "view" in event) == ("home", "U0MAYA", False)
    assert press["container"] == {"type": "view", "view_id": view["id"]}
    assert (press["view"]["type"], press["actions"][0]["value"]) == ("home", "handle-1")
    assert not {"channel", "message", "response_url"} & press.keys()
    await acme.acts.open_home("maya")
    await acme.until(lambda: len(heard) == 3)
    assert heard[-1]["view"]["id"] == view["id"]
    assert acme.workspace.world.home("U0OMAR") is None


@pytest.mark.parametrize("who", ["U0NOBODY", "U0GONE", "U0ROBOT", "U0STRANGER"])
async def test_nobody_else_gets_a_home_tab(acme: Office, who: str) -> None:
    with pytest.raises(SlackApiError):
        await acme.client.views_publish(user_id=who, view=home(actions(button("ask"))))
