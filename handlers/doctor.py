"""The doctor: does this installation have what it needs? Each check says what was seen and what to do."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select

from handlers.evidence import Auditor, Finding, Level
from handlers.playbooks import PlaybookError, load
from handlers.settings import Config, Settings, SettingsError, load_config, load_settings
from storage import migrate
from storage.seals import Keys
from storage.setup import PRODUCTION, NotReady, examine
from storage.sql import TABLES
from storage.store import Place, Store

_LATE = 300  # seconds an owed effect may wait before somebody should look


async def diagnose() -> list[Finding]:
    """Every check that can be made from here, in the order in which they depend on each other."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return [Finding("settings", Level.FAIL, line, "") for line in str(error).splitlines()]
    findings = [_address(settings), _bind(settings), _secret_key(settings), _playbooks(settings)]
    config, finding = _config(settings)
    findings.append(finding)
    if config is not None:
        findings.append(_roles(config))
    return findings + await _database(settings)


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


def _secret_key(settings: Settings) -> Finding:
    if len(settings.secret_key) > 1:
        seen = f"{len(settings.secret_key)} keys are in use: a rotation is under way"
        return Finding(
            "secret key", Level.WARN, seen, "Run `python app.py db reseal`, then drop the older keys."
        )
    if len(set(settings.secret_key[0])) < 12:
        return Finding("secret key", Level.FAIL, "it isn't random", "Make one with `python app.py secret`.")
    return Finding("secret key", Level.PASS, "present, not shown")


def _playbooks(settings: Settings) -> Finding:
    try:
        found = load(settings.playbooks)
    except PlaybookError as error:
        return Finding("playbooks", Level.FAIL, str(error), "Mend the lines named.")
    return Finding("playbooks", Level.PASS, ", ".join(sorted(found)))


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
        stands = await migrate.revision(settings.database_url)
    except Exception as error:  # noqa: BLE001  whatever the driver raises, the operator reads the same
        seen = f"it doesn't answer ({type(error).__name__})"
        return [Finding("database", Level.FAIL, seen, "Check COUNTERSIGN_DATABASE_URL and that it runs.")]
    if stands != migrate.newest():
        seen = f"it stands at revision {stands or 'none'}, this program needs {migrate.newest()}"
        return [
            Finding("database", Level.FAIL, seen, "Run `python app.py db upgrade` while `serve` is stopped.")
        ]
    store = await Store.open(settings.database_url, Keys(settings.secret_key), read_only=True)
    try:
        return [
            Finding("database", Level.PASS, f"revision {stands}"),
            await _one("key, kind and clock", lambda: _ready(store)),
            await _one("service", lambda: _service(settings, store)),
            await Auditor(store, {}).tree(),
        ]
    finally:
        await store.close()


async def _one(name: str, check: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        return await check()
    except NotReady as reason:
        return Finding(name, Level.FAIL, str(reason), "")


async def _ready(store: Store) -> Finding:
    await examine(store, PRODUCTION)
    return Finding(
        "key, kind and clock", Level.PASS, "the key opens this database, and it isn't from the future"
    )


async def _service(settings: Settings, store: Store) -> Finding:
    path = settings.socket_path
    if not path.exists():
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


def _private(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("database", Level.FAIL, f"{path} can be read by others", f"chmod 600 {path}")
    if not os.access(path, os.W_OK):
        return Finding("database", Level.FAIL, f"{path} can't be written", "Run as the account that owns it.")
    return Finding("database", Level.PASS, str(path))
