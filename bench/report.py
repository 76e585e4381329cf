"""What was measured, as a table for people and one line of JSON for programs, and whether it was good enough."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Contest, Limit, Plan, Round, Sample

TOLERANCE = 1.3  # a quick run is short, so a goal is divided by this, and a limit multiplied


def report(
    program: str,
    plan: Plan,
    contests: Sequence[Contest],
    rounds: Mapping[str, list[Round]],
    limits: Sequence[Limit] = (),
) -> int:
    """Print the tables, and the JSON when it is asked for. Gives the exit code."""
    results = [_result(plan, contest, rounds[contest.name]) for contest in contests]
    kept = [_kept(plan, limit) for limit in limits]
    console = Console(width=None if sys.stdout.isatty() else 120)
    if results:
        console.print(_table(plan, results))
    if kept:
        console.print(_limits(plan, kept, titled=not results))
    if plan.json:
        said = {"program": program, **asdict(plan), "machine": machine(), "results": results, "limits": kept}
        print(json.dumps(said))
    return 1 if plan.check and not all(result["met"] for result in [*results, *kept]) else 0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _result(plan: Plan, contest: Contest, played: Sequence[Round]) -> dict[str, Any]:
    ratios = [getattr(ours, contest.by) / getattr(ceiling, contest.by) for ours, ceiling in played]
    least = (contest.goal or 0.0) / (TOLERANCE if plan.quick else 1)
    return {
        "contest": contest.name,
        "ratio": round(median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "goal": contest.goal,
        "met": median(ratios) >= least,
        "ours": _figures([ours for ours, _ in played], contest.by),
        "ceiling": _figures([ceiling for _, ceiling in played], contest.by),
    }


def _kept(plan: Plan, limit: Limit) -> dict[str, Any]:
    measured = median(limit.values)
    most = None if limit.most is None else limit.most * (TOLERANCE if plan.quick else 1)
    return {
        "limit": limit.name,
        "measured": round(measured, 2),
        "values": [round(value, 2) for value in limit.values],
        "unit": limit.unit,
        "most": limit.most,
        "met": most is None or measured <= most,
    }


def _figures(samples: Sequence[Sample], by: str) -> dict[str, float]:
    return {
        "per_second": round(median(getattr(sample, by) for sample in samples)),
        "cpu_us": round(median(sample.cpu / sample.operations for sample in samples) * 1e6),
        "server_us": round(median(sample.server / sample.operations for sample in samples) * 1e6),
    }


def _table(plan: Plan, results: Sequence[Mapping[str, Any]]) -> Table:
    judged = f" ÷ {TOLERANCE}" if plan.quick else ""
    table = Table(**_around(plan))
    table.add_column("contest", no_wrap=True)
    for heading in ("ratio", "rounds", f"goal{judged}", "", "ours /s", "µs CPU", "ceiling /s", "µs CPU"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        ours, ceiling = result["ours"], result["ceiling"]
        table.add_row(
            result["contest"],
            f"{result['ratio']:.2f}",
            f"{min(result['ratios']):.2f}–{max(result['ratios']):.2f}",
            *_judged(result, result["goal"], "≥"),
            f"{ours['per_second']:,}",
            _cpu(ours),
            f"{ceiling['per_second']:,}",
            _cpu(ceiling),
        )
    return table


def _around(plan: Plan) -> dict[str, Any]:
    """How it was measured, above the first table, and on what, below it."""
    where = machine()
    return {
        "title": f"{plan.rounds} rounds of {plan.seconds:g} s a side, medians",
        "caption": f"{where['cores']} cores, Python {where['python']}, load {where['load']:.1f}",
        "title_justify": "left",
        "caption_justify": "left",
    }


def _limits(plan: Plan, kept: Sequence[Mapping[str, Any]], *, titled: bool) -> Table:
    table = Table(**(_around(plan) if titled else {}))
    table.add_column("limit", no_wrap=True)
    for heading in ("median", "rounds", f"most{f' × {TOLERANCE}' if plan.quick else ''}", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in kept:
        table.add_row(
            each["limit"],
            f"{each['measured']:,.2f} {each['unit']}",
            f"{min(each['values']):,.2f}–{max(each['values']):,.2f}",
            *_judged(each, each["most"], "≤"),
        )
    return table


def _judged(result: Mapping[str, Any], goal: float | None, sign: str) -> tuple[str, str]:
    if goal is None:
        return "", ""
    return f"{sign} {goal:g}", "met" if result["met"] else "MISSED"


def _cpu(figures: Mapping[str, float]) -> str:
    return f"{figures['cpu_us']}" + (f" + {figures['server_us']}" if figures["server_us"] else "")
