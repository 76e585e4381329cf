"""Systems of record as an operator looks at them: which there are, and what a live one lets us do."""

from __future__ import annotations

import json
import shutil
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_commands import SHIPPED, run
from tests.company import SECRET_KEY
from tests.peers.certificates import Authority, Identity
from tests.peers.receiver import SECRET as SIGNED_WITH
from tests.peers.receiver import program


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
        (
            {"servers": ["http://ldap1"]},
            "directory: servers: 'http://ldap1' isn't an address such as ldaps://",
        ),
        ({"servers": ["ldaps://ldap1:99999"]}, "directory: servers: its port isn't a number from 1 to 65535"),
        ({"servers": ["ldaps://ldap1:abc"]}, "directory: servers: its port isn't a number"),
        (
            {"servers": ["ldaps://me:the-secret@ldap1"]},
            "directory: servers: a name or password doesn't belong",
        ),
        ({"servers": ["ldaps://ldap1?x"]}, "isn't an address such as ldaps://"),
        ({"ca_file": __file__}, "isn't a PEM file with a certificate in it"),
        ({"people": "nonsense"}, "directory: people: 'nonsense' isn't a name such as ou=people"),
        ({"groups": "ou=groups,"}, "directory: groups: 'ou=groups,' isn't a name"),
        ({"untouchable": ["admins"]}, "directory: untouchable: 'admins' isn't a name"),
        ({"only": "(o=Acme"}, "directory: only: '(o=Acme' isn't a filter such as"),
        ({"ca_file": "/nowhere.pem"}, "there is no file /nowhere.pem"),
        ({"ca_file": f"/{'a' * 300}"}, "directory: ca_file: the file /aaaa"),
        (
            {"servers": ["ldaps://a..example.com"]},
            "directory: servers: 'a..example.com' can't be the name of",
        ),
        ({"servers": [f"ldaps://{'a' * 64}.example.com"]}, "can't be the name of a host"),
        ({"servers": [f"ldaps://{'a.' * 130}com"]}, "can't be the name of a host"),
        ({"servers": ["ldaps://dc 1.example.com"]}, "can't be the name of a host"),
        ({"servers": ["ldaps://\ud800.example.com"]}, "directory: servers"),
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


@pytest.mark.parametrize("kind", ["scim", "webhook"])
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"url": "https://accounts.example.com:99999/"},
            "directory: url: its port isn't a number from 1 to 65535",
        ),
        (
            {"url": "https://:the-secret@accounts.example.com/"},
            "directory: url: a name or password doesn't belong",
        ),
        ({"ca_file": __file__}, "directory: ca_file: "),
    ],
)
def test_an_address_that_is_wrong_is_refused_with_its_place(
    tmp_path: Path, kind: str, more: Mapping[str, Any], said: str
) -> None:
    own = {"scim": {"token": "the-secret"}, "webhook": {"secret": SIGNED_WITH, "verbs": ["open_door"]}}[kind]
    entry = {"kind": kind, "url": "https://accounts.example.com/", **own, **more}
    done = run("connectors", "test", "directory", env=installed(tmp_path, connectors={"directory": entry}))
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split())
    assert "the-secret" not in done.output


def test_a_webhook_is_knocked_at_and_asked_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    asked: list[bytes] = []
    with knocked(authority.sign("localhost"), asked) as port:
        for ca_file, level in ((str(authority.file), "warn"), (None, "fail")):
            entry = {
                "kind": "webhook",
                "url": f"https://localhost:{port}/hook",
                "secret": SIGNED_WITH,
                "verbs": ["set_password"],
                **({"ca_file": ca_file} if ca_file else {}),
            }
            env = installed(tmp_path, connectors={"directory": entry})
            done = run("connectors", "test", "directory", "--json", env=env)
            told = {each["check"]: each for each in json.loads(done.stdout)}
            assert told["receiver"]["level"] == level
            assert ("its certificate is good for" in told["receiver"]["seen"]) is (level == "warn")
            assert told["rights"]["level"] == "warn"
            assert told["unlock"]["level"] == "fail", "a playbook needs it"
    assert b"".join(asked) == b""


def test_a_program_is_looked_at_and_not_run(tmp_path: Path) -> None:
    there = program(tmp_path)
    entry = {**there.entry(), "kind": "command"}
    env = installed(tmp_path, connectors={"doors": entry})
    told = {
        each["check"]: each
        for each in json.loads(run("connectors", "test", "doors", "--json", env=env).stdout)
    }
    assert (told["program"]["level"], told["rights"]["level"]) == ("pass", "warn")
    assert not there.doors.exists()


@contextmanager
def knocked(identity: Identity, heard: list[bytes]) -> Iterator[int]:
    """Somebody behind TLS who notes what they are told, and ends with their thread; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)

    class Noting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as line:
                heard.append(line.recv(4096))

    with socketserver.TCPServer(("127.0.0.1", 0), Noting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


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
