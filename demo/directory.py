"""The pretend company's directory: people and their accounts in a SQLite file of its own, behind the real ports."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from flows.model import Person, Receipt, Request
from handlers.people import matching
from handlers.ports import NO_PASSWORD, By, Rejected, Unreachable
from handlers.privileged import Privileged

T = TypeVar("T")

#: The password everybody begins with.
FIRST_PASSWORD = "pretend-password"
#: Wrong passwords in a row before an account locks itself.
TRIES = 5

PEOPLE = (
    Person("maya", "Maya Lindqvist", "maya.lindqvist", manager="omar", timezone="Europe/Stockholm"),
    Person("omar", "Omar Haddad", "omar.haddad", manager="nina", timezone="Europe/Stockholm"),
    Person(
        "nina",
        "Nina Kowalski",
        "nina.kowalski",
        timezone="Europe/Warsaw",
        roles=frozenset({"administrator", "approver", "role_owner", "system_owner"}),
    ),
    Person(
        "ravi",
        "Ravi Menon",
        "ravi.menon",
        manager="omar",
        timezone="Asia/Kolkata",
        roles=frozenset({"desk_agent"}),
    ),
    Person("eve", "Eve Mallory", "eve.mallory", manager="omar", timezone="Europe/London"),
    Person(
        "sam",
        "Sam Okafor",
        "sam.okafor",
        manager="nina",
        timezone="Africa/Lagos",
        roles=frozenset({"administrator", "security", "role_owner"}),
    ),
)
OWNERS = {"finance-share": "sam", "everyone": "nina"}
SINCE = datetime(2024, 3, 4, 9, tzinfo=UTC)  # when everybody's account was made
#: Whose members the directory calls privileged: only a connector of its own changes them.
PRIVILEGED = "server-admins"
GROUPS = (
    ("maya", "everyone"),
    ("omar", "everyone"),
    ("omar", "finance-share"),
    ("nina", "everyone"),
    ("ravi", PRIVILEGED),
)
PROTECTED = "This account is privileged: it is changed by a playbook of its own, or by hand."
NOT_LISTED = "This account isn't privileged. Ask for an ordinary password reset instead."

PASSWORDS = ("reset_password", "set_password")
SECRETS = (*PASSWORDS, "reset_second_factors")
SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, account TEXT NOT NULL UNIQUE, active INTEGER NOT NULL,
    manager TEXT, timezone TEXT NOT NULL, email TEXT, roles TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY, salt BLOB NOT NULL, hash BLOB NOT NULL, must_change INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, locked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS memberships (
    account TEXT NOT NULL, grp TEXT NOT NULL, given_by TEXT NOT NULL, PRIMARY KEY (account, grp, given_by));
CREATE TABLE IF NOT EXISTS applied (
    key TEXT PRIMARY KEY, account TEXT NOT NULL, verb TEXT NOT NULL, grp TEXT NOT NULL,
    salt BLOB NOT NULL, hash BLOB NOT NULL, observed TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS second_factors (account TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name));
CREATE TABLE IF NOT EXISTS sessions (account TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name));
CREATE TABLE IF NOT EXISTS changes (account TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""


class DemoDirectory:
    """A Connector and a Directory over one file. A change and its key stand in one transaction, or neither does.

    A membership belongs to the key that gave it, so that ending one grant never ends another (S4).
    """

    demo = True  # production refuses connectors that say so
    verbs = frozenset({*SECRETS, "unlock", "add_to_group", "remove_from_group"})

    def __init__(self, path: Path, *, only_privileged: bool = False, patience: float = 10.0) -> None:
        self._path = path
        self._only_privileged = only_privileged
        self._patience = patience  # seconds to wait for the file while another process writes

    @property
    def privileged(self) -> Privileged:
        """The same directory for its privileged accounts alone, as an entry of its own is."""
        return Privileged(DemoDirectory(self._path, only_privileged=True, patience=self._patience))

    # -- Connector

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Make the change of this key, once. Raises Rejected or Unreachable."""
        self._asked(request, secret)
        return await asyncio.to_thread(self._carry_out, request, key, secret)

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """What was read back when this key's change was made; None if it wasn't, or was undone."""
        self._asked(request, secret)
        return await self._read(lambda db: _applied(db, request, key, secret))

    async def undo(self, request: Request, key: str) -> Receipt:
        """Give or take the membership back. Raises Rejected for what has no way back, or Unreachable."""
        self._asked(request, "none is needed")
        if request.verb not in ("add_to_group", "remove_from_group"):
            raise Rejected(f"`{request.verb}` can't be taken back: the state before it is not kept.")
        return await asyncio.to_thread(self._undo, request, key)

    # -- Directory

    async def person(self, id: str) -> Person | None:
        """The person with this id, or None."""
        return await self._read(lambda db: _person(db, id))

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Those who hold a role, report to somebody, are called so, are in a group, or own it."""
        people = await self.people()
        if by == "owner":
            return [person for person in people if person.id == OWNERS.get(value)]
        return matching(people, by, value)

    # -- for the demo and its tests

    async def people(self) -> Sequence[Person]:
        """Everybody, by name."""
        return await self._read(lambda db: [_as_person(row) for row in db.execute(f"{PERSON} ORDER BY name")])

    async def bind(self, account: str, password: str) -> bool:
        """Try to sign in. The fifth wrong password in a row locks the account; a locked one opens to none."""
        return await asyncio.to_thread(self._bind, account, password)

    async def locked(self, account: str) -> bool:
        """Whether this account is locked."""
        return bool(await self._column("locked", account))

    async def must_change(self, account: str) -> bool:
        """Whether the password has to be changed at the next sign-in."""
        return bool(await self._column("must_change", account))

    async def lock(self, account: str) -> None:
        """Lock an account, as too many wrong passwords would."""
        await asyncio.to_thread(self._lock, account)

    async def groups(self, account: str) -> frozenset[str]:
        """The groups this account is in."""
        statement = "SELECT DISTINCT grp FROM memberships WHERE account = ?"
        rows = await self._read(lambda db: db.execute(statement, (account,)).fetchall())
        return frozenset(row["grp"] for row in rows)

    async def second_factors(self, account: str) -> frozenset[str]:
        """What this account can be signed in with besides its password."""
        return await self._names("second_factors", account)

    async def sessions(self, account: str) -> frozenset[str]:
        """Where somebody is signed in with this account."""
        return await self._names("sessions", account)

    async def changes(self, account: str) -> int:
        """How many changes were really made to this account, undoing included."""
        statement = "SELECT count FROM changes WHERE account = ?"
        row = await self._read(lambda db: db.execute(statement, (account,)).fetchone())
        return int(row["count"]) if row else 0

    # -- inside

    def _asked(self, request: Request, secret: str | None) -> None:
        if request.verb not in self.verbs:
            raise Rejected(f"The directory has no verb `{request.verb}`.")
        if request.verb in SECRETS and not secret:
            raise Rejected(NO_PASSWORD)
        if request.verb.endswith("_group") and not _group(request):
            raise Rejected("The request doesn't say which group. Ask again and name one.")

    def _carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        salt = secrets.token_bytes(16)
        hashed = scrypt(secret or "", salt)  # slow on purpose, so before the file is held
        with self._writing() as db:
            if done := _applied(db, request, key, secret):
                return done
            if _own(db, request, key):
                raise Rejected("This change was made and taken back. Ask again for a new one.")
            person = _active(db, request.subject)
            if person.privileged is not self._only_privileged:
                raise Rejected(NOT_LISTED if self._only_privileged else PROTECTED)
            if _group(request) == PRIVILEGED:
                raise Rejected("This group is never changed by request.")
            observed = _changed(db, request, key, person, (salt, hashed))
            db.execute(
                "INSERT INTO applied (key, account, verb, grp, salt, hash, observed) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, person.account, request.verb, _group(request), salt, hashed, observed),
            )
            _count(db, person.account)
            return Receipt(key, observed)

    def _undo(self, request: Request, key: str) -> Receipt:
        with self._writing() as db:
            row = _own(db, request, key)
            if row is None:
                raise Rejected("There is nothing to take back: this change was never made.")
            account, group = row["account"], row["grp"]
            if not row["undone"]:
                if request.verb == "add_to_group":
                    where = (account, group, key)
                    db.execute(
                        "DELETE FROM memberships WHERE account = ? AND grp = ? AND given_by = ?", where
                    )
                else:
                    _join(db, account, group, key)
                db.execute("UPDATE applied SET undone = 1 WHERE key = ?", (key,))
                _count(db, account)
            return Receipt(key, _membership(db, account, group))

    def _bind(self, account: str, password: str) -> bool:
        with self._reading() as db:
            row = db.execute("SELECT * FROM accounts WHERE account = ?", (account,)).fetchone()
        if row is None or row["locked"]:
            return False
        good = hmac.compare_digest(scrypt(password, row["salt"]), row["hash"])
        with self._writing() as db:
            statement = "UPDATE accounts SET failures = ? * (failures + 1) WHERE account = ?"
            db.execute(statement, (0 if good else 1, account))
            db.execute("UPDATE accounts SET locked = 1 WHERE failures >= ?", (TRIES,))
        return good

    def _lock(self, account: str) -> None:
        with self._writing() as db:
            db.execute("UPDATE accounts SET locked = 1 WHERE account = ?", (account,))

    async def _names(self, table: str, account: str) -> frozenset[str]:
        statement = f"SELECT name FROM {table} WHERE account = ?"  # noqa: S608  a name of ours
        rows = await self._read(lambda db: db.execute(statement, (account,)).fetchall())
        return frozenset(row["name"] for row in rows)

    async def _column(self, column: str, account: str) -> int:
        statement = f"SELECT {column} AS it FROM accounts WHERE account = ?"  # noqa: S608  a name of ours
        row = await self._read(lambda db: db.execute(statement, (account,)).fetchone())
        return int(row["it"]) if row else 0

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        def ask() -> T:
            with self._reading() as db:
                return question(db)

        return await asyncio.to_thread(ask)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=self._patience,
            )
        except sqlite3.OperationalError as error:
            raise Unreachable("The directory's file can't be opened.") from error
        db.row_factory = sqlite3.Row
        try:
            yield db
        finally:
            db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, or undone by closing."""
        with self._reading() as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise Unreachable("The directory is busy.") from error
            yield db
            db.execute("COMMIT")


PERSON = """SELECT id, name, account, active, manager, timezone, email, roles,
    (SELECT json_group_array(grp) FROM memberships WHERE memberships.account = people.account) AS "groups"
    FROM people"""


def _person(db: sqlite3.Connection, id: str) -> Person | None:
    row = db.execute(f"{PERSON} WHERE id = ?", (id,)).fetchone()
    return _as_person(row) if row else None


def _as_person(row: sqlite3.Row) -> Person:
    groups = frozenset(json.loads(row["groups"]))
    read = {
        "active": bool(row["active"]),
        "roles": frozenset(row["roles"].split()),
        "groups": groups,
        "privileged": PRIVILEGED in groups,
    }
    return Person(**{**dict(row), **read}, since=SINCE)


def _active(db: sqlite3.Connection, id: str) -> Person:
    person = _person(db, id)
    if person is None:
        raise Rejected(f"The directory has no account for `{id}`.")
    if not person.active:
        raise Rejected(f"The account {person.account} isn't active any more.")
    return person


def _own(db: sqlite3.Connection, request: Request, key: str) -> sqlite3.Row | None:
    """The change made under this key, which has to be the one this request asks for."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM applied WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    person = _person(db, request.subject)
    asked = (person.account if person else None, request.verb, _group(request))
    if (row["account"], row["verb"], row["grp"]) != asked:
        raise Rejected("This key belongs to another change. Nothing was changed.")
    return row


def _applied(db: sqlite3.Connection, request: Request, key: str, secret: str | None) -> Receipt | None:
    """The receipt of this key, unless that was undone. A secret other than then is a fault: it would not work."""
    row = _own(db, request, key)
    if row is None or row["undone"]:
        return None
    if request.verb in SECRETS and not hmac.compare_digest(scrypt(secret or "", row["salt"]), row["hash"]):
        raise ValueError(f"the change of {key} was made with another secret")
    return Receipt(key, row["observed"])


def _changed(
    db: sqlite3.Connection, request: Request, key: str, person: Person, password: tuple[bytes, bytes]
) -> str:
    """Make the change and read it back into a sentence."""
    account, group = person.account, _group(request)
    match request.verb:
        case "reset_password" | "set_password":
            db.execute(
                "UPDATE accounts SET salt = ?, hash = ?, must_change = ?, failures = 0, locked = 0 WHERE account = ?",
                (*password, request.verb == "reset_password", account),
            )
        case "reset_second_factors":
            db.execute("DELETE FROM sessions WHERE account = ?", (account,))
            db.execute("DELETE FROM second_factors WHERE account = ?", (account,))
            db.execute("INSERT INTO second_factors VALUES (?, 'the pass from the device page')", (account,))
            return f"The account {account} has no second factors but the pass, and no open sessions."
        case "unlock":
            db.execute("UPDATE accounts SET failures = 0, locked = 0 WHERE account = ?", (account,))
        case "add_to_group":
            _join(db, account, group, key)
        case "remove_from_group":
            db.execute("DELETE FROM memberships WHERE account = ? AND grp = ?", (account, group))
        case verb:
            raise Rejected(f"The directory has no verb `{verb}`.")
    if group:
        return _membership(db, account, group)
    row = db.execute("SELECT * FROM accounts WHERE account = ?", (account,)).fetchone()
    state = "locked" if row["locked"] else "open"
    if request.verb in PASSWORDS and row["hash"] == password[1]:
        then = "has to be changed at the next sign-in" if row["must_change"] else "is set"
        return f"The account {account} is {state}; its new password {then}."
    return f"The account {account} is {state}."


def _group(request: Request) -> str:
    return request.parameters.get("group", "") if request.verb.endswith("_group") else ""


def _join(db: sqlite3.Connection, account: str, group: str, key: str) -> None:
    db.execute(
        "INSERT OR IGNORE INTO memberships (account, grp, given_by) VALUES (?, ?, ?)", (account, group, key)
    )


def _membership(db: sqlite3.Connection, account: str, group: str) -> str:
    statement = "SELECT count(*) FROM memberships WHERE account = ? AND grp = ?"
    (count,) = db.execute(statement, (account, group)).fetchone()
    return f"The account {account} is {'a' if count else 'no'} member of {group}."


def _count(db: sqlite3.Connection, account: str) -> None:
    db.execute(
        "INSERT INTO changes (account, count) VALUES (?, 1) ON CONFLICT (account) DO UPDATE SET count = count + 1",
        (account,),
    )


def scrypt(password: str, salt: bytes) -> bytes:
    """RFC 7914 with N = 2^14, r = 8, p = 1: 16 MiB and some 40 ms, enough for pretend accounts."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def create(path: Path) -> DemoDirectory:
    """Make and fill the directory's file, or leave it as it is. Blocks for some 300 ms the first time."""
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        if db.execute("SELECT 1 FROM people").fetchone() is None:
            _fill(db)
        db.execute("COMMIT")
    finally:
        db.close()
    return DemoDirectory(path)


def _fill(db: sqlite3.Connection) -> None:
    for person in PEOPLE:
        row = {
            **asdict(person),
            "email": f"{person.account}@example.com",
            "roles": " ".join(sorted(person.roles)),
        }
        db.execute(
            "INSERT INTO people VALUES (:id, :name, :account, :active, :manager, :timezone, :email, :roles)",
            row,
        )
        salt = secrets.token_bytes(16)
        account = (person.account, salt, scrypt(FIRST_PASSWORD, salt))
        db.execute("INSERT INTO accounts (account, salt, hash) VALUES (?, ?, ?)", account)
    for id, group in GROUPS:
        account_of = next(person.account for person in PEOPLE if person.id == id)
        _join(db, account_of, group, "the beginning")
    for person in PEOPLE:
        for table, name in (("second_factors", "an authenticator app"), ("sessions", "a browser at work")):
            db.execute(f"INSERT INTO {table} VALUES (?, ?)", (person.account, name))  # noqa: S608  ours
