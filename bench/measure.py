"""Two sides by turns, each in a fresh process; what counts is the ratio of each round, never a figure alone.

The same program runs up to twice as fast a few minutes later on a shared machine. Both sides of a round feel
the same weather, so a round's ratio holds where its figures don't, and the median of the rounds is the result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

TOLERANCE = 1.3  # a quick run is short, so it is judged at the goal divided by this
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


@dataclass(frozen=True, slots=True)
class Contest:
    """Two sides, each of which runs once in a fresh process when called. Met at `goal` × the ceiling's rate."""

    name: str
    ours: Callable[[], Sample]
    ceiling: Callable[[], Sample]
    goal: float


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

    A fifth of the time goes ahead unmeasured, so that statements are prepared and caches are warm.
    """

    async def call(caller: int, until: float) -> int:
        done = 0
        while time.perf_counter() < until and await step(caller):
            done += 1
        return done

    async def everybody(length: float) -> int:
        until = time.perf_counter() + length
        return sum(await asyncio.gather(*(call(caller, until) for caller in range(callers))))

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


def report(program: str, plan: Plan, contests: Sequence[Contest], rounds: Mapping[str, list[Round]]) -> int:
    """Print the table, and the JSON when it is asked for. Gives the exit code."""
    results = [_result(plan, contest, rounds[contest.name]) for contest in contests]
    Console(width=None if sys.stdout.isatty() else 120).print(_table(plan, results))
    if plan.json:
        print(json.dumps({"program": program, **asdict(plan), "machine": machine(), "results": results}))
    return 1 if plan.check and not all(result["met"] for result in results) else 0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _result(plan: Plan, contest: Contest, played: Sequence[Round]) -> dict[str, Any]:
    ratios = [ours.rate / ceiling.rate for ours, ceiling in played]
    least = contest.goal / TOLERANCE if plan.quick else contest.goal
    return {
        "contest": contest.name,
        "ratio": round(median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "goal": contest.goal,
        "met": median(ratios) >= least,
        "ours": _figures([ours for ours, _ in played]),
        "ceiling": _figures([ceiling for _, ceiling in played]),
    }


def _figures(samples: Sequence[Sample]) -> dict[str, float]:
    return {
        "per_second": round(median(sample.rate for sample in samples)),
        "cpu_us": round(median(sample.cpu / sample.operations for sample in samples) * 1e6),
        "server_us": round(median(sample.server / sample.operations for sample in samples) * 1e6),
    }


def _table(plan: Plan, results: Sequence[Mapping[str, Any]]) -> Table:
    judged = f" ÷ {TOLERANCE}" if plan.quick else ""
    where = machine()
    table = Table(
        title=f"{plan.rounds} rounds of {plan.seconds:g} s a side, medians",
        title_justify="left",
        caption=f"{where['cores']} cores, Python {where['python']}, load {where['load']:.1f}",
        caption_justify="left",
    )
    table.add_column("contest", no_wrap=True)
    for heading in ("ratio", "rounds", f"goal{judged}", "", "ours /s", "µs CPU", "ceiling /s", "µs CPU"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        ours, ceiling = result["ours"], result["ceiling"]
        table.add_row(
            result["contest"],
            f"{result['ratio']:.2f}",
            f"{min(result['ratios']):.2f}–{max(result['ratios']):.2f}",
            f"≥ {result['goal']:g}",
            "met" if result["met"] else "MISSED",
            f"{ours['per_second']:,}",
            _cpu(ours),
            f"{ceiling['per_second']:,}",
            _cpu(ceiling),
        )
    return table


def _cpu(figures: Mapping[str, float]) -> str:
    return f"{figures['cpu_us']}" + (f" + {figures['server_us']}" if figures["server_us"] else "")
