"""Systems of record as an operator looks at them: which there are, and what a live one lets us do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_commands import SHIPPED, run
from tests.company import SECRET_KEY


def installed(folder: Path, **said: Any) -> dict[str, str]:
    """The environment of an installation whose file says this."""
    config = folder / "countersign.yaml"
    config.write_text(yaml.safe_dump({"roles": {"administrator": ["a", "b"]}, **said}))
    playbooks = folder / "playbooks"
    if not playbooks.exists():
        shutil.copytree(SHIPPED, playbooks)
    return {
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder / 'desk.db'}",
        "COUNTERSIGN_CONFIG": str(config),
        "COUNTERSIGN_PLAYBOOKS": str(playbooks),
        "DIRECTORY_PASSWORD": "the-services-own-9f2c",
    }


@pytest.fixture
def env(openldap: Any, tmp_path: Path) -> Mapping[str, str]:
    entry = {**openldap.entry(), "kind": "ldap", "password": {"env": "DIRECTORY_PASSWORD"}}
    return installed(tmp_path, connectors={"directory": entry}, directory="directory")


def test_connectors_are_listed_with_what_playbooks_need(env: Mapping[str, str]) -> None:
    (row,) = json.loads(run("connectors", "list", "--json", env=env).stdout)
    assert (row["connector"], row["kind"]) == ("directory", "ldap")
    assert "disable" in row["can"]
    assert row["playbooks need"] == "add_to_group, set_password, unlock"
    assert "directory" in run("connectors", "list", env=env).stdout


def test_without_any_it_says_so(tmp_path: Path) -> None:
    assert "None is configured yet" in run("connectors", "list", env=installed(tmp_path)).stdout


def test_one_is_tried_against_the_live_system(env: Mapping[str, str]) -> None:
    done = run("connectors", "test", "directory", "--account", "maya", "--json", env=env)
    told = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.exit_code == 0
    assert told["set_password"]["level"] == "pass"
    assert told["account"]["seen"].startswith("uid=maya,")
    table = run("connectors", "test", "directory", env=env)
    assert "we may, tried without changing anything" in " ".join(table.stdout.split())
    assert run("connectors", "test", "directory", "--account", "nobody", env=env).exit_code == 1
    assert "There is no connector" in run("connectors", "test", "elsewhere", env=env).stderr


def test_a_scim_service_is_looked_over_too(scim: Any, tmp_path: Path) -> None:
    entry = {**scim.entry(), "kind": "scim", "token": {"env": "DIRECTORY_PASSWORD"}}
    env = installed(tmp_path, connectors={"directory": entry}, directory="directory")
    done = run("connectors", "test", "directory", "--account", "maya", "--json", env=env)
    told = {each["check"]: each for each in json.loads(done.stdout)}
    assert told["account"]["seen"].startswith("maya: open;")
    assert told["unlock"]["level"] == "fail", "SCIM has no word for it, and a playbook needs it"
    assert done.exit_code == 1


def test_the_doctor_looks_at_every_connector(env: Mapping[str, str]) -> None:
    found = {each["check"]: each for each in json.loads(run("doctor", "--json", env=env).stdout)}
    assert found["directory: set_password"]["level"] == "pass"
    assert found["directory: administrators"]["level"] == "warn"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "ldap"}, "connectors.directory: servers: Field required"),
        ({"kind": "nothing"}, "connectors.directory.kind: there is no 'nothing'"),
        ({"servers": ["http://ldap1"]}, "isn't an address such as ldaps://"),
        ({"ca_file": "/nowhere.pem"}, "there is no file /nowhere.pem"),
        ({"password": ""}, "connectors.directory: password"),
        ({"timezone": "Mars/Base"}, "there is no time zone 'Mars/Base'"),
        ({"roles": {"security": ["x"]}, "groups": ""}, "name the DN below which those are"),
        ({"verify": False}, "connectors.directory: verify"),
    ],
)
def test_an_entry_that_is_wrong_is_refused_with_its_place(
    tmp_path: Path, entry: Mapping[str, Any], said: str
) -> None:
    whole = {
        "kind": "ldap",
        "servers": ["ldaps://ldap1.example.com"],
        "bind_as": "cn=countersign",
        "password": "the-secret-of-the-service",
        "people": "ou=people,dc=example,dc=com",
        "groups": "ou=groups,dc=example,dc=com",
    }
    given = entry if entry == {"kind": "ldap"} else {**whole, **entry}
    done = run("connectors", "test", "directory", env=installed(tmp_path, connectors={"directory": given}))
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split())
    assert "the-secret" not in done.output


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"directory": "elsewhere"}, "directory: there is no connector 'elsewhere'"),
        (
            {"directory": "directory", "people": [{"id": "maya", "name": "Maya Lindqvist"}]},
            "leave the list `people` out",
        ),
    ],
)
def test_people_come_from_one_place_that_is_there(tmp_path: Path, said: Mapping[str, Any], why: str) -> None:
    done = run("init", "nina", "sam", env=installed(tmp_path, **said))
    assert done.exit_code == 1
    assert why in " ".join(done.stderr.split())
