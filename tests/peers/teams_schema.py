"""Microsoft's own schema of Teams' app manifest, asked what it says about one of ours."""

from __future__ import annotations

import json

from jsonschema import Draft4Validator

from tests.peers import npm_folder

PACKAGE = "@microsoft/app-manifest"


def missing() -> str | None:
    """Why the schema can't be asked here, or None when it can."""
    return npm_folder.missing(PACKAGE)


def complaints(manifest: object, version: str) -> list[str]:
    """What the schema of this version says against it; nothing when it is a manifest."""
    folder = npm_folder.MODULES / PACKAGE / "build" / "json-schemas" / "teams" / f"v{version}"
    schema = json.loads((folder / "MicrosoftTeams.schema.json").read_text("utf-8"))
    return [error.message for error in Draft4Validator(schema).iter_errors(manifest)]
