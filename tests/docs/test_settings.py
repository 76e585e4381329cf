"""Every setting is documented, with the default it really has, and no document names one that doesn't exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from handlers.settings import Config, PersonEntry, Settings, load_config
from tests.docs.pages import ROOT, page, pages

SETTINGS = page("docs/settings.md")
VARIABLES = {f"COUNTERSIGN_{name.upper()}": field for name, field in Settings.model_fields.items()}


def section(heading: str) -> str:
    """The text under one third-level heading."""
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", SETTINGS.text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/settings.md has no section `### {heading}`"
    return found[1]


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_is_documented_with_meaning_default_example_and_remedy(variable: str) -> None:
    text = section(variable)
    assert text.strip().partition("\n- ")[0], "it doesn't say what it means"
    for part in ("Default", "Example", "Remedy"):
        assert re.search(rf"^- \*\*{part}:\*\* \S", text, re.MULTILINE), f"it has no {part}"


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_documented_default_is_the_real_one(variable: str) -> None:
    written = re.search(r"^- \*\*Default:\*\* (.+)", section(variable), re.MULTILINE)
    assert written
    default = VARIABLES[variable].default
    match default:
        case str():
            assert written[1] == f"`{default}`"
        case bool():
            assert written[1] == f"`{str(default).lower()}`"
        case int():
            assert written[1] == f"`{default}`"
        case Path():
            assert written[1] == f"`{default.relative_to(ROOT)}` beside `app.py`"
        case tuple():
            assert written[1].startswith("empty") == (default == ())
        case _:
            assert default in (None, PydanticUndefined)
            assert not written[1].startswith("`"), "it has no fixed default"


@pytest.mark.parametrize("key", Config.model_fields)
def test_a_key_of_the_yaml_file_is_documented(key: str) -> None:
    text = section(f"`{key}`")
    assert "Default:" in text
    assert "Remedy:" in text


@pytest.mark.parametrize("key", PersonEntry.model_fields)
def test_a_key_of_a_person_is_documented(key: str) -> None:
    row = re.search(rf"^\| `{key}` \| .+ \| (.+) \|$", section("`people`"), re.MULTILINE)
    assert row, f"people has no row for `{key}`"
    assert (row[1] == "must be given") == PersonEntry.model_fields[key].is_required()


@pytest.mark.parametrize("model", [Settings, Config])
def test_a_setting_describes_itself(model: type[BaseModel]) -> None:
    """The description is the remedy in an error message, so one without is a message without."""
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_the_yaml_examples_are_taken(tmp_path: Path) -> None:
    examples = [
        (each.name, block) for each in (SETTINGS, page("docs/operations.md")) for block in each.blocks("yaml")
    ]
    assert len(examples) > 1, "there is no example, so nothing was checked"
    for name, block in examples:
        file = tmp_path / "countersign.yaml"
        file.write_text(block, encoding="utf-8")
        config = load_config(file)
        known = {person.id for person in config.people}
        named = {id for ids in config.roles.values() for id in ids}
        assert named <= known, f"{name}: an example gives a role to somebody it doesn't list"


def test_documents_and_messages_name_only_variables_that_exist() -> None:
    known = {*VARIABLES}
    sources = [(each.name, each.text) for each in pages()]
    sources += [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for folder in ("bot", "demo", "flows", "handlers", "storage")
        for path in (ROOT / folder).rglob("*.py")
    ]
    unknown = [
        f"{name}: {variable}"
        for name, text in sources
        for variable in re.findall(r"\bCOUNTERSIGN_[A-Z_]*[A-Z]", text)
        if variable not in known
    ]
    assert unknown == []
