"""The house rules that import-linter cannot say, read from the code itself.

Every port is async and the core never is, so a function in flows that is handed a port cannot use it.
The core reads no clock, no dice and no file even through names it may import.
Nothing under handlers serves a page. A library that is to be replaced one day is imported by one file.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTS = ROOT / "handlers" / "ports.py"

# Modules whose only use would be time, chance or identity. import-linter forbids them too; here the message
# says what to do instead.
CLOCKS_AND_DICE = {"time", "random", "uuid", "secrets"}
# datetime is allowed as a value, so the ways to read the clock through it are named. As calls they are
# refused on anything at all, since `moment.now()` may be a datetime under another name. `facts.now`
# is a value and stays allowed.
CLOCK_READS = {"now", "utcnow", "today"}
CLOCK_HOLDERS = {"datetime.datetime", "datetime.date"}
# Built in, so no import gives them away.
DOORS_OUT = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}


def modules(folder: str) -> list[tuple[Path, ast.Module]]:
    """Every module below a folder, parsed. An empty folder would let every rule pass, so it fails."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths, f"{folder}/ has no Python files, so nothing was checked"
    return [(path, ast.parse(path.read_text(encoding="utf-8"), str(path))) for path in paths]


def place(path: Path, node: ast.AST, what: str) -> str:
    # A comprehension has no line of its own; its target has.
    line = node.target.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 1)
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name → dotted name it stands for, for every import anywhere in the module."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """`dt.datetime.now` as the dotted name it really is; empty for anything that is not a chain of names."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        holder = dotted(node.value, names)
        return f"{holder}.{node.attr}" if holder else ""
    return ""


def is_protocol(node: ast.ClassDef, names: dict[str, str]) -> bool:
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return any(dotted(base, names).rpartition(".")[2] == "Protocol" for base in bases)


def reads_clock_or_dice(node: ast.AST, names: dict[str, str]) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS:
        return True
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in CLOCKS_AND_DICE for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in CLOCKS_AND_DICE
    if isinstance(node, ast.Attribute):
        # Not only calls: `field(default_factory=datetime.now)` reads the clock as surely.
        return node.attr in CLOCK_READS and dotted(node.value, names) in CLOCK_HOLDERS
    return False


def is_asynchronous(node: ast.AST) -> bool:
    if isinstance(node, ast.comprehension):
        return bool(node.is_async)
    return isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)


def test_every_port_is_async() -> None:
    assert PORTS.exists(), "handlers/ports.py does not exist, so no port was checked"
    tree = ast.parse(PORTS.read_text(encoding="utf-8"), str(PORTS))
    names = imported_names(tree)
    ports = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and is_protocol(node, names)]
    assert ports, "handlers/ports.py defines no Protocol, so no port was checked"
    blocking = [
        place(PORTS, verb, f"{port.name}.{verb.name} is not async")
        for port in ports
        for verb in ast.walk(port)
        if isinstance(verb, ast.FunctionDef)
    ]
    assert not blocking, "\n".join(blocking)


def test_the_core_is_never_async() -> None:
    found = [
        place(path, node, "async")
        for path, tree in modules("flows")
        for node in ast.walk(tree)
        if is_asynchronous(node)
    ]
    assert not found, "\n".join(found)


def test_the_core_reads_no_clock_and_rolls_no_dice() -> None:
    found = [
        place(path, node, f"`{ast.unparse(node)}`: pass it in as an argument")
        for path, tree in modules("flows")
        for names in [imported_names(tree)]
        for node in ast.walk(tree)
        if reads_clock_or_dice(node, names)
    ]
    assert not found, "\n".join(found)


def test_the_core_opens_nothing_and_prints_nothing() -> None:
    found = [
        place(path, node, f"{node.id} in the core")
        for path, tree in modules("flows")
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in DOORS_OUT
    ]
    assert not found, "\n".join(found)


def test_handlers_serve_no_pages() -> None:
    found = []
    for path, tree in modules("handlers"):
        names = imported_names(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                used = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                used = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Attribute):
                used = [dotted(node, names)]
            else:
                continue
            if any(f"{name}.".startswith("aiohttp.web.") for name in used):
                found.append(place(path, node, "aiohttp.web belongs in bot/"))
    assert not found, "\n".join(found)


#: Libraries that stand behind one file each, so that they can be replaced there.
BEHIND_ONE_FILE = {
    "botbuilder": "bot/teams.py",
    "botframework": "bot/teams.py",
    "ldap3": "handlers/ldap/session.py",
    "aiosmtplib": "bot/smtp.py",
}


@pytest.mark.parametrize("library", BEHIND_ONE_FILE)
def test_some_libraries_stand_behind_one_file(library: str) -> None:
    imports = re.compile(rf"^\s*(?:from|import) {library}\b", re.MULTILINE)
    folders = ("bot", "demo", "flows", "handlers", "storage")
    files = [ROOT / "app.py", *(file for folder in folders for file in (ROOT / folder).rglob("*.py"))]
    found = {str(file.relative_to(ROOT)) for file in files if imports.search(file.read_text("utf-8"))}
    assert found <= {BEHIND_ONE_FILE[library]}
