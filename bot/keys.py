"""The commands that make keys. Each prints one, and keeps it nowhere."""

from __future__ import annotations

import typer

from handlers import vapid
from handlers.settings import new_secret


def add(cli: typer.Typer) -> None:
    """Add `secret` and `push-key` to the command line."""

    @cli.command()
    def secret() -> None:
        """Print a new secret key for COUNTERSIGN_SECRET_KEY. Example: python app.py secret"""
        typer.echo(new_secret())

    @cli.command("push-key")
    def push_key() -> None:
        """Print a new key for COUNTERSIGN_VAPID_KEY. Example: python app.py push-key

        Set it together with COUNTERSIGN_VAPID_CONTACT. Another key later means that every device has to be told
        anew to be notified.
        """
        typer.echo(vapid.new())
