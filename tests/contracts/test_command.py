"""A program that makes the change: what it is given, what it can't reach, and what becomes of every end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from handlers.changes import Changes, Uncertain
from handlers.connectors.command import connect
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from tests.contracts.test_connectors import SECRET, a_request

OPEN = a_request("open_door", door="east; touch /tmp/x & $(id) `id` \n'\"")


def script(folder: Path, body: str, **more: object) -> Changes:
    """A program with this body, which has read what it was asked into `asked`."""
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\nasked = json.load(sys.stdin)\n{body}\n")
    path.chmod(0o700)
    return connect({"run": [str(path), "--site", "a b"], "verbs": ["open_door"], **more})


YES = 'print(json.dumps({"done": True, "reference": "r", "observed": %s}))'


async def test_it_is_given_the_document_its_arguments_and_nothing_else(tmp_path: Path) -> None:
    os.environ["COUNTERSIGN_SECRET_KEY_OF_OURS"] = "ours"
    seen = tmp_path / "seen.json"
    body = (
        "line = open('/proc/self/cmdline').read()\n"
        f"with open({str(seen)!r}, 'w') as seen:\n"
        " json.dump([asked, sys.argv[1:], dict(os.environ), os.getcwd(), line], seen)\n" + YES % '"Open."'
    )
    made = script(tmp_path, body, environment={"TOKEN": "the-programs-own"})
    await made.carry_out(OPEN, OPEN.key, SECRET)
    del os.environ["COUNTERSIGN_SECRET_KEY_OF_OURS"]
    asked, arguments, environment, folder, line = json.loads(seen.read_text())
    assert asked["parameters"] == OPEN.parameters
    assert arguments == ["--site", "a b"]
    assert environment.pop("TOKEN") == "the-programs-own"
    environment.pop("LC_CTYPE", None)  # Python's own
    assert set(environment) == {"PATH", "LANG"}
    assert folder == "/"
    assert SECRET not in line
    assert SECRET not in str(environment)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (65, PolicyRefused), (66, NoAccount), (67, NoAccount), (77, MissingRight), (78, Rejected), (64, Rejected),
        (75, Unreachable), (1, Uncertain), (2, Uncertain), (127, Uncertain), (255, Uncertain),
    ],
)  # fmt: skip
async def test_every_exit_code_has_one_meaning(tmp_path: Path, code: int, kind: type[Exception]) -> None:
    made = script(
        tmp_path, f"print('No: ' + asked['secret'] + '\\x1b[31m', file=sys.stderr); sys.exit({code})"
    )
    with pytest.raises(kind) as said:
        await made.carry_out(OPEN, OPEN.key, SECRET)
    assert SECRET not in str(said.value)
    assert "\x1b" not in str(said.value)


@pytest.mark.parametrize(
    "body",
    [
        "os.kill(os.getpid(), 9)",
        "print('x' * 70_000)",
        "print('not json')",
        "print('[]')",
        "pass",
        'print(json.dumps({"done": "yes"}))',
        'print(json.dumps({"done": True}))',
    ],
)
async def test_whatever_isnt_a_clear_answer_leaves_it_open(tmp_path: Path, body: str) -> None:
    with pytest.raises(Uncertain):
        await script(tmp_path, body).carry_out(OPEN, OPEN.key, SECRET)


@pytest.mark.parametrize("stubborn", [False, True])
async def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path, stubborn: bool) -> None:
    pids = tmp_path / "pids"
    ignoring = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else ""
    body = (
        f"{ignoring}child = os.fork()\nif child:\n open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child}}')\n"
        "while True: time.sleep(1)"
    )
    made = script(tmp_path, body, answer_within=1.0)
    with pytest.raises(Uncertain, match="didn't end in time"):
        await made.carry_out(OPEN, OPEN.key, SECRET)
    left = [psutil.Process(int(pid)) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


async def test_a_program_that_others_may_change_is_refused_at_the_start_and_before_each_run(
    tmp_path: Path,
) -> None:
    made = script(tmp_path, YES % '"Open."')
    await made.carry_out(OPEN, OPEN.key, SECRET)
    program = tmp_path / "program"
    program.chmod(0o722)
    with pytest.raises(Unreachable, match="may be changed by others"):
        await made.carry_out(OPEN, OPEN.key, SECRET)
    for run in ([str(program)], ["program"], ["/nowhere"], [str(tmp_path)], [f"{program}\0"], []):
        with pytest.raises(ValidationError):
            connect({"run": run, "verbs": ["open_door"]})
    program.chmod(0o600)
    with pytest.raises(ValidationError, match="isn't a file that may be run"):
        connect({"run": [str(program)], "verbs": ["open_door"]})


def refused(*run: Path | str) -> str:
    """Why this isn't run; empty when it is."""
    try:
        connect({"run": [str(each) for each in run], "verbs": ["open_door"]})
    except ValidationError as error:
        return str(error)
    return ""


def test_every_step_on_the_way_to_a_program_counts(tmp_path: Path) -> None:
    """A link in a folder that everybody writes in, though both ends of the way are ours alone."""
    ours, everybodys = tmp_path / "ours", tmp_path / "everybodys"
    for folder in (ours, everybodys):
        folder.mkdir()
    program = ours / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    hop, start, relative = everybodys / "hop", ours / "start", ours / "relative"
    hop.symlink_to(program)
    start.symlink_to(hop)
    relative.symlink_to("../everybodys/hop")
    assert not refused(start)
    everybodys.chmod(0o777)
    for each in (start, relative, everybodys / ".." / "ours" / "program"):
        assert f"{everybodys} may be changed by others" in refused(each)
    assert not refused(program)
    (ours / "round").symlink_to(ours / "round")
    assert "can't be looked at" in refused(ours / "round")


async def test_what_an_argument_names_counts_too(tmp_path: Path) -> None:
    """An interpreter is nobody's doubt; what it is told to read is."""
    code = tmp_path / "program.py"
    code.write_text("import json\n" + YES % '"Open."')
    made = connect({"run": [sys.executable, str(code)], "verbs": ["open_door"]})
    await made.carry_out(OPEN, OPEN.key, SECRET)
    code.chmod(0o646)
    said = f"{code} may be changed by others"
    with pytest.raises(Unreachable, match="may be changed by others"):
        await made.carry_out(OPEN, OPEN.key, SECRET)
    assert said in refused(sys.executable, code)
    assert said in refused(sys.executable, str(code).removeprefix("/")), "it runs in the topmost folder"
    assert not refused(sys.executable, "--site", "a b", "/nowhere/at/all", "/dev/null", "x" * 5000)


def test_what_interprets_a_program_and_what_stands_after_an_equals_sign_count_too(tmp_path: Path) -> None:
    program, runner, deeper, rules = (tmp_path / name for name in ("program", "runner", "deeper", "rules"))
    for each, by in ((program, f"{runner} -x"), (runner, deeper), (deeper, "/bin/sh")):
        each.write_text(f"#! {by}\n")
        each.chmod(0o700)
    rules.write_text("")
    run = (program, f"--rules={rules}", "--name=/nowhere", "--empty=", "a=b")
    assert not refused(*run)
    for each in (runner, deeper, rules):
        each.chmod(0o722)
        assert f"{each} may be changed by others" in refused(*run)
        each.chmod(0o700)
    program.write_text(f"#!{tmp_path}/nowhere\n")
    assert "can't be looked at" in refused(program)
