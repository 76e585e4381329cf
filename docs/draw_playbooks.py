"""What a playbook's page says of facts, drawn from the playbook itself: python -m docs.draw_playbooks --write.

The prose around them is written by hand; what stands between the two marks is drawn anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from flows.model import ApprovalRule, Asker, Assurance, ConsentStep, Field, Party, Playbook, SecretKind
from handlers.playbooks import load, spelled

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "playbooks", ROOT / "playbooks" / "more")
PAGES = ROOT / "docs" / "playbooks"
BEGIN, END = "<!-- drawn from the playbook: begin -->", "<!-- end -->"
#: What every page tells by hand.
HEADINGS = (
    "At a glance",
    "What people see",
    "What the system needs",
    "What can go wrong",
    "To fit it to you",
)

_ASKERS: Mapping[Asker, str] = {
    Asker.SELF: "oneself",
    Asker.MANAGER: "the manager",
    Asker.ADMINISTRATOR: "administrators",
    Asker.DESK_AGENT: "desk agents",
    Asker.SECURITY: "security, for others",
}
_PROOFS: Mapping[Assurance, str] = {
    Assurance.SINGLE_FACTOR: "a passkey, or the number with the sign-in app",
    Assurance.MULTI_FACTOR: "a passkey, or the number with the sign-in app",
    Assurance.PHISHING_RESISTANT: "a passkey, nothing less",
}
_SECRETS: Mapping[SecretKind, str] = {
    SecretKind.TEMPORARY_PASSWORD: "a temporary password is shown",
    SecretKind.ENROLMENT_LINK: "an enrolment link is shown",
    SecretKind.RECOVERY_CODES: "recovery codes are shown",
    SecretKind.ENROLMENT_PASS: "a pass for new second factors is shown",
    SecretKind.CHOSEN_PASSWORD: "the new password is chosen",
}


def shipped() -> Mapping[str, tuple[Path, Playbook]]:
    """Every playbook that ships, by name, with its file."""
    return {
        name: (folder / f"{name}.yaml", playbook)
        for folder in FOLDERS
        for name, playbook in load(folder).items()
    }


def facts(path: Path, playbook: Playbook) -> Iterator[str]:
    """The rows of a page's table."""
    where = path.relative_to(ROOT)
    prover = "the person it is about" if playbook.prover is Party.SUBJECT else "whoever asks"
    stronger = playbook.tier >= 2 and playbook.assurance < Assurance.PHISHING_RESISTANT
    proof = "a passkey where they have one" if stronger else _PROOFS[playbook.assurance]
    yield "| | |"
    yield "|---|---|"
    yield f"| file | [{where}](../../{where}), version {playbook.version} |"
    yield f"| tier | {playbook.tier} |"
    yield f"| who may ask | {', '.join(_ASKERS[each] for each in Asker if each in playbook.askers)} |"
    proof = f"{proof}, within {spelled(playbook.prove_within)}; it holds for {spelled(playbook.proof_lasts)}"
    yield f"| who proves it is them | {prover}, with {proof} |"
    yield f"| who has to agree | {_consent(playbook.consent)} |"
    if playbook.objection is not None:
        yield f"| then | for {spelled(playbook.objection.wait)} whoever was told can object |"
    yield f"| what is asked | {'; '.join(_asked(playbook)) or 'nothing'} |"
    yield f"| what is changed | `{playbook.verb}` at the connector `{playbook.connector}` |"
    if playbook.secret is not SecretKind.NONE:
        until = f"within {spelled(playbook.collect_within)}"
        yield f"| on the device page | {_SECRETS[playbook.secret]}, {until} |"
    if playbook.protects:
        yield "| while somebody is frozen | it can be asked for all the same |"
    yield f"| what couldn't be confirmed goes to | `{playbook.handed_to}` |"


def _consent(steps: tuple[ConsentStep, ...]) -> str:
    said = [
        f"{' and '.join(_group(rule) for rule in step.rules)}, within {spelled(step.within)}"
        for step in steps
    ]
    return f"{'; then '.join(said)}, each with a passkey" if said else "nobody else"


def _group(rule: ApprovalRule) -> str:
    else_ = f" (where there are too few: {_people(rule.otherwise)})" if rule.otherwise else ""
    return f"{rule.quorum} of {_people(rule.approvers)}{else_}"


def _people(selectors: tuple[str, ...]) -> str:
    return ", ".join("the manager" if who == "manager" else f"`{who}`" for who in selectors)


def _asked(playbook: Playbook) -> Iterator[str]:
    for field in playbook.fields:
        yield f"{field.label} ({_kind(field)})"
    if playbook.justification:
        yield "why it is needed"


def _kind(field: Field) -> str:
    if field.choices:
        return ", ".join(field.choices)
    return "picked from a list" if field.reference else "free text"


def drawn(text: str, path: Path, playbook: Playbook) -> str:
    """A page with its facts as they are now. ValueError for a page without the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the page of {playbook.name} has no place for what is drawn")
    return "\n".join([before.rstrip("\n"), "", BEGIN, "", *facts(path, playbook), "", END + after]).lstrip(
        "\n"
    )


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m docs.draw_playbooks", description=__doc__)
    options.add_argument(
        "--write", action="store_true", help="write the pages instead of naming the stale ones"
    )
    write = options.parse_args().write
    for name, (path, playbook) in shipped().items():
        page = PAGES / f"{name}.md"
        text = page.read_text("utf-8")
        if write:
            page.write_text(drawn(text, path, playbook), "utf-8")
        elif text != drawn(text, path, playbook):
            sys.stdout.write(f"{page.relative_to(ROOT)} is out of date\n")


if __name__ == "__main__":
    main()
