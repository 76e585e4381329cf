"""Draws docs/flow.md from the law: `python -m docs.draw_flow` prints it, `--write` writes it beside this file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.law import TRANSITIONS
from flows.model import Stage

PAGE = Path(__file__).with_name("flow.md")

#: Who has the next move. A stage that isn't here stops the drawing: somebody has to say who that is.
MOVES: Mapping[Stage, str] = {
    Stage.AWAITING_PROOF: "the prover: confirm on a registered device",
    Stage.AWAITING_APPROVAL: "the approvers: consent on theirs",
    Stage.AWAITING_OBJECTION: "whoever was told: object; else the clock goes on",
    Stage.AWAITING_PASSWORD: "the prover: choose the new password",
    Stage.AWAITING_FULFILMENT: "the worker: make the change and read it back",
    Stage.AWAITING_COLLECTION: "the prover: see the secret, once",
    Stage.AWAITING_OPERATOR: "the role it was handed to: settle what could not be confirmed",
}

HEAD = """\
# The life of a request

A stage is named by who has the next move. What isn't drawn can't happen: `TRANSITIONS` in `flows/law.py` is
the law, and this page is drawn from it by `python -m docs.draw_flow --write`.
"""


def page() -> str:
    """The whole page: the diagram, then the same in words."""
    return "\n".join([HEAD, "```mermaid", *diagram(), "```", "", *table(), "", *ends(), ""])


def diagram() -> Sequence[str]:
    """A Mermaid state diagram. Events that join the same two stages share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        start = "[*]" if before is None else before.value
        arrows.setdefault((start, after.value), []).append(event.__name__)
    lines = [f"    {stage.value}: {spoken(stage)}" for stage in Stage]
    lines += [f"    {start} --> {end}: {'<br/>'.join(events)}" for (start, end), events in arrows.items()]
    lines += [f"    {stage.value} --> [*]" for stage in Stage if stage.closed]
    return ["stateDiagram-v2", *lines]


def table() -> Sequence[str]:
    """Each open stage: who has the next move, what may happen without leaving it, and what leaves it for where."""
    lines = [
        "| stage | who has the next move | stays | leaves |",
        "|---|---|---|---|",
    ]
    for stage in Stage:
        if stage.closed:
            continue
        rows = [(event.__name__, to) for (before, event), to in TRANSITIONS.items() if before is stage]
        stays = ", ".join(f"`{event}`" for event, to in rows if to is stage)
        leaves = "; ".join(f"`{event}` → {spoken(to)}" for event, to in rows if to is not stage)
        lines.append(f"| {spoken(stage)} | {MOVES[stage]} | {stays} | {leaves} |")
    return lines


def ends() -> Sequence[str]:
    """The closed stages, and what leads there."""
    lines = ["| end | comes with |", "|---|---|"]
    for stage in Stage:
        if stage.closed:
            events = dict.fromkeys(event.__name__ for (_, event), to in TRANSITIONS.items() if to is stage)
            lines.append(f"| {spoken(stage)} | {', '.join(f'`{event}`' for event in events)} |")
    return [*lines, "", "Nothing leaves an end: a closed request absorbs whatever still comes."]


def spoken(stage: Stage) -> str:
    """A stage as people read it."""
    return stage.value.replace("_", " ")


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m docs.draw_flow", description=__doc__)
    options.add_argument("--write", action="store_true", help=f"write {PAGE.name} instead of printing it")
    if options.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
