"""The commands that ask, look and look after. What runs the service itself stands in app.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

import typer

from bot import console
from flows.errors import Refusal
from handlers import doctor
from handlers.evidence import Auditor
from handlers.house import seed_binding
from handlers.playbooks import PlaybookError, load
from handlers.settings import Settings, SettingsError, load_reach, load_settings, new_secret
from storage import migrate, setup
from storage.seals import Keys
from storage.setup import PRODUCTION, Hold, NotReady
from storage.store import Store, utc_now

cli = typer.Typer(
    help="Verified desk requests: proof on a registered device, consent by the right people, evidence of it all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="Read and check the evidence.", no_args_is_help=True)
db = typer.Typer(help="Look after the database.", no_args_is_help=True)
policy = typer.Typer(help="Read and check the playbooks.", no_args_is_help=True)
cli.add_typer(audit, name="audit")
cli.add_typer(db, name="db")
cli.add_typer(policy, name="policy")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def run(work: Coroutine[Any, Any, int]) -> None:
    """Run a command; every reason not to is one sentence on standard error and exit code 1."""
    try:
        code = asyncio.run(work)
    except (SettingsError, NotReady, PlaybookError, ValueError, OSError, console.Unserved) as problem:
        raise typer.Exit(console.refuse(str(problem))) from None
    except Refusal as refusal:
        raise typer.Exit(console.refuse(refusal.sentence)) from None
    except KeyboardInterrupt:
        raise typer.Exit(console.DONE) from None
    raise typer.Exit(code)


@cli.command()
def secret() -> None:
    """Print a new secret key for COUNTERSIGN_SECRET_KEY."""
    typer.echo(new_secret())


# -- asking -----------------------------------------------------------------------------------


@cli.command()
def request(
    playbook: Annotated[str, typer.Argument(help="What to ask for; `policy list` shows what there is.")],
    subject: Annotated[str, typer.Option("--for", help="Whom it is for, by person id.")],
    requester: Annotated[str, typer.Option("--by", help="Who asks, if it is somebody else.")] = "",
    field: Annotated[
        list[str] | None, typer.Option("--field", help="An answer of the form: name=text.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow it until it is over.")] = True,
    as_json: Json = False,
) -> None:
    """Ask for something. Example: python app.py request password_reset --for maya"""
    answers = dict(_answer(text) for text in field or ())

    async def work() -> int:
        client = console.ServiceClient(load_reach().socket_path)
        told = await client.ask(playbook, requester or subject, subject, answers)
        return await console.follow(client, told, wait=wait, as_json=as_json)

    run(work())


def _answer(text: str) -> tuple[str, str]:
    name, equals, answer = text.partition("=")
    if not equals:
        raise typer.BadParameter("write it as name=text", param_hint="--field")
    return name, answer


@cli.command()
def show(
    id: Annotated[str, typer.Argument(help="Its name, such as CS-7F3KQ.")], as_json: Json = False
) -> None:
    """Show one request. Example: python app.py show CS-7F3KQ"""

    async def work() -> int:
        client = console.ServiceClient(load_reach().socket_path)
        return await console.follow(client, await client.look(id.upper()), wait=False, as_json=as_json)

    run(work())


# -- looking after it -------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def reading() -> AsyncIterator[tuple[Settings, Store]]:
    """The database, opened read-only beside whatever runs on it."""
    settings = load_settings()
    store = await Store.open(settings.database_url, Keys(settings.secret_key), read_only=True)
    try:
        yield settings, store
    finally:
        await store.close()


@audit.command("log")
def audit_log(
    id: Annotated[str | None, typer.Argument(help="Only this request.")] = None,
    last: Annotated[int, typer.Option(help="How many events at most.")] = 50,
    as_json: Json = False,
) -> None:
    """The newest audit events. Example: python app.py audit log CS-7F3KQ"""

    async def work() -> int:
        async with reading() as (_, store):
            rows = await Auditor(store, {}).events(id.upper() if id else None, last)
            columns = ("number", "time", "request", "event", "what")
            console.listing("Audit events", columns, rows, as_json=as_json, empty="Nothing has happened yet.")
        return console.DONE

    run(work())


@audit.command("verify")
def audit_verify(
    id: Annotated[
        str | None, typer.Argument(help="One request and its proofs, instead of everything.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the log, every seal and every proof against the rows alone. Example: python app.py audit verify"""

    async def work() -> int:
        async with reading() as (settings, store):
            findings = await Auditor.of(settings, store).verify(id.upper() if id else None)
        return console.report("Evidence", findings, as_json=as_json)

    run(work())


@cli.command()
def devices(person: str, as_json: Json = False) -> None:
    """A person's registered devices. Example: python app.py devices maya"""

    async def work() -> int:
        async with reading() as (_, store):
            rows = await Auditor(store, {}).devices(person)
            columns = ("device", "name", "can prove with", "registered", "revoked")
            console.listing("Devices", columns, rows, as_json=as_json, empty="No device is registered.")
        return console.DONE

    run(work())


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this version's schema. Example: python app.py db upgrade"""

    async def work() -> int:
        settings = load_settings()
        hold = await Hold.take(settings.database_url)
        try:
            await setup.prepare(settings.database_url, Keys(settings.secret_key), PRODUCTION, utc_now())
        finally:
            await hold.release()
        console.out.print(f"The database stands at revision {migrate.newest()}.")
        return console.DONE

    run(work())


@db.command("reseal")
def db_reseal() -> None:
    """Move every seal and sealed box to the newest secret key. Example: python app.py db reseal"""

    async def work() -> int:
        settings = load_settings()
        hold = await Hold.take(settings.database_url)
        try:
            store = await Store.open(settings.database_url, Keys(settings.secret_key))
            moved = await console.progress("Resealing", setup.reseal(store, seed_binding))
            await store.close()
        finally:
            await hold.release()
        console.out.print(f"{moved} rows carry the newest key's seal.")
        return console.DONE

    run(work())


@policy.command("list")
def policy_list(as_json: Json = False) -> None:
    """What can be asked for. Example: python app.py policy list"""
    run(_policy(as_json=as_json))


@policy.command("check")
def policy_check(as_json: Json = False) -> None:
    """Check every playbook; file, line and remedy of whatever is wrong. Example: python app.py policy check"""
    run(_policy(as_json=as_json))


async def _policy(*, as_json: bool) -> int:
    found = load(load_settings().playbooks)
    rows = [(p.name, p.version, p.title, p.tier, p.assurance, p.hash[:12]) for p in found.values()]
    columns = ("playbook", "version", "title", "tier", "proof", "hash")
    console.listing("Playbooks", columns, rows, as_json=as_json, empty="There are no playbooks.")
    return console.DONE


@cli.command("doctor")
def doctor_(as_json: Json = False) -> None:
    """Check settings, database, key, clock and playbooks, with a remedy each. Example: python app.py doctor"""

    async def work() -> int:
        return console.report("Doctor", await doctor.diagnose(), as_json=as_json)

    run(work())
