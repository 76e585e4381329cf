"""manifest.yml is what Slack takes, what the code listens to, and what docs/slack.md explains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.slack import PATH
from demo.workspace.installed import Installed, asked_for
from tests.peers import slack_types

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "manifest.yml").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "slack.md").read_text(encoding="utf-8")
SOCKET: Mapping[str, Any] = yaml.safe_load(TEXT)
#: What stands in it once somebody has followed its own first lines.
HTTP: Mapping[str, Any] = yaml.safe_load(
    re.sub(r"^( *)# (\w+: .*) # HTTP$", r"\1\2", TEXT, flags=re.MULTILINE).replace(
        "socket_mode_enabled: true", "socket_mode_enabled: false"
    )
)
BOTH = pytest.mark.parametrize("manifest", [SOCKET, HTTP], ids=["socket", "http"])


# -- what Slack takes -------------------------------------------------------------------------


@pytest.mark.slack_types
@BOTH
def test_slacks_own_types_take_it(manifest: Mapping[str, Any]) -> None:
    assert slack_types.complaints("Manifest", [manifest]) == []


@pytest.mark.slack_types
def test_slacks_own_types_are_really_asked() -> None:
    typo = {**SOCKET, "features": {**SOCKET["features"], "agent_veiw": {}}}
    assert len(slack_types.complaints("Manifest", [typo])) == 1


@BOTH
def test_no_text_is_longer_than_slack_takes(manifest: Mapping[str, Any]) -> None:
    """Types say nothing of lengths; Slack's manifest reference does."""
    display, features = manifest["display_information"], manifest["features"]
    assert len(display["name"]) <= 35
    assert len(display["description"]) <= 140
    assert 175 <= len(display["long_description"]) <= 4000
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert len(features["agent_view"]["suggested_prompts"]) <= 4
    assert all(len(shortcut["name"]) <= 24 for shortcut in features["shortcuts"])
    assert all(len(shortcut["description"]) <= 150 for shortcut in features["shortcuts"])
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", features["bot_user"]["display_name"])


def test_over_http_everything_arrives_where_the_gate_is() -> None:
    urls = [
        HTTP["settings"]["event_subscriptions"]["request_url"],
        HTTP["settings"]["interactivity"]["request_url"],
        *(command["url"] for command in HTTP["features"]["slash_commands"]),
    ]
    assert set(urls) == {f"https://desk.example.com{PATH}"}
    assert HTTP["settings"]["socket_mode_enabled"] is False


def test_over_socket_mode_no_address_is_named() -> None:
    assert "url" not in str(SOCKET)
    assert SOCKET["settings"]["socket_mode_enabled"] is True


# -- what it asks for, and no more ----------------------------------------------------------------


@BOTH
def test_it_asks_for_what_is_used_and_for_nothing_else(manifest: Mapping[str, Any]) -> None:
    assert manifest["oauth_config"] == {
        "scopes": {"bot": ["chat:write", "commands", "im:history", "im:write", "users:read"]}
    }
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == ["app_home_opened", "message.im"]
    assert manifest["settings"]["org_deploy_enabled"] is True
    assert manifest["settings"]["token_rotation_enabled"] is False
    assert set(manifest["features"]) == {"app_home", "bot_user", "agent_view", "slash_commands", "shortcuts"}


def test_the_pretend_workspace_offers_what_the_manifest_says() -> None:
    asked, usual = asked_for(SOCKET), Installed("secret", "xoxb-1", "xapp-1")
    assert [command.command for command in asked["commands"]] == [each.command for each in usual.commands]
    assert {(s.callback_id, s.type) for s in asked["shortcuts"]} == {
        (s.callback_id, s.type) for s in usual.shortcuts
    }


def test_every_event_it_subscribes_to_is_listened_to_and_no_other() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "bot").glob("slack*.py")))
    subscribed = SOCKET["settings"]["event_subscriptions"]["bot_events"]
    assert set(re.findall(r"@app\.event\(\"(\w+)\"\)", code)) == {e.partition(".")[0] for e in subscribed}


# -- what the guide says ----------------------------------------------------------------------------


def test_the_guide_tells_what_each_scope_and_event_is_for() -> None:
    wanted = [
        *SOCKET["oauth_config"]["scopes"]["bot"],
        *SOCKET["settings"]["event_subscriptions"]["bot_events"],
    ]
    assert [name for name in wanted if f"| `{name}` |" not in GUIDE] == []
