"""Two sides by turns, each in a fresh process; what counts is the ratio of each round, never a figure alone.

The same program runs up to twice as fast a few minutes later on a shared machine. Both sides of a round feel
the same weather, so a round's ratio holds where its figures don't, and the median of the rounds is the result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One side's run: operations done, seconds they took, seconds of CPU in this process and in its server."""

    operations: int
    seconds: float
    cpu: float
    server: float = 0.0

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    @property
    def per_core(self) -> float:
        """Operations in a second of CPU: of the server's, where there is one that is measured."""
        return self.operations / (self.server or self.cpu)


@dataclass(frozen=True, slots=True)
class Contest:
    """Two sides, each of which runs once in a fresh process when called. Met at `goal` × the ceiling's, if any."""

    name: str
    ours: Callable[[], Sample]
    ceiling: Callable[[], Sample]
    goal: float | None = None
    by: Literal["rate", "per_core"] = "rate"


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure that is the better the smaller it is, one value a round. Met at `most`, if there is a most."""

    name: str
    values: Sequence[float]
    unit: str
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    quick: bool
    check: bool
    json: bool

    @classmethod
    def of(cls, given: argparse.Namespace) -> Plan:
        """What the command line asks for."""
        rounds = given.rounds or (2 if given.quick else 5)
        return cls(
            rounds, given.seconds or (0.3 if given.quick else 3.0), given.quick, given.check, given.json
        )


def arguments(about: str, example: str) -> argparse.ArgumentParser:
    """The command line that every program here takes; each may add to it."""
    parser = argparse.ArgumentParser(
        description=about,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="under 30 seconds: fewer and shorter rounds")
    parser.add_argument("--check", action="store_true", help="exit 1 when a ratio misses its goal")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--rounds", type=int, help="how many rounds (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="how long each side runs in a round (3; quick: 0.3)")
    return parser


# -- inside a fresh process -------------------------------------------------------------------


async def race(
    step: Callable[[int], Awaitable[bool]], callers: int, seconds: float, server: int = 0
) -> Sample:
    """Let so many callers repeat `step(caller)` until time is up or a step says False: nothing is left to do.

    A fifth of the time goes ahead unmeasured, so that statements are prepared and caches are warm. What a side
    made beforehand to be asked is searched for garbage before the clock runs, not by a full collection in the middle.
    """

    async def call(caller: int, until: float) -> int:
        done = 0
        while time.perf_counter() < until and await step(caller):
            done += 1
        return done

    async def everybody(length: float) -> int:
        until = time.perf_counter() + length
        return sum(await asyncio.gather(*(call(caller, until) for caller in range(callers))))

    gc.collect()
    await everybody(seconds / 5)
    cpu, elsewhere, start = _cpu_of(os.getpid()), _cpu_of_server(server), time.perf_counter()
    operations = await everybody(seconds)
    took = time.perf_counter() - start
    return Sample(
        operations, took, _cpu_of(os.getpid()) - cpu, _cpu_of_server(server) - elsewhere if server else 0.0
    )


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()  # from field 3, the state, on


def _cpu_of(pid: int, *, with_children_gone: bool = False) -> float:
    times = _stat(pid)[11 : 15 if with_children_gone else 13]  # utime, stime, cutime, cstime of proc(5)
    return sum(map(int, times)) / _TICK


def _family(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(_stat(int(folder.name))[1]) == pid:
                found.append(int(folder.name))
    return found


def _cpu_of_server(pid: int) -> float:
    if not pid:
        return 0.0
    total = _cpu_of(pid, with_children_gone=True)
    for child in _family(pid):
        with contextlib.suppress(OSError):
            total += _cpu_of(child)
    return total


def apart(server: int) -> None:
    """Put the server on the last core and this process on the others, so that neither takes the other's time."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return
    for pid in (server, *_family(server)):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, cores[-1:])
    os.sched_setaffinity(0, cores[:-1])


# -- in the process that asks -----------------------------------------------------------------


def alone(case: Callable[..., Sample], *given: object) -> Sample:
    """Run one case in a fresh process. It starts from one that has imported everything and done nothing."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([case.__module__])
    with processes.Pool(1) as pool:
        return pool.apply(case, given)


Round = tuple[Sample, Sample]


def compete(plan: Plan, contests: Sequence[Contest]) -> dict[str, list[Round]]:
    """Every contest once a round, the two sides one right after the other, who begins changing with the round."""
    rounds: dict[str, list[Round]] = {contest.name: [] for contest in contests}
    with Console(stderr=True).status("starting") as status:
        for number in range(plan.rounds):
            for contest in contests:
                status.update(f"round {number + 1} of {plan.rounds}: {contest.name}")
                if number % 2:
                    ours, ceiling = contest.ours(), contest.ceiling()
                else:
                    ceiling, ours = contest.ceiling(), contest.ours()
                rounds[contest.name].append((ours, ceiling))
    return rounds
