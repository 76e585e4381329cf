"""What the documents say is so: links lead somewhere, commands exist, examples work, big words stay out."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app import cli
from bot import socket
from handlers.playbooks import load
from storage.sql import TABLES
from tests.company import company
from tests.docs.pages import ROOT, Page, page, pages

PAGES = {each.name: each for each in pages()}
CODE = ("app.py", "bot", "demo", "flows", "handlers", "storage")
EVERY_PAGE = pytest.mark.parametrize("document", PAGES.values(), ids=PAGES.keys())


# -- links ------------------------------------------------------------------------------------


@EVERY_PAGE
def test_links_lead_somewhere(document: Page) -> None:
    targets = [
        target for target in re.findall(r"\]\(([^)\s]+)\)", document.prose) if not re.match("[a-z]+:", target)
    ]
    assert [target for target in targets if not leads_somewhere(document, target)] == []


def leads_somewhere(document: Page, target: str) -> bool:
    """True when a relative link's file exists and, in a document, has the heading behind `#`."""
    where, _, anchor = target.partition("#")
    path = (document.path.parent / where).resolve() if where else document.path
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or anchor in page(str(path.relative_to(ROOT))).anchors()


@EVERY_PAGE
def test_files_named_in_the_prose_exist(document: Page) -> None:
    """`handlers/ports.py`, `docs/decisions/`: paths from the root, wherever they are named."""
    rooms = "app.py|bench|bot|demo|docs|flows|handlers|playbooks|pyproject.toml|storage|tests"
    named = re.findall(rf"`((?:{rooms})(?:/[\w./-]*)?)`", document.prose)
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


# -- claims -----------------------------------------------------------------------------------


@EVERY_PAGE
def test_no_document_claims_what_nobody_can_keep(document: Page) -> None:
    forbidden = re.compile(
        r"exactly[ -]once|unbreakable|unhackable|enterprise[ -]grade|military|bullet[ -]?proof|"
        r"100 ?% secure|zero risk|world[ -]class|state[ -]of[ -]the[ -]art",
        re.IGNORECASE,
    )
    assert forbidden.findall(" ".join(document.text.split())) == []


# -- commands ---------------------------------------------------------------------------------


def spoken(document: Page) -> list[str]:
    """Every `app.py` command a document shows, in code and between backticks."""
    text = document.text.replace("\\\n", " ")
    shown = re.findall(r"app\.py ((?:[a-z][^`\n]*|-[^`\n]*))", text)
    return [re.split(r"\s+#|[|>)\"]", command)[0].strip(" .,;:") for command in shown]


def made(document: Page) -> list[str]:
    """Every make target a document shows."""
    lines = [line for block in document.blocks("sh") for line in block.splitlines()]
    lines += re.findall(r"`(make [^`]+)`", document.prose)
    return [line.split()[1] for line in lines if line.startswith("make ") and len(line.split()) > 1]


def understood(words: list[str]) -> str:
    """Empty when the command line knows these words as a command and its options, else what it doesn't know."""
    command = typer.main.get_command(cli)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return words[0]
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return next((word for word in words if word.startswith("-") and word.split("=")[0] not in options), "")


@EVERY_PAGE
def test_commands_shown_exist(document: Page) -> None:
    unknown = [
        f"{command}: {wrong}"
        for command in spoken(document)
        if command != "…" and (wrong := understood(shlex.split(command.replace("…", "X"))))
    ]
    assert unknown == []


def test_commands_are_really_looked_at() -> None:
    assert "request password_reset --for maya" in spoken(PAGES["README.md"])
    assert understood(["reset", "maya"]) == "reset"
    assert understood(["audit", "prove"]) == "prove"
    assert understood(["request", "password_reset", "--approve"]) == "--approve"
    assert understood(["request", "password_reset", "--for", "maya", "--no-wait"]) == ""


@EVERY_PAGE
def test_make_targets_shown_exist(document: Page) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert [target for target in made(document) if target not in targets] == []


def test_commands_named_in_messages_exist() -> None:
    """A remedy that can't be followed is worse than none."""
    found = []
    for path in code():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += re.findall(r"python app\.py ([a-z][a-z -]*[a-z])", " ".join(node.value.split()))
    assert found, "no message names a command, so nothing was checked"
    heads = [[word for word in command.split() if not word.startswith("-")][:2] for command in found]
    assert [head for head in heads if understood(head[:1]) and understood(head)] == []


# -- examples ---------------------------------------------------------------------------------


def test_the_playbook_to_start_from_is_taken(tmp_path: Path) -> None:
    (example,) = page("docs/playbooks.md").blocks("yaml")
    (tmp_path / "folder_access.yaml").write_text(example, encoding="utf-8")
    assert set(load(tmp_path)) == {"folder_access"}


def test_every_shipped_playbook_is_listed() -> None:
    text = page("docs/playbooks.md").text
    shipped = {str(path.relative_to(ROOT / "playbooks")) for path in (ROOT / "playbooks").rglob("*.yaml")}
    assert set(re.findall(r"\.\./playbooks/([a-z_/]+\.yaml)", text)) == shipped


async def test_the_second_implementation_agrees_with_ours(sqlite_url: str, tmp_path: Path) -> None:
    """docs/verify.md ends with a verifier of its own. It accepts what happened, and no change of it."""
    (program,) = page("docs/verify.md").blocks("python")
    script = tmp_path / "second.py"
    script.write_text(program, encoding="utf-8")
    database = sqlite_url.removeprefix("sqlite:///")

    def judged(id: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), database, id]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    async with company(sqlite_url, tmp_path) as acme:
        maya, nina, sam = [await acme.enrolled(person) for person in ("maya", "nina", "sam")]
        reset = await acme.asks("password_reset", "maya")
        await acme.types(reset, maya)
        invited = await acme.asks("device_enrolment", "omar", by="nina")
        await acme.proves(invited, nina)
        await acme.proves(invited, sam)
        for request, proofs in ((reset, 1), (invited, 2)):
            answer = judged(request.id)
            assert answer.returncode == 0, answer.stderr
            assert len(re.findall("verifies$", answer.stdout, re.MULTILINE)) == proofs
        intruder = acme.store
        for column, other in (("person", "sam"), ("nonce", "0" * 64), ("digest", "0" * 64), ("signed", "{}")):
            proofs_of = TABLES["verifications"]
            mine = (proofs_of.c.request == invited.id) & (proofs_of.c.purpose == "prove")
            (row,) = await intruder.fetch(proofs_of.select().where(mine))
            await intruder.run(proofs_of.update().where(mine).values({column: other}))
            assert judged(invited.id).returncode != 0, f"{column} was changed and nobody noticed"
            found = proofs_of.c.request == invited.id
            changed = found & (proofs_of.c.purpose == "prove")
            await intruder.run(proofs_of.update().where(changed).values({column: row[column]}))
        assert judged(invited.id).returncode == 0


# -- what decisions rest on -------------------------------------------------------------------


def code() -> list[Path]:
    """Every Python file of the program itself."""
    found = [path for name in CODE for path in [ROOT / name, *(ROOT / name).rglob("*.py")] if path.is_file()]
    assert len(found) > len(CODE), "there is no code, so nothing was checked"
    return found


def importers(module: str) -> set[str]:
    """Which files import a module, wherever in the file."""
    found = set()
    for path in code():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] == module for name in names):
                found.add(str(path.relative_to(ROOT)))
    return found


def test_only_the_clock_knows_apscheduler_and_nothing_pickles() -> None:
    assert importers("apscheduler") == {"handlers/clock.py"}
    assert [importers(module) for module in ("pickle", "marshal", "shelve", "dill")] == [set()] * 4


def test_the_terminal_can_ask_look_and_tell_people_and_nothing_more() -> None:
    """Telling people that they can join gives nobody anything: the page is the same for all, and asks to sign on."""
    source = Path(socket.__file__).read_text(encoding="utf-8")
    routes = re.findall(r"web\.(get|post|put|patch|delete|route|view)\(\"([^\"]+)\"", source)
    assert sorted(routes) == [
        ("get", "/requests/{id}"),
        ("get", "/waves/{group}"),
        ("post", "/requests"),
        ("post", "/waves/{group}/{person}"),
    ]
    verbs = {"approve", "prove", "deny", "fulfil", "confirm", "verify", "unlock", "reset"}
    assert not verbs & set(typer.main.get_command(cli).commands)


def test_no_row_gives_anybody_a_role() -> None:
    columns = {f"{table.name}.{column.name}" for table in TABLES.values() for column in table.columns}
    assert [name for name in columns if "role" in name or "admin" in name] == []
