"""Commands about systems of record: which there are, and what one of them lets us do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from bot import commands, console
from bot.commands import Json, run
from handlers.findings import Finding, Level
from handlers.playbooks import PlaybookError, load
from handlers.ports import Closing, Connector, Examined
from handlers.settings import Settings, SettingsError, load_config, load_settings

#: Makes a connector from its name and its entry in the configuration. Raises SettingsError.
Connecting = Callable[[str, Mapping[str, object]], Connector]


def add(cli: typer.Typer, connect: Connecting) -> None:
    """Add `connectors` to the command line, and its checks to the doctor's."""
    systems = typer.Typer(help="Look at the systems that changes are made in.", no_args_is_help=True)
    cli.add_typer(systems, name="connectors")
    commands.DOCTORS.append(lambda settings: _every(settings, connect))

    @systems.command("list")
    def list_(as_json: Json = False) -> None:
        """List connectors, what each can do, and what playbooks need of it. Example: python app.py connectors list"""

        async def work() -> int:
            settings = load_settings()
            rows = []
            for name, entry in load_config(settings.config).connectors.items():
                async with _connected(name, entry, connect) as made:
                    rows.append((name, str(entry.get("kind")), made.verbs, _needed(settings, name)))
            heads = ("connector", "kind", "can", "playbooks need")
            shown = [(name, kind, _words(can), _words(needed)) for name, kind, can, needed in rows]
            empty = "None is configured yet. docs/settings.md says how."
            console.listing("Connectors", heads, shown, as_json=as_json, empty=empty)
            return console.DONE

        run(work(), as_json=as_json)

    @systems.command("test")
    def test(
        name: Annotated[str, typer.Argument(help="The connector; `connectors list` shows them.")],
        account: Annotated[str, typer.Option(help="Whose account to look at; else any.")] = "",
        as_json: Json = False,
    ) -> None:
        """Try one connector against the live system; nothing is changed. Example: python app.py connectors test ad"""

        async def work() -> int:
            settings = load_settings()
            entry = load_config(settings.config).connectors.get(name)
            if entry is None:
                raise SettingsError(
                    f"There is no connector {name!r}. `python app.py connectors list` shows them."
                )
            with console.busy(f"Looking at {name}"):
                findings = await _looked(settings, name, entry, connect, account)
            return console.report(f"Connector {name}", findings, as_json=as_json)

        run(work(), as_json=as_json)


async def _every(settings: Settings, connect: Connecting) -> list[Finding]:
    """For the doctor: each connector, its findings under its name."""
    found = []
    for name, entry in load_config(settings.config).connectors.items():
        try:
            looked = await _looked(settings, name, entry, connect, "")
        except SettingsError as error:
            looked = [Finding("configuration", Level.FAIL, str(error), "Mend the place named.")]
        found += [Finding(f"{name}: {each.check}", each.level, each.seen, each.remedy) for each in looked]
    return found


async def _looked(
    settings: Settings, name: str, entry: Mapping[str, object], connect: Connecting, account: str
) -> list[Finding]:
    async with _connected(name, entry, connect) as made:
        if isinstance(made, Examined):
            return await made.examine(_needed(settings, name), account)
        seen = f"a {entry.get('kind')} can't be tried without changing something"
        return [Finding("rights", Level.WARN, seen, "Try it with a request about an account of your own.")]


@asynccontextmanager
async def _connected(name: str, entry: Mapping[str, object], connect: Connecting) -> AsyncIterator[Connector]:
    made = connect(name, entry)
    try:
        yield made
    finally:
        if isinstance(made, Closing):
            await made.close()


def _needed(settings: Settings, name: str) -> set[str]:
    """The verbs that playbooks need of a connector; none where those can't be read, which others say."""
    try:
        return {each.verb for each in load(settings.playbooks).values() if each.connector == name}
    except PlaybookError:
        return set()


def _words(verbs: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(verbs)) or "nothing"
