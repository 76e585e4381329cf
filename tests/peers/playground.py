"""Microsoft's own Teams client for one machine, as npm installed it."""

from __future__ import annotations

from collections.abc import Sequence

from demo.playground import PACKAGE
from tests.peers import npm_folder


def missing() -> str | None:
    """Why it can't be used here, or None when it can."""
    return npm_folder.missing(PACKAGE)


def command() -> Sequence[str]:
    """What runs it."""
    node = npm_folder.node()
    assert node is not None, missing()
    return [node, str(npm_folder.MODULES / PACKAGE / "cli.js")]
