"""The commands that ask, look and look after. What runs the service itself stands in app.py."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from bot import console, policy_pages, slack_doctor
from bot.facts import passkey_name
from flows.errors import LastOnDevice, UnknownDevice, UnknownRequest
from flows.registration import Authenticator, Registration
from flows.spoken import heard
from handlers import doctor
from handlers.evidence import Auditor
from handlers.findings import Finding, Level
from handlers.house import seed_binding
from handlers.playbooks import PlaybookError, load
from handlers.policy import FOLDER, Rules
from handlers.rules.findings import Known
from handlers.rules.findings import findings as rule_findings
from handlers.settings import Settings, SettingsError, load_config, load_reach, load_settings
from handlers.standings import Standings
from storage import migrate, setup
from storage.seals import Keys
from storage.setup import PRODUCTION, Hold, NotReady
from storage.sql import TABLES
from storage.store import Place, Store, utc_now
from storage.tables import iso

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

#: What else the doctor looks at: whoever puts the service together knows of it.
DOCTORS: list[Callable[[Settings], Awaitable[list[Finding]]]] = []

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def run(work: Coroutine[Any, Any, int], *, as_json: bool = False) -> None:
    """Run a command; every reason not to is a sentence on standard error, or JSON, and exit code 1."""
    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        code = console.refuse("Stopped before it was done.", as_json=as_json, kind="Stopped")
    except Exception as problem:
        said = console.sentence(problem)
        if not said:
            raise  # a defect of ours
        problems = [asdict(each) for each in problem.problems] if isinstance(problem, PlaybookError) else ()
        code = console.refuse(said, as_json=as_json, kind=type(problem).__name__, problems=problems)
    raise typer.Exit(code)


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

    run(work(), as_json=as_json)


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
        return await console.follow(client, await client.look(_named(id)), wait=False, as_json=as_json)

    run(work(), as_json=as_json)


def _named(id: str) -> str:
    """A request's name as people type it: small letters, O for 0, I and L for 1. Raises UnknownRequest."""
    name = heard(id.strip())
    if not re.fullmatch(r"CS-[0-9A-HJKMNP-TV-Z]{5}", name):
        raise UnknownRequest
    return name


# -- looking after it -------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def reading() -> AsyncIterator[tuple[Settings, Store]]:
    """The database, opened read-only beside whatever runs on it. Raises NotReady unless there is something in it."""
    settings = load_settings()
    path = Place.parse(settings.database_url).path
    if path is not None and not path.exists():
        raise NotReady(
            f"there is no database at {path}. Check COUNTERSIGN_DATABASE_URL; "
            "`python app.py db upgrade` or the first `serve` makes it"
        )
    store = await Store.open(settings.database_url, Keys(settings.secret_key), read_only=True)
    try:
        await _prepared(store)
        yield settings, store
    finally:
        await store.close()


async def _prepared(store: Store) -> None:
    """Raise NotReady unless the database stands at this program's revision and holds its first rows."""
    stands, needed = await doctor.revision(store), migrate.newest()
    remedy = "Stop `serve`, then run `python app.py db upgrade`"
    if stands is None or (stands == needed and not await store.fetch(select(TABLES["tree_head"].c.id))):
        raise NotReady(f"the database is empty. {remedy}")
    if stands != needed:
        raise NotReady(f"the database stands at revision {stands}, this program needs {needed}. {remedy}")


@audit.command("log")
def audit_log(
    id: Annotated[str | None, typer.Argument(help="Only this request.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many events at most.")] = 50,
    as_json: Json = False,
) -> None:
    """The newest audit events. Example: python app.py audit log CS-7F3KQ"""

    async def work() -> int:
        async with reading() as (_, store):
            name = _named(id) if id else None
            rows = await Auditor(store, {}).events(name, last)
            columns = ("number", "time", "request", "event", "what")
            empty = f"No event tells of {name}." if name else "Nothing has happened yet."
            title = "Audit events, times in UTC"
            console.chronicle(title, columns, rows, as_json=as_json, empty=empty)
        return console.DONE

    run(work(), as_json=as_json)


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
            with console.busy("Checking the evidence"):
                findings = await Auditor.of(settings, store).verify(_named(id) if id else None)
        return console.report("Evidence", findings, as_json=as_json)

    run(work(), as_json=as_json)


@cli.command()
def devices(
    person: Annotated[str, typer.Argument(help="Whose, by person id.")],
    recall: Annotated[
        str, typer.Option(help="Ask for the removal of this device or passkey, by its id or name.")
    ] = "",
    by: Annotated[str, typer.Option("--as", help="The administrator who asks, and confirms it next.")] = "",
    as_json: Json = False,
) -> None:
    """A person's registered devices and passkeys. Example: python app.py devices maya

    With --recall and --as it asks for the removal of one: that administrator confirms it on their own device page,
    and one more person agrees. Example: python app.py devices maya --recall "Old phone" --as nina
    """
    if bool(recall) != bool(by):
        raise typer.BadParameter("--recall and --as go together", param_hint="--as" if recall else "--recall")

    async def ask() -> int:
        async with reading() as (_, store):
            playbook, answers = _recalled(await Auditor(store, {}).registration(person), recall)
        client = console.ServiceClient(load_reach().socket_path)
        told = await client.ask(playbook, by, person, answers)
        return await console.follow(client, told, wait=False, as_json=as_json)

    async def work() -> int:
        async with reading() as (_, store):
            auditor = Auditor(store, {})
            rows, registration = await auditor.devices(person), await auditor.registration(person)
        passkeys = [(key.device, _told(registration, key)) for key in registration.passkeys]
        if as_json:
            found = [
                (*row, [dict(zip(_OF_PASSKEYS, key, strict=True)) for on, key in passkeys if on == row[0]])
                for row in rows
            ]
            console.listing("Devices", (*_OF_DEVICES, "passkeys"), found, as_json=True, empty="")
            return console.DONE
        shown = [place for place, column in enumerate(_OF_DEVICES) if column != "registered"]  # in 80 columns
        columns, lines = [_OF_DEVICES[n] for n in shown], [[row[n] for n in shown] for row in rows]
        empty = f"No device is registered for {person}."
        console.listing("Devices", columns, lines, as_json=False, empty=empty)
        if passkeys:
            keys = [key for _, key in passkeys]
            console.listing("Passkeys", _OF_PASSKEYS, keys, as_json=False, empty="")
        return console.DONE

    run(ask() if recall else work(), as_json=as_json)


_OF_DEVICES = ("device", "name", "can prove with", "last used", "registered", "revoked")
_OF_PASSKEYS = ("passkey", "name", "kind", "last used")


def _told(registration: Registration, key: Authenticator) -> list[str]:
    """A passkey for reading, by the columns above."""
    return [key.short, passkey_name(registration, key), key.kind, iso(key.used_at) if key.used_at else ""]


def _recalled(registration: Registration, named: str) -> tuple[str, dict[str, str]]:
    """What is asked for a device or passkey of this id or name. Raises UnknownDevice unless it is exactly one.

    Raises LastOnDevice for a passkey that can't go without its device.
    """
    devices = [device.id for device in registration.live if named in (device.id, device.name)]
    passkeys = [key for key in registration.passkeys if named in (key.short, key.name)]
    match devices, passkeys:
        case [device], []:
            return "device_recall", {"device": device}
        case [], [passkey] if passkey not in registration.spare:
            raise LastOnDevice
        case [], [passkey]:
            return "passkey_recall", {"passkey": passkey.short}
    raise UnknownDevice(f"Name it by its id, as `python app.py devices {registration.person}` shows it.")


@cli.command()
def frozen(as_json: Json = False) -> None:
    """Whose requests rest, until when and by whom. Example: python app.py frozen"""

    async def work() -> int:
        async with reading() as (_, store):
            rows = [
                (each.person, iso(each.frozen_until), each.frozen_by, each.ordered)
                for each in await Standings(store).frozen()
                if each.frozen_until is not None
            ]
            columns = ("person", "until", "by", "request")
            console.listing("Frozen", columns, rows, as_json=as_json, empty="Nobody is frozen.")
        return console.DONE

    run(work(), as_json=as_json)


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
        console.say(f"The database stands at revision {migrate.newest()}.")
        return console.DONE

    run(work())


@db.command("reseal")
def db_reseal() -> None:
    """Move every seal and sealed box to the newest secret key. Example: python app.py db reseal"""

    async def work() -> int:
        async with reading() as (settings, _):  # opened for writing, a missing database would be made
            pass
        hold = await Hold.take(settings.database_url)
        try:
            store = await Store.open(settings.database_url, Keys(settings.secret_key))
            try:
                moved = await console.progress("Resealing", setup.reseal(store, seed_binding))
            finally:
                await store.close()
        finally:
            await hold.release()
        console.say(f"{moved:,} rows were moved to the newest key.")
        return console.DONE

    run(work())


@policy.command("list")
def policy_list(as_json: Json = False) -> None:
    """What can be asked for. Example: python app.py policy list"""

    async def work() -> int:
        found = load(load_reach().playbooks).values()
        columns: Sequence[str] = ("playbook", "title", "tier", "proof", "version", "hash")
        rows: list[Sequence[object]] = [
            (p.name, p.title, p.tier, p.assurance, p.version, p.hash[:12]) for p in found
        ]
        if not as_json:  # in 80 columns; `policy check` tells the rest
            columns, rows = columns[:4], [row[:4] for row in rows]
        console.listing("Playbooks", columns, rows, as_json=as_json, empty="There are no playbooks.")
        return console.DONE

    run(work(), as_json=as_json)


def _config() -> Path | None:
    """The configuration, where there are settings that name one: rules are checked without them, too."""
    with contextlib.suppress(SettingsError):
        return load_settings().config
    return None


@policy.command("check")
def policy_check(as_json: Json = False) -> None:
    """Check every playbook and rule, and print each playbook as a page. Example: python app.py policy check

    File, line and remedy of whatever is wrong; exit code 1 when a rule can never have a say, or two contradict.
    """

    async def work() -> int:
        folder = load_reach().playbooks
        found = load(folder)
        rules = Rules.load(folder / FOLDER, found).all
        checked = [
            Finding(p.name, Level.PASS, f"version {p.version}, tier {p.tier}, hash {p.hash[:12]}")
            for p in found.values()
        ]
        config = load_config(_config())
        checked += rule_findings(rules, Known(found, config.roles, config.networks))
        if not as_json:
            for playbook in found.values():
                console.say(policy_pages.page(playbook, rules))
        return console.report("Playbooks and rules", checked, as_json=as_json)

    run(work(), as_json=as_json)


@cli.command("doctor")
def doctor_(as_json: Json = False) -> None:
    """Check settings, database, clock, playbooks, chats, connectors; a remedy each. Example: python app.py doctor"""

    async def work() -> int:
        with console.busy("Looking around"):
            findings = await doctor.diagnose()
            with contextlib.suppress(SettingsError):  # which it has told already
                settings = load_settings()
                findings += await slack_doctor.findings(settings)
                if settings.teams_app_id:
                    from bot import teams_doctor  # its libraries take a second to import

                    findings += await teams_doctor.findings(settings)
                for more in DOCTORS:
                    findings += await more(settings)
        return console.report("Doctor", findings, as_json=as_json)

    run(work(), as_json=as_json)
