"""A program on this machine that makes the change: asked by a document on its standard input, through no shell.

Its arguments are fixed and its environment is empty but for what the configuration gives it, so nothing that people
wrote is ever read as a command, and the secret shows in no list of processes. What it started ends with it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import Field, SecretStr, StringConstraints, field_validator

from flows.model import Receipt
from handlers.changes import LARGEST, Asked, Changes, Uncertain, Verbs, receipt, shown
from handlers.findings import Finding, Level
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable

log = structlog.get_logger()

#: All that a program finds in its environment besides what the configuration gives it.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
INTERPRETERS, FIRST_LINE = (
    5,
    256,
)  # that Linux follows from one to the next, and bytes of the line that it reads
LINKS = 40  # that lead on from each other, as Linux follows them
GRACE = 1.0  # seconds between asking a program to end and ending it

#: Exit codes after sysexits.h that say: nothing was changed, and asking again won't help.
REFUSALS: Mapping[int, type[Rejected]] = {
    64: Rejected,  # EX_USAGE
    65: PolicyRefused,  # EX_DATAERR
    66: NoAccount,  # EX_NOINPUT
    67: NoAccount,  # EX_NOUSER
    68: Rejected,  # EX_NOHOST
    69: Rejected,  # EX_UNAVAILABLE
    72: Rejected,  # EX_OSFILE
    73: Rejected,  # EX_CANTCREAT
    76: Rejected,  # EX_PROTOCOL
    77: MissingRight,  # EX_NOPERM
    78: Rejected,  # EX_CONFIG
}
LATER = 75  # EX_TEMPFAIL: nothing was changed, and asking again may help


class Program(Verbs):
    """One program. Raises pydantic's ValidationError for what can't be one."""

    run: tuple[str, ...] = Field(min_length=1, description="The program's absolute path, and its arguments.")
    environment: Mapping[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], SecretStr
    ] = Field({}, description="What stands in its environment besides PATH and LANG.")
    answer_within: float = Field(10.0, gt=0, le=60, description="Seconds for each run.")

    @field_validator("run")
    @classmethod
    def _safe(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in each for each in value):
            raise ValueError("an argument holds a NUL, which none can")
        if why := unsafe(*value):
            raise ValueError(why)
        return value

    @field_validator("environment")
    @classmethod
    def _text(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        if any("\0" in each.get_secret_value() for each in value.values()):
            raise ValueError("a value holds a NUL, which no environment can")
        return value


def unsafe(program: str, *arguments: str) -> str:
    """Why a program may not be run; empty when only root and we can have written it, and what its arguments name.

    The same counts for what interprets it, for every folder on the way, and for every link with its folders.
    """
    path = Path(program)
    if not path.is_absolute():
        return f"{program} isn't an absolute path"
    try:
        *_, real = _places(path)
        if not stat.S_ISREG(real.stat().st_mode) or not os.access(real, os.X_OK):
            return f"{program} isn't a file that may be run"
        for each in (*_interpreted(path), *(each for each in _named(arguments) if _is_there(each))):
            if why := _changeable(each):
                return why
    except OSError as error:
        return f"{program} can't be looked at ({error.strerror})"
    return ""


def _interpreted(program: Path) -> list[Path]:
    """A program, what its first line says that it is interpreted by, and so on. Raises OSError."""
    found = [program]
    while len(found) <= INTERPRETERS:
        with found[-1].open("rb") as file:
            first = file.readline(FIRST_LINE)
        words = os.fsdecode(first[2:]).split(maxsplit=1) if first.startswith(b"#!") else []
        if not words:
            break
        found.append(Path("/", words[0]))  # it runs in the topmost folder
    return found


def _named(arguments: Sequence[str]) -> list[Path]:
    """What arguments name: as a whole, read from the topmost folder, or after an equals sign."""
    after = [each.partition("=")[2] for each in arguments]
    return [Path("/", each) for each in arguments] + [Path(each) for each in after if each.startswith("/")]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name
        return False


def _changeable(path: Path) -> str:
    """Who else may change what is found under this path; empty for nobody."""
    for each in _places(path):
        found = each.lstat()
        if found.st_uid not in (0, os.geteuid()):
            return f"{each} belongs to somebody else; it has to be root's or ours"
        # In a sticky folder such as /tmp nobody replaces what isn't theirs. A link's own mode means nothing.
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        kept = stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
        if kept and found.st_mode & 0o022 and not sticky:
            return f"{each} may be changed by others: chmod go-w {each}"
    return ""


def _places(path: Path) -> list[Path]:
    """Every folder and link on the way to a file, and itself at last. Raises OSError."""
    at, left = Path("/"), [*reversed(path.parts[1:])]
    places, links = [at], 0
    while left:
        part = left.pop()
        at = at.parent if part == ".." else at / part
        places.append(at)
        if at.is_symlink():
            links += 1
            if links > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = at.readlink()
            at = Path("/") if target.is_absolute() else at.parent
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return places


class Command:
    """A program, as we ask it."""

    def __init__(self, given: Program) -> None:
        self._given = given
        added = {name: value.get_secret_value() for name, value in given.environment.items()}
        self._environment = {**ENVIRONMENT, **added}

    async def close(self) -> None:
        """Nothing outlives a run."""

    async def look(self) -> list[Finding]:
        """Whether the program is there, may be run, and can't have been written by others."""
        program = self._given.run[0]
        if why := unsafe(*self._given.run):
            return [Finding("program", Level.FAIL, why, "Mend that, or `run`.")]
        return [Finding("program", Level.PASS, f"{program} may be run, and root and we alone may change it")]

    async def ask(self, asked: Asked) -> Receipt | None:
        """Run it. Raises Rejected or one of its kinds, Unreachable when nothing was done, else Uncertain."""
        program, *arguments = self._given.run
        if why := unsafe(program, *arguments):  # it may have changed since the start
            log.error("program_refused", program=program, reason=why)
            raise Unreachable(f"The program may not be run: {why}.")
        try:
            run = await self._started()
        except OSError as error:
            raise Unreachable(f"The program can't be started ({error.strerror}).") from None
        try:
            await run.told(asked.document(), self._given.answer_within)
        finally:
            await run.over()
        return _meant(run, asked.secret)

    async def _started(self) -> _Run:
        loop = asyncio.get_running_loop()
        _, run = await loop.subprocess_exec(
            _Run, *self._given.run, env=self._environment, cwd="/", start_new_session=True
        )
        return run


class _Run(asyncio.SubprocessProtocol):
    """One run of a program, which leads a process group of its own: what it says, and its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.said: Mapping[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.overflowed = False
        self.code: int | None = None
        self._settled: asyncio.Future[None] = loop.create_future()  # it ended, or has said too much
        self._ended: asyncio.Future[None] = loop.create_future()
        self._silent: asyncio.Future[None] = loop.create_future()  # nobody is left who could say anything

    async def told(self, document: bytes, within: float) -> None:
        """Hand it what is asked, and wait until it ends or is given up on."""
        stdin = self._transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)  # noqa: S101  asyncio makes it so
        stdin.write(document)
        stdin.write_eof()
        await asyncio.wait([self._settled], timeout=within)
        _done(self._settled)  # how it ends from here on is our doing

    async def over(self) -> None:
        """End whatever is left of it, children included: asked first, then made to."""
        try:
            self._signal(signal.SIGTERM)
            await asyncio.wait([self._ended], timeout=GRACE)
        finally:
            self._signal(signal.SIGKILL)
            # A child that left the group may hold the pipes for ever, so nobody waits for ever.
            await asyncio.wait([self._ended, self._silent], timeout=GRACE)
            self._transport.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._transport.get_pid(), number)

    # -- asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101  asyncio makes it so
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if sum(len(each) for each in self.said.values()) + len(data) > LARGEST:
            self.overflowed = True
            _done(self._settled)
        if not self.overflowed:
            self.said[fd].extend(data)

    def process_exited(self) -> None:
        if not self._settled.done():
            self.code = self._transport.get_returncode()
        _done(self._settled)
        _done(self._ended)

    def connection_lost(self, exc: Exception | None) -> None:
        _done(self._silent)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _meant(run: _Run, secret: str | None) -> Receipt | None:
    """What a run says of the change. Whatever isn't a clear yes or no leaves it open."""
    if run.overflowed:
        raise Uncertain(f"the program says more than {LARGEST} bytes")
    if run.code is None:
        raise Uncertain("the program didn't end in time")
    if run.code == 0:
        return receipt(bytes(run.said[1]), secret)
    first = bytes(run.said[2]).decode("utf-8", "replace").strip().partition("\n")[0]
    words = shown(first, secret) or f"The program refuses it (exit code {run.code})."
    if run.code == LATER:
        raise Unreachable(words)
    if run.code in REFUSALS:
        raise REFUSALS[run.code](words)
    raise Uncertain(f"the program ended with {run.code}")


def connect(entry: Mapping[str, object]) -> Changes:
    """The connector of the kind `command`. Raises pydantic's ValidationError."""
    given = Program.model_validate(entry)
    return Changes(Command(given), given.verbs, given.undoes)
