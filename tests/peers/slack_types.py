"""Slack's own TypeScript types, asked what they say about a value of ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from tests.peers import npm_folder


def missing() -> str | None:
    """Why the types can't be asked here, or None when they can."""
    return npm_folder.missing("@slack/types", "@slack/web-api", "ajv", "ts-json-schema-generator")


def complaints(type: str, values: Sequence[object]) -> list[str]:
    """What `KnownBlock`, `View` or `Manifest` says against these values; nothing when each of them is one."""
    node = npm_folder.node()
    assert node is not None, missing()
    asked = json.dumps({"type": type, "values": list(values)})
    command = [node, str(npm_folder.FOLDER / "judge.mjs")]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
