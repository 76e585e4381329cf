"""A playbook as a page that a manager can read: who may ask, whose proof and consent, until when, which rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from bot.reading import listed
from flows.model import ApprovalRule, Asker, Assurance, ConsentStep, Party, Playbook, SecretKind
from handlers.playbooks import spelled
from handlers.rules.files import Rule

_ASKERS = {
    Asker.SELF: "people for themselves",
    Asker.MANAGER: "the manager for their reports",
    Asker.ADMINISTRATOR: "administrators for anybody",
    Asker.DESK_AGENT: "desk agents for anybody",
    Asker.SECURITY: "security for anybody else",
}
_TIERS = ("0, changes no access", "1, one's own account", "2, gives access", "3, privileged")
_PROOFS = {
    Assurance.PHISHING_RESISTANT: "with a passkey",
    Assurance.MULTI_FACTOR: "with a passkey, or a number and a sign-in app's code",
    Assurance.SINGLE_FACTOR: "with any registered method",
    Assurance.NONE: "with nothing",
}
_SECRETS = {
    SecretKind.NONE: "",
    SecretKind.CHOSEN_PASSWORD: "with a password that they choose",
    SecretKind.TEMPORARY_PASSWORD: "and hands out a temporary password",
    SecretKind.ENROLMENT_LINK: "and hands out an enrolment link",
    SecretKind.RECOVERY_CODES: "and hands out recovery codes",
    SecretKind.ENROLMENT_PASS: "and hands out a pass for new second factors",
}


def page(playbook: Playbook, rules: Sequence[Rule]) -> Table:
    """One playbook, line by line."""
    table = Table(title=f"{playbook.title} · {playbook.name}, version {playbook.version}", box=None)
    table.title_justify, table.show_header = "left", False
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for label, text in lines(playbook, rules):
        table.add_row(label, Text(text))
    table.add_row("", "")
    return table


def lines(playbook: Playbook, rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    """The same as pairs of words."""
    yield "Tier", _TIERS[playbook.tier]
    yield "Who may ask", "; ".join(_ASKERS[asker] for asker in sorted(playbook.askers))
    asked = [field.label for field in playbook.fields]
    asked += ["why it is needed"] if playbook.justification else []
    yield "Is asked", "; ".join(asked) or "nothing"
    who = "whoever it is about" if playbook.prover is Party.SUBJECT else "whoever asks"
    bound = ", one that stays on its device" if playbook.device_bound else ""
    yield "Who proves", f"{who}, {_PROOFS[playbook.assurance]}{bound}"
    yield "Within", f"{spelled(playbook.prove_within)}; the proof holds {spelled(playbook.proof_lasts)}"
    if not playbook.consent:
        yield "Who agrees", "nobody else needs to"
    for index, step in enumerate(playbook.consent):
        yield "Who agrees" if index == 0 else "Then", _consent(step)
    if playbook.raised is not None:
        yield "If raised", _consent(playbook.raised)
    if playbook.objection is not None:
        yield "Then", f"whoever is told has {spelled(playbook.objection.wait)} to object"
    change = f"{playbook.connector} does {playbook.verb} {_SECRETS[playbook.secret]}".strip()
    yield "The change", change
    yield "Undone", "not by itself"
    yield "In doubt", f"{playbook.handed_to.replace('_', ' ')} settles what couldn't be confirmed"
    if playbook.protects:
        yield "A freeze", "doesn't stop it"
    for rule in rules:
        if rule.touches(playbook.name):
            yield "Rule", f"{rule.id} {_does(rule)}: {rule.reason}"


def _consent(step: ConsentStep) -> str:
    return f"{', and '.join(_group(rule) for rule in step.rules)}, within {spelled(step.within)}"


def _group(rule: ApprovalRule) -> str:
    people = "1 person" if rule.quorum == 1 else f"{rule.quorum} different people"
    first = f"{people} of {listed([_selector(each) for each in rule.approvers], 'or')}"
    if not rule.otherwise:
        return first
    return f"{first} (or else {listed([_selector(each) for each in rule.otherwise], 'or')})"


def _selector(selector: str) -> str:
    kind, _, value = selector.partition(":")
    words = {
        "manager": "their manager",
        "manager_of_manager": "their manager's manager",
        "owner": "the owner of the group",
        "role": f"whoever is {value.replace('_', ' ')}",
        "group": f"the group {value}",
        "on_call": f"whoever is on call for {value.replace('_', ' ')}",
        "person": value,
    }
    return words.get(kind, selector)


def _does(rule: Rule) -> str:
    actions = listed(sorted(rule.actions), "and")
    if rule.tier:
        return f"raises to tier {rule.tier}"
    return f"{'forbids' if rule.effect == 'forbid' else 'permits'} to {actions}"
