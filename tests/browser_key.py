"""A registered browser's key in software, for tests and benchmarks that need no Chromium.

It says what `bot/web/static/keys.js` says, written down a second time: neither side trusts the other's spelling.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def text(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def fresh() -> ec.EllipticCurvePrivateKey:
    """A key nobody has had before."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class BrowserKey:
    """One key pair, and what a browser does with it."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=fresh)

    @classmethod
    def of(cls, number: str) -> BrowserKey:
        """The key that `number` was kept of."""
        return cls(ec.derive_private_key(int(number), ec.SECP256R1()))

    @property
    def number(self) -> str:
        """The private half as a number, to keep it."""
        return str(self.private.private_numbers().private_value)

    @property
    def point(self) -> str:
        """The public half, as it travels."""
        return text(self._raw)

    @property
    def name(self) -> str:
        """What the server's pages call it."""
        return text(hashlib.sha256(self._raw).digest())

    @property
    def jwk(self) -> dict[str, str]:
        """Both halves, as a real browser can be given them."""
        mine = self.private.private_numbers()
        x, y = mine.public_numbers.x, mine.public_numbers.y
        parts = {"x": x, "y": y, "d": mine.private_value}
        return {"kty": "EC", "crv": "P-256"} | {k: text(v.to_bytes(32, "big")) for k, v in parts.items()}

    def proof(
        self, method: str, target: str | bytes, body: bytes = b"", *, at: datetime, once: str = ""
    ) -> str:
        """What shows that this browser asks this, at this time."""
        stamp, once = str(round(at.timestamp() * 1000)), once or secrets.token_urlsafe(16)
        sent = target if isinstance(target, bytes) else target.encode()
        lines = [b"countersign/proof/v1", method.encode(), sent, text(hashlib.sha256(body).digest()).encode()]
        said = b"\n".join([*lines, stamp.encode(), once.encode(), self.name.encode()])
        r, s = decode_dss_signature(self.private.sign(said, ec.ECDSA(SHA256())))
        return f"v1.{stamp}.{once}.{text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    @property
    def _raw(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
