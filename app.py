"""Countersign's composition root and command line. Everything is put together here, and only here."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
from aiohttp import web
from pydantic import ValidationError

from bot import commands, console, inviting, keys, manifests, signing, socket, systems
from bot import mail as letters
from bot.commands import run
from bot.journal import Everywhere, Journal
from bot.slack import Slack
from bot.web.server import make_app
from demo import company, playground, real
from demo.directory import DemoDirectory
from demo.workspace.serve import serving
from handlers import logs, on_call
from handlers.connectors import active_directory, command, ldap, scim, webhook
from handlers.connectors.countersign import Countersign
from handlers.house import House, Outside, build, first_links
from handlers.ldap.accounts import Accounts
from handlers.people import Roster
from handlers.ports import Closing, Connector, Peopled
from handlers.privileged import Privileged
from handlers.settings import Config, Settings, SettingsError, load_config, load_settings, problems
from storage.setup import DEMO, PRODUCTION, Hold

if TYPE_CHECKING:
    from bot.push import Pusher
    from bot.teams import Teams

log = structlog.get_logger()

#: Systems of record by the `kind` a configuration names. A new one is one file and one entry here.
CONNECTORS: Mapping[str, Callable[[Mapping[str, object]], Connector]] = {
    "ldap": ldap.connect,
    "active_directory": active_directory.connect,
    "scim": scim.connect,
    "webhook": webhook.connect,
    "command": command.connect,
}

cli = commands.cli
cli.add_typer(manifests.manifest, name="manifest")
keys.add(cli)
inviting.add(cli)
signing.add(commands.policy)


# -- putting together -------------------------------------------------------------------------


def outside(
    config: Config, *, demo: DemoDirectory | Accounts | None = None, folder: Path = Path(".demo")
) -> Outside:
    """The adapters this installation uses. Raises SettingsError for what they can't be made of.

    `folder`: where the demo's other systems keep what was ordered of them.
    """
    if isinstance(demo, DemoDirectory):
        return Outside(demo, company.systems(demo, folder), Journal())
    if demo is not None:
        return Outside(demo.people, {"directory": demo}, Journal())
    if config.demo:
        raise SettingsError(
            "COUNTERSIGN_CONFIG says `demo: true`: these are the demo's own settings. Write your own."
        )
    schedules = on_call.schedules(config.on_call)
    connectors = {name: connected(name, entry) for name, entry in config.connectors.items()}
    if not config.directory:
        roster = Roster([entry.person() for entry in config.people])
        return Outside(roster, connectors, Journal(), schedules=schedules)
    source = connectors.get(config.directory)
    if source is None:
        raise SettingsError(
            f"directory: there is no connector {config.directory!r}. Name one of `connectors`."
        )
    if not isinstance(source, Peopled):
        raise SettingsError(f"directory: {config.directory!r} doesn't know people. Name one that does.")
    return Outside(source.people, connectors, Journal(), recent=True, schedules=schedules)


def connected(name: str, entry: Mapping[str, object]) -> Connector:
    """One system of record, as the configuration describes it. Raises SettingsError with the place."""
    place, kind = f"connectors.{name}", CONNECTORS.get(str(entry.get("kind")))
    if kind is None:
        known = ", ".join(sorted(CONNECTORS))
        raise SettingsError(f"{place}.kind: there is no {entry.get('kind')!r}. Known: {known}.")
    try:
        made = kind({key: value for key, value in entry.items() if key != "kind"})
    except ValidationError as error:
        raise SettingsError(problems(error, place)) from None
    return Privileged(made) if entry.get("only_members_of") else made


systems.add(cli, connected)
commands.DOCTORS.append(letters.findings)
commands.DOCTORS.append(on_call.findings)


@contextlib.asynccontextmanager
async def house(
    settings: Settings, config: Config, demo: DemoDirectory | Accounts | None = None
) -> AsyncIterator[House]:
    """The house, alone on its database, until the block ends."""
    needs = outside(config, demo=demo, folder=settings.socket_path.parent)
    async with contextlib.AsyncExitStack() as stack:
        for each in (*needs.connectors.values(), *needs.schedules.values()):
            if isinstance(each, Closing):
                stack.push_async_callback(each.close)
        hold = await Hold.take(settings.database_url)
        stack.push_async_callback(hold.release)
        built = await build(settings, config, needs, Countersign, DEMO if demo else PRODUCTION)
        stack.push_async_callback(built.close)
        yield built


def _chats(built: House) -> list[Slack | Teams]:
    """The chat platforms that the settings name."""
    chats: list[Slack | Teams] = []
    if built.settings.slack_bot_token:
        chats.append(Slack(built))
    if built.settings.teams_app_id:
        from bot.teams import Teams  # it takes a second to import, which nobody else should wait for

        chats.append(Teams(built))
    return chats


def _pusher(built: House) -> Pusher | None:
    """What notifies registered devices, if the settings have a key for it."""
    if not built.settings.vapid_key:
        return None
    from bot.push import Pusher  # what it stands on takes half a second to import

    return Pusher(built)


@contextlib.asynccontextmanager
async def running(built: House, app: web.Application) -> AsyncIterator[None]:
    """Pages, socket, chat, worker and clock, until the block ends."""
    chats = _chats(built)
    for chat in chats:
        chat.add_routes(app)
    pusher = _pusher(built)
    beside = [pusher] if pusher else []
    messengers = [chat.messenger for chat in chats]
    mail = letters.Mail(built) if built.settings.mail_server else None
    welcoming = [mail] if mail else []
    built.worker.messenger = Everywhere(built.worker.messenger, *messengers, *beside, beside=welcoming)
    built.worker.postman = mail or built.worker.postman
    await built.worker.outbox.release()  # what the process before us had claimed is free: we hold the lock
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, port = built.settings.host_and_port
    await web.TCPSite(runner, host, port).start()
    local = await socket.listen(built, built.settings.socket_path)
    await built.worker.catch_up()
    worker = asyncio.create_task(built.worker.run())
    built.clock.start()
    for chat in chats:
        chat.start()
    log.info("serving", public_url=built.settings.public_url, bind=built.settings.bind)
    try:
        yield
    finally:
        built.clock.stop()
        for chat in chats:
            await chat.stop()
        await local.cleanup()
        await runner.cleanup()
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        await built.worker.rest()
        if pusher:
            await pusher.close()
        built.settings.socket_path.unlink(missing_ok=True)


async def until_stopped() -> None:
    """Wait for Ctrl-C or a polite kill."""
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()


# -- the service ------------------------------------------------------------------------------


@cli.command()
def serve() -> None:
    """Run the service. Example: COUNTERSIGN_SECRET_KEY=… python app.py serve"""

    async def work() -> int:
        settings = load_settings()
        logs.configure(settings.log_format)
        async with house(settings, load_config(settings.config)) as built, running(built, make_app(built)):
            await until_stopped()
        return console.DONE

    run(work())


@contextlib.asynccontextmanager
async def _playing(command: Sequence[str], folder: Path, settings: Settings, port: int) -> AsyncIterator[str]:
    """Microsoft's own client for Teams, if there is a command that runs it; gives its address."""
    if not command:
        yield ""
        return
    endpoint = f"http://{settings.bind}/api/messages"
    async with contextlib.AsyncExitStack() as stack:
        with console.busy("Starting Microsoft's Agents Playground"):
            there = playground.running(command, folder / "teams", port, endpoint)
            address = await stack.enter_async_context(there)
        yield address


@cli.command()
def demo(
    folder: Annotated[
        Path, typer.Option(envvar="DEMO_FOLDER", help="Where the demo keeps its state.")
    ] = Path(".demo"),
    port: Annotated[
        int, typer.Option(envvar="PORT", help="Its page; Countersign takes the next port.")
    ] = 8080,
    reset: Annotated[bool, typer.Option(envvar="RESET", help="Begin with an empty company.")] = False,
    teams: Annotated[
        bool,
        typer.Option(envvar="TEAMS", help="Microsoft Teams, too, on the port after those; fetched by npx."),
    ] = False,
    directory: Annotated[
        real.Kind,
        typer.Option(envvar="DIRECTORY", help="A real directory, begun anew each time: `ldap` or `samba`."),
    ] = real.Kind.PRETEND,
) -> None:
    """Try it: a pretend company, no accounts, no keys. Example: python app.py demo --port 9000"""

    async def work() -> int:
        with contextlib.ExitStack() as stack:
            with console.busy("Starting the company's directory"):
                server = stack.enter_context(real.started(directory))
            return await at_work(server)

    async def at_work(server: real.Real | None) -> int:
        command = playground.fetched() if teams else ()
        place = folder / directory if server else folder  # who is who there is known to that server alone
        settings, pretend, workspace = company.settle(
            place, port, reset=reset or server is not None, teams=teams, pretend=server is None
        )
        logs.configure(settings.log_format)
        async with (
            serving(workspace, port) as page,
            house(settings, Config(demo=True), server.connector if server else pretend) as built,
        ):
            app = make_app(built, frame_ancestors=page, elsewhere=(company.PATH,))
            company.add_phones(app, await company.register(built, place), page)
            async with running(built, app), _playing(command, place, settings, port + 2) as window:
                sign_in = server.sign_in if server else ""
                company.welcome(settings, page, window, sign_in, console.out)
                await until_stopped()
        return console.DONE

    run(work())


@cli.command()
def init(
    first: Annotated[str, typer.Argument(help="The first administrator, by person id.")],
    second: Annotated[str, typer.Argument(help="Another administrator, by person id.")],
) -> None:
    """Enrolment links for the first administrator and a second one, until both have had a device.

    Two, because every later link is issued by one person and confirmed by another's passkey.
    Example: python app.py init nina sam
    """

    async def work() -> int:
        settings = load_settings()
        logs.configure(settings.log_format)
        async with house(settings, load_config(settings.config)) as built:
            for person, token in await first_links(built, first, second):
                console.out.print(f"{person.name}: {settings.public_url}/enrol/{token}", soft_wrap=True)
        console.out.print(
            "Each link works for an hour, once, in the first browser that opens it.", style="dim"
        )
        return console.DONE

    run(work())


if __name__ == "__main__":
    cli()
