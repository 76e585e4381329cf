"""What every test may ask for: a database of its own on either store, and a browser.

A peer that is not on this machine skips the tests that need it and is named in the last lines of the run.
With PEERS=required it fails them instead.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.peers import (
    axe,
    card_renderer,
    emulate,
    playground,
    samba,
    slack_types,
    slapd,
    teams_schema,
    web_push,
)
from tests.peers import chromium as chromium_peer
from tests.peers import postgres as postgres_peer
from tests.peers import scim as scim_peer

if TYPE_CHECKING:
    from playwright.async_api import Browser

# Marker → why the peer cannot be used here, or None. Only absence is looked at: a peer that is here and does
# not start is a broken test run, never a skipped one.
PEERS = {
    "postgres": postgres_peer.missing,
    "chromium": chromium_peer.missing,
    "emulate": emulate.missing,
    "slack_types": slack_types.missing,
    "teams_schema": teams_schema.missing,
    "playground": playground.missing,
    "card_renderer": card_renderer.missing,
    "axe": axe.missing,
    "slapd": slapd.missing,
    "samba": samba.missing,
    "scim": scim_peer.missing,
    "web_push": web_push.missing,
}
NEEDS = {
    "postgres_url": "postgres",
    "postgres_cluster": "postgres",
    "chromium": "chromium",
    "openldap": "slapd",
    "domain": "samba",
    "scim": "scim",
    "push_service": "web_push",
}
ABSENT = pytest.StashKey[dict[str, str]]()

# A shared machine has slow moments, and a property does not become false in one.
settings.register_profile("everyday", deadline=None, print_blob=True)
settings.register_profile("proof", parent=settings.get_profile("everyday"), max_examples=2000)
settings.load_profile("everyday")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ABSENT] = {peer: reason for peer, missing in PEERS.items() if (reason := missing())}


@pytest.hookimpl(tryfirst=True)  # before the markers are used to select tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in NEEDS:
                item.add_marker(NEEDS[fixture])


@pytest.hookimpl(tryfirst=True)  # before any fixture starts something
def pytest_runtest_setup(item: pytest.Item) -> None:
    for peer, reason in item.config.stash[ABSENT].items():
        if item.get_closest_marker(peer):
            if os.environ.get("PEERS") == "required":
                pytest.fail(f"PEERS=required, and {peer} is missing: {reason}", pytrace=False)
            pytest.skip(f"{peer} is missing: {reason}")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost, so that only the count comes after these lines
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    yield
    terminalreporter.section("peers")
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    for peer, reason in config.stash[ABSENT].items():
        tests = sum(f"{peer} is missing: " in why for why in skipped)
        terminalreporter.line(
            f"missing: {peer} ({reason}); tests not run: {tests}. `make peers` installs it."
        )
    if not config.stash[ABSENT]:
        terminalreporter.line(f"none missing ({', '.join(PEERS)})")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres_peer.Cluster]:
    """One throw-away PostgreSQL for the whole run. Ask for `postgres_url` unless one database is too few."""
    with postgres_peer.running() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def openldap() -> Iterator[slapd.Slapd]:
    """One OpenLDAP server for the whole run: whoever changes somebody hires them first."""
    with slapd.running() as server:
        yield server


@pytest.fixture(scope="session")
def domain() -> Iterator[samba.Samba]:
    """One Active Directory domain for the whole run, in the same way."""
    with samba.running() as server:
        yield server


@pytest.fixture(scope="session")
def scim() -> Iterator[scim_peer.ScimPeer]:
    """One SCIM server for the whole run, in the same way."""
    with scim_peer.running() as server:
        yield server


@pytest.fixture(scope="session")
def push_service() -> Iterator[web_push.PushService]:
    """One push service for the whole run: every subscription is a browser of its own."""
    with web_push.running() as service:
        yield service


@pytest.fixture
def postgres_url(postgres_cluster: postgres_peer.Cluster) -> Iterator[str]:
    """postgresql://… of an empty database that this test has to itself."""
    with postgres_cluster.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """sqlite:////… of a file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database on each store in turn: the same test must hold on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser of this test's own, with no cookies, no passkeys and no history."""
    async with chromium_peer.running() as browser:
        yield browser
