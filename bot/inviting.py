"""The command that tells a whole group that they can join: a wave of thousands, or the five of a pilot."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer

from bot import console
from bot.commands import Json, run
from handlers.settings import load_reach


def add(cli: typer.Typer) -> None:
    """Add `invite` to the command line."""

    @cli.command()
    def invite(
        group: Annotated[str, typer.Option(help="A role, as the directory or the configuration gives it.")],
        remind: Annotated[
            bool, typer.Option("--remind", help="Tell those again who were told three days ago.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say who would be told; tell nobody.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Tell a group that they can register a first device. Example: python app.py invite --group employees

        Whoever had a device or was told already is left out: run it again, and a wave that broke off goes on.
        """

        async def work() -> int:
            client = console.ServiceClient(load_reach().socket_path)
            wave = await client.wave(group, remind=remind)
            if "refused" in wave:
                return console.refuse(wave["sentence"], as_json=as_json, kind=wave["refused"])
            sent = Sent(client, group, wave["due"])
            if not dry_run:
                await console.progress(f"Telling {group}", sent.steps())
            return _summary(wave, sent, dry_run=dry_run, as_json=as_json)

        run(work(), as_json=as_json)


class Sent:
    """One run over those who are due: who was told, and who couldn't be."""

    def __init__(self, client: console.ServiceClient, group: str, due: dict[str, str]) -> None:
        self._client = client
        self._group = group
        self._due = due
        self.told: dict[str, str] = {}
        self.missed: dict[str, str] = {}

    async def steps(self) -> AsyncIterator[tuple[int, int]]:
        """Tell them one after another; gives (done, of how many)."""
        for done, (id, name) in enumerate(self._due.items(), 1):
            answer = await self._client.welcome(self._group, id)
            if "refused" not in answer:  # else they have joined or left meanwhile
                (self.told if answer["told"] else self.missed)[id] = name
            yield done, len(self._due)


def _summary(wave: dict[str, Any], sent: Sent, *, dry_run: bool, as_json: bool) -> int:
    parts = {
        "joined": wave["joined"],
        "told before": wave["told"],
        "would be told" if dry_run else "told now": wave["due"] if dry_run else sent.told,
        "couldn't be reached": sent.missed,
    }
    if as_json:
        shown = {name.replace(" ", "_").replace("'", ""): people for name, people in parts.items()}
        console.out.print_json(json.dumps(shown))
        return console.DONE
    named = ("would be told", "couldn't be reached")
    rows = [
        (name, len(people), ", ".join(people.values()) if name in named else "")
        for name, people in parts.items()
    ]
    console.listing("Joining", ("", "people", "who"), rows, as_json=False, empty="")
    if sent.missed:
        console.say(
            "Tell those yourself: the address is your public one with /join behind it, for everybody."
        )
    return console.DONE
