"""docs/workspace.md names everything the workspace offers, and its example runs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields

import pytest

from demo.workspace.acts import Acts
from demo.workspace.faults import Fault
from demo.workspace.installed import Installed
from demo.workspace.methods import METHODS
from demo.workspace.page import Page
from demo.workspace.seen import seen
from demo.workspace.serve import application
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from tests.docs.pages import page

TEXT = page("docs/workspace.md").text


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    installed = Installed("secret", "xoxb-1", "xapp-1")
    workspace = Workspace(World(":memory:"), installed, "http://localhost:9")
    yield workspace
    workspace.world.close()


def test_every_address_is_named(workspace: Workspace) -> None:
    routes = {route.resource.canonical for route in application(workspace).router.routes() if route.resource}
    shown = {route.replace("{", "").replace("}", "") for route in routes}
    known = {path: path.replace("method", "METHOD").replace("team/key", "TEAM/KEY") for path in shown}
    assert len(known) > 8
    assert [path for path, named in known.items() if named not in TEXT] == []


def test_every_act_is_named_with_its_arguments() -> None:
    verbs = [name for name, _ in inspect.getmembers(Acts, inspect.isfunction) if not name.startswith("_")]
    assert len(verbs) > 10
    rows = {
        line.split("`")[1].removeprefix("await ").split("(")[0]: line
        for line in TEXT.splitlines()
        if "(who" in line
    }
    assert sorted(rows) == sorted(verbs)
    for verb in verbs:
        asked = [
            name
            for name in inspect.signature(getattr(Acts, verb)).parameters
            if name not in ("self", "values")
        ]
        assert [name for name in asked if name not in rows[verb]] == []


def test_every_kind_of_act_and_every_part_of_a_state_is_named(workspace: Workspace) -> None:
    kinds = Page(workspace).kinds
    member = workspace.world.find("maya")
    assert member is not None
    assert [kind for kind in kinds if f"`{kind}`" not in TEXT] == []
    assert [part for part in seen(workspace, member) if f'"{part}":' not in TEXT] == []


def test_every_method_and_every_field_of_a_fault_is_named() -> None:
    named = [name for name in METHODS if name in TEXT or f"`.{name.rpartition('.')[2]}`" in TEXT]
    assert named == list(METHODS)
    assert [field.name for field in fields(Fault) if f"`{field.name}`" not in TEXT] == []


async def test_the_example_runs() -> None:
    (example,) = page("docs/workspace.md").blocks("python")
    code = compile(example, "docs/workspace.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, object] = {}
    await eval(code, names)  # noqa: S307  our own document
    assert "card" in names
