"""What it takes to acknowledge what a chat sends, beside the platforms' own SDKs and beside aiohttp alone.

Ours is the real app behind its gate: the raw bytes or the token checked, the delivery on the disk
(SQLite, synchronous=FULL), the SDK's dispatch, our listener, the answer, the log line. What is decided afterwards is
held back.

Each side is measured by 32 callers who ask again as soon as they are answered, and then at half of the rate that this
gave, requests coming evenly: those are the waits people would feel. Ours is also asked 1,000 times a second over 256
connections, once as it is and once while directory, connectors and Slack's own Web API all hang.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # `python bench/ack.py` finds the house as -m does

from bench.measure import Contest, Limit, Plan, Sample, alone, apart, arguments, compete, race
from bench.report import report
from bench.slack.caller import commands, connected, open_loop, percentile
from bench.slack.servers import serve

EXAMPLE = "python bench/ack.py --quick --check --json"
CALLERS = 32
CROWD, RATE = 256, 1_000.0
GOAL, P99, HUNG = 0.5, 250.0, 1_000.0
STOCK = 20.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One run of the caller's. With a `rate` the loop is open."""

    port: int
    server: int
    seconds: float
    lines: int = CALLERS
    rate: float = 0.0
    token: str = ""  # of the Bot Framework's: then it is messages to Teams' address

    def make(self) -> Callable[[], bytes]:
        """What is asked, none like another."""
        if not self.token:
            return commands()
        from bench.teams_sides import messages  # its libraries take long to import

        return messages(self.token)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long people wait for each kind of server, a pair a run: median and 99th percentile, in milliseconds."""

    half: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, kind: str, took: tuple[float, float]) -> None:
        """One run's."""
        self.half.setdefault(kind, []).append(took)

    def limits(self) -> list[Limit]:
        """As the report shows them."""
        found = []
        for kind, pairs in self.half.items():
            for number, name in enumerate(("p50", "p99")):
                values = [pair[number] for pair in pairs]
                found.append(Limit(f"{kind}, {name} at half of its rate", values, "ms"))
        return found


# -- the caller, in a process of its own --------------------------------------------------------------------


def rate(asked: Asked) -> Sample:
    """Closed loop."""

    async def run() -> Sample:
        async with connected(asked.port, asked.lines) as lines:
            make = asked.make()

            async def step(caller: int) -> bool:
                await lines[caller].ask(make())
                return True

            return await race(step, asked.lines, asked.seconds, asked.server)

    apart(asked.server)
    return asyncio.run(run())


def waits(asked: Asked) -> tuple[float, float, int]:
    """Open loop: median, 99th percentile, and how many there were. A fifth goes ahead unmeasured."""

    async def run() -> tuple[float, float, int]:
        async with connected(asked.port, asked.lines) as lines:
            make = asked.make()
            ahead = await open_loop(lines, make, asked.rate, asked.seconds / 5)
            took = await open_loop(lines, make, asked.rate, asked.seconds)
            return percentile(took, 0.5), percentile(took, 0.99), len(ahead) + len(took)

    apart(asked.server)
    return asyncio.run(run())


# -- a round --------------------------------------------------------------------------------------------


@contextmanager
def serving(kind: str, api: str = "") -> Iterator[tuple[int, int, Path]]:
    """A server in a fresh process: its port, its process, and the folder it keeps things in."""
    processes = multiprocessing.get_context("forkserver")
    ours, theirs = processes.Pipe()
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        server = processes.Process(target=serve, args=(kind, Path(folder), theirs, api))
        server.start()
        try:
            assert ours.poll(60), f"{kind} didn't start"
            assert server.pid
            yield ours.recv(), server.pid, Path(folder)
        finally:
            server.terminate()
            server.join()


def side(kind: str, seconds: float, seen: Waits, api: str = "", token: str = "") -> Sample:
    """One side of a contest, and then how long its callers wait at half of that."""
    with serving(kind, api) as (port, pid, folder):
        asked = Asked(port, pid, seconds, token=token)
        sample = alone(rate, asked)
        p50, p99, _ = alone(waits, replace(asked, rate=sample.rate / 2))
        seen.add(kind, (p50, p99))
        if kind in ("ours", "teams"):
            assert _kept(folder) >= sample.operations, "more was acknowledged than is on the disk"
    return sample


def teams(kind: str, seconds: float, seen: Waits) -> Sample:
    """The same for Teams, with somebody who signs."""
    with serving("issuer") as (keys, _, desk):
        token = (desk / "token").read_text()
        return side(kind, seconds, seen, f"http://127.0.0.1:{keys}/openid", token)


def crowd(kind: str, seconds: float) -> float:
    """The 99th percentile at 1,000 requests a second over 256 connections; everything acknowledged is on the disk."""
    with serving(kind) as (port, pid, folder):
        _, p99, count = alone(waits, Asked(port, pid, seconds, CROWD, RATE))
        assert _kept(folder) == count, "not everything that was acknowledged is on the disk"
    return p99


def _kept(folder: Path) -> int:
    """How many deliveries are on the disk."""
    with closing(sqlite3.connect(f"file:{folder / 'desk.db'}?mode=ro", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM deliveries").fetchone()
    return int(count)


def main() -> int:
    """Let the sides compete, then let the crowd come, report."""
    plan = Plan.of(arguments(__doc__ or "", EXAMPLE).parse_args())
    multiprocessing.get_context("forkserver").set_forkserver_preload(["bench.slack.servers", __name__])
    seen = Waits()
    run = {kind: partial(side, kind, plan.seconds, seen) for kind in ("ours", "bolt", "aiohttp")}
    contests = [
        Contest("ours ÷ Bolt echo, a core", run["ours"], run["bolt"], GOAL, "per_core"),
        Contest("Bolt echo ÷ aiohttp, a core", run["bolt"], run["aiohttp"], by="per_core"),
    ]
    run |= {kind: partial(teams, kind, plan.seconds, seen) for kind in ("teams", "cloudadapter", "jwt")}
    contests += [
        Contest("Teams ÷ CloudAdapter, a core", run["teams"], run["cloudadapter"], STOCK, "per_core"),
        Contest("Teams ÷ aiohttp with JWT, a core", run["teams"], run["jwt"], by="per_core"),
    ]
    rounds = compete(plan, contests)
    clock = replace(contests[0], name="ours ÷ Bolt echo, by the clock", by="rate")
    rounds[clock.name] = rounds[contests[0].name]
    contests.insert(1, clock)
    calm, hung = ([crowd(kind, plan.seconds) for _ in range(plan.rounds)] for kind in ("ours", "hung"))
    limits = [
        *seen.limits(),
        Limit(f"ours, p99 at {RATE:,.0f}/s over {CROWD} connections", calm, "ms", P99),
        Limit("the same with everything outside hung", hung, "ms", HUNG),
    ]
    return report("ack", plan, contests, rounds, limits)


if __name__ == "__main__":
    sys.exit(main())
