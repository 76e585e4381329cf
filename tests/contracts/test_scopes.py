"""The manifest's scopes are enough for everything we do, and none of them could be left out.

Calls are made against a Slack Web API that isn't ours and keeps to its scopes. It hears neither commands nor
messages, so what the other two scopes are for is shown in our own workspace.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

import bot
from bot.block_kit import message
from bot.slack_client import SlackClient
from bot.slack_doctor import member
from demo.workspace.elements import Cannot
from demo.workspace.installed import asked_for
from flows.accounts import Account
from flows.model import Stage
from tests.bot.drawings import HANDLE, LINK, card, forms, homes
from tests.bot.people import ACCESS, OMAR
from tests.contracts.slack_office import office
from tests.peers import emulate

MANIFEST: Mapping[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "manifest.yml").read_text(encoding="utf-8")
)
SCOPES: tuple[str, ...] = tuple(MANIFEST["oauth_config"]["scopes"]["bot"])
HEARD = ("commands", "im:history")  # what is sent to us needs these; what we ask for needs the others
CARD = message(card(ACCESS, Stage.AWAITING_APPROVAL, OMAR), HANDLE, LINK)


class Posting(AsyncWebClient):
    """Slack's own client, with everything in the body of a POST: the emulation looks nowhere else."""

    async def api_call(self, api_method: str, **given: Any) -> AsyncSlackResponse:
        """As Slack's client does it."""
        given.pop("http_verb", None)
        if params := given.pop("params", None):
            given["data"] = params
        return await super().api_call(api_method, **given)


# -- what we do -------------------------------------------------------------------------------

Errand = Callable[[SlackClient, emulate.Team], Awaitable[object]]


async def says_who_it_is(slack: SlackClient, team: emulate.Team) -> None:
    await slack.identify()
    assert slack.team == team.id


async def posts_a_card_in_a_channel_and_updates_it(slack: SlackClient, team: emulate.Team) -> None:
    ts = await slack.post(team.channel, CARD)
    assert await slack.update(team.channel, ts, CARD)


async def posts_a_card_to_a_person(slack: SlackClient, team: emulate.Team) -> None:
    await slack.post(await slack.direct(team.maya), CARD)


async def whispers_in_a_channel(slack: SlackClient, team: emulate.Team) -> None:
    await slack.whisper(team.channel, team.maya, CARD)


async def looks_who_pressed(slack: SlackClient, team: emulate.Team) -> None:
    await slack.identify()
    profile = await slack.profile(Account("slack", team.id, team.maya))
    assert profile is not None
    assert profile.insider


async def opens_a_form(slack: SlackClient, team: emulate.Team) -> None:
    trigger = (await slack.web.api_call("views.generateTriggerId", json={}))["trigger_id"]
    await slack.open(trigger, forms()["empty"])


async def puts_up_a_home_tab(slack: SlackClient, team: emulate.Team) -> None:
    await slack.publish(team.maya, homes()["busy"])


async def looks_whether_it_is_in_securitys_channel(slack: SlackClient, team: emulate.Team) -> None:
    assert await member(slack.web, team.channel, team.bot) is None
    assert await member(slack.web, team.elsewhere, team.bot) is not None


ERRANDS: tuple[Errand, ...] = (
    says_who_it_is,
    posts_a_card_in_a_channel_and_updates_it,
    posts_a_card_to_a_person,
    whispers_in_a_channel,
    looks_who_pressed,
    opens_a_form,
    puts_up_a_home_tab,
    looks_whether_it_is_in_securitys_channel,
)
#: The Web API methods that they use.
USED = {
    "auth_test",
    "chat_postMessage",
    "chat_update",
    "chat_postEphemeral",
    "conversations_open",
    "users_info",
    "views_open",
    "views_publish",
}
APP_LEVEL = {"apps_connections_open"}  # with the app token, which has a scope of its own


def test_no_method_is_used_that_is_not_tried_here() -> None:
    families = (
        "admin_",
        "apps_",
        "auth_",
        "chat_",
        "conversations_",
        "team_",
        "users_",
        "views_",
        "api_call",
    )
    found = set()
    for path in Path(bot.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith(families):
                found.add(node.attr)
    assert found == USED | APP_LEVEL


# -- enough, and no more ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def team() -> Iterator[emulate.Team]:
    """A workspace with a token of all scopes, and one without each."""
    tokens = {token_without(scope): [each for each in SCOPES if each != scope] for scope in (*SCOPES, "")}
    with emulate.running(tokens) as running:
        yield running


def token_without(scope: str) -> str:
    return f"xoxb-without-{scope.replace(':', '-') or 'nothing'}"


async def refusals(team: emulate.Team, token: str) -> dict[str, str]:
    """Errand → the scope that was lacking, for each errand that failed for lack of one."""
    lacking = {}
    for errand in ERRANDS:
        slack = SlackClient(token, team.url, pace=0)
        slack.web = Posting(token, base_url=team.url)
        try:
            await errand(slack, team)
        except SlackApiError as error:
            if error.response["error"] != "missing_scope":
                raise
            lacking[errand.__name__] = error.response["needed"]
    return lacking


@pytest.mark.emulate
async def test_the_manifests_scopes_are_enough_for_everything(team: emulate.Team) -> None:
    assert await refusals(team, token_without("")) == {}


@pytest.mark.emulate
@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope not in HEARD])
async def test_without_any_one_of_them_something_fails(team: emulate.Team, scope: str) -> None:
    lacking = await refusals(team, token_without(scope))
    assert lacking, f"nothing needs {scope}"
    assert set(lacking.values()) == {scope}


async def test_without_commands_nobody_can_use_a_slash_command_or_a_shortcut() -> None:
    asked = asked_for(MANIFEST)
    async with office(**asked) as here:
        here.app.command("/desk")(acknowledges)
        here.app.shortcut("ask_desk")(acknowledges)
        await here.acts.command("maya", "/desk hello")
        await here.acts.shortcut("maya", "ask_desk")
    async with office(**{**asked, "scopes": asked["scopes"] - {"commands"}}) as here:
        with pytest.raises(Cannot):
            await here.acts.command("maya", "/desk hello")
        with pytest.raises(Cannot):
            await here.acts.shortcut("maya", "ask_desk")


async def acknowledges(ack: Callable[[], Awaitable[None]]) -> None:
    await ack()


@pytest.mark.parametrize(("left_out", "heard"), [("", ["hello"]), ("im:history", [])])
async def test_without_im_history_nobody_is_heard(left_out: str, heard: list[str]) -> None:
    asked, said = asked_for(MANIFEST), []
    async with office(**{**asked, "scopes": asked["scopes"] - {left_out}}) as here:

        async def listens(event: dict[str, Any]) -> None:
            said.append(event["text"])

        here.app.event("message")(listens)
        await here.acts.say("maya", "hello")
        await here.workspace.post.idle()
    assert said == heard


def test_each_scope_is_shown_to_be_needed() -> None:
    assert len(set(SCOPES)) == len(SCOPES)
    assert set(HEARD) < set(SCOPES)
    assert "users:read.email" not in SCOPES
