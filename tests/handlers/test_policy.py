"""The company's rules: how they are judged, what an unknown fact does, and what is said of them when they load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.model import Playbook
from flows.ruling import Fired, Ruling
from handlers.findings import Level
from handlers.playbooks import PlaybookError, load
from handlers.policy import Rules
from handlers.rules.facts import Around, Chat, Place, Who, told
from handlers.rules.findings import Known, findings
from tests.company import SHIPPED
from tests.flows.stories import agreed_by

PLAYBOOKS = load(SHIPPED)
RESET, ACCESS = PLAYBOOKS["password_reset"], PLAYBOOKS["group_access"]
HOUSE = (SHIPPED / "rules" / "house.cedar").read_text(encoding="utf-8")
MAYA = Who(
    "maya",
    groups=frozenset({"staff"}),
    roles=frozenset(),
    privileged=False,
    account_days=400,
    devices=2,
    device_days=300,
    new_devices=0,
    requests=1,
    failures=0,
    freezes=0,
)
OMAR = replace(MAYA, id="omar", groups=frozenset({"staff", "managers"}))
OFFICE = Place("office", "DE")
QUIET = Around(MAYA, MAYA, hour=10, weekend=False, place=OFFICE)

CONTRACTORS = """
@id("no-contractors")
@reason("Contractors can't ask for this. Ask your sponsor.")
forbid (principal, action == Action::"ask", resource) when { principal.groups.contains("contractors") };
"""
NEW_DEVICE = """
@id("new-device")
@reason("A device was registered within the last 7 days.")
@tier("2")
permit (principal, action in [Action::"ask", Action::"act"], resource) when { context.subject.new_devices > 0 };
"""
ABROAD = """
@id("abroad")
@reason("It was asked from abroad.")
@tier("3")
permit (principal, action in [Action::"ask", Action::"act"], resource)
when { context has place && context.place.country != "DE" };
"""


@pytest.fixture
def rules(tmp_path: Path) -> Callable[..., Rules]:
    """The house's rules with these beside them."""

    def made(*texts: str, house: str = HOUSE) -> Rules:
        (tmp_path / "house.cedar").write_text(house, encoding="utf-8")
        (tmp_path / "ours.cedar").write_text("".join(texts) or "// none", encoding="utf-8")
        return Rules.load(tmp_path, PLAYBOOKS)

    return made


def asked(found: Rules, who: Who = MAYA, around: Around | None = None, playbook: Playbook = RESET) -> Ruling:
    return found.judge("ask", who, playbook, around or replace(QUIET, requester=who, subject=who))


# -- judging ------------------------------------------------------------------------------------


def test_what_the_playbooks_permit_the_house_permits(rules: Callable[..., Rules]) -> None:
    ruling = asked(rules())
    (fired,) = ruling.rules
    assert (ruling.permitted, ruling.tier, fired.id, fired.effect) == (True, 0, "house-ask", "permits")
    for action in ("approve", "act"):
        assert rules().judge(action, MAYA, RESET, QUIET).permitted


def test_what_a_rule_forbids_no_other_permits_and_its_reason_is_told(rules: Callable[..., Rules]) -> None:
    ruling = asked(rules(CONTRACTORS), replace(MAYA, groups=frozenset({"contractors", "staff"})))
    assert not ruling.permitted
    assert ruling.rules == (
        Fired("no-contractors", "Contractors can't ask for this. Ask your sponsor.", "forbids"),
    )
    assert ruling.why == "Contractors can't ask for this. Ask your sponsor."
    assert ruling.facts == {"principal.groups": "contractors, staff"}
    assert asked(rules(CONTRACTORS)).permitted


def test_a_forbid_that_errs_is_never_a_yes(rules: Callable[..., Rules]) -> None:
    """Cedar skips it and says Allow: whoever believes that lets everybody in of whom nothing is known."""
    ruling = asked(rules(CONTRACTORS), replace(MAYA, groups=None))
    assert not ruling.permitted
    assert (
        Fired("no-contractors", "Contractors can't ask for this. Ask your sponsor.", "unknown")
        in ruling.rules
    )
    assert ruling.facts["principal.groups"] == "unknown"


def test_without_a_permit_nothing_goes(rules: Callable[..., Rules]) -> None:
    only_approve = "\n\n".join(HOUSE.split("\n\n")[2:3])
    found = rules(NEW_DEVICE, house=only_approve)
    assert not asked(found).permitted
    assert not found.judge("act", MAYA, RESET, QUIET).permitted


def test_a_rule_raises_the_tier_and_so_does_not_knowing(rules: Callable[..., Rules]) -> None:
    found = rules(NEW_DEVICE, ABROAD)
    assert asked(found).tier == 0
    assert asked(found, replace(MAYA, new_devices=1)).tier == 2
    unsure = asked(found, replace(MAYA, new_devices=None))
    assert (unsure.permitted, unsure.tier, unsure.rules[-1].effect) == (True, 2, "unknown")
    assert asked(found, around=replace(QUIET, place=Place("office", None))).tier == 3


def test_what_a_chat_cant_tell_is_not_missing(rules: Callable[..., Rules]) -> None:
    in_slack = replace(QUIET, place=None, chat=Chat("slack", 200))
    assert asked(rules(ABROAD), around=in_slack).tier == 0
    assert asked(rules(ABROAD), around=replace(QUIET, place=Place("office", "FR"))).tier == 3


def test_fifty_rules_keep_their_names(rules: Callable[..., Rules]) -> None:
    """Cedar numbers what it parses; ours are found by that number, two digits and all."""
    many = [
        CONTRACTORS.replace("no-contractors", f"no-{n}").replace('"contractors"', f'"group-{n}"')
        for n in range(50)
    ]
    for n in (0, 9, 10, 37, 49):
        ruling = asked(rules(*many), replace(MAYA, groups=frozenset({f"group-{n}"})))
        assert [fired.id for fired in ruling.rules] == [f"no-{n}"]


def test_a_rule_about_one_playbook_leaves_the_others_alone(rules: Callable[..., Rules]) -> None:
    found = rules(CONTRACTORS.replace("resource)", 'resource == Playbook::"group_access")'))
    outside = replace(MAYA, groups=frozenset({"contractors"}))
    assert asked(found, outside).permitted
    assert not asked(found, outside, playbook=ACCESS).permitted


def test_only_what_rules_ask_about_has_to_be_found_out(rules: Callable[..., Rules]) -> None:
    assert rules().asks_about("ask", "password_reset") == frozenset()
    assert rules(CONTRACTORS, NEW_DEVICE).asks_about("ask", "password_reset") == {
        "principal.groups",
        "context.subject.new_devices",
    }
    assert rules(CONTRACTORS, NEW_DEVICE).asks_about("act", "password_reset") == {
        "context.subject.new_devices"
    }
    elsewhere = CONTRACTORS.replace("resource)", 'resource == Playbook::"group_access")')
    assert rules(elsewhere).asks_about("ask", "password_reset") == frozenset()
    assert rules(elsewhere).asks_about("ask", "group_access") == {"principal.groups"}
    chosen = CONTRACTORS.replace(
        "principal.groups", "(if context.hour < 6 then principal else context.subject).groups"
    )
    assert rules(chosen).asks_about("ask", "password_reset") >= {
        "context.hour",
        "principal.groups",
        "context.subject.groups",
    }


# -- what isn't known never helps -----------------------------------------------------------------

_CONDITIONS = st.lists(
    st.sampled_from(
        [
            'principal.groups.contains("contractors")',
            "context.subject.new_devices > 0",
            "context.requester.failures >= 3",
            "!principal.privileged",
            "context.hour < 6",
            "context.weekend",
            'context has place && context.place.country != "DE"',
            'context has place && context.place.network == "elsewhere"',
            "context has chat && context.chat.account_days < 7",
            "context.subject.account_days < 30 || principal.requests > 4",
            "if context.weekend then principal.freezes > 0 else principal.device_days < 30",
            "principal == context.subject",
            "resource.tier == 1",
        ]
    ),
    min_size=1,
    max_size=3,
)
_HEADS = st.sampled_from(
    [
        'forbid (principal, action == Action::"ask", resource)',
        '@tier("2") permit (principal, action in [Action::"ask", Action::"act"], resource)',
        '@tier("3") permit (principal, action in [Action::"ask", Action::"act"], resource)',
        'permit (principal, action == Action::"ask", resource)',
    ]
)
_RULES = st.lists(st.tuples(_HEADS, _CONDITIONS, st.sampled_from(["when", "unless"])), min_size=1, max_size=6)
_PEOPLE = st.builds(
    Who,
    st.sampled_from(["maya", "omar"]),
    groups=st.frozensets(st.sampled_from(["staff", "contractors"])),
    roles=st.just(frozenset()),
    privileged=st.booleans(),
    **{name: st.integers(0, 40) for name in ("account_days", "devices", "device_days", "new_devices")},
    **{name: st.integers(0, 5) for name in ("requests", "failures", "freezes")},
)
_PLACES = st.none() | st.builds(
    Place, network=st.sampled_from(["office", "elsewhere"]), country=st.sampled_from(["DE", "FR"])
)
_CHATS = st.none() | st.builds(Chat, platform=st.just("slack"), account_days=st.integers(0, 40))


def _without(around: Around, name: str) -> Around:
    """The same, but for one fact that nobody knows any more."""
    parts = name.split(".")[1:]
    if len(parts) == 1:
        return replace(around, **{parts[0]: None})
    inner = getattr(around, parts[0])
    return around if inner is None else replace(around, **{parts[0]: replace(inner, **{parts[1]: None})})


_FACTS = [
    *(
        f"context.{who}.{fact.name}"
        for who in ("subject", "requester")
        for fact in fields(Who)
        if fact.name != "id"
    ),
    *(name for name, _, _ in told() if name.startswith(("context.place.", "context.chat."))),
    "context.hour",
    "context.weekend",
]


@given(
    _RULES,
    _PEOPLE,
    _PEOPLE,
    st.integers(0, 23),
    st.booleans(),
    _PLACES,
    _CHATS,
    st.lists(st.sampled_from(_FACTS), min_size=1, max_size=4),
)
def test_a_fact_taken_away_never_permits_and_never_lowers_the_tier(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[str, list[str], str]],
    requester: Who,
    subject: Who,
    hour: int,
    weekend: bool,
    place: Place | None,
    chat: Chat | None,
    gone: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("rules")
    texts = [
        f'@id("r{n}") @reason("It is so.") {head} {kind} {{ {" && ".join(f"({each})" for each in parts)} }};'
        for n, (head, parts, kind) in enumerate(written)
    ]
    (folder / "all.cedar").write_text(HOUSE + "\n".join(texts), encoding="utf-8")
    found = Rules.load(folder, PLAYBOOKS)
    subject = requester if subject.id == requester.id else subject
    known = Around(requester, subject, hour, weekend, place, chat)
    less = known
    for name in gone:
        less = _without(less, name)
    if requester.id == subject.id:
        both = {
            fact.name: None
            for fact in fields(Who)
            if None in (getattr(less.subject, fact.name), getattr(less.requester, fact.name))
        }
        same = replace(requester, **both)
        less = replace(less, requester=same, subject=same)
    before = found.judge("ask", requester, RESET, known)
    after = found.judge("ask", less.requester, RESET, less)
    assert before.permitted or not after.permitted
    assert after.tier >= before.tier or not after.permitted


# -- loading --------------------------------------------------------------------------------------

_WRONG = {
    "an unknown fact": (CONTRACTORS.replace("principal.groups", "principal.friends"), 2, "friends"),
    "an unknown action": (CONTRACTORS.replace('"ask"', '"beg"'), 2, "beg"),
    "no name": (CONTRACTORS.replace('@id("no-contractors")\n', ""), 2, "@id is missing"),
    "no reason": (
        CONTRACTORS.split("\n@reason")[0] + "\nforbid (principal, action, resource);",
        2,
        "@reason is missing",
    ),
    "half a sentence": (
        CONTRACTORS.replace(" Ask your sponsor.", "").replace("this.", "this"),
        2,
        "whole sentence",
    ),
    "the same name twice": (CONTRACTORS + CONTRACTORS, 6, "`no-contractors`, as in ours.cedar, line 2"),
    "not Cedar": (CONTRACTORS.replace("when {", "when ("), 2, "isn't Cedar"),
    "no end": (CONTRACTORS.rstrip()[:-1], 2, "isn't Cedar"),
    "a strange mark": (CONTRACTORS.replace("@id", '@owner("me")\n@id'), 2, "@owner"),
    "a playbook that isn't there": (
        CONTRACTORS.replace("resource)", 'resource == Playbook::"passwort_reset")'),
        2,
        "`passwort_reset`, which isn't there",
    ),
    "asking whether a fact is there": (
        CONTRACTORS.replace("principal.groups.c", "principal has groups && principal.groups.c"),
        2,
        "asks whether there is `principal.groups`",
    ),
    "comparing what may be half known": (
        CONTRACTORS.replace(
            'principal.groups.contains("contractors")',
            'context has place && context.place == {network: "office", country: "DE"}',
        ),
        2,
        "compares `context.place` as a whole",
    ),
    "a place without asking": (
        CONTRACTORS.replace('principal.groups.contains("contractors")', 'context.place.country == "DE"'),
        2,
        "optional attribute",
    ),
    "a tier that isn't one": (NEW_DEVICE.replace('"2"', '"4"'), 2, "not one of 1, 2, 3"),
    "a tier on a no": (NEW_DEVICE.replace("permit", "forbid"), 2, "stands before a `forbid`"),
    "a tier that isn't judged again": (
        NEW_DEVICE.replace('in [Action::"ask", Action::"act"]', '== Action::"ask"'),
        2,
        "stands before a rule for other actions",
    ),
    "places to fill in": (
        CONTRACTORS.replace("(principal,", "(principal == ?principal,"),
        2,
        "places to fill in",
    ),
}


@pytest.mark.parametrize(("text", "line", "wrong"), _WRONG.values(), ids=_WRONG)
def test_a_rule_that_cant_be_used_is_named_with_its_line(
    rules: Callable[..., Rules], text: str, line: int, wrong: str
) -> None:
    with pytest.raises(PlaybookError) as told:
        rules(text)
    said = [problem for problem in told.value.problems if wrong in str(problem)]
    assert said, told.value
    assert (Path(said[0].file).name, said[0].line) == ("ours.cedar", line)
    assert all(problem.remedy for problem in told.value.problems)


def test_without_any_rules_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"holds no \*\.cedar file. Copy house\.cedar"):
        Rules.load(tmp_path / "rules", PLAYBOOKS)


def test_signs_in_texts_and_comments_end_no_rule(rules: Callable[..., Rules]) -> None:
    text = '// a; b "c\n' + CONTRACTORS.replace("Ask your sponsor.", 'Ask; \\"them\\" // do.') + "// the end;"
    found = rules(text)
    assert found.all[-1].line == 3
    assert found.all[-1].reason.endswith('Ask; "them" // do.')


# -- what can be seen of them ---------------------------------------------------------------------

_SEEN = {
    "a yes that another no swallows": (
        'forbid (principal, action, resource == Playbook::"password_reset");\n'
        '@id("b") @reason("Yes.") permit (principal, action == Action::"ask", resource == '
        'Playbook::"password_reset");',
        "b",
        "never permits: `a` forbids all of it",
    ),
    "a raise to where it is": (
        '@tier("2") permit (principal, action in [Action::"ask", Action::"act"], resource == '
        'Playbook::"group_access") when { context.weekend };',
        "a",
        "raises nothing",
    ),
    "a raise that another makes anyway": (
        '@tier("2") permit (principal, action in [Action::"ask", Action::"act"], resource) '
        "when { context.weekend && context.hour < 3 };\n"
        '@id("b") @reason("Yes.") @tier("3") permit (principal, action in [Action::"ask", Action::"act"], resource) '
        "when { context.hour < 6 };",
        "a",
        "adds nothing: whenever it fires, `b` does too",
    ),
    "what can't be true": (
        'forbid (principal, action == Action::"ask", resource) when { context.hour > 20 && context.hour < 6 };',
        "a",
        "can't both be true",
    ),
    "what is false": (
        'forbid (principal, action == Action::"ask", resource) when { false };',
        "a",
        "is false",
    ),
    "a chat that isn't": (
        'forbid (principal, action == Action::"ask", resource) when { context has chat && context.chat.platform == '
        '"signal" };',
        "a",
        "`signal`, which isn't there",
    ),
    "a verb that isn't": (
        'forbid (principal, action == Action::"ask", resource) when { ["fly"].contains(resource.verb) };',
        "a",
        "`fly`, which isn't there",
    ),
    "an hour that isn't": (
        'forbid (principal, action == Action::"ask", resource) when { context.hour > 24 };',
        "a",
        "compares context.hour with 24",
    ),
    "a role that nobody gives": (
        'forbid (principal, action == Action::"ask", resource) when { principal.roles.contains("pilot") };',
        "a",
        "the role `pilot`",
    ),
    "a raise that comes to a no": (
        '@tier("3") permit (principal, action in [Action::"ask", Action::"act"], resource == '
        'Playbook::"password_reset") when { context.weekend };',
        "a",
        "refuses password_reset where it fires",
    ),
}


@pytest.mark.parametrize(("text", "rule", "seen"), _SEEN.values(), ids=_SEEN)
def test_what_can_be_seen_of_rules_is_told(
    rules: Callable[..., Rules], text: str, rule: str, seen: str
) -> None:
    found = findings(rules(f'@id("a") @reason("So it is.") {text}').all, Known(PLAYBOOKS))
    assert any(each.check == rule and seen in each.seen and each.remedy for each in found), found


def test_nothing_is_said_of_good_rules(rules: Callable[..., Rules]) -> None:
    known = Known(
        {
            "group_access": replace(
                ACCESS, raised=None, tier=1, consent=agreed_by(2, ("manager", "role:approver"))
            )
        }
    )
    assert findings(rules(CONTRACTORS, NEW_DEVICE).all, known) == []


def test_an_action_that_nothing_permits_is_told(rules: Callable[..., Rules]) -> None:
    only_ask = "\n\n".join(HOUSE.split("\n\n")[:2])
    told = {each.check: each.level for each in findings(rules(house=only_ask).all, Known(PLAYBOOKS))}
    assert told == {"approve": Level.FAIL, "act": Level.FAIL}
