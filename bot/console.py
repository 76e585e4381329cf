"""The terminal's side of things: what a command prints, and how it reaches the running service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bot.socket import CARD
from bot.terminal import draw
from handlers.evidence import Finding, Level

DONE, REFUSED, WRONG_USE = 0, 1, 2

out = Console()
err = Console(stderr=True)


class Unserved(Exception):
    """Nobody answers on the socket."""


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
        """A request as it stands now."""
        return await self._call("GET", f"/requests/{id}", None)

    async def _call(self, method: str, path: str, body: object) -> dict[str, Any]:
        connector = aiohttp.UnixConnector(str(self._path))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(15)) as session,
                session.request(method, f"http://countersign{path}", json=body) as answer,
            ):
                found: dict[str, Any] = await answer.json()
                return found
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unserved(f"nobody answers on {self._path}; start `python app.py serve` first") from error


async def follow(client: ServiceClient, told: dict[str, Any], *, wait: bool, as_json: bool) -> int:
    """Show a request until it is over, or once. Leaving with Ctrl-C leaves the request as it is."""
    if "refused" in told:
        return refuse(told["sentence"], as_json=as_json, kind=told["refused"])
    number = told["card"]["number"]
    if as_json:
        while wait and not told["closed"]:
            await asyncio.sleep(0.5)
            told = {**await client.look(told["id"]), "number": number}
        out.print_json(
            json.dumps({"id": told["id"], "number": number, "link": told["link"], "card": told["card"]})
        )
        return DONE if told["done"] or not wait else REFUSED
    where = Text.assemble("Device page  ", (told["link"], "underline"))
    if not out.is_terminal:  # a file or a pipe gets the first and the last state, each once
        out.print(draw(CARD.validate_python({**told["card"], "number": number})), where)
    with Live(console=out, refresh_per_second=4, transient=False) as live:
        while True:
            card = CARD.validate_python({**told["card"], "number": number if not told["closed"] else ""})
            rows: list[Any] = [draw(card), where]
            if wait and not told["closed"]:
                rows.append(Spinner("dots", Text("Following it. Ctrl-C leaves it as it is.", style="dim")))
            table = Table.grid(padding=(0, 0, 1, 0))
            for row in rows:
                table.add_row(row)
            live.update(table)
            if told["closed"] or not wait:
                return DONE if told["done"] or not wait else REFUSED
            await asyncio.sleep(0.5)
            told = await client.look(told["id"])


def refuse(sentence: str, *, as_json: bool = False, kind: str = "Refused") -> int:
    """Say no on standard error, or as JSON; gives the exit code."""
    if as_json:
        out.print_json(json.dumps({"refused": kind, "sentence": sentence}))
    else:
        err.print(Text.assemble(("■ ", "yellow"), sentence))
    return REFUSED


def listing(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, as_json: bool, empty: str
) -> None:
    """A table, or the same as a JSON list of objects."""
    found = [[str(value) for value in row] for row in rows]
    if as_json:
        out.print_json(json.dumps([dict(zip(columns, row, strict=True)) for row in found]))
        return
    if not found:
        out.print(Text(empty, style="dim"))
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    for row in found:
        table.add_row(*(Text(value) for value in row))
    out.print(table)


_STYLE = {Level.PASS: ("●", "green"), Level.WARN: ("◇", "yellow"), Level.FAIL: ("■", "red")}


def report(title: str, findings: Sequence[Finding], *, as_json: bool) -> int:
    """Checks with their remedies; exit code 1 when one failed."""
    if as_json:
        out.print_json(json.dumps([asdict(finding) for finding in findings]))
    else:
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        for finding in findings:
            shape, style = _STYLE[finding.level]
            seen = Text(finding.seen)
            if finding.remedy:
                seen.append(f"\n→ {finding.remedy}", style="bold")
            table.add_row(Text(f"{shape} {finding.level.value}", style=style), Text(finding.check), seen)
        out.print(table)
    return REFUSED if any(finding.level is Level.FAIL for finding in findings) else DONE


async def progress(title: str, steps: AsyncIterator[tuple[int, int]]) -> int:
    """Show a bar while `steps` gives (done, of how many); gives how many were done."""
    done = 0
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)
        async for done, total in steps:
            bar.update(task, completed=done, total=total)
    return done
