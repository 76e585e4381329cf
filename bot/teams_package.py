"""The app package that an administrator uploads to Teams: its manifest and two icons, the same bytes each time."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from handlers.chat_settings import GUID

VERSION = "1.19"
SCHEMA = f"https://developer.microsoft.com/json-schemas/teams/v{VERSION}/MicrosoftTeams.schema.json"
ACCENT = (0x1F, 0x5F, 0xBF)
WHITE = (0xFF, 0xFF, 0xFF)
#: What Teams suggests above the box that one writes in.
COMMANDS = (
    ("Home", "What waits for you, what is under way, and what you can ask for"),
    ("I forgot my password", "Ask for a password reset"),
    ("My account is locked", "Ask for an account unlock"),
    ("I didn't ask for this", "Stop a request that isn't yours"),
    ("Somebody called me from IT", "Check whether that was us"),
)


class PackageError(Exception):
    """A package that Teams would refuse. The message says what to give instead."""


def package(app_id: str, url: str) -> bytes:
    """The zip: manifest.json, color.png, outline.png. Raises PackageError."""
    if re.fullmatch(GUID, app_id) is None:
        raise PackageError("The app id isn't one. Copy the Microsoft App ID, 32 digits in five groups.")
    found = urlsplit(url)
    if found.scheme != "https" or not found.hostname or found.path.strip("/"):
        raise PackageError("Teams takes https addresses only. Give the public one: https://desk.example.com")
    content = json.dumps(manifest(app_id, url.rstrip("/"), found.netloc), indent=2, ensure_ascii=False)
    files = {"manifest.json": content.encode(), "color.png": color(), "outline.png": outline()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()


def manifest(app_id: str, url: str, host: str) -> Mapping[str, Any]:
    """manifest.json. The bot is in people's own chats, and in the team whose channel security reads."""
    commands = [{"title": title, "description": about} for title, about in COMMANDS]
    return {
        "$schema": SCHEMA,
        "manifestVersion": VERSION,
        "version": "1.0.0",
        "id": app_id,
        "developer": {
            "name": "Countersign",
            "websiteUrl": url,
            "privacyUrl": f"{url}/",
            "termsOfUseUrl": f"{url}/",
        },
        "name": {"short": "Countersign", "full": "Countersign: verified desk requests"},
        "description": {
            "short": "Ask the service desk, and confirm on your own device.",
            "full": "Ask for a password reset or an account unlock in your own words. Nothing changes before you "
            "have confirmed it on your registered device, and nobody can ask in your name.",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#{:02X}{:02X}{:02X}".format(*ACCENT),
        "bots": [
            {
                "botId": app_id,
                "scopes": ["personal", "team"],
                "isNotificationOnly": False,
                "supportsFiles": False,
                "commandLists": [{"scopes": ["personal"], "commands": commands}],
            }
        ],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [host],
    }


# -- icons: a countersigned ring, drawn with four samples a side of each dot -------------------------------

Shape = Callable[[float, float], bool]


def color() -> bytes:
    """192 × 192: white on the accent colour."""
    return _png(192, _mark, WHITE, ACCENT)


def outline() -> bytes:
    """32 × 32: white on nothing."""
    return _png(32, _mark, WHITE, None)


def _mark(x: float, y: float) -> bool:
    """A ring around a tick; both coordinates from -1 to 1, y downwards."""
    ring = 0.60 <= math.hypot(x, y) <= 0.74
    return ring or _near(x, y, (-0.30, 0.02), (-0.08, 0.25)) or _near(x, y, (-0.08, 0.25), (0.32, -0.24))


def _near(x: float, y: float, begin: tuple[float, float], end: tuple[float, float]) -> bool:
    """Within half a stroke of a line."""
    along_x, along_y = end[0] - begin[0], end[1] - begin[1]
    share = ((x - begin[0]) * along_x + (y - begin[1]) * along_y) / (along_x**2 + along_y**2)
    share = min(1.0, max(0.0, share))
    return math.hypot(x - begin[0] - share * along_x, y - begin[1] - share * along_y) <= 0.08


def _png(size: int, shape: Shape, ink: tuple[int, ...], paper: tuple[int, ...] | None) -> bytes:
    """A PNG with transparency (ISO/IEC 15948): eight bits each of red, green, blue and alpha."""
    rows = b"".join(
        b"\0" + b"".join(_dot(_covered(shape, size, column, row), ink, paper) for column in range(size))
        for row in range(size)
    )
    head = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _covered(shape: Shape, size: int, column: int, row: int) -> float:
    steps = (0.125, 0.375, 0.625, 0.875)
    inside = sum(shape(2 * (column + x) / size - 1, 2 * (row + y) / size - 1) for x in steps for y in steps)
    return inside / 16


def _dot(covered: float, ink: tuple[int, ...], paper: tuple[int, ...] | None) -> bytes:
    if paper is None:
        return bytes((*ink, round(255 * covered)))
    return bytes((*(round(p + (i - p) * covered) for i, p in zip(ink, paper, strict=True)), 255))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
