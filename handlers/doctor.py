"""The doctor: does this installation have what it needs? Each check says what was seen and what to do."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, column, select, table

from handlers import signatures
from handlers.evidence import Auditor
from handlers.findings import Finding, Level
from handlers.playbooks import PlaybookError, load
from handlers.settings import Config, Settings, SettingsError, load_config, load_settings
from storage import migrate
from storage.seals import Keys
from storage.setup import PRODUCTION, NotReady, examine
from storage.sql import TABLES
from storage.store import Place, Store

_SOCKET_PATH = 107  # bytes; what the kernel takes as a Unix socket's address
_LATE = 300  # seconds an owed effect may wait before somebody should look

_STANDS: Select[Any] = select(column("version_num")).select_from(table("alembic_version"))


async def diagnose() -> list[Finding]:
    """Every check that can be made from here, in the order in which they depend on each other."""
    findings = _strangers()
    try:
        settings = load_settings()
    except SettingsError as error:
        return findings + [_wrong(line) for line in str(error).splitlines()]
    findings += [_address(settings), _bind(settings), _proxies(settings), _socket(settings)]
    findings += [_log_format(settings), _secret_key(settings), _push(settings)]
    config, finding = _config(settings)
    findings += [finding, _playbooks(settings, config), *_signed(settings)]
    if config is not None:
        findings.append(_roles(config))
    return findings + await _database(settings)


def _strangers() -> list[Finding]:
    """Variables that nothing reads: most often a slip of the fingers, whose setting then has its default."""
    known = {f"COUNTERSIGN_{name.upper()}" for name in Settings.model_fields}
    found = sorted(name for name in os.environ if name.startswith("COUNTERSIGN_") and name not in known)
    remedy = "Check the spelling against docs/settings.md, or unset it."
    return [Finding("settings", Level.WARN, f"nothing reads {name}", remedy) for name in found]


def _wrong(line: str) -> Finding:
    name, _, problem = line.partition(": ")
    what, _, remedy = problem.partition(". ")
    return Finding("settings", Level.FAIL, f"{name}: {what}", remedy)


def _address(settings: Settings) -> Finding:
    url = urlsplit(settings.public_url)
    if url.scheme == "https":
        return Finding(
            "public address", Level.PASS, f"{settings.public_url}; passkeys are bound to {url.hostname}"
        )
    seen = f"{settings.public_url}: only a browser on this very machine can use it"
    return Finding("public address", Level.WARN, seen, "Set COUNTERSIGN_PUBLIC_URL to your https address.")


def _bind(settings: Settings) -> Finding:
    host, port = settings.host_and_port
    if host in ("0.0.0.0", "::") and not settings.trusted_proxies:  # noqa: S104  asked about, not bound to
        remedy = "Bind to the address your TLS proxy uses, and name the proxy in COUNTERSIGN_TRUSTED_PROXIES."
        return Finding("listening", Level.WARN, f"{host}:{port} is reachable without the proxy", remedy)
    return Finding("listening", Level.PASS, f"{host}:{port}")


def _proxies(settings: Settings) -> Finding:
    check, proxies = "trusted proxies", settings.trusted_proxies
    wide = [str(network) for network in proxies if network.prefixlen < (8 if network.version == 4 else 32)]
    if wide:
        seen = f"{', '.join(wide)}: nearly anybody could write any address into the log"
        return Finding(check, Level.FAIL, seen, "Name the proxy alone in COUNTERSIGN_TRUSTED_PROXIES.")
    if not proxies and urlsplit(settings.public_url).scheme == "https":
        seen = "none, so the log shows the proxy's address, and nobody is limited at /recover by their own"
        return Finding(check, Level.WARN, seen, "Name your TLS proxy in COUNTERSIGN_TRUSTED_PROXIES.")
    return Finding(check, Level.PASS, ", ".join(map(str, proxies)) or "none")


def _socket(settings: Settings) -> Finding:
    path = settings.socket_path
    remedy = "Set COUNTERSIGN_SOCKET to a short path in a folder of the service's account."
    if len(os.fsencode(path)) > _SOCKET_PATH:
        seen = f"its path is longer than {_SOCKET_PATH} bytes, so nothing can listen there"
        return Finding("socket", Level.FAIL, seen, remedy)
    if not path.parent.is_dir():
        return Finding("socket", Level.FAIL, f"the folder {path.parent} doesn't exist", f"Make it. {remedy}")
    return Finding("socket", Level.PASS, str(path))


def _log_format(settings: Settings) -> Finding:
    if settings.log_format == "json":
        return Finding("log format", Level.PASS, "json")
    remedy = "Set COUNTERSIGN_LOG_FORMAT to json, and have a collector page somebody on `critical`."
    return Finding("log format", Level.WARN, "for people, so no collector raises the alarm", remedy)


def _secret_key(settings: Settings) -> Finding:
    if len(settings.secret_key) > 1:
        seen = f"{len(settings.secret_key)} keys are in use: a rotation is under way"
        return Finding(
            "secret key", Level.WARN, seen, "Run `python app.py db reseal`, then drop the older keys."
        )
    if len(set(settings.secret_key[0])) < 12:
        return Finding("secret key", Level.FAIL, "it isn't random", "Make one with `python app.py secret`.")
    return Finding("secret key", Level.PASS, "present, not shown")


def _push(settings: Settings) -> Finding:
    check = "notifications"
    if not settings.vapid_key:
        return Finding(check, Level.PASS, "no device is notified: COUNTERSIGN_VAPID_KEY isn't set")
    return Finding(
        check, Level.PASS, f"devices are notified; push services write to {settings.vapid_contact}"
    )


def _playbooks(settings: Settings, config: Config | None) -> Finding:
    try:
        found = load(settings.playbooks)
    except PlaybookError as error:
        return Finding("playbooks", Level.FAIL, str(error), "Mend the lines named.")
    there = {"countersign", *(config.connectors if config else ())}
    lacking = sorted(f"{p.name} ({p.connector})" for p in found.values() if p.connector not in there)
    if lacking and config is not None:
        remedy = (
            "Name these connectors in COUNTERSIGN_CONFIG, or leave those files out of COUNTERSIGN_PLAYBOOKS."
        )
        return Finding("playbooks", Level.FAIL, f"no such connector: {', '.join(lacking)}", remedy)
    return Finding("playbooks", Level.PASS, ", ".join(sorted(found)))


def _signed(settings: Settings) -> list[Finding]:
    """Whether they are signed, unless they can't be read, which is told already."""
    try:
        return [signatures.finding(settings, load(settings.playbooks))]
    except PlaybookError:
        return []


def _config(settings: Settings) -> tuple[Config | None, Finding]:
    try:
        config = load_config(settings.config)
    except SettingsError as error:
        return None, Finding("configuration", Level.FAIL, str(error), "Mend the place named.")
    if config.demo:
        return config, Finding(
            "configuration", Level.FAIL, "these are the demo's settings", "Write your own."
        )
    if settings.config is None:
        remedy = "Set COUNTERSIGN_CONFIG to a YAML file that names people, roles and connectors."
        return config, Finding("configuration", Level.WARN, "there is none, so nobody can ask", remedy)
    return config, Finding("configuration", Level.PASS, str(settings.config))


def _roles(config: Config) -> Finding:
    holders = config.roles.get("administrator", ())
    if len(holders) < 2:
        remedy = "Name two or more under `roles: administrator:`; each enrolment link takes two people."
        return Finding("administrators", Level.FAIL, f"there are {len(holders)}", remedy)
    known = {person.id for person in config.people}
    strangers = sorted({id for ids in config.roles.values() for id in ids} - known) if known else []
    if strangers:
        seen = f"roles are given to unknown people: {', '.join(strangers)}"
        return Finding("administrators", Level.WARN, seen, "Check the spelling under `roles`.")
    return Finding("administrators", Level.PASS, ", ".join(holders))


async def _database(settings: Settings) -> list[Finding]:
    place = Place.parse(settings.database_url)
    if place.path is not None:
        if not place.path.exists():
            seen = f"{place.path} doesn't exist yet"
            return [
                Finding(
                    "database", Level.WARN, seen, "`python app.py db upgrade` or the first `serve` makes it."
                )
            ]
        if (finding := _private(place.path)).level is not Level.PASS:
            return [finding]
    try:
        store = await Store.open(settings.database_url, Keys(settings.secret_key), read_only=True)
    except Exception as error:  # noqa: BLE001  whatever the driver raises, the operator reads the same
        return [_unusable(error)]
    try:
        return await _inside(settings, store)
    except Exception as error:  # noqa: BLE001  the same
        return [_unusable(error)]
    finally:
        await store.close()


def _unusable(error: Exception) -> Finding:
    seen = f"it doesn't answer ({type(error).__name__})"
    return Finding("database", Level.FAIL, seen, "Check COUNTERSIGN_DATABASE_URL and that it runs.")


async def _inside(settings: Settings, store: Store) -> list[Finding]:
    stands = await revision(store)
    if stands != migrate.newest():
        seen = f"it stands at revision {stands or 'none'}, this program needs {migrate.newest()}"
        return [
            Finding("database", Level.FAIL, seen, "Run `python app.py db upgrade` while `serve` is stopped.")
        ]
    ready = await _ready(store)
    findings = [Finding("database", Level.PASS, f"revision {stands}"), ready, await _service(settings, store)]
    if ready.level is Level.PASS:  # under another key, or in an empty one, nothing could hold
        findings.append(await Auditor(store, {}).tree())
    return findings


async def revision(store: Store) -> str | None:
    """At which revision an open database stands, read without writing; None for an empty one."""
    try:
        found = await store.fetch(_STANDS)
    except Exception as error:
        if "alembic_version" in str(error):  # both drivers name the table they don't find
            return None
        raise
    return str(found[0]["version_num"]) if found else None


async def _ready(store: Store) -> Finding:
    check = "key, kind and clock"
    try:
        await examine(store, PRODUCTION)
    except NotReady as reason:
        seen, *remedy = re.split(r"(?:; |\. )(?!.*(?:; |\. ))", str(reason))  # its last sentence
        return Finding(check, Level.FAIL, seen, "".join(f"{part[:1].upper()}{part[1:]}." for part in remedy))
    return Finding(check, Level.PASS, "the key opens this database, and it isn't from the future")


async def _service(settings: Settings, store: Store) -> Finding:
    path = settings.socket_path
    if not await _answers(path):
        return Finding("service", Level.WARN, f"nobody listens on {path}", "Start it: `python app.py serve`.")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding(
            "service", Level.FAIL, f"{path} is open to others", f"chmod 600 {path}, then ask why it was."
        )
    outbox = TABLES["outbox"]
    now = store.clock()
    late = [row for row in await store.fetch(select(outbox)) if (now - row["due_at"]).total_seconds() > _LATE]
    if late:
        remedy = "Look at the log for `put_off` and `attempt_failed`; check the connector they name."
        return Finding("service", Level.WARN, f"{len(late)} effects are more than five minutes late", remedy)
    return Finding("service", Level.PASS, f"listening on {path}; nothing is late")


async def _answers(path: Path) -> bool:
    """Whether somebody listens on this socket. One that was killed leaves its file behind."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _private(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("database", Level.FAIL, f"{path} can be read by others", f"chmod 600 {path}")
    if not os.access(path, os.W_OK):
        return Finding("database", Level.FAIL, f"{path} can't be written", "Run as the account that owns it.")
    return Finding("database", Level.PASS, str(path))
