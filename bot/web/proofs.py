"""A registered browser signs what it asks: without its key, its cookie opens nothing.

A proof is `v1.TIME.ONCE.SIGNATURE`: milliseconds since 1970, 128 random bits, and 64 bytes of ECDSA over P-256
with SHA-256 (FIPS 186-5 section 6; r and s, as WebCrypto gives them), the last two in base64url, over these lines:

    countersign/proof/v1 · method · path with query · SHA-256 of the body · time · once · name of the key

The script sends it as a header, and lays it into a cookie of seconds where the browser itself goes on to a page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import flows.errors as no
from flows.digest import key_name
from handlers.seldom import Seldom

HEADER = "X-Proof"
COOKIE = "__Host-proof-"  # and a few characters, so that two windows don't overwrite each other's
TAG = "countersign/proof/v1"
SKEW = timedelta(seconds=60)  # how far a proof's time may be from our clock, either way
REMEMBERED = timedelta(minutes=3)  # longer than any proof is good for
MOST = 2_000  # proofs of one key that are remembered; whoever sends more has to wait
BROWSERS = 50_000  # keys whose proofs are remembered
LAID = 12  # cookies with a proof that are looked at

_SHAPE = re.compile(r"v1\.([0-9]{13})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{86})")
_POINT = re.compile(r"B[A-Za-z0-9_-]{86}")  # 0x04 and two coordinates of 32 bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proof is about. `target` is the path with its query, as it was sent."""

    method: str
    target: str
    body: bytes = b""


def usable_point(given: object) -> str:
    """The public half of a browser's new key. Raises NoBrowserKey for anything but a point of P-256."""
    if not isinstance(given, str) or not _POINT.fullmatch(given):
        raise no.NoBrowserKey
    try:
        point = _public(given).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    except ValueError:
        raise no.NoBrowserKey from None
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()  # in its one spelling


def presented(request: web.Request) -> list[str]:
    """The proofs that came with a request: the header's, or else those that the script laid into cookies."""
    if HEADER in request.headers:
        return request.headers.getall(HEADER)[:LAID]
    return [value for name, value in request.cookies.items() if name.startswith(COOKIE)][-LAID:]


@dataclass(slots=True)
class _Used:
    proof: str
    until: datetime
    onward: str = ""  # where our own answer to it leads


@dataclass(slots=True)
class Proofs:
    """Which proofs this process has seen. Each is good once, and once more for where our own answer led.

    `most` proofs of each of `browsers` keys are remembered. Beyond that none is taken: better late than twice.
    """

    most: int = MOST
    browsers: int = BROWSERS
    _used: dict[str, dict[str, _Used]] = field(default_factory=dict)
    since: datetime | None = None  # when this process began: what was used before it isn't remembered
    _noted: Seldom = field(init=False)

    def __post_init__(self) -> None:
        self._noted = Seldom(timedelta(minutes=1), self.browsers)

    def take(self, proof: str, key: str, asked: Asked, now: datetime) -> bool:
        """Whether this proof shows that the browser with this key asks this, now. It is used up by that.

        1. It has the shape of one.  2. Its time is ours.  3. It wasn't used, unless we led the browser here.
        4. The device's key signed it, for exactly this.  5. There is room to remember it.
        """
        # 1
        parts = _SHAPE.fullmatch(proof)
        if parts is None:
            return False
        at, once, signature = parts.groups()
        # 2
        made = datetime.fromtimestamp(int(at) / 1000, now.tzinfo)
        if abs(now - made) > SKEW or (self.since is not None and made < self.since):
            return False
        # 3: by its random part, since anybody can turn one good signature into another
        used = self._used.get(key, {})
        if (before := used.get(once)) is not None:
            return _led_here(before, proof, asked)
        # 4
        if not _signed(key, signature, said(asked, at, once, key_name(key))):
            return False
        # 5
        return self._remember(key, once, proof, now)

    def lead(self, proof: str, key: str, onward: str) -> None:
        """Our answer to what this proof came with leads the browser on to a page."""
        parts = _SHAPE.fullmatch(proof)
        if parts and (used := self._used.get(key, {}).get(parts[2])) is not None:
            used.onward = onward

    def worth_noting(self, device: str, now: datetime) -> bool:
        """Whether an unsigned request with this device's cookie is news: once a minute for each device."""
        return self._noted.due(device, now)

    def _remember(self, key: str, once: str, proof: str, now: datetime) -> bool:
        if key not in self._used and len(self._used) >= self.browsers:
            self._used = {name: fresh for name, some in self._used.items() if (fresh := _fresh(some, now))}
            if len(self._used) >= self.browsers:
                return False
        mine = self._used.setdefault(key, {})
        if mine and len(mine) % (self.most // 10) == 0:
            mine = self._used[key] = _fresh(mine, now)
        if len(mine) >= self.most:
            return False
        mine[once] = _Used(proof, now + REMEMBERED)
        return True


def said(asked: Asked, at: str, once: str, name: str) -> bytes:
    """The bytes that a browser signs."""
    body = base64.urlsafe_b64encode(hashlib.sha256(asked.body).digest()).rstrip(b"=").decode()
    lines = [TAG, asked.method, asked.target, body, at, once, name]
    return "\n".join(lines).encode("utf-8", "surrogateescape")  # a target is whatever bytes were sent


def _fresh(some: dict[str, _Used], now: datetime) -> dict[str, _Used]:
    return {once: each for once, each in some.items() if now < each.until}


def _led_here(before: _Used, proof: str, asked: Asked) -> bool:
    led = proof == before.proof and asked.method == "GET" and before.onward == asked.target
    if led:
        before.onward = ""
    return led


def _signed(key: str, signature: str, message: bytes) -> bool:
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
    try:
        _public(key).verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)  # a person's pages follow one another
def _public(point: str) -> ec.EllipticCurvePublicKey:
    raw = base64.urlsafe_b64decode(point + "=")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
