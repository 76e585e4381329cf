"""The commands that give a chat platform what it installs: Slack's manifest, and Teams' app package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot import console, teams_package

SLACK = Path(__file__).parent.parent / "manifest.yml"

manifest = typer.Typer(help="What a chat platform installs.", no_args_is_help=True)


@manifest.command()
def slack() -> None:
    """Print Slack's app manifest, to be pasted. Example: python app.py manifest slack"""
    typer.echo(SLACK.read_text("utf-8"), nl=False)


@manifest.command()
def teams(
    app_id: Annotated[
        str, typer.Option(envvar="COUNTERSIGN_TEAMS_APP_ID", help="The bot's Microsoft App ID.")
    ] = "",
    url: Annotated[str, typer.Option(envvar="COUNTERSIGN_PUBLIC_URL", help="The address people open.")] = "",
    output: Annotated[Path, typer.Option(help="Where to write the package.")] = Path("countersign-teams.zip"),
) -> None:
    """Build Teams' app package. Example: python app.py manifest teams --url https://desk.example.com"""
    try:
        output.write_bytes(teams_package.package(app_id, url))
    except teams_package.PackageError as refused:
        raise typer.Exit(console.refuse(str(refused), as_json=False, kind="PackageError")) from None
    console.say(f"● {output} is written. Upload it as docs/teams.md says.")
