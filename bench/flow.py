"""What a whole request costs in CPU, from the first word to the change, beside three stock Bolt echoes.

One flow is an employee's account unlocked, as they live through it, over the real app on SQLite (synchronous=FULL):

  1  `/desk My account is locked`, signed: acknowledged, understood, answered with a proposal
  2  the press of its button, signed: acknowledged, decided, the request opened; the worker makes the number
  3  the number and the sign-in app's code on the device page: its session, signature and form token checked, verified
  4  the worker makes the change through a connector that counts, and reports it

Nothing in it is a stand-in but the connector, the directory (1,500 people, in memory) and Slack's end. It is measured
three times: with what people are told counted and no more, for which there is a goal; with every card drawn; and with
it sent to Slack.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import multiprocessing
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))  # `python bench/flow.py` finds the house as -m does

from bench.ack import Asked, rate
from bench.measure import Contest, Limit, Plan, Sample, alone, apart, arguments, compete, race
from bench.report import report
from bench.slack.caller import COMMAND, Line, connected, posted
from bench.slack.desk import COMPANY, TEAM, Employee, employees, hire
from bench.slack.servers import serve
from bot.handles import Handle, Handles
from bot.web.session import COOKIE
from flows.model import Method, Stage
from storage import codec
from storage.seals import Keys
from tests.browser_key import BrowserKey
from tests.company import SECRET_KEY

EXAMPLE = "python bench/flow.py --quick --check --json"
GOAL = 3.5
CALLERS = 16
ASKERS = 300  # employees for every second of a run; each asks once, and a run that uses them up ends early
KINDS = {"decides": "a whole flow", "draws": "with its cards drawn", "speaks": "and sent to Slack"}
PUBLIC = "http://localhost:8080"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of everybody's hands."""

    port: int
    server: int
    folder: Path
    seconds: float


# -- everybody's hands, in a process of their own --------------------------------------------------------------


class Hands:
    """What one employee after the other does, and what they see. Looking costs the server nothing."""

    def __init__(self, run: Run) -> None:
        self._keys = Keys([SECRET_KEY])
        self._handles = Handles(self._keys)
        self._form_key = self._keys.derive("form token")
        self._db = sqlite3.connect(f"file:{run.folder / 'desk.db'}?mode=ro", uri=True)
        self._numbers = itertools.count(1)

    async def flow(self, line: Line, me: Employee) -> None:
        """The whole of it. Raises Unanswered, or TimeoutError when something never comes."""
        async with asyncio.timeout(30):
            await line.ask(posted(self._asks(me)))
            await line.ask(posted(self._presses(me)))
            id, number = await self._seen(me, self._number)
            await line.ask(self._types(me, id, number), b"303")
            await self._seen(me, self._done)

    def _asks(self, me: Employee) -> bytes:
        said = {"user_id": me.user, "channel_id": me.conversation, "text": "My account is locked"}
        return urlencode({**COMMAND, **said, "trigger_id": f"{next(self._numbers)}.flow"}).encode()

    def _presses(self, me: Employee) -> bytes:
        """The button of the proposal, which carries what only the desk can make."""
        place = f"slack/{TEAM}/{me.conversation}"
        handle = self._handles.make(Handle(me.person, playbook="account_unlock"), place)
        stamp = f"1900000000.{next(self._numbers):06}"
        payload = {
            "type": "block_actions",
            "user": {"id": me.user, "username": me.person, "team_id": TEAM},
            "team": {"id": TEAM, "domain": "acme"},
            "channel": {"id": me.conversation, "name": "directmessage"},
            "container": {"type": "message", "message_ts": stamp, "channel_id": me.conversation},
            "message": {"type": "message", "user": "U0BOT", "ts": stamp, "text": "Account unlock?"},
            "trigger_id": f"{stamp}.flow",
            "actions": [{"type": "button", "action_id": "ask", "block_id": "choices", "value": handle}],
        }
        return urlencode({"payload": json.dumps(payload)}).encode()

    def _types(self, me: Employee, id: str, number: str) -> bytes:
        token = hmac.digest(self._form_key, me.cookie.encode(), "sha256").hex()
        body = urlencode({"csrf": token, "number": number, "code": me.code()})
        path, now = f"/requests/{id}/code", datetime.now(UTC)
        proof = BrowserKey.of(me.key).proof("POST", path, body.encode(), at=now)
        return (
            f"POST {path} HTTP/1.1\r\nHost: {PUBLIC[7:]}\r\nOrigin: {PUBLIC}\r\n"
            f"Sec-Fetch-Site: same-origin\r\nCookie: {COOKIE}={me.cookie}\r\nX-Proof: {proof}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def _seen(self, me: Employee, find: Callable[[str, str, str], str | None]) -> tuple[str, str]:
        """Look until there is something to see: the request's name, and what was found in it."""
        while True:
            statement = "SELECT id, stage, state FROM requests WHERE requester = ?"
            for id, stage, state in self._db.execute(statement, (me.person,)):
                if (found := find(id, stage, state)) is not None:
                    return id, found
            await asyncio.sleep(0.002)

    def _number(self, id: str, stage: str, state: str) -> str | None:
        """The six digits, once they stand where it was asked."""
        made = [each for each in codec.request(state).challenges if each.method is Method.CODE]
        return self._keys.number(made[0].nonce) if made else None

    def _done(self, id: str, stage: str, state: str) -> str | None:
        return stage if stage == Stage.FULFILLED.value else None


def flows(run: Run) -> Sample:
    """Closed loop: so many at a time, each the next one's as soon as the last one's account is open."""

    async def everybody() -> Sample:
        hands, waiting = Hands(run), iter(employees(run.folder))
        async with connected(run.port, CALLERS) as lines:

            async def step(caller: int) -> bool:
                if (me := next(waiting, None)) is None:
                    return False
                await hands.flow(lines[caller], me)
                return True

            return await race(step, CALLERS, run.seconds, run.server)

    apart(run.server)
    return asyncio.run(everybody())


# -- a round --------------------------------------------------------------------------------------------


@contextmanager
def served(kind: str, folder: Path, api: str = "") -> Iterator[tuple[int, int]]:
    """A server in a fresh process: its port and its process."""
    processes = multiprocessing.get_context("forkserver")
    ours, theirs = processes.Pipe()
    server = processes.Process(target=serve, args=(kind, folder, theirs, api))
    server.start()
    try:
        assert ours.poll(60), f"{kind} didn't start"
        assert server.pid
        yield ours.recv(), server.pid
    finally:
        server.terminate()
        server.join()


def echoes(home: Path, seconds: float) -> Sample:
    """A stock Bolt echo."""
    with served("bolt", home) as (port, pid):
        return alone(rate, Asked(port, pid, seconds))


def whole(kind: str, home: Path, seconds: float) -> Sample:
    """Whole flows, on a copy of the desk where everybody has been hired."""
    with tempfile.TemporaryDirectory(dir=home) as copy, served("api", home) as (api, _):
        folder = Path(shutil.copytree(home / "hired", Path(copy) / "desk"))
        with served(kind, folder, f"http://127.0.0.1:{api}/api/") as (port, pid):
            sample = alone(flows, Run(port, pid, folder, seconds))
        with closing(sqlite3.connect(folder / "desk.db")) as db:
            counted = "SELECT count(*) FROM requests WHERE stage = ?"
            (kept,) = db.execute(counted, (Stage.FULFILLED.value,)).fetchone()
    assert kept >= sample.operations, "more was counted than is on the disk"
    return sample


def main() -> int:
    """Hire everybody, let both sides run, report."""
    plan = Plan.of(arguments(__doc__ or "", EXAMPLE).parse_args())
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        ["bench.slack.servers", "bench.ack", __name__]
    )
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        home = Path(folder)
        (home / "hired").mkdir()
        asyncio.run(hire(home / "hired", min(COMPANY, round(ASKERS * plan.seconds * 1.25))))
        ceiling = partial(echoes, home, plan.seconds)
        contests = [
            Contest(name, partial(whole, kind, home, plan.seconds), ceiling, by="per_core")
            for kind, name in KINDS.items()
        ]
        rounds = compete(plan, contests)
    limits = [
        Limit(
            f"{contest.name} ÷ three Bolt echoes, CPU",
            [echo.per_core / (3 * flow.per_core) for flow, echo in rounds[contest.name]],
            "×",
            GOAL if contest is contests[0] else None,
        )
        for contest in contests
    ]
    return report("flow", plan, contests, rounds, limits)


if __name__ == "__main__":
    sys.exit(main())
