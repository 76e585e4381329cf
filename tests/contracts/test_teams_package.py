"""The app package is one that Teams takes: by Microsoft's own schema, and the icons as Teams wants them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import app
from bot.teams_package import VERSION, PackageError, package
from bot.teams_work import PAGE
from tests.bot.test_phrases import phrases
from tests.peers import teams_schema
from tests.teams_issuer import APP

URL = "https://desk.example.com"


def files(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.teams_schema
def test_the_manifest_is_one_by_microsofts_own_schema() -> None:
    manifest = json.loads(files(package(APP, URL))["manifest.json"])
    assert teams_schema.complaints(manifest, VERSION) == []
    assert teams_schema.complaints({**manifest, "id": "no guid"}, VERSION) != []


def test_the_package_holds_what_it_names_and_is_the_same_each_time() -> None:
    packed = files(package(APP, URL))
    manifest = json.loads(packed["manifest.json"])
    assert set(packed) == {"manifest.json", *manifest["icons"].values()}
    assert package(APP, URL) == package(APP, f"{URL}/")
    assert manifest["validDomains"] == ["desk.example.com"]


def test_what_teams_suggests_is_understood() -> None:
    (bot,) = json.loads(files(package(APP, URL))["manifest.json"])["bots"]
    (listed,) = bot["commandLists"]
    for command in listed["commands"]:
        meant = phrases().read(command["title"])
        known = meant.kind in ("one", "disowned", "called") or command["title"].casefold() in PAGE
        assert known, command["title"]


@pytest.mark.parametrize(("name", "size", "clear"), [("color.png", 192, False), ("outline.png", 32, True)])
def test_an_icon_is_as_large_and_as_clear_as_teams_wants(name: str, size: int, clear: bool) -> None:
    drawn = files(package(APP, URL))[name]
    assert drawn.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", drawn[16:24]) == (size, size)
    start = drawn.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", drawn[start - 8 : start - 4])
    dots = zlib.decompress(drawn[start : start + length])
    rows = [dots[row * (4 * size + 1) + 1 : (row + 1) * (4 * size + 1)] for row in range(size)]
    alphas = {row[column * 4 + 3] for row in rows for column in range(size)}
    colors = {row[column * 4 : column * 4 + 3] for row in rows for column in range(size)}
    assert alphas == {255} if not clear else {0, 255} <= alphas
    assert colors == {b"\xff\xff\xff"} if clear else len(colors) > 2


WRONG = [("no id", URL), (APP.upper(), URL), (APP, "http://desk.example.com"), (APP, ""), (APP, f"{URL}/a")]


@pytest.mark.parametrize(("id", "url"), WRONG)
def test_what_teams_would_refuse_isnt_packed(id: str, url: str) -> None:
    with pytest.raises(PackageError):
        package(id, url)


def test_the_command_writes_it_and_says_what_to_do_with_it(tmp_path: Path) -> None:
    there = tmp_path / "countersign.zip"
    command = ["manifest", "teams", "--app-id", APP, "--url", URL, "--output", str(there)]
    result = CliRunner().invoke(app.cli, command)
    assert result.exit_code == 0, result.output
    assert there.read_bytes() == package(APP, URL)
    assert "docs/teams.md" in result.output
    wrong = CliRunner().invoke(app.cli, ["manifest", "teams", "--app-id", "x", "--url", URL])
    assert wrong.exit_code == 1
    assert "Microsoft App ID" in wrong.output
