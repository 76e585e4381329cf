"""Microsoft's own renderer of Adaptive Cards, which its clients show them with, as npm installed it."""

from __future__ import annotations

from tests.peers import npm_folder

PACKAGE = "adaptivecards"
SCRIPT = npm_folder.MODULES / PACKAGE / "dist" / "adaptivecards.min.js"


def missing() -> str | None:
    """Why it can't be used here, or None when it can."""
    return npm_folder.missing(PACKAGE)
