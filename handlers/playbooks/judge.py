"""Whether a sheet is a page: its shape, and what the shape can't say."""

from __future__ import annotations

import json
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from pydantic import (
    BaseModel,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from flows.digest import JUSTIFICATION
from flows.model import LEAST, LEAST_WAIT, MARGIN, Assurance, Mode, ObjectionRule, Party, SecretKind
from flows.review import REVIEW, days
from handlers.playbooks.page import SECTIONS, Page, spelled
from handlers.playbooks.sheet import Loc, Sheet, keys, remedy_for, section
from handlers.privileged import VERB as PRIVILEGED

Values = Mapping[Loc, Any]

# Whether a password has to be changed at the next sign-in is the verb's to say, so each goes with one kind.
PASSWORD_OF = {
    "set_password": "chosen_password",
    "reset_password": "temporary_password",
    PRIVILEGED: "chosen_password",
}
# Verbs of ours that have nothing to do with a password. What others' verbs mean isn't known here.
WITHOUT_PASSWORD = frozenset({"unlock", "disable", "enable", "add_to_group", "remove_from_group"})

ONE = ("manager", "person:")  # selectors that name one person at most
# What is longest: a challenge (SP 800-63B-4 section 3.1.3.2), a wait for consent, and a secret kept to be shown.
MOST: Mapping[Loc, timedelta] = {
    ("proof", "within"): timedelta(minutes=10),
    ("consent", "within"): timedelta(days=7),
    ("objection", "wait"): timedelta(days=7),
    ("change", "collect_within"): timedelta(minutes=15),
}
#: After a wait nobody sits before their screen, so a link may be looked at as long as it lives.
COLLECTED_LATE = timedelta(hours=1)


def shaped(sheet: Sheet, raw: Mapping[str, Any]) -> Values:
    """The values that have the right shape, by their places; the others are noted."""
    try:
        page = Page.model_validate_json(json.dumps(raw))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    else:
        return dict(_given(page, ()))
    for error in errors:
        if error["loc"] not in sheet.unread:
            sheet.note(error["loc"], *said(error))
    bad = {error["loc"][:n] for error in errors for n in range(1, len(error["loc"]) + 1)}
    return dict(_good(Page, raw, (), bad))


def _given(block: BaseModel, loc: Loc) -> Iterator[tuple[Loc, Any]]:
    for key in keys(type(block)):
        name = "people" if key in ("from", "for") else key
        if name not in block.model_fields_set:
            continue
        value = getattr(block, name)
        yield (*loc, key), value
        if isinstance(value, BaseModel):
            yield from _given(value, (*loc, key))
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _given(item, (*loc, key, index))


def _good(
    model: type[BaseModel], raw: Mapping[str, Any], loc: Loc, bad: Container[Loc]
) -> Iterator[tuple[Loc, Any]]:
    """The same of a page that has errors: whatever is right beside them is judged all the same."""
    for key, field in keys(model).items():
        here = (*loc, key)
        if key not in raw:
            continue
        if here not in bad:
            shape: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
            yield here, shape.validate_json(json.dumps(raw[key]), strict=True)
        blocks = raw[key] if isinstance(raw[key], list) else [raw[key]]
        for index, block in enumerate(blocks):
            if model is Page and key in SECTIONS and isinstance(block, dict):
                place = (*here, index) if isinstance(raw[key], list) else here
                yield from _good(SECTIONS[key], block, place, bad)


def said(error: ErrorDetails) -> tuple[str, str]:
    """What was wrong and what to do, where the key's own description isn't the best advice."""
    known = ", ".join(f"`{key}`" for key in section(error["loc"]))
    match error["type"]:
        case "missing":
            return "is missing", ""
        case "extra_forbidden":
            close = get_close_matches(str(error["loc"][-1]), section(error["loc"]), n=1)
            return "is not a key here", f"Did you mean `{close[0]}`?" if close else f"Known are {known}."
        case "enum":
            return f"is `{error['input']}`, not one of {error['ctx']['expected']}", ""
        case "string_type" | "enum_type":
            return (
                "is not text",
                f"{remedy_for(error['loc'])} Put quotes around a text that looks like a number.",
            )
        case "int_type":
            return "is not a whole number", ""
        case "bool_type":
            return "is neither `true` nor `false`", ""
        case "tuple_type":
            return "is not a list", ""
        case "model_type":
            return "has no keys below it", ""
        case "string_pattern_mismatch":
            return f"is `{error['input']}`, which doesn't fit", ""
        case "too_long" | "string_too_long":
            return "is too long", ""
        case "too_short":
            return "is empty", ""
        case "greater_than_equal":
            return f"is less than {error['ctx']['ge']}", ""
        case "less_than_equal":
            return f"is more than {error['ctx']['le']}", ""
        case "duration":
            example = (
                "Write a whole number of minutes, hours or days, such as `10 minutes`, `1 hour` or `2 days`."
            )
            return f"is `{error['input']}`, which is not a duration", example
        case _:
            return error["msg"], ""


def judge(sheet: Sheet, page: Values, connectors: Mapping[str, frozenset[str]] | None) -> None:
    """What the shape can't say: the connector, strength against tier, times, quorum, and the form's names."""
    _judge_change(sheet, page, connectors)
    tier, assurance = page.get(("tier",)), page.get(("proof", "assurance"))
    if tier is not None and assurance is not None and assurance < LEAST[tier]:
        remedy = f"Write `{LEAST[tier]}` or stronger."
        sheet.note(("proof", "assurance"), f"is `{assurance}`, too weak for tier {tier}", remedy)
    if page.get(("proof", "device_bound")) and assurance not in (None, Assurance.PHISHING_RESISTANT):
        remedy = "Write `assurance: phishing_resistant`, or leave it out."
        sheet.note(("proof", "device_bound"), "is given, but only a passkey stays on one device", remedy)
    _judge_objection(sheet, page)
    _judge_modes(sheet, page)
    waits = ("objection",) in page and page.get(("change", "hands_out")) is SecretKind.ENROLMENT_LINK
    late: Mapping[Loc, timedelta] = {("change", "collect_within"): COLLECTED_LATE} if waits else {}
    for loc, most in {**MOST, **late}.items():
        if page.get(loc, timedelta(0)) > most:
            sheet.note(loc, f"is longer than {spelled(most)}")
    _judge_consent(sheet, page)
    names = {JUSTIFICATION}  # it enters the digest under this name
    for loc, name in page.items():
        if loc[0] == "form" and loc[-1] == "name":
            if name in names:
                sheet.note(loc, f"is `{name}`, which is taken")
            names.add(name)
        others = (page.get((*loc[:-1], other)) for other in ("choices", "personal"))
        if loc[0] == "form" and loc[-1] == "name" and name == REVIEW:
            _judge_review(sheet, page, loc)
        if loc[0] == "form" and loc[-1] == "reference" and name and any(others):
            sheet.note(loc, "can't go with choices or with personal")


def judge_selectors(sheet: Sheet, page: Values, schedules: Collection[str] | None) -> None:
    """An owner is that of the group which the form names in clear, and a schedule one of those that are known."""
    further = [("further_consent", index) for index in range(len(page.get(("further_consent",), ())))]
    places: list[Loc] = [(*group, key) for group in (("consent",), *further) for key in ("from", "otherwise")]
    named = [((*place, index), who) for place in places for index, who in enumerate(page.get(place, ()))]
    for place, who in named:
        kind, _, name = who.partition(":")
        if kind == "owner" and not _names_group(page):
            remedy = "Add a field `group` to the form, with `choices` or as a `reference`."
            sheet.note(place, "is `owner`, and no field says whose group", remedy)
        if kind == "on_call" and schedules is not None and name not in schedules:
            wrong = f"is `{who}`, and there is no such schedule"
            remedy = f"There is {_either(schedules)}: `on_call` in the configuration file names them."
            sheet.note(place, wrong, remedy)


def _names_group(page: Values) -> bool:
    """Whether the form has a field `group` whose answer is part of the request as it is."""
    fields = [
        loc[:-1] for loc, name in page.items() if loc[0] == "form" and name == "group" and loc[-1] == "name"
    ]
    return any(
        (page.get((*field, "choices")) or page.get((*field, "reference")))
        and not page.get((*field, "personal"))
        for field in fields
    )


def _judge_review(sheet: Sheet, page: Values, loc: Loc) -> None:
    """In how many days what was given is looked at again: one of a few choices, so that it is evidence."""
    choices = (*loc[:-1], "choices")
    if choices not in page and choices in sheet.lines:
        return  # it was told already
    given = page.get(choices, ())
    if not given or page.get((*loc[:-1], "personal")) or any(days(each) is None for each in given):
        wrong = f"is `{REVIEW}`, which asks in how many days somebody looks at it again"
        sheet.note(loc, wrong, "Give it choices such as `90 days`, at most `365 days`, and no `personal`.")


def _judge_consent(sheet: Sheet, page: Values) -> None:
    """Quorums that can be met, groups in an order, and a proof that lasts until the last of them had their time."""
    further = [("further_consent", index) for index in range(len(page.get(("further_consent",), ())))]
    if further and ("consent",) not in sheet.lines:
        sheet.note(("further_consent",), "comes without `consent`", "Name the first group under `consent`.")
    time = page.get(("consent", "within"), timedelta(0))
    for group in (("consent",), *further):
        people = (*page.get((*group, "from"), ()), *page.get((*group, "otherwise"), ()))
        quorum, within = page.get((*group, "quorum"), 1), page.get((*group, "within"))
        if people and quorum > len(people) and all(who.startswith(ONE) for who in people):
            sheet.note((*group, "quorum"), f"is {quorum}, but at most {len(people)} could ever agree")
        if group in further and page.get((*group, "when")) == "together" and within is not None:
            wrong = "is given, but they are asked at the same time as the group before"
            sheet.note((*group, "within"), wrong, "Leave it out, or write `when: afterwards`.")
        elif group in further and page.get((*group, "when")) == "afterwards" and within is None:
            sheet.note(group, "doesn't say how long they have", "Write `within`, such as `within: 1 day`.")
        elif group in further:
            time += within or timedelta(0)
            if within is not None and within > MOST["consent", "within"]:
                sheet.note((*group, "within"), f"is longer than {spelled(MOST['consent', 'within'])}")
    if ("proof", "lasts") in page and page["proof", "lasts"] <= time:
        sheet.note(("proof", "lasts"), "ends before the others have had their time to agree")


def _judge_objection(sheet: Sheet, page: Values) -> None:
    """A wait comes after the manager's consent to what was confirmed with a passkey, and the proof outlasts it."""
    if ("objection",) not in page:
        return
    if page.get(("further_consent",)):
        wrong = "can't go with a wait for objections"
        sheet.note(("further_consent",), wrong, "Name everybody who is asked under `consent`.")
    wait = page.get(("objection", "wait"), timedelta(days=1))
    if wait < LEAST_WAIT:
        sheet.note(("objection", "wait"), f"is shorter than {spelled(LEAST_WAIT)}")
        return
    unsaid = (
        () if ("consent", "from") not in sheet.lines else ("manager",)
    )  # or wrong, which was told already
    if "manager" not in page.get(("consent", "from"), unsaid):
        wrong = "comes without the manager's consent"
        sheet.note(("objection",), wrong, "Name `manager` among those whom `consent` is asked `from`.")
    if page.get(("proof", "assurance"), Assurance.PHISHING_RESISTANT) < Assurance.PHISHING_RESISTANT:
        wrong = "is too weak for what others can object to"
        sheet.note(("proof", "assurance"), wrong, "Write `phishing_resistant`.")
    if page.get(("change", "takes"), "none") != "none":
        sheet.note(("change", "takes"), "can't wait for objections", "Leave out `objection`.")
    needed = page.get(("consent", "within"), timedelta(0)) + ObjectionRule(wait).longest + MARGIN
    if ("proof", "lasts") in page and page["proof", "lasts"] < needed:
        wrong = "ends before everybody has had their time to agree and to object, weekends included"
        sheet.note(("proof", "lasts"), wrong, f"Write `{spelled(needed)}` or longer.")


def _judge_modes(sheet: Sheet, page: Values) -> None:
    """Each phase can be reached, where it isn't required it says where to turn, and what has no other way works."""
    seen: set[str] = set()
    for loc, people in page.items():
        if loc[0] != "modes" or loc[-1] != "for":
            continue
        if "everyone" in seen:
            sheet.note(loc, "is never reached", "Write `everyone` in the last place, or leave this out.")
        elif people in seen:
            sheet.note(loc, f"is `{people}` once more, and the first counts", "Keep one of them.")
        seen.add(people)
    modes = {loc: mode for loc, mode in page.items() if loc[0] == "modes" and loc[-1] == "mode"}
    if page.get(("change", "connector")) == "countersign" or page.get(("protects",)):
        for loc, mode in modes.items():
            if mode is Mode.OBSERVE:
                wrong = "is `observe`, but there is no other way to devices, chat accounts and freezes"
                sheet.note(loc, wrong, "Write `offer` or `require`.")
    if set(modes.values()) - {Mode.REQUIRE} and ("guidance", "meanwhile") not in sheet.lines:
        sheet.note(("guidance", "meanwhile"), "is missing, while it isn't required of everyone")


def _judge_change(sheet: Sheet, page: Values, connectors: Mapping[str, frozenset[str]] | None) -> None:
    handed = ("change", "hands_out")
    unsaid = SecretKind.NONE if handed not in sheet.lines else None
    nothing = page.get(handed, unsaid) is SecretKind.NONE
    takes = page.get(("change", "takes"), "none") != "none"
    if ("change", "collect_within") in page and nothing and not takes:
        sheet.note(("change", "collect_within"), "is given, but nothing is handed out or chosen")
    if takes and page.get(("proof", "by"), Party.SUBJECT) is not Party.SUBJECT:
        wrong = "would let somebody choose another person's password"
        sheet.note(("change", "takes"), wrong, "Write `by: subject` under `proof`.")
    if takes and not nothing:
        sheet.note(
            ("change", "takes"), "can't go with `hands_out`", "A password is chosen or handed out: keep one."
        )
    connector, verb = page.get(("change", "connector")), page.get(("change", "verb"))
    if verb == PRIVILEGED:
        _judge_privileged(sheet, page)
    if verb in PASSWORD_OF:
        if takes or not nothing:
            _judge_password(sheet, verb, chosen=takes)
        else:
            chosen = PASSWORD_OF[verb] == "chosen_password"
            other = "takes: chosen_password" if chosen else "hands_out: temporary_password"
            sheet.note(
                ("change", "verb"), f"is `{verb}`, and no password is chosen or made", f"Write `{other}`."
            )
    elif verb in WITHOUT_PASSWORD and (takes or page.get(handed) is SecretKind.TEMPORARY_PASSWORD):
        wrong = f"is `{verb}`, which takes no password"
        sheet.note(("change", "verb"), wrong, "Leave `takes` or `hands_out` out, or write another verb.")
    if connectors is None or connector is None:
        return
    if connector not in connectors:
        wrong = f"is `{connector}`, which isn't connected"
        sheet.note(("change", "connector"), wrong, f"There is {_either(connectors)}.")
    elif verb is not None and verb not in connectors[connector]:
        wrong = f"is `{verb}`, which `{connector}` can't do"
        sheet.note(("change", "verb"), wrong, f"`{connector}` can {_either(connectors[connector])}.")


def _judge_privileged(sheet: Sheet, page: Values) -> None:
    """What opens a privileged account takes everybody's passkey and two people's consent, whoever writes the page."""
    if page.get(("tier",), 3) < 3:
        wrong = f"is {page['tier',]}, too low for the passwords of privileged accounts"
        sheet.note(("tier",), wrong, "Write 3.")
    unsaid = 2 if ("consent", "quorum") in sheet.lines else 0  # or wrong, which was told already
    further = page.get(("further_consent",), ())
    if page.get(("consent", "quorum"), unsaid) + sum(group.quorum for group in further) < 2:
        wrong = "doesn't take two people, as privileged accounts do"
        sheet.note(("consent",), wrong, "Write it with a `quorum` of 2 or more.")


def _judge_password(sheet: Sheet, verb: str, *, chosen: bool) -> None:
    """One that was handed out has to be changed at the next sign-in, and one that was chosen doesn't."""
    if chosen is not (PASSWORD_OF[verb] == "chosen_password"):
        other = next(name for name, kind in PASSWORD_OF.items() if kind != PASSWORD_OF[verb])
        wrong = f"is `{verb}`, which goes with a password of the other kind"
        sheet.note(("change", "verb"), wrong, f"Write `{other}`, or change what is handed out or chosen.")


def _either(words: Iterable[str]) -> str:
    return " or ".join(f"`{word}`" for word in sorted(words)) or "nothing"
