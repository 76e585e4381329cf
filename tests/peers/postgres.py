"""A PostgreSQL of our own for one test run: made empty, listening on loopback only, gone afterwards.

A PostgreSQL that the machine already runs is left alone: data, socket, port and password are this run's.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OWNER = "desk"
# Durability is what these switches give up, and a cluster that is thrown away has none to keep. What measures
# durability, or its price, asks for `running(durable=True)`.
UNSAFE_AND_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


def binaries() -> Path | None:
    """The folder that holds initdb and pg_ctl: the newest Debian one, else whatever PATH offers."""
    packaged = [found.parent for found in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if packaged:
        return max(packaged, key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def missing() -> str | None:
    """Why PostgreSQL cannot be started here, or None when it can."""
    if binaries() is None:
        return "no initdb in /usr/lib/postgresql/*/bin or on PATH"
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root, so root needs someone to hand it to.
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "root cannot run PostgreSQL, and there is no account named postgres"
        if shutil.which("runuser") is None:
            return "root cannot run PostgreSQL, and there is no runuser"
    return None


@dataclass(frozen=True)
class Cluster:
    """A running server. `url` addresses one of its databases; `pid` is the server's first process."""

    bin: Path
    port: int
    password: str
    pid: int

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a new, empty database; dropped at the end even if a connection to it was left open.

        With `template`, the name of a database that nobody is connected to, it starts as a copy of that one.
        """
        name = f"t_{uuid.uuid4().hex}"
        self._client("createdb", f"--template={template}", name)
        try:
            yield self.url(name)
        finally:
            self._client("dropdb", "--force", name)

    def _client(self, program: str, *arguments: str) -> None:
        at = ["-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, "--no-password"]
        environment = os.environ | {"PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "10"}
        _run([str(self.bin / program), *at, *arguments], environment)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Cluster]:
    """A cluster from nothing, stopped and deleted at the end. A durable one waits for the disk, as a real one."""
    folder = binaries()
    assert folder is not None, missing()
    home = Path(tempfile.mkdtemp(prefix="countersign-pg-"))
    server = _Server(folder, home, home / "data")
    password = secrets.token_urlsafe(16)
    try:
        server.create(password)
        port = server.start(() if durable else UNSAFE_AND_FAST)
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        yield Cluster(folder, port, password, pid)
    finally:
        try:
            server.stop()
        finally:
            shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class _Server:
    bin: Path
    home: Path
    data: Path

    def create(self, password: str) -> None:
        password_file = self.home / "password"
        password_file.write_text(password)
        if os.geteuid() == 0:
            for path in (self.home, password_file):
                shutil.chown(path, "postgres")
        # The C locale sorts by bytes, as SQLite does, so both stores agree on order.
        cluster = ("-D", str(self.data), "-U", OWNER, "-A", "scram-sha-256", f"--pwfile={password_file}")
        self._as_owner("initdb", *cluster, "-N", "--encoding=UTF8", "--locale=C")

    def start(self, switches: Sequence[str]) -> int:
        # Between choosing a free port and listening on it somebody else may take it: try again.
        log = self.home / "log"
        for attempt in range(4):
            port = _free_port()
            settings = (
                "listen_addresses=127.0.0.1",
                f"unix_socket_directories={self.home}",
                *switches,
            )
            options = " ".join([f"-p {port}", *(f"-c {setting}" for setting in settings)])
            try:
                self._as_owner("pg_ctl", "-D", str(self.data), "-l", str(log), "-o", options, "-w", "start")
            except RuntimeError as failure:
                if attempt == 3:
                    failure.add_note(log.read_text(errors="replace") if log.exists() else "It wrote no log.")
                    raise
            else:
                return port
        raise AssertionError("unreachable: the last attempt returns or raises")

    def stop(self) -> None:
        """Stopped by the process id in its own data folder, which is what pg_ctl reads: never by name."""
        if (self.data / "postmaster.pid").exists():
            self._as_owner("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")

    def _as_owner(self, program: str, *arguments: str) -> None:
        hand_over = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        # The working directory must be one that the owner may enter; root's own often is not.
        _run([*hand_over, str(self.bin / program), *arguments], dict(os.environ), self.home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], environment: dict[str, str], folder: Path | None = None) -> None:
    # Output goes to a file, not a pipe: a started server would hold the pipe open and the read would wait.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command,
            check=False,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=60,
        )
        if done.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            raise RuntimeError(f"{Path(command[0]).name} … failed with {done.returncode}: {said}")
