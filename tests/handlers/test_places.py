"""Where a page was opened: named networks, the country of a file in MaxMind's format, and nothing unknown."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from handlers.places import Places
from handlers.rules.facts import Place
from handlers.settings import SettingsError

NETWORKS = {
    "office": (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")),
    "vpn": (ipaddress.ip_network("100.64.0.0/10"),),
}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "office"),
        ("2001:db8::7", "office"),
        ("::ffff:10.1.2.3", "office"),
        ("100.64.9.9", "vpn"),
        ("203.0.113.9", "elsewhere"),
        ("not an address", None),
        ("", None),
    ],
)
def test_an_address_is_in_one_of_the_named_networks_or_elsewhere(address: str, network: str | None) -> None:
    assert Places(NETWORKS).of(address) == Place(network, None)


def test_the_country_comes_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "countries.mmdb"
    path.write_bytes(_countries({"203.0.113.0/24": "DE", "198.51.100.0/24": "FR"}))
    places = Places(NETWORKS, path)
    assert places.of("203.0.113.9") == Place("elsewhere", "DE")
    assert places.of("198.51.100.1") == Place("elsewhere", "FR")
    assert places.of("192.0.2.1") == Place("elsewhere", None)
    assert places.of("2001:db8::7") == Place("office", None)


def test_a_file_of_another_kind_is_refused_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "countries.mmdb"
    path.write_bytes(b"not a database")
    with pytest.raises(SettingsError, match="COUNTERSIGN_COUNTRIES"):
        Places(NETWORKS, path)


# -- the smallest database in MaxMind DB file format 2.0, IPv4, records of 24 bits ------------------


def _countries(known: dict[str, str]) -> bytes:
    nodes: list[list[int | str | None]] = [[None, None]]
    for network, code in known.items():
        found = ipaddress.ip_network(network)
        bits = f"{int(found.network_address):032b}"[: found.prefixlen]
        node = 0
        for bit in bits[:-1]:
            following = nodes[node][int(bit)]
            if not isinstance(following, int):
                nodes.append([None, None])
                following = nodes[node][int(bit)] = len(nodes) - 1
            node = following
        nodes[node][int(bits[-1])] = code
    data, places = b"", dict[str, int]()
    for code in known.values():
        places[code] = len(data)
        data += _map({"country": _map({"iso_code": _text(code)})})
    tree = b""
    for node_ in nodes:
        for record in node_:
            empty = len(nodes)
            value = (
                record
                if isinstance(record, int)
                else empty
                if record is None
                else empty + 16 + places[record]
            )
            tree += value.to_bytes(3, "big")
    about = {
        "node_count": _number(len(nodes), 6, 4),
        "record_size": _number(24, 5, 2),
        "ip_version": _number(4, 5, 2),
        "database_type": _text("Test-Country"),
        "languages": bytes([0, 4]),
        "binary_format_major_version": _number(2, 5, 2),
        "binary_format_minor_version": _number(0, 5, 2),
        "build_epoch": _number(1, 9, 8),
        "description": _map({}),
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _map(about)


def _text(text: str) -> bytes:
    return bytes([2 << 5 | len(text)]) + text.encode()


def _number(value: int, kind: int, size: int) -> bytes:
    control = bytes([kind << 5 | size]) if kind <= 7 else bytes([size, kind - 7])
    return control + value.to_bytes(size, "big")


def _map(pairs: dict[str, bytes]) -> bytes:
    return bytes([7 << 5 | len(pairs)]) + b"".join(_text(name) + value for name, value in pairs.items())
