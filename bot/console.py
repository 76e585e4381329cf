"""The terminal's side of things: what a command prints, and how it reaches the running service."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import Progress
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bot.socket import CARD
from bot.terminal import draw
from flows.errors import Refusal
from handlers.findings import Finding, Level
from handlers.playbooks import PlaybookError
from handlers.settings import SettingsError
from handlers.signatures import NotSigned
from storage.setup import NotReady

DONE, REFUSED, WRONG_USE = 0, 1, 2

#: Nobody's words are markup, and no number is coloured by chance.
out = Console(markup=False, highlight=False)
err = Console(markup=False, highlight=False, stderr=True)


# -- reaching the service ---------------------------------------------------------------------


class Unserved(Exception):
    """Nobody answers on the socket, or not in a way we understand."""


class ServiceClient:
    """The command line's end of the socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(
        self, playbook: str, requester: str, subject: str, answers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Open a request; gives its card, or a refusal with its sentence."""
        body = {"playbook": playbook, "requester": requester, "subject": subject, "answers": dict(answers)}
        return await self._call("POST", "/requests", body)

    async def look(self, id: str) -> dict[str, Any]:
        """A request as it stands now, or a refusal."""
        return await self._call("GET", f"/requests/{quote(id, safe='')}", None)

    async def wave(self, group: str, *, remind: bool) -> dict[str, Any]:
        """Who of a group can join, and who of them is to be told; or a refusal."""
        path = f"/waves/{quote(group, safe='')}?remind={str(remind).lower()}"
        return await self._call("GET", path, None)

    async def welcome(self, group: str, person: str) -> dict[str, Any]:
        """Tell one of them; gives whether they were told."""
        return await self._call("POST", f"/waves/{quote(group, safe='')}/{quote(person, safe='')}", None)

    async def _call(self, method: str, path: str, body: object) -> dict[str, Any]:
        connector = aiohttp.UnixConnector(str(self._path))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(15)) as session,
                session.request(method, f"http://countersign{path}", json=body) as answer,
            ):
                if answer.content_type != "application/json":
                    raise Unserved(f"The service failed at this ({answer.status}). Its log says why.")
                found: dict[str, Any] = await answer.json()
                return found
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if isinstance(getattr(error, "os_error", error), PermissionError):
                raise Unserved(f"{self._path} isn't yours to open. Be the service's account.") from error
            remedy = "Start `python app.py serve`, or set COUNTERSIGN_SOCKET to where it listens."
            raise Unserved(f"Nobody answers on {self._path}. {remedy}") from error


# -- following a request ----------------------------------------------------------------------

Show = Callable[[dict[str, Any], bool], None]


async def follow(client: ServiceClient, told: dict[str, Any], *, wait: bool, as_json: bool) -> int:
    """Show a request until it is over, or once. Leaving with Ctrl-C leaves the request as it is."""
    if "refused" in told:
        return refuse(told["sentence"], as_json=as_json, kind=told["refused"])
    id, number, stage = told["id"], told["card"]["number"], told["card"]["stage"]
    with _shown(as_json=as_json, live=wait and out.is_terminal) as show:
        try:
            while True:
                if told["card"]["stage"] == stage:  # the number is of use at this stage and at no later one
                    told["card"]["number"] = number
                going = wait and not told["closed"]
                show(told, going)
                if not going:
                    return DONE if told["done"] or not wait else REFUSED
                await asyncio.sleep(0.5)
                told = await client.look(id)
                if "refused" in told:
                    return refuse(told["sentence"], as_json=as_json, kind=told["refused"])
        except asyncio.CancelledError:  # Ctrl-C
            show(told, False)
    return refuse(
        f"{id} goes on. `python app.py show {id}` tells how it stands.", as_json=as_json, kind="Left"
    )


@contextlib.contextmanager
def _shown(*, as_json: bool, live: bool) -> Iterator[Show]:
    """How states are shown: redrawn in place on a terminal, else one after another, each once."""
    if live and not as_json:
        with Live(console=out, refresh_per_second=4) as screen:
            yield lambda told, going: screen.update(_state(told, going=going))
        return
    last: list[object] = []

    def once(told: dict[str, Any], going: bool) -> None:
        if last != (now := [told["card"]["stage"], told["closed"]]):
            last[:] = now
            if as_json:
                _json({name: told[name] for name in ("id", "link", "closed", "done", "card")}, indent=None)
            else:
                say(_state(told, going=False))

    yield once


def _state(told: dict[str, Any], *, going: bool) -> RenderableType:
    rows = [
        draw(CARD.validate_python(told["card"])),
        Text.assemble("Device page  ", (told["link"], "underline"), overflow="fold"),
    ]
    if going:
        rows.append(Spinner("dots", Text("Following it. Ctrl-C leaves it as it is.", style="dim")))
    return Group(*rows)


# -- printing ---------------------------------------------------------------------------------


def say(*parts: RenderableType) -> None:
    """Print. In a file or a pipe no line ends in the blanks that fill a terminal's columns."""
    if out.is_terminal:
        out.print(*parts)
        return
    with out.capture() as caught:
        out.print(*parts)
    out.file.write("\n".join(line.rstrip() for line in caught.get().split("\n")))


def _json(value: object, *, indent: int | None = 2) -> None:
    out.print_json(json.dumps(value), indent=indent)


def refuse(
    sentence: str, *, as_json: bool = False, kind: str = "Refused", problems: Sequence[object] = ()
) -> int:
    """Say no on standard error, or as JSON; gives the exit code."""
    if as_json:
        _json({"refused": kind, "sentence": sentence, **({"problems": problems} if problems else {})})
        return REFUSED
    for line in sentence.splitlines():
        err.print(Text.assemble(("■ ", "yellow"), line), soft_wrap=not err.is_terminal)
    return REFUSED


_DRIVERS = {"sqlite3", "asyncpg", "sqlalchemy", "alembic"}
_CHECK = "Check COUNTERSIGN_DATABASE_URL, then ask `python app.py doctor`."


def sentence(problem: Exception) -> str:
    """What an operator reads: what happened, then what to do. Empty for a defect of ours, which needs its trace."""
    match problem:
        case Refusal():
            return problem.sentence
        case SettingsError() | PlaybookError() | NotSigned() | Unserved():
            return str(problem)
        case NotReady() | ValueError():
            text = str(problem)
            text = text[:1].upper() + text[1:] if re.match(r"[a-z]+ ", text) else text
            return text if text.endswith((".", "”", ")")) else f"{text}."
        case ConnectionError() | TimeoutError() | socket.gaierror():
            return f"The database server doesn't answer ({_first_line(problem)}). {_CHECK}"
        case OSError():
            return _of_system(problem)
        case _ if type(problem).__module__.partition(".")[0] in _DRIVERS:
            return f"The database can't be used ({_first_line(problem)}). {_CHECK}"
    return ""


def _of_system(problem: OSError) -> str:
    why = problem.strerror or str(problem)
    if problem.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) or " bind " in why:
        why = why[why.find("(") :]  # address and reason, without what everybody says before them
        return (
            f"It can't listen there: {why}. Set COUNTERSIGN_BIND to a free address and port of this machine."
        )
    if isinstance(problem.filename, str):
        folder = Path(problem.filename).parent
        if not folder.is_dir():
            return f"The folder {folder} doesn't exist. Make it for the service's account (mode 0700)."
        return f"{problem.filename}: {why}. Check whose it is, and be the service's account."
    return f"{why}. Check that the folder of COUNTERSIGN_SOCKET exists, and that its path is short."


def _first_line(problem: Exception) -> str:
    said = str(getattr(problem, "orig", None) or problem).strip()  # what the driver said, never the statement
    return said.splitlines()[0].rstrip(".") if said else type(problem).__name__


_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)[.\d]*Z$")
_DAY, _SECOND = r"\1", r"\1 \2"


def listing(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, as_json: bool, empty: str
) -> None:
    """A table that loses nothing in 80 columns, or the same as a JSON list of objects. Times are UTC, days here."""
    if as_json:
        _json([dict(zip(columns, map(_plain, row), strict=True)) for row in rows])
        return
    found = [[str(value) for value in row] for row in rows]
    if not found:
        say(Text(empty, style="dim"))
        return
    table = _table(title)
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0)  # a name to copy stays in one piece
    for row in found:
        table.add_row(*(Text(_TIME.sub(_DAY, value)) for value in row))
    say(table)


def _plain(value: object) -> object:
    """A value as JSON has it: what stands below a row, such as a device's passkeys, stays a list."""
    return value if isinstance(value, list) else str(value)


def chronicle(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, as_json: bool, empty: str
) -> None:
    """Like a listing, but what the last column tells stands below its row, as wide as the terminal."""
    found = [[str(value) for value in row] for row in rows]
    if as_json or not found:
        listing(title, columns, found, as_json=as_json, empty=empty)
        return
    heads = [[_TIME.sub(_SECOND, value) for value in row[:-1]] for row in found]
    widths = [max(map(len, column)) for column in zip(*heads, strict=True)]
    say(Text(title, style="italic"))
    for head, (*_, told) in zip(heads, found, strict=True):
        placed = (value.ljust(width) for value, width in zip(head, widths, strict=True))
        say(Text("  ".join(placed), overflow="fold"))
        if told:
            say(Padding(Text(told, style="dim", overflow="fold"), (0, 0, 0, widths[0] + 2)))


def _table(title: str, *, heads: bool = True) -> Table:
    return Table(
        title=title,
        title_justify="left",
        header_style="bold",
        show_header=heads,
        box=None,
        padding=(0, 2, 0, 0),
    )


_STYLE = {Level.PASS: ("●", "green"), Level.WARN: ("◇", "yellow"), Level.FAIL: ("■", "red")}


def report(title: str, findings: Sequence[Finding], *, as_json: bool) -> int:
    """Checks with their remedies; exit code 1 when one failed."""
    code = REFUSED if any(finding.level is Level.FAIL for finding in findings) else DONE
    if as_json:
        _json([asdict(finding) for finding in findings])
        return code
    table = _table(title, heads=False)
    for column in ("level", "check"):
        table.add_column(column, no_wrap=True)
    table.add_column("seen", overflow="fold")
    for finding in findings:
        shape, style = _STYLE[finding.level]
        seen = Text(finding.seen)
        if finding.remedy:
            seen.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(f"{shape} {finding.level.value}", style=style), Text(finding.check), seen)
    say(table)
    return code


def busy(title: str) -> contextlib.AbstractContextManager[object]:
    """On a terminal, show that work goes on whose length nobody knows."""
    return err.status(title) if err.is_terminal else contextlib.nullcontext()


async def progress(title: str, steps: AsyncIterator[tuple[int, int]]) -> int:
    """Show a bar on a terminal while `steps` gives (done, of how many); gives how many were done."""
    done = 0
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        async for done, total in steps:
            bar.update(task, completed=done, total=total)
    return done
