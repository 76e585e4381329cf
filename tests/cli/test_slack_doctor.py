"""The doctor's command tells of Slack, too, wherever Slack is set up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.slack_doctor import wanted
from demo.workspace.installed import Installed
from demo.workspace.people import GENERAL, SECURITY
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from tests.cli.test_commands import Beside, run, wide
from tests.company import SECRET_KEY

BOT, APP = "xoxb-of-this-test", "xapp-of-this-test"


@pytest.mark.parametrize(("channel", "level"), [(SECURITY.id, "pass"), (GENERAL.id, "fail")])
def test_the_doctor_looks_at_slack(tmp_path: Path, channel: str, level: str) -> None:
    beside = Beside()

    async def begin() -> str:
        world = World(":memory:")
        workspace = Workspace(world, Installed("secret", BOT, APP, scopes=wanted()[0]), "http://localhost:9")
        return await beside.stack.enter_async_context(serving(workspace))

    try:
        env = {
            "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
            "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
            "COUNTERSIGN_SLACK_BOT_TOKEN": BOT,
            "COUNTERSIGN_SLACK_APP_TOKEN": APP,
            "COUNTERSIGN_SLACK_API_URL": f"{beside.do(begin())}/api/",
            "COUNTERSIGN_SECURITY_CHANNEL": channel,
        }
        result, table = run("doctor", "--json", env=env), run("doctor", env=env)
    finally:
        beside.end()
    found = {finding["check"]: finding for finding in json.loads(result.stdout)}
    assert found["slack"]["seen"] == "countersign in Acme (T0ACME)"
    assert found["security channel"]["level"] == level
    assert result.exit_code == 1, "the demo's playbooks have no connector here"
    assert "security channel" in table.stdout
    assert wide(table) <= 80
    assert BOT not in result.output + table.output


def test_slack_set_up_by_half_is_told_once() -> None:
    result = run(
        "doctor", "--json", env={"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_SLACK_BOT_TOKEN": BOT}
    )
    findings = json.loads(result.stdout)
    assert [finding["level"] for finding in findings] == ["fail"]
    assert "COUNTERSIGN_SLACK_BOT_TOKEN" in findings[0]["seen"]
