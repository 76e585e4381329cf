"""The real program, started and stopped as an operator does. What it refuses, it refuses before it opens anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest
import structlog
from typer.testing import CliRunner

import app
from demo.directory import DemoDirectory
from handlers.settings import load_config, load_settings
from storage.seals import Keys
from storage.setup import DEMO, prepare
from storage.store import utc_now
from tests.company import SECRET_KEY, Company, Hands, Mailbox

ROOT = Path(app.__file__).parent
OTHER_KEY = SECRET_KEY[::-1]
PATIENCE = 30  # seconds; a shared machine has slow moments
PEOPLE = """
people:
  - {id: nina, name: Nina Kowalski, timezone: Europe/Warsaw}
  - {id: sam, name: Sam Okafor, manager: nina}
roles:
  administrator: [nina, sam]
"""


@dataclass
class Installation:
    """One folder with everything an installation has, and the environment that names it."""

    folder: Path
    port: int
    environment: dict[str, str]

    @property
    def database(self) -> Path:
        return self.folder / "state" / "desk.db"

    @property
    def socket(self) -> Path:
        return self.folder / "state" / "desk.db.sock"

    def refuses(self, *command: str, exit_code: int = 1, **changed: str | None) -> str:
        """Run a command in this process, which has to end in refusal; gives what it said on standard error."""
        given = {name: None for name in os.environ if name.startswith("COUNTERSIGN_")}
        env = {**given, **self.environment, **changed}
        with alarmed():
            result = CliRunner().invoke(app.cli, command or ("serve",), env=env)
        assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
        assert "Traceback" not in result.stderr
        return result.stderr

    def starts(self, *command: str) -> subprocess.Popen[str]:
        """Start the program in a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        return subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), *command],
            env={**kept, **self.environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def get(self, path: str) -> tuple[int, str]:
        """What a browser gets from the running service."""
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextlib.contextmanager
def alarmed() -> Iterator[None]:
    """A command that serves instead of refusing fails the test instead of holding it up."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("it didn't refuse, it went to work")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        structlog.reset_defaults()  # logs would go to a stream that is closed by now


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation as docs/operations.md makes one, on a free port."""
    (tmp_path / "state").mkdir(mode=0o700)
    shutil.copytree(ROOT / "playbooks" / "rules", tmp_path / "playbooks" / "rules")
    for path in (ROOT / "playbooks").glob("*device*.yaml"):
        shutil.copy(path, tmp_path / "playbooks")
    (tmp_path / "countersign.yaml").write_text(PEOPLE, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path / 'state' / 'desk.db'}",
        "COUNTERSIGN_CONFIG": str(tmp_path / "countersign.yaml"),
        "COUNTERSIGN_PLAYBOOKS": str(tmp_path / "playbooks"),
        "COUNTERSIGN_PUBLIC_URL": f"http://localhost:{port}",
        "COUNTERSIGN_BIND": f"127.0.0.1:{port}",
    }
    return Installation(tmp_path, port, environment)


@contextlib.contextmanager
def served(here: Installation) -> Iterator[subprocess.Popen[str]]:
    """The service, ready; whatever becomes of it in the block, it is gone afterwards."""
    process = here.starts("serve")
    try:
        deadline = time.monotonic() + PATIENCE
        while not listening(here.socket):  # the last thing it opens
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "it never became ready"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, float, str]:
    """Send a signal; gives the exit code, the seconds it took and the log."""
    began = time.monotonic()
    process.send_signal(number)
    log = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, time.monotonic() - began, log


# -- a life -----------------------------------------------------------------------------------


def test_from_the_first_two_links_through_a_kill_to_a_clean_end(here: Installation) -> None:
    process = here.starts("init", "nina", "sam")
    said, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    links = re.findall(rf"^(.+): http://localhost:{here.port}(/enrol/[\w-]{{43}})$", said, re.MULTILINE)
    assert [name for name, _ in links] == ["Nina Kowalski", "Sam Okafor"]
    assert "an hour" in said

    with served(here) as process:
        assert [stat.S_IMODE(path.stat().st_mode) for path in (here.socket, here.database)] == [0o600, 0o600]
        assert here.get("/healthz") == (200, '{"status": "ok"}')
        status, ready = here.get("/readyz")
        assert (status, json.loads(ready)["status"]) == (200, "ready")
        assert here.get(links[0][1])[0] == 200
        assert "works on desk.db already" in here.refuses("serve")
        assert "works on desk.db already" in here.refuses("db", "upgrade")
        assert listening(here.socket), "a second one that was refused took the socket away"
        code, took, log = ended(process, signal.SIGTERM)
    assert code == 0, log
    assert took < 10
    assert not here.socket.exists()
    is_a_clean_log(log, SECRET_KEY, *(link.rpartition("/")[2] for _, link in links))

    with served(here) as process:
        assert ended(process, signal.SIGKILL)[0] == -signal.SIGKILL
    assert here.socket.exists()
    assert "Nobody answers" in here.refuses("show", "CS-00000")

    with served(here) as process:
        assert here.get("/readyz")[0] == 200
        code, took, log = ended(process, signal.SIGINT)
    assert code == 0, log
    assert took < 10
    assert not here.socket.exists()


def is_a_clean_log(log: str, *secrets: str) -> None:
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"serving", "http"} <= {line["event"] for line in lines}
    assert all({"level", "timestamp"} <= line.keys() for line in lines)
    for secret in secrets:
        assert secret not in log


# -- refusals ---------------------------------------------------------------------------------


def test_the_process_itself_ends_with_1_and_creates_nothing(here: Installation) -> None:
    del here.environment["COUNTERSIGN_SECRET_KEY"]
    process = here.starts("serve")
    said, log = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (1, "")
    assert "python app.py secret" in log
    assert list(here.database.parent.iterdir()) == []


@pytest.mark.parametrize("key", [None, "", " , ", "short", f"{SECRET_KEY},short"])
@pytest.mark.parametrize("command", [("serve",), ("init", "nina", "sam"), ("db", "upgrade")])
def test_without_a_secret_key_nothing_starts(
    here: Installation, key: str | None, command: tuple[str, ...]
) -> None:
    said = here.refuses(*command, COUNTERSIGN_SECRET_KEY=key)
    assert "COUNTERSIGN_SECRET_KEY" in said
    assert "python app.py secret" in said
    assert list(here.database.parent.iterdir()) == []


SETTINGS = {
    "public url without tls": ({"PUBLIC_URL": "http://desk.example.com"}, "must begin with https://"),
    "public url with a path": ({"PUBLIC_URL": "https://desk.example.com/x"}, "like https://desk.example.com"),
    "bind by name": ({"BIND": "desk:8080"}, "COUNTERSIGN_BIND"),
    "bind without port": ({"BIND": "127.0.0.1"}, "COUNTERSIGN_BIND"),
    "another database": ({"DATABASE_URL": "mysql://x/y"}, "postgresql://user:password@host/name"),
    "proxies": ({"TRUSTED_PROXIES": "nearby"}, "COUNTERSIGN_TRUSTED_PROXIES"),
    "log format": ({"LOG_FORMAT": "xml"}, "COUNTERSIGN_LOG_FORMAT"),
    "no file": ({"CONFIG": "/nowhere/countersign.yaml"}, "/nowhere/countersign.yaml can't be read"),
    "no folder": ({"DATABASE_URL": "sqlite:////nowhere/desk.db"}, "The folder /nowhere doesn't exist."),
    "no server": (
        {"DATABASE_URL": "postgresql://x:hush@127.0.0.1:1/y"},
        "The database server doesn't answer",
    ),
}


@pytest.mark.parametrize(("changed", "said"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting_is_named_with_its_remedy(
    here: Installation, changed: Mapping[str, str], said: str
) -> None:
    told = here.refuses(**{f"COUNTERSIGN_{name}": value for name, value in changed.items()})
    assert said in told
    assert "hush" not in told
    assert list(here.database.parent.iterdir()) == []


CONFIGS = {
    "the demo's": ("demo: true", "the demo's own settings"),
    "the demo's connector": ("connectors: {directory: {kind: demo}}", "there is no 'demo'"),
    "an unknown connector": ("connectors: {directory: {kind: ldap9}}", "connectors.directory.kind"),
    "not YAML": ("people: [\nroles: {", "line 2"),
    "an unknown key": ("persons: []", "countersign.yaml: persons:"),
    "a missing variable": ("people: [{id: nina, name: {env: NAME_OF_NINA}}]", "NAME_OF_NINA is missing"),
}


@pytest.mark.parametrize(("text", "said"), CONFIGS.values(), ids=CONFIGS)
def test_a_wrong_configuration_is_refused_with_its_place(here: Installation, text: str, said: str) -> None:
    (here.folder / "countersign.yaml").write_text(text, encoding="utf-8")
    assert said in here.refuses()
    assert list(here.database.parent.iterdir()) == []


def test_a_playbook_that_asks_for_an_unknown_connector_is_refused_with_file_and_line(
    here: Installation,
) -> None:
    path = here.folder / "playbooks" / "password_reset.yaml"
    shutil.copy(ROOT / "playbooks" / path.name, path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "connector:" in text)
    assert f"{path}:{line}: change.connector" in here.refuses()


def test_a_database_made_by_the_demo_is_refused(here: Installation) -> None:
    keys = Keys((SECRET_KEY,))
    asyncio.run(prepare(here.environment["COUNTERSIGN_DATABASE_URL"], keys, DEMO, utc_now()))
    for command in (("serve",), ("init", "nina", "sam")):
        assert "made by the demo" in here.refuses(*command)


def test_a_database_under_another_key_is_refused(here: Installation) -> None:
    keys = Keys((OTHER_KEY,))
    asyncio.run(prepare(here.environment["COUNTERSIGN_DATABASE_URL"], keys, "production", utc_now()))
    assert "COUNTERSIGN_SECRET_KEY doesn't belong to this database" in here.refuses()


def test_an_address_that_is_taken_is_named(here: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", here.port))
        taken.listen()
        said = here.refuses()
    assert f"'127.0.0.1', {here.port}" in said
    assert "Set COUNTERSIGN_BIND" in said


def test_init_is_over_once_two_people_have_a_device(here: Installation) -> None:
    async def enrolled(*people: str) -> None:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in here.environment.items():
                environment.setenv(name, value)
            settings = load_settings()
        async with app.house(settings, load_config(settings.config)) as house:
            acme = Company(house, DemoDirectory(here.folder / "none.db"), Mailbox(), Hands())
            for person in people:
                await acme.enrolled(person)

    asyncio.run(enrolled("nina"))
    links = here.starts("init", "nina", "sam").communicate(timeout=PATIENCE)[0]
    assert re.findall(r"^(.+): http", links, re.MULTILINE) == ["Sam Okafor"]  # nina needs none
    asyncio.run(enrolled("sam"))
    assert "and no more" in here.refuses("init", "nina", "sam")


@pytest.mark.parametrize(
    ("two", "said"),
    [
        (("nina", "nina"), "two different people"),
        (("nina", "eve"), "'eve'"),
        (("nina", "maya"), "isn't an administrator"),
    ],
)
def test_init_takes_two_administrators(here: Installation, two: tuple[str, str], said: str) -> None:
    config = here.folder / "countersign.yaml"
    config.write_text(PEOPLE.replace("roles:", "  - {id: maya, name: Maya}\nroles:"), encoding="utf-8")
    assert said in here.refuses("init", *two)
