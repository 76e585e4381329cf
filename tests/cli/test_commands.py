"""Each command as an operator types it: what it prints, where, and with which exit code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
import structlog
import typer
from typer.testing import CliRunner, Result

import app
import flows.errors as no
from bot import console, socket
from flows.commands import Cancel, Disown
from flows.model import Request, Stage
from handlers.desk import Desk
from handlers.settings import Settings, load_config, load_settings
from storage.seals import Keys
from storage.setup import PRODUCTION, prepare
from storage.store import utc_now
from tests.company import SECRET_KEY, Company, Hands, Phone, company
from tests.intruder import Intruder

ROOT = Path(app.__file__).parent
SHIPPED = ROOT / "playbooks"
NAME = re.compile(r"CS-[0-9A-HJKMNP-TV-Z]{5}")
PATIENCE = 30.0  # seconds
READING = (("audit", "log"), ("audit", "verify"), ("devices", "maya"))
LOOKING_AFTER = (*READING, ("db", "reseal"))


def run(*command: str, env: Mapping[str, str]) -> Result:
    """One command with this environment and no other settings. It never ends in a trace, colours or blanks."""
    given = {name: None for name in os.environ if name.startswith("COUNTERSIGN_")}
    result = CliRunner().invoke(app.cli, command, env={**given, **env})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "\x1b" not in result.output
    if "Usage:" not in result.stdout:
        assert [line for line in result.stdout.splitlines() if line != line.rstrip()] == []
    return result


def wide(result: Result) -> int:
    """The longest line on standard output."""
    return max(map(len, result.stdout.splitlines()), default=0)


# -- a running house --------------------------------------------------------------------------


class Now(Hands):
    """The real time: whoever types commands has no other."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


class Beside:
    """An event loop in a thread of its own, because a command runs one itself."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have something done there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def meanwhile(self, work: Coroutine[Any, Any, Any]) -> Callable[[], Any]:
        """Have something done there while a command runs here; call what this gives to wait for its end."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        return lambda: future.result(PATIENCE)

    def end(self) -> None:
        self.do(self.stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


class Watched:
    """The desk behind the socket, and a way to wait until the terminal was shown something."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: list[Request] = []
        self._more = asyncio.Condition()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    async def get(self, id: str) -> Request:
        found = await self._desk.get(id)
        async with self._more:
            self._shown.append(found)
            self._more.notify_all()
        return found

    async def shows(self, subject: str, stage: Stage = Stage.AWAITING_PROOF) -> Request:
        """The next request for somebody that is shown at this stage."""
        async with self._more:
            self._shown.clear()
            while True:
                await self._more.wait()
                for found in self._shown:
                    if (found.subject, found.stage) == (subject, stage):
                        return found


@dataclass
class Office:
    """A company at work behind its socket, and somebody at a terminal on the same machine."""

    acme: Company
    desk: Watched
    beside: Beside
    env: Mapping[str, str]
    phones: Mapping[str, Phone]

    def types(self, *command: str) -> Result:
        return run(*command, env=self.env)

    def asks(self, *command: str) -> str:
        """Ask without waiting; gives the request's name."""
        result = self.types("request", *command, "--no-wait")
        assert result.exit_code == 0, result.stderr
        return NAME.findall(result.stdout)[0]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder, beside = tmp_path_factory.mktemp("office"), Beside()
    env = {
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder / 'desk.db'}",
        "COUNTERSIGN_SOCKET": str(folder / "desk.sock"),
    }

    async def begin() -> Office:
        within = beside.stack.enter_async_context
        acme = await within(company(env["COUNTERSIGN_DATABASE_URL"], folder, hands=Now()))
        desk = Watched(acme.desk)
        house = replace(acme.house, desk=cast("Desk", desk))
        local = await socket.listen(house, acme.house.settings.socket_path)
        beside.stack.push_async_callback(local.cleanup)
        worker = asyncio.create_task(acme.worker.run())
        beside.stack.callback(worker.cancel)
        people = ("maya", "omar", "nina", "sam", "ravi")
        return Office(acme, desk, beside, env, {person: await acme.enrolled(person) for person in people})

    structlog.configure(processors=[unsaid])
    try:
        yield beside.do(begin())
    finally:
        beside.end()
        structlog.reset_defaults()


def unsaid(*_: object) -> NoReturn:
    """The service's log would stand among what a command prints: here they share one process."""
    raise structlog.DropEvent


# -- asking -----------------------------------------------------------------------------------


def test_a_reset_is_followed_from_its_number_to_its_end(office: Office) -> None:
    async def maya() -> None:
        request, phone = await office.desk.shows("maya"), office.phones["maya"]
        await office.acme.proves(request, phone)
        await office.desk.shows("maya", Stage.AWAITING_COLLECTION)
        await office.acme.desk.show_secret(request.id, "maya", phone.device)

    done = office.beside.meanwhile(maya())
    result = office.types("request", "password_reset", "--for", "maya")
    done()
    assert result.exit_code == 0, result.stderr
    first, *_, last = result.stdout.split("Device page  ")[:-1]
    (name,) = set(NAME.findall(result.stdout))
    assert "Password reset for Maya Lindqvist" in first
    assert re.search(r"^    \d{3} \d{3}$", first, re.MULTILINE), "the number stands alone, in groups"
    assert not re.search(r"^ +\d{3} \d{3}$", last, re.MULTILINE), "it is of no use any more"
    assert f"http://localhost:8080/requests/{name}" in result.stdout
    assert "● Done" in last
    assert wide(result) <= 80
    assert result.stderr == ""


@pytest.mark.parametrize(("action", "word"), [("disown", "▲ Stopped"), ("cancel", "■ Cancelled")])
def test_what_ends_otherwise_ends_with_1(office: Office, action: str, word: str) -> None:
    async def omar() -> None:
        request = await office.desk.shows("omar")
        if action == "cancel":
            await office.acme.desk.submit(request.id, Cancel("omar"))
        else:
            await office.acme.desk.submit(request.id, Disown("omar"))

    done = office.beside.meanwhile(omar())
    result = office.types("request", "password_reset", "--for", "omar")
    done()
    rests = json.loads(office.types("frozen", "--json").stdout)
    assert [each["by"] for each in rests] == (["omar"] if action == "disown" else [])
    office.beside.do(
        office.acme.desk.standings.lift("omar", "CS-00000", utc_now())
    )  # other tests go on with him
    assert "Nobody is frozen." in office.types("frozen").stdout
    assert result.exit_code == 1
    assert word in result.stdout


def test_following_as_json_gives_one_object_a_state(office: Office) -> None:
    async def sam() -> None:
        request = await office.desk.shows("sam")
        await office.acme.desk.submit(request.id, Cancel("sam"))

    done = office.beside.meanwhile(sam())
    result = office.types("request", "password_reset", "--for", "sam", "--json")
    done()
    states = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [state["closed"] for state in states] == [False, True]
    assert [state["done"] for state in states] == [False, False]
    assert re.fullmatch(r"\d{3} \d{3}", states[0]["card"]["number"])
    assert states[1]["card"]["number"] == ""


def test_asking_without_waiting_prints_one_card_or_one_object(office: Office) -> None:
    result = office.types("request", "password_reset", "--for", "ravi", "--no-wait")
    assert result.exit_code == 0
    assert len(NAME.findall(result.stdout)) == 2  # on the card and in the link
    name = NAME.findall(result.stdout)[0]
    assert office.types("show", name.lower()).stdout.startswith("◇ Needs you")
    assert office.types("show", name.replace("0", "o").replace("1", "l").lower()).exit_code == 0
    again = json.loads(office.types("show", name, "--json").stdout)
    assert (again["id"], again["closed"], again["card"]["number"]) == (name, False, "")
    assert again["link"].endswith(f"/requests/{name}")
    twice = office.types("request", "password_reset", "--for", "ravi")
    assert (twice.exit_code, twice.stdout) == (1, "")
    assert "already open" in twice.stderr


REFUSED = {
    "an unknown playbook": (("request", "nope", "--for", "maya"), "There is no such request type."),
    "an unknown person": (("request", "password_reset", "--for", "nobody"), "can't find that person"),
    "an unknown asker": (
        ("request", "device_enrolment", "--for", "maya", "--by", "x"),
        "can't find that person",
    ),
    "an unknown field": (("request", "password_reset", "--for", "nina", "--field", "x=y"), "'x'"),
    "a missing field": (("request", "device_revocation", "--for", "nina"), "Which device?"),
    "not theirs to ask": (
        ("request", "device_enrolment", "--for", "nina", "--by", "maya"),
        "You can't ask this",
    ),
    "for somebody else": (
        ("request", "password_reset", "--for", "maya", "--by", "omar"),
        "your own device page",
    ),
    "an unknown request": (("show", "CS-00000"), "begins with CS-"),
    "no name at all": (("show", "../healthz"), "begins with CS-"),
}


@pytest.mark.parametrize(("command", "said"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_a_sentence_and_1(office: Office, command: Sequence[str], said: str) -> None:
    result = office.types(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    told = office.types(*command, "--json")
    assert (told.exit_code, told.stderr) == (1, "")
    assert said in json.loads(told.stdout)["sentence"]


def test_without_the_service_there_is_a_sentence(tmp_path: Path) -> None:
    for command in (("request", "password_reset", "--for", "maya"), ("show", "CS-00000")):
        result = run(*command, env={"COUNTERSIGN_SOCKET": str(tmp_path / "desk.sock")})
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Nobody answers on {tmp_path / 'desk.sock'}. Start `python app.py serve`" in result.stderr


def test_a_request_changed_from_outside_is_told_while_it_is_followed(office: Office) -> None:
    async def intruder() -> None:
        request = await office.desk.shows("nina")
        await Intruder(office.env["COUNTERSIGN_DATABASE_URL"]).change("requests", request.id, subject="eve")

    done = office.beside.meanwhile(intruder())
    result = office.types("request", "account_unlock", "--for", "nina")
    done()
    assert result.exit_code == 1
    assert "changed from outside" in result.stderr


# -- recalling --------------------------------------------------------------------------------


def test_an_administrator_asks_for_a_recall_here_and_confirms_it_on_their_own_device(office: Office) -> None:
    listed = json.loads(office.types("devices", "ravi", "--json").stdout)
    asked = office.types("devices", "ravi", "--recall", "ravi's phone", "--as", "sam")
    assert asked.exit_code == 0, asked.output
    name = NAME.findall(asked.stdout)[0]

    async def stands() -> Request:
        return await office.acme.desk.get(name)

    request = office.beside.do(stands())
    assert (request.playbook, request.prover, request.stage) == (
        "device_recall",
        "sam",
        Stage.AWAITING_PROOF,
    )
    assert request.parameters == {"device": listed[0]["device"]}
    assert json.loads(office.types("devices", "ravi", "--json").stdout) == listed, "nothing has changed yet"

    async def agreed() -> None:
        await office.acme.proves(request, office.phones["sam"])
        await office.acme.proves(request, office.phones["nina"])

    office.beside.do(agreed())
    while json.loads(office.types("show", name, "--json").stdout)["closed"] is False:
        pass
    (device,) = json.loads(office.types("devices", "ravi", "--json").stdout)
    assert device["revoked"]
    assert device["can prove with"] == "nothing"


def test_an_administrator_asks_for_the_recall_of_one_passkey_by_its_id_or_its_name(office: Office) -> None:
    eve = office.beside.do(office.acme.enrolled("eve", app=False))
    ((alone,),) = [
        device["passkeys"] for device in json.loads(office.types("devices", "eve", "--json").stdout)
    ]
    refused = office.types("devices", "eve", "--recall", alone["passkey"], "--as", "sam")
    assert (refused.exit_code, refused.stderr) == (1, f"■ {no.LastOnDevice().sentence}\n")
    office.beside.do(office.acme.adds(eve, "Key on my key ring"))
    (device,) = json.loads(office.types("devices", "eve", "--json").stdout)
    assert device["can prove with"].endswith("(“Key on my key ring”)")
    (key,) = [each for each in device["passkeys"] if each["name"] == "Key on my key ring, on eve's phone"]
    assert (key["kind"], key["last used"]) == ("a passkey on this device only", "")
    shown = office.types("devices", "eve")
    assert key["passkey"] in shown.stdout
    assert wide(shown) <= 80
    asked = office.types("devices", "eve", "--recall", "Key on my key ring", "--as", "sam")
    assert asked.exit_code == 0, asked.output
    again = office.types("devices", "eve", "--recall", key["passkey"], "--as", "sam")
    assert "already open" in again.stderr, "its id is the same passkey"

    async def stands() -> Request:
        request = await office.acme.desk.get(NAME.findall(asked.stdout)[0])
        await office.acme.desk.submit(request.id, Cancel("sam"))
        return request

    request = office.beside.do(stands())
    assert (request.playbook, request.parameters) == ("passkey_recall", {"passkey": key["passkey"]})


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--recall", "no such thing", "--as", "nina"), 1, "There is no such device"),
        (("--recall", "omar's phone", "--as", "maya"), 1, "You can't ask this"),
        (("--recall", "omar's phone"), 2, "go together"),
        (("--as", "nina"), 2, "go together"),
    ],
)
def test_a_recall_takes_a_device_and_an_administrator(
    office: Office, more: Sequence[str], code: int, said: str
) -> None:
    result = office.types("devices", "omar", *more)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


# -- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READING)
def test_reading_works_beside_the_service_and_fits(office: Office, command: Sequence[str]) -> None:
    result, told = office.types(*command), office.types(*command, "--json")
    assert wide(result) <= 80
    assert "…" not in result.stdout.replace("… ", "").replace("…\n", "")
    assert isinstance(json.loads(told.stdout), list)


@dataclass(frozen=True)
class Archive:
    """A finished installation's database at rest: nobody serves it."""

    env: dict[str, str]
    reset: str

    def types(self, *command: str, **changed: str) -> Result:
        return run(*command, env={**self.env, **changed})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database in which one password was reset, and the name of that request."""
    folder = tmp_path_factory.mktemp("finished")

    async def work() -> str:
        async with company(f"sqlite:///{folder / 'desk.db'}", folder) as acme:
            maya = await acme.enrolled("maya")
            request = await acme.asks("password_reset", "maya")
            await acme.proves(request, maya)
            await acme.worker.drain()
            await acme.desk.show_secret(request.id, "maya", maya.device)
            return request.id

    return folder / "desk.db", asyncio.run(work())


@pytest.fixture
def archive(finished: tuple[Path, str], tmp_path: Path) -> Archive:
    original, reset = finished
    shutil.copy(original, tmp_path / "desk.db")
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    return Archive({"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_DATABASE_URL": url}, reset)


def test_the_log_of_one_request_reads_from_opened_to_collected(archive: Archive) -> None:
    events = json.loads(archive.types("audit", "log", archive.reset.lower(), "--json").stdout)
    assert events[0]["event"] == "Opened"
    assert {event["request"] for event in events} == {archive.reset}
    table = archive.types("audit", "log", archive.reset)
    assert wide(table) <= 80
    assert all(event["event"] in table.stdout for event in events)
    assert events[0]["what"].replace(" ", "") in re.sub(r"\s", "", table.stdout), "nothing is cut off"
    assert len(json.loads(archive.types("audit", "log", "--last", "2", "--json").stdout)) == 2
    assert "No event tells of CS-00000" in archive.types("audit", "log", "cs-ooooo").stdout


def test_the_evidence_is_verified_and_a_change_of_it_is_found(archive: Archive) -> None:
    for command in (("audit", "verify"), ("audit", "verify", archive.reset.lower())):
        result = archive.types(*command)
        assert result.exit_code == 0, result.stdout
        assert "■ fail" not in result.stdout
    asyncio.run(
        Intruder(archive.env["COUNTERSIGN_DATABASE_URL"]).change("requests", archive.reset, subject="eve")
    )
    for command in (("audit", "verify"), ("audit", "verify", archive.reset)):
        result = archive.types(*command)
        assert result.exit_code == 1
        assert "■ fail" in result.stdout
        failed = [f for f in json.loads(archive.types(*command, "--json").stdout) if f["level"] == "fail"]
        assert failed
        assert all(finding["seen"] and finding["remedy"] for finding in failed)


def test_devices_are_listed_without_anything_secret(archive: Archive) -> None:
    (device,) = json.loads(archive.types("devices", "maya", "--json").stdout)
    assert (device["name"], device["can prove with"]) == (
        "maya's phone",
        "a passkey on this device only, sign-in app codes",
    )
    assert device["last used"]
    assert device["device"] in archive.types("devices", "maya").stdout
    assert archive.types("devices", "eve").stdout == "No device is registered for eve.\n"


@pytest.mark.parametrize("command", READING)
def test_reading_writes_nothing(archive: Archive, command: Sequence[str]) -> None:
    path = Path(archive.env["COUNTERSIGN_DATABASE_URL"].removeprefix("sqlite:///"))
    before = path.read_bytes()
    path.chmod(0o400)
    assert archive.types(*command).exit_code == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", LOOKING_AFTER)
def test_a_missing_database_is_a_sentence_and_isnt_made(tmp_path: Path, command: Sequence[str]) -> None:
    path = tmp_path / "desk.db"
    env = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_DATABASE_URL": f"sqlite:///{path}"}
    result = run(*command, env=env)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"There is no database at {path}." in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", LOOKING_AFTER)
@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "The database is empty."), (b"no database " * 99, "The database can't be used")],
)
def test_a_file_that_is_no_database_of_ours_is_a_sentence(
    tmp_path: Path, command: Sequence[str], content: bytes, said: str
) -> None:
    path = tmp_path / "desk.db"
    path.write_bytes(content)
    env = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_DATABASE_URL": f"sqlite:///{path}"}
    result = run(*command, env=env)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert path.read_bytes() == content


def test_an_upgrade_says_what_the_driver_said_without_its_statement(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    path.write_bytes(b"no database " * 99)
    env = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_DATABASE_URL": f"sqlite:///{path}"}
    result = run("db", "upgrade", env=env)
    assert result.exit_code == 1
    assert result.stderr.startswith("■ The database can't be used (file is not a database). Check ")


@pytest.mark.parametrize("command", [*LOOKING_AFTER, ("db", "upgrade")])
def test_a_server_that_is_away_is_a_sentence_without_its_password(command: Sequence[str]) -> None:
    url = "postgresql://desk:hush@127.0.0.1:1/desk"
    result = run(*command, env={"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_DATABASE_URL": url})
    assert (result.exit_code, result.stdout) == (1, "")
    assert "The database server doesn't answer" in result.stderr
    assert "COUNTERSIGN_DATABASE_URL" in result.stderr
    assert "hush" not in result.stderr


def test_an_empty_server_is_a_sentence_and_a_wrong_password_too(postgres_url: str) -> None:
    key = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY}
    empty = run("audit", "log", env={**key, "COUNTERSIGN_DATABASE_URL": postgres_url})
    assert (empty.exit_code, "The database is empty." in empty.stderr) == (1, True)
    wrong = re.sub(r":[^:@]+@", ":hush@", postgres_url)
    for command in (("audit", "log"), ("db", "upgrade")):
        result = run(*command, env={**key, "COUNTERSIGN_DATABASE_URL": wrong})
        assert result.exit_code == 1
        assert "password authentication failed" in result.stderr
        assert "hush" not in result.stderr


# -- looking after it -------------------------------------------------------------------------


def test_a_database_is_made_and_upgraded_again(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    env = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_DATABASE_URL": f"sqlite:///{path}"}
    for _ in range(2):
        result = run("db", "upgrade", env=env)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("The database stands at revision ")
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("audit", "verify", env=env).exit_code == 0
    assert run("audit", "log", env=env).stdout == "Nothing has happened yet.\n"


def test_a_key_is_rotated_by_resealing(archive: Archive) -> None:
    newer = SECRET_KEY[::-1]
    result = archive.types("db", "reseal", COUNTERSIGN_SECRET_KEY=f"{newer},{SECRET_KEY}")
    assert (result.exit_code, result.stderr) == (0, "")
    moved = re.fullmatch(r"(\d+) rows were moved to the newest key\.\n", result.stdout)
    assert moved is not None
    assert int(moved[1]) > 5
    assert archive.types("audit", "verify", COUNTERSIGN_SECRET_KEY=newer).exit_code == 0
    again = archive.types("db", "reseal", COUNTERSIGN_SECRET_KEY=newer)
    assert again.stdout == "0 rows were moved to the newest key.\n"
    assert archive.types("audit", "verify").exit_code == 1


async def test_a_long_job_shows_its_progress_on_a_terminal_alone(capfd: pytest.CaptureFixture[str]) -> None:
    async def steps() -> AsyncIterator[tuple[int, int]]:
        for done in (1, 2, 3):
            yield done, 3

    assert await console.progress("Resealing", steps()) == 3
    assert capfd.readouterr() == ("", "")


def test_work_that_is_interrupted_isnt_called_done(tmp_path: Path) -> None:
    async def work() -> int:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        app.run(work())
    assert ended.value.exit_code == 1


def test_a_defect_of_ours_keeps_its_trace() -> None:
    async def work() -> int:
        raise AttributeError("a defect")

    with pytest.raises(AttributeError):
        app.run(work())


def test_a_secret_is_long_and_never_the_same() -> None:
    one, other = (run("secret", env={}).stdout.strip() for _ in range(2))
    assert len(one) >= 43
    assert one != other


def test_a_push_key_is_one_that_the_settings_take() -> None:
    one, other = (run("push-key", env={}).stdout.strip() for _ in range(2))
    assert one != other
    assert load_settings(
        secret_key=SECRET_KEY, vapid_key=one, vapid_contact="mailto:desk@example.com"
    ).push_key


# -- playbooks --------------------------------------------------------------------------------


def test_playbooks_are_listed_and_checked(tmp_path: Path) -> None:
    env = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY}
    names = {path.stem for path in SHIPPED.glob("*.yaml")}
    listed = json.loads(run("policy", "list", "--json", env=env).stdout)
    assert {each["playbook"] for each in listed} == names
    for command in (("policy", "list"), ("policy", "check")):
        result = run(*command, env=env)
        assert result.exit_code == 0
        assert wide(result) <= 80
        assert all(name in result.stdout for name in names)
        assert "…" not in result.stdout


def test_a_broken_playbook_is_named_with_file_line_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "password_reset.yaml"
    text = (SHIPPED / path.name).read_text(encoding="utf-8")
    path.write_text(text.replace("tier: 1", "tier: 7"), encoding="utf-8")
    line = text.splitlines().index("tier: 1") + 1
    env = {"COUNTERSIGN_SECRET_KEY": SECRET_KEY, "COUNTERSIGN_PLAYBOOKS": str(tmp_path)}
    for command in ("list", "check"):
        result = run("policy", command, env=env)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{path}:{line}: tier" in result.stderr
        told = json.loads(run("policy", command, "--json", env=env).stdout)
        (problem,) = told["problems"]
        assert (problem["file"], problem["line"], problem["field"]) == (str(path), line, "tier")
        assert problem["remedy"]


# -- the doctor -------------------------------------------------------------------------------

TWO_ADMINISTRATORS = """
people: [{id: nina, name: Nina Kowalski}, {id: sam, name: Sam Okafor}]
roles: {administrator: [nina, sam]}
"""


@dataclass(frozen=True)
class Patient:
    """An installation in which everything is well, but for what a test changes."""

    folder: Path
    env: dict[str, str]

    def diagnosed(self, **changed: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the findings by check."""
        env = {**self.env, **{f"COUNTERSIGN_{name}": value for name, value in changed.items()}}
        result = run("doctor", "--json", env={name: value for name, value in env.items() if value != "-"})
        findings = json.loads(result.stdout)
        for finding in findings:
            assert finding["seen"]
            assert (finding["level"] == "pass") == (finding["remedy"] == ""), finding
        assert result.exit_code == int(any(finding["level"] == "fail" for finding in findings))
        return result.exit_code, {finding["check"]: finding for finding in findings}

    def settings(self) -> Settings:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.env.items():
                environment.setenv(name, value)
            return load_settings()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of production's kind, to be copied."""
    path = tmp_path_factory.mktemp("prepared") / "desk.db"
    asyncio.run(prepare(f"sqlite:///{path}", Keys((SECRET_KEY,)), PRODUCTION, utc_now()))
    return path


@pytest.fixture
def patient(prepared: Path, tmp_path: Path) -> Patient:
    (tmp_path / "playbooks").mkdir()
    for path in SHIPPED.glob("*device*.yaml"):
        shutil.copy(path, tmp_path / "playbooks")
    (tmp_path / "countersign.yaml").write_text(TWO_ADMINISTRATORS, encoding="utf-8")
    env = {
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
        "COUNTERSIGN_PUBLIC_URL": "https://desk.example.com",
        "COUNTERSIGN_TRUSTED_PROXIES": "127.0.0.1",
        "COUNTERSIGN_PLAYBOOKS": str(tmp_path / "playbooks"),
        "COUNTERSIGN_CONFIG": str(tmp_path / "countersign.yaml"),
    }
    shutil.copy(prepared, tmp_path)
    return Patient(tmp_path, env)


def test_a_running_installation_is_well(patient: Patient) -> None:
    @asynccontextmanager
    async def served() -> AsyncIterator[None]:
        settings = patient.settings()
        async with app.house(settings, load_config(settings.config)) as house:
            local = await socket.listen(house, settings.socket_path)
            try:
                yield
            finally:
                await local.cleanup()

    beside = Beside()
    try:
        beside.do(beside.stack.enter_async_context(served()))
        code, findings = patient.diagnosed()
        assert (code, {finding["level"] for finding in findings.values()}) == (0, {"pass"})
        table = run("doctor", env=patient.env)
        assert table.exit_code == 0
        assert wide(table) <= 80
        (patient.folder / "desk.db.sock").chmod(0o666)
        assert patient.diagnosed()[1]["service"]["level"] == "fail"
    finally:
        beside.end()
    shutil.rmtree(patient.folder / "desk.db.sock", ignore_errors=True)
    code, findings = patient.diagnosed()
    assert (code, findings["service"]["level"]) == (0, "warn")


TENANT = "3c9e1b7d-0f52-4e68-8a14-6d2b5c7f9e03"
TEAMS = {
    "TEAMS_APP_ID": "7f1a4c2e-5d3b-4a86-9c07-2b8e6f4d1a90",
    "TEAMS_TENANT": TENANT,
    "TEAMS_CHANNEL": "19:0123456789abcdef@thread.tacv2",
    "TEAMS_CERTIFICATE": "/etc/countersign/teams.pem",
}
WRONG = {
    "local address": ({"PUBLIC_URL": "http://localhost:8080"}, "public address", "warn"),
    "open address": ({"BIND": "0.0.0.0:8080", "TRUSTED_PROXIES": ""}, "listening", "warn"),
    "no proxy": ({"TRUSTED_PROXIES": ""}, "trusted proxies", "warn"),
    "every proxy": ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "trusted proxies", "fail"),
    "socket nowhere": ({"SOCKET": "/nowhere/desk.sock"}, "socket", "fail"),
    "socket too far": ({"SOCKET": "/tmp/" + "x" * 103}, "socket", "fail"),
    "log for people": ({"LOG_FORMAT": "console"}, "log format", "warn"),
    "log for nobody": ({"LOG_FORMAT": "xml"}, "settings", "fail"),
    "two keys": ({"SECRET_KEY": f"{SECRET_KEY},{SECRET_KEY[::-1]}"}, "secret key", "warn"),
    "dull key": ({"SECRET_KEY": "ab" * 20}, "secret key", "fail"),
    "short key": ({"SECRET_KEY": "short"}, "settings", "fail"),
    "no key": ({"SECRET_KEY": "-"}, "settings", "fail"),
    "another app's token": ({"SLACK_BOT_TOKEN": "xapp-1"}, "settings", "fail"),
    "half of Slack": ({"SLACK_APP_TOKEN": "xapp-1"}, "settings", "fail"),
    "no signing secret": ({"SLACK_SIGNING_SECRET": ""}, "settings", "fail"),
    "Slack in clear": ({"SLACK_API_URL": "http://slack.example.com/api/"}, "settings", "fail"),
    "a channel's name": ({"SECURITY_CHANNEL": "#security"}, "settings", "fail"),
    "half of Teams": ({"TEAMS_TENANT": TENANT}, "settings", "fail"),
    "a tenant's domain": ({"TEAMS_TENANT": "acme.example"}, "settings", "fail"),
    "Teams without a tenant": ({"TEAMS_APP_ID": TENANT}, "settings", "fail"),
    "no way to sign in": ({"TEAMS_APP_ID": TENANT, "TEAMS_TENANT": TENANT}, "settings", "fail"),
    "two ways to sign in": ({**TEAMS, "TEAMS_MANAGED_IDENTITY": "system"}, "settings", "fail"),
    "Teams without a channel": ({**TEAMS, "TEAMS_CHANNEL": "-"}, "settings", "fail"),
    "a Teams channel's name": ({**TEAMS, "TEAMS_CHANNEL": "security"}, "settings", "fail"),
    "Teams in clear": ({"TEAMS_SERVICE_URL": "http://smba.example.com/"}, "settings", "fail"),
    "keys in clear": ({"TEAMS_OPENID_URL": "http://login.example.com/"}, "settings", "fail"),
    "everybody believed": ({**TEAMS, "TEAMS_CERTIFICATE": "-", "TEAMS_DEVELOPMENT": "1"}, "settings", "fail"),
    "another key": ({"SECRET_KEY": SECRET_KEY[::-1]}, "key, kind and clock", "fail"),
    "connector away": ({"PLAYBOOKS": str(SHIPPED)}, "playbooks", "fail"),
    "no playbooks": ({"PLAYBOOKS": "/nowhere"}, "playbooks", "fail"),
    "no people": ({"CONFIG": "-"}, "configuration", "warn"),
    "no administrators": ({"CONFIG": "-"}, "administrators", "fail"),
    "no such file": ({"CONFIG": "/nowhere.yaml"}, "configuration", "fail"),
    "no database": ({"DATABASE_URL": "sqlite:////nowhere/desk.db"}, "database", "warn"),
    "no server": ({"DATABASE_URL": "postgresql://x:hush@127.0.0.1:1/y"}, "database", "fail"),
    "frozen for no time": ({"FREEZE_HOURS": "0"}, "settings", "fail"),
    "half of a mail server": ({"SMTP_URL": "smtps://mail.example.com"}, "settings", "fail"),
    "a sender that is none": ({"MAIL_FROM": "desk"}, "settings", "fail"),
    "no authority for mail": ({"SMTP_CA_FILE": "/nowhere.pem"}, "settings", "fail"),
    "half of a sign-on": ({"OIDC_ISSUER": "https://login.example.com"}, "settings", "fail"),
    "a sign-on without issuer": ({"OIDC_CLIENT_ID": "desk"}, "settings", "fail"),
    "a sign-on's secret alone": ({"OIDC_CLIENT_SECRET": "hush"}, "settings", "fail"),
    "people by their mail": ({"OIDC_CLAIM": "email"}, "settings", "fail"),
    "a key for notifications that is none": ({"VAPID_KEY": "short"}, "settings", "fail"),
    "a contact without a key": ({"VAPID_CONTACT": "mailto:desk@example.com"}, "settings", "fail"),
    "a policy nobody signed": ({"POLICY_SIGNATURES": "2"}, "policy signatures", "fail"),
    "no keys of maintainers": ({"POLICY_KEYS": "/nowhere.yaml"}, "policy signatures", "fail"),
    "ten maintainers": ({"POLICY_SIGNATURES": "10"}, "settings", "fail"),
    "a slip": ({"PUBIC_URL": "https://desk.example.com"}, "settings", "warn"),
}


@pytest.mark.parametrize(("changed", "check", "level"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found_with_its_remedy(
    patient: Patient, changed: Mapping[str, str], check: str, level: str
) -> None:
    _, findings = patient.diagnosed(**changed)
    assert findings[check]["level"] == level
    assert "hush" not in json.dumps(findings)


def test_every_setting_is_looked_at() -> None:
    assert {name for changed, *_ in WRONG.values() for name in changed} >= {
        name.upper() for name in Settings.model_fields
    }


@pytest.mark.parametrize(
    ("text", "check", "level"),
    [
        ("demo: true", "configuration", "fail"),
        ("people: [", "configuration", "fail"),
        ("roles: {administrator: [nina]}", "administrators", "fail"),
        (TWO_ADMINISTRATORS.replace("[nina, sam]", "[nina, sam, zoe]"), "administrators", "warn"),
    ],
)
def test_what_is_wrong_in_the_file_is_found(patient: Patient, text: str, check: str, level: str) -> None:
    (patient.folder / "countersign.yaml").write_text(text, encoding="utf-8")
    assert patient.diagnosed()[1][check]["level"] == level


def test_what_is_wrong_with_the_database_is_found(patient: Patient) -> None:
    path = patient.folder / "desk.db"
    path.chmod(0o644)
    assert patient.diagnosed()[1]["database"]["remedy"] == f"chmod 600 {path}"
    for content in (b"", b"no database " * 99):
        path.unlink()
        path.write_bytes(content)
        path.chmod(0o600)
        code, findings = patient.diagnosed()
        assert (code, findings["database"]["level"]) == (1, "fail")
        assert path.read_bytes() == content


def test_another_key_or_an_empty_database_isnt_called_tampering(patient: Patient) -> None:
    assert "audit log" not in patient.diagnosed(SECRET_KEY=SECRET_KEY[::-1])[1]
    intruder = Intruder(patient.env["COUNTERSIGN_DATABASE_URL"])
    asyncio.run(intruder.drop("installation", 1))
    asyncio.run(intruder.drop("tree_head", 1))
    _, findings = patient.diagnosed()
    assert findings["key, kind and clock"]["remedy"] == "Run `python app.py db upgrade`."
    assert "audit log" not in findings


# -- the words of it --------------------------------------------------------------------------


def leaves(group: Any = None, *before: str) -> Iterator[tuple[str, ...]]:
    """Every command there is."""
    for name, command in (group or typer.main.get_command(app.cli)).commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, *before, name)
        else:
            yield (*before, name)


@pytest.mark.parametrize("command", list(leaves()), ids=" ".join)
def test_every_command_has_an_example(command: Sequence[str]) -> None:
    result = run(*command, "--help", env={"COLUMNS": "80"})
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert f"python app.py {' '.join(command)}" in text.partition("Example:")[2]
    assert wide(result) <= 80


MISUSE = (
    ("nonsense",),
    ("request",),
    ("request", "password_reset"),
    ("request", "password_reset", "--for", "maya", "--field", "nothing"),
    ("request", "password_reset", "--for", "maya", "--approve"),
    ("show",),
    ("devices",),
    ("init", "nina"),
    ("audit", "nonsense"),
    ("audit", "log", "--last", "0"),
    ("audit", "log", "--last", "many"),
    ("demo", "--port", "many"),
    ("audit",),
    (),
)


@pytest.mark.parametrize("command", MISUSE, ids=" ".join)
def test_wrong_use_ends_with_2(command: Sequence[str], tmp_path: Path) -> None:
    result = run(*command, env={"COUNTERSIGN_SOCKET": str(tmp_path / "desk.sock")})
    assert result.exit_code == 2
    assert "Usage:" in result.output
