"""Playbooks: what ships loads, what is wrong is said with its place and its remedy, and content has one hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import rfc8785
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.model import ApprovalRule, Assurance, ConsentStep, Mode, Party, Phase, Playbook, SecretKind
from handlers.connectors.countersign import Countersign
from handlers.playbooks import CAP, PlaybookError, Problem, duration, from_content, load, sha256, spelled

SHIPPED = Path(__file__).resolve().parents[2] / "playbooks"
CONNECTORS = {
    "directory": frozenset({"reset_password", "set_password", "unlock", "add_to_group"}),
    "countersign": Countersign.verbs,
}
SYSTEMS = {
    "privileged_directory": frozenset({"set_privileged_password"}),
    "second_factors": frozenset({"reset_second_factors"}),
    "systems": frozenset({"change_system"}),
}
A_PAGE = """\
name: finance_share
version: 1
title: Finance share
phrase: Let {subject} read the finance share
tier: 2
ask:
  who: [self, manager]
proof:
  by: requester
  assurance: multi_factor
  within: 10 minutes
  lasts: 3 days
consent:
  quorum: 1
  from: [manager]
  within: 2 days
form:
  - name: why_now
    label: Why now?
  - name: how_long
    label: For how long?
    choices: [a day, a week]
change:
  connector: directory
  verb: reset_password
  hands_out: temporary_password
  collect_within: 15 minutes
handed_to: desk_agent
guidance:
  requester: It takes a minute.
"""

PRIVILEGED = (
    A_PAGE.replace("by: requester", "by: subject")
    .replace("verb: reset_password", "verb: set_privileged_password")
    .replace("hands_out: temporary_password", "takes: chosen_password")
)
HANDED_OUT = "reset_password\n  hands_out: temporary_password"


def the_problems(folder: Path, **pages: str | bytes) -> tuple[Problem, ...]:
    """What is said about these pages."""
    for name, page in pages.items():
        (folder / f"{name}.yaml").write_bytes(page if isinstance(page, bytes) else page.encode())
    with pytest.raises(PlaybookError) as refused:
        load(folder, connectors=CONNECTORS, schedules=["security"])
    return refused.value.problems


def with_(old: str, new: str, page: str = A_PAGE) -> str:
    assert page.count(old) == 1, f"{old!r} stands {page.count(old)} times in the page"
    return page.replace(old, new)


def phased(phases: str) -> str:
    """The page with these phases, and what people do meanwhile."""
    page = with_("handed_to", f"modes:\n  - {phases}\nhanded_to")
    return with_("a minute.", "a minute.\n  meanwhile: Call the desk, as before.", page)


# -- what ships -----------------------------------------------------------------------------


def test_the_shipped_playbooks_load() -> None:
    playbooks = load(SHIPPED, connectors=CONNECTORS)
    assert set(playbooks) == {
        "password_reset",
        "account_unlock",
        "device_enrolment",
        "add_device",
        "device_recall",
        "device_revocation",
        "passkey_recall",
        "passkey_revocation",
        "connect_account",
        "disconnect_account",
        "group_access",
        "recovery_codes",
        "freeze_person",
        "keep_frozen",
        "lift_freeze",
        "lost_everything",
        "role_change",
    }
    reset, enrolment = playbooks["password_reset"], playbooks["device_enrolment"]
    assert (reset.tier, reset.prover, reset.assurance) == (1, Party.SUBJECT, Assurance.MULTI_FACTOR)
    assert (reset.secret, reset.verb) == (SecretKind.CHOSEN_PASSWORD, "set_password")
    assert enrolment.assurance is Assurance.PHISHING_RESISTANT
    assert [step.within for step in enrolment.consent] == [timedelta(days=1)]
    (device,) = playbooks["device_revocation"].fields
    assert not device.committed, "the connector needs the device's id in clear"
    for one, whole in (("passkey_revocation", "device_revocation"), ("passkey_recall", "device_recall")):
        assert demands(playbooks[one]) == demands(playbooks[whole]), "no less than the whole device takes"


def demands(playbook: Playbook) -> tuple[object, ...]:
    """Who may ask, and what has to be shown for it."""
    proof = (playbook.prover, playbook.assurance, playbook.prove_within, playbook.proof_lasts)
    return (playbook.tier, playbook.askers, *proof, playbook.consent, playbook.protects)


def test_those_for_systems_of_ones_own_load_beside_them() -> None:
    """They lie in a folder below, so that an installation without those systems starts all the same."""
    more = load(SHIPPED / "more", connectors=SYSTEMS)
    assert set(more) == {"privileged_password_reset", "mfa_reset", "system_change"}
    assert {playbook.tier for playbook in more.values()} == {3}
    assert not set(more) & set(load(SHIPPED))


def test_free_text_and_personal_answers_are_committed_and_choices_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        with_("choices:", "personal: true\n    choices:") + "justification: true\n"
    )
    playbook = load(tmp_path)["finance_share"]
    assert [field.committed for field in playbook.fields] == [True, True]
    (tmp_path / "a.yaml").write_text(A_PAGE)
    assert [field.committed for field in load(tmp_path)["finance_share"].fields] == [True, False]


def test_every_guidance_is_for_somebody_and_fits_a_card() -> None:
    for playbook in (*load(SHIPPED).values(), *load(SHIPPED / "more").values()):
        assert playbook.guidance["requester"]
        assert not playbook.consent or playbook.guidance["approver"]
        assert all("\n" not in text for text in playbook.guidance.values())


def test_playbooks_are_found_by_name_by_hash_and_as_rows() -> None:
    playbooks = load(SHIPPED)
    for row in playbooks.rows():
        playbook = playbooks.by_hash[row["hash"]]
        assert playbook is playbooks[row["name"]]
        assert (playbook.hash, playbook.version) == (row["hash"], row["version"])
        assert row["content"] == playbooks.contents[playbook.hash]
    with pytest.raises(TypeError):
        playbooks.by_name["new"] = playbooks["add_device"]  # type: ignore[index]


def test_phases_are_read_in_their_order(tmp_path: Path) -> None:
    phases = "for: group:Pilot users (Kraków)\n    mode: offer\n  - for: everyone\n    mode: observe"
    (tmp_path / "a.yaml").write_text(phased(phases))
    playbook = load(tmp_path)["finance_share"]
    assert playbook.modes == (
        Phase("group:Pilot users (Kraków)", Mode.OFFER),
        Phase("everyone", Mode.OBSERVE),
    )
    assert playbook.guidance["meanwhile"] == "Call the desk, as before."
    assert from_content(load(tmp_path).contents[playbook.hash]) == playbook


# -- what is wrong --------------------------------------------------------------------------

# What is written instead of what → line, field, a piece of what is said, a piece of the remedy.
WRONG: Mapping[str, tuple[str | bytes, int, str, str, str]] = {
    "an unknown key": (
        with_("title: Fin", "tilte: Fin") + "title: x\n",
        3,
        "tilte",
        "is not a key here",
        "Did you mean `title`?",
    ),
    "an unknown key, like none": (
        with_("lasts: 3 days", "lasts: 3 days\n  zzz: 1"),
        13,
        "proof.zzz",
        "not a key",
        "`by`",
    ),
    "a missing key": (
        with_("  verb: reset_password\n", ""),
        23,
        "change.verb",
        "is missing",
        "what that system has to do",
    ),
    "a missing section": (with_("ask:\n  who: [self, manager]\n", ""), 1, "ask", "is missing", "`who`"),
    "an unknown connector": (
        with_("connector: directory", "connector: fax"),
        24,
        "change.connector",
        "`fax`, which isn't connected",
        "`countersign` or `directory`",
    ),
    "an unknown verb": (
        with_("verb: reset_password", "verb: paint"),
        25,
        "change.verb",
        "`paint`, which `directory` can't do",
        "`add_to_group` or `reset_password` or `set_password` or `unlock`",
    ),
    "a key twice": (A_PAGE + "tier: 1\n", 31, "tier", "is given twice", "the first is in line 5"),
    "a key twice, deep inside": (
        with_("  quorum: 1", "  quorum: 1\n  quorum: 2"),
        15,
        "consent.quorum",
        "is given twice",
        "line 14",
    ),
    "a tag": (with_("version: 1", "version: !!int 1"), 2, "the file", "YAML tag", "plain value"),
    "a tag that would run": (
        with_("version: 1", "version: !!python/object/apply:os.getcwd []"),
        2,
        "the file",
        "YAML tag",
        "plain value",
    ),
    "an alias bomb": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
        1,
        "the file",
        "anchor or alias",
        "the value itself",
    ),
    "too large": ("# " + "x" * CAP, 1, "the file", "larger than 64 KiB", "shorten"),
    "too deep": (A_PAGE + "zzz: " + "[" * 20 + "]" * 20, 31, "the file", "nested deeper", "flatter"),
    "brackets without end": ("[" * CAP, 1, "the file", "nested deeper", "flatter"),
    "two documents": (A_PAGE + "---\n" + A_PAGE, 31, "the file", "more than one document", "a file for each"),
    "not UTF-8": (b"name: x\ntitle: caf\xe9\n", 2, "the file", "not UTF-8", "Save it again"),
    "not YAML": (with_("title: Fin", "title: Fin: x"), 3, "the file", "not YAML here", "quotes"),
    "a control character": (with_("title: Fin", "title: \x07"), 3, "the file", "control character", "Remove"),
    "a hidden character": (
        with_("Why now?", "Why \u202enow?"),
        19,
        "form.1.label",
        "can't be seen",
        "again without",
    ),
    "a lone surrogate": (
        with_("Why now?", '"\\ud800"'),
        19,
        "form.1.label",
        "can't be seen",
        "again without",
    ),
    "nothing": ("", 1, "the file", "has no keys", "Begin with `name:`"),
    "a list": ("- name\n", 1, "the file", "has no keys", "Begin with `name:`"),
    "a key that is no word": (A_PAGE + "yes: 1\n", 31, "yes", "not a plain word", "one plain word"),
    "a key that is a list": (A_PAGE + "? [a]\n: 1\n", 31, "the file", "not a plain word", "one plain word"),
    "an empty value": (with_("title: Finance share", "title:"), 3, "title", "is empty", "what people see"),
    "an octal": (with_("version: 1", "version: 010"), 2, "version", "in its own way", "whole number from 1"),
    "a date as text": (
        with_("title: Finance share", "title: 2026-01-01"),
        3,
        "title",
        "in its own way",
        "in quotes",
    ),
    "a number of 10,000 digits": (
        with_("version: 1", "version: " + "9" * 10_000),
        2,
        "version",
        "in its own way",
        "whole number",
    ),
    "a number as text": (
        with_("title: Finance share", "title: 365"),
        3,
        "title",
        "is not text",
        "Put quotes",
    ),
    "a truth as a number": (with_("tier: 2", "tier: true"), 5, "tier", "not a whole number", "Write 0"),
    "text as a truth": (A_PAGE + "justification: often\n", 31, "justification", "neither", "`true`"),
    "a word as a list": (
        with_("[self, manager]", "self"),
        7,
        "ask.who",
        "is not a list",
        "`[self, manager]`",
    ),
    "a word as a block": (
        with_("consent:\n  quorum: 1\n  from: [manager]\n  within: 2 days", "consent: all"),
        13,
        "consent",
        "no keys below",
        "`quorum`",
    ),
    "an unknown asker": (
        with_("[self, manager]", "[self, boss]"),
        7,
        "ask.who.2",
        "`boss`, not one of",
        "who may ask",
    ),
    "an asker twice": (with_("[self, manager]", "[self, self]"), 7, "ask.who", "twice", "who may ask"),
    "nobody may ask": (with_("[self, manager]", "[]"), 7, "ask.who", "is empty", "who may ask"),
    "a vague duration": (
        with_("lasts: 3 days", "lasts: soon"),
        12,
        "proof.lasts",
        "`soon`, which is not a duration",
        "`2 days`",
    ),
    "a duration without a unit": (
        with_("lasts: 3 days", "lasts: 90"),
        12,
        "proof.lasts",
        "`90`, which is not",
        "`1 hour`",
    ),
    "a challenge that lives too long": (
        with_("within: 10 minutes", "within: 11 minutes"),
        11,
        "proof.within",
        "longer than 10 minutes",
        "at most `10 minutes`",
    ),
    "a secret kept too long": (
        with_("collect_within: 15 minutes", "collect_within: 1 hour"),
        27,
        "change.collect_within",
        "longer than 15 minutes",
        "at most `15 minutes`",
    ),
    "a wait for consent too long": (
        with_("  within: 2 days", "  within: 8 days").replace("3 days", "9 days"),
        16,
        "consent.within",
        "longer than 7 days",
        "at most `7 days`",
    ),
    "nothing to collect": (
        with_(f"verb: {HANDED_OUT}", "verb: unlock\n  hands_out: none"),
        27,
        "change.collect_within",
        "nothing is handed out",
        "Where something",
    ),
    "a password chosen for somebody else": (
        with_(f"verb: {HANDED_OUT}", "verb: set_password\n  takes: chosen_password"),
        26,
        "change.takes",
        "would let somebody choose another person's password",
        "by: subject",
    ),
    "a password chosen and handed out": (
        with_("by: requester", "by: subject").replace(
            "verb: reset_password", "verb: set_password\n  takes: chosen_password"
        ),
        26,
        "change.takes",
        "can't go with `hands_out`",
        "keep one",
    ),
    "a password that needn't be changed, handed out": (
        with_("verb: reset_password", "verb: set_password"),
        25,
        "change.verb",
        "goes with a password of the other kind",
        "Write `reset_password`",
    ),
    "a chosen password that has to be changed": (
        with_("by: requester", "by: subject").replace(
            f"verb: {HANDED_OUT}",
            "verb: reset_password\n  takes: chosen_password",
        ),
        25,
        "change.verb",
        "goes with a password of the other kind",
        "Write `set_password`",
    ),
    "a reset without a password": (
        with_(f"{HANDED_OUT}\n  collect_within: 15 minutes", "reset_password"),
        25,
        "change.verb",
        "is `reset_password`, and no password is chosen or made",
        "Write `hands_out: temporary_password`",
    ),
    "a change of a password without one": (
        with_(f"{HANDED_OUT}\n  collect_within: 15 minutes", "set_password\n  hands_out: none"),
        25,
        "change.verb",
        "is `set_password`, and no password is chosen or made",
        "Write `takes: chosen_password`",
    ),
    **{
        f"a temporary password for {verb}": (
            with_("verb: reset_password", f"verb: {verb}"),
            25,
            "change.verb",
            f"is `{verb}`, which takes no password",
            "Leave `takes` or `hands_out` out",
        )
        for verb in ("unlock", "disable", "enable", "add_to_group", "remove_from_group")
    },
    "a chosen password for an unlock": (
        with_("by: requester", "by: subject").replace(
            f"verb: {HANDED_OUT}", "verb: unlock\n  takes: chosen_password"
        ),
        25,
        "change.verb",
        "is `unlock`, which takes no password",
        "Leave `takes` or `hands_out` out",
    ),
    "a chosen password handed out": (
        with_("hands_out: temporary_password", "hands_out: chosen_password"),
        26,
        "change.hands_out",
        "what a person chooses",
        "Write `none`",
    ),
    "a proof that ends too early": (
        with_("lasts: 3 days", "lasts: 2 days"),
        12,
        "proof.lasts",
        "ends before the others",
        "longer than others",
    ),
    "a quorum of nobody": (with_("quorum: 1", "quorum: 0"), 14, "consent.quorum", "less than 1", "1 or more"),
    "a quorum nobody can reach": (
        with_("quorum: 1", "quorum: 2"),
        14,
        "consent.quorum",
        "at most 1 could ever agree",
        "how many different people",
    ),
    "a further group that isn't said to come when": (
        with_("form:", "further_consent:\n  - quorum: 1\n    from: [role:security]\nform:"),
        18,
        "further_consent.1.when",
        "is missing",
        "`together`",
    ),
    "a further group with a time that isn't its own": (
        with_(
            "form:",
            "further_consent:\n  - when: together\n    quorum: 1\n    from: [role:security]\n    within: 1 day"
            "\nform:",
        ),
        21,
        "further_consent.1.within",
        "at the same time as the group before",
        "`when: afterwards`",
    ),
    "a further step without a time": (
        with_(
            "form:", "further_consent:\n  - when: afterwards\n    quorum: 1\n    from: [role:security]\nform:"
        ),
        18,
        "further_consent.1",
        "doesn't say how long",
        "`within: 1 day`",
    ),
    "a further step that the proof doesn't last for": (
        with_(
            "form:",
            "further_consent:\n  - when: afterwards\n    quorum: 1\n    from: [role:security]\n    within: 1 day"
            "\nform:",
        ),
        12,
        "proof.lasts",
        "ends before the others",
        "longer than others",
    ),
    "a further group without a first one": (
        with_(
            "consent:\n  quorum: 1\n  from: [manager]\n  within: 2 days",
            "further_consent:\n  - when: together\n    quorum: 1\n    from: [role:security]",
        ),
        13,
        "further_consent",
        "comes without `consent`",
        "under `consent`",
    ),
    "more of a further group than there are": (
        with_("form:", "further_consent:\n  - when: together\n    quorum: 2\n    from: [person:sam]\nform:"),
        19,
        "further_consent.1.quorum",
        "at most 1 could ever agree",
        "how many different people",
    ),
    "an unknown approver": (
        with_("from: [manager]", "from: [friends]"),
        15,
        "consent.from.1",
        "`friends`",
        "`role:NAME`",
    ),
    "an approver twice": (
        with_("from: [manager]", "from: [manager, manager]"),
        15,
        "consent.from",
        "twice",
        "each once",
    ),
    "a tier that is none": (with_("tier: 2", "tier: 4"), 5, "tier", "more than 3", "3 (privileged)"),
    "an assurance too weak for tier 3": (
        with_("tier: 2", "tier: 3"),
        10,
        "proof.assurance",
        "too weak for tier 3",
        "`phishing_resistant`",
    ),
    "an assurance too weak for tier 1": (
        with_("tier: 2", "tier: 1").replace("multi_factor", "single_factor"),
        10,
        "proof.assurance",
        "too weak for tier 1",
        "`multi_factor`",
    ),
    "an assurance too weak for tier 0": (
        with_("tier: 2", "tier: 0").replace("multi_factor", "none"),
        10,
        "proof.assurance",
        "too weak for tier 0",
        "`single_factor`",
    ),
    "one device, but no passkey": (
        with_("  within: 10 minutes", "  device_bound: true\n  within: 10 minutes"),
        11,
        "proof.device_bound",
        "only a passkey",
        "`assurance: phishing_resistant`",
    ),
    "a phrase about nobody": (
        with_("Let {subject} read", "Read"),
        4,
        "phrase",
        "name the subject",
        "{subject}",
    ),
    "a phrase with another hole": (
        with_("the finance share", "the {share}"),
        4,
        "phrase",
        "name the subject",
        "{subject}",
    ),
    "two fields of one name": (
        with_("name: how_long", "name: why_now"),
        20,
        "form.2.name",
        "which is taken",
        "of its own",
    ),
    "a field that would pass for the justification": (
        with_("name: why_now", "name: justification"),
        18,
        "form.1.name",
        "which is taken",
        "of its own",
    ),
    "a field too long": (
        with_("label: Why now?", "label: Why now?\n    max_length: 501"),
        20,
        "form.1.max_length",
        "more than 500",
        "1 to 500",
    ),
    "choices that are truths": (
        with_("[a day, a week]", "[yes, no]"),
        22,
        "form.2.choices.1",
        "is not text",
        '"yes"',
    ),
    "a reference with choices": (
        with_("label: For how", "reference: true\n    label: For how"),
        21,
        "form.2.reference",
        "can't go with choices",
        "picked from a list",
    ),
    "a personal reference": (
        with_("label: Why", "reference: true\n    personal: true\n    label: Why"),
        19,
        "form.1.reference",
        "can't go with",
        "picked from a list",
    ),
    "a name with capitals": (
        with_("name: finance_share", "name: Finance"),
        1,
        "name",
        "`Finance`",
        "small letters",
    ),
    "a title too long": (
        with_("title: Finance share", "title: " + "x" * 121),
        3,
        "title",
        "too long",
        "in lists",
    ),
    "a wait under four hours": (
        with_("handed_to", "objection:\n  wait: 3 hours\nhanded_to"),
        29,
        "objection.wait",
        "shorter than 4 hours",
        "how long everybody",
    ),
    "a wait over a week": (
        with_("handed_to", "objection:\n  wait: 8 days\nhanded_to"),
        29,
        "objection.wait",
        "longer than 7 days",
        "how long everybody",
    ),
    "a wait without the manager": (
        with_(
            "handed_to", "objection:\n  wait: 1 day\nhanded_to", with_("from: [manager]", "from: [role:boss]")
        ),
        28,
        "objection",
        "without the manager's consent",
        "Name `manager`",
    ),
    "a wait without any consent": (
        with_(
            "handed_to",
            "objection:\n  wait: 1 day\nhanded_to",
            with_("consent:\n  quorum: 1\n  from: [manager]\n  within: 2 days\n", ""),
        ),
        24,
        "objection",
        "without the manager's consent",
        "Name `manager`",
    ),
    "a wait after a weak proof": (
        with_("handed_to", "objection:\n  wait: 1 day\nhanded_to"),
        10,
        "proof.assurance",
        "too weak for what others can object to",
        "phishing_resistant",
    ),
    "a wait that outlasts the proof": (
        with_("handed_to", "objection:\n  wait: 1 day\nhanded_to"),
        12,
        "proof.lasts",
        "ends before everybody",
        "`121 hours`",
    ),
    "a wait the manager hurries": (
        with_("handed_to", "objection:\n  hurried_by: [manager]\nhanded_to"),
        29,
        "objection.hurried_by.1",
        "`manager`",
        "leave it out for nobody",
    ),
    "a wait before a chosen password": (
        with_(
            "handed_to",
            "objection:\n  wait: 1 day\nhanded_to",
            with_(
                "hands_out: temporary_password",
                "takes: chosen_password",
                with_("by: requester", "by: subject"),
            ),
        ),
        26,
        "change.takes",
        "can't wait for objections",
        "Leave out",
    ),
    "a phase for somebody unknown": (
        phased("for: team:pilot\n    mode: offer"),
        29,
        "modes.1.for",
        "`team:pilot`",
        "`group:NAME`",
    ),
    "a phase without a mode": (phased("for: everyone"), 29, "modes.1.mode", "is missing", "`observe`"),
    "a mode that is none": (
        phased("for: everyone\n    mode: watch"),
        30,
        "modes.1.mode",
        "`watch`, not one of",
        "`observe`, `offer` or `require`",
    ),
    "a phase after everyone": (
        phased("for: everyone\n    mode: offer\n  - for: group:pilot\n    mode: require"),
        31,
        "modes.2.for",
        "is never reached",
        "in the last place",
    ),
    "a phase twice": (
        phased("for: role:analyst\n    mode: offer\n  - for: role:analyst\n    mode: observe"),
        31,
        "modes.2.for",
        "`role:analyst` once more",
        "Keep one",
    ),
    "nothing said about the old way": (
        with_("handed_to", "modes:\n  - for: everyone\n    mode: observe\nhanded_to"),
        32,
        "guidance.meanwhile",
        "is missing, while it isn't required of everyone",
        "where people turn",
    ),
    "observing what has no other way": (
        phased("for: everyone\n    mode: observe").replace(
            f"directory\n  verb: {HANDED_OUT}", "countersign\n  verb: invite\n  hands_out: enrolment_link"
        ),
        30,
        "modes.1.mode",
        "there is no other way",
        "`offer` or `require`",
    ),
    "observing what protects": (
        phased("for: everyone\n    mode: observe") + "protects: true\n",
        30,
        "modes.1.mode",
        "there is no other way",
        "`offer` or `require`",
    ),
    "a privileged password without the highest tier": (
        PRIVILEGED,
        5,
        "tier",
        "too low for the passwords of privileged accounts",
        "Write 3.",
    ),
    "a privileged password with one person's consent": (
        PRIVILEGED.replace("tier: 2", "tier: 3").replace("multi_factor", "phishing_resistant"),
        13,
        "consent",
        "doesn't take two people",
        "`quorum` of 2",
    ),
    "a privileged password that is handed out": (
        PRIVILEGED.replace("takes: chosen_password", "hands_out: temporary_password"),
        25,
        "change.verb",
        "goes with a password of the other kind",
        "`reset_password`",
    ),
    "a privileged password at a connector for everybody": (
        PRIVILEGED,
        25,
        "change.verb",
        "`set_privileged_password`, which `directory` can't do",
        "`unlock`",
    ),
    "a review without choices": (
        with_("why_now", "review"),
        18,
        "form.1.name",
        "in how many days",
        "`90 days`",
    ),
    "a review that comes too late": (
        with_("how_long", "review").replace("[a day, a week]", "[90 days, 366 days]"),
        20,
        "form.2.name",
        "in how many days",
        "at most `365 days`",
    ),
    "a review on somebody's personal day": (
        with_("how_long", "review").replace("[a day, a week]", "[90 days]\n    personal: true"),
        20,
        "form.2.name",
        "in how many days",
        "no `personal`",
    ),
    "a version before the first": (with_("version: 1", "version: 0"), 2, "version", "less than 1", "from 1"),
}


# -- whom a selector names ------------------------------------------------------------------

GROUP = with_("name: how_long", "name: group")
UNKNOWN = {
    "nobody's word": ("boss", "doesn't fit", "`on_call:SCHEDULE`"),
    "capitals": ("Manager", "doesn't fit", "`manager_of_manager`"),
    "more than one level up": ("manager_of_manager_of_manager", "doesn't fit", "`manager_of_manager`"),
    "no group": ('"group:"', "doesn't fit", "`group:NAME`"),
    "a group of spaces": ('"group:  "', "doesn't fit", "`group:NAME`"),
    "a group with a name too long": (f"group:{'x' * 101}", "doesn't fit", "`group:NAME`"),
    "no schedule": ('"on_call:"', "doesn't fit", "`on_call:SCHEDULE`"),
    "an unknown schedule": ("on_call:weekend", "no such schedule", "There is `security`"),
    "an owner of nothing": ("owner", "no field says whose group", "Add a field `group`"),
    "somebody's owner": ("owner:finance", "doesn't fit", "`owner`"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_a_selector_that_names_nobody_is_refused_with_its_place(what: str, tmp_path: Path) -> None:
    selector, wrong, remedy = UNKNOWN[what]
    page = with_("from: [manager]", f"from:\n    - manager\n    - {selector}")
    (problem,) = the_problems(tmp_path, page=page)
    assert (problem.line, problem.field) == (17, "consent.from.2")
    assert wrong in problem.wrong
    assert remedy in problem.remedy


@pytest.mark.parametrize("selector", ["owner", "on_call:weekend", "boss"])
def test_a_selector_is_judged_in_every_group_and_in_its_stand_ins(selector: str, tmp_path: Path) -> None:
    further = (
        "\nfurther_consent:\n"
        f"  - {{when: together, quorum: 1, from: [manager], otherwise: ['{selector}']}}\nform:"
    )
    page = with_("  within: 2 days", f"  otherwise: ['{selector}']\n  within: 2 days")
    problems = the_problems(tmp_path, page=with_("\nform:", further, page))
    assert [each.field for each in problems] == ["consent.otherwise.1", "further_consent.1.otherwise.1"]


def test_an_owner_is_the_owner_of_what_the_form_says_in_clear(tmp_path: Path) -> None:
    owner = with_("from: [manager]", "from: [owner]", GROUP)
    (tmp_path / "page.yaml").write_text(owner)
    assert load(tmp_path)["finance_share"].selectors == {"owner"}
    reference = with_("choices: [a day, a week]", "reference: true", owner)
    (tmp_path / "page.yaml").write_text(reference)
    assert load(tmp_path)["finance_share"].selectors == {"owner"}
    for hidden in ("max_length: 9", "choices: [a, b]\n    personal: true"):
        (problem,) = the_problems(tmp_path, page=with_("choices: [a day, a week]", hidden, owner))
        assert problem.field == "consent.from.1"


def test_everybody_whom_a_playbook_can_name_may_be_named_and_several_make_a_quorum(tmp_path: Path) -> None:
    every = ["manager", "manager_of_manager", "owner", "group:Finance Share (EMEA)", "role:approver"]
    every += ["person:maya@acme.test", "on_call:security"]
    page = with_("from: [manager]", f"from: {json.dumps(every)}", GROUP)
    (tmp_path / "page.yaml").write_text(page)
    playbook = load(tmp_path, schedules=["security"])["finance_share"]
    assert playbook.selectors == set(every)
    assert load(tmp_path)["finance_share"] == playbook, "without knowing schedules none is missed"
    for several in ("group:ops", "role:approver", "on_call:security", "owner"):
        page = with_("quorum: 1\n  from: [manager]", f'quorum: 3\n  from: ["{several}"]', GROUP)
        (tmp_path / "page.yaml").write_text(page)
        assert load(tmp_path, schedules=["security"])["finance_share"].selectors == {several}
    two = with_("quorum: 1\n  from: [manager]", "quorum: 3\n  from: [manager, manager_of_manager]")
    (problem,) = the_problems(tmp_path, page=two)
    assert problem.field == "consent.quorum"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_file_line_field_and_remedy(what: str, tmp_path: Path) -> None:
    page, line, field, wrong, remedy = WRONG[what]
    problems = the_problems(tmp_path, page=page)
    problem = next((p for p in problems if p.field == field), None)
    assert problem is not None, f"nothing is said about {field}: {[str(p) for p in problems]}"
    assert (problem.file, problem.line) == (str(tmp_path / "page.yaml"), line)
    assert wrong in problem.wrong
    assert remedy in problem.remedy
    assert problem.remedy.endswith((".", "?"))
    assert str(problem).startswith(f"{tmp_path / 'page.yaml'}:{line}: {field} ")


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    page = (
        A_PAGE.replace("tier: 2", "tier: 3")
        .replace("within: 10 minutes", "within: soon")
        .replace("verb: reset_password", "verb: paint")
        .replace("quorum: 1", "quorum: 0")
        .replace("label: Why now?", "label: 7")
        .replace("name: how_long", "name: justification")
    )
    problems = the_problems(tmp_path, first=page, second=b"\xff", third=A_PAGE)
    assert [(Path(p.file).name, p.field) for p in problems] == [
        ("first.yaml", "proof.assurance"),
        ("first.yaml", "proof.within"),
        ("first.yaml", "consent.quorum"),
        ("first.yaml", "form.1.label"),
        ("first.yaml", "form.2.name"),
        ("first.yaml", "change.verb"),
        ("second.yaml", "the file"),
    ]
    with pytest.raises(PlaybookError, match="7 problems in the playbooks") as refused:
        load(tmp_path, connectors=CONNECTORS)
    assert all(str(problem) in str(refused.value) for problem in problems)


def test_one_name_is_one_playbook(tmp_path: Path) -> None:
    (problem,) = the_problems(tmp_path, first=A_PAGE, second="# A copy.\n" + A_PAGE)
    assert (Path(problem.file).name, problem.line, problem.field) == ("second.yaml", 2, "name")
    assert "as in first.yaml" in problem.wrong


def test_a_folder_without_playbooks_and_a_file_that_would_be_passed_over_are_said(tmp_path: Path) -> None:
    (problem,) = the_problems(tmp_path)
    assert "holds no playbook" in problem.wrong
    (tmp_path / "page.yml").write_text(A_PAGE)
    (problem,) = the_problems(tmp_path)
    assert (problem.file, problem.remedy) == (str(tmp_path / "page.yml"), "Call it page.yaml.")
    (tmp_path / "page.yml").unlink()
    (tmp_path / "folder.yaml").mkdir()
    (problem,) = the_problems(tmp_path)
    assert "can't be read" in problem.wrong


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_no_bytes_bring_anything_but_a_playbook_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    assert the_problems(folder, page=raw)


# -- durations ------------------------------------------------------------------------------


@given(st.integers(1, 9999), st.sampled_from(["minute", "hour", "day"]))
def test_a_duration_reads_as_it_is_spelled(count: int, unit: str) -> None:
    length = duration(f"{count} {unit}s")
    assert length == timedelta(**{f"{unit}s": count})
    assert (
        count * {"minute": 1, "hour": 60, "day": 1440}[unit] > 9999 * 60
        or duration(spelled(length)) == length
    )


@pytest.mark.parametrize(
    "text",
    ["", "10", "10m", "ten minutes", "0 minutes", "-1 hours", "1.5 hours", "1  hour", " 1 hour", "1 hour\n",
     "01 hours", "٣ hours", "3 weeks", "1 hour 5 minutes", "PT1H", "99999 days", None, 10, True],
)  # fmt: skip
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


# -- content and hash -----------------------------------------------------------------------


def the_hash(folder: Path, page: str) -> str:
    (folder / "page.yaml").write_text(page)
    ((hash, playbook),) = load(folder).by_hash.items()
    assert hash == playbook.hash
    return hash


def test_stored_content_gives_the_same_playbook_back(tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text(A_PAGE)
    for folder in (SHIPPED, tmp_path):
        playbooks = load(folder)
        for hash, content in playbooks.contents.items():
            assert from_content(content) == playbooks.by_hash[hash]
            assert hash == sha256(content)
            assert rfc8785.dumps(json.loads(content)) == content.encode()


@pytest.mark.parametrize(
    "page",
    [
        "# A comment.\n" + A_PAGE + "# And another.\n",
        A_PAGE.replace("\n", "\r\n"),
        "\ufeff" + A_PAGE,
        with_("title: Finance share", 'title: "Finance share"'),
        with_("title: Finance share", "title: >\n  Finance\n  share"),
        with_("[self, manager]", "[manager, self]"),
        with_("within: 2 days", "within: 48 hours"),
        with_("handed_to: desk_agent\n", "handed_to: desk_agent\njustification: false\n"),
        with_("  lasts: 3 days", "  device_bound: false\n  lasts: 3 days"),
        with_("label: Why now?", "label: Why now?\n    required: true\n    max_length: 500\n    help: ''"),
        with_("version: 1\n", "") + "version: 1\n",
        yaml.safe_dump(yaml.safe_load(A_PAGE), sort_keys=True),
        yaml.safe_dump(yaml.safe_load(A_PAGE), default_flow_style=True),
        json.dumps(yaml.safe_load(A_PAGE)),
    ],
)
def test_comments_layout_key_order_and_spelled_out_defaults_leave_the_hash(page: str, tmp_path: Path) -> None:
    assert the_hash(tmp_path, page) == the_hash(tmp_path, A_PAGE)


CHANGES = {
    "name: finance_share": "name: finance_shares",
    "version: 1": "version: 2",
    "title: Finance share": "title: Finance Share",
    "{subject} read": "{subject} see",
    "tier: 2": "tier: 1",
    "[self, manager]": "[self, manager, desk_agent]",
    "by: requester": "by: subject",
    "assurance: multi_factor": "assurance: phishing_resistant",
    "within: 10 minutes": "within: 9 minutes",
    "multi_factor\n  within": "phishing_resistant\n  device_bound: true\n  within",
    "lasts: 3 days": "lasts: 4 days",
    "quorum: 1\n  from: [manager]": "quorum: 2\n  from: [manager, role:administrator]",
    "from: [manager]": "from: [role:administrator]",
    "within: 2 days": "within: 1 day",
    "name: why_now": "name: why_then",
    "label: Why now?": "label: Why then?",
    "label: For how long?": "label: For how long?\n    help: A day is often enough.",
    "label: For how": "required: false\n    label: For how",
    "label: Why": "max_length: 100\n    label: Why",
    "label: Wh": "personal: true\n    label: Wh",
    "label: W": "reference: true\n    label: W",
    "[a day, a week]": "[a week, a day]",
    "    choices: [a day, a week]\n": "",
    "connector: directory": "connector: elsewhere",
    "verb: reset_password": "verb: end_sessions",
    "hands_out: temporary_password": "hands_out: enrolment_link",
    "collect_within: 15 minutes": "collect_within: 14 minutes",
    "requester\n  assurance: multi_factor": "subject\n  assurance: phishing_resistant",
    "handed_to: desk_agent": "handed_to: administrator",
    "handed_to": "justification: true\nhanded_to",
    "It takes a minute.": "It takes two minutes.",
    "requester: It": "subject: It",
    "requester: It takes a": "meanwhile: Call the desk.\n  requester: It takes a",
    "change:": "modes: [{for: everyone, mode: require}]\nchange:",
}


@pytest.mark.parametrize("old", CHANGES)
def test_any_change_of_content_changes_the_hash(old: str, tmp_path: Path) -> None:
    before = the_hash(tmp_path, A_PAGE)
    assert the_hash(tmp_path, with_(old, CHANGES[old])) != before
    assert the_hash(tmp_path, A_PAGE) == before


def the_content() -> str:
    return load(SHIPPED).contents[load(SHIPPED)["device_enrolment"].hash]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        the_content() + " ",
        json.dumps(json.loads(the_content())),
        the_content().replace('"tier":3', '"tier":3,"tier":3'),
        the_content().replace('"tier":3', '"tier":3.0'),
        the_content().replace('"tier":3', '"tier":7'),
        the_content().replace('"quorum":1', '"quorum":0'),
        the_content().replace("phishing_resistant", "single_factor"),
        the_content().replace('"version":', '"aaa":1,"version":'),
    ],
)
def test_content_that_was_tampered_with_is_refused(broken: str) -> None:
    with pytest.raises(PlaybookError) as refused:
        from_content(broken)
    (problem,) = refused.value.problems
    assert problem.file == "stored content"


def test_changed_content_has_another_hash_than_it_was_pinned_by() -> None:
    changed = the_content().replace('"lasts":"25 hours"', '"lasts":"26 hours"')
    assert from_content(changed).hash != load(SHIPPED)["device_enrolment"].hash


def test_rules_made_stricter_later_strand_no_open_request() -> None:
    """Only the shape of stored content is judged: a wait that is too long today was agreed upon then."""
    older = the_content().replace('"within":"1 day"', '"within":"30 days"')
    assert from_content(older).consent


def test_groups_are_asked_together_or_afterwards(tmp_path: Path) -> None:
    further = """further_consent:
  - when: together
    quorum: 2
    from: [role:finance_owner]
  - when: afterwards
    quorum: 1
    from: [role:security]
    within: 12 hours
form:"""
    text = with_("form:", further).replace("from: [manager]", "from: [manager]\n  otherwise: [role:approver]")
    (tmp_path / "access.yaml").write_text(text)
    first, then = next(iter(load(tmp_path).values())).consent
    assert first == ConsentStep(
        (ApprovalRule(1, ("manager",), ("role:approver",)), ApprovalRule(2, ("role:finance_owner",))),
        timedelta(days=2),
    )
    assert then == ConsentStep((ApprovalRule(1, ("role:security",)),), timedelta(hours=12))
