"""What docs/policy.md says of rules is so: its table of facts, and its examples."""

from __future__ import annotations

import shutil
from pathlib import Path

from handlers.playbooks import load
from handlers.policy import Rules
from handlers.rules.facts import told
from handlers.rules.findings import Known, findings
from tests.company import SHIPPED
from tests.docs.pages import page

RULES = page("docs/policy.md")


def test_every_fact_stands_in_the_table() -> None:
    rows = [f"| `{name}` | {cedar} | {says} |" for name, cedar, says in told()]
    text = RULES.path.read_text(encoding="utf-8")
    assert "\n".join(rows) in text


def test_the_examples_are_rules(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "rules", tmp_path, dirs_exist_ok=True)
    examples = RULES.blocks("cedar")
    assert len(examples) == 2
    (tmp_path / "examples.cedar").write_text("\n".join(examples), encoding="utf-8")
    playbooks = load(SHIPPED)
    found = Rules.load(tmp_path, playbooks)
    assert {rule.id for rule in found.all} >= {"no-contractors", "new-device", "abroad", "at-night"}
    assert not [each for each in findings(found.all, Known(playbooks)) if each.level == "fail"]
