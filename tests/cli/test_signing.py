"""Two maintainers sign the playbooks at a terminal, with no other setting than where things are."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import app
from tests.company import SHIPPED


def run(*command: str, env: Mapping[str, str], typed: str = "") -> Result:
    """One command with this environment and no other settings; it never ends in a trace."""
    given = {name: None for name in os.environ if name.startswith("COUNTERSIGN_")}
    result = CliRunner().invoke(app.cli, command, env={**given, **env}, input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def env(tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "playbooks").mkdir()
    shutil.copy(SHIPPED / "account_unlock.yaml", tmp_path / "playbooks")
    return {
        "COUNTERSIGN_PLAYBOOKS": str(tmp_path / "playbooks"),
        "COUNTERSIGN_POLICY_KEYS": str(tmp_path / "maintainers.yaml"),
    }


def keyed(folder: Path, env: Mapping[str, str], *names: str) -> None:
    """Each makes a key, and all are put into the file of maintainers."""
    lines = []
    for name in names:
        made = run(
            "policy", "keygen", name, "--file", str(folder / f"{name}.key"), env=env, typed="hush\nhush\n"
        )
        assert made.exit_code == 0, made.output
        assert stat.S_IMODE((folder / f"{name}.key").stat().st_mode) == 0o600
        lines += [line for line in made.stdout.splitlines() if line.startswith(f"{name}: ")]
    text = "installation: production\nmaintainers:\n" + "".join(f"  {line}\n" for line in lines)
    (folder / "maintainers.yaml").write_text(text)


def test_two_make_keys_and_sign(tmp_path: Path, env: Mapping[str, str]) -> None:
    keyed(tmp_path, env, "nina", "sam")
    for name in ("nina", "sam"):
        signed = run(
            "policy", "sign", "--key", str(tmp_path / f"{name}.key"), "--as", name, env=env, typed="hush\n"
        )
        assert signed.exit_code == 0, signed.output
        assert f"{name} signed 1 playbook and 0 rule files for production." in signed.stdout
        assert "hush" not in signed.output
    kept = (tmp_path / "playbooks" / "SIGNATURES").read_text()
    assert '"nina"' in kept
    assert '"sam"' in kept


def test_no_key_is_written_over(tmp_path: Path, env: Mapping[str, str]) -> None:
    keyed(tmp_path, env, "nina")
    again = run("policy", "keygen", "nina", "--file", str(tmp_path / "nina.key"), env=env, typed="\n\n")
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "key", "typed", "said"),
    [
        ("nina", "sam", "hush\n", "isn't the key that"),
        ("eve", "nina", "hush\n", "No maintainer is called eve"),
        ("nina", "nina", "wrong\n", "can't be opened"),
        ("nina", "nobody", "hush\n", "nobody.key"),
    ],
)
def test_whoever_signs_with_anything_else_is_told_so(
    tmp_path: Path, env: Mapping[str, str], name: str, key: str, typed: str, said: str
) -> None:
    keyed(tmp_path, env, "nina", "sam")
    refused = run("policy", "sign", "--key", str(tmp_path / f"{key}.key"), "--as", name, env=env, typed=typed)
    assert (refused.exit_code, said in refused.stderr) == (1, True), refused.stderr
    assert not (tmp_path / "playbooks" / "SIGNATURES").exists()


def test_a_key_that_others_may_read_signs_nothing(tmp_path: Path, env: Mapping[str, str]) -> None:
    keyed(tmp_path, env, "nina")
    (tmp_path / "nina.key").chmod(0o644)
    refused = run("policy", "sign", "--key", str(tmp_path / "nina.key"), "--as", "nina", env=env)
    assert (refused.exit_code, "chmod 600" in refused.stderr) == (1, True)


def test_without_the_maintainers_nobody_signs(tmp_path: Path, env: Mapping[str, str]) -> None:
    bare = {"COUNTERSIGN_PLAYBOOKS": env["COUNTERSIGN_PLAYBOOKS"]}
    refused = run("policy", "sign", "--key", str(tmp_path / "nina.key"), "--as", "nina", env=bare)
    assert (refused.exit_code, "COUNTERSIGN_POLICY_KEYS" in refused.stderr) == (1, True)
