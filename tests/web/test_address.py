"""Which address somebody's tries are counted by."""

from __future__ import annotations

import ipaddress

import pytest

from bot.web.address import client, household

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.1.1.1", "203.0.113.9", "203.0.113.9"),
        (
            "10.1.1.1",
            "198.51.100.1, 203.0.113.9, 10.2.2.2",
            "203.0.113.9",
        ),  # what a client says of itself is first
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody's proxy says anything
        ("::ffff:10.1.1.1", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("", "203.0.113.9", ""),
    ],
)
def test_only_a_trusted_proxy_is_believed(peer: str, forwarded: str, found: str) -> None:
    assert client(peer, forwarded, PROXIES) == found


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:ffff::1]:51234", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_what_a_subscriber_can_change_isnt_counted(address: str, counted: str) -> None:
    assert household(address) == counted
