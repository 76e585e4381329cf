"""Password resets at a real OpenLDAP server, through the whole worker, beside ldap3 alone doing the same there.

Ours: everybody has proved that they want a new password; the worker claims what is owed, derives the authority again,
makes the secret, has the connector look, change and read back, and commits the report (SQLite, synchronous=FULL).

Beside it: as many threads as we use, with ldap3 and no more, which ask the server the same in the same order: two
readings, one change, two readings, and two sign-ins with the new password, each over a new TLS connection.
"""

from __future__ import annotations

import asyncio
import os
import queue
import secrets
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from functools import partial
from pathlib import Path

import ldap3
from sqlalchemy import func, select

sys.path.insert(0, str(Path(__file__).parents[1]))  # `python bench/connectors.py` finds the house as -m does

from bench.measure import Contest, Plan, Sample, alone, arguments, compete
from bench.report import report
from flows.model import Person, Stage
from handlers import logs
from handlers.connectors import ldap
from handlers.fulfilment import temporary_password
from handlers.ldap.session import AT_ONCE
from handlers.people import Roster
from storage.sql import TABLES
from tests.company import company
from tests.peers import slapd

EXAMPLE = "python bench/connectors.py --quick --check --json"
GOAL = 0.7
RESETS = 50  # for every second of a run


def hired(server: slapd.Slapd, many: int) -> list[tuple[str, str]]:
    """So many new people: the name of each one's entry, and their lasting id."""
    family = f"kim{secrets.token_hex(4)}"
    names = [f"{family}-{number}" for number in range(many)]
    first = slapd.hashed("pretend-Password-1")
    server.change("\n\n".join(slapd.person(name, "", first) for name in names))
    with signed_in(server) as connection:
        connection.search(slapd.PEOPLE, f"(uid={family}-*)", attributes=["uid", "entryUUID"])
        ids = {str(each.uid): str(each.entryUUID) for each in connection.entries}
    return [(slapd.dn(name), ids[name]) for name in names]


# -- ours ---------------------------------------------------------------------------------------------


def whole(server: slapd.Slapd, seconds: float) -> Sample:
    """Everybody's change through the worker."""
    with redirect_stderr(Path(os.devnull).open("w")):  # every log line is made and written, but to /dev/null
        logs.configure("json")
        return asyncio.run(_whole(server, round(RESETS * seconds)))


async def _whole(server: slapd.Slapd, many: int) -> Sample:
    people = [Person(id, f"Kim {number}", id) for number, (_, id) in enumerate(hired(server, many))]
    connector = ldap.connect(server.entry())
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        url = f"sqlite:///{folder}/desk.db"
        connectors = {"directory": connector}
        async with company(url, Path(folder), connectors=connectors, people=Roster(people)) as acme:
            for person in people:
                phone = await acme.enrolled(person.id, app=False)
                await acme.proves(await acme.asks("password_reset", person.id), phone)
            began, cpu = time.perf_counter(), time.process_time()
            work = asyncio.create_task(acme.worker.run())
            done = 0
            while done < many:
                await asyncio.sleep(0.01)
                done = (await acme.store.fetch(_made))[0]["made"]
            took, used = time.perf_counter() - began, time.process_time() - cpu
            work.cancel()
            await acme.worker.rest()
    await connector.close()
    return Sample(many, took, used)


_requests = TABLES["requests"].c
_made = select(func.count().label("made")).where(_requests.stage == Stage.AWAITING_COLLECTION.value)


# -- beside it ----------------------------------------------------------------------------------------


@contextmanager
def signed_in(server: slapd.Slapd, name: str = "", password: str = "") -> Iterator[ldap3.Connection]:
    """A connection over TLS that is verified, as the service account or as somebody."""
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(server.ca_file))
    host, port = server.url.removeprefix("ldaps://").split(":")
    there = ldap3.Server(host, int(port), use_ssl=True, tls=tls, get_info=ldap3.NONE)
    service = server.parts.service
    given = (name or service.name, password or service.password)
    connection = ldap3.Connection(there, *given, auto_bind=True, raise_exceptions=True, check_names=False)
    try:
        yield connection
    finally:
        connection.unbind()


def bare(server: slapd.Slapd, seconds: float) -> Sample:
    """The same questions, with ldap3 alone."""
    waiting: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    many = round(RESETS * seconds)
    for each in hired(server, many):
        waiting.put(each)
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for done in [threads.submit(_resets, server, waiting) for _ in range(AT_ONCE)]:
            done.result()
    return Sample(many, time.perf_counter() - began, time.process_time() - cpu)


def _resets(server: slapd.Slapd, waiting: queue.SimpleQueue[tuple[str, str]]) -> None:
    with signed_in(server) as connection:
        while True:
            try:
                dn, id = waiting.get_nowait()
            except queue.Empty:
                return
            secret = temporary_password()
            look = partial(
                connection.search,
                slapd.PEOPLE,
                f"(&(objectClass=inetOrgPerson)(entryUUID={id}))",
                attributes=["uid", "cn", "pwdReset", "pwdChangedTime", "pwdAccountLockedTime"],
            )
            look()
            look()
            connection.modify(dn, _change(secret))
            for _ in range(2):
                look()
                with signed_in(server, dn, secret):
                    pass


def _change(secret: str) -> dict[str, list[tuple[str, Sequence[bytes]]]]:
    return {
        "userPassword": [(ldap3.MODIFY_REPLACE, [secret.encode()])],
        "pwdReset": [(ldap3.MODIFY_REPLACE, [b"TRUE"])],
        "pwdAccountLockedTime": [(ldap3.MODIFY_REPLACE, [])],
    }


def main() -> int:
    """Start a server, let both sides run, report."""
    plan = Plan.of(arguments(__doc__ or "", EXAMPLE).parse_args())
    with slapd.running() as server:
        contests = [
            Contest(
                "resets ÷ ldap3 alone",
                partial(alone, whole, server, plan.seconds),
                partial(alone, bare, server, plan.seconds),
                GOAL,
            )
        ]
        rounds = compete(plan, contests)
    return report("connectors", plan, contests, rounds)


if __name__ == "__main__":
    sys.exit(main())
