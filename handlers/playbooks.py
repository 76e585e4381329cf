"""Request types as data: each YAML file of a folder becomes a Playbook, or one error says all that is wrong.

What is hashed, stored and pinned to requests is the validated content as canonical JSON (RFC 8785), never
the file's bytes: comments, layout, key order and spelled-out defaults change nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import rfc8785
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

import flows.model
from flows.digest import JUSTIFICATION
from flows.model import ApprovalRule, Asker, Assurance, Party, Playbook, SecretKind

Loc = tuple[int | str, ...]  # a place in a file, as pydantic names it
Values = Mapping[Loc, Any]

CAP = 64 * 1024  # bytes of one file
DEPTH = 8  # levels of nesting; the shape below needs 4
ROOT_FIELD = "the file"
# What is longest: a challenge (SP 800-63B-4 section 3.1.3.2), a wait for consent, and a secret kept to be shown.
MOST: Mapping[Loc, timedelta] = {
    ("proof", "within"): timedelta(minutes=10),
    ("consent", "within"): timedelta(days=7),
    ("change", "collect_within"): timedelta(minutes=15),
}
LEAST = (
    Assurance.SINGLE_FACTOR,
    Assurance.MULTI_FACTOR,
    Assurance.MULTI_FACTOR,
    Assurance.PHISHING_RESISTANT,
)


# -- what a file may say --------------------------------------------------------------------
# Each description is the remedy people read when that key is missing or wrong.


UNITS = {"day": 86400, "hour": 3600, "minute": 60}
DURATION = re.compile(r"([1-9][0-9]{0,3}) (minute|hour|day)s?")


def duration(text: object) -> timedelta:
    """`10 minutes`, `1 hour`, `2 days`. Anything else is refused."""
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PydanticCustomError("duration", "is not a duration")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def spelled(length: timedelta) -> str:
    """The one spelling of a duration, in the largest unit that fits: `60 minutes` is `1 hour`."""
    seconds = int(length.total_seconds())
    unit = next(unit for unit, size in UNITS.items() if seconds % size == 0)
    count = seconds // UNITS[unit]
    return f"{count} {unit}{'s' if count != 1 else ''}"


def _tidy(text: str) -> str:
    if not (tidied := " ".join(text.split())):
        raise PydanticCustomError("empty", "is empty")
    return tidied


def _phrase(text: str) -> str:
    if text.count("{subject}") != 1 or set("{}") & set(text.replace("{subject}", "")):
        raise PydanticCustomError("phrase", "does not name the subject as `{subject}`, once and nothing else")
    return text


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(items)) < len(items):
        raise PydanticCustomError("twice", "names something twice")
    return items


def sha256(content: str) -> str:
    """The hash a playbook is pinned by: SHA-256 of its content, in hex."""
    return hashlib.sha256(content.encode()).hexdigest()


Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Line = Annotated[str, Field(max_length=120), AfterValidator(_tidy)]
Text = Annotated[str, Field(max_length=600), AfterValidator(_tidy)]
Approver = Annotated[str, Field(pattern=r"^(manager|role:[a-z][a-z0-9_]{0,39}|person:\S{1,64})$")]
Duration = Annotated[timedelta, PlainValidator(duration), PlainSerializer(spelled)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Ask(_Block):
    who: Annotated[
        tuple[Asker, ...], AfterValidator(_distinct), AfterValidator(lambda w: tuple(sorted(w)))
    ] = Field(min_length=1, description="List who may ask, such as `[self, manager]`.")


class _Proof(_Block):
    by: Party = Field(description="Write `requester` or `subject`: whoever has to confirm it is really them.")
    assurance: Assurance = Field(
        description="Write how strong it has to be: `multi_factor` or `phishing_resistant`."
    )
    within: Duration = Field(description="Write how long they have, at most `10 minutes`.")
    lasts: Duration = Field(
        description="Write how long the proof holds, such as `1 hour`; longer than others have to agree."
    )


class _Consent(_Block):
    quorum: Annotated[int, Field(ge=1, le=9)] = Field(
        description="Write how many different people have to agree: 1 or more, and no more than there can be."
    )
    people: Annotated[tuple[Approver, ...], AfterValidator(_distinct)] = Field(
        alias="from",
        min_length=1,
        description="List who may agree: `manager`, `role:NAME` or `person:ID`, each once.",
    )
    within: Duration = Field(description="Write how long they have, such as `1 day`, at most `7 days`.")


class _FormField(_Block):
    name: Word = Field(description="Write a short name of its own, in small letters, digits and underscores.")
    label: Line = Field(description="Write the words beside the field, up to 120 characters.")
    help: Annotated[str, Field(max_length=300)] = Field(
        default="", description="Write a sentence under the field, up to 300 characters, or leave it out."
    )
    required: bool = Field(default=True, description="Write `true` or `false`.")
    max_length: Annotated[int, Field(ge=1, le=500)] = Field(
        default=500, description="Write a number of characters from 1 to 500."
    )
    choices: Annotated[tuple[Line, ...], AfterValidator(_distinct)] = Field(
        default=(),
        description='List the answers to choose from, each once; put quotes around "yes" and "no".',
    )
    personal: bool = Field(
        default=False, description="Write `true` if the answer says something about a person."
    )
    reference: bool = Field(
        default=False,
        description="Write `true` only for an id picked from a list, without choices, not personal.",
    )


class _Change(_Block):
    connector: Word = Field(description="Write the name of the system that makes the change.")
    verb: Word = Field(description="Write what that system has to do.")
    hands_out: SecretKind = Field(
        default=SecretKind.NONE, description="Write `none`, `temporary_password` or `enrolment_link`."
    )
    collect_within: Duration = Field(
        default=timedelta(minutes=15),
        description="Where something is handed out, write how long it waits, at most `15 minutes`.",
    )


class _Guidance(_Block):
    requester: Text | None = Field(default=None, description="Write a sentence or two for whoever asks.")
    subject: Text | None = Field(default=None, description="Write a sentence or two for whom it is about.")
    approver: Text | None = Field(default=None, description="Write a sentence or two for whoever may agree.")
    agent: Text | None = Field(default=None, description="Write a sentence or two for the desk.")


class _Page(_Block):
    name: Word = Field(description="Write a lasting name in small letters, digits and underscores.")
    version: Annotated[int, Field(ge=1, le=999_999)] = Field(
        description="Write a whole number from 1; count up with every change."
    )
    title: Line = Field(description="Write what people see in lists, such as `Password reset`.")
    phrase: Annotated[Line, AfterValidator(_phrase)] = Field(
        description="Write the ask in one line, such as `Reset the password of {subject}`."
    )
    tier: Annotated[int, Field(ge=0, le=3)] = Field(
        description="Write 0 (changes no access), 1 (one's own account), 2 (gives access) or 3 (privileged)."
    )
    ask: _Ask = Field(description="Say below it `who` may ask.")
    proof: _Proof = Field(description="Say below it `by` whom, `assurance`, `within` and `lasts`.")
    consent: _Consent | None = Field(default=None, description="Say below it `quorum`, `from` and `within`.")
    form: tuple[_FormField, ...] = Field(
        default=(), max_length=20, description="List at most 20 fields, each with a name of its own."
    )
    justification: bool = Field(default=False, description="Write `true` if people have to say why.")
    change: _Change = Field(description="Say below it which `connector` does what: its `verb`.")
    handed_to: Word = Field(description="Write the role that settles what could not be confirmed.")
    guidance: _Guidance = Field(
        default=_Guidance(), description="Write texts for `requester`, `subject` and so on."
    )

    def content(self) -> str:
        return rfc8785.dumps(self.model_dump(mode="json", by_alias=True)).decode()

    def playbook(self, content: str) -> Playbook:
        rule = self.consent
        return Playbook(
            name=self.name,
            version=self.version,
            hash=sha256(content),
            title=self.title,
            phrase=self.phrase,
            connector=self.change.connector,
            verb=self.change.verb,
            tier=self.tier,
            askers=frozenset(self.ask.who),
            prover=self.proof.by,
            assurance=self.proof.assurance,
            prove_within=self.proof.within,
            proof_lasts=self.proof.lasts,
            handed_to=self.handed_to,
            fields=tuple(flows.model.Field(**field.model_dump()) for field in self.form),
            justification=self.justification,
            consent=ApprovalRule(rule.quorum, rule.people, rule.within) if rule else None,
            secret=self.change.hands_out,
            collect_within=self.change.collect_within,
            guidance={who: text for who, text in self.guidance if text},
        )


SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "ask": _Ask,
        "proof": _Proof,
        "consent": _Consent,
        "form": _FormField,
        "change": _Change,
        "guidance": _Guidance,
    }
)


# -- what was wrong -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where, at which key (dotted, list items counted from 1), what, and what to do."""

    file: str
    line: int
    field: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field} {self.wrong}. {self.remedy}"


class PlaybookError(Exception):
    """Some playbooks can't be used. Holds every problem found in all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count} in the playbooks:", *map(str, self.problems)]))


class _Sheet:
    """One file while it is read: its tree for finding lines, and what was wrong with it so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.unread: set[Loc] = set()  # places already told about, whose value is a stand-in
        self.lines: dict[Loc, int] = {(): 1}

    def note(self, loc: Loc, wrong: str, remedy: str = "", *, line: int | None = None) -> None:
        if line is None:
            line = next(self.lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in self.lines)
        field = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc) or ROOT_FIELD
        self.problems.append(Problem(self.file, line, field, wrong, remedy or _remedy(loc)))

    # -- bytes → text → tree → plain values

    def read(self, path: Path) -> Mapping[str, Any] | None:
        """What the file says in plain values, or None when that can't be told."""
        try:
            with path.open("rb") as file:
                raw = file.read(CAP + 1)
            if len(raw) <= CAP:
                return self._parsed(raw.decode())
            self.note((), "is larger than 64 KiB", "A playbook is about a page; shorten it.")
        except OSError as error:
            self.note((), f"can't be read ({error.strerror})", "Check what it is and who may read it.")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self.note((), "is not UTF-8 text", "Save it again as UTF-8.", line=line)
        return None

    def _parsed(self, text: str) -> Mapping[str, Any] | None:
        try:
            tree = yaml.compose(text, Loader=yaml.SafeLoader) if self._plain(text) else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            wrong = f"is not YAML here: {error.problem or error.context}"
            remedy = "Check indentation and colons, and put quotes around text with special signs."
            self.note((), wrong, remedy, line=mark.line + 1 if mark else 1)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.note((), "holds a control character", "Remove it and type the line again.", line=line)
        else:
            if isinstance(tree, yaml.MappingNode):
                return self._mapping(tree, ())
            if not self.problems:
                self.note((), "has no keys", "Begin with `name:` and `version:`, each on its own line.")
        return None

    def _plain(self, text: str) -> bool:
        """No aliases, anchors, tags, second document or deep nesting. Events neither recurse nor expand."""
        depth = documents = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            opens = isinstance(event, yaml.CollectionStartEvent)
            depth += opens - isinstance(event, yaml.CollectionEndEvent)
            documents += isinstance(event, yaml.DocumentStartEvent)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                self.note((), "uses a YAML anchor or alias", "Write the value itself.", line=line)
            elif tag := getattr(event, "tag", None):
                self.note((), "uses a YAML tag", f"Remove `{tag}` and write a plain value.", line=line)
            elif depth > DEPTH:
                self.note((), f"is nested deeper than {DEPTH} levels", "Write it flatter.", line=line)
            elif documents > 1:
                self.note((), "holds more than one document", "Make a file for each.", line=line)
            if self.problems:
                return False
        return True

    def _value(self, node: yaml.Node, loc: Loc) -> object:
        match node:
            case yaml.MappingNode():
                return self._mapping(node, loc)
            case yaml.SequenceNode():
                for index, item in enumerate(node.value):
                    self.lines[*loc, index] = item.start_mark.line + 1
                return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str" or not key.value.isprintable():
                shown = isinstance(key.value, str) and key.value.isprintable()
                here = (*loc, key.value[:40]) if shown else loc
                self.note(here, "is not a plain word", "Write each key here as one plain word.", line=line)
            elif key.value in values:
                first = self.lines[*loc, key.value]
                remedy = f"Keep one; the first is in line {first}."
                self.note((*loc, key.value), "is given twice", remedy, line=line)
            else:
                self.lines[*loc, key.value] = line
                values[key.value] = self._value(value, (*loc, key.value))
        return values

    def _scalar(self, node: yaml.Node, loc: Loc) -> object:
        """Text, true or false, or a decimal number; not what YAML makes of dates, `~` or octals."""
        try:
            value = yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError):
            value = None
        if isinstance(value, str):
            if not " ".join(value.split()).isprintable():
                self.unread.add(loc)
                self.note(loc, "holds characters that can't be seen", "Type it again without them.")
                return ""
            return value
        if isinstance(value, bool) or re.fullmatch(r"-?(0|[1-9][0-9]{0,8})", node.value):
            return value
        self.unread.add(loc)
        remedy = f"{_remedy(loc)} Put it in quotes if it is text.".strip()
        if node.value:
            self.note(loc, f"is `{node.value:.40}`, which YAML reads in its own way", remedy)
        else:
            self.note(loc, "is empty", _remedy(loc) or "Leave it out.")
        return ""


def _keys(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _section(loc: Loc) -> Mapping[str, FieldInfo]:
    """The keys that may stand beside the last one of `loc`."""
    words = [part for part in loc if isinstance(part, str)]
    return _keys(SECTIONS[words[0]]) if len(words) > 1 and words[0] in SECTIONS else _keys(_Page)


def _remedy(loc: Loc) -> str:
    """The description of the nearest key, which says what to write there."""
    words = [part for part in loc if isinstance(part, str)]
    if not words or words[-1] not in _section(loc):
        return ""
    return _section(loc)[words[-1]].description or ""


# -- judging --------------------------------------------------------------------------------


def _shaped(sheet: _Sheet, raw: Mapping[str, Any]) -> Values:
    """The values that have the right shape, by their places; the others are noted."""
    try:
        page = _Page.model_validate_json(json.dumps(raw))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    else:
        return dict(_given(page, ()))
    for error in errors:
        if error["loc"] not in sheet.unread:
            sheet.note(error["loc"], *_said(error))
    bad = {error["loc"][:n] for error in errors for n in range(1, len(error["loc"]) + 1)}
    return dict(_good(_Page, raw, (), bad))


def _given(block: BaseModel, loc: Loc) -> Iterator[tuple[Loc, Any]]:
    for key in _keys(type(block)):
        name = "people" if key == "from" else key
        if name not in block.model_fields_set:
            continue
        value = getattr(block, name)
        yield (*loc, key), value
        if isinstance(value, BaseModel):
            yield from _given(value, (*loc, key))
        elif key == "form":
            for index, item in enumerate(value):
                yield from _given(item, (*loc, key, index))


def _good(
    model: type[BaseModel], raw: Mapping[str, Any], loc: Loc, bad: Container[Loc]
) -> Iterator[tuple[Loc, Any]]:
    """The same of a page that has errors: whatever is right beside them is judged all the same."""
    for key, field in _keys(model).items():
        here = (*loc, key)
        if key not in raw:
            continue
        if here not in bad:
            shape: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
            yield here, shape.validate_json(json.dumps(raw[key]), strict=True)
        blocks = raw[key] if isinstance(raw[key], list) else [raw[key]]
        for index, block in enumerate(blocks):
            if model is _Page and key in SECTIONS and isinstance(block, dict):
                place = (*here, index) if key == "form" else here
                yield from _good(SECTIONS[key], block, place, bad)


def _said(error: ErrorDetails) -> tuple[str, str]:
    """What was wrong and what to do, where the key's own description isn't the best advice."""
    known = ", ".join(f"`{key}`" for key in _section(error["loc"]))
    match error["type"]:
        case "missing":
            return "is missing", ""
        case "extra_forbidden":
            close = get_close_matches(str(error["loc"][-1]), _section(error["loc"]), n=1)
            return "is not a key here", f"Did you mean `{close[0]}`?" if close else f"Known are {known}."
        case "enum":
            return f"is `{error['input']}`, not one of {error['ctx']['expected']}", ""
        case "string_type" | "enum_type":
            return (
                "is not text",
                f"{_remedy(error['loc'])} Put quotes around a text that looks like a number.",
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


def _judge(sheet: _Sheet, page: Values, connectors: Mapping[str, frozenset[str]] | None) -> None:
    """What the shape can't say: the connector, strength against tier, times, quorum, and the form's names."""
    _judge_change(sheet, page, connectors)
    tier, assurance = page.get(("tier",)), page.get(("proof", "assurance"))
    if tier is not None and assurance is not None and assurance < LEAST[tier]:
        remedy = f"Write `{LEAST[tier]}` or stronger."
        sheet.note(("proof", "assurance"), f"is `{assurance}`, too weak for tier {tier}", remedy)
    for loc, most in MOST.items():
        if page.get(loc, timedelta(0)) > most:
            sheet.note(loc, f"is longer than {spelled(most)}")
    people, quorum = page.get(("consent", "from"), ()), page.get(("consent", "quorum"), 1)
    if people and quorum > len(people) and not any(who.startswith("role:") for who in people):
        sheet.note(("consent", "quorum"), f"is {quorum}, but at most {len(people)} could ever agree")
    if ("proof", "lasts") in page and page["proof", "lasts"] <= page.get(("consent", "within"), timedelta(0)):
        sheet.note(("proof", "lasts"), "ends before the others have had their time to agree")
    names = {JUSTIFICATION}  # it enters the digest under this name
    for loc, name in page.items():
        if loc[0] == "form" and loc[-1] == "name":
            if name in names:
                sheet.note(loc, f"is `{name}`, which is taken")
            names.add(name)
        others = (page.get((*loc[:-1], other)) for other in ("choices", "personal"))
        if loc[0] == "form" and loc[-1] == "reference" and name and any(others):
            sheet.note(loc, "can't go with choices or with personal")


def _judge_change(sheet: _Sheet, page: Values, connectors: Mapping[str, frozenset[str]] | None) -> None:
    unsaid = SecretKind.NONE if ("change", "hands_out") not in sheet.lines else None
    nothing = page.get(("change", "hands_out"), unsaid) is SecretKind.NONE
    if ("change", "collect_within") in page and nothing:
        sheet.note(("change", "collect_within"), "is given, but nothing is handed out")
    connector, verb = page.get(("change", "connector")), page.get(("change", "verb"))
    if connectors is None or connector is None:
        return
    if connector not in connectors:
        wrong = f"is `{connector}`, which isn't connected"
        sheet.note(("change", "connector"), wrong, f"There is {_either(connectors)}.")
    elif verb is not None and verb not in connectors[connector]:
        wrong = f"is `{verb}`, which `{connector}` can't do"
        sheet.note(("change", "verb"), wrong, f"`{connector}` can {_either(connectors[connector])}.")


def _either(words: Iterable[str]) -> str:
    return " or ".join(f"`{word}`" for word in sorted(words)) or "nothing"


# -- the way in -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Playbooks(Mapping[str, Playbook]):
    """The playbooks in force by name, the same by hash, and by hash the content to store beside each."""

    by_name: Mapping[str, Playbook]
    by_hash: Mapping[str, Playbook]
    contents: Mapping[str, str]

    def __getitem__(self, name: str) -> Playbook:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def rows(self) -> list[dict[str, Any]]:
        """Each as hash, name, version and content, to be stored before any request is pinned to it."""
        return [
            {"hash": hash, "name": playbook.name, "version": playbook.version, "content": self.contents[hash]}
            for hash, playbook in self.by_hash.items()
        ]


def load(folder: Path, *, connectors: Mapping[str, frozenset[str]] | None = None) -> Playbooks:
    """Every *.yaml of a folder. `connectors`: the verbs of each, to check what playbooks ask of them.

    Raises PlaybookError with all that is wrong in all files; then none of them is used.
    """
    pages: dict[str, tuple[Path, _Page]] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.y*ml")):
        sheet = _Sheet(str(path))
        page = _read(sheet, path, connectors)
        if page is not None and page.name in pages:
            sheet.note(
                ("name",), f"is `{page.name}`, as in {pages[page.name][0].name}", "Choose another name."
            )
        elif page is not None:
            pages[page.name] = path, page
        problems += sheet.problems
    if not pages and not problems:
        problems = [
            Problem(str(folder), 1, ROOT_FIELD, "holds no playbook", "Put *.yaml files into this folder.")
        ]
    if problems:
        raise PlaybookError(problems)
    contents = [(page, page.content()) for _, page in pages.values()]
    playbooks = [page.playbook(content) for page, content in contents]
    return Playbooks(
        MappingProxyType({playbook.name: playbook for playbook in playbooks}),
        MappingProxyType({playbook.hash: playbook for playbook in playbooks}),
        MappingProxyType({sha256(content): content for _, content in contents}),
    )


def _read(sheet: _Sheet, path: Path, connectors: Mapping[str, frozenset[str]] | None) -> _Page | None:
    if path.suffix != ".yaml":
        sheet.note((), "would be passed over", f"Call it {path.stem}.yaml.")
        return None
    raw = sheet.read(path)
    if raw is None:
        return None
    _judge(sheet, _shaped(sheet, raw), connectors)
    sheet.problems.sort(key=attrgetter("line"))
    return None if sheet.problems else _Page.model_validate_json(json.dumps(raw))


def from_content(text: str) -> Playbook:
    """A playbook from its stored content, hashed anew: compare `hash` with the one it was pinned by.

    Only its shape is judged, so that rules made stricter since then strand no open request.
    Raises PlaybookError if this isn't canonical content of a playbook.
    """
    try:
        canonical = rfc8785.dumps(json.loads(text)).decode()
        page = _Page.model_validate_json(text)
        if text == canonical:
            return page.playbook(text)
        reason = "is not canonical JSON"
    except (ValueError, RecursionError) as error:  # of json, pydantic, rfc8785 and Playbook itself
        reason = f"can't be used ({type(error).__name__})"
    problem = Problem(
        "stored content", 1, ROOT_FIELD, reason, "It was changed after it was stored; restore it."
    )
    raise PlaybookError([problem])
