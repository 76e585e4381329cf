"""Whether the time of an answer at /recover tells who works here: people who exist beside a name that nobody has.

A stranger sends two wrong codes, over HTTP to the real app on SQLite (synchronous=FULL), for each of these by turns,
in an order that is drawn anew each time:

  nobody       a name that nobody has: what the others are compared with
  nobody else  another such name: how far two answers are apart that can't differ
  codes        somebody with a device, a sign-in app and recovery codes
  no codes     somebody with a device and a sign-in app, who never made codes
  no device    somebody who never had a device
  privileged   an administrator with all of it, for whom others have to vouch

A round's figure for each is the median of its answer times in that round; what counts is how far it is from nobody's.
Answers of no leave on a beat; with --at-once one sees what they would tell if they didn't.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))  # `python bench/recover.py` finds the house as -m does

from rich.console import Console

from bench.measure import Limit, Plan, alone, arguments
from bench.report import report
from bot.web.recovering import BEAT
from handlers import logs
from handlers.recovery import RecoveryCodes, new_codes
from tests.browser.site import Now
from tests.web.test_access import pages
from tests.web.wire import Wire

EXAMPLE = "python bench/recover.py --quick --check --json"
MOST = 3.0  # per cent of the answer time to a name that nobody has
NOBODY = "nobody"
NAMES = {
    NOBODY: "somebody.else",
    "nobody else": "anybody.else",
    "codes": "maya.lindqvist",
    "no codes": "omar.haddad",
    "no device": "eve.mallory",
    "privileged": "sam.okafor",
}

Times = Mapping[str, float]  # for each of them, seconds


def answered(beat: float, seconds: float) -> Times:
    """One round: the median answer time for each."""
    with redirect_stderr(Path(os.devnull).open("w")):  # every log line is made and written, but to /dev/null
        logs.configure("json")
        return asyncio.run(_answered(beat, seconds))


async def _answered(beat: float, seconds: float) -> Times:
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        async with pages(Path(folder), beat=beat, hands=Now()) as desk:
            for person in ("maya", "omar", "sam"):
                await desk.acme.enrolled(person)
            for person in ("maya", "sam"):
                await RecoveryCodes(desk.acme.store).keep(person, new_codes(), "CS-00000")
            stranger = await Wire.stranger(desk)
            await _asked(stranger, 0.2 * seconds)  # so that statements are prepared and caches are warm
            return {name: median(found) for name, found in (await _asked(stranger, seconds)).items()}


async def _asked(stranger: Wire, seconds: float) -> Mapping[str, list[float]]:
    """Ask for each of them by turns until there was so much time for each."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    gc.collect()
    until = time.perf_counter() + seconds * len(NAMES)
    while time.perf_counter() < until:
        for name in random.sample(list(NAMES), len(NAMES)):
            typed = {"account": NAMES[name], "recovery": "AAAA-AAAA-AAAA-AAAA", "code": "000 000"}
            began = time.perf_counter()
            answer = await stranger.post("/recover", typed)
            found[name].append(time.perf_counter() - began)
            assert answer.status == 422, answer.status
    return found


def main() -> int:
    """Let the rounds run, report."""
    parser = arguments(__doc__ or "", EXAMPLE)
    parser.add_argument(
        "--at-once", action="store_true", help="as if answers of no left as soon as they are made"
    )
    given = parser.parse_args()
    plan, beat = Plan.of(given), 0.0 if given.at_once else BEAT
    rounds: list[Times] = []
    with Console(stderr=True).status("starting") as status:
        for number in range(plan.rounds):
            status.update(f"round {number + 1} of {plan.rounds}")
            rounds.append(alone(answered, beat, plan.seconds))
    limits = [Limit("nobody", [1000 * times[NOBODY] for times in rounds], "ms")]
    limits += [
        Limit(
            f"{name}, from nobody",
            [100 * abs(times[name] / times[NOBODY] - 1) for times in rounds],
            "%",
            MOST,
        )
        for name in NAMES
        if name != NOBODY
    ]
    return report("recover", plan, [], {}, limits)


if __name__ == "__main__":
    sys.exit(main())
