"""What one whole decision costs, beside bare cedarpy judging the same rules on the same facts.

Ours is all of it: the facts put into words for Cedar, 50 rules judged, what they say turned into names and reasons,
and `decide` opening the request. The ceiling is one call of cedarpy with rules parsed and facts written beforehand,
its answer thrown away. Of the 50 rules 25 forbid, half of them about another playbook, 22 raise the tier, and three
let the playbooks stand; one of them is true.

    judge     the rules alone: at most 200 microseconds of CPU
    decide    the whole decision: at least half as many a second as bare cedarpy judges
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # `python bench/decide.py` finds the house as -m does

import cedarpy

from bench.measure import Contest, Limit, Plan, Sample, alone, arguments, compete, race
from bench.report import report
from flows.commands import Submit
from flows.model import Facts, Method, Origin, Person
from flows.request import decide
from handlers.playbooks import load
from handlers.policy import Rules
from handlers.rules.facts import Around, Chat, Who
from tests.company import SHIPPED

EXAMPLE = "python bench/decide.py --quick --check --json"
MOST, GOAL = 200.0, 0.5
NOW = datetime(2026, 11, 30, 14, 2, tzinfo=UTC)
PLAYBOOKS = load(SHIPPED)
RESET = PLAYBOOKS["password_reset"]
MAYA = Who(
    "maya",
    groups=frozenset({"staff", "finance-share", "berlin", "travellers", "vpn"}),
    roles=frozenset({"approver"}),
    privileged=False,
    account_days=812,
    devices=2,
    device_days=340,
    new_devices=0,
    requests=1,
    failures=2,
    freezes=0,
)
AROUND = Around(MAYA, MAYA, hour=14, weekend=False, chat=Chat("slack", 211))


def written() -> str:
    """Fifty rules as a company might write them."""
    about = ("resource", 'resource == Playbook::"group_access"')
    forbids = [
        f'@id("no-{n}") @reason("Not for that group.") forbid (principal, action == Action::"ask", {about[n % 2]}) '
        f'when {{ principal.groups.contains("outside-{n}") && resource.tier >= {n % 4} }};'
        for n in range(25)
    ]
    conditions = (
        "context.subject.new_devices > {n}",
        "principal.failures > {n} && context.hour < 6",
        'context has place && context.place.country == "X{n}"',
        "context has chat && context.chat.account_days < {n}",
    )
    raises = [
        f'@id("more-{n}") @reason("It is out of the ordinary.") @tier("{2 + n % 2}") permit (principal, action in '
        f'[Action::"ask", Action::"act"], resource) when {{ {conditions[n % 4].replace("{n}", str(n + 1))} }};'
        for n in range(22)
    ]
    house = (SHIPPED / "rules" / "house.cedar").read_text(encoding="utf-8")
    return "\n".join([house, *forbids, *raises])


def rules() -> Rules:
    """The same, as the house has them at work."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "all.cedar").write_text(written(), encoding="utf-8")
        return Rules.load(Path(folder), PLAYBOOKS)


def judging(seconds: float) -> Sample:
    """The rules alone, facts put into words included."""
    found = rules()
    assert len(found.all) == 50

    async def step(caller: int) -> bool:
        return found.judge("ask", MAYA, RESET, AROUND).permitted

    return asyncio.run(race(step, 1, seconds))


def deciding(seconds: float) -> Sample:
    """Facts, rules, decision."""
    found, person = rules(), Person("maya", "Maya Lindqvist", "maya.lindqvist", manager="omar")
    ask = Submit("CS-7F3KQ", RESET.name, "maya", "maya", Origin("slack", "T1", "U1", "D1"), {}, {})

    async def step(caller: int) -> bool:
        facts = Facts(
            NOW,
            RESET,
            person,
            person,
            frozenset({Method.PASSKEY}),
            actor=person,
            unfrozen=frozenset({"maya"}),
            codes_count=True,
            may_prompt=True,
            may_ask_others=frozenset({"approvers", "others"}),
            waiting="",
            ruling=found.judge("ask", MAYA, RESET, AROUND),
        )
        return len(decide(None, ask, facts)) == 1

    return asyncio.run(race(step, 1, seconds))


def bare(seconds: float) -> Sample:
    """One call of cedarpy: everything that can be made beforehand is."""
    parsed, asked = cedarpy.PolicySet.from_str(written()), _asked()

    async def step(caller: int) -> bool:
        (answer,) = cedarpy.is_authorized_batch([asked[0]], parsed, asked[1])
        return answer.allowed

    return asyncio.run(race(step, 1, seconds))


def _asked() -> tuple[dict[str, object], str]:
    """The very request and entities that ours hands over, caught on their way."""
    caught: list[tuple[dict[str, object], str]] = []
    real = cedarpy.is_authorized_batch

    def catch(requests: list[dict[str, object]], policies: object, entities: str) -> object:
        caught.append((requests[0], entities))
        return real(requests, policies, entities)  # type: ignore[arg-type]

    cedarpy.is_authorized_batch = catch  # type: ignore[assignment]
    try:
        rules().judge("ask", MAYA, RESET, AROUND)
    finally:
        cedarpy.is_authorized_batch = real
    return caught[0]


def main() -> int:
    """Let both sides run, report."""
    plan = Plan.of(arguments(__doc__ or "", EXAMPLE).parse_args())
    ceiling = partial(alone, bare, plan.seconds)
    contests = [
        Contest(
            "facts, rules, decide",
            partial(alone, deciding, plan.seconds),
            ceiling,
            GOAL,
            "per_core",
        ),
        Contest("facts and rules", partial(alone, judging, plan.seconds), ceiling, by="per_core"),
    ]
    rounds = compete(plan, contests)
    spent = [1e6 / ours.per_core for ours, _ in rounds[contests[1].name]]
    limits = [Limit("50 rules, CPU", spent, "µs", MOST)]
    return report("decide", plan, contests, rounds, limits)


if __name__ == "__main__":
    sys.exit(main())
